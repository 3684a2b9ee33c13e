//! The network and the data of a measurement.

use std::path::Path;

use eprop::{Config, Engine, EpropTrainer, Optimizer, TrainOptions, UpdateEvery};
use ndarray::{Array2, Axis};

pub const N_OUTPUTS: usize = 10;
/// (n_inputs, N, Hz): 2 % of the neurons per step of 1 ms, and 1 % of the largest network, 100 spikes a step.
pub const SIZES: [(usize, usize, f64); 5] = [
    (100, 100, 20.0),
    (100, 256, 20.0),
    (700, 512, 20.0),
    (1000, 1000, 20.0),
    (100, 10_000, 10.0),
];
/// Every update is carried out, and the activity stays what it was.
const LR: f64 = 1e-7;

/// What every form is given.
pub struct Work {
    pub inputs: Array2<f32>,
    pub targets: Array2<f32>,
    pub n: usize,
    /// Input weights at which the network fires at the rate that was asked for.
    pub w_in: Array2<f32>,
}

impl Work {
    /// Inputs that spike with this `probability`, targets of noise, weights calibrated to `rate` Hz at steps of 1 ms.
    pub fn new(n_inputs: usize, n: usize, steps: usize, probability: f32, rate: f64) -> Self {
        let mut state = 88_172_645_463_325_252_u64;
        let mut uniform = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1 << 24) as f32
        };
        let shape = (steps, n_inputs);
        let inputs =
            Array2::from_shape_simple_fn(shape, || f32::from(u8::from(uniform() < probability)));
        let targets = Array2::from_shape_simple_fn((steps, N_OUTPUTS), || 2.0 * uniform() - 1.0);
        let mut trainer =
            EpropTrainer::<f32>::new(n_inputs, n, N_OUTPUTS, Config::default()).expect("fits");
        // A few hundred steps tell the rate; the whole sequence of the largest network would take minutes.
        let few = steps.min((1 << 30) / (n * n)).max(100).min(steps);
        trainer
            .calibrate(inputs.slice(ndarray::s![..few, ..]), rate)
            .expect("reaches the rate");
        Self {
            inputs,
            targets,
            n,
            w_in: trainer.w_in(),
        }
    }

    pub fn n_inputs(&self) -> usize {
        self.inputs.ncols()
    }

    pub fn steps(&self) -> usize {
        self.inputs.nrows()
    }

    /// The network of this work, under plain descent; `engine`: the one that the options ask for, or another.
    pub fn trainer(&self, update_every: UpdateEvery, engine: Option<Engine>) -> EpropTrainer<f32> {
        self.trainer_with(Optimizer::PLAIN_SGD, update_every, engine)
    }

    /// The same under another rule.
    pub fn trainer_with(
        &self,
        optimizer: Optimizer,
        update_every: UpdateEvery,
        engine: Option<Engine>,
    ) -> EpropTrainer<f32> {
        self.trainer_of(Config {
            update_every,
            engine,
            optimizer,
            ..Config::default()
        })
    }

    /// A network of other neurons, or with other credit, with the weights of this work.
    pub fn trainer_of(&self, config: Config) -> EpropTrainer<f32> {
        let config = Config { lr: LR, ..config };
        let mut trainer =
            EpropTrainer::new(self.n_inputs(), self.n, N_OUTPUTS, config).expect("fits");
        trainer.set_w_in(self.w_in.view()).expect("the same sizes");
        trainer
    }

    /// Neurons whose thresholds move, under plain descent: their base threshold is the one at which they fire as often as
    /// neurons that do not adapt.
    pub fn adaptive(&self) -> Config {
        let with = |threshold| Config {
            optimizer: Optimizer::PLAIN_SGD,
            beta: 0.05,
            threshold,
            ..Config::default()
        };
        let asked = self.share_of(Config::default());
        let (mut low, mut high) = (0.2, 1.0);
        for _ in 0..12 {
            let threshold = 0.5 * (low + high);
            match self.share_of(with(threshold)) > asked {
                true => low = threshold,
                false => high = threshold,
            }
        }
        with(high)
    }

    /// The share of neurons that fire at a step, in such a network.
    pub fn share_of(&self, config: Config) -> f64 {
        // The block form is quick to predict, whatever the neurons.
        share(&self.spikes(&mut self.trainer_of(Config {
            update_every: UpdateEvery::Sequence,
            ..config
        })))
    }

    /// Learns the whole sequence, from the state of rest.
    pub fn train(&self, trainer: &mut EpropTrainer<f32>) {
        let trained = trainer.train_sequence(
            self.inputs.view(),
            self.targets.view(),
            TrainOptions::default(),
        );
        assert!(trained.expect("finite").loss.is_finite());
    }

    /// The whole sequence without learning, from the state of rest.
    pub fn infer(&self, trainer: &mut EpropTrainer<f32>, outputs: &mut Array2<f32>) {
        trainer.reset();
        trainer
            .predict_piece(
                &[self.inputs.view().into()],
                outputs.view_mut().insert_axis(Axis(0)),
                None,
            )
            .expect("fits");
    }

    /// (T, N), the spikes of the whole sequence without learning.
    pub fn spikes(&self, trainer: &mut EpropTrainer<f32>) -> Array2<f32> {
        let prediction = trainer.predict_sequence(self.inputs.view(), true);
        prediction.expect("finite").spikes
    }
}

/// The share of neurons that fire at a step.
pub fn share(spikes: &Array2<f32>) -> f64 {
    spikes.iter().map(|&z| f64::from(z)).sum::<f64>() / spikes.len() as f64
}

/// Writes what the first `n_sizes` are given to files that NumPy's `fromfile` reads, so that Python measures the same work.
pub fn write(n_sizes: usize, steps: usize, folder: &Path) {
    for &(n_inputs, n, rate) in &SIZES[..n_sizes] {
        let work = Work::new(n_inputs, n, steps, 0.02, rate);
        for (name, array) in [
            ("inputs", &work.inputs),
            ("targets", &work.targets),
            ("W_in", &work.w_in),
        ] {
            let bytes: Vec<u8> = array.iter().flat_map(|x| x.to_le_bytes()).collect();
            let path = folder.join(format!("{name}_{n_inputs}_{n}.f32"));
            std::fs::write(path, bytes).expect("the folder can be written to");
        }
    }
}
