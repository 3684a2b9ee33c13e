//! The search for the scale of the input weights at which a network fires at a given rate.

use alloc::format;
use alloc::vec::Vec;

use ndarray::Array2;

use crate::network::streams::synapses;
use crate::network::wiring::{Network, Wiring};
use crate::numbers::interrupt::Pace;
use crate::numbers::memory;
use crate::options::domain::positive;
use crate::parts::input::Inputs;
use crate::{Error, Float, Trainer};

/// How near the measured rate has to come, relative to the asked one.
const TOLERANCE: f64 = 0.1;
/// Where the search stops refining, well inside the tolerance.
const GOOD_ENOUGH: f64 = 0.01;
/// Inputs with less [`variation`](Calibration::variation) hardly tell a network anything. What helps: docs/streams.md.
const LITTLE: f64 = 0.005;
/// With less they are constant, and meant to be.
const NONE: f64 = 1e-9;
const DOUBLINGS: usize = 40;
const BISECTIONS: usize = 40;

/// What [`Trainer::calibrate_while`] has done and seen.
///
/// ```
/// # use eprop::{Config, EpropTrainer};
/// # let mut trainer = EpropTrainer::<f64>::new(3, 8, 2, Config::default())?;
/// let inputs = ndarray::Array2::from_shape_fn((500, 3), |(t, i)| if t % 7 == i { 1.0 } else { 0.2 });
/// let done = trainer.calibrate_while(&[inputs.view().into()], 40.0, &mut || true)?.unwrap();
/// assert!((done.groups[0].after - 40.0).abs() < 4.0 && done.groups[0].factor > 0.0);
/// assert!((done.variation - 0.44).abs() < 0.01);
/// # Ok::<(), eprop::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// Of the recurrent layer, or of each layer of a stack.
    pub groups: Vec<Scaled>,
    /// Which share of the power of the inputs is not that of their means, where they are arrays; 1 of events. Where it is small, neurons that are driven
    /// at all fire at nearly the same rate whatever the inputs are: their means should be subtracted.
    pub variation: f64,
}

impl Calibration {
    /// Whether the inputs vary, but so little beside their means that no scale of weights makes the network see it.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let mut trainer = EpropTrainer::<f64>::new(3, 8, 2, Config::default())?;
    /// let wave = |t: usize, i: usize| ((t + 7 * i) as f64 / 20.0).sin();
    /// let shifted = ndarray::Array2::from_shape_fn((500, 3), |(t, i)| 50.0 + wave(t, i));
    /// let done = trainer.calibrate_while(&[shifted.view().into()], 40.0, &mut || true)?;
    /// assert!(done.unwrap().hardly_varies());
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn hardly_varies(&self) -> bool {
        (NONE..LITTLE).contains(&self.variation)
    }
}

/// What became of the input weights of a layer. Example: [`Calibration`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaled {
    /// What they were multiplied with.
    pub factor: f64,
    /// Mean firing rate of the layer in Hz, with the layers below as they are now.
    pub before: f64,
    /// The same with these weights.
    pub after: f64,
}

/// What has become of the input weights of a layer, and these.
type Found<F> = (Scaled, Array2<F>);

