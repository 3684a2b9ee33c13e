//! What a user may set of the neurons of a layer.

use serde::{Deserialize, Serialize};

use super::config::Config;
use super::domain::{above_zero, non_negative, positive, within};
use super::filters::{Gain, decay};
use super::per_neuron::{PerNeuron, own};
use super::reset::ResetMechanism;
use super::surrogate::Surrogate;
use crate::numbers::aligned::{Aligned, padded};
use crate::numbers::room::Room;
use crate::{Error, Float};

/// The input spikes per step that the initial weights are scaled for.
pub(crate) const EXPECTED_RATE: f64 = 0.02;

/// Configuration of an [`OnlineLifLayer`](crate::OnlineLifLayer): the fields of [`Config`] that belong to a neuron.
///
/// ```
/// use eprop::LayerConfig;
/// assert_eq!(LayerConfig::default().tau_mem, 20.0);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LayerConfig {
    /// Membrane time constant.
    pub tau_mem: f64,
    /// Firing threshold `v_th`.
    pub threshold: f64,
    /// Learning rate: 0.01 unless set, under every optimizer. [`Optimizer::default_lr`](crate::Optimizer::default_lr) is the usual one of each.
    pub lr: f64,
    /// Length of a step.
    pub dt: f64,
    /// What a spike does to its own membrane.
    pub reset_mechanism: ResetMechanism,
    /// Refractory steps.
    pub n_ref: usize,
    /// Shape of the surrogate derivative.
    pub surrogate: Surrogate,
    /// Height `h`; `None` = 0.3 / threshold.
    pub surrogate_height: Option<f64>,
    /// Width `w`; `None` = threshold.
    pub surrogate_width: Option<f64>,
    /// `zeta`: 1 or 1 - alpha.
    pub input_gain: Gain,
    /// Seed of the initial weights.
    pub seed: u64,
    /// By how much a unit of adaptation `a` raises the threshold; 0 = neurons that do not adapt.
    pub beta: f64,
    /// Time constant of the adaptation.
    pub tau_adaptation: f64,
    /// What the neurons do not have in common. An [`OnlineTrainer`](crate::OnlineTrainer) takes none: its layers have other sizes.
    pub each: PerNeuron,
    /// Time constant of the synaptic current. Feed-forward layers have none: [`OnlineLifLayer`](crate::OnlineLifLayer) and
    /// [`OnlineTrainer`](crate::OnlineTrainer) take 0.
    pub tau_syn: f64,
}

impl Default for LayerConfig {
    fn default() -> Self {
        Config::default().layer()
    }
}

