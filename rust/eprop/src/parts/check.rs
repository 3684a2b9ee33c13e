//! Checks at the crate's surface: everything is looked at before anything changes.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use ndarray::{ArrayRef, ArrayView1, ArrayView2, ArrayViewMut2, ArrayViewMut3, Dimension};

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

/// A matrix, or a gradient, with numbers only where there are synapses.
pub(crate) fn only_where<F: Float>(
    argument: &'static str,
    w: ArrayView2<'_, F>,
    exists: impl Fn(usize, usize) -> bool,
) -> Result<(), Error> {
    let stray = w
        .indexed_iter()
        .find(|&((j, i), &w)| w != F::ZERO && !exists(j, i));
    match stray {
        None => Ok(()),
        Some((at, w)) => {
            let expected = "0 where connect_in and connect_rec have no synapse";
            Err(Error::value(
                argument,
                expected,
                alloc::format!("{w} at index {at:?}"),
            ))
        }
    }
}

/// Weights (N, sources) with the signs of their sources.
pub(crate) fn of_signs<F: Float>(
    argument: &'static str,
    w: ArrayView2<'_, F>,
    signs: &[i8],
) -> Result<(), Error> {
    w.indexed_iter()
        .try_for_each(|(at, &w)| of_sign(argument, w, signs[at.1], at))
}

