//! Initial weights from a seed: the same bits on every platform and in both languages.

use alloc::vec::Vec;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::Float;
use crate::config::LayerConfig;
use crate::config::decay;

/// The mean rate of input spikes per step that the initial weights are scaled for.
const EXPECTED_RATE: f64 = 0.02;
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

    /// `count` numbers of standard deviation `scale`.
    pub(crate) fn draw<F: Float>(&mut self, count: usize, scale: f64) -> Vec<F> {
        (0..count).map(|_| F::cast(scale * self.next())).collect()
    }
}

/// The weights of a layer before learning, P rows of N; where there are N recurrent sources, they come last.
pub(crate) fn layer_weights<F: Float>(
    gaussian: &mut Gaussian,
    n_inputs: usize,
    n: usize,
    recurrent: bool,
    config: &LayerConfig,
) -> Vec<F> {
    let unit = membrane_unit(config);
    let mut w = gaussian.draw(
        n_inputs * n,
        INPUT_SCALE * unit / libm::sqrt(n_inputs as f64),
    );
    if recurrent {
        let mut w_rec: Vec<F> = gaussian.draw(n * n, RECURRENT_SCALE * unit / libm::sqrt(n as f64));
        w_rec
            .iter_mut()
            .step_by(n + 1)
            .for_each(|own| *own = F::ZERO);
        w.append(&mut w_rec);
    }
    w
}

/// The scale at which independent weights, under spikes of the expected rate, hold the membrane's standard deviation at one threshold.
fn membrane_unit(config: &LayerConfig) -> f64 {
    let alpha = decay(config.dt, config.tau_mem);
    let zeta = config.input_gain.of(config.dt, config.tau_mem);
    config.threshold * libm::sqrt((1.0 - alpha * alpha) / EXPECTED_RATE) / zeta
}
