//! Rows of synapses that are listed, in factors (DESIGN.md, "Synapses that are listed"): what a spike reads and writes. A neuron's numbers lie side by side, so that a synapse finds all
//! of them in one line of the cache.

use core::marker::PhantomData;
use core::ops::Range;
use core::slice::{from_raw_parts, from_raw_parts_mut};

use super::factored::Visit;
use super::isa::{Isa, UNIT};
use super::lengths::total;
use super::rows::beyond_rounding;
use super::{cut, cut_mut, kernel};
use crate::Float;

/// Numbers of a neuron that lie side by side.
pub(crate) const LANES: usize = 4;

/// The synapses of each source: those of source i are `starts[i]..starts[i + 1]`, and lead to the neurons `targets`, which there are.
#[derive(Clone, Copy)]
pub(crate) struct Lists<'a> {
    pub(crate) starts: &'a [usize],
    pub(crate) targets: &'a [u32],
}

impl Lists<'_> {
    /// Where the synapses of a source lie.
    #[inline(always)]
    pub(super) fn row(&self, source: u32) -> Range<usize> {
        self.starts[source as usize]..self.starts[source as usize + 1]
    }

    /// Where the synapses of a source lie that lead to some neurons: its targets ascend.
    #[inline(always)]
    fn places(&self, source: u32, neurons: &Range<u32>) -> Range<usize> {
        let row = self.row(source);
        let targets = &self.targets[row.clone()];
        let from = match neurons.start {
            0 => 0,
            first => targets.partition_point(|&j| j < first),
        };
        let to = from + targets[from..].partition_point(|&j| j < neurons.end);
        row.start + from..row.start + to
    }
}

/// What the last block, the last two and so on do to rows that waited for them: entries of `[S, T, x, U]` of each neuron, and a `k` for each.
#[derive(Clone, Copy)]
pub(crate) struct Entries<'a, F> {
    pub(crate) of_neurons: &'a [F],
    pub(crate) k: &'a [F],
    /// Numbers to an entry.
    pub(crate) len: usize,
}

impl<'a, F: Float> Entries<'a, F> {
    /// The entry of a source that waited for so many blocks; `None` of none.
    #[inline(always)]
    pub(crate) fn of(&self, age: u32) -> Option<(&'a [F], F)> {
        let entry = (age as usize).checked_sub(1)?;
        let of_neurons = &self.of_neurons[entry * self.len..(entry + 1) * self.len];
        Some((of_neurons, self.k[entry]))
    }
}

/// Rows of what a synapse keeps, as long as its list is.
pub(crate) struct ListedRows<'a, F> {
    /// Weights that take every step, each with its trace: `[A, C]`. Or the gradient that waits: `[G, C]`.
    pub(crate) pairs: &'a mut [[F; 2]],
    /// Of a second sum, `H`; empty without.
    pub(crate) h: &'a mut [F],
}

/// Numbers as pairs.
pub(crate) fn pairs<F>(numbers: &[F]) -> &[[F; 2]] {
    // SAFETY: pairs lie as their numbers do, and are half as many.
    unsafe { from_raw_parts(numbers.as_ptr().cast(), numbers.len() / 2) }
}

/// The same, to write.
pub(crate) fn pairs_mut<F>(numbers: &mut [F]) -> &mut [[F; 2]] {
    // SAFETY: as above.
    unsafe { from_raw_parts_mut(numbers.as_mut_ptr().cast(), numbers.len() / 2) }
}

/// What a part of the neurons has of the rows: the synapses that lead to these neurons. It is alone with them.
pub(crate) struct RowsOfPart<'a, F> {
    lists: Lists<'a>,
    /// The neurons.
    from: u32,
    to: u32,
    is_whole: bool,
    /// Of all rows, each as long as the lists; `h` may be empty.
    pairs: *mut [F; 2],
    h: *mut F,
    has_h: bool,
    rows: PhantomData<&'a mut [F]>,
}

// SAFETY: it is a part of what is borrowed for it, and no other part has the same places (`RowsOfPart::places`).
unsafe impl<F: Send> Send for RowsOfPart<'_, F> {}

