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
            self.updates.walk("updates", Role::Counter, to);
        }
    }
    fn walk_mut(&mut self, _: &'static str, _: Role, to: &mut dyn WalkMut) -> Result<(), Error> {
        if self.rule.is_linear() {
            return Ok(());
        }
        self.updates.walk_mut("updates", Role::Counter, to)
    }
}

#[cfg(test)]
mod tests {
    use super::{Optimizer, Rule};
    use crate::numbers::parameter::Step;
    use crate::numbers::walk;
    use crate::testing::{in_both, near};

    const ADAM: Rule = Rule::Adam {
        beta1: 0.75,
        beta2: 0.9375,
        eps: 0.125,
    };

    in_both! {
        fn descent_takes_the_learning_rate_of_the_moment_times_the_scale<F>() {
            let mut optimizer = Optimizer::new(Rule::Sgd, 0.5);
            let eta = |optimizer: &Optimizer, scale| optimizer.step::<F>(scale).linear().unwrap();
            assert_eq!(eta(&optimizer, 1.0), F::cast(0.5));
            assert_eq!(eta(&optimizer, 0.25), F::cast(0.125));
            optimizer.updated();
            optimizer.set_lr(2.0);
            assert_eq!(eta(&optimizer, 1.0), F::cast(2.0));
        }
    }

    in_both! {
        fn adam_counts_its_updates_from_one<F>() {
            let mut optimizer = Optimizer::new(ADAM, 0.5);
            for (b1_to_t, b2_to_t) in [(0.75, 0.9375), (0.5625, 0.87890625), (0.421875, 0.823974609375)] {
                let Step::Adam(step) = optimizer.step::<F>(3.0) else { panic!("not a step of Adam") };
                let eta = 0.5 * libm::sqrt(1.0 - b2_to_t) / (1.0 - b1_to_t);
                let got = [step.beta1, step.gain1, step.beta2, step.gain2, step.eps, step.eta, step.scale];
                near("step", &got, &[0.75, 0.25, 0.9375, 0.0625, 0.125, eta, 3.0]);
                assert!(optimizer.step::<F>(3.0).linear().is_none());
                optimizer.updated();
            }
        }
    }

    #[test]
    fn only_a_rule_that_counts_saves_its_count() {
        let updated = |rule, updates| {
            let mut optimizer = Optimizer::new(rule, 0.5);
            (0..updates).for_each(|_| optimizer.updated());
            optimizer
        };
        assert!(walk::save(&updated(Rule::Sgd, 3)).unwrap().is_empty());
        walk::load(&mut updated(Rule::Sgd, 1), &[]).unwrap();
        let saved = walk::save(&updated(ADAM, 3)).unwrap();
        let mut other = updated(ADAM, 0);
        walk::load(&mut other, &saved).unwrap();
        assert_eq!(other.updates, 3);
        assert!(!walk::same(&updated(ADAM, 3), &updated(ADAM, 4)));
        assert!(walk::same(&updated(Rule::Sgd, 3), &updated(Rule::Sgd, 4)));
    }
}
