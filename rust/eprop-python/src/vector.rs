//! The numbers of one step: looked at where NumPy has them if they fit, copied and converted if they do not.

use numpy::ndarray::{Array1, ArrayView1, Ix1};
use numpy::{PyArray1, PyArrayDyn, PyReadonlyArray1, PyUntypedArrayMethods};
use pyo3::prelude::*;

use crate::arrays::{Real, readonly};
use crate::error;

/// A vector that a call was handed.
pub enum Vector<'py, F: Real> {
    Borrowed(PyReadonlyArray1<'py, F>),
    Copied(Array1<F>),
}

impl<'py, F: Real> Vector<'py, F> {
    /// `len` numbers of either width, in any layout.
    pub fn read(argument: &str, object: &Bound<'py, PyAny>, len: usize) -> PyResult<Self> {
        if let Ok(array) = object.cast::<PyArray1<F>>() {
            if array.len() == len && array.is_c_contiguous() && array.is_aligned() {
                return readonly(argument, array).map(Self::Borrowed);
            }
        }
        let copy = if object.cast::<PyArrayDyn<f32>>().is_ok() {
            convert::<f32, F>(argument, object, len)
        } else {
            convert::<f64, F>(argument, object, len)
        };
        copy.map(Self::Copied)
    }

    pub fn view(&self) -> ArrayView1<'_, F> {
        match self {
            Self::Borrowed(array) => array.as_array(),
            Self::Copied(array) => array.view(),
        }
    }

    /// Numbers that nobody else can reach, for work without the GIL.
    pub fn into_owned(self) -> Array1<F> {
        match self {
            Self::Borrowed(array) => array.as_array().to_owned(),
            Self::Copied(array) => array,
        }
    }
}

/// A copy in the trainer's dtype. What overflows it becomes infinity, which the crate refuses.
fn convert<E: Real, F: Real>(
    argument: &str,
    object: &Bound<'_, PyAny>,
    len: usize,
) -> PyResult<Array1<F>> {
    let array = object
        .cast::<PyArrayDyn<E>>()
        .map_err(|_| error::not_an_array(argument))?;
    if array.shape() != [len] {
        return Err(error::shape(argument, &error::tuple(&[len]), array.shape()));
    }
    if !array.is_aligned() {
        return convert::<E, F>(argument, &object.call_method0("copy")?, len);
    }
    let numbers = readonly(argument, array)?;
    let numbers = numbers.as_array();
    let row = numbers
        .into_dimensionality::<Ix1>()
        .map_err(|_| error::not_an_array(argument))?;
    Ok(row.mapv(|number| F::cast(number.to_f64())))
}
