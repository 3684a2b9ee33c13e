//! What the configuration of a stack says to whoever keeps the steps and updates.

use crate::network::wiring::Settings;
use crate::options::filters::decay;
use crate::options::{Optimizer as Rule, Reduction, StackConfig, UpdateEvery};
use crate::parts::optimizer::Times;

impl Settings for StackConfig {
    fn lr(&self) -> f64 {
        self.layer.lr
    }
    fn set_lr(&mut self, lr: f64) {
        self.layer.lr = lr;
    }
    fn lr_of(&self, _: usize) -> f64 {
        self.layer.lr
    }
    fn batch_size(&self) -> usize {
        self.batch_size
    }
    fn update_every(&self) -> UpdateEvery {
        self.update_every
    }
    fn optimizer(&self) -> Rule {
        self.optimizer
    }
    fn times(&self) -> Times {
        Times {
            answer: self.layer.dt / self.longest_tau_mem(),
            slowest: decay(self.layer.dt, self.longest_tau_mem()),
        }
    }
    fn reduction(&self) -> Reduction {
        self.reduction
    }
    fn clip_norm(&self) -> Option<f64> {
        self.clip_norm
    }
    fn w_max(&self) -> Option<f64> {
        self.w_max
    }
    fn memory_limit(&self) -> Option<usize> {
        self.memory_limit
    }
}
