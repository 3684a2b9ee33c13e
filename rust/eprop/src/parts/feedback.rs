//! The feedback: how the readout's errors reach the neurons, `L = B err`.

use super::signal::{Backward, Lies};
use crate::kernels::scale_row;
use crate::numbers::aligned::padded;
use crate::numbers::lazy::Lazy;
use crate::numbers::room::Room;
use crate::numbers::shared::Shared;
use crate::numbers::walk::parts;
use crate::options::{Config, Feedback};
use crate::{Error, Float};

/// The feedback's own weights, a padded row of N per output; empty where `B` is `W_out^T`.
///
/// Adaptive weights take the steps of `W_out^T`, whatever the optimizer made of a gradient. So what lies between the two changes by decay alone:
/// `B = W_out^T + apart`, and `apart` is multiplied with `keep` at each update.
#[derive(Debug)]
pub(crate) struct FeedbackWeights<F> {
    kind: Feedback,
    n: usize,
    keep: F,
    b: Shared<F>,
    apart: Shared<F>,
}

parts!(FeedbackWeights { Weight: [b, apart] });

impl<F: Float> FeedbackWeights<F> {
    /// Zeros, or those of the stream `first`.
    pub(crate) fn new(
        room: &mut Room,
        config: &Config,
        n: usize,
        n_outputs: usize,
        first: Option<&Self>,
    ) -> Result<Self, Error> {
        let kind = config.feedback;
        let (rows, rows_apart) = match kind {
            Feedback::Symmetric => (0, 0),
            Feedback::Random => (n_outputs, 0),
            Feedback::Adaptive => (n_outputs, n_outputs),
        };
        let (b, apart) = match first {
            Some(first) => (first.b.share(), first.apart.share()),
            None => (
                room.shared(rows, padded::<F>(n))?,
                room.shared(rows_apart, padded::<F>(n))?,
            ),
        };
        Ok(Self {
            kind,
            n,
            keep: F::cast(1.0 - config.feedback_decay),
            b,
            apart,
        })
    }

    /// The way back of the errors, given that through `W_out`.
    pub(crate) fn backward<'a>(&'a self, w_out: Backward<'a, F>) -> Backward<'a, F> {
        match self.kind {
            Feedback::Symmetric => w_out,
            Feedback::Random | Feedback::Adaptive => Backward {
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
            Feedback::Random | Feedback::Adaptive => true,
        }
    }

    pub(crate) fn is_adaptive(&self) -> bool {
        self.kind == Feedback::Adaptive
    }

    /// What `W_out` is multiplied with after its step.
    pub(crate) fn keep(&self) -> F {
        self.keep
    }

    /// After an update of `W_out` which has multiplied it with `keep`, too: the same step.
    pub(crate) fn follow(&mut self, keep: F, w_out: &Lazy<F>) {
        if !self.is_adaptive() {
            return;
        }
        if keep != F::ONE {
            scale_row(keep, &mut self.apart);
        }
        let (stride, apart): (_, &[F]) = (padded::<F>(self.n), &self.apart);
        let b: &mut [F] = &mut self.b;
        w_out.each(|j, k, w| b[k * stride + j] = w + apart[k * stride + j]);
    }

    /// After `B` or `W_out` was assigned: they go on from what they are.
    pub(crate) fn part_from(&mut self, w_out: &Lazy<F>) {
        if !self.is_adaptive() {
            return;
        }
        let (stride, b): (_, &[F]) = (padded::<F>(self.n), &self.b);
        let apart: &mut [F] = &mut self.apart;
        w_out.each(|j, k, w| apart[k * stride + j] = b[k * stride + j] - w);
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
        self.apart = other.apart.share();
    }

    /// Gives its weights up, so that another stream may change them.
    pub(crate) fn release(&mut self) {
        self.b = Shared::default();
        self.apart = Shared::default();
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::FeedbackWeights;
    use crate::Float;
    use crate::numbers::aligned::padded;
    use crate::numbers::shared::Shared;
    use crate::options::{Config, Feedback};
    use crate::parts::signal::{Backward, Lies};
    use crate::testing::{aligned, in_both, made, near};

    const N: usize = 5;
    const OUTPUTS: usize = 2;

    fn config(feedback: Feedback) -> Config {
        Config {
            feedback,
            ..Config::default()
        }
    }

    fn feedback<F: Float>(kind: Feedback) -> FeedbackWeights<F> {
        let mut feedback = made(|room| FeedbackWeights::new(room, &config(kind), N, OUTPUTS, None));
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
            let mut other = made(|room| FeedbackWeights::new(room, &config(Feedback::Random), N, OUTPUTS, Some(&first)));
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
