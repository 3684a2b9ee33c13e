//! Sums of squares, in float64: how long gradients are (docs/method.md, "Steps that do not overshoot").

use super::isa::UNIT;
use super::{cut, cut_mut, kernel};

/// Their sum, pair by pair: each addition of one after the other would wait for the one before.
#[inline(always)]
pub(super) fn total<const N: usize>(lanes: [f64; N]) -> f64 {
    let mut lanes = lanes;
    let mut half = N / 2;
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

/// Sums over the sources of every neuron, with `e = C + X1 zt`: `sum_i e^2` and `sum_i e zt`; and `sum_i zt^2` over all sources, a neuron's own among them.
#[derive(Clone, Copy)]
pub(crate) struct Squares<'a> {
    pub(crate) ee: &'a [f64],
    pub(crate) ez: &'a [f64],
    pub(crate) zz: f64,
}

/// The same, to be moved on by a step.
pub(crate) struct SquaresMut<'a, F> {
    pub(crate) ee: &'a mut [f64],
    pub(crate) ez: &'a mut [f64],
    pub(crate) zz: f64,
    /// `sum_i s_i C_i` over the step's sources, before their rows changed.
    pub(crate) sum_c: &'a [F],
    /// `sum_i a_i zt_i` over the same.
    pub(crate) az: f64,
}

