//! The learning equations of docs/method.md in plain float64 numbers, one synapse at a time, and a form of the synapses beside them.

use alloc::vec;
use alloc::vec::Vec;

use ndarray::{Array1, Array2};

use super::factored::Factored;
use super::form::Formed;
use super::{Synapses, What};
use crate::kernels::{MomentumStep, ShrinkStep};
use crate::numbers::aligned::padded;
use crate::numbers::kinds::Kinds;
use crate::numbers::plain;
use crate::numbers::room::Room;
use crate::numbers::shared::Shared;
use crate::numbers::step::Step;
use crate::numbers::walk;
use crate::options::plan::{Plan, Sizes};
use crate::options::{Config, Connect, Engine, Gain, Optimizer, PerNeuron, UpdateEvery};
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
    alpha: [f64; N],
    zeta: [f64; N],
    sigma: f64,
    kappa_e: f64,
    zeta_e: f64,
    w: Vec<[f64; N]>,
    rule: Rule,
    /// `M` of momentum.
    momentum: Vec<[f64; N]>,
    x_bar: Vec<f64>,
    z_bar: Vec<[f64; N]>,
    e_bar: Vec<[f64; N]>,
    beta: [f64; N],
    rho: [f64; N],
    eps_a: Vec<[f64; N]>,
    /// Of the loss alone, and of the stream's regulariser.
    g: Vec<[f64; N]>,
    g_reg: Vec<[f64; N]>,
    sum_e: Vec<[f64; N]>,
    /// Where there is a synapse.
    connected: Vec<[bool; N]>,
}

/// What an update does beside `W -= eta g`.
#[derive(Clone, Copy)]
struct Rule {
    mu: f64,
    weight_decay: f64,
}

impl Rule {
    fn of(optimizer: Optimizer) -> Self {
        let mu = match optimizer {
            Optimizer::Momentum { mu, .. } => mu,
            _ => 0.0,
        };
        Self {
            mu,
            weight_decay: optimizer.weight_decay(),
        }
    }

    fn moves_on(self) -> bool {
        self.mu != 0.0 || self.weight_decay != 0.0
    }

    fn step<F: Float>(self, eta: f64) -> Step<'static, F> {
        let Self { mu, weight_decay } = self;
        let bound = F::cast(f64::INFINITY);
        if mu != 0.0 {
            return Step::Momentum(MomentumStep {
                mu: F::cast(mu),
                eta: F::cast((1.0 - mu) * eta),
                decay: F::cast(weight_decay),
                scale: F::ONE,
                bound,
            });
        }
        if weight_decay != 0.0 {
            return Step::Shrink(ShrinkStep {
                eta: F::cast(eta),
                shrink: F::cast(eta * weight_decay),
                bound,
            });
        }
        Step::Descend { eta: F::cast(eta) }
    }
}

/// Whether there is a synapse, from each source to each neuron.
fn connected(plan: &Plan) -> Vec<[bool; N]> {
    let connects = |i: usize, j: usize| match &plan.wires {
        None => i != N_INPUTS + j,
        Some(wires) => wires.exists(j, i),
    };
    let all = (0..P).map(|i| core::array::from_fn(|j| connects(i, j)));
    all.collect()
}

/// Where the number of a synapse lies in the rows of a form.
fn place<F: Float>(plan: &Plan, i: usize, j: usize) -> usize {
    match plan.listed() {
        None => i * padded::<F>(N) + j,
        Some(wires) => {
            let before = wires
                .targets(i)
                .iter()
                .filter(|&&other| (other as usize) < j);
            wires.row(i).start + before.count()
        }
    }
}

