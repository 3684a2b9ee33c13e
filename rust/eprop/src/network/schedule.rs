//! When weights change, and what has been learned since they last did.

use crate::Error;
use crate::numbers::walk::{Role, Walk, WalkMut, Walked, counter};
use crate::options::UpdateEvery;

/// Counts the steps of learning since `reset`: of streams side by side, those of the longest.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    every: Option<u64>,
    count: u64,
}

impl Schedule {
    pub(crate) fn new(update_every: UpdateEvery) -> Self {
        let every = match update_every {
            UpdateEvery::Steps(n) => Some(n as u64),
            UpdateEvery::Sequence => None,
        };
        Self { every, count: 0 }
    }

    /// A schedule on which no update ever falls due.
    pub(crate) fn never() -> Self {
        Self::new(UpdateEvery::Sequence)
    }

    /// Steps until the next update falls due, itself included.
    pub(crate) fn until_update(&self) -> usize {
        let left = self.every.map_or(u64::MAX, |n| n - self.count % n);
        left.try_into().unwrap_or(usize::MAX)
    }

    /// Counts so many steps; says whether an update is due after the last.
    pub(crate) fn steps(&mut self, n: usize) -> bool {
        self.count += n as u64;
        self.every.is_some_and(|every| self.count % every == 0)
    }

    pub(crate) fn reset(&mut self) {
        self.count = 0;
    }
}

impl Walked for Schedule {
    fn walk<'a>(&'a self, _: &'static str, _: Role, to: &mut dyn Walk<'a>) {
        self.count.walk("count", Role::Mark, to);
    }
    fn walk_mut(&mut self, _: &'static str, _: Role, to: &mut dyn WalkMut) -> Result<(), Error> {
        self.count.walk_mut("count", Role::Mark, to)?;
        counter("count", self.count)
    }
}

/// What a stream has gone through since the last update, or since `reset`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Since {
    /// Steps of learning.
    pub(crate) steps: u64,
    /// Those that had a target.
    pub(crate) targets: u64,
}

impl Since {
    /// One more step of learning.
    pub(crate) fn step(&mut self, taught: bool) {
        self.steps += 1;
        self.targets += u64::from(taught);
    }
}

impl Walked for Since {
    fn walk<'a>(&'a self, _: &'static str, _: Role, to: &mut dyn Walk<'a>) {
        self.steps.walk("steps_since_update", Role::Mark, to);
        self.targets.walk("targets_since_update", Role::Mark, to);
    }
    fn walk_mut(&mut self, _: &'static str, _: Role, to: &mut dyn WalkMut) -> Result<(), Error> {
        self.steps.walk_mut("steps_since_update", Role::Mark, to)?;
        self.targets
            .walk_mut("targets_since_update", Role::Mark, to)?;
        counter("steps_since_update", self.steps)?;
        counter("targets_since_update", self.targets)
    }
}
