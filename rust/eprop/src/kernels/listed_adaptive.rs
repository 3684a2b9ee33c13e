//! As `listed.rs`, where a source has a second trace in each neuron, as where thresholds move: a third row `D` per source, and more numbers of each neuron.
//!
//! Of a neuron an entry of ended blocks has `[S, T, R, x, q, w, p, U, V]`, the last only where there is a second sum `H`. They do
//! `A -= S C + T zt + R D; C = k C + x zt + q D; D = p D + w zt; H += U zt + V D`, all of it from the old `C` and `D`.

use super::factored::Visit;
use super::factored_adaptive::Course;
use super::isa::{Isa, UNIT};
use super::lengths::total;
use super::lengths_adaptive::AdaptiveGrowth;
use super::listed::{
    Entries, LANES, Lists, ROWS_AHEAD, STARTS_AHEAD, TARGETS_AHEAD, fetch_row, is_far,
};
use super::rows::beyond_rounding;
use super::{cut, cut_mut, kernel};
use crate::Float;

/// Numbers of a neuron that lie side by side in an entry of ended blocks.
pub(crate) const WIDE: usize = 8;
/// The same with `V`, where there is a second sum.
pub(crate) const WIDER: usize = 9;
/// What the sources of a step sum up in a neuron: `[s A, s C, s D, s zt, s s]`.
pub(crate) const SUMS: usize = 5;

/// Rows of what a synapse keeps, as long as its list is.
pub(crate) struct AdaptiveListedRows<'a, F> {
    /// `[A, C]`, or `[G, C]`, as in [`ListedRows`](super::ListedRows).
    pub(crate) pairs: &'a mut [[F; 2]],
    pub(crate) d: &'a mut [F],
    /// Of a second sum, `H`; empty without.
    pub(crate) h: &'a mut [F],
}

/// `S C + T zt + R D` of a neuron's numbers.
#[inline(always)]
fn of_weight<I: Isa, F: Float, const W: usize>(lanes: &[F; W], zt: F, [c, d]: [F; 2]) -> F {
    I::fma(lanes[0], c, I::fma(lanes[2], d, lanes[1] * zt))
}

/// That and `G`; 0 where its parts cancel.
#[inline(always)]
fn gained<I: Isa, F: Float, const W: usize>(g: F, lanes: &[F; W], zt: F, [c, d]: [F; 2]) -> F {
    let parts = (lanes[0] * c).abs() + (lanes[2] * d).abs() + (lanes[1] * zt).abs();
    beyond_rounding(g + of_weight::<I, F, W>(lanes, zt, [c, d]), g.abs() + parts)
}

/// `C` and `D` after these blocks.
#[inline(always)]
fn of_traces<I: Isa, F: Float, const W: usize>(
    lanes: &[F; W],
    k: F,
    zt: F,
    [c, d]: [F; 2],
) -> [F; 2] {
    [
        I::fma(k, c, I::fma(lanes[4], d, lanes[3] * zt)),
        I::fma(lanes[6], d, lanes[5] * zt),
    ]
}

/// `U zt + V D`, where there is a second sum.
#[inline(always)]
fn of_second_sum<I: Isa, F: Float, const W: usize>(lanes: &[F; W], zt: F, d: F) -> F {
    let v = lanes.get(WIDE).copied().unwrap_or(F::ZERO);
    I::fma(lanes[7], zt, v * d)
}

/// Two entries of a neuron, one block after the other, as one: `S = S1 + k1 S2; T = T1 + x1 S2 + a1 T2 + w1 R2; R = R1 + q1 S2 + p1 R2`,
/// `x = k2 x1 + a1 x2 + w1 q2; q = k2 q1 + p1 q2; w = p2 w1 + a1 w2; p = p1 p2; U = U1 + a1 U2 + w1 V2; V = V1 + p1 V2`.
#[inline(always)]
fn composed<I: Isa, F: Float, const W: usize>(
    first: &[F; W],
    (k1, a1): (F, F),
    last: &[F; W],
    k2: F,
) -> [F; W] {
    let [s1, t1, r1, x1, q1, w1, p1]: [F; 7] = core::array::from_fn(|lane| first[lane]);
    let [s2, t2, r2, x2, q2, w2, p2]: [F; 7] = core::array::from_fn(|lane| last[lane]);
    let mut to = [F::ZERO; W];
    to[0] = I::fma(k1, s2, s1);
    to[1] = I::fma(a1, t2, I::fma(w1, r2, I::fma(x1, s2, t1)));
    to[2] = I::fma(p1, r2, I::fma(q1, s2, r1));
    to[3] = I::fma(a1, x2, I::fma(w1, q2, k2 * x1));
    to[4] = I::fma(p1, q2, k2 * q1);
    to[5] = I::fma(a1, w2, p2 * w1);
    to[6] = p1 * p2;
    if W > WIDE {
        let (v1, v2) = (first[W - 1], last[W - 1]);
        to[7] = I::fma(a1, last[7], I::fma(w1, v2, first[7]));
        to[W - 1] = I::fma(p1, v2, v1);
    }
    to
}

