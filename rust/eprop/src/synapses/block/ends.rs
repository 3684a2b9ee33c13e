//! What happens at a block's end: its gradient joins what earlier blocks left, or goes to the weights, and traces become those of its end.

use super::Block;
use super::history::tiles;
use super::sums::Sum;
use crate::kernels::{self, Finish};
use crate::numbers::interrupt::{Interrupt, Pace};
use crate::synapses::Filters;
use crate::{Error, Float};

impl<F: Float> Block<F> {
    /// Whether the next step begins a block: at every multiple of its length since `reset`, and where not everything would fit that may have to.
    fn is_full(&self) -> bool {
        let whole = self.sizes().whole;
        let aligned = self.steps % self.aligned_to == 0;
        let ends = aligned || !self.history.has_room_for(whole);
        // What an interrupted update leaves behind may be longer than a horizon that weights were to rest for.
        ends && self.is_between_horizons() || !self.history.has_room()
    }

    /// Whether the next step starts a block.
    pub(super) fn is_complete(&self) -> bool {
        self.history.len > 0 && (self.used || self.worked > 0 || self.is_full())
    }

    /// Works the history off: gradient and traces as they are at its end. The next step starts a block.
    pub(super) fn end_block(&mut self) {
        _ = self.end_block_until(&mut Interrupt::NOBODY.pace());
    }

    /// As [`end_block`](Self::end_block), unless it is stopped between two tiles: whoever works it off later goes on there, with the same bits.
    pub(super) fn end_block_until(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        if self.history.len == 0 {
            return Ok(());
        }
        match self.orders.clone() {
            None => {
                self.work_off(pace)?;
                self.trace(pace)?;
            }
            Some(orders) => self.work_off_lists(&orders, true, pace)?,
        }
        self.carried = true;
        let filters = self.filters_of_sources();
        self.history
            .advance(filters, &mut self.x_bar, &mut self.z_bar);
        self.clear_history();
        Ok(())
    }

    /// alpha, zeta, sigma.
    pub(super) fn filters_of_sources(&self) -> (F, F, F) {
        let Filters { alpha, zeta, .. } = self.filters;
        let sigma = self.membranes.as_ref().map_or(F::ZERO, |one| one.sigma);
        (alpha, zeta, sigma)
    }

    pub(super) fn clear_history(&mut self) {
        self.history.clear();
        self.credit.forget();
        self.used = false;
        (self.worked, self.traced) = (0, 0);
    }

    /// The gradient of the history joins what earlier blocks left.
    pub(super) fn work_off(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        if let Some(orders) = self.orders.clone() {
            return self.work_off_lists(&orders, false, pace);
        }
        let mut scratch = core::mem::take(&mut self.scratch);
        let credited = self.credit_alone(&mut scratch.lanes, pace);
        let b = match credited {
            Ok(()) => self.b.take(),
            Err(_) => None,
        };
        let Some(b) = b else {
            self.scratch = scratch;
            return credited;
        };
        let mut g = core::mem::take(&mut self.w.pending);
        let mut sum_e = core::mem::take(&mut self.sum_e);
        let of_loss = Sum::Gradient { b: &b, r: None };
        let of_raw = match self.history.has_r() {
            true => Sum::Regulariser { r: None },
            false => Sum::RawTraces,
        };
        self.history.sort(&mut scratch.sorted);
        self.begin(of_loss, &mut scratch);
        self.begin(of_raw, &mut scratch);
        let mut going_on = Ok(());
        for tile in self.tiles_from(self.worked) {
            self.tile_of(tile, of_loss, Finish::Add, &mut scratch, &mut g);
            if !sum_e.is_empty() {
                self.tile_of(tile, of_raw, Finish::Add, &mut scratch, &mut sum_e);
            }
            self.worked = tile.0 + tile.1;
            going_on = self.pass(tile, pace);
            if going_on.is_err() {
                break;
            }
        }
        self.w.pending = g;
        self.w.waits = true;
        self.sum_e = sum_e;
        self.scratch = scratch;
        if self.worked < self.sizes().stride {
            self.b = Some(b);
        }
        going_on
    }

    /// `e_bar`, and `eps_a`, become those of the history's end.
    pub(super) fn trace(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        let mut scratch = core::mem::take(&mut self.scratch);
        let mut e_bar = core::mem::take(&mut self.e_bar);
        self.history.sort(&mut scratch.sorted);
        self.begin(Sum::Traces, &mut scratch);
        let mut going_on = Ok(());
        for tile in self.tiles_from(self.traced) {
            self.tile_of(tile, Sum::Traces, Finish::Replace, &mut scratch, &mut e_bar);
            if self.adaptation.is_some() {
                // After e_bar, which is made of the old one.
                let mut eps_a = core::mem::take(&mut self.eps_a);
                self.tile_of(
                    tile,
                    Sum::Adaptation,
                    Finish::Replace,
                    &mut scratch,
                    &mut eps_a,
                );
                self.eps_a = eps_a;
            }
            if !self.z_bar_rows.is_empty() {
                // After both.
                let mut z_bar = core::mem::take(&mut self.z_bar_rows);
                self.tile_of(
                    tile,
                    Sum::Membranes,
                    Finish::Replace,
                    &mut scratch,
                    &mut z_bar,
                );
                self.z_bar_rows = z_bar;
            }
            self.traced = tile.0 + tile.1;
            going_on = self.pass(tile, pace);
            if going_on.is_err() {
                break;
            }
        }
        self.e_bar = e_bar;
        self.scratch = scratch;
        going_on
    }

