//! How long base blocks of the factored form are, and for how long weights rest.

use crate::options::filters::decay;
use crate::options::optimizer::Optimizer;
use crate::options::{Config, LayerConfig, UpdateEvery};

/// Time constants to a base block, so that powers of the decay stay near 1 and no digits are lost.
const TAUS: f64 = 1.5;

/// The same where rows are lists between many neurons. What a row waited for lies beyond the near caches there, and longer blocks are waited for less often.
/// Errors of float32 double; those of the textbook recursion are still larger (`tests/test_connections.py`).
const TAUS_OF_MANY: f64 = 2.4;

/// As many as are many.
pub(crate) const MANY_NEURONS: usize = 1 << 15;

/// Steps to a base block of dense rows.
pub(crate) fn base_block(tau_in_steps: f64) -> usize {
    whole_steps(TAUS * tau_in_steps)
}

fn whole_steps(steps: f64) -> usize {
    /// Longer blocks gain nothing more.
    const LONGEST: f64 = 1024.0;
    // A cast to usize takes the fraction off.
    (steps.min(LONGEST) as usize).max(1)
}

/// What must be left of a number at the end of a base block if it is divided by.
pub(super) const LEFT: f64 = 1e-2;

/// For how many steps a base block of the factored form goes on, a whole number of rests of the weights; `None` where they rest for longer.
pub(super) fn factored_block(config: &Config) -> Option<usize> {
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
    base_block(shortest_tau(config)).min(adaptive_block(&config.layer()))
}

/// The same where rows are lists between n neurons.
pub(super) fn blocks_of_lists(config: &Config, n: usize) -> usize {
    let taus = if n < MANY_NEURONS { TAUS } else { TAUS_OF_MANY };
    whole_steps(taus * shortest_tau(config)).min(adaptive_block(&config.layer()))
}

/// In steps.
fn shortest_tau(config: &Config) -> f64 {
    let mut tau = config.shortest_tau_mem().min(config.tau_trace);
    if config.tau_syn != 0.0 {
        tau = tau.min(config.tau_syn);
    }
    tau / config.dt
}

/// To how many steps neurons that adapt bound a base block: p, of which a step leaves `rho - beta psi` at least `rho - beta h` times, is divided by, and
/// must not come near 0. 0 where it may be there after a single step.
pub(super) fn adaptive_block(layer: &LayerConfig) -> usize {
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
pub(super) fn rest(update_every: UpdateEvery) -> usize {
    match update_every {
        UpdateEvery::Steps(n) => n,
        UpdateEvery::Sequence => usize::MAX,
    }
}
