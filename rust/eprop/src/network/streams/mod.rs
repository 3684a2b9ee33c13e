//! Streams side by side: B states over the same weights. One stream is the ordinary case.
//!
//! Streams do not need each other up to the step at which an update is due. Then each works off its gradient, the gradients are summed,
//! and all go on from the same new weights. A single stream takes its update itself, as is cheapest in its form. DESIGN.md, "Streams and batches".
//!
//! Threads take groups of streams, which follow each other in their order, share a sum of gradients and scratch memory, and find both
//! in the cache; then pieces of the weights, for which the sums of the groups are added in their order. Groups depend on the number
//! of streams alone, so no bit depends on the number of threads.

mod groups;
mod running;
mod sums;
mod updating;

use alloc::vec::Vec;

use ndarray::{ArrayViewMut2, ArrayViewMut3, Axis};

pub(crate) use running::Progress;

use groups::{group_size, in_turn};
use sums::new_sums;

use super::schedule::Since;
use super::wiring::Wiring;
use crate::Error;
use crate::numbers::aligned::Aligned;
use crate::numbers::interrupt::{Interrupt, Pace};
use crate::numbers::parallel;
use crate::numbers::room::Room;
use crate::numbers::walk::{Role, Walk, WalkMut, Walked, WithoutWeights};

/// Less work than this, in synapses passed, is not worth waking a thread for.
const WORTH_A_THREAD: usize = 1 << 18;

/// The states of B streams.
#[derive(Debug)]
pub(crate) struct Streams<N: Wiring> {
    /// At least one. The first holds what the optimizer keeps.
    states: Vec<N>,
    /// The gradients of each group of streams, one per parameter of the synapses: filled and used within an update. None of a single stream.
    sums: Vec<Vec<Aligned<N::F>>>,
    /// Whether all of them are in those of the first group, until the update.
    gathered: bool,
    n_threads: Option<usize>,
    interrupt: Interrupt,
    work: usize,
    /// Threads over which the neurons of a stream alone are spread, at most.
    spread: usize,
    /// Streams to a group.
    group: usize,
    /// Whether streams credit their recurrent spikes side by side.
    credits: bool,
    /// Whether what they keep grows with the steps between two updates.
    grows: bool,
    /// What a pass over all of them costs a stream at most, in numbers.
    synapses: usize,
}

