//! What a block remembers of its steps: psi, the errors, who was active. It is worked off as a whole.

use alloc::vec::Vec;
use core::ops::Range;

use crate::kernels::{self, RowOfTiles, tile_width};
use crate::numbers::aligned::Aligned;
use crate::numbers::room::Room;
use crate::numbers::walk::{first, parts};
use crate::options::plan::Plan;
use crate::parts::signal::Signal;
use crate::parts::sources::Sources;
use crate::{Error, Float};

/// The sizes that a history depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) n_inputs: usize,
    pub(crate) n: usize,
    pub(crate) n_outputs: usize,
    /// N, padded.
    pub(crate) stride: usize,
    /// Steps to a block.
    pub(crate) steps: usize,
    /// How many events there is room for.
    pub(crate) events: usize,
    /// Whether the stream's regulariser is kept, too.
    pub(crate) regularised: bool,
    /// Steps that must fit in together, wherever one of them begins.
    pub(crate) whole: usize,
    /// How many rows of recurrent credit a step has.
    pub(crate) credits: usize,
    /// Whether a history grows with the steps that there are.
    pub(crate) grows: bool,
    /// Steps that a spike takes to the other neurons.
    pub(crate) delay: usize,
    /// Whether there is more between a source and a membrane than one filter that all neurons share.
    pub(crate) membranes: bool,
    /// Whether synapses are listed.
    pub(crate) listed: bool,
    /// Threads over which the neurons are spread, at most.
    pub(crate) spread: usize,
}

impl Sizes {
    pub(crate) fn of<F: Float>(plan: &Plan) -> Self {
        Self {
            n_inputs: plan.sizes.n_inputs,
            n: plan.sizes.n,
            n_outputs: plan.sizes.n_outputs,
            stride: plan.stride::<F>(),
            steps: plan.block,
            events: plan.events(),
            regularised: plan.streamed_regulariser,
            whole: plan.whole,
            credits: plan.credits(),
            grows: plan.grows(),
            delay: plan.delay,
            membranes: plan.membranes,
            listed: plan.is_listed,
            spread: plan.spread(),
        }
    }

    pub(crate) fn sources(&self) -> usize {
        self.n_inputs + self.n
    }

    /// Of a history of so many steps, whoever is active in them.
    fn grown_to(&self, steps: usize) -> Self {
        Self {
            steps,
            events: self.sources().saturating_mul(steps),
            ..*self
        }
    }
}

/// The tiles of a padded row: column and width.
pub(crate) fn tiles<F>(stride: usize) -> impl Iterator<Item = (usize, usize)> {
    let width = tile_width::<F>();
    (0..stride)
        .step_by(width)
        .map(move |column| (column, width.min(stride - column)))
}

/// The steps of the block so far.
#[derive(Debug)]
pub(crate) struct History<F> {
    pub(crate) sizes: Sizes,
    pub(crate) len: usize,
    /// Tile by tile, a row per step.
    psi: Aligned<F>,
    /// The stream's `r`, laid out like psi; empty without it.
    r: Aligned<F>,
    /// A row of outputs per step.
    pub(crate) err: Vec<F>,
    /// 1 where a step was one of learning, 0 where it was one of prediction.
    pub(crate) learned: Vec<F>,
    /// The events of step u are `start[u]..start[u + 1]`.
    start: Vec<u32>,
    index: Vec<u32>,
    value: Vec<F>,
    /// Whether every value is 1.
    unit: bool,
    /// The steps whose inputs are kept as a row, ascending, and the rows.
    dense_at: Vec<u32>,
    n_dense: usize,
    dense: Vec<F>,
}

// Only what is used is saved: the rest is left over from earlier blocks.
parts!(History {
    Mark: [len, n_dense] then Self::fit,
    State: [
        psi(Self::used_tiles),
        r(Self::used_tiles_of_r),
        err(|this: &Self| first(this.n_steps() * this.sizes.n_outputs)),
        learned(|this: &Self| first(this.n_steps())),
        dense(|this: &Self| first(this.n_rows() * this.sizes.n_inputs)),
        start(|this: &Self| first(this.n_steps() + 1)),
        index(|this: &Self| first(this.n_events())),
        value(|this: &Self| first(this.n_events())),
        dense_at(|this: &Self| first(this.n_rows())),
    ],
} then Self::loaded);