/// As [`look_ahead`](super::listed), with entries of `W` numbers of a neuron.
#[inline(always)]
fn look_ahead<I: Isa, F: Float, const W: usize>(
    lists: Lists<'_>,
    visits: &[Visit<F>],
    entries: &Entries<'_, F>,
    factors: &[F],
    (pairs, rows): (&[[F; 2]], [&[F]; 3]),
) {
    let row_of = |visit: &Visit<F>| {
        lists.starts[visit.source as usize]..lists.starts[visit.source as usize + 1]
    };
    if let Some(visit) = visits.get(STARTS_AHEAD) {
        I::fetch(&lists.starts[visit.source as usize]);
    }
    if let Some(visit) = visits.get(ROWS_AHEAD) {
        let row = row_of(visit);
        fetch_row::<I, _>(&lists.targets[row.clone()]);
        fetch_row::<I, _>(&pairs[row.clone()]);
        for numbers in rows {
            if let Some(numbers) = numbers.get(row.clone()) {
                fetch_row::<I, _>(numbers);
            }
        }
    }
    if let Some(visit) = visits.get(TARGETS_AHEAD) {
        let waited = entries.of(visit.age).map(|(waited, _)| waited);
        for &j in &lists.targets[row_of(visit)] {
            I::fetch(&factors[LANES * j as usize]);
            if let Some(waited) = waited {
                I::fetch(&waited[W * j as usize]);
            }
        }
    }
}

kernel! {
    /// Weights that take every step. Every active source catches up, and then `sums += [s A, s C, s D, s zt, s s]` of its targets, `A -= a Y; C -= a f; D -= a X2`.
    /// `factors`: `[f, X2, Y, -]` of each neuron, with `f = X1 - Q X2`; `left`: of `zt` after so many blocks. There is no second sum.
    fn follow_listed_adaptive(lists: Lists<'_>, visits: &[Visit<F>], entries: Entries<'_, F>, left: &[F], factors: &[F], rows: AdaptiveListedRows<'_, F>, sums: &mut [F]) {
        let AdaptiveListedRows { pairs, d, .. } = rows;
        let n = factors.len() / LANES;
        assert!(factors.len() == LANES * n && sums.len() == SUMS * n && entries.len == WIDE * n);
        let far = is_far::<F>(factors.len());
        for (at, visit) in visits.iter().enumerate() {
            if far {
                look_ahead::<I, F, WIDE>(lists, &visits[at..], &entries, factors, (pairs, [d, &[], &[]]));
            }
            let row = lists.starts[visit.source as usize]..lists.starts[visit.source as usize + 1];
            let (pairs, d) = (&mut pairs[row.clone()], &mut d[row.clone()]);
            let targets = &lists.targets[row];
            let (value, shift) = (visit.value, visit.shift);
            let zt = match visit.age {
                0 => visit.zt,
                age => left[age as usize - 1] * visit.zt,
            };
            let of_zt = [value * zt, value * value];
            let waited = entries.of(visit.age);
            for ((&j, pair), to_d) in targets.iter().zip(pairs).zip(d) {
                let j = j as usize;
                // Written once: a pair that is read as one must not wait for two numbers that were just written.
                let ([mut a, mut c], mut d) = (*pair, *to_d);
                // SAFETY: targets are neurons that there are, whose numbers lie within all of these.
                unsafe {
                    if let Some((waited, k)) = waited {
                        let lanes = cut::<F, WIDE>(waited, WIDE * j);
                        a -= of_weight::<I, F, WIDE>(lanes, visit.zt, [c, d]);
                        [c, d] = of_traces::<I, F, WIDE>(lanes, k, visit.zt, [c, d]);
                    }
                    let [f, x2, y, _] = *cut::<F, LANES>(factors, LANES * j);
                    let sum = cut_mut::<F, SUMS>(sums, SUMS * j);
                    sum[0] = I::fma(value, a, sum[0]);
                    sum[1] = I::fma(value, c, sum[1]);
                    sum[2] = I::fma(value, d, sum[2]);
                    sum[3] += of_zt[0];
                    sum[4] += of_zt[1];
                    *pair = [I::fma(-shift, y, a), I::fma(-shift, f, c)];
                    *to_d = I::fma(-shift, x2, d);
                }
            }
        }
    }
}

