//! The fast forms of the synapses compute the textbook's numbers: float64, to 1e-10 of the largest value, whatever happens in the
//! middle of a block.

use eprop::{
    Config, Connect, Engine, EpropTrainer, Feedback, Gain, Lesson, Loss, Matrix, Optimizer,
    RegularisedSide, ResetMechanism, Rewire, Stream, Surrogate, TrainOptions, UpdateEvery,
};
use ndarray::{Array1, Array2, ArrayBase, Axis, Data, Dimension, s};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const N_INPUTS: usize = 18;
const N: usize = 37;
const N_OUTPUTS: usize = 3;
const TOLERANCE: f64 = 1e-10;

/// What happens to a trainer.
#[derive(Clone, Debug)]
enum Event {
    /// So many steps, with targets where the mask says so; inputs active at the given rate; analog or spikes.
    Learn {
        steps: usize,
        masked: bool,
        rate: f64,
        analog: bool,
    },
    Predict {
        steps: usize,
        rate: f64,
    },
    /// Nothing arrives at all.
    Silence {
        steps: usize,
    },
    Update,
    Reset,
    /// A whole sequence: reset, steps, update.
    Sequence {
        steps: usize,
    },
    AssignInputs,
    AssignReadouts,
    Rate(f64),
    /// Of inputs, neurons, readouts, times the usual one; 0: fixed.
    Rates([Option<f64>; 3]),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let rate = prop_oneof![Just(0.0), 0.0..0.05, 0.05..0.5];
    let event = prop_oneof![
        6 => (1_usize..60, any::<bool>(), rate.clone(), any::<bool>())
            .prop_map(|(steps, masked, rate, analog)| Event::Learn { steps, masked, rate, analog }),
        1 => (1_usize..30, rate).prop_map(|(steps, rate)| Event::Predict { steps, rate }),
        1 => (1_usize..2500).prop_map(|steps| Event::Silence { steps }),
        1 => Just(Event::Update),
        1 => Just(Event::Reset),
        1 => (1_usize..80).prop_map(|steps| Event::Sequence { steps }),
        1 => Just(Event::AssignInputs),
        1 => Just(Event::AssignReadouts),
        1 => (0.1..2.0).prop_map(Event::Rate),
        1 => rates().prop_map(Event::Rates),
    ];
    prop::collection::vec(event, 1..8)
}

fn rates() -> impl Strategy<Value = [Option<f64>; 3]> {
    let rate = prop_oneof![2 => Just(None), 1 => Just(Some(0.0)), 2 => (0.1..2.0).prop_map(Some)];
    prop::array::uniform3(rate)
}

fn tau() -> impl Strategy<Value = f64> {
    prop_oneof![1.0..6.0, 6.0..60.0, 60.0..1000.0]
}

fn usual_rate(optimizer: Optimizer) -> f64 {
    match optimizer {
        Optimizer::Auto { .. } => 0.5,
        _ => 1e-5,
    }
}

/// How a gradient becomes a step, without steps that are all rounding errors; with the rate at which it learns, a length and a bound.
fn any_rule() -> impl Strategy<Value = (Optimizer, f64, Option<f64>, Option<f64>)> {
    let weight_decay = 0.01;
    let limited = prop::sample::select(vec![
        Optimizer::Sgd {
            limit: true,
            weight_decay,
        },
        Optimizer::Momentum {
            mu: 0.75,
            limit: true,
            weight_decay,
        },
        Optimizer::MOMENTUM,
    ]);
    let rolling = |mu, weight_decay| Optimizer::Momentum {
        mu,
        limit: false,
        weight_decay,
    };
    let rolling = prop::sample::select(vec![
        rolling(0.0, 0.0),
        rolling(0.5, 100.0),
        rolling(0.9, 0.0),
        rolling(0.99, 1000.0),
    ]);
    let adam = Optimizer::AdamW {
        weight_decay,
        beta1: 0.75,
        beta2: 0.875,
        eps: 0.1,
    };
    let optimizer = prop_oneof![
        // With a limit, that is the step.
        3 => Just((Optimizer::SGD, 1.0)),
        3 => Just((Optimizer::PLAIN_SGD, 1e-5)),
        3 => limited.prop_map(|rule| (rule, 1.0)),
        // Without a decay: where gradients are short its steps are long, and weights that they overshoot run away in every form.
        2 => Just((Optimizer::AUTO, 0.5)),
        2 => Just((Optimizer::Auto { weight_decay: 0.0, per_neuron: true }, 0.5)),
        // Weights that lose half of themselves in some hundred or thousand steps.
        2 => prop::sample::select(vec![1.0, 100.0, 1000.0]).prop_map(|weight_decay| {
            (Optimizer::Sgd { limit: false, weight_decay }, 1e-5)
        }),
        2 => rolling.prop_map(|rule| (rule, 1e-5)),
        1 => Just((adam, 1e-5)),
    ];
    let bound = |value| prop_oneof![5 => Just(None), 1 => Just(Some(value))];
    let all = (optimizer, bound(0.1), bound(1.0));
    all.prop_map(|((rule, lr), clip_norm, w_max)| (rule, lr, clip_norm, w_max))
}

