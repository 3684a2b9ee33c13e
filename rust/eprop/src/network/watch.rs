//! What a trainer keeps an eye on while it learns: whether its neurons fire at a rate at which they can, and whether its loss runs away.

use super::tally::{Activity, StreamTally, Tally};
use super::wiring::Wiring;

/// So many calls are looked at before a loss can be called one that runs away.
const FIRST_CALLS: u32 = 10;
/// By how much it then exceeds the largest of theirs, and the loss of a network whose outputs are 0. A healthy loss exceeds neither by
/// that much: the second is what learning nothing would cost.
const RUNAWAY: f64 = 1000.0;

/// A loss that has run away.
///
/// ```
/// use eprop::{Config, EpropTrainer, TrainOptions, UpdateEvery};
/// use ndarray::Array2;
/// let config = Config { lr: 0.1, update_every: UpdateEvery::Sequence, ..Config::default() };
/// let mut trainer = EpropTrainer::<f64>::new(3, 30, 1, config)?;
/// let (x, y) = (Array2::from_shape_fn((100, 3), |(t, i)| ((t + i) % 3) as f64), Array2::ones((100, 1)));
/// let mut divergence = None;
/// while divergence.is_none() {
///     divergence = trainer.train_sequence(x.view(), y.view(), TrainOptions::default())?.divergence;
///     trainer.set_lr(trainer.lr() * if divergence.is_none() { 1.3 } else { 1.0 })?;
/// }
/// assert!(divergence.unwrap().loss > 1000.0 * divergence.unwrap().before);
/// # Ok::<(), eprop::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Divergence {
    /// The mean loss of a call, or of as many steps as fifty membrane time constants last.
    pub loss: f64,
    /// The largest of the first ten, or that of a network whose outputs are 0, if it is larger.
    pub before: f64,
}

/// What can be said of learning so far. Example: [`Divergence`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// How the network fired: in a sequence of at least five membrane time constants, or in shorter ones and steps that last fifty together.
    pub activity: Activity,
    /// Whether the loss has run away.
    pub divergence: Option<Divergence>,
}

/// Membrane time constants from which on a sequence says by itself how its network fires ...
const ALONE: f64 = 5.0;
/// ... and from which on shorter ones, and steps, say it together: a stream may well be quiet for a while.
const TOGETHER: f64 = 50.0;

/// Sums over consecutive calls.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    /// Of the calls or steps since neurons were last judged.
    fired: StreamTally,
    dt: f64,
    tau_mem: f64,
    calls: u32,
    before: f64,
}

impl Watch {
    pub(crate) fn new<N: Wiring>(network: &N) -> Self {
        let tally = Tally::new(network, 1);
        let (dt, tau_mem) = network.times();
        Self {
            fired: tally.into_first(),
            dt,
            tau_mem,
            calls: 0,
            before: 0.0,
        }
    }

    /// Knows nothing of what was before.
    pub(crate) fn clear(&mut self) {
        self.fired.clear();
        self.calls = 0;
        self.before = 0.0;
    }

    /// Bytes of its counts.
    pub(crate) fn heap(&self) -> usize {
        self.fired.heap()
    }

    /// Takes in a call on sequences.
    pub(crate) fn take_in(&mut self, tally: &Tally) -> Verdict {
        let divergence = self.judge_loss(tally.loss(), tally.loss_of_nothing());
        let longest = tally.streams.iter().map(StreamTally::n_steps).max();
        let activity = if self.lasts(longest.unwrap_or(0), ALONE) {
            self.fired.clear();
            Activity::of(tally.streams.iter())
        } else {
            let fired = &mut self.fired;
            tally.streams.iter().for_each(|stream| fired.add(stream));
            self.judge_activity()
        };
        Verdict {
            activity,
            divergence,
        }
    }

    /// Takes in a step of one stream; says something once enough steps have gone by.
    pub(crate) fn step<N: Wiring>(
        &mut self,
        network: &N,
        loss: Option<f64>,
        of_nothing: f64,
    ) -> Option<Verdict> {
        self.fired.take_in(network, loss, of_nothing);
        if !self.lasts(self.fired.n_steps(), TOGETHER) {
            return None;
        }
        Some(Verdict {
            divergence: self.judge_loss(self.fired.loss(), self.fired.loss_of_nothing()),
            activity: self.judge_activity(),
        })
    }

    /// Whether so many steps are at least so many membrane time constants.
    fn lasts(&self, n_steps: u64, time_constants: f64) -> bool {
        n_steps as f64 * self.dt >= time_constants * self.tau_mem
    }

    fn judge_activity(&mut self) -> Activity {
        if !self.lasts(self.fired.n_steps(), TOGETHER) {
            return Activity::Normal;
        }
        let activity = Activity::of(core::iter::once(&self.fired));
        self.fired.clear();
        activity
    }

    fn judge_loss(&mut self, loss: f64, of_nothing: f64) -> Option<Divergence> {
        if loss.is_nan() {
            return None;
        }
        let before = self.before.max(of_nothing);
        if self.calls >= FIRST_CALLS && loss > RUNAWAY * before {
            return Some(Divergence { loss, before });
        }
        if self.calls < FIRST_CALLS {
            self.calls += 1;
            self.before = self.before.max(loss);
        }
        None
    }
}
