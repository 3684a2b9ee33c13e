//! The sums over sources that are beside those of [`Lengths`](super::super::lengths::Lengths): with `h = p D + w zt`, which is `beta eps_a`, of `e h`, `h^2` and
//! `h zt`. A spike leaves `h`, as it leaves `e`.

use core::ops::Range;

use crate::Error;
use crate::numbers::aligned::Aligned;
use crate::numbers::room::Room;
use crate::numbers::walk::{Role, Walk, WalkMut, Walked};

/// A row of each set, in float64 whatever the rows of sources are.
#[derive(Debug)]
pub(in crate::synapses) struct AdaptiveLengths {
    pub(in crate::synapses) eh: Aligned<f64>,
    pub(in crate::synapses) hh: Aligned<f64>,
    pub(in crate::synapses) hz: Aligned<f64>,
}

impl AdaptiveLengths {
    pub(in crate::synapses) fn new(
        room: &mut Room,
        sets: usize,
        stride: usize,
    ) -> Result<Self, Error> {
        Ok(Self {
            eh: room.zeros(sets, stride)?,
            hh: room.zeros(sets, stride)?,
            hz: room.zeros(sets, stride)?,
        })
    }

    /// A block's end, at which `k` is left of `e` and `a` of `zt`. What a threshold remembers goes on.
    pub(in crate::synapses) fn end_block(&mut self, k: f64, a: f64) {
        crate::kernels::scale_row(k, &mut self.eh);
        crate::kernels::scale_row(a, &mut self.hz);
    }

    pub(in crate::synapses) fn clear(&mut self) {
        for sums in [&mut self.eh, &mut self.hh, &mut self.hz] {
            sums.fill(0.0);
        }
    }

    /// A source, to sums that it is not in yet, at a block's start: its `C`, which is `e`, and its `D`, which is `h`.
    pub(in crate::synapses) fn add<F: crate::Float>(
        &mut self,
        row: Range<usize>,
        c: &[F],
        d: &[F],
        zt: f64,
    ) {
        for ((at, c), d) in row.zip(c).zip(d) {
            let (c, d) = (c.to_f64(), d.to_f64());
            self.eh[at] += c * d;
            self.hh[at] += d * d;
            self.hz[at] += d * zt;
        }
    }
}

impl Walked for AdaptiveLengths {
    fn walk<'a>(&'a self, _: &'static str, _: Role, to: &mut dyn Walk<'a>) {
        self.eh.walk("eh", Role::State, to);
        self.hh.walk("hh", Role::State, to);
        self.hz.walk("hz", Role::State, to);
    }
    fn walk_mut(&mut self, _: &'static str, _: Role, to: &mut dyn WalkMut) -> Result<(), Error> {
        self.eh.walk_mut("eh", Role::State, to)?;
        self.hh.walk_mut("hh", Role::State, to)?;
        self.hz.walk_mut("hz", Role::State, to)
    }
}
