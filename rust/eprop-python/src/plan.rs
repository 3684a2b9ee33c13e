//! A plan of the crate as the fields of the dataclass `Plan`, in their order.

use eprop::{Error, Plan};
use pyo3::prelude::*;

use crate::error::raise;

pub type Planned = (Option<&'static str>, usize, usize, f64, f64, f64, f64, f64);

pub fn tell(plan: Result<Plan, Error>) -> PyResult<Planned> {
    let plan = plan.map_err(raise)?;
    let engine = plan.engine.map(|engine| engine.as_str());
    Ok((
        engine,
        plan.block,
        plan.bytes,
        plan.active,
        plan.multiply_adds,
        plan.bytes_moved,
        plan.multiply_adds_per_spike,
        plan.bytes_moved_per_spike,
    ))
}
