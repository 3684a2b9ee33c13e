//! The factored form of synapses that are listed: rows are as long as the lists of their sources, and the numbers of a neuron lie side by side.
//!
//! The equations are those of `factored/`. Where weights take every step, `A` and `C` are the rows. Where they rest, W is read as it is, and the gradient that waits is the matrix in
//! factors, `dE/dW = G + S C + T zt`: the same with `G = -A` and a rate of 1, for as many base blocks as weights rest. What the regulariser needs beside it, `H + U zt`, is a third row.
//! Where thresholds move, membranes differ, or a current lies before them, a row `D` stands beside `C` (`adaptive.rs`).

mod adaptive;
mod ages;
mod lengths;
mod rewire;
#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use ndarray::ArrayView2;

use adaptive::{Adaptive, SUMS_OF_NEURON, lanes};
use ages::{Ages, PATIENCE};
use lengths::{Growth, Lengths};

use super::factored::{NEVER, Powers, decay_of_zt, filters};
use super::{
    Filters, Present, See, Synapses, What, add_squares_of_neurons, lists, squared_lengths,
};
use crate::kernels::{
    self, FactorsMut, FoldedRow, LANES, ListedRow, ListedRows, RowsOfPart, StepScales, Visit,
};
use crate::numbers::aligned::Aligned;
use crate::numbers::interrupt::{Interrupt, Pace};
use crate::numbers::lazy::LIMIT;
use crate::numbers::memory::vec_for;
use crate::numbers::parallel::{self, each, share};
use crate::numbers::parameter::{Keeps, Kinds, Parameter, Step, squared_length};
use crate::numbers::room::Room;
use crate::numbers::shared::Shared;
use crate::numbers::walk::{first, parts};
use crate::numbers::wires::Wires;
use crate::options::Config;
use crate::options::config::decay;
use crate::options::plan::Plan;
use crate::parts::signal::Signal;
use crate::parts::sources::Sources;
use crate::{Error, Float};

/// Synapses that catch up between two questions whether to stop, as a rule.
const PIECE: usize = 1 << 18;

/// Rows of every source, as long as its list, and the factors of every neuron.
#[derive(Debug)]
pub(crate) struct Listed<F> {
    wires: Arc<Wires>,
    n: usize,
    n_inputs: usize,
    stride: usize,
    /// Sets of the factors: one for all sources, or one for inputs and one for neurons, where these take steps of their own.
    sets: usize,
    /// Whether weights take every step. Otherwise they rest, and their gradient waits.
    at_once: bool,
    filters: Filters<F>,
    powers: Powers<F>,
    /// `A`; or W, with `G` as the gradient that waits.
    w: Parameter<F>,
    c: Aligned<F>,
    /// `H` of `sum_t e`, or of the stream's `sum_t r e` where that is kept apart; empty without either.
    h: Aligned<F>,
    zt: Vec<F>,
    /// The block that a source's row belongs to.
    seen: Vec<u64>,
    x1: Aligned<F>,
    s: Aligned<F>,
    t: Aligned<F>,
    y: Aligned<F>,
    /// `U`; empty without `H`.
    u: Aligned<F>,
    ended: Ages<F>,
    /// Where steps are limited, and taken at once.
    lengths: Option<Lengths>,
    /// Where thresholds move, membranes differ, or a current lies before them.
    adaptive: Option<Adaptive<F>>,
    /// Steps since `reset`, and the blocks ended since.
    steps: u64,
    block: u64,
    /// Whether the last step left factors of learning, to the weights from inputs and to those from neurons.
    learned: Kinds<bool>,
    /// Whether there has been no step since the rows were folded.
    folded: bool,
    /// Whether the regulariser's part of the gradient is kept apart, and whether `H` is a stream's.
    apart: bool,
    of_stream: bool,
    within: bool,
    finite: bool,
    /// `[X1, Y, U, 0]` of each neuron, or `[f, X2, Y, U - V X2]`, and what the sources of a step sum up, of each set.
    factors: Aligned<F>,
    sums: Aligned<F>,
    /// Whether the sums of a set are of this step.
    summed: [bool; 2],
    visits: Vec<Visit<F>>,
    none: Aligned<F>,
}

parts!(Listed {
    Weight: [w],
    State: [
        c,
        h(|this: &Self| first(if this.w.waits { this.h.len() } else { 0 })),
        x1, s, t, u, zt, ended, lengths, adaptive,
    ],
    Mark: [seen],
    Counter: [steps, block],
    Mark: [learned, folded],
    Scratch: [y, factors, sums, visits, none, powers],
} then Self::loaded);

impl<F: Float> Listed<F> {
    pub(crate) fn new(
        room: &mut Room,
        plan: &Plan,
        wires: &Arc<Wires>,
        config: &Config,
        first: Option<&Shared<F>>,
    ) -> Result<Self, Error> {
        let (p, stride) = (plan.sources(), plan.stride::<F>());
        let synapses = wires.count(0..p);
        let at_once = plan.at_once;
        let sets = 1 + usize::from(at_once && plan.grouped);
        let keeps = Keeps {
            pending: !at_once,
            moments: match at_once {
                true => 0,
                false => config.optimizer.n_moments(),
            },
        };
        let sums_raw = plan.sums_raw_traces();
        let (alpha, kappa_e) = (decay_of_zt(config), decay(config.dt, config.tau_trace));
        let of_synapses = [synapses, p, plan.sizes.n];
        let adaptive = Adaptive::of(room, of_synapses, (sets, stride), (config, sums_raw))?;
        let adapts = adaptive.is_some();
        let of_block = if adapts { lanes(sums_raw) } else { LANES };
        let of_sums = if adapts { SUMS_OF_NEURON } else { LANES };
        Ok(Self {
            adaptive,
            wires: Arc::clone(wires),
            n: plan.sizes.n,
            n_inputs: plan.sizes.n_inputs,
            stride,
            sets,
            at_once,
            filters: filters(config),
            powers: Powers::new(room, plan.base_block, alpha, kappa_e)?,
            w: Parameter::new(room, (1, synapses), keeps, first)?
                .listed(plan.clipped.as_ref(), wires),
            c: room.zeros(1, synapses)?,
            h: room.zeros(usize::from(sums_raw), synapses)?,
            zt: room.vec(F::ZERO, p)?,
            seen: room.vec(NEVER, p)?,
            x1: room.zeros(1, stride)?,
            s: room.zeros(sets, stride)?,
            t: room.zeros(sets, stride)?,
            y: room.zeros(sets, stride)?,
            u: room.zeros(usize::from(sums_raw), stride)?,
            ended: Ages::new(room, sets, (stride, of_block))?,
            lengths: match plan.limited && at_once {
                true => Some(Lengths::new(room, sets, stride, adapts)?),
                false => None,
            },
            steps: 0,
            block: 0,
            learned: Kinds::same(false),
            folded: true,
            apart: plan.apart,
            of_stream: plan.apart && plan.streamed_regulariser,
            within: true,
            finite: true,
            factors: room.zeros(sets, LANES * stride)?,
            sums: room.zeros(if at_once { sets } else { 0 }, of_sums * stride)?,
            summed: [false; 2],
            visits: room.list(p)?,
            none: room.zeros(1, stride)?,
        })
    }

