//! How long a gradient is, in the factored form, without a pass over all synapses (docs/method.md, "Steps that do not overshoot").
//!
//! The squared length is `sum_j L_j^2 Q_j` with `Q_j = sum_i e_bar_ji^2` over all sources but a neuron's own. With `e = C + X1 zt`, which is `e_bar / kappa_e^u`,
//! it follows from `EE = sum_i e^2`. A spike changes its row of `C` by a multiple of `X1`, which all sources share, so that `e` is the same before and
//! after; where `X1` grows by `x`, `e` grows by `x zt`. That takes `EZ = sum_i e zt` and `ZZ = sum_i zt^2`, which change with a spike, by what follows from
//! `sum_i s_i C_i`, which the current needs anyway. At a block's end all three decay. A source that waits has its share in the sums all the same. Where thresholds move,
//! `e = C + X1 zt + Q D`, and there are three sums more.

use alloc::vec::Vec;
use core::ops::Range;

use super::Visit;
use super::adaptive::AdaptiveLengths;
use crate::kernels::{
    self, AdaptiveGrowth, AdaptiveSquares, AdaptiveSquaresMut, Squares, SquaresMut,
};
use crate::numbers::aligned::Aligned;
use crate::numbers::kinds::Kinds;
use crate::numbers::room::Room;
use crate::numbers::walk::{Role, Walk, WalkMut, Walked};
use crate::{Error, Float};

/// Sums over the sources of every neuron, in float64 whatever the rows are: of all sources, or of inputs and of neurons, one set after the other.
#[derive(Debug)]
pub(super) struct Lengths {
    stride: usize,
    ee: Aligned<f64>,
    ez: Aligned<f64>,
    /// Over all sources of each set.
    zz: Vec<f64>,
    /// The share in the last set's `zz` of the source that a neuron is itself.
    own: Aligned<f64>,
    /// `sum_i a_i zt_i` of each set, of the spikes of the step under way.
    az: Vec<f64>,
    /// Whether the sums do not know yet what the step under way does to them.
    due: bool,
    /// Where thresholds move.
    adaptive: Option<AdaptiveLengths>,
}

