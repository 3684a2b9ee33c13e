//! What is read and assigned of an agent.

use ndarray::{ArrayView1, ArrayView2};

use super::{AgentConfig, EpropAgent};
use crate::{EpropTrainer, Error, Float, Inputs};

impl<F: Float> EpropAgent<F> {
    /// The configuration, with the learning rates as they are now.
    ///
    /// ```
    /// # use eprop::{AgentConfig, EpropAgent};
    /// let mut agent = EpropAgent::<f32>::new(2, 20, 3, AgentConfig::default())?;
    /// agent.set_lr(0.001)?;
    /// assert_eq!((agent.config().network.lr, agent.network().lr()), (0.001, 0.001));
    /// assert_eq!((agent.n_inputs(), agent.n_actions(), agent.batch_size()), (2, 3, 1));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn config(&self) -> &AgentConfig {
        &self.config
    }

    /// The network, to be read: its weights, and the state of every environment's stream. Its last output is the value. Example: [`config`](Self::config).
    pub fn network(&self) -> &EpropTrainer<F> {
        &self.trainer
    }

    /// Number of inputs. Example: [`config`](Self::config).
    pub fn n_inputs(&self) -> usize {
        self.trainer.n_inputs()
    }

    /// Number of actions. Example: [`config`](Self::config).
    pub fn n_actions(&self) -> usize {
        self.trainer.n_outputs() - 1
    }

    /// Number of environments. Example: [`config`](Self::config).
    pub fn batch_size(&self) -> usize {
        self.trainer.batch_size()
    }

    /// The probability of every action at the last decision of an environment; 0 before the first. `None`: no such environment.
    ///
    /// ```
    /// # use eprop::{AgentConfig, EpropAgent};
    /// let mut agent = EpropAgent::<f32>::new(2, 20, 3, AgentConfig::default())?;
    /// agent.act(ndarray::array![1.0, 0.5].view())?;
    /// let sum: f64 = agent.policy(0).unwrap_or_default().iter().sum();
    /// assert!((sum - 1.0).abs() < 1e-12);
    /// assert!(agent.value(0).is_some() && agent.policy(1).is_none());
    /// agent.learn(2.0, true)?;
    /// assert_eq!(agent.td_error(0), agent.value(0).map(|value| 2.0 - value));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn policy(&self, environment: usize) -> Option<&[f64]> {
        self.memory
            .episodes
            .get(environment)
            .map(|episode| episode.policy())
    }

    /// The value at the last decision of an environment. Example: [`policy`](Self::policy).
    pub fn value(&self, environment: usize) -> Option<f64> {
        self.memory
            .episodes
            .get(environment)
            .map(|episode| episode.value())
    }

    /// The TD error that an environment has learned from last. Example: [`policy`](Self::policy).
    pub fn td_error(&self, environment: usize) -> Option<f64> {
        self.memory
            .episodes
            .get(environment)
            .map(|episode| episode.td_error())
    }

    /// Changes the learning rate from the next update on. Example: [`config`](Self::config).
    ///
    /// # Errors
    /// [`Error::Value`] for a negative or non-finite one.
    pub fn set_lr(&mut self, lr: f64) -> Result<(), Error> {
        self.trainer.set_lr(lr)?;
        self.config.network.lr = lr;
        Ok(())
    }

    /// That of `W_in`; `None`: that of all. At 0 these weights are fixed.
    ///
    /// # Errors
    /// As [`set_lr`](Self::set_lr).
    pub fn set_lr_in(&mut self, lr: Option<f64>) -> Result<(), Error> {
        self.trainer.set_lr_in(lr)?;
        self.config.network.lr_in = lr;
        Ok(())
    }

    /// As [`set_lr_in`](Self::set_lr_in), of `W_rec`.
    ///
    /// # Errors
    /// As [`set_lr`](Self::set_lr).
    pub fn set_lr_rec(&mut self, lr: Option<f64>) -> Result<(), Error> {
        self.trainer.set_lr_rec(lr)?;
        self.config.network.lr_rec = lr;
        Ok(())
    }

    /// As [`set_lr_in`](Self::set_lr_in), of `W_out` and `b`.
    ///
    /// # Errors
    /// As [`set_lr`](Self::set_lr).
    pub fn set_lr_out(&mut self, lr: Option<f64>) -> Result<(), Error> {
        self.trainer.set_lr_out(lr)?;
        self.config.network.lr_out = lr;
        Ok(())
    }

    /// Scales `W_in`, and nothing else, so that the network fires at `rate` Hz on average over `inputs` (T, n_inputs), such as the steps of some decisions one
    /// after the other, from a silent start. Returns the factor. State stays as it is.
    ///
    /// # Errors
    /// Those of [`Trainer::calibrate`](crate::Trainer::calibrate).
    ///
    /// ```
    /// # use eprop::{AgentConfig, EpropAgent};
    /// let mut agent = EpropAgent::<f32>::new(2, 20, 3, AgentConfig::default())?;
    /// let inputs = ndarray::Array2::from_shape_fn((500, 2), |(t, i)| if t / 10 % 2 == i { 1.0 } else { 0.2 });
    /// assert!(agent.calibrate(inputs.view(), 20.0)? > 0.0);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn calibrate<'x>(
        &mut self,
        inputs: impl Into<Inputs<'x, F>>,
        rate: f64,
    ) -> Result<f64, Error> {
        self.trainer.calibrate(inputs, rate)
    }

    /// Replaces the input weights (N, n_inputs).
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`] for NaN and infinity, [`Error::Interrupted`], and then nothing has changed.
    ///
    /// ```
    /// # use eprop::{AgentConfig, EpropAgent};
    /// let mut agent = EpropAgent::<f32>::new(2, 20, 3, AgentConfig::default())?;
    /// agent.set_w_in(ndarray::Array2::ones((20, 2)).view())?;
    /// assert_eq!(agent.network().w_in()[(3, 1)], 1.0);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn set_w_in(&mut self, w: ArrayView2<'_, F>) -> Result<(), Error> {
        self.trainer.set_w_in(w)
    }

    /// Replaces the recurrent weights (N, N), whose diagonal is 0. Example: [`set_w_in`](Self::set_w_in).
    ///
    /// # Errors
    /// As [`set_w_in`](Self::set_w_in).
    pub fn set_w_rec(&mut self, w: ArrayView2<'_, F>) -> Result<(), Error> {
        self.trainer.set_w_rec(w)
    }

    /// Replaces the weights of the readouts (n_actions + 1, N), that of the value last. Example: [`set_w_in`](Self::set_w_in).
    ///
    /// # Errors
    /// As [`set_w_in`](Self::set_w_in).
    pub fn set_w_out(&mut self, w: ArrayView2<'_, F>) -> Result<(), Error> {
        self.trainer.set_w_out(w)
    }

    /// Replaces the biases of the readouts (n_actions + 1,). Example: [`set_w_in`](Self::set_w_in).
    ///
    /// # Errors
    /// As [`set_w_in`](Self::set_w_in); [`Error::Value`] without `readout_bias`.
    pub fn set_b(&mut self, b: ArrayView1<'_, F>) -> Result<(), Error> {
        self.trainer.set_b(b)
    }

    /// Replaces the feedback (N, n_actions + 1). Example: [`set_w_in`](Self::set_w_in).
    ///
    /// # Errors
    /// As [`set_w_in`](Self::set_w_in); [`Error::Value`] where it is symmetric.
    pub fn set_b_feedback(&mut self, b: ArrayView2<'_, F>) -> Result<(), Error> {
        self.trainer.set_b_feedback(b)
    }
}
