//! Whole sequences of all streams of a batch: one call, from NumPy's arrays and back.

use eprop::{Inputs, Stream};
use numpy::ndarray::{Array2, Array3, ArrayViewMut3, s};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{Real, give, zeros};
use crate::cell::Cell;
use crate::engine::IntoPyDict;
use crate::error;
use crate::feed::{Feed, Piece, Streams};
use crate::room::Job;
use crate::sequence::{Predicted, Trained, name};
use crate::turn::Held;

/// The first piece passes about so many synapses.
const FIRST_PIECE: usize = 1 << 28;

/// An engine behind its turn.
pub type Batch<F> = Cell<eprop::BatchTrainer<F>>;

/// One call on whole sequences: the turn of its trainer, and what it is fed.
pub struct Call<'a, 'py, F: Real> {
    py: Python<'py>,
    cell: &'a Batch<F>,
    feed: Feed<'a, 'py, F>,
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
        // Whoever gives streams of several lengths hears of that, and not of targets that cannot fit.
        let feed = Feed::new(inputs, n_inputs, Streams::Exactly(batch_size))?.of_one_length()?;
        Ok(Self {
            py,
            cell,
            feed: feed.copied_by(Box::new(|jobs| cell.lock().spread(jobs, Job::run))),
            _turn: turn,
        })
    }

    pub fn with_targets(
        self,
        targets: &Bound<'py, PyAny>,
        mask: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Self> {
        let n_outputs = self.cell.lock().n_outputs();
        let feed = self.feed.with_targets(targets, n_outputs, mask)?;
        feed.check(|streams| self.cell.lock().check_sequence(streams))?;
        Ok(Self { feed, ..self })
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
        self.in_pieces(|piece| {
            let rows = rows_of(&mut outputs, piece);
            let mut engine = self.cell.lock();
            // A whole sequence leaves nothing pending.
            if piece.last && reset {
                engine.train_last_piece(&piece.streams, rows, &mut tally)
            } else {
                engine.train_piece(&piece.streams, rows, &mut tally)
            }
        })?;
        self.cell.lock().check_weights().map_err(error::raise)?;
        let tally = tally.merged();
        let outputs = outputs.map(|outputs| give(self.py, outputs)).transpose()?;
        Ok((tally.loss(), outputs, name(tally.activity())))
    }

    pub fn predict(self, reset: bool, keep_spikes: bool) -> PyResult<Predicted<'py>> {
        self.feed
            .check(|streams| self.cell.lock().check_inputs(&inputs_of(streams)))?;
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
        self.in_pieces(|piece| {
            let rows = outputs.slice_mut(s![.., piece.steps.clone(), ..]);
            let spikes = rows_of(&mut spikes, piece);
            self.cell
                .lock()
                .predict_piece(&inputs_of(&piece.streams), rows, spikes)
        })?;
        let spikes = spikes.map(|spikes| give(self.py, spikes)).transpose()?;
        Ok((give(self.py, outputs)?, spikes))
    }

    pub fn gradients(self) -> PyResult<Bound<'py, PyDict>> {
        let mut run = self.py.detach({
            let cell = self.cell;
            || cell.lock().gradient_run()
        });
        self.in_pieces(|piece| run.piece(&piece.streams))?;
        self.py.detach(|| run.finish()).into_dict(self.py)
    }

    fn room(&self, what: &str, width: usize) -> PyResult<Array3<F>> {
        let (streams, n_steps) = (self.feed.n_streams(), self.feed.n_steps());
        let failed = || error::no_memory(what, &[streams, n_steps, width]);
        let rows = streams.checked_mul(n_steps).ok_or_else(failed)?;
        let flat: Array2<F> = zeros(what, rows, width).map_err(|_| failed())?;
        flat.into_shape_with_order((streams, n_steps, width))
            .map_err(|_| failed())
    }

    fn in_pieces(
        &self,
        work: impl FnMut(&Piece<'_, F>) -> Result<(), eprop::Error> + Send,
    ) -> PyResult<()> {
        let synapses = {
            let engine = self.cell.lock();
            let sources = engine.n_inputs() + engine.n_neurons();
            sources.saturating_mul(engine.n_neurons())
        };
        let first = FIRST_PIECE / synapses.saturating_mul(self.feed.n_streams()).max(1);
        self.feed.in_pieces(first, work)
    }
}

pub fn inputs_of<'a, F: Real>(streams: &[Stream<'a, F>]) -> Vec<Inputs<'a, F>> {
    streams.iter().map(|stream| stream.inputs).collect()
}

fn rows_of<'a, F: Real>(
    all: &'a mut Option<Array3<F>>,
    piece: &Piece<'_, F>,
) -> Option<ArrayViewMut3<'a, F>> {
    all.as_mut()
        .map(|all| all.slice_mut(s![.., piece.steps.clone(), ..]))
}
