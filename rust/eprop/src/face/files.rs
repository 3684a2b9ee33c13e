//! Files and bytes: every class is saved, loaded and restored in the same way.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::copies::or_panic;
#[cfg(feature = "std")]
use crate::file::disk;
use crate::file::document::{Body, saved};
use crate::file::read::File;
use crate::file::write::{self, Saved};
use crate::network::streams::Streams;
use crate::network::wiring::{Network, Settings};
use crate::numbers::interrupt::{Interrupt, Pace};
use crate::numbers::memory::matrix;
use crate::numbers::room::Room;
use crate::options::Optimizer as Rule;
use crate::{Error, Float, LayerConfig, OnlineLifLayer, Trainer, kernels};

/// What a trainer may take of memory for each byte of its file, its longest history apart. Small networks with long blocks come to some hundred.
const PER_BYTE: usize = 1024;

/// What it may take besides.
const AT_LEAST: usize = 64 << 20;

/// Whether a configuration that came with so many bytes asks for no more memory than these can be the reason for.
pub(crate) fn bounded(
    bytes: usize,
    make: impl FnMut(&mut Room<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let most = bytes.saturating_mul(PER_BYTE).saturating_add(AT_LEAST);
    match Room::count(make) {
        Ok(needed) if needed <= most => Ok(()),
        _ => Err(saved(
            format!("sizes that {bytes} bytes of a file can hold"),
            "larger ones",
        )),
    }
}

/// The error of a constructor, of what a file holds.
pub(crate) fn unbuilt(error: Error) -> Error {
    match error {
        Error::Value { .. } | Error::Shape { .. } => {
            saved("sizes and a configuration that a constructor takes", error)
        }
        Error::TooLarge { bytes: None, .. } => saved("sizes that fit into memory", error),
        other => other,
    }
}

impl<N: Network> Saved for Trainer<N> {
    type F = N::F;
    type Config = N::Config;
    const CLASS: &'static str = N::CLASS;
    fn sizes(&self) -> Vec<usize> {
        N::widths(&self.plan)
    }
    fn settings(&self) -> N::Config {
        self.config.clone()
    }
    fn weights(&self) -> Vec<(String, Vec<usize>)> {
        N::weights(&self.plan)
    }
    fn read_weights(&self, at: usize, pace: &mut Pace<'_>) -> Result<Array2<N::F>, Error> {
        self.streams.first().read_weights(at, pace)
    }
    fn asks(&self) -> &Interrupt {
        self.streams.interrupt()
    }
}

impl<N: Network> Trainer<N> {
    /// All that there is, as the bytes of a safetensors file: sizes and configuration, weights, state, optimizer and counters.
    /// [`from_bytes`](Self::from_bytes) makes a trainer of them that goes on with the same bits.
    ///
    /// # Panics
    /// Where there is no memory for them: [`try_to_bytes`](Self::try_to_bytes) is an error there.
    ///
    /// ```
    /// use eprop::{Config, EpropTrainer, FileInfo};
    /// let trainer = EpropTrainer::<f64>::new(3, 8, 2, Config::default())?;
    /// assert_eq!(FileInfo::of(&trainer.to_bytes())?.class, "EpropTrainer");
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn to_bytes(&self) -> Vec<u8> {
        or_panic(self.try_to_bytes())
    }

    /// As [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// [`Error::TooLarge`] where there is no memory for them, and for a copy of the largest matrix of weights; [`Error::Interrupted`].
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let trainer = EpropTrainer::<f64>::new(3, 8, 2, Config::default())?;
    /// assert_eq!(trainer.try_to_bytes()?, trainer.to_bytes());
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn try_to_bytes(&self) -> Result<Vec<u8>, Error> {
        write::to_bytes(self)
    }

    /// Makes the trainer that [`to_bytes`](Self::to_bytes) or [`save`](Self::save) saved, with its configuration. It needs no `std`: `include_bytes!` puts a file
    /// into a program.
    ///
    /// # Errors
    /// [`Error::Saved`], [`Error::State`] for bytes that are damaged, cut off, or of another program, class, dtype or schema; [`Error::TooLarge`].
    ///
    /// ```
    /// use eprop::{Config, EpropTrainer};
    /// let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config { beta: 0.2, ..Config::default() })?;
    /// trainer.step(ndarray::array![1.0, 0.0, 1.0].view(), None)?;
    /// let mut twin = EpropTrainer::<f32>::from_bytes(&trainer.to_bytes())?;
    /// assert_eq!(twin.config(), trainer.config());
    /// assert!(twin.state_equal(&trainer));
    /// assert!(EpropTrainer::<f64>::from_bytes(&trainer.to_bytes()).is_err());
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
        this.streams.set_interrupt(interrupt);
        Ok(this)
    }

    /// Becomes the trainer that was saved, which must have been one of the same sizes and configuration; learning rates may have changed. Threads and
    /// interrupt stay.
    ///
    /// # Errors
    /// As [`from_bytes`](Self::from_bytes), and [`Error::Saved`] for another configuration. Then nothing has changed.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let mut trainer = EpropTrainer::<f64>::new(3, 8, 2, Config::default())?;
    /// let saved = trainer.to_bytes();
    /// let mut twin = trainer.clone();
    /// twin.step(ndarray::array![1.0, 1.0, 1.0].view(), None)?;
    /// assert!(!twin.state_equal(&trainer));
    /// twin.restore(&saved)?;
    /// assert!(twin.state_equal(&trainer));
    /// assert!(trainer.restore(&saved[1..]).is_err());
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let file = File::open(bytes)?;
        let body = file.body::<Self>()?;
        let mut like = body.config.clone();
        N::take_rates(&mut like, &self.config);
        body.fits("trainer", &like, &self.sizes(), &self.config)?;
        let interrupt = self.streams.interrupt().clone();
        let mut this = Self::loaded(&file, body, bytes.len(), &interrupt)?;
        this.streams.set_n_threads(self.streams.n_threads());
        this.streams.set_interrupt(interrupt);
        *self = this;
        Ok(())
    }

    /// Saves to a file that [`load`](Self::load) makes a trainer of: a temporary file beside it that is renamed when all of it is on the disk, so that the old
    /// or the new file is whole whatever happens. It takes memory for a copy of the largest matrix of weights.
    ///
    /// # Errors
    /// [`Error::File`] for what the system says; [`Error::TooLarge`]; [`Error::Interrupted`]. Then the old file is there.
    ///
    /// ```
    /// use eprop::{Config, EpropTrainer};
    /// let path = std::env::temp_dir().join("an-example-of-eprop.safetensors");
    /// let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// trainer.save(&path)?;
    /// assert!(EpropTrainer::<f32>::load(&path)?.state_equal(&trainer));
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), eprop::Error>(())
    /// ```
    #[cfg(feature = "std")]
    pub fn save(&self, path: impl AsRef<std::path::Path>) -> Result<(), Error> {
        disk::save(self, path.as_ref())
    }

    /// Makes the trainer that [`save`](Self::save) saved. It takes memory for the bytes of the file besides. Example: [`save`](Self::save).
    ///
    /// # Errors
    /// [`Error::File`]; as [`from_bytes`](Self::from_bytes).
    #[cfg(feature = "std")]
    pub fn load(path: impl AsRef<std::path::Path>) -> Result<Self, Error> {
        disk::load(path.as_ref(), Self::from_bytes)
    }

    fn loaded(
        file: &File<'_>,
        Body { sizes, config }: Body<N::Config>,
        n_bytes: usize,
        interrupt: &Interrupt,
    ) -> Result<Self, Error> {
        // Chosen here, so that no step has to.
        kernels::isa::avx2();
        let plan = N::planned(&sizes, &config)
            .and_then(|plan| Self::fitting(plan, &config))
            .map_err(unbuilt)?;
        let n_streams = config.batch_size();
        let small = N::without_horizon(&config);
        let of_small = N::planned(&sizes, &small)
            .and_then(|plan| Self::fitting(plan, &small))
            .map_err(unbuilt)?;
        bounded(n_bytes, |room| {
            Streams::<N>::new(room, &of_small, &small, n_streams, None).map(drop)
        })?;
        let mut this = Self::silent(plan, config, n_streams, None, interrupt).map_err(unbuilt)?;
        let weights = N::weights(&this.plan);
        file.load::<N::F>(&mut this, &weights, interrupt)?;
        Ok(this)
    }
}

