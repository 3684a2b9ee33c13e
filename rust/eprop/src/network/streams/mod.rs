//! Streams side by side: B states over the same weights. One stream is the ordinary case.
//!
//! Streams do not need each other up to the step at which an update is due. Then each works off its gradient, the gradients are summed,
//! and all go on from the same new weights. A single stream takes its update itself, as is cheapest in its form. DESIGN.md, "Streams and batches".
//!
//! Threads take groups of streams, which follow each other in their order, share a sum of gradients and scratch memory, and find both
//! in the cache; then pieces of the weights, for which the sums of the groups are added in their order. Groups depend on the number
//! of streams alone, so no bit depends on the number of threads.

mod groups;
mod sums;

use alloc::vec::Vec;

use ndarray::{ArrayViewMut2, ArrayViewMut3, Axis};

use groups::{Collects, collect_group, group_size, in_turn, learn_side_by_side};
use sums::{gather_into, kinds, new_sums, parallel_squares};

use super::run;
use super::schedule::Since;
use super::tally::StreamTally;
use super::wiring::{Sum, Wiring};
use crate::numbers::aligned::Aligned;
use crate::numbers::interrupt::{Interrupt, Pace};
use crate::numbers::parallel::{self, Until};
use crate::numbers::room::Room;
use crate::numbers::step::Split;
use crate::numbers::walk::{Role, Walk, WalkMut, Walked, WithoutWeights};
use crate::parts::input::Inputs;
use crate::parts::optimizer::{Optimizer, Steps};
use crate::parts::stream::Stream;
use crate::{Error, Float, kernels};

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

/// How far a run of steps got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Steps of the stream that got furthest.
    pub(crate) steps: usize,
    /// Whether every stream has taken its steps and, where an update is due, its gradient is in the sums.
    pub(crate) whole: bool,
    /// Whether somebody stopped it, even where nothing was left to be given up.
    pub(crate) stopped: bool,
}

impl Progress {
    /// # Errors
    /// [`Error::Interrupted`].
    pub(crate) fn unless_stopped(self) -> Result<(), Error> {
        unless(self.stopped)
    }
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

