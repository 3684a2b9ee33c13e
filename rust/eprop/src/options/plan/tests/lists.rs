//! Which networks have rows that are as long as the lists of their synapses.

use alloc::vec;

use super::{LARGER, PER_NEURON, config, plan, with_membranes};
use crate::options::plan::{Horizon, Plan, Sizes};
use crate::options::{Config, Connect, Engine, Rewire, SynapseList, UpdateEvery};
use Engine::{Block, Factored, Textbook};
use UpdateEvery::{Sequence, Steps};

#[test]
fn rows_are_lists_where_few_synapses_exist_and_second_traces_fit() {
    let of = |density: f64, config: Config| {
        let some = Connect::Density(density);
        let (connect_in, connect_rec) = (some.clone(), some);
        let config = Config {
            connect_in,
            connect_rec,
            ..config
        };
        let plan = plan(LARGER, &config);
        (plan.is_listed && plan.form == Factored, plan.base_block)
    };
    let adaptive = |beta, update_every| Config {
        beta,
        tau_adaptation: 1e9,
        ..config(20.0, update_every)
    };
    // Of weights that rest for long, lists of half of all synapses, or of an eighth.
    for (beta, density, is_listed) in [
        (0.0, 0.4, true),
        (0.0, 0.6, false),
        (0.1, 0.05, true),
        (0.1, 0.2, false),
    ] {
        assert_eq!(of(density, adaptive(beta, Sequence)).0, is_listed);
        assert!(of(density, adaptive(beta, Steps(1))).0);
    }
    // As long as in the factored form, for however long weights rest.
    assert_eq!(of(0.05, adaptive(2.0, Sequence)), (true, 5));
    // beta h is beyond rho.
    assert!(!of(0.05, adaptive(3.4, Steps(1))).0);
    for config in with_membranes(&config(20.0, Steps(1)), LARGER.n) {
        assert!(of(0.05, config.clone()).0);
        assert!(
            !of(
                0.05,
                Config {
                    beta: 0.1,
                    ..config
                }
            )
            .0,
            "both"
        );
    }
}

#[test]
fn base_blocks_of_many_neurons_in_lists_are_longer() {
    let of = |n: usize, connect_rec| {
        let config = Config {
            connect_rec,
            ..config(20.0, Steps(1))
        };
        let sizes = Sizes { n, ..LARGER };
        plan(sizes, &config).base_block
    };
    let few = || Connect::Density(1e-3);
    assert_eq!((of(1 << 14, few()), of(1 << 15, few())), (30, 48));
    assert_eq!(of(1 << 15, Connect::All), 30);
}

#[test]
fn rows_of_the_textbook_are_lists_unless_synapses_move_to_traces_of_their_own() {
    let of = |config: Config| {
        let connect_rec = Connect::Density(0.9);
        let plan = plan(
            LARGER,
            &Config {
                connect_rec,
                ..config
            },
        );
        (plan.form, plan.is_listed)
    };
    let asked = |config| {
        of(Config {
            engine: Some(Textbook),
            ..config
        })
    };
    for update_every in [Steps(1), Steps(9), Sequence] {
        assert_eq!(asked(config(20.0, update_every)), (Textbook, true));
    }
    let adapting = |update_every| Config {
        beta: 4.0,
        ..config(20.0, update_every)
    };
    assert_eq!(of(adapting(Steps(1))), (Textbook, true));
    assert_eq!(of(adapting(Sequence)), (Block, false));
    let moving = |config: Config| Config {
        rewire: Some(Rewire::default()),
        ..config
    };
    assert_eq!(of(moving(adapting(Steps(2)))), (Textbook, true));
    let [differing, current] = with_membranes(&config(20.0, Steps(2)), LARGER.n);
    assert_eq!(of(moving(differing)), (Textbook, false));
    assert_eq!(of(moving(current)), (Textbook, true));
    // Scales of neurons are in factors where these are lists.
    let scaled = |update_every| Config {
        optimizer: PER_NEURON,
        ..config(20.0, update_every)
    };
    assert_eq!(of(scaled(Steps(1))), (Factored, true));
    assert_eq!(asked(scaled(Steps(1))), (Textbook, true));
    let twin = |config: Config, horizon| {
        let plan = plan(
            LARGER,
            &Config {
                connect_rec: Connect::Density(0.5),
                ..config
            },
        );
        let twin = plan.for_gradients::<f32>(horizon).unwrap();
        (twin.form, twin.is_listed)
    };
    assert_eq!(
        twin(adapting(Steps(1)), Horizon::Steps(1)),
        (Textbook, true)
    );
    assert_eq!(twin(adapting(Steps(1)), Horizon::Sequence), (Block, true));
}

