//! What is fuzzed: each trainer of the crate in both widths, with random settings, and every call of it with random arguments.

use eprop::{
    AgentConfig, Config, Connect, Engine, EpropAgent, EpropTrainer, Error, Feedback, Float, Gain,
    Horizon, Input, Inputs, LayerConfig, Loss, Next, OnlineLifLayer, OnlineTrainer, Optimizer,
    PerNeuron, Reduction, ResetMechanism, Rewire, StackConfig, Surrogate, TrainOptions,
    UpdateEvery,
};
use ndarray::{Array1, Array2};

use crate::chance::Chance;

pub trait Subject: Clone {
    fn draw(chance: &mut Chance) -> Self;
    /// Any call that may change it, good or bad.
    fn call(&mut self, chance: &mut Chance) -> Result<(), Error>;
    /// Everything that can be read.
    fn look(&self);
    /// Whether no number has run away.
    fn is_finite(&self) -> bool;
    fn set_lr(&mut self, lr: f64) -> Result<(), Error>;
    /// The learning rates of another: they are settings, and no part of what is saved.
    fn take_rates(&mut self, other: &Self) -> Result<(), Error>;
    fn to_bytes(&self) -> Vec<u8>;
    fn restore(&mut self, bytes: &[u8]) -> Result<(), Error>;
    fn made_of(bytes: &[u8]) -> Result<Self, Error>;
    fn state_equal(&self, other: &Self) -> bool;
}

fn tau(chance: &mut Chance) -> f64 {
    chance.of(&[1.0, 1.5, 5.0, 20.0, 20.0, 200.0, 5000.0])
}

fn layer_config(chance: &mut Chance) -> LayerConfig {
    LayerConfig {
        tau_mem: tau(chance),
        threshold: chance.of(&[0.1, 0.5, 1.0]),
        lr: chance.of(&[0.0, 1e-3, 1e-2, 1.0]),
        dt: chance.of(&[0.5, 1.0]),
        reset_mechanism: chance.of(ResetMechanism::ALL),
        n_ref: chance.of(&[0, 1, 2, 9]),
        surrogate: chance.of(Surrogate::ALL),
        surrogate_width: chance.of(&[None, Some(2.0)]),
        input_gain: chance.of(Gain::ALL),
        seed: chance.bits(),
        beta: chance.of(&[0.0, 0.0, 0.05, 0.3]),
        tau_adaptation: chance.of(&[5.0, 200.0]),
        ..LayerConfig::default()
    }
}

fn update_every(chance: &mut Chance) -> UpdateEvery {
    match chance.below(4) {
        0 => UpdateEvery::Sequence,
        1 => UpdateEvery::Steps(chance.within(2, 40)),
        _ => UpdateEvery::Steps(1),
    }
}

fn optimizer(chance: &mut Chance) -> Optimizer {
    chance.of(&[
        Optimizer::SGD,
        Optimizer::PLAIN_SGD,
        Optimizer::Sgd {
            limit: true,
            weight_decay: 0.1,
        },
        Optimizer::AUTO,
        Optimizer::MOMENTUM,
        Optimizer::ADAM,
        Optimizer::ADAM_W,
    ])
}

