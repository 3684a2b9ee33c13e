//! What an update at every step costs where each neuron has its own tau_mem, or a current lies before the membranes: in factors, and in the textbook form.

use eprop::{Config, Engine, EpropTrainer, Optimizer, PerNeuron};

use crate::line::Line;
use crate::timing::least_of_both;
use crate::work::{SIZES, Work, share};

const RUNS: usize = 3;

/// One line for each network of the first `n_sizes`, up to N = 1000.
pub fn report(n_sizes: usize, steps: usize) {
    for &(n_inputs, n, rate) in SIZES[..4].iter().take(n_sizes) {
        let work = Work::new(n_inputs, n, steps, 0.02, rate);
        for (name, config) in [
            ("alike", plain()),
            ("tau_mem", differing(n)),
            ("tau_syn", with_current()),
        ] {
            let [mut fast, mut slow] = [Engine::Factored, Engine::Textbook].map(|engine| {
                let engine = Some(engine);
                calibrated(
                    &work,
                    rate,
                    Config {
                        engine,
                        ..config.clone()
                    },
                )
            });
            let mut line = Line::new("membranes");
            line.number("n_inputs", n_inputs as f64)
                .number("n_neurons", n as f64)
                .text("membranes", name)
                .number("share", share(&work.spikes(&mut fast)));
            let (factored, textbook) = least_of_both(
                RUNS,
                steps,
                || work.train(&mut fast),
                || work.train(&mut slow),
            );
            line.number("factored", factored)
                .number("textbook", textbook);
            line.print();
        }
    }
}

fn plain() -> Config {
    Config {
        optimizer: Optimizer::PLAIN_SGD,
        ..Config::default()
    }
}

/// Time constants of 10 to 50 ms, none the same as another.
pub fn differing(n: usize) -> Config {
    let tau = |j: usize| 10.0 + 40.0 * j as f64 / n as f64;
    let each = PerNeuron {
        tau_mem: Some((0..n).map(tau).collect()),
        ..PerNeuron::default()
    };
    Config { each, ..plain() }
}

pub fn with_current() -> Config {
    Config {
        tau_syn: 5.0,
        ..plain()
    }
}

/// A network of such neurons that fires at `rate` Hz.
pub fn calibrated(work: &Work, rate: f64, config: Config) -> EpropTrainer<f32> {
    let mut trainer = work.trainer_of(config);
    trainer
        .calibrate(work.inputs.view(), rate)
        .expect("reaches the rate");
    trainer
}
