//! Neurons of one stream that are spread over threads: no bit of a network depends on how many there are.

use alloc::vec::Vec;

use ndarray::Array2;

use crate::numbers::parallel::together;
use crate::testing::Noise;
use crate::{Config, Connect, EpropTrainer, Float, Optimizer, TrainOptions, UpdateEvery};

const N: usize = 203;
const STEPS: usize = 90;

/// What a network learns of two sequences, and does in between, with so many threads; everything that it keeps.
fn learned<F: Float>(config: &Config, threads: usize) -> (Vec<u8>, Vec<F>, f64) {
    let mut noise = Noise(7);
    let spikes = |noise: &mut Noise| f64::from(u8::from(noise.uniform() < 0.2));
    let x = Array2::from_shape_fn((STEPS, 9), |_| F::cast(spikes(&mut noise)));
    let y = Array2::from_shape_fn((STEPS, 3), |_| F::cast(noise.signed()));
    let mut trainer = EpropTrainer::<F>::new(9, N, 3, config.clone()).unwrap();
    trainer.calibrate(x.view(), 40.0).unwrap();
    together(threads, || {
        let first = trainer.train_sequence(x.view(), y.view(), TrainOptions::default());
        let predicted = trainer.predict_sequence(x.view(), true).unwrap();
        let on = TrainOptions {
            reset: false,
            ..TrainOptions::default()
        };
        trainer.train_sequence(x.view(), y.view(), on).unwrap();
        let outputs = predicted.outputs.into_raw_vec_and_offset().0;
        assert!(predicted.spikes.iter().any(|&z| z != F::ZERO));
        (trainer.to_bytes(), outputs, first.unwrap().loss)
    })
}

fn hold<F: Float>(config: &Config) {
    let alone = learned::<F>(config, 1);
    for threads in [2, 3, 5] {
        let spread = learned::<F>(config, threads);
        assert!(spread.0 == alone.0, "{threads} threads: {config:?}");
        assert_eq!((&spread.1, spread.2), (&alone.1, alone.2));
    }
}

fn config(update_every: UpdateEvery, optimizer: Optimizer) -> Config {
    Config {
        connect_in: Connect::Density(0.5),
        connect_rec: Connect::Density(0.1),
        update_every,
        optimizer,
        lr: optimizer.default_lr(),
        ..Config::default()
    }
}

#[test]
fn no_bit_depends_on_how_many_threads_the_neurons_are_spread_over() {
    let every = [
        UpdateEvery::Steps(1),
        UpdateEvery::Steps(7),
        UpdateEvery::Sequence,
    ];
    let optimizers = [
        Optimizer::SGD,
        Optimizer::PLAIN_SGD,
        Optimizer::AUTO,
        Optimizer::MOMENTUM,
        Optimizer::ADAM,
    ];
    for update_every in every {
        for optimizer in optimizers {
            hold::<f32>(&config(update_every, optimizer));
        }
        hold::<f64>(&config(update_every, Optimizer::SGD));
    }
}

#[test]
fn nor_with_a_regulariser_a_delay_a_refractory_time_or_rates_of_groups() {
    for update_every in [UpdateEvery::Steps(1), UpdateEvery::Sequence] {
        let plain = config(update_every, Optimizer::SGD);
        for other in [
            Config {
                c_reg: 2.0,
                ..plain.clone()
            },
            Config {
                delay: 3,
                n_ref: 3,
                ..plain.clone()
            },
            Config {
                lr_in: Some(0.003),
                lr_out: Some(0.0),
                ..plain.clone()
            },
        ] {
            hold::<f32>(&other);
        }
    }
}
