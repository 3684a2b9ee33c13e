//! The learning equations of docs/method.md in plain float64 numbers, one synapse at a time, and a form of the synapses beside them.

use alloc::vec;
use alloc::vec::Vec;

use ndarray::{Array1, Array2};

use super::factored::Factored;
use super::{Synapses, What};
use crate::numbers::aligned::padded;
use crate::numbers::parameter::{Kinds, Step};
use crate::numbers::room::Room;
use crate::numbers::shared::Shared;
use crate::numbers::walk;
use crate::options::plan::{Plan, Sizes};
use crate::options::{Config, Gain, UpdateEvery};
use crate::parts::input::Input;
use crate::parts::signal::{Backward, Lies, Signal};
use crate::parts::sources::SourceList;
use crate::testing::{Noise, aligned, made, near, same_bits, unasked};
use crate::{Error, Float};

const N_INPUTS: usize = 20;
/// More than a unit, and not a whole number of them.
const N: usize = 19;
const P: usize = N_INPUTS + N;
const OUTPUTS: usize = 2;
/// Of inputs, and of neurons where these have a step of their own.
const ETA: f64 = 0.015625;
const ETA_OF_NEURONS: f64 = 0.046875;

/// Every number of every synapse: `[i][j]`, from source i to neuron j.
struct Literal {
    alpha: f64,
    zeta: f64,
    kappa_e: f64,
    zeta_e: f64,
    w: Vec<[f64; N]>,
    z_bar: Vec<f64>,
    e_bar: Vec<[f64; N]>,
    beta: f64,
    rho: f64,
    eps_a: Vec<[f64; N]>,
    /// Of the loss alone, and of the stream's regulariser.
    g: Vec<[f64; N]>,
    g_reg: Vec<[f64; N]>,
    sum_e: Vec<[f64; N]>,
}

/// Whether there is a synapse.
fn connects(i: usize, j: usize) -> bool {
    i != N_INPUTS + j
}

impl Literal {
    fn new(config: &Config, w: Vec<[f64; N]>) -> Self {
        let decay = |tau: f64| {
            if tau == 0.0 {
                0.0
            } else {
                libm::exp(-config.dt / tau)
            }
        };
        let gain = |gain, decay: f64| match gain {
            Gain::Unit => 1.0,
            Gain::Leak => 1.0 - decay,
        };
        let (alpha, kappa_e) = (decay(config.tau_mem), decay(config.tau_trace));
        Self {
            alpha,
            zeta: gain(config.input_gain, alpha),
            kappa_e,
            zeta_e: gain(config.readout_gain, kappa_e),
            w,
            z_bar: vec![0.0; P],
            e_bar: vec![[0.0; N]; P],
            beta: config.beta,
            rho: decay(config.tau_adaptation),
            eps_a: vec![[0.0; N]; P],
            g: vec![[0.0; N]; P],
            g_reg: vec![[0.0; N]; P],
            sum_e: vec![[0.0; N]; P],
        }
    }

    /// What the sources send, before its gain.
    fn drive(&mut self, s: &[f64; P]) -> [f64; N] {
        for (z_bar, s) in self.z_bar.iter_mut().zip(s) {
            *z_bar = self.alpha * *z_bar + self.zeta * s;
        }
        core::array::from_fn(|j| (0..P).map(|i| s[i] * self.w[i][j]).sum())
    }

    /// `signal`: L, and r.
    fn learn(&mut self, psi: &[f64; N], signal: Option<(&[f64; N], &[f64; N])>) {
        for i in 0..P {
            for j in (0..N).filter(|&j| connects(i, j)) {
                let e = psi[j] * (self.z_bar[i] - self.beta * self.eps_a[i][j]);
                self.eps_a[i][j] = self.rho * self.eps_a[i][j] + e;
                self.e_bar[i][j] = self.kappa_e * self.e_bar[i][j] + self.zeta_e * e;
                if let Some((l, r)) = signal {
                    self.g[i][j] += l[j] * self.e_bar[i][j];
                    self.g_reg[i][j] += r[j] * e;
                    self.sum_e[i][j] += e;
                }
            }
        }
    }

