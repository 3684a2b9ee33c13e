//! One call on whole sequences, of one stream or of several side by side: from NumPy's arrays and back.

use std::time::{Duration, Instant};

use eprop::{Error, GradientRun, Inputs, Judged, Stream, Tally, Trainer};
use numpy::ndarray::{Array3, ArrayViewMut3, Axis, s};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{give, zeros};
use crate::cell::Cell;
use crate::error;
use crate::feed::{Feed, Piece, Streams};
use crate::net::Net;
use crate::numbers::Real;
use crate::room::Job;
use crate::signals;
use crate::turn::Held;
use crate::verdict::{self, Rates};

/// The loss, and the outputs if they were asked for.
pub type Trained<'py> = (f64, Option<Bound<'py, PyAny>>);
/// The gradient, and the outputs if they were asked for.
pub type Taken<'py> = (Bound<'py, PyDict>, Option<Bound<'py, PyAny>>);
/// The outputs and, if they were asked for, the spikes.
pub type Predicted<'py> = (Bound<'py, PyAny>, Option<Bound<'py, PyAny>>);

/// The first piece passes about so many synapses.
const FIRST_PIECE: usize = 1 << 22;
/// A calibration looks for signals this often.
const SIGNALS: Duration = Duration::from_millis(50);

/// The turn of a trainer, and what it is fed.
pub struct Call<'a, 'py, N: Net> {
    py: Python<'py>,
    cell: &'a Cell<Trainer<N>>,
    feed: Feed<'a, 'py, N::F>,
    turn: Held<'a>,
}

impl<'a, 'py, N: Net> Call<'a, 'py, N> {
    /// For sequences of at most as many streams as there are, or, with `any`, of any number.
    pub fn new(
        py: Python<'py>,
        cell: &'a Cell<Trainer<N>>,
        inputs: &Bound<'py, PyAny>,
        any: bool,
        n_threads: Option<usize>,
    ) -> PyResult<Self> {
        let turn = cell.take(py)?;
        let (streams, n_inputs) = {
            let mut trainer = cell.lock();
            trainer.set_n_threads(n_threads).map_err(error::raise)?;
            let streams = match any {
                true => Streams::Any,
                false => Streams::UpTo(trainer.batch_size()),
            };
            (streams, trainer.n_inputs())
        };
        let feed = Feed::new(inputs, n_inputs, streams)?;
        Ok(Self {
            py,
            cell,
            feed: feed.copied_by(Box::new(|jobs| cell.lock().spread(jobs, Job::run))),
            turn,
        })
    }

    pub fn with_targets(
        self,
        targets: &Bound<'py, PyAny>,
        mask: Option<&Bound<'py, PyAny>>,
        weights: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Self> {
        let n_outputs = self.cell.lock().n_outputs();
        let feed = self.feed.with_targets(targets, n_outputs, mask, weights)?;
        Ok(Self { feed, ..self })
    }

    /// Steps beyond a stream's length do not happen.
    pub fn with_lengths(mut self, lengths: Option<&Bound<'py, PyAny>>) -> PyResult<Self> {
        if let Some(lengths) = lengths {
            self.feed.set_lengths(lengths)?;
        }
        Ok(self)
    }

    pub fn train(self, reset: bool, keep_outputs: bool) -> PyResult<Trained<'py>> {
        // A whole sequence leaves nothing pending.
        let (tally, outputs) = self.learn(reset, reset, keep_outputs)?;
        let outputs = outputs.map(|outputs| self.give(outputs)).transpose()?;
        self.warn(&tally)?;
        Ok((tally.loss(), outputs))
    }

