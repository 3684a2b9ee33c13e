//! The textbook recursion: every synapse's trace, at every step. Slow, literal, and the oracle of every faster form. Rows have a place for each neuron, or are as
//! long as the lists of their sources.

mod formed;
mod rows;

use alloc::sync::Arc;
use core::ops::Range;

use ndarray::ArrayView2;

use super::adaptation::Adaptation;
use super::form::Formed;
use super::membranes::{Membranes, Traces};
use super::{
    Filters, Present, See, Synapses, What, assign_rows, drive_rows, lists, show_rows, show_silence,
    squared_lengths, take_rows,
};
use crate::kernels;
use crate::numbers::aligned::Aligned;
use crate::numbers::gradient::{Late, squared_length};
use crate::numbers::interrupt::Pace;
use crate::numbers::kinds::Kinds;
use crate::numbers::parameter::{Keeps, Parameter};
use crate::numbers::room::Room;
use crate::numbers::shared::Shared;
use crate::numbers::step::Step;
use crate::numbers::walk::{first, parts};
use crate::numbers::wires::Wires;
use crate::options::Config;
use crate::options::plan::Plan;
use crate::parts::signal::Signal;
use crate::parts::sources::Sources;
use crate::{Error, Float};
use rows::{OfNeurons, Reached};

/// Each row is looked over for faded traces once in so many steps: between 1e-30 and the first subnormal number lie
/// 18 time constants, and the look costs a fifth of a step.
const ROWS_PER_LOOK: u64 = 16;

/// Weights with the gradient that waits, `z_bar`, `e_bar` and, where it is needed, `sum_t e`.
///
/// Before the first step since `reset`, traces of synapses may hold anything, and so may a gradient that does not wait: that step clears them, row by row as it
/// comes to them, and a reset has nothing to pass over.
#[derive(Debug)]
pub(crate) struct Textbook<F> {
    n: usize,
    first_recurrent: usize,
    stride: usize,
    filters: Filters<F>,
    membranes: Option<Membranes<F>>,
    /// Nothing waits where every step's gradient is applied at once.
    w: Parameter<F>,
    traces: Traces<F>,
    e_bar: Aligned<F>,
    /// Steps since `reset`, for whose turn it is to be looked over.
    steps: u64,
    /// `sum_t e`, or the stream's `sum_t r e` where it is kept apart; empty without either.
    sum_e: Aligned<F>,
    /// Whether the regulariser's part of the gradient is kept apart, and whether that is a stream's.
    apart: bool,
    of_stream: bool,
    /// The coefficients of a step on raw traces.
    of_raw: Aligned<F>,
    adaptation: Option<Adaptation<F>>,
    /// As it enters the next step; empty where no neuron adapts.
    eps_a: Aligned<F>,
    /// `e` of one source; empty where it is `z_bar psi`, with a number for `z_bar`.
    e: Aligned<F>,
    /// Where not all synapses exist.
    wires: Option<Arc<Wires>>,
    /// Where rows are lists of those that do.
    reached: Option<Reached<F>>,
    /// Whether they move: then a source has a `z_bar` in every neuron, for a synapse that comes.
    moves: bool,
}

parts!(Textbook {
    Counter: [steps],
    Weight: [w],
    State: [
        traces,
        e_bar(|this: &Self| first(if this.is_silent() {
            0
        } else {
            this.e_bar.len()
        })),
        sum_e(|this: &Self| first(if this.w.waits { this.sum_e.len() } else { 0 })),
        eps_a(|this: &Self| first(if this.is_silent() {
            0
        } else {
            this.eps_a.len()
        })),
    ],
    Scratch: [of_raw, adaptation, membranes, e, reached],
});

impl<F: Float> Textbook<F> {
    pub(crate) fn new(
        room: &mut Room,
        plan: &Plan,
        config: &Config,
        first: Option<&Shared<F>>,
    ) -> Result<Self, Error> {
        let (p, stride) = (plan.sizes.sources(), plan.stride::<F>());
        let keeps = Keeps {
            pending: !plan.at_once,
            moments: config.optimizer.n_moments(),
        };
        let adaptation = Adaptation::of(room, plan.sizes.n, config)?;
        let membranes = Membranes::of(room, plan.sizes.n, config)?;
        let adapts = adaptation.is_some();
        let differ = membranes.as_ref().is_some_and(|one| one.differ);
        let of_stream = plan.apart && plan.streamed_regulariser;
        // What has a number for each synapse, and for each of one source.
        let ((rows, width), longest) = match plan.listed() {
            None => ((p, stride), stride),
            // Lists that change may become as long as there are neurons.
            Some(wires) if plan.rewires => ((1, wires.len()), plan.sizes.n),
            Some(wires) => ((1, wires.len()), wires.longest()),
        };
        let w = Parameter::new(room, (rows, width), keeps, first)?;
        Ok(Self {
            n: plan.sizes.n,
            first_recurrent: plan.sizes.n_inputs,
            stride,
            adaptation,
            eps_a: room.zeros(if adapts { rows } else { 0 }, width)?,
            e: room.zeros(usize::from(adapts || differ), longest)?,
            filters: Filters::of(config),
            w: match plan.listed() {
                None => w.signed(plan.clipped.as_ref()),
                Some(wires) => w.listed(plan.clipped.as_ref(), wires),
            },
            traces: Traces::new(room, membranes.as_ref(), p, (rows, width))?,
            membranes,
            e_bar: room.zeros(rows, width)?,
            steps: 0,
            sum_e: room.zeros(if plan.sums_raw_traces() { rows } else { 0 }, width)?,
            apart: plan.apart,
            of_stream,
            of_raw: room.zeros(usize::from(of_stream), longest)?,
            wires: plan.wires.clone(),
            reached: match plan.is_listed {
                true => {
                    let has_r = plan.streamed_regulariser;
                    Some(Reached::new(room, longest, adapts, has_r)?)
                }
                false => None,
            },
            moves: plan.rewires,
        })
    }

