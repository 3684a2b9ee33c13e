//! How long a gradient is, in the factored form, without a pass over all synapses (docs/method.md, "Steps that do not overshoot").
//!
//! The squared length is `sum_j L_j^2 Q_j` with `Q_j = sum_i e_bar_ji^2` over all sources but a neuron's own. With `e_bar = kappa_e^u (C + X1 zt)`
//! that takes `sum_i C^2`, `sum_i C zt` and `sum_i zt^2`. A spike changes its row of `C` by a multiple of `X1`, which all sources share, so these
//! sums follow from `sum_i s_i C_i`, which the current needs anyway; and a block's end does the same to every row. A source that waits has its
//! share in the sums all the same.

use alloc::vec::Vec;
use core::ops::Range;

use super::Visit;
use super::adaptive::{Adaptive, AdaptiveLengths};
use crate::kernels::{self, AdaptiveSquares, Squares, StepOf};
use crate::numbers::aligned::Aligned;
use crate::numbers::parameter::Kinds;
use crate::numbers::room::Room;
use crate::numbers::walk::{Role, Walk, WalkMut, Walked};
use crate::{Error, Float};

/// Sums over the sources of every neuron, in float64 whatever the rows are: of all sources, or of inputs and of neurons, one set after the other.
#[derive(Debug)]
pub(super) struct Lengths {
    stride: usize,
    /// `sum_i C^2`
    cc: Aligned<f64>,
    /// `sum_i C zt`
    cz: Aligned<f64>,
    /// `zt` of the source that a neuron is itself, which is in the last set.
    own: Aligned<f64>,
    none: Aligned<f64>,
    /// `sum_i zt^2` over all sources of each set.
    zz: Vec<f64>,
    /// Where thresholds move.
    adaptive: Option<AdaptiveLengths>,
}

impl Lengths {
    /// `adapts`: whether thresholds move.
    pub(super) fn new(
        room: &mut Room,
        sets: usize,
        stride: usize,
        adapts: bool,
    ) -> Result<Self, Error> {
        Ok(Self {
            adaptive: match adapts {
                true => Some(AdaptiveLengths::new(room, sets, stride)?),
                false => None,
            },
            stride,
            cc: room.zeros(sets, stride)?,
            cz: room.zeros(sets, stride)?,
            own: room.zeros(1, stride)?,
            none: room.zeros(sets - 1, stride)?,
            zz: room.vec(0.0, sets)?,
        })
    }

    fn sets(&self) -> usize {
        self.cc.len() / self.stride
    }

    fn row(&self, set: usize) -> Range<usize> {
        set * self.stride..(set + 1) * self.stride
    }

    /// A step's spikes of the sources of a set, which have `grown` by as much, given what they summed up of `C` before its rows changed, and `X1`.
    /// `left`: what a source that waited for so many blocks has left of its `zt`. Where thresholds move, `f` is in the place of `X1`, and `adaptive`
    /// has the sum of `D`, and `X2`.
    pub(super) fn follow<F: Float>(
        &mut self,
        set: usize,
        visits: &[Visit<F>],
        left: &[F],
        grown: F,
        sum_c: &[F],
        x1: &[F],
        adaptive: Option<[&[F]; 2]>,
    ) {
        if visits.is_empty() {
            return;
        }
        let row = self.row(set);
        let (cc, cz) = (&mut self.cc[row.clone()], &mut self.cz[row.clone()]);
        let (mut aa, mut az) = (0.0, 0.0);
        let moved = |visit: &Visit<F>| {
            let waited = (visit.age as usize).checked_sub(1);
            let left = waited.map_or(1.0, |age| left[age].to_f64());
            (visit.shift.to_f64(), left * visit.zt.to_f64())
        };
        for visit in visits {
            let (a, zt) = moved(visit);
            aa += a * a;
            az += a * zt;
        }
        kernels::follow_lengths(grown.to_f64(), (aa, az), sum_c, x1, cc, cz);
        let mut of_d = self.adaptive.as_mut().zip(adaptive);
        if let Some((lengths, [sum_d, x2])) = &mut of_d {
            let (sums, taken) = ([sum_c, *sum_d], [x1, *x2]);
            lengths.follow(row.clone(), grown.to_f64(), (aa, az), sums, taken);
        }
        for visit in visits.iter().filter(|visit| visit.own < x1.len()) {
            // What the sums over all sources did for a neuron's own is undone: there is no synapse. Afterwards, since a vector is read slowly
            // where one of its numbers has just been written.
            let (a, zt) = moved(visit);
            let f = x1[visit.own].to_f64();
            cc[visit.own] -= f * f * a * a;
            cz[visit.own] += f * a * (zt + a);
            if let Some((lengths, [_, x2])) = &mut of_d {
                let g = x2[visit.own].to_f64();
                lengths.undo(row.start + visit.own, (a, zt), (f, g));
            }
            self.own[visit.own] += a;
        }
        self.zz[set] += 2.0 * az + aa;
    }

    /// A block's end, at which `k` is left of `C` and `a` of `zt`; `x = k X1`.
    pub(super) fn end_block<F: Float>(
        &mut self,
        k: F,
        a: F,
        x: &[F],
        adaptive: Option<&Adaptive<F>>,
    ) {
        let (k, a) = (k.to_f64(), a.to_f64());
        for set in 0..self.sets() {
            let row = self.row(set);
            let is_last = set + 1 == self.sets();
            let Self { cc, cz, zz, .. } = self;
            // What decays there is 0.
            let own = match is_last {
                true => &mut self.own,
                false => &mut self.none,
            };
            let (cc, cz) = (&mut cc[row.clone()], &mut cz[row.clone()]);
            match (&mut self.adaptive, adaptive) {
                (Some(lengths), Some(adaptive)) => {
                    lengths.end_block(row, (k, a, zz[set]), x, adaptive, [cc, cz, own]);
                }
                _ => kernels::end_lengths((k, a, zz[set]), x, cc, cz, own),
            }
            zz[set] *= a * a;
        }
    }

