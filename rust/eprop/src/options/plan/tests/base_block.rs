//! How long base blocks are.

use super::{LARGER, SMALL, config, plan, with_membranes};
use crate::options::plan::{Sizes, base_block};
use crate::options::{Config, Engine, Optimizer, PerNeuron, UpdateEvery};
use Engine::{Block, Factored, Textbook};
use UpdateEvery::Steps;

#[test]
fn of_membranes_that_differ_and_currents_the_shortest_time_bounds_a_base_block() {
    for (n, [of_differing, of_current]) in [
        (1, [(Factored, 6), (Factored, 7)]),
        (2, [(Textbook, 0), (Textbook, 0)]),
        (8, [(Block, 0); 2]),
    ] {
        let configs = with_membranes(&config(20.0, Steps(n)), LARGER.n);
        for (config, (form, base_block)) in configs.iter().zip([of_differing, of_current]) {
            let plan = plan(LARGER, config);
            assert_eq!((plan.form, plan.membranes), (form, true));
            assert!(form != Factored || plan.base_block == base_block);
        }
    }
    // Their ends of blocks do as much as those of adaptive neurons.
    for config in with_membranes(&config(20.0, Steps(1)), SMALL.n) {
        assert_eq!(plan(SMALL, &config).form, Textbook);
    }
    assert!(!plan(SMALL, &config(20.0, Steps(1))).membranes);
}

#[test]
fn a_base_block_is_one_and_a_half_time_constants_from_1_to_1024_steps() {
    for (tau, steps) in [
        (20.0, 30),
        (1.3, 1),
        (1.34, 2),
        (2.0, 3),
        (0.0, 1),
        (682.0, 1_023),
        (1e9, 1_024),
    ] {
        assert_eq!(base_block(tau), steps, "of {tau}");
    }
}

#[test]
fn neurons_that_adapt_bound_a_base_block_by_what_is_left_of_p() {
    let of = |beta, tau_adaptation| {
        let config = Config {
            beta,
            tau_adaptation,
            ..config(20.0, Steps(1))
        };
        plan(LARGER, &config).base_block
    };
    // rho is exp(-1 / tau), h = 0.3.
    for (beta, tau_adaptation, steps) in [
        (0.0, 1e-3, 30),
        (1e-6, 1e9, 30),
        (0.1, 200.0, 30),
        (1.0, 1e9, 12),
        (2.0, 1e9, 5),
        (2.9, 1e9, 2),
        (3.2, 1e9, 1),
        (0.1, 5.0, 19),
    ] {
        assert_eq!(of(beta, tau_adaptation), steps, "{beta}, {tau_adaptation}");
    }
    // Of each neuron by itself: much beta with a high threshold, a short time constant without beta.
    let each = PerNeuron {
        beta: Some(alloc::vec![0.1, 10.0, 0.0]),
        threshold: Some(alloc::vec![1.0, 100.0, 1e-3]),
        tau_adaptation: Some(alloc::vec![1e9, 1e9, 1e-3]),
        ..PerNeuron::default()
    };
    let config = Config {
        each,
        engine: Some(Factored),
        ..config(20.0, Steps(7))
    };
    let sizes = Sizes { n: 3, ..SMALL };
    assert_eq!(plan(sizes, &config).base_block, 28);
}

#[test]
fn decay_and_momentum_are_in_factors_and_powers_of_momentum_bound_a_base_block() {
    let with = |optimizer, update_every| Config {
        optimizer,
        ..config(20.0, update_every)
    };
    let momentum = |mu, weight_decay| Optimizer::Momentum {
        mu,
        limit: true,
        weight_decay,
    };
    let decays = |limit| Optimizer::Sgd {
        limit,
        weight_decay: 0.1,
    };
    for (optimizer, base_block) in [
        (decays(true), 30),
        (decays(false), 30),
        (
            Optimizer::Auto {
                weight_decay: 0.1,
                per_neuron: false,
            },
            30,
        ),
        (momentum(0.99, 0.0), 30),
        (momentum(0.9, 0.1), 14),
        (momentum(0.5, 0.0), 2),
        // Nothing is left of any step.
        (momentum(0.0, 0.0), 1),
    ] {
        let every_step = plan(LARGER, &with(optimizer, Steps(1)));
        let of = (every_step.form, every_step.at_once, every_step.base_block);
        assert_eq!(of, (Factored, true, base_block), "{optimizer:?}");
        // Where weights rest, there is one power to a base block.
        let at_rest = plan(LARGER, &with(optimizer, Steps(10)));
        let of = (at_rest.form, at_rest.at_once, at_rest.base_block);
        assert_eq!(of, (Factored, false, 30), "{optimizer:?}");
        let bounded = Config {
            w_max: Some(1.0),
            ..with(optimizer, Steps(1))
        };
        let bounded = plan(LARGER, &bounded);
        assert_eq!((bounded.form, bounded.at_once), (Textbook, false));
        let adapting = Config {
            beta: 0.1,
            ..with(optimizer, Steps(1))
        };
        if optimizer.has_momentum() {
            assert_eq!(plan(LARGER, &adapting).form, Textbook);
        }
    }
    assert_eq!(
        plan(SMALL, &with(momentum(0.4, 0.0), Steps(1))).form,
        Textbook
    );
}

#[test]
fn base_blocks_are_whole_numbers_of_rests() {
    for (n, steps) in [(1, 30), (4, 28), (7, 28), (16, 16), (30, 30)] {
        assert_eq!(
            plan(SMALL, &config(20.0, Steps(n))).base_block,
            steps,
            "n = {n}"
        );
    }
    let shorter = Config {
        tau_mem: 4.0,
        tau_trace: 20.0,
        dt: 0.5,
        ..Config::default()
    };
    assert_eq!(plan(SMALL, &shorter).base_block, 12);
}
