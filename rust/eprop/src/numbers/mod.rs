//! The numbers of the crate and where they lie.

pub(crate) mod aligned;
pub(crate) mod columns;
pub(crate) mod compiled;
pub(crate) mod draws;
mod float;
pub(crate) mod gradient;
pub(crate) mod interrupt;
pub(crate) mod kinds;
pub(crate) mod lazy;
pub(crate) mod memory;
pub(crate) mod pairs;
pub(crate) mod parallel;
pub(crate) mod parameter;
pub(crate) mod peers;
#[cfg(test)]
pub(crate) mod plain;
pub(crate) mod room;
pub(crate) mod scale;
pub(crate) mod shared;
mod signs;
pub(crate) mod slice;
pub(crate) mod step;
pub(crate) mod walk;
pub(crate) mod wires;

pub use float::Float;
pub use interrupt::Interrupt;
pub use peers::Peers;
