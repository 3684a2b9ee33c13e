//! A sequence in NumPy's memory, handed to the crate in pieces of some tens of milliseconds.
//! Results never depend on where the pieces end: the crate carries every sum from one to the next.

use std::ops::Range;
use std::time::{Duration, Instant};

use eprop::{Inputs, Stream};
use numpy::ndarray::{Array1, ArrayView1, ArrayView2, s};
use numpy::{PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::arrays::{Real, borrow};
use crate::error;
use crate::events::Events;

/// Between two checks for signals: short enough for Ctrl-C, long enough to cost nothing.
const PIECE: Duration = Duration::from_millis(30);
/// What the copies of one piece may take, if a single step does not take more.
const PIECE_BYTES: usize = 1 << 22;

/// A sequence whose shapes fit each other and the trainer.
pub struct Feed<'py, F: Real> {
    n_steps: usize,
    inputs: Rows<'py, F>,
    targets: Option<Source<'py, F>>,
    mask: Option<Array1<bool>>,
}

/// Some consecutive steps.
pub struct Piece<'a, F> {
    pub steps: Range<usize>,
    pub inputs: Inputs<'a, F>,
    targets: ArrayView2<'a, F>,
    mask: Option<ArrayView1<'a, bool>>,
}

/// Where the copies of a piece lie.
#[derive(Default)]
pub struct Room<F> {
    inputs: Vec<F>,
    targets: Vec<F>,
}

impl<'py, F: Real> Feed<'py, F> {
    pub fn inputs(inputs: &Bound<'py, PyAny>, n_inputs: usize) -> PyResult<Self> {
        let (n_steps, inputs) = match inputs.cast::<PyTuple>() {
            Ok(events) => {
                let events = Events::read(events, n_inputs)?;
                (events.n_steps(), Rows::Events(events))
            }
            Err(_) => {
                let source = Source::new("inputs", inputs, None, n_inputs)?;
                (source.shape[0], Rows::Dense(source))
            }
        };
        if n_steps == 0 {
            return Err(PyValueError::new_err(format!(
                "inputs: expected at least one step, got shape (0, {n_inputs})"
            )));
        }
        Ok(Self {
            n_steps,
            inputs,
            targets: None,
            mask: None,
        })
    }

    pub fn with_targets(
        mut self,
        targets: &Bound<'py, PyAny>,
        n_outputs: usize,
        mask: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Self> {
        let n_steps = self.n_steps;
        self.targets = Some(Source::new("targets", targets, Some(n_steps), n_outputs)?);
        self.mask = mask.map(|mask| read_mask(mask, n_steps)).transpose()?;
        Ok(self)
    }

    pub fn n_steps(&self) -> usize {
        self.n_steps
    }

    /// Looks at everything where it lies, under the GIL, before anything changes.
    ///
    /// # Errors
    /// What `check` finds, with steps counted from the start of the sequence; what a signal handler raises.
    pub fn check(
        &self,
        py: Python<'py>,
        mut check: impl FnMut(&Piece<'_, F>) -> Result<(), eprop::Error>,
    ) -> PyResult<()> {
        let most = self.most_steps();
        for start in (0..self.n_steps).step_by(most) {
            let piece = self.look(start..self.n_steps.min(start + most))?;
            if let Err(error) = check(&piece) {
                let whole = self.look(0..self.n_steps)?;
                return Err(error::raise(check(&whole).err().unwrap_or(error)));
            }
            py.check_signals()?;
        }
        Ok(())
    }

    /// Copies a piece under the GIL, works on it without, looks for signals, and so on.
    ///
    /// # Errors
    /// What `work` or a signal handler raises; the pieces before it are done.
    pub fn in_pieces(
        &self,
        py: Python<'py>,
        mut work: impl FnMut(&Piece<'_, F>) -> Result<(), eprop::Error> + Send,
    ) -> PyResult<()> {
        let most = self.most_steps();
        let mut room = Room::default();
        let (mut start, mut n_steps) = (0, 1);
        while start < self.n_steps {
            let steps = start..self.n_steps.min(start + n_steps);
            start = steps.end;
            let piece = self.look(steps)?.copied(&mut room)?;
            let begun = Instant::now();
            py.detach(|| work(&piece)).map_err(error::raise)?;
            n_steps = paced(n_steps, begun.elapsed()).clamp(1, most);
            if start < self.n_steps {
                py.check_signals()?;
            }
        }
        Ok(())
    }

    /// All of it, copied.
    pub fn whole<'a>(&'a self, room: &'a mut Room<F>) -> PyResult<Piece<'a, F>> {
        self.look(0..self.n_steps)?.copied(room)
    }

    /// Some steps, where they lie.
    pub fn look(&self, steps: Range<usize>) -> PyResult<Piece<'_, F>> {
        Ok(Piece {
            inputs: match &self.inputs {
                Rows::Dense(source) => Inputs::Dense(source.rows(&steps)?),
                Rows::Events(events) => events.steps(steps.clone()),
            },
            targets: match &self.targets {
                Some(targets) => targets.rows(&steps)?,
                None => matrix("targets", steps.len(), 0, &[])?,
            },
            mask: self.mask.as_ref().map(|mask| mask.slice(s![steps.clone()])),
            steps,
        })
    }

    fn most_steps(&self) -> usize {
        (PIECE_BYTES / self.step_bytes().max(1)).clamp(1, self.n_steps)
    }

    /// What a copy of one step takes.
    pub fn step_bytes(&self) -> usize {
        let n_inputs = match &self.inputs {
            Rows::Dense(source) => source.shape[1],
            Rows::Events(_) => 0,
        };
        let n_outputs = self.targets.as_ref().map_or(0, |targets| targets.shape[1]);
        (n_inputs + n_outputs) * size_of::<F>()
    }
}

impl<'a, F: Real> Piece<'a, F> {
    pub fn targets(&self) -> ArrayView2<'_, F> {
        self.targets.view()
    }

    /// As one stream of a batch.
    pub fn stream(&self) -> Stream<'_, F> {
        let inputs = match &self.inputs {
            Inputs::Dense(rows) => Inputs::Dense(rows.view()),
            &Inputs::Events {
                n_inputs,
                start,
                units,
                values,
            } => Inputs::Events {
                n_inputs,
                start,
                units,
                values,
            },
        };
        Stream {
            inputs,
            targets: self.targets(),
            mask: self.mask(),
        }
    }

