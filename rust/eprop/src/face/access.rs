//! What a user reads and assigns of an [`EpropTrainer`]: copies out, whole arrays in, in (postsynaptic, presynaptic) shape.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut2};

use super::copies::{or_panic, to_vector, zeros};
use crate::network::recurrent::Recurrent;
use crate::numbers::interrupt::{Interrupt, Pace};
use crate::numbers::memory::fill;
use crate::parts::check;
use crate::synapses::What;
use crate::{Engine, EpropTrainer, Error, Float};

/// A matrix of an [`EpropTrainer`] that can be read into memory of the caller's.
///
/// ```
/// use eprop::{Config, EpropTrainer, Matrix};
/// let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
/// let mut w_in = ndarray::Array2::zeros(trainer.dim(Matrix::WIn));
/// trainer.read(Matrix::WIn, w_in.view_mut())?;
/// assert_eq!(w_in, trainer.w_in());
/// # Ok::<(), eprop::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matrix {
    /// Input weights (N, n_inputs).
    WIn,
    /// Recurrent weights (N, N), diagonal 0.
    WRec,
    /// Readout weights (O, N).
    WOut,
    /// The feedback matrix `B` (N, O); `W_out^T` when symmetric.
    B,
    /// Eligibility traces (N, n_inputs + N) of a stream; 0 for a neuron's own source.
    EBar(usize),
    /// Presynaptic traces (N, n_inputs + N) of a stream, as each neuron has them; 0 for a neuron's own source.
    ZBar(usize),
}

impl<F: Float> EpropTrainer<F> {
    /// Which form of the synapses is at work: by sizes and options alone. Example: [`Engine`].
    pub fn engine(&self) -> Engine {
        self.plan.form
    }

    pub(super) fn first(&self) -> &Recurrent<F> {
        self.streams.first()
    }

