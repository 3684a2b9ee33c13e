//! One walk over the buffers of every part. A part names its buffers once, and whoever saves, loads, copies, compares or counts them
//! walks along that list.

use alloc::format;
use alloc::vec::Vec;
use core::ops::Range;

use super::interrupt::{Interrupt, Pace};
use super::slice::{Number, Slice, SliceMut};
use crate::Error;

/// What a buffer is to its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// What is learned, and what the optimizer keeps for it: saved, and there once for all streams.
    Weight,
    /// What is kept from one step to the next: saved, and counted in `memory_per_step`.
    State,
    /// Marks: saved, and not counted among the numbers that a network keeps.
    Mark,
    /// As a mark. It only grows, so bytes may not say that it is near its end.
    Counter,
    /// What is noted for warnings. As a counter, but two trainers may be equal without it.
    Note,
    /// What no step leaves to the next: not saved.
    Scratch,
}

/// One buffer, as a walker meets it.
pub struct Leaf<'a> {
    pub(crate) role: Role,
    /// The numbers that mean something now.
    pub(crate) used: Slice<'a>,
    /// How many numbers there is room for.
    pub(crate) capacity: usize,
    /// Bytes that are allocated.
    pub(crate) heap: usize,
}

pub trait Walk<'a> {
    /// What is seen until `leave` is of this part, or of number `at` of several.
    fn enter(&mut self, _part: &'static str, _at: Option<usize>) {}
    fn leave(&mut self) {}
    fn see(&mut self, name: &'static str, leaf: Leaf<'a>);
}

pub trait WalkMut {
    /// As in [`Walk`].
    fn enter(&mut self, _part: &'static str, _at: Option<usize>) {}
    fn leave(&mut self) {}
    /// Whether buffers of this role are written at all.
    fn writes(&self, role: Role) -> bool {
        role != Role::Scratch
    }
    /// How many bytes there are for what is still to be written: no buffer that is as long as they say is longer.
    fn bytes_left(&self) -> usize {
        usize::MAX
    }
    fn change(
        &mut self,
        name: &'static str,
        role: Role,
        numbers: SliceMut<'_>,
    ) -> Result<(), Error>;
}

/// A buffer, or a part made of buffers.
pub trait Walked {
    fn walk<'a>(&'a self, name: &'static str, role: Role, to: &mut dyn Walk<'a>);
    /// Shows every buffer to be written, in the order of `walk`; what follows from them is made anew at the end.
    fn walk_mut(
        &mut self,
        name: &'static str,
        role: Role,
        to: &mut dyn WalkMut,
    ) -> Result<(), Error>;
}

/// A run of numbers in memory of its own.
pub(crate) trait Buffer {
    type Item: Number;
    fn items(&self) -> &[Self::Item];
    fn items_mut(&mut self) -> &mut [Self::Item];
    fn heap(&self) -> usize;
}

impl<T: Number> Buffer for Vec<T> {
    type Item = T;
    fn items(&self) -> &[T] {
        self
    }
    fn items_mut(&mut self) -> &mut [T] {
        self
    }
    fn heap(&self) -> usize {
        self.capacity() * size_of::<T>()
    }
}

/// The first `n` items of a buffer as its only range.
pub(crate) fn first(n: usize) -> [Range<usize>; 1] {
    core::array::from_fn(|_| 0..n)
}

/// Some ranges of a buffer; `capacity` and `heap` are told with the first.
pub(crate) fn walk_used<'a, B: Buffer>(
    buffer: &'a B,
    used: &[Range<usize>],
    name: &'static str,
    role: Role,
    to: &mut dyn Walk<'a>,
) {
    let (mut capacity, mut heap) = (buffer.items().len(), buffer.heap());
    let nothing = 0..0;
    let used = if used.is_empty() {
        core::slice::from_ref(&nothing)
    } else {
        used
    };
    for range in used {
        let used = B::Item::as_saved(&buffer.items()[range.clone()]);
        to.see(
            name,
            Leaf {
                role,
                used,
                capacity,
                heap,
            },
        );
        (capacity, heap) = (0, 0);
    }
}

