//! What a user hands over as inputs: dense arrays, or the events alone.

use ndarray::{ArrayView1, ArrayView2, Axis};

use super::check;
use crate::{Error, Float};

/// The inputs of one step.
///
/// ```
/// use eprop::{Config, EpropTrainer, Input};
/// let mut trainer = EpropTrainer::<f32>::new(10_000, 8, 2, Config::default())?;
/// trainer.step(Input::spikes(&[17, 4_711]), None)?; // two rows, and no array of 10,000
/// trainer.step(&vec![0.0; 10_000], None)?;
/// trainer.step(ndarray::Array1::zeros(10_000).view(), None)?;
/// # Ok::<(), eprop::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Input<'a, F> {
    /// All of them, (n_inputs,).
    Dense(ArrayView1<'a, F>),
    /// Only those that are not silent.
    Events {
        /// Which, strictly ascending.
        units: &'a [u32],
        /// What each of them sends; `None`: a spike, 1.
        values: Option<&'a [F]>,
    },
}

impl<'a, F> Input<'a, F> {
    /// A spike from each of `units`, which ascend strictly. Example: [`Input`].
    pub fn spikes(units: &'a [u32]) -> Self {
        Self::Events {
            units,
            values: None,
        }
    }
}

impl<'a, F> From<ArrayView1<'a, F>> for Input<'a, F> {
    fn from(x: ArrayView1<'a, F>) -> Self {
        Self::Dense(x)
    }
}

/// Values of all inputs: a slice, a list or an array of the language's own.
impl<'a, F> From<&'a [F]> for Input<'a, F> {
    fn from(x: &'a [F]) -> Self {
        Self::Dense(x.into())
    }
}

impl<'a, F> From<&'a alloc::vec::Vec<F>> for Input<'a, F> {
    fn from(x: &'a alloc::vec::Vec<F>) -> Self {
        x.as_slice().into()
    }
}

impl<'a, F, const N: usize> From<&'a [F; N]> for Input<'a, F> {
    fn from(x: &'a [F; N]) -> Self {
        x.as_slice().into()
    }
}

/// The inputs of a sequence.
///
/// ```
/// use eprop::{Config, EpropTrainer, Inputs};
/// let mut trainer = EpropTrainer::<f32>::new(10_000, 8, 2, Config::default())?;
/// // Three steps: inputs 3 and 9 fire in the first, none in the second, 4711 in the third.
/// let events = Inputs::Events { n_inputs: 10_000, start: &[0, 2, 2, 3], units: &[3, 9, 4_711], values: None };
/// assert_eq!(trainer.predict_sequence(events, true)?.outputs.dim(), (3, 2));
/// # Ok::<(), eprop::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Inputs<'a, F> {
    /// (T, n_inputs).
    Dense(ArrayView2<'a, F>),
    /// Compressed rows: those of step t are `units[start[t]..start[t + 1]]`.
    Events {
        /// The width of the rows.
        n_inputs: usize,
        /// (T + 1,), from wherever the first row begins, never falling.
        start: &'a [usize],
        /// Which inputs are not silent, strictly ascending within a step.
        units: &'a [u32],
        /// What each of them sends; `None`: a spike, 1.
        values: Option<&'a [F]>,
    },
}

impl<'a, F> From<ArrayView2<'a, F>> for Inputs<'a, F> {
    fn from(x: ArrayView2<'a, F>) -> Self {
        Self::Dense(x)
    }
}

impl<'a, F: Float> Inputs<'a, F> {
    /// T. Example: [`step`](Self::step).
    pub fn n_steps(&self) -> usize {
        match self {
            Self::Dense(x) => x.nrows(),
            Self::Events { start, .. } => start.len().saturating_sub(1),
        }
    }

