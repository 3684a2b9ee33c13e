//! Rows after an update against the same in plain numbers.

use alloc::{vec, vec::Vec};

use super::{Keeps, Late, PIECE, Parameter, Split, Step, sum_up};
use crate::Float;
use crate::kernels::{self, AdamStep, MomentumStep, ShrinkStep};
use crate::numbers::gradient::squared_length;
use crate::numbers::plain;
use crate::numbers::walk;
use crate::testing::{Noise, aligned, doubles, in_both, made, near, same_bits, unasked};

const BOTH: Keeps = Keeps {
    pending: true,
    moments: 2,
};

fn parameter<F: Float>(rows: usize, width: usize, keeps: Keeps) -> Parameter<F> {
    let mut parameter = made(|room| Parameter::new(room, (rows, width), keeps, None));
    parameter
        .rows
        .copy_from_slice(&Noise(1).numbers::<F>(rows * width));
    parameter
}

in_both! {
    fn a_step_that_is_scaled_takes_the_scale_of_each_column_wherever_it_begins<F>() {
        // Rows that no piece ends with, of which the last two numbers are padding; and a boundary between groups.
        let (rows, width) = (PIECE / 8, 24);
        let keeps = Keeps { pending: true, moments: 0 };
        let by = [3, 5].map(|seed| Noise(seed).numbers::<f64>(width - 2));
        let step = ShrinkStep { eta: F::cast(0.5), shrink: F::cast(0.25), bound: F::cast(f64::INFINITY) };
        let [before, from] = by.each_ref().map(|by| Step::Scaled { step, by });
        let split = || Split { cut: 7 * width, before, from };
        let mut g = Noise(2).numbers::<F>(rows * width);
        let mut w = parameter::<F>(rows, width, keeps);
        let mut expected = doubles(&w.rows);
        for (at, w) in expected.iter_mut().enumerate() {
            match by[usize::from(at >= 7 * width)].get(at % width) {
                Some(d) => *w -= d * (0.5 * g[at].to_f64() + 0.25 * *w),
                None => g[at] = F::ZERO,
            }
        }
        w.pending.copy_from_slice(&g);
        assert!(w.update(split()));
        near("update", &w.rows, &expected);
        let mut w = parameter::<F>(rows, width, keeps);
        assert!(w.descend(split(), &[vec![&g[..]]], 1));
        near("descend", &w.rows, &expected);
        let mut w = parameter::<F>(rows, width, keeps);
        w.take(before, 0, &g[..7 * width]);
        w.take(from, 7 * width, &g[7 * width..]);
        near("take", &w.rows, &expected);
        let Step::Shrink(third) = before.of_neuron(3) else { panic!("of one neuron it is a number") };
        near("of a neuron", &[third.eta, third.shrink], &[0.5 * by[0][3], 0.25 * by[0][3]]);
    }
}

/// Adam as it is written, one weight: the moments, and the weight.
struct Literal {
    t: i32,
    m: Vec<f64>,
    v: Vec<f64>,
    w: Vec<f64>,
}

const LR: f64 = 0.01;
const BETA1: f64 = 0.875;
const BETA2: f64 = 0.984375;
const EPS: f64 = 0.0625;

impl Literal {
    fn new(w: Vec<f64>) -> Self {
        Self {
            t: 0,
            m: w.iter().map(|_| 0.0).collect(),
            v: w.iter().map(|_| 0.0).collect(),
            w,
        }
    }

    fn step(&mut self, g: &[f64]) {
        self.t += 1;
        for (j, g) in g.iter().enumerate() {
            self.m[j] = BETA1 * self.m[j] + (1.0 - BETA1) * g;
            self.v[j] = BETA2 * self.v[j] + (1.0 - BETA2) * g * g;
            let unbias = libm::sqrt(1.0 - libm::pow(BETA2, self.t.into()))
                / (1.0 - libm::pow(BETA1, self.t.into()));
            self.w[j] -= LR * unbias * self.m[j] / (libm::sqrt(self.v[j]) + EPS);
        }
    }
}

