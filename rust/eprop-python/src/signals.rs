//! Ctrl-C within a long call of the crate: the crate asks now and then whether to stop, and Python's signal handlers say so by raising.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use eprop::Interrupt;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// From one look to the next: short enough for Ctrl-C, long enough to cost nothing.
const LOOK: Duration = Duration::from_millis(30);

thread_local! {
    static LOOKED: Cell<Option<Instant>> = const { Cell::new(None) };
    /// What a handler has raised, on its way through the crate to the caller.
    static RAISED: RefCell<Option<PyErr>> = const { RefCell::new(None) };
}

/// What trainers ask whether to stop. A handler that calls the same trainer is refused by its turn before it could wait for the lock.
pub fn interrupt() -> Interrupt {
    Interrupt::when(has_raised)
}

/// The same, and work stops where `otherwise` says so, too.
pub fn interrupt_or(otherwise: impl Fn() -> bool + Send + Sync + 'static) -> Interrupt {
    Interrupt::when(move || otherwise() || has_raised())
}

fn has_raised() -> bool {
    let now = Instant::now();
    let looked = LOOKED.get();
    if looked.is_some_and(|looked| now.duration_since(looked) < LOOK) {
        return false;
    }
    LOOKED.set(Some(now));
    // None where Python is about to end.
    let raised = Python::try_attach(|py| py.check_signals().err()).flatten();
    let has_raised = raised.is_some();
    if has_raised {
        // What has been asked to stop may ask again on its way out: then nothing new has been raised.
        RAISED.set(raised);
    }
    has_raised
}

/// What the handler raised that stopped the work.
pub fn raised() -> PyErr {
    let raised = RAISED.with_borrow_mut(Option::take);
    raised.unwrap_or_else(|| stopped("the call"))
}

/// The crate stopped what nobody asked it to stop.
pub fn stopped(call: &str) -> PyErr {
    PyRuntimeError::new_err(format!("{call}: stopped before it ended; call it again"))
}
