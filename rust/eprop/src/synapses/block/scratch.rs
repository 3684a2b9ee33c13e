//! The buffers in which a block is worked off.

use alloc::vec::Vec;

use super::history::{Sizes, Sorted, tile_width};
use crate::numbers::aligned::{Aligned, UNIT};
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
}

parts!(Scratch {
    Scratch: [q, filtered_err, per_step, b, sorted, dense, dense_q],
});

impl<F: Float> Scratch<F> {
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
        })
    }
}