pub(crate) fn walk_used_mut<B: Buffer>(
    buffer: &mut B,
    used: &[Range<usize>],
    name: &'static str,
    role: Role,
    to: &mut dyn WalkMut,
) -> Result<(), Error> {
    let nothing = 0..0;
    let used = if used.is_empty() {
        core::slice::from_ref(&nothing)
    } else {
        used
    };
    used.iter().try_for_each(|range| {
        to.change(
            name,
            role,
            B::Item::as_saved_mut(&mut buffer.items_mut()[range.clone()]),
        )
    })
}

impl<T: Number> Walked for Vec<T> {
    fn walk<'a>(&'a self, name: &'static str, role: Role, to: &mut dyn Walk<'a>) {
        walk_used(self, &first(self.len()), name, role, to);
    }
    fn walk_mut(
        &mut self,
        name: &'static str,
        role: Role,
        to: &mut dyn WalkMut,
    ) -> Result<(), Error> {
        let all = first(self.len());
        walk_used_mut(self, &all, name, role, to)
    }
}

/// Scalars live inside their trainer; only the heap is counted in bytes.
impl<T: Number> Walked for T {
    fn walk<'a>(&'a self, name: &'static str, role: Role, to: &mut dyn Walk<'a>) {
        let used = T::as_saved(core::slice::from_ref(self));
        to.see(
            name,
            Leaf {
                role,
                used,
                capacity: 1,
                heap: 0,
            },
        );
    }
    fn walk_mut(
        &mut self,
        name: &'static str,
        role: Role,
        to: &mut dyn WalkMut,
    ) -> Result<(), Error> {
        to.change(name, role, T::as_saved_mut(core::slice::from_mut(self)))
    }
}

impl<T: Walked> Walked for Option<T> {
    fn walk<'a>(&'a self, name: &'static str, role: Role, to: &mut dyn Walk<'a>) {
        self.iter().for_each(|part| part.walk(name, role, to));
    }
    fn walk_mut(
        &mut self,
        name: &'static str,
        role: Role,
        to: &mut dyn WalkMut,
    ) -> Result<(), Error> {
        self.iter_mut()
            .try_for_each(|part| part.walk_mut(name, role, to))
    }
}

/// Lists a part's buffers once, by their role. `name(ranges)` is a buffer of which only the ranges are in use that the function `ranges`
/// finds, from the fields listed before it. `name[look, change]` is a buffer that lies elsewhere: two functions show it, as [`Walked`] does. After a role, `then` names what makes room for what follows. `then` names what is checked and made anew after they were written.
macro_rules! parts {
    ($part:ident { $($role:ident: [$($field:ident $(($used:expr))? $([$look:ident, $change:ident])?),* $(,)?] $(then $made:expr)?),* $(,)? } $(then $loaded:expr)?) => {
        impl<F: $crate::Float> $crate::numbers::walk::Walked for $part<F> {
            fn walk<'a>(
                &'a self,
                name: &'static str,
                _: $crate::numbers::walk::Role,
                to: &mut dyn $crate::numbers::walk::Walk<'a>,
            ) {
                to.enter(name, None);
                $($($crate::numbers::walk::parts!(@look self, to, $role, $field $(, $used)? $([$look])?);)*)*
                to.leave();
            }
            fn walk_mut(
                &mut self,
                name: &'static str,
                _: $crate::numbers::walk::Role,
                to: &mut dyn $crate::numbers::walk::WalkMut,
            ) -> Result<(), $crate::Error> {
                to.enter(name, None);
                $($($crate::numbers::walk::parts!(@change self, to, $role, $field $(, $used)? $([$change])?);)* $($made(self, to.bytes_left())?;)?)*
                to.leave();
                $($loaded(self)?;)?
                Ok(())
            }
        }
    };
    (@look $self:ident, $to:ident, $role:ident, $field:ident) => {
        $crate::numbers::walk::Walked::walk(&$self.$field, stringify!($field), $crate::numbers::walk::Role::$role, $to)
    };
    (@look $self:ident, $to:ident, $role:ident, $field:ident [$look:ident]) => {
        $self.$look(stringify!($field), $crate::numbers::walk::Role::$role, $to)
    };
    (@change $self:ident, $to:ident, $role:ident, $field:ident [$change:ident]) => {
        $self.$change(stringify!($field), $crate::numbers::walk::Role::$role, $to)?
    };
    (@look $self:ident, $to:ident, $role:ident, $field:ident, $used:expr) => {
        $crate::numbers::walk::walk_used(
            &$self.$field, &$used(&*$self), stringify!($field), $crate::numbers::walk::Role::$role, $to,
        )
    };
    (@change $self:ident, $to:ident, $role:ident, $field:ident) => {
        $crate::numbers::walk::Walked::walk_mut(
            &mut $self.$field, stringify!($field), $crate::numbers::walk::Role::$role, $to,
        )?
    };
    (@change $self:ident, $to:ident, $role:ident, $field:ident, $used:expr) => {{
        let used = $used(&*$self);
        $crate::numbers::walk::walk_used_mut(
            &mut $self.$field, &used, stringify!($field), $crate::numbers::walk::Role::$role, $to,
        )?
    }};
}
pub(crate) use parts;

