//! `Part`: some neurons of a recurrent network whose others are in other processes.

use alloc::format;
use alloc::vec::Vec;
use core::ops::Range;

use serde::{Deserialize, Serialize};

use super::config::Config;
use super::plan::Sizes;
use crate::Error;

/// Which neurons of a larger network a trainer has: as many as its `n_neurons` says, with the synapses that reach them, their readout weights and their feedback.
///
/// Spikes come from all neurons. `connect_rec` has a column for each of them, and `sign` a number; a list, an array of numbers for each neuron and the weights
/// that are read are those of its own neurons. The [`Peers`](crate::Peers) have the others. Example: there.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The number of its first neuron in the whole network.
    pub first: usize,
    /// How many neurons the whole network has.
    pub all: usize,
    /// For each source, inputs first, how many synapses it has with the neurons before its own, where synapses are listed: initial weights are drawn for these,
    /// too, so that the network is that of one process. Otherwise empty.
    #[serde(skip)]
    pub before: Vec<u32>,
    /// The same with the neurons behind its own.
    #[serde(skip)]
    pub after: Vec<u32>,
}

/// What only initial weights need makes no other part.
impl PartialEq for Part {
    fn eq(&self, other: &Self) -> bool {
        (self.first, self.all) == (other.first, other.all)
    }
}

impl Part {
    /// The numbers of its neurons, of which there are `n`.
    pub(crate) fn neurons(&self, n: usize) -> Range<usize> {
        self.first..self.first.saturating_add(n)
    }

    /// Whether there is such a part, and a network can be spread that is configured so.
    ///
    /// # Errors
    /// [`Error::Value`].
    pub(super) fn fits(&self, sizes: Sizes, config: &Config) -> Result<(), Error> {
        let neurons = self.neurons(sizes.n);
        let refused = |name: &'static str, got: usize| {
            let expected = "1 in a network that is spread over processes";
            Err(Error::value(name, expected, got))
        };
        if neurons.end > self.all {
            let expected = format!("neurons below {}", self.all);
            return Err(Error::value("part", expected, format!("{neurons:?}")));
        }
        for (name, counts) in [("part.before", &self.before), ("part.after", &self.after)] {
            let of_all = sizes.n_inputs.saturating_add(self.all);
            if !counts.is_empty() && counts.len() != of_all {
                let expected = format!("none, or one for each of {of_all} sources");
                return Err(Error::value(name, expected, counts.len()));
            }
        }
        if config.batch_size != 1 {
            return refused("batch_size", config.batch_size);
        }
        if config.delay != 1 {
            return refused("delay", config.delay);
        }
        if config.horizon.is_beyond_a_step() {
            let expected = "1 in a network that is spread over processes";
            return Err(Error::value("horizon", expected, config.horizon.named()));
        }
        if config.each.tau_mem.is_some() {
            // The limit of a step goes by the longest of the whole network.
            let expected = "one number in a network that is spread over processes";
            return Err(Error::value("tau_mem", expected, "one for each neuron"));
        }
        if config.rewire.is_some() {
            let expected = "none in a network that is spread over processes";
            return Err(Error::value("rewire", expected, "one"));
        }
        Ok(())
    }
}
