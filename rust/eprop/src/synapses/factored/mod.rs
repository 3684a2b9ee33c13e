//! The factored form: weights that change at every step, or every few, for one or two row operations per spike.
//! Nothing is approximated: at every moment, u steps into a base block of B,
//!
//! `W = A - S C - T zt`, `e_bar = kappa_e^u (C + X1 zt)`, `z_bar = alpha^u zt`,
//!
//! with rows `A`, `C` and a number `zt` per source, and factors `S`, `T`, `X1` per neuron, which are all that a step without spikes
//! touches. A source that is silent waits at the end of a block, and catches up with all blocks it missed, composed into one.
//! DESIGN.md derives it.

mod adaptive;
mod ended;
mod lengths;
mod momentum;
mod pending;
mod reading;

use alloc::vec::Vec;
use core::ops::Range;

use ndarray::ArrayView2;

pub(super) use adaptive::{Adaptive, AdaptiveLengths, AdaptiveReading, decay_of_zt};
use ended::Ended;
pub(crate) use ended::PATIENCE;
pub(super) use ended::Powers;
use lengths::{Growth, Lengths};
use momentum::Momentum;
use pending::Pending;

use super::{Filters, Present, See, Synapses, What, assign_rows, by_columns};
use crate::kernels::{self, Factors, FactorsMut, Silence, StepScales, Visit};
use crate::numbers::aligned::Aligned;
use crate::numbers::interrupt::{Interrupt, Pace};
use crate::numbers::kinds::Kinds;
use crate::numbers::lazy::LIMIT;
use crate::numbers::parameter::Parameter;
use crate::numbers::room::Room;
use crate::numbers::scale::Scale;
use crate::numbers::shared::Shared;
use crate::numbers::step::Step;
use crate::numbers::walk::{Leaf, Role, Walk, WalkMut, Walked, parts};
use crate::options::Config;
use crate::options::filters::decay;
use crate::options::plan::Plan;
use crate::parts::signal::Signal;
use crate::parts::sources::Sources;
use crate::{Error, Float};

/// `Factored::seen` of a source with no trace at all: nothing waits for it.
pub(super) const NEVER: u64 = u64::MAX;

/// The rows of every source and the factors of every neuron.
#[derive(Debug)]
pub(crate) struct Factored<F> {
    n: usize,
    n_inputs: usize,
    /// Sets of the factors `S`, `T` and `Y`, a row of each: one for all sources, or one for inputs and one for neurons, where these take steps of their own.
    sets: usize,
    filters: Filters<F>,
    powers: Powers<F>,
    a: Aligned<F>,
    c: Aligned<F>,
    zt: Vec<F>,
    /// The block that a source's row belongs to.
    seen: Vec<u64>,
    x1: Aligned<F>,
    s: Aligned<F>,
    t: Aligned<F>,
    /// Where weights decay, `p` of `W = p (A - S C - T zt)`, of each set; the factors have `1 / p` in them.
    scales: Option<Kinds<Scale>>,
    /// Where steps have momentum; then that knows what decay leaves of weights, too.
    momentum: Option<Momentum<F>>,
    ended: Ended<F>,
    /// Where weights rest for a while.
    pending: Option<Pending<F>>,
    /// Where steps are limited.
    lengths: Option<Lengths>,
    /// Where thresholds move, membranes differ, or a current lies before them.
    adaptive: Option<Adaptive<F>>,
    /// Steps since `reset`, and the blocks ended since.
    steps: u64,
    block: u64,
    /// Whether the last step left factors of learning, to the weights from inputs and to those from neurons.
    learned: Kinds<bool>,
    /// `S X1 - T`.
    y: Aligned<F>,
    /// A row of zeros.
    none: Aligned<F>,
    /// Whether every factor of an ended block, and every `zt`, was within the limit.
    within: bool,
    sum_a: Aligned<F>,
    sum_c: Aligned<F>,
    visits: Vec<Visit<F>>,
}

parts!(Factored {
    Weight: [a, scales],
    State: [c, x1, s, t, zt, ended, pending, lengths, adaptive, momentum],
    Mark: [seen],
    Counter: [steps, block],
    Mark: [learned],
    Scratch: [y, none, sum_a, sum_c, visits, powers],
} then Self::loaded);

/// What a step visits is scratch memory, of no numbers.
impl<F: Float> Walked for Vec<Visit<F>> {
    fn walk<'a>(&'a self, name: &'static str, role: Role, to: &mut dyn Walk<'a>) {
        let leaf = Leaf {
            role,
            used: F::as_saved(&[]),
            capacity: 0,
            heap: self.capacity() * size_of::<Visit<F>>(),
        };
        to.see(name, leaf);
    }
    fn walk_mut(&mut self, _: &'static str, _: Role, _: &mut dyn WalkMut) -> Result<(), Error> {
        Ok(())
    }
}

