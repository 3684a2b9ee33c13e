//! What a user may set, and the one place where it is validated.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::choice::choice;
use super::connect::Connect;
use super::domain::{above_zero, non_negative, positive, valid_size, within};
use super::feedback::Feedback;
use super::horizon::Horizon;
use super::loss::Loss;
use super::optimizer::{Optimizer, Reduction};
use super::part::Part;
use super::per_neuron::{PerNeuron, own};
use super::rewire::Rewire;
use super::side::RegularisedSide;
use super::surrogate::Surrogate;
use crate::numbers::aligned::{Aligned, padded};
use crate::numbers::room::Room;
use crate::{Error, Float};

choice! {
    /// What a spike does to its own membrane, one step later.
    ///
    /// ```
    /// use eprop::ResetMechanism;
    /// assert_eq!("zero".parse::<ResetMechanism>()?, ResetMechanism::Zero);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub enum ResetMechanism as "reset_mechanism" {
        /// `v` loses the threshold.
        Subtract = "subtract",
        /// `v` starts again from 0.
        Zero = "zero",
    }
}

choice! {
    /// The gain of a leaky filter.
    ///
    /// ```
    /// use eprop::Gain;
    /// assert_eq!(Gain::Leak.as_str(), "leak");
    /// assert_eq!(Gain::ALL.len(), 2);
    /// ```
    pub enum Gain as "gain" {
        /// 1: every event counts whole.
        Unit = "unit",
        /// 1 - decay: a constant input settles at its own value.
        Leak = "leak",
    }
}

impl Gain {
    /// The gain of the filter with `decay = exp(-dt/tau)`, from the exponent, so that long time constants lose no digits.
    pub(crate) fn of(self, dt: f64, tau: f64) -> f64 {
        match self {
            Self::Unit => 1.0,
            Self::Leak => leak(dt, tau),
        }
    }
}

/// The input spikes per step that the initial weights are scaled for.
pub(crate) const EXPECTED_RATE: f64 = 0.02;

/// `exp(-dt/tau)`; a time constant of 0 is no filter.
pub(crate) fn decay(dt: f64, tau: f64) -> f64 {
    if tau == 0.0 {
        0.0
    } else {
        libm::exp(-dt / tau)
    }
}

/// `1 - exp(-dt/tau)`, without cancellation.
pub(crate) fn leak(dt: f64, tau: f64) -> f64 {
    if tau == 0.0 {
        1.0
    } else {
        -libm::expm1(-dt / tau)
    }
}

/// When the pending gradient is applied.
///
/// ```
/// use eprop::{Config, UpdateEvery};
/// assert_eq!(Config::default().update_every, UpdateEvery::Steps(1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateEvery {
    /// After every so many learning steps since `reset`; 1 is what "online" means.
    Steps(usize),
    /// Once, at the end of a whole sequence.
    Sequence,
}

choice! {
    /// How the recurrent synapses compute: three forms of the same numbers.
    ///
    /// ```
    /// use eprop::{Config, Engine, EpropTrainer};
    /// let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// assert_eq!(trainer.engine(), Engine::Factored);
    /// let slow = Config { engine: Some(Engine::Textbook), ..Config::default() };
    /// assert_eq!(EpropTrainer::<f32>::new(3, 8, 2, slow)?.engine(), Engine::Textbook);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub enum Engine as "engine" {
        /// Every synapse's trace at every step: slow, literal, the oracle of the others. Taken where a network is so small, and its time
        /// constants so short, that factors cost more; where weights change after n < 8 steps and that is more than 1.5 of the shorter time
        /// constant; and in a batch where they change after n < 8 steps.
        Textbook = "textbook",
        /// One or two row operations per spike; weights that change at every step, or rest for at most 1.5 of the shortest time constant of
        /// membranes, traces and currents. Three where each neuron has its own `tau_mem`, where there is a `tau_syn`, and where neurons adapt; there
        /// weights rest for as few steps as `(rho - beta h)^n >= 0.01` says, with the height h of the surrogate.
        Factored = "factored",
        /// One row addition per spike; weights that rest for longer, from 8 steps on; in a batch all that rest for 8 steps or more.
        Block = "block",
    }
}