    /// Number of neurons N.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// assert_eq!((trainer.n_inputs(), trainer.n_neurons(), trainer.n_outputs()), (3, 8, 2));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn n_neurons(&self) -> usize {
        self.first().layer.neuron.len()
    }

    /// Rows and columns of a matrix. Example: [`Matrix`].
    pub fn dim(&self, matrix: Matrix) -> (usize, usize) {
        let (n_inputs, n, n_outputs) = (self.n_inputs(), self.n_neurons(), self.n_outputs());
        match matrix {
            Matrix::WIn => (n, n_inputs),
            Matrix::WRec => (n, self.first().senders().len()),
            Matrix::WOut => (n_outputs, n),
            Matrix::B => (n, n_outputs),
            Matrix::EBar(_) | Matrix::ZBar(_) => (n, self.first().senders().end),
        }
    }

    /// Reads a matrix into memory of the caller's, of the rows and columns that [`dim`](Self::dim) says. Only what is asked for is copied. Example: [`Matrix`].
    ///
    /// # Errors
    /// [`Error::Shape`]; [`Error::Value`] for a stream that there is not; [`Error::TooLarge`] where there is no memory for what has to be
    /// worked off to read it; [`Error::Interrupted`], and then only some of it has been read.
    pub fn read(&self, matrix: Matrix, to: ArrayViewMut2<'_, F>) -> Result<(), Error> {
        self.read_until(matrix, to, self.streams.interrupt())
    }

    fn read_until(
        &self,
        matrix: Matrix,
        to: ArrayViewMut2<'_, F>,
        interrupt: &Interrupt,
    ) -> Result<(), Error> {
        let pace = &mut interrupt.pace();
        check::room("to", &to, self.dim(matrix))?;
        let first = self.first();
        let (n_inputs, sources) = (self.n_inputs(), first.senders().end);
        match matrix {
            Matrix::WIn => first.read_inward(What::Weight, 0..n_inputs, to, pace),
            Matrix::WRec => first.read_inward(What::Weight, n_inputs..sources, to, pace),
            Matrix::EBar(b) => {
                let stream = self.existing(b)?;
                stream.read_inward(What::Eligibility, 0..sources, to, pace)
            }
            Matrix::ZBar(b) => self.read_z_bar(self.existing(b)?, to, pace),
            Matrix::WOut => first.read_w_out(to),
            Matrix::B => first.read_b_feedback(to),
        }
    }

    pub(super) fn existing(&self, b: usize) -> Result<&Recurrent<F>, Error> {
        let missing = || Error::value("stream", "a stream of the batch", b);
        self.streams.get(b).ok_or_else(missing)
    }

    fn read_z_bar(
        &self,
        stream: &Recurrent<F>,
        mut to: ArrayViewMut2<'_, F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        let synapses = &stream.layer.synapses;
        if self.config.each.tau_mem.is_some() {
            return synapses.z_bar_rows(pace, &mut |source, row| {
                fill(to.column_mut(source), row);
                Ok(())
            });
        }
        let mut source = 0;
        synapses.z_bar(&mut |z_bar| {
            to.column_mut(source).fill(z_bar);
            source += 1;
        });
        let n_inputs = self.n_inputs();
        let own = to.outer_iter_mut().enumerate();
        own.for_each(|(j, mut row)| row[n_inputs + j] = F::ZERO);
        Ok(())
    }

    /// A matrix in memory of its own.
    pub(super) fn matrix(&self, matrix: Matrix) -> Array2<F> {
        let mut to = zeros(self.dim(matrix));
        or_panic(self.read_until(matrix, to.view_mut(), &Interrupt::NOBODY));
        to
    }

    /// Input weights, a copy (N, n_inputs).
    ///
    /// # Panics
    /// There is no memory for it: [`read`](Self::read) returns the error.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// let doubled = trainer.w_in() * 2.0;
    /// trainer.set_w_in(doubled.view())?;
    /// assert_eq!(trainer.w_in(), doubled);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn w_in(&self) -> Array2<F> {
        self.matrix(Matrix::WIn)
    }

    /// Recurrent weights, a copy (N, N), diagonal 0.
    ///
    /// # Panics
    /// There is no memory for it: [`read`](Self::read) returns the error.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// assert!(trainer.w_rec().diag().iter().all(|&w| w == 0.0));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn w_rec(&self) -> Array2<F> {
        self.matrix(Matrix::WRec)
    }

    /// Readout weights, a copy (O, N).
    ///
    /// # Panics
    /// There is no memory for it: [`read`](Self::read) returns the error.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// assert_eq!(trainer.w_out().dim(), (2, 8));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn w_out(&self) -> Array2<F> {
        self.matrix(Matrix::WOut)
    }

    /// Readout biases, a copy (O,); 0 without `readout_bias`.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// assert_eq!(trainer.b().to_vec(), [0.0, 0.0]);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn b(&self) -> Array1<F> {
        to_vector(self.first().head.readout.b())
    }

    /// The feedback matrix `B`, a copy (N, O); `W_out^T` when symmetric.
    ///
    /// # Panics
    /// There is no memory for it: [`read`](Self::read) returns the error.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// assert_eq!(trainer.b_feedback(), trainer.w_out().reversed_axes());
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn b_feedback(&self) -> Array2<F> {
        self.matrix(Matrix::B)
    }

    /// Assigns the input weights (N, n_inputs). Example: [`w_in`](Self::w_in).
    ///
    /// What the synapses hold in factors is folded for good. Traces and all other weights stay as they read; later bits
    /// are those of the assigned weights, even if these are what was just read.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`] for NaN or infinity, for a weight where there is no synapse, and one of another sign than `sign` says;
    /// [`Error::Interrupted`], and then nothing has changed.
    pub fn set_w_in(&mut self, w: ArrayView2<'_, F>) -> Result<(), Error> {
        check::matrix("W_in", w, self.n_neurons(), self.n_inputs())?;
        self.first().check_wires("W_in", 0, w)?;
        self.first().check_signs("W_in", 0, w)?;
        self.change(|this, pace| {
            this.streams
                .alter(|first| first.layer.synapses.assign(0, w, pace))
        })
    }

    /// Assigns the recurrent weights (N, N).
    ///
    /// What the synapses hold in factors is folded for good. Traces and all other weights stay as they read; later bits
    /// are those of the assigned weights, even if these are what was just read.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`] for NaN, infinity, a diagonal that is not 0, a weight where there is no synapse, and one of another sign than `sign` says;
    /// [`Error::Interrupted`], and then nothing has changed.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// assert!(trainer.set_w_rec(ndarray::Array2::ones((8, 8)).view()).is_err());
    /// trainer.set_w_rec(ndarray::Array2::zeros((8, 8)).view())?;
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn set_w_rec(&mut self, w: ArrayView2<'_, F>) -> Result<(), Error> {
        let (n, senders) = self.dim(Matrix::WRec);
        check::matrix("W_rec", w, n, senders)?;
        // Of a part of a network, there is no synapse where a neuron would reach itself.
        if self.plan.part.is_none() {
            check::no_self_connections("W_rec", w)?;
        }
        let n_inputs = self.n_inputs();
        self.first().check_wires("W_rec", n_inputs, w)?;
        self.first().check_signs("W_rec", n_inputs, w)?;
        self.change(|this, pace| {
            this.credit_so_far(pace)?;
            this.streams
                .alter(|first| first.layer.synapses.assign(n_inputs, w, pace))
        })
    }

    /// Before recurrent weights are assigned: what was learned so far is credited through the weights as they were.
    pub(super) fn credit_so_far(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        match self.plan.credits() {
            0 => Ok(()),
            _ => self.streams.flush(pace),
        }
    }

    /// Assigns the readout weights (O, N).
    ///
    /// What the readouts hold in factors is folded for good. Traces and all other weights stay; later bits are those of the assigned weights, even
    /// if these are what was just read.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`] for NaN or infinity; [`Error::Interrupted`], and then nothing has changed.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// trainer.set_w_out(ndarray::Array2::zeros((2, 8)).view())?;
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn set_w_out(&mut self, w: ArrayView2<'_, F>) -> Result<(), Error> {
        check::matrix("W_out", w, self.n_outputs(), self.n_neurons())?;
        self.flush()?;
        let assign = |first: &mut Recurrent<F>| {
            let w_of = |j: usize, k: usize| w[(k, j)];
            first.head.assign_readouts(w_of);
        };
        self.streams.alter(assign);
        Ok(())
    }

    /// Assigns the readout biases (O,).
    ///
    /// # Errors
    /// [`Error::Shape`]; [`Error::Value`] for NaN or infinity, and without `readout_bias`.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config { readout_bias: true, ..Config::default() })?;
    /// trainer.set_b(&[0.1, 0.2])?;
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn set_b<'b>(&mut self, b: impl Into<ArrayView1<'b, F>>) -> Result<(), Error> {
        let b = b.into();
        if !self.first().head.readout.has_bias() {
            return Err(Error::value(
                "b",
                "a trainer with readout_bias = true",
                "readout_bias = false",
            ));
        }
        check::vector("b", b, self.n_outputs())?;
        let b = b.iter().copied();
        self.streams.alter(|first| first.head.readout.set_b(b));
        Ok(())
    }

    /// Assigns the feedback matrix `B` (N, O).
    ///
    /// # Errors
    /// [`Error::Shape`]; [`Error::Value`] for NaN or infinity, and with symmetric feedback; [`Error::Interrupted`], and then nothing has changed.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer, Feedback};
    /// let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config { feedback: Feedback::Random, ..Config::default() })?;
    /// trainer.set_b_feedback(ndarray::Array2::ones((8, 2)).view())?;
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn set_b_feedback(&mut self, b: ArrayView2<'_, F>) -> Result<(), Error> {
        if !self.first().head.feedback.has_own() {
            let got = "symmetric feedback, whose B is W_out^T";
            return Err(Error::value(
                "B",
                "a trainer with feedback = \"random\" or \"adaptive\"",
                got,
            ));
        }
        check::matrix("B", b, self.n_neurons(), self.n_outputs())?;
        self.flush()?;
        self.streams
            .alter(|first| first.head.assign_feedback(|j, k| b[(j, k)]));
        Ok(())
    }

    /// What was learned so far goes through `B` as it is.
    fn flush(&mut self) -> Result<(), Error> {
        let interrupt = self.streams.interrupt().clone();
        self.streams.flush(&mut interrupt.pace())
    }
}
