//! The simplest allocator there is: it hands out the next bytes of a fixed arena and takes nothing back.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicUsize, Ordering};

const SIZE: usize = 16 << 20;

#[repr(align(64))]
struct Bytes(UnsafeCell<[u8; SIZE]>);

pub struct Arena {
    bytes: Bytes,
    used: AtomicUsize,
}

// SAFETY: `used` hands every byte to one caller only.
unsafe impl Sync for Arena {}

impl Arena {
    pub const fn new() -> Self {
        Self {
            bytes: Bytes(UnsafeCell::new([0; SIZE])),
            used: AtomicUsize::new(0),
        }
    }
}

// SAFETY: blocks lie inside the arena, are aligned as asked (up to the arena's own 64), and never overlap.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > align_of::<Bytes>() {
            return null_mut();
        }
        let start_of = |used: usize| used.next_multiple_of(layout.align());
        let grown = |used: usize| Some(start_of(used) + layout.size()).filter(|&end| end <= SIZE);
        match self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown)
        {
            // SAFETY: start_of(used) + size <= SIZE was checked above.
            Ok(used) => unsafe { self.bytes.0.get().cast::<u8>().add(start_of(used)) },
            Err(_) => null_mut(),
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}
