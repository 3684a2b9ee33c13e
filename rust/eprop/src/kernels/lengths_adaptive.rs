//! As `lengths.rs`, of the factored form where thresholds move: squares of `e = C + X1 zt + Q D`, beside which there is `h = p D + w zt`.

use super::factored_adaptive::Course;
use super::isa::UNIT;
use super::lengths::{Squares, SquaresMut, total};
use super::{cut, cut_mut, kernel};

/// Sums over the sources of every neuron, with those of `e h`, `h^2` and `h zt`, and a neuron's own share in `zz`, or nothing.
#[derive(Clone, Copy)]
pub(crate) struct AdaptiveSquares<'a> {
    pub(crate) plain: Squares<'a>,
    pub(crate) eh: &'a [f64],
    pub(crate) hh: &'a [f64],
    pub(crate) hz: &'a [f64],
    pub(crate) own: &'a [f64],
}

/// The same, to be moved on by a step.
pub(crate) struct AdaptiveSquaresMut<'a, F> {
    pub(crate) plain: SquaresMut<'a, F>,
    pub(crate) eh: &'a mut [f64],
    pub(crate) hh: &'a mut [f64],
    pub(crate) hz: &'a mut [f64],
    pub(crate) own: &'a [f64],
    /// `sum_i s_i D_i` over the step's sources, before their rows changed.
    pub(crate) sum_d: &'a [F],
}

/// The responses before a step, beside `X1`, and what makes them grow.
#[derive(Clone, Copy)]
pub(crate) struct AdaptiveGrowth<'a, F> {
    /// `zeta_e kappa_e^-u`, and `alpha^u`.
    pub(crate) grow: F,
    pub(crate) alpha: F,
    pub(crate) psi: &'a [F],
    pub(crate) q: &'a [F],
    pub(crate) w: &'a [F],
    pub(crate) p: &'a [F],
    pub(crate) course: Course<'a, F>,
}

/// A unit of a neuron's own share, or of zeros.
///
/// # Safety
/// `own` is empty, or `from + UNIT` is at most its length.
#[inline(always)]
unsafe fn own_unit(own: &[f64], from: usize) -> [f64; UNIT] {
    match own.is_empty() {
        true => [0.0; UNIT],
        // SAFETY: the caller's promise.
        false => unsafe { *cut::<f64, UNIT>(own, from) },
    }
}