impl<F: Float> Factored<F> {
    pub(crate) fn new(room: &mut Room, plan: &Plan, config: &Config) -> Result<Self, Error> {
        let (p, stride) = (plan.sizes.sources(), plan.stride::<F>());
        let alpha = decay_of_zt(config);
        let kappa_e = decay(config.dt, config.tau_trace);
        let sets = 1 + usize::from(plan.grouped);
        let decays = config.optimizer.decays();
        let has_momentum = config.optimizer.has_momentum();
        // Where `M` has weights in it, no row waits for nothing.
        let seen = if has_momentum && decays { 0 } else { NEVER };
        let adaptive = Adaptive::of(room, (p, plan.sizes.n), (sets, stride), config)?;
        let adapts = adaptive.is_some();
        Ok(Self {
            adaptive,
            n: plan.sizes.n,
            n_inputs: plan.sizes.n_inputs,
            sets,
            filters: filters(config),
            powers: Powers::new(room, plan.base_block, alpha, kappa_e)?,
            a: room.zeros(p, stride)?,
            c: room.zeros(p, stride)?,
            zt: room.vec(F::ZERO, p)?,
            seen: room.vec(seen, p)?,
            x1: room.zeros(1, stride)?,
            s: room.zeros(sets, stride)?,
            t: room.zeros(sets, stride)?,
            scales: (decays && !has_momentum).then_some(Kinds::same(Scale::ONE)),
            momentum: match has_momentum {
                true => Some(Momentum::new(room, sets, (p, stride), decays)?),
                false => None,
            },
            ended: Ended::new(room, sets, stride, adapts)?,
            pending: match plan.at_once {
                true => None,
                false => Some(Pending::new(room, p, stride, adapts)?),
            },
            lengths: match plan.limited {
                true => Some(Lengths::new(room, sets, stride, adapts)?),
                false => None,
            },
            steps: 0,
            block: 0,
            learned: Kinds::same(false),
            y: room.zeros(sets, stride)?,
            none: room.zeros(1, stride)?,
            within: true,
            sum_a: room.zeros(sets, stride)?,
            sum_c: room.zeros(sets, stride)?,
            visits: room.list(p)?,
        })
    }

    fn loaded(&mut self) -> Result<(), Error> {
        self.within = false;
        // At rest nobody has waited as long as `PATIENCE`.
        let longest = self.ended.len.min(PATIENCE - 1) as u64;
        let waits =
            |&seen: &u64| seen == NEVER || seen <= self.block && self.block - seen <= longest;
        if !self.seen.iter().all(waits) {
            return Err(Error::State {
                reason: "sources of blocks that are not kept".into(),
            });
        }
        self.respond();
        if let Some(pending) = &mut self.pending {
            pending.respond(&mut self.x1, &self.none, self.adaptive.as_mut());
        }
        Ok(())
    }

    /// Steps since the start of the base block; before the first step, 0.
    fn u(&self) -> usize {
        (self.steps.saturating_sub(1) % self.powers.len() as u64) as usize
    }

    fn stride(&self) -> usize {
        self.x1.len()
    }

    fn own(&self, source: usize) -> Option<usize> {
        source.checked_sub(self.n_inputs)
    }

    /// The set of factors of a source's row.
    fn set_of(&self, source: usize) -> usize {
        if source < self.n_inputs {
            0
        } else {
            self.sets - 1
        }
    }

    /// The row of a set.
    fn row(&self, set: usize) -> Range<usize> {
        set * self.stride()..(set + 1) * self.stride()
    }

    /// What stands before the rows of a set.
    fn scale(&self, set: usize) -> Scale {
        self.scales.map_or(Scale::ONE, |scales| *scales.of_set(set))
    }

    fn scale_mut(&mut self, set: usize) -> Option<&mut Scale> {
        self.scales.as_mut().map(|scales| scales.of_set_mut(set))
    }

    /// Leaves a part of the weights of a set: of their number `p`, or of all their rows, where that would be too small.
    fn decay(&mut self, set: usize, keep: f64) {
        // Weights may grow under what should take a part of them.
        self.within &= keep.abs() <= 1.0;
        if let Some(p) = self.scale_mut(set).and_then(|scale| scale.decay(keep)) {
            self.scale_rows(set, F::cast(p));
        }
    }

    /// Multiplies the weights of a set, and all that is on its way to them.
    fn scale_rows(&mut self, set: usize, p: F) {
        let row = self.row(set);
        for factors in [&mut self.s, &mut self.t, &mut self.y] {
            kernels::scale_row(p, &mut factors[row.clone()]);
        }
        if let Some(adaptive) = &mut self.adaptive {
            kernels::scale_row(p, adaptive.r_mut(row));
        }
        self.ended.scale(set, p);
        let rows = self.rows_of(set);
        kernels::scale_row(p, &mut self.a[rows]);
    }

