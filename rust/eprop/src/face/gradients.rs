//! Gradients of whole sequences, taken on silent twins, and the step that a gradient from anywhere takes.

use ndarray::{ArrayView1, ArrayView2};

use crate::network::schedule::Schedule;
use crate::network::tally::Tally;
use crate::network::wiring::{GradientParts, Network, Settings, Sum};
use crate::options::domain::{non_negative, within};
use crate::parts::input::Inputs;
use crate::parts::optimizer::Measure;
use crate::parts::stream::Stream;
use crate::{Config, EpropTrainer, Error, Float, Horizon, Recurrent, Reduction, Trainer};

/// A gradient in the making, fed piece by piece.
///
/// ```
/// use eprop::{Config, EpropTrainer, Stream};
/// use ndarray::{Array2, s};
/// let trainer = EpropTrainer::<f64>::new(3, 8, 2, Config::default())?;
/// let (x, y) = (Array2::ones((20, 3)), Array2::zeros((20, 2)));
/// let mut run = trainer.gradient_run(1)?;
/// for piece in [s![..7, ..], s![7.., ..]] {
///     run.piece(&[Stream { inputs: x.slice(piece).into(), targets: y.slice(piece), mask: None, weights: None }])?;
/// }
/// assert_eq!(run.finish()?, trainer.gradients(x.view(), y.view(), None)?);
/// # Ok::<(), eprop::Error>(())
/// ```
#[derive(Debug)]
pub struct GradientRun<N: Network> {
    twin: Trainer<N>,
    tally: Tally,
}

