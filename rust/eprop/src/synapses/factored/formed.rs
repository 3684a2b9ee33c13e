//! What is asked of the factored form by those who do not know which form it is.

use super::Factored;
use super::ended::Ended;
use super::lengths::Lengths;
use super::momentum::Momentum;
use crate::numbers::interrupt::Pace;
use crate::numbers::room::Room;
use crate::synapses::form::Formed;
use crate::{Error, Float};

impl<F: Float> Formed<F> for Factored<F> {
    /// Where it is stopped no weight has changed but by rounding.
    fn regroup(&mut self, grouped: bool, pace: &mut Pace<'_>) -> Result<(), Error> {
        let sets = 1 + usize::from(grouped);
        if sets == self.sets {
            return Ok(());
        }
        let stride = self.stride();
        let [s, t, y, sum_a, sum_c] = Room::build(
            || "factors of their own".into(),
            |room| {
                let mut rows = || room.zeros(sets, stride);
                Ok([rows()?, rows()?, rows()?, rows()?, rows()?])
            },
        )?;
        let adapts = self.adaptive.is_some();
        let (ended, lengths, of_adaptive, momentum) = Room::build(
            || "factors of their own".into(),
            |room| {
                // Rows K stay where they are.
                let momentum = match &self.momentum {
                    Some(momentum) => {
                        Some(Momentum::new(room, sets, (0, stride), momentum.decays)?)
                    }
                    None => None,
                };
                let lengths = match self.lengths {
                    Some(_) => Some(Lengths::new(room, sets, stride, adapts)?),
                    None => None,
                };
                let of_adaptive = match adapts {
                    true => Some([room.zeros(sets, stride)?, room.zeros(sets, stride)?]),
                    false => None,
                };
                Ok((
                    Ended::new(room, sets, stride, adapts)?,
                    lengths,
                    of_adaptive,
                    momentum,
                ))
            },
        )?;
        self.fold(pace)?;
        if let Some((adaptive, rows)) = self.adaptive.as_mut().zip(of_adaptive) {
            adaptive.regroup(rows);
        }
        (self.s, self.t, self.y, self.sum_a, self.sum_c) = (s, t, y, sum_a, sum_c);
        (self.ended, self.lengths, self.sets) = (ended, lengths, sets);
        if let (Some(momentum), Some(mut fresh)) = (&mut self.momentum, momentum) {
            fresh.k = core::mem::take(&mut momentum.k);
            *momentum = fresh;
        }
        if let Some(lengths) = &mut self.lengths {
            for source in 0..self.seen.len() {
                let set = if source < self.n_inputs { 0 } else { sets - 1 };
                let row = source * stride..(source + 1) * stride;
                let own = source.checked_sub(self.n_inputs);
                let d = match &self.adaptive {
                    Some(adaptive) => &adaptive.d[row.clone()],
                    None => &[],
                };
                lengths.add(set, &self.c[row], self.zt[source], own, d);
            }
        }
        Ok(())
    }
}
