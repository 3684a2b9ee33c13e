//! The methods that the crate's two trainers of sequences have in common, as one trait.

use eprop::{Error, Input, Inputs, StepOutput, Tally};
use numpy::ndarray::{ArrayView1, ArrayView2, ArrayViewMut2};
use pyo3::prelude::*;

use crate::arrays::Real;

type Done = Result<(), Error>;
type Mask<'a> = Option<ArrayView1<'a, bool>>;

/// How wide the rows of inputs, outputs and spikes are, and how many synapses a step passes.
#[derive(Clone, Copy)]
pub struct Widths {
    pub inputs: usize,
    pub outputs: usize,
    pub spikes: usize,
    pub synapses: usize,
}

/// A trainer of sequences.
pub trait Engine: Send {
    type F: Real;
    type Run: Run<F = Self::F>;
    type Factor: Send;

    fn widths(&self) -> Widths;
    fn step(
        &mut self,
        x: Input<Self::F>,
        target: Option<ArrayView1<Self::F>>,
    ) -> Result<StepOutput<'_, Self::F>, Error>;
    fn tally(&self) -> Tally;
    fn check_inputs(&self, inputs: Inputs<Self::F>) -> Done;
    fn check_sequence(
        &self,
        inputs: Inputs<Self::F>,
        targets: ArrayView2<Self::F>,
        mask: Mask,
    ) -> Done;
    fn train_piece(
        &mut self,
        inputs: Inputs<Self::F>,
        targets: ArrayView2<Self::F>,
        mask: Mask,
        outputs: Option<ArrayViewMut2<Self::F>>,
        tally: &mut Tally,
    ) -> Done;
    fn predict_piece(
        &mut self,
        inputs: Inputs<Self::F>,
        outputs: ArrayViewMut2<Self::F>,
        spikes: Option<ArrayViewMut2<Self::F>>,
    ) -> Done;
    fn check_weights(&self) -> Done;
    fn update(&mut self) -> Done;
    fn reset(&mut self);
    fn gradient_run(&self) -> Self::Run;
    fn calibrate_while(
        &mut self,
        inputs: Inputs<Self::F>,
        rate: f64,
        keep_going: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Self::Factor>, Error>;
}

/// A gradient in the making.
pub trait Run: Send {
    type F: Real;
    type Gradients: for<'py> IntoPyDict<'py> + Send;

    fn piece(&mut self, inputs: Inputs<Self::F>, targets: ArrayView2<Self::F>, mask: Mask) -> Done;
    fn finish(self) -> Self::Gradients;
}

/// Gradients as the dict that Python shows.
pub trait IntoPyDict<'py> {
    fn into_dict(self, py: Python<'py>) -> PyResult<Bound<'py, pyo3::types::PyDict>>;
}

/// Hands every call to the inherent method of the same name.
macro_rules! engine {
    ($Trainer:ident, $Gradients:ident, $Factor:ty, $spikes:ident, $synapses:expr) => {
        impl<F: Real> Engine for eprop::$Trainer<F> {
            type F = F;
            type Run = eprop::GradientRun<Self>;
            type Factor = $Factor;

            fn widths(&self) -> Widths {
                Widths {
                    inputs: self.n_inputs(),
                    outputs: self.n_outputs(),
                    spikes: self.$spikes(),
                    synapses: $synapses(self),
                }
            }

            fn step(
                &mut self,
                x: Input<F>,
                target: Option<ArrayView1<F>>,
            ) -> Result<StepOutput<'_, F>, Error> {
                self.step(x, target)
            }

            fn tally(&self) -> Tally {
                self.tally()
            }

            fn check_inputs(&self, inputs: Inputs<F>) -> Done {
                self.check_inputs(inputs)
            }

            fn check_sequence(
                &self,
                inputs: Inputs<F>,
                targets: ArrayView2<F>,
                mask: Mask,
            ) -> Done {
                self.check_sequence(inputs, targets, mask)
            }

            fn train_piece(
                &mut self,
                inputs: Inputs<F>,
                targets: ArrayView2<F>,
                mask: Mask,
                outputs: Option<ArrayViewMut2<F>>,
                tally: &mut Tally,
            ) -> Done {
                self.train_piece(inputs, targets, mask, outputs, tally)
            }

            fn predict_piece(
                &mut self,
                inputs: Inputs<F>,
                outputs: ArrayViewMut2<F>,
                spikes: Option<ArrayViewMut2<F>>,
            ) -> Done {
                self.predict_piece(inputs, outputs, spikes)
            }

            fn check_weights(&self) -> Done {
                self.check_weights()
            }

            fn update(&mut self) -> Done {
                self.update()
            }

            fn reset(&mut self) {
                self.reset();
            }

            fn gradient_run(&self) -> Self::Run {
                self.gradient_run()
            }

            fn calibrate_while(
                &mut self,
                inputs: Inputs<F>,
                rate: f64,
                keep_going: &mut dyn FnMut() -> bool,
            ) -> Result<Option<Self::Factor>, Error> {
                self.calibrate_while(inputs, rate, keep_going)
            }
        }

        impl<F: Real> Run for eprop::GradientRun<eprop::$Trainer<F>> {
            type F = F;
            type Gradients = eprop::$Gradients<F>;

            fn piece(&mut self, inputs: Inputs<F>, targets: ArrayView2<F>, mask: Mask) -> Done {
                self.piece(inputs, targets, mask)
            }

            fn finish(self) -> Self::Gradients {
                self.finish()
            }
        }
    };
}

engine!(EpropTrainer, Gradients, f64, n_neurons, |t: &Self| (t
    .n_inputs()
    + t.n_neurons())
    * t.n_neurons());
engine!(
    OnlineTrainer,
    StackGradients,
    Vec<f64>,
    n_outputs,
    |t: &Self| t
        .layer_sizes()
        .windows(2)
        .map(|pair| pair[0] * pair[1])
        .sum()
);
