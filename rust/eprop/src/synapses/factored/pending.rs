//! A gradient that waits, in the factored form: where weights rest for a few steps, fewer than a base block has.
//!
//! `dE/dW = G + S C + T zt`, with factors of its own beside those of the weights and a row `G` per source, which is 0 but for sources
//! that fired since the last update: an update, too, costs a row for each of those, and not a pass over all synapses.

use alloc::vec::Vec;
use core::ops::Range;

use crate::kernels::{self, FactorsMut, StepScales};
use crate::numbers::aligned::Aligned;
use crate::numbers::room::Room;
use crate::numbers::walk::{first, parts};
use crate::{Error, Float};

#[derive(Debug)]
pub(super) struct Pending<F> {
    pub(super) s: Aligned<F>,
    pub(super) t: Aligned<F>,
    /// `S X1 - T`.
    y: Aligned<F>,
    g: Aligned<F>,
    /// The sources whose row is not 0, in the order of their first spike: the first `n_touched`.
    touched: Vec<u32>,
    n_touched: usize,
    is_touched: Vec<bool>,
}

// Rows that are not 0 only.
parts!(Pending {
    Mark: [
        n_touched,
        touched(|this: &Self| first(this.n_touched.min(this.touched.len()))),
    ],
    State: [s, t, g(Self::touched_rows)],
    Scratch: [y, is_touched],
} then Self::loaded);

impl<F: Float> Pending<F> {
    pub(super) fn new(room: &mut Room, sources: usize, stride: usize) -> Result<Self, Error> {
        Ok(Self {
            s: room.zeros(1, stride)?,
            t: room.zeros(1, stride)?,
            y: room.zeros(1, stride)?,
            g: room.zeros(sources, stride)?,
            touched: room.vec(0, sources)?,
            n_touched: 0,
            is_touched: room.vec(false, sources)?,
        })
    }

    fn touched_rows(&self) -> Vec<Range<usize>> {
        let stride = self.s.len();
        let touched = &self.touched[..self.n_touched.min(self.touched.len())];
        let known = touched.iter().map(|&source| source as usize);
        known
            .filter(|&source| source < self.is_touched.len())
            .map(|source| source * stride..(source + 1) * stride)
            .collect()
    }

    fn loaded(&mut self) -> Result<(), Error> {
        let wrong = || Error::State {
            reason: "a pending gradient of sources that do not exist".into(),
        };
        let touched = self.touched.get(..self.n_touched).ok_or_else(wrong)?;
        for &source in touched {
            match self.is_touched.get_mut(source as usize) {
                Some(is_touched) if !*is_touched => *is_touched = true,
                _ => return Err(wrong()),
            }
        }
        Ok(())
    }

    /// `Y`, made anew from the other factors, given `X1`, by a step in which nothing happens.
    pub(super) fn respond(&mut self, x1: &mut [F], none: &[F]) {
        self.learn(StepScales::nothing(), x1, none, &[], &[]);
    }

    /// Whether anything has been learned since the last update.
    pub(super) fn is_empty(&self) -> bool {
        let nothing = |row: &[F]| row.iter().all(|&x| x == F::ZERO);
        self.n_touched == 0 && nothing(&self.s) && nothing(&self.t)
    }

    /// Whether no factor is beyond `limit`, so that no row can be far beyond it.
    pub(super) fn within(&self, limit: F) -> bool {
        [&self.s, &self.t, &self.y]
            .into_iter()
            .all(|row| kernels::all_within(limit, row))
    }

    /// A spike: `G += a Y`. `own` is the column of the neuron that the source is.
    pub(super) fn follow(&mut self, source: usize, shift: F, own: Option<usize>) {
        let row = self.row_mut(source);
        let (y, g) = (&self.y, &mut self.g[row.clone()]);
        kernels::add_row(shift, y, g);
        if let Some(own) = own {
            g[own] = F::ZERO;
        }
    }

    /// The row of a source, which is not 0 from now on.
    fn row_mut(&mut self, source: usize) -> core::ops::Range<usize> {
        if !self.is_touched[source] {
            self.is_touched[source] = true;
            self.touched[self.n_touched] = source as u32;
            self.n_touched += 1;
        }
        source * self.s.len()..(source + 1) * self.s.len()
    }

    /// The step of the factors, given `X1` as it is now: `dS = kappa_e^u L` and so on, without a learning rate.
    pub(super) fn learn(
        &mut self,
        scales: StepScales<F>,
        x1: &mut [F],
        psi: &[F],
        l: &[F],
        r: &[F],
    ) {
        let factors = FactorsMut {
            x1,
            s: &mut self.s,
            t: &mut self.t,
            y: &mut self.y,
        };
        kernels::step_factors(scales, psi, l, r, factors);
    }

    /// Folds a source's part of the factors into its row: `G += S C + T zt`.
    pub(super) fn fold(&mut self, source: usize, c: &[F], zt: F, own: Option<usize>) {
        let row = self.row_mut(source);
        let g = &mut self.g[row];
        kernels::add_products(&self.s, c, g);
        kernels::add_row(zt, &self.t, g);
        if let Some(own) = own {
            g[own] = F::ZERO;
        }
    }

    /// The factors are in the rows, or in those of the weights.
    pub(super) fn clear_factors(&mut self) {
        for row in [&mut self.s, &mut self.t, &mut self.y] {
            row.fill(F::ZERO);
        }
    }

    /// Takes a step down every row that is not 0, and leaves nothing.
    pub(super) fn descend(&mut self, lr: F, a: &mut [F]) {
        let stride = self.s.len();
        for &source in &self.touched[..self.n_touched] {
            self.is_touched[source as usize] = false;
            let row = source as usize * stride..(source as usize + 1) * stride;
            let g = &mut self.g[row.clone()];
            kernels::add_row(-lr, g, &mut a[row]);
            g.fill(F::ZERO);
        }
        self.n_touched = 0;
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        let stride = self.s.len();
        for &source in &self.touched[..self.n_touched] {
            self.is_touched[source as usize] = false;
            self.g[source as usize * stride..(source as usize + 1) * stride].fill(F::ZERO);
        }
        self.n_touched = 0;
        self.clear_factors();
    }
}
