//! Updates of a trainer: what is pending is applied, and weights are changed at once or not at all.

use super::trainer::Trainer;
use crate::Error;
use crate::network::streams::synapses;
use crate::network::wiring::{Network, Settings};
use crate::numbers::interrupt::{Interrupt, Pace};
use crate::options::Reduction;
use crate::parts::optimizer::Measure;

impl<N: Network> Trainer<N> {
    /// Applies the pending gradient now; the count of `update_every` does not move. With nothing pending it does nothing.
    ///
    /// # Errors
    /// [`Error::NonFiniteWeights`] after the update; [`Error::Interrupted`] before it.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// trainer.update()?;
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn update(&mut self) -> Result<(), Error> {
        self.collect()?;
        self.apply_pending()?;
        self.check_weights()
    }

    /// Whether all weights are finite: known without a look at them, unless learning has driven something far out.
    ///
    /// # Errors
    /// [`Error::NonFiniteWeights`] names the matrix.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// trainer.check_weights()?;
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn check_weights(&mut self) -> Result<(), Error> {
        match self.streams.first_mut().circle().flaw() {
            None => Ok(()),
            Some(matrix) => Err(Error::NonFiniteWeights { matrix }),
        }
    }

    /// Before an update that does not follow steps of all streams: a single stream takes its gradient from where it is.
    pub(super) fn collect(&mut self) -> Result<(), Error> {
        if self.streams.len() > 1 && self.streams.since().0.steps > 0 {
            self.streams.collect()?;
        }
        Ok(())
    }

    /// One update from what is pending; of several streams, it has been collected.
    ///
    /// # Errors
    /// [`Error::Interrupted`] before it: then all of it waits.
    pub(crate) fn apply_pending(&mut self) -> Result<(), Error> {
        let (since, n_streams) = self.streams.since();
        if since.steps == 0 {
            return Ok(());
        }
        let has_target = since.targets > 0;
        let steps = if has_target {
            since.targets
        } else {
            since.steps
        };
        let scale = self.scale(steps);
        // Whatever may be stopped comes before anything changes.
        let whole = self.prepare_update()?;
        let of_loss = Measure {
            loss: since.loss,
            steps: steps as f64 / n_streams as f64,
            has_target,
        };
        self.measure(scale, of_loss)?;
        self.streams.update(self.optimizer.clipped(scale, whole));
        self.streams.rewire(&mut self.plan, &self.optimizer);
        self.optimizer.updated();
        Ok(())
    }

    /// Returns the length of all of the gradient, where that is limited.
    ///
    /// # Errors
    /// [`Error::Interrupted`], [`Error::TooLarge`]: then all of it waits.
    fn prepare_update(&mut self) -> Result<f64, Error> {
        let streams = &mut self.streams;
        streams.gather()?;
        let whole = match self.optimizer.clips() {
            true => streams.whole_length()?,
            false => 0.0,
        };
        if !self.optimizer.is_limited() {
            streams.settle()?;
        }
        if let Err(no_memory) = streams.prepare_rewiring(&self.plan) {
            streams.take_back_all();
            return Err(no_memory);
        }
        Ok(whole)
    }

    /// Has the optimizer find its steps, by the lengths of the gradient where it asks for them.
    ///
    /// # Errors
    /// [`Error::Interrupted`]: then all of it waits.
    fn measure(&mut self, scale: f64, of_loss: Measure) -> Result<(), Error> {
        let mut measured = Ok(());
        let (by_neuron, streams) = (self.optimizer.scales_neurons(), &mut self.streams);
        self.optimizer.step(scale, |to| {
            measured = match by_neuron {
                true => streams.lengths_of_neurons(to),
                false => streams.squared_lengths(to),
            };
            Measure {
                // What was not measured to its end teaches the optimizer nothing.
                has_target: of_loss.has_target && measured.is_ok(),
                ..of_loss
            }
        });
        measured
    }

    /// Changes weights at once: where that takes long, on a copy, which takes this trainer's place when all is done. Without memory for a copy nobody is asked
    /// whether to stop.
    ///
    /// # Errors
    /// Those of `change`; [`Error::Interrupted`], and then nothing has changed.
    pub(crate) fn change(
        &mut self,
        change: impl Fn(&mut Self, &mut Pace<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let interrupt = self.streams.interrupt().clone();
        // Streams share their weights: to change these is little beside what the streams do.
        if self.streams.len() == 1 && interrupt.comes_in(synapses::<N>(&self.plan)) {
            match self.try_clone() {
                Ok(mut copy) => {
                    change(&mut copy, &mut interrupt.pace())?;
                    *self = copy;
                    return Ok(());
                }
                Err(Error::TooLarge { .. }) => {}
                Err(stopped) => return Err(stopped),
            }
        }
        change(self, &mut Interrupt::NOBODY.pace())
    }

    /// What a gradient over so many steps is multiplied with.
    pub(crate) fn scale(&self, steps: u64) -> f64 {
        match self.config.reduction() {
            Reduction::Sum => 1.0,
            Reduction::Mean => 1.0 / steps.max(1) as f64,
        }
    }
}
