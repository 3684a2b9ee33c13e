//! What a block remembers of its steps: psi, the errors, who was active. It is worked off as a whole (section 3.2).

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use crate::aligned::Aligned;
use crate::feedback::Signal;
use crate::kernels;
use crate::persist::Persist;
use crate::sources::Sources;
use crate::{Error, Float};

/// The history may take so many bytes whatever the network is ...
const BYTES: usize = 16 << 20;
/// ... or this share of the weights, if that is more: 1 / 4.
const SHARE: usize = 4;
/// A block is no longer than this: by then it costs hardly more per step than an endless one.
const LONGEST: usize = 1024;
const SHORTEST: usize = 16;
/// Events are kept for one source in so many, on average; a block in which more happens ends early.
const ACTIVE: usize = 8;

/// The sizes that a history depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) n_inputs: usize,
    pub(crate) n: usize,
    pub(crate) n_outputs: usize,
    /// N, padded.
    pub(crate) stride: usize,
    /// Steps to a block.
    pub(crate) steps: usize,
    /// Whether the stream's regulariser is kept, too.
    pub(crate) rate: bool,
}

impl Sizes {
    pub(crate) fn sources(&self) -> usize {
        self.n_inputs + self.n
    }

    /// How many events there is room for.
    fn events(&self) -> Option<usize> {
        (self.sources() / ACTIVE)
            .checked_mul(self.steps)?
            .checked_add(self.sources())
    }

    /// Bytes of a history of these sizes, `None` where the count overflows.
    pub(crate) fn bytes<F>(&self) -> Option<usize> {
        let rows = self.stride.checked_mul(1 + usize::from(self.rate))?;
        let each = rows.checked_add(self.n_outputs + self.n_inputs + 3)?;
        each.checked_mul(self.steps)?
            .checked_add(self.events()?.checked_mul(2)?)?
            .checked_mul(size_of::<F>())
    }

    /// The longest block, a power of two, whose history stays within bounds that depend on the sizes alone.
    pub(crate) fn fitted<F>(self, at_most: usize) -> Self {
        let weights = self
            .stride
            .saturating_mul(self.sources())
            .saturating_mul(size_of::<F>());
        let bound = BYTES.max(weights / SHARE);
        let mut steps = LONGEST;
        let fits = |steps| {
            Self { steps, ..self }
                .bytes::<F>()
                .is_some_and(|bytes| bytes <= bound)
        };
        while steps > SHORTEST && !fits(steps) {
            steps /= 2;
        }
        Self {
            steps: steps.min(at_most),
            ..self
        }
    }
}

/// The width of a tile of neurons: 128 bytes, the unit in which a scan works.
pub(crate) fn tile_width<F>() -> usize {
    128 / size_of::<F>()
}

/// The tiles of a padded row: column and width.
pub(crate) fn tiles<F>(stride: usize) -> impl Iterator<Item = (usize, usize)> {
    let width = tile_width::<F>();
    (0..stride)
        .step_by(width)
        .map(move |column| (column, width.min(stride - column)))
}

/// The steps of the block so far.
#[derive(Clone, Debug)]
pub(crate) struct History<F> {
    pub(crate) sizes: Sizes,
    pub(crate) len: usize,
    /// Tile by tile, a row per step.
    psi: Aligned<F>,
    /// The stream's `r`, laid out like psi; empty without it.
    rate: Aligned<F>,
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

impl<F: Float> History<F> {
    pub(crate) fn new(sizes: Sizes) -> Self {
        let Sizes {
            steps,
            stride,
            n_outputs,
            n_inputs,
            rate,
            ..
        } = sizes;
        let events = sizes.events().unwrap_or(0);
        Self {
            len: 0,
            psi: Aligned::zeros(steps * stride),
            rate: Aligned::zeros(if rate { steps * stride } else { 0 }),
            err: vec![F::ZERO; steps * n_outputs],
            learned: vec![F::ZERO; steps],
            start: vec![0; steps + 1],
            index: vec![0; events],
            value: vec![F::ZERO; events],
            unit: true,
            dense_at: vec![0; steps],
            n_dense: 0,
            dense: vec![F::ZERO; steps * n_inputs],
            sizes,
        }
    }

