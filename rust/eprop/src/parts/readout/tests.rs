//! Readouts against line 5 of docs/method.md and the sums over steps that are their gradient, with the weights by output and by neuron, a gradient
//! that is applied with its step and one that waits, and over several base blocks.

use alloc::vec;
use alloc::vec::Vec;

use super::Readout;
use crate::Float;
use crate::numbers::lazy::{Layout, short_row};
use crate::numbers::plain;
use crate::numbers::step::Step;
use crate::numbers::walk;
use crate::options::plan::{Plan, Sizes};
use crate::options::{Config, Engine, Gain, UpdateEvery};
use crate::testing::{Noise, doubles, in_both, made, near, same_bits, unasked};

const N: usize = 6;
const OUTPUTS: usize = 3;
const ETA: f64 = 0.03125;

/// Readouts with a memory of so many steps, whose weights lie as that form of the synapses wants them.
fn config(engine: Engine, n: usize, tau_out: f64) -> Config {
    Config {
        engine: Some(engine),
        update_every: UpdateEvery::Steps(n),
        tau_out: Some(tau_out),
        readout_bias: true,
        ..Config::default()
    }
}

fn silent<F: Float>(config: &Config) -> Readout<F> {
    let sizes = Sizes {
        n_inputs: 1,
        n: N,
        n_outputs: OUTPUTS,
    };
    let plan = Plan::of::<F>(sizes, config).unwrap();
    made(|room| Readout::new(room, &plan, config, None))
}

fn readout<F: Float>(config: &Config) -> Readout<F> {
    let mut readout = silent(config);
    let mut noise = Noise(1);
    readout.w_out_mut().assign(|_, _| F::cast(noise.signed()));
    readout.set_b(noise.numbers(OUTPUTS).into_iter());
    readout
}

/// By neuron.
fn weights<F: Float>(readout: &Readout<F>) -> Vec<F> {
    let mut w = vec![F::ZERO; N * OUTPUTS];
    let layout = readout.w_out().layout();
    readout
        .w_out()
        .read(|at, row| {
            for (column, &x) in row.iter().enumerate() {
                let (j, k) = match layout {
                    Layout::BySource => (at, column),
                    Layout::ByTarget => (column, at),
                };
                w[j * OUTPUTS + k] = x;
            }
        })
        .unwrap();
    w
}

struct Literal {
    kappa: f64,
    zeta_o: f64,
    has_bias: bool,
    /// By neuron.
    w: Vec<f64>,
    b: Vec<f64>,
    y: [f64; OUTPUTS],
    filtered: [f64; N],
    filtered_one: f64,
    of_w: Vec<f64>,
    of_b: Vec<f64>,
}

impl Literal {
    fn new<F: Float>(config: &Config, readout: &Readout<F>) -> Self {
        let tau = config.tau_out.unwrap();
        let kappa = if tau == 0.0 {
            0.0
        } else {
            libm::exp(-1.0 / tau)
        };
        Self {
            kappa,
            zeta_o: match config.readout_gain {
                Gain::Unit => 1.0,
                Gain::Leak => 1.0 - kappa,
            },
            has_bias: config.readout_bias,
            w: doubles(&weights(readout)),
            b: doubles(readout.b()),
            y: [0.0; OUTPUTS],
            filtered: [0.0; N],
            filtered_one: 0.0,
            of_w: vec![0.0; N * OUTPUTS],
            of_b: vec![0.0; OUTPUTS],
        }
    }

    fn step(&mut self, fired: &[u32]) {
        let z = |j: usize| f64::from(u8::from(fired.contains(&(j as u32))));
        for k in 0..OUTPUTS {
            let sum: f64 = (0..N).map(|j| self.w[j * OUTPUTS + k] * z(j)).sum();
            self.y[k] = self.kappa * self.y[k] + self.zeta_o * (sum + self.b[k]);
        }
        for j in 0..N {
            self.filtered[j] = self.kappa * self.filtered[j] + z(j);
        }
        self.filtered_one = self.kappa * self.filtered_one + 1.0;
    }

    fn learn(&mut self, err: &[f64]) {
        for (k, err) in err.iter().enumerate() {
            for j in 0..N {
                self.of_w[j * OUTPUTS + k] += err * self.zeta_o * self.filtered[j];
            }
            if self.has_bias {
                self.of_b[k] += err * self.zeta_o * self.filtered_one;
            }
        }
    }

    fn update(&mut self) {
        for (w, g) in self.w.iter_mut().zip(&mut self.of_w) {
            *w -= ETA * core::mem::take(g);
        }
        for (b, g) in self.b.iter_mut().zip(&mut self.of_b) {
            *b -= ETA * core::mem::take(g);
        }
    }
}