    fn squared_length(&self) -> Kinds<f64> {
        let (inputs, neurons) = self.g.split_at(N_INPUTS);
        let of = |rows: &[[f64; N]]| rows.as_flattened().iter().map(|g| g * g).sum();
        Kinds { inputs, neurons }.map(of)
    }

    /// The gradient of the loss, and that of the regulariser with `r sum_t e`; both have been used then.
    fn take_parts(&mut self, r: &[f64; N]) -> [Vec<[f64; N]>; 2] {
        let taken = |g: &mut Vec<_>| core::mem::replace(g, vec![[0.0; N]; P]);
        let (g, mut g_reg) = (taken(&mut self.g), taken(&mut self.g_reg));
        for (g, sum_e) in g_reg.iter_mut().zip(taken(&mut self.sum_e)) {
            (0..N).for_each(|j| g[j] += r[j] * sum_e[j]);
        }
        [g, g_reg]
    }

    /// Their sum.
    fn take_gradient(&mut self, r: &[f64; N]) -> Vec<[f64; N]> {
        let [mut g, g_reg] = self.take_parts(r);
        for (g, more) in g.iter_mut().zip(g_reg) {
            (0..N).for_each(|j| g[j] += more[j]);
        }
        g
    }

    fn descend(&mut self, eta: Kinds<f64>, g: &[[f64; N]]) {
        for (i, (w, g)) in self.w.iter_mut().zip(g).enumerate() {
            (0..N).for_each(|j| w[j] -= eta.of(i, N_INPUTS) * g[j]);
        }
    }
}

/// A form beside the equations; both are told the same.
pub(super) struct Beside<F: Float, S> {
    pub(super) form: S,
    at_once: bool,
    eta: Kinds<f64>,
    grouped: bool,
    sources: SourceList<F>,
    literal: Literal,
    b: Shared<F>,
    noise: Noise,
    /// Whether raw e has coefficients at every step, and whether at an update.
    regularised: (bool, bool),
    /// Whether lengths are asked for, and whether the regulariser's part is kept apart.
    limited: (bool, bool),
}

pub(super) type Make<S> = fn(&mut Room, &Plan, &Config) -> Result<S, Error>;

fn plan<F: Float>(config: &Config) -> Plan {
    let sizes = Sizes {
        n_inputs: N_INPUTS,
        n: N,
        n_outputs: OUTPUTS,
    };
    Plan::of::<F>(sizes, config).unwrap()
}

/// A silent form.
pub(super) fn silent<F: Float, S>(config: &Config, make: Make<S>) -> S {
    let plan = plan::<F>(config);
    made(|room| make(room, &plan, config))
}

impl<F: Float, S: Synapses<F>> Beside<F, S> {
    pub(super) fn new(config: &Config, make: Make<S>) -> Self {
        let mut form = silent::<F, S>(config, make);
        let mut noise = Noise(1);
        let mut w = vec![[0.0; N]; P];
        let rows = form.first_rows().chunks_exact_mut(padded::<F>(N));
        for (i, (row, w)) in rows.zip(&mut w).enumerate() {
            for j in (0..N).filter(|&j| connects(i, j)) {
                w[j] = noise.signed();
                row[j] = F::cast(w[j]);
            }
        }
        let mut b = noise.numbers::<F>(OUTPUTS * padded::<F>(N));
        b.chunks_exact_mut(padded::<F>(N))
            .for_each(|b| b[N..].fill(F::ZERO));
        let plan = plan::<F>(config);
        Self {
            form,
            at_once: plan.at_once,
            eta: Kinds {
                inputs: ETA,
                neurons: if plan.grouped { ETA_OF_NEURONS } else { ETA },
            },
            grouped: plan.grouped,
            sources: made(|room| SourceList::new(room, N_INPUTS, N)),
            literal: Literal::new(config, w),
            b: aligned(&b).into(),
            noise,
            regularised: (plan.streamed_regulariser, plan.sum_e),
            limited: (plan.limited, plan.apart),
        }
    }

