//! Initial weights from a seed: the same bits on every platform and in both languages.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::Float;
use crate::options::LayerConfig;

/// Standard deviation of the membrane under such an input, in thresholds. Measured: see `rust/eprop/README.md`.
const INPUT_SCALE: f64 = 1.3;
/// The recurrent weights start weaker than the input's, so that a network neither dies out nor feeds itself.
const RECURRENT_SCALE: f64 = 0.3;

/// A stream of standard normal numbers (Box and Muller, on ChaCha8 and `libm`).
pub(crate) struct Gaussian {
    rng: ChaCha8Rng,
    spare: Option<f64>,
}

impl Gaussian {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            spare: None,
        }
    }

    fn next(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        // In (0, 1], so that the logarithm is finite.
        let u = 1.0 - self.uniform();
        let radius = libm::sqrt(-2.0 * libm::log(u));
        let angle = core::f64::consts::TAU * self.uniform();
        self.spare = Some(radius * libm::sin(angle));
        radius * libm::cos(angle)
    }

    fn uniform(&mut self) -> f64 {
        (self.rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// The next number, of standard deviation `scale`.
    pub(crate) fn draw<F: Float>(&mut self, scale: f64) -> F {
        F::cast(scale * self.next())
    }
}

/// Draws the weights of a layer into padded rows of N, one per source; the sources after the inputs are the layer's own neurons.
pub(crate) fn layer_weights<F: Float>(
    gaussian: &mut Gaussian,
    rows: &mut [F],
    stride: usize,
    n_inputs: usize,
    n: usize,
    config: &LayerConfig,
) {
    let unit = config.membrane_unit();
    let of_input = INPUT_SCALE * unit / libm::sqrt(n_inputs as f64);
    let of_neuron = RECURRENT_SCALE * unit / libm::sqrt(n as f64);
    for (i, row) in rows.chunks_exact_mut(stride).enumerate() {
        let scale = if i < n_inputs { of_input } else { of_neuron };
        row[..n].iter_mut().for_each(|w| *w = gaussian.draw(scale));
        if let Some(own) = i.checked_sub(n_inputs) {
            row[own] = F::ZERO;
        }
    }
}
