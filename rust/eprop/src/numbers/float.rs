//! The two number types of the crate behind one sealed trait.

use core::fmt::{Debug, Display, LowerExp};
use core::iter::Sum;
use core::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

use super::slice::Number;
use crate::agent::compiled::Traces;
use crate::network::compiled::Networks;
use crate::synapses::Forms;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// `f32` or `f64`: what a trainer computes in. Sealed, because every promise about bits is tested for these two.
///
/// ```
/// use eprop::Float;
/// assert_eq!(<f32 as Float>::cast(0.5_f64), 0.5_f32);
/// assert_eq!(2.0_f32.to_f64(), 2.0_f64);
/// ```
#[allow(
    private_bounds,
    reason = "nobody else implements it, nor calls what it is for"
)]
pub trait Float:
    sealed::Sealed
    + Forms
    + Networks
    + Traces
    + Number
    + Copy
    + Default
    + Debug
    + Display
    + LowerExp
    + PartialEq
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + Sum
    + Send
    + Sync
    + 'static
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// Below this magnitude a decaying trace is set to 0, long before subnormal numbers make every step slow.
    const SILENCE: Self;
    /// The largest finite number.
    const LARGEST: Self;
    /// The largest magnitude of an input. Traces grow with inputs, and forms in factors multiply the two: beyond this their products might
    /// leave the finite range.
    const LARGEST_INPUT: Self;
    /// The distance from 1 to the next number.
    const EPSILON: f64;
    /// The name NumPy gives the type.
    const NAME: &'static str;
    /// Nearest value to a double.
    fn cast(x: f64) -> Self;
    /// The value as a double, exactly.
    fn to_f64(self) -> f64;
    /// Magnitude.
    fn abs(self) -> Self;
    /// Exponential function, from `libm`, so that it has the same bits on every platform.
    fn exp(self) -> Self;
    /// `self a + b` in one rounding: a library call, unless the processor does it.
    #[cfg(feature = "std")]
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// Square root, correctly rounded.
    fn sqrt(self) -> Self;
    /// Neither NaN nor infinite.
    fn is_finite(self) -> bool;

    /// The value, or 0 where it has faded below [`Float::SILENCE`].
    #[inline]
    fn or_silence(self) -> Self {
        if self.abs() < Self::SILENCE {
            Self::ZERO
        } else {
            self
        }
    }
}

macro_rules! float {
    ($type:ty, $name:literal, $silence:literal, $largest:literal, $exp:path, $sqrt:path) => {
        impl Float for $type {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const SILENCE: Self = $silence;
            const LARGEST: Self = <$type>::MAX;
            const LARGEST_INPUT: Self = $largest;
            const EPSILON: f64 = <$type>::EPSILON as f64;
            const NAME: &'static str = $name;
            #[inline]
            fn cast(x: f64) -> Self {
                x as Self
            }
            #[inline]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline]
            fn abs(self) -> Self {
                self.abs()
            }
            #[inline]
            fn exp(self) -> Self {
                $exp(self)
            }
            #[cfg(feature = "std")]
            #[inline]
            fn mul_add(self, a: Self, b: Self) -> Self {
                self.mul_add(a, b)
            }
            // The instruction, where the standard library has it; the same bits, since roots are correctly rounded.
            #[cfg(feature = "std")]
            #[inline]
            fn sqrt(self) -> Self {
                self.sqrt()
            }
            #[cfg(not(feature = "std"))]
            #[inline]
            fn sqrt(self) -> Self {
                $sqrt(self)
            }
            #[inline]
            fn is_finite(self) -> bool {
                self.is_finite()
            }
        }
    };
}

float!(f32, "float32", 1e-30, 1e15, libm::expf, libm::sqrtf);
float!(f64, "float64", 1e-280, 1e140, libm::exp, libm::sqrt);

#[cfg(test)]
mod tests {
    use crate::testing::in_both;

    in_both! {
        fn what_fades_below_silence_is_zero_and_nothing_else<F>() {
            let limit = F::SILENCE;
            let below = limit * F::cast(0.5);
            assert!(below != F::ZERO);
            assert_eq!(below.or_silence(), F::ZERO);
            assert_eq!((-below).or_silence(), F::ZERO);
            assert_eq!(limit.or_silence(), limit);
            assert_eq!((-limit).or_silence(), -limit);
            assert!(!F::cast(f64::NAN).or_silence().is_finite());
        }
    }

    in_both! {
        fn functions_are_those_of_their_names<F>() {
            let near = |got: F, expected: f64| {
                assert!((got.to_f64() - expected).abs() < 1e-6 * expected, "{got}, expected {expected}");
            };
            near(F::cast(1.0).exp(), core::f64::consts::E);
            near(F::cast(2.0).sqrt(), core::f64::consts::SQRT_2);
            near(F::cast(-3.0).abs(), 3.0);
            assert!(!F::cast(f64::INFINITY).is_finite());
        }
    }
}
