//! Long calls ask whether to stop by what they cost. Stopped, they leave whole steps, lose no gradient and take none twice; what only reads changes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use eprop::{
    Config, Engine, EpropTrainer, Error, Horizon, Interrupt, Matrix, OnlineTrainer, Optimizer,
    PerNeuron, StackConfig, Stream, UpdateEvery,
};
use ndarray::{Array2, Array3, s};

const N_INPUTS: usize = 8;
const N: usize = 40;
/// (N_INPUTS + N) rows, padded to 48 numbers.
const SYNAPSES: usize = 48 * 48;
const N_OUTPUTS: usize = 2;
const STEPS: usize = 4;

/// Stops at the question number `at`, counted from 1, of one in every pass over the synapses; and how many have been asked.
fn stop_at(at: usize) -> (Interrupt, Arc<AtomicUsize>) {
    stop_at_of(at, SYNAPSES)
}

/// The same of one in `numbers`.
fn stop_at_of(at: usize, numbers: usize) -> (Interrupt, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let interrupt = Interrupt::every(numbers, move || {
        count.fetch_add(1, Ordering::Relaxed) + 1 == at
    });
    (interrupt, asked)
}

fn trainer(config: Config) -> EpropTrainer<f32> {
    let mut trainer = EpropTrainer::new(N_INPUTS, N, N_OUTPUTS, config).unwrap();
    // So that somebody fires within a few steps.
    let w_in = trainer.w_in() * 3.0;
    trainer.set_w_in(w_in.view()).unwrap();
    trainer
}

fn data(n_streams: usize, n_steps: usize) -> (Array3<f32>, Array3<f32>) {
    let x = Array3::from_shape_fn((n_streams, n_steps, N_INPUTS), |(b, t, i)| {
        if (3 * b + 5 * t + i) % 4 == 0 {
            1.0
        } else {
            0.0
        }
    });
    let y = Array3::from_shape_fn((n_streams, n_steps, N_OUTPUTS), |(b, t, k)| {
        ((b + t + k) % 3) as f32
    });
    (x, y)
}

/// The steps of a piece for the first streams, and none for the others.
fn of_first<'a>(
    (x, y): &'a (Array3<f32>, Array3<f32>),
    steps: std::ops::Range<usize>,
    n: usize,
) -> Vec<Stream<'a, f32>> {
    let part = |b: usize| if b < n { steps.clone() } else { 0..0 };
    let streams = (0..x.dim().0).map(|b| Stream {
        inputs: x.slice(s![b, part(b), ..]).into(),
        targets: y.slice(s![b, part(b), ..]),
        mask: None,
        weights: None,
    });
    streams.collect()
}

fn configs(batch_size: usize) -> Vec<Config> {
    let usual = Config {
        batch_size,
        lr: 1e-4,
        ..Config::default()
    };
    let of = |update_every| Config {
        update_every,
        ..usual.clone()
    };
    vec![
        of(UpdateEvery::Steps(1)),
        Config {
            c_reg: 0.1,
            ..of(UpdateEvery::Steps(3))
        },
        Config {
            engine: Some(Engine::Block),
            optimizer: Optimizer::ADAM,
            ..of(UpdateEvery::Steps(3))
        },
        of(UpdateEvery::Sequence),
    ]
}

/// The spans between two updates that are due.
fn spans(config: &Config) -> Vec<(usize, usize)> {
    match config.update_every {
        UpdateEvery::Steps(1) => (0..STEPS).map(|t| (t, t + 1)).collect(),
        UpdateEvery::Steps(n) => vec![(0, n), (n, STEPS)],
        UpdateEvery::Sequence => vec![(0, STEPS)],
    }
}

/// Trains the streams up to `from`, the first `done` of them up to `until`, and goes on after the next update.
fn as_if_others_were_shorter(
    trainer: &mut EpropTrainer<f32>,
    data: &(Array3<f32>, Array3<f32>),
    (from, until, done): (usize, usize, usize),
) {
    let mut tally = trainer.tally();
    let n_streams = trainer.batch_size();
    if from > 0 {
        let before = of_first(data, 0..from, n_streams);
        trainer.train_piece(&before, None, &mut tally).unwrap();
    }
    let last = of_first(data, from..until, done);
    trainer.train_piece(&last, None, &mut tally).unwrap();
    trainer.update().unwrap();
}

