//! The recurrent network against every equation of docs/method.md, in each of its forms.

use alloc::vec::Vec;

use super::super::literal::{
    Data, Literal, SIZES, Weights, config, configs, draw, learn, network, plan,
};
use super::{Config, Float, Loss, Recurrent, Room};
use crate::network::circle::Circle;
use crate::network::gradients::Gradients;
use crate::network::wiring::{Sum, Wiring};
use crate::numbers::aligned::Aligned;
use crate::numbers::plain;
use crate::numbers::walk;
use crate::options::{Engine, Feedback, Gain, ResetMechanism, UpdateEvery};
use crate::parts::init::{Gaussian, layer_weights};
use crate::parts::optimizer::Optimizer;
use crate::testing::unasked;
use crate::testing::{Noise, made, near};

/// Sixty steps of both, with updates as the configuration has them, and predictions in between.
fn follows(config: &Config) {
    let (plan, data) = (plan(config), Data::new(1, 60));
    let mut network = network(&plan, config);
    let (mut literal, mut weights) = (Literal::new(config), Weights::of(&network));
    let at_once = plan.at_once.then_some(config.lr);
    let mut n_spikes = 0.0;
    for t in 0..60 {
        learn(&mut network, &mut literal, &data, (0, t), &weights, at_once);
        n_spikes += literal.z.iter().sum::<f64>();
        let since = network.since();
        if at_once.is_none() {
            assert_eq!(
                (since.steps, since.targets),
                (literal.g.steps, literal.g.targets)
            );
        }
        let is_due = match config.update_every {
            UpdateEvery::Steps(n) => (t + 1) % n == 0,
            UpdateEvery::Sequence => t == 29 || t == 59,
        };
        if is_due {
            network.update(Optimizer::plain(config.lr).steps());
            network.updated();
            weights.descend(&literal.take_gradient(), config.lr);
        }
        weights.compare(&network);
        if t % 13 == 5 {
            let (x, _) = data.step(0, t);
            network.predict(x.view().into());
            literal.predict(&x.to_vec(), &weights);
        }
    }
    assert!(n_spikes > 20.0, "{n_spikes} spikes");
}

#[test]
fn every_form_is_the_method_at_every_update_rate() {
    configs().iter().for_each(follows);
}

#[test]
fn every_option_is_that_of_the_method_in_every_form() {
    for usual in configs() {
        follows(&Config {
            feedback: Feedback::Random,
            ..usual.clone()
        });
        follows(&Config {
            loss: Loss::CrossEntropy,
            c_reg: 0.0,
            ..usual.clone()
        });
        follows(&Config {
            reset_mechanism: ResetMechanism::Zero,
            readout_bias: false,
            n_ref: 0,
            ..usual.clone()
        });
        follows(&Config {
            readout_gain: Gain::Leak,
            input_gain: Gain::Unit,
            ..usual
        });
    }
}

#[test]
fn a_gradient_is_collected_and_handed_out_by_every_parameter() {
    for config in [
        config(Engine::Textbook, UpdateEvery::Sequence),
        config(Engine::Block, UpdateEvery::Sequence),
    ] {
        let (plan, data) = (
            plan(&config).for_gradients::<f64>(config.horizon).unwrap(),
            Data::new(1, 25),
        );
        let mut network = network(&plan, &config);
        let (mut literal, weights) = (Literal::new(&config), Weights::of(&network));
        (0..25).for_each(|t| learn(&mut network, &mut literal, &data, (0, t), &weights, None));
        let mut sums: Vec<Aligned<f64>> = Recurrent::<f64>::sums(&plan)
            .into_iter()
            .map(|(rows, width)| Aligned::zeros(rows * width).unwrap())
            .collect();
        network.collect(&mut sums);
        let expected = literal.take_gradient();
        let (loss, targets) = (expected.loss, expected.targets);
        let of = Sum {
            loss,
            n_targets: targets,
            n_streams: 1,
        };
        let g = Recurrent::gradients(
            core::slice::from_mut(&mut network),
            &sums,
            of,
            &mut unasked(),
        )
        .unwrap();
        assert_eq!((g.loss, g.n_targets, g.n_streams), (loss, targets, 1));
        for j in 0..SIZES.n {
            let row = |i: usize| expected.w[i][j];
            near(
                "W_in",
                g.w_in.row(j).as_slice().unwrap(),
                &[0, 1, 2, 3].map(row),
            );
            near(
                "W_rec",
                g.w_rec.row(j).as_slice().unwrap(),
                &[4, 5, 6, 7, 8, 9, 10].map(row),
            );
            near("W_out", &g.w_out.column(j).to_vec(), &expected.w_out[j]);
        }
        near("b", g.b.as_slice().unwrap(), &expected.b);
        network.check_gradients(&g).unwrap();
        // It is a step of the weights wherever it is taken in.
        for config in configs() {
            let mut other = self::network(&self::plan(&config), &config);
            let mut weights = Weights::of(&other);
            other
                .take(&g, Optimizer::plain(0.25).steps(), &mut unasked())
                .unwrap();
            weights.descend(&expected, 0.25);
            weights.compare(&other);
        }
    }
}

