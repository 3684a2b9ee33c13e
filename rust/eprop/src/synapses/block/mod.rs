//! The block form: while the weights rest, a step only writes down what happened; the block is worked off as a whole,
//! one row addition per spike. Nothing is approximated. DESIGN.md derives it.

mod ahead;
mod credit;
mod formed;
mod history;
mod listed;
mod scratch;
mod sums;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use ndarray::ArrayView2;

use super::adaptation::Adaptation;
use super::membranes::{Membranes, Traces};
use super::{
    Filters, Present, See, Synapses, What, assign_rows, drive_rows, lists, show_rows,
    squared_lengths, take_rows,
};
use crate::kernels::{self, Finish};
use crate::numbers::aligned::Aligned;
use crate::numbers::gradient::{Late, squared_length};
use crate::numbers::interrupt::{Interrupt, Pace};
use crate::numbers::kinds::Kinds;
use crate::numbers::parameter::{Keeps, Parameter};
use crate::numbers::room::Room;
use crate::numbers::shared::Shared;
use crate::numbers::step::Step;
use crate::numbers::walk::{first, parts};
use crate::numbers::wires::Wires;
use crate::options::Config;
use crate::options::plan::Plan;
use crate::parts::input::Inputs;
use crate::parts::signal::{Backward, Held, Signal};
use crate::parts::sources::Sources;
use crate::{Error, Float};
use ahead::{AHEAD, Ahead};
use credit::Credit;
use history::{History, Sizes, tiles};
use listed::Orders;
pub(super) use scratch::Scratch;
use sums::Sum;

/// Weights, what earlier blocks left, and the history of this one.
#[derive(Debug)]
pub(crate) struct Block<F> {
    filters: Filters<F>,
    /// With the gradient of earlier blocks.
    w: Parameter<F>,
    finite: bool,
    history: History<F>,
    /// Whether the history's gradient has been used already.
    used: bool,
    /// `B` at the steps of learning in the history whose gradient has not been used.
    b: Option<Held<F>>,
    /// The columns of the history whose gradient has joined what earlier blocks left, and those whose `e_bar` is that of its end: whoever was stopped in between
    /// goes on there, before another step joins the history.
    worked: usize,
    traced: usize,
    /// Steps since `reset`.
    steps: u64,
    /// Steps through which credit flows back through recurrent spikes, and that credit.
    horizon: u64,
    /// Blocks begin at multiples of so many steps.
    aligned_to: u64,
    credit: Credit<F>,
    membranes: Option<Membranes<F>>,
    /// The traces at the start of the block, and whether they are not 0: of sources; where neurons differ, `z_bar` is a matrix; of synapses. Matrices of them may hold anything
    /// where they are 0: a reset has nothing to clear.
    x_bar: Vec<F>,
    z_bar: Vec<F>,
    z_bar_rows: Aligned<F>,
    e_bar: Aligned<F>,
    carried: bool,
    adaptation: Option<Adaptation<F>>,
    /// `eps_a` at the start of the block; empty where no neuron adapts.
    eps_a: Aligned<F>,
    /// `sum_t e` of earlier blocks, or the stream's `sum_t r e` where it is kept apart; empty without either.
    sum_e: Aligned<F>,
    /// Whether the numbers of a gradient that is 0 by now are still to be cleared, its `sum_e` included: before the next step, where it can be stopped.
    dropped: bool,
    /// Whether the regulariser's part of the gradient is kept apart.
    apart: bool,
    scratch: Scratch<F>,
    ahead: Ahead<F>,
    /// Where not all synapses exist.
    wires: Option<Arc<Wires>>,
    /// Whether they move: then a source has a `z_bar` in every neuron, for a synapse that comes.
    moves: bool,
    /// Where synapses are listed.
    orders: Option<Orders>,
}

// A gradient and traces that are 0 are not looked at, so not saved.
parts!(Block {
    Counter: [steps],
    Mark: [used, carried, worked, traced],
    Weight: [w],
    State: [
        history,
        x_bar(|this: &Self| first(if this.carried { this.x_bar.len() } else { 0 })),
        z_bar(|this: &Self| first(if this.carried { this.z_bar.len() } else { 0 })),
        z_bar_rows(|this: &Self| first(if this.carried || this.traced > 0 { this.z_bar_rows.len() } else { 0 })),
        e_bar(|this: &Self| first(if this.carried || this.traced > 0 { this.e_bar.len() } else { 0 })),
        eps_a(|this: &Self| first(if this.carried || this.traced > 0 { this.eps_a.len() } else { 0 })),
        sum_e(|this: &Self| first(if this.w.waits { this.sum_e.len() } else { 0 })),
    ],
    Scratch: [credit, scratch, ahead, adaptation, membranes],
} then Self::loaded);

