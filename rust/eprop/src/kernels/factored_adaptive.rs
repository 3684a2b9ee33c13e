//! As `factored.rs`, where thresholds move: a third row `D` per source, and what spikes, silence and steps do to it and through it.

use super::factored::{Factors, Silence, SilenceMut, Silences, StepScales, Visit};
use super::isa::Isa;
use super::isa::UNIT;
use super::{cut, cut_mut, kernel};
use crate::Float;

/// Rows of one pass.
const GROUP: usize = 4;

/// What silent blocks, composed into one, do to a row: `A -= S C + T zt + R D; C = k C + x zt + q D; D = p D + w zt`.
#[derive(Clone, Copy)]
pub(crate) struct AdaptiveSilence<'a, F> {
    pub(crate) plain: Silence<'a, F>,
    pub(crate) r: &'a [F],
    pub(crate) q: &'a [F],
    pub(crate) w: &'a [F],
    pub(crate) p: &'a [F],
}

/// Silences by age, a row of each factor after the other.
#[derive(Clone, Copy)]
pub(crate) struct AdaptiveSilences<'a, F> {
    pub(crate) plain: Silences<'a, F>,
    pub(crate) r: &'a [F],
    pub(crate) q: &'a [F],
    pub(crate) w: &'a [F],
    pub(crate) p: &'a [F],
}

impl<'a, F: Float> AdaptiveSilences<'a, F> {
    /// The last `age` blocks as one.
    #[inline(always)]
    pub(crate) fn of_age(&self, age: usize, stride: usize) -> AdaptiveSilence<'a, F> {
        let row = (age - 1) * stride..age * stride;
        let Silences { s, t, x, k } = self.plain;
        AdaptiveSilence {
            plain: Silence {
                s: &s[row.clone()],
                t: &t[row.clone()],
                x: &x[row.clone()],
                k: k[age - 1],
            },
            r: &self.r[row.clone()],
            q: &self.q[row.clone()],
            w: &self.w[row.clone()],
            p: &self.p[row],
        }
    }
}

/// A place for an [`AdaptiveSilence`].
pub(crate) struct AdaptiveSilenceMut<'a, F> {
    pub(crate) plain: SilenceMut<'a, F>,
    pub(crate) r: &'a mut [F],
    pub(crate) q: &'a mut [F],
    pub(crate) w: &'a mut [F],
    pub(crate) p: &'a mut [F],
}

/// Padded rows of all sources.
pub(crate) struct RowsMut<'a, F> {
    pub(crate) a: &'a mut [F],
    pub(crate) c: &'a mut [F],
    pub(crate) d: &'a mut [F],
}

/// What a step's sources sum up to.
pub(crate) struct SumsMut<'a, F> {
    pub(crate) a: &'a mut [F],
    pub(crate) c: &'a mut [F],
    pub(crate) d: &'a mut [F],
}

/// What a row that waited becomes, lane by lane; the order in which it is rounded is the same wherever a row catches up.
macro_rules! catch_up_lane {
    ($a:expr, $c:expr, $d:expr, $zt:expr, ($s:expr, $t:expr, $r:expr), ($k:expr, $x:expr, $q:expr), ($p:expr, $w:expr)) => {
        (
            $a - I::fma($s, $c, I::fma($r, $d, $t * $zt)),
            I::fma($k, $c, I::fma($q, $d, $x * $zt)),
            I::fma($p, $d, $w * $zt),
        )
    };
}

