//! The network and the data of a measurement.

use eprop::{Config, EpropTrainer};
use ndarray::Array2;

/// What every engine is given.
pub struct Work {
    pub inputs: Array2<f32>,
    pub targets: Array2<f32>,
    pub n: usize,
    /// Input weights at which the network fires at the rate that was asked for.
    pub w_in: Array2<f32>,
}

/// Inputs of which 2 % spike at a step, targets of noise, weights calibrated to `rate` Hz at steps of 1 ms.
pub fn make(n_inputs: usize, n: usize, steps: usize, rate: f64) -> Work {
    let mut state = 88_172_645_463_325_252_u64;
    let mut uniform = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32
    };
    let inputs =
        Array2::from_shape_simple_fn((steps, n_inputs), || f32::from(u8::from(uniform() < 0.02)));
    let targets = Array2::from_shape_simple_fn((steps, 10), || 2.0 * uniform() - 1.0);
    let mut trainer = EpropTrainer::<f32>::new(n_inputs, n, 10, Config::default()).expect("fits");
    trainer
        .calibrate(inputs.view(), rate)
        .expect("reaches the rate");
    Work {
        inputs,
        targets,
        n,
        w_in: trainer.w_in(),
    }
}