    /// The gradient of whole sequences, and the outputs if they are asked for; the trainer is silent then, with the weights that it had.
    pub fn train_for_gradients(self, keep_outputs: bool) -> PyResult<Taken<'py>> {
        let (tally, outputs) = self.learn(true, false, keep_outputs)?;
        let gradients = self.py.detach(|| self.cell.lock().take_gradients());
        let gradients = N::give(self.py, gradients.map_err(error::raise)?)?;
        let outputs = outputs.map(|outputs| self.give(outputs)).transpose()?;
        self.warn(&tally)?;
        Ok((gradients, outputs))
    }

    /// `update`: the gradient of the last piece is applied with it.
    fn learn(
        &self,
        reset: bool,
        update: bool,
        keep_outputs: bool,
    ) -> PyResult<(Tally, Option<Array3<N::F>>)> {
        let n_outputs = self.cell.lock().n_outputs();
        let mut outputs = keep_outputs
            .then(|| self.room("outputs", n_outputs))
            .transpose()?;
        let mut tally = self.cell.lock().try_tally().map_err(error::raise)?;
        self.check(|trainer, streams| trainer.check_piece(streams))?;
        let (n_streams, n_steps) = (self.feed.n_streams(), self.feed.n_steps());
        self.py
            .detach(|| self.cell.lock().reserve(n_streams, n_steps, true))
            .map_err(error::raise)?;
        self.in_pieces(|piece| {
            let rows = rows_of(&mut outputs, piece);
            let mut trainer = self.cell.lock();
            if piece.is_first() && reset {
                trainer.restart();
            }
            if piece.last && update {
                trainer.train_last_piece(&piece.streams, rows, &mut tally)
            } else {
                trainer.train_piece(&piece.streams, rows, &mut tally)
            }
        })?;
        Ok((tally, outputs))
    }

    /// What the trainer has to say of it, if weights are finite.
    fn warn(self, tally: &Tally) -> PyResult<()> {
        let verdict = self.py.detach(|| {
            let mut trainer = self.cell.lock();
            let checked = trainer.check_weights();
            checked.map(|()| trainer.judge(tally))
        });
        let verdict = verdict.map_err(error::raise)?;
        let rates = Rates::of(&*self.cell.lock());
        let Self { py, cell, turn, .. } = self;
        drop(turn);
        verdict::warn(py, cell, rates, verdict)
    }

    pub fn predict(self, reset: bool, keep_spikes: bool) -> PyResult<Predicted<'py>> {
        let (n_outputs, n_spikes) = {
            let trainer = self.cell.lock();
            (trainer.n_outputs(), trainer.n_spikes())
        };
        let mut outputs = Some(self.room("outputs", n_outputs)?);
        let mut spikes = keep_spikes
            .then(|| self.room("spikes", n_spikes))
            .transpose()?;
        self.check(|trainer, streams| trainer.check_inputs_of_piece(&inputs_of(streams)))?;
        self.in_pieces(|piece| {
            let Some(rows) = rows_of(&mut outputs, piece) else {
                return Ok(());
            };
            let spikes = rows_of(&mut spikes, piece);
            let mut trainer = self.cell.lock();
            if piece.is_first() && reset {
                trainer.restart();
            }
            trainer.predict_piece(&inputs_of(&piece.streams), rows, spikes)
        })?;
        let outputs = outputs.map(|outputs| self.give(outputs)).transpose()?;
        let spikes = spikes.map(|spikes| self.give(spikes)).transpose()?;
        let nothing = || self.py.None().into_bound(self.py);
        Ok((outputs.unwrap_or_else(nothing), spikes))
    }

    /// The mean loss, NaN without targets, and the outputs; nothing of the trainer moves.
    pub fn evaluate(self, judged: bool) -> PyResult<(f64, Bound<'py, PyAny>)> {
        let n_outputs = self.cell.lock().n_outputs();
        let mut outputs = Some(self.room("outputs", n_outputs)?);
        let n_sequences = self.feed.n_streams();
        let evaluation = self.py.detach(|| self.cell.lock().evaluation(n_sequences));
        let mut evaluation = evaluation.map_err(error::raise)?;
        self.in_pieces(|piece| {
            let targets: Vec<Judged<'_, N::F>> = piece
                .streams
                .iter()
                .map(|stream| (stream.targets, stream.mask, stream.weights))
                .collect();
            let rows = rows_of(&mut outputs, piece);
            let inputs = inputs_of(&piece.streams);
            let targets = judged.then_some(&targets[..]);
            self.cell
                .lock()
                .evaluate_piece(&mut evaluation, &inputs, targets, rows)
        })?;
        let outputs = outputs.map(|outputs| self.give(outputs)).transpose()?;
        let nothing = || self.py.None().into_bound(self.py);
        Ok((evaluation.loss(), outputs.unwrap_or_else(nothing)))
    }

    /// `start` makes the run of so many streams.
    pub fn gradients(
        self,
        start: impl FnOnce(&Trainer<N>, usize) -> Result<GradientRun<N>, Error> + Send,
    ) -> PyResult<Bound<'py, PyDict>> {
        self.check(|trainer, streams| trainer.check_piece(streams))?;
        let n_streams = self.feed.n_streams();
        let run = self.py.detach(|| start(&self.cell.lock(), n_streams));
        let mut run = run.map_err(error::raise)?;
        self.in_pieces(|piece| run.piece(&piece.streams))?;
        let gradients = self.py.detach(|| run.finish());
        N::give(self.py, gradients.map_err(error::raise)?)
    }

    /// Of each layer: factor, and Hz before and after.
    pub fn calibrate(self, rate: f64) -> PyResult<Vec<(f64, f64, f64)>> {
        let mut rooms = self.feed.rooms();
        let whole = self.feed.whole(&mut rooms)?;
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
        let inputs = inputs_of(&whole.streams);
        let done = self.py.detach(|| {
            let mut trainer = self.cell.lock();
            trainer.calibrate_while(&inputs, rate, &mut keep_going)
        });
        let done = match (done.map_err(error::raise)?, interrupt) {
            (Some(done), _) => done,
            (None, Some(interrupt)) => return Err(interrupt),
            (None, None) => return Err(signals::stopped("calibrate")),
        };
        let Self { py, cell, turn, .. } = self;
        drop(turn);
        verdict::warn_of_inputs(py, cell, &done)?;
        let groups = done.groups.iter();
        Ok(groups
            .map(|group| (group.factor, group.before, group.after))
            .collect())
    }

    /// Looks at everything before anything changes.
    fn check(
        &self,
        check: impl Fn(&Trainer<N>, &[Stream<'_, N::F>]) -> Result<(), eprop::Error>,
    ) -> PyResult<()> {
        self.feed.check(|streams| check(&self.cell.lock(), streams))
    }

    fn room(&self, what: &str, width: usize) -> PyResult<Array3<N::F>> {
        let (streams, n_rows) = (self.feed.n_streams(), self.feed.n_rows());
        let failed = || error::no_memory(what, &[streams, n_rows, width]);
        let rows = streams.checked_mul(n_rows).ok_or_else(failed)?;
        let flat = zeros(what, rows, width).map_err(|_| failed())?;
        flat.into_shape_with_order((streams, n_rows, width))
            .map_err(|_| failed())
    }

    /// With an axis of streams exactly where the inputs have one.
    fn give(&self, rows: Array3<N::F>) -> PyResult<Bound<'py, PyAny>> {
        if self.feed.has_streams() {
            return give(self.py, rows);
        }
        give(self.py, rows.index_axis_move(Axis(0), 0))
    }

    fn in_pieces(
        &self,
        work: impl FnMut(&Piece<'_, N::F>) -> Result<(), eprop::Error> + Send,
    ) -> PyResult<()> {
        let synapses = N::synapses(&self.cell.lock());
        let first = FIRST_PIECE / synapses.saturating_mul(self.feed.n_streams()).max(1);
        self.feed.in_pieces(first, work)
    }
}

fn inputs_of<'a, F: Real>(streams: &[Stream<'a, F>]) -> Vec<Inputs<'a, F>> {
    streams.iter().map(|stream| stream.inputs).collect()
}

fn rows_of<'a, F: Real>(
    all: &'a mut Option<Array3<F>>,
    piece: &Piece<'_, F>,
) -> Option<ArrayViewMut3<'a, F>> {
    all.as_mut()
        .map(|all| all.slice_mut(s![.., piece.steps.clone(), ..]))
}
