//! A lazy matrix against the sums that it stands for, written out: a trace per source, and every weight and its gradient at every step.

use alloc::vec;
use alloc::vec::Vec;

use super::{Layout, Lazy, Shape, short_row};
use crate::Float;
use crate::numbers::aligned::padded;
use crate::numbers::parameter::Keeps;
use crate::numbers::plain;
use crate::numbers::step::Step;
use crate::numbers::walk;
use crate::testing::unasked;
use crate::testing::{Noise, doubles, in_both, made, near, same_bits};

const SOURCES: usize = 5;
const TARGETS: usize = 3;
const DECAY: f64 = 0.8;
/// Steps to a base block.
const BLOCK: usize = 4;
const GAIN: f64 = 0.5;
const ETA: f64 = 0.0625;

const LAYOUTS: [Layout; 2] = [Layout::BySource, Layout::ByTarget];
const PENDING: Keeps = Keeps {
    pending: true,
    moments: 0,
};
const AT_ONCE: Keeps = Keeps {
    pending: false,
    moments: 0,
};

fn silent<F: Float>(layout: Layout, keeps: Keeps) -> Lazy<F> {
    let shape = Shape {
        sources: SOURCES,
        source_stride: padded::<F>(SOURCES),
        targets: TARGETS,
        target_stride: short_row(TARGETS),
        layout,
    };
    made(|room| Lazy::new(room, shape, (DECAY, BLOCK), keeps, None))
}

fn lazy<F: Float>(layout: Layout, keeps: Keeps) -> Lazy<F> {
    let mut lazy = silent(layout, keeps);
    let mut noise = Noise(1);
    lazy.assign(|_, _| F::cast(noise.signed()));
    lazy
}

/// The weights as they read, by source.
fn weights<F: Float>(lazy: &Lazy<F>) -> Vec<F> {
    let mut w = vec![F::ZERO; SOURCES * TARGETS];
    lazy.read(|at, row| {
        for (column, &x) in row.iter().enumerate() {
            match lazy.layout() {
                Layout::BySource => w[at * TARGETS + column] = x,
                Layout::ByTarget => w[column * TARGETS + at] = x,
            }
        }
    })
    .unwrap();
    w
}

/// The gradient that waits, by source.
fn gradient<F: Float>(lazy: &mut Lazy<F>) -> Vec<F> {
    let rows = lazy.gradient().chunks_exact(short_row(TARGETS));
    rows.flat_map(|row| row[..TARGETS].to_vec()).collect()
}

struct Literal {
    w: Vec<f64>,
    g: Vec<f64>,
    trace: [f64; SOURCES],
}

/// What happens in a step.
struct Moment {
    sent: Vec<(usize, f64)>,
    delta: [f64; TARGETS],
}

impl Moment {
    fn new(noise: &mut Noise) -> Self {
        let sources = noise.some_of(SOURCES, 0.4);
        Self {
            sent: sources
                .iter()
                .map(|&i| (i as usize, noise.signed()))
                .collect(),
            delta: core::array::from_fn(|_| noise.signed()),
        }
    }
}

impl Literal {
    fn new<F: Float>(lazy: &Lazy<F>) -> Self {
        Self {
            w: doubles(&weights(lazy)),
            g: vec![0.0; SOURCES * TARGETS],
            trace: [0.0; SOURCES],
        }
    }

    fn forward(&mut self, moment: &Moment) -> [f64; TARGETS] {
        let mut to = [0.0; TARGETS];
        self.trace.iter_mut().for_each(|trace| *trace *= DECAY);
        for &(i, s) in &moment.sent {
            self.trace[i] += GAIN * s;
            for (k, to) in to.iter_mut().enumerate() {
                *to += s * self.w[i * TARGETS + k];
            }
        }
        to
    }

    fn learn(&mut self, moment: &Moment) {
        for i in 0..SOURCES {
            for k in 0..TARGETS {
                self.g[i * TARGETS + k] += self.trace[i] * moment.delta[k];
            }
        }
    }

