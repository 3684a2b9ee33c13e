//! What one stream of a call is fed: inputs, targets and mask, each where NumPy has it, time first.

use std::ops::Range;

use numpy::dtype;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::error;
use crate::events::EventTable;
use crate::numbers::Real;
use crate::room::{Arrays, Extent, Room};
use crate::table::{Name, Part, Table};

pub struct Series<'py> {
    /// Steps that an array has beyond these are neither read nor checked.
    pub n_steps: usize,
    name: Name,
    inputs: Inputs<'py>,
    targets: Option<Targets<'py>>,
    mask: Option<Table<'py>>,
    weights: Option<Table<'py>>,
}

enum Targets<'py> {
    Rows(Table<'py>),
    /// Of so many outputs.
    Labels(Table<'py>, usize),
}

impl<'py> Targets<'py> {
    fn new(table: Table<'py>, n_outputs: usize) -> Self {
        match table.shape() {
            [_] => Self::Labels(table, n_outputs),
            _ => Self::Rows(table),
        }
    }

    fn name(&self) -> Name {
        match self {
            Self::Rows(table) | Self::Labels(table, _) => table.name,
        }
    }
}

enum Inputs<'py> {
    Dense(Table<'py>),
    Events(EventTable<'py>),
}

impl<'py> Series<'py> {
    /// Of rows, or of the face's tuple of events.
    pub fn new(name: Name, inputs: &Bound<'py, PyAny>, n_inputs: usize) -> PyResult<Self> {
        match inputs.cast::<PyTuple>() {
            Ok(events) => {
                let events = EventTable::new(name, events)?;
                Self::of(name, events.n_steps(), n_inputs, Inputs::Events(events))
            }
            Err(_) => Self::dense(Table::new(name, inputs)?, n_inputs),
        }
    }

    pub fn dense(inputs: Table<'py>, n_inputs: usize) -> PyResult<Self> {
        match *inputs.shape() {
            [n_steps, width] if width == n_inputs => {
                Self::of(inputs.name, n_steps, n_inputs, Inputs::Dense(inputs))
            }
            _ => Err(error::shape(
                inputs.name,
                &format!("(T, {n_inputs})"),
                inputs.shape(),
            )),
        }
    }

    fn of(name: Name, n_steps: usize, n_inputs: usize, inputs: Inputs<'py>) -> PyResult<Self> {
        if n_steps == 0 {
            return Err(PyValueError::new_err(format!(
                "{name}: expected at least one step, got shape (0, {n_inputs})"
            )));
        }
        Ok(Self {
            n_steps,
            name,
            inputs,
            targets: None,
            mask: None,
            weights: None,
        })
    }

    /// (T, n_outputs), or labels (T,).
    pub fn set_targets(&mut self, targets: Table<'py>, n_outputs: usize) -> PyResult<()> {
        check_targets(&targets, &[self.n_steps], n_outputs)?;
        self.set_targets_of(targets, n_outputs);
        Ok(())
    }

    /// (T or more, n_outputs), or labels (T or more,): whoever has looked at the shape of all streams' targets.
    pub fn set_targets_of(&mut self, targets: Table<'py>, n_outputs: usize) {
        self.targets = Some(Targets::new(targets, n_outputs));
    }

    /// (T or more,) of bool.
    pub fn set_mask(&mut self, mask: Table<'py>) {
        self.mask = Some(mask);
    }

    /// (T or more,).
    pub fn set_weights(&mut self, weights: Table<'py>) {
        self.weights = Some(weights);
    }

    /// What a copy of one step takes, with what it is made from.
    pub fn step_bytes<F: Real>(&self) -> usize {
        let both = |table: &Table<'_>, width: usize| {
            width
                .saturating_mul(size_of::<F>())
                .saturating_add(table.row_bytes())
        };
        let inputs = match &self.inputs {
            Inputs::Dense(rows) => both(rows, rows.shape()[1]),
            Inputs::Events(events) => events.step_bytes().saturating_mul(4),
        };
        inputs.saturating_add(match &self.targets {
            None => 0,
            Some(Targets::Rows(rows)) => both(rows, rows.shape()[1]),
            Some(Targets::Labels(labels, n_outputs)) => both(labels, *n_outputs),
        })
    }

    pub fn extent(&self, steps: &Range<usize>, n_inputs: usize, n_outputs: usize) -> Extent {
        let steps = self.clipped(steps);
        Extent {
            name: self.name,
            targets: self
                .targets
                .as_ref()
                .map_or(Name::from("targets"), Targets::name),
            first: steps.start,
            n_steps: steps.len(),
            n_inputs,
            n_outputs,
        }
    }

    /// Some steps, as far as there are any.
    pub fn read<F>(
        &self,
        steps: &Range<usize>,
        room: &mut Room<F>,
    ) -> PyResult<Arrays<Part<'_, 'py>>>
    where
        F: Real,
    {
        let steps = self.clipped(steps);
        let (inputs, values) = match &self.inputs {
            Inputs::Dense(rows) => (rows.read(steps.clone(), dtype::<F>)?, None),
            Inputs::Events(events) => {
                let bounds = room.bounds.insert(events.bounds(steps.clone())?);
                let at = bounds[0] as usize..bounds[steps.len()] as usize;
                (events.units(at.clone())?, events.values(at)?)
            }
        };
        let (targets, labels) = match &self.targets {
            None => (None, None),
            Some(Targets::Rows(rows)) => (Some(rows), None),
            Some(Targets::Labels(labels, _)) => (None, Some(labels)),
        };
        let mask = self.mask.as_ref();
        let weights = self.weights.as_ref();
        Ok(Arrays {
            inputs,
            values,
            targets: targets
                .map(|targets| targets.read(steps.clone(), dtype::<F>))
                .transpose()?,
            labels: labels
                .map(|labels| labels.read(steps.clone(), dtype::<i64>))
                .transpose()?,
            mask: mask
                .map(|mask| mask.read(steps.clone(), dtype::<bool>))
                .transpose()?,
            weights: weights
                .map(|weights| weights.read(steps.clone(), dtype::<F>))
                .transpose()?,
        })
    }

    fn clipped(&self, steps: &Range<usize>) -> Range<usize> {
        steps.start.min(self.n_steps)..steps.end.min(self.n_steps)
    }
}

/// Targets with an axis of outputs behind those of `axes`, or labels without.
///
/// # Errors
/// ValueError for another shape.
pub fn check_targets(targets: &Table<'_>, axes: &[usize], n_outputs: usize) -> PyResult<()> {
    let got = targets.shape();
    let expected = [axes, &[n_outputs]].concat();
    if got == expected || got == axes && targets.is_of_integers() {
        return Ok(());
    }
    let hint = match got.len() == axes.len() && !targets.is_of_integers() {
        true if n_outputs == 1 => {
            "; of one readout they are targets[..., None]; labels, one for each step, are integers"
        }
        true => "; labels, one for each step, are integers",
        false => "",
    };
    Err(error::shape_or(
        targets.name,
        &error::tuple(&expected),
        got,
        hint,
    ))
}
