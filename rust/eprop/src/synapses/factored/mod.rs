//! The factored form (section 3.1): weights that change at every step, or every few, for one or two row operations per spike.
//! Nothing is approximated: at every moment, u steps into a base block of B,
//!
//! `W = A - S C - T zt`, `e_bar = kappa_e^u (C + X1 zt)`, `z_bar = alpha^u zt`,
//!
//! with rows `A`, `C` and a number `zt` per source, and factors `S`, `T`, `X1` per neuron, which are all that a step without spikes
//! touches. A source that is silent waits at the end of a block, and catches up with all blocks it missed, composed into one.

mod past;
mod pending;
mod persist;

use alloc::vec;
use alloc::vec::Vec;

use past::{PATIENCE, Past};
use pending::Pending;

pub(super) use past::Powers;

use super::{Filters, LIMIT, Synapses};
use crate::Float;
use crate::aligned::Aligned;
use crate::feedback::{Backward, Signal};
use crate::kernels::{self, Factors, FactorsMut, Silence, SilenceMut, StepScales, Visit};
use crate::optimizer::Optimizer;
use crate::sources::Sources;

/// `Factored::seen` of a source with no trace at all: nothing waits for it.
const NEVER: u64 = crate::persist::MOST;
/// The rows of every source and the factors of every neuron.
#[derive(Clone, Debug)]
pub(crate) struct Factored<F> {
    n: usize,
    n_inputs: usize,
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
    past: Past<F>,
    /// Where weights rest for a while.
    pending: Option<Pending<F>>,
    /// Steps since `reset`, and the blocks ended since.
    steps: u64,
    block: u64,
    /// Whether the last step left factors of learning.
    learned: bool,
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

impl<F: Float> Factored<F> {
    /// `w`: P rows of N, unpadded. `alpha` and `kappa_e` in float64, for their powers.
    pub(crate) fn new(
        w: &[F],
        n: usize,
        n_inputs: usize,
        stride: usize,
        filters: Filters<F>,
        powers: Powers<F>,
        pending: bool,
    ) -> Self {
        let p = n_inputs + n;
        let row = || Aligned::zeros(stride);
        Self {
            n,
            n_inputs,
            filters,
            powers,
            a: Aligned::rows(w, n, stride),
            c: Aligned::zeros(p * stride),
            zt: vec![F::ZERO; p],
            seen: vec![NEVER; p],
            x1: row(),
            s: row(),
            t: row(),
            past: Past::new(stride),
            pending: pending.then(|| Pending::new(p, stride)),
            steps: 0,
            block: 0,
            learned: false,
            y: row(),
            none: row(),
            within: kernels::all_finite(w),
            sum_a: row(),
            sum_c: row(),
            visits: Vec::with_capacity(p),
        }
    }

    /// Bytes of everything, `None` where the count overflows.
    pub(crate) fn bytes_for(p: usize, stride: usize, base: usize, pending: bool) -> Option<usize> {
        let waiting = if pending {
            Pending::<F>::bytes_for(p, stride)?
        } else {
            0
        };
        let rows = p.checked_mul(2)?.checked_add(7 + 3 * (PATIENCE + 1))?;
        stride
            .checked_mul(rows)?
            .checked_add(p)?
            .checked_add(base.checked_mul(4)?)?
            .checked_mul(size_of::<F>())?
            .checked_add(p.checked_mul(size_of::<u64>() + size_of::<Visit<F>>())?)?
            .checked_add(waiting)
    }

    /// Steps since the start of the base block; before the first step, 0.
    fn u(&self) -> usize {
        (self.steps.saturating_sub(1) % self.powers.len() as u64) as usize
    }

    fn stride(&self) -> usize {
        self.x1.len()
    }

    fn row(&self) -> Aligned<F> {
        Aligned::zeros(self.stride())
    }

    fn own(&self, source: usize) -> Option<usize> {
        source.checked_sub(self.n_inputs)
    }

    fn factors_within(&self) -> bool {
        let limit = F::cast(LIMIT);
        [&self.x1, &self.s, &self.t]
            .into_iter()
            .all(|row| kernels::all_within(limit, row))
    }

