//! What follows from sizes and options, worked out once: which form the synapses take, when a gradient is applied, how long blocks are.

use core::fmt;

use super::config::{Config, Engine, StackConfig, UpdateEvery};
use crate::numbers::aligned::padded;
use crate::{Error, Float};

/// Fewer synapses than these take the textbook recursion where a base block is a single step (time constants of less than 4 / 3 steps):
/// what the end of a block does to all neurons then costs more than a pass over all synapses.
const FEW_SYNAPSES: usize = 4096;

/// Steps for which weights rest from which on a block is faster than the textbook recursion: both its ends cost a pass over all synapses.
const WORTH_A_BLOCK: usize = 8;

/// A history may take so many bytes whatever the network is ...
const HISTORY_BYTES: usize = 16 << 20;
/// ... or this share of the weights, if that is more: 1 / 4.
const HISTORY_SHARE: usize = 4;
/// A block is no longer than this: by then it costs hardly more per step than an endless one.
const LONGEST_BLOCK: usize = 1024;
const SHORTEST_BLOCK: usize = 16;
/// Events are kept for one source in so many, on average; a block in which more happens ends early.
const ACTIVE: usize = 8;

/// The widths of a recurrent network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub(crate) n_inputs: usize,
    pub(crate) n: usize,
    pub(crate) n_outputs: usize,
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            n_inputs,
            n,
            n_outputs,
        } = self;
        write!(
            f,
            "n_inputs = {n_inputs}, n_neurons = {n}, n_outputs = {n_outputs}"
        )
    }
}

impl Sizes {
    /// P.
    pub(crate) fn sources(&self) -> usize {
        self.n_inputs.saturating_add(self.n)
    }
}

/// How a recurrent network computes.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub(crate) sizes: Sizes,
    /// The form of the synapses. Only they ask for it.
    pub(crate) form: Engine,
    /// Whether a gradient is applied with the step that it comes from. Otherwise it waits for an update.
    pub(crate) at_once: bool,
    /// Steps to a base block of the factored form.
    pub(crate) base_block: usize,
    /// Steps to a block of the block form.
    pub(crate) block: usize,
    /// Whether the gradient needs `sum_t e`, for the sequence mode of the regulariser.
    pub(crate) sum_e: bool,
    /// Whether the regulariser has coefficients of its own at every step.
    pub(crate) streamed_regulariser: bool,
}

impl Plan {
    /// The plan of a network whose configuration is valid in itself.
    pub(crate) fn of<F: Float>(sizes: Sizes, config: &Config) -> Result<Self, Error> {
        let form = form(sizes, config)?;
        let regularised = config.c_reg != 0.0;
        let of_sequences = config.update_every == UpdateEvery::Sequence;
        let plan = Self {
            sizes,
            form,
            at_once: config.update_every == UpdateEvery::Steps(1)
                && form != Engine::Block
                && config.batch_size == 1
                && config.optimizer.is_linear(),
            base_block: factored_block(config).unwrap_or(1),
            block: 0,
            sum_e: regularised && of_sequences,
            streamed_regulariser: regularised && !of_sequences,
        };
        Ok(plan.with_block::<F>(rest(config.update_every)))
    }

    /// The plan of a twin that makes the gradient of whole sequences: its gradient waits for ever, its weights rest.
    pub(crate) fn for_gradients<F: Float>(&self) -> Self {
        let form = match self.form {
            Engine::Textbook => Engine::Textbook,
            Engine::Factored | Engine::Block => Engine::Block,
        };
        let twin = Self {
            form,
            at_once: false,
            ..*self
        };
        twin.with_block::<F>(usize::MAX)
    }

    /// Whether the synapses read `L = B err` at every step; otherwise they filter the errors of a block before these meet `B`.
    pub(crate) fn reads_signal(&self) -> bool {
        self.form != Engine::Block
    }

    /// What a step costs, in synapses passed.
    pub(crate) fn work(&self) -> usize {
        let synapses = self.sizes.sources().saturating_mul(self.sizes.n);
        match self.form {
            Engine::Textbook => synapses,
            Engine::Factored | Engine::Block => synapses / 16,
        }
    }

    /// N, padded.
    pub(crate) fn stride<F>(&self) -> usize {
        padded::<F>(self.sizes.n)
    }

    /// How many events a history has room for.
    pub(crate) fn events(&self) -> usize {
        let sources = self.sizes.sources();
        (sources / ACTIVE)
            .saturating_mul(self.block)
            .saturating_add(sources)
    }

