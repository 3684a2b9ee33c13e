//! Rows as they are now, and what is put away before weights change.

use super::{Listed, NEVER};
use crate::kernels::{self, FoldedRow};
use crate::numbers::aligned::Aligned;
use crate::numbers::interrupt::Pace;
use crate::numbers::room::Room;
use crate::numbers::slice::EveryMut;
use crate::{Error, Float};

impl<F: Float> Listed<F> {
    pub(in crate::synapses) fn share_weights(&mut self, first: &Self) {
        self.w.rows = first.w.rows.share();
        self.finite = first.finite;
    }

    pub(super) fn before_weights_change(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        if self.at_once {
            self.folded = false;
            self.fold(pace)?;
            self.within = false;
        }
        Ok(())
    }

    /// Memory for a row of weights and one of traces.
    pub(super) fn two_rows(&self) -> Result<Aligned<F>, Error> {
        Room::build(
            || "reading the synapses".into(),
            |room| room.zeros(2, self.n),
        )
    }

    /// Looks at the weights as they are now, source by source.
    pub(super) fn weights_are_finite(&self) -> Result<bool, Error> {
        let (now, mut rows) = (self.now_of_sets()?, self.two_rows()?);
        let (w, c) = rows.split_at_mut(self.n);
        let mut sources = 0..self.seen.len();
        Ok(sources.all(|source| {
            self.unfold(source, &now, w, c);
            kernels::all_finite(&w[..self.wires.targets(source).len()])
        }))
    }

    /// What the block under way does to rows, of each set.
    pub(super) fn now_of_sets(&self) -> Result<Aligned<F>, Error> {
        let mut now = Room::build(
            || "reading the synapses".into(),
            |room| room.zeros(self.sets, self.ended.lanes() * self.stride),
        )?;
        for set in 0..self.sets {
            self.now(set, &mut now[self.ended.of_one(set)]);
        }
        Ok(now)
    }

    /// W of a source's synapses, and what a fold would leave of their `C`; `now`: what the block under way does.
    pub(super) fn unfold(&self, source: usize, now: &[F], to_w: &mut [F], to_c: &mut [F]) {
        let (row, set) = (self.row(source), self.set_of(source));
        let weights = self.w.weights().part(row.clone());
        if self.seen[source] == NEVER {
            EveryMut::from(&mut to_w[..row.len()]).copy(weights);
            EveryMut::from(&mut to_c[..row.len()]).copy(self.w.pairs.every(1).part(row));
            return;
        }
        let folded = FoldedRow {
            targets: self.wires.targets(source),
            pairs: &self.w.pairs[row.clone()],
            zt: self.zt[source],
            waited: match self.age(source) {
                0 => None,
                age => Some(self.ended.last(set, age)),
            },
            now: &now[self.ended.of_one(set)],
        };
        match &self.adaptive {
            None => kernels::unfold_listed(folded, to_w, to_c),
            Some(adaptive) => adaptive.unfold(folded, row.clone(), to_w, to_c),
        }
        if !self.at_once {
            // A gradient in factors moves no weight.
            EveryMut::from(&mut to_w[..row.len()]).copy(weights);
        }
    }
}
