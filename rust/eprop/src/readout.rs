//! The leaky readouts with their weights, their filtered spikes and their gradient (section 1, step 6), in factors, so that a
//! step costs what its spikes cost and not N numbers per readout.
//!
//! Within a base block of a few time constants the filtered spikes are `F_j = kappa^u f_j`, u the steps since its start, and f_j
//! changes only when j fires. So the sum of `zeta_o err_k F_j` is `H_kj + f_j V_k` with `V_k = sum_u kappa^u zeta_o err_k`, if a
//! spike, which adds `a = kappa^-u` to f_j, takes `a V_k` from H_kj. Where every step's gradient is applied at once, `-eta H` is kept
//! in the weights themselves: `W_out_kj = A_kj - f_j V_k`, V with eta in it. At the block's end `f V` is folded in, and f takes kappa^B.

use alloc::vec;
use alloc::vec::Vec;

use crate::Float;
use crate::aligned::{Aligned, UNIT, padded};
use crate::config::{Config, decay};
use crate::feedback::Backward;
use crate::kernels::{add_row, all_finite, scale_row};
use crate::optimizer::Optimizer;
use crate::persist::persist;
use crate::synapses::{LIMIT, base_block};

/// O leaky readouts of N neurons. Matrices have a padded row of N per readout.
#[derive(Clone, Debug)]
pub(crate) struct Readout<F> {
    n: usize,
    has_bias: bool,
    at_once: bool,
    /// Whether every step needs `B err`, so that rows of N per readout pay.
    by_output: bool,
    kappa: F,
    zeta_o: F,
    /// `kappa^u` and `kappa^-u` within a base block.
    down: Vec<F>,
    up: Vec<F>,
    /// `kappa^B`.
    down_block: F,
    /// A padded row of N per readout, or a padded row of O per neuron, so that a spike touches one.
    a: Aligned<F>,
    b: Vec<F>,
    y: Vec<F>,
    f: Aligned<F>,
    filtered_one: F,
    /// `V`, padded.
    factor: Aligned<F>,
    /// By neuron, a padded row of O each, so that a spike touches one; empty where every step's gradient is applied at once.
    h: Aligned<F>,
    g_b: Vec<F>,
    /// Steps since `reset`.
    steps: u64,
    /// Whether the weights are known to be finite.
    finite: bool,
    drive: Aligned<F>,
}

persist!(Readout {
    weights: [a, b],
    state: [y, f, filtered_one, factor, h, g_b, steps],
    scratch: [drive, down, up]
});

impl<F: Float> Readout<F> {
    /// `w_out`: by neuron, N rows of O.
    pub(crate) fn new(
        n: usize,
        w_out: &[F],
        config: &Config,
        at_once: bool,
        by_output: bool,
    ) -> Self {
        let n_outputs = w_out.len() / n;
        let stride = padded::<F>(n);
        let kappa = decay(config.dt, config.tau_out());
        let block = base_block(config.tau_out() / config.dt);
        let power = |u: usize| libm::pow(kappa, u as f64);
        let by_neuron = n * outputs(n_outputs);
        let numbers = if by_output {
            n_outputs * stride
        } else {
            by_neuron
        };
        let mut this = Self {
            n,
            has_bias: config.readout_bias,
            at_once,
            by_output,
            kappa: F::cast(kappa),
            zeta_o: F::cast(config.readout_gain.of(config.dt, config.tau_out())),
            down: (0..block).map(|u| F::cast(power(u))).collect(),
            up: (0..block).map(|u| F::cast(1.0 / power(u))).collect(),
            down_block: F::cast(power(block)),
            a: Aligned::zeros(numbers),
            b: vec![F::ZERO; n_outputs],
            y: vec![F::ZERO; n_outputs],
            f: Aligned::zeros(stride),
            filtered_one: F::ZERO,
            factor: Aligned::zeros(outputs(n_outputs)),
            h: Aligned::zeros(if at_once { 0 } else { by_neuron }),
            g_b: vec![F::ZERO; n_outputs],
            steps: 0,
            finite: all_finite(w_out),
            drive: Aligned::zeros(outputs(n_outputs)),
        };
        this.set_w_out(w_out);
        this
    }

    /// Bytes of the readouts of `n` neurons, `None` where the count overflows.
    pub(crate) fn bytes_for(n: usize, n_outputs: usize) -> Option<usize> {
        let rows = n_outputs.checked_add(UNIT)?.checked_mul(2)?;
        n.checked_add(2048)?
            .checked_mul(rows)?
            .checked_mul(size_of::<F>())
    }

