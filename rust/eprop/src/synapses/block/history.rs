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
mod tests {
    use alloc::vec;

    use super::{History, Plan, Room, Signal, Sizes, Sorted, Sources, Vec, tiles};
    use crate::numbers::plain;
    use crate::numbers::shared::Shared;
    use crate::numbers::walk;
    use crate::options::{Config, UpdateEvery};
    use crate::parts::signal::{Backward, Lies};
    use crate::testing::{Noise, in_both, made, near, same_bits};
    use crate::{Error, Float};

    const SIZES: Sizes = Sizes {
        n_inputs: 4,
        n: 20,
        n_outputs: 2,
        stride: 48,
        steps: 6,
        events: 60,
        regularised: true,
        whole: 1,
        credits: 0,
        grows: false,
        delay: 1,
        membranes: false,
        listed: false,
        spread: 1,
    };

    /// One step: what arrives, and everything of it that a history keeps.
    #[derive(Clone)]
    struct Moment<F> {
        index: Vec<u32>,
        value: Vec<F>,
        dense: Option<Vec<F>>,
        psi: Vec<F>,
        r: Vec<F>,
        err: Vec<F>,
        learning: bool,
    }

    fn moments<F: Float>(n: usize, seed: u64, unit: bool) -> Vec<Moment<F>> {
        let mut noise = Noise(seed);
        let moment = |u| {
            let is_dense = u % 3 == 1;
            // Under a dense row only neurons are listed.
            let mut index = noise.some_of(SIZES.sources(), 0.2);
            index.retain(|&i| !is_dense || i >= 4);
            let value = index.iter().map(|&i| match unit || i >= 4 {
                true => F::ONE,
                false => F::cast(noise.signed()),
            });
            let value = value.collect();
            let mut psi = noise.numbers(48);
            psi[SIZES.n..].fill(F::ZERO);
            Moment {
                value,
                index,
                dense: is_dense.then(|| noise.numbers(4)),
                psi,
                r: noise.numbers(48),
                err: noise.numbers(2),
                learning: u != 2,
            }
        };
        (0..n).map(moment).collect()
    }

    fn history<F: Float>(sizes: Sizes) -> History<F> {
        made(|room| History::new(room, sizes))
    }

    fn push<F: Float>(history: &mut History<F>, moment: &Moment<F>) {
        let sources = Sources {
            index: &moment.index,
            value: &moment.value,
            n_inputs: moment.index.iter().filter(|&&i| i < 4).count(),
            unit: moment.value.iter().all(|&s| s == F::ONE),
            dense: moment.dense.as_deref(),
        };
        let rows = Shared::default();
        let b = Backward {
            rows: &rows,
            lies: Lies::ByOutput,
            factors: None,
        };
        let signal = Signal {
            err: &moment.err,
            b,
            l: &[],
            r: Some(&moment.r),
        };
        history.push(&sources, &moment.psi, moment.learning.then_some(signal));
    }

    fn pushed<F: Float>(moments: &[Moment<F>]) -> History<F> {
        let mut history = history(SIZES);
        moments.iter().for_each(|moment| push(&mut history, moment));
        history
    }

    /// The value that a source sent, 0 where it was silent.
    fn sent<F: Float>(moment: &Moment<F>, i: usize) -> f64 {
        let event = moment.index.iter().position(|&at| at as usize == i);
        let dense = moment.dense.as_ref().and_then(|row| row.get(i));
        event.map_or(dense.map_or(0.0, |s| s.to_f64()), |at| {
            moment.value[at].to_f64()
        })
    }

    in_both! {
        fn neurons_whose_psi_is_not_zero_are_listed<F>() {
            let mut moments = moments::<F>(3, 5, false);
            for silent in [0, 7, 19] {
                moments[1].psi[silent] = F::ZERO;
            }
            let (history, mut index) = (pushed(&moments), [0; 48]);
            let count = history.sensitive(1, &mut index);
            let expected: Vec<u32> = (0..20).filter(|j| ![0, 7, 19].contains(j)).collect();
            assert_eq!(index[..count], expected);
        }
    }

