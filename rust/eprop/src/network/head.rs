//! A head: readouts with their loss, and the feedback that carries its errors back.

use alloc::vec::Vec;
use core::ops::Range;

use ndarray::ArrayView1;

use crate::numbers::aligned::Aligned;
use crate::numbers::interrupt::Pace;
use crate::numbers::room::Room;
use crate::numbers::step::Step;
use crate::numbers::walk::parts;
use crate::options::plan::Plan;
use crate::options::{Config, Gain, Loss};
use crate::parts::feedback::FeedbackWeights;
use crate::parts::init::{Gaussian, standard_deviation_of_readouts};
use crate::parts::lesson::Lesson;
use crate::parts::readout::Readout;
use crate::parts::signal::Backward;
use crate::{Error, Float};

/// O readouts of a population.
#[derive(Debug)]
pub(crate) struct Head<F> {
    pub(crate) readout: Readout<F>,
    pub(crate) feedback: FeedbackWeights<F>,
    loss: Loss,
    target: Vec<F>,
    err: Vec<F>,
    /// `L` of the last step, where `knows_l` says so.
    l: Aligned<F>,
    knows_l: bool,
}

parts!(Head {
    Weight: [feedback],
    State: [readout],
    Mark: [err, l, knows_l],
    Scratch: [target],
});

impl<F: Float> Head<F> {
    /// Silent, with weights of 0 or those of the stream `first`.
    pub(crate) fn new(
        room: &mut Room,
        plan: &Plan,
        config: &Config,
        first: Option<&Self>,
    ) -> Result<Self, Error> {
        let (n, n_outputs) = (plan.sizes.n, plan.sizes.n_outputs);
        let feedback = first.map(|first| &first.feedback);
        Ok(Self {
            readout: Readout::new(room, plan, config, first.map(|first| &first.readout))?,
            feedback: FeedbackWeights::new(room, config, n, n_outputs, feedback)?,
            loss: config.loss,
            target: room.vec(F::ZERO, n_outputs)?,
            err: room.vec(F::ZERO, n_outputs)?,
            l: room.zeros(1, plan.stride::<F>())?,
            knows_l: true,
        })
    }

    /// Draws the readouts' weights, then the feedback's own, of the neurons that this head reads, of `all` in the network.
    pub(crate) fn draw(
        &mut self,
        gaussian: &mut Gaussian,
        neurons: Range<usize>,
        all: usize,
        readout_gain: Gain,
    ) {
        let scale = 1.0 / libm::sqrt(all as f64);
        let of_readout = standard_deviation_of_readouts(all, readout_gain);
        let numbers = |neurons: usize| neurons as u64 * self.err.len() as u64;
        let (before, after) = (numbers(neurons.start), numbers(all - neurons.end));
        gaussian.skip(before);
        self.readout
            .w_out_mut()
            .assign(|_, _| gaussian.draw(of_readout));
        gaussian.skip(after);
        gaussian.skip(before);
        self.assign_feedback(|_, _| gaussian.draw(scale));
    }

    /// The errors of this step, 0 without a target, and the loss.
    pub(crate) fn judge(&mut self, lesson: Lesson<'_, F>) -> Option<f64> {
        let y = self.readout.y();
        lesson.judge(self.loss, y, &mut self.target, &mut self.err)
    }

    /// What `B` takes back of this step's errors, `B`, and `L`: `B err`, if it is read, or the user's own, in the place of all errors.
    pub(crate) fn signal(
        &mut self,
        own: Option<ArrayView1<'_, F>>,
        reads_signal: bool,
    ) -> (&[F], Backward<'_, F>, &[F]) {
        let b = self.feedback.backward(self.readout.backward());
        self.knows_l = reads_signal || own.is_some();
        match own {
            Some(own) => {
                let pairs = self.l.iter_mut().zip(own);
                pairs.for_each(|(l, &own)| *l = own);
            }
            None if reads_signal => b.signal(&self.err, &mut self.l),
            None => {}
        }
        let err: &[F] = if own.is_some() { &[] } else { &self.err };
        (err, b, &self.l)
    }

