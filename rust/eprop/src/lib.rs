#![cfg_attr(not(feature = "std"), no_std)]
#![deny(missing_docs, unsafe_code)]
#![doc = include_str!("../README.md")]

extern crate alloc;

mod agent;
mod error;
mod face;
mod file;
mod kernels;
mod network;
mod numbers;
mod options;
mod parts;
mod synapses;
#[cfg(test)]
mod testing;

pub use agent::{AgentConfig, EpropAgent, Next};
pub use error::Error;
pub use face::access::Matrix;
pub use face::calibrate::{Calibration, Scaled};
pub use face::evaluate::{Evaluation, Judged};
pub use face::gradients::GradientRun;
pub use face::layers::LayerState;
pub use face::lif_layer::OnlineLifLayer;
pub use face::plan::Plan;
pub use face::sequences::{BatchOutput, BatchPrediction, Prediction, SequenceOutput, TrainOptions};
pub use face::steps::{BatchStep, StepOutput};
pub use face::stream_state::StreamState;
pub use face::trainer::{EpropTrainer, OnlineTrainer, Trainer};
pub use file::document::FileInfo;
pub use kernels::isa::isa;
pub use network::gradients::{Gradients, StackGradients};
pub use network::recurrent::Recurrent;
pub use network::stack::Stack;
pub use network::tally::{Activity, Tally};
pub use network::watch::{Divergence, Misfit, Verdict};
pub use network::wiring::Network;
pub use numbers::{Float, Interrupt, Peers};
pub use options::{
    Config, Connect, Engine, Feedback, Gain, Horizon, LayerConfig, Loss, Optimizer, Part,
    PerNeuron, Reduction, RegularisedSide, ResetMechanism, Rewire, StackConfig, Surrogate,
    SynapseList, UpdateEvery,
};
pub use parts::input::{Input, Inputs};
pub use parts::lesson::Lesson;
pub use parts::stream::Stream;
