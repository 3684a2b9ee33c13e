//! What is summed up over a sequence: losses, and who fired how often.

use alloc::vec::Vec;

use super::wiring::Wiring;
use crate::Error;
use crate::numbers::memory::vec_for;
use crate::numbers::walk::{Role, Walk, WalkMut, Walked};

/// How a network fired over a sequence. Example: [`Tally`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Neither of the others.
    Normal,
    /// Nothing fired: there is nothing to learn from. `calibrate` helps.
    Silent,
    /// More than half of the neurons fired at more than half of the steps. `calibrate` helps.
    Saturated,
}

/// The sums of sequences that are trained piece by piece. However these are cut, the sums are the same to the bit.
///
/// ```
/// use eprop::{Activity, Config, EpropTrainer};
/// let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
/// let tally = trainer.tally();
/// assert!(tally.loss().is_nan());
/// assert_eq!((tally.loss_sum(), tally.n_targets()), (0.0, 0));
/// assert_eq!(tally.activity(), Activity::Normal);
/// # Ok::<(), eprop::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tally {
    pub(crate) streams: Vec<StreamTally>,
    dt: f64,
    tau_mem: f64,
}

/// The sums of one stream.
#[derive(Clone, Debug)]
pub(crate) struct StreamTally {
    loss_sum: f64,
    of_nothing: f64,
    n_targets: u64,
    n_steps: u64,
    spike_counts: Vec<u64>,
}

impl StreamTally {
    /// Empty sums of all neurons of a network.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where there is no memory for them.
    pub(crate) fn new<N: Wiring>(network: &N) -> Result<Self, Error> {
        let n = n_neurons(network);
        let mut spike_counts = vec_for("spike counts", n)?;
        spike_counts.resize(n, 0);
        Ok(Self {
            loss_sum: 0.0,
            of_nothing: 0.0,
            n_targets: 0,
            n_steps: 0,
            spike_counts,
        })
    }

    /// Bytes of the counts of so many neurons.
    pub(crate) fn bytes(n_neurons: usize) -> usize {
        n_neurons.saturating_mul(size_of::<u64>())
    }

    /// One step: its loss, if it had a target, and what the loss of outputs of 0 would have been.
    pub(crate) fn take_in<N: Wiring>(&mut self, network: &N, loss: Option<f64>, of_nothing: f64) {
        if let Some(loss) = loss {
            self.loss_sum += loss;
            self.of_nothing += of_nothing;
            self.n_targets += 1;
        }
        self.n_steps += 1;
        let mut first = 0;
        network.all_fired(&mut |group, fired| {
            for &j in fired {
                self.spike_counts[first + j as usize] += 1;
            }
            first += group;
        });
    }
}

impl StreamTally {
    pub(crate) fn loss(&self) -> f64 {
        self.loss_sum / self.n_targets as f64
    }

    pub(crate) fn loss_of_nothing(&self) -> f64 {
        self.of_nothing / self.n_targets as f64
    }

    /// Adds another stream's sums, as if its steps followed.
    pub(crate) fn add(&mut self, other: &Self) {
        self.n_steps += other.n_steps;
        let pairs = self.spike_counts.iter_mut().zip(&other.spike_counts);
        pairs.for_each(|(sum, &count)| *sum += count);
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.spike_counts.iter().all(|&count| count == 0)
    }

    pub(crate) fn clear(&mut self) {
        self.loss_sum = 0.0;
        self.of_nothing = 0.0;
        self.n_targets = 0;
        self.n_steps = 0;
        self.spike_counts.fill(0);
    }
}

impl Walked for StreamTally {
    fn walk<'a>(&'a self, _: &'static str, role: Role, to: &mut dyn Walk<'a>) {
        self.loss_sum.walk("loss_sum", role, to);
        self.of_nothing.walk("loss_of_nothing", role, to);
        self.n_targets.walk("targets", role, to);
        self.n_steps.walk("steps", role, to);
        self.spike_counts.walk("spike_counts", role, to);
    }
    fn walk_mut(&mut self, _: &'static str, role: Role, to: &mut dyn WalkMut) -> Result<(), Error> {
        self.loss_sum.walk_mut("loss_sum", role, to)?;
        self.of_nothing.walk_mut("loss_of_nothing", role, to)?;
        self.n_targets.walk_mut("targets", role, to)?;
        self.n_steps.walk_mut("steps", role, to)?;
        self.spike_counts.walk_mut("spike_counts", role, to)
    }
}

