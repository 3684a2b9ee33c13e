//! Credit through recurrent spikes: what a neuron makes its neighbours do later, within a horizon. DESIGN.md, "Credit through recurrent spikes".
//!
//! The rows `d^u` that are made here are one more coefficient on raw `e`, beside the regulariser's. Everything else of a block is as without a horizon.

use alloc::vec::Vec;
use core::cmp::Reverse;
use core::ops::Range;

use super::Block;
use super::history::{Sizes, tiles};
use crate::kernels::{self, Backwards, Dots, Lists, tile_width};
use crate::numbers::aligned::Aligned;
use crate::numbers::interrupt::{Interrupt, Pace};
use crate::numbers::room::Room;
use crate::numbers::walk::parts;
use crate::{Error, Float};

/// Scans that go backwards side by side, so that rows of `W_rec` which all of them need are read once. No bit depends on it.
const LANES: usize = kernels::MOST_LANES;
/// Bytes of rows of all pairs whose lists all lanes go through before the next, so that these stay in the second cache.
const LISTS: usize = 1 << 18;

/// What the recurrent spikes of a block are credited with.
#[derive(Debug)]
pub(super) struct Credit<F> {
    /// `gamma zeta`; of membranes of their own, whose zeta may differ, `gamma`.
    gain: F,
    /// A row `d` per step, laid out like psi; then the same of the regulariser's part, where that is kept apart.
    rows: Aligned<F>,
    /// Steps of the block whose row is made; whether they were made as if no step more belonged to them.
    done: usize,
    ended: bool,
    /// Whether they are one run, and the rows `q`, which a scan over the block would make of `d` once more.
    pub(super) scanned: bool,
}

parts!(Credit { Scratch: [rows] });