impl<F: Float> Block<F> {
    pub(crate) fn new(
        room: &mut Room,
        plan: &Plan,
        config: &Config,
        first: Option<&Shared<F>>,
    ) -> Result<Self, Error> {
        let sizes = Sizes::of::<F>(plan);
        let p = sizes.sources();
        let orders = Orders::of(plan);
        let (rows, width) = match &orders {
            None => (p, sizes.stride),
            Some(orders) => (1, orders.columns.len()),
        };
        let keeps = Keeps {
            pending: true,
            moments: config.optimizer.n_moments(),
        };
        let filters = Filters::of(config);
        let membranes = Membranes::of(room, plan.sizes.n, config)?;
        let Traces { x_bar, z_bar, .. } = Traces::new(room, membranes.as_ref(), p, (0, 0))?;
        let differ = membranes.as_ref().is_some_and(|membranes| membranes.differ);
        let w = Parameter::new(room, (rows, width), keeps, first)?;
        let gain = match membranes {
            None => F::cast(config.recurrent_gain) * filters.zeta,
            // Each neuron has its own zeta.
            Some(_) => F::cast(config.recurrent_gain),
        };
        let adaptation = Adaptation::of(room, plan.sizes.n, config)?;
        Ok(Self {
            eps_a: room.zeros(if adaptation.is_some() { rows } else { 0 }, width)?,
            adaptation,
            filters,
            w: match &orders {
                None => w.signed(plan.clipped.as_ref()),
                Some(orders) => w.listed(plan.clipped.as_ref(), &orders.wires),
            },
            finite: true,
            history: History::new(room, sizes)?,
            used: false,
            b: None,
            worked: 0,
            traced: 0,
            steps: 0,
            horizon: plan.horizon.steps() as u64,
            aligned_to: plan.block.max(1) as u64,
            credit: Credit::new(room, &sizes, gain)?,
            membranes,
            x_bar,
            z_bar,
            z_bar_rows: room.zeros(if differ { rows } else { 0 }, width)?,
            e_bar: room.zeros(rows, width)?,
            carried: false,
            sum_e: room.zeros(if plan.sums_raw_traces() { rows } else { 0 }, width)?,
            dropped: false,
            apart: plan.apart,
            scratch: room.scratch(|room| Scratch::new(room, &sizes))?,
            ahead: Ahead::new(room, if orders.is_none() { AHEAD } else { 0 }, sizes.stride)?,
            wires: plan.wires.clone().filter(|_| orders.is_none()),
            moves: plan.rewires,
            orders,
        })
    }

    fn loaded(&mut self) -> Result<(), Error> {
        let furthest = self.worked.max(self.traced);
        if furthest > self.sizes().stride || furthest > 0 && self.history.len == 0 {
            return Err(Error::State {
                reason: "a block that was worked off further than it goes".into(),
            });
        }
        // A gradient that waits was written whole.
        self.dropped &= !self.w.waits;
        self.credit.forget();
        self.credit.fit(&self.history.sizes)?;
        self.finite = kernels::all_finite(&self.w.rows);
        Ok(())
    }

    fn sizes(&self) -> Sizes {
        self.history.sizes
    }

    /// Whether the next step begins a block: at every multiple of its length since `reset`, and where not everything would fit that may have to.
    fn is_full(&self) -> bool {
        let whole = self.sizes().whole;
        let aligned = self.steps % self.aligned_to == 0;
        let ends = aligned || !self.history.has_room_for(whole);
        // What an interrupted update leaves behind may be longer than a horizon that weights were to rest for.
        ends && self.is_between_horizons() || !self.history.has_room()
    }

    /// The numbers of synapses from inputs.
    fn cut(&self) -> usize {
        let n_inputs = self.sizes().n_inputs;
        match &self.orders {
            None => n_inputs * self.sizes().stride,
            Some(orders) => orders.wires.count(0..n_inputs),
        }
    }

    /// Whether the next step starts a block.
    pub(super) fn is_complete(&self) -> bool {
        self.history.len > 0 && (self.used || self.worked > 0 || self.is_full())
    }

    /// Works the history off: gradient and traces as they are at its end. The next step starts a block.
    fn end_block(&mut self) {
        // Nobody stops it.
        _ = self.end_block_until(&mut Interrupt::NOBODY.pace());
    }

