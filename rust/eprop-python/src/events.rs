//! Spikes as events: what the face hands over, as the crate takes it: units in ascending order, each once in a step.

use eprop::{Input, Inputs};
use numpy::{Element, PyArrayDyn, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::arrays::{Real, borrow};
use crate::error;

/// The events of a sequence, in memory that nobody else can reach.
pub struct Events<F> {
    n_inputs: usize,
    start: Vec<usize>,
    units: Vec<u32>,
    /// `None`: all are 1.
    values: Option<Vec<F>>,
}

impl<F: Real> Events<F> {
    /// Of the face's tuple `(indptr, units, values)`.
    pub fn read(tuple: &Bound<'_, PyTuple>, n_inputs: usize) -> PyResult<Self> {
        let (indptr, units, values): (Bound<PyAny>, Bound<PyAny>, Option<Bound<PyAny>>) =
            tuple.extract()?;
        let start = copied("inputs", &indptr, |&start: &i64| start as usize)?;
        let units = copied("inputs", &units, |&unit: &i64| unit)?;
        if !start.is_sorted() || start.last().is_some_and(|&last| last > units.len()) {
            return Err(PyValueError::new_err(format!(
                "inputs: expected compressed rows whose starts rise to at most {}, got others",
                units.len()
            )));
        }
        match values {
            None => Self::merged("inputs", n_inputs, &start, &units, |_| 1.0),
            Some(values) if values.cast::<PyArrayDyn<f32>>().is_ok() => {
                let values = numbers::<f32>(&values, units.len())?;
                Self::merged("inputs", n_inputs, &start, &units, |at| values[at])
            }
            Some(values) => {
                let values = numbers::<f64>(&values, units.len())?;
                Self::merged("inputs", n_inputs, &start, &units, |at| values[at])
            }
        }
    }

    /// Of the face's tuple `(units,)`: one step.
    pub fn read_step(tuple: &Bound<'_, PyTuple>, n_inputs: usize) -> PyResult<Self> {
        let (units,): (Bound<PyAny>,) = tuple.extract()?;
        let units = copied("x", &units, |&unit: &i64| unit)?;
        Self::merged("x", n_inputs, &[0, units.len()], &units, |_| 1.0)
    }

    pub fn n_steps(&self) -> usize {
        self.start.len() - 1
    }

    pub fn steps(&self, steps: std::ops::Range<usize>) -> Inputs<'_, F> {
        Inputs::Events {
            n_inputs: self.n_inputs,
            start: &self.start[steps.start..=steps.end],
            units: &self.units,
            values: self.values.as_deref(),
        }
    }

    /// The one step that was read.
    pub fn step(&self) -> Input<'_, F> {
        Input::Events {
            units: &self.units,
            values: self.values.as_deref(),
        }
    }

    /// Sorts each step's events and adds up those of one unit, in their order and as wide as they came: with the
    /// bits of the dense array that they stand for.
    fn merged<E: Real>(
        argument: &str,
        n_inputs: usize,
        start: &[usize],
        units: &[i64],
        value: impl Fn(usize) -> E,
    ) -> PyResult<Self> {
        let mut events = Self {
            n_inputs,
            start: room(argument, start.len())?,
            units: room(argument, units.len())?,
            values: None,
        };
        let mut values = room(argument, units.len())?;
        let mut row = Vec::new();
        events.start.push(0);
        for (t, bounds) in start.windows(2).enumerate() {
            row.clear();
            for (at, &unit) in (bounds[0]..).zip(&units[bounds[0]..bounds[1]]) {
                let known = valid(unit, n_inputs);
                let unit = known.ok_or_else(|| outside(argument, n_inputs, unit, t))?;
                row.push((unit, value(at)));
            }
            row.sort_by_key(|&(unit, _)| unit);
            for same in row.chunk_by(|one, other| one.0 == other.0) {
                let (unit, first) = same[0];
                let sum = same[1..].iter().fold(first, |sum, &(_, value)| sum + value);
                let sum = F::cast(sum.to_f64());
                if sum != F::ZERO {
                    events.units.push(unit);
                    values.push(sum);
                }
            }
            events.start.push(events.units.len());
        }
        if values.iter().any(|&value| value != F::ONE) {
            events.values = Some(values);
        }
        Ok(events)
    }
}

fn valid(unit: i64, n_inputs: usize) -> Option<u32> {
    let unit = u32::try_from(unit).ok()?;
    ((unit as usize) < n_inputs).then_some(unit)
}

fn outside(argument: &str, n_inputs: usize, unit: i64, t: usize) -> PyErr {
    let place = if argument == "x" {
        String::new()
    } else {
        format!(" at step {t}")
    };
    let last = n_inputs - 1;
    PyValueError::new_err(format!(
        "{argument}: expected units of 0 to {last}, got {unit}{place}"
    ))
}

fn numbers<E: Real>(values: &Bound<'_, PyAny>, len: usize) -> PyResult<Vec<E>> {
    let numbers = copied("inputs", values, |&value: &E| value)?;
    if numbers.len() == len {
        return Ok(numbers);
    }
    let expected = error::tuple(&[len]);
    Err(error::shape("inputs", &expected, &[numbers.len()]))
}

/// A copy, in whatever form, of a vector that the face has made contiguous.
fn copied<E: Element, T>(
    argument: &str,
    object: &Bound<'_, PyAny>,
    convert: impl Fn(&E) -> T,
) -> PyResult<Vec<T>> {
    let array = borrow::<E>(argument, object)?;
    let numbers = array
        .as_slice()
        .map_err(|_| error::not_an_array(argument))?;
    let mut copy = room(argument, array.len())?;
    copy.extend(numbers.iter().map(convert));
    Ok(copy)
}

fn room<T>(argument: &str, len: usize) -> PyResult<Vec<T>> {
    let mut room = Vec::new();
    room.try_reserve_exact(len)
        .map_err(|_| error::no_memory(argument, &[len]))?;
    Ok(room)
}
