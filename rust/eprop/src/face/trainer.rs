//! A trainer: streams of a network, when their weights change, and by which rule.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::network::filed::Filed;
use crate::network::recurrent::Recurrent;
use crate::network::schedule::Schedule;
use crate::network::stack::Stack;
use crate::network::streams::Streams;
use crate::network::watch::Watch;
use crate::network::wiring::{Network, Settings};
use crate::numbers::interrupt::Interrupt;
use crate::numbers::parallel;
use crate::numbers::peers::Peers;
use crate::numbers::room::Room;
use crate::options::domain::{non_negative, within};
use crate::options::plan::Plan;
use crate::options::{Config, StackConfig};
use crate::parts::optimizer::Optimizer;
use crate::{Error, Float, kernels};

/// Trains a network online, with one stream or several side by side: [`EpropTrainer`] or [`OnlineTrainer`].
///
/// A trainer has `batch_size` streams, each with a state of its own, over the same weights. A call with one sequence takes the first stream; a
/// call with several takes as many. Gradients are summed over streams, and one update changes the weights of all.
///
/// With [`UpdateEvery::Sequence`](crate::UpdateEvery) a step of a stream costs about what it costs alone. Where the weights of several
/// streams change after n steps, every update passes over all synapses of every stream; below n = 8 each stream takes the textbook
/// recursion, such a pass at every step. With the feature `parallel` streams are spread over threads; the bits are the same at any number of them.
///
/// ```
/// use eprop::{Config, EpropTrainer, Stream, UpdateEvery};
/// use ndarray::Array3;
/// let config = Config { batch_size: 4, update_every: UpdateEvery::Sequence, ..Config::default() };
/// let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, config)?;
/// let (x, y) = (Array3::ones((4, 20, 3)), Array3::zeros((4, 20, 2)));
/// let trained = trainer.train_batch(&Stream::of(x.view(), y.view(), None), true)?;
/// assert_eq!(trained.outputs.dim(), (4, 20, 2));
/// # Ok::<(), eprop::Error>(())
/// ```
pub struct Trainer<N: Network> {
    pub(crate) config: N::Config,
    pub(crate) plan: N::Plan,
    pub(crate) streams: Streams<N>,
    pub(crate) schedule: Schedule,
    pub(crate) optimizer: Optimizer,
    pub(crate) watch: Watch,
}

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
pub type EpropTrainer<F> = Trainer<Recurrent<F>>;

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
pub type OnlineTrainer<F> = Trainer<Stack<F>>;

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
        Self::new_until(n_inputs, n_neurons, n_outputs, config, Interrupt::NOBODY)
    }

    /// As [`new`](Self::new), unless it is stopped; later calls ask the same. Example: [`Interrupt`].
    ///
    /// # Errors
    /// As [`new`](Self::new); [`Error::Interrupted`].
    pub fn new_until(
        n_inputs: usize,
        n_neurons: usize,
        n_outputs: usize,
        config: Config,
        interrupt: Interrupt,
    ) -> Result<Self, Error> {
        let plan = Recurrent::<F>::planned(&[n_inputs, n_neurons, n_outputs], &config)?;
        Self::drawn(plan, config, interrupt)
    }
}

impl<F: Float> EpropTrainer<F> {
    /// Changes the learning rate of `W_in` from the next update on; `None`: that of all. At 0 these weights are fixed.
    ///
    /// # Errors
    /// [`Error::Value`] for a negative or non-finite one; [`Error::TooLarge`] where a learning rate of its own takes memory that is not there;
    /// [`Error::Interrupted`]. Then it is what it was.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// trainer.set_lr_in(Some(0.0))?;
    /// assert_eq!((trainer.config().lr_in, trainer.config().lr_rec), (Some(0.0), None));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn set_lr_in(&mut self, lr: Option<f64>) -> Result<(), Error> {
        self.set_rates(|config| config.lr_in = lr)
    }

    /// As [`set_lr_in`](Self::set_lr_in), of `W_rec`.
    ///
    /// # Errors
    /// As [`set_lr_in`](Self::set_lr_in).
    pub fn set_lr_rec(&mut self, lr: Option<f64>) -> Result<(), Error> {
        self.set_rates(|config| config.lr_rec = lr)
    }

    /// As [`set_lr_in`](Self::set_lr_in), of `W_out` and `b`.
    ///
    /// # Errors
    /// As [`set_lr_in`](Self::set_lr_in).
    pub fn set_lr_out(&mut self, lr: Option<f64>) -> Result<(), Error> {
        self.set_rates(|config| config.lr_out = lr)
    }

    /// Who has the neurons that a [`Part`](crate::Part) of a network has not, for this trainer and its copies; until then these are silent. A file does not hold them.
    /// A trainer that is no part asks nobody. Example: [`Peers`].
    pub fn set_peers(&mut self, peers: Arc<dyn Peers>) {
        self.streams
            .iter_mut()
            .for_each(|stream| stream.set_peers(&peers));
        self.plan.peers = Some(peers);
    }

    fn set_rates(&mut self, change: impl FnOnce(&mut Config)) -> Result<(), Error> {
        let mut config = self.config.clone();
        change(&mut config);
        config.validate_for::<F>()?;
        let grouped = config.is_grouped();
        if grouped != self.plan.grouped {
            let plan = Plan {
                grouped,
                ..self.plan.clone()
            };
            Self::within_limit(&plan, &config)?;
        }
        // Several streams are never in factors.
        let interrupt = self.streams.interrupt().clone();
        let synapses = &mut self.streams.first_mut().layer.synapses;
        synapses.regroup(grouped, &mut interrupt.pace())?;
        self.plan.grouped = grouped;
        self.config = config;
        self.take_rates();
        Ok(())
    }
}

