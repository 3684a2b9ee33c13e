//! Steps of one stream between two updates: the loop that every trainer runs.

use ndarray::ArrayViewMut2;

use super::tally::StreamTally;
use super::wiring::Wiring;
use crate::Float;
use crate::parts::input::Inputs;
use crate::parts::optimizer::Optimizer;
use crate::parts::stream::Stream;

/// Learns from a stream, whose shapes and values are checked. `at_once`: the rule of a gradient that is applied with its step. Asks `go_on` before
/// each step; returns how many were taken.
pub(crate) fn learn<N: Wiring>(
    network: &mut N,
    stream: &Stream<'_, N::F>,
    mut outputs: Option<ArrayViewMut2<'_, N::F>>,
    tally: &mut StreamTally,
    mut at_once: Option<&mut Optimizer>,
    mut go_on: impl FnMut(usize, &mut N) -> bool,
) -> usize {
    let inputs = stream.inputs;
    for t in 0..inputs.n_steps() {
        if !go_on(t, network) {
            network.circle().forget_ahead();
            return t;
        }
        let lesson = stream.lesson(t);
        network.circle().look_ahead(inputs, t);
        let loss = network
            .circle()
            .learn(inputs.step(t), lesson, at_once.as_deref_mut());
        let of_nothing = lesson.loss_of_nothing(network.loss());
        tally.take_in(network, loss, of_nothing);
        if let Some(outputs) = &mut outputs {
            copy_row(outputs, t, network.output());
        }
    }
    inputs.n_steps()
}

/// Runs without learning, as [`learn`].
pub(crate) fn predict<N: Wiring>(
    network: &mut N,
    inputs: Inputs<'_, N::F>,
    mut outputs: Option<ArrayViewMut2<'_, N::F>>,
    mut spikes: Option<ArrayViewMut2<'_, N::F>>,
    mut go_on: impl FnMut(usize, &mut N) -> bool,
) -> usize {
    for t in 0..inputs.n_steps() {
        if !go_on(t, network) {
            network.circle().forget_ahead();
            return t;
        }
        network.circle().look_ahead(inputs, t);
        network.circle().predict(inputs.step(t));
        if let Some(outputs) = &mut outputs {
            copy_row(outputs, t, network.output());
        }
        if let Some(spikes) = &mut spikes {
            copy_row(spikes, t, network.spikes());
        }
    }
    inputs.n_steps()
}

fn copy_row<F: Float>(rows: &mut ArrayViewMut2<'_, F>, t: usize, from: &[F]) {
    rows.row_mut(t)
        .iter_mut()
        .zip(from)
        .for_each(|(to, &from)| *to = from);
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, s};

    use super::super::literal::{Data, Literal, Weights, config, network, plan};
    use super::{Stream, Wiring, learn, predict};
    use crate::network::tally::Tally;
    use crate::options::{Engine, UpdateEvery};
    use crate::testing::near;

    #[test]
    fn a_stream_is_learned_step_by_step_where_the_mask_says_so() {
        let config = config(Engine::Block, UpdateEvery::Sequence);
        let data = Data::new(1, 30);
        let mut network = network(&plan(&config), &config);
        let (weights, mut literal) = (Weights::of(&network), Literal::new(&config));
        let stream = &Stream::of(data.x.view(), data.y.view(), Some(data.mask.view()))[0];
        let mut outputs = Array2::zeros((30, 2));
        let mut tally = Tally::new(&network, 1).unwrap();
        learn(
            &mut network,
            stream,
            Some(outputs.view_mut()),
            &mut tally.streams[0],
            None,
            |_, _| true,
        );
        let (mut loss, mut n_targets) = (0.0, 0);
        for t in 0..30 {
            let (x, target) = data.step(0, t);
            let of_step = literal.learn(
                &x.to_vec(),
                target.map(|target| target.to_vec()).as_deref(),
                &weights,
            );
            loss += of_step.unwrap_or(0.0);
            n_targets += u64::from(of_step.is_some());
            near("y", outputs.row(t).as_slice().unwrap(), &literal.y);
        }
        near("loss", &[tally.loss_sum()], &[loss]);
        assert_eq!(
            (
                tally.n_targets(),
                network.since().steps,
                network.since().targets
            ),
            (n_targets, 30, n_targets)
        );
        // Without a mask every step has a target.
        let stream = Stream {
            mask: None,
            ..*stream
        };
        learn(
            &mut network,
            &stream,
            None,
            &mut tally.streams[0],
            None,
            |_, _| true,
        );
        assert_eq!(network.since().targets, n_targets + 30);
    }

    #[test]
    fn a_prediction_learns_nothing_and_shows_outputs_and_spikes() {
        let config = config(Engine::Factored, UpdateEvery::Steps(1));
        let data = Data::new(1, 30);
        let mut network = network(&plan(&config), &config);
        let (weights, mut literal) = (Weights::of(&network), Literal::new(&config));
        let (mut outputs, mut spikes) = (Array2::zeros((30, 2)), Array2::zeros((30, 7)));
        let x = data.x.slice(s![0, .., ..]);
        predict(
            &mut network,
            x.into(),
            Some(outputs.view_mut()),
            Some(spikes.view_mut()),
            |_, _| true,
        );
        for t in 0..30 {
            literal.predict(x.row(t).as_slice().unwrap(), &weights);
            near("y", outputs.row(t).as_slice().unwrap(), &literal.y);
            near("z", spikes.row(t).as_slice().unwrap(), &literal.z);
        }
        assert!(spikes.sum() > 5.0);
        assert_eq!(network.since().steps, 0);
        assert_eq!(Weights::of(&network), weights);
    }
}
