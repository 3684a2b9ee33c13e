//! What ended blocks do to rows that waited, beside [`Ended`](super::super::ended::Ended).

use alloc::vec::Vec;
use core::ops::Range;

use super::super::ended::PATIENCE;
use super::Adaptive;
use crate::kernels::{
    self, AdaptiveSilence, AdaptiveSilenceMut, AdaptiveSilences, Silence, SilenceMut, Silences,
};
use crate::numbers::aligned::Aligned;
use crate::numbers::room::Room;
use crate::numbers::walk::{first, parts};
use crate::{Error, Float};

/// Entry m is the last m + 1 blocks, composed: rows of `R` for each set, and of `q`, `w` and `p`.
#[derive(Debug)]
pub(in super::super) struct EndedAdaptive<F> {
    stride: usize,
    sets: usize,
    pub(in super::super) len: usize,
    r: Aligned<F>,
    q: Aligned<F>,
    w: Aligned<F>,
    p: Aligned<F>,
}

// Only the entries in use.
parts!(EndedAdaptive {
    Mark: [len],
    State: [
        r(Self::entries_of_sets),
        q(|this: &Self| first(this.used())),
        w(|this: &Self| first(this.used())),
        p(|this: &Self| first(this.used())),
    ],
});

impl<F: Float> EndedAdaptive<F> {
    pub(in super::super) fn new(
        room: &mut Room,
        sets: usize,
        stride: usize,
    ) -> Result<Self, Error> {
        Ok(Self {
            stride,
            sets,
            len: 0,
            r: room.zeros(sets * PATIENCE, stride)?,
            q: room.zeros(PATIENCE, stride)?,
            w: room.zeros(PATIENCE, stride)?,
            p: room.zeros(PATIENCE, stride)?,
        })
    }

    /// Numbers of a row in use; bytes may say that there are more entries than there is room for.
    fn used(&self) -> usize {
        self.len
            .min(PATIENCE)
            .saturating_mul(self.stride)
            .min(self.q.len())
    }

    fn entries_of_sets(&self) -> Vec<Range<usize>> {
        let starts = (0..self.sets).map(|set| set * PATIENCE * self.stride);
        starts.map(|start| start..start + self.used()).collect()
    }

    /// Where a set has its entry m.
    fn entry(&self, set: usize, m: usize) -> Range<usize> {
        let at = (set * PATIENCE + m) * self.stride;
        at..at + self.stride
    }

    /// Entry m of a set: the entry before, and then the last block.
    pub(in super::super) fn compose(
        &mut self,
        (set, m): (usize, usize),
        (first, first_a): (Silence<'_, F>, F),
        (last, adaptive): (Silence<'_, F>, &Adaptive<F>),
        to: SilenceMut<'_, F>,
    ) {
        let (stride, cut) = (self.stride, self.entry(set, m).start);
        let (r1, r2) = self.r.split_at_mut(cut);
        let (q1, q2) = self.q.split_at_mut(m * stride);
        let (w1, w2) = self.w.split_at_mut(m * stride);
        let (p1, p2) = self.p.split_at_mut(m * stride);
        let before = (m - 1) * stride;
        let first = AdaptiveSilence {
            plain: first,
            r: &r1[cut - stride..],
            q: &q1[before..],
            w: &w1[before..],
            p: &p1[before..],
        };
        // Each set makes the same of all but `R`.
        let to = AdaptiveSilenceMut {
            plain: to,
            r: &mut r2[..stride],
            q: &mut q2[..stride],
            w: &mut w2[..stride],
            p: &mut p2[..stride],
        };
        let last = adaptive.now(last, set * stride..(set + 1) * stride);
        kernels::compose_adaptive(first, first_a, last, to);
    }

    /// The last block alone.
    pub(in super::super) fn begin(&mut self, adaptive: &Adaptive<F>) {
        self.len = PATIENCE.min(self.len + 1);
        let stride = self.stride;
        for set in 0..self.sets {
            let to = self.entry(set, 0);
            self.r[to].copy_from_slice(&adaptive.r[set * stride..(set + 1) * stride]);
        }
        self.q[..stride].copy_from_slice(&adaptive.q);
        self.w[..stride].copy_from_slice(&adaptive.w);
        self.p[..stride].copy_from_slice(&adaptive.p);
    }

    /// Multiplies what is on its way to the weights of a set.
    pub(in super::super) fn scale(&mut self, set: usize, p: F) {
        let from = self.entry(set, 0).start;
        let used = from..from + self.used();
        kernels::scale_row(p, &mut self.r[used]);
    }

    /// All entries of a set.
    pub(in super::super) fn of_set<'a>(
        &'a self,
        plain: Silences<'a, F>,
        set: usize,
    ) -> AdaptiveSilences<'a, F> {
        let rows = set * PATIENCE * self.stride..(set + 1) * PATIENCE * self.stride;
        AdaptiveSilences {
            plain,
            r: &self.r[rows],
            q: &self.q,
            w: &self.w,
            p: &self.p,
        }
    }
}
