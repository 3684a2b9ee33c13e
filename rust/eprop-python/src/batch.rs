//! `_core.BatchTrainer`: streams side by side.

use std::time::Instant;

use numpy::ndarray::Array2;
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::arrays::{Real, give, matrix};
use crate::cell::{Wide, each};
use crate::class::{class, recurrent_class};
use crate::error;
use crate::feed::{Feed, Streams};
use crate::options;
use crate::row::{HINT, Row};
use crate::sequence::{Predicted, SIGNALS, Trained};
use crate::streams::{Batch, Call, inputs_of};
use crate::table::Table;

recurrent_class!(
    class,
    (
        /// The engine of an `eprop.EpropTrainer` with a batch size of more than 1.
        BatchTrainer,
        BatchTrainer
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
                || eprop::BatchTrainer::new(i, n, o, config.clone()),
                || eprop::BatchTrainer::new(i, n, o, config.clone()),
            )
            .map(Self)
        }

        #[pyo3(signature = (x, target))]
        fn step<'py>(
            &self,
            py: Python<'py>,
            x: &Bound<'py, PyAny>,
            target: Option<&Bound<'py, PyAny>>,
        ) -> PyResult<Bound<'py, PyDict>> {
            each!(&self.0, cell => step(py, cell, x, target))
        }

        #[pyo3(signature = (inputs, targets, mask, reset, return_outputs, n_threads))]
        #[allow(clippy::too_many_arguments)] // those of the face
        fn train_sequence<'py>(
            &self,
            py: Python<'py>,
            inputs: &Bound<'py, PyAny>,
            targets: &Bound<'py, PyAny>,
            mask: Option<&Bound<'py, PyAny>>,
            reset: bool,
            return_outputs: bool,
            n_threads: Option<usize>,
        ) -> PyResult<Trained<'py>> {
            each!(&self.0, cell => {
                let call = Call::new(py, cell, inputs, n_threads)?;
                call.with_targets(targets, mask)?.train(reset, return_outputs)
            })
        }

        #[pyo3(signature = (inputs, reset, return_spikes, n_threads))]
        fn predict_sequence<'py>(
            &self,
            py: Python<'py>,
            inputs: &Bound<'py, PyAny>,
            reset: bool,
            return_spikes: bool,
            n_threads: Option<usize>,
        ) -> PyResult<Predicted<'py>> {
            each!(&self.0, cell => Call::new(py, cell, inputs, n_threads)?.predict(reset, return_spikes))
        }

        #[pyo3(signature = (inputs, targets, mask, n_threads))]
        fn gradients<'py>(
            &self,
            py: Python<'py>,
            inputs: &Bound<'py, PyAny>,
            targets: &Bound<'py, PyAny>,
            mask: Option<&Bound<'py, PyAny>>,
            n_threads: Option<usize>,
        ) -> PyResult<Bound<'py, PyDict>> {
            each!(&self.0, cell => {
                let call = Call::new(py, cell, inputs, n_threads)?;
                call.with_targets(targets, mask)?.gradients()
            })
        }

        fn calibrate(&self, py: Python<'_>, inputs: &Bound<'_, PyAny>, rate: f64) -> PyResult<f64> {
            each!(&self.0, cell => calibrate(py, cell, inputs, rate))
        }

        fn update(&self, py: Python<'_>) -> PyResult<()> {
            each!(&self.0, cell => cell.attempt(py, |engine| engine.update()))
        }

        #[getter]
        fn spikes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
            each!(&self.0, cell => crate::arrays::read(py, cell, |engine| engine.spikes()))
        }

        #[getter]
        fn output<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
            each!(&self.0, cell => crate::arrays::read(py, cell, |engine| engine.output()))
        }
    }
);

fn step<'py, F: Real>(
    py: Python<'py>,
    cell: &Batch<F>,
    x: &Bound<'py, PyAny>,
    target: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let _turn = cell.take(py)?;
    let (batch_size, n_inputs, n_outputs) = {
        let engine = cell.lock();
        (engine.batch_size(), engine.n_inputs(), engine.n_outputs())
    };
    let rows = rows::<F>(x, batch_size, n_inputs)?;
    let target: Option<Array2<F>> = match target {
        Some(target) => {
            let target = Table::new("target", target)?;
            let expected = error::tuple(&[batch_size, n_outputs]);
            if target.shape() != [batch_size, n_outputs] {
                return Err(error::shape("target", &expected, target.shape()));
            }
            Some(matrix(&target, &expected)?)
        }
        None => None,
    };
    let step = py.detach(|| {
        let x: Vec<_> = rows.iter().map(Row::input).collect();
        cell.lock()
            .step(&x, target.as_ref().map(|target| target.view()))
    });
    let step = step.map_err(error::raise)?;
    let dict = PyDict::new(py);
    dict.set_item(intern!(py, "spikes"), give(py, step.spikes)?)?;
    dict.set_item(intern!(py, "output"), give(py, step.output)?)?;
    if let Some(loss) = step.loss {
        dict.set_item(intern!(py, "loss"), loss)?;
    }
    Ok(dict)
}

/// The inputs of every stream: a matrix, or the face's list of vectors and 1-tuples of units.
fn rows<F: Real>(
    x: &Bound<'_, PyAny>,
    batch_size: usize,
    n_inputs: usize,
) -> PyResult<Vec<Row<F>>> {
    if let Ok(list) = x.cast::<PyList>() {
        if list.len() != batch_size {
            return Err(PyValueError::new_err(format!(
                "x: expected {batch_size} streams, got {}",
                list.len()
            )));
        }
        return list.iter().map(|x| Row::read(&x, n_inputs)).collect();
    }
    let table = Table::new("x", x)?;
    let expected = error::tuple(&[batch_size, n_inputs]);
    if table.shape() != [batch_size, n_inputs] {
        return Err(error::shape_or("x", &expected, table.shape(), HINT));
    }
    let rows = matrix::<F>(&table, &expected)?;
    Ok(rows
        .outer_iter()
        .map(|row| Row::Dense(row.to_owned()))
        .collect())
}

fn calibrate<F: Real>(
    py: Python<'_>,
    cell: &Batch<F>,
    inputs: &Bound<'_, PyAny>,
    rate: f64,
) -> PyResult<f64> {
    let _turn = cell.take(py)?;
    let feed = Feed::new(inputs, cell.lock().n_inputs(), Streams::Any)?;
    let mut rooms = feed.rooms();
    let whole = feed.whole(&mut rooms)?;
    let mut interrupt = None;
    let mut looked = Instant::now();
    let mut keep_going = || {
        if looked.elapsed() >= SIGNALS {
            interrupt = Python::attach(|py| py.check_signals()).err();
            looked = Instant::now();
        }
        interrupt.is_none()
    };
    let factor = py
        .detach(|| {
            cell.lock()
                .calibrate_while(&inputs_of(&whole.streams), rate, &mut keep_going)
        })
        .map_err(error::raise)?;
    match (factor, interrupt) {
        (Some(factor), _) => Ok(factor),
        (None, Some(interrupt)) => Err(interrupt),
        (None, None) => Err(error::stopped("calibrate")),
    }
}