#[test]
fn blocks_are_listed_where_few_synapses_exist_and_these_stay() {
    let of = |density: f64, config: Config| {
        let connect_rec = Connect::Density(density);
        let connect_in = connect_rec.clone();
        let config = Config {
            connect_rec,
            connect_in,
            ..config
        };
        let plan = plan(LARGER, &config);
        assert_eq!(plan.columns.is_some(), plan.is_listed && plan.form == Block);
        (plan.form, plan.is_listed)
    };
    let asked = |update_every| Config {
        engine: Some(Block),
        ..config(20.0, update_every)
    };
    for update_every in [Steps(8), Sequence] {
        assert_eq!(of(0.15, asked(update_every)), (Block, true));
        assert_eq!(of(0.3, asked(update_every)), (Block, false));
    }
    // Nobody asks: a horizon, and what does not fit into factors.
    let beyond = Config {
        horizon: Horizon::Steps(4),
        ..config(20.0, Sequence)
    };
    let adapting = Config {
        beta: 4.0,
        ..config(20.0, Sequence)
    };
    for config in [beyond, adapting] {
        assert_eq!(of(0.1, config.clone()), (Block, true));
        let rewire = Some(Rewire::default());
        assert_eq!(of(0.1, Config { rewire, ..config }), (Block, false));
    }
    assert_eq!(of(0.1, config(20.0, Sequence)), (Factored, true));
}

#[test]
fn the_textbook_takes_the_place_of_a_mask_that_would_be_far_larger() {
    let n = 1 << 15;
    let sizes = Sizes {
        n_inputs: 1,
        n,
        n_outputs: 1,
    };
    let few = Connect::Listed(SynapseList::of_sources(n, vec![0; n + 1], vec![]).unwrap());
    let wired = Config {
        connect_rec: few,
        beta: 4.0,
        rewire: Some(Rewire::default()),
        ..config(20.0, Sequence)
    };
    let of = |config: &Config| {
        let plan = plan(sizes, config);
        (plan.form, plan.is_listed)
    };
    assert_eq!(of(&wired), (Textbook, true));
    let engine = Some(Block);
    assert_eq!(of(&Config { engine, ..wired }), (Block, false));
}

#[test]
fn factors_that_are_asked_for_and_cannot_hold_lists_are_refused_with_the_one_reason() {
    let some = Connect::Density(0.1);
    let listed = Config {
        engine: Some(Factored),
        connect_in: some.clone(),
        connect_rec: some,
        ..config(20.0, Steps(1))
    };
    for (config, reason) in [
        (
            Config {
                beta: 0.1,
                tau_syn: 3.0,
                ..listed.clone()
            },
            "block or textbook where neurons adapt, and have a tau_mem each or get their input through tau_syn",
        ),
        (
            Config {
                beta: 3.4,
                ..listed.clone()
            },
            "block or textbook where beta h is not below rho - 0.01 for every neuron that adapts, with h = surrogate_height and rho = exp(-dt / tau_adaptation)",
        ),
        (
            Config {
                tau_mem: 0.1,
                tau_syn: 3.0,
                ..listed.clone()
            },
            "block or textbook where exp(-dt / tau_mem) is below 0.01, and neurons have a tau_mem each or get their input through tau_syn",
        ),
        (
            Config {
                update_every: Sequence,
                horizon: Horizon::Sequence,
                ..listed.clone()
            },
            "block with a horizon",
        ),
    ] {
        let error = Plan::of::<f32>(LARGER, &config).unwrap_err();
        let told = alloc::format!("engine: expected {reason}, got factored");
        assert_eq!(alloc::string::ToString::to_string(&error), told);
    }
}
