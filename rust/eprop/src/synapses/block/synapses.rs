//! What a form of the synapses does, by blocks.

use core::ops::Range;

use ndarray::ArrayView2;

use super::Block;
use super::sums::Sum;
use crate::kernels::{self, Finish};
use crate::numbers::aligned::Aligned;
use crate::numbers::gradient::{Late, squared_length};
use crate::numbers::interrupt::{Interrupt, Pace};
use crate::numbers::kinds::Kinds;
use crate::numbers::parameter::Parameter;
use crate::numbers::shared::Shared;
use crate::numbers::step::Step;
use crate::parts::input::Inputs;
use crate::parts::signal::{Backward, Signal};
use crate::parts::sources::Sources;
use crate::synapses::{
    Present, See, Synapses, What, assign_rows, drive_rows, lists, show_rows, squared_lengths,
    take_rows,
};
use crate::{Error, Float};

impl<F: Float> Synapses<F> for Block<F> {
    fn drive(&mut self, sources: &Sources<'_, F>, _: Kinds<bool>, current: &mut [F]) {
        // Not interruptible: it is within a step.
        _ = self.ready(&mut Interrupt::NOBODY.pace());
        if let Some(orders) = &self.orders {
            return lists::drive(&orders.wires, &self.w.rows, sources, current);
        }
        let ahead = self.ahead.take(current.len());
        drive_rows(&self.w.rows, sources, ahead, current);
    }

    fn learn(
        &mut self,
        sources: &Sources<'_, F>,
        psi: &[F],
        signal: Option<Signal<'_, F>>,
        _: Option<Kinds<Step<'_, F>>>,
    ) {
        if let (Some(signal), None) = (&signal, &self.b) {
            self.b = Some(signal.b.hold());
        }
        self.history.push(sources, psi, signal);
        self.steps += 1;
    }

    fn ready(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        if self.is_complete() {
            self.end_block_until(pace)?;
        }
        self.clear_dropped(pace)
    }

    fn settle(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        self.work_off(pace)
    }

    fn length(&mut self, pace: &mut Pace<'_>) -> Result<Kinds<f64>, Error> {
        self.work_off(pace)?;
        match self.w.waits {
            true => squared_lengths(self.w.gradient(), self.cut(), pace),
            false => Ok(Kinds::same(0.0)),
        }
    }

    fn update(&mut self, r: Option<&[F]>, steps: Kinds<Step<'_, F>>) {
        // Some optimizers move on without a step since. Not interruptible: an update reaches all weights.
        _ = self.clear_dropped(&mut Interrupt::NOBODY.pace());
        if let Some(orders) = self.orders.clone() {
            return self.update_lists(&orders, r, steps);
        }
        self.finish_what_began();
        if self.b.is_none() {
            // All of the gradient is known. Where there is none, some optimizers move on nevertheless.
            if self.w.waits || steps.linear().is_none() {
                let steps = steps.split(self.cut());
                let has_part = self.has_part(r);
                let sum = if has_part { &mut *self.sum_e } else { &mut [] };
                self.finite &= self.w.update_with(steps, Late { sum, by: r });
                if !has_part {
                    self.sum_e.fill(F::ZERO);
                }
            }
            return self.mark_used();
        }
        self.take_in_earlier(r);
        // While the weights are in their place.
        let mut scratch = core::mem::take(&mut self.scratch);
        self.credit_unasked(&mut scratch.lanes);
        self.scratch = scratch;
        match steps.linear() {
            // In one pass over the rows.
            Some(eta) => {
                let mut w = core::mem::take(&mut *self.w.rows);
                let g = core::mem::take(&mut self.w.pending);
                let pending = self.w.waits.then_some(&*g);
                self.finite &= self.finish(
                    r,
                    Finish::Descend {
                        eta: (eta.inputs, eta.neurons),
                        pending,
                    },
                    &mut w,
                );
                (*self.w.rows, self.w.pending) = (w, g);
            }
            None => {
                let mut g = core::mem::take(&mut self.w.pending);
                self.finish(r, Finish::Add, &mut g);
                self.w.pending = g;
                self.finite &= self.w.update(steps.split(self.cut()));
                self.sum_e.fill(F::ZERO);
            }
        }
        self.mark_used();
    }

    fn collect(&mut self, r: Option<&[F]>, sum: &mut [F]) {
        _ = self.collect_until(r, sum, &mut Interrupt::NOBODY.pace());
    }

    fn collect_until(
        &mut self,
        r: Option<&[F]>,
        sum: &mut [F],
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        if let Some(orders) = self.orders.clone() {
            return self.collect_lists(&orders, r, sum, pace);
        }
        self.finish_what_began();
        let (sum, of_regulariser) = sum.split_at_mut(self.w.pending.len());
        if self.apart {
            self.add_earlier(r, of_regulariser);
            self.finish_regulariser(r, of_regulariser);
        } else {
            self.take_in_earlier(r);
        }
        if self.w.waits {
            kernels::add_row(F::ONE, &self.w.pending, sum);
        }
        self.finish_until(r.filter(|_| !self.apart), Finish::Add, sum, pace)?;
        self.mark_used();
        Ok(())
    }

