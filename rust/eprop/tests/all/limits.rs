//! Numbers at the edge of their type, and bytes that no trainer wrote: an error each, never a panic, never a silent infinity.

use eprop::{
    Config, Connect, Engine, EpropTrainer, Error, Inputs, LayerConfig, OnlineLifLayer,
    OnlineTrainer, Optimizer, Rewire, StackConfig, Stream, TrainOptions, UpdateEvery,
};
use ndarray::{Array1, Array2, array};
use safetensors::Dtype;

use crate::sealed::{data, of_type, sealed};

#[test]
fn settings_beyond_the_range_of_the_numbers_are_refused() {
    let refused = |config: Config| {
        let error = EpropTrainer::<f32>::new(2, 3, 1, config.clone()).unwrap_err();
        assert!(matches!(error, Error::Value { .. }), "{error}");
        EpropTrainer::<f64>::new(2, 3, 1, config).unwrap();
    };
    refused(Config {
        threshold: 1e-50,
        ..Config::default()
    });
    refused(Config {
        threshold: 1e39,
        ..Config::default()
    });
    refused(Config {
        lr: 1e39,
        ..Config::default()
    });
    refused(Config {
        surrogate_width: Some(1e-39),
        ..Config::default()
    });
    refused(Config {
        c_reg: 1e39,
        ..Config::default()
    });
    let mut trainer = EpropTrainer::<f32>::new(2, 3, 1, Config::default()).unwrap();
    assert!(trainer.set_lr(1e39).is_err());
    assert_eq!(trainer.lr(), 0.01);
}

#[test]
fn a_weight_that_becomes_infinite_is_noticed_in_factors_too() {
    let config = LayerConfig {
        surrogate_width: Some(2.0),
        ..LayerConfig::default()
    };
    let mut layer = OnlineLifLayer::<f32>::new(1, 1, config).unwrap();
    layer.set_w(array![[0.0]].view()).unwrap();
    layer.step(array![1e15].view()).unwrap();
    let error = layer
        .apply_learning_signal(array![1e28].view())
        .unwrap_err();
    assert!(matches!(error, Error::NonFiniteWeights { .. }), "{error}");
}

/// An infinite weight of the wrong sign is pruned, and then all are finite again; noise may make another one infinite.
#[test]
fn weights_are_as_finite_as_they_read_whatever_moves() {
    let (mut n_pruned, mut n_left) = (0, 0);
    for (engine, density, temperature, seed) in (0..240_u32).map(|k| {
        let engine = [None, Some(Engine::Block), Some(Engine::Textbook)][k as usize % 3];
        let density = [0.15, 0.7][k as usize / 3 % 2];
        (engine, density, [0.0, 1e38][k as usize / 6 % 2], k)
    }) {
        let config = Config {
            engine,
            connect_in: Connect::Density(density),
            connect_rec: Connect::Density(density),
            optimizer: Optimizer::PLAIN_SGD,
            update_every: UpdateEvery::Sequence,
            rewire: Some(Rewire {
                l1: 1.0,
                temperature,
            }),
            seed: seed.into(),
            ..Config::default()
        };
        let mut trainer = EpropTrainer::<f32>::new(9, 12, 1, config).unwrap();
        let x = Array2::from_shape_fn((20, 9), |(t, i)| f32::from(u8::from((t + i) % 3 == 0)));
        let y = Array2::from_elem((20, 1), if seed % 2 == 0 { 20.0 } else { -20.0 });
        trainer.set_lr(3e37).unwrap();
        let trained = trainer.train_sequence(x.view(), y.view(), TrainOptions::default());
        let mut weights = trainer.w_in().into_iter().chain(trainer.w_rec());
        let all_are_finite = weights.all(f32::is_finite);
        drop(trained);
        let told = match trainer.check_weights() {
            Err(Error::NonFiniteWeights { matrix }) => matrix.contains("W_in"),
            _ => false,
        };
        assert_eq!(told, !all_are_finite, "{engine:?} {density} {seed}");
        n_left += u32::from(told);
        n_pruned += u32::from(!told);
    }
    assert!(n_left > 0 && n_pruned > 0, "{n_left} {n_pruned}");
}