    /// The numbers of the sources of a set.
    fn rows_of(&self, set: usize) -> Range<usize> {
        let (cut, end) = (self.n_inputs * self.stride(), self.a.len());
        match (self.sets, set) {
            (1, _) => 0..end,
            (_, 0) => 0..cut,
            _ => cut..end,
        }
    }

    fn factors_within(&self) -> bool {
        let limit = F::cast(LIMIT);
        let of_momentum = |momentum: &Momentum<F>| momentum.within(limit);
        [&self.x1, &self.s, &self.t]
            .into_iter()
            .all(|row| kernels::all_within(limit, row))
            && self.momentum.as_ref().is_none_or(of_momentum)
            && self
                .adaptive
                .as_ref()
                .is_none_or(|adaptive| adaptive.within(limit))
    }

    /// Ends the base block, at whose end `alpha` is left of `zt` and `kappa_e` of `C`; whoever has waited too long catches up.
    fn end_block(&mut self, alpha: F, kappa_e: F) {
        self.within &= self.factors_within();
        self.fold_pending();
        if kappa_e != F::ONE {
            kernels::scale_row(kappa_e, &mut self.x1);
            if let Some(adaptive) = &mut self.adaptive {
                adaptive.scale(kappa_e);
            }
        }
        let adaptive = self.adaptive.as_ref();
        if let Some(lengths) = &mut self.lengths {
            lengths.end_block(kappa_e, alpha);
        }
        match &mut self.momentum {
            None => self
                .ended
                .push(&self.s, &self.t, &self.x1, kappa_e, alpha, adaptive),
            Some(momentum) => {
                let factors = (&self.s[..], &self.t[..], &self.x1[..]);
                momentum.push(&mut self.ended, factors, kappa_e, alpha);
            }
        }
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.begin_block();
        }
        self.block += 1;
        for row in [&mut self.x1, &mut self.s, &mut self.t, &mut self.y] {
            row.fill(F::ZERO);
        }
        for source in 0..self.seen.len() {
            if self.age(source) == PATIENCE {
                self.catch_up_source(source);
            }
        }
    }

    /// Puts the factors of a pending gradient into its rows, for every source: where a block ends between two updates, which happens only
    /// if steps were predicted, since blocks are whole numbers of rests.
    fn fold_pending(&mut self) {
        if self.pending.as_ref().is_none_or(Pending::is_empty) {
            return;
        }
        // Copies catch up: a row itself does so once, or its weights would be rounded twice.
        let stride = self.stride();
        let mut w = core::mem::take(&mut self.sum_a);
        let mut c = core::mem::take(&mut self.sum_c);
        let mut d = self.take_scratch();
        for source in 0..self.seen.len() {
            if self.seen[source] == NEVER {
                continue;
            }
            let own = self.own(source);
            let zt = self.traces_of(source, &mut w[..stride], &mut c[..stride], &mut d);
            if let Some(pending) = &mut self.pending {
                pending.fold(source, &c[..stride], zt, own, &d);
            }
        }
        (self.sum_a, self.sum_c) = (w, c);
        self.give_scratch(d);
        if let Some(pending) = &mut self.pending {
            pending.clear_factors();
        }
    }

    /// A row for `D`, which takes no memory where thresholds do not move.
    fn take_scratch(&mut self) -> Aligned<F> {
        let adaptive = self.adaptive.as_mut();
        adaptive.map_or_else(Aligned::default, Adaptive::take_scratch)
    }

    fn give_scratch(&mut self, d: Aligned<F>) {
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.give_scratch(d);
        }
    }

    /// `C` and `D` of a source as they would be if it caught up, and its `zt`; `w`: scratch memory.
    fn traces_of(&self, source: usize, w: &mut [F], c: &mut [F], d: &mut [F]) -> F {
        let row = source * self.stride()..(source + 1) * self.stride();
        let (age, zt) = (self.age(source), self.zt[source]);
        c.copy_from_slice(&self.c[row.clone()]);
        if let Some(adaptive) = &self.adaptive {
            d.copy_from_slice(&adaptive.d[row]);
        }
        if age == 0 {
            return zt;
        }
        let set = self.set_of(source);
        if let Some((silence, alpha)) = self.ended.last_adaptive(set, age) {
            kernels::catch_up_adaptive(silence, zt, w, c, d);
            return alpha * zt;
        }
        let (silence, alpha) = self.ended.last(set, age);
        kernels::catch_up(silence, zt, w, c);
        alpha * zt
    }

    /// How many blocks a source has waited.
    fn age(&self, source: usize) -> usize {
        match self.seen[source] {
            NEVER => 0,
            seen => (self.block - seen) as usize,
        }
    }

    fn catch_up_source(&mut self, source: usize) {
        let age = self.age(source);
        if age == 0 {
            return;
        }
        let (set, row) = (
            self.set_of(source),
            source * self.stride()..(source + 1) * self.stride(),
        );
        let (silence, alpha) = self.ended.last(set, age);
        let zt = self.zt[source];
        let (a, c) = (&mut self.a[row.clone()], &mut self.c[row.clone()]);
        let left = match (&mut self.adaptive, self.ended.last_adaptive(set, age)) {
            (Some(adaptive), Some((silence, _))) => {
                kernels::catch_up_adaptive(silence, zt, a, c, &mut adaptive.d[row])
            }
            _ => match &mut self.momentum {
                None => kernels::catch_up(silence, zt, a, c),
                Some(momentum) => momentum.catch_up(set, (age, silence), zt, (a, c), row),
            },
        };
        self.zt[source] = (alpha * zt).or_silence();
        self.seen[source] = if left || self.zt[source] != F::ZERO {
            self.block
        } else {
            NEVER
        };
        self.clear_own(source);
    }

    /// A neuron has no synapse to itself: its own places stay 0.
    fn clear_own(&mut self, source: usize) {
        if let Some(j) = self.own(source) {
            let at = source * self.stride() + j;
            self.a[at] = F::ZERO;
            self.c[at] = F::ZERO;
            if let Some(momentum) = &mut self.momentum {
                momentum.k[at] = F::ZERO;
            }
            if let Some(adaptive) = &mut self.adaptive {
                adaptive.d[at] = F::ZERO;
            }
        }
    }

    /// The block so far, to the rows of a set: folded into them it leaves the factors 0.
    fn now(&self, set: usize) -> Silence<'_, F> {
        Silence {
            s: &self.s[self.row(set)],
            t: &self.t[self.row(set)],
            x: &self.x1,
            k: F::ONE,
        }
    }

    /// All rows as they are now, factors 0: with the bits that reading shows. Where it is stopped, some rows wait on.
    fn fold(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        self.end_block(F::ONE, F::ONE);
        let stride = self.stride();
        (0..self.seen.len()).try_for_each(|source| {
            self.catch_up_source(source);
            pace.pass(stride)
        })?;
        for set in 0..self.sets {
            if let Some(p) = self.scale_mut(set).map(Scale::take).filter(|&p| p != 1.0) {
                self.scale_rows(set, F::cast(p));
            }
        }
        Ok(())
    }

    /// Gives inputs and neurons factors of their own, or all sources the same.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Interrupted`], and then no weight has changed but by rounding.
    pub(super) fn regroup(&mut self, grouped: bool, pace: &mut Pace<'_>) -> Result<(), Error> {
        let sets = 1 + usize::from(grouped);
        if sets == self.sets {
            return Ok(());
        }
        let stride = self.stride();
        let [s, t, y, sum_a, sum_c] = Room::build(
            || "factors of their own".into(),
            |room| {
                let mut rows = || room.zeros(sets, stride);
                Ok([rows()?, rows()?, rows()?, rows()?, rows()?])
            },
        )?;
        let adapts = self.adaptive.is_some();
        let (ended, lengths, of_adaptive, momentum) = Room::build(
            || "factors of their own".into(),
            |room| {
                // Rows K stay where they are.
                let momentum = match &self.momentum {
                    Some(momentum) => {
                        Some(Momentum::new(room, sets, (0, stride), momentum.decays)?)
                    }
                    None => None,
                };
                let lengths = match self.lengths {
                    Some(_) => Some(Lengths::new(room, sets, stride, adapts)?),
                    None => None,
                };
                let of_adaptive = match adapts {
                    true => Some([room.zeros(sets, stride)?, room.zeros(sets, stride)?]),
                    false => None,
                };
                Ok((
                    Ended::new(room, sets, stride, adapts)?,
                    lengths,
                    of_adaptive,
                    momentum,
                ))
            },
        )?;
        self.fold(pace)?;
        if let Some((adaptive, rows)) = self.adaptive.as_mut().zip(of_adaptive) {
            adaptive.regroup(rows);
        }
        (self.s, self.t, self.y, self.sum_a, self.sum_c) = (s, t, y, sum_a, sum_c);
        (self.ended, self.lengths, self.sets) = (ended, lengths, sets);
        if let (Some(momentum), Some(mut fresh)) = (&mut self.momentum, momentum) {
            fresh.k = core::mem::take(&mut momentum.k);
            *momentum = fresh;
        }
        if let Some(lengths) = &mut self.lengths {
            for source in 0..self.seen.len() {
                let set = if source < self.n_inputs { 0 } else { sets - 1 };
                let row = source * stride..(source + 1) * stride;
                let own = source.checked_sub(self.n_inputs);
                let d = match &self.adaptive {
                    Some(adaptive) => &adaptive.d[row.clone()],
                    None => &[],
                };
                lengths.add(set, &self.c[row], self.zt[source], own, d);
            }
        }
        Ok(())
    }

    /// `Y` of the weights' factors, made by a step in which nothing happens.
    fn respond(&mut self) {
        let none = core::mem::take(&mut self.none);
        let nothing = StepScales::nothing();
        match self.momentum {
            None => self.step_sets([nothing; 2], &none, &[], &[]),
            Some(_) => self.step_momentum([None; 2], nothing, &none, (&[], &[])),
        }
        self.none = none;
    }

    /// A step of the factors of each set, and of `X1` if the first scales say so; where thresholds move, it has taken its step.
    fn step_sets(&mut self, scales: [StepScales<F>; 2], psi: &[F], l: &[F], r: &[F]) {
        let stride = self.stride();
        if let Some(adaptive) = &mut self.adaptive {
            for (set, scales) in scales[..self.sets].iter().enumerate() {
                let row = set * stride..(set + 1) * stride;
                let (s, t) = (&mut self.s[row.clone()], &mut self.t[row.clone()]);
                let weights = [s, t, &mut self.y[row.clone()]];
                adaptive.step_set(*scales, [l, r], &self.x1, row, weights);
            }
            return;
        }
        let (s, s_of_last) = self.s.split_at_mut(stride);
        let (t, t_of_last) = self.t.split_at_mut(stride);
        let (y, y_of_last) = self.y.split_at_mut(stride);
        let (first, x1) = (FactorsMut { s, t, y }, &mut self.x1);
        if self.sets == 1 {
            return kernels::step_factors([scales[0]], psi, l, r, x1, [first]);
        }
        let last = FactorsMut {
            s: s_of_last,
            t: t_of_last,
            y: y_of_last,
        };
        kernels::step_factors(scales, psi, l, r, x1, [first, last]);
    }

    /// The sums of squares after the step under way, whose psi this is, and `sum_j L_j^2 Q_j / kappa_e^2u` of each set.
    fn step_lengths(&mut self, psi: &[F], l: &[F]) -> Kinds<f64> {
        let u = self.u();
        let last = self.row(self.sets - 1);
        let Some(lengths) = &mut self.lengths else {
            return Kinds::same(0.0);
        };
        let (grow, alpha) = (
            self.filters.zeta_e * self.powers.kappa_up[u],
            self.powers.alpha_down[u],
        );
        let growth = Growth {
            grow: grow * alpha,
            grown: self.powers.alpha_up[u] * self.filters.zeta,
            psi,
            x1: &self.x1,
        };
        let first = 0..self.x1.len();
        let sum_c = [&self.sum_c[first.clone()], &self.sum_c[last.clone()]];
        let Some(adaptive) = &mut self.adaptive else {
            return lengths.step(growth, l, sum_c);
        };
        adaptive.take(psi);
        let sum_d = [first, last].map(|set| adaptive.sum_of(set));
        lengths.step_adaptive(growth, l, sum_c, sum_d, adaptive.now_of(grow, alpha, psi))
    }

    /// As [`length`](Synapses::length), with scratch memory of a row each.
    fn length_with(
        &self,
        [w, c, d]: [&mut [F]; 3],
        pace: &mut Pace<'_>,
    ) -> Result<Kinds<f64>, Error> {
        let (Some(lengths), Some(pending)) = (&self.lengths, &self.pending) else {
            return Ok(Kinds::same(0.0));
        };
        let (s, t, stride) = (&pending.s, &pending.t, self.stride());
        let mut squared = match (&pending.r, &self.adaptive) {
            (Some(r), Some(adaptive)) => {
                lengths.of_adaptive([s, t, r], &self.x1, adaptive.responses())
            }
            _ => lengths.of(s, t, &self.x1),
        };
        for source in pending.sources() {
            let zt = self.traces_of(source, &mut w[..stride], &mut c[..stride], d);
            let more = pending.beyond_factors(source, &c[..stride], zt, d);
            *squared.of_set_mut(self.set_of(source)) += more;
            pace.pass(stride)?;
        }
        Ok(squared.map(|squared| squared.max(0.0)))
    }

    /// Lists a step's active sources, and moves their `zt`; returns `sum_i s_i zt_i` of each set, and how many of the sources are of the first.
    fn list(&mut self, sources: &Sources<'_, F>, current: &mut [F]) -> ([F; 2], usize) {
        let last = self.sets - 1;
        let (t, p) = (&self.t[self.row(last)], self.scale(last).of::<F>());
        let up = self.powers.alpha_up[self.u()] * self.filters.zeta;
        let (limit, block, n_inputs) = (F::cast(LIMIT), self.block, self.n_inputs);
        let (zt, seen) = (&mut self.zt[..], &mut self.seen[..]);
        let (visits, left, within) = (&mut self.visits, &self.ended.a[..], &mut self.within);
        let (mut sum_zt, mut of_first) = ([F::ZERO; 2], 0);
        visits.clear();
        sources.all().for_each(|(source, value)| {
            let at = source as usize;
            let age = if seen[at] == NEVER {
                0
            } else {
                block - seen[at]
            };
            let before = zt[at];
            let caught_up = match age.checked_sub(1) {
                None => before,
                Some(waited) => left[waited as usize] * before,
            };
            let own = at.checked_sub(n_inputs);
            let set = if own.is_some() { last } else { 0 };
            sum_zt[set] += value * caught_up;
            of_first += usize::from(set == 0);
            if let Some(j) = own {
                // The sum over all sources holds a neuron's own, which does not reach it.
                current[j] += p * t[j] * (value * caught_up);
            }
            let shift = up * value;
            visits.push(Visit {
                source,
                age: age as u32,
                value,
                shift,
                zt: before,
                own: own.unwrap_or(usize::MAX),
            });
            zt[at] = caught_up + shift;
            *within &= zt[at].abs() <= limit;
            seen[at] = block;
        });
        (sum_zt, of_first)
    }
}