impl<F: Float> OnlineTrainer<F> {
    /// A silent stack with initial weights from the seed; `layer_sizes` from the inputs to the outputs. Example: [`OnlineTrainer`].
    ///
    /// # Errors
    /// [`Error::Value`] for fewer than two sizes, a size of 0, or a setting outside its domain, [`Error::TooLarge`] for sizes
    /// that cannot be allocated.
    pub fn new(layer_sizes: &[usize], config: StackConfig) -> Result<Self, Error> {
        Self::new_until(layer_sizes, config, Interrupt::NOBODY)
    }

    /// As [`new`](Self::new), unless it is stopped; later calls ask the same. Example: [`Interrupt`].
    ///
    /// # Errors
    /// As [`new`](Self::new); [`Error::Interrupted`].
    pub fn new_until(
        layer_sizes: &[usize],
        config: StackConfig,
        interrupt: Interrupt,
    ) -> Result<Self, Error> {
        let plan = Stack::<F>::planned(layer_sizes, &config)?;
        Self::drawn(plan, config, interrupt)
    }
}

impl<N: Network> Trainer<N> {
    fn drawn(plan: N::Plan, config: N::Config, interrupt: Interrupt) -> Result<Self, Error> {
        // Chosen here, so that no step has to.
        kernels::isa::avx2();
        let n_streams = config.batch_size();
        let plan = Self::fitting(plan, &config)?;
        let mut this = Self::silent(plan, config, n_streams, None, &interrupt)?;
        let config = this.config.clone();
        this.streams
            .alter(|first| first.draw(&config, &mut interrupt.pace()))?;
        this.streams.set_interrupt(interrupt);
        Ok(this)
    }

    /// Silent streams, with weights of 0 or those of a stream of another trainer, where these can be shared.
    pub(crate) fn silent(
        plan: N::Plan,
        config: N::Config,
        n_streams: usize,
        of: Option<&N>,
        interrupt: &Interrupt,
    ) -> Result<Self, Error> {
        let named = || -> String {
            let sizes = N::sizes(&plan);
            match n_streams {
                1 => sizes,
                _ => alloc::format!("{sizes}, batch_size = {n_streams}"),
            }
        };
        let streams = Room::build_until(named, interrupt, |room| {
            Streams::new(room, &plan, &config, n_streams, of)
        })?;
        Ok(Self {
            schedule: Schedule::new(config.update_every()),
            optimizer: {
                let rates = (0..N::n_groups(&plan)).map(|group| config.lr_of(group));
                Optimizer::new(config.optimizer(), rates, config.times(), N::F::EPSILON)?
                    .of_neurons(&N::populations(&plan, &config))?
                    .bounded(config.clip_norm(), config.w_max(), config.keeps_signs())
            },
            watch: Watch::new(streams.first())?,
            plan,
            config,
            streams,
        })
    }

