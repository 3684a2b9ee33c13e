//! `_core.EpropTrainer`.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{Real, assign, assign_vector, give, read};
use crate::cell::{Wide, each};
use crate::class::sequence_class;
use crate::engine::IntoPyDict;
use crate::options;

sequence_class!(
    /// The engine of `eprop.EpropTrainer`; takes the dataclass whose fields configure it.
    EpropTrainer, EpropTrainer, f64, {
    #[new]
    fn new(py: Python<'_>, face: &Bound<'_, PyAny>) -> PyResult<Self> {
        let size = |name| options::size(face, name);
        let (i, n, o) = (size("n_inputs")?, size("n_neurons")?, size("n_outputs")?);
        let config = options::recurrent(face)?;
        let wide = options::is_wide(face)?;
        Wide::build(
            py,
            wide,
            || eprop::EpropTrainer::new(i, n, o, config.clone()),
            || eprop::EpropTrainer::new(i, n, o, config.clone()),
        )
        .map(Self)
    }

    #[getter]
    fn engine(&self, py: Python<'_>) -> PyResult<&'static str> {
        each!(&self.0, cell => cell.run(py, |t| t.engine().as_str()))
    }

    #[getter(W_in)]
    fn w_in<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        each!(&self.0, cell => read(py, cell, |t| t.w_in()))
    }

    #[setter(W_in)]
    fn set_w_in(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        each!(&self.0, cell => assign(py, cell, "W_in", value, |t| t.w_in(), |t, w| t.set_w_in(w)))
    }

    #[getter(W_rec)]
    fn w_rec<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        each!(&self.0, cell => read(py, cell, |t| t.w_rec()))
    }

    #[setter(W_rec)]
    fn set_w_rec(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        each!(&self.0, cell => assign(py, cell, "W_rec", value, |t| t.w_rec(), |t, w| t.set_w_rec(w)))
    }

    #[getter(W_out)]
    fn w_out<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        each!(&self.0, cell => read(py, cell, |t| t.w_out()))
    }

    #[setter(W_out)]
    fn set_w_out(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        each!(&self.0, cell => assign(py, cell, "W_out", value, |t| t.w_out(), |t, w| t.set_w_out(w)))
    }

    #[getter(B)]
    fn b_feedback<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        each!(&self.0, cell => read(py, cell, |t| t.b_feedback()))
    }

    #[setter(B)]
    fn set_b_feedback(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        each!(&self.0, cell => assign(py, cell, "B", value, |t| t.b_feedback(), |t, w| t.set_b_feedback(w)))
    }

    #[getter]
    fn b<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        each!(&self.0, cell => read(py, cell, |t| t.b()))
    }

    #[setter]
    fn set_b(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        each!(&self.0, cell => assign_vector(py, cell, "b", value, |t| t.b(), |t, b| t.set_b(b)))
    }

    #[getter]
    fn v<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        each!(&self.0, cell => read(py, cell, |t| t.v()))
    }

    #[getter]
    fn z_bar<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        each!(&self.0, cell => read(py, cell, |t| t.z_bar()))
    }

    #[getter]
    fn e_bar<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        each!(&self.0, cell => read(py, cell, |t| t.e_bar()))
    }
});

impl<'py, F: Real> IntoPyDict<'py> for eprop::Gradients<F> {
    fn into_dict(self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        dict.set_item("W_in", give(py, self.w_in)?)?;
        dict.set_item("W_rec", give(py, self.w_rec)?)?;
        dict.set_item("W_out", give(py, self.w_out)?)?;
        dict.set_item("b", give(py, self.b)?)?;
        dict.set_item("loss", self.loss)?;
        Ok(dict)
    }
}
