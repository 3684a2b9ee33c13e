//! The buffers in which a block is worked off.

use alloc::vec;
use alloc::vec::Vec;

use super::history::{Sizes, Sorted, tile_width};
use crate::Float;
use crate::aligned::{Aligned, UNIT};
use crate::persist::Persist;

/// Buffers of which nothing outlives a call; empty while they are in use.
#[derive(Clone, Debug, Default)]
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

impl<F: Float> Scratch<F> {
    pub(super) fn new(sizes: &Sizes) -> Self {
        let width = tile_width::<F>().max(UNIT);
        Self {
            q: Aligned::zeros(sizes.steps * width),
            filtered_err: vec![F::ZERO; sizes.steps * sizes.n_outputs],
            per_step: vec![F::ZERO; sizes.steps],
            b: Aligned::zeros(sizes.n_outputs * width),
            sorted: Sorted::new(sizes),
            dense: Aligned::zeros(sizes.n_inputs * width),
            dense_q: Aligned::zeros(sizes.steps * width),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let rows = self.q.bytes() + self.b.bytes() + self.dense.bytes() + self.dense_q.bytes();
        rows + self.filtered_err.bytes() + self.per_step.bytes() + self.sorted.bytes()
    }
}
