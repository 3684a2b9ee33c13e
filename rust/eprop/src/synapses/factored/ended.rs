//! The base blocks of the factored form: the powers of the decays within one, and what ended blocks do to rows that waited.

use alloc::vec::Vec;

use crate::kernels::{self, Silence, SilenceMut};
use crate::numbers::aligned::Aligned;
use crate::numbers::room::Room;
use crate::numbers::walk::{first, parts};
use crate::{Error, Float};

/// So many blocks a source may wait; then it is made to catch up.
pub(super) const PATIENCE: usize = 16;

/// `alpha^u`, `kappa_e^u` and their inverses within a base block.
#[derive(Debug)]
pub(crate) struct Powers<F> {
    pub(super) alpha_down: Vec<F>,
    pub(super) alpha_up: Vec<F>,
    pub(super) kappa_down: Vec<F>,
    pub(super) kappa_up: Vec<F>,
    pub(super) alpha_block: F,
    pub(super) kappa_block: F,
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
    pub(super) len: usize,
    pub(super) s: Aligned<F>,
    pub(super) t: Aligned<F>,
    pub(super) x: Aligned<F>,
    pub(super) k: Vec<F>,
    pub(super) a: Vec<F>,
}

// Only the entries in use.
parts!(Ended {
    Mark: [len],
    State: [
        s(|this: &Self| first(this.n_entries() * this.stride)),
        t(|this: &Self| first(this.n_entries() * this.stride)),
        x(|this: &Self| first(this.n_entries() * this.stride)),
        k(|this: &Self| first(this.n_entries())),
        a(|this: &Self| first(this.n_entries())),
    ],
} then Self::loaded);

impl<F: Float> Ended<F> {
    pub(super) fn new(room: &mut Room, stride: usize) -> Result<Self, Error> {
        Ok(Self {
            stride,
            len: 0,
            s: room.zeros(PATIENCE, stride)?,
            t: room.zeros(PATIENCE, stride)?,
            x: room.zeros(PATIENCE, stride)?,
            k: room.vec(F::ONE, PATIENCE)?,
            a: room.vec(F::ONE, PATIENCE)?,
        })
    }

    /// `len`, or what there is room for where bytes say more.
    fn n_entries(&self) -> usize {
        self.len.min(self.k.len())
    }

    fn loaded(&mut self) -> Result<(), Error> {
        if self.len <= PATIENCE {
            return Ok(());
        }
        Err(Error::State {
            reason: "more ended blocks than are kept".into(),
        })
    }

    /// Composes every entry with one more block, and begins an entry with it.
    pub(super) fn push(&mut self, block: Silence<'_, F>, block_a: F) {
        let stride = self.stride;
        self.len = PATIENCE.min(self.len + 1);
        for m in (1..self.len).rev() {
            let cut = m * stride;
            let (s1, s) = self.s.split_at_mut(cut);
            let (t1, t) = self.t.split_at_mut(cut);
            let (x1, x) = self.x.split_at_mut(cut);
            let from = cut - stride;
            let first = Silence {
                s: &s1[from..],
                t: &t1[from..],
                x: &x1[from..],
                k: self.k[m - 1],
            };
            let to = SilenceMut {
                s: &mut s[..stride],
                t: &mut t[..stride],
                x: &mut x[..stride],
            };
            kernels::compose(first, self.a[m - 1], block, to);
            self.k[m] = self.k[m - 1] * block.k;
            self.a[m] = self.a[m - 1] * block_a;
        }
        self.s[..stride].copy_from_slice(block.s);
        self.t[..stride].copy_from_slice(block.t);
        self.x[..stride].copy_from_slice(block.x);
        self.k[0] = block.k;
        self.a[0] = block_a;
    }

    /// The last `age` blocks as one, and what they leave of `zt`.
    pub(super) fn last(&self, age: usize) -> (Silence<'_, F>, F) {
        (self.silence(age - 1), self.a[age - 1])
    }

    fn silence(&self, m: usize) -> Silence<'_, F> {
        let row = m * self.stride..(m + 1) * self.stride;
        Silence {
            s: &self.s[row.clone()],
            t: &self.t[row.clone()],
            x: &self.x[row],
            k: self.k[m],
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::{Ended, PATIENCE, Powers, Silence};
    use crate::kernels;
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
            let [s, t, x] = [0; 3].map(|_| noise.numbers(STRIDE));
            Self {
                s,
                t,
                x,
                k: F::cast(noise.signed()),
                a: F::cast(noise.signed()),
            }
        }

        fn silence(&self) -> Silence<'_, F> {
            Silence {
                s: &self.s,
                t: &self.t,
                x: &self.x,
                k: self.k,
            }
        }
    }

    in_both! {
        fn the_last_blocks_composed_do_what_they_do_one_by_one<F>() {
            let mut noise = Noise(1);
            let blocks: Vec<_> = (0..2 * PATIENCE).map(|_| One::<F>::new(&mut noise)).collect();
            let mut ended = made(|room| Ended::<F>::new(room, STRIDE));
            for n in 1..=blocks.len() {
                let last = &blocks[n - 1];
                ended.push(last.silence(), last.a);
                assert_eq!(ended.len, n.min(PATIENCE));
                for age in 1..=ended.len {
                    let (before_a, before_c) = (noise.numbers::<F>(STRIDE), noise.numbers::<F>(STRIDE));
                    let zt = F::cast(noise.signed());
                    let (composed, left_of_zt) = ended.last(age);
                    let (mut a, mut c) = (before_a.clone(), before_c.clone());
                    kernels::catch_up(composed, zt, &mut a, &mut c);
                    let (mut a_is, mut c_is, mut zt_is) = (doubles(&before_a), doubles(&before_c), zt.to_f64());
                    for block in &blocks[n - age..n] {
                        for j in 0..STRIDE {
                            a_is[j] -= block.s[j].to_f64() * c_is[j] + block.t[j].to_f64() * zt_is;
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
        let mut ended = made(|room| Ended::new(room, STRIDE));
        for block in [
            block(3. / 8., 1. / 8., 1. / 4.),
            block(-1. / 8., -1. / 8., 1. / 2.),
        ] {
            ended.push(block.silence(), block.a);
        }
        let (both, a) = ended.last(2);
        let got = [both.s[0], both.t[0], both.x[0], both.k, a];
        assert_eq!(got, [11. / 32., 1. / 16., 3. / 16., 1. / 16., 1. / 16.]);
    }

    in_both! {
        fn only_entries_in_use_are_saved_and_more_than_there_are_is_refused<F>() {
            let mut noise = Noise(2);
            let new = || made(|room| Ended::<F>::new(room, STRIDE));
            let mut ended = new();
            let of_none = walk::save(&ended).unwrap().len();
            for _ in 0..3 {
                let block = One::<F>::new(&mut noise);
                ended.push(block.silence(), block.a);
            }
            let saved = walk::save(&ended).unwrap();
            assert_eq!(saved.len() - of_none, 3 * (3 * STRIDE + 2) * size_of::<F>());
            let mut twin = new();
            walk::load(&mut twin, &saved).unwrap();
            same_bits("S", &twin.s, &ended.s);
            assert!(walk::same(&twin, &ended));
            ended.len = PATIENCE + 1;
            assert!(ended.loaded().is_err());
            walk::save(&ended).unwrap();
        }
    }
}
