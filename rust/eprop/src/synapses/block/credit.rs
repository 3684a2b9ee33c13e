//! Credit through recurrent spikes: what a neuron makes its neighbours do later, within a horizon. DESIGN.md, "Credit through recurrent spikes".
//!
//! The rows `d^u` that are made here are one more coefficient on raw `e`, beside the regulariser's. Everything else of a block is as without a horizon.

use alloc::vec::Vec;
use core::cmp::Reverse;
use core::ops::Range;

use super::history::{Sizes, tile_width, tiles};
use super::{Block, Scratch};
use crate::kernels::{self, Backwards};
use crate::numbers::aligned::Aligned;
use crate::numbers::interrupt::{Interrupt, Pace};
use crate::numbers::room::Room;
use crate::numbers::walk::parts;
use crate::{Error, Float};

/// Scans that go backwards side by side, so that rows of `W_rec` which all of them need are read once. No bit depends on it.
const LANES: usize = 24;
/// Bytes of such rows, which stay in the second cache meanwhile.
const ROWS: usize = 1 << 18;

/// What the recurrent spikes of a block are credited with.
#[derive(Debug)]
pub(super) struct Credit<F> {
    /// `gamma zeta`; of membranes of their own, whose zeta may differ, `gamma`.
    gain: F,
    /// A row per step, laid out like psi; then the same of the regulariser's part, where that is kept apart.
    rows: Aligned<F>,
    /// Steps of the block whose row is made.
    done: usize,
}

parts!(Credit { Scratch: [rows] });

impl<F: Float> Credit<F> {
    pub(super) fn new(room: &mut Room, sizes: &Sizes, gain: F) -> Result<Self, Error> {
        Ok(Self {
            gain,
            rows: room.zeros(sizes.credits.saturating_mul(sizes.steps), sizes.stride)?,
            done: 0,
        })
    }

    /// Makes room for the rows of a history that has grown; none is made yet.
    pub(super) fn fit(&mut self, sizes: &Sizes) -> Result<(), Error> {
        if self.rows.len() != sizes.credits * sizes.steps * sizes.stride {
            let what = || "recurrent credit".into();
            *self = Room::build(what, |room| Self::new(room, sizes, self.gain))?;
        }
        Ok(())
    }

    pub(super) fn forget(&mut self) {
        self.done = 0;
    }

    /// The rows of a tile, one per step; empty where there are none of this part.
    pub(super) fn tile(
        &self,
        part: usize,
        (column, width): (usize, usize),
        history: (usize, Sizes),
    ) -> &[F] {
        let (len, sizes) = history;
        match part < sizes.credits {
            true => &self.part(part, sizes)[column * sizes.steps..][..len * width],
            false => &[],
        }
    }

    fn part(&self, part: usize, sizes: Sizes) -> &[F] {
        let len = sizes.steps * sizes.stride;
        &self.rows[part * len..][..len]
    }

    fn keep(&mut self, part: usize, sizes: Sizes, u: usize, row: &[F]) {
        let len = sizes.steps * sizes.stride;
        let to = &mut self.rows[part * len..][..len];
        kernels::copy_to_tiles(row, tile_width::<F>(), sizes.steps, u, to);
    }

    fn keep_nothing(&mut self, steps: Range<usize>, sizes: Sizes) {
        let len = sizes.steps * sizes.stride;
        for part in self.rows.chunks_exact_mut(len.max(1)) {
            for (column, width) in tiles::<F>(sizes.stride) {
                let of_tile = column * sizes.steps;
                part[of_tile + steps.start * width..of_tile + steps.end * width].fill(F::ZERO);
            }
        }
    }
}

/// Buffers in which credit goes backwards.
#[derive(Debug, Default)]
pub(super) struct Lanes<F> {
    /// Neurons whose psi is not 0.
    sensitive: Vec<u32>,
    /// `B`, a row per output.
    b: Aligned<F>,
    /// A row per lane: `q` of the last steps, as many as a spike takes, and what these credit a step's spikes with. With a current it is `p`.
    q: Aligned<F>,
    d: Aligned<F>,
    /// Of thresholds that move, a row per lane: what a step's threshold is credited with.
    m: Aligned<F>,
    /// Of membranes of their own, a row per lane: `q` of the last step; and `psi g` of one tile, or `zeta q`.
    v: Aligned<F>,
    x: Aligned<F>,
    /// `R` per lane.
    r: Vec<F>,
    /// `B R` of one lane.
    l: Aligned<F>,
}

