//! Firing-rate regularisation: a second learning signal, from each neuron's own rate.

use crate::Float;
use crate::aligned::{Aligned, padded};
use crate::config::{Config, UpdateEvery, leak};
use crate::persist::persist;

/// The two forms of section 2: over whole sequences on the mean rate, over streams on a running estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Off,
    Sequence,
    Stream,
}

/// Holds every neuron near a target rate.
#[derive(Clone, Debug)]
pub(crate) struct Regulariser<F> {
    form: Form,
    c_reg: F,
    f_target: F,
    m: F,
    /// Stream: the rate estimate `f`. Sequence: the number of spikes since the last update.
    f: Aligned<F>,
    r: Aligned<F>,
}

persist!(Regulariser {
    weights: [],
    state: [f],
    scratch: [r]
});

impl<F: Float> Regulariser<F> {
    pub(crate) fn new(n: usize, config: &Config) -> Self {
        let form = match config.update_every {
            _ if config.c_reg == 0.0 => Form::Off,
            UpdateEvery::Sequence => Form::Sequence,
            UpdateEvery::Steps(_) => Form::Stream,
        };
        let n = if form == Form::Off { 0 } else { padded::<F>(n) };
        let mut this = Self {
            form,
            c_reg: F::cast(config.c_reg),
            f_target: F::cast(config.f_target * config.dt / 1000.0),
            m: F::cast(leak(config.dt, config.tau_reg)),
            f: Aligned::zeros(n),
            r: Aligned::zeros(n),
        };
        this.reset();
        this
    }

    /// Whether the gradient needs `sum_t e`, a second accumulator.
    pub(crate) fn needs_sum_e(&self) -> bool {
        self.form == Form::Sequence
    }

    /// Whether every step has coefficients of its own.
    pub(crate) fn is_stream(&self) -> bool {
        self.form == Form::Stream
    }

    /// Takes in this step's spikes, padded; returns the stream's coefficients on raw `e`, padded.
    pub(crate) fn step(&mut self, z: &[F]) -> Option<&[F]> {
        match self.form {
            Form::Off => None,
            Form::Sequence => {
                self.f.iter_mut().zip(z).for_each(|(count, &z)| *count += z);
                None
            }
            Form::Stream => {
                for ((f, r), &z) in self.f.iter_mut().zip(self.r.iter_mut()).zip(z) {
                    *f += (z - *f) * self.m;
                    *r = self.c_reg * (*f - self.f_target) * self.m;
                }
                Some(&self.r)
            }
        }
    }

    /// The sequence form's coefficients on `sum_t e` over the last `steps` steps.
    pub(crate) fn coefficients(&mut self, steps: u64) -> Option<&[F]> {
        if self.form != Form::Sequence || steps == 0 {
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
        if self.form == Form::Sequence {
            self.f.fill(F::ZERO);
        }
    }

    pub(crate) fn reset(&mut self) {
        let start = if self.form == Form::Stream {
            self.f_target
        } else {
            F::ZERO
        };
        self.f.fill(start);
    }
}
