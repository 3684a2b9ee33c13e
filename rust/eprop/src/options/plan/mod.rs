//! What follows from sizes and options, worked out once: which form the synapses take, when a gradient is applied, how long blocks are.

mod base_block;
mod form;
#[cfg(test)]
mod tests;

use alloc::format;
use alloc::sync::Arc;
use core::fmt;

pub(crate) use base_block::{MANY_NEURONS, base_block};
use base_block::{blocks_of_lists, factored_block, rest};
use form::{against_lists, form, in_lists, lists_fit_textbook, of_steps};

use crate::numbers::aligned::padded;
use crate::numbers::columns::Columns;
use crate::numbers::peers::Peers;
use crate::numbers::wires::Wires;
use crate::options::horizon::Horizon;
use crate::options::part::Part;
use crate::options::wires::{signs_of, wires_of};
use crate::options::{Config, Engine, StackConfig, UpdateEvery};
use crate::{Error, Float};

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
#[derive(Clone, Debug)]
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
    /// Blocks are no longer than this, unless a horizon is.
    pub(crate) longest: usize,
    /// Whether the gradient needs `sum_t e`, for the sequence mode of the regulariser.
    pub(crate) sum_e: bool,
    /// Whether the regulariser has coefficients of its own at every step.
    pub(crate) streamed_regulariser: bool,
    /// Whether the length of every gradient of the loss is needed, for a limit of its step.
    pub(crate) limited: bool,
    /// Whether the regulariser's part of a gradient that waits is kept apart: it does not count in the length.
    pub(crate) apart: bool,
    /// Steps through which credit flows back through recurrent spikes.
    pub(crate) horizon: Horizon,
    /// Steps that must fit into a history together, wherever one of them begins: those of a horizon, as far as weights rest for so long.
    pub(crate) whole: usize,
    /// Steps that a spike takes to the other neurons.
    pub(crate) delay: usize,
    /// Whether there is more between a source and a membrane than one filter that all neurons share.
    pub(crate) membranes: bool,
    /// Whether weights from inputs and those from neurons take steps that differ by more than their gradient.
    pub(crate) grouped: bool,
    /// Whether rows are as long as the lists of the synapses that exist. Otherwise rows have a place for every neuron.
    pub(crate) is_listed: bool,
    /// The synapses that exist; `None`: all.
    pub(crate) wires: Option<Arc<Wires>>,
    /// The same by neuron, where a block of listed synapses passes them.
    pub(crate) columns: Option<Arc<Columns>>,
    /// Dale's law, a sign for each source; `None`: all are free.
    pub(crate) signs: Option<Arc<[i8]>>,
    /// The same of sources whose weights stop at 0: those of synapses that move go across it, and are pruned.
    pub(crate) clipped: Option<Arc<[i8]>>,
    /// Whether synapses move.
    pub(crate) rewires: bool,
    /// Which neurons of a larger network these are, where the others are elsewhere; and who has these.
    pub(crate) part: Option<Part>,
    pub(crate) peers: Option<Arc<dyn Peers>>,
}

/// Synapses from which on the neurons of a single stream are spread over threads.
const SPREAD_FROM: usize = 1 << 20;

/// Neurons of which each thread then has at least so many.
const SHARE: usize = 1 << 12;

/// Which synapses exist, and their signs.
type Structure = (Option<Arc<Wires>>, Option<Arc<[i8]>>);

impl Plan {
    /// The plan of a network whose configuration is valid in itself.
    pub(crate) fn of<F: Float>(sizes: Sizes, config: &Config) -> Result<Self, Error> {
        config.each.fit(sizes.n)?;
        if let Some(part) = &config.part {
            part.fits(sizes, config)?;
        }
        let wires = wires_of(sizes, config)?;
        let signs = signs_of(sizes, config)?;
        let in_lists = match &wires {
            Some(wires) => in_lists(sizes, config, wires),
            None => None,
        };
        // A readout's length is that of all parts, which no neuron's is.
        let fits_parts = in_lists == Some(Engine::Factored) && !config.optimizer.scales_neurons();
        if config.part.is_some() && !fits_parts {
            let got = match (config.engine, against_lists(config)) {
                (Some(form), _) if form != Engine::Factored => format!("engine {}", form.as_str()),
                (_, Some(reason)) => format!("one {reason}"),
                _ => "the optimizer auto, per_neuron".into(),
            };
            let expected = "a network whose synapses can be listed, in factors";
            return Err(Error::value("part", expected, got));
        }
        let form = match in_lists {
            Some(form) => form,
            None => form(sizes, config)?,
        };
        let plan = Self::in_form::<F>(form, sizes, config, (wires, signs));
        match in_lists {
            Some(Engine::Factored) => Ok(plan.with_lists(config)),
            Some(Engine::Block) => plan.with_columns::<F>(config),
            Some(Engine::Textbook) | None => Ok(plan),
        }
    }