parts!(Lanes {
    Scratch: [sensitive, b, q, d, m, v, x, r, l]
});

impl<F: Float> Lanes<F> {
    pub(super) fn new(room: &mut Room, sizes: &Sizes) -> Result<Self, Error> {
        let (lanes, one) = match sizes.credits {
            0 => (0, 0),
            _ => (LANES, 1),
        };
        Ok(Self {
            sensitive: room.vec(0, one * sizes.stride)?,
            b: room.zeros(one * sizes.n_outputs, sizes.stride)?,
            q: room.zeros(lanes.saturating_mul(slots(sizes)), sizes.stride)?,
            d: room.zeros(lanes, sizes.stride)?,
            m: room.zeros(lanes, sizes.stride)?,
            v: room.zeros(if sizes.membranes { lanes } else { 0 }, sizes.stride)?,
            x: room.zeros(if sizes.membranes { one } else { 0 }, sizes.stride)?,
            r: room.vec(F::ZERO, lanes.saturating_mul(sizes.n_outputs))?,
            l: room.zeros(one, sizes.stride)?,
        })
    }
}

/// Rows of `q` per lane. What is further away than a run is long, it never credits.
fn slots(sizes: &Sizes) -> usize {
    sizes.delay.min(sizes.steps).max(1)
}

/// One scan: steps of one stream that credit each other, for one part of its gradient.
#[derive(Clone, Copy, Default)]
struct Lane {
    stream: usize,
    part: usize,
    from: usize,
    until: usize,
}

impl Lane {
    fn len(&self) -> usize {
        self.until - self.from
    }
}

impl<F: Float> Block<F> {
    /// Whether the step after the last may be the first of a block.
    pub(super) fn is_between_horizons(&self) -> bool {
        let last = self.history.len.checked_sub(1);
        let goes_on = last.is_some_and(|last| self.history.learned[last] != F::ZERO);
        !goes_on || self.steps % self.horizon == 0
    }

    /// Learning steps that credit each other: the next ones that have not got their credit, if no later step belongs to them.
    fn next_run(&self, ending: bool) -> Option<Range<usize>> {
        let history = &self.history;
        let learned = |u: &usize| history.learned[*u] != F::ZERO;
        let before = self.steps.saturating_sub(history.len as u64);
        let starts = |u: usize| (before + u as u64) % self.horizon == 0;
        let from = (self.credit.done..history.len).find(learned)?;
        let ends = |u: &usize| !learned(u) || starts(*u);
        let until = (from + 1..history.len).find(ends);
        let whole = ending || self.is_between_horizons();
        until
            .or(whole.then_some(history.len))
            .map(|until| from..until)
    }

    /// The credit of the history, with the buffers of this stream, unless it is stopped: then none is made.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub(super) fn credit_alone(
        &mut self,
        lanes: &mut Lanes<F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        let mut this = self;
        credit(core::slice::from_mut(&mut this), true, lanes, pace)
    }

    /// As [`credit_alone`](Self::credit_alone), where nobody stops it.
    pub(super) fn credit_unasked(&mut self, lanes: &mut Lanes<F>) {
        _ = self.credit_alone(lanes, &mut Interrupt::NOBODY.pace());
    }

    /// The credit of streams of the same weights, with the buffers of the first. `ending`: no step more belongs to what they have in their histories.
    ///
    /// # Errors
    /// [`Error::Interrupted`]: then some have none.
    pub(in crate::synapses) fn credit_together(
        streams: &mut [&mut Self],
        ending: bool,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        let Some((first, _)) = streams.split_first_mut() else {
            return Ok(());
        };
        let mut scratch = core::mem::take(first.scratch());
        // Streams go side by side as long as they have the same B.
        let same = |a: &&mut Self, b: &&mut Self| match (&a.b, &b.b) {
            (Some(a), Some(b)) => a.is(b),
            _ => false,
        };
        let mut alike = streams.chunk_by_mut(same);
        let made = alike.try_for_each(|alike| credit(alike, ending, &mut scratch.lanes, pace));
        *streams[0].scratch() = scratch;
        made
    }

    /// Steps until the history will be worked off, if nothing else makes it.
    pub(in crate::synapses) fn until_full(&self) -> usize {
        match self.sizes().grows {
            true => usize::MAX,
            false => (self.aligned_to - self.steps % self.aligned_to) as usize,
        }
    }

    /// Makes room for so many more steps, learning steps or others.
    pub(in crate::synapses) fn reserve(
        &mut self,
        steps: usize,
        learning: bool,
    ) -> Result<(), Error> {
        let until_aligned = self.aligned_to - self.steps % self.aligned_to;
        // Where nothing is learned, a block may end.
        let more = if learning {
            steps
        } else {
            steps.min(until_aligned as usize)
        };
        let kept = if self.used { 0 } else { self.history.len };
        self.history.reserve(kept.saturating_add(more))?;
        let sizes = self.sizes();
        self.credit.fit(&sizes)?;
        if !self.scratch.fits(&sizes) {
            self.scratch = Room::build(|| "a block".into(), |room| Scratch::new(room, &sizes))?;
        }
        Ok(())
    }
}

