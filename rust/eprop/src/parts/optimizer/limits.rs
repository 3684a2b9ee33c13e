//! How long a step may be, by how long gradients have been.

use super::{Optimizer, Rule};

/// Of the peak of a gradient's length, what a step with a target leaves; of many steps, at least [`LEAST_LEFT`].
const LEFT_PER_STEP: f64 = 0.99;
const LEAST_LEFT: f64 = 0.9;
/// The same of a group's own, however many steps.
const LEFT_OF_GROUP: f64 = 0.999;

/// How fast a network answers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// `dt / (tau_out + tau_mem + tau_syn)`: how much of the answer to a change of weights a step sees.
    pub(crate) answer: f64,
    /// `max(alpha, kappa, sigma)`
    pub(crate) slowest: f64,
}

impl Times {
    /// `c`. Readout and membrane answer a change of weights late: the shorter the time that a gradient has seen of it, the shorter the step.
    fn share(self, steps: f64) -> f64 {
        let x = -libm::expm1(-steps * self.answer);
        x / (1.0 + 3.0 * x)
    }
}

/// What a gradient was made of; how long it is, each group tells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measure {
    /// The loss that it is of, summed as the gradient is.
    pub(crate) loss: f64,
    /// Steps with a target that it came from, of a stream; of all steps where none had a target.
    pub(crate) steps: f64,
    pub(crate) has_target: bool,
}

impl Measure {
    fn has_length(&self) -> bool {
        self.has_target && self.loss > 0.0
    }

    /// Of a step without a target.
    pub(crate) fn of_nothing() -> Self {
        Self {
            loss: 0.0,
            steps: 1.0,
            has_target: false,
        }
    }
}

impl Optimizer {
    /// What the limit allows.
    pub(super) fn longest_step(
        &mut self,
        scale: f64,
        measure: impl FnOnce(&mut [f64]) -> Measure,
    ) -> f64 {
        let measure = measure(&mut self.squared_lengths);
        let (left, share) = self.of_steps(measure.steps);
        if measure.has_length() {
            let squared_length: f64 = self.squared_lengths.iter().sum();
            let length = scale * squared_length / (2.0 * measure.loss);
            if length == f64::INFINITY {
                return 0.0;
            }
            self.peak = length.max(left * self.peak);
        }
        if self.peak > 0.0 {
            share / self.peak
        } else {
            f64::INFINITY
        }
    }

    /// `auto`: each group has a length of its own, and rises slowly at first, when traces are short.
    pub(super) fn measure_groups(
        &mut self,
        scale: f64,
        measure: impl FnOnce(&mut [f64]) -> Measure,
    ) {
        let measure = match self.scales_neurons() {
            true => self.measure_neurons(measure),
            false => measure(&mut self.squared_lengths),
        };
        let (left, share) = self.of_steps(measure.steps);
        let per_loss = scale / (2.0 * measure.loss);
        let finite = self.squared_lengths.iter().filter(|of| of.is_finite());
        let longest = finite.copied().fold(0.0, f64::max);
        for (group, &squared_length) in self.groups.iter_mut().zip(&self.squared_lengths) {
            if measure.has_length() {
                // What should be 0 may be the last bits of a difference, and divided by itself it would be a step of any length.
                let mut length = match squared_length > self.rounding * longest {
                    true => squared_length * per_loss,
                    false => 0.0,
                };
                if !group.neurons.is_empty() && squared_length.is_finite() {
                    let seen = if length > 0.0 { scale } else { 0.0 };
                    length = per_loss * self.neurons.see(group, seen);
                }
                if length == f64::INFINITY {
                    group.eta = 0.0;
                    continue;
                }
                group.peak = length.max(left * group.peak);
                if length > 0.0 {
                    group.unrisen *= match measure.steps == 1.0 {
                        true => self.times.slowest,
                        false => libm::pow(self.times.slowest, measure.steps),
                    };
                }
            }
            let risen = 1.0 - group.unrisen;
            group.eta = if group.peak > 0.0 {
                group.lr * share * group.share * (risen * risen) / group.peak
            } else {
                0.0
            };
            self.neurons.rescale(group);
        }
    }

    /// What so many steps leave of a peak, and their [`Times::share`].
    fn of_steps(&self, steps: f64) -> (f64, f64) {
        if steps == 1.0 {
            return self.of_one_step;
        }
        self.work_out(steps)
    }

    pub(super) fn work_out(&self, steps: f64) -> (f64, f64) {
        (self.left_after(steps), self.times.share(steps))
    }

    fn left_after(&self, steps: f64) -> f64 {
        match self.rule {
            Rule::Auto { .. } => libm::pow(LEFT_OF_GROUP, steps),
            _ => libm::pow(LEFT_PER_STEP, steps).max(LEAST_LEFT),
        }
    }
}
