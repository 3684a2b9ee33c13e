//! What a network does at each step and at each update.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use super::rewiring::Round;
use crate::numbers::aligned::Aligned;
use crate::numbers::interrupt::Pace;
use crate::parts::input::{Input, Inputs};
use crate::parts::lesson::Lesson;
use crate::parts::optimizer::{Optimizer, Steps};
use crate::{Error, Float};

/// The steps and the updates of a network: nearly all of the work. Who trains one calls them through [`Wiring::circle`](super::wiring::Wiring::circle).
pub trait Circle<F: Float> {
    /// One step that learns; all arguments are checked. `at_once`: the rule of a gradient that is applied with its step.
    fn learn(
        &mut self,
        x: Input<'_, F>,
        lesson: Lesson<'_, F>,
        at_once: Option<&mut Optimizer>,
    ) -> Option<f64>;
    /// One step that does not.
    fn predict(&mut self, x: Input<'_, F>);
    /// Who fires at one step of which nothing is kept that learning would need.
    fn fire(&mut self, x: Input<'_, F>);
    /// Before step `t` of a run between two updates: a chance to work out what the inputs of the next steps send all at once.
    fn look_ahead(&mut self, _: Inputs<'_, F>, _t: usize) {}
    /// The steps that were looked ahead to are not taken.
    fn forget_ahead(&mut self) {}
    /// Before a step: does what it would have to do first, unless it is stopped; what is left is done later.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    fn ready(&mut self, _: &mut Pace<'_>) -> Result<(), Error> {
        Ok(())
    }
    /// Before an update of the only stream that measures nothing: works off as much as can be without other bits, unless it is stopped; what is left is done
    /// later.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    fn settle(&mut self, _: &mut Pace<'_>) -> Result<(), Error> {
        Ok(())
    }
    /// The squared length of the pending gradient of the only stream, without the regulariser's part, of each group of weights.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    fn squared_lengths(&mut self, to: &mut [f64], pace: &mut Pace<'_>) -> Result<(), Error>;
    /// As [`squared_lengths`](Self::squared_lengths), of every neuron, one group after the other. `sums`: what several streams have collected, after
    /// [`gather_heads`](super::wiring::Wiring::gather_heads); of the only stream there are none.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    fn lengths_of_neurons(
        &mut self,
        _sums: &[Vec<Aligned<F>>],
        _to: &mut [f64],
        _: &mut Pace<'_>,
    ) -> Result<(), Error> {
        Ok(())
    }
    /// The squared length of all of the pending gradient of the only stream, the regulariser's part included.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    fn whole_length(&mut self, pace: &mut Pace<'_>) -> Result<f64, Error>;
    /// Applies the pending gradient of the only stream.
    fn update(&mut self, steps: Steps<'_>);
    /// Adds the pending gradient of the synapses to sums over streams, one per parameter; it has been used then. Where the plan keeps the
    /// regulariser's part apart, a sum is twice as long as its parameter.
    fn collect(&mut self, sums: &mut [Aligned<F>]);
    /// As [`collect`](Self::collect), of a twin, unless it is stopped: then the gradient is lost.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    fn collect_until(&mut self, sums: &mut [Aligned<F>], _: &mut Pace<'_>) -> Result<(), Error> {
        self.collect(sums);
        Ok(())
    }
    /// What was collected waits again, as the gradient of this stream, which has none of its own then; `sums` are to be cleared before they are used.
    fn take_back(&mut self, sums: &mut [Aligned<F>]);
    /// The squared length of what its head has taken in, and which group of weights that is; `None` where it has no head.
    fn head_squared_length(&mut self) -> Option<(usize, f64)> {
        None
    }
    /// The first stream, alone with the weights, applies what it has taken in.
    fn update_head(&mut self, _steps: Steps<'_>) {}
    /// Before an update, of the first stream, where synapses may move: notes what it has to know of the weights as they are, and takes memory for what comes of it.
    ///
    /// # Errors
    /// [`Error::TooLarge`], and then nothing has changed.
    fn prepare_rewiring(&mut self) -> Result<(), Error> {
        Ok(())
    }
    /// After it, of the first stream, which alone has weights: which synapses move, if any do.
    fn round(&mut self, _: &Optimizer) -> Option<Round<F>> {
        None
    }
    /// Of each stream: they move.
    fn rewire(&mut self, _: &mut Round<F>) {}
    /// Makes room for so many more steps, learning steps or others, where what is kept of them grows.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    fn reserve(&mut self, _steps: usize, _learning: bool) -> Result<(), Error> {
        Ok(())
    }
    /// Before `B` changes by other ways than an update: whatever still needs the old one is worked off, unless it is stopped; what is left is done later.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    fn flush(&mut self, _: &mut Pace<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// The matrix that is not finite, if one is: known without a look at them, unless learning has driven something far out.
    fn flaw(&mut self) -> Option<Cow<'static, str>>;
    /// Works off what may wait, so that equal states have equal buffers.
    fn catch_up(&mut self) {}
    fn reset(&mut self);
}
