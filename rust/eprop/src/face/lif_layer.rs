//! One feed-forward layer whose learning signal comes from outside.

use alloc::format;
use alloc::string::String;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut2};

use super::copies::{collected, or_panic, to_vector, zeros};
use crate::kernels;
use crate::network::stage::Stage;
use crate::numbers::interrupt::Interrupt;
use crate::numbers::memory::fill;
use crate::numbers::parameter::Keeps;
use crate::numbers::room::Room;
use crate::numbers::walk::{self, parts};
use crate::options::domain::{non_negative, valid_size, within};
use crate::options::{LayerConfig, Optimizer as Rule};
use crate::parts::check;
use crate::parts::init::Gaussian;
use crate::parts::input::Input;
use crate::parts::optimizer::{Measure, Optimizer, Times};
use crate::{Error, Float};

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
#[derive(Debug)]
pub struct OnlineLifLayer<F> {
    config: LayerConfig,
    n_inputs: usize,
    stage: Stage<F>,
    rule: Rule,
    optimizer: Optimizer,
}

parts!(OnlineLifLayer {
    State: [stage, optimizer]
});

impl<F: Float> OnlineLifLayer<F> {
    /// A silent layer with initial weights from the seed. Example: [`OnlineLifLayer`].
    ///
    /// # Errors
    /// [`Error::Value`] for a size or a setting outside its domain, [`Error::TooLarge`] for sizes that cannot be allocated.
    pub fn new(n_inputs: usize, n_neurons: usize, config: LayerConfig) -> Result<Self, Error> {
        Self::with_optimizer(n_inputs, n_neurons, config, Rule::PLAIN_SGD)
    }

