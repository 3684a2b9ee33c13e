//! DEEP R: at an update, synapses whose weight crosses 0 are pruned, and as many others, drawn at random, take their place (Bellec et al. 2018).
//!
//! The random numbers are those of the seed and of the count of rounds, in one order: for each matrix the noise of its synapses, the places of new synapses, and
//! their signs.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use super::recurrent::group;
use crate::numbers::draws::Draws;
use crate::numbers::memory::vec_for;
use crate::numbers::room::Room;
use crate::numbers::slice::Number;
use crate::numbers::walk::{Leaf, Role, Walk, WalkMut, Walked};
use crate::numbers::wires::Wires;
use crate::options::plan::{Plan, moving};
use crate::options::{Config, Rewire};
use crate::parts::optimizer::Optimizer;
use crate::synapses::{Form, Moved};
use crate::{Error, Float};

/// What is kept of the synapses that move, beside their weights.
#[derive(Debug)]
pub(crate) struct Rewiring<F> {
    rewire: Rewire,
    seed: u64,
    /// Whether those from inputs move, and those between neurons.
    moves: [bool; 2],
    wires: Arc<Wires>,
    /// Dale's law.
    signs: Option<Arc<[i8]>>,
    /// Whether a synapse is negative, which a weight of 0 does not say.
    negative: Vec<bool>,
    /// How often synapses could move.
    rounds: u64,
    draft: Option<Draft<F>>,
}

/// Memory for a round, which is taken before weights change.
#[derive(Debug)]
struct Draft<F> {
    kept: Vec<bool>,
    wires: Wires,
    negative: Vec<bool>,
    ranks: Vec<u64>,
    /// For the numbers of synapses that are listed.
    numbers: Vec<F>,
}