kernel! {
    /// Every active source catches up, and then, row by row in their order, `sum_a += s A; sum_c += s C; sum_d += s D; A -= a Y; C -= a f; D -= a X2`.
    /// `factors.x1` is `f = X1 - Q X2`. The visits go to different sources.
    fn follow_spikes_adaptive(
        rows: RowsMut<'_, F>,
        visits: &[Visit<F>],
        ended: AdaptiveSilences<'_, F>,
        factors: Factors<'_, F>,
        x2: &[F],
        sums: SumsMut<'_, F>,
    ) {
        let RowsMut { a, c, d } = rows;
        let stride = sums.a.len();
        assert!(stride % UNIT == 0 && a.len() == c.len() && a.len() == d.len());
        assert!(sums.c.len() == stride && sums.d.len() == stride);
        assert!(factors.y.len() == stride && factors.x1.len() == stride && x2.len() == stride && factors.none.len() == stride);
        let whole = visits.chunks_exact(GROUP);
        let rest = whole.remainder();
        for group in whole {
            let visited: [SourceRow<'_, F>; GROUP] = core::array::from_fn(|g| SourceRow::new(group[g], stride, &ended, factors.none, a.len()));
            // SAFETY: each row lies within `a`, `c` and `d`, and no two are the same.
            unsafe { follow::<I, F, GROUP>(a, c, d, &visited, factors, x2, sums.a, sums.c, sums.d) };
        }
        for &visit in rest {
            let visited = [SourceRow::new(visit, stride, &ended, factors.none, a.len())];
            // SAFETY: as above.
            unsafe { follow::<I, F, 1>(a, c, d, &visited, factors, x2, sums.a, sums.c, sums.d) };
        }
    }
}

/// A visit with what its row waited for.
struct SourceRow<'a, F> {
    visit: Visit<F>,
    start: usize,
    /// Not read of a row that did not wait.
    silence: AdaptiveSilence<'a, F>,
    /// The unit in which the neuron is that the source itself is, with a 0 at its place: there is no synapse.
    own: usize,
    mask: [F; UNIT],
}

impl<'a, F: Float> SourceRow<'a, F> {
    #[inline(always)]
    fn new(
        visit: Visit<F>,
        stride: usize,
        ended: &AdaptiveSilences<'a, F>,
        none: &'a [F],
        len: usize,
    ) -> Self {
        let start = visit.source as usize * stride;
        assert!(start + stride <= len);
        let silence = match visit.age as usize {
            0 => AdaptiveSilence {
                plain: Silence {
                    s: none,
                    t: none,
                    x: none,
                    k: F::ONE,
                },
                r: none,
                q: none,
                w: none,
                p: none,
            },
            age => ended.of_age(age, stride),
        };
        let mut mask = [F::ONE; UNIT];
        mask[visit.own % UNIT] = F::ZERO;
        Self {
            visit,
            start,
            silence,
            own: visit.own / UNIT * UNIT,
            mask,
        }
    }
}