    /// Before `B` changes: `L` of the last step, where no form of the synapses has asked for it.
    pub(crate) fn keep_l(&mut self) {
        if !self.knows_l {
            let b = self.feedback.backward(self.readout.backward());
            b.signal(&self.err, &mut self.l);
            self.knows_l = true;
        }
    }

    /// `L` of the last step, 0 of one without learning.
    pub(crate) fn read_l(&self, to: &mut [F]) {
        match self.knows_l {
            true => to.copy_from_slice(&self.l),
            false => self.backward().signal(&self.err, to),
        }
    }

    /// After a step that does not learn.
    pub(crate) fn move_on(&mut self) {
        self.err.fill(F::ZERO);
        self.l.fill(F::ZERO);
        self.knows_l = true;
    }

    pub(crate) fn reset(&mut self) {
        self.readout.reset();
        self.move_on();
    }

    /// The readouts learn from the errors of this step. `fixed`: whether their learning rate is 0.
    pub(crate) fn learn(&mut self, at_once: Option<Step<'_, F>>, fixed: bool) {
        self.readout.learn(&self.err, at_once);
        if let Some(step) = at_once {
            self.updated(step, fixed);
        }
    }

    /// Applies the pending gradient of the readouts.
    pub(crate) fn update(&mut self, step: Step<'_, F>, fixed: bool) {
        self.keep_l();
        self.readout.update(step);
        self.updated(step, fixed);
    }

    /// Takes a step with a gradient from elsewhere: of the weight from neuron j to output k, and of the bias of output k.
    pub(crate) fn take(
        &mut self,
        (step, fixed): (Step<'_, F>, bool),
        w_out: impl Fn(usize, usize) -> F,
        b: &[F],
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        self.readout.take(step, w_out, b, pace)?;
        self.updated(step, fixed);
        Ok(())
    }

    /// `W_out` has taken its step. Where its learning rate is 0 it rests, but for a bound that it did not keep. A step of no length is none of these: it decays.
    fn updated(&mut self, step: Step<'_, F>, fixed: bool) {
        if !self.feedback.is_adaptive() {
            return;
        }
        let keep = match (fixed, step.is_bounded()) {
            (false, _) => self.feedback.keep(),
            (true, true) => F::ONE,
            (true, false) => return,
        };
        if keep != F::ONE {
            self.readout.w_out_mut().multiply(keep);
        }
        self.feedback.follow(keep, self.readout.w_out());
    }

    /// Replaces the weights of the readouts, and no others: `w_of(neuron, output)`.
    pub(crate) fn assign_readouts(&mut self, w_of: impl FnMut(usize, usize) -> F) {
        self.readout.w_out_mut().assign(w_of);
        self.feedback.part_from(self.readout.w_out());
    }

    /// Replaces the feedback's own weights: `b_of(neuron, output)`, called by neuron and then by output.
    pub(crate) fn assign_feedback(&mut self, b_of: impl FnMut(usize, usize) -> F) {
        self.feedback.assign(b_of);
        self.feedback.part_from(self.readout.w_out());
    }

    pub(crate) fn backward(&self) -> Backward<'_, F> {
        self.feedback.backward(self.readout.backward())
    }

    /// The squared length of this step's gradient.
    pub(crate) fn squared_length_of_step(&self) -> f64 {
        self.readout.squared_length_of_step(&self.err)
    }

