//! Every way in which a call can fail, as the Python exception that the docstrings promise.

use std::fmt::Display;

use crate::signals;
use eprop::Error;
use pyo3::PyErr;
use pyo3::exceptions::{
    PyFloatingPointError, PyMemoryError, PyOSError, PyRuntimeError, PyTypeError, PyValueError,
};

/// The crate's error with its own message.
pub fn raise(error: Error) -> PyErr {
    let message = error.to_string();
    match error {
        Error::TooLarge { .. } => PyMemoryError::new_err(message),
        Error::Interrupted => signals::raised(),
        Error::File {
            path,
            reason,
            code: Some(code),
            ..
        } => {
            // Rust adds the number, which Python writes in front.
            let reason = reason.split(" (os error").next().unwrap_or_default();
            PyOSError::new_err((code, reason.to_owned(), path))
        }
        Error::File { .. } => PyOSError::new_err(message),
        Error::NonFiniteWeights { .. } => PyFloatingPointError::new_err(message),
        _ => PyValueError::new_err(message),
    }
}

/// The same of a piece that begins with step `start`: the crate counts its steps, the user those of the sequence.
pub fn raise_after(start: usize, error: Error) -> PyErr {
    raise(match error {
        Error::Value {
            argument,
            expected,
            got,
        } => Error::Value {
            argument,
            expected,
            got: later(&got, start),
        },
        other => other,
    })
}

/// `NaN at index (3, 1)` and `NaN at index (1,) at step 3` with `start` added to the 3.
fn later(got: &str, start: usize) -> String {
    for place in [" at step ", " at index ("] {
        let Some((before, after)) = got.split_once(place) else {
            continue;
        };
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if let Ok(step) = after[..digits].parse::<usize>() {
            return format!("{before}{place}{}{}", start + step, &after[digits..]);
        }
    }
    got.to_owned()
}

/// `argument: expected shape (T, 40), got (10, 39)`.
pub fn shape(argument: impl Display, expected: &str, got: &[usize]) -> PyErr {
    shape_or(argument, expected, got, "")
}

/// The same with what the caller may have meant.
pub fn shape_or(argument: impl Display, expected: &str, got: &[usize], hint: &str) -> PyErr {
    PyValueError::new_err(format!(
        "{argument}: expected shape {expected}, got {}{hint}",
        tuple(got)
    ))
}

/// An array that is not as it was when the call began.
pub fn changed(argument: impl Display, shape: &[usize]) -> PyErr {
    PyRuntimeError::new_err(format!(
        "{argument}: changed during the call, by another thread or a signal handler: its shape was {}; do not resize, reshape or retype an array that a trainer \
         reads, or hand over a copy",
        tuple(shape)
    ))
}

/// An object that the face should have turned into an array of numbers.
pub fn not_an_array(argument: impl Display) -> PyErr {
    PyTypeError::new_err(format!(
        "{argument}: expected a NumPy array of numbers; call the trainers of the package `eprop`, which make one"
    ))
}

/// A buffer for results that cannot be had.
pub fn no_memory(what: impl Display, shape: &[usize]) -> PyErr {
    PyMemoryError::new_err(format!(
        "{what}: an array of shape {} cannot be allocated; hand over the sequence in parts, \
         with reset=False after the first",
        tuple(shape)
    ))
}

/// What is left is too little to go on with.
pub fn out_of_memory(what: &str, bytes: usize) -> PyErr {
    PyMemoryError::new_err(format!(
        "{what}: expected {bytes} bytes of free memory, got less; free some, or hand over less at once"
    ))
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
