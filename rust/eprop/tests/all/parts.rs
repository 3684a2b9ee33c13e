//! A network of which several trainers have a part each learns what one trainer learns.

use std::sync::{Arc, Barrier, Mutex};

use eprop::{
    Config, Connect, EpropTrainer, Error, Feedback, Horizon, Matrix, Optimizer, Part, Peers,
    Rewire, Stream, TrainOptions, UpdateEvery,
};
use ndarray::{Array2, Axis, s};

const N_INPUTS: usize = 7;
const N: usize = 23;
const N_OUTPUTS: usize = 2;
const CUTS: [usize; 4] = [0, 5, 14, N];

type Said = (Vec<u32>, Vec<f64>);

/// Threads in the place of processes.
#[derive(Debug)]
struct Threads {
    own: usize,
    table: Arc<Vec<Mutex<Said>>>,
    met: Arc<Barrier>,
}

impl Peers for Threads {
    fn exchange(&self, fired: &[u32], sums: &mut [f64], all_fired: &mut Vec<u32>) {
        *self.table[self.own].lock().unwrap() = (fired.to_vec(), sums.to_vec());
        self.met.wait();
        sums.fill(0.0);
        for of_one in &*self.table {
            let (fired, numbers) = &*of_one.lock().unwrap();
            all_fired.extend(fired);
            assert_eq!(sums.len(), numbers.len());
            sums.iter_mut().zip(numbers).for_each(|(sum, x)| *sum += x);
        }
        self.met.wait();
    }
}

/// A thread that fails would leave the others waiting.
struct AllOrNone;

impl Drop for AllOrNone {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}

fn data() -> (Array2<f64>, Array2<f64>) {
    let x = Array2::from_shape_fn((60, N_INPUTS), |(t, i)| f64::from((t * 5 + i * 3) % 11 < 2));
    let y = Array2::from_shape_fn((60, N_OUTPUTS), |(t, k)| (0.1 * (t * (k + 1)) as f64).sin());
    (x, y)
}

fn part_of(at: usize) -> (Part, usize) {
    let part = Part {
        first: CUTS[at],
        all: N,
        ..Part::default()
    };
    (part, CUTS[at + 1] - CUTS[at])
}

#[track_caller]
fn near(one: &Array2<f64>, other: ndarray::ArrayView2<'_, f64>) {
    assert_eq!(one.dim(), other.dim());
    for (one, other) in one.iter().zip(other) {
        assert!((one - other).abs() <= 1e-11, "{one}, {other}");
    }
}

#[test]
fn parts_learn_what_the_whole_learns() {
    let usual = Config {
        connect_rec: Connect::Density(0.4),
        tau_mem: 10.0,
        ..Config::default()
    };
    let every = |optimizer, update_every| Config {
        optimizer,
        update_every,
        lr: 0.05,
        ..usual.clone()
    };
    for config in [
        usual.clone(),
        Config {
            connect_rec: Connect::All,
            readout_bias: true,
            feedback: Feedback::Random,
            ..every(Optimizer::AUTO, UpdateEvery::Steps(1))
        },
        every(Optimizer::ADAM, UpdateEvery::Sequence),
        Config {
            clip_norm: Some(0.1),
            readout_bias: true,
            ..every(Optimizer::PLAIN_SGD, UpdateEvery::Steps(7))
        },
    ] {
        let (x, y) = data();
        let learn = |trainer: &mut EpropTrainer<f64>| {
            let trained = trainer
                .train_sequence(x.view(), y.view(), TrainOptions::default())
                .unwrap();
            let stream = Stream {
                inputs: x.view().into(),
                targets: y.view(),
                mask: None,
                weights: None,
            };
            let (_, judged) = trainer.evaluate(&[stream]).unwrap();
            let judged = judged.index_axis_move(Axis(0), 0);
            (trained.loss, trained.outputs, judged)
        };
        let mut whole = EpropTrainer::<f64>::new(N_INPUTS, N, N_OUTPUTS, config.clone()).unwrap();
        let first = whole.w_rec();
        let (loss, outputs, judged) = learn(&mut whole);
        assert!(
            whole
                .w_rec()
                .iter()
                .zip(&first)
                .any(|(a, b)| (a - b).abs() > 1e-6)
        );
        let table = Arc::new((0..3).map(|_| Mutex::default()).collect::<Vec<_>>());
        let met = Arc::new(Barrier::new(3));
        std::thread::scope(|scope| {
            for own in 0..3 {
                let (part, n) = part_of(own);
                let config = Config {
                    part: Some(part),
                    ..config.clone()
                };
                let peers = Arc::new(Threads {
                    own,
                    table: Arc::clone(&table),
                    met: Arc::clone(&met),
                });
                let (whole, first, outputs, judged, learn) =
                    (&whole, &first, &outputs, &judged, &learn);
                scope.spawn(move || {
                    let _all = AllOrNone;
                    let mut trainer = EpropTrainer::new(N_INPUTS, n, N_OUTPUTS, config).unwrap();
                    trainer.set_peers(peers);
                    let rows = s![CUTS[own]..CUTS[own + 1], ..];
                    near(&trainer.w_rec(), first.slice(rows));
                    let (of_part, outputs_of_part, judged_of_part) = learn(&mut trainer);
                    assert!((of_part - loss).abs() < 1e-11);
                    near(&outputs_of_part, outputs.view());
                    near(&judged_of_part, judged.view());
                    near(&trainer.w_in(), whole.w_in().slice(rows));
                    near(&trainer.w_rec(), whole.w_rec().slice(rows));
                    near(&trainer.b_feedback(), whole.b_feedback().slice(rows));
                    let columns = s![.., CUTS[own]..CUTS[own + 1]];
                    near(&trainer.w_out(), whole.w_out().slice(columns));
                    // A copy has the same others, and a file none.
                    let mut twin = trainer.clone();
                    assert_eq!(learn(&mut twin).0, learn(&mut trainer).0);
                    let read = EpropTrainer::<f64>::from_bytes(&trainer.to_bytes()).unwrap();
                    assert!(read.state_equal(&trainer));
                });
            }
        });
    }
}

