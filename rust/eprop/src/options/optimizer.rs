//! How a gradient becomes a step of the weights, as a user chooses it.

use super::choice::choice;
use super::config::positive;
use crate::Error;

/// The rule that turns the gradient of an update into new weights.
///
/// ```
/// use eprop::{Config, EpropTrainer, Optimizer, UpdateEvery};
/// let config = Config { optimizer: Optimizer::ADAM, lr: 0.001, update_every: UpdateEvery::Sequence, ..Config::default() };
/// let trainer = EpropTrainer::<f32>::new(3, 8, 2, config)?;
/// assert_eq!(trainer.config().optimizer.name(), "adam");
/// # Ok::<(), eprop::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Optimizer {
    /// Plain stochastic gradient descent, `W -= lr g`.
    Sgd,
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
    },
}

impl Optimizer {
    /// Adam with its usual constants: 0.9, 0.999, 1e-8. Example: [`Optimizer`].
    pub const ADAM: Self = Self::Adam {
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
    };

    /// The name that the Python face uses. Example: [`Optimizer`].
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sgd => "sgd",
            Self::Adam { .. } => "adam",
        }
    }

    /// The learning rate that the Python face takes where none is given.
    ///
    /// ```
    /// use eprop::Optimizer;
    /// assert_eq!((Optimizer::Sgd.default_lr(), Optimizer::ADAM.default_lr()), (0.01, 0.001));
    /// ```
    pub fn default_lr(&self) -> f64 {
        match self {
            Self::Sgd => 0.01,
            Self::Adam { .. } => 0.001,
        }
    }

    /// Whether a step is a multiple of the gradient, so that it may be taken in factors.
    pub(crate) fn is_linear(&self) -> bool {
        match self {
            Self::Sgd => true,
            Self::Adam { .. } => false,
        }
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        match *self {
            Self::Sgd => Ok(()),
            Self::Adam { beta1, beta2, eps } => {
                decay("optimizer.beta1", beta1)?;
                decay("optimizer.beta2", beta2)?;
                positive("optimizer.eps", eps)
            }
        }
    }
}

fn decay(argument: &'static str, value: f64) -> Result<(), Error> {
    if (0.0..1.0).contains(&value) {
        return Ok(());
    }
    Err(Error::value(
        argument,
        "a number of at least 0 and below 1",
        value,
    ))
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