/// The same steps of both, with an update after every `n` steps.
fn side_by_side<F: Float>(config: &Config) {
    let UpdateEvery::Steps(n) = config.update_every else {
        unreachable!()
    };
    let mut readout = readout::<F>(config);
    let mut literal = Literal::new(config, &readout);
    let at_once = readout
        .at_once
        .then_some(Step::Descend { eta: F::cast(ETA) });
    let mut noise = Noise(2);
    for t in 1..40 {
        let fired = noise.some_of(N, 0.3);
        let err = noise.numbers::<F>(OUTPUTS);
        readout.step(&fired, true);
        literal.step(&fired);
        near("y", readout.y(), &literal.y);
        readout.learn(&err, at_once);
        literal.learn(&doubles(&err));
        if at_once.is_none() && t % 5 == 0 {
            let (of_w, of_b) = readout.gradient();
            let rows = of_w.chunks_exact(short_row(OUTPUTS));
            let of_w: Vec<F> = rows.flat_map(|row| row[..OUTPUTS].to_vec()).collect();
            near("gradient of W_out", &of_w, &literal.of_w);
            near("gradient of b", of_b, &literal.of_b);
        }
        if t % n == 0 {
            readout.update(Step::Descend { eta: F::cast(ETA) });
            literal.update();
        }
        near("W_out", &weights(&readout), &literal.w);
        near("b", readout.b(), &literal.b);
        assert_eq!(readout.flaw(), None);
    }
}

in_both! {
    fn readouts_that_learn_at_every_step_descend_along_it<F>() {
        for tau_out in [0.0, 1.0, 5.0, 20.0] {
            for readout_gain in [Gain::Unit, Gain::Leak] {
                // In rows by output; in rows by neuron, where blocks wait for an update at every step.
                for engine in [Engine::Factored, Engine::Textbook, Engine::Block] {
                    let config = Config { readout_gain, ..config(engine, 1, tau_out) };
                    side_by_side::<F>(&config);
                }
            }
        }
    }
}

in_both! {
    fn a_gradient_that_waits_is_the_sum_of_errors_times_filtered_spikes<F>() {
        for tau_out in [0.0, 1.0, 5.0, 20.0] {
            for readout_gain in [Gain::Unit, Gain::Leak] {
                for engine in [Engine::Textbook, Engine::Block] {
                    let config = Config { readout_gain, ..config(engine, 11, tau_out) };
                    side_by_side::<F>(&config);
                }
            }
        }
    }
}

in_both! {
    fn without_a_trained_bias_it_stays_what_it_was<F>() {
        for n in [1, 11] {
            let config = Config { readout_bias: false, ..config(Engine::Textbook, n, 5.0) };
            assert!(!silent::<F>(&config).has_bias());
            side_by_side::<F>(&config);
        }
    }
}

in_both! {
    fn weights_lie_by_output_where_every_step_needs_the_signal<F>() {
        let layout = |engine| silent::<F>(&config(engine, 1, 5.0)).w_out().layout();
        assert_eq!(layout(Engine::Textbook), Layout::ByTarget);
        assert_eq!(layout(Engine::Factored), Layout::ByTarget);
        assert_eq!(layout(Engine::Block), Layout::BySource);
    }
}

in_both! {
    fn the_way_back_is_the_transpose_of_the_weights<F>() {
        for engine in [Engine::Factored, Engine::Block] {
            let mut readout = readout::<F>(&config(engine, 1, 5.0));
            let at_once = readout.at_once.then_some(Step::Descend { eta: F::cast(ETA) });
            let mut noise = Noise(3);
            for _ in 0..9 {
                readout.step(&noise.some_of(N, 0.3), true);
                readout.learn(&noise.numbers::<F>(OUTPUTS), at_once);
            }
            let (w, err) = (doubles(&weights(&readout)), noise.numbers::<F>(OUTPUTS));
            let expected: Vec<f64> = w.chunks_exact(OUTPUTS)
                .map(|w| w.iter().zip(&err).map(|(w, err)| w * err.to_f64()).sum())
                .collect();
            let mut l = vec![F::ZERO; 16];
            readout.backward().signal(&err, &mut l);
            near("L", &l[..N], &expected);
            assert!(l[N..].iter().all(|&l| l == F::ZERO));
        }
    }
}