    fn whole_length(&mut self, r: Option<&[F]>, pace: &mut Pace<'_>) -> Result<f64, Error> {
        self.work_off(pace)?;
        if !self.w.waits {
            return Ok(0.0);
        }
        if let Some(orders) = &self.orders {
            pace.pass(orders.columns.len())?;
            return Ok(self.length_of_lists(orders, r));
        }
        let by = r.map(|r| (r, self.w.neurons()));
        let late = self.has_part(r).then_some((&*self.sum_e, by));
        squared_length(self.w.gradient(), late, pace)
    }

    fn take_back(&mut self, sum: &mut Aligned<F>) {
        // The gradient is written whole.
        if core::mem::take(&mut self.dropped) {
            self.sum_e.fill(F::ZERO);
        }
        if let Some(orders) = self.orders.clone() {
            return self.take_back_lists(&orders, sum);
        }
        if !self.apart {
            return self.w.take_back(sum);
        }
        let of_stream = self.history.has_r().then_some(&mut self.sum_e[..]);
        self.w.take_back_parts(sum, of_stream);
    }

    fn look_ahead(&mut self, inputs: Inputs<'_, F>, t: usize) {
        if !self.ahead.is_known() && self.orders.is_none() {
            let stride = self.sizes().stride;
            self.ahead.look(inputs, t, &self.w.rows, stride);
        }
    }

    fn forget_ahead(&mut self) {
        self.ahead.forget();
    }

    fn flush(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        // Nothing else of a block goes through `B`.
        match self.b.is_some() {
            true => self.end_block_until(pace),
            false => Ok(()),
        }
    }

    fn hold(&mut self, b: Backward<'_, F>) {
        if !self.used && self.worked < self.sizes().stride && self.history.taught() {
            self.b = Some(b.hold());
        }
    }

    fn read(
        &self,
        what: What,
        sources: Range<usize>,
        pace: &mut Pace<'_>,
        see: See<'_, F>,
    ) -> Result<(), Error> {
        if let Some(orders) = &self.orders {
            return self.show_lists(orders, what, sources, pace, see);
        }
        let sizes = self.sizes();
        let shape = (sizes.stride, sizes.n);
        if what == What::Weight {
            show_rows(&self.w.rows, shape, sources, pace, see)
        } else {
            self.show_traces(&self.e_bar, Sum::Traces, sources, pace, see)
        }
    }

    fn present(&self) -> Result<Present<F>, Error> {
        Ok(Present::default())
    }

    fn send(&self, sources: &Sources<'_, F>, _: &mut Present<F>, current: &mut [F]) {
        match &self.orders {
            None => drive_rows(&self.w.rows, sources, None, current),
            Some(orders) => lists::drive(&orders.wires, &self.w.rows, sources, current),
        }
    }

    fn assign(
        &mut self,
        first_source: usize,
        w: ArrayView2<'_, F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        let (rows, stride) = (&mut self.w.rows[..], self.history.sizes.stride);
        let assigned = match &self.orders {
            None => assign_rows(rows, stride, first_source, w, pace),
            Some(orders) => lists::assign(&orders.wires, rows.into(), first_source, w, pace),
        };
        self.finite = kernels::all_finite(&self.w.rows);
        assigned
    }

    fn take(
        &mut self,
        first_source: usize,
        g: ArrayView2<'_, F>,
        step: Step<'_, F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        let stride = self.sizes().stride;
        match &self.orders {
            None => take_rows(&mut self.w, stride, first_source, g, step, pace)?,
            Some(orders) => lists::take(&orders.wires, &mut self.w, first_source, g, step, pace)?,
        }
        self.finite &= kernels::all_finite(&self.w.rows);
        Ok(())
    }

    fn first_rows(&mut self) -> &mut [F] {
        &mut self.w.rows
    }

    fn z_bar(&self, see: &mut dyn FnMut(F)) {
        let (mut x_bar, mut z_bar) = (self.x_bar.clone(), self.z_bar.clone());
        self.history
            .advance(self.filters_of_sources(), &mut x_bar, &mut z_bar);
        z_bar.into_iter().for_each(see);
    }

    fn z_bar_rows(&self, pace: &mut Pace<'_>, see: See<'_, F>) -> Result<(), Error> {
        let sources = 0..self.sizes().sources();
        match (self.z_bar_rows.is_empty(), &self.orders) {
            (true, _) => Ok(()),
            (false, Some(orders)) => {
                self.show_traces_of_lists(orders, Sum::Membranes, sources, pace, see)
            }
            (false, None) => self.show_traces(&self.z_bar_rows, Sum::Membranes, sources, pace, see),
        }
    }

    fn finite(&mut self) -> bool {
        self.finite
    }

    /// Takes no pass over the synapses, however many there are.
    fn reset(&mut self) {
        self.clear_history();
        self.b = None;
        self.steps = 0;
        self.x_bar.fill(F::ZERO);
        self.z_bar.fill(F::ZERO);
        self.carried = false;
        self.drop_gradient();
    }

    fn parameter(&mut self) -> Option<&mut Parameter<F>> {
        Some(&mut self.w)
    }

    fn shared(&self) -> Option<Shared<F>> {
        Some(self.w.rows.share())
    }

    fn changed(&mut self, finite: bool) {
        self.finite = finite;
    }

    /// A block that is complete, of which more or less may have been worked off.
    fn catch_up(&mut self) {
        if self.is_complete() {
            self.end_block();
        }
    }
}
