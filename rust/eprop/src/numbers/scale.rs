//! A number in front of all rows of a matrix, so that weights that decay need not be touched: `W = p (A - ...)`.

use super::walk::{Role, Walk, WalkMut, Walked};
use crate::kernels::scale_row;
use crate::{Error, Float};

/// Below this `p` goes into the rows, so that no digits are lost in what is divided by it.
const LEAST: f64 = 0.5;

/// `p`, in float64: what one update takes off it may be less than a float32 shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale(f64);

impl Scale {
    /// No number at all.
    pub(crate) const ONE: Self = Self(1.0);

    /// Leaves a part of all weights. Where that would make `p` too small it becomes 1, and this is what the rows are to be multiplied with.
    pub(crate) fn decay(&mut self, keep: f64) -> Option<f64> {
        self.0 *= keep;
        if self.0 >= LEAST {
            return None;
        }
        Some(core::mem::replace(&mut self.0, 1.0))
    }

    /// `p`, where it is to go into the rows now; it is 1 then.
    pub(crate) fn take(&mut self) -> f64 {
        core::mem::replace(&mut self.0, 1.0)
    }

    /// Multiplies a row with `p`.
    pub(crate) fn apply<F: Float>(self, row: &mut [F]) {
        if self != Self::ONE {
            scale_row(self.of(), row);
        }
    }

    /// `p`.
    pub(crate) fn of<F: Float>(self) -> F {
        F::cast(self.0)
    }

    /// `1 / p`.
    pub(crate) fn inverse<F: Float>(self) -> F {
        F::cast(1.0 / self.0)
    }
}

impl Walked for Scale {
    fn walk<'a>(&'a self, name: &'static str, _: Role, to: &mut dyn Walk<'a>) {
        self.0.walk(name, Role::Mark, to);
    }
    fn walk_mut(&mut self, name: &'static str, _: Role, to: &mut dyn WalkMut) -> Result<(), Error> {
        self.0.walk_mut(name, Role::Mark, to)?;
        if (LEAST..=1.0).contains(&self.0) {
            return Ok(());
        }
        Err(Error::State {
            reason: "weights that have decayed to nothing".into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Scale;
    use crate::numbers::plain;

    #[test]
    fn small_decays_gather_and_go_into_the_rows_when_half_is_gone() {
        let mut scale = Scale::ONE;
        assert_eq!((scale.decay(0.75), scale.of::<f64>()), (None, 0.75));
        assert_eq!(scale.inverse::<f64>(), 1.0 / 0.75);
        assert_eq!((scale.decay(0.5), scale), (Some(0.375), Scale::ONE));
        // However much of the weights an update takes.
        for keep in [0.0, -2.0] {
            assert_eq!((scale.decay(keep), scale), (Some(keep), Scale::ONE));
        }
        scale.decay(0.75);
        assert_eq!((scale.take(), scale), (0.75, Scale::ONE));
    }

    #[test]
    fn a_decay_below_the_digits_of_a_float32_is_kept() {
        let mut scale = Scale::ONE;
        for _ in 0..1_000_000 {
            assert!(scale.decay(1.0 - 1e-8).is_none());
        }
        assert!((scale.of::<f64>() - libm::exp(-0.01)).abs() < 1e-9);
    }

    #[test]
    fn it_is_saved_and_refused_where_it_is_none() {
        let mut scale = Scale::ONE;
        plain::load(&mut scale, &plain::save(&Scale(0.75)).unwrap()).unwrap();
        assert_eq!(scale, Scale(0.75));
        for wrong in [0.25, 1.5, 0.0, f64::NAN] {
            assert!(plain::load(&mut scale, &plain::save(&Scale(wrong)).unwrap()).is_err());
        }
    }
}
