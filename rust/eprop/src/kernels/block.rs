//! The two halves of a block (DESIGN.md, "The block form"): the scan backwards over its steps, which makes one row `q` per step, and the sum of
//! those rows over the steps at which a source was active. Both work on a tile of `W` neurons, whose `q` stays in the second cache.

use super::isa::Isa;
use super::isa::UNIT;
use super::{cut, cut_mut, kernel};
use crate::Float;

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
    /// What recurrent spikes are credited with, a row of `W` per step; empty without it.
    pub(crate) credit: &'a [F],
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

/// The coefficients on raw `e` of a step: `c B R^u + r^u + d^u`.
#[inline(always)]
fn on_e<I: Isa, F: Float, const W: usize>(scan: &Scan<'_, F>, u: usize) -> [F; W] {
    let outputs = scan.b.len() / W;
    let mut factor = [F::ZERO; W];
    for (k, &err) in scan.filtered_err[u * outputs..(u + 1) * outputs]
        .iter()
        .enumerate()
    {
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
        OnRaw::Outer {
            per_neuron,
            per_step,
        } => {
            for (factor, &r) in factor.iter_mut().zip(&per_neuron[..W]) {
                *factor = I::fma(r, per_step[u], *factor);
            }
        }
    }
    if let Some(credit) = scan.credit.get(u * W..(u + 1) * W) {
        for (factor, &d) in factor.iter_mut().zip(credit) {
            *factor += d;
        }
    }
    factor
}

kernel! {
    /// Writes `q^u = psi^u (c B R^u + r^u + d^u) + alpha q^{u+1}` for every step, one row of `W`, from the last step to the first.
    fn scan<const W>(scan: Scan<'_, F>, q: &mut [F]) {
        let mut next = [F::ZERO; W];
        for u in (0..scan.psi.len() / W).rev() {
            let factor = on_e::<I, F, W>(&scan, u);
            // SAFETY: psi holds steps rows of W.
            let psi = unsafe { cut::<F, W>(scan.psi, u * W) };
            for l in 0..W {
                next[l] = I::fma(psi[l], factor[l], scan.alpha * next[l]);
            }
            q[u * W..][..W].copy_from_slice(&next);
        }
    }
}

/// `beta` and `rho` of a tile's neurons.
#[derive(Clone, Copy)]
pub(crate) struct Adapting<'a, F> {
    pub(crate) beta: &'a [F],
    pub(crate) rho: &'a [F],
}

kernel! {
    /// As [`scan`], of neurons whose thresholds move. `of_eps` gets `-beta mu^1`, what the block makes of `eps_a` before it, where
    /// `mu^u = psi^u (c B R^u + r^u) + (rho - beta psi^u) mu^{u+1}` takes `beta mu^{u+1}` off the coefficients.
    fn scan_adaptive<const W>(scan: Scan<'_, F>, adapting: Adapting<'_, F>, q: &mut [F], of_eps: &mut [F]) {
        let (beta, rho) = (&adapting.beta[..W], &adapting.rho[..W]);
        let (mut next, mut mu) = ([F::ZERO; W], [F::ZERO; W]);
        for u in (0..scan.psi.len() / W).rev() {
            let factor = on_e::<I, F, W>(&scan, u);
            // SAFETY: psi holds steps rows of W.
            let psi = unsafe { cut::<F, W>(scan.psi, u * W) };
            for l in 0..W {
                let left = factor[l] - beta[l] * mu[l];
                next[l] = I::fma(psi[l], left, scan.alpha * next[l]);
                mu[l] = I::fma(psi[l], left, rho[l] * mu[l]);
            }
            q[u * W..][..W].copy_from_slice(&next);
        }
        for l in 0..W {
            of_eps[l] = -beta[l] * mu[l];
        }
    }
}

