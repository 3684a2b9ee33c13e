//! What unit tests share: numbers that look random, comparisons, and a way to build a part.

extern crate std;

use alloc::vec::Vec;
use std::process::Command;

use crate::numbers::aligned::Aligned;
use crate::numbers::interrupt::{Interrupt, Pace};
use crate::numbers::room::Room;
use crate::{Error, Float};

/// Numbers that look random, the same in every run.
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    /// In [0, 1).
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// In [-1, 1), and a number that `f32` holds, too.
    pub(crate) fn signed(&mut self) -> f64 {
        f64::from((2.0 * self.uniform() - 1.0) as f32)
    }

    pub(crate) fn numbers<F: Float>(&mut self, n: usize) -> Vec<F> {
        (0..n).map(|_| F::cast(self.signed())).collect()
    }

    /// Ascending numbers below `n`, each with this probability.
    pub(crate) fn some_of(&mut self, n: usize, probability: f64) -> Vec<u32> {
        let mut chosen = |_: &u32| self.uniform() < probability;
        (0..n as u32).filter(&mut chosen).collect()
    }
}

/// Writes a test that runs in both number types.
macro_rules! in_both {
    ($(#[$meta:meta])* fn $name:ident<$float:ident>() $body:block) => {
        $(#[$meta])*
        #[test]
        fn $name() {
            fn body<$float: crate::Float>() $body
            body::<f32>();
            body::<f64>();
        }
    };
}
pub(crate) use in_both;

/// Of work that nobody stops.
pub(crate) fn unasked() -> Pace<'static> {
    static NOBODY: Interrupt = Interrupt::NOBODY;
    NOBODY.pace()
}

/// What a part of the network is, given memory.
pub(crate) fn made<T>(make: impl FnMut(&mut Room) -> Result<T, Error>) -> T {
    Room::build(|| "a test".into(), make).unwrap()
}

/// Numbers on a cache line of their own.
pub(crate) fn aligned<F: Float>(numbers: &[F]) -> Aligned<F> {
    let mut to = Aligned::zeros(numbers.len()).unwrap();
    to.copy_from_slice(numbers);
    to
}

pub(crate) fn doubles<F: Float>(numbers: &[F]) -> Vec<f64> {
    numbers.iter().map(|x| x.to_f64()).collect()
}

/// The rounding that a sum of some hundred numbers may have.
pub(crate) fn rounding<F: Float>() -> f64 {
    if size_of::<F>() == 4 { 3e-5 } else { 1e-12 }
}

/// Equal but for rounding, relative to the largest number.
#[track_caller]
pub(crate) fn near<F: Float>(what: &str, got: &[F], expected: &[f64]) {
    assert_eq!(got.len(), expected.len(), "{what}: another length");
    let largest = expected.iter().fold(1.0, |top: f64, x| top.max(x.abs()));
    for (at, (got, expected)) in got.iter().zip(expected).enumerate() {
        let off = (got.to_f64() - expected).abs();
        assert!(
            off <= rounding::<F>() * largest,
            "{what}[{at}]: {got}, expected {expected}"
        );
    }
}

/// Equal to the last bit; zeros of either sign are equal.
#[track_caller]
pub(crate) fn same_bits<F: Float>(what: &str, got: &[F], expected: &[F]) {
    assert_eq!(got.len(), expected.len(), "{what}: another length");
    for (at, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert!(got == expected, "{what}[{at}]: {got}, expected {expected}");
    }
}

/// Runs some tests of this binary once more, in a process with this variable.
pub(crate) fn run_again(tests: &str, variable: &str, value: &str) {
    let done = Command::new(std::env::current_exe().unwrap())
        .args([tests, "--test-threads", "1"])
        .env(variable, value)
        .output()
        .unwrap();
    let told = std::string::String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{variable}={value}:\n{told}");
    assert!(!told.contains("running 0 tests"), "{tests}: no such tests");
}