    /// `y = kappa y + zeta_o (W_out z + b)`, and the filtered spikes that its gradient needs.
    ///
    /// A spike leaves `A - f V` what it was, but for rounding: before a step that does not learn it is folded.
    pub(crate) fn step(&mut self, fired: &[u32], learning: bool) {
        if self.at_once && !learning {
            self.fold();
        }
        let u = (self.steps % self.up.len() as u64) as usize;
        if u == 0 && self.steps > 0 {
            self.rebase();
        }
        self.steps += 1;
        self.drive[..self.b.len()].copy_from_slice(&self.b);
        self.drive[self.b.len()..].fill(F::ZERO);
        let (stride, up) = (self.f.len(), self.up[u]);
        let taught = self.factor.iter().any(|&v| v != F::ZERO);
        let (a, h, f) = (&mut self.a[..], &mut self.h[..], &mut self.f[..]);
        let (drive, factor) = (&mut self.drive[..], &self.factor[..]);
        for &j in fired {
            let j = j as usize;
            let by_neuron = j * factor.len()..(j + 1) * factor.len();
            if !self.by_output {
                add_row(F::ONE, &a[by_neuron.clone()], drive);
            } else if self.at_once {
                let column = a[j..].chunks_mut(stride);
                for ((a, drive), &v) in column.zip(&mut *drive).zip(factor) {
                    *drive += a[0] - f[j] * v;
                    a[0] += up * v;
                }
            } else {
                let column = a[j..].chunks(stride);
                column
                    .zip(&mut *drive)
                    .for_each(|(a, drive)| *drive += a[0]);
            }
            if taught && !self.at_once {
                add_row(-up, factor, &mut h[by_neuron]);
            }
            f[j] += up;
        }
        for (y, &drive) in self.y.iter_mut().zip(&*self.drive) {
            *y = (self.kappa * *y + self.zeta_o * drive).or_silence();
        }
        self.filtered_one = self.kappa * self.filtered_one + F::ONE;
    }

    /// Folds the block into `A` or `H`, and moves the filtered spikes to the next.
    fn rebase(&mut self) {
        self.fold();
        scale_row(self.down_block, &mut self.f);
        self.f.iter_mut().for_each(|f| *f = f.or_silence());
    }

    fn fold(&mut self) {
        if self.factor.iter().all(|&v| v == F::ZERO) {
            return;
        }
        if self.at_once {
            fold(&self.f, &self.factor, &mut self.a);
        } else {
            fold_by_neuron(&self.f, &self.factor, &mut self.h);
        }
        self.factor.fill(F::ZERO);
    }

    /// Adds this step's gradient, `err zeta_o F(z)` and `err zeta_o F(1)`, or applies it at once.
    pub(crate) fn learn(&mut self, err: &[F], optimizer: Optimizer<F>) {
        let u = ((self.steps - 1) % self.up.len() as u64) as usize;
        let rate = if self.at_once {
            optimizer.linear()
        } else {
            F::ONE
        };
        let limit = F::cast(LIMIT);
        for (v, &err) in self.factor.iter_mut().zip(err) {
            *v += rate * (self.down[u] * (self.zeta_o * err));
            self.finite &= v.abs() <= limit || !self.at_once;
        }
        if self.has_bias {
            for ((b, g), &err) in self.b.iter_mut().zip(&mut self.g_b).zip(err) {
                let more = self.zeta_o * err * self.filtered_one;
                if self.at_once {
                    *b = optimizer.next(*b, more);
                    self.finite &= b.is_finite();
                } else {
                    *g += more;
                }
            }
        }
    }

    /// Applies the pending gradient.
    pub(crate) fn update(&mut self, optimizer: Optimizer<F>) {
        if !self.at_once {
            self.fold();
            if self.by_output {
                let (stride, width) = (self.f.len(), self.factor.len());
                for (k, row) in self.a.chunks_exact_mut(stride).enumerate() {
                    for (a, h) in row.iter_mut().zip(self.h.chunks_exact(width)) {
                        *a = optimizer.next(*a, h[k]);
                    }
                }
                self.h.fill(F::ZERO);
            } else {
                optimizer.apply(&mut self.a, &mut self.h);
            }
            optimizer.apply(&mut self.b, &mut self.g_b);
            self.finite &= all_finite(&self.a) && all_finite(&self.b);
        }
    }

    /// Adds the pending gradient of another stream's readouts, whose weights are the same.
    pub(crate) fn take_in(&mut self, other: &mut Self) {
        self.fold();
        other.fold();
        add_row(F::ONE, &other.h, &mut self.h);
        self.g_b
            .iter_mut()
            .zip(&other.g_b)
            .for_each(|(g, &more)| *g += more);
    }

