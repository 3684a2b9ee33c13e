//! What a trainer asks of a network, whichever it is.

use alloc::vec::Vec;
use core::fmt::Debug;

use ndarray::{Array2, ArrayView2};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::circle::Circle;
use super::cost::Cost;
use super::filed::Filed;
use super::schedule::Since;
use crate::numbers::aligned::Aligned;
use crate::numbers::interrupt::Pace;
use crate::numbers::parameter::Parameter;
use crate::numbers::room::Room;
use crate::numbers::step::Split;
use crate::numbers::walk::Walked;
use crate::options::{Loss, Optimizer as Rule, Reduction, UpdateEvery};
use crate::parts::input::Input;
use crate::parts::optimizer::{Population, Steps, Times};
use crate::{Error, Float};

/// A network that a [`Trainer`](crate::Trainer) trains: [`Recurrent`](crate::Recurrent) or [`Stack`](crate::Stack). Sealed.
///
/// ```
/// use eprop::{Error, Input, Network, Trainer};
/// fn outputs<N: Network>(trainer: &mut Trainer<N>, x: Input<'_, N::F>) -> Result<usize, Error> {
///     Ok(trainer.step(x, None)?.output.len())
/// }
/// let mut trainer = eprop::EpropTrainer::<f32>::new(3, 8, 2, eprop::Config::default())?;
/// assert_eq!(outputs(&mut trainer, Input::spikes(&[1]))?, 2);
/// # Ok::<(), Error>(())
/// ```
pub trait Network: Filed {}

impl<N: Filed> Network for N {}

/// What a trainer reads of its configuration.
pub trait Settings: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync {
    #[doc(hidden)]
    fn lr(&self) -> f64;
    #[doc(hidden)]
    fn set_lr(&mut self, lr: f64);
    /// That of a group of weights.
    #[doc(hidden)]
    fn lr_of(&self, group: usize) -> f64;
    #[doc(hidden)]
    fn batch_size(&self) -> usize;
    #[doc(hidden)]
    fn update_every(&self) -> UpdateEvery;
    #[doc(hidden)]
    fn optimizer(&self) -> Rule;
    #[doc(hidden)]
    fn reduction(&self) -> Reduction;
    #[doc(hidden)]
    fn clip_norm(&self) -> Option<f64>;
    #[doc(hidden)]
    fn w_max(&self) -> Option<f64>;
    /// Whether weights keep the signs of their sources.
    fn keeps_signs(&self) -> bool {
        false
    }
    #[doc(hidden)]
    fn memory_limit(&self) -> Option<usize>;
    /// Whether credit flows back through recurrent spikes.
    #[doc(hidden)]
    fn looks_back(&self) -> bool {
        false
    }
    #[doc(hidden)]
    fn times(&self) -> Times;
}

/// The groups of weights of a parameter: of its first `cut` weights, and of those from there on.
#[derive(Clone, Copy, Debug)]
pub struct Groups {
    pub(crate) cut: usize,
    pub(crate) before: usize,
    pub(crate) from: usize,
}

impl Groups {
    pub(crate) fn steps<F: Float>(self, steps: Steps<'_>) -> Split<'_, F> {
        Split {
            cut: self.cut,
            before: steps.of(self.before),
            from: steps.of(self.from),
        }
    }
}

/// What a gradient is a sum over.
#[derive(Clone, Copy, Debug)]
pub struct Sum {
    pub(crate) loss: f64,
    pub(crate) n_targets: u64,
    pub(crate) n_streams: u64,
}

/// What every gradient has.
pub trait GradientParts: Clone + Debug + PartialEq + Send + Sync {
    #[doc(hidden)]
    fn sum(&self) -> Sum;
    /// Of every group of weights.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    #[doc(hidden)]
    fn squared_lengths(&self, to: &mut [f64], pace: &mut Pace<'_>) -> Result<(), Error>;
}

/// One stream's state of a network, and the weights, which streams side by side share.
pub trait Wiring: Walked + Sized + Debug + Send + Sync {
    /// What it computes in.
    type F: Float;
    /// What a user sets.
    type Config: Settings;
    /// What follows from it.
    type Plan: Clone + Debug + Send + Sync;
    /// The gradient by every parameter.
    type Gradients: GradientParts;
    /// The state of a sequence that is run on the weights of the moment, and moves nothing of the network.
    type Present: Debug + Send;
    /// What `calibrate` returns.
    type Factor: Clone + Debug + Default + Send;

