//! What a user may set of a stack of layers.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::domain::{bound_fits, valid_bounds, valid_size};
use super::layer_config::LayerConfig;
use super::loss::Loss;
use super::optimizer::{Optimizer, Reduction};
use super::per_neuron::own;
use super::update_every::UpdateEvery;
use crate::{Error, Float};

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
        self.update_every.validate()
    }

    /// As [`Config::steps_are_linear`](super::config::Config::steps_are_linear).
    pub(crate) fn steps_are_linear(&self) -> bool {
        self.optimizer.is_linear() && self.clip_norm.is_none() && self.w_max.is_none()
    }

    /// As [`Config::validate_for`](super::config::Config::validate_for).
    pub(crate) fn validate_for<F: Float>(&self) -> Result<(), Error> {
        self.validate()?;
        self.optimizer.fits::<F>()?;
        bound_fits::<F>(self.w_max)?;
        self.kinds().try_for_each(|layer| layer.fits::<F>())
    }
}
