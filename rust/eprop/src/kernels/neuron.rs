//! The step of the neurons (section 1 of the method, steps 2 to 5), a unit of neurons at a time.

use super::kernel;
use crate::aligned::UNIT;
use crate::config::ResetMechanism;
use crate::surrogate::Surrogate;

/// What all neurons of a layer have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Membrane<F> {
    pub(crate) alpha: F,
    pub(crate) v_th: F,
    pub(crate) reset_mechanism: ResetMechanism,
    pub(crate) surrogate: Surrogate,
    pub(crate) height: F,
    pub(crate) width: F,
    /// Steps after a spiking one at which a neuron is refractory.
    pub(crate) refractory: u32,
}

/// The neurons' state; every slice has the padded length but `refractory`, which is empty where nothing is refractory.
pub(crate) struct NeuronsMut<'a, F> {
    pub(crate) v: &'a mut [F],
    pub(crate) z: &'a mut [F],
    pub(crate) psi: &'a mut [F],
    pub(crate) refractory: &'a mut [u32],
}

kernel! {
    /// One step with input current `zeta current`.
    fn step_neurons(membrane: Membrane<F>, zeta: F, current: &[F], neurons: NeuronsMut<'_, F>) {
        let Membrane { alpha, v_th, height, width, .. } = membrane;
        let NeuronsMut { v, z, psi, refractory } = neurons;
        let n = v.len();
        let (current, z, psi) = (&current[..n], &mut z[..n], &mut psi[..n]);
        for from in (0..n).step_by(UNIT) {
            let unit = from..from + UNIT;
            let (v, z, psi, current) = (&mut v[unit.clone()], &mut z[unit.clone()], &mut psi[unit.clone()], &current[unit]);
            match membrane.reset_mechanism {
                ResetMechanism::Subtract => {
                    for l in 0..UNIT {
                        v[l] = I::fma(alpha, v[l], I::fma(zeta, current[l], -(v_th * z[l]))).or_silence();
                    }
                }
                ResetMechanism::Zero => {
                    for l in 0..UNIT {
                        v[l] = I::fma(alpha * v[l], F::ONE - z[l], zeta * current[l]).or_silence();
                    }
                }
            }
            match membrane.surrogate {
                Surrogate::PiecewiseLinear => {
                    for l in 0..UNIT {
                        psi[l] = Surrogate::PiecewiseLinear.psi((v[l] - v_th).abs(), height, width);
                    }
                }
                Surrogate::FastSigmoid => {
                    for l in 0..UNIT {
                        psi[l] = Surrogate::FastSigmoid.psi((v[l] - v_th).abs(), height, width);
                    }
                }
                Surrogate::Arctan => {
                    for l in 0..UNIT {
                        psi[l] = Surrogate::Arctan.psi((v[l] - v_th).abs(), height, width);
                    }
                }
                Surrogate::Boxcar => {
                    for l in 0..UNIT {
                        psi[l] = Surrogate::Boxcar.psi((v[l] - v_th).abs(), height, width);
                    }
                }
                Surrogate::Exponential => {
                    for l in 0..UNIT {
                        psi[l] = Surrogate::Exponential.psi((v[l] - v_th).abs(), height, width);
                    }
                }
            }
            for l in 0..UNIT {
                z[l] = if v[l] >= v_th { F::ONE } else { F::ZERO };
            }
        }
        if membrane.refractory == 0 {
            return;
        }
        for ((left, z), psi) in refractory.iter_mut().zip(z).zip(psi) {
            if *left > 0 {
                *left -= 1;
                *psi = F::ZERO;
                *z = F::ZERO;
            } else if *z != F::ZERO {
                *left = membrane.refractory;
            }
        }
    }
}