impl<'a, F: Float> RowsOfPart<'a, F> {
    /// The rows for every `share` neurons of n.
    pub(crate) fn of(
        lists: Lists<'a>,
        rows: ListedRows<'a, F>,
        n: usize,
        share: usize,
    ) -> impl Iterator<Item = Self> {
        let ListedRows { pairs, h } = rows;
        assert!(pairs.len() == lists.targets.len());
        assert!(h.is_empty() || h.len() == pairs.len());
        let has_h = !h.is_empty();
        let (pairs, h) = (pairs.as_mut_ptr(), h.as_mut_ptr());
        (0..n).step_by(share).map(move |from| Self {
            lists,
            from: from as u32,
            to: n.min(from + share) as u32,
            is_whole: share >= n,
            pairs,
            h,
            has_h,
            rows: PhantomData,
        })
    }

    /// Where in the rows the synapses of a source lie that lead to these neurons. What two parts find in the same targets does not overlap.
    #[inline(always)]
    fn places(&self, source: u32) -> Range<usize> {
        match self.is_whole {
            true => self.lists.row(source),
            false => self.lists.places(source, &(self.from..self.to)),
        }
    }

    /// The pairs and `H` at the places of a source, and the targets there.
    #[inline(always)]
    fn synapses(&mut self, source: u32) -> (&'a [u32], ListedRows<'_, F>, Range<usize>) {
        let places = self.places(source);
        let targets = &self.lists.targets[places.clone()];
        let (start, len) = (places.start, places.len());
        // SAFETY: the places lie within the lists, and all rows are as long as these (`of`); of what other parts have they are none.
        let pairs = unsafe { from_raw_parts_mut(self.pairs.add(start), len) };
        let h: &mut [F] = match self.has_h {
            // SAFETY: as above.
            true => unsafe { from_raw_parts_mut(self.h.add(start), len) },
            false => &mut [],
        };
        (targets, ListedRows { pairs, h }, places)
    }

    /// Asks for what the visits after this one will need: a network that does not fit into the cache would wait for each. `w`: more rows, or none.
    #[inline(always)]
    fn look_ahead<I: Isa>(
        &self,
        visits: &[Visit<F>],
        entries: &Entries<'_, F>,
        factors: &[F],
        w: &[F],
    ) {
        let fetch_rows = |places: Range<usize>| {
            fetch_places::<I, _>(self.pairs, places.clone());
            if self.has_h {
                fetch_places::<I, _>(self.h, places.clone());
            }
            if let Some(w) = w.get(places) {
                fetch_row::<I, _>(w);
            }
        };
        // Where a part's places begin is known when the targets are there.
        let targets_ahead = if self.is_whole {
            TARGETS_AHEAD
        } else {
            PLACES_AHEAD
        };
        let rows_ahead = targets_ahead + ROWS_AHEAD - TARGETS_AHEAD;
        if let Some(visit) = visits.get(STARTS_AHEAD) {
            // Where the row ends lies beside it.
            I::fetch(&self.lists.starts[visit.source as usize]);
        }
        if let Some(visit) = visits.get(rows_ahead) {
            let (starts, source) = (self.lists.starts, visit.source as usize);
            let row = starts[source]..starts[source + 1];
            fetch_row::<I, _>(&self.lists.targets[row.clone()]);
            if self.is_whole {
                fetch_rows(row);
            }
        }
        if let Some(visit) = visits.get(targets_ahead) {
            let places = self.places(visit.source);
            if !self.is_whole {
                fetch_rows(places.clone());
            }
            let waited = entries.of(visit.age).map(|(waited, _)| waited);
            for &j in &self.lists.targets[places] {
                let of_part = LANES * (j - self.from) as usize;
                I::fetch_at(factors.as_ptr().wrapping_add(of_part));
                if let Some(waited) = waited {
                    I::fetch(&waited[LANES * j as usize]);
                }
            }
        }
    }
}

/// Asks for every cache line of some places of a row.
#[inline(always)]
fn fetch_places<I: Isa, F>(row: *mut F, places: Range<usize>) {
    for at in places
        .clone()
        .step_by(64 / size_of::<F>())
        .chain(places.last())
    {
        I::fetch_at(row.wrapping_add(at));
    }
}

