//! What a form of the synapses does, in factors, where synapses are listed.

use core::ops::Range;

use ndarray::ArrayView2;

use super::Listed;
use crate::kernels::{self, StepScales};
use crate::numbers::aligned::Aligned;
use crate::numbers::gradient::{Late, squared_length};
use crate::numbers::interrupt::{Interrupt, Pace};
use crate::numbers::kinds::Kinds;
use crate::numbers::lazy::LIMIT;
use crate::numbers::memory::vec_for;
use crate::numbers::parallel;
use crate::numbers::parameter::Parameter;
use crate::numbers::room::Room;
use crate::numbers::shared::Shared;
use crate::numbers::step::Step;
use crate::parts::signal::Signal;
use crate::parts::sources::Sources;
use crate::synapses::factored::{NEVER, stops};
use crate::synapses::{Present, See, Synapses, What, lists, squared_lengths};
use crate::{Error, Float};

impl<F: Float> Synapses<F> for Listed<F> {
    fn drive(&mut self, sources: &Sources<'_, F>, learning: Kinds<bool>, current: &mut [F]) {
        if self.at_once {
            if stops(self.learned, learning) {
                self.end_block(F::ONE, F::ONE);
            }
            self.learned = learning;
        }
        if self.steps > 0 && self.steps % self.powers.len() as u64 == 0 {
            self.end_block(self.powers.alpha_block, self.powers.kappa_block);
        }
        self.steps += 1;
        self.folded = false;
        let of_first = self.list(sources);
        if let Some(lengths) = &mut self.lengths {
            lengths.due = true;
        }
        match (self.adaptive.is_some(), self.at_once) {
            (true, true) => self.follow_adaptive(of_first, current),
            (true, false) => self.follow_adaptive_resting(current),
            (false, true) => self.follow(of_first, current),
            (false, false) => self.follow_resting(current),
        }
    }

    fn learn(
        &mut self,
        _: &Sources<'_, F>,
        psi: &[F],
        signal: Option<Signal<'_, F>>,
        at_once: Option<Kinds<Step<'_, F>>>,
    ) {
        if self.lengths.as_ref().is_some_and(|lengths| lengths.due) {
            // Nothing has asked for the length of this step, but sums go on.
            self.step_lengths(psi, psi);
        }
        let u = self.steps_of_block();
        let scales = StepScales {
            alpha: self.powers.alpha_down[u],
            grow: self.filters.zeta_e * self.powers.kappa_up[u],
            learn: self.powers.kappa_down[u],
            // A gradient that waits has no learning rate yet.
            eta: F::ONE,
        };
        let l = signal.map_or(&[][..], |signal| signal.l);
        let mut r = signal.and_then(|signal| signal.r);
        if let Some(adaptive) = &mut self.adaptive {
            adaptive
                .of_neurons
                .step_responses(scales, psi, &mut self.x1);
        }
        if !self.at_once {
            self.w.waits |= signal.is_some();
            let of_stream = r.take_if(|_| self.of_stream);
            let sums_raw = signal.is_some() && !self.u.is_empty();
            if let (Some(adaptive), true) = (&mut self.adaptive, sums_raw) {
                adaptive.add_raw(of_stream, &mut self.u);
            } else if sums_raw {
                for (j, u) in self.u.iter_mut().enumerate() {
                    let of_raw = of_stream.map_or(F::ONE, |r| r[j]);
                    *u += of_raw * psi[j] * scales.alpha;
                }
            }
            return self.step_sets([scales; 2], psi, l, r.unwrap_or(&[]));
        }
        let steps = at_once.and_then(Kinds::linear);
        let etas = steps.map_or([F::ZERO; 2], |eta| [eta.inputs, eta.neurons]);
        let of_sets = etas.map(|eta| StepScales {
            learn: eta * scales.learn,
            eta,
            ..scales
        });
        self.step_sets(of_sets, psi, l, r.unwrap_or(&[]));
    }

    fn length_of_step(&mut self, psi: &[F], l: &[F]) -> Kinds<f64> {
        let kappa = self.powers.kappa_down[self.steps_of_block()].to_f64();
        let squared = self.step_lengths(psi, l);
        squared.map(|squared| (kappa * kappa * squared).max(0.0))
    }

    /// Folds a gradient that waits.
    fn settle(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        match self.at_once {
            true => Ok(()),
            false => self.fold(pace),
        }
    }

