//! What a call is fed, of one stream or of many: handed to the crate in pieces of some tens of milliseconds.
//! Results never depend on where the pieces end: the crate carries every sum from one to the next.

use std::ops::Range;
use std::time::{Duration, Instant};

use eprop::{Error, Stream};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::arrays::Real;
use crate::error;
use crate::room::{Arrays, Extent, Job, Room};
use crate::series::Series;
use crate::table::{Loan, Name, Part, Table};

/// Between two checks for signals: short enough for Ctrl-C, long enough to cost nothing.
const PIECE: Duration = Duration::from_millis(30);
/// What the copies of one piece may take, if a single step does not take more: of a stream, and of all of them.
const STREAM_BYTES: usize = 1 << 23;
const PIECE_BYTES: usize = 1 << 25;
/// A look at values alone is fastest while they are in the cache.
const CHECK_BYTES: usize = 1 << 19;

/// How many streams there are, and whether arrays have an axis of them.
#[derive(Clone, Copy)]
pub enum Streams {
    One,
    Exactly(usize),
    /// One sequence, without the axis, or any number of them.
    Any,
}

/// Copies the pieces of all streams, on as many threads as it likes.
pub type Copier<'a, F> = Box<dyn for<'j> Fn(Vec<Job<'j, F>>) + 'a>;

/// Sequences whose shapes fit each other and the trainer.
pub struct Feed<'a, 'py, F> {
    py: Python<'py>,
    series: Vec<Series<'py>>,
    streams: Streams,
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

impl<'a, 'py, F: Real> Feed<'a, 'py, F> {
    pub fn new(inputs: &Bound<'py, PyAny>, n_inputs: usize, streams: Streams) -> PyResult<Self> {
        let series = match split("inputs", inputs, streams)? {
            Split::Items(items) => items
                .iter()
                .map(|(name, inputs)| Series::new(*name, inputs, n_inputs))
                .collect::<PyResult<_>>()?,
            Split::Array(table) => match (streams, table.shape()) {
                (Streams::Exactly(n), &[got, _, width]) if got == n && width == n_inputs => {
                    all_streams(&table, n, n_inputs)?
                }
                (Streams::Any, &[n, _, width]) if n > 0 && width == n_inputs => {
                    all_streams(&table, n, n_inputs)?
                }
                (streams, shape) => {
                    let expected = match streams {
                        Streams::Exactly(n) => format!("({n}, T, {n_inputs})"),
                        _ => format!("(T, {n_inputs}) or (S, T, {n_inputs})"),
                    };
                    return Err(error::shape("inputs", &expected, shape));
                }
            },
        };
        Ok(Self {
            py: inputs.py(),
            series,
            streams,
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
    ) -> PyResult<Self> {
        let n_steps = self.n_steps();
        match split("targets", targets, self.streams)? {
            Split::Items(items) => {
                for (series, (name, targets)) in self.series.iter_mut().zip(items) {
                    series.set_targets(Table::new(name, &targets)?, n_outputs)?;
                }
            }
            Split::Array(table) => {
                let expected = [self.series.len(), n_steps, n_outputs];
                if table.shape() != expected {
                    let expected = error::tuple(&expected);
                    return Err(error::shape("targets", &expected, table.shape()));
                }
                for (b, series) in self.series.iter_mut().enumerate() {
                    series.set_targets(table.of_stream(b), n_outputs)?;
                }
            }
        }
        if let Some(mask) = mask {
            self.set_mask(Table::new("mask", mask)?)?;
        }
        Ok(Self { n_outputs, ..self })
    }

    /// A mask for every stream, or the same for all.
    fn set_mask(&mut self, mask: Table<'py>) -> PyResult<()> {
        let (n_streams, n_steps) = (self.series.len(), self.n_steps());
        let shared = mask.shape().len() == 1;
        if matches!(self.streams, Streams::Exactly(_))
            && mask.shape() != [n_steps]
            && mask.shape() != [n_streams, n_steps]
        {
            let expected = format!("({n_streams}, {n_steps}) or ({n_steps},)");
            return Err(error::shape("mask", &expected, mask.shape()));
        }
        let one = matches!(self.streams, Streams::One);
        for (b, series) in self.series.iter_mut().enumerate() {
            series.set_mask(if shared || one {
                mask.clone()
            } else {
                mask.of_stream(b)
            })?;
        }
        Ok(())
    }

    /// Of the longest stream.
    pub fn n_steps(&self) -> usize {
        let lengths = self.series.iter().map(|series| series.n_steps);
        lengths.max().unwrap_or(0)
    }

    pub fn n_streams(&self) -> usize {
        self.series.len()
    }

    /// # Errors
    /// Streams of several lengths.
    pub fn of_one_length(self) -> PyResult<Self> {
        let first = self.series[0].n_steps;
        match self.series.iter().find(|series| series.n_steps != first) {
            None => Ok(self),
            Some(other) => Err(PyValueError::new_err(format!(
                "inputs: expected streams of one length, got {first} and {} steps",
                other.n_steps
            ))),
        }
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

    /// Copies a piece under the GIL, works on it without, looks for signals, and so on. The first has `first` steps.
    ///
    /// # Errors
    /// What `work` or a signal handler raises; the pieces before it are done.
    pub fn in_pieces(
        &self,
        first: usize,
        mut work: impl FnMut(&Piece<'_, F>) -> Result<(), Error> + Send,
    ) -> PyResult<()> {
        let bytes = STREAM_BYTES.saturating_mul(self.series.len());
        let most = self.most_steps(bytes.min(PIECE_BYTES));
        let mut rooms = self.rooms();
        let (mut start, mut n_steps) = (0, first.clamp(1, most));
        while start < self.n_steps() {
            let piece = self.piece(start..self.n_steps().min(start + n_steps), &mut rooms)?;
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
        self.piece(0..self.n_steps(), rooms)
    }

    /// For the copies of all streams.
    pub fn rooms(&self) -> Vec<Room<F>> {
        self.series.iter().map(|_| Room::default()).collect()
    }

    fn piece<'r>(&self, steps: Range<usize>, rooms: &'r mut [Room<F>]) -> PyResult<Piece<'r, F>> {
        let parts = self.read(&steps, rooms)?;
        let loans = lend(&parts)?;
        self.fill(&steps, &loans, rooms, false)?;
        drop(loans);
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
    Items(Vec<(Name, Bound<'py, PyAny>)>),
    /// With an axis of streams, if its shape is right.
    Array(Table<'py>),
}

fn split<'py>(
    argument: &'static str,
    object: &Bound<'py, PyAny>,
    streams: Streams,
) -> PyResult<Split<'py>> {
    let name = Name::from(argument);
    let one = || Ok(Split::Items(vec![(name, object.clone())]));
    if matches!(streams, Streams::One) {
        return one();
    }
    if let Ok(list) = object.cast::<PyList>() {
        let expected = match streams {
            Streams::Exactly(n) if list.len() != n => format!("{n} streams"),
            Streams::Any if list.is_empty() => "at least one sequence".to_owned(),
            _ => {
                let items = list.iter().enumerate();
                let items = items.map(|(b, item)| (name.item(b), item));
                return Ok(Split::Items(items.collect()));
            }
        };
        return Err(PyValueError::new_err(format!(
            "{argument}: expected {expected}, got {}",
            list.len()
        )));
    }
    let table = Table::new(name, object)?;
    match (streams, table.shape()) {
        (Streams::Any, [_, _]) => one(),
        _ => Ok(Split::Array(table)),
    }
}

fn all_streams<'py>(table: &Table<'py>, n: usize, n_inputs: usize) -> PyResult<Vec<Series<'py>>> {
    (0..n)
        .map(|b| Series::dense(table.of_stream(b), n_inputs))
        .collect()
}

/// How many steps fill a piece, when the last `n_steps` took this long; at most four times as many.
fn paced(n_steps: usize, took: Duration) -> usize {
    let fitting = PIECE.as_secs_f64() / took.as_secs_f64().max(1e-9) * n_steps as f64;
    (fitting as usize).min(n_steps.saturating_mul(4))
}
