//! Streams side by side: each goes its way as if it were alone, one update is the sum of all, and neither groups nor threads change a bit.

#![expect(
    clippy::needless_range_loop,
    reason = "indices as the equations have them"
)]

use alloc::vec;

use ndarray::{Array3, Axis, s};

use super::{Role, Room, Streams, Vec, Walk, WalkMut, Walked, WithoutWeights, rows_of};
use crate::Error;
use crate::network::literal::{Data, Literal, Weights, config, draw, plan};
use crate::network::recurrent::Recurrent;
use crate::network::tally::{StreamTally, Tally};
use crate::network::wiring::{Sum, Wiring};
use crate::numbers::plain;
use crate::numbers::walk;
use crate::options::{Config, Engine, Optimizer, UpdateEvery};
use crate::parts::optimizer::Optimizer as AtWork;
use crate::parts::stream::Stream;
use crate::testing::{made, near};

const STEPS: usize = 24;

/// Of every form that a batch may take, with short and with long rests.
fn configs() -> Vec<Config> {
    let (textbook, block) = (Engine::Textbook, Engine::Block);
    vec![
        config(textbook, UpdateEvery::Steps(3)),
        config(block, UpdateEvery::Steps(11)),
        config(block, UpdateEvery::Sequence),
    ]
}

type Net = Recurrent<f64>;

fn streams(n: usize, config: &Config) -> Streams<Net> {
    // The plan of a batch, also of one stream.
    let config = Config {
        batch_size: 2,
        ..config.clone()
    };
    let mut streams = made(|room| Streams::new(room, &plan(&config), &config, n, None));
    streams.alter(|first| draw(first, &config));
    // Enough work for a thread per group.
    streams.work = super::WORTH_A_THREAD;
    streams
}

fn tallies(streams: &Streams<Net>, n: usize) -> Vec<StreamTally> {
    Tally::new(streams.first(), n).unwrap().streams
}

/// Some steps of the first `n` streams.
fn learn(
    streams: &mut Streams<Net>,
    data: &Data,
    n: usize,
    steps: core::ops::Range<usize>,
    due: bool,
) {
    let cut = s![..n, steps.clone(), ..];
    let mask = data.mask.slice(s![..n, steps]);
    let parts = Stream::of(data.x.slice(cut), data.y.slice(cut), Some(mask));
    let mut tallies = tallies(streams, n);
    streams.learn(&parts, &mut rows_of(None, n), &mut tallies, None, due);
}

/// What a stream has beside the weights, as bytes.
fn own(state: &Net) -> Vec<u8> {
    struct Own<'n>(&'n Net);
    impl Walked for Own<'_> {
        fn walk<'a>(&'a self, name: &'static str, role: Role, to: &mut dyn Walk<'a>) {
            self.0.walk(name, role, &mut WithoutWeights(to));
        }
        fn walk_mut(&mut self, _: &'static str, _: Role, _: &mut dyn WalkMut) -> Result<(), Error> {
            unreachable!("only saved")
        }
    }
    plain::save(&Own(state)).unwrap()
}

fn descend(streams: &mut Streams<Net>) {
    streams.update(AtWork::plain(0.015625).steps());
}

#[test]
fn an_update_takes_the_sum_of_the_gradients_of_all_streams() {
    for config in configs() {
        for n in [1, 2, 5, 17] {
            let data = Data::new(n, STEPS);
            let mut streams = streams(n, &config);
            let mut weights = Weights::of(streams.first());
            let mut literals = vec![Literal::new(&config); n];
            for from in (0..STEPS).step_by(8) {
                learn(&mut streams, &data, n, from..from + 8, true);
                for (b, literal) in literals.iter_mut().enumerate() {
                    for t in from..from + 8 {
                        let (x, target) = data.step(b, t);
                        literal.learn(
                            &x.to_vec(),
                            target.map(|target| target.to_vec()).as_deref(),
                            &weights,
                        );
                    }
                }
                descend(&mut streams);
                for literal in &mut literals {
                    weights.descend(&literal.take_gradient(), 0.015625);
                }
                for b in 0..n {
                    let state = streams.get(b).unwrap();
                    weights.compare(state);
                    near("y", state.output(), &literals[b].y);
                    assert_eq!(state.since().steps, 0);
                }
            }
        }
    }
}

