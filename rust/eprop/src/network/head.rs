//! A head: readouts with their loss, and the feedback that carries its errors back.

use alloc::vec::Vec;

use ndarray::ArrayView1;

use crate::numbers::aligned::Aligned;
use crate::numbers::parameter::Step;
use crate::numbers::room::Room;
use crate::numbers::walk::parts;
use crate::options::plan::Plan;
use crate::options::{Config, Loss};
use crate::parts::feedback::FeedbackWeights;
use crate::parts::init::Gaussian;
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
    l: Aligned<F>,
}

parts!(Head {
    Weight: [feedback],
    State: [readout],
    Scratch: [target, err, l],
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
            feedback: FeedbackWeights::new(room, config.feedback, n, n_outputs, feedback)?,
            loss: config.loss,
            target: room.vec(F::ZERO, n_outputs)?,
            err: room.vec(F::ZERO, n_outputs)?,
            l: room.zeros(1, plan.stride::<F>())?,
        })
    }

    /// Draws the readouts' weights, then the feedback's own.
    pub(crate) fn draw(&mut self, gaussian: &mut Gaussian, n: usize) {
        let scale = 1.0 / libm::sqrt(n as f64);
        self.readout.w_out_mut().assign(|_, _| gaussian.draw(scale));
        self.feedback.assign(|_, _| gaussian.draw(scale));
    }

    /// The errors of this step, 0 without a target, and the loss.
    pub(crate) fn judge(&mut self, target: Option<ArrayView1<'_, F>>) -> Option<f64> {
        self.err.fill(F::ZERO);
        target.map(|target| {
            self.target
                .iter_mut()
                .zip(target)
                .for_each(|(to, &from)| *to = from);
            self.loss
                .evaluate(self.readout.y(), &self.target, &mut self.err)
        })
    }

    /// The errors of this step, `B`, and `L = B err` if it is read.
    pub(crate) fn signal(&mut self, reads_signal: bool) -> (&[F], Backward<'_, F>, &[F]) {
        let b = self.feedback.backward(self.readout.backward());
        if reads_signal {
            b.signal(&self.err, &mut self.l);
        }
        (&self.err, b, &self.l)
    }

    /// The readouts learn from the errors of this step.
    pub(crate) fn learn(&mut self, at_once: Option<F>) {
        self.readout.learn(&self.err, at_once);
    }

    pub(crate) fn backward(&self) -> Backward<'_, F> {
        self.feedback.backward(self.readout.backward())
    }

    /// One update of the readouts of several streams, whose gradients are added in their order.
    pub(crate) fn update_together<'a>(
        &mut self,
        rest: impl Iterator<Item = &'a mut Self>,
        step: Step<F>,
    ) where
        F: 'a,
    {
        for other in rest {
            self.readout.take_in(&mut other.readout);
            other.release();
        }
        self.readout.update(step);
    }

    /// Gives the weights up, so that another stream may change them.
    pub(crate) fn release(&mut self) {
        self.readout.release();
        self.feedback.release();
    }

    /// The weights, as they read, of a head under another plan.
    pub(crate) fn take_weights(&mut self, from: &Self) -> Result<(), Error> {
        self.feedback.share_weights(&from.feedback);
        self.readout.take_weights(&from.readout)
    }

    /// Reads the weights of another stream.
    pub(crate) fn share_weights(&mut self, other: &Self) {
        self.readout.share_weights(&other.readout);
        self.feedback.share_weights(&other.feedback);
    }
}
