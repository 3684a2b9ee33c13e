//! When the pending gradient is applied.

use crate::config::UpdateEvery;

/// Counts learning steps. A trainer whose weights change at every step has nothing pending between steps.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    every: Option<u64>,
    waits: bool,
    count: u64,
    pending: u64,
}

impl Schedule {
    pub(crate) fn new(update_every: UpdateEvery) -> Self {
        let every = match update_every {
            UpdateEvery::Steps(n) => Some(n as u64),
            UpdateEvery::Sequence => None,
        };
        Self {
            every,
            waits: false,
            count: 0,
            pending: 0,
        }
    }

    /// A schedule on which no update ever falls due.
    pub(crate) fn never() -> Self {
        Self {
            waits: true,
            ..Self::new(UpdateEvery::Sequence)
        }
    }

    /// Whether an update falls due at every step.
    pub(crate) fn every_step(&self) -> bool {
        self.every == Some(1)
    }

    /// Whether updates are left to others.
    pub(crate) fn waits(&self) -> bool {
        self.waits
    }

    /// For how many steps weights rest, at most.
    pub(crate) fn rest(&self) -> usize {
        self.every
            .map_or(usize::MAX, |n| n.try_into().unwrap_or(usize::MAX))
    }

    /// Steps until the next update falls due, itself included.
    pub(crate) fn until_update(&self) -> usize {
        let left = self.every.map_or(u64::MAX, |n| n - self.count % n);
        left.try_into().unwrap_or(usize::MAX)
    }

    /// Counts a step; says whether an update is due.
    pub(crate) fn step(&mut self) -> bool {
        self.count += 1;
        self.pending += 1;
        self.every.is_some_and(|n| self.count % n == 0)
    }

    /// Counts so many steps, no more than `until_update`; says whether an update is due.
    pub(crate) fn steps(&mut self, n: usize) -> bool {
        self.count += n as u64;
        self.pending += n as u64;
        self.every.is_some_and(|every| self.count % every == 0)
    }

    /// Steps whose gradient waits.
    pub(crate) fn pending(&self) -> u64 {
        self.pending
    }

    pub(crate) fn updated(&mut self) {
        self.pending = 0;
    }

    pub(crate) fn reset(&mut self) {
        self.count = 0;
        self.pending = 0;
    }
}

impl crate::persist::Persist for Schedule {
    fn save(&self, out: &mut alloc::vec::Vec<u8>) {
        self.count.save(out);
        self.pending.save(out);
    }
    fn load(&mut self, bytes: &mut &[u8]) -> Result<(), crate::Error> {
        self.count.load(bytes)?;
        self.pending.load(bytes)
    }
    fn numbers(&self) -> usize {
        0
    }
    fn bytes(&self) -> usize {
        0
    }
}
