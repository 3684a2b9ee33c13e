//! One feed-forward layer whose learning signal comes from outside.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use crate::config::{LayerConfig, valid_size};
use crate::init::{Gaussian, layer_weights};
use crate::optimizer::Optimizer;
use crate::persist::{Persist, persist, restored};
use crate::stage::Stage;
use crate::transpose::{to_matrix, to_rows, to_vector};
use crate::{Error, Float, Input, check, memory};

/// One layer of spiking neurons that learns at once from any signal `dE/dz` it is given.
///
/// ```
/// use eprop::{LayerConfig, OnlineLifLayer};
/// use ndarray::{Array1, array};
/// let mut layer = OnlineLifLayer::<f32>::new(3, 4, LayerConfig::default())?;
/// let spikes = layer.step(array![1.0, 0.0, 1.0].view())?.to_owned();
/// let signal = spikes - 0.5;
/// let below = layer.propagate(signal.view())?;
/// layer.apply_learning_signal(signal.view())?;
/// assert_eq!(below.len(), 3);
/// # Ok::<(), eprop::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct OnlineLifLayer<F> {
    config: LayerConfig,
    n_inputs: usize,
    stage: Stage<F>,
    optimizer: Optimizer<F>,
}

persist!(OnlineLifLayer {
    weights: [],
    state: [stage],
    scratch: []
});

impl<F: Float> OnlineLifLayer<F> {
    /// A silent layer with initial weights from the seed. Example: [`OnlineLifLayer`].
    ///
    /// # Errors
    /// [`Error::Value`] for a size or a setting outside its domain, [`Error::TooLarge`] for sizes that cannot be allocated.
    pub fn new(n_inputs: usize, n_neurons: usize, config: LayerConfig) -> Result<Self, Error> {
        valid_size("n_inputs", n_inputs)?;
        valid_size("n_neurons", n_neurons)?;
        config.validate_for::<F>()?;
        let bytes = Stage::<F>::bytes_for(n_inputs, n_neurons, &config, false);
        memory::reserve(
            || format!("n_inputs = {n_inputs}, n_neurons = {n_neurons}"),
            bytes,
        )?;
        let w: Vec<F> = layer_weights(
            &mut Gaussian::new(config.seed),
            n_inputs,
            n_neurons,
            false,
            &config,
        );
        Ok(Self {
            n_inputs,
            stage: Stage::new(n_neurons, &w, &config, false),
            optimizer: Optimizer::sgd(config.lr),
            config,
        })
    }

