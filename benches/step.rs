//! What 200 steps cost in each form, and in each call. `make bench` prints the tables that compare with others; these find
//! regressions: `cargo bench -p eprop-benches`, or `cargo bench -p eprop-benches -- every`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use eprop::{
    Config, Engine, EpropTrainer, Inputs, LayerConfig, OnlineTrainer, StackConfig, TrainOptions,
    UpdateEvery,
};
use eprop_benches::{LR, N_OUTPUTS, SIZES, analog, network, spikes};
use ndarray::{Array2, Axis};

const N_STEPS: usize = 200;
/// One input array and the network that was calibrated to it.
type Pair = (Array2<f32>, EpropTrainer<f32>);

/// Every form at its schedule, and inference.
fn engines(criterion: &mut Criterion) {
    for (n_inputs, n_neurons) in SIZES {
        let size = format!("{n_inputs}x{n_neurons}");
        let pair = |update_every, engine| -> Pair {
            let config = Config {
                update_every,
                engine,
                ..Config::default()
            };
            let inputs = spikes(N_STEPS, n_inputs);
            let trainer = network(n_neurons, &inputs, config);
            (inputs, trainer)
        };
        let (sequence, every) = (UpdateEvery::Sequence, UpdateEvery::Steps(1));
        bench(
            criterion,
            &format!("infer/{size}"),
            pair(sequence, None),
            infer(),
        );
        bench(
            criterion,
            &format!("sequence/{size}"),
            pair(sequence, None),
            train,
        );
        bench(
            criterion,
            &format!("every/{size}"),
            pair(every, None),
            train,
        );
        bench(
            criterion,
            &format!("step/{size}"),
            pair(every, None),
            step_by_step,
        );
        let textbook = pair(every, Some(Engine::Textbook));
        bench(criterion, &format!("textbook/{size}"), textbook, train);
    }
}

/// Analog input, whose currents and gradients are products of matrices.
fn dense(criterion: &mut Criterion) {
    let inputs = analog(N_STEPS, 784);
    for (name, update_every) in [
        ("sequence", UpdateEvery::Sequence),
        ("every", UpdateEvery::Steps(1)),
    ] {
        let config = Config {
            update_every,
            ..Config::default()
        };
        let trainer = network(256, &inputs, config);
        bench(
            criterion,
            &format!("dense/{name}/784x256"),
            (inputs.clone(), trainer),
            train,
        );
    }
}

/// 10,000 inputs of which 20 spike at a step, as events: no dense array.
fn events(criterion: &mut Criterion) {
    const PER_STEP: usize = 20;
    let start: Vec<usize> = (0..=N_STEPS).map(|t| t * PER_STEP).collect();
    let units: Vec<u32> = (0..N_STEPS * PER_STEP)
        .map(|k| (k % PER_STEP * 500 + k / PER_STEP * 37 % 500) as u32)
        .collect();
    let inputs = Inputs::Events {
        n_inputs: 10_000,
        start: &start,
        units: &units,
        values: None,
    };
    let targets = targets();
    let config = Config {
        lr: LR,
        ..Config::default()
    };
    let mut trainer =
        EpropTrainer::<f32>::new(10_000, 256, N_OUTPUTS, config).expect("valid sizes");
    run(criterion, "events/every/10000x256", || {
        let trained = trainer.train_sequence(inputs, targets.view(), TrainOptions::default());
        trained.expect("shapes agree");
    });
}

/// Feed-forward layers, online training through time.
fn stack(criterion: &mut Criterion) {
    let (inputs, targets) = (spikes(N_STEPS, 700), targets());
    let layer = LayerConfig {
        lr: LR,
        ..LayerConfig::default()
    };
    let config = StackConfig {
        layer,
        ..StackConfig::default()
    };
    let mut trainer =
        OnlineTrainer::<f32>::new(&[700, 512, 256, N_OUTPUTS], config).expect("valid sizes");
    run(criterion, "stack/700-512-256-10", || {
        let trained =
            trainer.train_sequence(inputs.view(), targets.view(), TrainOptions::default());
        trained.expect("shapes agree");
    });
}

fn targets() -> Array2<f32> {
    Array2::ones((N_STEPS, N_OUTPUTS))
}

fn infer() -> impl FnMut(&Array2<f32>, &mut EpropTrainer<f32>) {
    let mut outputs = Array2::zeros((N_STEPS, N_OUTPUTS));
    move |inputs, trainer| {
        trainer.reset();
        let rows = outputs.view_mut().insert_axis(Axis(0));
        let predicted = trainer.predict_piece(&[inputs.view().into()], rows, None);
        predicted.expect("shapes agree");
    }
}

fn train(inputs: &Array2<f32>, trainer: &mut EpropTrainer<f32>) {
    let trained = trainer.train_sequence(inputs.view(), targets().view(), TrainOptions::default());
    trained.expect("shapes agree");
}

fn step_by_step(inputs: &Array2<f32>, trainer: &mut EpropTrainer<f32>) {
    for (x, target) in inputs.rows().into_iter().zip(targets().rows()) {
        trainer.step(x, Some(target)).expect("shapes agree");
    }
}

fn bench(
    criterion: &mut Criterion,
    name: &str,
    (inputs, mut trainer): Pair,
    mut work: impl FnMut(&Array2<f32>, &mut EpropTrainer<f32>),
) {
    run(criterion, name, || work(&inputs, &mut trainer));
}

fn run(criterion: &mut Criterion, name: &str, mut work: impl FnMut()) {
    let mut group = criterion.benchmark_group("200 steps");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(N_STEPS as u64))
        .bench_function(name, |b| b.iter(&mut work));
    group.finish();
}

criterion_group!(benches, engines, dense, events, stack);
criterion_main!(benches);