    /// The synapses, where rows are lists of them.
    fn listed(&self) -> Option<&Wires> {
        self.wires.as_deref().filter(|_| self.reached.is_some())
    }

    /// Whether there has been no step since `reset`.
    fn is_silent(&self) -> bool {
        self.steps == 0
    }

    /// Whether the numbers of the gradient may be anything: of one that was dropped.
    fn is_dropped(&self) -> bool {
        self.is_silent() && !self.w.waits
    }

    /// Adds the regulariser's part to a gradient: `r sum_t e`, or the sum that a stream has made of it. It has been used then.
    fn add_regulariser(&mut self, r: Option<&[F]>, to: &mut [F]) {
        match (r, self.listed()) {
            (None, _) if !self.of_stream => {}
            (_, Some(wires)) => lists::add_raw(wires, r, &self.sum_e, to),
            (Some(r), None) => kernels::add_scaled_rows_by(r, &self.sum_e, to),
            (None, None) => kernels::add_row(F::ONE, &self.sum_e, to),
        }
        self.sum_e.fill(F::ZERO);
    }

    /// Makes the pending gradient whole. It has to be used then.
    fn complete(&mut self, r: Option<&[F]>) {
        if self.sum_e.is_empty() {
            return;
        }
        let mut pending = core::mem::take(&mut self.w.pending);
        self.add_regulariser(r, &mut pending);
        self.w.pending = pending;
    }

    /// Whether `sum_e` is a part of the gradient, where the sequence's coefficients are these.
    fn has_part(&self, r: Option<&[F]>) -> bool {
        !self.sum_e.is_empty() && (r.is_some() || self.of_stream)
    }

    pub(super) fn share_weights(&mut self, first: &Self) {
        self.w.rows = first.w.rows.share();
    }

    /// The numbers in the rows of inputs.
    fn cut(&self) -> usize {
        match self.listed() {
            None => self.first_recurrent * self.stride,
            Some(wires) => wires.count(0..self.first_recurrent),
        }
    }
}

impl<F: Float> Synapses<F> for Textbook<F> {
    fn drive(&mut self, sources: &Sources<'_, F>, _: Kinds<bool>, current: &mut [F]) {
        self.send(sources, &mut Present::default(), current);
        let Filters { alpha, zeta, .. } = self.filters;
        let listed = self.wires.as_deref().filter(|_| self.reached.is_some());
        self.traces
            .step((alpha, zeta), self.membranes.as_ref(), listed, sources);
    }

    fn learn(
        &mut self,
        _: &Sources<'_, F>,
        psi: &[F],
        signal: Option<Signal<'_, F>>,
        at_once: Option<Kinds<Step<'_, F>>>,
    ) {
        let (adaptation, mut reached) = (self.adaptation.take(), self.reached.take());
        let wires = self.wires.clone();
        let all = OfNeurons {
            psi,
            l: signal.map_or(&[], |signal| signal.l),
            r: signal.and_then(|signal| signal.r).unwrap_or(&[]),
            adapting: adaptation.as_ref().map(Adaptation::whole),
        };
        let step = self.begin(all, at_once, signal.is_some(), reached.is_some());
        for i in 0..self.first_recurrent + self.n {
            let (at, here) = match (&wires, &mut reached) {
                (Some(wires), Some(reached)) => {
                    (wires.row(i), reached.gather(wires.targets(i), all))
                }
                _ => (i * self.stride..(i + 1) * self.stride, all),
            };
            let looks = (i as u64 + self.steps) % ROWS_PER_LOOK == 0;
            let mut row = self.row_mut(i, at, &step);
            row.clear_old(&step);
            row.learn(here, &step);
            if looks {
                row.silence();
            }
            if !step.is_listed {
                row.clear_missing(wires.as_deref(), &step);
            }
        }
        (self.adaptation, self.reached) = (adaptation, reached);
    }

