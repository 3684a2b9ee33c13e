//! What one step is taught: a target, and how much it counts.

use ndarray::ArrayView1;

use super::check;
use crate::options::Loss;
use crate::{Error, Float};

/// What one step of a stream is taught.
///
/// ```
/// use eprop::{Config, EpropTrainer, Lesson};
/// let mut trainer = EpropTrainer::<f64>::new(1, 4, 2, Config::default())?;
/// let (x, y) = (ndarray::array![1.0], ndarray::array![0.5, -0.5]);
/// let mut twin = trainer.clone();
/// let whole = trainer.step(x.view(), Lesson::of(y.view()))?.loss.unwrap();
/// let half = twin.step(x.view(), Lesson { weight: 0.5, ..Lesson::of(y.view()) })?.loss.unwrap();
/// assert_eq!(half, 0.5 * whole);
/// # Ok::<(), eprop::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Lesson<'a, F> {
    /// (n_outputs,); `None`: nothing is taught, but the regulariser and due updates go on.
    pub target: Option<ArrayView1<'a, F>>,
    /// What the loss of this step, and so its gradient, is multiplied with: finite, at least 0. 0 is no target.
    pub weight: F,
    /// (N,), of a stack (n_outputs,): the learning signal `L` in the place of what the errors make of it, also where there is no target. The weight
    /// does not scale it. Readouts learn from the target alone.
    pub signal: Option<ArrayView1<'a, F>>,
}

impl<F: Float> Default for Lesson<'_, F> {
    fn default() -> Self {
        Self {
            target: None,
            weight: F::ONE,
            signal: None,
        }
    }
}

impl<'a, F: Float> From<Option<ArrayView1<'a, F>>> for Lesson<'a, F> {
    fn from(target: Option<ArrayView1<'a, F>>) -> Self {
        Self {
            target,
            ..Self::default()
        }
    }
}

impl<'a, F: Float> From<&'a [F]> for Lesson<'a, F> {
    fn from(target: &'a [F]) -> Self {
        Self::of(target.into())
    }
}

impl<'a, F: Float> From<&'a alloc::vec::Vec<F>> for Lesson<'a, F> {
    fn from(target: &'a alloc::vec::Vec<F>) -> Self {
        target.as_slice().into()
    }
}

impl<'a, F: Float, const N: usize> From<&'a [F; N]> for Lesson<'a, F> {
    fn from(target: &'a [F; N]) -> Self {
        target.as_slice().into()
    }
}

impl<'a, F: Float> Lesson<'a, F> {
    /// A target that counts once. Example: [`Lesson`].
    pub fn of(target: ArrayView1<'a, F>) -> Self {
        Some(target).into()
    }

    /// The target, where it counts.
    pub(crate) fn target(&self) -> Option<ArrayView1<'a, F>> {
        self.target.filter(|_| self.weight != F::ZERO)
    }

    /// Writes `err = dE/dy`, 0 without a target, and returns the loss, both times the weight. `target`: a buffer of as many numbers.
    pub(crate) fn judge(
        &self,
        loss: Loss,
        y: &[F],
        target: &mut [F],
        err: &mut [F],
    ) -> Option<f64> {
        let Some(given) = self.target() else {
            err.fill(F::ZERO);
            return None;
        };
        let pairs = target.iter_mut().zip(given);
        pairs.for_each(|(to, &from)| *to = from);
        let unweighted = loss.evaluate(y, target, err);
        err.iter_mut().for_each(|err| *err *= self.weight);
        Some(unweighted * self.weight.to_f64())
    }

    /// What the loss of outputs of 0 would be; 0 without a target.
    pub(crate) fn loss_of_nothing(&self, loss: Loss) -> f64 {
        let of = |target| loss.of_nothing(target) * self.weight.to_f64();
        self.target().map_or(0.0, of)
    }

    pub(crate) fn check(
        &self,
        n_outputs: usize,
        n_signals: usize,
        loss: Loss,
    ) -> Result<(), Error> {
        if let Some(signal) = self.signal {
            check::vector("learning_signal", signal, n_signals)?;
        }
        check::weight("weight", self.weight)?;
        match self.target() {
            Some(target) => {
                check::vector("target", target, n_outputs)?;
                check::target("target", target, loss)
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec;

    use ndarray::array;

    use super::Lesson;
    use crate::options::Loss;
    use crate::testing::{in_both, near};

    in_both! {
        fn the_weight_scales_the_loss_and_its_derivative<F>() {
            let y = [F::cast(0.5), F::cast(-1.0)];
            let given = array![F::cast(0.25), F::cast(0.75)];
            for &loss in Loss::ALL {
                let (mut target, mut once, mut err) = ([F::ZERO; 2], [F::ZERO; 2], [F::ONE; 2]);
                let whole = Lesson::of(given.view()).judge(loss, &y, &mut target, &mut once).unwrap();
                let lesson = Lesson { weight: F::cast(0.25), ..Lesson::of(given.view()) };
                assert_eq!(lesson.judge(loss, &y, &mut target, &mut err).unwrap(), 0.25 * whole);
                near("err", &err, &once.map(|err| 0.25 * err.to_f64()));
                assert_eq!(lesson.loss_of_nothing(loss), 0.25 * Lesson::of(given.view()).loss_of_nothing(loss));
            }
        }
    }

    #[test]
    fn a_weight_of_zero_is_no_target() {
        let nan = array![f64::NAN, 0.0];
        let lesson = Lesson {
            weight: 0.0,
            ..Lesson::of(nan.view())
        };
        lesson.check(2, 5, Loss::Mse).unwrap();
        let mut err = [1.0; 2];
        assert_eq!(
            lesson.judge(Loss::Mse, &[1.0; 2], &mut [0.0; 2], &mut err),
            None
        );
        assert_eq!((err, lesson.loss_of_nothing(Loss::Mse)), ([0.0; 2], 0.0));
    }

    #[test]
    fn a_weight_is_finite_and_not_negative() {
        for (weight, got) in [(-1.0, "-1"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
            let lesson = Lesson {
                weight,
                ..Lesson::default()
            };
            let error = lesson.check(2, 5, Loss::Mse).unwrap_err().to_string();
            assert_eq!(
                error,
                alloc::format!("weight: expected a finite number of at least 0, got {got}")
            );
        }
    }
}