/// Configuration of an [`EpropTrainer`](crate::EpropTrainer). Times in ms, firing rates in Hz.
///
/// ```
/// use eprop::{Config, Loss, UpdateEvery};
/// let config = Config { tau_mem: 30.0, loss: Loss::CrossEntropy, update_every: UpdateEvery::Sequence, ..Config::default() };
/// assert_eq!(config.threshold, 1.0);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Membrane time constant.
    pub tau_mem: f64,
    /// Time constant of the eligibility's low-pass; 0 = no filter.
    pub tau_trace: f64,
    /// Firing threshold `v_th`.
    pub threshold: f64,
    /// Learning rate.
    pub lr: f64,
    /// Length of a step.
    pub dt: f64,
    /// Readout time constant; `None` = `tau_trace` (the gradient is exact only then); 0 = a readout without memory.
    pub tau_out: Option<f64>,
    /// What a spike does to its own membrane.
    pub reset_mechanism: ResetMechanism,
    /// Refractory steps: the next spike can come this many steps after the last. 0 and 1 are the same.
    pub n_ref: usize,
    /// Shape of the surrogate derivative.
    pub surrogate: Surrogate,
    /// Height `h`; `None` = 0.3 / threshold.
    pub surrogate_height: Option<f64>,
    /// Width `w`; `None` = threshold.
    pub surrogate_width: Option<f64>,
    /// `zeta`: 1 or 1 - alpha.
    pub input_gain: Gain,
    /// `zeta_o`: 1 or 1 - kappa.
    pub readout_gain: Gain,
    /// The loss.
    pub loss: Loss,
    /// Where the learning signal's matrix `B` comes from.
    pub feedback: Feedback,
    /// Whether the readouts have a trained bias.
    pub readout_bias: bool,
    /// Weight of the firing-rate regularisation; 0 = none.
    pub c_reg: f64,
    /// Target firing rate of the regularisation, in Hz.
    pub f_target: f64,
    /// Time constant of the running estimate of the firing rate.
    pub tau_reg: f64,
    /// When weights change.
    pub update_every: UpdateEvery,
    /// How a gradient becomes a step of the weights.
    pub optimizer: Optimizer,
    /// Whether an update takes the sum or the mean of its gradients.
    pub reduction: Reduction,
    /// Seed of the initial weights.
    pub seed: u64,
    /// How the synapses compute; `None` = the fastest form that the other options allow.
    pub engine: Option<Engine>,
    /// Streams that a call may train side by side, at most.
    pub batch_size: usize,
    /// By how much a unit of adaptation `a` raises the threshold; 0 = neurons that do not adapt.
    pub beta: f64,
    /// Time constant of the adaptation.
    pub tau_adaptation: f64,
    /// What the neurons do not have in common.
    pub each: PerNeuron,
    /// Steps through which credit flows back through recurrent spikes; 1 = e-prop.
    pub horizon: Horizon,
    /// How much of that credit each recurrent synapse passes on; 1 = backpropagation through time, where the horizon is the whole sequence.
    pub recurrent_gain: f64,
    /// Steps that a spike takes to the other neurons of the layer.
    pub delay: usize,
    /// The gradient of an update, of all weights together, is scaled down to this length; `None` = it is taken as long as it is.
    pub clip_norm: Option<f64>,
    /// Weights, but not biases, stay within `[-w_max, w_max]` after each update; `None` = no bound.
    pub w_max: Option<f64>,
    /// With adaptive feedback, what part of `W_out` and `B` an update takes away: it multiplies both with 1 minus this.
    pub feedback_decay: f64,
    /// Whose firing rates the regularisation corrects.
    pub c_reg_side: RegularisedSide,
    /// Learning rate of `W_in`; `None` = `lr`. At 0 these weights are fixed.
    pub lr_in: Option<f64>,
    /// Learning rate of `W_rec`; `None` = `lr`.
    pub lr_rec: Option<f64>,
    /// Learning rate of `W_out` and `b`; `None` = `lr`.
    pub lr_out: Option<f64>,
    /// Time constant of the synaptic current between a spike and the membrane; 0 = a spike reaches the membrane at once.
    pub tau_syn: f64,
    /// Bytes that the trainer may hold, as `memory_bytes` counts them: shorter blocks, and slower forms, are taken until it fits; `None` = no limit.
    /// What a call makes beside it, outputs, copies and the gradients of `gradients`, does not count.
    pub memory_limit: Option<usize>,
    /// Which synapses from inputs exist. Others have neither weight nor gradient nor trace; the initial weights are scaled by how many each neuron has.
    #[serde(skip_serializing_if = "Connect::is_all")]
    pub connect_in: Connect,
    /// Which synapses between neurons exist.
    #[serde(skip_serializing_if = "Connect::is_all")]
    pub connect_rec: Connect,
    /// Dale's law: of each source, inputs first, whether its weights are at least 0 (1), at most 0 (-1), or free (0), after every update; `None` = all are free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sign: Option<Vec<i8>>,
    /// Whether synapses of matrices that are sparse by `connect_in` and `connect_rec` move where an update takes their weights across 0; `None` = they stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rewire: Option<Rewire>,
    /// Which neurons of a larger network these are, where the others are in other processes; `None` = these are all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            tau_mem: 20.0,
            tau_trace: 20.0,
            threshold: 1.0,
            lr: 0.01,
            dt: 1.0,
            tau_out: None,
            reset_mechanism: ResetMechanism::Subtract,
            n_ref: 0,
            surrogate: Surrogate::PiecewiseLinear,
            surrogate_height: None,
            surrogate_width: None,
            input_gain: Gain::Unit,
            readout_gain: Gain::Unit,
            loss: Loss::Mse,
            feedback: Feedback::Symmetric,
            readout_bias: false,
            c_reg: 0.0,
            f_target: 10.0,
            tau_reg: 500.0,
            update_every: UpdateEvery::Steps(1),
            optimizer: Optimizer::SGD,
            reduction: Reduction::Sum,
            seed: 42,
            engine: None,
            batch_size: 1,
            beta: 0.0,
            tau_adaptation: 200.0,
            each: PerNeuron::default(),
            horizon: Horizon::Steps(1),
            recurrent_gain: 0.3,
            delay: 1,
            clip_norm: None,
            w_max: None,
            feedback_decay: 0.0,
            c_reg_side: RegularisedSide::Both,
            lr_in: None,
            lr_rec: None,
            lr_out: None,
            tau_syn: 0.0,
            memory_limit: None,
            connect_in: Connect::All,
            connect_rec: Connect::All,
            sign: None,
            rewire: None,
            part: None,
        }
    }
}

