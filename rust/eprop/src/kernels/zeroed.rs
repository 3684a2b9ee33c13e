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
