//! Between NumPy's arrays and the crate's: in as a copy, out as a read-only array.

use std::borrow::Cow;

use numpy::ndarray::{Array, Array1, Array2, ArrayView1, ArrayView2, Dimension};
use numpy::{PyArray, PyArrayMethods, ToPyArray};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::cell::Cell;
use crate::error;
use crate::numbers::Real;
use crate::table::Table;
use crate::vector::vector;

/// A copy of a whole matrix, where `expected` is what another shape is answered with.
pub fn matrix<F: Real>(table: &Table<'_>, expected: &str) -> PyResult<Array2<F>> {
    let &[rows, columns] = table.shape() else {
        return Err(error::shape(table.name, expected, table.shape()));
    };
    Array2::from_shape_vec((rows, columns), table.whole()?)
        .map_err(|_| error::changed(table.name, &[rows, columns]))
}

/// Zeros, or MemoryError where the crate's allocator would abort.
pub fn zeros<F: Real>(argument: &str, rows: usize, columns: usize) -> PyResult<Array2<F>> {
    let failed = || error::no_memory(argument, &[rows, columns]);
    let len = rows.checked_mul(columns).ok_or_else(failed)?;
    let mut numbers = Vec::new();
    numbers.try_reserve_exact(len).map_err(|_| failed())?;
    numbers.resize(len, F::default());
    Array2::from_shape_vec((rows, columns), numbers).map_err(|_| failed())
}

/// A read-only, C-ordered NumPy array that owns what the crate returned.
pub fn give<F: Real, D: Dimension>(
    py: Python<'_>,
    array: Array<F, D>,
) -> PyResult<Bound<'_, PyAny>> {
    let array = if array.is_standard_layout() {
        array
    } else {
        array.as_standard_layout().into_owned()
    };
    seal(PyArray::from_owned_array(py, array))
}

/// The only row as a vector, or several as a matrix.
pub fn give_rows<F: Real>(py: Python<'_>, rows: Vec<Array1<F>>) -> PyResult<Bound<'_, PyAny>> {
    match <[Array1<F>; 1]>::try_from(rows) {
        Ok([row]) => give(py, row),
        Err(rows) => {
            let width = rows.first().map_or(0, Array1::len);
            give(
                py,
                Array2::from_shape_fn((rows.len(), width), |(b, at)| rows[b][at]),
            )
        }
    }
}

/// A read-only NumPy array with a copy of a row.
pub fn copy<'py, F: Real>(py: Python<'py>, row: ArrayView1<'_, F>) -> PyResult<Bound<'py, PyAny>> {
    seal(row.to_pyarray(py))
}

fn seal<F: Real, D: Dimension>(array: Bound<'_, PyArray<F, D>>) -> PyResult<Bound<'_, PyAny>> {
    let fresh = array
        .try_readwrite()
        .map_err(|busy| PyRuntimeError::new_err(busy.to_string()))?;
    drop(fresh.make_nonwriteable());
    Ok(array.into_any())
}

/// An attribute read.
pub fn read<'py, T: Send, F: Real, D: Dimension>(
    py: Python<'py>,
    cell: &Cell<T>,
    get: impl FnOnce(&T) -> Array<F, D> + Send,
) -> PyResult<Bound<'py, PyAny>> {
    give(py, cell.run(py, |inner| get(inner))?)
}

/// A weight matrix assigned whole; the crate checks it.
pub fn assign<T: Send, F: Real>(
    py: Python<'_>,
    cell: &Cell<T>,
    argument: &'static str,
    object: &Bound<'_, PyAny>,
    dim: impl FnOnce(&T) -> (usize, usize),
    set: impl FnOnce(&mut T, ArrayView2<'_, F>) -> Result<(), eprop::Error> + Send,
) -> PyResult<()> {
    let _turn = cell.take(py)?;
    let table = Table::new(argument, object)?;
    let expected = match table.shape().len() {
        2 => String::new(), // the crate names it
        _ => {
            let (rows, columns) = dim(&cell.lock());
            error::tuple(&[rows, columns])
        }
    };
    let weights = matrix::<F>(&table, &expected)?;
    py.detach(|| set(&mut cell.lock(), weights.view()))
        .map_err(error::raise)
}

/// A weight vector assigned whole.
pub fn assign_vector<T: Send, F: Real>(
    py: Python<'_>,
    cell: &Cell<T>,
    argument: &'static str,
    object: &Bound<'_, PyAny>,
    len: impl FnOnce(&T) -> usize,
    set: impl FnOnce(&mut T, ArrayView1<'_, F>) -> Result<(), eprop::Error> + Send,
) -> PyResult<()> {
    let _turn = cell.take(py)?;
    let len = len(&cell.lock());
    let weights = vector(argument, object, len, "")?;
    py.detach(|| set(&mut cell.lock(), weights.view()))
        .map_err(error::raise)
}

/// Bytes copied from one look for signals to the next.
const PIECE: usize = 1 << 24;

/// Bytes of Python's in pieces, at least one; MemoryError, or what a signal handler raises.
pub fn bytes<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Vec<Bound<'py, PyBytes>>> {
    let pieces = bytes.chunks(PIECE).chain(bytes.is_empty().then_some(bytes));
    pieces
        .map(|piece| {
            py.check_signals()?;
            PyBytes::new_with(py, piece.len(), |to| {
                to.copy_from_slice(piece);
                Ok(())
            })
        })
        .collect()
}

/// The bytes of such pieces; MemoryError, or what a signal handler raises.
pub fn joined<'b>(py: Python<'_>, pieces: &'b [Bound<'_, PyBytes>]) -> PyResult<Cow<'b, [u8]>> {
    if let [all] = pieces {
        return Ok(Cow::Borrowed(all.as_bytes()));
    }
    let len = pieces.iter().map(|piece| piece.as_bytes().len()).sum();
    let mut all = Vec::new();
    all.try_reserve_exact(len)
        .map_err(|_| error::no_memory("the saved state", &[len]))?;
    for piece in pieces {
        py.check_signals()?;
        all.extend_from_slice(piece.as_bytes());
    }
    Ok(Cow::Owned(all))
}
