//! The inputs of one step: a vector, or the units that spike.

use eprop::Input;
use numpy::ndarray::Array1;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::arrays::Real;
use crate::events::Events;
use crate::vector::Vector;

/// As handed over.
pub enum Row<'py, F: Real> {
    Dense(Vector<'py, F>),
    Events(Events<F>),
}

/// In memory that nobody else can reach, for work without the GIL.
pub enum OwnedRow<F> {
    Dense(Array1<F>),
    Events(Events<F>),
}

impl<'py, F: Real> Row<'py, F> {
    pub fn read(x: &Bound<'py, PyAny>, n_inputs: usize) -> PyResult<Self> {
        match x.cast::<PyTuple>() {
            Ok(units) => Events::read_step(units, n_inputs).map(Self::Events),
            Err(_) => Vector::read("x", x, n_inputs).map(Self::Dense),
        }
    }

    pub fn input(&self) -> Input<'_, F> {
        match self {
            Self::Dense(x) => x.view().into(),
            Self::Events(events) => events.step(),
        }
    }

    pub fn into_owned(self) -> OwnedRow<F> {
        match self {
            Self::Dense(x) => OwnedRow::Dense(x.into_owned()),
            Self::Events(events) => OwnedRow::Events(events),
        }
    }
}

impl<F: Real> OwnedRow<F> {
    pub fn input(&self) -> Input<'_, F> {
        match self {
            Self::Dense(x) => x.view().into(),
            Self::Events(events) => events.step(),
        }
    }
}
