//! Learns to generate a sum of four sines from frozen input noise, one update per pass, and prints its losses.
//! Run: `cargo run --release -p eprop --example pattern_generation`.

use eprop::{Config, EpropTrainer, Error, Gain, TrainOptions, UpdateEvery};
use ndarray::{Array2, Zip};

const STEPS: usize = 1000;
const N_INPUTS: usize = 100;
const N_NEURONS: usize = 100;
const PASSES: usize = 300;

fn main() -> Result<(), Error> {
    let config = Config {
        tau_mem: 30.0,
        tau_trace: 30.0,
        threshold: 0.03,
        lr: 3e-4,
        input_gain: Gain::Leak,
        readout_gain: Gain::Leak,
        update_every: UpdateEvery::Sequence,
        ..Config::default()
    };
    let mut trainer = EpropTrainer::<f32>::new(N_INPUTS, N_NEURONS, 1, config)?;
    let inputs = frozen_noise();
    let targets = sum_of_sines();
    trainer.calibrate(inputs.view(), 20.0)?;

    let mut first = None;
    for pass in 0..PASSES {
        let trained =
            trainer.train_sequence(inputs.view(), targets.view(), TrainOptions::default())?;
        let first = *first.get_or_insert(trained.loss);
        if pass % 25 == 0 || pass + 1 == PASSES {
            println!(
                "pass {pass:4}: loss {:.5} ({:.1} % of the first)",
                trained.loss,
                100.0 * trained.loss / first
            );
        }
    }
    Ok(())
}

/// Spikes at 5 % of the steps, the same at every pass.
fn frozen_noise() -> Array2<f32> {
    let mut state = 88_172_645_463_325_252_u64;
    Array2::from_shape_simple_fn((STEPS, N_INPUTS), || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        if state % 100 < 5 { 1.0 } else { 0.0 }
    })
}

/// Periods of 1000, 500, 333 and 200 ms, scaled to a largest magnitude of 1.
fn sum_of_sines() -> Array2<f32> {
    let waves = [
        (1000.0, 1.0, 0.5),
        (500.0, 0.8, 2.0),
        (333.0, 1.3, 4.0),
        (200.0, 0.6, 1.0),
    ];
    let mut target: Array2<f32> = Array2::from_shape_fn((STEPS, 1), |(t, _)| {
        waves
            .iter()
            .map(|&(period, a, phi)| a * (std::f32::consts::TAU * t as f32 / period + phi).sin())
            .sum()
    });
    let start = target[[0, 0]];
    target -= start;
    let mut peak = 0.0_f32;
    Zip::from(&target).for_each(|y| peak = peak.max(y.abs()));
    target / peak
}
