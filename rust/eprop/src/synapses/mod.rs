//! The synapses: they own the weights together with their eligibility, since the fast forms of the method hold
//! both in factors, and whoever wants a weight or a trace asks and gets a copy.
//! Nobody outside this folder knows which form is at work.

mod adaptation;
mod block;
mod compiled;
mod factored;
pub(crate) mod feedforward;
mod form;
mod listed;
mod lists;
#[cfg(test)]
mod literal;
mod membranes;
mod rewire;
#[cfg(test)]
mod tests;
mod textbook;

use core::ops::Range;

use ndarray::{ArrayView2, Axis};

pub(crate) use compiled::{Form, Forms};
use factored::AdaptiveReading;
pub(crate) use factored::PATIENCE;
pub(crate) use rewire::Moved;

use crate::kernels;
use crate::numbers::aligned::Aligned;
use crate::numbers::gradient::squared_length;
use crate::numbers::interrupt::Pace;
use crate::numbers::kinds::Kinds;
use crate::numbers::memory::vec_for;
use crate::numbers::parameter::Parameter;
use crate::numbers::shared::Shared;
use crate::numbers::slice::Every;
use crate::numbers::step::{Neurons, Step};
use crate::numbers::walk::Walked;
use crate::options::Config;
use crate::options::filters::decay;
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

    /// The steps that were looked ahead to are not taken: what comes next has other inputs.
    fn forget_ahead(&mut self) {}

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
