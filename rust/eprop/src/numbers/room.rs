//! Memory is asked for before anything changes. What a network needs is counted first, by the same constructors that then make it.

use alloc::string::String;
use alloc::vec::Vec;

use super::aligned::Aligned;
use super::interrupt::{Interrupt, Pace};
use super::memory::vec_for;
use super::shared::{AROUND, Shared};
use crate::{Error, Float};

/// Where constructors get their buffers from. A room that only counts hands out empty ones.
pub struct Room<'i> {
    /// Asked for so far; `None` where the count overflows.
    bytes: Option<usize>,
    counts_only: bool,
    /// Whether scratch memory is borrowed from elsewhere.
    borrows: bool,
    pace: Pace<'i>,
}

impl<'i> Room<'i> {
    /// Builds something with two calls of `make`: one that counts, and one that gets the memory. `what` it is for says the error.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where there is no memory for it, before any buffer has been touched; what `make` returns.
    pub(crate) fn build<T>(
        what: impl Fn() -> String,
        make: impl FnMut(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        Self::build_until(what, &Interrupt::NOBODY, make)
    }

    /// As [`build`](Self::build), unless it is stopped between two buffers.
    ///
    /// # Errors
    /// As [`build`](Self::build); [`Error::Interrupted`].
    pub(crate) fn build_until<T>(
        what: impl Fn() -> String,
        interrupt: &'i Interrupt,
        mut make: impl FnMut(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let named = |error| match error {
            Error::TooLarge { bytes, .. } => Error::TooLarge {
                sizes: what(),
                bytes,
            },
            other => other,
        };
        let bytes = Self::count(&mut make).map_err(named)?;
        let mut trial = Vec::<u8>::new();
        if trial.try_reserve_exact(bytes).is_err() {
            return Err(named(too_large(Some(bytes))));
        }
        drop(trial);
        let mut room = Self {
            bytes: Some(0),
            counts_only: false,
            borrows: false,
            pace: interrupt.pace(),
        };
        make(&mut room).map_err(named)
    }

    /// Bytes that `make` asks for.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where they are more than can be addressed; what `make` returns.
    pub(crate) fn count<T>(
        mut make: impl FnMut(&mut Self) -> Result<T, Error>,
    ) -> Result<usize, Error> {
        let mut room = Self {
            bytes: Some(0),
            counts_only: true,
            borrows: false,
            pace: Interrupt::NOBODY.pace(),
        };
        make(&mut room)?;
        room.bytes.ok_or_else(|| too_large(None))
    }

    /// Counts what `make` asks for so many times, with one call of it.
    pub(crate) fn times(
        &mut self,
        n: usize,
        make: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let before = self.bytes;
        make(self)?;
        let one = self.bytes.zip(before).map(|(after, before)| after - before);
        let all = one.and_then(|one| one.checked_mul(n));
        self.bytes = before
            .zip(all)
            .and_then(|(before, all)| before.checked_add(all));
        Ok(())
    }

    /// What `make` builds, for a stream that another one lends its scratch memory: without any of its own.
    pub(crate) fn borrower<T>(
        &mut self,
        make: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.borrows = true;
        let made = make(self);
        self.borrows = false;
        made
    }

    /// Scratch memory; empty for a borrower.
    pub(crate) fn scratch<T: Default>(
        &mut self,
        make: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if self.borrows {
            return Ok(T::default());
        }
        make(self)
    }

    /// Whether the buffers of this room are empty.
    pub(crate) fn counts_only(&self) -> bool {
        self.counts_only
    }

    /// Zeros on cache-line boundaries: `rows` of `width`.
    pub(crate) fn zeros<F: Float>(
        &mut self,
        rows: usize,
        width: usize,
    ) -> Result<Aligned<F>, Error> {
        let len = self.len::<F>(rows, width, Aligned::<F>::slack())?;
        if len == 0 {
            return Ok(Aligned::default());
        }
        let mut zeros = Aligned::zeros(len).ok_or_else(|| too_large(self.bytes))?;
        if self.pace.is_asked_in(len) {
            self.touch(&mut zeros)?;
        }
        Ok(zeros)
    }

    /// A system hands memory out where it is first written, which may take ten times as long as a pass over it: here it can be stopped, in the middle of
    /// an update it cannot.
    fn touch<F: Float>(&mut self, zeros: &mut Aligned<F>) -> Result<(), Error> {
        for piece in self.pace.pieces(zeros.len()) {
            zeros[piece.clone()].fill(F::ZERO);
            self.pace.pass(piece.len())?;
        }
        Ok(())
    }

    /// As `zeros`, for a matrix that streams share.
    pub(crate) fn shared<F: Float>(
        &mut self,
        rows: usize,
        width: usize,
    ) -> Result<Shared<F>, Error> {
        self.bytes = self.bytes.and_then(|bytes| bytes.checked_add(AROUND));
        self.zeros(rows, width).map(Shared::from)
    }

    /// `len` items of one value.
    pub(crate) fn vec<T: Copy>(&mut self, value: T, len: usize) -> Result<Vec<T>, Error> {
        let len = self.len::<T>(len, 1, 0)?;
        let mut items = vec_for("", len)?;
        for piece in self.pace.pieces(len) {
            items.resize(piece.end, value);
            self.pace.pass(piece.len())?;
        }
        Ok(items)
    }

    /// An empty list with room for `len` items.
    pub(crate) fn list<T>(&mut self, len: usize) -> Result<Vec<T>, Error> {
        let len = self.len::<T>(len, 1, 0)?;
        vec_for("", len)
    }

    /// Counts; the length to be made, which is 0 where nothing is.
    fn len<T>(&mut self, rows: usize, width: usize, slack: usize) -> Result<usize, Error> {
        let len = rows.checked_mul(width);
        let more = match len {
            Some(0) => Some(0),
            len => len
                .and_then(|len| len.checked_add(slack))
                .and_then(|len| len.checked_mul(size_of::<T>())),
        };
        self.bytes = self
            .bytes
            .zip(more)
            .and_then(|(bytes, more)| bytes.checked_add(more));
        match len {
            _ if self.counts_only => Ok(0),
            Some(len) => Ok(len),
            None => Err(too_large(None)),
        }
    }
}

fn too_large(bytes: Option<usize>) -> Error {
    Error::TooLarge {
        sizes: String::new(),
        bytes,
    }
}

#[cfg(test)]
mod tests {

    use super::Room;
    use crate::Error;
    use crate::numbers::aligned::Aligned;
    use crate::numbers::shared::Shared;
    use crate::numbers::walk;
    use crate::testing::{in_both, made};

    type Some<F> = (Aligned<F>, Shared<F>, alloc::vec::Vec<u32>);

    fn some<F: crate::Float>(room: &mut Room) -> Result<Some<F>, Error> {
        Ok((room.zeros(3, 17)?, room.shared(2, 5)?, room.vec(9, 7)?))
    }

    in_both! {
        fn what_is_counted_is_what_is_then_allocated<F>() {
            let (zeros, shared, numbers) = made(some::<F>);
            assert_eq!((zeros.len(), shared.len(), numbers.len()), (51, 10, 7));
            assert_eq!(numbers, [9; 7]);
            let allocated = walk::bytes(&zeros) + walk::bytes(&shared) + walk::bytes(&numbers);
            assert_eq!(Room::count(some::<F>).unwrap(), allocated);
            let list = made(|room| room.list::<F>(7));
            assert_eq!((list.len(), list.capacity()), (0, 7));
            assert_eq!(Room::count(|room| room.list::<F>(7)).unwrap(), 7 * size_of::<F>());
        }
    }

    #[test]
    fn nothing_takes_no_memory() {
        let nothing = |room: &mut Room| room.zeros::<f64>(0, 16);
        assert_eq!(Room::count(nothing).unwrap(), 0);
        assert_eq!(walk::bytes(&made(nothing)), 0);
    }

    #[test]
    fn a_room_that_counts_hands_out_empty_buffers() {
        Room::count(|room| {
            assert!(room.counts_only());
            let (zeros, shared, numbers) = some::<f64>(room)?;
            assert!(zeros.is_empty() && shared.is_empty() && numbers.is_empty());
            Ok(())
        })
        .unwrap();
        assert!(!made(|room| Ok(room.counts_only())));
    }

    #[test]
    fn times_counts_one_call_many_times() {
        let once = Room::count(some::<f32>).unwrap();
        let counted = Room::count(|room| {
            room.vec(0_u32, 3)?;
            room.times(5, |room| some::<f32>(room).map(drop))
        });
        assert_eq!(counted.unwrap(), 12 + 5 * once);
        let none = Room::count(|room| room.times(0, |room| some::<f32>(room).map(drop)));
        assert_eq!(none.unwrap(), 0);
    }

    #[test]
    fn a_borrower_has_no_scratch_memory_of_its_own() {
        let state_and_scratch = |room: &mut Room| {
            let state = room.vec(0_u32, 3)?;
            Ok((state, room.scratch(|room| room.vec(0_u32, 7))?))
        };
        let both =
            |room: &mut Room| Ok((room.borrower(state_and_scratch)?, state_and_scratch(room)?));
        let (borrower, lender) = made(both);
        assert_eq!((borrower.0.len(), borrower.1.len()), (3, 0));
        assert_eq!((lender.0.len(), lender.1.len()), (3, 7));
        assert_eq!(Room::count(both).unwrap(), (3 + 3 + 7) * size_of::<u32>());
    }

    #[test]
    fn what_cannot_be_had_is_an_error_that_names_it_before_anything_is_made() {
        // More than any vector may have.
        let len = isize::MAX as usize / 8;
        let mut calls = 0;
        let built = Room::build(
            || "n = 5".into(),
            |room| {
                calls += 1;
                room.zeros::<f64>(len, 1)
            },
        );
        let expected = Error::TooLarge {
            sizes: "n = 5".into(),
            bytes: Some((len + 8) * 8),
        };
        assert_eq!((built.unwrap_err(), calls), (expected, 1));
    }

    #[test]
    fn sums_beyond_every_address_are_errors_without_a_number() {
        type Make = fn(&mut Room) -> Result<(), Error>;
        let overflows: [Make; 4] = [
            |room| room.zeros::<f64>(usize::MAX, 2).map(drop),
            |room| room.vec(0_u64, usize::MAX / 4).map(drop),
            |room| {
                room.vec(0_u8, usize::MAX - 5)?;
                room.vec(0_u8, 6).map(drop)
            },
            |room| room.times(usize::MAX, |room| room.vec(0_u8, 2).map(drop)),
        ];
        for make in overflows {
            let error = Room::build(|| "n = 5".into(), make).unwrap_err();
            let expected = Error::TooLarge {
                sizes: "n = 5".into(),
                bytes: None,
            };
            assert_eq!(error, expected);
        }
    }
}
