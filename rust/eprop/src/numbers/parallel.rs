//! Independent pieces of work, on several threads with the feature `parallel` and one after the other without. Which thread does
//! what is left to chance, so no piece may depend on another.

use alloc::vec::{IntoIter, Vec};
use core::cell::RefCell;
use core::ops::DerefMut;

use super::interrupt::{AmongThreads, Interrupt, Pace};
use crate::Error;
#[cfg(feature = "parallel")]
use crate::kernels::{crew::Crew, isa::UNIT};

/// Does all of it on at most so many threads, the caller's among them.
pub(crate) fn run<T: Send>(threads: usize, items: Vec<T>, work: impl Fn(T) + Send + Sync) {
    let nobody = Until::asked(&Interrupt::NOBODY, 0, 0);
    run_until(threads, items, nobody, |item, _| work(item));
}

/// When work is given up that has several pieces.
#[derive(Debug)]
pub(crate) struct Until<'i> {
    interrupt: &'i Interrupt,
    at_least: usize,
    cost: usize,
}

impl<'i> Until<'i> {
    /// Pieces that pass `cost` numbers each, of which the first `at_least` are done in any case.
    pub(crate) fn asked(interrupt: &'i Interrupt, at_least: usize, cost: usize) -> Self {
        Self {
            interrupt,
            at_least,
            cost,
        }
    }
}

/// What has been done of the pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    /// The first so many.
    pub(crate) pieces: usize,
    /// Whether somebody said so, even where nothing was left to be given up.
    pub(crate) stopped: bool,
}

