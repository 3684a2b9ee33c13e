//! Whole sequences of all streams of a batch: one call, from NumPy's arrays and back.

use std::time::Instant;

use eprop::{Error, Inputs, Stream};
use numpy::PyUntypedArrayMethods;
use numpy::ndarray::{Array2, Array3, ArrayViewMut3, s};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::arrays::{Real, borrow, give, zeros};
use crate::cell::Cell;
use crate::engine::IntoPyDict;
use crate::error;
use crate::feed::{Feed, Piece, Room, paced};
use crate::sequence::{Predicted, Trained, name};
use crate::turn::Held;

/// What the copies of one piece may take, all streams together, if a single step does not take more.
const PIECE_BYTES: usize = 1 << 24;
/// The first piece passes about so many synapses.
const FIRST_PIECE: usize = 1 << 28;

/// An engine behind its turn.
pub type Batch<F> = Cell<eprop::BatchTrainer<F>>;

/// One call on whole sequences: the turn of its trainer, and a feed for every stream.
pub struct Call<'a, 'py, F: Real> {
    py: Python<'py>,
    cell: &'a Batch<F>,
    feeds: Vec<Feed<'py, F>>,
    _turn: Held<'a>,
}

impl<'a, 'py, F: Real> Call<'a, 'py, F> {
    pub fn new(
        py: Python<'py>,
        cell: &'a Batch<F>,
        inputs: &Bound<'py, PyAny>,
        n_threads: Option<usize>,
    ) -> PyResult<Self> {
        let turn = cell.take(py)?;
        let (batch_size, n_inputs) = {
            let mut engine = cell.lock();
            engine.set_n_threads(n_threads).map_err(error::raise)?;
            (engine.batch_size(), engine.n_inputs())
        };
        let inputs = split::<F>(
            "inputs",
            inputs,
            batch_size,
            &["T".to_owned(), n_inputs.to_string()],
        )?;
        let feeds = inputs
            .iter()
            .map(|inputs| Feed::inputs(inputs, n_inputs))
            .collect::<PyResult<_>>()?;
        Ok(Self {
            py,
            cell,
            feeds,
            _turn: turn,
        })
    }

