//! What a user reads and assigns of a [`BatchTrainer`]: weights as of one stream, state with a leading axis of streams.

use alloc::vec::Vec;

use ndarray::{Array1, Array2, Array3, ArrayView1, ArrayView2, Axis};

use super::{BatchTrainer, group_size, in_turn};
use crate::aligned::Aligned;
use crate::persist::{Persist, restored};
use crate::{Config, EpropTrainer, Error, Float};

impl<F: Float> BatchTrainer<F> {
    /// The configuration, with the learning rate as it is now.
    ///
    /// ```
    /// # use eprop::{BatchTrainer, Config};
    /// let trainer = BatchTrainer::<f32>::new(3, 8, 2, Config { batch_size: 4, ..Config::default() })?;
    /// assert_eq!((trainer.config().batch_size, trainer.batch_size()), (4, 4));
    /// assert_eq!((trainer.n_inputs(), trainer.n_neurons(), trainer.n_outputs()), (3, 8, 2));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn config(&self) -> &Config {
        self.streams[0].config()
    }

    /// The learning rate. Example: [`set_lr`](Self::set_lr).
    pub fn lr(&self) -> f64 {
        self.streams[0].lr()
    }

    /// Number of streams B. Example: [`config`](Self::config).
    pub fn batch_size(&self) -> usize {
        self.streams.len()
    }

    /// Number of inputs. Example: [`config`](Self::config).
    pub fn n_inputs(&self) -> usize {
        self.streams[0].n_inputs()
    }

    /// Number of neurons N. Example: [`config`](Self::config).
    pub fn n_neurons(&self) -> usize {
        self.streams[0].n_neurons()
    }

    /// Number of readouts O. Example: [`config`](Self::config).
    pub fn n_outputs(&self) -> usize {
        self.streams[0].n_outputs()
    }

    /// Input weights, a copy (N, n_inputs).
    ///
    /// ```
    /// # use eprop::{BatchTrainer, Config};
    /// let mut trainer = BatchTrainer::<f32>::new(3, 8, 2, Config { batch_size: 4, ..Config::default() })?;
    /// let doubled = trainer.w_in() * 2.0;
    /// trainer.set_w_in(doubled.view())?;
    /// assert_eq!(trainer.w_in(), doubled);
    /// assert_eq!(trainer.w_rec().dim(), (8, 8));
    /// assert_eq!(trainer.b_feedback(), trainer.w_out().reversed_axes());
    /// assert_eq!(trainer.b().len(), 2);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn w_in(&self) -> Array2<F> {
        self.streams[0].w_in()
    }

    /// Recurrent weights, a copy (N, N), diagonal 0. Example: [`w_in`](Self::w_in).
    pub fn w_rec(&self) -> Array2<F> {
        self.streams[0].w_rec()
    }

    /// Readout weights, a copy (O, N). Example: [`w_in`](Self::w_in).
    pub fn w_out(&self) -> Array2<F> {
        self.streams[0].w_out()
    }

    /// Readout biases, a copy (O,); 0 without `readout_bias`. Example: [`w_in`](Self::w_in).
    pub fn b(&self) -> Array1<F> {
        self.streams[0].b()
    }

    /// The feedback matrix `B`, a copy (N, O). Example: [`w_in`](Self::w_in).
    pub fn b_feedback(&self) -> Array2<F> {
        self.streams[0].b_feedback()
    }

    /// Assigns the input weights (N, n_inputs). Example: [`w_in`](Self::w_in).
    ///
    /// # Errors
    /// As [`EpropTrainer::set_w_in`].
    pub fn set_w_in(&mut self, w: ArrayView2<'_, F>) -> Result<(), Error> {
        self.alter(|first| first.set_w_in(w))
    }

    /// Assigns the recurrent weights (N, N). Example: [`w_in`](Self::w_in).
    ///
    /// # Errors
    /// As [`EpropTrainer::set_w_rec`].
    pub fn set_w_rec(&mut self, w: ArrayView2<'_, F>) -> Result<(), Error> {
        self.alter(|first| first.set_w_rec(w))
    }

    /// Assigns the readout weights (O, N). Example: [`w_in`](Self::w_in).
    ///
    /// # Errors
    /// As [`EpropTrainer::set_w_out`].
    pub fn set_w_out(&mut self, w: ArrayView2<'_, F>) -> Result<(), Error> {
        self.each(|stream| stream.set_w_out(w))
    }

    /// Assigns the readout biases (O,). Example: [`w_in`](Self::w_in).
    ///
    /// # Errors
    /// As [`EpropTrainer::set_b`].
    pub fn set_b(&mut self, b: ArrayView1<'_, F>) -> Result<(), Error> {
        self.streams
            .iter_mut()
            .try_for_each(|stream| stream.set_b(b))
    }

    /// Assigns the feedback matrix `B` (N, O). Example: [`w_in`](Self::w_in).
    ///
    /// # Errors
    /// As [`EpropTrainer::set_b_feedback`].
    pub fn set_b_feedback(&mut self, b: ArrayView2<'_, F>) -> Result<(), Error> {
        self.each(|stream| stream.set_b_feedback(b))
    }

    /// Membranes, a copy (B, N).
    ///
    /// ```
    /// # use eprop::{BatchTrainer, Config};
    /// let trainer = BatchTrainer::<f32>::new(3, 8, 2, Config { batch_size: 4, ..Config::default() })?;
    /// assert_eq!(trainer.v().dim(), (4, 8));
    /// assert_eq!(trainer.spikes().dim(), (4, 8));
    /// assert_eq!(trainer.output().dim(), (4, 2));
    /// assert_eq!(trainer.z_bar().dim(), (4, 3 + 8));
    /// assert_eq!(trainer.e_bar().dim(), (4, 8, 3 + 8));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn v(&self) -> Array2<F> {
        self.rows(self.n_neurons(), EpropTrainer::v)
    }

    /// Spikes of the last step, a copy (B, N). Example: [`v`](Self::v).
    pub fn spikes(&self) -> Array2<F> {
        self.rows(self.n_neurons(), EpropTrainer::spikes)
    }

    /// Readouts, a copy (B, O). Example: [`v`](Self::v).
    pub fn output(&self) -> Array2<F> {
        self.rows(self.n_outputs(), EpropTrainer::output)
    }

    /// Presynaptic traces, a copy (B, n_inputs + N). Example: [`v`](Self::v).
    pub fn z_bar(&self) -> Array2<F> {
        self.rows(self.n_inputs() + self.n_neurons(), EpropTrainer::z_bar)
    }

    /// Eligibility traces, a copy (B, N, n_inputs + N). Example: [`v`](Self::v).
    pub fn e_bar(&self) -> Array3<F> {
        let (n, p) = (self.n_neurons(), self.n_inputs() + self.n_neurons());
        let mut all = Array3::default((self.streams.len(), n, p));
        for (mut to, stream) in all.axis_iter_mut(Axis(0)).zip(&self.streams) {
            to.assign(&stream.e_bar());
        }
        all
    }

    fn each(
        &mut self,
        mut change: impl FnMut(&mut EpropTrainer<F>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut result = Ok(());
        let group = group_size(self.streams.len());
        for group in self.streams.chunks_mut(group) {
            in_turn(group, |_, stream| {
                result = result.clone().and_then(|()| change(stream))
            });
        }
        result
    }

    fn rows(&self, width: usize, of: impl Fn(&EpropTrainer<F>) -> Array1<F>) -> Array2<F> {
        let mut rows = Array2::default((self.streams.len(), width));
        for (mut to, stream) in rows.axis_iter_mut(Axis(0)).zip(&self.streams) {
            to.assign(&of(stream));
        }
        rows
    }

    /// Weights and state as bytes, little-endian; `restore` takes them back.
    ///
    /// ```
    /// # use eprop::{BatchTrainer, Config};
    /// let mut trainer = BatchTrainer::<f32>::new(3, 8, 2, Config { batch_size: 2, ..Config::default() })?;
    /// let (saved, twin) = (trainer.to_bytes(), trainer.clone());
    /// let x = ndarray::Array2::ones((9, 3));
    /// trainer.predict_sequence(&[x.view().into(); 2], true)?;
    /// assert!(!trainer.state_equal(&twin));
    /// trainer.restore(&saved)?;
    /// assert!(trainer.state_equal(&twin));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.save(&mut bytes);
        bytes
    }

    /// Weights and state from bytes that `to_bytes` made of a trainer of the same sizes and configuration. Example: [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// [`Error::State`], and then nothing has changed.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), Error> {
        *self = restored(self, bytes)?;
        Ok(())
    }

    /// Whether weights and state are equal to the bit. Example: [`to_bytes`](Self::to_bytes).
    pub fn state_equal(&self, other: &Self) -> bool {
        self.to_bytes() == other.to_bytes()
    }

    /// How many numbers are kept from one step to the next, of all streams, weights not counted, whatever T is.
    ///
    /// ```
    /// # use eprop::{BatchTrainer, Config};
    /// let of = |batch_size| BatchTrainer::<f32>::new(3, 8, 2, Config { batch_size, ..Config::default() });
    /// assert_eq!(of(6)?.memory_per_step(), 3 * of(2)?.memory_per_step());
    /// assert!(of(6)?.memory_bytes() < 3 * of(2)?.memory_bytes()); // the weights are there once
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn memory_per_step(&self) -> usize {
        self.numbers()
    }

    /// Bytes of everything the trainer has allocated. Example: [`memory_per_step`](Self::memory_per_step).
    pub fn memory_bytes(&self) -> usize {
        self.bytes()
    }
}

impl<F: Float> Persist for BatchTrainer<F> {
    fn save(&self, out: &mut Vec<u8>) {
        self.schedule.save(out);
        self.streams.iter().for_each(|stream| stream.save(out));
    }

    fn load(&mut self, bytes: &mut &[u8]) -> Result<(), Error> {
        self.schedule.load(bytes)?;
        self.streams
            .iter_mut()
            .try_for_each(|stream| stream.load(bytes))?;
        self.share_again();
        Ok(())
    }

    fn numbers(&self) -> usize {
        self.streams.iter().map(Persist::numbers).sum()
    }

    fn bytes(&self) -> usize {
        let weights = self.streams[0].synapses.weight_bytes();
        let streams: usize = self.streams.iter().map(Persist::bytes).sum();
        let sums: usize = self.sums.iter().map(Persist::bytes).sum();
        let own = self.streams.capacity() * size_of::<EpropTrainer<F>>()
            + self.sums.capacity() * size_of::<Aligned<F>>();
        own + streams + sums - (self.streams.len() - 1) * weights
    }
}