#[test]
fn after_a_reset_only_the_weights_are_left() {
    for update_every in [
        UpdateEvery::Steps(1),
        UpdateEvery::Steps(5),
        UpdateEvery::Sequence,
    ] {
        let config = Config {
            update_every,
            ..Config::default()
        };
        let fresh = EpropTrainer::<f32>::new(6, 9, 2, config).unwrap();
        let mut used = fresh.clone();
        let inputs = Array2::from_shape_fn((70, 6), |(t, i)| f32::from(u8::from((t + i) % 4 == 0)));
        used.predict_sequence(inputs.view(), false).unwrap();
        assert!(!used.state_equal(&fresh));
        used.reset();
        assert!(used.state_equal(&fresh));
        // With something learned: a copy through bytes goes on with the same bits.
        let target = Array1::from_elem(2, 0.5);
        for x in inputs.outer_iter() {
            used.step(x, Some(target.view())).unwrap();
        }
        used.reset();
        let mut twin = fresh.clone();
        twin.restore(&used.to_bytes()).unwrap();
        assert!(twin.state_equal(&used));
        for x in inputs.outer_iter() {
            used.step(x, Some(target.view())).unwrap();
            twin.step(x, Some(target.view())).unwrap();
            assert_eq!(used.v(), twin.v());
            assert_eq!(used.w_in(), twin.w_in());
            assert_eq!(used.w_rec(), twin.w_rec());
        }
    }
}

#[test]
fn bytes_with_any_bit_turned_are_an_error_and_with_the_sum_that_belongs_to_them_one_or_a_trainer() {
    for update_every in [
        UpdateEvery::Steps(1),
        UpdateEvery::Steps(5),
        UpdateEvery::Sequence,
    ] {
        let config = Config {
            update_every,
            ..Config::default()
        };
        let mut trainer = EpropTrainer::<f32>::new(3, 4, 2, config).unwrap();
        let inputs = Array2::from_shape_fn((80, 3), |(t, i)| f32::from(u8::from((t + i) % 3 == 0)));
        for x in inputs.outer_iter() {
            trainer.step(x, Some(array![0.5, -0.5].view())).unwrap();
        }
        let bytes = trainer.to_bytes();
        for at in (0..bytes.len()).step_by(29) {
            let mut broken = bytes.clone();
            broken[at] ^= 0x91;
            assert!(trainer.clone().restore(&broken).is_err(), "byte {at}");
        }
        for at in (data(&bytes)..bytes.len()).step_by(7) {
            let mut broken = bytes.clone();
            broken[at] ^= 0x91;
            let mut twin = trainer.clone();
            if twin.restore(&sealed(&broken)).is_ok() {
                for x in inputs.outer_iter().take(40) {
                    // Weights may have become anything; a panic is what must not happen.
                    let _ = twin.step(x, Some(array![0.5, -0.5].view()));
                }
                let _ = (twin.w_in(), twin.e_bar(), twin.z_bar());
            }
        }
    }
}

/// Forms in factors multiply traces with inputs: what could overflow there is refused, in every form alike.
#[test]
fn inputs_whose_traces_could_overflow_are_refused_by_name() {
    for update_every in [
        UpdateEvery::Steps(1),
        UpdateEvery::Steps(5),
        UpdateEvery::Sequence,
    ] {
        let config = Config {
            update_every,
            ..Config::default()
        };
        let mut trainer = EpropTrainer::<f32>::new(2, 3, 1, config).unwrap();
        let before = trainer.clone();
        let x = Array2::from_elem((40, 2), 2e19);
        let error = trainer.predict_sequence(x.view(), true).unwrap_err();
        assert_eq!(
            error.to_string(),
            "inputs: expected magnitudes of at most 1e15 in float32, got 2e19 at index (0, 0)"
        );
        assert!(trainer.step(array![0.0, -1e16].view(), None).is_err());
        assert!(trainer.state_equal(&before));
        // The largest that are taken leave every number finite.
        let x = Array2::from_elem((400, 2), 1e15);
        let y = Array2::ones((400, 1));
        trainer.set_lr(1e-30).unwrap();
        trainer
            .train_sequence(x.view(), y.view(), Default::default())
            .unwrap();
        trainer.predict_sequence(x.view(), false).unwrap();
        trainer.check_weights().unwrap();
        assert!(trainer.v().iter().all(|v| v.is_finite()));
        assert!(trainer.e_bar().iter().all(|e| e.is_finite()));
    }
}

#[test]
fn a_calibration_that_would_make_weights_infinite_changes_nothing() {
    let mut trainer = EpropTrainer::<f32>::new(2, 3, 1, Config::default()).unwrap();
    let mut w = trainer.w_in();
    w[(0, 1)] = 3e38;
    w.column_mut(0).fill(1e-6);
    trainer.set_w_in(w.view()).unwrap();
    let before = trainer.clone();
    let x = Array2::from_shape_fn((400, 2), |(t, i)| f32::from(u8::from(i == 0 && t % 3 == 0)));
    let error = trainer.calibrate(x.view(), 20.0).unwrap_err();
    assert!(error.to_string().starts_with("W_in: expected"), "{error}");
    assert!(trainer.state_equal(&before));
}

