//! The synapses that a recurrent network has, where these are not all: for every source the neurons that it reaches.

use alloc::vec::Vec;
use core::ops::Range;

use super::memory::vec_for;
use crate::Error;
use crate::kernels::Lists;

/// For every source, inputs first, the neurons that it reaches, ascending.
#[derive(Debug)]
pub(crate) struct Wires {
    n_inputs: usize,
    n: usize,
    /// Neurons that are sources: more than `n` where others are in other processes.
    senders: usize,
    /// The targets of source i are `starts[i]..starts[i + 1]`.
    starts: Vec<usize>,
    targets: Vec<u32>,
    elsewhere: Option<Elsewhere>,
}

/// What there is of the same sources with neurons of other processes.
#[derive(Debug)]
pub(crate) struct Elsewhere {
    /// The number of the first of these neurons in the whole network.
    pub(crate) first: usize,
    /// Of every source the synapses with neurons before these, and behind them; empty where nobody has said.
    pub(crate) around: Vec<[u32; 2]>,
    /// Whether all synapses of the whole network exist: then a number is drawn for a neuron's own place, too.
    pub(crate) is_whole: bool,
}

impl Wires {
    /// Without a source.
    ///
    /// # Errors
    /// [`Error::TooLarge`], also for more neurons than lists can name.
    pub(crate) fn new(
        n_inputs: usize,
        n: usize,
        senders: usize,
        elsewhere: Option<Elsewhere>,
    ) -> Result<Self, Error> {
        u32::try_from(n.max(senders)).map_err(|_| too_large(None))?;
        let sources = n_inputs.saturating_add(senders);
        let mut starts = vec_for("synapses", sources.saturating_add(1))?;
        starts.push(0);
        Ok(Self {
            n_inputs,
            n,
            senders,
            starts,
            targets: Vec::new(),
            elsewhere,
        })
    }