impl<F: Float> History<F> {
    pub(crate) fn new(room: &mut Room, sizes: Sizes) -> Result<Self, Error> {
        let Sizes {
            steps,
            stride,
            n_outputs,
            n_inputs,
            events,
            regularised,
            ..
        } = sizes;
        // Events are numbered in 32 bits.
        if u32::try_from(events).is_err() {
            return Err(Error::TooLarge {
                sizes: alloc::format!("a history of {events} events"),
                bytes: None,
            });
        }
        Ok(Self {
            len: 0,
            psi: room.zeros(steps, stride)?,
            r: room.zeros(if regularised { steps } else { 0 }, stride)?,
            err: room.vec(F::ZERO, steps.saturating_mul(n_outputs))?,
            learned: room.vec(F::ZERO, steps)?,
            start: room.vec(0, steps.saturating_add(1))?,
            index: room.vec(0, events)?,
            value: room.vec(F::ZERO, events)?,
            unit: true,
            dense_at: room.vec(0, steps)?,
            n_dense: 0,
            dense: room.vec(F::ZERO, steps.saturating_mul(n_inputs))?,
            sizes,
        })
    }

    /// Makes room for so many steps, if it grows.
    pub(crate) fn reserve(&mut self, steps: usize) -> Result<(), Error> {
        if !self.sizes.grows || steps <= self.sizes.steps {
            return Ok(());
        }
        let mut grown = Self::of_steps(&self.sizes, steps.max(self.sizes.steps.saturating_mul(2)))?;
        let to = grown.sizes.steps;
        for (column, width) in tiles::<F>(self.sizes.stride) {
            let used = self.len * width;
            grown.psi[column * to..][..used].copy_from_slice(self.psi(column, width));
            if let Some(r) = self.r(column, width) {
                grown.r[column * to..][..used].copy_from_slice(r);
            }
        }
        fn keep<T: Copy>(from: &[T], to: &mut [T]) {
            to[..from.len()].copy_from_slice(from);
        }
        keep(&self.err, &mut grown.err);
        keep(&self.learned, &mut grown.learned);
        keep(&self.start, &mut grown.start);
        keep(&self.index[..self.n_events()], &mut grown.index);
        keep(&self.value[..self.n_events()], &mut grown.value);
        keep(&self.dense_at, &mut grown.dense_at);
        keep(&self.dense, &mut grown.dense);
        (grown.len, grown.n_dense, grown.unit) = (self.len, self.n_dense, self.unit);
        *self = grown;
        Ok(())
    }

    fn of_steps(sizes: &Sizes, steps: usize) -> Result<Self, Error> {
        let what = || alloc::format!("a history of {steps} steps");
        Room::build(what, |room| Self::new(room, sizes.grown_to(steps)))
    }

    /// Before steps are read whose number is known: a history that grows has room for them, if the bytes that are left can hold them.
    fn fit(&mut self, bytes_left: usize) -> Result<(), Error> {
        if self.sizes.grows && self.len > self.sizes.steps {
            let psi = self.sizes.stride * size_of::<F>();
            if self.len > bytes_left / psi {
                let reason =
                    alloc::format!("a history of {} steps in {bytes_left} bytes", self.len);
                return Err(Error::State { reason });
            }
            let counts = (self.len, self.n_dense);
            *self = Self::of_steps(&self.sizes, self.len)?;
            (self.len, self.n_dense) = counts;
        }
        Ok(())
    }

    // Bounds that hold for whatever bytes the two counts were read from.

    fn n_steps(&self) -> usize {
        self.len.min(self.learned.len())
    }

    fn n_rows(&self) -> usize {
        self.n_dense.min(self.dense_at.len())
    }

    fn n_events(&self) -> usize {
        let last = self.start.get(self.n_steps());
        last.map_or(0, |&last| last as usize).min(self.index.len())
    }

    fn used_tiles(&self) -> Vec<Range<usize>> {
        let used = |(column, width)| {
            let from = column * self.sizes.steps;
            from..from + self.n_steps() * width
        };
        tiles::<F>(self.psi.len() / self.sizes.steps.max(1))
            .map(used)
            .collect()
    }

    fn used_tiles_of_r(&self) -> Vec<Range<usize>> {
        if self.sizes.regularised {
            self.used_tiles()
        } else {
            Vec::new()
        }
    }

    /// Whether what was read can be a history; whether all its values are 1.
    fn loaded(&mut self) -> Result<(), Error> {
        let wrong = |what: &str| Error::State {
            reason: alloc::format!("a history with {what}"),
        };
        if self.len > self.sizes.steps || self.n_dense > self.len {
            return Err(wrong("more steps than a block has"));
        }
        let rising = self.start[0] == 0 && self.start[..=self.len].is_sorted();
        if !rising || self.start[self.len] as usize > self.index.len() {
            return Err(wrong("events out of order"));
        }
        let (events, sources) = (self.n_events(), self.sizes.sources());
        let known = self.index[..events].iter().all(|&i| (i as usize) < sources);
        let placed = self.dense_at[..self.n_dense]
            .iter()
            .all(|&u| (u as usize) < self.len);
        if !known || !placed {
            return Err(wrong("sources or steps that do not exist"));
        }
        if !self.padding_is_insensitive() {
            return Err(wrong("psi of neurons that do not exist"));
        }
        self.unit = self.value[..events].iter().all(|&value| value == F::ONE);
        Ok(())
    }

