//! `_core.EpropTrainer`.

use std::sync::Arc;

use eprop::{Config, Connect, Matrix, SynapseList};
use numpy::IntoPyArray;
use numpy::ndarray::{Array1, Array2, Array3, Axis};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{assign, assign_vector, give, give_rows, read, zeros};
use crate::call::Call;
use crate::cell::{Cell, Wide, at_width};
use crate::class::trainer_class;
use crate::numbers::Real;
use crate::options::Every;
use crate::plan::{self, Planned};
use crate::ranks::Ranks;
use crate::signals::{interrupt, interrupt_or};
use crate::{error, options};

trainer_class!(
    /// The trainer behind `eprop.EpropTrainer`; takes the dataclass whose fields configure it.
    EpropTrainer, {
    #[new]
    fn new(py: Python<'_>, face: &Bound<'_, PyAny>) -> PyResult<Self> {
        let size = |name| options::size(face, name);
        let (i, n, o) = (size("n_inputs")?, size("n_neurons")?, size("n_outputs")?);
        let config = options::recurrent(face)?;
        let wide = options::is_wide(face)?;
        Wide::build(
            py,
            wide,
            || eprop::EpropTrainer::new_until(i, n, o, config.clone(), interrupt()),
            || eprop::EpropTrainer::new_until(i, n, o, config.clone(), interrupt()),
        )
        .map(Self)
    }

    /// The plan of what the dataclass configures.
    #[staticmethod]
    fn plan(face: &Bound<'_, PyAny>) -> PyResult<Planned> {
        let size = |name| options::size(face, name);
        let (i, n, o) = (size("n_inputs")?, size("n_neurons")?, size("n_outputs")?);
        let config = options::recurrent(face)?;
        plan::tell(match options::is_wide(face)? {
            false => eprop::EpropTrainer::<f32>::plan(i, n, o, &config),
            true => eprop::EpropTrainer::<f64>::plan(i, n, o, &config),
        })
    }

    #[getter]
    fn engine(&self, py: Python<'_>) -> PyResult<&'static str> {
        at_width!(&self.0, cell => cell.run(py, |t| t.engine().as_str()))
    }

    #[getter(W_in)]
    fn w_in<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => matrix_of(py, cell, "W_in", Matrix::WIn))
    }

    #[setter(W_in)]
    fn set_w_in(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        at_width!(&self.0, cell => assign(py, cell, "W_in", value, |t| t.dim(Matrix::WIn), |t, w| t.set_w_in(w)))
    }

    #[getter(W_rec)]
    fn w_rec<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => matrix_of(py, cell, "W_rec", Matrix::WRec))
    }

    #[setter(W_rec)]
    fn set_w_rec(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        at_width!(&self.0, cell => assign(py, cell, "W_rec", value, |t| t.dim(Matrix::WRec), |t, w| t.set_w_rec(w)))
    }

    #[getter(W_out)]
    fn w_out<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => matrix_of(py, cell, "W_out", Matrix::WOut))
    }

    #[setter(W_out)]
    fn set_w_out(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        at_width!(&self.0, cell => assign(py, cell, "W_out", value, |t| t.dim(Matrix::WOut), |t, w| t.set_w_out(w)))
    }

    /// Who has the other neurons of the network of which this one is a part.
    fn set_ranks(&self, py: Python<'_>, exchange: &Bound<'_, PyAny>) -> PyResult<()> {
        let ranks = Arc::new(Ranks::new(exchange)?);
        at_width!(&self.0, cell => cell.run(py, |inner| {
            let lost = Arc::clone(&ranks);
            inner.set_interrupt(interrupt_or(move || lost.is_lost()));
            inner.set_peers(ranks);
        }))
    }

    /// Whether rows are lists of the synapses that exist.
    #[getter]
    fn is_listed(&self, py: Python<'_>) -> PyResult<bool> {
        at_width!(&self.0, cell => cell.run(py, |t| t.is_listed()))
    }

    /// The synapses that exist, of `W_in` or `W_rec`: where the list of each source starts, and the neurons that it reaches; None where all exist.
    fn lists<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Option<(Bound<'py, PyAny>, Bound<'py, PyAny>)>> {
        let matrix = if name == "W_in" { Matrix::WIn } else { Matrix::WRec };
        let list = at_width!(&self.0, cell => cell.run(py, |t| t.try_synapses(matrix)))?;
        list.map_err(error::raise)?.map(|list| as_arrays(py, name, &list)).transpose()
    }

    /// The lists that `connect_in` or `connect_rec` was, of `W_in` or `W_rec`; None where it was none. Where synapses move, others exist by now.
    fn connected<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Option<(Bound<'py, PyAny>, Bound<'py, PyAny>)>> {
        let list = at_width!(&self.0, cell => cell.run(py, |t| connected(t.config(), name)))?;
        list.map(|list| as_arrays(py, name, &list)).transpose()
    }

    /// The weights of the synapses that exist, in the order of their lists.
    fn weights_of_synapses<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let matrix = if name == "W_in" { Matrix::WIn } else { Matrix::WRec };
        at_width!(&self.0, cell => {
            let _turn = cell.take(py)?;
            let weights = py.detach(|| cell.lock().weights_of_synapses(matrix));
            give(py, Array1::from_vec(weights.map_err(error::raise)?))
        })
    }

    /// The traces of the synapses that exist, of a stream, inputs first.
    fn traces_of_synapses<'py>(&self, py: Python<'py>, stream: usize) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => {
            let _turn = cell.take(py)?;
            let traces = py.detach(|| cell.lock().traces_of_synapses(stream));
            give(py, Array1::from_vec(traces.map_err(error::raise)?))
        })
    }

    /// Assigns the weights of the synapses that exist, in the order of their lists.
    fn set_synapses(&self, py: Python<'_>, name: &str, weights: &Bound<'_, PyAny>) -> PyResult<()> {
        let (name, matrix) = match name {
            "W_in" => ("W_in", Matrix::WIn),
            _ => ("W_rec", Matrix::WRec),
        };
        at_width!(&self.0, cell => assign_vector(
            py,
            cell,
            name,
            weights,
            |t| t.n_synapses(matrix),
            |t, weights| t.set_weights_of_synapses(matrix, weights),
        ))
    }

    fn set_lr_in(&self, py: Python<'_>, lr: Option<f64>) -> PyResult<()> {
        at_width!(&self.0, cell => cell.attempt(py, |inner| inner.set_lr_in(lr)))
    }

    fn set_lr_rec(&self, py: Python<'_>, lr: Option<f64>) -> PyResult<()> {
        at_width!(&self.0, cell => cell.attempt(py, |inner| inner.set_lr_rec(lr)))
    }

    fn set_lr_out(&self, py: Python<'_>, lr: Option<f64>) -> PyResult<()> {
        at_width!(&self.0, cell => cell.attempt(py, |inner| inner.set_lr_out(lr)))
    }

    #[getter(B)]
    fn b_feedback<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => matrix_of(py, cell, "B", Matrix::B))
    }

    #[setter(B)]
    fn set_b_feedback(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        at_width!(&self.0, cell => assign(py, cell, "B", value, |t| t.dim(Matrix::B), |t, w| t.set_b_feedback(w)))
    }

    #[getter]
    fn b<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => read(py, cell, |t| t.b()))
    }

    #[setter]
    fn set_b(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        at_width!(&self.0, cell => assign_vector(py, cell, "b", value, |t| t.n_outputs(), |t, b| t.set_b(b)))
    }

    /// As `gradients`, with another horizon and recurrent gain than the trainer's, where these are given.
    #[pyo3(signature = (inputs, targets, mask, weights, lengths, n_threads, horizon, recurrent_gain))]
    #[allow(clippy::too_many_arguments, reason = "those of the face")]
    fn gradients_with<'py>(
        &self,
        py: Python<'py>,
        inputs: &Bound<'py, PyAny>,
        targets: &Bound<'py, PyAny>,
        mask: Option<&Bound<'py, PyAny>>,
        weights: Option<&Bound<'py, PyAny>>,
        lengths: Option<&Bound<'py, PyAny>>,
        n_threads: Option<usize>,
        horizon: Option<Every>,
        recurrent_gain: Option<f64>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let horizon = horizon.map(options::horizon).transpose()?;
        at_width!(&self.0, cell => {
            let call = Call::new(py, cell, inputs, false, n_threads)?;
            let call = call.with_targets(targets, mask, weights)?.with_lengths(lengths)?;
            call.gradients(|trainer, n| trainer.gradient_run_with(n, horizon, recurrent_gain))
        })
    }

    #[getter]
    fn a<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => state(py, cell, |stream| stream.a()))
    }

    #[getter]
    fn v<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => state(py, cell, |stream| stream.v()))
    }

    #[getter]
    fn spikes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => state(py, cell, |stream| stream.spikes()))
    }

    #[getter]
    fn output<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => state(py, cell, |stream| stream.output()))
    }

    #[getter]
    fn psi<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => state(py, cell, |stream| stream.psi()))
    }

    #[getter(L)]
    fn l<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => state(py, cell, |stream| stream.l()))
    }

    #[getter]
    fn z_bar<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => z_bar(py, cell))
    }

    #[getter]
    fn e_bar<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => traces(py, cell, "e_bar", Matrix::EBar))
    }
});

