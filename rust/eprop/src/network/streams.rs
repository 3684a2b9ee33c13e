//! Streams side by side: B states over the same weights. One stream is the ordinary case.
//!
//! Streams do not need each other up to the step at which an update is due. Then each works off its gradient, the gradients are summed,
//! and all go on from the same new weights. A single stream takes its update itself, as is cheapest in its form. DESIGN.md, "Streams and batches".
//!
//! Threads take groups of streams, which follow each other in their order, share a sum of gradients and scratch memory, and find both
//! in the cache; then pieces of the weights, for which the sums of the groups are added in their order. Groups depend on the number
//! of streams alone, so no bit depends on the number of threads.

use alloc::vec::Vec;

use ndarray::{ArrayViewMut2, ArrayViewMut3, Axis};

use super::run;
use super::tally::StreamTally;
use super::wiring::Wiring;
use crate::numbers::aligned::Aligned;
use crate::numbers::parallel;
use crate::numbers::parameter::Step;
use crate::numbers::room::Room;
use crate::numbers::walk::{Role, Walk, WalkMut, Walked, WithoutWeights};
use crate::parts::input::Inputs;
use crate::parts::stream::Stream;
use crate::{Error, Float};

/// Less work than this, in synapses passed, is not worth waking a thread for.
const WORTH_A_THREAD: usize = 1 << 18;

/// The states of B streams.
#[derive(Debug)]
pub(crate) struct Streams<N: Wiring> {
    /// At least one. The first holds what the optimizer keeps.
    states: Vec<N>,
    /// The gradients of each group of streams, one per parameter of the synapses: filled and used within an update. None of a single stream.
    sums: Vec<Vec<Aligned<N::F>>>,
    n_threads: Option<usize>,
    work: usize,
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
        let group = group_size(n_streams);
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
            n_threads: None,
            work: N::work(plan),
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
    pub(crate) fn flush(&mut self) {
        let group = group_size(self.states.len());
        for states in self.states.chunks_mut(group) {
            in_turn(states, |_, state| state.flush());
        }
    }

    /// Works off what may wait, so that equal states have equal buffers.
    pub(crate) fn catch_up(&mut self) {
        self.states.iter_mut().for_each(N::catch_up);
    }

    /// All streams read the weights of the first.
    pub(crate) fn share(&mut self) {
        let (first, rest) = split_first(&mut self.states);
        rest.iter_mut()
            .for_each(|stream| stream.share_weights(first));
    }

    pub(crate) fn reset(&mut self) {
        self.states.iter_mut().for_each(N::reset);
    }

    /// Steps of learning since the last update, and those that had a target, of all streams.
    pub(crate) fn since(&self) -> (u64, u64) {
        let all = self.states.iter().map(N::since);
        // Each count of a file may be as large as a counter may be.
        all.fold((0, 0), |(steps, targets): (u64, u64), since| {
            (
                steps.saturating_add(since.steps),
                targets.saturating_add(since.targets),
            )
        })
    }

    pub(crate) fn set_n_threads(&mut self, n_threads: Option<usize>) {
        self.n_threads = n_threads;
    }

