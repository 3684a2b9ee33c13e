//! The numbers of one step, as a copy in the trainer's dtype.

use numpy::ndarray::Array1;
use numpy::{PyArray1, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods, dtype};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error;
use crate::numbers::{Kind, Numbers, Real};
use crate::table::{Name, convert};

/// `len` real numbers in any dtype and layout. `hint` is what a wrong shape may have been meant for.
pub fn vector<F: Real>(
    name: impl Into<Name>,
    object: &Bound<'_, PyAny>,
    len: usize,
    hint: &str,
) -> PyResult<Array1<F>> {
    if let Some(numbers) = plain::<F>(object, len) {
        return Ok(numbers.into());
    }
    let name = name.into();
    let array = object
        .cast::<PyUntypedArray>()
        .map_err(|_| error::not_an_array(name))?;
    if array.shape() != [len] {
        let hint = if array.ndim() == 1 { hint } else { "" };
        return Err(error::shape_or(
            name,
            &error::tuple(&[len]),
            array.shape(),
            hint,
        ));
    }
    let mut numbers = Vec::with_capacity(len);
    let kind = Kind::of(&array.dtype());
    if let Some(narrow) = plain::<f32>(object, len) {
        Numbers::F32(&narrow).reals(&mut numbers);
    } else if let Some(wide) = plain::<f64>(object, len) {
        Numbers::F64(&wide).reals(&mut numbers);
    } else {
        let bytes = bytes(name, array)?;
        match kind {
            Some(kind) => Numbers::Bytes(kind, bytes.as_bytes()).reals(&mut numbers),
            None => {
                let to = dtype::<F>(array.py());
                let kind = Kind::of(&to).ok_or_else(|| error::not_an_array(name))?;
                let bytes = convert(bytes, &array.dtype(), to)?
                    .cast_into::<PyBytes>()
                    .map_err(|_| error::not_an_array(name))?;
                Numbers::Bytes(kind, bytes.as_bytes()).reals(&mut numbers);
            }
        }
    }
    if numbers.len() == len {
        return Ok(numbers.into());
    }
    Err(error::changed(name, &[len]))
}

/// A copy of an aligned vector of this dtype, at any stride.
fn plain<E: Real>(object: &Bound<'_, PyAny>, len: usize) -> Option<Vec<E>> {
    let array = object.cast::<PyArray1<E>>().ok()?;
    let strides_fit = array.strides()[0] % size_of::<E>() as isize == 0;
    if array.len() != len || !array.is_aligned() || !strides_fit {
        return None;
    }
    let strided = |_| array.to_owned_array().iter().copied().collect();
    Some(array.to_vec().unwrap_or_else(strided))
}

fn bytes<'py>(name: Name, array: &Bound<'py, PyUntypedArray>) -> PyResult<Bound<'py, PyBytes>> {
    array
        .call_method0(intern!(array.py(), "tobytes"))?
        .cast_into()
        .map_err(|_| error::not_an_array(name))
}
