//! What a history has kept against what there was.

use alloc::vec;

use super::{History, Plan, Room, Signal, Sizes, Sorted, Sources, Vec, tiles};
use crate::numbers::plain;
use crate::numbers::shared::Shared;
use crate::numbers::walk;
use crate::options::{Config, UpdateEvery};
use crate::parts::signal::{Backward, Lies};
use crate::testing::{Noise, in_both, made, near, same_bits};
use crate::{Error, Float};

const SIZES: Sizes = Sizes {
    n_inputs: 4,
    n: 20,
    n_outputs: 2,
    stride: 48,
    steps: 6,
    events: 60,
    regularised: true,
    whole: 1,
    credits: 0,
    grows: false,
    delay: 1,
    membranes: false,
    listed: false,
    spread: 1,
};

/// One step: what arrives, and everything of it that a history keeps.
#[derive(Clone)]
struct Moment<F> {
    index: Vec<u32>,
    value: Vec<F>,
    dense: Option<Vec<F>>,
    psi: Vec<F>,
    r: Vec<F>,
    err: Vec<F>,
    learning: bool,
}

fn moments<F: Float>(n: usize, seed: u64, unit: bool) -> Vec<Moment<F>> {
    let mut noise = Noise(seed);
    let moment = |u| {
        let is_dense = u % 3 == 1;
        // Under a dense row only neurons are listed.
        let mut index = noise.some_of(SIZES.sources(), 0.2);
        index.retain(|&i| !is_dense || i >= 4);
        let value = index.iter().map(|&i| match unit || i >= 4 {
            true => F::ONE,
            false => F::cast(noise.signed()),
        });
        let value = value.collect();
        let mut psi = noise.numbers(48);
        psi[SIZES.n..].fill(F::ZERO);
        Moment {
            value,
            index,
            dense: is_dense.then(|| noise.numbers(4)),
            psi,
            r: noise.numbers(48),
            err: noise.numbers(2),
            learning: u != 2,
        }
    };
    (0..n).map(moment).collect()
}

fn history<F: Float>(sizes: Sizes) -> History<F> {
    made(|room| History::new(room, sizes))
}

fn push<F: Float>(history: &mut History<F>, moment: &Moment<F>) {
    let sources = Sources {
        index: &moment.index,
        value: &moment.value,
        n_inputs: moment.index.iter().filter(|&&i| i < 4).count(),
        unit: moment.value.iter().all(|&s| s == F::ONE),
        dense: moment.dense.as_deref(),
    };
    let rows = Shared::default();
    let b = Backward {
        rows: &rows,
        lies: Lies::ByOutput,
        factors: None,
    };
    let signal = Signal {
        err: &moment.err,
        b,
        l: &[],
        r: Some(&moment.r),
    };
    history.push(&sources, &moment.psi, moment.learning.then_some(signal));
}

fn pushed<F: Float>(moments: &[Moment<F>]) -> History<F> {
    let mut history = history(SIZES);
    moments.iter().for_each(|moment| push(&mut history, moment));
    history
}

/// The value that a source sent, 0 where it was silent.
fn sent<F: Float>(moment: &Moment<F>, i: usize) -> f64 {
    let event = moment.index.iter().position(|&at| at as usize == i);
    let dense = moment.dense.as_ref().and_then(|row| row.get(i));
    event.map_or(dense.map_or(0.0, |s| s.to_f64()), |at| {
        moment.value[at].to_f64()
    })
}

in_both! {
    fn neurons_whose_psi_is_not_zero_are_listed<F>() {
        let mut moments = moments::<F>(3, 5, false);
        for silent in [0, 7, 19] {
            moments[1].psi[silent] = F::ZERO;
        }
        let (history, mut index) = (pushed(&moments), [0; 48]);
        let count = history.sensitive(1, &mut index);
        let expected: Vec<u32> = (0..20).filter(|j| ![0, 7, 19].contains(j)).collect();
        assert_eq!(index[..count], expected);
    }
}

