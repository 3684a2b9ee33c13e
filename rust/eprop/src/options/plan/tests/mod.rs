//! What follows from sizes and options.

mod base_block;
mod form;
mod lists;

use alloc::string::ToString;

use super::{Horizon, Plan, Sizes, StackPlan};
use crate::options::{Config, Engine, Optimizer, PerNeuron, StackConfig, UpdateEvery};

const SMALL: Sizes = Sizes {
    n_inputs: 20,
    n: 30,
    n_outputs: 2,
};
/// 4,096 synapses.
const LARGER: Sizes = Sizes {
    n_inputs: 96,
    n: 32,
    n_outputs: 2,
};
const ONE_LESS: Sizes = Sizes {
    n_inputs: 95,
    ..LARGER
};

const PER_NEURON: Optimizer = Optimizer::Auto {
    weight_decay: 0.0,
    per_neuron: true,
};

/// Of networks whose shorter time constant is so many steps.
fn config(tau: f64, update_every: UpdateEvery) -> Config {
    Config {
        tau_mem: 2.0 * tau,
        tau_trace: tau,
        update_every,
        optimizer: Optimizer::PLAIN_SGD,
        ..Config::default()
    }
}

fn plan(sizes: Sizes, config: &Config) -> Plan {
    Plan::of::<f32>(sizes, config).unwrap()
}

fn form(sizes: Sizes, tau: f64, update_every: UpdateEvery) -> Engine {
    plan(sizes, &config(tau, update_every)).form
}

use Engine::{Block, Factored, Textbook};
use UpdateEvery::{Sequence, Steps};

/// With time constants of 4 to 20 ms, and with a current of 5 ms.
fn with_membranes(config: &Config, n: usize) -> [Config; 2] {
    let taus = (0..n).map(|j| [4.0, 8.0, 20.0][j % 3]).collect();
    let each = PerNeuron {
        tau_mem: Some(taus),
        ..PerNeuron::default()
    };
    let current = Config {
        tau_syn: 5.0,
        ..config.clone()
    };
    [
        Config {
            each,
            ..config.clone()
        },
        current,
    ]
}

#[test]
fn a_gradient_is_applied_with_its_step_where_every_step_is_followed_by_an_update() {
    let is_at_once = |config: &Config| plan(SMALL, config).at_once;
    let every_step = config(20.0, Steps(1));
    assert!(is_at_once(&every_step));
    assert!(is_at_once(&Config {
        engine: Some(Textbook),
        ..every_step.clone()
    }));
    // The block form looks back at an update.
    assert!(!is_at_once(&Config {
        engine: Some(Block),
        ..every_step
    }));
    assert!(!is_at_once(&config(20.0, Steps(2))));
    assert!(!is_at_once(&config(20.0, Sequence)));
}

#[test]
fn a_limit_takes_its_step_at_once_in_factors_alone_and_keeps_the_regulariser_apart_where_it_waits()
{
    let limited = |c_reg, engine, update_every| {
        let config = Config {
            optimizer: Optimizer::SGD,
            c_reg,
            engine,
            ..config(20.0, update_every)
        };
        let plan = plan(SMALL, &config);
        assert!(plan.limited && !plan.for_gradients::<f32>(plan.horizon).unwrap().limited);
        (plan.form, plan.at_once, plan.apart)
    };
    assert_eq!(limited(0.0, None, Steps(1)), (Factored, true, false));
    assert_eq!(limited(1.0, None, Steps(1)), (Factored, true, false));
    let textbook = Some(Textbook);
    assert_eq!(limited(1.0, textbook, Steps(1)), (Textbook, false, true));
    assert_eq!(limited(0.0, None, Steps(2)), (Factored, false, false));
    // The factors do not keep apart what the limit measures.
    assert_eq!(limited(1.0, None, Steps(2)), (Textbook, false, true));
    assert_eq!(limited(1.0, None, Steps(8)), (Block, false, true));
    assert_eq!(limited(1.0, None, Sequence), (Block, false, true));
    let asked = Config {
        optimizer: Optimizer::SGD,
        c_reg: 1.0,
        engine: Some(Factored),
        ..config(20.0, Steps(2))
    };
    let error = Plan::of::<f32>(SMALL, &asked).unwrap_err().to_string();
    assert!(
        error.starts_with("engine: expected block or textbook where weights rest"),
        "{error}"
    );
}

#[test]
fn a_block_is_at_most_as_long_as_weights_rest_and_1024() {
    for n in [31, 1_000, 1_024, 5_000] {
        assert_eq!(plan(SMALL, &config(20.0, Steps(n))).block, n.min(1_024));
    }
    assert_eq!(plan(SMALL, &config(20.0, Sequence)).block, 1_024);
    // Whose history would take gigabytes.
    let wide = Sizes {
        n_inputs: 10_000_000,
        n: 1,
        n_outputs: 1,
    };
    assert_eq!(plan(wide, &config(20.0, Sequence)).block, 16);
}

