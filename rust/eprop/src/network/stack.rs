//! A stack of feed-forward layers: what one fires reaches the next at the same step, and signals go down at the same step.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use ndarray::{Array2, ArrayView2};

use super::circle::Circle;
use super::cost::Cost;
use super::gradients::{StackGradients, transposed};
use super::schedule::Since;
use super::stage::Stage;
use super::wiring::{Groups, Settings, Sum, Wiring};
use crate::numbers::aligned::{Aligned, padded};
use crate::numbers::interrupt::Pace;
use crate::numbers::memory::{self, vec_for};
use crate::numbers::parameter::{Keeps, Parameter};
use crate::numbers::room::Room;
use crate::numbers::walk::{Role, Walk, WalkMut, Walked};
use crate::options::filters::decay;
use crate::options::plan::StackPlan;
use crate::options::{Loss, Optimizer as Rule, Reduction, StackConfig, UpdateEvery};
use crate::parts::check;
use crate::parts::init::Gaussian;
use crate::parts::input::Input;
use crate::parts::lesson::Lesson;
use crate::parts::neuron::Neuron;
use crate::parts::optimizer::{Measure, Optimizer, Steps, Times};
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
    fn forward(&mut self, x: Input<'_, F>, learning: bool) {
        self.stages[0].forward(x, learning);
        for l in 1..self.stages.len() {
            let (below, here) = self.stages.split_at_mut(l);
            here[0].forward(Input::spikes(below[l - 1].neuron.fired()), learning);
        }
    }

    /// The last layer's signal is in place; it goes down, layer by layer, before any of them learns.
    fn learn_downwards(&mut self, loss: Option<f64>, at_once: Option<&mut Optimizer>) {
        for l in (0..self.stages.len()).rev() {
            let (below, here) = self.stages.split_at_mut(l);
            match below.last_mut() {
                Some(below) => here[0].propagate(&mut below.signal),
                None => here[0].take_delta(),
            }
        }
        let stages = &mut self.stages;
        let Some(optimizer) = at_once else {
            return stages.iter_mut().for_each(|stage| stage.learn(None));
        };
        optimizer.step(1.0, |to| {
            let pairs = to.iter_mut().zip(&*stages);
            pairs.for_each(|(to, stage)| *to = stage.squared_length_of_step());
            Measure {
                loss: loss.unwrap_or(0.0),
                steps: 1.0,
                has_target: loss.is_some(),
            }
        });
        self.decay(optimizer);
        for (l, stage) in self.stages.iter_mut().enumerate() {
            stage.learn(Some(F::cast(optimizer.eta(l))));
        }
    }

    /// What the update under way leaves of the weights.
    fn decay(&mut self, optimizer: &Optimizer) {
        if optimizer.decays() {
            for (l, stage) in self.stages.iter_mut().enumerate() {
                stage.synapses.w.decay(optimizer.keep(l));
            }
        }
    }

    /// From the inputs to the outputs.
    fn widths(&self) -> impl Iterator<Item = (usize, usize)> {
        let sizes = self.stages.iter().map(|stage| stage.neuron.len());
        let below = core::iter::once(self.n_inputs).chain(sizes.clone());
        below.zip(sizes)
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

    /// A step of an evaluation.
    pub(super) fn step_of(&self, present: &mut [Present<F>], x: Input<'_, F>) {
        present[0].step(&self.stages[0], x);
        for l in 1..self.stages.len() {
            let (below, here) = present.split_at_mut(l);
            here[0].step(&self.stages[l], Input::spikes(below[l - 1].neuron.fired()));
        }
    }
}

impl<F: Float> Wiring for Stack<F> {
    type F = F;
    type Config = StackConfig;
    type Plan = StackPlan;
    type Gradients = StackGradients<F>;
    type Present = Vec<Present<F>>;
    type Factor = Vec<f64>;

    fn new(
        room: &mut Room,
        plan: &StackPlan,
        config: &StackConfig,
        first: Option<&Self>,
    ) -> Result<Self, Error> {
        F::new_stack(room, plan, config, first)
    }

