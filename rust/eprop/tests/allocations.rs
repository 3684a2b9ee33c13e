//! The promise of flat memory, counted: what a step and a sequence allocate, and whether `memory_bytes` is all there is.
#![allow(
    unsafe_code,
    reason = "a global allocator cannot be written without it"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use eprop::{
    AgentConfig, Config, Connect, Engine, EpropAgent, EpropTrainer, Error, Feedback, Horizon,
    LayerConfig, OnlineLifLayer, OnlineTrainer, Optimizer, PerNeuron, StackConfig, TrainOptions,
    UpdateEvery,
};
use ndarray::{Array1, Array2};

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes on to the system allocator unchanged; the counters are plain thread-local cells.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        LIVE.set(LIVE.get() + layout.size() as isize);
        // SAFETY: the caller's contract is passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get() - layout.size() as isize);
        // SAFETY: the caller's contract is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations<R>(work: impl FnOnce() -> R) -> usize {
    let before = COUNT.get();
    let result = work();
    let made = COUNT.get() - before;
    drop(result);
    made
}

fn configs() -> Vec<Config> {
    let mut configs = Vec::new();
    for update_every in [
        UpdateEvery::Steps(1),
        UpdateEvery::Steps(3),
        UpdateEvery::Sequence,
    ] {
        for feedback in [Feedback::Symmetric, Feedback::Random] {
            for (c_reg, lr_in) in [(0.0, None), (0.1, None), (0.0, Some(1e-4))] {
                let config = Config {
                    beta: if c_reg == 0.0 { 0.0 } else { 0.2 },
                    update_every,
                    feedback,
                    c_reg,
                    lr_in,
                    readout_bias: true,
                    lr: 1e-5,
                    ..Config::default()
                };
                configs.push(Config {
                    optimizer: Optimizer::Sgd {
                        limit: true,
                        weight_decay: 0.1,
                    },
                    ..config.clone()
                });
                configs.push(Config {
                    optimizer: Optimizer::MOMENTUM,
                    ..config.clone()
                });
                configs.push(Config {
                    optimizer: Optimizer::MOMENTUM,
                    clip_norm: Some(0.5),
                    w_max: Some(1.0),
                    ..config.clone()
                });
                configs.push(config);
            }
        }
    }
    // Neurons that adapt, that have a membrane each, and with a current, in factors.
    for (update_every, lr_in) in [(1, None), (1, Some(1e-4)), (3, None)] {
        for (optimizer, beta, tau_mem, tau_syn) in [
            (Optimizer::SGD, 0.2, None, 0.0),
            (Optimizer::PLAIN_SGD, 0.2, None, 0.0),
            (Optimizer::SGD, 0.0, Some(vec![9.0; 20]), 0.0),
            (Optimizer::PLAIN_SGD, 0.0, Some(vec![9.0; 20]), 5.0),
            (Optimizer::SGD, 0.0, None, 5.0),
        ] {
            configs.push(Config {
                engine: Some(Engine::Factored),
                beta,
                each: PerNeuron {
                    tau_mem,
                    ..PerNeuron::default()
                },
                tau_syn,
                update_every: UpdateEvery::Steps(update_every),
                lr_in,
                optimizer,
                lr: 1e-5,
                ..Config::default()
            });
        }
    }
    for (update_every, horizon) in [
        (UpdateEvery::Steps(9), Horizon::Steps(4)),
        (UpdateEvery::Sequence, Horizon::Steps(30)),
    ] {
        for (c_reg, optimizer) in [
            (0.0, Optimizer::SGD),
            (0.1, Optimizer::SGD),
            (0.1, Optimizer::PLAIN_SGD),
        ] {
            configs.push(Config {
                update_every,
                horizon,
                delay: 3,
                c_reg,
                optimizer,
                lr: 1e-5,
                ..Config::default()
            });
        }
    }
    // Not all synapses, in lists and in rows with a place for each neuron; and in lists with a second trace of each synapse, in factors and not.
    let mut second = vec![];
    for update_every in [
        UpdateEvery::Steps(1),
        UpdateEvery::Steps(9),
        UpdateEvery::Sequence,
    ] {
        for (density, c_reg, sign) in [(0.3, 0.0, None), (0.8, 0.1, Some(vec![0; 27]))] {
            let by_neuron = Optimizer::Auto {
                weight_decay: 0.0,
                per_neuron: true,
            };
            for optimizer in [
                Optimizer::SGD,
                Optimizer::AUTO,
                Optimizer::MOMENTUM,
                by_neuron,
            ] {
                let plain = Config {
                    update_every,
                    connect_in: Connect::Density(density),
                    connect_rec: Connect::Density(density),
                    sign: sign.clone(),
                    c_reg,
                    optimizer,
                    lr: 1e-5,
                    ..Config::default()
                };
                for (beta, tau_syn) in [(0.2, 0.0), (0.0, 5.0)] {
                    for engine in [Engine::Factored, Engine::Textbook] {
                        second.push(Config {
                            beta,
                            tau_syn,
                            engine: Some(engine),
                            ..plain.clone()
                        });
                    }
                }
                configs.push(plain);
            }
        }
    }
    let plain = configs.iter().take(3).chain(configs.iter().rev().take(2));
    let plain: Vec<Config> = plain.cloned().collect();
    for config in plain {
        for (tau_mem, tau_syn) in [
            (Some(vec![9.0; 20]), 0.0),
            (None, 5.0),
            (Some(vec![9.0; 20]), 5.0),
        ] {
            let each = PerNeuron {
                tau_mem,
                ..PerNeuron::default()
            };
            configs.push(Config {
                each,
                tau_syn,
                ..config.clone()
            });
        }
    }
    configs.extend(second);
    configs
}

