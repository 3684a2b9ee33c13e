//! A matrix whose gradient is an outer product at every step, in factors, so that a step touches the rows of the sources that send, and
//! not the whole matrix. Readouts and feed-forward layers hold their weights so.
//!
//! Within a base block of a few time constants the trace of source i is `decay^u f_i`, u the steps since the block's start, and `f_i`
//! changes only when i sends. So the sum over the steps of `delta_k` times the trace is `H_ik + f_i V_k` with `V_k = sum_u decay^u delta_k`, if an
//! event, which adds `a = decay^-u s` to `f_i`, takes `a V_k` from `H_ik`. Where every gradient is applied with its step, `-eta H` is kept in the
//! weights themselves: `W_ik = A_ik - f_i V_k`, V with eta in it. At the block's end `f V` is folded in, and f takes `decay^B`.
//! Where weights decay with every step, a number p stands before all of it, `W_ik = p (A_ik - f_i V_k)`, and V has eta / p in it.

use alloc::vec::Vec;

use super::aligned::Aligned;
use super::gradient::{self, PIECE};
use super::interrupt::{Interrupt, Pace};
use super::memory::vec_for;
use super::parallel;
use super::parameter::{Keeps, Parameter};
use super::room::Room;
use super::scale::Scale;
use super::step::Step;
use super::walk::parts;
use crate::kernels::isa::UNIT;
use crate::kernels::{
    add_or_cancel_row, add_row, all_finite, scale_row, send_and_shift, squared_length,
};
use crate::{Error, Float};

/// Factors below this cannot have driven finite weights out of the finite range: a product of two is at most 1e18.
pub(crate) const LIMIT: f64 = 1e9;

/// How a matrix of weights lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// A row of all targets per source: a source that sends touches one row.
    BySource,
    /// A row of all sources per target: sums over targets, which go back to the sources, pass along rows.
    ByTarget,
}

/// What a lazy matrix is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) sources: usize,
    /// Length of a row of sources, and of `f`.
    pub(crate) source_stride: usize,
    pub(crate) targets: usize,
    /// Length of a row of targets, and of `V`.
    pub(crate) target_stride: usize,
    pub(crate) layout: Layout,
}

/// The weights from some sources to some targets, the traces of the sources, and the gradient.
#[derive(Debug)]
pub(crate) struct Lazy<F> {
    shape: Shape,
    at_once: bool,
    /// `decay^u` and `decay^-u` within a base block, and `decay^B`.
    down: Vec<F>,
    up: Vec<F>,
    down_block: F,
    /// `A`.
    pub(crate) w: Parameter<F>,
    /// `p`.
    scale: Scale,
    f: Aligned<F>,
    /// `sum_i f_i^2`, in float64 whatever the traces are: followed from event to event, made anew at a block's start.
    squared_f: f64,
    v: Aligned<F>,
    /// `H`, by source; empty where every gradient is applied with its step.
    h: Aligned<F>,
    /// Steps since `reset`.
    steps: u64,
    /// Whether the weights are certain to be finite.
    finite: bool,
    /// The gradient of one target, where rows lie by target and gradients wait or steps keep moments.
    column: Aligned<F>,
}

parts!(Lazy {
    Weight: [w, scale],
    State: [f, squared_f, v, h],
    Counter: [steps],
    Scratch: [down, up, column],
} then Self::loaded);

