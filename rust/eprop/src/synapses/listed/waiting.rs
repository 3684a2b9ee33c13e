//! Sources that have waited while blocks ended, and how they catch up.

use core::ops::Range;

use super::{Ages, Listed, NEVER};
use crate::kernels::{self, ListedRow, ListedRows};
use crate::numbers::interrupt::{Interrupt, Pace};
use crate::numbers::parallel::{each, share};
use crate::numbers::wires::Wires;
use crate::{Error, Float};

/// Synapses that catch up between two questions whether to stop, as a rule.
const PIECE: usize = 1 << 18;

impl<F: Float> Listed<F> {
    /// Some sources catch up, of those that have waited for so many blocks or more.
    pub(super) fn catch_up_sources(&mut self, sources: Range<usize>, at_least: usize) {
        if self.adaptive.is_some() {
            return sources.for_each(|source| self.catch_up_adaptive(source, at_least));
        }
        let sign = self.sign();
        let row = self.wires.lists().starts[sources.start]..self.wires.lists().starts[sources.end];
        let h: &mut [F] = match self.h.is_empty() {
            true => &mut [],
            false => &mut self.h[row.clone()],
        };
        let all = Waiting {
            sources: sources.clone(),
            zt: &mut self.zt[sources.clone()],
            seen: &mut self.seen[sources],
            rows: ListedRows {
                pairs: &mut self.w.pairs[row],
                h,
            },
        };
        let missed = Missed {
            ended: &self.ended,
            block: self.block,
            sign,
            n_inputs: self.n_inputs,
            last_set: self.sets - 1,
        };
        let wires = &self.wires;
        let share = share(all.seen.len());
        each(all.in_parts(wires, share), |part| {
            part.catch_up(wires, &missed, at_least)
        });
    }

    /// As [`catch_up_sources`](Self::catch_up_sources), of a source that has a second trace in each neuron.
    fn catch_up_adaptive(&mut self, source: usize, at_least: usize) {
        let (age, row) = (self.age(source), self.row(source));
        let (set, sign) = (self.set_of(source), self.sign());
        let Some(adaptive) = self.adaptive.as_mut().filter(|_| age >= at_least.max(1)) else {
            return;
        };
        let (of_neurons, k, alpha) = self.ended.last(set, age);
        let zt = self.zt[source];
        let h: &mut [F] = match self.h.is_empty() {
            true => &mut [],
            false => &mut self.h[row.clone()],
        };
        let targets = self.wires.targets(source);
        let pairs = &mut self.w.pairs[row.clone()];
        let rows = ListedRows { pairs, h };
        let left = adaptive.catch_up((targets, row), (of_neurons, k), (zt, sign), rows);
        let left = adaptive.catch_up_alike(source, of_neurons, zt) || left;
        self.zt[source] = (alpha * zt).or_silence();
        self.seen[source] = if left || self.zt[source] != F::ZERO {
            self.block
        } else {
            NEVER
        };
    }

    /// All rows as they are now, factors 0. Where it is stopped, some rows wait on.
    pub(super) fn fold(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        if self.folded {
            return Ok(());
        }
        self.end_block(F::ONE, F::ONE);
        let mut from = 0;
        while from < self.seen.len() {
            let (until, passed) = self.piece(from);
            self.catch_up_sources(from..until, 1);
            pace.pass(passed)?;
            from = until;
        }
        self.folded = true;
        Ok(())
    }

    /// Sources from one on that have [`PIECE`] synapses, or are the last: where they end, and how many synapses they have.
    fn piece(&self, from: usize) -> (usize, usize) {
        let starts = self.wires.lists().starts;
        let ends = &starts[from + 1..];
        let until = from + 1 + ends.partition_point(|&end| end < starts[from] + PIECE);
        let until = until.min(self.seen.len());
        (until, starts[until] - starts[from])
    }

    pub(super) fn fold_unasked(&mut self) {
        _ = self.fold(&mut Interrupt::NOBODY.pace());
    }
}

/// Sources in a row, and what they have.
struct Waiting<'a, F> {
    sources: Range<usize>,
    zt: &'a mut [F],
    seen: &'a mut [u64],
    rows: ListedRows<'a, F>,
}

/// What sources missed while they waited.
struct Missed<'a, F> {
    ended: &'a Ages<F>,
    block: u64,
    /// -1 of weights that lose `S C + T zt`, 1 of a gradient that gains it.
    sign: F,
    n_inputs: usize,
    last_set: usize,
}

impl<F: Float> Missed<'_, F> {
    /// What a source has missed that was last seen in this block, if that is as much as asked for: as [`Ages::last`].
    fn by(&self, source: usize, seen: u64, at_least: usize) -> Option<(&[F], F, F)> {
        let age = match seen {
            NEVER => 0,
            seen => (self.block - seen) as usize,
        };
        let set = match source < self.n_inputs {
            true => 0,
            false => self.last_set,
        };
        (age >= at_least.max(1)).then(|| self.ended.last(set, age))
    }
}

impl<'a, F: Float> Waiting<'a, F> {
    /// The same, of every `share` sources.
    fn in_parts(self, wires: &'a Wires, share: usize) -> impl Iterator<Item = Self> {
        let mut rest = self;
        core::iter::from_fn(move || (!rest.seen.is_empty()).then(|| rest.take(wires, share)))
    }

    /// The first so many, or all.
    fn take(&mut self, wires: &Wires, share: usize) -> Self {
        let Range { start, end } = self.sources;
        let until = end.min(start + share);
        let synapses = wires.count(start..until);
        self.sources = until..end;
        Self {
            sources: start..until,
            zt: first_of(&mut self.zt, until - start),
            seen: first_of(&mut self.seen, until - start),
            rows: ListedRows {
                pairs: first_of(&mut self.rows.pairs, synapses),
                h: first_of(&mut self.rows.h, synapses),
            },
        }
    }

    fn catch_up(self, wires: &Wires, missed: &Missed<'_, F>, at_least: usize) {
        let ListedRows { mut pairs, mut h } = self.rows;
        for (at, source) in self.sources.enumerate() {
            let targets = wires.targets(source);
            let pairs = first_of(&mut pairs, targets.len());
            let h = first_of(&mut h, targets.len());
            let Some((of_neurons, k, alpha)) = missed.by(source, self.seen[at], at_least) else {
                continue;
            };
            let zt = &mut self.zt[at];
            let row = ListedRow {
                targets,
                rows: ListedRows { pairs, h },
            };
            let left = kernels::catch_up_listed((of_neurons, k), *zt, missed.sign, row);
            *zt = (alpha * *zt).or_silence();
            self.seen[at] = if left || *zt != F::ZERO {
                missed.block
            } else {
                NEVER
            };
        }
    }
}

/// Takes the first so many numbers out of a slice, or as many as there are.
fn first_of<'a, T>(slice: &mut &'a mut [T], n: usize) -> &'a mut [T] {
    let n = n.min(slice.len());
    let (first, rest) = core::mem::take(slice).split_at_mut(n);
    *slice = rest;
    first
}