fn config(chance: &mut Chance) -> Config {
    let layer = layer_config(chance);
    let config = Config {
        tau_mem: layer.tau_mem,
        threshold: layer.threshold,
        lr: layer.lr,
        dt: layer.dt,
        reset_mechanism: layer.reset_mechanism,
        n_ref: layer.n_ref,
        surrogate: layer.surrogate,
        surrogate_width: layer.surrogate_width,
        input_gain: layer.input_gain,
        seed: layer.seed,
        beta: layer.beta,
        tau_adaptation: layer.tau_adaptation,
        tau_trace: chance.of(&[0.0, 1.0, 20.0, 90.0]),
        tau_out: chance.of(&[None, Some(0.0), Some(30.0)]),
        readout_gain: chance.of(Gain::ALL),
        loss: chance.of(Loss::ALL),
        feedback: chance.of(Feedback::ALL),
        readout_bias: chance.once_in(2),
        c_reg: chance.of(&[0.0, 0.0, 1.0]),
        update_every: update_every(chance),
        engine: chance.of(&[None, None, Some(Engine::Textbook), Some(Engine::Block)]),
        optimizer: optimizer(chance),
        reduction: chance.of(Reduction::ALL),
        recurrent_gain: chance.of(&[0.3, 1.0]),
        delay: chance.of(&[1, 1, 4]),
        clip_norm: chance.of(&[None, None, Some(0.5)]),
        w_max: chance.of(&[None, None, Some(1.0)]),
        lr_in: chance.of(&[None, None, Some(0.0)]),
        lr_rec: chance.of(&[None, None, Some(1e-3)]),
        lr_out: chance.of(&[None, None, Some(0.0)]),
        tau_syn: chance.of(&[0.0, 0.0, 0.0, 1.0, 30.0]),
        ..Config::default()
    };
    with_horizon(config, chance)
}

/// Now and then a membrane for each of `n` neurons.
fn with_membranes(config: Config, n: usize, chance: &mut Chance) -> Config {
    let tau_mem = chance
        .once_in(4)
        .then(|| (0..n).map(|_| tau(chance)).collect());
    let each = PerNeuron {
        tau_mem,
        ..config.each
    };
    Config { each, ..config }
}

/// Now and then not all synapses, and signs of the sources.
fn with_synapses(config: Config, n_sources: usize, chance: &mut Chance) -> Config {
    let share = |chance: &mut Chance| match chance.of(&[1.0, 1.0, 0.15, 0.9]) {
        1.0 => Connect::All,
        density => Connect::Density(density),
    };
    let (connect_in, connect_rec) = (share(chance), share(chance));
    let signs = chance.once_in(6);
    let sign = signs.then(|| (0..n_sources).map(|_| chance.of(&[-1, 0, 1])).collect());
    let wired = connect_in != Connect::All || connect_rec != Connect::All;
    let moves = wired && config.update_every != UpdateEvery::Steps(1) && chance.once_in(3);
    let rewire = moves.then(|| Rewire {
        l1: chance.of(&[0.0, 1.0, 1e3]),
        temperature: chance.of(&[0.0, 1e-3, 1.0]),
    });
    Config {
        connect_in,
        connect_rec,
        sign,
        rewire,
        ..config
    }
}

/// A horizon that goes with the rest.
fn with_horizon(config: Config, chance: &mut Chance) -> Config {
    let horizon = match config.update_every {
        _ if config.engine.is_some() => Horizon::Steps(1),
        UpdateEvery::Steps(1) => Horizon::Steps(1),
        UpdateEvery::Steps(_) => chance.of(&[Horizon::Steps(1), Horizon::Steps(5)]),
        UpdateEvery::Sequence => {
            chance.of(&[Horizon::Steps(1), Horizon::Steps(30), Horizon::Sequence])
        }
    };
    Config { horizon, ..config }
}

fn size(chance: &mut Chance) -> usize {
    match chance.below(3) {
        0 => chance.within(1, 4),
        1 => chance.within(1, 20),
        _ => chance.within(15, 40),
    }
}

/// The right number, but rarely another.
fn about(right: usize, chance: &mut Chance) -> usize {
    match chance.below(60) {
        0 => right + 1,
        1 => right - 1,
        2 => 0,
        _ => right,
    }
}

fn vector<F: Float>(len: usize, chance: &mut Chance) -> Array1<F> {
    let len = about(len, chance);
    Array1::from_shape_simple_fn(len, || F::cast(chance.input()))
}

fn matrix<F: Float>(rows: usize, columns: usize, chance: &mut Chance) -> Array2<F> {
    let shape = (about(rows, chance), about(columns, chance));
    Array2::from_shape_simple_fn(shape, || F::cast(chance.input()))
}

