//! Whether a single number is one that its setting may be.

use crate::{Error, Float};

/// Whether a number stays finite in the trainer's type.
pub(crate) fn within<F: Float>(argument: &'static str, value: f64) -> Result<(), Error> {
    if F::cast(value).is_finite() {
        return Ok(());
    }
    let expected = alloc::format!("a number within the range of {}", F::NAME);
    Err(Error::number(argument, expected, value))
}

/// Whether a number is still above 0 in the trainer's type.
pub(crate) fn above_zero<F: Float>(argument: &'static str, value: f64) -> Result<(), Error> {
    if F::cast(value) > F::ZERO {
        return Ok(());
    }
    let expected = alloc::format!("a number that is not 0 in {}", F::NAME);
    Err(Error::number(argument, expected, value))
}

pub(crate) fn positive(argument: &'static str, value: f64) -> Result<(), Error> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(Error::number(argument, "a finite number > 0", value))
}

pub(crate) fn non_negative(argument: &'static str, value: f64) -> Result<(), Error> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    Err(Error::number(argument, "a finite number >= 0", value))
}

pub(crate) fn valid_size(argument: &'static str, size: usize) -> Result<(), Error> {
    if size >= 1 {
        return Ok(());
    }
    Err(Error::value(argument, "a size >= 1", size))
}

/// Whether what bounds gradients and weights is positive.
pub(crate) fn valid_bounds(clip_norm: Option<f64>, w_max: Option<f64>) -> Result<(), Error> {
    if let Some(longest) = clip_norm {
        positive("clip_norm", longest)?;
    }
    if let Some(bound) = w_max {
        positive("w_max", bound)?;
    }
    Ok(())
}

/// Whether the bound of weights is a number of the type, and not 0 there.
pub(crate) fn bound_fits<F: Float>(w_max: Option<f64>) -> Result<(), Error> {
    if let Some(bound) = w_max {
        within::<F>("w_max", bound)?;
        above_zero::<F>("w_max", bound)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::{above_zero, non_negative, positive, valid_size, within};

    const BAD: [f64; 4] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0];

    #[test]
    fn domains_end_where_they_say() {
        assert!(
            BAD.iter()
                .all(|&x| positive("x", x).is_err() && non_negative("x", x).is_err())
        );
        assert!(positive("x", 0.0).is_err() && non_negative("x", 0.0).is_ok());
        assert!(positive("x", f64::MIN_POSITIVE).is_ok());
        assert!(valid_size("n", 0).is_err() && valid_size("n", 1).is_ok());
    }

    #[test]
    fn what_float64_holds_may_be_too_large_or_too_small_for_float32() {
        assert!(within::<f64>("x", 1e300).is_ok() && above_zero::<f64>("x", 1e-300).is_ok());
        let error = within::<f32>("x", 1e300).unwrap_err().to_string();
        assert!(
            error.starts_with("x: expected a number within the range of float32, got 1"),
            "{error}"
        );
        let error = above_zero::<f32>("x", 1e-300).unwrap_err().to_string();
        assert!(
            error.starts_with("x: expected a number that is not 0 in float32, got "),
            "{error}"
        );
    }

    #[test]
    fn a_number_is_told_as_short_as_it_can_be_written() {
        for (value, told) in [
            (-1.0, "-1"),
            (-0.5, "-0.5"),
            (-1e300, "-1e300"),
            (-2.5e-9, "-2.5e-9"),
            (f64::NAN, "NaN"),
        ] {
            let error = positive("x", value).unwrap_err().to_string();
            assert_eq!(
                error,
                alloc::format!("x: expected a finite number > 0, got {told}")
            );
        }
    }
}
