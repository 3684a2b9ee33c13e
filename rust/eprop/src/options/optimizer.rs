//! How a gradient becomes a step of the weights, as a user chooses it.

use serde::{Deserialize, Serialize};

use super::choice::choice;
use super::domain::{above_zero, non_negative, positive, within};
use crate::{Error, Float};

/// The rule that turns the gradient of an update into new weights.
///
/// ```
/// use eprop::{Config, EpropTrainer, Optimizer, UpdateEvery};
/// let config = Config { optimizer: Optimizer::ADAM, lr: 0.001, update_every: UpdateEvery::Sequence, ..Config::default() };
/// let trainer = EpropTrainer::<f32>::new(3, 8, 2, config)?;
/// assert_eq!(trainer.config().optimizer.name(), "adam");
/// # Ok::<(), eprop::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase", deny_unknown_fields)]
#[non_exhaustive]
pub enum Optimizer {
    /// Stochastic gradient descent, `W -= eta (g + weight_decay W)`.
    Sgd {
        /// Whether `lr` is only the largest step: with the limit, `eta = min(lr, c / d)`, no step is longer than a part `c` of the one that
        /// would take a loss that is linear in the weights to 0 (a stochastic Polyak step: Loizou et al. 2021; docs/method.md, "Steps that do
        /// not overshoot"). Its length `d` is held near its recent peak, and belongs to the optimizer: `reset` keeps it. Without it, `eta = lr`.
        limit: bool,
        /// How much of the weights is added to their gradient, >= 0. Biases do not decay.
        weight_decay: f64,
    },
    /// Descent along a sum that fades, `M = mu M + g + weight_decay W`, `W -= (1 - mu) eta M`. `M`, one number per weight, belongs to the optimizer:
    /// `reset` keeps it.
    Momentum {
        /// What an update leaves of `M`, in [0, 1).
        mu: f64,
        /// As of [`Sgd`](Self::Sgd); the length is that of the last gradient.
        limit: bool,
        /// As of [`Sgd`](Self::Sgd).
        weight_decay: f64,
    },
    /// Descent whose steps need no learning rate to be chosen: each group of weights (`W_in`; `W_rec`; `W_out` with `b`; the layers of a stack) takes a step from its
    /// own length, `eta_G = lr c share_G (1 - max(alpha, kappa, sigma)^n_G)^2 / d_G` (docs/method.md, "Steps of groups"). `lr` has no unit; at most 3. The lengths
    /// belong to the optimizer: `reset` keeps them.
    Auto {
        /// As of [`Sgd`](Self::Sgd).
        weight_decay: f64,
        /// Whether each neuron, and each readout, has a scale of its own within its group, by the size of its gradients so far: the step of its weights
        /// is `eta_G D_j` (docs/method.md, "Steps of groups"). It takes the textbook or the block form, unless synapses are listed; a stack has no such scales.
        per_neuron: bool,
    },
    /// Adam (Kingma and Ba 2015), with two moments per weight: `m = beta1 m + (1 - beta1) g`, `v = beta2 v + (1 - beta2) g^2`,
    /// `W -= lr sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt v + eps)`, t the number of updates. The moments belong to the optimizer:
    /// `reset` keeps them.
    Adam {
        /// Decay of the first moment, in [0, 1).
        beta1: f64,
        /// Decay of the second moment, in [0, 1).
        beta2: f64,
        /// What is added to the root of the second moment, > 0.
        eps: f64,
        /// As of [`Sgd`](Self::Sgd).
        weight_decay: f64,
    },
    /// Adam whose weights decay beside the step and not in the moments (Loshchilov and Hutter 2019): the step of [`Adam`](Self::Adam), and
    /// `W -= lr weight_decay W`.
    AdamW {
        /// How much of the weights is taken off them, times `lr`, >= 0. Biases do not decay.
        weight_decay: f64,
        /// As of [`Adam`](Self::Adam).
        beta1: f64,
        /// As of [`Adam`](Self::Adam).
        beta2: f64,
        /// As of [`Adam`](Self::Adam).
        eps: f64,
    },
}

