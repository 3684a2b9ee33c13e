//! How long a gradient is, in the factored form, without a pass over all synapses (docs/method.md, "Steps that do not overshoot").
//!
//! The squared length is `sum_j L_j^2 Q_j` with `Q_j = sum_i e_bar_ji^2` over all sources but a neuron's own. With `e_bar = kappa_e^u (C + X1 zt)`
//! that takes `sum_i C^2`, `sum_i C zt` and `sum_i zt^2`. A spike changes its row of `C` by a multiple of `X1`, which all sources share, so these
//! sums follow from `sum_i s_i C_i`, which the current needs anyway; and a block's end does the same to every row. A source that waits has its
//! share in the sums all the same.

use super::Visit;
use crate::kernels::{self, Squares};
use crate::numbers::aligned::Aligned;
use crate::numbers::room::Room;
use crate::numbers::walk::{Role, Walk, WalkMut, Walked};
use crate::{Error, Float};

/// Sums over the sources of every neuron, in float64 whatever the rows are.
#[derive(Debug)]
pub(super) struct Lengths {
    /// `sum_i C^2`
    cc: Aligned<f64>,
    /// `sum_i C zt`
    cz: Aligned<f64>,
    /// `zt` of the source that a neuron is itself.
    own: Aligned<f64>,
    /// `sum_i zt^2` over all sources.
    zz: f64,
}

impl Lengths {
    pub(super) fn new(room: &mut Room, stride: usize) -> Result<Self, Error> {
        Ok(Self {
            cc: room.zeros(1, stride)?,
            cz: room.zeros(1, stride)?,
            own: room.zeros(1, stride)?,
            zz: 0.0,
        })
    }

    /// A step's spikes, which have `grown` by as much, given what they summed up of `C` before its rows changed, and `X1`. `left`: what a source that
    /// waited for so many blocks has left of its `zt`.
    pub(super) fn follow<F: Float>(
        &mut self,
        visits: &[Visit<F>],
        left: &[F],
        grown: F,
        sum_c: &[F],
        x1: &[F],
    ) {
        if visits.is_empty() {
            return;
        }
        let (mut aa, mut az) = (0.0, 0.0);
        for visit in visits {
            let waited = (visit.age as usize).checked_sub(1);
            let left = waited.map_or(1.0, |age| left[age].to_f64());
            let (a, zt) = (visit.shift.to_f64(), left * visit.zt.to_f64());
            aa += a * a;
            az += a * zt;
            if visit.own < x1.len() {
                // What the sums over all sources are about to do for a neuron's own is undone: there is no synapse.
                let f = x1[visit.own].to_f64();
                self.cc[visit.own] -= f * f * a * a;
                self.cz[visit.own] += f * a * (zt + a);
                self.own[visit.own] += a;
            }
        }
        let grown = grown.to_f64();
        kernels::follow_lengths(grown, (aa, az), sum_c, x1, &mut self.cc, &mut self.cz);
        self.zz += 2.0 * az + aa;
    }

    /// A block's end, at which `k` is left of `C` and `a` of `zt`; `x = k X1`.
    pub(super) fn end_block<F: Float>(&mut self, k: F, a: F, x: &[F]) {
        let (k, a) = (k.to_f64(), a.to_f64());
        let Self { cc, cz, own, zz } = self;
        kernels::end_lengths((k, a, *zz), x, cc, cz, own);
        *zz *= a * a;
    }

    /// No traces at all. What has overflowed would stay where it is multiplied with 0.
    pub(super) fn clear(&mut self) {
        for sums in [&mut self.cc, &mut self.cz, &mut self.own] {
            sums.fill(0.0);
        }
        self.zz = 0.0;
    }

    fn squares(&self) -> Squares<'_> {
        Squares {
            cc: &self.cc,
            cz: &self.cz,
            own: &self.own,
            zz: self.zz,
        }
    }

    /// `sum_j (S_j^2 CC + 2 S_j T_j CZ + T_j^2 ZZ)`: the squared length of `S C + T zt`.
    pub(super) fn of<F: Float>(&self, s: &[F], t: &[F]) -> f64 {
        kernels::length_of_factors(s, t, self.squares())
    }

    /// `sum_j L_j^2 Q_j / kappa_e^2u`, after the step that adds `grow psi` to `X1`.
    pub(super) fn of_step<F: Float>(&self, grow: F, psi: &[F], l: &[F], x1: &[F]) -> f64 {
        kernels::length_of_step(grow, psi, l, x1, self.squares())
    }
}

impl Walked for Lengths {
    fn walk<'a>(&'a self, _: &'static str, _: Role, to: &mut dyn Walk<'a>) {
        self.cc.walk("cc", Role::State, to);
        self.cz.walk("cz", Role::State, to);
        self.own.walk("own", Role::State, to);
        self.zz.walk("zz", Role::State, to);
    }
    fn walk_mut(&mut self, _: &'static str, _: Role, to: &mut dyn WalkMut) -> Result<(), Error> {
        self.cc.walk_mut("cc", Role::State, to)?;
        self.cz.walk_mut("cz", Role::State, to)?;
        self.own.walk_mut("own", Role::State, to)?;
        self.zz.walk_mut("zz", Role::State, to)
    }
}

#[cfg(test)]
mod tests {
    use super::Lengths;
    use crate::numbers::walk;
    use crate::testing::made;

    #[test]
    fn what_has_overflowed_is_gone_after_a_reset() {
        let new = || made(|room| Lengths::new(room, 16));
        let mut lengths = new();
        lengths.cc[3] = f64::INFINITY;
        lengths.zz = f64::NAN;
        lengths.clear();
        assert!(walk::same(&lengths, &new()));
        assert_eq!(lengths.of(&[1.0_f32; 16], &[1.0; 16]), 0.0);
    }
}
