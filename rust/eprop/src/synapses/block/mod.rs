//! The block form (section 3.2): while the weights rest, a step only writes down what happened; the block is worked off as a whole,
//! one row addition per spike. Nothing is approximated.

mod history;
mod persist;
mod scratch;

use alloc::vec;
use alloc::vec::Vec;

use super::{Filters, Needs, Synapses, drive_rows};
use crate::Float;
use crate::aligned::Aligned;
use crate::feedback::{Backward, Signal};
use crate::kernels::{self, Carry, Finish, Gather, Rate, Scan};
use crate::optimizer::Optimizer;
use crate::persist::Persist;
use crate::shared::Shared;
use crate::sources::Sources;
pub(super) use history::Sizes;
use history::{History, tile_width, tiles};
pub(super) use scratch::Scratch;

/// Weights, what earlier blocks left, and the history of this one.
#[derive(Clone, Debug)]
pub(crate) struct Block<F> {
    filters: Filters<F>,
    w: Shared<F>,
    finite: bool,
    history: History<F>,
    /// Whether the history's gradient has been used already.
    used: bool,
    /// Steps since `reset`.
    steps: u64,
    /// `z_bar` and `e_bar` at the start of the block, and whether they are not 0.
    z_bar: Vec<F>,
    e_bar: Aligned<F>,
    carried: bool,
    /// The gradient of earlier blocks, and whether there is any.
    g: Aligned<F>,
    pending: bool,
    /// `sum_t e` of earlier blocks, if the regulariser asks for it.
    sum_e: Aligned<F>,
    scratch: Scratch<F>,
}

/// Which sum over the block is made.
#[derive(Clone, Copy)]
enum Sum<'a, F> {
    /// The gradient, with the sequence's coefficients on raw e, if they are known.
    Gradient {
        b: Backward<'a, F>,
        r: Option<&'a [F]>,
    },
    /// `e_bar` at the block's end.
    Traces,
    /// `sum_t e` over the steps of learning.
    RawTraces,
}

impl<F: Float> Block<F> {
    /// `w`: P rows of N, unpadded.
    pub(crate) fn new(w: &[F], sizes: Sizes, filters: Filters<F>, needs: Needs) -> Self {
        let p = sizes.sources();
        let matrix = p * sizes.stride;
        Self {
            filters,
            w: Aligned::rows(w, sizes.n, sizes.stride).into(),
            finite: kernels::all_finite(w),
            history: History::new(sizes),
            used: false,
            steps: 0,
            z_bar: vec![F::ZERO; p],
            e_bar: Aligned::zeros(matrix),
            carried: false,
            g: Aligned::zeros(matrix),
            pending: false,
            sum_e: Aligned::zeros(if needs.sum_e { matrix } else { 0 }),
            scratch: Scratch::new(&sizes),
        }
    }

    /// Bytes of everything, `None` where the count overflows.
    pub(crate) fn bytes_for(sizes: Sizes, needs: Needs) -> Option<usize> {
        let matrices = 3 + usize::from(needs.sum_e);
        let p = sizes.sources();
        let scratch = (tile_width::<F>() + sizes.n_outputs)
            .checked_mul(sizes.steps.checked_mul(2)?)?
            .checked_add(p.checked_mul(tile_width::<F>() + 4)?)?;
        p.checked_mul(sizes.stride)?
            .checked_mul(matrices)?
            .checked_add(scratch)?
            .checked_mul(size_of::<F>())?
            .checked_add(sizes.bytes::<F>()?.checked_mul(2)?)
    }

    fn sizes(&self) -> Sizes {
        self.history.sizes
    }

    /// Works the history off: gradient and traces as they are at its end. The next step starts a block.
    fn roll(&mut self, b: Backward<'_, F>) {
        if self.history.len == 0 {
            return;
        }
        let mut scratch = core::mem::take(&mut self.scratch);
        self.history.sort(&mut scratch.sorted);
        if !self.used && self.history.taught() {
            let mut g = core::mem::take(&mut self.g);
            self.sum(
                Sum::Gradient { b, r: None },
                Finish::Add,
                &mut scratch,
                &mut g,
            );
            self.g = g;
            self.pending = true;
            if !self.sum_e.is_empty() {
                let mut sum_e = core::mem::take(&mut self.sum_e);
                self.sum(Sum::RawTraces, Finish::Add, &mut scratch, &mut sum_e);
                self.sum_e = sum_e;
            }
        }
        let mut e_bar = core::mem::take(&mut self.e_bar);
        self.sum(Sum::Traces, Finish::Replace, &mut scratch, &mut e_bar);
        self.e_bar = e_bar;
        self.carried = true;
        let Filters { alpha, zeta, .. } = self.filters;
        self.history.advance_z_bar(alpha, zeta, &mut self.z_bar);
        self.scratch = scratch;
        self.history.clear();
        self.used = false;
    }

