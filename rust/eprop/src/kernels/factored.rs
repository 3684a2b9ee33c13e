//! Rows of the factored form (DESIGN.md, "The factored form"): what a spike reads and writes, how a row catches up, and the step of the factors.

use super::isa::Isa;
use super::isa::UNIT;
use super::{cut, cut_mut, kernel};
use crate::Float;

/// Sources of one pass.
pub(super) const GROUP: usize = 4;

/// Bytes of a list of rows from which on three such lists lie beyond the caches near a core.
const FAR: usize = 1 << 22;

/// One active source of a step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visit<F> {
    pub(crate) source: u32,
    /// How many blocks it has waited; 0: none.
    pub(crate) age: u32,
    /// `s`.
    pub(crate) value: F,
    /// `a = alpha^-u zeta s`.
    pub(crate) shift: F,
    /// `zt` as the source left it, before it catches up.
    pub(crate) zt: F,
    /// The column of the neuron that it is; beyond every column if it is an input.
    pub(crate) own: usize,
}

/// What silent blocks, composed into one, do to a row: `A -= S C + T zt; C = k C + x zt`.
#[derive(Clone, Copy)]
pub(crate) struct Silence<'a, F> {
    pub(crate) s: &'a [F],
    pub(crate) t: &'a [F],
    pub(crate) x: &'a [F],
    pub(crate) k: F,
}

/// Silences by age, a row of each factor after the other.
#[derive(Clone, Copy)]
pub(crate) struct Silences<'a, F> {
    pub(crate) s: &'a [F],
    pub(crate) t: &'a [F],
    pub(crate) x: &'a [F],
    pub(crate) k: &'a [F],
}

/// The factors that a spike meets, as the step before left them.
#[derive(Clone, Copy)]
pub(crate) struct Factors<'a, F> {
    /// `Y = S X1 - T`.
    pub(crate) y: &'a [F],
    pub(crate) x1: &'a [F],
    /// Zeros.
    pub(crate) none: &'a [F],
}

/// The sources of the next pass, if their rows are far. Of three rows each the processor follows too few by itself: asked for ahead, they take three quarters
/// of the time (`make bench`: adaptive neurons at (1000, 1000)). Two rows each gain nothing.
#[derive(Clone, Copy)]
pub(super) struct Ahead<'a, F> {
    visits: &'a [Visit<F>],
    stride: usize,
}

impl<'a, F> Ahead<'a, F> {
    /// After the first `passed` visits; `rows`: one of the lists.
    #[inline(always)]
    pub(super) fn of(visits: &'a [Visit<F>], passed: usize, rows: &[F], stride: usize) -> Self {
        let next = match size_of_val(rows) < FAR {
            true => &[],
            false => &visits[passed..],
        };
        Self {
            visits: &next[..next.len().min(GROUP)],
            stride,
        }
    }

    /// Asks for the units of their rows that begin with column `j`.
    #[inline(always)]
    pub(super) fn fetch<I: Isa>(self, lists: [&[F]; 3], j: usize) {
        for visit in self.visits {
            let at = visit.source as usize * self.stride + j;
            for line in (at..at + UNIT).step_by(64 / size_of::<F>()) {
                lists
                    .iter()
                    .for_each(|rows| I::fetch_at(rows.as_ptr().wrapping_add(line)));
            }
        }
    }
}