in_both! {
    fn a_gradient_from_elsewhere_takes_a_step<F>() {
        for (engine, n) in [(Engine::Factored, 1), (Engine::Textbook, 9), (Engine::Block, 9)] {
            for readout_bias in [true, false] {
                let config = Config { readout_bias, ..config(engine, n, 5.0) };
                let mut readout = readout::<F>(&config);
                let mut literal = Literal::new(&config, &readout);
                let g = |j: usize, k: usize| 0.5 * j as f64 - k as f64;
                let of_b = [F::ONE; OUTPUTS];
                readout.take(Step::Descend { eta: F::cast(ETA) }, |j, k| F::cast(g(j, k)), &of_b, &mut unasked()).unwrap();
                for (at, w) in literal.w.iter_mut().enumerate() {
                    *w -= ETA * g(at / OUTPUTS, at % OUTPUTS);
                }
                if readout_bias {
                    literal.b.iter_mut().for_each(|b| *b -= ETA);
                }
                near("W_out", &weights(&readout), &literal.w);
                near("b", readout.b(), &literal.b);
            }
        }
    }
}

in_both! {
    fn streams_add_their_gradients_over_the_weights_of_the_first<F>() {
        let config = config(Engine::Block, 99, 5.0);
        let mut first = readout::<F>(&config);
        let sizes = Sizes { n_inputs: 1, n: N, n_outputs: OUTPUTS };
        let plan = Plan::of::<F>(sizes, &config).unwrap();
        let mut other = made(|room| Readout::new(room, &plan, &config, Some(&first)));
        same_bits("W_out", &weights(&other), &weights(&first));
        let (mut one, mut two) = (Literal::new(&config, &first), Literal::new(&config, &first));
        let mut noise = Noise(4);
        for (readout, literal) in [(&mut first, &mut one), (&mut other, &mut two)] {
            for _ in 0..9 {
                let (fired, err) = (noise.some_of(N, 0.3), noise.numbers::<F>(OUTPUTS));
                readout.step(&fired, true);
                literal.step(&fired);
                readout.learn(&err, None);
                literal.learn(&doubles(&err));
            }
        }
        first.take_in(&mut other);
        other.release();
        first.update(Step::Descend { eta: F::cast(ETA) });
        other.share_weights(&first);
        one.of_w.iter_mut().zip(&two.of_w).for_each(|(g, more)| *g += more);
        one.of_b.iter_mut().zip(&two.of_b).for_each(|(g, more)| *g += more);
        one.update();
        near("W_out", &weights(&other), &one.w);
        near("b", other.b(), &one.b);
        let (of_w, of_b) = other.gradient();
        assert!(of_w.iter().chain(of_b).all(|&g| g == F::ZERO));
    }
}

in_both! {
    fn a_bias_or_a_weight_that_becomes_infinite_is_named<F>() {
        let far = if size_of::<F>() == 4 { 3e38 } else { 1.7e308 };
        for (engine, n) in [(Engine::Factored, 1), (Engine::Block, 1)] {
            let drive = |fired: &[u32], err: f64| {
                let mut readout = readout::<F>(&config(engine, n, 5.0));
                let at_once = readout.at_once.then_some(Step::Descend { eta: F::ONE });
                for _ in 0..3 {
                    readout.step(fired, true);
                    readout.learn(&[F::cast(err); OUTPUTS], at_once);
                }
                readout.update(Step::Descend { eta: F::ONE });
                readout.flaw()
            };
            assert_eq!(drive(&[2], 1.0), None);
            assert_eq!(drive(&[2], far), Some("W_out"));
            assert_eq!(drive(&[], 0.3 * far), Some("b"));
        }
    }
}

in_both! {
    fn a_reset_is_silence_with_the_weights_as_they_are<F>() {
        for (engine, n) in [(Engine::Factored, 1), (Engine::Block, 9)] {
            let config = config(engine, n, 5.0);
            let mut readout = readout::<F>(&config);
            let at_once = readout.at_once.then_some(Step::Descend { eta: F::cast(ETA) });
            readout.step(&[1, 2], true);
            readout.learn(&[F::ONE; OUTPUTS], at_once);
            let mut twin = silent::<F>(&config);
            plain::load(&mut twin, &plain::save(&readout).unwrap()).unwrap();
            assert!(walk::same(&twin, &readout));
            let (w, b) = (weights(&readout), readout.b().to_vec());
            readout.reset();
            same_bits("W_out", &weights(&readout), &w);
            same_bits("b", readout.b(), &b);
            let mut literal = Literal::new(&config, &readout);
            readout.step(&[1], true);
            literal.step(&[1]);
            near("y", readout.y(), &literal.y);
            readout.update(Step::Descend { eta: F::ONE });
            same_bits("b", readout.b(), &b);
            // Of the step since the reset, and of no other.
            readout.learn(&[F::ONE; OUTPUTS], at_once);
            literal.learn(&[1.0; OUTPUTS]);
            readout.update(Step::Descend { eta: F::cast(ETA) });
            literal.update();
            near("W_out", &weights(&readout), &literal.w);
            near("b", readout.b(), &literal.b);
        }
    }
}
