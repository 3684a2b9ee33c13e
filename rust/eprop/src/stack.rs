//! A stack of feed-forward layers, trained online through time (section 4; Xiao et al. 2022).

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use crate::config::{StackConfig, valid_size};
use crate::init::{Gaussian, layer_weights};
use crate::loss::Loss;
use crate::optimizer::Optimizer;
use crate::persist::persist;
use crate::schedule::Schedule;
use crate::sequence::{Network, sequence_methods};
use crate::stage::Stage;
use crate::transpose::{to_matrix, to_rows, to_vector};
use crate::{Error, Float, Input, Inputs, calibrate, check, memory};

/// A stack of layers; its output is the last layer's spikes. What one layer fires reaches the next at the same step.
///
/// ```
/// use eprop::{OnlineTrainer, StackConfig};
/// use ndarray::array;
/// let mut trainer = OnlineTrainer::<f32>::new(&[3, 8, 2], StackConfig::default())?;
/// let step = trainer.step(array![1.0, 0.0, 1.0].view(), Some(array![1.0, 0.0].view()))?;
/// assert!(step.loss.is_some());
/// # Ok::<(), eprop::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct OnlineTrainer<F> {
    config: StackConfig,
    layer_sizes: Vec<usize>,
    stages: Vec<Stage<F>>,
    schedule: Schedule,
    optimizer: Optimizer<F>,
    target: Vec<F>,
}

persist!(OnlineTrainer {
    weights: [],
    state: [stages, schedule],
    scratch: [layer_sizes, target]
});

sequence_methods!(
    OnlineTrainer,
    Vec<f64>,
    "let mut trainer = eprop::OnlineTrainer::<f64>::new(&[3, 8, 2], eprop::StackConfig::default())?;"
);

impl<F: Float> OnlineTrainer<F> {
    /// A silent stack with initial weights from the seed; `layer_sizes` from the inputs to the outputs. Example: [`OnlineTrainer`].
    ///
    /// # Errors
    /// [`Error::Value`] for fewer than two sizes, a size of 0, or a setting outside its domain, [`Error::TooLarge`] for sizes
    /// that cannot be allocated.
    pub fn new(layer_sizes: &[usize], config: StackConfig) -> Result<Self, Error> {
        if layer_sizes.len() < 2 {
            let got = format!("{} sizes", layer_sizes.len());
            return Err(Error::value(
                "layer_sizes",
                "at least two sizes, inputs and outputs",
                got,
            ));
        }
        layer_sizes
            .iter()
            .try_for_each(|&size| valid_size("layer_sizes", size))?;
        config.validate_for::<F>()?;
        let schedule = Schedule::new(config.update_every);
        let pending = !schedule.every_step();
        let bytes = layer_sizes.windows(2).try_fold(0_usize, |sum, pair| {
            sum.checked_add(Stage::<F>::bytes_for(
                pair[0],
                pair[1],
                &config.layer,
                pending,
            )?)
        });
        memory::reserve(|| format!("layer_sizes = {layer_sizes:?}"), bytes)?;

        let mut gaussian = Gaussian::new(config.layer.seed);
        let stages: Vec<_> = layer_sizes
            .windows(2)
            .map(|pair| {
                let w: Vec<F> =
                    layer_weights(&mut gaussian, pair[0], pair[1], false, &config.layer);
                Stage::new(pair[1], &w, &config.layer, pending)
            })
            .collect();
        Ok(Self {
            layer_sizes: layer_sizes.to_vec(),
            target: vec![F::ZERO; layer_sizes[layer_sizes.len() - 1]],
            stages,
            schedule,
            optimizer: Optimizer::sgd(config.layer.lr),
            config,
        })
    }

