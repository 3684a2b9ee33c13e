//! A gradient that waits, in the factored form: where weights rest for a few steps, fewer than a base block has.
//!
//! `dE/dW = G + S C + T zt`, and `R D` where thresholds move, with factors of its own beside those of the weights and a row `G` per source, which is 0 but for sources
//! that fired since the last update: an update, too, costs a row for each of those, and not a pass over all synapses.

use alloc::vec::Vec;
use core::ops::Range;

use super::adaptive::Adaptive;
use crate::kernels::{self, FactorsMut, StepScales};
use crate::numbers::aligned::Aligned;
use crate::numbers::room::Room;
use crate::numbers::walk::{first, parts};
use crate::{Error, Float};

#[derive(Debug)]
pub(super) struct Pending<F> {
    pub(super) s: Aligned<F>,
    pub(super) t: Aligned<F>,
    /// `R`, where thresholds move.
    pub(super) r: Option<Aligned<F>>,
    /// `S X1 - T`; where thresholds move, `S f - T + R X2`.
    y: Aligned<F>,
    g: Aligned<F>,
    /// The sources whose row is not 0, in the order of their first spike: the first `n_touched`.
    touched: Vec<u32>,
    n_touched: usize,
    is_touched: Vec<bool>,
}

// Rows that are not 0 only.
parts!(Pending {
    Mark: [
        n_touched,
        touched(|this: &Self| first(this.n_touched.min(this.touched.len()))),
    ],
    State: [s, t, g(Self::touched_rows), r],
    Scratch: [y, is_touched],
} then Self::loaded);

impl<F: Float> Pending<F> {
    /// `adapts`: whether thresholds move.
    pub(super) fn new(
        room: &mut Room,
        sources: usize,
        stride: usize,
        adapts: bool,
    ) -> Result<Self, Error> {
        Ok(Self {
            r: match adapts {
                true => Some(room.zeros(1, stride)?),
                false => None,
            },
            s: room.zeros(1, stride)?,
            t: room.zeros(1, stride)?,
            y: room.zeros(1, stride)?,
            g: room.zeros(sources, stride)?,
            touched: room.vec(0, sources)?,
            n_touched: 0,
            is_touched: room.vec(false, sources)?,
        })
    }

    fn touched_rows(&self) -> Vec<Range<usize>> {
        let stride = self.s.len();
        let touched = &self.touched[..self.n_touched.min(self.touched.len())];
        let known = touched.iter().map(|&source| source as usize);
        known
            .filter(|&source| source < self.is_touched.len())
            .map(|source| source * stride..(source + 1) * stride)
            .collect()
    }

    fn loaded(&mut self) -> Result<(), Error> {
        let wrong = || Error::State {
            reason: "a pending gradient of sources that do not exist".into(),
        };
        let touched = self.touched.get(..self.n_touched).ok_or_else(wrong)?;
        for &source in touched {
            match self.is_touched.get_mut(source as usize) {
                Some(is_touched) if !*is_touched => *is_touched = true,
                _ => return Err(wrong()),
            }
        }
        Ok(())
    }

    /// `Y`, made anew from the other factors, given `X1`, by a step in which nothing happens.
    pub(super) fn respond(&mut self, x1: &mut [F], none: &[F], adaptive: Option<&mut Adaptive<F>>) {
        let nothing = StepScales::nothing();
        match adaptive {
            None => self.learn(nothing, x1, none, &[], &[]),
            Some(adaptive) => self.learn_adaptive(nothing, x1, &[], &[], adaptive),
        }
    }

    /// Whether anything has been learned since the last update.
    pub(super) fn is_empty(&self) -> bool {
        let nothing = |row: &[F]| row.iter().all(|&x| x == F::ZERO);
        let no_r = self.r.as_deref().is_none_or(nothing);
        self.n_touched == 0 && nothing(&self.s) && nothing(&self.t) && no_r
    }

    /// Whether no factor is beyond `limit`, so that no row can be far beyond it.
    pub(super) fn within(&self, limit: F) -> bool {
        [&self.s, &self.t, &self.y]
            .into_iter()
            .chain(&self.r)
            .all(|row| kernels::all_within(limit, row))
    }

