//! What is asked of the lists by those who do not know which form they are.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use super::{Ages, Lengths, Listed};
use crate::kernels::{self, LANES};
use crate::numbers::interrupt::Pace;
use crate::numbers::kinds::Kinds;
use crate::numbers::room::Room;
use crate::numbers::step::Step;
use crate::numbers::wires::Wires;
use crate::synapses::form::Formed;
use crate::synapses::{Moved, What, add_squares_of_neurons, lists};
use crate::{Error, Float};

impl<F: Float> Formed<F> for Listed<F> {
    fn is_listed(&self) -> bool {
        true
    }

    fn first_weight(&mut self, source: usize, (at, _): (usize, usize), _: usize) -> &mut F {
        let at = self.row(source).start + at;
        match self.at_once {
            true => &mut self.w.pairs[at][0],
            false => &mut self.w.rows[at],
        }
    }

    fn read_listed(
        &self,
        what: What,
        sources: Range<usize>,
        _: &Wires,
        to: &mut Vec<F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        let (now, mut rows) = (self.now_of_sets()?, self.two_rows()?);
        let (w, c) = rows.split_at_mut(self.n);
        let kappa = self.powers.kappa_down[self.steps_of_block()];
        for source in sources {
            let n = self.wires.targets(source).len();
            self.unfold(source, &now, w, c);
            match what {
                What::Weight => to.extend_from_slice(&w[..n]),
                What::Eligibility => to.extend(c[..n].iter().map(|&c| kappa * c)),
            }
            pace.pass(n)?;
        }
        Ok(())
    }

    fn assign_weights(
        &mut self,
        first_source: usize,
        weights: &mut dyn Iterator<Item = F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        self.before_weights_change(pace)?;
        lists::assign_synapses(&self.wires, self.w.weights_mut(), first_source, weights);
        self.finite = kernels::all_finite(&self.w.rows);
        Ok(())
    }

    fn take_all(&mut self, weights: &[F]) {
        self.w.weights_mut().copy(weights.into());
    }

    fn take_listed(
        &mut self,
        from: usize,
        g: &[F],
        step: Step<'_, F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        self.before_weights_change(pace)?;
        lists::take_synapses(&mut self.w, from, g, step, pace)?;
        self.finite &= kernels::all_finite(&self.w.rows);
        Ok(())
    }

    /// Where it is stopped no weight has changed but by rounding.
    fn regroup(&mut self, grouped: bool, pace: &mut Pace<'_>) -> Result<(), Error> {
        let sets = 1 + usize::from(grouped);
        if sets == self.sets || !self.at_once {
            return Ok(());
        }
        let (stride, limited) = (self.stride, self.lengths.is_some());
        let (lanes, of_sums) = (self.ended.lanes(), self.sums.len() / self.sets);
        let adapts = self.adaptive.is_some();
        let ([s, t, y], [factors, sums], ended, mut lengths) = Room::build(
            || "factors of their own".into(),
            |room| {
                let mut rows = |width| room.zeros(sets, width);
                let of_neurons = [rows(stride)?, rows(stride)?, rows(stride)?];
                let side_by_side = [rows(LANES * stride)?, rows(of_sums)?];
                let lengths = match limited {
                    true => Some(Lengths::new(room, sets, stride, adapts)?),
                    false => None,
                };
                let ended = Ages::new(room, sets, (stride, lanes))?;
                Ok((of_neurons, side_by_side, ended, lengths))
            },
        )?;
        let of_adaptive = match adapts {
            false => None,
            true => Some(Room::build(
                || "factors of their own".into(),
                |room| {
                    let mut rows = |width| room.zeros(sets, width);
                    Ok(([rows(stride)?, rows(stride)?], rows(lanes * stride)?))
                },
            )?),
        };
        self.folded = false;
        self.fold(pace)?;
        if let Some((adaptive, (rows, block))) = self.adaptive.as_mut().zip(of_adaptive) {
            adaptive.regroup(rows, block);
        }
        if let Some(lengths) = &mut lengths {
            for source in 0..self.seen.len() {
                let set = if source < self.n_inputs { 0 } else { sets - 1 };
                let row = self.row(source);
                let d = match &self.adaptive {
                    Some(adaptive) => adaptive.rows(row.clone()),
                    None => &[],
                };
                for (at, &j) in self.wires.targets(source).iter().enumerate() {
                    let traces = [
                        self.w.pairs[row.start + at][1],
                        d.get(at).copied().unwrap_or(F::ZERO),
                    ];
                    lengths.add(set, j as usize, traces, self.zt[source]);
                }
            }
        }
        (self.s, self.t, self.y, self.factors, self.sums) = (s, t, y, factors, sums);
        (self.ended, self.lengths, self.sets) = (ended, lengths, sets);
        Ok(())
    }

    fn lengths_of_neurons(
        &mut self,
        to: Kinds<&mut [f64]>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        let place = (self.cut(), self.w.neurons());
        match self.w.waits {
            true => add_squares_of_neurons(&[self.w.gradient()], place, to, pace),
            false => Ok(()),
        }
    }

    /// Weights rest where synapses move, and their gradient waits.
    fn rewire(&mut self, moved: &mut Moved<'_, F>) {
        // The factors are those of sources and neurons: they would give a new synapse what it has not been there for.
        self.folded = false;
        self.fold_unasked();
        let of_weights = self.w.all_mut();
        for numbers in of_weights.into_iter().chain([&mut *self.h]) {
            moved.carry(numbers);
        }
        for of_pairs in [0, 1] {
            moved.carry_every(self.w.pairs.every_mut(of_pairs));
        }
        // One that was infinite may have gone, and noise may have made another so.
        self.finite = kernels::all_finite(&self.w.rows);
        self.take_wires(moved.wires);
    }

    fn take_wires(&mut self, wires: &Arc<Wires>) {
        self.wires = Arc::clone(wires);
        self.w.take_wires(wires);
    }
}
