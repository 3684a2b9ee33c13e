//! What is asked of the block form by those who do not know which form it is.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use super::scratch::Scratch;
use super::{Block, Sum};
use crate::kernels;
use crate::numbers::interrupt::Pace;
use crate::numbers::kinds::Kinds;
use crate::numbers::room::Room;
use crate::numbers::step::Step;
use crate::numbers::wires::Wires;
use crate::synapses::form::{Formed, read_of_rows};
use crate::synapses::{Moved, What, add_squares_of_neurons, lists};
use crate::{Error, Float};

impl<F: Float> Formed<F> for Block<F> {
    fn is_listed(&self) -> bool {
        self.orders.is_some()
    }

    fn first_of(&self, source: usize) -> Option<usize> {
        let orders = self.orders.as_ref()?;
        Some(orders.wires.row(source).start)
    }

    fn read_listed(
        &self,
        what: What,
        sources: Range<usize>,
        wires: &Wires,
        to: &mut Vec<F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        let Some(orders) = &self.orders else {
            return read_of_rows(self, what, sources, wires, to, pace);
        };
        if what == What::Weight {
            let starts = orders.wires.lists().starts;
            let w = &self.w.rows[starts[sources.start]..starts[sources.end]];
            to.extend_from_slice(w);
            return pace.pass(w.len());
        }
        let traces = self.traces_of_lists(orders, Sum::Traces, pace)?;
        orders.show(sources, &traces, |trace| to.push(trace))
    }

    fn assign_weights(
        &mut self,
        first_source: usize,
        weights: &mut dyn Iterator<Item = F>,
        _: &mut Pace<'_>,
    ) -> Result<(), Error> {
        if let Some(orders) = &self.orders {
            lists::assign_synapses(&orders.wires, self.w.weights_mut(), first_source, weights);
            self.finite = kernels::all_finite(&self.w.rows);
        }
        Ok(())
    }

    fn take_listed(
        &mut self,
        from: usize,
        g: &[F],
        step: Step<'_, F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        lists::take_synapses(&mut self.w, from, g, step, pace)?;
        self.finite &= kernels::all_finite(&self.w.rows);
        Ok(())
    }

    fn is_ready(&self) -> bool {
        !self.is_complete() && !self.dropped
    }

    fn until_full(&self) -> usize {
        match self.sizes().grows {
            true => usize::MAX,
            false => (self.aligned_to - self.steps % self.aligned_to) as usize,
        }
    }

    fn reserve(&mut self, steps: usize, learning: bool) -> Result<(), Error> {
        let until_aligned = self.aligned_to - self.steps % self.aligned_to;
        // Where nothing is learned, a block may end.
        let more = if learning {
            steps
        } else {
            steps.min(until_aligned as usize)
        };
        let kept = if self.used { 0 } else { self.history.len };
        self.history.reserve(kept.saturating_add(more))?;
        let sizes = self.sizes();
        self.credit.fit(&sizes)?;
        if !self.scratch.fits(&sizes) {
            self.scratch = Room::build(|| "a block".into(), |room| Scratch::new(room, &sizes))?;
        }
        Ok(())
    }

    fn lengths_of_neurons(
        &mut self,
        to: Kinds<&mut [f64]>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        if !self.w.waits {
            return Ok(());
        }
        if let Some(orders) = &self.orders {
            self.add_lengths_of_neurons(orders, to);
            return pace.pass(self.w.pending.len());
        }
        let place = (self.cut(), self.w.neurons());
        add_squares_of_neurons(&[self.w.gradient()], place, to, pace)
    }

    /// A block knows its errors alone, so it ends here: then `L e_bar` is known as it is.
    fn learn_from(&mut self, l: &[F]) {
        self.end_block();
        match &self.orders {
            None => kernels::add_scaled_rows_by(l, &self.e_bar, &mut self.w.pending),
            Some(orders) => orders.add_scaled_by(l, &self.e_bar, &mut self.w.pending),
        }
        self.w.waits = true;
    }

    fn rewire(&mut self, moved: &mut Moved<'_, F>) {
        // What the steps so far have left in a new synapse is nothing: it was not there.
        self.end_block();
        let of_weights = self.w.all_mut();
        let of_synapses = [&mut *self.e_bar, &mut *self.eps_a, &mut *self.sum_e];
        for rows in of_weights.into_iter().chain(of_synapses) {
            moved.clear(rows);
        }
        // One that was infinite may have gone, and noise may have made another so.
        self.finite = kernels::all_finite(&self.w.rows);
        self.take_wires(moved.wires);
    }

    fn take_wires(&mut self, wires: &Arc<Wires>) {
        // Those that move are in no lists here.
        if self.orders.is_none() {
            self.wires = Some(Arc::clone(wires));
        }
    }
}
