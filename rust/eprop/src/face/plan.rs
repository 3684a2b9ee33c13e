//! What a trainer will hold and do in a step, before there is one; and the plan that fits into a limit of memory.

use crate::network::cost::Cost;
use crate::network::filed::Filed;
use crate::network::recurrent::Recurrent;
use crate::network::stack::Stack;
use crate::network::streams::Streams;
use crate::network::tally::StreamTally;
use crate::network::wiring::{Network, Settings, Wiring};
use crate::numbers::room::Room;
use crate::options::EXPECTED_RATE;
use crate::options::{Config, Engine, StackConfig};
use crate::parts::optimizer::Optimizer;
use crate::{EpropTrainer, Error, Float, OnlineTrainer, Trainer};

/// What a trainer takes: [`EpropTrainer::plan`] tells it before anything is allocated.
///
/// ```
/// use eprop::{Config, Engine, EpropTrainer, Plan};
/// let plan: Plan = EpropTrainer::<f32>::plan(40, 100, 2, &Config::default())?;
/// assert_eq!(plan.engine, Some(Engine::Factored));
/// let trainer = EpropTrainer::<f32>::new(40, 100, 2, Config::default())?;
/// assert_eq!(plan.bytes, trainer.memory_bytes());
/// # Ok::<(), eprop::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// How the recurrent synapses compute; `None` for a stack, whose layers have one form.
    pub engine: Option<Engine>,
    /// Steps to a block of the block form, or to a base block of the factored form; 1 where there are none.
    pub block: usize,
    /// What the trainer holds once it is made: its `memory_bytes`. Only with a horizon of the whole sequence does it grow from there.
    pub bytes: usize,
    /// How many sources, inputs and neurons, are active in the step that the other numbers are of: 2 % of them, unless [`at`](Self::at) says so.
    pub active: f64,
    /// Multiply-adds of a learning step of one stream, by its leading terms: the rows that it passes.
    pub multiply_adds: f64,
    /// Bytes that it reads or writes, from the cache or from memory.
    pub bytes_moved: f64,
    /// More multiply-adds for each more source that is active.
    pub multiply_adds_per_spike: f64,
    /// More bytes for it.
    pub bytes_moved_per_spike: f64,
}

impl Plan {
    fn new<F>(engine: Option<Engine>, block: usize, bytes: usize, cost: Cost) -> Self {
        let size = size_of::<F>() as f64;
        let silent = Self {
            engine,
            block,
            bytes,
            active: 0.0,
            multiply_adds: cost.step.multiply_adds,
            bytes_moved: cost.step.numbers * size,
            multiply_adds_per_spike: cost.spike.multiply_adds,
            bytes_moved_per_spike: cost.spike.numbers * size,
        };
        silent.at(EXPECTED_RATE * cost.sources)
    }

    /// The same plan where so many sources are active in a step, on average.
    ///
    /// ```
    /// use eprop::{Config, EpropTrainer};
    /// let plan = EpropTrainer::<f32>::plan(40, 100, 2, &Config::default())?;
    /// let (quiet, busy) = (plan.at(0.0), plan.at(14.0));
    /// let more = busy.multiply_adds - quiet.multiply_adds;
    /// assert!((more - 14.0 * plan.multiply_adds_per_spike).abs() < 1e-6);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn at(&self, active: f64) -> Self {
        let more = active - self.active;
        Self {
            active,
            multiply_adds: self.multiply_adds + more * self.multiply_adds_per_spike,
            bytes_moved: self.bytes_moved + more * self.bytes_moved_per_spike,
            ..*self
        }
    }
}

