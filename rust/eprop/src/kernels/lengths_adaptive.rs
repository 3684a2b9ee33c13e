//! As `lengths.rs`, of the factored form where thresholds move: squares of `C + X1 zt + Q D`.

use super::isa::UNIT;
use super::lengths::{Squares, at_least_zero, total};
use super::{cut, kernel};

/// Sums over the sources of every neuron, with those of `C D`, `D^2` and `D zt`.
#[derive(Clone, Copy)]
pub(crate) struct AdaptiveSquares<'a> {
    pub(crate) plain: Squares<'a>,
    pub(crate) cd: &'a [f64],
    pub(crate) dd: &'a [f64],
    pub(crate) dz: &'a [f64],
}

impl AdaptiveSquares<'_> {
    fn assert_len(&self, n: usize) {
        self.plain.assert_len(n);
        assert!(self.cd.len() == n && self.dd.len() == n && self.dz.len() == n);
    }
}

/// The same, to be moved on.
pub(crate) struct AdaptiveSquaresMut<'a> {
    pub(crate) cc: &'a mut [f64],
    pub(crate) cz: &'a mut [f64],
    pub(crate) cd: &'a mut [f64],
    pub(crate) dd: &'a mut [f64],
    pub(crate) dz: &'a mut [f64],
    /// `zt` of the source that a neuron is itself, which is not in `zz` of that neuron.
    pub(crate) own: &'a mut [f64],
    pub(crate) zz: f64,
}

/// `sum_i (c C + z zt + d D)^2` of one neuron, `zz` without its own source.
macro_rules! squared {
    ($cc:expr, $cz:expr, $cd:expr, $dd:expr, $dz:expr, $zz:expr, $c:expr, $z:expr, $d:expr) => {
        at_least_zero(
            $c * ($c * $cc + 2.0 * ($z * $cz + $d * $cd))
                + $z * ($z * $zz + 2.0 * $d * $dz)
                + $d * $d * $dd,
        )
    };
}

kernel! {
    /// Spikes that have `grown` by so much, beside [`follow_lengths`](super::follow_lengths) with `f` in the place of `X1`: with `sC = grown sum_c`, `sD = grown sum_d` and `g = X2`,
    /// `CD += -g sC - f sD + f g aa; DD += -2 g sD + g^2 aa; DZ += sD - g (az + aa)`.
    fn follow_adaptive_lengths(
        grown: f64,
        sums: (f64, f64),
        sum_c: &[F],
        sum_d: &[F],
        f: &[F],
        x2: &[F],
        cd: &mut [f64],
        dd: &mut [f64],
        dz: &mut [f64],
    ) {
        let (aa, az) = sums;
        let n = f.len();
        let (sum_c, sum_d, x2) = (&sum_c[..n], &sum_d[..n], &x2[..n]);
        let (cd, dd, dz) = (&mut cd[..n], &mut dd[..n], &mut dz[..n]);
        for j in 0..n {
            let (f, g) = (f[j].to_f64(), x2[j].to_f64());
            let (sc, sd) = (grown * sum_c[j].to_f64(), grown * sum_d[j].to_f64());
            cd[j] = I::fma(f, I::fma(g, aa, -sd), I::fma(-g, sc, cd[j]));
            dd[j] = I::fma(g, I::fma(g, aa, -2.0 * sd), dd[j]);
            dz[j] = I::fma(-g, az + aa, dz[j] + sd);
        }
    }
}

