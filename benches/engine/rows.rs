//! The rows of the spikes read once: what inference cannot do without.
#![allow(unsafe_code, reason = "the limits of AVX2 are measured with AVX2")]

use std::hint::black_box;

use ndarray::Array2;

use crate::limits::{LINE, on_a_line};
use crate::timing::least;
use crate::work::Work;

/// Numbers that are added up in registers, side by side: four of them.
const WIDE: usize = 32;
/// Columns that stay in the first cache while all rows are added to them.
const COLUMNS: usize = 1024;
/// Rows per pass over the sums.
const ROWS: usize = 8;
/// Bytes of weights from which on they come from memory, and rows are asked for ahead of their use: within the caches that costs
/// more than it saves.
const CACHE: usize = 64 << 20;

/// Microseconds per step of only adding up the rows of the weights that the spikes of each step point at.
pub fn rows_alone(work: &Work, spikes: &Array2<f32>, runs: usize, seconds: f64) -> f64 {
    let n_sources = work.n_inputs() + work.n;
    // Rows a multiple of 2 KB apart would share few lines of the cache.
    let stride = work.n.div_ceil(WIDE) * WIDE + if work.n % 512 == 0 { WIDE } else { 0 };
    let buffer = vec![0.5_f32; n_sources * stride + LINE];
    let weights = &buffer[on_a_line(&buffer)..];
    let lists = sources(work, spikes);
    let mut sum = vec![0.0; stride];
    least(runs, seconds, lists.len(), || {
        for list in &lists {
            sum.fill(0.0);
            add(weights, stride, list, &mut sum);
            black_box(&mut sum);
        }
    })
}

/// Which rows each step reads: of the inputs that spike now, of the neurons that spiked at the step before.
fn sources(work: &Work, spikes: &Array2<f32>) -> Vec<Vec<usize>> {
    let n_inputs = work.n_inputs();
    let step = |t: usize| {
        let inputs = (0..n_inputs).filter(move |&i| work.inputs[[t, i]] != 0.0);
        let neurons = (0..work.n).filter(move |&j| t > 0 && spikes[[t - 1, j]] != 0.0);
        inputs.chain(neurons.map(move |j| n_inputs + j)).collect()
    };
    (0..work.steps()).map(step).collect()
}

fn add(rows: &[f32], stride: usize, list: &[usize], sum: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has it.
        return unsafe { add_avx2(rows, stride, list, sum) };
    }
    add_in_passes::<false>(rows, stride, list, sum);
}

/// # Safety
/// The processor has AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn add_avx2(rows: &[f32], stride: usize, list: &[usize], sum: &mut [f32]) {
    if size_of_val(rows) > CACHE {
        add_in_passes::<true>(rows, stride, list, sum);
    } else {
        add_in_passes::<false>(rows, stride, list, sum);
    }
}

#[inline(always)]
fn add_in_passes<const FAR: bool>(rows: &[f32], stride: usize, list: &[usize], sum: &mut [f32]) {
    for columns in (0..sum.len()).step_by(COLUMNS) {
        let end = sum.len().min(columns + COLUMNS);
        for first in (0..list.len()).step_by(ROWS) {
            let pass = &list[first..list.len().min(first + ROWS)];
            // What comes next: the next rows in these columns, or the first rows in the next columns.
            let last = first + ROWS >= list.len();
            let (next, ahead) = if last {
                (list, COLUMNS)
            } else {
                (&list[first + ROWS..], 0)
            };
            let next = &next[..next.len().min(ROWS)];
            for from in (columns..end).step_by(WIDE) {
                if FAR {
                    for &i in next {
                        prefetch(rows, i * stride + from + ahead);
                        prefetch(rows, i * stride + from + ahead + LINE);
                    }
                }
                add_pass(rows, stride, pass, from, &mut sum[from..from + WIDE]);
            }
        }
    }
}

/// Adds `WIDE` columns of up to eight rows.
#[inline(always)]
fn add_pass(rows: &[f32], stride: usize, pass: &[usize], from: usize, sum: &mut [f32]) {
    let mut acc = [0.0_f32; WIDE];
    acc.copy_from_slice(sum);
    for &i in pass {
        for (acc, &x) in acc.iter_mut().zip(&rows[i * stride + from..][..WIDE]) {
            *acc += x;
        }
    }
    sum.copy_from_slice(&acc);
}

#[inline(always)]
fn prefetch(rows: &[f32], at: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing, wherever it points.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(rows.as_ptr().wrapping_add(at).cast()) };
    }
}
