//! The second half of a block (DESIGN.md, "The block form") of synapses that are listed by the neuron that they lead to: each adds up the rows `q` of the steps at which its source was
//! active. They are passed once, in the order in which they lie in memory; what is read out of order is a few numbers of each source.

use super::block::{Carry, Gather};
use super::isa::Isa;
use super::kernel;
use crate::Float;

/// The synapses onto the neurons of a tile: those onto the neuron of lane l are `starts[l]..starts[l + 1]` of all.
#[derive(Clone, Copy)]
pub(crate) struct ColumnsOfTile<'a> {
    pub(crate) starts: &'a [usize],
    /// Of every synapse.
    pub(crate) sources: &'a [u32],
    /// Whether the sums replace what they were made of. Otherwise they are added.
    pub(crate) replace: bool,
}

/// How many synapses ahead the numbers of a source are asked for.
const AHEAD: usize = 16;

kernel! {
    /// Finishes the numbers `to` of the synapses onto the neurons of a tile, with which matrices of the `carry` begin, too.
    fn gather_columns<const W>(block: Gather<'_, F>, columns: ColumnsOfTile<'_>, to: &mut [F]) {
        let plain = block.scale.is_empty() && block.dense.is_empty();
        let simple = |carry: &Carry<'_, F>| {
            !carry.z_bar.is_empty() && carry.x_bar.is_empty() && carry.eps_a.is_empty() && carry.z_bar_rows.is_empty()
        };
        match (block.carry, plain) {
            (Some(carry), true) if simple(&carry) => plain_columns::<I, F, W>(block, carry, columns, to),
            _ => all_columns::<I, F, W>(block, columns, to),
        }
    }
}

/// What nearly every block of a large network is: spikes alone, and one filter that all neurons share.
#[inline(always)]
fn plain_columns<I: Isa, F: Float, const W: usize>(
    block: Gather<'_, F>,
    carry: Carry<'_, F>,
    columns: ColumnsOfTile<'_>,
    to: &mut [F],
) {
    for (l, run) in columns.starts.windows(2).enumerate() {
        let (of_e, of_z) = (carry.of_e[l], carry.of_z[l]);
        for at in run[0]..run[1] {
            let i = columns.sources[at] as usize;
            ask_ahead::<I, F>(&block, carry.z_bar, columns.sources, at);
            let here = at - columns.starts[0];
            let mut sum = F::ZERO;
            for &u in &block.at[block.start[i] as usize..block.start[i + 1] as usize] {
                sum += block.q[u as usize * W + l];
            }
            let e_bar = match columns.replace {
                true => to[here],
                false => carry.e_bar[here],
            };
            let sum = I::fma(of_e, e_bar, I::fma(of_z, carry.z_bar[i], block.zeta * sum));
            to[here] = match columns.replace {
                true => sum.or_silence(),
                false => to[here] + sum,
            };
        }
    }
}

#[inline(always)]
fn all_columns<I: Isa, F: Float, const W: usize>(
    block: Gather<'_, F>,
    columns: ColumnsOfTile<'_>,
    to: &mut [F],
) {
    for (l, run) in columns.starts.windows(2).enumerate() {
        for at in run[0]..run[1] {
            let i = columns.sources[at] as usize;
            let here = at - columns.starts[0];
            let events = block.start[i] as usize..block.start[i + 1] as usize;
            let mut sum = F::ZERO;
            match block.scale.get(events.clone()) {
                Some(scale) if !block.scale.is_empty() => {
                    for (&u, &s) in block.at[events].iter().zip(scale) {
                        sum = I::fma(s, block.q[u as usize * W + l], sum);
                    }
                }
                _ => {
                    for &u in &block.at[events] {
                        sum += block.q[u as usize * W + l];
                    }
                }
            }
            sum *= block.zeta;
            if let Some(&dense) = block.dense.get(i * W + l) {
                sum += dense;
            }
            if let Some(carry) = block.carry {
                if let Some(&z_bar) = carry.z_bar.get(i) {
                    sum = I::fma(carry.of_z[l], z_bar, sum);
                } else if let Some(&z_bar) = carry.z_bar_rows.get(here) {
                    sum = I::fma(carry.of_z[l], z_bar, sum);
                }
                if let Some(&x_bar) = carry.x_bar.get(i) {
                    sum = I::fma(carry.of_x[l], x_bar, sum);
                }
                let e_bar = carry.e_bar.get(here).copied().unwrap_or(to[here]);
                sum = I::fma(carry.of_e[l], e_bar, sum);
                if let Some(&eps_a) = carry.eps_a.get(here) {
                    sum = I::fma(carry.of_eps[l], eps_a, sum);
                }
            }
            to[here] = match columns.replace {
                true => sum.or_silence(),
                false => to[here] + sum,
            };
        }
    }
}

