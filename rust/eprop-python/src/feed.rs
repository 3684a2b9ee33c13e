//! What a call is fed, of one stream or of many: handed to the crate in pieces of some tens of milliseconds.
//! Results never depend on where the pieces end: the crate carries every sum from one to the next.

use std::ops::Range;
use std::time::{Duration, Instant};

use eprop::{Error, Stream};
use pyo3::exceptions::{PyMemoryError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::error;
use crate::memory;
use crate::numbers::Real;
use crate::room::{Arrays, Extent, Job, Room};
use crate::series::{Series, check_targets};
use crate::table::{Loan, Name, Part, Table};

/// Between two checks for signals: short enough for Ctrl-C, long enough to cost nothing.
const PIECE: Duration = Duration::from_millis(30);
/// What the copies of one piece may take, if a single step does not take more: of a stream, and of all of them.
const STREAM_BYTES: usize = 1 << 23;
const PIECE_BYTES: usize = 1 << 25;
/// A look at values alone is fastest while they are in the cache.
const CHECK_BYTES: usize = 1 << 19;

/// How many streams a call may feed.
#[derive(Clone, Copy)]
pub enum Streams {
    /// One sequence, without an axis of streams, or so many at most.
    UpTo(usize),
    /// One sequence, without an axis of them, or any number of sequences.
    Any,
}

impl Streams {
    fn fits(self, n: usize) -> bool {
        match self {
            Self::UpTo(most) => (1..=most).contains(&n),
            Self::Any => n > 0,
        }
    }

    /// # Errors
    /// ValueError where there are not so many.
    fn check(self, argument: &str, got: usize) -> PyResult<()> {
        if self.fits(got) {
            return Ok(());
        }
        let expected = match self {
            Self::UpTo(1) => "1 stream (batch_size = 1)".to_owned(),
            Self::UpTo(most) => format!("1 to {most} streams (batch_size = {most})"),
            Self::Any => "at least one sequence".to_owned(),
        };
        Err(PyValueError::new_err(format!(
            "{argument}: expected {expected}, got {got}"
        )))
    }
}

/// Copies the pieces of all streams, on as many threads as it likes.
pub type Copier<'a, F> = Box<dyn for<'j> Fn(Vec<Job<'j, F>>) + 'a>;

/// Sequences whose shapes fit each other and the trainer.
pub struct Feed<'a, 'py, F> {
    py: Python<'py>,
    series: Vec<Series<'py>>,
    /// Whether arrays have an axis of streams, or lists an item for each.
    has_streams: bool,
    /// Of arrays that are as long as the longest stream, or longer.
    n_rows: usize,
    n_inputs: usize,
    n_outputs: usize,
    copier: Copier<'a, F>,
}

/// Some consecutive steps of every stream.
pub struct Piece<'r, F> {
    pub steps: Range<usize>,
    /// No later piece follows.
    pub last: bool,
    pub streams: Vec<Stream<'r, F>>,
}

impl<F> Piece<'_, F> {
    pub fn is_first(&self) -> bool {
        self.steps.start == 0
    }
}

impl<'a, 'py, F: Real> Feed<'a, 'py, F> {
    pub fn new(inputs: &Bound<'py, PyAny>, n_inputs: usize, streams: Streams) -> PyResult<Self> {
        let (has_streams, series) = match split("inputs", inputs)? {
            Split::Items(items) => {
                streams.check("inputs", items.len())?;
                let series = items
                    .iter()
                    .map(|(name, inputs)| Series::new(*name, inputs, n_inputs));
                (true, series.collect::<PyResult<Vec<_>>>()?)
            }
            Split::Events => {
                let series = Series::new("inputs".into(), inputs, n_inputs)?;
                (false, vec![series])
            }
            Split::Array(table) => match *table.shape() {
                [n, _, width] if width == n_inputs && streams.fits(n) => {
                    let series = (0..n).map(|b| Series::dense(table.of_stream(b), n_inputs));
                    (true, series.collect::<PyResult<_>>()?)
                }
                [_, width] if width == n_inputs => (false, vec![Series::dense(table, n_inputs)?]),
                [0, ..] if table.shape().len() == 3 => {
                    return Err(PyValueError::new_err(format!(
                        "inputs: expected at least one stream, got shape {}",
                        error::tuple(table.shape())
                    )));
                }
                ref shape => {
                    let expected = match (streams, shape.len()) {
                        (Streams::UpTo(1), _) | (_, 2) => format!("(T, {n_inputs})"),
                        (Streams::UpTo(most), _) => {
                            format!(
                                "(T, {n_inputs}) or (B, T, {n_inputs}) with B of 1 to batch_size = {most}"
                            )
                        }
                        (Streams::Any, _) => format!("(T, {n_inputs}) or (S, T, {n_inputs})"),
                    };
                    let hint = match *shape {
                        [.., before, _] if before == n_inputs => {
                            "; the axis of time comes before that of the inputs"
                        }
                        _ => "",
                    };
                    return Err(error::shape_or("inputs", &expected, shape, hint));
                }
            },
        };
        let n_rows = series.iter().map(|series| series.n_steps).max();
        Ok(Self {
            py: inputs.py(),
            series,
            has_streams,
            n_rows: n_rows.unwrap_or(0),
            n_inputs,
            n_outputs: 0,
            copier: Box::new(|jobs| jobs.into_iter().for_each(Job::run)),
        })
    }

