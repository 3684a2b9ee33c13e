//! The feedback: how the readout's errors reach the neurons, `L = B err`.

use alloc::vec;
use alloc::vec::Vec;

use crate::Float;
use crate::config::choice;
use crate::persist::persist;

choice! {
    /// Where the matrix `B` (N, O) of the learning signal comes from.
    ///
    /// ```
    /// use eprop::Feedback;
    /// assert_eq!(Feedback::Random.as_str(), "random");
    /// ```
    pub enum Feedback as "feedback" {
        /// `W_out^T`, as it is before this step's update: the gradient is exact.
        Symmetric = "symmetric",
        /// Fixed, drawn from N(0, 1/N): feedback alignment, approximate.
        Random = "random",
    }
}

/// The feedback's own weights, by neuron: N rows of O; empty where `B` is `W_out^T`.
#[derive(Clone, Debug)]
pub(crate) struct FeedbackWeights<F> {
    kind: Feedback,
    b: Vec<F>,
}

persist!(FeedbackWeights {
    weights: [b],
    state: [],
    scratch: []
});

impl<F: Float> FeedbackWeights<F> {
    pub(crate) fn new(kind: Feedback, random: impl FnOnce() -> Vec<F>) -> Self {
        let b = match kind {
            Feedback::Symmetric => vec![],
            Feedback::Random => random(),
        };
        Self { kind, b }
    }

    /// `B` by neuron, given `W_out` by source, which has the same layout.
    pub(crate) fn matrix<'a>(&'a self, w_out: &'a [F]) -> &'a [F] {
        match self.kind {
            Feedback::Symmetric => w_out,
            Feedback::Random => &self.b,
        }
    }

    /// The matrix that a user may assign, if there is one.
    pub(crate) fn own_mut(&mut self) -> Option<&mut [F]> {
        match self.kind {
            Feedback::Symmetric => None,
            Feedback::Random => Some(&mut self.b),
        }
    }
}

/// What reaches the synapses at one step: the errors, the matrix they pass through, and the regulariser's coefficient on raw `e`.
/// A form that filters errors in time does so before they meet `B`.
#[derive(Clone, Copy)]
pub(crate) struct Signal<'a, F> {
    pub(crate) err: &'a [F],
    pub(crate) b: &'a [F],
    pub(crate) r: Option<&'a [F]>,
}

impl<F: Float> Signal<'_, F> {
    /// Writes `L_j = sum_k B_jk err_k`.
    pub(crate) fn learning_signal(&self, l: &mut [F]) {
        for (l, row) in l.iter_mut().zip(self.b.chunks_exact(self.err.len())) {
            *l = row.iter().zip(self.err).map(|(&b, &err)| b * err).sum();
        }
    }
}
