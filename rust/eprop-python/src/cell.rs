//! One object of the crate behind its turn and its lock, and the choice between the two widths.

use std::mem::forget;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;

use crate::turn::{Held, Turn};

/// A step over no more synapses keeps the GIL: some microseconds, in which no thread could have used it.
pub const FEW_SYNAPSES: usize = 1 << 17;

/// Which warnings have been given.
#[derive(Default)]
pub struct Warned(AtomicU8);

impl Warned {
    pub fn get(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }

    pub fn set(&self, given: u8) {
        self.0.store(given, Ordering::Relaxed);
    }

    /// Whether this one has not been given yet; it has then.
    pub fn is_new(&self, warning: u8) -> bool {
        self.0.fetch_or(warning, Ordering::Relaxed) & warning == 0
    }
}

/// What one Python call at a time may use.
pub struct Cell<T> {
    turn: Turn,
    /// Shared with nobody: counted so that it can be left alone when the rest goes.
    inner: Arc<Mutex<T>>,
    /// Each warning is given once until `reset`.
    pub warned: Warned,
}

impl<T> Drop for Cell<T> {
    fn drop(&mut self) {
        // A fork caught it in the middle of its work: its buffers may be dangling.
        if self.turn.is_lost() {
            forget(Arc::clone(&self.inner));
        }
    }
}

impl<T: Send> Cell<T> {
    pub fn new(inner: T) -> Self {
        Self {
            turn: Turn::default(),
            inner: Arc::new(Mutex::new(inner)),
            warned: Warned::default(),
        }
    }

    /// The turn, for calls of several pieces.
    pub fn take(&self, py: Python<'_>) -> PyResult<Held<'_>> {
        self.turn.take(py)
    }

    /// What is inside; only with the turn in hand, so it is free, and never across a check for signals
    /// that could come back to it.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A whole call in one piece: turn taken, GIL released.
    pub fn run<R: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut T) -> R + Send,
    ) -> PyResult<R> {
        let _turn = self.take(py)?;
        Ok(py.detach(|| work(&mut self.lock())))
    }

    /// As [`Cell::run`], for work that can fail.
    pub fn attempt<R: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut T) -> Result<R, eprop::Error> + Send,
    ) -> PyResult<R> {
        self.run(py, work)?.map_err(crate::error::raise)
    }
}

/// The same in one of the two dtypes.
pub enum Wide<A, B> {
    F32(Cell<A>),
    F64(Cell<B>),
}

/// The same expression for whichever dtype it has.
macro_rules! at_width {
    ($wide:expr, $cell:ident => $body:expr) => {
        match $wide {
            $crate::cell::Wide::F32($cell) => $body,
            $crate::cell::Wide::F64($cell) => $body,
        }
    };
}
pub(crate) use at_width;

impl<A: Send, B: Send> Wide<A, B> {
    /// Builds it in the chosen dtype with the GIL released: drawing many weights takes a while.
    pub fn build(
        py: Python<'_>,
        wide: bool,
        narrow: impl FnOnce() -> Result<A, eprop::Error> + Send,
        in_f64: impl FnOnce() -> Result<B, eprop::Error> + Send,
    ) -> PyResult<Self> {
        if wide {
            py.detach(in_f64).map(|inner| Self::F64(Cell::new(inner)))
        } else {
            py.detach(narrow).map(|inner| Self::F32(Cell::new(inner)))
        }
        .map_err(crate::error::raise)
    }
}

/// Compares two: a snapshot of the other first, so that two turns are never held at once.
pub fn same<T: Send + Sync>(
    py: Python<'_>,
    one: &Cell<T>,
    other: &Cell<T>,
    copy: impl FnOnce(&mut T) -> Result<T, eprop::Error> + Send,
    equal: impl FnOnce(&T, &T) -> Result<bool, eprop::Error> + Send,
) -> PyResult<bool> {
    let snapshot = other.attempt(py, copy)?;
    one.attempt(py, |inner| equal(inner, &snapshot))
}
