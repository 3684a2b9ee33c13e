//! The neuron: membrane, threshold, surrogate derivative, spike (lines 2 to 4 of docs/method.md).

use alloc::vec::Vec;

use crate::kernels::{Membrane, NeuronsMut, nonzeros, step_neurons};
use crate::numbers::aligned::{Aligned, padded};
use crate::numbers::room::Room;
use crate::numbers::walk::parts;
use crate::options::LayerConfig;
use crate::options::config::decay;
use crate::{Error, Float};

/// N leaky integrate-and-fire neurons.
#[derive(Debug)]
pub(crate) struct Neuron<F> {
    n: usize,
    membrane: Membrane<F>,
    /// Gain of the current.
    zeta: F,
    v: Aligned<F>,
    z: Aligned<F>,
    psi: Aligned<F>,
    /// Empty where a spike leaves no neuron refractory.
    refractory: Vec<u32>,
    /// Who fired, ascending; the first `n_fired` of them.
    fired: Vec<u32>,
    n_fired: usize,
}

parts!(Neuron {
    State: [v, z, psi, refractory],
    Scratch: [fired],
} then Self::loaded);

impl<F: Float> Neuron<F> {
    pub(crate) fn new(room: &mut Room, n: usize, config: &LayerConfig) -> Result<Self, Error> {
        // The config is validated: n_ref fits.
        let refractory = config.n_ref.saturating_sub(1) as u32;
        let stride = padded::<F>(n);
        Ok(Self {
            n,
            membrane: Membrane {
                alpha: F::cast(decay(config.dt, config.tau_mem)),
                v_th: F::cast(config.threshold),
                reset_mechanism: config.reset_mechanism,
                surrogate: config.surrogate,
                height: F::cast(config.surrogate_height.unwrap_or(0.3 / config.threshold)),
                per_width: F::cast(1.0 / config.surrogate_width.unwrap_or(config.threshold)),
                refractory,
            },
            zeta: F::cast(config.input_gain.of(config.dt, config.tau_mem)),
            v: room.zeros(1, stride)?,
            z: room.zeros(1, stride)?,
            psi: room.zeros(1, stride)?,
            refractory: room.vec(0, if refractory > 0 { n } else { 0 })?,
            fired: room.vec(0, stride)?,
            n_fired: 0,
        })
    }

    fn loaded(&mut self) -> Result<(), Error> {
        self.list();
        Ok(())
    }

    /// One step with the sum of what the sources send, before its gain; padded.
    pub(crate) fn step(&mut self, current: &[F]) {
        let neurons = NeuronsMut {
            v: &mut self.v,
            z: &mut self.z,
            psi: &mut self.psi,
            refractory: &mut self.refractory,
        };
        step_neurons(self.membrane, self.zeta, current, neurons);
        self.list();
    }

    /// Beyond the last neuron there is none; of the others, who fired.
    fn list(&mut self) {
        for row in [&mut self.v, &mut self.z, &mut self.psi] {
            row[self.n..].fill(F::ZERO);
        }
        self.n_fired = nonzeros(&self.z[..self.n], &mut self.fired);
    }

    pub(crate) fn len(&self) -> usize {
        self.n
    }

    pub(crate) fn v(&self) -> &[F] {
        &self.v[..self.n]
    }

    pub(crate) fn z(&self) -> &[F] {
        &self.z[..self.n]
    }

    pub(crate) fn psi(&self) -> &[F] {
        &self.psi[..self.n]
    }

    /// `psi` with zeros up to the length of a padded row.
    pub(crate) fn padded_psi(&self) -> &[F] {
        &self.psi
    }

    /// Spikes with zeros up to the length of a padded row.
    pub(crate) fn padded_z(&self) -> &[F] {
        &self.z
    }

    /// Who fired at the last step, ascending.
    pub(crate) fn fired(&self) -> &[u32] {
        &self.fired[..self.n_fired]
    }

    pub(crate) fn reset(&mut self) {
        self.v.fill(F::ZERO);
        self.z.fill(F::ZERO);
        self.psi.fill(F::ZERO);
        self.refractory.fill(0);
        self.n_fired = 0;
    }
}
