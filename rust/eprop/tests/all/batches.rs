//! Streams side by side: the bits do not depend on threads or cuts, and the batch learns what its streams would learn one by one.

use eprop::{
    Config, Connect, EpropTrainer, Error, Feedback, Gain, Horizon, Loss, Matrix, Optimizer,
    ResetMechanism, Stream, Surrogate, TrainOptions, UpdateEvery,
};
use ndarray::{Array2, Array3, ArrayView2, Axis, s};
use proptest::prelude::*;

use crate::horizons::{HORIZONS, possible};

const N_INPUTS: usize = 5;
const N: usize = 12;
const N_OUTPUTS: usize = 2;

/// What an update makes of a gradient, without steps that are all rounding errors.
fn any_rule() -> impl Strategy<Value = (Optimizer, Option<f64>, Option<f64>)> {
    let optimizer = prop::sample::select(&[
        Optimizer::SGD,
        Optimizer::PLAIN_SGD,
        Optimizer::AUTO,
        Optimizer::Auto {
            weight_decay: 0.0,
            per_neuron: true,
        },
        Optimizer::Sgd {
            limit: true,
            weight_decay: 0.1,
        },
        Optimizer::Momentum {
            mu: 0.75,
            limit: false,
            weight_decay: 0.1,
        },
        Optimizer::AdamW {
            weight_decay: 0.1,
            beta1: 0.75,
            beta2: 0.875,
            eps: 0.1,
        },
    ]);
    let bound = |value| prop_oneof![3 => Just(None), 1 => Just(Some(value))];
    (optimizer, bound(0.5), bound(1.0))
}

fn any_config() -> impl Strategy<Value = Config> {
    let choices = (
        prop::sample::select(Surrogate::ALL),
        prop::sample::select(Loss::ALL),
        prop::sample::select(Feedback::ALL),
        prop::sample::select(ResetMechanism::ALL),
        prop::sample::select(Gain::ALL),
        prop_oneof![
            (1_usize..9).prop_map(UpdateEvery::Steps),
            Just(UpdateEvery::Sequence)
        ],
    );
    let rest = (
        0_usize..4,
        any::<bool>(),
        any::<bool>(),
        any_rule(),
        any::<u64>(),
        prop::sample::select(&[1_usize, 2, 3, 5, 17]),
        prop::sample::select(&[[None; 3], [Some(1e-4), None, Some(0.0)]]),
        prop::sample::select(&HORIZONS),
    );
    (choices, rest).prop_map(
        |(choices, (n_ref, readout_bias, regularised, rule, seed, batch_size, rates, horizon))| {
            let (surrogate, loss, feedback, reset_mechanism, gain, update_every) = choices;
            let (optimizer, clip_norm, w_max) = rule;
            let config = Config {
                lr: 1e-3,
                surrogate,
                loss,
                feedback,
                reset_mechanism,
                input_gain: gain,
                readout_gain: gain,
                update_every,
                n_ref,
                readout_bias,
                c_reg: if regularised { 1.0 } else { 0.0 },
                optimizer,
                clip_norm,
                w_max,
                seed,
                batch_size,
                lr_in: rates[0],
                lr_rec: rates[1],
                lr_out: rates[2],
                // Every other network adapts.
                beta: [0.0, 0.0, 0.4, 1.2][seed as usize % 4],
                tau_adaptation: [20.0, 200.0][seed as usize / 4 % 2],
                horizon: possible(horizon, update_every),
                delay: 1 + n_ref,
                ..Config::default()
            };
            crate::membranes::drawn(config, N)
        },
    )
}

struct Data {
    x: Array3<f64>,
    y: Array3<f64>,
    mask: Array2<bool>,
}

impl Data {
    fn new(streams: usize, t: usize, seed: u64) -> Self {
        let mut state = seed | 1;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % 100
        };
        Self {
            x: Array3::from_shape_simple_fn((streams, t, N_INPUTS), || {
                if next() < 30 { 1.0 } else { 0.0 }
            }),
            y: Array3::from_shape_fn((streams, t, N_OUTPUTS), |(b, t, k)| {
                f64::from((b + t) % N_OUTPUTS == k)
            }),
            mask: Array2::from_shape_fn((streams, t), |(b, t)| (b + t) % 3 > 0),
        }
    }

    fn streams(&self) -> Vec<Stream<'_, f64>> {
        Stream::of(self.x.view(), self.y.view(), Some(self.mask.view()))
    }

    fn piece(&self, from: usize, until: usize) -> Vec<Stream<'_, f64>> {
        let steps = s![.., from..until, ..];
        Stream::of(
            self.x.slice(steps),
            self.y.slice(steps),
            Some(self.mask.slice(s![.., from..until])),
        )
    }
}

