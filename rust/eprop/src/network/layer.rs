//! A recurrent population: sources, synapses, neurons, and the regulariser of their firing rates.

use crate::numbers::aligned::Aligned;
use crate::numbers::parameter::Step;
use crate::numbers::room::Room;
use crate::numbers::walk::parts;
use crate::options::Config;
use crate::options::plan::Plan;
use crate::parts::input::{Input, Inputs};
use crate::parts::neuron::Neuron;
use crate::parts::regulariser::Regulariser;
use crate::parts::signal::{Backward, Signal};
use crate::parts::sources::SourceList;
use crate::synapses::{Form, Synapses};
use crate::{Error, Float};

/// N neurons that are each other's sources.
#[derive(Debug)]
pub(crate) struct Layer<F> {
    /// `s = [x ; z]` of the step before the neurons fire.
    sources: SourceList<F>,
    current: Aligned<F>,
    pub(crate) synapses: Form<F>,
    pub(crate) neuron: Neuron<F>,
    regulariser: Regulariser<F>,
    /// Whether the synapses read `L`.
    pub(crate) reads_signal: bool,
}

parts!(Layer {
    State: [synapses, neuron, regulariser],
    Scratch: [sources, current],
});

impl<F: Float> Layer<F> {
    /// Silent, with weights of 0 or those of the stream `first`.
    pub(crate) fn new(
        room: &mut Room,
        plan: &Plan,
        config: &Config,
        first: Option<&Self>,
    ) -> Result<Self, Error> {
        let shared = first.and_then(|first| first.synapses.shared());
        Ok(Self {
            sources: SourceList::new(room, plan.sizes.n_inputs, plan.sizes.n)?,
            current: room.zeros(1, plan.stride::<F>())?,
            synapses: Form::new(room, plan, config, shared.as_ref())?,
            neuron: Neuron::new(room, plan.sizes.n, &config.layer())?,
            regulariser: Regulariser::new(room, plan, config)?,
            reads_signal: plan.reads_signal(),
        })
    }

    /// Lines 1 to 4 of docs/method.md: who fires.
    pub(crate) fn forward(&mut self, x: Input<'_, F>, learning: bool) {
        self.sources.take(x, self.neuron.fired());
        self.synapses
            .drive(&self.sources.get(), learning, &mut self.current);
        self.neuron.step(&self.current);
    }

    /// Whether steps without a target teach, too.
    pub(crate) fn is_regularised(&self) -> bool {
        self.regulariser.is_on()
    }

    /// Learns from the errors of this step and what `B` makes of them.
    pub(crate) fn learn(&mut self, err: &[F], b: Backward<'_, F>, l: &[F], at_once: Option<F>) {
        let r = self.regulariser.step(self.neuron.padded_z());
        let signal = Signal { err, b, l, r };
        self.synapses.learn(
            &self.sources.get(),
            self.neuron.padded_psi(),
            Some(signal),
            at_once,
        );
    }

    /// Moves the eligibility on without learning.
    pub(crate) fn move_on(&mut self) {
        self.synapses
            .learn(&self.sources.get(), self.neuron.padded_psi(), None, None);
    }

    /// Before the steps from `t` on: where inputs are dense, what they send may be worked out at once.
    pub(crate) fn look_ahead(&mut self, inputs: Inputs<'_, F>, t: usize) {
        if self.sources.is_dense() {
            self.synapses.look_ahead(inputs, t);
        }
    }

    /// Applies the gradient of the last `steps` steps.
    pub(crate) fn update(&mut self, steps: u64, step: Step<F>) {
        self.synapses
            .update(self.regulariser.coefficients(steps), step);
    }

    /// Adds the gradient of the last `steps` steps to a sum over streams.
    pub(crate) fn collect(&mut self, steps: u64, sum: &mut [F]) {
        self.synapses
            .collect(self.regulariser.coefficients(steps), sum);
    }

    /// The gradient has been used: the next sequence's count starts.
    pub(crate) fn updated(&mut self) {
        self.regulariser.updated();
    }

    pub(crate) fn reset(&mut self) {
        self.synapses.reset();
        self.neuron.reset();
        self.regulariser.reset();
    }
}
