//! Measures what the scale of the initial weights promises: the share of neurons that spike per step in default networks
//! under random input spikes of rate 0.02. `cargo run --release -p eprop --example initial_rates` prints the README's table.

use eprop::{Config, EpropTrainer, Error};
use ndarray::Array2;

const STEPS: usize = 2000;
const SEEDS: u64 = 5;

fn main() -> Result<(), Error> {
    println!(
        "| n_inputs | n_neurons | spikes per neuron and step, lowest to highest of {SEEDS} seeds |"
    );
    println!("| --- | --- | --- |");
    for n_inputs in [16, 64, 256, 1000] {
        for n_neurons in [16, 64, 256, 1000] {
            let mut shares = Vec::new();
            for seed in 0..SEEDS {
                shares.push(share(n_inputs, n_neurons, seed)?);
            }
            let lowest = shares.iter().copied().fold(f64::INFINITY, f64::min);
            let highest = shares.iter().copied().fold(0.0, f64::max);
            println!(
                "| {n_inputs} | {n_neurons} | {:.1} % to {:.1} % |",
                100.0 * lowest,
                100.0 * highest
            );
        }
    }
    Ok(())
}

fn share(n_inputs: usize, n_neurons: usize, seed: u64) -> Result<f64, Error> {
    let mut trainer = EpropTrainer::<f32>::new(
        n_inputs,
        n_neurons,
        1,
        Config {
            seed,
            ..Config::default()
        },
    )?;
    let mut noise = 88_172_645_463_325_252 ^ (seed + 1);
    let inputs = Array2::from_shape_simple_fn((STEPS, n_inputs), || {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        f32::from(u8::from(
            (noise >> 11) as f64 / (1_u64 << 53) as f64 <= 0.02,
        ))
    });
    // The firing alone is measured; a calibration to any rate would tell the same, but slower.
    let spikes = trainer.predict_sequence(inputs.view(), true)?.spikes;
    Ok(spikes.iter().map(|&z| f64::from(z)).sum::<f64>() / spikes.len() as f64)
}
