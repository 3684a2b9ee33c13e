//! Which instructions the kernels are compiled to, chosen once per process.

use core::sync::atomic::{AtomicU8, Ordering};

use crate::Float;

/// Numbers to a unit of every padded row: four vectors of AVX2 in float64, two in float32.
pub(crate) const UNIT: usize = 16;

/// How a kernel multiplies and adds: a kernel is written once and compiled once for each of these.
pub(crate) trait Isa {
    /// `a b + c`.
    fn fma<F: Float>(a: F, b: F, c: F) -> F;

    /// A bit for each number that is not 0, the lowest for the first.
    fn nonzero<F: Float>(unit: &[F; UNIT]) -> u32;

    /// The sum of all, halves upon halves: the same bits in every implementation.
    fn sum<F: Float>(unit: &[F; UNIT]) -> F;

    /// Asks for the cache line of a number that will be needed soon.
    #[inline(always)]
    fn fetch<T>(at: &T) {
        Self::fetch_at(at);
    }

    /// The same of any address: nothing is read.
    fn fetch_at<T>(at: *const T);
}

/// What every processor has: two roundings.
pub(crate) struct Portable;

impl Isa for Portable {
    #[inline(always)]
    fn fma<F: Float>(a: F, b: F, c: F) -> F {
        a * b + c
    }

    #[inline(always)]
    fn nonzero<F: Float>(unit: &[F; UNIT]) -> u32 {
        let bit = |(l, &x): (u32, &F)| u32::from(x != F::ZERO) << l;
        (0..).zip(unit).map(bit).fold(0, |bits, bit| bits | bit)
    }

    #[inline(always)]
    fn sum<F: Float>(unit: &[F; UNIT]) -> F {
        let mut sums = *unit;
        let mut half = UNIT / 2;
        while half > 0 {
            for l in 0..half {
                sums[l] += sums[l + half];
            }
            half /= 2;
        }
        sums[0]
    }

    #[inline(always)]
    fn fetch_at<T>(_: *const T) {}
}

/// AVX2 and FMA: one rounding. Only inside functions that are compiled with both, or it would be a library call.
#[cfg(all(feature = "std", target_arch = "x86_64"))]
pub(crate) struct Avx2;

#[cfg(all(feature = "std", target_arch = "x86_64"))]
impl Isa for Avx2 {
    #[inline(always)]
    fn fma<F: Float>(a: F, b: F, c: F) -> F {
        a.mul_add(b, c)
    }

    #[inline(always)]
    fn nonzero<F: Float>(unit: &[F; UNIT]) -> u32 {
        use core::arch::x86_64::{
            _CMP_NEQ_UQ, _mm256_cmp_pd, _mm256_cmp_ps, _mm256_loadu_pd, _mm256_loadu_ps,
            _mm256_movemask_pd, _mm256_movemask_ps, _mm256_setzero_pd, _mm256_setzero_ps,
        };
        let mut bits = 0;
        // SAFETY: the caller is compiled with AVX2; F is f32 where its size is 4 and f64 where it is 8, and each load lies within the unit.
        unsafe {
            if size_of::<F>() == 4 {
                for at in (0..UNIT).step_by(8) {
                    let x = _mm256_loadu_ps(unit.as_ptr().add(at).cast());
                    let mask = _mm256_cmp_ps::<_CMP_NEQ_UQ>(x, _mm256_setzero_ps());
                    bits |= (_mm256_movemask_ps(mask) as u32) << at;
                }
            } else {
                for at in (0..UNIT).step_by(4) {
                    let x = _mm256_loadu_pd(unit.as_ptr().add(at).cast());
                    let mask = _mm256_cmp_pd::<_CMP_NEQ_UQ>(x, _mm256_setzero_pd());
                    bits |= (_mm256_movemask_pd(mask) as u32) << at;
                }
            }
        }
        bits
    }

