//! An update: the optimizer's step with what the decisions have taught.

use super::EpropAgent;
use crate::network::recurrent::group;
use crate::parts::optimizer::Measure;
use crate::{Error, Float};

impl<F: Float> EpropAgent<F> {
    /// Applies what waits, if an update is `due`: `sum delta M` and the gradient of the entropy bonus.
    ///
    /// # Errors
    /// [`Error::NonFiniteWeights`] after it; [`Error::TooLarge`].
    pub(super) fn update_if(&mut self, due: bool) -> Result<(), Error> {
        let n_errors = self.memory.n_errors();
        if !due || n_errors == 0 {
            return Ok(());
        }
        self.update(n_errors)?;
        self.memory.drop_sums();
        self.trainer.check_weights()
    }

    fn update(&mut self, n_errors: u64) -> Result<(), Error> {
        let (trainer, memory) = (&mut self.trainer, &mut self.memory);
        let scale = trainer.scale(n_errors);
        let plan = &trainer.plan;
        let n_streams = memory
            .episodes
            .iter()
            .filter(|episode| episode.n_errors > 0)
            .count();
        let decisions = n_errors as f64 / n_streams.max(1) as f64;
        let (by_neuron, sum, loss) = (
            trainer.optimizer.scales_neurons(),
            &mut memory.sum,
            memory.loss,
        );
        // The bonus is in the gradient, and not in its length: a loss of nothing would have one of any length.
        trainer.optimizer.step(scale, |to| {
            match by_neuron {
                true => sum.squared_lengths_of_neurons(plan, to),
                false => sum.squared_lengths(to),
            }
            Measure {
                loss,
                // The network has so long to answer.
                steps: decisions * self.config.steps_per_action as f64,
                has_target: true,
            }
        });
        if let Some(of_entropy) = &memory.of_entropy {
            F::add_trace(sum, F::ONE, of_entropy);
        }
        let mut lengths = [0.0; group::OUT + 1];
        if trainer.optimizer.clips() {
            sum.squared_lengths(&mut lengths);
        }
        let steps = trainer.optimizer.clipped(scale, lengths.iter().sum());
        trainer
            .streams
            .alter(|first| F::apply_trace(sum, first, steps))?;
        trainer.optimizer.updated();
        Ok(())
    }
}