/// What a step does to the sums.
#[derive(Clone, Copy)]
pub(super) struct Growth<'a, F> {
    /// `X1` grows by so many psi.
    pub(super) grow: F,
    /// `alpha^-u zeta`.
    pub(super) grown: F,
    pub(super) psi: &'a [F],
    /// `X1` before it grows.
    pub(super) x1: &'a [F],
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
            ee: room.zeros(sets, stride)?,
            ez: room.zeros(sets, stride)?,
            zz: room.vec(0.0, sets)?,
            own: room.zeros(1, stride)?,
            az: room.vec(0.0, sets)?,
            due: false,
        })
    }

    fn sets(&self) -> usize {
        self.zz.len()
    }

    fn row(&self, set: usize) -> Range<usize> {
        set * self.stride..(set + 1) * self.stride
    }

    /// A step's spikes of the sources of a set, before [`step`](Self::step) takes in what they summed up. `left`: what a source that waited for so many
    /// blocks has left of its `zt`; `w`: of a threshold that moves.
    pub(super) fn follow<F: Float>(
        &mut self,
        set: usize,
        visits: &[Visit<F>],
        left: &[F],
        x1: &[F],
        w: Option<&[F]>,
    ) {
        let row = self.row(set);
        let ez = &mut self.ez[row.clone()];
        let mut hz = self.adaptive.as_mut().map(|sums| &mut sums.hz[row]);
        let (mut az, mut zz) = (0.0, self.zz[set]);
        for visit in visits {
            let (a, mut zt) = (visit.shift.to_f64(), visit.zt.to_f64());
            if let Some(waited) = visit.age.checked_sub(1) {
                zt *= left[waited as usize].to_f64();
            }
            let (a_zt, more) = (a * zt, a * (2.0 * zt + a));
            az += a_zt;
            zz += more;
            if let Some(x1) = x1.get(visit.own) {
                // What the sums over all sources will do for a neuron's own is undone, as it will be rounded: there is no synapse.
                let a_zt = F::cast(a_zt);
                ez[visit.own] -= (*x1 * a_zt).to_f64();
                if let Some((hz, w)) = hz.as_mut().zip(w) {
                    hz[visit.own] -= (w[visit.own] * a_zt).to_f64();
                }
                self.own[visit.own] += more;
            }
        }
        (self.az[set], self.zz[set]) = (az, zz);
        self.due = true;
    }

    /// Whether a step has begun that [`step`](Self::step) has not ended.
    pub(super) fn is_due(&self) -> bool {
        self.due
    }

    /// Ends a step: its spikes, which summed up `sum_c` of each set, and its growth of `X1`. Returns `sum_j L_j^2 Q_j / kappa_e^2u`.
    pub(super) fn step<F: Float>(
        &mut self,
        growth: Growth<'_, F>,
        l: &[F],
        sum_c: [&[F]; 2],
    ) -> Kinds<f64> {
        self.due = false;
        let Growth {
            grow,
            grown,
            psi,
            x1,
        } = growth;
        let scales = (grow, grown);
        let (ee, ee_of_last) = self.ee.split_at_mut(self.stride);
        let (ez, ez_of_last) = self.ez.split_at_mut(self.stride);
        let first = SquaresMut {
            ee,
            ez,
            zz: self.zz[0],
            sum_c: sum_c[0],
            az: self.az[0],
        };
        let own = &self.own;
        if self.zz.len() == 1 {
            return kinds(kernels::step_lengths(scales, psi, l, x1, own, [first]));
        }
        let last = SquaresMut {
            ee: ee_of_last,
            ez: ez_of_last,
            zz: self.zz[1],
            sum_c: sum_c[1],
            az: self.az[1],
        };
        kinds(kernels::step_lengths(
            scales,
            psi,
            l,
            x1,
            own,
            [first, last],
        ))
    }

    /// As [`step`](Self::step), where thresholds move and the step's spikes summed up `sum_d`.
    pub(super) fn step_adaptive<F: Float>(
        &mut self,
        growth: Growth<'_, F>,
        l: &[F],
        sum_c: [&[F]; 2],
        sum_d: [&[F]; 2],
        of_adaptive: AdaptiveGrowth<'_, F>,
    ) -> Kinds<f64> {
        self.due = false;
        let (sets, stride) = (self.sets(), self.stride);
        let Some(sums) = &mut self.adaptive else {
            return Kinds::same(0.0);
        };
        let mut squared = [0.0; 2];
        for (set, squared) in squared[..sets].iter_mut().enumerate() {
            let row = set * stride..(set + 1) * stride;
            let set = AdaptiveSquaresMut {
                plain: SquaresMut {
                    ee: &mut self.ee[row.clone()],
                    ez: &mut self.ez[row.clone()],
                    zz: self.zz[set],
                    sum_c: sum_c[set],
                    az: self.az[set],
                },
                eh: &mut sums.eh[row.clone()],
                hh: &mut sums.hh[row.clone()],
                hz: &mut sums.hz[row],
                own: if set + 1 == sets { &self.own } else { &[] },
                sum_d: sum_d[set],
            };
            let (grown, x1) = (growth.grown, growth.x1);
            *squared = kernels::step_adaptive_lengths(grown, l, x1, of_adaptive, set);
        }
        kinds(squared)
    }

    /// A block's end, at which `k` is left of `C + X1 zt`, which is `C` from then on, and `a` of `zt`.
    pub(super) fn end_block<F: Float>(&mut self, k: F, a: F) {
        let (k, a) = (k.to_f64(), a.to_f64());
        if k == 1.0 && a == 1.0 {
            return;
        }
        kernels::scale_row(k * k, &mut self.ee);
        kernels::scale_row(k * a, &mut self.ez);
        kernels::scale_row(a * a, &mut self.own);
        self.zz.iter_mut().for_each(|zz| *zz *= a * a);
        if let Some(sums) = &mut self.adaptive {
            sums.end_block(k, a);
        }
    }

    /// No traces at all. What has overflowed would stay where it is multiplied with 0.
    pub(super) fn clear(&mut self) {
        for sums in [&mut self.ee, &mut self.ez, &mut self.own] {
            sums.fill(0.0);
        }
        self.zz.fill(0.0);
        self.due = false;
        if let Some(sums) = &mut self.adaptive {
            sums.clear();
        }
    }

    /// A source of a set, to sums that it is not in yet, at a block's start: its row of `C`, its `zt`, and the neuron that it is; and its row of `D`, if it
    /// has one.
    pub(super) fn add<F: Float>(
        &mut self,
        set: usize,
        c: &[F],
        zt: F,
        own: Option<usize>,
        d: &[F],
    ) {
        let (zt, row) = (zt.to_f64(), self.row(set));
        if let Some(sums) = &mut self.adaptive {
            sums.add(row.clone(), c, d, zt);
        }
        let (ee, ez) = (&mut self.ee[row.clone()], &mut self.ez[row]);
        for ((ee, ez), c) in ee.iter_mut().zip(ez).zip(c) {
            let c = c.to_f64();
            *ee += c * c;
            *ez += c * zt;
        }
        if let Some(own) = own {
            self.own[own] = zt * zt;
        }
        self.zz[set] += zt * zt;
    }

    /// The squared length of `S C + T zt`, given `X1`.
    pub(super) fn of<F: Float>(&self, s: &[F], t: &[F], x1: &[F]) -> Kinds<f64> {
        let set = |set| self.squares(set);
        match self.sets() {
            1 => kinds(kernels::length_of_factors(s, t, x1, &self.own, [set(0)])),
            _ => kinds(kernels::length_of_factors(
                s,
                t,
                x1,
                &self.own,
                [set(0), set(1)],
            )),
        }
    }

    /// The squared length that `S C + T zt` would have if its parts did not cancel, of which `C + X1 zt` is one: what it is rounded by is a share of that.
    pub(super) fn of_parts<F: Float>(&self, s: &[F], t: &[F], x1: &[F]) -> Kinds<f64> {
        let set = |set: usize| {
            let Squares { ee, zz, .. } = self.squares(set);
            let neurons = s.iter().zip(t).zip(x1).zip(ee);
            let of_each = neurons.map(|(((s, t), x1), ee)| {
                let s = s.to_f64();
                let of_zt = (s * x1.to_f64()).abs() + t.to_f64().abs();
                s * s * ee + of_zt * of_zt * zz
            });
            of_each.sum()
        };
        kinds(match self.sets() {
            1 => [set(0), 0.0],
            _ => [set(0), set(1)],
        })
    }

    /// The squared length of `S C + T zt + R D`, given `X1`, and `Q`, `w` and `p`.
    pub(super) fn of_adaptive<F: Float>(
        &self,
        factors: [&[F]; 3],
        x1: &[F],
        responses: [&[F]; 3],
    ) -> Kinds<f64> {
        let Some(sums) = &self.adaptive else {
            return Kinds::same(0.0);
        };
        let of = |set: usize| {
            let row = self.row(set);
            let squares = AdaptiveSquares {
                plain: self.squares(set),
                eh: &sums.eh[row.clone()],
                hh: &sums.hh[row.clone()],
                hz: &sums.hz[row],
                own: if set + 1 == self.sets() {
                    &self.own
                } else {
                    &[]
                },
            };
            kernels::length_of_adaptive_factors(factors, x1, responses, squares)
        };
        kinds([of(0), if self.sets() == 2 { of(1) } else { 0.0 }])
    }

    fn squares(&self, set: usize) -> Squares<'_> {
        Squares {
            ee: &self.ee[self.row(set)],
            ez: &self.ez[self.row(set)],
            zz: self.zz[set],
        }
    }
}