    fn descend(&mut self) {
        for (w, g) in self.w.iter_mut().zip(&mut self.g) {
            *w -= ETA * *g;
            *g = 0.0;
        }
    }
}

fn forward<F: Float>(lazy: &mut Lazy<F>, moment: &Moment, learning: bool) -> Vec<F> {
    let mut to = vec![F::ZERO; short_row(TARGETS)];
    lazy.begin(learning);
    let sent = moment.sent.iter().map(|&(i, s)| (i, F::cast(s)));
    lazy.send(sent, F::cast(GAIN), &mut to);
    to.truncate(TARGETS);
    to
}

fn learn<F: Float>(lazy: &mut Lazy<F>, moment: &Moment, eta: f64) {
    let (down, v) = lazy.factor();
    for (v, &delta) in v.iter_mut().zip(&moment.delta) {
        *v += F::cast(eta) * down * F::cast(delta);
    }
    lazy.learned();
}

in_both! {
    fn learning_at_once_is_descent_along_every_step_in_both_layouts<F>() {
        for layout in LAYOUTS {
            let mut lazy = lazy::<F>(layout, AT_ONCE);
            let (mut literal, mut noise) = (Literal::new(&lazy), Noise(2));
            for _ in 0..5 * BLOCK + 2 {
                let moment = Moment::new(&mut noise);
                near("sent", &forward(&mut lazy, &moment, true), &literal.forward(&moment));
                learn(&mut lazy, &moment, ETA);
                literal.learn(&moment);
                literal.descend();
                near("W", &weights(&lazy), &literal.w);
                near("traces", &lazy.traces().collect::<Vec<_>>(), &literal.trace);
                assert!(lazy.finite());
            }
        }
    }
}

in_both! {
    fn weights_that_decay_at_every_step_are_descent_with_a_decay_in_both_layouts<F>() {
        for layout in LAYOUTS {
            // So little that it gathers, half of the weights at once, and more than all of them.
            for keep in [0.99, 0.5, 0.0, -0.25] {
                let mut lazy = lazy::<F>(layout, AT_ONCE);
                let (mut literal, mut noise) = (Literal::new(&lazy), Noise(12));
                for t in 1..5 * BLOCK + 2 {
                    let moment = Moment::new(&mut noise);
                    let learning = t % 5 != 0;
                    let before = weights(&lazy);
                    near("sent", &forward(&mut lazy, &moment, learning), &literal.forward(&moment));
                    if !learning {
                        same_bits("W", &weights(&lazy), &before);
                        continue;
                    }
                    lazy.decay(keep);
                    learn(&mut lazy, &moment, ETA);
                    literal.w.iter_mut().for_each(|w| *w *= keep);
                    literal.learn(&moment);
                    literal.descend();
                    near("W", &weights(&lazy), &literal.w);
                    assert!(lazy.finite());
                    if t == 8 {
                        let mut twin = silent::<F>(layout, AT_ONCE);
                        plain::load(&mut twin, &plain::save(&lazy).unwrap()).unwrap();
                        same_bits("W", &weights(&twin), &weights(&lazy));
                        lazy.take(Step::Descend { eta: F::cast(0.5) }, |_, _| F::ONE, &mut unasked()).unwrap();
                        literal.w.iter_mut().for_each(|w| *w -= 0.5);
                        near("W", &weights(&lazy), &literal.w);
                    }
                }
            }
        }
    }
}

in_both! {
    fn a_gradient_that_waits_is_the_sum_over_steps_in_both_layouts<F>() {
        for layout in LAYOUTS {
            let mut lazy = lazy::<F>(layout, PENDING);
            let (mut literal, mut noise) = (Literal::new(&lazy), Noise(3));
            for t in 1..5 * BLOCK {
                let moment = Moment::new(&mut noise);
                near("sent", &forward(&mut lazy, &moment, true), &literal.forward(&moment));
                learn(&mut lazy, &moment, 1.0);
                literal.learn(&moment);
                if t % 3 == 0 {
                    near("gradient", &gradient(&mut lazy), &literal.g);
                }
                if t % 7 == 0 {
                    lazy.update(Step::Descend { eta: F::cast(ETA) });
                    literal.descend();
                    near("W", &weights(&lazy), &literal.w);
                    near("gradient", &gradient(&mut lazy), &literal.g);
                }
            }
        }
    }
}