impl Config {
    /// The learning rates of groups, by their names.
    pub(crate) fn rates_of_groups(&self) -> [(&'static str, Option<f64>); 3] {
        [
            ("lr_in", self.lr_in),
            ("lr_rec", self.lr_rec),
            ("lr_out", self.lr_out),
        ]
    }

    /// Whether weights from inputs and those from neurons take steps of their own.
    pub(crate) fn is_grouped(&self) -> bool {
        self.optimizer.is_grouped() || self.lr_in.is_some() || self.lr_rec.is_some()
    }

    /// The readout's time constant, with its default resolved.
    pub(crate) fn tau_out(&self) -> f64 {
        self.tau_out.unwrap_or(self.tau_trace)
    }

    /// The membrane's time constant: of several, the longest.
    pub(crate) fn longest_tau_mem(&self) -> f64 {
        self.each.longest_tau_mem(self.tau_mem)
    }

    /// The membrane's time constant: of several, the shortest.
    pub(crate) fn shortest_tau_mem(&self) -> f64 {
        self.each.shortest_tau_mem(self.tau_mem)
    }

    /// Whether a source has a second trace in each neuron: of a threshold that moves, a membrane of its own, or the one behind a current.
    pub(crate) fn has_second_traces(&self) -> bool {
        self.has_own_membranes() || self.layer().is_adaptive()
    }

    /// Whether there is more between a source and a membrane than one filter that all neurons share.
    pub(crate) fn has_own_membranes(&self) -> bool {
        self.tau_syn != 0.0 || self.each.tau_mem.is_some()
    }

    /// The part that is the neuron's.
    pub(crate) fn layer(&self) -> LayerConfig {
        LayerConfig {
            tau_mem: self.tau_mem,
            threshold: self.threshold,
            lr: self.lr,
            dt: self.dt,
            reset_mechanism: self.reset_mechanism,
            n_ref: self.n_ref,
            surrogate: self.surrogate,
            surrogate_height: self.surrogate_height,
            surrogate_width: self.surrogate_width,
            input_gain: self.input_gain,
            seed: self.seed,
            beta: self.beta,
            tau_adaptation: self.tau_adaptation,
            each: self.each.clone(),
            tau_syn: self.tau_syn,
        }
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        self.layer().validate()?;
        non_negative("tau_trace", self.tau_trace)?;
        if let Some(tau_out) = self.tau_out {
            non_negative("tau_out", tau_out)?;
        }
        non_negative("c_reg", self.c_reg)?;
        non_negative("f_target", self.f_target)?;
        positive("tau_reg", self.tau_reg)?;
        valid_update_every(self.update_every)?;
        valid_size("batch_size", self.batch_size)?;
        self.optimizer.validate()?;
        self.horizon.validate(self)?;
        non_negative("recurrent_gain", self.recurrent_gain)?;
        valid_delay(self.delay)?;
        valid_bounds(self.clip_norm, self.w_max)?;
        self.connect_in.validate("connect_in")?;
        self.connect_rec.validate("connect_rec")?;
        if let Some(rewire) = &self.rewire {
            rewire.validate(self)?;
        }
        self.validate_feedback()?;
        self.validate_memory()?;
        for (name, lr) in self.rates_of_groups() {
            let lr = lr.unwrap_or(0.0);
            non_negative(name, lr)?;
            self.optimizer.accepts(name, lr)?;
        }
        self.optimizer.accepts("lr", self.lr)
    }

    fn validate_memory(&self) -> Result<(), Error> {
        match self.memory_limit {
            Some(limit) if self.horizon == Horizon::Sequence => {
                let expected =
                    "none with horizon = \"sequence\", whose memory grows with the sequence";
                Err(Error::value("memory_limit", expected, limit))
            }
            _ => Ok(()),
        }
    }

    fn validate_feedback(&self) -> Result<(), Error> {
        let decay = self.feedback_decay;
        let expected = match self.feedback {
            Feedback::Adaptive if (0.0..=1.0).contains(&decay) => return Ok(()),
            Feedback::Adaptive => "a number of 0 to 1",
            _ if decay == 0.0 => return Ok(()),
            _ => "0 without feedback = \"adaptive\"",
        };
        Err(Error::number("feedback_decay", expected, decay))
    }

    /// Whether an update is a multiple of its gradient and of the weights, and nothing else.
    pub(crate) fn steps_are_linear(&self) -> bool {
        self.optimizer.is_linear() && self.is_unbounded()
    }

    /// Whether not all synapses exist.
    pub(crate) fn is_wired(&self) -> bool {
        !self.connect_in.is_all() || !self.connect_rec.is_all()
    }

    /// Whether gradients and weights may be of any length.
    pub(crate) fn is_unbounded(&self) -> bool {
        self.clip_norm.is_none() && self.w_max.is_none() && self.sign.is_none()
    }
}

/// Configuration of an [`OnlineLifLayer`](crate::OnlineLifLayer): the fields of [`Config`] that belong to a neuron.
///
/// ```
/// use eprop::LayerConfig;
/// assert_eq!(LayerConfig::default().tau_mem, 20.0);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LayerConfig {
    /// Membrane time constant.
    pub tau_mem: f64,
    /// Firing threshold `v_th`.
    pub threshold: f64,
    /// Learning rate.
    pub lr: f64,
    /// Length of a step.
    pub dt: f64,
    /// What a spike does to its own membrane.
    pub reset_mechanism: ResetMechanism,
    /// Refractory steps.
    pub n_ref: usize,
    /// Shape of the surrogate derivative.
    pub surrogate: Surrogate,
    /// Height `h`; `None` = 0.3 / threshold.
    pub surrogate_height: Option<f64>,
    /// Width `w`; `None` = threshold.
    pub surrogate_width: Option<f64>,
    /// `zeta`: 1 or 1 - alpha.
    pub input_gain: Gain,
    /// Seed of the initial weights.
    pub seed: u64,
    /// By how much a unit of adaptation `a` raises the threshold; 0 = neurons that do not adapt.
    pub beta: f64,
    /// Time constant of the adaptation.
    pub tau_adaptation: f64,
    /// What the neurons do not have in common. An [`OnlineTrainer`](crate::OnlineTrainer) takes none: its layers have other sizes.
    pub each: PerNeuron,
    /// Time constant of the synaptic current. Feed-forward layers have none: [`OnlineLifLayer`](crate::OnlineLifLayer) and
    /// [`OnlineTrainer`](crate::OnlineTrainer) take 0.
    pub tau_syn: f64,
}