    /// Written out: left to itself the compiler breaks up the vectors that are summed, and the loop before that made them.
    #[inline(always)]
    fn sum<F: Float>(unit: &[F; UNIT]) -> F {
        use core::arch::x86_64::{
            _mm_add_pd, _mm_add_ps, _mm_add_sd, _mm_add_ss, _mm_cvtsd_f64, _mm_cvtss_f32,
            _mm_movehl_ps, _mm_shuffle_ps, _mm_unpackhi_pd, _mm256_add_pd, _mm256_add_ps,
            _mm256_castpd256_pd128, _mm256_castps256_ps128, _mm256_extractf128_pd,
            _mm256_extractf128_ps, _mm256_loadu_pd, _mm256_loadu_ps,
        };
        // SAFETY: as above.
        unsafe {
            if size_of::<F>() == 4 {
                let of = |at: usize| _mm256_loadu_ps(unit.as_ptr().add(at).cast());
                let sums = _mm256_add_ps(of(0), of(8));
                let high = _mm256_extractf128_ps::<1>(sums);
                let sums = _mm_add_ps(_mm256_castps256_ps128(sums), high);
                let sums = _mm_add_ps(sums, _mm_movehl_ps(sums, sums));
                let sum = _mm_cvtss_f32(_mm_add_ss(sums, _mm_shuffle_ps::<1>(sums, sums)));
                core::mem::transmute_copy(&sum)
            } else {
                let of = |at: usize| _mm256_loadu_pd(unit.as_ptr().add(at).cast());
                let (low, high) = (_mm256_add_pd(of(0), of(8)), _mm256_add_pd(of(4), of(12)));
                let sums = _mm256_add_pd(low, high);
                let high = _mm256_extractf128_pd::<1>(sums);
                let sums = _mm_add_pd(_mm256_castpd256_pd128(sums), high);
                let sum = _mm_cvtsd_f64(_mm_add_sd(sums, _mm_unpackhi_pd(sums, sums)));
                core::mem::transmute_copy(&sum)
            }
        }
    }

    #[inline(always)]
    fn fetch_at<T>(at: *const T) {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every processor of this architecture has it, and it reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) };
    }
}

const UNKNOWN: u8 = 0;
const PORTABLE: u8 = 1;
const AVX2: u8 = 2;

static PATH: AtomicU8 = AtomicU8::new(UNKNOWN);

/// Whether the AVX2 path is at work: the processor has it, and `EPROP_ISA` does not say `portable`.
#[inline]
pub(crate) fn avx2() -> bool {
    match PATH.load(Ordering::Relaxed) {
        UNKNOWN => choose() == AVX2,
        path => path == AVX2,
    }
}

#[cold]
fn choose() -> u8 {
    let path = if available() { AVX2 } else { PORTABLE };
    PATH.store(path, Ordering::Relaxed);
    path
}

#[cfg(all(feature = "std", target_arch = "x86_64"))]
fn available() -> bool {
    let forced = std::env::var_os("EPROP_ISA").is_some_and(|isa| isa == "portable");
    !forced && std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma")
}

#[cfg(not(all(feature = "std", target_arch = "x86_64")))]
fn available() -> bool {
    false
}

/// The name of the instruction-set path at work, `"avx2"` or `"portable"`; the environment variable `EPROP_ISA=portable`
/// forces the latter. Going on from a copy or a pickle is bit-equal on the same path.
///
/// ```
/// assert!(["avx2", "portable"].contains(&eprop::isa()));
/// ```
pub fn isa() -> &'static str {
    if avx2() { "avx2" } else { "portable" }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{Isa, Portable};
    use crate::testing::in_both;

    #[test]
    fn the_variable_forces_the_portable_path() {
        if std::env::var_os("EPROP_ISA").is_some_and(|isa| isa == "portable") {
            assert_eq!(super::isa(), "portable");
        }
        assert_eq!(super::isa() == "avx2", super::avx2());
    }

    in_both! {
        fn the_portable_path_rounds_twice<F>() {
            // (1 + e)^2 - 1 = 2 e + e^2, of which the second term is lost where the product is rounded.
            let e = F::cast(if size_of::<F>() == 4 { 1.0 / 4096.0 / 2048.0 } else { libm::pow(2.0, -51.0) });
            let x = F::ONE + e;
            assert_eq!(Portable::fma(x, x, -F::ONE), e + e);
        }
    }

    in_both! {
        fn a_bit_says_of_each_number_that_it_is_not_zero<F>() {
            let mut unit = [F::ZERO; 16];
            unit[0] = F::cast(-0.0);
            assert_eq!(Portable::nonzero(&unit), 0);
            for (at, x) in [(0, 1.0), (3, -2.0), (9, f64::NAN), (15, f64::INFINITY)] {
                let mut unit = unit;
                unit[at] = F::cast(x);
                assert_eq!(Portable::nonzero(&unit), 1 << at);
            }
        }
    }
}