    fn loaded(&mut self) -> Result<(), Error> {
        let longest = self.ended.len.min(PATIENCE - 1) as u64;
        let waits =
            |&seen: &u64| seen == NEVER || seen <= self.block && self.block - seen <= longest;
        if !self.seen.iter().all(waits) {
            return Err(Error::State {
                reason: "sources of blocks that are not kept".into(),
            });
        }
        self.within = false;
        self.finite = kernels::all_finite(&self.w.rows);
        self.respond();
        Ok(())
    }

    /// The synapses of a source.
    fn row(&self, source: usize) -> Range<usize> {
        self.wires.row(source)
    }

    /// The numbers of the synapses from inputs.
    fn cut(&self) -> usize {
        self.wires.count(0..self.n_inputs)
    }

    /// Steps since the start of the base block; before the first step, 0.
    fn steps_of_block(&self) -> usize {
        (self.steps.saturating_sub(1) % self.powers.len() as u64) as usize
    }

    fn set_of(&self, source: usize) -> usize {
        if source < self.n_inputs {
            0
        } else {
            self.sets - 1
        }
    }

    fn of_set(&self, set: usize) -> Range<usize> {
        set * self.stride..(set + 1) * self.stride
    }

    /// The sums of a set.
    fn sums_of(&self, set: usize) -> Range<usize> {
        let len = self.sums.len() / self.sets;
        set * len..(set + 1) * len
    }

    /// -1 of weights that lose `S C + T zt`, 1 of a gradient that gains it.
    fn sign(&self) -> F {
        if self.at_once { -F::ONE } else { F::ONE }
    }

    /// How many blocks a source has waited.
    fn age(&self, source: usize) -> usize {
        match self.seen[source] {
            NEVER => 0,
            seen => (self.block - seen) as usize,
        }
    }

    /// What ended blocks do to a source that has waited for them, and what they leave of its `zt`.
    fn waited(&self, source: usize) -> Option<(&[F], F)> {
        match self.age(source) {
            0 => None,
            age => {
                let (of_neurons, _, left) = self.ended.last(self.set_of(source), age);
                Some((of_neurons, left))
            }
        }
    }

    fn factors_within(&self) -> bool {
        let limit = F::cast(LIMIT);
        let mut rows = [&self.x1, &self.s, &self.t].into_iter();
        let of_adaptive = |adaptive: &Adaptive<F>| adaptive.of_neurons.within(limit);
        rows.all(|row| kernels::all_within(limit, row))
            && self.adaptive.as_ref().is_none_or(of_adaptive)
    }

    /// The block so far as what it does to a row: the numbers of an entry of ended blocks, of a set, into memory that is as long.
    fn now(&self, set: usize, to: &mut [F]) {
        let row = self.of_set(set);
        if let Some(adaptive) = &self.adaptive {
            let plain = [
                &self.s[row.clone()],
                &self.t[row.clone()],
                &self.x1,
                &self.u,
            ];
            return adaptive.now(row, plain, to);
        }
        let (s, t) = (&self.s[row.clone()], &self.t[row]);
        let share = share(self.stride);
        each(to.chunks_mut(LANES * share).enumerate(), |(at, to)| {
            for (j, to) in (at * share..).zip(to.chunks_exact_mut(LANES)) {
                let u = self.u.get(j).copied().unwrap_or(F::ZERO);
                to.copy_from_slice(&[s[j], t[j], self.x1[j], u]);
            }
        });
    }

    /// Ends the base block, at whose end `alpha` is left of `zt` and `kappa_e` of `C`; whoever has waited too long catches up.
    fn end_block(&mut self, alpha: F, kappa_e: F) {
        self.within &= self.factors_within();
        if kappa_e != F::ONE {
            kernels::scale_row(kappa_e, &mut self.x1);
            if let Some(adaptive) = &mut self.adaptive {
                adaptive.of_neurons.scale(kappa_e);
            }
        }
        if let Some(lengths) = &mut self.lengths {
            lengths.end_block(kappa_e, alpha);
        }
        // As long as an entry of each set.
        let mut block = core::mem::take(match &mut self.adaptive {
            None => &mut self.factors,
            Some(adaptive) => &mut adaptive.block,
        });
        for set in 0..self.sets {
            self.now(set, &mut block[self.ended.of_one(set)]);
        }
        self.ended.push(&block, kappa_e, alpha);
        match &mut self.adaptive {
            None => self.factors = block,
            Some(adaptive) => {
                adaptive.block = block;
                adaptive.begin_block();
            }
        }
        self.block += 1;
        for row in [
            &mut self.x1,
            &mut self.s,
            &mut self.t,
            &mut self.y,
            &mut self.u,
        ] {
            parallel::fill(row, F::ZERO);
        }
        parallel::fill(&mut self.factors, F::ZERO);
        self.catch_up_sources(0..self.seen.len(), PATIENCE);
    }

