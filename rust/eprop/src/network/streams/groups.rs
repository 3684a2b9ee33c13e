//! Groups of streams, which a thread takes one after the other: they share a sum of gradients and scratch memory.

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
    pub(super) is_begun: bool,
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
        if state.since().steps > 0 {
            state.circle().collect(self.sums);
        }
    }
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

/// As many steps of each stream of a group as there are, from one credit of recurrent spikes to the next.
pub(super) fn learn_side_by_side<N: Wiring>(
    states: &mut [N],
    streams: &[Stream<'_, N::F>],
    outputs: &mut [Option<ArrayViewMut2<'_, N::F>>],
    tallies: &mut [StreamTally],
) {
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
