//! Two of a thing: for the synapses from inputs, and for those from neurons.

use super::walk::{Role, Walk, WalkMut, Walked};
use crate::Error;

/// One of a thing for the synapses from inputs, and one for those from neurons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds<T> {
    pub(crate) inputs: T,
    pub(crate) neurons: T,
}

impl<T> Kinds<T> {
    pub(crate) fn map<U>(self, mut of: impl FnMut(T) -> U) -> Kinds<U> {
        Kinds {
            inputs: of(self.inputs),
            neurons: of(self.neurons),
        }
    }

    /// That of a set: 0 is of the inputs, or of all sources where they have one in common.
    #[inline]
    pub(crate) fn of_set(&self, set: usize) -> &T {
        match set {
            0 => &self.inputs,
            _ => &self.neurons,
        }
    }

    #[inline]
    pub(crate) fn of_set_mut(&mut self, set: usize) -> &mut T {
        match set {
            0 => &mut self.inputs,
            _ => &mut self.neurons,
        }
    }
}

impl<T: Copy> Kinds<T> {
    pub(crate) fn same(of_both: T) -> Self {
        Self {
            inputs: of_both,
            neurons: of_both,
        }
    }

    /// That of one source.
    #[inline]
    pub(crate) fn of(self, source: usize, n_inputs: usize) -> T {
        if source < n_inputs {
            self.inputs
        } else {
            self.neurons
        }
    }
}

impl<T: Walked> Walked for Kinds<T> {
    fn walk<'a>(&'a self, name: &'static str, role: Role, to: &mut dyn Walk<'a>) {
        self.inputs.walk(name, role, to);
        self.neurons.walk("of_neurons", role, to);
    }
    fn walk_mut(
        &mut self,
        name: &'static str,
        role: Role,
        to: &mut dyn WalkMut,
    ) -> Result<(), Error> {
        self.inputs.walk_mut(name, role, to)?;
        self.neurons.walk_mut("of_neurons", role, to)
    }
}
