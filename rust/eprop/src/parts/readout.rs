//! The leaky readouts with their weights, their filtered spikes and their gradient (lines 5 and 10 of docs/method.md).

use crate::kernels::{add_row, all_finite, squared_length};
use crate::numbers::aligned::{Aligned, padded};
use crate::numbers::interrupt::Pace;
use crate::numbers::lazy::{Layout, Lazy, Shape, short_row};
use crate::numbers::parameter::{Keeps, Parameter};
use crate::numbers::room::Room;
use crate::numbers::step::Step;
use crate::numbers::walk::parts;
use crate::options::Config;
use crate::options::filters::decay;
use crate::options::plan::{Plan, base_block};
use crate::parts::signal::{Backward, Lies};
use crate::{Error, Float};

/// O leaky readouts of N neurons.
#[derive(Debug)]
pub(crate) struct Readout<F> {
    has_bias: bool,
    /// Whether the length of a gradient counts the biases, which all parts of a network have: of its first part.
    counts_bias: bool,
    at_once: bool,
    kappa: F,
    zeta_o: F,
    w_out: Lazy<F>,
    b: Parameter<F>,
    y: Aligned<F>,
    /// `F(1)`.
    filtered_one: F,
    /// Whether the biases are certain to be finite.
    finite: bool,
    drive: Aligned<F>,
}

parts!(Readout {
    Weight: [w_out, b],
    State: [y, filtered_one],
    Scratch: [drive],
} then Self::loaded);

impl<F: Float> Readout<F> {
    /// Silent, with weights of 0 or those of the stream `first`.
    pub(crate) fn new(
        room: &mut Room,
        plan: &Plan,
        config: &Config,
        first: Option<&Self>,
    ) -> Result<Self, Error> {
        let (n, n_outputs) = (plan.sizes.n, plan.sizes.n_outputs);
        let kappa = decay(config.dt, config.tau_out());
        let shape = Shape {
            sources: n,
            source_stride: padded::<F>(n),
            targets: n_outputs,
            target_stride: short_row(n_outputs),
            // Where every step needs `B err`, rows of N per readout pay.
            layout: if plan.reads_signal() {
                Layout::ByTarget
            } else {
                Layout::BySource
            },
        };
        let keeps = Keeps {
            pending: !plan.at_once,
            moments: config.optimizer.n_moments(),
        };
        let of_bias = Keeps {
            pending: true,
            ..keeps
        };
        let block = base_block(config.tau_out() / config.dt);
        Ok(Self {
            has_bias: config.readout_bias,
            counts_bias: config.readout_bias
                && plan.part.as_ref().is_none_or(|part| part.first == 0),
            at_once: plan.at_once,
            kappa: F::cast(kappa),
            zeta_o: F::cast(config.readout_gain.of(config.dt, config.tau_out())),
            w_out: Lazy::new(
                room,
                shape,
                (kappa, block),
                keeps,
                first.map(|first| &first.w_out),
            )?,
            b: Parameter::new(
                room,
                (1, n_outputs),
                of_bias,
                first.map(|first| &first.b.rows),
            )?,
            y: room.zeros(1, n_outputs)?,
            filtered_one: F::ZERO,
            finite: true,
            drive: room.zeros(1, short_row(n_outputs))?,
        })
    }

    fn loaded(&mut self) -> Result<(), Error> {
        self.finite = false;
        Ok(())
    }

    /// The root mean square of an output whose weights are of N(0, 1/N), where each neuron fires with the probability `rate` in a step, one independent of
    /// the other.
    pub(crate) fn reach(&self, rate: f64) -> f64 {
        let (kappa, gain) = (self.kappa.to_f64(), self.zeta_o.to_f64());
        let mean = rate / (1.0 - kappa);
        let variance = rate * (1.0 - rate) / (1.0 - kappa * kappa);
        gain * libm::sqrt(mean * mean + variance)
    }

    /// `y = kappa y + zeta_o (W_out z + b)`, and the filtered spikes that its gradient needs.
    pub(crate) fn step(&mut self, fired: &[u32], learning: bool) {
        self.w_out.begin(learning);
        let n_outputs = self.y.len();
        self.drive[..n_outputs].copy_from_slice(&self.b.rows);
        self.drive[n_outputs..].fill(F::ZERO);
        let fired = fired.iter().map(|&j| (j as usize, F::ONE));
        self.w_out.send(fired, F::ONE, &mut self.drive);
        self.follow();
    }

    /// As [`step`](Self::step), of neurons that are a part of a network: `exchange` makes what all parts send of what these do.
    pub(crate) fn step_of_part(
        &mut self,
        fired: &[u32],
        learning: bool,
        exchange: impl FnOnce(&[u32], &mut [F]),
    ) {
        self.w_out.begin(learning);
        self.drive.fill(F::ZERO);
        let who = fired.iter().map(|&j| (j as usize, F::ONE));
        self.w_out.send(who, F::ONE, &mut self.drive);
        let n_outputs = self.y.len();
        exchange(fired, &mut self.drive[..n_outputs]);
        add_row(F::ONE, &self.b.rows, &mut self.drive[..n_outputs]);
        self.follow();
    }

