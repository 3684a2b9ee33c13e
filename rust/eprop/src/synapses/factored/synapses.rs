//! What a form of the synapses does, in factors.

use core::ops::Range;

use ndarray::ArrayView2;

use super::adaptive::Adaptive;
use super::lengths::Lengths;
use super::momentum::Momentum;
use super::{Factored, NEVER, stops};
use crate::kernels::{self, StepScales};
use crate::numbers::aligned::Aligned;
use crate::numbers::interrupt::{Interrupt, Pace};
use crate::numbers::kinds::Kinds;
use crate::numbers::lazy::LIMIT;
use crate::numbers::parameter::Parameter;
use crate::numbers::room::Room;
use crate::numbers::shared::Shared;
use crate::numbers::step::Step;
use crate::parts::signal::Signal;
use crate::parts::sources::Sources;
use crate::synapses::{Present, See, Synapses, What, assign_rows, by_columns};
use crate::{Error, Float};

impl<F: Float> Synapses<F> for Factored<F> {
    /// A spike leaves `A - S C - T zt` what it was, but for rounding. So the factors of what was learned are put away before a step
    /// that does not learn: to a row that is a block in which nothing decays.
    fn drive(&mut self, sources: &Sources<'_, F>, learning: Kinds<bool>, current: &mut [F]) {
        if stops(self.learned, learning) {
            self.end_block(F::ONE, F::ONE);
        }
        self.learned = learning.map(|learning| learning && self.pending.is_none());
        if self.steps > 0 && self.steps % self.powers.len() as u64 == 0 {
            self.end_block(self.powers.alpha_block, self.powers.kappa_block);
        }
        self.steps += 1;
        current.fill(F::ZERO);
        let (sum_zt, of_first) = self.list(sources, current);
        let visits = core::mem::take(&mut self.visits);
        let (first, rest) = visits.split_at(of_first);
        for (set, visits) in [first, rest][..self.sets].iter().copied().enumerate() {
            self.follow_set(set, visits);
            if !visits.is_empty() {
                self.add_current_of_set(set, sum_zt[set], current);
            }
        }
        if let Some(pending) = &mut self.pending {
            for visit in &visits {
                let source = visit.source as usize;
                pending.follow(source, visit.shift, source.checked_sub(self.n_inputs));
            }
        }
        self.visits = visits;
    }

