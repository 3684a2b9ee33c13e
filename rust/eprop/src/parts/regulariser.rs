//! Firing-rate regularisation: a second learning signal, from each neuron's own firing rate.

use crate::numbers::aligned::{Aligned, padded};
use crate::numbers::room::Room;
use crate::numbers::walk::parts;
use crate::options::filters::leak;
use crate::options::plan::Plan;
use crate::options::{Config, RegularisedSide};
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
    side: RegularisedSide,
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
            side: config.c_reg_side,
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
                    *r = self.c_reg * off_target(self.side, *f - self.f_target) * self.m;
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
            *r = self.c_reg * off_target(self.side, count / steps - self.f_target) / steps;
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

/// What is to be corrected of a rate that is so far above the target, or below it.
fn off_target<F: Float>(side: RegularisedSide, above: F) -> F {
    match side {
        RegularisedSide::Both => above,
        RegularisedSide::Above if above > F::ZERO => above,
        RegularisedSide::Below if above < F::ZERO => above,
        RegularisedSide::Above | RegularisedSide::Below => F::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::Regulariser;
    use crate::Float;
    use crate::numbers::walk;
    use crate::options::plan::{Plan, Sizes};
    use crate::options::{Config, UpdateEvery};
    use crate::testing::{in_both, made, near};

    const C_REG: f64 = 3.0;
    /// Spikes per step.
    const F_TARGET: f64 = 0.02;

    fn regulariser<F: Float>(c_reg: f64, update_every: UpdateEvery) -> Regulariser<F> {
        let config = Config {
            c_reg,
            f_target: 10.0,
            dt: 2.0,
            tau_reg: 50.0,
            update_every,
            ..Config::default()
        };
        let sizes = Sizes {
            n_inputs: 1,
            n: 2,
            n_outputs: 1,
        };
        let plan = Plan::of::<F>(sizes, &config).unwrap();
        made(|room| Regulariser::new(room, &plan, &config))
    }

    /// Who of two neurons fires.
    fn spikes<F: Float>(one: bool, other: bool) -> [F; 16] {
        core::array::from_fn(|j| {
            if (one && j == 0) || (other && j == 1) {
                F::ONE
            } else {
                F::ZERO
            }
        })
    }

    in_both! {
        fn of_a_stream_every_step_has_its_coefficient_from_the_running_rate<F>() {
            for every in [1, 7, 100] {
                let mut regulariser = regulariser::<F>(C_REG, UpdateEvery::Steps(every));
                let m = 1.0 - libm::exp(-2.0 / 50.0);
                let mut f = [F_TARGET; 2];
                for t in 0..60 {
                    let fired = [t % 3 == 0, t > 40];
                    let r = regulariser.step(&spikes(fired[0], fired[1])).unwrap();
                    let expected: [f64; 2] = core::array::from_fn(|j| {
                        let z = f64::from(u8::from(fired[j]));
                        f[j] += (z - f[j]) * m;
                        C_REG * (f[j] - F_TARGET) * m
                    });
                    near("r", &r[..2], &expected);
                    // An update restarts nothing.
                    regulariser.updated();
                    assert!(regulariser.coefficients(10).is_none());
                }
            }
        }
    }

    in_both! {
        fn of_a_sequence_the_coefficient_is_that_of_the_mean_rate<F>() {
            let mut regulariser = regulariser::<F>(C_REG, UpdateEvery::Sequence);
            for (steps, of_one) in [(10, 4), (5, 0)] {
                for t in 0..steps {
                    assert!(regulariser.step(&spikes(t < of_one, true)).is_none());
                }
                let steps = f64::from(steps);
                let of_rate = |rate: f64| C_REG * (rate - F_TARGET) / steps;
                let r = regulariser.coefficients(steps as u64).unwrap();
                near("r", &r[..2], &[of_rate(f64::from(of_one) / steps), of_rate(1.0)]);
                // The next sequence counts from 0.
                regulariser.updated();
            }
            assert!(regulariser.coefficients(0).is_none());
        }
    }

    in_both! {
        fn without_a_weight_there_is_nothing<F>() {
            for update_every in [UpdateEvery::Steps(1), UpdateEvery::Sequence] {
                let mut regulariser = regulariser::<F>(0.0, update_every);
                assert!(regulariser.step(&spikes(true, true)).is_none());
                assert!(regulariser.coefficients(5).is_none());
                assert_eq!(walk::bytes(&regulariser), 0);
            }
        }
    }

    in_both! {
        fn a_reset_forgets_the_rate<F>() {
            for update_every in [UpdateEvery::Steps(1), UpdateEvery::Sequence] {
                let mut used = regulariser::<F>(C_REG, update_every);
                used.step(&spikes(true, false));
                assert!(!walk::same(&used, &regulariser(C_REG, update_every)));
                used.reset();
                assert!(walk::same(&used, &regulariser(C_REG, update_every)));
            }
        }
    }
}