impl Optimizer {
    /// Descent whose steps do not overshoot: the default. Example: [`Optimizer`].
    pub const SGD: Self = Self::Sgd {
        limit: true,
        weight_decay: 0.0,
    };
    /// Plain descent, `W -= lr g`. Example: [`Optimizer`].
    pub const PLAIN_SGD: Self = Self::Sgd {
        limit: false,
        weight_decay: 0.0,
    };
    /// A step for each group of weights. Its `lr` has no unit, and a `Config` has 0.01 unless it is set: write `lr: Optimizer::AUTO.default_lr()`, 0.5, beside it.
    /// Example: [`Optimizer`].
    pub const AUTO: Self = Self::Auto {
        weight_decay: 0.0,
        per_neuron: false,
    };
    /// Momentum of 0.9, with the limit. Example: [`Optimizer`].
    pub const MOMENTUM: Self = Self::Momentum {
        mu: 0.9,
        limit: true,
        weight_decay: 0.0,
    };
    /// Adam with its usual constants: 0.9, 0.999, 1e-8. Example: [`Optimizer`].
    pub const ADAM: Self = Self::Adam {
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        weight_decay: 0.0,
    };
    /// The same with a decay of weights of 0.01 beside it. Example: [`Optimizer`].
    pub const ADAM_W: Self = Self::AdamW {
        weight_decay: 0.01,
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
    };

    /// The name that the Python face uses. Example: [`Optimizer`].
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sgd { .. } => "sgd",
            Self::Auto { .. } => "auto",
            Self::Momentum { .. } => "momentum",
            Self::Adam { .. } => "adam",
            Self::AdamW { .. } => "adamw",
        }
    }

    /// The usual learning rate: the one that the Python face takes where none is given. A `Config` of the crate has 0.01 whatever its optimizer is.
    ///
    /// ```
    /// use eprop::Optimizer;
    /// assert_eq!((Optimizer::SGD.default_lr(), Optimizer::ADAM.default_lr()), (0.01, 0.001));
    /// ```
    pub fn default_lr(&self) -> f64 {
        match self {
            Self::Sgd { .. } | Self::Momentum { .. } => 0.01,
            Self::Auto { .. } => 0.5,
            Self::Adam { .. } | Self::AdamW { .. } => 0.001,
        }
    }

    /// Whether a step takes a multiple of the gradient, and of the weights, off them, the same for every neuron, and nothing else, so that it may be taken in
    /// factors.
    pub(crate) fn is_linear(&self) -> bool {
        match self {
            Self::Sgd { .. } => true,
            Self::Auto { per_neuron, .. } => !per_neuron,
            Self::Momentum { .. } | Self::Adam { .. } | Self::AdamW { .. } => false,
        }
    }

    /// Whether steps follow a sum of gradients that fades.
    pub(crate) fn has_momentum(&self) -> bool {
        matches!(self, Self::Momentum { .. })
    }

    /// Whether what a step takes off the weights is linear in them and in the gradients so far, the same for every synapse, so that it may be taken in factors.
    pub(crate) fn fits_factors(&self) -> bool {
        self.is_linear() || self.has_momentum()
    }

    /// Whether a step takes a multiple of the weights off them.
    pub(crate) fn decays(&self) -> bool {
        self.weight_decay() != 0.0
    }

    /// How many numbers it keeps for each weight.
    pub(crate) fn n_moments(&self) -> usize {
        match self {
            Self::Sgd { .. } | Self::Auto { .. } => 0,
            Self::Momentum { .. } => 1,
            Self::Adam { .. } | Self::AdamW { .. } => 2,
        }
    }

    /// Whether each group of weights takes steps from its own length.
    pub(crate) fn is_grouped(&self) -> bool {
        matches!(self, Self::Auto { .. })
    }

    /// Whether each neuron has a scale of its own within its group.
    pub(crate) fn scales_neurons(&self) -> bool {
        matches!(
            self,
            Self::Auto {
                per_neuron: true,
                ..
            }
        )
    }

    /// Whether a step needs to know how long the gradient is, and of what loss.
    ///
    /// ```
    /// use eprop::Optimizer;
    /// assert!(Optimizer::SGD.is_limited() && !Optimizer::PLAIN_SGD.is_limited());
    /// ```
    pub fn is_limited(&self) -> bool {
        match *self {
            Self::Sgd { limit, .. } | Self::Momentum { limit, .. } => limit,
            Self::Auto { .. } => true,
            Self::Adam { .. } | Self::AdamW { .. } => false,
        }
    }

    pub(crate) fn weight_decay(&self) -> f64 {
        match *self {
            Self::Sgd { weight_decay, .. }
            | Self::Auto { weight_decay, .. }
            | Self::Momentum { weight_decay, .. }
            | Self::Adam { weight_decay, .. }
            | Self::AdamW { weight_decay, .. } => weight_decay,
        }
    }

    /// The same where nobody knows the loss: nothing limits its steps.
    pub(crate) fn without_limit(self) -> Self {
        match self {
            Self::Sgd { weight_decay, .. } => Self::Sgd {
                limit: false,
                weight_decay,
            },
            Self::Momentum {
                mu, weight_decay, ..
            } => Self::Momentum {
                mu,
                limit: false,
                weight_decay,
            },
            Self::Auto { .. } | Self::Adam { .. } | Self::AdamW { .. } => self,
        }
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        match *self {
            Self::Sgd { .. } | Self::Auto { .. } => {}
            Self::Momentum { mu, .. } => decay("optimizer.mu", mu)?,
            Self::Adam {
                beta1, beta2, eps, ..
            }
            | Self::AdamW {
                beta1, beta2, eps, ..
            } => {
                decay("optimizer.beta1", beta1)?;
                decay("optimizer.beta2", beta2)?;
                positive("optimizer.eps", eps)?;
            }
        }
        non_negative("optimizer.weight_decay", self.weight_decay())
    }

    /// Whether its constants are within the range of the trainer's numbers.
    pub(crate) fn fits<F: Float>(&self) -> Result<(), Error> {
        if let Self::Adam { eps, .. } | Self::AdamW { eps, .. } = *self {
            within::<F>("optimizer.eps", eps)?;
            // Without it a weight whose gradient is 0 takes a step of 0 / 0.
            above_zero::<F>("optimizer.eps", eps)?;
        }
        within::<F>("optimizer.weight_decay", self.weight_decay())
    }
}