/// Asked between groups, between the streams of a group that collect, and while the gradient of an update is measured.
#[test]
fn a_batch_that_is_stopped_has_taken_whole_steps_and_lost_no_gradient() {
    for n_streams in [8, 16] {
        let data = data(n_streams, STEPS);
        let all = of_first(&data, 0..STEPS, n_streams);
        let group = (n_streams / 8).clamp(1, 2);
        for config in configs(n_streams) {
            let mut start = trainer(config.clone());
            start.set_n_threads(Some(1)).unwrap();
            let train = |trainer: &mut EpropTrainer<f32>| {
                let mut tally = trainer.tally();
                trainer.train_piece(&all, None, &mut tally)
            };
            let stops = spans(&config).into_iter().flat_map(|(from, until)| {
                let groups = (group..=n_streams).step_by(group);
                groups.map(move |done| (from, until, done))
            });
            let wholes = stops.map(|stop| {
                let mut whole = start.clone();
                as_if_others_were_shorter(&mut whole, &data, stop);
                whole
            });
            let wholes: Vec<_> = wholes.collect();
            let (never, asked) = stop_at(usize::MAX);
            let mut never_stopped = start.clone();
            never_stopped.set_interrupt(never);
            train(&mut never_stopped).unwrap();
            let asked = asked.load(Ordering::Relaxed);
            // After each group, and before each stream's gradient is taken.
            let due = match config.update_every {
                UpdateEvery::Steps(n) => STEPS / n,
                UpdateEvery::Sequence => 0,
            };
            assert!(
                asked >= wholes.len() + due * n_streams,
                "{config:?}: {asked}"
            );
            let mut seen = vec![false; wholes.len()];
            for at in 1..=asked {
                let what = format!("{config:?}, stopped at {at} of {asked}");
                let mut stopped = start.clone();
                stopped.set_interrupt(stop_at(at).0);
                assert_eq!(train(&mut stopped), Err(Error::Interrupted), "{what}");
                stopped.set_interrupt(Interrupt::default());
                stopped.update().unwrap();
                let same = wholes.iter().position(|whole| whole.state_equal(&stopped));
                let Some(same) = same else { panic!("{what}") };
                // And both go on.
                if !seen[same] {
                    let mut whole = wholes[same].clone();
                    train(&mut whole).unwrap();
                    train(&mut stopped).unwrap();
                    assert!(stopped.state_equal(&whole), "{what}, later");
                }
                seen[same] = true;
            }
            assert!(seen.iter().all(|&seen| seen), "{config:?}: {seen:?}");
        }
    }
}

/// Streams side by side are asked while their recurrent spikes are credited and while a block is worked off, too: as often as a stream alone.
#[test]
fn a_batch_that_is_stopped_within_a_group_goes_on_with_the_same_bits() {
    let n_streams = 4;
    let steps = 6;
    let data = data(n_streams, steps);
    let all = of_first(&data, 0..steps, n_streams);
    let config = |horizon, update_every| Config {
        batch_size: n_streams,
        engine: Some(Engine::Block),
        horizon,
        update_every,
        ..Config::default()
    };
    for config in [
        config(Horizon::Sequence, UpdateEvery::Sequence),
        config(Horizon::Steps(2), UpdateEvery::Steps(4)),
        config(Horizon::Steps(1), UpdateEvery::Steps(3)),
    ] {
        let mut start = trainer(config.clone());
        start.set_n_threads(Some(1)).unwrap();
        let train = |trainer: &mut EpropTrainer<f32>| {
            let mut tally = trainer.tally();
            trainer.train_last_piece(&all, None, &mut tally)
        };
        // After some steps, so that there is an earlier block.
        train(&mut start).unwrap();
        let mut wholes = vec![];
        for (from, until) in (0..=steps).flat_map(|from| (from..=steps).map(move |to| (from, to))) {
            for done in 0..=n_streams {
                let mut whole = start.clone();
                let mut tally = whole.tally();
                let before = of_first(&data, 0..from, n_streams);
                whole.train_piece(&before, None, &mut tally).unwrap();
                let last = of_first(&data, from..until, done);
                whole.train_piece(&last, None, &mut tally).unwrap();
                whole.update().unwrap();
                wholes.push(whole);
            }
        }
        let numbers = SYNAPSES / 32;
        let (never, asked) = stop_at_of(usize::MAX, numbers);
        let mut whole = start.clone();
        whole.set_interrupt(never);
        train(&mut whole).unwrap();
        let asked = asked.load(Ordering::Relaxed);
        // Between groups and while the gradient is measured, it would be a dozen times.
        assert!(asked > 20, "{config:?} asks {asked} times");
        for at in 1..=asked {
            let what = format!("{config:?} at {at} of {asked}");
            let mut stopped = start.clone();
            stopped.set_interrupt(stop_at_of(at, numbers).0);
            assert_eq!(train(&mut stopped), Err(Error::Interrupted), "{what}");
            stopped.set_interrupt(Interrupt::default());
            let mut loaded = start.clone();
            loaded.restore(&stopped.to_bytes()).unwrap();
            stopped.update().unwrap();
            loaded.update().unwrap();
            let is_some = wholes.iter().any(|whole| whole.state_equal(&stopped));
            assert!(is_some, "{what}");
            for trainer in [&mut stopped, &mut loaded] {
                train(trainer).unwrap();
            }
            assert!(stopped.state_equal(&loaded), "{what}");
        }
    }
}

