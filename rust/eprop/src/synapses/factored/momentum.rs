//! Momentum in the factored form: a row K per source beside A and C, with
//!
//! `W = p A - r K - S C - T zt`, `M = h A + m K + U C + V zt`,
//!
//! where U and V are factors per neuron, and p, r, h and m four numbers. A step of the weights, `M = mu M + g + weight_decay W`, `W -= eta M`, changes factors and
//! numbers alone. DESIGN.md derives it.

use alloc::vec::Vec;
use core::ops::Range;

use super::Factored;
use super::ended::{Ended, PATIENCE};
use crate::kernels::{
    self, Blend, Drift, DriftMut, DriftRowsMut, DriftSumsMut, Drifts, Factors, FactorsMut,
    MomentumMut, MomentumScales, MomentumStep, Silence, SilenceMut, Silences, StepScales, Undo,
    Visit,
};
use crate::numbers::aligned::Aligned;
use crate::numbers::kinds::Kinds;
use crate::numbers::lazy::LIMIT;
use crate::numbers::room::Room;
use crate::numbers::step::Step;
use crate::numbers::walk::{Role, Walk, WalkMut, Walked, parts};
use crate::{Error, Float};

/// Beyond this in front of K, finite rows may make an infinite weight.
const LARGEST_R: f64 = 1e3;

/// The rows K, and the factors that the form does not have without momentum.
#[derive(Debug)]
pub(super) struct Momentum<F> {
    stride: usize,
    sets: usize,
    /// Whether `M` has a part of the weights in it, so that no row ever waits for nothing.
    pub(super) decays: bool,
    pub(super) k: Aligned<F>,
    /// A row of each set.
    pub(super) u: Aligned<F>,
    pub(super) v: Aligned<F>,
    since: Kinds<Since>,
    /// As of [`Ended`], which has the other factors: `U`, `V` and the blends of the last blocks, composed.
    len: usize,
    ended_u: Aligned<F>,
    ended_v: Aligned<F>,
    blends: Vec<f64>,
    /// What a spike adds to `K`. What it takes off `A` has the form.
    y_k: Aligned<F>,
    sum_k: Aligned<F>,
}

parts!(Momentum {
    Mark: [len],
    State: [
        k,
        u,
        v,
        ended_u(Self::entries),
        ended_v(Self::entries),
        blends(|this: &Self| this.ranges(4)),
    ],
    Mark: [since],
    Scratch: [y_k, sum_k],
} then Self::loaded);

/// What happened since the start of a block.
#[derive(Clone, Copy, Debug)]
struct Since {
    blend: Blend<f64>,
    /// `p m + r h`: every step of the weights multiplies it with `mu`.
    det: f64,
}

impl Since {
    const START: Self = Self {
        blend: Blend::NONE,
        det: 1.0,
    };

    fn step<F: Float>(&mut self, step: MomentumStep<F>) {
        let mu = step.mu.to_f64();
        self.blend = self.blend.step(mu, step.decay.to_f64(), step.eta.to_f64());
        self.det *= mu;
    }
}

impl Walked for Since {
    fn walk<'a>(&'a self, name: &'static str, role: Role, to: &mut dyn Walk<'a>) {
        let Self { blend, det } = self;
        for number in [&blend.lost, &blend.r, &blend.h, &blend.m, det] {
            number.walk(name, role, to);
        }
    }
    fn walk_mut(
        &mut self,
        name: &'static str,
        role: Role,
        to: &mut dyn WalkMut,
    ) -> Result<(), Error> {
        let Self { blend, det } = self;
        let numbers = [
            &mut blend.lost,
            &mut blend.r,
            &mut blend.h,
            &mut blend.m,
            det,
        ];
        numbers
            .into_iter()
            .try_for_each(|number| number.walk_mut(name, role, to))
    }
}

impl<F: Float> Momentum<F> {
    pub(super) fn new(
        room: &mut Room,
        sets: usize,
        (sources, stride): (usize, usize),
        decays: bool,
    ) -> Result<Self, Error> {
        Ok(Self {
            stride,
            sets,
            decays,
            k: room.zeros(sources, stride)?,
            u: room.zeros(sets, stride)?,
            v: room.zeros(sets, stride)?,
            since: Kinds::same(Since::START),
            len: 0,
            ended_u: room.zeros(sets * PATIENCE, stride)?,
            ended_v: room.zeros(sets * PATIENCE, stride)?,
            blends: room.vec(0.0, sets * PATIENCE * 4)?,
            y_k: room.zeros(sets, stride)?,
            sum_k: room.zeros(1, stride)?,
        })
    }