    /// A padded row, and its numbers.
    fn row(&mut self, scale: f64) -> (Vec<F>, [f64; N]) {
        let mut row = vec![F::ZERO; padded::<F>(N)];
        row[..N].fill_with(|| F::cast(scale * self.noise.signed()));
        let numbers = core::array::from_fn(|j| row[j].to_f64());
        (row, numbers)
    }

    /// One step of both, and of other forms that have gone through the same; the currents are compared.
    pub(super) fn step_with(&mut self, learning: bool, others: &mut [&mut S]) {
        let current = self.go(learning, others);
        for of_other in &current[1..] {
            same_bits("I", of_other, &current[0]);
        }
    }

    /// One step of learning of both, and of others that have other weights.
    pub(super) fn learn_with(&mut self, others: &mut [&mut S]) {
        self.go(true, others);
    }

    /// The currents of the form and of the others.
    fn go(&mut self, learning: bool, others: &mut [&mut S]) -> Vec<Vec<F>> {
        let mut s = [0.0; P];
        // Every sixth step has dense inputs, and every sixth nothing at all.
        let kind = (6.0 * self.noise.uniform()) as usize;
        let rate = [0.9, 0.0, 0.08, 0.08, 0.08, 0.08][kind];
        for i in self.noise.some_of(N_INPUTS, rate) {
            s[i as usize] = if kind < 4 { self.noise.signed() } else { 1.0 };
        }
        let fired = self.noise.some_of(N, rate.min(0.1));
        fired.iter().for_each(|&j| s[N_INPUTS + j as usize] = 1.0);
        let x = Array1::from_shape_fn(N_INPUTS, |i| F::cast(s[i]));
        let (psi, psi_is) = self.row(0.3);
        let (r, r_is) = self.row(if self.regularised.0 { 0.25 } else { 0.0 });
        let err = self.noise.numbers::<F>(OUTPUTS);
        let l_is: [f64; N] = core::array::from_fn(|j| {
            let b = |k: usize| self.b[k * padded::<F>(N) + j].to_f64();
            (0..OUTPUTS).map(|k| b(k) * err[k].to_f64()).sum()
        });
        let l: Vec<F> = (0..padded::<F>(N))
            .map(|j| l_is.get(j).map_or(F::ZERO, |&l| F::cast(l)))
            .collect();

        self.sources.take(Input::Dense(x.view()), &fired);
        let sources = self.sources.get();
        let b = Backward {
            rows: &self.b,
            lies: Lies::ByOutput,
            factors: None,
        };
        let r = self.regularised.0.then_some(&r[..]);
        let signal = learning.then_some(Signal {
            err: &err,
            b,
            l: &l,
            r,
        });
        let at_once = (self.at_once && learning).then_some(self.eta.map(F::cast));
        let mut current = vec![F::ONE; padded::<F>(N)];
        self.form
            .drive(&sources, Kinds::same(learning), &mut current);
        near("I", &current[..N], &self.literal.drive(&s));
        let squared_length = self.form.length_of_step(&psi, &l);
        self.form.learn(&sources, &psi, signal, at_once);
        self.literal
            .learn(&psi_is, learning.then_some((&l_is, &r_is)));
        if self.at_once {
            if self.limited.0 && learning {
                near_length::<F>(self.grouped, squared_length, self.literal.squared_length());
            }
            let g = self.literal.take_gradient(&[0.0; N]);
            self.literal.descend(self.eta, &g);
        }
        let mut currents = vec![current];
        for other in others {
            let mut current = vec![F::ONE; padded::<F>(N)];
            other.drive(&sources, Kinds::same(learning), &mut current);
            other.learn(&sources, &psi, signal, at_once);
            currents.push(current);
        }
        currents
    }

    pub(super) fn step(&mut self, learning: bool) {
        self.step_with(learning, &mut []);
    }

