//! A run of numbers of any type that a buffer may hold, as whoever saves, loads, copies or compares them sees it.

use alloc::vec::Vec;

/// Numbers to read.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum Slice<'a> {
    F32(&'a [f32]),
    F64(&'a [f64]),
    U32(&'a [u32]),
    U64(&'a [u64]),
    Size(&'a [usize]),
    Flag(&'a [bool]),
}

/// Numbers to write.
#[doc(hidden)]
#[derive(Debug)]
pub enum SliceMut<'a> {
    F32(&'a mut [f32]),
    F64(&'a mut [f64]),
    U32(&'a mut [u32]),
    U64(&'a mut [u64]),
    Size(&'a mut [usize]),
    Flag(&'a mut [bool]),
}

/// What a buffer may hold.
#[doc(hidden)]
pub trait Number: Copy {
    fn as_saved(numbers: &[Self]) -> Slice<'_>;
    fn as_saved_mut(numbers: &mut [Self]) -> SliceMut<'_>;
}

macro_rules! number {
    ($($type:ty = $variant:ident),+) => {$(
        impl Number for $type {
            fn as_saved(numbers: &[Self]) -> Slice<'_> {
                Slice::$variant(numbers)
            }
            fn as_saved_mut(numbers: &mut [Self]) -> SliceMut<'_> {
                SliceMut::$variant(numbers)
            }
        }
    )+};
}
number!(
    f32 = F32,
    f64 = F64,
    u32 = U32,
    u64 = U64,
    usize = Size,
    bool = Flag
);

impl Slice<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::F32(x) => x.len(),
            Self::F64(x) => x.len(),
            Self::U32(x) => x.len(),
            Self::U64(x) => x.len(),
            Self::Size(x) => x.len(),
            Self::Flag(x) => x.len(),
        }
    }

    /// Little-endian, a size as 64 bits, a flag as a byte.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::F32(x) => x
                .iter()
                .for_each(|x| out.extend_from_slice(&x.to_le_bytes())),
            Self::F64(x) => x
                .iter()
                .for_each(|x| out.extend_from_slice(&x.to_le_bytes())),
            Self::U32(x) => x
                .iter()
                .for_each(|x| out.extend_from_slice(&x.to_le_bytes())),
            Self::U64(x) => x
                .iter()
                .for_each(|x| out.extend_from_slice(&x.to_le_bytes())),
            Self::Size(x) => x
                .iter()
                .for_each(|&x| out.extend_from_slice(&(x as u64).to_le_bytes())),
            Self::Flag(x) => out.extend(x.iter().map(|&x| u8::from(x))),
        }
    }

    /// Bytes that `write` makes.
    pub(crate) fn bytes(&self) -> usize {
        self.len()
            * match self {
                Self::F32(_) | Self::U32(_) => 4,
                Self::F64(_) | Self::U64(_) | Self::Size(_) => 8,
                Self::Flag(_) => 1,
            }
    }

    /// Whether all numbers are equal: 0 is -0, and a NaN is itself.
    pub(crate) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::F32(a), Self::F32(b)) => {
                let same = |(a, b): (&f32, &f32)| a == b || a.to_bits() == b.to_bits();
                a.len() == b.len() && a.iter().zip(*b).all(same)
            }
            (Self::F64(a), Self::F64(b)) => {
                let same = |(a, b): (&f64, &f64)| a == b || a.to_bits() == b.to_bits();
                a.len() == b.len() && a.iter().zip(*b).all(same)
            }
            (Self::U32(a), Self::U32(b)) => a == b,
            (Self::U64(a), Self::U64(b)) => a == b,
            (Self::Size(a), Self::Size(b)) => a == b,
            (Self::Flag(a), Self::Flag(b)) => a == b,
            _ => false,
        }
    }
}

impl SliceMut<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::F32(x) => x.len(),
            Self::F64(x) => x.len(),
            Self::U32(x) => x.len(),
            Self::U64(x) => x.len(),
            Self::Size(x) => x.len(),
            Self::Flag(x) => x.len(),
        }
    }

    /// Takes what [`Slice::write`] wrote from the front of `bytes`; `false` where these are too few, or no such numbers.
    pub(crate) fn read(&mut self, bytes: &mut &[u8]) -> bool {
        match self {
            Self::F32(to) => decode_all(to, bytes, |x| Some(f32::from_le_bytes(x))),
            Self::F64(to) => decode_all(to, bytes, |x| Some(f64::from_le_bytes(x))),
            Self::U32(to) => decode_all(to, bytes, |x| Some(u32::from_le_bytes(x))),
            Self::U64(to) => decode_all(to, bytes, |x| Some(u64::from_le_bytes(x))),
            Self::Size(to) => decode_all(to, bytes, |x| u64::from_le_bytes(x).try_into().ok()),
            Self::Flag(to) => decode_all(to, bytes, |[x]: [u8; 1]| match x {
                0 => Some(false),
                1 => Some(true),
                _ => None,
            }),
        }
    }

    /// Takes equally many numbers of the same type; `false` where `from` are others.
    pub(crate) fn copy(&mut self, from: Slice<'_>) -> bool {
        if self.len() != from.len() {
            return false;
        }
        match (self, from) {
            (Self::F32(to), Slice::F32(from)) => to.copy_from_slice(from),
            (Self::F64(to), Slice::F64(from)) => to.copy_from_slice(from),
            (Self::U32(to), Slice::U32(from)) => to.copy_from_slice(from),
            (Self::U64(to), Slice::U64(from)) => to.copy_from_slice(from),
            (Self::Size(to), Slice::Size(from)) => to.copy_from_slice(from),
            (Self::Flag(to), Slice::Flag(from)) => to.copy_from_slice(from),
            _ => return false,
        }
        true
    }
}

fn decode_all<T, const N: usize>(
    to: &mut [T],
    bytes: &mut &[u8],
    decode: impl Fn([u8; N]) -> Option<T>,
) -> bool {
    for to in to {
        let Some((&head, rest)) = bytes.split_first_chunk() else {
            return false;
        };
        let Some(number) = decode(head) else {
            return false;
        };
        *to = number;
        *bytes = rest;
    }
    true
}