fn sequence(t: usize) -> (Array2<f32>, Array2<f32>) {
    (
        Array2::from_shape_fn((t, 7), |(t, i)| f32::from(u8::from((t * 7 + i) % 5 == 0))),
        Array2::ones((t, 3)),
    )
}

#[test]
fn a_step_allocates_nothing() {
    let (inputs, targets) = sequence(50);
    for config in configs() {
        let mut trainer = EpropTrainer::<f32>::new(7, 20, 3, config).unwrap();
        let made = allocations(|| {
            for (x, target) in inputs.outer_iter().zip(targets.outer_iter()) {
                trainer.step(x, Some(target)).unwrap();
                trainer.step(x, None).unwrap();
            }
            trainer.update().unwrap();
        });
        assert_eq!(made, 0);
    }
    let mut stack = OnlineTrainer::<f32>::new(&[7, 9, 3], StackConfig::default()).unwrap();
    let mut layer = OnlineLifLayer::<f32>::new(7, 3, LayerConfig::default()).unwrap();
    let signal = Array1::ones(3);
    let made = allocations(|| {
        for (x, target) in inputs.outer_iter().zip(targets.outer_iter()) {
            stack.step(x, Some(target)).unwrap();
            layer.step(x).unwrap();
            layer.apply_learning_signal(signal.view()).unwrap();
        }
    });
    assert_eq!(made, 0);
}

#[test]
fn what_a_sequence_allocates_does_not_depend_on_its_length() {
    for config in configs() {
        let made: Vec<_> = [10, 1000]
            .into_iter()
            .map(|t| {
                let (inputs, targets) = sequence(t);
                let mut trainer = EpropTrainer::<f32>::new(7, 20, 3, config.clone()).unwrap();
                allocations(|| {
                    trainer
                        .train_sequence(inputs.view(), targets.view(), TrainOptions::default())
                        .unwrap()
                })
            })
            .collect();
        assert_eq!(made[0], made[1]);
    }
}

#[test]
fn memory_bytes_is_all_that_is_allocated() {
    for config in configs() {
        let before = LIVE.get();
        let trainer = EpropTrainer::<f64>::new(7, 20, 3, config).unwrap();
        assert_eq!(trainer.memory_bytes() as isize, LIVE.get() - before);
    }
    let before = LIVE.get();
    let layer = OnlineLifLayer::<f64>::new(7, 20, LayerConfig::default()).unwrap();
    assert_eq!(layer.memory_bytes() as isize, LIVE.get() - before);
    drop(layer);
    let stack = OnlineTrainer::<f32>::new(&[7, 9, 3], StackConfig::default()).unwrap();
    assert_eq!(stack.memory_bytes() as isize, LIVE.get() - before);
    drop(stack);
    for (entropy, batch_size) in [(0.0, 1), (0.1, 3)] {
        let network = Config {
            batch_size,
            ..Config::default()
        };
        let config = AgentConfig {
            network,
            entropy,
            ..AgentConfig::default()
        };
        let agent = EpropAgent::<f32>::new(7, 9, 3, config).unwrap();
        assert_eq!(agent.memory_bytes() as isize, LIVE.get() - before);
    }
}

