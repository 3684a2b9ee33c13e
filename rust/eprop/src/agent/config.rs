//! What a user sets of an agent.

use serde::{Deserialize, Serialize};

use crate::options::domain::{non_negative, valid_size, within};
use crate::options::{Config, Engine, Horizon, Loss, UpdateEvery};
use crate::{Error, Float};

/// Configuration of an [`EpropAgent`](crate::EpropAgent).
///
/// ```
/// use eprop::{AgentConfig, Config, Optimizer};
/// let network = Config { optimizer: Optimizer::ADAM, lr: 0.005, ..Config::default() };
/// let config = AgentConfig { network, entropy: 0.01, ..AgentConfig::default() };
/// assert_eq!((config.gamma, config.lam, config.value_weight), (0.99, 0.9, 0.5));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgentConfig {
    /// Neurons, readouts, optimizer, seed, and in `batch_size` the number of environments. `update_every` counts TD errors, of all environments together;
    /// [`UpdateEvery::Sequence`](crate::UpdateEvery::Sequence) is the end of an episode. The synapses take the textbook form. `loss`, `c_reg` and `horizon`
    /// stay as they are by default: an agent has a loss of its own, and nothing else is written for it.
    pub network: Config,
    /// By how much a reward counts less with each decision until it comes: 0 to 1.
    pub gamma: f64,
    /// Traces of decisions decay with `gamma lam`: 0 to 1.
    pub lam: f64,
    /// Weight of the entropy bonus, which keeps policies from being certain early.
    pub entropy: f64,
    /// Weight of the value's errors beside those of the policy.
    pub value_weight: f64,
    /// Steps of the network for each decision, which is taken after the last of them.
    pub steps_per_action: usize,
}

impl Default for AgentConfig {
    fn default() -> Self {
        Self {
            network: Config::default(),
            gamma: 0.99,
            lam: 0.9,
            entropy: 0.0,
            value_weight: 0.5,
            steps_per_action: 10,
        }
    }
}

impl AgentConfig {
    pub(super) fn validate<F: Float>(&self) -> Result<(), Error> {
        share("gamma", self.gamma)?;
        share("lam", self.lam)?;
        non_negative("entropy", self.entropy)?;
        non_negative("value_weight", self.value_weight)?;
        for (name, value) in [
            ("entropy", self.entropy),
            ("value_weight", self.value_weight),
        ] {
            within::<F>(name, value)?;
        }
        valid_size("steps_per_action", self.steps_per_action)?;
        if self.network.update_every == UpdateEvery::Steps(0) {
            return Err(Error::value(
                "update_every",
                "a number of decisions >= 1, or the end of an episode",
                0,
            ));
        }
        self.validate_what_is_left_out()
    }

    /// What a trainer has, and an agent has not.
    fn validate_what_is_left_out(&self) -> Result<(), Error> {
        let Config {
            loss,
            c_reg,
            horizon,
            engine,
            ..
        } = self.network;
        if loss != Loss::Mse {
            return Err(Error::value(
                "loss",
                "the default of an agent, which has its own",
                loss.as_str(),
            ));
        }
        if c_reg != 0.0 {
            return Err(Error::number("c_reg", "0 of an agent", c_reg));
        }
        if self.network.rewire.is_some() {
            return Err(Error::value("rewire", "none of an agent", "one"));
        }
        if horizon != Horizon::Steps(1) {
            return Err(Error::value("horizon", "1 of an agent", "more steps"));
        }
        match engine {
            None | Some(Engine::Textbook) => Ok(()),
            Some(form) => Err(Error::value(
                "engine",
                "textbook of an agent",
                form.as_str(),
            )),
        }
    }

    /// That of the trainer whose streams the agent moves: it never makes an update by itself.
    pub(super) fn of_network(&self) -> Config {
        Config {
            engine: Some(Engine::Textbook),
            update_every: UpdateEvery::Steps(1),
            ..self.network.clone()
        }
    }
}

fn share(argument: &'static str, value: f64) -> Result<(), Error> {
    match (0.0..=1.0).contains(&value) {
        true => Ok(()),
        false => Err(Error::number(argument, "a number of 0 to 1", value)),
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::{AgentConfig, Config, Engine, Horizon, Loss, UpdateEvery};

    fn refused(change: impl FnOnce(&mut AgentConfig)) -> alloc::string::String {
        let mut config = AgentConfig::default();
        change(&mut config);
        config.validate::<f32>().unwrap_err().to_string()
    }

    #[test]
    fn numbers_outside_their_domains_are_refused_by_name() {
        assert!(AgentConfig::default().validate::<f32>().is_ok());
        for (named, error) in [
            ("gamma", refused(|config| config.gamma = 1.5)),
            ("lam", refused(|config| config.lam = f64::NAN)),
            ("entropy", refused(|config| config.entropy = -1.0)),
            (
                "value_weight",
                refused(|config| config.value_weight = 1e300),
            ),
            (
                "steps_per_action",
                refused(|config| config.steps_per_action = 0),
            ),
        ] {
            assert!(error.starts_with(named), "{named}: {error}");
        }
    }

    #[test]
    fn what_an_agent_has_not_is_refused_by_name() {
        let network = |change: fn(&mut Config)| refused(|config| change(&mut config.network));
        for (named, error) in [
            (
                "update_every",
                network(|config| config.update_every = UpdateEvery::Steps(0)),
            ),
            ("c_reg", network(|config| config.c_reg = 1.0)),
            (
                "horizon",
                network(|config| config.horizon = Horizon::Steps(5)),
            ),
            (
                "engine",
                network(|config| config.engine = Some(Engine::Block)),
            ),
            ("loss", network(|config| config.loss = Loss::CrossEntropy)),
        ] {
            assert!(error.starts_with(named), "{named}: {error}");
        }
    }
}
