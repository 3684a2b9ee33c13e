//! The optimizer at work: its rule, the learning rate of the moment, how many updates there have been, and how long their gradients were.

use crate::Error;
use crate::Float;
use crate::kernels::AdamStep;
use crate::numbers::parameter::Step;
use crate::numbers::walk::{Role, Walk, WalkMut, Walked};
use crate::options::Optimizer as Rule;

/// Of the peak of a gradient's length, what a step with a target leaves; of many steps, at least [`LEAST_LEFT`].
const LEFT_PER_STEP: f64 = 0.99;
const LEAST_LEFT: f64 = 0.9;

/// Turns gradients into steps. What it keeps for each weight lies with the weights.
#[derive(Clone, Debug)]
pub struct Optimizer {
    rule: Rule,
    lr: f64,
    /// `dt / (tau_out + tau_mem)`: how much of the answer to a change of weights a step sees.
    answer: f64,
    /// Updates so far: `t` of Adam.
    updates: u64,
    /// `d` of the limit.
    peak: f64,
}

/// What a gradient was made of, and how long it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measure {
    /// Its squared length, without the regulariser.
    pub(crate) squared_length: f64,
    /// The loss that it is of, summed as the gradient is.
    pub(crate) loss: f64,
    /// Steps with a target that it came from, of a stream; of all steps where none had a target.
    pub(crate) steps: f64,
    pub(crate) has_target: bool,
}

impl Optimizer {
    /// `answer`: `dt` over the time that a readout and a membrane take to answer.
    pub(crate) fn new(rule: Rule, lr: f64, answer: f64) -> Self {
        Self {
            rule,
            lr,
            answer,
            updates: 0,
            peak: 0.0,
        }
    }

    /// Descent by as much.
    #[cfg(test)]
    pub(crate) fn plain(lr: f64) -> Self {
        Self::new(Rule::PLAIN_SGD, lr, 1.0)
    }

    pub(crate) fn set_lr(&mut self, lr: f64) {
        self.lr = lr;
    }

    /// Whether no step goes anywhere.
    pub(crate) fn stands_still(&self) -> bool {
        self.lr == 0.0
    }

    /// Whether a step asks for a [`Measure`].
    pub(crate) fn is_limited(&self) -> bool {
        self.rule.is_limited()
    }

    /// The learning rate of the next step of descent, whose gradient is multiplied with `scale` first.
    pub(crate) fn eta(&mut self, scale: f64, measure: impl FnOnce() -> Measure) -> f64 {
        if !self.is_limited() {
            return self.lr;
        }
        let measure = measure();
        if measure.has_target && measure.loss > 0.0 {
            let length = scale * measure.squared_length / (2.0 * measure.loss);
            if length == f64::INFINITY {
                return 0.0;
            }
            let left = libm::pow(LEFT_PER_STEP, measure.steps).max(LEAST_LEFT);
            self.peak = length.max(left * self.peak);
        }
        // Readout and membrane answer a change of weights late: the shorter the time that a gradient has seen of it, the shorter the step.
        let x = -libm::expm1(-measure.steps * self.answer);
        let c = x / (1.0 + 3.0 * x);
        if self.peak > 0.0 {
            self.lr.min(c / self.peak)
        } else {
            self.lr
        }
    }

    /// The step of the next update, whose gradient is multiplied with `scale` first.
    pub(crate) fn step<F: Float>(
        &mut self,
        scale: f64,
        measure: impl FnOnce() -> Measure,
    ) -> Step<F> {
        match self.rule {
            Rule::Sgd { weight_decay, .. } if weight_decay == 0.0 => Step::Descend {
                eta: F::cast(self.eta(scale, measure) * scale),
            },
            _ => todo!(),
        }
    }

    /// All parameters have taken the step.
    pub(crate) fn updated(&mut self) {
        self.updates = self.updates.saturating_add(1);
    }