    /// One step with `x` (n_inputs,); its spikes (n_neurons,). Allocates nothing. Example: [`OnlineLifLayer`].
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`], and then nothing has changed.
    pub fn step<'x>(&mut self, x: impl Into<Input<'x, F>>) -> Result<ArrayView1<'_, F>, Error> {
        let x = x.into();
        x.check(self.n_inputs())?;
        self.stage.forward(x, true);
        Ok(self.stage.neuron.z().into())
    }

    /// `W -= lr (psi signal) z_bar^T`, at once, with `signal = dE/dz` (n_neurons,) of the last step. Example: [`OnlineLifLayer`].
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`], and then nothing has changed; [`Error::NonFiniteWeights`] after the update.
    pub fn apply_learning_signal(&mut self, signal: ArrayView1<'_, F>) -> Result<(), Error> {
        self.take_signal(signal)?;
        self.stage.learn(self.optimizer);
        let synapses = &mut self.stage.synapses;
        if !synapses.within() {
            if !synapses.all_finite() {
                return Err(Error::NonFiniteWeights { matrix: "W".into() });
            }
            synapses.checked(true);
        }
        Ok(())
    }

    /// The signal for the layer below, `W^T (zeta psi signal)` (n_inputs,), with `W` as it is now. Example: [`OnlineLifLayer`].
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`], and then nothing has changed.
    pub fn propagate(&mut self, signal: ArrayView1<'_, F>) -> Result<Array1<F>, Error> {
        self.take_signal(signal)?;
        let mut below = Array1::default(self.n_inputs());
        if let Some(below) = below.as_slice_mut() {
            self.stage.propagate(below);
        }
        Ok(below)
    }

    fn take_signal(&mut self, signal: ArrayView1<'_, F>) -> Result<(), Error> {
        check::vector("signal", signal, self.n_neurons())?;
        self.stage
            .signal
            .iter_mut()
            .zip(signal)
            .for_each(|(to, &from)| *to = from);
        Ok(())
    }

    /// Silence: membrane, spikes, psi and traces to 0; weights stay.
    ///
    /// ```
    /// # use eprop::{LayerConfig, OnlineLifLayer};
    /// # let mut layer = OnlineLifLayer::<f32>::new(3, 4, LayerConfig::default())?;
    /// layer.reset();
    /// assert_eq!(layer.v().to_vec(), [0.0; 4]);
    /// assert_eq!((layer.spikes().len(), layer.psi().len(), layer.z_bar().len()), (4, 4, 3));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn reset(&mut self) {
        self.stage.reset();
    }

    /// The configuration, with the learning rate as it is now.
    ///
    /// ```
    /// # use eprop::{LayerConfig, OnlineLifLayer};
    /// # let mut layer = OnlineLifLayer::<f32>::new(3, 4, LayerConfig::default())?;
    /// layer.set_lr(0.1)?;
    /// assert_eq!((layer.config().lr, layer.lr()), (0.1, 0.1));
    /// assert_eq!((layer.n_inputs(), layer.n_neurons()), (3, 4));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn config(&self) -> &LayerConfig {
        &self.config
    }

    /// The learning rate. Example: [`config`](Self::config).
    pub fn lr(&self) -> f64 {
        self.config.lr
    }

    /// Changes the learning rate from the next update on. Example: [`config`](Self::config).
    ///
    /// # Errors
    /// [`Error::Value`] for a negative or non-finite one.
    pub fn set_lr(&mut self, lr: f64) -> Result<(), Error> {
        crate::config::non_negative("lr", lr)?;
        crate::config::within::<F>("lr", lr)?;
        self.config.lr = lr;
        self.optimizer = Optimizer::sgd(lr);
        Ok(())
    }

    /// Number of inputs. Example: [`config`](Self::config).
    pub fn n_inputs(&self) -> usize {
        self.n_inputs
    }

    /// Number of neurons. Example: [`config`](Self::config).
    pub fn n_neurons(&self) -> usize {
        self.stage.neuron.len()
    }

    /// The weights, a copy (n_neurons, n_inputs).
    ///
    /// ```
    /// # use eprop::{LayerConfig, OnlineLifLayer};
    /// # let mut layer = OnlineLifLayer::<f32>::new(3, 4, LayerConfig::default())?;
    /// let doubled = layer.w() * 2.0;
    /// layer.set_w(doubled.view())?;
    /// assert_eq!(layer.w(), doubled);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn w(&self) -> Array2<F> {
        to_matrix(&self.stage.synapses.weights(), self.n_neurons())
    }

    /// Assigns the weights (n_neurons, n_inputs). Example: [`w`](Self::w).
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`] for NaN or infinity.
    pub fn set_w(&mut self, w: ArrayView2<'_, F>) -> Result<(), Error> {
        check::matrix("W", w, self.n_neurons(), self.n_inputs())?;
        self.stage.synapses.set_weights(&to_rows(w));
        Ok(())
    }

    /// Membranes, a copy (n_neurons,). Example: [`reset`](Self::reset).
    pub fn v(&self) -> Array1<F> {
        to_vector(self.stage.neuron.v())
    }

    /// Spikes of the last step, a copy (n_neurons,). Example: [`reset`](Self::reset).
    pub fn spikes(&self) -> Array1<F> {
        to_vector(self.stage.neuron.z())
    }

    /// Surrogate derivatives of the last step, a copy (n_neurons,). Example: [`reset`](Self::reset).
    pub fn psi(&self) -> Array1<F> {
        to_vector(self.stage.neuron.psi())
    }

    /// Presynaptic traces, a copy (n_inputs,). Example: [`reset`](Self::reset).
    pub fn z_bar(&self) -> Array1<F> {
        Array1::from_vec(self.stage.synapses.z_bar())
    }

    /// How many numbers are kept from one step to the next, weights not counted.
    ///
    /// ```
    /// # use eprop::{LayerConfig, OnlineLifLayer};
    /// # let mut layer = OnlineLifLayer::<f32>::new(3, 4, LayerConfig::default())?;
    /// assert_eq!(layer.memory_per_step(), 3 + 4 * 16); // zt; V, v, z, psi of 4 neurons, padded to 16
    /// assert!(layer.memory_bytes() > 4 * layer.memory_per_step());
    /// let (mut twin, saved) = (layer.clone(), layer.to_bytes());
    /// twin.step(ndarray::array![1.0, 1.0, 1.0].view())?;
    /// twin.restore(&saved)?;
    /// assert!(twin.state_equal(&layer));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn memory_per_step(&self) -> usize {
        self.numbers()
    }

    /// Bytes of everything the layer has allocated. Example: [`memory_per_step`](Self::memory_per_step).
    pub fn memory_bytes(&self) -> usize {
        self.bytes()
    }

    /// Whether weights and state are equal to the bit. Example: [`memory_per_step`](Self::memory_per_step).
    pub fn state_equal(&self, other: &Self) -> bool {
        self.to_bytes() == other.to_bytes()
    }

    /// Weights and state as bytes. Example: [`memory_per_step`](Self::memory_per_step).
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![];
        self.save(&mut bytes);
        bytes
    }

    /// Weights and state from bytes of a layer of the same sizes and configuration. Example: [`memory_per_step`](Self::memory_per_step).
    ///
    /// # Errors
    /// [`Error::State`], and then nothing has changed.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), Error> {
        *self = restored(self, bytes)?;
        self.stage.synapses.checked(false);
        Ok(())
    }
}
