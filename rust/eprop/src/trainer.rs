//! One recurrent layer with leaky readouts: the circle of a step, wired.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use ndarray::ArrayView1;

use crate::aligned::{Aligned, padded};
use crate::config::{Config, Engine, valid_size};
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
use crate::sources::SourceList;
use crate::synapses::{Form, Needs, Synapses, engine, waiting};
use crate::{Error, Float, Input, Inputs, calibrate, kernels, memory};

/// Steps whose dense inputs are multiplied with the weights at once.
const AHEAD: usize = 24;

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
    pub(crate) optimizer: Optimizer<F>,
    /// `s = [x ; z]` of the step before the neurons fire.
    sources: SourceList<F>,
    current: Aligned<F>,
    l: Aligned<F>,
    /// What the inputs of the next steps send: rows `ahead_next..ahead_end`.
    ahead: Aligned<F>,
    ahead_next: usize,
    ahead_end: usize,
    target: Vec<F>,
    err: Vec<F>,
}

persist!(EpropTrainer {
    weights: [feedback],
    state: [synapses, neuron, readout, regulariser, schedule],
    scratch: [sources, current, l, ahead, target, err]
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
        config.validate_for::<F>()?;
        if config.batch_size != 1 {
            return Err(Error::value(
                "batch_size",
                "1 in a trainer of one stream",
                config.batch_size,
            ));
        }
        let schedule = Schedule::new(config.update_every);
        Self::stream(n_inputs, n_neurons, n_outputs, config, schedule)
    }

    /// One stream of as many as `config` says, with an update schedule of its own or, in a batch, with none.
    pub(crate) fn stream(
        n_inputs: usize,
        n_neurons: usize,
        n_outputs: usize,
        config: Config,
        schedule: Schedule,
    ) -> Result<Self, Error> {
        let regulariser = Regulariser::<F>::new(1, &config);
        let engine = engine(n_inputs.saturating_add(n_neurons), n_neurons, &config);
        let engine = if schedule.waits() {
            waiting(engine, &config)
        } else {
            engine
        };
        let at_once = schedule.every_step() && engine != Engine::Block;
        let needs = Needs {
            pending: !at_once,
            sum_e: regulariser.needs_sum_e(),
            rate: regulariser.is_stream(),
            longest: Schedule::new(config.update_every).rest(),
        };
        memory::reserve(
            || format!("n_inputs = {n_inputs}, n_neurons = {n_neurons}, n_outputs = {n_outputs}"),
            bytes_for::<F>(engine, n_inputs, n_neurons, n_outputs, &config, needs)
                .and_then(|bytes| bytes.checked_mul(config.batch_size)),
        )?;

        let layer = config.layer();
        let mut gaussian = Gaussian::new(config.seed);
        let w: Vec<F> = layer_weights(&mut gaussian, n_inputs, n_neurons, true, &layer);
        let scale = 1.0 / libm::sqrt(n_neurons as f64);
        let w_out: Vec<F> = gaussian.draw(n_neurons * n_outputs, scale);
        let random_b = || gaussian.draw(n_neurons * n_outputs, scale);
        let stride = padded::<F>(n_neurons);
        Ok(Self {
            n_inputs,
            feedback: FeedbackWeights::new(config.feedback, n_neurons, random_b),
            synapses: Form::new(engine, &w, n_neurons, n_outputs, &config, needs),
            neuron: Neuron::new(n_neurons, &layer),
            readout: Readout::new(n_neurons, &w_out, &config, at_once, engine != Engine::Block),
            regulariser: Regulariser::new(n_neurons, &config),
            schedule,
            optimizer: Optimizer::sgd(config.lr),
            sources: SourceList::new(n_inputs, n_neurons),
            current: Aligned::zeros(stride),
            l: Aligned::zeros(stride),
            ahead: Aligned::zeros(AHEAD * stride),
            ahead_next: 0,
            ahead_end: 0,
            target: vec![F::ZERO; n_outputs],
            err: vec![F::ZERO; n_outputs],
            config,
        })
    }

    /// Which form of the synapses is at work: by sizes and options alone. Example: [`Engine`].
    pub fn engine(&self) -> Engine {
        self.synapses.engine()
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
        crate::config::within::<F>("lr", lr)?;
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

    /// Whether all weights are finite: known without a look at them, unless learning has driven something far out.
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
        if self.synapses.within() && self.readout.within() {
            return Ok(());
        }
        let flawed = |matrix: &'static str| {
            Err(Error::NonFiniteWeights {
                matrix: matrix.into(),
            })
        };
        if !self.synapses.all_finite() {
            return flawed("W_in, W_rec");
        }
        if !self.readout.w_out_finite() {
            return flawed("W_out");
        }
        if !crate::kernels::all_finite(self.readout.b()) {
            return flawed("b");
        }
        Ok(())
    }

    /// As `check_weights`, and remembers that nothing is wrong.
    pub(crate) fn check_changed(&mut self) -> Result<(), Error> {
        self.check_weights()?;
        self.synapses.checked();
        self.readout.checked(true);
        Ok(())
    }

    /// A copy without what is only a matter of when it is worked off.
    fn caught_up(&self) -> Self {
        let mut twin = self.clone();
        twin.synapses.catch_up();
        twin
    }

    /// Whatever is known of the weights is of others than these.
    fn suspect(&mut self) {
        self.readout.checked(false);
    }

    /// Whether a step's gradient is applied with the step itself.
    fn at_once(&self) -> bool {
        self.schedule.every_step() && self.synapses.engine() != Engine::Block
    }

    fn apply_pending(&mut self) {
        if self.schedule.pending() == 0 {
            return;
        }
        if !self.at_once() {
            let r = self.regulariser.coefficients(self.schedule.pending());
            let b = self.feedback.backward(self.readout.backward());
            self.synapses.update(b, r, self.optimizer);
            self.regulariser.updated();
            self.readout.update(self.optimizer);
        }
        self.schedule.updated();
    }

    /// Steps 1 to 6 of the forward pass.
    fn forward(&mut self, x: Input<'_, F>, learning: bool) {
        self.sources.take(x, self.neuron.fired());
        self.synapses
            .prepare(self.feedback.backward(self.readout.backward()), learning);
        let stride = self.current.len();
        let known = self.ahead_next < self.ahead_end;
        let ahead = known.then(|| &self.ahead[self.ahead_next * stride..][..stride]);
        self.synapses
            .drive(&self.sources.get(), ahead, &mut self.current);
        self.ahead_next += usize::from(known);
        self.neuron.step(&self.current);
        self.readout.step(self.neuron.fired(), learning);
    }

    fn search_scale(
        &mut self,
        inputs: Inputs<'_, F>,
        rate: f64,
        keep_going: &mut dyn FnMut() -> bool,
    ) -> Result<Option<f64>, Error> {
        self.search_scale_of(&[inputs], rate, keep_going)
    }

    /// The same over several sequences, each from a silent start.
    pub(crate) fn search_scale_of(
        &mut self,
        sequences: &[Inputs<'_, F>],
        rate: f64,
        keep_going: &mut dyn FnMut() -> bool,
    ) -> Result<Option<f64>, Error> {
        let n_steps: usize = sequences.iter().map(Inputs::n_steps).sum();
        let rows = self.input_rows();
        let scaled = |factor: f64| {
            rows.iter()
                .map(|&w| w * F::cast(factor))
                .collect::<Vec<F>>()
        };
        let mut twin = self.twin();
        let found = calibrate::search(rate, |factor| {
            twin.synapses.set_weights(0, &scaled(factor));
            let mut spikes = 0.0;
            for inputs in sequences {
                twin.reset();
                for t in 0..inputs.n_steps() {
                    if !keep_going() {
                        return None;
                    }
                    twin.forward(inputs.step(t), false);
                    spikes += twin.neuron.fired().len() as f64;
                }
            }
            let seconds = n_steps as f64 * self.config.dt / 1000.0;
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
            rate: self.regulariser.is_stream(),
            longest: usize::MAX,
        };
        let engine = match self.synapses.engine() {
            Engine::Textbook => Engine::Textbook,
            Engine::Factored | Engine::Block => Engine::Block,
        };
        let (n, n_outputs) = (self.n_neurons(), self.n_outputs());
        let mut readout = Readout::new(
            n,
            &self.readout.w_out(),
            &self.config,
            false,
            engine != Engine::Block,
        );
        readout.b_mut().copy_from_slice(self.readout.b());
        let mut twin = Self {
            synapses: Form::new(
                engine,
                &self.synapses.weights(),
                n,
                n_outputs,
                &self.config,
                needs,
            ),
            neuron: Neuron::new(n, &self.config.layer()),
            readout,
            feedback: self.feedback.clone(),
            regulariser: self.regulariser.clone(),
            schedule: Schedule::never(),
            optimizer: self.optimizer,
            n_inputs: self.n_inputs,
            sources: self.sources.clone(),
            current: self.current.clone(),
            l: self.l.clone(),
            ahead: self.ahead.clone(),
            ahead_next: 0,
            ahead_end: 0,
            target: self.target.clone(),
            err: self.err.clone(),
            config: self.config.clone(),
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

    fn learn(&mut self, x: Input<'_, F>, target: Option<ArrayView1<'_, F>>) -> Option<f64> {
        self.forward(x, true);
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
        let at_once = self.at_once();
        let r = self.regulariser.step(self.neuron.padded_z());
        if self.synapses.wants_signal() {
            let b = self.feedback.backward(self.readout.backward());
            b.signal(&self.err, &mut self.l);
        }
        let signal = Signal {
            err: &self.err,
            l: &self.l,
            r,
        };
        let apply = at_once.then_some(self.optimizer);
        self.synapses.learn(
            &self.sources.get(),
            self.neuron.padded_psi(),
            Some(signal),
            apply,
        );
        self.readout.learn(&self.err, self.optimizer);
        if self.schedule.step() {
            self.apply_pending();
        }
        loss
    }

    fn predict(&mut self, x: Input<'_, F>) {
        self.forward(x, false);
        self.synapses
            .learn(&self.sources.get(), self.neuron.padded_psi(), None, None);
    }

    /// Where the inputs are dense, currents are a matrix product, with the bits of the same sums made one by one.
    fn look_ahead(&mut self, inputs: Inputs<'_, F>, t: usize) {
        if self.ahead_next < self.ahead_end || !self.sources.is_dense() {
            return;
        }
        let Some(weights) = self.synapses.input_weights() else {
            return;
        };
        let Some(x) = inputs.dense().and_then(|x| x.to_slice()) else {
            return;
        };
        let rows = AHEAD
            .min(inputs.n_steps() - t)
            .min(self.schedule.until_update());
        let x = &x[t * self.n_inputs..][..rows * self.n_inputs];
        let stride = self.current.len();
        let ahead = &mut self.ahead[..rows * stride];
        ahead.fill(F::ZERO);
        kernels::multiply_add(x, (self.n_inputs, 1), self.n_inputs, weights, ahead, stride);
        (self.ahead_next, self.ahead_end) = (0, rows);
    }

    fn output(&self) -> &[F] {
        self.readout.y()
    }
    fn spikes(&self) -> &[F] {
        self.neuron.z()
    }
    fn all_fired(&self, see: &mut dyn FnMut(usize, &[u32])) {
        see(self.neuron.len(), self.neuron.fired());
    }
}

/// Bytes of all buffers together; `None` where the count overflows.
fn bytes_for<F: Float>(
    engine: Engine,
    n_inputs: usize,
    n: usize,
    n_outputs: usize,
    config: &Config,
    needs: Needs,
) -> Option<usize> {
    let synapses = Form::<F>::bytes_for(engine, n_inputs, n, n_outputs, config, needs)?;
    let readout = Readout::<F>::bytes_for(n, n_outputs)?;
    let rows = n_outputs.checked_add(4 + AHEAD)?;
    let feedback_and_scratch = padded::<F>(n)
        .checked_mul(rows)?
        .checked_mul(size_of::<F>())?;
    synapses
        .checked_add(readout)?
        .checked_add(feedback_and_scratch)?
        .checked_add(Neuron::<F>::bytes_for(n)?)?
        .checked_add(SourceList::<F>::bytes_for(n_inputs, n)?)
}
