//! The step of neurons with constants of their own, whose thresholds may move (lines 2 to 4 of docs/method.md).

use super::isa::Isa;
use super::kernel;
use super::neuron::{Membrane, NeuronsMut, refract};
use crate::Float;
use crate::options::{ResetMechanism, Surrogate};

/// What belongs to one neuron each, and its adaptation; every slice has the padded length, but `alpha` and `zeta`, which are
/// empty where all neurons have the same.
pub(crate) struct OwnMut<'a, F> {
    pub(crate) alpha: &'a [F],
    pub(crate) zeta: &'a [F],
    pub(crate) v_th: &'a [F],
    pub(crate) beta: &'a [F],
    pub(crate) rho: &'a [F],
    pub(crate) height: &'a [F],
    /// One over the width `w`.
    pub(crate) per_width: &'a [F],
    pub(crate) a: &'a mut [F],
}

kernel! {
    /// As [`step_neurons`](super::step_neurons), with `A = v_th + beta a` in the place of the threshold; `membrane` has what is common.
    fn step_adaptive(membrane: Membrane<F>, zeta: F, current: &[F], neurons: NeuronsMut<'_, F>, own: OwnMut<'_, F>) {
        let NeuronsMut { v, z, psi, refractory } = neurons;
        // Where all have the same membrane, no numbers of it are read.
        match own.alpha.is_empty() {
            true => by_surrogate::<I, F, false>(membrane, zeta, current, v, z, psi, own),
            false => by_surrogate::<I, F, true>(membrane, zeta, current, v, z, psi, own),
        }
        refract(membrane, refractory, z, psi);
    }
}

/// One loop for each surrogate, so that none has a branch in it.
#[inline(always)]
fn by_surrogate<I: Isa, F: Float, const OWN_MEMBRANE: bool>(
    membrane: Membrane<F>,
    zeta: F,
    current: &[F],
    v: &mut [F],
    z: &mut [F],
    psi: &mut [F],
    own: OwnMut<'_, F>,
) {
    macro_rules! with {
        ($surrogate:ident) => {
            integrate_adapt_and_fire::<I, F, OWN_MEMBRANE>(
                membrane,
                zeta,
                current,
                v,
                z,
                psi,
                own,
                |u| Surrogate::$surrogate.shape(u),
            )
        };
    }
    match membrane.surrogate {
        Surrogate::PiecewiseLinear => with!(PiecewiseLinear),
        Surrogate::FastSigmoid => with!(FastSigmoid),
        Surrogate::Arctan => with!(Arctan),
        Surrogate::Boxcar => with!(Boxcar),
        Surrogate::Exponential => with!(Exponential),
    }
}

