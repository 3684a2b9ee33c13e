//! How a time is taken.
#![allow(unsafe_code, reason = "the standard library knows no processor time")]

/// The least of several runs, in microseconds per step: what others do to a shared machine only ever adds.
/// One run is not timed, at least `runs` are, and as many as `seconds` have room for.
pub fn least(runs: usize, seconds: f64, steps: usize, mut run: impl FnMut()) -> f64 {
    let [best] = least_of(runs, seconds, steps, |_| run());
    best
}

/// The same of several kinds of runs, one after the other again and again.
pub fn least_of<const N: usize>(
    runs: usize,
    seconds: f64,
    steps: usize,
    mut run: impl FnMut(usize),
) -> [f64; N] {
    (0..N).for_each(&mut run);
    let (mut best, mut spent, mut done) = ([f64::INFINITY; N], 0.0, 0);
    while done < runs || spent < seconds {
        for (kind, best) in best.iter_mut().enumerate() {
            let start = now();
            run(kind);
            let took = now() - start;
            *best = best.min(took);
            spent += took;
        }
        done += 1;
    }
    best.map(|best| best / steps as f64 * 1e6)
}

/// The same of two kinds of work that take turns, so that a busy moment of the machine meets both.
pub fn least_of_both(
    runs: usize,
    steps: usize,
    mut one: impl FnMut(),
    mut other: impl FnMut(),
) -> (f64, f64) {
    (0..runs).fold((f64::INFINITY, f64::INFINITY), |(best, best_other), _| {
        (
            best.min(least(1, 0.0, steps, &mut one)),
            best_other.min(least(1, 0.0, steps, &mut other)),
        )
    })
}

/// Seconds that this thread had the processor: the clock on the wall goes on while others have it.
#[cfg(unix)]
pub fn now() -> f64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a timespec of ours.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Seconds on the clock, from the first call on.
#[cfg(not(unix))]
pub fn now() -> f64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START
        .get_or_init(std::time::Instant::now)
        .elapsed()
        .as_secs_f64()
}