    pub fn mask(&self) -> Option<ArrayView1<'_, bool>> {
        self.mask.as_ref().map(|mask| mask.view())
    }

    /// The same in memory that nobody else can reach.
    pub fn copied(self, room: &'a mut Room<F>) -> PyResult<Self> {
        Ok(Self {
            inputs: match self.inputs {
                Inputs::Dense(rows) => Inputs::Dense(copied("inputs", rows, &mut room.inputs)?),
                events => events,
            },
            targets: copied("targets", self.targets, &mut room.targets)?,
            ..self
        })
    }
}

enum Rows<'py, F: Real> {
    Dense(Source<'py, F>),
    Events(Events<F>),
}

/// One array of the sequence, borrowed from NumPy, time first.
struct Source<'py, F: Real> {
    argument: &'static str,
    array: PyReadonlyArrayDyn<'py, F>,
    shape: [usize; 2],
}

impl<'py, F: Real> Source<'py, F> {
    fn new(
        argument: &'static str,
        object: &Bound<'py, PyAny>,
        n_steps: Option<usize>,
        width: usize,
    ) -> PyResult<Self> {
        let array = borrow::<F>(argument, object)?;
        match *array.shape() {
            [rows, columns] if columns == width && n_steps.is_none_or(|n| n == rows) => Ok(Self {
                argument,
                shape: [rows, columns],
                array,
            }),
            _ => {
                let steps = n_steps.map_or_else(|| "T".to_owned(), |n| n.to_string());
                let expected = format!("({steps}, {width})");
                Err(error::shape(argument, &expected, array.shape()))
            }
        }
    }

    fn rows(&self, steps: &Range<usize>) -> PyResult<ArrayView2<'_, F>> {
        let [_, width] = self.shape;
        if self.array.shape() != self.shape {
            return Err(resized(self.argument));
        }
        let numbers = self.array.as_slice().map_err(|_| resized(self.argument))?;
        let rows = &numbers[steps.start * width..steps.end * width];
        matrix(self.argument, steps.len(), width, rows)
    }
}

/// As a copy: a NumPy bool may hold any byte, a Rust bool may not.
fn read_mask(mask: &Bound<'_, PyAny>, n_steps: usize) -> PyResult<Array1<bool>> {
    let bytes = borrow::<u8>("mask", mask)?;
    if bytes.shape() != [n_steps] {
        let expected = error::tuple(&[n_steps]);
        return Err(error::shape("mask", &expected, bytes.shape()));
    }
    Ok(bytes.as_array().iter().map(|&byte| byte != 0).collect())
}

fn copied<'a, F: Real>(
    argument: &str,
    rows: ArrayView2<'_, F>,
    into: &'a mut Vec<F>,
) -> PyResult<ArrayView2<'a, F>> {
    let (n_steps, width) = rows.dim();
    into.clear();
    into.try_reserve(rows.len())
        .map_err(|_| error::no_memory(argument, &[n_steps, width]))?;
    into.extend_from_slice(rows.as_slice().ok_or_else(|| resized(argument))?);
    matrix(argument, n_steps, width, into)
}

fn matrix<'a, F>(
    argument: &str,
    n_steps: usize,
    width: usize,
    numbers: &'a [F],
) -> PyResult<ArrayView2<'a, F>> {
    ArrayView2::from_shape((n_steps, width), numbers).map_err(|_| resized(argument))
}

/// Another thread can reach an array between two pieces.
fn resized(argument: &str) -> PyErr {
    PyRuntimeError::new_err(format!(
        "{argument}: resized by another thread during the call"
    ))
}

/// How many steps fill a piece, when the last `n_steps` took this long; at most four times as many.
pub fn paced(n_steps: usize, took: Duration) -> usize {
    let fitting = PIECE.as_secs_f64() / took.as_secs_f64().max(1e-9) * n_steps as f64;
    (fitting as usize).min(n_steps.saturating_mul(4))
}
