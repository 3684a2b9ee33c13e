//! Rows of the factored form whose steps have momentum (DESIGN.md, "Momentum in factors"): those of [`factored`](super::factored) with a row K more, and with
//! numbers in front of the rows.

use super::factored::{Ahead, Factors, GROUP, Silence, SilenceMut, Silences, StepScales, Visit};
use super::isa::{Isa, UNIT};
use super::{cut, cut_mut, kernel};
use crate::Float;

/// What stands in front of the rows: `W = p A - r K - ...`, `M = h A + m K + ...`. What is kept is `1 - p`, which may be less than a float32 shows beside 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Blend<T> {
    pub(crate) lost: T,
    pub(crate) r: T,
    pub(crate) h: T,
    pub(crate) m: T,
}

impl Blend<f64> {
    /// `W = A`, `M = K`.
    pub(crate) const NONE: Self = Self {
        lost: 0.0,
        r: 0.0,
        h: 0.0,
        m: 1.0,
    };

    /// A step of the weights: `M = mu M + weight_decay W`, then `W -= eta M`.
    pub(crate) fn step(self, mu: f64, weight_decay: f64, eta: f64) -> Self {
        let Self { lost, r, h, m } = self;
        let h = mu * h + weight_decay * self.p();
        let m = mu * m - weight_decay * r;
        Self {
            lost: lost + eta * h,
            r: r + eta * m,
            h,
            m,
        }
    }

    /// This, then `last`, as one.
    pub(crate) fn then(self, last: Self) -> Self {
        Self {
            lost: self.lost + last.lost * self.p() + last.r * self.h,
            r: last.p() * self.r + last.r * self.m,
            h: last.h * self.p() + last.m * self.h,
            m: last.m * self.m - last.h * self.r,
        }
    }

    /// Number `at` of a list of blends, four numbers each.
    #[inline]
    pub(crate) fn of(list: &[f64], at: usize) -> Self {
        let [lost, r, h, m] = core::array::from_fn(|number| list[4 * at + number]);
        Self { lost, r, h, m }
    }

    /// The same, to be kept in a list.
    pub(crate) fn keep(self, list: &mut [f64], at: usize) {
        let Self { lost, r, h, m } = self;
        list[4 * at..4 * at + 4].copy_from_slice(&[lost, r, h, m]);
    }

    pub(crate) fn p(self) -> f64 {
        1.0 - self.lost
    }

    pub(crate) fn cast<F: Float>(self) -> Blend<F> {
        Blend {
            lost: F::cast(self.lost),
            r: F::cast(self.r),
            h: F::cast(self.h),
            m: F::cast(self.m),
        }
    }
}

/// What silent blocks, composed into one, do to the rows of a source: `A = p A - r K - S C - T zt; K = h A + m K + U C + V zt; C = k C + x zt`, all from the
/// old rows.
#[derive(Clone, Copy)]
pub(crate) struct Drift<'a, F> {
    pub(crate) silence: Silence<'a, F>,
    pub(crate) u: &'a [F],
    pub(crate) v: &'a [F],
    pub(crate) blend: Blend<F>,
}

/// Drifts by age, a row of each factor after the other.
#[derive(Clone, Copy)]
pub(crate) struct Drifts<'a, F> {
    pub(crate) silences: Silences<'a, F>,
    pub(crate) u: &'a [F],
    pub(crate) v: &'a [F],
    /// As [`Blend::of`] reads them.
    pub(crate) blends: &'a [f64],
}

/// The new rows of one synapse.
#[inline(always)]
fn drifted<I: Isa, F: Float>(
    blend: Blend<F>,
    (s, t, u, v): (F, F, F, F),
    (a, k, c): (F, F, F),
    zt: F,
) -> (F, F) {
    let Blend { lost, r, h, m } = blend;
    (
        a - I::fma(lost, a, I::fma(r, k, I::fma(s, c, t * zt))),
        I::fma(h, a, I::fma(m, k, I::fma(u, c, v * zt))),
    )
}

