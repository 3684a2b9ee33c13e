//! Synapses in whichever form they are.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use super::block::Block;
use super::factored::Factored;
use super::listed::Listed;
use super::textbook::Textbook;
use super::{Moved, Synapses, What};
use crate::numbers::interrupt::Pace;
use crate::numbers::kinds::Kinds;
use crate::numbers::memory::vec_for;
use crate::numbers::room::Room;
use crate::numbers::shared::Shared;
use crate::numbers::step::Step;
use crate::numbers::wires::Wires;
use crate::options::plan::Plan;
use crate::options::{Config, Engine};
use crate::{Error, Float};

/// What is asked of synapses by those who do not know their form. What a form does not say is that of one whose rows have a place for every neuron.
pub(crate) trait Formed<F: Float>: Synapses<F> {
    /// Whether rows are lists of synapses.
    fn is_listed(&self) -> bool {
        false
    }

    /// The number of a source's first synapse in [`first_rows`](Synapses::first_rows), where rows are lists; not of lists in factors, whose weights may lie in pairs.
    fn first_of(&self, _source: usize) -> Option<usize> {
        None
    }

    /// The weight of a source's synapse number `at`, to neuron `j`, to be drawn; `stride`: of rows that have a place for every neuron.
    fn first_weight(&mut self, source: usize, (at, j): (usize, usize), stride: usize) -> &mut F {
        let at = self
            .first_of(source)
            .map_or(source * stride + j, |first| first + at);
        &mut self.first_rows()[at]
    }

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
    ) -> Result<(), Error> {
        read_of_rows(self, what, sources, wires, to, pace)
    }

    /// Replaces weights of sources from one on, in the order of their lists, where rows are these.
    ///
    /// # Errors
    /// [`Error::Interrupted`]: then none is replaced.
    fn assign_weights(
        &mut self,
        _first_source: usize,
        _weights: &mut dyn Iterator<Item = F>,
        _: &mut Pace<'_>,
    ) -> Result<(), Error> {
        Ok(())
    }

    /// Takes the weights of all synapses in the order of their lists, where rows are these, before anything has been learned.
    fn take_all(&mut self, weights: &[F]) {
        self.first_rows().copy_from_slice(weights);
    }

    /// Takes a step with a gradient in the order of the lists, of the synapses from number `from` on, where rows are these.
    ///
    /// # Errors
    /// [`Error::Interrupted`]: then some have taken it.
    fn take_listed(
        &mut self,
        _from: usize,
        _g: &[F],
        _: Step<'_, F>,
        _: &mut Pace<'_>,
    ) -> Result<(), Error> {
        Ok(())
    }

    /// The traces of the textbook form, as weights lie; `None` where all are 0, and of other forms, which nobody asks.
    fn e_bar(&self) -> Option<&[F]> {
        None
    }

    /// Takes the weights of another form, as they read, into rows that nobody else reads. `wires`: the synapses, where not all exist.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Interrupted`].
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
            self.take_all(&weights);
            return Ok(());
        }
        let rows = self.first_rows();
        from.read(What::Weight, 0..n_sources, pace, &mut |source, row| {
            rows[source * stride..][..row.len()].copy_from_slice(row);
            Ok(())
        })
    }

    /// From now on inputs and neurons take steps of their own, or the same: of factors, which do not have a row of each.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Interrupted`].
    fn regroup(&mut self, _grouped: bool, _: &mut Pace<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// Whether the next step has nothing to do first, for which [`ready`](Synapses::ready) is there.
    fn is_ready(&self) -> bool {
        true
    }

    /// Steps until what is kept of them will be worked off.
    fn until_full(&self) -> usize {
        usize::MAX
    }

    /// Makes room for so many more steps, learning steps or others, where what is kept of them grows.
    fn reserve(&mut self, _steps: usize, _learning: bool) -> Result<(), Error> {
        Ok(())
    }

    /// As [`length`](Synapses::length), of each neuron, added, where the gradient waits as a matrix and has settled; the factored form takes no step that
    /// asks for it.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    fn lengths_of_neurons(
        &mut self,
        _to: Kinds<&mut [f64]>,
        _: &mut Pace<'_>,
    ) -> Result<(), Error> {
        Ok(())
    }

    /// Learns from `L` of the step that has just been learned, in a form that does not read it of its `Signal`.
    fn learn_from(&mut self, _l: &[F]) {}

    /// Has the synapses that there are from now on. Traces, moments and the gradient that waits stay with a synapse, and are 0 of a new one.
    /// Where not all exist, the plan gives them a form that has lists or a mask.
    fn rewire(&mut self, _moved: &mut Moved<'_, F>) {}

    /// The same synapses as of another list with as many, whose numbers are in their places already.
    fn take_wires(&mut self, _wires: &Arc<Wires>) {}
}

/// What [`Formed::read_listed`] does where rows have a place for every neuron.
pub(super) fn read_of_rows<F: Float>(
    form: &(impl Synapses<F> + ?Sized),
    what: What,
    sources: Range<usize>,
    wires: &Wires,
    to: &mut Vec<F>,
    pace: &mut Pace<'_>,
) -> Result<(), Error> {
    form.read(what, sources, pace, &mut |source, row| {
        to.extend(wires.targets(source).iter().map(|&j| row[j as usize]));
        Ok(())
    })
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

    pub(super) fn at_work(&self) -> &(dyn Formed<F> + 'static) {
        match self {
            Self::Textbook(form) => form,
            Self::Factored(form) => form,
            Self::Block(form) => form,
            Self::Listed(form) => form,
        }
    }

    pub(super) fn at_work_mut(&mut self) -> &mut (dyn Formed<F> + 'static) {
        match self {
            Self::Textbook(form) => form,
            Self::Factored(form) => form,
            Self::Block(form) => form,
            Self::Listed(form) => form,
        }
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
