//! What is summed up over a sequence: losses, and who fired how often.

use alloc::vec;
use alloc::vec::Vec;

use super::wiring::Wiring;
use crate::Error;

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
    pub(crate) fn n_steps(&self) -> u64 {
        self.n_steps
    }

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

    pub(crate) fn clear(&mut self) {
        self.loss_sum = 0.0;
        self.of_nothing = 0.0;
        self.n_targets = 0;
        self.n_steps = 0;
        self.spike_counts.fill(0);
    }

    pub(crate) fn heap(&self) -> usize {
        self.spike_counts.capacity() * size_of::<u64>()
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
            silent &= stream.spike_counts.iter().all(|&count| count == 0);
        }
        match (silent, 2 * busy > neurons) {
            (true, _) => Self::Silent,
            (_, true) => Self::Saturated,
            _ => Self::Normal,
        }
    }
}

impl Tally {
    pub(crate) fn into_first(mut self) -> StreamTally {
        self.streams.swap_remove(0)
    }

    /// The mean loss that outputs of 0 would have had.
    pub(crate) fn loss_of_nothing(&self) -> f64 {
        let sum: f64 = self.streams.iter().map(|stream| stream.of_nothing).sum();
        sum / self.n_targets() as f64
    }

    pub(crate) fn new<N: Wiring>(network: &N, n_streams: usize) -> Self {
        let (dt, tau_mem) = network.times();
        let stream = StreamTally {
            loss_sum: 0.0,
            of_nothing: 0.0,
            n_targets: 0,
            n_steps: 0,
            spike_counts: vec![0; n_neurons(network)],
        };
        Self {
            streams: vec![stream; n_streams],
            dt,
            tau_mem,
        }
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
        let longest = self.streams.iter().map(|stream| stream.n_steps).max();
        if longest.unwrap_or(0) as f64 * self.dt < 5.0 * self.tau_mem {
            return Activity::Normal;
        }
        Activity::of(self.streams.iter())
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
