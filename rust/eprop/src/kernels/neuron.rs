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

/// The neurons' state; every slice has the padded length but `refractory`, which is empty where nothing is refractory, and `psi`, which is empty where nobody
/// learns from it.
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
            _ if psi.is_empty() => fire::<I, F>(membrane, zeta, current, v, z),
            Surrogate::PiecewiseLinear => integrate_and_fire::<I, F>(membrane, zeta, current, v, z, psi, |u| Surrogate::PiecewiseLinear.shape(u)),
            Surrogate::FastSigmoid => integrate_and_fire::<I, F>(membrane, zeta, current, v, z, psi, |u| Surrogate::FastSigmoid.shape(u)),
            Surrogate::Arctan => integrate_and_fire::<I, F>(membrane, zeta, current, v, z, psi, |u| Surrogate::Arctan.shape(u)),
            Surrogate::Boxcar => integrate_and_fire::<I, F>(membrane, zeta, current, v, z, psi, |u| Surrogate::Boxcar.shape(u)),
            Surrogate::Exponential => integrate_and_fire::<I, F>(membrane, zeta, current, v, z, psi, |u| Surrogate::Exponential.shape(u)),
        }
        refract(membrane, refractory, z, psi);
    }
}

kernel! {
    /// What has arrived flows on: `flowing = sigma flowing + zeta current` (line 1).
    fn flow(sigma: F, zeta: &[F], current: &[F], flowing: &mut [F]) {
        let n = flowing.len();
        let (zeta, current) = (&zeta[..n], &current[..n]);
        for j in 0..n {
            flowing[j] = I::fma(zeta[j], current[j], sigma * flowing[j]).or_silence();
        }
    }
}

