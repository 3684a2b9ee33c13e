//! Credit through recurrent spikes (DESIGN.md, "Credit through recurrent spikes"): one step backwards for some neurons.

use super::block::{Adapting, Flowing};
use super::isa::{Isa, UNIT};
use super::listed::Lists;
use super::{cut, kernel};
use crate::Float;

/// What a step backwards reads, of neurons that follow each other.
#[derive(Clone, Copy)]
pub(crate) struct Backwards<'a, F> {
    pub(crate) alpha: F,
    pub(crate) psi: &'a [F],
    /// `zeta_e`, on `B R`.
    pub(crate) c: F,
    /// `B R`; empty where no errors go back.
    pub(crate) l: &'a [F],
    /// The regulariser's coefficients; empty without them.
    pub(crate) r: &'a [F],
    /// What the recurrent spikes of this step are credited with.
    pub(crate) d: &'a [F],
    /// Of neurons whose thresholds move.
    pub(crate) adapting: Option<Adapting<'a, F>>,
}

kernel! {
    /// `q = psi g + alpha q` with `g = c B R + r + d`; where thresholds move, with `g = c B R + r + d + m`, and then `m = rho m - beta psi g`.
    /// As many neurons as `q` is long, a multiple of [`UNIT`].
    fn step_backwards(step: Backwards<'_, F>, q: &mut [F], m: &mut [F]) {
        let Backwards { alpha, psi, c, l, r, d, adapting } = step;
        for from in (0..q.len()).step_by(UNIT) {
            let unit = |numbers: &mut [F; UNIT], row: &[F]| numbers.copy_from_slice(&row[from..from + UNIT]);
            let [mut g, mut of_psi] = [[F::ZERO; UNIT]; 2];
            unit(&mut g, d);
            unit(&mut of_psi, psi);
            if let Some(l) = l.get(from..from + UNIT) {
                for j in 0..UNIT {
                    g[j] = I::fma(c, l[j], g[j]);
                }
            }
            if let Some(r) = r.get(from..from + UNIT) {
                for j in 0..UNIT {
                    g[j] += r[j];
                }
            }
            if let Some(Adapting { beta, rho }) = adapting {
                let (beta, rho) = (&beta[from..from + UNIT], &rho[from..from + UNIT]);
                let m = &mut m[from..from + UNIT];
                for j in 0..UNIT {
                    g[j] += m[j];
                    m[j] = rho[j] * m[j] - beta[j] * (of_psi[j] * g[j]);
                }
            }
            let q = &mut q[from..from + UNIT];
            for j in 0..UNIT {
                q[j] = I::fma(of_psi[j], g[j], alpha * q[j]);
            }
        }
    }
}

kernel! {
    /// After a step whose `alpha` is 0 and whose `q` is `x`: `q = x + alpha q`, `p = q + sigma p`.
    fn flow_back(membranes: Flowing<'_, F>, x: &[F], q: &mut [F], p: &mut [F]) {
        let n = x.len();
        let (alpha, q, p) = (&membranes.alpha[..n], &mut q[..n], &mut p[..n]);
        for j in 0..n {
            q[j] = I::fma(alpha[j], q[j], x[j]);
            p[j] = I::fma(membranes.sigma, p[j], q[j]);
        }
    }
}

kernel! {
    /// A bit for each of up to 32 numbers that is not 0, the lowest for the first; as many as some [`UNIT`]s have.
    fn nonzero_bits(values: &[F]) -> u32 {
        assert!(values.len() <= 32 && values.len() % UNIT == 0);
        let mut bits = 0;
        for at in (0..values.len()).step_by(UNIT) {
            // SAFETY: at + UNIT <= values.len().
            bits |= I::nonzero(unsafe { cut::<F, UNIT>(values, at) }) << at;
        }
        bits
    }
}

