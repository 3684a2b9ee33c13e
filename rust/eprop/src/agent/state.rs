//! Copies, saved bytes, comparisons and counts of an agent.

use core::fmt;

use super::{EpropAgent, Memory};
use crate::face::copies::or_panic;
use crate::numbers::walk::{self, Role, Walk, WalkMut, Walked};
use crate::{Error, Float};

impl<F: Float> Walked for Memory<F> {
    fn walk<'a>(&'a self, name: &'static str, role: Role, to: &mut dyn Walk<'a>) {
        for (b, episode) in self.episodes.iter().enumerate() {
            to.enter("episode", Some(b));
            episode.walk(name, role, to);
            to.leave();
        }
        self.sum.walk("sum", role, to);
        self.of_entropy.walk("of_entropy", role, to);
        self.loss.walk("loss", Role::State, to);
        self.n_draws.walk("n_draws", Role::Counter, to);
    }
    fn walk_mut(
        &mut self,
        name: &'static str,
        role: Role,
        to: &mut dyn WalkMut,
    ) -> Result<(), Error> {
        for (b, episode) in self.episodes.iter_mut().enumerate() {
            to.enter("episode", Some(b));
            episode.walk_mut(name, role, to)?;
            to.leave();
        }
        self.sum.walk_mut("sum", role, to)?;
        self.of_entropy.walk_mut("of_entropy", role, to)?;
        self.loss.walk_mut("loss", Role::State, to)?;
        self.n_draws.walk_mut("n_draws", Role::Counter, to)
    }
}

impl<F: Float> Walked for EpropAgent<F> {
    fn walk<'a>(&'a self, name: &'static str, role: Role, to: &mut dyn Walk<'a>) {
        self.trainer.walk(name, role, to);
        self.memory.walk(name, role, to);
    }
    fn walk_mut(
        &mut self,
        name: &'static str,
        role: Role,
        to: &mut dyn WalkMut,
    ) -> Result<(), Error> {
        self.trainer.walk_mut(name, role, to)?;
        self.memory.walk_mut(name, role, to)
    }
}

impl<F: Float> EpropAgent<F> {
    /// A copy that goes on with the same bits and the same actions.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where there is no memory for it; `clone` panics there. [`Error::Interrupted`].
    ///
    /// ```
    /// # use eprop::{AgentConfig, EpropAgent};
    /// let mut agent = EpropAgent::<f32>::new(2, 20, 3, AgentConfig::default())?;
    /// let mut copy = agent.try_clone()?;
    /// let x = ndarray::array![1.0, 0.5];
    /// assert_eq!(agent.act(x.view())?, copy.act(x.view())?);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn try_clone(&self) -> Result<Self, Error> {
        let mut twin = Self {
            config: self.config.clone(),
            trainer: self.trainer.try_clone()?,
            memory: Self::memory_of(&self.trainer, &self.config)?,
        };
        walk::copy_until(
            &self.memory,
            &mut twin.memory,
            self.trainer.streams.interrupt(),
        )?;
        Ok(twin)
    }

    /// Whether weights and state are equal, number by number. Example: [`restore`](Self::restore).
    ///
    /// # Errors
    /// [`Error::TooLarge`] where there is no memory for what has to be worked off before they can be compared.
    pub fn try_state_equal(&self, other: &Self) -> Result<bool, Error> {
        Ok(walk::same(&self.memory, &other.memory)
            && self.trainer.try_state_equal(&other.trainer)?)
    }

    /// How many numbers are kept from one step to the next, of all environments, weights not counted, however long episodes are.
    ///
    /// ```
    /// # use eprop::{AgentConfig, EpropAgent};
    /// let agent = EpropAgent::<f32>::new(2, 20, 3, AgentConfig::default())?;
    /// assert!(agent.memory_per_step() > agent.network().memory_per_step());
    /// assert!(agent.memory_bytes() > agent.network().memory_bytes());
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn memory_per_step(&self) -> usize {
        walk::numbers(self)
    }

    /// Bytes of everything the agent has allocated. Example: [`memory_per_step`](Self::memory_per_step).
    pub fn memory_bytes(&self) -> usize {
        let list = self.memory.episodes.capacity() * size_of::<super::Episode<F>>();
        self.trainer.memory_bytes() + walk::bytes(&self.memory) + list
    }
}

impl<F: Float> Clone for EpropAgent<F> {
    fn clone(&self) -> Self {
        or_panic(self.try_clone())
    }
}

impl<F: Float> fmt::Debug for EpropAgent<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EpropAgent")
            .field("sizes", &self.trainer.plan.sizes)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
