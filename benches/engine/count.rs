//! Work that an instruction counter watches.

use eprop::{Config, Horizon, Optimizer, UpdateEvery};
use ndarray::Array2;

use crate::membranes;
use crate::work::{N_OUTPUTS, Work};

const STEPS: usize = 200;

/// Runs `repeats` sequences of 200 steps at (256, 256) and nothing else, so that two runs of different lengths differ by their
/// steps alone: `count.sh` takes the difference. `what` is a call, and after an underscore the network or the rule.
pub fn run(what: &str, repeats: usize) {
    let work = Work::new(256, 256, STEPS, 0.02, 20.0);
    let (call, network) = what.split_once('_').unwrap_or((what, "plain"));
    let update_every = match call {
        "infer" | "sequence" => UpdateEvery::Sequence,
        "every" => UpdateEvery::Steps(1),
        "every8" => UpdateEvery::Steps(8),
        _ => crate::fail(),
    };
    let config = Config {
        update_every,
        ..config(network, &work)
    };
    let mut trainer = match network {
        // The work's weights are those of one tau_mem and no current.
        "taus" | "current" => membranes::calibrated(&work, 20.0, config),
        _ => work.trainer_of(config),
    };
    let mut outputs = Array2::zeros((STEPS, N_OUTPUTS));
    for _ in 0..repeats {
        match call {
            "infer" => work.infer(&mut trainer, &mut outputs),
            _ => work.train(&mut trainer),
        }
    }
}

fn config(network: &str, work: &Work) -> Config {
    let under = |optimizer| Config {
        optimizer,
        ..Config::default()
    };
    let plain = under(Optimizer::PLAIN_SGD);
    match network {
        "plain" => plain,
        "limited" => under(Optimizer::SGD),
        "auto" => under(Optimizer::AUTO),
        "momentum" => under(Optimizer::MOMENTUM),
        "adam" => under(Optimizer::ADAM),
        "alif" => work.adaptive(),
        "alif_limited" => Config {
            optimizer: Optimizer::SGD,
            ..work.adaptive()
        },
        "alif_auto" => Config {
            optimizer: Optimizer::AUTO,
            ..work.adaptive()
        },
        "taus" => membranes::differing(256),
        "current" => membranes::with_current(),
        "delay" => Config { delay: 5, ..plain },
        "horizon50" => Config {
            horizon: Horizon::Steps(50),
            ..plain
        },
        "horizon" => Config {
            horizon: Horizon::Sequence,
            ..plain
        },
        _ => crate::fail(),
    }
}
