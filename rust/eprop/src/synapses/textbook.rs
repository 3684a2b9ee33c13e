//! The textbook recursion: every synapse's trace, at every step. Slow, literal, and the oracle of every faster form.

use alloc::vec;
use alloc::vec::Vec;

use super::{Filters, Needs, Synapses, drive_rows};
use crate::Float;
use crate::aligned::{Aligned, padded};
use crate::feedback::{Backward, Signal};
use crate::kernels::{self, Eligibility};
use crate::optimizer::Optimizer;
use crate::persist::{Persist, persist};
use crate::shared::Shared;
use crate::sources::Sources;

/// Each row is looked over for faded traces once in so many steps: between 1e-30 and the first subnormal number lie
/// 18 time constants, and the look costs a fifth of a step.
const ROWS_PER_LOOK: u64 = 16;

/// Weights, `z_bar`, `e_bar` and, where they are needed, the pending gradient and `sum_t e`.
#[derive(Clone, Debug)]
pub(crate) struct Textbook<F> {
    n: usize,
    filters: Filters<F>,
    w: Shared<F>,
    z_bar: Vec<F>,
    e_bar: Aligned<F>,
    /// Steps since `reset`, for whose turn it is to be looked over.
    steps: u64,
    /// Empty where every step's gradient is applied at once.
    g: Aligned<F>,
    /// Empty without the sequence form of the regulariser.
    sum_e: Aligned<F>,
}

persist!(Textbook {
    weights: [w],
    state: [z_bar, e_bar, steps, g, sum_e],
    scratch: []
});

impl<F: Float> Textbook<F> {
    pub(crate) fn new(n: usize, w: &[F], filters: Filters<F>, needs: Needs) -> Self {
        let w_rows = Aligned::rows(w, n, padded::<F>(n));
        let where_needed = |needed| Aligned::zeros(if needed { w_rows.len() } else { 0 });
        Self {
            n,
            filters,
            z_bar: vec![F::ZERO; w.len() / n],
            e_bar: where_needed(true),
            steps: 0,
            g: where_needed(needs.pending),
            sum_e: where_needed(needs.sum_e),
            w: w_rows.into(),
        }
    }

    /// Bytes of everything, `None` where the count overflows.
    pub(crate) fn bytes_for(p: usize, stride: usize, needs: Needs) -> Option<usize> {
        let matrices = 2 + usize::from(needs.pending) + usize::from(needs.sum_e);
        p.checked_mul(stride)?
            .checked_mul(matrices)?
            .checked_add(p)?
            .checked_mul(size_of::<F>())
    }

    fn stride(&self) -> usize {
        padded::<F>(self.n)
    }

    /// Makes the pending gradient whole: `r sum_t e` added, the diagonal 0. An update has to follow.
    fn complete(&mut self, r: Option<&[F]>) {
        if let Some(r) = r {
            kernels::add_scaled_rows_by(r, &self.sum_e, &mut self.g);
        }
        self.sum_e.fill(F::ZERO);
        let mut g = core::mem::take(&mut self.g);
        self.clear_own(&mut g);
        self.g = g;
    }

    /// Adds the pending gradient, `r sum_t e` included, to a sum over streams: it has been used then.
    pub(super) fn collect(&mut self, r: Option<&[F]>, sum: &mut [F]) {
        self.complete(r);
        kernels::add_row(F::ONE, &self.g, sum);
        self.g.fill(F::ZERO);
    }

    pub(super) fn weight_bytes(&self) -> usize {
        self.w.bytes()
    }

    pub(super) fn shared(&mut self) -> &mut Shared<F> {
        &mut self.w
    }

    fn first_recurrent(&self) -> usize {
        self.z_bar.len() - self.n
    }

    /// No self-connections: the diagonal of the recurrent part of a matrix.
    fn clear_own(&self, matrix: &mut [F]) {
        let rows = matrix
            .chunks_exact_mut(self.stride())
            .skip(self.first_recurrent());
        rows.enumerate().for_each(|(j, row)| row[j] = F::ZERO);
    }
}

impl<F: Float> Synapses<F> for Textbook<F> {
    fn prepare(&mut self, _: Backward<'_, F>, _: bool) {}

    fn drive(&mut self, sources: &Sources<'_, F>, ahead: Option<&[F]>, current: &mut [F]) {
        drive_rows(&self.w, sources, ahead, current);
        let Filters { alpha, zeta, .. } = self.filters;
        self.z_bar.iter_mut().for_each(|z_bar| *z_bar *= alpha);
        for (source, s) in sources.all() {
            self.z_bar[source as usize] += zeta * s;
        }
        self.z_bar
            .iter_mut()
            .for_each(|z_bar| *z_bar = z_bar.or_silence());
    }

    fn learn(
        &mut self,
        _: &Sources<'_, F>,
        psi: &[F],
        signal: Option<Signal<'_, F>>,
        apply: Option<Optimizer<F>>,
    ) {
        let l = signal.map_or(&[][..], |signal| signal.l);
        let Filters {
            kappa_e, zeta_e, ..
        } = self.filters;
        let (n, first_recurrent) = (self.stride(), self.first_recurrent());
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
                    eligibility.learn(l, regulariser, e_bar, w, |w, g| optimizer.next(w, g));
                    Some(w)
                }
                (Some(_), None) => {
                    let g = &mut self.g[row.clone()];
                    eligibility.learn(l, regulariser, e_bar, g, |g, more| g + more);
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

    fn wants_signal(&self) -> bool {
        true
    }

    fn update(&mut self, _: Backward<'_, F>, r: Option<&[F]>, optimizer: Optimizer<F>) {
        self.complete(r);
        optimizer.apply(&mut self.w, &mut self.g);
    }

    fn gradient(&self, _: Backward<'_, F>, r: Option<&[F]>) -> Vec<F> {
        let mut g = self.g.clone();
        if let Some(r) = r {
            kernels::add_scaled_rows_by(r, &self.sum_e, &mut g);
        }
        self.clear_own(&mut g);
        g.unpadded(self.n, self.stride())
    }

    fn settle(&mut self, _: Backward<'_, F>) {}

    fn weights(&self) -> Vec<F> {
        self.w.unpadded(self.n, self.stride())
    }

    fn set_weights(&mut self, first_source: usize, rows: &[F]) {
        let (n, stride) = (self.n, self.stride());
        let to = self.w.chunks_exact_mut(stride).skip(first_source);
        to.zip(rows.chunks_exact(n))
            .for_each(|(to, from)| to[..n].copy_from_slice(from));
    }

    fn input_weights(&self) -> Option<&[F]> {
        None
    }

    fn eligibility(&self) -> Vec<F> {
        self.e_bar.unpadded(self.n, self.stride())
    }

    fn z_bar(&self) -> Vec<F> {
        self.z_bar.clone()
    }

    fn all_finite(&self) -> bool {
        kernels::all_finite(&self.w)
    }

    fn within(&self) -> bool {
        false
    }

    fn reset(&mut self) {
        self.z_bar.fill(F::ZERO);
        self.e_bar.fill(F::ZERO);
        self.steps = 0;
        self.g.fill(F::ZERO);
        self.sum_e.fill(F::ZERO);
    }
}
