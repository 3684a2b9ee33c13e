//! Thresholds that move, membranes that differ, and currents, in the factored form: what there is beside rows `A`, `C` and factors `S`, `T`, `X1`.
//!
//! Each of the three is a second trace `h` of a source in each neuron (`second.rs`). `W = A - S C - T zt - R D`, `e_bar = kappa_e^u (C + X1 zt + Q D)` and
//! `h = p D + w zt`, with one row `D` more per source. A neuron without a second trace, as one that does not adapt, has beta = 0: its `D` and `w` are 0,
//! its `p` is 1. What follows speaks of thresholds, which were there first: `h` is `beta eps_a` then.

mod ended;
mod lengths;
mod reading;
mod second;

use core::ops::Range;

pub(super) use ended::EndedAdaptive;
pub(in crate::synapses) use lengths::AdaptiveLengths;
pub(in crate::synapses) use reading::AdaptiveReading;
pub(in crate::synapses) use second::decay_of_zt;

use second::Second;

use crate::kernels::{
    self, AdaptiveFactorsMut, AdaptiveGrowth, AdaptiveSilence, AdaptiveSilences, Factors,
    Responses, ResponsesMut, RowsMut, Silence, StepScales, SumsMut, Visit,
};
use crate::numbers::aligned::Aligned;
use crate::numbers::room::Room;
use crate::numbers::walk::parts;
use crate::options::Config;
use crate::{Error, Float};

/// The row `D` of every source, and the factors of every neuron that belong to it.
#[derive(Debug)]
pub(in crate::synapses) struct Adaptive<F> {
    second: Second<F>,
    pub(super) d: Aligned<F>,
    pub(super) q: Aligned<F>,
    pub(super) w: Aligned<F>,
    p: Aligned<F>,
    /// A row of each set.
    r: Aligned<F>,
    /// `X2 = w / p`, and `f = X1 - Q X2`: what a spike takes from `D`, and from `C`.
    pub(super) x2: Aligned<F>,
    pub(super) f: Aligned<F>,
    /// Raw e of the last step is `ez zt + ed D`.
    ez: Aligned<F>,
    ed: Aligned<F>,
    sum_d: Aligned<F>,
    scratch: Aligned<F>,
}

parts!(Adaptive {
    State: [d, q, w, p, r],
    Scratch: [second, x2, f, ez, ed, sum_d, scratch],
});

impl<F: Float> Adaptive<F> {
    /// `None` where one trace of a source is all that its synapses need. `p`: sources whose rows `D` are kept here, 0 where somebody else has them.
    pub(in crate::synapses) fn of(
        room: &mut Room,
        (p, n): (usize, usize),
        (sets, stride): (usize, usize),
        config: &Config,
    ) -> Result<Option<Self>, Error> {
        let Some(second) = Second::of(room, (n, stride), config)? else {
            return Ok(None);
        };
        let mut row = || room.zeros(1, stride);
        let mut adaptive = Self {
            second,
            q: row()?,
            w: row()?,
            p: row()?,
            x2: row()?,
            f: row()?,
            ez: row()?,
            ed: row()?,
            scratch: row()?,
            d: room.zeros(p, stride)?,
            r: room.zeros(sets, stride)?,
            sum_d: room.zeros(sets, stride)?,
        };
        adaptive.p.fill(F::ONE);
        Ok(Some(adaptive))
    }

    /// Factors and sums of so many sets, all of them 0.
    pub(in crate::synapses) fn regroup(&mut self, [r, sum_d]: [Aligned<F>; 2]) {
        (self.r, self.sum_d) = (r, sum_d);
    }

    /// Whether no factor is beyond `limit`.
    pub(in crate::synapses) fn within(&self, limit: F) -> bool {
        [&self.q, &self.w, &self.r, &self.x2]
            .into_iter()
            .all(|row| kernels::all_within(limit, row))
    }

