//! A block of synapses that are listed. W lies in the lists of the sources, since spikes go through it. Everything else lies by the neuron that a synapse leads to: a block passes it
//! once, from the first synapse to the last, with the rows of a tile of neurons in the nearest cache. An update takes the gradient from one order to the other.

use alloc::sync::Arc;
use core::ops::Range;

use super::scratch::{OfBlock, OfTile, Scratch};
use super::{Block, Sum};
use crate::kernels::{self, ColumnsOfTile, Gather, tile_width};
use crate::numbers::aligned::Aligned;
use crate::numbers::columns::Columns;
use crate::numbers::gradient::PIECE;
use crate::numbers::interrupt::{Interrupt, Pace};
use crate::numbers::kinds::Kinds;
use crate::numbers::memory::vec_for;
use crate::numbers::parallel::{each, share};
use crate::numbers::room::Room;
use crate::numbers::step::Step;
use crate::numbers::wires::Wires;
use crate::options::plan::Plan;
use crate::synapses::{See, What, lists};
use crate::{Error, Float};

/// Neurons whose synapses are worked off between two questions whether to stop: whole tiles.
const WINDOW: usize = 1 << 14;

/// The synapses by source, and by neuron.
#[derive(Clone, Debug)]
pub(super) struct Orders {
    pub(super) wires: Arc<Wires>,
    pub(super) columns: Arc<Columns>,
}

impl Orders {
    /// `None` where rows have a place for every neuron.
    pub(super) fn of(plan: &Plan) -> Option<Self> {
        let (wires, columns) = plan.listed().zip(plan.columns.as_ref())?;
        Some(Self {
            wires: Arc::clone(wires),
            columns: Arc::clone(columns),
        })
    }

    /// `to += x_j m` of the synapses onto every neuron j, by neuron.
    pub(super) fn add_scaled_by<F: Float>(&self, x: &[F], m: &[F], to: &mut [F]) {
        for (j, run) in self.columns.runs() {
            let row = to[run.clone()].iter_mut().zip(&m[run]);
            row.for_each(|(to, &m)| *to += x[j] * m);
        }
    }

    /// `m = x_j m`.
    fn scale_by<F: Float>(&self, x: &[F], m: &mut [F]) {
        for (j, run) in self.columns.runs() {
            m[run].iter_mut().for_each(|m| *m *= x[j]);
        }
    }

    /// What lies by neuron, in the order of the lists of some sources.
    pub(super) fn show<F: Float>(
        &self,
        sources: Range<usize>,
        numbers: &[F],
        mut see: impl FnMut(F),
    ) -> Result<(), Error> {
        let n = self.wires.n_neurons();
        let mut next = vec_for("reading the synapses", n)?;
        next.resize(n, 0);
        let see = |at: usize| see(numbers[at]);
        self.columns.in_lists(&self.wires, sources, &mut next, see);
        Ok(())
    }
}

/// Numbers of neighbouring synapses by neuron, the first of which has the number `first`; each may be empty.
struct Run<'a, F> {
    first: usize,
    g: &'a mut [F],
    sum_e: &'a mut [F],
    e_bar: &'a mut [F],
    eps_a: &'a mut [F],
    z_bar: &'a mut [F],
}

impl<'a, F> Run<'a, F> {
    /// Those before number `until`.
    fn take(&mut self, until: usize) -> Self {
        let len = until - self.first;
        Self {
            first: core::mem::replace(&mut self.first, until),
            g: first_of(&mut self.g, len),
            sum_e: first_of(&mut self.sum_e, len),
            e_bar: first_of(&mut self.e_bar, len),
            eps_a: first_of(&mut self.eps_a, len),
            z_bar: first_of(&mut self.z_bar, len),
        }
    }

    /// What a sum is made of, and what it goes to.
    fn of(&mut self, what: Sum<'_, F>) -> Made<'_, F> {
        let (first, none) = (self.first, &[][..]);
        let (to, e_bar, eps_a, z_bar): (&mut [F], &[F], &[F], &[F]) = match what {
            Sum::Gradient { .. } => (self.g, self.e_bar, self.eps_a, self.z_bar),
            Sum::Regulariser { .. } | Sum::RawTraces => {
                (self.sum_e, self.e_bar, self.eps_a, self.z_bar)
            }
            Sum::Traces => (self.e_bar, none, self.eps_a, self.z_bar),
            Sum::Adaptation => (self.eps_a, none, none, self.z_bar),
            Sum::Membranes => (self.z_bar, none, none, none),
        };
        Made {
            first,
            to,
            from: [e_bar, eps_a, z_bar],
        }
    }
}

/// The first numbers of a slice, or all of it: what is empty stays so.
fn first_of<'a, F>(numbers: &mut &'a mut [F], len: usize) -> &'a mut [F] {
    let all = core::mem::take(numbers);
    let (first, rest) = all.split_at_mut(len.min(all.len()));
    *numbers = rest;
    first
}

