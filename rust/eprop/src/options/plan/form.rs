//! Which form the synapses of a network take: by sizes and options alone, never by measured times.

use alloc::format;

use super::Sizes;
use super::base_block::{LEFT, adaptive_block, factored_block, rest};
use crate::Error;
use crate::numbers::wires::Wires;
use crate::options::filters::decay;
use crate::options::{Config, Engine, UpdateEvery};

/// Fewer synapses than these take the textbook recursion where a base block is a single step (time constants of less than 4 / 3 steps):
/// what the end of a block does to all neurons then costs more than a pass over all synapses.
const FEW_SYNAPSES: usize = 4096;

/// The same where neurons adapt, whose ends of blocks do more: fewer synapses than these, times the steps from one end of a block to the next.
const FEW_ADAPTIVE: usize = 16_384;

/// Steps for which weights rest from which on a block is faster than the textbook recursion: both its ends cost a pass over all synapses.
const WORTH_A_BLOCK: usize = 8;

/// Which form a network takes: the one that is asked for, or else the fastest, by sizes and options alone.
pub(super) fn form(sizes: Sizes, config: &Config) -> Result<Engine, Error> {
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
pub(super) fn lists_fit_textbook(config: &Config) -> bool {
    config.rewire.is_none() || config.each.tau_mem.is_none()
}

/// Where a block cannot be listed, the textbook form is, if a mask would have more places than this ...
const PLACES: usize = 1 << 28;
/// ... and than this many for each synapse that exists.
const PLACES_EACH: usize = 16;

/// The form of synapses whose rows are lists of those that exist; `None`: rows have a place for every neuron.
pub(super) fn in_lists(sizes: Sizes, config: &Config, wires: &Wires) -> Option<Engine> {
    let fits_factors = !config.horizon.is_beyond_a_step() && against_lists(config).is_none();
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

/// Which form a network takes that does not fit into factors.
pub(super) fn of_steps(update_every: UpdateEvery) -> Engine {
    match update_every {
        UpdateEvery::Steps(rest) if rest < WORTH_A_BLOCK => Engine::Textbook,
        UpdateEvery::Steps(_) | UpdateEvery::Sequence => Engine::Block,
    }
}

/// Whether a form that was asked for can do what the configuration says.
pub(super) fn possible(form: Engine, config: &Config) -> Result<(), Error> {
    let refused = |expected: &str| Err(Error::value("engine", expected, form.as_str()));
    if form != Engine::Factored {
        return Ok(());
    }
    if config.batch_size > 1 {
        return refused("block or textbook in a batch");
    }
    if config.is_wired() {
        return match against_lists(config) {
            Some(reason) => refused(&format!("block or textbook {reason}")),
            None => refused("block with a horizon"),
        };
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
    if let Some(reason) = against_lists(config) {
        return refused(&format!("block or textbook {reason}"));
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

/// Why second traces of synapses in lists do not fit into factors, if they do not: there a gradient that waits takes every optimizer's steps. Something of `p` must
/// be left after a step. A synapse that moves begins with no trace of its own, which factors of neurons cannot say of a second one.
pub(super) fn against_lists(config: &Config) -> Option<&'static str> {
    if config.has_own_membranes() && config.layer().is_adaptive() {
        return Some(
            "where neurons adapt, and have a tau_mem each or get their input through tau_syn",
        );
    }
    if !membranes_last(config) {
        return Some(
            "where exp(-dt / tau_mem) is below 0.01, and neurons have a tau_mem each or get their input through tau_syn",
        );
    }
    if adaptive_block(&config.layer()) == 0 {
        return Some(
            "where beta h is not below rho - 0.01 for every neuron that adapts, with h = surrogate_height and rho = exp(-dt / tau_adaptation)",
        );
    }
    (config.has_second_traces() && config.rewire.is_some()).then_some(
        "with rewire, where neurons adapt, have a tau_mem each, or get their input through tau_syn",
    )
}

/// Whether something is left of every membrane after a step, where that is divided by.
fn membranes_last(config: &Config) -> bool {
    !config.has_own_membranes() || decay(config.dt, config.shortest_tau_mem()) >= LEFT
}

/// Whether a gradient waits whose length counts without the regulariser's part, which the factors do not keep apart.
fn measures_apart(config: &Config) -> bool {
    config.optimizer.is_limited()
        && config.c_reg != 0.0
        && config.update_every != UpdateEvery::Steps(1)
}
