//! Numbers in the dtypes of NumPy, and their conversion to what the crate takes.

use numpy::{Element, PyArrayDescr, PyArrayDescrMethods};
use pyo3::prelude::*;

/// A dtype that is converted here; NumPy converts all others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Bool,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    F16,
    F32,
    F64,
}

impl Kind {
    /// `None`: another dtype, or another byte order.
    pub fn of(dtype: &Bound<'_, PyArrayDescr>) -> Option<Self> {
        let kind = match (dtype.kind(), dtype.itemsize()) {
            (b'f', 4) => Self::F32,
            (b'f', 8) => Self::F64,
            (b'b', 1) => Self::Bool,
            (b'i', 8) => Self::I64,
            (b'i', 4) => Self::I32,
            (b'u', 1) => Self::U8,
            (b'f', 2) => Self::F16,
            (b'i', 1) => Self::I8,
            (b'i', 2) => Self::I16,
            (b'u', 2) => Self::U16,
            (b'u', 4) => Self::U32,
            _ => return None,
        };
        (dtype.is_native_byteorder() != Some(false)).then_some(kind)
    }
}

/// Consecutive numbers: where NumPy has them, or the bytes of a copy, at any address.
#[derive(Clone, Copy)]
pub enum Numbers<'a> {
    F32(&'a [f32]),
    F64(&'a [f64]),
    Bytes(Kind, &'a [u8]),
}

/// What an array of a trainer holds.
pub trait Real: eprop::Float + Element {
    /// The nearest value, in one rounding.
    fn from_i64(n: i64) -> Self;
    /// Numbers that lie in memory as they are wanted.
    fn slice<'a>(numbers: &Numbers<'a>) -> Option<&'a [Self]>;
}

impl Real for f32 {
    fn from_i64(n: i64) -> Self {
        n as f32
    }

    fn slice<'a>(numbers: &Numbers<'a>) -> Option<&'a [Self]> {
        match numbers {
            Numbers::F32(slice) => Some(slice),
            _ => None,
        }
    }
}

impl Real for f64 {
    fn from_i64(n: i64) -> Self {
        n as f64
    }

    fn slice<'a>(numbers: &Numbers<'a>) -> Option<&'a [Self]> {
        match numbers {
            Numbers::F64(slice) => Some(slice),
            _ => None,
        }
    }
}

/// Appends all numbers: floats by one conversion, integers and bools by another.
macro_rules! extend {
    ($numbers:expr, $into:expr, $float:expr, $integer:expr) => {
        match $numbers {
            Numbers::F32(numbers) => $into.extend(numbers.iter().map(|&n| $float(f64::from(n)))),
            Numbers::F64(numbers) => $into.extend(numbers.iter().map(|&n| $float(n))),
            Numbers::Bytes(kind, bytes) => match kind {
                // A NumPy bool may hold any byte.
                Kind::Bool => $into.extend(bytes.iter().map(|&b| $integer(i64::from(b != 0)))),
                Kind::U8 => $into.extend(bytes.iter().map(|&n| $integer(i64::from(n)))),
                Kind::I8 => extend!(@ bytes, $into, i8, i64, $integer),
                Kind::I16 => extend!(@ bytes, $into, i16, i64, $integer),
                Kind::I32 => extend!(@ bytes, $into, i32, i64, $integer),
                Kind::I64 => extend!(@ bytes, $into, i64, i64, $integer),
                Kind::U16 => extend!(@ bytes, $into, u16, i64, $integer),
                Kind::U32 => extend!(@ bytes, $into, u32, i64, $integer),
                Kind::F16 => $into.extend(
                    items_of(bytes).map(|n| $float(f64::from(half(u16::from_ne_bytes(n))))),
                ),
                Kind::F32 => extend!(@ bytes, $into, f32, f64, $float),
                Kind::F64 => extend!(@ bytes, $into, f64, f64, $float),
            },
        }
    };
    (@ $bytes:expr, $into:expr, $type:ty, $wide:ty, $convert:expr) => {
        $into.extend(items_of($bytes).map(|n| $convert(<$wide>::from(<$type>::from_ne_bytes(n)))))
    };
}

impl Numbers<'_> {
    pub fn is_f32(&self) -> bool {
        matches!(self, Self::F32(_) | Self::Bytes(Kind::F32, _))
    }

    /// Appends the nearest values of the trainer's dtype. What overflows it becomes infinity, which the crate refuses.
    pub fn reals<F: Real>(&self, into: &mut Vec<F>) {
        match F::slice(self) {
            Some(slice) => into.extend_from_slice(slice),
            None => extend!(*self, into, F::cast, F::from_i64),
        }
    }

    /// Appends integers.
    pub fn indices(&self, into: &mut Vec<i64>) {
        extend!(*self, into, |n| n as i64, |n| n);
    }

    /// Appends what is not 0 as true.
    pub fn bools(&self, into: &mut Vec<bool>) {
        extend!(*self, into, |n| n != 0.0, |n| n != 0);
    }
}

fn items_of<const N: usize>(bytes: &[u8]) -> impl ExactSizeIterator<Item = [u8; N]> {
    bytes.chunks_exact(N).map(|chunk| {
        let mut number = [0; N];
        number.copy_from_slice(chunk);
        number
    })
}

/// The value of a float16: its bits at their place in a float32, and the difference of the biases made up by a product.
fn half(bits: u16) -> f32 {
    let magnitude = u32::from(bits & 0x7fff) << 13;
    let infinite_or_nan = bits & 0x7c00 == 0x7c00;
    let value = if infinite_or_nan {
        f32::from_bits(magnitude | 0x7f80_0000)
    } else {
        f32::from_bits(magnitude) * f32::from_bits((127 + 112) << 23) // 2^112; exact, of subnormal numbers too
    };
    f32::from_bits(value.to_bits() | u32::from(bits & 0x8000) << 16)
}