    /// Adds the pending gradients of the readouts of other streams, in their order; there they have been used then.
    pub(crate) fn take_in<'a>(&mut self, rest: impl Iterator<Item = &'a mut Self>)
    where
        F: 'a,
    {
        rest.for_each(|other| self.readout.take_in(&mut other.readout));
    }

    /// Gives the weights up, so that another stream may change them.
    pub(crate) fn release(&mut self) {
        self.readout.release();
        self.feedback.release();
    }

    /// The weights, as they read, of a head under another plan.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Interrupted`].
    pub(crate) fn take_weights(&mut self, from: &Self, pace: &mut Pace<'_>) -> Result<(), Error> {
        self.feedback.share_weights(&from.feedback);
        self.readout.take_weights(&from.readout, pace)
    }

    /// Reads the weights of another stream.
    pub(crate) fn share_weights(&mut self, other: &Self) {
        self.readout.share_weights(&other.readout);
        self.feedback.share_weights(&other.feedback);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use ndarray::array;

    use super::{Config, Gain, Gaussian, Head, Lesson, Loss, Plan};
    use crate::Float;
    use crate::numbers::step::Step;
    use crate::options::plan::Sizes;
    use crate::options::{Engine, Feedback, UpdateEvery};
    use crate::testing::unasked;
    use crate::testing::{in_both, made, near, same_bits};

    const N: usize = 4;

    fn config(engine: Engine, n: usize, feedback: Feedback) -> Config {
        Config {
            engine: Some(engine),
            update_every: UpdateEvery::Steps(n),
            feedback,
            tau_out: Some(0.0),
            ..Config::default()
        }
    }

    fn head<F: Float>(config: &Config, first: Option<&Head<F>>) -> Head<F> {
        let sizes = Sizes {
            n_inputs: 1,
            n: N,
            n_outputs: 2,
        };
        let plan = Plan::of::<F>(sizes, config).unwrap();
        made(|room| Head::new(room, &plan, config, first))
    }

    /// `W_out_kj`.
    fn w_out(j: usize, k: usize) -> f64 {
        [[0.5, -0.25, 1.0, 2.0], [0.75, 1.5, -1.0, 0.125]][k][j]
    }

    fn assigned<F: Float>(config: &Config) -> Head<F> {
        let mut head = head(config, None);
        head.readout.w_out_mut().assign(|j, k| F::cast(w_out(j, k)));
        head
    }

    fn symmetric() -> Config {
        config(Engine::Factored, 1, Feedback::Symmetric)
    }

    in_both! {
        fn errors_are_those_of_the_output_and_zero_without_a_target<F>() {
            let mut head = assigned::<F>(&symmetric());
            head.readout.step(&[1], true);
            let target = array![F::cast(0.25), F::cast(0.5)];
            let loss = head.judge(Lesson::of(target.view())).unwrap();
            let (err, _, l) = head.signal(None, true);
            near("err", err, &[-0.5, 1.0]);
            near("L", &l[..N], &core::array::from_fn::<_, N, _>(|j| -0.5 * w_out(j, 0) + w_out(j, 1)));
            assert_eq!(loss, 0.5 * (0.25 + 1.0));
            assert_eq!(head.judge(Lesson::default()), None);
            let (err, _, l) = head.signal(None, true);
            near("err", err, &[0.0; 2]);
            near("L", &l[..N], &[0.0; N]);
        }
    }

    in_both! {
        fn the_loss_is_the_one_that_is_chosen<F>() {
            let mut head = assigned::<F>(&Config { loss: Loss::CrossEntropy, ..symmetric() });
            head.readout.step(&[], true);
            let target = array![F::ONE, F::ZERO];
            let loss = head.judge(Lesson::of(target.view())).unwrap();
            near("loss", &[F::cast(loss)], &[core::f64::consts::LN_2]);
            near("err", head.signal(None, false).0, &[-0.5, 0.5]);
        }
    }

    in_both! {
        fn readouts_are_drawn_before_the_feedback<F>() {
            let gains = [(Gain::Unit, 0.1 * 0.5), (Gain::Leak, 0.5)];
            for (feedback, (readout_gain, of_readout)) in [Feedback::Symmetric, Feedback::Random].into_iter().zip(gains) {
                let mut head = head::<F>(&config(Engine::Factored, 1, feedback), None);
                head.draw(&mut Gaussian::new(3), 0..N, N, readout_gain);
                let mut gaussian = Gaussian::new(3);
                let mut draw = |scale| gaussian.draw::<F>(scale);
                // By neuron, and then by output.
                let drawn: Vec<_> = (0..2 * N).map(|_| draw(of_readout)).collect();
                head.readout.w_out().read(|k, row| {
                    same_bits("W_out", row, &(0..N).map(|j| drawn[2 * j + k]).collect::<Vec<_>>());
                }).unwrap();
                let drawn: Vec<_> = (0..2 * N).map(|_| draw(0.5)).collect();
                for (k, row) in head.feedback.rows().enumerate() {
                    same_bits("B", row, &(0..N).map(|j| drawn[2 * j + k]).collect::<Vec<_>>());
                }
            }
        }
    }

    in_both! {
        fn random_feedback_does_not_follow_the_readouts<F>() {
            let mut head = assigned::<F>(&config(Engine::Factored, 1, Feedback::Random));
            head.feedback.assign(|j, k| F::cast((j + 10 * k) as f64));
            for _ in 0..2 {
                head.readout.step(&[1], true);
                head.err.copy_from_slice(&[F::ONE, F::cast(-1.0)]);
                let (_, _, l) = head.signal(None, true);
                near("L", &l[..N], &[-10.0; N]);
                head.learn(Some(Step::Descend { eta: F::cast(0.25) }), false);
            }
        }
    }

    in_both! {
        fn the_heads_of_streams_take_one_step_with_all_their_gradients<F>() {
            let config = Config { batch_size: 3, ..config(Engine::Block, 8, Feedback::Random) };
            let mut first = assigned::<F>(&config);
            let mut rest: Vec<_> = (0..2).map(|_| head(&config, Some(&first))).collect();
            // Stream b: neuron b fires, with an error of b + 1.
            for (b, head) in core::iter::once(&mut first).chain(&mut rest).enumerate() {
                head.readout.step(&[b as u32], true);
                head.err.fill(F::cast(1.0 + b as f64));
                head.learn(None, false);
            }
            let place = first.readout.w_out().w.rows.as_ptr();
            first.take_in(rest.iter_mut());
            rest.iter_mut().for_each(Head::release);
            first.readout.update(Step::Descend { eta: F::cast(0.25) });
            rest.iter_mut().for_each(|head| head.share_weights(&first));
            for head in core::iter::once(&first).chain(&rest) {
                let mut w = vec![];
                head.readout.w_out().read(|j, row| w.push((j, row.to_vec()))).unwrap();
                for (j, row) in w {
                    let err = if j < 3 { 1.0 + j as f64 } else { 0.0 };
                    near("W_out", &row, &[w_out(j, 0) - 0.25 * err, w_out(j, 1) - 0.25 * err]);
                }
            }
            // They are changed where they lie, since nobody else reads them then.
            assert_eq!(first.readout.w_out().w.rows.as_ptr(), place);
            assert_eq!(rest[1].readout.w_out().w.rows.as_ptr(), place);
        }
    }

    in_both! {
        fn weights_are_taken_as_they_read_with_the_feedback<F>() {
            let feedback = Feedback::Random;
            let mut from = assigned::<F>(&config(Engine::Factored, 1, feedback));
            from.feedback.assign(|j, k| F::cast((j + 10 * k) as f64));
            from.readout.step(&[1], true);
            from.err.fill(F::ONE);
            from.learn(Some(Step::Descend { eta: F::cast(0.25) }), false);
            let mut twin = head::<F>(&config(Engine::Block, 8, feedback), None);
            twin.take_weights(&from, &mut unasked()).unwrap();
            twin.readout.w_out().read(|j, row| {
                let learned = if j == 1 { 0.25 } else { 0.0 };
                near("W_out", row, &[w_out(j, 0) - learned, w_out(j, 1) - learned]);
            }).unwrap();
            twin.feedback.rows().zip(from.feedback.rows()).for_each(|(one, other)| same_bits("B", one, other));
        }
    }
}
