//! The textbook recursion: every synapse's trace, at every step. Slow, literal, and the oracle of every faster form.

use alloc::vec;
use alloc::vec::Vec;

use super::{Filters, Needs, Synapses};
use crate::Float;
use crate::feedback::Signal;
use crate::kernels::{self, Eligibility};
use crate::optimizer::Optimizer;
use crate::persist::persist;

/// Each row is looked over for faded traces once in so many steps: between 1e-30 and the first subnormal number lie
/// 18 time constants, and the look costs a fifth of a step.
const ROWS_PER_LOOK: u64 = 16;

/// Weights, `z_bar`, `e_bar` and, where they are needed, the pending gradient and `sum_t e`.
#[derive(Clone, Debug)]
pub(crate) struct Textbook<F> {
    n: usize,
    filters: Filters<F>,
    w: Vec<F>,
    z_bar: Vec<F>,
    e_bar: Vec<F>,
    /// Steps since `reset`, for whose turn it is to be looked over.
    steps: u64,
    /// Empty where every step's gradient is applied at once.
    g: Vec<F>,
    /// Empty without the sequence form of the regulariser.
    sum_e: Vec<F>,
    l: Vec<F>,
}

persist!(Textbook {
    weights: [w],
    state: [z_bar, e_bar, steps, g, sum_e],
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
            steps: 0,
            g: where_needed(needs.pending),
            sum_e: where_needed(needs.sum_e),
            l: vec![F::ZERO; n],
            w,
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
        self.steps += 1;
        for (i, &z_bar) in self.z_bar.iter().enumerate() {
            let row = i * n..(i + 1) * n;
            let e_bar = &mut self.e_bar[row.clone()];
            let eligibility = Eligibility {
                kappa_e,
                drive: zeta_e * z_bar,
                psi,
            };
            let regulariser = signal.and_then(|signal| signal.r).map(|r| (r, z_bar));
            let learned = match (signal, apply) {
                (None, _) => {
                    eligibility.follow(e_bar);
                    None
                }
                (Some(_), Some(optimizer)) => {
                    let w = &mut self.w[row.clone()];
                    eligibility.learn(&self.l, regulariser, e_bar, w, |w, g| optimizer.next(w, g));
                    Some(w)
                }
                (Some(_), None) => {
                    let g = &mut self.g[row.clone()];
                    eligibility.learn(&self.l, regulariser, e_bar, g, |g, more| g + more);
                    Some(g)
                }
            };
            if (i as u64 + self.steps) % ROWS_PER_LOOK == 0 {
                kernels::silence(e_bar);
            }
            if let Some(j) = i.checked_sub(first_recurrent) {
                // No self-connection: neither a trace, nor a weight or its gradient.
                e_bar[j] = F::ZERO;
                if let Some(learned) = learned {
                    learned[j] = F::ZERO;
                }
            }
            if signal.is_some() && !self.sum_e.is_empty() {
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
    }

    fn eligibility(&self) -> Vec<F> {
        self.e_bar.clone()
    }

    fn z_bar(&self) -> &[F] {
        &self.z_bar
    }

    fn all_finite(&self) -> bool {
        kernels::all_finite(&self.w)
    }

    fn reset(&mut self) {
        self.z_bar.fill(F::ZERO);
        self.e_bar.fill(F::ZERO);
        self.steps = 0;
        self.g.fill(F::ZERO);
        self.sum_e.fill(F::ZERO);
    }
}
