//! What a step costs, beside what it has to cost: the numbers of `make bench` that need no Python.
//! One line of JSON per measurement, on whatever core the caller pinned it to.

mod limits;
mod work;

use std::time::Instant;

use eprop::{Config, Engine, EpropTrainer, TrainOptions, UpdateEvery};
use ndarray::{Array2, s};

use work::{Work, make};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, default: usize| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)?.parse().ok())
            .unwrap_or(default)
    };
    let repeats = number("--repeats", 5);
    if let Some(at) = arguments.iter().position(|argument| argument == "--count") {
        let n = number("--neurons", 256);
        return count(arguments.get(at + 1).map_or("", String::as_str), n, repeats);
    }
    let sizes = [
        (100, 100),
        (100, 256),
        (700, 512),
        (1000, 1000),
        (100, 10_000),
    ];
    limits::report();
    for &(n_inputs, n) in sizes
        .iter()
        .take(number("--sizes", sizes.len()))
        .skip(number("--skip", 0))
    {
        let steps = number("--steps", 1000);
        // 1 % of the large network: 100 spikes a step.
        let rate = if n >= 10_000 { 10.0 } else { 20.0 };
        measure(&make(n_inputs, n, steps, rate), repeats);
    }
}

/// Runs one kind of work with 100 inputs and nothing else: for a tool that counts instructions. The work is whole sequences of 200 steps,
/// so that two runs of different lengths differ by their steps alone.
fn count(what: &str, n: usize, repeats: usize) {
    let (n_inputs, steps) = (n, 200);
    let work = make(n_inputs, n, steps, 20.0);
    let update_every = if what == "every" {
        UpdateEvery::Steps(1)
    } else {
        UpdateEvery::Sequence
    };
    let config = Config {
        update_every,
        lr: 1e-7,
        ..Config::default()
    };
    let mut trainer = EpropTrainer::<f32>::new(n_inputs, n, 10, config).expect("fits");
    trainer.set_w_in(work.w_in.view()).expect("the same sizes");
    let mut outputs = Array2::zeros((steps, 10));
    for _ in 0..repeats {
        if what == "infer" {
            trainer.reset();
            trainer
                .predict_piece(work.inputs.view(), outputs.view_mut(), None)
                .expect("fits");
        } else {
            train(&mut trainer, &work);
        }
    }
}

/// The least of several runs, in microseconds per step: what others do to a shared machine only ever adds.
fn least(repeats: usize, steps: usize, mut run: impl FnMut()) -> f64 {
    (0..repeats)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64() / steps as f64 * 1e6
        })
        .fold(f64::INFINITY, f64::min)
}

fn measure(work: &Work, repeats: usize) {
    let steps = work.inputs.nrows();
    let mut row = vec![
        ("n_inputs", work.inputs.ncols() as f64),
        ("n_neurons", work.n as f64),
        ("steps", steps as f64),
    ];
    let trainer = |update_every, engine| {
        let config = Config {
            update_every,
            engine,
            lr: 1e-7,
            ..Config::default()
        };
        let mut trainer =
            EpropTrainer::<f32>::new(work.inputs.ncols(), work.n, 10, config).expect("fits");
        trainer.set_w_in(work.w_in.view()).expect("the same sizes");
        trainer
    };
    let mut outputs = Array2::zeros((steps, 10));
    {
        let mut trainer = trainer(UpdateEvery::Sequence, None);
        let spikes = trainer
            .predict_sequence(work.inputs.view(), true)
            .expect("finite")
            .spikes;
        row.push(("share", f64::from(spikes.sum()) / spikes.len() as f64));
        row.push(("rows", limits::rows_alone(work, &spikes, repeats)));
        row.push((
            "infer",
            least(repeats, steps, || {
                trainer.reset();
                trainer
                    .predict_piece(work.inputs.view(), outputs.view_mut(), None)
                    .expect("fits");
            }),
        ));
        row.push((
            "sequence",
            least(repeats, steps, || train(&mut trainer, work)),
        ));
        row.push(("sequence_outputs_mb", trainer.memory_bytes() as f64 / 1e6));
    }
    {
        let mut trainer = trainer(UpdateEvery::Steps(1), None);
        row.push(("every", least(repeats, steps, || train(&mut trainer, work))));
        row.push((
            "every_infer",
            least(repeats, steps, || {
                trainer.reset();
                trainer
                    .predict_piece(work.inputs.view(), outputs.view_mut(), None)
                    .expect("fits");
            }),
        ));
        row.push((
            "step",
            least(repeats, steps, || {
                for (x, y) in work.inputs.outer_iter().zip(work.targets.outer_iter()) {
                    trainer.step(x, Some(y)).expect("finite");
                }
            }),
        ));
    }
    {
        let few = steps.min(100_000_000 / (work.n * (work.n + work.inputs.ncols())) + 2);
        let mut trainer = trainer(UpdateEvery::Steps(1), Some(Engine::Textbook));
        let (x, y) = (
            work.inputs.slice(s![..few, ..]),
            work.targets.slice(s![..few, ..]),
        );
        row.push((
            "textbook",
            least(2, few, || {
                trainer
                    .train_sequence(x, y, TrainOptions::default())
                    .expect("finite");
            }),
        ));
    }
    let fields: Vec<String> = row
        .iter()
        .map(|(name, value)| format!("\"{name}\": {value:.4}"))
        .collect();
    println!("{{{}}}", fields.join(", "));
}

fn train(trainer: &mut EpropTrainer<f32>, work: &Work) {
    let trained = trainer.train_sequence(
        work.inputs.view(),
        work.targets.view(),
        TrainOptions::default(),
    );
    assert!(trained.expect("finite").loss.is_finite());
}