    /// Without a source, with room for as many sources and synapses: to list them takes no memory.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub(crate) fn room_for_as_many(&self) -> Result<Self, Error> {
        // Synapses move in whole networks only.
        let mut room = Self::new(self.n_inputs, self.n, self.senders, None)?;
        let synapses = self.targets.len();
        room.targets
            .try_reserve_exact(synapses)
            .map_err(|_| too_large(Some(synapses)))?;
        Ok(room)
    }

    /// The same, to be changed.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub(crate) fn copied(&self) -> Result<Self, Error> {
        let mut copy = self.room_for_as_many()?;
        copy.starts.clone_from(&self.starts);
        copy.targets.extend_from_slice(&self.targets);
        Ok(copy)
    }

    /// Where the lists start, and the lists.
    pub(crate) fn parts(&self) -> (&[usize], &[u32]) {
        (&self.starts, &self.targets)
    }

    /// The same, to be written; then they must be lists.
    pub(crate) fn parts_mut(&mut self) -> (&mut [usize], &mut [u32]) {
        (&mut self.starts, &mut self.targets)
    }

    /// Whether they are lists, with so many synapses from inputs and from neurons.
    pub(crate) fn are_lists(&self, counts: [usize; 2]) -> bool {
        let starts = &self.starts;
        let sources = self.n_inputs + self.n;
        starts.len() == sources + 1
            && starts[0] == 0
            && starts.windows(2).all(|pair| pair[0] <= pair[1])
            && starts[sources] == self.targets.len()
            && self.counts() == counts
            && (0..sources).all(|source| {
                let own = source.checked_sub(self.n_inputs);
                let targets = self.targets(source);
                let exist = |&j: &u32| (j as usize) < self.n && Some(j as usize) != own;
                targets.iter().all(exist) && targets.windows(2).all(|pair| pair[0] < pair[1])
            })
    }

    /// How many inputs there are.
    pub(crate) fn n_inputs(&self) -> usize {
        self.n_inputs
    }

    /// Says how many synapses the source under way has with neurons before these, and behind them.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub(crate) fn note(&mut self, around: [u32; 2]) -> Result<(), Error> {
        if let Some(elsewhere) = &mut self.elsewhere {
            let n = elsewhere.around.len() + 1;
            elsewhere
                .around
                .try_reserve(1)
                .map_err(|_| too_large(Some(2 * n)))?;
            elsewhere.around.push(around);
        }
        Ok(())
    }

    /// How many numbers are drawn for neurons of other processes before those of a source's synapses, and behind them.
    pub(crate) fn around(&self, source: usize) -> [u64; 2] {
        let of = |elsewhere: &Elsewhere| elsewhere.around.get(source).copied();
        let around = self.elsewhere.as_ref().and_then(of);
        around.unwrap_or_default().map(u64::from)
    }

    /// Before which of a source's synapses a number is drawn for the neuron's own place, which has none.
    pub(crate) fn own_place(&self, source: usize) -> Option<usize> {
        let elsewhere = self.elsewhere.as_ref().filter(|of| of.is_whole)?;
        let neuron = source.checked_sub(self.n_inputs)?;
        let own = neuron.checked_sub(elsewhere.first)?;
        (own < self.n).then_some(own)
    }

    /// Whether it is known for how many synapses of other processes numbers are drawn.
    pub(crate) fn knows_others(&self) -> bool {
        let told = |elsewhere: &Elsewhere| elsewhere.around.len() == self.n_inputs + self.senders;
        self.n == self.senders || self.elsewhere.as_ref().is_some_and(told)
    }

    /// How many inputs and how many neurons reach a neuron of the whole network, on average; a neuron's own place counts where all synapses exist.
    pub(crate) fn fan_in(&self) -> [f64; 2] {
        let neurons = self.senders as f64;
        if self.elsewhere.as_ref().is_some_and(|of| of.is_whole) {
            return [self.n_inputs as f64, neurons];
        }
        let all = self.n_inputs + self.senders;
        let count = |sources: Range<usize>| {
            let others = sources.clone().flat_map(|source| self.around(source));
            (self.count(sources) as u64 + others.sum::<u64>()) as f64 / neurons
        };
        [count(0..self.n_inputs), count(self.n_inputs..all)]
    }

    /// Lists more neurons of the source under way.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub(crate) fn push(&mut self, targets: impl Iterator<Item = usize>) -> Result<(), Error> {
        let (n, (at_least, _)) = (self.targets.len(), targets.size_hint());
        self.targets
            .try_reserve(at_least)
            .map_err(|_| too_large(Some(n + at_least)))?;
        for j in targets {
            if self.targets.len() == self.targets.capacity() {
                let n = self.targets.len() + 1;
                self.targets
                    .try_reserve(1)
                    .map_err(|_| too_large(Some(n)))?;
            }
            self.targets.push(j as u32);
        }
        Ok(())
    }

    /// Lists one more neuron of the source under way, for which there is room.
    #[inline]
    pub(crate) fn add(&mut self, j: usize) {
        self.targets.push(j as u32);
    }

    /// All sources are listed: memory that nobody needs is given back.
    pub(crate) fn finish(&mut self) {
        self.targets.shrink_to_fit();
    }

    /// The source under way has no more.
    pub(crate) fn end_source(&mut self) {
        self.starts.push(self.targets.len());
    }

    /// The neurons that a source reaches.
    #[inline]
    pub(crate) fn targets(&self, source: usize) -> &[u32] {
        &self.targets[self.row(source)]
    }

    /// All of them, as kernels read them.
    #[inline]
    pub(crate) fn lists(&self) -> Lists<'_> {
        Lists {
            starts: &self.starts,
            targets: &self.targets,
        }
    }

    /// The numbers of a source's synapses among all.
    #[inline]
    pub(crate) fn row(&self, source: usize) -> Range<usize> {
        self.starts[source]..self.starts[source + 1]
    }

    /// The neurons that all sources reach, one list after the other.
    pub(crate) fn all_targets(&self) -> &[u32] {
        &self.targets
    }

    /// The source of a synapse, by its number among all.
    pub(crate) fn source_of(&self, synapse: usize) -> usize {
        self.starts.partition_point(|&start| start <= synapse) - 1
    }

    /// How many synapses some sources have.
    pub(crate) fn count(&self, sources: Range<usize>) -> usize {
        self.starts[sources.end] - self.starts[sources.start]
    }

    /// How many synapses there are from inputs, and from neurons.
    pub(crate) fn counts(&self) -> [usize; 2] {
        let all = self.n_inputs + self.senders;
        [self.count(0..self.n_inputs), self.count(self.n_inputs..all)]
    }

    /// How many synapses the source with most of them has.
    pub(crate) fn longest(&self) -> usize {
        let lists = self.starts.windows(2).map(|list| list[1] - list[0]);
        lists.max().unwrap_or(0)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.targets.len()
    }

    /// How many neurons there are.
    pub(crate) fn n_neurons(&self) -> usize {
        self.n
    }

    /// Whether a synapse exists.
    pub(crate) fn exists(&self, neuron: usize, source: usize) -> bool {
        self.targets(source).binary_search(&(neuron as u32)).is_ok()
    }

    /// Sets the places of a source's row to 0 at which there is no synapse: those of the neurons from `first` on.
    pub(crate) fn clear<F: Copy + Default>(&self, source: usize, first: usize, row: &mut [F]) {
        let targets = self.targets(source);
        let here = &targets[targets.partition_point(|&j| (j as usize) < first)..];
        let mut from = 0;
        for &j in here {
            let at = j as usize - first;
            if at >= row.len() {
                break;
            }
            row[from..at].fill(F::default());
            from = at + 1;
        }
        row[from..].fill(F::default());
    }

    /// Bytes that they take where several share them.
    pub(crate) fn bytes(&self) -> usize {
        let of_lists = self.starts.capacity() * size_of::<usize>()
            + self.targets.capacity() * size_of::<u32>()
            + (self.elsewhere.as_ref())
                .map_or(0, |of| of.around.capacity() * size_of::<[u32; 2]>());
        // Two counts of who shares them lie before them.
        of_lists + size_of::<Self>() + 2 * size_of::<usize>()
    }
}

