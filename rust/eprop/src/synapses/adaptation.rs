//! How a moving threshold enters the eligibility (line 8 of docs/method.md).

use crate::kernels::Adapting;
use crate::numbers::aligned::Aligned;
use crate::numbers::room::Room;
use crate::numbers::walk::parts;
use crate::options::Config;
use crate::options::filters::decay;
use crate::{Error, Float};

/// Padded rows: what the neurons' thresholds are like. Beyond the last neuron there is no adaptation.
#[derive(Debug)]
pub(crate) struct Adaptation<F> {
    pub(crate) beta: Aligned<F>,
    pub(crate) rho: Aligned<F>,
}

parts!(Adaptation {
    Scratch: [beta, rho],
});

impl<F: Float> Adaptation<F> {
    /// `None` where no neuron adapts.
    pub(crate) fn of(room: &mut Room, n: usize, config: &Config) -> Result<Option<Self>, Error> {
        let layer = config.layer();
        if !layer.is_adaptive() {
            return Ok(None);
        }
        Ok(Some(Self {
            beta: layer.row(room, n, |one| one.beta)?,
            rho: layer.row(room, n, |one| decay(one.dt, one.tau_adaptation))?,
        }))
    }

    /// Of a tile of neurons.
    pub(crate) fn tile(&self, column: usize, width: usize) -> Adapting<'_, F> {
        Adapting {
            beta: &self.beta[column..column + width],
            rho: &self.rho[column..column + width],
        }
    }

    /// Of all neurons.
    pub(crate) fn whole(&self) -> Adapting<'_, F> {
        self.tile(0, self.beta.len())
    }
}

/// `e = psi (z_bar - beta eps_a)` of one source and some neurons, and `eps_a = rho eps_a + e`.
pub(crate) fn step<F: Float>(
    adapting: Adapting<'_, F>,
    psi: &[F],
    z_bar: impl Fn(usize) -> F,
    eps_a: &mut [F],
    e: &mut [F],
) {
    let n = e.len();
    let (psi, beta, rho) = (&psi[..n], &adapting.beta[..n], &adapting.rho[..n]);
    let eps_a = &mut eps_a[..n];
    for j in 0..n {
        e[j] = psi[j] * (z_bar(j) - beta[j] * eps_a[j]);
        eps_a[j] = rho[j] * eps_a[j] + e[j];
    }
}

#[cfg(test)]
mod tests {
    use super::{Adaptation, step};
    use crate::options::{Config, PerNeuron};
    use crate::testing::{in_both, made, near};

    in_both! {
        fn a_spike_raises_the_threshold_that_later_traces_pay_for<F>() {
            let each = PerNeuron { beta: Some(alloc::vec![0.5, 0.0]), ..PerNeuron::default() };
            let config = Config { each, tau_adaptation: 1.0 / core::f64::consts::LN_2, ..Config::default() };
            let adaptation = made(|room| Adaptation::<F>::of(room, 2, &config)).unwrap();
            let (mut eps_a, mut e) = ([F::ZERO; 16], [F::ZERO; 16]);
            let psi = [F::cast(0.5); 16];
            step(adaptation.whole(), &psi, |_| F::ONE, &mut eps_a, &mut e);
            near("e", &e[..2], &[0.5, 0.5]);
            step(adaptation.whole(), &psi, |_| F::ONE, &mut eps_a, &mut e);
            // rho is 1/2.
            near("e", &e[..2], &[0.5 * (1.0 - 0.25), 0.5]);
            near("eps_a", &eps_a[..1], &[0.25 + 0.375]);
        }
    }

    #[test]
    fn neurons_that_do_not_adapt_have_none() {
        let each = PerNeuron {
            beta: Some(alloc::vec![0.0, 0.0]),
            ..PerNeuron::default()
        };
        let config = Config {
            each,
            ..Config::default()
        };
        assert!(made(|room| Adaptation::<f32>::of(room, 2, &config)).is_none());
    }
}