impl LayerConfig {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        self.kinds().try_for_each(|one| one.validate_alone())
    }

    fn validate_alone(&self) -> Result<(), Error> {
        positive("tau_mem", self.tau_mem)?;
        positive("threshold", self.threshold)?;
        non_negative("lr", self.lr)?;
        positive("dt", self.dt)?;
        non_negative("tau_syn", self.tau_syn)?;
        non_negative("beta", self.beta)?;
        positive("tau_adaptation", self.tau_adaptation)?;
        if let Some(h) = self.surrogate_height {
            positive("surrogate_height", h)?;
        }
        if let Some(w) = self.surrogate_width {
            positive("surrogate_width", w)?;
        }
        if self.n_ref > u32::MAX as usize {
            return Err(Error::value(
                "n_ref",
                "at most 4294967295 steps",
                self.n_ref,
            ));
        }
        Ok(())
    }

    /// As [`Config::validate_for`].
    pub(crate) fn validate_for<F: Float>(&self) -> Result<(), Error> {
        self.validate()?;
        self.feeds_forward()?;
        self.fits::<F>()
    }

    /// Whether one trace per source, of one filter, is all that a layer's gradient needs.
    pub(super) fn feeds_forward(&self) -> Result<(), Error> {
        if self.each.tau_mem.is_some() {
            let expected = "a number, since a feed-forward layer has one trace per source";
            return Err(Error::value("tau_mem", expected, "an array"));
        }
        match self.tau_syn == 0.0 {
            true => Ok(()),
            false => {
                let expected = "0, since a feed-forward layer has no synaptic current";
                Err(Error::number("tau_syn", expected, self.tau_syn))
            }
        }
    }

    /// What neuron `j` alone is like.
    pub(crate) fn of(&self, j: usize) -> Self {
        let each = &self.each;
        Self {
            tau_mem: own(&each.tau_mem, j, self.tau_mem),
            threshold: own(&each.threshold, j, self.threshold),
            beta: own(&each.beta, j, self.beta),
            tau_adaptation: own(&each.tau_adaptation, j, self.tau_adaptation),
            each: PerNeuron::default(),
            ..*self
        }
    }

    /// A padded row of what each of `n` neurons alone is like, 0 beyond them.
    pub(crate) fn row<F: Float>(
        &self,
        room: &mut Room,
        n: usize,
        of: impl Fn(&Self) -> f64,
    ) -> Result<Aligned<F>, Error> {
        let mut row = room.zeros(1, padded::<F>(n))?;
        let all = row.iter_mut().take(n).enumerate();
        all.for_each(|(j, to)| *to = F::cast(of(&self.of(j))));
        Ok(row)
    }

    /// The decay of the membrane.
    pub(crate) fn alpha(&self) -> f64 {
        decay(self.dt, self.tau_mem)
    }

    /// The gain of what the sources send.
    pub(crate) fn zeta(&self) -> f64 {
        self.input_gain.of(self.dt, self.tau_mem)
    }

    /// The kinds of neurons that there may be, and what stands in the place of an array.
    fn kinds(&self) -> impl Iterator<Item = Self> + '_ {
        (0..=self.each.len()).map(|j| self.of(j))
    }

    /// A neuron's [`membrane_unit`](Self::membrane_unit) in units of the common one.
    #[inline]
    pub(crate) fn relative_unit(&self, j: usize) -> f64 {
        let PerNeuron {
            tau_mem, threshold, ..
        } = &self.each;
        if tau_mem.is_none() && threshold.is_none() {
            return 1.0;
        }
        let threshold = own(threshold, j, self.threshold) / self.threshold;
        match tau_mem {
            None => threshold,
            Some(_) => threshold * (self.of(j).unit_per_threshold() / self.unit_per_threshold()),
        }
    }

    /// Whether any neuron's threshold moves.
    pub(crate) fn is_adaptive(&self) -> bool {
        self.kinds().any(|one| one.beta != 0.0)
    }

    /// Whether all neurons have the same threshold, which stands still.
    pub(crate) fn is_plain(&self) -> bool {
        self.beta == 0.0 && self.each.is_empty()
    }

    /// `h` of the surrogate.
    pub(crate) fn height(&self) -> f64 {
        self.surrogate_height.unwrap_or(0.3 / self.threshold)
    }

    /// `w` of the surrogate.
    pub(crate) fn width(&self) -> f64 {
        self.surrogate_width.unwrap_or(self.threshold)
    }

    /// The scale at which independent weights, under as many input spikes, hold the membrane's standard deviation at one threshold.
    pub(crate) fn membrane_unit(&self) -> f64 {
        let (deviation, zeta) = self.membrane_factors();
        self.threshold * deviation / zeta
    }

    fn unit_per_threshold(&self) -> f64 {
        let (deviation, zeta) = self.membrane_factors();
        deviation / zeta
    }

    fn membrane_factors(&self) -> (f64, f64) {
        let (alpha, sigma) = (self.alpha(), decay(self.dt, self.tau_syn));
        // One over the variance that two filters in a row make of white noise: where sigma is 0, that of one.
        let both = (1.0 - sigma * sigma) * ((1.0 - alpha * sigma) / (1.0 + alpha * sigma));
        let deviation = libm::sqrt((1.0 - alpha * alpha) * both / EXPECTED_RATE);
        (deviation, self.zeta())
    }

    /// Whether the initial weights that follow are within the range of the trainer's numbers.
    fn weights_fit<F: Float>(&self) -> Result<(), Error> {
        // No number drawn is ten standard deviations out.
        let fits = |scale: f64| F::cast(10.0 * scale).is_finite();
        if decay(self.dt, self.tau_syn) == 1.0 {
            let expected = "a time constant that dt can be told from: with more, exp(-dt / tau_syn) is 1, and all initial weights are 0";
            return Err(Error::number("tau_syn", expected, self.tau_syn));
        }
        if self.membrane_factors().0 == 0.0 {
            let expected = "a time step that tau_mem can be told from: with less, exp(-dt / tau_mem) is 1, and all initial weights are 0";
            return Err(Error::number("dt", expected, self.dt));
        }
        if fits(self.membrane_unit()) {
            return Ok(());
        }
        let expected = alloc::format!(
            "a value whose initial weights are within the range of {}",
            F::NAME
        );
        let (deviation, zeta) = self.membrane_factors();
        let (name, value) = match fits(deviation / zeta) {
            true => ("threshold", self.threshold),
            false => ("dt", self.dt),
        };
        Err(Error::number(name, expected, value))
    }

    pub(super) fn fits<F: Float>(&self) -> Result<(), Error> {
        self.kinds().try_for_each(|one| one.fits_alone::<F>())
    }

    fn fits_alone<F: Float>(&self) -> Result<(), Error> {
        within::<F>("beta", self.beta)?;
        within::<F>("threshold", self.threshold)?;
        above_zero::<F>("threshold", self.threshold)?;
        self.weights_fit::<F>()?;
        within::<F>("lr", self.lr)?;
        self.surrogate_fits::<F>()
    }

    /// What is left out is 0.3 / threshold high, and as wide as the threshold: then the threshold is at fault.
    fn surrogate_fits<F: Float>(&self) -> Result<(), Error> {
        let is_within = |value: f64| F::cast(value).is_finite();
        let small = |name, of: &str, value| {
            let expected = alloc::format!(
                "a number so large that {of} is within the range of {}",
                F::NAME
            );
            Err(Error::number(name, expected, value))
        };
        match self.surrogate_height {
            Some(height) => {
                within::<F>("surrogate_height", height)?;
                above_zero::<F>("surrogate_height", height)?;
            }
            None if is_within(0.3 / self.threshold) => {}
            None => {
                return small(
                    "threshold",
                    "surrogate_height, 0.3 / threshold,",
                    self.threshold,
                );
            }
        }
        match self.surrogate_width {
            Some(width) if is_within(1.0 / width) => Ok(()),
            None if is_within(1.0 / self.threshold) => Ok(()),
            Some(width) => small("surrogate_width", "1 / surrogate_width", width),
            None => small(
                "threshold",
                "1 / surrogate_width, 1 / threshold,",
                self.threshold,
            ),
        }
    }
}
