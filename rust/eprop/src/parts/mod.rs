//! The parts of a network, one idea to a file.

pub(crate) mod check;
pub(crate) mod delay;
pub(crate) mod feedback;
pub(crate) mod init;
pub(crate) mod input;
pub(crate) mod lesson;
pub(crate) mod neuron;
pub(crate) mod optimizer;
pub(crate) mod others;
pub(crate) mod readout;
pub(crate) mod regulariser;
pub(crate) mod signal;
pub(crate) mod sources;
pub(crate) mod stream;