    /// Ends the base block, at whose end `alpha` is left of `zt` and `kappa_e` of `C`; whoever has waited too long catches up.
    fn end_block(&mut self, alpha: F, kappa_e: F) {
        self.within &= self.factors_within();
        self.fold_pending();
        if kappa_e != F::ONE {
            kernels::scale_row(kappa_e, &mut self.x1);
        }
        self.past.push(
            Silence {
                s: &self.s,
                t: &self.t,
                x: &self.x1,
                k: kappa_e,
            },
            alpha,
        );
        self.block += 1;
        for row in [&mut self.x1, &mut self.s, &mut self.t, &mut self.y] {
            row.fill(F::ZERO);
        }
        for source in 0..self.seen.len() {
            if self.age(source) == PATIENCE {
                self.catch_up(source);
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
        let mut w = core::mem::take(&mut self.sum_a);
        let mut c = core::mem::take(&mut self.sum_c);
        for source in 0..self.seen.len() {
            if self.seen[source] == NEVER {
                continue;
            }
            let row = source * self.stride()..(source + 1) * self.stride();
            let (own, age, mut zt) = (self.own(source), self.age(source), self.zt[source]);
            c.copy_from_slice(&self.c[row]);
            if age > 0 {
                let (silence, alpha) = self.past.last(age);
                kernels::catch_up(silence, zt, &mut w, &mut c);
                zt *= alpha;
            }
            if let Some(pending) = &mut self.pending {
                pending.fold(source, &c, zt, own);
            }
        }
        (self.sum_a, self.sum_c) = (w, c);
        if let Some(pending) = &mut self.pending {
            pending.clear_factors();
        }
    }

    /// How many blocks a source has waited.
    fn age(&self, source: usize) -> usize {
        match self.seen[source] {
            NEVER => 0,
            seen => (self.block - seen) as usize,
        }
    }

    fn catch_up(&mut self, source: usize) {
        let age = self.age(source);
        if age == 0 {
            return;
        }
        let (silence, alpha) = self.past.last(age);
        let row = source * self.stride()..(source + 1) * self.stride();
        let zt = self.zt[source];
        let left = kernels::catch_up(silence, zt, &mut self.a[row.clone()], &mut self.c[row]);
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
        }
    }

    /// `W` and `e_bar` of a source, into rows of the padded length.
    fn read(&self, source: usize, w: &mut [F], e_bar: &mut [F]) {
        let row = source * self.stride()..(source + 1) * self.stride();
        w.copy_from_slice(&self.a[row.clone()]);
        e_bar.copy_from_slice(&self.c[row]);
        // As one block, like the catch-up that a reset or a prediction would lead to: so that what is read is what will be there, to the bit.
        let (now, zt) = (self.now(), self.zt[source]);
        match self.age(source) {
            _ if self.seen[source] == NEVER => {}
            0 => _ = kernels::catch_up(now, zt, w, e_bar),
            age => {
                let (waited, alpha) = self.past.last(age);
                let (mut s, mut t, mut x) = (self.row(), self.row(), self.row());
                let to = SilenceMut {
                    s: &mut s,
                    t: &mut t,
                    x: &mut x,
                };
                kernels::compose(waited, alpha, now, to);
                kernels::catch_up(
                    Silence {
                        s: &s,
                        t: &t,
                        x: &x,
                        k: waited.k * now.k,
                    },
                    zt,
                    w,
                    e_bar,
                );
            }
        }
        kernels::scale_row(self.powers.kappa_down[self.u()], e_bar);
        if let Some(j) = self.own(source) {
            w[j] = F::ZERO;
            e_bar[j] = F::ZERO;
        }
    }

    /// The block so far: folded into the rows it leaves the factors 0.
    fn now(&self) -> Silence<'_, F> {
        Silence {
            s: &self.s,
            t: &self.t,
            x: &self.x1,
            k: F::ONE,
        }
    }

    /// All rows as they are now, factors 0: with the bits that reading shows.
    fn fold(&mut self) {
        self.end_block(F::ONE, F::ONE);
        for source in 0..self.seen.len() {
            self.catch_up(source);
        }
    }

