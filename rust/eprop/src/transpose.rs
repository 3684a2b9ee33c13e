//! Between the crate's source-major rows and the face's (postsynaptic, presynaptic) matrices.

use alloc::vec::Vec;

use ndarray::{Array1, Array2, ArrayView2};

use crate::Float;

/// Rows of `n`, one per source, as the matrix (n, sources).
pub(crate) fn to_matrix<F: Float>(rows: &[F], n: usize) -> Array2<F> {
    Array2::from_shape_fn((n, rows.len() / n), |(j, i)| rows[i * n + j])
}

/// The matrix (n, sources) as rows of `n`.
pub(crate) fn to_rows<F: Float>(matrix: ArrayView2<'_, F>) -> Vec<F> {
    matrix.t().iter().copied().collect()
}

pub(crate) fn to_vector<F: Float>(values: &[F]) -> Array1<F> {
    Array1::from_vec(values.to_vec())
}
