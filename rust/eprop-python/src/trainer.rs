//! `_core.EpropTrainer`.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{Real, give};
use crate::cell::{Wide, each};
use crate::class::{recurrent_class, sequence_class};
use crate::engine::IntoPyDict;
use crate::options;

recurrent_class!(
    sequence_class,
    (
        /// The engine of `eprop.EpropTrainer`; takes the dataclass whose fields configure it.
        EpropTrainer,
        EpropTrainer,
        f64
    ),
    {
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
    }
);

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
