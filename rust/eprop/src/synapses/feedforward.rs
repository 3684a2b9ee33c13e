//! Feed-forward synapses (section 4): the gradient of a step is psi times signal, outer, z_bar. No N x P trace exists, and in factors no
//! step touches more rows than sources that fire.
//!
//! Within a base block `z_bar_i = alpha^u zt_i`, u the steps since its start, and zt_i changes only when i fires. So the gradient is
//! `H_i + zt_i V` with `V = sum_u alpha^u psi L`, if a spike, which adds `a` to zt_i, takes `a V` from H_i. Where every gradient is
//! applied at once, `-eta H` is kept in the weights themselves: `W_i = A_i - zt_i V`, V with eta in it.

use alloc::vec;
use alloc::vec::Vec;

use super::{LIMIT, base_block};
use crate::Float;
use crate::aligned::{Aligned, padded};
use crate::config::{LayerConfig, decay};
use crate::kernels;
use crate::optimizer::Optimizer;
use crate::persist::persist;
use crate::sources::Sources;

/// Weights from P sources to N neurons and the trace of the sources.
#[derive(Clone, Debug)]
pub(crate) struct FeedForward<F> {
    n: usize,
    zeta: F,
    /// `alpha^u` and `alpha^-u` within a base block, and `alpha^B`.
    down: Vec<F>,
    up: Vec<F>,
    down_block: F,
    at_once: bool,
    a: Aligned<F>,
    zt: Vec<F>,
    v: Aligned<F>,
    /// Empty where every gradient is applied at once.
    h: Aligned<F>,
    /// Steps since `reset`.
    steps: u64,
    /// Whether the weights are known to be finite.
    finite: bool,
}

persist!(FeedForward {
    weights: [a],
    state: [zt, v, h, steps],
    scratch: [down, up]
});

impl<F: Float> FeedForward<F> {
    /// `w`: P rows of N, unpadded.
    pub(crate) fn new(n: usize, w: &[F], config: &LayerConfig, pending: bool) -> Self {
        let alpha = decay(config.dt, config.tau_mem);
        let block = base_block(config.tau_mem / config.dt);
        let power = |u: usize| libm::pow(alpha, u as f64);
        let a = Aligned::rows(w, n, padded::<F>(n));
        Self {
            n,
            zeta: F::cast(config.input_gain.of(config.dt, config.tau_mem)),
            down: (0..block).map(|u| F::cast(power(u))).collect(),
            up: (0..block).map(|u| F::cast(1.0 / power(u))).collect(),
            down_block: F::cast(power(block)),
            at_once: !pending,
            zt: vec![F::ZERO; w.len() / n],
            v: Aligned::zeros(padded::<F>(n)),
            h: Aligned::zeros(if pending { a.len() } else { 0 }),
            steps: 0,
            finite: kernels::all_finite(w),
            a,
        }
    }

    /// Bytes of all buffers, `None` where the count overflows.
    pub(crate) fn bytes_for(
        p: usize,
        n: usize,
        config: &LayerConfig,
        pending: bool,
    ) -> Option<usize> {
        if n > usize::MAX / 64 {
            return None;
        }
        padded::<F>(n)
            .checked_mul(p.checked_mul(1 + usize::from(pending))?.checked_add(1)?)?
            .checked_add(p)?
            .checked_add(2 * base_block(config.tau_mem / config.dt))?
            .checked_mul(size_of::<F>())
    }

    fn stride(&self) -> usize {
        self.v.len()
    }

    fn u(&self) -> usize {
        (self.steps.saturating_sub(1) % self.up.len() as u64) as usize
    }

    /// What this step's sources send, before its gain; their traces move on.
    ///
    /// A spike leaves `A - zt V` what it was, but for rounding: before a step that does not learn it is folded.
    pub(crate) fn drive(&mut self, sources: &Sources<'_, F>, learning: bool, current: &mut [F]) {
        if self.at_once && !learning {
            self.fold();
        }
        if self.steps > 0 && self.steps % self.up.len() as u64 == 0 {
            self.rebase();
        }
        self.steps += 1;
        current.fill(F::ZERO);
        let stride = self.stride();
        let up = self.up[self.u()] * self.zeta;
        let limit = F::cast(LIMIT);
        let mut sum_zt = F::ZERO;
        for (source, s) in sources.all() {
            let zt = &mut self.zt[source as usize];
            let row = source as usize * stride..(source as usize + 1) * stride;
            let shift = up * s;
            if self.at_once {
                sum_zt += s * *zt;
                kernels::send_and_shift(s, shift, &self.v, &mut self.a[row], current);
            } else {
                kernels::add_row(s, &self.a[row.clone()], current);
                kernels::add_row(-shift, &self.v, &mut self.h[row]);
            }
            *zt += shift;
            self.finite &= !self.at_once || zt.abs() <= limit;
        }
        if sum_zt != F::ZERO {
            kernels::add_row(-sum_zt, &self.v, current);
        }
    }

