//! The block form against the learning equations, with blocks of any length.

use alloc::vec;
use alloc::vec::Vec;

use ndarray::Array2;

use super::{Block, Plan};
use crate::kernels::AdamStep;
use crate::numbers::interrupt::Interrupt;
use crate::numbers::kinds::Kinds;
use crate::numbers::plain;
use crate::numbers::step::Step;
use crate::options::{Config, Engine, Gain, Horizon, Optimizer, UpdateEvery};
use crate::parts::sources::SourceList;
use crate::synapses::form::Formed;
use crate::synapses::literal::{self, Beside, Make, silent};
use crate::synapses::{Synapses, What};
use crate::testing::{Noise, doubles, in_both, made, near, same_bits, unasked};
use crate::{Error, Float};

fn make<F: Float>() -> Make<Block<F>> {
    |room, plan, config| Block::new(room, plan, config, None)
}

/// With blocks of five steps, however long weights rest.
fn make_short<F: Float>() -> Make<Block<F>> {
    |room, plan, config| {
        Block::new(
            room,
            &Plan {
                block: plan.block.min(5),
                ..plan.clone()
            },
            config,
            None,
        )
    }
}

fn config(update_every: UpdateEvery) -> Config {
    Config {
        engine: Some(Engine::Block),
        update_every,
        tau_mem: 6.0,
        tau_trace: 9.0,
        optimizer: Optimizer::PLAIN_SGD,
        ..Config::default()
    }
}

const EVERY: [UpdateEvery; 5] = [
    UpdateEvery::Steps(1),
    UpdateEvery::Steps(3),
    UpdateEvery::Steps(8),
    UpdateEvery::Steps(13),
    UpdateEvery::Sequence,
];

/// Every update rate with blocks as the plan has them, and with short ones; with the regulariser.
fn all<F: Float>(check: fn(&Config, Make<Block<F>>)) {
    for every in EVERY {
        let config = Config {
            c_reg: 1.0,
            ..config(every)
        };
        for optimizer in [Optimizer::PLAIN_SGD, Optimizer::SGD] {
            let config = Config {
                optimizer,
                ..config.clone()
            };
            check(&config, make::<F>());
            check(&config, make_short::<F>());
            let adaptive = Config {
                beta: 0.4,
                tau_adaptation: 9.0,
                ..config
            };
            check(&adaptive, make::<F>());
            check(&adaptive, make_short::<F>());
            for config in literal::with_membranes(&adaptive) {
                check(&config, make_short::<F>());
            }
        }
    }
}

in_both! {
    fn it_is_the_learning_equations_at_every_update_rate_and_gain<F>() {
        for update_every in EVERY {
            for gain in [Gain::Unit, Gain::Leak] {
                for (c_reg, optimizer) in [(0.0, Optimizer::PLAIN_SGD), (1.0, Optimizer::PLAIN_SGD), (0.0, Optimizer::SGD), (1.0, Optimizer::SGD)] {
                    let config = Config { input_gain: gain, readout_gain: gain, c_reg, optimizer, ..config(update_every) };
                    literal::follows::<F, _>(&config, make::<F>(), 60);
                    literal::follows::<F, _>(&config, make_short::<F>(), 60);
                    let grouped = Config { lr_in: Some(0.5), ..config };
                    literal::follows::<F, _>(&grouped, make::<F>(), 60);
                    literal::follows::<F, _>(&grouped, make_short::<F>(), 60);
                }
                for (config, beta) in literal::with_membranes(&config(update_every)).into_iter().zip([0.0, 0.0, 0.4]) {
                    let config = Config { input_gain: gain, readout_gain: gain, lr_in: Some(0.5), c_reg: 1.0, optimizer: Optimizer::SGD, beta, ..config };
                    literal::follows::<F, _>(&config, make::<F>(), 60);
                    literal::follows::<F, _>(&config, make_short::<F>(), 60);
                }
            }
        }
    }
}

in_both! {
    fn lists_of_synapses_are_the_learning_equations_of_these_and_are_saved_reset_and_collected<F>() {
        for update_every in [UpdateEvery::Steps(3), UpdateEvery::Steps(13), UpdateEvery::Sequence] {
            for (beta, c_reg, optimizer) in [
                (0.0, 0.0, Optimizer::PLAIN_SGD),
                (0.0, 1.0, Optimizer::SGD),
                (0.4, 1.0, Optimizer::PLAIN_SGD),
                (0.4, 1.0, Optimizer::SGD),
            ] {
                let config = Config { beta, c_reg, optimizer, input_gain: Gain::Leak, ..config(update_every) };
                let of_membranes = literal::with_membranes(&config);
                for config in of_membranes.iter().chain([&config]).flat_map(literal::with_lists) {
                    for make in [make::<F>(), make_short::<F>()] {
                        literal::follows::<F, _>(&config, make, 60);
                        literal::resets_whatever_is_left::<F, _>(&config, make, spoil);
                        literal::is_saved::<F, _>(&config, make);
                        literal::takes_from_elsewhere::<F, _>(&config, make);
                        literal::predicts::<F, _>(&config, make);
                        literal::may_be_looked_at::<F, _>(&config, make);
                        literal::settles::<F, _>(&config, make);
                        literal::collects::<F, _>(&config, make);
                    }
                }
            }
        }
    }
}