    /// Whether psi is 0 behind the last neuron: [`sensitive`](Self::sensitive) lists what it finds.
    fn padding_is_insensitive(&self) -> bool {
        let n = self.sizes.n;
        tiles::<F>(self.sizes.stride)
            .filter(|(column, width)| column + width > n)
            .all(|(column, width)| {
                let rows = self.psi(column, width).chunks_exact(width);
                let padding = n.saturating_sub(column);
                rows.flat_map(|row| &row[padding..])
                    .all(|&psi| psi == F::ZERO)
            })
    }

    /// Whether so many more steps fit, whatever happens in them.
    pub(crate) fn has_room_for(&self, steps: usize) -> bool {
        let events = self.sizes.sources().saturating_mul(steps);
        self.len.saturating_add(steps) <= self.sizes.steps
            && events.saturating_add(self.start[self.len] as usize) <= self.index.len()
    }

    /// Whether one more step fits.
    pub(crate) fn has_room(&self) -> bool {
        self.has_room_for(1)
    }

    /// Whether any step was one of learning.
    pub(crate) fn taught(&self) -> bool {
        self.learned[..self.len].iter().any(|&step| step != F::ZERO)
    }

    pub(crate) fn push(
        &mut self,
        sources: &Sources<'_, F>,
        psi: &[F],
        signal: Option<Signal<'_, F>>,
    ) {
        let u = self.len;
        self.keep(u, psi, false);
        self.err[u * self.sizes.n_outputs..][..self.sizes.n_outputs].fill(F::ZERO);
        self.learned[u] = F::ZERO;
        if let Some(signal) = signal {
            self.err[u * self.sizes.n_outputs..][..signal.err.len()].copy_from_slice(signal.err);
            self.learned[u] = F::ONE;
        }
        if self.sizes.regularised {
            match signal.and_then(|signal| signal.r) {
                Some(r) => self.keep(u, r, true),
                None => self.keep_no_r(u),
            }
        }
        let from = self.start[u] as usize;
        let until = from + sources.index.len();
        self.index[from..until].copy_from_slice(sources.index);
        self.value[from..until].copy_from_slice(sources.value);
        self.unit &= sources.unit;
        self.start[u + 1] = until as u32;
        if let Some(row) = sources.dense {
            self.dense_at[self.n_dense] = u as u32;
            self.dense[self.n_dense * row.len()..][..row.len()].copy_from_slice(row);
            self.n_dense += 1;
        }
        self.len += 1;
    }

    fn keep(&mut self, u: usize, row: &[F], is_r: bool) {
        let to = if is_r { &mut self.r } else { &mut self.psi };
        kernels::copy_to_tiles(row, tile_width::<F>(), self.sizes.steps, u, to);
    }

    fn keep_no_r(&mut self, u: usize) {
        for (column, width) in tiles::<F>(self.sizes.stride) {
            self.r[column * self.sizes.steps + u * width..][..width].fill(F::ZERO);
        }
    }

    /// psi of a tile: a row of `width` per step.
    pub(crate) fn psi(&self, column: usize, width: usize) -> &[F] {
        &self.psi[column * self.sizes.steps..][..self.len * width]
    }

