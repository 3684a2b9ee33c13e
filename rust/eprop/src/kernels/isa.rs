//! Which instructions the kernels are compiled to, chosen once per process.

use core::sync::atomic::{AtomicU8, Ordering};

use crate::Float;

/// How a kernel multiplies and adds: a kernel is written once and compiled once for each of these.
pub(crate) trait Isa {
    /// `a b + c`.
    fn fma<F: Float>(a: F, b: F, c: F) -> F;
}

/// What every processor has: two roundings.
pub(crate) struct Portable;

impl Isa for Portable {
    #[inline(always)]
    fn fma<F: Float>(a: F, b: F, c: F) -> F {
        a * b + c
    }
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