    pub fn with_targets(
        mut self,
        targets: &Bound<'py, PyAny>,
        mask: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Self> {
        let (batch_size, n_outputs) = (self.feeds.len(), self.cell.lock().n_outputs());
        let n_steps = self.feeds[0].n_steps().to_string();
        let targets = split::<F>(
            "targets",
            targets,
            batch_size,
            &[n_steps, n_outputs.to_string()],
        )?;
        let masks = self.masks(mask)?;
        // Whoever gave streams of several lengths hears of that, not of the targets that cannot fit.
        self.check(|engine, pieces| engine.check_inputs(&inputs_of(pieces)))?;
        let feeds = std::mem::take(&mut self.feeds)
            .into_iter()
            .zip(targets)
            .zip(masks);
        self.feeds = feeds
            .map(|((feed, targets), mask)| feed.with_targets(&targets, n_outputs, mask.as_ref()))
            .collect::<PyResult<_>>()?;
        self.check(|engine, pieces| engine.check_sequence(&streams_of(pieces)))?;
        Ok(self)
    }

    /// A mask for every stream, or the same for all.
    fn masks(&self, mask: Option<&Bound<'py, PyAny>>) -> PyResult<Vec<Option<Bound<'py, PyAny>>>> {
        let (batch_size, n_steps) = (self.feeds.len(), self.feeds[0].n_steps());
        let Some(mask) = mask else {
            return Ok(vec![None; batch_size]);
        };
        let shape = borrow::<u8>("mask", mask)?.shape().to_vec();
        if shape == [n_steps] {
            return Ok(vec![Some(mask.clone()); batch_size]);
        }
        if shape != [batch_size, n_steps] {
            let expected = format!("({batch_size}, {n_steps}) or ({n_steps},)");
            return Err(error::shape("mask", &expected, &shape));
        }
        (0..batch_size)
            .map(|b| mask.get_item(b).map(Some))
            .collect()
    }

    /// Looks at everything where it lies, under the GIL, before anything changes.
    fn check(
        &self,
        check: impl Fn(&eprop::BatchTrainer<F>, &[Piece<'_, F>]) -> Result<(), Error>,
    ) -> PyResult<()> {
        let pieces: Vec<_> = self
            .feeds
            .iter()
            .map(|feed| feed.look(0..feed.n_steps()))
            .collect::<PyResult<_>>()?;
        check(&self.cell.lock(), &pieces).map_err(error::raise)
    }

    pub fn train(self, reset: bool, keep_outputs: bool) -> PyResult<Trained<'py>> {
        let n_outputs = self.cell.lock().n_outputs();
        let mut outputs = keep_outputs
            .then(|| self.room("outputs", n_outputs))
            .transpose()?;
        if reset {
            self.cell.lock().reset();
        }
        let mut tally = self.cell.lock().tally();
        self.in_pieces(|pieces, last| {
            let rows = rows_of(&mut outputs, pieces);
            let (mut engine, streams) = (self.cell.lock(), streams_of(pieces));
            // A whole sequence leaves nothing pending.
            if last && reset {
                engine.train_last_piece(&streams, rows, &mut tally)
            } else {
                engine.train_piece(&streams, rows, &mut tally)
            }
        })?;
        self.cell.lock().check_weights().map_err(error::raise)?;
        let tally = tally.merged();
        let outputs = outputs.map(|outputs| give(self.py, outputs)).transpose()?;
        Ok((tally.loss(), outputs, name(tally.activity())))
    }

    pub fn predict(self, reset: bool, keep_spikes: bool) -> PyResult<Predicted<'py>> {
        self.check(|engine, pieces| engine.check_inputs(&inputs_of(pieces)))?;
        let (n_outputs, n_neurons) = {
            let engine = self.cell.lock();
            (engine.n_outputs(), engine.n_neurons())
        };
        let mut outputs = self.room("outputs", n_outputs)?;
        let mut spikes = keep_spikes
            .then(|| self.room("spikes", n_neurons))
            .transpose()?;
        if reset {
            self.cell.lock().reset();
        }
        self.in_pieces(|pieces, _| {
            let rows = outputs.slice_mut(s![.., pieces[0].steps.clone(), ..]);
            let spikes = rows_of(&mut spikes, pieces);
            self.cell
                .lock()
                .predict_piece(&inputs_of(pieces), rows, spikes)
        })?;
        let spikes = spikes.map(|spikes| give(self.py, spikes)).transpose()?;
        Ok((give(self.py, outputs)?, spikes))
    }

    pub fn gradients(self) -> PyResult<Bound<'py, PyDict>> {
        let mut run = self.py.detach({
            let cell = self.cell;
            || cell.lock().gradient_run()
        });
        self.in_pieces(|pieces, _| run.piece(&streams_of(pieces)))?;
        self.py.detach(|| run.finish()).into_dict(self.py)
    }

    fn room(&self, what: &str, width: usize) -> PyResult<Array3<F>> {
        let (streams, n_steps) = (self.feeds.len(), self.feeds[0].n_steps());
        let failed = || error::no_memory(what, &[streams, n_steps, width]);
        let rows = streams.checked_mul(n_steps).ok_or_else(failed)?;
        let flat: Array2<F> = zeros(what, rows, width).map_err(|_| failed())?;
        flat.into_shape_with_order((streams, n_steps, width))
            .map_err(|_| failed())
    }

    /// Copies a piece of every stream under the GIL, works on them without, looks for signals, and so on; says which piece is the last.
    fn in_pieces(
        &self,
        mut work: impl FnMut(&[Piece<'_, F>], bool) -> Result<(), Error> + Send,
    ) -> PyResult<()> {
        let n_total = self.feeds[0].n_steps();
        let (most, mut n_steps) = self.pace();
        let mut rooms: Vec<Room<F>> = self.feeds.iter().map(|_| Room::default()).collect();
        let mut start = 0;
        while start < n_total {
            let steps = start..n_total.min(start + n_steps);
            start = steps.end;
            let pieces = self.copied(steps, &mut rooms)?;
            let begun = Instant::now();
            let done = self.py.detach(|| work(&pieces, start == n_total));
            done.map_err(error::raise)?;
            n_steps = paced(n_steps, begun.elapsed()).clamp(1, most);
            if start < n_total {
                self.py.check_signals()?;
            }
        }
        Ok(())
    }

    /// How many steps a piece has at most, and how many the first has.
    fn pace(&self) -> (usize, usize) {
        let streams = self.feeds.len();
        let engine = self.cell.lock();
        let synapses = (engine.n_inputs() + engine.n_neurons()).saturating_mul(engine.n_neurons());
        let bytes = self.feeds[0].step_bytes().saturating_mul(streams).max(1);
        let most = (PIECE_BYTES / bytes).clamp(1, self.feeds[0].n_steps());
        (
            most,
            (FIRST_PIECE / synapses.saturating_mul(streams)).clamp(1, most),
        )
    }

    /// On all threads, which only read while this one holds the GIL.
    fn copied<'r>(
        &'r self,
        steps: std::ops::Range<usize>,
        rooms: &'r mut [Room<F>],
    ) -> PyResult<Vec<Piece<'r, F>>> {
        let mut copies: Vec<Option<PyResult<Piece<'r, F>>>> = rooms.iter().map(|_| None).collect();
        let pieces: Vec<_> = self
            .feeds
            .iter()
            .map(|feed| feed.look(steps.clone()))
            .collect::<PyResult<_>>()?;
        let jobs = pieces.into_iter().zip(rooms).zip(&mut copies).collect();
        self.cell.lock().spread(jobs, |((piece, room), copy)| {
            *copy = Some(piece.copied(room))
        });
        copies.into_iter().flatten().collect()
    }
}

/// The part of every stream, of an array with a leading axis of streams or of a list; `rest` is how the axes after the first should be.
pub fn split<'py, F: Real>(
    argument: &'static str,
    object: &Bound<'py, PyAny>,
    streams: usize,
    rest: &[String],
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    if let Ok(list) = object.cast::<PyList>() {
        if list.len() != streams {
            let got = list.len();
            return Err(PyValueError::new_err(format!(
                "{argument}: expected {streams} streams, got {got}"
            )));
        }
        return Ok(list.iter().collect());
    }
    let shape = borrow::<F>(argument, object)?.shape().to_vec();
    let fits = |(got, expected): (&usize, &String)| {
        expected
            .parse()
            .map_or(true, |expected: usize| expected == *got)
    };
    if shape.len() != rest.len() + 1
        || shape[0] != streams
        || !shape[1..].iter().zip(rest).all(fits)
    {
        let expected = format!("({streams}, {})", rest.join(", "));
        return Err(error::shape(argument, &expected, &shape));
    }
    (0..streams).map(|b| object.get_item(b)).collect()
}

fn streams_of<'a, F: Real>(pieces: &'a [Piece<'_, F>]) -> Vec<Stream<'a, F>> {
    pieces.iter().map(Piece::stream).collect()
}

pub fn inputs_of<'a, F: Real>(pieces: &'a [Piece<'_, F>]) -> Vec<Inputs<'a, F>> {
    pieces.iter().map(|piece| piece.stream().inputs).collect()
}

fn rows_of<'a, F: Real>(
    all: &'a mut Option<Array3<F>>,
    pieces: &[Piece<'_, F>],
) -> Option<ArrayViewMut3<'a, F>> {
    all.as_mut()
        .map(|all| all.slice_mut(s![.., pieces[0].steps.clone(), ..]))
}