#[test]
fn between_updates_a_stream_goes_its_way_as_if_it_were_alone_to_the_bit() {
    for config in configs() {
        for n in [2, 17] {
            let data = Data::new(n, STEPS);
            let mut together = streams(n, &config);
            learn(&mut together, &data, n, 0..STEPS, false);
            for b in [0, 1, n / 2, n - 1] {
                let mut alone = streams(1, &config);
                let one = |rows: &Array3<f64>| rows.slice(s![b..=b, .., ..]).to_owned();
                let of_one = Data {
                    x: one(&data.x),
                    y: one(&data.y),
                    mask: data.mask.slice(s![b..=b, ..]).to_owned(),
                };
                learn(&mut alone, &of_one, 1, 0..STEPS, false);
                assert_eq!(
                    own(together.get(b).unwrap()),
                    own(alone.first()),
                    "stream {b} of {n}"
                );
            }
        }
    }
}

#[test]
fn a_stream_that_takes_no_part_is_untouched_to_the_bit_but_for_the_weights() {
    for config in configs() {
        for (n, part) in [(3, 2), (17, 5), (17, 16)] {
            let data = Data::new(n, STEPS);
            let mut streams = streams(n, &config);
            learn(&mut streams, &data, n, 0..8, true);
            descend(&mut streams);
            let states = |streams: &Streams<Net>| {
                (0..n)
                    .map(|b| own(streams.get(b).unwrap()))
                    .collect::<Vec<_>>()
            };
            let (before, weights) = (states(&streams), Weights::of(streams.first()));
            learn(&mut streams, &data, part, 8..16, true);
            descend(&mut streams);
            let after = states(&streams);
            assert!((part..n).all(|b| after[b] == before[b]));
            assert!((0..part).all(|b| after[b] != before[b]));
            let learned = Weights::of(streams.first());
            assert!(learned != weights && learned == Weights::of(streams.get(n - 1).unwrap()));
            // Nor by a step, or a prediction, of the others.
            streams.step(part, false, None, |_, state: &mut Net, _| {
                state
                    .circle()
                    .predict(crate::parts::input::Input::spikes(&[0]));
                None
            });
            let x = data.x.slice(s![..part, .., ..]);
            let inputs: Vec<_> = x.outer_iter().map(|x| x.reborrow().into()).collect();
            streams
                .predict(&inputs, rows_of(None, part), rows_of(None, part))
                .unwrap();
            let later = states(&streams);
            assert!((part..n).all(|b| later[b] == before[b]));
            assert!((0..part).all(|b| later[b] != after[b]));
        }
    }
}

#[test]
fn threads_change_no_bit() {
    for config in configs() {
        for n in [5, 17] {
            let data = Data::new(n, STEPS);
            let of_threads = |n_threads| {
                let mut streams = streams(n, &config);
                streams.set_n_threads(Some(n_threads));
                for from in (0..STEPS).step_by(8) {
                    learn(&mut streams, &data, n, from..from + 8, true);
                    descend(&mut streams);
                }
                plain::save(&streams).unwrap()
            };
            let one = of_threads(1);
            assert_eq!(of_threads(2), one);
            assert_eq!(of_threads(5), one);
        }
    }
}

#[test]
fn steps_of_all_streams_are_the_same_as_their_sequences_to_the_bit() {
    for config in configs() {
        for n in [2, 17] {
            let data = Data::new(n, STEPS);
            let (mut runs, mut steps) = (streams(n, &config), streams(n, &config));
            learn(&mut runs, &data, n, 0..STEPS, true);
            descend(&mut runs);
            for t in 0..STEPS {
                let (losses, _) = steps.step(n, t + 1 == STEPS, None, |b, state: &mut Net, _| {
                    let (x, target) = data.step(b, t);
                    state.circle().learn(
                        x.view().into(),
                        target.as_ref().map(|target| target.view()).into(),
                        None,
                    )
                });
                let taught: Vec<_> = losses.iter().map(Option::is_some).collect();
                assert_eq!(taught, data.mask.column(t).to_vec());
            }
            descend(&mut steps);
            assert!(walk::same(&runs, &steps));
        }
    }
}

