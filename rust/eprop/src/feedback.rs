//! The feedback: how the readout's errors reach the neurons, `L = B err`.

use alloc::vec::Vec;

use crate::Float;
use crate::aligned::{Aligned, padded};
use crate::config::choice;
use crate::kernels::{add_row, mix_rows};
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

/// The feedback's own weights, a padded row of N per output; empty where `B` is `W_out^T`.
#[derive(Clone, Debug)]
pub(crate) struct FeedbackWeights<F> {
    kind: Feedback,
    n: usize,
    b: Aligned<F>,
}

persist!(FeedbackWeights {
    weights: [b],
    state: [],
    scratch: []
});

impl<F: Float> FeedbackWeights<F> {
    /// `random`: by neuron, N rows of O.
    pub(crate) fn new(kind: Feedback, n: usize, random: impl FnOnce() -> Vec<F>) -> Self {
        match kind {
            Feedback::Symmetric => Self { kind, n, b: Aligned::zeros(0) },
            Feedback::Random => {
                let random = random();
                let mut this = Self { kind, n, b: Aligned::zeros(random.len() / n * padded::<F>(n)) };
                this.set(&random);
                this
            }
        }
    }

    /// The way back of the errors, given that through `W_out`.
    pub(crate) fn backward<'a>(&'a self, w_out: Backward<'a, F>) -> Backward<'a, F> {
        match self.kind {
            Feedback::Symmetric => w_out,
            Feedback::Random => Backward { rows: &self.b, factors: None },
        }
    }

    /// Whether `B` is weights of its own, which a user may assign.
    pub(crate) fn has_own(&self) -> bool {
        match self.kind {
            Feedback::Symmetric => false,
            Feedback::Random => true,
        }
    }

    /// Its own weights by neuron: N rows of O.
    pub(crate) fn by_neuron(&self) -> Vec<F> {
        let stride = padded::<F>(self.n);
        let n_outputs = self.b.len() / stride;
        let places = (0..self.n).flat_map(|j| (0..n_outputs).map(move |k| k * stride + j));
        places.map(|at| self.b[at]).collect()
    }

    /// Replaces its own weights, given by neuron.
    pub(crate) fn set(&mut self, by_neuron: &[F]) {
        let stride = padded::<F>(self.n);
        let n_outputs = by_neuron.len() / self.n;
        for (j, row) in by_neuron.chunks_exact(n_outputs).enumerate() {
            row.iter().enumerate().for_each(|(k, &b)| self.b[k * stride + j] = b);
        }
    }
}

/// `B` in the layout of the readouts: a padded row of N per output, and, where the weights are in factors, what to take off:
/// `B_jk = rows_kj - f_j V_k`.
#[derive(Clone, Copy)]
pub(crate) struct Backward<'a, F> {
    pub(crate) rows: &'a [F],
    pub(crate) factors: Option<(&'a [F], &'a [F])>,
}

impl<F: Float> Backward<'_, F> {
    /// Writes `L_j = sum_k B_jk err_k`, padded.
    pub(crate) fn signal(&self, err: &[F], l: &mut [F]) {
        mix_rows(self.rows, err, l);
        if let Some((f, v)) = self.factors {
            let dot: F = v.iter().zip(err).map(|(&v, &err)| v * err).sum();
            add_row(-dot, f, l);
        }
    }
}

/// What reaches the synapses at one step: the errors, what `B` makes of them, and the regulariser's coefficient on raw `e`.
/// A form that works on blocks filters errors in time before they meet `B`, and does without `L`.
#[derive(Clone, Copy)]
pub(crate) struct Signal<'a, F> {
    pub(crate) err: &'a [F],
    /// `L`, padded; empty where the synapses do not ask for it.
    pub(crate) l: &'a [F],
    /// Padded.
    pub(crate) r: Option<&'a [F]>,
}