kernel! {
    /// Weights that rest, and the gradient that waits. Every active source catches up, and then `current += s W` of its targets, `G += a Y; C -= a f; D -= a X2`, and
    /// `H -= a (U - V X2)` where there is a second sum. `factors`: `[f, X2, Y, U - V X2]` of each neuron.
    fn follow_resting_adaptive<const W>(lists: Lists<'_>, visits: &[Visit<F>], entries: Entries<'_, F>, factors: &[F], w: &[F], rows: AdaptiveListedRows<'_, F>, current: &mut [F]) {
        let AdaptiveListedRows { pairs, d, h } = rows;
        assert!(factors.len() == LANES * current.len() && entries.len == W * current.len());
        assert!(h.len() == if W > WIDE { pairs.len() } else { 0 });
        let far = is_far::<F>(factors.len());
        for (at, visit) in visits.iter().enumerate() {
            if far {
                look_ahead::<I, F, W>(lists, &visits[at..], &entries, factors, (pairs, [d, w, h]));
            }
            let row = lists.starts[visit.source as usize]..lists.starts[visit.source as usize + 1];
            let (pairs, w) = (&mut pairs[row.clone()], &w[row.clone()]);
            let d = &mut d[row.clone()];
            let targets = &lists.targets[row.clone()];
            let (value, shift) = (visit.value, visit.shift);
            let waited = entries.of(visit.age);
            if W > WIDE {
                let h = &mut h[row];
                for (at, &j) in targets.iter().enumerate() {
                    let j = j as usize;
                    if let Some((waited, _)) = waited {
                        // SAFETY: targets are neurons that there are, whose numbers lie within all of these.
                        let lanes = unsafe { cut::<F, W>(waited, W * j) };
                        h[at] += of_second_sum::<I, F, W>(lanes, visit.zt, d[at]);
                    }
                    h[at] = I::fma(-shift, factors[LANES * j + 3], h[at]);
                }
            }
            for (((&j, &w), pair), to_d) in targets.iter().zip(w).zip(pairs).zip(d) {
                let j = j as usize;
                let ([mut g, mut c], mut d) = (*pair, *to_d);
                // SAFETY: as above.
                unsafe {
                    if let Some((waited, k)) = waited {
                        let lanes = cut::<F, W>(waited, W * j);
                        g = gained::<I, F, W>(g, lanes, visit.zt, [c, d]);
                        [c, d] = of_traces::<I, F, W>(lanes, k, visit.zt, [c, d]);
                    }
                    let [f, x2, y, _] = *cut::<F, LANES>(factors, LANES * j);
                    let [current] = cut_mut::<F, 1>(current, j);
                    *current = I::fma(value, w, *current);
                    *pair = [I::fma(shift, y, g), I::fma(-shift, f, c)];
                    *to_d = I::fma(-shift, x2, d);
                }
            }
        }
    }
}

kernel! {
    /// A row that waited. Returns whether anything is left of `C` or `D`. `sign`: -1 of weights, 1 of a gradient.
    fn catch_up_listed_adaptive<const W>(waited: (&[F], F), zt: F, sign: F, targets: &[u32], rows: AdaptiveListedRows<'_, F>) -> bool {
        let AdaptiveListedRows { pairs, d, h } = rows;
        let (of_neurons, k) = waited;
        let mut left = F::ZERO;
        for (at, &j) in targets.iter().enumerate() {
            let lanes: [F; W] = core::array::from_fn(|lane| of_neurons[W * j as usize + lane]);
            let [a, c] = &mut pairs[at];
            let traces = [*c, d[at]];
            *a = match sign > F::ZERO {
                true => gained::<I, F, W>(*a, &lanes, zt, traces),
                false => *a - of_weight::<I, F, W>(&lanes, zt, traces),
            };
            if let Some(h) = h.get_mut(at) {
                *h += of_second_sum::<I, F, W>(&lanes, zt, d[at]);
            }
            [*c, d[at]] = of_traces::<I, F, W>(&lanes, k, zt, traces).map(F::or_silence);
            left += c.abs() + d[at].abs();
        }
        left != F::ZERO
    }
}