    in_both! {
        fn rows_are_kept_by_step_within_tiles<F>() {
            let (before, moments) = (moments::<F>(6, 9, false), moments::<F>(6, 1, false));
            // In the room of an earlier block.
            let mut history = pushed(&before.into_iter().map(|moment| Moment { learning: true, ..moment }).collect::<Vec<_>>());
            history.clear();
            moments.iter().for_each(|moment| push(&mut history, moment));
            let tiles: Vec<_> = tiles::<F>(48).collect();
            assert_eq!(tiles.iter().map(|tile| tile.1).sum::<usize>(), 48);
            for (column, width) in tiles {
                let (psi, r) = (history.psi(column, width), history.r(column, width).unwrap());
                assert_eq!((psi.len(), r.len()), (6 * width, 6 * width));
                for (u, moment) in moments.iter().enumerate() {
                    same_bits("psi", &psi[u * width..][..width], &moment.psi[column..][..width]);
                    // A step that was not one of learning has no coefficients and no error.
                    let none = vec![F::ZERO; width];
                    let of_step = if moment.learning { &moment.r[column..][..width] } else { &none };
                    same_bits("r", &r[u * width..][..width], of_step);
                }
            }
            for (u, moment) in moments.iter().enumerate() {
                let (err, learned) = if moment.learning { (moment.err.clone(), F::ONE) } else { (vec![F::ZERO; 2], F::ZERO) };
                same_bits("err", &history.err[2 * u..][..2], &err);
                assert_eq!(history.learned[u], learned);
            }
            assert!(history.taught());
            let (at, rows) = history.dense();
            assert_eq!((at, rows.len()), (&[1, 4][..], 8));
            same_bits("dense", &rows[4..], moments[4].dense.as_ref().unwrap());
        }
    }

    in_both! {
        fn errors_are_filtered_backwards<F>() {
            let moments = moments::<F>(5, 2, false);
            let history = pushed(&moments);
            let mut filtered = vec![F::ONE; 12];
            history.filter_errors(F::cast(0.75), &mut filtered);
            let mut after = [0.0; 2];
            for (u, moment) in moments.iter().enumerate().rev() {
                for (k, after) in after.iter_mut().enumerate() {
                    let err = if moment.learning { moment.err[k].to_f64() } else { 0.0 };
                    *after = err + 0.75 * *after;
                }
                near("R", &filtered[2 * u..][..2], &after);
            }
        }
    }

    in_both! {
        fn traces_of_sources_move_to_the_end_of_the_block<F>() {
            let moments = moments::<F>(6, 3, false);
            let mut z_bar = Noise(4).numbers::<F>(24);
            let mut expected: Vec<_> = z_bar.iter().map(|z| z.to_f64()).collect();
            let (mut x_bar, mut after_x_bar) = (z_bar.clone(), z_bar.clone());
            let history = pushed(&moments);
            history.advance((F::cast(0.875), F::cast(0.5), F::ZERO), &mut [], &mut z_bar);
            history.advance((F::cast(0.875), F::cast(0.5), F::cast(0.25)), &mut x_bar, &mut after_x_bar);
            let (mut x_expected, mut after_expected) = (expected.clone(), expected.clone());
            for moment in &moments {
                for i in 0..24 {
                    x_expected[i] = 0.25 * x_expected[i] + sent(moment, i);
                    after_expected[i] = 0.875 * after_expected[i] + 0.5 * x_expected[i];
                }
            }
            near("x_bar", &x_bar, &x_expected);
            near("z_bar after it", &after_x_bar, &after_expected);
            for moment in &moments {
                for (i, z_bar) in expected.iter_mut().enumerate() {
                    *z_bar = 0.875 * *z_bar + 0.5 * sent(moment, i);
                }
            }
            near("z_bar", &z_bar, &expected);
        }
    }

    in_both! {
        fn events_are_sorted_by_source_and_then_by_step<F>() {
            for unit in [true, false] {
                let moments = moments::<F>(6, 5, unit);
                let history = pushed(&moments);
                let mut sorted = made(|room| Sorted::new(room, &SIZES));
                history.sort(&mut sorted);
                assert_eq!(sorted.scale().is_empty(), unit);
                for i in 0..SIZES.sources() {
                    let events = sorted.start[i] as usize..sorted.start[i + 1] as usize;
                    let expected: Vec<_> = (0..6).filter(|&u| moments[u as usize].index.contains(&(i as u32))).collect();
                    assert_eq!(sorted.at[events.clone()], expected);
                    for n in events.filter(|_| !unit) {
                        let moment = &moments[sorted.at[n] as usize];
                        near("s", &sorted.scale()[n..=n], &[sent(moment, i)]);
                    }
                }
            }
        }
    }

