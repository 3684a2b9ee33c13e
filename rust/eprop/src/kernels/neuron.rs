//! The step of the neurons (section 1 of the method, steps 2 to 5), a unit of neurons at a time.

use super::isa::Isa;
use super::{cut, cut_mut, kernel};
use crate::Float;
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
    /// One over the width `w`.
    pub(crate) per_width: F,
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
        let NeuronsMut { v, z, psi, refractory } = neurons;
        let n = v.len();
        assert!(current.len() == n && z.len() == n && psi.len() == n && n % UNIT == 0);
        for from in (0..n).step_by(UNIT) {
            // SAFETY: every slice is n long, a multiple of UNIT. Copies, so that the compiler need not think of one slice as part of another.
            let (v_before, z_before, current) =
                unsafe { (*cut::<F, UNIT>(v, from), *cut::<F, UNIT>(z, from), *cut::<F, UNIT>(current, from)) };
            let v_now = integrate::<I, F>(membrane, zeta, current, v_before, z_before);
            // A match for a whole unit, so that each arm is a loop without a branch.
            let psi_now = match membrane.surrogate {
                Surrogate::PiecewiseLinear => derive(Surrogate::PiecewiseLinear, membrane, v_now),
                Surrogate::FastSigmoid => derive(Surrogate::FastSigmoid, membrane, v_now),
                Surrogate::Arctan => derive(Surrogate::Arctan, membrane, v_now),
                Surrogate::Boxcar => derive(Surrogate::Boxcar, membrane, v_now),
                Surrogate::Exponential => derive(Surrogate::Exponential, membrane, v_now),
            };
            let z_now = v_now.map(|v| if v >= membrane.v_th { F::ONE } else { F::ZERO });
            // SAFETY: as above.
            unsafe {
                *cut_mut(v, from) = v_now;
                *cut_mut(psi, from) = psi_now;
                *cut_mut(z, from) = z_now;
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

#[inline(always)]
fn integrate<I: Isa, F: Float>(
    membrane: Membrane<F>,
    zeta: F,
    current: [F; UNIT],
    v: [F; UNIT],
    z: [F; UNIT],
) -> [F; UNIT] {
    let Membrane { alpha, v_th, .. } = membrane;
    match membrane.reset_mechanism {
        ResetMechanism::Subtract => core::array::from_fn(|l| {
            I::fma(alpha, v[l], I::fma(zeta, current[l], -(v_th * z[l]))).or_silence()
        }),
        ResetMechanism::Zero => core::array::from_fn(|l| {
            I::fma(alpha * v[l], F::ONE - z[l], zeta * current[l]).or_silence()
        }),
    }
}

#[inline(always)]
fn derive<F: Float>(surrogate: Surrogate, membrane: Membrane<F>, v: [F; UNIT]) -> [F; UNIT] {
    v.map(|v| membrane.height * surrogate.shape((v - membrane.v_th).abs() * membrane.per_width))
}
