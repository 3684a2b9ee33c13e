//! A batch: streams side by side, each with a state of its own, that learn one set of weights together.
//!
//! Every stream is an [`EpropTrainer`] whose gradient waits and whose weights are read by all. Streams go their ways independently up to the
//! step at which an update is due. Then each works off its gradient, the gradients are summed, and all go on from the same new weights.
//!
//! Threads take groups of streams, which follow each other in their order, share a sum of gradients and scratch memory, and find both
//! in the cache; then pieces of the weights, for which the sums of the groups are added in their order. Groups depend on the number
//! of streams alone, so no bit depends on the number of threads.

mod access;
mod calibrate;
mod check;
mod gradients;
mod sequence;
mod stream;

use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

pub use gradients::BatchGradientRun;
pub use stream::{BatchOutput, BatchPrediction, BatchStep, BatchTally, Stream};

use crate::aligned::Aligned;
use crate::config::{Config, Engine};
use crate::schedule::Schedule;
use crate::shared::Shared;
use crate::{EpropTrainer, Error, Float, kernels, parallel};

/// Numbers to a piece of the weights, of which each thread updates one at a time: 16 or 32 KiB, so that the sum stays in the first cache.
const PIECE: usize = 4096;
/// Less work than this, in synapses passed, is not worth waking a thread for.
const WORTH_A_THREAD: usize = 1 << 18;

/// `batch_size` streams through one network, trained together: gradients are summed over the streams, and one update changes the
/// weights of all.
///
/// With [`UpdateEvery::Sequence`](crate::UpdateEvery) a step of a stream costs about what it costs alone. Where weights change after n steps, every update
/// passes over all synapses of every stream; below n = 8 each stream takes the textbook recursion, such a pass at every step.
///
/// With the feature `parallel` streams are spread over threads; the bits are the same at any number of them.
///
/// ```
/// use eprop::{BatchTrainer, Config, Stream, UpdateEvery};
/// use ndarray::Array3;
/// let config = Config { batch_size: 4, update_every: UpdateEvery::Sequence, ..Config::default() };
/// let mut trainer = BatchTrainer::<f32>::new(3, 8, 2, config)?;
/// let (x, y) = (Array3::ones((4, 20, 3)), Array3::zeros((4, 20, 2)));
/// let trained = trainer.train_sequence(&Stream::of(x.view(), y.view(), None), true)?;
/// assert_eq!(trained.outputs.dim(), (4, 20, 2));
/// # Ok::<(), eprop::Error>(())
/// ```
#[derive(Debug)]
pub struct BatchTrainer<F> {
    /// At least one; all of them have counted the same steps.
    streams: Vec<EpropTrainer<F>>,
    schedule: Schedule,
    /// The gradient of each group of streams, in padded rows: filled and used within an update.
    sums: Vec<Aligned<F>>,
    n_threads: Option<usize>,
}

impl<F: Float> BatchTrainer<F> {
    /// Silent streams through one network with initial weights from the seed: those of a trainer of one stream. Example: [`BatchTrainer`].
    ///
    /// # Errors
    /// [`Error::Value`] for a size or a setting outside its domain, [`Error::TooLarge`] for sizes that cannot be allocated.
    pub fn new(
        n_inputs: usize,
        n_neurons: usize,
        n_outputs: usize,
        config: Config,
    ) -> Result<Self, Error> {
        crate::config::valid_size("n_inputs", n_inputs)?;
        crate::config::valid_size("n_neurons", n_neurons)?;
        crate::config::valid_size("n_outputs", n_outputs)?;
        config.validate_for::<F>()?;
        let schedule = Schedule::new(config.update_every);
        let batch_size = config.batch_size;
        let mut first =
            EpropTrainer::stream(n_inputs, n_neurons, n_outputs, config, Schedule::never())?;
        let w = first.synapses.let_go();
        let mut streams = Vec::with_capacity(batch_size);
        streams.resize_with(batch_size - 1, || first.clone());
        streams.push(first);
        let group = group_size(batch_size);
        let others = streams
            .iter_mut()
            .enumerate()
            .filter(|(at, _)| at % group > 0);
        others.for_each(|(_, stream)| stream.synapses.drop_scratch());
        let sums = (0..batch_size.div_ceil(group))
            .map(|_| Aligned::zeros(w.len()))
            .collect();
        let mut this = Self {
            streams,
            schedule,
            sums,
            n_threads: None,
        };
        this.hold_all(w);
        Ok(this)
    }