/// Every other configuration, as a batch or with an optimizer that keeps more.
fn variants(config: Config) -> Vec<Config> {
    let per_neuron = Optimizer::Auto {
        weight_decay: 0.0,
        per_neuron: true,
    };
    let mut variants = vec![config.clone()];
    if config.engine.is_none() {
        for batch_size in [1, 3] {
            for optimizer in [config.optimizer, Optimizer::ADAM, per_neuron] {
                variants.push(Config {
                    batch_size,
                    optimizer,
                    ..config.clone()
                });
            }
        }
    }
    variants
}

/// Of its lists, which are the user's.
fn config_bytes(config: &Config) -> isize {
    let tau_mem = config.each.tau_mem.as_ref();
    let taus = tau_mem.map_or(0, |taus| (taus.len() * size_of::<f64>()) as isize);
    taus + config.sign.as_ref().map_or(0, |signs| signs.len() as isize)
}

#[test]
fn a_plan_says_what_is_then_allocated() {
    let (inputs, targets) = sequence(10);
    for config in configs().into_iter().flat_map(variants) {
        let plan = EpropTrainer::<f32>::plan(7, 20, 3, &config).unwrap();
        let before = LIVE.get() + config_bytes(&config);
        let mut trainer = EpropTrainer::<f32>::new(7, 20, 3, config.clone()).unwrap();
        assert_eq!(plan.bytes as isize, LIVE.get() - before, "{config:?}");
        assert_eq!(plan.engine, Some(trainer.engine()));
        // On one thread: what is handed to another one is freed there, where it is not counted.
        trainer.set_n_threads(Some(1)).unwrap();
        for (x, target) in inputs.outer_iter().zip(targets.outer_iter()) {
            trainer.step(x, Some(target)).unwrap();
        }
        assert_eq!(plan.bytes as isize, LIVE.get() - before, "{config:?}");
    }
    for batch_size in [1, 17] {
        let config = StackConfig {
            batch_size,
            ..StackConfig::default()
        };
        let plan = OnlineTrainer::<f64>::plan(&[7, 9, 3], &config).unwrap();
        let before = LIVE.get();
        let stack = OnlineTrainer::<f64>::new(&[7, 9, 3], config).unwrap();
        assert_eq!(plan.bytes as isize, LIVE.get() - before);
        assert_eq!(plan.bytes, stack.memory_bytes());
    }
}

/// What the message says would be enough.
fn least(error: Error) -> usize {
    let text = error.to_string();
    assert!(
        text.starts_with("memory_limit: expected at least "),
        "{text}"
    );
    let mut numbers = text.split(' ').filter_map(|word| word.parse().ok());
    numbers.next().unwrap()
}

#[test]
fn a_limit_of_memory_is_kept_or_the_error_says_what_would_be_enough() {
    for config in configs().into_iter().flat_map(variants) {
        let of = |memory_limit| {
            let config = Config {
                memory_limit,
                ..config.clone()
            };
            EpropTrainer::<f32>::plan(7, 20, 3, &config)
        };
        let whole = of(None).unwrap();
        let enough = least(of(Some(0)).unwrap_err());
        assert!(enough <= whole.bytes);
        assert_eq!(least(of(Some(enough - 1)).unwrap_err()), enough);
        assert_eq!(of(Some(enough)).unwrap().bytes, enough);
        assert_eq!(of(Some(whole.bytes)).unwrap(), whole);
        let memory_limit = Some((enough + whole.bytes) / 2);
        let config = Config {
            memory_limit,
            ..config
        };
        let before = LIVE.get();
        let trainer = EpropTrainer::<f32>::new(7, 20, 3, config).unwrap();
        let bytes = (LIVE.get() - before) as usize;
        assert!(Some(bytes) <= memory_limit);
        assert_eq!(bytes, trainer.memory_bytes());
    }
    let of = |memory_limit| {
        let config = StackConfig {
            memory_limit,
            ..StackConfig::default()
        };
        OnlineTrainer::<f32>::new(&[7, 9, 3], config)
    };
    let enough = least(of(Some(0)).unwrap_err());
    assert_eq!(of(Some(enough)).unwrap().memory_bytes(), enough);
}

#[test]
fn a_rate_of_its_own_that_would_exceed_the_limit_is_refused_and_changes_nothing() {
    let of = |memory_limit| {
        let config = Config {
            memory_limit,
            ..Config::default()
        };
        EpropTrainer::<f32>::new(7, 20, 3, config)
    };
    let bytes = of(None).unwrap().memory_bytes();
    let mut trainer = of(Some(bytes)).unwrap();
    let enough = least(trainer.set_lr_in(Some(0.1)).unwrap_err());
    assert!(enough > bytes);
    assert_eq!(
        (trainer.config().lr_in, trainer.memory_bytes()),
        (None, bytes)
    );
    let mut trainer = of(Some(enough)).unwrap();
    trainer.set_lr_in(Some(0.1)).unwrap();
    assert_eq!(trainer.memory_bytes(), enough);
}

