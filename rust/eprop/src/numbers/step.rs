//! The step that weights take in an update.

use super::kinds::Kinds;
use crate::Float;
use crate::kernels::{self, AdamStep, MomentumStep, ShrinkStep};

/// The step of one update, with its constants, worked out once for all parameters.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a, F> {
    /// `W -= eta g`.
    Descend { eta: F },
    /// The same, and weights that decay, or have a bound.
    Shrink(ShrinkStep<F>),
    /// The same, `D_j` times as long for each neuron j: a number for each column of a matrix whose rows are of sources.
    Scaled { step: ShrinkStep<F>, by: &'a [f64] },
    /// A sum of gradients that fades.
    Momentum(MomentumStep<F>),
    /// Two moments per weight.
    Adam(AdamStep<F>),
}

impl<'a, F: Float> Step<'a, F> {
    /// The factor on the gradient, of a step that is a multiple of it.
    #[inline]
    pub(crate) fn linear(self) -> Option<F> {
        match self {
            Self::Descend { eta } => Some(eta),
            Self::Shrink(_) | Self::Scaled { .. } | Self::Momentum(_) | Self::Adam(_) => None,
        }
    }

    /// The factor on the gradient, and how much of the weights is left, of a step that takes multiples of both off them and does nothing else.
    #[inline]
    pub(crate) fn multiples(self) -> Option<(F, f64)> {
        match self {
            Self::Descend { eta } => Some((eta, 1.0)),
            // In float64, since what is left may differ from 1 by less than a float32 shows.
            Self::Shrink(ShrinkStep { eta, shrink, bound }) if !bound.is_finite() => {
                Some((eta, 1.0 - shrink.to_f64()))
            }
            Self::Shrink(_) | Self::Scaled { .. } | Self::Momentum(_) | Self::Adam(_) => None,
        }
    }

    /// That of momentum without a bound.
    #[inline]
    pub(crate) fn momentum(self) -> Option<MomentumStep<F>> {
        match self {
            Self::Momentum(step) if !step.bound.is_finite() => Some(step),
            _ => None,
        }
    }

    /// The same of biases, which neither decay nor have a bound.
    pub(crate) fn of_biases(self) -> Self {
        let (none, bound) = (F::ZERO, F::cast(f64::INFINITY));
        match self {
            Self::Descend { .. } => self,
            Self::Shrink(ShrinkStep { eta, .. }) => Self::Descend { eta },
            Self::Scaled { step, by } => Self::Scaled {
                step: ShrinkStep {
                    shrink: none,
                    bound,
                    ..step
                },
                by,
            },
            Self::Momentum(step) => Self::Momentum(MomentumStep {
                decay: none,
                bound,
                ..step
            }),
            Self::Adam(step) => Self::Adam(AdamStep {
                decay: none,
                shrink: none,
                bound,
                ..step
            }),
        }
    }

    /// Whether weights stay within a bound.
    pub(crate) fn is_bounded(self) -> bool {
        let bound = match self {
            Self::Descend { .. } => return false,
            Self::Shrink(step) | Self::Scaled { step, .. } => step.bound,
            Self::Momentum(step) => step.bound,
            Self::Adam(step) => step.bound,
        };
        bound.is_finite()
    }

    /// That of the weights of neuron `j`.
    #[inline]
    pub(crate) fn of_neuron(self, j: usize) -> Self {
        let Self::Scaled { step, by } = self else {
            return self;
        };
        Self::Shrink(ShrinkStep {
            eta: F::cast(step.eta.to_f64() * by[j]),
            shrink: F::cast(step.shrink.to_f64() * by[j]),
            ..step
        })
    }

    /// Takes the step for some weights with their gradients and moments; a step that keeps none gets none. `at`: number of the first weight in a matrix whose
    /// numbers are of these neurons.
    pub(super) fn take(
        self,
        (at, neurons): (usize, Neurons<'_>),
        w: &mut [F],
        g: &[F],
        m: &mut [F],
        v: &mut [F],
    ) {
        match (self, neurons) {
            (Self::Descend { eta }, _) => w.iter_mut().zip(g).for_each(|(w, &g)| *w -= eta * g),
            (Self::Shrink(step), _) => kernels::shrink(step, g, w),
            (Self::Scaled { step, by }, Neurons::Rows(width)) => {
                let mut done = 0;
                while done < g.len() {
                    let column = (at + done) % width;
                    let part = done..g.len().min(done + width - column);
                    // Behind the last neuron there is nothing but padding.
                    let by = by.get(column..).unwrap_or(&[]);
                    kernels::shrink_by(step, by, &g[part.clone()], &mut w[part.clone()]);
                    done = part.end;
                }
            }
            (Self::Scaled { step, by }, Neurons::Listed(targets)) => {
                kernels::shrink_listed(step, by, &targets[at..], g, w);
            }
            (Self::Momentum(step), _) => kernels::momentum(step, g, w, m),
            (Self::Adam(step), _) => kernels::adam(step, g, w, m, v),
        }
    }
}

/// Which neuron each number of a matrix is of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Neurons<'a> {
    /// Rows so wide have a place for each.
    Rows(usize),
    /// A number has the one that stands in its place here.
    Listed(&'a [u32]),
}

impl<'a, F: Float> Kinds<Step<'a, F>> {
    /// As [`Step::linear`].
    pub(crate) fn linear(self) -> Option<Kinds<F>> {
        Some(Kinds {
            inputs: self.inputs.linear()?,
            neurons: self.neurons.linear()?,
        })
    }

    /// Of a matrix in whose rows the first so many numbers are of inputs.
    pub(crate) fn split(self, cut: usize) -> Split<'a, F> {
        Split {
            cut,
            before: self.inputs,
            from: self.neurons,
        }
    }
}

/// The steps of a matrix: one of its first `cut` weights, and one of those from there on.
#[derive(Clone, Copy, Debug)]
pub struct Split<'a, F> {
    pub(crate) cut: usize,
    pub(crate) before: Step<'a, F>,
    pub(crate) from: Step<'a, F>,
}

impl<'a, F> From<Step<'a, F>> for Split<'a, F>
where
    Step<'a, F>: Copy,
{
    fn from(step: Step<'a, F>) -> Self {
        Self {
            cut: usize::MAX,
            before: step,
            from: step,
        }
    }
}

impl<F: Float> Split<'_, F> {
    /// Takes the steps of the weights from number `at` on, as [`Step::take`]; without a gradient there are none.
    pub(super) fn take(
        self,
        (at, neurons): (usize, Neurons<'_>),
        w: &mut [F],
        g: &[F],
        m: &mut [F],
        v: &mut [F],
    ) {
        let cut = self.cut.saturating_sub(at).min(g.len());
        let (of_m, of_v) = (cut.min(m.len()), cut.min(v.len()));
        let (w, (g, g_from)) = (w.split_at_mut(cut), g.split_at(cut));
        let (m, v) = (m.split_at_mut(of_m), v.split_at_mut(of_v));
        self.before.take((at, neurons), w.0, g, m.0, v.0);
        self.from.take((at + cut, neurons), w.1, g_from, m.1, v.1);
    }
}
