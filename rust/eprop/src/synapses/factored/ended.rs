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