/// There is no memory for so many numbers of lists; `None`: for more than can be addressed.
fn too_large(numbers: Option<usize>) -> Error {
    Error::TooLarge {
        sizes: "synapses".into(),
        bytes: numbers.and_then(|n| n.checked_mul(size_of::<u32>())),
    }
}

#[cfg(test)]
mod tests {
    use super::Wires;

    /// Two inputs, three neurons.
    fn wires() -> Wires {
        let mut wires = Wires::new(2, 3, 3, None).unwrap();
        for targets in [&[0, 2][..], &[], &[1], &[0, 2], &[]] {
            wires.push(targets.iter().copied()).unwrap();
            wires.end_source();
        }
        wires
    }

    #[test]
    fn what_a_file_says_must_be_lists() {
        let good = wires();
        assert!(good.are_lists([2, 3]) && good.copied().unwrap().are_lists([2, 3]));
        assert!(!good.are_lists([3, 2]));
        assert_eq!(good.room_for_as_many().unwrap().len(), 0);
        let spoiled = |spoil: fn(&mut [usize], &mut [u32])| {
            let mut wires = wires();
            let (starts, targets) = wires.parts_mut();
            spoil(starts, targets);
            wires.are_lists([2, 3])
        };
        assert!(spoiled(|_, targets| targets[1] = 1));
        // Twice, beyond the last neuron, itself; starts that go back, begin late, end early, or leave the lists.
        assert!(!spoiled(|_, targets| targets[1] = 0));
        assert!(!spoiled(|_, targets| targets[1] = 3));
        assert!(!spoiled(|_, targets| targets[2] = 0));
        assert!(!spoiled(|starts, _| starts[3] = 1));
        assert!(!spoiled(|starts, _| starts[0] = 1));
        assert!(!spoiled(|starts, _| starts[5] = 4));
        assert!(!spoiled(|starts, _| starts[4] = usize::MAX));
    }
}