fn batch(config: &Config) -> EpropTrainer<f64> {
    let mut trainer = EpropTrainer::new(N_INPUTS, N, N_OUTPUTS, config.clone()).unwrap();
    // Weights at which everything fires.
    let (w_in, w_rec) = (trainer.w_in() * 2.0, trainer.w_rec() * 2.0);
    trainer.set_w_in(w_in.view()).unwrap();
    trainer.set_w_rec(w_rec.view()).unwrap();
    trainer
}

fn assert_near(got: ArrayView2<'_, f64>, expected: ArrayView2<'_, f64>, what: &str) {
    let largest = expected
        .iter()
        .fold(1e-3_f64, |largest, x| largest.max(x.abs()));
    for (got, expected) in got.iter().zip(expected) {
        assert!(
            (got - expected).abs() <= 1e-12 * largest,
            "{what}: {got}, expected {expected}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn threads_and_cuts_change_no_bit(config in any_config(), t in 2_usize..60, cut in 1_usize..59, threads in 2_usize..5) {
        let cut = cut.min(t - 1);
        let data = Data::new(config.batch_size, t, config.seed);
        let mut one = batch(&config);
        let mut many = one.clone();
        one.set_n_threads(Some(1)).unwrap();
        many.set_n_threads(Some(threads)).unwrap();
        let whole = one.train_batch(&data.streams(), false).unwrap();
        let mut tally = many.tally();
        for (from, until) in [(0, cut), (cut, t)] {
            let mut outputs = Array3::zeros((config.batch_size, until - from, N_OUTPUTS));
            many.train_piece(&data.piece(from, until), Some(outputs.view_mut()), &mut tally).unwrap();
            prop_assert_eq!(outputs, whole.outputs.slice(s![.., from..until, ..]));
        }
        let loss = tally.loss();
        prop_assert!(loss == whole.loss || loss.is_nan() && whole.loss.is_nan());
        prop_assert!(one.state_equal(&many));
        // Step by step with targets everywhere, against a sequence without a mask.
        one.reset();
        let unmasked = Stream::of(data.x.view(), data.y.view(), None);
        let mut steps = one.clone();
        one.train_batch(&unmasked, false).unwrap();
        for t in 0..t {
            let x: Vec<_> = unmasked.iter().map(|stream| stream.inputs.step(t)).collect();
            steps.step_batch(&x, Some(data.y.index_axis(Axis(1), t))).unwrap();
        }
        prop_assert!(one.state_equal(&steps));
    }

    #[test]
    fn a_batch_learns_the_sum_of_its_streams(config in any_config(), t in 2_usize..40) {
        let config = Config { optimizer: Optimizer::PLAIN_SGD, clip_norm: None, w_max: None, ..config };
        let data = Data::new(config.batch_size, t, config.seed);
        let mut trainer = batch(&config);
        // The same streams one by one, with a gradient that waits and is read off an update with lr = 1.
        let every = match config.update_every {
            UpdateEvery::Steps(n) => n,
            UpdateEvery::Sequence => t,
        };
        let update_every = match config.update_every {
            UpdateEvery::Steps(_) => UpdateEvery::Steps(1 << 40),
            UpdateEvery::Sequence => UpdateEvery::Sequence,
        };
        let alone = Config { update_every, lr: 1.0, lr_in: None, lr_rec: None, lr_out: None, batch_size: 1, ..config.clone() };
        let [of_in, of_rec, of_out] = [config.lr_in, config.lr_rec, config.lr_out].map(|lr| lr.unwrap_or(config.lr));
        let mut single = EpropTrainer::<f64>::new(N_INPUTS, N, N_OUTPUTS, alone).unwrap();
        single.set_w_in(trainer.w_in().view()).unwrap();
        single.set_w_rec(trainer.w_rec().view()).unwrap();
        let mut singles = vec![single; config.batch_size];

        let trained = trainer.train_batch(&data.streams(), true).unwrap();
        let (mut loss, mut n_targets) = (0.0, 0);
        for from in (0..t).step_by(every) {
            let until = t.min(from + every);
            let before = (singles[0].w_in(), singles[0].w_rec(), singles[0].w_out(), singles[0].b());
            let mut after = before.clone();
            let b_before = singles[0].b_feedback();
            for (single, stream) in singles.iter_mut().zip(data.piece(from, until)) {
                let options = TrainOptions { mask: stream.mask, weights: None, reset: false };
                let one = single.train_sequence(stream.inputs, stream.targets, options).unwrap();
                let taught = stream.mask.unwrap().iter().filter(|&&taught| taught).count();
                if taught > 0 {
                    loss += one.loss * taught as f64;
                    n_targets += taught;
                }
                single.update().unwrap();
                after.0 = &after.0 - (&before.0 - &single.w_in()) * of_in;
                after.1 = &after.1 - (&before.1 - &single.w_rec()) * of_rec;
                after.2 = &after.2 - (&before.2 - &single.w_out()) * of_out;
                after.3 = &after.3 - (&before.3 - &single.b()) * of_out;
            }
            for single in &mut singles {
                single.set_w_in(after.0.view()).unwrap();
                single.set_w_rec(after.1.view()).unwrap();
                single.set_w_out(after.2.view()).unwrap();
                if config.feedback == Feedback::Adaptive {
                    let b = &b_before + &(&after.2 - &before.2).reversed_axes();
                    single.set_b_feedback(b.view()).unwrap();
                }
                if config.readout_bias {
                    single.set_b(after.3.view()).unwrap();
                }
            }
        }
        assert_near(trainer.w_in().view(), singles[0].w_in().view(), "W_in");
        assert_near(trainer.w_rec().view(), singles[0].w_rec().view(), "W_rec");
        assert_near(trainer.w_out().view(), singles[0].w_out().view(), "W_out");
        let (b, expected) = (trainer.b().insert_axis(Axis(0)), singles[0].b().insert_axis(Axis(0)));
        assert_near(b.view(), expected.view(), "b");
        prop_assert!((trained.loss - loss / n_targets as f64).abs() <= 1e-12 * trained.loss || n_targets == 0);
        for (b, single) in singles.iter().enumerate() {
            prop_assert_eq!(trainer.stream(b).unwrap().spikes(), single.spikes());
            let v = single.v().insert_axis(Axis(0));
            let got = trainer.stream(b).unwrap().v().insert_axis(Axis(0));
            assert_near(got.view(), v.view(), "v");
            let mut e_bar = Array2::zeros(trainer.dim(Matrix::EBar(b)));
            trainer.read(Matrix::EBar(b), e_bar.view_mut()).unwrap();
            assert_near(e_bar.view(), single.e_bar().view(), "e_bar");
        }
    }

    #[test]
    fn gradients_are_the_sum_over_streams(config in any_config(), t in 2_usize..40) {
        let data = Data::new(config.batch_size, t, config.seed);
        let trainer = batch(&config);
        let mut single = EpropTrainer::<f64>::new(N_INPUTS, N, N_OUTPUTS, Config { batch_size: 1, ..config.clone() }).unwrap();
        single.set_w_in(trainer.w_in().view()).unwrap();
        single.set_w_rec(trainer.w_rec().view()).unwrap();
        let sum = trainer.gradients_batch(&data.streams()).unwrap();
        let (mut w_in, mut w_out, mut loss) = (Array2::zeros((N, N_INPUTS)), Array2::zeros((N_OUTPUTS, N)), 0.0);
        for stream in data.streams() {
            let one = single.gradients(stream.inputs, stream.targets, stream.mask).unwrap();
            w_in += &one.w_in;
            w_out += &one.w_out;
            loss += one.loss;
        }
        assert_near(sum.w_in.view(), w_in.view(), "W_in");
        assert_near(sum.w_out.view(), w_out.view(), "W_out");
        prop_assert!((sum.loss - loss).abs() <= 1e-12 * loss.abs());
    }

    /// Twice, since the second finds what the first has left; and it leaves the weights alone.
    #[test]
    fn a_gradient_that_is_taken_is_that_of_twins(config in any_config(), t in 2_usize..40, n_streams in 1_usize..4) {
        let optimizer = if config.c_reg == 0.0 { Optimizer::SGD } else { Optimizer::PLAIN_SGD };
        let config = Config { update_every: UpdateEvery::Sequence, engine: None, optimizer, batch_size: n_streams, ..config };
        let data = Data::new(n_streams, t, config.seed);
        let mut trainer = batch(&config);
        let weights = trainer.w_rec();
        for _ in 0..2 {
            let expected = trainer.gradients_batch(&data.streams()).unwrap();
            let mut tally = trainer.tally();
            trainer.train_piece(&data.streams(), None, &mut tally).unwrap();
            let taken = trainer.take_gradients().unwrap();
            assert_near(taken.w_in.view(), expected.w_in.view(), "W_in");
            assert_near(taken.w_rec.view(), expected.w_rec.view(), "W_rec");
            assert_near(taken.w_out.view(), expected.w_out.view(), "W_out");
            prop_assert!((taken.loss - expected.loss).abs() <= 1e-12 * expected.loss.abs());
            prop_assert_eq!((taken.n_targets, taken.n_streams), (expected.n_targets, expected.n_streams));
            prop_assert!(trainer.v().iter().all(|&v| v == 0.0));
            trainer.update().unwrap();
            prop_assert!(trainer.w_rec() == weights, "nothing is pending");
        }
    }

    #[test]
    fn bytes_and_copies_go_on_alike(config in any_config(), t in 2_usize..40) {
        let data = Data::new(config.batch_size, t, config.seed);
        let mut trainer = batch(&config);
        trainer.train_batch(&data.streams(), false).unwrap();
        let mut copy = trainer.clone();
        let mut restored = EpropTrainer::<f64>::new(N_INPUTS, N, N_OUTPUTS, config.clone()).unwrap();
        restored.restore(&trainer.to_bytes()).unwrap();
        prop_assert_eq!(restored.memory_bytes(), trainer.memory_bytes());
        for twin in [&mut copy, &mut restored] {
            prop_assert!(twin.state_equal(&trainer));
            twin.train_batch(&data.streams(), false).unwrap();
        }
        trainer.train_batch(&data.streams(), false).unwrap();
        prop_assert!(copy.state_equal(&trainer) && restored.state_equal(&trainer));
        prop_assert_eq!(copy.memory_bytes(), trainer.memory_bytes());
    }
}

#[test]
fn what_is_rejected_changes_nothing() {
    let config = Config {
        batch_size: 3,
        ..Config::default()
    };
    let mut trainer = batch(&config);
    let before = trainer.clone();
    let mut data = Data::new(3, 9, 1);
    data.x[(1, 4, 2)] = f64::NAN;
    let error = trainer.train_batch(&data.streams(), true).unwrap_err();
    assert_eq!(
        error.to_string(),
        "inputs: expected finite values, got NaN at index (4, 2) in stream 1"
    );
    let many = Data::new(4, 9, 1);
    let error = trainer.train_batch(&many.streams(), true).unwrap_err();
    assert_eq!(
        error.to_string(),
        "inputs: expected 1 to 3 streams (batch_size = 3), got 4"
    );
    let error = trainer.train_batch(&[], true).unwrap_err();
    assert!(matches!(error, Error::Value { .. }), "{error}");
    assert!(trainer.set_w_rec(Array2::ones((N, N)).view()).is_err());
    assert!(trainer.state_equal(&before));
    assert_eq!(trainer.memory_bytes(), before.memory_bytes());
    assert!(
        EpropTrainer::<f64>::new(
            1,
            1,
            1,
            Config {
                batch_size: 0,
                ..Config::default()
            }
        )
        .is_err()
    );
}

#[test]
fn the_tally_of_another_batch_is_an_error() {
    let of = |batch_size| Config {
        batch_size,
        ..Config::default()
    };
    let mut trainer = batch(&of(3));
    let before = trainer.clone();
    let data = Data::new(3, 9, 1);
    let mut few = batch(&of(2)).tally();
    let error = "tally: expected 3 streams or more, got 2";
    let got = trainer.train_piece(&data.streams(), None, &mut few);
    assert_eq!(got.unwrap_err().to_string(), error);
    let got = trainer.train_last_piece(&data.streams(), None, &mut few);
    assert_eq!(got.unwrap_err().to_string(), error);
    let smaller = EpropTrainer::<f64>::new(N_INPUTS, 11, N_OUTPUTS, of(3)).unwrap();
    let got = trainer.train_piece(&data.streams(), None, &mut smaller.tally());
    assert_eq!(
        got.unwrap_err().to_string(),
        "tally: expected the sums of a network of 12 neurons, got those of 11"
    );
    assert!(trainer.state_equal(&before));
}

#[test]
fn an_error_names_a_stream_only_where_there_are_several() {
    let trainer = batch(&Config::default());
    let mut flawed = Data::new(2, 9, 1);
    flawed.x[(0, 4, 1)] = f64::NAN;
    let of = |n| trainer.evaluate(&flawed.streams()[..n]).unwrap_err();
    let alone = "inputs: expected finite values, got NaN at index (4, 1)";
    assert_eq!(of(1).to_string(), alone);
    assert_eq!(of(2).to_string(), format!("{alone} in stream 0"));
}

#[test]
fn a_gradient_takes_in_all_streams_alike_or_none() {
    let trainer = batch(&Config {
        batch_size: 3,
        ..Config::default()
    });
    let data = Data::new(3, 9, 1);
    let mut flawed = Data::new(3, 9, 1);
    flawed.x[(2, 4, 1)] = f64::NAN;
    let mut run = trainer.gradient_run(3).unwrap();
    for (streams, error) in [
        (&data.streams()[..2], "streams: expected 3 streams, got 2"),
        (
            &flawed.streams(),
            "inputs: expected finite values, got NaN at index (4, 1) in stream 2",
        ),
    ] {
        assert_eq!(run.piece(streams).unwrap_err().to_string(), error);
    }
    run.piece(&data.streams()).unwrap();
    assert_eq!(
        run.finish().unwrap(),
        trainer.gradients_batch(&data.streams()).unwrap()
    );
}

#[test]
fn a_gradient_that_no_sequence_ends_with_is_not_taken() {
    let of = |config| {
        let mut trainer = EpropTrainer::<f64>::new(3, 4, 1, config).unwrap();
        trainer.take_gradients().unwrap_err().to_string()
    };
    let message = of(Config::default());
    assert!(
        message.starts_with("update_every: expected the sequence"),
        "{message}"
    );
    let message = of(Config {
        update_every: UpdateEvery::Sequence,
        c_reg: 0.5,
        ..Config::default()
    });
    assert!(
        message.starts_with("c_reg: expected 0 where steps are limited"),
        "{message}"
    );
}

#[test]
fn memory_is_flat_and_weights_are_there_once() {
    let of = |batch_size| {
        let config = Config {
            batch_size,
            update_every: UpdateEvery::Sequence,
            ..Config::default()
        };
        EpropTrainer::<f32>::new(20, 60, 3, config).unwrap()
    };
    let (two, four, mut eight) = (of(2).memory_bytes(), of(4).memory_bytes(), of(8));
    let weights = 80 * 64 * 4;
    let stream = (four - two) / 2;
    assert_eq!(eight.memory_bytes() - four, 4 * stream);
    assert!(two - 2 * stream >= weights, "{two} {stream}");
    let before = eight.memory_bytes();
    let (x, y) = (Array3::ones((8, 1100, 20)), Array3::zeros((8, 1100, 3)));
    eight
        .train_batch(&Stream::of(x.view(), y.view(), None), false)
        .unwrap();
    assert_eq!(eight.memory_bytes(), before);
}

/// Streams of unequal lengths, each as long as `lengths` says, in arrays that are as long as the longest.
fn ragged<'a>(data: &'a Data, lengths: &[usize]) -> Vec<Stream<'a, f64>> {
    let streams = data.streams();
    let pairs = streams.iter().zip(lengths);
    pairs
        .map(|(stream, &length)| stream.until(length))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    /// What is beyond a stream's end does not happen: no spike, no regulariser, no loss, no count.
    #[test]
    fn streams_of_unequal_lengths_are_those_streams(config in any_config(), t in 3_usize..40, cut in 1_usize..39, threads in 1_usize..4) {
        let lengths: Vec<usize> = (0..config.batch_size).map(|b| 1 + (t * (b + 2)) % t).collect();
        let mut data = Data::new(config.batch_size, t, config.seed);
        let trainer = batch(&config);
        // Gradients: the sum over the streams, each alone and cut to its length.
        let sum = trainer.gradients_batch(&ragged(&data, &lengths)).unwrap();
        let mut alone = batch(&Config { batch_size: 1, ..config.clone() });
        alone.set_w_in(trainer.w_in().view()).unwrap();
        let (mut w_in, mut w_rec, mut loss, mut n_targets) = (Array2::zeros((N, N_INPUTS)), Array2::zeros((N, N)), 0.0, 0);
        for stream in ragged(&data, &lengths) {
            let one = alone.gradients(stream.inputs, stream.targets, stream.mask).unwrap();
            w_in += &one.w_in;
            w_rec += &one.w_rec;
            loss += one.loss;
            n_targets += one.n_targets;
        }
        assert_near(sum.w_in.view(), w_in.view(), "W_in");
        assert_near(sum.w_rec.view(), w_rec.view(), "W_rec");
        prop_assert!((sum.loss - loss).abs() <= 1e-12 * loss.abs());
        prop_assert_eq!(sum.n_targets, n_targets);

        // Padding is not read, outputs there are 0, and any cut on any threads gives the same bits.
        let mut whole = trainer.clone();
        let mut pieces = trainer.clone();
        pieces.set_n_threads(Some(threads)).unwrap();
        let clean = whole.train_batch(&ragged(&data, &lengths), false).unwrap();
        for (b, &length) in lengths.iter().enumerate() {
            data.x.slice_mut(s![b, length.., ..]).fill(f64::NAN);
            data.y.slice_mut(s![b, length.., ..]).fill(f64::NAN);
            prop_assert!(clean.outputs.slice(s![b, length.., ..]).iter().all(|&y| y == 0.0));
        }
        let mut tally = pieces.tally();
        let cut = cut.min(t - 1);
        for (from, until) in [(0, cut), (cut, t)] {
            let streams: Vec<_> = data
                .piece(from, until)
                .into_iter()
                .zip(&lengths)
                .map(|(stream, &length)| stream.until(length.saturating_sub(from)))
                .collect();
            pieces.train_piece(&streams, None, &mut tally).unwrap();
        }
        prop_assert!(pieces.state_equal(&whole));
        prop_assert!(tally.loss() == clean.loss || tally.loss().is_nan() && clean.loss.is_nan());
        // A stream that has ended stands where it stood: its state is that of the same stream in a batch of which it is the longest.
        if config.update_every == UpdateEvery::Sequence {
            let mut short = trainer.clone();
            let until = lengths[0];
            let all_short: Vec<_> = data.streams().iter().map(|stream| stream.until(until.min(1))).collect();
            let mut streams = all_short;
            streams[0] = data.streams()[0].until(until);
            short.train_batch(&streams, false).unwrap();
            let (one, other) = (short.stream(0).unwrap(), whole.stream(0).unwrap());
            prop_assert_eq!(one.v(), other.v());
            prop_assert_eq!(one.z_bar(), other.z_bar());
        }
    }

    #[test]
    fn a_stream_that_takes_no_part_stays_as_it_is(config in any_config(), t in 2_usize..30) {
        let data = Data::new(config.batch_size, t, config.seed);
        let mut trainer = batch(&config);
        trainer.train_batch(&data.streams(), false).unwrap();
        let last = config.batch_size - 1;
        let state = |trainer: &EpropTrainer<f64>| {
            let stream = trainer.stream(last).unwrap();
            (stream.v(), stream.spikes(), stream.output(), stream.z_bar())
        };
        let before = state(&trainer);
        let few = data.streams();
        if last > 0 {
            trainer.train_batch(&few[..last], false).unwrap();
            trainer.predict_batch(&[few[0].inputs], false).unwrap();
            trainer.step(few[0].inputs.step(0), None).unwrap();
            prop_assert_eq!(state(&trainer), before);
        }
    }
}

