//! What a step costs in a long sequence, and whether the process grows meanwhile.

use eprop::{EpropTrainer, UpdateEvery};

use crate::line::Line;
use crate::timing::least;
use crate::work::Work;

/// What is repeated to the length that is asked for, so that the length alone differs.
const PIECE: usize = 1000;

/// A line for each schedule of updates: one sequence of `length` steps, at (100, 256).
pub fn report(length: usize) {
    let work = Work::new(100, 256, PIECE, 0.02, 20.0);
    let schedules = [
        ("sequence", UpdateEvery::Sequence),
        ("every", UpdateEvery::Steps(1)),
    ];
    for (name, update_every) in schedules {
        let mut trainer = work.trainer(update_every, None);
        work.train(&mut trainer);
        let before = resident_mb();
        // As many steps in all at each length, or the shortest would have the most quiet moments to choose from.
        let runs = (300_000 / length).clamp(2, 30);
        let us = least(runs, 0.0, length, || {
            long_sequence(&work, length, &mut trainer)
        });
        Line::new("length")
            .text("update_every", name)
            .number("length", length as f64)
            .number("us", us)
            .number("grown_mb", resident_mb() - before)
            .print();
    }
}

fn long_sequence(work: &Work, length: usize, trainer: &mut EpropTrainer<f32>) {
    trainer.reset();
    let mut tally = trainer.tally();
    for _ in 0..length / PIECE {
        let piece = trainer.train_piece(
            work.inputs.view(),
            work.targets.view(),
            None,
            None,
            &mut tally,
        );
        piece.expect("finite");
    }
    trainer.update().expect("finite");
    assert!(tally.loss().is_finite());
}

/// The resident set of this process where the system tells it, or NaN.
fn resident_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kb.map_or(f64::NAN, |kb| kb / 1024.0)
}
