//! What a configuration says to whoever keeps the steps and updates.

use crate::network::wiring::Settings;
use crate::options::filters::decay;
use crate::options::{Config, Optimizer as Rule, Reduction, UpdateEvery};
use crate::parts::optimizer::Times;

impl Settings for Config {
    fn lr(&self) -> f64 {
        self.lr
    }
    fn set_lr(&mut self, lr: f64) {
        self.lr = lr;
    }
    fn lr_of(&self, group: usize) -> f64 {
        self.rates_of_groups()[group].1.unwrap_or(self.lr)
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
        // The longest is that of the slowest answer.
        let (tau_mem, tau_syn) = (self.longest_tau_mem(), self.tau_syn);
        let filters = [tau_mem, tau_syn, self.tau_out()].map(|tau| decay(self.dt, tau));
        Times {
            answer: self.dt / (self.tau_out() + tau_mem + tau_syn),
            slowest: filters.into_iter().fold(0.0, f64::max),
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
    fn keeps_signs(&self) -> bool {
        self.sign.is_some()
    }
    fn memory_limit(&self) -> Option<usize> {
        self.memory_limit
    }
    fn looks_back(&self) -> bool {
        self.horizon.is_beyond_a_step()
    }
}