in_both! {
    fn steps_that_do_not_learn_change_no_bit_of_the_weights<F>() {
        for layout in LAYOUTS {
            for keeps in [AT_ONCE, PENDING] {
                let mut lazy = lazy::<F>(layout, keeps);
                let mut noise = Noise(4);
                for _ in 0..BLOCK + 1 {
                    let moment = Moment::new(&mut noise);
                    forward(&mut lazy, &moment, true);
                    learn(&mut lazy, &moment, ETA);
                }
                let before = weights(&lazy);
                let mut literal = Literal { w: doubles(&before), g: vec![], trace: [0.0; SOURCES] };
                for _ in 0..3 * BLOCK {
                    let moment = Moment::new(&mut noise);
                    let sent = forward(&mut lazy, &moment, false);
                    near("sent", &sent, &literal.forward(&moment));
                    same_bits("W", &weights(&lazy), &before);
                }
            }
        }
    }
}

in_both! {
    fn what_goes_back_is_the_sum_over_targets<F>() {
        for keeps in [AT_ONCE, PENDING] {
            let mut lazy = lazy::<F>(Layout::BySource, keeps);
            let mut noise = Noise(5);
            for _ in 0..BLOCK + 2 {
                let moment = Moment::new(&mut noise);
                forward(&mut lazy, &moment, true);
                learn(&mut lazy, &moment, ETA);
            }
            let w = doubles(&weights(&lazy));
            let mut delta = noise.numbers::<F>(short_row(TARGETS));
            delta[TARGETS..].fill(F::ZERO);
            let expected: [f64; SOURCES] = core::array::from_fn(|i| {
                (0..TARGETS).map(|k| w[i * TARGETS + k] * delta[k].to_f64()).sum()
            });
            let mut back = [F::ONE; SOURCES];
            lazy.send_back(&delta, &mut back);
            near("back", &back, &expected);
        }
    }
}

in_both! {
    fn a_gradient_from_elsewhere_takes_a_step_and_what_waits_goes_on_waiting<F>() {
        let g = |i: usize, k: usize| 0.25 * i as f64 - 0.5 * k as f64;
        for layout in LAYOUTS {
            for keeps in [AT_ONCE, PENDING] {
                let mut lazy = lazy::<F>(layout, keeps);
                let (mut literal, mut noise) = (Literal::new(&lazy), Noise(6));
                for t in 0..2 * BLOCK {
                    let moment = Moment::new(&mut noise);
                    near("sent", &forward(&mut lazy, &moment, true), &literal.forward(&moment));
                    learn(&mut lazy, &moment, if keeps.pending { 1.0 } else { ETA });
                    literal.learn(&moment);
                    if !keeps.pending {
                        literal.descend();
                    }
                    if t == BLOCK + 1 {
                        lazy.take(Step::Descend { eta: F::cast(ETA) }, |i, k| F::cast(g(i, k)), &mut unasked()).unwrap();
                        for (at, w) in literal.w.iter_mut().enumerate() {
                            *w -= ETA * g(at / TARGETS, at % TARGETS);
                        }
                    }
                }
                near("W", &weights(&lazy), &literal.w);
                if keeps.pending {
                    near("gradient", &gradient(&mut lazy), &literal.g);
                }
            }
        }
    }
}

in_both! {
    fn weights_are_taken_as_they_read_from_any_layout_and_plan<F>() {
        for (from, into) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            for keeps in [AT_ONCE, PENDING] {
                let mut first = lazy::<F>(LAYOUTS[from], keeps);
                let mut noise = Noise(7);
                for _ in 0..BLOCK + 1 {
                    let moment = Moment::new(&mut noise);
                    forward(&mut first, &moment, true);
                    learn(&mut first, &moment, ETA);
                }
                let mut twin = silent::<F>(LAYOUTS[into], PENDING);
                twin.take_weights(&first, &mut unasked()).unwrap();
                same_bits("W", &weights(&twin), &weights(&first));
                let is_shared = twin.w.rows.as_ptr() == first.w.rows.as_ptr();
                assert_eq!(is_shared, from == into && keeps.pending);
            }
        }
    }
}