/// Who is refractory does not fire, and learns nothing.
#[inline(always)]
pub(super) fn refract<F: Float>(
    membrane: Membrane<F>,
    refractory: &mut [u32],
    z: &mut [F],
    psi: &mut [F],
) {
    if membrane.refractory == 0 {
        return;
    }
    for (j, (left, z)) in refractory.iter_mut().zip(z).enumerate() {
        if *left > 0 {
            *left -= 1;
            if let Some(psi) = psi.get_mut(j) {
                *psi = F::ZERO;
            }
            *z = F::ZERO;
        } else if *z != F::ZERO {
            *left = membrane.refractory;
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
        v_th,
        height,
        per_width,
        ..
    } = membrane;
    let n = v.len();
    let (current, z, psi) = (&current[..n], &mut z[..n], &mut psi[..n]);
    let taken = membrane.taken();
    for j in 0..n {
        let now = integrate::<I, F>(membrane.alpha, taken, zeta, current[j], (v[j], z[j]));
        v[j] = now;
        psi[j] = height * shape((now - v_th).abs() * per_width);
        z[j] = if now >= v_th { F::ONE } else { F::ZERO };
    }
}

/// The same without deriving.
#[inline(always)]
fn fire<I: Isa, F: Float>(membrane: Membrane<F>, zeta: F, current: &[F], v: &mut [F], z: &mut [F]) {
    let n = v.len();
    let (current, z) = (&current[..n], &mut z[..n]);
    let taken = membrane.taken();
    for j in 0..n {
        let now = integrate::<I, F>(membrane.alpha, taken, zeta, current[j], (v[j], z[j]));
        v[j] = now;
        z[j] = if now >= membrane.v_th {
            F::ONE
        } else {
            F::ZERO
        };
    }
}

/// `v` of a neuron at this step, from `v` and `z` of the last one.
#[inline(always)]
fn integrate<I: Isa, F: Float>(
    alpha: F,
    (by_threshold, by_itself): (F, F),
    zeta: F,
    current: F,
    (v, z): (F, F),
) -> F {
    let kept = alpha * v * (F::ONE - by_itself * z);
    (I::fma(zeta, current, kept) - by_threshold * z).or_silence()
}

impl<F: Float> Membrane<F> {
    /// What a spike takes: the threshold, or all of the membrane.
    fn taken(&self) -> (F, F) {
        match self.reset_mechanism {
            ResetMechanism::Subtract => (self.v_th, F::ZERO),
            ResetMechanism::Zero => (F::ZERO, F::ONE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Membrane, NeuronsMut, ResetMechanism, Surrogate, flow, step_neurons};
    use crate::kernels::tests::fma;
    use crate::testing::{Noise, in_both, same_bits};

    in_both! {
        fn a_current_decays_takes_in_what_arrives_and_fades_out<F>() {
            let mut noise = Noise(2);
            let (zeta, current, before) = (noise.numbers::<F>(21), noise.numbers::<F>(21), noise.numbers::<F>(21));
            let sigma = F::cast(0.75);
            let mut flowing = before.clone();
            flow(sigma, &zeta, &current, &mut flowing);
            let expected: alloc::vec::Vec<F> = (0..21).map(|j| fma(zeta[j], current[j], sigma * before[j])).collect();
            same_bits("I", &flowing, &expected);
            flowing.fill(F::SILENCE);
            flow(sigma, &zeta, &[F::ZERO; 21], &mut flowing);
            same_bits("I", &flowing, &[F::ZERO; 21]);
        }
    }

    in_both! {
        fn a_step_from_any_state_is_integration_then_surrogate_then_spike_to_the_bit<F>() {
            let n = 48;
            let mut noise = Noise(1);
            for &surrogate in Surrogate::ALL {
                for &reset_mechanism in ResetMechanism::ALL {
                    let membrane = Membrane {
                        alpha: F::cast(0.9),
                        v_th: F::cast(0.4),
                        reset_mechanism,
                        surrogate,
                        height: F::cast(0.75),
                        per_width: F::cast(1.5),
                        refractory: 3,
                    };
                    let zeta = F::cast(0.3);
                    let current = noise.numbers::<F>(n);
                    let (mut v, mut psi) = (noise.numbers::<F>(n), noise.numbers::<F>(n));
                    let mut z: alloc::vec::Vec<F> = (0..n).map(|j| F::cast(f64::from(u8::from(j % 3 == 0)))).collect();
                    let mut refractory: alloc::vec::Vec<u32> = (0..n as u32).map(|j| j % 4).collect();
                    let (mut v_is, mut z_is, mut psi_is, mut left) = (v.clone(), z.clone(), psi.clone(), refractory.clone());
                    for j in 0..n {
                        let spiked = z_is[j] == F::ONE;
                        v_is[j] = match reset_mechanism {
                            ResetMechanism::Subtract if spiked => fma(zeta, current[j], membrane.alpha * v_is[j]) - membrane.v_th,
                            ResetMechanism::Zero if spiked => zeta * current[j],
                            _ => fma(zeta, current[j], membrane.alpha * v_is[j]),
                        };
                        let u = (v_is[j] - membrane.v_th).abs() * membrane.per_width;
                        psi_is[j] = membrane.height * surrogate.shape(u);
                        z_is[j] = if v_is[j] >= membrane.v_th { F::ONE } else { F::ZERO };
                        if left[j] > 0 {
                            left[j] -= 1;
                            (psi_is[j], z_is[j]) = (F::ZERO, F::ZERO);
                        } else if z_is[j] == F::ONE {
                            left[j] = 3;
                        }
                    }
                    // Without psi, v and z are the same.
                    let (mut v_alone, mut z_alone, mut left_alone) = (v.clone(), z.clone(), refractory.clone());
                    let alone = NeuronsMut { v: &mut v_alone, z: &mut z_alone, psi: &mut [], refractory: &mut left_alone };
                    step_neurons(membrane, zeta, &current, alone);
                    same_bits("v", &v_alone, &v_is);
                    same_bits("z", &z_alone, &z_is);
                    assert_eq!(left_alone, left);
                    let neurons = NeuronsMut { v: &mut v, z: &mut z, psi: &mut psi, refractory: &mut refractory };
                    step_neurons(membrane, zeta, &current, neurons);
                    same_bits("v", &v, &v_is);
                    same_bits("psi", &psi, &psi_is);
                    same_bits("z", &z, &z_is);
                    assert_eq!(refractory, left);
                }
            }
        }
    }
}
