//! The row operations of the textbook recursion. Plain loops over equal-length slices, so that the compiler vectorises them.

use crate::Float;

/// Sets to 0 what has faded out, so that no subnormal number slows the next steps.
pub(crate) fn silence<F: Float>(row: &mut [F]) {
    row.iter_mut().for_each(|x| *x = x.or_silence());
}

/// How one source's eligibility moves: `e_bar = kappa_e e_bar + drive psi`.
#[derive(Clone, Copy)]
pub(crate) struct Eligibility<'a, F> {
    pub(crate) kappa_e: F,
    pub(crate) drive: F,
    pub(crate) psi: &'a [F],
}

impl<F: Float> Eligibility<'_, F> {
    #[inline]
    fn next(&self, e_bar: F, psi: F) -> F {
        self.kappa_e * e_bar + self.drive * psi
    }

    /// Moves a row on without learning.
    pub(crate) fn move_on(&self, e_bar: &mut [F]) {
        let psi = &self.psi[..e_bar.len()];
        for j in 0..psi.len() {
            e_bar[j] = self.next(e_bar[j], psi[j]);
        }
    }

    /// Moves a row on and, in the same pass, feeds its gradient to `put`, synapse by synapse: `L e_bar` and, under a
    /// regulariser, `+ r psi z_bar`.
    #[inline]
    pub(crate) fn learn(
        &self,
        l: &[F],
        regulariser: Option<(&[F], F)>,
        e_bar: &mut [F],
        to: &mut [F],
        put: impl Fn(F, F) -> F,
    ) {
        let n = to.len();
        let (l, psi, e_bar) = (&l[..n], &self.psi[..n], &mut e_bar[..n]);
        match regulariser {
            None => {
                for j in 0..n {
                    e_bar[j] = self.next(e_bar[j], psi[j]);
                    to[j] = put(to[j], l[j] * e_bar[j]);
                }
            }
            Some((r, z_bar)) => {
                let r = &r[..n];
                for j in 0..n {
                    e_bar[j] = self.next(e_bar[j], psi[j]);
                    to[j] = put(to[j], l[j] * e_bar[j] + r[j] * (psi[j] * z_bar));
                }
            }
        }
    }
}

/// `to_j += scale row_j`.
#[inline]
pub(crate) fn add_scaled<F: Float>(scale: F, row: &[F], to: &mut [F]) {
    to.iter_mut().zip(row).for_each(|(to, &x)| *to += scale * x);
}

/// `to_ij += r_j rows_ij`.
pub(crate) fn add_scaled_rows_by<F: Float>(r: &[F], rows: &[F], to: &mut [F]) {
    for (to, row) in to.chunks_exact_mut(r.len()).zip(rows.chunks_exact(r.len())) {
        for ((to, &row), &r) in to.iter_mut().zip(row).zip(r) {
            *to += r * row;
        }
    }
}

/// The same of numbers in the order of lists, each of the neuron that stands in its place there.
pub(crate) fn add_scaled_listed<F: Float>(r: &[F], targets: &[u32], numbers: &[F], to: &mut [F]) {
    for ((to, &x), &j) in to.iter_mut().zip(numbers).zip(targets) {
        *to += r[j as usize] * x;
    }
}

/// The numbers of the neurons that a source reaches, out of a vector over all.
#[inline]
pub(crate) fn gather_listed<F: Float>(targets: &[u32], from: &[F], to: &mut [F]) {
    for (to, &j) in to.iter_mut().zip(targets) {
        *to = from[j as usize];
    }
}

/// Whether no value is NaN or infinite.
pub(crate) fn all_finite<F: Float>(values: &[F]) -> bool {
    all_finite_times(F::ONE, values)
}

/// Whether no value is NaN or infinite once it is multiplied with `scale`.
pub(crate) fn all_finite_times<F: Float>(scale: F, values: &[F]) -> bool {
    // 0 x is 0 for a finite x and NaN for any other; the sum of lanes vectorises where a branch would not.
    let mut lanes = [F::ZERO; 16];
    let chunks = values.chunks_exact(lanes.len());
    let rest = chunks.remainder();
    for chunk in chunks {
        lanes
            .iter_mut()
            .zip(chunk)
            .for_each(|(lane, &x)| *lane += F::ZERO * (scale * x));
    }
    lanes.iter().all(|x| x.is_finite()) && rest.iter().all(|&x| (scale * x).is_finite())
}

#[cfg(test)]
mod tests {
    use super::{
        Eligibility, add_scaled, add_scaled_listed, add_scaled_rows_by, all_finite, gather_listed,
        silence,
    };
    use crate::testing::{Noise, in_both, same_bits};

    const N: usize = 21;