kernel! {
    /// A source that waited. Returns whether anything is left of `C` or `K`.
    fn catch_up_drift(drift: Drift<'_, F>, zt: F, a: &mut [F], k: &mut [F], c: &mut [F]) -> bool {
        let n = a.len();
        let Drift { silence, u, v, blend } = drift;
        let (s, t, x) = (&silence.s[..n], &silence.t[..n], &silence.x[..n]);
        let (u, v, k, c) = (&u[..n], &v[..n], &mut k[..n], &mut c[..n]);
        let mut left = [F::ZERO; UNIT];
        for j in (0..n).step_by(UNIT) {
            for l in 0..UNIT {
                let at = j + l;
                let (of_a, of_k) = drifted::<I, F>(blend, (s[at], t[at], u[at], v[at]), (a[at], k[at], c[at]), zt);
                a[at] = of_a;
                k[at] = of_k.or_silence();
                c[at] = I::fma(silence.k, c[at], x[at] * zt).or_silence();
                left[l] += c[at].abs() + k[at].abs();
            }
        }
        left.iter().any(|&left| left != F::ZERO)
    }
}

/// The rows of all sources.
pub(crate) struct DriftRowsMut<'a, F> {
    pub(crate) a: &'a mut [F],
    pub(crate) k: &'a mut [F],
    pub(crate) c: &'a mut [F],
}

/// What the sources of a step sum up of their rows.
pub(crate) struct DriftSumsMut<'a, F> {
    pub(crate) a: &'a mut [F],
    pub(crate) k: &'a mut [F],
    pub(crate) c: &'a mut [F],
}

kernel! {
    /// As [`follow_spikes`](super::follow_spikes), with `sum_k += s K; K += a Y'`, of which `y_k` is `Y'`.
    fn follow_spikes_drift(
        rows: DriftRowsMut<'_, F>,
        visits: &[Visit<F>],
        ended: Drifts<'_, F>,
        factors: Factors<'_, F>,
        y_k: &[F],
        sums: DriftSumsMut<'_, F>,
    ) {
        let stride = y_k.len();
        let DriftRowsMut { a, k, c } = rows;
        assert!(stride % UNIT == 0 && a.len() == c.len() && a.len() == k.len());
        assert!(sums.a.len() == stride && sums.k.len() == stride && sums.c.len() == stride);
        assert!(factors.y.len() == stride && factors.x1.len() == stride && factors.none.len() == stride);
        let len = a.len();
        let (mut rows, mut sums) = (DriftRowsMut { a, k, c }, sums);
        let whole = visits.chunks_exact(GROUP);
        let rest = whole.remainder();
        for (pass, group) in whole.enumerate() {
            let sources: [SourceRows<'_, F>; GROUP] = core::array::from_fn(|g| SourceRows::new(group[g], stride, &ended, factors.none, len));
            let ahead = Ahead::of(visits, (pass + 1) * GROUP, rows.a, stride);
            // SAFETY: the rows of each lie within `a`, `k` and `c`, and no two are the same.
            unsafe { follow::<I, F, GROUP>(&mut rows, &sources, ahead, factors, y_k, &mut sums) };
        }
        for &visit in rest {
            let sources = [SourceRows::new(visit, stride, &ended, factors.none, len)];
            let ahead = Ahead::of(&[], 0, rows.a, stride);
            // SAFETY: as above.
            unsafe { follow::<I, F, 1>(&mut rows, &sources, ahead, factors, y_k, &mut sums) };
        }
    }
}

/// A visit with what its rows waited for.
struct SourceRows<'a, F> {
    visit: Visit<F>,
    start: usize,
    /// Nothing happened in no block.
    drift: Drift<'a, F>,
    zt: F,
    /// The unit in which the neuron is that the source itself is, with a 0 at its place: there is no synapse.
    own: usize,
    mask: [F; UNIT],
}

