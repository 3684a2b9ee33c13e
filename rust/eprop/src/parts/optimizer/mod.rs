//! The optimizer at work: its rule, the learning rate of the moment, how many updates there have been, and how long their gradients were.

mod limits;
mod neurons;
mod state;
mod steps;

use alloc::vec::Vec;
use core::ops::Range;

use crate::Error;
use crate::numbers::memory::vec_for;
use crate::options::Optimizer as Rule;
pub use limits::{Measure, Times};
use neurons::NeuronScales;
pub use neurons::Population;
pub use steps::Steps;

/// Turns gradients into steps. What it keeps for each weight lies with the weights.
#[derive(Clone, Debug)]
pub struct Optimizer {
    rule: Rule,
    groups: Vec<Group>,
    /// `|g|^2` of each group, of the update that is measured.
    squared_lengths: Vec<f64>,
    neurons: NeuronScales,
    times: Times,
    /// The squared length of a gradient that is all rounding, where that of another group is 1.
    rounding: f64,
    /// Of an update of one step: what it leaves of a peak, and its [`Times::share`].
    of_one_step: (f64, f64),
    clip_norm: Option<f64>,
    /// Infinite without a bound.
    w_max: f64,
    /// Whether weights keep the signs of their sources: then a step is more than a multiple of the gradient.
    keeps_signs: bool,
    /// Updates so far: `t` of Adam.
    updates: u64,
    /// `d` of the limit.
    peak: f64,
}

/// Weights that have a step of their own.
#[derive(Clone, Debug)]
struct Group {
    lr: f64,
    /// Its part of a step of `auto`.
    share: f64,
    /// `d` of the group.
    peak: f64,
    /// `max(alpha, kappa, sigma)^n`: how much is left of the time before its first gradient.
    unrisen: f64,
    /// The learning rate of the update under way.
    eta: f64,
    /// Its place in the lists of [`NeuronScales`].
    neurons: Range<usize>,
    of_neurons: Population,
    /// `b2^t`: how much is left of the time before its first mean square.
    unseen: f64,
}

