//! The row operations of the textbook recursion. Plain loops over equal-length slices, so that the compiler vectorises them.

use crate::Float;

/// Sets to 0 what has faded out, so that no subnormal number slows the next steps.
pub(crate) fn silence<F: Float>(row: &mut [F]) {
    row.iter_mut().for_each(|x| *x = x.or_silence());
}

/// How one source's eligibility moves: `e_bar = kappa_e e_bar + drive psi`.
#[derive(Clone, Copy)]
pub(crate) struct Eligibility<'a, F> {
    pub(crate) kappa_e: F,
    pub(crate) drive: F,
    pub(crate) psi: &'a [F],
}

impl<F: Float> Eligibility<'_, F> {
    #[inline]
    fn next(&self, e_bar: F, psi: F) -> F {
        self.kappa_e * e_bar + self.drive * psi
    }

    /// Moves a row on without learning.
    pub(crate) fn move_on(&self, e_bar: &mut [F]) {
        let psi = &self.psi[..e_bar.len()];
        for j in 0..psi.len() {
            e_bar[j] = self.next(e_bar[j], psi[j]);
        }
    }

    /// Moves a row on and, in the same pass, feeds its gradient to `put`, synapse by synapse: `L e_bar` and, under a
    /// regulariser, `+ r psi z_bar`.
    #[inline]
    pub(crate) fn learn(
        &self,
        l: &[F],
        regulariser: Option<(&[F], F)>,
        e_bar: &mut [F],
        to: &mut [F],
        put: impl Fn(F, F) -> F,
    ) {
        let n = to.len();
        let (l, psi, e_bar) = (&l[..n], &self.psi[..n], &mut e_bar[..n]);
        match regulariser {
            None => {
                for j in 0..n {
                    e_bar[j] = self.next(e_bar[j], psi[j]);
                    to[j] = put(to[j], l[j] * e_bar[j]);
                }
            }
            Some((r, z_bar)) => {
                let r = &r[..n];
                for j in 0..n {
                    e_bar[j] = self.next(e_bar[j], psi[j]);
                    to[j] = put(to[j], l[j] * e_bar[j] + r[j] * (psi[j] * z_bar));
                }
            }
        }
    }
}

/// `to_j += scale row_j`.
#[inline]
pub(crate) fn add_scaled<F: Float>(scale: F, row: &[F], to: &mut [F]) {
    to.iter_mut().zip(row).for_each(|(to, &x)| *to += scale * x);
}

/// `to_ij += r_j rows_ij`.
pub(crate) fn add_scaled_rows_by<F: Float>(r: &[F], rows: &[F], to: &mut [F]) {
    for (to, row) in to.chunks_exact_mut(r.len()).zip(rows.chunks_exact(r.len())) {
        for ((to, &row), &r) in to.iter_mut().zip(row).zip(r) {
            *to += r * row;
        }
    }
}

/// Whether no value is NaN or infinite.
pub(crate) fn all_finite<F: Float>(values: &[F]) -> bool {
    all_finite_times(F::ONE, values)
}

/// Whether no value is NaN or infinite once it is multiplied with `scale`.
pub(crate) fn all_finite_times<F: Float>(scale: F, values: &[F]) -> bool {
    // 0 x is 0 for a finite x and NaN for any other; the sum of lanes vectorises where a branch would not.
    let mut lanes = [F::ZERO; 16];
    let chunks = values.chunks_exact(lanes.len());
    let rest = chunks.remainder();
    for chunk in chunks {
        lanes
            .iter_mut()
            .zip(chunk)
            .for_each(|(lane, &x)| *lane += F::ZERO * (scale * x));
    }
    lanes.iter().all(|x| x.is_finite()) && rest.iter().all(|&x| (scale * x).is_finite())
}
