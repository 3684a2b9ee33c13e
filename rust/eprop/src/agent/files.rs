//! An agent as a file and as bytes, and back: that of its network, with its decisions beside it.

use alloc::string::String;
use alloc::vec::Vec;

use ndarray::Array2;

use super::{AgentConfig, EpropAgent, Memory};
use crate::face::copies::or_panic;
use crate::face::files::{bounded, unbuilt};
#[cfg(feature = "std")]
use crate::file::disk;
use crate::file::document::{Body, saved};
use crate::file::read::File;
use crate::file::write::{self, Saved};
use crate::network::filed::Filed;
use crate::network::recurrent::Recurrent;
use crate::network::streams::Streams;
use crate::numbers::interrupt::{Interrupt, Pace};
use crate::{EpropTrainer, Error, Float, kernels};

impl<F: Float> Saved for EpropAgent<F> {
    type F = F;
    type Config = AgentConfig;
    const CLASS: &'static str = "EpropAgent";
    fn sizes(&self) -> Vec<usize> {
        let n = self.trainer.plan.sizes.n;
        [self.n_inputs(), n, self.n_actions()].to_vec()
    }
    fn settings(&self) -> AgentConfig {
        self.config.clone()
    }
    fn weights(&self) -> Vec<(String, Vec<usize>)> {
        self.trainer.weights()
    }
    fn read_weights(&self, at: usize, pace: &mut Pace<'_>) -> Result<Array2<F>, Error> {
        self.trainer.read_weights(at, pace)
    }
    fn asks(&self) -> &Interrupt {
        self.trainer.streams.interrupt()
    }
}

impl<F: Float> EpropAgent<F> {
    /// All that there is, as the bytes of a safetensors file: sizes and configuration, weights, traces, decisions, optimizer and counters.
    ///
    /// # Panics
    /// Where there is no memory for them: [`try_to_bytes`](Self::try_to_bytes) is an error there.
    ///
    /// ```
    /// use eprop::{AgentConfig, EpropAgent, FileInfo};
    /// let agent = EpropAgent::<f32>::new(2, 20, 3, AgentConfig::default())?;
    /// assert_eq!(FileInfo::of(&agent.to_bytes())?.class, "EpropAgent");
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn to_bytes(&self) -> Vec<u8> {
        or_panic(self.try_to_bytes())
    }

    /// As [`to_bytes`](Self::to_bytes). Example: [`from_bytes`](Self::from_bytes).
    ///
    /// # Errors
    /// [`Error::TooLarge`] where there is no memory for them, and for a copy of the largest matrix of weights; [`Error::Interrupted`].
    pub fn try_to_bytes(&self) -> Result<Vec<u8>, Error> {
        write::to_bytes(self)
    }

