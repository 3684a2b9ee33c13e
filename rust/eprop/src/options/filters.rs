//! Decays and gains of leaky filters, from time constants.

use super::choice::choice;

choice! {
    /// The gain of a leaky filter.
    ///
    /// ```
    /// use eprop::Gain;
    /// assert_eq!(Gain::Leak.as_str(), "leak");
    /// assert_eq!(Gain::ALL.len(), 2);
    /// ```
    pub enum Gain as "gain" {
        /// 1: every event counts whole.
        Unit = "unit",
        /// 1 - decay: a constant input settles at its own value.
        Leak = "leak",
    }
}

impl Gain {
    /// The gain of the filter with `decay = exp(-dt/tau)`, from the exponent, so that long time constants lose no digits.
    pub(crate) fn of(self, dt: f64, tau: f64) -> f64 {
        match self {
            Self::Unit => 1.0,
            Self::Leak => leak(dt, tau),
        }
    }
}

/// `exp(-dt/tau)`; a time constant of 0 is no filter.
pub(crate) fn decay(dt: f64, tau: f64) -> f64 {
    if tau == 0.0 {
        0.0
    } else {
        libm::exp(-dt / tau)
    }
}

/// `1 - exp(-dt/tau)`, without cancellation.
pub(crate) fn leak(dt: f64, tau: f64) -> f64 {
    if tau == 0.0 {
        1.0
    } else {
        -libm::expm1(-dt / tau)
    }
}

#[cfg(test)]
mod tests {
    use super::{Gain, decay, leak};

    #[test]
    fn decays_are_exponentials_and_no_time_constant_is_no_filter() {
        for (dt, tau) in [(1.0, 20.0), (0.1, 7.0), (5.0, 1.0)] {
            assert_eq!(decay(dt, tau), libm::exp(-dt / tau));
            assert!((leak(dt, tau) - (1.0 - libm::exp(-dt / tau))).abs() < 1e-15);
        }
        assert_eq!((decay(1.0, 0.0), leak(1.0, 0.0)), (0.0, 1.0));
    }

    #[test]
    fn a_long_time_constant_loses_no_digit_of_its_gain() {
        // 1 - exp(-x) = x - x^2 / 2 + ...
        let x = 1e-9;
        let off = leak(1.0, 1e9) - (x - x * x / 2.0);
        assert!(off.abs() < 1e-24, "{off}");
    }

    #[test]
    fn a_gain_is_one_or_the_leak() {
        assert_eq!(Gain::Unit.of(1.0, 20.0), 1.0);
        assert_eq!(Gain::Leak.of(1.0, 20.0), leak(1.0, 20.0));
    }
}