impl<F: Float> Lazy<F> {
    /// Zeros. `block`: steps to a base block; `first`: the stream whose weights are read, if they lie alike and are in no factors.
    pub(crate) fn new(
        room: &mut Room,
        shape: Shape,
        (decay, block): (f64, usize),
        keeps: Keeps,
        first: Option<&Self>,
    ) -> Result<Self, Error> {
        let at_once = !keeps.pending;
        let first = first.filter(|first| first.is_read_by(shape.layout));
        let rows = match shape.layout {
            Layout::BySource => (shape.sources, shape.target_stride),
            Layout::ByTarget => (shape.targets, shape.source_stride),
        };
        let in_rows = Keeps {
            pending: false,
            ..keeps
        };
        let gathers = match shape.layout {
            Layout::ByTarget => !at_once || keeps.moments > 0,
            Layout::BySource => false,
        };
        let mut this = Self {
            shape,
            at_once,
            down: room.vec(F::ONE, block)?,
            up: room.vec(F::ONE, block)?,
            down_block: F::cast(libm::pow(decay, block as f64)),
            w: Parameter::new(room, rows, in_rows, first.map(|first| &first.w.rows))?,
            scale: Scale::ONE,
            f: room.zeros(1, shape.source_stride)?,
            squared_f: 0.0,
            v: room.zeros(1, shape.target_stride)?,
            h: room.zeros(if at_once { 0 } else { shape.sources }, shape.target_stride)?,
            steps: 0,
            finite: true,
            column: room.zeros(usize::from(gathers), shape.source_stride)?,
        };
        for (u, (down, up)) in this.down.iter_mut().zip(&mut this.up).enumerate() {
            let power = libm::pow(decay, u as f64);
            *down = F::cast(power);
            *up = F::cast(1.0 / power);
        }
        Ok(this)
    }

    /// Whether rows of this layout may be read by others, too.
    fn is_read_by(&self, layout: Layout) -> bool {
        !self.at_once && self.shape.layout == layout
    }

    /// The weights, as they read, of a matrix of the same sizes under another plan.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Interrupted`].
    pub(crate) fn take_weights(&mut self, from: &Self, pace: &mut Pace<'_>) -> Result<(), Error> {
        self.finite = from.finite;
        if from.is_read_by(self.shape.layout) {
            self.w.rows = from.w.rows.share();
            return Ok(());
        }
        let Shape {
            source_stride,
            target_stride,
            layout,
            ..
        } = self.shape;
        let rows: &mut [F] = &mut self.w.rows;
        from.read_until(|at, row| {
            for (column, &w) in row.iter().enumerate() {
                let (source, target) = match from.shape.layout {
                    Layout::BySource => (at, column),
                    Layout::ByTarget => (column, at),
                };
                rows[place(layout, (source_stride, target_stride), source, target)] = w;
            }
            pace.pass(row.len())
        })
    }

    fn loaded(&mut self) -> Result<(), Error> {
        self.finite = false;
        Ok(())
    }

    /// `u` of the step that is under way; before the first, 0.
    fn u(&self) -> usize {
        (self.steps.saturating_sub(1) % self.up.len() as u64) as usize
    }

    /// Starts a step.
    ///
    /// An event leaves `A - f V` what it was, but for rounding: before a step that does not learn it is folded.
    pub(crate) fn begin(&mut self, learning: bool) {
        if self.at_once && !learning {
            self.fold();
        }
        if self.steps > 0 && self.steps % self.up.len() as u64 == 0 {
            self.fold();
            scale_row(self.down_block, &mut self.f);
            self.f.iter_mut().for_each(|f| *f = f.or_silence());
            self.squared_f = squared_length(&self.f);
        }
        self.steps += 1;
    }

    /// What is sent in this step to `to`, which has a place for every target: `s` from each source, with traces of gain `gain`.
    pub(crate) fn send(
        &mut self,
        sources: impl Iterator<Item = (usize, F)> + Clone + Send + Sync,
        gain: F,
        to: &mut [F],
    ) {
        let up = self.up[self.u()] * gain;
        if self.at_once {
            self.send_in_factors(sources, up, to);
        } else {
            self.send_rows(sources, up, to);
        }
    }

    /// The rows move with their sources, so that `A - f V` stays what it is.
    fn send_in_factors(
        &mut self,
        sources: impl Iterator<Item = (usize, F)> + Clone + Send + Sync,
        up: F,
        to: &mut [F],
    ) {
        let Shape {
            source_stride,
            target_stride,
            layout,
            ..
        } = self.shape;
        let (limit, p) = (F::cast(LIMIT), self.scale.of::<F>());
        let a: &mut [F] = &mut self.w.rows;
        let (f, v): (&mut [F], &[F]) = (&mut self.f, &self.v);
        let mut sent = F::ZERO;
        if layout == Layout::ByTarget {
            let rows = a.chunks_mut(source_stride).zip(&mut *to).zip(v);
            let f = &*f;
            parallel::each(rows, |((a, to), &v)| {
                for (i, s) in sources.clone() {
                    *to += p * s * (a[i] - f[i] * v);
                    a[i] += up * s * v;
                }
            });
        }
        for (i, s) in sources {
            let shift = up * s;
            if layout == Layout::BySource {
                let s = p * s;
                sent += s * f[i];
                let row = &mut a[i * target_stride..(i + 1) * target_stride];
                send_and_shift(s, shift, v, row, to);
            }
            self.squared_f += raise(&mut f[i], shift);
            self.finite &= f[i].abs() <= limit;
        }
        if sent != F::ZERO {
            add_row(-sent, v, to);
        }
    }