    in_both! {
        fn eligibility_decays_and_is_driven_by_psi<F>() {
            let mut noise = Noise(1);
            let (psi, before) = (noise.numbers::<F>(N), noise.numbers::<F>(N));
            let eligibility = Eligibility { kappa_e: F::cast(0.9), drive: F::cast(-0.3), psi: &psi };
            let expected: alloc::vec::Vec<F> = (0..N).map(|j| F::cast(0.9) * before[j] + F::cast(-0.3) * psi[j]).collect();
            let mut e_bar = before;
            eligibility.move_on(&mut e_bar);
            same_bits("e_bar", &e_bar, &expected);
        }
    }

    in_both! {
        fn learning_moves_it_on_alike_and_puts_the_gradient_of_the_new_trace<F>() {
            let mut noise = Noise(2);
            let (psi, l, r) = (noise.numbers::<F>(N), noise.numbers::<F>(N), noise.numbers::<F>(N));
            let (before, to_before) = (noise.numbers::<F>(N), noise.numbers::<F>(N));
            let z_bar = F::cast(1.5);
            let eligibility = Eligibility { kappa_e: F::cast(0.9), drive: F::cast(0.75), psi: &psi };
            for regulariser in [None, Some((&r[..], z_bar))] {
                let (mut e_bar, mut followed, mut to) = (before.clone(), before.clone(), to_before.clone());
                eligibility.move_on(&mut followed);
                eligibility.learn(&l, regulariser, &mut e_bar, &mut to, |w, g| w - F::cast(0.25) * g);
                same_bits("e_bar", &e_bar, &followed);
                let expected: alloc::vec::Vec<F> = (0..N).map(|j| {
                    let of_raw = if regulariser.is_some() { r[j] * (psi[j] * z_bar) } else { F::ZERO };
                    to_before[j] - F::cast(0.25) * (l[j] * followed[j] + of_raw)
                }).collect();
                same_bits("w", &to, &expected);
            }
        }
    }

    in_both! {
        fn rows_are_added_by_a_scale_or_by_a_scale_per_column<F>() {
            let mut noise = Noise(3);
            let (rows, r, before) = (noise.numbers::<F>(3 * N), noise.numbers::<F>(N), noise.numbers::<F>(3 * N));
            let mut to = before.clone();
            add_scaled(F::cast(0.3), &rows, &mut to);
            let expected: alloc::vec::Vec<F> = (0..3 * N).map(|at| before[at] + F::cast(0.3) * rows[at]).collect();
            same_bits("scaled", &to, &expected);
            let mut to = before.clone();
            add_scaled_rows_by(&r, &rows, &mut to);
            let expected: alloc::vec::Vec<F> = (0..3 * N).map(|at| before[at] + r[at % N] * rows[at]).collect();
            same_bits("by column", &to, &expected);
        }
    }

    in_both! {
        fn numbers_of_lists_are_those_of_their_neurons<F>() {
            let mut noise = Noise(5);
            let (r, numbers, before) = (noise.numbers::<F>(N), noise.numbers::<F>(4), noise.numbers::<F>(4));
            let targets = [3, 0, 20, 3];
            let (mut gathered, mut to) = ([F::ZERO; 4], before.clone());
            gather_listed(&targets, &r, &mut gathered);
            same_bits("gathered", &gathered, &targets.map(|j| r[j as usize]));
            add_scaled_listed(&r, &targets, &numbers, &mut to);
            let expected: alloc::vec::Vec<F> = (0..4).map(|at| before[at] + gathered[at] * numbers[at]).collect();
            same_bits("by neuron", &to, &expected);
        }
    }

    in_both! {
        fn a_flaw_is_found_at_every_place<F>() {
            for len in [0, 1, 16, 33] {
                let mut numbers = Noise(4).numbers::<F>(len);
                assert!(all_finite(&numbers));
                for at in 0..len {
                    for flaw in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                        let before = core::mem::replace(&mut numbers[at], F::cast(flaw));
                        assert!(!all_finite(&numbers), "{flaw} at {at} of {len}");
                        numbers[at] = before;
                    }
                }
            }
            // The largest numbers there are sum to no infinity.
            let largest = F::cast(if size_of::<F>() == 4 { f64::from(f32::MAX) } else { f64::MAX });
            assert!(all_finite(&[largest; 40]));
        }
    }

    in_both! {
        fn what_has_faded_is_set_to_zero_and_all_else_stays<F>() {
            let faded = F::SILENCE * F::cast(0.5);
            let mut row = [F::ONE, faded, -faded, F::SILENCE, F::cast(-2.0)];
            silence(&mut row);
            assert_eq!(row, [F::ONE, F::ZERO, F::ZERO, F::SILENCE, F::cast(-2.0)]);
        }
    }
}