    fn loaded(&self) -> Result<(), Error> {
        if self.peak >= 0.0 && self.peak.is_finite() {
            return Ok(());
        }
        Err(Error::State {
            reason: "an optimizer with a length that is no length".into(),
        })
    }
}

impl Walked for Optimizer {
    fn walk<'a>(&'a self, _: &'static str, _: Role, to: &mut dyn Walk<'a>) {
        // Where a rule does not count, nothing depends on how many steps were taken at once.
        if !self.rule.is_linear() {
            self.updates.walk("updates", Role::Counter, to);
        }
        if self.is_limited() {
            self.peak.walk("peak", Role::Mark, to);
        }
    }
    fn walk_mut(&mut self, _: &'static str, _: Role, to: &mut dyn WalkMut) -> Result<(), Error> {
        if !self.rule.is_linear() {
            self.updates.walk_mut("updates", Role::Counter, to)?;
        }
        if self.is_limited() {
            self.peak.walk_mut("peak", Role::Mark, to)?;
        }
        self.loaded()
    }
}

#[cfg(test)]
mod tests {
    use super::{Measure, Optimizer, Rule};
    use crate::numbers::parameter::Step;
    use crate::numbers::walk;
    use crate::testing::{in_both, near};

    const ADAM: Rule = Rule::Adam {
        beta1: 0.75,
        beta2: 0.9375,
        eps: 0.125,
        weight_decay: 0.0,
    };

    in_both! {
        fn descent_takes_the_learning_rate_of_the_moment_times_the_scale<F>() {
            let mut optimizer = Optimizer::new(Rule::PLAIN_SGD, 0.5, 1.0);
            let eta = |optimizer: &mut Optimizer, scale| optimizer.step::<F>(scale, || unreachable!()).linear().unwrap();
            assert_eq!(eta(&mut optimizer, 1.0), F::cast(0.5));
            assert_eq!(eta(&mut optimizer, 0.25), F::cast(0.125));
            optimizer.updated();
            optimizer.set_lr(2.0);
            assert_eq!(eta(&mut optimizer, 1.0), F::cast(2.0));
        }
    }

    const ANSWER: f64 = 0.025;

    fn limited(lr: f64) -> Optimizer {
        Optimizer::new(Rule::SGD, lr, ANSWER)
    }

    fn measure(squared_length: f64, loss: f64, steps: f64) -> Measure {
        Measure {
            squared_length,
            loss,
            steps,
            has_target: true,
        }
    }

    /// How much of the way to a loss of 0 a step may go.
    fn c(steps: f64) -> f64 {
        let x = 1.0 - libm::exp(-ANSWER * steps);
        x / (1.0 + 3.0 * x)
    }

    #[test]
    fn a_limited_step_is_a_polyak_step_at_most() {
        let mut optimizer = limited(0.5);
        // |g|^2 / 2 E = 10.
        let eta = optimizer.eta(1.0, || measure(40.0, 2.0, 1.0));
        assert!((eta - c(1.0) / 10.0).abs() < 1e-15);
        // A gradient so short that lr is the shorter step.
        let eta = limited(0.5).eta(1.0, || measure(0.01, 2.0, 1.0));
        assert_eq!(eta, 0.5);
        // The mean of 8 steps: both are divided by 8.
        let eta = limited(0.5).eta(0.125, || measure(40.0 * 64.0, 2.0 * 8.0, 8.0));
        assert!((eta - c(8.0) / 10.0).abs() < 1e-15);
    }

    #[test]
    fn the_longest_gradient_is_held_and_forgotten_step_by_step() {
        let mut optimizer = limited(0.5);
        optimizer.eta(1.0, || measure(40.0, 2.0, 1.0));
        let eta = optimizer.eta(1.0, || measure(4.0, 2.0, 3.0));
        let left = libm::pow(0.99, 3.0);
        assert!((eta - c(3.0) / (left * 10.0)).abs() < 1e-15);
        // However many steps, a tenth at most.
        let eta = optimizer.eta(1.0, || measure(4.0, 2.0, 1e6));
        assert!((eta - c(1e6) / (0.9 * left * 10.0)).abs() < 1e-15);
        // A longer one takes its place.
        let eta = optimizer.eta(1.0, || measure(400.0, 2.0, 1.0));
        assert!((eta - c(1.0) / 100.0).abs() < 1e-15);
    }