    /// Some sources catch up, of those that have waited for so many blocks or more.
    fn catch_up_sources(&mut self, sources: Range<usize>, at_least: usize) {
        if self.adaptive.is_some() {
            return sources.for_each(|source| self.catch_up_adaptive(source, at_least));
        }
        let sign = self.sign();
        let row = self.wires.lists().starts[sources.start]..self.wires.lists().starts[sources.end];
        let a: &mut [F] = match self.at_once {
            true => &mut self.w.rows,
            false => &mut self.w.pending,
        };
        let h: &mut [F] = match self.h.is_empty() {
            true => &mut [],
            false => &mut self.h[row.clone()],
        };
        let all = Waiting {
            sources: sources.clone(),
            zt: &mut self.zt[sources.clone()],
            seen: &mut self.seen[sources],
            rows: ListedRows {
                a: &mut a[row.clone()],
                c: &mut self.c[row],
                h,
            },
        };
        let missed = Missed {
            ended: &self.ended,
            block: self.block,
            sign,
            n_inputs: self.n_inputs,
            last_set: self.sets - 1,
        };
        let wires = &self.wires;
        let share = share(all.seen.len());
        each(all.in_parts(wires, share), |part| {
            part.catch_up(wires, &missed, at_least)
        });
    }

    /// As [`catch_up_sources`](Self::catch_up_sources), of a source that has a second trace in each neuron.
    fn catch_up_adaptive(&mut self, source: usize, at_least: usize) {
        let (age, row) = (self.age(source), self.row(source));
        let (set, sign) = (self.set_of(source), self.sign());
        let Some(adaptive) = self.adaptive.as_mut().filter(|_| age >= at_least.max(1)) else {
            return;
        };
        let (of_neurons, k, alpha) = self.ended.last(set, age);
        let zt = self.zt[source];
        let a: &mut [F] = match self.at_once {
            true => &mut self.w.rows[row.clone()],
            false => &mut self.w.pending[row.clone()],
        };
        let h: &mut [F] = match self.h.is_empty() {
            true => &mut [],
            false => &mut self.h[row.clone()],
        };
        let (targets, c) = (self.wires.targets(source), &mut self.c[row.clone()]);
        let left = adaptive.catch_up((targets, row), (of_neurons, k), (zt, sign), [a, c, h]);
        let left = adaptive.catch_up_alike(source, of_neurons, zt) || left;
        self.zt[source] = (alpha * zt).or_silence();
        self.seen[source] = if left || self.zt[source] != F::ZERO {
            self.block
        } else {
            NEVER
        };
    }

    /// All rows as they are now, factors 0. Where it is stopped, some rows wait on.
    fn fold(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        if self.folded {
            return Ok(());
        }
        self.end_block(F::ONE, F::ONE);
        let mut from = 0;
        while from < self.seen.len() {
            let (until, passed) = self.piece(from);
            self.catch_up_sources(from..until, 1);
            pace.pass(passed)?;
            from = until;
        }
        self.folded = true;
        Ok(())
    }

    /// Sources from one on that have [`PIECE`] synapses, or are the last: where they end, and how many synapses they have.
    fn piece(&self, from: usize) -> (usize, usize) {
        let starts = self.wires.lists().starts;
        let ends = &starts[from + 1..];
        let until = from + 1 + ends.partition_point(|&end| end < starts[from] + PIECE);
        let until = until.min(self.seen.len());
        (until, starts[until] - starts[from])
    }

    fn fold_unasked(&mut self) {
        // Nobody stops it.
        _ = self.fold(&mut Interrupt::NOBODY.pace());
    }

    /// Gives inputs and neurons factors of their own, or all sources the same.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Interrupted`], and then no weight has changed but by rounding.
    pub(super) fn regroup(&mut self, grouped: bool, pace: &mut Pace<'_>) -> Result<(), Error> {
        let sets = 1 + usize::from(grouped);
        if sets == self.sets || !self.at_once {
            return Ok(());
        }
        let (stride, limited) = (self.stride, self.lengths.is_some());
        let (lanes, of_sums) = (self.ended.lanes(), self.sums.len() / self.sets);
        let adapts = self.adaptive.is_some();
        let ([s, t, y], [factors, sums], ended, mut lengths) = Room::build(
            || "factors of their own".into(),
            |room| {
                let mut rows = |width| room.zeros(sets, width);
                let of_neurons = [rows(stride)?, rows(stride)?, rows(stride)?];
                let side_by_side = [rows(LANES * stride)?, rows(of_sums)?];
                let lengths = match limited {
                    true => Some(Lengths::new(room, sets, stride, adapts)?),
                    false => None,
                };
                let ended = Ages::new(room, sets, (stride, lanes))?;
                Ok((of_neurons, side_by_side, ended, lengths))
            },
        )?;
        let of_adaptive = match adapts {
            false => None,
            true => Some(Room::build(
                || "factors of their own".into(),
                |room| {
                    let mut rows = |width| room.zeros(sets, width);
                    Ok(([rows(stride)?, rows(stride)?], rows(lanes * stride)?))
                },
            )?),
        };
        self.folded = false;
        self.fold(pace)?;
        if let Some((adaptive, (rows, block))) = self.adaptive.as_mut().zip(of_adaptive) {
            adaptive.regroup(rows, block);
        }
        if let Some(lengths) = &mut lengths {
            for source in 0..self.seen.len() {
                let set = if source < self.n_inputs { 0 } else { sets - 1 };
                let row = self.row(source);
                let d = match &self.adaptive {
                    Some(adaptive) => adaptive.rows(row.clone()),
                    None => &[],
                };
                for (at, &j) in self.wires.targets(source).iter().enumerate() {
                    let traces = [
                        self.c[row.start + at],
                        d.get(at).copied().unwrap_or(F::ZERO),
                    ];
                    lengths.add(set, j as usize, traces, self.zt[source]);
                }
            }
        }
        (self.s, self.t, self.y, self.factors, self.sums) = (s, t, y, factors, sums);
        (self.ended, self.lengths, self.sets) = (ended, lengths, sets);
        Ok(())
    }

    /// `Y` of the factors, made by a step in which nothing happens.
    fn respond(&mut self) {
        let none = core::mem::take(&mut self.none);
        self.step_sets([StepScales::nothing(); 2], &none, &[], &[]);
        self.none = none;
    }

