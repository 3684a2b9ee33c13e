//! One recurrent layer with leaky readouts: the circle of a step, wired.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use ndarray::{ArrayView1, ArrayView2};

use crate::config::{Config, decay, valid_size};
use crate::feedback::{FeedbackWeights, Signal};
use crate::init::{Gaussian, layer_weights};
use crate::loss::Loss;
use crate::neuron::Neuron;
use crate::optimizer::Optimizer;
use crate::persist::persist;
use crate::readout::Readout;
use crate::regulariser::Regulariser;
use crate::schedule::Schedule;
use crate::sequence::{Network, sequence_methods};
use crate::synapses::{Filters, Form, Needs, Synapses};
use crate::{Error, Float, calibrate, memory};

/// One recurrent layer of N spiking neurons with O leaky readouts, trained online by e-prop.
///
/// ```
/// use eprop::{Config, EpropTrainer};
/// use ndarray::array;
/// let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
/// let step = trainer.step(array![1.0, 0.0, 1.0].view(), Some(array![0.5, -0.5].view()))?;
/// assert!(step.loss.is_some());
/// # Ok::<(), eprop::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct EpropTrainer<F> {
    pub(crate) config: Config,
    pub(crate) n_inputs: usize,
    pub(crate) synapses: Form<F>,
    pub(crate) neuron: Neuron<F>,
    pub(crate) readout: Readout<F>,
    pub(crate) feedback: FeedbackWeights<F>,
    pub(crate) regulariser: Regulariser<F>,
    pub(crate) schedule: Schedule,
    optimizer: Optimizer<F>,
    /// `s = [x ; z]` of the step before the neurons fire.
    sources: Vec<F>,
    current: Vec<F>,
    target: Vec<F>,
    err: Vec<F>,
}

persist!(EpropTrainer {
    weights: [feedback],
    state: [synapses, neuron, readout, regulariser, schedule],
    scratch: [sources, current, target, err]
});

sequence_methods!(
    EpropTrainer,
    f64,
    "let mut trainer = eprop::EpropTrainer::<f64>::new(3, 8, 2, eprop::Config::default())?;"
);

impl<F: Float> EpropTrainer<F> {
    /// A silent network with initial weights from the seed.
    ///
    /// # Errors
    /// [`Error::Value`] for a size or a setting outside its domain, [`Error::TooLarge`] for sizes that cannot be allocated.
    ///
    /// ```
    /// use eprop::{Config, EpropTrainer};
    /// let error = EpropTrainer::<f32>::new(3, 8, 2, Config { tau_mem: 0.0, ..Config::default() }).unwrap_err();
    /// assert_eq!(error.to_string(), "tau_mem: expected a finite number > 0, got 0");
    /// ```
    pub fn new(
        n_inputs: usize,
        n_neurons: usize,
        n_outputs: usize,
        config: Config,
    ) -> Result<Self, Error> {
        valid_size("n_inputs", n_inputs)?;
        valid_size("n_neurons", n_neurons)?;
        valid_size("n_outputs", n_outputs)?;
        config.validate()?;
        let schedule = Schedule::new(config.update_every);
        let regulariser = Regulariser::<F>::new(0, &config);
        let needs = Needs {
            pending: !schedule.at_once(),
            sum_e: regulariser.needs_sum_e(),
        };
        memory::reserve(
            || format!("n_inputs = {n_inputs}, n_neurons = {n_neurons}, n_outputs = {n_outputs}"),
            bytes_for::<F>(n_inputs, n_neurons, n_outputs, needs),
        )?;

        let layer = config.layer();
        let mut gaussian = Gaussian::new(config.seed);
        let w = layer_weights(&mut gaussian, n_inputs, n_neurons, true, &layer);
        let scale = 1.0 / libm::sqrt(n_neurons as f64);
        let w_out = gaussian.draw(n_neurons * n_outputs, scale);
        let random_b = || gaussian.draw(n_neurons * n_outputs, scale);
        Ok(Self {
            n_inputs,
            feedback: FeedbackWeights::new(config.feedback, random_b),
            synapses: Form::new(n_neurons, w, filters(&config), needs),
            neuron: Neuron::new(n_neurons, &layer),
            readout: Readout::new(n_neurons, w_out, &config),
            regulariser: Regulariser::new(n_neurons, &config),
            schedule,
            optimizer: Optimizer::sgd(config.lr),
            sources: vec![F::ZERO; n_inputs + n_neurons],
            current: vec![F::ZERO; n_neurons],
            target: vec![F::ZERO; n_outputs],
            err: vec![F::ZERO; n_outputs],
            config,
        })
    }

