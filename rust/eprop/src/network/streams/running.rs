//! The steps of streams, between two updates: each on its own, unless somebody stops them.

use alloc::vec::Vec;

use ndarray::ArrayViewMut2;

use super::groups::{Collects, Taught, collect_group, in_turn, learn_in_turn, learn_side_by_side};
use super::{Streams, split_first, unless};
use crate::Error;
use crate::network::run;
use crate::network::tally::StreamTally;
use crate::network::wiring::Wiring;
use crate::numbers::interrupt::Interrupt;
use crate::numbers::parallel::{self, Done, Until};
use crate::parts::input::Inputs;
use crate::parts::optimizer::Optimizer;
use crate::parts::stream::Stream;

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
        if let ([_], [stream]) = (&self.states[..], streams) {
            let outputs = outputs.first_mut().and_then(Option::take);
            return self.learn_alone(stream, outputs, &mut tallies[0], at_once);
        }
        if self.ready_together().is_err() {
            return Progress {
                steps: 0,
                whole: false,
                stopped: true,
            };
        }
        let taught = Taught {
            streams,
            outputs,
            tallies,
        };
        self.learn_together(taught, due)
    }

    fn learn_alone(
        &mut self,
        stream: &Stream<'_, N::F>,
        outputs: Option<ArrayViewMut2<'_, N::F>>,
        tally: &mut StreamTally,
        at_once: Option<&mut Optimizer>,
    ) -> Progress {
        let go_on = go_on(&self.interrupt, self.synapses);
        let n_steps = stream.inputs.n_steps();
        let steps = run::learn(&mut self.states[0], stream, outputs, tally, at_once, go_on);
        Progress {
            steps,
            whole: steps == n_steps,
            stopped: steps < n_steps,
        }
    }

    fn learn_together(&mut self, mut taught: Taught<'_, '_, '_, N::F>, due: bool) -> Progress {
        let (steps, longest) = taught.longest();
        let threads = self.threads_for(steps, taught.streams.len());
        let at_least = longest / self.group + 1;
        let until = Until::asked(&self.interrupt, at_least, self.cost(steps + 1));
        let mut collected = alloc::vec![false; self.sums.len()];
        let groups = self.states.chunks_mut(self.group).zip(&mut self.sums);
        let jobs = groups
            .zip(&mut collected)
            .map(|((states, sums), collected)| {
                let taught = taught.next(states.len());
                (states, taught, sums, collected)
            });
        let (credits, cost) = (self.credits, self.synapses);
        let done = parallel::run_until(
            threads,
            jobs.collect(),
            until,
            |(states, taught, sums, collected), pace| {
                *collected = if credits {
                    learn_side_by_side(states, taught);
                    due && collect_group(states, sums, cost, pace)
                } else {
                    let to = due.then(|| Collects::new(sums, cost));
                    learn_in_turn(states, taught, to, pace)
                };
            },
        );
        self.ended(steps, done, due, &collected)
    }

    /// After so many steps of several streams. Where an update is due, it is given up unless all gradients are in the sums.
    fn ended(&mut self, steps: usize, done: Done, due: bool, collected: &[bool]) -> Progress {
        let whole = done.pieces == self.sums.len() && !(due && done.stopped);
        if due && !whole {
            self.take_back(collected);
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
        if let [state] = &mut self.states[..] {
            losses[0] = learn(0, state, at_once);
            let progress = Progress {
                steps: 1,
                whole: true,
                stopped: false,
            };
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
        let progress = self.ended(1, done, due, &collected);
        (losses, progress)
    }

    /// Before a step of the first stream: what it would have to do first.
    ///
    /// # Errors
    /// [`Error::Interrupted`]: what is left of it is done later.
    pub(crate) fn ready(&mut self) -> Result<(), Error> {
        let (first, _) = split_first(&mut self.states);
        first.circle().ready(&mut self.interrupt.pace())
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
}

/// Asks before each step of a stream alone but the first, and does what the step would have to do first.
fn go_on<N: Wiring>(interrupt: &Interrupt, synapses: usize) -> impl FnMut(usize, &mut N) -> bool {
    let mut pace = interrupt.pace();
    move |t, state| {
        (t == 0 || pace.pass(synapses).is_ok()) && state.circle().ready(&mut pace).is_ok()
    }
}