/// Of how many visits ahead it is asked for where the row begins, of how many the rows are asked for, and of how many the numbers of their targets.
pub(super) const STARTS_AHEAD: usize = 8;
pub(super) const ROWS_AHEAD: usize = 4;
pub(super) const TARGETS_AHEAD: usize = 2;
/// The same of the targets of a part of the neurons, whose rows are asked for with them.
const PLACES_AHEAD: usize = 3;

/// Bytes of factors from which on a network is too large for the caches near a core.
const FAR: usize = 1 << 19;

#[inline(always)]
pub(super) fn is_far<F>(n_factors: usize) -> bool {
    n_factors * size_of::<F>() >= FAR
}

/// Asks for every cache line of a row.
#[inline(always)]
pub(super) fn fetch_row<I: Isa, T>(row: &[T]) {
    row.iter()
        .step_by(64 / size_of::<T>())
        .for_each(|number| I::fetch(number));
    // It need not begin with a line.
    row.last().into_iter().for_each(|number| I::fetch(number));
}

kernel! {
    /// Weights that take every step. Every active source catches up, and then `sums += [s A, s C, s zt, s s]` of its targets, `A -= a Y; C -= a X1`. `factors`: `[X1, Y, -, -]` of each
    /// neuron. Of a part of the neurons: `sums` begin with the first of them, all else with the first of all.
    fn follow_listed(visits: &[Visit<F>], entries: Entries<'_, F>, left: &[F], factors: &[F], part: &mut RowsOfPart<'_, F>, sums: &mut [F]) {
        let first = LANES * part.from as usize;
        assert!(LANES * part.to as usize <= first + sums.len() && first + sums.len() <= factors.len() && entries.len == factors.len());
        let far = is_far::<F>(factors.len());
        for (at, visit) in visits.iter().enumerate() {
            if far {
                part.look_ahead::<I>(&visits[at..], &entries, &factors[first..], &[]);
            }
            let (targets, ListedRows { pairs, .. }, _) = part.synapses(visit.source);
            let (value, shift) = (visit.value, visit.shift);
            let zt = match visit.age {
                0 => visit.zt,
                age => left[age as usize - 1] * visit.zt,
            };
            let of_zt = [value * zt, value * value];
            let mut send = |q: usize, a: &mut F, c: &mut F| {
                // SAFETY: targets are neurons of this part, whose numbers lie within both.
                unsafe {
                    let [x1, y, ..] = *cut::<F, LANES>(factors, q);
                    let sum = cut_mut::<F, LANES>(sums, q - first);
                    sum[0] = I::fma(value, *a, sum[0]);
                    sum[1] = I::fma(value, *c, sum[1]);
                    sum[2] += of_zt[0];
                    sum[3] += of_zt[1];
                    *a = I::fma(-shift, y, *a);
                    *c = I::fma(-shift, x1, *c);
                }
            };
            match entries.of(visit.age) {
                None => {
                    for (&j, [a, c]) in targets.iter().zip(pairs) {
                        send(LANES * j as usize, a, c);
                    }
                }
                Some((waited, k)) => {
                    for (&j, [a, c]) in targets.iter().zip(pairs) {
                        let q = LANES * j as usize;
                        // SAFETY: as above.
                        let [s, t, x, _] = unsafe { *cut::<F, LANES>(waited, q) };
                        *a -= I::fma(s, *c, t * visit.zt);
                        *c = I::fma(k, *c, x * visit.zt);
                        send(q, a, c);
                    }
                }
            }
        }
    }
}