in_both! {
    fn rows_are_kept_by_step_within_tiles<F>() {
        let (before, moments) = (moments::<F>(6, 9, false), moments::<F>(6, 1, false));
        // In the room of an earlier block.
        let mut history = pushed(&before.into_iter().map(|moment| Moment { learning: true, ..moment }).collect::<Vec<_>>());
        history.clear();
        moments.iter().for_each(|moment| push(&mut history, moment));
        let tiles: Vec<_> = tiles::<F>(48).collect();
        assert_eq!(tiles.iter().map(|tile| tile.1).sum::<usize>(), 48);
        for (column, width) in tiles {
            let (psi, r) = (history.psi(column, width), history.r(column, width).unwrap());
            assert_eq!((psi.len(), r.len()), (6 * width, 6 * width));
            for (u, moment) in moments.iter().enumerate() {
                same_bits("psi", &psi[u * width..][..width], &moment.psi[column..][..width]);
                // A step that was not one of learning has no coefficients and no error.
                let none = vec![F::ZERO; width];
                let of_step = if moment.learning { &moment.r[column..][..width] } else { &none };
                same_bits("r", &r[u * width..][..width], of_step);
            }
        }
        for (u, moment) in moments.iter().enumerate() {
            let (err, learned) = if moment.learning { (moment.err.clone(), F::ONE) } else { (vec![F::ZERO; 2], F::ZERO) };
            same_bits("err", &history.err[2 * u..][..2], &err);
            assert_eq!(history.learned[u], learned);
        }
        assert!(history.taught());
        let (at, rows) = history.dense();
        assert_eq!((at, rows.len()), (&[1, 4][..], 8));
        same_bits("dense", &rows[4..], moments[4].dense.as_ref().unwrap());
    }
}

in_both! {
    fn errors_are_filtered_backwards<F>() {
        let moments = moments::<F>(5, 2, false);
        let history = pushed(&moments);
        let mut filtered = vec![F::ONE; 12];
        history.filter_errors(F::cast(0.75), &mut filtered);
        let mut after = [0.0; 2];
        for (u, moment) in moments.iter().enumerate().rev() {
            for (k, after) in after.iter_mut().enumerate() {
                let err = if moment.learning { moment.err[k].to_f64() } else { 0.0 };
                *after = err + 0.75 * *after;
            }
            near("R", &filtered[2 * u..][..2], &after);
        }
    }
}

in_both! {
    fn traces_of_sources_move_to_the_end_of_the_block<F>() {
        let moments = moments::<F>(6, 3, false);
        let mut z_bar = Noise(4).numbers::<F>(24);
        let mut expected: Vec<_> = z_bar.iter().map(|z| z.to_f64()).collect();
        let (mut x_bar, mut after_x_bar) = (z_bar.clone(), z_bar.clone());
        let history = pushed(&moments);
        history.advance((F::cast(0.875), F::cast(0.5), F::ZERO), &mut [], &mut z_bar);
        history.advance((F::cast(0.875), F::cast(0.5), F::cast(0.25)), &mut x_bar, &mut after_x_bar);
        let (mut x_expected, mut after_expected) = (expected.clone(), expected.clone());
        for moment in &moments {
            for i in 0..24 {
                x_expected[i] = 0.25 * x_expected[i] + sent(moment, i);
                after_expected[i] = 0.875 * after_expected[i] + 0.5 * x_expected[i];
            }
        }
        near("x_bar", &x_bar, &x_expected);
        near("z_bar after it", &after_x_bar, &after_expected);
        for moment in &moments {
            for (i, z_bar) in expected.iter_mut().enumerate() {
                *z_bar = 0.875 * *z_bar + 0.5 * sent(moment, i);
            }
        }
        near("z_bar", &z_bar, &expected);
    }
}

in_both! {
    fn events_are_sorted_by_source_and_then_by_step<F>() {
        for unit in [true, false] {
            let moments = moments::<F>(6, 5, unit);
            let history = pushed(&moments);
            let mut sorted = made(|room| Sorted::new(room, &SIZES));
            history.sort(&mut sorted);
            assert_eq!(sorted.scale().is_empty(), unit);
            for i in 0..SIZES.sources() {
                let events = sorted.start[i] as usize..sorted.start[i + 1] as usize;
                let expected: Vec<_> = (0..6).filter(|&u| moments[u as usize].index.contains(&(i as u32))).collect();
                assert_eq!(sorted.at[events.clone()], expected);
                for n in events.filter(|_| !unit) {
                    let moment = &moments[sorted.at[n] as usize];
                    near("s", &sorted.scale()[n..=n], &[sent(moment, i)]);
                }
            }
        }
    }
}