impl Literal {
    fn new(config: &Config, w: Vec<[f64; N]>, connected: Vec<[bool; N]>) -> Self {
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
        let kappa_e = decay(config.tau_trace);
        let tau_mem = |j: usize| {
            config
                .each
                .tau_mem
                .as_ref()
                .map_or(config.tau_mem, |taus| taus[j])
        };
        let alpha = core::array::from_fn(|j| decay(tau_mem(j)));
        Self {
            alpha,
            zeta: alpha.map(|alpha| gain(config.input_gain, alpha)),
            sigma: decay(config.tau_syn),
            kappa_e,
            zeta_e: gain(config.readout_gain, kappa_e),
            w,
            rule: Rule::of(config.optimizer),
            momentum: vec![[0.0; N]; P],
            x_bar: vec![0.0; P],
            z_bar: vec![[0.0; N]; P],
            e_bar: vec![[0.0; N]; P],
            beta: core::array::from_fn(|j| config.layer().of(j).beta),
            rho: core::array::from_fn(|j| decay(config.layer().of(j).tau_adaptation)),
            eps_a: vec![[0.0; N]; P],
            g: vec![[0.0; N]; P],
            g_reg: vec![[0.0; N]; P],
            sum_e: vec![[0.0; N]; P],
            connected,
        }
    }

    /// What the sources send, before its gain.
    fn drive(&mut self, s: &[f64; P]) -> [f64; N] {
        for (i, s) in s.iter().enumerate() {
            self.x_bar[i] = self.sigma * self.x_bar[i] + s;
            for j in 0..N {
                self.z_bar[i][j] = self.alpha[j] * self.z_bar[i][j] + self.zeta[j] * self.x_bar[i];
            }
        }
        core::array::from_fn(|j| (0..P).map(|i| s[i] * self.w[i][j]).sum())
    }

