//! The loss of one step and its derivative by the output.

use ndarray::ArrayView1;

use super::choice::choice;
use crate::Float;

choice! {
    /// The loss, summed over outputs and time; `err` is line 6 of docs/method.md: `y - y*` or `softmax(y) - y*`.
    ///
    /// ```
    /// use eprop::Loss;
    /// let mut err = [0.0_f64; 2];
    /// assert_eq!(Loss::Mse.evaluate(&[1.0, 0.0], &[0.0, 0.0], &mut err), 0.5);
    /// assert_eq!(err, [1.0, 0.0]);
    /// ```
    pub enum Loss as "loss" {
        /// `0.5 sum_k (y_k - y*_k)^2`
        Mse = "mse",
        /// Cross-entropy of the softmax over the outputs with targets that sum to 1.
        CrossEntropy = "cross_entropy",
    }
}

impl Loss {
    /// Writes `err = dE/dy` of one step and returns its loss, 0 of no outputs. All slices have one length; of longer ones the rest is
    /// neither read nor written.
    pub fn evaluate<F: Float>(self, y: &[F], target: &[F], err: &mut [F]) -> f64 {
        match self {
            Self::Mse => squared(y, target, err),
            Self::CrossEntropy => cross_entropy(y, target, err),
        }
    }
}

impl Loss {
    /// The loss of a step whose outputs are 0: what learning nothing would cost.
    pub(crate) fn of_nothing<F: Float>(self, target: ArrayView1<'_, F>) -> f64 {
        match self {
            Self::Mse => {
                let square = |sum: f64, y: &F| sum + 0.5 * (y.to_f64() * y.to_f64());
                match target.as_slice() {
                    Some(target) => target.iter().fold(0.0, square),
                    None => target.iter().fold(0.0, square),
                }
            }
            Self::CrossEntropy => libm::log(target.len() as f64),
        }
    }
}

fn squared<F: Float>(y: &[F], target: &[F], err: &mut [F]) -> f64 {
    let mut loss = 0.0;
    for ((err, &y), &target) in err.iter_mut().zip(y).zip(target) {
        *err = y - target;
        let e = err.to_f64();
        loss += 0.5 * e * e;
    }
    loss
}

fn cross_entropy<F: Float>(y: &[F], target: &[F], err: &mut [F]) -> f64 {
    let larger = |top: F, y: F| if y > top { y } else { top };
    let Some(top) = y.iter().copied().reduce(larger) else {
        return 0.0;
    };
    let mut total = F::ZERO;
    for (err, &y) in err.iter_mut().zip(y) {
        *err = (y - top).exp();
        total += *err;
    }
    let log_total = libm::log(total.to_f64());
    let mut loss = 0.0;
    for ((err, &y), &target) in err.iter_mut().zip(y).zip(target) {
        *err = *err / total - target;
        loss += target.to_f64() * (log_total - (y - top).to_f64());
    }
    loss
}

#[cfg(test)]
mod tests {
    use super::Loss;
    use crate::Float;
    use crate::testing::{doubles, in_both, near};

    fn evaluate<F: Float, const N: usize>(
        loss: Loss,
        y: [f64; N],
        target: [f64; N],
    ) -> (f64, [F; N]) {
        let mut err = [F::ONE; N];
        let loss = loss.evaluate(&y.map(F::cast), &target.map(F::cast), &mut err);
        (loss, err)
    }

    const Y: [f64; 3] = [0.5, -1.25, 2.0];

    in_both! {
        fn the_squared_error_is_half_the_sum_of_squares<F>() {
            let (loss, err) = evaluate::<F, 3>(Loss::Mse, Y, [0.0, 0.25, 1.0]);
            near("err", &err, &[0.5, -1.5, 1.0]);
            near("loss", &[F::cast(loss)], &[0.5 * (0.25 + 2.25 + 1.0)]);
        }
    }

    #[test]
    fn no_outputs_have_no_loss() {
        for loss in [Loss::Mse, Loss::CrossEntropy] {
            assert_eq!(loss.evaluate::<f64>(&[], &[], &mut []), 0.0);
        }
    }

    in_both! {
        fn the_cross_entropy_is_that_of_the_softmax<F>() {
            let target = [0.25, 0.0, 0.75];
            let total: f64 = Y.iter().map(|&y| libm::exp(y)).sum();
            let softmax = Y.map(|y| libm::exp(y) / total);
            let (loss, err) = evaluate::<F, 3>(Loss::CrossEntropy, Y, target);
            near("err", &err, &[softmax[0] - 0.25, softmax[1], softmax[2] - 0.75]);
            let expected = -0.25 * libm::log(softmax[0]) - 0.75 * libm::log(softmax[2]);
            near("loss", &[F::cast(loss)], &[expected]);
        }
    }

    in_both! {
        fn outputs_far_from_zero_overflow_nowhere<F>() {
            let (loss, err) = evaluate::<F, 2>(Loss::CrossEntropy, [3_000.0, -3_000.0], [0.0, 1.0]);
            near("err", &err, &[1.0, -1.0]);
            assert_eq!(loss, 6_000.0);
            let (loss, err) = evaluate::<F, 2>(Loss::CrossEntropy, [-3_000.0, -3_000.0], [1.0, 0.0]);
            near("err", &err, &[-0.5, 0.5]);
            near("loss", &[F::cast(loss)], &[core::f64::consts::LN_2]);
        }
    }

    #[test]
    fn errors_are_the_derivative_of_the_loss_by_the_output() {
        let target = [0.125, 0.5, 0.375];
        for &loss in Loss::ALL {
            let (_, err) = evaluate::<f64, 3>(loss, Y, target);
            let by_differences: [f64; 3] = core::array::from_fn(|k| {
                let at = |h: f64| {
                    let mut y = Y;
                    y[k] += h;
                    evaluate::<f64, 3>(loss, y, target).0
                };
                (at(1e-5) - at(-1e-5)) / 2e-5
            });
            for (err, difference) in doubles(&err).iter().zip(by_differences) {
                assert!(
                    (err - difference).abs() < 1e-9,
                    "{loss:?}: {err}, by differences {difference}"
                );
            }
        }
    }
}
