//! Random calls, and bytes that nobody saved: an error or a trainer that works, never a panic.
//!
//! A second of it in every run of the tests; for longer with `make fuzz SECONDS=...`, which builds with overflow checks.
//! `EPROP_FUZZ_SEED` chooses what is drawn, `EPROP_FUZZ_ROUND` repeats one round.

mod chance;
mod rounds;
#[path = "../all/sealed.rs"]
mod sealed;
mod subjects;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use chance::Chance;
use eprop::{EpropAgent, EpropTrainer, OnlineLifLayer, OnlineTrainer};
use rounds::{Counts, round};

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a whole number"))
}

fn any_round(chance: &mut Chance, counts: &mut Counts) {
    match chance.below(12) {
        0..4 => round::<EpropTrainer<f32>>(chance, counts),
        4..6 => round::<EpropTrainer<f64>>(chance, counts),
        6..8 => round::<OnlineTrainer<f32>>(chance, counts),
        8 => round::<OnlineTrainer<f64>>(chance, counts),
        9 => round::<OnlineLifLayer<f32>>(chance, counts),
        10 => round::<EpropAgent<f32>>(chance, counts),
        _ => round::<EpropAgent<f64>>(chance, counts),
    }
}

#[test]
fn nothing_panics() {
    let seed = variable("EPROP_FUZZ_SEED").unwrap_or(1);
    let seconds = variable("EPROP_FUZZ_SECONDS").unwrap_or(1);
    let only = variable("EPROP_FUZZ_ROUND");
    println!("seed {seed}");
    let (mut counts, begun) = (Counts::default(), Instant::now());
    for number in only.unwrap_or(0).. {
        let mut chance = Chance::new(seed, number);
        let done = catch_unwind(AssertUnwindSafe(|| any_round(&mut chance, &mut counts)));
        if let Err(panic) = done {
            println!(
                "again: EPROP_FUZZ_SEED={seed} EPROP_FUZZ_ROUND={number} cargo test --profile checked -p eprop --test fuzz"
            );
            resume_unwind(panic);
        }
        if only.is_some() || begun.elapsed() >= Duration::from_secs(seconds) {
            break;
        }
    }
    let Counts {
        subjects,
        calls,
        refused,
        restored,
        refused_bytes,
        files,
    } = counts;
    println!(
        "{subjects} trainers, {calls} calls ({refused} refused), {restored} times restored, bytes refused {refused_bytes} times, of {files} files"
    );
}