impl<N: Network> Trainer<N> {
    /// Scales the input weights, and nothing else, so that the network fires at `rate` Hz on average over `inputs`
    /// (T, n_inputs) from a silent start; a stack layer by layer. Comes within 10 %. State stays as it is.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`]; [`Error::Uncalibrated`] names the nearest rate reached; [`Error::Interrupted`]. Then nothing has changed.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let mut trainer = EpropTrainer::<f64>::new(3, 8, 2, Config::default())?;
    /// let inputs = ndarray::Array2::from_shape_fn((500, 3), |(t, i)| if t % 7 == i { 1.0 } else { 0.2 });
    /// trainer.calibrate(inputs.view(), 40.0)?;
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn calibrate<'x>(
        &mut self,
        inputs: impl Into<Inputs<'x, N::F>>,
        rate: f64,
    ) -> Result<N::Factor, Error> {
        let (interrupt, cost) = (self.streams.interrupt().clone(), synapses::<N>(&self.plan));
        let mut pace = interrupt.pace();
        let keep_going = &mut || pace.pass(cost).is_ok();
        let found = self.calibrate_while(&[inputs.into()], rate, keep_going)?;
        let done = found.ok_or(Error::Interrupted)?;
        Ok(N::factor(
            done.groups.iter().map(|group| group.factor).collect(),
        ))
    }

    /// As `calibrate`, over any number of sequences, each from a silent start; asks `keep_going` at every step, and returns `None` when it says no: then
    /// nothing has changed.
    ///
    /// # Errors
    /// As `calibrate`.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let mut trainer = EpropTrainer::<f64>::new(3, 8, 2, Config::default())?;
    /// let inputs = ndarray::Array2::ones((50, 3));
    /// assert!(trainer.calibrate_while(&[inputs.view().into(); 2], 40.0, &mut || false)?.is_none());
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn calibrate_while(
        &mut self,
        inputs: &[Inputs<'_, N::F>],
        rate: f64,
        keep_going: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Calibration>, Error> {
        self.check_calibration(inputs, rate)?;
        let mut twin = self.twin(1)?;
        let interrupt = self.streams.interrupt().clone();
        let pace = &mut interrupt.pace();
        let twin = twin.streams.first_mut();
        for at in 0..N::sums(&self.plan).len() {
            if let Some(parameter) = twin.parameter(at) {
                parameter.rows.own(pace)?;
            }
        }
        let Some(variation) = variation(inputs, self.n_inputs(), keep_going)? else {
            return Ok(None);
        };
        let (mut groups, mut weights) = (Vec::new(), Vec::new());
        while twin.group(groups.len()).is_some() {
            let at = groups.len();
            let found = self.scale_group(twin, at, (inputs, rate), keep_going, pace)?;
            let Some((found, scaled)) = found else {
                return Ok(None);
            };
            groups.push(found);
            weights.push(scaled);
        }
        self.change(|this, pace| {
            this.streams.alter(|first| {
                let mut all = weights.iter().enumerate();
                all.try_for_each(|(at, w)| first.assign_inputs(at, w.view(), pace))
            })
        })?;
        self.watch.calibrated();
        Ok(Some(Calibration { groups, variation }))
    }

    fn check_calibration(&self, inputs: &[Inputs<'_, N::F>], rate: f64) -> Result<(), Error> {
        if inputs.is_empty() {
            return Err(Error::value("inputs", "at least one sequence", 0));
        }
        if N::is_part(&self.plan) {
            let expected = "a whole network: the rate of its neurons is found without those of other processes";
            return Err(Error::value("part", expected, "some of its neurons"));
        }
        for (b, sequence) in inputs.iter().enumerate() {
            let checked = sequence.check(self.n_inputs(), 1);
            checked.map_err(|error| error.in_stream_of(inputs.len(), b))?;
        }
        positive("rate", rate)
    }

    /// Finds the scale of the input weights of a group, the groups below being scaled, and leaves the twin with it; `None` as soon as it is to be given up.
    ///
    /// # Errors
    /// [`Error::Uncalibrated`]; [`Error::Value`] for weights that do not stay finite; [`Error::TooLarge`], [`Error::Interrupted`].
    fn scale_group(
        &self,
        twin: &mut N,
        at: usize,
        (inputs, rate): (&[Inputs<'_, N::F>], f64),
        keep_going: &mut dyn FnMut() -> bool,
        pace: &mut Pace<'_>,
    ) -> Result<Option<Found<N::F>>, Error> {
        let (dt, _) = self.streams.first().times();
        let w = self.streams.first().input_weights(at, pace)?;
        let mut scaled = memory::matrix("the scaled weights", w.nrows(), w.ncols())?;
        let mut scale = |factor: f64, twin: &mut N| {
            for (mut to, w) in scaled.outer_iter_mut().zip(w.outer_iter()) {
                to.zip_mut_with(&w, |to, &w| *to = w * N::F::cast(factor));
                pace.pass(w.len())?;
            }
            twin.assign_inputs(at, scaled.view(), pace)
        };
        let found = search(rate, |factor| {
            scale(factor, twin)?;
            Ok(measure(twin, at, inputs, dt, keep_going))
        })?;
        let Some(found) = found else { return Ok(None) };
        let factor = found.factor;
        scale(factor, twin)?;
        if !scaled.iter().all(|w| w.is_finite()) {
            let expected =
                format!("input weights that stay finite when they are scaled by {factor}");
            return Err(Error::value("W_in", expected, "one that does not"));
        }
        Ok(Some((found, scaled)))
    }
}

/// [`Calibration::variation`]; `None` as soon as it is to be given up.
///
/// # Errors
/// [`Error::TooLarge`].
fn variation<F: Float>(
    sequences: &[Inputs<'_, F>],
    n_inputs: usize,
    keep_going: &mut dyn FnMut() -> bool,
) -> Result<Option<f64>, Error> {
    let mut sums = memory::vec_for("the means of the inputs", n_inputs)?;
    sums.resize(n_inputs, 0.0);
    let (mut power, mut n_steps) = (0.0, 0);
    for sequence in sequences {
        let Inputs::Dense(rows) = sequence else {
            return Ok(Some(1.0));
        };
        for row in rows.outer_iter() {
            if !keep_going() {
                return Ok(None);
            }
            for (sum, x) in sums.iter_mut().zip(row) {
                let x = x.to_f64();
                *sum += x;
                power += x * x;
            }
        }
        n_steps += rows.nrows();
    }
    if power == 0.0 {
        return Ok(Some(1.0));
    }
    let of_means: f64 = sums.iter().map(|sum| sum * sum).sum();
    Ok(Some(1.0 - of_means / (n_steps as f64 * power)))
}

/// The mean rate in Hz of the neurons of a group over sequences; `None` as soon as it is to be given up.
fn measure<N: Wiring>(
    network: &mut N,
    group: usize,
    sequences: &[Inputs<'_, N::F>],
    dt: f64,
    keep_going: &mut dyn FnMut() -> bool,
) -> Option<f64> {
    let (mut spikes, mut n_steps, mut neurons) = (0, 0, 0);
    for inputs in sequences {
        network.circle().reset();
        for t in 0..inputs.n_steps() {
            if !keep_going() {
                return None;
            }
            network.circle().fire(inputs.step(t));
            let (n, fired) = network.group(group)?;
            (neurons, spikes) = (n, spikes + fired);
        }
        n_steps += inputs.n_steps();
    }
    let seconds = n_steps as f64 * dt / 1000.0;
    Some(spikes as f64 / (neurons as f64 * seconds))
}

/// Finds a factor at which `measure` (factor to Hz) comes near `rate`; `None` as soon as `measure` gives up.
///
/// # Errors
/// Those of `measure`; [`Error::Uncalibrated`].
fn search(
    rate: f64,
    mut measure: impl FnMut(f64) -> Result<Option<f64>, Error>,
) -> Result<Option<Scaled>, Error> {
    let mut best = (1.0, f64::NAN);
    let mut note = |factor: f64, measured: f64| {
        if best.1.is_nan() || (measured - rate).abs() < (best.1 - rate).abs() {
            best = (factor, measured);
        }
        (best.1 - rate).abs() <= GOOD_ENOUGH * rate
    };

    let Some(start) = measure(1.0)? else {
        return Ok(None);
    };
    let mut done = note(1.0, start);
    let rising = start < rate;
    let (mut near, mut far) = (1.0, 1.0);
    for _ in 0..DOUBLINGS {
        if done {
            break;
        }
        near = far;
        far = if rising { far * 2.0 } else { far / 2.0 };
        let Some(measured) = measure(far)? else {
            return Ok(None);
        };
        done = note(far, measured);
        if (measured < rate) != rising {
            break;
        }
    }
    for _ in 0..BISECTIONS {
        if done {
            break;
        }
        let middle = libm::sqrt(near * far);
        let Some(measured) = measure(middle)? else {
            return Ok(None);
        };
        done = note(middle, measured);
        if (measured < rate) == rising {
            near = middle
        } else {
            far = middle
        }
    }

    near_enough(rate, start, best).map(Some)
}

/// What the best factor and its rate are worth.
///
/// # Errors
/// [`Error::Uncalibrated`].
fn near_enough(rate: f64, start: f64, (factor, nearest): (f64, f64)) -> Result<Scaled, Error> {
    if (nearest - rate).abs() <= TOLERANCE * rate {
        return Ok(Scaled {
            factor,
            before: start,
            after: nearest,
        });
    }
    Err(Error::Uncalibrated {
        rate: format!("{rate}"),
        nearest: format!("{nearest:.3}"),
    })
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use ndarray::s;

    use super::*;

    #[test]
    fn finds_the_factor_of_a_rising_rate_from_both_sides() {
        for scale in [0.01, 1.0, 300.0] {
            let found = search(20.0, |factor| Ok(Some(scale * factor)))
                .unwrap()
                .unwrap();
            let rate = scale * found.factor;
            assert!((rate - 20.0).abs() < 0.3, "{scale} {rate}");
            assert_eq!((found.before, found.after), (scale, rate));
        }
    }

    #[test]
    fn names_the_nearest_rate_of_a_network_that_cannot_reach_the_asked_one() {
        let error = search(20.0, |_| Ok(Some(7.0))).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("the nearest reached is 7.000 Hz"),
            "{error}"
        );
    }

    #[test]
    fn variation_is_what_is_left_without_the_means() {
        let share = |shift: f64| {
            let rows = Array2::from_shape_fn((400, 2), |(t, i)| shift + ((t + 2 * i) % 4) as f64);
            let halves = [rows.slice(s![..100, ..]), rows.slice(s![100.., ..])];
            let both = halves.map(Inputs::from);
            variation(&both, 2, &mut || true).unwrap().unwrap()
        };
        // 0, 1, 2, 3 have the mean 1.5 and the variance 1.25.
        for shift in [0.0, -1.5, 5.0] {
            let mean = shift + 1.5;
            let expected = 1.25 / (1.25 + mean * mean);
            assert!((share(shift) - expected).abs() < 1e-12, "{shift}");
        }
        let silent = Array2::<f64>::zeros((9, 2));
        let of = |inputs| variation::<f64>(&[inputs], 2, &mut || true).unwrap();
        assert_eq!(of(silent.view().into()), Some(1.0));
        assert_eq!(
            variation(&[silent.view().into()], 2, &mut || false).unwrap(),
            None
        );
        let events = Inputs::Events {
            n_inputs: 2,
            start: &[0, 2, 4],
            units: &[0, 1, 0, 1],
            values: None,
        };
        assert_eq!(of(events), Some(1.0));
    }

    #[test]
    fn stops_when_it_is_told_to() {
        assert_eq!(search(20.0, |_| Ok(None)).unwrap(), None);
    }
}