/// Makes the rows of streams of the same weights, side by side. `ending`: no step more belongs to what they have in their histories. Where it is stopped,
/// none of them counts as made.
pub(super) fn credit<F: Float>(
    streams: &mut [&mut Block<F>],
    ending: bool,
    buffers: &mut Lanes<F>,
    pace: &mut Pace<'_>,
) -> Result<(), Error> {
    let made = credit_until(streams, ending, buffers, pace);
    if made.is_err() {
        (streams.iter_mut()).for_each(|stream| stream.credit.forget());
    }
    made
}

fn credit_until<F: Float>(
    streams: &mut [&mut Block<F>],
    ending: bool,
    buffers: &mut Lanes<F>,
    pace: &mut Pace<'_>,
) -> Result<(), Error> {
    let mut lanes = [Lane::default(); LANES];
    let mut n = 0;
    let mut ready = false;
    for at in 0..streams.len() {
        // Nothing has been learned, or its gradient has been used.
        let sizes = streams[at].sizes();
        if sizes.credits == 0 || streams[at].b.is_none() {
            continue;
        }
        while let Some(run) = streams[at].next_run(ending) {
            if !ready {
                if let Some(b) = &streams[at].b {
                    b.tile(0, sizes.stride, sizes.stride, &mut buffers.b);
                }
                ready = true;
            }
            let credit = &mut streams[at].credit;
            credit.keep_nothing(credit.done..run.start, sizes);
            credit.done = run.end;
            for part in 0..sizes.credits {
                if n == LANES {
                    backwards(streams, &mut lanes, buffers, pace)?;
                    n = 0;
                }
                lanes[n] = Lane {
                    stream: at,
                    part,
                    from: run.start,
                    until: run.end,
                };
                n += 1;
            }
        }
        if ending {
            let Block {
                credit, history, ..
            } = &mut *streams[at];
            credit.keep_nothing(credit.done..history.len, sizes);
            credit.done = history.len;
        }
    }
    backwards(streams, &mut lanes[..n], buffers, pace)
}