impl<F: Float> EpropTrainer<F> {
    /// What a trainer of these sizes and this configuration takes. Nothing of its size is allocated.
    ///
    /// # Errors
    /// As [`new`](Self::new), but for memory that is not there.
    ///
    /// ```
    /// use eprop::{Config, Engine, EpropTrainer};
    /// let few = Config { memory_limit: Some(32 << 10), ..Config::default() };
    /// let plan = EpropTrainer::<f32>::plan(16, 32, 2, &few)?;
    /// assert!(plan.bytes <= 32 << 10);
    /// // A billion synapses, on any machine.
    /// let plan = EpropTrainer::<f32>::plan(1_000, 31_000, 2, &Config::default())?;
    /// assert_eq!(plan.bytes >> 30, 7);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn plan(
        n_inputs: usize,
        n_neurons: usize,
        n_outputs: usize,
        config: &Config,
    ) -> Result<Plan, Error> {
        let plan = Recurrent::<F>::planned(&[n_inputs, n_neurons, n_outputs], config)?;
        let plan = Self::fitting(plan, config)?;
        let block = match plan.form {
            Engine::Textbook => 1,
            Engine::Factored => plan.base_block,
            Engine::Block => plan.block,
        };
        let (bytes, cost) = (
            Self::bytes_of(&plan, config)?,
            Recurrent::<F>::cost(&plan, config),
        );
        Ok(Plan::new::<F>(Some(plan.form), block, bytes, cost))
    }
}

impl<F: Float> OnlineTrainer<F> {
    /// As [`EpropTrainer::plan`].
    ///
    /// # Errors
    /// As [`new`](Self::new), but for memory that is not there.
    ///
    /// ```
    /// use eprop::{OnlineTrainer, StackConfig};
    /// let plan = OnlineTrainer::<f32>::plan(&[40, 100, 2], &StackConfig::default())?;
    /// let trainer = OnlineTrainer::<f32>::new(&[40, 100, 2], StackConfig::default())?;
    /// assert_eq!((plan.engine, plan.bytes), (None, trainer.memory_bytes()));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn plan(layer_sizes: &[usize], config: &StackConfig) -> Result<Plan, Error> {
        let plan = Self::fitting(Stack::<F>::planned(layer_sizes, config)?, config)?;
        let (bytes, cost) = (
            Self::bytes_of(&plan, config)?,
            Stack::<F>::cost(&plan, config),
        );
        Ok(Plan::new::<F>(None, 1, bytes, cost))
    }
}

impl<N: Network> Trainer<N> {
    /// The fastest plan that fits into the limit of memory, if there is one.
    ///
    /// # Errors
    /// [`Error::Value`] where none does: names the bytes of the smallest.
    pub(crate) fn fitting(plan: N::Plan, config: &N::Config) -> Result<N::Plan, Error> {
        let Some(limit) = config.memory_limit() else {
            return Ok(plan);
        };
        let (mut plan, mut least) = (plan, usize::MAX);
        loop {
            let bytes = Self::bytes_of(&plan, config)?;
            if bytes <= limit {
                return Ok(plan);
            }
            least = least.min(bytes);
            match N::slower(&plan, config) {
                Some(slower) => plan = slower,
                None => return Err(exceeded::<N>(&plan, least, limit)),
            }
        }
    }

    /// Whether a plan that was taken for its other merits fits.
    ///
    /// # Errors
    /// As [`fitting`](Self::fitting).
    pub(crate) fn within_limit(plan: &N::Plan, config: &N::Config) -> Result<(), Error> {
        match (config.memory_limit(), Self::bytes_of(plan, config)?) {
            (Some(limit), bytes) if bytes > limit => Err(exceeded::<N>(plan, bytes, limit)),
            _ => Ok(()),
        }
    }

    /// What [`memory_bytes`](Self::memory_bytes) of a trainer of this plan is.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where that can be addressed by no machine.
    fn bytes_of(plan: &N::Plan, config: &N::Config) -> Result<usize, Error> {
        let of_streams =
            Room::count(|room| Streams::<N>::new(room, plan, config, config.batch_size(), None));
        let too_large = || Error::TooLarge {
            sizes: N::sizes(plan),
            bytes: None,
        };
        let of_optimizer = Optimizer::bytes(
            config.optimizer(),
            N::n_groups(plan),
            &N::populations(plan, config),
        );
        let of_counts = StreamTally::bytes(N::n_neurons(plan));
        [of_optimizer, of_counts, N::plan_bytes(plan)]
            .into_iter()
            .try_fold(of_streams.map_err(|_| too_large())?, usize::checked_add)
            .ok_or_else(too_large)
    }
}

fn exceeded<N: Network>(plan: &N::Plan, bytes: usize, limit: usize) -> Error {
    let expected = alloc::format!(
        "at least {bytes} bytes for {} and these options",
        N::sizes(plan)
    );
    Error::value("memory_limit", expected, limit)
}