    /// With the copies of the streams shared out.
    pub fn copied_by(self, copier: Copier<'a, F>) -> Self {
        Self { copier, ..self }
    }

    pub fn with_targets(
        mut self,
        targets: &Bound<'py, PyAny>,
        n_outputs: usize,
        mask: Option<&Bound<'py, PyAny>>,
        weights: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Self> {
        if !self.has_streams {
            self.series[0].set_targets(Table::new("targets", targets)?, n_outputs)?;
        } else {
            match split("targets", targets)? {
                Split::Items(items) => {
                    let n_streams = self.series.len();
                    if items.len() != n_streams {
                        let got = items.len();
                        return Err(PyValueError::new_err(format!(
                            "targets: expected {n_streams} streams, as inputs have, got {got}"
                        )));
                    }
                    for (series, (name, targets)) in self.series.iter_mut().zip(items) {
                        series.set_targets(Table::new(name, &targets)?, n_outputs)?;
                    }
                }
                Split::Events => return Err(error::not_an_array("targets")),
                Split::Array(table) => {
                    check_targets(&table, &[self.series.len(), self.n_rows], n_outputs)?;
                    for (b, series) in self.series.iter_mut().enumerate() {
                        let mut targets = table.of_stream(b);
                        if targets.shape().len() == 1 {
                            // Labels are looked at here, and rows in the crate, which names the stream itself.
                            targets.name = targets.name.item(b);
                        }
                        series.set_targets_of(targets, n_outputs);
                    }
                }
            }
        }
        if let Some(mask) = mask {
            let mask = Table::new("mask", mask)?;
            self.check_each_step(&mask)?;
            if !mask.is_of_bools() {
                return Err(error::not_an_array("mask"));
            }
            self.for_each_step(mask, Series::set_mask)?;
        }
        if let Some(weights) = weights {
            self.for_each_step(Table::new("weights", weights)?, Series::set_weights)?;
        }
        Ok(Self { n_outputs, ..self })
    }

    /// Something of each step, (T,) or (B, T).
    ///
    /// # Errors
    /// ValueError for another shape.
    fn check_each_step(&self, table: &Table<'py>) -> PyResult<()> {
        let (n_streams, n_rows) = (self.series.len(), self.n_rows);
        let of_all = self.has_streams && table.shape() == [n_streams, n_rows];
        if of_all || table.shape() == [n_rows] {
            return Ok(());
        }
        let expected = match self.has_streams {
            true => format!("({n_streams}, {n_rows}) or ({n_rows},)"),
            false => error::tuple(&[n_rows]),
        };
        Err(error::shape(table.name, &expected, table.shape()))
    }

    /// A part of it for every stream, or the same for all.
    fn for_each_step(
        &mut self,
        table: Table<'py>,
        set: impl Fn(&mut Series<'py>, Table<'py>),
    ) -> PyResult<()> {
        self.check_each_step(&table)?;
        let shared = table.shape().len() == 1;
        for (b, series) in self.series.iter_mut().enumerate() {
            let of_stream = || table.of_stream(b);
            set(series, if shared { table.clone() } else { of_stream() });
        }
        Ok(())
    }

    /// How many steps of every stream there are: the others neither happen nor are read.
    pub fn set_lengths(&mut self, lengths: &Bound<'py, PyAny>) -> PyResult<()> {
        let (n_streams, n_rows) = (self.series.len(), self.n_rows);
        if !self.has_streams {
            return Err(PyValueError::new_err(
                "lengths: expected inputs with an axis of streams, (B, T, n_inputs), got those of one sequence; \
                 cut it instead, inputs[:length]",
            ));
        }
        let table = Table::new("lengths", lengths)?;
        if !table.is_of_integers() {
            return Err(error::not_an_array("lengths"));
        }
        if table.shape() != [n_streams] {
            let expected = error::tuple(&[n_streams]);
            return Err(error::shape("lengths", &expected, table.shape()));
        }
        let lengths = table.indices(0..n_streams)?;
        for (b, (series, &length)) in self.series.iter_mut().zip(&lengths).enumerate() {
            let most = series.n_steps;
            match usize::try_from(length) {
                Ok(length) if (1..=most).contains(&length) => series.n_steps = length,
                _ => {
                    return Err(PyValueError::new_err(format!(
                        "lengths: expected 1 to {most} steps, got {length} at index ({b},); inputs have {n_rows} steps"
                    )));
                }
            }
        }
        Ok(())
    }

    /// Whether there is an axis of streams.
    pub fn has_streams(&self) -> bool {
        self.has_streams
    }

    /// Steps that arrays have room for, those beyond a stream's length included.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Of the longest stream.
    pub fn n_steps(&self) -> usize {
        let lengths = self.series.iter().map(|series| series.n_steps);
        lengths.max().unwrap_or(0)
    }

    pub fn n_streams(&self) -> usize {
        self.series.len()
    }

    /// Looks at everything before anything changes.
    ///
    /// # Errors
    /// What `check` finds, with steps counted from the start of the sequence; what a signal handler raises.
    pub fn check(
        &self,
        mut check: impl FnMut(&[Stream<'_, F>]) -> Result<(), Error>,
    ) -> PyResult<()> {
        let most = match self.series.len() {
            1 => self.most_steps(CHECK_BYTES),
            _ => self.most_steps(PIECE_BYTES),
        };
        let mut rooms = self.rooms();
        for start in (0..self.n_steps()).step_by(most) {
            let steps = start..self.n_steps().min(start + most);
            let parts = self.read(&steps, &mut rooms)?;
            memory::ask("inputs", 0)?;
            let loans = lend(&parts)?;
            self.fill(&steps, &loans, &mut rooms, true)?;
            let extents = self.series.iter().map(|series| self.extent(series, &steps));
            let streams = extents.zip(&rooms).zip(&loans);
            let streams = streams
                .map(|((extent, room), loan)| room.stream(extent, Some(loan)))
                .collect::<PyResult<Vec<_>>>()?;
            let checked = check(&streams);
            drop(streams);
            drop(loans);
            checked.map_err(|error| error::raise_after(start, error))?;
            self.py.check_signals()?;
        }
        Ok(())
    }

    /// Copies a piece under the GIL, works on it without, looks for signals, and so on. The first has `first` steps. Where memory for a
    /// larger one has run out, those of the size that there has been memory for go on.
    ///
    /// # Errors
    /// What `work` or a signal handler raises; the pieces before it are done.
    pub fn in_pieces(
        &self,
        first: usize,
        mut work: impl FnMut(&Piece<'_, F>) -> Result<(), Error> + Send,
    ) -> PyResult<()> {
        let bytes = STREAM_BYTES.saturating_mul(self.series.len());
        let mut most = self.most_steps(bytes.min(PIECE_BYTES));
        let mut rooms = self.rooms();
        let (mut start, mut n_steps) = (0, first.clamp(1, most));
        while start < self.n_steps() {
            let steps = start..self.n_steps().min(start + n_steps);
            if let Err(error) = self.copy(&steps, &mut rooms) {
                if n_steps == 1 || !error.is_instance_of::<PyMemoryError>(self.py) {
                    return Err(error);
                }
                // What has grown for it would be missing for a smaller one.
                rooms = self.rooms();
                n_steps /= 2;
                most = n_steps;
                continue;
            }
            let piece = self.copied(steps, &rooms)?;
            let begun = Instant::now();
            self.py
                .detach(|| work(&piece))
                .map_err(|error| error::raise_after(start, error))?;
            n_steps = paced(n_steps, begun.elapsed()).clamp(1, most);
            start = piece.steps.end;
            if !piece.last {
                self.py.check_signals()?;
            }
        }
        Ok(())
    }

    /// All of it, copied.
    pub fn whole<'r>(&self, rooms: &'r mut [Room<F>]) -> PyResult<Piece<'r, F>> {
        let steps = 0..self.n_steps();
        self.copy(&steps, rooms)?;
        self.copied(steps, rooms)
    }

    /// For the copies of all streams.
    pub fn rooms(&self) -> Vec<Room<F>> {
        self.series.iter().map(|_| Room::default()).collect()
    }

    fn copy(&self, steps: &Range<usize>, rooms: &mut [Room<F>]) -> PyResult<()> {
        let parts = self.read(steps, rooms)?;
        memory::ask("inputs", 0)?;
        let loans = lend(&parts)?;
        self.fill(steps, &loans, rooms, false)?;
        memory::ask("inputs", 0)
    }

    fn copied<'r>(&self, steps: Range<usize>, rooms: &'r [Room<F>]) -> PyResult<Piece<'r, F>> {
        let streams = self.series.iter().zip(rooms.iter());
        Ok(Piece {
            last: steps.end == self.n_steps(),
            streams: streams
                .map(|(series, room)| room.stream(self.extent(series, &steps), None))
                .collect::<PyResult<_>>()?,
            steps,
        })
    }

