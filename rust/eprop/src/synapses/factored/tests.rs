//! The factored form against the learning equations, with base blocks of one step, a few and many.

use alloc::vec;
use alloc::vec::Vec;

use super::{Factored, Kinds, NEVER, PATIENCE};
use crate::Float;
use crate::numbers::plain;
use crate::numbers::step::Step;
use crate::options::plan::{Plan, Sizes};
use crate::options::{Config, Engine, Gain, Optimizer, PerNeuron, UpdateEvery};
use crate::parts::input::Input;
use crate::parts::signal::{Backward, Lies, Signal};
use crate::parts::sources::SourceList;
use crate::synapses::Synapses;
use crate::synapses::literal::{self, Beside, Make, silent};
use crate::testing::{aligned, in_both, made};

fn make<F: Float>() -> Make<Factored<F>> {
    Factored::new
}

fn config(tau: f64, n: usize) -> Config {
    Config {
        engine: Some(Engine::Factored),
        update_every: UpdateEvery::Steps(n),
        tau_mem: tau,
        tau_trace: 1.5 * tau,
        optimizer: Optimizer::PLAIN_SGD,
        ..Config::default()
    }
}

/// Time constants and rests: base blocks of 1, 3, 9 (8 where weights rest for 4 steps) and 30 steps.
const CASES: [(f64, usize); 7] = [
    (1.0, 1),
    (2.0, 1),
    (2.0, 3),
    (6.0, 1),
    (6.0, 4),
    (6.0, 9),
    (20.0, 1),
];

/// Some neurons adapt, each in its own way: base blocks of up to 18 steps.
fn adaptive(config: &Config) -> Config {
    let beta = (0..19).map(|j| [0.0, 0.2, 0.4][j % 3]).collect();
    let tau_adaptation = (0..19).map(|j| [9.0, 20.0, 200.0][j / 3 % 3]).collect();
    let each = PerNeuron {
        beta: Some(beta),
        tau_adaptation: Some(tau_adaptation),
        ..PerNeuron::default()
    };
    Config {
        each,
        ..config.clone()
    }
}

/// The rules of weights; those without momentum also of neurons some of which adapt, of membranes that differ, and of currents.
fn rules_and_second_traces(config: &Config) -> Vec<Config> {
    let mut all = rules(config);
    let descends = |config: &&Config| matches!(config.optimizer, Optimizer::Sgd { .. });
    let adapting: Vec<_> = all.iter().filter(descends).map(adaptive).collect();
    all.extend(adapting);
    // Their shortest time constant bounds base blocks, whatever tau is.
    if config.tau_mem == 6.0 && config.update_every == UpdateEvery::Steps(1) {
        all.extend(literal::with_membranes(config));
    }
    all
}

/// Every case, with the regulariser, and with lengths, under every rule; of neurons that adapt and of others.
fn all<F: Float>(check: fn(&Config, Make<Factored<F>>)) {
    for (tau, n) in CASES {
        let regularised = Config {
            c_reg: 1.0,
            ..config(tau, n)
        };
        for config in [regularised.clone(), limited(&regularised)] {
            for config in rules_and_second_traces(&config) {
                check(&config, make::<F>());
                check(&grouped(&config), make::<F>());
            }
        }
    }
}

/// A decay by which weights lose half of themselves in some 30 steps of these tests.
const WEIGHT_DECAY: f64 = 1.5;

/// The same with every rule that fits into factors.
fn rules(config: &Config) -> Vec<Config> {
    let limit = config.optimizer.is_limited();
    let decays = Optimizer::Sgd {
        limit,
        weight_decay: WEIGHT_DECAY,
    };
    let with = |optimizer| Config {
        optimizer,
        ..config.clone()
    };
    let momentum = |mu, weight_decay| {
        with(Optimizer::Momentum {
            mu,
            limit,
            weight_decay,
        })
    };
    vec![
        config.clone(),
        with(decays),
        momentum(0.9, 0.0),
        momentum(0.75, WEIGHT_DECAY),
    ]
}

/// With steps of their own for inputs and for neurons.
fn grouped(config: &Config) -> Config {
    Config {
        lr_rec: Some(0.5),
        ..config.clone()
    }
}