    /// Coefficients on `sum_t e`, where there are any.
    fn coefficients(&mut self) -> (Option<Vec<F>>, [f64; N]) {
        let (r, r_is) = self.row(if self.regularised.1 { 0.25 } else { 0.0 });
        (self.regularised.1.then_some(r), r_is)
    }

    pub(super) fn update_with(&mut self, others: &mut [&mut S]) {
        let (r, r_is) = self.coefficients();
        let step = self.eta.map(|eta| Step::Descend { eta: F::cast(eta) });
        if self.limited.0 && !self.at_once {
            let length = self.form.length(&mut unasked()).unwrap();
            near_length::<F>(self.grouped, length, self.literal.squared_length());
            others
                .iter_mut()
                .for_each(|other| _ = other.length(&mut unasked()));
        }
        self.form.update(r.as_deref(), step);
        let g = self.literal.take_gradient(&r_is);
        self.literal.descend(self.eta, &g);
        for other in others {
            other.update(r.as_deref(), step);
        }
    }

    pub(super) fn update(&mut self) {
        self.update_with(&mut []);
    }

    /// Weights, traces of synapses and of sources are those of the equations.
    pub(super) fn compare(&self) {
        for (what, expected) in [
            (What::Weight, &self.literal.w),
            (What::Eligibility, &self.literal.e_bar),
        ] {
            let mut n_rows = 0;
            let see = &mut |i: usize, row: &[F]| {
                near(
                    if what == What::Weight { "W" } else { "e_bar" },
                    row,
                    &expected[i],
                );
                n_rows += 1;
                Ok(())
            };
            self.form.read(what, 0..P, &mut unasked(), see).unwrap();
            assert_eq!(n_rows, P);
        }
        let mut z_bar = vec![];
        self.form.z_bar(&mut |x| z_bar.push(x));
        near("z_bar", &z_bar, &self.literal.z_bar);
    }

    fn rows(&self, what: What) -> Vec<F> {
        let mut rows = vec![];
        self.form
            .read(what, 0..P, &mut unasked(), &mut |_, row| {
                rows.extend_from_slice(row);
                Ok(())
            })
            .unwrap();
        rows
    }
}

/// Where nobody asks for the lengths of kinds, that of all may be told as one.
fn near_length<F: Float>(apart: bool, squared: Kinds<f64>, expected: Kinds<f64>) {
    let all = |length: Kinds<f64>| [length.inputs + length.neurons, 0.0];
    let each = |length: Kinds<f64>| [length.inputs, length.neurons];
    let [squared, expected] = [squared, expected].map(if apart { each } else { all });
    let squared = squared.map(|squared| F::cast(libm::sqrt(squared)));
    near("length", &squared, &expected.map(libm::sqrt));
}

/// Learns, with an update after every `n` steps, if any, and predictions in between.
pub(super) fn follows<F: Float, S: Synapses<F>>(config: &Config, make: Make<S>, steps: usize) {
    let mut both = Beside::<F, S>::new(config, make);
    for t in 1..=steps {
        both.step(t % 17 != 3);
        if t % 7 == 0 {
            both.compare();
        }
        match config.update_every {
            UpdateEvery::Steps(n) if t % n > 0 => {}
            UpdateEvery::Sequence if t % 50 > 0 => {}
            _ => both.update(),
        }
    }
    both.compare();
    assert!(both.form.finite());
}

/// A reset in the middle of things keeps weights, and nothing else.
pub(super) fn resets<F: Float, S: Synapses<F>>(config: &Config, make: Make<S>) {
    let mut both = Beside::<F, S>::new(config, make);
    for steps in [3, 11, 40] {
        (0..steps).for_each(|_| both.step(true));
        let w = both.rows(What::Weight);
        both.form.reset();
        same_bits("W", &both.rows(What::Weight), &w);
        let literal = &mut both.literal;
        literal.z_bar.fill(0.0);
        for rows in [
            &mut literal.e_bar,
            &mut literal.eps_a,
            &mut literal.g,
            &mut literal.g_reg,
            &mut literal.sum_e,
        ] {
            rows.fill([0.0; N]);
        }
        both.compare();
        both.update();
        same_bits("W", &both.rows(What::Weight), &w);
    }
}

