//! The PyO3 module `eprop._core`: it converts arrays, frees the GIL, lets threads take turns and maps errors.
//! It decides nothing: the method is the crate `eprop`, the face that users see is the package `eprop`.

mod agent;
mod arrays;
mod call;
mod cell;
mod class;
mod error;
mod events;
mod feed;
mod files;
mod fork;
mod label;
mod layer;
mod memory;
mod net;
mod numbers;
mod options;
mod plan;
mod ranks;
mod room;
mod series;
mod signals;
mod stack;
mod step;
mod step_input;
mod table;
mod trainer;
mod turn;
mod vector;
mod verdict;

/// The compiled trainers behind the dataclasses of the package `eprop`.
// Arrays are read under the GIL; without one, another thread could write at the same time.
#[pyo3::pymodule(gil_used = true)]
mod _core {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::{
        agent::EpropAgent, files::class_of, layer::OnlineLIFLayer, stack::OnlineTrainer,
        trainer::EpropTrainer,
    };

    #[pymodule_export]
    #[allow(non_upper_case_globals)] // Python's name for it
    const __version__: &str = env!("CARGO_PKG_VERSION");

    /// The instruction-set path at work, "avx2" or "portable".
    #[pyfunction]
    fn isa() -> &'static str {
        eprop::isa()
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::fork::watch(module)
    }
}