fn any_config() -> impl Strategy<Value = Config> {
    let choices = (
        prop::sample::select(Surrogate::ALL),
        prop::sample::select(Loss::ALL),
        prop::sample::select(Feedback::ALL),
        prop::sample::select(ResetMechanism::ALL),
        prop::sample::select(Gain::ALL),
        prop_oneof![
            3 => Just(UpdateEvery::Steps(1)),
            2 => (2_usize..40).prop_map(UpdateEvery::Steps),
            2 => Just(UpdateEvery::Sequence)
        ],
    );
    let taus = (
        tau(),
        prop_oneof![Just(0.0), tau()],
        prop::option::of(tau()),
    );
    (
        choices,
        taus,
        0_usize..4,
        any::<bool>(),
        any::<bool>(),
        any_rule(),
        any::<u64>(),
        prop_oneof![Just([None; 3]), rates()],
    )
        .prop_map(
            |(
                (surrogate, loss, feedback, reset_mechanism, gain, update_every),
                (tau_mem, tau_trace, tau_out),
                n_ref,
                readout_bias,
                regularised,
                (optimizer, lr, clip_norm, w_max),
                seed,
                rates,
            )| Config {
                delay: 1 + (seed % 8).saturating_sub(4) as usize,
                lr,
                optimizer,
                clip_norm,
                w_max,
                lr_in: rates[0].map(|rate| rate * usual_rate(optimizer)),
                lr_rec: rates[1].map(|rate| rate * usual_rate(optimizer)),
                lr_out: rates[2].map(|rate| rate * usual_rate(optimizer)),
                tau_mem,
                tau_trace,
                tau_out,
                surrogate,
                loss,
                feedback,
                reset_mechanism,
                input_gain: gain,
                readout_gain: gain,
                update_every,
                n_ref,
                readout_bias,
                c_reg: match (regularised, optimizer.is_limited()) {
                    (false, _) => 0.0,
                    (true, true) => 1e-5,
                    (true, false) => 1.0,
                },
                c_reg_side: RegularisedSide::ALL[seed as usize % 3],
                feedback_decay: match feedback {
                    Feedback::Adaptive => [0.0, 1e-3][seed as usize % 2],
                    _ => 0.0,
                },
                seed,
                // Every other network adapts.
                beta: [0.0, 0.0, 0.4, 1.2][seed as usize % 4],
                tau_adaptation: [20.0, 200.0][seed as usize / 4 % 2],
                ..Config::default()
            },
        )
        .prop_map(|config| crate::membranes::drawn(config, N))
        .prop_map(adaptations)
        .prop_map(wires)
}

/// Of every third network not all synapses exist; of half of those whose weights rest, they move.
fn wires(mut config: Config) -> Config {
    let density = |draw: u64| {
        [Connect::All, Connect::Density(0.2), Connect::Density(0.7)][draw as usize % 3].clone()
    };
    if config.seed / 32 % 3 == 0 {
        config.connect_in = density(config.seed / 96);
        config.connect_rec = density(config.seed / 288);
    }
    let wired = config.connect_in != Connect::All || config.connect_rec != Connect::All;
    if wired && config.update_every != UpdateEvery::Steps(1) && config.seed / 864 % 2 == 0 {
        config.rewire = Some(Rewire {
            l1: 0.03 / config.lr,
            temperature: [0.0, 1e-4 / config.lr][config.seed as usize / 1728 % 2],
        });
    }
    config
}