kernel! {
    /// A step of the sums of a set, as [`step_lengths`](super::step_lengths). A spike leaves `e` and `h`, so `EZ += grown (sum_c + Q sum_d) + X1 az` and
    /// `HZ += grown p sum_d + w az`. Then `e += y zt + q h` with `y = grow psi alpha^u` and `q = -grow psi`, and `h = delta h + v zt` with `delta = rho - beta by` and
    /// `v = beta by alpha^u`. Returns `sum_j L_j^2 EE`.
    fn step_adaptive_lengths(grown: F, l: &[F], x1: &[F], growth: AdaptiveGrowth<'_, F>, set: AdaptiveSquaresMut<'_, F>) -> f64 {
        let AdaptiveGrowth { grow, alpha, psi, q, w, p, course: Course { by, beta, rho } } = growth;
        let AdaptiveSquaresMut { plain, eh, hh, hz, own, sum_d } = set;
        let SquaresMut { ee, ez, zz, sum_c, az } = plain;
        let n = x1.len();
        assert!(psi.len() == n && l.len() == n && q.len() == n && w.len() == n && p.len() == n && n % UNIT == 0);
        assert!(by.len() == n && beta.len() == n && rho.len() == n && sum_c.len() == n && sum_d.len() == n && (own.is_empty() || own.len() == n));
        assert!(ee.len() == n && ez.len() == n && eh.len() == n && hh.len() == n && hz.len() == n);
        let (grow, alpha64, az) = (grow.to_f64(), alpha.to_f64(), F::cast(az));
        let mut lanes = [0.0; UNIT];
        for from in (0..n).step_by(UNIT) {
            // SAFETY: every slice is n long, a multiple of UNIT; places are copied before they are written.
            unsafe {
                let (psi, l, x1) = (cut::<F, UNIT>(psi, from), cut::<F, UNIT>(l, from), cut::<F, UNIT>(x1, from));
                let (q, w, p) = (cut::<F, UNIT>(q, from), cut::<F, UNIT>(w, from), cut::<F, UNIT>(p, from));
                let (by, beta, rho) = (cut::<F, UNIT>(by, from), cut::<F, UNIT>(beta, from), cut::<F, UNIT>(rho, from));
                let (sum_c, sum_d) = (cut::<F, UNIT>(sum_c, from), cut::<F, UNIT>(sum_d, from));
                let own = own_unit(own, from);
                let (mut ee_now, mut ez_now) = (*cut::<f64, UNIT>(ee, from), *cut::<f64, UNIT>(ez, from));
                let (mut eh_now, mut hh_now) = (*cut::<f64, UNIT>(eh, from), *cut::<f64, UNIT>(hh, from));
                let mut hz_now = *cut::<f64, UNIT>(hz, from);
                for lane in 0..UNIT {
                    let (zz, grown_d) = (zz - own[lane], grown * sum_d[lane]);
                    let of_e = I::fma(grown, sum_c[lane], I::fma(q[lane], grown_d, x1[lane] * az));
                    let of_h = I::fma(p[lane], grown_d, w[lane] * az);
                    let (ez, hz) = (ez_now[lane] + of_e.to_f64(), hz_now[lane] + of_h.to_f64());
                    let (eh, hh) = (eh_now[lane], hh_now[lane]);
                    let raises = beta[lane] * by[lane];
                    let (delta, v) = ((rho[lane] - raises).to_f64(), raises.to_f64() * alpha64);
                    let q = -grow * psi[lane].to_f64();
                    let y = -q * alpha64;
                    // Of the new e with h and zt as they were.
                    let of_ez = I::fma(y, zz, I::fma(q, hz, ez));
                    let of_eh = I::fma(y, hz, I::fma(q, hh, eh));
                    ee_now[lane] = I::fma(y, ez + of_ez, I::fma(q, eh + of_eh, ee_now[lane]));
                    ez_now[lane] = of_ez;
                    eh_now[lane] = I::fma(delta, of_eh, v * of_ez);
                    hh_now[lane] = I::fma(delta * delta, hh, v * I::fma(2.0 * delta, hz, v * zz));
                    hz_now[lane] = I::fma(delta, hz, v * zz);
                    let l = l[lane].to_f64();
                    lanes[lane] = I::fma(l * l, ee_now[lane], lanes[lane]);
                }
                *cut_mut(ee, from) = ee_now;
                *cut_mut(ez, from) = ez_now;
                *cut_mut(eh, from) = eh_now;
                *cut_mut(hh, from) = hh_now;
                *cut_mut(hz, from) = hz_now;
            }
        }
        total(lanes)
    }
}

kernel! {
    /// `sum_j sum_i (S C + T zt + R D)^2`, which is `(S e + H h + Z zt)^2` with `H = (R - S Q) / p` and `Z = T - S X1 - H w`.
    fn length_of_adaptive_factors(factors: [&[F]; 3], x1: &[F], responses: [&[F]; 3], squares: AdaptiveSquares<'_>) -> f64 {
        let ([s, t, r], [q, w, p]) = (factors, responses);
        let AdaptiveSquares { plain: Squares { ee, ez, zz }, eh, hh, hz, own } = squares;
        let n = s.len();
        assert!(t.len() == n && r.len() == n && x1.len() == n && q.len() == n && w.len() == n && p.len() == n && n % UNIT == 0);
        assert!(ee.len() == n && ez.len() == n && eh.len() == n && hh.len() == n && hz.len() == n && (own.is_empty() || own.len() == n));
        let mut lanes = [0.0; UNIT];
        for from in (0..n).step_by(UNIT) {
            // SAFETY: every slice is n long, a multiple of UNIT.
            unsafe {
                let (s, t, r) = (cut::<F, UNIT>(s, from), cut::<F, UNIT>(t, from), cut::<F, UNIT>(r, from));
                let (q, w, p) = (cut::<F, UNIT>(q, from), cut::<F, UNIT>(w, from), cut::<F, UNIT>(p, from));
                let (x1, own) = (cut::<F, UNIT>(x1, from), own_unit(own, from));
                let (ee, ez, eh) = (cut::<f64, UNIT>(ee, from), cut::<f64, UNIT>(ez, from), cut::<f64, UNIT>(eh, from));
                let (hh, hz) = (cut::<f64, UNIT>(hh, from), cut::<f64, UNIT>(hz, from));
                for lane in 0..UNIT {
                    let s = s[lane].to_f64();
                    let h = I::fma(-s, q[lane].to_f64(), r[lane].to_f64()) / p[lane].to_f64();
                    let z = I::fma(-h, w[lane].to_f64(), I::fma(-s, x1[lane].to_f64(), t[lane].to_f64()));
                    let of_e = s * (s * ee[lane] + 2.0 * (h * eh[lane] + z * ez[lane]));
                    let of_h = h * (h * hh[lane] + 2.0 * z * hz[lane]);
                    lanes[lane] += of_e + of_h + z * z * (zz - own[lane]);
                }
            }
        }
        total(lanes)
    }
}

