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