    /// The plan of a network whose synapses take a form that they can take.
    fn in_form<F: Float>(
        form: Engine,
        sizes: Sizes,
        config: &Config,
        (wires, signs): Structure,
    ) -> Self {
        let regularised = config.c_reg != 0.0;
        let of_sequences = config.update_every == UpdateEvery::Sequence;
        let limited = config.optimizer.is_limited();
        // Only the factors of a step know its length before it is taken.
        let takes_it_at_once = match form {
            Engine::Textbook => {
                !limited
                    && !config.optimizer.decays()
                    && config.steps_are_linear()
                    && config.batch_size == 1
            }
            // It takes no step that it cannot take at once.
            Engine::Factored => true,
            Engine::Block => false,
        };
        let at_once = config.update_every == UpdateEvery::Steps(1) && takes_it_at_once;
        let plan = Self {
            sizes,
            form,
            at_once,
            base_block: factored_block(config).unwrap_or(1),
            block: 0,
            // Where memory is short, a block that is not that of the form is that of `gradients`.
            longest: match config.memory_limit {
                Some(_) if form != Engine::Block => SHORTEST_BLOCK,
                _ => LONGEST_BLOCK,
            },
            sum_e: regularised && of_sequences,
            streamed_regulariser: regularised && !of_sequences,
            limited,
            apart: limited && regularised && !at_once,
            horizon: config.horizon,
            whole: 1,
            delay: config.delay,
            membranes: config.has_own_membranes(),
            grouped: config.is_grouped(),
            is_listed: form == Engine::Textbook && wires.is_some() && lists_fit_textbook(config),
            wires,
            columns: None,
            clipped: clipped(&signs, sizes, config),
            signs,
            rewires: config.rewire.is_some(),
            part: None,
            peers: None,
        };
        plan.with_block::<F>(rest(config.update_every))
    }

    /// The same where rows are lists: weights that take every step are in factors, and so is the gradient of those that rest, for however long.
    fn with_lists(self, config: &Config) -> Self {
        let takes_it_at_once = config.steps_are_linear() && !config.optimizer.decays();
        let at_once = config.update_every == UpdateEvery::Steps(1)
            && config.batch_size == 1
            && takes_it_at_once;
        Self {
            is_listed: true,
            at_once,
            base_block: blocks_of_lists(config, self.sizes.n),
            apart: self.limited && config.c_reg != 0.0 && !at_once,
            // What only initial weights need is in the wires.
            part: config.part.as_ref().map(|part| Part {
                first: part.first,
                all: part.all,
                ..Part::default()
            }),
            ..self
        }
    }

    /// The same of a block, which passes synapses by neuron.
    fn with_columns<F: Float>(self, config: &Config) -> Result<Self, Error> {
        let columns = match &self.wires {
            Some(wires) => Some(Arc::new(Columns::of(wires)?)),
            None => None,
        };
        let plan = Self {
            is_listed: true,
            columns,
            ..self
        };
        Ok(plan.with_block::<F>(rest(config.update_every)))
    }

    /// Neurons that are sources: those of other processes among them.
    pub(crate) fn senders(&self) -> usize {
        self.part.as_ref().map_or(self.sizes.n, |part| part.all)
    }

    /// P.
    pub(crate) fn sources(&self) -> usize {
        self.sizes.n_inputs.saturating_add(self.senders())
    }

    /// The synapses, where rows are lists of them.
    pub(crate) fn listed(&self) -> Option<&Arc<Wires>> {
        self.wires.as_ref().filter(|_| self.is_listed)
    }

    /// What a network may do instead that takes less memory, as a rule, and more time: half a block, or the next slower form, unless one was asked for.
    pub(crate) fn slower<F: Float>(&self, config: &Config) -> Option<Self> {
        if self.is_listed && self.form != Engine::Block {
            return None;
        }
        let next = match self.form {
            Engine::Block => {
                let longest = self.block / 2;
                let shorter = Self {
                    longest,
                    ..self.clone()
                }
                .with_block::<F>(rest(config.update_every));
                if shorter.block > 0 && shorter.block < self.block {
                    return Some(shorter);
                }
                Engine::Textbook
            }
            Engine::Factored => of_steps(config.update_every),
            Engine::Textbook => return None,
        };
        let is_bound = config.engine.is_some() || config.horizon.is_beyond_a_step();
        (!is_bound).then(|| {
            let structure = (self.wires.clone(), self.signs.clone());
            Self::in_form::<F>(next, self.sizes, config, structure)
        })
    }