kernel! {
    /// `to_i = scale sum_j rows_ij x_j` for the rows `index`; a row is as long as `x`, a multiple of [`UNIT`]. Each sum is made in `UNIT` lanes, which
    /// are added up last: no bit of it depends on which other rows there are.
    fn dot_rows_at(rows: &[F], index: &[u32], scale: F, x: &[F], to: &mut [F]) {
        assert!(!x.is_empty() && x.len() % UNIT == 0);
        // Lanes of so many rows fit in the registers.
        let all = if size_of::<F>() == 4 { 4 } else { 2 };
        let mut left = index;
        while !left.is_empty() {
            left = match left.len() {
                4.. if all == 4 => dots::<I, F, 4>(rows, left, scale, x, to),
                2.. => dots::<I, F, 2>(rows, left, scale, x, to),
                _ => dots::<I, F, 1>(rows, left, scale, x, to),
            };
        }
    }
}

kernel! {
    /// The same of rows that are listed: of each neuron `i` of `index` the synapses of source `first + i`.
    fn dot_lists_at(lists: Lists<'_>, w: &[F], first: usize, index: &[u32], scale: F, x: &[F], to: &mut [F]) {
        for &i in index {
            let row = lists.row((first + i as usize) as u32);
            let mut sum = F::ZERO;
            for (&j, &w) in lists.targets[row.clone()].iter().zip(&w[row]) {
                sum = I::fma(w, x[j as usize], sum);
            }
            to[i as usize] = scale * sum;
        }
    }
}

