//! Reward-based e-prop: an actor and a critic over one recurrent layer, with traces of decisions. The equations are in docs/reward.md.

mod access;
pub(crate) mod compiled;
mod config;
mod episode;
mod files;
mod policy;
mod state;
mod trace;
mod update;

use alloc::vec::Vec;

use ndarray::{ArrayView1, ArrayView2};

use self::episode::{Choice, Episode};
use self::policy::uniform;
use self::trace::Trace;
use crate::error::Dim;
use crate::network::recurrent::Recurrent;
use crate::network::wiring::Wiring;
use crate::numbers::interrupt::Interrupt;
use crate::numbers::memory::vec_for;
use crate::numbers::room::Room;
use crate::options::UpdateEvery;
use crate::options::domain::valid_size;
use crate::options::plan::Plan;
use crate::parts::check;
use crate::parts::input::Inputs;
use crate::{EpropTrainer, Error, Float};

pub use config::AgentConfig;

/// Learns from rewards: one recurrent layer with a readout for each action and one for the value of the situation.
///
/// A decision takes `steps_per_action` steps of the network. [`act`](Self::act) makes them and draws an action from the policy, [`learn`](Self::learn) is told
/// what came of it. Memory does not grow, and nothing is replayed. With `batch_size` environments, a stream each over the same weights, the calls are
/// [`act_batch`](Self::act_batch) and [`learn_batch`](Self::learn_batch).
///
/// ```
/// use eprop::{AgentConfig, EpropAgent};
/// use ndarray::array;
/// let mut agent = EpropAgent::<f32>::new(2, 20, 2, AgentConfig::default())?;
/// // The left action is worth 1.
/// for _ in 0..50 {
///     let action = agent.act(array![1.0, 0.0].view())?;
///     agent.learn(if action == 0 { 1.0 } else { 0.0 }, true)?;
/// }
/// assert_eq!(agent.policy(0).map(|policy| policy.len()), Some(2));
/// # Ok::<(), eprop::Error>(())
/// ```
pub struct EpropAgent<F: Float> {
    config: AgentConfig,
    /// Its streams live in the environments. It makes no update itself.
    trainer: EpropTrainer<F>,
    memory: Memory<F>,
}

/// What an agent keeps beside its network.
#[derive(Debug)]
struct Memory<F> {
    episodes: Vec<Episode<F>>,
    /// `sum delta M` since the last update.
    sum: Trace<F>,
    /// The gradient of the entropy bonus since then, where there is one.
    of_entropy: Option<Trace<F>>,
    /// `sum 0.5 delta^2` since then.
    loss: f64,
    /// Actions drawn so far.
    n_draws: u64,
}

/// What follows an action.
///
/// ```
/// use eprop::{AgentConfig, EpropAgent, Next};
/// use ndarray::{Array2, array};
/// let mut agent = EpropAgent::<f32>::new(2, 20, 2, AgentConfig { steps_per_action: 4, ..AgentConfig::default() })?;
/// agent.act(array![1.0, 0.0].view())?;
/// let seen = Array2::ones((4, 2));
/// agent.learn_batch(&[1.0], &[Next::TimeLimit(seen.view().into())], true)?;
/// # Ok::<(), eprop::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Next<'a, F> {
    /// Another decision.
    Decision,
    /// The end of the episode: nothing is to be gained from here on.
    End,
    /// The end of the time, which is none of the episode: what was seen last, (steps_per_action, n_inputs), says what would have come.
    TimeLimit(Inputs<'a, F>),
}

impl<F: Float> Memory<F> {
    fn new(room: &mut Room, plan: &Plan, config: &AgentConfig) -> Result<Self, Error> {
        let has_bias = config.network.readout_bias;
        let mut episodes = room.list(config.network.batch_size)?;
        if room.counts_only() {
            room.times(config.network.batch_size, |room| {
                Episode::<F>::new(room, plan, has_bias).map(drop)
            })?;
        } else {
            for _ in 0..config.network.batch_size {
                episodes.push(Episode::new(room, plan, has_bias)?);
            }
        }
        Ok(Self {
            episodes,
            sum: Trace::new(room, plan, has_bias)?,
            of_entropy: match config.entropy == 0.0 {
                true => None,
                false => Some(Trace::new(room, plan, has_bias)?),
            },
            loss: 0.0,
            n_draws: 0,
        })
    }

    /// TD errors since the last update.
    fn n_errors(&self) -> u64 {
        let counts = self.episodes.iter().map(|episode| episode.n_errors);
        counts.fold(0, u64::saturating_add)
    }

    /// What has been summed up has been used.
    fn drop_sums(&mut self) {
        self.sum.clear();
        if let Some(of_entropy) = &mut self.of_entropy {
            of_entropy.clear();
        }
        self.loss = 0.0;
        self.episodes
            .iter_mut()
            .for_each(|episode| episode.n_errors = 0);
    }
}