    /// The configuration, with the learning rate as it is now.
    ///
    /// ```
    /// # use eprop::{OnlineTrainer, StackConfig};
    /// # let mut trainer = OnlineTrainer::<f32>::new(&[3, 8, 2], StackConfig::default())?;
    /// trainer.set_lr(0.1)?;
    /// assert_eq!((trainer.config().layer.lr, trainer.lr()), (0.1, 0.1));
    /// assert_eq!((trainer.layer_sizes(), trainer.n_layers()), (&[3, 8, 2][..], 2));
    /// assert_eq!((trainer.n_inputs(), trainer.n_outputs()), (3, 2));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn config(&self) -> &StackConfig {
        &self.config
    }

    /// The learning rate. Example: [`config`](Self::config).
    pub fn lr(&self) -> f64 {
        self.config.layer.lr
    }

    /// Changes the learning rate from the next update on. Example: [`config`](Self::config).
    ///
    /// # Errors
    /// [`Error::Value`] for a negative or non-finite one.
    pub fn set_lr(&mut self, lr: f64) -> Result<(), Error> {
        crate::config::non_negative("lr", lr)?;
        crate::config::within::<F>("lr", lr)?;
        self.config.layer.lr = lr;
        self.optimizer = Optimizer::sgd(lr);
        Ok(())
    }

    /// Sizes from the inputs to the outputs. Example: [`config`](Self::config).
    pub fn layer_sizes(&self) -> &[usize] {
        &self.layer_sizes
    }

    /// Number of layers with weights. Example: [`config`](Self::config).
    pub fn n_layers(&self) -> usize {
        self.stages.len()
    }

    /// Number of inputs. Example: [`config`](Self::config).
    pub fn n_inputs(&self) -> usize {
        self.layer_sizes[0]
    }

    /// Number of outputs. Example: [`config`](Self::config).
    pub fn n_outputs(&self) -> usize {
        self.target.len()
    }

    /// Silence: membranes, spikes and traces to 0, a pending gradient dropped. Weights stay.
    ///
    /// ```
    /// # use eprop::{OnlineTrainer, StackConfig};
    /// # let mut trainer = OnlineTrainer::<f32>::new(&[3, 8, 2], StackConfig::default())?;
    /// trainer.reset();
    /// assert!(trainer.output().iter().all(|&z| z == 0.0));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn reset(&mut self) {
        self.stages.iter_mut().for_each(Stage::reset);
        self.schedule.reset();
    }

    /// Whether all weights are finite.
    ///
    /// # Errors
    /// [`Error::NonFiniteWeights`] names the layer.
    ///
    /// ```
    /// # use eprop::{OnlineTrainer, StackConfig};
    /// # let mut trainer = OnlineTrainer::<f32>::new(&[3, 8, 2], StackConfig::default())?;
    /// trainer.check_weights()?;
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn check_weights(&self) -> Result<(), Error> {
        match self
            .stages
            .iter()
            .position(|stage| !stage.synapses.within() && !stage.synapses.all_finite())
        {
            None => Ok(()),
            Some(l) => Err(Error::NonFiniteWeights {
                matrix: format!("layers[{l}].W").into(),
            }),
        }
    }

    /// As `check_weights`, and remembers that nothing is wrong.
    fn check_changed(&mut self) -> Result<(), Error> {
        self.check_weights()?;
        self.stages
            .iter_mut()
            .for_each(|stage| stage.synapses.checked(true));
        Ok(())
    }

    /// A copy without what is only a matter of when it is worked off: nothing here is.
    fn caught_up(&self) -> Self {
        self.clone()
    }

    /// Whatever is known of the weights is of others than these.
    fn suspect(&mut self) {
        self.stages
            .iter_mut()
            .for_each(|stage| stage.synapses.checked(false));
    }

    /// The output of the last step, the last layer's spikes: a copy. Example: [`reset`](Self::reset).
    pub fn output(&self) -> Array1<F> {
        to_vector(Network::output(self))
    }

    /// Spikes of the last layer at the last step, a copy: the same as [`output`](Self::output).
    ///
    /// ```
    /// # use eprop::{OnlineTrainer, StackConfig};
    /// # let trainer = OnlineTrainer::<f32>::new(&[3, 8, 2], StackConfig::default())?;
    /// assert_eq!(trainer.spikes(), trainer.output());
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn spikes(&self) -> Array1<F> {
        self.output()
    }

    /// Weights of layer `l`, a copy (its size, the size below). Like the other readers of a layer it is `None` where there is no such layer.
    ///
    /// ```
    /// # use eprop::{OnlineTrainer, StackConfig};
    /// # let mut trainer = OnlineTrainer::<f32>::new(&[3, 8, 2], StackConfig::default())?;
    /// let w = ndarray::Array2::zeros((8, 3));
    /// trainer.set_layer_w(0, w.view())?;
    /// assert_eq!(trainer.layer_w(0), Some(w));
    /// assert_eq!(trainer.layer_v(1).map(|v| v.len()), Some(2));
    /// assert_eq!(trainer.layer_spikes(1).map(|z| z.len()), Some(2));
    /// assert_eq!(trainer.layer_psi(1).map(|psi| psi.len()), Some(2));
    /// assert_eq!(trainer.layer_z_bar(1).map(|z_bar| z_bar.len()), Some(8));
    /// assert!(trainer.layer_w(2).is_none());
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn layer_w(&self, l: usize) -> Option<Array2<F>> {
        let stage = self.stages.get(l)?;
        Some(to_matrix(&stage.synapses.weights(), stage.neuron.len()))
    }

    /// Assigns the weights of layer `l`. Example: [`layer_w`](Self::layer_w).
    ///
    /// # Errors
    /// [`Error::Shape`]; [`Error::Value`] for NaN or infinity, and where there is no such layer.
    pub fn set_layer_w(&mut self, l: usize, w: ArrayView2<'_, F>) -> Result<(), Error> {
        let n_layers = self.n_layers();
        let Some(stage) = self.stages.get_mut(l) else {
            return Err(Error::value(
                "layers",
                format!("an index below {n_layers}"),
                l,
            ));
        };
        check::matrix(
            format!("layers[{l}].W"),
            w,
            self.layer_sizes[l + 1],
            self.layer_sizes[l],
        )?;
        stage.synapses.set_weights(&to_rows(w));
        Ok(())
    }

    /// Membranes of layer `l`, a copy. Example: [`layer_w`](Self::layer_w).
    pub fn layer_v(&self, l: usize) -> Option<Array1<F>> {
        self.stages.get(l).map(|stage| to_vector(stage.neuron.v()))
    }

    /// Spikes of layer `l`, a copy. Example: [`layer_w`](Self::layer_w).
    pub fn layer_spikes(&self, l: usize) -> Option<Array1<F>> {
        self.stages.get(l).map(|stage| to_vector(stage.neuron.z()))
    }

    /// Surrogate derivatives of layer `l`, a copy. Example: [`layer_w`](Self::layer_w).
    pub fn layer_psi(&self, l: usize) -> Option<Array1<F>> {
        self.stages
            .get(l)
            .map(|stage| to_vector(stage.neuron.psi()))
    }

    /// Traces of the sources of layer `l`, a copy. Example: [`layer_w`](Self::layer_w).
    pub fn layer_z_bar(&self, l: usize) -> Option<Array1<F>> {
        self.stages
            .get(l)
            .map(|stage| Array1::from_vec(stage.synapses.z_bar()))
    }

    fn apply_pending(&mut self) {
        if self.schedule.pending() == 0 {
            return;
        }
        if !self.schedule.every_step() {
            self.stages
                .iter_mut()
                .for_each(|stage| stage.synapses.update(self.optimizer));
        }
        self.schedule.updated();
    }

    fn forward(&mut self, x: Input<'_, F>, learning: bool) {
        self.stages[0].forward(x, learning);
        for l in 1..self.stages.len() {
            let (below, here) = self.stages.split_at_mut(l);
            here[0].forward(Input::spikes(below[l - 1].neuron.fired()), learning);
        }
    }

    /// The last layer's signal is in place; it goes down, layer by layer, before that layer's update.
    fn learn_downwards(&mut self) {
        for l in (0..self.stages.len()).rev() {
            let (below, here) = self.stages.split_at_mut(l);
            if let Some(below) = below.last_mut() {
                here[0].propagate(&mut below.signal);
            }
            here[0].learn(self.optimizer);
        }
    }

    fn search_scale(
        &mut self,
        inputs: Inputs<'_, F>,
        rate: f64,
        keep_going: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Vec<f64>>, Error> {
        let mut twin = self.clone();
        let mut factors = vec![];
        let seconds = inputs.n_steps() as f64 * self.config.layer.dt / 1000.0;
        for l in 0..self.stages.len() {
            let rows = self.stages[l].synapses.weights();
            let scaled = |factor: f64| {
                rows.iter()
                    .map(|&w| w * F::cast(factor))
                    .collect::<Vec<F>>()
            };
            let found = calibrate::search(rate, |factor| {
                twin.reset();
                twin.stages[l].synapses.set_weights(&scaled(factor));
                let mut spikes = 0.0;
                for t in 0..inputs.n_steps() {
                    if !keep_going() {
                        return None;
                    }
                    twin.forward(inputs.step(t), false);
                    spikes += twin.stages[l].neuron.fired().len() as f64;
                }
                Some(spikes / (twin.stages[l].neuron.len() as f64 * seconds))
            })?;
            let Some(factor) = found else { return Ok(None) };
            twin.stages[l].synapses.set_weights(&scaled(factor));
            factors.push(factor);
        }
        for (stage, calibrated) in self.stages.iter_mut().zip(&twin.stages) {
            stage.synapses.set_weights(&calibrated.synapses.weights());
        }
        Ok(Some(factors))
    }

    /// A silent stack with the same weights, whose gradient waits for ever.
    pub(crate) fn twin(&self) -> Self {
        let stages = self
            .stages
            .iter()
            .zip(&self.layer_sizes[1..])
            .map(|(stage, &n)| Stage::new(n, &stage.synapses.weights(), &self.config.layer, true))
            .collect();
        let mut twin = Self {
            stages,
            schedule: Schedule::never(),
            ..self.clone()
        };
        twin.reset();
        twin
    }

    pub(crate) fn pending_gradients(&self) -> Vec<Array2<F>> {
        self.stages
            .iter()
            .map(|stage| to_matrix(&stage.synapses.gradient(), stage.neuron.len()))
            .collect()
    }
}