#[test]
fn a_network_of_any_size_can_be_planned() {
    let made = allocations(|| {
        let plan = EpropTrainer::<f64>::plan(1 << 20, 1 << 16, 2, &Config::default()).unwrap();
        assert!(plan.bytes > 1 << 40);
    });
    assert!(made < 50, "{made}");
    let error = EpropTrainer::<f64>::plan(usize::MAX / 64, 64, 2, &Config::default()).unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }));
}

#[test]
fn memory_per_step_counts_what_is_kept() {
    let (n_inputs, n, o) = (7, 20, 3);
    let p = n_inputs + n;
    let row = 32; // 20 neurons, padded to units of 16
    // v, z, psi; y, F(1), the readouts' factors and the bias's gradient, the filtered spikes and the sum of their squares.
    let common = 3 * row + o + 1 + 16 + o + row + 1;
    let with = |update_every| {
        let config = Config {
            update_every,
            ..Config::default()
        };
        EpropTrainer::<f32>::new(n_inputs, n, o, config).unwrap()
    };
    // A row C and zt per source; X1, S, T; the last 16 base blocks, each three rows and two numbers; three rows and a number for lengths.
    let factored = p * row + p + 3 * row + 16 * (3 * row + 2) + 3 * row + 1;
    assert_eq!(
        with(UpdateEvery::Steps(1)).memory_per_step(),
        common + factored
    );
    // Neurons that adapt have a; a row D per source; Q, w, p, R; four rows more of each base block, and three more for lengths.
    let adaptive = |every| {
        let config = Config {
            engine: Some(Engine::Factored),
            beta: 0.2,
            update_every: UpdateEvery::Steps(every),
            ..Config::default()
        };
        EpropTrainer::<f32>::new(n_inputs, n, o, config).unwrap()
    };
    let more = row + p * row + 4 * row + 16 * 4 * row + 3 * row;
    assert_eq!(adaptive(1).memory_per_step(), common + factored + more);
    // So do membranes that differ, and currents, with the current itself; they have no a.
    let behind = |tau_mem: Option<Vec<f64>>, tau_syn| {
        let config = Config {
            engine: Some(Engine::Factored),
            each: PerNeuron {
                tau_mem,
                ..PerNeuron::default()
            },
            tau_syn,
            ..Config::default()
        };
        let trainer = EpropTrainer::<f32>::new(n_inputs, n, o, config).unwrap();
        trainer.memory_per_step()
    };
    let kept = common + factored + more;
    assert_eq!(behind(None, 5.0), kept);
    assert_eq!(behind(Some(vec![9.0; n]), 0.0), kept);
    // A gradient that waits: G, with S, T and R; the readouts' H.
    assert_eq!(
        adaptive(3).memory_per_step(),
        common + factored + more + p * row + 3 * row + n * 16
    );
    // z_bar, e_bar, G; the readouts' H; and of each of 1024 steps psi, errors, whether it was one of learning, where its events begin,
    // its inputs, whether they are a row, and room for a spike of one source in 8, with its value.
    let events = p + p / 8 * 1024;
    let block = p + 2 * p * row + n * 16 + 1024 * (row + o + 1 + 1 + n_inputs + 1) + 1 + 2 * events;
    assert_eq!(
        with(UpdateEvery::Sequence).memory_per_step(),
        common + block
    );
    // A current is a number of each neuron and one of each source; z_bar of neurons that differ is a matrix, and they adapt by 0.
    let with = |update_every, tau_syn, tau_mem: Option<Vec<f64>>| {
        let each = PerNeuron {
            tau_mem,
            ..PerNeuron::default()
        };
        let config = Config {
            update_every,
            tau_syn,
            each,
            ..Config::default()
        };
        let trainer = EpropTrainer::<f32>::new(n_inputs, n, o, config).unwrap();
        trainer.memory_per_step()
    };
    for (update_every, of_form) in [
        // z_bar, e_bar, G; the readouts' H.
        (UpdateEvery::Steps(1), common + p + 2 * p * row + n * 16),
        (UpdateEvery::Sequence, common + block),
    ] {
        let (current, differing) = (row + p, row + (p * row - p));
        let taus = || Some(vec![9.0; n]);
        assert_eq!(with(update_every, 5.0, None), of_form + current);
        assert_eq!(with(update_every, 0.0, taus()), of_form + differing);
        let both = of_form + current + differing;
        assert_eq!(with(update_every, 5.0, taus()), both);
    }
}
