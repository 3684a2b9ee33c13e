//! The feedback: how the readout's errors reach the neurons, `L = B err`.

use super::signal::{Backward, Lies};
use crate::numbers::aligned::padded;
use crate::numbers::room::Room;
use crate::numbers::shared::Shared;
use crate::numbers::walk::parts;
use crate::options::Feedback;
use crate::{Error, Float};

/// The feedback's own weights, a padded row of N per output; empty where `B` is `W_out^T`.
#[derive(Debug)]
pub(crate) struct FeedbackWeights<F> {
    kind: Feedback,
    n: usize,
    b: Shared<F>,
}

parts!(FeedbackWeights { Weight: [b] });

impl<F: Float> FeedbackWeights<F> {
    /// Zeros, or those of the stream `first`.
    pub(crate) fn new(
        room: &mut Room,
        kind: Feedback,
        n: usize,
        n_outputs: usize,
        first: Option<&Self>,
    ) -> Result<Self, Error> {
        let rows = match kind {
            Feedback::Symmetric => 0,
            Feedback::Random => n_outputs,
        };
        let b = match first {
            Some(first) => first.b.share(),
            None => room.shared(rows, padded::<F>(n))?,
        };
        Ok(Self { kind, n, b })
    }

    /// The way back of the errors, given that through `W_out`.
    pub(crate) fn backward<'a>(&'a self, w_out: Backward<'a, F>) -> Backward<'a, F> {
        match self.kind {
            Feedback::Symmetric => w_out,
            Feedback::Random => Backward {
                rows: &self.b,
                lies: Lies::ByOutput,
                factors: None,
            },
        }
    }

    /// Whether `B` is weights of its own, which a user may assign.
    pub(crate) fn has_own(&self) -> bool {
        match self.kind {
            Feedback::Symmetric => false,
            Feedback::Random => true,
        }
    }

    /// Its own weights, a row of N per output.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &[F]> {
        self.b
            .chunks_exact(padded::<F>(self.n))
            .map(|row| &row[..self.n])
    }

    /// Replaces its own weights: `b_of(neuron, output)`, called by neuron and then by output.
    pub(crate) fn assign(&mut self, mut b_of: impl FnMut(usize, usize) -> F) {
        let stride = padded::<F>(self.n);
        let b: &mut [F] = &mut self.b;
        let n_outputs = b.len() / stride;
        for j in 0..self.n {
            for k in 0..n_outputs {
                b[k * stride + j] = b_of(j, k);
            }
        }
    }

    /// Its weights are those of another stream.
    pub(crate) fn share_weights(&mut self, other: &Self) {
        self.b = other.b.share();
    }

    /// Gives its weights up, so that another stream may change them.
    pub(crate) fn release(&mut self) {
        self.b = Shared::default();
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::FeedbackWeights;
    use crate::Float;
    use crate::numbers::aligned::padded;
    use crate::numbers::shared::Shared;
    use crate::options::Feedback;
    use crate::parts::signal::{Backward, Lies};
    use crate::testing::{aligned, in_both, made, near};

    const N: usize = 5;
    const OUTPUTS: usize = 2;

    fn feedback<F: Float>(kind: Feedback) -> FeedbackWeights<F> {
        let mut feedback = made(|room| FeedbackWeights::new(room, kind, N, OUTPUTS, None));
        feedback.assign(|j, k| F::cast((10 * j + k) as f64));
        feedback
    }

    fn signal<F: Float>(feedback: &FeedbackWeights<F>) -> Vec<F> {
        let w_out: Shared<F> = aligned(&alloc::vec![F::ONE; OUTPUTS * padded::<F>(N)]).into();
        let backward = Backward {
            rows: &w_out,
            lies: Lies::ByOutput,
            factors: None,
        };
        let mut l = alloc::vec![F::ZERO; padded::<F>(N)];
        let err = [F::cast(2.0), F::cast(-0.5)];
        feedback.backward(backward).signal(&err, &mut l);
        l.truncate(N);
        l
    }

    in_both! {
        fn symmetric_feedback_is_the_readouts_weights_and_has_none_of_its_own<F>() {
            let feedback = feedback::<F>(Feedback::Symmetric);
            assert!(!feedback.has_own());
            assert_eq!(feedback.rows().count(), 0);
            near("L", &signal(&feedback), &[1.5; N]);
        }
    }

    in_both! {
        fn random_feedback_is_weights_of_its_own<F>() {
            let feedback = feedback::<F>(Feedback::Random);
            assert!(feedback.has_own());
            let expected: Vec<_> = (0..N).map(|j| 2.0 * (10 * j) as f64 - 0.5 * (10 * j + 1) as f64).collect();
            near("L", &signal(&feedback), &expected);
            for (k, row) in feedback.rows().enumerate() {
                near("row", row, &(0..N).map(|j| (10 * j + k) as f64).collect::<Vec<_>>());
            }
        }
    }

    in_both! {
        fn weights_are_asked_for_by_neuron_and_then_by_output<F>() {
            let mut asked = Vec::new();
            feedback::<F>(Feedback::Random).assign(|j, k| {
                asked.push((j, k));
                F::ZERO
            });
            let expected: Vec<_> = (0..N).flat_map(|j| (0..OUTPUTS).map(move |k| (j, k))).collect();
            assert_eq!(asked, expected);
        }
    }

    in_both! {
        fn streams_read_the_weights_of_the_first_until_they_let_them_go<F>() {
            let mut first = feedback::<F>(Feedback::Random);
            let mut other = made(|room| FeedbackWeights::new(room, Feedback::Random, N, OUTPUTS, Some(&first)));
            assert_eq!(other.b.as_ptr(), first.b.as_ptr());
            let place = first.b.as_ptr();
            other.release();
            first.assign(|_, _| F::ONE);
            assert_eq!(first.b.as_ptr(), place);
            other.share_weights(&first);
            assert_eq!(other.b.as_ptr(), place);
        }
    }
}