    /// The weights rest; the rows of the gradient move.
    fn send_rows(&mut self, sources: impl Iterator<Item = (usize, F)>, up: F, to: &mut [F]) {
        let Shape {
            source_stride,
            target_stride,
            layout,
            ..
        } = self.shape;
        let taught = self.v.iter().any(|&v| v != F::ZERO);
        let a: &[F] = &self.w.rows;
        let (f, v, h): (&mut [F], &[F], &mut [F]) = (&mut self.f, &self.v, &mut self.h);
        for (i, s) in sources {
            let shift = up * s;
            let row = i * target_stride..(i + 1) * target_stride;
            match layout {
                Layout::BySource => add_row(s, &a[row.clone()], to),
                Layout::ByTarget => {
                    let column = a[i..].chunks(source_stride);
                    column.zip(&mut *to).for_each(|(a, to)| *to += s * a[0]);
                }
            }
            if taught {
                add_row(-shift, v, &mut h[row]);
            }
            self.squared_f += raise(&mut f[i], shift);
        }
    }

    /// Before a step that is applied at once: all weights are multiplied with `keep`.
    pub(crate) fn decay(&mut self, keep: f64) {
        // Weights may grow under what should take a part of them.
        self.finite &= keep.abs() <= 1.0;
        if let Some(p) = self.scale.decay(keep) {
            self.scale_rows(p);
        }
    }

    fn scale_rows(&mut self, p: f64) {
        scale_row(F::cast(p), &mut self.w.rows);
        scale_row(F::cast(p), &mut self.v);
    }

    /// `decay^u / p` of this step, and V, to which as much of `delta` is to be added; then [`learned`](Self::learned) must be called.
    pub(crate) fn factor(&mut self) -> (F, &mut [F]) {
        let down = self.down[self.u()] * self.scale.inverse();
        (down, &mut self.v)
    }

    /// A step's gradient is in `V`.
    pub(crate) fn learned(&mut self) {
        let limit = F::cast(LIMIT);
        self.finite &= !self.at_once || self.v.iter().all(|v| v.abs() <= limit);
    }

    /// Takes a step that is more than a multiple of its gradient, of weights by target whose gradients are applied at once: with `f V`, which is 0 then. Each
    /// target's weights are passed, as they are for `B err`.
    pub(crate) fn take_factors(&mut self, step: Step<'_, F>) {
        let stride = self.shape.source_stride;
        for k in 0..self.shape.targets {
            let v = core::mem::replace(&mut self.v[k], F::ZERO);
            self.column
                .iter_mut()
                .zip(&*self.f)
                .for_each(|(g, &f)| *g = f * v);
            self.w.take(step.of_neuron(k), k * stride, &self.column);
        }
        self.finite &= all_finite(&self.w.rows);
    }

    /// `to_i = sum_k W_ik delta_k` over the targets, padded, of a matrix by source; by the weights as they are now.
    pub(crate) fn send_back(&self, delta: &[F], to: &mut [F]) {
        crate::kernels::dot_rows(&self.w.rows, delta, to);
        if self.at_once {
            let mut dot = [F::ZERO];
            crate::kernels::dot_rows(&self.v, delta, &mut dot);
            add_row(-dot[0], &self.f, to);
            self.scale.apply(to);
        }
    }

    /// `f`, `V` and p of `p (rows - f V)`, where the weights are in factors.
    pub(crate) fn factors(&self) -> Option<(&[F], &[F], Scale)> {
        self.at_once.then_some((&*self.f, &*self.v, self.scale))
    }

