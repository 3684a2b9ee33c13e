//! What can be read of the factored form without moving it: `W` and `e_bar` of a source as they are now, and what an evaluation sends through the weights.
//!
//! A source catches up in copies, with the operations of a catch-up: so what is read is what will be there, to the bit.

use core::ops::Range;

use super::adaptive::{Adaptive, AdaptiveReading};
use super::ended::PATIENCE;
use super::momentum::Momentum;
use super::{Factored, NEVER};
use crate::kernels::{self, AdaptiveSilence, Drift, DriftMut, Silence, SilenceMut};
use crate::numbers::aligned::Aligned;
use crate::numbers::room::Room;
use crate::parts::sources::Sources;
use crate::synapses::Present;
use crate::{Error, Float};

/// The rows in which a source is read.
pub(super) struct Reading<F> {
    pub(super) w: Aligned<F>,
    pub(super) e_bar: Aligned<F>,
    s: Aligned<F>,
    t: Aligned<F>,
    x: Aligned<F>,
    /// Of momentum: a row of `K`, and the factors `U` and `V`; empty without.
    k: Aligned<F>,
    u: Aligned<F>,
    v: Aligned<F>,
    adaptive: Option<AdaptiveReading<F>>,
}

impl<F: Float> Factored<F> {
    /// `W` and `e_bar` of a source, into the rows of a reading.
    pub(super) fn read_source(&self, source: usize, to: &mut Reading<F>) {
        let row = source * self.stride()..(source + 1) * self.stride();
        to.w.copy_from_slice(&self.a[row.clone()]);
        to.e_bar.copy_from_slice(&self.c[row.clone()]);
        if self.seen[source] != NEVER {
            match (&self.adaptive, &self.momentum) {
                (Some(adaptive), _) => self.catch_up_adaptive(adaptive, source, row, to),
                (None, Some(momentum)) => self.catch_up_drift(momentum, source, row, to),
                (None, None) => self.catch_up_copy(source, to),
            }
        }
        let Reading { w, e_bar, .. } = to;
        self.scale(self.set_of(source)).apply(w);
        kernels::scale_row(self.powers.kappa_down[self.u()], e_bar);
        if let Some(j) = self.own(source) {
            w[j] = F::ZERO;
            e_bar[j] = F::ZERO;
        }
    }

    /// `z_bar` of a source in neuron `j`.
    pub(super) fn z_bar_in(&self, j: usize, source: usize) -> F {
        let (set, age, zt) = (self.set_of(source), self.age(source), self.zt[source]);
        let down = self.powers.alpha_down[self.u()];
        let Some(adaptive) = &self.adaptive else {
            let waited = match age {
                0 => F::ONE,
                age => self.ended.last(set, age).1,
            };
            return down * (waited * zt);
        };
        let d = adaptive.d[source * self.stride() + j];
        match self.ended.last_adaptive(set, age) {
            None => adaptive.z_bar(j, down, zt, d),
            Some((AdaptiveSilence { w, p, .. }, alpha)) => {
                adaptive.z_bar(j, down, alpha * zt, p[j] * d + w[j] * zt)
            }
        }
    }

    /// Blocks that a source has waited for, and the one under way, as one: like the catch-up that a reset or a prediction would lead to.
    fn catch_up_copy(&self, source: usize, to: &mut Reading<F>) {
        let Reading {
            w, e_bar, s, t, x, ..
        } = to;
        let set = self.set_of(source);
        let (age, now, zt) = (self.age(source), self.now(set), self.zt[source]);
        if age == 0 {
            kernels::catch_up(now, zt, w, e_bar);
            return;
        }
        let (waited, alpha) = self.ended.last(set, age);
        let k = waited.k * now.k;
        kernels::compose(waited, alpha, now, SilenceMut { s, t, x });
        kernels::catch_up(Silence { s, t, x, k }, zt, w, e_bar);
    }