    fn draw(&mut self, config: &StackConfig, pace: &mut Pace<'_>) -> Result<(), Error> {
        let mut gaussian = Gaussian::new(config.layer.seed);
        let mut stages = self.stages.iter_mut().enumerate();
        stages.try_for_each(|(l, stage)| stage.draw(&mut gaussian, &config.layer_of(l), pace))
    }

    fn sizes(plan: &StackPlan) -> String {
        format!("layer_sizes = {:?}", plan.sizes)
    }

    fn n_groups(plan: &StackPlan) -> usize {
        plan.sizes.len() - 1
    }

    fn n_neurons(plan: &StackPlan) -> usize {
        plan.sizes
            .iter()
            .skip(1)
            .fold(0, |n, &size| n.saturating_add(size))
    }

    fn cost(plan: &StackPlan, config: &StackConfig) -> Cost {
        Cost::of_stack::<F>(plan, config)
    }

    fn is_at_once(plan: &StackPlan) -> bool {
        plan.at_once
    }

    fn sums(plan: &StackPlan) -> Vec<(usize, usize)> {
        let pairs = plan.sizes.windows(2);
        pairs.map(|pair| (pair[0], padded::<F>(pair[1]))).collect()
    }

    fn work(plan: &StackPlan) -> usize {
        let pairs = plan.sizes.windows(2);
        pairs.map(|pair| pair[0].saturating_mul(pair[1]) / 16).sum()
    }

    fn for_gradients(plan: &StackPlan, _: &StackConfig) -> Result<StackPlan, Error> {
        Ok(plan.for_gradients())
    }

    fn circle(&mut self) -> &mut dyn Circle<F> {
        F::stack(self)
    }

    fn n_inputs(&self) -> usize {
        self.n_inputs
    }
    fn n_outputs(&self) -> usize {
        self.target.len()
    }
    fn loss(&self) -> Loss {
        self.loss
    }
    fn times(&self) -> (f64, f64) {
        self.times
    }

    fn present(&self, config: &StackConfig) -> Result<Vec<Present<F>>, Error> {
        let mut layers = vec_for("an evaluation", self.stages.len())?;
        for (l, (p, n)) in self.widths().enumerate() {
            let layer = Room::build(
                || "an evaluation".into(),
                |room| {
                    Ok(Present {
                        neuron: Neuron::of_evaluation(room, n, &config.layer_of(l))?,
                        sources: SourceList::new(room, p, 0)?,
                        row: room.zeros(1, padded::<F>(n))?,
                        current: room.zeros(1, padded::<F>(n))?,
                    })
                },
            )?;
            layers.push(layer);
        }
        Ok(layers)
    }

    fn evaluate(&self, present: &mut Vec<Present<F>>, x: Input<'_, F>) {
        F::evaluate_stack(self, present, x);
    }

    fn output_of(present: &Vec<Present<F>>) -> &[F] {
        present.last().map_or(&[], |layer| layer.neuron.z())
    }

    fn output(&self) -> &[F] {
        self.spikes()
    }
    fn spikes(&self) -> &[F] {
        self.stages.last().map_or(&[], |stage| stage.neuron.z())
    }
    fn all_fired(&self, see: &mut dyn FnMut(usize, &[u32])) {
        self.stages
            .iter()
            .for_each(|stage| see(stage.neuron.len(), stage.neuron.fired()));
    }

    fn since(&self) -> Since {
        self.since
    }

    fn groups_of(&self, at: usize) -> Groups {
        Groups {
            cut: usize::MAX,
            before: at,
            from: at,
        }
    }

    fn parameter(&mut self, at: usize) -> Option<&mut Parameter<F>> {
        self.stages.get_mut(at).map(|stage| &mut stage.synapses.w.w)
    }

    fn changed(&mut self, at: usize, finite: bool) {
        self.stages[at].synapses.w.changed(finite);
    }

