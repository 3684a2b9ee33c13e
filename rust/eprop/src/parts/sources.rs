//! What arrives at the synapses in one step: the sources that are not silent, in ascending order, inputs before neurons.

use alloc::vec::Vec;

use ndarray::ArrayView1;

use super::input::Input;
use crate::kernels::nonzeros;
use crate::numbers::room::Room;
use crate::numbers::walk::parts;
use crate::{Error, Float};

/// Where more than one input in so many is active, the step's inputs are taken as a dense row.
const DENSE: usize = 4;
/// Fewer inputs than this are never worth a dense row.
const DENSE_FROM: usize = 16;

/// The active sources of one step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sources<'a, F> {
    /// Ascending. Under a dense row: neurons only.
    pub(crate) index: &'a [u32],
    /// Of each of them.
    pub(crate) value: &'a [F],
    /// How many of them are inputs; neurons send 1.
    pub(crate) n_inputs: usize,
    /// Whether all inputs among them send 1.
    pub(crate) unit: bool,
    /// All inputs, where they are worth a dense row.
    pub(crate) dense: Option<&'a [F]>,
}

impl<'a, F: Float> Sources<'a, F> {
    /// Every active source and what it sends, inputs under a dense row included.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u32, F)> + use<'a, F> {
        let row = self.dense.unwrap_or(&[]).iter().copied();
        let inputs = (0..).zip(row).filter(|&(_, s)| s != F::ZERO);
        inputs.chain(self.index.iter().copied().zip(self.value.iter().copied()))
    }
}

/// The list of one step, made anew at each, in buffers made once.
#[derive(Debug)]
pub(crate) struct SourceList<F> {
    index: Vec<u32>,
    value: Vec<F>,
    dense: Vec<F>,
    len: usize,
    n_inputs: usize,
    unit: bool,
    is_dense: bool,
    first_neuron: u32,
}

parts!(SourceList {
    Scratch: [index, value, dense]
});

impl<F: Float> SourceList<F> {
    /// For `n_inputs` inputs and `n` neurons that are sources, too.
    pub(crate) fn new(room: &mut Room, n_inputs: usize, n: usize) -> Result<Self, Error> {
        Ok(Self {
            index: room.vec(0, n_inputs.saturating_add(n))?,
            value: room.vec(F::ONE, n_inputs.saturating_add(n))?,
            dense: room.vec(F::ZERO, n_inputs)?,
            len: 0,
            n_inputs: 0,
            unit: true,
            is_dense: false,
            first_neuron: n_inputs as u32,
        })
    }

    /// Takes in the inputs of a step and the spikes of the step before, `fired`, ascending.
    pub(crate) fn take(&mut self, x: Input<'_, F>, fired: &[u32]) {
        match x {
            Input::Dense(x) => self.take_dense(x),
            Input::Events { units, values } => self.take_events(units, values),
        }
        let neurons = self.n_inputs..self.n_inputs + fired.len();
        for (to, &j) in self.index[neurons.clone()].iter_mut().zip(fired) {
            *to = self.first_neuron + j;
        }
        self.value[neurons.clone()].fill(F::ONE);
        self.len = neurons.end;
    }

    fn take_dense(&mut self, x: ArrayView1<'_, F>) {
        let Some(values) = x.as_slice() else {
            let mut dense = core::mem::take(&mut self.dense);
            dense.iter_mut().zip(x).for_each(|(to, &x)| *to = x);
            self.list_dense(&dense);
            self.dense = dense;
            return self.choose_layout();
        };
        self.list_dense(values);
        if self.worth_a_row() {
            self.dense.copy_from_slice(values);
        }
        self.choose_layout();
    }

    fn list_dense(&mut self, x: &[F]) {
        self.n_inputs = nonzeros(x, &mut self.index);
        self.unit = true;
        for (value, &i) in self.value.iter_mut().zip(&self.index[..self.n_inputs]) {
            *value = x[i as usize];
            self.unit &= *value == F::ONE;
        }
    }

    fn take_events(&mut self, units: &[u32], values: Option<&[F]>) {
        self.n_inputs = 0;
        self.unit = true;
        for (at, &unit) in units.iter().enumerate() {
            let value = values.map_or(F::ONE, |values| values[at]);
            if value == F::ZERO {
                continue;
            }
            self.index[self.n_inputs] = unit;
            self.value[self.n_inputs] = value;
            self.unit &= value == F::ONE;
            self.n_inputs += 1;
        }
        if self.worth_a_row() {
            self.dense.fill(F::ZERO);
            for (&i, &value) in self.index.iter().zip(&self.value).take(self.n_inputs) {
                self.dense[i as usize] = value;
            }
        }
        self.choose_layout();
    }

    fn worth_a_row(&self) -> bool {
        let all = self.first_neuron as usize;
        all >= DENSE_FROM && DENSE * self.n_inputs > all
    }

    fn choose_layout(&mut self) {
        self.is_dense = self.worth_a_row();
        if self.is_dense {
            self.n_inputs = 0;
            self.unit = true;
        }
    }

    /// How many inputs there are.
    pub(crate) fn n_inputs(&self) -> usize {
        self.dense.len()
    }

    /// Whether the inputs of the last step were worth a dense row.
    pub(crate) fn is_dense(&self) -> bool {
        self.is_dense
    }

    pub(crate) fn get(&self) -> Sources<'_, F> {
        Sources {
            index: &self.index[..self.len],
            value: &self.value[..self.len],
            n_inputs: self.n_inputs,
            unit: self.unit,
            dense: self.is_dense.then_some(&self.dense),
        }
    }
}
