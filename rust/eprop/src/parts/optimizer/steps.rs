//! The step of each group of weights in one update, as each rule makes it.

use super::{Optimizer, Rule};
use crate::Float;
use crate::kernels::{AdamStep, MomentumStep, ShrinkStep};
use crate::numbers::step::Step;

/// The steps of one update.
#[derive(Clone, Copy, Debug)]
pub struct Steps<'a> {
    pub(super) optimizer: &'a Optimizer,
    pub(super) scale: f64,
}

impl<'a> Steps<'a> {
    /// As [`Optimizer::is_fixed`].
    pub(crate) fn is_fixed(self, group: usize) -> bool {
        self.optimizer.is_fixed(group)
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