kernel! {
    /// Weights that rest, and the gradient that waits. Every active source catches up, and then `current += s W` of its targets, `G += a Y; C -= a X1; H -= a U`. `factors`: `[X1, Y, U, 0]` of
    /// each neuron, and in the place of 0 the current is summed up, so that it takes no line of its own. Of a part of the neurons: `factors` and `current` begin with the first of them, all else
    /// with the first of all.
    fn follow_resting(visits: &[Visit<F>], entries: Entries<'_, F>, factors: &mut [F], w: &[F], part: &mut RowsOfPart<'_, F>, current: &mut [F]) {
        let first = LANES * part.from as usize;
        assert!(factors.len() == LANES * current.len() && LANES * part.to as usize <= first + factors.len() && first + factors.len() <= entries.len);
        let far = is_far::<F>(entries.len);
        for (at, visit) in visits.iter().enumerate() {
            if far {
                part.look_ahead::<I>(&visits[at..], &entries, factors, w);
            }
            let (targets, ListedRows { pairs, h }, places) = part.synapses(visit.source);
            let w = &w[places];
            let (value, shift) = (visit.value, visit.shift);
            // SAFETY: targets are neurons of this part, whose numbers lie within all of these.
            let mut send = |q: usize, w: F, g: &mut F, c: &mut F| unsafe {
                let [x1, y, u, current] = cut_mut::<F, LANES>(factors, q - first);
                *current = I::fma(value, w, *current);
                *g = I::fma(shift, *y, *g);
                *c = I::fma(-shift, *x1, *c);
                *u
            };
            if h.is_empty() {
                let synapses = targets.iter().zip(w).zip(pairs);
                match entries.of(visit.age) {
                    None => {
                        for ((&j, &w), [g, c]) in synapses {
                            send(LANES * j as usize, w, g, c);
                        }
                    }
                    Some((waited, k)) => {
                        for ((&j, &w), [g, c]) in synapses {
                            let q = LANES * j as usize;
                            // SAFETY: as above.
                            let [s, t, x, _] = unsafe { *cut::<F, LANES>(waited, q) };
                            *g = gained::<I, F>(*g, [s, *c], [t, visit.zt]);
                            *c = I::fma(k, *c, x * visit.zt);
                            send(q, w, g, c);
                        }
                    }
                }
                continue;
            }
            if let Some((waited, k)) = entries.of(visit.age) {
                for (at, &j) in targets.iter().enumerate() {
                    // SAFETY: as above.
                    let [s, t, x, u] = unsafe { *cut::<F, LANES>(waited, LANES * j as usize) };
                    let [g, c] = &mut pairs[at];
                    *g = gained::<I, F>(*g, [s, *c], [t, visit.zt]);
                    *c = I::fma(k, *c, x * visit.zt);
                    h[at] = I::fma(u, visit.zt, h[at]);
                }
            }
            for (at, &j) in targets.iter().enumerate() {
                let [g, c] = &mut pairs[at];
                let u = send(LANES * j as usize, w[at], g, c);
                h[at] = I::fma(-shift, u, h[at]);
            }
        }
        for (j, current) in current.iter_mut().enumerate() {
            *current = core::mem::replace(&mut factors[LANES * j + 3], F::ZERO);
        }
    }
}

/// `G + S C + T zt`.
#[inline(always)]
fn gained<I: Isa, F: Float>(g: F, [s, c]: [F; 2], [t, zt]: [F; 2]) -> F {
    let parts = (s * c).abs() + (t * zt).abs();
    beyond_rounding(g + I::fma(s, c, t * zt), g.abs() + parts)
}

/// The currents of some of n neurons: those from neuron `from` on.
pub(crate) struct CurrentOfPart<'a, F> {
    pub(crate) from: usize,
    pub(crate) n: usize,
    pub(crate) to: &'a mut [F],
}

kernel! {
    /// `to += s W` of the targets of every active source that are of this part.
    fn send_listed(lists: Lists<'_>, sources: &[u32], values: &[F], w: &[F], part: CurrentOfPart<'_, F>) {
        let CurrentOfPart { from, n, to } = part;
        let far = n * size_of::<F>() >= FAR / LANES;
        let (neurons, is_whole) = (from as u32..(from + to.len()) as u32, to.len() >= n);
        for (at, (&source, &value)) in sources.iter().zip(values).enumerate() {
            if let (true, Some(&next)) = (far, sources.get(at + STARTS_AHEAD)) {
                I::fetch(&lists.starts[next as usize]);
            }
            if let (true, Some(&next)) = (far, sources.get(at + ROWS_AHEAD)) {
                let row = lists.row(next);
                fetch_row::<I, _>(&lists.targets[row.clone()]);
                fetch_row::<I, _>(&w[row]);
            }
            let row = if is_whole { lists.row(source) } else { lists.places(source, &neurons) };
            for (&j, &w) in lists.targets[row.clone()].iter().zip(&w[row]) {
                let to = &mut to[j as usize - from];
                *to = I::fma(value, w, *to);
            }
        }
    }
}

