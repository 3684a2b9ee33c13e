//! What of an optimizer is saved and compared, and how much memory it takes.

use super::{Group, Optimizer, Population, Rule};
use crate::Error;
use crate::numbers::walk::{Role, Walk, WalkMut, Walked};

impl Optimizer {
    /// What the step depends on of the number of updates, two optimizers differ in; other rules only tell it.
    fn of_updates(&self) -> Role {
        match self.rule {
            Rule::Adam { .. } | Rule::AdamW { .. } => Role::Counter,
            Rule::Sgd { .. } | Rule::Auto { .. } | Rule::Momentum { .. } => Role::Note,
        }
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
