//! A feed-forward layer: synapses and neurons, and the learning signal that goes up to them and down from them.

use alloc::vec::Vec;

use crate::numbers::aligned::{Aligned, padded};
use crate::numbers::interrupt::Pace;
use crate::numbers::parameter::Keeps;
use crate::numbers::room::Room;
use crate::numbers::walk::parts;
use crate::options::LayerConfig;
use crate::parts::init::{Gaussian, layer_weights};
use crate::parts::input::Input;
use crate::parts::neuron::Neuron;
use crate::parts::sources::SourceList;
use crate::synapses::feedforward::FeedForward;
use crate::{Error, Float, kernels};

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
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub(crate) fn draw(
        &mut self,
        gaussian: &mut Gaussian,
        config: &LayerConfig,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        let (p, n) = (self.sources.n_inputs(), self.neuron.len());
        layer_weights(
            gaussian,
            &mut self.synapses.w.w.rows,
            padded::<F>(n),
            p,
            n,
            config,
            None,
            pace,
        )
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

    /// The squared length of the gradient of this step, whose `delta` has been taken.
    pub(crate) fn squared_length_of_step(&self) -> f64 {
        kernels::squared_length(&self.delta) * self.synapses.w.squared_length_of_traces()
    }

    /// Learns from the `delta` that has been taken; `at_once`: the learning rate of a gradient that is applied with its step.
    pub(crate) fn learn(&mut self, at_once: Option<F>) {
        self.synapses.learn(&self.delta, at_once);
    }

    /// `delta = psi L`, from the signal at hand.
    pub(crate) fn take_delta(&mut self) {
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

#[cfg(test)]
mod tests {
    use alloc::vec;

    use ndarray::array;

    use super::{Gaussian, Keeps, LayerConfig, Stage};
    use crate::Float;
    use crate::numbers::walk;
    use crate::parts::input::Input;
    use crate::testing::unasked;
    use crate::testing::{in_both, made, near, same_bits};

    const AT_ONCE: Keeps = Keeps {
        pending: false,
        moments: 0,
    };

    /// Two sources, three neurons.
    fn stage<F: Float>() -> Stage<F> {
        let config = LayerConfig::default();
        let mut stage = made(|room| Stage::new(room, (2, 3), &config, AT_ONCE, None));
        stage
            .synapses
            .w
            .assign(|i, j| F::cast([[0.5, 1.25, -0.5], [0.25, 0.5, 0.75]][i][j]));
        stage
    }

    /// psi of a membrane, at a height of 0.3 and a width of 1.
    fn psi(v: f64) -> f64 {
        0.3 * f64::max(0.0, 1.0 - (v - 1.0).abs())
    }

    in_both! {
        fn what_the_sources_send_reaches_the_neurons_at_the_same_step<F>() {
            let mut stage = stage::<F>();
            stage.forward(Input::spikes(&[0, 1]), true);
            near("v", stage.neuron.v(), &[0.75, 1.75, 0.25]);
            assert_eq!(stage.neuron.fired(), [1]);
            // A stage has no synapses from its own neurons.
            stage.forward(Input::spikes(&[]), true);
            let alpha = libm::exp(-1.0 / 20.0);
            near("v", stage.neuron.v(), &[0.75 * alpha, 1.75 * alpha - 1.0, 0.25 * alpha]);
        }
    }

    in_both! {
        fn the_signal_meets_psi_before_it_goes_down_and_before_it_teaches<F>() {
            let mut stage = stage::<F>();
            let x = array![F::cast(0.5), F::ONE];
            stage.forward(x.view().into(), true);
            let v = [0.5, 1.125, 0.5];
            stage.signal.copy_from_slice(&[1.0, -2.0, 4.0].map(F::cast));
            let delta: [f64; 3] = core::array::from_fn(|j| psi(v[j]) * [1.0, -2.0, 4.0][j]);
            let mut below = [F::ONE; 2];
            stage.propagate(&mut below);
            let w = [[0.5, 1.25, -0.5], [0.25, 0.5, 0.75]];
            near("below", &below, &w.map(|w| (0..3).map(|j| w[j] * delta[j]).sum()));
            stage.learn(Some(F::cast(0.25)));
            let mut rows = vec![];
            stage.synapses.w.read(|i, row| rows.push((i, row.to_vec()))).unwrap();
            for (i, row) in rows {
                // z_bar of the first step is what was sent.
                let x = [0.5, 1.0][i];
                near("W", &row, &core::array::from_fn::<_, 3, _>(|j| w[i][j] - 0.25 * delta[j] * x));
            }
        }
    }

    in_both! {
        fn initial_weights_are_those_of_a_layer_without_recurrence<F>() {
            let config = LayerConfig::default();
            let mut stage = stage::<F>();
            let pace = &mut unasked();
            stage.draw(&mut Gaussian::new(5), &config, pace).unwrap();
            let mut rows = vec![F::ZERO; 2 * 16];
            crate::parts::init::layer_weights(&mut Gaussian::new(5), &mut rows, 16, 2, 3, &config, None, pace).unwrap();
            stage.synapses.w.read(|i, row| same_bits("W", row, &rows[16 * i..][..3])).unwrap();
        }
    }

    in_both! {
        fn a_reset_keeps_the_weights_alone<F>() {
            let mut stage = stage::<F>();
            stage.forward(Input::spikes(&[0, 1]), true);
            stage.signal.fill(F::ONE);
            stage.reset();
            assert!(walk::same(&stage, &self::stage()));
            assert!(stage.neuron.fired().is_empty());
        }
    }
}