    fn follow(&mut self) {
        for (y, &drive) in self.y.iter_mut().zip(&*self.drive) {
            *y = (self.kappa * *y + self.zeta_o * drive).or_silence();
        }
        self.filtered_one = self.kappa * self.filtered_one + F::ONE;
    }

    /// The weights as they are now, a padded row of O per neuron, for steps that move nothing.
    pub(crate) fn present(&self) -> Result<Aligned<F>, Error> {
        let stride = self.drive.len();
        let n = self.w_out.n_sources();
        let mut rows = Room::build(|| "an evaluation".into(), |room| room.zeros(n, stride))?;
        let layout = self.w_out.layout();
        self.w_out.read(|at, row| {
            for (other, &w) in row.iter().enumerate() {
                let (j, k) = match layout {
                    Layout::BySource => (at, other),
                    Layout::ByTarget => (other, at),
                };
                rows[j * stride + k] = w;
            }
        })?;
        Ok(rows)
    }

    /// A step of outputs `y` from elsewhere, with weights from [`present`](Self::present): with the bits of a step that does not learn.
    pub(crate) fn step_of(&self, fired: &[u32], rows: &Aligned<F>, drive: &mut [F], y: &mut [F]) {
        let (n_outputs, stride) = (y.len(), drive.len());
        drive[..n_outputs].copy_from_slice(&self.b.rows);
        drive[n_outputs..].fill(F::ZERO);
        for &j in fired {
            add_row(F::ONE, &rows[j as usize * stride..][..stride], drive);
        }
        self.follow_in(drive, y);
    }

    /// As [`step_of`](Self::step_of), of neurons that are a part of a network, with the bits of [`step_of_part`](Self::step_of_part).
    pub(crate) fn part_step_of(
        &self,
        fired: &[u32],
        rows: &Aligned<F>,
        drive: &mut [F],
        y: &mut [F],
        exchange: impl FnOnce(&[u32], &mut [F]),
    ) {
        let (n_outputs, stride) = (y.len(), drive.len());
        drive.fill(F::ZERO);
        for &j in fired {
            add_row(F::ONE, &rows[j as usize * stride..][..stride], drive);
        }
        exchange(fired, &mut drive[..n_outputs]);
        add_row(F::ONE, &self.b.rows, &mut drive[..n_outputs]);
        self.follow_in(drive, y);
    }

    fn follow_in(&self, drive: &[F], y: &mut [F]) {
        for (y, &drive) in y.iter_mut().zip(drive) {
            *y = (self.kappa * *y + self.zeta_o * drive).or_silence();
        }
    }

    /// Adds this step's gradient, `err zeta_o F(z)` and `err zeta_o F(1)`, or takes a step with it at once.
    pub(crate) fn learn(&mut self, err: &[F], at_once: Option<Step<'_, F>>) {
        // Of any other step all of the gradient goes into the factors first, as if it waited.
        let multiples = at_once.map(|step| step.multiples());
        let (eta, keep) = multiples.flatten().unwrap_or((F::ONE, 1.0));
        if keep != 1.0 {
            self.w_out.decay(keep);
        }
        let (down, v) = self.w_out.factor();
        for (v, &err) in v.iter_mut().zip(err) {
            *v += eta * (down * (self.zeta_o * err));
        }
        self.w_out.learned();
        if let (Some(step), Some(None)) = (at_once, multiples) {
            self.w_out.take_factors(step);
        }
        if !self.has_bias {
            return;
        }
        if let Some(Step::Descend { eta }) = at_once.map(Step::of_biases) {
            for (b, &err) in self.b.rows.iter_mut().zip(err) {
                *b -= eta * (self.zeta_o * err * self.filtered_one);
                self.finite &= b.is_finite();
            }
            return;
        }
        self.b.waits = true;
        for (g, &err) in self.b.pending.iter_mut().zip(err) {
            *g += self.zeta_o * err * self.filtered_one;
        }
        if let Some(step) = at_once {
            self.b.update(step.of_biases());
            self.finite &= all_finite(&self.b.rows);
        }
    }

    /// What errors are multiplied with in this step's gradient: `zeta_o F(z)` of every neuron, and `zeta_o F(1)`.
    pub(crate) fn traces(&self) -> (impl Iterator<Item = F> + Clone, F) {
        let of_neurons = self.w_out.traces().map(|filtered| self.zeta_o * filtered);
        (of_neurons, self.zeta_o * self.filtered_one)
    }

    /// The squared length of this step's gradient, `zeta_o^2 |err|^2 (sum_j F(z_j)^2 + F(1)^2)`.
    pub(crate) fn squared_length_of_step(&self, err: &[F]) -> f64 {
        let one = if self.counts_bias {
            self.filtered_one.to_f64()
        } else {
            0.0
        };
        let zeta_o = self.zeta_o.to_f64();
        let of_traces = self.w_out.squared_length_of_traces() + one * one;
        zeta_o * zeta_o * squared_length(err) * of_traces
    }

