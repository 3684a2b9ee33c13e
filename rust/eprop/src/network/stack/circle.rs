//! The circle of a step through all layers, and the update.

use alloc::borrow::Cow;
use alloc::format;

use super::Stack;
use crate::network::circle::Circle;
use crate::network::schedule::Since;
use crate::network::stage::Stage;
use crate::numbers::aligned::Aligned;
use crate::numbers::interrupt::Pace;
use crate::parts::input::Input;
use crate::parts::lesson::Lesson;
use crate::parts::optimizer::{Measure, Optimizer, Steps};
use crate::{Error, Float};

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
}
