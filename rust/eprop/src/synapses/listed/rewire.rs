//! Synapses that move, where rows are lists: weights rest then, and their gradient waits.

use alloc::sync::Arc;

use super::Listed;
use crate::Float;
use crate::kernels;
use crate::numbers::wires::Wires;
use crate::synapses::Moved;

impl<F: Float> Listed<F> {
    pub(in crate::synapses) fn rewire(&mut self, moved: &mut Moved<'_, F>) {
        // The factors are those of sources and neurons: they would give a new synapse what it has not been there for.
        self.folded = false;
        self.fold_unasked();
        let of_weights = self.w.all_mut();
        for numbers in of_weights.into_iter().chain([&mut *self.h]) {
            moved.carry(numbers);
        }
        for of_pairs in [0, 1] {
            moved.carry_every(self.w.pairs.every_mut(of_pairs));
        }
        // One that was infinite may have gone, and noise may have made another so.
        self.finite = kernels::all_finite(&self.w.rows);
        self.take_wires(moved.wires);
    }

    pub(in crate::synapses) fn take_wires(&mut self, wires: &Arc<Wires>) {
        self.wires = Arc::clone(wires);
        self.w.take_wires(wires);
    }
}
