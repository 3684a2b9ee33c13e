//! Whose turn it is: one Python call at a time uses a trainer, others wait in the order in which they came.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread, ThreadId};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::fork;

/// How long a waiting thread sleeps before it looks for a signal.
const NAP: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, PartialEq)]
enum Owner {
    Nobody,
    Thread(ThreadId),
    /// A thread of the process from which this one was forked: it does not exist here.
    Lost,
}

struct Waiting {
    ticket: u64,
    thread: Thread,
}

struct State {
    /// The number of the fork in which owner and queue are threads.
    forks: u64,
    owner: Owner,
    queue: VecDeque<Waiting>,
    next_ticket: u64,
}

/// A fair lock that knows its owner, so that a call from inside a call is an error and not a deadlock.
///
/// Its state is looked at with the GIL in hand only. A fork of Python's holds the GIL as well, so a child never finds
/// the mutex locked by a thread that stayed behind.
pub struct Turn(Mutex<State>);

/// The turn is held until this is dropped, on the same thread: where the GIL is held.
pub struct Held<'a> {
    turn: &'a Turn,
    me: ThreadId,
    same_thread: PhantomData<*const ()>,
}

impl Default for Turn {
    fn default() -> Self {
        Self(Mutex::new(State {
            forks: fork::count(),
            owner: Owner::Nobody,
            queue: VecDeque::new(),
            next_ticket: 0,
        }))
    }
}

impl Turn {
    /// Waits for the turn with the GIL released.
    ///
    /// # Errors
    /// RuntimeError if this thread has the turn already, or if a thread had it that a fork left behind; whatever a
    /// signal handler raises while it waits.
    pub fn take(&self, py: Python<'_>) -> PyResult<Held<'_>> {
        let me = thread::current().id();
        let ticket = {
            let mut state = self.state(me);
            match state.owner {
                Owner::Lost => return Err(lost()),
                Owner::Thread(owner) if owner == me => return Err(reentry()),
                Owner::Nobody if state.queue.is_empty() => {
                    state.owner = Owner::Thread(me);
                    return Ok(self.held(me));
                }
                _ => state.draw_ticket(),
            }
        };
        loop {
            py.detach(|| thread::park_timeout(NAP));
            if self.state(me).call(me, ticket) {
                return Ok(self.held(me));
            }
            let owner = self.state(me).owner; // and the lock is free again: a handler comes back to it
            let going_on = if owner == Owner::Lost {
                Err(lost())
            } else {
                py.check_signals()
            };
            if let Err(error) = going_on {
                self.state(me).leave(ticket);
                return Err(error);
            }
        }
    }

    /// Whether a fork left the owner behind, in the middle of its work.
    pub fn is_lost(&self) -> bool {
        self.state(thread::current().id()).owner == Owner::Lost
    }

    fn held(&self, me: ThreadId) -> Held<'_> {
        Held {
            turn: self,
            me,
            same_thread: PhantomData,
        }
    }

    // Nothing that can panic runs under this lock.
    fn state(&self, me: ThreadId) -> MutexGuard<'_, State> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.outlive_forks(me);
        state
    }
}

impl State {
    /// Only the thread that forked lives on in the child.
    fn outlive_forks(&mut self, me: ThreadId) {
        if self.forks == fork::count() {
            return;
        }
        self.forks = fork::count();
        self.queue.retain(|waiting| waiting.thread.id() == me);
        if self.owner != Owner::Nobody && self.owner != Owner::Thread(me) {
            self.owner = Owner::Lost;
        }
    }

    fn draw_ticket(&mut self) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let thread = thread::current();
        self.queue.push_back(Waiting { ticket, thread });
        ticket
    }

    /// Gives the turn to a thread that waits, if it is its turn.
    fn call(&mut self, me: ThreadId, ticket: u64) -> bool {
        // By thread and not by ticket: a handler that runs in a waiting thread has a later ticket, and its thread's
        // place. It would wait for its own thread otherwise.
        let first = self.queue.front().map(|first| first.thread.id());
        if self.owner != Owner::Nobody || first != Some(me) {
            return false;
        }
        self.queue.retain(|waiting| waiting.ticket != ticket);
        self.owner = Owner::Thread(me);
        true
    }

    fn leave(&mut self, ticket: u64) {
        self.queue.retain(|waiting| waiting.ticket != ticket);
        self.wake();
    }

    fn wake(&self) {
        if let (Owner::Nobody, Some(first)) = (self.owner, self.queue.front()) {
            first.thread.unpark();
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut state = self.turn.state(self.me);
        state.owner = Owner::Nobody;
        state.wake();
    }
}

fn reentry() -> PyErr {
    PyRuntimeError::new_err(
        "this trainer is in the middle of a call of this same thread (a signal handler that uses it, say); \
         let that call return first, or work on a copy made beforehand",
    )
}

fn lost() -> PyErr {
    PyRuntimeError::new_err(
        "this trainer was in the middle of a call when this process was forked: the thread of that call does not exist \
         here, and the state may be half-written. Make a copy before the fork (copy.copy), start processes with \
         multiprocessing's method \"spawn\", or load a saved trainer",
    )
}