/// Bytes of the middle of things, loaded into a silent form, go on with the same bits.
pub(super) fn is_saved<F: Float, S: Synapses<F>>(config: &Config, make: Make<S>) {
    let mut both = Beside::<F, S>::new(config, make);
    // Before an update, or after it; and then the next update, or a step.
    let cases = [(false, false), (false, true), (true, false), (true, true)];
    for (steps, (updated, next_is_update)) in [1, 4, 13, 37].into_iter().zip(cases) {
        for _ in 0..steps {
            both.step(true);
        }
        if updated {
            both.update();
        }
        let mut twin = silent::<F, S>(config, make);
        walk::load(&mut twin, &walk::save(&both.form).unwrap()).unwrap();
        let backward = Backward {
            rows: &both.b,
            lies: Lies::ByOutput,
            factors: None,
        };
        twin.hold(backward);
        assert!(walk::same(&twin, &both.form));
        if next_is_update {
            both.update_with(&mut [&mut twin]);
            assert!(walk::same(&twin, &both.form));
        }
        for t in 1..20 {
            both.step_with(true, &mut [&mut twin]);
            if t == 7 {
                both.update_with(&mut [&mut twin]);
            }
        }
        let w = both.rows(What::Weight);
        let mut of_twin = vec![];
        twin.read(What::Weight, 0..P, &mut unasked(), &mut |_, row| {
            of_twin.extend_from_slice(row);
            Ok(())
        })
        .unwrap();
        same_bits("W", &of_twin, &w);
        assert!(walk::same(&twin, &both.form));
    }
}

/// Weights and gradients from elsewhere, (N, sources), in the middle of things.
pub(super) fn takes_from_elsewhere<F: Float, S: Synapses<F>>(config: &Config, make: Make<S>) {
    let mut both = Beside::<F, S>::new(config, make);
    for first in [0, N_INPUTS, 0] {
        (0..9).for_each(|_| both.step(true));
        let n_sources = if first == 0 { N_INPUTS } else { N };
        let mut of = |j: usize, i: usize| {
            if connects(first + i, j) {
                both.noise.signed()
            } else {
                0.0
            }
        };
        let (w, g) = (
            Array2::from_shape_fn((N, n_sources), |(j, i)| F::cast(of(j, i))),
            Array2::from_shape_fn((N, n_sources), |(j, i)| F::cast(of(j, i))),
        );
        if first == 0 {
            // What waits has been learned with other weights, but its traces do not know of them.
            both.form.assign(first, w.view(), &mut unasked()).unwrap();
            both.literal.w[..N_INPUTS]
                .iter_mut()
                .enumerate()
                .for_each(|(i, row)| (0..N).for_each(|j| row[j] = w[(j, i)].to_f64()));
        }
        both.compare();
        both.form
            .take(
                first,
                g.view(),
                Step::Descend { eta: F::cast(ETA) },
                &mut unasked(),
            )
            .unwrap();
        for i in 0..n_sources {
            (0..N).for_each(|j| both.literal.w[first + i][j] -= ETA * g[(j, i)].to_f64());
        }
        both.compare();
        (0..5).for_each(|_| both.step(true));
        both.update();
        both.compare();
    }
}

/// What steps made of one `B` is kept when they are settled before it changes.
pub(super) fn settles<F: Float, S: Synapses<F>>(config: &Config, make: Make<S>) {
    let mut both = Beside::<F, S>::new(config, make);
    for _ in 0..3 {
        (0..9).for_each(|_| both.step(true));
        both.form.flush(&mut unasked()).unwrap();
        let b = both.noise.numbers::<F>(OUTPUTS * padded::<F>(N));
        both.b = aligned(&b).into();
        (0..3).for_each(|_| both.step(true));
        both.update();
        both.compare();
    }
}