    /// As [`end_block`](Self::end_block), unless it is stopped between two tiles: whoever works it off later goes on there, with the same bits.
    fn end_block_until(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        if self.history.len == 0 {
            return Ok(());
        }
        match self.orders.clone() {
            None => {
                self.work_off(pace)?;
                self.trace(pace)?;
            }
            Some(orders) => self.work_off_lists(&orders, true, pace)?,
        }
        self.carried = true;
        let filters = self.filters_of_sources();
        self.history
            .advance(filters, &mut self.x_bar, &mut self.z_bar);
        self.clear_history();
        Ok(())
    }

    /// alpha, zeta, sigma.
    fn filters_of_sources(&self) -> (F, F, F) {
        let Filters { alpha, zeta, .. } = self.filters;
        let sigma = self.membranes.as_ref().map_or(F::ZERO, |one| one.sigma);
        (alpha, zeta, sigma)
    }

    /// The gradient that waits is 0 from now on.
    fn drop_gradient(&mut self) {
        self.dropped |= core::mem::take(&mut self.w.waits);
    }

    /// Clears the numbers of a gradient that was dropped, unless it is stopped: then all of them once more, the next time.
    fn clear_dropped(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        if !self.dropped {
            return Ok(());
        }
        for numbers in [&mut self.w.pending, &mut self.sum_e] {
            for piece in pace.pieces(numbers.len()) {
                pace.pass(piece.len())?;
                numbers[piece].fill(F::ZERO);
            }
        }
        self.dropped = false;
        Ok(())
    }

    fn clear_history(&mut self) {
        self.history.clear();
        self.credit.forget();
        self.used = false;
        (self.worked, self.traced) = (0, 0);
    }

    /// The gradient of the history joins what earlier blocks left.
    fn work_off(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        if let Some(orders) = self.orders.clone() {
            return self.work_off_lists(&orders, false, pace);
        }
        let mut scratch = core::mem::take(&mut self.scratch);
        let credited = self.credit_alone(&mut scratch.lanes, pace);
        let b = match credited {
            Ok(()) => self.b.take(),
            Err(_) => None,
        };
        let Some(b) = b else {
            self.scratch = scratch;
            return credited;
        };
        let mut g = core::mem::take(&mut self.w.pending);
        let mut sum_e = core::mem::take(&mut self.sum_e);
        let of_loss = Sum::Gradient { b: &b, r: None };
        let of_raw = match self.history.has_r() {
            true => Sum::Regulariser { r: None },
            false => Sum::RawTraces,
        };
        self.history.sort(&mut scratch.sorted);
        self.begin(of_loss, &mut scratch);
        self.begin(of_raw, &mut scratch);
        let mut going_on = Ok(());
        for tile in self.tiles_from(self.worked) {
            self.tile_of(tile, of_loss, Finish::Add, &mut scratch, &mut g);
            if !sum_e.is_empty() {
                self.tile_of(tile, of_raw, Finish::Add, &mut scratch, &mut sum_e);
            }
            self.worked = tile.0 + tile.1;
            going_on = self.pass(tile, pace);
            if going_on.is_err() {
                break;
            }
        }
        self.w.pending = g;
        self.w.waits = true;
        self.sum_e = sum_e;
        self.scratch = scratch;
        if self.worked < self.sizes().stride {
            self.b = Some(b);
        }
        going_on
    }

    /// `e_bar`, and `eps_a`, become those of the history's end.
    fn trace(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        let mut scratch = core::mem::take(&mut self.scratch);
        let mut e_bar = core::mem::take(&mut self.e_bar);
        self.history.sort(&mut scratch.sorted);
        self.begin(Sum::Traces, &mut scratch);
        let mut going_on = Ok(());
        for tile in self.tiles_from(self.traced) {
            self.tile_of(tile, Sum::Traces, Finish::Replace, &mut scratch, &mut e_bar);
            if self.adaptation.is_some() {
                // After e_bar, which is made of the old one.
                let mut eps_a = core::mem::take(&mut self.eps_a);
                self.tile_of(
                    tile,
                    Sum::Adaptation,
                    Finish::Replace,
                    &mut scratch,
                    &mut eps_a,
                );
                self.eps_a = eps_a;
            }
            if !self.z_bar_rows.is_empty() {
                // After both.
                let mut z_bar = core::mem::take(&mut self.z_bar_rows);
                self.tile_of(
                    tile,
                    Sum::Membranes,
                    Finish::Replace,
                    &mut scratch,
                    &mut z_bar,
                );
                self.z_bar_rows = z_bar;
            }
            self.traced = tile.0 + tile.1;
            going_on = self.pass(tile, pace);
            if going_on.is_err() {
                break;
            }
        }
        self.e_bar = e_bar;
        self.scratch = scratch;
        going_on
    }

