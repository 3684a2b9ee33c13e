//! The search for the scale of the input weights at which a network fires at a given rate.

use alloc::format;

use crate::Error;

/// How near the measured rate has to come, relative to the asked one.
const TOLERANCE: f64 = 0.1;
/// Where the search stops refining, well inside the tolerance.
const GOOD_ENOUGH: f64 = 0.01;
const DOUBLINGS: usize = 40;
const BISECTIONS: usize = 40;

/// Finds a factor at which `measure` (factor to Hz) comes near `rate`; `None` as soon as `measure` gives up.
pub(crate) fn search(
    rate: f64,
    mut measure: impl FnMut(f64) -> Option<f64>,
) -> Result<Option<f64>, Error> {
    let mut best = (1.0, f64::NAN);
    let mut note = |factor: f64, measured: f64| {
        if best.1.is_nan() || (measured - rate).abs() < (best.1 - rate).abs() {
            best = (factor, measured);
        }
        (best.1 - rate).abs() <= GOOD_ENOUGH * rate
    };

    let Some(start) = measure(1.0) else {
        return Ok(None);
    };
    let mut done = note(1.0, start);
    let rising = start < rate;
    let (mut near, mut far) = (1.0, 1.0);
    for _ in 0..DOUBLINGS {
        if done {
            break;
        }
        near = far;
        far = if rising { far * 2.0 } else { far / 2.0 };
        let Some(measured) = measure(far) else {
            return Ok(None);
        };
        done = note(far, measured);
        if (measured < rate) != rising {
            break;
        }
    }
    for _ in 0..BISECTIONS {
        if done {
            break;
        }
        let middle = libm::sqrt(near * far);
        let Some(measured) = measure(middle) else {
            return Ok(None);
        };
        done = note(middle, measured);
        if (measured < rate) == rising {
            near = middle
        } else {
            far = middle
        }
    }

    let (factor, nearest) = best;
    if (nearest - rate).abs() <= TOLERANCE * rate {
        return Ok(Some(factor));
    }
    Err(Error::Uncalibrated {
        rate: format!("{rate}"),
        nearest: format!("{nearest:.3}"),
    })
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn finds_the_factor_of_a_rising_rate_from_both_sides() {
        for scale in [0.01, 1.0, 300.0] {
            let factor = search(20.0, |factor| Some(scale * factor))
                .unwrap()
                .unwrap();
            assert!((scale * factor - 20.0).abs() < 0.3, "{scale} {factor}");
        }
    }

    #[test]
    fn names_the_nearest_rate_of_a_network_that_cannot_reach_the_asked_one() {
        let error = search(20.0, |_| Some(7.0)).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("the nearest reached is 7.000 Hz"),
            "{error}"
        );
    }

    #[test]
    fn stops_when_it_is_told_to() {
        assert_eq!(search(20.0, |_| None).unwrap(), None);
    }
}
