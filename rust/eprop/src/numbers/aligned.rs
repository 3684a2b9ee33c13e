//! Rows of numbers on cache-line boundaries, each padded to whole vectors, so that no kernel has a remainder.

use alloc::vec::Vec;
use core::fmt;
use core::ops::{Deref, DerefMut};

use super::slice::Number;
use super::walk::{Buffer, Role, Walk, WalkMut, Walked, first, walk_used, walk_used_mut};
use crate::kernels::{isa::UNIT, zeroed::zeroed};
use crate::{Error, Float};

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

/// A fixed number of numbers, the first on a cache line of its own.
#[derive(Default)]
pub struct Aligned<F> {
    /// As zeroed memory comes from the system: a large matrix that nobody has written to yet takes no room.
    numbers: Vec<F>,
    start: usize,
    len: usize,
}

impl<F: Float> Aligned<F> {
    /// `len` zeros; `None` where there is no memory for them.
    pub(crate) fn zeros(len: usize) -> Option<Self> {
        let numbers = zeroed::<F>(len.checked_add(Self::slack())?)?;
        let start = beyond_line(numbers.as_ptr());
        Some(Self {
            numbers,
            start,
            len,
        })
    }

    /// How many more numbers are allocated than there are, so that the first may begin a cache line.
    pub(crate) fn slack() -> usize {
        LINE / size_of::<F>()
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

impl<F: Number> Buffer for Aligned<F> {
    type Item = F;
    fn items(&self) -> &[F] {
        self
    }
    fn items_mut(&mut self) -> &mut [F] {
        self
    }
    fn heap(&self) -> usize {
        self.numbers.capacity() * size_of::<F>()
    }
}

impl<F: Number> Walked for Aligned<F> {
    fn walk<'a>(&'a self, name: &'static str, role: Role, to: &mut dyn Walk<'a>) {
        walk_used(self, &first(self.len), name, role, to);
    }
    fn walk_mut(
        &mut self,
        name: &'static str,
        role: Role,
        to: &mut dyn WalkMut,
    ) -> Result<(), Error> {
        let all = first(self.len);
        walk_used_mut(self, &all, name, role, to)
    }
}

#[cfg(test)]
mod tests {
    use super::{Aligned, padded};
    use crate::numbers::walk;
    use crate::testing::{Noise, aligned, in_both};

    in_both! {
        fn zeros_begin_on_a_cache_line<F>() {
            for len in [1, 7, 16, 17, 1_000] {
                let zeros = Aligned::<F>::zeros(len).unwrap();
                assert_eq!(zeros.as_ptr() as usize % 64, 0);
                assert_eq!(zeros.len(), len);
                assert!(zeros.iter().all(|&x| x == F::ZERO));
            }
        }
    }

    in_both! {
        fn a_clone_holds_the_same_on_a_cache_line_of_its_own<F>() {
            let numbers = Noise(1).numbers::<F>(37);
            let one = aligned(&numbers);
            let clones: [_; 5] = core::array::from_fn(|_| one.clone());
            for mut other in clones {
                assert_eq!(other.as_ptr() as usize % 64, 0);
                assert_eq!(other[..], numbers[..]);
                assert_eq!(walk::bytes(&other), walk::bytes(&one));
                other[36] = F::cast(7.0);
                assert_eq!(one[..], numbers[..]);
            }
            assert!(Aligned::<F>::default().clone().is_empty());
        }
    }

    #[test]
    fn more_numbers_than_can_be_addressed_are_none() {
        assert!(Aligned::<f64>::zeros(usize::MAX).is_none());
        assert!(Aligned::<f64>::zeros(usize::MAX / 8).is_none());
    }

    in_both! {
        fn padded_rows_are_the_shortest_whole_units_that_crowd_no_set_of_the_cache<F>() {
            let fits = |row: usize| row % 16 == 0 && row * size_of::<F>() % 2048 != 0;
            for n in 1..2_000 {
                let shortest = (n..).find(|&row| fits(row)).unwrap();
                assert_eq!(padded::<F>(n), shortest, "of {n}");
            }
        }
    }
}