    fn updated(&mut self) {
        self.since = Since::default();
    }

    fn release(&mut self) {
        self.stages
            .iter_mut()
            .for_each(|stage| stage.synapses.w.w.rows = Default::default());
    }

    fn share_weights(&mut self, first: &Self) {
        let pairs = self.stages.iter_mut().zip(&first.stages);
        pairs.for_each(|(stage, first)| stage.synapses.w.share_weights(&first.synapses.w));
    }

    fn take_weights(&mut self, from: &Self, pace: &mut Pace<'_>) -> Result<(), Error> {
        let mut pairs = self.stages.iter_mut().zip(&from.stages);
        pairs.try_for_each(|(stage, from)| stage.synapses.w.take_weights(&from.synapses.w, pace))
    }

    fn gradients(
        streams: &mut [Self],
        sums: &[Aligned<F>],
        Sum {
            loss,
            n_targets,
            n_streams,
        }: Sum,
        pace: &mut Pace<'_>,
    ) -> Result<StackGradients<F>, Error> {
        let w = streams[0].widths().zip(sums).map(|((p, n), sum)| {
            transposed(
                "the gradient of a layer",
                sum.chunks_exact(padded::<F>(n)),
                (n, p),
                pace,
            )
        });
        Ok(StackGradients {
            w: w.collect::<Result<_, _>>()?,
            loss,
            n_targets,
            n_streams,
        })
    }

    fn check_gradients(&self, gradients: &StackGradients<F>) -> Result<(), Error> {
        let n_layers = self.stages.len();
        if gradients.w.len() != n_layers {
            let expected = format!("{n_layers} matrices, one per layer");
            return Err(Error::value("gradients.W", expected, gradients.w.len()));
        }
        for (l, ((p, n), w)) in self.widths().zip(&gradients.w).enumerate() {
            check::matrix(format!("gradients.W[{l}]"), w.view(), n, p)?;
        }
        Ok(())
    }

    fn take(
        &mut self,
        gradients: &StackGradients<F>,
        steps: Steps<'_>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        let pairs = self.stages.iter_mut().zip(&gradients.w);
        pairs.enumerate().try_for_each(|(l, (stage, g))| {
            let w = &mut stage.synapses.w;
            w.take(steps.of(l), |i, k| g[(k, i)], pace)
        })
    }

    fn group(&self, at: usize) -> Option<(usize, usize)> {
        let neuron = &self.stages.get(at)?.neuron;
        Some((neuron.len(), neuron.fired().len()))
    }

    fn input_weights(&self, at: usize, pace: &mut Pace<'_>) -> Result<Array2<F>, Error> {
        let (p, n) = self.widths().nth(at).unwrap_or_default();
        let mut w = memory::matrix("W", n, p)?;
        self.stages[at].synapses.w.read_until(|source, row| {
            let column = w.column_mut(source).into_iter();
            column.zip(row).for_each(|(to, &w)| *to = w);
            pace.pass(row.len())
        })?;
        Ok(w)
    }

    fn assign_inputs(
        &mut self,
        at: usize,
        w: ArrayView2<'_, F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        let rows = &mut self.stages[at].synapses.w;
        rows.assign_until(|source, j| w[(j, source)], pace)
    }

    fn factor(of_groups: Vec<f64>) -> Vec<f64> {
        of_groups
    }

    fn heap(&self) -> usize {
        self.stages.capacity() * size_of::<Stage<F>>()
    }

    fn plan_bytes(plan: &StackPlan) -> usize {
        plan.sizes.capacity() * size_of::<usize>()
    }
}

