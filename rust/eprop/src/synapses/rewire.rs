//! Synapses that move: what belongs to those that were pruned goes, and new ones begin with nothing.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use super::{Form, Synapses};
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

impl<F: Float> Form<F> {
    /// The weights of the synapses of some sources, each with its number among all, in the order of their lists.
    pub(crate) fn each_weight(
        &mut self,
        wires: &Wires,
        sources: Range<usize>,
        mut see: impl FnMut(usize, &mut F),
    ) {
        let (is_listed, stride) = (self.is_listed(), padded::<F>(wires.n_neurons()));
        let rows = self.first_rows();
        for source in sources {
            for synapse in wires.row(source) {
                let at = match is_listed {
                    true => synapse,
                    false => source * stride + wires.all_targets()[synapse] as usize,
                };
                see(synapse, &mut rows[at]);
            }
        }
    }

    /// Has the synapses that there are from now on. Traces, moments and the gradient that waits stay with a synapse, and are 0 of a new one.
    pub(crate) fn rewire(&mut self, moved: &mut Moved<'_, F>) {
        match self {
            Self::Textbook(form) => form.rewire(moved),
            Self::Block(form) => form.rewire(moved),
            Self::Listed(form) => form.rewire(moved),
            // The plan gives synapses that do not all exist another form.
            Self::Factored(_) => {}
        }
    }

    /// The same synapses as of another list with as many, whose numbers are in their places already.
    pub(crate) fn take_wires(&mut self, wires: &Arc<Wires>) {
        match self {
            Self::Textbook(form) => form.take_wires(wires),
            Self::Block(form) => form.take_wires(wires),
            Self::Listed(form) => form.take_wires(wires),
            Self::Factored(_) => {}
        }
    }
}
