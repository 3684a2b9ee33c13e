//! Credit through recurrent spikes (DESIGN.md, "Credit through recurrent spikes"): one step backwards for some neurons.

use super::block::{Adapting, Flowing};
use super::kernel;

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
    fn step_backwards(step: Backwards<'_, F>, q: &mut [F], m: &mut [F]) {
        let n = q.len();
        let (psi, d) = (&step.psi[..n], &step.d[..n]);
        for j in 0..n {
            let mut g = d[j];
            if let Some(&l) = step.l.get(j) {
                g = I::fma(step.c, l, g);
            }
            if let Some(&r) = step.r.get(j) {
                g += r;
            }
            if let Some(Adapting { beta, rho }) = step.adapting {
                g += m[j];
                m[j] = rho[j] * m[j] - beta[j] * (psi[j] * g);
            }
            q[j] = I::fma(psi[j], g, step.alpha * q[j]);
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
    /// Writes `to_ji = scale rows_ij`: square matrices of rows as long as `stride`, of which the first `n` numbers are turned.
    fn transpose(scale: F, rows: &[F], n: usize, stride: usize, to: &mut [F]) {
        /// Rows that are read side by side: as many numbers of a row are written at once.
        const ROWS: usize = 16;
        for from in (0..n).step_by(ROWS) {
            let until = n.min(from + ROWS);
            for j in 0..n {
                let to = &mut to[j * stride + from..j * stride + until];
                for (i, to) in to.iter_mut().enumerate() {
                    *to = scale * rows[(from + i) * stride + j];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::{Adapting, Backwards, Flowing, flow_back, step_backwards, transpose};
    use crate::kernels::tests::fma;
    use crate::testing::{Noise, in_both, same_bits};

    in_both! {
        fn a_step_backwards_takes_in_errors_regulariser_and_recurrent_credit<F>() {
            let mut noise = Noise(1);
            let (alpha, c) = (F::cast(0.9), F::cast(0.75));
            let [psi, l, r, d, q_is, m_is] = core::array::from_fn(|_| noise.numbers::<F>(21));
            let [beta, rho] = core::array::from_fn(|_| noise.numbers::<F>(21));
            let moving = Some(Adapting { beta: &beta, rho: &rho });
            for (l, r, adapting) in [(&l[..], &r[..], None), (&l, &[], moving), (&[], &r, moving), (&[], &[], None)] {
                let (mut q, mut m) = (q_is.clone(), m_is.clone());
                step_backwards(Backwards { alpha, psi: &psi, c, l, r, d: &d, adapting }, &mut q, &mut m);
                let (mut q_expected, mut m_expected) = (q_is.clone(), m_is.clone());
                for j in 0..21 {
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
        fn a_matrix_is_turned_with_its_scale<F>() {
            let rows = Noise(2).numbers::<F>(37 * 48);
            let mut to = vec![F::ZERO; 37 * 48];
            transpose(F::cast(0.5), &rows, 37, 48, &mut to);
            let expected: Vec<F> = (0..37 * 48).map(|at| {
                let (j, i) = (at / 48, at % 48);
                if i < 37 { F::cast(0.5) * rows[i * 48 + j] } else { F::ZERO }
            }).collect();
            same_bits("turned", &to, &expected);
        }
    }
}