/// The first `G` rows of `index`; returns the rest of it.
#[inline(always)]
fn dots<'a, I: Isa, F: Float, const G: usize>(
    rows: &[F],
    index: &'a [u32],
    scale: F,
    x: &[F],
    to: &mut [F],
) -> &'a [u32] {
    let stride = x.len();
    let (group, rest) = index.split_at(G);
    let of_group: [&[F]; G] =
        core::array::from_fn(|g| &rows[group[g] as usize * stride..][..stride]);
    let mut lanes = [[F::ZERO; UNIT]; G];
    for j in (0..stride).step_by(UNIT) {
        // SAFETY: the rows and x are stride long, a multiple of UNIT.
        let x = unsafe { cut::<F, UNIT>(x, j) };
        for (lanes, row) in lanes.iter_mut().zip(of_group) {
            // SAFETY: as above.
            let row = unsafe { cut::<F, UNIT>(row, j) };
            for l in 0..UNIT {
                lanes[l] = I::fma(row[l], x[l], lanes[l]);
            }
        }
    }
    for (lanes, &i) in lanes.iter().zip(group) {
        to[i as usize] = scale * I::sum(lanes);
    }
    rest
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{
        Adapting, Backwards, Flowing, dot_rows_at, flow_back, nonzero_bits, step_backwards,
    };
    use crate::kernels::tests::fma;
    use crate::testing::{Noise, in_both, near, same_bits};

    in_both! {
        fn a_step_backwards_takes_in_errors_regulariser_and_recurrent_credit<F>() {
            let mut noise = Noise(1);
            let (alpha, c) = (F::cast(0.9), F::cast(0.75));
            let [psi, l, r, d, q_is, m_is] = core::array::from_fn(|_| noise.numbers::<F>(48));
            let [beta, rho] = core::array::from_fn(|_| noise.numbers::<F>(48));
            let moving = Some(Adapting { beta: &beta, rho: &rho });
            for (l, r, adapting) in [(&l[..], &r[..], None), (&l, &[], moving), (&[], &r, moving), (&[], &[], None)] {
                let (mut q, mut m) = (q_is.clone(), m_is.clone());
                step_backwards(Backwards { alpha, psi: &psi, c, l, r, d: &d, adapting }, &mut q, &mut m);
                let (mut q_expected, mut m_expected) = (q_is.clone(), m_is.clone());
                for j in 0..48 {
                    let mut g = l.get(j).map_or(d[j], |&l| fma(c, l, d[j]));
                    g = r.get(j).map_or(g, |&r| g + r);
                    if adapting.is_some() {
                        g += m_is[j];
                        m_expected[j] = rho[j] * m_is[j] - beta[j] * (psi[j] * g);
                    }
                    q_expected[j] = fma(psi[j], g, alpha * q_is[j]);
                }
                same_bits("q", &q, &q_expected);
                same_bits("m", &m, &m_expected);
            }
        }
    }

    in_both! {
        fn a_step_goes_back_through_membrane_and_current<F>() {
            let mut noise = Noise(3);
            let [alpha, x, q_was, p_was] = core::array::from_fn(|_| noise.numbers::<F>(21));
            let (mut q, mut p) = (q_was.clone(), p_was.clone());
            let sigma = F::cast(0.75);
            flow_back(Flowing { alpha: &alpha, zeta: &[], sigma }, &x, &mut q, &mut p);
            let q_is: Vec<F> = (0..21).map(|j| fma(alpha[j], q_was[j], x[j])).collect();
            let p_is: Vec<F> = (0..21).map(|j| fma(sigma, p_was[j], q_is[j])).collect();
            same_bits("q", &q, &q_is);
            same_bits("p", &p, &p_is);
        }
    }

    in_both! {
        fn numbers_that_are_not_zero_have_their_bits_set<F>() {
            let of = |bits: u32, n: usize| -> Vec<F> {
                (0..n).map(|at| if bits >> at & 1 == 1 { F::cast(-0.5) } else { F::cast(if at % 2 == 0 { 0.0 } else { -0.0 }) }).collect()
            };
            for bits in [0, 1, 0x8000_0001, 0xF00F_1234, u32::MAX] {
                assert_eq!(nonzero_bits(&of(bits, 32)), bits);
                assert_eq!(nonzero_bits(&of(bits, 16)), bits & 0xFFFF);
            }
        }
    }

    in_both! {
        fn products_with_rows_are_summed_in_lanes_whatever_other_rows_there_are<F>() {
            let mut noise = Noise(2);
            for stride in [16, 48, 256] {
                let (rows, x, before) = (noise.numbers::<F>(9 * stride), noise.numbers::<F>(stride), noise.numbers::<F>(9));
                let scale = F::cast(0.5);
                let dot = |i: usize| {
                    let mut lanes = [F::ZERO; 16];
                    (0..stride).for_each(|j| lanes[j % 16] = fma(rows[i * stride + j], x[j], lanes[j % 16]));
                    for half in [8, 4, 2, 1] {
                        (0..half).for_each(|l| lanes[l] += lanes[l + half]);
                    }
                    scale * lanes[0]
                };
                for index in [&[][..], &[3], &[0, 8], &[1, 2, 5], &[0, 2, 4, 6], &[0, 1, 2, 3, 4, 5, 6, 7, 8]] {
                    let mut to = before.clone();
                    dot_rows_at(&rows, index, scale, &x, &mut to);
                    let expected: Vec<F> = (0..9).map(|i| if index.contains(&(i as u32)) { dot(i) } else { before[i] }).collect();
                    same_bits("dots", &to, &expected);
                }
            }
        }
    }

    in_both! {
        fn products_of_lists_are_those_of_rows_with_zeros<F>() {
            use crate::kernels::{Lists, dot_lists_at};
            // Two inputs before three neurons.
            let (starts, targets) = ([0, 2, 3, 5, 5, 8], [0, 1, 2, 0, 2, 0, 1, 2]);
            let lists = Lists { starts: &starts, targets: &targets };
            let mut noise = Noise(4);
            let (w, x) = (noise.numbers::<F>(8), noise.numbers::<F>(3));
            let mut to = noise.numbers::<F>(3);
            let kept = to[0];
            dot_lists_at(lists, &w, 2, &[1, 2], F::cast(0.5), &x, &mut to);
            let sum = (5..8).map(|at| w[at].to_f64() * x[targets[at] as usize].to_f64()).sum::<f64>();
            near("d", &to, &[kept.to_f64(), 0.0, 0.5 * sum]);
        }
    }
}
