//! What the criterion benches share: inputs, and networks that fire at 2 % on them.
//!
//! The README's Rust is a doctest of this crate, which is never packaged: the file lies outside of any package.

use eprop::{Config, EpropTrainer};
use ndarray::Array2;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

/// `(n_inputs, n_neurons)`: within the second cache, and beyond it.
pub const SIZES: [(usize, usize); 2] = [(100, 256), (1000, 1000)];
/// Readouts of every network.
pub const N_OUTPUTS: usize = 10;

/// Every update is carried out, and after thousands of them the network fires as it did.
pub const LR: f64 = 1e-12;

/// Input spikes, `(n_steps, n_inputs)` of 0 and 1 with probability 0.02.
pub fn spikes(n_steps: usize, n_inputs: usize) -> Array2<f32> {
    drawn(
        n_steps,
        n_inputs,
        |uniform| {
            if uniform < 0.02 { 1.0 } else { 0.0 }
        },
    )
}

/// Analog inputs, `(n_steps, n_inputs)` between 0 and 1.
pub fn analog(n_steps: usize, n_inputs: usize) -> Array2<f32> {
    drawn(n_steps, n_inputs, |uniform| uniform as f32)
}

/// Of numbers between 0 and 1, from a small generator of our own (xorshift64*).
fn drawn(n_steps: usize, n_inputs: usize, of: impl Fn(f64) -> f32) -> Array2<f32> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    Array2::from_shape_fn((n_steps, n_inputs), |_| {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        of((state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64)
    })
}

/// A network of `n_neurons` that fires at 2 % per step on `inputs`, and goes on to while it learns.
///
/// # Panics
/// If `inputs` cannot drive the network, which [`spikes`] and [`analog`] can.
pub fn network(n_neurons: usize, inputs: &Array2<f32>, config: Config) -> EpropTrainer<f32> {
    let config = Config { lr: LR, ..config };
    let mut trainer =
        EpropTrainer::new(inputs.ncols(), n_neurons, N_OUTPUTS, config).expect("valid sizes");
    trainer
        .calibrate(inputs.view(), 20.0)
        .expect("such inputs can drive the network");
    trainer
}
