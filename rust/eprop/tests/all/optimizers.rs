//! Optimizers, gradients from elsewhere, and the mean of gradients: in every form the plan allows, held to a few lines of plain arithmetic.

use eprop::{
    Config, Engine, EpropTrainer, Error, Feedback, Gradients, OnlineTrainer, Optimizer, Reduction,
    StackConfig, Stream, TrainOptions, UpdateEvery,
};
use ndarray::{Array2, Array3, Axis, s};

const N_INPUTS: usize = 6;
const N: usize = 11;
const N_OUTPUTS: usize = 2;

fn data(streams: usize, t: usize) -> (Array3<f64>, Array3<f64>) {
    (
        Array3::from_shape_fn((streams, t, N_INPUTS), |(b, t, i)| {
            f64::from(u8::from((7 * t + 3 * i + 5 * b) % 4 == 0))
        }),
        Array3::from_shape_fn((streams, t, N_OUTPUTS), |(b, t, k)| {
            ((t + 2 * b) as f64 / 9.0).sin() * (k as f64 - 0.5)
        }),
    )
}

fn trainer(config: Config) -> EpropTrainer<f64> {
    let mut trainer = EpropTrainer::new(N_INPUTS, N, N_OUTPUTS, config).unwrap();
    let lively = trainer.w_in() * 3.0;
    trainer.set_w_in(lively.view()).unwrap();
    trainer
}

/// All weights one after the other.
fn weights(trainer: &EpropTrainer<f64>) -> Vec<f64> {
    let matrices = [trainer.w_in(), trainer.w_rec(), trainer.w_out()];
    let mut all: Vec<f64> = matrices.iter().flat_map(|w| w.iter().copied()).collect();
    all.extend(trainer.b());
    all
}

fn flat(gradients: &Gradients<f64>) -> Vec<f64> {
    let matrices = [&gradients.w_in, &gradients.w_rec, &gradients.w_out];
    let mut all: Vec<f64> = matrices.iter().flat_map(|w| w.iter().copied()).collect();
    all.extend(&gradients.b);
    all
}

fn assert_near(got: &[f64], expected: &[f64]) {
    let largest = expected.iter().fold(1e-3_f64, |top, x| top.max(x.abs()));
    for (got, expected) in got.iter().zip(expected) {
        assert!(
            (got - expected).abs() <= 1e-12 * largest,
            "{got}, expected {expected}"
        );
    }
}

/// Adam as docs/method.md has it, for one vector of weights.
struct Adam {
    m: Vec<f64>,
    v: Vec<f64>,
    t: i32,
}

impl Adam {
    fn new(n: usize) -> Self {
        Self {
            m: vec![0.0; n],
            v: vec![0.0; n],
            t: 0,
        }
    }

    fn step(&mut self, w: &mut [f64], g: &[f64], lr: f64) {
        self.t += 1;
        let (b1, b2) = (0.9_f64, 0.999_f64);
        let eta = lr * (1.0 - b2.powi(self.t)).sqrt() / (1.0 - b1.powi(self.t));
        for (at, &g) in g.iter().enumerate() {
            self.m[at] = b1 * self.m[at] + (1.0 - b1) * g;
            self.v[at] = b2 * self.v[at] + (1.0 - b2) * g * g;
            w[at] -= eta * self.m[at] / (self.v[at].sqrt() + 1e-8);
        }
    }
}

fn adam(update_every: UpdateEvery, batch_size: usize) -> Config {
    Config {
        optimizer: Optimizer::ADAM,
        lr: 0.01,
        update_every,
        batch_size,
        readout_bias: true,
        ..Config::default()
    }
}

#[test]
fn adam_per_sequence_is_its_three_lines_on_the_gradient_of_the_sequence() {
    for engine in [None, Some(Engine::Textbook), Some(Engine::Block)] {
        for feedback in [Feedback::Symmetric, Feedback::Random] {
            for streams in [1, 3] {
                let config = Config {
                    engine,
                    feedback,
                    ..adam(UpdateEvery::Sequence, streams)
                };
                let mut trainer = trainer(config);
                let (x, y) = data(streams, 40);
                let streams = Stream::of(x.view(), y.view(), None);
                let mut expected = weights(&trainer);
                let mut by_hand = Adam::new(expected.len());
                for _ in 0..4 {
                    let gradients = trainer.gradients_batch(&streams).unwrap();
                    by_hand.step(&mut expected, &flat(&gradients), 0.01);
                    trainer.train_batch(&streams, true).unwrap();
                    assert_near(&weights(&trainer), &expected);
                }
            }
        }
    }
}

