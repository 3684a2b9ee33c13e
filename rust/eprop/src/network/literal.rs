//! docs/method.md from its first equation to its last, in plain float64 numbers: one synapse, one neuron, one readout at a time.

#![expect(
    clippy::needless_range_loop,
    reason = "indices as the equations have them"
)]

use alloc::vec;
use alloc::vec::Vec;

use ndarray::{Array1, Array2, Array3};

use super::recurrent::Recurrent;
use super::wiring::Wiring;
use crate::numbers::lazy::Layout;
use crate::options::plan::{Plan, Sizes};
use crate::options::{
    Config, Engine, Feedback, Gain, Loss, Optimizer as Rule, ResetMechanism, UpdateEvery,
};
use crate::parts::optimizer::Optimizer;
use crate::synapses::What;
use crate::testing::unasked;
use crate::testing::{Noise, near};

pub(super) const SIZES: Sizes = Sizes {
    n_inputs: 4,
    n: 7,
    n_outputs: 2,
};
const P: usize = SIZES.n_inputs + SIZES.n;
const N: usize = SIZES.n;
const O: usize = SIZES.n_outputs;

/// A network in which all is on that may be, and something happens at most steps.
pub(super) fn config(engine: Engine, update_every: UpdateEvery) -> Config {
    Config {
        engine: Some(engine),
        update_every,
        optimizer: Rule::PLAIN_SGD,
        tau_mem: 6.0,
        tau_trace: 8.0,
        tau_out: Some(5.0),
        lr: 1.0 / 64.0,
        n_ref: 2,
        readout_bias: true,
        c_reg: 0.5,
        surrogate_width: Some(2.0),
        ..Config::default()
    }
}

/// Weights, by source and by neuron.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Weights {
    pub(super) w: [[f64; N]; P],
    pub(super) w_out: [[f64; O]; N],
    pub(super) b: [f64; O],
    /// The feedback's own, as long as it has any.
    feedback: [[f64; O]; N],
}

/// The gradient, and the loss it is of.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Gradient {
    pub(super) w: [[f64; N]; P],
    pub(super) w_out: [[f64; O]; N],
    pub(super) b: [f64; O],
    sum_e: [[f64; N]; P],
    spikes: [f64; N],
    pub(super) loss: f64,
    pub(super) steps: u64,
    pub(super) targets: u64,
}

/// One stream of a network.
#[derive(Clone)]
pub(super) struct Literal {
    config: Config,
    v: [f64; N],
    pub(super) z: [f64; N],
    last_spike: [Option<u64>; N],
    t: u64,
    z_bar: [f64; P],
    e_bar: [[f64; N]; P],
    pub(super) y: [f64; O],
    filtered: [f64; N],
    filtered_one: f64,
    rate: [f64; N],
    pub(super) g: Gradient,
}

