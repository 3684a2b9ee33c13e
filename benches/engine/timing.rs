//! How a time is taken.

use std::time::{Duration, Instant};

/// The least of several runs, in microseconds per step: what others do to a shared machine only ever adds.
/// One run is not timed, at least `runs` are, and as many as `seconds` have room for.
pub fn least(runs: usize, seconds: f64, steps: usize, mut run: impl FnMut()) -> f64 {
    run();
    let (mut best, mut spent, mut done) = (Duration::MAX, Duration::ZERO, 0);
    while done < runs || spent.as_secs_f64() < seconds {
        let start = Instant::now();
        run();
        let took = start.elapsed();
        best = best.min(took);
        spent += took;
        done += 1;
    }
    best.as_secs_f64() / steps as f64 * 1e6
}
