//! A trainable matrix: its rows, the gradient that waits for the next update, and what the optimizer keeps for each weight.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use super::aligned::Aligned;
use super::gradient::{Late, PIECE, sum_up, take_in};
use super::pairs::Pairs;
use super::parallel;
use super::room::Room;
use super::shared::{AROUND, Shared};
use super::signs::{Signs, keep_signs};
use super::slice::{Every, EveryMut};
use super::step::{Neurons, Split, Step};
use super::walk::{Role, Walk, WalkMut, Walked, first, parts, walk_used, walk_used_mut};
use super::wires::Wires;
use crate::kernels;
use crate::{Error, Float};

/// What a parameter has to keep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keeps {
    /// A gradient that waits.
    pub(crate) pending: bool,
    /// Numbers of the optimizer per weight: none, one or two.
    pub(crate) moments: usize,
}

/// Rows that several streams may read, and one changes.
#[derive(Debug)]
pub struct Parameter<F> {
    pub(crate) rows: Shared<F>,
    /// As long as the rows; empty where nothing waits, or where it waits elsewhere.
    pub(crate) pending: Aligned<F>,
    /// Of synapses in factors that are listed, two numbers of each, of which a spike changes both: the weight, which is not in `rows` then, or the gradient that waits,
    /// which is not in `pending`; and one that is the form's. Empty elsewhere.
    pub(crate) pairs: Pairs<F>,
    has_weights_in_pairs: bool,
    /// Whether the gradient that waits is anything but 0.
    pub(crate) waits: bool,
    /// Of a row.
    width: usize,
    m: Aligned<F>,
    v: Aligned<F>,
    /// Dale's law: a sign for each row, or for each source of synapses that are listed; a row may be of any.
    signs: Option<Arc<[i8]>>,
    /// Whose synapses the numbers are, where rows are lists.
    wires: Option<Arc<Wires>>,
}

// A gradient of 0 is not saved.
parts!(Parameter {
    Mark: [waits],
    Weight: [rows[walk_rows, walk_rows_mut]],
    State: [pending[walk_pending, walk_pending_mut], m, v],
});

impl<F: Float> Parameter<F> {
    /// Zeros. The rows of `first`, if there is one, are read by this stream too, which then keeps no moments.
    pub(crate) fn new(
        room: &mut Room,
        (rows, width): (usize, usize),
        keeps: Keeps,
        first: Option<&Shared<F>>,
    ) -> Result<Self, Error> {
        let mut where_needed = |needed: bool| room.zeros(if needed { rows } else { 0 }, width);
        let keeps_moment = |number: usize| number <= keeps.moments && first.is_none();
        Ok(Self {
            pending: where_needed(keeps.pending)?,
            pairs: Pairs::default(),
            has_weights_in_pairs: false,
            waits: false,
            width,
            m: where_needed(keeps_moment(1))?,
            v: where_needed(keeps_moment(2))?,
            rows: match first {
                Some(first) => first.share(),
                None => room.shared(rows, width)?,
            },
            signs: None,
            wires: None,
        })
    }

    /// Of synapses in factors that are listed: weights that take every step lie in the pairs, and so does the gradient of those that rest. `first`: rows that another stream
    /// reads, too.
    pub(crate) fn paired(
        room: &mut Room,
        synapses: usize,
        (takes_every_step, moments): (bool, usize),
        first: Option<&Shared<F>>,
    ) -> Result<Self, Error> {
        let keeps = Keeps {
            pending: false,
            moments,
        };
        let rows = if takes_every_step { 0 } else { synapses };
        Ok(Self {
            pairs: Pairs::zeros(room, synapses)?,
            has_weights_in_pairs: takes_every_step,
            ..Self::new(room, (1, rows), keeps, first)?
        })
    }

    fn has_gradient_in_pairs(&self) -> bool {
        !self.has_weights_in_pairs && !self.pairs.is_empty()
    }

