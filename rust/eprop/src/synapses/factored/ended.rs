//! The base blocks of the factored form: the powers of the decays within one, and what ended blocks do to rows that waited.

use alloc::vec::Vec;

use super::adaptive::{Adaptive, EndedAdaptive};
use crate::kernels::{self, AdaptiveSilence, Silence, SilenceMut, Silences};
use crate::numbers::aligned::Aligned;
use crate::numbers::room::Room;
use crate::numbers::walk::{first, parts};
use crate::{Error, Float};
use core::ops::Range;

/// So many blocks a source may wait; then it is made to catch up.
pub(crate) const PATIENCE: usize = 16;

/// `alpha^u`, `kappa_e^u` and their inverses within a base block.
#[derive(Debug)]
pub(crate) struct Powers<F> {
    pub(crate) alpha_down: Vec<F>,
    pub(crate) alpha_up: Vec<F>,
    pub(crate) kappa_down: Vec<F>,
    pub(crate) kappa_up: Vec<F>,
    pub(crate) alpha_block: F,
    pub(crate) kappa_block: F,
}

parts!(Powers {
    Scratch: [alpha_down, alpha_up, kappa_down, kappa_up],
});

impl<F: Float> Powers<F> {
    /// For blocks of so many steps, and the decays in float64.
    pub(crate) fn new(
        room: &mut Room,
        block: usize,
        alpha: f64,
        kappa_e: f64,
    ) -> Result<Self, Error> {
        let mut table = |decay: f64, sign: f64| {
            let mut table = room.vec(F::ONE, block)?;
            for (u, power) in table.iter_mut().enumerate() {
                *power = F::cast(libm::pow(decay, sign * u as f64));
            }
            Ok(table)
        };
        Ok(Self {
            alpha_down: table(alpha, 1.0)?,
            alpha_up: table(alpha, -1.0)?,
            kappa_down: table(kappa_e, 1.0)?,
            kappa_up: table(kappa_e, -1.0)?,
            alpha_block: F::cast(libm::pow(alpha, block as f64)),
            kappa_block: F::cast(libm::pow(kappa_e, block as f64)),
        })
    }

    /// Steps to a base block.
    pub(crate) fn len(&self) -> usize {
        self.alpha_down.len()
    }
}

/// What the last blocks do to whoever was silent in them: entry m is the last m + 1 of them, composed.
#[derive(Debug)]
pub(super) struct Ended<F> {
    stride: usize,
    /// How many sets of factors there are: `S` and `T` have the entries of one set after those of another, the rest is the same for all.
    sets: usize,
    pub(super) len: usize,
    pub(super) s: Aligned<F>,
    pub(super) t: Aligned<F>,
    pub(super) x: Aligned<F>,
    pub(super) k: Vec<F>,
    pub(super) a: Vec<F>,
    /// Where thresholds move.
    pub(super) adaptive: Option<EndedAdaptive<F>>,
}

// Only the entries in use.
parts!(Ended {
    Mark: [len],
    State: [
        s(Self::entries_of_sets),
        t(Self::entries_of_sets),
        x(|this: &Self| first(this.n_entries() * this.stride)),
        k(|this: &Self| first(this.n_entries())),
        a(|this: &Self| first(this.n_entries())),
        adaptive,
    ],
} then Self::loaded);

impl<F: Float> Ended<F> {
    /// `adapts`: whether thresholds move.
    pub(super) fn new(
        room: &mut Room,
        sets: usize,
        stride: usize,
        adapts: bool,
    ) -> Result<Self, Error> {
        let adaptive = match adapts {
            true => Some(EndedAdaptive::new(room, sets, stride)?),
            false => None,
        };
        Ok(Self {
            adaptive,
            stride,
            sets,
            len: 0,
            s: room.zeros(sets * PATIENCE, stride)?,
            t: room.zeros(sets * PATIENCE, stride)?,
            x: room.zeros(PATIENCE, stride)?,
            k: room.vec(F::ONE, PATIENCE)?,
            a: room.vec(F::ONE, PATIENCE)?,
        })
    }

    /// `len`, or what there is room for where bytes say more.
    fn n_entries(&self) -> usize {
        self.len.min(self.k.len())
    }

    fn entries_of_sets(&self) -> Vec<Range<usize>> {
        let used = self.n_entries() * self.stride;
        let starts = (0..self.sets).map(|set| set * PATIENCE * self.stride);
        starts.map(|start| start..start + used).collect()
    }

    fn loaded(&mut self) -> Result<(), Error> {
        let of_adaptive = self.adaptive.as_ref().map(|adaptive| adaptive.len);
        if self.len <= PATIENCE && of_adaptive.is_none_or(|len| len == self.len) {
            return Ok(());
        }
        Err(Error::State {
            reason: "more ended blocks than are kept".into(),
        })
    }