/// Of inputs and of neurons, or of both as one; what is a sum of squares is at least 0, however it is rounded.
fn kinds<const SETS: usize>(squared: [f64; SETS]) -> Kinds<f64> {
    let of = |set: usize| squared.get(set).map_or(0.0, |squared| squared.max(0.0));
    Kinds {
        inputs: of(0),
        neurons: of(1),
    }
}

impl Walked for Lengths {
    fn walk<'a>(&'a self, _: &'static str, _: Role, to: &mut dyn Walk<'a>) {
        self.ee.walk("ee", Role::State, to);
        self.ez.walk("ez", Role::State, to);
        self.own.walk("own", Role::State, to);
        self.zz.walk("zz", Role::State, to);
        self.az.walk("az", Role::Scratch, to);
        self.adaptive.walk("adaptive", Role::State, to);
    }
    fn walk_mut(&mut self, _: &'static str, _: Role, to: &mut dyn WalkMut) -> Result<(), Error> {
        self.ee.walk_mut("ee", Role::State, to)?;
        self.ez.walk_mut("ez", Role::State, to)?;
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
        lengths.ee[3] = f64::INFINITY;
        lengths.zz[1] = f64::NAN;
        lengths.clear();
        assert!(walk::same(&lengths, &new()));
        let ones = [1.0_f32; 16];
        assert_eq!(lengths.of(&ones, &ones, &ones), Kinds::same(0.0));
    }
}
