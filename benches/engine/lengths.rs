//! What a step costs in a long sequence, and whether the process grows meanwhile.

use eprop::{Inputs, TrainOptions, UpdateEvery};
use ndarray::Array2;

use crate::line::Line;
use crate::timing::least;
use crate::work::Work;

/// The steps that are repeated to the length that is asked for.
const STEPS: usize = 1000;

/// A line for each schedule of updates: one sequence of `length` steps, at (100, 256).
pub fn report(length: usize) {
    let work = Work::new(100, 256, STEPS.min(length), 0.02, 20.0);
    let (start, units) = events(&work, length);
    let inputs = Inputs::Events {
        n_inputs: 100,
        start: &start,
        units: &units,
        values: None,
    };
    let targets = Array2::from_shape_fn((length, work.targets.ncols()), |(t, k)| {
        work.targets[[t % work.steps(), k]]
    });
    for (name, update_every) in [
        ("sequence", UpdateEvery::Sequence),
        ("every", UpdateEvery::Steps(1)),
    ] {
        let mut trainer = work.trainer(update_every, None);
        work.train(&mut trainer);
        let before = resident_mb();
        let us = least(2, 1.0, length, || {
            let trained = trainer.train_sequence(inputs, targets.view(), TrainOptions::default());
            assert!(trained.expect("finite").loss.is_finite());
        });
        Line::new("length")
            .text("update_every", name)
            .number("length", length as f64)
            .number("us", us)
            .number("grown_mb", resident_mb() - before)
            .print();
    }
}

/// The inputs of `work` again and again, as `start` and `units` of [`Inputs::Events`]: a fiftieth of the dense array.
fn events(work: &Work, length: usize) -> (Vec<usize>, Vec<u32>) {
    let (mut start, mut units) = (vec![0], Vec::new());
    for t in 0..length {
        let x = work.inputs.row(t % work.steps());
        units.extend((0..).zip(x).filter(|&(_, &x)| x != 0.0).map(|(i, _)| i));
        start.push(units.len());
    }
    (start, units)
}

/// The resident set of this process where the system tells it, or NaN.
fn resident_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kb.map_or(f64::NAN, |kb| kb / 1024.0)
}
