#![cfg_attr(not(feature = "std"), no_std)]
#![deny(missing_docs, unsafe_code)]
#![doc = include_str!("../README.md")]

extern crate alloc;

mod access;
mod aligned;
mod batch;
mod calibrate;
mod check;
mod config;
mod error;
mod feedback;
mod float;
mod gradients;
mod init;
mod input;
mod kernels;
mod layer;
mod loss;
mod memory;
mod neuron;
mod optimizer;
mod parallel;
mod persist;
mod readout;
mod regulariser;
mod schedule;
mod sequence;
mod shared;
mod sources;
mod stack;
mod stage;
mod surrogate;
mod synapses;
mod trainer;
mod transpose;

pub use batch::{
    BatchGradientRun, BatchOutput, BatchPrediction, BatchStep, BatchTally, BatchTrainer, Stream,
};
pub use config::{Config, Engine, Gain, LayerConfig, ResetMechanism, StackConfig, UpdateEvery};
pub use error::Error;
pub use feedback::Feedback;
pub use float::Float;
pub use gradients::{GradientRun, Gradients, StackGradients};
pub use input::{Input, Inputs};
pub use kernels::isa::isa;
pub use layer::OnlineLifLayer;
pub use loss::Loss;
pub use sequence::{Activity, Prediction, SequenceOutput, StepOutput, Tally, TrainOptions};
pub use stack::OnlineTrainer;
pub use surrogate::Surrogate;
pub use trainer::EpropTrainer;
