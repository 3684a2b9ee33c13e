//! Every way in which a call can fail, as the Python exception that `api.md` promises.

use pyo3::PyErr;
use pyo3::exceptions::{
    PyFloatingPointError, PyMemoryError, PyRuntimeError, PyTypeError, PyValueError,
};

/// The crate's error with its own message.
pub fn raise(error: eprop::Error) -> PyErr {
    let message = error.to_string();
    match error {
        eprop::Error::TooLarge { .. } => PyMemoryError::new_err(message),
        eprop::Error::NonFiniteWeights { .. } => PyFloatingPointError::new_err(message),
        _ => PyValueError::new_err(message),
    }
}

/// `argument: expected shape (T, 40), got (10, 39)`.
pub fn shape(argument: &str, expected: &str, got: &[usize]) -> PyErr {
    PyValueError::new_err(format!(
        "{argument}: expected shape {expected}, got {}",
        tuple(got)
    ))
}

/// An object that the face should have turned into an array of the trainer's dtype.
pub fn not_an_array(argument: &str) -> PyErr {
    PyTypeError::new_err(format!(
        "{argument}: expected a C-contiguous NumPy array of the trainer's dtype; \
         call the trainers of the package `eprop`, which convert it"
    ))
}

/// A buffer for results that cannot be had.
pub fn no_memory(what: &str, shape: &[usize]) -> PyErr {
    PyMemoryError::new_err(format!(
        "{what}: an array of shape {} cannot be allocated; hand over the sequence in parts, \
         with reset=False after the first",
        tuple(shape)
    ))
}

/// The crate stopped a search that nobody asked it to stop.
pub fn stopped(call: &str) -> PyErr {
    PyRuntimeError::new_err(format!("{call}: stopped before it ended; call it again"))
}

/// A shape as Python writes it.
pub fn tuple(shape: &[usize]) -> String {
    match shape {
        [one] => format!("({one},)"),
        many => {
            let sizes: Vec<String> = many.iter().map(usize::to_string).collect();
            format!("({})", sizes.join(", "))
        }
    }
}
