//! Zeroed memory as it comes from the system, or the news that there is none.

use alloc::alloc::{Layout, alloc_zeroed};
use alloc::vec::Vec;

use crate::Float;

/// `len` zeros; `None` where there is no memory for them. A large matrix that nobody has written to yet takes no room.
pub(crate) fn zeroed<F: Float>(len: usize) -> Option<Vec<F>> {
    let layout = Layout::array::<F>(len).ok()?;
    if layout.size() == 0 {
        return Some(Vec::new());
    }
    // SAFETY: the layout is not of size 0.
    let numbers = unsafe { alloc_zeroed(layout) }.cast::<F>();
    if numbers.is_null() {
        return None;
    }
    // SAFETY: the global allocator made room for `len` numbers with the layout of a vector, and zero bits are the number 0.
    Some(unsafe { Vec::from_raw_parts(numbers, len, len) })
}

#[cfg(test)]
mod tests {
    use super::zeroed;
    use crate::testing::in_both;

    in_both! {
        fn memory_is_zero_and_as_long_as_asked_for<F>() {
            for len in [0, 1, 17, 100_000] {
                let mut numbers = zeroed::<F>(len).unwrap();
                assert_eq!((numbers.len(), numbers.capacity()), (len, len));
                assert!(numbers.iter().all(|&x| x == F::ZERO));
                // A vector like any other: it grows.
                numbers.push(F::ONE);
                assert_eq!(numbers[len], F::ONE);
            }
        }
    }

    in_both! {
        fn more_than_can_be_addressed_is_none<F>() {
            assert!(zeroed::<F>(usize::MAX).is_none());
            assert!(zeroed::<F>(isize::MAX as usize / size_of::<F>() + 1).is_none());
        }
    }
}
