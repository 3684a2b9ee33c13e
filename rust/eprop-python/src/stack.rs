//! `_core.OnlineTrainer`.

use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::arrays::{Real, assign, give, read};
use crate::cell::{Wide, each};
use crate::class::sequence_class;
use crate::engine::IntoPyDict;
use crate::options;

sequence_class!(
    /// The engine of `eprop.OnlineTrainer`; takes the dataclass whose fields configure it.
    OnlineTrainer, OnlineTrainer, Vec<f64>, {
    #[new]
    fn new(py: Python<'_>, face: &Bound<'_, PyAny>) -> PyResult<Self> {
        let sizes = options::sizes(face, "layer_sizes")?;
        let config = options::stack(face)?;
        let wide = options::is_wide(face)?;
        Wide::build(
            py,
            wide,
            || eprop::OnlineTrainer::new(&sizes, config.clone()),
            || eprop::OnlineTrainer::new(&sizes, config.clone()),
        )
        .map(Self)
    }

    #[getter]
    fn n_layers(&self, py: Python<'_>) -> PyResult<usize> {
        each!(&self.0, cell => cell.run(py, |t| t.n_layers()))
    }

    #[pyo3(name = "layer_W")]
    fn layer_w<'py>(&self, py: Python<'py>, layer: usize) -> PyResult<Bound<'py, PyAny>> {
        self.check_layer(py, layer)?;
        each!(&self.0, cell => read(py, cell, |t| t.layer_w(layer).unwrap_or_default()))
    }

    #[pyo3(name = "set_layer_W")]
    fn set_layer_w(&self, py: Python<'_>, layer: usize, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.check_layer(py, layer)?;
        each!(&self.0, cell =>
            assign(py, cell, "W", value, |t| t.layer_w(layer).unwrap_or_default(), |t, w| t.set_layer_w(layer, w)))
    }

    fn layer_v<'py>(&self, py: Python<'py>, layer: usize) -> PyResult<Bound<'py, PyAny>> {
        self.check_layer(py, layer)?;
        each!(&self.0, cell => read(py, cell, |t| t.layer_v(layer).unwrap_or_default()))
    }

    fn layer_spikes<'py>(&self, py: Python<'py>, layer: usize) -> PyResult<Bound<'py, PyAny>> {
        self.check_layer(py, layer)?;
        each!(&self.0, cell => read(py, cell, |t| t.layer_spikes(layer).unwrap_or_default()))
    }

    fn layer_psi<'py>(&self, py: Python<'py>, layer: usize) -> PyResult<Bound<'py, PyAny>> {
        self.check_layer(py, layer)?;
        each!(&self.0, cell => read(py, cell, |t| t.layer_psi(layer).unwrap_or_default()))
    }

    fn layer_z_bar<'py>(&self, py: Python<'py>, layer: usize) -> PyResult<Bound<'py, PyAny>> {
        self.check_layer(py, layer)?;
        each!(&self.0, cell => read(py, cell, |t| t.layer_z_bar(layer).unwrap_or_default()))
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

impl<'py, F: Real> IntoPyDict<'py> for eprop::StackGradients<F> {
    fn into_dict(self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let weights = PyList::empty(py);
        for w in self.w {
            weights.append(give(py, w)?)?;
        }
        let dict = PyDict::new(py);
        dict.set_item("W", weights)?;
        dict.set_item("loss", self.loss)?;
        Ok(dict)
    }
}