/// Some rows at once, so that sums and factors are loaded once for all of them.
///
/// # Safety
/// The rows lie within `a`, `c` and `d`, and no two are the same; every other slice is as long as a row.
#[inline(always)]
#[allow(
    clippy::too_many_arguments,
    reason = "slices one by one: only so does the compiler know that none overlaps another"
)]
unsafe fn follow<I: Isa, F: Float, const G: usize>(
    a: &mut [F],
    c: &mut [F],
    d: &mut [F],
    rows: &[SourceRow<'_, F>; G],
    factors: Factors<'_, F>,
    x2: &[F],
    sum_a: &mut [F],
    sum_c: &mut [F],
    sum_d: &mut [F],
) {
    for j in (0..sum_a.len()).step_by(UNIT) {
        // SAFETY: j + UNIT <= the length of a row, which the caller promises of every slice; places are copied before they are written.
        unsafe {
            let (mut sa, mut sc) = (*cut::<F, UNIT>(sum_a, j), *cut::<F, UNIT>(sum_c, j));
            let mut sd = *cut::<F, UNIT>(sum_d, j);
            let (y, f) = (
                *cut::<F, UNIT>(factors.y, j),
                *cut::<F, UNIT>(factors.x1, j),
            );
            let g = *cut::<F, UNIT>(x2, j);
            for row in rows {
                let at = row.start + j;
                let (mut ra, mut rc) = (*cut::<F, UNIT>(a, at), *cut::<F, UNIT>(c, at));
                let mut rd = *cut::<F, UNIT>(d, at);
                if row.visit.age > 0 {
                    let AdaptiveSilence { plain, r, q, w, p } = row.silence;
                    let zt = row.visit.zt;
                    let (s, t) = (*cut::<F, UNIT>(plain.s, j), *cut::<F, UNIT>(plain.t, j));
                    let (x, r) = (*cut::<F, UNIT>(plain.x, j), *cut::<F, UNIT>(r, j));
                    let q = *cut::<F, UNIT>(q, j);
                    let (w, p) = (*cut::<F, UNIT>(w, j), *cut::<F, UNIT>(p, j));
                    for l in 0..UNIT {
                        (ra[l], rc[l], rd[l]) = catch_up_lane!(
                            ra[l],
                            rc[l],
                            rd[l],
                            zt,
                            (s[l], t[l], r[l]),
                            (plain.k, x[l], q[l]),
                            (p[l], w[l])
                        );
                    }
                }
                if j == row.own {
                    for l in 0..UNIT {
                        ra[l] *= row.mask[l];
                        rc[l] *= row.mask[l];
                        rd[l] *= row.mask[l];
                    }
                }
                for l in 0..UNIT {
                    sa[l] = I::fma(row.visit.value, ra[l], sa[l]);
                    sc[l] = I::fma(row.visit.value, rc[l], sc[l]);
                    sd[l] = I::fma(row.visit.value, rd[l], sd[l]);
                    ra[l] = I::fma(-row.visit.shift, y[l], ra[l]);
                    rc[l] = I::fma(-row.visit.shift, f[l], rc[l]);
                    rd[l] = I::fma(-row.visit.shift, g[l], rd[l]);
                }
                *cut_mut(a, at) = ra;
                *cut_mut(c, at) = rc;
                *cut_mut(d, at) = rd;
            }
            *cut_mut(sum_a, j) = sa;
            *cut_mut(sum_c, j) = sc;
            *cut_mut(sum_d, j) = sd;
        }
    }
    for row in rows {
        if row.visit.own < sum_a.len() {
            let own = row.start + row.visit.own;
            a[own] = F::ZERO;
            c[own] = F::ZERO;
            d[own] = F::ZERO;
        }
    }
}

kernel! {
    /// A row that waited. Returns whether anything is left of `C` or `D`.
    fn catch_up_adaptive(silence: AdaptiveSilence<'_, F>, zt: F, a: &mut [F], c: &mut [F], d: &mut [F]) -> bool {
        let AdaptiveSilence { plain: Silence { s, t, x, k }, r, q, w, p } = silence;
        let n = a.len();
        let (s, t, x, c, d) = (&s[..n], &t[..n], &x[..n], &mut c[..n], &mut d[..n]);
        let (r, q, w, p) = (&r[..n], &q[..n], &w[..n], &p[..n]);
        let mut left = [F::ZERO; UNIT];
        for j in (0..n).step_by(UNIT) {
            for l in 0..UNIT {
                let at = j + l;
                let (now_a, now_c, now_d) = catch_up_lane!(
                    a[at], c[at], d[at], zt, (s[at], t[at], r[at]), (k, x[at], q[at]), (p[at], w[at])
                );
                a[at] = now_a;
                c[at] = now_c.or_silence();
                d[at] = now_d.or_silence();
                left[l] += c[at].abs() + d[at].abs();
            }
        }
        left.iter().any(|&left| left != F::ZERO)
    }
}

/// What the neurons make of traces so far in a base block: `e_bar = kappa_e^u (C + X1 zt + Q D)`, `beta eps_a = p D + w zt`.
pub(crate) struct ResponsesMut<'a, F> {
    pub(crate) x1: &'a mut [F],
    pub(crate) q: &'a mut [F],
    pub(crate) w: &'a mut [F],
    pub(crate) p: &'a mut [F],
    /// Raw e of the step is `ez zt + ed D`.
    pub(crate) ez: &'a mut [F],
    pub(crate) ed: &'a mut [F],
}

