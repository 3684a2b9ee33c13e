//! Factors of their own for inputs and neurons, where these take steps of their own.

use super::{Ages, Lengths, Listed};
use crate::kernels::LANES;
use crate::numbers::interrupt::Pace;
use crate::numbers::room::Room;
use crate::{Error, Float};

impl<F: Float> Listed<F> {
    /// Gives inputs and neurons factors of their own, or all sources the same.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Interrupted`], and then no weight has changed but by rounding.
    pub(in crate::synapses) fn regroup(
        &mut self,
        grouped: bool,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
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
}