    /// A spike: `G += a Y`. `own` is the column of the neuron that the source is.
    pub(super) fn follow(&mut self, source: usize, shift: F, own: Option<usize>) {
        let row = self.row_mut(source);
        let (y, g) = (&self.y, &mut self.g[row.clone()]);
        kernels::add_row(shift, y, g);
        if let Some(own) = own {
            g[own] = F::ZERO;
        }
    }

    /// The row of a source, which is not 0 from now on.
    fn row_mut(&mut self, source: usize) -> core::ops::Range<usize> {
        if !self.is_touched[source] {
            self.is_touched[source] = true;
            self.touched[self.n_touched] = source as u32;
            self.n_touched += 1;
        }
        source * self.s.len()..(source + 1) * self.s.len()
    }

    /// The step of the factors, given `X1` as it is now: `dS = kappa_e^u L` and so on, without a learning rate.
    pub(super) fn learn(
        &mut self,
        scales: StepScales<F>,
        x1: &mut [F],
        psi: &[F],
        l: &[F],
        r: &[F],
    ) {
        let factors = FactorsMut {
            s: &mut self.s,
            t: &mut self.t,
            y: &mut self.y,
        };
        kernels::step_factors([scales], psi, l, r, x1, [factors]);
    }

    /// As [`learn`](Self::learn), where thresholds move, given the responses as they are now.
    pub(super) fn learn_adaptive(
        &mut self,
        scales: StepScales<F>,
        x1: &[F],
        l: &[F],
        of_raw: &[F],
        adaptive: &mut Adaptive<F>,
    ) {
        let Self { s, t, y, r, .. } = self;
        if let Some(r) = r {
            adaptive.step_factors(scales, [l, of_raw], x1, [s, t, r, y]);
        }
    }

    /// Folds a source's part of the factors into its row: `G += S C + T zt`, and `R D` where there is a row `D`.
    pub(super) fn fold(&mut self, source: usize, c: &[F], zt: F, own: Option<usize>, d: &[F]) {
        let row = self.row_mut(source);
        let g = &mut self.g[row];
        kernels::add_products(&self.s, c, g);
        kernels::add_row(zt, &self.t, g);
        if let Some(r) = &self.r {
            kernels::add_products(r, d, g);
        }
        if let Some(own) = own {
            g[own] = F::ZERO;
        }
    }

    /// The sources whose row is not 0.
    pub(super) fn sources(&self) -> impl Iterator<Item = usize> {
        let touched = &self.touched[..self.n_touched];
        touched.iter().map(|&source| source as usize)
    }

    /// By how much the row of a source makes the squared length of the gradient more than that of `S C + T zt`, and `R D`.
    pub(super) fn beyond_factors(&self, source: usize, c: &[F], zt: F, d: &[F]) -> f64 {
        let g = &self.g[source * self.s.len()..][..self.s.len()];
        let of_d = self
            .r
            .as_ref()
            .map_or(0.0, |r| kernels::dot_products(g, r, d));
        kernels::length_beyond(g, c, zt, &self.s, &self.t) + 2.0 * of_d
    }

    /// The factors are in the rows, or in those of the weights.
    pub(super) fn clear_factors(&mut self) {
        let rows = [&mut self.s, &mut self.t, &mut self.y];
        rows.into_iter()
            .chain(&mut self.r)
            .for_each(|row| row.fill(F::ZERO));
    }

    /// Takes a step down every row that is not 0, and leaves nothing.
    pub(super) fn descend(&mut self, lr: impl Fn(usize) -> F, a: &mut [F]) {
        let stride = self.s.len();
        for &source in &self.touched[..self.n_touched] {
            self.is_touched[source as usize] = false;
            let row = source as usize * stride..(source as usize + 1) * stride;
            let g = &mut self.g[row.clone()];
            kernels::add_row(-lr(source as usize), g, &mut a[row]);
            g.fill(F::ZERO);
        }
        self.n_touched = 0;
    }

