//! Whole sequences and pieces of streams, for every trainer alike: a trainer says what one step is, and this is the loop.

use alloc::vec;
use alloc::vec::Vec;

use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut2};

use crate::loss::Loss;
use crate::{Error, Float, Input, Inputs, check};

/// What the loop needs to know of a trainer.
pub(crate) trait Network<F: Float> {
    fn n_inputs(&self) -> usize;
    fn n_outputs(&self) -> usize;
    fn loss(&self) -> Loss;
    /// `dt` and `tau_mem`, in ms.
    fn times(&self) -> (f64, f64);
    /// One step that learns; all arguments are checked.
    fn learn(&mut self, x: Input<'_, F>, target: Option<ArrayView1<'_, F>>) -> Option<f64>;
    /// One step that does not.
    fn predict(&mut self, x: Input<'_, F>);
    /// Before step `t` of a piece: a chance to work out what the inputs of the next steps send all at once.
    fn look_ahead(&mut self, inputs: Inputs<'_, F>, t: usize);
    fn output(&self) -> &[F];
    fn spikes(&self) -> &[F];
    /// Calls back with the number of neurons and those that fired, group by group.
    fn all_fired(&self, see: &mut dyn FnMut(usize, &[u32]));
}

/// What one step returns: views into the trainer, so that nothing is allocated.
///
/// ```
/// use eprop::{Config, EpropTrainer, StepOutput};
/// let mut trainer = EpropTrainer::<f32>::new(1, 4, 2, Config::default())?;
/// let StepOutput { spikes, output, loss } = trainer.step(ndarray::array![1.0].view(), None)?;
/// assert_eq!((spikes.len(), output.len(), loss), (4, 2, None));
/// # Ok::<(), eprop::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct StepOutput<'a, F> {
    /// The spikes of this step, 0 or 1: (N,).
    pub spikes: ArrayView1<'a, F>,
    /// The output of this step: (O,).
    pub output: ArrayView1<'a, F>,
    /// The loss, exactly when a target was given.
    pub loss: Option<f64>,
}

/// Options of `train_sequence`.
///
/// ```
/// assert!(eprop::TrainOptions::default().reset);
/// ```
#[derive(Clone, Debug)]
pub struct TrainOptions<'a> {
    /// The steps that have a target, (T,); `None`: all.
    pub mask: Option<ArrayView1<'a, bool>>,
    /// Start from a silent network and apply what is pending at the end; otherwise go on where the stream stood.
    pub reset: bool,
}

impl Default for TrainOptions<'_> {
    fn default() -> Self {
        Self {
            mask: None,
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
    /// Mean over the steps that had a target; NaN where none had.
    pub loss: f64,
    /// (T, O).
    pub outputs: Array2<F>,
    /// Whether the network fired at a rate at which it can learn.
    pub activity: Activity,
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

/// How a network fired over a sequence. Example: [`SequenceOutput`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Neither of the others.
    Normal,
    /// Nothing fired: there is nothing to learn from. `calibrate` helps.
    Silent,
    /// More than half of the neurons fired at more than half of the steps. `calibrate` helps.
    Saturated,
}

/// The sums of a sequence that is trained piece by piece. However it is cut, they are the same to the bit.
///
/// ```
/// use eprop::{Config, EpropTrainer};
/// let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
/// assert!(trainer.tally().loss().is_nan());
/// # Ok::<(), eprop::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tally {
    loss_sum: f64,
    n_targets: u64,
    n_steps: u64,
    spike_counts: Vec<u64>,
    dt: f64,
    tau_mem: f64,
}

impl Tally {
    pub(crate) fn new<F: Float>(network: &impl Network<F>) -> Self {
        let mut n = 0;
        network.all_fired(&mut |group, _| n += group);
        let (dt, tau_mem) = network.times();
        Self {
            loss_sum: 0.0,
            n_targets: 0,
            n_steps: 0,
            spike_counts: vec![0; n],
            dt,
            tau_mem,
        }
    }