/// A weight with the sign of its source: 1, -1, or 0 for either.
pub(crate) fn of_sign<F: Float>(
    argument: &'static str,
    w: F,
    sign: i8,
    at: (usize, usize),
) -> Result<(), Error> {
    let (expected, keeps_it) = match sign {
        1 => ("a weight of at least 0", w >= F::ZERO),
        -1 => ("a weight of at most 0", w <= F::ZERO),
        _ => return Ok(()),
    };
    match keeps_it {
        true => Ok(()),
        false => Err(Error::value(
            argument,
            alloc::format!("{expected} from source {}, as `sign` says", at.1),
            alloc::format!("{w} at index {at:?}"),
        )),
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

/// The same, for streams of them.
pub(crate) fn room3<F>(
    argument: &'static str,
    room: &ArrayViewMut3<'_, F>,
    (streams, rows, columns): (usize, usize, usize),
) -> Result<(), Error> {
    if room.dim() == (streams, rows, columns) {
        return Ok(());
    }
    let expected = [Dim::Is(streams), Dim::Is(rows), Dim::Is(columns)];
    Err(Error::shape(argument, &expected, room.shape()))
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
    moderate("inputs", &inputs)
}

/// The inputs of one step.
pub(crate) fn input<F: Float>(x: ArrayView1<'_, F>, n_inputs: usize) -> Result<(), Error> {
    if x.len() != n_inputs {
        return Err(Error::shape("x", &[Dim::Is(n_inputs)], x.shape()));
    }
    moderate("x", &x)
}

/// Finite inputs from which no trace can overflow.
fn moderate<F: Float, D: Dimension>(
    argument: &'static str,
    x: &ArrayRef<F, D>,
) -> Result<(), Error> {
    // One pass without a branch, which no NaN passes either; only an array that is at fault is searched.
    let within = match x.as_slice_memory_order() {
        Some(values) => crate::kernels::all_finite_times(F::LARGEST / F::LARGEST_INPUT, values),
        None => false,
    };
    if within {
        return Ok(());
    }
    finite(argument.into(), x)?;
    let beyond = |&(_, value): &(usize, &F)| value.abs() > F::LARGEST_INPUT;
    match x.iter().enumerate().find(beyond) {
        None => Ok(()),
        Some((at, value)) => {
            let got = alloc::format!("{value:e} at index {}", position(at, x.shape()));
            Err(Error::value(argument, moderate_values::<F>(), got))
        }
    }
}

fn moderate_values<F: Float>() -> String {
    alloc::format!(
        "magnitudes of at most {:e} in {}",
        F::LARGEST_INPUT,
        F::NAME
    )
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
    if let Some(value) = values.iter().find(|value| !value.is_finite()) {
        return Err(Error::value(argument, "finite values", value));
    }
    match values.iter().find(|value| value.abs() > F::LARGEST_INPUT) {
        Some(value) => Err(Error::value(argument, moderate_values::<F>(), value)),
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
    let falls = start.windows(2).find(|pair| pair[0] > pair[1]);
    let got = match (falls, start.last()) {
        (Some(pair), _) => Some(alloc::format!("{} before {}", pair[0], pair[1])),
        (None, Some(&last)) if last > units.len() => Some(alloc::format!("{last}")),
        _ => None,
    };
    if let Some(got) = got {
        let expected = alloc::format!("starts that rise to at most {}", units.len());
        return Err(Error::value("inputs", expected, got));
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
    weights: Option<ArrayView1<'_, F>>,
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
    if let Some(weights) = weights {
        if weights.len() != t_total {
            return Err(Error::shape(
                "weights",
                &[Dim::Is(t_total)],
                weights.shape(),
            ));
        }
    }
    for (t, row) in targets.outer_iter().enumerate() {
        if mask.is_some_and(|mask| !mask[t]) {
            continue;
        }
        let counts = weights.map_or(F::ONE, |weights| weights[t]);
        weight("weights", counts).map_err(|error| at_step(error, t))?;
        if counts != F::ZERO {
            target("targets", row, loss).map_err(|error| at_step(error, t))?;
        }
    }
    Ok(())
}

/// What the loss of a step is multiplied with.
pub(crate) fn weight<F: Float>(argument: &'static str, weight: F) -> Result<(), Error> {
    if weight.is_finite() && weight >= F::ZERO {
        return Ok(());
    }
    Err(Error::value(
        argument,
        "a finite number of at least 0",
        weight,
    ))
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

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString};
    use alloc::vec;

    use ndarray::{Array2, array, s};

    use super::{
        addressable, event_rows, events, inputs, matrix, no_self_connections, room, streams,
        target, targets, vector,
    };
    use crate::Error;
    use crate::options::Loss;
    use crate::testing::in_both;

    #[track_caller]
    fn refused(got: Result<(), Error>, expected: &str) {
        assert_eq!(got.unwrap_err().to_string(), expected);
    }

    in_both! {
        fn a_vector_has_its_length_and_finite_values<F>() {
            let of = |x: [f64; 3]| vector("x", array![F::cast(x[0]), F::cast(x[1]), F::cast(x[2])].view(), 3);
            of([1.0, -2.0, 0.0]).unwrap();
            refused(of([1.0, f64::NAN, 0.0]), "x: expected finite values, got NaN at index (1,)");
            refused(of([1.0, 0.0, f64::NEG_INFINITY]), "x: expected finite values, got -inf at index (2,)");
            let short = array![F::ONE, F::ONE];
            refused(vector("x", short.view(), 3), "x: expected shape (3,), got (2,)");
        }
    }

    in_both! {
        fn a_matrix_is_searched_for_its_flaw_in_whatever_order_it_lies<F>() {
            let mut w = Array2::from_elem((4, 40), F::ZERO);
            matrix("W", w.view(), 4, 40).unwrap();
            refused(matrix("W", w.view(), 40, 4), "W: expected shape (40, 4), got (4, 40)");
            w[(2, 17)] = F::cast(f64::INFINITY);
            refused(matrix("W", w.view(), 4, 40), "W: expected finite values, got inf at index (2, 17)");
            refused(matrix("W", w.t(), 40, 4), "W: expected finite values, got inf at index (17, 2)");
            // Columns of a wider array lie apart.
            refused(matrix("W", w.slice(s![.., 10..20]), 4, 10), "W: expected finite values, got inf at index (2, 7)");
            matrix("W", w.slice(s![.., 20..]), 4, 20).unwrap();
        }
    }

    #[test]
    fn a_diagonal_is_zero() {
        no_self_connections("W_rec", array![[0.0, 1.0], [2.0, -0.0]].view()).unwrap();
        let w = array![[0.0, 1.0], [2.0, 0.5]];
        let expected =
            "W_rec: expected a diagonal of 0 (no self-connections), got 0.5 at index (1, 1)";
        refused(no_self_connections("W_rec", w.view()), expected);
    }

    #[test]
    fn room_of_the_callers_has_the_shape_that_is_asked_for() {
        let mut to = Array2::<f32>::zeros((2, 3));
        room("out", &to.view_mut(), (2, 3)).unwrap();
        refused(
            room("out", &to.view_mut(), (3, 2)),
            "out: expected shape (3, 2), got (2, 3)",
        );
    }

    #[test]
    fn streams_are_as_many_as_are_asked_for() {
        streams("targets", 3, 3).unwrap();
        refused(
            streams("targets", 3, 2),
            "targets: expected 3 streams, got 2",
        );
    }

    #[test]
    fn sizes_are_refused_from_where_padding_could_overflow() {
        let sizes = |sizes: &[usize]| addressable(sizes, || String::from("n = 5"));
        sizes(&[1, usize::MAX / 64]).unwrap();
        let expected = Error::TooLarge {
            sizes: "n = 5".into(),
            bytes: None,
        };
        assert_eq!(sizes(&[1, usize::MAX / 64 + 1]), Err(expected));
    }

    #[test]
    fn inputs_have_any_length_and_one_width() {
        inputs(Array2::<f64>::zeros((0, 3)).view(), 3).unwrap();
        inputs(Array2::<f64>::zeros((5, 3)).view(), 3).unwrap();
        let wide = Array2::<f64>::zeros((5, 4));
        refused(
            inputs(wide.view(), 3),
            "inputs: expected shape (T, 3), got (5, 4)",
        );
    }

    in_both! {
        fn events_ascend_below_the_number_of_inputs_with_finite_values<F>() {
            let of = |units: &[u32], values: Option<&[f64]>| {
                let values: Option<vec::Vec<_>> = values.map(|values| values.iter().map(|&x| F::cast(x)).collect());
                events("x", units, values.as_deref(), 5)
            };
            of(&[], None).unwrap();
            of(&[0, 3, 4], None).unwrap();
            of(&[0, 4], Some(&[0.5, -1.0])).unwrap();
            refused(of(&[0, 5], None), "x: expected units below 5, got 5");
            refused(of(&[0, 3, 3], None), "x: expected units that ascend, each once in a step, got 3 after 3");
            refused(of(&[3, 1], None), "x: expected units that ascend, each once in a step, got 1 after 3");
            refused(of(&[1, 2], Some(&[1.0])), "x: expected shape (2,), got (1,)");
            refused(of(&[1], Some(&[f64::NAN])), "x: expected finite values, got NaN");
        }
    }

    #[test]
    fn rows_of_events_are_checked_as_a_whole_and_step_by_step() {
        let units = [3, 8, 1, 0, 2];
        let of = |width, start: &[usize], values: Option<&[f32]>| {
            event_rows(width, start, &units, values, 9)
        };
        of(9, &[0, 2, 3, 5], None).unwrap();
        of(9, &[2, 3, 5], None).unwrap();
        of(9, &[2, 2], Some(&[1.0; 5])).unwrap();
        of(9, &[], None).unwrap();
        refused(
            of(8, &[0, 2], None),
            "inputs: expected shape (T, 9), got (1, 8)",
        );
        refused(
            of(9, &[0, 3, 2], None),
            "inputs: expected starts that rise to at most 5, got 3 before 2",
        );
        refused(
            of(9, &[0, 6], None),
            "inputs: expected starts that rise to at most 5, got 6",
        );
        refused(
            of(9, &[0, 2], Some(&[1.0; 4])),
            "inputs: expected shape (5,), got (4,)",
        );
        let late =
            "inputs: expected units that ascend, each once in a step, got 1 after 8 at step 1";
        refused(of(9, &[0, 1, 3], None), late);
        let nan = [1.0, 1.0, 1.0, 1.0, f32::NAN];
        refused(
            of(9, &[0, 2, 3, 5], Some(&nan)),
            "inputs: expected finite values, got NaN at step 2",
        );
    }

    #[test]
    fn a_target_is_finite_and_under_cross_entropy_a_distribution() {
        let of = |row: [f64; 2], loss| target("target", array![row[0], row[1]].view(), loss);
        of([3.0, -1.0], Loss::Mse).unwrap();
        of([0.25, 0.75], Loss::CrossEntropy).unwrap();
        of([0.25, 0.750_09], Loss::CrossEntropy).unwrap();
        refused(
            of([f64::NAN, 0.0], Loss::Mse),
            "target: expected finite values, got NaN at index (0,)",
        );
        let sum = "target: expected rows that sum to 1 under cross_entropy, got a sum of 1.25";
        refused(of([0.5, 0.75], Loss::CrossEntropy), sum);
        let negative = "target: expected probabilities >= 0 under cross_entropy, got -0.5";
        refused(of([-0.5, 1.5], Loss::CrossEntropy), negative);
    }

    #[test]
    fn weights_are_checked_and_say_which_steps_have_a_target() {
        let mut rows = Array2::<f64>::zeros((3, 2));
        rows[(1, 0)] = f64::NAN;
        let of = |mask: Option<&[bool]>, weights: &[f64]| {
            let weights = Some(weights.into());
            targets(rows.view(), mask.map(Into::into), weights, 3, 2, Loss::Mse)
        };
        of(None, &[1.0, 0.0, 2.5]).unwrap();
        of(Some(&[true, false, true]), &[1.0, f64::NAN, 0.0]).unwrap();
        let number = "weights: expected a finite number of at least 0, got ";
        refused(
            of(None, &[1.0, -0.5, 1.0]),
            &(String::from(number) + "-0.5 at step 1"),
        );
        refused(
            of(None, &[1.0, 0.0, f64::INFINITY]),
            &(String::from(number) + "inf at step 2"),
        );
        refused(
            of(None, &[1.0, 0.0]),
            "weights: expected shape (3,), got (2,)",
        );
    }

    #[test]
    fn targets_are_checked_at_the_steps_that_have_one() {
        let mut rows = Array2::<f64>::zeros((3, 2));
        rows[(1, 0)] = f64::NAN;
        let of = |mask: Option<&[bool]>, t| {
            targets(rows.view(), mask.map(Into::into), None, t, 2, Loss::Mse)
        };
        of(Some(&[true, false, true]), 3).unwrap();
        let nan = "targets: expected finite values, got NaN at index (0,) at step 1";
        refused(of(None, 3), nan);
        refused(of(Some(&[false, true, false]), 3), nan);
        refused(
            of(Some(&[true, true]), 3),
            "mask: expected shape (3,), got (2,)",
        );
        refused(of(None, 4), "targets: expected shape (4, 2), got (3, 2)");
    }
}