kernel! {
    /// `ez = psi (alpha^u - w); ed = -psi p; X1 += c kappa_e^-u ez; Q += c kappa_e^-u ed`, and with `delta = rho - beta psi`
    /// `w = delta w + beta psi alpha^u; p *= delta`.
    fn step_responses(scales: StepScales<F>, psi: &[F], beta: &[F], rho: &[F], to: ResponsesMut<'_, F>) {
        let n = psi.len();
        let ResponsesMut { x1, q, w, p, ez, ed } = to;
        let (beta, rho, x1, q) = (&beta[..n], &rho[..n], &mut x1[..n], &mut q[..n]);
        let (w, p, ez, ed) = (&mut w[..n], &mut p[..n], &mut ez[..n], &mut ed[..n]);
        for j in 0..n {
            let of_z = psi[j] * (scales.alpha - w[j]);
            let of_d = -psi[j] * p[j];
            x1[j] = I::fma(scales.grow, of_z, x1[j]);
            q[j] = I::fma(scales.grow, of_d, q[j]);
            let raises = beta[j] * psi[j];
            let delta = rho[j] - raises;
            w[j] = I::fma(delta, w[j], raises * scales.alpha);
            p[j] *= delta;
            ez[j] = of_z;
            ed[j] = of_d;
        }
    }
}

/// The responses, as `step_responses` left them.
#[derive(Clone, Copy)]
pub(crate) struct Responses<'a, F> {
    pub(crate) x1: &'a [F],
    pub(crate) q: &'a [F],
    pub(crate) w: &'a [F],
    pub(crate) p: &'a [F],
    pub(crate) ez: &'a [F],
    pub(crate) ed: &'a [F],
}

/// The factors of a set of rows, and what a spike takes from these, to be moved on.
pub(crate) struct AdaptiveFactorsMut<'a, F> {
    pub(crate) s: &'a mut [F],
    pub(crate) t: &'a mut [F],
    pub(crate) r: &'a mut [F],
    pub(crate) y: &'a mut [F],
    /// `X2 = w / p`
    pub(crate) x2: &'a mut [F],
    /// `f = X1 - Q X2`
    pub(crate) f: &'a mut [F],
}

kernel! {
    /// `dS = eta kappa_e^u L; S += dS; T += dS X1 + eta r ez; R += dS Q + eta r ed; Y = S f - T + R X2`.
    /// `l` and `of_raw`, which is `r`, may be empty: nothing is learned.
    fn step_adaptive_factors(scales: StepScales<F>, l: &[F], of_raw: &[F], responses: Responses<'_, F>, to: AdaptiveFactorsMut<'_, F>) {
        let Responses { x1, q, w, p, ez, ed } = responses;
        let AdaptiveFactorsMut { s, t, r, y, x2, f } = to;
        let n = x1.len();
        assert!(q.len() == n && w.len() == n && p.len() == n && ez.len() == n && ed.len() == n && n % UNIT == 0);
        assert!(s.len() == n && t.len() == n && r.len() == n && y.len() == n && x2.len() == n && f.len() == n);
        assert!((l.is_empty() || l.len() == n) && (of_raw.is_empty() || of_raw.len() == n));
        for from in (0..n).step_by(UNIT) {
            // SAFETY: every slice is n long, a multiple of UNIT. Copies, so that the compiler need not think of one slice as part of another.
            unsafe {
                let (x1, q) = (*cut::<F, UNIT>(x1, from), *cut::<F, UNIT>(q, from));
                let (w, p) = (*cut::<F, UNIT>(w, from), *cut::<F, UNIT>(p, from));
                let (mut s_now, mut t_now) = (*cut::<F, UNIT>(s, from), *cut::<F, UNIT>(t, from));
                let mut r_now = *cut::<F, UNIT>(r, from);
                if !l.is_empty() {
                    let l = *cut::<F, UNIT>(l, from);
                    for lane in 0..UNIT {
                        let ds = scales.learn * l[lane];
                        s_now[lane] += ds;
                        t_now[lane] = I::fma(ds, x1[lane], t_now[lane]);
                        r_now[lane] = I::fma(ds, q[lane], r_now[lane]);
                    }
                }
                if !of_raw.is_empty() {
                    let of_raw = *cut::<F, UNIT>(of_raw, from);
                    let (ez, ed) = (*cut::<F, UNIT>(ez, from), *cut::<F, UNIT>(ed, from));
                    for lane in 0..UNIT {
                        let step = scales.eta * of_raw[lane];
                        t_now[lane] = I::fma(step, ez[lane], t_now[lane]);
                        r_now[lane] = I::fma(step, ed[lane], r_now[lane]);
                    }
                }
                let x2_now: [F; UNIT] = core::array::from_fn(|lane| w[lane] / p[lane]);
                let f_now: [F; UNIT] = core::array::from_fn(|lane| I::fma(-q[lane], x2_now[lane], x1[lane]));
                let y_now: [F; UNIT] = core::array::from_fn(|lane| {
                    I::fma(s_now[lane], f_now[lane], I::fma(r_now[lane], x2_now[lane], -t_now[lane]))
                });
                *cut_mut(s, from) = s_now;
                *cut_mut(t, from) = t_now;
                *cut_mut(r, from) = r_now;
                *cut_mut(y, from) = y_now;
                *cut_mut(x2, from) = x2_now;
                *cut_mut(f, from) = f_now;
            }
        }
    }
}

