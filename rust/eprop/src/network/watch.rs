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

/// In the first calls, where there is nothing to compare with: by how much a loss exceeds that of outputs that are 0, which counts as 1 if it is less. Outputs
/// start near 0, so that a network whose outputs are tens of thousands, and that far from the targets, has learned it.
const RUNAWAY_AT_FIRST: f64 = 1e9;

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
    /// The largest of the first ten so far, or that of a network whose outputs are 0, if it is larger.
    pub before: f64,
}

/// Outputs beyond so many times the targets take longer to be undone than there is time.
const TOO_LARGE: f64 = 10.0;
/// Targets beyond so many times what readouts of unit length would give are out of reach. What helps: docs/streams.md.
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
    /// How the network fired: in a sequence of at least five membrane time constants, or in shorter ones and steps that last fifty together. The first ten of
    /// these say whether it fires at all.
    pub activity: Activity,
    /// Whether the loss has run away.
    pub divergence: Option<Divergence>,
    /// Of the first sequence of five membrane time constants after `calibrate`: whether targets are far larger or smaller than outputs.
    pub misfit: Option<Misfit>,
}

/// So many membrane time constants say together how a network fires, where no sequence says it by itself: a stream may well be quiet
/// for a while.
const TOGETHER: f64 = 50.0;

/// So many say it at the beginning, where no neuron has fired yet: such a network has not fallen quiet, it cannot fire.
const AT_FIRST: f64 = 10.0;

/// What is to be judged after a step.
enum Due {
    Nothing,
    /// How the network fires.
    Firing,
    /// Its loss, too.
    All,
}

/// Sums over consecutive calls.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    /// Of all streams, over the calls or steps since neurons were last judged.
    fired: StreamTally,
    /// Steps that have gone by since then: streams side by side step at once. Once neurons have been judged, those of a judgement more.
    n_steps: u64,
    /// Steps that are a judgement, and those that are one where nothing has fired yet.
    together: u64,
    at_first: u64,
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
        // More than a counter holds never go by.
        let steps = |times: f64| libm::ceil(times * tau_mem / dt) as u64;
        Ok(Self {
            fired: StreamTally::new(network)?,
            n_steps: 0,
            together: steps(TOGETHER),
            at_first: steps(AT_FIRST),
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
        self.fired.clear();
        self.n_steps = 0;
        self.calls = 0;
        self.before = 0.0;
    }

    /// Takes in a call on sequences.
    pub(crate) fn take_in<N: Wiring>(&mut self, tally: &Tally, network: &N) -> Verdict {
        let misfit = self.judge_targets(tally, network);
        let divergence = self.judge_loss(tally.loss(), tally.loss_of_nothing());
        let activity = if tally.says_how_it_fired() {
            self.begin_again();
            tally.activity()
        } else {
            tally
                .streams
                .iter()
                .for_each(|stream| self.fired.add(stream));
            match self.go_on(tally.longest()) {
                Due::Nothing => Activity::Normal,
                Due::Firing | Due::All => self.judge_activity(),
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
        let divergence = match self.go_on(1) {
            Due::Nothing => return None,
            Due::Firing => None,
            Due::All => self.judge_loss(self.fired.loss(), self.fired.loss_of_nothing()),
        };
        Some(Verdict {
            divergence,
            activity: self.judge_activity(),
            misfit: None,
        })
    }

    /// So many steps more have gone by: what is to be judged now.
    fn go_on(&mut self, steps: u64) -> Due {
        let is_first = self.n_steps < self.together;
        self.n_steps = self.n_steps.saturating_add(steps);
        let n_steps = match is_first {
            true => self.n_steps,
            false => self.n_steps - self.together,
        };
        if n_steps >= self.together {
            Due::All
        } else if is_first && n_steps >= self.at_first && self.fired.is_silent() {
            Due::Firing
        } else {
            Due::Nothing
        }
    }

    fn judge_activity(&mut self) -> Activity {
        let activity = Activity::of(core::iter::once(&self.fired));
        self.begin_again();
        activity
    }

    /// After a judgement.
    fn begin_again(&mut self) {
        self.fired.clear();
        self.n_steps = self.together;
    }

    fn judge_loss(&mut self, loss: f64, of_nothing: f64) -> Option<Divergence> {
        if loss.is_nan() {
            return None;
        }
        let before = self.before.max(of_nothing);
        let most = match self.calls {
            FIRST_CALLS.. => RUNAWAY * before,
            _ => RUNAWAY_AT_FIRST * of_nothing.max(1.0),
        };
        if loss > most {
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

    /// Ten times `tau_mem` is 200 steps, fifty times are 1000.
    #[test]
    fn steps_are_judged_by_the_time_that_went_by_at_any_number_of_streams() {
        let zero = [0.0];
        for n_streams in [2, 8] {
            let mut trainer = trainer(n_streams);
            let x = alloc::vec![Input::from(ArrayView1::from(&zero)); n_streams];
            for step in 1..=2200 {
                let verdict = trainer.step_batch(&x, None).unwrap().verdict;
                let activity = verdict.map(|verdict| verdict.activity);
                assert_eq!(activity, (step % 1000 == 200).then_some(Activity::Silent));
            }
        }
    }

    /// Who has fired may fall quiet for as long as a judgement takes.
    #[test]
    fn only_a_network_that_has_never_fired_is_judged_early() {
        let (zero, loud) = ([0.0], [1e3]);
        let mut trainer = trainer(1);
        trainer.set_w_in(Array2::ones((3, 1)).view()).unwrap();
        for step in 1..=2999 {
            let x = if step % 1000 == 1 { &loud } else { &zero };
            let verdict = trainer.step(ArrayView1::from(x), None).unwrap().verdict;
            let activity = verdict.map(|verdict| verdict.activity);
            assert_eq!(activity, (step % 1000 == 0).then_some(Activity::Normal));
        }
        // After a reset it is a network that has never fired.
        trainer.reset();
        for step in 1..=200 {
            let verdict = trainer.step(ArrayView1::from(&zero), None).unwrap().verdict;
            assert_eq!(verdict.is_some(), step == 200);
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
        for _ in 1..4 {
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
                let silent = call % 20 == 4;
                assert_eq!(trained.activity == Activity::Silent, silent, "call {call}");
            }
        }
        let (x, y) = (Array2::zeros((100, 1)), Array2::zeros((100, 1)));
        let trained = trainer(1).train_sequence(x.view(), y.view(), TrainOptions::default());
        assert_eq!(trained.unwrap().activity, Activity::Silent);
    }
}