    in_both! {
        fn there_is_room_for_a_step_as_long_as_everybody_could_send<F>() {
            // For two steps of everybody, and a little.
            let mut history = history::<F>(Sizes { events: 24 + 24 + 5, ..SIZES });
            let everybody = |n: u32| Moment {
                index: (0..n).collect(),
                value: vec![F::ONE; n as usize],
                dense: None,
                psi: vec![F::ZERO; 48],
                r: vec![F::ZERO; 48],
                err: vec![F::ZERO; 2],
                learning: true,
            };
            push(&mut history, &everybody(24));
            assert!(history.has_room());
            push(&mut history, &everybody(5));
            assert!(history.has_room());
            push(&mut history, &everybody(1));
            assert!(!history.has_room());
            history.clear();
            assert!(history.has_room() && !history.taught());
            // Or as many steps as a block has.
            (0..5).for_each(|_| push(&mut history, &everybody(0)));
            assert!(history.has_room());
            push(&mut history, &everybody(0));
            assert!(!history.has_room());
        }
    }

    in_both! {
        fn nothing_of_earlier_blocks_is_saved<F>() {
            let (before, now) = (moments::<F>(6, 6, false), moments::<F>(3, 7, true));
            let mut used = pushed(&before);
            used.clear();
            now.iter().for_each(|moment| push(&mut used, moment));
            let fresh = pushed(&now);
            assert!(used.unit && fresh.unit);
            assert_eq!(plain::save(&used).unwrap(), plain::save(&fresh).unwrap());
            let mut read = history::<F>(SIZES);
            plain::load(&mut read, &plain::save(&used).unwrap()).unwrap();
            assert!(walk::same(&read, &fresh) && read.unit);
            let mut read = history::<F>(SIZES);
            plain::load(&mut read, &plain::save(&pushed(&before)).unwrap()).unwrap();
            assert!(!read.unit);
        }
    }

    #[test]
    fn what_can_be_no_history_is_refused() {
        let broken = |change: fn(&mut History<f32>)| {
            let mut history = pushed(&moments::<f32>(4, 8, false));
            history.loaded().unwrap();
            change(&mut history);
            let refused = history.loaded();
            assert!(matches!(refused, Err(Error::State { .. })), "{refused:?}");
            // Whoever counts or saves it does not panic.
            walk::bytes(&history);
            plain::save(&history).unwrap();
        };
        broken(|history| history.len = 7);
        broken(|history| history.len = usize::MAX);
        broken(|history| history.n_dense = 5);
        broken(|history| history.start[0] = 1);
        broken(|history| history.start[2] = history.start[1] - 1);
        broken(|history| history.start[4] = 61);
        broken(|history| history.start[4] = u32::MAX);
        broken(|history| history.index[0] = 24);
        broken(|history| history.dense_at[0] = 4);
        // The last step of the last neuron's tile, behind it.
        broken(|history| {
            let (column, width) = tiles::<f32>(48)
                .find(|(at, width)| at + width > 20)
                .unwrap();
            history.psi[column * SIZES.steps + 4 * width - 1] = 0.5;
        });
    }

    #[test]
    fn a_block_is_the_longest_power_of_two_whose_history_fits() {
        const BOUND: usize = 16 << 20;
        for (n_inputs, n, n_outputs) in [
            (100, 100, 2),
            (700, 2_000, 10),
            (5, 9_000, 1),
            (9_000, 5, 1),
            (20_000, 1_000, 3),
        ] {
            let sizes = crate::options::plan::Sizes {
                n_inputs,
                n,
                n_outputs,
            };
            let config = Config {
                c_reg: 1.0,
                update_every: UpdateEvery::Steps(1 << 20),
                ..Config::default()
            };
            let plan = Plan::of::<f32>(sizes, &config).unwrap();
            let bytes = |block| {
                let sizes = Sizes::of::<f32>(&Plan {
                    block,
                    ..plan.clone()
                });
                Room::count(|room| History::<f32>::new(room, sizes)).unwrap()
            };
            let bound = BOUND.max(plan.stride::<f32>() * (n_inputs + n));
            assert!(plan.block.is_power_of_two() && (16..=1_024).contains(&plan.block));
            // A kilobyte for the ends of buffers.
            assert!(
                plan.block == 16 || bytes(plan.block) <= bound + 1_024,
                "{sizes}: {}",
                plan.block
            );
            assert!(
                plan.block == 1_024 || bytes(2 * plan.block) > bound,
                "{sizes}: {}",
                plan.block
            );
        }
    }
}
