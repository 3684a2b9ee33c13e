//! What a trainer keeps an eye on while it learns: whether its neurons fire at a rate at which they can, and whether its loss runs away.

use super::tally::{Activity, StreamTally, Tally};
use super::wiring::Wiring;
use crate::Error;
use crate::numbers::walk::{Role, Walk, WalkMut, Walked};

/// So many calls are looked at before a loss can be called one that runs away.
const FIRST_CALLS: u32 = 10;
/// By how much it then exceeds the largest of theirs, and the loss of a network whose outputs are 0. A healthy loss exceeds neither by
/// that much: the second is what learning nothing would cost.
const RUNAWAY: f64 = 1000.0;

/// A loss that has run away.
///
/// ```
/// use eprop::{Config, EpropTrainer, Optimizer, TrainOptions, UpdateEvery};
/// use ndarray::Array2;
/// let optimizer = Optimizer::PLAIN_SGD;
/// let config = Config { lr: 0.1, optimizer, update_every: UpdateEvery::Sequence, ..Config::default() };
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

/// Outputs beyond so many times the targets take longer to be undone than there is time.
const TOO_LARGE: f64 = 10.0;
/// Targets beyond so many times what readouts of unit length would give are out of reach. Measured: docs/method.md.
const OUT_OF_REACH: f64 = 100.0;

/// Targets of a size that the readouts of a network that was calibrated can hardly follow.
///
/// ```
/// use eprop::{Config, EpropTrainer, UpdateEvery};
/// use ndarray::Array2;
/// let config = Config { update_every: UpdateEvery::Sequence, ..Config::default() };
/// let mut trainer = EpropTrainer::<f64>::new(3, 30, 1, config)?;
/// let x = Array2::from_shape_fn((200, 3), |(t, i)| ((t + i) % 3) as f64);
/// let targets = Array2::from_elem((200, 1), 1e4);
/// trainer.calibrate(x.view(), 20.0)?;
/// let misfit = trainer.train_sequence(x.view(), targets.view(), Default::default())?.misfit.unwrap();
/// assert!(misfit.targets == 1e4 && misfit.outputs < 100.0);
/// assert!(trainer.train_sequence(x.view(), targets.view(), Default::default())?.misfit.is_none());
/// # Ok::<(), eprop::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Misfit {
    /// The root mean square of the targets.
    pub targets: f64,
    /// Where it is larger, that of the outputs' errors; else that of the outputs of readouts whose weights, of N(0, 1/N), have a length of 1.
    pub outputs: f64,
}

/// What can be said of learning so far. Example: [`Divergence`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// How the network fired: in a sequence of at least five membrane time constants, or in shorter ones and steps that last fifty together.
    pub activity: Activity,
    /// Whether the loss has run away.
    pub divergence: Option<Divergence>,
    /// Of the first sequence of five membrane time constants after `calibrate`: whether targets are far larger or smaller than outputs.
    pub misfit: Option<Misfit>,
}

/// So many membrane time constants say together how a network fires, where no sequence says it by itself: a stream may well be quiet
/// for a while.
const TOGETHER: f64 = 50.0;

/// Sums over consecutive calls.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    /// Of all streams, over the calls or steps since neurons were last judged.
    fired: StreamTally,
    /// Steps that have gone by since then: streams side by side step at once.
    n_steps: u64,
    dt: f64,
    tau_mem: f64,
    calls: u32,
    before: f64,
    /// 1 from `calibrate` until targets have been compared with outputs.
    to_compare: u32,
}

impl Watch {
    /// # Errors
    /// [`Error::TooLarge`] where there is no memory for its counts.
    pub(crate) fn new<N: Wiring>(network: &N) -> Result<Self, Error> {
        let (dt, tau_mem) = network.times();
        Ok(Self {
            fired: StreamTally::new(network)?,
            n_steps: 0,
            dt,
            tau_mem,
            calls: 0,
            before: 0.0,
            to_compare: 0,
        })
    }

    /// The network has been brought to a rate.
    pub(crate) fn calibrated(&mut self) {
        self.to_compare = 1;
    }

    /// Knows nothing of what was before.
    pub(crate) fn clear(&mut self) {
        self.forget_firing();
        self.calls = 0;
        self.before = 0.0;
    }

    /// Takes in a call on sequences.
    pub(crate) fn take_in<N: Wiring>(&mut self, tally: &Tally, network: &N) -> Verdict {
        let misfit = self.judge_targets(tally, network);
        let divergence = self.judge_loss(tally.loss(), tally.loss_of_nothing());
        let activity = if tally.says_how_it_fired() {
            self.forget_firing();
            tally.activity()
        } else {
            tally
                .streams
                .iter()
                .for_each(|stream| self.fired.add(stream));
            self.n_steps += tally.longest();
            if self.lasts_together() {
                self.judge_activity()
            } else {
                Activity::Normal
            }
        };
        Verdict {
            activity,
            divergence,
            misfit,
        }
    }

    fn judge_targets<N: Wiring>(&mut self, tally: &Tally, network: &N) -> Option<Misfit> {
        let rate = tally.spikes_per_step();
        if self.to_compare == 0
            || !tally.says_how_it_fired()
            || tally.n_targets() == 0
            || rate == 0.0
        {
            return None;
        }
        self.to_compare = 0;
        let reach = network.reach(rate)?;
        let n_outputs = network.output().len() as f64;
        let root_mean_square = |loss: f64| libm::sqrt(2.0 * loss / n_outputs);
        let targets = root_mean_square(tally.loss_of_nothing());
        let errors = root_mean_square(tally.loss());
        let outputs = match targets {
            0.0 => return None,
            _ if errors > TOO_LARGE * targets => errors,
            _ if targets > OUT_OF_REACH * reach => reach,
            _ => return None,
        };
        Some(Misfit { targets, outputs })
    }

