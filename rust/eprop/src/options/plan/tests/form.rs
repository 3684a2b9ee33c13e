//! Which form a network takes, by itself or because it was asked for.

use alloc::string::ToString;

use super::{LARGER, ONE_LESS, PER_NEURON, SMALL, config, form, plan, with_membranes};
use crate::options::plan::Plan;
use crate::options::{Config, Engine, Optimizer, PerNeuron, UpdateEvery};
use Engine::{Block, Factored, Textbook};
use UpdateEvery::{Sequence, Steps};

#[test]
fn membranes_that_differ_and_currents_are_in_factors_but_with_momentum_adaptation_or_no_memory() {
    for config in with_membranes(&config(20.0, Steps(1)), SMALL.n) {
        let asked = |config: &Config| {
            let config = Config {
                engine: Some(Factored),
                ..config.clone()
            };
            Plan::of::<f32>(SMALL, &config).map(|plan| plan.form)
        };
        assert_eq!(asked(&config), Ok(Factored));
        let mut fleeting = config.clone();
        (fleeting.tau_mem, fleeting.dt) = (0.1, 1.0);
        if let Some(taus) = &mut fleeting.each.tau_mem {
            taus[0] = 0.1;
        }
        let adapting = Config {
            beta: 0.1,
            ..config.clone()
        };
        let rolling = Config {
            optimizer: Optimizer::MOMENTUM,
            ..config
        };
        for (config, why) in [
            (rolling, "momentum"),
            (adapting, "adapt"),
            (fleeting, "below 0.01"),
        ] {
            let error = asked(&config).unwrap_err().to_string();
            assert!(
                error.starts_with("engine: expected block or textbook") && error.contains(why),
                "{error}"
            );
            let unasked = Plan::of::<f32>(
                LARGER,
                &Config {
                    each: PerNeuron::default(),
                    tau_syn: 5.0,
                    ..config
                },
            );
            assert_eq!(unasked.map(|plan| plan.form), Ok(Textbook));
        }
    }
}

#[test]
fn weights_that_rest_up_to_a_base_block_are_in_factors() {
    // B = 30.
    for n in [1, 2, 7, 8, 30] {
        assert_eq!(form(SMALL, 20.0, Steps(n)), Factored, "n = {n}");
    }
    // B = 3.
    assert_eq!(form(SMALL, 2.0, Steps(3)), Factored);
}

#[test]
fn weights_that_rest_for_longer_take_blocks_from_8_steps_on() {
    assert_eq!(form(SMALL, 20.0, Steps(31)), Block);
    assert_eq!(form(SMALL, 2.0, Steps(4)), Textbook);
    assert_eq!(form(SMALL, 2.0, Steps(7)), Textbook);
    assert_eq!(form(SMALL, 2.0, Steps(8)), Block);
    assert_eq!(form(SMALL, 0.5, Steps(2)), Textbook);
    for tau in [0.5, 2.0, 20.0, 2_000.0] {
        assert_eq!(form(SMALL, tau, Sequence), Block);
    }
}

#[test]
fn neurons_that_adapt_are_in_factors_where_ends_of_blocks_are_worth_it() {
    let of = |sizes, beta, update_every| {
        let config = Config {
            beta,
            ..config(20.0, update_every)
        };
        plan(sizes, &config).form
    };
    for n in [1, 4, 8, 30] {
        assert_eq!(of(LARGER, 0.1, Steps(n)), Factored, "n = {n}");
    }
    // 4,096 synapses in blocks of 3 steps, or 1,500 in blocks of 30 and of 8.
    assert_eq!(of(LARGER, 0.1, Steps(3)), Textbook);
    assert_eq!(of(SMALL, 0.1, Steps(1)), Factored);
    assert_eq!(of(SMALL, 0.1, Steps(7)), Textbook);
    assert_eq!(of(SMALL, 0.1, Steps(8)), Block);
    // Base blocks of 12 and of 3 steps; no block at all.
    assert_eq!(of(LARGER, 1.0, Steps(12)), Factored);
    assert_eq!(of(LARGER, 1.0, Steps(13)), Block);
    assert_eq!(of(LARGER, 2.5, Steps(1)), Textbook);
    assert_eq!(of(LARGER, 4.0, Steps(1)), Textbook);
    assert_eq!(of(LARGER, 4.0, Steps(8)), Block);
    assert_eq!(of(LARGER, 0.1, Sequence), Block);
}

