//! A feed-forward layer: synapses and neurons, and the learning signal that goes up to them and down from them.

use alloc::vec;
use alloc::vec::Vec;

use crate::aligned::{Aligned, padded};
use crate::config::LayerConfig;
use crate::neuron::Neuron;
use crate::optimizer::Optimizer;
use crate::persist::persist;
use crate::sources::SourceList;
use crate::synapses::FeedForward;
use crate::{Float, Input};

/// What [`OnlineLifLayer`](crate::OnlineLifLayer) is one of and [`OnlineTrainer`](crate::OnlineTrainer) several.
#[derive(Clone, Debug)]
pub(crate) struct Stage<F> {
    pub(crate) synapses: FeedForward<F>,
    pub(crate) neuron: Neuron<F>,
    /// `L = dE/dz` of this layer at this step.
    pub(crate) signal: Vec<F>,
    sources: SourceList<F>,
    delta: Aligned<F>,
    current: Aligned<F>,
}

persist!(Stage {
    weights: [],
    state: [synapses, neuron],
    scratch: [signal, sources, delta, current]
});

impl<F: Float> Stage<F> {
    /// `w`: P rows of N.
    pub(crate) fn new(n: usize, w: &[F], config: &LayerConfig, pending: bool) -> Self {
        let row = || Aligned::zeros(padded::<F>(n));
        Self {
            synapses: FeedForward::new(n, w, config, pending),
            neuron: Neuron::new(n, config),
            sources: SourceList::new(w.len() / n, 0),
            signal: vec![F::ZERO; n],
            delta: row(),
            current: row(),
        }
    }

    /// Bytes of all buffers; `None` where the count overflows.
    pub(crate) fn bytes_for(
        p: usize,
        n: usize,
        config: &LayerConfig,
        pending: bool,
    ) -> Option<usize> {
        let synapses = FeedForward::<F>::bytes_for(p, n, config, pending)?;
        let rows = padded::<F>(n).checked_mul(3)?.checked_mul(size_of::<F>())?;
        synapses
            .checked_add(rows)?
            .checked_add(Neuron::<F>::bytes_for(n)?)?
            .checked_add(SourceList::<F>::bytes_for(p, 0)?)
    }

    pub(crate) fn forward(&mut self, x: Input<'_, F>, learning: bool) {
        self.sources.take(x, &[]);
        self.synapses
            .drive(&self.sources.get(), learning, &mut self.current);
        self.neuron.step(&self.current);
    }

    /// The signal for the layer below, with the weights as they are now.
    pub(crate) fn propagate(&mut self, below: &mut [F]) {
        self.take_delta();
        self.synapses.propagate(&self.delta, below);
    }

    /// Learns from the signal at hand.
    pub(crate) fn learn(&mut self, optimizer: Optimizer<F>) {
        self.take_delta();
        self.synapses.learn(&self.delta, optimizer);
    }

    fn take_delta(&mut self) {
        let deltas = self.delta.iter_mut().zip(self.neuron.psi());
        for ((delta, &psi), &signal) in deltas.zip(&self.signal) {
            *delta = psi * signal;
        }
    }

    pub(crate) fn reset(&mut self) {
        self.synapses.reset();
        self.neuron.reset();
    }
}