/// Integrates, adapts, derives and fires. Slices one by one, as in the neurons that do not adapt.
#[inline(always)]
#[allow(
    clippy::too_many_arguments,
    reason = "slices one by one: only so does the compiler know that none overlaps another"
)]
fn integrate_adapt_and_fire<I: Isa, F: Float, const OWN_MEMBRANE: bool>(
    membrane: Membrane<F>,
    zeta: F,
    current: &[F],
    v: &mut [F],
    z: &mut [F],
    psi: &mut [F],
    own: OwnMut<'_, F>,
    shape: impl Fn(F) -> F,
) {
    let n = v.len();
    let (alphas, zetas) = match OWN_MEMBRANE {
        true => (&own.alpha[..n], &own.zeta[..n]),
        false => (&[][..], &[][..]),
    };
    let (current, z, psi) = (&current[..n], &mut z[..n], &mut psi[..n]);
    let (v_th, beta, rho) = (&own.v_th[..n], &own.beta[..n], &own.rho[..n]);
    let (height, per_width, a) = (&own.height[..n], &own.per_width[..n], &mut own.a[..n]);
    // What a spike takes: the base threshold, or all of the membrane.
    let (by_threshold, by_itself) = match membrane.reset_mechanism {
        ResetMechanism::Subtract => (F::ONE, F::ZERO),
        ResetMechanism::Zero => (F::ZERO, F::ONE),
    };
    for j in 0..n {
        let (alpha, zeta) = match OWN_MEMBRANE {
            true => (alphas[j], zetas[j]),
            false => (membrane.alpha, zeta),
        };
        let kept = alpha * v[j] * (F::ONE - by_itself * z[j]);
        let now = (I::fma(zeta, current[j], kept) - by_threshold * v_th[j] * z[j]).or_silence();
        let adapted = I::fma(rho[j], a[j], z[j]).or_silence();
        let threshold = I::fma(beta[j], adapted, v_th[j]);
        v[j] = now;
        a[j] = adapted;
        psi[j] = height[j] * shape((now - threshold).abs() * per_width[j]);
        z[j] = if now >= threshold { F::ONE } else { F::ZERO };
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::{OwnMut, step_adaptive};
    use crate::kernels::neuron::{Membrane, NeuronsMut, step_neurons};
    use crate::kernels::tests::fma;
    use crate::options::{ResetMechanism, Surrogate};
    use crate::testing::{Noise, in_both, same_bits};

    const N: usize = 48;

    in_both! {
        fn a_step_from_any_state_is_integration_adaptation_surrogate_then_spike_to_the_bit<F>() {
            let mut noise = Noise(1);
            for &surrogate in Surrogate::ALL {
                for (&reset_mechanism, own_membrane) in ResetMechanism::ALL.iter().flat_map(|reset| [(reset, false), (reset, true)]) {
                    let membrane = Membrane {
                        alpha: F::cast(0.9),
                        // Not read: every neuron has its own.
                        v_th: F::cast(f64::NAN),
                        height: F::cast(f64::NAN),
                        per_width: F::cast(f64::NAN),
                        reset_mechanism,
                        surrogate,
                        refractory: 3,
                    };
                    let zeta = F::cast(0.3);
                    let mut positive = || noise.numbers::<F>(N).iter().map(|x| x.abs()).collect::<Vec<F>>();
                    let (v_th, beta, rho) = (positive(), positive(), positive());
                    let (height, per_width, mut a) = (positive(), positive(), positive());
                    let (alpha, zetas) = match own_membrane {
                        true => (positive(), positive()),
                        false => (vec![membrane.alpha; N], vec![zeta; N]),
                    };
                    let current = noise.numbers::<F>(N);
                    let (mut v, mut psi) = (noise.numbers::<F>(N), noise.numbers::<F>(N));
                    let mut z: Vec<F> = (0..N).map(|j| F::cast(f64::from(u8::from(j % 3 == 0)))).collect();
                    let mut refractory: Vec<u32> = (0..N as u32).map(|j| j % 4).collect();
                    let (mut v_is, mut z_is, mut psi_is, mut a_is) = (v.clone(), z.clone(), psi.clone(), a.clone());
                    for j in 0..N {
                        let spiked = z_is[j] == F::ONE;
                        v_is[j] = match reset_mechanism {
                            ResetMechanism::Subtract if spiked => fma(zetas[j], current[j], alpha[j] * v_is[j]) - v_th[j],
                            ResetMechanism::Zero if spiked => zetas[j] * current[j],
                            _ => fma(zetas[j], current[j], alpha[j] * v_is[j]),
                        };
                        a_is[j] = fma(rho[j], a_is[j], z_is[j]);
                        let threshold = fma(beta[j], a_is[j], v_th[j]);
                        psi_is[j] = height[j] * surrogate.shape((v_is[j] - threshold).abs() * per_width[j]);
                        z_is[j] = if v_is[j] >= threshold { F::ONE } else { F::ZERO };
                        if j % 4 > 0 {
                            (psi_is[j], z_is[j]) = (F::ZERO, F::ZERO);
                        }
                    }
                    let neurons = NeuronsMut { v: &mut v, z: &mut z, psi: &mut psi, refractory: &mut refractory };
                    let (alpha, zetas) = if own_membrane { (&alpha[..], &zetas[..]) } else { (&[][..], &[][..]) };
                    let own = OwnMut { alpha, zeta: zetas, v_th: &v_th, beta: &beta, rho: &rho, height: &height, per_width: &per_width, a: &mut a };
                    step_adaptive(membrane, zeta, &current, neurons, own);
                    same_bits("v", &v, &v_is);
                    same_bits("a", &a, &a_is);
                    same_bits("psi", &psi, &psi_is);
                    same_bits("z", &z, &z_is);
                }
            }
        }
    }

    in_both! {
        fn without_beta_it_is_the_neuron_that_does_not_adapt_to_the_bit<F>() {
            let mut noise = Noise(2);
            let membrane = Membrane {
                alpha: F::cast(0.9),
                v_th: F::cast(0.4),
                reset_mechanism: ResetMechanism::Subtract,
                surrogate: Surrogate::PiecewiseLinear,
                height: F::cast(0.75),
                per_width: F::cast(1.5),
                refractory: 0,
            };
            let all = |x: F| vec![x; N];
            let (mut v, mut z, mut psi, mut a) = (all(F::ZERO), all(F::ZERO), all(F::ZERO), all(F::ZERO));
            let (mut v_is, mut z_is, mut psi_is) = (v.clone(), z.clone(), psi.clone());
            for _ in 0..50 {
                let current = noise.numbers::<F>(N);
                let neurons = NeuronsMut { v: &mut v, z: &mut z, psi: &mut psi, refractory: &mut [] };
                let (v_th, beta, rho) = (all(membrane.v_th), all(F::ZERO), all(F::cast(0.9)));
                let (height, per_width) = (all(membrane.height), all(membrane.per_width));
                let own = OwnMut { alpha: &[], zeta: &[], v_th: &v_th, beta: &beta, rho: &rho, height: &height, per_width: &per_width, a: &mut a };
                step_adaptive(membrane, F::ONE, &current, neurons, own);
                let neurons = NeuronsMut { v: &mut v_is, z: &mut z_is, psi: &mut psi_is, refractory: &mut [] };
                step_neurons(membrane, F::ONE, &current, neurons);
            }
            same_bits("v", &v, &v_is);
            same_bits("psi", &psi, &psi_is);
            same_bits("z", &z, &z_is);
            assert!(a.iter().any(|&a| a > F::ZERO));
        }
    }
}
