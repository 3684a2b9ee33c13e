//! A number for every weight: the trace of an episode's decisions, and sums over such traces.

use crate::kernels::{add_row, squared_length};
use crate::network::recurrent::{Recurrent, group};
use crate::numbers::aligned::{Aligned, padded};
use crate::numbers::interrupt::Interrupt;
use crate::numbers::kinds::Kinds;
use crate::numbers::room::Room;
use crate::numbers::step::Neurons;
use crate::numbers::walk::parts;
use crate::options::plan::Plan;
use crate::parts::optimizer::Steps;
use crate::synapses::add_squares_of_neurons;
use crate::{Error, Float};

/// As weights lie: a padded row of N per source, or one as long as its list; a padded row of N per readout, and the biases, if there are any.
#[derive(Debug)]
pub(crate) struct Trace<F> {
    stride: usize,
    /// Numbers in the rows of inputs.
    cut: usize,
    w: Aligned<F>,
    w_out: Aligned<F>,
    b: Aligned<F>,
}

parts!(Trace {
    State: [w, w_out, b]
});

impl<F: Float> Trace<F> {
    pub(super) fn new(room: &mut Room, plan: &Plan, has_bias: bool) -> Result<Self, Error> {
        let (sizes, stride) = (plan.sizes, padded::<F>(plan.sizes.n));
        let (cut, w) = match plan.listed() {
            None => (
                sizes.n_inputs * stride,
                room.zeros(sizes.sources(), stride)?,
            ),
            Some(wires) => (wires.counts()[0], room.zeros(1, wires.len())?),
        };
        Ok(Self {
            stride,
            cut,
            w,
            w_out: room.zeros(sizes.n_outputs, stride)?,
            b: room.zeros(usize::from(has_bias), sizes.n_outputs)?,
        })
    }

    /// `M = decay M + L e_bar`, and of the readouts `M = decay M + err zeta_o F`, with the traces of the last step.
    pub(super) fn take_in(&mut self, decay: F, of: &Recurrent<F>, l: &[F], err: &[F]) {
        let stride = self.stride;
        self.take_in_traces(decay, of, l);
        let (filtered, one) = of.head.readout.traces();
        for (row, &err) in self.w_out.chunks_exact_mut(stride).zip(err) {
            for (m, filtered) in row.iter_mut().zip(filtered.clone()) {
                *m = (decay * *m + err * filtered).or_silence();
            }
        }
        for (m, &err) in self.b.iter_mut().zip(err) {
            *m = (decay * *m + err * one).or_silence();
        }
    }

    /// The same of the synapses.
    fn take_in_traces(&mut self, decay: F, of: &Recurrent<F>, l: &[F]) {
        let Some(e_bar) = of.layer.synapses.e_bar() else {
            let fade = |m: &mut F| *m = (decay * *m).or_silence();
            return self.w.iter_mut().for_each(fade);
        };
        let add = |m: &mut F, l: F, e_bar: F| *m = (decay * *m + l * e_bar).or_silence();
        match of.listed() {
            None => {
                let rows = self.w.chunks_exact_mut(self.stride);
                for (row, e_bar) in rows.zip(e_bar.chunks_exact(self.stride)) {
                    let row = row.iter_mut().zip(l).zip(e_bar);
                    row.for_each(|((m, &l), &e_bar)| add(m, l, e_bar));
                }
            }
            Some(wires) => {
                let synapses = self.w.iter_mut().zip(wires.all_targets()).zip(e_bar);
                synapses.for_each(|((m, &j), &e_bar)| add(m, l[j as usize], e_bar));
            }
        }
    }

    /// Adds a multiple of another.
    pub(super) fn add(&mut self, times: F, other: &Self) {
        add_row(times, &other.w, &mut self.w);
        add_row(times, &other.w_out, &mut self.w_out);
        add_row(times, &other.b, &mut self.b);
    }

    pub(super) fn clear(&mut self) {
        self.w.fill(F::ZERO);
        self.w_out.fill(F::ZERO);
        self.b.fill(F::ZERO);
    }

    /// The squared length of the part of each group of weights.
    pub(super) fn squared_lengths(&self, to: &mut [f64]) {
        let (inputs, neurons) = self.w.split_at(self.cut);
        to[group::IN] = squared_length(inputs);
        to[group::REC] = squared_length(neurons);
        to[group::OUT] = squared_length(&self.w_out) + squared_length(&self.b);
    }

    /// That of the part of each neuron of a network, of one group after the other.
    pub(super) fn squared_lengths_of_neurons(&self, plan: &Plan, to: &mut [f64]) {
        let n = plan.sizes.n;
        let (inputs, to) = to.split_at_mut(n);
        let (neurons, readouts) = to.split_at_mut(n);
        inputs.fill(0.0);
        neurons.fill(0.0);
        let of_numbers = match plan.listed() {
            None => Neurons::Rows(self.stride),
            Some(wires) => Neurons::Listed(wires.all_targets()),
        };
        let place = (self.cut, of_numbers);
        let to = Kinds { inputs, neurons };
        let added = add_squares_of_neurons(
            &[self.w[..].into()],
            place,
            to,
            &mut Interrupt::NOBODY.pace(),
        );
        debug_assert!(added.is_ok());
        for (k, to) in readouts.iter_mut().enumerate() {
            let of_bias = self.b.get(k..=k).map_or(0.0, squared_length);
            *to = squared_length(&self.w_out[k * self.stride..][..self.stride]) + of_bias;
        }
    }

    /// All weights take their steps with this as their gradient.
    pub(super) fn apply(&self, to: &mut Recurrent<F>, steps: Steps<'_>) -> Result<(), Error> {
        if let Some(parameter) = to.layer.synapses.parameter() {
            let (inputs, neurons) = self.w.split_at(self.cut);
            parameter.take(steps.of(group::IN), 0, inputs);
            parameter.take(steps.of(group::REC), self.cut, neurons);
        }
        let w_out = |j, k| self.w_out[k * self.stride + j];
        let pace = &mut Interrupt::NOBODY.pace();
        let of_readouts = (steps.of(group::OUT), steps.is_fixed(group::OUT));
        to.head.take(of_readouts, w_out, &self.b, pace)
    }
}
