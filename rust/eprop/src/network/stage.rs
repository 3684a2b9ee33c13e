//! A feed-forward layer: synapses and neurons, and the learning signal that goes up to them and down from them.

use alloc::vec::Vec;

use crate::numbers::aligned::{Aligned, padded};
use crate::numbers::parameter::Keeps;
use crate::numbers::room::Room;
use crate::numbers::walk::parts;
use crate::options::LayerConfig;
use crate::parts::init::{Gaussian, layer_weights};
use crate::parts::input::Input;
use crate::parts::neuron::Neuron;
use crate::parts::sources::SourceList;
use crate::synapses::feedforward::FeedForward;
use crate::{Error, Float};

/// What [`OnlineLifLayer`](crate::OnlineLifLayer) is one of and [`OnlineTrainer`](crate::OnlineTrainer) several.
#[derive(Debug)]
pub(crate) struct Stage<F> {
    pub(crate) synapses: FeedForward<F>,
    pub(crate) neuron: Neuron<F>,
    /// `L = dE/dz` of this layer at this step.
    pub(crate) signal: Vec<F>,
    sources: SourceList<F>,
    delta: Aligned<F>,
    current: Aligned<F>,
}

parts!(Stage {
    Weight: [synapses],
    State: [neuron],
    Scratch: [signal, sources, delta, current],
});

impl<F: Float> Stage<F> {
    /// Silent, with weights of 0 or those of the stream `first`; P sources, N neurons.
    pub(crate) fn new(
        room: &mut Room,
        (p, n): (usize, usize),
        config: &LayerConfig,
        keeps: Keeps,
        first: Option<&Self>,
    ) -> Result<Self, Error> {
        let stride = padded::<F>(n);
        Ok(Self {
            synapses: FeedForward::new(
                room,
                (p, n),
                config,
                keeps,
                first.map(|first| &first.synapses),
            )?,
            neuron: Neuron::new(room, n, config)?,
            sources: SourceList::new(room, p, 0)?,
            signal: room.vec(F::ZERO, n)?,
            delta: room.zeros(1, stride)?,
            current: room.zeros(1, stride)?,
        })
    }

    /// Draws the weights.
    pub(crate) fn draw(&mut self, gaussian: &mut Gaussian, config: &LayerConfig) {
        let (p, n) = (self.sources.n_inputs(), self.neuron.len());
        layer_weights(
            gaussian,
            &mut self.synapses.w.w.rows,
            padded::<F>(n),
            p,
            n,
            config,
        );
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

    /// Learns from the signal at hand; `at_once`: the learning rate of a gradient that is applied with its step.
    pub(crate) fn learn(&mut self, at_once: Option<F>) {
        self.take_delta();
        self.synapses.learn(&self.delta, at_once);
    }

    fn take_delta(&mut self) {
        let deltas = self.delta.iter_mut().zip(self.neuron.psi());
        for ((delta, &psi), &signal) in deltas.zip(&self.signal) {
            *delta = psi * signal;
        }
    }

    pub(crate) fn reset(&mut self) {
        self.synapses.w.reset();
        self.neuron.reset();
    }
}