kernel! {
    /// The same for `eps_a` at the block's end: `q^u = psi^u phi^{u+1} + alpha q^{u+1}`, `phi^u = (rho - beta psi^u) phi^{u+1}` from 1 on.
    /// `of_eps` gets `phi^1`.
    fn scan_adaptation<const W>(alpha: F, psi: &[F], adapting: Adapting<'_, F>, q: &mut [F], of_eps: &mut [F]) {
        let (beta, rho) = (&adapting.beta[..W], &adapting.rho[..W]);
        let (mut next, mut phi) = ([F::ZERO; W], [F::ONE; W]);
        for u in (0..psi.len() / W).rev() {
            // SAFETY: psi holds steps rows of W.
            let psi = unsafe { cut::<F, W>(psi, u * W) };
            for l in 0..W {
                next[l] = I::fma(psi[l], phi[l], alpha * next[l]);
                phi[l] *= rho[l] - beta[l] * psi[l];
            }
            q[u * W..][..W].copy_from_slice(&next);
        }
        of_eps[..W].copy_from_slice(&phi);
    }
}

/// What lies between spikes and surrogates, of a tile's neurons: membranes with a decay and a gain each, and the decay of the current
/// before them.
#[derive(Clone, Copy)]
pub(crate) struct Flowing<'a, F> {
    pub(crate) alpha: &'a [F],
    pub(crate) zeta: &'a [F],
    pub(crate) sigma: F,
}

kernel! {
    /// After a scan whose `alpha` is 0: makes of its rows `x^u` those of membranes and currents, `q^u = x^u + alpha q^{u+1}` and then
    /// `p^u = q^u + sigma p^{u+1}`, of which `zeta p^u` is written. `of_z` gets `alpha q^1`, what the block makes of `z_bar` before it, and
    /// `of_x` gets `zeta sigma p^1`, the same of `x_bar`.
    fn filter_back<const W>(membranes: Flowing<'_, F>, rows: &mut [F], of_z: &mut [F], of_x: &mut [F]) {
        let (alpha, zeta) = (&membranes.alpha[..W], &membranes.zeta[..W]);
        let (mut q, mut p) = ([F::ZERO; W], [F::ZERO; W]);
        for row in rows.chunks_exact_mut(W).rev() {
            for l in 0..W {
                q[l] = I::fma(alpha[l], q[l], row[l]);
                p[l] = I::fma(membranes.sigma, p[l], q[l]);
                row[l] = zeta[l] * p[l];
            }
        }
        for l in 0..W {
            of_z[l] = alpha[l] * q[l];
            of_x[l] = zeta[l] * (membranes.sigma * p[l]);
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
    /// Of each source; empty where nothing is made of it, or where it is a matrix.
    pub(crate) z_bar: &'a [F],
    /// The same as a matrix; empty where it is not.
    pub(crate) z_bar_rows: &'a [F],
    pub(crate) of_z: &'a [F],
    /// Of each source, what flows to it still; empty without a current.
    pub(crate) x_bar: &'a [F],
    pub(crate) of_x: &'a [F],
    /// The matrix; empty where it is what is written.
    pub(crate) e_bar: &'a [F],
    pub(crate) of_e: &'a [F],
    /// `eps_a` before the block; empty where nothing is made of it.
    pub(crate) eps_a: &'a [F],
    pub(crate) of_eps: &'a [F],
}

/// What becomes of the sums.
#[derive(Clone, Copy)]
pub(crate) enum Finish<'a, F> {
    /// They are added.
    Add,
    /// They replace what they were made of, and silence what has faded.
    Replace,
    /// They are a gradient, together with what earlier blocks left: the weights from inputs take
    /// a step of the first `eta` times it, those from neurons of the second.
    Descend {
        eta: (F, F),
        pending: Option<&'a [F]>,
    },
}

impl<F> Finish<'_, F> {
    /// Whether sums of 0 change something: what is replaced may hold anything.
    #[inline(always)]
    fn minds_zeros(&self) -> bool {
        match self {
            Finish::Add | Finish::Descend { pending: None, .. } => false,
            Finish::Replace
            | Finish::Descend {
                pending: Some(_), ..
            } => true,
        }
    }
}

kernel! {
    /// Adds up every source's `q` and finishes the row segment `to[i stride + column..][..W]`. Returns whether the new weights of
    /// a descent are finite.
    fn gather<const W>(block: Gather<'_, F>, finish: Finish<'_, F>, to: &mut [F]) -> bool {
        // Whoever shares one filter pays nothing for those who do not.
        let own_membranes = block.carry.is_some_and(|carry| carry.z_bar.is_empty() || !carry.x_bar.is_empty());
        match own_membranes {
            false => gather_rows::<I, F, W, false>(block, finish, to),
            true => gather_rows::<I, F, W, true>(block, finish, to),
        }
    }
}