    /// The longest block, a power of two, whose history stays within bounds that depend on the sizes alone; not longer than `rest`.
    fn with_block<F>(self, rest: usize) -> Self {
        let weights = self
            .stride::<F>()
            .saturating_mul(self.sizes.sources())
            .saturating_mul(size_of::<F>());
        let bound = HISTORY_BYTES.max(weights / HISTORY_SHARE);
        let mut block = LONGEST_BLOCK;
        while block > SHORTEST_BLOCK && (Self { block, ..self }).history_bytes::<F>() > bound {
            block /= 2;
        }
        Self {
            block: block.min(rest),
            ..self
        }
    }

    fn history_bytes<F>(&self) -> usize {
        let rows = self
            .stride::<F>()
            .saturating_mul(1 + usize::from(self.streamed_regulariser));
        let numbers = rows.saturating_add(self.sizes.n_outputs + self.sizes.n_inputs + 3);
        numbers
            .saturating_mul(self.block)
            .saturating_add(self.events().saturating_mul(2))
            .saturating_mul(size_of::<F>())
    }
}

/// How a stack of layers computes.
#[derive(Clone, Debug)]
pub struct StackPlan {
    /// From the inputs to the outputs.
    pub(crate) sizes: alloc::vec::Vec<usize>,
    /// As in [`Plan`].
    pub(crate) at_once: bool,
}

impl StackPlan {
    pub(crate) fn of(sizes: &[usize], config: &StackConfig) -> Self {
        Self {
            sizes: sizes.to_vec(),
            at_once: config.update_every == UpdateEvery::Steps(1)
                && config.batch_size == 1
                && config.optimizer.is_linear(),
        }
    }

    /// As [`Plan::for_gradients`].
    pub(crate) fn for_gradients(&self) -> Self {
        Self {
            sizes: self.sizes.clone(),
            at_once: false,
        }
    }
}

/// Steps to a base block: at most 1.5 of the time constant, so that powers of the decay stay near 1 and no digits are lost.
pub(crate) fn base_block(tau_in_steps: f64) -> usize {
    /// Longer blocks gain nothing more.
    const LONGEST: f64 = 1024.0;
    // A cast to usize takes the fraction off.
    let steps = (1.5 * tau_in_steps).min(LONGEST) as usize;
    steps.max(1)
}

/// Which form a network takes: the one that is asked for, or else the fastest, by sizes and options alone.
fn form(sizes: Sizes, config: &Config) -> Result<Engine, Error> {
    if let Some(form) = config.engine {
        return possible(form, config).map(|()| form);
    }
    let form = match (config.update_every, factored_block(config)) {
        (_, Some(1)) if sizes.sources().saturating_mul(sizes.n) < FEW_SYNAPSES => Engine::Textbook,
        (_, Some(_)) => Engine::Factored,
        (UpdateEvery::Steps(rest), None) if rest < WORTH_A_BLOCK => Engine::Textbook,
        (UpdateEvery::Steps(_) | UpdateEvery::Sequence, None) => Engine::Block,
    };
    if form == Engine::Factored && !fits_factors(config) {
        return Ok(match config.update_every {
            UpdateEvery::Steps(rest) if rest < WORTH_A_BLOCK => Engine::Textbook,
            UpdateEvery::Steps(_) | UpdateEvery::Sequence => Engine::Block,
        });
    }
    Ok(form)
}

/// Whether a form that was asked for can do what the configuration says.
fn possible(form: Engine, config: &Config) -> Result<(), Error> {
    let refused = |expected: &str| Err(Error::value("engine", expected, "factored"));
    if form != Engine::Factored {
        return Ok(());
    }
    if config.batch_size > 1 {
        return refused("block or textbook in a batch");
    }
    if !config.optimizer.is_linear() {
        return refused("block or textbook with an optimizer that is not linear in the gradient");
    }
    if factored_block(config).is_none() {
        return refused(
            "block or textbook where weights rest for longer than 1.5 of the shorter time constant",
        );
    }
    Ok(())
}

/// Weights in the factors of a stream are changed by that stream alone, and by multiples of its gradient.
fn fits_factors(config: &Config) -> bool {
    config.batch_size == 1 && config.optimizer.is_linear()
}

/// For how many steps a base block of the factored form goes on, a whole number of rests of the weights; `None` where they rest for longer.
fn factored_block(config: &Config) -> Option<usize> {
    let UpdateEvery::Steps(rest) = config.update_every else {
        return None;
    };
    let tau = if config.tau_mem < config.tau_trace {
        config.tau_mem
    } else {
        config.tau_trace
    };
    let block = base_block(tau / config.dt);
    (rest <= block).then(|| block / rest * rest)
}

/// For how many steps weights rest, at most.
fn rest(update_every: UpdateEvery) -> usize {
    match update_every {
        UpdateEvery::Steps(n) => n,
        UpdateEvery::Sequence => usize::MAX,
    }
}
