//! Rows that are as long as the lists of their sources: what every form does with them that has any.

use alloc::vec::Vec;
use core::ops::Range;

use ndarray::ArrayView2;

use super::See;
use crate::kernels::{self, CurrentOfPart};
use crate::numbers::interrupt::Pace;
use crate::numbers::memory::vec_for;
use crate::numbers::parallel;
use crate::numbers::parameter::Parameter;
use crate::numbers::slice::EveryMut;
use crate::numbers::step::Step;
use crate::numbers::wires::Wires;
use crate::parts::sources::Sources;
use crate::{Error, Float};

/// What the sources send, source by source in ascending order: whether a step's inputs are few or many, the bits are the same. Each part of the neurons goes along all rows.
pub(super) fn drive<F: Float>(wires: &Wires, w: &[F], sources: &Sources<'_, F>, current: &mut [F]) {
    let (n, share) = (current.len(), parallel::share(current.len()));
    let parts = current.chunks_mut(share).enumerate();
    parallel::each(parts, |(at, to)| {
        to.fill(F::ZERO);
        let mut send = |sources: &[u32], values: &[F]| {
            let from = at * share;
            let part = CurrentOfPart { from, n, to };
            kernels::send_listed(wires.lists(), sources, values, w, part);
        };
        for (source, &value) in (0..).zip(sources.dense.unwrap_or(&[])) {
            if value != F::ZERO {
                send(&[source], &[value]);
            }
        }
        send(sources.index, sources.value);
    });
}

/// Shows rows with a place for each neuron, 0 where there is no synapse.
pub(super) fn show<F: Float>(
    wires: &Wires,
    numbers: &[F],
    mut sources: Range<usize>,
    pace: &mut Pace<'_>,
    see: See<'_, F>,
) -> Result<(), Error> {
    let n = wires.n_neurons();
    let mut row = vec_for("reading the synapses", n)?;
    row.resize(n, F::ZERO);
    sources.try_for_each(|source| {
        row.fill(F::ZERO);
        let synapses = wires
            .targets(source)
            .iter()
            .zip(&numbers[wires.row(source)]);
        synapses.for_each(|(&j, &x)| row[j as usize] = x);
        see(source, &row)?;
        pace.pass(n)
    })
}

/// Replaces the weights (N, sources) of the sources from one on.
pub(super) fn assign<F: Float>(
    wires: &Wires,
    mut rows: EveryMut<'_, F>,
    first_source: usize,
    w: ArrayView2<'_, F>,
    pace: &mut Pace<'_>,
) -> Result<(), Error> {
    for (source, w) in (first_source..).zip(w.columns()) {
        let targets = wires.targets(source);
        let mut row = rows.lend().part(wires.row(source));
        row.iter_mut()
            .zip(targets)
            .for_each(|(to, &j)| *to = w[j as usize]);
        pace.pass(targets.len())?;
    }
    Ok(())
}

/// The same in the order of their lists.
pub(super) fn assign_synapses<F: Float>(
    wires: &Wires,
    rows: EveryMut<'_, F>,
    first_source: usize,
    weights: &mut dyn Iterator<Item = F>,
) {
    let mut rows = rows.part(wires.row(first_source).start..wires.len());
    rows.iter_mut().zip(weights).for_each(|(to, w)| *to = w);
}

/// Takes the steps of a gradient (N, sources).
pub(super) fn take<F: Float>(
    wires: &Wires,
    parameter: &mut Parameter<F>,
    first_source: usize,
    g: ArrayView2<'_, F>,
    step: Step<'_, F>,
    pace: &mut Pace<'_>,
) -> Result<(), Error> {
    let mut of_source: Vec<F> = vec_for("a row of the gradient", wires.n_neurons())?;
    for (source, g) in (first_source..).zip(g.columns()) {
        let targets = wires.targets(source);
        of_source.clear();
        of_source.extend(targets.iter().map(|&j| g[j as usize]));
        parameter.take(step, wires.row(source).start, &of_source);
        pace.pass(targets.len())?;
    }
    Ok(())
}

/// The same of a gradient in the order of the lists, from synapse number `from` on.
pub(super) fn take_synapses<F: Float>(
    parameter: &mut Parameter<F>,
    from: usize,
    g: &[F],
    step: Step<'_, F>,
    pace: &mut Pace<'_>,
) -> Result<(), Error> {
    for piece in pace.pieces(g.len()) {
        pace.pass(piece.len())?;
        parameter.take(step, from + piece.start, &g[piece]);
    }
    Ok(())
}

/// Adds the regulariser's part to a gradient: `r sum_t e`, or the sum as it is.
pub(super) fn add_raw<F: Float>(wires: &Wires, r: Option<&[F]>, sum: &[F], to: &mut [F]) {
    match r {
        Some(r) => kernels::add_scaled_listed(r, wires.all_targets(), sum, to),
        None => kernels::add_row(F::ONE, sum, to),
    }
}
