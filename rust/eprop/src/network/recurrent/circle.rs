//! The circle of a step, and the update.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Recurrent, group, of_synapses};
use crate::network::circle::Circle;
use crate::network::rewiring::Round;
use crate::network::schedule::Since;
use crate::numbers::aligned::{Aligned, padded};
use crate::numbers::interrupt::Pace;
use crate::numbers::kinds::Kinds;
use crate::numbers::step::Neurons;
use crate::parts::input::{Input, Inputs};
use crate::parts::lesson::Lesson;
use crate::parts::optimizer::{Measure, Optimizer, Steps};
use crate::synapses::add_squares_of_neurons;
use crate::{Error, Float};

impl<F: Float> Circle<F> for Recurrent<F> {
    /// The order is that of the lines of docs/method.md: `B` is `W_out` as it is before this step's update, so the synapses learn before the readouts do.
    fn learn(
        &mut self,
        x: Input<'_, F>,
        lesson: Lesson<'_, F>,
        mut at_once: Option<&mut Optimizer>,
    ) -> Option<f64> {
        // Where nothing is learned, no weight may move, not even by the rounding of its factors.
        let moves_on = at_once.as_ref().is_some_and(|rule| rule.moves_on());
        let teaches = lesson.target().is_some() || self.layer.is_regularised() || moves_on;
        let learning = teaches || lesson.signal.is_some();
        let learns = |group| match &at_once {
            Some(rule) => learning && !rule.is_fixed(group),
            None => learning,
        };
        let learning_of_synapses = Kinds {
            inputs: learns(group::IN),
            neurons: learns(group::REC),
        };
        let of_readouts = teaches && learns(group::OUT);
        let readouts_are_fixed = at_once
            .as_ref()
            .is_some_and(|rule| rule.is_fixed(group::OUT));
        self.layer.forward(x, learning_of_synapses);
        self.read_out(of_readouts);
        let loss = self.head.judge(lesson);
        let squared_length = match &at_once {
            Some(rule) if rule.is_limited() => self.head.squared_length_of_step(),
            _ => 0.0,
        };
        let reads_signal = self.layer.reads_signal;
        let (err, b, l) = self.head.signal(lesson.signal, reads_signal);
        let steps = at_once.as_deref_mut().map(|rule| {
            let steps = rule.step(1.0, |to| {
                let of_synapses = self.layer.squared_length_of_step(l);
                to[group::IN] = of_synapses.inputs;
                to[group::REC] = of_synapses.neurons;
                to[group::OUT] = squared_length;
                self.layer.add_up(to);
                Measure {
                    loss: loss.unwrap_or(0.0),
                    steps: 1.0,
                    has_target: loss.is_some(),
                }
            });
            (of_synapses(steps), steps.of(group::OUT))
        });
        self.layer.learn(err, b, l, steps.map(|steps| steps.0));
        if lesson.signal.is_some() && !reads_signal {
            self.layer.learn_from(l);
        }
        self.head
            .learn(steps.map(|steps| steps.1), readouts_are_fixed);
        match at_once {
            Some(rule) => rule.updated(),
            None => self.since.step(loss),
        }
        loss
    }

    fn predict(&mut self, x: Input<'_, F>) {
        self.layer.forward(x, Kinds::same(false));
        self.read_out(false);
        self.layer.move_on();
        self.head.move_on();
    }

    fn fire(&mut self, x: Input<'_, F>) {
        self.layer.forward(x, Kinds::same(false));
    }

    fn look_ahead(&mut self, inputs: Inputs<'_, F>, t: usize) {
        self.layer.look_ahead(inputs, t);
    }

    fn forget_ahead(&mut self) {
        self.layer.synapses.forget_ahead();
    }

    fn ready(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        self.layer.synapses.ready(pace)
    }

    fn settle(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        self.layer.settle(self.since.steps, pace)
    }

    fn squared_lengths(&mut self, to: &mut [f64], pace: &mut Pace<'_>) -> Result<(), Error> {
        let of_synapses = self.layer.synapses.length(pace)?;
        to[group::IN] = of_synapses.inputs;
        to[group::REC] = of_synapses.neurons;
        to[group::OUT] = self.head.readout.squared_length();
        self.layer.add_up(to);
        Ok(())
    }