impl Default for LayerConfig {
    fn default() -> Self {
        Config::default().layer()
    }
}

impl LayerConfig {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        self.kinds().try_for_each(|one| one.validate_alone())
    }

    fn validate_alone(&self) -> Result<(), Error> {
        positive("tau_mem", self.tau_mem)?;
        positive("threshold", self.threshold)?;
        non_negative("lr", self.lr)?;
        positive("dt", self.dt)?;
        non_negative("tau_syn", self.tau_syn)?;
        non_negative("beta", self.beta)?;
        positive("tau_adaptation", self.tau_adaptation)?;
        if let Some(h) = self.surrogate_height {
            positive("surrogate_height", h)?;
        }
        if let Some(w) = self.surrogate_width {
            positive("surrogate_width", w)?;
        }
        if self.n_ref > u32::MAX as usize {
            return Err(Error::value(
                "n_ref",
                "at most 4294967295 steps",
                self.n_ref,
            ));
        }
        Ok(())
    }
}

/// Configuration of an [`OnlineTrainer`](crate::OnlineTrainer): every layer's, the loss, and when weights change.
///
/// ```
/// use eprop::{LayerConfig, StackConfig};
/// use eprop::OnlineTrainer;
/// let config = StackConfig { layer: LayerConfig { tau_mem: 10.0, ..LayerConfig::default() }, ..StackConfig::default() };
/// assert_eq!(config.layer.tau_mem, 10.0);
/// let slower_above = StackConfig { tau_mem: Some([10.0, 40.0].to_vec()), ..config };
/// OnlineTrainer::<f32>::new(&[5, 8, 2], slower_above.clone())?;
/// let error = OnlineTrainer::<f32>::new(&[5, 2], slower_above).unwrap_err();
/// assert_eq!(error.to_string(), "tau_mem: expected a number, or 1: one for each layer, got 2 numbers");
/// # Ok::<(), eprop::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StackConfig {
    /// What every layer is like.
    pub layer: LayerConfig,
    /// The loss on the last layer's spikes.
    pub loss: Loss,
    /// When weights change.
    pub update_every: UpdateEvery,
    /// How a gradient becomes a step of the weights.
    pub optimizer: Optimizer,
    /// Whether an update takes the sum or the mean of its gradients.
    pub reduction: Reduction,
    /// Streams that a call may train side by side, at most.
    pub batch_size: usize,
    /// The gradient of an update, of all weights together, is scaled down to this length; `None` = it is taken as long as it is.
    pub clip_norm: Option<f64>,
    /// Weights, but not biases, stay within `[-w_max, w_max]` after each update; `None` = no bound.
    pub w_max: Option<f64>,
    /// Bytes that the trainer may hold, as `memory_bytes` counts them; `None` = no limit. There is one form of a stack: it fits, or it is refused.
    pub memory_limit: Option<usize>,
    /// Membrane time constant of each layer, first to last; `None` = that of `layer`, for all.
    pub tau_mem: Option<Vec<f64>>,
}

impl Default for StackConfig {
    fn default() -> Self {
        Self {
            layer: LayerConfig::default(),
            loss: Loss::Mse,
            update_every: UpdateEvery::Steps(1),
            optimizer: Optimizer::SGD,
            reduction: Reduction::Sum,
            batch_size: 1,
            clip_norm: None,
            w_max: None,
            memory_limit: None,
            tau_mem: None,
        }
    }
}

impl StackConfig {
    /// What layer `l` is like.
    pub(crate) fn layer_of(&self, l: usize) -> LayerConfig {
        LayerConfig {
            tau_mem: own(&self.tau_mem, l, self.layer.tau_mem),
            ..self.layer.clone()
        }
    }

