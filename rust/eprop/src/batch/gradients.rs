//! The gradient of whole sequences, summed over the streams of a batch.

use alloc::vec::Vec;

use super::BatchTrainer;
use super::check::{count, in_stream, same_length};
use super::stream::Stream;
use crate::gradients::{GradientRun, Gradients};
use crate::{EpropTrainer, Error, Float, parallel};

/// A gradient in the making, fed piece by piece. Example: [`BatchTrainer::gradient_run`].
#[derive(Clone, Debug)]
pub struct BatchGradientRun<F> {
    runs: Vec<GradientRun<EpropTrainer<F>>>,
    threads: usize,
}

impl<F: Float> BatchTrainer<F> {
    /// The gradient of the *sum* of the loss over all streams, each from a silent network.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`].
    ///
    /// ```
    /// # use eprop::{BatchTrainer, Config, Stream};
    /// let trainer = BatchTrainer::<f32>::new(3, 8, 2, Config { batch_size: 2, ..Config::default() })?;
    /// let (x, y) = (ndarray::Array3::ones((2, 9, 3)), ndarray::Array3::zeros((2, 9, 2)));
    /// assert!(trainer.gradients(&Stream::of(x.view(), y.view(), None))?.loss.is_finite());
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn gradients(&self, streams: &[Stream<'_, F>]) -> Result<Gradients<F>, Error> {
        self.check_sequence(streams)?;
        let mut run = self.gradient_run();
        run.piece(streams)?;
        Ok(run.finish())
    }

    /// Starts a gradient that is fed piece by piece.
    ///
    /// ```
    /// # use eprop::{BatchTrainer, Config, Stream};
    /// let trainer = BatchTrainer::<f32>::new(3, 8, 2, Config { batch_size: 2, ..Config::default() })?;
    /// let (x, y) = (ndarray::Array3::ones((2, 9, 3)), ndarray::Array3::zeros((2, 9, 2)));
    /// let streams = Stream::of(x.view(), y.view(), None);
    /// let mut run = trainer.gradient_run();
    /// run.piece(&streams)?;
    /// assert_eq!(run.finish(), trainer.gradients(&streams)?);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn gradient_run(&self) -> BatchGradientRun<F> {
        BatchGradientRun {
            runs: self
                .streams
                .iter()
                .map(EpropTrainer::gradient_run)
                .collect(),
            threads: parallel::threads(self.n_threads).unwrap_or(1),
        }
    }
}

impl<F: Float> BatchGradientRun<F> {
    /// Takes in the next steps of every stream. Example: [`BatchTrainer::gradient_run`].
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`], and then nothing has changed.
    pub fn piece(&mut self, streams: &[Stream<'_, F>]) -> Result<(), Error> {
        count("streams", self.runs.len(), streams.len())?;
        same_length(
            "streams",
            streams.iter().map(|stream| stream.inputs.n_steps()),
        )?;
        for (b, (run, stream)) in self.runs.iter().zip(streams).enumerate() {
            run.check(stream.inputs, stream.targets, stream.mask)
                .map_err(|error| in_stream(error, b))?;
        }
        let mut results = alloc::vec![Ok(()); streams.len()];
        let jobs = self
            .runs
            .iter_mut()
            .zip(streams)
            .zip(&mut results)
            .collect();
        parallel::run(self.threads, jobs, |((run, stream), result)| {
            *result = run.piece(stream.inputs, stream.targets, stream.mask);
        });
        results.into_iter().collect()
    }

    /// The gradient of all pieces and streams together. Example: [`BatchTrainer::gradient_run`].
    pub fn finish(self) -> Gradients<F> {
        let mut parts = alloc::vec![None; self.runs.len()];
        let jobs = self.runs.into_iter().zip(&mut parts).collect();
        parallel::run(self.threads, jobs, |(run, part)| *part = Some(run.finish()));
        let sum = parts
            .into_iter()
            .flatten()
            .reduce(|mut sum, part: Gradients<F>| {
                sum.w_in.zip_mut_with(&part.w_in, |sum, &g| *sum += g);
                sum.w_rec.zip_mut_with(&part.w_rec, |sum, &g| *sum += g);
                sum.w_out.zip_mut_with(&part.w_out, |sum, &g| *sum += g);
                sum.b.zip_mut_with(&part.b, |sum, &g| *sum += g);
                sum.loss += part.loss;
                sum
            });
        sum.unwrap_or_else(Gradients::none)
    }
}