    /// No traces at all. What has overflowed would stay where it is multiplied with 0.
    pub(super) fn clear(&mut self) {
        for sums in [&mut self.cc, &mut self.cz, &mut self.own] {
            sums.fill(0.0);
        }
        self.zz.fill(0.0);
        if let Some(lengths) = &mut self.adaptive {
            lengths.clear();
        }
    }

    /// A source of a set, to sums that it is not in yet: its row of `C`, its `zt`, and the neuron that it is; and its row of `D`, if it has one.
    pub(super) fn add<F: Float>(
        &mut self,
        set: usize,
        c: &[F],
        zt: F,
        own: Option<usize>,
        d: &[F],
    ) {
        let (zt, row) = (zt.to_f64(), self.row(set));
        if let Some(lengths) = &mut self.adaptive {
            lengths.add(row.clone(), c, d, zt);
        }
        let (cc, cz) = (&mut self.cc[row.clone()], &mut self.cz[row]);
        for ((cc, cz), c) in cc.iter_mut().zip(cz).zip(c) {
            let c = c.to_f64();
            *cc += c * c;
            *cz += c * zt;
        }
        if let Some(own) = own {
            self.own[own] = zt;
        }
        self.zz[set] += zt * zt;
    }

    fn squares(&self, set: usize) -> Squares<'_> {
        let row = self.row(set);
        Squares {
            cc: &self.cc[row.clone()],
            cz: &self.cz[row],
            own: match set + 1 == self.sets() {
                true => &self.own,
                false => &self.none,
            },
            zz: self.zz[set],
        }
    }

    fn adaptive_squares<'a>(
        &'a self,
        lengths: &'a AdaptiveLengths,
        set: usize,
    ) -> AdaptiveSquares<'a> {
        lengths.squares(self.row(set), self.squares(set))
    }

    /// Of each set; a single one is that of inputs.
    fn of_sets(&self, of: impl Fn(usize) -> f64) -> Kinds<f64> {
        let inputs = of(0);
        let neurons = match self.sets() {
            1 => 0.0,
            _ => of(1),
        };
        Kinds { inputs, neurons }
    }

    /// `sum_j (S_j^2 CC + 2 S_j T_j CZ + T_j^2 ZZ)`: the squared length of `S C + T zt`.
    pub(super) fn of<F: Float>(&self, s: &[F], t: &[F]) -> Kinds<f64> {
        self.of_sets(|set| kernels::length_of_factors(s, t, self.squares(set)))
    }

    /// The squared length of `S C + T zt + R D`.
    pub(super) fn of_adaptive<F: Float>(&self, s: &[F], t: &[F], r: &[F]) -> Kinds<f64> {
        let Some(lengths) = &self.adaptive else {
            return self.of(s, t);
        };
        self.of_sets(|set| {
            kernels::length_of_adaptive_factors(s, t, r, self.adaptive_squares(lengths, set))
        })
    }

    /// As [`of_step`](Self::of_step), where thresholds move.
    pub(super) fn of_adaptive_step<F: Float>(&self, step: StepOf<'_, F>) -> Kinds<f64> {
        let Some(lengths) = &self.adaptive else {
            return Kinds::same(0.0);
        };
        self.of_sets(|set| {
            kernels::length_of_adaptive_step(step, self.adaptive_squares(lengths, set))
        })
    }

    /// `sum_j L_j^2 Q_j / kappa_e^2u`, after the step that adds `grow psi` to `X1`.
    pub(super) fn of_step<F: Float>(&self, grow: F, psi: &[F], l: &[F], x1: &[F]) -> Kinds<f64> {
        if self.sets() == 1 {
            let inputs = kernels::length_of_step(grow, psi, l, x1, self.squares(0));
            return Kinds {
                inputs,
                neurons: 0.0,
            };
        }
        let sets = [self.squares(0), self.squares(1)];
        let [inputs, neurons] = kernels::lengths_of_step(grow, psi, l, x1, sets);
        Kinds { inputs, neurons }
    }
}

impl Walked for Lengths {
    fn walk<'a>(&'a self, _: &'static str, _: Role, to: &mut dyn Walk<'a>) {
        self.cc.walk("cc", Role::State, to);
        self.cz.walk("cz", Role::State, to);
        self.own.walk("own", Role::State, to);
        self.none.walk("none", Role::Scratch, to);
        self.zz.walk("zz", Role::State, to);
        self.adaptive.walk("adaptive", Role::State, to);
    }
    fn walk_mut(&mut self, _: &'static str, _: Role, to: &mut dyn WalkMut) -> Result<(), Error> {
        self.cc.walk_mut("cc", Role::State, to)?;
        self.cz.walk_mut("cz", Role::State, to)?;
        self.own.walk_mut("own", Role::State, to)?;
        self.zz.walk_mut("zz", Role::State, to)?;
        self.adaptive.walk_mut("adaptive", Role::State, to)
    }
}

#[cfg(test)]
mod tests {
    use super::{Kinds, Lengths};
    use crate::numbers::walk;
    use crate::testing::made;

    #[test]
    fn what_has_overflowed_is_gone_after_a_reset() {
        let new = || made(|room| Lengths::new(room, 2, 16, false));
        let mut lengths = new();
        lengths.cc[3] = f64::INFINITY;
        lengths.zz[1] = f64::NAN;
        lengths.clear();
        assert!(walk::same(&lengths, &new()));
        assert_eq!(lengths.of(&[1.0_f32; 16], &[1.0; 16]), Kinds::same(0.0));
    }
}