impl Literal {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            config: config.clone(),
            v: [0.0; N],
            z: [0.0; N],
            last_spike: [None; N],
            t: 0,
            z_bar: [0.0; P],
            e_bar: [[0.0; N]; P],
            y: [0.0; O],
            filtered: [0.0; N],
            filtered_one: 0.0,
            rate: [config.f_target * config.dt / 1000.0; N],
            g: Gradient::default(),
        }
    }

    fn decay(&self, tau: f64) -> f64 {
        libm::exp(-self.config.dt / tau)
    }

    fn gain(&self, gain: Gain, tau: f64) -> f64 {
        match gain {
            Gain::Unit => 1.0,
            Gain::Leak => 1.0 - self.decay(tau),
        }
    }

    /// Steps 1 to 5.
    fn forward(&mut self, x: &[f64], weights: &Weights) -> [f64; N] {
        let config = self.config.clone();
        let (alpha, kappa) = (self.decay(config.tau_mem), self.decay(config.tau_out()));
        let zeta = self.gain(config.input_gain, config.tau_mem);
        let zeta_o = self.gain(config.readout_gain, config.tau_out());
        let s: [f64; P] =
            core::array::from_fn(|i| x.get(i).copied().unwrap_or_else(|| self.z[i - x.len()]));
        let mut psi = [0.0; N];
        for j in 0..N {
            let current = zeta * (0..P).map(|i| weights.w[i][j] * s[i]).sum::<f64>();
            self.v[j] = match config.reset_mechanism {
                ResetMechanism::Subtract => {
                    alpha * self.v[j] + current - config.threshold * self.z[j]
                }
                ResetMechanism::Zero => alpha * self.v[j] * (1.0 - self.z[j]) + current,
            };
        }
        for j in 0..N {
            let refractory =
                self.last_spike[j].is_some_and(|last| self.t < last + config.n_ref as u64);
            let (h, w) = (
                0.3 / config.threshold,
                config.surrogate_width.unwrap_or(config.threshold),
            );
            let d = (self.v[j] - config.threshold).abs();
            psi[j] = if refractory {
                0.0
            } else {
                h * f64::max(0.0, 1.0 - d / w)
            };
            self.z[j] = f64::from(u8::from(self.v[j] >= config.threshold && !refractory));
            if self.z[j] == 1.0 {
                self.last_spike[j] = Some(self.t);
            }
        }
        for k in 0..O {
            let sum: f64 = (0..N).map(|j| weights.w_out[j][k] * self.z[j]).sum();
            self.y[k] = kappa * self.y[k] + zeta_o * (sum + weights.b[k]);
        }
        for i in 0..P {
            self.z_bar[i] = alpha * self.z_bar[i] + zeta * s[i];
        }
        for j in 0..N {
            self.filtered[j] = kappa * self.filtered[j] + self.z[j];
        }
        self.filtered_one = kappa * self.filtered_one + 1.0;
        self.t += 1;
        psi
    }

    fn move_traces(&mut self, psi: &[f64; N]) {
        let kappa_e = self.decay(self.config.tau_trace);
        let zeta_e = self.gain(self.config.readout_gain, self.config.tau_trace);
        for i in 0..P {
            for j in (0..N).filter(|&j| i != SIZES.n_inputs + j) {
                self.e_bar[i][j] = kappa_e * self.e_bar[i][j] + zeta_e * psi[j] * self.z_bar[i];
            }
        }
    }

    pub(super) fn predict(&mut self, x: &[f64], weights: &Weights) {
        let psi = self.forward(x, weights);
        self.move_traces(&psi);
    }

    pub(super) fn learn(
        &mut self,
        x: &[f64],
        target: Option<&[f64]>,
        weights: &Weights,
    ) -> Option<f64> {
        let psi = self.forward(x, weights);
        self.move_traces(&psi);
        let config = &self.config;
        let (mut err, mut loss) = ([0.0; O], None);
        if let Some(target) = target {
            let total: f64 = self.y.iter().map(|&y| libm::exp(y)).sum();
            let softmax = self.y.map(|y| libm::exp(y) / total);
            let of_output = |k: usize| match config.loss {
                Loss::Mse => 0.5 * (self.y[k] - target[k]) * (self.y[k] - target[k]),
                Loss::CrossEntropy => -target[k] * libm::log(softmax[k]),
            };
            loss = Some((0..O).map(of_output).sum::<f64>());
            for k in 0..O {
                err[k] = if config.loss == Loss::Mse {
                    self.y[k]
                } else {
                    softmax[k]
                } - target[k];
            }
        }
        let b = match config.feedback {
            Feedback::Symmetric => &weights.w_out,
            Feedback::Random | Feedback::Adaptive => &weights.feedback,
        };
        let m = 1.0 - self.decay(config.tau_reg);
        let f_target = config.f_target * config.dt / 1000.0;
        let zeta_o = self.gain(config.readout_gain, config.tau_out());
        let streamed = config.update_every != UpdateEvery::Sequence;
        for j in 0..N {
            let l: f64 = (0..O).map(|k| b[j][k] * err[k]).sum();
            self.rate[j] += (self.z[j] - self.rate[j]) * m;
            let r = if streamed {
                config.c_reg * (self.rate[j] - f_target) * m
            } else {
                0.0
            };
            for i in (0..P).filter(|&i| i != SIZES.n_inputs + j) {
                let e = psi[j] * self.z_bar[i];
                self.g.w[i][j] += l * self.e_bar[i][j] + r * e;
                self.g.sum_e[i][j] += e;
            }
            self.g.spikes[j] += self.z[j];
            for k in 0..O {
                self.g.w_out[j][k] += err[k] * zeta_o * self.filtered[j];
            }
        }
        for k in (0..O).filter(|_| config.readout_bias) {
            self.g.b[k] += err[k] * zeta_o * self.filtered_one;
        }
        self.g.steps += 1;
        self.g.targets += u64::from(loss.is_some());
        self.g.loss += loss.unwrap_or(0.0);
        loss
    }

    /// The gradient since the last one, the sequence's regulariser included.
    pub(super) fn take_gradient(&mut self) -> Gradient {
        let mut g = core::mem::take(&mut self.g);
        if self.config.update_every == UpdateEvery::Sequence && g.steps > 0 {
            let (steps, f_target) = (
                g.steps as f64,
                self.config.f_target * self.config.dt / 1000.0,
            );
            for j in 0..N {
                let r = self.config.c_reg * (g.spikes[j] / steps - f_target) / steps;
                (0..P).for_each(|i| g.w[i][j] += r * g.sum_e[i][j]);
            }
        }
        g
    }
}

impl Weights {
    pub(super) fn descend(&mut self, g: &Gradient, eta: f64) {
        for (w, g) in self.w.as_flattened_mut().iter_mut().zip(g.w.as_flattened()) {
            *w -= eta * g;
        }
        for (w, g) in self
            .w_out
            .as_flattened_mut()
            .iter_mut()
            .zip(g.w_out.as_flattened())
        {
            *w -= eta * g;
        }
        (0..O).for_each(|k| self.b[k] -= eta * g.b[k]);
    }

