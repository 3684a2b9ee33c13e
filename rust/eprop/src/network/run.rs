//! Steps of one stream between two updates: the loop that every trainer runs.

use ndarray::ArrayViewMut2;

use super::tally::StreamTally;
use super::wiring::Wiring;
use crate::Float;
use crate::parts::input::Inputs;
use crate::parts::stream::Stream;

/// Learns from a stream, whose shapes and values are checked. `at_once`: the learning rate of a gradient that is applied with its step.
pub(crate) fn learn<N: Wiring>(
    network: &mut N,
    stream: &Stream<'_, N::F>,
    mut outputs: Option<ArrayViewMut2<'_, N::F>>,
    tally: &mut StreamTally,
    at_once: Option<N::F>,
) {
    let Stream {
        inputs,
        targets,
        mask,
    } = *stream;
    for (t, target) in targets.outer_iter().enumerate() {
        let taught = mask.is_none_or(|mask| mask[t]);
        network.look_ahead(inputs, t);
        let loss = network.learn(inputs.step(t), taught.then_some(target), at_once);
        let of_nothing = match loss {
            Some(_) => network.loss().of_nothing(target),
            None => 0.0,
        };
        tally.take_in(network, loss, of_nothing);
        if let Some(outputs) = &mut outputs {
            copy_row(outputs, t, network.output());
        }
    }
}

/// Runs without learning.
pub(crate) fn predict<N: Wiring>(
    network: &mut N,
    inputs: Inputs<'_, N::F>,
    mut outputs: Option<ArrayViewMut2<'_, N::F>>,
    mut spikes: Option<ArrayViewMut2<'_, N::F>>,
) {
    for t in 0..inputs.n_steps() {
        network.look_ahead(inputs, t);
        network.predict(inputs.step(t));
        if let Some(outputs) = &mut outputs {
            copy_row(outputs, t, network.output());
        }
        if let Some(spikes) = &mut spikes {
            copy_row(spikes, t, network.spikes());
        }
    }
}

fn copy_row<F: Float>(rows: &mut ArrayViewMut2<'_, F>, t: usize, from: &[F]) {
    rows.row_mut(t)
        .iter_mut()
        .zip(from)
        .for_each(|(to, &from)| *to = from);
}
