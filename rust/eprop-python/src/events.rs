//! Spikes as events: what the face hands over, as the crate takes it: units in ascending order, each once in a step.

use std::ops::Range;

use eprop::{Input, Inputs};
use numpy::dtype;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::error;
use crate::numbers::Numbers;
use crate::numbers::Real;
use crate::table::{Name, Part, Table};

/// The events of a sequence where NumPy has them: the face's tuple `(indptr, units, values)`.
pub struct EventTable<'py> {
    indptr: Table<'py>,
    pub units: Table<'py>,
    pub values: Option<Table<'py>>,
}

impl<'py> EventTable<'py> {
    pub fn new(name: Name, tuple: &Bound<'py, PyTuple>) -> PyResult<Self> {
        let (indptr, units, values): (Bound<PyAny>, Bound<PyAny>, Option<Bound<PyAny>>) =
            tuple.extract()?;
        let table = |object| Table::new(name, object);
        let values = values.as_ref().map(table).transpose()?;
        let (indptr, units) = (table(&indptr)?, table(&units)?);
        let vectors = [Some(&indptr), Some(&units), values.as_ref()];
        if vectors.into_iter().flatten().any(|v| v.shape().len() != 1)
            || !indptr.is_of_integers()
            || !units.is_of_integers()
        {
            return Err(error::not_an_array(name));
        }
        if let Some(values) = values.as_ref().filter(|v| v.shape() != units.shape()) {
            let expected = error::tuple(units.shape());
            return Err(error::shape(name, &expected, values.shape()));
        }
        Ok(Self {
            indptr,
            units,
            values,
        })
    }

    pub fn n_steps(&self) -> usize {
        self.indptr.shape()[0].saturating_sub(1)
    }

    /// What the events of a step take where they lie, on average.
    pub fn step_bytes(&self) -> usize {
        let event = self.units.row_bytes() + self.values.as_ref().map_or(0, Table::row_bytes);
        self.units.shape()[0].saturating_mul(event) / self.n_steps().max(1)
            + self.indptr.row_bytes()
    }

    /// Where the events of some steps begin, and where the last step's end.
    pub fn bounds(&self, steps: Range<usize>) -> PyResult<Vec<i64>> {
        let bounds = self.indptr.indices(steps.start..steps.end + 1)?;
        let n_events = self.units.shape()[0];
        let within = |&at: &i64| usize::try_from(at).is_ok_and(|at| at <= n_events);
        if bounds.is_sorted() && bounds.iter().all(within) {
            return Ok(bounds);
        }
        Err(PyValueError::new_err(format!(
            "{}: expected compressed rows whose starts rise to at most {n_events}, got others",
            self.indptr.name
        )))
    }

    pub fn units(&self, events: Range<usize>) -> PyResult<Part<'_, 'py>> {
        self.units.read(events, dtype::<i64>)
    }

    /// As wide as they are: what is added up is narrowed once, as in the dense array that the events stand for.
    pub fn values(&self, events: Range<usize>) -> PyResult<Option<Part<'_, 'py>>> {
        let values = self.values.as_ref();
        values.map(|v| v.read(events, dtype::<f64>)).transpose()
    }
}

/// Events as the crate takes them.
#[derive(Default)]
pub struct Merged<F> {
    start: Vec<usize>,
    units: Vec<u32>,
    values: Vec<F>,
    /// All values are 1.
    spikes: bool,
}

impl<F: Real> Merged<F> {
    /// Of the face's tuple `(units,)`: one step.
    pub fn of_step(tuple: &Bound<'_, PyTuple>, n_inputs: usize) -> PyResult<Self> {
        let (units,): (Bound<PyAny>,) = tuple.extract()?;
        let units = Table::new("x", &units)?;
        let &[len] = units.shape() else {
            return Err(error::not_an_array("x"));
        };
        if !units.is_of_integers() {
            return Err(error::not_an_array("x"));
        }
        let units = units.indices(0..len)?;
        let mut merged = Self::default();
        merged.merge("x".into(), n_inputs, None, &[0, len as i64], &units, |_| {
            1.0
        })?;
        Ok(merged)
    }

