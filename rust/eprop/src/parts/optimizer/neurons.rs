//! A scale for each neuron, by the mean square of its gradient.

use alloc::vec::Vec;

use super::{Group, Measure, Optimizer};
use crate::Error;
use crate::numbers::memory::vec_for;

/// Of the mean square of a neuron's gradient, what an update leaves; what is added to its root.
const LEFT_OF_SQUARE: f64 = 0.999;
const EPS: f64 = 1e-8;

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
pub(super) struct NeuronScales {
    /// `|g_j|^2` of the update that is measured.
    pub(super) squared_lengths: Vec<f64>,
    /// The mean square of a neuron's gradient, times `1 - b2^t`.
    pub(super) v: Vec<f64>,
    /// `D_j` of the update under way.
    pub(super) scales: Vec<f64>,
}

impl Optimizer {
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
        self.neurons = NeuronScales {
            squared_lengths: list(0.0)?,
            v: list(0.0)?,
            scales: list(1.0)?,
        };
        Ok(self)
    }

    /// The lengths of neurons, and of groups their sums.
    pub(super) fn measure_neurons(
        &mut self,
        measure: impl FnOnce(&mut [f64]) -> Measure,
    ) -> Measure {
        let measure = measure(&mut self.neurons.squared_lengths);
        for (group, of_group) in self.groups.iter().zip(&mut self.squared_lengths) {
            *of_group = self.neurons.squared_lengths[group.neurons.clone()]
                .iter()
                .sum();
        }
        measure
    }
}

impl NeuronScales {
    /// Takes the lengths of a group into its mean squares, multiplied with `scale`, and makes `D`. Returns `sum_j D_j |g_j|^2`, by lengths without `scale`.
    pub(super) fn see(&mut self, group: &mut Group, scale: f64) -> f64 {
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
    pub(super) fn rescale(&mut self, group: &Group) {
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