#[test]
fn with_a_horizon_a_block_is_a_multiple_of_it_or_as_long() {
    let of = |horizon, update_every| {
        let config = Config {
            horizon,
            ..config(20.0, update_every)
        };
        let plan = plan(SMALL, &config);
        assert_eq!(
            (plan.form, plan.grows()),
            (Block, horizon == Horizon::Sequence)
        );
        (plan.block, plan.whole)
    };
    assert_eq!(of(Horizon::Steps(20), Steps(100)), (100, 20));
    assert_eq!(of(Horizon::Steps(20), Steps(50)), (60, 20));
    assert_eq!(of(Horizon::Steps(20), Sequence), (1_020, 20));
    // As long as weights rest, at most.
    assert_eq!(of(Horizon::Steps(200), Steps(50)), (50, 50));
    assert_eq!(of(Horizon::Steps(3), Steps(2)), (2, 2));
    assert_eq!(of(Horizon::Steps(5_000), Sequence), (5_000, 5_000));
    assert_eq!(of(Horizon::Sequence, Sequence), (1_024, 1));
}

#[test]
fn a_history_has_room_for_every_eighth_source_and_one_step_of_all() {
    let plan = plan(LARGER, &config(20.0, Steps(100)));
    assert_eq!(plan.events(), 128 / 8 * 100 + 128);
}

#[test]
fn the_regulariser_needs_raw_traces_of_sequences_and_coefficients_of_streams() {
    let of = |c_reg, update_every| {
        let plan = plan(
            SMALL,
            &Config {
                c_reg,
                ..config(20.0, update_every)
            },
        );
        (plan.sum_e, plan.streamed_regulariser)
    };
    assert_eq!(of(1.0, Sequence), (true, false));
    assert_eq!(of(1.0, Steps(1)), (false, true));
    assert_eq!(of(1.0, Steps(50)), (false, true));
    assert_eq!(of(0.0, Sequence), (false, false));
    assert_eq!(of(0.0, Steps(1)), (false, false));
}

#[test]
fn a_twin_for_gradients_takes_whole_sequences_in_blocks_or_the_textbook() {
    for (engine, twin) in [(Textbook, Textbook), (Factored, Block), (Block, Block)] {
        let every_step = Config {
            engine: Some(engine),
            ..config(20.0, Steps(1))
        };
        let twin_plan = plan(SMALL, &every_step)
            .for_gradients::<f32>(Horizon::Steps(1))
            .unwrap();
        assert_eq!(
            (twin_plan.form, twin_plan.at_once, twin_plan.block),
            (twin, false, 1_024)
        );
    }
    let stack = StackPlan::of(&[3, 4, 2], &StackConfig::default());
    assert!(stack.at_once && !stack.for_gradients().at_once);
    assert_eq!(stack.for_gradients().sizes, [3, 4, 2]);
}

#[test]
fn a_stack_applies_gradients_at_once_under_the_same_conditions() {
    let is_at_once = |config: StackConfig| StackPlan::of(&[3, 2], &config).at_once;
    let usual = StackConfig::default();
    assert!(is_at_once(usual.clone()));
    assert!(!is_at_once(StackConfig {
        batch_size: 2,
        ..usual.clone()
    }));
    assert!(!is_at_once(StackConfig {
        optimizer: Optimizer::ADAM,
        ..usual.clone()
    }));
    assert!(!is_at_once(StackConfig {
        update_every: Steps(2),
        ..usual
    }));
}

#[test]
fn all_forms_but_the_block_form_read_the_signal_of_every_step() {
    for (engine, reads) in [(Textbook, true), (Factored, true), (Block, false)] {
        let plan = plan(
            SMALL,
            &Config {
                engine: Some(engine),
                ..config(20.0, Steps(1))
            },
        );
        assert_eq!(plan.reads_signal(), reads);
    }
}

#[test]
fn the_textbook_passes_every_synapse_and_the_others_some() {
    let work = |engine| {
        plan(
            LARGER,
            &Config {
                engine: Some(engine),
                ..config(20.0, Steps(1))
            },
        )
        .work()
    };
    assert_eq!(work(Textbook), 128 * 32);
    assert!(work(Factored) < 128 * 32 && work(Block) < 128 * 32);
}

#[test]
fn sizes_at_the_end_of_what_can_be_addressed_are_counted_without_an_overflow() {
    let most = usize::MAX / 64;
    let huge = Sizes {
        n_inputs: most,
        n: most,
        n_outputs: most,
    };
    let plan = plan(huge, &config(20.0, Sequence));
    assert_eq!(plan.block, 16);
    assert_eq!(plan.sizes.sources(), 2 * most);
    assert_eq!(plan.events(), 2 * most / 8 * 16 + 2 * most);
}
