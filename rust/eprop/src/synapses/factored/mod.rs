//! The factored form: weights that change at every step, or every few, for one or two row operations per spike.
//! Nothing is approximated: at every moment, u steps into a base block of B,
//!
//! `W = A - S C - T zt`, `e_bar = kappa_e^u (C + X1 zt)`, `z_bar = alpha^u zt`,
//!
//! with rows `A`, `C` and a number `zt` per source, and factors `S`, `T`, `X1` per neuron, which are all that a step without spikes
//! touches. A source that is silent waits at the end of a block, and catches up with all blocks it missed, composed into one.
//! DESIGN.md derives it.

mod adaptive;
mod blocks;
mod ended;
mod formed;
mod lengths;
mod momentum;
mod pending;
mod reading;
mod synapses;
mod visits;

use alloc::vec::Vec;
use core::ops::Range;

pub(super) use adaptive::{Adaptive, AdaptiveLengths, AdaptiveReading, decay_of_zt};
pub(super) use blocks::stops;
use ended::Ended;
pub(crate) use ended::PATIENCE;
pub(super) use ended::Powers;
use lengths::{Growth, Lengths};
use momentum::Momentum;
use pending::Pending;

use super::Filters;
use crate::kernels::{self, FactorsMut, StepScales, Visit};
use crate::numbers::aligned::Aligned;
use crate::numbers::interrupt::Pace;
use crate::numbers::kinds::Kinds;
use crate::numbers::room::Room;
use crate::numbers::scale::Scale;
use crate::numbers::walk::{Leaf, Role, Walk, WalkMut, Walked, parts};
use crate::options::Config;
use crate::options::filters::decay;
use crate::options::plan::Plan;
use crate::{Error, Float};

/// `Factored::seen` of a source with no trace at all: nothing waits for it.
pub(super) const NEVER: u64 = u64::MAX;

/// The rows of every source and the factors of every neuron.
/// A squared length that is less than so many roundings of that of its parts, which cancel, is a difference of sums that were rounded apart: 0.
const ROUNDINGS: f64 = 64.0;

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

    /// How many blocks a source has waited.
    fn age(&self, source: usize) -> usize {
        match self.seen[source] {
            NEVER => 0,
            seen => (self.block - seen) as usize,
        }
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
        let of_parts = lengths.of_parts(s, t, &self.x1);
        for source in pending.sources() {
            let zt = self.traces_of(source, &mut w[..stride], &mut c[..stride], d);
            let more = pending.beyond_factors(source, &c[..stride], zt, d);
            *squared.of_set_mut(self.set_of(source)) += more;
            pace.pass(stride)?;
        }
        let rounding = ROUNDINGS * F::EPSILON;
        let beyond = |squared: f64, of_parts: f64| match squared > rounding * of_parts {
            true => squared,
            false => 0.0,
        };
        Ok(Kinds {
            inputs: beyond(squared.inputs, of_parts.inputs),
            neurons: beyond(squared.neurons, of_parts.neurons),
        })
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

#[cfg(test)]
mod tests;
