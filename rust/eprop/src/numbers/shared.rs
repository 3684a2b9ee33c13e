//! Numbers that several streams read together, and that one at a time changes.

use alloc::sync::Arc;
use core::ops::{Deref, DerefMut};

use super::aligned::Aligned;
use super::interrupt::Pace;
use super::walk::{Buffer, Leaf, Role, Walk, WalkMut, Walked};
use crate::{Error, Float};

/// A buffer with any number of readers. Whoever writes while others read gets a copy of his own first, so let them go before.
#[derive(Debug, Default)]
pub struct Shared<F>(Arc<Aligned<F>>);

impl<F: Float> Shared<F> {
    /// One more reader of the same numbers.
    pub(crate) fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    /// Whether both read the same memory.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Reads no longer what others read: what is written from here on needs no memory.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where there is none for a copy.
    /// [`Error::Interrupted`].
    pub(crate) fn own(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        if Arc::get_mut(&mut self.0).is_none() {
            let failed = || Error::TooLarge {
                sizes: "a copy of the weights".into(),
                bytes: self.len().checked_mul(size_of::<F>()),
            };
            let mut copy = Aligned::zeros(self.len()).ok_or_else(failed)?;
            for piece in pace.pieces(self.len()) {
                pace.pass(piece.len())?;
                copy[piece.clone()].copy_from_slice(&self[piece]);
            }
            *self = copy.into();
        }
        Ok(())
    }
}

impl<F: Float> From<Aligned<F>> for Shared<F> {
    fn from(numbers: Aligned<F>) -> Self {
        Self(Arc::new(numbers))
    }
}

impl<F: Float> Deref for Shared<F> {
    type Target = Aligned<F>;
    #[inline]
    fn deref(&self) -> &Aligned<F> {
        &self.0
    }
}

impl<F: Float> DerefMut for Shared<F> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Aligned<F> {
        Arc::make_mut(&mut self.0)
    }
}

impl<F: Float> Walked for Shared<F> {
    fn walk<'a>(&'a self, name: &'static str, role: Role, to: &mut dyn Walk<'a>) {
        let all: &Aligned<F> = self;
        let leaf = Leaf {
            role,
            used: F::as_saved(all),
            capacity: all.len(),
            // The buffer, and what lies around it: two counts of readers and the vector.
            heap: all.heap() + AROUND,
        };
        to.see(name, leaf);
    }
    fn walk_mut(
        &mut self,
        name: &'static str,
        role: Role,
        to: &mut dyn WalkMut,
    ) -> Result<(), Error> {
        // To ask for the right to write is to make a copy where others read.
        if !to.writes(role) {
            return Ok(());
        }
        (**self).walk_mut(name, role, to)
    }
}

/// Bytes of what lies around a shared buffer.
pub(crate) const AROUND: usize = size_of::<Aligned<f64>>() + 2 * size_of::<usize>();

#[cfg(test)]
mod tests {
    use super::Shared;
    use crate::numbers::walk::{self, Role, WithoutWeights};
    use crate::testing::{Noise, aligned, in_both, unasked};

    fn shared<F: crate::Float>() -> Shared<F> {
        aligned(&Noise(5).numbers::<F>(21)).into()
    }

    in_both! {
        fn readers_read_the_same_memory<F>() {
            let one = shared::<F>();
            assert_eq!(one.share().as_ptr(), one.as_ptr());
        }
    }

    in_both! {
        fn whoever_owns_the_numbers_writes_where_they_lie<F>() {
            let one = shared::<F>();
            let mut other = one.share();
            other.own(&mut unasked()).unwrap();
            let place = other.as_ptr();
            assert_ne!(place, one.as_ptr());
            assert_eq!(other[..], one[..]);
            other[3] = F::cast(9.0);
            other.own(&mut unasked()).unwrap();
            assert_eq!(other.as_ptr(), place);
        }
    }

    in_both! {
        fn whoever_writes_while_others_read_writes_to_a_copy<F>() {
            let one = shared::<F>();
            let before = one.to_vec();
            let mut other = one.share();
            other[3] = F::cast(9.0);
            assert_eq!(one[..], before[..]);
            assert_eq!(other[3], F::cast(9.0));
            assert_eq!(other[4..], before[4..]);
        }
    }

    in_both! {
        fn a_single_holder_writes_in_place<F>() {
            let mut one = shared::<F>();
            drop(one.share());
            let place = one.as_ptr();
            one[3] = F::ZERO;
            assert_eq!(one.as_ptr(), place);
        }
    }

    /// Writes nothing, wherever it is let.
    struct Idle;

    impl walk::WalkMut for Idle {
        fn change(
            &mut self,
            _: &'static str,
            _: Role,
            _: crate::numbers::slice::SliceMut<'_>,
        ) -> Result<(), crate::Error> {
            Ok(())
        }
    }

    #[test]
    fn a_walk_that_writes_no_weights_makes_no_copy() {
        use walk::Walked;
        let one = shared::<f64>();
        let mut other = one.share();
        other
            .walk_mut("w", Role::Weight, &mut WithoutWeights(&mut Idle))
            .unwrap();
        assert_eq!(other.as_ptr(), one.as_ptr());
        other.walk_mut("w", Role::Weight, &mut Idle).unwrap();
        assert_ne!(other.as_ptr(), one.as_ptr());
    }

    #[test]
    fn the_counts_of_readers_are_counted_in_bytes() {
        // Two counts of readers, and a vector of three words with a start and a length.
        let around = 7 * size_of::<usize>();
        let numbers = aligned(&[0.0_f64; 21]);
        let bytes = walk::bytes(&numbers) + around;
        assert_eq!(walk::bytes(&Shared::from(numbers)), bytes);
    }
}
