//! In which form the recurrent synapses compute.

use super::choice::choice;

choice! {
    /// How the recurrent synapses compute: three forms of the same numbers.
    ///
    /// ```
    /// use eprop::{Config, Engine, EpropTrainer};
    /// let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// assert_eq!(trainer.engine(), Engine::Factored);
    /// let slow = Config { engine: Some(Engine::Textbook), ..Config::default() };
    /// assert_eq!(EpropTrainer::<f32>::new(3, 8, 2, slow)?.engine(), Engine::Textbook);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub enum Engine as "engine" {
        /// Every synapse's trace at every step: slow, literal, the oracle of the others. Taken where a network is so small, and its time
        /// constants so short, that factors cost more; where weights change after n < 8 steps and that is more than 1.5 of the shorter time
        /// constant; and in a batch where they change after n < 8 steps.
        Textbook = "textbook",
        /// One or two row operations per spike; weights that change at every step, or rest for at most 1.5 of the shortest time constant of
        /// membranes, traces and currents. Three where each neuron has its own `tau_mem`, where there is a `tau_syn`, and where neurons adapt; there
        /// weights rest for as few steps as `(rho - beta h)^n >= 0.01` says, with the height h of the surrogate.
        Factored = "factored",
        /// One row addition per spike; weights that rest for longer, from 8 steps on; in a batch all that rest for 8 steps or more.
        Block = "block",
    }
}
