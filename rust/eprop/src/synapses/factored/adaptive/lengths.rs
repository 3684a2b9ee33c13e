//! The sums over sources that are beside those of [`Lengths`](super::super::lengths::Lengths): of `C D`, `D^2` and `D zt`.

use core::ops::Range;

use super::Adaptive;
use crate::kernels::{self, AdaptiveSquares, AdaptiveSquaresMut, Squares};
use crate::numbers::aligned::Aligned;
use crate::numbers::room::Room;
use crate::numbers::walk::{Role, Walk, WalkMut, Walked};
use crate::{Error, Float};

/// A row of each set, in float64 whatever the rows of sources are.
#[derive(Debug)]
pub(in super::super) struct AdaptiveLengths {
    cd: Aligned<f64>,
    dd: Aligned<f64>,
    dz: Aligned<f64>,
}

impl AdaptiveLengths {
    pub(in super::super) fn new(
        room: &mut Room,
        sets: usize,
        stride: usize,
    ) -> Result<Self, Error> {
        Ok(Self {
            cd: room.zeros(sets, stride)?,
            dd: room.zeros(sets, stride)?,
            dz: room.zeros(sets, stride)?,
        })
    }

    /// A step's spikes, with `aa` and `az` of all their sources; of `sums` the first is of `C`, of `taken` the first is `f`.
    pub(in super::super) fn follow<F: Float>(
        &mut self,
        row: Range<usize>,
        grown: f64,
        squares: (f64, f64),
        [sum_c, sum_d]: [&[F]; 2],
        [f, x2]: [&[F]; 2],
    ) {
        let (cd, dd) = (&mut self.cd[row.clone()], &mut self.dd[row.clone()]);
        let dz = &mut self.dz[row];
        kernels::follow_adaptive_lengths(grown, squares, sum_c, sum_d, f, x2, cd, dd, dz);
    }

    /// Undoes what `follow` did for a neuron's own source, which moved from `zt` by `a`.
    pub(in super::super) fn undo(&mut self, at: usize, (a, zt): (f64, f64), (f, g): (f64, f64)) {
        self.cd[at] -= f * g * a * a;
        self.dd[at] -= g * g * a * a;
        self.dz[at] += g * a * (zt + a);
    }

    /// A block's end at which `k` is left of `C` and `a` of `zt`; `x = k X1`, and `Q` is scaled as well.
    pub(in super::super) fn end_block<F: Float>(
        &mut self,
        row: Range<usize>,
        (k, a, zz): (f64, f64, f64),
        x: &[F],
        adaptive: &Adaptive<F>,
        [cc, cz, own]: [&mut [f64]; 3],
    ) {
        let to = AdaptiveSquaresMut {
            cc,
            cz,
            cd: &mut self.cd[row.clone()],
            dd: &mut self.dd[row.clone()],
            dz: &mut self.dz[row],
            own,
            zz,
        };
        let [q, w, p] = adaptive.responses();
        kernels::end_adaptive_lengths(k, a, x, q, w, p, to);
    }

    pub(in super::super) fn clear(&mut self) {
        for sums in [&mut self.cd, &mut self.dd, &mut self.dz] {
            sums.fill(0.0);
        }
    }

    /// A source, to sums that it is not in yet.
    pub(in super::super) fn add<F: Float>(&mut self, row: Range<usize>, c: &[F], d: &[F], zt: f64) {
        for ((at, c), d) in row.zip(c).zip(d) {
            let (c, d) = (c.to_f64(), d.to_f64());
            self.cd[at] += c * d;
            self.dd[at] += d * d;
            self.dz[at] += d * zt;
        }
    }

    pub(in super::super) fn squares<'a>(
        &'a self,
        row: Range<usize>,
        plain: Squares<'a>,
    ) -> AdaptiveSquares<'a> {
        AdaptiveSquares {
            plain,
            cd: &self.cd[row.clone()],
            dd: &self.dd[row.clone()],
            dz: &self.dz[row],
        }
    }
}

impl Walked for AdaptiveLengths {
    fn walk<'a>(&'a self, _: &'static str, _: Role, to: &mut dyn Walk<'a>) {
        self.cd.walk("cd", Role::State, to);
        self.dd.walk("dd", Role::State, to);
        self.dz.walk("dz", Role::State, to);
    }
    fn walk_mut(&mut self, _: &'static str, _: Role, to: &mut dyn WalkMut) -> Result<(), Error> {
        self.cd.walk_mut("cd", Role::State, to)?;
        self.dd.walk_mut("dd", Role::State, to)?;
        self.dz.walk_mut("dz", Role::State, to)
    }
}
