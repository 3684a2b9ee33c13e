//! What the active sources of a step send, and what they leave in their rows.

use super::{Listed, NEVER};
use crate::Float;
use crate::kernels::{self, LANES, ListedRows, RowsOfPart, Visit};
use crate::numbers::lazy::LIMIT;
use crate::numbers::parallel::{each, share};
use crate::parts::sources::Sources;

impl<F: Float> Listed<F> {
    /// Lists a step's active sources, and moves their `zt`. Returns how many of them are of the first set.
    pub(super) fn list(&mut self, sources: &Sources<'_, F>) -> usize {
        let up = self.powers.alpha_up[self.steps_of_block()] * self.filters.zeta;
        let (limit, block, n_inputs, sets) = (F::cast(LIMIT), self.block, self.n_inputs, self.sets);
        let (zt, seen, left) = (&mut self.zt[..], &mut self.seen[..], &self.ended.a[..]);
        let (visits, within) = (&mut self.visits, &mut self.within);
        let mut of_first = 0;
        visits.clear();
        sources.all().for_each(|(source, value)| {
            let at = source as usize;
            let age = match seen[at] {
                NEVER => 0,
                seen => (block - seen) as u32,
            };
            let before = zt[at];
            let caught_up = match age {
                0 => before,
                age => left[age as usize - 1] * before,
            };
            let shift = up * value;
            of_first += usize::from(sets == 1 || at < n_inputs);
            visits.push(Visit {
                source,
                age,
                value,
                shift,
                zt: before,
                own: usize::MAX,
            });
            zt[at] = caught_up + shift;
            *within &= zt[at].abs() <= limit;
            seen[at] = block;
        });
        of_first
    }

    /// What the visits send, of weights that take every step, and what they leave. Each part of the neurons goes along all visits, so that every sum has their order.
    pub(super) fn follow(&mut self, of_first: usize, current: &mut [F]) {
        let (stride, share) = (self.stride, share(self.stride));
        let (first, rest) = self.visits.split_at(of_first);
        let visits = [first, rest];
        for (summed, visits) in self.summed.iter_mut().zip(visits).take(self.sets) {
            *summed = !visits.is_empty();
        }
        let rows = ListedRows {
            pairs: &mut self.w.pairs,
            h: &mut [],
        };
        let rows = RowsOfPart::of(self.wires.lists(), rows, stride, share);
        let (sums, sums_of_last) = self.sums.split_at_mut(LANES * stride);
        let last = sums_of_last.chunks_mut(LANES * share);
        let last = last.chain(core::iter::repeat_with(|| &mut [][..]));
        let sums = sums.chunks_mut(LANES * share).zip(last);
        let parts = current.chunks_mut(share).zip(rows).zip(sums);
        let (sets, ended, s, t, factors) =
            (self.sets, &self.ended, &self.s, &self.t, &self.factors);
        each(
            parts.enumerate(),
            |(at, ((current, mut rows), (first, last)))| {
                current.fill(F::ZERO);
                for (set, sums) in [first, last].into_iter().take(sets).enumerate() {
                    if visits[set].is_empty() {
                        continue;
                    }
                    sums.fill(F::ZERO);
                    let lanes = set * LANES * stride..(set + 1) * LANES * stride;
                    let here = set * stride + at * share..set * stride + at * share + current.len();
                    let (entries, factors) = (ended.of_set(set), &factors[lanes]);
                    kernels::follow_listed(
                        visits[set],
                        entries,
                        &ended.a,
                        factors,
                        &mut rows,
                        sums,
                    );
                    kernels::current_of_listed(sums, &s[here.clone()], &t[here], current);
                }
            },
        );
    }

    /// The same of weights that rest.
    pub(super) fn follow_resting(&mut self, current: &mut [F]) {
        let share = share(self.stride);
        let rows = ListedRows {
            pairs: &mut self.w.pairs,
            h: &mut self.h,
        };
        let rows = RowsOfPart::of(self.wires.lists(), rows, self.stride, share);
        let (visits, entries, w) = (&self.visits, self.ended.of_set(0), &self.w.rows);
        let parts = current
            .chunks_mut(share)
            .zip(self.factors.chunks_mut(LANES * share));
        each(parts.zip(rows), |((current, factors), mut rows)| {
            kernels::follow_resting(visits, entries, factors, w, &mut rows, current);
        });
    }

    /// As [`follow`](Self::follow), where a source has a second trace in each neuron.
    pub(super) fn follow_adaptive(&mut self, of_first: usize, current: &mut [F]) {
        current.fill(F::ZERO);
        let lists = self.wires.lists();
        let (first, rest) = self.visits.split_at(of_first);
        for (set, visits) in [first, rest][..self.sets].iter().copied().enumerate() {
            self.summed[set] = !visits.is_empty();
            let of_sums = self.sums_of(set);
            let Some(adaptive) = self.adaptive.as_mut().filter(|_| !visits.is_empty()) else {
                continue;
            };
            let sums = &mut self.sums[of_sums];
            let factors = &self.factors[LANES * set * self.stride..LANES * (set + 1) * self.stride];
            let (entries, left) = (self.ended.of_set(set), &self.ended.a);
            let row = set * self.stride..(set + 1) * self.stride;
            let of_set = [&self.s[row.clone()], &self.t[row.clone()]];
            adaptive.follow_alike(visits, entries);
            let pairs = &mut self.w.pairs;
            adaptive.follow((lists, visits), (entries, left), factors, pairs, sums);
            adaptive.add_current(sums, of_set, row, current);
        }
    }

    /// The same of weights that rest.
    pub(super) fn follow_adaptive_resting(&mut self, current: &mut [F]) {
        current.fill(F::ZERO);
        let Some(adaptive) = &mut self.adaptive else {
            return;
        };
        let (lists, visits) = (self.wires.lists(), &self.visits[..]);
        let (entries, w) = (self.ended.of_set(0), &self.w.rows);
        adaptive.follow_alike(visits, entries);
        let rows = ListedRows {
            pairs: &mut self.w.pairs,
            h: &mut self.h,
        };
        adaptive.follow_resting((lists, visits), entries, (&self.factors, w), rows, current);
    }
}
