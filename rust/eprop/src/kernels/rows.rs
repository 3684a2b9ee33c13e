//! Sums of rows: what a step's sources send, and products of whole pieces.
//! Every sum runs over its sources in one order, one accumulator per number, whatever is known at once.

use core::ops::Range;

use super::isa::Isa;
use super::isa::UNIT;
use super::{cut, cut_mut, kernel};
use crate::Float;

/// Columns of one pass, so that the accumulators stay in the first cache.
const COLUMNS: usize = 1024;

kernel! {
    /// `sum_j += sum_i rows_ij` over the rows `index`, in that order. `sum` is as long as a row, a multiple of [`UNIT`].
    fn add_rows(rows: &[F], index: &[u32], sum: &mut [F]) {
        let stride = sum.len();
        assert!(stride % UNIT == 0);
        for from in (0..stride).step_by(COLUMNS) {
            let columns = from..stride.min(from + COLUMNS);
            let mut left = index;
            while !left.is_empty() {
                // SAFETY: the columns lie within a row.
                left = unsafe {
                    match left.len() {
                        8.. => pass::<F, 8>(rows, left, columns.clone(), sum),
                        4.. => pass::<F, 4>(rows, left, columns.clone(), sum),
                        2.. => pass::<F, 2>(rows, left, columns.clone(), sum),
                        _ => pass::<F, 1>(rows, left, columns.clone(), sum),
                    }
                };
            }
        }
    }
}

/// The first `G` rows of `index` in one pass over the accumulators; returns the rest of it.
///
/// # Safety
/// `columns` end within `sum`, at multiples of [`UNIT`].
#[inline(always)]
unsafe fn pass<'a, F: Float, const G: usize>(
    rows: &[F],
    index: &'a [u32],
    columns: Range<usize>,
    sum: &mut [F],
) -> &'a [u32] {
    let stride = sum.len();
    let (group, rest) = index.split_at(G);
    let group: [&[F]; G] = core::array::from_fn(|g| &rows[group[g] as usize * stride..][..stride]);
    for j in columns.step_by(UNIT) {
        // SAFETY: j + UNIT <= stride, the length of every row.
        unsafe {
            let mut acc = *cut::<F, UNIT>(sum, j);
            for row in group {
                let row = cut::<F, UNIT>(row, j);
                for l in 0..UNIT {
                    acc[l] += row[l];
                }
            }
            *cut_mut(sum, j) = acc;
        }
    }
    rest
}

kernel! {
    /// `sum_j += sum_i scale_i rows_ij`, in the order of `index`.
    fn add_scaled_rows(rows: &[F], index: &[u32], scale: &[F], sum: &mut [F]) {
        let stride = sum.len();
        for (&i, &s) in index.iter().zip(scale) {
            let row = &rows[i as usize * stride..][..stride];
            for (sum, &w) in sum.iter_mut().zip(row) {
                *sum = I::fma(s, w, *sum);
            }
        }
    }
}

/// Rows and columns of a product that are held in registers at once, and how much of the inner dimension is gone through before the
/// next rows, so that what it reads stays in the first cache.
const TALL: usize = 6;
const WIDE: usize = 64;
const DEEP: usize = 256;