/// Of every third network in which neurons adapt, each does so in its own way, and some do not.
fn adaptations(mut config: Config) -> Config {
    if config.beta > 0.0 && config.seed / 8 % 3 == 0 {
        let beta = config.beta;
        let of = |of: fn(usize) -> f64| (0..N).map(of).collect::<Vec<_>>();
        config.each.beta = Some((0..N).map(|j| beta * (j % 4) as f64 / 3.0).collect());
        config.each.tau_adaptation = Some(of(|j| [15.0, 150.0, 1500.0][j % 3]));
        config.each.threshold = Some(of(|j| [1.0, 1.25][j % 2]));
    }
    config
}

struct Noise(u64);

impl Noise {
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn inputs(&mut self, steps: usize, rate: f64, analog: bool) -> Array2<f64> {
        Array2::from_shape_simple_fn((steps, N_INPUTS), || {
            let active = self.uniform() < rate;
            let value = if analog { self.uniform() - 0.3 } else { 1.0 };
            if active { value } else { 0.0 }
        })
    }

    fn targets(&mut self, steps: usize) -> Array2<f64> {
        let mut targets = Array2::zeros((steps, N_OUTPUTS));
        for mut row in targets.outer_iter_mut() {
            row[(self.uniform() * N_OUTPUTS as f64) as usize] = 1.0;
        }
        targets
    }
}

fn near<S: Data<Elem = f64>, D: Dimension>(
    what: &str,
    fast: &ArrayBase<S, D>,
    slow: &ArrayBase<S, D>,
) {
    let largest = slow.iter().fold(1e-3, |top: f64, x| top.max(x.abs()));
    for (fast, slow) in fast.iter().zip(slow) {
        assert!(
            (fast - slow).abs() <= TOLERANCE * largest,
            "{what}: {fast} instead of {slow}, largest {largest}"
        );
    }
}

fn same(fast: &EpropTrainer<f64>, slow: &EpropTrainer<f64>) {
    near("W_in", &fast.w_in(), &slow.w_in());
    near("W_rec", &fast.w_rec(), &slow.w_rec());
    near("W_out", &fast.w_out(), &slow.w_out());
    near("b", &fast.b(), &slow.b());
    near("e_bar", &fast.e_bar(), &slow.e_bar());
    near("z_bar", &fast.z_bar(), &slow.z_bar());
    near("z_bar", &fast.z_bars(), &slow.z_bars());
    near("v", &fast.v(), &slow.v());
}

fn happen(event: &Event, trainer: &mut EpropTrainer<f64>, noise: &mut Noise) -> Vec<Array1<f64>> {
    let mut seen = Vec::new();
    let usual = usual_rate(trainer.config().optimizer);
    match *event {
        Event::Learn {
            steps,
            masked,
            rate,
            analog,
        } => {
            let (x, y) = (noise.inputs(steps, rate, analog), noise.targets(steps));
            let before = fixed(trainer);
            for (x, y) in x.outer_iter().zip(y.outer_iter()) {
                let taught = !masked || noise.uniform() < 0.5;
                let weight = if masked { y[0].abs() } else { 1.0 };
                let target = taught.then_some(y);
                let own = Array1::from_shape_fn(N, |j| y[0] * (j % 3) as f64);
                let signal = (analog && y[0] > 0.0).then_some(own.view());
                let lesson = Lesson {
                    target,
                    weight,
                    signal,
                };
                let step = trainer.step(x, lesson).unwrap();
                seen.push(step.output.to_owned());
                seen.push(step.spikes.to_owned());
            }
            assert_eq!(before, fixed(trainer), "what is fixed stays, to the bit");
        }
        Event::Predict { steps, rate } => {
            let x = noise.inputs(steps, rate, false);
            let before = (trainer.w_in(), trainer.w_rec(), trainer.w_out());
            trainer.predict_sequence(x.view(), false).unwrap();
            assert_eq!(
                before,
                (trainer.w_in(), trainer.w_rec(), trainer.w_out()),
                "prediction leaves weights alone, to the bit"
            );
            seen.push(
                trainer
                    .predict_sequence(x.view(), false)
                    .unwrap()
                    .outputs
                    .flatten()
                    .to_owned(),
            );
        }
        Event::Silence { steps } => {
            let (x, y) = (Array2::zeros((steps, N_INPUTS)), noise.targets(steps));
            let options = TrainOptions {
                reset: false,
                ..TrainOptions::default()
            };
            seen.push(
                trainer
                    .train_sequence(x.view(), y.view(), options)
                    .unwrap()
                    .outputs
                    .flatten()
                    .to_owned(),
            );
        }
        Event::Update => trainer.update().unwrap(),
        Event::Reset => {
            let before = (trainer.w_in(), trainer.w_rec(), trainer.w_out());
            trainer.reset();
            assert_eq!(
                before,
                (trainer.w_in(), trainer.w_rec(), trainer.w_out()),
                "a reset leaves weights alone, to the bit"
            );
        }
        Event::Sequence { steps } => {
            let (x, y) = (noise.inputs(steps, 0.1, false), noise.targets(steps));
            let weights = y.column(0).mapv(f64::abs);
            let options = TrainOptions {
                weights: Some(weights.view()),
                ..TrainOptions::default()
            };
            seen.push(
                trainer
                    .train_sequence(x.view(), y.view(), options)
                    .unwrap()
                    .outputs
                    .flatten()
                    .to_owned(),
            );
        }
        Event::AssignInputs => {
            let mut w = Array2::from_shape_simple_fn((N, N_INPUTS), || noise.uniform() - 0.4);
            if let Some(there) = trainer.synapses(Matrix::WIn) {
                let exists = |j: usize, i: usize| there.targets(i).contains(&(j as u32));
                w.indexed_iter_mut()
                    .for_each(|((j, i), w)| *w *= f64::from(exists(j, i)));
            }
            let before = (trainer.w_rec(), trainer.w_out(), trainer.e_bar());
            trainer.set_w_in(w.view()).unwrap();
            assert_eq!(
                before,
                (trainer.w_rec(), trainer.w_out(), trainer.e_bar()),
                "what is not assigned stays, to the bit"
            );
        }
        Event::AssignReadouts => {
            let w = Array2::from_shape_simple_fn((N_OUTPUTS, N), || noise.uniform() - 0.5);
            trainer.set_w_out(w.view()).unwrap();
        }
        Event::Rate(factor) => trainer.set_lr(factor * usual).unwrap(),
        Event::Rates(rates) => {
            let [of_in, of_rec, of_out] = rates.map(|rate| rate.map(|rate| rate * usual));
            trainer.set_lr_in(of_in).unwrap();
            trainer.set_lr_rec(of_rec).unwrap();
            trainer.set_lr_out(of_out).unwrap();
        }
    }
    seen
}

