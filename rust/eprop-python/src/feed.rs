//! A sequence in NumPy's memory, handed to the crate in pieces of some tens of milliseconds.
//! Results never depend on where the pieces end: the crate carries every sum from one to the next.

use std::ops::Range;
use std::time::{Duration, Instant};

use numpy::ndarray::{Array1, Array2, ArrayView1, ArrayView2, s};
use numpy::{Element, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::arrays::{Real, borrow};
use crate::error;

/// Between two checks for signals: short enough for Ctrl-C, long enough to cost nothing.
const PIECE: Duration = Duration::from_millis(30);
/// What the copies of one piece may take, if a single step does not take more.
const PIECE_BYTES: usize = 1 << 22;

/// One array of the sequence, borrowed from NumPy, time first.
struct Source<'py, E: Element> {
    argument: &'static str,
    array: PyReadonlyArrayDyn<'py, E>,
    shape: Vec<usize>,
}

impl<'py, E: Element + Copy> Source<'py, E> {
    fn new(
        argument: &'static str,
        object: &Bound<'py, PyAny>,
        n_steps: Option<usize>,
        width: Option<usize>,
    ) -> PyResult<Self> {
        let array = borrow::<E>(argument, object)?;
        let shape = array.shape().to_vec();
        let steps = n_steps.or(shape.first().copied()).unwrap_or(0);
        let expected: Vec<usize> = [steps].into_iter().chain(width).collect();
        if shape != expected {
            return Err(error::shape(argument, &named(n_steps, width), &shape));
        }
        Ok(Self {
            argument,
            array,
            shape,
        })
    }

    /// Copies steps; another thread may have resized the array in place since the last piece.
    fn copy(&self, rows: &Range<usize>, into: &mut [E]) -> PyResult<()> {
        let width: usize = self.shape.iter().skip(1).product();
        let changed = || {
            PyRuntimeError::new_err(format!(
                "{}: resized by another thread during the call",
                self.argument
            ))
        };
        if self.array.shape() != self.shape {
            return Err(changed());
        }
        let numbers = self.array.as_slice().map_err(|_| changed())?;
        into.copy_from_slice(&numbers[rows.start * width..rows.end * width]);
        Ok(())
    }
}

/// `(T, 40)`, `(100, 40)` or `(100,)`.
fn named(n_steps: Option<usize>, width: Option<usize>) -> String {
    let steps = n_steps.map_or_else(|| "T".to_owned(), |n| n.to_string());
    match width {
        Some(width) => format!("({steps}, {width})"),
        None => format!("({steps},)"),
    }
}

/// A sequence whose shapes fit each other and the trainer.
pub struct Feed<'py, F: Real> {
    n_steps: usize,
    inputs: Source<'py, F>,
    targets: Option<Source<'py, F>>,
    // As bytes: a NumPy bool may hold any byte, a Rust bool may not.
    mask: Option<Source<'py, u8>>,
}

/// The copy of some consecutive steps.
pub struct Piece<F> {
    pub steps: Range<usize>,
    inputs: Array2<F>,
    targets: Array2<F>,
    mask: Option<Array1<bool>>,
}

impl<'py, F: Real> Feed<'py, F> {
    pub fn inputs(inputs: &Bound<'py, PyAny>, n_inputs: usize) -> PyResult<Self> {
        let inputs = Source::new("inputs", inputs, None, Some(n_inputs))?;
        let n_steps = inputs.shape[0];
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
        let steps = Some(self.n_steps);
        self.targets = Some(Source::new("targets", targets, steps, Some(n_outputs))?);
        self.mask = mask
            .map(|mask| Source::new("mask", mask, steps, None))
            .transpose()?;
        Ok(self)
    }

    pub fn n_steps(&self) -> usize {
        self.n_steps
    }

