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
