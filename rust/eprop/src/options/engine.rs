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
        /// Every synapse's trace at every step: slow, literal, the oracle of the others. Taken by an [`EpropAgent`](crate::EpropAgent);
        /// where `memory_limit` leaves room for no other; where a network is so small, and its time constants so short or the `mu` of its momentum so
        /// small, that factors cost more; and where weights change after n < 8 steps, if
        ///
        /// - n is more than the factored form allows,
        /// - there is a batch, an optimizer whose steps do not fit into factors (Adam, AdamW, Auto with `per_neuron`), `clip_norm`,
        ///   `w_max` or `sign`,
        /// - n is above 1, steps have a limit, and firing rates are regularised (`c_reg`),
        /// - neurons adapt, have a `tau_mem` each, or get their input through `tau_syn`, and there is momentum,
        /// - neurons adapt, and have one of the other two,
        /// - `beta h` is not below `rho - 0.01` for a neuron that adapts, with the height h of the surrogate, or a membrane that has a `tau_mem` of its own
        ///   or lies behind `tau_syn` keeps less than 0.01 of itself for a step.
        ///
        /// Of synapses that are listed (`connect_in`, `connect_rec`) only the last two count, and `rewire` where neurons adapt or have one of the other two.
        Textbook = "textbook",
        /// One or two row operations per spike; weights that change at every step, or rest for at most 1.5 of the shortest time constant of
        /// membranes, traces and currents. Three where each neuron has its own `tau_mem`, where there is a `tau_syn`, and where neurons adapt; there
        /// weights rest for as few steps as `(rho - beta h)^n >= 0.01` says, with the height h of the surrogate.
        Factored = "factored",
        /// One row addition per spike; weights that rest for longer than the factored form allows, from 8 steps on; with a batch or anything else of
        /// the list at [`Textbook`](Self::Textbook), all that rest for 8 steps or more; and every `horizon` beyond one step.
        Block = "block",
    }
}
