//! `_core.OnlineLIFLayer`.

use pyo3::prelude::*;

use crate::arrays::{assign, copy, give, read, zeros};
use crate::cell::{Cell, FEW_SYNAPSES, Wide, at_width};
use crate::class::class;
use crate::numbers::Real;
use crate::signals::interrupt;
use crate::step_input::StepInput;
use crate::vector::vector;
use crate::{error, memory, options};

class!(
    /// The layer behind `eprop.OnlineLIFLayer`; takes the dataclass whose fields configure it.
    OnlineLIFLayer, OnlineLifLayer, {
    #[new]
    fn new(py: Python<'_>, face: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (i, n) = (options::size(face, "n_inputs")?, options::size(face, "n_neurons")?);
        let config = options::layer(face)?;
        let optimizer = options::layer_optimizer(face)?;
        let wide = options::is_wide(face)?;
        Wide::build(
            py,
            wide,
            || eprop::OnlineLifLayer::new_until(i, n, config.clone(), optimizer, &interrupt()),
            || eprop::OnlineLifLayer::new_until(i, n, config.clone(), optimizer, &interrupt()),
        )
        .map(Self)
    }

    fn step<'py>(&self, py: Python<'py>, x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => step(py, cell, x))
    }

    fn apply_learning_signal(&self, py: Python<'_>, signal: &Bound<'_, PyAny>) -> PyResult<()> {
        at_width!(&self.0, cell => apply(py, cell, signal))
    }

    fn propagate<'py>(&self, py: Python<'py>, signal: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => propagate(py, cell, signal))
    }

    #[getter(W)]
    fn w<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => {
            let _turn = cell.take(py)?;
            let (n, n_inputs) = { let layer = cell.lock(); (layer.n_neurons(), layer.n_inputs()) };
            let mut w = zeros("W", n, n_inputs)?;
            py.detach(|| cell.lock().read_w(w.view_mut())).map_err(error::raise)?;
            give(py, w)
        })
    }

    #[setter(W)]
    fn set_w(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        at_width!(&self.0, cell => assign(py, cell, "W", value, |t| (t.n_neurons(), t.n_inputs()), |t, w| t.set_w(w)))
    }

    #[getter]
    fn a<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => read(py, cell, |t| t.a()))
    }

    #[getter]
    fn v<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => read(py, cell, |t| t.v()))
    }

    #[getter]
    fn spikes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => read(py, cell, |t| t.spikes()))
    }

    #[getter]
    fn psi<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => read(py, cell, |t| t.psi()))
    }

    #[getter]
    fn z_bar<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => read(py, cell, |t| t.z_bar()))
    }
});

type Layer<F> = Cell<eprop::OnlineLifLayer<F>>;

fn step<'py, F: Real>(
    py: Python<'py>,
    cell: &Layer<F>,
    x: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let _turn = cell.take(py)?;
    let layer = &mut *cell.lock();
    let x = StepInput::read(x, layer.n_inputs())?;
    memory::ask_for_step::<F>(layer.n_neurons())?;
    let spikes = if is_small(layer) {
        layer.step(x.input())
    } else {
        py.detach(|| layer.step(x.input()))
    };
    copy(py, spikes.map_err(error::raise)?)
}

fn apply<F: Real>(py: Python<'_>, cell: &Layer<F>, signal: &Bound<'_, PyAny>) -> PyResult<()> {
    let _turn = cell.take(py)?;
    let layer = &mut *cell.lock();
    let signal = vector("signal", signal, layer.n_neurons(), "")?;
    let applied = if is_small(layer) {
        layer.apply_learning_signal(signal.view())
    } else {
        py.detach(|| layer.apply_learning_signal(signal.view()))
    };
    applied.map_err(error::raise)
}

fn propagate<'py, F: Real>(
    py: Python<'py>,
    cell: &Layer<F>,
    signal: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let _turn = cell.take(py)?;
    let layer = &mut *cell.lock();
    let signal = vector("signal", signal, layer.n_neurons(), "")?;
    let below = if is_small(layer) {
        layer.propagate(signal.view())
    } else {
        py.detach(|| layer.propagate(signal.view()))
    };
    give(py, below.map_err(error::raise)?)
}

fn is_small<F: Real>(layer: &eprop::OnlineLifLayer<F>) -> bool {
    layer.n_inputs() * layer.n_neurons() <= FEW_SYNAPSES
}
