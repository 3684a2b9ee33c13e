//! Initial weights from a seed: the same bits on every platform and in both languages.

use alloc::vec::Vec;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::numbers::interrupt::Pace;
use crate::numbers::memory::vec_for;
use crate::numbers::wires::Wires;
use crate::options::{Gain, LayerConfig};
use crate::{Error, Float};

/// Standard deviation of the membrane under such an input, in thresholds. Measured: see `rust/eprop/README.md`.
const INPUT_SCALE: f64 = 1.3;
/// The recurrent weights start weaker than the input's, so that a network neither dies out nor feeds itself.
const RECURRENT_SCALE: f64 = 0.3;
/// Of what many inputs have in common, a neuron of a recurrent network sees as much as if they were so few.
const FEW_INPUTS: f64 = 4.0;

/// A stream of standard normal numbers (Box and Muller, on ChaCha8 and `libm`).
#[derive(Clone)]
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

    /// Leaves so many numbers out, without making them.
    pub(crate) fn skip(&mut self, mut n: u64) {
        if n > 0 && self.spare.take().is_some() {
            n -= 1;
        }
        // A pair is made of two draws, of two words each.
        let words = 4 * u128::from(n / 2);
        let at = self.rng.get_word_pos();
        self.rng.set_word_pos(at.wrapping_add(words));
        if n % 2 == 1 {
            self.next();
        }
    }

    /// The next number, of standard deviation `scale`.
    pub(crate) fn draw<F: Float>(&mut self, scale: f64) -> F {
        F::cast(scale * self.next())
    }
}

/// What is taken off the numbers that a neuron's input weights are made of, so that their sum is small.
///
/// Inputs that are not sparse have a large mean. Weights that add up to nothing do not pass it on, and what neurons fire at is what sets inputs apart.
/// Few inputs are left alone: what they have in common is then much of what they say.
pub(crate) struct Balance {
    /// Of each neuron.
    taken_off: Vec<f64>,
    /// Brings the variance back to 1.
    gain: f64,
}

impl Balance {
    /// Of the numbers that `gaussian` will draw next; `None` for few inputs.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Interrupted`].
    pub(crate) fn of(
        gaussian: &Gaussian,
        n_inputs: usize,
        n: usize,
        pace: &mut Pace<'_>,
    ) -> Result<Option<Self>, Error> {
        let all = n_inputs as f64;
        let left = FEW_INPUTS / all;
        if left >= 1.0 {
            return Ok(None);
        }
        let mut gaussian = gaussian.clone();
        let mut taken_off = vec_for("the sums of initial weights", n)?;
        taken_off.resize(n, 0.0);
        for _ in 0..n_inputs {
            taken_off.iter_mut().for_each(|sum| *sum += gaussian.next());
            pace.pass(n)?;
        }
        let share = (1.0 - left) / all;
        taken_off.iter_mut().for_each(|sum| *sum *= share);
        let gain = 1.0 / libm::sqrt(1.0 - (1.0 - left * left) / all);
        Ok(Some(Self { taken_off, gain }))
    }

    fn balanced(&self, neuron: usize, drawn: f64) -> f64 {
        self.gain * (drawn - self.taken_off[neuron])
    }
}

/// Those that the weights from inputs and from neurons are drawn with, of a neuron with the usual membrane that so many reach.
pub(crate) fn standard_deviations(fan_in: [f64; 2], config: &LayerConfig) -> [f64; 2] {
    let unit = config.membrane_unit();
    [
        INPUT_SCALE * unit / libm::sqrt(fan_in[0]),
        RECURRENT_SCALE * unit / libm::sqrt(fan_in[1]),
    ]
}

/// How many inputs and how many neurons reach a neuron: where not all synapses exist, on average; at least one.
pub(crate) fn fan_in(n_inputs: usize, n: usize, wires: Option<&Wires>) -> [f64; 2] {
    match wires {
        None => [n_inputs as f64, n as f64],
        Some(wires) => wires.fan_in().map(|count| count.max(1.0)),
    }
}

/// That of the weights of N neurons to readouts.
pub(crate) fn standard_deviation_of_readouts(n: usize, gain: Gain) -> f64 {
    let scale = 1.0 / libm::sqrt(n as f64);
    // A readout without a gain adds up many steps: it would start with outputs of several units, which learning must first undo.
    match gain {
        Gain::Unit => 0.1 * scale,
        Gain::Leak => scale,
    }
}

