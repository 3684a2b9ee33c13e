//! The program on a Cortex-M: no standard library, no operating system, a static arena.
#![no_std]
#![no_main]

#[path = "../arena.rs"]
mod arena;
#[path = "../clock.rs"]
mod clock;

use core::panic::PanicInfo;

// Its critical sections are what semihosting prints in.
use cortex_m as _;
use cortex_m_rt::entry;
use cortex_m_semihosting::{debug, hprintln};
use eprop_device::TURN;

#[global_allocator]
static ARENA: arena::Arena = arena::Arena::new();

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    hprintln!("{}", info);
    loop {
        debug::exit(debug::EXIT_FAILURE);
    }
}

#[entry]
fn main() -> ! {
    let clock = clock::Clock::start();
    let say = |line: &str| hprintln!("{}", line);
    let measured = |work: &mut dyn FnMut()| {
        let instructions = clock.instructions(work);
        hprintln!(
            "# {} instructions a step",
            instructions / (25 * TURN as u64)
        );
    };
    let done = eprop_device::run(say, measured);
    hprintln!(
        "# arena: {} bytes in use, {} at most",
        ARENA.used(),
        ARENA.most()
    );
    match done {
        Ok(()) => debug::exit(debug::EXIT_SUCCESS),
        Err(error) => {
            hprintln!("{}", error);
            debug::exit(debug::EXIT_FAILURE);
        }
    }
    loop {}
}
