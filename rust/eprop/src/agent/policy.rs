//! From logits to an action: softmax, entropy, and draws from the agent's own random numbers.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::Float;

/// Initial weights are drawn from stream 0 of the seed.
const STREAM_OF_ACTIONS: u64 = 1;

/// `pi = softmax(logits)`.
pub(super) fn softmax<F: Float>(logits: &[F], pi: &mut [f64]) {
    let largest = logits
        .iter()
        .map(|y| y.to_f64())
        .fold(f64::NEG_INFINITY, f64::max);
    for (p, y) in pi.iter_mut().zip(logits) {
        *p = libm::exp(y.to_f64() - largest);
    }
    let sum: f64 = pi.iter().sum();
    pi.iter_mut().for_each(|p| *p /= sum);
}

/// `H = -sum_k pi_k log pi_k`.
pub(super) fn entropy(pi: &[f64]) -> f64 {
    -pi.iter().map(|&p| p * log(p)).sum::<f64>()
}

/// The logarithm of a probability; of 0, with which it is multiplied, a finite number.
pub(super) fn log(p: f64) -> f64 {
    libm::log(p.max(f64::MIN_POSITIVE))
}

/// The action at which the sum of the probabilities passes `u`, of [0, 1).
pub(super) fn choose(pi: &[f64], u: f64) -> usize {
    let mut left = u;
    let passed = pi.iter().position(|&p| {
        left -= p;
        left < 0.0
    });
    // Probabilities add up to 1 only nearly.
    passed.unwrap_or_else(|| likeliest(pi))
}

/// The first of the most likely actions.
pub(super) fn likeliest(pi: &[f64]) -> usize {
    let mut best = 0;
    for (at, p) in pi.iter().enumerate() {
        if *p > pi[best] {
            best = at;
        }
    }
    best
}

/// Number `n` of a seed's random numbers in [0, 1): so many have been drawn before.
pub(super) fn uniform(seed: u64, n: u64) -> f64 {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(STREAM_OF_ACTIONS);
    // A number takes two words.
    rng.set_word_pos(2 * u128::from(n));
    (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::{choose, entropy, likeliest, softmax, uniform};
    use crate::testing::in_both;

    in_both! {
        fn probabilities_are_those_of_the_logits_however_large<F>() {
            let mut pi = [0.0; 3];
            for shift in [0.0, 1000.0] {
                let logits = [0.0, core::f64::consts::LN_2, 0.0].map(|y| F::cast(y + shift));
                softmax(&logits, &mut pi);
                // At 1000 a float32 holds the logarithm of 2 to 3e-5.
                for (p, expected) in pi.iter().zip([0.25, 0.5, 0.25]) {
                    assert!((p - expected).abs() < 2e-5, "{pi:?}");
                }
            }
        }
    }

    #[test]
    fn entropy_by_hand() {
        assert!((entropy(&[0.5, 0.25, 0.25]) - 1.5 * core::f64::consts::LN_2).abs() < 1e-15);
        assert_eq!(entropy(&[1.0, 0.0]), 0.0);
    }

    #[test]
    fn an_action_is_where_the_sum_passes_the_number() {
        let pi = [0.25, 0.0, 0.5, 0.25];
        for (u, action) in [(0.0, 0), (0.25, 2), (0.7, 2), (0.75, 3), (0.999, 3)] {
            assert_eq!(choose(&pi, u), action, "{u}");
        }
        // Of numbers that do not add up to 1, and of none at all, it is an action.
        assert_eq!(choose(&[0.3, 0.4], 0.9), 1);
        assert_eq!(choose(&[f64::NAN, f64::NAN], 0.9), 0);
        assert_eq!(likeliest(&[0.2, 0.4, 0.4]), 1);
    }

    #[test]
    fn random_numbers_are_even_and_each_its_own() {
        let drawn = |seed, n| uniform(seed, n);
        let mean = (0..4000).map(|n| drawn(7, n)).sum::<f64>() / 4000.0;
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
        assert_eq!(drawn(7, 3), drawn(7, 3));
        assert!(drawn(7, 3) != drawn(7, 4) && drawn(7, 3) != drawn(8, 3));
    }
}