    /// The squared length of the pending gradient.
    pub(crate) fn squared_length(&mut self) -> f64 {
        let of_bias = match self.counts_bias {
            true => squared_length(&self.b.pending),
            false => 0.0,
        };
        self.w_out.squared_length() + of_bias
    }

    /// The same of each readout.
    pub(crate) fn squared_lengths_of_each(&mut self, to: &mut [f64]) {
        let stride = self.drive.len();
        for (to, g) in to.iter_mut().zip(&*self.b.pending) {
            *to = g.to_f64() * g.to_f64();
        }
        for row in self.w_out.gradient().chunks_exact(stride) {
            for (to, g) in to.iter_mut().zip(row) {
                *to += g.to_f64() * g.to_f64();
            }
        }
    }

    /// Applies the pending gradient.
    pub(crate) fn update(&mut self, step: Step<'_, F>) {
        if !self.at_once {
            self.w_out.update(step);
            if self.has_bias {
                self.b.update(step.of_biases());
                self.finite &= all_finite(&self.b.rows);
            }
        }
    }

    /// Takes a step with a gradient from elsewhere: of the weight from neuron j to output k, and of the bias of output k.
    pub(crate) fn take(
        &mut self,
        step: Step<'_, F>,
        w_out: impl Fn(usize, usize) -> F,
        b: &[F],
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        self.w_out.take(step, w_out, pace)?;
        if self.has_bias {
            self.b.take(step.of_biases(), 0, b);
            self.finite &= all_finite(&self.b.rows);
        }
        Ok(())
    }

    /// Adds the pending gradient of another stream, whose weights are the same; there it has been used then.
    pub(crate) fn take_in(&mut self, other: &mut Self) {
        self.w_out.take_in(&mut other.w_out);
        self.b.waits |= other.b.waits;
        let pairs = self.b.pending.iter_mut().zip(other.b.pending.iter());
        pairs.for_each(|(g, &more)| *g += more);
        other.b.drop_gradient();
    }

    /// Gives the weights up, so that another stream may change them.
    pub(crate) fn release(&mut self) {
        self.w_out.w.rows = Default::default();
        self.b.rows = Default::default();
    }

    /// Reads the weights of another stream.
    pub(crate) fn share_weights(&mut self, other: &Self) {
        self.w_out.share_weights(&other.w_out);
        self.b.rows = other.b.rows.share();
        self.finite = other.finite;
    }

    /// The weights, as they read, of readouts under another plan.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Interrupted`].
    pub(crate) fn take_weights(&mut self, from: &Self, pace: &mut Pace<'_>) -> Result<(), Error> {
        self.b.rows = from.b.rows.share();
        self.finite = from.finite;
        self.w_out.take_weights(&from.w_out, pace)
    }

    pub(crate) fn reset(&mut self) {
        self.w_out.reset();
        self.y.fill(F::ZERO);
        self.filtered_one = F::ZERO;
        self.b.drop_gradient();
    }

    pub(crate) fn has_bias(&self) -> bool {
        self.has_bias
    }

    pub(crate) fn y(&self) -> &[F] {
        &self.y
    }

    pub(crate) fn w_out(&self) -> &Lazy<F> {
        &self.w_out
    }

    pub(crate) fn w_out_mut(&mut self) -> &mut Lazy<F> {
        &mut self.w_out
    }

    /// `W_out` as the way back of the errors.
    pub(crate) fn backward(&self) -> Backward<'_, F> {
        Backward {
            rows: &self.w_out.w.rows,
            lies: match self.w_out.layout() {
                Layout::ByTarget => Lies::ByOutput,
                Layout::BySource => Lies::ByNeuron(short_row(self.y.len())),
            },
            factors: self.w_out.factors(),
        }
    }

    pub(crate) fn b(&self) -> &[F] {
        &self.b.rows
    }

    pub(crate) fn set_b(&mut self, b: impl Iterator<Item = F>) {
        self.b
            .rows
            .iter_mut()
            .zip(b)
            .for_each(|(to, from)| *to = from);
        self.finite = all_finite(&self.b.rows);
    }

    /// The pending gradient: by neuron, in padded rows of O, and that of the bias.
    pub(crate) fn gradient(&mut self) -> (&[F], &[F]) {
        (self.w_out.gradient(), &self.b.pending)
    }

    /// Which of the weights is not finite, if one is: known without a look at them, unless learning has driven something far out.
    pub(crate) fn flaw(&mut self) -> Option<&'static str> {
        if !self.w_out.finite() {
            return Some("W_out");
        }
        self.finite = self.finite || all_finite(&self.b.rows);
        (!self.finite).then_some("b")
    }
}

#[cfg(test)]
mod tests;
