//! The inputs of one step: a vector, or the units that spike; in memory that nobody else can reach.

use eprop::Input;
use numpy::ndarray::Array1;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::events::Merged;
use crate::numbers::Real;
use crate::vector::vector;

/// What a vector of the wrong length may have been meant for.
pub const HINT: &str =
    "; an array is values, and indices of the inputs that spike go in a 1-tuple: (units,)";

pub enum StepInput<F> {
    Dense(Array1<F>),
    Events(Merged<F>),
}

impl<F: Real> StepInput<F> {
    pub fn read(x: &Bound<'_, PyAny>, n_inputs: usize) -> PyResult<Self> {
        match x.cast::<PyTuple>() {
            Ok(units) => Merged::of_step(units, n_inputs).map(Self::Events),
            Err(_) => vector("x", x, n_inputs, HINT).map(Self::Dense),
        }
    }

    pub fn input(&self) -> Input<'_, F> {
        match self {
            Self::Dense(x) => x.view().into(),
            Self::Events(events) => events.step(),
        }
    }
}
