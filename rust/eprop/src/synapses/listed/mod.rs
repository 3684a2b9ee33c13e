//! The factored form of synapses that are listed: rows are as long as the lists of their sources, and the numbers of a neuron lie side by side.
//!
//! The equations are those of `factored/`. Where weights take every step, `A` and `C` are the rows. Where they rest, W is read as it is, and the gradient that waits is the matrix in
//! factors, `dE/dW = G + S C + T zt`: the same with `G = -A` and a rate of 1, for as many base blocks as weights rest. What the regulariser needs beside it, `H + U zt`, is a third row.
//! Where thresholds move, membranes differ, or a current lies before them, a row `D` stands beside `C` (`adaptive.rs`).

mod access;
mod adaptive;
mod ages;
mod factors;
mod formed;
mod lengths;
#[cfg(test)]
mod tests;
mod visits;
mod waiting;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use ndarray::ArrayView2;

use adaptive::{Adaptive, SUMS_OF_NEURON, lanes};
use ages::Ages;
use lengths::Lengths;

use super::factored::{NEVER, Powers, decay_of_zt, filters};
use super::form::Formed;
use super::{Filters, Present, See, Synapses, What, lists, squared_lengths};
use crate::kernels::{self, LANES, StepScales, Visit};
use crate::numbers::aligned::Aligned;
use crate::numbers::gradient::{Late, squared_length};
use crate::numbers::interrupt::{Interrupt, Pace};
use crate::numbers::kinds::Kinds;
use crate::numbers::lazy::LIMIT;
use crate::numbers::memory::vec_for;
use crate::numbers::parallel::{self, each, share};
use crate::numbers::parameter::Parameter;
use crate::numbers::room::Room;
use crate::numbers::shared::Shared;
use crate::numbers::step::Step;
use crate::numbers::walk::{Role, Walk, WalkMut, first, parts};
use crate::numbers::wires::Wires;
use crate::options::Config;
use crate::options::filters::decay;
use crate::options::plan::Plan;
use crate::parts::signal::Signal;
use crate::parts::sources::Sources;
use crate::{Error, Float};

/// Rows of every source, as long as its list, and the factors of every neuron.
#[derive(Debug)]
pub(crate) struct Listed<F> {
    wires: Arc<Wires>,
    n: usize,
    n_inputs: usize,
    stride: usize,
    /// Sets of the factors: one for all sources, or one for inputs and one for neurons, where these take steps of their own.
    sets: usize,
    /// Whether weights take every step. Otherwise they rest, and their gradient waits.
    at_once: bool,
    filters: Filters<F>,
    powers: Powers<F>,
    /// `A` with `C` in pairs; or W, and `G` with `C` in pairs.
    w: Parameter<F>,
    /// `H` of `sum_t e`, or of the stream's `sum_t r e` where that is kept apart; empty without either.
    h: Aligned<F>,
    zt: Vec<F>,
    /// The block that a source's row belongs to.
    seen: Vec<u64>,
    x1: Aligned<F>,
    s: Aligned<F>,
    t: Aligned<F>,
    y: Aligned<F>,
    /// `U`; empty without `H`.
    u: Aligned<F>,
    ended: Ages<F>,
    /// Where steps are limited, and taken at once.
    lengths: Option<Lengths>,
    /// Where thresholds move, membranes differ, or a current lies before them.
    adaptive: Option<Adaptive<F>>,
    /// Steps since `reset`, and the blocks ended since.
    steps: u64,
    block: u64,
    /// Whether the last step left factors of learning, to the weights from inputs and to those from neurons.
    learned: Kinds<bool>,
    /// Whether there has been no step since the rows were folded.
    folded: bool,
    /// Whether the regulariser's part of the gradient is kept apart, and whether `H` is a stream's.
    apart: bool,
    of_stream: bool,
    within: bool,
    finite: bool,
    /// `[X1, Y, U, 0]` of each neuron, or `[f, X2, Y, U - V X2]`, and what the sources of a step sum up, of each set.
    factors: Aligned<F>,
    sums: Aligned<F>,
    /// Whether the sums of a set are of this step.
    summed: [bool; 2],
    visits: Vec<Visit<F>>,
    none: Aligned<F>,
}

parts!(Listed {
    Weight: [w],
    State: [
        c[walk_c, walk_c_mut],
        h(|this: &Self| first(if this.w.waits { this.h.len() } else { 0 })),
        x1, s, t, u, zt, ended, lengths, adaptive,
    ],
    Mark: [seen],
    Counter: [steps, block],
    Mark: [learned, folded],
    Scratch: [y, factors, sums, visits, none, powers],
} then Self::loaded);