kernel! {
    /// A step of the sums of one set of sources, or of several; neurons themselves are sources of the last, and `own` is their `zt^2`, which `ZZ` is without. A spike
    /// moves `C` by `-a X1` and `zt` by `a`, so `e` stays what it was, and `EZ += sum_i a_i e_i = grown sum_c + X1 az`, where the spikes have `grown` by so
    /// much. Then `X1` grows by `x`, as [`step_factors`](super::step_factors) rounds it with this `grow`, and `e` by `x zt`: `EE += 2 x EZ + x^2 ZZ; EZ += x ZZ`.
    /// What spikes add is rounded as the rows are, the sums in float64. Returns `sum_j L_j^2 EE` of each set.
    fn step_lengths<const SETS>(scales: (F, F), psi: &[F], l: &[F], x1: &[F], own: &[f64], sets: [SquaresMut<'_, F>; SETS]) -> [f64; SETS] {
        let n = x1.len();
        assert!(psi.len() == n && l.len() == n && own.len() == n && n % UNIT == 0);
        assert!(sets.iter().all(|set| set.ee.len() == n && set.ez.len() == n && set.sum_c.len() == n));
        let (mut sets, (grow, grown)) = (sets, scales);
        let mut lanes = [[0.0; UNIT]; SETS];
        for from in (0..n).step_by(UNIT) {
            // SAFETY: every slice is n long, a multiple of UNIT.
            let (psi, l, x1, own) = unsafe {
                (cut::<F, UNIT>(psi, from), cut::<F, UNIT>(l, from), cut::<F, UNIT>(x1, from), cut::<f64, UNIT>(own, from))
            };
            let (mut grows, mut squared_l) = ([0.0; UNIT], [0.0; UNIT]);
            for lane in 0..UNIT {
                grows[lane] = (I::fma(grow, psi[lane], x1[lane]) - x1[lane]).to_f64();
                squared_l[lane] = l[lane].to_f64() * l[lane].to_f64();
            }
            for set in 0..SETS {
                let SquaresMut { ee, ez, zz, sum_c, az } = &mut sets[set];
                let (zz, az) = (*zz, F::cast(*az));
                // SAFETY: as above; places are copied before they are written.
                let (sum_c, ee, ez) = unsafe {
                    (cut::<F, UNIT>(sum_c, from), cut_mut::<f64, UNIT>(ee, from), cut_mut::<f64, UNIT>(ez, from))
                };
                let (mut ee_now, mut ez_now) = (*ee, *ez);
                for lane in 0..UNIT {
                    let zz = if set + 1 == SETS { zz - own[lane] } else { zz };
                    let spiked = ez_now[lane] + I::fma(grown, sum_c[lane], x1[lane] * az).to_f64();
                    ez_now[lane] = I::fma(grows[lane], zz, spiked);
                    ee_now[lane] = I::fma(grows[lane], spiked + ez_now[lane], ee_now[lane]);
                    lanes[set][lane] = I::fma(squared_l[lane], ee_now[lane], lanes[set][lane]);
                }
                (*ee, *ez) = (ee_now, ez_now);
            }
        }
        lanes.map(total)
    }
}

kernel! {
    /// Of each set, `sum_j (S_j^2 EE - 2 S_j Y_j EZ + Y_j^2 ZZ)` with `Y = S X1 - T`: the squared length of `S C + T zt`. `own`: as of [`step_lengths`].
    fn length_of_factors<const SETS>(s: &[F], t: &[F], x1: &[F], own: &[f64], sets: [Squares<'_>; SETS]) -> [f64; SETS] {
        let n = s.len();
        assert!(t.len() == n && x1.len() == n && own.len() == n && n % UNIT == 0);
        assert!(sets.iter().all(|set| set.ee.len() == n && set.ez.len() == n));
        let mut lanes = [[0.0; UNIT]; SETS];
        for from in (0..n).step_by(UNIT) {
            // SAFETY: every slice is n long, a multiple of UNIT.
            let (s, t, x1, own) = unsafe {
                (cut::<F, UNIT>(s, from), cut::<F, UNIT>(t, from), cut::<F, UNIT>(x1, from), cut::<f64, UNIT>(own, from))
            };
            for set in 0..SETS {
                let Squares { ee, ez, zz } = sets[set];
                // SAFETY: as above.
                let (ee, ez) = unsafe { (cut::<f64, UNIT>(ee, from), cut::<f64, UNIT>(ez, from)) };
                for lane in 0..UNIT {
                    let s = s[lane].to_f64();
                    let y = I::fma(s, x1[lane].to_f64(), -t[lane].to_f64());
                    let zz = if set + 1 == SETS { zz - own[lane] } else { zz };
                    lanes[set][lane] += s * s * ee[lane] + y * (y * zz - 2.0 * s * ez[lane]);
                }
            }
        }
        lanes.map(total)
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
        Squares, SquaresMut, length_beyond, length_of_factors, squared_length, step_lengths,
    };
    use crate::testing::{Noise, in_both};

    const N: usize = 21;
    /// Two units.
    const STRIDE: usize = 32;
    const SOURCES: usize = 5;

    /// Rows of `C`, and `zt`; without neuron j's own source, if that is among these, which is j.
    struct Rows {
        c: Vec<[f64; STRIDE]>,
        zt: [f64; SOURCES],
        has_own: bool,
    }

    /// What is kept of them: `EE`, `EZ`, a neuron's own `zt^2`, and `ZZ` of all.
    struct Sums {
        ee: Vec<f64>,
        ez: Vec<f64>,
        own: Vec<f64>,
        zz: f64,
    }

    impl Rows {
        fn new(noise: &mut Noise, has_own: bool) -> Self {
            let mut rows = Self {
                c: vec![[0.0; STRIDE]; SOURCES],
                zt: core::array::from_fn(|_| noise.signed()),
                has_own,
            };
            for i in 0..SOURCES {
                rows.c[i] = core::array::from_fn(|j| match rows.exists(i, j) {
                    true => noise.signed(),
                    false => 0.0,
                });
            }
            rows
        }

        fn exists(&self, i: usize, j: usize) -> bool {
            !self.has_own || i != j
        }

        /// Over the sources of neuron j.
        fn sum(&self, j: usize, of: impl Fn(f64, f64) -> f64) -> f64 {
            let sources = (0..SOURCES).filter(|&i| self.exists(i, j));
            sources.map(|i| of(self.c[i][j], self.zt[i])).sum()
        }

        fn sums<F: crate::Float>(&self, x1: &[F]) -> Sums {
            let e = |j: usize, c: f64, zt: f64| c + x1[j].to_f64() * zt;
            let own = |j: usize| match self.has_own && j < SOURCES {
                true => self.zt[j] * self.zt[j],
                false => 0.0,
            };
            Sums {
                ee: (0..STRIDE)
                    .map(|j| self.sum(j, |c, zt| e(j, c, zt) * e(j, c, zt)))
                    .collect(),
                ez: (0..STRIDE)
                    .map(|j| self.sum(j, |c, zt| e(j, c, zt) * zt))
                    .collect(),
                own: (0..STRIDE).map(own).collect(),
                zz: self.zt.iter().map(|zt| zt * zt).sum(),
            }
        }
    }

    #[track_caller]
    fn near(got: &[f64], expected: &[f64]) {
        crate::testing::near("sums", got, expected);
    }

    in_both! {
        fn a_length_is_that_of_the_rows_it_stands_for<F>() {
            let mut noise = Noise(1);
            let [s, t, x1] = [0; 3].map(|_| noise.numbers::<F>(STRIDE));
            let [first, last] = [false, true].map(|has_own| Rows::new(&mut noise, has_own));
            let length = |rows: &Rows| (0..STRIDE)
                .map(|j| rows.sum(j, |c, zt| (s[j].to_f64() * c + t[j].to_f64() * zt).powi(2)))
                .sum::<f64>();
            let [of_first, of_last] = [&first, &last].map(|rows| rows.sums(&x1));
            let own = &of_last.own;
            let [of_first, of_last] = [&of_first, &of_last].map(|sums| Squares { ee: &sums.ee, ez: &sums.ez, zz: sums.zz });
            near(&length_of_factors(&s, &t, &x1, own, [of_first, of_last]), &[length(&first), length(&last)]);
            near(&length_of_factors(&s, &t, &x1, own, [of_last]), &[length(&last)]);
        }
    }

    in_both! {
        fn a_step_does_to_sums_what_its_spikes_and_psi_do_to_rows<F>() {
            let mut noise = Noise(2);
            let [psi, l, mut x1] = [0; 3].map(|_| noise.numbers::<F>(STRIDE));
            let mut sets = [false, true].map(|has_own| Rows::new(&mut noise, has_own));
            let mut sums = [0, 1].map(|set| sets[set].sums(&x1));
            let (grow, grown) = (F::cast(0.75), 1.5_f64);
            let (mut sum_c, mut az) = ([vec![F::ZERO; STRIDE], vec![F::ZERO; STRIDE]], [0.0; 2]);
            let spikes = [[(1, 1.0), (4, -0.5)], [(3, 1.0), (2, 2.0)]];
            for set in 0..2 {
                let rows = &mut sets[set];
                for j in 0..STRIDE {
                    sum_c[set][j] = F::cast(spikes[set].iter().map(|&(i, s)| s * rows.c[i][j]).sum());
                }
                for (i, s) in spikes[set] {
                    let a = grown * s;
                    az[set] += a * rows.zt[i];
                    sums[set].zz += a * (2.0 * rows.zt[i] + a);
                    if rows.has_own {
                        sums[set].ez[i] -= x1[i].to_f64() * a * rows.zt[i];
                        sums[set].own[i] += a * (2.0 * rows.zt[i] + a);
                    }
                    for j in (0..STRIDE).filter(|&j| !rows.has_own || i != j) {
                        rows.c[i][j] -= a * x1[j].to_f64();
                    }
                    rows.zt[i] += a;
                }
            }
            let own = sums[1].own.clone();
            let mut after = [0, 1].map(|set| (sums[set].ee.clone(), sums[set].ez.clone()));
            let mut alone = after[1].clone();
            fn set<'a, F>((ee, ez): &'a mut (Vec<f64>, Vec<f64>), zz: f64, sum_c: &'a [F], az: f64) -> SquaresMut<'a, F> {
                SquaresMut { ee, ez, zz, sum_c, az }
            }
            let [first, last] = &mut after;
            let both = [set(first, sums[0].zz, &sum_c[0], az[0]), set(last, sums[1].zz, &sum_c[1], az[1])];
            let lengths = step_lengths((grow, F::cast(grown)), &psi, &l, &x1, &own, both);
            // Alone, a set is what it is beside another.
            let last = set(&mut alone, sums[1].zz, &sum_c[1], az[1]);
            assert_eq!(step_lengths((grow, F::cast(grown)), &psi, &l, &x1, &own, [last]), lengths[1..]);
            assert_eq!(alone, after[1]);
            x1.iter_mut().zip(&psi).for_each(|(x1, &psi)| *x1 += grow * psi);
            for set in 0..2 {
                let is = sets[set].sums(&x1);
                let rounding = crate::testing::rounding::<F>();
                let close = |got: &[f64], expected: &[f64]| got.iter().zip(expected).all(|(x, y)| (x - y).abs() < 4.0 * rounding);
                assert!(close(&after[set].0, &is.ee) && close(&after[set].1, &is.ez));
                assert!((sums[set].zz - is.zz).abs() < 1e-12 && close(&own, &sums[1].own));
                let length: f64 = (0..STRIDE).map(|j| l[j].to_f64().powi(2) * is.ee[j]).sum();
                assert!((lengths[set] - length).abs() < 4.0 * rounding * length, "{} {length}", lengths[set]);
            }
        }
    }

    in_both! {
        fn a_neuron_that_is_its_only_source_has_no_synapse_to_the_bit<F>() {
            let mut noise = Noise(5);
            let (psi, x1) = (noise.numbers::<F>(STRIDE), noise.numbers::<F>(STRIDE));
            let (a, zt) = (noise.signed(), noise.signed());
            let (a_zt, zz) = (a * zt, zt * zt + a * (2.0 * zt + a));
            let (mut ee, mut ez, mut own) = (vec![0.0; STRIDE], vec![0.0; STRIDE], vec![0.0; STRIDE]);
            ez[7] -= (x1[7] * F::cast(a_zt)).to_f64();
            own[7] = zz;
            let set = SquaresMut { ee: &mut ee, ez: &mut ez, zz, sum_c: &[F::ZERO; STRIDE], az: a_zt };
            step_lengths((F::ONE, F::ONE), &psi, &psi, &x1, &own, [set]);
            assert!((ee[7], ez[7]) == (0.0, 0.0) && ee[8] > 0.0 && ez[8] != 0.0);
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
