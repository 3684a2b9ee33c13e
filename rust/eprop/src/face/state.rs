//! Copies, comparisons and counts of a trainer; the walk that files take, too.

use super::copies::or_panic;
use crate::network::wiring::Network;
use crate::numbers::interrupt::Interrupt;
use crate::numbers::walk::{self, Role, Walk, WalkMut, Walked};
use crate::{Error, Trainer};

impl<N: Network> Walked for Trainer<N> {
    fn walk<'a>(&'a self, name: &'static str, role: Role, to: &mut dyn Walk<'a>) {
        self.schedule.walk(name, role, to);
        self.optimizer.walk(name, role, to);
        self.streams.walk(name, role, to);
        self.watch.walk(name, role, to);
    }
    fn walk_mut(
        &mut self,
        name: &'static str,
        role: Role,
        to: &mut dyn WalkMut,
    ) -> Result<(), Error> {
        self.schedule.walk_mut(name, role, to)?;
        self.optimizer.walk_mut(name, role, to)?;
        self.streams.walk_mut(name, role, to)?;
        N::take_wires(&mut self.plan, self.streams.first());
        self.watch.walk_mut(name, role, to)
    }
}

impl<N: Network> Trainer<N> {
    /// A copy that goes on with the same bits.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where there is no memory for it; `clone` panics there. [`Error::Interrupted`]; `clone` asks nobody.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let trainer = EpropTrainer::<f64>::new(3, 8, 2, Config::default())?;
    /// assert!(trainer.try_clone()?.state_equal(&trainer));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn try_clone(&self) -> Result<Self, Error> {
        self.cloned(self.streams.interrupt())
    }

    fn cloned(&self, interrupt: &Interrupt) -> Result<Self, Error> {
        let mut twin = self.silent_twin(interrupt)?;
        walk::copy_until(self, &mut twin, interrupt)?;
        Ok(twin)
    }

    /// A trainer of the same sizes and configuration, with weights of 0.
    fn silent_twin(&self, interrupt: &Interrupt) -> Result<Self, Error> {
        let n_streams = self.streams.len();
        let mut twin = Self::silent(
            self.plan.clone(),
            self.config.clone(),
            n_streams,
            None,
            interrupt,
        )?;
        twin.streams.set_n_threads(self.streams.n_threads());
        twin.streams.set_interrupt(self.streams.interrupt().clone());
        Ok(twin)
    }

    /// Whether weights and state are equal, number by number; what is noted for the next [`Verdict`](crate::Verdict) may differ.
    ///
    /// # Panics
    /// Where there is no memory for what has to be worked off before they can be compared: [`try_state_equal`](Self::try_state_equal) is an error there.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let trainer = EpropTrainer::<f64>::new(3, 8, 2, Config::default())?;
    /// assert!(trainer.state_equal(&trainer.clone()));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn state_equal(&self, other: &Self) -> bool {
        or_panic(self.equals(other, &Interrupt::NOBODY))
    }

    /// As [`state_equal`](Self::state_equal).
    ///
    /// # Errors
    /// [`Error::TooLarge`] where there is no memory for what has to be worked off before they can be compared.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let trainer = EpropTrainer::<f64>::new(3, 8, 2, Config::default())?;
    /// assert!(trainer.try_state_equal(&trainer)?);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn try_state_equal(&self, other: &Self) -> Result<bool, Error> {
        self.equals(other, self.streams.interrupt())
    }

    fn equals(&self, other: &Self, interrupt: &Interrupt) -> Result<bool, Error> {
        if walk::same(self, other) {
            return Ok(true);
        }
        let caught_up = |trainer: &Self| -> Result<Self, Error> {
            let mut twin = trainer.cloned(interrupt)?;
            twin.streams.catch_up();
            Ok(twin)
        };
        Ok(walk::same(&caught_up(self)?, &caught_up(other)?))
    }

    /// How many numbers are kept from one step to the next, of all streams, weights not counted, whatever T is.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// let of = |batch_size| EpropTrainer::<f32>::new(3, 8, 2, Config { batch_size, ..Config::default() });
    /// assert_eq!(of(6)?.memory_per_step(), 3 * of(2)?.memory_per_step());
    /// assert!(of(6)?.memory_bytes() < 3 * of(2)?.memory_bytes()); // the weights are there once
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn memory_per_step(&self) -> usize {
        walk::numbers(self)
    }

    /// Bytes of everything the trainer has allocated: weights, state and scratch. Example: [`memory_per_step`](Self::memory_per_step).
    pub fn memory_bytes(&self) -> usize {
        let lists = self.streams.heap() + self.optimizer.heap();
        walk::bytes(self) + lists + N::plan_bytes(&self.plan)
    }
}

impl<N: Network> Clone for Trainer<N> {
    fn clone(&self) -> Self {
        or_panic(self.cloned(&Interrupt::NOBODY))
    }
}