    /// Of streams side by side: sums in their order, every neuron of every stream one of its own.
    pub(crate) fn merged(streams: &[Self]) -> Self {
        let first = &streams[0];
        Self {
            loss_sum: streams.iter().map(|tally| tally.loss_sum).sum(),
            n_targets: streams.iter().map(|tally| tally.n_targets).sum(),
            spike_counts: streams
                .iter()
                .flat_map(|tally| tally.spike_counts.iter().copied())
                .collect(),
            ..*first
        }
    }

    /// The mean loss over the steps that had a target; NaN where none had. Example: [`Tally`].
    pub fn loss(&self) -> f64 {
        self.loss_sum / self.n_targets as f64
    }

    /// The sum of the loss over the steps that had a target.
    ///
    /// ```
    /// # use eprop::{Activity, Config, EpropTrainer};
    /// # let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// assert_eq!(trainer.tally().loss_sum(), 0.0);
    /// assert_eq!(trainer.tally().activity(), Activity::Normal);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn loss_sum(&self) -> f64 {
        self.loss_sum
    }

    /// How the network fired. Of less than five membrane time constants nothing can be said: [`Activity::Normal`]. Example: [`loss_sum`](Self::loss_sum).
    pub fn activity(&self) -> Activity {
        if (self.n_steps as f64) * self.dt < 5.0 * self.tau_mem {
            return Activity::Normal;
        }
        if self.spike_counts.iter().all(|&count| count == 0) {
            return Activity::Silent;
        }
        let busy = self
            .spike_counts
            .iter()
            .filter(|&&count| 2 * count > self.n_steps)
            .count();
        if 2 * busy > self.spike_counts.len() {
            Activity::Saturated
        } else {
            Activity::Normal
        }
    }

    fn take_in<F: Float>(&mut self, network: &impl Network<F>, loss: Option<f64>) {
        if let Some(loss) = loss {
            self.loss_sum += loss;
            self.n_targets += 1;
        }
        self.n_steps += 1;
        let mut first = 0;
        network.all_fired(&mut |group, fired| {
            for &j in fired {
                self.spike_counts[first + j as usize] += 1;
            }
            first += group;
        });
    }
}

pub(crate) fn check_step<F: Float>(
    network: &impl Network<F>,
    x: Input<'_, F>,
    target: Option<ArrayView1<'_, F>>,
) -> Result<(), Error> {
    x.check(network.n_inputs())?;
    if let Some(target) = target {
        check::vector("target", target, network.n_outputs())?;
        check::target("target", target, network.loss())?;
    }
    Ok(())
}

pub(crate) fn check_sequence<F: Float>(
    network: &impl Network<F>,
    inputs: Inputs<'_, F>,
    targets: ArrayView2<'_, F>,
    mask: Option<ArrayView1<'_, bool>>,
) -> Result<(), Error> {
    inputs.check(network.n_inputs())?;
    check::targets(
        targets,
        mask,
        inputs.n_steps(),
        network.n_outputs(),
        network.loss(),
    )
}

pub(crate) fn train_piece<F: Float>(
    network: &mut impl Network<F>,
    inputs: Inputs<'_, F>,
    targets: ArrayView2<'_, F>,
    mask: Option<ArrayView1<'_, bool>>,
    outputs: Option<ArrayViewMut2<'_, F>>,
    tally: &mut Tally,
) -> Result<(), Error> {
    check_sequence(network, inputs, targets, mask)?;
    if let Some(outputs) = &outputs {
        check_room("outputs", outputs, inputs.n_steps(), network.n_outputs())?;
    }
    check_tally(network, tally)?;
    train_checked(network, inputs, targets, mask, outputs, tally);
    Ok(())
}

/// The same with everything looked at already.
pub(crate) fn train_checked<F: Float>(
    network: &mut impl Network<F>,
    inputs: Inputs<'_, F>,
    targets: ArrayView2<'_, F>,
    mask: Option<ArrayView1<'_, bool>>,
    mut outputs: Option<ArrayViewMut2<'_, F>>,
    tally: &mut Tally,
) {
    for (t, target) in targets.outer_iter().enumerate() {
        let taught = mask.is_none_or(|mask| mask[t]);
        network.look_ahead(inputs, t);
        let loss = network.learn(inputs.step(t), taught.then_some(target));
        tally.take_in(network, loss);
        if let Some(outputs) = &mut outputs {
            copy_row(outputs, t, network.output());
        }
    }
}

