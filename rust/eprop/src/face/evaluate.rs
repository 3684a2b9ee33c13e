//! Sequences that are judged on the weights of the moment, while the streams stay where they are.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use ndarray::{Array3, ArrayView1, ArrayView2, ArrayViewMut2, ArrayViewMut3, Axis};

use crate::network::streams::{rows_of, synapses};
use crate::network::wiring::{Network, Wiring};
use crate::numbers::memory::{matrices, vec_for};
use crate::numbers::parallel::{self, Until};
use crate::parts::check;
use crate::parts::input::Inputs;
use crate::parts::stream::Stream;
use crate::{Error, Float, Trainer};

/// What a sequence is to be judged by: targets (T, n_outputs), the steps that have one, and what the loss of each counts.
pub type Judged<'a, F> = (
    ArrayView2<'a, F>,
    Option<ArrayView1<'a, bool>>,
    Option<ArrayView1<'a, F>>,
);

/// An evaluation in the making, fed piece by piece. Example: [`Trainer::evaluate`].
pub struct Evaluation<N: Network> {
    /// Of the trainer that began it.
    sizes: String,
    sequences: Vec<Sequence<N>>,
}

struct Sequence<N: Wiring> {
    present: N::Present,
    loss_sum: f64,
    n_targets: u64,
    target: Vec<N::F>,
    err: Vec<N::F>,
}

impl<N: Network> fmt::Debug for Evaluation<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Evaluation of {} sequences", self.sequences.len())
    }
}

impl<N: Network> Evaluation<N> {
    /// The mean loss over the steps that had a target, of all sequences; NaN where none had. Example: [`Trainer::evaluate`].
    pub fn loss(&self) -> f64 {
        let sums = self.sequences.iter().map(|sequence| sequence.loss_sum);
        let n_targets: u64 = self
            .sequences
            .iter()
            .map(|sequence| sequence.n_targets)
            .sum();
        sums.reduce(|sum, more| sum + more).unwrap_or(0.0) / n_targets as f64
    }
}

