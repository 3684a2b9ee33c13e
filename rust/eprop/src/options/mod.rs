//! What a user sets, and what follows from it.

pub(crate) mod choice;
pub(crate) mod config;
mod connect;
pub(crate) mod domain;
mod feedback;
mod horizon;
mod loss;
mod optimizer;
mod part;
mod per_neuron;
pub(crate) mod plan;
mod rewire;
mod side;
mod surrogate;
pub(crate) mod wires;

pub use config::{Config, Engine, Gain, LayerConfig, ResetMechanism, StackConfig, UpdateEvery};
pub use connect::{Connect, SynapseList};
pub use feedback::Feedback;
pub use horizon::Horizon;
pub use loss::Loss;
pub use optimizer::{Optimizer, Reduction};
pub use part::Part;
pub use per_neuron::PerNeuron;
pub use rewire::Rewire;
pub use side::RegularisedSide;
pub use surrogate::Surrogate;
