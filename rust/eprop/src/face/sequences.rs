//! Whole sequences and pieces of streams, one or several side by side.

use alloc::vec::Vec;
use core::ops::Range;
use core::slice::{from_mut, from_ref};

use ndarray::{Array2, Array3, ArrayView1, ArrayView2, ArrayViewMut2, ArrayViewMut3, Axis, s};

use super::checks::longest;
use super::copies::or_panic;
use crate::network::streams::{Progress, rows_of};
use crate::network::tally::{Activity, Tally};
use crate::network::watch::{Divergence, Misfit, Verdict};
use crate::network::wiring::Network;
use crate::numbers::{memory, parallel};
use crate::parts::check;
use crate::parts::input::Inputs;
use crate::parts::stream::Stream;
use crate::{Error, Trainer};

/// Options of `train_sequence`.
///
/// ```
/// assert!(eprop::TrainOptions::<f32>::default().reset);
/// ```
#[derive(Clone, Debug)]
pub struct TrainOptions<'a, F> {
    /// The steps that have a target, (T,); `None`: all.
    pub mask: Option<ArrayView1<'a, bool>>,
    /// What the loss of each step counts, (T,): finite, at least 0, 0 being no target; `None`: 1.
    pub weights: Option<ArrayView1<'a, F>>,
    /// Start from a silent network and apply what is pending at the end; otherwise go on where the stream stood.
    pub reset: bool,
}

impl<F> Default for TrainOptions<'_, F> {
    fn default() -> Self {
        Self {
            mask: None,
            weights: None,
            reset: true,
        }
    }
}

/// What `train_sequence` returns.
///
/// ```
/// use eprop::{Activity, Config, EpropTrainer, TrainOptions};
/// use ndarray::Array2;
/// let mut trainer = EpropTrainer::<f32>::new(1, 4, 2, Config::default())?;
/// let trained = trainer.train_sequence(Array2::zeros((200, 1)).view(), Array2::zeros((200, 2)).view(), TrainOptions::default())?;
/// assert_eq!((trained.loss, trained.activity), (0.0, Activity::Silent));
/// # Ok::<(), eprop::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SequenceOutput<F> {
    /// Mean over the steps that had a target, each times its weight; NaN where none had.
    pub loss: f64,
    /// (T, O).
    pub outputs: Array2<F>,
    /// Whether the network fired at a rate at which it can learn: of a sequence shorter than five membrane time constants, together with earlier ones.
    pub activity: Activity,
    /// Whether the loss has run away.
    pub divergence: Option<Divergence>,
    /// Whether targets are far larger or smaller than outputs, of the first sequence of five membrane time constants after `calibrate`.
    pub misfit: Option<Misfit>,
}

/// What `train_batch` returns. Example: [`Trainer`].
#[derive(Clone, Debug)]
pub struct BatchOutput<F> {
    /// Mean over the steps that had a target, each times its weight, of all streams; NaN where none had.
    pub loss: f64,
    /// (B, T, O), T of the longest stream; 0 beyond a stream's length.
    pub outputs: Array3<F>,
    /// Whether the streams fired at a rate at which they can learn: of sequences shorter than five membrane time constants, together with earlier ones.
    pub activity: Activity,
    /// Whether the loss has run away.
    pub divergence: Option<Divergence>,
    /// Whether targets are far larger or smaller than outputs, of the first sequence of five membrane time constants after `calibrate`.
    pub misfit: Option<Misfit>,
}

/// What `predict_sequence` returns.
///
/// ```
/// use eprop::{Config, EpropTrainer, Prediction};
/// let mut trainer = EpropTrainer::<f32>::new(1, 4, 2, Config::default())?;
/// let Prediction { outputs, spikes } = trainer.predict_sequence(ndarray::Array2::ones((9, 1)).view(), true)?;
/// assert_eq!((outputs.dim(), spikes.dim()), ((9, 2), (9, 4)));
/// # Ok::<(), eprop::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Prediction<F> {
    /// (T, O).
    pub outputs: Array2<F>,
    /// (T, N), 0 or 1; of a stack: those of its last layer.
    pub spikes: Array2<F>,
}

