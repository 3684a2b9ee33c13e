//! Memory outside a network: lists and matrices that are handed out, or an error where there is none for them.

use alloc::vec::Vec;

use ndarray::{Array2, Array3, ArrayViewMut1};

use crate::kernels::zeroed::zeroed;
use crate::{Error, Float};

/// An empty list with room for `len` items, for something that is not part of a network.
///
/// # Errors
/// [`Error::TooLarge`] where there is no memory for them.
pub(crate) fn vec_for<T>(what: &str, len: usize) -> Result<Vec<T>, Error> {
    let mut items = Vec::new();
    items.try_reserve_exact(len).map_err(|_| Error::TooLarge {
        sizes: what.into(),
        bytes: len.checked_mul(size_of::<T>()),
    })?;
    Ok(items)
}

/// Zeros in a matrix that is handed to the caller.
///
/// # Errors
/// [`Error::TooLarge`] where there is no memory for it.
pub(crate) fn matrix<F: Float>(
    what: &str,
    rows: usize,
    columns: usize,
) -> Result<Array2<F>, Error> {
    let failed = |bytes| Error::TooLarge {
        sizes: what.into(),
        bytes,
    };
    let len = rows.checked_mul(columns).ok_or_else(|| failed(None))?;
    // A large one takes no room, and no time, before it is written to.
    let numbers = zeroed(len).ok_or_else(|| failed(len.checked_mul(size_of::<F>())))?;
    Array2::from_shape_vec((rows, columns), numbers).map_err(|_| failed(None))
}

/// As [`matrix`], of several streams.
///
/// # Errors
/// [`Error::TooLarge`] where there is no memory for them.
pub(crate) fn matrices<F: Float>(
    what: &str,
    (streams, rows, columns): (usize, usize, usize),
) -> Result<Array3<F>, Error> {
    let failed = |_| Error::TooLarge {
        sizes: what.into(),
        bytes: None,
    };
    let all = streams.checked_mul(rows).ok_or(()).map_err(failed)?;
    let flat = matrix(what, all, columns)?;
    flat.into_shape_with_order((streams, rows, columns))
        .map_err(|_| failed(()))
}

/// A row or a column of a matrix becomes what a row of a network holds, the padding apart.
pub(crate) fn fill<F: Float>(line: ArrayViewMut1<'_, F>, row: &[F]) {
    line.into_iter().zip(row).for_each(|(to, &x)| *to = x);
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::{matrices, matrix, vec_for};

    #[test]
    fn a_matrix_is_zeros_or_an_error() {
        assert_eq!(matrix::<f32>("W", 2, 3).unwrap().dim(), (2, 3));
        assert!(matrix::<f32>("W", 2, 3).unwrap().iter().all(|&x| x == 0.0));
        let error = matrix::<f32>("W", usize::MAX, 3).unwrap_err();
        assert!(error.to_string().starts_with("W: "), "{error}");
        assert_eq!(matrices::<f32>("W", (4, 2, 3)).unwrap().dim(), (4, 2, 3));
        for dim in [(usize::MAX, 2, 1), (2, usize::MAX / 2, 3)] {
            let error = matrices::<f32>("outputs", dim).unwrap_err();
            assert!(error.to_string().starts_with("outputs: "), "{error}");
        }
        assert!(vec_for::<u64>("a list", usize::MAX).is_err());
    }
}
