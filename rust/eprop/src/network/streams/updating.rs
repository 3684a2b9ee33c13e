//! One update of several streams: their gradients are summed, measured, and change the weights of all, or wait where it is given up.

use alloc::vec::Vec;

use super::groups::{collect_group, in_turn};
use super::sums::{gather_into, kinds, new_sums, parallel_squares};
use super::{Streams, split_first, unless};
use crate::network::wiring::{Sum, Wiring};
use crate::numbers::parallel::{self, Until};
use crate::numbers::room::Room;
use crate::numbers::step::Split;
use crate::parts::optimizer::{Optimizer, Steps};
use crate::{Error, Float, kernels};

impl<N: Wiring> Streams<N> {
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

    /// An update that was prepared does not come: what was collected of several streams waits.
    pub(crate) fn take_back_all(&mut self) {
        self.take_back(&alloc::vec![true; self.sums.len()]);
    }

    /// What groups have collected waits in their first streams, for another update: this one does not come. A group whose streams took no step may hold
    /// what all others have collected.
    pub(super) fn take_back(&mut self, collected: &[bool]) {
        self.gathered = false;
        let group = self.group;
        let groups = self.states.chunks_mut(group).zip(&mut self.sums);
        for ((states, sums), collected) in groups.zip(collected) {
            if *collected {
                states[0].circle().take_back(sums);
            }
        }
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
        self.gathered = gathered.is_ok();
        self.unless_given_up(gathered)
    }

    /// What an update has to know; where finding out was stopped, the update does not come.
    fn unless_given_up<T>(&mut self, found: Result<T, Error>) -> Result<T, Error> {
        if found.is_err() {
            self.take_back_all();
        }
        found
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
        let measured = self.squared_lengths_together(to);
        self.unless_given_up(measured)
    }

    fn squared_lengths_together(&mut self, to: &mut [f64]) -> Result<(), Error> {
        to.fill(0.0);
        let threads = self.threads_for(usize::MAX, self.states.len());
        N::gather_heads(&mut self.states);
        let summed = &self.sums[..self.summed()];
        let (first, _) = split_first(&mut self.states);
        if let Some((group, of_head)) = first.circle().head_squared_length() {
            to[group] = of_head;
        }
        for at in 0..summed[0].len() {
            let Some(parameter) = first.parameter(at) else {
                continue;
            };
            let len = parameter.rows.len();
            let groups = first.groups_of(at);
            let cut = groups.cut.min(len);
            for (group, part) in [(groups.before, 0..cut), (groups.from, cut..len)] {
                let of_loss = summed.iter().map(|sums| &sums[at][part.clone()]);
                to[group] += parallel_squares(&[of_loss.collect()], threads, &self.interrupt)?;
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
        self.unless_given_up(measured)
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
        let measured = self.whole_length_together();
        self.unless_given_up(measured)
    }

    fn whole_length_together(&mut self) -> Result<f64, Error> {
        let threads = self.threads_for(usize::MAX, self.states.len());
        N::gather_heads(&mut self.states);
        let summed = &self.sums[..self.summed()];
        let (first, _) = split_first(&mut self.states);
        let of_head = first.circle().head_squared_length();
        let mut squared = of_head.map_or(0.0, |(_, squared)| squared);
        for at in 0..summed[0].len() {
            if let Some(parameter) = first.parameter(at) {
                let gradients = kinds(summed, at, parameter.rows.len());
                squared += parallel_squares(&gradients, threads, &self.interrupt)?;
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
