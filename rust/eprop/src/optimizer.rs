//! The step from a gradient to a weight.

use crate::Float;

/// The rule that turns a gradient into a new weight: plain stochastic gradient descent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Optimizer<F> {
    Sgd { lr: F },
}

impl<F: Float> Optimizer<F> {
    pub(crate) fn sgd(lr: f64) -> Self {
        Self::Sgd { lr: F::cast(lr) }
    }

    /// The weight after a step with gradient `g`.
    #[inline]
    pub(crate) fn next(self, w: F, g: F) -> F {
        match self {
            Self::Sgd { lr } => w - lr * g,
        }
    }

    /// The factor on the gradient, of a rule that is linear in it.
    #[inline]
    pub(crate) fn linear(self) -> F {
        match self {
            Self::Sgd { lr } => lr,
        }
    }

    /// A step for every weight; the gradients start again from 0.
    pub(crate) fn apply(self, w: &mut [F], g: &mut [F]) {
        for (w, g) in w.iter_mut().zip(g) {
            *w = self.next(*w, *g);
            *g = F::ZERO;
        }
    }
}