    fn learn(
        &mut self,
        _: &Sources<'_, F>,
        psi: &[F],
        signal: Option<Signal<'_, F>>,
        at_once: Option<Kinds<Step<'_, F>>>,
    ) {
        let u = self.u();
        let scales = StepScales {
            alpha: self.powers.alpha_down[u],
            grow: self.filters.zeta_e * self.powers.kappa_up[u],
            learn: self.powers.kappa_down[u],
            // A gradient that waits has no learning rate yet.
            eta: F::ONE,
        };
        if self.lengths.as_ref().is_some_and(Lengths::is_due) {
            // Nothing has asked for the length of this step, but sums go on.
            self.step_lengths(psi, psi);
        }
        let l = signal.map_or(&[][..], |signal| signal.l);
        let r = signal.and_then(|signal| signal.r).unwrap_or(&[]);
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.step_responses(scales, psi, &mut self.x1);
            if let Some(pending) = &mut self.pending {
                return pending.learn_adaptive(scales, &self.x1, l, r, adaptive);
            }
        }
        if let Some(pending) = &mut self.pending {
            // The factors of the weights are 0 between updates, and so is what a spike takes from them.
            return pending.learn(scales, &mut self.x1, psi, l, r);
        }
        let at_once = at_once.map(|steps| [steps.inputs, steps.neurons]);
        if self.momentum.is_some() {
            let steps = at_once.map(|steps| steps.map(Step::momentum));
            return self.step_momentum(steps.unwrap_or([None; 2]), scales, psi, (l, r));
        }
        let mut of_sets = [scales; 2];
        for (set, of_set) in of_sets[..self.sets].iter_mut().enumerate() {
            let step = at_once.and_then(|steps| steps[set].multiples());
            let (mut eta, keep) = step.unwrap_or((F::ZERO, 1.0));
            if self.scales.is_some() {
                self.decay(set, keep);
                eta *= self.scale(set).inverse();
            }
            of_set.learn = eta * scales.learn;
            of_set.eta = eta;
        }
        self.step_sets(of_sets, psi, l, r);
    }

    fn length_of_step(&mut self, psi: &[F], l: &[F]) -> Kinds<f64> {
        let kappa = self.powers.kappa_down[self.u()].to_f64();
        let squared = self.step_lengths(psi, l);
        squared.map(|squared| kappa * kappa * squared)
    }

    /// Of `G + S C + T zt`: the sums know the length of the factors' part, and only sources that fired since the last update have a row `G`.
    fn length(&mut self, pace: &mut Pace<'_>) -> Result<Kinds<f64>, Error> {
        let mut w = core::mem::take(&mut self.sum_a);
        let mut c = core::mem::take(&mut self.sum_c);
        let mut d = self.take_scratch();
        let squared = self.length_with([&mut w, &mut c, &mut d], pace);
        (self.sum_a, self.sum_c) = (w, c);
        self.give_scratch(d);
        squared
    }

    /// Hands the factors of the pending gradient to the weights, takes a step down its rows, and puts the factors away, so that weights rest
    /// to the bit until the next update. Where every gradient was applied with its step there is nothing to do.
    fn update(&mut self, _: Option<&[F]>, steps: Kinds<Step<'_, F>>) {
        // The plan gives other optimizers other forms.
        if self.pending.is_none() {
            return;
        }
        if self.momentum.is_some() {
            return self.update_with_momentum([steps.inputs, steps.neurons]);
        }
        let mut eta = [F::ZERO; 2];
        for (set, step) in [steps.inputs, steps.neurons][..self.sets]
            .iter()
            .enumerate()
        {
            let Some((of_set, keep)) = step.multiples() else {
                return;
            };
            self.decay(set, keep);
            eta[set] = of_set * self.scale(set).inverse();
        }
        let last = self.sets - 1;
        let Some(pending) = &mut self.pending else {
            return;
        };
        let limit = F::cast(LIMIT);
        let stride = pending.s.len();
        self.within &= pending.within(limit);
        for (set, &eta) in eta[..=last].iter().enumerate() {
            self.within &= eta <= limit;
            let row = set * stride..(set + 1) * stride;
            kernels::add_row(eta, &pending.s, &mut self.s[row.clone()]);
            kernels::add_row(eta, &pending.t, &mut self.t[row.clone()]);
            if let (Some(adaptive), Some(r)) = (&mut self.adaptive, &pending.r) {
                kernels::add_row(eta, r, adaptive.r_mut(row));
            }
        }
        pending.clear_factors();
        let n_inputs = self.n_inputs;
        let set_of = |source| if source < n_inputs { 0 } else { last };
        pending.descend(|source| eta[set_of(source)], &mut self.a);
        self.end_block(F::ONE, F::ONE);
    }

    /// Weights in the factors of one stream are never those of several.
    fn collect(&mut self, _: Option<&[F]>, _: &mut [F]) {}

    fn take_back(&mut self, _: &mut Aligned<F>) {}

    fn read(
        &self,
        what: What,
        sources: Range<usize>,
        pace: &mut Pace<'_>,
        see: See<'_, F>,
    ) -> Result<(), Error> {
        let mut reading = self.reading()?;
        for source in sources {
            self.read_source(source, &mut reading);
            let row = match what {
                What::Weight => &reading.w,
                What::Eligibility => &reading.e_bar,
            };
            see(source, &row[..self.n])?;
            pace.pass(self.n)?;
        }
        Ok(())
    }

    fn present(&self) -> Result<Present<F>, Error> {
        self.present_rows()
    }

    fn send(&self, sources: &Sources<'_, F>, present: &mut Present<F>, current: &mut [F]) {
        self.send_present(sources, present, current);
    }

    fn assign(
        &mut self,
        first_source: usize,
        w: ArrayView2<'_, F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        self.fold(pace)?;
        let stride = self.stride();
        if let Some(momentum) = &mut self.momentum {
            momentum.heal(first_source..first_source + w.ncols());
        }
        assign_rows(&mut self.a, stride, first_source, w, pace)
    }

    fn take(
        &mut self,
        first_source: usize,
        g: ArrayView2<'_, F>,
        step: Step<'_, F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        self.fold(pace)?;
        if let (Some(step), Some(momentum)) = (step.momentum(), &mut self.momentum) {
            let stride = self.x1.len();
            for source in first_source..first_source + g.ncols() {
                // Something is left of its K from now on.
                if self.seen[source] == NEVER {
                    self.seen[source] = self.block;
                }
            }
            self.within = false;
            return by_columns(g, pace, |source, j, g| {
                let at = (first_source + source) * stride + j;
                Momentum::take_one(step, g, &mut self.a[at], &mut momentum.k[at]);
            });
        }
        let (eta, keep) = step.multiples().unwrap_or((F::ZERO, 1.0));
        let shrink = F::cast(1.0 - keep);
        let stride = self.x1.len();
        let rows = &mut self.a[first_source * stride..];
        self.within = false;
        by_columns(g, pace, |source, j, g| {
            let w = &mut rows[source * stride + j];
            *w -= eta * g + shrink * *w;
        })
    }

    fn first_rows(&mut self) -> &mut [F] {
        &mut self.a
    }

    fn z_bar(&self, see: &mut dyn FnMut(F)) {
        if self.adaptive.as_ref().is_some_and(Adaptive::differs) {
            return;
        }
        for source in 0..self.zt.len() {
            // A neuron's own source has no synapse to it.
            let any = usize::from(self.own(source) == Some(0));
            see(self.z_bar_in(any, source).or_silence());
        }
    }

    fn z_bar_rows(&self, pace: &mut Pace<'_>, see: See<'_, F>) -> Result<(), Error> {
        let mut row = Room::build(
            || "reading the synapses".into(),
            |room| room.zeros(1, self.n),
        )?;
        for source in 0..self.zt.len() {
            for (j, z_bar) in row.iter_mut().enumerate() {
                *z_bar = match self.own(source) == Some(j) {
                    true => F::ZERO,
                    false => self.z_bar_in(j, source).or_silence(),
                };
            }
            see(source, &row)?;
            pace.pass(self.n)?;
        }
        Ok(())
    }

    /// Within the limit, `|S C|` and `|T zt|` are at most 1e9 times numbers that are themselves sums of at most 1e18: an update cannot have
    /// made a finite weight infinite.
    fn finite(&mut self) -> bool {
        if self.within && self.factors_within() {
            return true;
        }
        let mut finite = true;
        let all = 0..self.seen.len();
        let nobody = &mut Interrupt::NOBODY.pace();
        let looked = self.read(What::Weight, all, nobody, &mut |_, w| {
            finite &= kernels::all_finite(w);
            Ok(())
        });
        let limit = F::cast(LIMIT);
        let of_momentum = |momentum: &Momentum<F>| kernels::all_within(limit, &momentum.k);
        self.within = looked.is_ok()
            && finite
            && kernels::all_within(limit, &self.zt)
            && self.momentum.as_ref().is_none_or(of_momentum);
        finite
    }

    /// To a row, a reset is a block that leaves nothing of its traces; it takes note when it next catches up.
    fn reset(&mut self) {
        if let Some(pending) = &mut self.pending {
            pending.clear();
        }
        if self.steps > 0 {
            self.x1.fill(F::ZERO);
            if let Some(adaptive) = &mut self.adaptive {
                adaptive.forget();
            }
            self.end_block(F::ZERO, F::ZERO);
        }
        if let Some(lengths) = &mut self.lengths {
            lengths.clear();
        }
        self.steps = 0;
        self.learned = Kinds::same(false);
    }

    fn parameter(&mut self) -> Option<&mut Parameter<F>> {
        None
    }

    fn shared(&self) -> Option<Shared<F>> {
        None
    }

    fn changed(&mut self, _: bool) {}

    /// Rows as they are, whoever waited and for however long.
    fn catch_up(&mut self) {
        for source in 0..self.seen.len() {
            self.catch_up_source(source);
            self.seen[source] = if self.seen[source] == NEVER { NEVER } else { 0 };
        }
        self.ended.clear();
        if let Some(momentum) = &mut self.momentum {
            momentum.forget();
        }
        self.block = 0;
    }
}