    /// A step of the factors of each set, and of `X1`; where a source has a second trace in each neuron, the responses have taken theirs.
    fn step_sets(&mut self, scales: [StepScales<F>; 2], psi: &[F], l: &[F], r: &[F]) {
        if let Some(adaptive) = &mut self.adaptive {
            for (set, scales) in scales[..self.sets].iter().enumerate() {
                let row = set * self.stride..(set + 1) * self.stride;
                let (s, t) = (&mut self.s[row.clone()], &mut self.t[row.clone()]);
                let lanes = set * LANES * self.stride..(set + 1) * LANES * self.stride;
                let to = ([s, t, &mut self.y[row.clone()]], &mut self.factors[lanes]);
                adaptive.step_set(*scales, [l, r], (&self.x1, &self.u), row, to);
            }
            return;
        }
        let (stride, share) = (self.stride, share(self.stride));
        let x1 = self.x1.chunks_mut(share);
        let (factors, factors_of_last) = self.factors.split_at_mut(LANES * stride);
        let (s, s_of_last) = self.s.split_at_mut(stride);
        let (t, t_of_last) = self.t.split_at_mut(stride);
        let (y, y_of_last) = self.y.split_at_mut(stride);
        let first = factors_in_parts((s, t, y, factors), share);
        let u: &[F] = &self.u;
        if self.sets == 1 {
            each(
                x1.zip(first).enumerate(),
                |(at, (x1, (mut first, factors)))| {
                    let here = at * share..at * share + x1.len();
                    let [psi, l, r, u] = [psi, l, r, u].map(|row| within(row, &here));
                    kernels::step_factors([scales[0]], psi, l, r, x1, [first.lend()]);
                    kernels::interleave(x1, first.y, u, factors);
                },
            );
            return;
        }
        let last = factors_in_parts((s_of_last, t_of_last, y_of_last, factors_of_last), share);
        each(
            x1.zip(first.zip(last)).enumerate(),
            |(at, (x1, (first, last)))| {
                let here = at * share..at * share + x1.len();
                let [psi, l, r, u] = [psi, l, r, u].map(|row| within(row, &here));
                let ((mut first, factors), (mut last, factors_of_last)) = (first, last);
                kernels::step_factors(scales, psi, l, r, x1, [first.lend(), last.lend()]);
                kernels::interleave(x1, first.y, u, factors);
                kernels::interleave(x1, last.y, u, factors_of_last);
            },
        );
    }

