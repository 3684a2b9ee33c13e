//! One step of a trainer: of its first stream, or of several side by side.

use alloc::vec::Vec;

use ndarray::{Array2, ArrayView1, ArrayView2, Axis};

use super::trainer::Trainer;
use crate::network::watch::Verdict;
use crate::network::wiring::{Network, Settings};
use crate::parts::check;
use crate::parts::input::Input;
use crate::parts::lesson::Lesson;
use crate::parts::optimizer::Optimizer;
use crate::{Error, Float};

/// What one step returns: views into the trainer, so that nothing is allocated.
///
/// ```
/// use eprop::{Config, EpropTrainer, StepOutput};
/// let mut trainer = EpropTrainer::<f32>::new(1, 4, 2, Config::default())?;
/// let StepOutput { spikes, output, loss, verdict } = trainer.step(ndarray::array![1.0].view(), None)?;
/// assert_eq!((spikes.len(), output.len(), loss, verdict), (4, 2, None, None));
/// # Ok::<(), eprop::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct StepOutput<'a, F> {
    /// The spikes of this step, 0 or 1: (N,).
    pub spikes: ArrayView1<'a, F>,
    /// The output of this step: (O,).
    pub output: ArrayView1<'a, F>,
    /// The loss times its weight, exactly when a target was given.
    pub loss: Option<f64>,
    /// Once in as many steps as fifty membrane time constants last, and after the first ten where nothing has fired: what can be said of them.
    pub verdict: Option<Verdict>,
}

/// What a step of several streams returns, a row per stream. Example: [`Trainer::step_batch`].
#[derive(Clone, Debug)]
pub struct BatchStep<F> {
    /// 0 or 1: (B, N).
    pub spikes: Array2<F>,
    /// (B, O).
    pub output: Array2<F>,
    /// The mean loss, each times its weight, over the streams that were given a target, if any was.
    pub loss: Option<f64>,
    /// As in [`StepOutput`].
    pub verdict: Option<Verdict>,
}

