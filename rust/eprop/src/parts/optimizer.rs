//! The optimizer at work: its rule, the learning rate of the moment, how many updates there have been, and how long their gradients were.

use alloc::vec::Vec;
use core::ops::Range;

use crate::Error;
use crate::Float;
use crate::kernels::{AdamStep, MomentumStep, ShrinkStep};
use crate::numbers::memory::vec_for;
use crate::numbers::step::Step;
use crate::numbers::walk::{Role, Walk, WalkMut, Walked};
use crate::options::Optimizer as Rule;

/// Of the peak of a gradient's length, what a step with a target leaves; of many steps, at least [`LEAST_LEFT`].
const LEFT_PER_STEP: f64 = 0.99;
const LEAST_LEFT: f64 = 0.9;
/// The same of a group's own, however many steps.
const LEFT_OF_GROUP: f64 = 0.999;
/// Of the mean square of a neuron's gradient, what an update leaves; what is added to its root.
const LEFT_OF_SQUARE: f64 = 0.999;
const EPS: f64 = 1e-8;

/// Turns gradients into steps. What it keeps for each weight lies with the weights.
#[derive(Clone, Debug)]
pub struct Optimizer {
    rule: Rule,
    groups: Vec<Group>,
    /// `|g|^2` of each group, of the update that is measured.
    squared_lengths: Vec<f64>,
    neurons: Neurons,
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
    /// Its place in the lists of [`Neurons`].
    neurons: Range<usize>,
    of_neurons: Population,
    /// `b2^t`: how much is left of the time before its first mean square.
    unseen: f64,
}

/// Neurons whose weights, of one group, have a scale each.
#[derive(Clone, Copy, Debug, Default)]
pub struct Population {
    pub(crate) neurons: usize,
    /// `P_G`: sources to each, without the bias.
    pub(crate) sources: usize,
    /// `sigma_G`: the standard deviation that their weights are drawn with.
    pub(crate) sigma: f64,
}

/// What a rule with a scale for each neuron keeps of all of them, one group after the other; empty under any other.
#[derive(Clone, Debug, Default)]
struct Neurons {
    /// `|g_j|^2` of the update that is measured.
    squared_lengths: Vec<f64>,
    /// The mean square of a neuron's gradient, times `1 - b2^t`.
    v: Vec<f64>,
    /// `D_j` of the update under way.
    scales: Vec<f64>,
}

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

