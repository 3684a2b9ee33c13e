//! The block form: while the weights rest, a step only writes down what happened; the block is worked off as a whole,
//! one row addition per spike. Nothing is approximated. DESIGN.md derives it.

mod ahead;
mod credit;
mod ends;
mod formed;
mod history;
mod listed;
mod scratch;
mod sums;
mod synapses;

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Filters;
use super::adaptation::Adaptation;
use super::membranes::{Membranes, Traces};
use crate::kernels;
use crate::numbers::aligned::Aligned;
use crate::numbers::parameter::{Keeps, Parameter};
use crate::numbers::room::Room;
use crate::numbers::shared::Shared;
use crate::numbers::walk::{first, parts};
use crate::numbers::wires::Wires;
use crate::options::Config;
use crate::options::plan::Plan;
use crate::parts::signal::Held;
use crate::{Error, Float};
use ahead::{AHEAD, Ahead};
use credit::Credit;
use history::{History, Sizes};
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
    /// Columns already folded into `pending` and `e_bar`; an end of a block that was interrupted goes on there.
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
    /// The gradient is 0; `pending` and `sum_e` still hold old numbers until the next `ready`.
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

    /// The numbers of synapses from inputs.
    fn cut(&self) -> usize {
        let n_inputs = self.sizes().n_inputs;
        match &self.orders {
            None => n_inputs * self.sizes().stride,
            Some(orders) => orders.wires.count(0..n_inputs),
        }
    }

    pub(super) fn share_weights(&mut self, first: &Self) {
        self.w.rows = first.w.rows.share();
        self.finite = first.finite;
    }

    /// Buffers of which nothing outlives a call: streams that take turns need them once.
    pub(super) fn scratch(&mut self) -> &mut Scratch<F> {
        &mut self.scratch
    }
}

#[cfg(test)]
mod tests;