in_both! {
    fn assigned_weights_are_what_reads_then_and_are_asked_for_by_source<F>() {
        for layout in LAYOUTS {
            for keeps in [AT_ONCE, PENDING] {
                let mut lazy = lazy::<F>(layout, keeps);
                let moment = Moment { sent: vec![(0, 1.0), (4, 1.0)], delta: [1.0; TARGETS] };
                forward(&mut lazy, &moment, true);
                learn(&mut lazy, &moment, ETA);
                let mut asked = vec![];
                lazy.assign(|i, k| {
                    asked.push(i * TARGETS + k);
                    F::cast((10 * i + k) as f64)
                });
                assert_eq!(asked, (0..SOURCES * TARGETS).collect::<Vec<_>>());
                let expected: Vec<_> = (0..SOURCES * TARGETS)
                    .map(|at| (10 * (at / TARGETS) + at % TARGETS) as f64)
                    .collect();
                near("W", &weights(&lazy), &expected);
            }
        }
    }
}

in_both! {
    fn a_reset_keeps_what_was_learned_and_drops_traces_and_what_waits<F>() {
        for layout in LAYOUTS {
            for keeps in [AT_ONCE, PENDING] {
                let mut lazy = lazy::<F>(layout, keeps);
                let mut noise = Noise(8);
                for _ in 0..BLOCK + 2 {
                    let moment = Moment::new(&mut noise);
                    forward(&mut lazy, &moment, true);
                    learn(&mut lazy, &moment, ETA);
                }
                let before = weights(&lazy);
                lazy.reset();
                same_bits("W", &weights(&lazy), &before);
                assert!(lazy.traces().all(|trace| trace == F::ZERO));
                if keeps.pending {
                    assert!(gradient(&mut lazy).iter().all(|&g| g == F::ZERO));
                }
                // A base block begins with the next step.
                let (mut literal, mut twin) = (Literal::new(&lazy), silent::<F>(layout, keeps));
                twin.assign(|i, k| before[i * TARGETS + k]);
                for _ in 0..BLOCK + 1 {
                    let moment = Moment::new(&mut noise);
                    let sent = forward(&mut lazy, &moment, true);
                    near("sent", &sent, &literal.forward(&moment));
                    same_bits("sent", &sent, &forward(&mut twin, &moment, true));
                }
            }
        }
    }
}

in_both! {
    fn gradients_of_streams_are_added_and_then_used_there<F>() {
        for layout in LAYOUTS {
            let mut first = lazy::<F>(layout, PENDING);
            let mut second = lazy::<F>(layout, PENDING);
            let (mut one, mut two) = (Literal::new(&first), Literal::new(&second));
            let mut noise = Noise(9);
            for (lazy, literal) in [(&mut first, &mut one), (&mut second, &mut two)] {
                for _ in 0..BLOCK + 2 {
                    let moment = Moment::new(&mut noise);
                    forward(lazy, &moment, true);
                    literal.forward(&moment);
                    learn(lazy, &moment, 1.0);
                    literal.learn(&moment);
                }
            }
            let both: Vec<_> = one.g.iter().zip(&two.g).map(|(a, b)| a + b).collect();
            first.take_in(&mut second);
            near("sum", &gradient(&mut first), &both);
            assert!(gradient(&mut second).iter().all(|&g| g == F::ZERO));
            let mut sum = vec![F::ONE; SOURCES * short_row(TARGETS)];
            first.collect(&mut sum);
            for (row, g) in sum.chunks_exact(short_row(TARGETS)).zip(both.chunks_exact(TARGETS)) {
                near("collected", &row[..TARGETS], &g.iter().map(|g| g + 1.0).collect::<Vec<_>>());
            }
            assert!(gradient(&mut first).iter().all(|&g| g == F::ZERO));
        }
    }
}

