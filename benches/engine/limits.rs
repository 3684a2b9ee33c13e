//! What the machine can do: the bandwidth of each level of memory, multiply-adds, and the rows of the spikes read once.
#![allow(unsafe_code, reason = "the limits of AVX2 are measured with AVX2")]

use std::hint::black_box;
use std::time::Instant;

use ndarray::Array2;

use crate::work::Work;

const WIDE: usize = 32;

/// One line: GB/s of reading from the caches and from memory, GFlop/s of multiply-adds.
pub fn report() {
    let read = |bytes: usize| {
        let buffer = vec![1.0_f32; bytes / 4];
        let passes = ((1 << 29) / bytes).max(1);
        let least = (0..3)
            .map(|_| {
                let start = Instant::now();
                for _ in 0..passes {
                    let mut sum = [0.0; WIDE];
                    add(&buffer, WIDE, &[0], &mut sum, buffer.len() / WIDE);
                    black_box(sum);
                }
                start.elapsed().as_secs_f64()
            })
            .fold(f64::INFINITY, f64::min);
        (bytes * passes) as f64 / least / 1e9
    };
    println!(
        "{{\"l1_gb_s\": {:.1}, \"l2_gb_s\": {:.1}, \"l3_gb_s\": {:.1}, \"memory_gb_s\": {:.1}, \"gflop_s\": {:.1}, \"isa\": \"{}\"}}",
        read(16 << 10),
        read(384 << 10),
        read(8 << 20),
        read(400 << 20),
        multiply_adds(),
        eprop::isa(),
    );
}

fn multiply_adds() -> f64 {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
        // SAFETY: the processor has both.
        return unsafe { multiply_adds_avx2() };
    }
    0.0
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn multiply_adds_avx2() -> f64 {
    let mut sums = black_box([[1.0_f32; 8]; 10]);
    let by = black_box([0.999_f32; 8]);
    let rounds = 10_000_000;
    let start = Instant::now();
    for _ in 0..rounds {
        for sum in &mut sums {
            for (sum, &by) in sum.iter_mut().zip(&by) {
                *sum = sum.mul_add(by, by);
            }
        }
    }
    black_box(sums);
    2.0 * 80.0 * f64::from(rounds) / start.elapsed().as_secs_f64() / 1e9
}

/// Microseconds per step of only adding up the rows of the weights that the spikes of each step point at.
pub fn rows_alone(work: &Work, spikes: &Array2<f32>, repeats: usize) -> f64 {
    let (n_inputs, n) = (work.inputs.ncols(), work.n);
    let stride = n.div_ceil(WIDE) * WIDE + if n % 512 == 0 { WIDE } else { 0 };
    let weights = vec![0.5_f32; (n_inputs + n) * stride];
    let lists: Vec<Vec<u32>> = (0..work.inputs.nrows())
        .map(|t| {
            let inputs = (0..n_inputs).filter(|&i| work.inputs[[t, i]] != 0.0);
            let neurons = (0..n)
                .filter(|&j| t > 0 && spikes[[t - 1, j]] != 0.0)
                .map(|j| n_inputs + j);
            inputs.chain(neurons).map(|i| i as u32).collect()
        })
        .collect();
    let mut sum = vec![0.0; stride];
    crate::least(repeats, lists.len(), || {
        for list in &lists {
            for column in (0..stride).step_by(stride.min(1024)) {
                let width = (stride - column).min(1024);
                add(
                    &weights[column..],
                    stride,
                    list,
                    &mut sum[column..column + width],
                    1,
                );
            }
        }
        black_box(&mut sum);
    })
}

/// Adds `passes` consecutive pieces of each listed row, each as wide as `sum`.
fn add(rows: &[f32], stride: usize, list: &[u32], sum: &mut [f32], passes: usize) {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has it.
        return unsafe { add_avx2(rows, stride, list, sum, passes) };
    }
    add_body(rows, stride, list, sum, passes);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn add_avx2(rows: &[f32], stride: usize, list: &[u32], sum: &mut [f32], passes: usize) {
    add_body(rows, stride, list, sum, passes);
}

#[inline(always)]
fn add_body(rows: &[f32], stride: usize, list: &[u32], sum: &mut [f32], passes: usize) {
    let width = sum.len();
    if passes > 1 {
        let mut acc = [0.0_f32; WIDE];
        for piece in rows.chunks_exact(WIDE).take(passes) {
            for (acc, &x) in acc.iter_mut().zip(piece) {
                *acc += x;
            }
        }
        sum[..WIDE].copy_from_slice(&acc);
        return;
    }
    for from in (0..width).step_by(WIDE) {
        let mut acc = [0.0_f32; WIDE];
        acc.copy_from_slice(&sum[from..from + WIDE]);
        for &i in list {
            let row = &rows[i as usize * stride + from..][..WIDE];
            for (acc, &x) in acc.iter_mut().zip(row) {
                *acc += x;
            }
        }
        sum[from..from + WIDE].copy_from_slice(&acc);
    }
}
