//! What follows from sizes and options, worked out once: which form the synapses take, when a gradient is applied, how long blocks are.

use alloc::sync::Arc;
use core::fmt;

use super::config::{Config, Engine, LayerConfig, StackConfig, UpdateEvery, decay};
use super::horizon::Horizon;
use super::optimizer::Optimizer;
use super::part::Part;
use super::wires::{signs_of, wires_of};
use crate::numbers::aligned::padded;
use crate::numbers::columns::Columns;
use crate::numbers::peers::Peers;
use crate::numbers::wires::Wires;
use crate::{Error, Float};

/// Fewer synapses than these take the textbook recursion where a base block is a single step (time constants of less than 4 / 3 steps):
/// what the end of a block does to all neurons then costs more than a pass over all synapses.
const FEW_SYNAPSES: usize = 4096;

/// The same where neurons adapt, whose ends of blocks do more: fewer synapses than these, times the steps from one end of a block to the next.
const FEW_ADAPTIVE: usize = 16_384;

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
            return Err(Error::value(
                "part",
                "a network whose synapses can be listed: no other engine than factored, another optimizer than auto, per_neuron; neurons that adapt have no tau_syn, and beta h below rho - 0.01; behind tau_syn exp(-dt / tau_mem) is at least 0.01",
                "another",
            ));
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
            base_block: blocks_of_factors(config),
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
    if config.horizon.is_beyond_a_step() {
        // Only a block knows its future.
        return Ok(Engine::Block);
    }
    let of_steps = of_steps(config.update_every);
    let form = match factored_block(config) {
        _ if !fits_factors(config) => of_steps,
        Some(block) if config.has_second_traces() => {
            let between_ends = match rest(config.update_every) {
                1 => block,
                rest => rest,
            };
            let synapses = sizes.sources().saturating_mul(sizes.n);
            match synapses.saturating_mul(between_ends) < FEW_ADAPTIVE {
                true => of_steps,
                false => Engine::Factored,
            }
        }
        Some(1) if sizes.sources().saturating_mul(sizes.n) < FEW_SYNAPSES => Engine::Textbook,
        Some(_) => Engine::Factored,
        None => of_steps,
    };
    Ok(form)
}

/// Below this share of synapses that exist, rows are lists of them where weights rest. Where they take every step, rows are lists whatever the share is.
const FEW_OF_ALL: f64 = 0.5;

/// The same where a source has a second trace in each neuron, of which a synapse in a list reads and writes more than one in a row.
const FEW_OF_ALL_SECOND: f64 = 0.12;

/// The same of a block, which passes all synapses of a list, and of rows with a place for every neuron adds those of the spikes.
const FEW_OF_ALL_IN_BLOCKS: f64 = 0.2;

/// Whether rows of the textbook form can be lists of the synapses that exist, which are faster than a mask at every density. A synapse that comes has the trace
/// of its source from the start: where neurons differ in that, only rows with a place for each neuron hold it.
fn lists_fit_textbook(config: &Config) -> bool {
    config.rewire.is_none() || config.each.tau_mem.is_none()
}

/// Where a block cannot be listed, the textbook form is, if a mask would have more places than this ...
const PLACES: usize = 1 << 28;
/// ... and than this many for each synapse that exists.
const PLACES_EACH: usize = 16;

/// The form of synapses whose rows are lists of those that exist; `None`: rows have a place for every neuron.
fn in_lists(sizes: Sizes, config: &Config, wires: &Wires) -> Option<Engine> {
    let fits_factors = !config.horizon.is_beyond_a_step() && second_traces_fit_lists(config);
    let fits_blocks = config.rewire.is_none() && config.part.is_none();
    let places = sizes.sources().saturating_mul(sizes.n);
    let share = wires.len() as f64 / places as f64;
    let few = match config.has_second_traces() {
        true => FEW_OF_ALL_SECOND,
        false => FEW_OF_ALL,
    };
    let in_factors = fits_factors.then_some(Engine::Factored);
    let in_blocks = (fits_blocks && share < FEW_OF_ALL_IN_BLOCKS).then_some(Engine::Block);
    let in_textbook = lists_fit_textbook(config).then_some(Engine::Textbook);
    match (config.engine, of_steps(config.update_every)) {
        (Some(Engine::Factored), _) => in_factors,
        (Some(Engine::Block), _) => in_blocks,
        (Some(Engine::Textbook), _) => in_textbook,
        (None, _) if config.horizon.is_beyond_a_step() => in_blocks,
        (None, Engine::Textbook) => in_factors.or(in_textbook),
        (None, _) if fits_factors => in_factors.filter(|_| config.part.is_some() || share < few),
        (None, _) if places > PLACES.max(wires.len().saturating_mul(PLACES_EACH)) => {
            in_blocks.or(in_textbook)
        }
        (None, _) => in_blocks,
    }
}

