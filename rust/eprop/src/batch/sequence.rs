//! Steps, sequences and pieces of streams, for all streams of a batch at once.

use alloc::vec::Vec;

use ndarray::{Array3, ArrayView2, ArrayViewMut2, ArrayViewMut3, Axis};

use super::check::in_stream;
use super::stream::{BatchOutput, BatchPrediction, BatchStep, BatchTally, Stream};
use super::{BatchTrainer, group_size, in_turn};
use crate::aligned::Aligned;
use crate::sequence::{self, Network};
use crate::{EpropTrainer, Error, Float, Input, Inputs, parallel};

impl<F: Float> BatchTrainer<F> {
    /// One step of every stream: an input for each, `targets` (B, n_outputs).
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`], and then nothing has changed; [`Error::NonFiniteWeights`] after the step.
    ///
    /// ```
    /// # use eprop::{BatchTrainer, Config, Input};
    /// let mut trainer = BatchTrainer::<f32>::new(3, 8, 2, Config { batch_size: 2, ..Config::default() })?;
    /// let x = ndarray::array![1.0, 0.0, 1.0];
    /// let step = trainer.step(&[x.view().into(), Input::spikes(&[1])], None)?;
    /// assert_eq!((step.spikes.dim(), step.output.dim(), step.loss), ((2, 8), (2, 2), None));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn step(
        &mut self,
        x: &[Input<'_, F>],
        targets: Option<ArrayView2<'_, F>>,
    ) -> Result<BatchStep<F>, Error> {
        self.check_count("x", x.len())?;
        if let Some(targets) = targets {
            self.check_count("target", targets.nrows())?;
        }
        let target = |b: usize| targets.map(|targets| targets.index_axis_move(Axis(0), b));
        for (b, (stream, &x)) in self.streams.iter().zip(x).enumerate() {
            sequence::check_step(stream, x, target(b)).map_err(|error| in_stream(error, b))?;
        }
        let threads = self.threads_for(1);
        let mut losses = alloc::vec![None; x.len()];
        let due = self.schedule.steps(1);
        let group = group_size(x.len());
        let jobs = self
            .streams
            .chunks_mut(group)
            .zip(&mut self.sums)
            .zip(losses.chunks_mut(group));
        parallel::run(
            threads,
            jobs.enumerate().collect(),
            |(at, ((streams, sum), losses))| {
                learn_together(streams, sum, due, |b, stream| {
                    losses[b] = stream.learn(x[at * group + b], target(at * group + b));
                });
            },
        );
        if due {
            self.descend(threads);
        }
        self.check_changed()?;
        let losses: Option<Vec<f64>> = losses.into_iter().collect();
        Ok(BatchStep {
            spikes: self.spikes(),
            output: self.output(),
            loss: losses.map(|losses| losses.iter().sum::<f64>() / losses.len() as f64),
        })
    }