kernel! {
    /// `c_mj += sum_k a_mk b_kj`, k ascending, one accumulator per number: the bits of the same sum over rows one by one, which no library
    /// of matrix products promises. `a_mk` lies at `a[m a_strides.0 + k a_strides.1]`; rows of `b` and `c` are `width` long, a multiple of
    /// [`UNIT`].
    fn multiply_add(a: &[F], a_strides: (usize, usize), inner: usize, b: &[F], c: &mut [F], width: usize) {
        let outer = c.len() / width;
        if outer == 0 || inner == 0 {
            return;
        }
        assert!(width % UNIT == 0 && b.len() >= inner * width);
        assert!((outer - 1) * a_strides.0 + (inner - 1) * a_strides.1 < a.len());
        let product = Product { a, a_strides, b, width };
        for from in (0..inner).step_by(DEEP) {
            let depth = from..inner.min(from + DEEP);
            let single = outer - outer % TALL;
            // SAFETY, of all three: m and j stay within c, depth within the inner dimension, and the assertions hold the rest.
            for j in (0..width).step_by(UNIT) {
                for m in (0..single).step_by(TALL) {
                    unsafe { product.part::<I, TALL, UNIT>(m, j, depth.clone(), c) };
                }
            }
            for m in single..outer {
                let whole = width - width % WIDE;
                for j in (0..whole).step_by(WIDE) {
                    unsafe { product.part::<I, 1, WIDE>(m, j, depth.clone(), c) };
                }
                for j in (whole..width).step_by(UNIT) {
                    unsafe { product.part::<I, 1, UNIT>(m, j, depth.clone(), c) };
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Product<'a, F> {
    a: &'a [F],
    a_strides: (usize, usize),
    b: &'a [F],
    width: usize,
}

impl<F: Float> Product<'_, F> {
    /// `M` rows and `W` columns of the product, for some of the inner dimension.
    ///
    /// # Safety
    /// Rows `m..m + M` and columns `j..j + W` lie within `c`; `depth` within the rows of `b`; and `a` has all that they need.
    #[inline(always)]
    unsafe fn part<I: Isa, const M: usize, const W: usize>(
        self,
        m: usize,
        j: usize,
        depth: Range<usize>,
        c: &mut [F],
    ) {
        let Self {
            a,
            a_strides,
            b,
            width,
        } = self;
        // SAFETY: the caller's promise.
        unsafe {
            let mut acc: [[F; W]; M] =
                core::array::from_fn(|t| *cut::<F, W>(c, (m + t) * width + j));
            for k in depth {
                let row = *cut::<F, W>(b, k * width + j);
                for (t, acc) in acc.iter_mut().enumerate() {
                    let s = *a.get_unchecked((m + t) * a_strides.0 + k * a_strides.1);
                    for l in 0..W {
                        acc[l] = I::fma(s, row[l], acc[l]);
                    }
                }
            }
            for (t, acc) in acc.into_iter().enumerate() {
                *cut_mut(c, (m + t) * width + j) = acc;
            }
        }
    }
}

kernel! {
    /// Writes the indices of what is not 0, ascending, and returns how many. `index` is at least as long as `values`.
    fn nonzeros(values: &[F], index: &mut [u32]) -> usize {
        let index = &mut index[..values.len()];
        let mut count = 0;
        let mut note = |at: usize| {
            index[count] = at as u32;
            count += 1;
        };
        let rest = values.chunks_exact(UNIT).remainder();
        for from in (0..values.len() - rest.len()).step_by(UNIT) {
            // SAFETY: from + UNIT <= values.len().
            let mut bits = I::nonzero(unsafe { cut::<F, UNIT>(values, from) });
            while bits != 0 {
                note(from + bits.trailing_zeros() as usize);
                bits &= bits - 1;
            }
        }
        for (l, &x) in rest.iter().enumerate() {
            if x != F::ZERO {
                note(values.len() - rest.len() + l);
            }
        }
        count
    }
}

kernel! {
    /// `l_j = sum_k scale_k rows_kj`, k ascending, of some columns: `rows` begin with the first of them, and are `stride` apart.
    fn mix_rows(rows: &[F], stride: usize, scale: &[F], l: &mut [F]) {
        mix_all::<I, F>(rows, stride, scale, l);
    }
}

/// The body of [`mix_rows`], within other kernels.
#[inline(always)]
pub(super) fn mix_all<I: Isa, F: Float>(rows: &[F], stride: usize, scale: &[F], l: &mut [F]) {
    let n = l.len();
    assert!(n <= stride && n % UNIT == 0);
    assert!(scale.is_empty() || rows.len() >= (scale.len() - 1) * stride + n);
    let mut j = 0;
    while j < n {
        // SAFETY: the assertions above; the width taken never passes the last column.
        j += unsafe {
            match n - j {
                0..32 => mix::<I, F, 16>((rows, stride), scale, j, l),
                32..64 => mix::<I, F, 32>((rows, stride), scale, j, l),
                _ => mix::<I, F, 64>((rows, stride), scale, j, l),
            }
        };
    }
}

/// `W` columns of [`mix_rows`]; returns `W`.
///
/// # Safety
/// `rows` holds as many rows as there are scales, `stride` apart and the last as long as `l`, and `j + W <= l.len()`.
#[inline(always)]
unsafe fn mix<I: Isa, F: Float, const W: usize>(
    (rows, stride): (&[F], usize),
    scale: &[F],
    j: usize,
    l: &mut [F],
) -> usize {
    let mut acc = [F::ZERO; W];
    for (k, &s) in scale.iter().enumerate() {
        // SAFETY: the caller's promise.
        let row = unsafe { cut::<F, W>(rows, k * stride + j) };
        for lane in 0..W {
            acc[lane] = I::fma(s, row[lane], acc[lane]);
        }
    }
    // SAFETY: the caller's promise.
    unsafe { *cut_mut(l, j) = acc };
    W
}

kernel! {
    /// `to_j += scale row_j`.
    fn add_row(scale: F, row: &[F], to: &mut [F]) {
        for (to, &x) in to.iter_mut().zip(row) {
            *to = I::fma(scale, x, *to);
        }
    }
}

/// A sum; 0 where it is less than 16 epsilon of its parts, which cancel: of what is left no digit is known.
#[inline(always)]
pub(super) fn beyond_rounding<F: Float>(sum: F, parts: F) -> F {
    match sum.abs() < F::cast(16.0 * F::EPSILON) * parts {
        true => F::ZERO,
        false => sum,
    }
}

kernel! {
    /// As [`add_row`]; 0 where the two cancel.
    fn add_or_cancel_row(scale: F, row: &[F], to: &mut [F]) {
        for (to, &x) in to.iter_mut().zip(row) {
            *to = beyond_rounding(I::fma(scale, x, *to), to.abs());
        }
    }
}

kernel! {
    /// `to_j *= scale`.
    fn scale_row(scale: F, to: &mut [F]) {
        for to in to {
            *to *= scale;
        }
    }
}

kernel! {
    /// One spike of a feed-forward source whose row is in factors: `sum += s row`, then `row += shift v`.
    fn send_and_shift(s: F, shift: F, v: &[F], row: &mut [F], sum: &mut [F]) {
        let n = row.len();
        let (v, sum) = (&v[..n], &mut sum[..n]);
        for j in 0..n {
            sum[j] = I::fma(s, row[j], sum[j]);
            row[j] = I::fma(shift, v[j], row[j]);
        }
    }
}

kernel! {
    /// `to_i = sum_j rows_ij x_j`: as many rows as `to`, each as long as `x`; lanes of [`UNIT`] are summed last.
    fn dot_rows(rows: &[F], x: &[F], to: &mut [F]) {
        let stride = x.len();
        assert!(stride > 0 && stride % UNIT == 0);
        for (to, row) in to.iter_mut().zip(rows.chunks_exact(stride)) {
            let mut acc = [F::ZERO; UNIT];
            for j in (0..stride).step_by(UNIT) {
                // SAFETY: row and x are stride long, a multiple of UNIT.
                let (row, x) = unsafe { (cut::<F, UNIT>(row, j), cut::<F, UNIT>(x, j)) };
                for l in 0..UNIT {
                    acc[l] = I::fma(row[l], x[l], acc[l]);
                }
            }
            *to = acc.iter().copied().sum();
        }
    }
}

kernel! {
    /// Whether no magnitude is beyond `limit`, or NaN.
    fn all_within(limit: F, values: &[F]) -> bool {
        let mut beyond = [F::ZERO; UNIT];
        for unit in values.chunks(UNIT) {
            for (beyond, &x) in beyond.iter_mut().zip(unit) {
                *beyond += if x.abs() <= limit { F::ZERO } else { F::ONE };
            }
        }
        beyond.iter().all(|&beyond| beyond == F::ZERO)
    }
}

kernel! {
    /// `to_j += a_j b_j`.
    fn add_products(a: &[F], b: &[F], to: &mut [F]) {
        for ((to, &a), &b) in to.iter_mut().zip(a).zip(b) {
            *to = I::fma(a, b, *to);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::{
        add_products, add_row, add_rows, add_scaled_rows, all_within, dot_rows, mix_rows,
        multiply_add, nonzeros, scale_row, send_and_shift,
    };
    use crate::kernels::tests::fma;
    use crate::testing::{Noise, in_both, same_bits};

    /// Widths of a row: of one unit, some, and more than one pass takes.
    const STRIDES: [usize; 5] = [16, 48, 64, 80, 1040];

    in_both! {
        fn rows_are_added_in_the_order_of_their_list<F>() {
            let mut noise = Noise(1);
            for stride in STRIDES {
                let (rows, before) = (noise.numbers::<F>(20 * stride), noise.numbers::<F>(stride));
                for n in [0, 1, 2, 3, 5, 7, 8, 13, 20] {
                    // In no order of their own.
                    let index: Vec<u32> = (0..n).map(|at| at * 7 % 20).collect();
                    let mut sum = before.clone();
                    add_rows(&rows, &index, &mut sum);
                    let expected: Vec<F> = (0..stride).map(|j| {
                        index.iter().fold(before[j], |sum, &i| sum + rows[i as usize * stride + j])
                    }).collect();
                    same_bits("sum", &sum, &expected);
                }
            }
        }
    }

    in_both! {
        fn scaled_rows_are_added_in_the_order_of_their_list<F>() {
            let mut noise = Noise(2);
            for stride in STRIDES {
                let (rows, before) = (noise.numbers::<F>(9 * stride), noise.numbers::<F>(stride));
                let (index, scale) = ([8, 0, 5, 3], noise.numbers::<F>(4));
                let mut sum = before.clone();
                add_scaled_rows(&rows, &index, &scale, &mut sum);
                let expected: Vec<F> = (0..stride).map(|j| {
                    let rows = index.iter().map(|&i| rows[i as usize * stride + j]);
                    rows.zip(&scale).fold(before[j], |sum, (w, &s)| fma(s, w, sum))
                }).collect();
                same_bits("sum", &sum, &expected);
            }
        }
    }

    in_both! {
        fn a_product_of_matrices_is_summed_in_ascending_order_whatever_its_sizes<F>() {
            let mut noise = Noise(3);
            for (outer, inner, width) in [(1, 1, 16), (1, 300, 80), (5, 7, 144), (6, 3, 16), (13, 257, 32), (24, 20, 64), (3, 0, 16), (0, 3, 16)] {
                let a = noise.numbers::<F>(outer * inner);
                let (b, before) = (noise.numbers::<F>(inner * width), noise.numbers::<F>(outer * width));
                // Row by row, and column by column.
                for a_strides in [(inner, 1), (1, outer)] {
                    let mut c = before.clone();
                    multiply_add(&a, a_strides, inner, &b, &mut c, width);
                    let expected: Vec<F> = (0..outer * width).map(|at| {
                        let (m, j) = (at / width, at % width);
                        (0..inner).fold(before[at], |sum, k| fma(a[m * a_strides.0 + k * a_strides.1], b[k * width + j], sum))
                    }).collect();
                    same_bits("product", &c, &expected);
                }
            }
        }
    }

    in_both! {
        fn what_is_not_zero_is_listed_in_ascending_order<F>() {
            let mut noise = Noise(4);
            for len in [0, 1, 15, 16, 17, 50, 64, 100] {
                for density in [0.0, 0.1, 0.5, 1.0] {
                    let numbers: Vec<F> = (0..len).map(|at| match noise.uniform() < density {
                        true if at % 5 == 0 => F::cast(f64::NAN),
                        true => F::cast(noise.signed() - 2.0),
                        false if at % 2 == 0 => F::cast(-0.0),
                        false => F::ZERO,
                    }).collect();
                    let mut index = vec![u32::MAX; len + 3];
                    let n = nonzeros(&numbers, &mut index);
                    let expected: Vec<u32> = (0..len as u32).filter(|&at| numbers[at as usize] != F::ZERO).collect();
                    assert_eq!(index[..n], expected);
                    assert_eq!(index[len..], [u32::MAX; 3]);
                }
            }
        }
    }

    in_both! {
        fn a_mixture_of_rows_is_summed_in_their_order<F>() {
            let mut noise = Noise(5);
            for stride in STRIDES {
                for n in [0, 1, 5] {
                    let (rows, scale) = (noise.numbers::<F>(n * stride), noise.numbers::<F>(n));
                    let mut l = noise.numbers::<F>(stride);
                    mix_rows(&rows, stride, &scale, &mut l);
                    let expected: Vec<F> = (0..stride).map(|j| {
                        (0..n).fold(F::ZERO, |sum, k| fma(scale[k], rows[k * stride + j], sum))
                    }).collect();
                    same_bits("l", &l, &expected);
                }
            }
        }
    }

    in_both! {
        fn loops_over_a_row_reach_its_last_number<F>() {
            let mut noise = Noise(6);
            for n in [1, 7, 16, 37] {
                let (a, b, before) = (noise.numbers::<F>(n), noise.numbers::<F>(n), noise.numbers::<F>(n));
                let s = F::cast(0.3);
                let expected = |of: &dyn Fn(usize) -> F| (0..n).map(of).collect::<Vec<_>>();
                let mut to = before.clone();
                add_row(s, &a, &mut to);
                same_bits("add_row", &to, &expected(&|j| fma(s, a[j], before[j])));
                let mut to = before.clone();
                scale_row(s, &mut to);
                same_bits("scale_row", &to, &expected(&|j| before[j] * s));
                let mut to = before.clone();
                add_products(&a, &b, &mut to);
                same_bits("add_products", &to, &expected(&|j| fma(a[j], b[j], before[j])));
                let (mut row, mut sum) = (a.clone(), before.clone());
                send_and_shift(s, F::cast(-0.7), &b, &mut row, &mut sum);
                same_bits("sum", &sum, &expected(&|j| fma(s, a[j], before[j])));
                same_bits("row", &row, &expected(&|j| fma(F::cast(-0.7), b[j], a[j])));
            }
        }
    }

    in_both! {
        fn dot_products_are_summed_lane_by_lane_and_then_over_lanes<F>() {
            let mut noise = Noise(7);
            for stride in STRIDES {
                let (rows, x) = (noise.numbers::<F>(3 * stride), noise.numbers::<F>(stride));
                let mut to = [F::ONE; 3];
                dot_rows(&rows, &x, &mut to);
                let expected: Vec<F> = rows.chunks_exact(stride).map(|row| {
                    let lane = |l: usize| (l..stride).step_by(16).fold(F::ZERO, |sum, j| fma(row[j], x[j], sum));
                    (0..16).map(lane).sum()
                }).collect();
                same_bits("dot", &to, &expected);
            }
        }
    }

    in_both! {
        fn one_number_beyond_the_limit_is_found_at_every_place<F>() {
            let limit = F::cast(4.0);
            for len in [0, 1, 16, 35] {
                let mut numbers = vec![limit; len];
                assert!(all_within(limit, &numbers));
                for at in 0..len {
                    for beyond in [4.001, -4.001, f64::NAN, f64::INFINITY] {
                        numbers[at] = F::cast(beyond);
                        assert!(!all_within(limit, &numbers), "{beyond} at {at} of {len}");
                    }
                    numbers[at] = -limit;
                }
            }
        }
    }
}