    fn length(&mut self, pace: &mut Pace<'_>) -> Result<Kinds<f64>, Error> {
        self.settle(pace)?;
        match self.w.waits {
            true => squared_lengths(self.w.gradient(), self.cut(), pace),
            false => Ok(Kinds::same(0.0)),
        }
    }

    fn update(&mut self, r: Option<&[F]>, steps: Kinds<Step<'_, F>>) {
        if self.at_once || !self.w.waits && steps.linear().is_some() {
            return;
        }
        self.fold_unasked();
        let steps = steps.split(self.cut());
        let (w, late) = self.whole(r);
        let finite = w.update_with(steps, late);
        self.finite &= finite;
    }

    fn collect(&mut self, r: Option<&[F]>, sum: &mut [F]) {
        _ = self.collect_until(r, sum, &mut Interrupt::NOBODY.pace());
    }

    fn collect_until(
        &mut self,
        r: Option<&[F]>,
        sum: &mut [F],
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        if self.at_once || !self.w.waits {
            return Ok(());
        }
        self.fold(pace)?;
        let (sum, of_regulariser) = sum.split_at_mut(self.w.pairs.len());
        if self.apart {
            self.add_regulariser(r, of_regulariser);
            self.w.add_pairs(Late::none(), sum);
        } else {
            let (w, late) = self.whole(r);
            w.add_pairs(late, sum);
        }
        Ok(())
    }

    fn whole_length(&mut self, r: Option<&[F]>, pace: &mut Pace<'_>) -> Result<f64, Error> {
        self.settle(pace)?;
        if !self.w.waits {
            return Ok(0.0);
        }
        let has_part = !self.h.is_empty() && (r.is_some() || self.of_stream);
        let by = r.map(|r| (r, self.w.neurons()));
        let late = has_part.then_some((&*self.h, by));
        squared_length(self.w.gradient(), late, pace)
    }

    fn take_back(&mut self, sum: &mut Aligned<F>) {
        if !self.apart {
            return self.w.take_back(sum);
        }
        let of_stream = self.of_stream.then_some(&mut self.h[..]);
        self.w.take_back_parts(sum, of_stream);
    }

    fn read(
        &self,
        what: What,
        sources: Range<usize>,
        pace: &mut Pace<'_>,
        see: See<'_, F>,
    ) -> Result<(), Error> {
        let (now, mut rows) = (self.now_of_sets()?, self.two_rows()?);
        let (w, c) = rows.split_at_mut(self.n);
        let mut row = vec_for("reading the synapses", self.n)?;
        row.resize(self.n, F::ZERO);
        let kappa = self.powers.kappa_down[self.steps_of_block()];
        for source in sources {
            self.unfold(source, &now, w, c);
            row.fill(F::ZERO);
            for (at, &j) in self.wires.targets(source).iter().enumerate() {
                row[j as usize] = match what {
                    What::Weight => w[at],
                    What::Eligibility => kappa * c[at],
                };
            }
            see(source, &row)?;
            pace.pass(self.n)?;
        }
        Ok(())
    }

    fn present(&self) -> Result<Present<F>, Error> {
        let mut present = Present::default();
        if self.at_once {
            present.sum = Room::build(
                || "an evaluation".into(),
                |room| room.zeros(self.sets, self.stride),
            )?;
            present.s = self.now_of_sets()?;
            present.w = self.two_rows()?;
        }
        Ok(present)
    }

    fn send(&self, sources: &Sources<'_, F>, present: &mut Present<F>, current: &mut [F]) {
        if !self.at_once {
            return lists::drive(&self.wires, &self.w.rows, sources, current);
        }
        current.fill(F::ZERO);
        present.sum.fill(F::ZERO);
        let (w, c) = present.w.split_at_mut(self.n);
        sources.all().for_each(|(source, value)| {
            let source = source as usize;
            let sum = &mut present.sum[self.of_set(self.set_of(source))];
            self.unfold(source, &present.s, w, c);
            kernels::add_listed(value, self.wires.targets(source), w, sum);
        });
        for sum in present.sum.chunks_exact(self.stride) {
            current.iter_mut().zip(sum).for_each(|(to, &x)| *to += x);
        }
    }

    fn assign(
        &mut self,
        first_source: usize,
        w: ArrayView2<'_, F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        self.before_weights_change(pace)?;
        lists::assign(&self.wires, self.w.weights_mut(), first_source, w, pace)?;
        self.finite = kernels::all_finite(&self.w.rows);
        Ok(())
    }