    /// As [`new`](Self::new), with a rule of its own: what it makes of the gradient of each signal. A layer is not told its loss, so no rule limits its steps: it
    /// is as if `limit` were false. With a rule that keeps something for each weight, a signal costs a pass over all weights.
    ///
    /// ```
    /// use eprop::{LayerConfig, OnlineLifLayer, Optimizer};
    /// use ndarray::array;
    /// let config = LayerConfig { lr: 0.001, ..LayerConfig::default() };
    /// let mut layer = OnlineLifLayer::<f32>::with_optimizer(3, 2, config, Optimizer::ADAM)?;
    /// layer.step(array![1.0, 0.0, 1.0].view())?;
    /// layer.apply_learning_signal(array![0.5, -0.5].view())?;
    /// assert_eq!(layer.optimizer(), Optimizer::ADAM);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_optimizer(
        n_inputs: usize,
        n_neurons: usize,
        config: LayerConfig,
        optimizer: Rule,
    ) -> Result<Self, Error> {
        Self::new_until(n_inputs, n_neurons, config, optimizer, &Interrupt::NOBODY)
    }

    /// As [`with_optimizer`](Self::with_optimizer), unless it is stopped. Nothing else of a layer asks.
    ///
    /// # Errors
    /// As [`new`](Self::new); [`Error::Interrupted`].
    pub fn new_until(
        n_inputs: usize,
        n_neurons: usize,
        config: LayerConfig,
        optimizer: Rule,
        interrupt: &Interrupt,
    ) -> Result<Self, Error> {
        Self::check(n_inputs, n_neurons, &config, optimizer)?;
        // Chosen here, so that no step has to.
        kernels::isa::avx2();
        let mut this = Self::silent(n_inputs, n_neurons, config, optimizer)?;
        let mut gaussian = Gaussian::new(this.config.seed);
        this.stage
            .draw(&mut gaussian, &this.config, &mut interrupt.pace())?;
        Ok(this)
    }

    /// Whether sizes and settings are what they may be.
    pub(crate) fn check(
        n_inputs: usize,
        n_neurons: usize,
        config: &LayerConfig,
        optimizer: Rule,
    ) -> Result<(), Error> {
        valid_size("n_inputs", n_inputs)?;
        valid_size("n_neurons", n_neurons)?;
        config.validate_for::<F>()?;
        optimizer.validate()?;
        optimizer.fits::<F>()?;
        if optimizer.is_grouped() {
            let expected = "a rule that does not ask for the loss, which a layer is not told";
            return Err(Error::value("optimizer", expected, optimizer.name()));
        }
        config.each.fit(n_neurons)?;
        check::addressable(&[n_inputs, n_neurons], || named(n_inputs, n_neurons))
    }

    /// What a layer's buffers are made of.
    pub(crate) fn buffers(
        room: &mut Room,
        sizes: (usize, usize),
        config: &LayerConfig,
        rule: Rule,
    ) -> Result<Stage<F>, Error> {
        let keeps = Keeps {
            pending: !rule.is_linear(),
            moments: rule.n_moments(),
        };
        Stage::new(room, sizes, config, keeps, None)
    }

    pub(crate) fn silent(
        n_inputs: usize,
        n: usize,
        config: LayerConfig,
        rule: Rule,
    ) -> Result<Self, Error> {
        let stage = Room::build(
            || named(n_inputs, n),
            |room| Self::buffers(room, (n_inputs, n), &config, rule),
        )?;
        Ok(Self {
            n_inputs,
            stage,
            optimizer: Optimizer::new(
                rule.without_limit(),
                core::iter::once(config.lr),
                Times::default(),
                F::EPSILON,
            )?,
            rule,
            config,
        })
    }

    fn silent_twin(&self) -> Result<Self, Error> {
        let (n, config) = (self.n_neurons(), self.config.clone());
        Self::silent(self.n_inputs, n, config, self.rule)
    }

    /// One step with `x` (n_inputs,); its spikes (n_neurons,). Allocates nothing. Example: [`OnlineLifLayer`].
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`], and then nothing has changed.
    pub fn step<'x>(&mut self, x: impl Into<Input<'x, F>>) -> Result<ArrayView1<'_, F>, Error> {
        let x = x.into();
        x.check(self.n_inputs())?;
        F::forward_layer(&mut self.stage, x, true);
        Ok(self.stage.neuron.z().into())
    }

    /// `W -= lr (psi signal) z_bar^T`, or what the optimizer makes of this gradient, at once, with `signal = dE/dz` (n_neurons,) of the last step. Example:
    /// [`OnlineLifLayer`].
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`], and then nothing has changed; [`Error::NonFiniteWeights`] after the update.
    pub fn apply_learning_signal(&mut self, signal: ArrayView1<'_, F>) -> Result<(), Error> {
        self.take_signal(signal)?;
        F::take_delta_of_layer(&mut self.stage);
        self.optimizer.step(1.0, |_| Measure::of_nothing());
        if self.rule.is_linear() {
            self.stage.synapses.w.decay(self.optimizer.keep(0));
            F::learn_layer(&mut self.stage, Some(F::cast(self.config.lr)));
        } else {
            F::learn_layer(&mut self.stage, None);
            // The update under way, of a layer that clips nothing.
            let step = self.optimizer.clipped(1.0, 0.0).of(0);
            F::update_layer(&mut self.stage.synapses.w, step);
        }
        self.optimizer.updated();
        if F::finite_layer(&mut self.stage.synapses.w) {
            return Ok(());
        }
        Err(Error::NonFiniteWeights { matrix: "W".into() })
    }

    /// The signal for the layer below, `W^T (zeta psi signal)` (n_inputs,), with `W` as it is now. Example: [`OnlineLifLayer`].
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`], and then nothing has changed.
    pub fn propagate(&mut self, signal: ArrayView1<'_, F>) -> Result<Array1<F>, Error> {
        self.take_signal(signal)?;
        let mut below = Array1::default(self.n_inputs());
        if let Some(below) = below.as_slice_mut() {
            F::propagate_layer(&mut self.stage, below);
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
        non_negative("lr", lr)?;
        within::<F>("lr", lr)?;
        self.config.lr = lr;
        self.optimizer.set_lr(0, lr);
        Ok(())
    }

    /// What a gradient becomes. Example: [`with_optimizer`](Self::with_optimizer).
    pub fn optimizer(&self) -> Rule {
        self.rule
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
    /// # Panics
    /// There is no memory for a row: [`read_w`](Self::read_w) returns the error.
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
        let mut w = zeros((self.n_neurons(), self.n_inputs));
        or_panic(self.read_w(w.view_mut()));
        w
    }

    /// Reads the weights (n_neurons, n_inputs) into memory of the caller's.
    ///
    /// # Errors
    /// [`Error::Shape`]; [`Error::TooLarge`] where there is no memory for a row.
    ///
    /// ```
    /// # use eprop::{LayerConfig, OnlineLifLayer};
    /// # let layer = OnlineLifLayer::<f32>::new(3, 4, LayerConfig::default())?;
    /// let mut w = ndarray::Array2::zeros((4, 3));
    /// layer.read_w(w.view_mut())?;
    /// assert_eq!(layer.w(), w);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn read_w(&self, mut to: ArrayViewMut2<'_, F>) -> Result<(), Error> {
        check::room("to", &to, (self.n_neurons(), self.n_inputs))?;
        self.stage.synapses.w.read(|source, row| {
            fill(to.column_mut(source), row);
        })
    }

    /// Assigns the weights (n_neurons, n_inputs). Example: [`w`](Self::w).
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`] for NaN or infinity.
    pub fn set_w(&mut self, w: ArrayView2<'_, F>) -> Result<(), Error> {
        check::matrix("W", w, self.n_neurons(), self.n_inputs())?;
        self.stage.synapses.w.assign(|source, j| w[(j, source)]);
        Ok(())
    }

    /// Membranes, a copy (n_neurons,). Example: [`reset`](Self::reset).
    pub fn v(&self) -> Array1<F> {
        to_vector(self.stage.neuron.v())
    }

    /// Adaptations, a copy (n_neurons,): 0 where no threshold moves. Example: [`EpropTrainer::a`](crate::EpropTrainer::a).
    pub fn a(&self) -> Array1<F> {
        collected(self.stage.neuron.a())
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
        collected(self.stage.synapses.w.traces())
    }

    /// How many numbers are kept from one step to the next, weights not counted.
    ///
    /// ```
    /// # use eprop::{LayerConfig, OnlineLifLayer};
    /// # let mut layer = OnlineLifLayer::<f32>::new(3, 4, LayerConfig::default())?;
    /// assert_eq!(layer.memory_per_step(), 3 + 1 + 4 * 16); // zt, the sum of its squares; V, v, z, psi of 4 neurons, padded to 16
    /// assert!(layer.memory_bytes() > 4 * layer.memory_per_step());
    /// let (mut twin, saved) = (layer.clone(), layer.to_bytes());
    /// twin.step(ndarray::array![1.0, 1.0, 1.0].view())?;
    /// twin.restore(&saved)?;
    /// assert!(twin.state_equal(&layer));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn memory_per_step(&self) -> usize {
        walk::numbers(self)
    }

    /// Bytes of everything the layer has allocated. Example: [`memory_per_step`](Self::memory_per_step).
    pub fn memory_bytes(&self) -> usize {
        walk::bytes(self) + self.optimizer.heap()
    }

    /// Whether weights and state are equal, number by number. Example: [`memory_per_step`](Self::memory_per_step).
    pub fn state_equal(&self, other: &Self) -> bool {
        walk::same(self, other)
    }

    /// As [`state_equal`](Self::state_equal), which cannot fail for a layer; for a [`Trainer`](crate::Trainer) it can.
    ///
    /// # Errors
    /// None.
    #[doc(hidden)]
    pub fn try_state_equal(&self, other: &Self) -> Result<bool, Error> {
        Ok(self.state_equal(other))
    }

    /// A copy that goes on with the same bits.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where there is no memory for it; `clone` panics there.
    ///
    /// ```
    /// # use eprop::{LayerConfig, OnlineLifLayer};
    /// # let layer = OnlineLifLayer::<f32>::new(3, 4, LayerConfig::default())?;
    /// assert!(layer.try_clone()?.state_equal(&layer));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn try_clone(&self) -> Result<Self, Error> {
        let mut twin = self.silent_twin()?;
        walk::copy(self, &mut twin)?;
        Ok(twin)
    }
}

fn named(n_inputs: usize, n: usize) -> String {
    format!("n_inputs = {n_inputs}, n_neurons = {n}")
}

impl<F: Float> Clone for OnlineLifLayer<F> {
    fn clone(&self) -> Self {
        or_panic(self.try_clone())
    }
}
