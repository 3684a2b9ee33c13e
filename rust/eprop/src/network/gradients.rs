//! Gradients by every parameter, as they are handed out and taken in.

use alloc::vec::Vec;

use ndarray::{Array, Array1, Array2, Dimension};

use super::recurrent::group;
use super::wiring::{GradientParts, Sum};
use crate::numbers::interrupt::Pace;
use crate::numbers::memory;
use crate::numbers::wires::Wires;
use crate::{Error, Float};

/// The gradient of the summed loss, and of the regulariser, by every parameter of an [`EpropTrainer`](crate::EpropTrainer). Example:
/// [`Trainer::apply_gradients`](crate::Trainer::apply_gradients).
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients<F> {
    /// (N, n_inputs); where rows are lists of synapses ([`is_listed`](crate::EpropTrainer::is_listed)), a row of their numbers (1, synapses)
    pub w_in: Array2<F>,
    /// (N, N), diagonal 0; or a row, as `w_in`
    pub w_rec: Array2<F>,
    /// (O, N)
    pub w_out: Array2<F>,
    /// (O,), 0 without `readout_bias`
    pub b: Array1<F>,
    /// The loss, summed over the steps that have a target; the regulariser is in the gradient, not in here.
    pub loss: f64,
    /// How many steps had a target, of all streams.
    pub n_targets: u64,
    /// How many streams it came from.
    pub n_streams: u64,
}

impl<F: Float> GradientParts for Gradients<F> {
    fn sum(&self) -> Sum {
        Sum {
            loss: self.loss,
            n_targets: self.n_targets,
            n_streams: self.n_streams,
        }
    }

    fn squared_lengths(&self, to: &mut [f64], pace: &mut Pace<'_>) -> Result<(), Error> {
        to[group::IN] = squared_length(&self.w_in, pace)?;
        to[group::REC] = squared_length(&self.w_rec, pace)?;
        to[group::OUT] = squared_length(&self.w_out, pace)? + squared_length(&self.b, pace)?;
        Ok(())
    }
}

impl<F: Float> Gradients<F> {
    /// Of every neuron: as the target of inputs, as that of neurons, and of every readout. `wires`: the synapses, where rows are lists of them.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub(crate) fn lengths_of_neurons(
        &self,
        wires: Option<&Wires>,
        to: &mut [f64],
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        let (n_outputs, n) = self.w_out.dim();
        let (to_in, to) = to.split_at_mut(n);
        let (to_rec, to_out) = to.split_at_mut(n);
        match wires {
            None => {
                squares_of_rows(&self.w_in, to_in, pace)?;
                squares_of_rows(&self.w_rec, to_rec, pace)?;
            }
            Some(wires) => {
                let targets = wires.all_targets().split_at(self.w_in.len());
                squares_of_lists(&self.w_in, targets.0, to_in, pace)?;
                squares_of_lists(&self.w_rec, targets.1, to_rec, pace)?;
            }
        }
        squares_of_rows(&self.w_out, &mut to_out[..n_outputs], pace)?;
        for (to, b) in to_out.iter_mut().zip(&self.b) {
            *to += b.to_f64() * b.to_f64();
        }
        Ok(())
    }
}

/// The squared length of each row of a matrix.
fn squares_of_rows<F: Float>(
    g: &Array2<F>,
    to: &mut [f64],
    pace: &mut Pace<'_>,
) -> Result<(), Error> {
    for (row, to) in g.rows().into_iter().zip(to) {
        *to = row.iter().map(|g| g.to_f64() * g.to_f64()).sum();
        pace.pass(row.len())?;
    }
    Ok(())
}

/// The same of the numbers of synapses, each with the neuron that it leads to.
fn squares_of_lists<F: Float>(
    g: &Array2<F>,
    targets: &[u32],
    to: &mut [f64],
    pace: &mut Pace<'_>,
) -> Result<(), Error> {
    to.fill(0.0);
    for (g, &j) in g.iter().zip(targets) {
        to[j as usize] += g.to_f64() * g.to_f64();
    }
    pace.pass(targets.len())
}

/// The gradient of the summed loss by every weight of an [`OnlineTrainer`](crate::OnlineTrainer). Example:
/// [`Trainer::gradients`](crate::Trainer::gradients).
#[derive(Clone, Debug, PartialEq)]
pub struct StackGradients<F> {
    /// Per layer, (its size, the size below)
    pub w: Vec<Array2<F>>,
    /// The loss, summed over the steps that have a target.
    pub loss: f64,
    /// How many steps had a target, of all streams.
    pub n_targets: u64,
    /// How many streams it came from.
    pub n_streams: u64,
}

impl<F: Float> GradientParts for StackGradients<F> {
    fn sum(&self) -> Sum {
        Sum {
            loss: self.loss,
            n_targets: self.n_targets,
            n_streams: self.n_streams,
        }
    }

    fn squared_lengths(&self, to: &mut [f64], pace: &mut Pace<'_>) -> Result<(), Error> {
        for (to, w) in to.iter_mut().zip(&self.w) {
            *to = squared_length(w, pace)?;
        }
        Ok(())
    }
}

/// Row by row, however they lie.
fn squared_length<F: Float, D: Dimension>(
    g: &Array<F, D>,
    pace: &mut Pace<'_>,
) -> Result<f64, Error> {
    let mut squared = 0.0;
    for row in g.rows() {
        squared += row.iter().map(|g| g.to_f64() * g.to_f64()).sum::<f64>();
        pace.pass(row.len())?;
    }
    Ok(squared)
}

/// Padded rows, one per column of a matrix, as the matrix.
///
/// # Errors
/// [`Error::TooLarge`], [`Error::Interrupted`].
pub(crate) fn transposed<'a, F: Float>(
    what: &str,
    padded_rows: impl Iterator<Item = &'a [F]>,
    (rows, columns): (usize, usize),
    pace: &mut Pace<'_>,
) -> Result<Array2<F>, Error> {
    let mut matrix = memory::matrix(what, rows, columns)?;
    for (column, row) in matrix.columns_mut().into_iter().zip(padded_rows) {
        memory::fill(column, row);
        pace.pass(rows)?;
    }
    Ok(matrix)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::transposed;
    use crate::testing::unasked;

    #[test]
    fn padded_rows_become_the_columns_of_a_matrix() {
        let pace = &mut unasked();
        let rows = [1.0, 2.0, 9.0, 3.0, 4.0, 9.0, 5.0, 6.0, 9.0];
        let matrix = transposed("W", rows.chunks_exact(3), (2, 3), pace).unwrap();
        assert_eq!(matrix, ndarray::array![[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]]);
        let fewer = transposed("W", rows.chunks_exact(3).take(1), (2, 3), pace).unwrap();
        assert_eq!(fewer, ndarray::array![[1.0, 0.0, 0.0], [2.0, 0.0, 0.0]]);
        assert!(transposed::<f64>("W", [].into_iter(), (usize::MAX, 3), pace).is_err());
    }
}
