//! An array of NumPy's that a call was handed, read in parts.
//!
//! Whenever Python runs, or the GIL is free, somebody may resize, reshape or retype the array in place. So a table
//! keeps the object alone. Each part is read in two moves, and an array that is no longer as it was is an error in both:
//! [`Table::read`] may run Python, [`Part::lend`] does not, and its loan ends before Python runs again.

use std::fmt;
use std::ops::Range;

use numpy::{
    PyArrayDescr, PyArrayDescrMethods, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn,
    PyUntypedArray, PyUntypedArrayMethods, dtype,
};
use pyo3::exceptions::{PyMemoryError, PyRuntimeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PySlice};

use crate::error;
use crate::numbers::{Kind, Numbers, Real};

/// How messages call an array: `inputs`, or `inputs[2]` for an item of a list.
#[derive(Clone, Copy)]
pub struct Name {
    argument: &'static str,
    item: Option<usize>,
}

impl Name {
    pub fn item(self, item: usize) -> Self {
        Self {
            item: Some(item),
            ..self
        }
    }
}

impl From<&'static str> for Name {
    fn from(argument: &'static str) -> Self {
        Self {
            argument,
            item: None,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.argument)?;
        match self.item {
            Some(item) => write!(f, "[{item}]"),
            None => Ok(()),
        }
    }
}

/// An array as it was when the call began, or the part of one stream along its first axis.
#[derive(Clone)]
pub struct Table<'py> {
    pub name: Name,
    array: Bound<'py, PyUntypedArray>,
    dtype: Bound<'py, PyArrayDescr>,
    kind: Option<Kind>,
    shape: Vec<usize>,
    stream: Option<usize>,
}

/// Numbers of a matrix that are copied from one look for signals to the next.
const PIECE: usize = 1 << 22;

impl<'py> Table<'py> {
    pub fn new(name: impl Into<Name>, object: &Bound<'py, PyAny>) -> PyResult<Self> {
        let name = name.into();
        let array = object
            .cast::<PyUntypedArray>()
            .map_err(|_| error::not_an_array(name))?;
        let dtype = array.dtype();
        Ok(Self {
            name,
            array: array.clone(),
            kind: Kind::of(&dtype),
            dtype,
            shape: array.shape().to_vec(),
            stream: None,
        })
    }

    pub fn of_stream(&self, stream: usize) -> Self {
        Self {
            stream: Some(stream),
            ..self.clone()
        }
    }

    /// Of the stream's part, where it is one.
    pub fn shape(&self) -> &[usize] {
        &self.shape[usize::from(self.stream.is_some())..]
    }

    pub fn is_of_bools(&self) -> bool {
        self.kind == Some(Kind::Bool)
    }

    pub fn is_of_integers(&self) -> bool {
        matches!(self.dtype.kind(), b'i' | b'u')
    }

    /// What a row takes where it lies.
    pub fn row_bytes(&self) -> usize {
        self.width().saturating_mul(self.dtype.itemsize())
    }

    /// Some rows. `to` is the dtype that NumPy makes of one that is not converted here.
    pub fn read(
        &self,
        rows: Range<usize>,
        to: fn(Python<'py>) -> Bound<'py, PyArrayDescr>,
    ) -> PyResult<Part<'_, 'py>> {
        if rows.len() * self.width() == 0 {
            return Ok(Part::Copied(Kind::U8, PyBytes::new(self.array.py(), &[])));
        }
        match self.kind {
            Some(Kind::F32 | Kind::F64) if self.is_plain() => Ok(Part::There(self, rows)),
            Some(kind) => self.bytes(&rows).map(|bytes| Part::Copied(kind, bytes)),
            None => {
                let to = to(self.array.py());
                let kind = Kind::of(&to).ok_or_else(|| error::not_an_array(self.name))?;
                self.converted(&rows, to)
                    .map(|bytes| Part::Copied(kind, bytes))
            }
        }
    }

    /// All of it, row after row; what a signal handler raises.
    pub fn whole<F: Real>(&self) -> PyResult<Vec<F>> {
        let n_rows = self.shape().first().copied().unwrap_or(1);
        let len: usize = self.shape().iter().product();
        let mut numbers = Vec::new();
        numbers
            .try_reserve_exact(len)
            .map_err(|_| error::no_memory(self.name, self.shape()))?;
        let some = (PIECE / self.width().max(1)).max(1);
        for from in (0..n_rows).step_by(some) {
            let part = self.read(from..n_rows.min(from + some), dtype::<F>)?;
            part.lend()?.numbers().reals(&mut numbers);
            drop(part);
            self.array.py().check_signals()?;
        }
        if numbers.len() == len {
            return Ok(numbers);
        }
        Err(error::changed(self.name, &self.shape))
    }

    /// All of it, where it is a vector of integers.
    pub fn indices(&self, rows: Range<usize>) -> PyResult<Vec<i64>> {
        let mut indices = Vec::new();
        indices
            .try_reserve_exact(rows.len())
            .map_err(|_| error::no_memory(self.name, &[rows.len()]))?;
        let len = rows.len();
        let part = self.read(rows, dtype::<i64>)?;
        part.lend()?.numbers().indices(&mut indices);
        if indices.len() == len {
            return Ok(indices);
        }
        Err(error::changed(self.name, &self.shape))
    }

    /// The bytes of a copy: NumPy makes it without leaving the GIL, which a conversion does.
    fn bytes(&self, rows: &Range<usize>) -> PyResult<Bound<'py, PyBytes>> {
        let py = self.array.py();
        let tobytes = intern!(py, "tobytes");
        let is_all = self.stream.is_none() && self.shape.first().is_none_or(|&n| n == rows.len());
        let bytes = if is_all {
            self.unchanged()?;
            self.array.call_method0(tobytes)
        } else {
            let slice = PySlice::new(py, rows.start as isize, rows.end as isize, 1);
            let index = match self.stream {
                Some(stream) => (stream, slice).into_pyobject(py)?.into_any(),
                None => slice.into_any(),
            };
            self.unchanged()?;
            self.array.get_item(index)?.call_method0(tobytes)
        };
        let bytes = bytes.map_err(|error| self.named(error, rows))?;
        match bytes.cast_into::<PyBytes>() {
            Ok(bytes) if bytes.as_bytes().len() == rows.len() * self.row_bytes() => Ok(bytes),
            _ => Err(error::changed(self.name, &self.shape)),
        }
    }

