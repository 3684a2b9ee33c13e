//! The buffers in which a block is worked off.

use alloc::vec::Vec;

use super::credit::Lanes;
use super::history::{Sizes, Sorted, tile_width};
use crate::kernels::isa::UNIT;
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
}

parts!(Scratch {
    Scratch: [q, filtered_err, per_step, b, sorted, dense, dense_q, lanes],
});

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
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Scratch, Sizes, tile_width};
    use crate::testing::{in_both, made};

    in_both! {
        fn there_is_room_for_the_widest_tile_of_a_whole_block<F>() {
            let sizes = Sizes { n_inputs: 3, n: 40, n_outputs: 2, stride: 48, steps: 5, events: 60, regularised: false, whole: 1, credits: 0, grows: false, delay: 1, membranes: false };
            let scratch = made(|room| Scratch::<F>::new(room, &sizes));
            let width = tile_width::<F>();
            assert_eq!(width * size_of::<F>(), 128);
            assert_eq!((scratch.q.len(), scratch.dense_q.len()), (5 * width, 5 * width));
            assert_eq!((scratch.b.len(), scratch.dense.len()), (2 * width, 3 * width));
            assert_eq!((scratch.filtered_err.len(), scratch.per_step.len()), (10, 5));
            assert_eq!((scratch.sorted.start.len(), scratch.sorted.at.len()), (44, 60));
        }
    }
}
