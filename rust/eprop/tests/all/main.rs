//! What the crate does, tested from outside, in one program: each file of its own would compile the whole crate for itself, for both widths of numbers.

mod batches;
#[cfg(feature = "std")]
mod files;
mod forms;
mod golden;
mod horizons;
mod interrupt;
mod limits;
mod membranes;
mod optimizers;
mod parts;
mod sealed;
mod stream;
