//! Sums of the gradients of streams.

use alloc::vec::Vec;

use super::unless;
use crate::network::wiring::Wiring;
use crate::numbers::aligned::Aligned;
use crate::numbers::gradient::{PIECE, sum_up};
use crate::numbers::interrupt::{Interrupt, Pace};
use crate::numbers::parallel::{self, Until};
use crate::numbers::room::Room;
use crate::{Error, Float, kernels};

/// `to += from`, and then `from` is 0: whenever it is stopped, their sum is what it was.
///
/// # Errors
/// [`Error::Interrupted`].
pub(super) fn gather_into<F: Float>(
    to: &mut [F],
    from: &mut [F],
    pace: &mut Pace<'_>,
) -> Result<(), Error> {
    let mut pieces = to.chunks_mut(PIECE).zip(from.chunks_mut(PIECE));
    pieces.try_for_each(|(to, from)| {
        kernels::add_row(F::ONE, from, to);
        from.fill(F::ZERO);
        pace.pass(to.len())
    })
}

/// The gradients of parameter number `at`, each `len` numbers: those of the loss of all groups, and then what the regulariser keeps apart.
pub(super) fn kinds<F>(sums: &[Vec<Aligned<F>>], at: usize, len: usize) -> Vec<Vec<&[F]>> {
    let kinds = sums[0][at].len() / len.max(1);
    let of_kind = |kind| sums.iter().map(move |sums| &sums[at][kind * len..][..len]);
    (0..kinds).map(|kind| of_kind(kind).collect()).collect()
}

/// The squared length of a sum of gradients of one length: of pieces, which threads take, added in their order.
///
/// # Errors
/// [`Error::Interrupted`].
pub(super) fn parallel_squares<F: Float>(
    gradients: &[Vec<&[F]>],
    threads: usize,
    interrupt: &Interrupt,
) -> Result<f64, Error> {
    let of_each = gradients.iter().flatten();
    let (n, len) = of_each.fold((0, 0), |(n, _), g| (n + 1, g.len()));
    let mut squares = alloc::vec![0.0; len.div_ceil(PIECE)];
    let pieces = squares.iter_mut().enumerate().collect();
    let until = Until::asked(interrupt, 0, PIECE * n);
    let done = parallel::run_until(
        threads,
        pieces,
        until,
        |(at, squares): (usize, &mut f64), _| {
            let piece = at * PIECE..len.min((at + 1) * PIECE);
            let mut sum = [F::ZERO; PIECE];
            let sum = &mut sum[..piece.len()];
            sum_up(gradients, piece.start, sum);
            *squares = kernels::squared_length(sum);
        },
    );
    unless(done.stopped)?;
    Ok(squares.iter().sum())
}

pub(super) fn new_sums<N: Wiring>(
    room: &mut Room,
    plan: &N::Plan,
) -> Result<Vec<Aligned<N::F>>, Error> {
    let sizes = N::sums(plan);
    let mut sums = room.list(sizes.len())?;
    for (rows, width) in sizes {
        sums.push(room.zeros(rows, width)?);
    }
    Ok(sums)
}
