//! What the streams of a batch ask of their synapses: the gradient of each, weights that all of them read, and what they can share else.

use super::Form;
use crate::Float;
use crate::feedback::Backward;
use crate::shared::Shared;

/// Only forms whose gradient waits are in a batch: never the factored one.
impl<F: Float> Form<F> {
    /// Adds the pending gradient, with `r sum_t e`, to a sum over streams in padded rows like the weights, and counts it as used.
    pub(crate) fn collect(&mut self, b: Backward<'_, F>, r: Option<&[F]>, sum: &mut [F]) {
        match self {
            Self::Textbook(form) => form.collect(r, sum),
            Self::Block(form) => form.collect(b, r, sum),
            Self::Factored(_) => {}
        }
    }

    /// Gives the weights away, to be changed, or to leave them to one who changes them.
    pub(crate) fn let_go(&mut self) -> Shared<F> {
        self.shared().map(core::mem::take).unwrap_or_default()
    }

    /// Reads these weights from now on, of which somebody has found out whether they are finite.
    pub(crate) fn hold(&mut self, w: Shared<F>, finite: bool) {
        if let Some(shared) = self.shared() {
            *shared = w;
        }
        if let Self::Block(form) = self {
            form.changed(finite);
        }
    }

    /// Bytes of the weights, which are there once in a batch.
    pub(crate) fn weight_bytes(&self) -> usize {
        match self {
            Self::Textbook(form) => form.weight_bytes(),
            Self::Block(form) => form.weight_bytes(),
            Self::Factored(_) => 0,
        }
    }

    /// Lends buffers of which nothing outlives a call, or gives them back.
    pub(crate) fn swap_scratch(&mut self, other: &mut Self) {
        if let (Self::Block(form), Self::Block(other)) = (self, other) {
            core::mem::swap(form.scratch(), other.scratch());
        }
    }

    /// Frees these buffers: from now on they are lent by another.
    pub(crate) fn drop_scratch(&mut self) {
        if let Self::Block(form) = self {
            *form.scratch() = Default::default();
        }
    }

    fn shared(&mut self) -> Option<&mut Shared<F>> {
        match self {
            Self::Textbook(form) => Some(form.shared()),
            Self::Block(form) => Some(form.shared()),
            Self::Factored(_) => None,
        }
    }
}
