//! Sums of squares, in float64: how long gradients are (docs/method.md, "Steps that do not overshoot").

use super::isa::UNIT;
use super::{cut, kernel};

/// Their sum, pair by pair: each addition of one after the other would wait for the one before.
#[inline(always)]
pub(super) fn total(lanes: [f64; UNIT]) -> f64 {
    let mut lanes = lanes;
    let mut half = UNIT / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    lanes[0]
}

kernel! {
    /// `sum_j x_j^2`, in an order that depends on the length alone.
    fn squared_length(numbers: &[F]) -> f64 {
        let mut lanes = [0.0; UNIT];
        let chunks = numbers.chunks_exact(UNIT);
        let rest = chunks.remainder();
        for chunk in chunks {
            for lane in 0..UNIT {
                let x = chunk[lane].to_f64();
                lanes[lane] += x * x;
            }
        }
        for (lane, x) in rest.iter().enumerate() {
            lanes[lane] += x.to_f64() * x.to_f64();
        }
        total(lanes)
    }
}

kernel! {
    /// Spikes that have `grown` by so much: with `sC = grown sum_c`, `CC += -2 X1 sC + X1^2 aa; CZ += sC - X1 (az + aa)`.
    fn follow_lengths(grown: f64, sums: (f64, f64), sum_c: &[F], x1: &[F], cc: &mut [f64], cz: &mut [f64]) {
        let (aa, az) = sums;
        let n = x1.len();
        let (sum_c, cc, cz) = (&sum_c[..n], &mut cc[..n], &mut cz[..n]);
        for j in 0..n {
            let (f, sc) = (x1[j].to_f64(), grown * sum_c[j].to_f64());
            cc[j] = I::fma(f, I::fma(f, aa, -2.0 * sc), cc[j]);
            cz[j] = I::fma(-f, az + aa, cz[j] + sc);
        }
    }
}

kernel! {
    /// `CC = k^2 CC + x^2 ZZ + 2 k x CZ; CZ = a (k CZ + x ZZ); own = a own`, with `ZZ = zz - own^2`.
    fn end_lengths(scales: (f64, f64, f64), x: &[F], cc: &mut [f64], cz: &mut [f64], own: &mut [f64]) {
        let (k, a, zz) = scales;
        let n = x.len();
        let (cc, cz, own) = (&mut cc[..n], &mut cz[..n], &mut own[..n]);
        for j in 0..n {
            let x = x[j].to_f64();
            let zz = zz - own[j] * own[j];
            let c = k * cz[j];
            cc[j] = k * k * cc[j] + x * (x * zz + 2.0 * c);
            cz[j] = a * (c + x * zz);
            own[j] *= a;
        }
    }
}

/// Sums over the sources of every neuron; of `zz` its own is taken off.
#[derive(Clone, Copy)]
pub(crate) struct Squares<'a> {
    pub(crate) cc: &'a [f64],
    pub(crate) cz: &'a [f64],
    pub(crate) own: &'a [f64],
    pub(crate) zz: f64,
}

/// What is a sum of squares is at least 0, however it is rounded.
#[inline(always)]
pub(super) fn at_least_zero(x: f64) -> f64 {
    if x > 0.0 { x } else { 0.0 }
}

impl<'a> Squares<'a> {
    /// A unit of each.
    ///
    /// # Safety
    /// `at + UNIT` is at most the length of each.
    #[inline(always)]
    pub(super) unsafe fn unit(&self, at: usize) -> [&'a [f64; UNIT]; 3] {
        // SAFETY: the caller's promise.
        unsafe {
            [
                cut::<f64, UNIT>(self.cc, at),
                cut::<f64, UNIT>(self.cz, at),
                cut::<f64, UNIT>(self.own, at),
            ]
        }
    }

    pub(super) fn assert_len(&self, n: usize) {
        assert!(self.cc.len() == n && self.cz.len() == n && self.own.len() == n);
    }
}