#[test]
fn whatever_threads_have_begun_is_of_the_first_streams() {
    let n_streams = 8;
    let data = data(n_streams, STEPS);
    for config in configs(n_streams) {
        for at in 1..4 {
            let mut stopped = trainer(config.clone());
            let start = stopped.clone();
            stopped.set_n_threads(Some(3)).unwrap();
            stopped.set_interrupt(stop_at(at).0);
            let mut tally = stopped.tally();
            let all = of_first(&data, 0..STEPS, n_streams);
            // With others at work, the caller may never come to ask so often.
            let stopped_early = stopped.train_piece(&all, None, &mut tally).is_err();
            stopped.set_interrupt(Interrupt::default());
            stopped.update().unwrap();
            let some_stop_is_equal = spans(&config).into_iter().any(|(from, until)| {
                (1..=n_streams).any(|done| {
                    let mut whole = start.clone();
                    as_if_others_were_shorter(&mut whole, &data, (from, until, done));
                    whole.state_equal(&stopped)
                })
            });
            assert!(some_stop_is_equal, "{config:?} at {at}, {stopped_early}");
        }
    }
}

/// The longest sequence is the last, so nothing can be given up before it.
#[test]
fn a_batch_is_stopped_only_where_its_steps_are_those_of_the_longest_stream() {
    let data = data(8, STEPS);
    let config = configs(8).remove(1);
    let mut streams = of_first(&data, 0..2, 8);
    streams[7] = of_first(&data, 0..STEPS, 8).remove(7);
    let mut stopped = trainer(config);
    stopped.set_n_threads(Some(1)).unwrap();
    let mut whole = stopped.clone();
    stopped.set_interrupt(stop_at(1).0);
    let mut tally = stopped.tally();
    assert_eq!(
        stopped.train_piece(&streams, None, &mut tally),
        Err(Error::Interrupted)
    );
    stopped.set_interrupt(Interrupt::default());
    // Up to the update that was due after three steps, which waits.
    stopped.update().unwrap();
    let mut tally = whole.tally();
    streams[7] = of_first(&data, 0..3, 8).remove(7);
    whole.train_piece(&streams, None, &mut tally).unwrap();
    assert!(stopped.state_equal(&whole));
}

#[test]
fn a_step_that_is_stopped_is_the_step_of_the_first_streams() {
    let (x, y) = data(8, 1);
    let config = configs(8).remove(0);
    let mut stopped = trainer(config);
    stopped.set_n_threads(Some(1)).unwrap();
    let mut whole = stopped.clone();
    let of = |n: usize| {
        (0..n)
            .map(|b| x.slice(s![b, 0, ..]).into())
            .collect::<Vec<_>>()
    };
    // Asked before each gradient is taken, where its sum begins, and after each stream.
    stopped.set_interrupt(stop_at(12).0);
    let result = stopped.step_batch(&of(8), Some(y.slice(s![.., 0, ..])));
    assert_eq!(result.unwrap_err(), Error::Interrupted);
    stopped.set_interrupt(Interrupt::default());
    whole
        .step_batch(&of(4), Some(y.slice(s![..4, 0, ..])))
        .unwrap();
    for trainer in [&mut stopped, &mut whole] {
        trainer.update().unwrap();
    }
    assert!(stopped.state_equal(&whole));
}

#[test]
fn a_stream_alone_stops_between_two_steps() {
    let data = data(1, 12);
    for update_every in [
        UpdateEvery::Steps(1),
        UpdateEvery::Steps(7),
        UpdateEvery::Sequence,
    ] {
        let config = Config {
            update_every,
            ..Config::default()
        };
        let mut stopped = trainer(config);
        let (mut shorter, mut predicting) = (stopped.clone(), stopped.clone());
        let mut predicted = stopped.clone();
        stopped.set_interrupt(stop_at(4).0);
        let mut tally = stopped.tally();
        let all = of_first(&data, 0..12, 1);
        assert_eq!(
            stopped.train_piece(&all, None, &mut tally),
            Err(Error::Interrupted)
        );
        let mut tally = shorter.tally();
        shorter
            .train_piece(&of_first(&data, 0..4, 1), None, &mut tally)
            .unwrap();
        assert!(stopped.state_equal(&shorter));

        predicting.set_interrupt(stop_at(8).0);
        let x = data.0.slice(s![0, .., ..]);
        assert_eq!(
            predicting.predict_sequence(x, false).unwrap_err(),
            Error::Interrupted
        );
        predicted
            .predict_sequence(x.slice(s![..8, ..]), false)
            .unwrap();
        assert!(predicting.state_equal(&predicted));
    }
}

