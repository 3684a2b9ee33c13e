//! The synapses: they own the weights together with their eligibility, since the fast forms of the method hold
//! both in factors, and whoever wants a weight or a trace asks and gets a copy.
//! Nobody outside this folder knows which form is at work.

mod adaptation;
mod block;
mod factored;
pub(crate) mod feedforward;
mod listed;
mod lists;
#[cfg(test)]
mod literal;
mod membranes;
mod rewire;
#[cfg(test)]
mod tests;
mod textbook;

use alloc::vec::Vec;
use core::ops::Range;

use ndarray::{ArrayView2, Axis};

use block::Block;
pub(crate) use factored::PATIENCE;
use factored::{AdaptiveReading, Factored};
use listed::Listed;
pub(crate) use rewire::Moved;
use textbook::Textbook;

use crate::kernels;
use crate::numbers::aligned::Aligned;
use crate::numbers::interrupt::Pace;
use crate::numbers::memory::vec_for;
use crate::numbers::parameter::{Kinds, Neurons, Parameter, Step, squared_length};
use crate::numbers::room::Room;
use crate::numbers::shared::Shared;
use crate::numbers::slice::Every;
use crate::numbers::walk::{Role, Walk, WalkMut, Walked};
use crate::numbers::wires::Wires;
use crate::options::config::decay;
use crate::options::plan::Plan;
use crate::options::{Config, Engine};
use crate::parts::input::Inputs;
use crate::parts::signal::{Backward, Signal};
use crate::parts::sources::Sources;
use crate::{Error, Float};

/// What can be read of a source: a row over the neurons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Weight,
    Eligibility,
}

/// Whom rows are shown to, each with its source.
pub(crate) type See<'a, F> = &'a mut dyn FnMut(usize, &[F]) -> Result<(), Error>;

/// Plastic synapses from P sources to N neurons, matrices source-major: the N values of one source contiguous.
/// Vectors over neurons are padded, rows that are shown are not.
pub(crate) trait Synapses<F: Float>: Walked {
    /// What this step's sources send, before its gain. Weights of a kind of sources must not change in a step in which it does not learn, not even by
    /// rounding.
    fn drive(&mut self, sources: &Sources<'_, F>, learning: Kinds<bool>, current: &mut [F]);

    /// Moves the eligibility on with this step's `psi`, and adds the gradient that its signal makes; without a signal nothing is learned.
    /// `at_once`: the steps that a gradient which is applied with its step makes the weights take, where the plan says so.
    fn learn(
        &mut self,
        sources: &Sources<'_, F>,
        psi: &[F],
        signal: Option<Signal<'_, F>>,
        at_once: Option<Kinds<Step<'_, F>>>,
    );

    /// The squared length of the gradient that `learn` is about to apply with its step: of this step's signal, without the regulariser. Of
    /// a form that applies none, 0.
    fn length_of_step(&mut self, _psi: &[F], _l: &[F]) -> Kinds<f64> {
        Kinds::same(0.0)
    }

    /// Before a step: does what a step would have to do first, of a block that is complete, unless it is stopped; what is left is done later.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    fn ready(&mut self, _: &mut Pace<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// Before an update without `r sum_t e`, or before its gradient is measured: as much of it as can be done, unless it is stopped; what is left is done
    /// later.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    fn settle(&mut self, _: &mut Pace<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// The squared length of the pending gradient of the loss, without the regulariser's part, where the plan keeps that apart.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    fn length(&mut self, pace: &mut Pace<'_>) -> Result<Kinds<f64>, Error>;

    /// Applies the pending gradient, after adding `r sum_t e`.
    fn update(&mut self, r: Option<&[F]>, steps: Kinds<Step<'_, F>>);

    /// Adds the pending gradient, with `r sum_t e`, to a sum over streams in padded rows: it has been used then. Where the plan keeps the
    /// regulariser's part apart, that goes to as many rows more.
    fn collect(&mut self, r: Option<&[F]>, sum: &mut [F]);

    /// As [`collect`](Self::collect), unless it is stopped: then a part of the gradient is in the sum, and all of it is used.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    fn collect_until(
        &mut self,
        r: Option<&[F]>,
        sum: &mut [F],
        _: &mut Pace<'_>,
    ) -> Result<(), Error> {
        self.collect(r, sum);
        Ok(())
    }

    /// The squared length of the pending gradient, with `r sum_t e`. Of a form in whose factors no gradient is clipped, 0.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    fn whole_length(&mut self, _: Option<&[F]>, _: &mut Pace<'_>) -> Result<f64, Error> {
        Ok(0.0)
    }

