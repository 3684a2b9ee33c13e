//! How often this process's line was forked: a number that tells threads of this process from those that a fork left behind.

use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;

static FORKS: AtomicU64 = AtomicU64::new(0);

pub fn count() -> u64 {
    FORKS.load(Ordering::Relaxed)
}

#[pyfunction]
fn forked() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// Counts every fork of Python's, in the child. Asking for the process id at every call would cost each of them a system call.
///
/// # Errors
/// What Python raises; a system without forks is none.
pub fn watch(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let register = match py.import("os")?.getattr("register_at_fork") {
        Err(error) if error.is_instance_of::<PyAttributeError>(py) => return Ok(()),
        found => found?,
    };
    let options = pyo3::types::PyDict::new(py);
    options.set_item("after_in_child", wrap_pyfunction!(forked, module)?)?;
    register.call((), Some(&options)).map(drop)
}