    /// A silent stream with weights of 0, or those of the stream `first`.
    fn new(
        room: &mut Room,
        plan: &Self::Plan,
        config: &Self::Config,
        first: Option<&Self>,
    ) -> Result<Self, Error>;
    /// Draws the initial weights.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    fn draw(&mut self, config: &Self::Config, pace: &mut Pace<'_>) -> Result<(), Error>;
    /// The sizes, as an error names them.
    fn sizes(plan: &Self::Plan) -> alloc::string::String;
    /// How many groups of weights take steps of their own.
    fn n_groups(plan: &Self::Plan) -> usize;
    /// Neurons of all layers.
    fn n_neurons(plan: &Self::Plan) -> usize;
    /// What a step of a stream costs.
    fn cost(plan: &Self::Plan, config: &Self::Config) -> Cost;
    /// The plan to take where there is too little memory for this one.
    fn slower(_: &Self::Plan, _: &Self::Config) -> Option<Self::Plan> {
        None
    }
    /// The neurons of each group, where they may have scales of their own.
    fn populations(_: &Self::Plan, _: &Self::Config) -> Vec<Population> {
        Vec::new()
    }
    /// Whether it is a part of a larger network, whose other parts are elsewhere.
    fn is_part(_: &Self::Plan) -> bool {
        false
    }
    /// Whether a gradient is applied with its step.
    fn is_at_once(plan: &Self::Plan) -> bool;
    /// Rows and padded width of the gradient of each parameter of the synapses.
    fn sums(plan: &Self::Plan) -> Vec<(usize, usize)>;
    /// Synapses that a step of a stream passes, as far as work is concerned.
    fn work(plan: &Self::Plan) -> usize;
    /// Threads over which the neurons of a single stream are worth to be spread, at most.
    fn spread(_: &Self::Plan) -> usize {
        1
    }
    /// The plan of a twin whose gradient waits for ever.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    fn for_gradients(plan: &Self::Plan, config: &Self::Config) -> Result<Self::Plan, Error>;
    /// Whether the regulariser's part of a gradient waits by itself.
    fn keeps_apart(_: &Self::Plan) -> bool {
        false
    }
    /// Whether what a stream keeps grows with the steps between two updates.
    fn grows(_: &Self::Plan) -> bool {
        false
    }
    /// Whether streams credit their recurrent spikes side by side.
    fn credits(_: &Self::Plan) -> bool {
        false
    }

    /// Its steps and updates.
    fn circle(&mut self) -> &mut dyn Circle<Self::F>;

