//! As `factored.rs`, where a source has a second trace in each neuron, as where thresholds move: a third row `D` per source, and what spikes, silence and
//! steps do to it and through it.

use super::factored::{Ahead, Factors, GROUP, Silence, SilenceMut, Silences, StepScales, Visit};
use super::isa::{Isa, UNIT};
use super::{cut, cut_mut, kernel};
use crate::Float;

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
        for (pass, group) in whole.enumerate() {
            let visited: [SourceRow<'_, F>; GROUP] = core::array::from_fn(|g| SourceRow::new(group[g], stride, &ended, factors.none, a.len()));
            let ahead = Ahead::of(visits, (pass + 1) * GROUP, a, stride);
            // SAFETY: each row lies within `a`, `c` and `d`, and no two are the same.
            unsafe { follow::<I, F, GROUP>(a, c, d, &visited, ahead, factors, x2, sums.a, sums.c, sums.d) };
        }
        for &visit in rest {
            let visited = [SourceRow::new(visit, stride, &ended, factors.none, a.len())];
            let ahead = Ahead::of(&[], 0, a, stride);
            // SAFETY: as above.
            unsafe { follow::<I, F, 1>(a, c, d, &visited, ahead, factors, x2, sums.a, sums.c, sums.d) };
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
    ahead: Ahead<'_, F>,
    factors: Factors<'_, F>,
    x2: &[F],
    sum_a: &mut [F],
    sum_c: &mut [F],
    sum_d: &mut [F],
) {
    for j in (0..sum_a.len()).step_by(UNIT) {
        ahead.fetch::<I>([a, c, d], j);
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

/// How the second trace of a step goes on: `h = (rho - beta by) h + beta by alpha^u zt`. Where thresholds move, `by` is psi.
#[derive(Clone, Copy)]
pub(crate) struct Course<'a, F> {
    pub(crate) by: &'a [F],
    pub(crate) beta: &'a [F],
    pub(crate) rho: &'a [F],
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
    /// `ez = psi (alpha^u - w); ed = -psi p; X1 += c kappa_e^-u ez; Q += c kappa_e^-u ed`, and with `delta = rho - beta by`
    /// `w = delta w + beta by alpha^u; p *= delta`.
    fn step_responses(scales: StepScales<F>, psi: &[F], course: Course<'_, F>, to: ResponsesMut<'_, F>) {
        let n = psi.len();
        let Course { by, beta, rho } = course;
        let ResponsesMut { x1, q, w, p, ez, ed } = to;
        let (by, beta, rho, x1, q) = (&by[..n], &beta[..n], &rho[..n], &mut x1[..n], &mut q[..n]);
        let (w, p, ez, ed) = (&mut w[..n], &mut p[..n], &mut ez[..n], &mut ed[..n]);
        for j in 0..n {
            let of_z = psi[j] * (scales.alpha - w[j]);
            let of_d = -psi[j] * p[j];
            x1[j] = I::fma(scales.grow, of_z, x1[j]);
            q[j] = I::fma(scales.grow, of_d, q[j]);
            let raises = beta[j] * by[j];
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
    /// `I -= p R sum_d`.
    fn current_of_adaptation(p: F, sum_d: &[F], r: &[F], current: &mut [F]) {
        let n = current.len();
        let (sum_d, r) = (&sum_d[..n], &r[..n]);
        for j in 0..n {
            current[j] = I::fma(-(p * r[j]), sum_d[j], current[j]);
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

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::{
        AdaptiveFactorsMut, AdaptiveSilence, AdaptiveSilenceMut, AdaptiveSilences, Course, Factors,
        Responses, ResponsesMut, RowsMut, Silence, SilenceMut, Silences, StepScales, SumsMut,
        Visit, catch_up_adaptive, compose_adaptive, current_of_adaptation, follow_spikes_adaptive,
        step_adaptive_factors, step_responses,
    };
    use crate::Float;
    use crate::testing::{Noise, doubles, in_both, near, same_bits};

    const STRIDE: usize = 32;
    const SOURCES: usize = 12;
    const N_INPUTS: usize = 4;
    const AGES: usize = 3;

    /// Blocks of every age that there is.
    struct Blocks<F> {
        /// s, t, x, r, q, w, p.
        rows: [Vec<F>; 7],
        k: Vec<F>,
    }

    impl<F: Float> Blocks<F> {
        fn new(noise: &mut Noise) -> Self {
            Self {
                rows: [0; 7].map(|_| noise.numbers(AGES * STRIDE)),
                k: noise.numbers(AGES),
            }
        }

        fn lend(&self) -> AdaptiveSilences<'_, F> {
            let [s, t, x, r, q, w, p] = &self.rows;
            let plain = Silences {
                s,
                t,
                x,
                k: &self.k,
            };
            AdaptiveSilences { plain, r, q, w, p }
        }

        /// What a block does to one number of each row.
        fn act(&self, age: usize, j: usize, zt: f64, [a, c, d]: [f64; 3]) -> [f64; 3] {
            let [s, t, x, r, q, w, p] =
                [0, 1, 2, 3, 4, 5, 6].map(|row| self.rows[row][(age - 1) * STRIDE + j].to_f64());
            let k = self.k[age - 1].to_f64();
            [
                a - s * c - t * zt - r * d,
                k * c + x * zt + q * d,
                p * d + w * zt,
            ]
        }
    }

    in_both! {
        fn sources_catch_up_are_summed_and_shifted_one_after_the_other<F>() {
            let mut noise = Noise(1);
            let blocks = Blocks::<F>::new(&mut noise);
            let before = [0; 3].map(|_| noise.numbers::<F>(SOURCES * STRIDE));
            let [y, f, x2] = [0; 3].map(|_| noise.numbers::<F>(STRIDE));
            let none = vec![F::ZERO; STRIDE];
            // Of none to ten visits: groups of four, and a rest.
            for n in 0..=10 {
                let visits: Vec<_> = (0..n).map(|at| {
                    let source = at as u32 * 5 % SOURCES as u32;
                    Visit {
                        source,
                        age: at as u32 % (AGES as u32 + 1),
                        value: F::cast(noise.signed()),
                        shift: F::cast(noise.signed()),
                        zt: F::cast(noise.signed()),
                        own: (source as usize).checked_sub(N_INPUTS).unwrap_or(usize::MAX),
                    }
                }).collect();
                let [mut a, mut c, mut d] = before.clone();
                let [mut sum_a, mut sum_c, mut sum_d] = [0; 3].map(|_| vec![F::ONE; STRIDE]);
                let rows = RowsMut { a: &mut a, c: &mut c, d: &mut d };
                let sums = SumsMut { a: &mut sum_a, c: &mut sum_c, d: &mut sum_d };
                let factors = Factors { y: &y, x1: &f, none: &none };
                follow_spikes_adaptive(rows, &visits, blocks.lend(), factors, &x2, sums);

                let mut rows_are = before.each_ref().map(|row| doubles(row));
                let mut sums_are = [0; 3].map(|_| vec![1.0; STRIDE]);
                for visit in &visits {
                    for j in 0..STRIDE {
                        let at = visit.source as usize * STRIDE + j;
                        let mut now = rows_are.each_ref().map(|row| row[at]);
                        if visit.age > 0 {
                            now = blocks.act(visit.age as usize, j, visit.zt.to_f64(), now);
                        }
                        let exists = if j == visit.own { 0.0 } else { 1.0 };
                        let taken = [&y, &f, &x2].map(|row| visit.shift.to_f64() * row[j].to_f64());
                        for row in 0..3 {
                            sums_are[row][j] += visit.value.to_f64() * exists * now[row];
                            rows_are[row][at] = exists * (now[row] - taken[row]);
                        }
                    }
                }
                for (row, (got, sum)) in [(&a, &sum_a), (&c, &sum_c), (&d, &sum_d)].into_iter().enumerate() {
                    near("row", got, &rows_are[row]);
                    near("sum", sum, &sums_are[row]);
                }
            }
        }
    }

    in_both! {
        fn two_silences_composed_do_what_one_after_the_other_does<F>() {
            let mut noise = Noise(2);
            let blocks = Blocks::<F>::new(&mut noise);
            let all = blocks.lend();
            let [a, c, d] = [0; 3].map(|_| noise.numbers::<F>(STRIDE));
            let (a1, zt) = (F::cast(0.625), F::cast(1.25));
            let (mut a_is, mut c_is, mut d_is) = (a.clone(), c.clone(), d.clone());
            assert!(catch_up_adaptive(all.of_age(1, STRIDE), zt, &mut a_is, &mut c_is, &mut d_is));
            let literal = |j: usize| blocks.act(1, j, 1.25, [&a, &c, &d].map(|row| row[j].to_f64()));
            near("A", &a_is, &(0..STRIDE).map(|j| literal(j)[0]).collect::<Vec<_>>());
            near("C", &c_is, &(0..STRIDE).map(|j| literal(j)[1]).collect::<Vec<_>>());
            near("D", &d_is, &(0..STRIDE).map(|j| literal(j)[2]).collect::<Vec<_>>());
            catch_up_adaptive(all.of_age(2, STRIDE), a1 * zt, &mut a_is, &mut c_is, &mut d_is);
            let [mut s, mut t, mut x, mut r, mut q, mut w, mut p] = [0; 7].map(|_| vec![F::ZERO; STRIDE]);
            let plain = SilenceMut { s: &mut s, t: &mut t, x: &mut x };
            let to = AdaptiveSilenceMut { plain, r: &mut r, q: &mut q, w: &mut w, p: &mut p };
            compose_adaptive(all.of_age(1, STRIDE), a1, all.of_age(2, STRIDE), to);
            let plain = Silence { s: &s, t: &t, x: &x, k: blocks.k[0] * blocks.k[1] };
            let (mut a, mut c, mut d) = (a, c, d);
            catch_up_adaptive(AdaptiveSilence { plain, r: &r, q: &q, w: &w, p: &p }, zt, &mut a, &mut c, &mut d);
            near("A", &a, &doubles(&a_is));
            near("C", &c, &doubles(&c_is));
            near("D", &d, &doubles(&d_is));
        }
    }

    in_both! {
        fn nothing_is_left_of_what_has_faded<F>() {
            let none = vec![F::ZERO; STRIDE];
            let halves = vec![F::cast(0.5); STRIDE];
            let plain = Silence { s: &none, t: &none, x: &none, k: F::cast(0.5) };
            let silence = AdaptiveSilence { plain, r: &none, q: &none, w: &none, p: &halves };
            let (mut a, mut c) = (none.clone(), vec![F::SILENCE; STRIDE]);
            let mut d = c.clone();
            assert!(!catch_up_adaptive(silence, F::ONE, &mut a, &mut c, &mut d));
            same_bits("C", &c, &none);
            same_bits("D", &d, &none);
            d[STRIDE - 1] = F::ONE;
            assert!(catch_up_adaptive(silence, F::ONE, &mut a, &mut c, &mut d));
        }
    }

    in_both! {
        fn a_step_leaves_every_trace_what_the_recursion_makes_of_it<F>() {
            let mut noise = Noise(3);
            let [psi, by, c, d, l, of_raw] = [0; 6].map(|_| noise.numbers::<F>(STRIDE));
            let [mut x1, mut q, mut w, s0, t0, r0] = [0; 6].map(|_| noise.numbers::<F>(STRIDE));
            let beta: Vec<F> = (0..STRIDE).map(|j| F::cast(0.25 * (j % 3) as f64)).collect();
            let rho: Vec<F> = (0..STRIDE).map(|j| F::cast(1.5 - 0.125 * (j % 2) as f64)).collect();
            let mut p: Vec<F> = (0..STRIDE).map(|_| F::cast(0.5 + noise.uniform())).collect();
            let [mut ez, mut ed] = [0; 2].map(|_| vec![F::ZERO; STRIDE]);
            let zt = 1.25;
            let of = |row: &[F], j: usize| row[j].to_f64();
            // beta eps_a, and e_bar without its decay, of a source.
            let eps = |w: &[F], p: &[F], j: usize| of(p, j) * of(&d, j) + of(w, j) * zt;
            let e_bar = |x1: &[F], q: &[F], j: usize| of(&c, j) + of(x1, j) * zt + of(q, j) * of(&d, j);
            let scales = StepScales { alpha: F::cast(0.75), grow: F::cast(1.25), learn: F::cast(0.5), eta: F::cast(0.25) };
            let mut expected = [vec![], vec![], vec![]];
            for j in 0..STRIDE {
                let eps_before = eps(&w, &p, j);
                let e = of(&psi, j) * (0.75 * zt - eps_before);
                let after = e_bar(&x1, &q, j) + 1.25 * e;
                let weight = of(&s0, j) * of(&c, j) + of(&t0, j) * zt + of(&r0, j) * of(&d, j);
                let raises = of(&beta, j) * of(&by, j);
                expected[0].push((of(&rho, j) - raises) * eps_before + raises * 0.75 * zt);
                expected[1].push(after);
                expected[2].push(weight + 0.5 * of(&l, j) * after + 0.25 * of(&of_raw, j) * e);
            }
            let to = ResponsesMut { x1: &mut x1, q: &mut q, w: &mut w, p: &mut p, ez: &mut ez, ed: &mut ed };
            step_responses(scales, &psi, Course { by: &by, beta: &beta, rho: &rho }, to);
            let responses = Responses { x1: &x1, q: &q, w: &w, p: &p, ez: &ez, ed: &ed };
            let (mut s, mut t, mut r) = (s0.clone(), t0.clone(), r0.clone());
            let [mut y, mut x2, mut f] = [0; 3].map(|_| vec![F::ZERO; STRIDE]);
            let to = AdaptiveFactorsMut { s: &mut s, t: &mut t, r: &mut r, y: &mut y, x2: &mut x2, f: &mut f };
            step_adaptive_factors(scales, &l, &of_raw, responses, to);
            let weight = |c: f64, zt: f64, d: f64, j: usize| of(&s, j) * c + of(&t, j) * zt + of(&r, j) * d;
            let got = |of: &dyn Fn(usize) -> f64| (0..STRIDE).map(|j| F::cast(of(j))).collect::<Vec<_>>();
            near("beta eps_a", &got(&|j| eps(&w, &p, j)), &expected[0]);
            near("e_bar", &got(&|j| e_bar(&x1, &q, j)), &expected[1]);
            near("W", &got(&|j| weight(of(&c, j), zt, of(&d, j), j)), &expected[2]);
            // A spike moves zt by a: with a f and a X2 taken from C and D, and a Y from A, nothing changes.
            let a = 0.5;
            let (c_after, d_after) = (|j| of(&c, j) - a * of(&f, j), |j| of(&d, j) - a * of(&x2, j));
            near("beta eps_a", &got(&|j| of(&p, j) * d_after(j) + of(&w, j) * (zt + a)), &expected[0]);
            near("e_bar", &got(&|j| c_after(j) + of(&x1, j) * (zt + a) + of(&q, j) * d_after(j)), &expected[1]);
            near("W", &got(&|j| weight(c_after(j), zt + a, d_after(j), j) + a * of(&y, j)), &expected[2]);
            // Where nothing is learned, only what a spike takes is made anew.
            let before = [s.clone(), t.clone(), r.clone(), y.clone()];
            let to = AdaptiveFactorsMut { s: &mut s, t: &mut t, r: &mut r, y: &mut y, x2: &mut x2, f: &mut f };
            step_adaptive_factors(StepScales::nothing(), &[], &[], responses, to);
            [s, t, r, y].iter().zip(&before).for_each(|(row, before)| same_bits("factor", row, before));
        }
    }

    in_both! {
        fn a_current_loses_the_part_of_adaptation<F>() {
            let mut noise = Noise(4);
            let [sum_d, r, before] = [0; 3].map(|_| noise.numbers::<F>(21));
            let mut current = before.clone();
            current_of_adaptation(F::cast(0.75), &sum_d, &r, &mut current);
            let expected: Vec<_> = (0..21).map(|j| before[j].to_f64() - 0.75 * r[j].to_f64() * sum_d[j].to_f64()).collect();
            near("I", &current, &expected);
        }
    }
}
