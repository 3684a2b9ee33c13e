//! Rows of numbers on cache-line boundaries, each padded to whole vectors, so that no kernel has a remainder.
#![allow(unsafe_code, reason = "a line is its numbers, seen as one slice")]

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::{Deref, DerefMut};

use crate::{Error, Float};

/// Numbers to a unit of every padded row: four vectors of AVX2 in float64, two in float32.
pub(crate) const UNIT: usize = 16;

/// `n` rounded up to whole units; a row that would start a multiple of 2 KiB after the last gets one unit more, since such
/// rows would crowd the same sets of the cache.
pub(crate) fn padded<F>(n: usize) -> usize {
    let units = n.div_ceil(UNIT) * UNIT;
    if (units * size_of::<F>()) % 2048 == 0 {
        units + UNIT
    } else {
        units
    }
}

#[derive(Clone, Copy, Default)]
#[repr(C, align(64))]
struct Line<F>([F; UNIT]);

/// A fixed number of numbers, a multiple of [`UNIT`], the first on a cache line of its own.
#[derive(Clone, Default)]
pub(crate) struct Aligned<F>(Vec<Line<F>>);

impl<F: Float> Aligned<F> {
    pub(crate) fn zeros(len: usize) -> Self {
        debug_assert_eq!(len % UNIT, 0);
        Self(vec![Line([F::ZERO; UNIT]); len / UNIT])
    }

    /// Rows of `n` numbers, each padded to `stride`.
    pub(crate) fn rows(values: &[F], n: usize, stride: usize) -> Self {
        let mut this = Self::zeros(values.len() / n * stride);
        for (to, from) in this.chunks_exact_mut(stride).zip(values.chunks_exact(n)) {
            to[..n].copy_from_slice(from);
        }
        this
    }

    /// The first `n` numbers of every row of `stride`.
    pub(crate) fn unpadded(&self, n: usize, stride: usize) -> Vec<F> {
        self.chunks_exact(stride)
            .flat_map(|row| row[..n].iter().copied())
            .collect()
    }
}

impl<F: Float> Deref for Aligned<F> {
    type Target = [F];
    #[inline]
    fn deref(&self) -> &[F] {
        // SAFETY: a line is UNIT numbers of F without padding (for f32 and f64, 64 and 128 bytes), and the lines of a Vec are contiguous.
        unsafe { core::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * UNIT) }
    }
}

impl<F: Float> DerefMut for Aligned<F> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [F] {
        // SAFETY: as in `deref`, and the borrow is exclusive.
        unsafe { core::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * UNIT) }
    }
}

impl<F> fmt::Debug for Aligned<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} numbers", self.0.len() * UNIT)
    }
}

impl<F: Float> crate::persist::Persist for Aligned<F> {
    fn save(&self, out: &mut Vec<u8>) {
        crate::persist::save_all(self, out);
    }
    fn load(&mut self, bytes: &mut &[u8]) -> Result<(), Error> {
        crate::persist::load_all(self, bytes)
    }
    fn numbers(&self) -> usize {
        self.len()
    }
    fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<Line<F>>()
    }
}