#[inline(always)]
fn gather_rows<I: Isa, F: Float, const W: usize, const OWN_MEMBRANES: bool>(
    block: Gather<'_, F>,
    finish: Finish<'_, F>,
    to: &mut [F],
) -> bool {
    let sources = block.start.len() - 1;
    assert!(to.len() >= sources * block.stride && block.column + W <= block.stride);
    assert!(block.start.is_sorted());
    let last = block.at[..block.start[sources] as usize]
        .iter()
        .fold(0, |last, &u| last.max(u));
    assert!((last as usize + 1) * W <= block.q.len());
    let mut from = block.start[0] as usize;
    // 0 x is 0 for a finite x and NaN for any other.
    let mut flaw = [F::ZERO; W];
    for i in 0..sources {
        let until = block.start[i + 1] as usize;
        let at = &block.at[from..until];
        let idle = at.is_empty() && block.carry.is_none() && i * W >= block.dense.len();
        if idle && !finish.minds_zeros() {
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
        if let Some(carry) = &block.carry {
            add_carried::<I, F, W, OWN_MEMBRANES>(carry, (i, place), to, &mut sum);
        }
        if let Some(own) = i
            .checked_sub(block.first_recurrent + block.column)
            .filter(|&own| own < W)
        {
            sum[own] = F::ZERO;
        }
        let is_input = i < block.first_recurrent;
        finish_row(finish, (is_input, place), sum, to, &mut flaw);
    }
    flaw.iter().all(|flaw| flaw.is_finite())
}

/// What the traces before the block, of source `i` and of its synapses from `place` on, add to a sum. `to`: what is written, which may be `e_bar`.
#[inline(always)]
fn add_carried<I: Isa, F: Float, const W: usize, const OWN_MEMBRANES: bool>(
    carry: &Carry<'_, F>,
    (i, place): (usize, usize),
    to: &[F; W],
    sum: &mut [F; W],
) {
    let e_bar = if carry.e_bar.is_empty() {
        to
    } else {
        &carry.e_bar[place..][..W]
    };
    if OWN_MEMBRANES {
        if let Some(&z_bar) = carry.z_bar.get(i) {
            for l in 0..W {
                sum[l] = I::fma(carry.of_z[l], z_bar, sum[l]);
            }
        } else if let Some(z_bar) = carry.z_bar_rows.get(place..place + W) {
            for l in 0..W {
                sum[l] = I::fma(carry.of_z[l], z_bar[l], sum[l]);
            }
        }
        if let Some(&x_bar) = carry.x_bar.get(i) {
            for l in 0..W {
                sum[l] = I::fma(carry.of_x[l], x_bar, sum[l]);
            }
        }
        for l in 0..W {
            sum[l] = I::fma(carry.of_e[l], e_bar[l], sum[l]);
        }
    } else {
        for l in 0..W {
            sum[l] = I::fma(carry.of_z[l], carry.z_bar[i], sum[l]);
            sum[l] = I::fma(carry.of_e[l], e_bar[l], sum[l]);
        }
    }
    if let Some(eps_a) = carry.eps_a.get(place..place + W) {
        for l in 0..W {
            sum[l] = I::fma(carry.of_eps[l], eps_a[l], sum[l]);
        }
    }
}

/// What becomes of the sums of one source. `flaw` is not finite any more where a weight is not.
#[inline(always)]
fn finish_row<F: Float, const W: usize>(
    finish: Finish<'_, F>,
    (is_input, place): (bool, usize),
    mut sum: [F; W],
    to: &mut [F; W],
    flaw: &mut [F; W],
) {
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
            let eta = if is_input { eta.0 } else { eta.1 };
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

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::{
        Adapting, Carry, Finish, Flowing, Gather, OnRaw, Scan, copy_to_tiles, filter_back, gather,
        scan, scan_adaptation, scan_adaptive,
    };
    use crate::Float;
    use crate::kernels::tests::fma;
    use crate::testing::{Noise, doubles, in_both, near, same_bits};

    const STEPS: usize = 7;
    const OUTPUTS: usize = 3;

    /// The recursion of one neuron of the tile, from the last step to the first.
    fn scans<F: Float, const W: usize>(of_raw: usize) {
        let mut noise = Noise(1);
        let (alpha, c) = (F::cast(0.9), F::cast(0.75));
        let (psi, r) = (noise.numbers::<F>(STEPS * W), noise.numbers::<F>(STEPS * W));
        let d = noise.numbers::<F>(STEPS * W);
        let (err, b) = (
            noise.numbers::<F>(STEPS * OUTPUTS),
            noise.numbers::<F>(OUTPUTS * W),
        );
        let (per_neuron, per_step) = (noise.numbers::<F>(W), noise.numbers::<F>(STEPS));
        let raw = match of_raw {
            0 => OnRaw::None,
            1 => OnRaw::PerStep(&r),
            _ => OnRaw::Outer {
                per_neuron: &per_neuron,
                per_step: &per_step,
            },
        };
        for (b, d) in [(&b[..], &[][..]), (&[], &d), (&b, &d)] {
            let outputs = b.len() / W;
            let filtered_err = &err[..STEPS * outputs];
            let mut q = vec![F::ZERO; STEPS * W];
            scan::<F, W>(
                Scan {
                    alpha,
                    c,
                    psi: &psi,
                    filtered_err,
                    b,
                    raw,
                    credit: d,
                },
                &mut q,
            );
            let mut expected = vec![0.0; STEPS * W];
            for l in 0..W {
                let mut next = 0.0;
                for u in (0..STEPS).rev() {
                    let on_trace: f64 = (0..outputs)
                        .map(|k| b[k * W + l].to_f64() * err[u * outputs + k].to_f64())
                        .sum();
                    let on_raw = match of_raw {
                        0 => 0.0,
                        1 => r[u * W + l].to_f64(),
                        _ => per_neuron[l].to_f64() * per_step[u].to_f64(),
                    };
                    let credit = d.get(u * W + l).map_or(0.0, |d| d.to_f64());
                    next = psi[u * W + l].to_f64() * (0.75 * on_trace + on_raw + credit)
                        + alpha.to_f64() * next;
                    expected[u * W + l] = next;
                }
            }
            near("q", &q, &expected);
        }
    }

    in_both! {
        fn a_scan_is_the_recursion_backwards_with_any_coefficients_on_raw_traces<F>() {
            for of_raw in 0..3 {
                scans::<F, 8>(of_raw);
                scans::<F, 16>(of_raw);
                scans::<F, 32>(of_raw);
            }
        }
    }

    in_both! {
        fn moving_thresholds_are_the_recursions_backwards<F>() {
            const W: usize = 16;
            let mut noise = Noise(2);
            let (psi, r) = (noise.numbers::<F>(STEPS * W), noise.numbers::<F>(STEPS * W));
            let (beta, rho) = (noise.numbers::<F>(W), noise.numbers::<F>(W));
            let adapting = Adapting { beta: &beta, rho: &rho };
            let alpha = F::cast(0.9);
            let (mut q, mut q_of_a) = (vec![F::ZERO; STEPS * W], vec![F::ZERO; STEPS * W]);
            let (mut of_eps, mut phi) = (vec![F::ZERO; W], vec![F::ZERO; W]);
            let raw = OnRaw::PerStep(&r);
            scan_adaptive::<F, W>(Scan { alpha, c: F::ONE, psi: &psi, filtered_err: &[], b: &[], raw, credit: &[] }, adapting, &mut q, &mut of_eps);
            scan_adaptation::<F, W>(alpha, &psi, adapting, &mut q_of_a, &mut phi);
            let (mut q_is, mut q_of_a_is) = (vec![0.0; STEPS * W], vec![0.0; STEPS * W]);
            let (mut of_eps_is, mut phi_is) = (vec![0.0; W], vec![0.0; W]);
            for l in 0..W {
                let (beta, rho) = (beta[l].to_f64(), rho[l].to_f64());
                let (mut next, mut next_of_a, mut mu, mut phi) = (0.0, 0.0, 0.0, 1.0);
                for u in (0..STEPS).rev() {
                    let (psi, x) = (psi[u * W + l].to_f64(), r[u * W + l].to_f64());
                    let delta = rho - beta * psi;
                    next = psi * (x - beta * mu) + 0.9 * next;
                    next_of_a = psi * phi + 0.9 * next_of_a;
                    (mu, phi) = (x * psi + delta * mu, delta * phi);
                    (q_is[u * W + l], q_of_a_is[u * W + l]) = (next, next_of_a);
                }
                (of_eps_is[l], phi_is[l]) = (-beta * mu, phi);
            }
            near("q", &q, &q_is);
            near("of eps_a", &of_eps, &of_eps_is);
            near("q of eps_a", &q_of_a, &q_of_a_is);
            near("phi", &phi, &phi_is);
        }
    }

    in_both! {
        fn rows_go_back_through_membranes_and_currents<F>() {
            const W: usize = 16;
            let mut noise = Noise(3);
            let (alpha, zeta, x) = (noise.numbers::<F>(W), noise.numbers::<F>(W), noise.numbers::<F>(STEPS * W));
            for sigma in [0.0, 0.75] {
                let membranes = Flowing { alpha: &alpha, zeta: &zeta, sigma: F::cast(sigma) };
                let (mut rows, mut of_z, mut of_x) = (x.clone(), vec![F::ZERO; W], vec![F::ZERO; W]);
                filter_back::<F, W>(membranes, &mut rows, &mut of_z, &mut of_x);
                let (mut rows_are, mut of_z_is, mut of_x_is) = (vec![0.0; STEPS * W], vec![0.0; W], vec![0.0; W]);
                for l in 0..W {
                    let (alpha, zeta, mut q, mut p) = (alpha[l].to_f64(), zeta[l].to_f64(), 0.0, 0.0);
                    for u in (0..STEPS).rev() {
                        q = x[u * W + l].to_f64() + alpha * q;
                        p = q + sigma * p;
                        rows_are[u * W + l] = zeta * p;
                    }
                    (of_z_is[l], of_x_is[l]) = (alpha * q, zeta * sigma * p);
                }
                near("zeta p", &rows, &rows_are);
                near("of z_bar", &of_z, &of_z_is);
                near("of x_bar", &of_x, &of_x_is);
            }
        }
    }

    const W: usize = 16;
    const STRIDE: usize = 48;
    const SOURCES: usize = 40;
    const N_INPUTS: usize = 4;
    /// The tile in the middle: neurons 16 to 31 are sources 20 to 35.
    const COLUMN: usize = 16;

    struct Events<F> {
        start: Vec<u32>,
        at: Vec<u32>,
        scale: Vec<F>,
        dense: Vec<F>,
        q: Vec<F>,
        z_bar: Vec<F>,
        of_z: Vec<F>,
        e_bar: Vec<F>,
        of_e: Vec<F>,
    }

    impl<F: Float> Events<F> {
        fn new() -> Self {
            let mut noise = Noise(2);
            let (mut start, mut at) = (vec![0], vec![]);
            for i in 0..SOURCES {
                if i % 3 > 0 {
                    at.extend(noise.some_of(STEPS, 0.4));
                }
                start.push(at.len() as u32);
            }
            Self {
                scale: noise.numbers(at.len()),
                start,
                at,
                dense: noise.numbers(N_INPUTS * W),
                q: noise.numbers(STEPS * W),
                z_bar: noise.numbers(SOURCES),
                of_z: noise.numbers(W),
                e_bar: noise.numbers(SOURCES * STRIDE),
                of_e: noise.numbers(W),
            }
        }

        /// Of `z_bar` and `e_bar` alone.
        fn carry(&self) -> Carry<'_, F> {
            Carry {
                z_bar: &self.z_bar,
                z_bar_rows: &[],
                of_z: &self.of_z,
                x_bar: &[],
                of_x: &[],
                e_bar: &self.e_bar,
                of_e: &self.of_e,
                eps_a: &[],
                of_eps: &[],
            }
        }

        fn gather<'a>(
            &'a self,
            unit: bool,
            dense: bool,
            carry: Option<Carry<'a, F>>,
        ) -> Gather<'a, F> {
            Gather {
                start: &self.start,
                at: &self.at,
                scale: if unit { &[] } else { &self.scale },
                dense: if dense { &self.dense } else { &[] },
                q: &self.q,
                zeta: F::cast(0.5),
                carry,
                stride: STRIDE,
                column: COLUMN,
                first_recurrent: N_INPUTS,
            }
        }

        /// What the events leave to a source, of lane `l`.
        fn sum(&self, i: usize, l: usize, unit: bool, dense: bool, carried: Option<&[F]>) -> f64 {
            if i == N_INPUTS + COLUMN + l {
                return 0.0;
            }
            let events = self.start[i] as usize..self.start[i + 1] as usize;
            let of_event = |n: usize| {
                let s = if unit { 1.0 } else { self.scale[n].to_f64() };
                s * self.q[self.at[n] as usize * W + l].to_f64()
            };
            let mut sum = 0.5 * events.map(of_event).sum::<f64>();
            if dense && i < N_INPUTS {
                sum += self.dense[i * W + l].to_f64();
            }
            if let Some(e_bar) = carried {
                sum += self.of_z[l].to_f64() * self.z_bar[i].to_f64();
                sum += self.of_e[l].to_f64() * e_bar[i * STRIDE + COLUMN + l].to_f64();
            }
            sum
        }
    }

    /// Every number of a matrix, of which the tile changes and the rest does not.
    fn in_tile(before: &[f64], change: impl Fn(usize, usize, f64) -> f64) -> Vec<f64> {
        let changed = |(at, &before): (usize, &f64)| {
            let (i, j) = (at / STRIDE, at % STRIDE);
            match j.checked_sub(COLUMN).filter(|&l| l < W) {
                Some(l) => change(i, l, before),
                None => before,
            }
        };
        before.iter().enumerate().map(changed).collect()
    }

    in_both! {
        fn what_events_leave_is_added_or_replaces_or_descends_whatever_is_known_of_before<F>() {
            let events = Events::<F>::new();
            let before = Noise(3).numbers::<F>(SOURCES * STRIDE);
            let pending = Noise(4).numbers::<F>(SOURCES * STRIDE);
            let eta = (F::cast(0.25), F::cast(0.5));
            let eta_of = |i| if i < N_INPUTS { 0.25 } else { 0.5 };
            for (unit, dense, carries) in [(true, false, false), (false, false, true), (true, true, true), (false, true, false)] {
                let carry = |e_bar| Carry { e_bar, ..events.carry() };
                let block = events.gather(unit, dense, carries.then(|| carry(&events.e_bar)));
                let carried = carries.then_some(&events.e_bar[..]);
                let sum = |i, l| events.sum(i, l, unit, dense, carried);
                let was = doubles(&before);

                let mut to = before.clone();
                assert!(gather::<F, W>(block, Finish::Add, &mut to));
                near("added", &to, &in_tile(&was, |i, l, before| before + sum(i, l)));

                let mut to = before.clone();
                assert!(gather::<F, W>(block, Finish::Descend { eta, pending: None }, &mut to));
                near("descent", &to, &in_tile(&was, |i, l, before| before - eta_of(i) * sum(i, l)));

                let mut to = before.clone();
                assert!(gather::<F, W>(block, Finish::Descend { eta, pending: Some(&pending) }, &mut to));
                let g = |i: usize, l: usize| pending[i * STRIDE + COLUMN + l].to_f64();
                near("descent with what waits", &to, &in_tile(&was, |i, l, before| before - eta_of(i) * (sum(i, l) + g(i, l))));
            }
            // What a moving threshold leaves joins it.
            let eps_a = Noise(5).numbers::<F>(SOURCES * STRIDE);
            let carry = Carry { eps_a: &eps_a, of_eps: &events.of_z, ..events.carry() };
            let mut to = before.clone();
            gather::<F, W>(events.gather(true, false, Some(carry)), Finish::Add, &mut to);
            let of_eps = |i: usize, l: usize| events.of_z[l].to_f64() * eps_a[i * STRIDE + COLUMN + l].to_f64();
            let sum = |i: usize, l: usize| match i == N_INPUTS + COLUMN + l {
                true => 0.0,
                false => events.sum(i, l, true, false, Some(&events.e_bar)) + of_eps(i, l),
            };
            near("added", &to, &in_tile(&doubles(&before), |i, l, before| before + sum(i, l)));
            // Without a block before, nothing is left of what is replaced, of a source without events neither.
            let mut to = before.clone();
            gather::<F, W>(events.gather(false, true, None), Finish::Replace, &mut to);
            near("replaced", &to, &in_tile(&doubles(&before), |i, l, _| events.sum(i, l, false, true, None)));
            // The traces that are replaced are those that are carried.
            let carry = Carry { e_bar: &[][..], ..events.carry() };
            let mut to = before.clone();
            gather::<F, W>(events.gather(false, true, Some(carry)), Finish::Replace, &mut to);
            let expected = in_tile(&doubles(&before), |i, l, _| events.sum(i, l, false, true, Some(&before)));
            near("replaced", &to, &expected);
        }
    }

    in_both! {
        fn membranes_that_differ_and_currents_leave_what_they_hold<F>() {
            let events = Events::<F>::new();
            let z_bar_rows = Noise(6).numbers::<F>(SOURCES * STRIDE);
            let x_bar = Noise(7).numbers::<F>(SOURCES);
            let before = Noise(3).numbers::<F>(SOURCES * STRIDE);
            let carry = Carry { z_bar: &[], z_bar_rows: &z_bar_rows, x_bar: &x_bar, of_x: &events.of_e, ..events.carry() };
            let mut to = before.clone();
            gather::<F, W>(events.gather(true, false, Some(carry)), Finish::Add, &mut to);
            let sum = |i: usize, l: usize| {
                if i == N_INPUTS + COLUMN + l {
                    return 0.0;
                }
                let at = i * STRIDE + COLUMN + l;
                events.sum(i, l, true, false, None)
                    + events.of_z[l].to_f64() * z_bar_rows[at].to_f64()
                    + events.of_e[l].to_f64() * (events.e_bar[at].to_f64() + x_bar[i].to_f64())
            };
            near("added", &to, &in_tile(&doubles(&before), |i, l, before| before + sum(i, l)));
        }
    }

    in_both! {
        fn a_weight_that_becomes_infinite_is_told<F>() {
            let mut events = Events::<F>::new();
            let of_source_1 = events.at[events.start[1] as usize] as usize;
            events.q[of_source_1 * W + 9] = F::cast(f64::INFINITY);
            let mut to = vec![F::ONE; SOURCES * STRIDE];
            let finish = Finish::Descend { eta: (F::ONE, F::ONE), pending: None };
            assert!(!gather::<F, W>(events.gather(true, false, None), finish, &mut to));
        }
    }

    in_both! {
        fn traces_that_have_faded_are_zero_where_they_are_replaced<F>() {
            let events = Events::<F>::new();
            let zeros = vec![F::ZERO; SOURCES];
            let of_e = [F::cast(0.25); W];
            let carry = Carry { z_bar: &zeros, of_z: &of_e, e_bar: &[][..], of_e: &of_e, ..events.carry() };
            let mut to = vec![F::SILENCE + F::SILENCE; SOURCES * STRIDE];
            gather::<F, W>(events.gather(true, false, Some(carry)), Finish::Replace, &mut to);
            // Source 0 has no events: half of silence is left of it, which is nothing.
            same_bits("row", &to[COLUMN..COLUMN + W], &[F::ZERO; W]);
        }
    }

    in_both! {
        fn rows_are_cut_into_tiles_of_which_the_last_may_be_narrower<F>() {
            let steps = 3;
            for (stride, width) in [(16, 16), (48, 16), (48, 32), (80, 32)] {
                let mut noise = Noise(5);
                let before = noise.numbers::<F>(stride * steps);
                for u in 0..steps {
                    let row = noise.numbers::<F>(stride);
                    let mut tiles = before.clone();
                    copy_to_tiles(&row, width, steps, u, &mut tiles);
                    let mut expected = before.clone();
                    for (j, &x) in row.iter().enumerate() {
                        let column = j / width * width;
                        let wide = width.min(stride - column);
                        expected[column * steps + u * wide + j - column] = x;
                    }
                    same_bits("tiles", &tiles, &expected);
                }
            }
        }
    }

    #[test]
    fn the_sum_over_events_is_in_their_order() {
        let mut events = Events::<f32>::new();
        events.start = vec![0, 4, 4];
        events.at = vec![5, 0, 6, 2];
        let mut to = vec![0.0; 2 * STRIDE];
        gather::<f32, W>(events.gather(false, false, None), Finish::Add, &mut to);
        let expected: [f32; W] = core::array::from_fn(|l| {
            let rows = events.at.iter().map(|&u| events.q[u as usize * W + l]);
            0.5 * rows
                .zip(&events.scale)
                .fold(0.0, |sum, (q, &s)| fma(s, q, sum))
        });
        same_bits("sum", &to[COLUMN..COLUMN + W], &expected);
    }
}