impl Activity {
    /// Of streams, every neuron of every stream one of its own.
    pub(crate) fn of<'a>(streams: impl Iterator<Item = &'a StreamTally>) -> Self {
        let (mut neurons, mut busy, mut silent) = (0, 0, true);
        for stream in streams.filter(|stream| stream.n_steps > 0) {
            neurons += stream.spike_counts.len();
            let often = |&&count: &&u64| 2 * count > stream.n_steps;
            busy += stream.spike_counts.iter().filter(often).count();
            silent &= stream.is_silent();
        }
        match (silent, 2 * busy > neurons) {
            (true, _) => Self::Silent,
            (_, true) => Self::Saturated,
            _ => Self::Normal,
        }
    }
}

impl Tally {
    /// The mean loss that outputs of 0 would have had.
    pub(crate) fn loss_of_nothing(&self) -> f64 {
        let sum: f64 = self.streams.iter().map(|stream| stream.of_nothing).sum();
        sum / self.n_targets() as f64
    }

    /// # Errors
    /// [`Error::TooLarge`] where there is no memory for them.
    pub(crate) fn new<N: Wiring>(network: &N, n_streams: usize) -> Result<Self, Error> {
        let (dt, tau_mem) = network.times();
        let mut streams = vec_for("the sums of a sequence", n_streams)?;
        for _ in 0..n_streams {
            streams.push(StreamTally::new(network)?);
        }
        Ok(Self {
            streams,
            dt,
            tau_mem,
        })
    }

    /// The mean loss over the steps that had a target, of all streams; NaN where none had. Example: [`Tally`].
    pub fn loss(&self) -> f64 {
        self.loss_sum() / self.n_targets() as f64
    }

    /// The sum of the loss over the steps that had a target, of all streams in their order. Example: [`Tally`].
    pub fn loss_sum(&self) -> f64 {
        // From the first on: a sum of one stream is that stream's, to the bit.
        let sums = self.streams.iter().map(|stream| stream.loss_sum);
        sums.reduce(|sum, more| sum + more).unwrap_or(0.0)
    }

    /// How many steps had a target, of all streams. Example: [`Tally`].
    pub fn n_targets(&self) -> u64 {
        self.streams.iter().map(|stream| stream.n_targets).sum()
    }

    /// How the network fired. Of less than five membrane time constants nothing can be said: [`Activity::Normal`]. Example: [`Tally`].
    pub fn activity(&self) -> Activity {
        if !self.says_how_it_fired() {
            return Activity::Normal;
        }
        Activity::of(self.streams.iter())
    }

    /// Whether the longest stream lasts five membrane time constants.
    pub(crate) fn says_how_it_fired(&self) -> bool {
        self.longest() as f64 * self.dt >= 5.0 * self.tau_mem
    }

    /// Spikes per neuron and step, of all streams; NaN without steps.
    pub(crate) fn spikes_per_step(&self) -> f64 {
        let (mut spikes, mut steps) = (0, 0);
        for stream in &self.streams {
            spikes += stream.spike_counts.iter().sum::<u64>();
            steps += stream.n_steps * stream.spike_counts.len() as u64;
        }
        spikes as f64 / steps as f64
    }

    /// Steps of the longest stream.
    pub(crate) fn longest(&self) -> u64 {
        let lengths = self.streams.iter().map(|stream| stream.n_steps);
        lengths.max().unwrap_or(0)
    }

    /// Sums of another network would count spikes of neurons that are not there.
    pub(crate) fn check<N: Wiring>(&self, network: &N, n_streams: usize) -> Result<(), Error> {
        if self.streams.len() < n_streams {
            let expected = alloc::format!("{n_streams} streams or more");
            return Err(Error::value("tally", expected, self.streams.len()));
        }
        let n = n_neurons(network);
        let counted = self
            .streams
            .first()
            .map_or(n, |stream| stream.spike_counts.len());
        if counted == n {
            return Ok(());
        }
        let expected = alloc::format!("the sums of a network of {n} neurons");
        let got = alloc::format!("those of {counted}");
        Err(Error::value("tally", expected, got))
    }
}