    /// How many threads work on whole sequences from now on; `None`: as many as the environment variable `EPROP_NUM_THREADS` says, or else
    /// one per core. Nothing else depends on it. Without the feature `parallel` it is one.
    ///
    /// # Errors
    /// [`Error::Value`] for 0, and for a variable that is no number.
    ///
    /// ```
    /// # use eprop::{BatchTrainer, Config};
    /// let mut trainer = BatchTrainer::<f32>::new(3, 8, 2, Config { batch_size: 4, ..Config::default() })?;
    /// trainer.set_n_threads(Some(2))?;
    /// assert!(trainer.set_n_threads(Some(0)).is_err());
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn set_n_threads(&mut self, n_threads: Option<usize>) -> Result<(), Error> {
        parallel::threads(n_threads)?;
        self.n_threads = n_threads;
        Ok(())
    }

    /// Changes the learning rate from the next update on.
    ///
    /// # Errors
    /// [`Error::Value`] for a negative or non-finite one.
    ///
    /// ```
    /// # use eprop::{BatchTrainer, Config};
    /// let mut trainer = BatchTrainer::<f32>::new(3, 8, 2, Config { batch_size: 4, ..Config::default() })?;
    /// trainer.set_lr(0.001)?;
    /// assert_eq!(trainer.lr(), 0.001);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn set_lr(&mut self, lr: f64) -> Result<(), Error> {
        self.streams
            .iter_mut()
            .try_for_each(|stream| stream.set_lr(lr))
    }

    /// Which form of the synapses is at work. Example: [`Engine`].
    pub fn engine(&self) -> Engine {
        self.streams[0].engine()
    }

    /// Silence in every stream; a pending gradient is dropped, weights stay. Example: [`update`](Self::update).
    pub fn reset(&mut self) {
        self.streams.iter_mut().for_each(EpropTrainer::reset);
        self.schedule.reset();
    }

    /// Applies the pending gradient of all streams now; the count of `update_every` does not move.
    ///
    /// # Errors
    /// [`Error::NonFiniteWeights`] after the update.
    ///
    /// ```
    /// # use eprop::{BatchTrainer, Config};
    /// let mut trainer = BatchTrainer::<f32>::new(3, 8, 2, Config { batch_size: 4, ..Config::default() })?;
    /// trainer.update()?;
    /// trainer.reset();
    /// trainer.check_weights()?;
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn update(&mut self) -> Result<(), Error> {
        self.apply_pending();
        self.check_changed()
    }

    /// Whether all weights are finite. Example: [`update`](Self::update).
    ///
    /// # Errors
    /// [`Error::NonFiniteWeights`] names the matrix.
    pub fn check_weights(&self) -> Result<(), Error> {
        self.streams[0].check_weights()
    }

    fn check_changed(&mut self) -> Result<(), Error> {
        self.streams[0].check_changed()
    }

    fn apply_pending(&mut self) {
        if self.schedule.pending() == 0 {
            return;
        }
        let threads = self.threads_for(usize::MAX);
        let group = group_size(self.streams.len());
        let jobs = self.streams.chunks_mut(group).zip(&mut self.sums).collect();
        parallel::run(
            threads,
            jobs,
            |(streams, sum): (&mut [EpropTrainer<F>], &mut Aligned<F>)| {
                sum.fill(F::ZERO);
                in_turn(streams, |_, stream| stream.collect(sum));
            },
        );
        self.descend(threads);
    }

    /// One update from the gradients that the groups have summed.
    fn descend(&mut self, threads: usize) {
        // Nobody reads the old weights any more.
        let mut w = self.let_go_all();
        let optimizer = self.streams[0].optimizer;
        let finite = AtomicBool::new(true);
        let sums = &self.sums;
        let pieces = w.chunks_mut(PIECE).enumerate().collect();
        parallel::run(threads, pieces, |(at, w): (usize, &mut [F])| {
            let mut sum = [F::ZERO; PIECE];
            let sum = &mut sum[..w.len()];
            for g in sums {
                kernels::add_row(F::ONE, &g[at * PIECE..][..w.len()], sum);
            }
            optimizer.apply(w, sum);
            if !kernels::all_finite(w) {
                finite.store(false, Ordering::Relaxed);
            }
        });
        self.update_readouts();
        for stream in &mut self.streams {
            stream
                .synapses
                .hold(w.share(), finite.load(Ordering::Relaxed));
            stream.regulariser.updated();
            stream.schedule.updated();
        }
        self.schedule.updated();
    }

    fn update_readouts(&mut self) {
        let Some((first, rest)) = self.streams.split_first_mut() else {
            return;
        };
        rest.iter_mut()
            .for_each(|stream| first.readout.take_in(&mut stream.readout));
        first.readout.update(first.optimizer);
        first.readout.spend();
        for stream in rest {
            stream.readout.follow(&first.readout);
            stream.readout.spend();
        }
    }

    /// Takes the weights from every stream, so that whoever has them now may change them.
    fn let_go_all(&mut self) -> Shared<F> {
        let held: Vec<_> = self
            .streams
            .iter_mut()
            .map(|stream| stream.synapses.let_go())
            .collect();
        held.into_iter().next().unwrap_or_default()
    }

    /// Gives every stream the same weights to read.
    fn hold_all(&mut self, w: Shared<F>) {
        let finite = kernels::all_finite(&w);
        self.streams
            .iter_mut()
            .for_each(|stream| stream.synapses.hold(w.share(), finite));
    }

    /// How many threads so many steps of every stream are worth.
    fn threads_for(&self, n_steps: usize) -> usize {
        let synapses = (self.n_inputs() + self.n_neurons()).saturating_mul(self.n_neurons());
        let share = if self.engine() == Engine::Textbook {
            1
        } else {
            16
        };
        if n_steps
            .saturating_mul(synapses / share)
            .saturating_mul(self.streams.len())
            < WORTH_A_THREAD
        {
            return 1;
        }
        // A number that was accepted; a variable that has become invalid since then is no reason to stop.
        parallel::threads(self.n_threads).unwrap_or(1)
    }
}

