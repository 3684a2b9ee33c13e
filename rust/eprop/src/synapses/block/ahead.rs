//! What the dense inputs of the next steps send, worked out at once.

use crate::kernels;
use crate::numbers::aligned::Aligned;
use crate::numbers::room::Room;
use crate::numbers::walk::parts;
use crate::parts::input::Inputs;
use crate::{Error, Float};

/// Steps whose dense inputs are multiplied with the weights at once.
pub(super) const AHEAD: usize = 24;

/// A row of currents for each of the steps `next..end`. It is right for these inputs and weights alone: whoever does not take those steps forgets them.
#[derive(Debug)]
pub(super) struct Ahead<F> {
    rows: Aligned<F>,
    next: usize,
    end: usize,
}

parts!(Ahead { Scratch: [rows] });

impl<F: Float> Ahead<F> {
    /// `steps`: [`AHEAD`], or 0 of synapses that never look ahead.
    pub(super) fn new(room: &mut Room, steps: usize, stride: usize) -> Result<Self, Error> {
        Ok(Self {
            rows: room.zeros(steps, stride)?,
            next: 0,
            end: 0,
        })
    }

    pub(super) fn is_known(&self) -> bool {
        self.next < self.end
    }

    /// Currents are a matrix product, with the bits of the same sums made one by one.
    pub(super) fn look(&mut self, inputs: Inputs<'_, F>, t: usize, w: &[F], stride: usize) {
        let Some(x) = inputs.dense() else { return };
        let (n_steps, n_inputs) = x.dim();
        let Some(x) = x.to_slice() else { return };
        let steps = AHEAD.min(n_steps - t);
        let x = &x[t * n_inputs..][..steps * n_inputs];
        let rows = &mut self.rows[..steps * stride];
        rows.fill(F::ZERO);
        kernels::multiply_add(x, (n_inputs, 1), n_inputs, w, rows, stride);
        (self.next, self.end) = (0, steps);
    }

    /// What the inputs of the next step send, if it was worked out.
    pub(super) fn take(&mut self, stride: usize) -> Option<&[F]> {
        let at = self.next;
        self.is_known().then(|| {
            self.next += 1;
            &self.rows[at * stride..][..stride]
        })
    }

    pub(super) fn forget(&mut self) {
        (self.next, self.end) = (0, 0);
    }
}
