//! What credit through recurrent spikes costs beside e-prop, of one stream and of a batch.

use eprop::{Config, EpropTrainer, Horizon, Optimizer, Stream, UpdateEvery};
use ndarray::Array2;

use crate::line::Line;
use crate::timing::least_of_both;
use crate::work::{SIZES, Work};

const RUNS: usize = 3;
const BATCH: usize = 32;

/// A line for one stream and one for a batch, of the first `n_sizes` of (100, 256) and (1000, 1000).
pub fn report(n_sizes: usize, steps: usize) {
    for &(n_inputs, n, rate) in [SIZES[1], SIZES[3]].iter().take(n_sizes) {
        let work = Work::new(n_inputs, n, steps, 0.02, rate);
        for batch in [1, BATCH] {
            let (sequence, horizon) = times(&work, batch);
            Line::new("horizon")
                .number("n_inputs", n_inputs as f64)
                .number("n_neurons", n as f64)
                .number("batch", batch as f64)
                .number("sequence", sequence)
                .number("horizon", horizon)
                .print();
        }
    }
}

/// Microseconds per step and stream: without a horizon, and with one of the whole sequence.
fn times(work: &Work, batch: usize) -> (f64, f64) {
    let (inputs, targets): (Vec<_>, Vec<_>) = (0..batch)
        .map(|b| (rolled(&work.inputs, 7 * b), rolled(&work.targets, 7 * b)))
        .unzip();
    let streams: Vec<Stream<'_, f32>> = inputs
        .iter()
        .zip(&targets)
        .map(|(inputs, targets)| Stream {
            inputs: inputs.view().into(),
            targets: targets.view(),
            mask: None,
            weights: None,
        })
        .collect();
    let [mut sequence, mut horizon] = [Horizon::Steps(1), Horizon::Sequence].map(|horizon| {
        work.trainer_of(Config {
            update_every: UpdateEvery::Sequence,
            optimizer: Optimizer::PLAIN_SGD,
            batch_size: batch,
            horizon,
            ..Config::default()
        })
    });
    least_of_both(
        RUNS,
        work.steps() * batch,
        || train(&streams, &mut sequence),
        || train(&streams, &mut horizon),
    )
}

/// The steps in another order: no two streams of a batch are the same.
fn rolled(steps: &Array2<f32>, by: usize) -> Array2<f32> {
    let n = steps.nrows();
    Array2::from_shape_fn(steps.raw_dim(), |(t, i)| steps[[(t + n - by % n) % n, i]])
}

fn train(streams: &[Stream<'_, f32>], trainer: &mut EpropTrainer<f32>) {
    let trained = trainer.train_batch(streams, true).expect("finite");
    assert!(trained.loss.is_finite());
}