/// Targets that a loss takes, unless chance has it otherwise.
fn targets<F: Float>(rows: usize, columns: usize, loss: Loss, chance: &mut Chance) -> Array2<F> {
    if loss == Loss::Mse || chance.once_in(20) {
        return matrix(rows, columns, chance);
    }
    let mut classes = Array2::default((rows, columns));
    for mut row in classes.outer_iter_mut() {
        row[chance.below(columns)] = F::ONE;
    }
    classes
}

/// Spikes as events: in order and known, unless chance has it otherwise.
struct Events<F> {
    start: Vec<usize>,
    units: Vec<u32>,
    values: Option<Vec<F>>,
}

impl<F: Float> Events<F> {
    fn draw(n_steps: usize, n_inputs: usize, chance: &mut Chance) -> Self {
        let (mut start, mut units) = (vec![0], vec![]);
        for _ in 0..n_steps {
            units.extend((0..n_inputs as u32).filter(|_| chance.once_in(5)));
            start.push(units.len());
        }
        let analog = chance.once_in(3);
        let len = about(units.len() + 1, chance).saturating_sub(1);
        let values = analog.then(|| (0..len).map(|_| F::cast(chance.input())).collect());
        if chance.once_in(20) && !units.is_empty() {
            let at = chance.below(units.len());
            units[at] = chance.of(&[0, n_inputs as u32, u32::MAX, 1]);
        }
        if chance.once_in(20) {
            let at = chance.below(start.len());
            start[at] = chance.of(&[0, 1, usize::MAX, units.len() + 1]);
        }
        Self {
            start,
            units,
            values,
        }
    }

    fn step(&self) -> Input<'_, F> {
        Input::Events {
            units: &self.units,
            values: self.values.as_deref(),
        }
    }

    fn sequence(&self, n_inputs: usize) -> Inputs<'_, F> {
        Inputs::Events {
            n_inputs,
            start: &self.start,
            units: &self.units,
            values: self.values.as_deref(),
        }
    }
}

/// The calls on sequences, which both trainers have.
macro_rules! call_of_sequences {
    ($trainer:expr, $loss:expr, $chance:expr, $assign:expr) => {{
        let (trainer, chance) = ($trainer, $chance);
        let (n_inputs, n_outputs, loss) = (trainer.n_inputs(), trainer.n_outputs(), $loss);
        let n_steps = chance.within(1, 30);
        let x = matrix(n_steps, n_inputs, chance);
        let events = Events::draw(n_steps, n_inputs, chance);
        let inputs = match chance.below(3) {
            0 => events.sequence(about(n_inputs, chance)),
            _ => Inputs::Dense(x.view()),
        };
        let y = targets(n_steps, n_outputs, loss, chance);
        let mask = Array1::from_shape_simple_fn(about(n_steps, chance), || chance.once_in(2));
        let mask = chance.once_in(2).then_some(mask.view());
        // There may be no targets to take them from.
        let weights: Array1<_> = (y.rows().into_iter())
            .map(|row| row.first().map_or(F::cast(1.0), |&y| y))
            .collect();
        let weights = Some(weights.view());
        let reset = chance.once_in(3);
        match chance.below(16) {
            0..4 => {
                let events = Events::draw(1, n_inputs, chance);
                let x = vector(n_inputs, chance);
                let x = match chance.below(3) {
                    0 => events.step(),
                    _ => Input::Dense(x.view()),
                };
                let target = y.outer_iter().next().filter(|_| !chance.once_in(4));
                trainer.step(x, target).map(drop)
            }
            4..8 => trainer
                .train_sequence(
                    inputs,
                    y.view(),
                    TrainOptions {
                        mask,
                        weights: weights.filter(|_| chance.once_in(3)),
                        reset,
                    },
                )
                .map(drop),
            8..10 => trainer.predict_sequence(inputs, reset).map(drop),
            10 => trainer.gradients(inputs, y.view(), mask).map(drop),
            11 => trainer.update(),
            12 => {
                trainer.reset();
                Ok(())
            }
            13 => trainer.set_lr(chance.of(&[0.0, 1e-3, 1.0, -1.0, f64::NAN, 1e38, 1e300])),
            _ => $assign(trainer, chance),
        }
    }};
}

