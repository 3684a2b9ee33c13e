//! Rows in which a source is read, beside those of neurons that do not adapt.

use crate::kernels::{self, AdaptiveSilence, AdaptiveSilenceMut, Silence, SilenceMut};
use crate::numbers::aligned::Aligned;
use crate::numbers::room::Room;
use crate::{Error, Float};

/// A row `D`, and what blocks composed do.
#[derive(Debug)]
pub(in crate::synapses) struct AdaptiveReading<F> {
    pub(in super::super) d: Aligned<F>,
    /// A row, or one for each age.
    pub(in super::super) r: Aligned<F>,
    q: Aligned<F>,
    w: Aligned<F>,
    p: Aligned<F>,
}

impl<F: Float> AdaptiveReading<F> {
    pub(in super::super) fn new(room: &mut Room, n_r: usize, stride: usize) -> Result<Self, Error> {
        Ok(Self {
            d: room.zeros(1, stride)?,
            r: room.zeros(n_r, stride)?,
            q: room.zeros(1, stride)?,
            w: room.zeros(1, stride)?,
            p: room.zeros(1, stride)?,
        })
    }

    /// Blocks that a row has waited for, and the one under way, as one; `R` goes to its row `at`.
    pub(in super::super) fn compose(
        &mut self,
        (waited, alpha): (AdaptiveSilence<'_, F>, F),
        now: AdaptiveSilence<'_, F>,
        to: SilenceMut<'_, F>,
        at: usize,
    ) {
        let stride = self.q.len();
        let to = AdaptiveSilenceMut {
            plain: to,
            r: &mut self.r[at * stride..(at + 1) * stride],
            q: &mut self.q,
            w: &mut self.w,
            p: &mut self.p,
        };
        kernels::compose_adaptive(waited, alpha, now, to);
    }

    /// The rows of a source catch up with a single block.
    pub(in super::super) fn catch_up_with(
        &mut self,
        silence: AdaptiveSilence<'_, F>,
        zt: F,
        [a, c]: [&mut [F]; 2],
    ) {
        kernels::catch_up_adaptive(silence, zt, a, c, &mut self.d);
    }

    /// The row `D` of a source catches up with what was composed last, and with it `A` and `C`.
    pub(in super::super) fn catch_up(
        &mut self,
        plain: Silence<'_, F>,
        at: usize,
        zt: F,
        [a, c]: [&mut [F]; 2],
    ) {
        let stride = self.q.len();
        let silence = AdaptiveSilence {
            plain,
            r: &self.r[at * stride..(at + 1) * stride],
            q: &self.q,
            w: &self.w,
            p: &self.p,
        };
        kernels::catch_up_adaptive(silence, zt, a, c, &mut self.d);
    }
}