#[test]
fn a_gradient_that_is_collected_late_is_that_of_the_last_step() {
    for config in configs() {
        let data = Data::new(5, STEPS);
        let (mut due, mut late) = (streams(5, &config), streams(5, &config));
        learn(&mut due, &data, 5, 0..STEPS, true);
        learn(&mut late, &data, 5, 0..STEPS, false);
        late.collect().unwrap();
        descend(&mut due);
        descend(&mut late);
        assert_eq!(Weights::of(due.first()), Weights::of(late.first()));
    }
}

#[test]
fn the_gradient_of_all_streams_is_the_sum_of_each() {
    for config in configs() {
        for n in [1, 3, 17] {
            let data = Data::new(n, STEPS);
            let mut streams = streams(n, &config);
            let weights = Weights::of(streams.first());
            learn(&mut streams, &data, n, 0..STEPS, false);
            let got = streams
                .gradients(
                    &plan(&Config {
                        batch_size: 2,
                        ..config.clone()
                    }),
                    Sum {
                        loss: 0.5,
                        n_targets: 3,
                        n_streams: n as u64,
                    },
                )
                .unwrap();
            let mut sum = [[0.0; 7]; 11];
            let mut of_out = [[0.0; 2]; 7];
            for b in 0..n {
                let mut literal = Literal::new(&config);
                for t in 0..STEPS {
                    let (x, target) = data.step(b, t);
                    literal.learn(
                        &x.to_vec(),
                        target.map(|target| target.to_vec()).as_deref(),
                        &weights,
                    );
                }
                let g = literal.take_gradient();
                for j in 0..7 {
                    (0..11).for_each(|i| sum[i][j] += g.w[i][j]);
                    (0..2).for_each(|k| of_out[j][k] += g.w_out[j][k]);
                }
            }
            assert_eq!((got.loss, got.n_targets), (0.5, 3));
            for j in 0..7 {
                near(
                    "W_in",
                    got.w_in.row(j).as_slice().unwrap(),
                    &[0, 1, 2, 3].map(|i| sum[i][j]),
                );
                near(
                    "W_rec",
                    got.w_rec.row(j).as_slice().unwrap(),
                    &[4, 5, 6, 7, 8, 9, 10].map(|i| sum[i][j]),
                );
                near("W_out", &got.w_out.column(j).to_vec(), &of_out[j]);
            }
        }
    }
}

#[test]
fn outputs_and_losses_go_to_the_stream_that_made_them() {
    let config = config(Engine::Block, UpdateEvery::Sequence);
    let n = 17;
    let data = Data::new(n, STEPS);
    let (mut streams, mut predicting) = (streams(n, &config), streams(n, &config));
    let weights = Weights::of(streams.first());
    let (mut outputs, mut tallies) = (Array3::zeros((n, STEPS, 2)), tallies(&streams, n));
    let parts = Stream::of(data.x.view(), data.y.view(), Some(data.mask.view()));
    streams.learn(
        &parts,
        &mut rows_of(Some(outputs.view_mut()), n),
        &mut tallies,
        None,
        false,
    );
    let (mut predicted, mut spikes) = (Array3::zeros((n, STEPS, 2)), Array3::zeros((n, STEPS, 7)));
    let inputs: Vec<_> = data.x.outer_iter().map(|x| x.reborrow().into()).collect();
    predicting
        .predict(
            &inputs,
            rows_of(Some(predicted.view_mut()), n),
            rows_of(Some(spikes.view_mut()), n),
        )
        .unwrap();
    assert_eq!(predicted, outputs);
    for b in 0..n {
        let mut literal = Literal::new(&config);
        for t in 0..STEPS {
            let (x, target) = data.step(b, t);
            literal.learn(
                &x.to_vec(),
                target.map(|target| target.to_vec()).as_deref(),
                &weights,
            );
            near(
                "y",
                outputs.slice(s![b, t, ..]).as_slice().unwrap(),
                &literal.y,
            );
            near(
                "z",
                spikes.slice(s![b, t, ..]).as_slice().unwrap(),
                &literal.z,
            );
        }
        let mut of_one = Tally::new(streams.first(), 0).unwrap();
        of_one.streams.push(tallies[b].clone());
        near("loss", &[of_one.loss_sum()], &[literal.g.loss]);
        assert_eq!(of_one.n_targets(), literal.g.targets);
        assert_eq!(
            (
                streams.get(b).unwrap().since().targets,
                predicting.get(b).unwrap().since().steps
            ),
            (literal.g.targets, 0)
        );
    }
    let (since, n_streams) = streams.since();
    let taught = data.mask.iter().filter(|&&taught| taught).count() as u64;
    assert_eq!(
        (since.steps, since.targets, n_streams),
        ((n * STEPS) as u64, taught, n as u64)
    );
}

