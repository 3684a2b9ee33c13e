//! Sums of rows: what a step's sources send, and products of whole pieces.
//! Every sum runs over its sources in one order, one accumulator per number, whatever is known at once.

use core::ops::Range;

use super::isa::Isa;
use super::{cut, cut_mut, kernel};
use crate::Float;
use crate::numbers::aligned::UNIT;

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
    /// `l_j = sum_k scale_k rows_kj`, k ascending; as many rows as scales, each as long as `l`.
    fn mix_rows(rows: &[F], scale: &[F], l: &mut [F]) {
        let stride = l.len();
        assert!(rows.len() >= scale.len() * stride && stride % UNIT == 0);
        let mut j = 0;
        while j < stride {
            // SAFETY: the assertion above; the width taken never passes the end of a row.
            j += unsafe {
                match stride - j {
                    0..32 => mix::<I, F, 16>(rows, scale, j, l),
                    32..64 => mix::<I, F, 32>(rows, scale, j, l),
                    _ => mix::<I, F, 64>(rows, scale, j, l),
                }
            };
        }
    }
}

/// `W` columns of [`mix_rows`]; returns `W`.
///
/// # Safety
/// `rows` holds as many rows as there are scales, each as long as `l`, and `j + W <= l.len()`.
#[inline(always)]
unsafe fn mix<I: Isa, F: Float, const W: usize>(
    rows: &[F],
    scale: &[F],
    j: usize,
    l: &mut [F],
) -> usize {
    let mut acc = [F::ZERO; W];
    for (k, &s) in scale.iter().enumerate() {
        // SAFETY: the caller's promise.
        let row = unsafe { cut::<F, W>(rows, k * l.len() + j) };
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