kernel! {
    /// What `C = k C + x zt + q D; D = p D + w zt; zt = a zt` of every source does to the sums, from the old values.
    fn end_adaptive_lengths(k: f64, a: f64, x: &[F], q: &[F], w: &[F], p: &[F], to: AdaptiveSquaresMut<'_>) {
        let AdaptiveSquaresMut { cc, cz, cd, dd, dz, own, zz } = to;
        let n = x.len();
        let (q, w, p) = (&q[..n], &w[..n], &p[..n]);
        let (cc, cz, cd) = (&mut cc[..n], &mut cz[..n], &mut cd[..n]);
        let (dd, dz, own) = (&mut dd[..n], &mut dz[..n], &mut own[..n]);
        for j in 0..n {
            let (x, q, w, p) = (x[j].to_f64(), q[j].to_f64(), w[j].to_f64(), p[j].to_f64());
            let zz = zz - own[j] * own[j];
            let old = (cc[j], cz[j], cd[j], dd[j], dz[j]);
            // Of the new C with the old C, D and zt, and of the new D with the old D and zt.
            let (c_with_c, c_with_z) = (k * old.0 + x * old.1 + q * old.2, k * old.1 + x * zz + q * old.4);
            let c_with_d = k * old.2 + x * old.4 + q * old.3;
            let (d_with_d, d_with_z) = (p * old.3 + w * old.4, p * old.4 + w * zz);
            cc[j] = k * c_with_c + x * c_with_z + q * c_with_d;
            cd[j] = p * c_with_d + w * c_with_z;
            dd[j] = p * d_with_d + w * d_with_z;
            cz[j] = a * c_with_z;
            dz[j] = a * d_with_z;
            own[j] *= a;
        }
    }
}

kernel! {
    /// `sum_j sum_i (S C + T zt + R D)^2`.
    fn length_of_adaptive_factors(s: &[F], t: &[F], r: &[F], squares: AdaptiveSquares<'_>) -> f64 {
        let n = s.len();
        assert!(t.len() == n && r.len() == n && n % UNIT == 0);
        squares.assert_len(n);
        let AdaptiveSquares { plain, cd, dd, dz } = squares;
        let mut lanes = [0.0; UNIT];
        for from in (0..n).step_by(UNIT) {
            // SAFETY: every slice is n long, a multiple of UNIT.
            unsafe {
                let (s, t, r) = (cut::<F, UNIT>(s, from), cut::<F, UNIT>(t, from), cut::<F, UNIT>(r, from));
                let [cc, cz, own] = plain.unit(from);
                let (cd, dd, dz) = (cut::<f64, UNIT>(cd, from), cut::<f64, UNIT>(dd, from), cut::<f64, UNIT>(dz, from));
                for lane in 0..UNIT {
                    let (s, t, r) = (s[lane].to_f64(), t[lane].to_f64(), r[lane].to_f64());
                    let zz = plain.zz - own[lane] * own[lane];
                    lanes[lane] += squared!(cc[lane], cz[lane], cd[lane], dd[lane], dz[lane], zz, s, t, r);
                }
            }
        }
        total(lanes)
    }
}

/// The responses before a step, and what it makes of them.
#[derive(Clone, Copy)]
pub(crate) struct StepOf<'a, F> {
    /// `zeta_e kappa_e^-u`, and `alpha^u`.
    pub(crate) grow: F,
    pub(crate) alpha: F,
    pub(crate) psi: &'a [F],
    pub(crate) l: &'a [F],
    pub(crate) x1: &'a [F],
    pub(crate) q: &'a [F],
    pub(crate) w: &'a [F],
    pub(crate) p: &'a [F],
}