    fn step_lengths(&mut self, psi: &[F], l: &[F]) -> Kinds<f64> {
        let u = self.steps_of_block();
        let lanes = [self.sums_of(0), self.sums_of(self.sets - 1)];
        let Some(lengths) = &mut self.lengths else {
            return Kinds::same(0.0);
        };
        lengths.due = false;
        let (grow, alpha) = (
            self.filters.zeta_e * self.powers.kappa_up[u],
            self.powers.alpha_down[u],
        );
        let growth = Growth {
            up: self.powers.alpha_up[u] * self.filters.zeta,
            grow: grow * alpha,
            psi,
            x1: &self.x1,
        };
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.of_neurons.take(psi);
        }
        let mut squared = [0.0; 2];
        for set in 0..self.sets {
            let sums = match self.summed[set] {
                true => &self.sums[lanes[set].clone()],
                false => &[],
            };
            squared[set] = match &self.adaptive {
                None => lengths.step(set, growth, l, sums),
                Some(adaptive) => {
                    let of_adaptive = adaptive.of_neurons.now_of(grow, alpha, psi);
                    lengths.step_adaptive(set, (growth.up, growth.x1), of_adaptive, l, sums)
                }
            };
        }
        Kinds {
            inputs: squared[0],
            neurons: squared[1],
        }
    }

    /// Lists a step's active sources, and moves their `zt`. Returns how many of them are of the first set.
    fn list(&mut self, sources: &Sources<'_, F>) -> usize {
        let up = self.powers.alpha_up[self.steps_of_block()] * self.filters.zeta;
        let (limit, block, n_inputs, sets) = (F::cast(LIMIT), self.block, self.n_inputs, self.sets);
        let (zt, seen, left) = (&mut self.zt[..], &mut self.seen[..], &self.ended.a[..]);
        let (visits, within) = (&mut self.visits, &mut self.within);
        let mut of_first = 0;
        visits.clear();
        sources.all().for_each(|(source, value)| {
            let at = source as usize;
            let age = match seen[at] {
                NEVER => 0,
                seen => (block - seen) as u32,
            };
            let before = zt[at];
            let caught_up = match age {
                0 => before,
                age => left[age as usize - 1] * before,
            };
            let shift = up * value;
            of_first += usize::from(sets == 1 || at < n_inputs);
            visits.push(Visit {
                source,
                age,
                value,
                shift,
                zt: before,
                own: usize::MAX,
            });
            zt[at] = caught_up + shift;
            *within &= zt[at].abs() <= limit;
            seen[at] = block;
        });
        of_first
    }

    /// What the visits send, of weights that take every step, and what they leave. Each part of the neurons goes along all visits, so that every sum has their order.
    fn follow(&mut self, of_first: usize, current: &mut [F]) {
        let (stride, share) = (self.stride, share(self.stride));
        let (first, rest) = self.visits.split_at(of_first);
        let visits = [first, rest];
        for (summed, visits) in self.summed.iter_mut().zip(visits).take(self.sets) {
            *summed = !visits.is_empty();
        }
        let rows = ListedRows {
            a: &mut self.w.rows,
            c: &mut self.c,
            h: &mut [],
        };
        let rows = RowsOfPart::of(self.wires.lists(), rows, stride, share);
        let (sums, sums_of_last) = self.sums.split_at_mut(LANES * stride);
        let last = sums_of_last.chunks_mut(LANES * share);
        let last = last.chain(core::iter::repeat_with(|| &mut [][..]));
        let sums = sums.chunks_mut(LANES * share).zip(last);
        let parts = current.chunks_mut(share).zip(rows).zip(sums);
        let (sets, ended, s, t, factors) =
            (self.sets, &self.ended, &self.s, &self.t, &self.factors);
        each(
            parts.enumerate(),
            |(at, ((current, mut rows), (first, last)))| {
                current.fill(F::ZERO);
                for (set, sums) in [first, last].into_iter().take(sets).enumerate() {
                    if visits[set].is_empty() {
                        continue;
                    }
                    sums.fill(F::ZERO);
                    let lanes = set * LANES * stride..(set + 1) * LANES * stride;
                    let here = set * stride + at * share..set * stride + at * share + current.len();
                    let (entries, factors) = (ended.of_set(set), &factors[lanes]);
                    kernels::follow_listed(
                        visits[set],
                        entries,
                        &ended.a,
                        factors,
                        &mut rows,
                        sums,
                    );
                    kernels::current_of_listed(sums, &s[here.clone()], &t[here], current);
                }
            },
        );
    }

    /// The same of weights that rest.
    fn follow_resting(&mut self, current: &mut [F]) {
        let share = share(self.stride);
        let rows = ListedRows {
            a: &mut self.w.pending,
            c: &mut self.c,
            h: &mut self.h,
        };
        let rows = RowsOfPart::of(self.wires.lists(), rows, self.stride, share);
        let (visits, entries) = (&self.visits, self.ended.of_set(0));
        let (factors, w) = (&self.factors, &self.w.rows);
        each(
            current.chunks_mut(share).zip(rows),
            |(current, mut rows)| {
                current.fill(F::ZERO);
                kernels::follow_resting(visits, entries, factors, w, &mut rows, current);
            },
        );
    }

    /// As [`follow`](Self::follow), where a source has a second trace in each neuron.
    fn follow_adaptive(&mut self, of_first: usize, current: &mut [F]) {
        current.fill(F::ZERO);
        let lists = self.wires.lists();
        let (first, rest) = self.visits.split_at(of_first);
        for (set, visits) in [first, rest][..self.sets].iter().copied().enumerate() {
            self.summed[set] = !visits.is_empty();
            let of_sums = self.sums_of(set);
            let Some(adaptive) = self.adaptive.as_mut().filter(|_| !visits.is_empty()) else {
                continue;
            };
            let sums = &mut self.sums[of_sums];
            let factors = &self.factors[LANES * set * self.stride..LANES * (set + 1) * self.stride];
            let (entries, left) = (self.ended.of_set(set), &self.ended.a);
            let row = set * self.stride..(set + 1) * self.stride;
            let of_set = [&self.s[row.clone()], &self.t[row.clone()]];
            adaptive.follow_alike(visits, entries);
            let rows: [&mut [F]; 2] = [&mut self.w.rows, &mut self.c];
            adaptive.follow((lists, visits), (entries, left), factors, rows, sums);
            adaptive.add_current(sums, of_set, row, current);
        }
    }

    /// The same of weights that rest.
    fn follow_adaptive_resting(&mut self, current: &mut [F]) {
        current.fill(F::ZERO);
        let Some(adaptive) = &mut self.adaptive else {
            return;
        };
        let (lists, visits) = (self.wires.lists(), &self.visits[..]);
        let (entries, w) = (self.ended.of_set(0), &self.w.rows);
        adaptive.follow_alike(visits, entries);
        let rows: [&mut [F]; 3] = [&mut self.w.pending, &mut self.c, &mut self.h];
        adaptive.follow_resting((lists, visits), entries, (&self.factors, w), rows, current);
    }

    /// Adds the regulariser's part to a gradient: `r sum_t e`, or the sum that a stream has made of it. It has been used then.
    fn add_regulariser(&mut self, r: Option<&[F]>, to: &mut [F]) {
        if self.h.is_empty() {
            return;
        }
        if r.is_some() || self.of_stream {
            lists::add_raw(&self.wires, r, &self.h, to);
        }
        self.h.fill(F::ZERO);
    }

    /// Makes the pending gradient whole. It has to be used then.
    fn complete(&mut self, r: Option<&[F]>) {
        let mut pending = core::mem::take(&mut self.w.pending);
        self.add_regulariser(r, &mut pending);
        self.w.pending = pending;
    }

    /// Adds the squared length of what waits to that of each neuron.
    pub(super) fn lengths_of_neurons(
        &mut self,
        to: Kinds<&mut [f64]>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        let place = (self.cut(), self.w.neurons());
        match self.w.waits {
            true => add_squares_of_neurons(&[&self.w.pending], place, to, pace),
            false => Ok(()),
        }
    }

    pub(super) fn share_weights(&mut self, first: &Self) {
        self.w.rows = first.w.rows.share();
        self.finite = first.finite;
    }

    /// The number of a source's first synapse.
    pub(super) fn first_of(&self, source: usize) -> usize {
        self.row(source).start
    }

    /// What can be read of the synapses of some sources, in the order of their lists.
    pub(super) fn read_listed(
        &self,
        what: What,
        sources: Range<usize>,
        to: &mut Vec<F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        let (now, mut rows) = (self.now_of_sets()?, self.two_rows()?);
        let (w, c) = rows.split_at_mut(self.n);
        let kappa = self.powers.kappa_down[self.steps_of_block()];
        for source in sources {
            let n = self.wires.targets(source).len();
            self.unfold(source, &now, w, c);
            match what {
                What::Weight => to.extend_from_slice(&w[..n]),
                What::Eligibility => to.extend(c[..n].iter().map(|&c| kappa * c)),
            }
            pace.pass(n)?;
        }
        Ok(())
    }

    /// Replaces them.
    pub(super) fn assign_weights(
        &mut self,
        first_source: usize,
        weights: &mut dyn Iterator<Item = F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        self.before_weights_change(pace)?;
        lists::assign_synapses(&self.wires, &mut self.w.rows, first_source, weights);
        self.finite = kernels::all_finite(&self.w.rows);
        Ok(())
    }

    /// Takes a step with a gradient from elsewhere, of the synapses from number `from` on.
    pub(super) fn take_listed(
        &mut self,
        from: usize,
        g: &[F],
        step: Step<'_, F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        self.before_weights_change(pace)?;
        lists::take_synapses(&mut self.w, from, g, step, pace)?;
        self.finite &= kernels::all_finite(&self.w.rows);
        Ok(())
    }

    fn before_weights_change(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        if self.at_once {
            self.folded = false;
            self.fold(pace)?;
            self.within = false;
        }
        Ok(())
    }

    /// Memory for a row of weights and one of traces.
    fn two_rows(&self) -> Result<Aligned<F>, Error> {
        Room::build(
            || "reading the synapses".into(),
            |room| room.zeros(2, self.n),
        )
    }

    /// What the block under way does to rows, of each set.
    fn now_of_sets(&self) -> Result<Aligned<F>, Error> {
        let mut now = Room::build(
            || "reading the synapses".into(),
            |room| room.zeros(self.sets, self.ended.lanes() * self.stride),
        )?;
        for set in 0..self.sets {
            self.now(set, &mut now[self.ended.of_one(set)]);
        }
        Ok(now)
    }

    /// W of a source's synapses, and what a fold would leave of their `C`; `now`: what the block under way does.
    fn unfold(&self, source: usize, now: &[F], to_w: &mut [F], to_c: &mut [F]) {
        let (row, set) = (self.row(source), self.set_of(source));
        if self.seen[source] == NEVER {
            to_w[..row.len()].copy_from_slice(&self.w.rows[row.clone()]);
            to_c[..row.len()].copy_from_slice(&self.c[row]);
            return;
        }
        let folded = FoldedRow {
            targets: self.wires.targets(source),
            a: &self.w.rows[row.clone()],
            c: &self.c[row.clone()],
            zt: self.zt[source],
            waited: match self.age(source) {
                0 => None,
                age => Some(self.ended.last(set, age)),
            },
            now: &now[self.ended.of_one(set)],
        };
        match &self.adaptive {
            None => kernels::unfold_listed(folded, to_w, to_c),
            Some(adaptive) => adaptive.unfold(folded, row.clone(), to_w, to_c),
        }
        if !self.at_once {
            // A gradient in factors moves no weight.
            to_w[..row.len()].copy_from_slice(&self.w.rows[row]);
        }
    }
}