    /// Tiles from a column on.
    fn tiles_from(&self, from: usize) -> impl Iterator<Item = (usize, usize)> + use<F> {
        tiles::<F>(self.sizes().stride).filter(move |&(column, _)| column >= from)
    }

    fn pass(&self, (_, width): (usize, usize), pace: &mut Pace<'_>) -> Result<(), Error> {
        pace.pass(width.saturating_mul(self.sizes().sources()))
    }

    /// The gradient up to here has been used.
    fn mark_used(&mut self) {
        self.drop_gradient();
        self.b = None;
        self.worked = 0;
        self.used = self.history.len > 0;
    }

    pub(super) fn share_weights(&mut self, first: &Self) {
        self.w.rows = first.w.rows.share();
        self.finite = first.finite;
    }

    /// Buffers of which nothing outlives a call: streams that take turns need them once.
    pub(super) fn scratch(&mut self) -> &mut Scratch<F> {
        &mut self.scratch
    }

    /// The rest of what somebody stopped in the middle.
    fn finish_what_began(&mut self) {
        if self.worked > 0 {
            // Nobody stops it.
            _ = self.work_off(&mut Interrupt::NOBODY.pace());
        }
    }

    /// Adds the regulariser's part of earlier blocks to a gradient.
    fn add_earlier(&self, r: Option<&[F]>, to: &mut [F]) {
        match r {
            _ if !self.has_part(r) => {}
            Some(r) => match &self.orders {
                None => kernels::add_scaled_rows_by(r, &self.sum_e, to),
                Some(orders) => orders.add_scaled_by(r, &self.sum_e, to),
            },
            None => kernels::add_row(F::ONE, &self.sum_e, to),
        }
    }

    /// Whether `sum_e` is a part of the gradient, where the sequence's coefficients are these.
    fn has_part(&self, r: Option<&[F]>) -> bool {
        self.w.waits && !self.sum_e.is_empty() && (r.is_some() || self.history.has_r())
    }

    fn take_in_earlier(&mut self, r: Option<&[F]>) {
        let mut g = core::mem::take(&mut self.w.pending);
        self.add_earlier(r, &mut g);
        self.w.pending = g;
    }

    /// Works the gradient of the history off, if it waits: sums that `finish` adds to a matrix, or takes a step with.
    fn finish(&mut self, r: Option<&[F]>, finish: Finish<'_, F>, to: &mut [F]) -> bool {
        let nobody = &mut Interrupt::NOBODY.pace();
        self.finish_until(r, finish, to, nobody).unwrap_or(false)
    }

    /// As [`finish`](Self::finish), unless it is stopped: then the gradient of the history is lost.
    fn finish_until(
        &mut self,
        r: Option<&[F]>,
        finish: Finish<'_, F>,
        to: &mut [F],
        pace: &mut Pace<'_>,
    ) -> Result<bool, Error> {
        let mut scratch = core::mem::take(&mut self.scratch);
        let credited = self.credit_alone(&mut scratch.lanes, pace);
        let b = self.b.take().filter(|_| credited.is_ok());
        let Some(b) = b else {
            self.scratch = scratch;
            return credited.map(|()| true);
        };
        self.history.sort(&mut scratch.sorted);
        let of_loss = Sum::Gradient { b: &b, r };
        let finite = self.sum_until(of_loss, finish, &mut scratch, to, pace);
        self.scratch = scratch;
        finite
    }

    /// Works the regulariser's part of the history off, if the gradient waits.
    fn finish_regulariser(&mut self, r: Option<&[F]>, to: &mut [F]) {
        if self.b.is_none() {
            return;
        }
        let mut scratch = core::mem::take(&mut self.scratch);
        self.credit_unasked(&mut scratch.lanes);
        self.history.sort(&mut scratch.sorted);
        self.sum(Sum::Regulariser { r }, Finish::Add, &mut scratch, to);
        self.scratch = scratch;
    }
}

impl<F: Float> Synapses<F> for Block<F> {
    fn drive(&mut self, sources: &Sources<'_, F>, _: Kinds<bool>, current: &mut [F]) {
        // Nobody stops it here, within a step.
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
        // Nobody stops it. Without a step since, some optimizers move on nevertheless.
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
        // Nobody stops it.
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

#[cfg(test)]
mod tests;