    fn lengths_of_neurons(
        &mut self,
        sums: &[Vec<Aligned<F>>],
        to: &mut [f64],
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        let n = self.layer.neuron.len();
        let (inputs, to) = to.split_at_mut(n);
        let (neurons, readouts) = to.split_at_mut(n);
        self.head.readout.squared_lengths_of_each(readouts);
        let to = Kinds { inputs, neurons };
        to.inputs.fill(0.0);
        to.neurons.fill(0.0);
        if sums.is_empty() {
            let synapses = &mut self.layer.synapses;
            synapses.settle(pace)?;
            return synapses.lengths_of_neurons(to, pace);
        }
        let (len, of_numbers) = match self.listed() {
            Some(wires) => (wires.len(), Neurons::Listed(wires.all_targets())),
            None => {
                let stride = padded::<F>(n);
                ((self.n_inputs + n) * stride, Neurons::Rows(stride))
            }
        };
        // The regulariser's part lies behind that of the loss.
        let of_loss = sums.iter().map(|sums| sums[0][..len].into());
        let of_loss: Vec<_> = of_loss.collect();
        add_squares_of_neurons(&of_loss, (self.cut(), of_numbers), to, pace)
    }

    fn whole_length(&mut self, pace: &mut Pace<'_>) -> Result<f64, Error> {
        let of_synapses = self.layer.whole_length(self.since.steps, pace)?;
        let mut whole = [of_synapses + self.head.readout.squared_length()];
        self.layer.add_up(&mut whole);
        Ok(whole[0])
    }

    /// The synapses first: their gradient goes through `B` as it was.
    fn update(&mut self, steps: Steps<'_>) {
        self.layer.update(self.since.steps, of_synapses(steps));
        self.update_head(steps);
    }

    fn collect(&mut self, sums: &mut [Aligned<F>]) {
        self.layer.collect(self.since.steps, &mut sums[0]);
    }

    fn collect_until(&mut self, sums: &mut [Aligned<F>], pace: &mut Pace<'_>) -> Result<(), Error> {
        self.layer
            .collect_until(self.since.steps, &mut sums[0], pace)
    }

    fn take_back(&mut self, sums: &mut [Aligned<F>]) {
        self.layer.synapses.take_back(&mut sums[0]);
    }

    fn head_squared_length(&mut self) -> Option<(usize, f64)> {
        Some((group::OUT, self.head.readout.squared_length()))
    }

    fn update_head(&mut self, steps: Steps<'_>) {
        let fixed = steps.is_fixed(group::OUT);
        self.head.update(steps.of(group::OUT), fixed);
    }

    fn prepare_rewiring(&mut self) -> Result<(), Error> {
        match &mut self.rewiring {
            Some(rewiring) => rewiring.prepare(&mut self.layer.synapses),
            None => Ok(()),
        }
    }

    fn round(&mut self, optimizer: &Optimizer) -> Option<Round<F>> {
        let rewiring = self.rewiring.as_mut()?;
        rewiring.round(&mut self.layer.synapses, optimizer)
    }

    fn rewire(&mut self, round: &mut Round<F>) {
        self.layer.synapses.rewire(&mut round.moved());
        self.wires = Some(Arc::clone(&round.wires));
    }

    fn reserve(&mut self, steps: usize, learning: bool) -> Result<(), Error> {
        self.layer.synapses.reserve(steps, learning)
    }

    fn flush(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        self.layer.synapses.flush(pace)?;
        self.head.keep_l();
        Ok(())
    }

    fn flaw(&mut self) -> Option<Cow<'static, str>> {
        if !self.layer.synapses.finite() {
            return Some("W_in, W_rec".into());
        }
        self.head.readout.flaw().map(Cow::from)
    }

    fn catch_up(&mut self) {
        self.layer.synapses.catch_up();
    }

    fn reset(&mut self) {
        self.layer.reset();
        self.head.reset();
        self.since = Since::default();
    }
}