/// Everything but the weights: of a stream that reads those of another.
pub(crate) struct WithoutWeights<'t, W: ?Sized>(pub(crate) &'t mut W);

impl<'a, W: Walk<'a> + ?Sized> Walk<'a> for WithoutWeights<'_, W> {
    fn enter(&mut self, part: &'static str, at: Option<usize>) {
        self.0.enter(part, at);
    }
    fn leave(&mut self) {
        self.0.leave();
    }
    fn see(&mut self, name: &'static str, leaf: Leaf<'a>) {
        if leaf.role != Role::Weight {
            self.0.see(name, leaf);
        }
    }
}

impl<W: WalkMut + ?Sized> WalkMut for WithoutWeights<'_, W> {
    fn enter(&mut self, part: &'static str, at: Option<usize>) {
        self.0.enter(part, at);
    }
    fn leave(&mut self) {
        self.0.leave();
    }
    fn writes(&self, role: Role) -> bool {
        role != Role::Weight && self.0.writes(role)
    }
    fn bytes_left(&self) -> usize {
        self.0.bytes_left()
    }
    fn change(
        &mut self,
        name: &'static str,
        role: Role,
        numbers: SliceMut<'_>,
    ) -> Result<(), Error> {
        if role == Role::Weight {
            return Ok(());
        }
        self.0.change(name, role, numbers)
    }
}

/// What is counted on a walk.
#[derive(Default)]
struct Count {
    kept: usize,
    heap: usize,
}

impl<'a> Walk<'a> for Count {
    fn see(&mut self, _: &'static str, leaf: Leaf<'a>) {
        self.heap += leaf.heap;
        if leaf.role == Role::State {
            self.kept += leaf.capacity;
        }
    }
}

fn count(part: &impl Walked) -> Count {
    let mut count = Count::default();
    part.walk("", Role::State, &mut count);
    count
}

/// How many numbers a part keeps from one step to the next.
pub(crate) fn numbers(part: &impl Walked) -> usize {
    count(part).kept
}

/// Bytes that a part has allocated.
pub(crate) fn bytes(part: &impl Walked) -> usize {
    count(part).heap
}

/// Whether no counter that was read is one that no stream reaches.
///
/// # Errors
/// [`Error::State`] where one is.
pub(crate) fn check_counts(name: &str, role: Role, numbers: &SliceMut<'_>) -> Result<(), Error> {
    let SliceMut::U64(counts) = numbers else {
        return Ok(());
    };
    if !matches!(role, Role::Counter | Role::Note) {
        return Ok(());
    }
    match counts.as_ref().iter().find(|&&count| count >= MOST) {
        Some(count) => Err(Error::State {
            reason: format!("`{name}` of {count}, more than any stream has"),
        }),
        None => Ok(()),
    }
}

/// What no counter of bytes may have come to: far above what any stream reaches, and far below what overflows.
const MOST: u64 = u64::MAX / 4;

/// All that is saved, in its order; without notes if these are not wanted.
struct List<'a> {
    leaves: Vec<Slice<'a>>,
    notes: bool,
}