/// What `predict_batch` returns. Example: [`Trainer::predict_batch`].
#[derive(Clone, Debug)]
pub struct BatchPrediction<F> {
    /// (B, T, O), T of the longest stream; 0 beyond a stream's length.
    pub outputs: Array3<F>,
    /// (B, T, N), 0 or 1.
    pub spikes: Array3<F>,
}

impl<N: Network> Trainer<N> {
    /// Trains the first stream on `inputs` (T, n_inputs) and `targets` (T, n_outputs).
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`], [`Error::TooLarge`], and then nothing has changed; [`Error::NonFiniteWeights`] after the sequence.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer, TrainOptions};
    /// # let mut trainer = EpropTrainer::<f64>::new(3, 8, 2, Config::default())?;
    /// let (inputs, targets) = (ndarray::Array2::ones((20, 3)), ndarray::Array2::zeros((20, 2)));
    /// let trained = trainer.train_sequence(inputs.view(), targets.view(), TrainOptions::default())?;
    /// assert_eq!(trained.outputs.dim(), (20, 2));
    /// assert!(trained.loss.is_finite());
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn train_sequence<'x>(
        &mut self,
        inputs: impl Into<Inputs<'x, N::F>>,
        targets: ArrayView2<'x, N::F>,
        options: TrainOptions<'x, N::F>,
    ) -> Result<SequenceOutput<N::F>, Error> {
        let stream = Stream {
            inputs: inputs.into(),
            targets,
            mask: options.mask,
            weights: options.weights,
        };
        self.check_streams(from_ref(&stream), 1)?;
        let mut tally = self.tally_of(1)?;
        let mut outputs = memory::matrix("outputs", targets.nrows(), targets.ncols())?;
        self.reserve(1, targets.nrows(), true)?;
        if options.reset {
            self.restart();
        }
        let mut rows = Some(outputs.view_mut());
        self.advance(
            from_ref(&stream),
            from_mut(&mut rows),
            &mut tally,
            options.reset,
        )?;
        self.check_weights()?;
        let verdict = self.judge(&tally);
        Ok(SequenceOutput {
            loss: tally.loss(),
            outputs,
            activity: verdict.activity,
            divergence: verdict.divergence,
            misfit: verdict.misfit,
        })
    }

    /// Trains as many streams as there are items, of any lengths. `reset`: from silent streams, with nothing left pending at the end;
    /// otherwise they go on where they stood. Steps beyond a stream's length do not happen. Example: [`Trainer`].
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`], [`Error::TooLarge`], and then nothing has changed; [`Error::NonFiniteWeights`] after the sequences.
    pub fn train_batch(
        &mut self,
        streams: &[Stream<'_, N::F>],
        reset: bool,
    ) -> Result<BatchOutput<N::F>, Error> {
        self.check_streams(streams, 1)?;
        let mut tally = self.tally_of(streams.len())?;
        let dim = (streams.len(), longest(streams), self.n_outputs());
        let mut outputs = memory::matrices("outputs", dim)?;
        self.reserve(streams.len(), longest(streams), true)?;
        if reset {
            self.restart();
        }
        let mut rows = rows_of(Some(outputs.view_mut()), streams.len());
        self.advance(streams, &mut rows, &mut tally, reset)?;
        self.check_weights()?;
        let verdict = self.judge(&tally);
        Ok(BatchOutput {
            loss: tally.loss(),
            outputs,
            activity: verdict.activity,
            divergence: verdict.divergence,
            misfit: verdict.misfit,
        })
    }

    /// Runs the first stream without learning: no regulariser, no updates, and the steps do not count towards `update_every`; state and
    /// traces move on. `reset`: start from a silent network.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`], [`Error::TooLarge`], and then nothing has changed.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let mut trainer = EpropTrainer::<f64>::new(3, 8, 2, Config::default())?;
    /// let inputs = ndarray::Array2::ones((20, 3));
    /// assert_eq!(trainer.predict_sequence(inputs.view(), true)?.outputs.dim(), (20, 2));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn predict_sequence<'x>(
        &mut self,
        inputs: impl Into<Inputs<'x, N::F>>,
        reset: bool,
    ) -> Result<Prediction<N::F>, Error> {
        let predicted = self.predict_batch(&[inputs.into()], reset)?;
        Ok(Prediction {
            outputs: predicted.outputs.index_axis_move(Axis(0), 0),
            spikes: predicted.spikes.index_axis_move(Axis(0), 0),
        })
    }

    /// Runs as many streams as there are items, of any lengths, without learning. `reset`: from silent streams.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`], [`Error::TooLarge`], and then nothing has changed.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config { batch_size: 2, ..Config::default() })?;
    /// let inputs = ndarray::Array2::ones((20, 3));
    /// let predicted = trainer.predict_batch(&[inputs.view().into(); 2], true)?;
    /// assert_eq!((predicted.outputs.dim(), predicted.spikes.dim()), ((2, 20, 2), (2, 20, 8)));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn predict_batch(
        &mut self,
        inputs: &[Inputs<'_, N::F>],
        reset: bool,
    ) -> Result<BatchPrediction<N::F>, Error> {
        self.check_inputs(inputs)?;
        let n_steps = inputs.iter().map(Inputs::n_steps).max().unwrap_or(0);
        let dim = |columns| (inputs.len(), n_steps, columns);
        let mut outputs = memory::matrices("outputs", dim(self.n_outputs()))?;
        let mut spikes = memory::matrices("spikes", dim(self.n_spikes()))?;
        if reset {
            self.restart();
        }
        self.predict_piece(inputs, outputs.view_mut(), Some(spikes.view_mut()))?;
        Ok(BatchPrediction { outputs, spikes })
    }

    /// Empty sums for sequences of all streams that are trained piece by piece.
    ///
    /// # Panics
    /// Where there is no memory for them: [`try_tally`](Self::try_tally) is an error there.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer, Stream, TrainOptions};
    /// # use ndarray::{Array2, s};
    /// # let mut trainer = EpropTrainer::<f64>::new(3, 8, 2, Config::default())?;
    /// let (x, y) = (Array2::ones((9, 3)), Array2::zeros((9, 2)));
    /// let mut twin = trainer.clone();
    /// let whole = twin.train_sequence(x.view(), y.view(), TrainOptions::default())?;
    /// let mut tally = trainer.tally();
    /// for piece in [s![..4, ..], s![4.., ..]] {
    ///     let stream = Stream { inputs: x.slice(piece).into(), targets: y.slice(piece), mask: None, weights: None };
    ///     trainer.train_piece(&[stream], None, &mut tally)?;
    /// }
    /// assert_eq!(tally.loss(), whole.loss);
    /// assert!(trainer.state_equal(&twin));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn tally(&self) -> Tally {
        or_panic(self.try_tally())
    }

    /// As [`tally`](Self::tally).
    ///
    /// # Errors
    /// [`Error::TooLarge`] where there is no memory for them.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let trainer = EpropTrainer::<f64>::new(3, 8, 2, Config::default())?;
    /// assert_eq!(trainer.try_tally()?.n_targets(), 0);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn try_tally(&self) -> Result<Tally, Error> {
        self.tally_of(self.streams.len())
    }

    /// What can be said of a whole sequence that was trained piece by piece, and of those before it.
    ///
    /// ```
    /// # use eprop::{Activity, Config, EpropTrainer};
    /// # let mut trainer = EpropTrainer::<f64>::new(3, 8, 2, Config::default())?;
    /// let tally = trainer.tally();
    /// assert_eq!(trainer.judge(&tally).activity, Activity::Normal); // nothing has happened yet
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn judge(&mut self, tally: &Tally) -> Verdict {
        self.watch.take_in(tally, self.streams.first())
    }

    pub(crate) fn tally_of(&self, n_streams: usize) -> Result<Tally, Error> {
        Tally::new(self.streams.first(), n_streams)
    }

    /// One piece of as many streams as there are items, as `train_batch` without `reset`: outputs go where the caller says, (B, T, n_outputs), T of the
    /// longest, and sums into `tally`. A stream that has ended has a piece of no steps. Whether weights stayed finite is for `check_weights` to say.
    /// Example: [`tally`](Self::tally).
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`], and then nothing has changed.
    pub fn train_piece(
        &mut self,
        streams: &[Stream<'_, N::F>],
        outputs: Option<ArrayViewMut3<'_, N::F>>,
        tally: &mut Tally,
    ) -> Result<(), Error> {
        self.train_some(streams, outputs, tally, false)
    }

    /// As `train_piece`, and then the pending gradient is applied: faster than [`update`](Self::update) afterwards, since each stream works its part off
    /// while it is in the cache.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`], and then nothing has changed.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer, Stream, UpdateEvery};
    /// let config = Config { batch_size: 2, update_every: UpdateEvery::Sequence, ..Config::default() };
    /// let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, config)?;
    /// let (x, y) = (ndarray::Array3::ones((2, 9, 3)), ndarray::Array3::zeros((2, 9, 2)));
    /// let mut tally = trainer.tally();
    /// trainer.train_last_piece(&Stream::of(x.view(), y.view(), None), None, &mut tally)?;
    /// assert!(tally.loss().is_finite());
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn train_last_piece(
        &mut self,
        streams: &[Stream<'_, N::F>],
        outputs: Option<ArrayViewMut3<'_, N::F>>,
        tally: &mut Tally,
    ) -> Result<(), Error> {
        self.train_some(streams, outputs, tally, true)
    }

    fn train_some(
        &mut self,
        streams: &[Stream<'_, N::F>],
        outputs: Option<ArrayViewMut3<'_, N::F>>,
        tally: &mut Tally,
        to_the_end: bool,
    ) -> Result<(), Error> {
        self.check_streams(streams, 0)?;
        if let Some(outputs) = &outputs {
            check::room3(
                "outputs",
                outputs,
                (streams.len(), longest(streams), self.n_outputs()),
            )?;
        }
        tally.check(self.streams.first(), streams.len())?;
        if let [_] = streams {
            // Without a list of rows, which would have to be allocated.
            let mut rows = outputs.map(|outputs| outputs.index_axis_move(Axis(0), 0));
            self.advance(streams, from_mut(&mut rows), tally, to_the_end)
        } else {
            let mut rows = rows_of(outputs, streams.len());
            self.advance(streams, &mut rows, tally, to_the_end)
        }
    }

    /// From update to update, with everything looked at already. `to_the_end`: nothing is left pending.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    fn advance(
        &mut self,
        streams: &[Stream<'_, N::F>],
        outputs: &mut [Option<ArrayViewMut2<'_, N::F>>],
        tally: &mut Tally,
        to_the_end: bool,
    ) -> Result<(), Error> {
        let threads = self.streams.threads_of_one(longest(streams));
        parallel::together(threads, || {
            self.advance_on(streams, outputs, tally, to_the_end)
        })
    }

    /// The same on whoever is there.
    fn advance_on(
        &mut self,
        streams: &[Stream<'_, N::F>],
        outputs: &mut [Option<ArrayViewMut2<'_, N::F>>],
        tally: &mut Tally,
        to_the_end: bool,
    ) -> Result<(), Error> {
        let n_steps = longest(streams);
        self.reserve(streams.len(), n_steps, true)?;
        let mut from = 0;
        while from < n_steps {
            let until = n_steps.min(from.saturating_add(self.steps_on_end()));
            let due = self.schedule.is_due_after(until - from) || to_the_end && until == n_steps;
            let due = due && !N::is_at_once(&self.plan);
            let progress = self.learn_steps(from..until, streams, outputs, tally, due);
            self.schedule.steps(progress.steps);
            if due && progress.whole {
                self.apply_pending()?;
            }
            progress.unless_stopped()?;
            from = until;
        }
        Ok(())
    }

    /// How many steps need nothing done between two of them.
    fn steps_on_end(&self) -> usize {
        // Where every gradient is applied with its step, no update comes.
        let until_update = match N::is_at_once(&self.plan) {
            true => usize::MAX,
            false => self.schedule.until_update(),
        };
        // Nor can anybody stop a block that streams side by side work off within a step.
        until_update.min(self.streams.until_full())
    }

    /// Some steps of the streams, at the end of which an update may be due.
    fn learn_steps(
        &mut self,
        steps: Range<usize>,
        streams: &[Stream<'_, N::F>],
        outputs: &mut [Option<ArrayViewMut2<'_, N::F>>],
        tally: &mut Tally,
        due: bool,
    ) -> Progress {
        let at_once = N::is_at_once(&self.plan).then_some(&mut self.optimizer);
        let tallies = &mut tally.streams;
        if let ([stream], [rows]) = (streams, &mut *outputs) {
            // Without lists, which would have to be allocated.
            let stream = stream.steps(steps.start, steps.end);
            let rows = rows.as_mut();
            let rows = rows.map(|rows| rows.slice_mut(s![steps, ..]));
            return (self.streams).learn(&[stream], &mut [rows], tallies, at_once, due);
        }
        let pieces = streams.iter();
        let pieces: Vec<_> = pieces
            .map(|stream| stream.steps(steps.start, steps.end))
            .collect();
        let rows = outputs.iter_mut().zip(&pieces).map(|(rows, piece)| {
            let steps = steps.start..steps.start + piece.inputs.n_steps();
            rows.as_mut().map(|rows| rows.slice_mut(s![steps, ..]))
        });
        let mut rows: Vec<_> = rows.collect();
        (self.streams).learn(&pieces, &mut rows, tallies, at_once, due)
    }

    /// One piece of as many streams as there are items without learning, into the caller's arrays (B, T, n_outputs) and (B, T, N), T of the longest.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`], and then nothing has changed.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config { batch_size: 2, ..Config::default() })?;
    /// let (x, mut outputs) = (ndarray::Array2::ones((9, 3)), ndarray::Array3::zeros((2, 9, 2)));
    /// trainer.predict_piece(&[x.view().into(); 2], outputs.view_mut(), None)?;
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn predict_piece(
        &mut self,
        inputs: &[Inputs<'_, N::F>],
        outputs: ArrayViewMut3<'_, N::F>,
        spikes: Option<ArrayViewMut3<'_, N::F>>,
    ) -> Result<(), Error> {
        self.check_inputs_of_piece(inputs)?;
        let n_steps = inputs.iter().map(Inputs::n_steps).max().unwrap_or(0);
        check::room3(
            "outputs",
            &outputs,
            (inputs.len(), n_steps, self.n_outputs()),
        )?;
        if let Some(spikes) = &spikes {
            check::room3("spikes", spikes, (inputs.len(), n_steps, self.n_spikes()))?;
        }
        self.reserve(inputs.len(), n_steps, false)?;
        let outputs = rows_of(Some(outputs), inputs.len());
        let spikes = rows_of(spikes, inputs.len());
        let threads = self.streams.threads_of_one(n_steps);
        let streams = &mut self.streams;
        parallel::together(threads, || streams.predict(inputs, outputs, spikes))
    }

    /// How wide a row of spikes is: N, of a stack that of its last layer.
    ///
    /// ```
    /// # use eprop::{OnlineTrainer, StackConfig};
    /// let trainer = OnlineTrainer::<f32>::new(&[3, 8, 2], StackConfig::default())?;
    /// assert_eq!(trainer.n_spikes(), 2);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn n_spikes(&self) -> usize {
        self.streams.first().spikes().len()
    }

    /// Makes room for so many more steps of the first streams, learning steps or others. Only a horizon of the whole sequence needs it, which keeps every step
    /// up to the update; calls that are handed a sequence piece by piece may ask for all of it before the first.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where there is no memory for it: then nothing that can be read has changed.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer, Horizon, UpdateEvery};
    /// let config = Config { horizon: Horizon::Sequence, update_every: UpdateEvery::Sequence, ..Config::default() };
    /// let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, config)?;
    /// let before = trainer.memory_bytes();
    /// trainer.reserve(1, 5_000, true)?;
    /// assert!(trainer.memory_bytes() > before);
    /// assert!(trainer.reserve(1, usize::MAX, true).is_err());
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn reserve(&mut self, n_streams: usize, steps: usize, learning: bool) -> Result<(), Error> {
        self.streams.reserve(n_streams, steps, learning)
    }
}
