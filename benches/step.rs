//! Inference (`drive`: the current, the neurons, the readouts, the traces) and training (`learn` too) of a chunk,
//! and training step by step. `make bench` prints the table that compares with others; these find regressions:
//! `cargo bench -p eprop-benches`, or `cargo bench -p eprop-benches -- float32/train`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use eprop::Float;
use eprop_benches::{N_OUTPUTS, SIZES, network, spikes};
use ndarray::Array2;

const N_STEPS: usize = 200;

fn bench_size<F: Float>(criterion: &mut Criterion, n_inputs: usize, n_neurons: usize) {
    let inputs = spikes::<F>(N_STEPS, n_inputs);
    let targets = Array2::from_elem((N_STEPS, N_OUTPUTS), F::ONE);
    let mut outputs = Array2::from_elem((N_STEPS, N_OUTPUTS), F::ZERO);
    let mut trainer = network(n_neurons, &inputs);
    let mut tally = trainer.tally();

    let mut group = criterion.benchmark_group(F::NAME);
    group
        .sample_size(10)
        .throughput(Throughput::Elements(N_STEPS as u64));
    let size = format!("{n_inputs}x{n_neurons}");
    group.bench_function(format!("infer/{size}"), |b| {
        b.iter(|| {
            trainer
                .predict_piece(inputs.view(), outputs.view_mut(), None)
                .expect("shapes agree")
        });
    });
    group.bench_function(format!("train/{size}"), |b| {
        b.iter(|| {
            trainer
                .train_piece(inputs.view(), targets.view(), None, None, &mut tally)
                .expect("shapes agree")
        });
    });
    group.bench_function(format!("step/{size}"), |b| {
        b.iter(|| {
            for (x, target) in inputs.rows().into_iter().zip(targets.rows()) {
                black_box(trainer.step(x, Some(target)).expect("shapes agree"));
            }
        });
    });
    group.finish();
}

fn all_sizes(criterion: &mut Criterion) {
    for (n_inputs, n_neurons) in SIZES {
        bench_size::<f32>(criterion, n_inputs, n_neurons);
        bench_size::<f64>(criterion, n_inputs, n_neurons);
    }
}

criterion_group!(benches, all_sizes);
criterion_main!(benches);
