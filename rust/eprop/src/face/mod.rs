//! What a user calls: trainers and the layer, their sequences, gradients, weights and files.

pub(crate) mod access;
pub(crate) mod calibrate;
mod checks;
pub(crate) mod copies;
pub(crate) mod evaluate;
pub(crate) mod files;
pub(crate) mod gradients;
pub(crate) mod layers;
pub(crate) mod lif_layer;
pub(crate) mod plan;
pub(crate) mod sequences;
mod slices;
mod state;
pub(crate) mod steps;
pub(crate) mod stream_state;
mod synapses;
pub(crate) mod trainer;
mod updates;
