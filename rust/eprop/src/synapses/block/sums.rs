//! Sums over a block for all synapses, tile by tile.

use super::Block;
use core::ops::Range;

use super::scratch::{OfBlock, OfTile, Scratch};
use crate::kernels::{self, Carry, Finish, Gather, OnRaw, Scan};
use crate::numbers::aligned::Aligned;
use crate::numbers::interrupt::{Interrupt, Pace};
use crate::numbers::room::Room;
use crate::parts::signal::Held;
use crate::synapses::{Filters, See, show_rows, show_silence};
use crate::{Error, Float};

/// Which sum over the block is made.
#[derive(Clone, Copy)]
pub(super) enum Sum<'a, F> {
    /// The gradient, with the sequence's coefficients on raw e, if they are known.
    Gradient { b: &'a Held<F>, r: Option<&'a [F]> },
    /// The regulariser's part alone, by the sequence's coefficients or those of the steps.
    Regulariser { r: Option<&'a [F]> },
    /// `e_bar` at the block's end.
    Traces,
    /// `eps_a` after the block's end.
    Adaptation,
    /// `z_bar` at the block's end, where neurons differ.
    Membranes,
    /// `sum_t e` over the steps of learning.
    RawTraces,
}

impl<F> Sum<'_, F> {
    /// Whether it is of traces, which it replaces. Otherwise it is added.
    pub(super) fn replaces(&self) -> bool {
        matches!(self, Sum::Traces | Sum::Adaptation | Sum::Membranes)
    }
}

/// What each neuron of a tile makes of the traces before the block: of `e_bar`, `z_bar`, `x_bar` and `eps_a`.
pub(super) struct Left<const W: usize, F> {
    of_e: [F; W],
    of_z: [F; W],
    of_x: [F; W],
    of_eps: [F; W],
}

impl<F: Float> Block<F> {
    /// One sum over the block for all synapses, tile by tile. The events are sorted already. Returns whether it is finite.
    pub(super) fn sum(
        &self,
        what: Sum<'_, F>,
        finish: Finish<'_, F>,
        scratch: &mut Scratch<F>,
        to: &mut [F],
    ) -> bool {
        let nobody = &mut Interrupt::NOBODY.pace();
        self.sum_until(what, finish, scratch, to, nobody)
            .unwrap_or(false)
    }

    /// As [`sum`](Self::sum), unless it is stopped between two tiles: then some are made.
    pub(super) fn sum_until(
        &self,
        what: Sum<'_, F>,
        finish: Finish<'_, F>,
        scratch: &mut Scratch<F>,
        to: &mut [F],
        pace: &mut Pace<'_>,
    ) -> Result<bool, Error> {
        self.begin(what, scratch);
        let mut finite = true;
        for tile in self.tiles_from(0) {
            finite &= self.tile_of(tile, what, finish, scratch, to);
            self.pass(tile, pace)?;
        }
        Ok(finite)
    }

    /// Shows traces as they will be at the history's end, of those at its start.
    pub(super) fn show_traces(
        &self,
        at_start: &Aligned<F>,
        what: Sum<'_, F>,
        sources: Range<usize>,
        pace: &mut Pace<'_>,
        see: See<'_, F>,
    ) -> Result<(), Error> {
        let sizes = self.sizes();
        let shape = (sizes.stride, sizes.n);
        if self.history.len == 0 {
            return match self.carried {
                true => show_rows(at_start, shape, sources, pace, see),
                false => show_silence(sizes.n, sources, pace, see),
            };
        }
        let (mut traces, mut scratch) = Room::build(
            || "reading traces".into(),
            |room| {
                Ok((
                    room.zeros(sizes.sources(), sizes.stride)?,
                    Scratch::new(room, &sizes)?,
                ))
            },
        )?;
        for piece in pace.pieces(traces.len()) {
            let len = piece.len();
            traces[piece.clone()].copy_from_slice(&at_start[piece]);
            pace.pass(len)?;
        }
        self.history.sort(&mut scratch.sorted);
        self.begin(what, &mut scratch);
        for tile in self.tiles_from(self.traced) {
            self.tile_of(tile, what, Finish::Replace, &mut scratch, &mut traces);
            self.pass(tile, pace)?;
        }
        show_rows(&traces, shape, sources, pace, see)
    }