    /// Changes the learning rate from the next update on.
    ///
    /// # Errors
    /// [`Error::Value`] for a negative or non-finite one.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// trainer.set_lr(0.001)?;
    /// assert_eq!(trainer.lr(), 0.001);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn set_lr(&mut self, lr: f64) -> Result<(), Error> {
        crate::config::non_negative("lr", lr)?;
        self.config.lr = lr;
        self.optimizer = Optimizer::sgd(lr);
        Ok(())
    }

    /// Silence: membranes, spikes, traces and readouts to 0, a pending gradient dropped. Weights stay.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// trainer.reset();
    /// assert!(trainer.v().iter().all(|&v| v == 0.0));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn reset(&mut self) {
        self.synapses.reset();
        self.neuron.reset();
        self.readout.reset();
        self.regulariser.reset();
        self.schedule.reset();
    }

    /// Whether all weights are finite.
    ///
    /// # Errors
    /// [`Error::NonFiniteWeights`] names the matrix.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// trainer.check_weights()?;
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn check_weights(&self) -> Result<(), Error> {
        let flawed = |matrix: &'static str| {
            Err(Error::NonFiniteWeights {
                matrix: matrix.into(),
            })
        };
        if !self.synapses.all_finite() {
            return flawed("W_in, W_rec");
        }
        if !crate::kernels::all_finite(self.readout.w_out()) {
            return flawed("W_out");
        }
        if !crate::kernels::all_finite(self.readout.b()) {
            return flawed("b");
        }
        Ok(())
    }

    fn apply_pending(&mut self) {
        if self.schedule.pending() == 0 {
            return;
        }
        if !self.schedule.at_once() {
            let r = self.regulariser.coefficients(self.schedule.pending());
            self.synapses.update(r, self.optimizer);
            self.regulariser.updated();
        }
        self.readout.update(self.optimizer);
        self.schedule.updated();
    }

    /// Steps 1 to 6 of the forward pass, and the presynaptic traces.
    fn forward(&mut self, x: ArrayView1<'_, F>) {
        let (inputs, recurrent) = self.sources.split_at_mut(self.n_inputs);
        inputs.iter_mut().zip(x).for_each(|(s, &x)| *s = x);
        recurrent.copy_from_slice(self.neuron.z());
        self.synapses.drive(&self.sources, &mut self.current);
        self.neuron.step(&self.current);
        self.readout.step(self.neuron.z());
    }

    fn search_scale(
        &mut self,
        inputs: ArrayView2<'_, F>,
        rate: f64,
        keep_going: &mut dyn FnMut() -> bool,
    ) -> Result<Option<f64>, Error> {
        let rows = self.input_rows();
        let scaled = |factor: f64| {
            rows.iter()
                .map(|&w| w * F::cast(factor))
                .collect::<Vec<F>>()
        };
        let mut twin = self.twin();
        let found = calibrate::search(rate, |factor| {
            twin.reset();
            twin.synapses.set_weights(0, &scaled(factor));
            let mut spikes = 0.0;
            for x in inputs.outer_iter() {
                if !keep_going() {
                    return None;
                }
                twin.forward(x);
                spikes += twin.neuron.z().iter().map(|z| z.to_f64()).sum::<f64>();
            }
            let seconds = inputs.nrows() as f64 * self.config.dt / 1000.0;
            Some(spikes / (self.n_neurons() as f64 * seconds))
        })?;
        if let Some(factor) = found {
            self.synapses.set_weights(0, &scaled(factor));
        }
        Ok(found)
    }

    /// A silent network with the same weights, whose gradient waits for ever.
    pub(crate) fn twin(&self) -> Self {
        let needs = Needs {
            pending: true,
            sum_e: self.regulariser.needs_sum_e(),
        };
        let synapses = Form::new(
            self.n_neurons(),
            self.synapses.weights(),
            filters(&self.config),
            needs,
        );
        let mut twin = Self {
            synapses,
            schedule: Schedule::never(),
            ..self.clone()
        };
        twin.reset();
        twin
    }
}