impl<F: Float> Synapses<F> for Listed<F> {
    fn drive(&mut self, sources: &Sources<'_, F>, learning: Kinds<bool>, current: &mut [F]) {
        let stops = |learned: bool, learning: bool| learned && !learning;
        if self.at_once {
            if stops(self.learned.inputs, learning.inputs)
                || stops(self.learned.neurons, learning.neurons)
            {
                self.end_block(F::ONE, F::ONE);
            }
            self.learned = learning;
        }
        if self.steps > 0 && self.steps % self.powers.len() as u64 == 0 {
            self.end_block(self.powers.alpha_block, self.powers.kappa_block);
        }
        self.steps += 1;
        self.folded = false;
        let of_first = self.list(sources);
        if let Some(lengths) = &mut self.lengths {
            lengths.due = true;
        }
        match (self.adaptive.is_some(), self.at_once) {
            (true, true) => self.follow_adaptive(of_first, current),
            (true, false) => self.follow_adaptive_resting(current),
            (false, true) => self.follow(of_first, current),
            (false, false) => self.follow_resting(current),
        }
    }

    fn learn(
        &mut self,
        _: &Sources<'_, F>,
        psi: &[F],
        signal: Option<Signal<'_, F>>,
        at_once: Option<Kinds<Step<'_, F>>>,
    ) {
        if self.lengths.as_ref().is_some_and(|lengths| lengths.due) {
            // Nobody asks how long it is.
            self.step_lengths(psi, psi);
        }
        let u = self.steps_of_block();
        let scales = StepScales {
            alpha: self.powers.alpha_down[u],
            grow: self.filters.zeta_e * self.powers.kappa_up[u],
            learn: self.powers.kappa_down[u],
            // A gradient that waits has no learning rate yet.
            eta: F::ONE,
        };
        let l = signal.map_or(&[][..], |signal| signal.l);
        let mut r = signal.and_then(|signal| signal.r);
        if let Some(adaptive) = &mut self.adaptive {
            adaptive
                .of_neurons
                .step_responses(scales, psi, &mut self.x1);
        }
        if !self.at_once {
            self.w.waits |= signal.is_some();
            let of_stream = r.take_if(|_| self.of_stream);
            let sums_raw = signal.is_some() && !self.u.is_empty();
            if let (Some(adaptive), true) = (&mut self.adaptive, sums_raw) {
                adaptive.add_raw(of_stream, &mut self.u);
            } else if sums_raw {
                for (j, u) in self.u.iter_mut().enumerate() {
                    let of_raw = of_stream.map_or(F::ONE, |r| r[j]);
                    *u += of_raw * psi[j] * scales.alpha;
                }
            }
            return self.step_sets([scales; 2], psi, l, r.unwrap_or(&[]));
        }
        let steps = at_once.and_then(Kinds::linear);
        let etas = steps.map_or([F::ZERO; 2], |eta| [eta.inputs, eta.neurons]);
        let of_sets = etas.map(|eta| StepScales {
            learn: eta * scales.learn,
            eta,
            ..scales
        });
        self.step_sets(of_sets, psi, l, r.unwrap_or(&[]));
    }

    fn length_of_step(&mut self, psi: &[F], l: &[F]) -> Kinds<f64> {
        let kappa = self.powers.kappa_down[self.steps_of_block()].to_f64();
        let squared = self.step_lengths(psi, l);
        squared.map(|squared| (kappa * kappa * squared).max(0.0))
    }

    /// Folds a gradient that waits.
    fn settle(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        match self.at_once {
            true => Ok(()),
            false => self.fold(pace),
        }
    }

    fn length(&mut self, pace: &mut Pace<'_>) -> Result<Kinds<f64>, Error> {
        self.settle(pace)?;
        match self.w.waits {
            true => squared_lengths(&self.w.pending, self.cut(), pace),
            false => Ok(Kinds::same(0.0)),
        }
    }