    /// The plan of a twin that makes the gradient of whole sequences: its gradient waits for ever, its weights rest.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub(crate) fn for_gradients<F: Float>(&self, horizon: Horizon) -> Result<Self, Error> {
        let form = match self.form {
            Engine::Textbook if !horizon.is_beyond_a_step() => Engine::Textbook,
            Engine::Factored if self.is_listed && !horizon.is_beyond_a_step() => Engine::Factored,
            _ => Engine::Block,
        };
        let columns = match (form, self.listed(), &self.columns) {
            (Engine::Block, Some(wires), None) => Some(Arc::new(Columns::of(wires)?)),
            (_, _, columns) => columns.clone(),
        };
        let twin = Self {
            form,
            columns,
            is_listed: self.is_listed,
            at_once: false,
            limited: false,
            apart: false,
            horizon,
            ..self.clone()
        };
        Ok(twin.with_block::<F>(usize::MAX))
    }

    /// Whether the synapses read `L = B err` at every step; otherwise they filter the errors of a block before these meet `B`.
    pub(crate) fn reads_signal(&self) -> bool {
        self.form != Engine::Block
    }

    /// What a step costs, in synapses passed.
    pub(crate) fn work(&self) -> usize {
        let synapses = match self.listed() {
            Some(wires) => wires.len(),
            None => self.sizes.sources().saturating_mul(self.sizes.n),
        };
        match self.form {
            Engine::Textbook => synapses,
            Engine::Factored | Engine::Block => synapses / 16,
        }
    }

    /// Threads over which the neurons of a single stream are spread, at most: those of large networks in lists (docs/scale.md). One, where it would not pay.
    pub(crate) fn spread(&self) -> usize {
        match self.listed() {
            Some(wires) if self.form != Engine::Textbook && wires.len() >= SPREAD_FROM => {
                (self.sizes.n / SHARE).max(1)
            }
            _ => 1,
        }
    }

    /// Whether a second sum over raw traces goes beside the gradient.
    pub(crate) fn sums_raw_traces(&self) -> bool {
        self.sum_e || self.apart
    }

    /// N, padded.
    pub(crate) fn stride<F>(&self) -> usize {
        padded::<F>(self.sizes.n)
    }

    /// How many events a history has room for.
    pub(crate) fn events(&self) -> usize {
        let sources = self.sizes.sources();
        if self.grows() {
            return sources.saturating_mul(self.block);
        }
        (sources / ACTIVE)
            .saturating_mul(self.block)
            .saturating_add(sources.saturating_mul(self.whole))
    }

    /// Whether a history holds as many steps as weights rest for, and so grows with a sequence.
    pub(crate) fn grows(&self) -> bool {
        self.horizon == Horizon::Sequence
    }

    /// How many scans a recurrent credit takes: one of the loss, and one of the regulariser's part where it is kept apart.
    pub(crate) fn credits(&self) -> usize {
        match self.horizon.is_beyond_a_step() {
            true => 1 + usize::from(self.apart && self.streamed_regulariser),
            false => 0,
        }
    }

    /// The longest block, a power of two, whose history stays within bounds that depend on the sizes alone; not longer than `rest`. Of a horizon, a multiple
    /// of it, or as long as that.
    fn with_block<F>(mut self, rest: usize) -> Self {
        let weights = match self.listed() {
            // A block passes all of them, however little happens.
            Some(wires) => wires.len().saturating_mul(HISTORY_SHARE),
            None => self.stride::<F>().saturating_mul(self.sizes.sources()),
        };
        let bound = HISTORY_BYTES.max(weights.saturating_mul(size_of::<F>()) / HISTORY_SHARE);
        self.block = self.longest;
        while self.block > SHORTEST_BLOCK && self.history_bytes::<F>() > bound {
            self.block /= 2;
        }
        let block = self.block;
        let (block, whole) = match self.horizon {
            Horizon::Steps(1) | Horizon::Sequence => (block.min(rest), 1),
            Horizon::Steps(h) if h >= block.min(rest) => (h.min(rest), h.min(rest)),
            // Up to the update there is one block, if it fits.
            Horizon::Steps(h) if rest <= block => (rest.div_ceil(h).saturating_mul(h), h),
            Horizon::Steps(h) => (block / h * h, h),
        };
        Self {
            block,
            whole,
            ..self
        }
    }

    fn history_bytes<F>(&self) -> usize {
        let rows = self
            .stride::<F>()
            .saturating_mul(1 + usize::from(self.streamed_regulariser) + self.credits());
        let numbers = rows.saturating_add(self.sizes.n_outputs + self.sizes.n_inputs + 3);
        numbers
            .saturating_mul(self.block)
            .saturating_add(self.events().saturating_mul(2))
            .saturating_mul(size_of::<F>())
    }
}

/// The signs that weights keep by stopping at 0.
pub(super) fn clipped(
    signs: &Option<Arc<[i8]>>,
    sizes: Sizes,
    config: &Config,
) -> Option<Arc<[i8]>> {
    let signs = signs.as_ref()?;
    if config.rewire.is_none() {
        return Some(Arc::clone(signs));
    }
    let [of_inputs, of_neurons] = moving(config);
    let moves = |source| match source < sizes.n_inputs {
        true => of_inputs,
        false => of_neurons,
    };
    let signs = signs.iter().enumerate();
    Some(
        signs
            .map(|(source, &sign)| if moves(source) { 0 } else { sign })
            .collect(),
    )
}

/// Whether synapses from inputs move, and those between neurons, where any do.
pub(crate) fn moving(config: &Config) -> [bool; 2] {
    [&config.connect_in, &config.connect_rec].map(|connect| !connect.is_all())
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
                && config.steps_are_linear(),
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