    /// The squared length of the traces: times that of `delta` it is that of a step's gradient.
    pub(crate) fn squared_length_of_traces(&self) -> f64 {
        let down = self.down[self.u()].to_f64();
        down * down * self.squared_f.max(0.0)
    }

    /// The squared length of the gradient that waits.
    pub(crate) fn squared_length(&mut self) -> f64 {
        let nobody = &mut Interrupt::NOBODY.pace();
        self.squared_length_until(nobody).unwrap_or(f64::INFINITY)
    }

    /// The same, unless it is stopped.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub(crate) fn squared_length_until(&mut self, pace: &mut Pace<'_>) -> Result<f64, Error> {
        gradient::squared_length(self.gradient()[..].into(), None, pace)
    }

    /// Applies the gradient that waits.
    pub(crate) fn update(&mut self, step: Step<'_, F>) {
        if self.at_once {
            return;
        }
        self.fold();
        let Shape {
            sources,
            source_stride,
            targets,
            target_stride,
            layout,
        } = self.shape;
        match layout {
            // Not interruptible, so it is one pass: all that is done to a piece is done while it is in the cache.
            Layout::BySource => {
                for (at, g) in self.h.chunks_mut(PIECE).enumerate() {
                    let from = at * PIECE;
                    self.w.take(step, from, g);
                    g.fill(F::ZERO);
                    self.finite &= all_finite(&self.w.rows[from..from + g.len()]);
                }
            }
            Layout::ByTarget => {
                for k in 0..targets {
                    let column = self.h.chunks_exact(target_stride).map(|row| row[k]);
                    self.column
                        .iter_mut()
                        .zip(column)
                        .for_each(|(to, g)| *to = g);
                    debug_assert!(sources <= source_stride);
                    let row = k * source_stride..(k + 1) * source_stride;
                    self.w.take(step.of_neuron(k), row.start, &self.column);
                    self.finite &= all_finite(&self.w.rows[row]);
                }
                self.h.fill(F::ZERO);
            }
        }
    }

    /// Multiplies the weights, as they read.
    pub(crate) fn multiply(&mut self, factor: F) {
        scale_row(factor, &mut self.w.rows);
        if self.at_once {
            scale_row(factor, &mut self.v);
        }
    }

    /// Takes a step with a gradient from elsewhere: `g_of(source, target)`. What waits goes on waiting.
    pub(crate) fn take(
        &mut self,
        step: Step<'_, F>,
        g_of: impl Fn(usize, usize) -> F,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        let Shape {
            sources,
            source_stride,
            targets,
            target_stride,
            layout,
        } = self.shape;
        if self.at_once {
            self.fold();
            let p = self.scale.take();
            self.scale_rows(p);
        }
        let (rows, columns, stride) = match layout {
            Layout::BySource => (sources, targets, target_stride),
            Layout::ByTarget => (targets, sources, source_stride),
        };
        let mut g = vec_for("a row of the gradient", stride)?;
        g.resize(stride, F::ZERO);
        for row in 0..rows {
            for (column, g) in g[..columns].iter_mut().enumerate() {
                *g = match layout {
                    Layout::BySource => g_of(row, column),
                    Layout::ByTarget => g_of(column, row),
                };
            }
            let step = match layout {
                Layout::BySource => step,
                Layout::ByTarget => step.of_neuron(row),
            };
            self.w.take(step, row * stride, &g);
            pace.pass(columns)?;
        }
        self.finite &= all_finite(&self.w.rows);
        Ok(())
    }

    /// Adds the gradient that waits in another stream, whose weights are the same; there it has been used then.
    pub(crate) fn take_in(&mut self, other: &mut Self) {
        self.fold();
        other.fold();
        add_row(F::ONE, &other.h, &mut self.h);
        other.drop_gradient();
    }

    /// Adds the gradient that waits to a sum by source: it has been used then.
    pub(crate) fn collect(&mut self, sum: &mut [F]) {
        self.fold();
        add_row(F::ONE, &self.h, sum);
        self.drop_gradient();
    }

    /// What was collected waits again: of a stream whose own gradient is 0. `sum` is worth nothing after it.
    pub(crate) fn take_back(&mut self, sum: &mut Aligned<F>) {
        core::mem::swap(&mut self.h, sum);
    }

    /// The gradient that waits has been used.
    fn drop_gradient(&mut self) {
        self.v.fill(F::ZERO);
        self.h.fill(F::ZERO);
    }

    /// The gradient that waits, by source, folded.
    pub(crate) fn gradient(&mut self) -> &Aligned<F> {
        self.fold();
        &self.h
    }

    fn fold(&mut self) {
        if self.v.iter().all(|&v| v == F::ZERO) {
            return;
        }
        if self.at_once {
            match self.shape.layout {
                Layout::BySource => fold(-F::ONE, &self.f, &self.v, &mut self.w.rows),
                Layout::ByTarget => fold(-F::ONE, &self.v, &self.f, &mut self.w.rows),
            }
        } else {
            // A gradient that is 0 stays 0, whoever fired after the last error: an optimizer may divide by its length.
            fold_by(add_or_cancel_row, &self.f, &self.v, &mut self.h);
        }
        self.v.fill(F::ZERO);
    }

    /// Shows the weights, row by row as they lie, unpadded: number of the row, and the row.
    pub(crate) fn read(&self, mut see: impl FnMut(usize, &[F])) -> Result<(), Error> {
        self.read_until(|at, row| {
            see(at, row);
            Ok(())
        })
    }

    /// Shows every weight, without memory of its own: `see(source, target, weight)`.
    pub(crate) fn each(&self, mut see: impl FnMut(usize, usize, F)) {
        let Shape {
            sources,
            source_stride,
            targets,
            target_stride,
            layout,
        } = self.shape;
        let p = self.scale.of::<F>();
        for source in 0..sources {
            for target in 0..targets {
                let at = place(layout, (source_stride, target_stride), source, target);
                let in_factors = match self.at_once {
                    true => self.f[source] * self.v[target],
                    false => F::ZERO,
                };
                see(source, target, p * (self.w.rows[at] - in_factors));
            }
        }
    }

    /// As [`read`](Self::read), until `see` is an error.
    pub(crate) fn read_until(
        &self,
        mut see: impl FnMut(usize, &[F]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (stride, len) = match self.shape.layout {
            Layout::BySource => (self.shape.target_stride, self.shape.targets),
            Layout::ByTarget => (self.shape.source_stride, self.shape.sources),
        };
        let mut row = vec_for("a row of weights", stride)?;
        for (at, stored) in self.w.rows.chunks_exact(stride).enumerate() {
            row.clear();
            row.extend_from_slice(stored);
            if self.at_once {
                match self.shape.layout {
                    Layout::BySource => fold(-F::ONE, &self.f[at..=at], &self.v, &mut row),
                    Layout::ByTarget => fold(-F::ONE, &self.v[at..=at], &self.f, &mut row),
                }
                self.scale.apply(&mut row);
            }
            see(at, &row[..len])?;
        }
        Ok(())
    }

    /// What sources send through the weights as they are now, of a matrix by source, without moving anything: with the bits of a step that
    /// does not learn. `row`: scratch memory.
    pub(crate) fn send_now(
        &self,
        sources: impl Iterator<Item = (usize, F)>,
        row: &mut [F],
        to: &mut [F],
    ) {
        let stride = self.shape.target_stride;
        let p = self.scale.of::<F>();
        for (i, s) in sources {
            row.copy_from_slice(&self.w.rows[i * stride..(i + 1) * stride]);
            if self.at_once {
                fold(-F::ONE, &self.f[i..=i], &self.v, row);
            }
            add_row(p * s, row, to);
        }
    }

    pub(crate) fn n_sources(&self) -> usize {
        self.shape.sources
    }

    pub(crate) fn layout(&self) -> Layout {
        self.shape.layout
    }

    /// Replaces all weights: `w_of(source, target)`, called by source and then by target.
    pub(crate) fn assign(&mut self, w_of: impl FnMut(usize, usize) -> F) {
        _ = self.assign_until(w_of, &mut Interrupt::NOBODY.pace());
    }

    /// As [`assign`](Self::assign), unless it is stopped: then some are replaced.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub(crate) fn assign_until(
        &mut self,
        mut w_of: impl FnMut(usize, usize) -> F,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        let Shape {
            sources,
            source_stride,
            targets,
            target_stride,
            layout,
        } = self.shape;
        if self.at_once {
            self.v.fill(F::ZERO);
            self.scale = Scale::ONE;
        }
        let rows: &mut [F] = &mut self.w.rows;
        for i in 0..sources {
            for k in 0..targets {
                rows[place(layout, (source_stride, target_stride), i, k)] = w_of(i, k);
            }
            pace.pass(targets)?;
        }
        self.finite = all_finite(rows);
        Ok(())
    }

    /// The traces of the sources.
    pub(crate) fn traces(&self) -> impl Iterator<Item = F> + Clone {
        let down = self.down[self.u()];
        self.f[..self.shape.sources]
            .iter()
            .map(move |&f| (down * f).or_silence())
    }

    /// Whether the weights are finite: known without a look at them, unless a factor has gone far out.
    pub(crate) fn finite(&mut self) -> bool {
        if !self.finite {
            // What factors make of finite rows need not be finite.
            self.finite = all_finite(&self.w.rows) && self.folded_finite();
        }
        self.finite
    }

    fn folded_finite(&self) -> bool {
        if !self.at_once {
            return true;
        }
        let (f, v) = (&self.f, &self.v);
        let (rows, columns) = match self.shape.layout {
            Layout::BySource => (f, v),
            Layout::ByTarget => (v, f),
        };
        self.w
            .rows
            .chunks_exact(columns.len())
            .zip(rows.iter())
            .all(|(row, &r)| {
                row.iter()
                    .zip(columns.iter())
                    .all(|(&a, &c)| (a - r * c).is_finite())
            })
    }

    /// The weights are those of another stream, which knows whether they are finite.
    pub(crate) fn share_weights(&mut self, other: &Self) {
        self.w.rows = other.w.rows.share();
        self.finite = other.finite;
    }

    /// The weights are known to be finite, or not.
    pub(crate) fn changed(&mut self, finite: bool) {
        self.finite = finite;
    }

    pub(crate) fn reset(&mut self) {
        // What was learned at once lives in the factors, too.
        self.fold();
        self.f.fill(F::ZERO);
        self.squared_f = 0.0;
        self.h.fill(F::ZERO);
        self.steps = 0;
    }
}