impl<F: Float> Rewiring<F> {
    /// Of a network whose synapses move.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub(crate) fn new(
        room: &mut Room,
        plan: &Plan,
        config: &Config,
    ) -> Result<Option<Self>, Error> {
        let (Some(rewire), Some(wires)) = (config.rewire, &plan.wires) else {
            return Ok(None);
        };
        let mut this = Self {
            rewire,
            seed: config.seed,
            moves: moving(config),
            wires: Arc::clone(wires),
            signs: plan.signs.clone(),
            negative: room.vec(false, wires.len())?,
            rounds: 0,
            draft: None,
        };
        let mut draws = Draws::of(this.seed, 0);
        if !this.negative.is_empty() {
            for source in 0..wires.n_inputs() + wires.n_neurons() {
                for synapse in wires.row(source) {
                    this.negative[synapse] = this.is_negative(source, &mut draws);
                }
            }
        }
        Ok(Some(this))
    }

    /// The synapses that exist.
    pub(crate) fn wires(&self) -> &Arc<Wires> {
        &self.wires
    }

    /// The sign of a new synapse: that of its source, or one that is drawn.
    fn is_negative(&self, source: usize, draws: &mut Draws) -> bool {
        match self.signs.as_ref().map_or(0, |signs| signs[source]) {
            0 => draws.is_heads(),
            sign => sign < 0,
        }
    }

    fn sources(&self, matrix: usize) -> Range<usize> {
        let (n_inputs, n) = (self.wires.n_inputs(), self.wires.n_neurons());
        match matrix {
            group::IN => 0..n_inputs,
            _ => n_inputs..n_inputs + n,
        }
    }

    /// Before an update: notes the signs of the weights as they are, and takes memory for what comes of it.
    ///
    /// # Errors
    /// [`Error::TooLarge`], and then nothing has changed.
    pub(crate) fn prepare(&mut self, synapses: &mut Form<F>) -> Result<(), Error> {
        let len = self.wires.len();
        let what = "the synapses that move";
        if self.draft.is_none() {
            self.draft = Some(Draft {
                kept: vec_for(what, len)?,
                wires: self.wires.room_for_as_many()?,
                negative: vec_for(what, len)?,
                ranks: vec_for(what, len)?,
                numbers: vec_for(what, if synapses.is_listed() { len } else { 0 })?,
            });
        }
        let (negative, wires) = (&mut self.negative, &self.wires);
        synapses.each_weight(
            wires,
            0..wires.n_inputs() + wires.n_neurons(),
            |synapse, w| {
                if *w != F::ZERO {
                    negative[synapse] = *w < F::ZERO;
                }
            },
        );
        Ok(())
    }

    /// After an update: prunes, and lists the synapses that there are from now on, if any has moved.
    pub(crate) fn round(
        &mut self,
        synapses: &mut Form<F>,
        optimizer: &Optimizer,
    ) -> Option<Round<F>> {
        let mut draft = self.draft.take()?;
        // Counted before: the numbers of 0 are those of the first signs.
        self.rounds = self.rounds.saturating_add(1);
        let mut draws = Draws::of(self.seed, self.rounds);
        draft.kept.resize(self.wires.len(), true);
        let moves = |matrix: usize| self.moves[matrix] && !optimizer.is_fixed(matrix);
        let mut prune = |matrix, kept: &mut [bool], draws: &mut Draws| match moves(matrix) {
            true => self.prune(matrix, synapses, optimizer, draws, kept),
            false => 0,
        };
        // Lists are made anew only where a synapse moves; what is not pruned draws nothing.
        let of_inputs = prune(group::IN, &mut draft.kept, &mut draws);
        if of_inputs > 0 {
            self.grow(group::IN, of_inputs, &mut draws, &mut draft);
        }
        let of_neurons = prune(group::REC, &mut draft.kept, &mut draws);
        if of_inputs + of_neurons == 0 {
            return None;
        }
        if of_inputs == 0 {
            self.grow(group::IN, 0, &mut draws, &mut draft);
        }
        self.grow(group::REC, of_neurons, &mut draws, &mut draft);
        let was = core::mem::replace(&mut self.wires, Arc::new(draft.wires));
        self.negative = draft.negative;
        Some(Round {
            was,
            wires: Arc::clone(&self.wires),
            kept: draft.kept,
            numbers: draft.numbers,
        })
    }

    /// Draws the weights of a matrix to 0, adds noise, and marks those that have crossed 0. Returns how many.
    fn prune(
        &self,
        matrix: usize,
        synapses: &mut Form<F>,
        optimizer: &Optimizer,
        draws: &mut Draws,
        kept: &mut [bool],
    ) -> usize {
        let Rewire { l1, temperature } = self.rewire;
        let eta = optimizer.eta(matrix);
        let (drift, noise) = (eta * l1, libm::sqrt(2.0 * eta * temperature));
        let (moves, bound) = (drift != 0.0 || temperature != 0.0, optimizer.w_max());
        let mut n_pruned = 0;
        synapses.each_weight(&self.wires, self.sources(matrix), |synapse, w| {
            let sign = if self.negative[synapse] { -1.0 } else { 1.0 };
            let mut theta = sign * w.to_f64();
            if moves {
                if temperature != 0.0 {
                    theta += noise * draws.gaussian();
                }
                theta = (theta - drift).min(bound);
                *w = F::cast(sign * theta);
            }
            if theta < 0.0 {
                kept[synapse] = false;
                n_pruned += 1;
            }
        });
        n_pruned
    }

    /// Lists the synapses of a matrix that are left, and as many new ones as were pruned.
    fn grow(&self, matrix: usize, n_new: usize, draws: &mut Draws, draft: &mut Draft<F>) {
        let Draft {
            kept,
            wires,
            negative,
            ranks,
            numbers: _,
        } = draft;
        let (sources, targets) = (self.sources(matrix), self.wires.all_targets());
        let is_own = |source: usize| source.checked_sub(self.wires.n_inputs());
        // No neuron reaches itself.
        let places = self.wires.n_neurons() - usize::from(is_own(sources.start).is_some());
        let left = self.wires.count(sources.clone()) - n_new;
        let absent = (sources.len() as u64) * (places as u64) - left as u64;
        let new = Distinct::drawn(draws, n_new as u64, absent, ranks);
        let mut new = new.peekable();
        let mut lists = Lists { wires, negative };
        let mut before = 0;
        for source in sources {
            let there = self.wires.row(source);
            let left = there.filter(|&synapse| kept[synapse]);
            let absent = (places - left.clone().count()) as u64;
            let (mut left, mut own) = (left.peekable(), is_own(source));
            let mut taken = 0;
            while let Some(rank) = new.next_if(|&rank| rank < before + absent) {
                // The neuron of this rank among those that the source does not reach.
                let free = (rank - before) as usize;
                loop {
                    let j = free + taken;
                    if own.is_some_and(|own| own <= j) {
                        own = None;
                    } else if let Some(at) = left.next_if(|&at| targets[at] as usize <= j) {
                        lists.add(targets[at] as usize, self.negative[at]);
                    } else {
                        break;
                    }
                    taken += 1;
                }
                lists.add(free + taken, self.is_negative(source, draws));
            }
            left.for_each(|at| lists.add(targets[at] as usize, self.negative[at]));
            lists.wires.end_source();
            before += absent;
        }
    }
}

/// Synapses in the making, with their signs.
struct Lists<'a> {
    wires: &'a mut Wires,
    negative: &'a mut Vec<bool>,
}