    /// Steps between two updates: as many of each stream as there are. `due`: the gradients are collected right after them.
    ///
    /// It may be stopped between two groups of streams, or while a group collects: then the first groups, one that is the longest among them, have taken their
    /// steps, the others have not, and nothing is collected.
    pub(crate) fn learn(
        &mut self,
        streams: &[Stream<'_, N::F>],
        outputs: &mut [Option<ArrayViewMut2<'_, N::F>>],
        tallies: &mut [StreamTally],
        at_once: Option<&mut Optimizer>,
        due: bool,
    ) -> Progress {
        if let ([state], [stream]) = (&mut self.states[..], streams) {
            let outputs = outputs.first_mut().and_then(Option::take);
            let go_on = go_on(&self.interrupt, self.synapses);
            let n_steps = stream.inputs.n_steps();
            let steps = run::learn(state, stream, outputs, &mut tallies[0], at_once, go_on);
            return Progress {
                steps,
                whole: steps == n_steps,
                stopped: steps < n_steps,
            };
        }
        if self.ready_together().is_err() {
            return Progress {
                steps: 0,
                whole: false,
                stopped: true,
            };
        }
        let lengths = || streams.iter().map(|stream| stream.inputs.n_steps());
        let steps = lengths().max().unwrap_or(0);
        let threads = self.threads_for(steps, streams.len());
        let group = self.group;
        let longest = lengths().position(|length| length == steps);
        let at_least = longest.unwrap_or(0) / group + 1;
        let until = Until::asked(&self.interrupt, at_least, self.cost(steps + 1));
        let mut rest = (streams, outputs, tallies);
        let mut jobs = Vec::with_capacity(self.sums.len());
        let mut collected = alloc::vec![false; self.sums.len()];
        let groups = self.states.chunks_mut(group).zip(&mut self.sums);
        for ((states, sums), collected) in groups.zip(&mut collected) {
            let n = states.len().min(rest.0.len());
            let (streams, more_streams) = rest.0.split_at(n);
            let (outputs, more_outputs) = core::mem::take(&mut rest.1).split_at_mut(n);
            let (tallies, more_tallies) = core::mem::take(&mut rest.2).split_at_mut(n);
            rest = (more_streams, more_outputs, more_tallies);
            jobs.push((states, (sums, collected), streams, outputs, tallies));
        }
        let n_groups = jobs.len();
        let (credits, cost) = (self.credits, self.synapses);
        let done = parallel::run_until(
            threads,
            jobs,
            until,
            |(states, (sums, collected), streams, outputs, tallies), pace| {
                if credits {
                    learn_side_by_side(states, streams, outputs, tallies);
                    if due {
                        *collected = collect_group(states, sums, cost, pace);
                    }
                    return;
                }
                let mut to = Collects::new(sums, cost);
                in_turn(states, |b, state| {
                    if let Some(stream) = streams.get(b) {
                        let (rows, tally) = (outputs[b].take(), &mut tallies[b]);
                        run::learn(state, stream, rows, tally, None, |_, _| true);
                    }
                    if due {
                        to.take(state, pace);
                    }
                });
                *collected = to.is_begun;
            },
        );
        // Where an update is due, it is given up, too.
        let whole = done.pieces == n_groups && !(due && done.stopped);
        if due && !whole {
            self.take_back(&collected);
        }
        Progress {
            steps,
            whole,
            stopped: done.stopped,
        }
    }

    /// Work that is asked within a group of streams, too, where it takes so long.
    fn is_large(&self) -> bool {
        // A block is some dozens of steps, each of which credits every synapse.
        let steps = if self.credits { 32 } else { 1 };
        self.interrupt.comes_in(self.synapses.saturating_mul(steps))
    }

    /// How many steps the streams of a call may take before some would have to work off what was kept of others, where it takes long.
    pub(crate) fn until_full(&self) -> usize {
        match self.states.len() > 1 && self.is_large() {
            true => {
                (self.states.iter()).fold(usize::MAX, |least, state| least.min(state.until_full()))
            }
            false => usize::MAX,
        }
    }

    /// Before steps of several streams: what these would have to do first, where it takes long. Within a step it is not interruptible.
    ///
    /// # Errors
    /// [`Error::Interrupted`]: what is left of it is done later.
    pub(crate) fn ready_together(&mut self) -> Result<(), Error> {
        if !self.is_large() || self.states.iter().all(N::is_ready) {
            return Ok(());
        }
        let threads = self.threads_for(usize::MAX, self.states.len());
        let until = Until::asked(&self.interrupt, 0, self.cost(1));
        let jobs = self.states.chunks_mut(self.group).collect();
        let done = parallel::run_until(threads, jobs, until, |states: &mut [N], pace| {
            let mut going_on = N::credit(states, false, pace);
            in_turn(states, |_, state| {
                if going_on.is_ok() {
                    going_on = state.circle().ready(pace);
                }
            });
        });
        unless(done.stopped)
    }

    /// As [`take_back`](Self::take_back), of all groups.
    /// An update that was prepared does not come: what was collected of several streams waits.
    pub(crate) fn take_back_all(&mut self) {
        self.take_back(&alloc::vec![true; self.sums.len()]);
    }

    /// What groups have collected waits in their first streams, for another update: this one does not come.
    fn take_back(&mut self, collected: &[bool]) {
        self.gathered = false;
        let group = self.group;
        let groups = self.states.chunks_mut(group).zip(&mut self.sums);
        for ((states, sums), collected) in groups.zip(collected) {
            if *collected && states.iter().any(|state| state.since().steps > 0) {
                states[0].circle().take_back(sums);
            }
        }
    }

    /// The steps of stream `b` alone, whose output is then that of the last of them.
    ///
    /// # Errors
    /// [`Error::Interrupted`] between two steps.
    pub(crate) fn predict_alone(
        &mut self,
        b: usize,
        inputs: Inputs<'_, N::F>,
    ) -> Result<(), Error> {
        let (mut pace, cost) = (self.interrupt.pace(), self.synapses);
        let go_on = |t, _: &mut N| t == 0 || pace.pass(cost).is_ok();
        let steps = run::predict(&mut self.states[b], inputs, None, None, go_on);
        unless(steps < inputs.n_steps())
    }

    /// One step of each of the first `n` streams; what `learn` returns of each. `due`: the gradients are collected right after it. It may be stopped as
    /// [`learn`](Self::learn).
    pub(crate) fn step(
        &mut self,
        n: usize,
        due: bool,
        at_once: Option<&mut Optimizer>,
        learn: impl Fn(usize, &mut N, Option<&mut Optimizer>) -> Option<f64> + Sync + Send,
    ) -> (Vec<Option<f64>>, Progress) {
        let mut losses = alloc::vec![None; n];
        let mut progress = Progress {
            steps: 1,
            whole: true,
            stopped: false,
        };
        if let [state] = &mut self.states[..] {
            losses[0] = learn(0, state, at_once);
            return (losses, progress);
        }
        let threads = self.threads_for(1, n);
        let group = self.group;
        let none = core::iter::repeat_with(|| &mut [][..]);
        let losses_of = losses.chunks_mut(group).chain(none);
        let until = Until::asked(&self.interrupt, 1, self.cost(2));
        let mut collected = alloc::vec![false; self.sums.len()];
        let of_groups = losses_of.zip(&mut collected);
        let jobs = self
            .states
            .chunks_mut(group)
            .zip(&mut self.sums)
            .zip(of_groups);
        let cost = self.synapses;
        let done = parallel::run_until(
            threads,
            jobs.enumerate().collect(),
            until,
            |(at, ((states, sums), (losses, collected))), pace| {
                in_turn(states, |b, state| {
                    if let Some(loss) = losses.get_mut(b) {
                        *loss = learn(at * group + b, state, None);
                    }
                });
                if due {
                    *collected = collect_group(states, sums, cost, pace);
                }
            },
        );
        progress.whole = done.pieces == self.sums.len() && !(due && done.stopped);
        progress.stopped = done.stopped;
        if due && !progress.whole {
            self.take_back(&collected);
        }
        (losses, progress)
    }

    /// How many threads so many steps of a stream alone are worth: a network that is large enough has its neurons spread over them.
    pub(crate) fn threads_of_one(&self, n_steps: usize) -> usize {
        match self.states.len() == 1 && n_steps > 1 && self.spread > 1 {
            true => self.threads().min(self.spread),
            false => 1,
        }
    }

    /// As many steps of each stream as there are, without learning.
    ///
    /// # Errors
    /// [`Error::Interrupted`]: then the first streams have taken their steps, the others have not; a stream alone has taken some of them.
    pub(crate) fn predict(
        &mut self,
        inputs: &[Inputs<'_, N::F>],
        outputs: Vec<Option<ArrayViewMut2<'_, N::F>>>,
        spikes: Vec<Option<ArrayViewMut2<'_, N::F>>>,
    ) -> Result<(), Error> {
        let n_steps = inputs.iter().map(Inputs::n_steps).max();
        let threads = self.threads_for(n_steps.unwrap_or(0), inputs.len());
        let group = self.group;
        if self.states.len() > 1 {
            self.ready_together()?;
        }
        let (mut outputs, mut spikes) = (outputs, spikes);
        if let ([state], [inputs]) = (&mut self.states[..], inputs) {
            let go_on = go_on(&self.interrupt, self.synapses);
            let (outputs, spikes) = (outputs[0].take(), spikes[0].take());
            let steps = run::predict(state, *inputs, outputs, spikes, go_on);
            return unless(steps < inputs.n_steps());
        }
        let until = Until::asked(&self.interrupt, 0, self.cost(n_steps.unwrap_or(0)));
        let jobs = self.states.chunks_mut(group).zip(inputs.chunks(group));
        let jobs = jobs
            .zip(outputs.chunks_mut(group))
            .zip(spikes.chunks_mut(group))
            .collect();
        let done = parallel::run_until(
            threads,
            jobs,
            until,
            |(((states, inputs), outputs), spikes), _| {
                in_turn(states, |b, state| {
                    if let Some(&inputs) = inputs.get(b) {
                        let (outputs, spikes) = (outputs[b].take(), spikes[b].take());
                        run::predict(state, inputs, outputs, spikes, |_, _| true);
                    }
                });
            },
        );
        unless(done.stopped)
    }

    /// Works the gradients of all streams off into the sums of their groups.
    ///
    /// # Errors
    /// [`Error::Interrupted`]: then nothing is collected, and all gradients wait.
    pub(crate) fn collect(&mut self) -> Result<(), Error> {
        let threads = self.threads_for(usize::MAX, self.states.len());
        let group = self.group;
        let until = Until::asked(&self.interrupt, 0, self.cost(1));
        let mut collected = alloc::vec![false; self.sums.len()];
        let groups = self.states.chunks_mut(group).zip(&mut self.sums);
        let cost = self.synapses;
        let done = parallel::run_until(
            threads,
            groups.zip(&mut collected).collect(),
            until,
            |((states, sums), collected): ((&mut [N], &mut Vec<_>), _), pace| {
                *collected = collect_group(states, sums, cost, pace);
            },
        );
        if done.stopped {
            self.take_back(&collected);
        }
        unless(done.stopped)
    }

    /// Before an update of several streams: their gradients become that of the first group, where to add them up takes long enough to be stopped. Then what
    /// nobody stops passes one gradient, whatever the number of streams. No bit depends on it.
    ///
    /// # Errors
    /// [`Error::Interrupted`]: then all gradients wait.
    pub(crate) fn gather(&mut self) -> Result<(), Error> {
        let numbers = self.synapses.saturating_mul(self.sums.len());
        if self.sums.len() < 2 || !self.interrupt.comes_in(numbers) {
            return Ok(());
        }
        let mut pace = self.interrupt.pace();
        let (first, rest) = split_first(&mut self.sums);
        let gathered = rest.iter_mut().try_for_each(|sums| {
            let mut pairs = first.iter_mut().zip(sums);
            pairs.try_for_each(|(to, from)| gather_into(to, from, &mut pace))
        });
        match gathered {
            Ok(()) => self.gathered = true,
            Err(_) => self.take_back_all(),
        }
        gathered
    }

    /// The groups that hold something.
    fn summed(&self) -> usize {
        match self.gathered {
            true => 1,
            false => self.sums.len(),
        }
    }

    /// The squared length of the gradient of the loss that waits for an update, of each group of weights. Of several streams, the gradients must have
    /// been collected.
    ///
    /// # Errors
    /// [`Error::Interrupted`]: then all gradients wait.
    pub(crate) fn squared_lengths(&mut self, to: &mut [f64]) -> Result<(), Error> {
        if let [state] = &mut self.states[..] {
            return state
                .circle()
                .squared_lengths(to, &mut self.interrupt.pace());
        }
        to.fill(0.0);
        let threads = self.threads_for(usize::MAX, self.states.len());
        let summed = &self.sums[..self.summed()];
        N::gather_heads(&mut self.states);
        let (first, _) = split_first(&mut self.states);
        first.circle().head_squared_length(to);
        for at in 0..summed[0].len() {
            if let Some(parameter) = first.parameter(at) {
                let len = parameter.rows.len();
                let groups = first.groups_of(at);
                let cut = groups.cut.min(len);
                for (group, part) in [(groups.before, 0..cut), (groups.from, cut..len)] {
                    let of_loss = summed.iter().map(|sums| &sums[at][part.clone()]);
                    let of_loss = [of_loss.collect()];
                    match parallel_squares(&of_loss, threads, &self.interrupt) {
                        Ok(squared_length) => to[group] += squared_length,
                        Err(stopped) => {
                            self.take_back_all();
                            return Err(stopped);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// The same of every neuron, one group of weights after the other.
    ///
    /// # Errors
    /// [`Error::Interrupted`]: then all gradients wait.
    pub(crate) fn lengths_of_neurons(&mut self, to: &mut [f64]) -> Result<(), Error> {
        let mut pace = self.interrupt.pace();
        if let [state] = &mut self.states[..] {
            return state.circle().lengths_of_neurons(&[], to, &mut pace);
        }
        N::gather_heads(&mut self.states);
        let summed = &self.sums[..self.summed()];
        let (first, _) = split_first(&mut self.states);
        let measured = first.circle().lengths_of_neurons(summed, to, &mut pace);
        if measured.is_err() {
            self.take_back_all();
        }
        measured
    }

    /// Before a step of the first stream: what it would have to do first.
    ///
    /// # Errors
    /// [`Error::Interrupted`]: what is left of it is done later.
    pub(crate) fn ready(&mut self) -> Result<(), Error> {
        let (first, _) = split_first(&mut self.states);
        first.circle().ready(&mut self.interrupt.pace())
    }

    /// Before an update that measures nothing, of a stream alone: works its gradient off where that takes long enough to be stopped. An update is a change of all
    /// weights, and nobody stops it: so the last question comes just before it.
    ///
    /// # Errors
    /// [`Error::Interrupted`]: all of the gradient waits.
    pub(crate) fn settle(&mut self) -> Result<(), Error> {
        match &mut self.states[..] {
            [state] if self.interrupt.comes_in(self.synapses) => {
                let mut pace = self.interrupt.pace();
                state.circle().settle(&mut pace)?;
                pace.pass(self.synapses)
            }
            _ => Ok(()),
        }
    }

    /// The squared length of all of the gradient that waits, the regulariser's part included. Of several streams, the gradients must have been collected.
    ///
    /// # Errors
    /// [`Error::Interrupted`]: then all gradients wait.
    pub(crate) fn whole_length(&mut self) -> Result<f64, Error> {
        if let [state] = &mut self.states[..] {
            return state.circle().whole_length(&mut self.interrupt.pace());
        }
        let threads = self.threads_for(usize::MAX, self.states.len());
        N::gather_heads(&mut self.states);
        let summed = &self.sums[..self.summed()];
        let (first, _) = split_first(&mut self.states);
        let mut squared = first.circle().head_whole_length();
        for at in 0..summed[0].len() {
            if let Some(parameter) = first.parameter(at) {
                let gradients = kinds(summed, at, parameter.rows.len());
                match parallel_squares(&gradients, threads, &self.interrupt) {
                    Ok(squared_length) => squared += squared_length,
                    Err(stopped) => {
                        self.take_back_all();
                        return Err(stopped);
                    }
                }
            }
        }
        Ok(squared)
    }

    /// One update. Of several streams, the gradients must have been collected.
    pub(crate) fn update(&mut self, steps: Steps<'_>) {
        if let [state] = &mut self.states[..] {
            state.circle().update(steps);
        } else {
            self.update_together(steps);
        }
        self.gathered = false;
        self.states.iter_mut().for_each(N::updated);
    }

    /// Before an update: where synapses may move, takes memory for what comes of it.
    ///
    /// # Errors
    /// [`Error::TooLarge`], and then nothing has changed.
    pub(crate) fn prepare_rewiring(&mut self, plan: &N::Plan) -> Result<(), Error> {
        if !N::rewires(plan) {
            return Ok(());
        }
        self.alter(|first| first.circle().prepare_rewiring())
    }

    /// After it: synapses whose weights have crossed 0 move.
    pub(crate) fn rewire(&mut self, plan: &mut N::Plan, optimizer: &Optimizer) {
        if !N::rewires(plan) {
            return;
        }
        let (first, rest) = split_first(&mut self.states);
        rest.iter_mut().for_each(N::release);
        if let Some(mut round) = first.circle().round(optimizer) {
            for states in self.states.chunks_mut(self.group) {
                in_turn(states, |_, state| state.circle().rewire(&mut round));
            }
        }
        self.share();
        N::take_wires(plan, self.first());
    }

    fn update_together(&mut self, steps: Steps<'_>) {
        let threads = self.threads_for(usize::MAX, self.states.len());
        N::gather_heads(&mut self.states);
        let summed = &self.sums[..self.summed()];
        let (first, rest) = split_first(&mut self.states);
        // The old weights are read no more.
        rest.iter_mut().for_each(N::release);
        first.circle().update_head(steps);
        for at in 0..summed[0].len() {
            let groups = first.groups_of(at);
            if let Some(parameter) = first.parameter(at) {
                let gradients = kinds(summed, at, parameter.rows.len());
                let split: Split<_> = groups.steps(steps);
                let finite = parameter.descend(split, &gradients, threads);
                first.changed(at, finite);
            }
        }
        self.share();
    }

    /// The gradient of all streams, which has been used then.
    pub(crate) fn gradients(&mut self, plan: &N::Plan, of: Sum) -> Result<N::Gradients, Error> {
        if self.states.len() > 1 {
            self.collect()?;
        }
        let mut pace = self.interrupt.pace();
        if let [state] = &mut self.states[..] {
            let mut sums = Room::build(|| "the gradient".into(), |room| new_sums::<N>(room, plan))?;
            state.circle().collect_until(&mut sums, &mut pace)?;
            return N::gradients(&mut self.states, &sums, of, &mut pace);
        }
        let (total, rest) = self.sums.split_at_mut(1);
        for more in rest {
            for (sum, more) in total[0].iter_mut().zip(more.iter()) {
                for piece in pace.pieces(sum.len()) {
                    let n = piece.len();
                    kernels::add_row(<N::F as Float>::ONE, &more[piece.clone()], &mut sum[piece]);
                    pace.pass(n)?;
                }
            }
        }
        N::gradients(&mut self.states, &self.sums[0], of, &mut pace)
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

/// Asks before each step of a stream alone but the first, and does what the step would have to do first.
fn go_on<N: Wiring>(interrupt: &Interrupt, synapses: usize) -> impl FnMut(usize, &mut N) -> bool {
    let mut pace = interrupt.pace();
    move |t, state| {
        (t == 0 || pace.pass(synapses).is_ok()) && state.circle().ready(&mut pace).is_ok()
    }
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