    /// Rows as they are, whoever waited and for however long.
    pub(crate) fn catch_up_all(&mut self) {
        for source in 0..self.seen.len() {
            self.catch_up(source);
            self.seen[source] = if self.seen[source] == NEVER { NEVER } else { 0 };
        }
        self.past.len = 0;
        self.block = 0;
    }

    /// `Y` of the weights' factors, made by a step in which nothing happens.
    fn respond(&mut self) {
        let nothing = StepScales {
            alpha: F::ZERO,
            grow: F::ZERO,
            learn: F::ZERO,
            eta: F::ZERO,
        };
        let factors = FactorsMut {
            x1: &mut self.x1,
            s: &mut self.s,
            t: &mut self.t,
            y: &mut self.y,
        };
        kernels::step_factors(nothing, &self.none, &[], &[], factors);
    }

    /// Shows `W` and `e_bar` of every source, padded.
    fn read_each(&self, mut see: impl FnMut(&[F], &[F])) {
        let (mut w, mut e_bar) = (self.row(), self.row());
        for source in 0..self.seen.len() {
            self.read(source, &mut w, &mut e_bar);
            see(&w, &e_bar);
        }
    }

    fn unpadded(&self) -> Vec<F> {
        Vec::with_capacity(self.seen.len() * self.n)
    }

    /// Lists a step's active sources, and moves their `zt`; returns `sum_i s_i zt_i`.
    fn list(&mut self, sources: &Sources<'_, F>, current: &mut [F]) -> F {
        let up = self.powers.alpha_up[self.u()] * self.filters.zeta;
        let (limit, block, n_inputs) = (F::cast(LIMIT), self.block, self.n_inputs);
        let (zt, seen, t) = (&mut self.zt[..], &mut self.seen[..], &self.t[..]);
        let (visits, left, within) = (&mut self.visits, &self.past.a[..], &mut self.within);
        let mut sum_zt = F::ZERO;
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
            sum_zt += value * caught_up;
            let own = at.checked_sub(n_inputs);
            if let Some(j) = own {
                // The sum over all sources holds a neuron's own, which does not reach it.
                current[j] += t[j] * (value * caught_up);
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
        sum_zt
    }
}

impl<F: Float> Synapses<F> for Factored<F> {
    /// A spike leaves `A - S C - T zt` what it was, but for rounding. So the factors of what was learned are put away before a step
    /// that does not learn: to a row that is a block in which nothing decays.
    fn prepare(&mut self, _: Backward<'_, F>, learning: bool) {
        if !learning && self.learned {
            self.end_block(F::ONE, F::ONE);
        }
        self.learned = learning && self.pending.is_none();
    }

    fn drive(&mut self, sources: &Sources<'_, F>, _: Option<&[F]>, current: &mut [F]) {
        if self.steps > 0 && self.steps % self.powers.len() as u64 == 0 {
            self.end_block(self.powers.alpha_block, self.powers.kappa_block);
        }
        self.steps += 1;
        current.fill(F::ZERO);
        let sum_zt = self.list(sources, current);
        self.sum_a.fill(F::ZERO);
        self.sum_c.fill(F::ZERO);
        let past = kernels::Past {
            s: &self.past.s,
            t: &self.past.t,
            x: &self.past.x,
            k: &self.past.k,
        };
        let factors = Factors {
            y: &self.y,
            x1: &self.x1,
            none: &self.none,
        };
        kernels::follow_spikes(
            &mut self.a,
            &mut self.c,
            &self.visits,
            past,
            factors,
            &mut self.sum_a,
            &mut self.sum_c,
        );
        if let Some(pending) = &mut self.pending {
            for visit in &self.visits {
                let source = visit.source as usize;
                pending.follow(source, visit.shift, source.checked_sub(self.n_inputs));
            }
        }
        kernels::current_of_factors(&self.sum_a, &self.sum_c, &self.s, &self.t, sum_zt, current);
    }

