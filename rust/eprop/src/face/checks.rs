//! What the sequences and pieces of a call have to be.

use super::trainer::Trainer;
use crate::network::wiring::Network;
use crate::numbers::parallel;
use crate::parts::input::Inputs;
use crate::parts::stream::Stream;
use crate::{Error, Float};

impl<N: Network> Trainer<N> {
    /// Checks whole sequences as `train_batch` does: shapes, values, T >= 1.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`].
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer, Stream};
    /// let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config { batch_size: 2, ..Config::default() })?;
    /// let (x, y) = (ndarray::Array3::ones((3, 9, 3)), ndarray::Array3::zeros((3, 9, 2)));
    /// let error = trainer.check_sequence(&Stream::of(x.view(), y.view(), None)).unwrap_err();
    /// assert_eq!(error.to_string(), "inputs: expected 1 to 2 streams (batch_size = 2), got 3");
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn check_sequence(&self, streams: &[Stream<'_, N::F>]) -> Result<(), Error> {
        self.check_streams(streams, 1)
    }

    /// Checks the inputs of whole sequences: shape, values, T >= 1.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`].
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let trainer = EpropTrainer::<f64>::new(3, 8, 2, Config::default())?;
    /// let inputs = ndarray::Array2::ones((9, 3));
    /// trainer.check_inputs(&[inputs.view().into()])?;
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn check_inputs(&self, inputs: &[Inputs<'_, N::F>]) -> Result<(), Error> {
        let n_inputs = self.n_inputs();
        self.check_each(inputs, |inputs| inputs.check(n_inputs, 1))
    }

    /// Checks pieces of sequences as [`train_piece`](Self::train_piece) does: as [`check_sequence`](Self::check_sequence), but a piece may have no steps.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`].
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer, Stream};
    /// # let trainer = EpropTrainer::<f64>::new(3, 8, 2, Config::default())?;
    /// let (x, y) = (ndarray::Array3::ones((1, 0, 3)), ndarray::Array3::zeros((1, 0, 2)));
    /// trainer.check_piece(&Stream::of(x.view(), y.view(), None))?;
    /// trainer.check_inputs_of_piece(&[x.index_axis(ndarray::Axis(0), 0).into()])?;
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn check_piece(&self, streams: &[Stream<'_, N::F>]) -> Result<(), Error> {
        self.check_streams(streams, 0)
    }

    /// Checks inputs of pieces of sequences. Example: [`check_piece`](Self::check_piece).
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`].
    pub fn check_inputs_of_piece(&self, inputs: &[Inputs<'_, N::F>]) -> Result<(), Error> {
        let n_inputs = self.n_inputs();
        self.check_each(inputs, |inputs| inputs.check(n_inputs, 0))
    }

    /// Whether there are so many streams, each of at least so many steps, with all that they are taught.
    pub(crate) fn check_streams(
        &self,
        streams: &[Stream<'_, N::F>],
        at_least: usize,
    ) -> Result<(), Error> {
        let first = self.streams.first();
        let (n_inputs, n_outputs, loss) = (first.n_inputs(), first.n_outputs(), first.loss());
        self.check_each(streams, |stream| {
            stream.check(n_inputs, n_outputs, loss, at_least)
        })
    }

    /// Looks at all streams, on all threads; the first at fault says what is wrong.
    fn check_each<T: Sync>(
        &self,
        items: &[T],
        check: impl Fn(&T) -> Result<(), Error> + Send + Sync,
    ) -> Result<(), Error> {
        self.check_count("inputs", items.len())?;
        if let [item] = items {
            return check(item);
        }
        let mut results = alloc::vec![Ok(()); items.len()];
        let jobs = items.iter().zip(&mut results).collect();
        parallel::run(self.streams.threads(), jobs, |(item, result)| {
            *result = check(item)
        });
        for (b, result) in results.into_iter().enumerate() {
            result.map_err(|error| error.in_stream_of(items.len(), b))?;
        }
        Ok(())
    }

    /// Whether there are so many streams.
    pub(crate) fn check_count(&self, argument: &'static str, got: usize) -> Result<(), Error> {
        let most = self.streams.len();
        if (1..=most).contains(&got) {
            return Ok(());
        }
        let expected = match most {
            1 => "1 stream (batch_size = 1)".into(),
            most => alloc::format!("1 to {most} streams (batch_size = {most})"),
        };
        Err(Error::value(argument, expected, got))
    }
}

/// Steps of the longest stream.
pub(super) fn longest<F: Float>(streams: &[Stream<'_, F>]) -> usize {
    let lengths = streams.iter().map(|stream| stream.inputs.n_steps());
    lengths.max().unwrap_or(0)
}