    #[test]
    fn without_a_target_or_a_loss_the_length_stands_still() {
        let nothing = Measure {
            has_target: false,
            ..measure(0.0, 0.0, 1.0)
        };
        assert_eq!(limited(0.5).eta(1.0, || nothing), 0.5);
        let mut optimizer = limited(0.5);
        optimizer.eta(1.0, || measure(40.0, 2.0, 1.0));
        for measure in [nothing, measure(0.0, 0.0, 1.0), measure(1e-30, 0.0, 1.0)] {
            let eta = optimizer.eta(1.0, || measure);
            assert!((eta - c(1.0) / 10.0).abs() < 1e-15);
        }
    }

    #[test]
    fn a_gradient_of_no_length_that_a_number_holds_moves_nothing_and_is_forgotten() {
        let mut optimizer = limited(0.5);
        assert_eq!(optimizer.eta(1.0, || measure(f64::INFINITY, 2.0, 1.0)), 0.0);
        assert_eq!(optimizer.eta(1.0, || measure(0.01, 2.0, 1.0)), 0.5);
    }

    #[test]
    fn a_limited_rule_saves_its_length_and_refuses_one_that_is_none() {
        let mut optimizer = limited(0.5);
        optimizer.eta(1.0, || measure(40.0, 2.0, 1.0));
        let saved = walk::save(&optimizer).unwrap();
        let mut other = limited(0.5);
        walk::load(&mut other, &saved).unwrap();
        assert_eq!(other.peak, 10.0);
        for peak in [f64::NAN, f64::INFINITY, -1.0] {
            let wrong = Optimizer {
                peak,
                ..limited(0.5)
            };
            assert!(walk::load(&mut other, &walk::save(&wrong).unwrap()).is_err());
        }
    }

    in_both! {
        fn adam_counts_its_updates_from_one<F>() {
            let mut optimizer = Optimizer::new(ADAM, 0.5, 1.0);
            for (b1_to_t, b2_to_t) in [(0.75, 0.9375), (0.5625, 0.87890625), (0.421875, 0.823974609375)] {
                let Step::Adam(step) = optimizer.step::<F>(3.0, || unreachable!()) else { panic!("not a step of Adam") };
                let eta = 0.5 * libm::sqrt(1.0 - b2_to_t) / (1.0 - b1_to_t);
                let got = [step.beta1, step.gain1, step.beta2, step.gain2, step.eps, step.eta, step.scale];
                near("step", &got, &[0.75, 0.25, 0.9375, 0.0625, 0.125, eta, 3.0]);
                assert!(optimizer.step::<F>(3.0, || unreachable!()).linear().is_none());
                optimizer.updated();
            }
        }
    }

    #[test]
    fn only_a_rule_that_counts_saves_its_count() {
        let updated = |rule, updates| {
            let mut optimizer = Optimizer::new(rule, 0.5, 1.0);
            (0..updates).for_each(|_| optimizer.updated());
            optimizer
        };
        assert!(walk::save(&updated(Rule::PLAIN_SGD, 3)).unwrap().is_empty());
        walk::load(&mut updated(Rule::PLAIN_SGD, 1), &[]).unwrap();
        let saved = walk::save(&updated(ADAM, 3)).unwrap();
        let mut other = updated(ADAM, 0);
        walk::load(&mut other, &saved).unwrap();
        assert_eq!(other.updates, 3);
        assert!(!walk::same(&updated(ADAM, 3), &updated(ADAM, 4)));
        assert!(walk::same(
            &updated(Rule::PLAIN_SGD, 3),
            &updated(Rule::PLAIN_SGD, 4)
        ));
    }
}