#[test]
fn one_sequence_in_a_batch_is_its_first_stream() {
    let config = Config {
        batch_size: 3,
        update_every: UpdateEvery::Steps(4),
        ..Config::default()
    };
    let data = Data::new(1, 21, 5);
    let (mut by_stream, mut by_sequence) = (batch(&config), batch(&config));
    let stream = data.streams()[0];
    let whole = by_stream.train_batch(&[stream], true).unwrap();
    let options = TrainOptions {
        mask: stream.mask,
        ..TrainOptions::default()
    };
    let one = by_sequence
        .train_sequence(stream.inputs, stream.targets, options)
        .unwrap();
    assert_eq!(one.outputs, whole.outputs.index_axis(Axis(0), 0));
    assert_eq!(one.loss, whole.loss);
    assert!(by_stream.state_equal(&by_sequence));
}

#[test]
fn streams_of_a_group_catch_up_with_the_buffers_of_its_first() {
    // Of so many streams two share their buffers, and with a horizon more.
    for horizon in [Horizon::Steps(1), Horizon::Sequence] {
        let config = Config {
            update_every: UpdateEvery::Sequence,
            batch_size: 17,
            horizon,
            ..Config::default()
        };
        let mut batch = EpropTrainer::<f64>::new(N_INPUTS, N, N_OUTPUTS, config.clone()).unwrap();
        let fresh = EpropTrainer::<f64>::new(N_INPUTS, N, N_OUTPUTS, config).unwrap();
        let x = Array3::ones((17, 9, N_INPUTS));
        let y = Array3::ones((17, 9, N_OUTPUTS));
        let streams = Stream::of(x.view(), y.view(), None);
        batch.train_batch(&streams, true).unwrap();
        assert!(!batch.state_equal(&fresh) && batch.state_equal(&batch.clone()));
    }
}