kernel! {
    /// Every active source catches up, and then, row by row in their order, `sum_a += s A; sum_c += s C; A -= a Y; C -= a X1`.
    /// `ended` are the compositions of the last block, the last two and so on: a row of each factor and a `k` per age.
    /// The visits go to different sources.
    fn follow_spikes(
        a: &mut [F],
        c: &mut [F],
        visits: &[Visit<F>],
        ended: Silences<'_, F>,
        factors: Factors<'_, F>,
        sum_a: &mut [F],
        sum_c: &mut [F],
    ) {
        let stride = sum_a.len();
        assert!(stride % UNIT == 0 && a.len() == c.len() && sum_c.len() == stride);
        assert!(factors.y.len() == stride && factors.x1.len() == stride && factors.none.len() == stride);
        let whole = visits.chunks_exact(GROUP);
        let rest = whole.remainder();
        for group in whole {
            let rows: [SourceRow<'_, F>; GROUP] = core::array::from_fn(|g| SourceRow::new(group[g], stride, &ended, factors.none, a.len()));
            // SAFETY: each row lies within `a` and `c`, and no two are the same.
            unsafe { follow::<I, F, GROUP>(a, c, &rows, factors, sum_a, sum_c) };
        }
        for &visit in rest {
            let rows = [SourceRow::new(visit, stride, &ended, factors.none, a.len())];
            // SAFETY: as above.
            unsafe { follow::<I, F, 1>(a, c, &rows, factors, sum_a, sum_c) };
        }
    }
}

/// A visit with what its row waited for.
struct SourceRow<'a, F> {
    visit: Visit<F>,
    start: usize,
    /// Nothing happened in no block: zeros, and a `k` of 1.
    silence: Silence<'a, F>,
    zt: F,
    /// The unit in which the neuron is that the source itself is, with a 0 at its place: there is no synapse.
    own: usize,
    mask: [F; UNIT],
}

impl<'a, F: Float> SourceRow<'a, F> {
    #[inline(always)]
    fn new(
        visit: Visit<F>,
        stride: usize,
        ended: &Silences<'a, F>,
        none: &'a [F],
        len: usize,
    ) -> Self {
        let start = visit.source as usize * stride;
        assert!(start + stride <= len);
        let (silence, zt) = match (visit.age as usize).checked_sub(1) {
            None => (
                Silence {
                    s: none,
                    t: none,
                    x: none,
                    k: F::ONE,
                },
                F::ZERO,
            ),
            Some(age) => {
                let row = age * stride..(age + 1) * stride;
                let (s, t) = (&ended.s[row.clone()], &ended.t[row.clone()]);
                (
                    Silence {
                        s,
                        t,
                        x: &ended.x[row],
                        k: ended.k[age],
                    },
                    visit.zt,
                )
            }
        };
        let mut mask = [F::ONE; UNIT];
        mask[visit.own % UNIT] = F::ZERO;
        Self {
            visit,
            start,
            silence,
            zt,
            own: visit.own / UNIT * UNIT,
            mask,
        }
    }
}

