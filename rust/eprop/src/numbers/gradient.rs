//! Gradients that wait: their sums, piece by piece, and how long they are.

use alloc::vec::Vec;

use super::interrupt::Pace;
use super::parallel;
use super::slice::{Every, EveryMut};
use super::step::Neurons;
use crate::kernels;
use crate::{Error, Float};

/// Numbers to a piece of a matrix, of which each thread updates one at a time: 16 or 32 KiB, so that the sum stays in the first cache.
pub(crate) const PIECE: usize = 4096;

/// Pieces whose lengths are taken together, and then added up in their order.
const WINDOW: usize = 64;

/// A coefficient of each neuron, and the neurons that numbers are of.
pub(crate) type By<'a, F> = (&'a [F], Neurons<'a>);

/// What joins a gradient as late as in its update, and starts again from 0 then: `r_j sum_ij`, or the sum as it is.
#[derive(Debug)]
pub(crate) struct Late<'a, F> {
    pub(crate) sum: &'a mut [F],
    pub(crate) by: Option<&'a [F]>,
}

impl<F> Late<'_, F> {
    pub(crate) fn none() -> Self {
        Self {
            sum: &mut [],
            by: None,
        }
    }
}

/// Adds the sum of gradients of some kinds, from number `at` on, to zeros: each kind in its order, and then the kinds. So no bit tells whether a kind was
/// summed up before.
pub(crate) fn sum_up<F: Float>(kinds: &[Vec<&[F]>], at: usize, to: &mut [F]) {
    let add = |gradients: &[&[F]], sum: &mut [F]| {
        for g in gradients {
            kernels::add_row(F::ONE, &g[at..][..sum.len()], sum);
        }
    };
    let Some((first, rest)) = kinds.split_first() else {
        return;
    };
    add(first, to);
    for gradients in rest {
        let mut of_kind = [F::ZERO; PIECE];
        let of_kind = &mut of_kind[..to.len()];
        add(gradients, of_kind);
        kernels::add_row(F::ONE, of_kind, to);
    }
}

/// `to += r_j sum_ij`, or the sum as it is, of the numbers from `at` on.
pub(super) fn take_in<F: Float>(by: Option<By<'_, F>>, at: usize, sum: &[F], to: &mut [F]) {
    match by {
        None => kernels::add_row(F::ONE, sum, to),
        Some((r, Neurons::Rows(width))) => {
            let mut done = 0;
            while done < sum.len() {
                let column = (at + done) % width;
                let part = done..sum.len().min(done + width - column);
                let r = &r[column..][..part.len()];
                kernels::add_scaled_rows_by(r, &sum[part.clone()], &mut to[part.clone()]);
                done = part.end;
            }
        }
        Some((r, Neurons::Listed(targets))) => {
            kernels::add_scaled_listed(r, &targets[at..], sum, to);
        }
    }
}

/// The squared length of a gradient, of `r_j sum_ij` or of the sum as it is with it: of pieces, added in their order.
///
/// # Errors
/// [`Error::Interrupted`].
pub(crate) fn squared_length<F: Float>(
    gradient: Every<'_, F>,
    late: Option<(&[F], Option<By<'_, F>>)>,
    pace: &mut Pace<'_>,
) -> Result<f64, Error> {
    let mut squared = 0.0;
    let length = |at: usize, g: Every<'_, F>| match late {
        None if g.step == 1 => kernels::squared_length(g.numbers),
        _ => {
            let mut whole = [F::ZERO; PIECE];
            let whole = &mut whole[..g.len()];
            EveryMut::from(&mut *whole).copy(g);
            if let Some((sum, by)) = late {
                let from = at * PIECE;
                take_in(by, from, &sum[from..][..g.len()], whole);
            }
            kernels::squared_length(whole)
        }
    };
    let n_pieces = gradient.len().div_ceil(PIECE);
    let piece = |at: usize| gradient.part(at * PIECE..(at + 1) * PIECE);
    for window in (0..n_pieces).step_by(WINDOW) {
        let mut lengths = [0.0; WINDOW];
        let lengths = &mut lengths[..WINDOW.min(n_pieces - window)];
        parallel::each((window..).zip(lengths.iter_mut()), |(at, to)| {
            *to = length(at, piece(at))
        });
        for (at, length) in (window..).zip(lengths) {
            squared += *length;
            pace.pass(piece(at).len())?;
        }
    }
    Ok(squared)
}