impl<N: Wiring> Streams<N> {
    /// Silent streams, with weights of 0 or those of another network's stream, where these can be shared.
    pub(crate) fn new(
        room: &mut Room,
        plan: &N::Plan,
        config: &N::Config,
        n_streams: usize,
        of: Option<&N>,
    ) -> Result<Self, Error> {
        let credits = N::credits(plan);
        let group = group_size(n_streams, credits);
        let mut states = room.list(n_streams)?;
        states.push(N::new(room, plan, config, of)?);
        if room.counts_only() && n_streams > 1 {
            // All others are alike, in their place within a group.
            room.times(n_streams.div_ceil(group) - 1, |room| {
                N::new(room, plan, config, Some(&states[0])).map(drop)
            })?;
            room.times(n_streams - n_streams.div_ceil(group), |room| {
                room.borrower(|room| N::new(room, plan, config, Some(&states[0])).map(drop))
            })?;
        } else {
            for at in 1..n_streams {
                let other = |room: &mut Room| N::new(room, plan, config, Some(&states[0]));
                let other = if at % group > 0 {
                    room.borrower(other)?
                } else {
                    other(room)?
                };
                states.push(other);
            }
        }
        let n_sums = if n_streams > 1 {
            n_streams.div_ceil(group)
        } else {
            0
        };
        let mut sums = room.list(n_sums)?;
        if room.counts_only() {
            room.times(n_sums, |room| new_sums::<N>(room, plan).map(drop))?;
        } else {
            for _ in 0..n_sums {
                sums.push(new_sums::<N>(room, plan)?);
            }
        }
        Ok(Self {
            states,
            sums,
            gathered: false,
            n_threads: None,
            interrupt: Interrupt::NOBODY,
            work: N::work(plan),
            spread: N::spread(plan),
            group,
            credits,
            grows: N::grows(plan),
            synapses: synapses::<N>(plan),
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.states.len()
    }

    pub(crate) fn first(&self) -> &N {
        &self.states[0]
    }

    pub(crate) fn get(&self, at: usize) -> Option<&N> {
        self.states.get(at)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &N> {
        self.states.iter()
    }

    /// For what changes no weight.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut N> {
        self.states.iter_mut()
    }

    /// The first stream, for a change that all of them see: of weights that are shared, if it is given up by all others before.
    pub(crate) fn alter<R>(&mut self, change: impl FnOnce(&mut N) -> R) -> R {
        let (first, rest) = split_first(&mut self.states);
        rest.iter_mut().for_each(N::release);
        let result = change(first);
        self.share();
        result
    }

    /// The first stream, for what changes no weight.
    pub(crate) fn first_mut(&mut self) -> &mut N {
        &mut self.states[0]
    }

    /// Before `B` changes by other ways than an update: whatever still needs the old one is worked off.
    ///
    /// # Errors
    /// [`Error::Interrupted`]: what is left of it is done later.
    pub(crate) fn flush(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        let mut flushed = Ok(());
        for states in self.states.chunks_mut(self.group) {
            in_turn(states, |_, state| {
                if flushed.is_ok() {
                    flushed = state.circle().flush(pace);
                }
            });
        }
        flushed
    }

    /// Works off what may wait, so that equal states have equal buffers.
    pub(crate) fn catch_up(&mut self) {
        let group = self.group;
        for states in self.states.chunks_mut(group) {
            in_turn(states, |_, state| state.circle().catch_up());
        }
    }

    /// All streams read the weights of the first.
    pub(crate) fn share(&mut self) {
        let (first, rest) = split_first(&mut self.states);
        rest.iter_mut()
            .for_each(|stream| stream.share_weights(first));
    }

    pub(crate) fn reset(&mut self) {
        self.states
            .iter_mut()
            .for_each(|stream| stream.circle().reset());
    }

    /// What all streams have gone through since the last update, and how many of them have.
    pub(crate) fn since(&self) -> (Since, u64) {
        let all = self.states.iter().map(N::since);
        let took_part = all.filter(|since| since.steps > 0);
        // Each count of a file may be as large as a counter may be.
        took_part.fold((Since::default(), 0), |(sum, n), since| {
            let sum = Since {
                steps: sum.steps.saturating_add(since.steps),
                targets: sum.targets.saturating_add(since.targets),
                loss: sum.loss + since.loss,
            };
            (sum, n + 1)
        })
    }

    /// Makes room for so many more steps of the first `n` streams, learning steps or others, where what is kept of them grows.
    ///
    /// # Errors
    /// [`Error::TooLarge`]: then nothing has changed but the room of some.
    pub(crate) fn reserve(&mut self, n: usize, steps: usize, learning: bool) -> Result<(), Error> {
        if !self.grows {
            return Ok(());
        }
        let (mut left, mut done) = (n, Ok(()));
        for states in self.states.chunks_mut(self.group) {
            in_turn(states, |_, state| {
                let of_stream = if left > 0 { steps } else { 0 };
                left = left.saturating_sub(1);
                if done.is_ok() {
                    done = state.circle().reserve(of_stream, learning);
                }
            });
        }
        done
    }

    pub(crate) fn set_n_threads(&mut self, n_threads: Option<usize>) {
        self.n_threads = n_threads;
    }

    pub(crate) fn n_threads(&self) -> Option<usize> {
        self.n_threads
    }

    pub(crate) fn set_interrupt(&mut self, interrupt: Interrupt) {
        self.interrupt = interrupt;
    }

    pub(crate) fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// Bytes of the lists of streams and of sums themselves.
    pub(crate) fn heap(&self) -> usize {
        let of_sums = self
            .sums
            .iter()
            .map(|sums| sums.capacity() * size_of::<Aligned<N::F>>());
        let of_states = self.states.iter().map(|state| state.heap());
        let lists: usize = of_sums.chain(of_states).sum();
        self.states.capacity() * size_of::<N>()
            + self.sums.capacity() * size_of::<Vec<Aligned<N::F>>>()
            + lists
    }

    /// How many threads there are.
    pub(crate) fn threads(&self) -> usize {
        // A number that was accepted; a variable that has become invalid since then is no reason to stop.
        parallel::threads(self.n_threads).unwrap_or(1)
    }

    /// What so many passes over the synapses cost a group of streams, whoever is active.
    fn cost(&self, passes: usize) -> usize {
        let of_stream = passes.saturating_mul(self.synapses);
        of_stream.saturating_mul(self.group)
    }

    /// How many threads so many steps of so many streams are worth: no more than there are streams.
    fn threads_for(&self, n_steps: usize, n_streams: usize) -> usize {
        let work = n_steps.saturating_mul(self.work).saturating_mul(n_streams);
        if n_streams == 1 || work < WORTH_A_THREAD {
            1
        } else {
            self.threads().min(n_streams)
        }
    }
}

impl<N: Wiring> Walked for Streams<N> {
    fn walk<'a>(&'a self, name: &'static str, role: Role, to: &mut dyn Walk<'a>) {
        self.states[0].walk(name, role, to);
        for (b, state) in self.states.iter().enumerate().skip(1) {
            to.enter("stream", Some(b));
            state.walk(name, role, &mut WithoutWeights(to));
            to.leave();
        }
        for sum in self.sums.iter().flatten() {
            sum.walk("sums", Role::Scratch, to);
        }
    }
    fn walk_mut(
        &mut self,
        name: &'static str,
        role: Role,
        to: &mut dyn WalkMut,
    ) -> Result<(), Error> {
        let (first, rest) = split_first(&mut self.states);
        rest.iter_mut().for_each(N::release);
        let mut result = first.walk_mut(name, role, to);
        for (b, state) in rest.iter_mut().enumerate() {
            state.share_weights(first);
            if result.is_ok() {
                to.enter("stream", Some(b + 1));
                result = state.walk_mut(name, role, &mut WithoutWeights(to));
                to.leave();
            }
        }
        result?;
        // To work off what was loaded.
        self.reserve(0, 0, true)?;
        self.states.iter_mut().for_each(N::rehold);
        Ok(())
    }
}

/// Numbers in the padded rows of all synapses.
pub(crate) fn synapses<N: Wiring>(plan: &N::Plan) -> usize {
    let of_each = N::sums(plan).into_iter();
    let numbers = of_each.map(|(rows, width)| rows.saturating_mul(width));
    numbers.fold(0, usize::saturating_add)
}

fn unless(stopped: bool) -> Result<(), Error> {
    match stopped {
        true => Err(Error::Interrupted),
        false => Ok(()),
    }
}

fn split_first<N>(states: &mut [N]) -> (&mut N, &mut [N]) {
    let (first, rest) = states.split_at_mut(1);
    (&mut first[0], rest)
}

/// The rows of every stream, or as many times nothing.
pub(crate) fn rows_of<F>(
    rows: Option<ArrayViewMut3<'_, F>>,
    n: usize,
) -> Vec<Option<ArrayViewMut2<'_, F>>> {
    let mut all = Vec::with_capacity(n);
    match rows {
        Some(mut rest) => {
            for _ in 0..n {
                let (one, others) = rest.split_at(Axis(0), 1);
                all.push(Some(one.index_axis_move(Axis(0), 0)));
                rest = others;
            }
        }
        None => all.resize_with(n, || None),
    }
    all
}

#[cfg(test)]
mod tests;
