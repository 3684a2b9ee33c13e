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