    /// What was collected waits again, as a gradient of this stream, which has none of its own then. `sum` is worth nothing after it.
    fn take_back(&mut self, sum: &mut Aligned<F>);

    /// Before the steps from `t` on, whose inputs are dense: works out what they send at once, where weights rest.
    fn look_ahead(&mut self, _: Inputs<'_, F>, _t: usize) {}

    /// Before `B` changes by other ways than an update: whatever still needs the old one is worked off, unless it is stopped; what is left is done later.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    fn flush(&mut self, _: &mut Pace<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// After state was loaded: takes the handle on `B` that the steps of the block under way need.
    fn hold(&mut self, _: Backward<'_, F>) {}

    /// Shows rows of some sources, in their order, until it is stopped or `see` is an error.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Interrupted`], and those of `see`.
    fn read(
        &self,
        what: What,
        sources: Range<usize>,
        pace: &mut Pace<'_>,
        see: See<'_, F>,
    ) -> Result<(), Error>;

    /// What it takes to send through the weights as they are now, without moving anything.
    fn present(&self) -> Result<Present<F>, Error>;

    /// What a step's sources send through the weights as they are now, before its gain: with the bits of a prediction.
    fn send(&self, sources: &Sources<'_, F>, present: &mut Present<F>, current: &mut [F]);

    /// Replaces the weights (N, sources) of some sources, from the first on.
    ///
    /// # Errors
    /// [`Error::Interrupted`]: then some are replaced.
    fn assign(
        &mut self,
        first_source: usize,
        w: ArrayView2<'_, F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error>;

    /// Takes a step with a gradient (N, sources) from elsewhere; what waits goes on waiting.
    ///
    /// # Errors
    /// [`Error::TooLarge`]; [`Error::Interrupted`]: then some have taken it.
    fn take(
        &mut self,
        first_source: usize,
        g: ArrayView2<'_, F>,
        step: Step<'_, F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error>;

    /// All padded rows, before anything has been learned.
    fn first_rows(&mut self) -> &mut [F];

    /// `z_bar` of every source, where all neurons have the same.
    fn z_bar(&self, see: &mut dyn FnMut(F));

    /// Shows the rows of `z_bar`, one of each source, where neurons differ in it; a neuron's own place is 0.
    fn z_bar_rows(&self, _: &mut Pace<'_>, _: See<'_, F>) -> Result<(), Error> {
        Ok(())
    }

    /// Whether no weight is NaN or infinite, given that none was before the last call. A look at them is taken only where that is not certain.
    fn finite(&mut self) -> bool;

    /// State and pending gradient to 0; weights stay.
    fn reset(&mut self);

    /// The weights of streams that share them; `None` where they are in factors of one stream.
    fn parameter(&mut self) -> Option<&mut Parameter<F>>;

    /// The same, to be read by one stream more.
    fn shared(&self) -> Option<Shared<F>>;

    /// The shared weights have changed, and whether they are finite.
    fn changed(&mut self, finite: bool);

    /// Works off what may wait, so that equal states have equal buffers.
    fn catch_up(&mut self) {}
}

/// Rows of scratch memory, and what folds the factors of the moment into a row; empty where weights are in no factors.
#[derive(Debug, Default)]
pub struct Present<F> {
    /// What sources of one kind send.
    sum: Aligned<F>,
    /// A row of weights and one of traces.
    w: Aligned<F>,
    c: Aligned<F>,
    /// By how many blocks a source has waited: `S` and `T` of these blocks and the one under way, composed.
    s: Aligned<F>,
    t: Aligned<F>,
    x: Aligned<F>,
    /// A row of `K` and the factors of `M`, where steps have momentum.
    k: Aligned<F>,
    u: Aligned<F>,
    v: Aligned<F>,
    /// The same of what there is where thresholds move.
    adaptive: Option<AdaptiveReading<F>>,
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

/// The form that is at work.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "one of them per stream, beside its matrices"
)]
pub(crate) enum Form<F> {
    Textbook(Textbook<F>),
    Factored(Factored<F>),
    Block(Block<F>),
    Listed(Listed<F>),
}

impl<F: Float> Form<F> {
    /// Silent synapses with weights of 0, or those of the stream `first`.
    pub(crate) fn new(
        room: &mut Room,
        plan: &Plan,
        config: &Config,
        first: Option<&Shared<F>>,
    ) -> Result<Self, Error> {
        if let (Some(wires), Engine::Factored) = (plan.listed(), plan.form) {
            return Ok(Self::Listed(Listed::new(room, plan, wires, config, first)?));
        }
        Ok(match plan.form {
            Engine::Textbook => Self::Textbook(Textbook::new(room, plan, config, first)?),
            Engine::Factored => Self::Factored(Factored::new(room, plan, config)?),
            Engine::Block => Self::Block(Block::new(room, plan, config, first)?),
        })
    }

    /// Reads the weights of another stream, which is of the same form.
    pub(crate) fn share_weights(&mut self, first: &Self) {
        match (self, first) {
            (Self::Textbook(form), Self::Textbook(first)) => form.share_weights(first),
            (Self::Block(form), Self::Block(first)) => form.share_weights(first),
            (Self::Listed(form), Self::Listed(first)) => form.share_weights(first),
            _ => {}
        }
    }

    /// The weights, to be read by a stream under another plan too, where both have them in the same layout.
    pub(crate) fn shared_under(&self, plan: &Plan) -> Option<Shared<F>> {
        self.shared().filter(|_| self.is_listed() == plan.is_listed)
    }

    /// Whether rows are lists of synapses.
    pub(crate) fn is_listed(&self) -> bool {
        match self {
            Self::Listed(_) => true,
            Self::Textbook(form) => form.is_listed(),
            Self::Block(form) => form.is_listed(),
            Self::Factored(_) => false,
        }
    }

    /// The weight of a source's synapse number `at`, to neuron `j`, to be drawn; `stride`: of rows that have a place for every neuron.
    pub(crate) fn first_weight(
        &mut self,
        source: usize,
        (at, j): (usize, usize),
        stride: usize,
    ) -> &mut F {
        let at = match self {
            Self::Listed(form) => return form.first_weight(source, at),
            Self::Textbook(form) => match form.first_of(source) {
                Some(first) => first + at,
                None => source * stride + j,
            },
            Self::Block(form) => match form.first_of(source) {
                Some(first) => first + at,
                None => source * stride + j,
            },
            Self::Factored(_) => source * stride + j,
        };
        &mut self.first_rows()[at]
    }

    /// What can be read of the synapses of some sources, in the order of their lists.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Interrupted`].
    pub(crate) fn read_listed(
        &self,
        what: What,
        sources: Range<usize>,
        wires: &Wires,
        to: &mut Vec<F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        match self {
            Self::Listed(form) => return form.read_listed(what, sources, to, pace),
            Self::Textbook(form) if form.is_listed() => {
                return form.read_listed(what, sources, to, pace);
            }
            Self::Block(form) if form.is_listed() => {
                return form.read_lists(what, sources, pace, |number| to.push(number));
            }
            _ => {}
        }
        self.read(what, sources, pace, &mut |source, row| {
            to.extend(wires.targets(source).iter().map(|&j| row[j as usize]));
            Ok(())
        })
    }

    /// Replaces weights of sources from one on, in the order of their lists, where rows are these.
    ///
    /// # Errors
    /// [`Error::Interrupted`]: then none is replaced.
    pub(crate) fn assign_weights(
        &mut self,
        first_source: usize,
        weights: &mut dyn Iterator<Item = F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        match self {
            Self::Listed(form) => return form.assign_weights(first_source, weights, pace),
            Self::Textbook(form) => form.assign_weights(first_source, weights),
            Self::Block(form) => form.assign_weights(first_source, weights),
            Self::Factored(_) => {}
        }
        Ok(())
    }

    /// Takes a step with a gradient in the order of the lists, of the synapses from number `from` on, where rows are these.
    ///
    /// # Errors
    /// [`Error::Interrupted`]: then some have taken it.
    pub(crate) fn take_listed(
        &mut self,
        from: usize,
        g: &[F],
        step: Step<'_, F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        match self {
            Self::Listed(form) => form.take_listed(from, g, step, pace),
            Self::Textbook(form) => form.take_listed(from, g, step, pace),
            Self::Block(form) => form.take_listed(from, g, step, pace),
            Self::Factored(_) => Ok(()),
        }
    }

    /// The traces of the textbook form, as weights lie; `None` where all are 0.
    pub(crate) fn e_bar(&self) -> Option<&[F]> {
        match self {
            Self::Textbook(form) => form.e_bar(),
            // Who asks has the textbook form.
            _ => None,
        }
    }

    /// Takes the weights of another form, as they read, into rows that nobody else reads. `wires`: the synapses, where not all exist.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Interrupted`].
    pub(crate) fn take_weights(
        &mut self,
        from: &Self,
        wires: Option<&Wires>,
        (stride, n_sources): (usize, usize),
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        if let (Some(wires), true) = (wires, self.is_listed()) {
            let mut weights = vec_for("the weights of synapses", wires.len())?;
            from.read_listed(What::Weight, 0..n_sources, wires, &mut weights, pace)?;
            match self {
                Self::Listed(form) => form.take_all(&weights),
                _ => self.first_rows().copy_from_slice(&weights),
            }
            return Ok(());
        }
        let rows = self.first_rows();
        from.read(What::Weight, 0..n_sources, pace, &mut |source, row| {
            rows[source * stride..][..row.len()].copy_from_slice(row);
            Ok(())
        })
    }

    /// From now on inputs and neurons take steps of their own, or the same.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Interrupted`].
    pub(crate) fn regroup(&mut self, grouped: bool, pace: &mut Pace<'_>) -> Result<(), Error> {
        match self {
            Self::Factored(form) => form.regroup(grouped, pace),
            Self::Listed(form) => form.regroup(grouped, pace),
            Self::Textbook(_) | Self::Block(_) => Ok(()),
        }
    }

    /// Makes the recurrent credit of streams of the same form side by side, with the buffers of the first. `ending`: no step more belongs to what they have kept.
    ///
    /// # Errors
    /// [`Error::Interrupted`]: then some have none.
    pub(crate) fn credit<'a>(
        streams: impl Iterator<Item = &'a mut Self>,
        ending: bool,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error>
    where
        F: 'a,
    {
        let blocks = streams.filter_map(|form| match form {
            Self::Block(block) => Some(block),
            Self::Textbook(_) | Self::Factored(_) | Self::Listed(_) => None,
        });
        let mut blocks: Vec<_> = blocks.collect();
        Block::credit_together(&mut blocks, ending, pace)
    }

    /// Whether the next step has nothing to do first, for which [`ready`](Synapses::ready) is there.
    pub(crate) fn is_ready(&self) -> bool {
        match self {
            Self::Block(block) => block.is_ready(),
            Self::Textbook(_) | Self::Factored(_) | Self::Listed(_) => true,
        }
    }

    /// Steps until what is kept of them will be worked off.
    pub(crate) fn until_full(&self) -> usize {
        match self {
            Self::Block(block) => block.until_full(),
            Self::Textbook(_) | Self::Factored(_) | Self::Listed(_) => usize::MAX,
        }
    }

    /// Makes room for so many more steps, learning steps or others, where what is kept of them grows.
    pub(crate) fn reserve(&mut self, steps: usize, learning: bool) -> Result<(), Error> {
        match self {
            Self::Block(block) => block.reserve(steps, learning),
            Self::Textbook(_) | Self::Factored(_) | Self::Listed(_) => Ok(()),
        }
    }

    /// As [`length`](Synapses::length), of each neuron, where the gradient waits as a matrix; the factored form takes no step that asks for it.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub(crate) fn lengths_of_neurons(
        &mut self,
        to: Kinds<&mut [f64]>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        self.settle(pace)?;
        to.inputs.fill(0.0);
        to.neurons.fill(0.0);
        match self {
            Self::Textbook(textbook) => textbook.lengths_of_neurons(to, pace),
            Self::Block(block) => block.lengths_of_neurons(to, pace),
            Self::Listed(listed) => listed.lengths_of_neurons(to, pace),
            // The plan gives steps that ask for it other forms.
            Self::Factored(_) => Ok(()),
        }
    }

    /// Exchanges the buffers of which nothing outlives a call with those of another stream.
    pub(crate) fn swap_scratch(&mut self, other: &mut Self) {
        if let (Self::Block(one), Self::Block(other)) = (self, other) {
            core::mem::swap(one.scratch(), other.scratch());
        }
    }
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

/// The matrix (N, sources) into padded rows of N.
fn assign_rows<F: Float>(
    rows: &mut [F],
    stride: usize,
    first_source: usize,
    w: ArrayView2<'_, F>,
    pace: &mut Pace<'_>,
) -> Result<(), Error> {
    let rows = &mut rows[first_source * stride..];
    by_columns(w, pace, |source, j, w| rows[source * stride + j] = w)
}

/// So many columns at a time: of a matrix in rows, a line of the cache that was read is used whole.
const COLUMNS: usize = 16;

/// Shows every number of a matrix (N, sources): its source, its neuron, and itself.
fn by_columns<F: Float>(
    matrix: ArrayView2<'_, F>,
    pace: &mut Pace<'_>,
    mut see: impl FnMut(usize, usize, F),
) -> Result<(), Error> {
    for (block, columns) in matrix.axis_chunks_iter(Axis(1), COLUMNS).enumerate() {
        for (j, row) in columns.rows().into_iter().enumerate() {
            let sources = block * COLUMNS..;
            row.iter()
                .zip(sources)
                .for_each(|(&x, source)| see(source, j, x));
        }
        pace.pass(columns.len())?;
    }
    Ok(())
}

/// Takes the steps of a gradient (N, sources) for the padded rows of a parameter.
fn take_rows<F: Float>(
    parameter: &mut Parameter<F>,
    stride: usize,
    first_source: usize,
    g: ArrayView2<'_, F>,
    step: Step<'_, F>,
    pace: &mut Pace<'_>,
) -> Result<(), Error> {
    let mut rows = vec_for("some rows of the gradient", COLUMNS * stride)?;
    rows.resize(COLUMNS * stride, F::ZERO);
    for (block, columns) in g.axis_chunks_iter(Axis(1), COLUMNS).enumerate() {
        by_columns(columns, pace, |source, j, g| rows[source * stride + j] = g)?;
        let first = first_source + block * COLUMNS;
        let rows = &rows[..columns.ncols() * stride];
        parameter.take(step, first * stride, rows);
    }
    Ok(())
}

/// The squared lengths of the padded rows of a parameter's gradient, of which the first `cut` numbers are of inputs.
fn squared_lengths<F: Float>(
    gradient: Every<'_, F>,
    cut: usize,
    pace: &mut Pace<'_>,
) -> Result<Kinds<f64>, Error> {
    let part = |part| gradient.part(part);
    Ok(Kinds {
        inputs: squared_length(part(0..cut), None, pace)?,
        neurons: squared_length(part(cut..gradient.len()), None, pace)?,
    })
}

/// As [`squared_lengths`], of each neuron, added: of rows that are a sum of several gradients.
///
/// # Errors
/// [`Error::Interrupted`].
pub(crate) fn add_squares_of_neurons<F: Float>(
    gradients: &[Every<'_, F>],
    (cut, neurons): (usize, Neurons<'_>),
    to: Kinds<&mut [f64]>,
    pace: &mut Pace<'_>,
) -> Result<(), Error> {
    let len = gradients.first().map_or(0, Every::len);
    let square = |at: usize| {
        let mut sum = F::ZERO;
        gradients.iter().for_each(|g| sum += g[at]);
        sum.to_f64() * sum.to_f64()
    };
    match neurons {
        Neurons::Rows(stride) => {
            for at in (0..len).step_by(stride) {
                let to: &mut [f64] = match at < cut {
                    true => &mut *to.inputs,
                    false => &mut *to.neurons,
                };
                for (j, to) in to.iter_mut().enumerate() {
                    *to += square(at + j);
                }
                pace.pass(stride * gradients.len())?;
            }
        }
        Neurons::Listed(targets) => {
            for piece in pace.pieces(len) {
                pace.pass(piece.len() * gradients.len())?;
                for at in piece {
                    let to: &mut [f64] = match at < cut {
                        true => &mut *to.inputs,
                        false => &mut *to.neurons,
                    };
                    to[targets[at] as usize] += square(at);
                }
            }
        }
    }
    Ok(())
}

/// Shows unpadded rows.
fn show_rows<F: Float>(
    rows: &Aligned<F>,
    (stride, n): (usize, usize),
    mut sources: Range<usize>,
    pace: &mut Pace<'_>,
    see: See<'_, F>,
) -> Result<(), Error> {
    sources.try_for_each(|source| {
        see(source, &rows[source * stride..][..n])?;
        pace.pass(n)
    })
}

/// Shows unpadded rows of zeros.
fn show_silence<F: Float>(
    n: usize,
    mut sources: Range<usize>,
    pace: &mut Pace<'_>,
    see: See<'_, F>,
) -> Result<(), Error> {
    let mut row = vec_for("reading traces", n)?;
    row.resize(n, F::ZERO);
    sources.try_for_each(|source| {
        see(source, &row)?;
        pace.pass(n)
    })
}

/// The same call to whichever form is at work.
macro_rules! at_work {
    ($form:expr, $synapses:ident => $call:expr) => {
        match $form {
            Form::Textbook($synapses) => $call,
            Form::Factored($synapses) => $call,
            Form::Block($synapses) => $call,
            Form::Listed($synapses) => $call,
        }
    };
}

impl<F: Float> Form<F> {
    /// Learns from `L` of the step that has just been learned, in a form that does not read it of its `Signal`.
    pub(crate) fn learn_from(&mut self, l: &[F]) {
        if let Self::Block(block) = self {
            block.learn_from(l);
        }
    }
}

impl<F: Float> Synapses<F> for Form<F> {
    fn drive(&mut self, sources: &Sources<'_, F>, learning: Kinds<bool>, current: &mut [F]) {
        at_work!(self, form => form.drive(sources, learning, current));
    }
    fn learn(
        &mut self,
        sources: &Sources<'_, F>,
        psi: &[F],
        signal: Option<Signal<'_, F>>,
        at_once: Option<Kinds<Step<'_, F>>>,
    ) {
        at_work!(self, form => form.learn(sources, psi, signal, at_once));
    }
    fn length_of_step(&mut self, psi: &[F], l: &[F]) -> Kinds<f64> {
        at_work!(self, form => form.length_of_step(psi, l))
    }
    fn ready(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        at_work!(self, form => form.ready(pace))
    }
    fn settle(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        at_work!(self, form => form.settle(pace))
    }
    fn length(&mut self, pace: &mut Pace<'_>) -> Result<Kinds<f64>, Error> {
        at_work!(self, form => form.length(pace))
    }
    fn update(&mut self, r: Option<&[F]>, steps: Kinds<Step<'_, F>>) {
        at_work!(self, form => form.update(r, steps));
    }
    fn collect(&mut self, r: Option<&[F]>, sum: &mut [F]) {
        at_work!(self, form => form.collect(r, sum));
    }
    fn collect_until(
        &mut self,
        r: Option<&[F]>,
        sum: &mut [F],
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        at_work!(self, form => form.collect_until(r, sum, pace))
    }
    fn whole_length(&mut self, r: Option<&[F]>, pace: &mut Pace<'_>) -> Result<f64, Error> {
        at_work!(self, form => form.whole_length(r, pace))
    }
    fn take_back(&mut self, sum: &mut Aligned<F>) {
        at_work!(self, form => form.take_back(sum));
    }
    fn look_ahead(&mut self, inputs: Inputs<'_, F>, t: usize) {
        at_work!(self, form => form.look_ahead(inputs, t));
    }
    fn flush(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        at_work!(self, form => form.flush(pace))
    }
    fn hold(&mut self, b: Backward<'_, F>) {
        at_work!(self, form => form.hold(b));
    }
    fn read(
        &self,
        what: What,
        sources: Range<usize>,
        pace: &mut Pace<'_>,
        see: See<'_, F>,
    ) -> Result<(), Error> {
        at_work!(self, form => form.read(what, sources, pace, see))
    }
    fn present(&self) -> Result<Present<F>, Error> {
        at_work!(self, form => form.present())
    }
    fn send(&self, sources: &Sources<'_, F>, present: &mut Present<F>, current: &mut [F]) {
        at_work!(self, form => form.send(sources, present, current));
    }
    fn assign(
        &mut self,
        first_source: usize,
        w: ArrayView2<'_, F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        at_work!(self, form => form.assign(first_source, w, pace))
    }
    fn take(
        &mut self,
        first_source: usize,
        g: ArrayView2<'_, F>,
        step: Step<'_, F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        at_work!(self, form => form.take(first_source, g, step, pace))
    }
    fn first_rows(&mut self) -> &mut [F] {
        at_work!(self, form => form.first_rows())
    }
    fn z_bar(&self, see: &mut dyn FnMut(F)) {
        at_work!(self, form => form.z_bar(see));
    }
    fn z_bar_rows(&self, pace: &mut Pace<'_>, see: See<'_, F>) -> Result<(), Error> {
        at_work!(self, form => form.z_bar_rows(pace, see))
    }
    fn finite(&mut self) -> bool {
        at_work!(self, form => form.finite())
    }
    fn reset(&mut self) {
        at_work!(self, form => form.reset());
    }
    fn parameter(&mut self) -> Option<&mut Parameter<F>> {
        at_work!(self, form => form.parameter())
    }
    fn shared(&self) -> Option<Shared<F>> {
        at_work!(self, form => form.shared())
    }
    fn changed(&mut self, finite: bool) {
        at_work!(self, form => form.changed(finite));
    }
    fn catch_up(&mut self) {
        at_work!(self, form => form.catch_up());
    }
}

impl<F: Float> Walked for Form<F> {
    fn walk<'a>(&'a self, name: &'static str, role: Role, to: &mut dyn Walk<'a>) {
        at_work!(self, form => form.walk(name, role, to));
    }
    fn walk_mut(
        &mut self,
        name: &'static str,
        role: Role,
        to: &mut dyn WalkMut,
    ) -> Result<(), Error> {
        at_work!(self, form => form.walk_mut(name, role, to))
    }
}