kernel! {
    /// `sum_j G_j R_j D_j`.
    fn dot_products(g: &[F], r: &[F], d: &[F]) -> f64 {
        let n = g.len();
        assert!(r.len() == n && d.len() == n && n % UNIT == 0);
        let mut lanes = [0.0; UNIT];
        for from in (0..n).step_by(UNIT) {
            // SAFETY: every slice is n long, a multiple of UNIT.
            let (g, r, d) = unsafe { (cut::<F, UNIT>(g, from), cut::<F, UNIT>(r, from), cut::<F, UNIT>(d, from)) };
            for lane in 0..UNIT {
                lanes[lane] += g[lane].to_f64() * (r[lane].to_f64() * d[lane].to_f64());
            }
        }
        total(lanes)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{
        AdaptiveGrowth, AdaptiveSquares, AdaptiveSquaresMut, Course, dot_products,
        length_of_adaptive_factors, step_adaptive_lengths,
    };
    use crate::kernels::{Squares, SquaresMut};
    use crate::testing::{Noise, in_both, rounding};

    /// Two units.
    const STRIDE: usize = 32;
    const SOURCES: usize = 5;

    /// `e`, `h` and `zt` of every source; neuron j is source j, to which it has no synapse.
    struct Traces {
        e: [[f64; STRIDE]; SOURCES],
        h: [[f64; STRIDE]; SOURCES],
        zt: [f64; SOURCES],
    }

    impl Traces {
        fn new(noise: &mut Noise) -> Self {
            let mut rows =
                [0; 2].map(|_| [[0.0; STRIDE]; SOURCES].map(|row| row.map(|_| noise.signed())));
            (0..SOURCES).for_each(|i| rows.iter_mut().for_each(|rows| rows[i][i] = 0.0));
            let [e, h] = rows;
            Self {
                e,
                h,
                zt: core::array::from_fn(|_| noise.signed()),
            }
        }

        /// Over the sources of every neuron.
        fn sums(&self, of: impl Fn(f64, f64, f64) -> f64) -> Vec<f64> {
            let of_neuron = |j: usize| {
                let sources = (0..SOURCES).filter(|&i| i != j);
                sources
                    .map(|i| of(self.e[i][j], self.h[i][j], self.zt[i]))
                    .sum()
            };
            (0..STRIDE).map(of_neuron).collect()
        }

        /// `EE`, `EZ`, `EH`, `HH`, `HZ`.
        fn all(&self) -> [Vec<f64>; 5] {
            [
                self.sums(|e, _, _| e * e),
                self.sums(|e, _, zt| e * zt),
                self.sums(|e, h, _| e * h),
                self.sums(|_, h, _| h * h),
                self.sums(|_, h, zt| h * zt),
            ]
        }

        /// `zt^2` of a neuron itself, and of all.
        fn squares(&self) -> ([f64; STRIDE], f64) {
            let own = core::array::from_fn(|j| self.zt.get(j).map_or(0.0, |zt| zt * zt));
            (own, self.zt.iter().map(|zt| zt * zt).sum())
        }
    }

    in_both! {
        fn a_step_does_to_sums_what_its_spikes_and_psi_do_to_traces<F>() {
            let mut noise = Noise(1);
            let mut traces = Traces::new(&mut noise);
            let [psi, l, x1, q, w, p, by, beta, rho] = [0; 9].map(|_| noise.numbers::<F>(STRIDE));
            let of = |row: &[F], j: usize| row[j].to_f64();
            let [mut ee, mut ez, mut eh, mut hh, mut hz] = traces.all();
            let (mut own, mut zz) = traces.squares();
            // Spikes: C = e - X1 zt - Q D, and D = (h - w zt) / p.
            let (grown, mut az) = (1.5, 0.0);
            let [mut sum_c, mut sum_d] = [[0.0; STRIDE]; 2];
            for (i, s) in [(1, 1.0), (4, -0.5)] {
                let (a, zt) = (grown * s, traces.zt[i]);
                for j in (0..STRIDE).filter(|&j| j != i) {
                    let d = (traces.h[i][j] - of(&w, j) * zt) / of(&p, j);
                    sum_d[j] += s * d;
                    sum_c[j] += s * (traces.e[i][j] - of(&x1, j) * zt - of(&q, j) * d);
                }
                let more = a * (2.0 * zt + a);
                ez[i] -= of(&x1, i) * a * zt;
                hz[i] -= of(&w, i) * a * zt;
                (az, zz, own[i]) = (az + a * zt, zz + more, own[i] + more);
                traces.zt[i] += a;
            }
            let [sum_c, sum_d] = [sum_c, sum_d].map(|row| row.map(F::cast));
            let (grow, alpha) = (0.75, 0.625);
            let course = Course { by: &by, beta: &beta, rho: &rho };
            let growth = AdaptiveGrowth { grow: F::cast(grow), alpha: F::cast(alpha), psi: &psi, q: &q, w: &w, p: &p, course };
            let set = AdaptiveSquaresMut {
                plain: SquaresMut { ee: &mut ee, ez: &mut ez, zz, sum_c: &sum_c, az },
                eh: &mut eh,
                hh: &mut hh,
                hz: &mut hz,
                own: &own,
                sum_d: &sum_d,
            };
            let length = step_adaptive_lengths(F::cast(grown), &l, &x1, growth, set);
            for i in 0..SOURCES {
                for j in (0..STRIDE).filter(|&j| j != i) {
                    let (e, h, zt) = (traces.e[i][j], traces.h[i][j], traces.zt[i]);
                    let raises = of(&beta, j) * of(&by, j);
                    traces.e[i][j] = e + grow * of(&psi, j) * (alpha * zt - h);
                    traces.h[i][j] = (of(&rho, j) - raises) * h + raises * alpha * zt;
                }
            }
            // What a small p makes large is rounded as it is.
            let scale = sum_d.iter().fold(1.0_f64, |most, d| most.max(d.to_f64().abs()));
            for (got, is) in [ee, ez, eh, hh, hz].iter().zip(traces.all()) {
                let close = got.iter().zip(&is).all(|(x, y)| (x - y).abs() < 8.0 * scale * rounding::<F>());
                assert!(close, "{got:?} {is:?}");
            }
            let is: f64 = traces.all()[0].iter().enumerate().map(|(j, ee)| of(&l, j).powi(2) * ee).sum();
            assert!((length - is).abs() < 8.0 * scale * rounding::<F>() * is, "{length} {is}");
        }
    }

    in_both! {
        fn a_length_is_that_of_the_rows_it_stands_for<F>() {
            let mut noise = Noise(2);
            let traces = Traces::new(&mut noise);
            let [s, t, r, x1, q, w] = [0; 6].map(|_| noise.numbers::<F>(STRIDE));
            let p: Vec<F> = (0..STRIDE).map(|_| F::cast(0.5 + noise.signed().abs())).collect();
            let of = |row: &[F], j: usize| row[j].to_f64();
            let [ee, ez, eh, hh, hz] = traces.all();
            let (own, zz) = traces.squares();
            let squares = AdaptiveSquares { plain: Squares { ee: &ee, ez: &ez, zz }, eh: &eh, hh: &hh, hz: &hz, own: &own };
            let got = length_of_adaptive_factors([&s, &t, &r], &x1, [&q, &w, &p], squares);
            let mut is = 0.0;
            for j in 0..STRIDE {
                for i in (0..SOURCES).filter(|&i| i != j) {
                    let zt = traces.zt[i];
                    let d = (traces.h[i][j] - of(&w, j) * zt) / of(&p, j);
                    let c = traces.e[i][j] - of(&x1, j) * zt - of(&q, j) * d;
                    is += (of(&s, j) * c + of(&t, j) * zt + of(&r, j) * d).powi(2);
                }
            }
            assert!((got - is).abs() < 1e-12 * is, "{got} {is}");
        }
    }

    in_both! {
        fn products_of_three_rows_are_summed_in_float64<F>() {
            let mut noise = Noise(3);
            let [g, r, d] = [0; 3].map(|_| noise.numbers::<F>(STRIDE));
            let expected: f64 = (0..STRIDE).map(|j| g[j].to_f64() * r[j].to_f64() * d[j].to_f64()).sum();
            assert!((dot_products(&g, &r, &d) - expected).abs() < 1e-12);
        }
    }
}
