//! A step of the factors of all neurons.

use core::ops::Range;

use super::Listed;
use super::lengths::Growth;
use crate::Float;
use crate::kernels::{self, FactorsMut, LANES, StepScales};
use crate::numbers::kinds::Kinds;
use crate::numbers::parallel::{each, share};

impl<F: Float> Listed<F> {
    /// `Y` of the factors, made by a step in which nothing happens.
    pub(super) fn respond(&mut self) {
        let none = core::mem::take(&mut self.none);
        self.step_sets([StepScales::nothing(); 2], &none, &[], &[]);
        self.none = none;
    }

    /// A step of the factors of each set, and of `X1`; where a source has a second trace in each neuron, the responses have taken theirs.
    pub(super) fn step_sets(&mut self, scales: [StepScales<F>; 2], psi: &[F], l: &[F], r: &[F]) {
        if let Some(adaptive) = &mut self.adaptive {
            for (set, scales) in scales[..self.sets].iter().enumerate() {
                let row = set * self.stride..(set + 1) * self.stride;
                let (s, t) = (&mut self.s[row.clone()], &mut self.t[row.clone()]);
                let lanes = set * LANES * self.stride..(set + 1) * LANES * self.stride;
                let to = ([s, t, &mut self.y[row.clone()]], &mut self.factors[lanes]);
                adaptive.step_set(*scales, [l, r], (&self.x1, &self.u), row, to);
            }
            return;
        }
        let (stride, share) = (self.stride, share(self.stride));
        let x1 = self.x1.chunks_mut(share);
        let (factors, factors_of_last) = self.factors.split_at_mut(LANES * stride);
        let (s, s_of_last) = self.s.split_at_mut(stride);
        let (t, t_of_last) = self.t.split_at_mut(stride);
        let (y, y_of_last) = self.y.split_at_mut(stride);
        let first = factors_in_parts((s, t, y, factors), share);
        let u: &[F] = &self.u;
        if self.sets == 1 {
            each(
                x1.zip(first).enumerate(),
                |(at, (x1, (mut first, factors)))| {
                    let here = at * share..at * share + x1.len();
                    let [psi, l, r, u] = [psi, l, r, u].map(|row| within(row, &here));
                    kernels::step_factors([scales[0]], psi, l, r, x1, [first.lend()]);
                    kernels::interleave(x1, first.y, u, factors);
                },
            );
            return;
        }
        let last = factors_in_parts((s_of_last, t_of_last, y_of_last, factors_of_last), share);
        each(
            x1.zip(first.zip(last)).enumerate(),
            |(at, (x1, (first, last)))| {
                let here = at * share..at * share + x1.len();
                let [psi, l, r, u] = [psi, l, r, u].map(|row| within(row, &here));
                let ((mut first, factors), (mut last, factors_of_last)) = (first, last);
                kernels::step_factors(scales, psi, l, r, x1, [first.lend(), last.lend()]);
                kernels::interleave(x1, first.y, u, factors);
                kernels::interleave(x1, last.y, u, factors_of_last);
            },
        );
    }

    pub(super) fn step_lengths(&mut self, psi: &[F], l: &[F]) -> Kinds<f64> {
        let u = self.steps_of_block();
        let lanes = [self.sums_of(0), self.sums_of(self.sets - 1)];
        let Some(lengths) = &mut self.lengths else {
            return Kinds::same(0.0);
        };
        lengths.due = false;
        let (grow, alpha) = (
            self.filters.zeta_e * self.powers.kappa_up[u],
            self.powers.alpha_down[u],
        );
        let growth = Growth {
            up: self.powers.alpha_up[u] * self.filters.zeta,
            grow: grow * alpha,
            psi,
            x1: &self.x1,
        };
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.of_neurons.take(psi);
        }
        let mut squared = [0.0; 2];
        for set in 0..self.sets {
            let sums = match self.summed[set] {
                true => &self.sums[lanes[set].clone()],
                false => &[],
            };
            squared[set] = match &self.adaptive {
                None => lengths.step(set, growth, l, sums),
                Some(adaptive) => {
                    let of_adaptive = adaptive.of_neurons.now_of(grow, alpha, psi);
                    lengths.step_adaptive(set, (growth.up, growth.x1), of_adaptive, l, sums)
                }
            };
        }
        Kinds {
            inputs: squared[0],
            neurons: squared[1],
        }
    }
}

/// Of a row that may be empty, some numbers; of an empty one none.
fn within<'a, F>(row: &'a [F], here: &Range<usize>) -> &'a [F] {
    match row.is_empty() {
        true => row,
        false => &row[here.clone()],
    }
}

/// The factors of a set, of every `share` neurons, and these side by side.
fn factors_in_parts<'a, F>(
    (s, t, y, factors): (&'a mut [F], &'a mut [F], &'a mut [F], &'a mut [F]),
    share: usize,
) -> impl Iterator<Item = (FactorsMut<'a, F>, &'a mut [F])> {
    let rows = s
        .chunks_mut(share)
        .zip(t.chunks_mut(share))
        .zip(y.chunks_mut(share));
    let rows = rows.map(|((s, t), y)| FactorsMut { s, t, y });
    rows.zip(factors.chunks_mut(LANES * share))
}
