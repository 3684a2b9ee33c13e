//! Without Python: any cut of a stream gives the same bits, rejected input changes nothing, and a seed is a network.

use eprop::{
    Config, Engine, EpropTrainer, Error, Feedback, Gain, Loss, OnlineTrainer, Optimizer,
    ResetMechanism, StackConfig, Stream, Surrogate, TrainOptions, UpdateEvery,
};
use ndarray::{Array2, Axis, s};
use proptest::prelude::*;

use crate::horizons::{HORIZONS, possible};

const N_INPUTS: usize = 20;
const N_OUTPUTS: usize = 2;

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
            weight_decay: 10.0,
        },
        Optimizer::MOMENTUM,
        Optimizer::Momentum {
            mu: 0.75,
            limit: false,
            weight_decay: 10.0,
        },
        Optimizer::ADAM,
        Optimizer::ADAM_W,
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
    (
        choices,
        0_usize..4,
        any::<bool>(),
        any::<bool>(),
        any::<u64>(),
        prop::sample::select(&HORIZONS),
        any_rule(),
        prop::sample::select(&[None, Some(0.0), Some(1e-3)]),
    )
        .prop_map(
            |(
                (surrogate, loss, feedback, reset_mechanism, gain, update_every),
                n_ref,
                bias,
                regularised,
                seed,
                horizon,
                (optimizer, clip_norm, w_max),
                lr_rec,
            )| Config {
                lr: 1e-4,
                optimizer,
                clip_norm,
                w_max,
                surrogate,
                loss,
                feedback,
                reset_mechanism,
                input_gain: gain,
                readout_gain: gain,
                update_every,
                n_ref,
                readout_bias: bias,
                c_reg: if regularised { 1.0 } else { 0.0 },
                seed,
                // Every other network adapts.
                beta: [0.0, 0.0, 0.4, 1.2][seed as usize % 4],
                tau_adaptation: [20.0, 200.0][seed as usize / 4 % 2],
                horizon: possible(horizon, update_every),
                delay: 1 + n_ref,
                lr_rec,
                ..Config::default()
            },
        )
        .prop_map(|config| crate::membranes::drawn(config, 12))
        .prop_map(in_factors)
}

/// Of neurons whose sources have a second trace, so few that the textbook is faster, every other network takes the factored form where it can.
fn in_factors(config: Config) -> Config {
    let factored = Config {
        engine: Some(Engine::Factored),
        ..config.clone()
    };
    let has_second_traces =
        config.beta > 0.0 || config.tau_syn > 0.0 || config.each.tau_mem.is_some();
    let may = has_second_traces && config.seed / 16 % 2 == 0;
    match may && EpropTrainer::<f32>::new(1, 12, 1, factored.clone()).is_ok() {
        true => factored,
        false => config,
    }
}

fn data(t: usize, seed: u64) -> (Array2<f32>, Array2<f32>) {
    let mut state = seed | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % 100
    };
    // Spikes for some seeds, analog values for others; steps with few active inputs and steps with many.
    let analog = seed % 2 == 0;
    let inputs = Array2::from_shape_fn((t, N_INPUTS), |(t, _)| {
        let active = next() < if t % 11 < 6 { 8 } else { 60 };
        let value = if analog {
            next() as f32 / 50.0 - 0.8
        } else {
            1.0
        };
        if active { value } else { 0.0 }
    });
    let targets = Array2::from_shape_fn(
        (t, N_OUTPUTS),
        |(t, k)| if t % N_OUTPUTS == k { 1.0 } else { 0.0 },
    );
    (inputs, targets)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn any_cut_gives_the_same_bits(config in any_config(), t in 2_usize..80, cut in 1_usize..79) {
        let cut = cut.min(t - 1);
        let (x, y) = data(t, config.seed);
        let mut steps = EpropTrainer::<f32>::new(N_INPUTS, 12, N_OUTPUTS, config).unwrap();
        let mut pieces = steps.clone();
        let mut outputs = Array2::zeros((t, N_OUTPUTS));
        for (t, (x, y)) in x.outer_iter().zip(y.outer_iter()).enumerate() {
            outputs.row_mut(t).assign(&steps.step(x, Some(y)).unwrap().output);
        }
        for piece in [s![..cut, ..], s![cut.., ..]] {
            let options = TrainOptions { reset: false, ..TrainOptions::default() };
            let trained = pieces.train_sequence(x.slice(piece), y.slice(piece), options).unwrap();
            prop_assert_eq!(trained.outputs, outputs.slice(piece));
        }
        prop_assert!(pieces.state_equal(&steps));
    }

    #[test]
    fn saved_bytes_go_on_bit_equal_and_broken_ones_change_nothing(config in any_config(), at in 0_usize..4000) {
        let (x, y) = data(40, config.seed);
        let mut trainer = EpropTrainer::<f64>::new(N_INPUTS, 12, N_OUTPUTS, config).unwrap();
        let (x, y) = (x.mapv(f64::from), y.mapv(f64::from));
        let mut twin = trainer.clone();
        trainer.train_sequence(x.view(), y.view(), TrainOptions::default()).unwrap();
        let saved = trainer.to_bytes();
        let before = twin.to_bytes();
        prop_assert!(twin.restore(&saved[..at.min(saved.len() - 1)]).is_err());
        prop_assert_eq!(twin.to_bytes(), before);
        twin.restore(&saved).unwrap();
        trainer.step(x.row(0), Some(y.row(0))).unwrap();
        twin.step(x.row(0), Some(y.row(0))).unwrap();
        prop_assert!(twin.state_equal(&trainer));
    }
}