/// Numbers of synapses from `first` on: `to` is made of `e_bar`, `eps_a` and `z_bar`. An empty `e_bar`: it is what `to` was.
struct Made<'a, F> {
    first: usize,
    to: &'a mut [F],
    from: [&'a [F]; 3],
}

impl<F: Float> Block<F> {
    /// The gradient of the history joins what earlier blocks left, and where the block is `ending`, traces become those of its end. Where it is stopped, whoever comes later goes on from
    /// there.
    pub(super) fn work_off_lists(
        &mut self,
        orders: &Orders,
        ending: bool,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        let mut scratch = core::mem::take(&mut self.scratch);
        let credited = self.credit_alone(&mut scratch.lanes, pace);
        if credited.is_err() || self.b.is_none() && !ending {
            self.scratch = scratch;
            return credited;
        }
        let b = self.b.take();
        self.history.sort(&mut scratch.sorted);
        let of_loss = b.as_ref().map(|b| Sum::Gradient { b, r: None });
        if let Some(of_loss) = of_loss {
            self.begin(of_loss, &mut scratch);
        }
        if ending {
            self.begin(Sum::Traces, &mut scratch);
        }
        let sums = self.sums(of_loss, ending);
        let mut matrices = Matrices {
            g: core::mem::take(&mut self.w.pending),
            sum_e: core::mem::take(&mut self.sum_e),
            e_bar: core::mem::take(&mut self.e_bar),
            eps_a: core::mem::take(&mut self.eps_a),
            z_bar: core::mem::take(&mut self.z_bar_rows),
        };
        let mut kinds = matrices.of_kinds(self.cut());
        let stride = self.sizes().stride;
        let first = match (&b, ending) {
            (Some(_), true) => self.worked.min(self.traced),
            (Some(_), false) => self.worked,
            (None, _) => self.traced,
        };
        let mut going_on = Ok(());
        for from in (first..stride).step_by(WINDOW) {
            let window = from..stride.min(from + WINDOW);
            let passed = self.work_off_window(orders, &window, (&sums, &mut scratch), &mut kinds);
            if b.is_some() {
                self.worked = self.worked.max(window.end);
            }
            if ending {
                self.traced = self.traced.max(window.end);
            }
            going_on = pace.pass(passed);
            if going_on.is_err() {
                break;
            }
        }
        self.w.waits |= b.is_some();
        (self.w.pending, self.sum_e) = (matrices.g, matrices.sum_e);
        (self.e_bar, self.eps_a) = (matrices.e_bar, matrices.eps_a);
        (self.z_bar_rows, self.scratch) = (matrices.z_bar, scratch);
        if self.worked < stride {
            self.b = b;
        }
        going_on
    }

