//! Through how many steps credit flows back through recurrent spikes.

use serde::{Deserialize, Serialize};

use super::config::Config;
use super::engine::Engine;
use super::update_every::UpdateEvery;
use crate::Error;

/// Steps through which credit flows back through recurrent spikes.
///
/// ```
/// use eprop::{Config, EpropTrainer, Horizon, UpdateEvery};
/// let config = Config { horizon: Horizon::Steps(20), update_every: UpdateEvery::Sequence, ..Config::default() };
/// EpropTrainer::<f32>::new(3, 8, 2, config)?;
/// # Ok::<(), eprop::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Horizon {
    /// Blocks of so many steps since `reset`. 1 is e-prop.
    Steps(usize),
    /// All steps between two updates: the history grows with the sequence.
    Sequence,
}

const OF_ANY: &str = "1, a number of steps >= 1, or \"sequence\"";

impl Horizon {
    /// Whether a recurrent spike gets any credit at all.
    pub(crate) fn is_beyond_a_step(self) -> bool {
        self != Self::Steps(1)
    }

    /// As a number of steps.
    pub(crate) fn steps(self) -> usize {
        match self {
            Self::Steps(n) => n,
            Self::Sequence => usize::MAX,
        }
    }

    /// Whether a network may be given it, as far as this depends on other settings.
    pub(crate) fn validate(self, config: &Config) -> Result<(), Error> {
        let refused = |expected: &str| Err(Error::value("horizon", expected, self.named()));
        match (self, config.update_every) {
            (Self::Steps(0), _) => return refused(OF_ANY),
            (Self::Steps(1), _) => return Ok(()),
            (_, UpdateEvery::Steps(1)) => {
                return refused("1 with update_every = 1: a step has no future to look at");
            }
            (Self::Sequence, UpdateEvery::Steps(_)) => {
                return refused(
                    "a number of steps, or update_every = \"sequence\" with \"sequence\"",
                );
            }
            _ => {}
        }
        match config.engine {
            Some(engine) if engine != Engine::Block => Err(Error::value(
                "engine",
                "block with a horizon beyond one step",
                engine.as_str(),
            )),
            _ => Ok(()),
        }
    }

    /// Whether a gradient of whole sequences may have it.
    pub(crate) fn validate_of_gradients(self) -> Result<(), Error> {
        match self {
            Self::Steps(0) => Err(Error::value("horizon", OF_ANY, self.named())),
            _ => Ok(()),
        }
    }

    pub(crate) fn named(self) -> alloc::string::String {
        match self {
            Self::Steps(n) => alloc::format!("{n}"),
            Self::Sequence => "\"sequence\"".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::Horizon::{self, Sequence, Steps};
    use crate::options::{Config, Engine, UpdateEvery};

    fn with(horizon: Horizon, update_every: UpdateEvery, engine: Option<Engine>) -> Config {
        Config {
            horizon,
            update_every,
            engine,
            ..Config::default()
        }
    }

    #[test]
    fn a_horizon_needs_weights_that_rest_and_the_block_form() {
        let every = UpdateEvery::Steps;
        for (horizon, update_every) in [
            (Steps(1), every(1)),
            (Steps(5), every(2)),
            (Steps(500), every(20)),
            (Steps(5), UpdateEvery::Sequence),
            (Sequence, UpdateEvery::Sequence),
        ] {
            with(horizon, update_every, None).validate().unwrap();
        }
        for (horizon, update_every, engine, name) in [
            (Steps(0), every(20), None, "horizon"),
            (Steps(2), every(1), None, "horizon"),
            (Sequence, every(1), None, "horizon"),
            (Sequence, every(20), None, "horizon"),
            (Steps(2), every(20), Some(Engine::Textbook), "engine"),
            (Steps(2), every(20), Some(Engine::Factored), "engine"),
        ] {
            let refused = with(horizon, update_every, engine).validate().unwrap_err();
            let text = refused.to_string();
            assert!(
                text.starts_with(&alloc::format!("{name}: expected ")),
                "{text}"
            );
        }
    }
}
