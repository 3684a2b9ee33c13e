//! The synapses of a recurrent network by the neuron that they lead to, where lists have them by source.

use alloc::vec::Vec;
use core::ops::Range;

use super::memory::vec_for;
use super::wires::Wires;
use crate::Error;

/// For every neuron the inputs that reach it, and then, behind those of all neurons, for every neuron the neurons that do; ascending.
#[derive(Debug)]
pub(crate) struct Columns {
    n: usize,
    /// The synapses onto neuron j are `starts[j]..starts[j + 1]` from inputs, and `starts[n + j]..starts[n + j + 1]` from neurons.
    starts: Vec<usize>,
    sources: Vec<u32>,
}

impl Columns {
    /// # Errors
    /// [`Error::TooLarge`], also for more sources than a list can name.
    pub(crate) fn of(wires: &Wires) -> Result<Self, Error> {
        let n = wires.n_neurons();
        let what = "synapses by neuron";
        let all = wires.lists().starts.len() - 1;
        u32::try_from(all).map_err(|_| Error::TooLarge {
            sizes: what.into(),
            bytes: None,
        })?;
        let mut starts = vec_for(what, 2 * n + 1)?;
        starts.resize(2 * n + 1, 0);
        let first_of = |source| if source < wires.n_inputs() { 0 } else { n };
        for source in 0..all {
            for &j in wires.targets(source) {
                starts[first_of(source) + j as usize + 1] += 1;
            }
        }
        for j in 0..2 * n {
            starts[j + 1] += starts[j];
        }
        let mut next = vec_for(what, 2 * n)?;
        next.extend_from_slice(&starts[..2 * n]);
        let mut sources = vec_for(what, wires.len())?;
        sources.resize(wires.len(), 0);
        for source in 0..all {
            for &j in wires.targets(source) {
                let next = &mut next[first_of(source) + j as usize];
                sources[*next] = source as u32;
                *next += 1;
            }
        }
        Ok(Self { n, starts, sources })
    }

    pub(crate) fn len(&self) -> usize {
        self.sources.len()
    }

    /// The source of every synapse.
    pub(crate) fn sources(&self) -> &[u32] {
        &self.sources
    }

    /// Where the synapses from inputs (0) or from neurons (1) begin onto each of some neurons, and where those of the last end.
    pub(crate) fn starts(&self, kind: usize, neurons: Range<usize>) -> &[usize] {
        &self.starts[kind * self.n + neurons.start..=kind * self.n + neurons.end]
    }

    /// Every run of synapses onto one neuron: which, and where.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (usize, Range<usize>)> {
        let runs = self.starts.windows(2).map(|pair| pair[0]..pair[1]);
        runs.enumerate().map(|(at, run)| (at % self.n, run))
    }

    /// Bytes that they take where several share them.
    pub(crate) fn bytes(&self) -> usize {
        // Two counts of who shares them lie before them.
        self.starts.capacity() * size_of::<usize>()
            + self.sources.capacity() * size_of::<u32>()
            + size_of::<Self>()
            + 2 * size_of::<usize>()
    }

    /// Shows where every synapse of some sources lies, in the order of their lists. `next`: memory for a number of each neuron.
    pub(crate) fn in_lists(
        &self,
        wires: &Wires,
        sources: Range<usize>,
        next: &mut [usize],
        mut see: impl FnMut(usize),
    ) {
        let cut = wires.n_inputs().clamp(sources.start, sources.end);
        for (kind, sources) in [sources.start..cut, cut..sources.end]
            .into_iter()
            .enumerate()
        {
            if sources.is_empty() {
                continue;
            }
            self.begin(kind, sources.start, next);
            for source in sources {
                for &j in wires.targets(source) {
                    let next = &mut next[j as usize];
                    see(*next);
                    *next += 1;
                }
            }
        }
    }

    /// Where the synapses of a source, or else of the first behind it, lie onto each neuron.
    fn begin(&self, kind: usize, source: usize, next: &mut [usize]) {
        let runs = self.starts(kind, 0..self.n).windows(2);
        for (next, run) in next.iter_mut().zip(runs) {
            let here = &self.sources[run[0]..run[1]];
            *next = run[0] + here.partition_point(|&before| (before as usize) < source);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::{Columns, Wires};

    /// Two inputs, three neurons.
    fn wires() -> Wires {
        let mut wires = Wires::new(2, 3, 3, None).unwrap();
        for targets in [&[0, 2][..], &[2], &[1], &[0, 2], &[1]] {
            wires.push(targets.iter().copied()).unwrap();
            wires.end_source();
        }
        wires
    }

    #[test]
    fn sources_ascend_by_neuron_inputs_before_neurons() {
        let columns = Columns::of(&wires()).unwrap();
        assert_eq!(columns.sources(), [0, 0, 1, 3, 2, 4, 3]);
        assert_eq!(columns.starts(0, 0..3), [0, 1, 1, 3]);
        assert_eq!(columns.starts(1, 1..3), [4, 6, 7]);
        let runs: Vec<_> = columns.runs().map(|(j, run)| (j, run.len())).collect();
        assert_eq!(runs, [(0, 1), (1, 0), (2, 2), (0, 1), (1, 2), (2, 1)]);
        assert!(columns.bytes() > 7 * 8 + 7 * 4);
    }

    #[test]
    fn every_synapse_is_found_from_its_list_wherever_that_begins() {
        let (wires, mut next) = (wires(), vec![9; 3]);
        let columns = Columns::of(&wires).unwrap();
        for first in 0..5 {
            let mut found = Vec::new();
            columns.in_lists(&wires, first..5, &mut next, |at| found.push(at));
            let expected = [0, 1, 2, 4, 3, 6, 5];
            assert_eq!(found, expected[wires.count(0..first)..]);
        }
    }
}
