//! Networks of parts: what one step is, and how streams learn side by side.

pub(crate) mod circle;
pub(crate) mod compiled;
pub(crate) mod cost;
pub(crate) mod filed;
pub(crate) mod gradients;
pub(crate) mod head;
pub(crate) mod layer;
#[cfg(test)]
mod literal;
pub(crate) mod recurrent;
pub(crate) mod rewiring;
pub(crate) mod run;
pub(crate) mod schedule;
pub(crate) mod stack;
pub(crate) mod stage;
pub(crate) mod streams;
pub(crate) mod tally;
pub(crate) mod watch;
pub(crate) mod wiring;