#[test]
fn settings_whose_initial_weights_are_not_finite_are_named() {
    let refused = |config: Config, name: &str| {
        let error = EpropTrainer::<f32>::new(2, 3, 1, config).unwrap_err();
        assert!(error.to_string().starts_with(name), "{error}");
    };
    let large = Config {
        threshold: 3e38,
        ..Config::default()
    };
    refused(large, "threshold: expected");
    let short = Config {
        dt: 5e-324,
        input_gain: eprop::Gain::Leak,
        ..Config::default()
    };
    refused(short, "dt: expected");
}

#[test]
fn a_time_step_whose_initial_weights_are_0_is_named() {
    for dt in [5e-324, 1e-17] {
        let config = Config {
            dt,
            ..Config::default()
        };
        let error = EpropTrainer::<f64>::new(2, 3, 1, config).unwrap_err();
        let message = error.to_string();
        assert!(message.starts_with("dt: expected"), "{message}");
        assert!(message.contains("all initial weights are 0"), "{message}");
    }
}

/// A stream with few targets, and one whose learning rate is 0: weights are read again and again, and stay what they are.
#[test]
fn where_nothing_is_learned_no_weight_moves_by_a_bit() {
    for update_every in [UpdateEvery::Steps(1), UpdateEvery::Steps(4)] {
        let config = Config {
            update_every,
            ..Config::default()
        };
        let mut trainer = EpropTrainer::<f32>::new(6, 40, 2, config).unwrap();
        let lively = trainer.w_in() * 4.0;
        trainer.set_w_in(lively.view()).unwrap();
        let x = |t: usize| Array1::from_shape_fn(6, |i| f32::from(u8::from((t + i) % 4 == 0)));
        let target = array![0.5, -0.5];
        let all = |trainer: &EpropTrainer<f32>| (trainer.w_in(), trainer.w_rec(), trainer.w_out());
        for t in 0..200 {
            let taught = t % 10 == 0;
            trainer
                .step(x(t).view(), taught.then_some(target.view()))
                .unwrap();
            if t % 10 == 3 {
                let before = all(&trainer);
                trainer.step(x(t).view(), None).unwrap();
                assert_eq!(all(&trainer), before);
            }
        }
        trainer.update().unwrap();
        trainer.set_lr(0.0).unwrap();
        let before = all(&trainer);
        for t in 0..50 {
            trainer.step(x(t).view(), Some(target.view())).unwrap();
        }
        assert_eq!(all(&trainer), before);
    }
}

/// Every counter in turn: a number that a few more steps would carry over the edge.
fn with_huge_counters(bytes: &[u8], mut each: impl FnMut(&[u8])) {
    let counters = of_type(bytes, Dtype::U64).into_iter().flatten().step_by(8);
    for at in counters {
        // The last is the largest that is taken.
        let largest = u64::MAX / 4 - 1;
        for huge in [u64::MAX, 1 << 63, i64::MAX as u64 - 1, largest] {
            let mut broken = bytes.to_vec();
            broken[at..at + 8].copy_from_slice(&huge.to_le_bytes());
            each(&sealed(&broken));
        }
    }
}

#[test]
fn counters_at_the_edge_of_their_type_are_an_error_or_go_on() {
    let inputs = Array2::from_shape_fn((9, 3), |(t, i)| f32::from(u8::from((t + i) % 3 == 0)));
    let target = array![0.5, 0.5];
    let config = |update_every, tau| Config {
        update_every,
        tau_mem: tau,
        tau_trace: tau,
        ..Config::default()
    };
    for config in [
        config(UpdateEvery::Steps(1), 20.0),
        config(UpdateEvery::Steps(1), 1.0),
        config(UpdateEvery::Steps(5), 20.0),
        config(UpdateEvery::Sequence, 20.0),
    ] {
        let mut trainer = EpropTrainer::<f32>::new(3, 4, 2, config).unwrap();
        for x in inputs.outer_iter() {
            trainer.step(x, Some(target.view())).unwrap();
        }
        with_huge_counters(&trainer.to_bytes(), |broken| {
            let mut twin = trainer.clone();
            if twin.restore(broken).is_ok() {
                for x in inputs.outer_iter() {
                    let _ = twin.step(x, Some(target.view()));
                }
                let mut copy = twin.clone();
                let _ = (copy.update(), twin.update(), twin.e_bar(), twin.z_bar());
            }
        });
    }
    for update_every in [UpdateEvery::Steps(1), UpdateEvery::Steps(5)] {
        let config = StackConfig {
            update_every,
            ..StackConfig::default()
        };
        let mut trainer = OnlineTrainer::<f32>::new(&[3, 2], config).unwrap();
        for x in inputs.outer_iter() {
            trainer.step(x, Some(target.view())).unwrap();
        }
        with_huge_counters(&trainer.to_bytes(), |broken| {
            let mut twin = trainer.clone();
            if twin.restore(broken).is_ok() {
                for x in inputs.outer_iter() {
                    let _ = twin.step(x, Some(target.view()));
                }
                let _ = (twin.clone().update(), twin.update());
            }
        });
    }
    let mut layer = OnlineLifLayer::<f32>::new(3, 2, LayerConfig::default()).unwrap();
    layer.step(inputs.row(0)).unwrap();
    with_huge_counters(&layer.to_bytes(), |broken| {
        let mut twin = layer.clone();
        if twin.restore(broken).is_ok() {
            for x in inputs.outer_iter() {
                let _ = twin.step(x);
                let _ = twin.apply_learning_signal(target.view());
            }
            drop(twin.clone());
        }
    });
}