/// The weights whose rate is 0, where no bound moves them.
fn fixed(trainer: &EpropTrainer<f64>) -> Vec<Array2<f64>> {
    let Config {
        lr_in,
        lr_rec,
        lr_out,
        w_max,
        ..
    } = *trainer.config();
    if w_max.is_some() {
        return vec![];
    }
    let groups = [
        (lr_in, trainer.w_in()),
        (lr_rec, trainer.w_rec()),
        (lr_out, trainer.w_out()),
    ];
    let fixed = groups.into_iter().filter(|(lr, _)| *lr == Some(0.0));
    fixed.map(|(_, w)| w).collect()
}

fn ran_away(trainer: &EpropTrainer<f64>) -> bool {
    let large = |x: &f64| x.abs() > 1e4;
    trainer.v().iter().any(large)
        || trainer.output().iter().any(large)
        || trainer.w_out().iter().any(large)
}

/// A gradient with a place for each pair; 0 where there is no synapse.
fn placed(trainer: &EpropTrainer<f64>, matrix: Matrix, g: &Array2<f64>) -> Array2<f64> {
    let listed = trainer.synapses(matrix).filter(|_| trainer.is_listed());
    let Some(there) = listed else {
        return g.clone();
    };
    let mut of_all = Array2::zeros((N, there.n_sources()));
    let all = (0..there.n_sources()).flat_map(|i| there.targets(i).iter().map(move |&j| (j, i)));
    for ((j, i), &g) in all.zip(g.row(0)) {
        of_all[(j as usize, i)] = g;
    }
    of_all
}

/// The fast forms that can do what the configuration says.
fn engines(config: &Config) -> Vec<Engine> {
    let possible = |&engine: &Engine| {
        let config = Config {
            engine: Some(engine),
            ..config.clone()
        };
        EpropTrainer::<f64>::new(1, N, 1, config).is_ok()
    };
    [Engine::Factored, Engine::Block]
        .into_iter()
        .filter(possible)
        .collect()
}