    /// `signal`: L, and r.
    fn learn(&mut self, psi: &[f64; N], signal: Option<(&[f64; N], &[f64; N])>) {
        for i in 0..P {
            for j in 0..N {
                if !self.connected[i][j] {
                    continue;
                }
                let e = psi[j] * (self.z_bar[i][j] - self.beta[j] * self.eps_a[i][j]);
                self.eps_a[i][j] = self.rho[j] * self.eps_a[i][j] + e;
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

    /// Takes a step for the sources from `first` on, a gradient of each.
    fn descend(&mut self, first: usize, eta: Kinds<f64>, g: &[[f64; N]]) {
        let Rule { mu, weight_decay } = self.rule;
        for (i, g) in (first..).zip(g) {
            let (w, m) = (&mut self.w[i], &mut self.momentum[i]);
            for j in 0..N {
                m[j] = mu * m[j] + g[j] + weight_decay * w[j];
                w[j] -= (1.0 - mu) * eta.of(i, N_INPUTS) * m[j];
            }
        }
    }
}

/// A form beside the equations; both are told the same.
pub(super) struct Beside<F: Float, S> {
    pub(super) form: S,
    plan: Plan,
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
        let plan = plan::<F>(config);
        let connected = connected(&plan);
        for (i, w) in w.iter_mut().enumerate() {
            for j in (0..N).filter(|&j| connected[i][j]) {
                w[j] = noise.signed();
                form.first_rows()[place::<F>(&plan, i, j)] = F::cast(w[j]);
            }
        }
        let mut b = noise.numbers::<F>(OUTPUTS * padded::<F>(N));
        b.chunks_exact_mut(padded::<F>(N))
            .for_each(|b| b[N..].fill(F::ZERO));
        Self {
            form,
            at_once: plan.at_once,
            eta: Kinds {
                inputs: ETA,
                neurons: if plan.grouped { ETA_OF_NEURONS } else { ETA },
            },
            grouped: plan.grouped,
            sources: made(|room| SourceList::new(room, N_INPUTS, N)),
            literal: Literal::new(config, w, connected),
            b: aligned(&b).into(),
            noise,
            regularised: (plan.streamed_regulariser, plan.sum_e),
            limited: (plan.limited, plan.apart),
            plan,
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
        let rule = self.literal.rule;
        let at_once = (self.at_once && learning).then_some(self.eta.map(|eta| rule.step(eta)));
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
            if learning {
                self.literal.descend(0, self.eta, &g);
            }
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
        let step = self.eta.map(|eta| self.literal.rule.step(eta));
        if self.limited.0 && !self.at_once {
            let length = self.form.length(&mut unasked()).unwrap();
            near_length::<F>(self.grouped, length, self.literal.squared_length());
            others
                .iter_mut()
                .for_each(|other| _ = other.length(&mut unasked()));
        }
        self.form.update(r.as_deref(), step);
        let g = self.literal.take_gradient(&r_is);
        if !self.at_once {
            self.literal.descend(0, self.eta, &g);
        }
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
        if z_bar.is_empty() {
            let see = &mut |i: usize, row: &[F]| {
                let connected = |j: usize| match self.literal.connected[i][j] {
                    true => self.literal.z_bar[i][j],
                    false => 0.0,
                };
                near("z_bar", row, &core::array::from_fn::<f64, N, _>(connected));
                z_bar.push(F::ONE);
                Ok(())
            };
            self.form.z_bar_rows(&mut unasked(), see).unwrap();
            assert_eq!(z_bar.len(), P);
        } else {
            let of_first: Vec<f64> = self.literal.z_bar.iter().map(|row| row[0]).collect();
            near("z_bar", &z_bar, &of_first);
        }
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

/// Networks with a membrane for each neuron, with a current before the membranes, and with both.
pub(super) fn with_membranes(config: &Config) -> [Config; 3] {
    let taus: Vec<f64> = (0..N).map(|j| 2.0 + (j % 4) as f64 * 3.0).collect();
    let differing = Some(taus);
    [(differing.clone(), 0.0), (None, 4.0), (differing, 4.0)].map(|(tau_mem, tau_syn)| Config {
        each: PerNeuron {
            tau_mem,
            ..PerNeuron::default()
        },
        tau_syn,
        ..config.clone()
    })
}

/// Networks in which not all synapses exist, as lists.
pub(super) fn with_lists(config: &Config) -> [Config; 2] {
    // A block has lists of few.
    let densities = match config.engine {
        Some(Engine::Block) => [(0.2, 0.15), (0.05, 0.2)],
        _ => [(0.5, 0.4), (0.1, 0.7)],
    };
    densities.map(|(of_inputs, of_neurons)| {
        let config = Config {
            connect_in: Connect::Density(of_inputs),
            connect_rec: Connect::Density(of_neurons),
            ..config.clone()
        };
        assert!(plan::<f64>(&config).is_listed);
        config
    })
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
    resets_whatever_is_left(config, make, |_| ());
}

/// The same, where `spoil` has changed what a reset leaves in memory and nobody may look at.
pub(super) fn resets_whatever_is_left<F: Float, S: Synapses<F>>(
    config: &Config,
    make: Make<S>,
    spoil: fn(&mut S),
) {
    let mut both = Beside::<F, S>::new(config, make);
    for steps in [3, 11, 40] {
        (0..steps).for_each(|_| both.step(true));
        let w = both.rows(What::Weight);
        both.form.reset();
        spoil(&mut both.form);
        same_bits("W", &both.rows(What::Weight), &w);
        let literal = &mut both.literal;
        literal.x_bar.fill(0.0);
        for rows in [
            &mut literal.z_bar,
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
        if both.at_once || !both.literal.rule.moves_on() {
            same_bits("W", &both.rows(What::Weight), &w);
        }
        both.compare();
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
        plain::load(&mut twin, &plain::save(&both.form).unwrap()).unwrap();
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
            if both.literal.connected[first + i][j] {
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
        let step = both.literal.rule.step(ETA);
        both.form
            .take(first, g.view(), step, &mut unasked())
            .unwrap();
        let of_source = |i| core::array::from_fn(|j| g[(j, i)].to_f64());
        let g: Vec<_> = (0..n_sources).map(of_source).collect();
        both.literal.descend(first, Kinds::same(ETA), &g);
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
        let len = both.form.first_rows().len();
        let all = if both.limited.1 { 2 * len } else { len };
        let mut sum = vec![F::ONE; all];
        let (r, r_is) = both.coefficients();
        both.form.collect(r.as_deref(), &mut sum);
        let g = match both.limited.1 {
            true => both.literal.take_parts(&r_is).to_vec(),
            false => [both.literal.take_gradient(&r_is)].to_vec(),
        };
        for (sum, g) in sum.chunks_exact(len).zip(g) {
            for (i, g) in g.iter().enumerate() {
                let there = (0..N).filter(|&j| both.literal.connected[i][j]);
                let of_synapses = there.map(|j| (sum[place::<F>(&both.plan, i, j)], g[j] + 1.0));
                let (sum, g): (Vec<_>, Vec<_>) = of_synapses.unzip();
                near("sum", &sum, &g);
            }
        }
        let w = both.rows(What::Weight);
        let mut nothing = vec![F::ZERO; all];
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
