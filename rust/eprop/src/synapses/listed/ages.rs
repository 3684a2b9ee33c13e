//! What ended blocks do to rows that waited, with the numbers of a neuron side by side.

use alloc::vec::Vec;
use core::ops::Range;

use crate::kernels::{self, Entries, LANES, WIDE, WIDER};
use crate::numbers::aligned::Aligned;
use crate::numbers::parallel::{each, share};
use crate::numbers::room::Room;
use crate::numbers::walk::{first, parts};
use crate::options::plan::MANY_NEURONS;
use crate::{Error, Float};

/// For so many blocks a source of n neurons may wait; then it is made to catch up. Of many neurons more entries would not stay in the caches.
fn patience(n: usize) -> usize {
    if n < MANY_NEURONS { 12 } else { 6 }
}

/// Entry m of a set is the last m + 1 blocks, composed: `[S, T, x, U]` of each neuron; where a source has a second trace in it,
/// `[S, T, R, x, q, w, p, U]`, and `V` beside a second sum.
#[derive(Debug)]
pub(super) struct Ages<F> {
    /// Numbers of a neuron: `LANES`, `WIDE` or `WIDER`.
    lanes: usize,
    /// Numbers to an entry.
    width: usize,
    sets: usize,
    pub(super) len: usize,
    of_neurons: Aligned<F>,
    k: Vec<F>,
    pub(super) a: Vec<F>,
}

// Only the entries in use.
parts!(Ages {
    Mark: [len],
    State: [
        of_neurons(Self::used),
        k(|this: &Self| first(this.n_entries())),
        a(|this: &Self| first(this.n_entries())),
    ],
} then Self::loaded);

impl<F: Float> Ages<F> {
    pub(super) fn new(
        room: &mut Room,
        sets: usize,
        (stride, lanes): (usize, usize),
    ) -> Result<Self, Error> {
        Ok(Self {
            lanes,
            width: lanes * stride,
            sets,
            len: 0,
            of_neurons: room.zeros(sets * patience(stride), lanes * stride)?,
            k: room.vec(F::ONE, patience(stride))?,
            a: room.vec(F::ONE, patience(stride))?,
        })
    }

    fn n_entries(&self) -> usize {
        self.len.min(self.k.len())
    }

    fn used(&self) -> Vec<Range<usize>> {
        let starts = (0..self.sets).map(|set| set * self.patience() * self.width);
        starts
            .map(|start| start..start + self.n_entries() * self.width)
            .collect()
    }

    fn loaded(&mut self) -> Result<(), Error> {
        match self.len <= self.patience() {
            true => Ok(()),
            false => Err(Error::State {
                reason: "more ended blocks than are kept".into(),
            }),
        }
    }

    /// For how many blocks a source may wait.
    pub(super) fn patience(&self) -> usize {
        self.k.len()
    }

    /// Numbers of a neuron.
    pub(super) fn lanes(&self) -> usize {
        self.lanes
    }

    /// Where a set has an entry of its own, among those of all sets.
    pub(super) fn of_one(&self, set: usize) -> Range<usize> {
        set * self.width..(set + 1) * self.width
    }

    /// Composes every entry with one more block, and begins an entry with it, of each set.
    pub(super) fn push(&mut self, block: &[F], k: F, a: F) {
        let (width, share) = (self.width, self.lanes * share(self.width / self.lanes));
        let patience = self.patience();
        self.len = patience.min(self.len + 1);
        for set in 0..self.sets {
            let last = &block[set * width..(set + 1) * width];
            let entries = &mut self.of_neurons[set * patience * width..][..patience * width];
            for m in (1..self.len).rev() {
                let (first, to) = entries.split_at_mut(m * width);
                let first = &first[(m - 1) * width..];
                let decays = (self.k[m - 1], self.a[m - 1]);
                let parts = to[..width].chunks_mut(share).zip(first.chunks(share));
                let lanes = self.lanes;
                each(
                    parts.zip(last.chunks(share)),
                    |((to, first), last)| match lanes {
                        LANES => kernels::compose_listed(first, decays, last, k, to),
                        WIDE => {
                            kernels::compose_listed_adaptive::<F, WIDE>(first, decays, last, k, to);
                        }
                        _ => {
                            kernels::compose_listed_adaptive::<F, WIDER>(first, decays, last, k, to)
                        }
                    },
                );
            }
            let parts = entries[..width].chunks_mut(share).zip(last.chunks(share));
            each(parts, |(to, last)| to.copy_from_slice(last));
        }
        for m in (1..self.len).rev() {
            self.k[m] = self.k[m - 1] * k;
            self.a[m] = self.a[m - 1] * a;
        }
        (self.k[0], self.a[0]) = (k, a);
    }

    /// Forgets them: no source waits for any.
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// All entries of a set.
    pub(super) fn of_set(&self, set: usize) -> Entries<'_, F> {
        let len = self.patience() * self.width;
        Entries {
            of_neurons: &self.of_neurons[set * len..(set + 1) * len],
            k: &self.k,
            len: self.width,
        }
    }

    /// The last `age` blocks as one, to the sources of a set, with their `k` and what they leave of `zt`.
    pub(super) fn last(&self, set: usize, age: usize) -> (&[F], F, F) {
        let at = (set * self.patience() + age - 1) * self.width;
        let of_neurons = &self.of_neurons[at..at + self.width];
        (of_neurons, self.k[age - 1], self.a[age - 1])
    }
}