    fn loaded(&mut self) -> Result<(), Error> {
        if self.len <= PATIENCE {
            return Ok(());
        }
        Err(Error::State {
            reason: "more ended blocks than are kept".into(),
        })
    }

    /// The entries in use of a list with so many numbers to an entry.
    fn ranges(&self, numbers: usize) -> Vec<Range<usize>> {
        let used = self.len.min(PATIENCE) * numbers;
        let starts = (0..self.sets).map(|set| set * PATIENCE * numbers);
        starts.map(|start| start..start + used).collect()
    }

    fn entries(&self) -> Vec<Range<usize>> {
        self.ranges(self.stride)
    }

    fn row(&self, set: usize) -> Range<usize> {
        set * self.stride..(set + 1) * self.stride
    }

    /// Whether no factor is so large that finite rows may make an infinite weight.
    pub(super) fn within(&self, limit: F) -> bool {
        let rows = [&self.u, &self.v];
        let blends = [self.since.inputs.blend, self.since.neurons.blend];
        let tame = |blend: Blend<f64>| blend.r.abs() <= LARGEST_R && blend.p().abs() <= 2.0;
        rows.into_iter().all(|row| kernels::all_within(limit, row)) && blends.into_iter().all(tame)
    }

    /// A step of the factors of a set, and of the weights if there is one.
    pub(super) fn step(
        &mut self,
        set: usize,
        step: Option<MomentumStep<F>>,
        scales: StepScales<F>,
        psi: &[F],
        signal: (&[F], &[F]),
        (x1, factors): (&mut [F], FactorsMut<'_, F>),
    ) {
        let (mut mu, mut weight_decay, mut eta) = (F::ONE, F::ZERO, F::ZERO);
        if let Some(step) = step {
            self.since.of_set_mut(set).step(step);
            (mu, weight_decay, eta) = (step.mu, step.decay, step.eta);
        }
        let momentum = MomentumScales {
            mu,
            weight_decay,
            eta,
            undo: Undo::of(self.since.of_set(set).blend, self.since.of_set(set).det),
        };
        let row = self.row(set);
        let FactorsMut { s, t, y } = factors;
        let to = MomentumMut {
            x1,
            s,
            t,
            u: &mut self.u[row.clone()],
            v: &mut self.v[row.clone()],
            y_a: y,
            y_k: &mut self.y_k[row],
        };
        let (l, r) = signal;
        kernels::step_momentum(scales, momentum, psi, l, r, to);
    }

    /// A step of the weights of a set with a gradient `S' C + T' zt` in factors, where they have rested since the block began.
    pub(super) fn take(
        &mut self,
        set: usize,
        step: MomentumStep<F>,
        (of_c, of_zt): (&[F], &[F]),
        (s, t): (&mut [F], &mut [F]),
    ) {
        self.since.of_set_mut(set).step(step);
        let row = self.row(set);
        for (from, of_m, of_w) in [(of_c, &mut self.u, s), (of_zt, &mut self.v, t)] {
            kernels::add_row(step.scale, from, &mut of_m[row.clone()]);
            kernels::add_row(step.eta * step.scale, from, of_w);
        }
    }

    /// A step's spikes of the sources of a set: their rows move, and what they sum up is added to the current.
    pub(super) fn follow(
        &mut self,
        set: usize,
        (a, c): (&mut [F], &mut [F]),
        visits: &[Visit<F>],
        ended: Silences<'_, F>,
        factors: Factors<'_, F>,
        (sum_a, sum_c): (&mut [F], &mut [F]),
    ) {
        let rows = set * PATIENCE * self.stride..(set + 1) * PATIENCE * self.stride;
        let drifts = Drifts {
            silences: ended,
            u: &self.ended_u[rows.clone()],
            v: &self.ended_v[rows],
            blends: &self.blends[set * PATIENCE * 4..(set + 1) * PATIENCE * 4],
        };
        let row = self.row(set);
        self.sum_k.fill(F::ZERO);
        let rows = DriftRowsMut {
            a,
            k: &mut self.k,
            c,
        };
        let sums = DriftSumsMut {
            a: sum_a,
            k: &mut self.sum_k,
            c: sum_c,
        };
        kernels::follow_spikes_drift(rows, visits, drifts, factors, &self.y_k[row], sums);
    }

    /// `I += p sum_a - r sum_k - S sum_c - T sum_zt`, after [`follow`](Self::follow).
    pub(super) fn add_current(
        &self,
        set: usize,
        (sum_a, sum_c): (&[F], &[F]),
        (s, t): (&[F], &[F]),
        sum_zt: F,
        current: &mut [F],
    ) {
        let blend = self.since.of_set(set).blend.cast();
        let sums = [sum_a, &*self.sum_k, sum_c];
        kernels::current_of_drift(blend, sums, s, t, sum_zt, current);
    }

    /// As [`Ended::push`], which it does, too. The factors are those of a new block then.
    pub(super) fn push(
        &mut self,
        ended: &mut Ended<F>,
        (s, t, x): (&[F], &[F], &[F]),
        k: F,
        block_a: F,
    ) {
        let stride = self.stride;
        let of_set = |set: usize| {
            let row = set * stride..(set + 1) * stride;
            let (s, t) = (&s[row.clone()], &t[row]);
            Silence { s, t, x, k }
        };
        let len = PATIENCE.min(ended.len + 1);
        (ended.len, self.len) = (len, len);
        for m in (1..len).rev() {
            for set in 0..self.sets {
                self.compose(ended, (set, m), of_set(set));
            }
            ended.k[m] = ended.k[m - 1] * k;
            ended.a[m] = ended.a[m - 1] * block_a;
        }
        for set in 0..self.sets {
            self.begin_entry(ended, set, of_set(set));
        }
        ended.x[..stride].copy_from_slice(x);
        (ended.k[0], ended.a[0]) = (k, block_a);
        for row in [&mut self.u, &mut self.v, &mut self.y_k] {
            row.fill(F::ZERO);
        }
        self.since = Kinds::same(Since::START);
    }

    /// Makes entry `m` of a set: the one before it, composed with the block that ends.
    fn compose(&mut self, ended: &mut Ended<F>, (set, m): (usize, usize), silence: Silence<'_, F>) {
        let stride = self.stride;
        let at = set * PATIENCE + m;
        let row = self.row(set);
        let (x1, x2) = ended.x.split_at_mut(m * stride);
        let [(s1, s2), (t1, t2), (u1, u2), (v1, v2)] = [
            &mut ended.s,
            &mut ended.t,
            &mut self.ended_u,
            &mut self.ended_v,
        ]
        .map(|rows| {
            let (before, from) = rows.split_at_mut(at * stride);
            (&before[(at - 1) * stride..], &mut from[..stride])
        });
        let before = Blend::of(&self.blends, at - 1);
        let since = self.since.of_set(set).blend;
        let first = Drift {
            silence: Silence {
                s: s1,
                t: t1,
                x: &x1[(m - 1) * stride..],
                k: ended.k[m - 1],
            },
            u: u1,
            v: v1,
            blend: before.cast(),
        };
        let last = Drift {
            silence,
            u: &self.u[row.clone()],
            v: &self.v[row],
            blend: since.cast(),
        };
        let to = DriftMut {
            silence: SilenceMut {
                s: s2,
                t: t2,
                // Each set makes the same of it.
                x: &mut x2[..stride],
            },
            u: u2,
            v: v2,
        };
        kernels::compose_drifts(first, ended.a[m - 1], last, to);
        before.then(since).keep(&mut self.blends, at);
    }

    /// The first entry of a set is the block that ends.
    fn begin_entry(&mut self, ended: &mut Ended<F>, set: usize, silence: Silence<'_, F>) {
        let (from, to) = (self.row(set), set * PATIENCE * self.stride);
        let to = to..to + self.stride;
        ended.s[to.clone()].copy_from_slice(silence.s);
        ended.t[to.clone()].copy_from_slice(silence.t);
        self.ended_u[to.clone()].copy_from_slice(&self.u[from.clone()]);
        self.ended_v[to].copy_from_slice(&self.v[from]);
        let blend = self.since.of_set(set).blend;
        blend.keep(&mut self.blends, set * PATIENCE);
    }

    /// A source of a set, whose numbers are `row`, catches up with the last `age` blocks. Returns whether it has anything to wait for.
    pub(super) fn catch_up(
        &mut self,
        set: usize,
        (age, silence): (usize, Silence<'_, F>),
        zt: F,
        (a, c): (&mut [F], &mut [F]),
        row: Range<usize>,
    ) -> bool {
        let mut k = core::mem::take(&mut self.k);
        let drift = self.last(set, age, silence);
        let left = kernels::catch_up_drift(drift, zt, a, &mut k[row], c);
        self.k = k;
        left || self.decays
    }

    /// The last `age` blocks as one, to the sources of a set; `silence` is what [`Ended::last`] has of them.
    pub(super) fn last<'a>(
        &'a self,
        set: usize,
        age: usize,
        silence: Silence<'a, F>,
    ) -> Drift<'a, F> {
        let at = set * PATIENCE + age - 1;
        let row = at * self.stride..(at + 1) * self.stride;
        Drift {
            silence,
            u: &self.ended_u[row.clone()],
            v: &self.ended_v[row],
            blend: Blend::of(&self.blends, at).cast(),
        }
    }