/// Who looks at everything after every step changes no later bit.
pub(super) fn may_be_looked_at<F: Float, S: Synapses<F>>(config: &Config, make: Make<S>) {
    let mut both = Beside::<F, S>::new(config, make);
    let mut unseen = Beside::<F, S>::new(config, make).form;
    for t in 1..60 {
        both.step_with(t % 9 != 5, &mut [&mut unseen]);
        both.compare();
        if t % 20 == 0 {
            both.update_with(&mut [&mut unseen]);
        }
    }
    assert!(walk::same(&both.form, &unseen));
}

/// The gradient that waits is added to a sum over streams, and has been used then.
pub(super) fn collects<F: Float, S: Synapses<F>>(config: &Config, make: Make<S>) {
    let mut both = Beside::<F, S>::new(config, make);
    for steps in [5, 23, 1] {
        (0..steps).for_each(|_| both.step(true));
        let stride = padded::<F>(N);
        let rows = if both.limited.1 { 2 * P } else { P };
        let mut sum = vec![F::ONE; rows * stride];
        let (r, r_is) = both.coefficients();
        both.form.collect(r.as_deref(), &mut sum);
        let g = match both.limited.1 {
            true => both.literal.take_parts(&r_is).concat(),
            false => both.literal.take_gradient(&r_is),
        };
        for (row, g) in sum.chunks_exact(stride).zip(g) {
            near("sum", &row[..N], &g.map(|g| g + 1.0));
        }
        let w = both.rows(What::Weight);
        let mut nothing = vec![F::ZERO; rows * stride];
        both.form.collect(r.as_deref(), &mut nothing);
        assert!(nothing.iter().all(|&g| g == F::ZERO));
        same_bits("W", &both.rows(What::Weight), &w);
        both.compare();
    }
}

/// In steps that do not learn no bit of a weight changes, nor do they when they are read.
pub(super) fn predicts<F: Float, S: Synapses<F>>(config: &Config, make: Make<S>) {
    let mut both = Beside::<F, S>::new(config, make);
    (0..13).for_each(|_| both.step(true));
    let w = both.rows(What::Weight);
    for _ in 0..70 {
        both.step(false);
        same_bits("W", &both.rows(What::Weight), &w);
    }
    both.compare();
    both.step(true);
    both.compare();
}

/// Kinds of sources take steps of their own for a while.
pub(super) fn regroups<F: Float>(config: &Config, make: Make<Factored<F>>) {
    let mut both = Beside::<F, _>::new(config, make);
    let of_neurons = [ETA, ETA_OF_NEURONS, ETA, ETA_OF_NEURONS];
    for (steps, neurons) in [7, 19, 41, 5].into_iter().zip(of_neurons) {
        both.grouped = neurons != ETA;
        both.eta.neurons = neurons;
        both.form.regroup(both.grouped, &mut unasked()).unwrap();
        both.compare();
        for t in 1..=steps {
            both.step(t % 5 != 3);
            if t % 6 == 0 {
                both.update();
            }
        }
        both.compare();
    }
}

/// A weight that a gradient drives out of the finite range is told.
pub(super) fn tells_what_is_not_finite<F: Float, S: Synapses<F>>(config: &Config, make: Make<S>) {
    let mut both = Beside::<F, S>::new(config, make);
    (0..9).for_each(|_| both.step(true));
    both.update();
    assert!(both.form.finite());
    let mut g = Array2::from_elem((N, N_INPUTS), F::ZERO);
    g[(3, 7)] = F::cast(f64::NEG_INFINITY);
    both.form
        .take(0, g.view(), Step::Descend { eta: F::ONE }, &mut unasked())
        .unwrap();
    assert!(!both.form.finite());
    both.form
        .assign(
            0,
            Array2::from_elem((N, N_INPUTS), F::ONE).view(),
            &mut unasked(),
        )
        .unwrap();
    assert!(both.form.finite());
}
