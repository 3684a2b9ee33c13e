//! The two halves of a block (DESIGN.md, "The block form"): the scan backwards over its steps, which makes one row `q` per step, and the sum of
//! those rows over the steps at which a source was active. Both work on a tile of `W` neurons, whose `q` stays in the second cache.

use super::isa::Isa;
use super::{cut, cut_mut, kernel};
use crate::Float;
use crate::numbers::aligned::UNIT;

/// What a scan over a tile reads. `psi` and `OnRaw::PerStep` hold a row of `W` per step, `b` a row of `W` per output.
#[derive(Clone, Copy)]
pub(crate) struct Scan<'a, F> {
    pub(crate) alpha: F,
    /// `zeta_e`, on `B R`.
    pub(crate) c: F,
    pub(crate) psi: &'a [F],
    /// `R^u = err^u + kappa_e R^{u+1}`, a row of outputs per step.
    pub(crate) filtered_err: &'a [F],
    /// Empty where nothing is learned.
    pub(crate) b: &'a [F],
    pub(crate) raw: OnRaw<'a, F>,
}

/// The coefficients on raw `e`.
#[derive(Clone, Copy)]
pub(crate) enum OnRaw<'a, F> {
    None,
    /// A row of `W` per step.
    PerStep(&'a [F]),
    /// `per_neuron_j per_step_u`.
    Outer {
        per_neuron: &'a [F],
        per_step: &'a [F],
    },
}

kernel! {
    /// Writes `q^u = psi^u (c B R^u + r^u) + alpha q^{u+1}` for every step, one row of `W`, from the last step to the first.
    fn scan<const W>(scan: Scan<'_, F>, q: &mut [F]) {
        let steps = scan.psi.len() / W;
        let outputs = scan.b.len() / W;
        let mut next = [F::ZERO; W];
        for u in (0..steps).rev() {
            let mut factor = [F::ZERO; W];
            for (k, &err) in scan.filtered_err[u * outputs..(u + 1) * outputs].iter().enumerate() {
                // SAFETY: k < outputs, and b holds outputs rows of W.
                let b = unsafe { cut::<F, W>(scan.b, k * W) };
                for l in 0..W {
                    factor[l] = I::fma(err, b[l], factor[l]);
                }
            }
            for factor in &mut factor {
                *factor *= scan.c;
            }
            match scan.raw {
                OnRaw::None => {}
                OnRaw::PerStep(per_step) => {
                    for (factor, &r) in factor.iter_mut().zip(&per_step[u * W..][..W]) {
                        *factor += r;
                    }
                }
                OnRaw::Outer { per_neuron, per_step } => {
                    for (factor, &r) in factor.iter_mut().zip(&per_neuron[..W]) {
                        *factor = I::fma(r, per_step[u], *factor);
                    }
                }
            }
            // SAFETY: u < steps, and psi holds steps rows of W.
            let psi = unsafe { cut::<F, W>(scan.psi, u * W) };
            for l in 0..W {
                next[l] = I::fma(psi[l], factor[l], scan.alpha * next[l]);
            }
            q[u * W..][..W].copy_from_slice(&next);
        }
    }
}

/// What a block leaves to every source, for a tile of `W` neurons from column `column` on.
#[derive(Clone, Copy)]
pub(crate) struct Gather<'a, F> {
    /// The steps at which source i was active: `at[start[i]..start[i + 1]]`, ascending.
    pub(crate) start: &'a [u32],
    pub(crate) at: &'a [u32],
    /// The values of the events; empty where all are 1.
    pub(crate) scale: &'a [F],
    /// `zeta sum_u s^u q^u` of the dense steps, a row of `W` for each of the first sources.
    pub(crate) dense: &'a [F],
    pub(crate) q: &'a [F],
    pub(crate) zeta: F,
    /// `z_bar` and `e_bar` before the block, and what each of `W` neurons makes of them; `None` where both are 0.
    pub(crate) carry: Option<Carry<'a, F>>,
    pub(crate) stride: usize,
    pub(crate) column: usize,
    /// The source that is neuron 0: sources have no synapse to themselves.
    pub(crate) first_recurrent: usize,
}

#[derive(Clone, Copy)]
pub(crate) struct Carry<'a, F> {
    pub(crate) z_bar: &'a [F],
    pub(crate) of_z: &'a [F],
    /// The matrix; empty where it is what is written.
    pub(crate) e_bar: &'a [F],
    pub(crate) of_e: &'a [F],
}

/// What becomes of the sums.
#[derive(Clone, Copy)]
pub(crate) enum Finish<'a, F> {
    /// They are added.
    Add,
    /// They replace what they were made of, and silence what has faded.
    Replace,
    /// They are a gradient, together with what earlier blocks left: the weights take a step of `eta` times it.
    Descend { eta: F, pending: Option<&'a [F]> },
}