/// Wherever it is stopped, also in the middle of a block that is worked off: what is left of that is done later, with the same bits.
#[test]
fn a_block_that_is_stopped_while_it_is_worked_off_goes_on_where_it_was() {
    let data = data(1, STEPS);
    let block = |n, optimizer, c_reg| Config {
        engine: Some(Engine::Block),
        update_every: UpdateEvery::Steps(n),
        optimizer,
        c_reg,
        ..Config::default()
    };
    let sequence = Config {
        update_every: UpdateEvery::Sequence,
        c_reg: 0.1,
        ..Config::default()
    };
    for config in [
        block(2, Optimizer::SGD, 0.0),
        block(2, Optimizer::SGD, 0.1),
        block(3, Optimizer::PLAIN_SGD, 0.0),
        block(2, Optimizer::ADAM, 0.1),
        Config {
            horizon: Horizon::Sequence,
            ..sequence.clone()
        },
        Config {
            horizon: Horizon::Steps(2),
            ..block(4, Optimizer::SGD, 0.1)
        },
        Config {
            each: PerNeuron {
                tau_mem: Some((1..=N).map(|j| j as f64).collect()),
                ..PerNeuron::default()
            },
            tau_syn: 5.0,
            beta: 0.1,
            ..block(3, Optimizer::SGD, 0.1)
        },
        sequence,
    ] {
        let all = of_first(&data, 0..STEPS, 1);
        let train = |trainer: &mut EpropTrainer<f32>| {
            let mut tally = trainer.tally();
            trainer.train_last_piece(&all, None, &mut tally)
        };
        // After some steps, so that there is an earlier block.
        let mut start = trainer(config.clone());
        train(&mut start).unwrap();
        let (never, asked) = stop_at_of(usize::MAX, SYNAPSES / 8);
        let mut whole = start.clone();
        whole.set_interrupt(never);
        train(&mut whole).unwrap();
        let asked = asked.load(Ordering::Relaxed);
        // More often than between two steps.
        assert!(asked > STEPS + 2, "{config:?} asks {asked} times");
        for at in 1..=asked {
            let mut stopped = start.clone();
            stopped.set_interrupt(stop_at_of(at, SYNAPSES / 8).0);
            assert_eq!(train(&mut stopped), Err(Error::Interrupted));
            stopped.set_interrupt(Interrupt::default());
            let saved = stopped.to_bytes();
            let mut loaded = start.clone();
            loaded.restore(&saved).unwrap();
            let (e_bar, z_bars) = (stopped.e_bar(), stopped.z_bars());
            let mut is_some = false;
            for steps in 0..=STEPS {
                let mut whole = start.clone();
                let mut tally = whole.tally();
                let some = of_first(&data, 0..steps, 1);
                whole.train_piece(&some, None, &mut tally).unwrap();
                let same_traces = whole.e_bar() == e_bar && whole.z_bars() == z_bars;
                whole.update().unwrap();
                let mut stopped = stopped.clone();
                stopped.update().unwrap();
                if !(same_traces && stopped.state_equal(&whole)) {
                    continue;
                }
                is_some = true;
                let mut loaded = loaded.clone();
                loaded.update().unwrap();
                for trainer in [&mut stopped, &mut whole, &mut loaded] {
                    train(trainer).unwrap();
                }
                assert!(stopped.state_equal(&whole) && loaded.state_equal(&whole));
            }
            assert!(is_some, "{config:?} at {at} of {asked}");
            // Without the update, too, nothing is lost.
            train(&mut stopped).unwrap();
            train(&mut loaded).unwrap();
            assert!(stopped.state_equal(&loaded), "{config:?} at {at}");
        }
    }
}

