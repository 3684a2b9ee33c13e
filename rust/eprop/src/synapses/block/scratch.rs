//! The buffers in which a block is worked off.

use alloc::vec::Vec;

use super::credit::Lanes;
use super::history::{Sizes, Sorted};
use crate::kernels::{isa::UNIT, tile_width};
use crate::numbers::aligned::Aligned;
use crate::numbers::room::Room;
use crate::numbers::walk::parts;
use crate::{Error, Float};

/// Buffers of which nothing outlives a call; empty while they are in use.
#[derive(Debug, Default)]
pub(in crate::synapses) struct Scratch<F> {
    /// A row of one tile per step.
    pub(super) q: Aligned<F>,
    pub(super) filtered_err: Vec<F>,
    pub(super) per_step: Vec<F>,
    /// `B` of one tile, a row per output.
    pub(super) b: Aligned<F>,
    pub(super) sorted: Sorted<F>,
    /// A row of one tile per input.
    pub(super) dense: Aligned<F>,
    pub(super) dense_q: Aligned<F>,
    pub(super) lanes: Lanes<F>,
    /// What one tile needs, once more for each thread but the first.
    more: Aligned<F>,
    /// A number of each neuron; empty where rows have a place for every neuron.
    pub(super) next: Vec<usize>,
}

parts!(Scratch {
    Scratch: [
        q,
        filtered_err,
        per_step,
        b,
        sorted,
        dense,
        dense_q,
        lanes,
        more,
        next
    ],
});

/// What all tiles of a block read.
#[derive(Clone, Copy)]
pub(super) struct OfBlock<'a, F> {
    pub(super) filtered_err: &'a [F],
    pub(super) per_step: &'a [F],
    pub(super) sorted: &'a Sorted<F>,
}

/// What a tile is worked off in.
pub(super) struct OfTile<'a, F> {
    pub(super) q: &'a mut [F],
    pub(super) b: &'a mut [F],
    pub(super) dense: &'a mut [F],
    pub(super) dense_q: &'a mut [F],
}

impl<F: Float> Scratch<F> {
    /// Whether a history of these sizes can be worked off in them.
    pub(super) fn fits(&self, sizes: &Sizes) -> bool {
        self.per_step.len() >= sizes.steps
    }

    pub(super) fn new(room: &mut Room, sizes: &Sizes) -> Result<Self, Error> {
        let width = tile_width::<F>().max(UNIT);
        Ok(Self {
            q: room.zeros(sizes.steps, width)?,
            filtered_err: room.vec(F::ZERO, sizes.steps.saturating_mul(sizes.n_outputs))?,
            per_step: room.vec(F::ZERO, sizes.steps)?,
            b: room.zeros(sizes.n_outputs, width)?,
            sorted: Sorted::new(room, sizes)?,
            dense: room.zeros(sizes.n_inputs, width)?,
            dense_q: room.zeros(sizes.steps, width)?,
            lanes: Lanes::new(room, sizes)?,
            more: room.zeros(
                sizes.spread - 1,
                width.saturating_mul(2 * sizes.steps + sizes.n_outputs + sizes.n_inputs),
            )?,
            next: room.vec(0, if sizes.listed { sizes.n } else { 0 })?,
        })
    }

    /// What all tiles read, what one is worked off in, and what others are at the same time.
    pub(super) fn parts(
        &mut self,
    ) -> (
        OfBlock<'_, F>,
        OfTile<'_, F>,
        impl Iterator<Item = OfTile<'_, F>>,
    ) {
        let [steps, outputs, inputs] = [self.q.len(), self.b.len(), self.dense.len()];
        let size = 2 * steps + outputs + inputs;
        let of_block = OfBlock {
            filtered_err: &self.filtered_err,
            per_step: &self.per_step,
            sorted: &self.sorted,
        };
        let first = OfTile {
            q: &mut self.q,
            b: &mut self.b,
            dense: &mut self.dense,
            dense_q: &mut self.dense_q,
        };
        let others = self.more.chunks_exact_mut(size.max(1)).map(move |numbers| {
            let (q, rest) = numbers.split_at_mut(steps);
            let (dense_q, rest) = rest.split_at_mut(steps);
            let (b, dense) = rest.split_at_mut(outputs);
            OfTile {
                q,
                b,
                dense,
                dense_q,
            }
        });
        (of_block, first, others)
    }
}

#[cfg(test)]
mod tests {
    use super::{Scratch, Sizes, Vec, tile_width};
    use crate::testing::{in_both, made};

    in_both! {
        fn there_is_room_for_the_widest_tile_of_a_whole_block<F>() {
            let sizes = Sizes { n_inputs: 3, n: 40, n_outputs: 2, stride: 48, steps: 5, events: 60, regularised: false, whole: 1, credits: 0, grows: false, delay: 1, membranes: false, listed: true, spread: 3 };
            let scratch = made(|room| Scratch::<F>::new(room, &sizes));
            let width = tile_width::<F>();
            assert_eq!(width * size_of::<F>(), 128);
            assert_eq!((scratch.q.len(), scratch.dense_q.len()), (5 * width, 5 * width));
            assert_eq!((scratch.b.len(), scratch.dense.len()), (2 * width, 3 * width));
            assert_eq!((scratch.filtered_err.len(), scratch.per_step.len()), (10, 5));
            assert_eq!((scratch.sorted.start.len(), scratch.sorted.at.len()), (44, 60));
            // Three threads have as much room.
            let mut scratch = scratch;
            assert_eq!(scratch.next.len(), 40);
            let (_, first, others) = scratch.parts();
            let lens: Vec<_> = core::iter::once(first).chain(others).map(|tile| [tile.q.len(), tile.dense_q.len(), tile.b.len(), tile.dense.len()]).collect();
            assert_eq!(lens, [[5 * width, 5 * width, 2 * width, 3 * width]; 3]);
        }
    }
}
