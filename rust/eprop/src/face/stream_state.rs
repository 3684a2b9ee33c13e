//! What a user reads of the state of the streams of an [`EpropTrainer`].

use ndarray::{Array1, Array2};

use super::access::Matrix;
use super::copies::{collected, to_vector};
use crate::network::recurrent::Recurrent;
use crate::numbers::aligned::padded;
use crate::{EpropTrainer, Float};

impl<F: Float> EpropTrainer<F> {
    /// Membranes of the first stream, a copy (N,); [`stream`](Self::stream) reads the others.
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
        StreamState(self.first()).v()
    }

    /// Adaptations `a` of the first stream, a copy (N,): 0 where no threshold moves.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// let mut trainer = EpropTrainer::<f32>::new(1, 1, 1, Config { beta: 0.2, ..Config::default() })?;
    /// trainer.set_w_in(ndarray::array![[5.0]].view())?;
    /// trainer.step(ndarray::aview1(&[1.0]), None)?;
    /// trainer.step(ndarray::aview1(&[0.0]), None)?;
    /// // A spike, one step late.
    /// assert_eq!(trainer.a()[0], 1.0);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn a(&self) -> Array1<F> {
        StreamState(self.first()).a()
    }

    /// Spikes of the last step, a copy (N,). Example: [`v`](Self::v).
    pub fn spikes(&self) -> Array1<F> {
        StreamState(self.first()).spikes()
    }

    /// Readouts, a copy (O,). Example: [`v`](Self::v).
    pub fn output(&self) -> Array1<F> {
        StreamState(self.first()).output()
    }

    /// The surrogate derivatives of the last step, a copy (N,). Example: [`l`](Self::l).
    pub fn psi(&self) -> Array1<F> {
        StreamState(self.first()).psi()
    }

    /// The learning signal `L` of the last step, a copy (N,): what reached the synapses, 0 of a step without learning.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer, Lesson};
    /// # let mut trainer = EpropTrainer::<f64>::new(3, 8, 2, Config::default())?;
    /// let (x, own) = (ndarray::Array1::ones(3), ndarray::Array1::from_elem(8, 0.5));
    /// trainer.step(x.view(), Lesson { signal: Some(own.view()), ..Lesson::default() })?;
    /// assert_eq!((trainer.psi().len(), trainer.l()), (8, own));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn l(&self) -> Array1<F> {
        StreamState(self.first()).l()
    }

    /// Presynaptic traces, a copy (n_inputs + N,). Example: [`v`](Self::v). Where each neuron has its own
    /// [`tau_mem`](crate::PerNeuron::tau_mem) there is no such vector: it is empty, and [`z_bars`](Self::z_bars) has the traces.
    pub fn z_bar(&self) -> Array1<F> {
        StreamState(self.first()).z_bar()
    }

    /// Presynaptic traces as each neuron has them, a copy (N, n_inputs + N); 0 for a neuron's own source.
    ///
    /// # Panics
    /// There is no memory for it: [`read`](Self::read) returns the error.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer, PerNeuron};
    /// let each = PerNeuron { tau_mem: Some([5.0, 20.0].to_vec()), ..PerNeuron::default() };
    /// let mut trainer = EpropTrainer::<f64>::new(1, 2, 1, Config { each, ..Config::default() })?;
    /// for x in [1.0, 0.0] {
    ///     trainer.step(ndarray::aview1(&[x]), None)?;
    /// }
    /// let z_bars = trainer.z_bars();
    /// assert_eq!((z_bars[[0, 0]], z_bars[[1, 0]]), ((-1.0_f64 / 5.0).exp(), (-1.0_f64 / 20.0).exp()));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn z_bars(&self) -> Array2<F> {
        self.matrix(Matrix::ZBar(0))
    }

    /// Eligibility traces, a copy (N, n_inputs + N); 0 for a neuron's own source. Example: [`v`](Self::v).
    ///
    /// # Panics
    /// There is no memory for it: [`read`](Self::read) returns the error.
    pub fn e_bar(&self) -> Array2<F> {
        self.matrix(Matrix::EBar(0))
    }

    /// The state of stream `b`; `None` where there is no such stream.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config { batch_size: 4, ..Config::default() })?;
    /// let state = trainer.stream(3).unwrap();
    /// assert_eq!((state.v().len(), state.spikes().len(), state.output().len(), state.z_bar().len()), (8, 8, 2, 3 + 8));
    /// assert!(trainer.stream(4).is_none());
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn stream(&self, b: usize) -> Option<StreamState<'_, F>> {
        self.streams.get(b).map(StreamState)
    }
}

/// What can be read of one stream. Example: [`EpropTrainer::stream`].
#[derive(Debug)]
pub struct StreamState<'a, F>(&'a Recurrent<F>);

impl<F: Float> StreamState<'_, F> {
    /// Membranes, a copy (N,). Example: [`EpropTrainer::stream`].
    pub fn v(&self) -> Array1<F> {
        to_vector(self.0.layer.neuron.v())
    }

    /// Adaptations, a copy (N,). Example: [`EpropTrainer::a`].
    pub fn a(&self) -> Array1<F> {
        collected(self.0.layer.neuron.a())
    }

    /// Spikes of the last step, a copy (N,). Example: [`EpropTrainer::stream`].
    pub fn spikes(&self) -> Array1<F> {
        to_vector(self.0.layer.neuron.z())
    }

    /// Readouts, a copy (O,). Example: [`EpropTrainer::stream`].
    pub fn output(&self) -> Array1<F> {
        to_vector(self.0.head.readout.y())
    }

    /// The surrogate derivatives of the last step, a copy (N,). Example: [`EpropTrainer::l`].
    pub fn psi(&self) -> Array1<F> {
        to_vector(self.0.layer.neuron.psi())
    }

    /// The learning signal of the last step, a copy (N,). Example: [`EpropTrainer::l`].
    pub fn l(&self) -> Array1<F> {
        let mut l = alloc::vec![F::ZERO; padded::<F>(self.0.layer.neuron.len())];
        self.0.head.read_l(&mut l);
        l.truncate(self.0.layer.neuron.len());
        l.into()
    }

    /// Presynaptic traces, a copy (n_inputs + N,). Example: [`EpropTrainer::stream`]. Where each neuron has its own
    /// [`tau_mem`](crate::PerNeuron::tau_mem) it is empty, and [`Matrix::ZBar`] has the traces.
    pub fn z_bar(&self) -> Array1<F> {
        let mut z_bar = alloc::vec::Vec::new();
        self.0.layer.synapses.z_bar(&mut |trace| z_bar.push(trace));
        z_bar.into()
    }
}
