//! What a user sets, and what follows from it.

pub(crate) mod choice;
pub(crate) mod config;
pub(crate) mod domain;
mod feedback;
mod loss;
mod optimizer;
pub(crate) mod plan;
mod side;
mod surrogate;

pub use config::{Config, Engine, Gain, LayerConfig, ResetMechanism, StackConfig, UpdateEvery};
pub use feedback::Feedback;
pub use loss::Loss;
pub use optimizer::{Optimizer, Reduction};
pub use side::RegularisedSide;
pub use surrogate::Surrogate;