    fn read<'s>(
        &'s self,
        steps: &Range<usize>,
        rooms: &mut [Room<F>],
    ) -> PyResult<Vec<Arrays<Part<'s, 'py>>>> {
        let series = self.series.iter().zip(rooms);
        series
            .map(|(series, room)| series.read(steps, room))
            .collect()
    }

    /// Copies what was lent. `in_place`: but for what the crate can look at where it lies.
    fn fill(
        &self,
        steps: &Range<usize>,
        loans: &[Arrays<Loan<'_, 'py>>],
        rooms: &mut [Room<F>],
        in_place: bool,
    ) -> PyResult<()> {
        let mut outcomes: Vec<PyResult<()>> = rooms.iter().map(|_| Ok(())).collect();
        let mut jobs = Vec::with_capacity(loans.len());
        let series = self.series.iter().zip(loans);
        for (((series, loan), room), outcome) in series.zip(rooms).zip(&mut outcomes) {
            jobs.push(Job {
                extent: self.extent(series, steps),
                numbers: loan.try_map(|loan| Ok(loan.numbers()))?,
                in_place,
                room,
                outcome,
            });
        }
        (self.copier)(jobs);
        outcomes.into_iter().collect()
    }

    fn extent(&self, series: &Series<'py>, steps: &Range<usize>) -> Extent {
        series.extent(steps, self.n_inputs, self.n_outputs)
    }

    fn most_steps(&self, bytes: usize) -> usize {
        let of_step = self.series.iter().map(Series::step_bytes::<F>);
        let of_step = of_step.fold(1, usize::saturating_add);
        (bytes / of_step).clamp(1, self.n_steps().max(1))
    }
}