kernel! {
    /// `sum_j (S_j^2 CC + 2 S_j T_j CZ + T_j^2 ZZ)`.
    fn length_of_factors(s: &[F], t: &[F], squares: Squares<'_>) -> f64 {
        let (n, zz) = (s.len(), squares.zz);
        assert!(t.len() == n && n % UNIT == 0);
        squares.assert_len(n);
        let mut lanes = [0.0; UNIT];
        for from in (0..n).step_by(UNIT) {
            // SAFETY: every slice is n long, a multiple of UNIT.
            let (s, t, [cc, cz, own]) = unsafe { (cut::<F, UNIT>(s, from), cut::<F, UNIT>(t, from), squares.unit(from)) };
            for lane in 0..UNIT {
                let (s, t) = (s[lane].to_f64(), t[lane].to_f64());
                let zz = zz - own[lane] * own[lane];
                lanes[lane] += at_least_zero(s * s * cc[lane] + t * (2.0 * s * cz[lane] + t * zz));
            }
        }
        total(lanes)
    }
}

kernel! {
    /// `sum_j L_j^2 (CC + x^2 ZZ + 2 x CZ)`, with `x = X1 + grow psi` as [`step_factors`](super::step_factors) rounds it.
    fn length_of_step(grow: F, psi: &[F], l: &[F], x1: &[F], squares: Squares<'_>) -> f64 {
        let (n, zz) = (x1.len(), squares.zz);
        assert!(psi.len() == n && l.len() == n && n % UNIT == 0);
        squares.assert_len(n);
        let mut lanes = [0.0; UNIT];
        for from in (0..n).step_by(UNIT) {
            // SAFETY: every slice is n long, a multiple of UNIT.
            let (psi, l, x1) = unsafe { (cut::<F, UNIT>(psi, from), cut::<F, UNIT>(l, from), cut::<F, UNIT>(x1, from)) };
            // SAFETY: as above.
            let [cc, cz, own] = unsafe { squares.unit(from) };
            for lane in 0..UNIT {
                let x = I::fma(grow, psi[lane], x1[lane]).to_f64();
                let l = l[lane].to_f64();
                let zz = I::fma(-own[lane], own[lane], zz);
                let q = I::fma(x, I::fma(x, zz, 2.0 * cz[lane]), cc[lane]);
                lanes[lane] = I::fma(l * l, at_least_zero(q), lanes[lane]);
            }
        }
        total(lanes)
    }
}

