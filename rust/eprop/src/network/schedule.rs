//! When weights change, and what has been learned since they last did.

use crate::Error;
use crate::numbers::walk::{Role, Walk, WalkMut, Walked};
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

    /// Whether no count of steps makes an update due.
    pub(crate) fn is_of_sequences(&self) -> bool {
        self.every.is_none()
    }

    /// Steps until the next update falls due, itself included.
    pub(crate) fn until_update(&self) -> usize {
        let left = self.every.map_or(u64::MAX, |n| n - self.count % n);
        left.try_into().unwrap_or(usize::MAX)
    }

    /// Whether an update is due after so many more steps.
    pub(crate) fn is_due_after(&self, n: usize) -> bool {
        let count = self.count + n as u64;
        self.every.is_some_and(|every| count % every == 0)
    }

    /// Counts so many steps; says whether an update is due after the last.
    pub(crate) fn steps(&mut self, n: usize) -> bool {
        let due = self.is_due_after(n);
        self.count += n as u64;
        due
    }

    pub(crate) fn reset(&mut self) {
        self.count = 0;
    }
}

impl Walked for Schedule {
    fn walk<'a>(&'a self, _: &'static str, _: Role, to: &mut dyn Walk<'a>) {
        self.count.walk("count", Role::Counter, to);
    }
    fn walk_mut(&mut self, _: &'static str, _: Role, to: &mut dyn WalkMut) -> Result<(), Error> {
        self.count.walk_mut("count", Role::Counter, to)
    }
}

/// What a stream has gone through since the last update, or since `reset`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Since {
    /// Steps of learning.
    pub(crate) steps: u64,
    /// Those that had a target.
    pub(crate) targets: u64,
    /// Their loss.
    pub(crate) loss: f64,
}

impl Since {
    /// One more step of learning.
    pub(crate) fn step(&mut self, loss: Option<f64>) {
        self.steps += 1;
        self.targets += u64::from(loss.is_some());
        self.loss += loss.unwrap_or(0.0);
    }
}

impl Walked for Since {
    fn walk<'a>(&'a self, _: &'static str, _: Role, to: &mut dyn Walk<'a>) {
        self.steps.walk("steps_since_update", Role::Counter, to);
        self.targets.walk("targets_since_update", Role::Counter, to);
        self.loss.walk("loss_since_update", Role::Mark, to);
    }
    fn walk_mut(&mut self, _: &'static str, _: Role, to: &mut dyn WalkMut) -> Result<(), Error> {
        self.steps
            .walk_mut("steps_since_update", Role::Counter, to)?;
        self.targets
            .walk_mut("targets_since_update", Role::Counter, to)?;
        self.loss.walk_mut("loss_since_update", Role::Mark, to)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{Schedule, Since};
    use crate::numbers::plain;
    use crate::options::UpdateEvery;

    #[test]
    fn an_update_is_due_after_every_n_steps_however_they_are_counted() {
        for n in [1, 3, 7] {
            let mut one_by_one = Schedule::new(UpdateEvery::Steps(n));
            let due: Vec<_> = (1..=20).filter(|_| one_by_one.steps(1)).collect();
            assert_eq!(due, (1..=20).filter(|t| t % n == 0).collect::<Vec<_>>());
            let mut in_runs = Schedule::new(UpdateEvery::Steps(n));
            assert_eq!(in_runs.until_update(), n);
            assert_eq!(in_runs.steps(n - 1), n == 1);
            assert_eq!(in_runs.until_update(), 1);
            assert!(in_runs.steps(1));
            assert_eq!(in_runs.until_update(), n);
        }
    }

    #[test]
    fn within_a_sequence_no_update_falls_due() {
        for mut schedule in [Schedule::new(UpdateEvery::Sequence), Schedule::never()] {
            assert_eq!(schedule.until_update(), usize::MAX);
            assert!((0..100).all(|_| !schedule.steps(1)));
        }
    }

    #[test]
    fn a_reset_counts_from_the_start() {
        let mut schedule = Schedule::new(UpdateEvery::Steps(5));
        schedule.steps(3);
        schedule.reset();
        assert_eq!(schedule.until_update(), 5);
    }

    #[test]
    fn a_count_is_saved_and_refused_where_it_would_overflow() {
        let mut schedule = Schedule::new(UpdateEvery::Steps(5));
        schedule.steps(3);
        let mut twin = Schedule::new(UpdateEvery::Steps(5));
        plain::load(&mut twin, &plain::save(&schedule).unwrap()).unwrap();
        assert_eq!(twin.until_update(), 2);
        let wrong = Schedule {
            every: Some(5),
            count: u64::MAX - 1,
        };
        assert!(plain::load(&mut twin, &plain::save(&wrong).unwrap()).is_err());
    }

    #[test]
    fn steps_are_counted_and_those_with_a_target_among_them() {
        let mut since = Since::default();
        for loss in [Some(0.5), None, Some(0.25)] {
            since.step(loss);
        }
        assert_eq!((since.steps, since.targets, since.loss), (3, 2, 0.75));
        let mut twin = Since::default();
        plain::load(&mut twin, &plain::save(&since).unwrap()).unwrap();
        assert_eq!((twin.steps, twin.targets, twin.loss), (3, 2, 0.75));
        for wrong in [
            Since {
                steps: u64::MAX,
                ..since
            },
            Since {
                targets: u64::MAX,
                ..since
            },
        ] {
            assert!(plain::load(&mut twin, &plain::save(&wrong).unwrap()).is_err());
        }
    }
}
