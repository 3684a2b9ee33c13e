//! How a gradient becomes a step of the weights, as a user chooses it.

use super::choice::choice;
use super::domain::positive;
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
    /// Stochastic gradient descent, `W -= eta g`.
    Sgd {
        /// Whether `lr` is only the largest step: with the limit, `eta = min(lr, c / d)`, no step is longer than a part `c` of the one that
        /// would take a loss that is linear in the weights to 0 (a stochastic Polyak step: Loizou et al. 2021; docs/method.md, "Steps that do
        /// not overshoot"). Its length `d` is held near its recent peak, and belongs to the optimizer: `reset` keeps it. Without it, `eta = lr`.
        limit: bool,
    },
    /// Descent whose steps need no rate to be chosen: each group of weights (`W_in`; `W_rec`; `W_out` with `b`; the layers of a stack) takes a step from its
    /// own length, `eta_G = lr c share_G (1 - max(alpha, kappa)^n_G)^2 / d_G` (docs/method.md, "Steps of groups"). `lr` has no unit; at most 3. The lengths
    /// belong to the optimizer: `reset` keeps them.
    Auto,
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
    /// Descent whose steps do not overshoot: the default. Example: [`Optimizer`].
    pub const SGD: Self = Self::Sgd { limit: true };
    /// Plain descent, `W -= lr g`. Example: [`Optimizer`].
    pub const PLAIN_SGD: Self = Self::Sgd { limit: false };
    /// Adam with its usual constants: 0.9, 0.999, 1e-8. Example: [`Optimizer`].
    pub const ADAM: Self = Self::Adam {
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
    };

    /// The name that the Python face uses. Example: [`Optimizer`].
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sgd { .. } => "sgd",
            Self::Auto => "auto",
            Self::Adam { .. } => "adam",
        }
    }

    /// The learning rate that the Python face takes where none is given.
    ///
    /// ```
    /// use eprop::Optimizer;
    /// assert_eq!((Optimizer::SGD.default_lr(), Optimizer::ADAM.default_lr()), (0.01, 0.001));
    /// ```
    pub fn default_lr(&self) -> f64 {
        match self {
            Self::Sgd { .. } => 0.01,
            Self::Auto => 0.5,
            Self::Adam { .. } => 0.001,
        }
    }

    /// Whether a step is a multiple of the gradient, so that it may be taken in factors.
    pub(crate) fn is_linear(&self) -> bool {
        match self {
            Self::Sgd { .. } | Self::Auto => true,
            Self::Adam { .. } => false,
        }
    }

    /// Whether each group of weights takes steps from its own length.
    pub(crate) fn is_grouped(&self) -> bool {
        matches!(self, Self::Auto)
    }

    /// Whether a step needs to know how long the gradient is, and of what loss.
    ///
    /// ```
    /// use eprop::Optimizer;
    /// assert!(Optimizer::SGD.is_limited() && !Optimizer::PLAIN_SGD.is_limited());
    /// ```
    pub fn is_limited(&self) -> bool {
        match *self {
            Self::Sgd { limit } => limit,
            Self::Auto => true,
            Self::Adam { .. } => false,
        }
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        match *self {
            Self::Sgd { .. } | Self::Auto => Ok(()),
            Self::Adam { beta1, beta2, eps } => {
                decay("optimizer.beta1", beta1)?;
                decay("optimizer.beta2", beta2)?;
                positive("optimizer.eps", eps)
            }
        }
    }
}

/// The largest learning rate of [`Optimizer::Auto`]: beyond it steps overshoot.
const MOST_OF_AUTO: f64 = 3.0;

impl Optimizer {
    /// Whether it can work with a learning rate, which is at least 0.
    pub(crate) fn accepts(&self, argument: &'static str, lr: f64) -> Result<(), Error> {
        if matches!(self, Self::Auto) && lr > MOST_OF_AUTO {
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

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::Optimizer;

    #[test]
    fn each_rule_has_its_name_and_its_usual_learning_rate() {
        let adam = Optimizer::Adam {
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
        };
        assert_eq!(Optimizer::ADAM, adam);
        assert_eq!((Optimizer::SGD.name(), adam.name()), ("sgd", "adam"));
        assert_eq!(
            (Optimizer::PLAIN_SGD.default_lr(), adam.default_lr()),
            (0.01, 0.001)
        );
    }

    #[test]
    fn only_steps_that_are_multiples_of_the_gradient_are_linear() {
        assert!(Optimizer::SGD.is_linear() && Optimizer::PLAIN_SGD.is_linear());
        assert!(!Optimizer::ADAM.is_linear());
        let limited = [Optimizer::SGD, Optimizer::PLAIN_SGD, Optimizer::ADAM];
        assert_eq!(limited.map(|rule| rule.is_limited()), [true, false, false]);
        let auto = Optimizer::Auto;
        assert!(auto.is_linear() && auto.is_limited() && auto.is_grouped());
    }

    #[test]
    fn a_rate_without_a_unit_has_an_end() {
        assert_eq!(
            (Optimizer::Auto.name(), Optimizer::Auto.default_lr()),
            ("auto", 0.5)
        );
        Optimizer::Auto.accepts("lr", 3.0).unwrap();
        Optimizer::SGD.accepts("lr", 4.0).unwrap();
        let error = Optimizer::Auto
            .accepts("lr_in", 3.5)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("lr_in: expected at most 3"), "{error}");
    }

    #[test]
    fn constants_of_adam_have_their_domains() {
        let with = |beta1, beta2, eps| Optimizer::Adam { beta1, beta2, eps }.validate();
        Optimizer::SGD.validate().unwrap();
        Optimizer::ADAM.validate().unwrap();
        with(0.0, 0.0, 1e-30).unwrap();
        for bad in [-0.1, 1.0, f64::NAN, f64::INFINITY] {
            let error = with(bad, 0.5, 1.0).unwrap_err().to_string();
            assert!(error.starts_with("optimizer.beta1: "), "{error}");
            let error = with(0.5, bad, 1.0).unwrap_err().to_string();
            assert!(error.starts_with("optimizer.beta2: "), "{error}");
        }
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let error = with(0.5, 0.5, bad).unwrap_err().to_string();
            assert!(error.starts_with("optimizer.eps: "), "{error}");
        }
    }
}
