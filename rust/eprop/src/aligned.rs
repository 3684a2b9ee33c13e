//! Rows of numbers on cache-line boundaries, each padded to whole vectors, so that no kernel has a remainder.

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

/// A cache line, in bytes.
const LINE: usize = 64;

/// A fixed number of numbers, a multiple of [`UNIT`], the first on a cache line of its own.
#[derive(Default)]
pub(crate) struct Aligned<F> {
    /// As zeroed memory comes from the system: a large matrix that nobody has written to yet takes no room.
    numbers: Vec<F>,
    start: usize,
    len: usize,
}

impl<F: Copy + Default> Aligned<F> {
    pub(crate) fn zeros(len: usize) -> Self {
        debug_assert_eq!(len % UNIT, 0);
        if len == 0 {
            return Self::default();
        }
        let numbers = vec![F::default(); len + LINE / size_of::<F>()];
        let start = beyond_line(numbers.as_ptr());
        Self {
            numbers,
            start,
            len,
        }
    }
}

impl<F: Float> Aligned<F> {
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

/// The twin's memory begins elsewhere, so its numbers begin elsewhere within it.
impl<F: Clone> Clone for Aligned<F> {
    fn clone(&self) -> Self {
        let Some(filler) = self.numbers.first() else {
            return Self {
                numbers: Vec::new(),
                start: 0,
                len: 0,
            };
        };
        let mut numbers = Vec::with_capacity(self.numbers.len());
        let start = beyond_line(numbers.as_ptr());
        numbers.resize(start, filler.clone());
        numbers.extend_from_slice(self);
        numbers.resize(self.numbers.len(), filler.clone());
        Self {
            numbers,
            start,
            len: self.len,
        }
    }
}

/// How many numbers lie before the first cache line that begins within a buffer.
fn beyond_line<F>(buffer: *const F) -> usize {
    (LINE - buffer as usize % LINE) % LINE / size_of::<F>()
}

impl<F> Deref for Aligned<F> {
    type Target = [F];
    #[inline]
    fn deref(&self) -> &[F] {
        &self.numbers[self.start..self.start + self.len]
    }
}

impl<F> DerefMut for Aligned<F> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [F] {
        &mut self.numbers[self.start..self.start + self.len]
    }
}

impl<F> fmt::Debug for Aligned<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} numbers", self.len)
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
        self.numbers.capacity() * size_of::<F>()
    }
}
