//! The row operations that the time goes into. Plain loops over equal-length slices, so that the compiler vectorises them.

use crate::Float;

/// `sum_i s_i rows_i`, in the order of the sources; silent sources cost nothing.
pub(crate) fn weighted_rows<F: Float>(sources: &[F], rows: &[F], sum: &mut [F]) {
    sum.fill(F::ZERO);
    let n = sum.len();
    for (&s, row) in sources.iter().zip(rows.chunks_exact(n)) {
        if s != F::ZERO {
            add_scaled(s, row, sum);
        }
    }
}

/// `e_bar = kappa_e e_bar + drive psi`; what has faded out is set to 0, so that no subnormal number slows the next steps.
#[inline]
pub(crate) fn eligibility<F: Float>(kappa_e: F, drive: F, psi: &[F], e_bar: &mut [F]) {
    let psi = &psi[..e_bar.len()];
    for j in 0..psi.len() {
        e_bar[j] = (kappa_e * e_bar[j] + drive * psi[j]).or_silence();
    }
}

/// Feeds one source's gradient, `L e_bar` and, under a regulariser, `+ r psi z_bar`, to `put`, synapse by synapse.
#[inline]
pub(crate) fn gradient<F: Float>(
    l: &[F],
    e_bar: &[F],
    regulariser: Option<(&[F], &[F], F)>,
    to: &mut [F],
    put: impl Fn(F, F) -> F,
) {
    let n = to.len();
    let (l, e_bar) = (&l[..n], &e_bar[..n]);
    match regulariser {
        None => {
            for j in 0..n {
                to[j] = put(to[j], l[j] * e_bar[j]);
            }
        }
        Some((r, psi, z_bar)) => {
            let (r, psi) = (&r[..n], &psi[..n]);
            for j in 0..n {
                to[j] = put(to[j], l[j] * e_bar[j] + r[j] * (psi[j] * z_bar));
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
pub(crate) fn add_scaled_rows<F: Float>(r: &[F], rows: &[F], to: &mut [F]) {
    for (to, row) in to.chunks_exact_mut(r.len()).zip(rows.chunks_exact(r.len())) {
        for ((to, &row), &r) in to.iter_mut().zip(row).zip(r) {
            *to += r * row;
        }
    }
}

/// Whether no value is NaN or infinite.
pub(crate) fn all_finite<F: Float>(values: &[F]) -> bool {
    // 0 x is 0 for a finite x and NaN for any other; the sum of lanes vectorises where a branch would not.
    let mut lanes = [F::ZERO; 16];
    let chunks = values.chunks_exact(lanes.len());
    let rest = chunks.remainder();
    for chunk in chunks {
        lanes
            .iter_mut()
            .zip(chunk)
            .for_each(|(lane, &x)| *lane += F::ZERO * x);
    }
    lanes.iter().chain(rest).all(|x| x.is_finite())
}
