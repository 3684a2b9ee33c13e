//! Integer labels in the place of target rows: the output that should be 1 where all others are 0.

use numpy::ndarray::Array1;
use numpy::{PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::numbers::Real;
use crate::table::Table;
use crate::vector::vector;

/// No label, as no target.
const NONE: i64 = -1;

/// The output that a label names, `None` for [`NONE`]; or what was expected.
pub fn output(label: i64, n_outputs: usize) -> Result<Option<usize>, String> {
    match usize::try_from(label) {
        Ok(k) if k < n_outputs => Ok(Some(k)),
        Err(_) if label == NONE => Ok(None),
        _ => Err(match n_outputs {
            1 => format!("expected the label 0, or {NONE} for none"),
            _ => format!(
                "expected labels of 0 to {}, or {NONE} for none",
                n_outputs - 1
            ),
        }),
    }
}

/// Whether this is an array of integers with so many axes.
pub fn are_labels(object: &Bound<'_, PyAny>, ndim: usize) -> bool {
    object
        .cast::<PyUntypedArray>()
        .is_ok_and(|array| array.ndim() == ndim && matches!(array.dtype().kind(), b'i' | b'u'))
}

/// The targets of some streams at one step, of those that have one.
pub fn rows<F: Real>(
    labels: &Bound<'_, PyAny>,
    n_streams: usize,
    n_outputs: usize,
) -> PyResult<Vec<Option<Array1<F>>>> {
    let labels: Array1<f64> = vector("target", labels, n_streams, "")?;
    let rows = labels.iter().enumerate().map(|(b, &label)| {
        row(label, n_outputs)
            .map_err(|what| PyValueError::new_err(format!("target: {what} in stream {b}")))
    });
    rows.collect()
}

/// The target of one step.
pub fn of_step<F: Real>(label: &Bound<'_, PyAny>, n_outputs: usize) -> PyResult<Option<Array1<F>>> {
    let label: f64 = Table::new("target", label)?.whole::<f64>()?[0];
    row(label, n_outputs).map_err(|what| PyValueError::new_err(format!("target: {what}")))
}

fn row<F: Real>(label: f64, n_outputs: usize) -> Result<Option<Array1<F>>, String> {
    let k =
        output(label as i64, n_outputs).map_err(|expected| format!("{expected}, got {label}"))?;
    Ok(k.map(|k| {
        let mut row = Array1::from_elem(n_outputs, F::ZERO);
        row[k] = F::ONE;
        row
    }))
}