    /// What all layers have in common, and what each that has its own tau_mem is like.
    fn kinds(&self) -> impl Iterator<Item = LayerConfig> + '_ {
        (0..=self.tau_mem.as_ref().map_or(0, Vec::len)).map(|l| self.layer_of(l))
    }

    /// The membranes' time constant: of several, the longest.
    pub(crate) fn longest_tau_mem(&self) -> f64 {
        let longest = |taus: &Vec<f64>| taus.iter().copied().fold(0.0, f64::max);
        self.tau_mem.as_ref().map_or(self.layer.tau_mem, longest)
    }

    /// Whether there are as many numbers as layers, where there is one for each.
    pub(crate) fn fit(&self, n_layers: usize) -> Result<(), Error> {
        match self.tau_mem.as_ref().map(Vec::len) {
            Some(n) if n != n_layers => {
                let expected = alloc::format!("a number, or {n_layers}: one for each layer");
                Err(Error::value(
                    "tau_mem",
                    expected,
                    alloc::format!("{n} numbers"),
                ))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        self.kinds().try_for_each(|layer| layer.validate())?;
        self.layer.each.absent()?;
        self.layer.feeds_forward()?;
        self.optimizer.validate()?;
        if self.optimizer.scales_neurons() {
            let expected =
                "one without per_neuron in a stack, whose neurons have no scales of their own";
            return Err(Error::value("optimizer", expected, "auto with per_neuron"));
        }
        valid_bounds(self.clip_norm, self.w_max)?;
        self.optimizer.accepts("lr", self.layer.lr)?;
        valid_size("batch_size", self.batch_size)?;
        valid_update_every(self.update_every)
    }

    /// As [`Config::steps_are_linear`].
    pub(crate) fn steps_are_linear(&self) -> bool {
        self.optimizer.is_linear() && self.clip_norm.is_none() && self.w_max.is_none()
    }
}

impl Config {
    /// Whether every setting is within its domain, and within the range of the trainer's numbers.
    pub(crate) fn validate_for<F: Float>(&self) -> Result<(), Error> {
        self.validate()?;
        self.layer().fits::<F>()?;
        self.optimizer.fits::<F>()?;
        if let Some(rewire) = &self.rewire {
            rewire.fits::<F>()?;
        }
        bound_fits::<F>(self.w_max)?;
        within::<F>("c_reg", self.c_reg)?;
        within::<F>("f_target", self.f_target)?;
        within::<F>("recurrent_gain", self.recurrent_gain)?;
        for (name, lr) in self.rates_of_groups() {
            within::<F>(name, lr.unwrap_or(0.0))?;
        }
        Ok(())
    }
}

impl LayerConfig {
    /// As [`Config::validate_for`].
    pub(crate) fn validate_for<F: Float>(&self) -> Result<(), Error> {
        self.validate()?;
        self.feeds_forward()?;
        self.fits::<F>()
    }

    /// Whether one trace per source, of one filter, is all that a layer's gradient needs.
    fn feeds_forward(&self) -> Result<(), Error> {
        if self.each.tau_mem.is_some() {
            let expected = "a number, since a feed-forward layer has one trace per source";
            return Err(Error::value("tau_mem", expected, "an array"));
        }
        match self.tau_syn == 0.0 {
            true => Ok(()),
            false => {
                let expected = "0, since a feed-forward layer has no synaptic current";
                Err(Error::number("tau_syn", expected, self.tau_syn))
            }
        }
    }

    /// What neuron `j` alone is like.
    pub(crate) fn of(&self, j: usize) -> Self {
        let each = &self.each;
        Self {
            tau_mem: own(&each.tau_mem, j, self.tau_mem),
            threshold: own(&each.threshold, j, self.threshold),
            beta: own(&each.beta, j, self.beta),
            tau_adaptation: own(&each.tau_adaptation, j, self.tau_adaptation),
            each: PerNeuron::default(),
            ..*self
        }
    }

    /// A padded row of what each of `n` neurons alone is like, 0 beyond them.
    pub(crate) fn row<F: Float>(
        &self,
        room: &mut Room,
        n: usize,
        of: impl Fn(&Self) -> f64,
    ) -> Result<Aligned<F>, Error> {
        let mut row = room.zeros(1, padded::<F>(n))?;
        let all = row.iter_mut().take(n).enumerate();
        all.for_each(|(j, to)| *to = F::cast(of(&self.of(j))));
        Ok(row)
    }

    /// The decay of the membrane.
    pub(crate) fn alpha(&self) -> f64 {
        decay(self.dt, self.tau_mem)
    }

    /// The gain of what the sources send.
    pub(crate) fn zeta(&self) -> f64 {
        self.input_gain.of(self.dt, self.tau_mem)
    }

    /// The kinds of neurons that there may be, and what stands in the place of an array.
    fn kinds(&self) -> impl Iterator<Item = Self> + '_ {
        (0..=self.each.len()).map(|j| self.of(j))
    }

    /// A neuron's [`membrane_unit`](Self::membrane_unit) in units of the common one.
    #[inline]
    pub(crate) fn relative_unit(&self, j: usize) -> f64 {
        let PerNeuron {
            tau_mem, threshold, ..
        } = &self.each;
        if tau_mem.is_none() && threshold.is_none() {
            return 1.0;
        }
        let threshold = own(threshold, j, self.threshold) / self.threshold;
        match tau_mem {
            None => threshold,
            Some(_) => threshold * (self.of(j).unit_per_threshold() / self.unit_per_threshold()),
        }
    }

    /// Whether any neuron's threshold moves.
    pub(crate) fn is_adaptive(&self) -> bool {
        self.kinds().any(|one| one.beta != 0.0)
    }

    /// Whether all neurons have the same threshold, which stands still.
    pub(crate) fn is_plain(&self) -> bool {
        self.beta == 0.0 && self.each.is_empty()
    }

    /// `h` of the surrogate.
    pub(crate) fn height(&self) -> f64 {
        self.surrogate_height.unwrap_or(0.3 / self.threshold)
    }

    /// `w` of the surrogate.
    pub(crate) fn width(&self) -> f64 {
        self.surrogate_width.unwrap_or(self.threshold)
    }

    /// The scale at which independent weights, under as many input spikes, hold the membrane's standard deviation at one threshold.
    pub(crate) fn membrane_unit(&self) -> f64 {
        let (deviation, zeta) = self.membrane_factors();
        self.threshold * deviation / zeta
    }

    fn unit_per_threshold(&self) -> f64 {
        let (deviation, zeta) = self.membrane_factors();
        deviation / zeta
    }

    fn membrane_factors(&self) -> (f64, f64) {
        let (alpha, sigma) = (self.alpha(), decay(self.dt, self.tau_syn));
        // One over the variance that two filters in a row make of white noise: where sigma is 0, that of one.
        let both = (1.0 - sigma * sigma) * ((1.0 - alpha * sigma) / (1.0 + alpha * sigma));
        let deviation = libm::sqrt((1.0 - alpha * alpha) * both / EXPECTED_RATE);
        (deviation, self.zeta())
    }

    /// Whether the initial weights that follow are within the range of the trainer's numbers.
    fn weights_fit<F: Float>(&self) -> Result<(), Error> {
        // No number drawn is ten standard deviations out.
        let fits = |scale: f64| F::cast(10.0 * scale).is_finite();
        if decay(self.dt, self.tau_syn) == 1.0 {
            let expected = "a time constant that dt can be told from: with more, exp(-dt / tau_syn) is 1, and all initial weights are 0";
            return Err(Error::number("tau_syn", expected, self.tau_syn));
        }
        if self.membrane_factors().0 == 0.0 {
            let expected = "a time step that tau_mem can be told from: with less, exp(-dt / tau_mem) is 1, and all initial weights are 0";
            return Err(Error::number("dt", expected, self.dt));
        }
        if fits(self.membrane_unit()) {
            return Ok(());
        }
        let expected = alloc::format!(
            "a value whose initial weights are within the range of {}",
            F::NAME
        );
        let (deviation, zeta) = self.membrane_factors();
        let (name, value) = match fits(deviation / zeta) {
            true => ("threshold", self.threshold),
            false => ("dt", self.dt),
        };
        Err(Error::number(name, expected, value))
    }

    fn fits<F: Float>(&self) -> Result<(), Error> {
        self.kinds().try_for_each(|one| one.fits_alone::<F>())
    }

    fn fits_alone<F: Float>(&self) -> Result<(), Error> {
        within::<F>("beta", self.beta)?;
        within::<F>("threshold", self.threshold)?;
        above_zero::<F>("threshold", self.threshold)?;
        self.weights_fit::<F>()?;
        within::<F>("lr", self.lr)?;
        self.surrogate_fits::<F>()
    }

    /// What is left out is 0.3 / threshold high, and as wide as the threshold: then the threshold is at fault.
    fn surrogate_fits<F: Float>(&self) -> Result<(), Error> {
        let is_within = |value: f64| F::cast(value).is_finite();
        let small = |name, of: &str, value| {
            let expected = alloc::format!(
                "a number so large that {of} is within the range of {}",
                F::NAME
            );
            Err(Error::number(name, expected, value))
        };
        match self.surrogate_height {
            Some(height) => {
                within::<F>("surrogate_height", height)?;
                above_zero::<F>("surrogate_height", height)?;
            }
            None if is_within(0.3 / self.threshold) => {}
            None => {
                return small(
                    "threshold",
                    "surrogate_height, 0.3 / threshold,",
                    self.threshold,
                );
            }
        }
        match self.surrogate_width {
            Some(width) if is_within(1.0 / width) => Ok(()),
            None if is_within(1.0 / self.threshold) => Ok(()),
            Some(width) => small("surrogate_width", "1 / surrogate_width", width),
            None => small(
                "threshold",
                "1 / surrogate_width, 1 / threshold,",
                self.threshold,
            ),
        }
    }
}