impl<N: Network> Trainer<N> {
    /// One step of the first stream: `x` (n_inputs,), and a target (n_outputs,) or a [`Lesson`]; both may be slices. Without a target nothing is taught, but the
    /// regulariser and due updates go on. Allocates nothing, but in a batch.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`]; [`Error::NonFiniteWeights`] after the step; [`Error::Interrupted`] before it, or before the update after it.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let mut trainer = EpropTrainer::<f64>::new(3, 8, 2, Config::default())?;
    /// let x = ndarray::array![1.0, 0.0, 1.0];
    /// let step = trainer.step(x.view(), None)?;
    /// assert_eq!(step.output.len(), 2);
    /// assert!(step.loss.is_none());
    /// let step = trainer.step(&[1.0, 0.0, 1.0], &[0.5, -0.5])?;
    /// assert!(step.loss.is_some());
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn step<'x>(
        &mut self,
        x: impl Into<Input<'x, N::F>>,
        lesson: impl Into<Lesson<'x, N::F>>,
    ) -> Result<StepOutput<'_, N::F>, Error> {
        let (x, lesson) = (x.into(), lesson.into());
        self.check_step(x, lesson)?;
        self.streams.ready()?;
        self.reserve(1, 1, true)?;
        let at_once = N::is_at_once(&self.plan).then_some(&mut self.optimizer);
        let first = self.streams.first_mut();
        let loss = first.circle().learn(x, lesson, at_once);
        let of_nothing = lesson.loss_of_nothing(first.loss());
        self.watch.stream(self.streams.first(), loss, of_nothing);
        let verdict = self.watch.step_done();
        if self.schedule.steps(1) {
            self.collect()?;
            self.apply_pending()?;
        }
        self.check_weights()?;
        let first = self.streams.first();
        Ok(StepOutput {
            spikes: first.spikes().into(),
            output: first.output().into(),
            loss,
            verdict,
        })
    }

    /// One step of as many streams as `x` has items: of each the inputs (n_inputs,), and `targets` (B, n_outputs).
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`], and then nothing has changed; [`Error::NonFiniteWeights`] after the step; [`Error::Interrupted`]: the first
    /// streams have taken the step, the others have not.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer, Input};
    /// let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config { batch_size: 2, ..Config::default() })?;
    /// let x = ndarray::array![1.0, 0.0, 1.0];
    /// let step = trainer.step_batch(&[x.view().into(), Input::spikes(&[1])], None)?;
    /// assert_eq!((step.spikes.dim(), step.output.dim(), step.loss), ((2, 8), (2, 2), None));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn step_batch(
        &mut self,
        x: &[Input<'_, N::F>],
        targets: Option<ArrayView2<'_, N::F>>,
    ) -> Result<BatchStep<N::F>, Error> {
        self.check_count("x", x.len())?;
        if let Some(targets) = targets {
            check::streams("target", x.len(), targets.nrows())?;
        }
        let target = |b: usize| targets.map(|targets| targets.index_axis_move(Axis(0), b));
        let lessons: Vec<_> = (0..x.len()).map(|b| target(b).into()).collect();
        self.teach_batch(x, &lessons)
    }

    /// As [`step_batch`](Self::step_batch), with a lesson for each stream.
    ///
    /// # Errors
    /// As [`step_batch`](Self::step_batch).
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer, Input, Lesson};
    /// let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config { batch_size: 2, ..Config::default() })?;
    /// let y = ndarray::array![1.0, 0.0];
    /// let lessons = [Lesson::default(), Lesson { weight: 0.5, ..Lesson::of(y.view()) }];
    /// let step = trainer.teach_batch(&[Input::spikes(&[0]), Input::spikes(&[1])], &lessons)?;
    /// assert!(step.loss.is_some()); // of the second stream
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn teach_batch(
        &mut self,
        x: &[Input<'_, N::F>],
        lessons: &[Lesson<'_, N::F>],
    ) -> Result<BatchStep<N::F>, Error> {
        self.check_count("x", x.len())?;
        check::streams("lessons", x.len(), lessons.len())?;
        for (b, (&x, &lesson)) in x.iter().zip(lessons).enumerate() {
            self.check_step(x, lesson)
                .map_err(|error| error.in_stream(b))?;
        }
        self.reserve(x.len(), 1, true)?;
        self.streams.ready_together()?;
        let at_once = N::is_at_once(&self.plan).then_some(&mut self.optimizer);
        let due = self.schedule.steps(1);
        let learn = |b: usize, stream: &mut N, at_once: Option<&mut Optimizer>| {
            stream.circle().learn(x[b], lessons[b], at_once)
        };
        let (losses, progress) = self.streams.step(x.len(), due, at_once, learn);
        if due && progress.whole {
            self.apply_pending()?;
        }
        progress.unless_stopped()?;
        self.check_weights()?;
        let verdict = self.watched(&losses, lessons);
        let losses: Vec<f64> = losses.into_iter().flatten().collect();
        let mean = || losses.iter().sum::<f64>() / losses.len() as f64;
        let n_spikes = self.streams.first().spikes().len();
        Ok(BatchStep {
            spikes: self.rows_of(x.len(), N::spikes, n_spikes),
            output: self.rows_of(x.len(), N::output, self.n_outputs()),
            loss: (!losses.is_empty()).then(mean),
            verdict,
        })
    }

    /// What can be said of a step of several streams, and of those before it.
    fn watched(&mut self, losses: &[Option<f64>], lessons: &[Lesson<'_, N::F>]) -> Option<Verdict> {
        for (b, &loss) in losses.iter().enumerate() {
            if let Some(stream) = self.streams.get(b) {
                let of_nothing = lessons[b].loss_of_nothing(stream.loss());
                self.watch.stream(stream, loss, of_nothing);
            }
        }
        self.watch.step_done()
    }

    /// What the first streams have of something, a row per stream.
    fn rows_of(&self, n_streams: usize, of: fn(&N) -> &[N::F], width: usize) -> Array2<N::F> {
        let streams = &self.streams;
        Array2::from_shape_fn((n_streams, width), |(b, at)| {
            streams.get(b).map_or(N::F::ZERO, |stream| of(stream)[at])
        })
    }

    fn check_step(&self, x: Input<'_, N::F>, lesson: Lesson<'_, N::F>) -> Result<(), Error> {
        let first = self.streams.first();
        x.check(first.n_inputs())?;
        if lesson.signal.is_some() && self.config.looks_back() {
            let expected = "none with a horizon: credit that flows back begins at the errors";
            return Err(Error::value("learning_signal", expected, "one"));
        }
        lesson.check(first.n_outputs(), first.spikes().len(), first.loss())
    }
}