/// Some rows at once, so that sums and factors are loaded once for all of them.
///
/// # Safety
/// The rows lie within `a` and `c`, and no two are the same; every other slice is as long as a row.
#[inline(always)]
unsafe fn follow<I: Isa, F: Float, const G: usize>(
    a: &mut [F],
    c: &mut [F],
    rows: &[SourceRow<'_, F>; G],
    factors: Factors<'_, F>,
    sum_a: &mut [F],
    sum_c: &mut [F],
) {
    for j in (0..sum_a.len()).step_by(UNIT) {
        // SAFETY: j + UNIT <= the length of a row, which the caller promises of every slice; places are copied before they are written.
        unsafe {
            let (mut sa, mut sc) = (*cut::<F, UNIT>(sum_a, j), *cut::<F, UNIT>(sum_c, j));
            let (y, x1) = (
                *cut::<F, UNIT>(factors.y, j),
                *cut::<F, UNIT>(factors.x1, j),
            );
            for row in rows {
                let (mut ra, mut rc) = (
                    *cut::<F, UNIT>(a, row.start + j),
                    *cut::<F, UNIT>(c, row.start + j),
                );
                let Silence { s, t, x, k } = row.silence;
                let (s, t, x) = (
                    *cut::<F, UNIT>(s, j),
                    *cut::<F, UNIT>(t, j),
                    *cut::<F, UNIT>(x, j),
                );
                for l in 0..UNIT {
                    ra[l] -= I::fma(s[l], rc[l], t[l] * row.zt);
                    rc[l] = I::fma(k, rc[l], x[l] * row.zt);
                }
                if j == row.own {
                    for l in 0..UNIT {
                        ra[l] *= row.mask[l];
                        rc[l] *= row.mask[l];
                    }
                }
                for l in 0..UNIT {
                    sa[l] = I::fma(row.visit.value, ra[l], sa[l]);
                    sc[l] = I::fma(row.visit.value, rc[l], sc[l]);
                    ra[l] = I::fma(-row.visit.shift, y[l], ra[l]);
                    rc[l] = I::fma(-row.visit.shift, x1[l], rc[l]);
                }
                *cut_mut(a, row.start + j) = ra;
                *cut_mut(c, row.start + j) = rc;
            }
            *cut_mut(sum_a, j) = sa;
            *cut_mut(sum_c, j) = sc;
        }
    }
    for row in rows {
        if row.visit.own < sum_a.len() {
            a[row.start + row.visit.own] = F::ZERO;
            c[row.start + row.visit.own] = F::ZERO;
        }
    }
}

kernel! {
    /// A row that waited: `A -= S C + T zt; C = k C + x zt`. Returns whether anything is left of `C`.
    fn catch_up(silence: Silence<'_, F>, zt: F, a: &mut [F], c: &mut [F]) -> bool {
        let Silence { s, t, x, k } = silence;
        let n = a.len();
        let (s, t, x, c) = (&s[..n], &t[..n], &x[..n], &mut c[..n]);
        let mut left = [F::ZERO; UNIT];
        for j in (0..n).step_by(UNIT) {
            for l in 0..UNIT {
                let at = j + l;
                a[at] -= I::fma(s[at], c[at], t[at] * zt);
                c[at] = I::fma(k, c[at], x[at] * zt).or_silence();
                left[l] += c[at].abs();
            }
        }
        left.iter().any(|&left| left != F::ZERO)
    }
}

/// The scalars of one step.
#[derive(Clone, Copy)]
pub(crate) struct StepScales<F> {
    /// `alpha^tau`
    pub(crate) alpha: F,
    /// `zeta_e kappa_e^-tau`
    pub(crate) grow: F,
    /// `eta kappa_e^tau`
    pub(crate) learn: F,
    /// `eta`
    pub(crate) eta: F,
}

impl<F: Float> StepScales<F> {
    /// Of a step in which nothing happens.
    pub(crate) fn nothing() -> Self {
        Self {
            alpha: F::ZERO,
            grow: F::ZERO,
            learn: F::ZERO,
            eta: F::ZERO,
        }
    }
}

/// The factors of the neurons in the weights of a set of sources, to be moved on.
pub(crate) struct FactorsMut<'a, F> {
    pub(crate) s: &'a mut [F],
    pub(crate) t: &'a mut [F],
    pub(crate) y: &'a mut [F],
}

impl<F> FactorsMut<'_, F> {
    pub(crate) fn lend(&mut self) -> FactorsMut<'_, F> {
        FactorsMut {
            s: self.s,
            t: self.t,
            y: self.y,
        }
    }
}

