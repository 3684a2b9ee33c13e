//! Sizes are checked as a whole before any buffer is touched.

use alloc::string::String;
use alloc::vec::Vec;

use crate::Error;

/// Before anything is built: chooses the instruction set, so that no step has to, and asks the allocator once for all that the buffers will need together, and gives it back.
pub(crate) fn reserve(sizes: impl FnOnce() -> String, bytes: Option<usize>) -> Result<(), Error> {
    crate::kernels::isa::avx2();
    let fits = bytes.is_some_and(|bytes| {
        let mut trial = Vec::<u8>::new();
        trial.try_reserve_exact(bytes).is_ok()
    });
    if fits {
        Ok(())
    } else {
        Err(Error::TooLarge {
            sizes: sizes(),
            bytes,
        })
    }
}
