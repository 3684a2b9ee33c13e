//! The scale of the input weights at which a batch fires at a given rate.

use super::BatchTrainer;
use super::check::in_stream;
use crate::{Error, Float, Inputs};

impl<F: Float> BatchTrainer<F> {
    /// Scales the input weights, and nothing else, so that the network fires at `rate` Hz on average over any number of sequences, each
    /// from a silent start. Comes within 10 %. State stays as it is.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`]; [`Error::Uncalibrated`] names the nearest rate reached. Then nothing has changed.
    ///
    /// ```
    /// # use eprop::{BatchTrainer, Config};
    /// let mut trainer = BatchTrainer::<f32>::new(3, 8, 2, Config { batch_size: 2, ..Config::default() })?;
    /// let inputs = ndarray::Array2::from_shape_fn((500, 3), |(t, i)| if t % 7 == i { 1.0 } else { 0.2 });
    /// trainer.calibrate(&[inputs.view().into()], 40.0)?;
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn calibrate(&mut self, inputs: &[Inputs<'_, F>], rate: f64) -> Result<f64, Error> {
        Ok(self
            .calibrate_while(inputs, rate, &mut || true)?
            .unwrap_or_default())
    }

    /// Like `calibrate`, but asks `keep_going` at every step; `None` when it says no, and then nothing has changed. Example: [`calibrate`](Self::calibrate).
    ///
    /// # Errors
    /// As `calibrate`.
    pub fn calibrate_while(
        &mut self,
        inputs: &[Inputs<'_, F>],
        rate: f64,
        keep_going: &mut dyn FnMut() -> bool,
    ) -> Result<Option<f64>, Error> {
        if inputs.is_empty() {
            return Err(Error::value("inputs", "at least one sequence", 0));
        }
        for (b, inputs) in inputs.iter().enumerate() {
            inputs
                .check(self.n_inputs())
                .map_err(|error| in_stream(error, b))?;
        }
        crate::config::positive("rate", rate)?;
        self.alter(|first| first.search_scale_of(inputs, rate, keep_going))
    }
}
