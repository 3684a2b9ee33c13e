//! As `lengths.rs`, of the factored form where thresholds move: squares of `e = C + X1 zt + Q D`, beside which there is `h = p D + w zt`.

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
    pub(crate) q: &'a [F],
    pub(crate) w: &'a [F],
    pub(crate) p: &'a [F],
    pub(crate) beta: &'a [F],
    pub(crate) rho: &'a [F],
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
    /// `HZ += grown p sum_d + w az`. Then `e += y zt + q h` with `y = grow psi alpha^u` and `q = -grow psi`, and `h = delta h + v zt` with `delta = rho - beta psi` and
    /// `v = beta psi alpha^u`. Returns `sum_j L_j^2 EE`.
    fn step_adaptive_lengths(grown: f64, psi: &[F], l: &[F], x1: &[F], growth: AdaptiveGrowth<'_, F>, set: AdaptiveSquaresMut<'_, F>) -> f64 {
        let AdaptiveGrowth { grow, alpha, q, w, p, beta, rho } = growth;
        let AdaptiveSquaresMut { plain, eh, hh, hz, own, sum_d } = set;
        let SquaresMut { ee, ez, zz, sum_c, az } = plain;
        let n = x1.len();
        assert!(psi.len() == n && l.len() == n && q.len() == n && w.len() == n && p.len() == n && n % UNIT == 0);
        assert!(beta.len() == n && rho.len() == n && sum_c.len() == n && sum_d.len() == n && (own.is_empty() || own.len() == n));
        assert!(ee.len() == n && ez.len() == n && eh.len() == n && hh.len() == n && hz.len() == n);
        let (grow, alpha64) = (grow.to_f64(), alpha.to_f64());
        let mut lanes = [0.0; UNIT];
        for from in (0..n).step_by(UNIT) {
            // SAFETY: every slice is n long, a multiple of UNIT; places are copied before they are written.
            unsafe {
                let (psi, l, x1) = (cut::<F, UNIT>(psi, from), cut::<F, UNIT>(l, from), cut::<F, UNIT>(x1, from));
                let (q, w, p) = (cut::<F, UNIT>(q, from), cut::<F, UNIT>(w, from), cut::<F, UNIT>(p, from));
                let (beta, rho) = (cut::<F, UNIT>(beta, from), cut::<F, UNIT>(rho, from));
                let (sum_c, sum_d) = (cut::<F, UNIT>(sum_c, from), cut::<F, UNIT>(sum_d, from));
                let own = own_unit(own, from);
                let (mut ee_now, mut ez_now) = (*cut::<f64, UNIT>(ee, from), *cut::<f64, UNIT>(ez, from));
                let (mut eh_now, mut hh_now) = (*cut::<f64, UNIT>(eh, from), *cut::<f64, UNIT>(hh, from));
                let mut hz_now = *cut::<f64, UNIT>(hz, from);
                for lane in 0..UNIT {
                    let (zz, grown_d) = (zz - own[lane], grown * sum_d[lane].to_f64());
                    // Rounded twice: so what has been taken off for a neuron's own is gone to the bit.
                    let ez = ez_now[lane] + x1[lane].to_f64() * az;
                    let ez = I::fma(grown, sum_c[lane].to_f64(), I::fma(q[lane].to_f64(), grown_d, ez));
                    let hz = I::fma(p[lane].to_f64(), grown_d, hz_now[lane] + w[lane].to_f64() * az);
                    let (eh, hh) = (eh_now[lane], hh_now[lane]);
                    let raises = beta[lane] * psi[lane];
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
        AdaptiveGrowth, AdaptiveSquares, AdaptiveSquaresMut, dot_products,
        length_of_adaptive_factors, step_adaptive_lengths,
    };
    use crate::kernels::lengths::{Squares, SquaresMut};
    use crate::testing::{Noise, in_both, near};

    /// Two units.
    const STRIDE: usize = 32;
    const SOURCES: usize = 5;

    /// Of every source `e`, `h` and `zt`; of neuron j as a source, where it is one, neither e nor h.
    struct Rows {
        e: [[f64; STRIDE]; SOURCES],
        h: [[f64; STRIDE]; SOURCES],
        zt: [f64; SOURCES],
    }

    /// Whether neurons are the first sources.
    fn exists(own: bool, i: usize, j: usize) -> f64 {
        if own && i == j { 0.0 } else { 1.0 }
    }

    impl Rows {
        fn new(noise: &mut Noise, own: bool) -> Self {
            let mut rows = || {
                core::array::from_fn(|i| {
                    core::array::from_fn(|j| exists(own, i, j) * noise.signed())
                })
            };
            let (e, h) = (rows(), rows());
            let zt = core::array::from_fn(|_| noise.signed());
            Self { e, h, zt }
        }

        fn sum(&self, own: bool, j: usize, of: impl Fn(f64, f64, f64) -> f64) -> f64 {
            (0..SOURCES)
                .map(|i| exists(own, i, j) * of(self.e[i][j], self.h[i][j], self.zt[i]))
                .sum()
        }

        /// `EE`, `EZ`, `EH`, `HH` and `HZ`.
        fn sums(&self, own: bool) -> [Vec<f64>; 5] {
            let of =
                |of: fn(f64, f64, f64) -> f64| (0..STRIDE).map(|j| self.sum(own, j, of)).collect();
            [
                of(|e, _, _| e * e),
                of(|e, _, zt| e * zt),
                of(|e, h, _| e * h),
                of(|_, h, _| h * h),
                of(|_, h, zt| h * zt),
            ]
        }

        fn zz(&self) -> f64 {
            self.zt.iter().map(|zt| zt * zt).sum()
        }

        /// What is in `zz` of a neuron itself; nothing where no neuron is a source.
        fn own(&self, own: bool) -> Vec<f64> {
            let of = |j: usize| self.zt.get(j).map_or(0.0, |zt| zt * zt);
            (0..STRIDE).filter(|_| own).map(of).collect()
        }
    }

    in_both! {
        fn spikes_and_a_step_do_to_sums_what_they_do_to_traces<F>() {
            for own in [false, true] {
                let mut noise = Noise(1);
                let mut rows = Rows::new(&mut noise, own);
                let [mut ee, mut ez, mut eh, mut hh, mut hz] = rows.sums(own);
                let [psi, l, x1, q, w, beta, rho] = [0; 7].map(|_| noise.numbers::<F>(STRIDE));
                let p: Vec<F> = (0..STRIDE).map(|_| F::cast(0.5 + noise.uniform())).collect();
                let at = |row: &[F], j: usize| row[j].to_f64();
                // Spikes change rows C and D and zt, and no trace; of the neuron itself the caller makes up for what the sums over all sources have of it.
                let (grown, spikes) = (1.5, [(1_usize, 1.0), (4, -0.5)]);
                let d = |rows: &Rows, i: usize, j: usize| (rows.h[i][j] - at(&w, j) * rows.zt[i]) / at(&p, j);
                let sum = |of: &dyn Fn(usize, usize) -> f64| -> Vec<F> {
                    let of = |j: usize| spikes.iter().map(|&(i, s)| s * exists(own, i, j) * of(i, j)).sum();
                    (0..STRIDE).map(|j| F::cast(of(j))).collect()
                };
                let sum_d = sum(&|i, j| d(&rows, i, j));
                let sum_c = sum(&|i, j| rows.e[i][j] - at(&x1, j) * rows.zt[i] - at(&q, j) * d(&rows, i, j));
                let az = spikes.iter().map(|&(i, s)| grown * s * rows.zt[i]).sum();
                for (i, s) in spikes.into_iter().filter(|&(i, _)| own && i < STRIDE) {
                    let of_own = grown * s * rows.zt[i];
                    ez[i] -= at(&x1, i) * of_own;
                    hz[i] -= at(&w, i) * of_own;
                }
                spikes.iter().for_each(|&(i, s)| rows.zt[i] += grown * s);

                let (grow, alpha) = (F::cast(0.75), F::cast(0.5));
                let growth = AdaptiveGrowth { grow, alpha, q: &q, w: &w, p: &p, beta: &beta, rho: &rho };
                let (own_is, zz) = (rows.own(own), rows.zz());
                let plain = SquaresMut { ee: &mut ee, ez: &mut ez, zz, sum_c: &sum_c, az };
                let set = AdaptiveSquaresMut { plain, eh: &mut eh, hh: &mut hh, hz: &mut hz, own: &own_is, sum_d: &sum_d };
                let squared = step_adaptive_lengths(grown, &psi, &l, &x1, growth, set);
                for i in 0..SOURCES {
                    for j in 0..STRIDE {
                        let (e, h, zt) = (rows.e[i][j], rows.h[i][j], exists(own, i, j) * rows.zt[i]);
                        let raw = at(&psi, j) * (0.5 * zt - h);
                        rows.e[i][j] = e + 0.75 * raw;
                        rows.h[i][j] = at(&rho, j) * h + at(&beta, j) * raw;
                    }
                }
                let expected = rows.sums(own);
                let rounding = 30.0 * crate::testing::rounding::<F>();
                for (name, (got, expected)) in ["EE", "EZ", "EH", "HH", "HZ"].into_iter().zip([ee, ez, eh, hh, hz].iter().zip(&expected)) {
                    for (got, expected) in got.iter().zip(expected) {
                        assert!((got - expected).abs() < rounding, "{name}: {got}, {expected}");
                    }
                }
                let length: f64 = (0..STRIDE).map(|j| at(&l, j).powi(2) * expected[0][j]).sum();
                assert!((squared - length).abs() < rounding * length, "{squared}, {length}");
            }
        }
    }

    in_both! {
        fn a_length_is_that_of_the_rows_it_stands_for<F>() {
            for own in [false, true] {
                let mut noise = Noise(2);
                let rows = Rows::new(&mut noise, own);
                let [ee, ez, eh, hh, hz] = rows.sums(own);
                let [s, t, r, x1, q, w] = [0; 6].map(|_| noise.numbers::<F>(STRIDE));
                let p: Vec<F> = (0..STRIDE).map(|_| F::cast(0.5 + noise.uniform())).collect();
                let at = |row: &[F], j: usize| row[j].to_f64();
                let of = |j: usize| rows.sum(own, j, |e, h, zt| {
                    let d = (h - at(&w, j) * zt) / at(&p, j);
                    let c = e - at(&x1, j) * zt - at(&q, j) * d;
                    (at(&s, j) * c + at(&t, j) * zt + at(&r, j) * d).powi(2)
                });
                let plain = Squares { ee: &ee, ez: &ez, zz: rows.zz() };
                let squares = AdaptiveSquares { plain, eh: &eh, hh: &hh, hz: &hz, own: &rows.own(own) };
                let got = length_of_adaptive_factors([&s, &t, &r], &x1, [&q, &w, &p], squares);
                near("length", &[got], &[(0..STRIDE).map(of).sum()]);
            }
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