/// `g^u = zeta_e B R^u + r^u + d^u + m^{u+1}`, `q^u = psi^u g^u + alpha q^{u+1}`, `d^u = gamma zeta W_rec^T q^{u+delay}`, each lane from its last step to its first.
/// With a current it is `p^u = q^u + sigma p^{u+1}` that goes back through `W_rec`.
fn backwards<F: Float>(
    streams: &mut [&mut Block<F>],
    lanes: &mut [Lane],
    buffers: &mut Lanes<F>,
    pace: &mut Pace<'_>,
) -> Result<(), Error> {
    lanes.sort_unstable_by_key(|lane| Reverse(lane.len()));
    let Some(longest) = lanes.first() else {
        return Ok(());
    };
    let first = &streams[longest.stream];
    let (sizes, filters, apart) = (first.sizes(), first.filters, first.apart);
    let (n, stride, o) = (sizes.n, sizes.stride, sizes.n_outputs);
    let slots = slots(&sizes);
    let gain = first.credit.gain;
    let (w, orders) = (first.w.rows.share(), first.orders.clone());
    let tile = tile_width::<F>();
    let rows = match lanes.len() {
        1 => n,
        _ => (ROWS / size_of::<F>() / stride)
            .next_multiple_of(tile)
            .max(tile),
    };
    buffers.q[..slots * LANES * stride].fill(F::ZERO);
    buffers.m[..lanes.len() * stride].fill(F::ZERO);
    buffers.r[..lanes.len() * o].fill(F::ZERO);
    buffers.v.fill(F::ZERO);
    for k in 0..longest.len() {
        let active = lanes.iter().take_while(|lane| lane.len() > k).count();
        let d = &mut buffers.d[..active * stride];
        d.fill(F::ZERO);
        let (now, before) = (k % slots, (k + slots - 1) % slots);
        let slot = |at: usize| at * LANES * stride..at * LANES * stride + active * stride;
        if k >= sizes.delay {
            // Of the step at which these spikes arrive.
            pace.pass(active.saturating_mul(n * stride))?;
            for from in (0..n).step_by(rows) {
                for (m, lane) in lanes[..active].iter().enumerate() {
                    let history = &streams[lane.stream].history;
                    let those = from..from + rows;
                    let count =
                        history.sensitive(those, lane.until - 1 - k, &mut buffers.sensitive);
                    let mut q = &buffers.q[slot(now)][m * stride..][..stride];
                    if let Some(membranes) = &streams[lane.stream].membranes {
                        let scaled = q.iter().zip(membranes.zeta.iter());
                        for (x, (&q, &zeta)) in buffers.x.iter_mut().zip(scaled) {
                            *x = zeta * q;
                        }
                        q = &buffers.x;
                    }
                    let d = &mut d[m * stride..][..stride];
                    let neurons = &buffers.sensitive[..count];
                    match &orders {
                        None => {
                            let w_rec = &w[sizes.n_inputs * stride..];
                            kernels::dot_rows_at(w_rec, neurons, gain, q, d);
                        }
                        Some(orders) => {
                            let (lists, first) = (orders.wires.lists(), sizes.n_inputs);
                            kernels::dot_lists_at(lists, &w, first, neurons, gain, q, d);
                        }
                    }
                }
            }
        }
        if before != now {
            buffers.q.copy_within(slot(before), slot(now).start);
        }
        for (m, lane) in lanes[..active].iter().enumerate() {
            let u = lane.until - 1 - k;
            let Block {
                history,
                credit,
                adaptation,
                membranes,
                ..
            } = &mut *streams[lane.stream];
            let d = &buffers.d[m * stride..][..stride];
            credit.keep(lane.part, history.sizes, u, d);
            if u == lane.from {
                continue;
            }
            let of_loss = lane.part == 0;
            if of_loss {
                let r = &mut buffers.r[m * o..][..o];
                for (r, &err) in r.iter_mut().zip(&history.err[u * o..]) {
                    *r = err + filters.kappa_e * *r;
                }
                kernels::mix_rows(&buffers.b, stride, r, &mut buffers.l);
            }
            let q = &mut buffers.q[slot(now)][m * stride..][..stride];
            let of_threshold = &mut buffers.m[m * stride..][..stride];
            for (column, width) in tiles::<F>(stride) {
                let row = u * width..(u + 1) * width;
                let psi = history.psi(column, width);
                let r = history.r(column, width).filter(|_| !(apart && of_loss));
                let of_tile = column..column + width;
                let step = Backwards {
                    alpha: match membranes {
                        None => filters.alpha,
                        Some(_) => F::ZERO,
                    },
                    psi: &psi[row.clone()],
                    c: filters.zeta_e,
                    l: if of_loss {
                        &buffers.l[of_tile.clone()]
                    } else {
                        &[]
                    },
                    r: r.map_or(&[], |r| &r[row]),
                    d: &d[of_tile.clone()],
                    adapting: adaptation.as_ref().map(|all| all.tile(column, width)),
                };
                let m_of_tile = &mut of_threshold[of_tile.clone()];
                let Some(membranes) = membranes else {
                    kernels::step_backwards(step, &mut q[of_tile], m_of_tile);
                    continue;
                };
                let x = &mut buffers.x[of_tile.clone()];
                x.fill(F::ZERO);
                kernels::step_backwards(step, x, m_of_tile);
                let v = &mut buffers.v[m * stride..][of_tile.clone()];
                kernels::flow_back(membranes.tile(column, width), x, v, &mut q[of_tile]);
            }
        }
    }
    Ok(())
}
