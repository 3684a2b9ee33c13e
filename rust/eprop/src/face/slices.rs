//! Matrices as slices, for those who have no other use for ndarray.

use ndarray::{ArrayView2, ArrayViewMut2};

use super::access::Matrix;
use crate::error::Dim;
use crate::{EpropTrainer, Error, Float};

impl<F: Float> EpropTrainer<F> {
    /// Reads a matrix row by row into a slice of as many numbers as [`dim`](Self::dim) says.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    ///
    /// ```
    /// use eprop::{Config, EpropTrainer, Matrix};
    /// let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// let mut w_in = [0.0; 8 * 3];
    /// trainer.read_slice(Matrix::WIn, &mut w_in)?;
    /// assert_eq!(w_in[3 * 5 + 1], trainer.w_in()[(5, 1)]);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn read_slice(&self, matrix: Matrix, to: &mut [F]) -> Result<(), Error> {
        let (dim, len) = (self.dim(matrix), to.len());
        let to = ArrayViewMut2::from_shape(dim, to).ok();
        let to = to.filter(|to| to.len() == len);
        self.read(matrix, to.ok_or_else(|| of_another_length("to", dim, len))?)
    }

    /// Assigns weights, row by row, from a slice: one of `W_in`, `W_rec`, `W_out` and `B`.
    ///
    /// # Errors
    /// [`Error::Shape`] for a slice of another length, [`Error::Value`] for traces, which are only read; all that assigning the matrix raises.
    ///
    /// ```
    /// use eprop::{Config, EpropTrainer, Matrix};
    /// let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// trainer.assign_slice(Matrix::WOut, &[0.25; 2 * 8])?;
    /// assert_eq!(trainer.w_out()[(1, 7)], 0.25);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn assign_slice(&mut self, matrix: Matrix, from: &[F]) -> Result<(), Error> {
        let (dim, len) = (self.dim(matrix), from.len());
        let from = ArrayView2::from_shape(dim, from).ok();
        let from = from.filter(|from| from.len() == len);
        let from = from.ok_or_else(|| of_another_length("from", dim, len))?;
        match matrix {
            Matrix::WIn => self.set_w_in(from),
            Matrix::WRec => self.set_w_rec(from),
            Matrix::WOut => self.set_w_out(from),
            Matrix::B => self.set_b_feedback(from),
            Matrix::EBar(_) | Matrix::ZBar(_) => {
                let expected = "W_in, W_rec, W_out or B, since traces are only read";
                Err(Error::value("matrix", expected, "traces"))
            }
        }
    }
}

fn of_another_length(argument: &'static str, (rows, columns): (usize, usize), got: usize) -> Error {
    let expected = rows.saturating_mul(columns);
    Error::shape(argument, &[Dim::Is(expected)], &[got])
}