impl<'a, F: Float> SourceRows<'a, F> {
    #[inline(always)]
    fn new(
        visit: Visit<F>,
        stride: usize,
        ended: &Drifts<'a, F>,
        none: &'a [F],
        len: usize,
    ) -> Self {
        let start = visit.source as usize * stride;
        assert!(start + stride <= len);
        let (drift, zt) = match (visit.age as usize).checked_sub(1) {
            None => {
                let silence = Silence {
                    s: none,
                    t: none,
                    x: none,
                    k: F::ONE,
                };
                let drift = Drift {
                    silence,
                    u: none,
                    v: none,
                    blend: Blend::NONE.cast(),
                };
                (drift, F::ZERO)
            }
            Some(age) => {
                let row = age * stride..(age + 1) * stride;
                let silence = Silence {
                    s: &ended.silences.s[row.clone()],
                    t: &ended.silences.t[row.clone()],
                    x: &ended.silences.x[row.clone()],
                    k: ended.silences.k[age],
                };
                let drift = Drift {
                    silence,
                    u: &ended.u[row.clone()],
                    v: &ended.v[row],
                    blend: Blend::of(ended.blends, age).cast(),
                };
                (drift, visit.zt)
            }
        };
        let mut mask = [F::ONE; UNIT];
        mask[visit.own % UNIT] = F::ZERO;
        Self {
            visit,
            start,
            drift,
            zt,
            own: visit.own / UNIT * UNIT,
            mask,
        }
    }
}

/// The rows of some sources at once, so that sums and factors are loaded once for all of them.
///
/// # Safety
/// The rows lie within those of all sources, and no two are the same; every other slice is as long as a row.
#[inline(always)]
unsafe fn follow<I: Isa, F: Float, const G: usize>(
    rows: &mut DriftRowsMut<'_, F>,
    sources: &[SourceRows<'_, F>; G],
    ahead: Ahead<'_, F>,
    factors: Factors<'_, F>,
    y_k: &[F],
    sums: &mut DriftSumsMut<'_, F>,
) {
    for j in (0..y_k.len()).step_by(UNIT) {
        ahead.fetch::<I>([rows.a, rows.k, rows.c], j);
        // SAFETY: j + UNIT <= the length of a row, which the caller promises of every slice; places are copied before they are written.
        unsafe {
            let mut sum_a = *cut::<F, UNIT>(sums.a, j);
            let mut sum_k = *cut::<F, UNIT>(sums.k, j);
            let mut sum_c = *cut::<F, UNIT>(sums.c, j);
            let y_a = *cut::<F, UNIT>(factors.y, j);
            let y_k = *cut::<F, UNIT>(y_k, j);
            let x1 = *cut::<F, UNIT>(factors.x1, j);
            for source in sources {
                let at = source.start + j;
                let mut a = *cut::<F, UNIT>(rows.a, at);
                let mut k = *cut::<F, UNIT>(rows.k, at);
                let mut c = *cut::<F, UNIT>(rows.c, at);
                let Drift { silence, blend, .. } = source.drift;
                let s = *cut::<F, UNIT>(silence.s, j);
                let t = *cut::<F, UNIT>(silence.t, j);
                let x = *cut::<F, UNIT>(silence.x, j);
                let u = *cut::<F, UNIT>(source.drift.u, j);
                let v = *cut::<F, UNIT>(source.drift.v, j);
                for l in 0..UNIT {
                    (a[l], k[l]) = drifted::<I, F>(
                        blend,
                        (s[l], t[l], u[l], v[l]),
                        (a[l], k[l], c[l]),
                        source.zt,
                    );
                    c[l] = I::fma(silence.k, c[l], x[l] * source.zt);
                }
                if j == source.own {
                    for l in 0..UNIT {
                        a[l] *= source.mask[l];
                        k[l] *= source.mask[l];
                        c[l] *= source.mask[l];
                    }
                }
                let Visit { value, shift, .. } = source.visit;
                for l in 0..UNIT {
                    sum_a[l] = I::fma(value, a[l], sum_a[l]);
                    sum_k[l] = I::fma(value, k[l], sum_k[l]);
                    sum_c[l] = I::fma(value, c[l], sum_c[l]);
                    a[l] = I::fma(-shift, y_a[l], a[l]);
                    k[l] = I::fma(shift, y_k[l], k[l]);
                    c[l] = I::fma(-shift, x1[l], c[l]);
                }
                *cut_mut(rows.a, at) = a;
                *cut_mut(rows.k, at) = k;
                *cut_mut(rows.c, at) = c;
            }
            *cut_mut(sums.a, j) = sum_a;
            *cut_mut(sums.k, j) = sum_k;
            *cut_mut(sums.c, j) = sum_c;
        }
    }
    for source in sources {
        if source.visit.own < y_k.len() {
            let at = source.start + source.visit.own;
            rows.a[at] = F::ZERO;
            rows.k[at] = F::ZERO;
            rows.c[at] = F::ZERO;
        }
    }
}

/// What undoes the change of a row: `m / d` and `r / d`, `p / d` and `h / d`, with `d = p m + r h`.
#[derive(Clone, Copy)]
pub(crate) struct Undo<F> {
    pub(crate) p: F,
    pub(crate) r: F,
    pub(crate) h: F,
    pub(crate) m: F,
}

impl<F: Float> Undo<F> {
    pub(crate) fn of(blend: Blend<f64>, det: f64) -> Self {
        // Without any momentum at all the block ends before a spike asks for it.
        let scale = if det > 0.0 { 1.0 / det } else { 0.0 };
        Self {
            p: F::cast(scale * blend.p()),
            r: F::cast(scale * blend.r),
            h: F::cast(scale * blend.h),
            m: F::cast(scale * blend.m),
        }
    }
}

/// What a step does to the factors, beside [`StepScales`], whose `learn` and `eta` are of `M` and have no learning rate.
#[derive(Clone, Copy)]
pub(crate) struct MomentumScales<F> {
    pub(crate) mu: F,
    pub(crate) weight_decay: F,
    /// What of `M` is taken off `W`.
    pub(crate) eta: F,
    /// Of the blend after the step.
    pub(crate) undo: Undo<F>,
}

/// The factors of the neurons, to be moved on.
pub(crate) struct MomentumMut<'a, F> {
    pub(crate) x1: &'a mut [F],
    pub(crate) s: &'a mut [F],
    pub(crate) t: &'a mut [F],
    pub(crate) u: &'a mut [F],
    pub(crate) v: &'a mut [F],
    pub(crate) y_a: &'a mut [F],
    pub(crate) y_k: &'a mut [F],
}