    fn converted(
        &self,
        rows: &Range<usize>,
        to: Bound<'py, PyArrayDescr>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        convert(self.bytes(rows)?, &self.dtype, to)
            .map_err(|error| self.named(error, rows))?
            .cast_into()
            .map_err(|_| error::not_an_array(self.name))
    }

    /// NumPy does not say for what it had no memory.
    fn named(&self, error: PyErr, rows: &Range<usize>) -> PyErr {
        if error.is_instance_of::<PyMemoryError>(self.array.py()) {
            return error::no_memory(self.name, &[rows.len(), self.width()]);
        }
        error
    }

    fn width(&self) -> usize {
        self.shape().iter().skip(1).product()
    }

    fn is_plain(&self) -> bool {
        self.array.is_c_contiguous() && self.array.is_aligned()
    }

    fn unchanged(&self) -> PyResult<()> {
        if self.array.shape() == self.shape && self.array.dtype().is_equiv_to(&self.dtype) {
            return Ok(());
        }
        Err(error::changed(self.name, &self.shape))
    }

    /// The whole array, unless another extension is writing to it. No Python may run before this is dropped.
    fn borrow<E: numpy::Element>(&self) -> PyResult<PyReadonlyArrayDyn<'py, E>> {
        self.unchanged()?;
        match self.array.cast::<PyArrayDyn<E>>() {
            Ok(array) if self.is_plain() => array
                .try_readonly()
                .map_err(|busy| PyRuntimeError::new_err(format!("{}: {busy}", self.name))),
            _ => Err(error::changed(self.name, &self.shape)),
        }
    }
}

/// NumPy's conversion of bytes that are ours, as bytes: silently, since what overflows is refused later.
pub fn convert<'py>(
    bytes: Bound<'py, PyBytes>,
    from: &Bound<'py, PyArrayDescr>,
    to: Bound<'py, PyArrayDescr>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = bytes.py();
    let numpy = py.import(intern!(py, "numpy"))?;
    let silent = PyDict::new(py);
    silent.set_item(intern!(py, "all"), intern!(py, "ignore"))?;
    let silence = numpy.call_method(intern!(py, "errstate"), (), Some(&silent))?;
    silence.call_method0(intern!(py, "__enter__"))?;
    let converted = numpy
        .call_method1(intern!(py, "frombuffer"), (bytes, from))
        .and_then(|numbers| numbers.call_method1(intern!(py, "astype"), (to,)))
        .and_then(|numbers| numbers.call_method0(intern!(py, "tobytes")));
    silence.call_method1(intern!(py, "__exit__"), (py.None(), py.None(), py.None()))?;
    converted
}

/// Some rows, ready to be copied without Python.
pub enum Part<'a, 'py> {
    There(&'a Table<'py>, Range<usize>),
    Copied(Kind, Bound<'py, PyBytes>),
}

impl<'a, 'py> Part<'a, 'py> {
    pub fn lend(&self) -> PyResult<Loan<'_, 'py>> {
        match self {
            Self::There(table, rows) => {
                let from = match table.stream {
                    Some(stream) => stream * table.shape()[0] + rows.start,
                    None => rows.start,
                };
                let width = table.width();
                let at = from * width..(from + rows.len()) * width;
                Ok(match table.kind {
                    Some(Kind::F32) => Loan::F32(table.borrow()?, at),
                    _ => Loan::F64(table.borrow()?, at),
                })
            }
            Self::Copied(kind, bytes) => Ok(Loan::Bytes(*kind, bytes.as_bytes())),
        }
    }
}

/// NumPy's memory, for as long as no Python runs.
pub enum Loan<'a, 'py> {
    F32(PyReadonlyArrayDyn<'py, f32>, Range<usize>),
    F64(PyReadonlyArrayDyn<'py, f64>, Range<usize>),
    Bytes(Kind, &'a [u8]),
}

impl Loan<'_, '_> {
    /// What a slice does not hold is missed by whoever counts.
    pub fn numbers(&self) -> Numbers<'_> {
        match self {
            Self::F32(array, at) => Numbers::F32(part(array.as_slice().ok(), at)),
            Self::F64(array, at) => Numbers::F64(part(array.as_slice().ok(), at)),
            Self::Bytes(kind, bytes) => Numbers::Bytes(*kind, bytes),
        }
    }
}

fn part<'a, E>(numbers: Option<&'a [E]>, at: &Range<usize>) -> &'a [E] {
    numbers
        .and_then(|numbers| numbers.get(at.clone()))
        .unwrap_or_default()
}