    /// What all tiles of a sum need.
    pub(super) fn begin(&self, what: Sum<'_, F>, scratch: &mut Scratch<F>) {
        let Filters {
            kappa_e, zeta_e, ..
        } = self.filters;
        let history = &self.history;
        match what {
            Sum::Gradient { .. } => history.filter_errors(kappa_e, &mut scratch.filtered_err),
            Sum::Traces => {
                let mut power = zeta_e;
                for per_step in scratch.per_step[..history.len].iter_mut().rev() {
                    *per_step = power;
                    power *= kappa_e;
                }
            }
            Sum::Adaptation | Sum::Membranes | Sum::RawTraces | Sum::Regulariser { .. } => {}
        }
    }

    pub(super) fn tile_of(
        &self,
        (column, width): (usize, usize),
        what: Sum<'_, F>,
        finish: Finish<'_, F>,
        scratch: &mut Scratch<F>,
        to: &mut [F],
    ) -> bool {
        // Written out, since a width has to be known when the kernel is compiled.
        let finite = match width {
            8 => self.tile::<8>(column, what, finish, scratch, to),
            16 => self.tile::<16>(column, what, finish, scratch, to),
            _ => self.tile::<32>(column, what, finish, scratch, to),
        };
        let of_sources = self.moves && matches!(what, Sum::Membranes);
        if let Some(wires) = self.wires.as_ref().filter(|_| !of_sources) {
            for (source, row) in to.chunks_exact_mut(self.sizes().stride).enumerate() {
                wires.clear(source, column, &mut row[column..column + width]);
            }
        }
        finite
    }

    fn tile<const W: usize>(
        &self,
        column: usize,
        what: Sum<'_, F>,
        finish: Finish<'_, F>,
        scratch: &mut Scratch<F>,
        to: &mut [F],
    ) -> bool {
        let (of_block, mut of_tile, _) = scratch.parts();
        let left = self.rows_of_tile::<W>(column, what, &of_block, &mut of_tile);
        let OfTile {
            q, dense, dense_q, ..
        } = of_tile;
        let q = self.scanned::<W>(column, what).unwrap_or(q);
        let dense = self.dense_sum::<W>(q, dense, dense_q);
        let (e_bar, eps_a): (&[F], &[F]) = match what {
            Sum::Traces => (&[], &self.eps_a),
            Sum::Adaptation | Sum::Membranes => (&[], &[]),
            _ => (&self.e_bar, &self.eps_a),
        };
        let z_bar_rows: &[F] = match what {
            Sum::Membranes => &[],
            _ => &self.z_bar_rows,
        };
        let carry = self.carry_of(&left, [e_bar, eps_a, z_bar_rows]);
        let gather = Gather {
            start: &of_block.sorted.start,
            at: &of_block.sorted.at,
            scale: of_block.sorted.scale(),
            dense,
            q,
            zeta: self.gain_of_rows(),
            carry,
            stride: self.sizes().stride,
            column,
            first_recurrent: self.sizes().n_inputs,
        };
        kernels::gather::<F, W>(gather, finish, to)
    }