impl<F: Float> Network<F> for EpropTrainer<F> {
    fn n_inputs(&self) -> usize {
        self.n_inputs
    }
    fn n_outputs(&self) -> usize {
        self.readout.y().len()
    }
    fn loss(&self) -> Loss {
        self.config.loss
    }
    fn times(&self) -> (f64, f64) {
        (self.config.dt, self.config.tau_mem)
    }

    fn learn(&mut self, x: ArrayView1<'_, F>, target: Option<ArrayView1<'_, F>>) -> Option<f64> {
        self.forward(x);
        self.err.fill(F::ZERO);
        let loss = target.map(|target| {
            self.target
                .iter_mut()
                .zip(target)
                .for_each(|(to, &from)| *to = from);
            self.config
                .loss
                .evaluate(self.readout.y(), &self.target, &mut self.err)
        });
        let r = self.regulariser.step(self.neuron.z());
        let signal = Signal {
            err: &self.err,
            b: self.feedback.matrix(self.readout.w_out()),
            r,
        };
        let apply = self.schedule.at_once().then_some(self.optimizer);
        self.synapses.learn(self.neuron.psi(), Some(signal), apply);
        self.readout.learn(&self.err);
        if self.schedule.step() {
            self.apply_pending();
        }
        loss
    }

    fn predict(&mut self, x: ArrayView1<'_, F>) {
        self.forward(x);
        self.synapses.learn(self.neuron.psi(), None, None);
    }

    fn output(&self) -> &[F] {
        self.readout.y()
    }
    fn spikes(&self) -> &[F] {
        self.neuron.z()
    }
    fn all_spikes(&self, see: &mut dyn FnMut(&[F])) {
        see(self.neuron.z());
    }
}

fn filters<F: Float>(config: &Config) -> Filters<F> {
    Filters {
        alpha: F::cast(decay(config.dt, config.tau_mem)),
        zeta: F::cast(config.input_gain.of(config.dt, config.tau_mem)),
        kappa_e: F::cast(decay(config.dt, config.tau_trace)),
        zeta_e: F::cast(config.readout_gain.of(config.dt, config.tau_trace)),
    }
}

/// Bytes of all buffers together; `None` where the count overflows.
fn bytes_for<F: Float>(n_inputs: usize, n: usize, n_outputs: usize, needs: Needs) -> Option<usize> {
    let p = n_inputs.checked_add(n)?;
    let synapses = Form::<F>::numbers_for(p, n, needs)?;
    let readout = Readout::<F>::numbers_for(n, n_outputs)?;
    let feedback = n.checked_mul(n_outputs)?;
    // Sources, current, regulariser; target and err.
    let scratch = p
        .checked_add(n.checked_mul(3)?)?
        .checked_add(n_outputs.checked_mul(2)?)?;
    let numbers = synapses
        .checked_add(readout)?
        .checked_add(feedback)?
        .checked_add(scratch)?;
    numbers
        .checked_mul(size_of::<F>())?
        .checked_add(n.checked_mul(Neuron::<F>::bytes_each())?)
}