#[test]
fn gradients_that_fit_no_weight_are_refused_by_name() {
    use alloc::string::ToString;
    let config = config(Engine::Block, UpdateEvery::Sequence);
    let mut network = network(&plan(&config), &config);
    let sums = [Aligned::zeros(11 * 16).unwrap()];
    let of = Sum {
        loss: 0.0,
        n_targets: 0,
        n_streams: 1,
    };
    let g = Recurrent::gradients(
        core::slice::from_mut(&mut network),
        &sums,
        of,
        &mut unasked(),
    )
    .unwrap();
    network.check_gradients(&g).unwrap();
    let refused = |change: fn(&mut Gradients<f64>)| {
        let mut g = g.clone();
        change(&mut g);
        network.check_gradients(&g).unwrap_err().to_string()
    };
    assert!(refused(|g| g.w_in[(2, 1)] = f64::NAN).starts_with("gradients.W_in: "));
    assert!(refused(|g| g.w_rec[(2, 2)] = 1.0).starts_with("gradients.W_rec: "));
    assert!(refused(|g| g.w_out = g.w_out.t().to_owned()).starts_with("gradients.W_out: "));
    assert!(refused(|g| g.b[0] = f64::INFINITY).starts_with("gradients.b: "));
}

#[test]
fn a_twin_for_gradients_takes_the_weights_as_they_read() {
    for config in configs() {
        let (plan, data) = (plan(&config), Data::new(1, 9));
        let mut first = network(&plan, &config);
        let (mut literal, weights) = (Literal::new(&config), Weights::of(&first));
        learn(
            &mut first,
            &mut literal,
            &data,
            (0, 0),
            &weights,
            plan.at_once.then_some(config.lr),
        );
        let twin_plan = plan.for_gradients::<f64>(config.horizon).unwrap();
        let shared = (twin_plan.form == plan.form).then_some(&first);
        let mut twin = made(|room| Recurrent::new(room, &twin_plan, &config, shared));
        twin.take_weights(&first, &mut unasked()).unwrap();
        assert_eq!(Weights::of(&twin), Weights::of(&first));
    }
}

#[test]
fn what_is_counted_is_what_a_network_then_holds() {
    fn counts<F: Float>(config: &Config) {
        for n in [1, 7, 40] {
            let sizes = super::super::literal::SIZES;
            let plan =
                super::Plan::of::<F>(crate::options::plan::Sizes { n, ..sizes }, config).unwrap();
            let make = |room: &mut Room| Recurrent::<F>::new(room, &plan, config, None);
            assert_eq!(
                Room::count(make).unwrap(),
                walk::bytes(&made(make)),
                "{config:?}"
            );
        }
    }
    for config in configs() {
        counts::<f32>(&config);
        counts::<f64>(&Config {
            feedback: Feedback::Random,
            n_ref: 0,
            ..config
        });
    }
}

#[test]
fn saved_in_the_middle_of_things_a_network_goes_on_bit_for_bit() {
    for config in configs() {
        let (plan, data) = (plan(&config), Data::new(1, 60));
        let at_once = plan.at_once.then_some(config.lr);
        let mut network = network(&plan, &config);
        let run = |network: &mut Recurrent<f64>, steps: core::ops::Range<usize>| {
            for t in steps {
                let (x, target) = data.step(0, t);
                network.learn(
                    x.view().into(),
                    target.as_ref().map(|target| target.view()).into(),
                    at_once.map(Optimizer::plain).as_mut(),
                );
                if t % 20 == 19 {
                    network.update(Optimizer::plain(config.lr).steps());
                    network.updated();
                }
            }
        };
        run(&mut network, 0..33);
        let saved = plain::save(&network).unwrap();
        let silent = || made(|room| Recurrent::new(room, &plan, &config, None));
        let (mut loaded, mut copied) = (silent(), silent());
        plain::load(&mut loaded, &saved).unwrap();
        walk::copy(&network, &mut copied).unwrap();
        for twin in [&mut loaded, &mut copied] {
            twin.rehold();
            assert!(walk::same(twin, &network));
            run(twin, 33..60);
        }
        run(&mut network, 33..60);
        assert!(walk::same(&loaded, &network) && walk::same(&copied, &network));
        assert_eq!(Weights::of(&loaded), Weights::of(&network));
    }
}