fn refused(config: Config, n: usize) -> String {
    EpropTrainer::<f32>::new(N_INPUTS, n, N_OUTPUTS, config)
        .unwrap_err()
        .to_string()
}

#[test]
fn parts_that_there_are_not_and_networks_that_cannot_be_spread_are_refused() {
    let (part, n) = part_of(1);
    let with = |part: Part| Config {
        part: Some(part),
        ..Config::default()
    };
    let beyond = Part {
        first: 20,
        ..part.clone()
    };
    assert!(refused(with(beyond), n).starts_with("part: expected neurons below 23"));
    let last = Part {
        first: usize::MAX,
        ..part.clone()
    };
    assert!(refused(with(last), n).starts_with("part: "));
    let few = Part {
        before: vec![1; 3],
        ..part.clone()
    };
    assert!(refused(with(few), n).starts_with("part.before: expected none, or one for each of 30"));
    for (config, name) in [
        (
            Config {
                batch_size: 2,
                ..with(part.clone())
            },
            "batch_size",
        ),
        (
            Config {
                delay: 2,
                ..with(part.clone())
            },
            "delay",
        ),
        (
            Config {
                beta: 0.1,
                tau_syn: 3.0,
                ..with(part.clone())
            },
            "part",
        ),
        (
            Config {
                rewire: Some(Rewire::default()),
                connect_in: Connect::Density(0.5),
                update_every: UpdateEvery::Sequence,
                ..with(part.clone())
            },
            "rewire",
        ),
        (
            Config {
                sign: Some(vec![0; N_INPUTS + n]),
                ..with(part.clone())
            },
            "sign",
        ),
    ] {
        let error = refused(config, n);
        assert!(error.starts_with(&format!("{name}: expected")), "{error}");
    }
    // Nobody says how many numbers are drawn for the others.
    let listed = Connect::matrix(Array2::from_elem((n, N_INPUTS), true).view());
    let error = refused(
        Config {
            connect_in: listed,
            ..with(part.clone())
        },
        n,
    );
    assert!(
        error.starts_with("part: expected a count for each source"),
        "{error}"
    );
    let mut trainer = EpropTrainer::<f64>::new(N_INPUTS, n, N_OUTPUTS, with(part)).unwrap();
    assert_eq!(trainer.dim(Matrix::WRec), (n, N));
    let error = trainer.calibrate(data().0.view(), 20.0).unwrap_err();
    assert!(matches!(error, Error::Value { .. }) && error.to_string().starts_with("part: "));
    // Until somebody says who they are, the others are silent.
    assert!(
        trainer
            .train_sequence(data().0.view(), data().1.view(), TrainOptions::default())
            .is_ok()
    );
}

/// Whatever they say, no neuron is one that there is not, and none fires twice.
#[derive(Debug)]
struct Liars;

impl Peers for Liars {
    fn exchange(&self, fired: &[u32], _: &mut [f64], all_fired: &mut Vec<u32>) {
        all_fired.extend([22, 3, 22, 23, u32::MAX]);
        all_fired.extend(fired);
    }
}

#[test]
fn neurons_that_there_are_not_are_no_panic() {
    let (part, n) = part_of(2);
    let config = Config {
        part: Some(part),
        ..Config::default()
    };
    let mut trainer = EpropTrainer::<f64>::new(N_INPUTS, n, N_OUTPUTS, config).unwrap();
    trainer.set_peers(Arc::new(Liars));
    let (x, y) = data();
    let trained = trainer.train_sequence(x.view(), y.view(), TrainOptions::default());
    assert!(trained.unwrap().loss.is_finite());
}

#[test]
fn a_gradient_of_a_part_has_no_horizon() {
    let (part, n) = part_of(1);
    let config = Config {
        connect_rec: Connect::Density(0.4),
        part: Some(part),
        ..Config::default()
    };
    let trainer = EpropTrainer::<f64>::new(N_INPUTS, n, N_OUTPUTS, config).unwrap();
    let error = trainer.gradient_run_with(1, Some(Horizon::Steps(5)), None);
    assert_eq!(
        error.unwrap_err().to_string(),
        "horizon: expected 1 in a network that is spread over processes, got 5"
    );
}