impl<N: Network> Trainer<N> {
    /// The gradient of the *sum* of the loss over a sequence from a silent network: `inputs` (T, n_inputs), `targets` (T, n_outputs), `mask` (T,).
    /// Weights and state stay as they are.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`]; [`Error::TooLarge`] where there is no memory for a twin.
    ///
    /// ```
    /// # use eprop::{OnlineTrainer, StackConfig};
    /// let trainer = OnlineTrainer::<f64>::new(&[3, 8, 2], StackConfig::default())?;
    /// let (x, y) = (ndarray::Array2::ones((20, 3)), ndarray::Array2::zeros((20, 2)));
    /// let gradients = trainer.gradients(x.view(), y.view(), None)?;
    /// assert_eq!((gradients.w[0].dim(), gradients.n_targets), ((8, 3), 20));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn gradients<'a>(
        &self,
        inputs: impl Into<Inputs<'a, N::F>>,
        targets: ArrayView2<'a, N::F>,
        mask: Option<ArrayView1<'a, bool>>,
    ) -> Result<N::Gradients, Error> {
        let inputs = inputs.into();
        self.gradients_batch(&[Stream {
            inputs,
            targets,
            mask,
            weights: None,
        }])
    }

    /// The gradient of the *sum* of the loss over as many streams as there are items, each from a silent network. Whatever `reduction` says, it is the sum.
    ///
    /// # Errors
    /// As [`gradients`](Self::gradients).
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer, Stream};
    /// let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config { batch_size: 2, ..Config::default() })?;
    /// let (x, y) = (ndarray::Array3::ones((2, 9, 3)), ndarray::Array3::zeros((2, 9, 2)));
    /// assert_eq!(trainer.gradients_batch(&Stream::of(x.view(), y.view(), None))?.n_targets, 18);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn gradients_batch(&self, streams: &[Stream<'_, N::F>]) -> Result<N::Gradients, Error> {
        self.check_streams(streams, 1)?;
        let mut run = self.gradient_run(streams.len())?;
        run.piece(streams)?;
        run.finish()
    }

    /// Starts a gradient of `n_streams` streams that is fed piece by piece. Example: [`GradientRun`].
    ///
    /// # Errors
    /// [`Error::Value`] for more streams than there are, [`Error::TooLarge`] where there is no memory for twins of them.
    pub fn gradient_run(&self, n_streams: usize) -> Result<GradientRun<N>, Error> {
        self.check_count("n_streams", n_streams)?;
        self.run_on(self.twin(n_streams)?)
    }

    fn run_on(&self, twin: Self) -> Result<GradientRun<N>, Error> {
        Ok(GradientRun {
            tally: twin.try_tally()?,
            twin,
        })
    }

    /// Silent streams with the same weights, whose gradient waits for ever.
    pub(crate) fn twin(&self, n_streams: usize) -> Result<Self, Error> {
        self.twin_with(n_streams, self.config.clone())
    }

    fn twin_with(&self, n_streams: usize, config: N::Config) -> Result<Self, Error> {
        let plan = N::for_gradients(&self.plan, &config)?;
        let mut twin = Self::silent(
            plan,
            config,
            n_streams,
            Some(self.streams.first()),
            self.streams.interrupt(),
        )?;
        twin.schedule = Schedule::never();
        twin.streams.set_n_threads(self.streams.n_threads());
        let interrupt = self.streams.interrupt();
        twin.streams.set_interrupt(interrupt.clone());
        let first = self.streams.first();
        twin.streams
            .alter(|twin| twin.take_weights(first, &mut interrupt.pace()))?;
        Ok(twin)
    }

    /// The gradient of the steps since the last update, which is handed out in the place of the update that sequences end with. All streams are silent then,
    /// as after [`restart`](Self::restart). It takes no memory but for the gradient, while [`gradients`](Self::gradients) makes twins of all streams.
    ///
    /// # Errors
    /// [`Error::Value`] unless `update_every` is [`Sequence`](crate::UpdateEvery::Sequence), and for a regulariser together with a limit of the step, which are
    /// kept apart; [`Error::TooLarge`], [`Error::Interrupted`], and then nothing is pending.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer, Stream, UpdateEvery};
    /// let config = Config { update_every: UpdateEvery::Sequence, batch_size: 2, ..Config::default() };
    /// let mut trainer = EpropTrainer::<f64>::new(3, 8, 2, config)?;
    /// let (x, y) = (ndarray::Array3::ones((2, 20, 3)), ndarray::Array3::zeros((2, 20, 2)));
    /// let streams = Stream::of(x.view(), y.view(), None);
    /// let expected = trainer.gradients_batch(&streams)?;
    /// let mut tally = trainer.tally();
    /// trainer.train_piece(&streams, None, &mut tally)?;
    /// assert_eq!(trainer.take_gradients()?, expected);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn take_gradients(&mut self) -> Result<N::Gradients, Error> {
        if !self.schedule.is_of_sequences() {
            let expected = "the sequence, at whose end a gradient can be taken";
            return Err(Error::value("update_every", expected, "a number of steps"));
        }
        if N::keeps_apart(&self.plan) {
            let expected = "0 where steps are limited, to take a gradient";
            return Err(Error::value("c_reg", expected, "more"));
        }
        let (since, n_streams) = self.streams.since();
        let of = Sum {
            loss: since.loss,
            n_targets: since.targets,
            n_streams,
        };
        let gradients = self.streams.gradients(&self.plan, of);
        self.restart();
        gradients
    }

    /// One step of the optimizer, at once, with a gradient as [`gradients`](Self::gradients) returns it: summed over others, or changed in any way. What
    /// is pending stays pending, traces and the count of `update_every` stay as they are. With [`Reduction::Mean`](crate::Reduction::Mean) it is divided by its
    /// `n_targets` first. The limit of [`Optimizer::SGD`](crate::Optimizer::SGD) asks for its `loss`, `n_targets` and `n_streams`, and counts the length of all of
    /// it, the regulariser's part included.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`] for NaN, infinity, a self-connection, or a mean over no target, [`Error::Interrupted`], and then nothing
    /// has changed; [`Error::NonFiniteWeights`] after the step.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer, TrainOptions, UpdateEvery};
    /// let config = Config { update_every: UpdateEvery::Sequence, ..Config::default() };
    /// let mut trainer = EpropTrainer::<f64>::new(3, 8, 2, config)?;
    /// let mut twin = trainer.clone();
    /// let (x, y) = (ndarray::Array2::ones((20, 3)), ndarray::Array2::zeros((20, 2)));
    /// let gradients = trainer.gradients(x.view(), y.view(), None)?;
    /// trainer.apply_gradients(&gradients)?;
    /// twin.train_sequence(x.view(), y.view(), TrainOptions::default())?;
    /// assert!((trainer.w_in() - twin.w_in()).iter().all(|difference| difference.abs() < 1e-12));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn apply_gradients(&mut self, gradients: &N::Gradients) -> Result<(), Error> {
        self.streams.first().check_gradients(gradients)?;
        let Sum {
            loss,
            n_targets,
            n_streams,
        } = gradients.sum();
        if n_targets == 0 && self.config.reduction() == Reduction::Mean {
            let expected = "a number of steps of at least 1, by which the mean divides";
            return Err(Error::value("gradients.n_targets", expected, 0));
        }
        let scale = self.scale(n_targets);
        self.change(|this, pace| {
            // What was learned so far goes through `B` as it was.
            this.streams.flush(pace)?;
            this.streams.prepare_rewiring(&this.plan)?;
            let whole = match this.optimizer.clips() {
                true => (this.optimizer).measured(|to| gradients.squared_lengths(to, pace))?,
                false => 0.0,
            };
            let mut measured = Ok(());
            let by_neuron = this.optimizer.scales_neurons();
            let first = this.streams.first();
            this.optimizer.step(scale, |to| {
                measured = match by_neuron {
                    true => first.lengths_of(gradients, to, pace),
                    false => gradients.squared_lengths(to, pace),
                };
                Measure {
                    loss,
                    steps: n_targets as f64 / n_streams.max(1) as f64,
                    has_target: n_targets > 0 && measured.is_ok(),
                }
            });
            measured?;
            let steps = this.optimizer.clipped(scale, whole);
            this.streams
                .alter(|first| first.take(gradients, steps, pace))?;
            this.streams.rewire(&mut this.plan, &this.optimizer);
            this.optimizer.updated();
            Ok(())
        })?;
        self.check_weights()
    }
}

