//! The synapses: they own the weights together with their eligibility, since the fast forms of the method hold
//! both in factors, and whoever wants a weight or a trace asks and gets a copy.
//! Nobody outside this folder depends on which form is at work.

mod batch;
mod block;
mod factored;
mod feedforward;
#[cfg(test)]
mod tests;
mod textbook;

use alloc::vec::Vec;

use block::{Block, Sizes};
use factored::{Factored, Powers};
pub(crate) use feedforward::FeedForward;

use textbook::Textbook;

use crate::aligned::padded;
use crate::config::{Config, Engine, UpdateEvery, decay};
use crate::feedback::{Backward, Signal};
use crate::kernels;
use crate::optimizer::Optimizer;
use crate::persist::Persist;
use crate::sources::Sources;
use crate::{Error, Float};

/// Plastic synapses from P sources to N neurons, matrices source-major: the N values of one source contiguous.
/// Vectors over neurons are padded, what is handed out is not.
pub(crate) trait Synapses<F: Float> {
    /// Before every step: a form that works on blocks makes room, with `b` as it was during the block. Weights must not change in a step
    /// that does not learn, not even by rounding.
    fn prepare(&mut self, b: Backward<'_, F>, learning: bool);

    /// What this step's sources send, before its gain. `ahead`: what the inputs among them send, if that is known.
    fn drive(&mut self, sources: &Sources<'_, F>, ahead: Option<&[F]>, current: &mut [F]);

    /// Moves the eligibility on with this step's `psi`, and adds the gradient that its signal makes;
    /// without a signal nothing is learned. With an optimizer the gradient is applied at once and nothing is pending afterwards.
    fn learn(
        &mut self,
        sources: &Sources<'_, F>,
        psi: &[F],
        signal: Option<Signal<'_, F>>,
        apply: Option<Optimizer<F>>,
    );

    /// Whether `learn` reads `L`, or makes it from the errors itself.
    fn wants_signal(&self) -> bool;

    /// Applies the pending gradient, after adding `r sum_t e`.
    fn update(&mut self, b: Backward<'_, F>, r: Option<&[F]>, optimizer: Optimizer<F>);

    /// The pending gradient with `r sum_t e` added, P rows of N.
    fn gradient(&self, b: Backward<'_, F>, r: Option<&[F]>) -> Vec<F>;

    /// Before `B` changes by other ways than an update: whatever still needs the old one is worked off.
    fn settle(&mut self, b: Backward<'_, F>);

    /// The weights, P rows of N.
    fn weights(&self) -> Vec<F>;

    /// Replaces the rows of some sources, from the first on.
    fn set_weights(&mut self, first_source: usize, rows: &[F]);

    /// The padded rows of the weights, inputs first, where weights rest between updates: currents may be made ahead.
    fn input_weights(&self) -> Option<&[F]>;

    /// `e_bar`, P rows of N.
    fn eligibility(&self) -> Vec<F>;

    /// `z_bar`, P.
    fn z_bar(&self) -> Vec<F>;

    /// Whether no weight is NaN or infinite.
    fn all_finite(&self) -> bool;

    /// Whether the same is certain without looking, given that it was so before the last step.
    fn within(&self) -> bool;

    /// All weights have been looked at: they are finite.
    fn checked(&mut self) {}

    /// State and pending gradient to 0; weights stay.
    fn reset(&mut self);
}

/// The decays and gains of a synapse, in the trainer's number type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filters<F> {
    pub(crate) alpha: F,
    pub(crate) zeta: F,
    pub(crate) kappa_e: F,
    pub(crate) zeta_e: F,
}

impl<F: Float> Filters<F> {
    fn of(config: &Config) -> Self {
        Self {
            alpha: F::cast(decay(config.dt, config.tau_mem)),
            zeta: F::cast(config.input_gain.of(config.dt, config.tau_mem)),
            kappa_e: F::cast(decay(config.dt, config.tau_trace)),
            zeta_e: F::cast(config.readout_gain.of(config.dt, config.tau_trace)),
        }
    }
}

/// What the recurrent synapses have to keep besides weights and traces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needs {
    /// A gradient that waits for its update.
    pub(crate) pending: bool,
    /// `sum_t e`, for the sequence form of the regulariser.
    pub(crate) sum_e: bool,
    /// The stream's regulariser, whose coefficients a block keeps.
    pub(crate) rate: bool,
    /// No block is longer than the weights rest.
    pub(crate) longest: usize,
}

/// The form that is at work.
#[derive(Clone, Debug)]
pub(crate) enum Form<F> {
    Textbook(Textbook<F>),
    Factored(Factored<F>),
    Block(Block<F>),
}

/// Factors below this, of weights or readouts, cannot have driven finite weights out of the finite range: see `Synapses::within`.
pub(crate) const LIMIT: f64 = 1e9;

/// Steps to a base block: at most 1.5 of the time constant, so that powers of the decay stay near 1 and no digits are lost.
pub(crate) fn base_block(tau_in_steps: f64) -> usize {
    /// Longer blocks gain nothing more.
    const LONGEST: f64 = 1024.0;
    // A cast to usize takes the fraction off.
    let steps = (1.5 * tau_in_steps).min(LONGEST) as usize;
    steps.max(1)
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

/// Which form a network asks for, by its sizes and options alone.
pub(crate) fn engine(sources: usize, n: usize, config: &Config) -> Engine {
    if let Some(engine) = config.engine {
        return engine;
    }
    match (config.update_every, factored_block(config)) {
        (_, Some(1)) if sources.saturating_mul(n) < FEW_SYNAPSES => Engine::Textbook,
        (_, Some(_)) => Engine::Factored,
        (UpdateEvery::Steps(rest), None) if rest < WORTH_A_BLOCK => Engine::Textbook,
        (UpdateEvery::Steps(_) | UpdateEvery::Sequence, None) => Engine::Block,
    }
}

/// Which form it is where the gradient waits for those of other streams: weights that all of them change are in the factors of none.
pub(crate) fn waiting(engine: Engine, config: &Config) -> Engine {
    match (engine, config.update_every) {
        (Engine::Factored, UpdateEvery::Steps(rest)) if rest < WORTH_A_BLOCK => Engine::Textbook,
        (Engine::Factored, _) => Engine::Block,
        (engine, _) => engine,
    }
}

/// Fewer synapses than these take the textbook recursion where a base block is a single step (time constants of less than 4 / 3 steps):
/// what the end of a block does to all neurons then costs more than a pass over all synapses.
const FEW_SYNAPSES: usize = 4096;

/// Steps for which weights rest from which on a block is faster than the textbook recursion: both its ends cost a pass over all synapses.
const WORTH_A_BLOCK: usize = 8;

/// Whether a form that was asked for can do what the configuration says.
pub(crate) fn possible(engine: Engine, config: &Config) -> bool {
    engine != Engine::Factored || factored_block(config).is_some()
}

impl<F: Float> Form<F> {
    /// Synapses with the given weights (P rows of N, the last N sources recurrent).
    pub(crate) fn new(
        engine: Engine,
        w: &[F],
        n: usize,
        n_outputs: usize,
        config: &Config,
        needs: Needs,
    ) -> Self {
        let n_inputs = w.len() / n - n;
        let filters = Filters::of(config);
        match engine {
            Engine::Textbook => Self::Textbook(Textbook::new(n, w, filters, needs)),
            Engine::Factored => Self::Factored(Factored::new(
                w,
                n,
                n_inputs,
                padded::<F>(n),
                filters,
                powers(config),
                needs.pending,
            )),
            Engine::Block => Self::Block(Block::new(
                w,
                sizes::<F>(n_inputs, n, n_outputs, needs),
                filters,
                needs,
            )),
        }
    }

    /// Bytes of everything they hold, `None` where that overflows.
    pub(crate) fn bytes_for(
        engine: Engine,
        n_inputs: usize,
        n: usize,
        n_outputs: usize,
        config: &Config,
        needs: Needs,
    ) -> Option<usize> {
        let p = n_inputs.checked_add(n)?;
        // Far below what overflows when a row is padded.
        if n > usize::MAX / 64 || n_inputs > usize::MAX / 64 || n_outputs > usize::MAX / 64 {
            return None;
        }
        let stride = padded::<F>(n);
        p.checked_mul(stride)?.checked_mul(size_of::<F>())?;
        match engine {
            Engine::Textbook => Textbook::<F>::bytes_for(p, stride, needs),
            Engine::Factored => {
                Factored::<F>::bytes_for(p, stride, powers::<F>(config).len(), needs.pending)
            }
            Engine::Block => {
                Block::<F>::bytes_for(sizes::<F>(n_inputs, n, n_outputs, needs), needs)
            }
        }
    }

    /// Without what is only a matter of when it is worked off.
    pub(crate) fn catch_up(&mut self) {
        if let Self::Factored(factored) = self {
            factored.catch_up_all();
        }
    }

    pub(crate) fn engine(&self) -> Engine {
        match self {
            Self::Textbook(_) => Engine::Textbook,
            Self::Factored(_) => Engine::Factored,
            Self::Block(_) => Engine::Block,
        }
    }
}

fn powers<F: Float>(config: &Config) -> Powers<F> {
    let alpha = decay(config.dt, config.tau_mem);
    let kappa_e = decay(config.dt, config.tau_trace);
    Powers::new(factored_block(config).unwrap_or(1), alpha, kappa_e)
}

fn sizes<F: Float>(n_inputs: usize, n: usize, n_outputs: usize, needs: Needs) -> Sizes {
    let stride = padded::<F>(n);
    Sizes {
        n_inputs,
        n,
        n_outputs,
        stride,
        steps: 0,
        rate: needs.rate,
    }
    .fitted::<F>(needs.longest)
}

/// `sum_i s_i W_ij`, the inputs first, each in ascending order: whether a step's inputs are few or many, known ahead or not, the bits
/// are the same.
fn drive_rows<F: Float>(w: &[F], sources: &Sources<'_, F>, ahead: Option<&[F]>, current: &mut [F]) {
    let stride = current.len();
    let (inputs, neurons) = sources.index.split_at(sources.n_inputs);
    current.fill(F::ZERO);
    match (ahead, sources.dense) {
        (Some(ahead), _) => current.copy_from_slice(ahead),
        (None, Some(row)) => kernels::multiply_add(row, (0, 1), row.len(), w, current, stride),
        (None, None) if sources.unit => {
            kernels::add_rows(w, sources.index, current);
            return;
        }
        (None, None) => kernels::add_scaled_rows(w, inputs, sources.value, current),
    }
    kernels::add_rows(w, neurons, current);
}

/// The same call to whichever form is at work.
macro_rules! each {
    ($form:expr, $synapses:ident => $call:expr) => {
        match $form {
            Form::Textbook($synapses) => $call,
            Form::Factored($synapses) => $call,
            Form::Block($synapses) => $call,
        }
    };
}

impl<F: Float> Synapses<F> for Form<F> {
    fn prepare(&mut self, b: Backward<'_, F>, learning: bool) {
        each!(self, form => form.prepare(b, learning));
    }
    fn drive(&mut self, sources: &Sources<'_, F>, ahead: Option<&[F]>, current: &mut [F]) {
        each!(self, form => form.drive(sources, ahead, current));
    }
    fn learn(
        &mut self,
        sources: &Sources<'_, F>,
        psi: &[F],
        signal: Option<Signal<'_, F>>,
        apply: Option<Optimizer<F>>,
    ) {
        each!(self, form => form.learn(sources, psi, signal, apply));
    }
    fn wants_signal(&self) -> bool {
        each!(self, form => form.wants_signal())
    }
    fn update(&mut self, b: Backward<'_, F>, r: Option<&[F]>, optimizer: Optimizer<F>) {
        each!(self, form => form.update(b, r, optimizer));
    }
    fn gradient(&self, b: Backward<'_, F>, r: Option<&[F]>) -> Vec<F> {
        each!(self, form => form.gradient(b, r))
    }
    fn settle(&mut self, b: Backward<'_, F>) {
        each!(self, form => form.settle(b));
    }
    fn weights(&self) -> Vec<F> {
        each!(self, form => form.weights())
    }
    fn set_weights(&mut self, first_source: usize, rows: &[F]) {
        each!(self, form => form.set_weights(first_source, rows));
    }
    fn input_weights(&self) -> Option<&[F]> {
        each!(self, form => form.input_weights())
    }
    fn eligibility(&self) -> Vec<F> {
        each!(self, form => form.eligibility())
    }
    fn z_bar(&self) -> Vec<F> {
        each!(self, form => form.z_bar())
    }
    fn all_finite(&self) -> bool {
        each!(self, form => form.all_finite())
    }
    fn within(&self) -> bool {
        each!(self, form => form.within())
    }
    fn checked(&mut self) {
        each!(self, form => form.checked());
    }
    fn reset(&mut self) {
        each!(self, form => form.reset());
    }
}

impl<F: Float> Persist for Form<F> {
    fn save(&self, out: &mut Vec<u8>) {
        each!(self, form => form.save(out));
    }
    fn load(&mut self, bytes: &mut &[u8]) -> Result<(), Error> {
        each!(self, form => form.load(bytes))
    }
    fn numbers(&self) -> usize {
        each!(self, form => form.numbers())
    }
    fn bytes(&self) -> usize {
        each!(self, form => form.bytes())
    }
}
