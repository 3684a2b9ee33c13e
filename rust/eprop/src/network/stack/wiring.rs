//! How streams of a stack are made, read and assigned.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use ndarray::{Array2, ArrayView2};

use super::{Present, Stack};
use crate::network::circle::Circle;
use crate::network::cost::Cost;
use crate::network::gradients::{StackGradients, transposed};
use crate::network::schedule::Since;
use crate::network::stage::Stage;
use crate::network::wiring::{Groups, Sum, Wiring};
use crate::numbers::aligned::{Aligned, padded};
use crate::numbers::interrupt::Pace;
use crate::numbers::memory::{self, vec_for};
use crate::numbers::parameter::Parameter;
use crate::numbers::room::Room;
use crate::options::plan::StackPlan;
use crate::options::{Loss, StackConfig};
use crate::parts::check;
use crate::parts::init::Gaussian;
use crate::parts::input::Input;
use crate::parts::neuron::Neuron;
use crate::parts::optimizer::Steps;
use crate::parts::sources::SourceList;
use crate::{Error, Float};

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
            memory::fill(w.column_mut(source), row);
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