/// The settings of a layer, as its file has them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LayerSettings {
    layer: LayerConfig,
    optimizer: Rule,
}

static NOBODY: Interrupt = Interrupt::NOBODY;

impl<F: Float> Saved for OnlineLifLayer<F> {
    type F = F;
    type Config = LayerSettings;
    const CLASS: &'static str = "OnlineLIFLayer";
    fn sizes(&self) -> Vec<usize> {
        [self.n_inputs(), self.n_neurons()].to_vec()
    }
    fn settings(&self) -> LayerSettings {
        LayerSettings {
            layer: self.config().clone(),
            optimizer: self.optimizer(),
        }
    }
    fn weights(&self) -> Vec<(String, Vec<usize>)> {
        [("W".into(), [self.n_neurons(), self.n_inputs()].to_vec())].to_vec()
    }
    fn read_weights(&self, _: usize, _: &mut Pace<'_>) -> Result<Array2<F>, Error> {
        let mut w = matrix("W", self.n_neurons(), self.n_inputs())?;
        self.read_w(w.view_mut())?;
        Ok(w)
    }
    fn asks(&self) -> &Interrupt {
        &NOBODY
    }
}

impl<F: Float> OnlineLifLayer<F> {
    /// All that there is, as the bytes of a safetensors file. Example: [`from_bytes`](Self::from_bytes).
    ///
    /// # Panics
    /// Where there is no memory for them: [`try_to_bytes`](Self::try_to_bytes) is an error there.
    pub fn to_bytes(&self) -> Vec<u8> {
        or_panic(self.try_to_bytes())
    }

