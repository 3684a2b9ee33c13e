//! Random numbers that a seed and a count say: whoever knows both goes on anywhere with the same numbers.

/// What a state moves on by: the golden ratio, as SplitMix64 has it.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
/// Steps of a uniform number in [0, 1): 53 bits.
const UNIT: f64 = 1.0 / (1_u64 << 53) as f64;

/// SplitMix64 (Steele, Lea and Flood 2014), begun anew for every count.
#[derive(Clone, Debug)]
pub(crate) struct Draws {
    state: u64,
}

impl Draws {
    /// The numbers of one count of a seed.
    pub(crate) fn of(seed: u64, count: u64) -> Self {
        Self {
            state: mix(seed ^ mix(count.wrapping_add(GOLDEN))),
        }
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    /// A whole number below `n`.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(n)) >> 64) as u64
    }

    pub(crate) fn is_heads(&mut self) -> bool {
        self.bits() >> 63 == 1
    }

    /// Of mean 0 and variance 1, from two numbers (Box and Muller 1958).
    pub(crate) fn gaussian(&mut self) -> f64 {
        let above_zero = ((self.bits() >> 11) + 1) as f64 * UNIT;
        let angle = 2.0 * core::f64::consts::PI * ((self.bits() >> 11) as f64 * UNIT);
        libm::sqrt(-2.0 * libm::log(above_zero)) * libm::cos(angle)
    }
}

/// The mixing function of SplitMix64.
fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::Draws;

    #[test]
    fn they_are_those_of_splitmix64() {
        // Of a state of 1234567, as its authors publish them.
        let mut draws = Draws { state: 1_234_567 };
        let first = [(); 3].map(|()| draws.bits());
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn counts_and_seeds_have_numbers_of_their_own_which_come_again() {
        let of = |seed, count| Draws::of(seed, count).bits();
        assert_eq!(of(7, 3), of(7, 3));
        assert!(of(7, 3) != of(7, 4) && of(7, 3) != of(8, 3) && of(0, 0) != of(0, 1));
    }

    #[test]
    fn they_are_spread_as_they_should_be() {
        let mut draws = Draws::of(1, 1);
        let n = 20_000;
        let (mut counts, mut heads, mut sum, mut squares) = ([0; 7], 0, 0.0, 0.0);
        for _ in 0..n {
            counts[draws.below(7) as usize] += 1;
            heads += usize::from(draws.is_heads());
            let x = draws.gaussian();
            sum += x;
            squares += x * x;
        }
        // Five standard deviations.
        let near = |count: usize, p: f64| {
            let n = f64::from(n);
            (count as f64 - n * p).abs() < 5.0 * libm::sqrt(n * p * (1.0 - p))
        };
        assert!(counts.into_iter().all(|count| near(count, 1.0 / 7.0)));
        assert!(near(heads, 0.5));
        let n = f64::from(n);
        assert!((sum / n).abs() < 5.0 / libm::sqrt(n));
        assert!((squares / n - 1.0).abs() < 5.0 * libm::sqrt(2.0 / n));
    }
}