/// A row of one source as it stands, and what it waits for.
#[derive(Clone, Copy)]
pub(crate) struct AdaptiveFoldedRow<'a, F> {
    pub(crate) targets: &'a [u32],
    pub(crate) pairs: &'a [[F; 2]],
    pub(crate) d: &'a [F],
    pub(crate) zt: F,
    /// What ended blocks do to it, with their `k` and what they leave of `zt`; `None` if it has not waited.
    pub(crate) waited: Option<(&'a [F], F, F)>,
    /// What the block under way does.
    pub(crate) now: &'a [F],
}

kernel! {
    /// `A` and `C` of a source as they would be if it caught up with the block under way, too: with the operations of that.
    fn unfold_listed_adaptive<const W>(row: AdaptiveFoldedRow<'_, F>, to_a: &mut [F], to_c: &mut [F]) {
        let AdaptiveFoldedRow { targets, pairs, d, zt, waited, now } = row;
        for (at, &j) in targets.iter().enumerate() {
            let q = W * j as usize;
            let mut lanes: [F; W] = core::array::from_fn(|lane| now[q + lane]);
            let mut k = F::ONE;
            if let Some((entry, k1, a1)) = waited {
                let first: [F; W] = core::array::from_fn(|lane| entry[q + lane]);
                lanes = composed::<I, F, W>(&first, (k1, a1), &lanes, F::ONE);
                k = k1;
            }
            let [a, c] = pairs[at];
            let traces = [c, d[at]];
            to_a[at] = a - of_weight::<I, F, W>(&lanes, zt, traces);
            to_c[at] = of_traces::<I, F, W>(&lanes, k, zt, traces)[0].or_silence();
        }
    }
}

kernel! {
    /// `first`, then `last`, as one, of every neuron.
    fn compose_listed_adaptive<const W>(first: &[F], decays: (F, F), last: &[F], k2: F, to: &mut [F]) {
        let n = to.len() / W;
        assert!(to.len() == W * n && first.len() >= to.len() && last.len() >= to.len());
        for q in (0..to.len()).step_by(W) {
            // SAFETY: q + W is at most the length of `to`, and the others are as long.
            unsafe {
                let (first, last) = (cut::<F, W>(first, q), cut::<F, W>(last, q));
                *cut_mut(to, q) = composed::<I, F, W>(first, decays, last, k2);
            }
        }
    }
}

kernel! {
    /// `I += sum_a - S sum_c - T sum_zt - R sum_d` of every neuron.
    fn current_of_listed_adaptive(sums: &[F], factors: [&[F]; 3], current: &mut [F]) {
        let n = current.len();
        let [s, t, r] = factors.map(|row| &row[..n]);
        let sums = &sums[..SUMS * n];
        for j in 0..n {
            let [sum_a, sum_c, sum_d, sum_zt]: [F; 4] = core::array::from_fn(|lane| sums[SUMS * j + lane]);
            current[j] += sum_a - I::fma(s[j], sum_c, I::fma(r[j], sum_d, t[j] * sum_zt));
        }
    }
}

kernel! {
    /// Puts factors side by side: `[f, X2, Y, U - V X2]` of each neuron; without a second sum `u` and `v` are empty.
    fn interleave_adaptive(f: &[F], x2: &[F], y: &[F], second_sum: [&[F]; 2], to: &mut [F]) {
        let n = f.len();
        let (x2, y, to) = (&x2[..n], &y[..n], &mut to[..LANES * n]);
        for j in 0..n {
            to[LANES * j] = f[j];
            to[LANES * j + 1] = x2[j];
            to[LANES * j + 2] = y[j];
        }
        let [u, v] = second_sum;
        for (j, (&u, &v)) in u.iter().zip(v).enumerate() {
            to[LANES * j + 3] = I::fma(-v, x2[j], u);
        }
    }
}

/// The sums over the sources of every neuron of a set: with `e = C + X1 zt + Q D` and `h = p D + w zt`, of `e^2`, `e zt`, `zt^2`, `e h`, `h^2` and `h zt`.
pub(crate) struct AdaptiveListedSquares<'a> {
    pub(crate) ee: &'a mut [f64],
    pub(crate) ez: &'a mut [f64],
    pub(crate) zz: &'a mut [f64],
    pub(crate) eh: &'a mut [f64],
    pub(crate) hh: &'a mut [f64],
    pub(crate) hz: &'a mut [f64],
}