    fn walk_rows<'a>(&'a self, name: &'static str, role: Role, to: &mut dyn Walk<'a>) {
        match self.has_weights_in_pairs {
            false => self.rows.walk(name, role, to),
            true => {
                // And what lies around rows, of which there are none.
                let place = (0, self.pairs.len(), self.pairs.heap() + AROUND);
                self.pairs.walk_every(place, name, role, to);
            }
        }
    }

    fn walk_rows_mut(
        &mut self,
        name: &'static str,
        role: Role,
        to: &mut dyn WalkMut,
    ) -> Result<(), Error> {
        match self.has_weights_in_pairs {
            false => self.rows.walk_mut(name, role, to),
            true => self
                .pairs
                .walk_every_mut((0, self.pairs.len()), name, role, to),
        }
    }

    fn walk_pending<'a>(&'a self, name: &'static str, role: Role, to: &mut dyn Walk<'a>) {
        match self.has_gradient_in_pairs() {
            false => walk_used(&self.pending, &first(self.saved()), name, role, to),
            true => {
                let place = (0, self.saved(), self.pairs.heap());
                self.pairs.walk_every(place, name, role, to);
            }
        }
    }

    fn walk_pending_mut(
        &mut self,
        name: &'static str,
        role: Role,
        to: &mut dyn WalkMut,
    ) -> Result<(), Error> {
        let saved = self.saved();
        match self.has_gradient_in_pairs() {
            false => walk_used_mut(&mut self.pending, &first(saved), name, role, to),
            true => self.pairs.walk_every_mut((0, saved), name, role, to),
        }
    }

    /// How many numbers of the gradient are saved.
    fn saved(&self) -> usize {
        if self.waits { self.gradient().len() } else { 0 }
    }

    /// The gradient that waits.
    pub(crate) fn gradient(&self) -> Every<'_, F> {
        match self.has_gradient_in_pairs() {
            true => self.pairs.every(0),
            false => self.pending[..].into(),
        }
    }

    /// The weights.
    pub(crate) fn weights(&self) -> Every<'_, F> {
        match self.has_weights_in_pairs {
            true => self.pairs.every(0),
            false => self.rows[..].into(),
        }
    }

    pub(crate) fn weights_mut(&mut self) -> EveryMut<'_, F> {
        match self.has_weights_in_pairs {
            true => self.pairs.every_mut(0),
            false => (&mut self.rows[..]).into(),
        }
    }

    /// With a sign for each row that weights keep after every step: 1, -1, or 0 for either.
    pub(crate) fn signed(self, signs: Option<&Arc<[i8]>>) -> Self {
        Self {
            signs: signs.cloned(),
            ..self
        }
    }

    /// Of a list of synapses, with a sign for each source.
    pub(crate) fn listed(self, signs: Option<&Arc<[i8]>>, wires: &Arc<Wires>) -> Self {
        Self {
            wires: Some(Arc::clone(wires)),
            ..self.signed(signs)
        }
    }

    /// The same synapses as of another list with as many.
    pub(crate) fn take_wires(&mut self, wires: &Arc<Wires>) {
        if let Some(listed) = &mut self.wires {
            *listed = Arc::clone(wires);
        }
    }

    /// Which neurons its numbers are of.
    pub(crate) fn neurons(&self) -> Neurons<'_> {
        neurons(self.width, self.wires.as_deref())
    }

    /// All that there is of each weight: the weight, the gradient that waits, and the moments; empty where there is none.
    pub(crate) fn all_mut(&mut self) -> [&mut [F]; 4] {
        [&mut self.rows, &mut self.pending, &mut self.m, &mut self.v]
    }

    /// Applies the gradient that waits, which starts again from 0. Returns whether the weights are finite.
    pub(crate) fn update<'s>(&mut self, steps: impl Into<Split<'s, F>>) -> bool {
        self.update_with(steps, Late::none())
    }

    /// As [`update`](Self::update), and the gradient takes in what comes late.
    ///
    /// Not interruptible, so it is one pass over memory: all that is done to a piece is done while the piece is in the cache.
    pub(crate) fn update_with<'s>(
        &mut self,
        steps: impl Into<Split<'s, F>>,
        late: Late<'_, F>,
    ) -> bool {
        let steps = steps.into();
        let Late { sum, by } = late;
        let finite = AtomicBool::new(true);
        let (neurons, signs) = (
            neurons(self.width, self.wires.as_deref()),
            Signs::of(&self.signs, self.width, &self.wires),
        );
        let gradient = pieces(&mut self.pending).zip(pieces(sum));
        let moments = pieces(&mut self.m).zip(pieces(&mut self.v));
        let pairs = pieces(&mut self.pairs);
        let all = self.rows.chunks_mut(PIECE).enumerate().zip(pairs);
        let all = all.zip(gradient.zip(moments));
        parallel::each(all, |(((at, w), pairs), ((g, sum), (m, v)))| {
            let at = at * PIECE;
            let mut apply = |g: &mut [F]| {
                if !sum.is_empty() {
                    take_in(by.map(|r| (r, neurons)), at, sum, g);
                    sum.fill(F::ZERO);
                }
                steps.take((at, neurons), w, g, m, v);
                keep_signs(signs, at, w);
                g.fill(F::ZERO);
                if !kernels::all_finite(w) {
                    finite.store(false, Ordering::Relaxed);
                }
            };
            match pairs.is_empty() {
                true => apply(g),
                false => with_firsts(pairs, apply),
            }
        });
        self.waits = false;
        finite.load(Ordering::Relaxed)
    }

    /// The gradient that waits starts again from 0.
    pub(crate) fn drop_gradient(&mut self) {
        if self.waits {
            self.pending.fill(F::ZERO);
            self.waits = false;
        }
    }

    /// No gradient waits, and of the form's numbers nothing is left.
    pub(crate) fn clear_pairs(&mut self) {
        self.pairs.clear();
        self.waits = false;
    }

    /// Adds the gradient that waits in pairs, with what comes late, to a sum. Both start again from 0.
    pub(crate) fn add_pairs(&mut self, late: Late<'_, F>, to: &mut [F]) {
        let Late { sum, by } = late;
        let by = by.map(|r| (r, neurons(self.width, self.wires.as_deref())));
        let all = pieces(&mut self.pairs).zip(pieces(sum));
        for ((at, to), (pairs, sum)) in to.chunks_mut(PIECE).enumerate().zip(all) {
            with_firsts(pairs, |g| {
                if !sum.is_empty() {
                    take_in(by, at * PIECE, sum, g);
                    sum.fill(F::ZERO);
                }
                kernels::add_row(F::ONE, g, to);
                g.fill(F::ZERO);
            });
        }
        self.waits = false;
    }

    /// What was collected waits again: of a stream whose own gradient is 0. `sum` is worth nothing after it.
    pub(crate) fn take_back(&mut self, sum: &mut Aligned<F>) {
        match self.has_gradient_in_pairs() {
            true => self.take_back_pairs(sum),
            false => core::mem::swap(&mut self.pending, sum),
        }
        self.waits = true;
    }

    fn take_back_pairs(&mut self, sum: &[F]) {
        self.pairs.every_mut(0).copy(sum.into());
    }

    /// The same of a sum with the regulariser's part behind that of the loss. `of_stream`: the stream's own sum of that part, if it has one.
    pub(crate) fn take_back_parts(&mut self, sum: &mut [F], of_stream: Option<&mut [F]>) {
        let (of_loss, of_regulariser) = sum.split_at_mut(self.gradient().len());
        match of_stream {
            Some(part) => part.copy_from_slice(of_regulariser),
            // Its coefficients are in it already: from now on it counts as part of the loss's gradient.
            None => kernels::add_row(F::ONE, of_regulariser, of_loss),
        }
        match self.has_gradient_in_pairs() {
            true => self.take_back_pairs(of_loss),
            false => self.pending.copy_from_slice(of_loss),
        }
        self.waits = true;
    }

    /// Takes a step for the weights `from..from + g.len()`.
    pub(crate) fn take(&mut self, step: Step<'_, F>, from: usize, g: &[F]) {
        let part = from..from + g.len();
        let of = |moment: &Aligned<F>| match moment.is_empty() {
            true => 0..0,
            false => part.clone(),
        };
        let (of_m, of_v) = (of(&self.m), of(&self.v));
        let (m, v) = (&mut self.m[of_m], &mut self.v[of_v]);
        let (neurons, signs) = (
            neurons(self.width, self.wires.as_deref()),
            Signs::of(&self.signs, self.width, &self.wires),
        );
        if self.has_weights_in_pairs {
            let pieces = self.pairs[part].chunks_mut(PIECE).zip(g.chunks(PIECE));
            for (at, (pairs, g)) in (from..).step_by(PIECE).zip(pieces) {
                with_firsts(pairs, |w| {
                    // Such weights have no moments.
                    step.take((at, neurons), w, g, &mut [], &mut []);
                    keep_signs(signs, at, w);
                });
            }
            return;
        }
        let w = &mut self.rows[part];
        step.take((from, neurons), w, g, m, v);
        keep_signs(signs, from, w);
    }

    /// Takes a step with the sum of some gradients, each as long as the rows. Returns whether the weights are finite.
    ///
    /// Threads take pieces of the weights, so no bit depends on how many there are.
    pub(crate) fn descend<'s>(
        &mut self,
        steps: impl Into<Split<'s, F>>,
        gradients: &[Vec<&[F]>],
        threads: usize,
    ) -> bool {
        let steps = steps.into();
        let (neurons, signs) = (
            neurons(self.width, self.wires.as_deref()),
            Signs::of(&self.signs, self.width, &self.wires),
        );
        let finite = AtomicBool::new(true);
        let moments = pieces(&mut self.m).zip(pieces(&mut self.v));
        let pieces = self.rows.chunks_mut(PIECE).enumerate().zip(moments);
        parallel::run(threads, pieces.collect(), |((at, w), (m, v))| {
            let w: &mut [F] = w;
            let mut sum = [F::ZERO; PIECE];
            let sum = &mut sum[..w.len()];
            sum_up(gradients, at * PIECE, sum);
            steps.take((at * PIECE, neurons), w, sum, m, v);
            keep_signs(signs, at * PIECE, w);
            if !kernels::all_finite(w) {
                finite.store(false, Ordering::Relaxed);
            }
        });
        finite.load(Ordering::Relaxed)
    }
}

fn neurons(width: usize, wires: Option<&Wires>) -> Neurons<'_> {
    match wires {
        None => Neurons::Rows(width),
        Some(wires) => Neurons::Listed(wires.all_targets()),
    }
}

/// Pieces of a buffer, or nothing again and again where it is empty.
fn pieces<T>(numbers: &mut [T]) -> impl Iterator<Item = &mut [T]> {
    numbers
        .chunks_mut(PIECE)
        .chain(core::iter::repeat_with(|| &mut [][..]))
}

/// Changes the first numbers of a piece of pairs, as numbers in a row.
fn with_firsts<F: Float>(pairs: &mut [[F; 2]], change: impl FnOnce(&mut [F])) {
    let mut firsts = [F::ZERO; PIECE];
    let firsts = &mut firsts[..pairs.len()];
    for (to, [x, _]) in firsts.iter_mut().zip(&*pairs) {
        *to = *x;
    }
    change(firsts);
    for ([to, _], x) in pairs.iter_mut().zip(firsts) {
        *to = *x;
    }
}

#[cfg(test)]
mod tests;