    fn take(
        &mut self,
        first_source: usize,
        g: ArrayView2<'_, F>,
        step: Step<'_, F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        self.before_weights_change(pace)?;
        lists::take(&self.wires, &mut self.w, first_source, g, step, pace)?;
        self.finite &= kernels::all_finite(&self.w.rows);
        Ok(())
    }

    /// The weights of all synapses, in the order of their lists.
    fn first_rows(&mut self) -> &mut [F] {
        &mut self.w.rows
    }

    fn z_bar(&self, see: &mut dyn FnMut(F)) {
        let down = self.powers.alpha_down[self.steps_of_block()];
        if let Some(adaptive) = &self.adaptive {
            if adaptive.of_neurons.differs() {
                return;
            }
            for source in 0..self.zt.len() {
                let waited = self.waited(source);
                see(adaptive
                    .z_bar(source, down, self.zt[source], waited)
                    .or_silence());
            }
            return;
        }
        for source in 0..self.zt.len() {
            let waited = match self.age(source) {
                0 => F::ONE,
                age => self.ended.a[age - 1],
            };
            see((down * (waited * self.zt[source])).or_silence());
        }
    }

    fn z_bar_rows(&self, pace: &mut Pace<'_>, see: See<'_, F>) -> Result<(), Error> {
        let differing = self.adaptive.as_ref();
        let Some(adaptive) = differing.filter(|adaptive| adaptive.of_neurons.differs()) else {
            return Ok(());
        };
        let down = self.powers.alpha_down[self.steps_of_block()];
        let mut row = vec_for("reading traces", self.n)?;
        row.resize(self.n, F::ZERO);
        for source in 0..self.zt.len() {
            row.fill(F::ZERO);
            let synapses = (self.wires.targets(source), self.row(source));
            let of_source = (down, self.zt[source]);
            adaptive.z_bars(synapses, of_source, self.waited(source), &mut row);
            see(source, &row)?;
            pace.pass(self.n)?;
        }
        Ok(())
    }

    /// As in the factored form: within the limit no step can have made a finite weight infinite.
    fn finite(&mut self) -> bool {
        if !self.at_once {
            return self.finite;
        }
        if self.within && self.factors_within() {
            return true;
        }
        let found = self.weights_are_finite();
        self.within = found == Ok(true) && kernels::all_within(F::cast(LIMIT), &self.zt);
        // Without memory for a look nothing is known, and it is looked at again.
        found.unwrap_or(true)
    }

    fn reset(&mut self) {
        if self.at_once {
            // To a row, a reset is a block that leaves nothing of its traces; it takes note when it next catches up.
            if self.steps > 0 {
                self.x1.fill(F::ZERO);
                if let Some(adaptive) = &mut self.adaptive {
                    adaptive.of_neurons.forget();
                }
                self.end_block(F::ZERO, F::ZERO);
            }
        } else if self.steps > 0 {
            self.w.clear_pairs();
            for numbers in [
                &mut self.h,
                &mut self.x1,
                &mut self.s,
                &mut self.t,
                &mut self.y,
                &mut self.u,
                &mut self.factors,
            ] {
                parallel::fill(numbers, F::ZERO);
            }
            if let Some(adaptive) = &mut self.adaptive {
                adaptive.clear();
            }
            self.zt.fill(F::ZERO);
            self.seen.fill(NEVER);
            self.ended.clear();
            self.block = 0;
            self.folded = true;
        }
        if let Some(lengths) = &mut self.lengths {
            lengths.clear();
        }
        self.steps = 0;
        self.learned = Kinds::same(false);
    }

    fn parameter(&mut self) -> Option<&mut Parameter<F>> {
        (!self.at_once).then_some(&mut self.w)
    }

    fn shared(&self) -> Option<Shared<F>> {
        (!self.at_once).then(|| self.w.rows.share())
    }

    fn changed(&mut self, finite: bool) {
        self.finite = finite;
    }

    /// Rows as they are, whoever waited and for however long.
    fn catch_up(&mut self) {
        self.catch_up_sources(0..self.seen.len(), 1);
        for seen in &mut self.seen {
            *seen = if *seen == NEVER { NEVER } else { 0 };
        }
        self.ended.clear();
        self.block = 0;
    }
}