kernel! {
    /// A step of these sums: spikes, whose `a` is `up` times their value, leave e and h what they are, `EZ += sC + Q sD + X1 az; HZ += p sD + w az; ZZ += 2 az + aa`. Then
    /// `e += y zt + q h` with `y = grow psi alpha^u` and `q = -grow psi`, and `h = delta h + v zt` with `delta = rho - beta by` and `v = beta by alpha^u`.
    /// `sums`: `[-, s C, s D, s zt, s s]` of each neuron; empty where nothing was active. Returns `sum_j L_j^2 EE_j`.
    fn step_listed_adaptive_lengths(up: f64, sums: &[F], x1: &[F], l: &[F], growth: AdaptiveGrowth<'_, F>, to: AdaptiveListedSquares<'_>) -> f64 {
        let AdaptiveGrowth { grow, alpha, psi, q, w, p, course: Course { by, beta, rho } } = growth;
        let AdaptiveListedSquares { ee, ez, zz, eh, hh, hz } = to;
        let n = ee.len();
        assert!(ez.len() == n && zz.len() == n && eh.len() == n && hh.len() == n && hz.len() == n && n % UNIT == 0);
        assert!(psi.len() == n && q.len() == n && w.len() == n && p.len() == n && by.len() == n && beta.len() == n && rho.len() == n);
        assert!(x1.len() == n && l.len() == n && (sums.is_empty() || sums.len() == SUMS * n));
        let (grow, alpha) = (grow.to_f64(), alpha.to_f64());
        let mut lengths = [0.0; UNIT];
        for from in (0..n).step_by(UNIT) {
            // SAFETY: every slice is n long, a multiple of UNIT, and the sums SUMS times as long. Copies, so that the compiler need not think of one slice as part of another.
            unsafe {
                let (psi, l) = (*cut::<F, UNIT>(psi, from), *cut::<F, UNIT>(l, from));
                let (by, beta, rho) = (*cut::<F, UNIT>(by, from), *cut::<F, UNIT>(beta, from), *cut::<F, UNIT>(rho, from));
                let (mut ee_now, mut ez_now) = (*cut::<f64, UNIT>(ee, from), *cut::<f64, UNIT>(ez, from));
                let (mut zz_now, mut eh_now) = (*cut::<f64, UNIT>(zz, from), *cut::<f64, UNIT>(eh, from));
                let (mut hh_now, mut hz_now) = (*cut::<f64, UNIT>(hh, from), *cut::<f64, UNIT>(hz, from));
                if !sums.is_empty() {
                    let (x1, q) = (*cut::<F, UNIT>(x1, from), *cut::<F, UNIT>(q, from));
                    let (w, p) = (*cut::<F, UNIT>(w, from), *cut::<F, UNIT>(p, from));
                    for lane in 0..UNIT {
                        let [_, sc, sd, sz, ss] = *cut::<F, SUMS>(sums, SUMS * (from + lane));
                        let (sc, sd, az) = (up * sc.to_f64(), up * sd.to_f64(), up * sz.to_f64());
                        ez_now[lane] += sc + q[lane].to_f64() * sd + x1[lane].to_f64() * az;
                        hz_now[lane] += p[lane].to_f64() * sd + w[lane].to_f64() * az;
                        zz_now[lane] += 2.0 * az + up * up * ss.to_f64();
                    }
                }
                for lane in 0..UNIT {
                    let (ez, zz, hz) = (ez_now[lane], zz_now[lane], hz_now[lane]);
                    let (eh, hh) = (eh_now[lane], hh_now[lane]);
                    let raises = beta[lane] * by[lane];
                    let (delta, v) = ((rho[lane] - raises).to_f64(), raises.to_f64() * alpha);
                    let q = -grow * psi[lane].to_f64();
                    let y = -q * alpha;
                    // Of the new e with h and zt as they were.
                    let of_ez = I::fma(y, zz, I::fma(q, hz, ez));
                    let of_eh = I::fma(y, hz, I::fma(q, hh, eh));
                    ee_now[lane] = I::fma(y, ez + of_ez, I::fma(q, eh + of_eh, ee_now[lane]));
                    ez_now[lane] = of_ez;
                    eh_now[lane] = I::fma(delta, of_eh, v * of_ez);
                    hh_now[lane] = I::fma(delta * delta, hh, v * I::fma(2.0 * delta, hz, v * zz));
                    hz_now[lane] = I::fma(delta, hz, v * zz);
                    let l = l[lane].to_f64();
                    lengths[lane] = I::fma(l * l, ee_now[lane], lengths[lane]);
                }
                *cut_mut(ee, from) = ee_now;
                *cut_mut(ez, from) = ez_now;
                *cut_mut(zz, from) = zz_now;
                *cut_mut(eh, from) = eh_now;
                *cut_mut(hh, from) = hh_now;
                *cut_mut(hz, from) = hz_now;
            }
        }
        total(lengths)
    }
}
