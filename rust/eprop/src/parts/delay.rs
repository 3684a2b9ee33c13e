//! Steps that a spike takes to the other neurons: the spikes that are under way.

use alloc::vec::Vec;

use super::neuron::Neuron;
use crate::kernels::nonzeros;
use crate::numbers::aligned::{Aligned, padded};
use crate::numbers::room::Room;
use crate::numbers::walk::parts;
use crate::{Error, Float};

/// Spikes of the last steps but the very last, which the neurons keep themselves. Empty where a spike takes one step.
#[derive(Debug)]
pub(crate) struct Delay<F> {
    n: usize,
    /// A row of spikes per step, the oldest at `at`.
    rows: Aligned<F>,
    at: usize,
    /// Who sent what arrives, ascending.
    list: Vec<u32>,
}

parts!(Delay {
    Mark: [at],
    State: [rows],
    Scratch: [list],
} then Self::loaded);

impl<F: Float> Delay<F> {
    /// For `n` neurons whose spikes take `delay` steps, at least one.
    pub(crate) fn new(room: &mut Room, n: usize, delay: usize) -> Result<Self, Error> {
        let rows = delay.saturating_sub(1);
        Ok(Self {
            n,
            rows: room.zeros(rows, padded::<F>(n))?,
            at: 0,
            list: room.vec(0, if rows > 0 { n } else { 0 })?,
        })
    }

    fn loaded(&mut self) -> Result<(), Error> {
        match self.at == 0 || self.at < self.n_rows() {
            true => Ok(()),
            false => Err(Error::State {
                reason: "a spike that is under way for longer than its delay".into(),
            }),
        }
    }

    fn n_rows(&self) -> usize {
        self.rows.len() / padded::<F>(self.n)
    }

    /// Whose spikes arrive in the step that begins. What the neurons fired in the last one sets out.
    pub(crate) fn pass<'a>(&'a mut self, neuron: &'a Neuron<F>) -> &'a [u32] {
        let (rows, stride) = (self.n_rows(), padded::<F>(self.n));
        if rows == 0 {
            return neuron.fired();
        }
        let row = &mut self.rows[self.at * stride..][..stride];
        let n_fired = nonzeros(&row[..self.n], &mut self.list);
        row.copy_from_slice(neuron.padded_z());
        self.at = (self.at + 1) % rows;
        &self.list[..n_fired]
    }

    pub(crate) fn reset(&mut self) {
        self.rows.fill(F::ZERO);
        self.at = 0;
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::Delay;
    use crate::Float;
    use crate::numbers::plain;
    use crate::numbers::walk;
    use crate::options::LayerConfig;
    use crate::parts::neuron::Neuron;
    use crate::testing::{in_both, made};

    const N: usize = 5;

    /// Who arrives at each step, if neuron t fires at step t.
    fn arrivals<F: Float>(
        delay: &mut Delay<F>,
        neuron: &mut Neuron<F>,
        steps: usize,
    ) -> Vec<Vec<u32>> {
        let step = |t: usize| {
            let arrived = delay.pass(neuron).to_vec();
            let mut current = [F::ZERO; 16];
            current[t % N] = F::cast(100.0);
            neuron.reset();
            neuron.step(&current);
            arrived
        };
        (0..steps).map(step).collect()
    }

    in_both! {
        fn a_spike_arrives_after_so_many_steps<F>() {
            for steps in 1..5 {
                let mut delay = made(|room| Delay::<F>::new(room, N, steps));
                let mut neuron = made(|room| Neuron::new(room, N, &LayerConfig::default()));
                let arrived = arrivals(&mut delay, &mut neuron, 12);
                for (t, arrived) in arrived.iter().enumerate() {
                    let sent = t.checked_sub(steps).map(|t| (t % N) as u32);
                    assert_eq!(arrived, &sent.into_iter().collect::<Vec<_>>(), "step {t}");
                }
                // What is under way is saved, and gone after a reset.
                let mut twin = made(|room| Delay::<F>::new(room, N, steps));
                plain::load(&mut twin, &plain::save(&delay).unwrap()).unwrap();
                assert!(walk::same(&twin, &delay));
                neuron.reset();
                delay.reset();
                for _ in 0..steps {
                    assert!(delay.pass(&neuron).is_empty());
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_under_way_is_refused() {
        let mut delay = made(|room| Delay::<f32>::new(room, N, 3));
        delay.at = 2;
        let saved = plain::save(&delay).unwrap();
        assert!(plain::load(&mut made(|room| Delay::<f32>::new(room, N, 3)), &saved).is_err());
        plain::load(&mut made(|room| Delay::<f32>::new(room, N, 4)), &saved).unwrap_err();
    }
}