fn n_neurons<N: Wiring>(network: &N) -> usize {
    let mut n = 0;
    network.all_fired(&mut |group, _| n += group);
    n
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use alloc::vec;

    use super::{Activity, StreamTally, Tally};
    use crate::network::recurrent::Recurrent;
    use crate::network::stack::Stack;
    use crate::network::wiring::Wiring;
    use crate::options::plan::{Plan, Sizes, StackPlan};
    use crate::options::{Config, StackConfig};
    use crate::parts::input::Input;
    use crate::testing::{made, unasked};

    /// With thresholds that any input crosses, or none does.
    fn stack(threshold: f64) -> Stack<f64> {
        let mut config = StackConfig::default();
        config.layer.threshold = threshold;
        let plan = StackPlan::of(&[1, 3, 2], &config);
        let mut stack = made(|room| Stack::new(room, &plan, &config, None));
        stack
            .assign_inputs(
                0,
                ndarray::array![[9.0], [0.0], [9.0]].view(),
                &mut unasked(),
            )
            .unwrap();
        stack
            .assign_inputs(
                1,
                ndarray::array![[9.0, 0.0, 0.0], [0.0, 9.0, 0.0]].view(),
                &mut unasked(),
            )
            .unwrap();
        stack
    }

    #[test]
    fn losses_targets_steps_and_spikes_of_every_group_are_counted() {
        let mut stack = stack(1.0);
        let mut tally = Tally::new(&stack, 2).unwrap();
        stack.circle().predict(Input::spikes(&[0]));
        for loss in [Some(0.5), None, Some(2.0)] {
            tally.streams[1].take_in(&stack, loss, 3.0);
        }
        let StreamTally {
            loss_sum,
            n_targets,
            n_steps,
            spike_counts,
            of_nothing,
        } = &tally.streams[1];
        assert_eq!((*loss_sum, *n_targets, *n_steps), (2.5, 2, 3));
        assert_eq!(*of_nothing, 6.0);
        assert_eq!(spike_counts[..], [3, 0, 3, 3, 0]);
        tally.streams[0].take_in(&stack, Some(4.5), 0.0);
        assert_eq!(
            (tally.loss_sum(), tally.n_targets(), tally.loss()),
            (7.0, 3, 7.0 / 3.0)
        );
    }

    #[test]
    fn a_loss_without_a_target_is_not_a_number() {
        let tally = Tally::new(&stack(1.0), 1).unwrap();
        assert!(tally.loss().is_nan() && tally.loss_sum() == 0.0);
    }

    fn tally(streams: &[(u64, &[u64])]) -> Tally {
        let stream = |&(n_steps, counts): &(u64, &[u64])| StreamTally {
            loss_sum: 0.0,
            of_nothing: 0.0,
            n_targets: 0,
            n_steps,
            spike_counts: counts.to_vec(),
        };
        Tally {
            streams: streams.iter().map(stream).collect(),
            dt: 1.0,
            tau_mem: 20.0,
        }
    }

    #[test]
    fn activity_is_judged_from_five_time_constants_on() {
        assert_eq!(tally(&[(99, &[0, 0])]).activity(), Activity::Normal);
        assert_eq!(tally(&[(100, &[0, 0])]).activity(), Activity::Silent);
        assert_eq!(tally(&[(100, &[1, 0])]).activity(), Activity::Normal);
    }

    #[test]
    fn more_than_half_of_the_neurons_at_more_than_half_of_the_steps_is_saturated() {
        assert_eq!(
            tally(&[(100, &[51, 51, 0])]).activity(),
            Activity::Saturated
        );
        assert_eq!(tally(&[(100, &[51, 50, 0])]).activity(), Activity::Normal);
        assert_eq!(tally(&[(100, &[100, 0])]).activity(), Activity::Normal);
    }

    #[test]
    fn streams_are_judged_together_and_those_of_no_step_not_at_all() {
        assert_eq!(
            tally(&[(100, &[100]), (100, &[0])]).activity(),
            Activity::Normal
        );
        assert_eq!(
            tally(&[(100, &[100]), (0, &[0])]).activity(),
            Activity::Saturated
        );
        assert_eq!(
            tally(&[(100, &[0]), (0, &[0])]).activity(),
            Activity::Silent
        );
        assert_eq!(
            tally(&[(50, &[0]), (100, &[1])]).activity(),
            Activity::Normal
        );
        assert_eq!(tally(&[]).activity(), Activity::Normal);
    }

    #[test]
    fn sums_of_another_network_are_refused() {
        let stack = stack(1.0);
        let sums = Tally::new(&stack, 2).unwrap();
        sums.check(&stack, 2).unwrap();
        sums.check(&stack, 1).unwrap();
        let error = sums.check(&stack, 3).unwrap_err();
        assert_eq!(
            error.to_string(),
            "tally: expected 3 streams or more, got 2"
        );
        let config = Config::default();
        let plan = Plan::of::<f64>(
            Sizes {
                n_inputs: 1,
                n: 4,
                n_outputs: 1,
            },
            &config,
        )
        .unwrap();
        let other = made(|room| Recurrent::<f64>::new(room, &plan, &config, None));
        let error = sums.check(&other, 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "tally: expected the sums of a network of 4 neurons, got those of 5"
        );
        assert_eq!(
            Tally::new(&other, 1).unwrap().streams[0].spike_counts,
            vec![0; 4]
        );
    }
}
