//! Instructions, counted by the system timer. Under `qemu -icount shift=0` its clock goes by instructions; on a board it would count cycles.

use core::arch::asm;

const CONTROL: *mut u32 = 0xE000_E010 as *mut u32;
const RELOAD: *mut u32 = 0xE000_E014 as *mut u32;
const VALUE: *mut u32 = 0xE000_E018 as *mut u32;
/// It counts down from here, and begins again.
const FROM: u32 = 0x00FF_FFFF;

pub struct Clock {
    /// Ticks of a million instructions.
    ticks: u64,
}

impl Clock {
    /// Starts the timer, and learns from a loop of a million instructions what a tick is.
    pub fn start() -> Self {
        // SAFETY: the registers of the system timer, which nothing else uses.
        unsafe {
            RELOAD.write_volatile(FROM);
            VALUE.write_volatile(0);
            CONTROL.write_volatile(0b101);
        }
        let ticks = ticks(|| {
            // SAFETY: two instructions, half a million times.
            unsafe {
                asm!("2:", "subs {n}, #1", "bne 2b", n = inout(reg) 500_000_u32 => _);
            }
        });
        Self { ticks }
    }

    /// How many instructions some work takes, if it takes fewer than 400 million.
    pub fn instructions(&self, work: impl FnMut()) -> u64 {
        ticks(work) * 1_000_000 / self.ticks
    }
}

fn ticks(mut work: impl FnMut()) -> u64 {
    // SAFETY: reads a register of the system timer.
    let now = || unsafe { VALUE.read_volatile() };
    let before = now();
    work();
    u64::from(before.wrapping_sub(now()) & FROM)
}
