//! Two numbers of every synapse, side by side: a spike that changes both finds them in one line of the cache.

use core::ops::{Deref, DerefMut};

use super::aligned::Aligned;
use super::parallel;
use super::room::Room;
use super::slice::{Every, EveryMut};
use super::walk::{Buffer, Leaf, Role, Walk, WalkMut};
use crate::kernels;
use crate::{Error, Float};

/// The pairs of all synapses, in the order of their lists.
#[derive(Debug, Default)]
pub(crate) struct Pairs<F>(Aligned<F>);

impl<F: Float> Pairs<F> {
    pub(crate) fn zeros(room: &mut Room, synapses: usize) -> Result<Self, Error> {
        room.zeros(2, synapses).map(Self)
    }

    /// Bytes that are allocated.
    pub(crate) fn heap(&self) -> usize {
        self.0.heap()
    }

    /// All zeros.
    pub(crate) fn clear(&mut self) {
        parallel::fill(&mut self.0, F::ZERO);
    }

    /// The first number of every pair, or the second.
    pub(crate) fn every(&self, which: usize) -> Every<'_, F> {
        let numbers = self.0.get(which..).unwrap_or(&[]);
        Every { numbers, step: 2 }
    }

    pub(crate) fn every_mut(&mut self, which: usize) -> EveryMut<'_, F> {
        let numbers = self.0.get_mut(which..).unwrap_or(&mut []);
        EveryMut { numbers, step: 2 }
    }

    /// Shows the first number of every pair, or the second, as a buffer of its own; `used`: how many of them mean something. `heap`: the bytes that are told with them.
    pub(crate) fn walk_every<'a>(
        &'a self,
        (which, used, heap): (usize, usize, usize),
        name: &'static str,
        role: Role,
        to: &mut dyn Walk<'a>,
    ) {
        let leaf = Leaf {
            role,
            used: F::saved(self.every(which).part(0..used)),
            capacity: self.len(),
            heap,
        };
        to.see(name, leaf);
    }

    /// The same, to be written.
    pub(crate) fn walk_every_mut(
        &mut self,
        (which, used): (usize, usize),
        name: &'static str,
        role: Role,
        to: &mut dyn WalkMut,
    ) -> Result<(), Error> {
        to.change(
            name,
            role,
            F::saved_mut(self.every_mut(which).part(0..used)),
        )
    }
}

impl<F> Deref for Pairs<F> {
    type Target = [[F; 2]];
    #[inline]
    fn deref(&self) -> &[[F; 2]] {
        kernels::pairs(&self.0)
    }
}

impl<F> DerefMut for Pairs<F> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [[F; 2]] {
        kernels::pairs_mut(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Pairs;
    use crate::Float;
    use crate::numbers::plain;
    use crate::numbers::walk::{self, Role, Walk, WalkMut, Walked};
    use crate::testing::{in_both, made};

    /// Pairs as two buffers.
    struct Two<F>(Pairs<F>);

    impl<F: Float> Walked for Two<F> {
        fn walk<'a>(&'a self, _: &'static str, _: Role, to: &mut dyn Walk<'a>) {
            let n = self.0.len();
            let heap = self.0.heap();
            self.0.walk_every((0, n, heap), "first", Role::State, to);
            self.0.walk_every((1, n, 0), "second", Role::State, to);
        }
        fn walk_mut(
            &mut self,
            _: &'static str,
            _: Role,
            to: &mut dyn WalkMut,
        ) -> Result<(), crate::Error> {
            let n = self.0.len();
            self.0.walk_every_mut((0, n), "first", Role::State, to)?;
            self.0.walk_every_mut((1, n), "second", Role::State, to)
        }
    }

    fn pairs<F: Float>() -> Two<F> {
        let mut pairs = made(|room| Pairs::zeros(room, 5));
        for (at, pair) in pairs.iter_mut().enumerate() {
            *pair = [F::cast(at as f64), F::cast(-0.5 - at as f64)];
        }
        Two(pairs)
    }

    in_both! {
        fn pairs_are_saved_as_two_buffers_one_after_the_other<F>() {
            let two = pairs::<F>();
            let [first, second]: [alloc::vec::Vec<F>; 2] =
                [0, 1].map(|which| two.0.iter().map(|pair| pair[which]).collect());
            let mut expected = plain::save(&first).unwrap();
            expected.extend(plain::save(&second).unwrap());
            assert_eq!(plain::save(&two).unwrap(), expected);
            assert_eq!(walk::numbers(&two), 10);
        }
    }

    in_both! {
        fn loaded_and_copied_pairs_are_the_same<F>() {
            let two = pairs::<F>();
            let mut loaded = Two(made(|room| Pairs::<F>::zeros(room, 5)));
            plain::load(&mut loaded, &plain::save(&two).unwrap()).unwrap();
            assert_eq!(loaded.0[..], two.0[..]);
            loaded.0.clear();
            assert!(!walk::same(&loaded, &two));
            walk::copy(&two, &mut loaded).unwrap();
            assert!(walk::same(&loaded, &two));
            assert_eq!(loaded.0[..], two.0[..]);
        }
    }
}