    /// Hands over every row that is not 0, each with its source, and leaves nothing.
    pub(super) fn hand_over(&mut self, mut to: impl FnMut(usize, &[F])) {
        let stride = self.s.len();
        for &source in &self.touched[..self.n_touched] {
            self.is_touched[source as usize] = false;
            let g = &mut self.g[source as usize * stride..(source as usize + 1) * stride];
            to(source as usize, g);
            g.fill(F::ZERO);
        }
        self.n_touched = 0;
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        let stride = self.s.len();
        for &source in &self.touched[..self.n_touched] {
            self.is_touched[source as usize] = false;
            self.g[source as usize * stride..(source as usize + 1) * stride].fill(F::ZERO);
        }
        self.n_touched = 0;
        self.clear_factors();
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::{Pending, StepScales};
    use crate::Float;
    use crate::numbers::plain;
    use crate::numbers::walk;
    use crate::testing::{Noise, in_both, made, near};

    const SOURCES: usize = 4;
    const STRIDE: usize = 16;

    fn pending<F: Float>() -> Pending<F> {
        made(|room| Pending::new(room, SOURCES, STRIDE, false))
    }

    fn scales<F: Float>() -> StepScales<F> {
        StepScales {
            alpha: F::cast(0.75),
            grow: F::cast(1.25),
            learn: F::cast(0.5),
            eta: F::ONE,
        }
    }

    /// What one number of a row stands for, `G + S C + T zt`.
    fn gradient<F: Float>(pending: &Pending<F>, source: usize, c: &[F], zt: F) -> Vec<f64> {
        let g = &pending.g[source * STRIDE..][..STRIDE];
        let of = |j: usize| {
            g[j].to_f64()
                + pending.s[j].to_f64() * c[j].to_f64()
                + pending.t[j].to_f64() * zt.to_f64()
        };
        (0..STRIDE).map(of).collect()
    }

    /// A gradient of some steps, and `X1` at its end.
    fn learned<F: Float>(noise: &mut Noise) -> (Pending<F>, Vec<F>) {
        let (mut pending, mut x1) = (pending::<F>(), noise.numbers::<F>(STRIDE));
        for _ in 0..3 {
            let [psi, l, r] = [0; 3].map(|_| noise.numbers::<F>(STRIDE));
            pending.learn(scales(), &mut x1, &psi, &l, &r);
        }
        (pending, x1)
    }

    in_both! {
        fn a_step_adds_what_signal_and_regulariser_make_of_every_trace<F>() {
            let mut noise = Noise(1);
            let (c, zt) = (noise.numbers::<F>(STRIDE), F::cast(noise.signed()));
            let (mut pending, mut x1) = (pending::<F>(), noise.numbers::<F>(STRIDE));
            let mut expected = vec![0.0; STRIDE];
            for _ in 0..4 {
                let [psi, l, r] = [0; 3].map(|_| noise.numbers::<F>(STRIDE));
                pending.learn(scales(), &mut x1, &psi, &l, &r);
                for j in 0..STRIDE {
                    // e_bar, of which `learn` holds the decay, and the raw trace.
                    let e_bar = c[j].to_f64() + x1[j].to_f64() * zt.to_f64();
                    let e = psi[j].to_f64() * 0.75 * zt.to_f64();
                    expected[j] += l[j].to_f64() * 0.5 * e_bar + r[j].to_f64() * e;
                }
            }
            near("gradient", &gradient(&pending, 2, &c, zt).iter().map(|&g| F::cast(g)).collect::<Vec<_>>(), &expected);
            assert!(!pending.is_empty());
        }
    }

    in_both! {
        fn a_spike_leaves_the_gradient_what_it_was<F>() {
            let mut noise = Noise(2);
            let (mut pending, x1) = learned::<F>(&mut noise);
            let (mut c, zt, shift) = (noise.numbers::<F>(STRIDE), F::cast(noise.signed()), F::cast(1.5));
            let before = gradient(&pending, 1, &c, zt);
            pending.follow(1, shift, None);
            c.iter_mut().zip(&x1).for_each(|(c, &x1)| *c -= shift * x1);
            let after = gradient(&pending, 1, &c, zt + shift);
            near("gradient", &after.iter().map(|&g| F::cast(g)).collect::<Vec<_>>(), &before);
        }
    }

    in_both! {
        fn folded_rows_hold_the_gradient_without_factors<F>() {
            let mut noise = Noise(3);
            let (mut pending, _) = learned::<F>(&mut noise);
            let (c, zt) = (noise.numbers::<F>(STRIDE), F::cast(noise.signed()));
            let mut expected = gradient(&pending, 3, &c, zt);
            pending.fold(3, &c, zt, Some(5), &[]);
            pending.clear_factors();
            // A neuron has no synapse to itself.
            expected[5] = 0.0;
            let g = gradient(&pending, 3, &c, zt);
            near("gradient", &g.iter().map(|&g| F::cast(g)).collect::<Vec<_>>(), &expected);
            near("row", &pending.g[3 * STRIDE..], &expected);
        }
    }

    in_both! {
        fn a_step_is_taken_down_rows_that_are_not_zero_and_leaves_none<F>() {
            let mut noise = Noise(4);
            let (mut pending, _) = learned::<F>(&mut noise);
            pending.follow(2, F::ONE, Some(7));
            pending.follow(0, F::ONE, None);
            pending.follow(2, F::ONE, Some(7));
            assert_eq!(pending.touched[..pending.n_touched], [2, 0]);
            let g: Vec<_> = pending.g.iter().map(|g| g.to_f64()).collect();
            assert!(g[2 * STRIDE + 7] == 0.0 && g[2 * STRIDE + 6] != 0.0);
            let mut a = vec![F::ONE; SOURCES * STRIDE];
            pending.clear_factors();
            pending.descend(|_| F::cast(0.25), &mut a);
            near("A", &a, &g.iter().map(|g| 1.0 - 0.25 * g).collect::<Vec<_>>());
            assert!(pending.is_empty() && pending.g.iter().all(|&g| g == F::ZERO));
            // Rows are listed anew.
            pending.follow(0, F::ONE, None);
            assert_eq!(pending.touched[..pending.n_touched], [0]);
        }
    }

    in_both! {
        fn what_is_dropped_leaves_nothing<F>() {
            let mut noise = Noise(5);
            let (mut pending, _) = learned::<F>(&mut noise);
            pending.follow(2, F::ONE, None);
            pending.clear();
            assert!(pending.is_empty() && walk::same(&pending, &self::pending::<F>()));
            assert!(pending.g.iter().all(|&g| g == F::ZERO));
        }
    }

    in_both! {
        fn a_factor_beyond_the_limit_is_told<F>() {
            let limit = F::cast(1e3);
            let (mut pending, _) = learned::<F>(&mut Noise(6));
            assert!(pending.within(limit));
            pending.t[3] = F::cast(-1e4);
            assert!(!pending.within(limit));
        }
    }

    in_both! {
        fn only_rows_that_are_not_zero_are_saved_and_wrong_ones_are_refused<F>() {
            let mut noise = Noise(7);
            let (mut pending, mut x1) = learned::<F>(&mut noise);
            let of_none = plain::save(&pending).unwrap().len();
            pending.follow(3, F::ONE, None);
            pending.follow(1, F::ONE, None);
            let saved = plain::save(&pending).unwrap();
            // Two rows with their numbers; of the second also its length.
            assert_eq!(saved.len() - of_none, 2 * STRIDE * size_of::<F>() + 2 * 4 + 8);
            let mut twin = self::pending::<F>();
            plain::load(&mut twin, &saved).unwrap();
            twin.respond(&mut x1, &[F::ZERO; STRIDE], None);
            assert!(walk::same(&twin, &pending));
            near("Y", &twin.y, &pending.y.iter().map(|y| y.to_f64()).collect::<Vec<_>>());
            // `touched` follows its count and its length.
            let of_touched = 16 + 8;
            for (first, second) in [(3, 3), (4, 1), (u32::MAX, 1)] {
                let mut wrong = saved.clone();
                wrong[of_touched..][..4].copy_from_slice(&u32::to_le_bytes(first));
                wrong[of_touched + 4..][..4].copy_from_slice(&u32::to_le_bytes(second));
                assert!(plain::load(&mut self::pending::<F>(), &wrong).is_err(), "{first}, {second}");
            }
            let mut wrong = saved;
            wrong[8] = 5;
            assert!(plain::load(&mut self::pending::<F>(), &wrong).is_err());
        }
    }
}
