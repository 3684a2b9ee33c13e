//! Everything that a batch is fed is looked at before anything changes.

use ndarray::ArrayViewMut3;

use super::BatchTrainer;
use super::stream::{BatchTally, Stream};
use crate::error::Dim;
use crate::sequence;
use crate::{EpropTrainer, Error, Float, Inputs, parallel};

impl<F: Float> BatchTrainer<F> {
    /// Checks whole sequences as `train_sequence` does: shapes, values, one length for all, T >= 1.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`].
    ///
    /// ```
    /// # use eprop::{BatchTrainer, Config, Stream};
    /// let trainer = BatchTrainer::<f32>::new(3, 8, 2, Config { batch_size: 2, ..Config::default() })?;
    /// let (x, y) = (ndarray::Array3::ones((3, 9, 3)), ndarray::Array3::zeros((3, 9, 2)));
    /// let error = trainer.check_sequence(&Stream::of(x.view(), y.view(), None)).unwrap_err();
    /// assert_eq!(error.to_string(), "inputs: expected 2 streams, got 3");
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn check_sequence(&self, streams: &[Stream<'_, F>]) -> Result<(), Error> {
        self.check_count("inputs", streams.len())?;
        same_length(
            "inputs",
            streams.iter().map(|stream| stream.inputs.n_steps()),
        )?;
        self.check_all(streams, |network, stream| {
            sequence::check_sequence(network, stream.inputs, stream.targets, stream.mask)
        })
    }

    /// Checks the inputs of whole sequences: shape, values, one length for all, T >= 1. Example: [`check_sequence`](Self::check_sequence).
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`].
    pub fn check_inputs(&self, inputs: &[Inputs<'_, F>]) -> Result<(), Error> {
        self.check_count("inputs", inputs.len())?;
        same_length("inputs", inputs.iter().map(Inputs::n_steps))?;
        self.check_all(inputs, |network, inputs| inputs.check(network.n_inputs()))
    }

    /// Looks at all streams; the first at fault says what is wrong.
    pub(super) fn check_all<T: Sync>(
        &self,
        items: &[T],
        check: impl Fn(&EpropTrainer<F>, &T) -> Result<(), Error> + Send + Sync,
    ) -> Result<(), Error> {
        let mut results = alloc::vec![Ok(()); items.len()];
        let threads = parallel::threads(self.n_threads).unwrap_or(1);
        let jobs = self.streams.iter().zip(items).zip(&mut results).collect();
        parallel::run(threads, jobs, |((network, item), result)| {
            *result = check(network, item)
        });
        for (b, result) in results.into_iter().enumerate() {
            result.map_err(|error| in_stream(error, b))?;
        }
        Ok(())
    }

    pub(super) fn check_count(&self, argument: &'static str, got: usize) -> Result<(), Error> {
        count(argument, self.streams.len(), got)
    }

    /// Sums for every stream, and for every neuron of it.
    pub(super) fn check_tally(&self, tally: &BatchTally) -> Result<(), Error> {
        self.check_count("tally", tally.0.len())?;
        for (b, (stream, tally)) in self.streams.iter().zip(&tally.0).enumerate() {
            sequence::check_tally(stream, tally).map_err(|error| in_stream(error, b))?;
        }
        Ok(())
    }

    pub(super) fn check_room(
        &self,
        argument: &'static str,
        room: &ArrayViewMut3<'_, F>,
        n_steps: usize,
        columns: usize,
    ) -> Result<(), Error> {
        if room.dim() == (self.streams.len(), n_steps, columns) {
            return Ok(());
        }
        let expected = [
            Dim::Is(self.streams.len()),
            Dim::Is(n_steps),
            Dim::Is(columns),
        ];
        Err(Error::shape(argument, &expected, room.shape()))
    }
}

pub(super) fn in_stream(error: Error, b: usize) -> Error {
    match error {
        Error::Value {
            argument,
            expected,
            got,
        } => Error::Value {
            argument,
            expected,
            got: alloc::format!("{got} in stream {b}"),
        },
        other => other,
    }
}

pub(super) fn count(argument: &'static str, streams: usize, got: usize) -> Result<(), Error> {
    if got == streams {
        return Ok(());
    }
    let expected = alloc::format!("{streams} streams");
    Err(Error::value(argument, expected, got))
}

pub(super) fn same_length(
    argument: &'static str,
    mut lengths: impl Iterator<Item = usize>,
) -> Result<(), Error> {
    let first = lengths.next().unwrap_or(0);
    match lengths.find(|&n| n != first) {
        None => Ok(()),
        Some(other) => {
            let got = alloc::format!("{first} and {other} steps");
            Err(Error::value(argument, "streams of one length", got))
        }
    }
}