    /// Composes every entry with one more block, and begins an entry with it. `s` and `t` are rows of each set, one after the other.
    pub(super) fn push(
        &mut self,
        s: &[F],
        t: &[F],
        x: &[F],
        k: F,
        block_a: F,
        adaptive: Option<&Adaptive<F>>,
    ) {
        let stride = self.stride;
        self.len = PATIENCE.min(self.len + 1);
        for m in (1..self.len).rev() {
            let (x1, x2) = self.x.split_at_mut(m * stride);
            let x1 = &x1[(m - 1) * stride..];
            for set in 0..self.sets {
                let cut = (set * PATIENCE + m) * stride;
                let (s1, s2) = self.s.split_at_mut(cut);
                let (t1, t2) = self.t.split_at_mut(cut);
                let first = Silence {
                    s: &s1[cut - stride..],
                    t: &t1[cut - stride..],
                    x: x1,
                    k: self.k[m - 1],
                };
                let row = set * stride..(set + 1) * stride;
                let last = Silence {
                    s: &s[row.clone()],
                    t: &t[row],
                    x,
                    k,
                };
                let to = SilenceMut {
                    s: &mut s2[..stride],
                    t: &mut t2[..stride],
                    x: &mut x2[..stride],
                };
                match (&mut self.adaptive, adaptive) {
                    (Some(ended), Some(adaptive)) => {
                        let first = (first, self.a[m - 1]);
                        ended.compose((set, m), first, (last, adaptive), to);
                    }
                    // Each set would make the same of `x`.
                    _ if set > 0 => {
                        let to = SilenceMut { x: &mut [], ..to };
                        kernels::compose(first, self.a[m - 1], last, to);
                    }
                    _ => kernels::compose(first, self.a[m - 1], last, to),
                }
            }
            self.k[m] = self.k[m - 1] * k;
            self.a[m] = self.a[m - 1] * block_a;
        }
        for set in 0..self.sets {
            let (from, to) = (set * stride, set * PATIENCE * stride);
            self.s[to..to + stride].copy_from_slice(&s[from..from + stride]);
            self.t[to..to + stride].copy_from_slice(&t[from..from + stride]);
        }
        self.x[..stride].copy_from_slice(x);
        self.k[0] = k;
        self.a[0] = block_a;
        if let (Some(ended), Some(adaptive)) = (&mut self.adaptive, adaptive) {
            ended.begin(adaptive);
        }
    }