/// The largest learning rate of [`Optimizer::Auto`]: beyond it steps overshoot.
const MOST_OF_AUTO: f64 = 3.0;

impl Optimizer {
    /// Whether it can work with a learning rate, which is at least 0.
    pub(crate) fn accepts(&self, argument: &'static str, lr: f64) -> Result<(), Error> {
        if matches!(self, Self::Auto { .. }) && lr > MOST_OF_AUTO {
            let expected = "at most 3 with the optimizer auto, whose lr has no unit";
            return Err(Error::number(argument, expected, lr));
        }
        Ok(())
    }
}

fn decay(argument: &'static str, value: f64) -> Result<(), Error> {
    if (0.0..1.0).contains(&value) {
        return Ok(());
    }
    let expected = "a number of at least 0 and below 1";
    Err(Error::number(argument, expected, value))
}

choice! {
    /// What an update makes of the gradients of its steps and streams.
    ///
    /// ```
    /// use eprop::Reduction;
    /// assert_eq!("mean".parse::<Reduction>()?, Reduction::Mean);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub enum Reduction as "reduction" {
        /// Their sum.
        Sum = "sum",
        /// Their sum, the regulariser's part included, over the number of steps with a target since the last update, of all streams; where none
        /// had a target, over the number of steps.
        Mean = "mean",
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::Optimizer;

    const ALL: [Optimizer; 5] = [
        Optimizer::SGD,
        Optimizer::PLAIN_SGD,
        Optimizer::MOMENTUM,
        Optimizer::ADAM,
        Optimizer::ADAM_W,
    ];

    #[test]
    fn each_rule_has_its_name_its_usual_learning_rate_and_what_it_keeps() {
        let of = ALL.map(|rule| (rule.name(), rule.default_lr(), rule.n_moments()));
        let expected = [
            ("sgd", 0.01, 0),
            ("sgd", 0.01, 0),
            ("momentum", 0.01, 1),
            ("adam", 0.001, 2),
            ("adamw", 0.001, 2),
        ];
        assert_eq!(of, expected);
    }

    #[test]
    fn only_steps_that_are_multiples_of_the_gradient_are_linear() {
        let linear = ALL.map(|rule| rule.is_linear());
        assert_eq!(linear, [true, true, false, false, false]);
        let limited = ALL.map(|rule| rule.is_limited());
        assert_eq!(limited, [true, false, true, false, false]);
        let decays = Optimizer::Sgd {
            limit: true,
            weight_decay: 0.1,
        };
        assert!(decays.is_linear() && decays.is_limited() && decays.decays());
        assert!(!Optimizer::SGD.decays());
        let auto = Optimizer::AUTO;
        assert!(auto.is_linear() && auto.is_limited() && auto.is_grouped());
        let scaled = Optimizer::Auto {
            weight_decay: 0.0,
            per_neuron: true,
        };
        assert!(scaled.scales_neurons() && !auto.scales_neurons());
        assert!(!scaled.is_linear() && !scaled.fits_factors() && scaled.is_grouped());
        let free = ALL.map(|rule| rule.without_limit());
        assert!(free.iter().all(|rule| !rule.is_limited()));
        assert!(decays.without_limit().decays());
    }

    #[test]
    fn a_rate_without_a_unit_has_an_end() {
        assert_eq!(
            (Optimizer::AUTO.name(), Optimizer::AUTO.default_lr()),
            ("auto", 0.5)
        );
        Optimizer::AUTO.accepts("lr", 3.0).unwrap();
        Optimizer::SGD.accepts("lr", 4.0).unwrap();
        let error = Optimizer::AUTO
            .accepts("lr_in", 3.5)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("lr_in: expected at most 3"), "{error}");
    }

    /// Whether each value is refused under this name.
    fn refused(name: &str, bad: &[f64], with: impl Fn(f64) -> Optimizer) {
        for &x in bad {
            let error = with(x).validate().unwrap_err().to_string();
            assert!(error.starts_with(&alloc::format!("{name}: ")), "{error}");
        }
    }

    #[test]
    fn constants_have_their_domains() {
        ALL.iter().for_each(|rule| rule.validate().unwrap());
        let adam = |beta1, beta2, eps| Optimizer::Adam {
            beta1,
            beta2,
            eps,
            weight_decay: 0.5,
        };
        adam(0.0, 0.0, 1e-30).validate().unwrap();
        let no_decay = [-0.1, 1.0, f64::NAN, f64::INFINITY];
        refused("optimizer.beta1", &no_decay, |x| adam(x, 0.5, 1.0));
        refused("optimizer.beta2", &no_decay, |x| adam(0.5, x, 1.0));
        let not_positive = [0.0, -1.0, f64::NAN, f64::INFINITY];
        refused("optimizer.eps", &not_positive, |x| adam(0.5, 0.5, x));
        refused("optimizer.beta1", &no_decay, |beta1| Optimizer::AdamW {
            weight_decay: 0.0,
            beta1,
            beta2: 0.5,
            eps: 1.0,
        });
        refused("optimizer.mu", &no_decay, |mu| Optimizer::Momentum {
            mu,
            limit: true,
            weight_decay: 0.0,
        });
        let negative = [-1.0, f64::NAN, f64::INFINITY];
        refused("optimizer.weight_decay", &negative, |weight_decay| {
            Optimizer::Sgd {
                limit: false,
                weight_decay,
            }
        });
        let wide = Optimizer::Sgd {
            limit: false,
            weight_decay: 1e300,
        };
        assert!(wide.fits::<f64>().is_ok() && wide.fits::<f32>().is_err());
        // An eps that is 0 in the trainer's numbers is none.
        for eps in [1e-300, 1e300] {
            let adam = adam(0.5, 0.5, eps);
            assert!(adam.fits::<f64>().is_ok() && adam.fits::<f32>().is_err());
        }
    }
}
