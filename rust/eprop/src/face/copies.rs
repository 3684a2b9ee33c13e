//! Copies that are handed to the caller.

use alloc::vec::Vec;

use ndarray::{Array1, Array2};

use crate::{Error, Float};

pub(crate) fn to_vector<F: Float>(values: &[F]) -> Array1<F> {
    Array1::from_vec(values.to_vec())
}

pub(crate) fn zeros<F: Float>(dim: (usize, usize)) -> Array2<F> {
    Array2::default(dim)
}

/// Numbers one after the other.
pub(crate) fn collected<F: Float>(values: impl Iterator<Item = F>) -> Array1<F> {
    values.collect::<Vec<F>>().into()
}

/// What cannot be returned as an error.
///
/// # Panics
/// Where it is one.
#[track_caller]
pub(crate) fn or_panic<T>(result: Result<T, Error>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}