/// Behind a current, or where membranes differ, traces have no gain.
pub(super) fn filters<F: Float>(config: &Config) -> Filters<F> {
    let filters = Filters::of(config);
    match config.has_own_membranes() {
        true => Filters {
            zeta: F::ONE,
            ..filters
        },
        false => filters,
    }
}

impl<F: Float> Synapses<F> for Factored<F> {
    /// A spike leaves `A - S C - T zt` what it was, but for rounding. So the factors of what was learned are put away before a step
    /// that does not learn: to a row that is a block in which nothing decays.
    fn drive(&mut self, sources: &Sources<'_, F>, learning: Kinds<bool>, current: &mut [F]) {
        let stops = |learned: bool, learning: bool| learned && !learning;
        if stops(self.learned.inputs, learning.inputs)
            || stops(self.learned.neurons, learning.neurons)
        {
            self.end_block(F::ONE, F::ONE);
        }
        self.learned = learning.map(|learning| learning && self.pending.is_none());
        if self.steps > 0 && self.steps % self.powers.len() as u64 == 0 {
            self.end_block(self.powers.alpha_block, self.powers.kappa_block);
        }
        self.steps += 1;
        current.fill(F::ZERO);
        let (sum_zt, of_first) = self.list(sources, current);
        let scales = self.scales;
        let (first, rest) = self.visits.split_at(of_first);
        for (set, visits) in [first, rest][..self.sets].iter().copied().enumerate() {
            if let Some(lengths) = &mut self.lengths {
                let w = self.adaptive.as_ref().map(|adaptive| &adaptive.w[..]);
                lengths.follow(set, visits, &self.ended.a, &self.x1, w);
            }
            let row = self.row(set);
            let (sum_a, sum_c) = (&mut self.sum_a[row.clone()], &mut self.sum_c[row.clone()]);
            sum_c.fill(F::ZERO);
            if let Some(adaptive) = &mut self.adaptive {
                adaptive.clear_sum(row.clone());
            }
            if visits.is_empty() {
                continue;
            }
            sum_a.fill(F::ZERO);
            let factors = Factors {
                y: &self.y[row.clone()],
                x1: &self.x1,
                none: &self.none,
            };
            let (a, c, ended) = (&mut self.a, &mut self.c, self.ended.of_set(set));
            match (&mut self.adaptive, &self.ended.adaptive) {
                (Some(adaptive), Some(of_adaptive)) => {
                    let (ended, sums) =
                        (of_adaptive.of_set(ended, set), [&mut *sum_a, &mut *sum_c]);
                    adaptive.follow(visits, ended, [a, c], factors, row.clone(), sums);
                }
                _ => match &mut self.momentum {
                    None => kernels::follow_spikes(a, c, visits, ended, factors, sum_a, sum_c),
                    Some(momentum) => {
                        let sums = (&mut *sum_a, &mut *sum_c);
                        momentum.follow(set, (a, c), visits, ended, factors, sums);
                    }
                },
            }
            let (s, t, sum_zt) = (&self.s[row.clone()], &self.t[row.clone()], sum_zt[set]);
            if let Some(momentum) = &self.momentum {
                momentum.add_current(set, (sum_a, sum_c), (s, t), sum_zt, current);
                continue;
            }
            let scale = scales.map(|scales| *scales.of_set(set));
            match scale {
                None => kernels::current_of_factors(sum_a, sum_c, s, t, sum_zt, current),
                Some(p) => {
                    kernels::scaled_current_of_factors(p.of(), sum_a, sum_c, s, t, sum_zt, current);
                }
            }
            if let Some(adaptive) = &self.adaptive {
                adaptive.current(scale.unwrap_or(Scale::ONE).of(), row, current);
            }
        }
        if let Some(pending) = &mut self.pending {
            for visit in &self.visits {
                let source = visit.source as usize;
                pending.follow(source, visit.shift, source.checked_sub(self.n_inputs));
            }
        }
    }