fn adam<F: Float>(t: i32, scale: f64) -> Step<'static, F> {
    let unbias = libm::sqrt(1.0 - libm::pow(BETA2, t.into())) / (1.0 - libm::pow(BETA1, t.into()));
    Step::Adam(AdamStep {
        beta1: F::cast(BETA1),
        gain1: F::cast(1.0 - BETA1),
        beta2: F::cast(BETA2),
        gain2: F::cast(1.0 - BETA2),
        eps: F::cast(EPS),
        eta: F::cast(LR * unbias),
        decay: F::ZERO,
        shrink: F::ZERO,
        scale: F::cast(scale),
        bound: F::cast(f64::INFINITY),
    })
}

in_both! {
    fn an_update_descends_and_the_gradient_starts_again<F>() {
        let mut w = parameter::<F>(2, 16, Keeps { pending: true, moments: 0 });
        let (before, g) = (doubles(&w.rows), Noise(2).numbers::<F>(32));
        w.pending.copy_from_slice(&g);
        w.waits = true;
        w.update(Step::Descend { eta: F::cast(0.25) });
        let expected: Vec<_> = before.iter().zip(&g).map(|(w, g)| w - 0.25 * g.to_f64()).collect();
        near("w", &w.rows, &expected);
        assert!(!w.waits && w.pending.iter().all(|&g| g == F::ZERO));
    }
}

in_both! {
    fn updates_of_adam_are_its_three_lines<F>() {
        let mut w = parameter::<F>(2, 16, BOTH);
        let mut literal = Literal::new(doubles(&w.rows));
        let mut noise = Noise(3);
        for t in 1..=5 {
            let g = noise.numbers::<F>(32);
            // A gradient that is half of what it will be when it is scaled.
            w.pending.iter_mut().zip(&g).for_each(|(to, &g)| *to = g * F::cast(0.5));
            w.waits = true;
            w.update(adam(t, 2.0));
            literal.step(&doubles(&g));
            near("w", &w.rows, &literal.w);
        }
    }
}

in_both! {
    fn weights_that_decay_descend_within_their_bound_and_biases_only_descend<F>() {
        let keeps = Keeps { pending: true, moments: 0 };
        let (mut w, mut b) = (parameter::<F>(2, 16, keeps), parameter::<F>(2, 16, keeps));
        let step = Step::Shrink(ShrinkStep { eta: F::cast(0.25), shrink: F::cast(0.125), bound: F::cast(0.5) });
        let (before, g) = (doubles(&w.rows), Noise(2).numbers::<F>(32));
        w.take(step, 0, &g);
        b.take(step.of_biases(), 0, &g);
        let pairs = || before.iter().zip(doubles(&g));
        near("w", &w.rows, &pairs().map(|(w, g)| (w - 0.25 * g - 0.125 * w).clamp(-0.5, 0.5)).collect::<Vec<_>>());
        near("b", &b.rows, &pairs().map(|(w, g)| w - 0.25 * g).collect::<Vec<_>>());
        assert!(step.linear().is_none() && step.of_biases().linear().is_some());
    }
}

in_both! {
    fn momentum_keeps_one_number_per_weight<F>() {
        let mut w = parameter::<F>(2, 16, Keeps { pending: true, moments: 1 });
        assert!(w.m.len() == 32 && w.v.is_empty());
        let step = Step::Momentum(MomentumStep {
            mu: F::cast(0.75),
            eta: F::cast(0.25),
            decay: F::cast(0.125),
            scale: F::cast(2.0),
            bound: F::cast(0.75),
        });
        let (mut expected, mut m) = (doubles(&w.rows), [0.0; 32]);
        let mut noise = Noise(3);
        for _ in 0..5 {
            let g = noise.numbers::<F>(32);
            w.pending.copy_from_slice(&g);
            w.waits = true;
            w.update(step);
            for (j, g) in doubles(&g).into_iter().enumerate() {
                m[j] = 0.75 * m[j] + 2.0 * g + 0.125 * expected[j];
                expected[j] = (expected[j] - 0.25 * m[j]).clamp(-0.75, 0.75);
            }
            near("w", &w.rows, &expected);
        }
    }
}

