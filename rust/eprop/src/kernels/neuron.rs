//! The step of the neurons (lines 2 to 4 of docs/method.md).

use super::isa::Isa;
use super::kernel;
use crate::Float;
use crate::options::{ResetMechanism, Surrogate};

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
        // One loop for each surrogate, so that none has a branch in it.
        match membrane.surrogate {
            Surrogate::PiecewiseLinear => integrate_and_fire::<I, F>(membrane, zeta, current, v, z, psi, |u| Surrogate::PiecewiseLinear.shape(u)),
            Surrogate::FastSigmoid => integrate_and_fire::<I, F>(membrane, zeta, current, v, z, psi, |u| Surrogate::FastSigmoid.shape(u)),
            Surrogate::Arctan => integrate_and_fire::<I, F>(membrane, zeta, current, v, z, psi, |u| Surrogate::Arctan.shape(u)),
            Surrogate::Boxcar => integrate_and_fire::<I, F>(membrane, zeta, current, v, z, psi, |u| Surrogate::Boxcar.shape(u)),
            Surrogate::Exponential => integrate_and_fire::<I, F>(membrane, zeta, current, v, z, psi, |u| Surrogate::Exponential.shape(u)),
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

/// Integrates, derives and fires. Slices one by one, not in a struct: only so does the compiler know that none overlaps another.
#[inline(always)]
fn integrate_and_fire<I: Isa, F: Float>(
    membrane: Membrane<F>,
    zeta: F,
    current: &[F],
    v: &mut [F],
    z: &mut [F],
    psi: &mut [F],
    shape: impl Fn(F) -> F,
) {
    let Membrane {
        alpha,
        v_th,
        height,
        per_width,
        ..
    } = membrane;
    let n = v.len();
    let (current, z, psi) = (&current[..n], &mut z[..n], &mut psi[..n]);
    // What a spike takes: the threshold, or all of the membrane.
    let (by_threshold, by_itself) = match membrane.reset_mechanism {
        ResetMechanism::Subtract => (v_th, F::ZERO),
        ResetMechanism::Zero => (F::ZERO, F::ONE),
    };
    for j in 0..n {
        let kept = alpha * v[j] * (F::ONE - by_itself * z[j]);
        let now = (I::fma(zeta, current[j], kept) - by_threshold * z[j]).or_silence();
        v[j] = now;
        psi[j] = height * shape((now - v_th).abs() * per_width);
        z[j] = if now >= v_th { F::ONE } else { F::ZERO };
    }
}
