//! What a user may set, and the one place where it is validated.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::connect::Connect;
use super::domain::{bound_fits, non_negative, positive, valid_bounds, valid_size, within};
use super::engine::Engine;
use super::feedback::Feedback;
use super::filters::Gain;
use super::horizon::Horizon;
use super::layer_config::LayerConfig;
use super::loss::Loss;
use super::optimizer::{Optimizer, Reduction};
use super::part::Part;
use super::per_neuron::PerNeuron;
use super::reset::ResetMechanism;
use super::rewire::Rewire;
use super::side::RegularisedSide;
use super::surrogate::Surrogate;
use super::update_every::UpdateEvery;
use crate::{Error, Float};

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
    /// Learning rate: 0.01 unless set, under every optimizer. [`Optimizer::default_lr`] is the usual one of each.
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
        self.update_every.validate()?;
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

fn valid_delay(delay: usize) -> Result<(), Error> {
    match delay {
        0 => Err(Error::value("delay", "a number of steps >= 1", 0)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::{Config, LayerConfig, PerNeuron, UpdateEvery};
    use crate::Float;
    use crate::options::Optimizer;
    use crate::options::StackConfig;

    const BAD: [f64; 3] = [f64::NAN, f64::INFINITY, -1.0];

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
