//! What is asked of the textbook form by those who do not know which form it is.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use super::Textbook;
use crate::numbers::interrupt::Pace;
use crate::numbers::kinds::Kinds;
use crate::numbers::step::Step;
use crate::numbers::wires::Wires;
use crate::synapses::form::{Formed, read_of_rows};
use crate::synapses::{Moved, What, add_squares_of_neurons, lists};
use crate::{Error, Float};

impl<F: Float> Formed<F> for Textbook<F> {
    fn is_listed(&self) -> bool {
        self.reached.is_some()
    }

    fn first_of(&self, source: usize) -> Option<usize> {
        self.listed().map(|wires| wires.row(source).start)
    }

    fn e_bar(&self) -> Option<&[F]> {
        (!self.is_silent()).then_some(&self.e_bar)
    }

    fn read_listed(
        &self,
        what: What,
        sources: Range<usize>,
        wires: &Wires,
        to: &mut Vec<F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        let Some(wires) = self.listed() else {
            return read_of_rows(self, what, sources, wires, to, pace);
        };
        for source in sources {
            let row = wires.row(source);
            let n = row.len();
            match what {
                What::Weight => to.extend_from_slice(&self.w.rows[row]),
                What::Eligibility if self.is_silent() => to.resize(to.len() + n, F::ZERO),
                What::Eligibility => to.extend_from_slice(&self.e_bar[row]),
            }
            pace.pass(n)?;
        }
        Ok(())
    }

    fn assign_weights(
        &mut self,
        first_source: usize,
        weights: &mut dyn Iterator<Item = F>,
        _: &mut Pace<'_>,
    ) -> Result<(), Error> {
        if let Some(wires) = self.wires.as_deref() {
            lists::assign_synapses(wires, self.w.weights_mut(), first_source, weights);
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
        lists::take_synapses(&mut self.w, from, g, step, pace)
    }

    fn rewire(&mut self, moved: &mut Moved<'_, F>) {
        let of_weights = self.w.all_mut();
        let of_synapses = [&mut *self.e_bar, &mut *self.eps_a, &mut *self.sum_e];
        for rows in of_weights.into_iter().chain(of_synapses) {
            match self.reached {
                Some(_) => moved.carry(rows),
                None => moved.clear(rows),
            }
        }
        self.take_wires(moved.wires);
    }

    fn take_wires(&mut self, wires: &Arc<Wires>) {
        self.wires = Some(Arc::clone(wires));
        self.w.take_wires(wires);
    }

    fn lengths_of_neurons(
        &mut self,
        to: Kinds<&mut [f64]>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        let place = (self.cut(), self.w.neurons());
        match self.w.waits {
            true => add_squares_of_neurons(&[self.w.gradient()], place, to, pace),
            false => Ok(()),
        }
    }
}