/// Draws the weights of a layer into padded rows of N, one per source; the sources after the inputs are the layer's own neurons.
///
/// # Errors
/// [`Error::Interrupted`].
#[allow(
    clippy::too_many_arguments,
    reason = "rows, their sizes, and what is drawn"
)]
pub(crate) fn layer_weights<F: Float>(
    gaussian: &mut Gaussian,
    rows: &mut [F],
    stride: usize,
    n_inputs: usize,
    n: usize,
    config: &LayerConfig,
    balance: Option<&Balance>,
    pace: &mut Pace<'_>,
) -> Result<(), Error> {
    let [of_input, of_neuron] = standard_deviations(fan_in(n_inputs, n, None), config);
    for (i, row) in rows.chunks_exact_mut(stride).enumerate() {
        let (scale, balance) = match i < n_inputs {
            true => (of_input, balance),
            false => (of_neuron, None),
        };
        for (j, w) in row[..n].iter_mut().enumerate() {
            let drawn = gaussian.next();
            let number = balance.map_or(drawn, |balance| balance.balanced(j, drawn));
            *w = F::cast(scale * config.relative_unit(j) * number);
        }
        if let Some(own) = i.checked_sub(n_inputs) {
            row[own] = F::ZERO;
        }
        pace.pass(n)?;
    }
    Ok(())
}

/// Draws the weights of the synapses that exist, source by source; `put` gets the source, which of its synapses it is, the neuron, and the weight. Of a part of a
/// network, numbers of synapses with other neurons are left out: `n` neurons are sources.
///
/// # Errors
/// [`Error::TooLarge`], [`Error::Interrupted`].
pub(crate) fn weights_of_wires<F: Float>(
    gaussian: &mut Gaussian,
    wires: &Wires,
    (n_inputs, n): (usize, usize),
    config: &LayerConfig,
    pace: &mut Pace<'_>,
    mut put: impl FnMut(usize, usize, usize, F),
) -> Result<(), Error> {
    let [of_input, of_neuron] = standard_deviations(fan_in(n_inputs, n, Some(wires)), config);
    let balance = BalanceOfWires::of(gaussian, wires, n_inputs, pace)?;
    for i in 0..n_inputs + n {
        let targets = wires.targets(i);
        let ([before, after], own_place) = (wires.around(i), wires.own_place(i));
        gaussian.skip(before);
        for (at, &j) in targets.iter().enumerate() {
            if own_place == Some(at) {
                gaussian.skip(1);
            }
            let (j, drawn) = (j as usize, gaussian.next());
            let number = match i < n_inputs {
                true => of_input * balance.balanced(j, drawn),
                false => of_neuron * drawn,
            };
            put(i, at, j, F::cast(config.relative_unit(j) * number));
        }
        gaussian.skip(after + u64::from(own_place == Some(targets.len())));
        pace.pass(targets.len())?;
    }
    Ok(())
}

/// As [`Balance`], where each neuron has inputs of its own.
struct BalanceOfWires {
    sums: Vec<f64>,
    counts: Vec<u32>,
}

impl BalanceOfWires {
    fn of(
        gaussian: &Gaussian,
        wires: &Wires,
        n_inputs: usize,
        pace: &mut Pace<'_>,
    ) -> Result<Self, Error> {
        let mut gaussian = gaussian.clone();
        let n = wires.n_neurons();
        let mut sums = vec_for("the sums of initial weights", n)?;
        sums.resize(n, 0.0);
        let mut counts = vec_for("the sums of initial weights", n)?;
        counts.resize(n, 0);
        for i in 0..n_inputs {
            let [before, after] = wires.around(i);
            gaussian.skip(before);
            for &j in wires.targets(i) {
                sums[j as usize] += gaussian.next();
                counts[j as usize] += 1;
            }
            gaussian.skip(after);
            pace.pass(wires.targets(i).len())?;
        }
        Ok(Self { sums, counts })
    }

    fn balanced(&self, neuron: usize, drawn: f64) -> f64 {
        let all = f64::from(self.counts[neuron]);
        let left = FEW_INPUTS / all;
        if left >= 1.0 {
            return drawn;
        }
        let gain = 1.0 / libm::sqrt(1.0 - (1.0 - left * left) / all);
        gain * (drawn - (1.0 - left) / all * self.sums[neuron])
    }
}