    /// One sum over the block for all synapses, tile by tile. The events are sorted already. Returns whether it is finite.
    fn sum(
        &self,
        what: Sum<'_, F>,
        finish: Finish<'_, F>,
        scratch: &mut Scratch<F>,
        to: &mut [F],
    ) -> bool {
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
            Sum::RawTraces => {
                scratch.per_step[..history.len].copy_from_slice(&history.learned[..history.len])
            }
        }
        let mut finite = true;
        for (column, width) in tiles::<F>(self.sizes().stride) {
            // Written out, since a width has to be known when the kernel is compiled.
            finite &= match width {
                8 => self.tile::<8>(column, what, finish, scratch, to),
                16 => self.tile::<16>(column, what, finish, scratch, to),
                _ => self.tile::<32>(column, what, finish, scratch, to),
            };
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
        let Filters {
            alpha,
            zeta,
            kappa_e,
            zeta_e,
        } = self.filters;
        let sizes = self.sizes();
        let history = &self.history;
        let (len, o) = (history.len, sizes.n_outputs);
        let Scratch {
            q,
            filtered_err,
            per_step,
            b,
            sorted,
            dense,
            dense_q,
        } = scratch;
        let mut scan = Scan {
            alpha,
            c: zeta_e,
            psi: history.psi(column, W),
            filtered_err: &filtered_err[..len * o],
            b: &[],
            rate: Rate::None,
        };
        let ones = [F::ONE; W];
        let mut of_e = [F::ZERO; W];
        match what {
            Sum::Gradient { b: backward, r } => {
                backward.tile(column, W, sizes.stride, &mut b[..o * W]);
                for (k, b) in b.chunks_exact(W).take(o).enumerate() {
                    // What e_bar before the block still teaches: kappa_e B R^1.
                    let first = kappa_e * filtered_err[k];
                    of_e.iter_mut()
                        .zip(b)
                        .for_each(|(of_e, b)| *of_e += *b * first);
                }
                scan.b = &b[..o * W];
                scan.rate = match (history.rate(column, W), r) {
                    (Some(rate), _) => Rate::PerStep(rate),
                    (None, Some(r)) => Rate::Outer {
                        per_neuron: &r[column..column + W],
                        per_step: &history.learned,
                    },
                    (None, None) => Rate::None,
                };
            }
            Sum::Traces => {
                let power = (0..len).fold(F::ONE, |power, _| power * kappa_e);
                of_e = [power; W];
                scan.rate = Rate::Outer {
                    per_neuron: &ones,
                    per_step,
                };
            }
            Sum::RawTraces => {
                scan.rate = Rate::Outer {
                    per_neuron: &ones,
                    per_step,
                }
            }
        }
        kernels::scan::<F, W>(scan, q);
        let of_z: [F; W] = core::array::from_fn(|l| alpha * q[l]);
        let dense = self.dense_sum::<W>(q, dense, dense_q);
        let e_bar: &[F] = if matches!(what, Sum::Traces) {
            &[]
        } else {
            &self.e_bar
        };
        let carry = Carry {
            z_bar: &self.z_bar,
            of_z: &of_z,
            e_bar,
            of_e: &of_e,
        };
        let gather = Gather {
            start: &sorted.start,
            at: &sorted.at,
            scale: sorted.scale(),
            dense,
            q,
            zeta,
            carry: self.carried.then_some(carry),
            stride: sizes.stride,
            column,
            first_recurrent: sizes.n_inputs,
        };
        kernels::gather::<F, W>(gather, finish, to)
    }

    /// `zeta sum_u s_i^u q^u` over the dense steps: a matrix product.
    fn dense_sum<'a, const W: usize>(&self, q: &[F], sum: &'a mut [F], rows: &mut [F]) -> &'a [F] {
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
        kernels::scale_row(self.filters.zeta, sum);
        sum
    }

    /// Adds the pending gradient, `r sum_t e` included, to a sum over streams: it has been used then, an update has to follow.
    pub(super) fn collect(&mut self, b: Backward<'_, F>, r: Option<&[F]>, sum: &mut [F]) {
        self.take_in_rate(r);
        if self.pending {
            kernels::add_row(F::ONE, &self.g, sum);
        }
        if self.history.len > 0 && !self.used {
            let mut scratch = core::mem::take(&mut self.scratch);
            self.history.sort(&mut scratch.sorted);
            self.sum(Sum::Gradient { b, r }, Finish::Add, &mut scratch, sum);
            self.scratch = scratch;
        }
        self.spend();
    }

    /// The gradient up to here has been used.
    fn spend(&mut self) {
        if self.pending {
            self.g.fill(F::ZERO);
            self.sum_e.fill(F::ZERO);
            self.pending = false;
        }
        self.used = self.history.len > 0;
    }

    pub(super) fn shared(&mut self) -> &mut Shared<F> {
        &mut self.w
    }

    pub(super) fn weight_bytes(&self) -> usize {
        self.w.bytes()
    }

    /// The weights changed, and whether they are finite now.
    pub(super) fn changed(&mut self, finite: bool) {
        self.finite = finite;
    }

    /// Buffers of which nothing outlives a call: streams that take turns need them once.
    pub(super) fn scratch(&mut self) -> &mut Scratch<F> {
        &mut self.scratch
    }

    /// Adds `r sum_t e` of earlier blocks to their gradient.
    fn take_in_rate(&mut self, r: Option<&[F]>) {
        if let (Some(r), true) = (r, self.pending && !self.sum_e.is_empty()) {
            kernels::add_scaled_rows_by(r, &self.sum_e, &mut self.g);
        }
    }
}