in_both! {
    fn an_eligibility_without_a_filter_is_the_step_alone<F>() {
        literal::follows::<F, _>(&Config { tau_trace: 0.0, ..config(UpdateEvery::Steps(8)) }, make_short::<F>(), 30);
    }
}

in_both! {
    fn a_reset_keeps_weights_alone<F>() {
        all::<F>(literal::resets);
    }
}

/// What is not looked at may be anything.
fn spoil<F: Float>(block: &mut Block<F>) {
    let nan = F::cast(f64::NAN);
    for traces in [&mut block.e_bar, &mut block.eps_a, &mut block.z_bar_rows] {
        traces.fill(nan);
    }
    if block.dropped {
        block.w.pending.fill(nan);
        block.sum_e.fill(nan);
    }
}

in_both! {
    fn what_a_reset_leaves_in_memory_is_never_looked_at<F>() {
        all::<F>(|config, make| literal::resets_whatever_is_left(config, make, spoil::<F>));
    }
}

in_both! {
    fn a_reset_passes_over_no_synapse_and_a_step_asks_while_it_clears<F>() {
        let config = Config { c_reg: 1.0, ..config(UpdateEvery::Sequence) };
        let mut both = Beside::<F, _>::new(&config, make_short::<F>());
        (0..13).for_each(|_| both.step(true));
        let Block { e_bar, w, sum_e, .. } = &both.form;
        let kept = [e_bar.to_vec(), w.pending.to_vec(), sum_e.to_vec()];
        both.form.reset();
        let Block { e_bar, w, sum_e, .. } = &both.form;
        for (now, kept) in [e_bar, &w.pending, sum_e].into_iter().zip(&kept) {
            assert!(kept.iter().any(|&x| x != F::ZERO));
            same_bits("kept", now, kept);
        }
        // Stopped at any question, it is not ready; and nothing waits in the end.
        let numbers = kept[1].len() + kept[2].len();
        for at in 0..numbers / 100 - 1 {
            let asked = core::sync::atomic::AtomicUsize::new(0);
            let stop = Interrupt::every(100, move || asked.fetch_add(1, core::sync::atomic::Ordering::Relaxed) == at);
            assert_eq!(both.form.ready(&mut stop.pace()), Err(Error::Interrupted), "{at}");
            assert!(!both.form.is_ready() && !both.form.w.waits);
        }
        both.form.ready(&mut unasked()).unwrap();
        assert!(both.form.is_ready());
        let Block { w, sum_e, .. } = &both.form;
        assert!(w.pending.iter().chain(sum_e.iter()).all(|&g| g == F::ZERO));
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
    fn a_gradient_is_collected_and_has_been_used_then<F>() {
        all::<F>(literal::collects);
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
    fn steps_are_settled_before_the_feedback_changes<F>() {
        all::<F>(literal::settles);
    }
}

in_both! {
    fn who_looks_changes_no_later_bit<F>() {
        all::<F>(literal::may_be_looked_at);
    }
}

in_both! {
    fn inputs_that_are_looked_at_ahead_send_the_same_bits<F>() {
        let (n_inputs, steps) = (20, 60);
        let mut noise = Noise(3);
        let x = Array2::from_shape_vec((steps, n_inputs), noise.numbers::<F>(steps * n_inputs)).unwrap();
        let config = config(UpdateEvery::Sequence);
        let [mut one, mut other] = [0; 2].map(|_| Beside::<F, _>::new(&config, make::<F>()).form);
        let mut sources = made(|room| SourceList::<F>::new(room, n_inputs, 19));
        let psi = vec![F::ZERO; 32];
        let inputs = crate::parts::input::Inputs::from(x.view());
        for t in 0..steps {
            sources.take(inputs.step(t), &noise.some_of(19, 0.1));
            let [mut now, mut ahead] = [0; 2].map(|_| vec![F::ONE; psi.len()]);
            one.drive(&sources.get(), Kinds::same(true), &mut now);
            one.learn(&sources.get(), &psi, None, None);
            other.look_ahead(inputs, t);
            other.drive(&sources.get(), Kinds::same(true), &mut ahead);
            other.learn(&sources.get(), &psi, None, None);
            same_bits("I", &ahead, &now);
        }
    }
}

in_both! {
    fn steps_of_adam_are_taken_with_the_gradient_of_the_history_and_of_earlier_blocks<F>() {
        let config = Config { optimizer: Optimizer::ADAM, ..config(UpdateEvery::Sequence) };
        for make in [make::<F>(), make_short::<F>()] {
            let mut both = Beside::<F, _>::new(&config, make);
            let mut twin = Beside::<F, _>::new(&config, make).form;
            let (beta1, beta2, eps, eta) = (0.75, 0.9375, 0.125, 0.03125);
            let step = AdamStep {
                beta1: F::cast(beta1),
                gain1: F::cast(1.0 - beta1),
                beta2: F::cast(beta2),
                gain2: F::cast(1.0 - beta2),
                eps: F::cast(eps),
                eta: F::cast(eta),
                decay: F::ZERO,
                shrink: F::ZERO,
                scale: F::ONE,
                bound: F::cast(f64::INFINITY),
            };
            let n = twin.first_rows().len();
            let (mut m, mut v) = (vec![0.0; n], vec![0.0; n]);
            for _ in 0..3 {
                // The weights of one of them rest, and its gradients are those of the other.
                (0..12).for_each(|_| both.learn_with(&mut [&mut twin]));
                let mut w = doubles(twin.first_rows());
                let mut g = vec![F::ZERO; n];
                both.form.collect(None, &mut g);
                twin.update(None, Kinds::same(Step::Adam(step)));
                for (at, g) in doubles(&g).into_iter().enumerate() {
                    m[at] = beta1 * m[at] + (1.0 - beta1) * g;
                    v[at] = beta2 * v[at] + (1.0 - beta2) * g * g;
                    w[at] -= eta * m[at] / (libm::sqrt(v[at]) + eps);
                }
                near("W", twin.first_rows(), &w);
            }
        }
    }
}

/// With recurrent credit, of the loss and of the regulariser, together and apart.
fn with_credit() -> [Config; 3] {
    [
        (0.0, Optimizer::PLAIN_SGD),
        (1.0, Optimizer::PLAIN_SGD),
        (1.0, Optimizer::SGD),
    ]
    .map(|(c_reg, optimizer)| Config {
        horizon: Horizon::Sequence,
        c_reg,
        optimizer,
        ..config(UpdateEvery::Sequence)
    })
}

fn collected<F: Float>(mut block: Block<F>) -> Vec<F> {
    let mut sum = vec![F::ZERO; 2 * block.w.pending.len()];
    // The coefficients of the sequence, where the steps have none.
    let of_sequence = !block.sum_e.is_empty() && !block.history.has_r();
    let r = Noise(7).numbers(block.sizes().stride);
    block.collect(of_sequence.then_some(&r), &mut sum);
    sum
}

in_both! {
    fn rows_that_recurrent_credit_makes_of_a_whole_block_have_the_bits_of_a_scan<F>() {
        const STEPS: usize = 20;
        for config in with_credit() {
            let mut both = Beside::<F, _>::new(&config, make::<F>());
            let mut twin = Beside::<F, _>::new(&config, make::<F>()).form;
            // An earlier block of other steps leaves something.
            for steps in [7, STEPS] {
                both.form.end_block();
                twin.end_block();
                (0..steps).for_each(|_| both.learn_with(&mut [&mut twin]));
            }
            // Of a run that ends with its horizon the steps to come may go on.
            twin.horizon = twin.steps;
            Block::credit_together(&mut [&mut twin], false, &mut unasked()).unwrap();
            let mut form = both.form;
            Block::credit_together(&mut [&mut form], true, &mut unasked()).unwrap();
            let known = form.sum_e.is_empty() || form.history.has_r();
            assert_eq!((form.credit.scanned, twin.credit.scanned), (known, false));
            same_bits("gradient", &collected(form), &collected(twin));
        }
    }
}

in_both! {
    fn who_goes_on_after_credit_has_been_made_makes_it_anew<F>() {
        let adaptive = with_credit().map(|config| Config { beta: 0.4, tau_adaptation: 9.0, ..config });
        for config in with_credit().into_iter().chain(adaptive) {
            let mut both = Beside::<F, _>::new(&config, make::<F>());
            let mut stopped = Beside::<F, _>::new(&config, make::<F>()).form;
            for _ in 0..2 {
                Block::credit_together(&mut [&mut stopped], true, &mut unasked()).unwrap();
                (0..9).for_each(|_| both.learn_with(&mut [&mut stopped]));
            }
            same_bits("gradient", &collected(stopped), &collected(both.form));
        }
    }
}

in_both! {
    fn a_silent_form_saves_no_traces_and_no_gradient<F>() {
        let config = config(UpdateEvery::Sequence);
        let mut block = silent::<F, _>(&config, make::<F>());
        let weights = size_of_val(block.first_rows());
        let saved = plain::save(&block).unwrap().len();
        assert!(saved < weights + 300, "{saved} bytes of {weights}");
    }
}

in_both! {
    fn streams_read_the_weights_of_the_first<F>() {
        let config = Config { batch_size: 2, ..config(UpdateEvery::Sequence) };
        let mut first = silent::<F, _>(&config, make::<F>());
        let mut other = silent::<F, _>(&config, make::<F>());
        first.first_rows()[3] = F::cast(f64::NAN);
        first.changed(false);
        other.share_weights(&first);
        assert_eq!(other.shared().unwrap().as_ptr(), first.shared().unwrap().as_ptr());
        assert!(!other.finite());
        let mut seen = F::ZERO;
        other.read(What::Weight, 0..1, &mut unasked(), &mut |_, row| { seen = row[3]; Ok(()) }).unwrap();
        assert!(!seen.is_finite());
    }
}