    fn n_inputs(&self) -> usize;
    fn n_outputs(&self) -> usize;
    fn loss(&self) -> Loss;
    /// `dt` and `tau_mem`, of several the longest, in ms.
    fn times(&self) -> (f64, f64);
    /// A silent sequence on the weights of the moment.
    fn present(&self, config: &Self::Config) -> Result<Self::Present, Error>;
    /// One step of it, with the bits of a prediction.
    fn evaluate(&self, present: &mut Self::Present, x: Input<'_, Self::F>);
    /// Its output.
    fn output_of(present: &Self::Present) -> &[Self::F];
    fn output(&self) -> &[Self::F];
    fn spikes(&self) -> &[Self::F];
    /// Calls back with the number of neurons and those that fired, group by group.
    fn all_fired(&self, see: &mut dyn FnMut(usize, &[u32]));

    fn since(&self) -> Since;
    /// Parameter number `at` of the synapses, as streams share it.
    fn parameter(&mut self, at: usize) -> Option<&mut Parameter<Self::F>>;
    /// Parameter number `at` has changed, and whether it is finite now.
    fn changed(&mut self, at: usize, finite: bool);
    /// The groups that the weights of parameter number `at` are of.
    fn groups_of(&self, at: usize) -> Groups;
    /// The first stream takes in the pending gradients of all others that are not of the synapses.
    fn gather_heads(_streams: &mut [Self]) {}
    /// The gradient has been used.
    fn updated(&mut self);
    /// Whether synapses may move at an update.
    fn rewires(_: &Self::Plan) -> bool {
        false
    }
    /// The plan of a network whose synapses may have moved.
    fn take_wires(_: &mut Self::Plan, _first: &Self) {}
    /// Whether a step has nothing to do first, for which [`ready`](Circle::ready) is there.
    fn is_ready(&self) -> bool {
        true
    }
    /// Steps until that, and [`credit`](Self::credit), will be due, if no update is.
    fn until_full(&self) -> usize {
        usize::MAX
    }
    /// Credits recurrent spikes of some streams side by side, with the buffers of the first. `ending`: an update follows. Where it is left out, each stream
    /// does it for itself, with the same bits.
    ///
    /// # Errors
    /// [`Error::Interrupted`]: what is left of it is made later.
    fn credit(_streams: &mut [Self], _ending: bool, _: &mut Pace<'_>) -> Result<(), Error> {
        Ok(())
    }
    /// Gives all weights up, so that another stream may change them.
    fn release(&mut self);
    /// Reads the weights of another stream.
    fn share_weights(&mut self, first: &Self);
    /// After state was loaded: takes the handles again that are not saved.
    fn rehold(&mut self) {}
    /// Exchanges buffers of which nothing outlives a call with another stream.
    fn swap_scratch(&mut self, _: &mut Self) {}
    /// The weights of a network of the same sizes under another plan, as they read.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Interrupted`].
    fn take_weights(&mut self, from: &Self, pace: &mut Pace<'_>) -> Result<(), Error>;

    /// The gradient of all streams: of the synapses from sums, one per parameter, of the heads from the streams, where it has been used then.
    fn gradients(
        streams: &mut [Self],
        sums: &[Aligned<Self::F>],
        of: Sum,
        pace: &mut Pace<'_>,
    ) -> Result<Self::Gradients, Error>;
    /// The squared length of a gradient by every neuron of every group that has [`Population`]s, one group after the other.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    fn lengths_of(
        &self,
        _: &Self::Gradients,
        _to: &mut [f64],
        _: &mut Pace<'_>,
    ) -> Result<(), Error> {
        Ok(())
    }
    /// Whether a gradient fits this network.
    fn check_gradients(&self, gradients: &Self::Gradients) -> Result<(), Error>;
    /// Takes a step with a gradient from elsewhere; what waits goes on waiting.
    ///
    /// # Errors
    /// [`Error::TooLarge`]; [`Error::Interrupted`]: then some weights have taken it.
    fn take(
        &mut self,
        gradients: &Self::Gradients,
        steps: Steps<'_>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error>;
    /// Neurons of the group number `at` that `calibrate` brings to a rate one after the other, and what they have fired at this step.
    fn group(&self, at: usize) -> Option<(usize, usize)>;
    /// The weights from outside to group `at`, (its neurons, sources), or in a row those of synapses that exist.
    fn input_weights(&self, at: usize, pace: &mut Pace<'_>) -> Result<Array2<Self::F>, Error>;
    /// Replaces them.
    ///
    /// # Errors
    /// [`Error::Interrupted`]: then some are replaced.
    fn assign_inputs(
        &mut self,
        at: usize,
        w: ArrayView2<'_, Self::F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error>;
    /// The factors of all groups, as `calibrate` returns them.
    fn factor(of_groups: Vec<f64>) -> Self::Factor;

    /// The root mean square of an output, if its weights are of N(0, 1/N) and every neuron fires so many spikes per step, one independent of the other;
    /// `None` where errors do not grow with the targets.
    fn reach(&self, _: f64) -> Option<f64> {
        None
    }
    /// Bytes of lists of parts, which no walk counts.
    fn heap(&self) -> usize {
        0
    }
    /// Bytes of the plan.
    fn plan_bytes(_: &Self::Plan) -> usize {
        0
    }
}