    fn learn(
        &mut self,
        _: &Sources<'_, F>,
        psi: &[F],
        signal: Option<Signal<'_, F>>,
        apply: Option<Optimizer<F>>,
    ) {
        let u = self.u();
        // A gradient that waits has no learning rate yet.
        let eta = match &self.pending {
            Some(_) => F::ONE,
            None => apply.map_or(F::ZERO, Optimizer::linear),
        };
        let scales = StepScales {
            alpha: self.powers.alpha_down[u],
            grow: self.filters.zeta_e * self.powers.kappa_up[u],
            learn: eta * self.powers.kappa_down[u],
            eta,
        };
        let l = signal.map_or(&[][..], |signal| signal.l);
        let r = signal.and_then(|signal| signal.r).unwrap_or(&[]);
        if let Some(pending) = &mut self.pending {
            // The factors of the weights are 0 between updates, and so is what a spike takes from them.
            return pending.learn(scales, &mut self.x1, psi, l, r);
        }
        let factors = FactorsMut {
            x1: &mut self.x1,
            s: &mut self.s,
            t: &mut self.t,
            y: &mut self.y,
        };
        kernels::step_factors(scales, psi, l, r, factors);
    }

    fn wants_signal(&self) -> bool {
        true
    }

    /// Hands the factors of the pending gradient to the weights, takes a step down its rows, and puts the factors away, so that weights rest
    /// to the bit until the next update. Where every gradient was applied with its step there is nothing to do.
    fn update(&mut self, _: Backward<'_, F>, _: Option<&[F]>, optimizer: Optimizer<F>) {
        let Some(pending) = &mut self.pending else {
            return;
        };
        let (lr, limit) = (optimizer.linear(), F::cast(LIMIT));
        self.within &= lr <= limit && pending.within(limit);
        kernels::add_row(lr, &pending.s, &mut self.s);
        kernels::add_row(lr, &pending.t, &mut self.t);
        pending.clear_factors();
        pending.descend(lr, &mut self.a);
        self.end_block(F::ONE, F::ONE);
    }

    fn gradient(&self, _: Backward<'_, F>, _: Option<&[F]>) -> Vec<F> {
        vec![F::ZERO; self.seen.len() * self.n]
    }

    fn settle(&mut self, _: Backward<'_, F>) {}

    fn weights(&self) -> Vec<F> {
        let mut weights = self.unpadded();
        self.read_each(|w, _| weights.extend_from_slice(&w[..self.n]));
        weights
    }

    fn set_weights(&mut self, first_source: usize, rows: &[F]) {
        self.fold();
        let (n, stride) = (self.n, self.stride());
        let to = self.a.chunks_exact_mut(stride).skip(first_source);
        to.zip(rows.chunks_exact(n))
            .for_each(|(to, from)| to[..n].copy_from_slice(from));
    }

    fn input_weights(&self) -> Option<&[F]> {
        None
    }

    fn eligibility(&self) -> Vec<F> {
        let mut traces = self.unpadded();
        self.read_each(|_, e_bar| traces.extend_from_slice(&e_bar[..self.n]));
        traces
    }

    fn z_bar(&self) -> Vec<F> {
        let down = self.powers.alpha_down[self.u()];
        let waited = |source| match self.age(source) {
            0 => F::ONE,
            age => self.past.last(age).1,
        };
        (0..self.zt.len())
            .map(|source| (down * (waited(source) * self.zt[source])).or_silence())
            .collect()
    }

    fn all_finite(&self) -> bool {
        let mut finite = true;
        self.read_each(|w, _| finite &= kernels::all_finite(w));
        finite
    }

    /// Within the limit, `|S C|` and `|T zt|` are at most 1e9 times numbers that are themselves sums of at most 1e18: an update cannot have
    /// made a finite weight infinite.
    fn within(&self) -> bool {
        self.within && self.factors_within()
    }

    fn checked(&mut self) {
        self.within = kernels::all_within(F::cast(LIMIT), &self.zt);
    }

    /// To a row, a reset is a block that leaves nothing of its traces; it takes note when it next catches up.
    fn reset(&mut self) {
        if let Some(pending) = &mut self.pending {
            pending.clear();
        }
        if self.steps > 0 {
            self.x1.fill(F::ZERO);
            self.end_block(F::ZERO, F::ZERO);
        }
        self.steps = 0;
        self.learned = false;
    }
}