/// With lengths; where a gradient waits, the form does not keep the regulariser apart.
fn limited(config: &Config) -> Config {
    let at_once = config.update_every == UpdateEvery::Steps(1);
    Config {
        optimizer: Optimizer::SGD,
        c_reg: if at_once { config.c_reg } else { 0.0 },
        ..config.clone()
    }
}

in_both! {
    fn it_is_the_learning_equations_at_every_update_rate_and_gain<F>() {
        for (tau, n) in CASES {
            for gain in [Gain::Unit, Gain::Leak] {
                for c_reg in [0.0, 1.0] {
                    let config = Config { input_gain: gain, readout_gain: gain, c_reg, ..config(tau, n) };
                    for config in [limited(&config), config].iter().flat_map(rules_and_second_traces) {
                        literal::follows::<F, _>(&config, make::<F>(), 80);
                        literal::follows::<F, _>(&grouped(&config), make::<F>(), 80);
                    }
                }
            }
        }
    }
}

in_both! {
    fn an_eligibility_without_a_filter_is_the_step_alone<F>() {
        let config = Config { tau_trace: 0.0, ..config(6.0, 1) };
        for config in [adaptive(&config), config] {
            literal::follows::<F, _>(&config, make::<F>(), 60);
            literal::follows::<F, _>(&limited(&config), make::<F>(), 60);
        }
    }
}

in_both! {
    fn thresholds_that_move_much_have_base_blocks_of_few_steps<F>() {
        for beta in [1.0, 2.0, 3.0] {
            let config = Config { beta, c_reg: 1.0, ..config(20.0, 1) };
            literal::follows::<F, _>(&config, make::<F>(), 80);
            literal::follows::<F, _>(&grouped(&limited(&config)), make::<F>(), 80);
        }
    }
}

in_both! {
    fn a_reset_keeps_weights_alone<F>() {
        all::<F>(literal::resets);
    }
}

in_both! {
    fn saved_bytes_go_on_bit_for_bit<F>() {
        all::<F>(literal::is_saved);
    }
}

in_both! {
    fn weights_and_gradients_come_from_elsewhere_in_the_middle_of_things<F>() {
        all::<F>(literal::takes_from_elsewhere);
    }
}

in_both! {
    fn predictions_change_no_weight<F>() {
        all::<F>(literal::predicts);
    }
}

in_both! {
    fn what_is_not_finite_is_told<F>() {
        all::<F>(literal::tells_what_is_not_finite);
    }
}

in_both! {
    fn who_looks_changes_no_later_bit<F>() {
        all::<F>(literal::may_be_looked_at);
    }
}

in_both! {
    fn nobody_waits_for_longer_than_there_is_patience_and_silence_is_not_waited_for<F>() {
        // Base blocks of one step, in which everybody was active once.
        let mut both = Beside::<F, _>::new(&config(1.0, 1), make::<F>());
        for _ in 0..200 {
            both.step(true);
            let form = &both.form;
            assert!((0..form.seen.len()).all(|source| form.age(source) < PATIENCE));
            assert!(form.ended.len <= PATIENCE);
        }
        let mut form = both.form;
        form.reset();
        // Once they have caught up with it, nothing is left of anybody.
        form.catch_up();
        assert!(form.seen.iter().all(|&seen| seen == NEVER));
    }
}

in_both! {
    fn to_catch_up_changes_nothing_but_when_it_is_worked_off<F>() {
        for (tau, n) in CASES {
            for config in rules_and_second_traces(&config(tau, n)) {
                let mut both = Beside::<F, _>::new(&config, make::<F>());
                for _ in 0..4 {
                    (0..11).for_each(|_| both.step(true));
                    both.form.catch_up();
                    assert_eq!((both.form.block, both.form.ended.len), (0, 0));
                    both.compare();
                    both.update();
                }
            }
        }
    }
}

#[test]
fn sources_of_blocks_that_are_not_kept_are_refused() {
    let config = config(2.0, 1);
    let mut form = Beside::<f64, _>::new(&config, make::<f64>()).form;
    form.block = 5;
    form.ended.len = 2;
    for (seen, is_known) in [(5, true), (3, true), (2, false), (6, false), (NEVER, true)] {
        form.seen.fill(NEVER);
        form.seen[7] = seen;
        let mut twin = silent::<f64, _>(&config, make::<f64>());
        let loaded = plain::load(&mut twin, &plain::save(&form).unwrap());
        assert_eq!(loaded.is_ok(), is_known, "seen in block {seen}");
    }
}

