//! Synapses in whichever form they are.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use ndarray::ArrayView2;

use super::block::Block;
use super::factored::Factored;
use super::listed::Listed;
use super::textbook::Textbook;
use super::{Moved, Present, See, Synapses, What};
use crate::numbers::aligned::Aligned;
use crate::numbers::interrupt::Pace;
use crate::numbers::kinds::Kinds;
use crate::numbers::memory::vec_for;
use crate::numbers::parameter::Parameter;
use crate::numbers::room::Room;
use crate::numbers::shared::Shared;
use crate::numbers::step::Step;
use crate::numbers::walk::{Role, Walk, WalkMut, Walked};
use crate::numbers::wires::Wires;
use crate::options::plan::Plan;
use crate::options::{Config, Engine};
use crate::parts::input::Inputs;
use crate::parts::signal::{Backward, Signal};
use crate::parts::sources::Sources;
use crate::{Error, Float};

/// What is asked of synapses by those who do not know their form.
pub(crate) trait Formed<F: Float>: Synapses<F> {
    /// Whether rows are lists of synapses.
    fn is_listed(&self) -> bool;

    /// The weight of a source's synapse number `at`, to neuron `j`, to be drawn; `stride`: of rows that have a place for every neuron.
    fn first_weight(&mut self, source: usize, at: (usize, usize), stride: usize) -> &mut F;

