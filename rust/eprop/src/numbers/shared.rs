//! Numbers that several streams read together, and that one at a time changes.

use alloc::sync::Arc;
use core::ops::{Deref, DerefMut};

use super::aligned::Aligned;
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