impl<F: Float> EpropAgent<F> {
    /// A silent network with initial weights from the seed.
    ///
    /// # Errors
    /// [`Error::Value`] for a size or a setting outside its domain, [`Error::TooLarge`] for sizes that cannot be allocated.
    ///
    /// ```
    /// use eprop::{AgentConfig, EpropAgent};
    /// let config = AgentConfig { gamma: 2.0, ..AgentConfig::default() };
    /// let error = EpropAgent::<f32>::new(3, 8, 2, config).unwrap_err();
    /// assert_eq!(error.to_string(), "gamma: expected a number of 0 to 1, got 2");
    /// ```
    pub fn new(
        n_inputs: usize,
        n_neurons: usize,
        n_actions: usize,
        config: AgentConfig,
    ) -> Result<Self, Error> {
        Self::new_until(n_inputs, n_neurons, n_actions, config, Interrupt::NOBODY)
    }

    /// As [`new`](Self::new), unless it is stopped; later calls ask the same. Example: [`Interrupt`].
    ///
    /// # Errors
    /// As [`new`](Self::new); [`Error::Interrupted`].
    pub fn new_until(
        n_inputs: usize,
        n_neurons: usize,
        n_actions: usize,
        config: AgentConfig,
        interrupt: Interrupt,
    ) -> Result<Self, Error> {
        Self::check(n_actions, &config)?;
        let n_outputs = n_actions.saturating_add(1);
        let trainer = EpropTrainer::new_until(
            n_inputs,
            n_neurons,
            n_outputs,
            config.of_network(),
            interrupt,
        )?;
        let memory = Self::memory_of(&trainer, &config)?;
        Ok(Self {
            config,
            trainer,
            memory,
        })
    }

    fn check(n_actions: usize, config: &AgentConfig) -> Result<(), Error> {
        valid_size("n_actions", n_actions)?;
        config.validate::<F>()
    }

    fn memory_of(trainer: &EpropTrainer<F>, config: &AgentConfig) -> Result<Memory<F>, Error> {
        let (plan, sizes) = (&trainer.plan, trainer.plan.sizes);
        let named = || alloc::format!("{sizes}, batch_size = {}", config.network.batch_size);
        Room::build_until(named, trainer.streams.interrupt(), |room| {
            Memory::new(room, plan, config)
        })
    }

    /// Takes an action of the only environment: `observation` (n_inputs,) is what the inputs get at each step of the decision.
    ///
    /// First it learns from the decision before, whose reward has been [told](Self::learn): only now the value of what followed is known.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`] for NaN and infinity, and where the last action still waits for its reward; then nothing has changed.
    /// [`Error::NonFiniteWeights`] after the step; [`Error::Interrupted`].
    ///
    /// ```
    /// # use eprop::{AgentConfig, EpropAgent};
    /// # use ndarray::array;
    /// let mut agent = EpropAgent::<f32>::new(2, 20, 3, AgentConfig::default())?;
    /// assert!(agent.act(array![1.0, 0.0].view())? < 3);
    /// assert!(agent.act(array![1.0, 0.0].view()).is_err()); // a reward is awaited
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn act(&mut self, observation: ArrayView1<'_, F>) -> Result<usize, Error> {
        let rows = self.at_each_step(&observation)?;
        let actions = self.act_batch(&[rows.into()])?;
        Ok(actions.first().copied().unwrap_or_default())
    }

    /// The action that is the most likely, of which nothing is learned: to judge a policy, in episodes of their own. Otherwise as [`act`](Self::act).
    ///
    /// # Errors
    /// As [`act`](Self::act); [`Error::Value`] in the middle of an episode from which something is learned.
    ///
    /// ```
    /// # use eprop::{AgentConfig, EpropAgent};
    /// # use ndarray::array;
    /// let mut agent = EpropAgent::<f32>::new(2, 20, 3, AgentConfig::default())?;
    /// let before = agent.network().w_in();
    /// agent.act_greedily(array![1.0, 0.0].view())?;
    /// assert_eq!(agent.network().w_in(), before);
    /// agent.reset();
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn act_greedily(&mut self, observation: ArrayView1<'_, F>) -> Result<usize, Error> {
        let rows = self.at_each_step(&observation)?;
        let actions = self.act_greedily_batch(&[rows.into()])?;
        Ok(actions.first().copied().unwrap_or_default())
    }

