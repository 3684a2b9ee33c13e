//! The textbook recursion: every synapse's trace, at every step. Slow, literal, and the oracle of every faster form.

use alloc::vec;
use alloc::vec::Vec;

use super::{Filters, Needs, Synapses};
use crate::Float;
use crate::feedback::Signal;
use crate::kernels;
use crate::optimizer::Optimizer;
use crate::persist::persist;

/// Weights, `z_bar`, `e_bar` and, where they are needed, the pending gradient and `sum_t e`.
#[derive(Clone, Debug)]
pub(crate) struct Textbook<F> {
    n: usize,
    filters: Filters<F>,
    w: Vec<F>,
    /// 1 once learning has driven a weight out of the finite range.
    flawed: u32,
    z_bar: Vec<F>,
    e_bar: Vec<F>,
    /// Empty where every step's gradient is applied at once.
    g: Vec<F>,
    /// Empty without the sequence form of the regulariser.
    sum_e: Vec<F>,
    l: Vec<F>,
}

persist!(Textbook {
    weights: [w, flawed],
    state: [z_bar, e_bar, g, sum_e],
    scratch: [l]
});

impl<F: Float> Textbook<F> {
    pub(crate) fn new(n: usize, w: Vec<F>, filters: Filters<F>, needs: Needs) -> Self {
        let all = w.len();
        let where_needed = |needed| vec![F::ZERO; if needed { all } else { 0 }];
        Self {
            n,
            filters,
            z_bar: vec![F::ZERO; all / n],
            e_bar: vec![F::ZERO; all],
            g: where_needed(needs.pending),
            sum_e: where_needed(needs.sum_e),
            l: vec![F::ZERO; n],
            w,
            flawed: 0,
        }
    }

    pub(crate) fn numbers_for(p: usize, n: usize, needs: Needs) -> Option<usize> {
        let matrices = 2 + usize::from(needs.pending) + usize::from(needs.sum_e);
        p.checked_mul(n)?
            .checked_mul(matrices)?
            .checked_add(p)?
            .checked_add(n)
    }

    fn first_recurrent(&self) -> usize {
        self.z_bar.len() - self.n
    }

    /// No self-connections: the diagonal of the recurrent part of a matrix.
    fn clear_own(&self, matrix: &mut [F]) {
        let rows = matrix.chunks_exact_mut(self.n).skip(self.first_recurrent());
        rows.enumerate().for_each(|(j, row)| row[j] = F::ZERO);
    }
}

impl<F: Float> Synapses<F> for Textbook<F> {
    fn drive(&mut self, sources: &[F], current: &mut [F]) {
        let Filters { alpha, zeta, .. } = self.filters;
        kernels::weighted_rows(sources, &self.w, current);
        current.iter_mut().for_each(|i| *i *= zeta);
        for (z_bar, &s) in self.z_bar.iter_mut().zip(sources) {
            *z_bar = (alpha * *z_bar + zeta * s).or_silence();
        }
    }

    fn learn(&mut self, psi: &[F], signal: Option<Signal<'_, F>>, apply: Option<Optimizer<F>>) {
        if let Some(signal) = signal {
            signal.learning_signal(&mut self.l);
        }
        let Filters {
            kappa_e, zeta_e, ..
        } = self.filters;
        let (n, first_recurrent) = (self.n, self.first_recurrent());
        for (i, &z_bar) in self.z_bar.iter().enumerate() {
            let row = i * n..(i + 1) * n;
            let own = i.checked_sub(first_recurrent);
            let e_bar = &mut self.e_bar[row.clone()];
            kernels::eligibility(kappa_e, zeta_e * z_bar, psi, e_bar);
            if let Some(j) = own {
                e_bar[j] = F::ZERO;
            }
            let Some(signal) = signal else { continue };
            let regulariser = signal.r.map(|r| (r, psi, z_bar));
            if let Some(optimizer) = apply {
                let w = &mut self.w[row];
                kernels::gradient(&self.l, e_bar, regulariser, w, |w, g| optimizer.next(w, g));
                if let Some(j) = own {
                    w[j] = F::ZERO;
                }
                // Checked while the row is in the nearest cache.
                self.flawed |= u32::from(!kernels::all_finite(w));
                continue;
            }
            kernels::gradient(
                &self.l,
                e_bar,
                regulariser,
                &mut self.g[row.clone()],
                |g, more| g + more,
            );
            if !self.sum_e.is_empty() {
                kernels::add_scaled(z_bar, psi, &mut self.sum_e[row]);
            }
        }
    }

    fn update(&mut self, r: Option<&[F]>, optimizer: Optimizer<F>) {
        if let Some(r) = r {
            kernels::add_scaled_rows(r, &self.sum_e, &mut self.g);
        }
        self.sum_e.fill(F::ZERO);
        let mut g = core::mem::take(&mut self.g);
        self.clear_own(&mut g);
        optimizer.apply(&mut self.w, &mut g);
        self.g = g;
        self.flawed = u32::from(!kernels::all_finite(&self.w));
    }

    fn gradient(&self, r: Option<&[F]>) -> Vec<F> {
        let mut g = self.g.clone();
        if let Some(r) = r {
            kernels::add_scaled_rows(r, &self.sum_e, &mut g);
        }
        self.clear_own(&mut g);
        g
    }

    fn weights(&self) -> Vec<F> {
        self.w.clone()
    }

    fn set_weights(&mut self, first_source: usize, rows: &[F]) {
        let start = first_source * self.n;
        self.w[start..start + rows.len()].copy_from_slice(rows);
        self.flawed = u32::from(!kernels::all_finite(&self.w));
    }

    fn eligibility(&self) -> Vec<F> {
        self.e_bar.clone()
    }

    fn z_bar(&self) -> &[F] {
        &self.z_bar
    }

    fn all_finite(&self) -> bool {
        self.flawed == 0
    }

    fn reset(&mut self) {
        self.z_bar.fill(F::ZERO);
        self.e_bar.fill(F::ZERO);
        self.g.fill(F::ZERO);
        self.sum_e.fill(F::ZERO);
    }
}