/// The same weight with the sign that its source has, or as it is if that has none.
pub(crate) fn with_sign<F: Float>(w: F, sign: i8) -> F {
    match sign {
        0 => w,
        sign => F::cast(f64::from(sign)) * w.abs(),
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::{Balance, Gaussian, layer_weights};
    use crate::options::{Gain, LayerConfig, PerNeuron};
    use crate::testing::in_both;
    use crate::testing::unasked;

    /// Mean, variance and kurtosis.
    fn moments(x: &[f64]) -> (f64, f64, f64) {
        let n = x.len() as f64;
        let mean = x.iter().sum::<f64>() / n;
        let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
        let fourth = x.iter().map(|x| libm::pow(x - mean, 4.0)).sum::<f64>() / n;
        (mean, variance, fourth / (variance * variance))
    }

    #[test]
    fn numbers_are_standard_normal() {
        let mut gaussian = Gaussian::new(42);
        let x: Vec<f64> = (0..40_000).map(|_| gaussian.draw(1.0)).collect();
        let (mean, variance, kurtosis) = moments(&x);
        assert!(mean.abs() < 0.02, "{mean}");
        assert!((variance - 1.0).abs() < 0.03, "{variance}");
        assert!((kurtosis - 3.0).abs() < 0.15, "{kurtosis}");
        let beyond = x.iter().filter(|x| x.abs() > 1.96).count() as f64 / 40_000.0;
        assert!((beyond - 0.05).abs() < 0.005, "{beyond}");
        // Sine and cosine of one angle are independent.
        let pairs = x.chunks_exact(2).map(|pair| pair[0] * pair[1]);
        assert!(pairs.sum::<f64>().abs() < 0.02 * 20_000.0);
    }

    #[test]
    fn a_seed_is_its_numbers_and_no_others() {
        let draw = |seed| {
            let mut gaussian = Gaussian::new(seed);
            [
                gaussian.draw::<f64>(1.0),
                gaussian.draw(1.0),
                gaussian.draw(1.0),
            ]
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn numbers_that_are_left_out_are_those_that_would_have_come() {
        for drawn in 0..4 {
            for n in 0..9 {
                let (mut one, mut other) = (Gaussian::new(5), Gaussian::new(5));
                for _ in 0..drawn {
                    assert_eq!(one.next(), other.next());
                }
                one.skip(n);
                (0..n).for_each(|_| _ = other.next());
                for _ in 0..5 {
                    assert_eq!(one.next(), other.next(), "{n} after {drawn}");
                }
            }
        }
    }

    in_both! {
        fn a_number_is_scaled_before_it_is_rounded<F>() {
            let (mut one, mut other) = (Gaussian::new(5), Gaussian::new(5));
            for _ in 0..9 {
                assert_eq!(one.draw::<F>(0.3), F::cast(0.3 * other.draw::<f64>(1.0)));
            }
        }
    }

    in_both! {
        fn a_membrane_under_the_expected_input_deviates_as_documented<F>() {
            let (n_inputs, n, stride) = (150, 150, 176);
            let usual = LayerConfig::default();
            let slow = LayerConfig { tau_mem: 50.0, threshold: 0.5, input_gain: Gain::Leak, ..usual.clone() };
            for (config, is_balanced) in [(usual.clone(), false), (slow, false), (usual, true)] {
                let mut rows = vec![F::ZERO; (n_inputs + n) * stride];
                let pace = &mut unasked();
                let mut gaussian = Gaussian::new(1);
                let balance = Balance::of(&gaussian, n_inputs, n, pace).unwrap().filter(|_| is_balanced);
                layer_weights(&mut gaussian, &mut rows, stride, n_inputs, n, &config, balance.as_ref(), pace).unwrap();
                let alpha = libm::exp(-config.dt / config.tau_mem);
                let zeta = if config.input_gain == Gain::Leak { 1.0 - alpha } else { 1.0 };
                // Independent spikes at 0.02 a step through v = alpha v + zeta W s.
                let deviation = |sources: &[F]| {
                    let of_weights = sources.iter().map(|w| w.to_f64() * w.to_f64()).sum::<f64>() / n as f64;
                    zeta * libm::sqrt(0.02 * of_weights / (1.0 - alpha * alpha))
                };
                let (of_inputs, of_neurons) = rows.split_at(n_inputs * stride);
                let of_inputs = deviation(of_inputs) / config.threshold;
                let of_neurons = deviation(of_neurons) / config.threshold;
                assert!((of_inputs - 1.3).abs() < 0.03, "{of_inputs}");
                assert!((of_neurons - 0.3).abs() < 0.01, "{of_neurons}");
            }
        }
    }

    in_both! {
        fn every_membrane_deviates_alike_whatever_its_filters<F>() {
            let (n_inputs, n, stride) = (4000, 2, 16);
            for (taus, tau_syn) in [([5.0, 50.0], 0.0), ([20.0, 20.0], 7.0), ([5.0, 50.0], 7.0), ([9.0, 30.0], 200.0)] {
                let each = PerNeuron { tau_mem: Some(taus.to_vec()), ..PerNeuron::default() };
                let config = LayerConfig { each, tau_syn, input_gain: Gain::Leak, ..LayerConfig::default() };
                let mut rows = vec![F::ZERO; (n_inputs + n) * stride];
                layer_weights(&mut Gaussian::new(1), &mut rows, stride, n_inputs, n, &config, None, &mut unasked()).unwrap();
                for (j, tau) in taus.into_iter().enumerate() {
                    let (alpha, sigma) = (libm::exp(-1.0 / tau), if tau_syn == 0.0 { 0.0 } else { libm::exp(-1.0 / tau_syn) });
                    // What is left of a spike, squared and summed over its future.
                    let (mut i, mut v, mut squares) = (1.0 - alpha, 0.0, 0.0);
                    for _ in 0..5000 {
                        v = alpha * v + i;
                        i *= sigma;
                        squares += v * v;
                    }
                    let of_inputs = rows[..n_inputs * stride].iter().skip(j).step_by(stride);
                    let of_weights: f64 = of_inputs.map(|w| w.to_f64() * w.to_f64()).sum();
                    let deviation = libm::sqrt(0.02 * of_weights * squares);
                    assert!((deviation - 1.3).abs() < 0.05, "{deviation} of {tau} and {tau_syn}");
                }
            }
        }
    }

    in_both! {
        fn many_inputs_have_in_common_what_four_would_have_and_few_are_as_drawn<F>() {
            let (n, stride) = (400, 400);
            let drawn = |n_inputs: usize, is_balanced: bool| {
                let mut rows = vec![F::ZERO; n_inputs * stride];
                let pace = &mut unasked();
                let mut gaussian = Gaussian::new(9);
                let balance = Balance::of(&gaussian, n_inputs, n, pace).unwrap().filter(|_| is_balanced);
                let config = LayerConfig::default();
                layer_weights(&mut gaussian, &mut rows, stride, n_inputs, n, &config, balance.as_ref(), pace).unwrap();
                rows
            };
            // The sums over the sources of each neuron, as a deviation.
            let of_sums = |rows: &[F]| {
                let sums = (0..n).map(|j| rows.iter().skip(j).step_by(stride).map(|w| w.to_f64()).sum::<f64>());
                libm::sqrt(sums.map(|sum| sum * sum).sum::<f64>() / n as f64)
            };
            for n_inputs in [1, 4] {
                assert_eq!(drawn(n_inputs, true), drawn(n_inputs, false));
            }
            for n_inputs in [5, 20, 100] {
                let (balanced, raw) = (drawn(n_inputs, true), drawn(n_inputs, false));
                let left = 4.0 / n_inputs as f64;
                let gain = 1.0 / libm::sqrt(1.0 - (1.0 - left * left) / n_inputs as f64);
                let ratio = of_sums(&balanced) / of_sums(&raw);
                assert!((ratio - left * gain).abs() < 1e-5, "{n_inputs}: {ratio}");
                // What sets sources apart stays, but for its size.
                let apart = |rows: &[F], j: usize| rows[j].to_f64() - rows[stride + j].to_f64();
                for j in 0..n {
                    assert!((apart(&balanced, j) - gain * apart(&raw, j)).abs() < 1e-5);
                }
            }
        }
    }

    in_both! {
        fn neurons_have_no_synapse_to_themselves_and_padding_stays_zero<F>() {
            let mut rows = vec![F::ZERO; 7 * 16];
            let pace = &mut unasked();
            layer_weights(&mut Gaussian::new(3), &mut rows, 16, 3, 4, &LayerConfig::default(), None, pace).unwrap();
            for (i, row) in rows.chunks_exact(16).enumerate() {
                for (j, &w) in row.iter().enumerate() {
                    let is_synapse = j < 4 && i != 3 + j;
                    assert_eq!(w != F::ZERO, is_synapse, "from {i} to {j}");
                }
            }
        }
    }
}
