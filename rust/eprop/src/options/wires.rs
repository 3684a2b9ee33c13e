//! The synapses that a recurrent network has, where these are not all: as they were listed, or as the seed has drawn them.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::config::Config;
use super::connect::{Connect, SynapseList};
use super::plan::Sizes;
use crate::Error;
use crate::numbers::memory::vec_for;

/// Which random numbers of a seed are those of synapses: not those of weights.
const OF_SYNAPSES: u64 = 1;

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
    /// Those of a network; `None` where all synapses exist.
    ///
    /// # Errors
    /// [`Error::Value`] for lists of other sizes, and for a neuron that would reach itself; [`Error::TooLarge`].
    pub(crate) fn of(sizes: Sizes, config: &Config) -> Result<Option<Arc<Self>>, Error> {
        let Sizes { n_inputs, n, .. } = sizes;
        let (connect_in, connect_rec) = (&config.connect_in, &config.connect_rec);
        connect_in.fits("connect_in", n, n_inputs)?;
        connect_rec.fits("connect_rec", n, n)?;
        if connect_in.is_all() && connect_rec.is_all() {
            return Ok(None);
        }
        // So large a network could not have all of its synapses counted.
        u32::try_from(n).map_err(|_| too_large())?;
        let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
        rng.set_stream(OF_SYNAPSES);
        let mut this = Self {
            n_inputs,
            n,
            starts: vec_for("synapses", sizes.sources().saturating_add(1))?,
            targets: Vec::new(),
        };
        this.starts.push(0);
        for source in 0..n_inputs {
            this.connect(connect_in, (source, None), n, &mut rng)?;
        }
        for source in 0..n {
            this.connect(connect_rec, (source, Some(source)), n, &mut rng)?;
        }
        Ok(Some(Arc::new(this)))
    }

    /// Lists the next source, which may be a neuron itself.
    fn connect(
        &mut self,
        connect: &Connect,
        (source, own): (usize, Option<usize>),
        n: usize,
        rng: &mut ChaCha8Rng,
    ) -> Result<(), Error> {
        match connect {
            Connect::All => {
                let all = (0..n).filter(|&j| Some(j) != own);
                self.push_all(all)?;
            }
            &Connect::Density(density) => {
                // From one synapse to the next: how many fail before one succeeds.
                let log_of_none = libm::log1p(-density);
                let mut j = 0;
                loop {
                    let u = 1.0 - (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
                    let skipped = match log_of_none {
                        f64::NEG_INFINITY => 0.0,
                        log_of_none => libm::floor(libm::log(u) / log_of_none),
                    };
                    if skipped >= (n - j) as f64 {
                        break;
                    }
                    j += skipped as usize;
                    if Some(j) != own {
                        self.push_all(core::iter::once(j))?;
                    }
                    j += 1;
                    if j == n {
                        break;
                    }
                }
            }
            Connect::Listed(listed) => {
                let targets = listed.targets(source);
                if let Some(own) = own.filter(|&own| targets.binary_search(&(own as u32)).is_ok()) {
                    return Err(Error::value(
                        "connect_rec",
                        "a diagonal without synapses (no self-connections)",
                        alloc::format!("one at index ({own}, {own})"),
                    ));
                }
                self.push_all(targets.iter().map(|&j| j as usize))?;
            }
        }
        self.starts.push(self.targets.len());
        Ok(())
    }

    fn push_all(&mut self, targets: impl Iterator<Item = usize>) -> Result<(), Error> {
        let (at_least, _) = targets.size_hint();
        self.targets
            .try_reserve(at_least.max(1))
            .map_err(|_| too_large())?;
        for j in targets {
            if self.targets.len() == self.targets.capacity() {
                self.targets.try_reserve(1).map_err(|_| too_large())?;
            }
            self.targets.push(j as u32);
        }
        Ok(())
    }

    /// The neurons that a source reaches.
    #[inline]
    pub(crate) fn targets(&self, source: usize) -> &[u32] {
        &self.targets[self.starts[source]..self.starts[source + 1]]
    }

    /// Those of some sources, as a user has them.
    pub(crate) fn list(&self, sources: Range<usize>) -> SynapseList {
        let first = self.starts[sources.start];
        let all = first..self.starts[sources.end];
        let starts = self.starts[sources.start..=sources.end].iter();
        let starts = starts.map(|start| start - first).collect();
        SynapseList::new(self.n, starts, self.targets[all].into())
    }

    /// How many synapses some sources have.
    pub(crate) fn count(&self, sources: Range<usize>) -> usize {
        self.starts[sources.end] - self.starts[sources.start]
    }

    /// How many synapses there are from inputs, and from neurons.
    pub(crate) fn counts(&self) -> [usize; 2] {
        let of_inputs = self.starts[self.n_inputs];
        [of_inputs, self.targets.len() - of_inputs]
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

    /// Bytes that they take.
    pub(crate) fn bytes(&self) -> usize {
        self.starts.capacity() * size_of::<usize>() + self.targets.capacity() * size_of::<u32>()
    }
}

fn too_large() -> Error {
    Error::TooLarge {
        sizes: "synapses".into(),
        bytes: None,
    }
}

/// Whether the synapses of a source are positive, negative, or free, for every source: Dale's law.
pub(crate) fn signs_of(sizes: Sizes, config: &Config) -> Result<Option<Arc<[i8]>>, Error> {
    let Some(signs) = &config.sign else {
        return Ok(None);
    };
    if signs.len() != sizes.sources() {
        let expected = alloc::format!(
            "an array ({},): one for each input, then one for each neuron",
            sizes.sources()
        );
        let got = alloc::format!("shape ({},)", signs.len());
        return Err(Error::value("sign", expected, got));
    }
    if let Some(at) = signs.iter().position(|sign| !(-1..=1).contains(sign)) {
        let got = alloc::format!("{} at index {at}", signs[at]);
        return Err(Error::value(
            "sign",
            "1, -1 or 0 (free) for each source",
            got,
        ));
    }
    Ok(Some(signs[..].into()))
}