impl<F: Float> Listed<F> {
    pub(crate) fn new(
        room: &mut Room,
        plan: &Plan,
        wires: &Arc<Wires>,
        config: &Config,
        first: Option<&Shared<F>>,
    ) -> Result<Self, Error> {
        let (p, stride) = (plan.sources(), plan.stride::<F>());
        let synapses = wires.count(0..p);
        let at_once = plan.at_once;
        let sets = 1 + usize::from(at_once && plan.grouped);
        let moments = match at_once {
            true => 0,
            false => config.optimizer.n_moments(),
        };
        let sums_raw = plan.sums_raw_traces();
        let (alpha, kappa_e) = (decay_of_zt(config), decay(config.dt, config.tau_trace));
        let of_synapses = [synapses, p, plan.sizes.n];
        let adaptive = Adaptive::of(room, of_synapses, (sets, stride), (config, sums_raw))?;
        let adapts = adaptive.is_some();
        let of_block = if adapts { lanes(sums_raw) } else { LANES };
        let of_sums = if adapts { SUMS_OF_NEURON } else { LANES };
        Ok(Self {
            adaptive,
            wires: Arc::clone(wires),
            n: plan.sizes.n,
            n_inputs: plan.sizes.n_inputs,
            stride,
            sets,
            at_once,
            filters: filters(config),
            powers: Powers::new(room, plan.base_block, alpha, kappa_e)?,
            w: Parameter::paired(room, synapses, (at_once, moments), first)?
                .listed(plan.clipped.as_ref(), wires),
            h: room.zeros(usize::from(sums_raw), synapses)?,
            zt: room.vec(F::ZERO, p)?,
            seen: room.vec(NEVER, p)?,
            x1: room.zeros(1, stride)?,
            s: room.zeros(sets, stride)?,
            t: room.zeros(sets, stride)?,
            y: room.zeros(sets, stride)?,
            u: room.zeros(usize::from(sums_raw), stride)?,
            ended: Ages::new(room, sets, (stride, of_block))?,
            lengths: match plan.limited && at_once {
                true => Some(Lengths::new(room, sets, stride, adapts)?),
                false => None,
            },
            steps: 0,
            block: 0,
            learned: Kinds::same(false),
            folded: true,
            apart: plan.apart,
            of_stream: plan.apart && plan.streamed_regulariser,
            within: true,
            finite: true,
            factors: room.zeros(sets, LANES * stride)?,
            sums: room.zeros(if at_once { sets } else { 0 }, of_sums * stride)?,
            summed: [false; 2],
            visits: room.list(p)?,
            none: room.zeros(1, stride)?,
        })
    }

    fn loaded(&mut self) -> Result<(), Error> {
        let longest = self.ended.len.min(self.ended.patience() - 1) as u64;
        let waits =
            |&seen: &u64| seen == NEVER || seen <= self.block && self.block - seen <= longest;
        if !self.seen.iter().all(waits) {
            return Err(Error::State {
                reason: "sources of blocks that are not kept".into(),
            });
        }
        self.within = false;
        self.finite = kernels::all_finite(&self.w.rows);
        self.respond();
        Ok(())
    }

