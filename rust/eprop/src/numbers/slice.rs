//! A run of numbers of any type that a buffer may hold, as whoever saves, loads, copies or compares them sees it.

use alloc::vec::Vec;
use core::ops::{Index, IndexMut, Range};

/// Of some numbers the first, and then each that is `step` further: all of them where the step is 1.
#[doc(hidden)]
#[derive(Debug)]
pub struct Every<'a, T> {
    pub(crate) numbers: &'a [T],
    pub(crate) step: usize,
}

/// The same, to write.
#[doc(hidden)]
#[derive(Debug)]
pub struct EveryMut<'a, T> {
    pub(crate) numbers: &'a mut [T],
    pub(crate) step: usize,
}

impl<T> Clone for Every<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Every<'_, T> {}

impl<'a, T> From<&'a [T]> for Every<'a, T> {
    fn from(numbers: &'a [T]) -> Self {
        Self { numbers, step: 1 }
    }
}

impl<'a, T> From<&'a mut [T]> for EveryMut<'a, T> {
    fn from(numbers: &'a mut [T]) -> Self {
        Self { numbers, step: 1 }
    }
}

impl<T> Index<usize> for Every<'_, T> {
    type Output = T;
    #[inline]
    fn index(&self, at: usize) -> &T {
        &self.numbers[at * self.step]
    }
}

impl<T> Index<usize> for EveryMut<'_, T> {
    type Output = T;
    #[inline]
    fn index(&self, at: usize) -> &T {
        &self.numbers[at * self.step]
    }
}

impl<T> IndexMut<usize> for EveryMut<'_, T> {
    #[inline]
    fn index_mut(&mut self, at: usize) -> &mut T {
        &mut self.numbers[at * self.step]
    }
}

/// Where among numbers so many of which are skipped a part of those lies that are not.
fn skipping(part: Range<usize>, step: usize, len: usize) -> Range<usize> {
    let end = len.min(part.end * step);
    end.min(part.start * step)..end
}

impl<'a, T> Every<'a, T> {
    pub(crate) fn len(&self) -> usize {
        self.numbers.len().div_ceil(self.step)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &'a T> + use<'a, T> {
        self.numbers.iter().step_by(self.step)
    }

    /// Some of them.
    pub(crate) fn part(&self, range: Range<usize>) -> Self {
        let place = skipping(range, self.step, self.numbers.len());
        Self {
            numbers: &self.numbers[place],
            step: self.step,
        }
    }
}

impl<'a, T: Copy> EveryMut<'a, T> {
    pub(crate) fn as_ref(&self) -> Every<'_, T> {
        Every {
            numbers: self.numbers,
            step: self.step,
        }
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.numbers.iter_mut().step_by(self.step)
    }

    /// Some of them.
    pub(crate) fn part(self, range: Range<usize>) -> Self {
        let place = skipping(range, self.step, self.numbers.len());
        Self {
            numbers: &mut self.numbers[place],
            step: self.step,
        }
    }

    /// The same, for a while.
    pub(crate) fn lend(&mut self) -> EveryMut<'_, T> {
        EveryMut {
            numbers: self.numbers,
            step: self.step,
        }
    }

    /// Takes as many numbers.
    pub(crate) fn copy(&mut self, from: Every<'_, T>) {
        match (self.step, from.step) {
            (1, 1) => self.numbers.copy_from_slice(from.numbers),
            _ => self
                .iter_mut()
                .zip(from.iter())
                .for_each(|(to, &x)| *to = x),
        }
    }
}

