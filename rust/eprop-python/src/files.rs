//! What the bytes of a file say of themselves.

use eprop::FileInfo;
use pyo3::prelude::*;

use crate::error;

pub fn info(py: Python<'_>, bytes: &[u8]) -> PyResult<FileInfo> {
    py.detach(|| FileInfo::of(bytes)).map_err(error::raise)
}

/// The class that a file is of.
#[pyfunction]
pub fn class_of(py: Python<'_>, bytes: &[u8]) -> PyResult<String> {
    Ok(info(py, bytes)?.class)
}