/// As [`run`], unless it is stopped: between two pieces, or within one, if the work asks there and leaves what can be left.
pub(crate) fn run_until<T: Send>(
    threads: usize,
    items: Vec<T>,
    until: Until<'_>,
    work: impl Fn(T, &mut Pace<'_>) + Send + Sync,
) -> Done {
    let all = items.len();
    let rest = items.into_iter();
    let among = until.interrupt.among_threads();
    #[cfg(feature = "parallel")]
    {
        let helpers = threads.min(all).saturating_sub(1);
        if let Some(pool) = pool::of(helpers) {
            let helpers = helpers.min(pool.current_num_threads());
            let rest = std::sync::Mutex::new(rest);
            return pool.in_place_scope(|scope| {
                let help = || {
                    let mut pace = among.others.pace();
                    while let Some(item) = next(&rest) {
                        work(item, &mut pace);
                    }
                };
                (0..helpers).for_each(|_| scope.spawn(move |_| help()));
                work_off(all, || locked(&rest), (&until, &among), &work)
            });
        }
    }
    let _ = threads;
    let rest = RefCell::new(rest);
    work_off(all, || rest.borrow_mut(), (&until, &among), work)
}

/// The caller's share of the work: he alone is asked whether to go on.
fn work_off<T, R: DerefMut<Target = IntoIter<T>>>(
    all: usize,
    mut rest: impl FnMut() -> R,
    (until, among): (&Until<'_>, &AmongThreads),
    work: impl Fn(T, &mut Pace<'_>),
) -> Done {
    let mut pace = among.caller.pace();
    let mut stopped = false;
    while !stopped {
        let Some(item) = rest().next() else {
            break;
        };
        work(item, &mut pace);
        stopped = among.is_told() || pace.pass(until.cost).is_err();
    }
    // No thread takes another piece from here on.
    let mut rest = rest();
    let missing = until.at_least.saturating_sub(all - rest.len());
    let last: Vec<T> = rest.by_ref().take(missing).collect();
    let given_up = rest.by_ref().count();
    drop(rest);
    last.into_iter().for_each(|item| work(item, &mut pace));
    Done {
        pieces: all - given_up,
        stopped,
    }
}

#[cfg(feature = "parallel")]
fn next<T>(rest: &std::sync::Mutex<IntoIter<T>>) -> Option<T> {
    locked(rest).next()
}

#[cfg(feature = "parallel")]
fn locked<T>(rest: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    rest.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Does it while helpers wait for what [`each`] hands out: at most so many threads, the caller's among them. Nothing within it may sleep or wait for long.
pub(crate) fn together<R>(threads: usize, work: impl FnOnce() -> R) -> R {
    #[cfg(feature = "parallel")]
    if crew::at_work().is_some() {
        // They are there already. Others would wait for the same threads.
        return work();
    }
    #[cfg(feature = "parallel")]
    if let Some(pool) = pool::of(threads.saturating_sub(1)) {
        let helpers = (threads - 1).min(pool.current_num_threads());
        let crew = std::sync::Arc::new(Crew::new(helpers + 1));
        return pool.in_place_scope(|scope| {
            for _ in 0..helpers {
                let crew = std::sync::Arc::clone(&crew);
                scope.spawn(move |_| crew.help(std::thread::yield_now));
            }
            let _at_work = crew::AtWork::begin(crew);
            work()
        });
    }
    let _ = threads;
    work()
}

/// Does the work for each item, in any order and on whoever works [`together`]; where nobody does, one after the other.
pub(crate) fn each<T: Send>(items: impl Iterator<Item = T>, work: impl Fn(T) + Send + Sync) {
    #[cfg(feature = "parallel")]
    if let Some(crew) = crew::at_work() {
        return crew.each(items, std::thread::yield_now, work);
    }
    items.for_each(work);
}

/// How many of so many neighbouring numbers, of neurons that lie in whole units, are a part of the work of those who work [`together`]: all, where nobody does.
pub(crate) fn share(len: usize) -> usize {
    #[cfg(feature = "parallel")]
    if let Some(crew) = crew::at_work() {
        let units = len.div_ceil(UNIT).div_ceil(crew.threads());
        return (units * UNIT).max(1);
    }
    len.max(1)
}

/// How many of so many rows are a part of their work, however short a row is: all, where nobody does.
pub(crate) fn share_of_rows(rows: usize) -> usize {
    #[cfg(feature = "parallel")]
    if let Some(crew) = crew::at_work() {
        return rows.div_ceil(crew.threads()).max(1);
    }
    rows.max(1)
}

/// Fills a row, each a part of it.
pub(crate) fn fill<T: Copy + Send + Sync>(row: &mut [T], with: T) {
    let share = share(row.len());
    each(row.chunks_mut(share), |part| part.fill(with));
}

/// Those who work together with this thread.
#[cfg(feature = "parallel")]
mod crew {
    use core::cell::RefCell;
    use core::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::Arc;

    use super::Crew;

    /// How many crews there are, of all threads: a step of a small network asks several times, and there are none as a rule.
    static CREWS: AtomicUsize = AtomicUsize::new(0);

    std::thread_local! {
        static AT_WORK: RefCell<Option<Arc<Crew>>> = const { RefCell::new(None) };
    }

    /// Until it is dropped, a crew works with this thread; then it is sent away.
    pub(super) struct AtWork(());

    impl AtWork {
        pub(super) fn begin(crew: Arc<Crew>) -> Self {
            CREWS.fetch_add(1, Ordering::Relaxed);
            AT_WORK.set(Some(crew));
            Self(())
        }
    }

    impl Drop for AtWork {
        fn drop(&mut self) {
            if let Some(crew) = AT_WORK.take() {
                crew.dismiss();
            }
            CREWS.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// A thread sees its own count at once, whatever it sees of others.
    #[inline]
    pub(super) fn at_work() -> Option<Arc<Crew>> {
        match CREWS.load(Ordering::Relaxed) {
            0 => None,
            _ => AT_WORK.with_borrow(Option::clone),
        }
    }
}

/// How many threads there are: what was asked for, else what the environment variable `EPROP_NUM_THREADS` says, else one per core.
///
/// # Errors
/// [`Error::Value`] for 0, or for a variable that is no number.
#[cfg(feature = "parallel")]
pub(crate) fn threads(asked: Option<usize>) -> Result<usize, Error> {
    use alloc::string::ToString;
    const VARIABLE: &str = "EPROP_NUM_THREADS";
    const EXPECTED: &str = "a number of threads >= 1";

    let (argument, threads) = match (asked, std::env::var_os(VARIABLE)) {
        (Some(asked), _) => ("n_threads", asked),
        (None, Some(text)) if !text.is_empty() => {
            match text.to_str().and_then(|text| text.trim().parse().ok()) {
                Some(threads) => (VARIABLE, threads),
                None => return Err(Error::value(VARIABLE, EXPECTED, text.to_string_lossy())),
            }
        }
        (None, _) => ("n_threads", cores()),
    };
    if threads == 0 {
        return Err(Error::value(argument, EXPECTED, threads.to_string()));
    }
    Ok(threads.min(MOST))
}

/// More threads than this are no use to anybody.
#[cfg(feature = "parallel")]
const MOST: usize = 1024;

#[cfg(feature = "parallel")]
fn cores() -> usize {
    use core::sync::atomic::{AtomicUsize, Ordering};
    // No lock that is taken once: a thread that does not come along in a fork may be inside.
    static CORES: AtomicUsize = AtomicUsize::new(0);
    let mut cores = CORES.load(Ordering::Relaxed);
    if cores == 0 {
        cores = std::thread::available_parallelism().map_or(1, usize::from);
        CORES.store(cores, Ordering::Relaxed);
    }
    cores
}

#[cfg(not(feature = "parallel"))]
pub(crate) fn threads(asked: Option<usize>) -> Result<usize, Error> {
    match asked {
        Some(0) => Err(Error::value("n_threads", "a number of threads >= 1", 0)),
        _ => Ok(1),
    }
}

#[cfg(feature = "parallel")]
mod pool {
    use std::mem::forget;
    use std::process;
    use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

    use rayon::{ThreadPool, ThreadPoolBuilder};

    /// The process that made it, and the pool: its threads sleep while nobody needs them.
    struct Shared(u32, Option<Arc<ThreadPool>>);

    static SHARED: Mutex<Shared> = Mutex::new(Shared(0, None));

    /// The one pool, with at least so many threads if they can be had. `None`: the caller does the work itself.
    pub(super) fn of(threads: usize) -> Option<Arc<ThreadPool>> {
        if threads == 0 {
            return None;
        }
        let standing = shared()?.1.clone();
        match standing {
            Some(pool) if pool.current_num_threads() >= threads => Some(pool),
            smaller => built(threads).map(replace).or(smaller),
        }
    }

    fn built(threads: usize) -> Option<Arc<ThreadPool>> {
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|at| std::format!("eprop-{at}"));
        pool.build().ok().map(Arc::new)
    }

    /// The smaller pool ends as soon as nobody works on it.
    fn replace(pool: Arc<ThreadPool>) -> Arc<ThreadPool> {
        let size = |pool: &Arc<ThreadPool>| pool.current_num_threads();
        if let Some(mut shared) = shared() {
            if shared.1.as_ref().map_or(0, size) < size(&pool) {
                shared.1 = Some(Arc::clone(&pool));
            }
        }
        pool
    }

    /// Never waits: a lock that is taken may be one whose thread a fork left behind.
    fn shared() -> Option<MutexGuard<'static, Shared>> {
        let process = process::id();
        let mut shared = match SHARED.try_lock() {
            Ok(shared) => shared,
            Err(TryLockError::Poisoned(shared)) => shared.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        if shared.0 != process {
            // A fork has the pool but not its threads: nothing of it may be waited for, not even its end.
            shared.1.take().into_iter().for_each(forget);
            shared.0 = process;
        }
        Some(shared)
    }
}

#[cfg(all(test, feature = "parallel"))]
mod pool_tests {
    use std::collections::HashSet;
    use std::sync::Mutex;
    use std::thread;
    use std::time::Duration;

    /// The threads that worked, where each piece takes long enough for all to come.
    fn workers(threads: usize, items: usize) -> usize {
        let seen = Mutex::new(HashSet::new());
        super::run(threads, (0..items).collect(), |_: usize| {
            seen.lock().unwrap().insert(thread::current().id());
            thread::sleep(Duration::from_millis(2));
        });
        seen.into_inner().unwrap().len()
    }

    #[test]
    fn no_more_threads_work_than_were_asked_for_or_have_something_to_do() {
        for (threads, items) in [(1, 9), (7, 40), (3, 40), (2, 40), (7, 3), (5, 1), (1000, 4)] {
            assert!(workers(threads, items) <= threads.min(items));
        }
    }

    #[test]
    fn as_many_work_at_once_as_were_asked_for() {
        // Another test may have its hand on the pool: then the caller does all of it.
        assert!((0..100).any(|_| workers(3, 9) == 3));
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use alloc::vec::Vec;
    use core::sync::atomic::{AtomicUsize, Ordering};

    use super::{each, run, share, threads, together};
    use crate::testing::run_again;

    #[test]
    fn every_piece_is_done_once_at_any_number_of_threads() {
        for n_threads in [1, 2, 5] {
            for n in [0, 1, 2, 33] {
                let done: Vec<_> = (0..n).map(|_| AtomicUsize::new(0)).collect();
                let items: Vec<usize> = (0..n).collect();
                run(n_threads, items, |at| {
                    done[at].fetch_add(1, Ordering::Relaxed);
                });
                assert!(done.iter().all(|done| done.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn whoever_works_together_does_every_item_of_every_piece_once() {
        for n_threads in [1, 2, 5] {
            together(n_threads, || {
                // Many short pieces, one right after the other, of none, of few and of more items than are handed out at once.
                for piece in 0..3_000 {
                    let n = [0, 1, 2, 7, 200][piece % 5];
                    let mut items = alloc::vec![0_usize; n];
                    each(items.iter_mut().enumerate(), |(at, item)| {
                        *item += at + piece
                    });
                    assert!(
                        items
                            .iter()
                            .enumerate()
                            .all(|(at, &item)| item == at + piece)
                    );
                }
            });
        }
    }

    #[test]
    fn within_an_item_everybody_works_alone() {
        let sum = AtomicUsize::new(0);
        together(3, || {
            each(0..50, |_| {
                each(0..10, |at| {
                    sum.fetch_add(at, Ordering::Relaxed);
                });
            });
        });
        assert_eq!(sum.into_inner(), 50 * 45);
    }

    #[test]
    fn shares_are_whole_units_and_all_of_a_row() {
        assert_eq!((share(0), share(1), share(1000)), (1, 1, 1000));
        together(3, || {
            for n in [1, 16, 17, 47, 48, 1000] {
                let share = share(n);
                assert!(share % 16 == 0 || share == n);
                assert!(n.div_ceil(share) <= 3);
            }
        });
    }

    #[test]
    fn a_panic_in_an_item_reaches_the_caller_and_the_next_piece_is_done() {
        for n_threads in [1, 3] {
            let tried = std::panic::catch_unwind(|| {
                together(n_threads, || {
                    each(0..40, |at| assert!(at != 17, "the seventeenth"));
                });
            });
            assert!(tried.is_err());
            let done = AtomicUsize::new(0);
            together(n_threads, || {
                each(0..40, |_| {
                    done.fetch_add(1, Ordering::Relaxed);
                });
            });
            assert_eq!(done.into_inner(), 40);
        }
    }

    #[test]
    fn a_number_of_threads_is_taken_as_asked_and_zero_is_an_error() {
        let several = cfg!(feature = "parallel");
        assert_eq!(threads(Some(1)).unwrap(), 1);
        assert_eq!(threads(Some(7)).unwrap(), if several { 7 } else { 1 });
        assert!(threads(Some(usize::MAX)).unwrap() <= 1024);
        let error = threads(Some(0)).unwrap_err();
        let expected = "n_threads: expected a number of threads >= 1, got 0";
        assert_eq!(std::string::ToString::to_string(&error), expected);
    }

    #[test]
    fn where_nobody_asked_the_variable_says_it() {
        let said = std::env::var("EPROP_NUM_THREADS").unwrap_or_default();
        let got = threads(None);
        if !cfg!(feature = "parallel") {
            assert_eq!(got.unwrap(), 1);
        } else if said.is_empty() {
            assert!(got.unwrap() >= 1);
        } else if let Ok(number @ 1..) = said.parse() {
            assert_eq!(got.unwrap(), number);
        } else {
            let error = std::string::ToString::to_string(&got.unwrap_err());
            assert!(error.starts_with("EPROP_NUM_THREADS: "), "{error}");
        }
    }

    #[test]
    fn the_variable_is_read_in_a_process_that_has_it() {
        if std::env::var_os("EPROP_NUM_THREADS").is_none() {
            for value in ["3", "0", "many", ""] {
                let test = "parallel::tests::where_nobody_asked";
                run_again(test, "EPROP_NUM_THREADS", value);
            }
        }
    }
}