kernel! {
    /// `sum_j L_j^2 sum_i (C + x zt + y D)^2`, with `x = X1 + grow psi (alpha^u - w)` and `y = Q - grow psi p` as
    /// [`step_responses`](super::step_responses) rounds them.
    fn length_of_adaptive_step(step: StepOf<'_, F>, squares: AdaptiveSquares<'_>) -> f64 {
        let StepOf { grow, alpha, psi, l, x1, q, w, p } = step;
        let n = x1.len();
        assert!(psi.len() == n && l.len() == n && q.len() == n && w.len() == n && p.len() == n && n % UNIT == 0);
        squares.assert_len(n);
        let AdaptiveSquares { plain, cd, dd, dz } = squares;
        let mut lanes = [0.0; UNIT];
        for from in (0..n).step_by(UNIT) {
            // SAFETY: every slice is n long, a multiple of UNIT.
            unsafe {
                let (psi, l) = (cut::<F, UNIT>(psi, from), cut::<F, UNIT>(l, from));
                let (x1, q) = (cut::<F, UNIT>(x1, from), cut::<F, UNIT>(q, from));
                let (w, p) = (cut::<F, UNIT>(w, from), cut::<F, UNIT>(p, from));
                let [cc, cz, own] = plain.unit(from);
                let (cd, dd, dz) = (cut::<f64, UNIT>(cd, from), cut::<f64, UNIT>(dd, from), cut::<f64, UNIT>(dz, from));
                for lane in 0..UNIT {
                    let x = I::fma(grow, psi[lane] * (alpha - w[lane]), x1[lane]).to_f64();
                    let y = I::fma(grow, -psi[lane] * p[lane], q[lane]).to_f64();
                    let l = l[lane].to_f64();
                    let zz = plain.zz - own[lane] * own[lane];
                    lanes[lane] += l * l * squared!(cc[lane], cz[lane], cd[lane], dd[lane], dz[lane], zz, 1.0, x, y);
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
    use alloc::vec;
    use alloc::vec::Vec;

    use super::{
        AdaptiveSquares, AdaptiveSquaresMut, StepOf, dot_products, end_adaptive_lengths,
        follow_adaptive_lengths, length_of_adaptive_factors, length_of_adaptive_step,
    };
    use crate::kernels::{Squares, follow_lengths};
    use crate::testing::{Noise, in_both, near};

    /// Two units.
    const STRIDE: usize = 32;
    const SOURCES: usize = 5;

    /// Rows `C` and `D`, and `zt`; neurons are no sources, or their own share would have to be undone.
    struct Rows {
        c: Vec<[f64; STRIDE]>,
        d: Vec<[f64; STRIDE]>,
        zt: [f64; SOURCES],
    }

    impl Rows {
        fn new(noise: &mut Noise) -> Self {
            let mut rows = || {
                (0..SOURCES)
                    .map(|_| core::array::from_fn(|_| noise.signed()))
                    .collect()
            };
            let (c, d) = (rows(), rows());
            Self {
                c,
                d,
                zt: core::array::from_fn(|_| noise.signed()),
            }
        }

        fn sum(&self, j: usize, of: impl Fn(f64, f64, f64) -> f64) -> f64 {
            (0..SOURCES)
                .map(|i| of(self.c[i][j], self.d[i][j], self.zt[i]))
                .sum()
        }

        fn sums(&self) -> Sums {
            let of = |of: fn(f64, f64, f64) -> f64| (0..STRIDE).map(|j| self.sum(j, of)).collect();
            Sums {
                cc: of(|c, _, _| c * c),
                cz: of(|c, _, zt| c * zt),
                cd: of(|c, d, _| c * d),
                dd: of(|_, d, _| d * d),
                dz: of(|_, d, zt| d * zt),
                zz: self.zt.iter().map(|zt| zt * zt).sum(),
            }
        }
    }

    struct Sums {
        cc: Vec<f64>,
        cz: Vec<f64>,
        cd: Vec<f64>,
        dd: Vec<f64>,
        dz: Vec<f64>,
        zz: f64,
    }

    impl Sums {
        fn squares(&self) -> AdaptiveSquares<'_> {
            let plain = Squares {
                cc: &self.cc,
                cz: &self.cz,
                own: &[0.0; STRIDE],
                zz: self.zz,
            };
            AdaptiveSquares {
                plain,
                cd: &self.cd,
                dd: &self.dd,
                dz: &self.dz,
            }
        }

        #[track_caller]
        fn compare(&self, rounding: f64, rows: &Rows) {
            let is = rows.sums();
            let pairs = [
                (&self.cc, &is.cc),
                (&self.cz, &is.cz),
                (&self.cd, &is.cd),
                (&self.dd, &is.dd),
                (&self.dz, &is.dz),
            ];
            for (got, expected) in pairs {
                for (got, expected) in got.iter().zip(expected) {
                    assert!((got - expected).abs() < rounding, "{got}, {expected}");
                }
            }
        }
    }

    in_both! {
        fn a_length_is_that_of_the_rows_it_stands_for<F>() {
            let mut noise = Noise(1);
            let rows = Rows::new(&mut noise);
            let sums = rows.sums();
            let [s, t, r, psi, l, x1, q, w, p] = [0; 9].map(|_| noise.numbers::<F>(STRIDE));
            let of = |row: &[F], j: usize| row[j].to_f64();
            let of_factors = |j: usize| rows.sum(j, |c, d, zt| (of(&s, j) * c + of(&t, j) * zt + of(&r, j) * d).powi(2));
            let got = length_of_adaptive_factors(&s, &t, &r, sums.squares());
            near("length", &[got], &[(0..STRIDE).map(of_factors).sum()]);
            let step = StepOf { grow: F::cast(0.75), alpha: F::cast(0.5), psi: &psi, l: &l, x1: &x1, q: &q, w: &w, p: &p };
            let of_step = |j: usize| {
                let x = of(&x1, j) + 0.75 * of(&psi, j) * (0.5 - of(&w, j));
                let y = of(&q, j) - 0.75 * of(&psi, j) * of(&p, j);
                of(&l, j).powi(2) * rows.sum(j, |c, d, zt| (c + x * zt + y * d).powi(2))
            };
            let expected: f64 = (0..STRIDE).map(of_step).sum();
            let got = length_of_adaptive_step(step, sums.squares());
            assert!((got - expected).abs() < 1e-6 * expected, "{got}, {expected}");
        }
    }

    in_both! {
        fn spikes_and_the_end_of_a_block_do_to_sums_what_they_do_to_rows<F>() {
            let mut noise = Noise(2);
            let mut rows = Rows::new(&mut noise);
            let mut sums = rows.sums();
            let [f, x2, x, q, w, p] = [0; 6].map(|_| noise.numbers::<F>(STRIDE));
            let (grown, spikes) = (1.5, [(1_usize, 1.0), (4, -0.5)]);
            let sum_of = |rows: &[[f64; STRIDE]]| -> Vec<F> {
                let of = |j: usize| spikes.iter().map(|&(i, s)| s * rows[i][j]).sum();
                (0..STRIDE).map(|j| F::cast(of(j))).collect()
            };
            let (sum_c, sum_d) = (sum_of(&rows.c), sum_of(&rows.d));
            let (mut aa, mut az) = (0.0, 0.0);
            for (i, s) in spikes {
                let a = grown * s;
                aa += a * a;
                az += a * rows.zt[i];
                rows.zt[i] += a;
                for j in 0..STRIDE {
                    rows.c[i][j] -= a * f[j].to_f64();
                    rows.d[i][j] -= a * x2[j].to_f64();
                }
            }
            let Sums { cc, cz, cd, dd, dz, zz } = &mut sums;
            follow_lengths(grown, (aa, az), &sum_c, &f, cc, cz);
            follow_adaptive_lengths(grown, (aa, az), &sum_c, &sum_d, &f, &x2, cd, dd, dz);
            *zz += 2.0 * az + aa;
            let rounding = crate::testing::rounding::<F>();
            sums.compare(rounding, &rows);

            let (k, a) = (0.25, 0.5);
            let mut own = vec![0.0; STRIDE];
            let Sums { cc, cz, cd, dd, dz, zz } = &mut sums;
            let to = AdaptiveSquaresMut { cc, cz, cd, dd, dz, own: &mut own, zz: *zz };
            end_adaptive_lengths(k, a, &x, &q, &w, &p, to);
            for i in 0..SOURCES {
                let zt = rows.zt[i];
                for j in 0..STRIDE {
                    let (c, d) = (rows.c[i][j], rows.d[i][j]);
                    rows.c[i][j] = k * c + x[j].to_f64() * zt + q[j].to_f64() * d;
                    rows.d[i][j] = p[j].to_f64() * d + w[j].to_f64() * zt;
                }
                rows.zt[i] *= a;
            }
            sums.compare(rounding, &rows);
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