kernel! {
    /// [`length_of_step`] of two sets at once; the first has no neuron's own source.
    fn lengths_of_step(grow: F, psi: &[F], l: &[F], x1: &[F], sets: [Squares<'_>; 2]) -> [f64; 2] {
        let n = x1.len();
        assert!(psi.len() == n && l.len() == n && n % UNIT == 0);
        sets.iter().for_each(|squares| squares.assert_len(n));
        let [first, second] = sets;
        let (mut of_first, mut of_second) = ([0.0; UNIT], [0.0; UNIT]);
        for from in (0..n).step_by(UNIT) {
            // SAFETY: every slice is n long, a multiple of UNIT.
            let (psi, l, x1) = unsafe { (cut::<F, UNIT>(psi, from), cut::<F, UNIT>(l, from), cut::<F, UNIT>(x1, from)) };
            // SAFETY: as above.
            let ([cc1, cz1, _], [cc2, cz2, own]) = unsafe { (first.unit(from), second.unit(from)) };
            for lane in 0..UNIT {
                let x = I::fma(grow, psi[lane], x1[lane]).to_f64();
                let l = l[lane].to_f64();
                let zz2 = I::fma(-own[lane], own[lane], second.zz);
                let q1 = I::fma(x, I::fma(x, first.zz, 2.0 * cz1[lane]), cc1[lane]);
                let q2 = I::fma(x, I::fma(x, zz2, 2.0 * cz2[lane]), cc2[lane]);
                of_first[lane] = I::fma(l * l, at_least_zero(q1), of_first[lane]);
                of_second[lane] = I::fma(l * l, at_least_zero(q2), of_second[lane]);
            }
        }
        [total(of_first), total(of_second)]
    }
}

kernel! {
    /// `sum_j G_j (G_j + 2 (S_j C_j + T_j zt))`.
    fn length_beyond(g: &[F], c: &[F], zt: F, s: &[F], t: &[F]) -> f64 {
        let (n, zt) = (g.len(), zt.to_f64());
        assert!(c.len() == n && s.len() == n && t.len() == n && n % UNIT == 0);
        let mut lanes = [0.0; UNIT];
        for from in (0..n).step_by(UNIT) {
            // SAFETY: every slice is n long, a multiple of UNIT.
            let (g, c, s, t) = unsafe {
                (cut::<F, UNIT>(g, from), cut::<F, UNIT>(c, from), cut::<F, UNIT>(s, from), cut::<F, UNIT>(t, from))
            };
            for lane in 0..UNIT {
                let of_factors = s[lane].to_f64() * c[lane].to_f64() + t[lane].to_f64() * zt;
                let g = g[lane].to_f64();
                lanes[lane] += g * (g + 2.0 * of_factors);
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
        Squares, end_lengths, follow_lengths, length_beyond, length_of_factors, length_of_step,
        lengths_of_step, squared_length,
    };
    use crate::testing::{Noise, in_both};

    const N: usize = 21;
    /// Two units.
    const STRIDE: usize = 32;
    const SOURCES: usize = 5;

    /// Rows of `C`, and `zt`, with neuron j's own source at `own[j]`, where it has none: no synapse.
    struct Rows {
        c: Vec<[f64; STRIDE]>,
        zt: [f64; SOURCES],
        own: [Option<usize>; STRIDE],
    }

    impl Rows {
        fn new(noise: &mut Noise) -> Self {
            let own = core::array::from_fn(|j| Some(j).filter(|&j| j < SOURCES));
            let mut rows = Self {
                c: vec![[0.0; STRIDE]; SOURCES],
                zt: core::array::from_fn(|_| noise.signed()),
                own,
            };
            for i in 0..SOURCES {
                rows.c[i] = core::array::from_fn(|j| {
                    if own[j] == Some(i) {
                        0.0
                    } else {
                        noise.signed()
                    }
                });
            }
            rows
        }

        /// Over the sources of neuron j.
        fn sum(&self, j: usize, of: impl Fn(f64, f64) -> f64) -> f64 {
            let sources = (0..SOURCES).filter(|&i| self.own[j] != Some(i));
            sources.map(|i| of(self.c[i][j], self.zt[i])).sum()
        }

        /// `CC`, `CZ`, a neuron's own `zt`, and `ZZ` of all sources.
        fn sums(&self) -> (Vec<f64>, Vec<f64>, Vec<f64>, f64) {
            let of = |of: fn(f64, f64) -> f64| (0..STRIDE).map(|j| self.sum(j, of)).collect();
            let own = self.own.map(|own| own.map_or(0.0, |i| self.zt[i]));
            let zz = self.zt.iter().map(|zt| zt * zt).sum();
            (of(|c, _| c * c), of(|c, zt| c * zt), own.to_vec(), zz)
        }
    }

    #[track_caller]
    fn near(got: &[f64], expected: &[f64]) {
        crate::testing::near("sums", got, expected);
    }

    in_both! {
        fn a_length_is_that_of_the_rows_it_stands_for<F>() {
            let mut noise = Noise(1);
            let rows = Rows::new(&mut noise);
            let (cc, cz, own, zz) = rows.sums();
            let squares = Squares { cc: &cc, cz: &cz, own: &own, zz };
            let [s, t, psi, l, x1] = [0; 5].map(|_| noise.numbers::<F>(STRIDE));
            let of_factors = |j: usize| rows.sum(j, |c, zt| {
                let g = s[j].to_f64() * c + t[j].to_f64() * zt;
                g * g
            });
            near(&[length_of_factors(&s, &t, squares)], &[(0..STRIDE).map(of_factors).sum()]);
            let grow = F::cast(0.75);
            let of_step = |j: usize| {
                let x = x1[j].to_f64() + 0.75 * psi[j].to_f64();
                l[j].to_f64().powi(2) * rows.sum(j, |c, zt| (c + x * zt).powi(2))
            };
            let expected: f64 = (0..STRIDE).map(of_step).sum();
            let got = length_of_step(grow, &psi, &l, &x1, squares);
            assert!((got - expected).abs() < 1e-6 * expected, "{got}, {expected}");
            // Of two sets, of which the first has no neuron's own.
            let none = [0.0; STRIDE];
            let first = Squares { own: &none, zz: 0.5, ..squares };
            let both = lengths_of_step(grow, &psi, &l, &x1, [first, squares]);
            assert_eq!(both, [length_of_step(grow, &psi, &l, &x1, first), got]);
        }
    }

    in_both! {
        fn spikes_and_the_end_of_a_block_do_to_sums_what_they_do_to_rows<F>() {
            let mut noise = Noise(2);
            // A neuron's own source is not among these, or its share is undone by the caller.
            let mut rows = Rows { own: [None; STRIDE], ..Rows::new(&mut noise) };
            let (mut cc, mut cz, mut own, mut zz) = rows.sums();
            let x1 = noise.numbers::<F>(STRIDE);
            let (grown, spikes) = (1.5, [(1, 1.0), (4, -0.5)]);
            let sum_c: Vec<F> = (0..STRIDE)
                .map(|j| F::cast(spikes.iter().map(|&(i, s): &(usize, f64)| s * rows.c[i][j]).sum()))
                .collect();
            let (mut aa, mut az) = (0.0, 0.0);
            for (i, s) in spikes {
                let a = grown * s;
                aa += a * a;
                az += a * rows.zt[i];
                rows.zt[i] += a;
                (0..STRIDE).for_each(|j| rows.c[i][j] -= a * x1[j].to_f64());
            }
            follow_lengths(grown, (aa, az), &sum_c, &x1, &mut cc, &mut cz);
            zz += 2.0 * az + aa;
            let is = rows.sums();
            let rounding = crate::testing::rounding::<F>();
            let close = |got: &[f64], expected: &[f64]| got.iter().zip(expected).all(|(x, y)| (x - y).abs() < rounding);
            assert!(close(&cc, &is.0) && close(&cz, &is.1) && (zz - is.3).abs() < 1e-12);
            let (k, a) = (0.25, 0.5);
            end_lengths((k, a, zz), &x1, &mut cc, &mut cz, &mut own);
            for i in 0..SOURCES {
                (0..STRIDE).for_each(|j| rows.c[i][j] = k * rows.c[i][j] + x1[j].to_f64() * rows.zt[i]);
                rows.zt[i] *= a;
            }
            let is = rows.sums();
            assert!(close(&cc, &is.0) && close(&cz, &is.1));
        }
    }

    in_both! {
        fn a_row_of_its_own_makes_a_gradient_longer<F>() {
            let mut noise = Noise(3);
            let [g, c, s, t] = [0; 4].map(|_| noise.numbers::<F>(STRIDE));
            let zt = F::cast(0.5);
            let of = |j: usize| {
                let of_factors = s[j].to_f64() * c[j].to_f64() + t[j].to_f64() * 0.5;
                (g[j].to_f64() + of_factors).powi(2) - of_factors.powi(2)
            };
            near(&[length_beyond(&g, &c, zt, &s, &t)], &[(0..STRIDE).map(of).sum()]);
        }
    }

    in_both! {
        fn a_squared_length_is_summed_in_float64<F>() {
            // In float32 the squares would overflow, or the small ones be lost.
            let mut numbers = alloc::vec![F::cast(1e-10); N];
            numbers[3] = F::ONE;
            let expected = 1.0 + (N - 1) as f64 * numbers[0].to_f64().powi(2);
            assert!((squared_length(&numbers) - expected).abs() < 1e-16);
            assert_eq!(squared_length(&[F::cast(1e30); 3]), 3.0 * F::cast(1e30).to_f64().powi(2));
            assert_eq!(squared_length::<F>(&[]), 0.0);
        }
    }
}