    /// The block so far, to the sources of a set, of which `silence` is the other part.
    pub(super) fn now<'a>(&'a self, set: usize, silence: Silence<'a, F>) -> Drift<'a, F> {
        let row = self.row(set);
        Drift {
            silence,
            u: &self.u[row.clone()],
            v: &self.v[row],
            blend: self.since.of_set(set).blend.cast(),
        }
    }

    /// The blend of the last `age` blocks and the one under way.
    pub(super) fn blend_until_now(&self, set: usize, age: usize) -> Blend<F> {
        let now = self.since.of_set(set).blend;
        match age.checked_sub(1) {
            None => now.cast(),
            Some(waited) => {
                let waited = Blend::of(&self.blends, set * PATIENCE + waited);
                waited.then(now).cast()
            }
        }
    }

    /// Drops what is not finite of the rows of some sources, whose weights are about to be replaced: a weight that had run away has been part of it.
    pub(super) fn heal(&mut self, sources: Range<usize>) {
        let rows = sources.start * self.stride..sources.end * self.stride;
        let broken = self.k[rows].iter_mut().filter(|k| !k.is_finite());
        broken.for_each(|k| *k = F::ZERO);
    }

    /// Forgets what blocks did, when nobody waits for it.
    pub(super) fn forget(&mut self) {
        self.len = 0;
    }