kernel! {
    /// `X1 += c kappa_e^-tau ez`, and of each set of sources, with its own eta, `dS = eta kappa_e^tau L; S += dS; T += dS X1 + eta r ez; Y = S X1 - T`, with
    /// `ez = psi alpha^tau`. `X1` grows as the first set's scales say. `l` and `r` may be empty: nothing is learned.
    fn step_factors<const SETS>(scales: [StepScales<F>; SETS], psi: &[F], l: &[F], r: &[F], x1: &mut [F], sets: [FactorsMut<'_, F>; SETS]) {
        let n = psi.len();
        let mut sets = sets;
        assert!(x1.len() == n && n % UNIT == 0 && sets.iter().all(|to| to.s.len() == n && to.t.len() == n && to.y.len() == n));
        assert!((l.is_empty() || l.len() == n) && (r.is_empty() || r.len() == n));
        for from in (0..n).step_by(UNIT) {
            // SAFETY: every slice is n long, a multiple of UNIT. Copies, so that the compiler need not think of one slice as part of another.
            let (psi, mut x1_now) = unsafe { (*cut::<F, UNIT>(psi, from), *cut::<F, UNIT>(x1, from)) };
            for lane in 0..UNIT {
                x1_now[lane] = I::fma(scales[0].grow * scales[0].alpha, psi[lane], x1_now[lane]);
            }
            for set in 0..SETS {
                let (scales, FactorsMut { s, t, y }) = (scales[set], &mut sets[set]);
                // SAFETY: as above.
                let (mut s_now, mut t_now) = unsafe { (*cut::<F, UNIT>(s, from), *cut::<F, UNIT>(t, from)) };
                if !l.is_empty() {
                    // SAFETY: l is n long.
                    let l = unsafe { *cut::<F, UNIT>(l, from) };
                    for lane in 0..UNIT {
                        let ds = scales.learn * l[lane];
                        s_now[lane] += ds;
                        t_now[lane] = I::fma(ds, x1_now[lane], t_now[lane]);
                    }
                }
                if !r.is_empty() {
                    // SAFETY: r is n long.
                    let r = unsafe { *cut::<F, UNIT>(r, from) };
                    for lane in 0..UNIT {
                        t_now[lane] = I::fma(scales.eta * r[lane], psi[lane] * scales.alpha, t_now[lane]);
                    }
                }
                let y_now: [F; UNIT] = core::array::from_fn(|lane| I::fma(s_now[lane], x1_now[lane], -t_now[lane]));
                // SAFETY: as above.
                unsafe {
                    *cut_mut(s, from) = s_now;
                    *cut_mut(t, from) = t_now;
                    *cut_mut(y, from) = y_now;
                }
            }
            // SAFETY: as above.
            unsafe { *cut_mut(x1, from) = x1_now };
        }
    }
}

kernel! {
    /// `I += sum_a - S sum_c - T sum_zt`.
    fn current_of_factors(sum_a: &[F], sum_c: &[F], s: &[F], t: &[F], sum_zt: F, current: &mut [F]) {
        let n = current.len();
        let (sum_a, sum_c, s, t) = (&sum_a[..n], &sum_c[..n], &s[..n], &t[..n]);
        for j in 0..n {
            current[j] += sum_a[j] - I::fma(s[j], sum_c[j], t[j] * sum_zt);
        }
    }
}

kernel! {
    /// `I += p (sum_a - S sum_c - T sum_zt)`, of weights that decay.
    fn scaled_current_of_factors(p: F, sum_a: &[F], sum_c: &[F], s: &[F], t: &[F], sum_zt: F, current: &mut [F]) {
        let n = current.len();
        let (sum_a, sum_c, s, t) = (&sum_a[..n], &sum_c[..n], &s[..n], &t[..n]);
        for j in 0..n {
            let sum = sum_a[j] - I::fma(s[j], sum_c[j], t[j] * sum_zt);
            current[j] = I::fma(p, sum, current[j]);
        }
    }
}

/// What one block does to the rows of a source that is silent in it, or several composed.
pub(crate) struct SilenceMut<'a, F> {
    pub(crate) s: &'a mut [F],
    pub(crate) t: &'a mut [F],
    pub(crate) x: &'a mut [F],
}

