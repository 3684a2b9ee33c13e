//! The recurrent network: one population with one head.

mod circle;
mod settings;
mod wiring;

use alloc::sync::Arc;
use core::ops::Range;

use ndarray::{ArrayView1, ArrayView2};

use super::head::Head;
use super::layer::Layer;
use super::rewiring::Rewiring;
use super::schedule::Since;
use crate::numbers::aligned::{Aligned, padded};
use crate::numbers::interrupt::Pace;
use crate::numbers::kinds::Kinds;
use crate::numbers::peers::Peers;
use crate::numbers::room::Room;
use crate::numbers::step::Step;
use crate::numbers::walk::parts;
use crate::numbers::wires::Wires;
use crate::options::plan::Plan;
use crate::options::{Config, Loss};
use crate::parts::check;
use crate::parts::delay::Delay;
use crate::parts::input::Input;
use crate::parts::neuron::Neuron;
use crate::parts::optimizer::Steps;
use crate::parts::others::Others;
use crate::parts::sources::SourceList;
use crate::synapses::{self, Form};
use crate::{Error, Float};

/// The groups of weights that take steps of their own, in the order of [`Config::rates_of_groups`].
pub(crate) mod group {
    /// `W_in`.
    pub(crate) const IN: usize = 0;
    /// `W_rec`.
    pub(crate) const REC: usize = 1;
    /// `W_out`, `b`.
    pub(crate) const OUT: usize = 2;
}

/// One recurrent layer of N spiking neurons with O leaky readouts. Example: [`EpropTrainer`](crate::EpropTrainer).
#[derive(Debug)]
pub struct Recurrent<F> {
    pub(crate) layer: Layer<F>,
    pub(crate) head: Head<F>,
    since: Since,
    n_inputs: usize,
    loss: Loss,
    times: (f64, f64),
    /// The synapses that exist, and the signs of sources, where there are such.
    wires: Option<Arc<Wires>>,
    signs: Option<Arc<[i8]>>,
    /// Where synapses move, of the first stream.
    rewiring: Option<Rewiring<F>>,
    /// The numbers of its neurons in the whole network, and how many neurons are sources.
    neurons: Range<usize>,
    senders: usize,
}

/// The state of a sequence on the weights of the moment.
#[derive(Debug)]
pub struct Present<F> {
    neuron: Neuron<F>,
    delay: Delay<F>,
    sources: SourceList<F>,
    others: Option<Others<F>>,
    synapses: synapses::Present<F>,
    w_out: Aligned<F>,
    current: Aligned<F>,
    drive: Aligned<F>,
    y: Aligned<F>,
}

parts!(Recurrent {
    Weight: [rewiring] then Self::rewired,
    State: [layer, head],
    Mark: [since],
});

impl<F: Float> Recurrent<F> {
    /// Silent, with weights of 0 or those of the stream `first`.
    pub(super) fn silent(
        room: &mut Room,
        plan: &Plan,
        config: &Config,
        first: Option<&Self>,
    ) -> Result<Self, Error> {
        Ok(Self {
            layer: Layer::new(room, plan, config, first.map(|first| &first.layer))?,
            head: Head::new(room, plan, config, first.map(|first| &first.head))?,
            since: Since::default(),
            n_inputs: plan.sizes.n_inputs,
            loss: config.loss,
            times: (config.dt, config.longest_tau_mem()),
            wires: plan.wires.clone(),
            signs: plan.signs.clone(),
            rewiring: match first {
                None => Rewiring::new(room, plan, config)?,
                Some(_) => None,
            },
            neurons: match &plan.part {
                Some(part) => part.neurons(plan.sizes.n),
                None => 0..plan.sizes.n,
            },
            senders: plan.senders(),
        })
    }

    /// A step of an evaluation.
    pub(super) fn step_of(&self, present: &mut Present<F>, x: Input<'_, F>) {
        let Present {
            neuron,
            delay,
            sources,
            others,
            ..
        } = present;
        let arrived = match &*others {
            Some(others) => others.fired(),
            None => delay.pass(neuron),
        };
        sources.take(x, arrived);
        let (scratch, current) = (&mut present.synapses, &mut present.current);
        self.layer.synapses.send(&sources.get(), scratch, current);
        neuron.step(current);
        let readout = &self.head.readout;
        let (fired, w_out) = (neuron.fired(), &present.w_out);
        let (drive, y) = (&mut present.drive, &mut present.y);
        match others {
            None => readout.step_of(fired, w_out, drive, y),
            Some(others) => readout.part_step_of(fired, w_out, drive, y, |fired, drive| {
                others.exchange(fired, drive);
            }),
        }
    }