    /// Takes a step with gradients from elsewhere: `W -= ...` of the numbers of one source, whose rows have been folded.
    pub(super) fn take_one(step: MomentumStep<F>, g: F, w: &mut F, m: &mut F) {
        *m = step.mu * *m + (step.scale * g + step.decay * *w);
        *w -= step.eta * *m;
    }
}

impl<F: Float> Factored<F> {
    /// As [`update`](crate::synapses::Synapses::update), with momentum.
    pub(super) fn update_with_momentum(&mut self, steps: [Step<'_, F>; 2]) {
        let (Some(momentum), Some(pending)) = (&mut self.momentum, &mut self.pending) else {
            return;
        };
        let limit = F::cast(LIMIT);
        let stride = pending.s.len();
        self.within &= pending.within(limit);
        for (set, step) in steps[..self.sets].iter().enumerate() {
            let Some(step) = step.momentum() else {
                return;
            };
            self.within &= step.scale <= limit && step.eta <= limit;
            let row = set * stride..(set + 1) * stride;
            let of_w = (&mut self.s[row.clone()], &mut self.t[row]);
            momentum.take(set, step, (&pending.s, &pending.t), of_w);
        }
        pending.clear_factors();
        self.end_block(F::ONE, F::ONE);
        // Rows of the gradient come last: what they add to `M` is not to fade with this update.
        let Some(mut pending) = self.pending.take() else {
            return;
        };
        pending.hand_over(|source, g| {
            self.catch_up_source(source);
            let row = source * stride..(source + 1) * stride;
            let step = steps[self.set_of(source)].momentum();
            if let (Some(step), Some(momentum)) = (step, &mut self.momentum) {
                kernels::add_row(step.scale, g, &mut momentum.k[row.clone()]);
                kernels::add_row(-(step.eta * step.scale), g, &mut self.a[row]);
                self.seen[source] = self.block;
            }
        });
        self.pending = Some(pending);
    }

    /// As [`step_sets`](Self::step_sets), with momentum: also a step of the weights of each set, if there is one.
    pub(super) fn step_momentum(
        &mut self,
        steps: [Option<MomentumStep<F>>; 2],
        scales: StepScales<F>,
        psi: &[F],
        (l, r): (&[F], &[F]),
    ) {
        let stride = self.stride();
        let Some(momentum) = &mut self.momentum else {
            return;
        };
        for (set, step) in steps[..self.sets].iter().enumerate() {
            let row = set * stride..(set + 1) * stride;
            let scale = step.map_or(F::ZERO, |step| step.scale);
            let of_set = StepScales {
                learn: scale * scales.learn,
                eta: scale,
                // `X1` grows once.
                grow: if set == 0 { scales.grow } else { F::ZERO },
                ..scales
            };
            let signal: (&[F], &[F]) = if step.is_some() { (l, r) } else { (&[], &[]) };
            let factors = FactorsMut {
                s: &mut self.s[row.clone()],
                t: &mut self.t[row.clone()],
                y: &mut self.y[row],
            };
            momentum.step(set, *step, of_set, psi, signal, (&mut self.x1, factors));
        }
    }
}