kernel! {
    /// `X1` grows as in [`step_factors`](super::step_factors); `dU = learn L`, `U = mu U + dU - weight_decay S`, `V = mu V + dU X1 + eta r ez - weight_decay T`;
    /// `S += eta U; T += eta V`. What a spike takes off `A`, and adds to `K`, so that neither W nor M moves: with `Y = S X1 - T` and `Z = U X1 - V`,
    /// `y_a = (m Y - r Z) / d` and `y_k = (p Z + h Y) / d`. `l` and `r` may be empty.
    fn step_momentum(scales: StepScales<F>, momentum: MomentumScales<F>, psi: &[F], l: &[F], r: &[F], to: MomentumMut<'_, F>) {
        let n = psi.len();
        let MomentumMut { x1, s, t, u, v, y_a, y_k } = to;
        assert!(x1.len() == n && s.len() == n && t.len() == n && u.len() == n && v.len() == n && n % UNIT == 0);
        assert!(y_a.len() == n && y_k.len() == n && (l.is_empty() || l.len() == n) && (r.is_empty() || r.len() == n));
        let MomentumScales { mu, weight_decay, eta, undo } = momentum;
        for from in (0..n).step_by(UNIT) {
            // SAFETY: every slice is n long, a multiple of UNIT. Copies, so that the compiler need not think of one slice as part of another.
            let (psi, mut x1_now, mut s_now, mut t_now, mut u_now, mut v_now) = unsafe {
                (
                    *cut::<F, UNIT>(psi, from),
                    *cut::<F, UNIT>(x1, from),
                    *cut::<F, UNIT>(s, from),
                    *cut::<F, UNIT>(t, from),
                    *cut::<F, UNIT>(u, from),
                    *cut::<F, UNIT>(v, from),
                )
            };
            for lane in 0..UNIT {
                x1_now[lane] = I::fma(scales.grow * scales.alpha, psi[lane], x1_now[lane]);
                u_now[lane] = I::fma(mu, u_now[lane], -(weight_decay * s_now[lane]));
                v_now[lane] = I::fma(mu, v_now[lane], -(weight_decay * t_now[lane]));
            }
            if !l.is_empty() {
                // SAFETY: l is n long.
                let l = unsafe { *cut::<F, UNIT>(l, from) };
                for lane in 0..UNIT {
                    let du = scales.learn * l[lane];
                    u_now[lane] += du;
                    v_now[lane] = I::fma(du, x1_now[lane], v_now[lane]);
                }
            }
            if !r.is_empty() {
                // SAFETY: r is n long.
                let r = unsafe { *cut::<F, UNIT>(r, from) };
                for lane in 0..UNIT {
                    v_now[lane] = I::fma(scales.eta * r[lane], psi[lane] * scales.alpha, v_now[lane]);
                }
            }
            let (mut y_a_now, mut y_k_now) = ([F::ZERO; UNIT], [F::ZERO; UNIT]);
            for lane in 0..UNIT {
                s_now[lane] = I::fma(eta, u_now[lane], s_now[lane]);
                t_now[lane] = I::fma(eta, v_now[lane], t_now[lane]);
                let y = I::fma(s_now[lane], x1_now[lane], -t_now[lane]);
                let z = I::fma(u_now[lane], x1_now[lane], -v_now[lane]);
                y_a_now[lane] = I::fma(undo.m, y, -(undo.r * z));
                y_k_now[lane] = I::fma(undo.p, z, undo.h * y);
            }
            // SAFETY: as above.
            unsafe {
                *cut_mut(x1, from) = x1_now;
                *cut_mut(s, from) = s_now;
                *cut_mut(t, from) = t_now;
                *cut_mut(u, from) = u_now;
                *cut_mut(v, from) = v_now;
                *cut_mut(y_a, from) = y_a_now;
                *cut_mut(y_k, from) = y_k_now;
            }
        }
    }
}