    /// The same where there are rows `D`.
    fn catch_up_adaptive(
        &self,
        adaptive: &Adaptive<F>,
        source: usize,
        row: Range<usize>,
        to: &mut Reading<F>,
    ) {
        let Reading {
            w,
            e_bar,
            s,
            t,
            x,
            adaptive: Some(reading),
            ..
        } = to
        else {
            return;
        };
        reading.d.copy_from_slice(&adaptive.d[row]);
        let set = self.set_of(source);
        let (age, zt) = (self.age(source), self.zt[source]);
        let now = adaptive.now(self.now(set), self.row(set));
        let rows = [&mut w[..], &mut e_bar[..]];
        match self.ended.last_adaptive(set, age) {
            None => reading.catch_up_with(now, zt, rows),
            Some(waited) => {
                let k = waited.0.plain.k * now.plain.k;
                reading.compose(waited, now, SilenceMut { s, t, x }, 0);
                reading.catch_up(Silence { s, t, x, k }, 0, zt, rows);
            }
        }
    }

    /// The same where steps have momentum.
    fn catch_up_drift(
        &self,
        momentum: &Momentum<F>,
        source: usize,
        row: Range<usize>,
        to: &mut Reading<F>,
    ) {
        let Reading {
            w,
            e_bar,
            s,
            t,
            x,
            k,
            u,
            v,
            ..
        } = to;
        k.copy_from_slice(&momentum.k[row]);
        let set = self.set_of(source);
        let (age, now, zt) = (self.age(source), self.now(set), self.zt[source]);
        let of_now = momentum.now(set, now);
        if age == 0 {
            kernels::catch_up_drift(of_now, zt, w, k, e_bar);
            return;
        }
        let (waited, alpha) = self.ended.last(set, age);
        let left = waited.k * now.k;
        let waited = momentum.last(set, age, waited);
        let silence = SilenceMut { s, t, x };
        let to = DriftMut { silence, u, v };
        kernels::compose_drifts(waited, alpha, of_now, to);
        let drift = Drift {
            silence: Silence { s, t, x, k: left },
            u,
            v,
            blend: momentum.blend_until_now(set, age),
        };
        kernels::catch_up_drift(drift, zt, w, k, e_bar);
    }

    pub(super) fn reading(&self) -> Result<Reading<F>, Error> {
        let stride = self.stride();
        let of_momentum = usize::from(self.momentum.is_some());
        Room::build(
            || "reading the synapses".into(),
            |room| {
                Ok(Reading {
                    w: room.zeros(1, stride)?,
                    e_bar: room.zeros(1, stride)?,
                    s: room.zeros(1, stride)?,
                    t: room.zeros(1, stride)?,
                    x: room.zeros(1, stride)?,
                    k: room.zeros(of_momentum, stride)?,
                    u: room.zeros(of_momentum, stride)?,
                    v: room.zeros(of_momentum, stride)?,
                    adaptive: match self.adaptive {
                        Some(_) => Some(AdaptiveReading::new(room, 1, stride)?),
                        None => None,
                    },
                })
            },
        )
    }