    /// As a network reads.
    pub(super) fn of(network: &Recurrent<f64>) -> Self {
        let mut w = [[0.0; N]; P];
        let see = &mut |i: usize, row: &[f64]| {
            w[i].copy_from_slice(row);
            Ok(())
        };
        network
            .layer
            .synapses
            .read(What::Weight, 0..P, &mut unasked(), see)
            .unwrap();
        let (mut w_out, readout) = ([[0.0; O]; N], &network.head.readout);
        let layout = readout.w_out().layout();
        let see = |at: usize, row: &[f64]| {
            for (column, &x) in row.iter().enumerate() {
                match layout {
                    Layout::BySource => w_out[at][column] = x,
                    Layout::ByTarget => w_out[column][at] = x,
                }
            }
        };
        readout.w_out().read(see).unwrap();
        let mut feedback = [[0.0; O]; N];
        for (k, row) in network.head.feedback.rows().enumerate() {
            (0..N).for_each(|j| feedback[j][k] = row[j]);
        }
        Self {
            w,
            w_out,
            b: [readout.b()[0], readout.b()[1]],
            feedback,
        }
    }

    #[track_caller]
    pub(super) fn compare(&self, network: &Recurrent<f64>) {
        let got = Self::of(network);
        near("W", got.w.as_flattened(), self.w.as_flattened());
        near("W_out", got.w_out.as_flattened(), self.w_out.as_flattened());
        near("b", &got.b, &self.b);
    }
}

/// A silent network with weights at which something happens.
pub(super) fn network(plan: &Plan, config: &Config) -> Recurrent<f64> {
    let mut network = crate::testing::made(|room| Recurrent::new(room, plan, config, None));
    draw(&mut network, config);
    network
}

pub(super) fn draw(network: &mut Recurrent<f64>, config: &Config) {
    network.draw(config, &mut unasked()).unwrap();
    let louder = network.input_weights(0, &mut unasked()).unwrap() * 0.5;
    network
        .assign_inputs(0, louder.view(), &mut unasked())
        .unwrap();
    network.head.readout.set_b([0.25, -0.125].into_iter());
}

pub(super) fn plan(config: &Config) -> Plan {
    Plan::of::<f64>(SIZES, config).unwrap()
}

/// Inputs, targets and masks of some streams.
pub(super) struct Data {
    pub(super) x: Array3<f64>,
    pub(super) y: Array3<f64>,
    pub(super) mask: Array2<bool>,
}

impl Data {
    pub(super) fn new(streams: usize, steps: usize) -> Self {
        let mut noise = Noise(11);
        Self {
            x: Array3::from_shape_simple_fn((streams, steps, SIZES.n_inputs), || {
                f64::from(u8::from(noise.uniform() < 0.3))
            }),
            // Distributions, so that they are targets of either loss.
            y: Array3::from_shape_fn((streams, steps, O), |(b, t, k)| {
                if (b + t / 3 + k) % 2 == 0 { 0.75 } else { 0.25 }
            }),
            mask: Array2::from_shape_fn((streams, steps), |(b, t)| (b + t) % 4 > 0),
        }
    }

    /// Inputs, and the target if there is one.
    pub(super) fn step(&self, b: usize, t: usize) -> (Array1<f64>, Option<Array1<f64>>) {
        let at = ndarray::s![b, t, ..];
        (
            self.x.slice(at).to_owned(),
            self.mask[(b, t)].then(|| self.y.slice(at).to_owned()),
        )
    }
}

/// One step of both; the output and the loss are compared.
#[track_caller]
pub(super) fn learn(
    network: &mut Recurrent<f64>,
    literal: &mut Literal,
    data: &Data,
    (b, t): (usize, usize),
    weights: &Weights,
    at_once: Option<f64>,
) {
    let (x, target) = data.step(b, t);
    let loss = network.circle().learn(
        x.view().into(),
        target.as_ref().map(|target| target.view()).into(),
        at_once.map(Optimizer::plain).as_mut(),
    );
    let expected = literal.learn(
        &x.to_vec(),
        target.map(|target| target.to_vec()).as_deref(),
        weights,
    );
    near("loss", &[loss.unwrap_or(-1.0)], &[expected.unwrap_or(-1.0)]);
    near("y", network.output(), &literal.y);
    near("z", network.spikes(), &literal.z);
}

/// Every form with updates at every step, every few, or of sequences.
pub(super) fn configs() -> Vec<Config> {
    use Engine::{Block, Factored, Textbook};
    use UpdateEvery::{Sequence, Steps};
    let mut configs = vec![];
    for (engine, every) in [
        (Textbook, Steps(1)),
        (Textbook, Steps(5)),
        (Textbook, Sequence),
        (Factored, Steps(1)),
        (Factored, Steps(4)),
        (Block, Steps(1)),
        (Block, Steps(11)),
        (Block, Sequence),
    ] {
        configs.push(config(engine, every));
    }
    configs
}
