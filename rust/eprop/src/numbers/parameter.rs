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
    /// Nobody can stop it in the middle, so it is one pass over memory: all that is done to a piece is done while the piece is in the cache.
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
mod tests {
    use alloc::{vec, vec::Vec};

    use super::{Keeps, Late, PIECE, Parameter, Split, Step, sum_up};
    use crate::Float;
    use crate::kernels::{self, AdamStep, MomentumStep, ShrinkStep};
    use crate::numbers::gradient::squared_length;
    use crate::numbers::plain;
    use crate::numbers::walk;
    use crate::testing::{Noise, aligned, doubles, in_both, made, near, same_bits, unasked};

    const BOTH: Keeps = Keeps {
        pending: true,
        moments: 2,
    };

    fn parameter<F: Float>(rows: usize, width: usize, keeps: Keeps) -> Parameter<F> {
        let mut parameter = made(|room| Parameter::new(room, (rows, width), keeps, None));
        parameter
            .rows
            .copy_from_slice(&Noise(1).numbers::<F>(rows * width));
        parameter
    }

    in_both! {
        fn a_step_that_is_scaled_takes_the_scale_of_each_column_wherever_it_begins<F>() {
            // Rows that no piece ends with, of which the last two numbers are padding; and a boundary between groups.
            let (rows, width) = (PIECE / 8, 24);
            let keeps = Keeps { pending: true, moments: 0 };
            let by = [3, 5].map(|seed| Noise(seed).numbers::<f64>(width - 2));
            let step = ShrinkStep { eta: F::cast(0.5), shrink: F::cast(0.25), bound: F::cast(f64::INFINITY) };
            let [before, from] = by.each_ref().map(|by| Step::Scaled { step, by });
            let split = || Split { cut: 7 * width, before, from };
            let mut g = Noise(2).numbers::<F>(rows * width);
            let mut w = parameter::<F>(rows, width, keeps);
            let mut expected = doubles(&w.rows);
            for (at, w) in expected.iter_mut().enumerate() {
                match by[usize::from(at >= 7 * width)].get(at % width) {
                    Some(d) => *w -= d * (0.5 * g[at].to_f64() + 0.25 * *w),
                    None => g[at] = F::ZERO,
                }
            }
            w.pending.copy_from_slice(&g);
            assert!(w.update(split()));
            near("update", &w.rows, &expected);
            let mut w = parameter::<F>(rows, width, keeps);
            assert!(w.descend(split(), &[vec![&g[..]]], 1));
            near("descend", &w.rows, &expected);
            let mut w = parameter::<F>(rows, width, keeps);
            w.take(before, 0, &g[..7 * width]);
            w.take(from, 7 * width, &g[7 * width..]);
            near("take", &w.rows, &expected);
            let Step::Shrink(third) = before.of_neuron(3) else { panic!("of one neuron it is a number") };
            near("of a neuron", &[third.eta, third.shrink], &[0.5 * by[0][3], 0.25 * by[0][3]]);
        }
    }

    /// Adam as it is written, one weight: the moments, and the weight.
    struct Literal {
        t: i32,
        m: Vec<f64>,
        v: Vec<f64>,
        w: Vec<f64>,
    }

    const LR: f64 = 0.01;
    const BETA1: f64 = 0.875;
    const BETA2: f64 = 0.984375;
    const EPS: f64 = 0.0625;

    impl Literal {
        fn new(w: Vec<f64>) -> Self {
            Self {
                t: 0,
                m: w.iter().map(|_| 0.0).collect(),
                v: w.iter().map(|_| 0.0).collect(),
                w,
            }
        }

        fn step(&mut self, g: &[f64]) {
            self.t += 1;
            for (j, g) in g.iter().enumerate() {
                self.m[j] = BETA1 * self.m[j] + (1.0 - BETA1) * g;
                self.v[j] = BETA2 * self.v[j] + (1.0 - BETA2) * g * g;
                let unbias = libm::sqrt(1.0 - libm::pow(BETA2, self.t.into()))
                    / (1.0 - libm::pow(BETA1, self.t.into()));
                self.w[j] -= LR * unbias * self.m[j] / (libm::sqrt(self.v[j]) + EPS);
            }
        }
    }

