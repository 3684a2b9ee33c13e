//! The step of an optimizer that keeps moments beside the weights (docs/method.md, "Updates").

use super::kernel;

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
    /// What the gradient is multiplied with first.
    pub(crate) scale: F,
}

kernel! {
    /// `m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2; w -= eta m / (sqrt v + eps)`, with `g` scaled.
    fn adam(step: AdamStep<F>, g: &[F], w: &mut [F], m: &mut [F], v: &mut [F]) {
        let n = w.len();
        let (g, m, v) = (&g[..n], &mut m[..n], &mut v[..n]);
        for j in 0..n {
            let g = step.scale * g[j];
            m[j] = I::fma(step.beta1, m[j], step.gain1 * g);
            v[j] = I::fma(step.beta2, v[j], step.gain2 * (g * g));
            w[j] -= step.eta * m[j] / (v[j].sqrt() + step.eps);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AdamStep, adam};
    use crate::kernels::tests::fma;
    use crate::testing::{Noise, in_both, same_bits};

    in_both! {
        fn adam_is_its_three_lines_to_the_bit<F>() {
            let n = 37;
            let mut noise = Noise(1);
            let step = AdamStep {
                beta1: F::cast(0.9),
                gain1: F::cast(0.1),
                beta2: F::cast(0.99),
                gain2: F::cast(0.01),
                eps: F::cast(1e-3),
                eta: F::cast(0.02),
                scale: F::cast(0.3),
            };
            let (mut w, mut m, mut v) = (noise.numbers::<F>(n), noise.numbers::<F>(n), noise.numbers::<F>(n));
            v.iter_mut().for_each(|v| *v = v.abs());
            let g = noise.numbers::<F>(n);
            let (mut w_is, mut m_is, mut v_is) = (w.clone(), m.clone(), v.clone());
            for j in 0..n {
                let g = step.scale * g[j];
                m_is[j] = fma(step.beta1, m_is[j], step.gain1 * g);
                v_is[j] = fma(step.beta2, v_is[j], step.gain2 * (g * g));
                w_is[j] -= step.eta * m_is[j] / (v_is[j].sqrt() + step.eps);
            }
            adam(step, &g, &mut w, &mut m, &mut v);
            same_bits("m", &m, &m_is);
            same_bits("v", &v, &v_is);
            same_bits("w", &w, &w_is);
        }
    }
}
