//! The leaky readouts with their weights, their filtered spikes and their gradient (section 1, step 6).

use alloc::vec;
use alloc::vec::Vec;

use crate::Float;
use crate::config::{Config, decay};
use crate::optimizer::Optimizer;
use crate::persist::persist;

/// O leaky readouts of N neurons. Matrices are source-major: the O values of one neuron contiguous.
#[derive(Clone, Debug)]
pub(crate) struct Readout<F> {
    n_outputs: usize,
    has_bias: bool,
    kappa: F,
    zeta_o: F,
    w_out: Vec<F>,
    b: Vec<F>,
    y: Vec<F>,
    filtered_z: Vec<F>,
    filtered_one: F,
    g_out: Vec<F>,
    g_b: Vec<F>,
    scaled_err: Vec<F>,
}

persist!(Readout {
    weights: [w_out, b],
    state: [y, filtered_z, filtered_one, g_out, g_b],
    scratch: [scaled_err]
});

impl<F: Float> Readout<F> {
    pub(crate) fn new(n: usize, w_out: Vec<F>, config: &Config) -> Self {
        let n_outputs = w_out.len() / n;
        Self {
            n_outputs,
            has_bias: config.readout_bias,
            kappa: F::cast(decay(config.dt, config.tau_out())),
            zeta_o: F::cast(config.readout_gain.of(config.dt, config.tau_out())),
            w_out,
            b: vec![F::ZERO; n_outputs],
            y: vec![F::ZERO; n_outputs],
            filtered_z: vec![F::ZERO; n],
            filtered_one: F::ZERO,
            g_out: vec![F::ZERO; n * n_outputs],
            g_b: vec![F::ZERO; n_outputs],
            scaled_err: vec![F::ZERO; n_outputs],
        }
    }

    /// How many numbers the readouts of `n` neurons hold, `None` where that overflows.
    pub(crate) fn numbers_for(n: usize, n_outputs: usize) -> Option<usize> {
        n.checked_mul(n_outputs)?
            .checked_mul(2)?
            .checked_add(n)?
            .checked_add(n_outputs.checked_mul(4)?)
    }

    /// `y = kappa y + zeta_o (W_out z + b)`, and the filtered spikes that its gradient needs.
    pub(crate) fn step(&mut self, z: &[F]) {
        let drive = &mut self.scaled_err;
        drive.copy_from_slice(&self.b);
        for (row, &z) in self.w_out.chunks_exact(self.n_outputs).zip(z) {
            if z != F::ZERO {
                drive.iter_mut().zip(row).for_each(|(sum, &w)| *sum += w);
            }
        }
        for (y, &drive) in self.y.iter_mut().zip(&*drive) {
            *y = (self.kappa * *y + self.zeta_o * drive).or_silence();
        }
        for (filtered, &z) in self.filtered_z.iter_mut().zip(z) {
            *filtered = (self.kappa * *filtered + z).or_silence();
        }
        self.filtered_one = self.kappa * self.filtered_one + F::ONE;
    }

    /// Adds this step's gradient: `err zeta_o F(z)` and `err zeta_o F(1)`.
    pub(crate) fn learn(&mut self, err: &[F]) {
        for (scaled, &err) in self.scaled_err.iter_mut().zip(err) {
            *scaled = err * self.zeta_o;
        }
        for (g, &filtered) in self
            .g_out
            .chunks_exact_mut(self.n_outputs)
            .zip(&self.filtered_z)
        {
            if filtered != F::ZERO {
                g.iter_mut()
                    .zip(&self.scaled_err)
                    .for_each(|(g, &err)| *g += err * filtered);
            }
        }
        if self.has_bias {
            for (g, &err) in self.g_b.iter_mut().zip(&self.scaled_err) {
                *g += err * self.filtered_one;
            }
        }
    }

    /// Applies the pending gradient.
    pub(crate) fn update(&mut self, optimizer: Optimizer<F>) {
        optimizer.apply(&mut self.w_out, &mut self.g_out);
        optimizer.apply(&mut self.b, &mut self.g_b);
    }

    pub(crate) fn reset(&mut self) {
        self.y.fill(F::ZERO);
        self.filtered_z.fill(F::ZERO);
        self.filtered_one = F::ZERO;
        self.g_out.fill(F::ZERO);
        self.g_b.fill(F::ZERO);
    }

    pub(crate) fn has_bias(&self) -> bool {
        self.has_bias
    }

    pub(crate) fn y(&self) -> &[F] {
        &self.y
    }

    /// `W_out` by source: N rows of O.
    pub(crate) fn w_out(&self) -> &[F] {
        &self.w_out
    }

    pub(crate) fn w_out_mut(&mut self) -> &mut [F] {
        &mut self.w_out
    }

    pub(crate) fn b(&self) -> &[F] {
        &self.b
    }

    pub(crate) fn b_mut(&mut self) -> &mut [F] {
        &mut self.b
    }

    /// The pending gradient, by source, and that of the bias.
    pub(crate) fn gradient(&self) -> (&[F], &[F]) {
        (&self.g_out, &self.g_b)
    }
}
