//! The table: each form at each size.

use eprop::{Engine, EpropTrainer, Optimizer, UpdateEvery};
use ndarray::{Array2, s};

use crate::line::Line;
use crate::rows::rows_alone;
use crate::timing::{least, least_of};
use crate::work::{N_OUTPUTS, SIZES, Work, share};

const RUNS: usize = 5;

/// One line for each of the first `n_sizes`.
pub fn report(n_sizes: usize, steps: usize) {
    for &(n_inputs, n, rate) in &SIZES[..n_sizes] {
        let work = Work::new(n_inputs, n, steps, 0.02, rate);
        let mut line = Line::new("size");
        line.number("n_inputs", n_inputs as f64)
            .number("n_neurons", n as f64)
            .number("steps", steps as f64);
        // Short sequences are repeated, so that one of them meets a quiet moment of the machine.
        let seconds = if steps < 1000 { 0.0 } else { 0.5 };
        constant_weights(&work, seconds, &mut line);
        updates_every_step(&work, seconds, &mut line);
        line.number("textbook", textbook(&work)).print();
    }
}

fn constant_weights(work: &Work, seconds: f64, line: &mut Line) {
    let mut trainer = work.trainer(UpdateEvery::Sequence, None);
    let mut outputs = Array2::zeros((work.steps(), N_OUTPUTS));
    let spikes = work.spikes(&mut trainer);
    line.number("share_before", share(&spikes))
        .number("rows", rows_alone(work, &spikes, RUNS, seconds));
    let infer = least(RUNS, seconds, work.steps(), || {
        work.infer(&mut trainer, &mut outputs)
    });
    let sequence = least(RUNS, seconds, work.steps(), || work.train(&mut trainer));
    line.number("infer", infer)
        .number("sequence", sequence)
        .number(
            "sequence_limited",
            under(Optimizer::SGD, work, UpdateEvery::Sequence, seconds),
        )
        .number("sequence_mb", trainer.memory_bytes() as f64 / 1e6);
}

fn updates_every_step(work: &Work, seconds: f64, line: &mut Line) {
    let mut trainer = work.trainer(UpdateEvery::Steps(1), None);
    let mut outputs = Array2::zeros((work.steps(), N_OUTPUTS));
    let infer = least(RUNS, seconds, work.steps(), || {
        work.infer(&mut trainer, &mut outputs)
    });
    let step = least(RUNS, seconds, work.steps(), || {
        step_by_step(work, &mut trainer)
    });
    let [every, limited, auto] = rules(work, seconds);
    line.number("every", every)
        .number("every_limited", limited)
        .number("every_auto", auto)
        .number("every_infer", infer)
        .number("step", step)
        .number("every_mb", trainer.memory_bytes() as f64 / 1e6)
        .number("share_after", share(&work.spikes(&mut trainer)));
}

/// One line: what rules that ask how long each gradient is cost beside plain descent, at (`n_inputs`, `n`), with updates at every step.
pub fn report_rules(n_inputs: usize, n: usize, seconds: f64) {
    let work = Work::new(n_inputs, n, 1000, 0.02, 20.0);
    let [every, limited, auto] = rules(&work, seconds);
    Line::new("rules")
        .number("every", every)
        .number("limited", limited / every)
        .number("auto", auto / every)
        .print();
}

/// Plain descent, limited descent and a step for each group, with updates at every step: in turn, so that what others do to a shared machine meets
/// all three.
fn rules(work: &Work, seconds: f64) -> [f64; 3] {
    let rules = [Optimizer::PLAIN_SGD, Optimizer::SGD, Optimizer::AUTO];
    let mut trainers = rules.map(|rule| work.trainer_with(rule, UpdateEvery::Steps(1), None));
    least_of(RUNS, 3.0 * seconds, work.steps(), |rule| {
        work.train(&mut trainers[rule])
    })
}

/// Under a rule that asks how long each gradient is.
fn under(rule: Optimizer, work: &Work, update_every: UpdateEvery, seconds: f64) -> f64 {
    let mut trainer = work.trainer_with(rule, update_every, None);
    least(RUNS, seconds, work.steps(), || work.train(&mut trainer))
}

fn step_by_step(work: &Work, trainer: &mut EpropTrainer<f32>) {
    for (x, y) in work.inputs.outer_iter().zip(work.targets.outer_iter()) {
        trainer.step(x, Some(y)).expect("finite");
    }
}

/// Updates at every step, by the recursion that touches every synapse: a few hundred steps of it tell what it costs.
fn textbook(work: &Work) -> f64 {
    let few = work
        .steps()
        .min(200_000_000 / (work.n * (work.n + work.n_inputs())) + 2);
    let start = s![..few, ..];
    let short = Work {
        inputs: work.inputs.slice(start).to_owned(),
        targets: work.targets.slice(start).to_owned(),
        n: work.n,
        w_in: work.w_in.clone(),
    };
    let mut trainer = short.trainer(UpdateEvery::Steps(1), Some(Engine::Textbook));
    least(2, 0.0, few, || short.train(&mut trainer))
}
