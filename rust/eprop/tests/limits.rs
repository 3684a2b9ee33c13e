//! Numbers at the edge of their type, and bytes that no trainer wrote: an error each, never a panic, never a silent infinity.

use eprop::{Config, EpropTrainer, Error, LayerConfig, OnlineLifLayer, UpdateEvery};
use ndarray::{Array1, Array2, array};

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
    layer.step(array![1e35].view()).unwrap();
    let error = layer.apply_learning_signal(array![1e8].view()).unwrap_err();
    assert!(matches!(error, Error::NonFiniteWeights { .. }), "{error}");
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
fn bytes_with_any_bit_turned_are_an_error_or_a_trainer() {
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
        for at in 0..bytes.len() {
            let mut broken = bytes.clone();
            broken[at] ^= 0x91;
            let mut twin = trainer.clone();
            if twin.restore(&broken).is_ok() {
                for x in inputs.outer_iter().take(40) {
                    // Weights may have become anything; a panic is what must not happen.
                    let _ = twin.step(x, Some(array![0.5, -0.5].view()));
                }
                let _ = (twin.w_in(), twin.e_bar(), twin.z_bar());
            }
        }
    }
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