    /// Makes the agent that [`to_bytes`](Self::to_bytes) or [`save`](Self::save) saved, with its configuration. It needs no `std`.
    ///
    /// # Errors
    /// [`Error::Saved`], [`Error::State`] for bytes that are damaged, cut off, or of another program, class, dtype or schema; [`Error::TooLarge`].
    ///
    /// ```
    /// use eprop::{AgentConfig, EpropAgent};
    /// let mut agent = EpropAgent::<f32>::new(2, 20, 3, AgentConfig { gamma: 0.9, ..AgentConfig::default() })?;
    /// let x = ndarray::array![1.0, 0.5];
    /// agent.act(x.view())?;
    /// agent.learn(1.0, false)?;
    /// let mut twin = EpropAgent::<f32>::from_bytes(&agent.try_to_bytes()?)?;
    /// assert_eq!(twin.config(), agent.config());
    /// assert_eq!(twin.act(x.view())?, agent.act(x.view())?);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Self::from_bytes_until(bytes, Interrupt::NOBODY)
    }

    /// As [`from_bytes`](Self::from_bytes), unless it is stopped; later calls ask the same. Example: [`Interrupt`].
    ///
    /// # Errors
    /// As [`from_bytes`](Self::from_bytes); [`Error::Interrupted`].
    pub fn from_bytes_until(bytes: &[u8], interrupt: Interrupt) -> Result<Self, Error> {
        let file = File::open(bytes)?;
        let body = file.body::<Self>()?;
        let mut this = Self::loaded(&file, body, bytes.len(), &interrupt)?;
        this.trainer.set_interrupt(interrupt);
        Ok(this)
    }

    /// Becomes the agent that was saved, which must have been one of the same sizes and configuration; learning rates may have changed. Threads and interrupt
    /// stay.
    ///
    /// # Errors
    /// As [`from_bytes`](Self::from_bytes), and [`Error::Saved`] for another configuration. Then nothing has changed.
    ///
    /// ```
    /// # use eprop::{AgentConfig, EpropAgent};
    /// let mut agent = EpropAgent::<f32>::new(2, 20, 3, AgentConfig::default())?;
    /// let saved = agent.to_bytes();
    /// let mut twin = agent.try_clone()?;
    /// twin.act(ndarray::array![1.0, 0.5].view())?;
    /// twin.restore(&saved)?;
    /// assert!(twin.try_state_equal(&agent)?);
    /// assert!(agent.restore(&saved[1..]).is_err());
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let file = File::open(bytes)?;
        let body = file.body::<Self>()?;
        let mut like = body.config.clone();
        Recurrent::<F>::take_rates(&mut like.network, &self.config.network);
        body.fits("agent", &like, &self.sizes(), &self.config)?;
        let streams = &self.trainer.streams;
        let (interrupt, n_threads) = (streams.interrupt().clone(), streams.n_threads());
        let mut this = Self::loaded(&file, body, bytes.len(), &interrupt)?;
        this.trainer.streams.set_n_threads(n_threads);
        this.trainer.set_interrupt(interrupt);
        *self = this;
        Ok(())
    }

    /// Saves to a file, as [`Trainer::save`](crate::Trainer::save).
    ///
    /// # Errors
    /// [`Error::File`] for what the system says; [`Error::TooLarge`]; [`Error::Interrupted`]. Then the old file is there.
    ///
    /// ```
    /// use eprop::{AgentConfig, EpropAgent};
    /// let path = std::env::temp_dir().join("an-agent-of-eprop.safetensors");
    /// let agent = EpropAgent::<f32>::new(2, 20, 3, AgentConfig::default())?;
    /// agent.save(&path)?;
    /// assert!(EpropAgent::<f32>::load(&path)?.try_state_equal(&agent)?);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), eprop::Error>(())
    /// ```
    #[cfg(feature = "std")]
    pub fn save(&self, path: impl AsRef<std::path::Path>) -> Result<(), Error> {
        disk::save(self, path.as_ref())
    }

    /// Makes the agent that [`save`](Self::save) saved. Example: [`save`](Self::save).
    ///
    /// # Errors
    /// [`Error::File`]; as [`from_bytes`](Self::from_bytes).
    #[cfg(feature = "std")]
    pub fn load(path: impl AsRef<std::path::Path>) -> Result<Self, Error> {
        disk::load(path.as_ref(), Self::from_bytes)
    }

    fn loaded(
        file: &File<'_>,
        Body { sizes, config }: Body<AgentConfig>,
        n_bytes: usize,
        interrupt: &Interrupt,
    ) -> Result<Self, Error> {
        let &[n_inputs, n, n_actions] = &sizes[..] else {
            let expected = "three sizes, n_inputs, n_neurons and n_actions";
            return Err(saved(expected, sizes.len()));
        };
        Self::check(n_actions, &config).map_err(unbuilt)?;
        kernels::isa::avx2();
        let network = config.of_network();
        let plan = Recurrent::<F>::planned(&[n_inputs, n, n_actions.saturating_add(1)], &network)
            .and_then(|plan| EpropTrainer::<F>::fitting(plan, &network))
            .map_err(unbuilt)?;
        let n_streams = network.batch_size;
        bounded(n_bytes, |room| {
            Streams::<Recurrent<F>>::new(room, &plan, &network, n_streams, None)?;
            Memory::<F>::new(room, &plan, &config).map(drop)
        })?;
        let trainer =
            EpropTrainer::silent(plan, network, n_streams, None, interrupt).map_err(unbuilt)?;
        let memory = Self::memory_of(&trainer, &config)?;
        let mut this = Self {
            config,
            trainer,
            memory,
        };
        let weights = this.weights();
        file.load::<F>(&mut this, &weights, interrupt)?;
        Ok(this)
    }
}
