//! The steps of optimizers that are more than a multiple of the gradient (docs/method.md, "Updates").

use super::kernel;
use crate::Float;

/// The constants of a step of descent under which weights decay, or have a bound.
#[derive(Clone, Copy, Debug)]
pub struct ShrinkStep<F> {
    /// With what the gradient is multiplied with first.
    pub(crate) eta: F,
    /// `eta weight_decay`.
    pub(crate) shrink: F,
    /// The largest weight; infinite without a bound.
    pub(crate) bound: F,
}

/// The constants of one step of momentum.
#[derive(Clone, Copy, Debug)]
pub struct MomentumStep<F> {
    pub(crate) mu: F,
    /// `(1 - mu) eta`.
    pub(crate) eta: F,
    /// What of the weights is added to the gradient.
    pub(crate) decay: F,
    /// What the gradient is multiplied with first.
    pub(crate) scale: F,
    /// The largest weight; infinite without a bound.
    pub(crate) bound: F,
}

/// The constants of one step of Adam.
#[derive(Clone, Copy, Debug)]
pub struct AdamStep<F> {
    pub(crate) beta1: F,
    /// `1 - beta1`, rounded once.
    pub(crate) gain1: F,
    pub(crate) beta2: F,
    pub(crate) gain2: F,
    pub(crate) eps: F,
    /// `lr sqrt(1 - beta2^t) / (1 - beta1^t)`.
    pub(crate) eta: F,
    /// What of the weights is added to the gradient.
    pub(crate) decay: F,
    /// What of the weights is taken off them beside the step, `lr weight_decay` of AdamW.
    pub(crate) shrink: F,
    /// What the gradient is multiplied with first.
    pub(crate) scale: F,
    /// The largest weight; infinite without a bound.
    pub(crate) bound: F,
}

/// A weight within `[-bound, bound]`; NaN stays what it is, so that it is told.
#[inline(always)]
fn within<F: Float>(w: F, bound: F) -> F {
    let w = if w > bound { bound } else { w };
    if w < -bound { -bound } else { w }
}

kernel! {
    /// `w -= eta g + shrink w`, within the bound.
    fn shrink(step: ShrinkStep<F>, g: &[F], w: &mut [F]) {
        let n = w.len();
        let g = &g[..n];
        for j in 0..n {
            w[j] = within(w[j] - I::fma(step.shrink, w[j], step.eta * g[j]), step.bound);
        }
    }
}

kernel! {
    /// `w_j -= D_j (eta g_j + shrink w_j)`, within the bound, of as many weights as there are D.
    fn shrink_by(step: ShrinkStep<F>, by: &[f64], g: &[F], w: &mut [F]) {
        let n = w.len().min(by.len());
        let (by, g, w) = (&by[..n], &g[..n], &mut w[..n]);
        for j in 0..n {
            let down = I::fma(step.shrink, w[j], step.eta * g[j]);
            w[j] = within(w[j] - F::cast(by[j]) * down, step.bound);
        }
    }
}

kernel! {
    /// The same of synapses that are listed, each with the neuron that it leads to.
    fn shrink_listed(step: ShrinkStep<F>, by: &[f64], targets: &[u32], g: &[F], w: &mut [F]) {
        let n = w.len();
        let (targets, g) = (&targets[..n], &g[..n]);
        for at in 0..n {
            let down = I::fma(step.shrink, w[at], step.eta * g[at]);
            w[at] = within(w[at] - F::cast(by[targets[at] as usize]) * down, step.bound);
        }
    }
}

kernel! {
    /// `m = mu m + g + decay w; w -= eta m`, with `g` scaled, within the bound.
    fn momentum(step: MomentumStep<F>, g: &[F], w: &mut [F], m: &mut [F]) {
        let n = w.len();
        let (g, m) = (&g[..n], &mut m[..n]);
        for j in 0..n {
            m[j] = I::fma(step.mu, m[j], I::fma(step.decay, w[j], step.scale * g[j]));
            w[j] = within(w[j] - step.eta * m[j], step.bound);
        }
    }
}