    /// As [`to_bytes`](Self::to_bytes). Example: [`from_bytes`](Self::from_bytes).
    ///
    /// # Errors
    /// [`Error::TooLarge`] where there is no memory for them, and for a copy of the weights.
    pub fn try_to_bytes(&self) -> Result<Vec<u8>, Error> {
        write::to_bytes(self)
    }

    /// Makes the layer that [`to_bytes`](Self::to_bytes) or [`save`](Self::save) saved. It needs no `std`.
    ///
    /// # Errors
    /// [`Error::Saved`], [`Error::State`] for bytes that are damaged, cut off, or of another program, class, dtype or schema; [`Error::TooLarge`].
    ///
    /// ```
    /// use eprop::{LayerConfig, OnlineLifLayer};
    /// let mut layer = OnlineLifLayer::<f32>::new(3, 4, LayerConfig::default())?;
    /// layer.step(ndarray::array![1.0, 0.0, 1.0].view())?;
    /// let twin = OnlineLifLayer::<f32>::from_bytes(&layer.to_bytes())?;
    /// assert!(twin.state_equal(&layer));
    /// assert_eq!(twin.try_to_bytes()?, layer.to_bytes());
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Self::from_bytes_until(bytes, Interrupt::NOBODY)
    }

    /// As [`from_bytes`](Self::from_bytes), unless it is stopped.
    ///
    /// # Errors
    /// As [`from_bytes`](Self::from_bytes); [`Error::Interrupted`].
    pub fn from_bytes_until(bytes: &[u8], interrupt: Interrupt) -> Result<Self, Error> {
        let file = File::open(bytes)?;
        let body = file.body::<Self>()?;
        Self::loaded(&file, body, bytes.len(), &interrupt)
    }

    /// Becomes the layer that was saved, which must have been one of the same sizes and configuration; its learning rate may have changed. Example:
    /// [`memory_per_step`](Self::memory_per_step).
    ///
    /// # Errors
    /// As [`from_bytes`](Self::from_bytes), and [`Error::Saved`] for another configuration. Then nothing has changed.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let file = File::open(bytes)?;
        let body = file.body::<Self>()?;
        let mut like = body.config.clone();
        like.layer.lr = self.lr();
        body.fits("layer", &like, &self.sizes(), &self.settings())?;
        *self = Self::loaded(&file, body, bytes.len(), &NOBODY)?;
        Ok(())
    }

    /// Saves to a file, as [`Trainer::save`].
    ///
    /// # Errors
    /// [`Error::File`] for what the system says; [`Error::TooLarge`]. Then the old file is there.
    #[cfg(feature = "std")]
    pub fn save(&self, path: impl AsRef<std::path::Path>) -> Result<(), Error> {
        disk::save(self, path.as_ref())
    }

    /// Makes the layer that [`save`](Self::save) saved, as [`Trainer::load`].
    ///
    /// # Errors
    /// [`Error::File`]; as [`from_bytes`](Self::from_bytes).
    #[cfg(feature = "std")]
    pub fn load(path: impl AsRef<std::path::Path>) -> Result<Self, Error> {
        disk::load(path.as_ref(), Self::from_bytes)
    }

    fn loaded(
        file: &File<'_>,
        Body { sizes, config }: Body<LayerSettings>,
        n_bytes: usize,
        interrupt: &Interrupt,
    ) -> Result<Self, Error> {
        let LayerSettings { layer, optimizer } = config;
        let &[n_inputs, n] = &sizes[..] else {
            return Err(saved("two sizes, n_inputs and n_neurons", sizes.len()));
        };
        Self::check(n_inputs, n, &layer, optimizer).map_err(unbuilt)?;
        bounded(n_bytes, |room| {
            Self::buffers(room, (n_inputs, n), &layer, optimizer).map(drop)
        })?;
        kernels::isa::avx2();
        let mut this = Self::silent(n_inputs, n, layer, optimizer).map_err(unbuilt)?;
        let weights = this.weights();
        file.load::<F>(&mut this, &weights, interrupt)?;
        Ok(this)
    }
}
