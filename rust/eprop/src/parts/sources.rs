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
    pub(crate) fn all(&self) -> impl Iterator<Item = (u32, F)> + Clone + use<'a, F> {
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

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use ndarray::{Array1, s};

    use super::{Input, SourceList};
    use crate::Float;
    use crate::testing::{Noise, in_both, made};

    const N_INPUTS: usize = 37;
    const N: usize = 5;

    fn list<F: Float>() -> SourceList<F> {
        made(|room| SourceList::new(room, N_INPUTS, N))
    }

    fn all<F: Float>(list: &SourceList<F>) -> Vec<(u32, F)> {
        list.get().all().collect()
    }

    /// Inputs of which so many are not silent, and those as events.
    fn inputs<F: Float>(n_active: usize, unit: bool) -> (Vec<F>, Vec<u32>, Vec<F>) {
        let mut noise = Noise(n_active as u64 + 1);
        let mut x = vec![F::ZERO; N_INPUTS];
        let units: Vec<u32> = (0..N_INPUTS as u32)
            .filter(|i| (*i as usize * 5) % N_INPUTS < n_active)
            .collect();
        for &i in &units {
            x[i as usize] = if unit {
                F::ONE
            } else {
                F::cast(noise.signed())
            };
        }
        let values = units.iter().map(|&i| x[i as usize]).collect();
        (x, units, values)
    }

    in_both! {
        fn arrays_and_events_make_the_same_list<F>() {
            let fired = [0, 3];
            for n_active in 0..=N_INPUTS {
                for unit in [true, false] {
                    let (x, units, values) = inputs::<F>(n_active, unit);
                    let mut expected: Vec<_> = units.iter().copied().zip(values.iter().copied()).collect();
                    expected.extend(fired.map(|j| (N_INPUTS as u32 + j, F::ONE)));
                    // An array of its own, one that lies apart, events, and events with a silent one among them.
                    let x = Array1::from(x);
                    let apart = Array1::from_shape_fn(2 * N_INPUTS, |i| if i % 2 == 0 { x[i / 2] } else { F::cast(7.0) });
                    let everybody: Vec<_> = (0..N_INPUTS as u32).collect();
                    let all_values = x.to_vec();
                    let mut ways = vec![
                        Input::Dense(x.view()),
                        Input::Dense(apart.slice(s![..;2])),
                        Input::Events { units: &units, values: Some(&values) },
                        Input::Events { units: &everybody, values: Some(&all_values) },
                    ];
                    if unit {
                        ways.push(Input::spikes(&units));
                    }
                    for way in ways {
                        let mut list = list::<F>();
                        // Whatever was there before.
                        list.take(Input::Dense(Array1::from_elem(N_INPUTS, F::ONE).view()), &[1, 2]);
                        list.take(way, &fired);
                        assert_eq!(all(&list), expected);
                        let sources = list.get();
                        assert_eq!(sources.dense.is_some(), 4 * n_active > N_INPUTS);
                        assert_eq!(sources.dense.is_some(), list.is_dense());
                        assert_eq!(sources.unit, unit || n_active == 0 || sources.dense.is_some());
                        let listed = if list.is_dense() { 0 } else { n_active };
                        assert_eq!((sources.n_inputs, sources.index.len()), (listed, listed + 2));
                        assert_eq!(sources.value[listed..], [F::ONE; 2]);
                        if let Some(dense) = sources.dense {
                            assert_eq!(dense, x.as_slice().unwrap());
                        }
                    }
                }
            }
        }
    }

    in_both! {
        fn few_inputs_are_never_a_dense_row<F>() {
            for (n_inputs, is_dense) in [(15, false), (16, true)] {
                let mut list = made(|room| SourceList::<F>::new(room, n_inputs, 0));
                let x = Array1::from_elem(n_inputs, F::ONE);
                list.take(x.view().into(), &[]);
                assert_eq!(list.is_dense(), is_dense);
                assert_eq!((list.n_inputs(), list.get().all().count()), (n_inputs, n_inputs));
            }
        }
    }

    in_both! {
        fn a_silent_step_has_no_sources<F>() {
            let mut list = list::<F>();
            list.take(Input::spikes(&[1, 2]), &[4]);
            list.take(Input::spikes(&[]), &[]);
            assert!(all(&list).is_empty() && list.get().unit);
        }
    }
}
