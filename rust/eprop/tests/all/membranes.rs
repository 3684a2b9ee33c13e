//! What tests draw between sources and membranes: a time constant of each neuron, and a current.

use eprop::{Config, PerNeuron};

/// Three of eight networks have one of them, or both.
pub fn drawn(config: Config, n: usize) -> Config {
    let draw = config.seed / 8 % 8;
    let tau = |j: usize| config.tau_mem * (1 + j % 5) as f64 / 3.0;
    let tau_mem = (draw == 0 || draw == 1).then(|| (0..n).map(tau).collect());
    Config {
        tau_syn: match draw {
            1 => 2.0,
            2 => 9.0,
            _ => 0.0,
        },
        each: PerNeuron {
            tau_mem,
            ..config.each
        },
        ..config
    }
}