impl<N: Network> Trainer<N> {
    /// The outputs (S, T, n_outputs) of any number of sequences, each from a silent start on the present weights, and the mean loss, NaN without targets.
    /// Nothing of the trainer moves: neither streams nor weights nor a pending gradient. The outputs have the bits that `predict_batch` with `reset` would
    /// give; they are 0 beyond a sequence's length.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`], [`Error::TooLarge`].
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer, Stream};
    /// let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// trainer.step(ndarray::array![1.0, 1.0, 0.0].view(), None)?;
    /// let before = trainer.clone();
    /// let (x, y) = (ndarray::Array3::ones((5, 20, 3)), ndarray::Array3::zeros((5, 20, 2)));
    /// let (loss, outputs) = trainer.evaluate(&Stream::of(x.view(), y.view(), None))?;
    /// assert_eq!((outputs.dim(), loss.is_finite()), ((5, 20, 2), true));
    /// assert!(trainer.state_equal(&before));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn evaluate(&self, sequences: &[Stream<'_, N::F>]) -> Result<(f64, Array3<N::F>), Error> {
        let inputs: Vec<_> = sequences.iter().map(|sequence| sequence.inputs).collect();
        let judged: Vec<_> = sequences
            .iter()
            .map(|sequence| (sequence.targets, sequence.mask, sequence.weights))
            .collect();
        for (b, inputs) in inputs.iter().enumerate() {
            let checked = inputs.check(self.n_inputs(), 1);
            checked.map_err(|error| error.in_stream_of(sequences.len(), b))?;
        }
        let n_steps = inputs.iter().map(Inputs::n_steps).max().unwrap_or(0);
        let mut outputs = matrices("outputs", (inputs.len(), n_steps, self.n_outputs()))?;
        let mut evaluation = self.evaluation(inputs.len())?;
        self.evaluate_piece(
            &mut evaluation,
            &inputs,
            Some(&judged),
            Some(outputs.view_mut()),
        )?;
        Ok((evaluation.loss(), outputs))
    }

    /// Starts an evaluation of `n_sequences` silent sequences that is fed piece by piece. Its weights are those of the moment: nothing may be trained before
    /// it ends.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where there is no memory for the states of so many sequences.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// let (x, mut y) = (ndarray::Array2::ones((9, 3)), ndarray::Array3::zeros((1, 9, 2)));
    /// let mut evaluation = trainer.evaluation(1)?;
    /// trainer.evaluate_piece(&mut evaluation, &[x.view().into()], None, Some(y.view_mut()))?;
    /// assert!(evaluation.loss().is_nan());
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn evaluation(&self, n_sequences: usize) -> Result<Evaluation<N>, Error> {
        let first = self.streams.first();
        let mut sequences = vec_for("an evaluation", n_sequences)?;
        for _ in 0..n_sequences {
            let of_outputs = || -> Result<Vec<N::F>, Error> {
                let mut row = vec_for("an evaluation", first.n_outputs())?;
                row.resize(first.n_outputs(), N::F::ZERO);
                Ok(row)
            };
            sequences.push(Sequence {
                present: first.present(&self.config)?,
                loss_sum: 0.0,
                n_targets: 0,
                target: of_outputs()?,
                err: of_outputs()?,
            });
        }
        Ok(Evaluation {
            sizes: N::sizes(&self.plan),
            sequences,
        })
    }

    /// The next steps of every sequence; one that has ended has none. Outputs go where the caller says, (S, T, n_outputs), T of the longest. Example:
    /// [`evaluation`](Self::evaluation).
    ///
    /// # Errors
    /// [`Error::Shape`]; [`Error::Value`], also for an evaluation that a trainer of other sizes began; and then nothing has changed.
    pub fn evaluate_piece<'a>(
        &self,
        evaluation: &mut Evaluation<N>,
        inputs: &[Inputs<'a, N::F>],
        judged: Option<&[Judged<'a, N::F>]>,
        outputs: Option<ArrayViewMut3<'_, N::F>>,
    ) -> Result<(), Error> {
        self.check_evaluated(evaluation, inputs, judged, outputs.as_ref())?;
        let first = self.streams.first();
        let cost = synapses::<N>(&self.plan);
        if let ([sequence], [inputs]) = (&mut evaluation.sequences[..], inputs) {
            let mut pace = self.streams.interrupt().pace();
            let rows = outputs.map(|outputs| outputs.index_axis_move(Axis(0), 0));
            let judged = judged.map(|judged| judged[0]);
            return sequence.run(first, *inputs, judged, rows, &mut || pace.pass(cost));
        }
        let rows = rows_of(outputs, inputs.len());
        let jobs = evaluation
            .sequences
            .iter_mut()
            .zip(inputs)
            .zip(rows)
            .enumerate();
        let n_steps = inputs.iter().map(Inputs::n_steps).max().unwrap_or(0);
        let done = parallel::run_until(
            self.streams.threads(),
            jobs.collect(),
            Until::asked(self.streams.interrupt(), 0, cost.saturating_mul(n_steps)),
            |(b, ((sequence, &inputs), rows)), pace| {
                let judged = judged.map(|judged| judged[b]);
                // Where it is stopped, all of it is.
                let _ = sequence.run(first, inputs, judged, rows, &mut || pace.pass(cost));
            },
        );
        match done.stopped {
            true => Err(Error::Interrupted),
            false => Ok(()),
        }
    }

    fn check_evaluated<'a>(
        &self,
        evaluation: &Evaluation<N>,
        inputs: &[Inputs<'a, N::F>],
        judged: Option<&[Judged<'a, N::F>]>,
        outputs: Option<&ArrayViewMut3<'_, N::F>>,
    ) -> Result<(), Error> {
        let first = self.streams.first();
        let n_sequences = evaluation.sequences.len();
        let sizes = N::sizes(&self.plan);
        if evaluation.sizes != sizes {
            let expected = alloc::format!("one of a trainer with {sizes}");
            let got = alloc::format!("one with {}", evaluation.sizes);
            return Err(Error::value("evaluation", expected, got));
        }
        check::streams("inputs", n_sequences, inputs.len())?;
        if let Some(judged) = judged {
            check::streams("targets", n_sequences, judged.len())?;
        }
        for (b, inputs) in inputs.iter().enumerate() {
            let checked = match judged {
                None => inputs.check(first.n_inputs(), 0),
                Some(judged) => Stream {
                    inputs: *inputs,
                    targets: judged[b].0,
                    mask: judged[b].1,
                    weights: judged[b].2,
                }
                .check(first.n_inputs(), first.n_outputs(), first.loss(), 0),
            };
            checked.map_err(|error| error.in_stream_of(n_sequences, b))?;
        }
        if let Some(outputs) = outputs {
            let n_steps = inputs.iter().map(Inputs::n_steps).max().unwrap_or(0);
            check::room3(
                "outputs",
                outputs,
                (n_sequences, n_steps, first.n_outputs()),
            )?;
        }
        Ok(())
    }
}

impl<N: Wiring> Sequence<N> {
    fn run<'a>(
        &mut self,
        network: &N,
        inputs: Inputs<'a, N::F>,
        judged: Option<Judged<'a, N::F>>,
        mut outputs: Option<ArrayViewMut2<'_, N::F>>,
        go_on: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<(), Error> {
        for t in 0..inputs.n_steps() {
            go_on()?;
            network.evaluate(&mut self.present, inputs.step(t));
            let output = N::output_of(&self.present);
            if let Some(outputs) = &mut outputs {
                let row = outputs.row_mut(t).into_iter();
                row.zip(output).for_each(|(to, &y)| *to = y);
            }
            let Some((targets, mask, weights)) = judged else {
                continue;
            };
            let stream = Stream {
                inputs,
                targets,
                mask,
                weights,
            };
            let (target, err) = (&mut self.target, &mut self.err);
            if let Some(loss) = stream.lesson(t).judge(network.loss(), output, target, err) {
                self.loss_sum += loss;
                self.n_targets += 1;
            }
        }
        Ok(())
    }
}