/// Asks for what a synapse further on will need of its source.
#[inline(always)]
fn ask_ahead<I: Isa, F: Float>(block: &Gather<'_, F>, z_bar: &[F], sources: &[u32], at: usize) {
    if let Some(&next) = sources.get(at + AHEAD) {
        if let (Some(start), Some(z_bar)) =
            (block.start.get(next as usize), z_bar.get(next as usize))
        {
            I::fetch(start);
            I::fetch(z_bar);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::{Carry, ColumnsOfTile, Gather, gather_columns};
    use crate::Float;
    use crate::testing::{Noise, doubles, in_both, near, same_bits};

    const W: usize = 8;
    const STEPS: usize = 5;
    const SOURCES: usize = 30;
    const N_INPUTS: usize = 12;
    /// Neurons of the tile that there are: of a last tile, fewer than it is wide.
    const NEURONS: usize = 6;

    /// Synapses onto a tile's neurons, behind three of others; the events of a block; and what earlier blocks left.
    struct Case<F> {
        starts: Vec<usize>,
        sources: Vec<u32>,
        start: Vec<u32>,
        at: Vec<u32>,
        scale: Vec<F>,
        q: Vec<F>,
        dense: Vec<F>,
        of_sources: [Vec<F>; 2],
        of_synapses: [Vec<F>; 3],
        of_neurons: [Vec<F>; 4],
    }

    impl<F: Float> Case<F> {
        fn new() -> Self {
            let mut noise = Noise(3);
            let (mut starts, mut sources) = (vec![3], vec![7, 7, 7]);
            for l in 0..NEURONS {
                if l != 2 {
                    sources.extend(noise.some_of(SOURCES, 0.4));
                }
                starts.push(sources.len());
            }
            let (mut start, mut at) = (vec![0], vec![]);
            for i in 0..SOURCES {
                if i % 3 > 0 {
                    at.extend(noise.some_of(STEPS, 0.4));
                }
                start.push(at.len() as u32);
            }
            let synapses = sources.len() - 3;
            Self {
                scale: noise.numbers(at.len()),
                q: noise.numbers(STEPS * W),
                dense: noise.numbers(N_INPUTS * W),
                of_sources: core::array::from_fn(|_| noise.numbers(SOURCES)),
                of_synapses: core::array::from_fn(|_| noise.numbers(synapses)),
                of_neurons: core::array::from_fn(|_| noise.numbers(W)),
                starts,
                sources,
                start,
                at,
            }
        }

        /// `z_bar` and `e_bar`, and what neurons make of them.
        fn carry(&self) -> Carry<'_, F> {
            Carry {
                z_bar: &self.of_sources[0],
                z_bar_rows: &[],
                of_z: &self.of_neurons[0],
                x_bar: &[],
                of_x: &[],
                e_bar: &self.of_synapses[0],
                of_e: &self.of_neurons[1],
                eps_a: &[],
                of_eps: &[],
            }
        }

        /// The same with everything that there can be.
        fn carry_all(&self) -> Carry<'_, F> {
            Carry {
                z_bar: &[],
                z_bar_rows: &self.of_synapses[1],
                x_bar: &self.of_sources[1],
                of_x: &self.of_neurons[2],
                eps_a: &self.of_synapses[2],
                of_eps: &self.of_neurons[3],
                ..self.carry()
            }
        }

        fn made(
            &self,
            scaled: bool,
            carry: Option<Carry<'_, F>>,
            replace: bool,
            to: &[F],
        ) -> Vec<F> {
            let gather = Gather {
                start: &self.start,
                at: &self.at,
                scale: if scaled { &self.scale } else { &[] },
                dense: if scaled { &self.dense } else { &[] },
                q: &self.q,
                zeta: F::cast(0.5),
                carry,
                stride: W,
                column: 0,
                first_recurrent: N_INPUTS,
            };
            let columns = ColumnsOfTile {
                starts: &self.starts,
                sources: &self.sources,
                replace,
            };
            let mut to = to.to_vec();
            gather_columns::<F, W>(gather, columns, &mut to);
            to
        }

        /// The sum of every synapse, as it is written; `before`: what stands in the place of an `e_bar` that is not given.
        fn sums(&self, scaled: bool, carry: Option<Carry<'_, F>>, before: &[F]) -> Vec<f64> {
            let of_synapse = |(here, l): (usize, usize)| {
                let i = self.sources[here + 3] as usize;
                let events = self.start[i] as usize..self.start[i + 1] as usize;
                let of_event = |n: usize| {
                    let s = if scaled { self.scale[n].to_f64() } else { 1.0 };
                    s * self.q[self.at[n] as usize * W + l].to_f64()
                };
                let mut sum = 0.5 * events.map(of_event).sum::<f64>();
                if scaled && i < N_INPUTS {
                    sum += self.dense[i * W + l].to_f64();
                }
                let Some(carry) = carry else {
                    return sum;
                };
                let of = |rows: &[F], at: usize| rows.get(at).map_or(0.0, |x| x.to_f64());
                let e_bar = match carry.e_bar.is_empty() {
                    true => before[here].to_f64(),
                    false => carry.e_bar[here].to_f64(),
                };
                sum + of(carry.of_z, l) * (of(carry.z_bar, i) + of(carry.z_bar_rows, here))
                    + of(carry.of_x, l) * of(carry.x_bar, i)
                    + of(carry.of_e, l) * e_bar
                    + of(carry.of_eps, l) * of(carry.eps_a, here)
            };
            let lanes = self.starts.windows(2).enumerate();
            let places = lanes.flat_map(|(l, run)| (run[0]..run[1]).map(move |at| (at - 3, l)));
            places.map(of_synapse).collect()
        }
    }

    in_both! {
        fn every_synapse_adds_up_its_sources_rows_and_what_is_known_of_before<F>() {
            let case = Case::<F>::new();
            let before = Noise(8).numbers::<F>(case.sources.len() - 3);
            for carry in [None, Some(case.carry()), Some(case.carry_all())] {
                for scaled in [false, true] {
                    let sums = case.sums(scaled, carry, &before);
                    let added: Vec<_> = doubles(&before).iter().zip(&sums).map(|(b, s)| b + s).collect();
                    near("added", &case.made(scaled, carry, false, &before), &added);
                    // What is replaced is what the sums are made of.
                    let in_place = carry.map(|carry| Carry { e_bar: &[][..], ..carry });
                    let sums = case.sums(scaled, in_place, &before);
                    near("replaced", &case.made(scaled, in_place, true, &before), &sums);
                }
            }
        }
    }

    in_both! {
        fn traces_that_have_faded_are_zero_where_they_are_replaced<F>() {
            let mut case = Case::<F>::new();
            case.start.fill(0);
            case.of_sources[0].fill(F::ZERO);
            case.of_neurons[1].fill(F::cast(0.25));
            let before = vec![F::SILENCE + F::SILENCE; case.sources.len() - 3];
            let carry = Carry { e_bar: &[][..], ..case.carry() };
            let made = case.made(false, Some(carry), true, &before);
            same_bits("e_bar", &made, &vec![F::ZERO; before.len()]);
        }
    }
}