    fn adam<F: Float>(t: i32, scale: f64) -> Step<'static, F> {
        let unbias =
            libm::sqrt(1.0 - libm::pow(BETA2, t.into())) / (1.0 - libm::pow(BETA1, t.into()));
        Step::Adam(AdamStep {
            beta1: F::cast(BETA1),
            gain1: F::cast(1.0 - BETA1),
            beta2: F::cast(BETA2),
            gain2: F::cast(1.0 - BETA2),
            eps: F::cast(EPS),
            eta: F::cast(LR * unbias),
            decay: F::ZERO,
            shrink: F::ZERO,
            scale: F::cast(scale),
            bound: F::cast(f64::INFINITY),
        })
    }

    in_both! {
        fn an_update_descends_and_the_gradient_starts_again<F>() {
            let mut w = parameter::<F>(2, 16, Keeps { pending: true, moments: 0 });
            let (before, g) = (doubles(&w.rows), Noise(2).numbers::<F>(32));
            w.pending.copy_from_slice(&g);
            w.waits = true;
            w.update(Step::Descend { eta: F::cast(0.25) });
            let expected: Vec<_> = before.iter().zip(&g).map(|(w, g)| w - 0.25 * g.to_f64()).collect();
            near("w", &w.rows, &expected);
            assert!(!w.waits && w.pending.iter().all(|&g| g == F::ZERO));
        }
    }

    in_both! {
        fn updates_of_adam_are_its_three_lines<F>() {
            let mut w = parameter::<F>(2, 16, BOTH);
            let mut literal = Literal::new(doubles(&w.rows));
            let mut noise = Noise(3);
            for t in 1..=5 {
                let g = noise.numbers::<F>(32);
                // A gradient that is half of what it will be when it is scaled.
                w.pending.iter_mut().zip(&g).for_each(|(to, &g)| *to = g * F::cast(0.5));
                w.waits = true;
                w.update(adam(t, 2.0));
                literal.step(&doubles(&g));
                near("w", &w.rows, &literal.w);
            }
        }
    }

    in_both! {
        fn weights_that_decay_descend_within_their_bound_and_biases_only_descend<F>() {
            let keeps = Keeps { pending: true, moments: 0 };
            let (mut w, mut b) = (parameter::<F>(2, 16, keeps), parameter::<F>(2, 16, keeps));
            let step = Step::Shrink(ShrinkStep { eta: F::cast(0.25), shrink: F::cast(0.125), bound: F::cast(0.5) });
            let (before, g) = (doubles(&w.rows), Noise(2).numbers::<F>(32));
            w.take(step, 0, &g);
            b.take(step.of_biases(), 0, &g);
            let pairs = || before.iter().zip(doubles(&g));
            near("w", &w.rows, &pairs().map(|(w, g)| (w - 0.25 * g - 0.125 * w).clamp(-0.5, 0.5)).collect::<Vec<_>>());
            near("b", &b.rows, &pairs().map(|(w, g)| w - 0.25 * g).collect::<Vec<_>>());
            assert!(step.linear().is_none() && step.of_biases().linear().is_some());
        }
    }

    in_both! {
        fn momentum_keeps_one_number_per_weight<F>() {
            let mut w = parameter::<F>(2, 16, Keeps { pending: true, moments: 1 });
            assert!(w.m.len() == 32 && w.v.is_empty());
            let step = Step::Momentum(MomentumStep {
                mu: F::cast(0.75),
                eta: F::cast(0.25),
                decay: F::cast(0.125),
                scale: F::cast(2.0),
                bound: F::cast(0.75),
            });
            let (mut expected, mut m) = (doubles(&w.rows), [0.0; 32]);
            let mut noise = Noise(3);
            for _ in 0..5 {
                let g = noise.numbers::<F>(32);
                w.pending.copy_from_slice(&g);
                w.waits = true;
                w.update(step);
                for (j, g) in doubles(&g).into_iter().enumerate() {
                    m[j] = 0.75 * m[j] + 2.0 * g + 0.125 * expected[j];
                    expected[j] = (expected[j] - 0.25 * m[j]).clamp(-0.75, 0.75);
                }
                near("w", &w.rows, &expected);
            }
        }
    }

    in_both! {
        fn a_step_for_some_weights_leaves_the_others_and_their_moments<F>() {
            let mut w = parameter::<F>(3, 16, BOTH);
            let before = doubles(&w.rows);
            let mut literal = Literal::new(before[16..32].to_vec());
            let mut noise = Noise(4);
            for t in 1..=3 {
                let g = noise.numbers::<F>(16);
                w.take(adam(t, 1.0), 16, &g);
                literal.step(&doubles(&g));
            }
            near("before", &w.rows[..16], &before[..16]);
            near("taken", &w.rows[16..32], &literal.w);
            near("behind", &w.rows[32..], &before[32..]);
            assert!(w.m[..16].iter().chain(&w.m[32..]).all(|&m| m == F::ZERO));
        }
    }

    in_both! {
        fn a_step_with_the_sum_of_gradients_is_the_same_at_any_number_of_threads<F>() {
            // Three pieces, the last of them short.
            let (rows, width) = (2 * PIECE / 16 + 5, 16);
            let mut noise = Noise(5);
            let gradients: [_; 3] = core::array::from_fn(|_| aligned(&noise.numbers::<F>(rows * width)));
            let all: Vec<&[F]> = gradients.iter().map(|g| &g[..]).collect();
            let kinds = [all[..2].to_vec(), all[2..].to_vec()];
            let mut one = parameter::<F>(rows, width, BOTH);
            let mut literal = Literal::new(doubles(&one.rows));
            let mut many = parameter::<F>(rows, width, BOTH);
            let sum: Vec<f64> = (0..rows * width).map(|j| all.iter().map(|g| g[j].to_f64()).sum()).collect();
            for t in 1..=2 {
                assert!(one.descend(adam(t, 1.0), &kinds, 1));
                assert!(many.descend(adam(t, 1.0), &kinds, 3));
                literal.step(&sum);
            }
            near("w", &one.rows, &literal.w);
            same_bits("w of threads", &many.rows, &one.rows);
        }
    }

    in_both! {
        fn no_bit_of_a_sum_tells_whether_a_kind_was_summed_up_before<F>() {
            let mut noise = Noise(7);
            let gradients: [_; 6] = core::array::from_fn(|_| noise.numbers::<F>(PIECE + 16));
            let [a, b, c, d, e, f] = gradients.each_ref().map(|g| &g[..]);
            let whole = |kinds: &[Vec<&[F]>]| {
                let mut sum = vec![F::ZERO; 20];
                sum_up(kinds, PIECE - 4, &mut sum);
                sum
            };
            let mut first = vec![F::ZERO; PIECE + 16];
            for g in [a, b, c] { kernels::add_row(F::ONE, g, &mut first); }
            let mut last = vec![F::ZERO; PIECE + 16];
            for g in [d, e, f] { kernels::add_row(F::ONE, g, &mut last); }
            let expected = whole(&[vec![a, b, c], vec![d, e, f]]);
            same_bits("summed up", &whole(&[vec![&first], vec![&last]]), &expected);
            let literal: Vec<f64> = (PIECE - 4..PIECE + 16).map(|j| gradients.iter().map(|g| g[j].to_f64()).sum()).collect();
            near("the sum", &expected, &literal);
        }
    }

    in_both! {
        fn a_weight_that_becomes_infinite_in_any_piece_is_told<F>() {
            let mut noise = Noise(6);
            for at in [0, PIECE - 1, PIECE, PIECE + 15] {
                let mut w = parameter::<F>(PIECE / 16 + 1, 16, Keeps { pending: false, moments: 0 });
                let mut g = noise.numbers::<F>(PIECE + 16);
                g[at] = F::cast(f64::INFINITY);
                assert!(!w.descend(Step::Descend { eta: F::ONE }, &[vec![&g[..]]], 1));
            }
        }
    }

    /// Synapses in pairs, whose second numbers nothing here may change.
    fn paired<F: Float>(takes_every_step: bool, firsts: &[F]) -> Parameter<F> {
        let n = firsts.len();
        let keeps = (takes_every_step, 0);
        let mut parameter = made(|room| Parameter::paired(room, n, keeps, None));
        for (at, pair) in parameter.pairs.iter_mut().enumerate() {
            *pair = [firsts[at], F::cast(at as f64)];
        }
        parameter
    }

    fn hold_firsts<F: Float>(what: &str, parameter: &Parameter<F>, expected: &[F]) {
        let firsts: Vec<F> = parameter.pairs.iter().map(|pair| pair[0]).collect();
        same_bits(what, &firsts, expected);
        let seconds = parameter.pairs.iter().map(|pair| pair[1]);
        assert!(
            (0..)
                .map(|at| F::cast(f64::from(at)))
                .zip(seconds)
                .all(|(expected, x)| x == expected)
        );
    }

    in_both! {
        fn weights_in_pairs_take_the_steps_of_rows<F>() {
            let n = 2 * PIECE + 5;
            let mut rows = parameter::<F>(1, n, Keeps { pending: false, moments: 0 });
            let mut pairs = paired(true, &rows.rows);
            let g = Noise(2).numbers::<F>(n - 3);
            let step = ShrinkStep { eta: F::cast(0.25), shrink: F::cast(0.125), bound: F::cast(0.5) };
            for weights in [&mut rows, &mut pairs] {
                weights.take(Step::Shrink(step), 3, &g);
            }
            hold_firsts("w", &pairs, &rows.rows);
        }
    }

    in_both! {
        fn a_gradient_in_pairs_is_that_of_rows<F>() {
            let n = 2 * PIECE + 5;
            let mut rows = parameter::<F>(1, n, Keeps { pending: true, moments: 0 });
            let g = Noise(2).numbers::<F>(n);
            let (late, of_neurons) = (aligned(&Noise(3).numbers::<F>(n)), Noise(4).numbers::<F>(n));
            let by = Some(&of_neurons[..]);
            let mut pairs = paired(false, &g);
            pairs.rows.copy_from_slice(&rows.rows);
            rows.pending.copy_from_slice(&g);
            let length = |parameter: &Parameter<F>, late| squared_length(parameter.gradient(), late, &mut unasked()).unwrap();
            for late in [None, Some((&late[..], by.map(|r| (r, rows.neurons()))))] {
                assert_eq!(length(&pairs, late), length(&rows, late));
            }
            // Collected, taken back, and applied.
            let mut sum = aligned(&vec![F::ZERO; n]);
            pairs.add_pairs(Late { sum: &mut late.clone(), by }, &mut sum);
            hold_firsts("none", &pairs, &vec![F::ZERO; n]);
            let expected = |at: usize| g[at].to_f64() + of_neurons[at].to_f64() * late[at].to_f64();
            near("collected", &sum, &(0..n).map(expected).collect::<Vec<_>>());
            pairs.take_back(&mut aligned(&g));
            assert!(pairs.waits);
            for weights in [&mut rows, &mut pairs] {
                weights.update_with(Step::Descend { eta: F::cast(0.25) }, Late { sum: &mut late.clone(), by });
            }
            same_bits("w", &pairs.rows, &rows.rows);
            hold_firsts("applied", &pairs, &vec![F::ZERO; n]);
        }
    }

    in_both! {
        fn another_stream_reads_the_rows_and_keeps_no_moments<F>() {
            let first = parameter::<F>(2, 16, BOTH);
            let other = made(|room| Parameter::<F>::new(room, (2, 16), BOTH, Some(&first.rows)));
            assert_eq!(other.rows.as_ptr(), first.rows.as_ptr());
            assert!(other.m.is_empty() && other.v.is_empty());
            assert_eq!(other.pending.len(), 32);
        }
    }

    in_both! {
        fn a_gradient_that_waits_is_saved_and_none_is_not<F>() {
            let mut w = parameter::<F>(2, 16, Keeps { pending: true, moments: 0 });
            let of_none = plain::save(&w).unwrap();
            w.pending[3] = F::ONE;
            w.waits = true;
            let of_one = plain::save(&w).unwrap();
            assert_eq!(of_one.len() - of_none.len(), 32 * size_of::<F>());
            let mut twin = parameter::<F>(2, 16, Keeps { pending: true, moments: 0 });
            plain::load(&mut twin, &of_one).unwrap();
            assert!(twin.waits && walk::same(&w, &twin));
            w.drop_gradient();
            assert_eq!(plain::save(&w).unwrap(), of_none);
        }
    }
}
