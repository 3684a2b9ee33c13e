//! The gradient of a whole sequence, taken on a silent twin: weights and state of the trainer stay as they are.

use alloc::vec::Vec;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use crate::synapses::Synapses;
use crate::transpose::{to_matrix, to_vector};
use crate::{EpropTrainer, Error, Float, Inputs, OnlineTrainer, Tally};

/// The gradient of the summed loss, and of the regulariser, by every parameter of an [`EpropTrainer`]. Example: [`GradientRun`].
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients<F> {
    /// (N, n_inputs)
    pub w_in: Array2<F>,
    /// (N, N), diagonal 0
    pub w_rec: Array2<F>,
    /// (O, N)
    pub w_out: Array2<F>,
    /// (O,), 0 without `readout_bias`
    pub b: Array1<F>,
    /// The loss, summed over the steps that have a target; the regulariser is in the gradient, not in here.
    pub loss: f64,
}

/// The gradient of the summed loss by every weight of an [`OnlineTrainer`]. Example: [`OnlineTrainer::gradients`].
#[derive(Clone, Debug, PartialEq)]
pub struct StackGradients<F> {
    /// Per layer, (its size, the size below)
    pub w: Vec<Array2<F>>,
    /// The loss, summed over the steps that have a target.
    pub loss: f64,
}

/// A gradient in the making, fed piece by piece; `trainer` is the type it was taken from.
///
/// ```
/// use eprop::{Config, EpropTrainer};
/// use ndarray::{Array2, s};
/// let trainer = EpropTrainer::<f64>::new(3, 8, 2, Config::default())?;
/// let (x, y) = (Array2::ones((20, 3)), Array2::zeros((20, 2)));
/// let mut run = trainer.gradient_run();
/// run.piece(x.slice(s![..7, ..]), y.slice(s![..7, ..]), None)?;
/// run.piece(x.slice(s![7.., ..]), y.slice(s![7.., ..]), None)?;
/// assert_eq!(run.finish(), trainer.gradients(x.view(), y.view(), None)?);
/// # Ok::<(), eprop::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct GradientRun<T> {
    twin: T,
    tally: Tally,
}

macro_rules! gradient_methods {
    ($trainer:ident, $gradients:ident, $make:literal) => {
        impl<F: Float> $trainer<F> {
            #[doc = concat!(
                "The gradient of the *sum* of the loss over a sequence from a silent network: `inputs` (T, n_inputs), \
                `targets` (T, n_outputs), `mask` (T,).\n\n# Errors\n[`Error::Shape`], [`Error::Value`].\n\n",
                "```\n", $make, "\nlet (x, y) = (ndarray::Array2::ones((20, 3)), ndarray::Array2::zeros((20, 2)));\n\
                assert!(trainer.gradients(x.view(), y.view(), None)?.loss.is_finite());\n# Ok::<(), eprop::Error>(())\n```"
            )]
            pub fn gradients<'a>(
                &self,
                inputs: impl Into<Inputs<'a, F>>,
                targets: ArrayView2<'_, F>,
                mask: Option<ArrayView1<'_, bool>>,
            ) -> Result<$gradients<F>, Error> {
                let inputs = inputs.into();
                self.check_sequence(inputs, targets, mask)?;
                let mut run = self.gradient_run();
                run.piece(inputs, targets, mask)?;
                Ok(run.finish())
            }

            /// Starts a gradient that is fed piece by piece. Example: [`GradientRun`].
            pub fn gradient_run(&self) -> GradientRun<Self> {
                let twin = self.twin();
                GradientRun { tally: twin.tally(), twin }
            }
        }

        impl<F: Float> GradientRun<$trainer<F>> {
            /// Takes in the next steps of the sequence. Example: [`GradientRun`].
            ///
            /// # Errors
            /// [`Error::Shape`], [`Error::Value`], and then nothing has changed.
            pub fn piece<'a>(
                &mut self,
                inputs: impl Into<Inputs<'a, F>>,
                targets: ArrayView2<'_, F>,
                mask: Option<ArrayView1<'_, bool>>,
            ) -> Result<(), Error> {
                self.twin.train_piece(inputs, targets, mask, None, &mut self.tally)
            }
        }
    };
}

gradient_methods!(
    EpropTrainer,
    Gradients,
    "let trainer = eprop::EpropTrainer::<f64>::new(3, 8, 2, eprop::Config::default())?;"
);
gradient_methods!(
    OnlineTrainer,
    StackGradients,
    "let trainer = eprop::OnlineTrainer::<f64>::new(&[3, 8, 2], eprop::StackConfig::default())?;"
);

impl<F: Float> Gradients<F> {
    /// Of no parameters.
    pub(crate) fn none() -> Self {
        let matrix = Array2::default((0, 0));
        Self {
            w_in: matrix.clone(),
            w_rec: matrix.clone(),
            w_out: matrix,
            b: Array1::default(0),
            loss: 0.0,
        }
    }
}

impl<F: Float> GradientRun<EpropTrainer<F>> {
    /// Whether `piece` would take these steps.
    pub(crate) fn check(
        &self,
        inputs: Inputs<'_, F>,
        targets: ArrayView2<'_, F>,
        mask: Option<ArrayView1<'_, bool>>,
    ) -> Result<(), Error> {
        self.twin.check_sequence(inputs, targets, mask)
    }

    /// The gradient of all pieces together. Example: [`GradientRun`].
    pub fn finish(mut self) -> Gradients<F> {
        let twin = &mut self.twin;
        let n = twin.n_neurons();
        let r = twin.regulariser.coefficients(twin.schedule.pending());
        let b = twin.feedback.backward(twin.readout.backward());
        let mut w_in = twin.synapses.gradient(b, r);
        let w_rec = w_in.split_off(twin.n_inputs * n);
        let (w_out, b) = twin.readout.gradient();
        Gradients {
            w_in: to_matrix(&w_in, n),
            w_rec: to_matrix(&w_rec, n),
            w_out: to_matrix(&w_out, twin.n_outputs()),
            b: to_vector(b),
            loss: self.tally.loss_sum(),
        }
    }
}

impl<F: Float> GradientRun<OnlineTrainer<F>> {
    /// The gradient of all pieces together. Example: [`GradientRun`].
    pub fn finish(self) -> StackGradients<F> {
        StackGradients {
            w: self.twin.pending_gradients(),
            loss: self.tally.loss_sum(),
        }
    }
}