pub(crate) fn predict_piece<F: Float>(
    network: &mut impl Network<F>,
    inputs: Inputs<'_, F>,
    outputs: ArrayViewMut2<'_, F>,
    spikes: Option<ArrayViewMut2<'_, F>>,
) -> Result<(), Error> {
    inputs.check(network.n_inputs())?;
    check_room("outputs", &outputs, inputs.n_steps(), network.n_outputs())?;
    if let Some(spikes) = &spikes {
        check_room("spikes", spikes, inputs.n_steps(), network.spikes().len())?;
    }
    predict_checked(network, inputs, Some(outputs), spikes);
    Ok(())
}

/// The same with everything looked at already.
pub(crate) fn predict_checked<F: Float>(
    network: &mut impl Network<F>,
    inputs: Inputs<'_, F>,
    mut outputs: Option<ArrayViewMut2<'_, F>>,
    mut spikes: Option<ArrayViewMut2<'_, F>>,
) {
    for t in 0..inputs.n_steps() {
        network.look_ahead(inputs, t);
        network.predict(inputs.step(t));
        if let Some(outputs) = &mut outputs {
            copy_row(outputs, t, network.output());
        }
        if let Some(spikes) = &mut spikes {
            copy_row(spikes, t, network.spikes());
        }
    }
}

/// Sums of another network would count spikes of neurons that are not there.
pub(crate) fn check_tally<F: Float>(network: &impl Network<F>, tally: &Tally) -> Result<(), Error> {
    let mut n = 0;
    network.all_fired(&mut |group, _| n += group);
    let counted = tally.spike_counts.len();
    if counted == n {
        return Ok(());
    }
    let expected = alloc::format!("the sums of a network of {n} neurons");
    let got = alloc::format!("those of {counted}");
    Err(Error::value("tally", expected, got))
}

fn check_room<F: Float>(
    argument: &'static str,
    room: &ArrayViewMut2<'_, F>,
    rows: usize,
    columns: usize,
) -> Result<(), Error> {
    use crate::error::Dim;
    if room.dim() == (rows, columns) {
        return Ok(());
    }
    Err(Error::shape(
        argument,
        &[Dim::Is(rows), Dim::Is(columns)],
        room.shape(),
    ))
}

fn copy_row<F: Float>(rows: &mut ArrayViewMut2<'_, F>, t: usize, from: &[F]) {
    rows.row_mut(t)
        .iter_mut()
        .zip(from)
        .for_each(|(to, &from)| *to = from);
}

