//! The base blocks of the factored form: the powers of the decays within one, and what those that ended do to rows that waited.

use alloc::vec;
use alloc::vec::Vec;

use crate::aligned::Aligned;
use crate::kernels::{self, Silence, SilenceMut};
use crate::persist::Persist;
use crate::{Error, Float};

/// So many blocks a source may wait; then it is made to catch up.
pub(super) const PATIENCE: usize = 16;

/// `alpha^u`, `kappa_e^u` and their inverses within a base block.
#[derive(Clone, Debug)]
pub(crate) struct Powers<F> {
    pub(super) alpha_down: Vec<F>,
    pub(super) alpha_up: Vec<F>,
    pub(super) kappa_down: Vec<F>,
    pub(super) kappa_up: Vec<F>,
    pub(super) alpha_block: F,
    pub(super) kappa_block: F,
}

impl<F: Float> Powers<F> {
    /// For blocks of so many steps, and the decays in float64.
    pub(crate) fn new(block: usize, alpha: f64, kappa_e: f64) -> Self {
        let table = |decay: f64, sign: f64| {
            (0..block)
                .map(|u| F::cast(libm::pow(decay, sign * u as f64)))
                .collect()
        };
        Self {
            alpha_down: table(alpha, 1.0),
            alpha_up: table(alpha, -1.0),
            kappa_down: table(kappa_e, 1.0),
            kappa_up: table(kappa_e, -1.0),
            alpha_block: F::cast(libm::pow(alpha, block as f64)),
            kappa_block: F::cast(libm::pow(kappa_e, block as f64)),
        }
    }

    /// Steps to a base block.
    pub(crate) fn len(&self) -> usize {
        self.alpha_down.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.alpha_down.bytes()
            + self.alpha_up.bytes()
            + self.kappa_down.bytes()
            + self.kappa_up.bytes()
    }
}

/// What the last blocks do to whoever was silent in them: entry m is the last m + 1 of them, composed.
#[derive(Clone, Debug)]
pub(super) struct Past<F> {
    stride: usize,
    pub(super) len: usize,
    pub(super) s: Aligned<F>,
    pub(super) t: Aligned<F>,
    pub(super) x: Aligned<F>,
    pub(super) k: Vec<F>,
    pub(super) a: Vec<F>,
}

impl<F: Float> Past<F> {
    pub(super) fn new(stride: usize) -> Self {
        let rows = || Aligned::zeros(PATIENCE * stride);
        Self {
            stride,
            len: 0,
            s: rows(),
            t: rows(),
            x: rows(),
            k: vec![F::ONE; PATIENCE],
            a: vec![F::ONE; PATIENCE],
        }
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

/// Only the entries in use.
impl<F: Float> Persist for Past<F> {
    fn save(&self, out: &mut Vec<u8>) {
        (self.len as u64).save(out);
        for rows in [&self.s, &self.t, &self.x] {
            rows[..self.len * self.stride]
                .iter()
                .for_each(|x| x.save(out));
        }
        self.k[..self.len].iter().for_each(|x| x.save(out));
        self.a[..self.len].iter().for_each(|x| x.save(out));
    }

    fn load(&mut self, bytes: &mut &[u8]) -> Result<(), Error> {
        let mut len = 0_u64;
        len.load(bytes)?;
        if len > PATIENCE as u64 {
            return Err(Error::State {
                reason: "more past blocks than are kept".into(),
            });
        }
        self.len = len as usize;
        let used = self.len * self.stride;
        for rows in [&mut self.s, &mut self.t, &mut self.x] {
            rows[..used].iter_mut().try_for_each(|x| x.load(bytes))?;
        }
        self.k[..self.len]
            .iter_mut()
            .try_for_each(|x| x.load(bytes))?;
        self.a[..self.len]
            .iter_mut()
            .try_for_each(|x| x.load(bytes))
    }

    fn numbers(&self) -> usize {
        3 * self.s.len() + 2 * PATIENCE
    }

    fn bytes(&self) -> usize {
        self.s.bytes() + self.t.bytes() + self.x.bytes() + self.k.bytes() + self.a.bytes()
    }
}
