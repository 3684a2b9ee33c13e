//! The neuron: membrane, threshold, surrogate derivative, spike (section 1, steps 2 to 5).

use alloc::vec;
use alloc::vec::Vec;

use crate::Float;
use crate::config::{LayerConfig, ResetMechanism, decay};
use crate::persist::persist;
use crate::surrogate::Surrogate;

/// N leaky integrate-and-fire neurons.
#[derive(Clone, Debug)]
pub(crate) struct Neuron<F> {
    alpha: F,
    v_th: F,
    reset_mechanism: ResetMechanism,
    surrogate: Surrogate,
    height: F,
    width: F,
    refractory_after_spike: u32,
    v: Vec<F>,
    z: Vec<F>,
    psi: Vec<F>,
    refractory: Vec<u32>,
}

persist!(Neuron {
    weights: [],
    state: [v, z, psi, refractory],
    scratch: []
});

impl<F: Float> Neuron<F> {
    pub(crate) fn new(n: usize, config: &LayerConfig) -> Self {
        Self {
            alpha: F::cast(decay(config.dt, config.tau_mem)),
            v_th: F::cast(config.threshold),
            reset_mechanism: config.reset_mechanism,
            surrogate: config.surrogate,
            height: F::cast(config.surrogate_height.unwrap_or(0.3 / config.threshold)),
            width: F::cast(config.surrogate_width.unwrap_or(config.threshold)),
            // The config is validated: n_ref fits.
            refractory_after_spike: config.n_ref.saturating_sub(1) as u32,
            v: vec![F::ZERO; n],
            z: vec![F::ZERO; n],
            psi: vec![F::ZERO; n],
            refractory: vec![0; n],
        }
    }

    /// How many bytes a neuron needs.
    pub(crate) fn bytes_each() -> usize {
        3 * size_of::<F>() + size_of::<u32>()
    }

    /// One step with input current `current`.
    pub(crate) fn step(&mut self, current: &[F]) {
        self.integrate(current);
        for (((&v, z), psi), refractory) in self
            .v
            .iter()
            .zip(&mut self.z)
            .zip(&mut self.psi)
            .zip(&mut self.refractory)
        {
            let beyond = v - self.v_th;
            if *refractory > 0 {
                *refractory -= 1;
                *psi = F::ZERO;
                *z = F::ZERO;
                continue;
            }
            *psi = self.surrogate.psi(beyond.abs(), self.height, self.width);
            let fires = v >= self.v_th;
            *z = if fires { F::ONE } else { F::ZERO };
            *refractory = if fires {
                self.refractory_after_spike
            } else {
                0
            };
        }
    }

    fn integrate(&mut self, current: &[F]) {
        let (alpha, v_th) = (self.alpha, self.v_th);
        let neurons = self.v.iter_mut().zip(&self.z).zip(current);
        match self.reset_mechanism {
            ResetMechanism::Subtract => neurons.for_each(|((v, &z), &i)| {
                *v = (alpha * *v + i - v_th * z).or_silence();
            }),
            ResetMechanism::Zero => neurons.for_each(|((v, &z), &i)| {
                *v = (alpha * *v * (F::ONE - z) + i).or_silence();
            }),
        }
    }

    pub(crate) fn v(&self) -> &[F] {
        &self.v
    }

    pub(crate) fn z(&self) -> &[F] {
        &self.z
    }

    pub(crate) fn psi(&self) -> &[F] {
        &self.psi
    }

    pub(crate) fn reset(&mut self) {
        self.v.fill(F::ZERO);
        self.z.fill(F::ZERO);
        self.psi.fill(F::ZERO);
        self.refractory.fill(0);
    }
}
