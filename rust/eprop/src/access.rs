//! What a user reads and assigns of an [`EpropTrainer`]: copies out, whole arrays in, in (postsynaptic, presynaptic) shape.

use alloc::format;
use alloc::vec::Vec;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use crate::synapses::Synapses;
use crate::transpose::{to_matrix, to_rows, to_vector};
use crate::{Config, EpropTrainer, Error, Float, check};

impl<F: Float> EpropTrainer<F> {
    /// The configuration, with the learning rate as it is now.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// assert_eq!(trainer.config(), &Config::default());
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The learning rate.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// assert_eq!(trainer.lr(), 0.01);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn lr(&self) -> f64 {
        self.config.lr
    }

    /// Number of inputs.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// assert_eq!((trainer.n_inputs(), trainer.n_neurons(), trainer.n_outputs()), (3, 8, 2));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn n_inputs(&self) -> usize {
        self.n_inputs
    }

    /// Number of neurons N. Example: [`n_inputs`](Self::n_inputs).
    pub fn n_neurons(&self) -> usize {
        self.neuron.len()
    }

    /// Number of readouts O. Example: [`n_inputs`](Self::n_inputs).
    pub fn n_outputs(&self) -> usize {
        self.readout.y().len()
    }

    pub(crate) fn input_rows(&self) -> Vec<F> {
        let mut rows = self.synapses.weights();
        rows.truncate(self.n_inputs * self.n_neurons());
        rows
    }

    fn recurrent_rows(&self) -> Vec<F> {
        self.synapses
            .weights()
            .split_off(self.n_inputs * self.n_neurons())
    }

    /// Input weights, a copy (N, n_inputs).
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
        to_matrix(&self.input_rows(), self.n_neurons())
    }

    /// Recurrent weights, a copy (N, N), diagonal 0.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// assert!(trainer.w_rec().diag().iter().all(|&w| w == 0.0));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn w_rec(&self) -> Array2<F> {
        to_matrix(&self.recurrent_rows(), self.n_neurons())
    }

    /// Readout weights, a copy (O, N).
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// assert_eq!(trainer.w_out().dim(), (2, 8));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn w_out(&self) -> Array2<F> {
        to_matrix(&self.readout.w_out(), self.n_outputs())
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
        to_vector(self.readout.b())
    }

    /// The feedback matrix `B`, a copy (N, O); `W_out^T` when symmetric.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// assert_eq!(trainer.b_feedback(), trainer.w_out().reversed_axes());
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn b_feedback(&self) -> Array2<F> {
        let rows = if self.feedback.has_own() {
            self.feedback.by_neuron()
        } else {
            self.readout.w_out()
        };
        let n_outputs = self.n_outputs();
        Array2::from_shape_fn((self.n_neurons(), n_outputs), |(j, k)| {
            rows[j * n_outputs + k]
        })
    }

    /// Assigns the input weights (N, n_inputs). Example: [`w_in`](Self::w_in).
    ///
    /// What the engine holds in factors is folded for good. Traces and all other weights stay as they read; later bits
    /// are those of the assigned weights, even if these are what was just read.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`] for NaN or infinity.
    pub fn set_w_in(&mut self, w: ArrayView2<'_, F>) -> Result<(), Error> {
        check::matrix("W_in", w, self.n_neurons(), self.n_inputs)?;
        self.synapses.set_weights(0, &to_rows(w));
        Ok(())
    }

    /// Assigns the recurrent weights (N, N).
    ///
    /// What the engine holds in factors is folded for good. Traces and all other weights stay as they read; later bits
    /// are those of the assigned weights, even if these are what was just read.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`] for NaN, infinity, or a diagonal that is not 0.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// assert!(trainer.set_w_rec(ndarray::Array2::ones((8, 8)).view()).is_err());
    /// trainer.set_w_rec(ndarray::Array2::zeros((8, 8)).view())?;
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn set_w_rec(&mut self, w: ArrayView2<'_, F>) -> Result<(), Error> {
        check::matrix("W_rec", w, self.n_neurons(), self.n_neurons())?;
        if let Some((j, own)) = w
            .diag()
            .iter()
            .enumerate()
            .find(|&(_, &own)| own != F::ZERO)
        {
            let got = format!("{own} at index ({j}, {j})");
            return Err(Error::value(
                "W_rec",
                "a diagonal of 0 (no self-connections)",
                got,
            ));
        }
        self.synapses.set_weights(self.n_inputs, &to_rows(w));
        Ok(())
    }

    /// Assigns the readout weights (O, N).
    ///
    /// What the readouts hold in factors is folded for good. Traces and all other weights stay; later bits are those of the assigned weights, even
    /// if these are what was just read.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`] for NaN or infinity.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// trainer.set_w_out(ndarray::Array2::zeros((2, 8)).view())?;
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn set_w_out(&mut self, w: ArrayView2<'_, F>) -> Result<(), Error> {
        check::matrix("W_out", w, self.n_outputs(), self.n_neurons())?;
        self.settle();
        self.readout.set_w_out(&to_rows(w));
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
    /// trainer.set_b(ndarray::array![0.1, 0.2].view())?;
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn set_b(&mut self, b: ArrayView1<'_, F>) -> Result<(), Error> {
        if !self.readout.has_bias() {
            return Err(Error::value(
                "b",
                "a trainer with readout_bias = true",
                "readout_bias = false",
            ));
        }
        check::vector("b", b, self.n_outputs())?;
        self.readout
            .b_mut()
            .iter_mut()
            .zip(b)
            .for_each(|(to, &from)| *to = from);
        Ok(())
    }

    /// Assigns the feedback matrix `B` (N, O).
    ///
    /// # Errors
    /// [`Error::Shape`]; [`Error::Value`] for NaN or infinity, and with symmetric feedback.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer, Feedback};
    /// let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config { feedback: Feedback::Random, ..Config::default() })?;
    /// trainer.set_b_feedback(ndarray::Array2::ones((8, 2)).view())?;
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn set_b_feedback(&mut self, b: ArrayView2<'_, F>) -> Result<(), Error> {
        if !self.feedback.has_own() {
            let got = "symmetric feedback, whose B is W_out^T";
            return Err(Error::value(
                "B",
                "a trainer with feedback = \"random\"",
                got,
            ));
        }
        check::matrix("B", b, self.n_neurons(), self.n_outputs())?;
        self.settle();
        self.feedback.set(&b.iter().copied().collect::<Vec<F>>());
        Ok(())
    }

    /// What happened so far has met the feedback that was there when it happened.
    pub(crate) fn settle(&mut self) {
        self.synapses
            .settle(self.feedback.backward(self.readout.backward()));
    }

    /// Membranes, a copy (N,).
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// assert_eq!(trainer.v().len(), 8);
    /// assert_eq!(trainer.spikes().len(), 8);
    /// assert_eq!(trainer.output().len(), 2);
    /// assert_eq!(trainer.z_bar().len(), 3 + 8);
    /// assert_eq!(trainer.e_bar().dim(), (8, 3 + 8));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn v(&self) -> Array1<F> {
        to_vector(self.neuron.v())
    }

    /// Spikes of the last step, a copy (N,). Example: [`v`](Self::v).
    pub fn spikes(&self) -> Array1<F> {
        to_vector(self.neuron.z())
    }

    /// Readouts, a copy (O,). Example: [`v`](Self::v).
    pub fn output(&self) -> Array1<F> {
        to_vector(self.readout.y())
    }

    /// Presynaptic traces, a copy (n_inputs + N,). Example: [`v`](Self::v).
    pub fn z_bar(&self) -> Array1<F> {
        Array1::from_vec(self.synapses.z_bar())
    }

    /// Eligibility traces, a copy (N, n_inputs + N); 0 for a neuron's own source. Example: [`v`](Self::v).
    pub fn e_bar(&self) -> Array2<F> {
        to_matrix(&self.synapses.eligibility(), self.n_neurons())
    }
}