kernel! {
    /// Adds up every source's `q` and finishes the row segment `to[i stride + column..][..W]`. Returns whether the new weights of
    /// a descent are finite.
    fn gather<const W>(block: Gather<'_, F>, finish: Finish<'_, F>, to: &mut [F]) -> bool {
        let sources = block.start.len() - 1;
        assert!(to.len() >= sources * block.stride && block.column + W <= block.stride);
        assert!(block.start.is_sorted());
        let last = block.at[..block.start[sources] as usize].iter().fold(0, |last, &u| last.max(u));
        assert!((last as usize + 1) * W <= block.q.len());
        let mut from = block.start[0] as usize;
        // 0 x is 0 for a finite x and NaN for any other.
        let mut flaw = [F::ZERO; W];
        for i in 0..sources {
            let until = block.start[i + 1] as usize;
            let at = &block.at[from..until];
            let idle = at.is_empty() && block.carry.is_none() && i * W >= block.dense.len();
            if idle && !matches!(finish, Finish::Descend { pending: Some(_), .. }) {
                from = until;
                continue;
            }
            let scale = block.scale.get(from..until).unwrap_or(&[]);
            // SAFETY: every entry of `at` is a step whose row is in q, which the assertion above holds.
            let mut sum = unsafe { add_up::<I, F, W>(at, scale, block.q) };
            from = until;
            for sum in &mut sum {
                *sum *= block.zeta;
            }
            if let Some(dense) = block.dense.get(i * W..(i + 1) * W) {
                for l in 0..W {
                    sum[l] += dense[l];
                }
            }
            let place = i * block.stride + block.column;
            // SAFETY: the assertion above holds sources rows of stride, and column + W <= stride.
            let to = unsafe { cut_mut::<F, W>(to, place) };
            if let Some(carry) = block.carry {
                let e_bar = if carry.e_bar.is_empty() { &*to } else { &carry.e_bar[place..][..W] };
                for l in 0..W {
                    sum[l] = I::fma(carry.of_z[l], carry.z_bar[i], sum[l]);
                    sum[l] = I::fma(carry.of_e[l], e_bar[l], sum[l]);
                }
            }
            if let Some(own) = i.checked_sub(block.first_recurrent + block.column).filter(|&own| own < W) {
                sum[own] = F::ZERO;
            }
            match finish {
                Finish::Add => {
                    for l in 0..W {
                        to[l] += sum[l];
                    }
                }
                Finish::Replace => {
                    for l in 0..W {
                        to[l] = sum[l].or_silence();
                    }
                }
                Finish::Descend { eta, pending } => {
                    if let Some(pending) = pending {
                        for (sum, &g) in sum.iter_mut().zip(&pending[place..][..W]) {
                            *sum += g;
                        }
                    }
                    for l in 0..W {
                        to[l] -= eta * sum[l];
                        flaw[l] += F::ZERO * to[l];
                    }
                }
            }
        }
        flaw.iter().all(|flaw| flaw.is_finite())
    }
}

/// `sum_u s^u q^u` over the steps `at`; an empty `scale` is all ones.
///
/// # Safety
/// `q` has a row of `W` for every step in `at`.
#[inline(always)]
unsafe fn add_up<I: Isa, F: Float, const W: usize>(at: &[u32], scale: &[F], q: &[F]) -> [F; W] {
    let mut sum = [F::ZERO; W];
    if scale.is_empty() {
        for &u in at {
            // SAFETY: the caller's promise.
            let row = unsafe { cut::<F, W>(q, u as usize * W) };
            for l in 0..W {
                sum[l] += row[l];
            }
        }
    } else {
        for (&u, &s) in at.iter().zip(scale) {
            // SAFETY: the caller's promise.
            let row = unsafe { cut::<F, W>(q, u as usize * W) };
            for l in 0..W {
                sum[l] = I::fma(s, row[l], sum[l]);
            }
        }
    }
    sum
}

kernel! {
    /// Cuts a row into tiles, and keeps each at row `u` of its place in `tiles`, where a tile has `steps` rows. The last tile may be half as wide.
    fn copy_to_tiles(row: &[F], width: usize, steps: usize, u: usize, tiles: &mut [F]) {
        let stride = row.len();
        assert!(stride % UNIT == 0 && width % UNIT == 0 && u < steps && stride * steps <= tiles.len());
        for column in (0..stride).step_by(width) {
            let wide = width.min(stride - column);
            for at in (0..wide).step_by(UNIT) {
                // SAFETY: column + at + UNIT <= stride; a tile has steps rows of `wide`, after all tiles before it, and u < steps.
                unsafe { *cut_mut::<F, UNIT>(tiles, column * steps + u * wide + at) = *cut(row, column + at) };
            }
        }
    }
}