#[test]
fn bytes_of_any_kind_are_an_error_or_a_network_that_goes_on() {
    let mut noise = Noise(7);
    for config in configs() {
        let (plan, data) = (plan(&config), Data::new(1, 24));
        let at_once = plan.at_once.then_some(config.lr);
        let mut network = network(&plan, &config);
        let step = |network: &mut Recurrent<f64>, t: usize| {
            let (x, target) = data.step(0, t);
            network.learn(
                x.view().into(),
                target.as_ref().map(|target| target.view()).into(),
                at_once.map(Optimizer::plain).as_mut(),
            );
        };
        (0..17).for_each(|t| step(&mut network, t));
        let saved = plain::save(&network).unwrap();
        for _ in 0..200 {
            let mut bytes = saved.clone();
            let at = (noise.uniform() * (bytes.len() - 8) as f64) as usize;
            // A byte, or a number that is as large as can be.
            match noise.uniform() < 0.5 {
                true => bytes[at] ^= 1 << (8.0 * noise.uniform()) as u32,
                false => bytes[at..at + 8].fill(0xff),
            }
            let mut twin = made(|room| Recurrent::new(room, &plan, &config, None));
            if plain::load(&mut twin, &bytes).is_ok() {
                twin.rehold();
                (17..24).for_each(|t| step(&mut twin, t));
                twin.update(Optimizer::plain(0.0).steps());
                twin.updated();
                twin.flaw();
                twin.reset();
            }
        }
    }
}

#[test]
fn a_reset_keeps_the_weights_and_a_network_begins_again() {
    for config in configs() {
        let (plan, data) = (plan(&config), Data::new(1, 20));
        let at_once = plan.at_once.then_some(config.lr);
        let mut network = network(&plan, &config);
        let (mut literal, weights) = (Literal::new(&config), Weights::of(&network));
        learn(&mut network, &mut literal, &data, (0, 0), &weights, at_once);
        network.reset();
        assert_eq!((network.since().steps, network.since().targets), (0, 0));
        let (mut literal, mut weights) = (Literal::new(&config), Weights::of(&network));
        for t in 0..20 {
            learn(&mut network, &mut literal, &data, (0, t), &weights, at_once);
            if at_once.is_some() {
                weights.descend(&literal.take_gradient(), config.lr);
            }
        }
        network.update(Optimizer::plain(config.lr).steps());
        if at_once.is_none() {
            weights.descend(&literal.take_gradient(), config.lr);
        }
        weights.compare(&network);
    }
}

#[test]
fn a_matrix_that_is_not_finite_is_named() {
    for config in configs() {
        let of = |change: fn(&mut Recurrent<f64>)| {
            let mut network = network(&plan(&config), &config);
            change(&mut network);
            network.flaw()
        };
        assert_eq!(of(|_| ()), None);
        let nan = |network: &mut Recurrent<f64>| {
            let w = ndarray::Array2::from_elem((7, 4), f64::NAN);
            network.assign_inputs(0, w.view(), &mut unasked()).unwrap();
        };
        // Whoever assigns has looked; a network looks where it has learned.
        if config.engine != Some(Engine::Factored) {
            assert_eq!(of(nan).as_deref(), Some("W_in, W_rec"));
        }
        assert_eq!(
            of(|network| network.head.readout.w_out_mut().assign(|_, _| f64::NAN)).as_deref(),
            Some("W_out")
        );
        assert_eq!(
            of(|network| network.head.readout.set_b([f64::NAN, 0.0].into_iter())).as_deref(),
            Some("b")
        );
    }
}

#[test]
fn initial_weights_are_drawn_inputs_then_neurons_then_readouts() {
    let usual = config(Engine::Textbook, UpdateEvery::Steps(1));
    let of = |config: &Config| {
        let mut network = made(|room| Recurrent::<f64>::new(room, &plan(config), config, None));
        network.draw(config, &mut unasked()).unwrap();
        Weights::of(&network)
    };
    let first = of(&usual);
    // The form changes no initial weight, and the seed all of them.
    for config in configs() {
        assert_eq!(of(&config), first);
    }
    let other = of(&Config {
        seed: 43,
        ..usual.clone()
    });
    assert!(first.w[0][0] != other.w[0][0] && first.w_out[6][1] != other.w_out[6][1]);
    let mut gaussian = Gaussian::new(usual.seed);
    let mut rows = alloc::vec![0.0; 11 * 16];
    let pace = &mut unasked();
    layer_weights(
        &mut gaussian,
        &mut rows,
        16,
        4,
        7,
        &usual.layer(),
        None,
        pace,
    )
    .unwrap();
    for (w, row) in first.w.iter().zip(rows.chunks_exact(16)) {
        assert_eq!(w[..], row[..7]);
    }
    let scale = 0.1 * (1.0 / libm::sqrt(7.0));
    assert_eq!(
        first.w_out[0],
        [gaussian.draw::<f64>(scale), gaussian.draw::<f64>(scale)]
    );
    let mut again = made(|room| Recurrent::<f64>::new(room, &plan(&usual), &usual, None));
    draw(&mut again, &usual);
    assert_eq!(Weights::of(&again).w_out, first.w_out);
}