in_both! {
    fn there_is_room_for_a_step_as_long_as_everybody_could_send<F>() {
        // For two steps of everybody, and a little.
        let mut history = history::<F>(Sizes { events: 24 + 24 + 5, ..SIZES });
        let everybody = |n: u32| Moment {
            index: (0..n).collect(),
            value: vec![F::ONE; n as usize],
            dense: None,
            psi: vec![F::ZERO; 48],
            r: vec![F::ZERO; 48],
            err: vec![F::ZERO; 2],
            learning: true,
        };
        push(&mut history, &everybody(24));
        assert!(history.has_room());
        push(&mut history, &everybody(5));
        assert!(history.has_room());
        push(&mut history, &everybody(1));
        assert!(!history.has_room());
        history.clear();
        assert!(history.has_room() && !history.taught());
        // Or as many steps as a block has.
        (0..5).for_each(|_| push(&mut history, &everybody(0)));
        assert!(history.has_room());
        push(&mut history, &everybody(0));
        assert!(!history.has_room());
    }
}

in_both! {
    fn nothing_of_earlier_blocks_is_saved<F>() {
        let (before, now) = (moments::<F>(6, 6, false), moments::<F>(3, 7, true));
        let mut used = pushed(&before);
        used.clear();
        now.iter().for_each(|moment| push(&mut used, moment));
        let fresh = pushed(&now);
        assert!(used.unit && fresh.unit);
        assert_eq!(plain::save(&used).unwrap(), plain::save(&fresh).unwrap());
        let mut read = history::<F>(SIZES);
        plain::load(&mut read, &plain::save(&used).unwrap()).unwrap();
        assert!(walk::same(&read, &fresh) && read.unit);
        let mut read = history::<F>(SIZES);
        plain::load(&mut read, &plain::save(&pushed(&before)).unwrap()).unwrap();
        assert!(!read.unit);
    }
}

#[test]
fn what_can_be_no_history_is_refused() {
    let broken = |change: fn(&mut History<f32>)| {
        let mut history = pushed(&moments::<f32>(4, 8, false));
        history.loaded().unwrap();
        change(&mut history);
        let refused = history.loaded();
        assert!(matches!(refused, Err(Error::State { .. })), "{refused:?}");
        // Whoever counts or saves it does not panic.
        walk::bytes(&history);
        plain::save(&history).unwrap();
    };
    broken(|history| history.len = 7);
    broken(|history| history.len = usize::MAX);
    broken(|history| history.n_dense = 5);
    broken(|history| history.start[0] = 1);
    broken(|history| history.start[2] = history.start[1] - 1);
    broken(|history| history.start[4] = 61);
    broken(|history| history.start[4] = u32::MAX);
    broken(|history| history.index[0] = 24);
    broken(|history| history.dense_at[0] = 4);
    // The last step of the last neuron's tile, behind it.
    broken(|history| {
        let (column, width) = tiles::<f32>(48)
            .find(|(at, width)| at + width > 20)
            .unwrap();
        history.psi[column * SIZES.steps + 4 * width - 1] = 0.5;
    });
}

#[test]
fn a_block_is_the_longest_power_of_two_whose_history_fits() {
    const BOUND: usize = 16 << 20;
    for (n_inputs, n, n_outputs) in [
        (100, 100, 2),
        (700, 2_000, 10),
        (5, 9_000, 1),
        (9_000, 5, 1),
        (20_000, 1_000, 3),
    ] {
        let sizes = crate::options::plan::Sizes {
            n_inputs,
            n,
            n_outputs,
        };
        let config = Config {
            c_reg: 1.0,
            update_every: UpdateEvery::Steps(1 << 20),
            ..Config::default()
        };
        let plan = Plan::of::<f32>(sizes, &config).unwrap();
        let bytes = |block| {
            let sizes = Sizes::of::<f32>(&Plan {
                block,
                ..plan.clone()
            });
            Room::count(|room| History::<f32>::new(room, sizes)).unwrap()
        };
        let bound = BOUND.max(plan.stride::<f32>() * (n_inputs + n));
        assert!(plan.block.is_power_of_two() && (16..=1_024).contains(&plan.block));
        // A kilobyte for the ends of buffers.
        assert!(
            plan.block == 16 || bytes(plan.block) <= bound + 1_024,
            "{sizes}: {}",
            plan.block
        );
        assert!(
            plan.block == 1_024 || bytes(2 * plan.block) > bound,
            "{sizes}: {}",
            plan.block
        );
    }
}