    pub(crate) fn n_threads(&self) -> Option<usize> {
        self.n_threads
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

    /// How many threads so many steps of so many streams are worth.
    fn threads_for(&self, n_steps: usize, n_streams: usize) -> usize {
        let work = n_steps.saturating_mul(self.work).saturating_mul(n_streams);
        if n_streams == 1 || work < WORTH_A_THREAD {
            1
        } else {
            self.threads()
        }
    }

    /// Steps between two updates: as many of each stream as there are. `due`: the gradients are collected right after them.
    pub(crate) fn learn(
        &mut self,
        streams: &[Stream<'_, N::F>],
        outputs: &mut [Option<ArrayViewMut2<'_, N::F>>],
        tallies: &mut [StreamTally],
        at_once: Option<N::F>,
        due: bool,
    ) {
        if let ([state], [stream]) = (&mut self.states[..], streams) {
            let outputs = outputs.first_mut().and_then(Option::take);
            return run::learn(state, stream, outputs, &mut tallies[0], at_once);
        }
        let n_steps = streams.iter().map(|stream| stream.inputs.n_steps()).max();
        let threads = self.threads_for(n_steps.unwrap_or(0), streams.len());
        let group = group_size(self.states.len());
        let mut rest = (streams, outputs, tallies);
        let mut jobs = Vec::with_capacity(self.sums.len());
        for (states, sums) in self.states.chunks_mut(group).zip(&mut self.sums) {
            let n = states.len().min(rest.0.len());
            let (streams, more_streams) = rest.0.split_at(n);
            let (outputs, more_outputs) = core::mem::take(&mut rest.1).split_at_mut(n);
            let (tallies, more_tallies) = core::mem::take(&mut rest.2).split_at_mut(n);
            rest = (more_streams, more_outputs, more_tallies);
            jobs.push((states, sums, streams, outputs, tallies));
        }
        parallel::run(
            threads,
            jobs,
            |(states, sums, streams, outputs, tallies)| {
                if due {
                    clear(sums);
                }
                in_turn(states, |b, state| {
                    if let Some(stream) = streams.get(b) {
                        run::learn(state, stream, outputs[b].take(), &mut tallies[b], at_once);
                    }
                    if due && state.since().steps > 0 {
                        state.collect(sums);
                    }
                });
            },
        );
    }

    /// One step of each of the first `n` streams; what `learn` returns of each. `due`: the gradients are collected right after it.
    pub(crate) fn step(
        &mut self,
        n: usize,
        due: bool,
        learn: impl Fn(usize, &mut N) -> Option<f64> + Sync + Send,
    ) -> Vec<Option<f64>> {
        let mut losses = alloc::vec![None; n];
        if let [state] = &mut self.states[..] {
            losses[0] = learn(0, state);
            return losses;
        }
        let threads = self.threads_for(1, n);
        let group = group_size(self.states.len());
        let none = core::iter::repeat_with(|| &mut [][..]);
        let losses_of = losses.chunks_mut(group).chain(none);
        let jobs = self
            .states
            .chunks_mut(group)
            .zip(&mut self.sums)
            .zip(losses_of);
        parallel::run(
            threads,
            jobs.enumerate().collect(),
            |(at, ((states, sums), losses))| {
                if due {
                    clear(sums);
                }
                in_turn(states, |b, state| {
                    if let Some(loss) = losses.get_mut(b) {
                        *loss = learn(at * group + b, state);
                    }
                    if due && state.since().steps > 0 {
                        state.collect(sums);
                    }
                });
            },
        );
        losses
    }

    /// As many steps of each stream as there are, without learning.
    pub(crate) fn predict(
        &mut self,
        inputs: &[Inputs<'_, N::F>],
        outputs: Vec<Option<ArrayViewMut2<'_, N::F>>>,
        spikes: Vec<Option<ArrayViewMut2<'_, N::F>>>,
    ) {
        let n_steps = inputs.iter().map(Inputs::n_steps).max();
        let threads = self.threads_for(n_steps.unwrap_or(0), inputs.len());
        let group = group_size(self.states.len());
        let (mut outputs, mut spikes) = (outputs, spikes);
        let jobs = self.states.chunks_mut(group).zip(inputs.chunks(group));
        let jobs = jobs
            .zip(outputs.chunks_mut(group))
            .zip(spikes.chunks_mut(group))
            .collect();
        parallel::run(threads, jobs, |(((states, inputs), outputs), spikes)| {
            in_turn(states, |b, state| {
                if let Some(&inputs) = inputs.get(b) {
                    run::predict(state, inputs, outputs[b].take(), spikes[b].take());
                }
            });
        });
    }

    /// Works the gradients of all streams off into the sums of their groups.
    pub(crate) fn collect(&mut self) {
        let threads = self.threads_for(usize::MAX, self.states.len());
        let group = group_size(self.states.len());
        let jobs = self.states.chunks_mut(group).zip(&mut self.sums).collect();
        parallel::run(threads, jobs, |(states, sums): (&mut [N], &mut Vec<_>)| {
            clear(sums);
            in_turn(states, |_, state| {
                if state.since().steps > 0 {
                    state.collect(sums);
                }
            });
        });
    }

    /// One update. Of several streams, the gradients must have been collected.
    pub(crate) fn update(&mut self, step: Step<N::F>) {
        if let [state] = &mut self.states[..] {
            state.update(step);
        } else {
            self.update_together(step);
        }
        self.states.iter_mut().for_each(N::updated);
    }

    fn update_together(&mut self, step: Step<N::F>) {
        let threads = self.threads_for(usize::MAX, self.states.len());
        N::update_heads(&mut self.states, step);
        let (first, rest) = split_first(&mut self.states);
        // Nobody reads the old weights any more.
        rest.iter_mut().for_each(N::release);
        for at in 0..self.sums[0].len() {
            let sums: Vec<_> = self.sums.iter().map(|sums| &sums[at]).collect();
            if let Some(parameter) = first.parameter(at) {
                let finite = parameter.descend(step, &sums, threads);
                first.changed(at, finite);
            }
        }
        self.share();
    }

    /// The gradient of all streams, which has been used then.
    pub(crate) fn gradients(
        &mut self,
        plan: &N::Plan,
        loss: f64,
        n_targets: u64,
    ) -> Result<N::Gradients, Error> {
        if let [state] = &mut self.states[..] {
            let mut sums = Room::build(|| "the gradient".into(), |room| new_sums::<N>(room, plan))?;
            state.collect(&mut sums);
            return N::gradients(&mut self.states, &sums, loss, n_targets);
        }
        self.collect();
        let (total, rest) = self.sums.split_at_mut(1);
        for more in rest {
            for (sum, more) in total[0].iter_mut().zip(more.iter()) {
                crate::kernels::add_row(<N::F as Float>::ONE, more, sum);
            }
        }
        N::gradients(&mut self.states, &self.sums[0], loss, n_targets)
    }
}

impl<N: Wiring> Walked for Streams<N> {
    fn walk<'a>(&'a self, name: &'static str, role: Role, to: &mut dyn Walk<'a>) {
        self.states[0].walk(name, role, to);
        for state in &self.states[1..] {
            state.walk(name, role, &mut WithoutWeights(to));
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
        for state in rest {
            state.share_weights(first);
            if result.is_ok() {
                result = state.walk_mut(name, role, &mut WithoutWeights(to));
            }
        }
        result?;
        self.states.iter_mut().for_each(N::rehold);
        Ok(())
    }
}

fn split_first<N>(states: &mut [N]) -> (&mut N, &mut [N]) {
    let (first, rest) = states.split_at_mut(1);
    (&mut first[0], rest)
}

fn new_sums<N: Wiring>(room: &mut Room, plan: &N::Plan) -> Result<Vec<Aligned<N::F>>, Error> {
    let sizes = N::sums(plan);
    let mut sums = room.list(sizes.len())?;
    for (rows, width) in sizes {
        sums.push(room.zeros(rows, width)?);
    }
    Ok(sums)
}

fn clear<F: Float>(sums: &mut [Aligned<F>]) {
    sums.iter_mut().for_each(|sum| sum.fill(F::ZERO));
}

/// Streams to a group: two where there are many, so that the second finds the sum and the scratch memory of the first in the cache.
fn group_size(streams: usize) -> usize {
    (streams / 8).clamp(1, 2)
}

/// Does something for every stream of a group, which borrows the scratch memory of the first.
fn in_turn<N: Wiring>(group: &mut [N], mut work: impl FnMut(usize, &mut N)) {
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