#[test]
fn rejected_input_changes_nothing() {
    let (mut x, y) = data(20, 3);
    let mut trainer = EpropTrainer::<f32>::new(N_INPUTS, 12, N_OUTPUTS, Config::default()).unwrap();
    let before = trainer.to_bytes();
    x[[19, 4]] = f32::NAN;
    let error = trainer
        .train_sequence(x.view(), y.view(), TrainOptions::default())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "inputs: expected finite values, got NaN at index (19, 4)"
    );
    let error = trainer.gradients(y.view(), y.view(), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "inputs: expected shape (T, 20), got (20, 2)"
    );
    assert_eq!(trainer.to_bytes(), before);
}

#[test]
fn the_tally_of_another_network_is_an_error() {
    let new = |n| EpropTrainer::<f32>::new(N_INPUTS, n, N_OUTPUTS, Config::default()).unwrap();
    let (mut trainer, smaller) = (new(30), new(29));
    let before = trainer.clone();
    let (x, y) = data(9, 1);
    let stream = |x, y| Stream {
        inputs: x,
        targets: y,
        mask: None,
        weights: None,
    };
    let error = trainer
        .train_piece(
            &[stream(x.view().into(), y.view())],
            None,
            &mut smaller.tally(),
        )
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "tally: expected the sums of a network of 30 neurons, got those of 29"
    );
    assert!(trainer.state_equal(&before));

    let stack = |sizes: &[usize]| OnlineTrainer::<f32>::new(sizes, StackConfig::default()).unwrap();
    let mut trainer = stack(&[N_INPUTS, 7, N_OUTPUTS]);
    let before = trainer.clone();
    let mut tally = stack(&[N_INPUTS, N_OUTPUTS]).tally();
    let error = trainer
        .train_piece(&[stream(x.view().into(), y.view())], None, &mut tally)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "tally: expected the sums of a network of 9 neurons, got those of 2"
    );
    assert!(trainer.state_equal(&before));
}

#[test]
fn sizes_that_cannot_be_allocated_are_an_error() {
    for huge in [usize::MAX, 1 << 60, 10_000_000] {
        let error = EpropTrainer::<f32>::new(3, huge, 2, Config::default()).unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    }
}

/// The same numbers as `tests/golden_seed.json`, which the Python package is held to.
#[test]
fn a_seed_is_the_same_network_as_in_python() {
    let config = Config {
        seed: 7,
        ..Config::default()
    };
    let trainer = EpropTrainer::<f64>::new(5, 4, 3, config).unwrap();
    assert_eq!(trainer.w_in().row(0).to_vec(), GOLDEN_W_IN);
    assert_eq!(trainer.w_rec().row(1).to_vec(), GOLDEN_W_REC);
    assert_eq!(trainer.w_out().row(2).to_vec(), GOLDEN_W_OUT);
}

const GOLDEN_W_IN: [f64; 5] = [
    0.32341087224119763,
    -1.1891892485791637,
    1.1941735565258114,
    -0.13011399049919545,
    0.9373318744117595,
];
const GOLDEN_W_REC: [f64; 4] = [
    -0.3181859189926039,
    0.0,
    -0.026284442994733127,
    0.3618003853433604,
];
const GOLDEN_W_OUT: [f64; 4] = [
    -0.06372602479488469,
    -0.05208551751834204,
    -0.027222139449653477,
    0.01821016564862645,
];

#[test]
fn a_stack_is_evaluated_as_a_copy_of_it_would_predict() {
    for update_every in [UpdateEvery::Steps(1), UpdateEvery::Sequence] {
        let config = StackConfig {
            update_every,
            ..StackConfig::default()
        };
        let mut trainer = OnlineTrainer::<f32>::new(&[N_INPUTS, 9, N_OUTPUTS], config).unwrap();
        let (x, y) = data(60, 5);
        for (x, y) in x.outer_iter().zip(y.outer_iter()).take(37) {
            trainer.step(x, Some(y)).unwrap();
        }
        let before = trainer.clone();
        let stream = Stream {
            inputs: x.view().into(),
            targets: y.view(),
            mask: None,
            weights: None,
        };
        let (loss, outputs) = trainer.evaluate(&[stream]).unwrap();
        assert!(trainer.state_equal(&before) && loss.is_finite());
        let predicted = trainer.predict_sequence(x.view(), true).unwrap().outputs;
        assert_eq!(outputs.index_axis(Axis(0), 0), predicted);
    }
}