kernel! {
    /// `I += p sum_a - r sum_k - S sum_c - T sum_zt`.
    fn current_of_drift(blend: Blend<F>, sums: [&[F]; 3], s: &[F], t: &[F], sum_zt: F, current: &mut [F]) {
        let n = current.len();
        let [sum_a, sum_k, sum_c] = sums;
        let (sum_a, sum_k, sum_c, s, t) = (&sum_a[..n], &sum_k[..n], &sum_c[..n], &s[..n], &t[..n]);
        for j in 0..n {
            let of_factors = I::fma(blend.r, sum_k[j], I::fma(s[j], sum_c[j], t[j] * sum_zt));
            current[j] += sum_a[j] - I::fma(blend.lost, sum_a[j], of_factors);
        }
    }
}

/// What one block does to the rows of a source that is silent in it, or several composed.
pub(crate) struct DriftMut<'a, F> {
    pub(crate) silence: SilenceMut<'a, F>,
    pub(crate) u: &'a mut [F],
    pub(crate) v: &'a mut [F],
}

kernel! {
    /// `first`, then `last`, as one, but for their blends: `S = p2 S1 + r2 U1 + k1 S2; T = p2 T1 + r2 V1 + x1 S2 + a1 T2; U = m2 U1 - h2 S1 + k1 U2;
    /// V = m2 V1 - h2 T1 + x1 U2 + a1 V2; x = k2 x1 + a1 x2`.
    fn compose_drifts(first: Drift<'_, F>, first_a: F, last: Drift<'_, F>, to: DriftMut<'_, F>) {
        let DriftMut { silence: SilenceMut { s, t, x }, u, v } = to;
        let n = s.len();
        let (s1, t1, x1) = (&first.silence.s[..n], &first.silence.t[..n], &first.silence.x[..n]);
        let (s2, t2, x2) = (&last.silence.s[..n], &last.silence.t[..n], &last.silence.x[..n]);
        let (u1, v1, u2, v2) = (&first.u[..n], &first.v[..n], &last.u[..n], &last.v[..n]);
        let (t, x, u, v) = (&mut t[..n], &mut x[..n], &mut u[..n], &mut v[..n]);
        let (Blend { lost, r, h, m }, k1, k2) = (last.blend, first.silence.k, last.silence.k);
        let p = F::ONE - lost;
        for j in 0..n {
            s[j] = I::fma(p, s1[j], I::fma(r, u1[j], k1 * s2[j]));
            t[j] = I::fma(p, t1[j], I::fma(r, v1[j], I::fma(x1[j], s2[j], first_a * t2[j])));
            u[j] = I::fma(m, u1[j], I::fma(-h, s1[j], k1 * u2[j]));
            v[j] = I::fma(m, v1[j], I::fma(-h, t1[j], I::fma(x1[j], u2[j], first_a * v2[j])));
            x[j] = I::fma(first_a, x2[j], k2 * x1[j]);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::{
        Blend, Drift, DriftMut, DriftRowsMut, DriftSumsMut, Drifts, MomentumMut, MomentumScales,
        Undo, catch_up_drift, compose_drifts, current_of_drift, follow_spikes_drift, step_momentum,
    };
    use crate::Float;
    use crate::kernels::{Factors, Silence, SilenceMut, Silences, StepScales, Visit};
    use crate::testing::{Noise, doubles, in_both, near, same_bits};

    const STRIDE: usize = 32;

    /// A block of some steps: its rows of factors and its numbers.
    struct Block<F> {
        rows: [Vec<F>; 5],
        blend: Blend<f64>,
        k: F,
        a: F,
    }

    impl<F: Float> Block<F> {
        fn new(noise: &mut Noise) -> Self {
            let [lost, r, h, m] = [0; 4].map(|_| noise.signed());
            Self {
                rows: [0; 5].map(|_| noise.numbers(STRIDE)),
                blend: Blend { lost, r, h, m },
                k: F::cast(noise.signed()),
                a: F::cast(noise.signed()),
            }
        }

        fn drift(&self) -> Drift<'_, F> {
            let [s, t, u, v, x] = &self.rows;
            let silence = Silence { s, t, x, k: self.k };
            let blend = self.blend.cast();
            Drift {
                silence,
                u,
                v,
                blend,
            }
        }

        /// What it makes of the rows A, K and C of a source, and of its `zt`.
        fn literal(&self, (a, k, c): (&mut [f64], &mut [f64], &mut [f64]), zt: f64) -> f64 {
            let (Blend { r, h, m, .. }, p) = (self.blend, self.blend.p());
            let [s, t, u, v, x] = [0, 1, 2, 3, 4].map(|row| doubles(&self.rows[row]));
            for j in 0..STRIDE {
                let (a_is, k_is, c_is) = (a[j], k[j], c[j]);
                a[j] = p * a_is - r * k_is - s[j] * c_is - t[j] * zt;
                k[j] = h * a_is + m * k_is + u[j] * c_is + v[j] * zt;
                c[j] = self.k.to_f64() * c_is + x[j] * zt;
            }
            self.a.to_f64() * zt
        }
    }

    #[test]
    fn a_blend_is_steps_of_two_numbers() {
        let (mu, weight_decay, eta) = (0.75, 0.5, 0.125);
        let (a, k) = (2.0, -3.0);
        let (mut w, mut m, mut blend) = (a, k, Blend::NONE);
        for _ in 0..3 {
            m = mu * m + weight_decay * w;
            w -= eta * m;
            blend = blend.step(mu, weight_decay, eta);
            assert!((blend.p() * a - blend.r * k - w).abs() < 1e-15);
            assert!((blend.h * a + blend.m * k - m).abs() < 1e-15);
        }
        let det = blend.p() * blend.m + blend.r * blend.h;
        assert!((det - mu * mu * mu).abs() < 1e-15);
        let twice = (0..3).fold(blend, |blend, _| blend.step(mu, weight_decay, eta));
        let both = blend.then(blend);
        for (one, other) in [
            (twice.lost, both.lost),
            (twice.r, both.r),
            (twice.h, both.h),
            (twice.m, both.m),
        ] {
            assert!((one - other).abs() < 1e-15);
        }
        assert_eq!(Blend::NONE.then(blend), blend);
        assert_eq!(blend.then(Blend::NONE), blend);
        let mut list = [0.0; 8];
        blend.keep(&mut list, 1);
        assert_eq!(Blend::of(&list, 1), blend);
    }

    in_both! {
        fn two_blocks_composed_do_what_one_after_the_other_does<F>() {
            let mut noise = Noise(1);
            let (first, last) = (Block::<F>::new(&mut noise), Block::<F>::new(&mut noise));
            let [a, k, c] = [0; 3].map(|_| noise.numbers::<F>(STRIDE));
            let zt = F::cast(noise.signed());
            let [mut a_is, mut k_is, mut c_is] = [&a, &k, &c].map(|row| doubles(row));
            let left = first.literal((&mut a_is, &mut k_is, &mut c_is), zt.to_f64());
            last.literal((&mut a_is, &mut k_is, &mut c_is), left);

            let [mut s, mut t, mut u, mut v, mut x] = [0; 5].map(|_| vec![F::ONE; STRIDE]);
            let silence = SilenceMut { s: &mut s, t: &mut t, x: &mut x };
            let to = DriftMut { silence, u: &mut u, v: &mut v };
            compose_drifts(first.drift(), first.a, last.drift(), to);
            let blend = first.blend.then(last.blend).cast();
            let silence = Silence { s: &s, t: &t, x: &x, k: first.k * last.k };
            let [mut a, mut k, mut c] = [a, k, c];
            assert!(catch_up_drift(Drift { silence, u: &u, v: &v, blend }, zt, &mut a, &mut k, &mut c));
            near("A", &a, &a_is);
            near("K", &k, &k_is);
            near("C", &c, &c_is);
        }
    }

    in_both! {
        fn a_row_waits_for_nothing_only_if_nothing_is_left_of_both_traces<F>() {
            let none = vec![F::ZERO; STRIDE];
            let silence = Silence { s: &none, t: &none, x: &none, k: F::cast(0.5) };
            let blend = Blend { m: 0.5, ..Blend::NONE }.cast();
            let drift = Drift { silence, u: &none, v: &none, blend };
            for (at_k, at_c, is_left) in [(0.0, 0.0, false), (1.0, 0.0, true), (0.0, 1.0, true)] {
                let (mut a, mut k, mut c) = (vec![F::ONE; STRIDE], vec![F::SILENCE; STRIDE], vec![F::SILENCE; STRIDE]);
                k[3] = F::cast(at_k);
                c[4] = F::cast(at_c);
                assert_eq!(catch_up_drift(drift, F::ONE, &mut a, &mut k, &mut c), is_left);
                same_bits("A", &a, &[F::ONE; STRIDE]);
                assert!(k[0] == F::ZERO && c[0] == F::ZERO);
            }
        }
    }

    in_both! {
        fn spikes_sum_up_caught_up_rows_and_move_neither_weights_nor_momentum<F>() {
            let mut noise = Noise(2);
            let waited = Block::<F>::new(&mut noise);
            let scales = StepScales { alpha: F::cast(0.75), grow: F::cast(1.25), learn: F::cast(0.5), eta: F::cast(0.25) };
            let (mu, weight_decay, eta) = (0.75, 0.5, 0.125);
            let [mut x1, mut s, mut t, mut u, mut v] = [0; 5].map(|_| noise.numbers::<F>(STRIDE));
            let (mut y_a, mut y_k) = (vec![F::ZERO; STRIDE], vec![F::ZERO; STRIDE]);
            let [psi, l, r] = [0; 3].map(|_| noise.numbers::<F>(STRIDE));
            let before = [&x1, &s, &t, &u, &v].map(|row| doubles(row));
            let blend = Blend { lost: 0.25, r: 0.25, h: 0.5, m: 0.625 }.step(mu, weight_decay, eta);
            let det = blend.p() * blend.m + blend.r * blend.h;
            let momentum = MomentumScales { mu: F::cast(mu), weight_decay: F::cast(weight_decay), eta: F::cast(eta), undo: Undo::of(blend, det) };
            let to = MomentumMut { x1: &mut x1, s: &mut s, t: &mut t, u: &mut u, v: &mut v, y_a: &mut y_a, y_k: &mut y_k };
            step_momentum(scales, momentum, &psi, &l, &r, to);

            // The step's own lines.
            let mut is = [0; 5].map(|_| vec![0.0; STRIDE]);
            for j in 0..STRIDE {
                let [x1, s, t, u, v] = [0, 1, 2, 3, 4].map(|row| before[row][j]);
                let [psi, l, r] = [&psi, &l, &r].map(|row| row[j].to_f64());
                let x1 = x1 + 1.25 * 0.75 * psi;
                let u = mu * u + 0.5 * l - weight_decay * s;
                let v = mu * v + 0.5 * l * x1 + 0.25 * r * psi * 0.75 - weight_decay * t;
                let after = [x1, s + eta * u, t + eta * v, u, v];
                is.iter_mut().zip(after).for_each(|(row, x)| row[j] = x);
            }
            let after = [&x1, &s, &t, &u, &v];
            is.iter().zip(after).for_each(|(is, row)| near("factors", row, is));

            // Five spikes: a group and a rest; some sources waited, and one is a neuron of its own.
            let sources = 5;
            let [mut a, mut k, mut c] = [0; 3].map(|_| noise.numbers::<F>(sources * STRIDE));
            let visits: Vec<_> = (0..sources as u32).map(|source| Visit {
                source,
                age: source % 2,
                value: F::cast(noise.signed()),
                shift: F::cast(noise.signed()),
                zt: F::cast(noise.signed()),
                own: if source == 3 { 17 } else { usize::MAX },
            }).collect();
            let [mut a_is, mut k_is, mut c_is] = [&a, &k, &c].map(|rows| doubles(rows));
            let (mut w, mut m) = (vec![0.0; sources * STRIDE], vec![0.0; sources * STRIDE]);
            let (mut sums_is, mut current_is, mut sum_zt) = ([0; 3].map(|_| vec![0.0; STRIDE]), vec![1.0; STRIDE], 0.0);
            let weight = |at: usize, zt: f64, a: &[f64], k: &[f64], c: &[f64]| {
                let j = at % STRIDE;
                let [_, s, t, u, v] = [0, 1, 2, 3, 4].map(|row| is[row][j]);
                let w = blend.p() * a[at] - blend.r * k[at] - s * c[at] - t * zt;
                (w, blend.h * a[at] + blend.m * k[at] + u * c[at] + v * zt)
            };
            for visit in &visits {
                let row = visit.source as usize * STRIDE..(visit.source as usize + 1) * STRIDE;
                let mut zt = visit.zt.to_f64();
                if visit.age > 0 {
                    zt = waited.literal((&mut a_is[row.clone()], &mut k_is[row.clone()], &mut c_is[row.clone()]), zt);
                }
                sum_zt += visit.value.to_f64() * zt;
                for at in row {
                    let s = visit.value.to_f64();
                    if at % STRIDE == visit.own {
                        current_is[at % STRIDE] -= s * is[2][at % STRIDE] * zt;
                        continue;
                    }
                    (w[at], m[at]) = weight(at, zt, &a_is, &k_is, &c_is);
                    for (sum, rows) in sums_is.iter_mut().zip([&a_is, &k_is, &c_is]) {
                        sum[at % STRIDE] += s * rows[at];
                    }
                    current_is[at % STRIDE] += s * w[at];
                }
            }
            let [s1, t1, u1, v1, x_waited] = &waited.rows;
            let mut blends = [0.0; 4];
            waited.blend.keep(&mut blends, 0);
            let k_waited = [waited.k];
            let silences = Silences { s: s1, t: t1, x: x_waited, k: &k_waited };
            let drifts = Drifts { silences, u: u1, v: v1, blends: &blends };
            let none = vec![F::ZERO; STRIDE];
            let [mut sum_a, mut sum_k, mut sum_c] = [0; 3].map(|_| vec![F::ZERO; STRIDE]);
            let rows = DriftRowsMut { a: &mut a, k: &mut k, c: &mut c };
            let sums = DriftSumsMut { a: &mut sum_a, k: &mut sum_k, c: &mut sum_c };
            let factors = Factors { y: &y_a, x1: &x1, none: &none };
            follow_spikes_drift(rows, &visits, drifts, factors, &y_k, sums);
            for (sum, sum_is) in [&sum_a, &sum_k, &sum_c].into_iter().zip(&sums_is) {
                near("sum", sum, sum_is);
            }
            let mut current = vec![F::ONE; STRIDE];
            current_of_drift(blend.cast(), [&sum_a, &sum_k, &sum_c], &s, &t, F::cast(sum_zt), &mut current);
            near("I", &current, &current_is);
            // After the spike the same weights and the same momentum, of other rows.
            let [a, k, c] = [&a, &k, &c].map(|rows| doubles(rows));
            for visit in &visits {
                let left = if visit.age > 0 { waited.a.to_f64() } else { 1.0 };
                let zt = left * visit.zt.to_f64() + visit.shift.to_f64();
                for j in (0..STRIDE).filter(|&j| j != visit.own) {
                    let at = visit.source as usize * STRIDE + j;
                    let (w_now, m_now) = weight(at, zt, &a, &k, &c);
                    near("W, M", &[F::cast(w_now), F::cast(m_now)], &[w[at], m[at]]);
                }
            }
            let own = 3 * STRIDE + 17;
            assert_eq!([a[own], k[own], c[own]], [0.0; 3]);
        }
    }
}