impl Lists<'_> {
    fn add(&mut self, j: usize, negative: bool) {
        self.wires.add(j);
        self.negative.push(negative);
    }
}

/// What a round has changed.
#[derive(Debug)]
pub struct Round<F> {
    was: Arc<Wires>,
    pub(crate) wires: Arc<Wires>,
    kept: Vec<bool>,
    numbers: Vec<F>,
}

impl<F: Float> Round<F> {
    /// The same, as the synapses of a stream take it.
    pub(crate) fn moved(&mut self) -> Moved<'_, F> {
        Moved {
            was: &self.was,
            wires: &self.wires,
            kept: &self.kept,
            numbers: &mut self.numbers,
        }
    }
}

/// Different numbers below a bound, ascending: those that are listed, or all others.
struct Distinct<'a> {
    listed: core::iter::Peekable<core::slice::Iter<'a, u64>>,
    others: Option<Range<u64>>,
}

impl<'a> Distinct<'a> {
    /// So many of them, each choice as likely as any other.
    fn drawn(draws: &mut Draws, n: u64, below: u64, list: &'a mut Vec<u64>) -> Self {
        // Of many, those that are left out, so that draws seldom meet.
        let leaves_out = n > below / 2;
        let n = if leaves_out { below - n } else { n } as usize;
        list.clear();
        while list.len() < n {
            for _ in list.len()..n {
                list.push(draws.below(below));
            }
            list.sort_unstable();
            list.dedup();
        }
        Self {
            listed: list.iter().peekable(),
            others: leaves_out.then_some(0..below),
        }
    }
}

impl Iterator for Distinct<'_> {
    type Item = u64;
    fn next(&mut self) -> Option<u64> {
        let Some(others) = &mut self.others else {
            return self.listed.next().copied();
        };
        loop {
            let number = others.next()?;
            if self.listed.next_if(|&&listed| listed == number).is_none() {
                return Some(number);
            }
        }
    }
}

impl<F: Float> Walked for Rewiring<F> {
    fn walk<'a>(&'a self, name: &'static str, _: Role, to: &mut dyn Walk<'a>) {
        to.enter(name, None);
        self.rounds.walk("rounds", Role::Counter, to);
        let (starts, targets) = self.wires.parts();
        // Their bytes are counted with those of the plan.
        to.see("starts", leaf(starts));
        to.see("targets", leaf(targets));
        self.negative.walk("negative", Role::Weight, to);
        to.leave();
    }

    fn walk_mut(&mut self, name: &'static str, _: Role, to: &mut dyn WalkMut) -> Result<(), Error> {
        to.enter(name, None);
        self.rounds.walk_mut("rounds", Role::Counter, to)?;
        // Others may read them.
        let mut wires = self.wires.copied()?;
        let counts = wires.counts();
        let (starts, targets) = wires.parts_mut();
        to.change("starts", Role::Weight, usize::as_saved_mut(starts))?;
        to.change("targets", Role::Weight, u32::as_saved_mut(targets))?;
        self.negative.walk_mut("negative", Role::Weight, to)?;
        to.leave();
        if !wires.are_lists(counts) {
            return Err(Error::State {
                reason: "synapses that are no lists".into(),
            });
        }
        self.wires = Arc::new(wires);
        Ok(())
    }
}

fn leaf<T: Number>(numbers: &[T]) -> Leaf<'_> {
    Leaf {
        role: Role::Weight,
        used: T::as_saved(numbers),
        capacity: numbers.len(),
        heap: 0,
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{Distinct, Draws};

    #[test]
    fn numbers_that_are_drawn_are_different_ascend_and_are_each_as_likely() {
        let mut list = Vec::new();
        for below in [1, 2, 7, 40] {
            for n in 0..=below {
                let mut counts = alloc::vec![0; below as usize];
                for count in 0..200 {
                    let drawn = Distinct::drawn(&mut Draws::of(5, count), n, below, &mut list);
                    let drawn: Vec<u64> = drawn.collect();
                    assert_eq!(drawn.len(), n as usize);
                    assert!(drawn.windows(2).all(|pair| pair[0] < pair[1]));
                    drawn
                        .iter()
                        .for_each(|&number| counts[number as usize] += 1);
                }
                let p = n as f64 / below as f64;
                let spread = 6.0 * libm::sqrt(200.0 * p * (1.0 - p));
                let near = |&count: &i32| (f64::from(count) - 200.0 * p).abs() <= spread;
                assert!(counts.iter().all(near), "{n} of {below}: {counts:?}");
            }
        }
    }
}
