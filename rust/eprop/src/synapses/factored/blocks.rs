//! Where a base block ends, and how a source that waited catches up with all that it missed.

use super::adaptive::Adaptive;
use super::ended::PATIENCE;
use super::momentum::Momentum;
use super::pending::Pending;
use super::{Factored, NEVER};
use crate::kernels::{self, Silence};
use crate::numbers::aligned::Aligned;
use crate::numbers::interrupt::Pace;
use crate::numbers::kinds::Kinds;
use crate::numbers::lazy::LIMIT;
use crate::numbers::scale::Scale;
use crate::{Error, Float};

/// Whether weights of either kind have learned in the last step and will not in the next: what they have learned is put away before it.
pub(in crate::synapses) fn stops(learned: Kinds<bool>, learning: Kinds<bool>) -> bool {
    learned.inputs && !learning.inputs || learned.neurons && !learning.neurons
}

impl<F: Float> Factored<F> {
    pub(super) fn factors_within(&self) -> bool {
        let limit = F::cast(LIMIT);
        let of_momentum = |momentum: &Momentum<F>| momentum.within(limit);
        [&self.x1, &self.s, &self.t]
            .into_iter()
            .all(|row| kernels::all_within(limit, row))
            && self.momentum.as_ref().is_none_or(of_momentum)
            && self
                .adaptive
                .as_ref()
                .is_none_or(|adaptive| adaptive.within(limit))
    }

    /// Ends the base block, at whose end `alpha` is left of `zt` and `kappa_e` of `C`; whoever has waited too long catches up.
    pub(super) fn end_block(&mut self, alpha: F, kappa_e: F) {
        self.within &= self.factors_within();
        self.fold_pending();
        if kappa_e != F::ONE {
            kernels::scale_row(kappa_e, &mut self.x1);
            if let Some(adaptive) = &mut self.adaptive {
                adaptive.scale(kappa_e);
            }
        }
        let adaptive = self.adaptive.as_ref();
        if let Some(lengths) = &mut self.lengths {
            lengths.end_block(kappa_e, alpha);
        }
        match &mut self.momentum {
            None => self
                .ended
                .push(&self.s, &self.t, &self.x1, kappa_e, alpha, adaptive),
            Some(momentum) => {
                let factors = (&self.s[..], &self.t[..], &self.x1[..]);
                momentum.push(&mut self.ended, factors, kappa_e, alpha);
            }
        }
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.begin_block();
        }
        self.block += 1;
        for row in [&mut self.x1, &mut self.s, &mut self.t, &mut self.y] {
            row.fill(F::ZERO);
        }
        for source in 0..self.seen.len() {
            if self.age(source) == PATIENCE {
                self.catch_up_source(source);
            }
        }
    }

    /// Puts the factors of a pending gradient into its rows, for every source: where a block ends between two updates, which happens only
    /// if steps were predicted, since blocks are whole numbers of rests.
    fn fold_pending(&mut self) {
        if self.pending.as_ref().is_none_or(Pending::is_empty) {
            return;
        }
        // Copies catch up: a row itself does so once, or its weights would be rounded twice.
        let stride = self.stride();
        let mut w = core::mem::take(&mut self.sum_a);
        let mut c = core::mem::take(&mut self.sum_c);
        let mut d = self.take_scratch();
        for source in 0..self.seen.len() {
            if self.seen[source] == NEVER {
                continue;
            }
            let own = self.own(source);
            let zt = self.traces_of(source, &mut w[..stride], &mut c[..stride], &mut d);
            if let Some(pending) = &mut self.pending {
                pending.fold(source, &c[..stride], zt, own, &d);
            }
        }
        (self.sum_a, self.sum_c) = (w, c);
        self.give_scratch(d);
        if let Some(pending) = &mut self.pending {
            pending.clear_factors();
        }
    }

    /// A row for `D`, which takes no memory where thresholds do not move.
    pub(super) fn take_scratch(&mut self) -> Aligned<F> {
        let adaptive = self.adaptive.as_mut();
        adaptive.map_or_else(Aligned::default, Adaptive::take_scratch)
    }

    pub(super) fn give_scratch(&mut self, d: Aligned<F>) {
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.give_scratch(d);
        }
    }

    /// `C` and `D` of a source as they would be if it caught up, and its `zt`; `w`: scratch memory.
    pub(super) fn traces_of(&self, source: usize, w: &mut [F], c: &mut [F], d: &mut [F]) -> F {
        let row = source * self.stride()..(source + 1) * self.stride();
        let (age, zt) = (self.age(source), self.zt[source]);
        c.copy_from_slice(&self.c[row.clone()]);
        if let Some(adaptive) = &self.adaptive {
            d.copy_from_slice(&adaptive.d[row]);
        }
        if age == 0 {
            return zt;
        }
        let set = self.set_of(source);
        if let Some((silence, alpha)) = self.ended.last_adaptive(set, age) {
            kernels::catch_up_adaptive(silence, zt, w, c, d);
            return alpha * zt;
        }
        let (silence, alpha) = self.ended.last(set, age);
        kernels::catch_up(silence, zt, w, c);
        alpha * zt
    }

    pub(super) fn catch_up_source(&mut self, source: usize) {
        let age = self.age(source);
        if age == 0 {
            return;
        }
        let (set, row) = (
            self.set_of(source),
            source * self.stride()..(source + 1) * self.stride(),
        );
        let (silence, alpha) = self.ended.last(set, age);
        let zt = self.zt[source];
        let (a, c) = (&mut self.a[row.clone()], &mut self.c[row.clone()]);
        let left = match (&mut self.adaptive, self.ended.last_adaptive(set, age)) {
            (Some(adaptive), Some((silence, _))) => {
                kernels::catch_up_adaptive(silence, zt, a, c, &mut adaptive.d[row])
            }
            _ => match &mut self.momentum {
                None => kernels::catch_up(silence, zt, a, c),
                Some(momentum) => momentum.catch_up(set, (age, silence), zt, (a, c), row),
            },
        };
        self.zt[source] = (alpha * zt).or_silence();
        self.seen[source] = if left || self.zt[source] != F::ZERO {
            self.block
        } else {
            NEVER
        };
        self.clear_own(source);
    }

    /// A neuron has no synapse to itself: its own places stay 0.
    fn clear_own(&mut self, source: usize) {
        if let Some(j) = self.own(source) {
            let at = source * self.stride() + j;
            self.a[at] = F::ZERO;
            self.c[at] = F::ZERO;
            if let Some(momentum) = &mut self.momentum {
                momentum.k[at] = F::ZERO;
            }
            if let Some(adaptive) = &mut self.adaptive {
                adaptive.d[at] = F::ZERO;
            }
        }
    }

    /// The block so far, to the rows of a set: folded into them it leaves the factors 0.
    pub(super) fn now(&self, set: usize) -> Silence<'_, F> {
        Silence {
            s: &self.s[self.row(set)],
            t: &self.t[self.row(set)],
            x: &self.x1,
            k: F::ONE,
        }
    }

    /// All rows as they are now, factors 0: with the bits that reading shows. Where it is stopped, some rows wait on.
    pub(super) fn fold(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        self.end_block(F::ONE, F::ONE);
        let stride = self.stride();
        (0..self.seen.len()).try_for_each(|source| {
            self.catch_up_source(source);
            pace.pass(stride)
        })?;
        for set in 0..self.sets {
            if let Some(p) = self.scale_mut(set).map(Scale::take).filter(|&p| p != 1.0) {
                self.scale_rows(set, F::cast(p));
            }
        }
        Ok(())
    }
}
