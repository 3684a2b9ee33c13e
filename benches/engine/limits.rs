//! What the machine can do: the bandwidth of each level of memory, and multiply-adds.
#![allow(unsafe_code, reason = "the limits of AVX2 are measured with AVX2")]

use std::hint::black_box;

use crate::line::Line;
use crate::timing::now;

/// Sums side by side, so that no addition waits for the one before it: 12 registers of 8 numbers.
const CHAINS: usize = 12;
const LANES: usize = 8;
/// Numbers in a cache line.
pub const LINE: usize = 16;

/// One line: GB/s of reading from the caches and from memory, GFlop/s of multiply-adds.
pub fn report() {
    Line::new("limits")
        .text("isa", eprop::isa())
        .number("l1_gb_s", read(16 << 10))
        .number("l2_gb_s", read(256 << 10))
        .number("l3_gb_s", read(8 << 20))
        .number("memory_gb_s", read(400 << 20))
        .number("gflop_s", multiply_adds())
        .print();
}

/// GB/s of adding up `bytes` of numbers again and again.
fn read(bytes: usize) -> f64 {
    let whole = bytes / 4 / (CHAINS * LANES) * (CHAINS * LANES);
    let buffer = vec![1.0_f32; whole + LINE];
    let numbers = &buffer[on_a_line(&buffer)..][..whole];
    let passes = ((1 << 30) / bytes).max(1);
    let seconds = least_seconds(|| {
        for _ in 0..passes {
            black_box(sum(black_box(numbers)));
        }
    });
    (4 * whole * passes) as f64 / seconds / 1e9
}

/// Where the first cache line of a buffer begins: a load across two lines counts as two.
pub fn on_a_line(buffer: &[f32]) -> usize {
    buffer.as_ptr().align_offset(4 * LINE)
}

fn multiply_adds() -> f64 {
    const ROUNDS: usize = 20_000_000;
    let seconds = least_seconds(|| {
        black_box(powers(black_box(ROUNDS), black_box(0.999)));
    });
    (2 * CHAINS * LANES * ROUNDS) as f64 / seconds / 1e9
}

fn least_seconds(mut run: impl FnMut()) -> f64 {
    let timed = (0..3).map(|_| {
        let start = now();
        run();
        now() - start
    });
    timed.fold(f64::INFINITY, f64::min)
}

fn sum(numbers: &[f32]) -> [f32; LANES] {
    #[cfg(target_arch = "x86_64")]
    if avx2::available() {
        // SAFETY: the processor has AVX2 and FMA.
        return unsafe { avx2::sum(numbers) };
    }
    let mut sums = [[0.0_f32; LANES]; CHAINS];
    for piece in numbers.chunks_exact(CHAINS * LANES) {
        for (sum, x) in sums.as_flattened_mut().iter_mut().zip(piece) {
            *sum += x;
        }
    }
    total(sums)
}

fn powers(rounds: usize, by: f32) -> [f32; LANES] {
    #[cfg(target_arch = "x86_64")]
    if avx2::available() {
        // SAFETY: the processor has AVX2 and FMA.
        return unsafe { avx2::powers(rounds, by) };
    }
    let mut values = [[1.0_f32; LANES]; CHAINS];
    for _ in 0..rounds {
        for value in values.as_flattened_mut() {
            *value = *value * by + by;
        }
    }
    total(values)
}

fn total(sums: [[f32; LANES]; CHAINS]) -> [f32; LANES] {
    std::array::from_fn(|lane| sums.iter().map(|sum| sum[lane]).sum())
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256, _mm256_add_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_setzero_ps,
    };

    use super::{CHAINS, LANES};

    pub fn available() -> bool {
        std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma")
    }

    /// # Safety
    /// The processor has AVX2.
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn sum(numbers: &[f32]) -> [f32; LANES] {
        let mut sums = [_mm256_setzero_ps(); CHAINS];
        for piece in numbers.chunks_exact(CHAINS * LANES) {
            for (chain, sum) in sums.iter_mut().enumerate() {
                // SAFETY: the load lies within the piece.
                *sum = _mm256_add_ps(*sum, unsafe {
                    _mm256_loadu_ps(piece.as_ptr().add(chain * LANES))
                });
            }
        }
        super::total(sums.map(numbers_of))
    }

    /// # Safety
    /// The processor has AVX2 and FMA.
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn powers(rounds: usize, by: f32) -> [f32; LANES] {
        let by = _mm256_set1_ps(by);
        let mut values = [_mm256_set1_ps(1.0); CHAINS];
        for _ in 0..rounds {
            for value in &mut values {
                *value = _mm256_fmadd_ps(*value, by, by);
            }
        }
        super::total(values.map(numbers_of))
    }

    fn numbers_of(register: __m256) -> [f32; LANES] {
        // SAFETY: a register is eight numbers.
        unsafe { std::mem::transmute(register) }
    }
}
