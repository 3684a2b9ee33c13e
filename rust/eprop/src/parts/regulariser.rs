//! Firing-rate regularisation: a second learning signal, from each neuron's own firing rate.

use crate::numbers::aligned::{Aligned, padded};
use crate::numbers::room::Room;
use crate::numbers::walk::parts;
use crate::options::Config;
use crate::options::config::leak;
use crate::options::plan::Plan;
use crate::{Error, Float};

/// The two modes of docs/method.md: at the update, from the mean firing rate of a sequence; or at every step, from a running estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Off,
    Sequence,
    Stream,
}

/// Keeps every neuron near a target firing rate.
#[derive(Debug)]
pub(crate) struct Regulariser<F> {
    mode: Mode,
    c_reg: F,
    f_target: F,
    m: F,
    /// Stream: the estimate `f` of the firing rate. Sequence: the number of spikes since the last update.
    f: Aligned<F>,
    r: Aligned<F>,
}

parts!(Regulariser {
    State: [f],
    Scratch: [r],
});

impl<F: Float> Regulariser<F> {
    pub(crate) fn new(room: &mut Room, plan: &Plan, config: &Config) -> Result<Self, Error> {
        let mode = match (plan.sum_e, plan.streamed_regulariser) {
            (true, _) => Mode::Sequence,
            (_, true) => Mode::Stream,
            _ => Mode::Off,
        };
        let n = if mode == Mode::Off {
            0
        } else {
            padded::<F>(plan.sizes.n)
        };
        let mut this = Self {
            mode,
            c_reg: F::cast(config.c_reg),
            f_target: F::cast(config.f_target * config.dt / 1000.0),
            m: F::cast(leak(config.dt, config.tau_reg)),
            f: room.zeros(1, n)?,
            r: room.zeros(1, n)?,
        };
        this.reset();
        Ok(this)
    }

    pub(crate) fn is_on(&self) -> bool {
        self.mode != Mode::Off
    }

    /// Takes in this step's spikes, padded; returns the stream's coefficients on raw `e`, padded.
    pub(crate) fn step(&mut self, z: &[F]) -> Option<&[F]> {
        match self.mode {
            Mode::Off => None,
            Mode::Sequence => {
                self.f.iter_mut().zip(z).for_each(|(count, &z)| *count += z);
                None
            }
            Mode::Stream => {
                for ((f, r), &z) in self.f.iter_mut().zip(self.r.iter_mut()).zip(z) {
                    *f += (z - *f) * self.m;
                    *r = self.c_reg * (*f - self.f_target) * self.m;
                }
                Some(&self.r)
            }
        }
    }

    /// The coefficients of the sequence mode on `sum_t e` over the last `steps` steps.
    pub(crate) fn coefficients(&mut self, steps: u64) -> Option<&[F]> {
        if self.mode != Mode::Sequence || steps == 0 {
            return None;
        }
        let steps = F::cast(steps as f64);
        for (r, &count) in self.r.iter_mut().zip(self.f.iter()) {
            *r = self.c_reg * (count / steps - self.f_target) / steps;
        }
        Some(&self.r)
    }

    /// Starts the next sequence's count.
    pub(crate) fn updated(&mut self) {
        if self.mode == Mode::Sequence {
            self.f.fill(F::ZERO);
        }
    }

    pub(crate) fn reset(&mut self) {
        let start = if self.mode == Mode::Stream {
            self.f_target
        } else {
            F::ZERO
        };
        self.f.fill(start);
    }
}