impl<F: Float> Synapses<F> for Block<F> {
    fn prepare(&mut self, b: Backward<'_, F>, _: bool) {
        let aligned = self.steps % self.sizes().steps as u64 == 0;
        if self.used || aligned || !self.history.has_room() {
            self.roll(b);
        }
    }

    fn drive(&mut self, sources: &Sources<'_, F>, ahead: Option<&[F]>, current: &mut [F]) {
        drive_rows(&self.w, sources, ahead, current);
    }

    fn learn(
        &mut self,
        sources: &Sources<'_, F>,
        psi: &[F],
        signal: Option<Signal<'_, F>>,
        _: Option<Optimizer<F>>,
    ) {
        self.history.push(sources, psi, signal);
        self.steps += 1;
    }

    fn wants_signal(&self) -> bool {
        false
    }

    fn update(&mut self, b: Backward<'_, F>, r: Option<&[F]>, optimizer: Optimizer<F>) {
        self.take_in_rate(r);
        let mut w = core::mem::take(&mut *self.w);
        if self.history.len > 0 && !self.used {
            let mut scratch = core::mem::take(&mut self.scratch);
            self.history.sort(&mut scratch.sorted);
            let pending = self.pending.then_some(&*self.g);
            let finish = Finish::Descend { optimizer, pending };
            self.finite &= self.sum(Sum::Gradient { b, r }, finish, &mut scratch, &mut w);
            self.scratch = scratch;
        } else if self.pending {
            for (w, &g) in w.iter_mut().zip(&*self.g) {
                *w = optimizer.next(*w, g);
            }
            self.finite &= kernels::all_finite(&w);
        }
        *self.w = w;
        self.spend();
    }

    fn gradient(&self, b: Backward<'_, F>, r: Option<&[F]>) -> Vec<F> {
        let sizes = self.sizes();
        let mut g = self.g.clone();
        if let (Some(r), false) = (r, self.sum_e.is_empty()) {
            kernels::add_scaled_rows_by(r, &self.sum_e, &mut g);
        }
        if self.history.len > 0 && !self.used {
            let mut scratch = Scratch::new(&sizes);
            self.history.sort(&mut scratch.sorted);
            self.sum(Sum::Gradient { b, r }, Finish::Add, &mut scratch, &mut g);
        }
        g.unpadded(sizes.n, sizes.stride)
    }

    fn settle(&mut self, b: Backward<'_, F>) {
        self.roll(b);
    }

    fn weights(&self) -> Vec<F> {
        self.w.unpadded(self.sizes().n, self.sizes().stride)
    }

    fn set_weights(&mut self, first_source: usize, rows: &[F]) {
        let Sizes { n, stride, .. } = self.sizes();
        let to = self.w.chunks_exact_mut(stride).skip(first_source);
        to.zip(rows.chunks_exact(n))
            .for_each(|(to, from)| to[..n].copy_from_slice(from));
        self.finite = kernels::all_finite(&self.w);
    }

    fn input_weights(&self) -> Option<&[F]> {
        Some(&self.w)
    }

    fn eligibility(&self) -> Vec<F> {
        let sizes = self.sizes();
        let mut e_bar = self.e_bar.clone();
        if self.history.len > 0 {
            let mut scratch = Scratch::new(&sizes);
            self.history.sort(&mut scratch.sorted);
            self.sum(Sum::Traces, Finish::Replace, &mut scratch, &mut e_bar);
        }
        e_bar.unpadded(sizes.n, sizes.stride)
    }

    fn z_bar(&self) -> Vec<F> {
        let mut z_bar = self.z_bar.clone();
        self.history
            .advance_z_bar(self.filters.alpha, self.filters.zeta, &mut z_bar);
        z_bar
    }

    fn all_finite(&self) -> bool {
        self.finite
    }

    fn within(&self) -> bool {
        self.finite
    }

    fn reset(&mut self) {
        self.history.clear();
        self.used = false;
        self.steps = 0;
        if self.carried {
            self.z_bar.fill(F::ZERO);
            self.e_bar.fill(F::ZERO);
            self.carried = false;
        }
        if self.pending {
            self.g.fill(F::ZERO);
            self.sum_e.fill(F::ZERO);
            self.pending = false;
        }
    }
}
