//! Independent pieces of work, on several threads with the feature `parallel` and one after the other without. Which thread does
//! what is left to chance, so no piece may depend on another.

use alloc::vec::Vec;

use crate::Error;

/// Does all of it.
pub(crate) fn run<T: Send>(threads: usize, items: Vec<T>, work: impl Fn(T) + Send + Sync) {
    #[cfg(feature = "parallel")]
    if threads > 1 && items.len() > 1 {
        if let Some(pool) = pools::of(threads) {
            use rayon::prelude::*;
            pool.install(|| items.into_par_iter().with_max_len(1).for_each(&work));
            return;
        }
    }
    let _ = threads;
    items.into_iter().for_each(work);
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
    static CORES: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

#[cfg(not(feature = "parallel"))]
pub(crate) fn threads(asked: Option<usize>) -> Result<usize, Error> {
    match asked {
        Some(0) => Err(Error::value("n_threads", "a number of threads >= 1", 0)),
        _ => Ok(1),
    }
}

#[cfg(feature = "parallel")]
mod pools {
    use std::mem::forget;
    use std::process;
    use std::sync::{Arc, Mutex, PoisonError};
    use std::vec::Vec;

    use rayon::{ThreadPool, ThreadPoolBuilder};

    /// The process that made them, and one pool per number of threads: they sleep while nobody needs them.
    static POOLS: Mutex<(u32, Vec<Arc<ThreadPool>>)> = Mutex::new((0, Vec::new()));

    /// `None` where no threads can be had: then the caller does the work itself.
    pub(super) fn of(threads: usize) -> Option<Arc<ThreadPool>> {
        let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
        if pools.0 != process::id() {
            // A fork has the pools but not their threads: nothing of them may be waited for, not even their end.
            pools.1.drain(..).for_each(forget);
            pools.0 = process::id();
        }
        if let Some(pool) = pools
            .1
            .iter()
            .find(|pool| pool.current_num_threads() == threads)
        {
            return Some(Arc::clone(pool));
        }
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|at| std::format!("eprop-{at}"));
        let pool = Arc::new(pool.build().ok()?);
        pools.1.push(Arc::clone(&pool));
        Some(pool)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use alloc::vec::Vec;
    use core::sync::atomic::{AtomicUsize, Ordering};

    use super::{run, threads};
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