impl<F: Float> EpropTrainer<F> {
    /// As [`gradient_run`](Self::gradient_run), with another horizon and recurrent gain than the trainer's; `None`: the trainer's. With
    /// [`Horizon::Sequence`] and 1 it is the gradient of backpropagation through time, whatever `update_every` and the form of the trainer.
    ///
    /// # Errors
    /// As [`gradient_run`](Self::gradient_run); [`Error::Value`] for a horizon of 0, for one beyond a step in a network of which this is a
    /// [part](crate::Config::part), and for a gain that is negative or not finite.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer, Horizon, Stream};
    /// let trainer = EpropTrainer::<f64>::new(3, 40, 2, Config::default())?;
    /// let (x, y) = (ndarray::Array2::ones((60, 3)), ndarray::Array2::ones((60, 2)));
    /// let mut run = trainer.gradient_run_with(1, Some(Horizon::Sequence), Some(1.0))?;
    /// run.piece(&[Stream { inputs: x.view().into(), targets: y.view(), mask: None, weights: None }])?;
    /// assert_ne!(run.finish()?.w_in, trainer.gradients(x.view(), y.view(), None)?.w_in);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn gradient_run_with(
        &self,
        n_streams: usize,
        horizon: Option<Horizon>,
        recurrent_gain: Option<f64>,
    ) -> Result<GradientRun<Recurrent<F>>, Error> {
        self.check_count("n_streams", n_streams)?;
        let config = Config {
            horizon: horizon.unwrap_or(self.config.horizon),
            recurrent_gain: recurrent_gain.unwrap_or(self.config.recurrent_gain),
            ..self.config.clone()
        };
        config.horizon.validate_of_gradients()?;
        if config.part.is_some() && config.horizon.is_beyond_a_step() {
            let expected = "1 in a network that is spread over processes";
            return Err(Error::value("horizon", expected, config.horizon.named()));
        }
        non_negative("recurrent_gain", config.recurrent_gain)?;
        within::<F>("recurrent_gain", config.recurrent_gain)?;
        self.run_on(self.twin_with(n_streams, config)?)
    }
}

impl<N: Network> GradientRun<N> {
    /// Takes in the next steps of every stream; a stream that has ended has none. Example: [`GradientRun`].
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`], and then nothing has changed.
    pub fn piece(&mut self, streams: &[Stream<'_, N::F>]) -> Result<(), Error> {
        crate::parts::check::streams("streams", self.twin.batch_size(), streams.len())?;
        self.twin.train_piece(streams, None, &mut self.tally)
    }

    /// The gradient of all pieces and streams together. Example: [`GradientRun`].
    ///
    /// # Errors
    /// [`Error::TooLarge`] where there is no memory for it.
    pub fn finish(mut self) -> Result<N::Gradients, Error> {
        let Self { twin, tally } = &mut self;
        let of = Sum {
            loss: tally.loss_sum(),
            n_targets: tally.n_targets(),
            n_streams: twin.streams.since().1,
        };
        twin.streams.gradients(&twin.plan, of)
    }
}