kernel! {
    /// `to += s W` of the targets of an active source.
    fn add_listed(value: F, targets: &[u32], w: &[F], to: &mut [F]) {
        for (&j, &w) in targets.iter().zip(w) {
            let to = &mut to[j as usize];
            *to = I::fma(value, w, *to);
        }
    }
}

/// A row of one source that catches up.
pub(crate) struct ListedRow<'a, F> {
    pub(crate) targets: &'a [u32],
    pub(crate) rows: ListedRows<'a, F>,
}

kernel! {
    /// A row that waited: `A -= S C + T zt`, or `G +=` that; `C = k C + x zt; H += U zt`. Returns whether anything is left of `C`. `sign`: -1 of weights, 1 of a gradient.
    fn catch_up_listed(waited: (&[F], F), zt: F, sign: F, row: ListedRow<'_, F>) -> bool {
        let ListedRow { targets, rows: ListedRows { pairs, h } } = row;
        let (of_neurons, k) = waited;
        let mut left = F::ZERO;
        for (at, &j) in targets.iter().enumerate() {
            let q = LANES * j as usize;
            let [s, t, x, u]: [F; LANES] = core::array::from_fn(|lane| of_neurons[q + lane]);
            let [a, c] = &mut pairs[at];
            *a = match sign > F::ZERO {
                true => gained::<I, F>(*a, [s, *c], [t, zt]),
                false => *a - I::fma(s, *c, t * zt),
            };
            *c = I::fma(k, *c, x * zt).or_silence();
            if let Some(h) = h.get_mut(at) {
                *h = I::fma(u, zt, *h);
            }
            left += c.abs();
        }
        left != F::ZERO
    }
}

/// A row of one source as it stands, and what it waits for.
#[derive(Clone, Copy)]
pub(crate) struct FoldedRow<'a, F> {
    pub(crate) targets: &'a [u32],
    pub(crate) pairs: &'a [[F; 2]],
    pub(crate) zt: F,
    /// What ended blocks do to it, with their `k` and what they leave of `zt`; `None` if it has not waited.
    pub(crate) waited: Option<(&'a [F], F, F)>,
    /// What the block under way does, `[S, T, x, U]` of each neuron.
    pub(crate) now: &'a [F],
}

kernel! {
    /// `A` and `C` of a source as they would be if it caught up with the block under way, too: with the operations of that.
    fn unfold_listed(row: FoldedRow<'_, F>, to_a: &mut [F], to_c: &mut [F]) {
        let FoldedRow { targets, pairs, zt, waited, now } = row;
        let (to_a, to_c) = (&mut to_a[..targets.len()], &mut to_c[..targets.len()]);
        let pairs = &pairs[..targets.len()];
        for (at, &j) in targets.iter().enumerate() {
            let q = LANES * j as usize;
            let [mut s, mut t, mut x, _]: [F; LANES] = core::array::from_fn(|lane| now[q + lane]);
            let mut k = F::ONE;
            if let Some((entry, k1, a1)) = waited {
                let [s1, t1, x1, _]: [F; LANES] = core::array::from_fn(|lane| entry[q + lane]);
                let (s2, t2, x2) = (s, t, x);
                s = I::fma(k1, s2, s1);
                t = I::fma(a1, t2, I::fma(x1, s2, t1));
                x = I::fma(a1, x2, x1);
                k = k1;
            }
            let [a, c] = pairs[at];
            to_a[at] = a - I::fma(s, c, t * zt);
            to_c[at] = I::fma(k, c, x * zt).or_silence();
        }
    }
}

kernel! {
    /// `first`, then `last`, as one, of every neuron: `S = S1 + k1 S2; T = T1 + x1 S2 + a1 T2; x = k2 x1 + a1 x2; U = U1 + a1 U2`, into the place of `first`.
    fn compose_listed(first: &[F], decays: (F, F), last: &[F], k2: F, to: &mut [F]) {
        let (k1, a1) = decays;
        let (first, last) = (&first[..to.len()], &last[..to.len()]);
        for q in (0..to.len()).step_by(LANES) {
            let (s1, t1, x1, u1) = (first[q], first[q + 1], first[q + 2], first[q + 3]);
            let (s2, t2, x2, u2) = (last[q], last[q + 1], last[q + 2], last[q + 3]);
            to[q] = I::fma(k1, s2, s1);
            to[q + 1] = I::fma(a1, t2, I::fma(x1, s2, t1));
            to[q + 2] = I::fma(a1, x2, k2 * x1);
            to[q + 3] = I::fma(a1, u2, u1);
        }
    }
}

