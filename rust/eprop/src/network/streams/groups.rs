//! Groups of streams, which a thread takes one after the other: they share a sum of gradients and scratch memory.

use core::mem::take;

use ndarray::{ArrayViewMut2, s};

use crate::network::run;
use crate::network::tally::StreamTally;
use crate::network::wiring::Wiring;
use crate::numbers::aligned::Aligned;
use crate::numbers::gradient::PIECE;
use crate::numbers::interrupt::{Interrupt, Pace};
use crate::parts::stream::Stream;
use crate::{Error, Float};

/// Streams to a group: two where there are many, so that the second finds the sum and the scratch memory of the first in the cache. Where recurrent
/// spikes are credited, so many that they share the rows of weights that are read for it.
pub(super) fn group_size(streams: usize, credits: bool) -> usize {
    match credits {
        true => (streams / 2).clamp(1, 6),
        false => (streams / 8).clamp(1, 2),
    }
}

/// The sum of what the streams of a group have learned, in the making.
pub(super) struct Collects<'s, N: Wiring> {
    sums: &'s mut [Aligned<N::F>],
    /// Of a pass over all synapses.
    cost: usize,
    /// Whether a stream has been added: then its gradient waits nowhere else.
    is_begun: bool,
    is_stopped: bool,
}

impl<'s, N: Wiring> Collects<'s, N> {
    pub(super) fn new(sums: &'s mut [Aligned<N::F>], cost: usize) -> Self {
        Self {
            sums,
            cost,
            is_begun: false,
            is_stopped: false,
        }
    }

    /// Memory that nobody has touched yet takes long to be touched.
    fn begin(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        let mut pieces = self.sums.iter_mut().flat_map(|sum| sum.chunks_mut(PIECE));
        pieces.try_for_each(|piece| {
            piece.fill(N::F::ZERO);
            pace.pass(piece.len())
        })
    }

    /// Adds what the next stream has learned, unless it is stopped before it.
    pub(super) fn take(&mut self, state: &mut N, pace: &mut Pace<'_>) {
        self.is_stopped = self.is_stopped
            || pace.pass(self.cost).is_err()
            || !self.is_begun && self.begin(pace).is_err();
        if self.is_stopped {
            return;
        }
        self.is_begun = true;
        // A stream without steps of its own may hold what its group had collected for an update that did not come.
        let mut parameters = 0..self.sums.len();
        if state.since().steps > 0 || parameters.any(|at| waits(state, at)) {
            state.circle().collect(self.sums);
        }
    }
}

fn waits<N: Wiring>(state: &mut N, at: usize) -> bool {
    state.parameter(at).is_some_and(|parameter| parameter.waits)
}

/// Adds what the streams of a group have learned, until it is stopped. Returns whether any has been added.
pub(super) fn collect_group<N: Wiring>(
    states: &mut [N],
    sums: &mut [Aligned<N::F>],
    cost: usize,
    pace: &mut Pace<'_>,
) -> bool {
    let mut to = Collects::new(sums, cost);
    to.is_stopped = N::credit(states, true, pace).is_err();
    in_turn(states, |_, state| to.take(state, pace));
    to.is_begun
}

/// What a call teaches streams: steps of each, where its outputs go, and its sums.
pub(super) struct Taught<'c, 'x, 'o, F> {
    pub(super) streams: &'c [Stream<'x, F>],
    pub(super) outputs: &'c mut [Option<ArrayViewMut2<'o, F>>],
    pub(super) tallies: &'c mut [StreamTally],
}

impl<F: Float> Taught<'_, '_, '_, F> {
    /// Steps of the longest stream, and which is the first that is so long.
    pub(super) fn longest(&self) -> (usize, usize) {
        let lengths = || self.streams.iter().map(|stream| stream.inputs.n_steps());
        let steps = lengths().max().unwrap_or(0);
        let longest = lengths().position(|length| length == steps);
        (steps, longest.unwrap_or(0))
    }

    /// What it teaches the next `n` streams, or as many as are left.
    pub(super) fn next(&mut self, n: usize) -> Self {
        let n = n.min(self.streams.len());
        let (streams, more_streams) = self.streams.split_at(n);
        let (outputs, more_outputs) = take(&mut self.outputs).split_at_mut(n);
        let (tallies, more_tallies) = take(&mut self.tallies).split_at_mut(n);
        *self = Self {
            streams: more_streams,
            outputs: more_outputs,
            tallies: more_tallies,
        };
        Self {
            streams,
            outputs,
            tallies,
        }
    }
}

/// As many steps of each stream of a group as there are, one stream after the other. Where an update is due, each adds what it has learned while it is in the
/// cache. Returns whether any has.
pub(super) fn learn_in_turn<N: Wiring>(
    states: &mut [N],
    taught: Taught<'_, '_, '_, N::F>,
    mut to: Option<Collects<'_, N>>,
    pace: &mut Pace<'_>,
) -> bool {
    in_turn(states, |b, state| {
        if let Some(stream) = taught.streams.get(b) {
            let (rows, tally) = (taught.outputs[b].take(), &mut taught.tallies[b]);
            run::learn(state, stream, rows, tally, None, |_, _| true);
        }
        if let Some(to) = &mut to {
            to.take(state, pace);
        }
    });
    to.is_some_and(|to| to.is_begun)
}

/// As many steps of each stream of a group as there are, from one credit of recurrent spikes to the next.
pub(super) fn learn_side_by_side<N: Wiring>(states: &mut [N], taught: Taught<'_, '_, '_, N::F>) {
    let Taught {
        streams,
        outputs,
        tallies,
    } = taught;
    let lengths = streams.iter().map(|stream| stream.inputs.n_steps());
    let n_steps = lengths.max().unwrap_or(0);
    let mut from = 0;
    while from < n_steps {
        let those_that_run = states.iter().zip(streams);
        let those_that_run = those_that_run.filter(|(_, stream)| stream.inputs.n_steps() > from);
        let rest = those_that_run.map(|(state, _)| state.until_full()).min();
        let until = n_steps.min(from.saturating_add(rest.unwrap_or(usize::MAX)));
        in_turn(states, |b, state| {
            let Some(stream) = streams.get(b) else { return };
            let piece = stream.steps(from, until);
            let steps = from..from + piece.inputs.n_steps();
            if steps.is_empty() {
                return;
            }
            let rows = outputs[b].as_mut();
            let rows = rows.map(|rows| rows.slice_mut(s![steps, ..]));
            run::learn(state, &piece, rows, &mut tallies[b], None, |_, _| true);
        });
        from = until;
        if from < n_steps {
            // Not interruptible: where it takes long, a call is cut at these steps (`Streams::until_full`).
            _ = N::credit(states, false, &mut Interrupt::NOBODY.pace());
        }
    }
}

/// Does something for every stream of a group, which borrows the scratch memory of the first.
pub(super) fn in_turn<N: Wiring>(group: &mut [N], mut work: impl FnMut(usize, &mut N)) {
    for at in 0..group.len() {
        lend(group, at);
        work(at, &mut group[at]);
        lend(group, at);
    }
}

/// To the stream at `at`, or back from it.
fn lend<N: Wiring>(group: &mut [N], at: usize) {
    if at > 0 {
        let (before, from) = group.split_at_mut(at);
        before[0].swap_scratch(&mut from[0]);
    }
}