impl<F: Float> EpropTrainer<F> {
    /// Works off what is pending, of the synapses into a sum over streams.
    fn collect(&mut self, sum: &mut [F]) {
        let r = self.regulariser.coefficients(self.schedule.pending());
        let b = self.feedback.backward(self.readout.backward());
        self.synapses.collect(b, r, sum);
    }
}

/// Streams to a group: two where there are many, so that the second finds the sum and the scratch memory of the first in the cache.
fn group_size(streams: usize) -> usize {
    (streams / 8).clamp(1, 2)
}

/// Does something for every stream of a group, which borrows the scratch memory of the first.
fn in_turn<F: Float>(
    group: &mut [EpropTrainer<F>],
    mut work: impl FnMut(usize, &mut EpropTrainer<F>),
) {
    for at in 0..group.len() {
        lend(group, at);
        work(at, &mut group[at]);
        lend(group, at);
    }
}

/// To the stream at `at`, or back from it.
fn lend<F: Float>(group: &mut [EpropTrainer<F>], at: usize) {
    if at > 0 {
        let (before, from) = group.split_at_mut(at);
        before[0].synapses.swap_scratch(&mut from[0].synapses);
    }
}

impl<F: Float> Clone for BatchTrainer<F> {
    fn clone(&self) -> Self {
        let mut this = Self {
            streams: self.streams.clone(),
            schedule: self.schedule.clone(),
            sums: self.sums.clone(),
            n_threads: self.n_threads,
        };
        this.share_again();
        this
    }
}

impl<F: Float> BatchTrainer<F> {
    /// Where every stream has weights of its own, all equal: one copy is enough.
    fn share_again(&mut self) {
        let w = self.let_go_all();
        self.hold_all(w);
    }

    /// A change of the synapses' weights through the first stream.
    fn alter<R>(&mut self, change: impl FnOnce(&mut EpropTrainer<F>) -> R) -> R {
        let w = self.let_go_all();
        self.streams[0].synapses.hold(w, true);
        let result = change(&mut self.streams[0]);
        self.share_again();
        result
    }
}