in_both! {
    fn a_step_for_some_weights_leaves_the_others_and_their_moments<F>() {
        let mut w = parameter::<F>(3, 16, BOTH);
        let before = doubles(&w.rows);
        let mut literal = Literal::new(before[16..32].to_vec());
        let mut noise = Noise(4);
        for t in 1..=3 {
            let g = noise.numbers::<F>(16);
            w.take(adam(t, 1.0), 16, &g);
            literal.step(&doubles(&g));
        }
        near("before", &w.rows[..16], &before[..16]);
        near("taken", &w.rows[16..32], &literal.w);
        near("behind", &w.rows[32..], &before[32..]);
        assert!(w.m[..16].iter().chain(&w.m[32..]).all(|&m| m == F::ZERO));
    }
}

in_both! {
    fn a_step_with_the_sum_of_gradients_is_the_same_at_any_number_of_threads<F>() {
        // Three pieces, the last of them short.
        let (rows, width) = (2 * PIECE / 16 + 5, 16);
        let mut noise = Noise(5);
        let gradients: [_; 3] = core::array::from_fn(|_| aligned(&noise.numbers::<F>(rows * width)));
        let all: Vec<&[F]> = gradients.iter().map(|g| &g[..]).collect();
        let kinds = [all[..2].to_vec(), all[2..].to_vec()];
        let mut one = parameter::<F>(rows, width, BOTH);
        let mut literal = Literal::new(doubles(&one.rows));
        let mut many = parameter::<F>(rows, width, BOTH);
        let sum: Vec<f64> = (0..rows * width).map(|j| all.iter().map(|g| g[j].to_f64()).sum()).collect();
        for t in 1..=2 {
            assert!(one.descend(adam(t, 1.0), &kinds, 1));
            assert!(many.descend(adam(t, 1.0), &kinds, 3));
            literal.step(&sum);
        }
        near("w", &one.rows, &literal.w);
        same_bits("w of threads", &many.rows, &one.rows);
    }
}

in_both! {
    fn no_bit_of_a_sum_tells_whether_a_kind_was_summed_up_before<F>() {
        let mut noise = Noise(7);
        let gradients: [_; 6] = core::array::from_fn(|_| noise.numbers::<F>(PIECE + 16));
        let [a, b, c, d, e, f] = gradients.each_ref().map(|g| &g[..]);
        let whole = |kinds: &[Vec<&[F]>]| {
            let mut sum = vec![F::ZERO; 20];
            sum_up(kinds, PIECE - 4, &mut sum);
            sum
        };
        let mut first = vec![F::ZERO; PIECE + 16];
        for g in [a, b, c] { kernels::add_row(F::ONE, g, &mut first); }
        let mut last = vec![F::ZERO; PIECE + 16];
        for g in [d, e, f] { kernels::add_row(F::ONE, g, &mut last); }
        let expected = whole(&[vec![a, b, c], vec![d, e, f]]);
        same_bits("summed up", &whole(&[vec![&first], vec![&last]]), &expected);
        let literal: Vec<f64> = (PIECE - 4..PIECE + 16).map(|j| gradients.iter().map(|g| g[j].to_f64()).sum()).collect();
        near("the sum", &expected, &literal);
    }
}

in_both! {
    fn a_weight_that_becomes_infinite_in_any_piece_is_told<F>() {
        let mut noise = Noise(6);
        for at in [0, PIECE - 1, PIECE, PIECE + 15] {
            let mut w = parameter::<F>(PIECE / 16 + 1, 16, Keeps { pending: false, moments: 0 });
            let mut g = noise.numbers::<F>(PIECE + 16);
            g[at] = F::cast(f64::INFINITY);
            assert!(!w.descend(Step::Descend { eta: F::ONE }, &[vec![&g[..]]], 1));
        }
    }
}

/// Synapses in pairs, whose second numbers nothing here may change.
fn paired<F: Float>(takes_every_step: bool, firsts: &[F]) -> Parameter<F> {
    let n = firsts.len();
    let keeps = (takes_every_step, 0);
    let mut parameter = made(|room| Parameter::paired(room, n, keeps, None));
    for (at, pair) in parameter.pairs.iter_mut().enumerate() {
        *pair = [firsts[at], F::cast(at as f64)];
    }
    parameter
}