    /// Tiles from a column on.
    pub(super) fn tiles_from(&self, from: usize) -> impl Iterator<Item = (usize, usize)> + use<F> {
        tiles::<F>(self.sizes().stride).filter(move |&(column, _)| column >= from)
    }

    pub(super) fn pass(
        &self,
        (_, width): (usize, usize),
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        pace.pass(width.saturating_mul(self.sizes().sources()))
    }

    /// The gradient that waits is 0 from now on.
    pub(super) fn drop_gradient(&mut self) {
        self.dropped |= core::mem::take(&mut self.w.waits);
    }

    /// Clears the numbers of a gradient that was dropped, unless it is stopped: then all of them once more, the next time.
    pub(super) fn clear_dropped(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        if !self.dropped {
            return Ok(());
        }
        for numbers in [&mut self.w.pending, &mut self.sum_e] {
            for piece in pace.pieces(numbers.len()) {
                pace.pass(piece.len())?;
                numbers[piece].fill(F::ZERO);
            }
        }
        self.dropped = false;
        Ok(())
    }

    /// The gradient up to here has been used.
    pub(super) fn mark_used(&mut self) {
        self.drop_gradient();
        self.b = None;
        self.worked = 0;
        self.used = self.history.len > 0;
    }

    /// The rest of an end of a block that was interrupted. Not interruptible: an update is under way, which takes all of the gradient.
    pub(super) fn finish_what_began(&mut self) {
        if self.worked > 0 {
            _ = self.work_off(&mut Interrupt::NOBODY.pace());
        }
    }

    /// Adds the regulariser's part of earlier blocks to a gradient.
    pub(super) fn add_earlier(&self, r: Option<&[F]>, to: &mut [F]) {
        match r {
            _ if !self.has_part(r) => {}
            Some(r) => match &self.orders {
                None => kernels::add_scaled_rows_by(r, &self.sum_e, to),
                Some(orders) => orders.add_scaled_by(r, &self.sum_e, to),
            },
            None => kernels::add_row(F::ONE, &self.sum_e, to),
        }
    }

    /// Whether `sum_e` is a part of the gradient, where the sequence's coefficients are these.
    pub(super) fn has_part(&self, r: Option<&[F]>) -> bool {
        self.w.waits && !self.sum_e.is_empty() && (r.is_some() || self.history.has_r())
    }

    pub(super) fn take_in_earlier(&mut self, r: Option<&[F]>) {
        let mut g = core::mem::take(&mut self.w.pending);
        self.add_earlier(r, &mut g);
        self.w.pending = g;
    }

    /// Works the gradient of the history off, if it waits: sums that `finish` adds to a matrix, or takes a step with.
    pub(super) fn finish(&mut self, r: Option<&[F]>, finish: Finish<'_, F>, to: &mut [F]) -> bool {
        let nobody = &mut Interrupt::NOBODY.pace();
        self.finish_until(r, finish, to, nobody).unwrap_or(false)
    }

    /// As [`finish`](Self::finish), unless it is stopped: then the gradient of the history is lost.
    pub(super) fn finish_until(
        &mut self,
        r: Option<&[F]>,
        finish: Finish<'_, F>,
        to: &mut [F],
        pace: &mut Pace<'_>,
    ) -> Result<bool, Error> {
        let mut scratch = core::mem::take(&mut self.scratch);
        let credited = self.credit_alone(&mut scratch.lanes, pace);
        let b = self.b.take().filter(|_| credited.is_ok());
        let Some(b) = b else {
            self.scratch = scratch;
            return credited.map(|()| true);
        };
        self.history.sort(&mut scratch.sorted);
        let of_loss = Sum::Gradient { b: &b, r };
        let finite = self.sum_until(of_loss, finish, &mut scratch, to, pace);
        self.scratch = scratch;
        finite
    }

    /// Works the regulariser's part of the history off, if the gradient waits.
    pub(super) fn finish_regulariser(&mut self, r: Option<&[F]>, to: &mut [F]) {
        if self.b.is_none() {
            return;
        }
        let mut scratch = core::mem::take(&mut self.scratch);
        self.credit_unasked(&mut scratch.lanes);
        self.history.sort(&mut scratch.sorted);
        self.sum(Sum::Regulariser { r }, Finish::Add, &mut scratch, to);
        self.scratch = scratch;
    }
}