    /// Forgets them: no source waits for any.
    pub(super) fn clear(&mut self) {
        self.len = 0;
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.len = 0;
        }
    }

    /// As [`last`](Self::last), where thresholds move; `None` where they do not, and of no block.
    pub(super) fn last_adaptive(
        &self,
        set: usize,
        age: usize,
    ) -> Option<(AdaptiveSilence<'_, F>, F)> {
        let (ended, last) = (self.adaptive.as_ref()?, age.checked_sub(1)?);
        let ended = ended.of_set(self.of_set(set), set);
        Some((ended.of_age(age, self.stride), self.a[last]))
    }

    /// Multiplies what the blocks do to the weights of a set.
    pub(super) fn scale(&mut self, set: usize, p: F) {
        let used = set * PATIENCE * self.stride..(set * PATIENCE + self.n_entries()) * self.stride;
        for factors in [&mut self.s, &mut self.t] {
            kernels::scale_row(p, &mut factors[used.clone()]);
        }
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.scale(set, p);
        }
    }

    /// The last `age` blocks as one, to the sources of a set, and what they leave of `zt`.
    pub(super) fn last(&self, set: usize, age: usize) -> (Silence<'_, F>, F) {
        let Silences { s, t, x, k } = self.of_set(set);
        let row = (age - 1) * self.stride..age * self.stride;
        let silence = Silence {
            s: &s[row.clone()],
            t: &t[row.clone()],
            x: &x[row],
            k: k[age - 1],
        };
        (silence, self.a[age - 1])
    }

    /// All entries of a set.
    pub(super) fn of_set(&self, set: usize) -> Silences<'_, F> {
        let rows = set * PATIENCE * self.stride..(set + 1) * PATIENCE * self.stride;
        Silences {
            s: &self.s[rows.clone()],
            t: &self.t[rows],
            x: &self.x,
            k: &self.k,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::{Ended, PATIENCE, Powers};
    use crate::kernels;
    use crate::numbers::plain;
    use crate::numbers::walk;
    use crate::testing::{Noise, doubles, in_both, made, near, same_bits};

    const STRIDE: usize = 16;

    in_both! {
        fn powers_and_their_inverses_are_those_of_the_decays<F>() {
            let powers = made(|room| Powers::<F>::new(room, 5, 0.75, 0.5));
            assert_eq!(powers.len(), 5);
            let mut alpha = 1.0;
            let mut kappa = 1.0;
            for u in 0..5 {
                let got = [powers.alpha_down[u], powers.alpha_up[u], powers.kappa_down[u], powers.kappa_up[u]];
                near("powers", &got, &[alpha, 1.0 / alpha, kappa, 1.0 / kappa]);
                (alpha, kappa) = (0.75 * alpha, 0.5 * kappa);
            }
            near("at the end", &[powers.alpha_block, powers.kappa_block], &[alpha, kappa]);
        }
    }

    in_both! {
        fn no_filter_at_all_has_a_power_of_one_step<F>() {
            let powers = made(|room| Powers::<F>::new(room, 1, 0.75, 0.0));
            assert_eq!((powers.kappa_down[0], powers.kappa_up[0], powers.kappa_block), (F::ONE, F::ONE, F::ZERO));
        }
    }

    /// One block: its factors and its two decays.
    struct One<F> {
        s: Vec<F>,
        t: Vec<F>,
        x: Vec<F>,
        k: F,
        a: F,
    }

    impl<F: crate::Float> One<F> {
        fn new(noise: &mut Noise) -> Self {
            let [s, t] = [0; 2].map(|_| noise.numbers(2 * STRIDE));
            let x = noise.numbers(STRIDE);
            Self {
                s,
                t,
                x,
                k: F::cast(noise.signed()),
                a: F::cast(noise.signed()),
            }
        }

        fn end(&self, ended: &mut Ended<F>) {
            ended.push(&self.s, &self.t, &self.x, self.k, self.a, None);
        }
    }

    in_both! {
        fn the_last_blocks_composed_do_what_they_do_one_by_one<F>() {
            let mut noise = Noise(1);
            let blocks: Vec<_> = (0..2 * PATIENCE).map(|_| One::<F>::new(&mut noise)).collect();
            let mut ended = made(|room| Ended::<F>::new(room, 2, STRIDE, false));
            for n in 1..=blocks.len() {
                let last = &blocks[n - 1];
                last.end(&mut ended);
                assert_eq!(ended.len, n.min(PATIENCE));
                for (set, age) in (1..=ended.len).flat_map(|age| [(0, age), (1, age)]) {
                    let (before_a, before_c) = (noise.numbers::<F>(STRIDE), noise.numbers::<F>(STRIDE));
                    let zt = F::cast(noise.signed());
                    let (composed, left_of_zt) = ended.last(set, age);
                    let (mut a, mut c) = (before_a.clone(), before_c.clone());
                    kernels::catch_up(composed, zt, &mut a, &mut c);
                    let (mut a_is, mut c_is, mut zt_is) = (doubles(&before_a), doubles(&before_c), zt.to_f64());
                    for block in &blocks[n - age..n] {
                        for j in 0..STRIDE {
                            let at = set * STRIDE + j;
                            a_is[j] -= block.s[at].to_f64() * c_is[j] + block.t[at].to_f64() * zt_is;
                            c_is[j] = block.k.to_f64() * c_is[j] + block.x[j].to_f64() * zt_is;
                        }
                        zt_is *= block.a.to_f64();
                    }
                    near("A", &a, &a_is);
                    near("C", &c, &c_is);
                    near("zt", &[left_of_zt * zt], &[zt_is]);
                }
            }
        }
    }

    /// The table "Silence, B = 2" of DESIGN.md.
    #[test]
    fn the_example_by_hand_composes() {
        let block = |s: f64, t: f64, x: f64| One {
            s: vec![s; STRIDE],
            t: vec![t; STRIDE],
            x: vec![x; STRIDE],
            k: 0.25,
            a: 0.25,
        };
        let mut ended = made(|room| Ended::new(room, 1, STRIDE, false));
        for block in [
            block(3. / 8., 1. / 8., 1. / 4.),
            block(-1. / 8., -1. / 8., 1. / 2.),
        ] {
            block.end(&mut ended);
        }
        let (both, a) = ended.last(0, 2);
        let got = [both.s[0], both.t[0], both.x[0], both.k, a];
        assert_eq!(got, [11. / 32., 1. / 16., 3. / 16., 1. / 16., 1. / 16.]);
    }

    in_both! {
        fn only_entries_in_use_are_saved_and_more_than_there_are_is_refused<F>() {
            let mut noise = Noise(2);
            let new = || made(|room| Ended::<F>::new(room, 2, STRIDE, false));
            let mut ended = new();
            let of_none = plain::save(&ended).unwrap().len();
            for _ in 0..3 {
                let block = One::<F>::new(&mut noise);
                block.end(&mut ended);
            }
            let saved = plain::save(&ended).unwrap();
            assert_eq!(saved.len() - of_none, 3 * (5 * STRIDE + 2) * size_of::<F>());
            let mut twin = new();
            plain::load(&mut twin, &saved).unwrap();
            same_bits("S", &twin.s, &ended.s);
            assert!(walk::same(&twin, &ended));
            ended.len = PATIENCE + 1;
            assert!(ended.loaded().is_err());
            plain::save(&ended).unwrap();
        }
    }
}