kernel! {
    /// `first`, then `last`, as one: `S = S1 + k1 S2; T = T1 + x1 S2 + a1 T2; x = k2 x1 + a1 x2`.
    /// An empty `x` of the result is left.
    fn compose(first: Silence<'_, F>, first_a: F, last: Silence<'_, F>, to: SilenceMut<'_, F>) {
        let n = to.s.len();
        let (s1, t1, x1) = (&first.s[..n], &first.t[..n], &first.x[..n]);
        let (s2, t2, x2) = (&last.s[..n], &last.t[..n], &last.x[..n]);
        let (s, t, x) = (to.s, &mut to.t[..n], to.x);
        for j in 0..n {
            s[j] = I::fma(first.k, s2[j], s1[j]);
            t[j] = I::fma(first_a, t2[j], I::fma(x1[j], s2[j], t1[j]));
        }
        if x.is_empty() {
            return;
        }
        let x = &mut x[..n];
        for j in 0..n {
            x[j] = I::fma(first_a, x2[j], last.k * x1[j]);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::{
        Factors, FactorsMut, Silence, SilenceMut, Silences, StepScales, Visit, catch_up, compose,
        current_of_factors, follow_spikes, scaled_current_of_factors, step_factors,
    };
    use crate::testing::{Noise, doubles, in_both, near, same_bits};

    const STRIDE: usize = 32;
    const SOURCES: usize = 12;
    const N_INPUTS: usize = 4;

    in_both! {
        fn sources_catch_up_are_summed_and_shifted_one_after_the_other<F>() {
            let ages = 3;
            let mut noise = Noise(1);
            let (a_before, c_before) = (noise.numbers::<F>(SOURCES * STRIDE), noise.numbers::<F>(SOURCES * STRIDE));
            let [s, t, x] = [0; 3].map(|_| noise.numbers::<F>(ages * STRIDE));
            let k = noise.numbers::<F>(ages);
            let (y, x1, none) = (noise.numbers::<F>(STRIDE), noise.numbers::<F>(STRIDE), vec![F::ZERO; STRIDE]);
            // Of none to ten visits: groups of four, and a rest.
            for n in 0..=10 {
                let visits: Vec<_> = (0..n).map(|at| {
                    let source = at as u32 * 5 % SOURCES as u32;
                    Visit {
                        source,
                        age: at as u32 % 4,
                        value: F::cast(noise.signed()),
                        shift: F::cast(noise.signed()),
                        zt: F::cast(noise.signed()),
                        own: (source as usize).checked_sub(N_INPUTS).unwrap_or(usize::MAX),
                    }
                }).collect();
                let (mut a, mut c) = (a_before.clone(), c_before.clone());
                let (mut sum_a, mut sum_c) = (vec![F::ONE; STRIDE], vec![F::ZERO; STRIDE]);
                let past = Silences { s: &s, t: &t, x: &x, k: &k };
                let factors = Factors { y: &y, x1: &x1, none: &none };
                follow_spikes(&mut a, &mut c, &visits, past, factors, &mut sum_a, &mut sum_c);

                let (mut a_is, mut c_is) = (doubles(&a_before), doubles(&c_before));
                let (mut sum_a_is, mut sum_c_is) = (vec![1.0; STRIDE], vec![0.0; STRIDE]);
                for visit in &visits {
                    for j in 0..STRIDE {
                        let at = visit.source as usize * STRIDE + j;
                        let (mut row_a, mut row_c) = (a_is[at], c_is[at]);
                        if visit.age > 0 {
                            let age = visit.age as usize - 1;
                            let of = |row: &[F]| row[age * STRIDE + j].to_f64();
                            let zt = visit.zt.to_f64();
                            row_a -= of(&s) * row_c + of(&t) * zt;
                            row_c = k[age].to_f64() * row_c + of(&x) * zt;
                        }
                        if j == visit.own {
                            (a_is[at], c_is[at]) = (0.0, 0.0);
                            continue;
                        }
                        sum_a_is[j] += visit.value.to_f64() * row_a;
                        sum_c_is[j] += visit.value.to_f64() * row_c;
                        a_is[at] = row_a - visit.shift.to_f64() * y[j].to_f64();
                        c_is[at] = row_c - visit.shift.to_f64() * x1[j].to_f64();
                    }
                }
                near("A", &a, &a_is);
                near("C", &c, &c_is);
                near("sum of A", &sum_a, &sum_a_is);
                near("sum of C", &sum_c, &sum_c_is);
            }
        }
    }

    in_both! {
        fn visits_in_a_group_are_the_same_visits_one_by_one_to_the_bit<F>() {
            let mut noise = Noise(2);
            let (mut a, mut c) = (noise.numbers::<F>(SOURCES * STRIDE), noise.numbers::<F>(SOURCES * STRIDE));
            let (y, x1, none) = (noise.numbers::<F>(STRIDE), noise.numbers::<F>(STRIDE), vec![F::ZERO; STRIDE]);
            let rows = noise.numbers::<F>(STRIDE);
            let past = Silences { s: &rows, t: &rows, x: &rows, k: &[F::cast(0.5)] };
            let factors = Factors { y: &y, x1: &x1, none: &none };
            let visits: Vec<_> = (0..9).map(|source| Visit {
                source,
                age: source % 2,
                value: F::cast(noise.signed()),
                shift: F::cast(noise.signed()),
                zt: F::cast(noise.signed()),
                own: usize::MAX,
            }).collect();
            let (mut a_is, mut c_is) = (a.clone(), c.clone());
            let [mut sum_a, mut sum_c, mut sum_a_is, mut sum_c_is] = [0; 4].map(|_| vec![F::ZERO; STRIDE]);
            follow_spikes(&mut a, &mut c, &visits, past, factors, &mut sum_a, &mut sum_c);
            for visit in visits.chunks(1) {
                follow_spikes(&mut a_is, &mut c_is, visit, past, factors, &mut sum_a_is, &mut sum_c_is);
            }
            same_bits("A", &a, &a_is);
            same_bits("C", &c, &c_is);
            same_bits("sum of A", &sum_a, &sum_a_is);
            same_bits("sum of C", &sum_c, &sum_c_is);
        }
    }

    in_both! {
        fn a_row_that_waited_takes_in_what_it_missed_and_tells_whether_anything_is_left<F>() {
            let mut noise = Noise(3);
            let [s, t, x, a_before, c_before] = [0; 5].map(|_| noise.numbers::<F>(STRIDE));
            let (k, zt) = (F::cast(0.75), F::cast(-1.5));
            let (mut a, mut c) = (a_before.clone(), c_before.clone());
            assert!(catch_up(Silence { s: &s, t: &t, x: &x, k }, zt, &mut a, &mut c));
            let of = |at: usize, row: &[F]| row[at].to_f64();
            let a_is: Vec<_> = (0..STRIDE).map(|j| of(j, &a_before) - (of(j, &s) * of(j, &c_before) - 1.5 * of(j, &t))).collect();
            let c_is: Vec<_> = (0..STRIDE).map(|j| 0.75 * of(j, &c_before) - 1.5 * of(j, &x)).collect();
            near("A", &a, &a_is);
            near("C", &c, &c_is);
            // What is below silence is nothing.
            let none = vec![F::ZERO; STRIDE];
            let mut c = vec![F::SILENCE; STRIDE];
            assert!(!catch_up(Silence { s: &none, t: &none, x: &none, k: F::cast(0.5) }, F::ONE, &mut a, &mut c));
            same_bits("C", &c, &none);
            let mut c = none.clone();
            c[STRIDE - 1] = F::ONE;
            assert!(catch_up(Silence { s: &none, t: &none, x: &none, k: F::ONE }, F::ONE, &mut a, &mut c));
        }
    }

    in_both! {
        fn factors_move_by_the_equations_of_a_step<F>() {
            let mut noise = Noise(4);
            let [psi, l, r, x1_before, s_before, t_before] = [0; 6].map(|_| noise.numbers::<F>(STRIDE));
            let scales = StepScales { alpha: F::cast(0.75), grow: F::cast(1.25), learn: F::cast(0.5), eta: F::cast(0.25) };
            for (l, r) in [(&l[..], &r[..]), (&l[..], &[]), (&[], &r[..]), (&[], &[])] {
                let (mut x1, mut s, mut t, mut y) = (x1_before.clone(), s_before.clone(), t_before.clone(), vec![F::ONE; STRIDE]);
                let to = FactorsMut { s: &mut s, t: &mut t, y: &mut y };
                step_factors([scales], &psi, l, r, &mut x1, [to]);
                let of = |at: usize, row: &[F]| row.get(at).map_or(0.0, |x| x.to_f64());
                let mut expected = [vec![], vec![], vec![], vec![]];
                for j in 0..STRIDE {
                    let x1 = of(j, &x1_before) + 1.25 * 0.75 * of(j, &psi);
                    let ds = 0.5 * of(j, l);
                    let s = of(j, &s_before) + ds;
                    let t = of(j, &t_before) + ds * x1 + 0.25 * of(j, r) * of(j, &psi) * 0.75;
                    let row = [x1, s, t, s * x1 - t];
                    expected.iter_mut().zip(row).for_each(|(all, x)| all.push(x));
                }
                near("X1", &x1, &expected[0]);
                near("S", &s, &expected[1]);
                near("T", &t, &expected[2]);
                near("Y", &y, &expected[3]);
            }
        }
    }

    in_both! {
        fn two_sets_move_as_each_of_them_does_alone<F>() {
            let mut noise = Noise(7);
            let [psi, l, r, x1_before, s_before, t_before] = [0; 6].map(|_| noise.numbers::<F>(STRIDE));
            let scales = [0.25, 0.75].map(|eta| StepScales {
                alpha: F::cast(0.75),
                grow: F::cast(1.25),
                learn: F::cast(0.5 * eta),
                eta: F::cast(eta),
            });
            let new = || [x1_before.clone(), s_before.clone(), t_before.clone(), vec![F::ONE; STRIDE]];
            let ([mut x1, mut s, mut t, mut y], [_, mut s2, mut t2, mut y2]) = (new(), new());
            let first = FactorsMut { s: &mut s, t: &mut t, y: &mut y };
            let second = FactorsMut { s: &mut s2, t: &mut t2, y: &mut y2 };
            step_factors(scales, &psi, &l, &r, &mut x1, [first, second]);
            for (scales, both) in scales.into_iter().zip([[&s, &t, &y], [&s2, &t2, &y2]]) {
                let [mut x1_alone, mut s, mut t, mut y] = new();
                let alone = FactorsMut { s: &mut s, t: &mut t, y: &mut y };
                step_factors([scales], &psi, &l, &r, &mut x1_alone, [alone]);
                same_bits("X1", &x1_alone, &x1);
                for (alone, both) in [&s, &t, &y].into_iter().zip(both) {
                    same_bits("S, T, Y", alone, both);
                }
            }
        }
    }

    in_both! {
        fn a_step_in_which_nothing_happens_makes_the_response_alone<F>() {
            let mut noise = Noise(5);
            let [psi, x1_before, s_before, t_before] = [0; 4].map(|_| noise.numbers::<F>(STRIDE));
            let (mut x1, mut s, mut t, mut y) = (x1_before.clone(), s_before.clone(), t_before.clone(), vec![F::ONE; STRIDE]);
            let to = FactorsMut { s: &mut s, t: &mut t, y: &mut y };
            step_factors([StepScales::nothing()], &psi, &[], &[], &mut x1, [to]);
            same_bits("X1", &x1, &x1_before);
            same_bits("S", &s, &s_before);
            same_bits("T", &t, &t_before);
            let expected: Vec<_> = (0..STRIDE).map(|j| s[j].to_f64() * x1[j].to_f64() - t[j].to_f64()).collect();
            near("Y", &y, &expected);
        }
    }

    in_both! {
        fn a_current_is_the_sum_of_the_weights_as_they_read<F>() {
            let n = 21;
            let mut noise = Noise(6);
            let [sum_a, sum_c, s, t, before] = [0; 5].map(|_| noise.numbers::<F>(n));
            let mut current = before.clone();
            current_of_factors(&sum_a, &sum_c, &s, &t, F::cast(0.5), &mut current);
            let mut scaled = before.clone();
            scaled_current_of_factors(F::cast(0.75), &sum_a, &sum_c, &s, &t, F::cast(0.5), &mut scaled);
            let of = |at: usize, row: &[F]| row[at].to_f64();
            let expected: Vec<_> = (0..n)
                .map(|j| of(j, &before) + of(j, &sum_a) - of(j, &s) * of(j, &sum_c) - 0.5 * of(j, &t))
                .collect();
            near("I", &current, &expected);
            let scaled_is: Vec<_> = (0..n).map(|j| of(j, &before) + 0.75 * (expected[j] - of(j, &before))).collect();
            near("scaled I", &scaled, &scaled_is);
        }
    }

    in_both! {
        fn two_silences_composed_do_what_one_after_the_other_does<F>() {
            let mut noise = Noise(7);
            let [s1, t1, x1, s2, t2, x2, a_before, c_before] = [0; 8].map(|_| noise.numbers::<F>(STRIDE));
            let (k1, a1, k2, zt) = (F::cast(0.75), F::cast(0.625), F::cast(-0.5), F::cast(1.25));
            let first = Silence { s: &s1, t: &t1, x: &x1, k: k1 };
            let last = Silence { s: &s2, t: &t2, x: &x2, k: k2 };
            let (mut a_is, mut c_is) = (a_before.clone(), c_before.clone());
            catch_up(first, zt, &mut a_is, &mut c_is);
            catch_up(last, a1 * zt, &mut a_is, &mut c_is);
            let [mut s, mut t, mut x] = [0; 3].map(|_| vec![F::ZERO; STRIDE]);
            compose(first, a1, last, SilenceMut { s: &mut s, t: &mut t, x: &mut x });
            let (mut a, mut c) = (a_before, c_before);
            catch_up(Silence { s: &s, t: &t, x: &x, k: k1 * k2 }, zt, &mut a, &mut c);
            near("A", &a, &doubles(&a_is));
            near("C", &c, &doubles(&c_is));
        }
    }
}