    /// The events of the steps from `first` on, in the place of what was here.
    pub fn refill(
        &mut self,
        name: Name,
        n_inputs: usize,
        first: usize,
        bounds: &[i64],
        units: Numbers<'_>,
        values: Option<Numbers<'_>>,
    ) -> PyResult<()> {
        let n_events = bounds
            .last()
            .zip(bounds.first())
            .map_or(0, |(last, first)| last - first);
        let mut indices = room(name, n_events as usize)?;
        units.indices(&mut indices);
        same_length(name, n_events as usize, indices.len())?;
        match values {
            None => self.merge(name, n_inputs, Some(first), bounds, &indices, |_| 1.0),
            Some(values) if values.is_f32() => {
                let mut narrow: Vec<f32> = room(name, indices.len())?;
                values.reals(&mut narrow);
                same_length(name, indices.len(), narrow.len())?;
                self.merge(name, n_inputs, Some(first), bounds, &indices, |at| {
                    narrow[at]
                })
            }
            Some(values) => {
                let mut wide: Vec<f64> = room(name, indices.len())?;
                values.reals(&mut wide);
                same_length(name, indices.len(), wide.len())?;
                self.merge(name, n_inputs, Some(first), bounds, &indices, |at| wide[at])
            }
        }
    }

    pub fn inputs(&self, n_inputs: usize) -> Inputs<'_, F> {
        Inputs::Events {
            n_inputs,
            start: &self.start,
            units: &self.units,
            values: self.values(),
        }
    }

    /// The one step that was read.
    pub fn step(&self) -> Input<'_, F> {
        Input::Events {
            units: &self.units,
            values: self.values(),
        }
    }

    fn values(&self) -> Option<&[F]> {
        (!self.spikes).then_some(&self.values)
    }

    /// Sorts each step's events and adds up those of one unit, in their order and as wide as they came: with the
    /// bits of the dense array that they stand for.
    fn merge<E: Real>(
        &mut self,
        name: Name,
        n_inputs: usize,
        first: Option<usize>,
        bounds: &[i64],
        units: &[i64],
        value: impl Fn(usize) -> E,
    ) -> PyResult<()> {
        refresh(name, &mut self.start, bounds.len())?;
        refresh(name, &mut self.units, units.len())?;
        refresh(name, &mut self.values, units.len())?;
        self.spikes = true;
        self.start.push(0);
        let mut row = Vec::new();
        for (t, step) in bounds.windows(2).enumerate() {
            let events = (step[0] - bounds[0]) as usize..(step[1] - bounds[0]) as usize;
            let here = &units[events.clone()];
            if let Some(&unit) = here.iter().find(|&&unit| !is_input(unit, n_inputs)) {
                return Err(outside(name, n_inputs, unit, first.map(|first| first + t)));
            }
            let events = events.zip(here).map(|(at, &unit)| (unit as u32, value(at)));
            if here.is_sorted_by(|one, other| one < other) {
                events.for_each(|(unit, value)| self.push(unit, F::cast(value.to_f64())));
            } else {
                row.clear();
                row.extend(events);
                row.sort_by_key(|&(unit, _)| unit);
                for same in row.chunk_by(|one, other| one.0 == other.0) {
                    let (unit, first) = same[0];
                    let sum = same[1..].iter().fold(first, |sum, &(_, value)| sum + value);
                    self.push(unit, F::cast(sum.to_f64()));
                }
            }
            self.start.push(self.units.len());
        }
        Ok(())
    }

    fn push(&mut self, unit: u32, value: F) {
        if value != F::ZERO {
            self.units.push(unit);
            self.values.push(value);
            self.spikes &= value == F::ONE;
        }
    }
}

fn is_input(unit: i64, n_inputs: usize) -> bool {
    u32::try_from(unit).is_ok_and(|unit| (unit as usize) < n_inputs)
}

fn outside(name: Name, n_inputs: usize, unit: i64, step: Option<usize>) -> PyErr {
    let place = step.map_or_else(String::new, |t| format!(" at step {t}"));
    let last = n_inputs - 1;
    PyValueError::new_err(format!(
        "{name}: expected units of 0 to {last}, got {unit}{place}"
    ))
}

fn same_length(name: Name, expected: usize, got: usize) -> PyResult<()> {
    if got == expected {
        return Ok(());
    }
    Err(error::changed(name, &[expected]))
}

fn refresh<T>(name: Name, room: &mut Vec<T>, len: usize) -> PyResult<()> {
    room.clear();
    room.try_reserve_exact(len)
        .map_err(|_| error::no_memory(name, &[len]))
}

fn room<T>(name: Name, len: usize) -> PyResult<Vec<T>> {
    let mut room = Vec::new();
    refresh(name, &mut room, len)?;
    Ok(room)
}