#[test]
fn factors_of_neurons_that_adapt_too_much_or_with_momentum_are_refused() {
    let refused = |config: Config| {
        let config = Config {
            engine: Some(Factored),
            ..config
        };
        Plan::of::<f64>(LARGER, &config).unwrap_err().to_string()
    };
    let adaptive = |beta| Config {
        beta,
        ..config(20.0, Steps(1))
    };
    let error = refused(adaptive(3.3));
    assert!(error.contains("beta h is not below rho"), "{error}");
    let momentum = Optimizer::Momentum {
        mu: 0.5,
        limit: false,
        weight_decay: 0.0,
    };
    let with_momentum = Config {
        optimizer: momentum,
        ..adaptive(0.1)
    };
    assert_eq!(plan(LARGER, &with_momentum).form, Textbook);
    assert!(refused(with_momentum).starts_with("engine: "));
}

#[test]
fn few_synapses_whose_base_block_is_one_step_take_the_textbook() {
    assert_eq!(form(SMALL, 1.3, Steps(1)), Textbook);
    assert_eq!(form(SMALL, 1.34, Steps(1)), Factored);
    assert_eq!(form(LARGER, 1.3, Steps(1)), Factored);
    assert_eq!(form(ONE_LESS, 1.3, Steps(1)), Textbook);
}

#[test]
fn the_factored_form_has_no_scales_of_neurons_and_says_so() {
    let of = |engine| {
        let config = Config {
            engine: Some(engine),
            optimizer: PER_NEURON,
            ..config(20.0, Steps(1))
        };
        Plan::of::<f64>(LARGER, &config).map(|plan| plan.form)
    };
    assert_eq!(
        [of(Textbook), of(Block)].map(Result::unwrap),
        [Textbook, Block]
    );
    let error = of(Factored).unwrap_err().to_string();
    assert!(
        error.starts_with("engine: expected block or textbook") && error.contains("per_neuron"),
        "{error}"
    );
}

#[test]
fn a_batch_and_an_optimizer_that_is_not_linear_are_never_in_factors() {
    let of = |tau, update_every| {
        let one = config(tau, update_every);
        let batch = Config {
            batch_size: 2,
            ..one.clone()
        };
        let adam = Config {
            optimizer: Optimizer::ADAM,
            ..one
        };
        let scaled = Config {
            optimizer: PER_NEURON,
            ..adam.clone()
        };
        let [batch, adam, scaled] = [batch, adam, scaled].map(|config| plan(SMALL, &config));
        assert_eq!([adam.form, scaled.form], [batch.form; 2]);
        assert!(!batch.at_once && !adam.at_once && !scaled.at_once);
        batch.form
    };
    for tau in [0.5, 2.0, 20.0] {
        for n in 1..8 {
            assert_eq!(of(tau, Steps(n)), Textbook, "tau {tau}, n = {n}");
        }
        assert_eq!(of(tau, Steps(8)), Block);
        assert_eq!(of(tau, Steps(1_000)), Block);
        assert_eq!(of(tau, Sequence), Block);
    }
}

#[test]
fn a_form_that_is_asked_for_is_taken_or_refused_by_name() {
    let asked = |engine, config: Config| {
        Plan::of::<f64>(
            SMALL,
            &Config {
                engine: Some(engine),
                ..config
            },
        )
        .map(|plan| plan.form)
    };
    let every = |n| config(20.0, Steps(n));
    for engine in [Textbook, Block] {
        for config in [
            every(1),
            every(40),
            Config {
                batch_size: 3,
                ..every(1)
            },
            Config {
                optimizer: Optimizer::ADAM,
                ..every(1)
            },
        ] {
            assert_eq!(asked(engine, config), Ok(engine));
        }
    }
    assert_eq!(asked(Factored, every(30)), Ok(Factored));
    // Few synapses, a base block of one step: slow, but possible.
    assert_eq!(asked(Factored, config(0.5, Steps(1))), Ok(Factored));
    for (config, why) in [
        (every(31), "rest for longer"),
        (config(20.0, Sequence), "rest for longer"),
        (
            Config {
                batch_size: 3,
                ..every(1)
            },
            "in a batch",
        ),
        (
            Config {
                optimizer: Optimizer::ADAM,
                ..every(1)
            },
            "not linear",
        ),
    ] {
        let error = asked(Factored, config).unwrap_err().to_string();
        assert!(
            error.starts_with("engine: ") && error.contains(why),
            "{error}"
        );
    }
}