impl StackConfig {
    /// As [`Config::validate_for`].
    pub(crate) fn validate_for<F: Float>(&self) -> Result<(), Error> {
        self.validate()?;
        self.optimizer.fits::<F>()?;
        bound_fits::<F>(self.w_max)?;
        self.kinds().try_for_each(|layer| layer.fits::<F>())
    }
}

fn valid_delay(delay: usize) -> Result<(), Error> {
    match delay {
        0 => Err(Error::value("delay", "a number of steps >= 1", 0)),
        _ => Ok(()),
    }
}

fn valid_bounds(clip_norm: Option<f64>, w_max: Option<f64>) -> Result<(), Error> {
    if let Some(longest) = clip_norm {
        positive("clip_norm", longest)?;
    }
    if let Some(bound) = w_max {
        positive("w_max", bound)?;
    }
    Ok(())
}

fn bound_fits<F: Float>(w_max: Option<f64>) -> Result<(), Error> {
    if let Some(bound) = w_max {
        within::<F>("w_max", bound)?;
        above_zero::<F>("w_max", bound)?;
    }
    Ok(())
}

fn valid_update_every(update_every: UpdateEvery) -> Result<(), Error> {
    match update_every {
        UpdateEvery::Steps(0) => Err(Error::value(
            "update_every",
            "1, a number of steps >= 1, or \"sequence\"",
            0,
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::{Config, Gain, LayerConfig, PerNeuron, StackConfig, UpdateEvery, decay, leak};
    use crate::Float;
    use crate::options::Optimizer;

    const BAD: [f64; 3] = [f64::NAN, f64::INFINITY, -1.0];

    #[test]
    fn decays_are_exponentials_and_no_time_constant_is_no_filter() {
        for (dt, tau) in [(1.0, 20.0), (0.1, 7.0), (5.0, 1.0)] {
            assert_eq!(decay(dt, tau), libm::exp(-dt / tau));
            assert!((leak(dt, tau) - (1.0 - libm::exp(-dt / tau))).abs() < 1e-15);
        }
        assert_eq!((decay(1.0, 0.0), leak(1.0, 0.0)), (0.0, 1.0));
    }

    #[test]
    fn a_long_time_constant_loses_no_digit_of_its_gain() {
        // 1 - exp(-x) = x - x^2 / 2 + ...
        let x = 1e-9;
        let off = leak(1.0, 1e9) - (x - x * x / 2.0);
        assert!(off.abs() < 1e-24, "{off}");
    }

    #[test]
    fn a_gain_is_one_or_the_leak() {
        assert_eq!(Gain::Unit.of(1.0, 20.0), 1.0);
        assert_eq!(Gain::Leak.of(1.0, 20.0), leak(1.0, 20.0));
    }

    /// What changes one setting.
    type Set = fn(&mut Config, f64);

    #[test]
    fn every_setting_has_its_domain_and_is_named_by_its_error() {
        let positive: [(&str, Set); 8] = [
            ("clip_norm", |config, x| config.clip_norm = Some(x)),
            ("w_max", |config, x| config.w_max = Some(x)),
            ("tau_mem", |config, x| config.tau_mem = x),
            ("threshold", |config, x| config.threshold = x),
            ("dt", |config, x| config.dt = x),
            ("tau_reg", |config, x| config.tau_reg = x),
            ("surrogate_height", |config, x| {
                config.surrogate_height = Some(x)
            }),
            ("surrogate_width", |config, x| {
                config.surrogate_width = Some(x)
            }),
        ];
        let or_zero: [(&str, Set); 7] = [
            ("tau_syn", |config, x| config.tau_syn = x),
            ("tau_trace", |config, x| config.tau_trace = x),
            ("tau_out", |config, x| config.tau_out = Some(x)),
            ("lr", |config, x| config.lr = x),
            ("c_reg", |config, x| config.c_reg = x),
            ("f_target", |config, x| config.f_target = x),
            ("recurrent_gain", |config, x| config.recurrent_gain = x),
        ];
        let all = positive
            .iter()
            .map(|set| (set, false))
            .chain(or_zero.iter().map(|set| (set, true)));
        for (&(name, set), takes_zero) in all {
            let with = |x| {
                let mut config = Config::default();
                set(&mut config, x);
                config.validate_for::<f64>()
            };
            with(0.5).unwrap();
            assert_eq!(with(0.0).is_ok(), takes_zero, "{name} of 0");
            for x in BAD {
                let error = with(x).unwrap_err().to_string();
                assert!(
                    error.starts_with(&alloc::format!("{name}: expected")),
                    "{error}"
                );
                assert!(error.contains(&alloc::format!("got {x}")), "{error}");
            }
        }
    }

    #[test]
    fn counts_have_their_domains() {
        let update_every = UpdateEvery::Steps(0);
        let many = u32::MAX as usize;
        assert!(
            Config {
                update_every,
                ..Config::default()
            }
            .validate()
            .is_err()
        );
        assert!(
            StackConfig {
                update_every,
                ..StackConfig::default()
            }
            .validate()
            .is_err()
        );
        assert!(
            Config {
                delay: 0,
                ..Config::default()
            }
            .validate()
            .is_err()
        );
        assert!(
            Config {
                batch_size: 0,
                ..Config::default()
            }
            .validate()
            .is_err()
        );
        assert!(
            StackConfig {
                batch_size: 0,
                ..StackConfig::default()
            }
            .validate()
            .is_err()
        );
        Config {
            n_ref: many,
            ..Config::default()
        }
        .validate()
        .unwrap();
        #[cfg(target_pointer_width = "64")]
        assert!(
            Config {
                n_ref: many + 1,
                ..Config::default()
            }
            .validate()
            .is_err()
        );
        let optimizer = Optimizer::Adam {
            beta1: 1.0,
            beta2: 0.5,
            eps: 1.0,
            weight_decay: 0.0,
        };
        assert!(
            Config {
                optimizer,
                ..Config::default()
            }
            .validate()
            .is_err()
        );
        assert!(
            StackConfig {
                optimizer,
                ..StackConfig::default()
            }
            .validate()
            .is_err()
        );
    }

    #[test]
    fn what_one_number_type_cannot_hold_is_refused_in_that_type_alone() {
        let cases: [(&str, Set, f64); 12] = [
            ("w_max", |config, x| config.w_max = Some(x), 1e39),
            ("w_max", |config, x| config.w_max = Some(x), 1e-50),
            ("threshold", |config, x| config.threshold = x, 1e-50),
            ("threshold", |config, x| config.threshold = x, 1e39),
            ("lr", |config, x| config.lr = x, 1e39),
            ("c_reg", |config, x| config.c_reg = x, 1e39),
            ("f_target", |config, x| config.f_target = x, 1e39),
            (
                "surrogate_height",
                |config, x| config.surrogate_height = Some(x),
                1e39,
            ),
            (
                "surrogate_width",
                |config, x| config.surrogate_width = Some(x),
                1e-39,
            ),
            (
                "surrogate_height",
                |config, x| config.surrogate_height = Some(x),
                1e-50,
            ),
            // Of which the surrogate's height follows, or where that is given, its width.
            ("threshold", |config, x| config.threshold = x, 6e-40),
            (
                "threshold",
                |config, x| {
                    config.surrogate_height = Some(0.3);
                    config.threshold = x;
                },
                2e-39,
            ),
        ];
        for (name, set, x) in cases {
            let mut config = Config::default();
            set(&mut config, x);
            config.validate_for::<f64>().unwrap();
            let error = config.validate_for::<f32>().unwrap_err().to_string();
            assert!(
                error.starts_with(name) && error.contains("float32"),
                "{error}"
            );
            // What was given, and not what follows from it.
            assert!(error.ends_with(&alloc::format!("got {x:e}")), "{error}");
        }
    }

    #[test]
    fn a_threshold_whose_weights_overflow_float64_is_named() {
        let config = Config {
            threshold: 1e308,
            ..Config::default()
        };
        let error = config.validate_for::<f64>().unwrap_err().to_string();
        assert!(error.starts_with("threshold: expected"), "{error}");
    }

    #[test]
    fn a_layer_takes_the_neurons_part_of_a_configuration() {
        fn refused<F: Float>(layer: LayerConfig) -> bool {
            let stack = StackConfig {
                layer: layer.clone(),
                ..StackConfig::default()
            };
            assert_eq!(stack.validate_for::<F>(), layer.validate_for::<F>());
            layer.validate_for::<F>().is_err()
        }
        let config = Config {
            tau_mem: 7.0,
            threshold: 3.0,
            n_ref: 4,
            ..Config::default()
        };
        let layer = config.layer();
        assert_eq!((layer.tau_mem, layer.threshold, layer.n_ref), (7.0, 3.0, 4));
        assert!(!refused::<f32>(layer.clone()));
        assert!(refused::<f64>(LayerConfig {
            tau_mem: 0.0,
            ..layer.clone()
        }));
        assert!(refused::<f32>(LayerConfig {
            threshold: 1e-50,
            ..layer
        }));
    }

    #[test]
    fn what_needs_a_trace_of_each_synapse_or_of_a_current_is_no_feed_forward_layers() {
        let layer = LayerConfig::default();
        let each = PerNeuron {
            tau_mem: Some([20.0, 30.0].to_vec()),
            ..PerNeuron::default()
        };
        let differing = LayerConfig {
            each: each.clone(),
            ..layer.clone()
        };
        let flowing = LayerConfig {
            tau_syn: 5.0,
            ..layer
        };
        for (layer, name) in [(differing, "tau_mem"), (flowing, "tau_syn")] {
            let stack = StackConfig {
                layer: layer.clone(),
                ..StackConfig::default()
            };
            for refused in [
                layer.validate_for::<f64>().unwrap_err(),
                stack.validate_for::<f64>().unwrap_err(),
            ] {
                let message = refused.to_string();
                assert!(
                    message.starts_with(&alloc::format!("{name}: expected")),
                    "{message}"
                );
            }
        }
        let config = Config {
            each,
            tau_syn: 5.0,
            ..Config::default()
        };
        config.validate_for::<f64>().unwrap();
        assert_eq!(config.longest_tau_mem(), 30.0);
        assert_eq!(Config::default().longest_tau_mem(), 20.0);
    }

    #[test]
    fn a_membrane_of_each_neuron_is_validated_and_named() {
        for bad in BAD.into_iter().chain([0.0]) {
            let each = PerNeuron {
                tau_mem: Some([20.0, bad].to_vec()),
                ..PerNeuron::default()
            };
            let config = Config {
                each,
                ..Config::default()
            };
            let error = config.validate_for::<f64>().unwrap_err().to_string();
            assert!(error.starts_with("tau_mem: expected"), "{error}");
        }
        let config = Config {
            tau_syn: 1e300,
            ..Config::default()
        };
        let error = config.validate_for::<f64>().unwrap_err().to_string();
        assert!(error.starts_with("tau_syn: expected"), "{error}");
    }

    #[test]
    fn the_readout_has_the_time_constant_of_the_trace_unless_it_is_told() {
        let config = Config {
            tau_trace: 30.0,
            ..Config::default()
        };
        assert_eq!(config.tau_out(), 30.0);
        assert_eq!(
            Config {
                tau_out: Some(0.0),
                ..config
            }
            .tau_out(),
            0.0
        );
    }
}
