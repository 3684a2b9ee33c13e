//! A feed-forward layer: synapses and neurons, and the learning signal that goes up to them and down from them.

use alloc::vec;
use alloc::vec::Vec;

use crate::Float;
use crate::config::{LayerConfig, decay};
use crate::neuron::Neuron;
use crate::optimizer::Optimizer;
use crate::persist::persist;
use crate::synapses::{FeedForward, Filters};

/// What [`OnlineLifLayer`](crate::OnlineLifLayer) is one of and [`OnlineTrainer`](crate::OnlineTrainer) several.
#[derive(Clone, Debug)]
pub(crate) struct Stage<F> {
    pub(crate) synapses: FeedForward<F>,
    pub(crate) neuron: Neuron<F>,
    /// `L = dE/dz` of this layer at this step.
    pub(crate) signal: Vec<F>,
    delta: Vec<F>,
    current: Vec<F>,
}

persist!(Stage {
    weights: [],
    state: [synapses, neuron],
    scratch: [signal, delta, current]
});

impl<F: Float> Stage<F> {
    pub(crate) fn new(n: usize, w: Vec<F>, config: &LayerConfig, pending: bool) -> Self {
        let filters = Filters {
            alpha: F::cast(decay(config.dt, config.tau_mem)),
            zeta: F::cast(config.input_gain.of(config.dt, config.tau_mem)),
            kappa_e: F::ZERO,
            zeta_e: F::ONE,
        };
        Self {
            synapses: FeedForward::new(n, w, filters, pending),
            neuron: Neuron::new(n, config),
            signal: vec![F::ZERO; n],
            delta: vec![F::ZERO; n],
            current: vec![F::ZERO; n],
        }
    }

    /// Bytes of all buffers; `None` where the count overflows.
    pub(crate) fn bytes_for(p: usize, n: usize, pending: bool) -> Option<usize> {
        let numbers =
            FeedForward::<F>::numbers_for(p, n, pending)?.checked_add(n.checked_mul(3)?)?;
        numbers
            .checked_mul(size_of::<F>())?
            .checked_add(n.checked_mul(Neuron::<F>::bytes_each())?)
    }

    pub(crate) fn forward(&mut self, sources: &[F]) {
        self.synapses.drive(sources, &mut self.current);
        self.neuron.step(&self.current);
    }

    /// The signal for the layer below, with the weights as they are now.
    pub(crate) fn propagate(&mut self, below: &mut [F]) {
        self.take_delta();
        self.synapses.propagate(&self.delta, below);
    }

    /// Learns from the signal at hand.
    pub(crate) fn learn(&mut self, apply: Option<Optimizer<F>>) {
        self.take_delta();
        self.synapses.learn(&self.delta, apply);
    }

    fn take_delta(&mut self) {
        for ((delta, &psi), &signal) in self
            .delta
            .iter_mut()
            .zip(self.neuron.psi())
            .zip(&self.signal)
        {
            *delta = psi * signal;
        }
    }

    pub(crate) fn reset(&mut self) {
        self.synapses.reset();
        self.neuron.reset();
    }
}
