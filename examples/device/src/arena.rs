//! A static arena: it hands out the next bytes, and takes back what was handed out last.
//!
//! A trainer makes its buffers once and a step allocates nothing, so no more than that is needed.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Room for the trainer, and as much for what it makes on its way: a matrix that is read, or drawn.
const SIZE: usize = 96 << 10;

#[repr(align(64))]
struct Bytes(UnsafeCell<[u8; SIZE]>);

pub struct Arena {
    bytes: Bytes,
    used: AtomicUsize,
    most: AtomicUsize,
}

// SAFETY: there is one core and no interrupt that allocates.
unsafe impl Sync for Arena {}

impl Arena {
    pub const fn new() -> Self {
        Self {
            bytes: Bytes(UnsafeCell::new([0; SIZE])),
            used: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        }
    }

    pub fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    pub fn most(&self) -> usize {
        self.most.load(Relaxed)
    }

    fn start(&self) -> *mut u8 {
        self.bytes.0.get().cast()
    }
}

// SAFETY: blocks lie inside the arena, are aligned as asked (up to the arena's own 64), and never overlap: the end of what is used only
// moves back over a block that is given back.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = self.used().next_multiple_of(layout.align());
        let end = start.saturating_add(layout.size());
        if layout.align() > align_of::<Bytes>() || end > SIZE {
            return null_mut();
        }
        self.used.store(end, Relaxed);
        self.most.store(self.most().max(end), Relaxed);
        // SAFETY: start <= SIZE was checked above.
        unsafe { self.start().add(start) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let start = block as usize - self.start() as usize;
        if start + layout.size() == self.used() {
            self.used.store(start, Relaxed);
        }
    }
}