/// The table "Factored form, B = 3" of DESIGN.md: one neuron, two inputs, all decays 1/2, eta = 1/4.
#[test]
fn the_example_by_hand_holds_in_every_row_and_factor() {
    // x1, x2, psi and err; then A, C, zt, X1, S, T.
    type Line = ([f64; 4], [f64; 2], [f64; 2], [f64; 2], [f64; 3]);
    const LINES: [Line; 5] = [
        (
            [1., 1., 0., 1. / 2.],
            [7. / 8., 5. / 4.],
            [0., 0.],
            [1., 1.],
            [0., 1. / 4., 0.],
        ),
        (
            [0., 0., 1., 1. / 2.],
            [7. / 8., 5. / 4.],
            [0., 0.],
            [1., 1.],
            [1., 3. / 8., 1. / 8.],
        ),
        (
            [1., 0., 1., -1. / 4.],
            [-1. / 8., 5. / 4.],
            [-4., 0.],
            [5., 1.],
            [2., 11. / 32., 1. / 16.],
        ),
        (
            [1., 0., 1., 0.],
            [15. / 16., 5. / 4.],
            [3. / 4., 0.],
            [13. / 8., 1.],
            [1., 0., 0.],
        ),
        (
            [0., 1., 1., 1. / 4.],
            [15. / 16., 19. / 16.],
            [3. / 4., -7. / 4.],
            [13. / 8., 17. / 8.],
            [2., 1. / 16., 1. / 8.],
        ),
    ];
    let tau = 1.0 / core::f64::consts::LN_2;
    let config = Config {
        tau_mem: tau,
        tau_trace: tau,
        lr: 0.25,
        engine: Some(Engine::Factored),
        ..Config::default()
    };
    let sizes = Sizes {
        n_inputs: 2,
        n: 1,
        n_outputs: 1,
    };
    let plan = Plan {
        base_block: 3,
        ..Plan::of::<f64>(sizes, &config).unwrap()
    };
    let mut form = made(|room| Factored::<f64>::new(room, &plan, &config));
    let mut sources = made(|room| SourceList::<f64>::new(room, 2, 1));
    form.first_rows()[0] = 7.0 / 8.0;
    form.first_rows()[16] = 5.0 / 4.0;
    let b = aligned(&[2.0; 16]).into();
    let close = |what: &str, got: f64, expected: f64| {
        assert!(
            (got - expected).abs() < 1e-14,
            "{what}: {got}, expected {expected}"
        );
    };
    for ([x1, x2, psi, err], a, c, zt, factors) in LINES {
        let units: Vec<u32> = [x1, x2]
            .iter()
            .zip(0..)
            .filter(|&(&x, _)| x > 0.0)
            .map(|(_, i)| i)
            .collect();
        sources.take(Input::spikes(&units), &[]);
        let mut row = vec![0.0; 16];
        form.drive(&sources.get(), Kinds::same(true), &mut row);
        row.fill(0.0);
        row[0] = psi;
        let (mut l, err) = (vec![0.0; 16], [err]);
        l[0] = 2.0 * err[0];
        let b = Backward {
            rows: &b,
            lies: Lies::ByOutput,
            factors: None,
        };
        let signal = Signal {
            err: &err,
            b,
            l: &l,
            r: None,
        };
        form.learn(
            &sources.get(),
            &row,
            Some(signal),
            Some(Kinds::same(Step::Descend { eta: 0.25 })),
        );
        for i in 0..2 {
            close("A", form.a[16 * i], a[i]);
            close("C", form.c[16 * i], c[i]);
            close("zt", form.zt[i], zt[i]);
        }
        close("X1", form.x1[0], factors[0]);
        close("S", form.s[0], factors[1]);
        close("T", form.t[0], factors[2]);
    }
}

in_both! {
    fn inputs_and_neurons_get_factors_of_their_own_and_share_them_again_in_the_middle_of_things<F>() {
        for (tau, n) in CASES {
            for config in [config(tau, n), limited(&config(tau, n))].iter().flat_map(rules_and_second_traces) {
                literal::regroups::<F>(&config, make::<F>());
            }
        }
    }
}
