//! Whether synapses that an update takes across 0 give their place to others, as a user says it.

use serde::{Deserialize, Serialize};

use super::config::Config;
use super::domain::{non_negative, within};
use super::update_every::UpdateEvery;
use crate::{Error, Float};

/// DEEP R (Bellec et al. 2018): the synapses of the matrices that `connect_in` and `connect_rec` leave sparse are rewired at every update. A synapse keeps its
/// sign: whose weight would cross 0 is pruned, and as many that do not exist, drawn at random, take their place, with a weight of 0. docs/wiring.md says
/// what becomes of traces and moments.
///
/// ```
/// use eprop::{Config, Connect, EpropTrainer, Matrix, Optimizer, Rewire, TrainOptions, UpdateEvery};
/// let config = Config {
///     connect_in: Connect::Density(0.1), rewire: Some(Rewire { l1: 1.0, ..Rewire::default() }), update_every: UpdateEvery::Sequence,
///     optimizer: Optimizer::ADAM, lr: 0.01, ..Config::default()
/// };
/// let mut trainer = EpropTrainer::<f32>::new(40, 20, 1, config)?;
/// let before = trainer.synapses(Matrix::WIn);
/// let (x, y) = (ndarray::Array2::ones((20, 40)), ndarray::Array2::ones((20, 1)));
/// for _ in 0..20 {
///     trainer.train_sequence(x.view(), y.view(), TrainOptions::default())?;
/// }
/// let after = trainer.synapses(Matrix::WIn);
/// let count = |list: &eprop::SynapseList| (0..list.n_sources()).map(|source| list.targets(source).len()).sum::<usize>();
/// assert!(before != after && before.as_ref().map(count) == after.as_ref().map(count));
/// # Ok::<(), eprop::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rewire {
    /// By how much each update draws weights to 0, times the learning rate, >= 0: the more, the more synapses move.
    pub l1: f64,
    /// Temperature of the noise that each update adds to weights: a standard deviation of `sqrt(2 eta temperature)`; 0 = none.
    pub temperature: f64,
}

impl Rewire {
    /// Whether the other settings leave it something to do.
    pub(crate) fn validate(&self, config: &Config) -> Result<(), Error> {
        non_negative("rewire.l1", self.l1)?;
        non_negative("rewire.temperature", self.temperature)?;
        if config.update_every == UpdateEvery::Steps(1) {
            let expected = "update_every of at least 2, or \"sequence\": synapses move at updates, and need steps in between";
            return Err(Error::value("rewire", expected, "update_every = 1"));
        }
        if !config.is_wired() {
            let expected =
                "connect_in or connect_rec, the synapses that exist, since only those can move";
            return Err(Error::value("rewire", expected, "neither of them"));
        }
        Ok(())
    }

    /// Whether its constants are within the range of the trainer's numbers.
    pub(crate) fn fits<F: Float>(&self) -> Result<(), Error> {
        within::<F>("rewire.l1", self.l1)?;
        within::<F>("rewire.temperature", self.temperature)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::{Config, Rewire, UpdateEvery};
    use crate::options::Connect;

    #[test]
    fn what_it_cannot_do_is_refused_with_what_to_do() {
        let wired = Config {
            connect_in: Connect::Density(0.5),
            update_every: UpdateEvery::Sequence,
            ..Config::default()
        };
        let refused = |rewire: Rewire, config: &Config| rewire.validate(config).unwrap_err();
        Rewire::default().validate(&wired).unwrap();
        for (config, expected) in [
            (
                Config {
                    update_every: UpdateEvery::Steps(1),
                    ..wired.clone()
                },
                "update_every of at least 2",
            ),
            (
                Config {
                    connect_in: Connect::All,
                    ..wired.clone()
                },
                "connect_in or connect_rec",
            ),
        ] {
            let error = refused(Rewire::default(), &config).to_string();
            assert!(
                error.starts_with("rewire: ") && error.contains(expected),
                "{error}"
            );
        }
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            let l1 = Rewire {
                l1: bad,
                ..Rewire::default()
            };
            let temperature = Rewire {
                temperature: bad,
                ..Rewire::default()
            };
            for (rewire, name) in [(l1, "rewire.l1"), (temperature, "rewire.temperature")] {
                let error = refused(rewire, &wired).to_string();
                assert!(error.starts_with(name), "{error}");
            }
        }
        let wide = Rewire {
            l1: 1e300,
            temperature: 0.0,
        };
        assert!(wide.fits::<f64>().is_ok() && wide.fits::<f32>().is_err());
    }
}