    /// Credits the recurrent spikes of streams side by side.
    pub(super) fn credit_together(
        streams: &mut [Self],
        ending: bool,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        let forms = streams.iter_mut().map(|stream| &mut stream.layer.synapses);
        Form::credit(forms, ending, pace)
    }

    /// Before the rest of it is loaded: has the synapses that were loaded, where these move.
    fn rewired(&mut self, _: usize) -> Result<(), Error> {
        if let Some(rewiring) = &self.rewiring {
            let wires = Arc::clone(rewiring.wires());
            self.take_wires_of(&wires);
        }
        Ok(())
    }

    fn take_wires_of(&mut self, wires: &Arc<Wires>) {
        if !self
            .wires
            .as_ref()
            .is_some_and(|have| Arc::ptr_eq(have, wires))
        {
            self.layer.synapses.take_wires(wires);
            self.wires = Some(Arc::clone(wires));
        }
    }

    /// Line 5 of docs/method.md: what the readouts make of those that have fired, here and elsewhere.
    fn read_out(&mut self, learning: bool) {
        let (layer, readout) = (&mut self.layer, &mut self.head.readout);
        let fired = layer.neuron.fired();
        match &mut layer.others {
            None => readout.step(fired, learning),
            Some(others) => readout.step_of_part(fired, learning, |fired, drive| {
                others.exchange(fired, drive);
            }),
        }
    }

    /// The columns of `W_rec`, or more: the sources that are neurons.
    pub(crate) fn senders(&self) -> Range<usize> {
        self.n_inputs..self.n_inputs + self.senders
    }

    /// Who has the other parts of this network, from now on.
    pub(crate) fn set_peers(&mut self, peers: &Arc<dyn Peers>) {
        if let Some(others) = &mut self.layer.others {
            others.set_peers(Arc::clone(peers));
        }
    }

    /// The synapses, where rows are lists of them.
    pub(crate) fn listed(&self) -> Option<&Wires> {
        let wires = self.wires.as_deref();
        wires.filter(|_| self.layer.synapses.is_listed())
    }

    /// How many numbers the synapses from inputs have, in a gradient that is handed on: they come first.
    pub(crate) fn cut(&self) -> usize {
        match self.listed() {
            Some(wires) => wires.counts()[0],
            None => self.n_inputs * padded::<F>(self.layer.neuron.len()),
        }
    }

    /// Whether a matrix (N, sources) of the sources from `first` on is 0 where there is no synapse.
    pub(crate) fn check_wires(
        &self,
        argument: &'static str,
        first: usize,
        w: ArrayView2<'_, F>,
    ) -> Result<(), Error> {
        match &self.wires {
            Some(wires) => check::only_where(argument, w, |j, i| wires.exists(j, first + i)),
            None => Ok(()),
        }
    }

    /// Whether weights of the synapses of some sources, in the order of their lists, have the signs of these.
    pub(crate) fn check_listed_signs(
        &self,
        argument: &'static str,
        sources: Range<usize>,
        weights: ArrayView1<'_, F>,
    ) -> Result<(), Error> {
        let (Some(wires), Some(signs)) = (&self.wires, &self.signs) else {
            return Ok(());
        };
        let mut weights = weights.iter();
        for (column, source) in sources.enumerate() {
            for (&j, &w) in wires.targets(source).iter().zip(&mut weights) {
                check::of_sign(argument, w, signs[source], (j as usize, column))?;
            }
        }
        Ok(())
    }

    /// Whether weights (N, sources) of the sources from `first` on have the signs of these.
    pub(crate) fn check_signs(
        &self,
        argument: &'static str,
        first: usize,
        w: ArrayView2<'_, F>,
    ) -> Result<(), Error> {
        match &self.signs {
            Some(signs) => check::of_signs(argument, w, &signs[first..]),
            None => Ok(()),
        }
    }
}

fn of_synapses<F: Float>(steps: Steps<'_>) -> Kinds<Step<'_, F>> {
    Kinds {
        inputs: steps.of(group::IN),
        neurons: steps.of(group::REC),
    }
}

#[cfg(test)]
mod tests;