#[test]
fn weights_that_are_assigned_or_stepped_change_whole_or_not_at_all() {
    let n = 150;
    for update_every in [
        UpdateEvery::Steps(1),
        UpdateEvery::Steps(2),
        UpdateEvery::Sequence,
    ] {
        let config = Config {
            update_every,
            ..Config::default()
        };
        let mut trainer = EpropTrainer::<f32>::new(N_INPUTS, n, N_OUTPUTS, config).unwrap();
        let data = data(1, 3);
        let streams = of_first(&data, 0..3, 1);
        trainer.train_batch(&streams, false).unwrap();
        let gradients = trainer.gradients_batch(&streams).unwrap();
        let (w_in, w_rec) = (trainer.w_in() * 0.5, trainer.w_rec() * 0.5);
        let x = Array2::from_elem((20, N_INPUTS), 1.0);
        type Call<'c> = &'c dyn Fn(&mut EpropTrainer<f32>) -> Result<(), Error>;
        let calls: [(&str, Call<'_>); 4] = [
            ("W_in", &|t| t.set_w_in(w_in.view())),
            ("W_rec", &|t| t.set_w_rec(w_rec.view())),
            ("apply_gradients", &|t| t.apply_gradients(&gradients)),
            ("calibrate", &|t| t.calibrate(x.view(), 100.0).map(drop)),
        ];
        for (what, call) in calls {
            let (never, asked) = stop_at(usize::MAX);
            let mut whole = trainer.clone();
            whole.set_interrupt(never);
            call(&mut whole).unwrap();
            let asked = asked.load(Ordering::Relaxed);
            assert!(asked > 8, "{what} asks {asked} times");
            for at in [1, 2, asked / 2, asked - 1, asked] {
                let mut stopped = trainer.clone();
                stopped.set_interrupt(stop_at(at).0);
                assert_eq!(call(&mut stopped), Err(Error::Interrupted), "{what}");
                stopped.set_interrupt(Interrupt::default());
                assert!(stopped.state_equal(&trainer), "{what} at {at} of {asked}");
                // Whether somebody could have stopped it or not.
                call(&mut stopped).unwrap();
                assert!(stopped.state_equal(&whole), "{what} at {at} of {asked}");
            }
        }
    }
}

/// Runs a call over so many numbers that asks between any two parts of at most `part` numbers, stops it at its questions, and runs it again.
fn leaves_all_as_it_was<R: PartialEq + std::fmt::Debug>(
    what: &str,
    (numbers, part): (usize, usize),
    trainer: &mut EpropTrainer<f32>,
    mut call: impl FnMut(&mut EpropTrainer<f32>) -> Result<R, Error>,
) {
    let before = trainer.clone();
    let (never, asked) = stop_at(usize::MAX);
    trainer.set_interrupt(never);
    let expected = call(trainer).unwrap();
    let asked = asked.load(Ordering::Relaxed);
    assert!(
        (asked + 1) * (SYNAPSES + part) > numbers,
        "{what} asks {asked} times on {numbers} numbers"
    );
    for at in [1, asked / 2 + 1, asked] {
        trainer.set_interrupt(stop_at(at).0);
        assert_eq!(
            call(trainer).unwrap_err(),
            Error::Interrupted,
            "{what} at {at} of {asked}"
        );
        trainer.set_interrupt(Interrupt::default());
        assert!(trainer.state_equal(&before), "{what} at {at} of {asked}");
    }
    assert_eq!(call(trainer).unwrap(), expected, "{what}");
}

#[test]
fn what_reads_copies_judges_or_makes_gradients_asks_by_its_cost_and_changes_nothing_when_it_is_stopped()
 {
    let n = 150;
    let synapses = (N_INPUTS + n) * n;
    for (batch_size, update_every) in [(1, UpdateEvery::Steps(1)), (2, UpdateEvery::Sequence)] {
        let config = Config {
            batch_size,
            update_every,
            ..Config::default()
        };
        let mut trainer = EpropTrainer::<f32>::new(N_INPUTS, n, N_OUTPUTS, config).unwrap();
        trainer.set_n_threads(Some(1)).unwrap();
        let data = data(batch_size, 3);
        let streams = of_first(&data, 0..3, batch_size);
        let t = &mut trainer;
        t.train_batch(&streams, false).unwrap();

        leaves_all_as_it_was("reading W_rec", (n * n, n), t, |t| {
            let mut w = Array2::zeros(t.dim(Matrix::WRec));
            t.read(Matrix::WRec, w.view_mut()).map(|()| w)
        });
        leaves_all_as_it_was("reading e_bar", (n * n, n), t, |t| {
            let mut e_bar = Array2::zeros(t.dim(Matrix::EBar(0)));
            t.read(Matrix::EBar(0), e_bar.view_mut()).map(|()| e_bar)
        });
        leaves_all_as_it_was("a copy", (synapses, n), t, |t| t.try_clone().map(drop));
        leaves_all_as_it_was("saving", (synapses, n), t, |t| t.try_to_bytes());
        let bytes = t.to_bytes();
        leaves_all_as_it_was("loading", (synapses, n), t, |t| t.restore(&bytes));
        // Of a stream alone between the tiles of the block that is worked off, too.
        let of_gradients = match batch_size {
            1 => (13 * synapses / 2, n),
            _ => (6 * synapses * batch_size, 4 * synapses),
        };
        leaves_all_as_it_was("a gradient", of_gradients, t, |t| {
            t.gradients_batch(&streams)
        });
        leaves_all_as_it_was(
            "an evaluation",
            (3 * synapses * batch_size, 3 * synapses),
            t,
            |t| t.evaluate(&streams),
        );
    }
}

#[test]
fn a_calibration_asks_by_the_cost_of_its_steps_and_changes_nothing_when_it_is_stopped() {
    let inputs = data(1, 200).0.index_axis_move(ndarray::Axis(0), 0);
    let mut calibrated = trainer(Config::default());
    let before = calibrated.clone();
    let (never, asked) = stop_at(usize::MAX);
    calibrated.set_interrupt(never);
    let factor = calibrated.calibrate(inputs.view(), 40.0).unwrap();
    let asked = asked.load(Ordering::Relaxed);
    assert!(asked >= 2 * inputs.nrows(), "asks {asked} times");
    for at in [1, asked / 2 + 1, asked] {
        let mut stopped = before.clone();
        stopped.set_interrupt(stop_at(at).0);
        let result = stopped.calibrate(inputs.view(), 40.0);
        assert_eq!(result.unwrap_err(), Error::Interrupted, "{at} of {asked}");
        stopped.set_interrupt(Interrupt::default());
        assert!(stopped.state_equal(&before), "{at} of {asked}");
        assert_eq!(stopped.calibrate(inputs.view(), 40.0), Ok(factor));
    }
}

/// A system hands memory out where it is first written, which is slow: so that is in the constructor, and not in an update that nobody can stop.
#[test]
fn a_constructor_asks_by_what_it_writes_and_draws_and_makes_nothing_when_it_is_stopped() {
    let recurrent = |stop| {
        let config = Config {
            engine: Some(Engine::Block),
            optimizer: Optimizer::ADAM,
            ..Config::default()
        };
        EpropTrainer::<f32>::new_until(4, 196, 2, config, stop).map(|made| made.memory_bytes())
    };
    let stack = |stop| {
        let made = OnlineTrainer::<f32>::new_until(&[200, 196, 2], StackConfig::default(), stop);
        made.map(|made| made.memory_bytes())
    };
    let kinds: [&dyn Fn(Interrupt) -> Result<usize, Error>; 2] = [&recurrent, &stack];
    for make in kinds {
        let (never, asked) = stop_at(usize::MAX);
        let numbers = make(never).unwrap() / size_of::<f32>();
        let asked = asked.load(Ordering::Relaxed);
        // Small buffers are not worth a question; most of the memory is in large ones, and the weights are drawn, too.
        assert!(asked >= numbers / SYNAPSES, "{asked} for {numbers} numbers");
        for at in 1..=asked {
            assert_eq!(make(stop_at(at).0).unwrap_err(), Error::Interrupted);
        }
    }
}

/// Calls of `e_bar` pass the synapses once to copy what earlier blocks left, once to work the block off, and once to show the rows.
#[test]
fn reading_the_traces_of_a_block_asks_while_it_is_worked_off() {
    let n = 320;
    let config = Config {
        update_every: UpdateEvery::Sequence,
        ..Config::default()
    };
    let mut trainer = EpropTrainer::<f32>::new(N_INPUTS, n, N_OUTPUTS, config).unwrap();
    let data = data(1, 3);
    trainer
        .train_batch(&of_first(&data, 0..3, 1), false)
        .unwrap();
    let expected = trainer.e_bar();
    let read = |trainer: &EpropTrainer<f32>| {
        let mut e_bar = Array2::zeros(trainer.dim(Matrix::EBar(0)));
        trainer
            .read(Matrix::EBar(0), e_bar.view_mut())
            .map(|()| e_bar)
    };
    let (never, asked) = stop_at_of(usize::MAX, n * N_INPUTS);
    trainer.set_interrupt(never);
    assert_eq!(read(&trainer).unwrap(), expected);
    let passes = asked.load(Ordering::Relaxed) * n * N_INPUTS;
    assert!(passes > 2 * n * (n + N_INPUTS), "{passes}");
    for at in 1..=asked.load(Ordering::Relaxed) {
        trainer.set_interrupt(stop_at_of(at, n * N_INPUTS).0);
        assert_eq!(read(&trainer), Err(Error::Interrupted));
    }
}

/// The gradient that a stopped call leaves is dropped by a reset, and cleared before the next step: that asks, too.
#[test]
fn what_a_reset_drops_is_cleared_where_it_can_be_stopped() {
    // A block of so few synapses is 1,024 steps long: of the first, the gradient waits.
    let steps = 1030;
    let part = SYNAPSES / 8;
    for (n_streams, c_reg) in [(1, 0.0), (4, 0.0), (4, 0.1)] {
        let config = Config {
            batch_size: n_streams,
            engine: Some(Engine::Block),
            update_every: UpdateEvery::Sequence,
            c_reg,
            ..Config::default()
        };
        let mut silent = trainer(config);
        silent.set_n_threads(Some(1)).unwrap();
        let data = data(n_streams, steps);
        let train = |trainer: &mut EpropTrainer<f32>, steps| {
            let mut tally = trainer.tally();
            trainer.train_piece(&of_first(&data, 0..steps, n_streams), None, &mut tally)
        };
        let mut left = silent.clone();
        train(&mut left, steps).unwrap();
        let reset = || {
            let mut trainer = left.clone();
            trainer.restart();
            trainer
        };
        let questions_of = |mut trainer: EpropTrainer<f32>| {
            let (never, asked) = stop_at_of(usize::MAX, part);
            trainer.set_interrupt(never);
            train(&mut trainer, 1).unwrap();
            asked.load(Ordering::Relaxed)
        };
        let matrices = if c_reg == 0.0 { 1 } else { 2 };
        let of_clearing = n_streams * matrices * (SYNAPSES / part);
        let asked = questions_of(reset());
        assert!(
            asked >= questions_of(silent.clone()) + of_clearing,
            "{asked} questions of {n_streams} streams"
        );
        for at in 1..=of_clearing {
            let what = format!("{n_streams} streams, stopped at {at}");
            let mut stopped = reset();
            stopped.set_interrupt(stop_at_of(at, part).0);
            assert_eq!(train(&mut stopped, 1), Err(Error::Interrupted), "{what}");
            stopped.set_interrupt(Interrupt::default());
            assert!(stopped.state_equal(&silent), "{what}");
            assert_eq!(stopped.to_bytes(), silent.to_bytes(), "{what}");
            assert!(stopped.e_bar().iter().all(|&e_bar| e_bar == 0.0), "{what}");
            // Whatever comes next: an update has nothing to make, and steps go on.
            stopped.update().unwrap();
            let mut whole = silent.clone();
            for trainer in [&mut stopped, &mut whole] {
                train(trainer, 5).unwrap();
                trainer.update().unwrap();
            }
            assert!(stopped.state_equal(&whole), "{what}, later");
        }
    }
}

const PER_NEURON: Optimizer = Optimizer::Auto {
    weight_decay: 0.0,
    per_neuron: true,
};

/// What is measured before an update can be stopped; then all of the gradient waits, and nothing is measured twice.
#[test]
fn an_update_asks_while_its_gradient_is_measured_and_just_before_it_is_made() {
    let n = 320;
    let synapses = n * (n + N_INPUTS);
    let config = |optimizer, clip_norm, batch_size| Config {
        optimizer,
        clip_norm,
        batch_size,
        // Of several streams, what a sequence's regulariser collected counts in the length from then on.
        c_reg: if batch_size == 1 { 0.1 } else { 0.0 },
        update_every: UpdateEvery::Sequence,
        ..Config::default()
    };
    // How often it asks at least: ten times in a pass that works the gradient off or measures it, and once before the update.
    for (config, least) in [
        (config(Optimizer::SGD, None, 1), 18),
        (config(Optimizer::PLAIN_SGD, Some(1e-3), 1), 18),
        (config(Optimizer::AUTO, Some(1e-3), 1), 26),
        (config(Optimizer::ADAM, None, 1), 1),
        (config(Optimizer::PLAIN_SGD, Some(1e-3), 2), 12),
        (config(Optimizer::AUTO, Some(1e-3), 2), 22),
        (config(PER_NEURON, Some(1e-3), 1), 26),
        (config(PER_NEURON, Some(1e-3), 2), 22),
    ] {
        let n_streams = config.batch_size;
        let mut trainer = EpropTrainer::<f32>::new(N_INPUTS, n, N_OUTPUTS, config.clone()).unwrap();
        trainer.set_n_threads(Some(1)).unwrap();
        let data = data(n_streams, 3);
        trainer
            .train_batch(&of_first(&data, 0..3, n_streams), false)
            .unwrap();
        let mut whole = trainer.clone();
        let (never, asked) = stop_at_of(usize::MAX, synapses / 10);
        whole.set_interrupt(never);
        whole.update().unwrap();
        let asked = asked.load(Ordering::Relaxed);
        assert!(asked >= least, "{config:?} asks {asked} times");
        for at in 1..=asked {
            let mut stopped = trainer.clone();
            stopped.set_interrupt(stop_at_of(at, synapses / 10).0);
            assert_eq!(stopped.update(), Err(Error::Interrupted));
            stopped.set_interrupt(Interrupt::default());
            stopped.update().unwrap();
            assert!(stopped.state_equal(&whole), "{config:?} at {at}");
        }
    }
}

/// What dense inputs of later steps send is worked out ahead, in a product with the weights.
#[test]
fn inputs_of_steps_that_were_not_taken_are_forgotten() {
    let (n_inputs, n_steps) = (20, 60);
    let config = Config {
        engine: Some(Engine::Block),
        update_every: UpdateEvery::Sequence,
        ..Config::default()
    };
    let start = EpropTrainer::<f32>::new(n_inputs, N, N_OUTPUTS, config).unwrap();
    let x = Array2::from_shape_fn((n_steps, n_inputs), |(t, i)| {
        0.1 + ((7 * t + 3 * i) % 11) as f32 / 10.0
    });
    let (others, y) = (1.2 - &x, Array2::zeros((n_steps, N_OUTPUTS)));
    fn of<'a>(x: &'a Array2<f32>, y: &'a Array2<f32>, n: usize) -> [Stream<'a, f32>; 1] {
        let whole = Stream {
            inputs: x.view().into(),
            targets: y.view(),
            mask: None,
            weights: None,
        };
        [whole.until(n)]
    }
    let learn = |trainer: &mut EpropTrainer<f32>, stream: &[Stream<'_, f32>]| {
        let mut tally = trainer.tally();
        trainer.train_piece(stream, None, &mut tally)
    };
    let mut seen = Vec::new();
    for at in [1, 3, 10, 30, 50] {
        let mut stopped = start.clone();
        stopped.set_interrupt(stop_at_of(at, (n_inputs + N) * 48).0);
        let stop = learn(&mut stopped, &of(&x, &y, n_steps));
        assert_eq!(stop, Err(Error::Interrupted));
        stopped.set_interrupt(Interrupt::default());
        let taken = (0..n_steps).find(|&n| {
            let mut whole = start.clone();
            learn(&mut whole, &of(&x, &y, n)).unwrap();
            whole.state_equal(&stopped)
        });
        let mut whole = start.clone();
        learn(&mut whole, &of(&x, &y, taken.expect("whole steps"))).unwrap();
        // A step by itself, a prediction, and a piece of another sequence.
        for trainer in [&mut stopped, &mut whole] {
            trainer.step(others.row(0), None).unwrap();
            trainer.predict_sequence(others.view(), false).unwrap();
            learn(trainer, &of(&others, &y, 30)).unwrap();
        }
        assert!(stopped.state_equal(&whole), "stopped after {taken:?} steps");
        seen.extend(taken);
    }
    assert!(seen.iter().any(|&taken| taken % 24 > 1), "{seen:?}");
}