    fn update(&mut self, r: Option<&[F]>, steps: Kinds<Step<'_, F>>) {
        if self.at_once || !self.w.waits && steps.linear().is_some() {
            return;
        }
        self.fold_unasked();
        self.complete(r);
        self.finite &= self.w.update(steps.split(self.cut()));
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
        if self.at_once || !self.w.waits {
            return Ok(());
        }
        self.fold(pace)?;
        let (sum, of_regulariser) = sum.split_at_mut(self.w.pending.len());
        if self.apart {
            self.add_regulariser(r, of_regulariser);
        } else {
            self.complete(r);
        }
        kernels::add_row(F::ONE, &self.w.pending, sum);
        self.w.drop_gradient();
        Ok(())
    }

    fn whole_length(&mut self, r: Option<&[F]>, pace: &mut Pace<'_>) -> Result<f64, Error> {
        self.settle(pace)?;
        if !self.w.waits {
            return Ok(0.0);
        }
        let has_part = !self.h.is_empty() && (r.is_some() || self.of_stream);
        let by = r.map(|r| (r, self.w.neurons()));
        let late = has_part.then_some((&*self.h, by));
        squared_length(&self.w.pending, late, pace)
    }

    fn take_back(&mut self, sum: &mut Aligned<F>) {
        if !self.apart {
            return self.w.take_back(sum);
        }
        let of_stream = self.of_stream.then_some(&mut self.h[..]);
        self.w.take_back_parts(sum, of_stream);
    }

    fn read(
        &self,
        what: What,
        sources: Range<usize>,
        pace: &mut Pace<'_>,
        see: See<'_, F>,
    ) -> Result<(), Error> {
        let (now, mut rows) = (self.now_of_sets()?, self.two_rows()?);
        let (w, c) = rows.split_at_mut(self.n);
        let mut row = vec_for("reading the synapses", self.n)?;
        row.resize(self.n, F::ZERO);
        let kappa = self.powers.kappa_down[self.steps_of_block()];
        for source in sources {
            self.unfold(source, &now, w, c);
            row.fill(F::ZERO);
            for (at, &j) in self.wires.targets(source).iter().enumerate() {
                row[j as usize] = match what {
                    What::Weight => w[at],
                    What::Eligibility => kappa * c[at],
                };
            }
            see(source, &row)?;
            pace.pass(self.n)?;
        }
        Ok(())
    }

    fn present(&self) -> Result<Present<F>, Error> {
        let mut present = Present::default();
        if self.at_once {
            present.sum = Room::build(
                || "an evaluation".into(),
                |room| room.zeros(self.sets, self.stride),
            )?;
            present.s = self.now_of_sets()?;
            present.w = self.two_rows()?;
        }
        Ok(present)
    }

    fn send(&self, sources: &Sources<'_, F>, present: &mut Present<F>, current: &mut [F]) {
        if !self.at_once {
            return lists::drive(&self.wires, &self.w.rows, sources, current);
        }
        current.fill(F::ZERO);
        present.sum.fill(F::ZERO);
        let (w, c) = present.w.split_at_mut(self.n);
        sources.all().for_each(|(source, value)| {
            let source = source as usize;
            let sum = &mut present.sum[self.of_set(self.set_of(source))];
            self.unfold(source, &present.s, w, c);
            kernels::add_listed(value, self.wires.targets(source), w, sum);
        });
        for sum in present.sum.chunks_exact(self.stride) {
            current.iter_mut().zip(sum).for_each(|(to, &x)| *to += x);
        }
    }

    fn assign(
        &mut self,
        first_source: usize,
        w: ArrayView2<'_, F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        self.before_weights_change(pace)?;
        lists::assign(&self.wires, &mut self.w.rows, first_source, w, pace)?;
        self.finite = kernels::all_finite(&self.w.rows);
        Ok(())
    }

    fn take(
        &mut self,
        first_source: usize,
        g: ArrayView2<'_, F>,
        step: Step<'_, F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        self.before_weights_change(pace)?;
        lists::take(&self.wires, &mut self.w, first_source, g, step, pace)?;
        self.finite &= kernels::all_finite(&self.w.rows);
        Ok(())
    }

    /// The weights of all synapses, in the order of their lists.
    fn first_rows(&mut self) -> &mut [F] {
        &mut self.w.rows
    }

    fn z_bar(&self, see: &mut dyn FnMut(F)) {
        let down = self.powers.alpha_down[self.steps_of_block()];
        if let Some(adaptive) = &self.adaptive {
            if adaptive.of_neurons.differs() {
                return;
            }
            for source in 0..self.zt.len() {
                let waited = self.waited(source);
                see(adaptive
                    .z_bar(source, down, self.zt[source], waited)
                    .or_silence());
            }
            return;
        }
        for source in 0..self.zt.len() {
            let waited = match self.age(source) {
                0 => F::ONE,
                age => self.ended.a[age - 1],
            };
            see((down * (waited * self.zt[source])).or_silence());
        }
    }

    fn z_bar_rows(&self, pace: &mut Pace<'_>, see: See<'_, F>) -> Result<(), Error> {
        let differing = self.adaptive.as_ref();
        let Some(adaptive) = differing.filter(|adaptive| adaptive.of_neurons.differs()) else {
            return Ok(());
        };
        let down = self.powers.alpha_down[self.steps_of_block()];
        let mut row = vec_for("reading traces", self.n)?;
        row.resize(self.n, F::ZERO);
        for source in 0..self.zt.len() {
            row.fill(F::ZERO);
            let synapses = (self.wires.targets(source), self.row(source));
            let of_source = (down, self.zt[source]);
            adaptive.z_bars(synapses, of_source, self.waited(source), &mut row);
            see(source, &row)?;
            pace.pass(self.n)?;
        }
        Ok(())
    }

    /// As in the factored form: within the limit no step can have made a finite weight infinite.
    fn finite(&mut self) -> bool {
        if !self.at_once {
            return self.finite;
        }
        if self.within && self.factors_within() {
            return true;
        }
        let mut weights = Vec::new();
        let nobody = &mut Interrupt::NOBODY.pace();
        let looked = self.read_listed(What::Weight, 0..self.seen.len(), &mut weights, nobody);
        let finite = looked.is_ok() && kernels::all_finite(&weights);
        self.within = finite && kernels::all_within(F::cast(LIMIT), &self.zt);
        finite
    }

