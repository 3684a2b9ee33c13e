//! Checks at the crate's surface: everything is looked at before anything changes.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use ndarray::{ArrayRef, ArrayView1, ArrayView2, ArrayViewMut2, Dimension};

use crate::error::Dim;
use crate::options::Loss;
use crate::{Error, Float};

/// How far a row of targets under cross-entropy may sum from 1.
const ROW_SUM_TOLERANCE: f64 = 1e-4;

/// Whether sizes are far below what overflows when a row is padded.
pub(crate) fn addressable(sizes: &[usize], named: impl FnOnce() -> String) -> Result<(), Error> {
    if sizes.iter().all(|&size| size <= usize::MAX / 64) {
        return Ok(());
    }
    Err(Error::TooLarge {
        sizes: named(),
        bytes: None,
    })
}

pub(crate) fn vector<F: Float>(
    argument: impl Into<Cow<'static, str>>,
    x: ArrayView1<'_, F>,
    len: usize,
) -> Result<(), Error> {
    let argument = argument.into();
    if x.len() != len {
        return Err(Error::shape(argument, &[Dim::Is(len)], x.shape()));
    }
    finite(argument, &x)
}

pub(crate) fn matrix<F: Float>(
    argument: impl Into<Cow<'static, str>>,
    x: ArrayView2<'_, F>,
    rows: usize,
    columns: usize,
) -> Result<(), Error> {
    let argument = argument.into();
    if x.dim() != (rows, columns) {
        return Err(Error::shape(
            argument,
            &[Dim::Is(rows), Dim::Is(columns)],
            x.shape(),
        ));
    }
    finite(argument, &x)
}

/// The diagonal of a matrix of recurrent weights, or of their gradient.
pub(crate) fn no_self_connections<F: Float>(
    argument: &'static str,
    w: ArrayView2<'_, F>,
) -> Result<(), Error> {
    let own = w
        .diag()
        .into_iter()
        .enumerate()
        .find(|&(_, &own)| own != F::ZERO);
    match own {
        None => Ok(()),
        Some((j, own)) => {
            let got = alloc::format!("{own} at index ({j}, {j})");
            Err(Error::value(
                argument,
                "a diagonal of 0 (no self-connections)",
                got,
            ))
        }
    }
}

/// Memory of the caller's for a matrix of these rows and columns.
pub(crate) fn room<F>(
    argument: &'static str,
    room: &ArrayViewMut2<'_, F>,
    expected: (usize, usize),
) -> Result<(), Error> {
    if room.dim() == expected {
        return Ok(());
    }
    let (rows, columns) = expected;
    Err(Error::shape(
        argument,
        &[Dim::Is(rows), Dim::Is(columns)],
        room.shape(),
    ))
}

/// A part for each of so many streams.
pub(crate) fn streams(argument: &'static str, expected: usize, got: usize) -> Result<(), Error> {
    if got == expected {
        return Ok(());
    }
    Err(Error::value(
        argument,
        alloc::format!("{expected} streams"),
        got,
    ))
}

/// The inputs of a sequence.
pub(crate) fn inputs<F: Float>(inputs: ArrayView2<'_, F>, n_inputs: usize) -> Result<(), Error> {
    if inputs.ncols() != n_inputs {
        return Err(Error::shape(
            "inputs",
            &[Dim::Any("T"), Dim::Is(n_inputs)],
            inputs.shape(),
        ));
    }
    finite("inputs".into(), &inputs)
}

/// The events of one step: units below `n_inputs`, strictly ascending, with finite values.
pub(crate) fn events<F: Float>(
    argument: &'static str,
    units: &[u32],
    values: Option<&[F]>,
    n_inputs: usize,
) -> Result<(), Error> {
    if let Some(&unit) = units.iter().find(|&&unit| unit as usize >= n_inputs) {
        return Err(Error::value(
            argument,
            alloc::format!("units below {n_inputs}"),
            unit,
        ));
    }
    if let Some(pair) = units.windows(2).find(|pair| pair[0] >= pair[1]) {
        let got = alloc::format!("{} after {}", pair[1], pair[0]);
        return Err(Error::value(
            argument,
            "units that ascend, each once in a step",
            got,
        ));
    }
    let Some(values) = values else { return Ok(()) };
    if values.len() != units.len() {
        return Err(Error::shape(
            argument,
            &[Dim::Is(units.len())],
            &[values.len()],
        ));
    }
    match values.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(Error::value(argument, "finite values", value)),
        None => Ok(()),
    }
}