impl<'a> Walk<'a> for List<'a> {
    fn see(&mut self, _: &'static str, leaf: Leaf<'a>) {
        let wanted = match leaf.role {
            Role::Scratch => false,
            Role::Note => self.notes,
            Role::Weight | Role::State | Role::Mark | Role::Counter => true,
        };
        if wanted {
            self.leaves.push(leaf.used);
        }
    }
}

fn list(part: &impl Walked, notes: bool) -> Vec<Slice<'_>> {
    let mut list = List {
        leaves: Vec::new(),
        notes,
    };
    part.walk("", Role::State, &mut list);
    list.leaves
}

/// Whether two parts hold equal weights, state and marks.
pub(crate) fn same<T: Walked>(one: &T, other: &T) -> bool {
    let (one, other) = (list(one, false), list(other, false));
    one.len() == other.len() && one.iter().zip(&other).all(|(a, b)| a.same(b))
}

struct Copy<'a, 'i> {
    from: alloc::vec::IntoIter<Slice<'a>>,
    pace: Pace<'i>,
}

impl Copy<'_, '_> {
    /// Whether the numbers fit.
    fn copy(&mut self, from: Slice<'_>, to: &mut SliceMut<'_>) -> Result<bool, Error> {
        if from.len() != to.len() {
            return Ok(false);
        }
        for piece in self.pace.pieces(from.len()) {
            self.pace.pass(piece.len())?;
            if !to.part(piece.clone()).copy(from.part(piece)) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl WalkMut for Copy<'_, '_> {
    fn change(
        &mut self,
        name: &'static str,
        role: Role,
        mut numbers: SliceMut<'_>,
    ) -> Result<(), Error> {
        if role == Role::Scratch {
            return Ok(());
        }
        match self.from.next() {
            Some(from) if self.copy(from, &mut numbers)? => Ok(()),
            _ => Err(Error::State {
                reason: format!("`{name}` of another size"),
            }),
        }
    }
}

/// Writes into a silent part what another of the same sizes and configuration holds.
///
/// # Errors
/// [`Error::State`] where they are not alike.
pub(crate) fn copy<T: Walked>(from: &T, to: &mut T) -> Result<(), Error> {
    copy_until(from, to, &Interrupt::NOBODY)
}

/// As [`copy`], unless it is stopped: then the part is half-written.
pub(crate) fn copy_until<T: Walked>(
    from: &T,
    to: &mut T,
    interrupt: &Interrupt,
) -> Result<(), Error> {
    let mut copy = Copy {
        from: list(from, true).into_iter(),
        pace: interrupt.pace(),
    };
    to.walk_mut("", Role::State, &mut copy)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec;
    use alloc::vec::Vec;

    use super::{WithoutWeights, bytes, copy, first, numbers, same};
    use crate::numbers::plain::{load, save};
    use crate::testing::{Noise, in_both};
    use crate::{Error, Float};

    /// A part with buffers of every role, one of them in use up to `len`.
    #[derive(Clone, Debug, PartialEq)]
    struct Part<F> {
        w: Vec<F>,
        len: usize,
        list: Vec<u32>,
        trace: Vec<F>,
        inner: Option<Inner<F>>,
        note: f64,
        made_anew: Vec<F>,
        loads: usize,
    }

    #[derive(Clone, Debug, PartialEq)]
    struct Inner<F> {
        flag: bool,
        x: F,
    }

    parts!(Inner {
        Mark: [flag],
        State: [x]
    });
    parts!(Part {
        Weight: [w],
        Mark: [len],
        State: [list(|this: &Self| first(this.len.min(this.list.len()))), trace, inner],
        Note: [note],
        Scratch: [made_anew],
    } then Self::loaded);

    impl<F: Float> Part<F> {
        fn loaded(&mut self) -> Result<(), Error> {
            self.loads += 1;
            if self.len <= self.list.len() {
                return Ok(());
            }
            Err(Error::State {
                reason: "a list that is too long".into(),
            })
        }

        fn silent() -> Self {
            Self {
                w: vec![F::ZERO; 4],
                len: 0,
                list: vec![0; 6],
                trace: vec![F::ZERO; 3],
                inner: Some(Inner {
                    flag: false,
                    x: F::ZERO,
                }),
                note: 0.0,
                made_anew: vec![F::ZERO; 2],
                loads: 0,
            }
        }

        fn busy() -> Self {
            let mut noise = Noise(3);
            Self {
                w: noise.numbers(4),
                len: 2,
                list: vec![5, 6, 7, 8, 9, 10],
                trace: noise.numbers(3),
                inner: Some(Inner {
                    flag: true,
                    x: F::ONE,
                }),
                note: 3.0,
                made_anew: noise.numbers(2),
                loads: 0,
            }
        }

        /// What a silent part is once it has taken in a busy one.
        fn expected() -> Self {
            Self {
                list: vec![5, 6, 0, 0, 0, 0],
                made_anew: vec![F::ZERO; 2],
                loads: 1,
                ..Self::busy()
            }
        }
    }

    in_both! {
        fn saved_bytes_are_loaded_into_the_same_part_without_what_is_unused_or_scratch<F>() {
            let mut part = Part::<F>::silent();
            load(&mut part, &save(&Part::<F>::busy()).unwrap()).unwrap();
            assert_eq!(part, Part::expected());
        }
    }

    in_both! {
        fn a_copy_takes_what_saving_and_loading_takes<F>() {
            let mut part = Part::<F>::silent();
            copy(&Part::busy(), &mut part).unwrap();
            assert_eq!(part, Part::expected());
            let mut smaller = Part::<F>::silent();
            smaller.trace.pop();
            let error = copy(&Part::busy(), &mut smaller).unwrap_err();
            assert!(error.to_string().contains("`trace` of another size"), "{error}");
            let without = Part::<F> { inner: None, ..Part::silent() };
            assert!(copy(&without, &mut Part::silent()).is_err());
        }
    }

    in_both! {
        fn parts_are_the_same_if_all_is_equal_that_would_be_saved<F>() {
            let busy = Part::<F>::busy();
            let like = |change: fn(&mut Part<F>)| {
                let mut other = busy.clone();
                change(&mut other);
                same(&busy, &other)
            };
            assert!(like(|_| ()));
            assert!(like(|other| other.made_anew[0] = F::cast(9.0)));
            assert!(like(|other| other.list[2] = 99));
            assert!(like(|other| other.note = 9.0));
            assert!(!like(|other| other.list[1] = 99));
            assert!(!like(|other| other.w[3] = F::cast(9.0)));
            assert!(!like(|other| other.trace[0] = F::cast(9.0)));
            assert!(!like(|other| other.len = 1));
            assert!(!like(|other| other.inner = None));
            let zero = |sign: f64| Part { w: vec![F::cast(sign * 0.0); 4], ..busy.clone() };
            assert!(same(&zero(1.0), &zero(-1.0)));
        }
    }

    in_both! {
        fn wrong_bytes_are_errors<F>() {
            let saved = save(&Part::<F>::busy()).unwrap();
            for until in 0..saved.len() {
                let error = load(&mut Part::<F>::silent(), &saved[..until]).unwrap_err();
                assert!(matches!(error, Error::State { .. }));
            }
            let mut long = saved.clone();
            long.push(0);
            let error = load(&mut Part::<F>::silent(), &long).unwrap_err();
            assert!(error.to_string().contains("1 bytes too many"), "{error}");
            // The lengths of the buffers, one after the other.
            let mut other = saved.clone();
            other[0] = 5;
            let error = load(&mut Part::<F>::silent(), &other).unwrap_err();
            assert!(error.to_string().contains("`w` of 5 numbers where 4 belong"), "{error}");
            let of_len = 8 + 4 * size_of::<F>() + 8;
            let mut other = saved.clone();
            other[of_len + 7] = 0xff;
            assert!(load(&mut Part::<F>::silent(), &other).is_err());
        }
    }

    in_both! {
        fn no_bytes_whatever_make_a_load_panic<F>() {
            let saved = save(&Part::<F>::busy()).unwrap();
            let mut noise = Noise(17);
            for _ in 0..2_000 {
                let mut bytes = saved.clone();
                for _ in 0..1 + (3.0 * noise.uniform()) as usize {
                    let at = (noise.uniform() * bytes.len() as f64) as usize;
                    bytes[at] = (noise.uniform() * 256.0) as u8;
                }
                let mut part = Part::<F>::silent();
                if load(&mut part, &bytes).is_ok() {
                    assert!(part.len <= 6);
                }
            }
        }
    }

    in_both! {
        fn numbers_are_those_of_the_state_and_bytes_those_of_the_heap<F>() {
            let part = Part::<F>::busy();
            assert_eq!(numbers(&part), 6 + 3 + 1);
            assert_eq!(bytes(&part), (4 + 3 + 2) * size_of::<F>() + 6 * 4);
        }
    }

    /// A part that uses its buffer here and there, or nowhere.
    struct Parted<F> {
        rows: Vec<F>,
        used: Vec<core::ops::Range<usize>>,
    }

    parts!(Parted {
        State: [rows(|this: &Self| this.used.clone())]
    });

    in_both! {
        fn a_buffer_used_in_parts_is_counted_once_and_saved_in_parts<F>() {
            let rows = Noise(9).numbers::<F>(8);
            for used in [vec![0..1, 3..5], vec![2..4, 4..8], vec![]] {
                let mut expected = vec![F::ZERO; 8];
                used.iter().cloned().for_each(|used| expected[used.clone()].copy_from_slice(&rows[used]));
                let part = Parted { rows: rows.clone(), used: used.clone() };
                assert_eq!((numbers(&part), bytes(&part)), (8, 8 * size_of::<F>()));
                let saved = save(&part).unwrap();
                let items: usize = used.iter().map(|used| used.len()).sum();
                assert_eq!(saved.len(), 8 * used.len().max(1) + items * size_of::<F>());
                let mut read = Parted { rows: vec![F::ZERO; 8], used };
                load(&mut read, &saved).unwrap();
                assert_eq!(read.rows, expected);
            }
        }
    }

    in_both! {
        fn without_weights_all_else_is_seen_and_changed<F>() {
            struct Names(Vec<&'static str>);
            impl<'a> super::Walk<'a> for Names {
                fn see(&mut self, name: &'static str, _: super::Leaf<'a>) {
                    self.0.push(name);
                }
            }
            impl super::WalkMut for Names {
                fn change(&mut self, name: &'static str, _: super::Role, _: super::SliceMut<'_>) -> Result<(), Error> {
                    self.0.push(name);
                    Ok(())
                }
            }
            use super::{Role, Walked};
            let mut part = Part::<F>::busy();
            let (mut seen, mut changed) = (Names(vec![]), Names(vec![]));
            part.walk("", Role::State, &mut WithoutWeights(&mut seen));
            part.walk_mut("", Role::State, &mut WithoutWeights(&mut changed)).unwrap();
            assert_eq!(seen.0, ["len", "list", "trace", "flag", "x", "note", "made_anew"]);
            assert_eq!(changed.0, seen.0);
        }
    }

    #[derive(Debug)]
    struct Counts<F> {
        steps: u64,
        mark: u64,
        nothing: Vec<F>,
    }

    parts!(Counts {
        Counter: [steps],
        Mark: [mark],
        State: [nothing]
    });

    #[test]
    fn a_counter_that_no_stream_reaches_is_an_error_in_bytes_and_none_in_a_copy() {
        let counts = |steps| Counts::<f64> {
            steps,
            mark: u64::MAX,
            nothing: vec![],
        };
        let loaded = |steps| {
            let mut other = counts(0);
            load(&mut other, &save(&counts(steps)).unwrap()).map(|()| other.steps)
        };
        assert_eq!(loaded(u64::MAX / 4 - 1).unwrap(), u64::MAX / 4 - 1);
        let error = loaded(u64::MAX / 4).unwrap_err();
        assert!(error.to_string().contains("`steps` of "), "{error}");
        // A trainer may have gone on from the largest that is taken.
        let mut twin = counts(0);
        copy(&counts(u64::MAX / 4), &mut twin).unwrap();
        assert_eq!(twin.steps, u64::MAX / 4);
    }
}