fn assign<F: Float>(trainer: &mut EpropTrainer<F>, chance: &mut Chance) -> Result<(), Error> {
    let (i, n, o) = (trainer.n_inputs(), trainer.n_neurons(), trainer.n_outputs());
    let lr = chance.of(&[None, Some(0.0), Some(1e-3), Some(-1.0), Some(1e300)]);
    match chance.below(9) {
        6 => trainer.set_lr_in(lr),
        7 => trainer.set_lr_rec(lr),
        8 => trainer.set_lr_out(lr),
        0 => trainer.set_w_in(matrix(n, i, chance).view()),
        1 => trainer.set_w_out(matrix(o, n, chance).view()),
        2 => trainer.set_b(vector(o, chance).view()),
        3 => trainer.set_b_feedback(matrix(n, o, chance).view()),
        4 => trainer.set_w_rec(matrix(n, n, chance).view()),
        _ => {
            let mut w = matrix(n, n, chance);
            w.diag_mut().fill(F::ZERO);
            trainer.set_w_rec(w.view())
        }
    }
}

impl<F: Float> Subject for EpropTrainer<F> {
    fn draw(chance: &mut Chance) -> Self {
        let (i, n, o) = (size(chance), size(chance), chance.within(1, 4));
        let config = with_membranes(config(chance), n, chance);
        let config = with_synapses(config, i + n, chance);
        Self::new(i, n, o, config).expect("sizes and settings are good")
    }
    fn call(&mut self, chance: &mut Chance) -> Result<(), Error> {
        let loss = self.config().loss;
        call_of_sequences!(self, loss, chance, assign)
    }
    fn look(&self) {
        let _ = (self.w_in(), self.w_rec(), self.w_out(), self.b());
        let _ = (self.b_feedback(), self.v(), self.spikes(), self.output());
        let _ = (self.z_bar(), self.e_bar(), self.clone().check_weights());
        let _ = self.z_bars();
        let _ = (self.memory_bytes(), self.memory_per_step());
    }
    fn is_finite(&self) -> bool {
        let matrices = [self.w_in(), self.w_rec(), self.w_out(), self.e_bar()];
        let vectors = [self.b(), self.v(), self.output(), self.z_bar()];
        matrices.iter().flatten().all(|x| x.is_finite())
            && vectors.iter().flatten().all(|x| x.is_finite())
    }
    fn set_lr(&mut self, lr: f64) -> Result<(), Error> {
        self.set_lr(lr)
    }
    fn take_rates(&mut self, other: &Self) -> Result<(), Error> {
        let config = other.config();
        self.set_lr_in(config.lr_in)?;
        self.set_lr_rec(config.lr_rec)?;
        self.set_lr_out(config.lr_out)?;
        self.set_lr(config.lr)
    }
    fn to_bytes(&self) -> Vec<u8> {
        self.to_bytes()
    }
    fn restore(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.restore(bytes)
    }
    fn made_of(bytes: &[u8]) -> Result<Self, Error> {
        Self::from_bytes(bytes)
    }
    fn state_equal(&self, other: &Self) -> bool {
        self.state_equal(other)
    }
}

fn assign_layer<F: Float>(
    trainer: &mut OnlineTrainer<F>,
    chance: &mut Chance,
) -> Result<(), Error> {
    let layer = chance.below(trainer.n_layers());
    let (i, n) = (
        trainer.layer_sizes()[layer],
        trainer.layer_sizes()[layer + 1],
    );
    let layer = about(layer + 1, chance).wrapping_sub(1);
    trainer.set_layer_w(layer, matrix(n, i, chance).view())
}