    fn walk_c<'a>(&'a self, name: &'static str, role: Role, to: &mut dyn Walk<'a>) {
        let pairs = &self.w.pairs;
        // Their memory is told with the numbers that come first in them.
        pairs.walk_every((1, pairs.len(), 0), name, role, to);
    }

    fn walk_c_mut(
        &mut self,
        name: &'static str,
        role: Role,
        to: &mut dyn WalkMut,
    ) -> Result<(), Error> {
        let pairs = &mut self.w.pairs;
        pairs.walk_every_mut((1, pairs.len()), name, role, to)
    }

    /// The synapses of a source.
    fn row(&self, source: usize) -> Range<usize> {
        self.wires.row(source)
    }

    /// The numbers of the synapses from inputs.
    fn cut(&self) -> usize {
        self.wires.count(0..self.n_inputs)
    }

    /// Steps since the start of the base block; before the first step, 0.
    fn steps_of_block(&self) -> usize {
        (self.steps.saturating_sub(1) % self.powers.len() as u64) as usize
    }

    fn set_of(&self, source: usize) -> usize {
        if source < self.n_inputs {
            0
        } else {
            self.sets - 1
        }
    }

    fn of_set(&self, set: usize) -> Range<usize> {
        set * self.stride..(set + 1) * self.stride
    }

    /// The sums of a set.
    fn sums_of(&self, set: usize) -> Range<usize> {
        let len = self.sums.len() / self.sets;
        set * len..(set + 1) * len
    }

    /// -1 of weights that lose `S C + T zt`, 1 of a gradient that gains it.
    fn sign(&self) -> F {
        if self.at_once { -F::ONE } else { F::ONE }
    }

    /// How many blocks a source has waited.
    fn age(&self, source: usize) -> usize {
        match self.seen[source] {
            NEVER => 0,
            seen => (self.block - seen) as usize,
        }
    }

    /// What ended blocks do to a source that has waited for them, and what they leave of its `zt`.
    fn waited(&self, source: usize) -> Option<(&[F], F)> {
        match self.age(source) {
            0 => None,
            age => {
                let (of_neurons, _, left) = self.ended.last(self.set_of(source), age);
                Some((of_neurons, left))
            }
        }
    }

    fn factors_within(&self) -> bool {
        let limit = F::cast(LIMIT);
        let mut rows = [&self.x1, &self.s, &self.t].into_iter();
        let of_adaptive = |adaptive: &Adaptive<F>| adaptive.of_neurons.within(limit);
        rows.all(|row| kernels::all_within(limit, row))
            && self.adaptive.as_ref().is_none_or(of_adaptive)
    }

    /// The block so far as what it does to a row: the numbers of an entry of ended blocks, of a set, into memory that is as long.
    fn now(&self, set: usize, to: &mut [F]) {
        let row = self.of_set(set);
        if let Some(adaptive) = &self.adaptive {
            let plain = [
                &self.s[row.clone()],
                &self.t[row.clone()],
                &self.x1,
                &self.u,
            ];
            return adaptive.now(row, plain, to);
        }
        let (s, t) = (&self.s[row.clone()], &self.t[row]);
        let share = share(self.stride);
        each(to.chunks_mut(LANES * share).enumerate(), |(at, to)| {
            for (j, to) in (at * share..).zip(to.chunks_exact_mut(LANES)) {
                let u = self.u.get(j).copied().unwrap_or(F::ZERO);
                to.copy_from_slice(&[s[j], t[j], self.x1[j], u]);
            }
        });
    }

    /// Ends the base block, at whose end `alpha` is left of `zt` and `kappa_e` of `C`; whoever has waited too long catches up.
    fn end_block(&mut self, alpha: F, kappa_e: F) {
        self.within &= self.factors_within();
        if kappa_e != F::ONE {
            kernels::scale_row(kappa_e, &mut self.x1);
            if let Some(adaptive) = &mut self.adaptive {
                adaptive.of_neurons.scale(kappa_e);
            }
        }
        if let Some(lengths) = &mut self.lengths {
            lengths.end_block(kappa_e, alpha);
        }
        // As long as an entry of each set.
        let mut block = core::mem::take(match &mut self.adaptive {
            None => &mut self.factors,
            Some(adaptive) => &mut adaptive.block,
        });
        for set in 0..self.sets {
            self.now(set, &mut block[self.ended.of_one(set)]);
        }
        self.ended.push(&block, kappa_e, alpha);
        match &mut self.adaptive {
            None => self.factors = block,
            Some(adaptive) => {
                adaptive.block = block;
                adaptive.begin_block();
            }
        }
        self.block += 1;
        for row in [
            &mut self.x1,
            &mut self.s,
            &mut self.t,
            &mut self.y,
            &mut self.u,
        ] {
            parallel::fill(row, F::ZERO);
        }
        parallel::fill(&mut self.factors, F::ZERO);
        self.catch_up_sources(0..self.seen.len(), self.ended.patience());
    }

    /// Adds the regulariser's part to a gradient: `r sum_t e`, or the sum that a stream has made of it. It has been used then.
    fn add_regulariser(&mut self, r: Option<&[F]>, to: &mut [F]) {
        if self.h.is_empty() {
            return;
        }
        if r.is_some() || self.of_stream {
            lists::add_raw(&self.wires, r, &self.h, to);
        }
        self.h.fill(F::ZERO);
    }

    /// The gradient that waits, and the regulariser's part, which makes it whole in an update.
    fn whole<'a>(&'a mut self, r: Option<&'a [F]>) -> (&'a mut Parameter<F>, Late<'a, F>) {
        let late = match r.is_some() || self.of_stream {
            true => Late {
                sum: &mut self.h,
                by: r,
            },
            false => {
                self.h.fill(F::ZERO);
                Late::none()
            }
        };
        (&mut self.w, late)
    }
}

impl<F: Float> Synapses<F> for Listed<F> {
    fn drive(&mut self, sources: &Sources<'_, F>, learning: Kinds<bool>, current: &mut [F]) {
        let stops = |learned: bool, learning: bool| learned && !learning;
        if self.at_once {
            if stops(self.learned.inputs, learning.inputs)
                || stops(self.learned.neurons, learning.neurons)
            {
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
            // Nobody asks how long it is.
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
        // Nobody stops it.
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
        let mut weights = Vec::new();
        let nobody = &mut Interrupt::NOBODY.pace();
        let (all, wires) = (0..self.seen.len(), &self.wires);
        let looked = self.read_listed(What::Weight, all, wires, &mut weights, nobody);
        let finite = looked.is_ok() && kernels::all_finite(&weights);
        self.within = finite && kernels::all_within(F::cast(LIMIT), &self.zt);
        finite
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