    /// Copies a piece under the GIL, works on it without, looks for signals, and so on.
    ///
    /// # Errors
    /// What `work` or a signal handler raises; the pieces before it are done.
    pub fn in_pieces(
        &self,
        py: Python<'py>,
        mut work: impl FnMut(&Piece<F>) -> Result<(), eprop::Error> + Send,
    ) -> PyResult<()> {
        let most = self.most_steps();
        let mut piece = self.buffers(most);
        let mut n_steps = 1;
        loop {
            let start = piece.steps.end;
            piece.steps = start..self.n_steps.min(start + n_steps);
            self.copy(&mut piece)?;
            let begun = Instant::now();
            py.detach(|| work(&piece)).map_err(error::raise)?;
            if piece.steps.end == self.n_steps {
                return Ok(());
            }
            n_steps = paced(n_steps, begun.elapsed()).clamp(1, most);
            py.check_signals()?;
        }
    }

    /// Checks the sequence piece by piece, and what is wrong again as a whole: messages count steps from its start.
    pub fn check(
        &self,
        py: Python<'py>,
        mut check: impl FnMut(&Piece<F>) -> Result<(), eprop::Error> + Send,
    ) -> PyResult<()> {
        let Err(error) = self.in_pieces(py, &mut check) else {
            return Ok(());
        };
        if error.is_instance_of::<PyValueError>(py) {
            let mut whole = self.buffers(self.n_steps);
            whole.steps = 0..self.n_steps;
            self.copy(&mut whole)?;
            py.detach(|| check(&whole)).map_err(error::raise)?;
        }
        Err(error)
    }

    fn most_steps(&self) -> usize {
        let width =
            self.inputs.shape[1] + self.targets.as_ref().map_or(0, |targets| targets.shape[1]);
        (PIECE_BYTES / (width * size_of::<F>()).max(1)).clamp(1, self.n_steps)
    }

    fn buffers(&self, n_steps: usize) -> Piece<F> {
        let n_outputs = self.targets.as_ref().map_or(0, |targets| targets.shape[1]);
        Piece {
            steps: 0..0,
            inputs: Array2::default((n_steps, self.inputs.shape[1])),
            targets: Array2::default((n_steps, n_outputs)),
            mask: self.mask.as_ref().map(|_| Array1::default(n_steps)),
        }
    }

    fn copy(&self, piece: &mut Piece<F>) -> PyResult<()> {
        let n = piece.steps.len();
        if let Some(rows) = piece.inputs.slice_mut(s![..n, ..]).as_slice_mut() {
            self.inputs.copy(&piece.steps, rows)?;
        }
        if let (Some(targets), Some(rows)) = (
            &self.targets,
            piece.targets.slice_mut(s![..n, ..]).as_slice_mut(),
        ) {
            targets.copy(&piece.steps, rows)?;
        }
        if let (Some(source), Some(mask)) = (&self.mask, &mut piece.mask) {
            let mut bytes = vec![0; n];
            source.copy(&piece.steps, &mut bytes)?;
            mask.iter_mut()
                .zip(bytes)
                .for_each(|(to, from)| *to = from != 0);
        }
        Ok(())
    }
}

impl<F> Piece<F> {
    pub fn inputs(&self) -> ArrayView2<'_, F> {
        self.inputs.slice(s![..self.steps.len(), ..])
    }

    pub fn targets(&self) -> ArrayView2<'_, F> {
        self.targets.slice(s![..self.steps.len(), ..])
    }

    pub fn mask(&self) -> Option<ArrayView1<'_, bool>> {
        self.mask
            .as_ref()
            .map(|mask| mask.slice(s![..self.steps.len()]))
    }
}

/// How many steps fill a piece, when the last `n_steps` took this long; at most four times as many.
fn paced(n_steps: usize, took: Duration) -> usize {
    let fitting = PIECE.as_secs_f64() / took.as_secs_f64().max(1e-9) * n_steps as f64;
    (fitting as usize).min(n_steps.saturating_mul(4))
}