    /// The block so far, to the rows of a set.
    pub(super) fn now<'a>(
        &'a self,
        plain: Silence<'a, F>,
        set: Range<usize>,
    ) -> AdaptiveSilence<'a, F> {
        AdaptiveSilence {
            plain,
            r: &self.r[set],
            q: &self.q,
            w: &self.w,
            p: &self.p,
        }
    }

    /// Before a block ends at which `kappa_e` is left of `C`, as of `X1`.
    pub(in crate::synapses) fn scale(&mut self, kappa_e: F) {
        kernels::scale_row(kappa_e, &mut self.q);
    }

    /// Before a block that leaves nothing of the traces.
    pub(in crate::synapses) fn forget(&mut self) {
        for row in [&mut self.q, &mut self.w, &mut self.p] {
            row.fill(F::ZERO);
        }
    }

    /// A block has ended.
    pub(in crate::synapses) fn begin_block(&mut self) {
        for row in [
            &mut self.q,
            &mut self.w,
            &mut self.r,
            &mut self.x2,
            &mut self.f,
        ] {
            row.fill(F::ZERO);
        }
        self.p.fill(F::ONE);
    }

    /// The responses, from a step's `psi`.
    pub(in crate::synapses) fn step_responses(
        &mut self,
        scales: StepScales<F>,
        psi: &[F],
        x1: &mut [F],
    ) {
        self.second.take(psi);
        let to = ResponsesMut {
            x1,
            q: &mut self.q,
            w: &mut self.w,
            p: &mut self.p,
            ez: &mut self.ez,
            ed: &mut self.ed,
        };
        kernels::step_responses(scales, self.second.psi(psi), self.second.course(psi), to);
    }

    /// The factors of a set of rows of weights; `l` and `of_raw` may be empty.
    pub(in crate::synapses) fn step_set(
        &mut self,
        scales: StepScales<F>,
        [l, of_raw]: [&[F]; 2],
        x1: &[F],
        set: Range<usize>,
        [s, t, y]: [&mut [F]; 3],
    ) {
        let mut r = core::mem::take(&mut self.r);
        self.step_factors(scales, [l, of_raw], x1, [s, t, &mut r[set], y]);
        self.r = r;
    }

    /// `S`, `T`, `R` and `Y`, of weights or of a gradient that waits.
    pub(super) fn step_factors(
        &mut self,
        scales: StepScales<F>,
        [l, of_raw]: [&[F]; 2],
        x1: &[F],
        [s, t, r, y]: [&mut [F]; 4],
    ) {
        let Self {
            q, w, p, ez, ed, ..
        } = self;
        let responses = Responses {
            x1,
            q,
            w,
            p,
            ez,
            ed,
        };
        let to = AdaptiveFactorsMut {
            s,
            t,
            r,
            y,
            x2: &mut self.x2,
            f: &mut self.f,
        };
        kernels::step_adaptive_factors(scales, l, of_raw, responses, to);
    }

    /// As [`kernels::follow_spikes`], and takes the part of `R` from the current.
    pub(super) fn follow(
        &mut self,
        visits: &[Visit<F>],
        ended: AdaptiveSilences<'_, F>,
        [a, c]: [&mut [F]; 2],
        plain: Factors<'_, F>,
        set: Range<usize>,
        [sum_a, sum_c]: [&mut [F]; 2],
    ) {
        let sum_d = &mut self.sum_d[set];
        let factors = Factors {
            x1: &self.f,
            ..plain
        };
        let rows = RowsMut {
            a,
            c,
            d: &mut self.d,
        };
        let sums = SumsMut {
            a: sum_a,
            c: sum_c,
            d: sum_d,
        };
        kernels::follow_spikes_adaptive(rows, visits, ended, factors, &self.x2, sums);
    }

    /// `I -= p R sum_d`, with what stands before the rows of the set.
    pub(super) fn current(&self, p: F, set: Range<usize>, current: &mut [F]) {
        kernels::current_of_adaptation(p, &self.sum_d[set.clone()], &self.r[set], current);
    }

    /// Before a step's spikes of a set.
    pub(super) fn clear_sum(&mut self, set: Range<usize>) {
        self.sum_d[set].fill(F::ZERO);
    }

    /// What the last step's sources of a set summed up of `D`.
    pub(super) fn sum_of(&self, set: Range<usize>) -> &[F] {
        &self.sum_d[set]
    }

    /// Before [`now_of`](Self::now_of): a step's psi.
    pub(in crate::synapses) fn take(&mut self, psi: &[F]) {
        self.second.take(psi);
    }

    /// The responses before a step in which `X1` grows by so many psi, and `alpha^u`.
    pub(in crate::synapses) fn now_of<'a>(
        &'a self,
        grow: F,
        alpha: F,
        psi: &'a [F],
    ) -> AdaptiveGrowth<'a, F> {
        AdaptiveGrowth {
            grow,
            alpha,
            psi: self.second.psi(psi),
            q: &self.q,
            w: &self.w,
            p: &self.p,
            course: self.second.course(psi),
        }
    }

    /// Whether a source has another `z_bar` in each neuron.
    pub(in crate::synapses) fn differs(&self) -> bool {
        self.second.differs()
    }

    /// `z_bar` in neuron `j`, of a source with `zt` and a row `D` that have caught up with the blocks before this one, and `alpha^u`.
    pub(in crate::synapses) fn z_bar(&self, j: usize, alpha: F, zt: F, d: F) -> F {
        let h = self.p[j] * d + self.w[j] * zt;
        self.second.z_bar(j, alpha * zt, h)
    }

    /// `f` and `X2`: what a spike takes from `C` and from `D`.
    pub(in crate::synapses) fn of_spikes(&self) -> [&[F]; 2] {
        [&self.f, &self.x2]
    }

    /// Raw e of the last step is `ez zt + ed D`.
    pub(in crate::synapses) fn raw(&self) -> [&[F]; 2] {
        [&self.ez, &self.ed]
    }

    /// `R` of a set.
    pub(in crate::synapses) fn r(&self, set: Range<usize>) -> &[F] {
        &self.r[set]
    }

    /// `Q`, `w` and `p`.
    pub(in crate::synapses) fn responses(&self) -> [&[F]; 3] {
        [&self.q, &self.w, &self.p]
    }

    /// A set's `R`, to add to.
    pub(super) fn r_mut(&mut self, set: Range<usize>) -> &mut [F] {
        &mut self.r[set]
    }

    /// Scratch memory, of a row at least; a step comes after it has been given back.
    pub(super) fn take_scratch(&mut self) -> Aligned<F> {
        core::mem::take(&mut self.scratch)
    }

    pub(super) fn give_scratch(&mut self, scratch: Aligned<F>) {
        self.scratch = scratch;
    }
}
