//! Weights that the streams of a batch read together, and that one at a time changes.

use alloc::sync::Arc;
use core::ops::{Deref, DerefMut};

use crate::aligned::Aligned;
use crate::persist::Persist;
use crate::{Error, Float};

/// A buffer with any number of readers. A clone is a buffer of its own; whoever writes while others read gets a copy first, so let
/// them go before.
#[derive(Debug, Default)]
pub(crate) struct Shared<F>(Arc<Aligned<F>>);

impl<F: Float> Shared<F> {
    /// One more reader of the same numbers.
    pub(crate) fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F: Float> From<Aligned<F>> for Shared<F> {
    fn from(numbers: Aligned<F>) -> Self {
        Self(Arc::new(numbers))
    }
}

impl<F: Clone> Clone for Shared<F> {
    fn clone(&self) -> Self {
        Self(Arc::new(Aligned::clone(&self.0)))
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

impl<F: Float> Persist for Shared<F> {
    fn save(&self, out: &mut alloc::vec::Vec<u8>) {
        self.0.save(out);
    }
    fn load(&mut self, bytes: &mut &[u8]) -> Result<(), Error> {
        (**self).load(bytes)
    }
    fn numbers(&self) -> usize {
        self.0.numbers()
    }
    fn bytes(&self) -> usize {
        // The buffer, and what lies around it: two counts of readers and the vector.
        self.0.bytes() + size_of::<Aligned<F>>() + 2 * size_of::<usize>()
    }
}
