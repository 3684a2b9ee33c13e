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
            Feedback::Symmetric => Self {
                kind,
                n,
                b: Aligned::zeros(0),
            },
            Feedback::Random => {
                let random = random();
                let mut this = Self {
                    kind,
                    n,
                    b: Aligned::zeros(random.len() / n * padded::<F>(n)),
                };
                this.set(&random);
                this
            }
        }
    }

    /// The way back of the errors, given that through `W_out`.
    pub(crate) fn backward<'a>(&'a self, w_out: Backward<'a, F>) -> Backward<'a, F> {
        match self.kind {
            Feedback::Symmetric => w_out,
            Feedback::Random => Backward::ByOutput {
                rows: &self.b,
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
            row.iter()
                .enumerate()
                .for_each(|(k, &b)| self.b[k * stride + j] = b);
        }
    }
}

/// `B` as it lies in memory.
#[derive(Clone, Copy)]
pub(crate) enum Backward<'a, F> {
    /// A padded row of N per output, and, where the weights are in factors, what to take off: `B_jk = rows_kj - f_j V_k`.
    ByOutput {
        rows: &'a [F],
        factors: Option<(&'a [F], &'a [F])>,
    },
    /// A row of O per neuron, padded to `width`.
    ByNeuron { rows: &'a [F], width: usize },
}

impl<F: Float> Backward<'_, F> {
    /// Writes `L_j = sum_k B_jk err_k`, padded.
    pub(crate) fn signal(&self, err: &[F], l: &mut [F]) {
        match *self {
            Self::ByOutput { rows, factors } => {
                mix_rows(rows, err, l);
                if let Some((f, v)) = factors {
                    let dot: F = v.iter().zip(err).map(|(&v, &err)| v * err).sum();
                    add_row(-dot, f, l);
                }
            }
            // Only forms that do not ask for it lie so.
            Self::ByNeuron { rows, width } => {
                for (l, row) in l.iter_mut().zip(rows.chunks_exact(width)) {
                    *l = row.iter().zip(err).map(|(&b, &err)| b * err).sum();
                }
            }
        }
    }

    /// `B` of some neurons, from column `column` on: a row of `width` neurons per output. Of weights that rest, which are in no factors.
    pub(crate) fn tile(&self, column: usize, width: usize, stride: usize, tile: &mut [F]) {
        match *self {
            Self::ByOutput { rows, .. } => {
                for (k, tile) in tile.chunks_exact_mut(width).enumerate() {
                    tile.copy_from_slice(&rows[k * stride + column..][..width]);
                }
            }
            Self::ByNeuron {
                rows,
                width: outputs,
            } => {
                tile.fill(F::ZERO);
                for (l, row) in rows
                    .chunks_exact(outputs)
                    .skip(column)
                    .take(width)
                    .enumerate()
                {
                    for (tile, &b) in tile.chunks_exact_mut(width).zip(row) {
                        tile[l] = b;
                    }
                }
            }
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
