//! What the active sources of a step send, and what their visits do to their rows.

use super::{Factored, NEVER};
use crate::Float;
use crate::kernels::{self, Factors, Visit};
use crate::numbers::lazy::LIMIT;
use crate::numbers::scale::Scale;
use crate::parts::sources::Sources;

impl<F: Float> Factored<F> {
    /// Lists a step's active sources, and moves their `zt`; returns `sum_i s_i zt_i` of each set, and how many of the sources are of the first.
    pub(super) fn list(&mut self, sources: &Sources<'_, F>, current: &mut [F]) -> ([F; 2], usize) {
        let last = self.sets - 1;
        let (t, p) = (&self.t[self.row(last)], self.scale(last).of::<F>());
        let up = self.powers.alpha_up[self.u()] * self.filters.zeta;
        let (limit, block, n_inputs) = (F::cast(LIMIT), self.block, self.n_inputs);
        let (zt, seen) = (&mut self.zt[..], &mut self.seen[..]);
        let (visits, left, within) = (&mut self.visits, &self.ended.a[..], &mut self.within);
        let (mut sum_zt, mut of_first) = ([F::ZERO; 2], 0);
        visits.clear();
        sources.all().for_each(|(source, value)| {
            let at = source as usize;
            let age = if seen[at] == NEVER {
                0
            } else {
                block - seen[at]
            };
            let before = zt[at];
            let caught_up = match age.checked_sub(1) {
                None => before,
                Some(waited) => left[waited as usize] * before,
            };
            let own = at.checked_sub(n_inputs);
            let set = if own.is_some() { last } else { 0 };
            sum_zt[set] += value * caught_up;
            of_first += usize::from(set == 0);
            if let Some(j) = own {
                // The sum over all sources holds a neuron's own, which does not reach it.
                current[j] += p * t[j] * (value * caught_up);
            }
            let shift = up * value;
            visits.push(Visit {
                source,
                age: age as u32,
                value,
                shift,
                zt: before,
                own: own.unwrap_or(usize::MAX),
            });
            zt[at] = caught_up + shift;
            *within &= zt[at].abs() <= limit;
            seen[at] = block;
        });
        (sum_zt, of_first)
    }

    /// Moves the rows of a set's active sources on, and sums them up.
    pub(super) fn follow_set(&mut self, set: usize, visits: &[Visit<F>]) {
        if let Some(lengths) = &mut self.lengths {
            let w = self.adaptive.as_ref().map(|adaptive| &adaptive.w[..]);
            lengths.follow(set, visits, &self.ended.a, &self.x1, w);
        }
        let row = self.row(set);
        let (sum_a, sum_c) = (&mut self.sum_a[row.clone()], &mut self.sum_c[row.clone()]);
        sum_c.fill(F::ZERO);
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.clear_sum(row.clone());
        }
        if visits.is_empty() {
            return;
        }
        sum_a.fill(F::ZERO);
        let factors = Factors {
            y: &self.y[row.clone()],
            x1: &self.x1,
            none: &self.none,
        };
        let (a, c, ended) = (&mut self.a, &mut self.c, self.ended.of_set(set));
        if let (Some(adaptive), Some(of_adaptive)) = (&mut self.adaptive, &self.ended.adaptive) {
            let ended = of_adaptive.of_set(ended, set);
            return adaptive.follow(visits, ended, [a, c], factors, row, [sum_a, sum_c]);
        }
        match &mut self.momentum {
            None => kernels::follow_spikes(a, c, visits, ended, factors, sum_a, sum_c),
            Some(momentum) => {
                momentum.follow(set, (a, c), visits, ended, factors, (sum_a, sum_c));
            }
        }
    }

    /// What the rows of a set's active sources send, from their sums.
    pub(super) fn add_current_of_set(&mut self, set: usize, sum_zt: F, current: &mut [F]) {
        let row = self.row(set);
        let (sum_a, sum_c) = (&self.sum_a[row.clone()], &self.sum_c[row.clone()]);
        let (s, t) = (&self.s[row.clone()], &self.t[row.clone()]);
        if let Some(momentum) = &self.momentum {
            return momentum.add_current(set, (sum_a, sum_c), (s, t), sum_zt, current);
        }
        let scale = self.scales.map(|scales| *scales.of_set(set));
        match scale {
            None => kernels::current_of_factors(sum_a, sum_c, s, t, sum_zt, current),
            Some(p) => {
                kernels::scaled_current_of_factors(p.of(), sum_a, sum_c, s, t, sum_zt, current);
            }
        }
        if let Some(adaptive) = &self.adaptive {
            adaptive.current(scale.unwrap_or(Scale::ONE).of(), row, current);
        }
    }
}
