//! A stack of feed-forward layers: what one fires reaches the next at the same step, and signals go down at the same step.

mod circle;
mod settings;
mod wiring;

use alloc::vec::Vec;

use super::schedule::Since;
use super::stage::Stage;
use crate::numbers::aligned::Aligned;
use crate::numbers::parameter::Keeps;
use crate::numbers::room::Room;
use crate::numbers::walk::{Role, Walk, WalkMut, Walked};
use crate::options::plan::StackPlan;
use crate::options::{Loss, StackConfig};
use crate::parts::input::Input;
use crate::parts::neuron::Neuron;
use crate::parts::sources::SourceList;
use crate::{Error, Float};

/// A stack of layers; its output is the last layer's spikes. Example: [`OnlineTrainer`](crate::OnlineTrainer).
#[derive(Debug)]
pub struct Stack<F> {
    pub(crate) stages: Vec<Stage<F>>,
    since: Since,
    loss: Loss,
    times: (f64, f64),
    n_inputs: usize,
    target: Vec<F>,
}

/// The state of a layer of a sequence on the weights of the moment.
#[derive(Debug)]
pub struct Present<F> {
    neuron: Neuron<F>,
    sources: SourceList<F>,
    row: Aligned<F>,
    current: Aligned<F>,
}

impl<F: Float> Present<F> {
    fn step(&mut self, stage: &Stage<F>, x: Input<'_, F>) {
        self.sources.take(x, &[]);
        self.current.fill(F::ZERO);
        let active = self.sources.get().all().map(|(i, s)| (i as usize, s));
        let weights = &stage.synapses.w;
        weights.send_now(active, &mut self.row, &mut self.current);
        self.neuron.step(&self.current);
    }
}

impl<F: Float> Walked for Stack<F> {
    fn walk<'a>(&'a self, name: &'static str, role: Role, to: &mut dyn Walk<'a>) {
        for (l, stage) in self.stages.iter().enumerate() {
            to.enter("layers", Some(l));
            stage.walk(name, role, to);
            to.leave();
        }
        self.since.walk("since", Role::Mark, to);
        self.target.walk("target", Role::Scratch, to);
    }
    fn walk_mut(
        &mut self,
        name: &'static str,
        role: Role,
        to: &mut dyn WalkMut,
    ) -> Result<(), Error> {
        for (l, stage) in self.stages.iter_mut().enumerate() {
            to.enter("layers", Some(l));
            stage.walk_mut(name, role, to)?;
            to.leave();
        }
        self.since.walk_mut("since", Role::Mark, to)
    }
}

impl<F: Float> Stack<F> {
    /// Silent, with weights of 0 or those of the stream `first`.
    pub(super) fn silent(
        room: &mut Room,
        plan: &StackPlan,
        config: &StackConfig,
        first: Option<&Self>,
    ) -> Result<Self, Error> {
        let keeps = Keeps {
            pending: !plan.at_once,
            moments: config.optimizer.n_moments(),
        };
        let first = first.map(|first| &first.stages);
        let mut stages = room.list(plan.sizes.len() - 1)?;
        for (l, pair) in plan.sizes.windows(2).enumerate() {
            let first = first.map(|first| &first[l]);
            stages.push(Stage::new(
                room,
                (pair[0], pair[1]),
                &config.layer_of(l),
                keeps,
                first,
            )?);
        }
        Ok(Self {
            stages,
            since: Since::default(),
            loss: config.loss,
            times: (config.layer.dt, config.longest_tau_mem()),
            n_inputs: plan.sizes[0],
            target: room.vec(F::ZERO, plan.sizes[plan.sizes.len() - 1])?,
        })
    }

    /// From the inputs to the outputs.
    fn widths(&self) -> impl Iterator<Item = (usize, usize)> {
        let sizes = self.stages.iter().map(|stage| stage.neuron.len());
        let below = core::iter::once(self.n_inputs).chain(sizes.clone());
        below.zip(sizes)
    }

    /// A step of an evaluation.
    pub(super) fn step_of(&self, present: &mut [Present<F>], x: Input<'_, F>) {
        present[0].step(&self.stages[0], x);
        for l in 1..self.stages.len() {
            let (below, here) = present.split_at_mut(l);
            here[0].step(&self.stages[l], Input::spikes(below[l - 1].neuron.fired()));
        }
    }
}

#[cfg(test)]
mod tests;