impl Optimizer {
    /// `rates`: the learning rate of each group, the last of which is the output; `epsilon`: that of the numbers of the gradients.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub(crate) fn new(
        rule: Rule,
        rates: impl ExactSizeIterator<Item = f64>,
        times: Times,
        epsilon: f64,
    ) -> Result<Self, Error> {
        let below = rates.len().saturating_sub(1);
        let mut groups = vec_for("an optimizer", rates.len())?;
        let mut squared_lengths = vec_for("an optimizer", rates.len())?;
        for (at, lr) in rates.enumerate() {
            groups.push(Group {
                lr,
                share: match at < below {
                    true => 0.5 / below as f64,
                    false => 0.5,
                },
                peak: 0.0,
                unrisen: 1.0,
                eta: lr,
                neurons: 0..0,
                of_neurons: Population::default(),
                unseen: 1.0,
            });
            squared_lengths.push(0.0);
        }
        let mut this = Self {
            rule,
            groups,
            squared_lengths,
            neurons: NeuronScales::default(),
            times,
            rounding: (16.0 * epsilon) * (16.0 * epsilon),
            of_one_step: (0.0, 0.0),
            clip_norm: None,
            w_max: f64::INFINITY,
            keeps_signs: false,
            updates: 0,
            peak: 0.0,
        };
        this.of_one_step = this.work_out(1.0);
        Ok(this)
    }

    /// With a largest length of a gradient, a largest weight, and weights that keep their signs or do not.
    pub(crate) fn bounded(
        self,
        clip_norm: Option<f64>,
        w_max: Option<f64>,
        keeps_signs: bool,
    ) -> Self {
        Self {
            clip_norm,
            w_max: w_max.unwrap_or(f64::INFINITY),
            keeps_signs,
            ..self
        }
    }

    /// With one rate for more groups than any test has.
    #[cfg(test)]
    pub(crate) fn with(rule: Rule, lr: f64) -> Self {
        let times = Times {
            answer: 1.0,
            slowest: 0.5,
        };
        Self::new(rule, [lr; 8].into_iter(), times, f64::EPSILON).unwrap()
    }

    /// Descent by as much.
    #[cfg(test)]
    pub(crate) fn plain(lr: f64) -> Self {
        Self::with(Rule::PLAIN_SGD, lr)
    }

    /// The steps of an update that measures nothing.
    #[cfg(test)]
    pub(crate) fn steps(&mut self) -> Steps<'_> {
        self.step(1.0, |_| unreachable!())
    }

    pub(crate) fn set_lr(&mut self, group: usize, lr: f64) {
        self.groups[group].lr = lr;
    }

    /// Whether the weights of a group are fixed: their learning rate is 0.
    pub(crate) fn is_fixed(&self, group: usize) -> bool {
        self.groups[group].lr == 0.0
    }

    /// Whether a step asks for a [`Measure`].
    pub(crate) fn is_limited(&self) -> bool {
        self.rule.is_limited()
    }

    /// Whether it measures the gradient of each neuron, which gives the neuron's weights a scale of their own.
    pub(crate) fn scales_neurons(&self) -> bool {
        self.rule.scales_neurons()
    }

    /// Whether a step takes a multiple of the weights off them, too.
    pub(crate) fn decays(&self) -> bool {
        self.rule.decays()
    }

    /// Whether a step moves weights whose gradient is 0, too.
    pub(crate) fn moves_on(&self) -> bool {
        self.rule.decays() || self.rule.n_moments() > 0
    }

    /// What the update under way leaves of the weights of a group, where its step is a multiple of gradient and weights.
    pub(crate) fn keep(&self, group: usize) -> f64 {
        1.0 - self.eta(group) * self.rule.weight_decay()
    }

    /// The learning rate of a group in the update under way.
    pub(crate) fn eta(&self, group: usize) -> f64 {
        self.groups[group].eta
    }

    /// Whether weights stay within a bound, or on one side of 0.
    fn bounds_weights(&self) -> bool {
        self.w_max.is_finite() || self.keeps_signs
    }

    /// What no weight goes beyond; infinite without a bound.
    pub(crate) fn w_max(&self) -> f64 {
        self.w_max
    }

    /// Begins an update, whose gradient is multiplied with `scale` first: the steps of all groups. `measure` writes down the squared length of the
    /// gradient of each group, without the regulariser; of an optimizer that [scales neurons](Self::scales_neurons) that of each neuron, one group after
    /// the other.
    pub(crate) fn step(
        &mut self,
        scale: f64,
        measure: impl FnOnce(&mut [f64]) -> Measure,
    ) -> Steps<'_> {
        match self.rule {
            Rule::Auto { .. } => self.measure_groups(scale, measure),
            rule => {
                let longest = match rule.is_limited() {
                    true => self.longest_step(scale, measure),
                    false => f64::INFINITY,
                };
                for group in &mut self.groups {
                    group.eta = group.lr.min(longest);
                }
            }
        }
        Steps {
            optimizer: self,
            scale,
        }
    }

    /// Whether the length of a gradient has a largest value, for which all of it is measured.
    pub(crate) fn clips(&self) -> bool {
        self.clip_norm.is_some()
    }

    /// The squared length of a gradient, of which `measure` writes down those of the groups.
    ///
    /// # Errors
    /// Those of `measure`.
    pub(crate) fn measured(
        &mut self,
        measure: impl FnOnce(&mut [f64]) -> Result<(), Error>,
    ) -> Result<f64, Error> {
        measure(&mut self.squared_lengths)?;
        Ok(self.squared_lengths.iter().sum())
    }

    /// The steps of the update that has begun, with a gradient that is scaled down to the largest length that it may have. `squared_length`: that of the gradient
    /// with the regulariser, of an optimizer that [`clips`](Self::clips).
    pub(crate) fn clipped(&self, scale: f64, squared_length: f64) -> Steps<'_> {
        let mut scale = scale;
        if let Some(longest) = self.clip_norm {
            let length = scale * libm::sqrt(squared_length);
            if length > longest {
                scale *= longest / length;
            }
        }
        Steps {
            optimizer: self,
            scale,
        }
    }

    /// How many updates there have been.
    pub(crate) fn n_updates(&self) -> u64 {
        self.updates
    }

    /// All parameters have taken the step.
    pub(crate) fn updated(&mut self) {
        self.updates = self.updates.saturating_add(1);
    }
}

#[cfg(test)]
mod tests;