    /// The inputs of step `t`.
    ///
    /// # Panics
    /// Where there is no step `t`; of events also where the starts fall at it, or lie beyond `units` or `values`. What a trainer takes has none of that.
    ///
    /// ```
    /// use eprop::{Input, Inputs};
    /// let inputs: Inputs<'_, f32> = Inputs::Events { n_inputs: 9, start: &[0, 2, 3], units: &[3, 8, 1], values: None };
    /// assert!(matches!(inputs.step(1), Input::Events { units: [1], values: None }));
    /// assert_eq!(inputs.n_steps(), 2);
    /// ```
    pub fn step(&self, t: usize) -> Input<'a, F> {
        match *self {
            Self::Dense(x) => Input::Dense(x.index_axis_move(Axis(0), t)),
            Self::Events {
                start,
                units,
                values,
                ..
            } => {
                let events = start[t]..start[t + 1];
                Input::Events {
                    units: &units[events.clone()],
                    values: values.map(|values| &values[events]),
                }
            }
        }
    }

    /// Some consecutive steps.
    pub(crate) fn steps(&self, steps: core::ops::Range<usize>) -> Self {
        match *self {
            Self::Dense(x) => Self::Dense(x.slice_move(ndarray::s![steps, ..])),
            Self::Events {
                n_inputs,
                start,
                units,
                values,
            } => Self::Events {
                n_inputs,
                // Of no steps there need not even be a start.
                start: start.get(steps.start..=steps.end).unwrap_or(&[]),
                units,
                values,
            },
        }
    }

    pub(crate) fn dense(&self) -> Option<ArrayView2<'a, F>> {
        match *self {
            Self::Dense(x) => Some(x),
            Self::Events { .. } => None,
        }
    }

    /// Whether they are inputs of a network, of `at_least` so many steps.
    pub(crate) fn check(&self, n_inputs: usize, at_least: usize) -> Result<(), Error> {
        match *self {
            Self::Dense(x) => check::inputs(x, n_inputs)?,
            Self::Events {
                n_inputs: width,
                start,
                units,
                values,
            } => check::event_rows(width, start, units, values, n_inputs)?,
        }
        if self.n_steps() >= at_least {
            return Ok(());
        }
        Err(Error::value("inputs", "at least one step, T >= 1", "T = 0"))
    }
}

impl<F: Float> Input<'_, F> {
    pub(crate) fn check(&self, n_inputs: usize) -> Result<(), Error> {
        match *self {
            Self::Dense(x) => check::input(x, n_inputs),
            Self::Events { units, values } => check::events("x", units, values, n_inputs),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec;
    use alloc::vec::Vec;

    use ndarray::{Array2, ArrayView2, array};

    use super::{Input, Inputs};

    fn events<'a>() -> Inputs<'a, f64> {
        Inputs::Events {
            n_inputs: 9,
            start: &[1, 3, 3, 4],
            units: &[7, 2, 8, 5],
            values: Some(&[9.0, 0.5, 1.5, 2.5]),
        }
    }

    fn listed(input: Input<'_, f64>) -> (Vec<u32>, Vec<f64>) {
        match input {
            Input::Dense(x) => ((0..x.len() as u32).collect(), x.to_vec()),
            Input::Events { units, values } => (units.to_vec(), values.unwrap_or(&[]).to_vec()),
        }
    }

    #[test]
    fn the_events_of_a_step_are_those_between_two_starts() {
        assert_eq!(events().n_steps(), 3);
        let steps: Vec<_> = (0..3).map(|t| listed(events().step(t))).collect();
        assert_eq!(steps[0], (vec![2, 8], vec![0.5, 1.5]));
        assert_eq!(steps[1], (vec![], vec![]));
        assert_eq!(steps[2], (vec![5], vec![2.5]));
    }

    #[test]
    fn some_steps_of_a_sequence_are_its_steps() {
        let x = Array2::from_shape_fn((5, 3), |(t, i)| (10 * t + i) as f64);
        let whole = Inputs::from(x.view());
        for (inputs, from, until) in [
            (whole, 1, 4),
            (whole, 2, 2),
            (events(), 1, 3),
            (events(), 0, 2),
            (events(), 3, 3),
        ] {
            let some = inputs.steps(from..until);
            assert_eq!(some.n_steps(), until - from);
            for t in from..until {
                assert_eq!(listed(some.step(t - from)), listed(inputs.step(t)));
            }
        }
        assert_eq!(whole.dense(), Some(x.view()));
        assert_eq!(events().dense(), None::<ArrayView2<'_, f64>>);
    }

    #[test]
    fn no_start_at_all_is_no_step() {
        let none: Inputs<'_, f32> = Inputs::Events {
            n_inputs: 9,
            start: &[],
            units: &[],
            values: None,
        };
        assert_eq!(none.n_steps(), 0);
    }

    #[test]
    fn inputs_of_either_kind_are_checked_and_long_enough() {
        events().check(9, 3).unwrap();
        assert!(events().check(8, 1).is_err());
        let x = Array2::<f64>::zeros((0, 3));
        Inputs::from(x.view()).check(3, 0).unwrap();
        let error = Inputs::from(x.view()).check(3, 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "inputs: expected at least one step, T >= 1, got T = 0"
        );
        assert!(Inputs::from(array![[f64::NAN]].view()).check(1, 1).is_err());
    }

    #[test]
    fn the_inputs_of_one_step_are_checked_as_x() {
        let dense = array![1.0, 0.0];
        Input::from(dense.view()).check(2).unwrap();
        assert!(
            Input::from(dense.view())
                .check(3)
                .unwrap_err()
                .to_string()
                .starts_with("x: ")
        );
        Input::<f64>::spikes(&[0, 2]).check(3).unwrap();
        assert!(
            Input::<f64>::spikes(&[0, 3])
                .check(3)
                .unwrap_err()
                .to_string()
                .starts_with("x: ")
        );
    }
}