/// Where streams of a group have ended, the gradient of the group waits nevertheless.
#[test]
fn an_update_of_unequal_streams_that_is_stopped_loses_no_gradient() {
    let steps = 6;
    let horizon = Config {
        engine: Some(Engine::Block),
        horizon: Horizon::Steps(3),
        ..Config::default()
    };
    for (n_streams, config) in [
        (16, Config::default()),
        (2, Config::default()),
        (4, horizon),
    ] {
        for short in [0, 1] {
            let config = Config {
                batch_size: n_streams,
                update_every: UpdateEvery::Steps(3),
                ..config.clone()
            };
            let data = data(n_streams, steps);
            // Every second stream has ended at the first update.
            let streams: Vec<_> = of_first(&data, 0..steps, n_streams)
                .iter()
                .enumerate()
                .map(|(b, stream)| stream.until(if b % 2 == short { 3 } else { steps }))
                .collect();
            let n_targets = (n_streams / 2 * (3 + steps)) as u64;
            let mut start = trainer(config.clone());
            start.set_n_threads(Some(1)).unwrap();
            let mut whole = start.clone();
            let mut tally = whole.tally();
            whole.train_piece(&streams, None, &mut tally).unwrap();
            assert_eq!(tally.n_targets(), n_targets);
            let (never, asked) = stop_at(usize::MAX);
            let mut never_stopped = start.clone();
            never_stopped.set_interrupt(never);
            never_stopped
                .train_piece(&streams, None, &mut never_stopped.tally())
                .unwrap();
            let mut seen = 0;
            for at in 1..=asked.load(Ordering::Relaxed) {
                let mut stopped = start.clone();
                stopped.set_interrupt(stop_at(at).0);
                let mut tally = stopped.tally();
                let stop = stopped.train_piece(&streams, None, &mut tally);
                assert_eq!(stop, Err(Error::Interrupted));
                if tally.n_targets() == n_targets {
                    stopped.set_interrupt(Interrupt::default());
                    stopped.update().unwrap();
                    assert!(stopped.state_equal(&whole), "{config:?}, stopped at {at}");
                    seen += 1;
                }
            }
            assert!(seen > 0, "{config:?}");
        }
    }
}
