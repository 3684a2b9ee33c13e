//! Whose turn it is: one Python call at a time uses a trainer, others wait in the order in which they came.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// How long a waiting thread sleeps before it looks for a signal.
const NAP: Duration = Duration::from_millis(50);

#[derive(Default)]
struct State {
    owner: Option<ThreadId>,
    queue: VecDeque<u64>,
    next_ticket: u64,
}

/// A fair lock that knows its owner, so that a call from inside a call is an error and not a deadlock.
#[derive(Default)]
pub struct Turn {
    state: Mutex<State>,
    released: Condvar,
}

/// The turn is held until this is dropped.
pub struct Held<'a>(&'a Turn);

impl Turn {
    /// Waits for the turn with the GIL released.
    ///
    /// # Errors
    /// RuntimeError if this thread has the turn already; whatever a signal handler raises while it waits.
    pub fn take(&self, py: Python<'_>) -> PyResult<Held<'_>> {
        let me = thread::current().id();
        let ticket = {
            let mut state = self.state();
            match state.owner {
                Some(owner) if owner == me => return Err(reentry()),
                None if state.queue.is_empty() => {
                    state.owner = Some(me);
                    return Ok(Held(self));
                }
                _ => state.draw_ticket(),
            }
        };
        while !py.detach(|| self.wait(me, ticket)) {
            if let Err(interrupt) = py.check_signals() {
                self.leave_queue(ticket);
                return Err(interrupt);
            }
        }
        Ok(Held(self))
    }

    /// One nap at most; true once the turn is ours.
    fn wait(&self, me: ThreadId, ticket: u64) -> bool {
        let not_yet =
            |state: &mut State| state.owner.is_some() || state.queue.front() != Some(&ticket);
        let (mut state, nap) = self
            .released
            .wait_timeout_while(self.state(), NAP, not_yet)
            .unwrap_or_else(PoisonError::into_inner);
        if nap.timed_out() {
            return false;
        }
        state.queue.pop_front();
        state.owner = Some(me);
        true
    }

    fn leave_queue(&self, ticket: u64) {
        self.state().queue.retain(|&waiting| waiting != ticket);
        self.released.notify_all();
    }

    // Nothing that can panic runs under this lock, and a state of two fields is never half-written.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn draw_ticket(&mut self) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.queue.push_back(ticket);
        ticket
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.owner = None;
        // Waking nobody costs a system call, and whoever waits stands in the queue.
        if !state.queue.is_empty() {
            self.0.released.notify_all();
        }
    }
}

fn reentry() -> PyErr {
    PyRuntimeError::new_err(
        "this trainer is in the middle of a call of this same thread (a signal handler that uses it, say); \
         let that call return first, or work on a copy made beforehand",
    )
}