    /// Trains every stream on what it is given, all of one length. `reset`: from silent streams, with nothing left pending at the end;
    /// otherwise they go on where they stood. Example: [`BatchTrainer`].
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`], and then nothing has changed; [`Error::NonFiniteWeights`] after the sequence.
    pub fn train_sequence(
        &mut self,
        streams: &[Stream<'_, F>],
        reset: bool,
    ) -> Result<BatchOutput<F>, Error> {
        self.check_sequence(streams)?;
        if reset {
            self.reset();
        }
        let mut tally = self.tally();
        let mut outputs =
            Array3::default((streams.len(), streams[0].inputs.n_steps(), self.n_outputs()));
        self.advance(streams, Some(outputs.view_mut()), &mut tally, reset)?;
        self.check_changed()?;
        let tally = tally.merged();
        Ok(BatchOutput {
            loss: tally.loss(),
            outputs,
            activity: tally.activity(),
        })
    }

    /// Runs every stream without learning. `reset`: from silent streams.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`].
    ///
    /// ```
    /// # use eprop::{BatchTrainer, Config, Inputs};
    /// let mut trainer = BatchTrainer::<f32>::new(3, 8, 2, Config { batch_size: 2, ..Config::default() })?;
    /// let inputs = ndarray::Array2::ones((20, 3));
    /// let predicted = trainer.predict_sequence(&[inputs.view().into(); 2], true)?;
    /// assert_eq!((predicted.outputs.dim(), predicted.spikes.dim()), ((2, 20, 2), (2, 20, 8)));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn predict_sequence(
        &mut self,
        inputs: &[Inputs<'_, F>],
        reset: bool,
    ) -> Result<BatchPrediction<F>, Error> {
        self.check_inputs(inputs)?;
        if reset {
            self.reset();
        }
        let room = |columns| Array3::default((inputs.len(), inputs[0].n_steps(), columns));
        let (mut outputs, mut spikes) = (room(self.n_outputs()), room(self.n_neurons()));
        self.predict_piece(inputs, outputs.view_mut(), Some(spikes.view_mut()))?;
        Ok(BatchPrediction { outputs, spikes })
    }

    /// Empty sums for sequences that are trained piece by piece. Example: [`train_piece`](Self::train_piece).
    pub fn tally(&self) -> BatchTally {
        BatchTally(self.streams.iter().map(EpropTrainer::tally).collect())
    }

    /// One piece of every stream, as `train_sequence` without `reset`: outputs go where the caller says, (B, T, n_outputs), and sums into
    /// `tally`. Whether weights stayed finite is for `check_weights` to say.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`], and then nothing has changed.
    ///
    /// ```
    /// # use eprop::{BatchTrainer, Config, Stream};
    /// let mut trainer = BatchTrainer::<f32>::new(3, 8, 2, Config { batch_size: 2, ..Config::default() })?;
    /// let (x, y) = (ndarray::Array3::ones((2, 9, 3)), ndarray::Array3::zeros((2, 9, 2)));
    /// let mut tally = trainer.tally();
    /// trainer.train_piece(&Stream::of(x.view(), y.view(), None), None, &mut tally)?;
    /// assert!(tally.merged().loss().is_finite());
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn train_piece(
        &mut self,
        streams: &[Stream<'_, F>],
        outputs: Option<ArrayViewMut3<'_, F>>,
        tally: &mut BatchTally,
    ) -> Result<(), Error> {
        self.advance(streams, outputs, tally, false)
    }

    /// As `train_piece`, and then the pending gradient is applied: faster than [`update`](Self::update) afterwards, since each stream works its part off
    /// while it is in the cache. Example: [`train_piece`](Self::train_piece).
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`], and then nothing has changed.
    pub fn train_last_piece(
        &mut self,
        streams: &[Stream<'_, F>],
        outputs: Option<ArrayViewMut3<'_, F>>,
        tally: &mut BatchTally,
    ) -> Result<(), Error> {
        self.advance(streams, outputs, tally, true)
    }

    fn advance(
        &mut self,
        streams: &[Stream<'_, F>],
        mut outputs: Option<ArrayViewMut3<'_, F>>,
        tally: &mut BatchTally,
        to_the_end: bool,
    ) -> Result<(), Error> {
        self.check_sequence(streams)?;
        let group = group_size(streams.len());
        let n_steps = streams[0].inputs.n_steps();
        if let Some(outputs) = &outputs {
            self.check_room("outputs", outputs, n_steps, self.n_outputs())?;
        }
        self.check_tally(tally)?;
        let mut from = 0;
        while from < n_steps {
            let until = n_steps.min(from.saturating_add(self.schedule.until_update()));
            let threads = self.threads_for(until - from);
            let rows = outputs
                .as_mut()
                .map(|outputs| outputs.slice_mut(ndarray::s![.., from..until, ..]));
            let mut rows = rows_of(rows, streams.len());
            let due = self.schedule.steps(until - from) || to_the_end && until == n_steps;
            let jobs = self
                .streams
                .chunks_mut(group)
                .zip(streams.chunks(group))
                .zip(tally.0.chunks_mut(group));
            let jobs = jobs
                .zip(rows.chunks_mut(group))
                .zip(&mut self.sums)
                .collect();
            parallel::run(
                threads,
                jobs,
                |((((networks, streams), tallies), rows), sum)| {
                    learn_together(networks, sum, due, |b, network| {
                        let Stream {
                            inputs,
                            targets,
                            mask,
                        } = streams[b].steps(from, until);
                        sequence::train_checked(
                            network,
                            inputs,
                            targets,
                            mask,
                            rows[b].take(),
                            &mut tallies[b],
                        );
                    });
                },
            );
            if due {
                self.descend(threads);
            }
            from = until;
        }
        Ok(())
    }

    /// One piece of every stream without learning, into the caller's arrays (B, T, n_outputs) and (B, T, N).
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`], and then nothing has changed.
    ///
    /// ```
    /// # use eprop::{BatchTrainer, Config, Stream};
    /// let mut trainer = BatchTrainer::<f32>::new(3, 8, 2, Config { batch_size: 2, ..Config::default() })?;
    /// let (x, mut outputs) = (ndarray::Array2::ones((9, 3)), ndarray::Array3::zeros((2, 9, 2)));
    /// trainer.predict_piece(&[x.view().into(); 2], outputs.view_mut(), None)?;
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn predict_piece(
        &mut self,
        inputs: &[Inputs<'_, F>],
        outputs: ArrayViewMut3<'_, F>,
        spikes: Option<ArrayViewMut3<'_, F>>,
    ) -> Result<(), Error> {
        self.check_inputs(inputs)?;
        let n_steps = inputs[0].n_steps();
        self.check_room("outputs", &outputs, n_steps, self.n_outputs())?;
        if let Some(spikes) = &spikes {
            self.check_room("spikes", spikes, n_steps, self.n_neurons())?;
        }
        let threads = self.threads_for(n_steps);
        let (mut outputs, mut spikes) = (
            rows_of(Some(outputs), inputs.len()),
            rows_of(spikes, inputs.len()),
        );
        let group = group_size(inputs.len());
        let jobs = self.streams.chunks_mut(group).zip(inputs.chunks(group));
        let jobs = jobs
            .zip(outputs.chunks_mut(group))
            .zip(spikes.chunks_mut(group))
            .collect();
        parallel::run(threads, jobs, |(((networks, inputs), outputs), spikes)| {
            in_turn(networks, |b, network| {
                sequence::predict_checked(network, inputs[b], outputs[b].take(), spikes[b].take());
            });
        });
        Ok(())
    }

    /// Does independent pieces of work on this trainer's threads, as many as there are: to prepare what its streams are fed.
    ///
    /// ```
    /// # use eprop::{BatchTrainer, Config};
    /// let trainer = BatchTrainer::<f32>::new(3, 8, 2, Config { batch_size: 2, ..Config::default() })?;
    /// let mut numbers = [1, 2, 3];
    /// trainer.spread(numbers.iter_mut().collect(), |number| *number *= 2);
    /// assert_eq!(numbers, [2, 4, 6]);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn spread<T: Send>(&self, items: Vec<T>, work: impl Fn(T) + Send + Sync) {
        parallel::run(parallel::threads(self.n_threads).unwrap_or(1), items, work);
    }
}

/// The steps of a group of streams, each of which works off its gradient right after them if an update is due.
fn learn_together<F: Float>(
    group: &mut [EpropTrainer<F>],
    sum: &mut Aligned<F>,
    due: bool,
    mut learn: impl FnMut(usize, &mut EpropTrainer<F>),
) {
    if due {
        sum.fill(F::ZERO);
    }
    in_turn(group, |b, stream| {
        learn(b, stream);
        if due {
            stream.collect(sum);
        }
    });
}

/// The rows of every stream, or as many times nothing.
fn rows_of<F>(rows: Option<ArrayViewMut3<'_, F>>, n: usize) -> Vec<Option<ArrayViewMut2<'_, F>>> {
    let mut each = Vec::with_capacity(n);
    match rows {
        Some(mut rest) => {
            for _ in 0..n {
                let (one, others) = rest.split_at(Axis(0), 1);
                each.push(Some(one.index_axis_move(Axis(0), 0)));
                rest = others;
            }
        }
        None => each.resize_with(n, || None),
    }
    each
}