/// The methods on sequences that every trainer has. `$make` is the line that builds `trainer`, with 3 inputs and 2 outputs, in the examples.
macro_rules! sequence_methods {
    ($trainer:ident, $factors:ty, $make:literal) => {
        impl<F: crate::Float> $trainer<F> {
            #[doc = concat!(
                "One step of the stream: `x` (n_inputs,), `target` (n_outputs,). Without a target nothing is taught, \
                but the regulariser and due updates go on. Allocates nothing.\n\n\
                # Errors\n[`Error::Shape`], [`Error::Value`]; [`Error::NonFiniteWeights`] after the step.\n\n",
                "```\n", $make, "\nlet x = ndarray::array![1.0, 0.0, 1.0];\nlet step = trainer.step(x.view(), None)?;\n\
                assert_eq!(step.output.len(), 2);\nassert!(step.loss.is_none());\n# Ok::<(), eprop::Error>(())\n```"
            )]
            pub fn step<'x>(
                &mut self,
                x: impl Into<crate::Input<'x, F>>,
                target: Option<ndarray::ArrayView1<'_, F>>,
            ) -> Result<crate::StepOutput<'_, F>, crate::Error> {
                let x = x.into();
                crate::sequence::check_step(self, x, target)?;
                let loss = crate::sequence::Network::learn(self, x, target);
                self.check_changed()?;
                Ok(crate::StepOutput {
                    spikes: crate::sequence::Network::spikes(self).into(),
                    output: crate::sequence::Network::output(self).into(),
                    loss,
                })
            }

            #[doc = concat!(
                "Trains on `inputs` (T, n_inputs) and `targets` (T, n_outputs).\n\n\
                # Errors\n[`Error::Shape`], [`Error::Value`], and then nothing has changed; [`Error::NonFiniteWeights`] after the sequence.\n\n",
                "```\n", $make, "\nlet inputs = ndarray::Array2::ones((20, 3));\nlet targets = ndarray::Array2::zeros((20, 2));\n\
                let trained = trainer.train_sequence(inputs.view(), targets.view(), eprop::TrainOptions::default())?;\n\
                assert_eq!(trained.outputs.dim(), (20, 2));\nassert!(trained.loss.is_finite());\n# Ok::<(), eprop::Error>(())\n```"
            )]
            pub fn train_sequence<'x>(
                &mut self,
                inputs: impl Into<crate::Inputs<'x, F>>,
                targets: ndarray::ArrayView2<'_, F>,
                options: crate::TrainOptions<'_>,
            ) -> Result<crate::SequenceOutput<F>, crate::Error> {
                let inputs = inputs.into();
                self.check_sequence(inputs, targets, options.mask)?;
                if options.reset {
                    self.reset();
                }
                let mut tally = self.tally();
                let mut outputs = ndarray::Array2::default(targets.dim());
                crate::sequence::train_checked(self, inputs, targets, options.mask, Some(outputs.view_mut()), &mut tally);
                if options.reset {
                    self.apply_pending();
                }
                self.check_changed()?;
                Ok(crate::SequenceOutput { loss: tally.loss(), outputs, activity: tally.activity() })
            }

            #[doc = concat!(
                "Runs without learning: no regulariser, no updates, and the steps do not count towards `update_every`; \
                state and traces move on. `reset`: start from a silent network.\n\n\
                # Errors\n[`Error::Shape`], [`Error::Value`].\n\n",
                "```\n", $make, "\nlet inputs = ndarray::Array2::ones((20, 3));\n\
                assert_eq!(trainer.predict_sequence(inputs.view(), true)?.outputs.dim(), (20, 2));\n# Ok::<(), eprop::Error>(())\n```"
            )]
            pub fn predict_sequence<'x>(
                &mut self,
                inputs: impl Into<crate::Inputs<'x, F>>,
                reset: bool,
            ) -> Result<crate::Prediction<F>, crate::Error> {
                let inputs = inputs.into();
                self.check_inputs(inputs)?;
                if reset {
                    self.reset();
                }
                let room = |columns| ndarray::Array2::default((inputs.n_steps(), columns));
                let mut outputs = room(crate::sequence::Network::n_outputs(self));
                let mut spikes = room(crate::sequence::Network::spikes(self).len());
                crate::sequence::predict_checked(self, inputs, Some(outputs.view_mut()), Some(spikes.view_mut()));
                Ok(crate::Prediction { outputs, spikes })
            }

            #[doc = concat!(
                "Empty sums for a sequence that is trained piece by piece.\n\n",
                "```\n", $make, "\nlet x = ndarray::Array2::ones((9, 3));\nlet y = ndarray::Array2::zeros((9, 2));\n\
                let mut twin = trainer.clone();\nlet whole = twin.train_sequence(x.view(), y.view(), eprop::TrainOptions::default())?;\n\
                let mut tally = trainer.tally();\nuse ndarray::s;\nfor piece in [s![..4, ..], s![4.., ..]] {\n    \
                trainer.train_piece(x.slice(piece), y.slice(piece), None, None, &mut tally)?;\n}\n\
                assert_eq!(tally.loss(), whole.loss);\nassert!(trainer.state_equal(&twin));\n# Ok::<(), eprop::Error>(())\n```"
            )]
            pub fn tally(&self) -> crate::Tally {
                crate::Tally::new(self)
            }

            #[doc = concat!(
                "Checks a whole sequence as `train_sequence` does: shapes, values, T >= 1.\n\n\
                # Errors\n[`Error::Shape`], [`Error::Value`].\n\n",
                "```\n", $make, "\n# trainer.reset();\nlet inputs = ndarray::Array2::ones((9, 3));\nlet short = ndarray::Array2::zeros((8, 2));\n\
                assert!(trainer.check_sequence(inputs.view(), short.view(), None).is_err());\n# Ok::<(), eprop::Error>(())\n```"
            )]
            pub fn check_sequence<'x>(
                &self,
                inputs: impl Into<crate::Inputs<'x, F>>,
                targets: ndarray::ArrayView2<'_, F>,
                mask: Option<ndarray::ArrayView1<'_, bool>>,
            ) -> Result<(), crate::Error> {
                crate::sequence::check_sequence(self, inputs.into(), targets, mask)
            }

            #[doc = concat!(
                "Checks the inputs of a whole sequence: shape, values, T >= 1.\n\n\
                # Errors\n[`Error::Shape`], [`Error::Value`].\n\n",
                "```\n", $make, "\n# trainer.reset();\nlet inputs = ndarray::Array2::ones((9, 3));\n\
                trainer.check_inputs(inputs.view())?;\n# Ok::<(), eprop::Error>(())\n```"
            )]
            pub fn check_inputs<'x>(&self, inputs: impl Into<crate::Inputs<'x, F>>) -> Result<(), crate::Error> {
                inputs.into().check(crate::sequence::Network::n_inputs(self))
            }

            #[doc = concat!(
                "One piece of a stream, as `train_sequence` without `reset`, but allocating nothing: outputs go where the \
                caller says, (T, n_outputs), and sums into `tally`. Whether weights stayed finite is for \
                `check_weights` to say.\n\n# Errors\n[`Error::Shape`], [`Error::Value`], and then nothing has changed.\n\n",
                "```\n", $make, "\nlet inputs = ndarray::Array2::ones((9, 3));\nlet targets = ndarray::Array2::zeros((9, 2));\n\
                let mut tally = trainer.tally();\ntrainer.train_piece(inputs.view(), targets.view(), None, None, &mut tally)?;\n\
                assert!(tally.loss().is_finite());\n# Ok::<(), eprop::Error>(())\n```"
            )]
            pub fn train_piece<'x>(
                &mut self,
                inputs: impl Into<crate::Inputs<'x, F>>,
                targets: ndarray::ArrayView2<'_, F>,
                mask: Option<ndarray::ArrayView1<'_, bool>>,
                outputs: Option<ndarray::ArrayViewMut2<'_, F>>,
                tally: &mut crate::Tally,
            ) -> Result<(), crate::Error> {
                crate::sequence::train_piece(self, inputs.into(), targets, mask, outputs, tally)
            }

            #[doc = concat!(
                "One piece of a stream without learning, into the caller's arrays (T, n_outputs) and (T, N).\n\n\
                # Errors\n[`Error::Shape`], [`Error::Value`], and then nothing has changed.\n\n",
                "```\n", $make, "\nlet inputs = ndarray::Array2::ones((9, 3));\nlet mut outputs = ndarray::Array2::zeros((9, 2));\n\
                trainer.predict_piece(inputs.view(), outputs.view_mut(), None)?;\n# Ok::<(), eprop::Error>(())\n```"
            )]
            pub fn predict_piece<'x>(
                &mut self,
                inputs: impl Into<crate::Inputs<'x, F>>,
                outputs: ndarray::ArrayViewMut2<'_, F>,
                spikes: Option<ndarray::ArrayViewMut2<'_, F>>,
            ) -> Result<(), crate::Error> {
                crate::sequence::predict_piece(self, inputs.into(), outputs, spikes)
            }

            #[doc = concat!(
                "Scales the input weights, and nothing else, so that the network fires at `rate` Hz on average over `inputs` \
                (T, n_inputs) from a silent start. Comes within 10 %. State stays as it is.\n\n\
                # Errors\n[`Error::Shape`], [`Error::Value`]; [`Error::Uncalibrated`] names the nearest rate reached. Then nothing has changed.\n\n",
                "```\n", $make, "\nlet inputs = ndarray::Array2::from_shape_fn((500, 3), |(t, i)| if t % 7 == i { 1.0 } else { 0.2 });\n\
                trainer.calibrate(inputs.view(), 40.0)?;\n# Ok::<(), eprop::Error>(())\n```"
            )]
            pub fn calibrate<'x>(
                &mut self,
                inputs: impl Into<crate::Inputs<'x, F>>,
                rate: f64,
            ) -> Result<$factors, crate::Error> {
                let found = self.calibrate_while(inputs, rate, &mut || true)?;
                Ok(found.unwrap_or_default())
            }

            #[doc = concat!(
                "Like `calibrate`, but asks `keep_going` at every step; `None` when it says no, and then nothing has changed.\n\n\
                # Errors\nAs `calibrate`.\n\n",
                "```\n", $make, "\nlet inputs = ndarray::Array2::ones((50, 3));\n\
                assert!(trainer.calibrate_while(inputs.view(), 40.0, &mut || false)?.is_none());\n# Ok::<(), eprop::Error>(())\n```"
            )]
            pub fn calibrate_while<'x>(
                &mut self,
                inputs: impl Into<crate::Inputs<'x, F>>,
                rate: f64,
                keep_going: &mut dyn FnMut() -> bool,
            ) -> Result<Option<$factors>, crate::Error> {
                let inputs = inputs.into();
                self.check_inputs(inputs)?;
                crate::config::positive("rate", rate)?;
                self.search_scale(inputs, rate, keep_going)
            }

            #[doc = concat!(
                "Applies the pending gradient now; the count of `update_every` does not move. With nothing pending it does nothing.\n\n\
                # Errors\n[`Error::NonFiniteWeights`] after the update.\n\n",
                "```\n", $make, "\ntrainer.update()?;\n# Ok::<(), eprop::Error>(())\n```"
            )]
            pub fn update(&mut self) -> Result<(), crate::Error> {
                self.apply_pending();
                self.check_changed()
            }

            #[doc = concat!(
                "Weights and state as bytes, little-endian; `restore` takes them back.\n\n",
                "```\n", $make, "\nlet saved = trainer.to_bytes();\nlet mut twin = trainer.clone();\n\
                twin.step(ndarray::array![1.0, 1.0, 1.0].view(), None)?;\nassert!(!twin.state_equal(&trainer));\n\
                twin.restore(&saved)?;\nassert!(twin.state_equal(&trainer));\n# Ok::<(), eprop::Error>(())\n```"
            )]
            pub fn to_bytes(&self) -> alloc::vec::Vec<u8> {
                let mut bytes = alloc::vec::Vec::new();
                crate::persist::Persist::save(self, &mut bytes);
                bytes
            }

            #[doc = concat!(
                "Weights and state from bytes that `to_bytes` made of a trainer of the same sizes and configuration. Going on from them is bit-equal.\n\n\
                # Errors\n[`Error::State`], and then nothing has changed.\n\n",
                "```\n", $make, "\nassert!(trainer.restore(&[1, 2, 3]).is_err());\n# Ok::<(), eprop::Error>(())\n```"
            )]
            pub fn restore(&mut self, bytes: &[u8]) -> Result<(), crate::Error> {
                *self = crate::persist::restored(self, bytes)?;
                self.suspect();
                Ok(())
            }

            #[doc = concat!(
                "Whether weights and state are equal to the bit.\n\n",
                "```\n", $make, "\n# trainer.reset();\nassert!(trainer.state_equal(&trainer.clone()));\n# Ok::<(), eprop::Error>(())\n```"
            )]
            pub fn state_equal(&self, other: &Self) -> bool {
                self.to_bytes() == other.to_bytes() || self.caught_up().to_bytes() == other.caught_up().to_bytes()
            }

            #[doc = concat!(
                "How many numbers are kept from one step to the next, weights not counted, whatever T is.\n\n",
                "```\n", $make, "\n# trainer.reset();\nassert!(trainer.memory_per_step() > 0);\n# Ok::<(), eprop::Error>(())\n```"
            )]
            pub fn memory_per_step(&self) -> usize {
                crate::persist::Persist::numbers(self)
            }

            #[doc = concat!(
                "Bytes of everything the trainer has allocated: weights, state and scratch.\n\n",
                "```\n", $make, "\n# trainer.reset();\nassert!(trainer.memory_bytes() > 8 * trainer.memory_per_step() / 2);\n# Ok::<(), eprop::Error>(())\n```"
            )]
            pub fn memory_bytes(&self) -> usize {
                crate::persist::Persist::bytes(self)
            }
        }
    };
}
pub(crate) use sequence_methods;