#[test]
fn weights_are_there_once_and_change_where_they_lie() {
    for config in configs() {
        let data = Data::new(17, 8);
        let mut streams = streams(17, &config);
        let place = |streams: &mut Streams<Net>, b: usize| {
            let state = &mut streams.states[b];
            (
                state.parameter(0).unwrap().rows.as_ptr(),
                state.head.readout.b().as_ptr(),
            )
        };
        let first = place(&mut streams, 0);
        learn(&mut streams, &data, 17, 0..8, true);
        descend(&mut streams);
        streams.alter(|first| draw(first, &config));
        for b in 0..17 {
            assert_eq!(place(&mut streams, b), first);
        }
    }
}

#[test]
fn what_is_counted_is_what_streams_then_hold() {
    for config in configs() {
        let config = Config {
            batch_size: 2,
            optimizer: Optimizer::ADAM,
            ..config
        };
        let plan = plan(&config);
        for n in [1, 2, 3, 8, 15, 16, 17, 24] {
            let make = |room: &mut Room| Streams::<Net>::new(room, &plan, &config, n, None);
            let streams = made(make);
            let held = walk::bytes(&streams) + streams.heap();
            assert_eq!(Room::count(make).unwrap(), held, "{n} streams");
        }
    }
}

#[test]
fn the_second_stream_of_a_group_has_no_scratch_memory_of_its_own() {
    let config = config(Engine::Block, UpdateEvery::Sequence);
    let plan = plan(&config);
    let lender = walk::bytes(&made(|room| Net::new(room, &plan, &config, None)));
    let borrower = walk::bytes(&made(|room| {
        room.borrower(|room| Net::new(room, &plan, &config, None))
    }));
    assert!(borrower < lender);
    for (n, borrowed) in [(15, 0), (16, lender - borrower), (17, lender - borrower)] {
        let streams = streams(n, &config);
        let bytes = |at: usize| walk::bytes(&streams.states[at]);
        // The first holds the weights, too.
        assert_eq!(bytes(2) - bytes(1), borrowed, "of {n} streams");
    }
}

#[test]
fn many_streams_share_sums_and_scratch_memory_two_by_two() {
    let config = config(Engine::Block, UpdateEvery::Sequence);
    for (n, groups) in [(1, 0), (2, 2), (15, 15), (16, 8), (17, 9)] {
        assert_eq!(streams(n, &config).sums.len(), groups, "{n} streams");
    }
}

#[test]
fn moments_of_adam_are_kept_once_and_take_the_sum() {
    let config = Config {
        optimizer: Optimizer::ADAM,
        ..config(Engine::Textbook, UpdateEvery::Steps(3))
    };
    let data = Data::new(3, STEPS);
    let mut streams = streams(3, &config);
    let mut optimizer = AtWork::with(Optimizer::ADAM, 0.01);
    let mut weights = Weights::of(streams.first());
    let mut literals = vec![Literal::new(&config); 3];
    let (mut m, mut v) = ([[0.0; 7]; 11], [[0.0; 7]; 11]);
    for (update, from) in (0..STEPS).step_by(8).enumerate() {
        learn(&mut streams, &data, 3, from..from + 8, true);
        let mut sum = [[0.0; 7]; 11];
        for (b, literal) in literals.iter_mut().enumerate() {
            for t in from..from + 8 {
                let (x, target) = data.step(b, t);
                literal.learn(
                    &x.to_vec(),
                    target.map(|target| target.to_vec()).as_deref(),
                    &weights,
                );
            }
            let g = literal.take_gradient();
            (0..77).for_each(|at| sum[at / 7][at % 7] += g.w[at / 7][at % 7]);
        }
        streams.update(optimizer.steps());
        optimizer.updated();
        let t = (update + 1) as f64;
        let eta = 0.01 * libm::sqrt(1.0 - libm::pow(0.999, t)) / (1.0 - libm::pow(0.9, t));
        for (i, j) in (0..77).map(|at| (at / 7, at % 7)) {
            m[i][j] = 0.9 * m[i][j] + 0.1 * sum[i][j];
            v[i][j] = 0.999 * v[i][j] + 0.001 * sum[i][j] * sum[i][j];
            weights.w[i][j] -= eta * m[i][j] / (libm::sqrt(v[i][j]) + 1e-8);
        }
        let got = Weights::of(streams.get(2).unwrap());
        near("W", got.w.as_flattened(), weights.w.as_flattened());
        // The readouts take the same rule, which is tested where they are.
        weights = got;
    }
}

