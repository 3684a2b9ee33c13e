//! The synapses of a network as its configuration says: listed, or drawn from the seed; and the signs of its sources.

use alloc::sync::Arc;
use core::ops::Range;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::config::Config;
use super::connect::{Connect, SynapseList};
use super::plan::Sizes;
use crate::Error;
use crate::numbers::memory::vec_for;
use crate::numbers::wires::{Elsewhere, Wires};

/// Which random numbers of a seed are those of synapses: not those of weights.
const OF_SYNAPSES: u64 = 1;

/// The synapses of a network; `None` where all exist.
///
/// # Errors
/// [`Error::Value`] for lists of other sizes, and for a neuron that would reach itself; [`Error::TooLarge`].
pub(crate) fn wires_of(sizes: Sizes, config: &Config) -> Result<Option<Arc<Wires>>, Error> {
    let Sizes { n_inputs, n, .. } = sizes;
    let (connect_in, connect_rec) = (&config.connect_in, &config.connect_rec);
    let is_whole = connect_in.is_all() && connect_rec.is_all();
    let (neurons, senders) = match &config.part {
        Some(part) => (part.neurons(n), part.all),
        None if is_whole => return Ok(None),
        None => (0..n, n),
    };
    connect_in.fits("connect_in", n, n_inputs)?;
    connect_rec.fits("connect_rec", n, senders)?;
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    rng.set_stream(OF_SYNAPSES);
    let elsewhere = config.part.as_ref().map(|part| Elsewhere {
        first: part.first,
        around: alloc::vec::Vec::new(),
        is_whole,
    });
    let mut wires = Wires::new(n_inputs, n, senders, elsewhere)?;
    for source in 0..n_inputs + senders {
        let neuron = source.checked_sub(n_inputs);
        let (connections, at) = match neuron {
            None => (connect_in, source),
            Some(neuron) => (connect_rec, neuron),
        };
        let mut targets = Targets {
            wires: &mut wires,
            neurons: neurons.clone(),
            own: neuron,
            around: [0; 2],
        };
        connect(connections, at, senders, &mut rng, &mut targets)?;
        let around = match connections {
            Connect::Listed(_) => config.part.as_ref().and_then(|part| {
                let counts = [&part.before, &part.after].map(|counts| counts.get(source).copied());
                Some([counts[0]?, counts[1]?])
            }),
            Connect::All if is_whole => {
                Some([neurons.start as u32, (senders - neurons.end) as u32])
            }
            _ => Some(targets.around),
        };
        if let Some(around) = around {
            wires.note(around)?;
        }
        wires.end_source();
    }
    wires.finish();
    Ok(Some(Arc::new(wires)))
}

/// Whom a source reaches: those of some neurons are listed, others are counted.
struct Targets<'a> {
    wires: &'a mut Wires,
    neurons: Range<usize>,
    /// The source itself, if it is a neuron: it does not reach itself.
    own: Option<usize>,
    /// How many there are before the neurons, and behind them.
    around: [u32; 2],
}

impl Targets<'_> {
    fn push(&mut self, j: usize) -> Result<(), Error> {
        if Some(j) == self.own {
            return Ok(());
        }
        match j {
            j if j < self.neurons.start => self.around[0] += 1,
            j if j >= self.neurons.end => self.around[1] += 1,
            j => self.wires.push(core::iter::once(j - self.neurons.start))?,
        }
        Ok(())
    }
}

/// Lists the next source, of a network of `n` neurons.
fn connect(
    connect: &Connect,
    source: usize,
    n: usize,
    rng: &mut ChaCha8Rng,
    to: &mut Targets<'_>,
) -> Result<(), Error> {
    match connect {
        Connect::All => (0..n).try_for_each(|j| to.push(j))?,
        &Connect::Density(density) => {
            // From one synapse to the next: how many fail before one succeeds.
            let log_of_failure = libm::log1p(-density);
            let mut j = 0;
            while j < n {
                let u = 1.0 - (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
                let skipped = match density {
                    1.0 => 0.0,
                    _ => libm::floor(libm::log(u) / log_of_failure),
                };
                if skipped >= (n - j) as f64 {
                    break;
                }
                j += skipped as usize;
                to.push(j)?;
                j += 1;
            }
        }
        Connect::Listed(listed) => {
            let targets = listed.targets(source);
            let first = to.neurons.start;
            let is_own = |&own: &usize| {
                let row = own.checked_sub(first);
                row.is_some_and(|row| targets.binary_search(&(row as u32)).is_ok())
            };
            if let Some(own) = to.own.filter(is_own) {
                return Err(Error::value(
                    "connect_rec",
                    "a diagonal without synapses (no self-connections)",
                    alloc::format!("one at index ({}, {own})", own - first),
                ));
            }
            to.wires.push(targets.iter().map(|&j| j as usize))?;
        }
    }
    Ok(())
}

/// Those of some sources, as a user has them.
///
/// # Errors
/// [`Error::TooLarge`] where there is no memory for the lists.
pub(crate) fn listed(wires: &Wires, sources: Range<usize>) -> Result<SynapseList, Error> {
    let mut starts = vec_for("the lists of synapses", sources.len() + 1)?;
    let mut targets = vec_for("the lists of synapses", wires.count(sources.clone()))?;
    starts.push(0);
    for source in sources {
        targets.extend_from_slice(wires.targets(source));
        starts.push(targets.len());
    }
    Ok(SynapseList::new(wires.n_neurons(), starts, targets))
}

/// Whether the synapses of a source are positive, negative, or free, for every source: Dale's law.
///
/// # Errors
/// [`Error::Value`] for a list of another length, and for other numbers.
pub(crate) fn signs_of(sizes: Sizes, config: &Config) -> Result<Option<Arc<[i8]>>, Error> {
    let Some(signs) = &config.sign else {
        return Ok(None);
    };
    let neurons = config.part.as_ref().map_or(sizes.n, |part| part.all);
    let sources = sizes.n_inputs.saturating_add(neurons);
    if signs.len() != sources {
        let expected =
            alloc::format!("an array ({sources},): one for each input, then one for each neuron");
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