/// The signs that weights keep by stopping at 0.
fn clipped(signs: &Option<Arc<[i8]>>, sizes: Sizes, config: &Config) -> Option<Arc<[i8]>> {
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

/// Which form a network takes that does not fit into factors.
fn of_steps(update_every: UpdateEvery) -> Engine {
    match update_every {
        UpdateEvery::Steps(rest) if rest < WORTH_A_BLOCK => Engine::Textbook,
        UpdateEvery::Steps(_) | UpdateEvery::Sequence => Engine::Block,
    }
}

/// Whether a form that was asked for can do what the configuration says.
fn possible(form: Engine, config: &Config) -> Result<(), Error> {
    let refused = |expected: &str| Err(Error::value("engine", expected, form.as_str()));
    if form != Engine::Factored {
        return Ok(());
    }
    if config.batch_size > 1 {
        return refused("block or textbook in a batch");
    }
    if config.is_wired() {
        return refused(
            "block or textbook with connect_in or connect_rec, where beta h is not below rho - 0.01 for every neuron that adapts, where neurons adapt and have a tau_mem each or get their input through tau_syn, where exp(-dt / tau_mem) is below 0.01 with one of these two, with rewire and one of these three, and with a horizon",
        );
    }
    if config.optimizer.scales_neurons() {
        return refused("block or textbook with the optimizer auto, per_neuron");
    }
    if !config.optimizer.fits_factors() {
        return refused("block or textbook with an optimizer that is not linear in the gradient");
    }
    if !config.is_unbounded() {
        return refused("block or textbook with clip_norm, w_max or sign");
    }
    if measures_apart(config) {
        return refused(
            "block or textbook where weights rest, steps are limited and firing rates are regularised",
        );
    }
    if config.has_second_traces() && !config.optimizer.is_linear() {
        return refused(
            "block or textbook where steps have momentum, and neurons adapt, have a tau_mem each, or get their input through tau_syn",
        );
    }
    if config.has_own_membranes() && config.layer().is_adaptive() {
        return refused(
            "block or textbook where neurons adapt, and have a tau_mem each or get their input through tau_syn",
        );
    }
    if !membranes_last(config) {
        return refused(
            "block or textbook where exp(-dt / tau_mem) is below 0.01, and neurons have a tau_mem each or get their input through tau_syn",
        );
    }
    if adaptive_block(&config.layer()) == 0 {
        return refused(
            "block or textbook where beta h is not below rho - 0.01 for every neuron that adapts, with h = surrogate_height and rho = exp(-dt / tau_adaptation)",
        );
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
    config.batch_size == 1
        && !config.is_wired()
        && config.optimizer.fits_factors()
        && config.is_unbounded()
        && !measures_apart(config)
        && second_traces_fit_factors(config)
}

/// There is one row for a second trace of each source, and its factors are those of descent without momentum.
fn second_traces_fit_factors(config: &Config) -> bool {
    let both = config.has_own_membranes() && config.layer().is_adaptive();
    !config.has_second_traces() || config.optimizer.is_linear() && !both && membranes_last(config)
}

/// The same of rows that are lists, where a gradient that waits takes every optimizer's steps. Something of `p` must be left after a step. A synapse that moves begins
/// with no trace of its own, which factors of neurons cannot say of a second one.
fn second_traces_fit_lists(config: &Config) -> bool {
    let both = config.has_own_membranes() && config.layer().is_adaptive();
    let moves = config.has_second_traces() && config.rewire.is_some();
    !both && !moves && membranes_last(config) && adaptive_block(&config.layer()) > 0
}

/// Whether something is left of every membrane after a step, where that is divided by.
fn membranes_last(config: &Config) -> bool {
    !config.has_own_membranes() || decay(config.dt, config.shortest_tau_mem()) >= LEFT
}

/// What must be left of a number at the end of a base block if it is divided by.
const LEFT: f64 = 1e-2;

/// Whether a gradient waits whose length counts without the regulariser's part, which the factors do not keep apart.
fn measures_apart(config: &Config) -> bool {
    config.optimizer.is_limited()
        && config.c_reg != 0.0
        && config.update_every != UpdateEvery::Steps(1)
}

/// For how many steps a base block of the factored form goes on, a whole number of rests of the weights; `None` where they rest for longer.
fn factored_block(config: &Config) -> Option<usize> {
    let UpdateEvery::Steps(rest) = config.update_every else {
        return None;
    };
    let mut block = blocks_of_factors(config);
    if let (1, Optimizer::Momentum { mu, .. }) = (rest, config.optimizer) {
        // Powers of mu stand in front of the rows K, and are divided by.
        block = block.min(base_block(-1.0 / libm::log(mu)));
    }
    (rest <= block).then(|| block / rest * rest)
}

/// How many steps a base block may have, for however long weights rest.
fn blocks_of_factors(config: &Config) -> usize {
    let mut tau = config.shortest_tau_mem().min(config.tau_trace);
    if config.tau_syn != 0.0 {
        tau = tau.min(config.tau_syn);
    }
    base_block(tau / config.dt).min(adaptive_block(&config.layer()))
}

/// To how many steps neurons that adapt bound a base block: p, of which a step leaves `rho - beta psi` at least `rho - beta h` times, is divided by, and
/// must not come near 0. 0 where it may be there after a single step.
fn adaptive_block(layer: &LayerConfig) -> usize {
    let neurons = (0..layer.each.len().max(1)).map(|j| layer.of(j));
    let steps = neurons.filter(|one| one.beta != 0.0).map(|one| {
        let delta = decay(one.dt, one.tau_adaptation) - one.beta * one.height();
        match delta {
            LEFT.. if delta < 1.0 => (libm::log(LEFT) / libm::log(delta)) as usize,
            // A threshold that hardly moves and does not come back.
            1.0.. => usize::MAX,
            _ => 0,
        }
    });
    steps.min().unwrap_or(usize::MAX)
}

/// For how many steps weights rest, at most.
fn rest(update_every: UpdateEvery) -> usize {
    match update_every {
        UpdateEvery::Steps(n) => n,
        UpdateEvery::Sequence => usize::MAX,
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec;

    use super::{Horizon, Plan, Sizes, StackPlan, base_block};
    use crate::options::{
        Config, Connect, Engine, Optimizer, PerNeuron, Rewire, StackConfig, SynapseList,
        UpdateEvery,
    };

    const SMALL: Sizes = Sizes {
        n_inputs: 20,
        n: 30,
        n_outputs: 2,
    };
    /// 4,096 synapses.
    const LARGER: Sizes = Sizes {
        n_inputs: 96,
        n: 32,
        n_outputs: 2,
    };
    const ONE_LESS: Sizes = Sizes {
        n_inputs: 95,
        ..LARGER
    };

    /// Of networks whose shorter time constant is so many steps.
    fn config(tau: f64, update_every: UpdateEvery) -> Config {
        Config {
            tau_mem: 2.0 * tau,
            tau_trace: tau,
            update_every,
            optimizer: Optimizer::PLAIN_SGD,
            ..Config::default()
        }
    }

    fn plan(sizes: Sizes, config: &Config) -> Plan {
        Plan::of::<f32>(sizes, config).unwrap()
    }

    fn form(sizes: Sizes, tau: f64, update_every: UpdateEvery) -> Engine {
        plan(sizes, &config(tau, update_every)).form
    }

    use Engine::{Block, Factored, Textbook};
    use UpdateEvery::{Sequence, Steps};

    /// With time constants of 4 to 20 ms, and with a current of 5 ms.
    fn with_membranes(config: &Config, n: usize) -> [Config; 2] {
        let taus = (0..n).map(|j| [4.0, 8.0, 20.0][j % 3]).collect();
        let each = PerNeuron {
            tau_mem: Some(taus),
            ..PerNeuron::default()
        };
        let current = Config {
            tau_syn: 5.0,
            ..config.clone()
        };
        [
            Config {
                each,
                ..config.clone()
            },
            current,
        ]
    }

    #[test]
    fn of_membranes_that_differ_and_currents_the_shortest_time_bounds_a_base_block() {
        for (n, [of_differing, of_current]) in [
            (1, [(Factored, 6), (Factored, 7)]),
            (2, [(Textbook, 0), (Textbook, 0)]),
            (8, [(Block, 0); 2]),
        ] {
            let configs = with_membranes(&config(20.0, Steps(n)), LARGER.n);
            for (config, (form, base_block)) in configs.iter().zip([of_differing, of_current]) {
                let plan = plan(LARGER, config);
                assert_eq!((plan.form, plan.membranes), (form, true));
                assert!(form != Factored || plan.base_block == base_block);
            }
        }
        // Their ends of blocks do as much as those of adaptive neurons.
        for config in with_membranes(&config(20.0, Steps(1)), SMALL.n) {
            assert_eq!(plan(SMALL, &config).form, Textbook);
        }
        assert!(!plan(SMALL, &config(20.0, Steps(1))).membranes);
    }

    #[test]
    fn membranes_that_differ_and_currents_are_in_factors_but_with_momentum_adaptation_or_no_memory()
    {
        for config in with_membranes(&config(20.0, Steps(1)), SMALL.n) {
            let asked = |config: &Config| {
                let config = Config {
                    engine: Some(Factored),
                    ..config.clone()
                };
                Plan::of::<f32>(SMALL, &config).map(|plan| plan.form)
            };
            assert_eq!(asked(&config), Ok(Factored));
            let mut fleeting = config.clone();
            (fleeting.tau_mem, fleeting.dt) = (0.1, 1.0);
            if let Some(taus) = &mut fleeting.each.tau_mem {
                taus[0] = 0.1;
            }
            let adapting = Config {
                beta: 0.1,
                ..config.clone()
            };
            let rolling = Config {
                optimizer: Optimizer::MOMENTUM,
                ..config
            };
            for (config, why) in [
                (rolling, "momentum"),
                (adapting, "adapt"),
                (fleeting, "below 0.01"),
            ] {
                let error = asked(&config).unwrap_err().to_string();
                assert!(
                    error.starts_with("engine: expected block or textbook") && error.contains(why),
                    "{error}"
                );
                let unasked = Plan::of::<f32>(
                    LARGER,
                    &Config {
                        each: PerNeuron::default(),
                        tau_syn: 5.0,
                        ..config
                    },
                );
                assert_eq!(unasked.map(|plan| plan.form), Ok(Textbook));
            }
        }
    }

    #[test]
    fn rows_are_lists_where_few_synapses_exist_and_second_traces_fit() {
        let of = |density: f64, config: Config| {
            let some = Connect::Density(density);
            let (connect_in, connect_rec) = (some.clone(), some);
            let config = Config {
                connect_in,
                connect_rec,
                ..config
            };
            let plan = plan(LARGER, &config);
            (plan.is_listed && plan.form == Factored, plan.base_block)
        };
        let adaptive = |beta, update_every| Config {
            beta,
            tau_adaptation: 1e9,
            ..config(20.0, update_every)
        };
        // Of weights that rest for long, lists of half of all synapses, or of an eighth.
        for (beta, density, is_listed) in [
            (0.0, 0.4, true),
            (0.0, 0.6, false),
            (0.1, 0.05, true),
            (0.1, 0.2, false),
        ] {
            assert_eq!(of(density, adaptive(beta, Sequence)).0, is_listed);
            assert!(of(density, adaptive(beta, Steps(1))).0);
        }
        // As long as in the factored form, for however long weights rest.
        assert_eq!(of(0.05, adaptive(2.0, Sequence)), (true, 5));
        // beta h is beyond rho.
        assert!(!of(0.05, adaptive(3.4, Steps(1))).0);
        for config in with_membranes(&config(20.0, Steps(1)), LARGER.n) {
            assert!(of(0.05, config.clone()).0);
            assert!(
                !of(
                    0.05,
                    Config {
                        beta: 0.1,
                        ..config
                    }
                )
                .0,
                "both"
            );
        }
    }

    #[test]
    fn rows_of_the_textbook_are_lists_unless_synapses_move_to_traces_of_their_own() {
        let of = |config: Config| {
            let connect_rec = Connect::Density(0.9);
            let plan = plan(
                LARGER,
                &Config {
                    connect_rec,
                    ..config
                },
            );
            (plan.form, plan.is_listed)
        };
        let asked = |config| {
            of(Config {
                engine: Some(Textbook),
                ..config
            })
        };
        for update_every in [Steps(1), Steps(9), Sequence] {
            assert_eq!(asked(config(20.0, update_every)), (Textbook, true));
        }
        let adapting = |update_every| Config {
            beta: 4.0,
            ..config(20.0, update_every)
        };
        assert_eq!(of(adapting(Steps(1))), (Textbook, true));
        assert_eq!(of(adapting(Sequence)), (Block, false));
        let moving = |config: Config| Config {
            rewire: Some(Rewire::default()),
            ..config
        };
        assert_eq!(of(moving(adapting(Steps(2)))), (Textbook, true));
        let [differing, current] = with_membranes(&config(20.0, Steps(2)), LARGER.n);
        assert_eq!(of(moving(differing)), (Textbook, false));
        assert_eq!(of(moving(current)), (Textbook, true));
        // Scales of neurons are in factors where these are lists.
        let scaled = |update_every| Config {
            optimizer: PER_NEURON,
            ..config(20.0, update_every)
        };
        assert_eq!(of(scaled(Steps(1))), (Factored, true));
        assert_eq!(asked(scaled(Steps(1))), (Textbook, true));
        let twin = |config: Config, horizon| {
            let plan = plan(
                LARGER,
                &Config {
                    connect_rec: Connect::Density(0.5),
                    ..config
                },
            );
            let twin = plan.for_gradients::<f32>(horizon).unwrap();
            (twin.form, twin.is_listed)
        };
        assert_eq!(
            twin(adapting(Steps(1)), Horizon::Steps(1)),
            (Textbook, true)
        );
        assert_eq!(twin(adapting(Steps(1)), Horizon::Sequence), (Block, true));
    }

    #[test]
    fn blocks_are_listed_where_few_synapses_exist_and_these_stay() {
        let of = |density: f64, config: Config| {
            let connect_rec = Connect::Density(density);
            let connect_in = connect_rec.clone();
            let config = Config {
                connect_rec,
                connect_in,
                ..config
            };
            let plan = plan(LARGER, &config);
            assert_eq!(plan.columns.is_some(), plan.is_listed && plan.form == Block);
            (plan.form, plan.is_listed)
        };
        let asked = |update_every| Config {
            engine: Some(Block),
            ..config(20.0, update_every)
        };
        for update_every in [Steps(8), Sequence] {
            assert_eq!(of(0.15, asked(update_every)), (Block, true));
            assert_eq!(of(0.3, asked(update_every)), (Block, false));
        }
        // Nobody asks: a horizon, and what does not fit into factors.
        let beyond = Config {
            horizon: Horizon::Steps(4),
            ..config(20.0, Sequence)
        };
        let adapting = Config {
            beta: 4.0,
            ..config(20.0, Sequence)
        };
        for config in [beyond, adapting] {
            assert_eq!(of(0.1, config.clone()), (Block, true));
            let rewire = Some(Rewire::default());
            assert_eq!(of(0.1, Config { rewire, ..config }), (Block, false));
        }
        assert_eq!(of(0.1, config(20.0, Sequence)), (Factored, true));
    }

    #[test]
    fn the_textbook_takes_the_place_of_a_mask_that_would_be_far_larger() {
        let n = 1 << 15;
        let sizes = Sizes {
            n_inputs: 1,
            n,
            n_outputs: 1,
        };
        let few = Connect::Listed(SynapseList::of_sources(n, vec![0; n + 1], vec![]).unwrap());
        let wired = Config {
            connect_rec: few,
            beta: 4.0,
            rewire: Some(Rewire::default()),
            ..config(20.0, Sequence)
        };
        let of = |config: &Config| {
            let plan = plan(sizes, config);
            (plan.form, plan.is_listed)
        };
        assert_eq!(of(&wired), (Textbook, true));
        let engine = Some(Block);
        assert_eq!(of(&Config { engine, ..wired }), (Block, false));
    }

    #[test]
    fn a_base_block_is_one_and_a_half_time_constants_from_1_to_1024_steps() {
        for (tau, steps) in [
            (20.0, 30),
            (1.3, 1),
            (1.34, 2),
            (2.0, 3),
            (0.0, 1),
            (682.0, 1_023),
            (1e9, 1_024),
        ] {
            assert_eq!(base_block(tau), steps, "of {tau}");
        }
    }

    #[test]
    fn weights_that_rest_up_to_a_base_block_are_in_factors() {
        // B = 30.
        for n in [1, 2, 7, 8, 30] {
            assert_eq!(form(SMALL, 20.0, Steps(n)), Factored, "n = {n}");
        }
        // B = 3.
        assert_eq!(form(SMALL, 2.0, Steps(3)), Factored);
    }

    #[test]
    fn weights_that_rest_for_longer_take_blocks_from_8_steps_on() {
        assert_eq!(form(SMALL, 20.0, Steps(31)), Block);
        assert_eq!(form(SMALL, 2.0, Steps(4)), Textbook);
        assert_eq!(form(SMALL, 2.0, Steps(7)), Textbook);
        assert_eq!(form(SMALL, 2.0, Steps(8)), Block);
        assert_eq!(form(SMALL, 0.5, Steps(2)), Textbook);
        for tau in [0.5, 2.0, 20.0, 2_000.0] {
            assert_eq!(form(SMALL, tau, Sequence), Block);
        }
    }

    #[test]
    fn neurons_that_adapt_bound_a_base_block_by_what_is_left_of_p() {
        let of = |beta, tau_adaptation| {
            let config = Config {
                beta,
                tau_adaptation,
                ..config(20.0, Steps(1))
            };
            plan(LARGER, &config).base_block
        };
        // rho is exp(-1 / tau), h = 0.3.
        for (beta, tau_adaptation, steps) in [
            (0.0, 1e-3, 30),
            (1e-6, 1e9, 30),
            (0.1, 200.0, 30),
            (1.0, 1e9, 12),
            (2.0, 1e9, 5),
            (2.9, 1e9, 2),
            (3.2, 1e9, 1),
            (0.1, 5.0, 19),
        ] {
            assert_eq!(of(beta, tau_adaptation), steps, "{beta}, {tau_adaptation}");
        }
        // Of each neuron by itself: much beta with a high threshold, a short time constant without beta.
        let each = PerNeuron {
            beta: Some(alloc::vec![0.1, 10.0, 0.0]),
            threshold: Some(alloc::vec![1.0, 100.0, 1e-3]),
            tau_adaptation: Some(alloc::vec![1e9, 1e9, 1e-3]),
            ..PerNeuron::default()
        };
        let config = Config {
            each,
            engine: Some(Factored),
            ..config(20.0, Steps(7))
        };
        let sizes = Sizes { n: 3, ..SMALL };
        assert_eq!(plan(sizes, &config).base_block, 28);
    }

    #[test]
    fn neurons_that_adapt_are_in_factors_where_ends_of_blocks_are_worth_it() {
        let of = |sizes, beta, update_every| {
            let config = Config {
                beta,
                ..config(20.0, update_every)
            };
            plan(sizes, &config).form
        };
        for n in [1, 4, 8, 30] {
            assert_eq!(of(LARGER, 0.1, Steps(n)), Factored, "n = {n}");
        }
        // 4,096 synapses in blocks of 3 steps, or 1,500 in blocks of 30 and of 8.
        assert_eq!(of(LARGER, 0.1, Steps(3)), Textbook);
        assert_eq!(of(SMALL, 0.1, Steps(1)), Factored);
        assert_eq!(of(SMALL, 0.1, Steps(7)), Textbook);
        assert_eq!(of(SMALL, 0.1, Steps(8)), Block);
        // Base blocks of 12 and of 3 steps; no block at all.
        assert_eq!(of(LARGER, 1.0, Steps(12)), Factored);
        assert_eq!(of(LARGER, 1.0, Steps(13)), Block);
        assert_eq!(of(LARGER, 2.5, Steps(1)), Textbook);
        assert_eq!(of(LARGER, 4.0, Steps(1)), Textbook);
        assert_eq!(of(LARGER, 4.0, Steps(8)), Block);
        assert_eq!(of(LARGER, 0.1, Sequence), Block);
    }

    #[test]
    fn factors_of_neurons_that_adapt_too_much_or_with_momentum_are_refused() {
        let refused = |config: Config| {
            let config = Config {
                engine: Some(Factored),
                ..config
            };
            Plan::of::<f64>(LARGER, &config).unwrap_err().to_string()
        };
        let adaptive = |beta| Config {
            beta,
            ..config(20.0, Steps(1))
        };
        let error = refused(adaptive(3.3));
        assert!(error.contains("beta h is not below rho"), "{error}");
        let momentum = Optimizer::Momentum {
            mu: 0.5,
            limit: false,
            weight_decay: 0.0,
        };
        let with_momentum = Config {
            optimizer: momentum,
            ..adaptive(0.1)
        };
        assert_eq!(plan(LARGER, &with_momentum).form, Textbook);
        assert!(refused(with_momentum).starts_with("engine: "));
    }

    #[test]
    fn few_synapses_whose_base_block_is_one_step_take_the_textbook() {
        assert_eq!(form(SMALL, 1.3, Steps(1)), Textbook);
        assert_eq!(form(SMALL, 1.34, Steps(1)), Factored);
        assert_eq!(form(LARGER, 1.3, Steps(1)), Factored);
        assert_eq!(form(ONE_LESS, 1.3, Steps(1)), Textbook);
    }

    const PER_NEURON: Optimizer = Optimizer::Auto {
        weight_decay: 0.0,
        per_neuron: true,
    };

    #[test]
    fn the_factored_form_has_no_scales_of_neurons_and_says_so() {
        let of = |engine| {
            let config = Config {
                engine: Some(engine),
                optimizer: PER_NEURON,
                ..config(20.0, Steps(1))
            };
            Plan::of::<f64>(LARGER, &config).map(|plan| plan.form)
        };
        assert_eq!(
            [of(Textbook), of(Block)].map(Result::unwrap),
            [Textbook, Block]
        );
        let error = of(Factored).unwrap_err().to_string();
        assert!(
            error.starts_with("engine: expected block or textbook") && error.contains("per_neuron"),
            "{error}"
        );
    }

    #[test]
    fn a_batch_and_an_optimizer_that_is_not_linear_are_never_in_factors() {
        let of = |tau, update_every| {
            let one = config(tau, update_every);
            let batch = Config {
                batch_size: 2,
                ..one.clone()
            };
            let adam = Config {
                optimizer: Optimizer::ADAM,
                ..one
            };
            let scaled = Config {
                optimizer: PER_NEURON,
                ..adam.clone()
            };
            let [batch, adam, scaled] = [batch, adam, scaled].map(|config| plan(SMALL, &config));
            assert_eq!([adam.form, scaled.form], [batch.form; 2]);
            assert!(!batch.at_once && !adam.at_once && !scaled.at_once);
            batch.form
        };
        for tau in [0.5, 2.0, 20.0] {
            for n in 1..8 {
                assert_eq!(of(tau, Steps(n)), Textbook, "tau {tau}, n = {n}");
            }
            assert_eq!(of(tau, Steps(8)), Block);
            assert_eq!(of(tau, Steps(1_000)), Block);
            assert_eq!(of(tau, Sequence), Block);
        }
    }

    #[test]
    fn decay_and_momentum_are_in_factors_and_powers_of_momentum_bound_a_base_block() {
        let with = |optimizer, update_every| Config {
            optimizer,
            ..config(20.0, update_every)
        };
        let momentum = |mu, weight_decay| Optimizer::Momentum {
            mu,
            limit: true,
            weight_decay,
        };
        let decays = |limit| Optimizer::Sgd {
            limit,
            weight_decay: 0.1,
        };
        for (optimizer, base_block) in [
            (decays(true), 30),
            (decays(false), 30),
            (
                Optimizer::Auto {
                    weight_decay: 0.1,
                    per_neuron: false,
                },
                30,
            ),
            (momentum(0.99, 0.0), 30),
            (momentum(0.9, 0.1), 14),
            (momentum(0.5, 0.0), 2),
            // Nothing is left of any step.
            (momentum(0.0, 0.0), 1),
        ] {
            let every_step = plan(LARGER, &with(optimizer, Steps(1)));
            let of = (every_step.form, every_step.at_once, every_step.base_block);
            assert_eq!(of, (Factored, true, base_block), "{optimizer:?}");
            // Where weights rest, there is one power to a base block.
            let at_rest = plan(LARGER, &with(optimizer, Steps(10)));
            let of = (at_rest.form, at_rest.at_once, at_rest.base_block);
            assert_eq!(of, (Factored, false, 30), "{optimizer:?}");
            let bounded = Config {
                w_max: Some(1.0),
                ..with(optimizer, Steps(1))
            };
            let bounded = plan(LARGER, &bounded);
            assert_eq!((bounded.form, bounded.at_once), (Textbook, false));
            let adapting = Config {
                beta: 0.1,
                ..with(optimizer, Steps(1))
            };
            if optimizer.has_momentum() {
                assert_eq!(plan(LARGER, &adapting).form, Textbook);
            }
        }
        assert_eq!(
            plan(SMALL, &with(momentum(0.4, 0.0), Steps(1))).form,
            Textbook
        );
    }

    #[test]
    fn a_gradient_is_applied_with_its_step_where_every_step_is_followed_by_an_update() {
        let is_at_once = |config: &Config| plan(SMALL, config).at_once;
        let every_step = config(20.0, Steps(1));
        assert!(is_at_once(&every_step));
        assert!(is_at_once(&Config {
            engine: Some(Textbook),
            ..every_step.clone()
        }));
        // The block form looks back at an update.
        assert!(!is_at_once(&Config {
            engine: Some(Block),
            ..every_step
        }));
        assert!(!is_at_once(&config(20.0, Steps(2))));
        assert!(!is_at_once(&config(20.0, Sequence)));
    }

    #[test]
    fn a_limit_takes_its_step_at_once_in_factors_alone_and_keeps_the_regulariser_apart_where_it_waits()
     {
        let limited = |c_reg, engine, update_every| {
            let config = Config {
                optimizer: Optimizer::SGD,
                c_reg,
                engine,
                ..config(20.0, update_every)
            };
            let plan = plan(SMALL, &config);
            assert!(plan.limited && !plan.for_gradients::<f32>(plan.horizon).unwrap().limited);
            (plan.form, plan.at_once, plan.apart)
        };
        assert_eq!(limited(0.0, None, Steps(1)), (Factored, true, false));
        assert_eq!(limited(1.0, None, Steps(1)), (Factored, true, false));
        let textbook = Some(Textbook);
        assert_eq!(limited(1.0, textbook, Steps(1)), (Textbook, false, true));
        assert_eq!(limited(0.0, None, Steps(2)), (Factored, false, false));
        // The factors do not keep apart what the limit measures.
        assert_eq!(limited(1.0, None, Steps(2)), (Textbook, false, true));
        assert_eq!(limited(1.0, None, Steps(8)), (Block, false, true));
        assert_eq!(limited(1.0, None, Sequence), (Block, false, true));
        let asked = Config {
            optimizer: Optimizer::SGD,
            c_reg: 1.0,
            engine: Some(Factored),
            ..config(20.0, Steps(2))
        };
        let error = Plan::of::<f32>(SMALL, &asked).unwrap_err().to_string();
        assert!(
            error.starts_with("engine: expected block or textbook where weights rest"),
            "{error}"
        );
    }

    #[test]
    fn a_form_that_is_asked_for_is_taken_or_refused_by_name() {
        let asked = |engine, config: Config| {
            Plan::of::<f64>(
                SMALL,
                &Config {
                    engine: Some(engine),
                    ..config
                },
            )
            .map(|plan| plan.form)
        };
        let every = |n| config(20.0, Steps(n));
        for engine in [Textbook, Block] {
            for config in [
                every(1),
                every(40),
                Config {
                    batch_size: 3,
                    ..every(1)
                },
                Config {
                    optimizer: Optimizer::ADAM,
                    ..every(1)
                },
            ] {
                assert_eq!(asked(engine, config), Ok(engine));
            }
        }
        assert_eq!(asked(Factored, every(30)), Ok(Factored));
        // Few synapses, a base block of one step: slow, but possible.
        assert_eq!(asked(Factored, config(0.5, Steps(1))), Ok(Factored));
        for (config, why) in [
            (every(31), "rest for longer"),
            (config(20.0, Sequence), "rest for longer"),
            (
                Config {
                    batch_size: 3,
                    ..every(1)
                },
                "in a batch",
            ),
            (
                Config {
                    optimizer: Optimizer::ADAM,
                    ..every(1)
                },
                "not linear",
            ),
        ] {
            let error = asked(Factored, config).unwrap_err().to_string();
            assert!(
                error.starts_with("engine: ") && error.contains(why),
                "{error}"
            );
        }
    }

    #[test]
    fn base_blocks_are_whole_numbers_of_rests() {
        for (n, steps) in [(1, 30), (4, 28), (7, 28), (16, 16), (30, 30)] {
            assert_eq!(
                plan(SMALL, &config(20.0, Steps(n))).base_block,
                steps,
                "n = {n}"
            );
        }
        let shorter = Config {
            tau_mem: 4.0,
            tau_trace: 20.0,
            dt: 0.5,
            ..Config::default()
        };
        assert_eq!(plan(SMALL, &shorter).base_block, 12);
    }

    #[test]
    fn a_block_is_at_most_as_long_as_weights_rest_and_1024() {
        for n in [31, 1_000, 1_024, 5_000] {
            assert_eq!(plan(SMALL, &config(20.0, Steps(n))).block, n.min(1_024));
        }
        assert_eq!(plan(SMALL, &config(20.0, Sequence)).block, 1_024);
        // Whose history would take gigabytes.
        let wide = Sizes {
            n_inputs: 10_000_000,
            n: 1,
            n_outputs: 1,
        };
        assert_eq!(plan(wide, &config(20.0, Sequence)).block, 16);
    }

    #[test]
    fn with_a_horizon_a_block_is_a_multiple_of_it_or_as_long() {
        let of = |horizon, update_every| {
            let config = Config {
                horizon,
                ..config(20.0, update_every)
            };
            let plan = plan(SMALL, &config);
            assert_eq!(
                (plan.form, plan.grows()),
                (Block, horizon == Horizon::Sequence)
            );
            (plan.block, plan.whole)
        };
        assert_eq!(of(Horizon::Steps(20), Steps(100)), (100, 20));
        assert_eq!(of(Horizon::Steps(20), Steps(50)), (60, 20));
        assert_eq!(of(Horizon::Steps(20), Sequence), (1_020, 20));
        // As long as weights rest, at most.
        assert_eq!(of(Horizon::Steps(200), Steps(50)), (50, 50));
        assert_eq!(of(Horizon::Steps(3), Steps(2)), (2, 2));
        assert_eq!(of(Horizon::Steps(5_000), Sequence), (5_000, 5_000));
        assert_eq!(of(Horizon::Sequence, Sequence), (1_024, 1));
    }

    #[test]
    fn a_history_has_room_for_every_eighth_source_and_one_step_of_all() {
        let plan = plan(LARGER, &config(20.0, Steps(100)));
        assert_eq!(plan.events(), 128 / 8 * 100 + 128);
    }

    #[test]
    fn the_regulariser_needs_raw_traces_of_sequences_and_coefficients_of_streams() {
        let of = |c_reg, update_every| {
            let plan = plan(
                SMALL,
                &Config {
                    c_reg,
                    ..config(20.0, update_every)
                },
            );
            (plan.sum_e, plan.streamed_regulariser)
        };
        assert_eq!(of(1.0, Sequence), (true, false));
        assert_eq!(of(1.0, Steps(1)), (false, true));
        assert_eq!(of(1.0, Steps(50)), (false, true));
        assert_eq!(of(0.0, Sequence), (false, false));
        assert_eq!(of(0.0, Steps(1)), (false, false));
    }

    #[test]
    fn a_twin_for_gradients_takes_whole_sequences_in_blocks_or_the_textbook() {
        for (engine, twin) in [(Textbook, Textbook), (Factored, Block), (Block, Block)] {
            let every_step = Config {
                engine: Some(engine),
                ..config(20.0, Steps(1))
            };
            let twin_plan = plan(SMALL, &every_step)
                .for_gradients::<f32>(Horizon::Steps(1))
                .unwrap();
            assert_eq!(
                (twin_plan.form, twin_plan.at_once, twin_plan.block),
                (twin, false, 1_024)
            );
        }
        let stack = StackPlan::of(&[3, 4, 2], &StackConfig::default());
        assert!(stack.at_once && !stack.for_gradients().at_once);
        assert_eq!(stack.for_gradients().sizes, [3, 4, 2]);
    }

    #[test]
    fn a_stack_applies_gradients_at_once_under_the_same_conditions() {
        let is_at_once = |config: StackConfig| StackPlan::of(&[3, 2], &config).at_once;
        let usual = StackConfig::default();
        assert!(is_at_once(usual.clone()));
        assert!(!is_at_once(StackConfig {
            batch_size: 2,
            ..usual.clone()
        }));
        assert!(!is_at_once(StackConfig {
            optimizer: Optimizer::ADAM,
            ..usual.clone()
        }));
        assert!(!is_at_once(StackConfig {
            update_every: Steps(2),
            ..usual
        }));
    }

    #[test]
    fn all_forms_but_the_block_form_read_the_signal_of_every_step() {
        for (engine, reads) in [(Textbook, true), (Factored, true), (Block, false)] {
            let plan = plan(
                SMALL,
                &Config {
                    engine: Some(engine),
                    ..config(20.0, Steps(1))
                },
            );
            assert_eq!(plan.reads_signal(), reads);
        }
    }

    #[test]
    fn the_textbook_passes_every_synapse_and_the_others_some() {
        let work = |engine| {
            plan(
                LARGER,
                &Config {
                    engine: Some(engine),
                    ..config(20.0, Steps(1))
                },
            )
            .work()
        };
        assert_eq!(work(Textbook), 128 * 32);
        assert!(work(Factored) < 128 * 32 && work(Block) < 128 * 32);
    }

    #[test]
    fn sizes_at_the_end_of_what_can_be_addressed_are_counted_without_an_overflow() {
        let most = usize::MAX / 64;
        let huge = Sizes {
            n_inputs: most,
            n: most,
            n_outputs: most,
        };
        let plan = plan(huge, &config(20.0, Sequence));
        assert_eq!(plan.block, 16);
        assert_eq!(plan.sizes.sources(), 2 * most);
        assert_eq!(plan.events(), 2 * most / 8 * 16 + 2 * most);
    }
}