#[test]
fn saved_bytes_and_copies_go_on_bit_for_bit() {
    for config in configs() {
        for n in [3, 17] {
            let data = Data::new(n, STEPS);
            let mut streams = streams(n, &config);
            learn(&mut streams, &data, n, 0..7, true);
            descend(&mut streams);
            learn(&mut streams, &data, n, 7..12, false);
            let config = Config {
                batch_size: 2,
                seed: 7,
                ..config.clone()
            };
            let silent =
                || made(|room| Streams::<Net>::new(room, &plan(&config), &config, n, None));
            let (mut loaded, mut copied) = (silent(), silent());
            plain::load(&mut loaded, &plain::save(&streams).unwrap()).unwrap();
            walk::copy(&streams, &mut copied).unwrap();
            for twin in [&mut loaded, &mut copied] {
                assert!(walk::same(twin, &streams));
                // The gradient of steps before they were saved, and then one of steps since.
                twin.collect().unwrap();
                descend(twin);
                learn(twin, &data, n, 12..STEPS, true);
                descend(twin);
            }
            streams.collect().unwrap();
            descend(&mut streams);
            learn(&mut streams, &data, n, 12..STEPS, true);
            descend(&mut streams);
            assert!(walk::same(&loaded, &streams) && walk::same(&copied, &streams));
        }
    }
}

#[test]
fn a_reset_silences_every_stream() {
    for config in configs() {
        let data = Data::new(3, STEPS);
        let (mut streams, fresh) = (streams(3, &config), streams(3, &config));
        learn(&mut streams, &data, 3, 0..STEPS, false);
        assert!(!walk::same(&streams, &fresh));
        streams.reset();
        assert!(walk::same(&streams, &fresh));
        assert_eq!((streams.since().0.steps, streams.since().1), (0, 0));
    }
}

#[test]
fn steps_of_a_file_that_was_tampered_with_are_summed_without_an_overflow() {
    let config = config(Engine::Block, UpdateEvery::Sequence);
    let mut streams = streams(9, &config);
    /// Says of every count that it is as large as may be.
    struct Most;
    impl WalkMut for Most {
        fn change(
            &mut self,
            name: &'static str,
            _: Role,
            numbers: crate::numbers::slice::SliceMut<'_>,
        ) -> Result<(), Error> {
            if let (true, crate::numbers::slice::SliceMut::U64(count)) =
                (name.ends_with("_since_update"), numbers)
            {
                count.numbers.fill(u64::MAX / 4 - 1);
            }
            Ok(())
        }
    }
    streams.walk_mut("", Role::State, &mut Most).unwrap();
    let (since, _) = streams.since();
    assert_eq!((since.steps, since.targets), (u64::MAX, u64::MAX));
}

#[test]
fn rows_are_cut_by_stream_or_nothing_again_and_again() {
    let mut rows = Array3::from_shape_fn((3, 2, 2), |(b, t, k)| (100 * b + 10 * t + k) as f64);
    let copy = rows.clone();
    let cut = rows_of(Some(rows.view_mut()), 3);
    assert_eq!(cut.len(), 3);
    for (b, one) in cut.into_iter().enumerate() {
        assert_eq!(one.unwrap(), copy.index_axis(Axis(0), b));
    }
    let none = rows_of::<f64>(None, 4);
    assert!(none.len() == 4 && none.iter().all(Option::is_none));
}
