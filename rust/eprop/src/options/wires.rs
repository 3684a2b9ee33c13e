//! The synapses of a network as its configuration says: listed, or drawn from the seed; and the signs of its sources.

use alloc::sync::Arc;
use core::ops::Range;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::config::Config;
use super::connect::{Connect, SynapseList};
use super::plan::Sizes;
use crate::Error;
use crate::numbers::wires::Wires;

/// Which random numbers of a seed are those of synapses: not those of weights.
const OF_SYNAPSES: u64 = 1;

/// The synapses of a network; `None` where all exist.
///
/// # Errors
/// [`Error::Value`] for lists of other sizes, and for a neuron that would reach itself; [`Error::TooLarge`].
pub(crate) fn wires_of(sizes: Sizes, config: &Config) -> Result<Option<Arc<Wires>>, Error> {
    let Sizes { n_inputs, n, .. } = sizes;
    let (connect_in, connect_rec) = (&config.connect_in, &config.connect_rec);
    connect_in.fits("connect_in", n, n_inputs)?;
    connect_rec.fits("connect_rec", n, n)?;
    if connect_in.is_all() && connect_rec.is_all() {
        return Ok(None);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    rng.set_stream(OF_SYNAPSES);
    let mut wires = Wires::new(n_inputs, n)?;
    for source in 0..n_inputs {
        connect(connect_in, (source, None), n, &mut rng, &mut wires)?;
    }
    for source in 0..n {
        connect(connect_rec, (source, Some(source)), n, &mut rng, &mut wires)?;
    }
    wires.finish();
    Ok(Some(Arc::new(wires)))
}

/// Lists the next source, which may be a neuron itself.
fn connect(
    connect: &Connect,
    (source, own): (usize, Option<usize>),
    n: usize,
    rng: &mut ChaCha8Rng,
    to: &mut Wires,
) -> Result<(), Error> {
    match connect {
        Connect::All => to.push((0..n).filter(|&j| Some(j) != own))?,
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
                if Some(j) != own {
                    to.push(core::iter::once(j))?;
                }
                j += 1;
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
            to.push(targets.iter().map(|&j| j as usize))?;
        }
    }
    to.end_source();
    Ok(())
}

/// Those of some sources, as a user has them.
pub(crate) fn listed(wires: &Wires, sources: Range<usize>) -> SynapseList {
    let mut starts = [0].to_vec();
    let mut targets = alloc::vec::Vec::with_capacity(wires.count(sources.clone()));
    for source in sources {
        targets.extend_from_slice(wires.targets(source));
        starts.push(targets.len());
    }
    SynapseList::new(wires.n_neurons(), starts, targets)
}

/// Whether the synapses of a source are positive, negative, or free, for every source: Dale's law.
///
/// # Errors
/// [`Error::Value`] for a list of another length, and for other numbers.
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
