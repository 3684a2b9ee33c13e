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
mod synapses;
#[cfg(test)]
mod tests;
mod visits;
mod waiting;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use adaptive::{Adaptive, SUMS_OF_NEURON, lanes};
use ages::Ages;
use lengths::Lengths;

use super::factored::{NEVER, Powers, decay_of_zt, filters};
use super::{Filters, lists};
use crate::kernels::{self, LANES, Visit};
use crate::numbers::aligned::Aligned;
use crate::numbers::gradient::Late;
use crate::numbers::kinds::Kinds;
use crate::numbers::lazy::LIMIT;
use crate::numbers::parallel::{self, each, share};
use crate::numbers::parameter::Parameter;
use crate::numbers::room::Room;
use crate::numbers::shared::Shared;
use crate::numbers::walk::{Role, Walk, WalkMut, first, parts};
use crate::numbers::wires::Wires;
use crate::options::Config;
use crate::options::filters::decay;
use crate::options::plan::Plan;
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
