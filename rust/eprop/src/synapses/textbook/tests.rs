//! The textbook form against the literal equations.

use super::Textbook;
use crate::Float;
use crate::options::{Config, Engine, Gain, Optimizer, UpdateEvery};
use crate::synapses::literal::{self, Make, silent};
use crate::synapses::{Form, Synapses, What};
use crate::testing::{in_both, made, same_bits, unasked};

fn make<F: Float>() -> Make<Textbook<F>> {
    |room, plan, config| Textbook::new(room, plan, config, None)
}

fn config(update_every: UpdateEvery) -> Config {
    Config {
        engine: Some(Engine::Textbook),
        update_every,
        tau_mem: 6.0,
        tau_trace: 9.0,
        optimizer: Optimizer::PLAIN_SGD,
        ..Config::default()
    }
}

const EVERY: [UpdateEvery; 3] = [
    UpdateEvery::Steps(1),
    UpdateEvery::Steps(5),
    UpdateEvery::Sequence,
];

in_both! {
    fn it_is_the_learning_equations_at_every_update_rate_and_gain<F>() {
        for update_every in EVERY {
            for gain in [Gain::Unit, Gain::Leak] {
                for (c_reg, optimizer) in [(0.0, Optimizer::PLAIN_SGD), (1.0, Optimizer::PLAIN_SGD), (0.0, Optimizer::SGD), (1.0, Optimizer::SGD)] {
                    let config = Config { input_gain: gain, readout_gain: gain, c_reg, optimizer, ..config(update_every) };
                    literal::follows::<F, _>(&config, make::<F>(), 60);
                    let grouped = Config { lr_in: Some(0.5), ..config };
                    literal::follows::<F, _>(&grouped, make::<F>(), 60);
                }
            }
        }
    }
}

in_both! {
    fn a_moving_threshold_is_the_learning_equations_and_is_saved_and_reset<F>() {
        for update_every in EVERY {
            for c_reg in [0.0, 1.0] {
                for optimizer in [Optimizer::PLAIN_SGD, Optimizer::SGD] {
                    let config = Config { beta: 0.4, tau_adaptation: 9.0, c_reg, optimizer, ..config(update_every) };
                    literal::follows::<F, _>(&config, make::<F>(), 60);
                    literal::resets::<F, _>(&config, make::<F>());
                    literal::is_saved::<F, _>(&config, make::<F>());
                }
            }
        }
    }
}

in_both! {
    fn membranes_that_differ_and_currents_are_the_learning_equations_and_are_saved_and_reset<F>() {
        for update_every in EVERY {
            for (beta, c_reg, optimizer) in [(0.0, 1.0, Optimizer::PLAIN_SGD), (0.4, 0.0, Optimizer::PLAIN_SGD), (0.4, 1.0, Optimizer::SGD)] {
                let config = Config { beta, c_reg, optimizer, input_gain: Gain::Leak, ..config(update_every) };
                for config in literal::with_membranes(&config) {
                    literal::follows::<F, _>(&config, make::<F>(), 60);
                    literal::resets::<F, _>(&config, make::<F>());
                    literal::is_saved::<F, _>(&config, make::<F>());
                }
            }
        }
    }
}

in_both! {
    fn lists_of_synapses_are_the_learning_equations_of_these_and_are_saved_reset_and_collected<F>() {
        for update_every in EVERY {
            for (beta, c_reg, optimizer) in [
                (0.0, 0.0, Optimizer::PLAIN_SGD),
                (0.0, 1.0, Optimizer::SGD),
                (0.4, 1.0, Optimizer::PLAIN_SGD),
                (0.4, 1.0, Optimizer::SGD),
            ] {
                let config = Config { beta, c_reg, optimizer, input_gain: Gain::Leak, ..config(update_every) };
                let of_membranes = literal::with_membranes(&config);
                for config in of_membranes.iter().chain([&config]).flat_map(literal::with_lists) {
                    literal::follows::<F, _>(&config, make::<F>(), 60);
                    literal::resets_whatever_is_left::<F, _>(&config, make::<F>(), spoil);
                    literal::is_saved::<F, _>(&config, make::<F>());
                    literal::takes_from_elsewhere::<F, _>(&config, make::<F>());
                    literal::predicts::<F, _>(&config, make::<F>());
                    if update_every != UpdateEvery::Steps(1) {
                        literal::collects::<F, _>(&config, make::<F>());
                    }
                }
            }
        }
    }
}

in_both! {
    fn an_eligibility_without_a_filter_is_the_step_alone<F>() {
        literal::follows::<F, _>(&Config { tau_trace: 0.0, ..config(UpdateEvery::Steps(1)) }, make::<F>(), 30);
    }
}