    /// psi of all neurons at a step.
    pub(crate) fn psi_at(&self, u: usize) -> RowOfTiles<'_, F> {
        RowOfTiles {
            tiles: &self.psi,
            steps: self.sizes.steps,
            u,
        }
    }

    /// The neurons whose psi is not 0 at step `u`, ascending; returns how many.
    pub(crate) fn sensitive(&self, u: usize, index: &mut [u32]) -> usize {
        kernels::nonzeros_of_tiles(self.psi_at(u), index)
    }

    /// The stream's `r` of a tile, if there is a stream's regulariser.
    pub(crate) fn has_r(&self) -> bool {
        !self.r.is_empty()
    }

    /// The coefficients of the steps on raw traces, where there are any.
    pub(crate) fn r(&self, column: usize, width: usize) -> Option<&[F]> {
        let rows = || &self.r[column * self.sizes.steps..][..self.len * width];
        self.sizes.regularised.then(rows)
    }

    /// The same of all tiles; empty without it.
    pub(crate) fn r_of_tiles(&self) -> &[F] {
        &self.r
    }

    /// The errors, filtered backwards: `R^u = err^u + kappa_e R^{u+1}`.
    pub(crate) fn filter_errors(&self, kappa_e: F, filtered: &mut [F]) {
        let o = self.sizes.n_outputs;
        let filtered = &mut filtered[..self.len * o];
        filtered.copy_from_slice(&self.err[..self.len * o]);
        for u in (1..self.len).rev() {
            let (before, after) = filtered.split_at_mut(u * o);
            for (r, &next) in before[(u - 1) * o..].iter_mut().zip(&after[..o]) {
                *r += kappa_e * next;
            }
        }
    }

    /// The dense steps and their rows.
    pub(crate) fn dense(&self) -> (&[u32], &[F]) {
        (
            &self.dense_at[..self.n_dense],
            &self.dense[..self.n_dense * self.sizes.n_inputs],
        )
    }

    /// Moves the traces of sources from the block's start to its end: `z_bar`, and with a current, where `x_bar` is not empty, what flows to it.
    pub(crate) fn advance(
        &self,
        (alpha, zeta, sigma): (F, F, F),
        x_bar: &mut [F],
        z_bar: &mut [F],
    ) {
        if x_bar.is_empty() {
            if !z_bar.is_empty() {
                self.filter(alpha, zeta, z_bar, |_| ());
            }
            return;
        }
        self.filter(sigma, F::ONE, x_bar, |x_bar| {
            for (z_bar, &x_bar) in z_bar.iter_mut().zip(x_bar) {
                *z_bar = (alpha * *z_bar + zeta * x_bar).or_silence();
            }
        });
    }

    /// `alpha^K z_bar0 + zeta sum_u alpha^{K-u} s^u` step by step, each of which is shown.
    fn filter(&self, alpha: F, zeta: F, z_bar: &mut [F], mut see: impl FnMut(&[F])) {
        let mut dense_at = self.dense_at[..self.n_dense]
            .iter()
            .zip(self.dense.chunks_exact(self.sizes.n_inputs.max(1)))
            .peekable();
        for u in 0..self.len {
            z_bar
                .iter_mut()
                .for_each(|z_bar| *z_bar = (alpha * *z_bar).or_silence());
            if let Some((_, row)) = dense_at.next_if(|(at, _)| **at as usize == u) {
                z_bar
                    .iter_mut()
                    .zip(row)
                    .for_each(|(z_bar, &s)| *z_bar += zeta * s);
            }
            let events = self.start[u] as usize..self.start[u + 1] as usize;
            for (&i, &s) in self.index[events.clone()].iter().zip(&self.value[events]) {
                z_bar[i as usize] += zeta * s;
            }
            see(z_bar);
        }
    }

    /// Sorts the events by source.
    pub(crate) fn sort(&self, to: &mut Sorted<F>) {
        let events = self.start[self.len] as usize;
        let index = &self.index[..events];
        to.start.fill(0);
        for &i in index {
            to.start[i as usize + 1] += 1;
        }
        for i in 1..to.start.len() {
            to.start[i] += to.start[i - 1];
        }
        let last = to.start.len() - 1;
        to.next.copy_from_slice(&to.start[..last]);
        for u in 0..self.len {
            let events = self.start[u] as usize..self.start[u + 1] as usize;
            for (&i, &value) in index[events.clone()].iter().zip(&self.value[events]) {
                let next = &mut to.next[i as usize];
                to.at[*next as usize] = u as u32;
                if !self.unit {
                    to.value[*next as usize] = value;
                }
                *next += 1;
            }
        }
        to.unit = self.unit;
    }

    pub(crate) fn clear(&mut self) {
        self.len = 0;
        self.n_dense = 0;
        self.unit = true;
    }
}

/// The events of a block by source.
#[derive(Debug, Default)]
pub(crate) struct Sorted<F> {
    /// Those of source i are `start[i]..start[i + 1]`.
    pub(crate) start: Vec<u32>,
    pub(crate) at: Vec<u32>,
    value: Vec<F>,
    unit: bool,
    next: Vec<u32>,
}

parts!(Sorted {
    Scratch: [start, at, value, next]
});

impl<F: Float> Sorted<F> {
    pub(crate) fn new(room: &mut Room, sizes: &Sizes) -> Result<Self, Error> {
        Ok(Self {
            start: room.vec(0, sizes.sources() + 1)?,
            at: room.vec(0, sizes.events)?,
            value: room.vec(F::ZERO, sizes.events)?,
            unit: true,
            next: room.vec(0, sizes.sources())?,
        })
    }

    /// The values of the events; empty where all are 1.
    pub(crate) fn scale(&self) -> &[F] {
        if self.unit { &[] } else { &self.value }
    }
}

#[cfg(test)]
mod tests;