/// Where the list of each source starts, and the neurons that it reaches.
pub fn as_arrays<'py>(
    py: Python<'py>,
    name: &str,
    list: &SynapseList,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let starts = list.starts().iter().map(|&start| start as i64);
    let targets = list.all_targets().iter().map(|&j| i64::from(j));
    Ok((as_array(py, name, starts)?, as_array(py, name, targets)?))
}

fn as_array<'py>(
    py: Python<'py>,
    name: &str,
    numbers: impl ExactSizeIterator<Item = i64>,
) -> PyResult<Bound<'py, PyAny>> {
    let mut array = Vec::new();
    let found = array.try_reserve_exact(numbers.len());
    found.map_err(|_| {
        error::raise(eprop::Error::TooLarge {
            sizes: format!("the lists of {name}"),
            bytes: numbers.len().checked_mul(size_of::<i64>()),
        })
    })?;
    array.extend(numbers);
    Ok(array.into_pyarray(py).into_any())
}

/// The synapses of `W_in` or `W_rec` that a configuration lists.
pub fn connected(config: &Config, name: &str) -> Option<SynapseList> {
    let connect = match name {
        "W_in" => &config.connect_in,
        _ => &config.connect_rec,
    };
    match connect {
        Connect::Listed(list) => Some(list.clone()),
        _ => None,
    }
}

