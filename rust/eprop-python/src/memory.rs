//! Memory is asked for before anything changes, and never to the last: small lists are made without asking, and where there is none left
//! for them the process ends.

use pyo3::prelude::*;

use crate::error;

/// What small lists and Python objects of a call may take together.
const SPARE: usize = 1 << 20;
/// Fewer bytes than this are not asked for twice: a step takes a microsecond.
const WORTH_ASKING: usize = 1 << 16;

/// Whether so many bytes can be had, and some more. They are given back at once.
///
/// # Errors
/// MemoryError, where they cannot.
pub fn ask(what: &str, bytes: usize) -> PyResult<()> {
    let bytes = bytes.saturating_add(SPARE);
    let mut trial = Vec::<u8>::new();
    trial
        .try_reserve_exact(bytes)
        .map_err(|_| error::out_of_memory(what, bytes))
}

/// As [`ask`], for what a step returns.
///
/// # Errors
/// MemoryError, where it cannot be had.
pub fn ask_for_step<F>(n_numbers: usize) -> PyResult<()> {
    let bytes = n_numbers.saturating_mul(size_of::<F>());
    if bytes < WORTH_ASKING {
        return Ok(());
    }
    ask("what the step returns", bytes)
}
