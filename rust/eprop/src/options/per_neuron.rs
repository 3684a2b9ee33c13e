//! Settings that one neuron may have otherwise than the next.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::Error;

/// Arrays (N,) that stand in the place of a [`Config`](crate::Config)'s number of the same name; `None`: the number, for all neurons.
///
/// ```
/// use eprop::{Config, EpropTrainer, PerNeuron};
/// // Four neurons that adapt among four that do not.
/// let beta = [0.0, 0.0, 0.0, 0.0, 0.2, 0.2, 0.2, 0.2].to_vec();
/// let each = PerNeuron { beta: Some(beta), ..PerNeuron::default() };
/// EpropTrainer::<f32>::new(3, 8, 2, Config { each: each.clone(), ..Config::default() })?;
/// let error = EpropTrainer::<f32>::new(3, 9, 2, Config { each, ..Config::default() }).unwrap_err();
/// assert_eq!(error.to_string(), "beta: expected a number, or an array (9,): one for each neuron, got shape (8,)");
/// # Ok::<(), eprop::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PerNeuron {
    /// Membrane time constant of each neuron. An [`OnlineLifLayer`](crate::OnlineLifLayer) takes none.
    pub tau_mem: Option<Vec<f64>>,
    /// `v_th` of each neuron.
    pub threshold: Option<Vec<f64>>,
    /// `beta` of each neuron.
    pub beta: Option<Vec<f64>>,
    /// Time constant of each neuron's adaptation.
    pub tau_adaptation: Option<Vec<f64>>,
}

impl PerNeuron {
    fn named(&self) -> [(&'static str, &Option<Vec<f64>>); 4] {
        [
            ("tau_mem", &self.tau_mem),
            ("threshold", &self.threshold),
            ("beta", &self.beta),
            ("tau_adaptation", &self.tau_adaptation),
        ]
    }

    /// Whether all neurons are alike.
    pub(crate) fn is_empty(&self) -> bool {
        self.named().iter().all(|(_, array)| array.is_none())
    }

    /// Refuses arrays where layers of several sizes have the settings in common.
    pub(crate) fn absent(&self) -> Result<(), Error> {
        match self.named().into_iter().find(|(_, array)| array.is_some()) {
            Some((name, _)) => Err(Error::value(name, "a number, for all layers", "an array")),
            None => Ok(()),
        }
    }

    /// The longest membrane time constant, where `common` is the number that the array stands for.
    pub(crate) fn longest_tau_mem(&self, common: f64) -> f64 {
        let longest =
            |taus: &Vec<f64>| taus.iter().fold(0.0, |longest: f64, &tau| longest.max(tau));
        self.tau_mem.as_ref().map_or(common, longest)
    }

    /// The shortest of them.
    pub(crate) fn shortest_tau_mem(&self, common: f64) -> f64 {
        let shortest = |taus: &Vec<f64>| {
            taus.iter()
                .fold(f64::INFINITY, |shortest, &tau| shortest.min(tau))
        };
        self.tau_mem.as_ref().map_or(common, shortest)
    }

    /// How many numbers the longest array has.
    pub(crate) fn len(&self) -> usize {
        let lengths = self
            .named()
            .map(|(_, array)| array.as_ref().map_or(0, Vec::len));
        lengths.into_iter().max().unwrap_or(0)
    }

    /// Whether every array has a number for each of `n` neurons.
    pub(crate) fn fit(&self, n: usize) -> Result<(), Error> {
        for (name, array) in self.named() {
            if let Some(array) = array.as_ref().filter(|array| array.len() != n) {
                let expected = alloc::format!("a number, or an array ({n},): one for each neuron");
                return Err(Error::value(
                    name,
                    expected,
                    alloc::format!("shape ({},)", array.len()),
                ));
            }
        }
        Ok(())
    }
}

/// The number of neuron `j`: its own, or everybody's.
pub(crate) fn own(array: &Option<Vec<f64>>, j: usize, common: f64) -> f64 {
    array
        .as_ref()
        .and_then(|array| array.get(j))
        .copied()
        .unwrap_or(common)
}