    /// Takes over the weights of another stream's readouts.
    pub(crate) fn follow(&mut self, other: &Self) {
        self.a.copy_from_slice(&other.a);
        self.b.copy_from_slice(&other.b);
        self.finite = other.finite;
    }

    /// The pending gradient has been used.
    pub(crate) fn spend(&mut self) {
        self.factor.fill(F::ZERO);
        self.h.fill(F::ZERO);
        self.g_b.fill(F::ZERO);
    }

    pub(crate) fn reset(&mut self) {
        // What was learned at once lives in the factors, too.
        self.fold();
        self.y.fill(F::ZERO);
        self.f.fill(F::ZERO);
        self.filtered_one = F::ZERO;
        self.h.fill(F::ZERO);
        self.g_b.fill(F::ZERO);
        self.steps = 0;
    }

    pub(crate) fn has_bias(&self) -> bool {
        self.has_bias
    }

    pub(crate) fn y(&self) -> &[F] {
        &self.y
    }

    /// `W_out`, by neuron: N rows of O.
    pub(crate) fn w_out(&self) -> Vec<F> {
        if !self.by_output {
            return self.a.unpadded(self.y.len(), self.factor.len());
        }
        let mut rows = self.a.clone();
        if self.at_once {
            fold(&self.f, &self.factor, &mut rows);
        }
        let stride = self.f.len();
        let places = (0..self.n).flat_map(|j| (0..self.y.len()).map(move |k| k * stride + j));
        places.map(|at| rows[at]).collect()
    }

    /// Replaces `W_out`, given by neuron.
    pub(crate) fn set_w_out(&mut self, w_out: &[F]) {
        let n_outputs = self.y.len();
        if self.at_once {
            self.factor.fill(F::ZERO);
        }
        if !self.by_output {
            self.a = Aligned::rows(w_out, n_outputs, outputs(n_outputs));
            return;
        }
        let stride = self.f.len();
        for (j, row) in w_out.chunks_exact(n_outputs).enumerate() {
            row.iter()
                .enumerate()
                .for_each(|(k, &w)| self.a[k * stride + j] = w);
        }
    }

    /// `W_out` as the way back of the errors.
    pub(crate) fn backward(&self) -> Backward<'_, F> {
        if self.by_output {
            let factors = self.at_once.then_some((&*self.f, &*self.factor));
            Backward::ByOutput {
                rows: &self.a,
                factors,
            }
        } else {
            Backward::ByNeuron {
                rows: &self.a,
                width: self.factor.len(),
            }
        }
    }

    pub(crate) fn b(&self) -> &[F] {
        &self.b
    }

    pub(crate) fn b_mut(&mut self) -> &mut [F] {
        &mut self.b
    }

    /// The pending gradient, by neuron, and that of the bias.
    pub(crate) fn gradient(&self) -> (Vec<F>, &[F]) {
        let mut rows = self.h.clone();
        fold_by_neuron(&self.f, &self.factor, &mut rows);
        (rows.unpadded(self.y.len(), self.factor.len()), &self.g_b)
    }

    /// Whether neither weights nor what becomes of them is NaN or infinite.
    pub(crate) fn w_out_finite(&self) -> bool {
        all_finite(&self.a) && (!self.at_once || all_finite(&self.w_out()))
    }

    /// Whether weights are certain to be finite without a look at them: a factor within the limit cannot have driven one out.
    pub(crate) fn within(&self) -> bool {
        self.finite
    }

    /// Whether all weights have been looked at and are finite.
    pub(crate) fn checked(&mut self, finite: bool) {
        self.finite = finite;
    }
}

/// `A_kj -= f_j V_k`.
fn fold<F: Float>(f: &[F], factor: &[F], rows: &mut [F]) {
    for (row, &v) in rows.chunks_exact_mut(f.len()).zip(factor) {
        if v != F::ZERO {
            add_row(-v, f, row);
        }
    }
}

/// `H_jk += f_j V_k`.
fn fold_by_neuron<F: Float>(f: &[F], factor: &[F], rows: &mut [F]) {
    for (row, &f) in rows.chunks_exact_mut(factor.len()).zip(f) {
        if f != F::ZERO {
            add_row(f, factor, row);
        }
    }
}

/// O, padded.
fn outputs(n_outputs: usize) -> usize {
    n_outputs.div_ceil(UNIT) * UNIT
}
