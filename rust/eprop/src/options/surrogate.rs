//! Surrogate derivatives: the stand-in for the derivative of a spike.

use super::choice::choice;
use crate::Float;

choice! {
    /// The shape of `psi` over the distance `d = |v - A|` from the threshold, with height `h` and width `w`
    /// (Bellec et al. 2020, eq. 4, for the piecewise linear one; the others as in NEST's `eprop_*` models).
    ///
    /// ```
    /// use eprop::Surrogate;
    /// assert_eq!(Surrogate::PiecewiseLinear.psi(0.5, 0.3, 1.0), 0.15);
    /// assert_eq!("boxcar".parse::<Surrogate>()?, Surrogate::Boxcar);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub enum Surrogate as "surrogate" {
        /// `h max(0, 1 - d/w)`
        PiecewiseLinear = "piecewise_linear",
        /// `h exp(-d/w)`
        Exponential = "exponential",
        /// `h (1 + d/w)^-2`
        FastSigmoid = "fast_sigmoid",
        /// `h / (1 + (d/w)^2)`
        Arctan = "arctan",
        /// `h` where `d < w`, else 0
        Boxcar = "boxcar",
    }
}

impl Surrogate {
    /// `psi` at distance `d >= 0`, for height `h` and width `w > 0`.
    #[inline]
    pub fn psi<F: Float>(self, d: F, h: F, w: F) -> F {
        h * self.shape(d / w)
    }

    /// `psi` of height 1 at a distance of `u` widths.
    #[inline(always)]
    pub(crate) fn shape<F: Float>(self, u: F) -> F {
        match self {
            Self::PiecewiseLinear => {
                let inside = F::ONE - u;
                if inside > F::ZERO { inside } else { F::ZERO }
            }
            Self::Exponential => (-u).exp(),
            Self::FastSigmoid => {
                let u = F::ONE + u;
                F::ONE / (u * u)
            }
            Self::Arctan => F::ONE / (F::ONE + u * u),
            Self::Boxcar => {
                if u < F::ONE {
                    F::ONE
                } else {
                    F::ZERO
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Surrogate;
    use crate::testing::in_both;

    in_both! {
        fn every_shape_is_its_formula<F>() {
            let formula = |surrogate, d: f64, h: f64, w: f64| match surrogate {
                Surrogate::PiecewiseLinear => h * f64::max(0.0, 1.0 - d / w),
                Surrogate::Exponential => h * libm::exp(-d / w),
                Surrogate::FastSigmoid => h / libm::pow(1.0 + d / w, 2.0),
                Surrogate::Arctan => h / (1.0 + libm::pow(d / w, 2.0)),
                Surrogate::Boxcar => if d < w { h } else { 0.0 },
            };
            for &surrogate in Surrogate::ALL {
                for (h, w) in [(0.3, 1.0), (2.0, 0.25)] {
                    for d in [0.0, 0.1, 0.2, 0.3, 0.9, 1.1, 5.0] {
                        let psi = surrogate.psi(F::cast(d), F::cast(h), F::cast(w)).to_f64();
                        let expected = formula(surrogate, d, h, w);
                        assert!((psi - expected).abs() < 1e-6 * h, "{surrogate:?} at {d}: {psi}, expected {expected}");
                    }
                }
            }
        }
    }

    in_both! {
        fn at_a_distance_of_the_width_the_shapes_with_an_edge_are_zero<F>() {
            for surrogate in [Surrogate::Boxcar, Surrogate::PiecewiseLinear] {
                assert_eq!(surrogate.psi(F::ONE, F::ONE, F::ONE), F::ZERO);
            }
        }
    }
}
