//! Chance from a seed: SplitMix64.

pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64, round: u64) -> Self {
        let mut chance = Self(seed);
        let mixed = chance.bits() ^ round;
        Self(mixed)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to `n - 1`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    /// `low` to `high`, both included.
    pub fn within(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// From 0 up to 1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Mostly a spike or none; now and then any number, and rarely one that must be refused.
    pub fn input(&mut self) -> f64 {
        match self.below(400) {
            0 => self.of(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY]),
            1..10 => self.of(&[-0.0, 5e-324, 1e-40, 1e-30, 1e20, -1e20, 1e37, 1e300]),
            10..60 => 4.0 * self.unit() - 2.0,
            60..150 => 1.0,
            _ => 0.0,
        }
    }
}
