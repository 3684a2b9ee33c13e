//! Synapses that move: what belongs to those that were pruned goes, and new ones begin with nothing.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::Float;
use crate::numbers::aligned::padded;
use crate::numbers::slice::EveryMut;
use crate::numbers::wires::Wires;

/// The synapses before and after they have moved.
#[derive(Debug)]
pub(crate) struct Moved<'a, F> {
    pub(crate) was: &'a Wires,
    pub(crate) wires: &'a Arc<Wires>,
    /// Which of those before are left.
    pub(crate) kept: &'a [bool],
    /// Memory for the numbers of synapses that are listed.
    pub(crate) numbers: &'a mut Vec<F>,
}

impl<F: Float> Moved<'_, F> {
    /// Of padded rows, which may be none: a synapse that does not exist has 0, and so has a new one.
    pub(super) fn clear(&self, rows: &mut [F]) {
        if rows.is_empty() {
            return;
        }
        let stride = padded::<F>(self.was.n_neurons());
        for (source, row) in rows.chunks_exact_mut(stride).enumerate() {
            for synapse in self.was.row(source) {
                if !self.kept[synapse] {
                    row[self.was.all_targets()[synapse] as usize] = F::ZERO;
                }
            }
        }
    }

    /// Of numbers in the order of the lists, which may be none: those of synapses that are left go to their new places, others are 0.
    pub(super) fn carry(&mut self, numbers: &mut [F]) {
        self.carry_every(numbers.into());
    }

    /// The same of numbers that have others between them.
    pub(super) fn carry_every(&mut self, mut numbers: EveryMut<'_, F>) {
        if numbers.as_ref().len() == 0 {
            return;
        }
        self.numbers.clear();
        self.numbers.extend(numbers.as_ref().iter());
        let (was, now) = (self.was.all_targets(), self.wires.all_targets());
        for source in 0..self.was.n_inputs() + self.was.n_neurons() {
            let kept = self.was.row(source).filter(|&synapse| self.kept[synapse]);
            let mut kept = kept.peekable();
            for synapse in self.wires.row(source) {
                let before = kept.next_if(|&before| was[before] == now[synapse]);
                numbers[synapse] = before.map_or(F::ZERO, |before| self.numbers[before]);
            }
        }
    }
}