proptest! {
    // The same examples in every run: in one of some 20,000 others, thousands of steps of learning magnify a rounding error to 1e-10.
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(4), ..ProptestConfig::with_cases(128) })]

    #[test]
    fn the_fast_forms_are_the_textbook(config in any_config(), events in events(), look in any::<bool>()) {
        for engine in engines(&config) {
            let with = |engine| {
                let config = Config { engine: Some(engine), ..config.clone() };
                EpropTrainer::<f64>::new(N_INPUTS, N, N_OUTPUTS, config).unwrap()
            };
            let (mut fast, mut slow) = (with(engine), with(Engine::Textbook));
            prop_assert_eq!(fast.engine(), engine);
            let (mut fast_noise, mut slow_noise) = (Noise(config.seed | 1), Noise(config.seed | 1));
            for event in &events {
                let seen = happen(event, &mut fast, &mut fast_noise);
                let expected = happen(event, &mut slow, &mut slow_noise);
                // Learning that runs away magnifies every rounding error, whoever makes it.
                if ran_away(&slow) {
                    return Ok(());
                }
                for (seen, expected) in seen.iter().zip(&expected) {
                    near("output", seen, expected);
                }
                if look {
                    same(&fast, &slow);
                }
            }
            same(&fast, &slow);
            let (x, y) = (fast_noise.inputs(70, 0.1, false), fast_noise.targets(70));
            let of_fast = fast.gradients(x.view(), y.view(), None).unwrap();
            let of_slow = slow.gradients(x.view(), y.view(), None).unwrap();
            for (what, matrix, got, expected) in [
                ("gradient of W_in", Matrix::WIn, &of_fast.w_in, &of_slow.w_in),
                ("gradient of W_rec", Matrix::WRec, &of_fast.w_rec, &of_slow.w_rec),
            ] {
                near(what, &placed(&fast, matrix, got), &placed(&slow, matrix, expected));
            }
            let (fast, slow) = (of_fast, of_slow);
            near("gradient of W_out", &fast.w_out, &slow.w_out);
            near("gradient of b", &fast.b, &slow.b);
        }
    }

    #[test]
    fn looking_changes_no_later_bit(config in any_config(), events in events()) {
        for engine in engines(&config).into_iter().chain([Engine::Textbook]) {
            let config = Config { engine: Some(engine), ..config.clone() };
            let mut seen = EpropTrainer::<f64>::new(N_INPUTS, N, N_OUTPUTS, config).unwrap();
            let mut unseen = seen.clone();
            let (mut seen_noise, mut unseen_noise) = (Noise(9), Noise(9));
            for event in &events {
                happen(event, &mut seen, &mut seen_noise);
                happen(event, &mut unseen, &mut unseen_noise);
                let _ = (seen.w_in(), seen.w_rec(), seen.w_out(), seen.e_bar(), seen.z_bar(), seen.z_bars());
                let saved = seen.to_bytes();
                seen.restore(&saved).unwrap();
                prop_assert!(seen.state_equal(&unseen));
            }
        }
    }

    #[test]
    fn an_evaluation_is_a_prediction_of_a_copy_and_moves_nothing(config in any_config(), events in events(), analog in any::<bool>()) {
        for engine in engines(&config).into_iter().chain([Engine::Textbook]) {
            let config = Config { engine: Some(engine), ..config.clone() };
            let mut trainer = EpropTrainer::<f64>::new(N_INPUTS, N, N_OUTPUTS, config).unwrap();
            let mut noise = Noise(7);
            for event in &events {
                happen(event, &mut trainer, &mut noise);
            }
            let before = trainer.clone();
            let (x, y) = (noise.inputs(40, 0.2, analog), noise.targets(40));
            let stream = Stream { inputs: x.view().into(), targets: y.view(), mask: None, weights: None };
            let (loss, outputs) = trainer.evaluate(&[stream, stream.until(7)]).unwrap();
            prop_assert!(trainer.state_equal(&before));
            let mut twin = trainer.clone();
            let predicted = twin.predict_sequence(x.view(), true).unwrap().outputs;
            prop_assert_eq!(outputs.index_axis(Axis(0), 0), predicted.view());
            prop_assert_eq!(outputs.slice(s![1, ..7, ..]), predicted.slice(s![..7, ..]));
            prop_assert!(outputs.slice(s![1, 7.., ..]).iter().all(|&y| y == 0.0));
            let mut sum = 0.0;
            let mut err = [0.0; N_OUTPUTS];
            for t in (0..40).chain(0..7) {
                let (output, target) = (predicted.row(t).to_vec(), y.row(t).to_vec());
                sum += trainer.config().loss.evaluate(&output, &target, &mut err);
            }
            prop_assert!((loss - sum / 47.0).abs() <= 1e-12 * loss.abs() || !sum.is_finite());
        }
    }
}
