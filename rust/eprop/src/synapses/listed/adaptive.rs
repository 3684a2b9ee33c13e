//! Thresholds that move, membranes that differ, and currents, where synapses are listed: the rows `D` of synapses, beside the factors of neurons that the factored form has, too.

use alloc::vec::Vec;
use core::ops::Range;

use super::super::factored::Adaptive as OfNeurons;
use crate::kernels::{
    self, AdaptiveFoldedRow, AdaptiveListedRows, Entries, FoldedRow, ListedRows, Lists, SUMS,
    StepScales, Visit, WIDE, WIDER,
};
use crate::numbers::aligned::Aligned;
use crate::numbers::room::Room;
use crate::numbers::walk::parts;
use crate::options::Config;
use crate::{Error, Float};

/// A second trace of every synapse, in factors.
#[derive(Debug)]
pub(super) struct Adaptive<F> {
    pub(super) of_neurons: OfNeurons<F>,
    d: Aligned<F>,
    /// Of a second sum, `sum_t c e = H + U zt + V D`; empty without.
    v: Aligned<F>,
    /// `D` of every source where all neurons have the same, those that it reaches or any other: behind a current before membranes that do not differ. Empty elsewhere.
    of_sources: Vec<F>,
    /// A block that ends, as an entry of each set.
    pub(super) block: Aligned<F>,
}

parts!(Adaptive {
    State: [of_neurons, d, v, of_sources],
    Scratch: [block],
});

impl<F: Float> Adaptive<F> {
    /// `None` where one trace of a source is all that its synapses need. `sums_raw`: whether there is a second sum.
    pub(super) fn of(
        room: &mut Room,
        [synapses, p, n]: [usize; 3],
        (sets, stride): (usize, usize),
        (config, sums_raw): (&Config, bool),
    ) -> Result<Option<Self>, Error> {
        let Some(of_neurons) = OfNeurons::of(room, (0, n), (sets, stride), config)? else {
            return Ok(None);
        };
        let is_shared = config.has_own_membranes() && !of_neurons.differs();
        Ok(Some(Self {
            of_sources: room.vec(F::ZERO, if is_shared { p } else { 0 })?,
            of_neurons,
            d: room.zeros(1, synapses)?,
            v: room.zeros(usize::from(sums_raw), stride)?,
            block: room.zeros(sets, lanes(sums_raw) * stride)?,
        }))
    }

    /// Numbers of a neuron in a block.
    pub(super) fn lanes(&self) -> usize {
        lanes(!self.v.is_empty())
    }

    /// Factors of so many sets, all of them 0.
    pub(super) fn regroup(&mut self, rows: [Aligned<F>; 2], block: Aligned<F>) {
        self.of_neurons.regroup(rows);
        self.block = block;
    }

    /// The block so far as what it does to a row; `plain`: `S`, `T`, `X1` and `U`, which may be empty.
    pub(super) fn now(&self, set: Range<usize>, plain: [&[F]; 4], to: &mut [F]) {
        let [s, t, x, u] = plain;
        let ([q, w, p], r) = (self.of_neurons.responses(), self.of_neurons.r(set));
        let lanes = self.lanes();
        for (j, to) in to.chunks_exact_mut(lanes).enumerate() {
            let u = u.get(j).copied().unwrap_or(F::ZERO);
            to[..WIDE].copy_from_slice(&[s[j], t[j], r[j], x[j], q[j], w[j], p[j], u]);
            if let Some(v) = self.v.get(j) {
                to[WIDE] = *v;
            }
        }
    }

    /// A block has ended.
    pub(super) fn begin_block(&mut self) {
        self.of_neurons.begin_block();
        self.v.fill(F::ZERO);
    }

    /// No traces at all.
    pub(super) fn clear(&mut self) {
        self.begin_block();
        self.d.fill(F::ZERO);
        self.of_sources.fill(F::ZERO);
    }

    /// Adds a step's raw e, or each neuron's multiple of it, to the second sum.
    pub(super) fn add_raw(&mut self, multiples: Option<&[F]>, u: &mut [F]) {
        let [ez, ed] = self.of_neurons.raw();
        for (j, (u, v)) in u.iter_mut().zip(self.v.iter_mut()).enumerate() {
            let multiple = multiples.map_or(F::ONE, |of| of[j]);
            *u += multiple * ez[j];
            *v += multiple * ed[j];
        }
    }

    /// A step of the factors of a set, given the responses, which have taken theirs; and what its spikes take from rows, side by side, into `to`.
    pub(super) fn step_set(
        &mut self,
        scales: StepScales<F>,
        learned: [&[F]; 2],
        (x1, u): (&[F], &[F]),
        set: Range<usize>,
        ([s, t, y], to): ([&mut [F]; 3], &mut [F]),
    ) {
        let of_neurons = &mut self.of_neurons;
        of_neurons.step_set(scales, learned, x1, set, [s, t, &mut *y]);
        let [f, x2] = of_neurons.of_spikes();
        kernels::interleave_adaptive(f, x2, y, [u, &self.v], to);
    }