impl<F: Float> Subject for OnlineTrainer<F> {
    fn draw(chance: &mut Chance) -> Self {
        let sizes: Vec<usize> = (0..chance.within(2, 4)).map(|_| size(chance)).collect();
        let config = StackConfig {
            layer: layer_config(chance),
            loss: chance.of(Loss::ALL),
            update_every: update_every(chance),
            optimizer: optimizer(chance),
            reduction: chance.of(Reduction::ALL),
            batch_size: 1,
            clip_norm: chance.of(&[None, None, Some(0.5)]),
            w_max: chance.of(&[None, None, Some(1.0)]),
            memory_limit: None,
            tau_mem: chance
                .of(&[false, true])
                .then(|| vec![7.0; sizes.len() - 1]),
        };
        Self::new(&sizes, config).expect("sizes and settings are good")
    }
    fn call(&mut self, chance: &mut Chance) -> Result<(), Error> {
        let loss = self.config().loss;
        call_of_sequences!(self, loss, chance, assign_layer)
    }
    fn look(&self) {
        for l in 0..=self.n_layers() {
            let _ = (self.layer_w(l), self.layer_v(l), self.layer_spikes(l));
            let _ = (self.layer_psi(l), self.layer_z_bar(l));
        }
        let _ = (self.output(), self.spikes(), self.clone().check_weights());
        let _ = (self.memory_bytes(), self.memory_per_step());
    }
    fn is_finite(&self) -> bool {
        let finite = |x: &F| x.is_finite();
        (0..self.n_layers()).all(|l| {
            self.layer_w(l).iter().flatten().all(finite)
                && self.layer_v(l).iter().flatten().all(finite)
                && self.layer_z_bar(l).iter().flatten().all(finite)
        })
    }
    fn set_lr(&mut self, lr: f64) -> Result<(), Error> {
        self.set_lr(lr)
    }
    fn take_rates(&mut self, other: &Self) -> Result<(), Error> {
        self.set_lr(other.config().layer.lr)
    }
    fn to_bytes(&self) -> Vec<u8> {
        self.to_bytes()
    }
    fn restore(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.restore(bytes)
    }
    fn made_of(bytes: &[u8]) -> Result<Self, Error> {
        Self::from_bytes(bytes)
    }
    fn state_equal(&self, other: &Self) -> bool {
        self.state_equal(other)
    }
}

impl<F: Float> Subject for OnlineLifLayer<F> {
    fn draw(chance: &mut Chance) -> Self {
        let (i, n) = (size(chance), size(chance));
        Self::new(i, n, layer_config(chance)).expect("sizes and settings are good")
    }
    fn call(&mut self, chance: &mut Chance) -> Result<(), Error> {
        let (i, n) = (self.n_inputs(), self.n_neurons());
        match chance.below(12) {
            0..3 => self.step(vector(i, chance).view()).map(drop),
            3..5 => self.step(Events::draw(1, i, chance).step()).map(drop),
            5..8 => self.apply_learning_signal(vector(n, chance).view()),
            8 => self.propagate(vector(n, chance).view()).map(drop),
            9 => {
                self.reset();
                Ok(())
            }
            10 => self.set_lr(chance.of(&[0.0, 1e-3, 1.0, -1.0, f64::NAN])),
            _ => self.set_w(matrix(n, i, chance).view()),
        }
    }
    fn look(&self) {
        let _ = (self.w(), self.v(), self.spikes(), self.psi(), self.z_bar());
        let _ = (self.memory_bytes(), self.memory_per_step());
    }
    fn is_finite(&self) -> bool {
        let finite = |x: &F| x.is_finite();
        self.w().iter().all(finite)
            && self.v().iter().all(finite)
            && self.z_bar().iter().all(finite)
    }
    fn set_lr(&mut self, lr: f64) -> Result<(), Error> {
        self.set_lr(lr)
    }
    fn take_rates(&mut self, other: &Self) -> Result<(), Error> {
        self.set_lr(other.config().lr)
    }
    fn to_bytes(&self) -> Vec<u8> {
        self.to_bytes()
    }
    fn restore(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.restore(bytes)
    }
    fn made_of(bytes: &[u8]) -> Result<Self, Error> {
        Self::from_bytes(bytes)
    }
    fn state_equal(&self, other: &Self) -> bool {
        self.state_equal(other)
    }
}