in_both! {
    fn weights_are_known_to_be_finite_until_a_factor_drives_them_out<F>() {
        let far = if size_of::<F>() == 4 { 3e38 } else { 1e308 };
        for layout in LAYOUTS {
            for keeps in [AT_ONCE, PENDING] {
                let mut lazy = lazy::<F>(layout, keeps);
                let drive = |lazy: &mut Lazy<F>, delta: f64| {
                    let moment = Moment { sent: vec![(1, 4.0)], delta: [delta; TARGETS] };
                    forward(lazy, &moment, true);
                    learn(lazy, &moment, 1.0);
                    if keeps.pending {
                        lazy.update(Step::Descend { eta: F::ONE });
                    }
                    lazy.finite()
                };
                assert!(drive(&mut lazy, 1e12), "large, but finite");
                assert!(!drive(&mut lazy, far), "too large");
                lazy.assign(|_, _| F::ONE);
                assert!(lazy.finite());
                lazy.assign(|i, _| F::cast(if i == 2 { f64::NAN } else { 0.0 }));
                assert!(!lazy.finite());
            }
        }
    }
}

in_both! {
    fn a_trace_that_has_gone_far_out_makes_the_weights_be_looked_at<F>() {
        let far = if size_of::<F>() == 4 { 3e37 } else { 1e307 };
        for layout in LAYOUTS {
            let mut lazy = lazy::<F>(layout, AT_ONCE);
            let moment = Moment { sent: vec![(1, far)], delta: [1e3; TARGETS] };
            forward(&mut lazy, &moment, true);
            learn(&mut lazy, &moment, 1.0);
            assert!(!lazy.finite());
        }
    }
}

in_both! {
    fn saved_in_the_middle_of_a_block_it_goes_on_bit_for_bit<F>() {
        for layout in LAYOUTS {
            for keeps in [AT_ONCE, PENDING] {
                let mut lazy = lazy::<F>(layout, keeps);
                let mut noise = Noise(10);
                let mut go_on = |lazies: &mut [&mut Lazy<F>], steps: usize| {
                    for _ in 0..steps {
                        let moment = Moment::new(&mut noise);
                        for lazy in &mut *lazies {
                            forward(lazy, &moment, true);
                            learn(lazy, &moment, ETA);
                        }
                    }
                };
                go_on(&mut [&mut lazy], BLOCK + 2);
                let mut twin = silent::<F>(layout, keeps);
                plain::load(&mut twin, &plain::save(&lazy).unwrap()).unwrap();
                assert!(walk::same(&lazy, &twin));
                go_on(&mut [&mut lazy, &mut twin], BLOCK);
                assert!(walk::same(&lazy, &twin));
                same_bits("W", &weights(&twin), &weights(&lazy));
            }
        }
    }
}

#[test]
fn moments_of_adam_lie_with_their_weights_in_both_layouts() {
    use crate::options::Optimizer as Rule;
    use crate::parts::optimizer::Optimizer;
    let keeps = Keeps {
        moments: 2,
        ..PENDING
    };
    let [mut one, mut other] = LAYOUTS.map(|layout| lazy::<f64>(layout, keeps));
    let (mut noise, mut optimizer) = (Noise(11), Optimizer::with(Rule::ADAM, 0.01));
    for _ in 0..3 {
        for _ in 0..BLOCK {
            let moment = Moment::new(&mut noise);
            for lazy in [&mut one, &mut other] {
                forward(lazy, &moment, true);
                learn(lazy, &moment, 1.0);
            }
        }
        one.update(optimizer.steps().of(0));
        other.update(optimizer.steps().of(0));
        optimizer.updated();
    }
    let moved = weights(&one);
    near("W", &weights(&other), &moved);
    assert!(
        moved
            .iter()
            .zip(weights(&lazy::<f64>(LAYOUTS[0], keeps)))
            .all(|(w, start)| (w - start).abs() > 1e-4)
    );
}
