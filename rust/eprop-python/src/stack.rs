//! `_core.OnlineTrainer`.

use numpy::ndarray::Array1;
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;

use crate::arrays::{assign, give, give_rows};
use crate::cell::{Cell, Wide, at_width};
use crate::class::trainer_class;
use crate::error;
use crate::numbers::Real;
use crate::options;
use crate::plan::{self, Planned};
use crate::signals::interrupt;

trainer_class!(
    /// The trainer behind `eprop.OnlineTrainer`; takes the dataclass whose fields configure it.
    OnlineTrainer, {
    #[new]
    fn new(py: Python<'_>, face: &Bound<'_, PyAny>) -> PyResult<Self> {
        let sizes = options::sizes(face, "layer_sizes")?;
        let config = options::stack(face)?;
        let wide = options::is_wide(face)?;
        Wide::build(
            py,
            wide,
            || eprop::OnlineTrainer::new_until(&sizes, config.clone(), interrupt()),
            || eprop::OnlineTrainer::new_until(&sizes, config.clone(), interrupt()),
        )
        .map(Self)
    }

    /// The plan of what the dataclass configures.
    #[staticmethod]
    fn plan(face: &Bound<'_, PyAny>) -> PyResult<Planned> {
        let sizes = options::sizes(face, "layer_sizes")?;
        let config = options::stack(face)?;
        plan::tell(match options::is_wide(face)? {
            false => eprop::OnlineTrainer::<f32>::plan(&sizes, &config),
            true => eprop::OnlineTrainer::<f64>::plan(&sizes, &config),
        })
    }

    #[getter]
    fn spikes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let last = self.n_layers(py)? - 1;
        at_width!(&self.0, cell => state(py, cell, last, |state| state.spikes()))
    }

    #[getter]
    fn output<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.spikes(py)
    }

    #[getter]
    fn n_layers(&self, py: Python<'_>) -> PyResult<usize> {
        at_width!(&self.0, cell => cell.run(py, |t| t.n_layers()))
    }

    #[pyo3(name = "layer_W")]
    fn layer_w<'py>(&self, py: Python<'py>, layer: usize) -> PyResult<Bound<'py, PyAny>> {
        self.check_layer(py, layer)?;
        at_width!(&self.0, cell => {
            let w = cell.run(py, |t| t.try_layer_w(layer))?;
            give(py, w.map_err(error::raise)?.unwrap_or_default())
        })
    }

    #[pyo3(name = "set_layer_W")]
    fn set_layer_w(&self, py: Python<'_>, layer: usize, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.check_layer(py, layer)?;
        at_width!(&self.0, cell =>
            assign(py, cell, "W", value, |t| t.layer_dim(layer).unwrap_or_default(), |t, w| t.set_layer_w(layer, w)))
    }

    fn layer_v<'py>(&self, py: Python<'py>, layer: usize) -> PyResult<Bound<'py, PyAny>> {
        self.check_layer(py, layer)?;
        at_width!(&self.0, cell => state(py, cell, layer, |state| state.v()))
    }

    fn layer_spikes<'py>(&self, py: Python<'py>, layer: usize) -> PyResult<Bound<'py, PyAny>> {
        self.check_layer(py, layer)?;
        at_width!(&self.0, cell => state(py, cell, layer, |state| state.spikes()))
    }

    fn layer_psi<'py>(&self, py: Python<'py>, layer: usize) -> PyResult<Bound<'py, PyAny>> {
        self.check_layer(py, layer)?;
        at_width!(&self.0, cell => state(py, cell, layer, |state| state.psi()))
    }

    fn layer_z_bar<'py>(&self, py: Python<'py>, layer: usize) -> PyResult<Bound<'py, PyAny>> {
        self.check_layer(py, layer)?;
        at_width!(&self.0, cell => state(py, cell, layer, |state| state.z_bar()))
    }
});

impl OnlineTrainer {
    fn check_layer(&self, py: Python<'_>, layer: usize) -> PyResult<()> {
        let n_layers = self.n_layers(py)?;
        if layer < n_layers {
            return Ok(());
        }
        Err(PyIndexError::new_err(format!(
            "layer: expected 0 to {}, got {layer}",
            n_layers - 1
        )))
    }
}

/// A vector of a layer, or, of a batch, a row per stream.
fn state<'py, F: Real>(
    py: Python<'py>,
    cell: &Cell<eprop::OnlineTrainer<F>>,
    layer: usize,
    of: impl Fn(&eprop::LayerState<'_, F>) -> Array1<F> + Send + Sync,
) -> PyResult<Bound<'py, PyAny>> {
    let rows = cell.run(py, |trainer| {
        let streams = (0..trainer.batch_size()).filter_map(|b| trainer.layer_of_stream(b, layer));
        streams.map(|state| of(&state)).collect()
    })?;
    give_rows(py, rows)
}