impl<F: Float> Subject for EpropAgent<F> {
    fn draw(chance: &mut Chance) -> Self {
        let (i, n) = (size(chance), size(chance));
        let network = Config {
            loss: Loss::Mse,
            c_reg: 0.0,
            horizon: Horizon::Steps(1),
            engine: None,
            memory_limit: None,
            batch_size: chance.within(1, 3),
            ..config(chance)
        };
        let config = AgentConfig {
            network,
            gamma: chance.of(&[0.0, 0.9, 1.0]),
            lam: chance.of(&[0.0, 0.9, 1.0]),
            entropy: chance.of(&[0.0, 0.01]),
            steps_per_action: chance.within(1, 4),
            ..AgentConfig::default()
        };
        Self::new(i, n, chance.within(1, 4), config).expect("sizes and settings are good")
    }
    fn call(&mut self, chance: &mut Chance) -> Result<(), Error> {
        let (i, n, n_streams) = (
            self.n_inputs(),
            self.network().n_neurons(),
            self.batch_size(),
        );
        // One in eight has a row too many, and one a stream too many.
        let steps = self.config().steps_per_action + usize::from(chance.below(8) == 0);
        let streams = n_streams + usize::from(chance.below(8) == 0);
        let seen: Vec<Array2<F>> = (0..streams).map(|_| matrix(steps, i, chance)).collect();
        let rows: Vec<Inputs<'_, F>> = seen.iter().map(|rows| rows.view().into()).collect();
        match chance.below(12) {
            0..4 => self.act_batch(&rows).map(drop),
            4..8 => {
                let rewards: Vec<f64> = (0..streams)
                    .map(|_| chance.of(&[0.0, 1.0, -3.0, 1e30, f64::NAN]))
                    .collect();
                let next = |&rows| match chance.below(4) {
                    0 => Next::End,
                    1 => Next::TimeLimit(rows),
                    _ => Next::Decision,
                };
                let next: Vec<_> = rows.iter().map(next).collect();
                self.learn_batch(&rewards, &next, chance.of(&[true, false]))
            }
            8 => self.act_greedily_batch(&rows).map(drop),
            9 => {
                self.reset();
                Ok(())
            }
            10 => self.set_lr(chance.of(&[0.0, 1e-3, 1.0, -1.0, f64::NAN])),
            _ => self.set_w_in(matrix(n, i, chance).view()),
        }
    }
    fn look(&self) {
        self.network().look();
        let _ = (self.policy(0), self.value(1), self.td_error(0));
        let _ = (self.memory_bytes(), self.memory_per_step());
    }
    fn is_finite(&self) -> bool {
        let of_last = |value: Option<f64>| value.is_none_or(f64::is_finite);
        self.network().is_finite() && of_last(self.td_error(0)) && of_last(self.value(0))
    }
    fn set_lr(&mut self, lr: f64) -> Result<(), Error> {
        self.set_lr(lr)
    }
    fn take_rates(&mut self, other: &Self) -> Result<(), Error> {
        self.set_lr(other.config().network.lr)
    }
    fn to_bytes(&self) -> Vec<u8> {
        self.to_bytes()
    }
    fn restore(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.restore(bytes)
    }
    fn made_of(bytes: &[u8]) -> Result<Self, Error> {
        Self::from_bytes(bytes)
    }
    fn state_equal(&self, other: &Self) -> bool {
        self.try_state_equal(other).expect("memory for two agents")
    }
}
