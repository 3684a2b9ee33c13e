//! What reaches the synapses at one step besides their sources: the learning signal, and the matrix `B` that carries errors back.

use crate::Float;
use crate::kernels::{add_row, mix_rows};
use crate::numbers::parallel;
use crate::numbers::scale::Scale;
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
    /// Where the weights are in factors, these: `B_jk = p (rows_kj - f_j V_k)`.
    pub(crate) factors: Option<(&'a [F], &'a [F], Scale)>,
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
                let (stride, share) = (l.len(), parallel::share(l.len()));
                let dot = |v: &[F]| -> F { v.iter().zip(err).map(|(&v, &err)| v * err).sum() };
                let factors = self.factors.map(|(f, v, scale)| (f, dot(v), scale));
                let of_some = |from: usize, l: &mut [F]| {
                    mix_rows(&self.rows[from..], stride, err, l);
                    if let Some((f, dot, scale)) = factors {
                        add_row(-dot, &f[from..], l);
                        scale.apply(l);
                    }
                };
                if share >= stride {
                    return of_some(0, l);
                }
                let parts = l.chunks_mut(share).enumerate();
                parallel::each(parts, |(at, l)| of_some(at * share, l));
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
    /// Whether both are the same `B`.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.rows.is(&other.rows)
    }

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
    /// Empty where `L` is the user's own.
    pub(crate) err: &'a [F],
    pub(crate) b: Backward<'a, F>,
    /// `L`, padded; empty where the synapses do not read it.
    pub(crate) l: &'a [F],
    /// Padded.
    pub(crate) r: Option<&'a [F]>,
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::{Backward, Lies, Scale};
    use crate::Float;
    use crate::numbers::shared::Shared;
    use crate::testing::{Noise, aligned, doubles, in_both, near, same_bits};

    const N: usize = 16;
    const OUTPUTS: usize = 3;
    /// Of a row of outputs.
    const WIDTH: usize = 16;

    /// `B` of neuron j and output k.
    fn b(j: usize, k: usize) -> f64 {
        j as f64 - 4.0 * k as f64 + 0.5
    }

    fn rows<F: Float>(lies: Lies) -> Shared<F> {
        let numbers = match lies {
            Lies::ByOutput => (0..OUTPUTS * N).map(|at| b(at % N, at / N)).collect(),
            Lies::ByNeuron(width) => {
                let number = |at| {
                    if at % width < OUTPUTS {
                        b(at / width, at % width)
                    } else {
                        0.0
                    }
                };
                (0..N * width).map(number).collect::<Vec<_>>()
            }
        };
        aligned(&numbers.into_iter().map(F::cast).collect::<Vec<_>>()).into()
    }

    in_both! {
        fn errors_go_back_through_b_whichever_way_it_lies<F>() {
            let err = [0.5, -1.0, 2.0];
            let expected: [f64; N] = core::array::from_fn(|j| (0..OUTPUTS).map(|k| b(j, k) * err[k]).sum());
            for lies in [Lies::ByOutput, Lies::ByNeuron(WIDTH)] {
                let mut l = [F::ONE; N];
                Backward { rows: &rows(lies), lies, factors: None }.signal(&err.map(F::cast), &mut l);
                near("L", &l, &expected);
            }
        }
    }

    in_both! {
        fn factors_are_taken_off_the_rows<F>() {
            let mut noise = Noise(1);
            let (f, v) = (noise.numbers::<F>(N), noise.numbers::<F>(OUTPUTS));
            let err = [0.5, -1.0, 2.0];
            let mut decayed = Scale::ONE;
            decayed.decay(0.75);
            for (scale, p) in [(Scale::ONE, 1.0), (decayed, 0.75)] {
                let expected: [f64; N] = core::array::from_fn(|j| {
                    (0..OUTPUTS).map(|k| p * (b(j, k) - f[j].to_f64() * v[k].to_f64()) * err[k]).sum()
                });
                let mut l = [F::ONE; N];
                let backward = Backward { rows: &rows(Lies::ByOutput), lies: Lies::ByOutput, factors: Some((&f, &v, scale)) };
                backward.signal(&err.map(F::cast), &mut l);
                near("L", &l, &expected);
            }
        }
    }

    in_both! {
        fn a_tile_is_some_neurons_of_every_output_whichever_way_b_lies<F>() {
            for lies in [Lies::ByOutput, Lies::ByNeuron(WIDTH)] {
                let rows = rows::<F>(lies);
                let held = Backward { rows: &rows, lies, factors: None }.hold();
                for (column, width) in [(0, 8), (8, 8), (0, 16)] {
                    let mut tile = vec![F::ONE; OUTPUTS * width];
                    held.tile(column, width, N, &mut tile);
                    for (k, row) in tile.chunks_exact(width).enumerate() {
                        near("tile", row, &(column..column + width).map(|j| b(j, k)).collect::<Vec<_>>());
                    }
                }
            }
        }
    }

    in_both! {
        fn beyond_the_last_neuron_a_tile_is_zero<F>() {
            // Five neurons, in rows of outputs.
            let five = aligned(&rows::<F>(Lies::ByNeuron(WIDTH))[..5 * WIDTH]).into();
            let held = Backward { rows: &five, lies: Lies::ByNeuron(WIDTH), factors: None }.hold();
            let mut tile = vec![F::ONE; OUTPUTS * 16];
            held.tile(0, 16, 16, &mut tile);
            for row in tile.chunks_exact(16) {
                assert!(row[5..].iter().all(|&b| b == F::ZERO));
                assert!(row[..5].iter().all(|&b| b != F::ZERO));
            }
        }
    }

    in_both! {
        fn what_is_held_stays_when_the_weights_change<F>() {
            let mut rows = rows::<F>(Lies::ByOutput);
            let held = Backward { rows: &rows, lies: Lies::ByOutput, factors: None }.hold();
            let before = doubles(&rows);
            rows.fill(F::ZERO);
            let mut tile = vec![F::ZERO; OUTPUTS * N];
            held.tile(0, N, N, &mut tile);
            same_bits("B", &tile, &before.into_iter().map(F::cast).collect::<Vec<_>>());
        }
    }
}