in_both! {
    fn a_reset_keeps_weights_alone<F>() {
        EVERY.iter().for_each(|&every| literal::resets::<F, _>(&Config { c_reg: 1.0, ..config(every) }, make::<F>()));
    }
}

/// What is not looked at may be anything.
fn spoil<F: Float>(textbook: &mut Textbook<F>) {
    let nan = F::cast(f64::NAN);
    let Textbook {
        e_bar,
        eps_a,
        traces,
        w,
        sum_e,
        ..
    } = textbook;
    for numbers in [e_bar, eps_a, &mut traces.rows, &mut w.pending, sum_e] {
        numbers.fill(nan);
    }
}

in_both! {
    fn a_reset_passes_over_no_synapse_and_what_it_leaves_in_memory_is_never_looked_at<F>() {
        for update_every in EVERY {
            for (beta, optimizer) in [(0.0, Optimizer::PLAIN_SGD), (0.4, Optimizer::PLAIN_SGD), (0.4, Optimizer::SGD)] {
                let config = Config { beta, optimizer, c_reg: 1.0, ..config(update_every) };
                for config in literal::with_membranes(&config).into_iter().chain([config]) {
                    literal::resets_whatever_is_left::<F, _>(&config, make::<F>(), spoil);
                }
            }
        }
        let mut both = literal::Beside::<F, _>::new(&config(UpdateEvery::Sequence), make::<F>());
        (0..9).for_each(|_| both.step(true));
        let kept = [both.form.e_bar.to_vec(), both.form.w.pending.to_vec()];
        both.form.reset();
        for (now, kept) in [&both.form.e_bar, &both.form.w.pending].into_iter().zip(&kept) {
            assert!(kept.iter().any(|&x| x != F::ZERO));
            same_bits("kept", now, kept);
        }
    }
}

in_both! {
    fn saved_bytes_go_on_bit_for_bit<F>() {
        EVERY.iter().for_each(|&every| literal::is_saved::<F, _>(&Config { c_reg: 1.0, ..config(every) }, make::<F>()));
    }
}

in_both! {
    fn weights_and_gradients_come_from_elsewhere_in_the_middle_of_things<F>() {
        EVERY.iter().for_each(|&every| literal::takes_from_elsewhere::<F, _>(&config(every), make::<F>()));
    }
}

in_both! {
    fn a_gradient_is_collected_and_has_been_used_then<F>() {
        for every in [UpdateEvery::Steps(5), UpdateEvery::Sequence] {
            for optimizer in [Optimizer::PLAIN_SGD, Optimizer::SGD] {
                literal::collects::<F, _>(&Config { c_reg: 1.0, optimizer, ..config(every) }, make::<F>());
            }
        }
    }
}

in_both! {
    fn predictions_change_no_weight<F>() {
        EVERY.iter().for_each(|&every| literal::predicts::<F, _>(&config(every), make::<F>()));
    }
}

in_both! {
    fn what_is_not_finite_is_told<F>() {
        EVERY.iter().for_each(|&every| literal::tells_what_is_not_finite::<F, _>(&config(every), make::<F>()));
    }
}

in_both! {
    fn traces_that_have_faded_are_zero_within_sixteen_steps<F>() {
        let mut synapses = silent::<F, _>(&config(UpdateEvery::Steps(1)), make::<F>());
        // As after a step, since the first one clears what was before it.
        synapses.steps = 1;
        synapses.e_bar.fill(F::SILENCE * F::cast(0.5));
        let nothing = crate::parts::sources::Sources { index: &[], value: &[], n_inputs: 0, unit: true, dense: None };
        let psi = alloc::vec![F::ZERO; synapses.stride];
        for _ in 0..16 {
            synapses.learn(&nothing, &psi, None, None);
        }
        assert!(synapses.e_bar.iter().all(|&e_bar| e_bar == F::ZERO));
    }
}

in_both! {
    fn streams_read_the_weights_of_the_first<F>() {
        let config = Config { batch_size: 2, optimizer: Optimizer::ADAM, ..config(UpdateEvery::Steps(1)) };
        let mut first = silent::<F, _>(&config, make::<F>());
        first.first_rows()[3] = F::ONE;
        let shared = first.shared();
        let plan = crate::options::plan::Plan::of::<F>(crate::options::plan::Sizes { n_inputs: 20, n: 19, n_outputs: 2 }, &config).unwrap();
        let other = made(|room| Form::new(room, &plan, &config, shared.as_ref()));
        let mut seen = F::ZERO;
        other.read(What::Weight, 0..1, &mut unasked(), &mut |_, row| { seen = row[3]; Ok(()) }).unwrap();
        assert_eq!(seen, F::ONE);
        assert_eq!(other.shared().unwrap().as_ptr(), first.shared().unwrap().as_ptr());
    }
}