    /// The spikes of a set, of weights that take every step: their sums, and what they add to the current.
    pub(super) fn follow(
        &mut self,
        (lists, visits): (Lists<'_>, &[Visit<F>]),
        (entries, left): (Entries<'_, F>, &[F]),
        factors: &[F],
        pairs: &mut [[F; 2]],
        sums: &mut [F],
    ) {
        sums.fill(F::ZERO);
        let (d, h) = (&mut self.d[..], &mut [][..]);
        let rows = AdaptiveListedRows { pairs, d, h };
        kernels::follow_listed_adaptive(lists, visits, entries, left, factors, rows, sums);
    }

    /// What the sums of a set add to the current.
    pub(super) fn add_current(
        &self,
        sums: &[F],
        [s, t]: [&[F]; 2],
        set: Range<usize>,
        current: &mut [F],
    ) {
        let r = self.of_neurons.r(set);
        kernels::current_of_listed_adaptive(sums, [s, t, r], current);
    }

    /// The spikes of a step, of weights that rest.
    pub(super) fn follow_resting(
        &mut self,
        (lists, visits): (Lists<'_>, &[Visit<F>]),
        entries: Entries<'_, F>,
        (factors, w): (&[F], &[F]),
        rows: ListedRows<'_, F>,
        current: &mut [F],
    ) {
        let (ListedRows { pairs, h }, d) = (rows, &mut self.d[..]);
        let rows = AdaptiveListedRows { pairs, d, h };
        let follow = match self.v.is_empty() {
            true => kernels::follow_resting_adaptive::<F, WIDE>,
            false => kernels::follow_resting_adaptive::<F, WIDER>,
        };
        follow(lists, visits, entries, factors, w, rows, current);
    }

    /// The spikes of a step, to what sources have alike in all neurons.
    pub(super) fn follow_alike(&mut self, visits: &[Visit<F>], entries: Entries<'_, F>) {
        if self.of_sources.is_empty() {
            return;
        }
        let [_, x2] = self.of_neurons.of_spikes();
        for visit in visits {
            let d = &mut self.of_sources[visit.source as usize];
            if let Some((waited, _)) = entries.of(visit.age) {
                *d = carried(waited, *d, visit.zt);
            }
            *d -= visit.shift * x2[0];
        }
    }

    /// A source catches up in what it has alike in all neurons. Whether anything is left of it.
    pub(super) fn catch_up_alike(&mut self, source: usize, waited: &[F], zt: F) -> bool {
        let Some(d) = self.of_sources.get_mut(source) else {
            return false;
        };
        *d = carried(waited, *d, zt).or_silence();
        *d != F::ZERO
    }

    /// `z_bar` of a source after a step, where all neurons have the same, and `down`, which is `alpha^u`. `waited`: what ended blocks have done to it, and what they left of `zt`.
    pub(super) fn z_bar(&self, source: usize, down: F, zt: F, waited: Option<(&[F], F)>) -> F {
        let d = self.of_sources.get(source).copied().unwrap_or(F::ZERO);
        let (zt, d) = match waited {
            None => (zt, d),
            Some((of_neurons, left)) => (left * zt, carried(of_neurons, d, zt)),
        };
        self.of_neurons.z_bar(0, down, zt, d)
    }

    /// The same where neurons differ, of each that the source reaches; `to`: a place for every neuron.
    pub(super) fn z_bars(
        &self,
        (targets, row): (&[u32], Range<usize>),
        (down, zt): (F, F),
        waited: Option<(&[F], F)>,
        to: &mut [F],
    ) {
        let lanes = self.lanes();
        for (&j, &d) in targets.iter().zip(&self.d[row]) {
            let j = j as usize;
            let (zt, d) = match waited {
                None => (zt, d),
                Some((of_neurons, left)) => (left * zt, carried(&of_neurons[lanes * j..], d, zt)),
            };
            to[j] = self.of_neurons.z_bar(j, down, zt, d).or_silence();
        }
    }

    /// A source's synapses catch up with ended blocks. Whether anything is left of their traces.
    pub(super) fn catch_up(
        &mut self,
        (targets, row): (&[u32], Range<usize>),
        waited: (&[F], F),
        (zt, sign): (F, F),
        rows: ListedRows<'_, F>,
    ) -> bool {
        let (ListedRows { pairs, h }, d) = (rows, &mut self.d[row]);
        let rows = AdaptiveListedRows { pairs, d, h };
        let catch_up = match self.v.is_empty() {
            true => kernels::catch_up_listed_adaptive::<F, WIDE>,
            false => kernels::catch_up_listed_adaptive::<F, WIDER>,
        };
        catch_up(waited, zt, sign, targets, rows)
    }

    /// As [`kernels::unfold_listed`].
    pub(super) fn unfold(
        &self,
        plain: FoldedRow<'_, F>,
        row: Range<usize>,
        to_a: &mut [F],
        to_c: &mut [F],
    ) {
        let folded = AdaptiveFoldedRow {
            targets: plain.targets,
            pairs: plain.pairs,
            d: &self.d[row],
            zt: plain.zt,
            waited: plain.waited,
            now: plain.now,
        };
        match self.v.is_empty() {
            true => kernels::unfold_listed_adaptive::<F, WIDE>(folded, to_a, to_c),
            false => kernels::unfold_listed_adaptive::<F, WIDER>(folded, to_a, to_c),
        }
    }

    /// `D` of a source's synapses, in the order of its list.
    pub(super) fn rows(&self, row: Range<usize>) -> &[F] {
        &self.d[row]
    }
}

/// `D` after ended blocks, whose numbers of the neuron these begin with: `p D + w zt`.
fn carried<F: Float>(of_neuron: &[F], d: F, zt: F) -> F {
    of_neuron[6] * d + of_neuron[5] * zt
}

/// Numbers of a neuron in a block; `sums_raw`: with those of a second sum.
pub(super) fn lanes(sums_raw: bool) -> usize {
    match sums_raw {
        true => WIDER,
        false => WIDE,
    }
}

/// Numbers of a neuron in the sums of a step.
pub(super) const SUMS_OF_NEURON: usize = SUMS;