/// Numbers to read.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum Slice<'a> {
    F32(Every<'a, f32>),
    F64(Every<'a, f64>),
    U32(Every<'a, u32>),
    U64(Every<'a, u64>),
    Size(Every<'a, usize>),
    Flag(Every<'a, bool>),
}

/// Numbers to write.
#[doc(hidden)]
#[derive(Debug)]
pub enum SliceMut<'a> {
    F32(EveryMut<'a, f32>),
    F64(EveryMut<'a, f64>),
    U32(EveryMut<'a, u32>),
    U64(EveryMut<'a, u64>),
    Size(EveryMut<'a, usize>),
    Flag(EveryMut<'a, bool>),
}

/// What a buffer may hold.
#[doc(hidden)]
pub trait Number: Copy {
    fn saved(numbers: Every<'_, Self>) -> Slice<'_>;
    fn saved_mut(numbers: EveryMut<'_, Self>) -> SliceMut<'_>;
    fn as_saved(numbers: &[Self]) -> Slice<'_> {
        Self::saved(numbers.into())
    }
    fn as_saved_mut(numbers: &mut [Self]) -> SliceMut<'_> {
        Self::saved_mut(numbers.into())
    }
}

macro_rules! number {
    ($($type:ty = $variant:ident),+) => {$(
        impl Number for $type {
            fn saved(numbers: Every<'_, Self>) -> Slice<'_> {
                Slice::$variant(numbers)
            }
            fn saved_mut(numbers: EveryMut<'_, Self>) -> SliceMut<'_> {
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

/// The same part of a slice of whichever type.
macro_rules! part {
    ($slice:expr, $Slice:ident, $x:ident => $part:expr) => {
        match $slice {
            $Slice::F32($x) => $Slice::F32($part),
            $Slice::F64($x) => $Slice::F64($part),
            $Slice::U32($x) => $Slice::U32($part),
            $Slice::U64($x) => $Slice::U64($part),
            $Slice::Size($x) => $Slice::Size($part),
            $Slice::Flag($x) => $Slice::Flag($part),
        }
    };
}

impl<'a> Slice<'a> {
    /// Some of the numbers.
    pub(crate) fn part(&self, range: Range<usize>) -> Slice<'a> {
        part!(self, Slice, x => x.part(range))
    }
}

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

    /// Whether all numbers are equal: 0 is -0, and a NaN is itself.
    pub(crate) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::F32(a), Self::F32(b)) => {
                let same = |(a, b): (&f32, &f32)| a == b || a.to_bits() == b.to_bits();
                a.len() == b.len() && a.iter().zip(b.iter()).all(same)
            }
            (Self::F64(a), Self::F64(b)) => {
                let same = |(a, b): (&f64, &f64)| a == b || a.to_bits() == b.to_bits();
                a.len() == b.len() && a.iter().zip(b.iter()).all(same)
            }
            (Self::U32(a), Self::U32(b)) => a.len() == b.len() && a.iter().eq(b.iter()),
            (Self::U64(a), Self::U64(b)) => a.len() == b.len() && a.iter().eq(b.iter()),
            (Self::Size(a), Self::Size(b)) => a.len() == b.len() && a.iter().eq(b.iter()),
            (Self::Flag(a), Self::Flag(b)) => a.len() == b.len() && a.iter().eq(b.iter()),
            _ => false,
        }
    }
}

impl SliceMut<'_> {
    /// As numbers to read.
    pub(crate) fn as_ref(&self) -> Slice<'_> {
        match self {
            Self::F32(x) => Slice::F32(x.as_ref()),
            Self::F64(x) => Slice::F64(x.as_ref()),
            Self::U32(x) => Slice::U32(x.as_ref()),
            Self::U64(x) => Slice::U64(x.as_ref()),
            Self::Size(x) => Slice::Size(x.as_ref()),
            Self::Flag(x) => Slice::Flag(x.as_ref()),
        }
    }

    /// Some of the numbers.
    pub(crate) fn part(&mut self, range: Range<usize>) -> SliceMut<'_> {
        part!(self, SliceMut, x => x.lend().part(range))
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::F32(x) => x.as_ref().len(),
            Self::F64(x) => x.as_ref().len(),
            Self::U32(x) => x.as_ref().len(),
            Self::U64(x) => x.as_ref().len(),
            Self::Size(x) => x.as_ref().len(),
            Self::Flag(x) => x.as_ref().len(),
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
            (Self::F32(to), Slice::F32(from)) => to.copy(from),
            (Self::F64(to), Slice::F64(from)) => to.copy(from),
            (Self::U32(to), Slice::U32(from)) => to.copy(from),
            (Self::U64(to), Slice::U64(from)) => to.copy(from),
            (Self::Size(to), Slice::Size(from)) => to.copy(from),
            (Self::Flag(to), Slice::Flag(from)) => to.copy(from),
            _ => return false,
        }
        true
    }
}

fn decode_all<T: Copy, const N: usize>(
    to: &mut EveryMut<'_, T>,
    bytes: &mut &[u8],
    decode: impl Fn([u8; N]) -> Option<T>,
) -> bool {
    for to in to.iter_mut() {
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

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;
    use core::fmt::Debug;

    use super::Number;

    fn goes_round<T: Number + Debug + PartialEq>(numbers: &[T], zero: T) {
        let mut bytes = vec![];
        T::as_saved(numbers).write(&mut bytes);
        assert_eq!(T::as_saved(numbers).len(), numbers.len());
        let mut read = vec![zero; numbers.len()];
        bytes.push(77);
        let rest = &mut &bytes[..];
        assert!(T::as_saved_mut(&mut read).read(rest));
        assert_eq!(read, numbers);
        assert_eq!(rest[..], [77]);
        // Every shorter run is too short.
        bytes.pop();
        for until in 0..bytes.len() {
            assert!(!T::as_saved_mut(&mut read).read(&mut &bytes[..until]));
        }
        let mut copied = vec![zero; numbers.len()];
        assert!(T::as_saved_mut(&mut copied).copy(T::as_saved(numbers)));
        assert_eq!(copied, numbers);
        assert!(!T::as_saved_mut(&mut copied[1..]).copy(T::as_saved(numbers)));
        assert!(T::as_saved(numbers).same(&T::as_saved(&copied)));
        assert!(!T::as_saved(numbers).same(&T::as_saved(&copied[1..])));
        copied[0] = copied[1];
        assert!(!T::as_saved(numbers).same(&T::as_saved(&copied)));
    }

    #[test]
    fn what_is_written_is_read_back_in_every_type() {
        goes_round(&[1.5_f32, -2.0, f32::MAX], 0.0);
        goes_round(&[1.5_f64, -2.0, f64::MIN_POSITIVE], 0.0);
        goes_round(&[7_u32, u32::MAX, 0], 0);
        goes_round(&[7_u64, u64::MAX, 0], 0);
        goes_round(&[7_usize, 1, 0], 0);
        goes_round(&[true, false, true], false);
    }

    #[test]
    fn bytes_are_little_endian_and_sizes_are_64_bits_wide() {
        let bytes = |slice: super::Slice<'_>| {
            let mut bytes = vec![];
            slice.write(&mut bytes);
            bytes
        };
        assert_eq!(bytes(f32::as_saved(&[1.0])), [0, 0, 0x80, 0x3f]);
        assert_eq!(bytes(f64::as_saved(&[-2.0])), [0, 0, 0, 0, 0, 0, 0, 0xc0]);
        assert_eq!(bytes(u32::as_saved(&[0x0102])), [2, 1, 0, 0]);
        assert_eq!(bytes(u64::as_saved(&[3])), [3, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes(usize::as_saved(&[3])), [3, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes(bool::as_saved(&[true, false])), [1, 0]);
    }

    #[test]
    fn a_flag_is_0_or_1_and_no_other_byte() {
        let mut flags = [false; 2];
        assert!(bool::as_saved_mut(&mut flags).read(&mut &[1, 0][..]));
        assert!(!bool::as_saved_mut(&mut flags).read(&mut &[1, 2][..]));
    }

    #[test]
    fn zeros_of_either_sign_are_equal_and_a_nan_is_itself() {
        let same = |a: f64, b: f64| {
            let narrow = f32::as_saved(&[a as f32]).same(&f32::as_saved(&[b as f32]));
            assert_eq!(f64::as_saved(&[a]).same(&f64::as_saved(&[b])), narrow);
            narrow
        };
        assert!(same(0.0, -0.0));
        assert!(same(f64::NAN, f64::NAN));
        assert!(!same(f64::NAN, -f64::NAN));
        assert!(!same(f64::NAN, 0.0) && !same(1.0, -1.0));
    }

    #[test]
    fn every_second_number_is_written_and_read_as_the_numbers_that_it_is() {
        let bytes = |slice: super::Slice<'_>| {
            let mut bytes = vec![];
            slice.write(&mut bytes);
            bytes
        };
        let numbers = [1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0];
        for (first, those) in [(0, [1.0, 3.0, 5.0]), (1, [2.0, 4.0, 6.0])] {
            let every = super::Every {
                numbers: &numbers[first..],
                step: 2,
            };
            let slice = f32::saved(every);
            assert_eq!((slice.len(), every[1]), (3, those[1]));
            assert_eq!(bytes(slice), bytes(f32::as_saved(&those)));
            assert!(slice.same(&f32::as_saved(&those)));
            assert_eq!(bytes(slice.part(1..3)), bytes(f32::as_saved(&those[1..])));
            assert_eq!(slice.part(3..3).len(), 0);
            let mut read = [0.0_f32; 6];
            let mut to = f32::saved_mut(super::EveryMut {
                numbers: &mut read[first..],
                step: 2,
            });
            assert!(to.part(0..1).read(&mut &bytes(slice)[..]));
            assert!(to.part(1..3).copy(slice.part(1..3)));
            let other = 1 - first;
            assert!(
                (0..3).all(|at| read[2 * at + first] == those[at] && read[2 * at + other] == 0.0)
            );
        }
    }

    #[test]
    fn numbers_of_another_type_are_neither_equal_nor_copied() {
        assert!(!u64::as_saved(&[1]).same(&usize::as_saved(&[1])));
        assert!(!f32::as_saved(&[1.0]).same(&u32::as_saved(&[1])));
        let mut to: Vec<u64> = vec![5];
        assert!(!u64::as_saved_mut(&mut to).copy(usize::as_saved(&[1])));
        assert_eq!(to, [5]);
    }
}