#[test]
fn adam_after_n_steps_is_the_same_in_every_form_and_any_cut_gives_the_same_bits() {
    for every in [1, 3, 8, 20] {
        let with = |engine| Config {
            engine,
            ..adam(UpdateEvery::Steps(every), 1)
        };
        let (x, y) = data(1, 50);
        let (x, y) = (x.index_axis(Axis(0), 0), y.index_axis(Axis(0), 0));
        let options = || TrainOptions {
            reset: false,
            ..TrainOptions::default()
        };
        let mut whole = trainer(with(None));
        let mut textbook = trainer(with(Some(Engine::Textbook)));
        let mut block = trainer(with(Some(Engine::Block)));
        let mut pieces = whole.clone();
        whole.train_sequence(x, y, options()).unwrap();
        textbook.train_sequence(x, y, options()).unwrap();
        block.train_sequence(x, y, options()).unwrap();
        assert_near(&weights(&whole), &weights(&textbook));
        assert_near(&weights(&block), &weights(&textbook));
        for piece in [s![..17, ..], s![17..18, ..], s![18.., ..]] {
            pieces
                .train_sequence(x.slice(piece), y.slice(piece), options())
                .unwrap();
        }
        assert!(pieces.state_equal(&whole));
        // Moments travel with copies and bytes, and a reset keeps them.
        pieces.reset();
        let mut restored = trainer(with(None));
        restored.restore(&pieces.to_bytes()).unwrap();
        let mut forgetful = trainer(with(None));
        forgetful.set_w_in(whole.w_in().view()).unwrap();
        forgetful.set_w_rec(whole.w_rec().view()).unwrap();
        forgetful.set_w_out(whole.w_out().view()).unwrap();
        forgetful.set_b(whole.b().view()).unwrap();
        for trainer in [&mut pieces, &mut restored, &mut forgetful] {
            trainer
                .train_sequence(x, y, TrainOptions::default())
                .unwrap();
        }
        assert!(restored.state_equal(&pieces));
        assert_ne!(weights(&forgetful), weights(&pieces));
    }
}

#[test]
fn a_stack_takes_adam_too() {
    let config = StackConfig {
        optimizer: Optimizer::ADAM,
        update_every: UpdateEvery::Sequence,
        batch_size: 2,
        ..StackConfig::default()
    };
    let mut trainer = OnlineTrainer::<f64>::new(&[N_INPUTS, 9, N_OUTPUTS], config).unwrap();
    let (x, _) = data(2, 40);
    let y = Array3::from_shape_fn((2, 40, N_OUTPUTS), |(b, t, k)| {
        f64::from(u8::from((b + t) % N_OUTPUTS == k))
    });
    let streams = Stream::of(x.view(), y.view(), None);
    let mut expected: Vec<Vec<f64>> = (0..2)
        .map(|l| trainer.layer_w(l).unwrap().into_iter().collect())
        .collect();
    let mut by_hand: Vec<Adam> = expected.iter().map(|w| Adam::new(w.len())).collect();
    for _ in 0..3 {
        let gradients = trainer.gradients_batch(&streams).unwrap();
        trainer.train_batch(&streams, true).unwrap();
        for l in 0..2 {
            let g: Vec<f64> = gradients.w[l].iter().copied().collect();
            by_hand[l].step(&mut expected[l], &g, 0.01);
            let got: Vec<f64> = trainer.layer_w(l).unwrap().into_iter().collect();
            assert_near(&got, &expected[l]);
        }
    }
}

/// What R processes with B streams each would do: gradients summed, then applied in each.
#[test]
fn gradients_summed_over_processes_and_applied_are_one_process_with_all_streams() {
    for optimizer in [
        Optimizer::PLAIN_SGD,
        Optimizer::SGD,
        Optimizer::AUTO,
        Optimizer::Auto {
            weight_decay: 0.0,
            per_neuron: true,
        },
        Optimizer::ADAM,
    ] {
        for reduction in [Reduction::Sum, Reduction::Mean] {
            let of = |batch_size| Config {
                reduction,
                optimizer,
                // Where steps are limited, the length of a gradient from elsewhere is that of all of it.
                c_reg: if optimizer.is_limited() { 0.0 } else { 0.1 },
                lr: if optimizer.is_limited() { 1.0 } else { 1e-3 },
                ..adam(UpdateEvery::Sequence, batch_size)
            };
            let (x, y) = data(4, 30);
            let streams = Stream::of(x.view(), y.view(), None);
            let (mut one, mut part) = (trainer(of(4)), trainer(of(2)));
            for _ in 0..3 {
                one.train_batch(&streams, true).unwrap();
                let mut sum = part.gradients_batch(&streams[..2]).unwrap();
                let more = part.gradients_batch(&streams[2..]).unwrap();
                sum.w_in += &more.w_in;
                sum.w_rec += &more.w_rec;
                sum.w_out += &more.w_out;
                sum.b += &more.b;
                sum.loss += more.loss;
                sum.n_targets += more.n_targets;
                sum.n_streams += more.n_streams;
                part.apply_gradients(&sum).unwrap();
            }
            assert_near(&weights(&part), &weights(&one));
        }
    }
}

