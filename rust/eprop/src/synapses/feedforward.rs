//! Feed-forward synapses (section 4): the gradient of a step is psi times signal, outer, z_bar; no N x P trace exists.

use alloc::vec;
use alloc::vec::Vec;

use super::Filters;
use crate::Float;
use crate::kernels;
use crate::optimizer::Optimizer;
use crate::persist::persist;

/// Weights from P sources to N neurons and the trace of the sources.
#[derive(Clone, Debug)]
pub(crate) struct FeedForward<F> {
    n: usize,
    filters: Filters<F>,
    w: Vec<F>,
    z_bar: Vec<F>,
    /// Empty where every gradient is applied at once.
    g: Vec<F>,
}

persist!(FeedForward {
    weights: [w],
    state: [z_bar, g],
    scratch: []
});

impl<F: Float> FeedForward<F> {
    pub(crate) fn new(n: usize, w: Vec<F>, filters: Filters<F>, pending: bool) -> Self {
        Self {
            n,
            filters,
            z_bar: vec![F::ZERO; w.len() / n],
            g: vec![F::ZERO; if pending { w.len() } else { 0 }],
            w,
        }
    }

    pub(crate) fn numbers_for(p: usize, n: usize, pending: bool) -> Option<usize> {
        p.checked_mul(n)?
            .checked_mul(1 + usize::from(pending))?
            .checked_add(p)
    }

    /// The current of this step from its sources; their traces move on.
    pub(crate) fn drive(&mut self, sources: &[F], current: &mut [F]) {
        let Filters { alpha, zeta, .. } = self.filters;
        kernels::weighted_rows(sources, &self.w, current);
        current.iter_mut().for_each(|i| *i *= zeta);
        for (z_bar, &s) in self.z_bar.iter_mut().zip(sources) {
            *z_bar = (alpha * *z_bar + zeta * s).or_silence();
        }
    }

    /// The signal for the layer below, `W^T (zeta delta)`, with `delta = psi L` and the weights as they are now.
    pub(crate) fn propagate(&self, delta: &[F], below: &mut [F]) {
        for (below, row) in below.iter_mut().zip(self.w.chunks_exact(self.n)) {
            let sum: F = row.iter().zip(delta).map(|(&w, &delta)| w * delta).sum();
            *below = self.filters.zeta * sum;
        }
    }

    /// Adds the gradient `delta z_bar^T`, or applies it at once.
    pub(crate) fn learn(&mut self, delta: &[F], apply: Option<Optimizer<F>>) {
        for (i, &z_bar) in self.z_bar.iter().enumerate() {
            if z_bar == F::ZERO {
                continue;
            }
            let row = i * self.n..(i + 1) * self.n;
            match apply {
                Some(optimizer) => {
                    let w = &mut self.w[row];
                    w.iter_mut()
                        .zip(delta)
                        .for_each(|(w, &delta)| *w = optimizer.next(*w, delta * z_bar));
                }
                None => {
                    let g = &mut self.g[row];
                    g.iter_mut()
                        .zip(delta)
                        .for_each(|(g, &delta)| *g += delta * z_bar);
                }
            }
        }
    }

    /// Applies the pending gradient.
    pub(crate) fn update(&mut self, optimizer: Optimizer<F>) {
        optimizer.apply(&mut self.w, &mut self.g);
    }

    /// The pending gradient, P rows of N.
    pub(crate) fn gradient(&self) -> &[F] {
        &self.g
    }

    /// The weights, P rows of N.
    pub(crate) fn weights(&self) -> &[F] {
        &self.w
    }

    pub(crate) fn set_weights(&mut self, rows: &[F]) {
        self.w.copy_from_slice(rows);
    }

    pub(crate) fn z_bar(&self) -> &[F] {
        &self.z_bar
    }

    pub(crate) fn all_finite(&self) -> bool {
        kernels::all_finite(&self.w)
    }

    pub(crate) fn reset(&mut self) {
        self.z_bar.fill(F::ZERO);
        self.g.fill(F::ZERO);
    }
}