/// What was learned so far is credited through the recurrent weights as they were, in lists, too.
#[test]
fn listed_weights_that_are_assigned_within_a_horizon_credit_what_comes_after() {
    let config = Config {
        connect_in: Connect::Density(0.5),
        connect_rec: Connect::Density(0.1),
        horizon: Horizon::Steps(10),
        update_every: UpdateEvery::Sequence,
        optimizer: Optimizer::PLAIN_SGD,
        lr: 0.01,
        ..Config::default()
    };
    let mut start = EpropTrainer::<f64>::new(N_INPUTS, 40, N_OUTPUTS, config).unwrap();
    assert!(start.is_listed());
    let w_in = start.w_in() * 3.0;
    start.set_w_in(w_in.view()).unwrap();
    let x = Array2::from_shape_fn((14, N_INPUTS), |(t, i)| f64::from((t * 5 + i * 3) % 4 == 0));
    let y = Array2::from_elem((14, N_OUTPUTS), 1.0);
    let learn = |trainer: &mut EpropTrainer<f64>, steps: std::ops::Range<usize>| {
        let piece = Stream {
            inputs: x.slice(s![steps.clone(), ..]).into(),
            targets: y.slice(s![steps, ..]),
            mask: None,
            weights: None,
        };
        let mut tally = trainer.tally();
        trainer.train_piece(&[piece], None, &mut tally).unwrap();
    };
    // In the middle of the first block and at its end.
    let [mut listed, mut dense, mut ended] = [0; 3].map(|_| start.clone());
    let reversed = -start.w_rec();
    for trainer in [&mut listed, &mut dense] {
        learn(trainer, 0..7);
    }
    learn(&mut ended, 0..7);
    let of_lists: Vec<_> = listed.weights_of_synapses(Matrix::WRec).unwrap();
    let of_lists: Vec<_> = of_lists.iter().map(|w| -w).collect();
    listed
        .set_weights_of_synapses(Matrix::WRec, (&of_lists[..]).into())
        .unwrap();
    dense.set_w_rec(reversed.view()).unwrap();
    assert!(listed.state_equal(&dense));
    for trainer in [&mut listed, &mut dense] {
        trainer.update().unwrap();
    }
    ended.update().unwrap();
    ended.set_w_rec(reversed.view()).unwrap();
    let of_first_steps = &ended.w_in() - &start.w_in();
    assert!(listed.state_equal(&dense));
    assert!(of_first_steps.iter().any(|change| change.abs() > 1e-6));
    // What the first seven steps taught does not depend on the weights that came after them.
    for (one, other) in listed.w_in().iter().zip(&ended.w_in()) {
        assert!((one - other).abs() < 1e-12, "{one}, {other}");
    }
}