impl<F: Float> Network<F> for OnlineTrainer<F> {
    fn n_inputs(&self) -> usize {
        self.layer_sizes[0]
    }
    fn n_outputs(&self) -> usize {
        self.target.len()
    }
    fn loss(&self) -> Loss {
        self.config.loss
    }
    fn times(&self) -> (f64, f64) {
        (self.config.layer.dt, self.config.layer.tau_mem)
    }

    fn learn(&mut self, x: Input<'_, F>, target: Option<ArrayView1<'_, F>>) -> Option<f64> {
        self.forward(x, true);
        let loss = target.map(|target| {
            self.target
                .iter_mut()
                .zip(target)
                .for_each(|(to, &from)| *to = from);
            let top = self.stages.len() - 1;
            let Stage { neuron, signal, .. } = &mut self.stages[top];
            self.config.loss.evaluate(neuron.z(), &self.target, signal)
        });
        // Without a target err is 0, and so is every signal below it.
        if loss.is_some() {
            self.learn_downwards();
        }
        if self.schedule.step() {
            self.apply_pending();
        }
        loss
    }

    fn predict(&mut self, x: Input<'_, F>) {
        self.forward(x, false);
    }

    // Weights may change at every step, and a layer above waits for the spikes of this one.
    fn look_ahead(&mut self, _: Inputs<'_, F>, _: usize) {}

    fn output(&self) -> &[F] {
        Network::spikes(self)
    }
    fn spikes(&self) -> &[F] {
        self.stages.last().map_or(&[], |stage| stage.neuron.z())
    }
    fn all_fired(&self, see: &mut dyn FnMut(usize, &[u32])) {
        self.stages
            .iter()
            .for_each(|stage| see(stage.neuron.len(), stage.neuron.fired()));
    }
}