    /// As [`Synapses::present`](crate::synapses::Synapses::present).
    pub(super) fn present_rows(&self) -> Result<Present<F>, Error> {
        let stride = self.stride();
        let of_momentum = usize::from(self.momentum.is_some());
        let mut present = Room::build(
            || "an evaluation".into(),
            |room| {
                Ok(Present {
                    sum: room.zeros(1, stride)?,
                    w: room.zeros(1, stride)?,
                    c: room.zeros(1, stride)?,
                    s: room.zeros(self.sets * (PATIENCE + 1), stride)?,
                    t: room.zeros(self.sets * (PATIENCE + 1), stride)?,
                    x: room.zeros(1, stride)?,
                    k: room.zeros(of_momentum, stride)?,
                    u: room.zeros(of_momentum, stride)?,
                    v: room.zeros(of_momentum, stride)?,
                    adaptive: match self.adaptive {
                        Some(_) => {
                            let n_r = self.sets * (PATIENCE + 1);
                            Some(AdaptiveReading::new(room, n_r, stride)?)
                        }
                        None => None,
                    },
                })
            },
        )?;
        let Present {
            s,
            t,
            x,
            u,
            v,
            adaptive,
            ..
        } = &mut present;
        for set in 0..self.sets {
            let now = self.now(set);
            let of_age = |age| present_row(set, age, stride);
            s[of_age(0)].copy_from_slice(now.s);
            t[of_age(0)].copy_from_slice(now.t);
            let mut of_adaptive = adaptive.as_mut().zip(self.adaptive.as_ref());
            if let Some((reading, adaptive)) = &mut of_adaptive {
                let r = adaptive.now(now, self.row(set)).r;
                reading.r[of_age(0)].copy_from_slice(r);
            }
            for age in 1..=self.ended.len {
                let (waited, alpha) = self.ended.last(set, age);
                let to = SilenceMut {
                    s: &mut s[of_age(age)],
                    t: &mut t[of_age(age)],
                    x,
                };
                match (&mut of_adaptive, self.ended.last_adaptive(set, age)) {
                    (Some((reading, adaptive)), Some(waited)) => {
                        let now = adaptive.now(now, self.row(set));
                        reading.compose(waited, now, to, set * (PATIENCE + 1) + age);
                    }
                    _ => match &self.momentum {
                        None => kernels::compose(waited, alpha, now, to),
                        Some(momentum) => {
                            let waited = momentum.last(set, age, waited);
                            let to = DriftMut { silence: to, u, v };
                            kernels::compose_drifts(waited, alpha, momentum.now(set, now), to);
                        }
                    },
                }
            }
        }
        Ok(present)
    }

    /// As [`Synapses::send`](crate::synapses::Synapses::send).
    pub(super) fn send_present(
        &self,
        sources: &Sources<'_, F>,
        present: &mut Present<F>,
        current: &mut [F],
    ) {
        let stride = self.stride();
        let Present {
            sum,
            w,
            c,
            s,
            t,
            k,
            adaptive,
            ..
        } = present;
        current.fill(F::ZERO);
        sum.fill(F::ZERO);
        let mut set = 0;
        for (source, value) in sources.all() {
            let source = source as usize;
            if self.set_of(source) != set {
                // Each set has a sum of its own, as in a step.
                kernels::add_row(self.scale(set).of(), sum, current);
                sum.fill(F::ZERO);
                set = self.set_of(source);
            }
            let row = source * stride..(source + 1) * stride;
            w.copy_from_slice(&self.a[row.clone()]);
            if self.seen[source] != NEVER {
                c.copy_from_slice(&self.c[row.clone()]);
                let age = self.age(source);
                let of_age = present_row(set, age, stride);
                let (s, t, x) = (&s[of_age.clone()], &t[of_age], &self.none);
                let (silence, zt) = (Silence { s, t, x, k: F::ONE }, self.zt[source]);
                match (&mut *adaptive, &self.adaptive, &self.momentum) {
                    (Some(reading), Some(adaptive), _) => {
                        reading.d.copy_from_slice(&adaptive.d[row]);
                        reading.catch_up(silence, set * (PATIENCE + 1) + age, zt, [w, c]);
                    }
                    (_, _, Some(momentum)) => {
                        k.copy_from_slice(&momentum.k[row]);
                        let drift = Drift {
                            silence,
                            u: &self.none,
                            v: &self.none,
                            blend: momentum.blend_until_now(set, age),
                        };
                        kernels::catch_up_drift(drift, zt, w, k, c);
                    }
                    _ => _ = kernels::catch_up(silence, zt, w, c),
                }
            }
            if let Some(own) = self.own(source) {
                w[own] = F::ZERO;
            }
            kernels::add_row(value, w, sum);
        }
        kernels::add_row(self.scale(set).of(), sum, current);
    }
}

/// Of a set, the row of what blocks do to sources that have waited for so many.
fn present_row(set: usize, age: usize, stride: usize) -> Range<usize> {
    let at = set * (PATIENCE + 1) + age;
    at * stride..(at + 1) * stride
}
