//! One step of a trainer: of its first stream, or of several side by side.

use eprop::{Float, Lesson, Trainer};
use numpy::ndarray::{Array1, Array2};
use numpy::{PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::arrays::{copy, give, matrix};
use crate::cell::{Cell, FEW_SYNAPSES};
use crate::error;
use crate::label;
use crate::memory;
use crate::net::Net;
use crate::numbers::Real;
use crate::step_input::{HINT, StepInput};
use crate::table::Table;
use crate::turn::Held;
use crate::vector::vector;
use crate::verdict::{self, Rates};

pub fn step<'py, N: Net>(
    py: Python<'py>,
    cell: &Cell<Trainer<N>>,
    x: &Bound<'py, PyAny>,
    target: Option<&Bound<'py, PyAny>>,
    signal: Option<&Bound<'py, PyAny>>,
    weight: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let turn = cell.take(py)?;
    if is_batch(x) && cell.lock().batch_size() > 1 {
        return step_batch(py, cell, turn, x, target, signal, weight);
    }
    let mut lock = cell.lock();
    let trainer = &mut *lock;
    let x = StepInput::read(x, trainer.n_inputs())?;
    let n_outputs = trainer.n_outputs();
    let target = match target {
        Some(target) if label::are_labels(target, 0) => label::of_step(target, n_outputs)?,
        Some(target) => Some(vector("target", target, n_outputs, "")?),
        None => None,
    };
    let signal = match signal {
        Some(signal) => Some(vector("learning_signal", signal, trainer.n_spikes(), "")?),
        None => None,
    };
    let lesson = Lesson {
        target: target.as_ref().map(|target| target.view()),
        weight: match weight {
            Some(weight) => weights(weight, None)?[0],
            None => N::F::ONE,
        },
        signal: signal.as_ref().map(|signal| signal.view()),
    };
    memory::ask_for_step::<N::F>(trainer.n_spikes() + trainer.n_outputs())?;
    let step = if N::synapses(trainer) <= FEW_SYNAPSES {
        trainer.step(x.input(), lesson)
    } else {
        py.detach(|| trainer.step(x.input(), lesson))
    };
    let step = step.map_err(error::raise)?;
    let verdict = step.verdict;
    let dict = PyDict::new(py);
    dict.set_item(intern!(py, "spikes"), copy(py, step.spikes)?)?;
    dict.set_item(intern!(py, "output"), copy(py, step.output)?)?;
    if let Some(loss) = step.loss {
        dict.set_item(intern!(py, "loss"), loss)?;
    }
    if let Some(verdict) = verdict {
        let rates = Rates::of(&*trainer);
        drop((lock, turn));
        verdict::warn(py, cell, rates, verdict)?;
    }
    Ok(dict)
}

/// Whether these are the inputs of several streams: a matrix, or the face's list of vectors and 1-tuples of units.
fn is_batch(x: &Bound<'_, PyAny>) -> bool {
    match x.cast::<PyUntypedArray>() {
        Ok(array) => array.ndim() == 2,
        Err(_) => x.is_instance_of::<PyList>(),
    }
}

fn step_batch<'py, N: Net>(
    py: Python<'py>,
    cell: &Cell<Trainer<N>>,
    turn: Held<'_>,
    x: &Bound<'py, PyAny>,
    target: Option<&Bound<'py, PyAny>>,
    signal: Option<&Bound<'py, PyAny>>,
    weight: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let (n_inputs, n_outputs, n_spikes, most) = {
        let trainer = cell.lock();
        (
            trainer.n_inputs(),
            trainer.n_outputs(),
            trainer.n_spikes(),
            trainer.batch_size(),
        )
    };
    let rows = rows::<N::F>(x, n_inputs, most)?;
    let targets: Vec<Option<Array1<N::F>>> = match target {
        Some(target) if label::are_labels(target, 1) => label::rows(target, rows.len(), n_outputs)?,
        Some(target) => {
            let targets: Array2<N::F> = matrix_of("target", target, rows.len(), n_outputs)?;
            let targets = targets.outer_iter().map(|target| Some(target.to_owned()));
            targets.collect()
        }
        None => vec![None; rows.len()],
    };
    let signals = signal
        .map(|signal| matrix_of("learning_signal", signal, rows.len(), n_spikes))
        .transpose()?;
    let weights = match weight {
        Some(weight) => weights(weight, Some(rows.len()))?,
        None => vec![N::F::ONE; rows.len()],
    };
    memory::ask_for_step::<N::F>(rows.len().saturating_mul(n_spikes + n_outputs))?;
    let step = py.detach(|| {
        let x: Vec<_> = rows.iter().map(StepInput::input).collect();
        let lessons: Vec<_> = targets
            .iter()
            .zip(&weights)
            .enumerate()
            .map(|(b, (target, &weight))| Lesson {
                target: target.as_ref().map(|target| target.view()),
                weight,
                signal: signals.as_ref().map(|signals| signals.row(b)),
            })
            .collect();
        cell.lock().teach_batch(&x, &lessons)
    });
    let step = step.map_err(error::raise)?;
    let dict = PyDict::new(py);
    dict.set_item(intern!(py, "spikes"), give(py, step.spikes)?)?;
    dict.set_item(intern!(py, "output"), give(py, step.output)?)?;
    if let Some(loss) = step.loss {
        dict.set_item(intern!(py, "loss"), loss)?;
    }
    if let Some(verdict) = step.verdict {
        let rates = Rates::of(&*cell.lock());
        drop(turn);
        verdict::warn(py, cell, rates, verdict)?;
    }
    Ok(dict)
}

fn rows<F: Real>(
    x: &Bound<'_, PyAny>,
    n_inputs: usize,
    most: usize,
) -> PyResult<Vec<StepInput<F>>> {
    if let Ok(list) = x.cast::<PyList>() {
        return list.iter().map(|x| StepInput::read(&x, n_inputs)).collect();
    }
    let table = Table::new("x", x)?;
    let expected = format!("({n_inputs},) or (B, {n_inputs}) with B of 1 to batch_size = {most}");
    if !matches!(*table.shape(), [n, width] if width == n_inputs && (1..=most).contains(&n)) {
        return Err(error::shape_or("x", &expected, table.shape(), HINT));
    }
    let rows = matrix::<F>(&table, &expected)?;
    Ok(rows
        .outer_iter()
        .map(|row| StepInput::Dense(row.to_owned()))
        .collect())
}

/// The weight of a step, of each of so many streams: the same for all, or one for each.
fn weights<F: Real>(weight: &Bound<'_, PyAny>, n_streams: Option<usize>) -> PyResult<Vec<F>> {
    let n = n_streams.unwrap_or(1);
    let table = Table::new("weight", weight)?;
    match *table.shape() {
        [] => Ok(vec![table.whole::<F>()?[0]; n]),
        [m] if n_streams == Some(m) => table.whole(),
        ref shape => {
            let expected = match n_streams {
                Some(n) => format!("a number or an array ({n},)"),
                None => "a number".to_owned(),
            };
            let got = error::tuple(shape);
            Err(PyValueError::new_err(format!(
                "weight: expected {expected}, got shape {got}"
            )))
        }
    }
}

/// Rows of so many streams.
fn matrix_of<F: Real>(
    name: &'static str,
    object: &Bound<'_, PyAny>,
    n_streams: usize,
    width: usize,
) -> PyResult<Array2<F>> {
    let table = Table::new(name, object)?;
    let expected = error::tuple(&[n_streams, width]);
    if table.shape() != [n_streams, width] {
        return Err(error::shape(name, &expected, table.shape()));
    }
    matrix(&table, &expected)
}
