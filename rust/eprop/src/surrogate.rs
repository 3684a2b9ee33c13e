//! Surrogate derivatives: the stand-in for the derivative of a spike.

use crate::Float;
use crate::config::choice;

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
        match self {
            Self::PiecewiseLinear => {
                let inside = F::ONE - d / w;
                if inside > F::ZERO {
                    h * inside
                } else {
                    F::ZERO
                }
            }
            Self::Exponential => h * (-d / w).exp(),
            Self::FastSigmoid => {
                let u = F::ONE + d / w;
                h / (u * u)
            }
            Self::Arctan => {
                let u = d / w;
                h / (F::ONE + u * u)
            }
            Self::Boxcar => {
                if d < w {
                    h
                } else {
                    F::ZERO
                }
            }
        }
    }
}