    /// As [`act`](Self::act), in every environment: of each what its inputs get, (steps_per_action, n_inputs).
    ///
    /// # Errors
    /// As [`act`](Self::act).
    ///
    /// ```
    /// use eprop::{AgentConfig, Config, EpropAgent, Input, Inputs, Next};
    /// let network = Config { batch_size: 2, ..Config::default() };
    /// let mut agent = EpropAgent::<f32>::new(9, 20, 3, AgentConfig { network, steps_per_action: 2, ..AgentConfig::default() })?;
    /// // The first environment is an array, the second are spikes of inputs 3 and 8, then of input 1.
    /// let (x, events) = (ndarray::Array2::ones((2, 9)), Inputs::Events { n_inputs: 9, start: &[0, 2, 3], units: &[3, 8, 1], values: None });
    /// let actions = agent.act_batch(&[x.view().into(), events])?;
    /// assert_eq!(actions.len(), 2);
    /// agent.learn_batch(&[0.0, 1.0], &[Next::Decision, Next::End], true)?;
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn act_batch(&mut self, observations: &[Inputs<'_, F>]) -> Result<Vec<usize>, Error> {
        self.check_observations(observations)?;
        self.perceive(observations)?;
        let actions = self.decide()?;
        let updated = self.update_if(self.enough_errors());
        self.remember();
        updated.map(|()| actions)
    }

    /// As [`act_greedily`](Self::act_greedily), in every environment. Example: [`act_batch`](Self::act_batch).
    ///
    /// # Errors
    /// As [`act_greedily`](Self::act_greedily).
    pub fn act_greedily_batch(
        &mut self,
        observations: &[Inputs<'_, F>],
    ) -> Result<Vec<usize>, Error> {
        self.check_observations(observations)?;
        if !self.memory.episodes.iter().all(Episode::is_over) {
            let expected = "no decision that is still learned from; call reset() before an episode that is only to be judged";
            return Err(Error::value("greedy", expected, "the middle of an episode"));
        }
        self.perceive(observations)?;
        let streams = self.trainer.streams.iter().zip(&mut self.memory.episodes);
        let act = |(stream, episode): (&Recurrent<F>, &mut Episode<F>)| {
            episode.see(stream.output());
            episode.choose(Choice::Likeliest)
        };
        Ok(streams.map(act).collect())
    }

    /// What came of the last action: its reward, and whether the episode is `done`. Then all that was kept of it is forgotten, and the network is silent.
    ///
    /// # Errors
    /// [`Error::Value`] for a reward that is not finite, and where no action waits for one; then nothing has changed. [`Error::NonFiniteWeights`] after
    /// the update. Example: [`EpropAgent`].
    pub fn learn(&mut self, reward: f64, done: bool) -> Result<(), Error> {
        let next = if done { Next::End } else { Next::Decision };
        self.learn_batch(&[reward], &[next], true)
    }

    /// As [`learn`](Self::learn), of every environment. With `reset` the network of an episode that is over is silent again; without, it goes on as it is.
    ///
    /// # Errors
    /// As [`learn`](Self::learn); those of a last observation are the errors of [`act`](Self::act). [`Error::Interrupted`] within the steps of a last
    /// observation: then rewards still wait. Example: [`Next`].
    pub fn learn_batch(
        &mut self,
        rewards: &[f64],
        next: &[Next<'_, F>],
        reset: bool,
    ) -> Result<(), Error> {
        self.check_outcome(rewards, next)?;
        // First, since they can be stopped: rewards still wait then.
        for (b, next) in next.iter().enumerate() {
            if let Next::TimeLimit(observation) = next {
                self.trainer.streams.predict_alone(b, *observation)?;
            }
        }
        let memory = &mut self.memory;
        let (gamma, mut ended) = (self.config.gamma, false);
        let streams = self.trainer.streams.iter_mut().zip(&mut memory.episodes);
        for ((stream, episode), (&reward, next)) in streams.zip(rewards.iter().zip(next)) {
            episode.take_reward(reward);
            let following = match next {
                Next::Decision => continue,
                Next::End => 0.0,
                Next::TimeLimit(_) => stream.output().last().map_or(0.0, |value| value.to_f64()),
            };
            memory.loss += episode.judge(gamma, following, &mut memory.sum);
            ended = true;
            episode.end();
            if reset {
                stream.circle().reset();
            }
        }
        self.update_if(match self.config.network.update_every {
            UpdateEvery::Sequence => ended,
            UpdateEvery::Steps(_) => self.enough_errors(),
        })
    }

    /// Silence in every environment: no decision is learned from any more, and what waits for an update is dropped. Weights stay, and so does what the
    /// optimizer keeps. Example: [`act_greedily`](Self::act_greedily).
    pub fn reset(&mut self) {
        self.trainer.reset();
        self.memory.drop_sums();
        self.memory.episodes.iter_mut().for_each(Episode::end);
    }

    /// The same row at every step of a decision.
    fn at_each_step<'a>(
        &self,
        observation: &'a ArrayView1<'_, F>,
    ) -> Result<ArrayView2<'a, F>, Error> {
        let (steps, n_inputs) = (self.config.steps_per_action, self.n_inputs());
        let rows = match observation.len() == n_inputs {
            true => observation.broadcast((steps, n_inputs)),
            false => None,
        };
        rows.ok_or_else(|| Error::shape("observation", &[Dim::Is(n_inputs)], observation.shape()))
    }

    /// Whether an update takes what waits: the end of an episode is not waited for here.
    fn enough_errors(&self) -> bool {
        match self.config.network.update_every {
            UpdateEvery::Steps(n) => self.memory.n_errors() >= n as u64,
            UpdateEvery::Sequence => false,
        }
    }

    fn check_observations(&self, observations: &[Inputs<'_, F>]) -> Result<(), Error> {
        let n_streams = self.memory.episodes.len();
        check::streams("observation", n_streams, observations.len())?;
        for (b, observation) in observations.iter().enumerate() {
            self.check_observation(observation)
                .map_err(|error| error.in_stream_of(n_streams, b))?;
        }
        if let Some(b) = self.memory.episodes.iter().position(Episode::awaits_reward) {
            let expected = "the reward of the last action first: call learn(reward, done)";
            let error = Error::value("observation", expected, "another observation");
            return Err(error.in_stream_of(n_streams, b));
        }
        Ok(())
    }

    fn check_observation(&self, observation: &Inputs<'_, F>) -> Result<(), Error> {
        observation
            .check(self.n_inputs(), 1)
            .map_err(of_observation)?;
        let steps = self.config.steps_per_action;
        if observation.n_steps() == steps {
            return Ok(());
        }
        let expected = alloc::format!("{steps} steps (steps_per_action)");
        Err(Error::value("observation", expected, observation.n_steps()))
    }

    fn check_outcome(&self, rewards: &[f64], next: &[Next<'_, F>]) -> Result<(), Error> {
        let n_streams = self.memory.episodes.len();
        check::streams("reward", n_streams, rewards.len())?;
        check::streams("done", n_streams, next.len())?;
        for (b, (&reward, next)) in rewards.iter().zip(next).enumerate() {
            let checked = if !reward.is_finite() {
                Err(Error::number("reward", "a finite number", reward))
            } else if let Next::TimeLimit(observation) = next {
                self.check_observation(observation)
            } else {
                Ok(())
            };
            checked.map_err(|error| error.in_stream_of(n_streams, b))?;
        }
        let mut episodes = self.memory.episodes.iter();
        if let Some(b) = episodes.position(|episode| !episode.awaits_reward()) {
            let expected = "an action that waits for it: call act(observation) first";
            let error = Error::value("reward", expected, "a reward");
            return Err(error.in_stream_of(n_streams, b));
        }
        Ok(())
    }

    /// The steps of a decision, in every environment.
    fn perceive(&mut self, observations: &[Inputs<'_, F>]) -> Result<(), Error> {
        let nowhere = || observations.iter().map(|_| None).collect();
        self.trainer
            .streams
            .predict(observations, nowhere(), nowhere())
    }

    /// The policies, the TD errors that are known now, and the actions with what they teach; with the weights that the steps were made with.
    fn decide(&mut self) -> Result<Vec<usize>, Error> {
        let AgentConfig {
            gamma,
            value_weight,
            entropy,
            ref network,
            ..
        } = self.config;
        let memory = &mut self.memory;
        let mut actions = vec_for("the actions", memory.episodes.len())?;
        for (stream, episode) in self.trainer.streams.iter().zip(&mut memory.episodes) {
            if !episode.is_over() {
                let following = stream.output().last().map_or(0.0, |value| value.to_f64());
                memory.loss += episode.judge(gamma, following, &mut memory.sum);
            }
            episode.see(stream.output());
            let action = episode.choose(Choice::Drawn(uniform(network.seed, memory.n_draws)));
            memory.n_draws += 1;
            episode.blame(action, value_weight, entropy, stream);
            actions.push(action);
        }
        Ok(actions)
    }

    /// The decisions join their traces.
    fn remember(&mut self) {
        let decay = self.config.gamma * self.config.lam;
        let memory = &mut self.memory;
        for (stream, episode) in self.trainer.streams.iter().zip(&mut memory.episodes) {
            episode.remember(decay, stream, memory.of_entropy.as_mut());
        }
    }
}

/// An error of inputs, under the name that they have here.
fn of_observation(error: Error) -> Error {
    match error {
        Error::Shape { expected, got, .. } => Error::Shape {
            argument: "observation".into(),
            expected,
            got,
        },
        Error::Value { expected, got, .. } => Error::Value {
            argument: "observation".into(),
            expected,
            got,
        },
        other => other,
    }
}

#[cfg(test)]
mod tests;