    /// The sums that a block makes, in their order: traces are replaced after all that is made of them.
    fn sums<'b>(&self, of_loss: Option<Sum<'b, F>>, ending: bool) -> [Option<Sum<'b, F>>; 5] {
        let of_raw = match self.history.has_r() {
            true => Sum::Regulariser { r: None },
            false => Sum::RawTraces,
        };
        [
            of_loss,
            Some(of_raw).filter(|_| of_loss.is_some() && !self.sum_e.is_empty()),
            Some(Sum::Traces).filter(|_| ending),
            Some(Sum::Adaptation).filter(|_| ending && self.adaptation.is_some()),
            Some(Sum::Membranes).filter(|_| ending && !self.z_bar_rows.is_empty()),
        ]
    }

    /// All sums of the synapses onto some neurons. Returns how many synapses these are.
    fn work_off_window(
        &self,
        orders: &Orders,
        window: &Range<usize>,
        (sums, scratch): (&[Option<Sum<'_, F>>; 5], &mut Scratch<F>),
        kinds: &mut [Run<'_, F>; 2],
    ) -> usize {
        let (sizes, columns) = (self.sizes(), &*orders.columns);
        // As many parts as tiles can be worked off at the same time.
        let least = window.len().div_ceil(sizes.spread);
        let width = share(window.len()).max(least);
        let width = width.next_multiple_of(tile_width::<F>());
        let mut passed = 0;
        let parts = window.clone().step_by(width).map(|from| {
            let neurons = from..window.end.min(from + width);
            let within = neurons.start.min(sizes.n)..neurons.end.min(sizes.n);
            let mut run_of = |kind: usize| {
                let starts = columns.starts(kind, within.clone());
                kinds[kind].take(starts[0]);
                let run = kinds[kind].take(starts[starts.len() - 1]);
                passed += starts[starts.len() - 1] - starts[0];
                run
            };
            (neurons, [run_of(0), run_of(1)])
        });
        let (of_block, of_first, of_others) = scratch.parts();
        let of_tiles = core::iter::once(of_first).chain(of_others);
        let is_wanted = |what: &Sum<'_, F>, column: usize| match what {
            Sum::Gradient { .. } | Sum::Regulariser { .. } | Sum::RawTraces => {
                column >= self.worked
            }
            Sum::Traces | Sum::Adaptation | Sum::Membranes => column >= self.traced,
        };
        each(parts.zip(of_tiles), |((neurons, mut runs), mut of_tile)| {
            for (column, width) in tiles_within::<F>(sizes.stride, &neurons) {
                let wanted = sums.iter().flatten();
                for &what in wanted.filter(|what| is_wanted(what, column)) {
                    let made = runs.each_mut().map(|run| run.of(what));
                    let tile = (column, width);
                    self.tile_of_lists(tile, what, columns, (&of_block, &mut of_tile), made);
                }
            }
        });
        passed
    }

    fn tile_of_lists(
        &self,
        (column, width): (usize, usize),
        what: Sum<'_, F>,
        columns: &Columns,
        scratch: (&OfBlock<'_, F>, &mut OfTile<'_, F>),
        made: [Made<'_, F>; 2],
    ) {
        match width {
            8 => self.lists_of_tile::<8>(column, what, columns, scratch, made),
            16 => self.lists_of_tile::<16>(column, what, columns, scratch, made),
            _ => self.lists_of_tile::<32>(column, what, columns, scratch, made),
        }
    }

    fn lists_of_tile<const W: usize>(
        &self,
        column: usize,
        what: Sum<'_, F>,
        columns: &Columns,
        (of_block, of_tile): (&OfBlock<'_, F>, &mut OfTile<'_, F>),
        made: [Made<'_, F>; 2],
    ) {
        let sizes = self.sizes();
        let left = self.rows_of_tile::<W>(column, what, of_block, of_tile);
        let OfTile {
            q, dense, dense_q, ..
        } = of_tile;
        let q = self.scanned::<W>(column, what).unwrap_or(q);
        let of_inputs = self.dense_sum::<W>(q, dense, dense_q);
        let neurons = column.min(sizes.n)..sizes.n.min(column + W);
        for (kind, Made { first, to, from }) in made.into_iter().enumerate() {
            let starts = columns.starts(kind, neurons.clone());
            let here = starts[0] - first..starts[starts.len() - 1] - first;
            let from = from.map(|numbers| numbers.get(here.clone()).unwrap_or(&[]));
            let gather = Gather {
                start: &of_block.sorted.start,
                at: &of_block.sorted.at,
                scale: of_block.sorted.scale(),
                dense: if kind == 0 { of_inputs } else { &[] },
                q,
                zeta: self.gain_of_rows(),
                carry: self.carry_of(&left, from),
                stride: W,
                column: 0,
                first_recurrent: sizes.n_inputs,
            };
            let of_tile = ColumnsOfTile {
                starts,
                sources: columns.sources(),
                replace: what.replaces(),
            };
            kernels::gather_columns::<F, W>(gather, of_tile, &mut to[here]);
        }
    }

    /// Traces as they will be at the history's end, by neuron.
    pub(super) fn traces_of_lists(
        &self,
        orders: &Orders,
        what: Sum<'_, F>,
        pace: &mut Pace<'_>,
    ) -> Result<Aligned<F>, Error> {
        let (sizes, name) = (self.sizes(), || "reading traces".into());
        let at_start = match what {
            Sum::Membranes => &self.z_bar_rows,
            _ => &self.e_bar,
        };
        let mut traces = Room::build(name, |room| room.zeros(1, orders.columns.len()))?;
        if self.carried || self.traced > 0 {
            traces.copy_from_slice(at_start);
        }
        if self.history.len == 0 {
            return Ok(traces);
        }
        let mut scratch = Room::build(name, |room| Scratch::new(room, &sizes))?;
        self.history.sort(&mut scratch.sorted);
        self.begin(what, &mut scratch);
        let (of_block, mut of_tile, _) = scratch.parts();
        for tile in self.tiles_from(self.traced) {
            let cut = self.cut();
            let (of_inputs, of_neurons) = traces.split_at_mut(cut);
            let kinds = [(0, of_inputs), (cut, of_neurons)];
            let made = kinds.map(|(first, to)| {
                let here = first..first + to.len();
                let of = |numbers: &'_ Aligned<F>| match numbers.is_empty() {
                    true => 0..0,
                    false => here.clone(),
                };
                let (eps_a, z_bar) = (of(&self.eps_a), of(&self.z_bar_rows));
                let from: [&[F]; 3] = match what {
                    Sum::Membranes => [&[], &[], &[]],
                    _ => [&[], &self.eps_a[eps_a], &self.z_bar_rows[z_bar]],
                };
                Made { first, to, from }
            });
            let scratch = (&of_block, &mut of_tile);
            self.tile_of_lists(tile, what, &orders.columns, scratch, made);
            self.pass(tile, pace)?;
        }
        Ok(traces)
    }

    /// Shows what can be read of some sources, a row over the neurons each.
    pub(super) fn show_lists(
        &self,
        orders: &Orders,
        what: What,
        sources: Range<usize>,
        pace: &mut Pace<'_>,
        see: See<'_, F>,
    ) -> Result<(), Error> {
        match what {
            What::Weight => lists::show(&orders.wires, &self.w.rows, sources, pace, see),
            What::Eligibility => self.show_traces_of_lists(orders, Sum::Traces, sources, pace, see),
        }
    }

    /// The same of traces as they will be at the history's end.
    pub(super) fn show_traces_of_lists(
        &self,
        orders: &Orders,
        what: Sum<'_, F>,
        sources: Range<usize>,
        pace: &mut Pace<'_>,
        see: See<'_, F>,
    ) -> Result<(), Error> {
        let by_neuron = self.traces_of_lists(orders, what, pace)?;
        let mut traces = vec_for("reading traces", by_neuron.len())?;
        let every = 0..self.sizes().sources();
        orders.show(every, &by_neuron, |number| traces.push(number))?;
        lists::show(&orders.wires, &traces, sources, pace, see)
    }

    /// The squared length of the gradient that waits, of each neuron; all of it has been worked off.
    pub(super) fn add_lengths_of_neurons(&self, orders: &Orders, to: Kinds<&mut [f64]>) {
        let n = self.sizes().n;
        for (kind, to) in [to.inputs, to.neurons].into_iter().enumerate() {
            let runs = orders.columns.starts(kind, 0..n).windows(2);
            for (to, run) in to.iter_mut().zip(runs) {
                let g = self.w.pending[run[0]..run[1]].iter();
                *to += g.map(|g| g.to_f64() * g.to_f64()).sum::<f64>();
            }
        }
    }

    /// As [`update`](crate::synapses::Synapses::update).
    pub(super) fn update_lists(
        &mut self,
        orders: &Orders,
        r: Option<&[F]>,
        steps: Kinds<Step<'_, F>>,
    ) {
        // Not interruptible: an update reaches all weights.
        _ = self.work_off_lists(orders, false, &mut Interrupt::NOBODY.pace());
        if self.w.waits || steps.linear().is_none() {
            self.take_in_earlier(r);
            self.descend_lists(orders, steps);
        }
        self.mark_used();
    }

    /// As [`collect_until`](crate::synapses::Synapses::collect_until).
    pub(super) fn collect_lists(
        &mut self,
        orders: &Orders,
        r: Option<&[F]>,
        sum: &mut [F],
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        self.work_off_lists(orders, false, pace)?;
        if self.w.waits {
            let mut sum_e = core::mem::take(&mut self.sum_e);
            let (sum, of_regulariser) = sum.split_at_mut(orders.columns.len());
            if self.apart {
                if let Some(r) = r {
                    orders.scale_by(r, &mut sum_e);
                }
                if r.is_some() || self.history.has_r() {
                    self.add_to_lists(orders, &sum_e, of_regulariser);
                }
                self.sum_e = sum_e;
            } else {
                self.sum_e = sum_e;
                self.take_in_earlier(r);
            }
            let g = core::mem::take(&mut self.w.pending);
            self.add_to_lists(orders, &g, sum);
            self.w.pending = g;
        }
        self.mark_used();
        Ok(())
    }

    /// As [`take_back`](crate::synapses::Synapses::take_back).
    pub(super) fn take_back_lists(&mut self, orders: &Orders, sum: &[F]) {
        let (of_loss, of_regulariser) = sum.split_at(orders.columns.len());
        let mut g = core::mem::take(&mut self.w.pending);
        g.fill(F::ZERO);
        self.add_from_lists(orders, of_loss, &mut g);
        if self.apart && self.history.has_r() {
            let mut sum_e = core::mem::take(&mut self.sum_e);
            sum_e.fill(F::ZERO);
            self.add_from_lists(orders, of_regulariser, &mut sum_e);
            self.sum_e = sum_e;
        } else {
            // Its coefficients are in it already: from now on it counts as part of the loss's gradient.
            self.add_from_lists(orders, of_regulariser, &mut g);
        }
        self.w.pending = g;
        self.w.waits = true;
    }

    /// Takes the gradient that waits, all of which has been worked off, to the weights: from the order of neurons to that of sources.
    pub(super) fn descend_lists(&mut self, orders: &Orders, steps: Kinds<Step<'_, F>>) {
        let mut next = core::mem::take(&mut self.scratch.next);
        let g = core::mem::take(&mut self.w.pending);
        let (cut, sources) = (self.cut(), 0..self.sizes().sources());
        let mut piece = [F::ZERO; PIECE];
        let (mut from, mut len) = (0, 0);
        let (w, finite) = (&mut self.w, &mut self.finite);
        orders
            .columns
            .in_lists(&orders.wires, sources, &mut next, |at| {
                piece[len] = g[at];
                len += 1;
                let end = from + len;
                if len == PIECE || end == cut || end == g.len() {
                    let step = if from < cut {
                        steps.inputs
                    } else {
                        steps.neurons
                    };
                    w.take(step, from, &piece[..len]);
                    *finite &= kernels::all_finite(&w.rows[from..end]);
                    (from, len) = (end, 0);
                }
            });
        self.w.pending = g;
        self.scratch.next = next;
    }

    /// Adds what lies by neuron to numbers in the order of the lists.
    pub(super) fn add_to_lists(&mut self, orders: &Orders, numbers: &[F], to: &mut [F]) {
        let mut next = core::mem::take(&mut self.scratch.next);
        let (sources, mut to) = (0..self.sizes().sources(), to.iter_mut());
        orders
            .columns
            .in_lists(&orders.wires, sources, &mut next, |at| {
                if let Some(to) = to.next() {
                    *to += numbers[at];
                }
            });
        self.scratch.next = next;
    }

    /// The other way: adds numbers in the order of the lists to what lies by neuron.
    pub(super) fn add_from_lists(&mut self, orders: &Orders, numbers: &[F], to: &mut [F]) {
        let mut next = core::mem::take(&mut self.scratch.next);
        let (sources, mut numbers) = (0..self.sizes().sources(), numbers.iter());
        orders
            .columns
            .in_lists(&orders.wires, sources, &mut next, |at| {
                if let Some(&number) = numbers.next() {
                    to[at] += number;
                }
            });
        self.scratch.next = next;
    }

    /// The squared length of the gradient that waits, with what the regulariser adds to it.
    pub(super) fn length_of_lists(&self, orders: &Orders, r: Option<&[F]>) -> f64 {
        let has_part = self.has_part(r);
        let runs = orders.columns.runs();
        let of_run = |(j, run): (usize, Range<usize>)| {
            let r = r.map_or(F::ONE, |r| r[j]);
            let squares = run.map(|at| {
                let of_raw = if has_part {
                    r * self.sum_e[at]
                } else {
                    F::ZERO
                };
                let g = (self.w.pending[at] + of_raw).to_f64();
                g * g
            });
            squares.sum::<f64>()
        };
        runs.map(of_run).sum()
    }
}

/// What there is of every synapse, by neuron.
struct Matrices<F> {
    g: Aligned<F>,
    sum_e: Aligned<F>,
    e_bar: Aligned<F>,
    eps_a: Aligned<F>,
    z_bar: Aligned<F>,
}

impl<F> Matrices<F> {
    /// Of synapses from inputs, which are so many, and of those from neurons.
    fn of_kinds(&mut self, cut: usize) -> [Run<'_, F>; 2] {
        let mut all = Run {
            first: 0,
            g: &mut self.g,
            sum_e: &mut self.sum_e,
            e_bar: &mut self.e_bar,
            eps_a: &mut self.eps_a,
            z_bar: &mut self.z_bar,
        };
        [all.take(cut), all]
    }
}

/// The tiles that begin with one of some neurons.
fn tiles_within<F>(
    stride: usize,
    neurons: &Range<usize>,
) -> impl Iterator<Item = (usize, usize)> + use<F> {
    let (width, until) = (tile_width::<F>(), neurons.end);
    let columns = neurons.clone().step_by(width);
    columns.map(move |column| (column, width.min(until.min(stride) - column)))
}