kernel! {
    /// `m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2; w -= eta m / (sqrt v + eps) + shrink w`, with `g` scaled and `decay w` added
    /// to it, within the bound.
    fn adam(step: AdamStep<F>, g: &[F], w: &mut [F], m: &mut [F], v: &mut [F]) {
        let n = w.len();
        let (g, m, v) = (&g[..n], &mut m[..n], &mut v[..n]);
        for j in 0..n {
            let g = I::fma(step.decay, w[j], step.scale * g[j]);
            m[j] = I::fma(step.beta1, m[j], step.gain1 * g);
            v[j] = I::fma(step.beta2, v[j], step.gain2 * (g * g));
            let down = step.eta * m[j] / (v[j].sqrt() + step.eps);
            w[j] = within(w[j] - I::fma(step.shrink, w[j], down), step.bound);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{
        AdamStep, MomentumStep, ShrinkStep, adam, momentum, shrink, shrink_by, shrink_listed,
        within,
    };
    use crate::Float;
    use crate::kernels::tests::fma;
    use crate::testing::{Noise, in_both, same_bits};

    const N: usize = 37;

    /// Weights, a gradient and two moments; the second is not negative.
    fn some<F: Float>() -> [Vec<F>; 4] {
        let mut noise = Noise(1);
        let [w, g, m, mut v] = [0; 4].map(|_| noise.numbers::<F>(N));
        v.iter_mut().for_each(|v| *v = v.abs());
        [w, g, m, v]
    }

    in_both! {
        fn shrinking_is_its_line_to_the_bit<F>() {
            let [mut w, g, ..] = some::<F>();
            let step = ShrinkStep { eta: F::cast(0.3), shrink: F::cast(0.01), bound: F::cast(0.5) };
            let is: Vec<_> = (0..N).map(|j| within(w[j] - fma(step.shrink, w[j], step.eta * g[j]), step.bound)).collect();
            shrink(step, &g, &mut w);
            same_bits("w", &w, &is);
        }
    }

    in_both! {
        fn shrinking_by_neuron_is_its_line_to_the_bit_and_leaves_padding_alone<F>() {
            let [mut w, g, ..] = some::<F>();
            let by = Noise(2).numbers::<f64>(N - 3);
            let step = ShrinkStep { eta: F::cast(0.3), shrink: F::cast(0.01), bound: F::cast(0.5) };
            let mut is = w.clone();
            for (j, &by) in by.iter().enumerate() {
                is[j] = within(w[j] - F::cast(by) * fma(step.shrink, w[j], step.eta * g[j]), step.bound);
            }
            shrink_by(step, &by, &g, &mut w);
            same_bits("w", &w, &is);
        }
    }

    in_both! {
        fn shrinking_of_lists_is_that_of_their_neurons_to_the_bit<F>() {
            let [mut w, g, ..] = some::<F>();
            let by = Noise(2).numbers::<f64>(5);
            let targets: Vec<u32> = (0..N as u32).map(|at| at * 3 % 5).collect();
            let step = ShrinkStep { eta: F::cast(0.3), shrink: F::cast(0.01), bound: F::cast(0.5) };
            let mut is = w.clone();
            let of_each: Vec<f64> = targets.iter().map(|&j| by[j as usize]).collect();
            shrink_by(step, &of_each, &g, &mut is);
            shrink_listed(step, &by, &targets, &g, &mut w);
            same_bits("w", &w, &is);
        }
    }

    in_both! {
        fn momentum_is_its_two_lines_to_the_bit<F>() {
            let [mut w, g, mut m, _] = some::<F>();
            let step = MomentumStep {
                mu: F::cast(0.9),
                eta: F::cast(0.02),
                decay: F::cast(0.05),
                scale: F::cast(0.3),
                bound: F::cast(0.5),
            };
            let (mut w_is, mut m_is) = (w.clone(), m.clone());
            for j in 0..N {
                m_is[j] = fma(step.mu, m_is[j], fma(step.decay, w_is[j], step.scale * g[j]));
                w_is[j] = within(w_is[j] - step.eta * m_is[j], step.bound);
            }
            momentum(step, &g, &mut w, &mut m);
            same_bits("m", &m, &m_is);
            same_bits("w", &w, &w_is);
        }
    }

    in_both! {
        fn adam_is_its_three_lines_to_the_bit<F>() {
            let plain = AdamStep {
                beta1: F::cast(0.9),
                gain1: F::cast(0.1),
                beta2: F::cast(0.99),
                gain2: F::cast(0.01),
                eps: F::cast(1e-3),
                eta: F::cast(0.02),
                decay: F::ZERO,
                shrink: F::ZERO,
                scale: F::cast(0.3),
                bound: F::cast(f64::INFINITY),
            };
            let decays = AdamStep { decay: F::cast(0.1), shrink: F::cast(0.01), bound: F::cast(0.5), ..plain };
            for step in [plain, decays] {
                let [mut w, g, mut m, mut v] = some::<F>();
                let (mut w_is, mut m_is, mut v_is) = (w.clone(), m.clone(), v.clone());
                for j in 0..N {
                    let g = fma(step.decay, w_is[j], step.scale * g[j]);
                    m_is[j] = fma(step.beta1, m_is[j], step.gain1 * g);
                    v_is[j] = fma(step.beta2, v_is[j], step.gain2 * (g * g));
                    let down = step.eta * m_is[j] / (v_is[j].sqrt() + step.eps);
                    w_is[j] = within(w_is[j] - fma(step.shrink, w_is[j], down), step.bound);
                }
                adam(step, &g, &mut w, &mut m, &mut v);
                same_bits("m", &m, &m_is);
                same_bits("v", &v, &v_is);
                same_bits("w", &w, &w_is);
            }
        }
    }

    in_both! {
        fn a_bound_holds_both_ways_and_hides_no_nan<F>() {
            let [bound, inf] = [2.0, f64::INFINITY].map(F::cast);
            assert_eq!([3.0, -3.0, 1.0].map(|w| within(F::cast(w), bound)), [2.0, -2.0, 1.0].map(F::cast));
            assert_eq!((within(inf, bound), within(F::cast(-9.0), inf)), (bound, F::cast(-9.0)));
            assert!(!within(F::cast(f64::NAN), bound).is_finite());
        }
    }
}