#[test]
fn sizes_beyond_every_address_are_errors() {
    for huge in [usize::MAX, usize::MAX - 15, usize::MAX / 16, 1 << 50] {
        for (n_inputs, n) in [(huge, 1), (1, huge), (huge, huge)] {
            let layer = OnlineLifLayer::<f64>::new(n_inputs, n, LayerConfig::default());
            let error = layer.unwrap_err();
            assert!(matches!(error, Error::TooLarge { .. }), "{error}");
            let trainer = EpropTrainer::<f64>::new(n_inputs, n, 1, Config::default());
            assert!(matches!(trainer.unwrap_err(), Error::TooLarge { .. }));
        }
    }
}

/// Weights that keep their signs are no weights that keep within a bound.
#[test]
fn a_weight_that_becomes_infinite_is_noticed_where_signs_are_kept() {
    let config = |optimizer, update_every| Config {
        lr: 1e38,
        optimizer,
        update_every,
        sign: Some(vec![1; 2 + 8]),
        ..Config::default()
    };
    for optimizer in [Optimizer::PLAIN_SGD, Optimizer::ADAM] {
        for update_every in [UpdateEvery::Steps(1), UpdateEvery::Sequence] {
            let config = config(optimizer, update_every);
            let mut trainer = EpropTrainer::<f32>::new(2, 8, 1, config).unwrap();
            let (x, y) = (Array2::ones((60, 2)), Array2::from_elem((60, 1), 1e6));
            let learned = (0..4).try_for_each(|_| {
                let options = TrainOptions::default();
                trainer
                    .train_sequence(x.view(), y.view(), options)
                    .map(drop)
            });
            let error = learned.unwrap_err();
            assert!(matches!(error, Error::NonFiniteWeights { .. }), "{error}");
        }
    }
}

#[test]
fn an_evaluation_goes_on_in_the_trainer_that_began_it() {
    let of = |n_outputs| EpropTrainer::<f32>::new(3, 8, n_outputs, Config::default()).unwrap();
    let mut evaluation = of(2).evaluation(1).unwrap();
    let x = Array2::ones((9, 3));
    let error = of(1)
        .evaluate_piece(&mut evaluation, &[x.view().into()], None, None)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "evaluation: expected one of a trainer with n_inputs = 3, n_neurons = 8, n_outputs = 1, got one with n_inputs = 3, n_neurons = 8, n_outputs = 2"
    );
}

#[test]
fn events_of_no_steps_need_no_start() {
    let config = Config {
        batch_size: 2,
        ..Config::default()
    };
    let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, config).unwrap();
    let (x, y) = (Array2::ones((4, 3)), Array2::zeros((4, 2)));
    let whole = Stream {
        inputs: x.view().into(),
        targets: y.view(),
        mask: None,
        weights: None,
    };
    let none = Stream {
        inputs: Inputs::Events {
            n_inputs: 3,
            start: &[],
            units: &[],
            values: None,
        },
        ..whole.until(0)
    };
    let mut tally = trainer.tally();
    trainer
        .train_piece(&[whole, none], None, &mut tally)
        .unwrap();
    assert_eq!(tally.n_targets(), 4);
}

#[test]
fn a_gradient_of_a_bias_that_there_is_not_is_refused() {
    let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default()).unwrap();
    let (x, y) = (Array2::ones((9, 3)), Array2::zeros((9, 2)));
    let mut gradients = trainer.gradients(x.view(), y.view(), None).unwrap();
    gradients.b.fill(0.5);
    let error = trainer.apply_gradients(&gradients).unwrap_err();
    assert_eq!(
        error.to_string(),
        "gradients.b: expected 0 without readout_bias, got 0.5"
    );
}
