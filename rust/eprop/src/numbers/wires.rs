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
    /// The targets of source i are `starts[i]..starts[i + 1]`.
    starts: Vec<usize>,
    targets: Vec<u32>,
}

impl Wires {
    /// Without a source.
    ///
    /// # Errors
    /// [`Error::TooLarge`], also for more neurons than lists can name.
    pub(crate) fn new(n_inputs: usize, n: usize) -> Result<Self, Error> {
        u32::try_from(n).map_err(|_| too_large())?;
        let mut starts = vec_for("synapses", n_inputs.saturating_add(n).saturating_add(1))?;
        starts.push(0);
        Ok(Self {
            n_inputs,
            n,
            starts,
            targets: Vec::new(),
        })
    }

    /// Without a source, with room for as many sources and synapses: to list them takes no memory.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub(crate) fn room_for_as_many(&self) -> Result<Self, Error> {
        let mut room = Self::new(self.n_inputs, self.n)?;
        let synapses = self.targets.len();
        room.targets
            .try_reserve_exact(synapses)
            .map_err(|_| too_large())?;
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

    /// Lists more neurons of the source under way.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub(crate) fn push(&mut self, targets: impl Iterator<Item = usize>) -> Result<(), Error> {
        let (at_least, _) = targets.size_hint();
        self.targets
            .try_reserve(at_least)
            .map_err(|_| too_large())?;
        for j in targets {
            if self.targets.len() == self.targets.capacity() {
                self.targets.try_reserve(1).map_err(|_| too_large())?;
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
        let all = self.n_inputs + self.n;
        [self.count(0..self.n_inputs), self.count(self.n_inputs..all)]
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
            + self.targets.capacity() * size_of::<u32>();
        // Two counts of who shares them lie before them.
        of_lists + size_of::<Self>() + 2 * size_of::<usize>()
    }
}

fn too_large() -> Error {
    Error::TooLarge {
        sizes: "synapses".into(),
        bytes: None,
    }
}

#[cfg(test)]
mod tests {
    use super::Wires;

    /// Two inputs, three neurons.
    fn wires() -> Wires {
        let mut wires = Wires::new(2, 3).unwrap();
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