fn hold_firsts<F: Float>(what: &str, parameter: &Parameter<F>, expected: &[F]) {
    let firsts: Vec<F> = parameter.pairs.iter().map(|pair| pair[0]).collect();
    same_bits(what, &firsts, expected);
    let seconds = parameter.pairs.iter().map(|pair| pair[1]);
    assert!(
        (0..)
            .map(|at| F::cast(f64::from(at)))
            .zip(seconds)
            .all(|(expected, x)| x == expected)
    );
}

in_both! {
    fn weights_in_pairs_take_the_steps_of_rows<F>() {
        let n = 2 * PIECE + 5;
        let mut rows = parameter::<F>(1, n, Keeps { pending: false, moments: 0 });
        let mut pairs = paired(true, &rows.rows);
        let g = Noise(2).numbers::<F>(n - 3);
        let step = ShrinkStep { eta: F::cast(0.25), shrink: F::cast(0.125), bound: F::cast(0.5) };
        for weights in [&mut rows, &mut pairs] {
            weights.take(Step::Shrink(step), 3, &g);
        }
        hold_firsts("w", &pairs, &rows.rows);
    }
}

in_both! {
    fn a_gradient_in_pairs_is_that_of_rows<F>() {
        let n = 2 * PIECE + 5;
        let mut rows = parameter::<F>(1, n, Keeps { pending: true, moments: 0 });
        let g = Noise(2).numbers::<F>(n);
        let (late, of_neurons) = (aligned(&Noise(3).numbers::<F>(n)), Noise(4).numbers::<F>(n));
        let by = Some(&of_neurons[..]);
        let mut pairs = paired(false, &g);
        pairs.rows.copy_from_slice(&rows.rows);
        rows.pending.copy_from_slice(&g);
        let length = |parameter: &Parameter<F>, late| squared_length(parameter.gradient(), late, &mut unasked()).unwrap();
        for late in [None, Some((&late[..], by.map(|r| (r, rows.neurons()))))] {
            assert_eq!(length(&pairs, late), length(&rows, late));
        }
        // Collected, taken back, and applied.
        let mut sum = aligned(&vec![F::ZERO; n]);
        pairs.add_pairs(Late { sum: &mut late.clone(), by }, &mut sum);
        hold_firsts("none", &pairs, &vec![F::ZERO; n]);
        let expected = |at: usize| g[at].to_f64() + of_neurons[at].to_f64() * late[at].to_f64();
        near("collected", &sum, &(0..n).map(expected).collect::<Vec<_>>());
        pairs.take_back(&mut aligned(&g));
        assert!(pairs.waits);
        for weights in [&mut rows, &mut pairs] {
            weights.update_with(Step::Descend { eta: F::cast(0.25) }, Late { sum: &mut late.clone(), by });
        }
        same_bits("w", &pairs.rows, &rows.rows);
        hold_firsts("applied", &pairs, &vec![F::ZERO; n]);
    }
}

in_both! {
    fn another_stream_reads_the_rows_and_keeps_no_moments<F>() {
        let first = parameter::<F>(2, 16, BOTH);
        let other = made(|room| Parameter::<F>::new(room, (2, 16), BOTH, Some(&first.rows)));
        assert_eq!(other.rows.as_ptr(), first.rows.as_ptr());
        assert!(other.m.is_empty() && other.v.is_empty());
        assert_eq!(other.pending.len(), 32);
    }
}

in_both! {
    fn a_gradient_that_waits_is_saved_and_none_is_not<F>() {
        let mut w = parameter::<F>(2, 16, Keeps { pending: true, moments: 0 });
        let of_none = plain::save(&w).unwrap();
        w.pending[3] = F::ONE;
        w.waits = true;
        let of_one = plain::save(&w).unwrap();
        assert_eq!(of_one.len() - of_none.len(), 32 * size_of::<F>());
        let mut twin = parameter::<F>(2, 16, Keeps { pending: true, moments: 0 });
        plain::load(&mut twin, &of_one).unwrap();
        assert!(twin.waits && walk::same(&w, &twin));
        w.drop_gradient();
        assert_eq!(plain::save(&w).unwrap(), of_none);
    }
}