/// The events of a sequence.
pub(crate) fn event_rows<F: Float>(
    width: usize,
    start: &[usize],
    units: &[u32],
    values: Option<&[F]>,
    n_inputs: usize,
) -> Result<(), Error> {
    let t_total = start.len().saturating_sub(1);
    if width != n_inputs {
        return Err(Error::shape(
            "inputs",
            &[Dim::Any("T"), Dim::Is(n_inputs)],
            &[t_total, width],
        ));
    }
    if !start.is_sorted() || start.last().is_some_and(|&last| last > units.len()) {
        return Err(Error::value(
            "inputs",
            alloc::format!("starts that rise to at most {}", units.len()),
            "others",
        ));
    }
    if values.is_some_and(|values| values.len() != units.len()) {
        let got = values.map_or(0, <[F]>::len);
        return Err(Error::shape("inputs", &[Dim::Is(units.len())], &[got]));
    }
    for (t, bounds) in start.windows(2).enumerate() {
        let row = bounds[0]..bounds[1];
        let values = values.map(|values| &values[row.clone()]);
        events("inputs", &units[row], values, n_inputs).map_err(|error| at_step(error, t))?;
    }
    Ok(())
}

/// Targets for every step that has one.
pub(crate) fn targets<F: Float>(
    targets: ArrayView2<'_, F>,
    mask: Option<ArrayView1<'_, bool>>,
    t_total: usize,
    n_outputs: usize,
    loss: Loss,
) -> Result<(), Error> {
    if targets.dim() != (t_total, n_outputs) {
        return Err(Error::shape(
            "targets",
            &[Dim::Is(t_total), Dim::Is(n_outputs)],
            targets.shape(),
        ));
    }
    if let Some(mask) = mask {
        if mask.len() != t_total {
            return Err(Error::shape("mask", &[Dim::Is(t_total)], mask.shape()));
        }
    }
    for (t, row) in targets.outer_iter().enumerate() {
        if mask.is_none_or(|mask| mask[t]) {
            target("targets", row, loss).map_err(|error| at_step(error, t))?;
        }
    }
    Ok(())
}

/// One row of targets whose length is already known to be right.
pub(crate) fn target<F: Float>(
    argument: &'static str,
    row: ArrayView1<'_, F>,
    loss: Loss,
) -> Result<(), Error> {
    finite(argument.into(), &row)?;
    match loss {
        Loss::Mse => Ok(()),
        Loss::CrossEntropy => distribution(argument, row),
    }
}

fn distribution<F: Float>(argument: &'static str, row: ArrayView1<'_, F>) -> Result<(), Error> {
    if let Some(&negative) = row.iter().find(|&&p| p < F::ZERO) {
        return Err(Error::value(
            argument,
            "probabilities >= 0 under cross_entropy",
            negative,
        ));
    }
    let sum: f64 = row.iter().map(|p| p.to_f64()).sum();
    if (sum - 1.0).abs() > ROW_SUM_TOLERANCE {
        return Err(Error::value(
            argument,
            "rows that sum to 1 under cross_entropy",
            alloc::format!("a sum of {sum}"),
        ));
    }
    Ok(())
}

fn at_step(error: Error, t: usize) -> Error {
    match error {
        Error::Value {
            argument,
            expected,
            got,
        } => Error::Value {
            argument,
            expected,
            got: alloc::format!("{got} at step {t}"),
        },
        other => other,
    }
}

fn finite<F: Float, D: Dimension>(
    argument: Cow<'static, str>,
    x: &ArrayRef<F, D>,
) -> Result<(), Error> {
    // One pass without a branch; only an array that is at fault is searched.
    let flaw = match x.as_slice_memory_order() {
        Some(values) => !crate::kernels::all_finite(values),
        None => true,
    };
    if flaw {
        for (at, value) in x.iter().enumerate() {
            if !value.is_finite() {
                let got = alloc::format!("{value} at index {}", position(at, x.shape()));
                return Err(Error::value(argument, "finite values", got));
            }
        }
    }
    Ok(())
}

fn position(mut at: usize, shape: &[usize]) -> String {
    let mut index: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&n| {
            let here = at % n;
            at /= n;
            here
        })
        .collect();
    index.reverse();
    crate::error::shape(&index)
}
