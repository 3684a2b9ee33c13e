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
    /// Writes `err = dE/dy` of one step and returns its loss. All slices have one length.
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
    let top = y.iter().fold(y[0], |top, &y| if y > top { y } else { top });
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