    fn length(&mut self, pace: &mut Pace<'_>) -> Result<Kinds<f64>, Error> {
        match self.w.waits {
            true => squared_lengths(self.w.gradient(), self.cut(), pace),
            false => Ok(Kinds::same(0.0)),
        }
    }

    fn update(&mut self, r: Option<&[F]>, steps: Kinds<Step<'_, F>>) {
        if !self.w.waits && steps.linear().is_some() {
            return;
        }
        if self.is_dropped() {
            self.w.pending.fill(F::ZERO);
            self.sum_e.fill(F::ZERO);
        }
        let steps = steps.split(self.cut());
        let sum = match self.has_part(r) {
            true => &mut *self.sum_e,
            false => &mut [],
        };
        self.w.update_with(steps, Late { sum, by: r });
    }

    fn collect(&mut self, r: Option<&[F]>, sum: &mut [F]) {
        if !self.w.waits {
            return;
        }
        let (sum, of_regulariser) = sum.split_at_mut(self.w.pending.len());
        if self.apart {
            self.add_regulariser(r, of_regulariser);
        } else {
            self.complete(r);
        }
        kernels::add_row(F::ONE, &self.w.pending, sum);
        self.w.drop_gradient();
    }

    fn whole_length(&mut self, r: Option<&[F]>, pace: &mut Pace<'_>) -> Result<f64, Error> {
        if !self.w.waits {
            return Ok(0.0);
        }
        let by = r.map(|r| (r, self.w.neurons()));
        let late = self.has_part(r).then_some((&*self.sum_e, by));
        squared_length(self.w.gradient(), late, pace)
    }

    fn take_back(&mut self, sum: &mut Aligned<F>) {
        // The gradient is written whole.
        if self.is_dropped() {
            self.sum_e.fill(F::ZERO);
        }
        if !self.apart {
            return self.w.take_back(sum);
        }
        let of_stream = self.of_stream.then_some(&mut self.sum_e[..]);
        self.w.take_back_parts(sum, of_stream);
    }

    fn read(
        &self,
        what: What,
        sources: Range<usize>,
        pace: &mut Pace<'_>,
        see: See<'_, F>,
    ) -> Result<(), Error> {
        let rows = match what {
            What::Weight => &*self.w.rows,
            What::Eligibility if self.is_silent() => {
                return show_silence(self.n, sources, pace, see);
            }
            What::Eligibility => &self.e_bar,
        };
        match self.listed() {
            None => show_rows(rows, (self.stride, self.n), sources, pace, see),
            Some(wires) => lists::show(wires, rows, sources, pace, see),
        }
    }

    fn present(&self) -> Result<Present<F>, Error> {
        Ok(Present::default())
    }

    fn send(&self, sources: &Sources<'_, F>, _: &mut Present<F>, current: &mut [F]) {
        match self.listed() {
            None => drive_rows(&self.w.rows, sources, None, current),
            Some(wires) => lists::drive(wires, &self.w.rows, sources, current),
        }
    }

    fn assign(
        &mut self,
        first_source: usize,
        w: ArrayView2<'_, F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        match (&self.wires, self.is_listed()) {
            (Some(wires), true) => {
                lists::assign(wires, self.w.weights_mut(), first_source, w, pace)
            }
            _ => assign_rows(&mut self.w.rows, self.stride, first_source, w, pace),
        }
    }

    fn take(
        &mut self,
        first_source: usize,
        g: ArrayView2<'_, F>,
        step: Step<'_, F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        match (&self.wires, self.is_listed()) {
            (Some(wires), true) => lists::take(wires, &mut self.w, first_source, g, step, pace),
            _ => take_rows(&mut self.w, self.stride, first_source, g, step, pace),
        }
    }

    fn first_rows(&mut self) -> &mut [F] {
        &mut self.w.rows
    }

    fn z_bar(&self, see: &mut dyn FnMut(F)) {
        self.traces.z_bar.iter().for_each(|&z_bar| see(z_bar));
    }

    fn z_bar_rows(&self, pace: &mut Pace<'_>, see: See<'_, F>) -> Result<(), Error> {
        if self.traces.rows.is_empty() {
            return Ok(());
        }
        let all = 0..self.first_recurrent + self.n;
        match (self.traces.silent, self.listed()) {
            (true, _) => show_silence(self.n, all, pace, see),
            (false, None) => show_rows(&self.traces.rows, (self.stride, self.n), all, pace, see),
            (false, Some(wires)) => lists::show(wires, &self.traces.rows, all, pace, see),
        }
    }

    fn finite(&mut self) -> bool {
        kernels::all_finite(&self.w.rows)
    }

    /// Takes no pass over the synapses, however many there are.
    fn reset(&mut self) {
        self.traces.reset();
        self.steps = 0;
        self.w.waits = false;
    }

    fn parameter(&mut self) -> Option<&mut Parameter<F>> {
        Some(&mut self.w)
    }

    fn shared(&self) -> Option<Shared<F>> {
        Some(self.w.rows.share())
    }

    fn changed(&mut self, _: bool) {}
}

#[cfg(test)]
mod tests;
