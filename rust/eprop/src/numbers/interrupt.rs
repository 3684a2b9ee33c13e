//! Long work asks now and then whether to stop: once in so many numbers, whatever a step, a stream or a matrix of it takes.

use alloc::sync::Arc;
use core::fmt;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::Error;

/// Numbers passed from one question to the next: a few milliseconds of work.
const PIECE: usize = 1 << 20;

/// So many pieces are done without a question, where it would cost a copy to ask: some 50 ms of work.
const LONG: usize = 8;

/// Whom long work asks whether to stop; nobody by default.
///
/// The thread that called the trainer asks, once in a million synapses passed or drawn or copied. Work that is stopped is an [`Error::Interrupted`].
///
/// ```
/// use eprop::{Config, EpropTrainer, Error, Interrupt};
/// let stop = Interrupt::when(|| true);
/// let small = EpropTrainer::<f32>::new_until(3, 8, 2, Config::default(), stop.clone());
/// assert!(small.is_ok()); // done before anybody was asked
/// let large = EpropTrainer::<f32>::new_until(3, 2000, 2, Config::default(), stop);
/// assert_eq!(large.unwrap_err(), Error::Interrupted);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct Interrupt {
    stop: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
    piece: usize,
}

impl Interrupt {
    pub(crate) const NOBODY: Self = Self {
        stop: None,
        piece: PIECE,
    };

    /// Work stops where `stop` says so.
    pub fn when(stop: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self::every(PIECE, stop)
    }

    /// As [`when`](Self::when), and `stop` is asked once in so many numbers, at least 1.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer, Error, Interrupt};
    /// let stop = Interrupt::every(16, || true);
    /// let trainer = EpropTrainer::<f32>::new_until(3, 8, 2, Config::default(), stop);
    /// assert_eq!(trainer.unwrap_err(), Error::Interrupted);
    /// ```
    pub fn every(numbers: usize, stop: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self {
            stop: Some(Arc::new(stop)),
            piece: numbers.max(1),
        }
    }

    /// # Errors
    /// [`Error::Interrupted`] where the answer is to stop.
    fn ask(&self) -> Result<(), Error> {
        match &self.stop {
            Some(stop) if stop() => Err(Error::Interrupted),
            _ => Ok(()),
        }
    }

    /// Whether work over so many numbers takes so long that it has to ask.
    pub(crate) fn comes_in(&self, numbers: usize) -> bool {
        self.stop.is_some() && numbers >= self.piece.saturating_mul(LONG)
    }

    /// For work on several threads.
    pub(crate) fn among_threads(&self) -> AmongThreads {
        let Some(stop) = self.stop.as_ref().map(Arc::clone) else {
            return AmongThreads {
                caller: Self::NOBODY,
                others: Self::NOBODY,
                told: None,
            };
        };
        let told = Arc::new(AtomicBool::new(false));
        let (tell, hear) = (Arc::clone(&told), Arc::clone(&told));
        let ask = move || {
            if stop() {
                tell.store(true, Ordering::Relaxed);
            }
            tell.load(Ordering::Relaxed)
        };
        AmongThreads {
            caller: Self::every(self.piece, ask),
            others: Self::every(self.piece, move || hear.load(Ordering::Relaxed)),
            told: Some(told),
        }
    }

    pub(crate) fn pace(&self) -> Pace<'_> {
        Pace {
            interrupt: self,
            passed: 0,
        }
    }
}

/// Only the caller is asked for: what he was told, he and all others hear from then on.
#[derive(Debug)]
pub(crate) struct AmongThreads {
    pub(crate) caller: Interrupt,
    #[cfg_attr(
        not(feature = "parallel"),
        allow(dead_code, reason = "there are no others")
    )]
    pub(crate) others: Interrupt,
    told: Option<Arc<AtomicBool>>,
}

impl AmongThreads {
    /// Whether the caller was told to stop.
    pub(crate) fn is_told(&self) -> bool {
        let told = self.told.as_ref();
        told.is_some_and(|told| told.load(Ordering::Relaxed))
    }
}

impl Default for Interrupt {
    fn default() -> Self {
        Self::NOBODY
    }
}

impl fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (asked, every) = (self.stop.is_some(), self.piece);
        f.debug_struct("Interrupt")
            .field("asked", &asked)
            .field("every", &every)
            .finish()
    }
}

/// Counts what work costs, and asks where it is time.
#[derive(Debug)]
pub struct Pace<'i> {
    interrupt: &'i Interrupt,
    passed: usize,
}

impl Pace<'_> {
    /// So many numbers have been passed since the last call.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    #[inline]
    pub(crate) fn pass(&mut self, numbers: usize) -> Result<(), Error> {
        self.passed = self.passed.saturating_add(numbers);
        if self.passed < self.interrupt.piece {
            return Ok(());
        }
        self.passed = 0;
        self.interrupt.ask()
    }

    /// As [`Interrupt::comes_in`].
    pub(crate) fn is_asked_in(&self, numbers: usize) -> bool {
        self.interrupt.comes_in(numbers)
    }

    /// The parts of so many numbers that are done between one question and the next.
    pub(crate) fn pieces(&self, len: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let piece = self.interrupt.piece;
        (0..len)
            .step_by(piece)
            .map(move |from| from..len.min(from.saturating_add(piece)))
    }
}

#[cfg(test)]
mod tests {
    use alloc::sync::Arc;
    use alloc::vec::Vec;
    use core::sync::atomic::{AtomicUsize, Ordering};

    use super::{Interrupt, PIECE};
    use crate::Error;

    #[test]
    fn work_asks_by_what_it_costs_and_not_by_its_steps() {
        for part in [1 << 10, PIECE / 3 + 1, PIECE, 10 * PIECE] {
            let asked = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&asked);
            let interrupt = Interrupt::when(move || count.fetch_add(1, Ordering::Relaxed) == 2);
            let mut pace = interrupt.pace();
            let steps = PIECE.div_ceil(part);
            for at in 1..3 * steps {
                assert_eq!(pace.pass(part), Ok(()));
                assert_eq!(asked.load(Ordering::Relaxed), at / steps);
            }
            assert_eq!(pace.pass(part), Err(Error::Interrupted));
        }
    }

    #[test]
    fn where_nobody_is_asked_nothing_stops() {
        assert_eq!(Interrupt::default().pace().pass(usize::MAX), Ok(()));
        let among = Interrupt::default().among_threads();
        assert_eq!(among.others.pace().pass(usize::MAX), Ok(()));
        assert!(!among.is_told());
    }

    #[test]
    fn what_the_caller_was_told_once_all_threads_hear_from_then_on() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let interrupt = Interrupt::every(1, move || count.fetch_add(1, Ordering::Relaxed) == 1);
        let among = interrupt.among_threads();
        assert_eq!(among.caller.pace().pass(1), Ok(()));
        assert_eq!(among.others.pace().pass(1), Ok(()));
        assert!(!among.is_told());
        assert_eq!(among.caller.pace().pass(1), Err(Error::Interrupted));
        assert!(among.is_told());
        for of in [&among.caller, &among.others] {
            assert_eq!(of.pace().pass(1), Err(Error::Interrupted));
        }
        // Others ask nobody.
        assert_eq!(asked.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn pieces_are_all_of_the_numbers_in_their_order() {
        let interrupt = Interrupt::every(4, || false);
        let of = |len| interrupt.pace().pieces(len).collect::<Vec<_>>();
        assert_eq!(of(0), []);
        assert_eq!(of(5), [0..4, 4..5]);
        assert_eq!(of(9), [0..4, 4..8, 8..9]);
    }
}