/// Adds to a number, and returns by how much its square has grown.
fn raise<F: Float>(f: &mut F, by: F) -> f64 {
    let before = f.to_f64();
    *f += by;
    let after = f.to_f64();
    after * after - before * before
}

/// Where a weight lies, given the lengths of rows of sources and of targets.
fn place(
    layout: Layout,
    (source_stride, target_stride): (usize, usize),
    source: usize,
    target: usize,
) -> usize {
    match layout {
        Layout::BySource => source * target_stride + target,
        Layout::ByTarget => target * source_stride + source,
    }
}

/// `rows_ij += sign left_i right_j`.
fn fold<F: Float>(sign: F, left: &[F], right: &[F], rows: &mut [F]) {
    fold_by(
        |x, right, row| add_row(sign * x, right, row),
        left,
        right,
        rows,
    );
}

/// The same with a sign of 1, each row by `add`.
fn fold_by<F: Float>(
    add: impl Fn(F, &[F], &mut [F]) + Sync,
    left: &[F],
    right: &[F],
    rows: &mut [F],
) {
    // Few long rows, or many short ones.
    let of_part = parallel::share_of_rows(left.len());
    let parts = rows
        .chunks_mut(of_part * right.len())
        .zip(left.chunks(of_part));
    parallel::each(parts, |(rows, left)| {
        for (row, &x) in rows.chunks_exact_mut(right.len()).zip(left) {
            if x != F::ZERO {
                add(x, right, row);
            }
        }
    });
}

/// `n` rounded up to whole units: rows so short that no two crowd a set of the cache.
pub(crate) fn short_row(n: usize) -> usize {
    n.div_ceil(UNIT) * UNIT
}

#[cfg(test)]
mod tests;
