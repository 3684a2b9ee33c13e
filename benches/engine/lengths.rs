//! What a step costs in a long sequence, and whether the process grows meanwhile.

use eprop::{EpropTrainer, Stream, UpdateEvery};
use ndarray::{Array2, Axis};

use crate::line::Line;
use crate::timing::least;
use crate::work::{N_OUTPUTS, Work};

/// What is repeated to the length that is asked for, so that the length alone differs.
const PIECE: usize = 1000;

/// A line for each schedule of updates, and for inference: one sequence of `length` steps, at (100, 256).
pub fn report(length: usize) {
    let work = Work::new(100, 256, PIECE, 0.02, 20.0);
    measure("inference", UpdateEvery::Sequence, &work, length, infer);
    measure("sequence", UpdateEvery::Sequence, &work, length, learn);
    measure("every", UpdateEvery::Steps(1), &work, length, learn);
}

fn measure(
    what: &str,
    update_every: UpdateEvery,
    work: &Work,
    length: usize,
    run: fn(&Work, usize, &mut EpropTrainer<f32>),
) {
    let mut trainer = work.trainer(update_every, None);
    work.train(&mut trainer);
    let before = resident_mb();
    // As many steps in all at each length, or the shortest would have the most quiet moments to choose from.
    let runs = (300_000 / length).clamp(2, 30);
    let us = least(runs, 0.0, length, || run(work, length, &mut trainer));
    Line::new("length")
        .text("what", what)
        .number("length", length as f64)
        .number("us", us)
        .number("grown_mb", resident_mb() - before)
        .print();
}

fn infer(work: &Work, length: usize, trainer: &mut EpropTrainer<f32>) {
    let mut outputs = Array2::zeros((PIECE, N_OUTPUTS));
    trainer.reset();
    for _ in 0..length / PIECE {
        let rows = outputs.view_mut().insert_axis(Axis(0));
        let piece = trainer.predict_piece(&[work.inputs.view().into()], rows, None);
        piece.expect("fits");
    }
}

fn learn(work: &Work, length: usize, trainer: &mut EpropTrainer<f32>) {
    trainer.reset();
    let mut tally = trainer.tally();
    for _ in 0..length / PIECE {
        let stream = Stream {
            inputs: work.inputs.view().into(),
            targets: work.targets.view(),
            mask: None,
            weights: None,
        };
        let piece = trainer.train_piece(&[stream], None, &mut tally);
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