impl<F: Float> Circle<F> for Stack<F> {
    fn learn(
        &mut self,
        x: Input<'_, F>,
        lesson: Lesson<'_, F>,
        at_once: Option<&mut Optimizer>,
    ) -> Option<f64> {
        // Where nothing is learned, no weight may move, not even by the rounding of its factors.
        let is_at_once = at_once.is_some();
        // One rate is that of all layers.
        let fixed = at_once.as_ref().is_some_and(|rule| rule.is_fixed(0));
        let decays = at_once.as_ref().is_some_and(|rule| rule.decays());
        let learning = lesson.target().is_some() || lesson.signal.is_some();
        self.forward(x, (learning || decays) && !fixed);
        let top = self.stages.len() - 1;
        let Stage { neuron, signal, .. } = &mut self.stages[top];
        let loss = lesson.judge(self.loss, neuron.z(), &mut self.target, signal);
        if let Some(own) = lesson.signal {
            signal.iter_mut().zip(own).for_each(|(l, &own)| *l = own);
        }
        match (learning, at_once) {
            (true, Some(rule)) => {
                self.learn_downwards(loss, Some(&mut *rule));
                rule.updated();
            }
            (true, None) => self.learn_downwards(loss, None),
            // Without a target err is 0, and so is every signal below it.
            (false, Some(rule)) => {
                rule.step(1.0, |_| Measure::of_nothing());
                self.decay(rule);
                rule.updated();
            }
            (false, None) => {}
        }
        if !is_at_once {
            self.since.step(loss);
        }
        loss
    }

    fn predict(&mut self, x: Input<'_, F>) {
        self.forward(x, false);
    }

    fn fire(&mut self, x: Input<'_, F>) {
        self.forward(x, false);
    }

    fn squared_lengths(&mut self, to: &mut [f64], pace: &mut Pace<'_>) -> Result<(), Error> {
        for (to, stage) in to.iter_mut().zip(&mut self.stages) {
            *to = stage.synapses.w.squared_length_until(pace)?;
        }
        Ok(())
    }

    fn whole_length(&mut self, pace: &mut Pace<'_>) -> Result<f64, Error> {
        let all = self.stages.iter_mut();
        all.map(|stage| stage.synapses.w.squared_length_until(pace))
            .sum()
    }

    fn update(&mut self, steps: Steps<'_>) {
        for (l, stage) in self.stages.iter_mut().enumerate() {
            stage.synapses.w.update(steps.of(l));
        }
    }

    fn collect(&mut self, sums: &mut [Aligned<F>]) {
        let pairs = self.stages.iter_mut().zip(sums);
        pairs.for_each(|(stage, sum)| stage.synapses.w.collect(sum));
    }

    fn take_back(&mut self, sums: &mut [Aligned<F>]) {
        let pairs = self.stages.iter_mut().zip(sums);
        pairs.for_each(|(stage, sum)| stage.synapses.w.take_back(sum));
    }

    fn flaw(&mut self) -> Option<Cow<'static, str>> {
        let flawed = self
            .stages
            .iter_mut()
            .position(|stage| !stage.synapses.w.finite());
        flawed.map(|l| format!("layers[{l}].W").into())
    }

    fn reset(&mut self) {
        self.stages.iter_mut().for_each(Stage::reset);
        self.since = Since::default();
    }
}

impl Settings for StackConfig {
    fn lr(&self) -> f64 {
        self.layer.lr
    }
    fn set_lr(&mut self, lr: f64) {
        self.layer.lr = lr;
    }
    fn lr_of(&self, _: usize) -> f64 {
        self.layer.lr
    }
    fn batch_size(&self) -> usize {
        self.batch_size
    }
    fn update_every(&self) -> UpdateEvery {
        self.update_every
    }
    fn optimizer(&self) -> Rule {
        self.optimizer
    }
    fn times(&self) -> Times {
        Times {
            answer: self.layer.dt / self.longest_tau_mem(),
            slowest: decay(self.layer.dt, self.longest_tau_mem()),
        }
    }
    fn reduction(&self) -> Reduction {
        self.reduction
    }
    fn clip_norm(&self) -> Option<f64> {
        self.clip_norm
    }
    fn w_max(&self) -> Option<f64> {
        self.w_max
    }
    fn memory_limit(&self) -> Option<usize> {
        self.memory_limit
    }
}

#[cfg(test)]
mod tests;