    /// The signal for the layer below, `W^T (zeta delta)`, with `delta = psi L`, padded, and the weights as they are now.
    pub(crate) fn propagate(&self, delta: &[F], below: &mut [F]) {
        kernels::dot_rows(&self.a, delta, below);
        if self.at_once {
            let mut dot = [F::ZERO];
            kernels::dot_rows(&self.v, delta, &mut dot);
            kernels::add_row(-dot[0], &self.zt, below);
        }
        kernels::scale_row(self.zeta, below);
    }

    /// Adds the gradient `delta z_bar^T`, or applies it at once.
    pub(crate) fn learn(&mut self, delta: &[F], optimizer: Optimizer<F>) {
        let rate = if self.at_once {
            optimizer.linear()
        } else {
            F::ONE
        };
        kernels::add_row(rate * self.down[self.u()], delta, &mut self.v);
        let limit = F::cast(LIMIT);
        self.finite &= !self.at_once || self.v.iter().all(|v| v.abs() <= limit);
    }

    /// Applies the pending gradient.
    pub(crate) fn update(&mut self, optimizer: Optimizer<F>) {
        if !self.at_once {
            self.fold();
            optimizer.apply(&mut self.a, &mut self.h);
            self.finite &= kernels::all_finite(&self.a);
        }
    }

    /// Folds the block into `A` or `H`, and moves the traces to the next.
    fn rebase(&mut self) {
        self.fold();
        for zt in &mut self.zt {
            *zt = (self.down_block * *zt).or_silence();
        }
    }

    fn fold(&mut self) {
        if self.v.iter().all(|&v| v == F::ZERO) {
            return;
        }
        let stride = self.stride();
        let (to, sign) = if self.at_once {
            (&mut self.a, -F::ONE)
        } else {
            (&mut self.h, F::ONE)
        };
        for (row, &zt) in to.chunks_exact_mut(stride).zip(&self.zt) {
            if zt != F::ZERO {
                kernels::add_row(sign * zt, &self.v, row);
            }
        }
        self.v.fill(F::ZERO);
    }

    fn folded(&self, rows: &Aligned<F>, sign: F) -> Vec<F> {
        let mut rows = rows.clone();
        for (row, &zt) in rows.chunks_exact_mut(self.stride()).zip(&self.zt) {
            if zt != F::ZERO {
                kernels::add_row(sign * zt, &self.v, row);
            }
        }
        rows.unpadded(self.n, self.stride())
    }

    /// The pending gradient, P rows of N.
    pub(crate) fn gradient(&self) -> Vec<F> {
        self.folded(&self.h, F::ONE)
    }

    /// The weights, P rows of N.
    pub(crate) fn weights(&self) -> Vec<F> {
        if self.at_once {
            self.folded(&self.a, -F::ONE)
        } else {
            self.a.unpadded(self.n, self.stride())
        }
    }

    pub(crate) fn set_weights(&mut self, rows: &[F]) {
        self.a = Aligned::rows(rows, self.n, self.stride());
        if self.at_once {
            self.v.fill(F::ZERO);
        }
        self.finite = kernels::all_finite(rows);
    }

    pub(crate) fn z_bar(&self) -> Vec<F> {
        let down = self.down[self.u()];
        self.zt.iter().map(|&zt| (down * zt).or_silence()).collect()
    }

    pub(crate) fn all_finite(&self) -> bool {
        kernels::all_finite(&self.weights())
    }

    /// Whether the weights are certain to be finite without a look at them.
    pub(crate) fn within(&self) -> bool {
        self.finite
    }

    /// Whether all weights have been looked at and are finite.
    pub(crate) fn checked(&mut self, finite: bool) {
        self.finite = finite;
    }

    pub(crate) fn reset(&mut self) {
        // What was learned at once lives in the factors, too.
        self.fold();
        self.zt.fill(F::ZERO);
        self.h.fill(F::ZERO);
        self.steps = 0;
    }
}
