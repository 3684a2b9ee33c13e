//! What the two trainers of whole sequences do, over either engine and either dtype.

use std::time::{Duration, Instant};

use eprop::{Activity, Stream};
use numpy::ndarray::{Array2, s};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{copy, give, zeros};
use crate::cell::{Cell, FEW_SYNAPSES};
use crate::engine::{Engine, IntoPyDict, Run};
use crate::error;
use crate::feed::{Feed, Streams};
use crate::row::Row;
use crate::vector::vector;

/// The loss, the outputs if they were asked for, and how the network fired.
pub type Trained<'py> = (f64, Option<Bound<'py, PyAny>>, &'static str);
/// The outputs and, if they were asked for, the spikes.
pub type Predicted<'py> = (Bound<'py, PyAny>, Option<Bound<'py, PyAny>>);

/// A calibration looks for signals this often.
pub const SIGNALS: Duration = Duration::from_millis(50);
/// The first piece says how long a step takes.
const FIRST_PIECE: usize = 1;

pub fn step<'py, T: Engine>(
    py: Python<'py>,
    cell: &Cell<T>,
    x: &Bound<'py, PyAny>,
    target: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let _turn = cell.take(py)?;
    let engine = &mut *cell.lock();
    let widths = engine.widths();
    let x = Row::read(x, widths.inputs)?;
    let target = target
        .map(|target| vector("target", target, widths.outputs, ""))
        .transpose()?;
    let target = target.as_ref().map(|target| target.view());
    let step = if widths.synapses <= FEW_SYNAPSES {
        engine.step(x.input(), target)
    } else {
        py.detach(|| engine.step(x.input(), target))
    };
    let step = step.map_err(error::raise)?;
    let dict = PyDict::new(py);
    dict.set_item(intern!(py, "spikes"), copy(py, step.spikes)?)?;
    dict.set_item(intern!(py, "output"), copy(py, step.output)?)?;
    if let Some(loss) = step.loss {
        dict.set_item(intern!(py, "loss"), loss)?;
    }
    Ok(dict)
}

pub fn train<'py, T: Engine>(
    py: Python<'py>,
    cell: &Cell<T>,
    inputs: &Bound<'py, PyAny>,
    targets: &Bound<'py, PyAny>,
    mask: Option<&Bound<'py, PyAny>>,
    reset: bool,
    keep_outputs: bool,
) -> PyResult<Trained<'py>> {
    let _turn = cell.take(py)?;
    let feed = checked_feed(cell, inputs, targets, mask)?;
    let n_outputs = cell.lock().widths().outputs;
    let mut outputs = keep_outputs
        .then(|| zeros("outputs", feed.n_steps(), n_outputs))
        .transpose()?;
    if reset {
        cell.lock().reset();
    }
    let mut tally = cell.lock().tally();
    feed.in_pieces(FIRST_PIECE, |piece| {
        let rows = outputs
            .as_mut()
            .map(|outputs| outputs.slice_mut(s![piece.steps.clone(), ..]));
        let Stream {
            inputs,
            targets,
            mask,
        } = piece.streams[0];
        cell.lock()
            .train_piece(inputs, targets, mask, rows, &mut tally)
    })?;
    py.detach(|| {
        let mut engine = cell.lock();
        if reset {
            engine.update()?; // a whole sequence leaves nothing pending
        }
        engine.check_weights()
    })
    .map_err(error::raise)?;
    let activity = name(tally.activity());
    Ok((
        tally.loss(),
        outputs.map(|outputs| give(py, outputs)).transpose()?,
        activity,
    ))
}

pub fn predict<'py, T: Engine>(
    py: Python<'py>,
    cell: &Cell<T>,
    inputs: &Bound<'py, PyAny>,
    reset: bool,
    keep_spikes: bool,
) -> PyResult<Predicted<'py>> {
    let _turn = cell.take(py)?;
    let widths = cell.lock().widths();
    let feed = Feed::new(inputs, widths.inputs, Streams::One)?;
    feed.check(|streams| cell.lock().check_inputs(streams[0].inputs))?;
    let mut outputs = zeros("outputs", feed.n_steps(), widths.outputs)?;
    let mut spikes: Option<Array2<T::F>> = keep_spikes
        .then(|| zeros("spikes", feed.n_steps(), widths.spikes))
        .transpose()?;
    if reset {
        cell.lock().reset();
    }
    feed.in_pieces(FIRST_PIECE, |piece| {
        let steps = s![piece.steps.clone(), ..];
        let spikes = spikes.as_mut().map(|spikes| spikes.slice_mut(steps));
        cell.lock()
            .predict_piece(piece.streams[0].inputs, outputs.slice_mut(steps), spikes)
    })?;
    Ok((
        give(py, outputs)?,
        spikes.map(|spikes| give(py, spikes)).transpose()?,
    ))
}

pub fn gradients<'py, T: Engine>(
    py: Python<'py>,
    cell: &Cell<T>,
    inputs: &Bound<'py, PyAny>,
    targets: &Bound<'py, PyAny>,
    mask: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let _turn = cell.take(py)?;
    let feed = checked_feed(cell, inputs, targets, mask)?;
    let mut run = py.detach(|| cell.lock().gradient_run());
    feed.in_pieces(FIRST_PIECE, |piece| {
        let Stream {
            inputs,
            targets,
            mask,
        } = piece.streams[0];
        run.piece(inputs, targets, mask)
    })?;
    py.detach(|| run.finish()).into_dict(py)
}

pub fn calibrate<T: Engine>(
    py: Python<'_>,
    cell: &Cell<T>,
    inputs: &Bound<'_, PyAny>,
    rate: f64,
) -> PyResult<T::Factor> {
    let _turn = cell.take(py)?;
    let feed = Feed::new(inputs, cell.lock().widths().inputs, Streams::One)?;
    let mut rooms = feed.rooms();
    let whole = feed.whole(&mut rooms)?;
    let mut interrupt = None;
    let mut looked = Instant::now();
    // A handler that calls this trainer is refused by its turn before it could wait for the lock.
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
                .calibrate_while(whole.streams[0].inputs, rate, &mut keep_going)
        })
        .map_err(error::raise)?;
    match (factor, interrupt) {
        (Some(factor), _) => Ok(factor),
        (None, Some(interrupt)) => Err(interrupt),
        (None, None) => Err(error::stopped("calibrate")),
    }
}

/// The sequence, with every shape and value checked before anything changes.
fn checked_feed<'py, T: Engine>(
    cell: &Cell<T>,
    inputs: &Bound<'py, PyAny>,
    targets: &Bound<'py, PyAny>,
    mask: Option<&Bound<'py, PyAny>>,
) -> PyResult<Feed<'static, 'py, T::F>> {
    let widths = cell.lock().widths();
    let feed = Feed::new(inputs, widths.inputs, Streams::One)?;
    let feed = feed.with_targets(targets, widths.outputs, mask)?;
    feed.check(|streams| {
        let Stream {
            inputs,
            targets,
            mask,
        } = streams[0];
        cell.lock().check_sequence(inputs, targets, mask)
    })?;
    Ok(feed)
}

/// As the face calls it.
pub fn name(activity: Activity) -> &'static str {
    match activity {
        Activity::Silent => "silent",
        Activity::Saturated => "saturated",
        Activity::Normal => "normal",
    }
}
