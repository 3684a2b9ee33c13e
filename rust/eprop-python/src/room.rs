//! Where the copy of a piece lies: memory of ours, used again from piece to piece.

use eprop::{Inputs, Stream};
use numpy::ndarray::{ArrayView1, ArrayView2};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::error;
use crate::events::Merged;
use crate::label;
use crate::numbers::Numbers;
use crate::numbers::Real;
use crate::table::{Loan, Name};

/// One thing for every array that a stream is made of.
pub struct Arrays<T> {
    /// Dense rows, or the units of events.
    pub inputs: T,
    /// Of events that are no plain spikes.
    pub values: Option<T>,
    pub targets: Option<T>,
    /// In the place of targets: the number of the output that should be 1, or -1.
    pub labels: Option<T>,
    pub mask: Option<T>,
    pub weights: Option<T>,
}

impl<T> Arrays<T> {
    pub fn try_map<'a, U>(
        &'a self,
        mut f: impl FnMut(&'a T) -> PyResult<U>,
    ) -> PyResult<Arrays<U>> {
        Ok(Arrays {
            inputs: f(&self.inputs)?,
            values: self.values.as_ref().map(&mut f).transpose()?,
            targets: self.targets.as_ref().map(&mut f).transpose()?,
            labels: self.labels.as_ref().map(&mut f).transpose()?,
            mask: self.mask.as_ref().map(&mut f).transpose()?,
            weights: self.weights.as_ref().map(&mut f).transpose()?,
        })
    }
}

/// Some steps of a stream that begin with step `first`.
#[derive(Clone, Copy)]
pub struct Extent {
    pub name: Name,
    /// As messages call the targets.
    pub targets: Name,
    pub first: usize,
    pub n_steps: usize,
    pub n_inputs: usize,
    pub n_outputs: usize,
}

/// The piece of one stream.
#[derive(Default)]
pub struct Room<F> {
    inputs: Vec<F>,
    /// Where the events of every step begin in NumPy's array.
    pub bounds: Option<Vec<i64>>,
    events: Merged<F>,
    targets: Vec<F>,
    labels: Vec<i64>,
    mask: Option<Vec<bool>>,
    weights: Option<Vec<F>>,
}

impl<F: Real> Room<F> {
    fn fill(
        &mut self,
        extent: Extent,
        numbers: &Arrays<Numbers<'_>>,
        in_place: bool,
    ) -> PyResult<()> {
        let is_there = |numbers: &Numbers<'_>| in_place && F::slice(numbers).is_some();
        let Extent {
            name,
            first,
            n_steps,
            n_inputs,
            n_outputs,
            ..
        } = extent;
        match &self.bounds {
            Some(bounds) => {
                self.events.refill(
                    name,
                    n_inputs,
                    first,
                    bounds,
                    numbers.inputs,
                    numbers.values,
                )?;
            }
            None if is_there(&numbers.inputs) => {}
            None => copy(name, &mut self.inputs, &[n_steps, n_inputs], |into| {
                numbers.inputs.reals(into)
            })?,
        }
        if let Some(targets) = numbers.targets.filter(|targets| !is_there(targets)) {
            let shape = [n_steps, n_outputs];
            copy("targets".into(), &mut self.targets, &shape, |into| {
                targets.reals(into);
            })?;
        }
        if let Some(mask) = numbers.mask {
            let bools = self.mask.get_or_insert_default();
            copy("mask".into(), bools, &[n_steps], |into| mask.bools(into))?;
        }
        if let Some(weights) = numbers.weights {
            let reals = self.weights.get_or_insert_default();
            copy("weights".into(), reals, &[n_steps], |into| {
                weights.reals(into);
            })?;
        }
        if let Some(labels) = numbers.labels {
            let (all, masked) = (&mut self.labels, numbers.mask.is_some());
            copy("targets".into(), all, &[n_steps], |into| {
                labels.indices(into)
            })?;
            self.spell_out(extent, masked)?;
        }
        Ok(())
    }

    /// The labels as targets, and as a mask: what a mask leaves out already is not read.
    fn spell_out(&mut self, extent: Extent, masked: bool) -> PyResult<()> {
        let Extent {
            first,
            n_steps,
            n_outputs,
            ..
        } = extent;
        let mask = self.mask.get_or_insert_default();
        if !masked {
            copy("mask".into(), mask, &[n_steps], |into| {
                into.resize(n_steps, true)
            })?;
        }
        copy(
            "targets".into(),
            &mut self.targets,
            &[n_steps, n_outputs],
            |into| {
                into.resize(n_steps * n_outputs, F::ZERO);
            },
        )?;
        for (t, (&label, taught)) in self.labels.iter().zip(mask).enumerate() {
            if !*taught {
                continue;
            }
            match label::output(label, n_outputs) {
                Ok(Some(k)) => self.targets[t * n_outputs + k] = F::ONE,
                Ok(None) => *taught = false,
                Err(expected) => {
                    let step = first + t;
                    return Err(PyValueError::new_err(format!(
                        "{}: {expected}, got {label} at step {step}",
                        extent.targets
                    )));
                }
            }
        }
        Ok(())
    }

    /// As the crate takes it: what was copied, and what is looked at in place while it is lent.
    pub fn stream<'s>(
        &'s self,
        extent: Extent,
        in_place: Option<&'s Arrays<Loan<'_, '_>>>,
    ) -> PyResult<Stream<'s, F>> {
        let there = |loan: &'s Loan<'_, '_>| F::slice(&loan.numbers());
        let inputs = in_place.and_then(|loans| there(&loans.inputs));
        let targets = in_place.and_then(|loans| loans.targets.as_ref().and_then(there));
        let Extent {
            name,
            n_steps,
            n_inputs,
            n_outputs,
            ..
        } = extent;
        let rows = |name, width, numbers| {
            ArrayView2::from_shape((n_steps, width), numbers)
                .map_err(|_| error::changed(name, &[n_steps, width]))
        };
        Ok(Stream {
            inputs: match self.bounds {
                Some(_) => self.events.inputs(n_inputs),
                None => Inputs::Dense(rows(name, n_inputs, inputs.unwrap_or(&self.inputs))?),
            },
            targets: rows(
                "targets".into(),
                n_outputs,
                targets.unwrap_or(&self.targets),
            )?,
            mask: self.mask.as_deref().map(ArrayView1::from),
            weights: self.weights.as_deref().map(ArrayView1::from),
        })
    }
}

/// One stream's piece to be copied, by any thread, without Python.
pub struct Job<'j, F> {
    pub extent: Extent,
    pub numbers: Arrays<Numbers<'j>>,
    /// What can be looked at where it lies is not copied.
    pub in_place: bool,
    pub room: &'j mut Room<F>,
    pub outcome: &'j mut PyResult<()>,
}

impl<F: Real> Job<'_, F> {
    pub fn run(self) {
        *self.outcome = self.room.fill(self.extent, &self.numbers, self.in_place);
    }
}

fn copy<T>(
    name: Name,
    into: &mut Vec<T>,
    shape: &[usize],
    fill: impl FnOnce(&mut Vec<T>),
) -> PyResult<()> {
    let len = shape.iter().product();
    into.clear();
    into.try_reserve_exact(len)
        .map_err(|_| error::no_memory(name, shape))?;
    fill(into);
    if into.len() == len {
        return Ok(());
    }
    Err(error::changed(name, shape))
}