impl<F: Float> Credit<F> {
    pub(super) fn new(room: &mut Room, sizes: &Sizes, gain: F) -> Result<Self, Error> {
        Ok(Self {
            gain,
            rows: room.zeros(sizes.credits.saturating_mul(sizes.steps), sizes.stride)?,
            done: 0,
            ended: false,
            scanned: false,
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
        (self.ended, self.scanned) = (false, false);
    }

    /// What a scan makes of a tile, one row per step, if it is there already.
    pub(super) fn scanned(
        &self,
        part: usize,
        tile: (usize, usize),
        history: (usize, Sizes),
    ) -> Option<&[F]> {
        let made = self.scanned && part < history.1.credits;
        made.then(|| self.tile(part, tile, history))
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
    /// A row per lane: neurons whose psi is not 0.
    sensitive: Vec<u32>,
    /// `B`, a row per output.
    b: Aligned<F>,
    /// A row per lane: `q` of the last steps, as many as a spike takes, and what these credit a step's spikes with. With a current it is `p`.
    q: Aligned<F>,
    d: Aligned<F>,
    /// Of thresholds that move, a row per lane: what a step's threshold is credited with.
    m: Aligned<F>,
    /// Of membranes of their own, a row per lane: `q` of the last step; and `zeta q`, or `psi g`.
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
        let of_membranes = if sizes.membranes { lanes } else { 0 };
        Ok(Self {
            sensitive: room.vec(0, lanes.saturating_mul(sizes.stride))?,
            b: room.zeros(one * sizes.n_outputs, sizes.stride)?,
            q: room.zeros(lanes.saturating_mul(slots(sizes)), sizes.stride)?,
            d: room.zeros(lanes, sizes.stride)?,
            m: room.zeros(lanes, sizes.stride)?,
            v: room.zeros(of_membranes, sizes.stride)?,
            x: room.zeros(of_membranes, sizes.stride)?,
            r: room.vec(F::ZERO, lanes.saturating_mul(sizes.n_outputs))?,
            l: room.zeros(one, sizes.stride)?,
        })
    }

    /// Before the last step of so many lanes.
    fn begin(&mut self, lanes: usize, sizes: &Sizes) {
        let numbers = lanes * sizes.stride;
        for of_slot in self.q.chunks_exact_mut(LANES * sizes.stride) {
            of_slot[..numbers].fill(F::ZERO);
        }
        self.m[..numbers].fill(F::ZERO);
        self.r[..lanes * sizes.n_outputs].fill(F::ZERO);
        self.v.fill(F::ZERO);
    }

    /// Where `q` of step `k` from the end lies, of so many lanes.
    fn slot(&self, k: usize, lanes: usize, sizes: &Sizes) -> Range<usize> {
        let from = k % slots(sizes) * LANES * sizes.stride;
        from..from + lanes * sizes.stride
    }

    /// `d` of each lane's step `k` from its end, which is 0 where psi is. In the place of this step's `q` there is still that of the step at which its spikes arrive.
    fn credit_spikes(&mut self, streams: &[&mut Block<F>], lanes: &[Lane], k: usize) {
        let first = &*streams[lanes[0].stream];
        let (sizes, gain) = (first.sizes(), first.credit.gain);
        let stride = sizes.stride;
        let mut counts = [0; LANES];
        let counts = &mut counts[..lanes.len()];
        let of_lanes = self.sensitive.chunks_exact_mut(stride);
        for ((count, lane), sensitive) in counts.iter_mut().zip(lanes).zip(of_lanes) {
            let history = &streams[lane.stream].history;
            *count = history.sensitive(lane.at(k), sensitive);
        }
        let q = &self.q[self.slot(k, lanes.len(), &sizes)];
        let x = match &first.membranes {
            None => q,
            Some(membranes) => {
                let rows = self.x.chunks_exact_mut(stride);
                for (row, q) in rows.zip(q.chunks_exact(stride)) {
                    let scaled = q.iter().zip(membranes.zeta.iter());
                    for (x, (&q, &zeta)) in row.iter_mut().zip(scaled) {
                        *x = zeta * q;
                    }
                }
                &self.x[..q.len()]
            }
        };
        let dots = Dots {
            rows: &first.w.rows,
            scale: gain,
            x,
            counts,
            index: &self.sensitive,
        };
        match &first.orders {
            None => {
                let rows = &dots.rows[first.cut()..];
                kernels::dot_rows_of_lanes(Dots { rows, ..dots }, &mut self.d);
            }
            Some(orders) => {
                let rows = (orders.wires.lists(), sizes.n_inputs, stride);
                dot_lists_of_lanes(rows, dots, &mut self.d);
            }
        }
    }

    /// Step `k` from the end takes up `q` where the one after it has left it.
    fn go_on(&mut self, k: usize, lanes: usize, sizes: &Sizes) {
        let [before, now] = [k + slots(sizes) - 1, k].map(|k| self.slot(k, lanes, sizes));
        if before != now {
            self.q.copy_within(before, now.start);
        }
    }

    /// Step `k` from the end of lane number `m`.
    fn step(&mut self, stream: &mut Block<F>, lane: &Lane, m: usize, k: usize) {
        let (sizes, filters) = (stream.sizes(), stream.filters);
        let (stride, o, u) = (sizes.stride, sizes.n_outputs, lane.at(k));
        let row = m * stride..(m + 1) * stride;
        let (slot, d) = (self.slot(k, LANES, &sizes), &self.d[row.clone()]);
        let q = &mut self.q[slot][row.clone()];
        // Before the first step nothing needs its `q`.
        if lane.scanned || u > lane.from {
            let of_loss = lane.part == 0;
            let history = &stream.history;
            if of_loss {
                let (errs, filtered) = (&history.err[..(u + 1) * o], &mut self.r[m * o..][..o]);
                kernels::send_back(errs, filters.kappa_e, &self.b, filtered, &mut self.l);
            }
            let step = Backwards {
                alpha: match stream.membranes {
                    None => filters.alpha,
                    Some(_) => F::ZERO,
                },
                psi: history.psi_at(u),
                c: filters.zeta_e,
                l: if of_loss { &self.l } else { &[] },
                r: match of_loss && stream.apart {
                    true => &[],
                    false => history.r_of_tiles(),
                },
                d,
                adapting: stream.adaptation.as_ref().map(|all| all.whole()),
            };
            let of_threshold = &mut self.m[row.clone()];
            match &stream.membranes {
                None => kernels::step_backwards(step, q, of_threshold),
                Some(membranes) => {
                    let x = &mut self.x[row.clone()];
                    x.fill(F::ZERO);
                    kernels::step_backwards(step, x, of_threshold);
                    kernels::flow_back(membranes.tile(0, stride), x, &mut self.v[row], q);
                }
            }
        }
        let kept = if lane.scanned { q } else { d };
        stream.credit.keep(lane.part, sizes, u, kept);
    }
}

/// As [`dot_rows_of_lanes`](kernels::dot_rows_of_lanes), of the synapses of sources from `first` on, which are listed.
fn dot_lists_of_lanes<F: Float>(
    (lists, first, stride): (Lists<'_>, usize, usize),
    dots: Dots<'_, F>,
    to: &mut [F],
) {
    let mut done = [0; LANES];
    let of_lanes = |row: usize| row * stride..(row + 1) * stride;
    let near = match dots.counts.len() {
        1 => stride,
        _ => (LISTS / size_of::<F>() / stride).max(tile_width::<F>()),
    };
    for until in (near..stride + near).step_by(near) {
        for (m, &count) in dots.counts.iter().enumerate() {
            let left = &dots.index[of_lanes(m)][done[m]..count];
            let index = &left[..left.partition_point(|&i| (i as usize) < until)];
            done[m] += index.len();
            let (x, to) = (&dots.x[of_lanes(m)], &mut to[of_lanes(m)]);
            kernels::dot_lists_at(lists, dots.rows, first, index, dots.scale, x, to);
        }
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
    /// Whether `q` is kept in the place of `d`.
    scanned: bool,
}

impl Lane {
    /// The step that is number `k` from the end.
    fn at(&self, k: usize) -> usize {
        self.until - 1 - k
    }

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

    /// Whoever was stopped after its credit had been made goes on with the same run: then it is made anew.
    fn forget_what_goes_on(&mut self) {
        if self.credit.ended && self.credit.done < self.history.len {
            self.credit.forget();
        }
    }

    /// Whether going back through a run is a scan over the block, with the same bits: it is all of the block, one filter lies between a spike and psi, and all coefficients on raw e
    /// are known, as those of a regulariser of sequences are not.
    fn is_scanned_by(&self, run: &Range<usize>) -> bool {
        let simple = self.adaptation.is_none() && self.membranes.is_none();
        let known = self.sum_e.is_empty() || self.history.has_r();
        simple && known && *run == (0..self.history.len)
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
        streams[at].forget_what_goes_on();
        while let Some(run) = streams[at].next_run(ending) {
            if !ready {
                if let Some(b) = &streams[at].b {
                    b.tile(0, sizes.stride, sizes.stride, &mut buffers.b);
                }
                ready = true;
            }
            let scanned = ending && streams[at].is_scanned_by(&run);
            let credit = &mut streams[at].credit;
            credit.keep_nothing(credit.done..run.start, sizes);
            credit.done = run.end;
            credit.scanned = scanned;
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
                    scanned,
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
            credit.ended = true;
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
    let Some(longest) = lanes.first().copied() else {
        return Ok(());
    };
    let sizes = streams[longest.stream].sizes();
    let stride = sizes.stride;
    buffers.begin(lanes.len(), &sizes);
    for k in 0..longest.len() {
        let active = lanes.iter().take_while(|lane| lane.len() > k).count();
        let lanes = &lanes[..active];
        buffers.d[..active * stride].fill(F::ZERO);
        if k >= sizes.delay {
            pace.pass(active.saturating_mul(sizes.n * stride))?;
            buffers.credit_spikes(streams, lanes, k);
        }
        buffers.go_on(k, active, &sizes);
        for (m, lane) in lanes.iter().enumerate() {
            buffers.step(streams[lane.stream], lane, m, k);
        }
    }
    Ok(())
}