#[test]
fn applying_a_gradient_leaves_what_is_pending_and_the_traces() {
    for update_every in [
        UpdateEvery::Steps(1),
        UpdateEvery::Steps(7),
        UpdateEvery::Steps(40),
        UpdateEvery::Sequence,
    ] {
        let mut trainer = trainer(Config {
            update_every,
            optimizer: Optimizer::PLAIN_SGD,
            ..Config::default()
        });
        let (x, y) = data(1, 5);
        let (x, y) = (x.index_axis(Axis(0), 0), y.index_axis(Axis(0), 0));
        for (x, y) in x.outer_iter().zip(y.outer_iter()) {
            trainer.step(x, Some(y)).unwrap();
        }
        let mut twin = trainer.clone();
        let gradients = trainer.gradients(x, y, None).unwrap();
        let (before, e_bar) = (weights(&trainer), trainer.e_bar());
        trainer.apply_gradients(&gradients).unwrap();
        let moved: Vec<f64> = before
            .iter()
            .zip(flat(&gradients))
            .map(|(w, g)| w - 0.01 * g)
            .collect();
        assert_near(&weights(&trainer), &moved);
        assert_eq!(trainer.e_bar(), e_bar);
        // The pending gradient went through B as it was: the difference of both updates is the applied step.
        trainer.update().unwrap();
        twin.update().unwrap();
        let shifted: Vec<f64> = weights(&twin)
            .iter()
            .zip(flat(&gradients))
            .map(|(w, g)| w - 0.01 * g)
            .collect();
        assert_near(&weights(&trainer), &shifted);
    }
}

#[test]
fn a_gradient_that_does_not_fit_changes_nothing() {
    let mut trainer = trainer(Config::default());
    let (x, y) = data(1, 9);
    let good = trainer
        .gradients(x.index_axis(Axis(0), 0), y.index_axis(Axis(0), 0), None)
        .unwrap();
    let before = trainer.clone();
    let mut narrow = good.clone();
    narrow.w_out = Array2::zeros((N_OUTPUTS, N + 1));
    let error = trainer.apply_gradients(&narrow).unwrap_err();
    assert_eq!(
        error.to_string(),
        "gradients.W_out: expected shape (2, 11), got (2, 12)"
    );
    let mut own = good.clone();
    own.w_rec[(3, 3)] = 1.0;
    assert!(matches!(
        trainer.apply_gradients(&own),
        Err(Error::Value { .. })
    ));
    let mut flawed = good.clone();
    flawed.w_in[(0, 0)] = f64::NAN;
    assert!(trainer.apply_gradients(&flawed).is_err());
    assert!(trainer.state_equal(&before));
    let of_mean = self::trainer(Config {
        reduction: Reduction::Mean,
        ..Config::default()
    });
    let mut mean = of_mean.clone();
    let mut nothing = good;
    nothing.n_targets = 0;
    assert_eq!(
        mean.apply_gradients(&nothing).unwrap_err().to_string(),
        "gradients.n_targets: expected a number of steps of at least 1, by which the mean divides, got 0"
    );
    assert!(mean.state_equal(&of_mean));
}

#[test]
fn the_mean_is_the_sum_over_the_steps_with_a_target_of_all_streams() {
    let mask = Array2::from_shape_fn((3, 24), |(b, t)| (b + t) % 3 > 0);
    let taught = mask.iter().filter(|&&taught| taught).count() as f64;
    let (x, y) = data(3, 24);
    let streams = Stream::of(x.view(), y.view(), Some(mask.view()));
    let of = |reduction, lr| {
        trainer(Config {
            reduction,
            lr,
            c_reg: 0.3,
            update_every: UpdateEvery::Sequence,
            batch_size: 3,
            ..Config::default()
        })
    };
    let (mut sum, mut mean) = (of(Reduction::Sum, 0.02 / taught), of(Reduction::Mean, 0.02));
    sum.train_batch(&streams, true).unwrap();
    mean.train_batch(&streams, true).unwrap();
    assert_near(&weights(&mean), &weights(&sum));
    assert_ne!(weights(&mean), weights(&of(Reduction::Sum, 0.0)));
}

#[test]
fn factors_are_for_optimizers_that_are_linear_in_the_gradient() {
    let config = Config {
        engine: Some(Engine::Factored),
        ..adam(UpdateEvery::Steps(1), 1)
    };
    let error = EpropTrainer::<f32>::new(3, 4, 1, config).unwrap_err();
    assert_eq!(
        error.to_string(),
        "engine: expected block or textbook with an optimizer that is not linear in the gradient, got factored"
    );
    let engine = |every| {
        let config = adam(UpdateEvery::Steps(every), 1);
        EpropTrainer::<f32>::new(3, 4, 1, config).unwrap().engine()
    };
    assert_eq!((engine(1), engine(7)), (Engine::Textbook, Engine::Textbook));
    assert_eq!((engine(8), engine(100)), (Engine::Block, Engine::Block));
}

#[test]
fn constants_of_adam_outside_their_domain_are_refused() {
    for (beta1, beta2, eps) in [(1.0, 0.999, 1e-8), (0.9, -0.1, 1e-8), (0.9, 0.999, 0.0)] {
        let optimizer = Optimizer::Adam {
            beta1,
            beta2,
            eps,
            weight_decay: 0.0,
        };
        let config = Config {
            optimizer,
            ..Config::default()
        };
        let error = EpropTrainer::<f64>::new(3, 4, 1, config).unwrap_err();
        assert!(error.to_string().starts_with("optimizer."), "{error}");
    }
}