    /// Whether one more step fits, whatever happens in it.
    pub(crate) fn has_room(&self) -> bool {
        self.len < self.sizes.steps
            && self.start[self.len] as usize + self.sizes.sources() <= self.index.len()
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
            self.err[u * self.sizes.n_outputs..][..self.sizes.n_outputs]
                .copy_from_slice(signal.err);
            self.learned[u] = F::ONE;
        }
        if self.sizes.rate {
            match signal.and_then(|signal| signal.r) {
                Some(r) => self.keep(u, r, true),
                None => self.keep_no_rate(u),
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

    fn keep(&mut self, u: usize, row: &[F], rate: bool) {
        let to = if rate { &mut self.rate } else { &mut self.psi };
        kernels::copy_to_tiles(row, tile_width::<F>(), self.sizes.steps, u, to);
    }

    fn keep_no_rate(&mut self, u: usize) {
        for (column, width) in tiles::<F>(self.sizes.stride) {
            self.rate[column * self.sizes.steps + u * width..][..width].fill(F::ZERO);
        }
    }

    /// psi of a tile: a row of `width` per step.
    pub(crate) fn psi(&self, column: usize, width: usize) -> &[F] {
        &self.psi[column * self.sizes.steps..][..self.len * width]
    }

    /// The stream's `r` of a tile, if there is a stream's regulariser.
    pub(crate) fn rate(&self, column: usize, width: usize) -> Option<&[F]> {
        let rows = || &self.rate[column * self.sizes.steps..][..self.len * width];
        self.sizes.rate.then(rows)
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

    /// Moves `z_bar` from the block's start to its end: `alpha^K z_bar0 + zeta sum_u alpha^{K-u} s^u`.
    pub(crate) fn advance_z_bar(&self, alpha: F, zeta: F, z_bar: &mut [F]) {
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

    fn used(&self) -> Vec<&[F]> {
        let mut used = vec![];
        for (column, width) in tiles::<F>(self.sizes.stride) {
            used.push(self.psi(column, width));
            used.extend(self.rate(column, width));
        }
        used.push(&self.err[..self.len * self.sizes.n_outputs]);
        used.push(&self.learned[..self.len]);
        used.push(self.dense().1);
        used
    }
}

/// The events of a block by source.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sorted<F> {
    /// Those of source i are `start[i]..start[i + 1]`.
    pub(crate) start: Vec<u32>,
    pub(crate) at: Vec<u32>,
    value: Vec<F>,
    unit: bool,
    next: Vec<u32>,
}

impl<F: Float> Sorted<F> {
    pub(crate) fn new(sizes: &Sizes) -> Self {
        let events = sizes.events().unwrap_or(0);
        Self {
            start: vec![0; sizes.sources() + 1],
            at: vec![0; events],
            value: vec![F::ZERO; events],
            unit: true,
            next: vec![0; sizes.sources()],
        }
    }

    /// The values of the events; empty where all are 1.
    pub(crate) fn scale(&self) -> &[F] {
        if self.unit { &[] } else { &self.value }
    }

    pub(crate) fn bytes(&self) -> usize {
        (self.start.capacity() + self.at.capacity() + self.next.capacity()) * size_of::<u32>()
            + self.value.capacity() * size_of::<F>()
    }
}

/// Only what is used is saved: the rest is left over from earlier blocks.
impl<F: Float> Persist for History<F> {
    fn save(&self, out: &mut Vec<u8>) {
        (self.len as u64).save(out);
        (self.n_dense as u64).save(out);
        self.used().into_iter().flatten().for_each(|x| x.save(out));
        self.start[..=self.len].iter().for_each(|x| x.save(out));
        let events = self.start[self.len] as usize;
        self.index[..events].iter().for_each(|x| x.save(out));
        self.value[..events].iter().for_each(|x| x.save(out));
        self.dense_at[..self.n_dense]
            .iter()
            .for_each(|x| x.save(out));
    }

    fn load(&mut self, bytes: &mut &[u8]) -> Result<(), Error> {
        let wrong = |what: &str| Error::State {
            reason: format!("a history with {what}"),
        };
        let (mut len, mut n_dense) = (0_u64, 0_u64);
        len.load(bytes)?;
        n_dense.load(bytes)?;
        if len > self.sizes.steps as u64 || n_dense > len {
            return Err(wrong("more steps than a block has"));
        }
        (self.len, self.n_dense) = (len as usize, n_dense as usize);
        let (steps, len, sizes) = (self.sizes.steps, self.len, self.sizes);
        let mut load = |numbers: &mut [F]| numbers.iter_mut().try_for_each(|x| x.load(bytes));
        for (column, width) in tiles::<F>(sizes.stride) {
            load(&mut self.psi[column * steps..][..len * width])?;
            if sizes.rate {
                load(&mut self.rate[column * steps..][..len * width])?;
            }
        }
        load(&mut self.err[..len * sizes.n_outputs])?;
        load(&mut self.learned[..len])?;
        load(&mut self.dense[..self.n_dense * sizes.n_inputs])?;
        self.start[..=len]
            .iter_mut()
            .try_for_each(|x| x.load(bytes))?;
        let rising = self.start[0] == 0 && self.start[..=len].is_sorted();
        let events = self.start[len] as usize;
        if !rising || events > self.index.len() {
            return Err(wrong("events out of order"));
        }
        self.index[..events]
            .iter_mut()
            .try_for_each(|x| x.load(bytes))?;
        self.value[..events]
            .iter_mut()
            .try_for_each(|x| x.load(bytes))?;
        self.dense_at[..self.n_dense]
            .iter_mut()
            .try_for_each(|x| x.load(bytes))?;
        let known = self.index[..events]
            .iter()
            .all(|&i| (i as usize) < sizes.sources());
        let placed = self.dense_at[..self.n_dense]
            .iter()
            .all(|&u| (u as usize) < len);
        if !known || !placed {
            return Err(wrong("sources or steps that do not exist"));
        }
        self.unit = self.value[..events].iter().all(|&value| value == F::ONE);
        Ok(())
    }

    fn numbers(&self) -> usize {
        let indices = self.start.len() + self.index.len() + self.dense_at.len();
        let values = self.err.len() + self.learned.len() + self.value.len() + self.dense.len();
        self.psi.len() + self.rate.len() + indices + values
    }

    fn bytes(&self) -> usize {
        let indices = self.start.bytes() + self.index.bytes() + self.dense_at.bytes();
        let values =
            self.err.bytes() + self.learned.bytes() + self.value.bytes() + self.dense.bytes();
        self.psi.bytes() + self.rate.bytes() + indices + values
    }
}