kernel! {
    /// `I -= R sum_d`.
    fn current_of_adaptation(sum_d: &[F], r: &[F], current: &mut [F]) {
        let n = current.len();
        let (sum_d, r) = (&sum_d[..n], &r[..n]);
        for j in 0..n {
            current[j] = I::fma(-r[j], sum_d[j], current[j]);
        }
    }
}

kernel! {
    /// `first`, then `last`, as one: `S = S1 + k1 S2; T = T1 + x1 S2 + a1 T2 + w1 R2; R = R1 + q1 S2 + p1 R2`,
    /// `x = k2 x1 + a1 x2 + w1 q2; q = k2 q1 + p1 q2; w = p2 w1 + a1 w2; p = p1 p2`.
    fn compose_adaptive(first: AdaptiveSilence<'_, F>, first_a: F, last: AdaptiveSilence<'_, F>, to: AdaptiveSilenceMut<'_, F>) {
        let n = to.plain.s.len();
        let (s1, t1, x1) = (&first.plain.s[..n], &first.plain.t[..n], &first.plain.x[..n]);
        let (r1, q1, w1, p1) = (&first.r[..n], &first.q[..n], &first.w[..n], &first.p[..n]);
        let (s2, t2, x2) = (&last.plain.s[..n], &last.plain.t[..n], &last.plain.x[..n]);
        let (r2, q2, w2, p2) = (&last.r[..n], &last.q[..n], &last.w[..n], &last.p[..n]);
        let (k1, k2) = (first.plain.k, last.plain.k);
        let SilenceMut { s, t, x } = to.plain;
        let (t, x, r) = (&mut t[..n], &mut x[..n], &mut to.r[..n]);
        let (q, w, p) = (&mut to.q[..n], &mut to.w[..n], &mut to.p[..n]);
        for j in 0..n {
            s[j] = I::fma(k1, s2[j], s1[j]);
            t[j] = I::fma(first_a, t2[j], I::fma(w1[j], r2[j], I::fma(x1[j], s2[j], t1[j])));
            r[j] = I::fma(p1[j], r2[j], I::fma(q1[j], s2[j], r1[j]));
            x[j] = I::fma(first_a, x2[j], I::fma(w1[j], q2[j], k2 * x1[j]));
            q[j] = I::fma(p1[j], q2[j], k2 * q1[j]);
            w[j] = I::fma(first_a, w2[j], p2[j] * w1[j]);
            p[j] = p1[j] * p2[j];
        }
    }
}