/// What has a recurrent network to be read.
pub trait HasNetwork: Send {
    type F: Real;
    fn network(&self) -> &eprop::EpropTrainer<Self::F>;
}

impl<F: Real> HasNetwork for eprop::EpropTrainer<F> {
    type F = F;
    fn network(&self) -> &Self {
        self
    }
}

/// A matrix, read into memory that was asked for first.
pub fn matrix_of<'py, T: HasNetwork>(
    py: Python<'py>,
    cell: &Cell<T>,
    name: &str,
    matrix: Matrix,
) -> PyResult<Bound<'py, PyAny>> {
    let _turn = cell.take(py)?;
    let (rows, columns) = cell.lock().network().dim(matrix);
    let mut to: Array2<T::F> = zeros(name, rows, columns)?;
    py.detach(|| cell.lock().network().read(matrix, to.view_mut()))
        .map_err(error::raise)?;
    give(py, to)
}

/// A vector of the stream, or, of a batch, a row per stream.
pub fn state<'py, T: HasNetwork>(
    py: Python<'py>,
    cell: &Cell<T>,
    of: impl Fn(&eprop::StreamState<'_, T::F>) -> Array1<T::F> + Send + Sync,
) -> PyResult<Bound<'py, PyAny>> {
    let rows = cell.run(py, |inner| {
        let network = inner.network();
        let streams = (0..network.batch_size()).filter_map(|b| network.stream(b));
        streams.map(|stream| of(&stream)).collect()
    })?;
    give_rows(py, rows)
}

/// A vector where all neurons have the same, else a matrix.
pub fn z_bar<'py, T: HasNetwork>(py: Python<'py>, cell: &Cell<T>) -> PyResult<Bound<'py, PyAny>> {
    match cell.run(py, |inner| inner.network().config().each.tau_mem.is_some())? {
        true => traces(py, cell, "z_bar", Matrix::ZBar),
        false => state(py, cell, |stream| stream.z_bar()),
    }
}

/// A matrix (N, n_inputs + N) of the stream, or, of a batch, one of each.
pub fn traces<'py, T: HasNetwork>(
    py: Python<'py>,
    cell: &Cell<T>,
    name: &str,
    matrix: impl Fn(usize) -> Matrix + Send + Sync,
) -> PyResult<Bound<'py, PyAny>> {
    let _turn = cell.take(py)?;
    let (n_streams, (n, sources)) = {
        let inner = cell.lock();
        let network = inner.network();
        (network.batch_size(), network.dim(matrix(0)))
    };
    let failed = || error::no_memory(name, &[n_streams, n, sources]);
    let rows = n_streams.checked_mul(n).ok_or_else(failed)?;
    let flat: Array2<T::F> = zeros(name, rows, sources).map_err(|_| failed())?;
    let shape = (n_streams, n, sources);
    let mut all: Array3<T::F> = flat.into_shape_with_order(shape).map_err(|_| failed())?;
    py.detach(|| {
        let inner = cell.lock();
        let mut streams = all.axis_iter_mut(Axis(0)).enumerate();
        streams.try_for_each(|(b, to)| inner.network().read(matrix(b), to))
    })
    .map_err(error::raise)?;
    if n_streams == 1 {
        return give(py, all.index_axis_move(Axis(0), 0));
    }
    give(py, all)
}
