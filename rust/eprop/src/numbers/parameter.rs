//! A trainable matrix: its rows, the gradient that waits for the next update, and what the optimizer keeps for each weight.

use core::sync::atomic::{AtomicBool, Ordering};

use super::aligned::Aligned;
use super::parallel;
use super::room::Room;
use super::shared::Shared;
use super::walk::{first, parts};
use crate::kernels::{self, AdamStep, adam};
use crate::{Error, Float};

/// Numbers to a piece of a matrix, of which each thread updates one at a time: 16 or 32 KiB, so that the sum stays in the first cache.
const PIECE: usize = 4096;

/// The step of one update, with its constants, worked out once for all parameters.
#[derive(Clone, Copy, Debug)]
pub enum Step<F> {
    /// `W -= eta g`.
    Descend { eta: F },
    /// Two moments per weight.
    Adam(AdamStep<F>),
}

impl<F: Float> Step<F> {
    /// The factor on the gradient, of a step that is linear in it.
    #[inline]
    pub(crate) fn linear(self) -> Option<F> {
        match self {
            Self::Descend { eta } => Some(eta),
            Self::Adam(_) => None,
        }
    }

    /// Takes the step for some weights with their gradients and moments; a step that keeps none gets none.
    fn take(self, w: &mut [F], g: &[F], m: &mut [F], v: &mut [F]) {
        match self {
            Self::Descend { eta } => w.iter_mut().zip(g).for_each(|(w, &g)| *w -= eta * g),
            Self::Adam(step) => adam(step, g, w, m, v),
        }
    }
}

/// What a parameter has to keep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keeps {
    /// A gradient that waits.
    pub(crate) pending: bool,
    /// Two moments per weight.
    pub(crate) moments: bool,
}

/// Rows that several streams may read, and one changes.
#[derive(Debug)]
pub struct Parameter<F> {
    pub(crate) rows: Shared<F>,
    /// As long as the rows; empty where nothing waits, or where it waits elsewhere.
    pub(crate) pending: Aligned<F>,
    /// Whether the gradient that waits is anything but 0.
    pub(crate) waits: bool,
    m: Aligned<F>,
    v: Aligned<F>,
}

// A gradient of 0 is not saved.
parts!(Parameter {
    Mark: [waits],
    Weight: [rows],
    State: [
        pending(|this: &Self| first(if this.waits { this.pending.len() } else { 0 })),
        m,
        v,
    ],
});

impl<F: Float> Parameter<F> {
    /// Zeros. The rows of `first`, if there is one, are read by this stream too, which then keeps no moments.
    pub(crate) fn new(
        room: &mut Room,
        (rows, width): (usize, usize),
        keeps: Keeps,
        first: Option<&Shared<F>>,
    ) -> Result<Self, Error> {
        let mut where_needed = |needed: bool| room.zeros(if needed { rows } else { 0 }, width);
        let moments = keeps.moments && first.is_none();
        Ok(Self {
            pending: where_needed(keeps.pending)?,
            waits: false,
            m: where_needed(moments)?,
            v: where_needed(moments)?,
            rows: match first {
                Some(first) => first.share(),
                None => room.shared(rows, width)?,
            },
        })
    }

    /// Applies the gradient that waits, which starts again from 0.
    pub(crate) fn update(&mut self, step: Step<F>) {
        step.take(&mut self.rows, &self.pending, &mut self.m, &mut self.v);
        self.drop_gradient();
    }

    /// The gradient that waits starts again from 0.
    pub(crate) fn drop_gradient(&mut self) {
        if self.waits {
            self.pending.fill(F::ZERO);
            self.waits = false;
        }
    }

    /// Takes a step for the weights `from..from + g.len()`.
    pub(crate) fn take(&mut self, step: Step<F>, from: usize, g: &[F]) {
        let part = from..from + g.len();
        let moments = if self.m.is_empty() {
            0..0
        } else {
            part.clone()
        };
        let (m, v) = (&mut self.m[moments.clone()], &mut self.v[moments]);
        step.take(&mut self.rows[part], g, m, v);
    }

    /// Takes a step with the sum of some gradients, each as long as the rows, in their order. Returns whether the weights are finite.
    ///
    /// Threads take pieces of the weights, so no bit depends on how many there are.
    pub(crate) fn descend(
        &mut self,
        step: Step<F>,
        gradients: &[&Aligned<F>],
        threads: usize,
    ) -> bool {
        let finite = AtomicBool::new(true);
        let moments = pieces(&mut self.m).zip(pieces(&mut self.v));
        let pieces = self.rows.chunks_mut(PIECE).enumerate().zip(moments);
        parallel::run(threads, pieces.collect(), |((at, w), (m, v))| {
            let w: &mut [F] = w;
            let mut sum = [F::ZERO; PIECE];
            let sum = &mut sum[..w.len()];
            for g in gradients {
                kernels::add_row(F::ONE, &g[at * PIECE..][..w.len()], sum);
            }
            step.take(w, sum, m, v);
            if !kernels::all_finite(w) {
                finite.store(false, Ordering::Relaxed);
            }
        });
        finite.load(Ordering::Relaxed)
    }
}

/// Pieces of a buffer, or nothing again and again where it is empty.
fn pieces<F: Float>(numbers: &mut [F]) -> impl Iterator<Item = &mut [F]> {
    numbers
        .chunks_mut(PIECE)
        .chain(core::iter::repeat_with(|| &mut [][..]))
}
