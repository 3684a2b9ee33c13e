//! The optimizer at work: its rule, the learning rate of the moment, and how many updates there have been.

use crate::Error;
use crate::Float;
use crate::kernels::AdamStep;
use crate::numbers::parameter::Step;
use crate::numbers::walk::{Role, Walk, WalkMut, Walked};
use crate::options::Optimizer as Rule;

/// Turns gradients into steps. What it keeps for each weight lies with the weights.
#[derive(Clone, Debug)]
pub(crate) struct Optimizer {
    rule: Rule,
    lr: f64,
    /// Updates so far: `t` of Adam.
    updates: u64,
}

impl Optimizer {
    pub(crate) fn new(rule: Rule, lr: f64) -> Self {
        Self {
            rule,
            lr,
            updates: 0,
        }
    }

    pub(crate) fn set_lr(&mut self, lr: f64) {
        self.lr = lr;
    }

    /// The step of the next update, whose gradient is multiplied with `scale` first.
    pub(crate) fn step<F: Float>(&self, scale: f64) -> Step<F> {
        match self.rule {
            Rule::Sgd => Step::Descend {
                eta: F::cast(self.lr * scale),
            },
            Rule::Adam { beta1, beta2, eps } => {
                let t = self.updates.saturating_add(1) as f64;
                let unbias = libm::sqrt(1.0 - libm::pow(beta2, t)) / (1.0 - libm::pow(beta1, t));
                Step::Adam(AdamStep {
                    beta1: F::cast(beta1),
                    gain1: F::cast(1.0 - beta1),
                    beta2: F::cast(beta2),
                    gain2: F::cast(1.0 - beta2),
                    eps: F::cast(eps),
                    eta: F::cast(self.lr * unbias),
                    scale: F::cast(scale),
                })
            }
        }
    }

    /// All parameters have taken the step.
    pub(crate) fn updated(&mut self) {
        self.updates = self.updates.saturating_add(1);
    }
}

impl Walked for Optimizer {
    fn walk<'a>(&'a self, _: &'static str, _: Role, to: &mut dyn Walk<'a>) {
        // Where a rule does not count, nothing depends on how many steps were taken at once.
        if !self.rule.is_linear() {
            self.updates.walk("updates", Role::Mark, to);
        }
    }
    fn walk_mut(&mut self, _: &'static str, _: Role, to: &mut dyn WalkMut) -> Result<(), Error> {
        if self.rule.is_linear() {
            return Ok(());
        }
        self.updates.walk_mut("updates", Role::Mark, to)
    }
}
