//! A gradient that waits, in the factored form: where weights rest for a few steps, fewer than a base block has.
//!
//! `dE/dW = G + S C + T zt`, with factors of its own beside those of the weights and a row `G` per source, which is 0 but for sources
//! that fired since the last update: an update, too, costs a row for each of those, and not a pass over all synapses.

use alloc::vec::Vec;

use crate::aligned::Aligned;
use crate::kernels::{self, FactorsMut, StepScales};
use crate::persist::Persist;
use crate::{Error, Float};

#[derive(Clone, Debug)]
pub(super) struct Pending<F> {
    pub(super) s: Aligned<F>,
    pub(super) t: Aligned<F>,
    /// `S X1 - T`.
    y: Aligned<F>,
    g: Aligned<F>,
    /// The sources whose row is not 0, in the order of their first spike.
    touched: Vec<u32>,
    is_touched: Vec<bool>,
}

impl<F: Float> Pending<F> {
    pub(super) fn new(sources: usize, stride: usize) -> Self {
        Self {
            s: Aligned::zeros(stride),
            t: Aligned::zeros(stride),
            y: Aligned::zeros(stride),
            g: Aligned::zeros(sources * stride),
            touched: Vec::with_capacity(sources),
            is_touched: alloc::vec![false; sources],
        }
    }

    /// Bytes of everything, `None` where the count overflows.
    pub(super) fn bytes_for(sources: usize, stride: usize) -> Option<usize> {
        let numbers = stride.checked_mul(sources.checked_add(3)?)?;
        numbers
            .checked_mul(size_of::<F>())?
            .checked_add(sources.checked_mul(5)?)
    }

    /// Whether anything has been learned since the last update.
    pub(super) fn is_empty(&self) -> bool {
        let nothing = |row: &[F]| row.iter().all(|&x| x == F::ZERO);
        self.touched.is_empty() && nothing(&self.s) && nothing(&self.t)
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
            self.touched.push(source as u32);
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
        for source in self.touched.drain(..) {
            self.is_touched[source as usize] = false;
            let row = source as usize * stride..(source as usize + 1) * stride;
            let g = &mut self.g[row.clone()];
            kernels::add_row(-lr, g, &mut a[row]);
            g.fill(F::ZERO);
        }
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        let stride = self.s.len();
        for source in self.touched.drain(..) {
            self.is_touched[source as usize] = false;
            self.g[source as usize * stride..(source as usize + 1) * stride].fill(F::ZERO);
        }
        self.clear_factors();
    }
}

/// Rows that are not 0 only.
impl<F: Float> Persist for Pending<F> {
    fn save(&self, out: &mut Vec<u8>) {
        self.s.save(out);
        self.t.save(out);
        self.y.save(out);
        (self.touched.len() as u64).save(out);
        let stride = self.s.len();
        for &source in &self.touched {
            source.save(out);
            let row = &self.g[source as usize * stride..][..stride];
            row.iter().for_each(|x| x.save(out));
        }
    }

    fn load(&mut self, bytes: &mut &[u8]) -> Result<(), Error> {
        let wrong = || Error::State {
            reason: "a pending gradient of sources that do not exist".into(),
        };
        self.clear();
        self.s.load(bytes)?;
        self.t.load(bytes)?;
        self.y.load(bytes)?;
        let mut touched = 0_u64;
        touched.load(bytes)?;
        for _ in 0..touched {
            let mut source = 0_u32;
            source.load(bytes)?;
            if source as usize >= self.is_touched.len() || self.is_touched[source as usize] {
                return Err(wrong());
            }
            let row = self.row_mut(source as usize);
            self.g[row].iter_mut().try_for_each(|x| x.load(bytes))?;
        }
        Ok(())
    }

    fn numbers(&self) -> usize {
        2 * self.s.len() + self.g.len()
    }

    fn bytes(&self) -> usize {
        let rows = [&self.s, &self.t, &self.y, &self.g];
        let rows: usize = rows.into_iter().map(|row| row.bytes()).sum();
        rows + self.touched.capacity() * size_of::<u32>() + self.is_touched.capacity()
    }
}
