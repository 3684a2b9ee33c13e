//! Work that an instruction counter watches.

use eprop::{Optimizer, UpdateEvery};
use ndarray::Array2;

use crate::work::{N_OUTPUTS, Work};

const STEPS: usize = 200;

/// Runs `repeats` sequences of 200 steps at (256, 256) and nothing else, so that two runs of different lengths differ by their
/// steps alone: `count.sh` takes the difference.
pub fn run(what: &str, repeats: usize) {
    let (what, beta) = match what.strip_suffix("_adaptive") {
        Some(what) => (what, 0.2),
        None => (what, 0.0),
    };
    let work = Work::of_adaptive(beta, (256, 256), STEPS, 0.02, 20.0);
    let (what, optimizer) = match what.split_once('_') {
        Some((what, "limited")) => (what, Optimizer::SGD),
        Some((what, "auto")) => (what, Optimizer::AUTO),
        _ => (what, Optimizer::PLAIN_SGD),
    };
    let update_every = if what == "every" {
        UpdateEvery::Steps(1)
    } else {
        UpdateEvery::Sequence
    };
    let mut trainer = work.trainer_with(optimizer, update_every, None);
    let mut outputs = Array2::zeros((STEPS, N_OUTPUTS));
    for _ in 0..repeats {
        match what {
            "infer" => work.infer(&mut trainer, &mut outputs),
            "sequence" | "every" => work.train(&mut trainer),
            _ => crate::fail(),
        }
    }
}