    fn reset(&mut self) {
        if self.at_once {
            // To a row, a reset is a block that leaves nothing of its traces; it takes note when it next catches up.
            if self.steps > 0 {
                self.x1.fill(F::ZERO);
                if let Some(adaptive) = &mut self.adaptive {
                    adaptive.of_neurons.forget();
                }
                self.end_block(F::ZERO, F::ZERO);
            }
        } else if self.steps > 0 {
            self.w.drop_gradient();
            for numbers in [
                &mut self.c,
                &mut self.h,
                &mut self.x1,
                &mut self.s,
                &mut self.t,
                &mut self.y,
                &mut self.u,
                &mut self.factors,
            ] {
                parallel::fill(numbers, F::ZERO);
            }
            if let Some(adaptive) = &mut self.adaptive {
                adaptive.clear();
            }
            self.zt.fill(F::ZERO);
            self.seen.fill(NEVER);
            self.ended.clear();
            self.block = 0;
            self.folded = true;
        }
        if let Some(lengths) = &mut self.lengths {
            lengths.clear();
        }
        self.steps = 0;
        self.learned = Kinds::same(false);
    }

    fn parameter(&mut self) -> Option<&mut Parameter<F>> {
        (!self.at_once).then_some(&mut self.w)
    }

    fn shared(&self) -> Option<Shared<F>> {
        (!self.at_once).then(|| self.w.rows.share())
    }

    fn changed(&mut self, finite: bool) {
        self.finite = finite;
    }

    /// Rows as they are, whoever waited and for however long.
    fn catch_up(&mut self) {
        self.catch_up_sources(0..self.seen.len(), 1);
        for seen in &mut self.seen {
            *seen = if *seen == NEVER { NEVER } else { 0 };
        }
        self.ended.clear();
        self.block = 0;
    }
}

/// Of a row that may be empty, some numbers; of an empty one none.
fn within<'a, F>(row: &'a [F], here: &Range<usize>) -> &'a [F] {
    match row.is_empty() {
        true => row,
        false => &row[here.clone()],
    }
}

/// The factors of a set, of every `share` neurons, and these side by side.
fn factors_in_parts<'a, F>(
    (s, t, y, factors): (&'a mut [F], &'a mut [F], &'a mut [F], &'a mut [F]),
    share: usize,
) -> impl Iterator<Item = (FactorsMut<'a, F>, &'a mut [F])> {
    let rows = s
        .chunks_mut(share)
        .zip(t.chunks_mut(share))
        .zip(y.chunks_mut(share));
    let rows = rows.map(|((s, t), y)| FactorsMut { s, t, y });
    rows.zip(factors.chunks_mut(LANES * share))
}

/// Sources in a row, and what they have.
struct Waiting<'a, F> {
    sources: Range<usize>,
    zt: &'a mut [F],
    seen: &'a mut [u64],
    rows: ListedRows<'a, F>,
}

/// What sources missed while they waited.
struct Missed<'a, F> {
    ended: &'a Ages<F>,
    block: u64,
    /// -1 of weights that lose `S C + T zt`, 1 of a gradient that gains it.
    sign: F,
    n_inputs: usize,
    last_set: usize,
}

impl<F: Float> Missed<'_, F> {
    /// What a source has missed that was last seen in this block, if that is as much as asked for: as [`Ages::last`].
    fn by(&self, source: usize, seen: u64, at_least: usize) -> Option<(&[F], F, F)> {
        let age = match seen {
            NEVER => 0,
            seen => (self.block - seen) as usize,
        };
        let set = match source < self.n_inputs {
            true => 0,
            false => self.last_set,
        };
        (age >= at_least.max(1)).then(|| self.ended.last(set, age))
    }
}

impl<'a, F: Float> Waiting<'a, F> {
    /// The same, of every `share` sources.
    fn in_parts(self, wires: &'a Wires, share: usize) -> impl Iterator<Item = Self> {
        let mut rest = self;
        core::iter::from_fn(move || (!rest.seen.is_empty()).then(|| rest.take(wires, share)))
    }

    /// The first so many, or all.
    fn take(&mut self, wires: &Wires, share: usize) -> Self {
        let Range { start, end } = self.sources;
        let until = end.min(start + share);
        let synapses = wires.count(start..until);
        self.sources = until..end;
        Self {
            sources: start..until,
            zt: first_of(&mut self.zt, until - start),
            seen: first_of(&mut self.seen, until - start),
            rows: ListedRows {
                a: first_of(&mut self.rows.a, synapses),
                c: first_of(&mut self.rows.c, synapses),
                h: first_of(&mut self.rows.h, synapses),
            },
        }
    }

    fn catch_up(self, wires: &Wires, missed: &Missed<'_, F>, at_least: usize) {
        let ListedRows {
            mut a,
            mut c,
            mut h,
        } = self.rows;
        for (at, source) in self.sources.enumerate() {
            let targets = wires.targets(source);
            let [a, c, h] = [&mut a, &mut c, &mut h].map(|rows| first_of(rows, targets.len()));
            let Some((of_neurons, k, alpha)) = missed.by(source, self.seen[at], at_least) else {
                continue;
            };
            let next = self.seen.get(at + 1);
            let next = next.and_then(|&seen| missed.by(source + 1, seen, at_least));
            let next = next.map_or((&[][..], &[][..]), |(waits_for, ..)| {
                (wires.targets(source + 1), waits_for)
            });
            let zt = &mut self.zt[at];
            let row = ListedRow {
                targets,
                rows: ListedRows { a, c, h },
            };
            let left = kernels::catch_up_listed((of_neurons, k), *zt, missed.sign, row, next);
            *zt = (alpha * *zt).or_silence();
            self.seen[at] = if left || *zt != F::ZERO {
                missed.block
            } else {
                NEVER
            };
        }
    }
}

/// Takes the first so many numbers out of a slice, or as many as there are.
fn first_of<'a, T>(slice: &mut &'a mut [T], n: usize) -> &'a mut [T] {
    let n = n.min(slice.len());
    let (first, rest) = core::mem::take(slice).split_at_mut(n);
    *slice = rest;
    first
}