    /// The configuration, with the learning rate as it is now.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config { batch_size: 4, ..Config::default() })?;
    /// trainer.set_lr(0.001)?;
    /// assert_eq!((trainer.config().lr, trainer.lr()), (0.001, 0.001));
    /// assert_eq!((trainer.n_inputs(), trainer.n_outputs(), trainer.batch_size()), (3, 2, 4));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn config(&self) -> &N::Config {
        &self.config
    }

    /// The learning rate. Example: [`config`](Self::config).
    pub fn lr(&self) -> f64 {
        self.config.lr()
    }

    /// Changes the learning rate from the next update on. Example: [`config`](Self::config).
    ///
    /// # Errors
    /// [`Error::Value`] for a negative or non-finite one.
    pub fn set_lr(&mut self, lr: f64) -> Result<(), Error> {
        non_negative("lr", lr)?;
        within::<N::F>("lr", lr)?;
        self.config.optimizer().accepts("lr", lr)?;
        self.config.set_lr(lr);
        self.take_rates();
        Ok(())
    }

    fn take_rates(&mut self) {
        for group in 0..N::n_groups(&self.plan) {
            self.optimizer.set_lr(group, self.config.lr_of(group));
        }
    }

    /// How many updates there have been, those of [`apply_gradients`](Self::apply_gradients) included: what a schedule of the learning rate follows. `reset`
    /// keeps it, copies and bytes contain it.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// for _ in 0..20 {
    ///     trainer.set_lr(0.01 / (1.0 + 0.1 * trainer.n_updates() as f64))?;
    ///     trainer.step(ndarray::array![1.0, 0.0, 1.0].view(), Some(ndarray::array![0.5, -0.5].view()))?;
    /// }
    /// assert_eq!(trainer.n_updates(), 20);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn n_updates(&self) -> u64 {
        self.optimizer.n_updates()
    }

    /// Number of inputs. Example: [`config`](Self::config).
    pub fn n_inputs(&self) -> usize {
        self.streams.first().n_inputs()
    }

    /// Number of outputs. Example: [`config`](Self::config).
    pub fn n_outputs(&self) -> usize {
        self.streams.first().n_outputs()
    }

    /// Number of streams B. Example: [`config`](Self::config).
    pub fn batch_size(&self) -> usize {
        self.streams.len()
    }

    /// How many threads work on the streams of a batch from now on, or on the neurons of a stream alone, where they are in lists with 2^20 synapses or more; `None`: as many as the environment variable `EPROP_NUM_THREADS` says, or else
    /// one per core. Nothing else depends on it. Without the feature `parallel` it is one.
    ///
    /// # Errors
    /// [`Error::Value`] for 0, and for a variable that is no number.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config { batch_size: 4, ..Config::default() })?;
    /// trainer.set_n_threads(Some(2))?;
    /// assert!(trainer.set_n_threads(Some(0)).is_err());
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn set_n_threads(&mut self, n_threads: Option<usize>) -> Result<(), Error> {
        parallel::threads(n_threads)?;
        self.streams.set_n_threads(n_threads);
        Ok(())
    }

    /// Whom long calls ask from now on whether to stop. One that is stopped is an [`Error::Interrupted`]: reading, copying, `evaluate`, `calibrate`,
    /// gradients and assigned weights leave everything as it was, an update is made or not, and steps are whole. Of a batch the first streams may have taken steps that
    /// the others have not, as if these had been shorter; an update that was due then has not been made, and its gradient waits.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer, Error, Interrupt};
    /// let mut trainer = EpropTrainer::<f32>::new(3, 2000, 2, Config::default())?;
    /// trainer.set_interrupt(Interrupt::when(|| true));
    /// assert_eq!(trainer.try_clone().unwrap_err(), Error::Interrupted);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn set_interrupt(&mut self, interrupt: Interrupt) {
        self.streams.set_interrupt(interrupt);
    }

    /// Does independent pieces of work on this trainer's threads, as many as there are: to prepare what its streams are fed.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config { batch_size: 2, ..Config::default() })?;
    /// let mut numbers = [1, 2, 3];
    /// trainer.spread(numbers.iter_mut().collect(), |number| *number *= 2);
    /// assert_eq!(numbers, [2, 4, 6]);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn spread<T: Send>(&self, items: Vec<T>, work: impl Fn(T) + Send + Sync) {
        parallel::run(self.streams.threads(), items, work);
    }

    /// Silence in every stream: membranes, spikes, traces and readouts to 0, a pending gradient dropped. Weights stay, and so does what
    /// the optimizer keeps.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// trainer.reset();
    /// assert!(trainer.v().iter().all(|&v| v == 0.0));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn reset(&mut self) {
        self.restart();
        self.watch.clear();
    }

    /// As [`reset`](Self::reset), at the start of a whole sequence: what is known of earlier ones stays known, for the next [`Verdict`](crate::Verdict).
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// trainer.restart();
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn restart(&mut self) {
        let threads = self.streams.threads_of_one(usize::MAX);
        parallel::together(threads, || self.streams.reset());
        self.schedule.reset();
    }
}

impl<N: Network> fmt::Debug for Trainer<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trainer")
            .field("sizes", &N::sizes(&self.plan))
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
