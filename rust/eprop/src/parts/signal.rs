//! What reaches the synapses at one step besides their sources: the learning signal, and the matrix `B` that carries errors back.

use crate::Float;
use crate::kernels::{add_row, mix_rows};
use crate::numbers::shared::Shared;

/// `B` as it lies in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lies {
    /// A padded row of N per output.
    ByOutput,
    /// A row of O per neuron, padded to this width.
    ByNeuron(usize),
}

/// `B`, read where it lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backward<'a, F> {
    pub(crate) rows: &'a Shared<F>,
    pub(crate) lies: Lies,
    /// Where the weights are in factors, what to take off: `B_jk = rows_kj - f_j V_k`.
    pub(crate) factors: Option<(&'a [F], &'a [F])>,
}

/// `B` of weights that rest, held as long as somebody needs it as it was.
#[derive(Debug)]
pub(crate) struct Held<F> {
    rows: Shared<F>,
    lies: Lies,
}

impl<F: Float> Backward<'_, F> {
    /// Writes `L_j = sum_k B_jk err_k`, padded.
    pub(crate) fn signal(&self, err: &[F], l: &mut [F]) {
        match self.lies {
            Lies::ByOutput => {
                mix_rows(self.rows, err, l);
                if let Some((f, v)) = self.factors {
                    let dot: F = v.iter().zip(err).map(|(&v, &err)| v * err).sum();
                    add_row(-dot, f, l);
                }
            }
            Lies::ByNeuron(width) => {
                for (l, row) in l.iter_mut().zip(self.rows.chunks_exact(width)) {
                    *l = row.iter().zip(err).map(|(&b, &err)| b * err).sum();
                }
            }
        }
    }

    /// One more reader, of weights that are in no factors.
    pub(crate) fn hold(&self) -> Held<F> {
        debug_assert!(self.factors.is_none());
        Held {
            rows: self.rows.share(),
            lies: self.lies,
        }
    }
}

impl<F: Float> Held<F> {
    /// `B` of some neurons, from column `column` on: a row of `width` neurons per output.
    pub(crate) fn tile(&self, column: usize, width: usize, stride: usize, tile: &mut [F]) {
        match self.lies {
            Lies::ByOutput => {
                for (k, tile) in tile.chunks_exact_mut(width).enumerate() {
                    tile.copy_from_slice(&self.rows[k * stride + column..][..width]);
                }
            }
            Lies::ByNeuron(outputs) => {
                tile.fill(F::ZERO);
                let neurons = self.rows.chunks_exact(outputs).skip(column).take(width);
                for (l, row) in neurons.enumerate() {
                    for (tile, &b) in tile.chunks_exact_mut(width).zip(row) {
                        tile[l] = b;
                    }
                }
            }
        }
    }
}

/// The errors of a step, `B`, what `B` makes of the errors, and the regulariser's coefficient on raw `e`.
/// The block form filters errors in time before they meet `B`, and does without `L`.
#[derive(Clone, Copy)]
pub(crate) struct Signal<'a, F> {
    pub(crate) err: &'a [F],
    pub(crate) b: Backward<'a, F>,
    /// `L`, padded; empty where the synapses do not read it.
    pub(crate) l: &'a [F],
    /// Padded.
    pub(crate) r: Option<&'a [F]>,
}