kernel! {
    /// `I += sum_a - S sum_c - T sum_zt` of every neuron, where its sums lie side by side.
    fn current_of_listed(sums: &[F], s: &[F], t: &[F], current: &mut [F]) {
        let n = current.len();
        let (s, t, sums) = (&s[..n], &t[..n], &sums[..LANES * n]);
        for j in 0..n {
            let q = LANES * j;
            current[j] += sums[q] - I::fma(s[j], sums[q + 1], t[j] * sums[q + 2]);
        }
    }
}

kernel! {
    /// Puts factors side by side: `[X1, Y, U, 0]` of each neuron; `u` may be empty.
    fn interleave(x1: &[F], y: &[F], u: &[F], to: &mut [F]) {
        let n = x1.len();
        let (y, to) = (&y[..n], &mut to[..LANES * n]);
        for j in 0..n {
            to[LANES * j] = x1[j];
            to[LANES * j + 1] = y[j];
        }
        for (j, &u) in u.iter().enumerate() {
            to[LANES * j + 2] = u;
        }
    }
}

/// The sums over the sources of every neuron of a set, `sum_i e^2`, `sum_i e zt` and `sum_i zt^2`, with `e = C + X1 zt`.
pub(crate) struct ListedSquares<'a> {
    pub(crate) ee: &'a mut [f64],
    pub(crate) ez: &'a mut [f64],
    pub(crate) zz: &'a mut [f64],
}

kernel! {
    /// A step of these sums: spikes, whose `a` is `up` times their value, leave e what it is, `EZ += sC + X1 az; ZZ += 2 az + aa`. Then `X1` grows by `x = grow psi`: `EE += 2 x EZ + x^2 ZZ; EZ += x ZZ`.
    /// `sums`: `[-, s C, s zt, s s]` of each neuron; empty where nothing was active. Returns `sum_j L_j^2 EE_j`.
    fn step_listed_lengths(up: f64, grow: f64, sums: &[F], psi: &[F], x1: &[F], l: &[F], to: ListedSquares<'_>) -> f64 {
        let ListedSquares { ee, ez, zz } = to;
        let n = ee.len();
        assert!(n % UNIT == 0 && ez.len() == n && zz.len() == n && psi.len() == n && x1.len() == n && l.len() == n);
        assert!(sums.is_empty() || sums.len() == LANES * n);
        let mut lengths = [0.0; UNIT];
        for from in (0..n).step_by(UNIT) {
            // SAFETY: every slice is n long, a multiple of UNIT, and the sums LANES times as long. Copies, so that the compiler need not think of one slice as part of another.
            unsafe {
                let (mut e, mut z, mut s) = (*cut::<f64, UNIT>(ee, from), *cut::<f64, UNIT>(ez, from), *cut::<f64, UNIT>(zz, from));
                let (psi, x1, l) = (*cut::<F, UNIT>(psi, from), *cut::<F, UNIT>(x1, from), *cut::<F, UNIT>(l, from));
                if !sums.is_empty() {
                    for lane in 0..UNIT {
                        let [_, sc, sz, ss] = *cut::<F, LANES>(sums, LANES * (from + lane));
                        let (sc, az) = (up * sc.to_f64(), up * sz.to_f64());
                        z[lane] += sc + x1[lane].to_f64() * az;
                        s[lane] += 2.0 * az + up * up * ss.to_f64();
                    }
                }
                for lane in 0..UNIT {
                    let x = grow * psi[lane].to_f64();
                    e[lane] += x * (2.0 * z[lane] + x * s[lane]);
                    z[lane] += x * s[lane];
                    lengths[lane] += l[lane].to_f64() * l[lane].to_f64() * e[lane];
                }
                *cut_mut(ee, from) = e;
                *cut_mut(ez, from) = z;
                *cut_mut(zz, from) = s;
            }
        }
        total(lengths)
    }
}