    fn learn(
        &mut self,
        _: &Sources<'_, F>,
        psi: &[F],
        signal: Option<Signal<'_, F>>,
        at_once: Option<Kinds<Step<'_, F>>>,
    ) {
        let u = self.u();
        let scales = StepScales {
            alpha: self.powers.alpha_down[u],
            grow: self.filters.zeta_e * self.powers.kappa_up[u],
            learn: self.powers.kappa_down[u],
            // A gradient that waits has no learning rate yet.
            eta: F::ONE,
        };
        if self.lengths.as_ref().is_some_and(Lengths::is_due) {
            // Nobody asks how long it is.
            self.step_lengths(psi, psi);
        }
        let l = signal.map_or(&[][..], |signal| signal.l);
        let r = signal.and_then(|signal| signal.r).unwrap_or(&[]);
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.step_responses(scales, psi, &mut self.x1);
            if let Some(pending) = &mut self.pending {
                return pending.learn_adaptive(scales, &self.x1, l, r, adaptive);
            }
        }
        if let Some(pending) = &mut self.pending {
            // The factors of the weights are 0 between updates, and so is what a spike takes from them.
            return pending.learn(scales, &mut self.x1, psi, l, r);
        }
        let at_once = at_once.map(|steps| [steps.inputs, steps.neurons]);
        if self.momentum.is_some() {
            let steps = at_once.map(|steps| steps.map(Step::momentum));
            return self.step_momentum(steps.unwrap_or([None; 2]), scales, psi, (l, r));
        }
        let mut of_sets = [scales; 2];
        for (set, of_set) in of_sets[..self.sets].iter_mut().enumerate() {
            let step = at_once.and_then(|steps| steps[set].multiples());
            let (mut eta, keep) = step.unwrap_or((F::ZERO, 1.0));
            if self.scales.is_some() {
                self.decay(set, keep);
                eta *= self.scale(set).inverse();
            }
            of_set.learn = eta * scales.learn;
            of_set.eta = eta;
        }
        self.step_sets(of_sets, psi, l, r);
    }

    fn length_of_step(&mut self, psi: &[F], l: &[F]) -> Kinds<f64> {
        let kappa = self.powers.kappa_down[self.u()].to_f64();
        let squared = self.step_lengths(psi, l);
        squared.map(|squared| kappa * kappa * squared)
    }

    /// Of `G + S C + T zt`: the sums know the length of the factors' part, and only sources that fired since the last update have a row `G`.
    fn length(&mut self, pace: &mut Pace<'_>) -> Result<Kinds<f64>, Error> {
        let mut w = core::mem::take(&mut self.sum_a);
        let mut c = core::mem::take(&mut self.sum_c);
        let mut d = self.take_scratch();
        let squared = self.length_with([&mut w, &mut c, &mut d], pace);
        (self.sum_a, self.sum_c) = (w, c);
        self.give_scratch(d);
        squared
    }

    /// Hands the factors of the pending gradient to the weights, takes a step down its rows, and puts the factors away, so that weights rest
    /// to the bit until the next update. Where every gradient was applied with its step there is nothing to do.
    fn update(&mut self, _: Option<&[F]>, steps: Kinds<Step<'_, F>>) {
        // The plan gives other optimizers other forms.
        if self.pending.is_none() {
            return;
        }
        if self.momentum.is_some() {
            return self.update_with_momentum([steps.inputs, steps.neurons]);
        }
        let mut eta = [F::ZERO; 2];
        for (set, step) in [steps.inputs, steps.neurons][..self.sets]
            .iter()
            .enumerate()
        {
            let Some((of_set, keep)) = step.multiples() else {
                return;
            };
            self.decay(set, keep);
            eta[set] = of_set * self.scale(set).inverse();
        }
        let last = self.sets - 1;
        let Some(pending) = &mut self.pending else {
            return;
        };
        let limit = F::cast(LIMIT);
        let stride = pending.s.len();
        self.within &= pending.within(limit);
        for (set, &eta) in eta[..=last].iter().enumerate() {
            self.within &= eta <= limit;
            let row = set * stride..(set + 1) * stride;
            kernels::add_row(eta, &pending.s, &mut self.s[row.clone()]);
            kernels::add_row(eta, &pending.t, &mut self.t[row.clone()]);
            if let (Some(adaptive), Some(r)) = (&mut self.adaptive, &pending.r) {
                kernels::add_row(eta, r, adaptive.r_mut(row));
            }
        }
        pending.clear_factors();
        let n_inputs = self.n_inputs;
        let set_of = |source| if source < n_inputs { 0 } else { last };
        pending.descend(|source| eta[set_of(source)], &mut self.a);
        self.end_block(F::ONE, F::ONE);
    }

    /// Weights in the factors of one stream are never those of several.
    fn collect(&mut self, _: Option<&[F]>, _: &mut [F]) {}

    fn take_back(&mut self, _: &mut Aligned<F>) {}

    fn read(
        &self,
        what: What,
        sources: Range<usize>,
        pace: &mut Pace<'_>,
        see: See<'_, F>,
    ) -> Result<(), Error> {
        let mut reading = self.reading()?;
        for source in sources {
            self.read_source(source, &mut reading);
            let row = match what {
                What::Weight => &reading.w,
                What::Eligibility => &reading.e_bar,
            };
            see(source, &row[..self.n])?;
            pace.pass(self.n)?;
        }
        Ok(())
    }

    fn present(&self) -> Result<Present<F>, Error> {
        self.present_rows()
    }

    fn send(&self, sources: &Sources<'_, F>, present: &mut Present<F>, current: &mut [F]) {
        self.send_present(sources, present, current);
    }

    fn assign(
        &mut self,
        first_source: usize,
        w: ArrayView2<'_, F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        self.fold(pace)?;
        let stride = self.stride();
        if let Some(momentum) = &mut self.momentum {
            momentum.heal(first_source..first_source + w.ncols());
        }
        assign_rows(&mut self.a, stride, first_source, w, pace)
    }

    fn take(
        &mut self,
        first_source: usize,
        g: ArrayView2<'_, F>,
        step: Step<'_, F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        self.fold(pace)?;
        if let (Some(step), Some(momentum)) = (step.momentum(), &mut self.momentum) {
            let stride = self.x1.len();
            for source in first_source..first_source + g.ncols() {
                // Something is left of its K from now on.
                if self.seen[source] == NEVER {
                    self.seen[source] = self.block;
                }
            }
            self.within = false;
            return by_columns(g, pace, |source, j, g| {
                let at = (first_source + source) * stride + j;
                Momentum::take_one(step, g, &mut self.a[at], &mut momentum.k[at]);
            });
        }
        let (eta, keep) = step.multiples().unwrap_or((F::ZERO, 1.0));
        let shrink = F::cast(1.0 - keep);
        let stride = self.x1.len();
        let rows = &mut self.a[first_source * stride..];
        self.within = false;
        by_columns(g, pace, |source, j, g| {
            let w = &mut rows[source * stride + j];
            *w -= eta * g + shrink * *w;
        })
    }

    fn first_rows(&mut self) -> &mut [F] {
        &mut self.a
    }

    fn z_bar(&self, see: &mut dyn FnMut(F)) {
        if self.adaptive.as_ref().is_some_and(Adaptive::differs) {
            return;
        }
        for source in 0..self.zt.len() {
            // A neuron's own source has no synapse to it.
            let any = usize::from(self.own(source) == Some(0));
            see(self.z_bar_in(any, source).or_silence());
        }
    }

    fn z_bar_rows(&self, pace: &mut Pace<'_>, see: See<'_, F>) -> Result<(), Error> {
        let mut row = Room::build(
            || "reading the synapses".into(),
            |room| room.zeros(1, self.n),
        )?;
        for source in 0..self.zt.len() {
            for (j, z_bar) in row.iter_mut().enumerate() {
                *z_bar = match self.own(source) == Some(j) {
                    true => F::ZERO,
                    false => self.z_bar_in(j, source).or_silence(),
                };
            }
            see(source, &row)?;
            pace.pass(self.n)?;
        }
        Ok(())
    }

    /// Within the limit, `|S C|` and `|T zt|` are at most 1e9 times numbers that are themselves sums of at most 1e18: an update cannot have
    /// made a finite weight infinite.
    fn finite(&mut self) -> bool {
        if self.within && self.factors_within() {
            return true;
        }
        let mut finite = true;
        let all = 0..self.seen.len();
        let nobody = &mut Interrupt::NOBODY.pace();
        let looked = self.read(What::Weight, all, nobody, &mut |_, w| {
            finite &= kernels::all_finite(w);
            Ok(())
        });
        let limit = F::cast(LIMIT);
        let of_momentum = |momentum: &Momentum<F>| kernels::all_within(limit, &momentum.k);
        self.within = looked.is_ok()
            && finite
            && kernels::all_within(limit, &self.zt)
            && self.momentum.as_ref().is_none_or(of_momentum);
        finite
    }

    /// To a row, a reset is a block that leaves nothing of its traces; it takes note when it next catches up.
    fn reset(&mut self) {
        if let Some(pending) = &mut self.pending {
            pending.clear();
        }
        if self.steps > 0 {
            self.x1.fill(F::ZERO);
            if let Some(adaptive) = &mut self.adaptive {
                adaptive.forget();
            }
            self.end_block(F::ZERO, F::ZERO);
        }
        if let Some(lengths) = &mut self.lengths {
            lengths.clear();
        }
        self.steps = 0;
        self.learned = Kinds::same(false);
    }

    fn parameter(&mut self) -> Option<&mut Parameter<F>> {
        None
    }

    fn shared(&self) -> Option<Shared<F>> {
        None
    }

    fn changed(&mut self, _: bool) {}

    /// Rows as they are, whoever waited and for however long.
    fn catch_up(&mut self) {
        for source in 0..self.seen.len() {
            self.catch_up_source(source);
            self.seen[source] = if self.seen[source] == NEVER { NEVER } else { 0 };
        }
        self.ended.clear();
        if let Some(momentum) = &mut self.momentum {
            momentum.forget();
        }
        self.block = 0;
    }
}

#[cfg(test)]
mod tests;