/// The steps of one update.
#[derive(Clone, Copy, Debug)]
pub struct Steps<'a> {
    optimizer: &'a Optimizer,
    scale: f64,
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
            neurons: Neurons::default(),
            times,
            rounding: (16.0 * epsilon) * (16.0 * epsilon),
            of_one_step: (0.0, 0.0),
            clip_norm: None,
            w_max: f64::INFINITY,
            keeps_signs: false,
            updates: 0,
            peak: 0.0,
        };
        this.of_one_step = (this.left_after(1.0), times.share(1.0));
        Ok(this)
    }

    /// With what a rule that [scales neurons](Self::scales_neurons) keeps of those of each group.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub(crate) fn of_neurons(mut self, populations: &[Population]) -> Result<Self, Error> {
        if !self.scales_neurons() {
            return Ok(self);
        }
        let mut n = 0_usize;
        for (group, &of_neurons) in self.groups.iter_mut().zip(populations) {
            group.neurons = n..n + of_neurons.neurons;
            group.of_neurons = of_neurons;
            n = group.neurons.end;
        }
        let list = |number: f64| {
            let mut list = vec_for("an optimizer", n)?;
            list.resize(n, number);
            Ok::<_, Error>(list)
        };
        self.neurons = Neurons {
            squared_lengths: list(0.0)?,
            v: list(0.0)?,
            scales: list(1.0)?,
        };
        Ok(self)
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

    /// Whether no step of a group goes anywhere.
    pub(crate) fn stands_still(&self, group: usize) -> bool {
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

    /// What the limit allows.
    fn longest_step(&mut self, scale: f64, measure: impl FnOnce(&mut [f64]) -> Measure) -> f64 {
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
    fn measure_groups(&mut self, scale: f64, measure: impl FnOnce(&mut [f64]) -> Measure) {
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

    /// The lengths of neurons, and of groups their sums.
    fn measure_neurons(&mut self, measure: impl FnOnce(&mut [f64]) -> Measure) -> Measure {
        let measure = measure(&mut self.neurons.squared_lengths);
        for (group, of_group) in self.groups.iter().zip(&mut self.squared_lengths) {
            *of_group = self.neurons.squared_lengths[group.neurons.clone()]
                .iter()
                .sum();
        }
        measure
    }

    /// What so many steps leave of a peak, and their [`Times::share`].
    fn of_steps(&self, steps: f64) -> (f64, f64) {
        if steps == 1.0 {
            return self.of_one_step;
        }
        (self.left_after(steps), self.times.share(steps))
    }

    fn left_after(&self, steps: f64) -> f64 {
        match self.rule {
            Rule::Auto { .. } => libm::pow(LEFT_OF_GROUP, steps),
            _ => libm::pow(LEFT_PER_STEP, steps).max(LEAST_LEFT),
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

    /// What the step depends on of the number of updates, two optimizers differ in; other rules only tell it.
    fn of_updates(&self) -> Role {
        match self.rule {
            Rule::Adam { .. } | Rule::AdamW { .. } => Role::Counter,
            Rule::Sgd { .. } | Rule::Auto { .. } | Rule::Momentum { .. } => Role::Note,
        }
    }

    /// All parameters have taken the step.
    pub(crate) fn updated(&mut self) {
        self.updates = self.updates.saturating_add(1);
    }

    /// Bytes of all lists, of an optimizer of so many groups of weights, whose neurons are these.
    pub(crate) fn bytes(rule: Rule, n_groups: usize, populations: &[Population]) -> usize {
        let of_groups = n_groups * (size_of::<Group>() + size_of::<f64>());
        let neurons = match rule.scales_neurons() {
            true => populations
                .iter()
                .map(|population| population.neurons)
                .sum(),
            false => 0,
        };
        of_groups + 3 * neurons * size_of::<f64>()
    }

    /// Bytes of the lists of groups.
    pub(crate) fn heap(&self) -> usize {
        self.groups.capacity() * size_of::<Group>()
            + self.squared_lengths.capacity() * size_of::<f64>()
            + (self.neurons.squared_lengths.capacity() + self.neurons.scales.capacity())
                * size_of::<f64>()
    }

    fn loaded(&self) -> Result<(), Error> {
        let is_length = |length: f64| length >= 0.0 && length.is_finite();
        let is_share = |share: f64| (0.0..=1.0).contains(&share);
        let is_good = |group: &Group| {
            is_length(group.peak) && is_share(group.unrisen) && is_share(group.unseen)
        };
        if is_length(self.peak)
            && self.groups.iter().all(is_good)
            && self.neurons.v.iter().all(|&v| is_length(v))
        {
            return Ok(());
        }
        Err(Error::State {
            reason: "an optimizer with a length that is no length".into(),
        })
    }
}

impl Neurons {
    /// Takes the lengths of a group into its mean squares, multiplied with `scale`, and makes `D`. Returns `sum_j D_j |g_j|^2`, by lengths without `scale`.
    fn see(&mut self, group: &mut Group, scale: f64) -> f64 {
        let gain = (1.0 - LEFT_OF_SQUARE) * scale * scale / group.of_neurons.sources as f64;
        let at = group.neurons.clone();
        let of_neurons = self.v[at.clone()]
            .iter_mut()
            .zip(&self.squared_lengths[at.clone()]);
        of_neurons.for_each(|(v, length)| *v = (LEFT_OF_SQUARE * *v + gain * length).min(f64::MAX));
        group.unseen *= LEFT_OF_SQUARE;
        self.rescale(group);
        if scale == 0.0 {
            return 0.0;
        }
        let scales = self.scales[at.clone()].iter();
        let scaled = scales.zip(&self.squared_lengths[at]);
        scaled.map(|(scale, length)| scale * length).sum()
    }

    /// `D_j = sigma_G / (sqrt(v_j / (1 - b2^t)) + eps)`; 1 of a neuron that has had no gradient: there is nothing that it could be measured by.
    fn rescale(&mut self, group: &Group) {
        let (sigma, seen) = (group.of_neurons.sigma, 1.0 - group.unseen);
        let at = group.neurons.clone();
        for (scale, &v) in self.scales[at.clone()].iter_mut().zip(&self.v[at]) {
            *scale = match v > 0.0 {
                true => sigma / (libm::sqrt(v / seen) + EPS),
                false => 1.0,
            };
        }
    }
}

impl<'a> Steps<'a> {
    /// Whether a group is fixed: its learning rate is 0.
    pub(crate) fn rests(self, group: usize) -> bool {
        self.optimizer.stands_still(group)
    }

    /// The step of a group.
    pub(crate) fn of<F: Float>(self, group: usize) -> Step<'a, F> {
        let Self { optimizer, scale } = self;
        let eta = optimizer.eta(group);
        let bound = F::cast(optimizer.w_max);
        match optimizer.rule {
            Rule::Auto {
                weight_decay,
                per_neuron: true,
            } => Step::Scaled {
                step: ShrinkStep {
                    eta: F::cast(eta * scale),
                    shrink: F::cast(eta * weight_decay),
                    bound,
                },
                by: &optimizer.neurons.scales[optimizer.groups[group].neurons.clone()],
            },
            Rule::Sgd { weight_decay, .. } | Rule::Auto { weight_decay, .. }
                if weight_decay == 0.0 && !optimizer.bounds_weights() =>
            {
                Step::Descend {
                    eta: F::cast(eta * scale),
                }
            }
            Rule::Sgd { weight_decay, .. } | Rule::Auto { weight_decay, .. } => {
                Step::Shrink(ShrinkStep {
                    eta: F::cast(eta * scale),
                    shrink: F::cast(eta * weight_decay),
                    bound,
                })
            }
            Rule::Momentum {
                mu, weight_decay, ..
            } => Step::Momentum(MomentumStep {
                mu: F::cast(mu),
                eta: F::cast((1.0 - mu) * eta),
                decay: F::cast(weight_decay),
                scale: F::cast(scale),
                bound,
            }),
            Rule::Adam {
                beta1,
                beta2,
                eps,
                weight_decay,
            } => Step::Adam(AdamStep {
                decay: F::cast(weight_decay),
                ..self.adam(eta, (beta1, beta2, eps))
            }),
            Rule::AdamW {
                weight_decay,
                beta1,
                beta2,
                eps,
            } => Step::Adam(AdamStep {
                shrink: F::cast(eta * weight_decay),
                ..self.adam(eta, (beta1, beta2, eps))
            }),
        }
    }

    /// Without a decay of weights.
    fn adam<F: Float>(self, eta: f64, (beta1, beta2, eps): (f64, f64, f64)) -> AdamStep<F> {
        let t = self.optimizer.updates.saturating_add(1) as f64;
        let unbias = libm::sqrt(1.0 - libm::pow(beta2, t)) / (1.0 - libm::pow(beta1, t));
        AdamStep {
            beta1: F::cast(beta1),
            gain1: F::cast(1.0 - beta1),
            beta2: F::cast(beta2),
            gain2: F::cast(1.0 - beta2),
            eps: F::cast(eps),
            eta: F::cast(eta * unbias),
            decay: F::ZERO,
            shrink: F::ZERO,
            scale: F::cast(self.scale),
            bound: F::cast(self.optimizer.w_max),
        }
    }
}

impl Walked for Optimizer {
    fn walk<'a>(&'a self, _: &'static str, _: Role, to: &mut dyn Walk<'a>) {
        self.updates.walk("updates", self.of_updates(), to);
        match self.rule {
            Rule::Auto { .. } => {
                for group in &self.groups {
                    group.peak.walk("peak", Role::Mark, to);
                    group.unrisen.walk("unrisen", Role::Mark, to);
                }
                if self.scales_neurons() {
                    for group in &self.groups {
                        group.unseen.walk("unseen", Role::Mark, to);
                    }
                    self.neurons.v.walk("v", Role::Weight, to);
                }
            }
            rule if rule.is_limited() => self.peak.walk("peak", Role::Mark, to),
            _ => {}
        }
    }
    fn walk_mut(&mut self, _: &'static str, _: Role, to: &mut dyn WalkMut) -> Result<(), Error> {
        let role = self.of_updates();
        self.updates.walk_mut("updates", role, to)?;
        match self.rule {
            Rule::Auto { .. } => {
                for group in &mut self.groups {
                    group.peak.walk_mut("peak", Role::Mark, to)?;
                    group.unrisen.walk_mut("unrisen", Role::Mark, to)?;
                }
                if self.rule.scales_neurons() {
                    for group in &mut self.groups {
                        group.unseen.walk_mut("unseen", Role::Mark, to)?;
                    }
                    self.neurons.v.walk_mut("v", Role::Weight, to)?;
                }
            }
            rule if rule.is_limited() => self.peak.walk_mut("peak", Role::Mark, to)?,
            _ => {}
        }
        self.loaded()
    }
}

#[cfg(test)]
mod tests;