/// No Python runs from here on until the loans are given back.
fn lend<'a, 'py>(parts: &'a [Arrays<Part<'_, 'py>>]) -> PyResult<Vec<Arrays<Loan<'a, 'py>>>> {
    parts
        .iter()
        .map(|parts| parts.try_map(|part| part.lend()))
        .collect()
}

/// What holds the parts of all streams.
enum Split<'py> {
    /// One for each.
    Items(Vec<(Name, Bound<'py, PyAny>)>),
    /// The face's tuple, of one stream.
    Events,
    /// With an axis of streams, or of one stream.
    Array(Table<'py>),
}

fn split<'py>(argument: &'static str, object: &Bound<'py, PyAny>) -> PyResult<Split<'py>> {
    let name = Name::from(argument);
    if let Ok(list) = object.cast::<PyList>() {
        let items = list.iter().enumerate();
        let items = items.map(|(b, item)| (name.item(b), item));
        return Ok(Split::Items(items.collect()));
    }
    if object.is_instance_of::<PyTuple>() {
        return Ok(Split::Events);
    }
    Table::new(name, object).map(Split::Array)
}

/// How many steps fill a piece, when the last `n_steps` took this long; at most four times as many.
fn paced(n_steps: usize, took: Duration) -> usize {
    let fitting = PIECE.as_secs_f64() / took.as_secs_f64().max(1e-9) * n_steps as f64;
    (fitting as usize).min(n_steps.saturating_mul(4))
}