    /// Takes in what a stream did in a step; [`step_done`](Self::step_done) follows those of all streams.
    pub(crate) fn stream<N: Wiring>(&mut self, network: &N, loss: Option<f64>, of_nothing: f64) {
        self.fired.take_in(network, loss, of_nothing);
    }

    /// Says something once enough steps have gone by.
    pub(crate) fn step_done(&mut self) -> Option<Verdict> {
        self.n_steps += 1;
        if !self.lasts_together() {
            return None;
        }
        Some(Verdict {
            divergence: self.judge_loss(self.fired.loss(), self.fired.loss_of_nothing()),
            activity: self.judge_activity(),
            misfit: None,
        })
    }

    fn lasts_together(&self) -> bool {
        self.n_steps as f64 * self.dt >= TOGETHER * self.tau_mem
    }

    fn judge_activity(&mut self) -> Activity {
        let activity = Activity::of(core::iter::once(&self.fired));
        self.forget_firing();
        activity
    }

    fn forget_firing(&mut self) {
        self.fired.clear();
        self.n_steps = 0;
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

impl Walked for Watch {
    fn walk<'a>(&'a self, name: &'static str, _: Role, to: &mut dyn Walk<'a>) {
        self.fired.walk(name, Role::Note, to);
        self.n_steps.walk("steps_watched", Role::Note, to);
        self.calls.walk("calls_watched", Role::Note, to);
        self.before.walk("largest_loss", Role::Note, to);
        self.to_compare.walk("to_compare", Role::Note, to);
    }
    fn walk_mut(&mut self, name: &'static str, _: Role, to: &mut dyn WalkMut) -> Result<(), Error> {
        self.fired.walk_mut(name, Role::Note, to)?;
        self.n_steps.walk_mut("steps_watched", Role::Note, to)?;
        self.calls.walk_mut("calls_watched", Role::Note, to)?;
        self.before.walk_mut("largest_loss", Role::Note, to)?;
        self.to_compare.walk_mut("to_compare", Role::Note, to)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, ArrayView1};

    use crate::parts::input::Input;
    use crate::{Activity, EpropTrainer, Stream, TrainOptions};
    use crate::{Config, UpdateEvery};

    fn trainer(batch_size: usize) -> EpropTrainer<f64> {
        let config = Config {
            batch_size,
            update_every: UpdateEvery::Sequence,
            ..Config::default()
        };
        EpropTrainer::new(1, 3, 1, config).unwrap()
    }

    /// Fifty times `tau_mem` is 1000 steps.
    #[test]
    fn steps_are_judged_by_the_time_that_went_by_at_any_number_of_streams() {
        let zero = [0.0];
        for n_streams in [2, 8] {
            let mut trainer = trainer(n_streams);
            let x = alloc::vec![Input::from(ArrayView1::from(&zero)); n_streams];
            for step in 1..=2000 {
                let verdict = trainer.step_batch(&x, None).unwrap().verdict;
                let activity = verdict.map(|verdict| verdict.activity);
                assert_eq!(activity, (step % 1000 == 0).then_some(Activity::Silent));
            }
        }
    }

    #[test]
    fn copies_and_bytes_carry_what_was_noted_and_equality_does_not_ask_for_it() {
        let (x, y) = (Array2::zeros((50, 1)), Array2::zeros((50, 1)));
        let train = |trainer: &mut EpropTrainer<f64>| {
            let options = TrainOptions::default();
            let trained = trainer.train_sequence(x.view(), y.view(), options);
            trained.unwrap().activity
        };
        let mut watched = trainer(1);
        for _ in 1..20 {
            assert_eq!(train(&mut watched), Activity::Normal);
        }
        let mut restored = trainer(1);
        restored.restore(&watched.to_bytes()).unwrap();
        let mut forgetful = watched.clone();
        forgetful.watch.clear();
        assert!(forgetful.state_equal(&watched));
        assert_eq!(train(&mut forgetful), Activity::Normal);
        for mut twin in [watched.clone(), restored, watched] {
            assert_eq!(train(&mut twin), Activity::Silent);
        }
    }

    #[test]
    fn short_sequences_are_judged_by_the_time_that_went_by_and_long_ones_at_once() {
        let (x, y) = (Array2::zeros((50, 1)), Array2::zeros((50, 1)));
        for n_streams in [1, 8] {
            let mut trainer = trainer(n_streams);
            let stream = Stream {
                inputs: x.view().into(),
                targets: y.view(),
                mask: None,
                weights: None,
            };
            let streams = alloc::vec![stream; n_streams];
            for call in 1..=40 {
                let trained = trainer.train_batch(&streams, true).unwrap();
                let silent = call % 20 == 0;
                assert_eq!(trained.activity == Activity::Silent, silent, "call {call}");
            }
        }
        let (x, y) = (Array2::zeros((100, 1)), Array2::zeros((100, 1)));
        let trained = trainer(1).train_sequence(x.view(), y.view(), TrainOptions::default());
        assert_eq!(trained.unwrap().activity, Activity::Silent);
    }
}