    /// What can be read of the synapses of some sources, in the order of their lists.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Interrupted`].
    fn read_listed(
        &self,
        what: What,
        sources: Range<usize>,
        wires: &Wires,
        to: &mut Vec<F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error>;

    /// Replaces weights of sources from one on, in the order of their lists, where rows are these.
    ///
    /// # Errors
    /// [`Error::Interrupted`]: then none is replaced.
    fn assign_weights(
        &mut self,
        first_source: usize,
        weights: &mut dyn Iterator<Item = F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error>;

    /// Takes a step with a gradient in the order of the lists, of the synapses from number `from` on, where rows are these.
    ///
    /// # Errors
    /// [`Error::Interrupted`]: then some have taken it.
    fn take_listed(
        &mut self,
        from: usize,
        g: &[F],
        step: Step<'_, F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error>;

    /// The traces of the textbook form, as weights lie; `None` where all are 0.
    fn e_bar(&self) -> Option<&[F]>;

    /// Takes the weights of another form, as they read, into rows that nobody else reads. `wires`: the synapses, where not all exist.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Interrupted`].
    fn take_weights(
        &mut self,
        from: &dyn Formed<F>,
        wires: Option<&Wires>,
        stride_and_sources: (usize, usize),
        pace: &mut Pace<'_>,
    ) -> Result<(), Error>;

    /// From now on inputs and neurons take steps of their own, or the same.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Interrupted`].
    fn regroup(&mut self, grouped: bool, pace: &mut Pace<'_>) -> Result<(), Error>;

    /// Whether the next step has nothing to do first, for which [`ready`](Synapses::ready) is there.
    fn is_ready(&self) -> bool;

    /// Steps until what is kept of them will be worked off.
    fn until_full(&self) -> usize;

    /// Makes room for so many more steps, learning steps or others, where what is kept of them grows.
    fn reserve(&mut self, steps: usize, learning: bool) -> Result<(), Error>;

    /// As [`length`](Synapses::length), of each neuron, where the gradient waits as a matrix; the factored form takes no step that asks for it.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    fn lengths_of_neurons(
        &mut self,
        to: Kinds<&mut [f64]>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error>;

    /// Learns from `L` of the step that has just been learned, in a form that does not read it of its `Signal`.
    fn learn_from(&mut self, l: &[F]);

    /// Has the synapses that there are from now on. Traces, moments and the gradient that waits stay with a synapse, and are 0 of a new one.
    fn rewire(&mut self, moved: &mut Moved<'_, F>);

    /// The same synapses as of another list with as many, whose numbers are in their places already.
    fn take_wires(&mut self, wires: &Arc<Wires>);
}

/// The form that is at work.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "one of them per stream, beside its matrices"
)]
pub(crate) enum AnyForm<F> {
    Textbook(Textbook<F>),
    Factored(Factored<F>),
    Block(Block<F>),
    Listed(Listed<F>),
}

/// The same call to whichever form is at work.
macro_rules! at_work {
    ($form:expr, $synapses:ident => $call:expr) => {
        match $form {
            AnyForm::Textbook($synapses) => $call,
            AnyForm::Factored($synapses) => $call,
            AnyForm::Block($synapses) => $call,
            AnyForm::Listed($synapses) => $call,
        }
    };
}

impl<F: Float> AnyForm<F> {
    /// Silent synapses with weights of 0, or those of the stream `first`.
    pub(super) fn new(
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
    pub(super) fn share_weights(&mut self, first: &Self) {
        match (self, first) {
            (Self::Textbook(form), Self::Textbook(first)) => form.share_weights(first),
            (Self::Block(form), Self::Block(first)) => form.share_weights(first),
            (Self::Listed(form), Self::Listed(first)) => form.share_weights(first),
            _ => {}
        }
    }

    /// Exchanges the buffers of which nothing outlives a call with those of another stream.
    pub(super) fn swap_scratch(&mut self, other: &mut Self) {
        if let (Self::Block(one), Self::Block(other)) = (self, other) {
            core::mem::swap(one.scratch(), other.scratch());
        }
    }

    /// Makes the recurrent credit of streams of the same form side by side, with the buffers of the first. `ending`: no step more belongs to what they have kept.
    ///
    /// # Errors
    /// [`Error::Interrupted`]: then some have none.
    pub(super) fn credit<'a>(
        streams: &mut dyn Iterator<Item = &'a mut Self>,
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
}

impl<F: Float> Formed<F> for AnyForm<F> {
    fn is_listed(&self) -> bool {
        match self {
            Self::Listed(_) => true,
            Self::Textbook(form) => form.is_listed(),
            Self::Block(form) => form.is_listed(),
            Self::Factored(_) => false,
        }
    }

    fn first_weight(&mut self, source: usize, (at, j): (usize, usize), stride: usize) -> &mut F {
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

    fn read_listed(
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

    fn assign_weights(
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

    fn take_listed(
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

    fn e_bar(&self) -> Option<&[F]> {
        match self {
            Self::Textbook(form) => form.e_bar(),
            // Who asks has the textbook form.
            _ => None,
        }
    }

    fn take_weights(
        &mut self,
        from: &dyn Formed<F>,
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

    fn regroup(&mut self, grouped: bool, pace: &mut Pace<'_>) -> Result<(), Error> {
        match self {
            Self::Factored(form) => form.regroup(grouped, pace),
            Self::Listed(form) => form.regroup(grouped, pace),
            Self::Textbook(_) | Self::Block(_) => Ok(()),
        }
    }

    fn is_ready(&self) -> bool {
        match self {
            Self::Block(block) => block.is_ready(),
            Self::Textbook(_) | Self::Factored(_) | Self::Listed(_) => true,
        }
    }

    fn until_full(&self) -> usize {
        match self {
            Self::Block(block) => block.until_full(),
            Self::Textbook(_) | Self::Factored(_) | Self::Listed(_) => usize::MAX,
        }
    }

    fn reserve(&mut self, steps: usize, learning: bool) -> Result<(), Error> {
        match self {
            Self::Block(block) => block.reserve(steps, learning),
            Self::Textbook(_) | Self::Factored(_) | Self::Listed(_) => Ok(()),
        }
    }

    fn lengths_of_neurons(
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

    fn learn_from(&mut self, l: &[F]) {
        if let Self::Block(block) = self {
            block.learn_from(l);
        }
    }

    fn rewire(&mut self, moved: &mut Moved<'_, F>) {
        match self {
            Self::Textbook(form) => form.rewire(moved),
            Self::Block(form) => form.rewire(moved),
            Self::Listed(form) => form.rewire(moved),
            // The plan gives synapses that do not all exist another form.
            Self::Factored(_) => {}
        }
    }

    fn take_wires(&mut self, wires: &Arc<Wires>) {
        match self {
            Self::Textbook(form) => form.take_wires(wires),
            Self::Block(form) => form.take_wires(wires),
            Self::Listed(form) => form.take_wires(wires),
            Self::Factored(_) => {}
        }
    }
}

impl<F: Float> Synapses<F> for AnyForm<F> {
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

impl<F: Float> Walked for AnyForm<F> {
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