    /// What is carried into the block, and what a tile leaves of it; `matrices`: `e_bar`, `eps_a` and `z_bar`.
    pub(super) fn carry_of<'a, const W: usize>(
        &'a self,
        left: &'a Left<W, F>,
        matrices: [&'a [F]; 3],
    ) -> Option<Carry<'a, F>> {
        let [e_bar, eps_a, z_bar_rows] = matrices;
        self.carried.then_some(Carry {
            z_bar: &self.z_bar,
            z_bar_rows,
            x_bar: &self.x_bar,
            of_x: &left.of_x,
            of_z: &left.of_z,
            e_bar,
            of_e: &left.of_e,
            eps_a,
            of_eps: &left.of_eps,
        })
    }

    /// The rows of a tile, if recurrent credit has made them.
    pub(super) fn scanned<const W: usize>(&self, column: usize, what: Sum<'_, F>) -> Option<&[F]> {
        let history = (self.history.len, self.sizes());
        let part = match what {
            Sum::Gradient { .. } => 0,
            Sum::Regulariser { .. } => 1,
            Sum::RawTraces | Sum::Traces | Sum::Adaptation | Sum::Membranes => return None,
        };
        self.credit.scanned(part, (column, W), history)
    }

    /// A row of one tile per step, unless [`scanned`](Self::scanned) has them, and what the tile leaves of what earlier blocks left.
    pub(super) fn rows_of_tile<const W: usize>(
        &self,
        column: usize,
        what: Sum<'_, F>,
        of_block: &OfBlock<'_, F>,
        of_tile: &mut OfTile<'_, F>,
    ) -> Left<W, F> {
        let OfTile { q, b, .. } = of_tile;
        let ones = [F::ONE; W];
        let (scan, of_e) = self.scan_of(column, what, of_block, (b, &ones));
        let mut left = Left {
            of_e,
            of_z: [F::ZERO; W],
            of_x: [F::ZERO; W],
            of_eps: [F::ZERO; W],
        };
        match self.scanned::<W>(column, what) {
            Some(q) => left.of_z = core::array::from_fn(|l| self.filters.alpha * q[l]),
            None => {
                self.run_scan(scan, (column, what), q, &mut left);
                self.filter_membranes((column, what), q, &mut left);
            }
        }
        left
    }

    /// What the scan of a tile reads, and what the sum makes of `e_bar` before the block. `b` is scratch memory.
    fn scan_of<'a, const W: usize>(
        &'a self,
        column: usize,
        what: Sum<'a, F>,
        of_block: &OfBlock<'a, F>,
        (b, ones): (&'a mut [F], &'a [F; W]),
    ) -> (Scan<'a, F>, [F; W]) {
        let Filters {
            alpha,
            kappa_e,
            zeta_e,
            ..
        } = self.filters;
        let (history, sizes) = (&self.history, self.sizes());
        let (len, o) = (history.len, sizes.n_outputs);
        let filtered_err = &of_block.filtered_err[..len * o];
        let credit = |part| self.credit.tile(part, (column, W), (len, sizes));
        let on_raw = |of_steps: Option<&'a [F]>, r: Option<&'a [F]>| match (of_steps, r) {
            (Some(of_steps), _) => OnRaw::PerStep(of_steps),
            (None, Some(r)) => OnRaw::Outer {
                per_neuron: &r[column..column + W],
                per_step: &history.learned,
            },
            (None, None) => OnRaw::None,
        };
        let mut scan = Scan {
            // With membranes of their own, these follow the scan.
            alpha: match self.membranes {
                None => alpha,
                Some(_) => F::ZERO,
            },
            c: zeta_e,
            psi: history.psi(column, W),
            filtered_err,
            b: &[],
            raw: OnRaw::None,
            credit: &[],
        };
        let mut of_e = [F::ZERO; W];
        match what {
            Sum::Gradient { b: backward, r } => {
                let b = &mut b[..o * W];
                backward.tile(column, W, sizes.stride, b);
                of_e = taught_before(kappa_e, filtered_err, b);
                scan.b = b;
                scan.credit = credit(0);
                scan.raw = on_raw(history.r(column, W).filter(|_| !self.apart), r);
            }
            Sum::Regulariser { r } => {
                scan.credit = credit(1);
                scan.raw = on_raw(history.r(column, W), r);
            }
            Sum::Traces => {
                of_e = [(0..len).fold(F::ONE, |power, _| power * kappa_e); W];
                scan.raw = OnRaw::Outer {
                    per_neuron: ones,
                    per_step: of_block.per_step,
                };
            }
            Sum::RawTraces => {
                scan.raw = OnRaw::Outer {
                    per_neuron: ones,
                    per_step: &history.learned,
                };
            }
            Sum::Adaptation | Sum::Membranes => {}
        }
        (scan, of_e)
    }

    /// Makes the rows of a tile, before membranes that differ.
    fn run_scan<const W: usize>(
        &self,
        scan: Scan<'_, F>,
        (column, what): (usize, Sum<'_, F>),
        q: &mut [F],
        left: &mut Left<W, F>,
    ) {
        match (&self.adaptation, what) {
            (_, Sum::Membranes) => {
                // What the last step gets, and nothing else.
                let len = self.history.len;
                let (before, last) = q[..len * W].split_at_mut((len - 1) * W);
                before.fill(F::ZERO);
                last.fill(F::ONE);
            }
            (None, _) => kernels::scan::<F, W>(scan, q),
            (Some(all), Sum::Adaptation) => {
                let adapting = all.tile(column, W);
                let of_eps = &mut left.of_e;
                kernels::scan_adaptation::<F, W>(scan.alpha, scan.psi, adapting, q, of_eps);
            }
            (Some(all), _) => {
                let adapting = all.tile(column, W);
                kernels::scan_adaptive::<F, W>(scan, adapting, q, &mut left.of_eps);
            }
        }
    }

    /// Takes the rows of a tile through the membranes: what is left of traces of sources, and the rows themselves where membranes differ.
    fn filter_membranes<const W: usize>(
        &self,
        (column, what): (usize, Sum<'_, F>),
        q: &mut [F],
        left: &mut Left<W, F>,
    ) {
        match &self.membranes {
            None => left.of_z = core::array::from_fn(|l| self.filters.alpha * q[l]),
            Some(membranes) => {
                let membranes = membranes.tile(column, W);
                let rows = &mut q[..self.history.len * W];
                kernels::filter_back::<F, W>(membranes, rows, &mut left.of_z, &mut left.of_x);
            }
        }
        if let Sum::Membranes = what {
            // They replace what they are made of.
            left.of_e = left.of_z;
        }
    }

    /// `zeta sum_u s_i^u q^u` over the dense steps: a matrix product.
    pub(super) fn dense_sum<'a, const W: usize>(
        &self,
        q: &[F],
        sum: &'a mut [F],
        rows: &mut [F],
    ) -> &'a [F] {
        let (at, inputs) = self.history.dense();
        if at.is_empty() {
            return &[];
        }
        let n_inputs = self.sizes().n_inputs;
        let sum = &mut sum[..n_inputs * W];
        sum.fill(F::ZERO);
        let rows = &mut rows[..at.len() * W];
        for (row, &u) in rows.chunks_exact_mut(W).zip(at) {
            row.copy_from_slice(&q[u as usize * W..][..W]);
        }
        kernels::multiply_add(inputs, (1, n_inputs), at.len(), rows, sum, W);
        kernels::scale_row(self.gain_of_rows(), sum);
        sum
    }

    /// What the rows of a scan are multiplied with, unless that is in them already.
    pub(super) fn gain_of_rows(&self) -> F {
        match self.membranes {
            None => self.filters.zeta,
            Some(_) => F::ONE,
        }
    }
}

/// What `e_bar` before the block still teaches: `kappa_e B R^1`.
fn taught_before<F: Float, const W: usize>(kappa_e: F, filtered_err: &[F], b: &[F]) -> [F; W] {
    let mut of_e = [F::ZERO; W];
    for (b, &err) in b.chunks_exact(W).zip(filtered_err) {
        let first = kappa_e * err;
        for (of_e, &b) in of_e.iter_mut().zip(b) {
            *of_e += b * first;
        }
    }
    of_e
}
