//! What goes into a batch and comes out of it.

use alloc::vec::Vec;

use ndarray::{Array2, Array3, ArrayView1, ArrayView2, ArrayView3, Axis};

use crate::{Activity, Float, Inputs, Tally};

/// What one stream of a batch is taught.
///
/// ```
/// use eprop::Stream;
/// use ndarray::{Array2, Array3};
/// let (x, y) = (Array3::<f32>::ones((4, 20, 3)), Array3::zeros((4, 20, 2)));
/// let mask = Array2::from_elem((4, 20), true);
/// let streams = Stream::of(x.view(), y.view(), Some(mask.view()));
/// assert_eq!(streams[3].targets.dim(), (20, 2));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Stream<'a, F> {
    /// (T, n_inputs).
    pub inputs: Inputs<'a, F>,
    /// (T, n_outputs).
    pub targets: ArrayView2<'a, F>,
    /// The steps that have a target, (T,); `None`: all.
    pub mask: Option<ArrayView1<'a, bool>>,
}

impl<'a, F: Float> Stream<'a, F> {
    /// The streams of `inputs` (B, T, n_inputs), `targets` (B, T, n_outputs) and `mask` (B, T); as many as there are of each. Example: [`Stream`].
    pub fn of(
        inputs: ArrayView3<'a, F>,
        targets: ArrayView3<'a, F>,
        mask: Option<ArrayView2<'a, bool>>,
    ) -> Vec<Self> {
        let both = (0..inputs.len_of(Axis(0))).zip(0..targets.len_of(Axis(0)));
        let streams = both.map(|(b, _)| Self {
            inputs: inputs.index_axis_move(Axis(0), b).into(),
            targets: targets.index_axis_move(Axis(0), b),
            mask: mask
                .filter(|mask| b < mask.nrows())
                .map(|mask| mask.index_axis_move(Axis(0), b)),
        });
        streams.collect()
    }

    pub(super) fn steps(&self, from: usize, until: usize) -> Self {
        let steps = ndarray::s![from..until];
        Self {
            inputs: self.inputs.steps(from..until),
            targets: self.targets.slice_move(ndarray::s![from..until, ..]),
            mask: self.mask.map(|mask| mask.slice_move(steps)),
        }
    }
}

/// What `step` returns, a row per stream. Example: [`BatchTrainer::step`](crate::BatchTrainer::step).
#[derive(Clone, Debug)]
pub struct BatchStep<F> {
    /// 0 or 1: (B, N).
    pub spikes: Array2<F>,
    /// (B, O).
    pub output: Array2<F>,
    /// The mean loss over the streams, exactly when targets were given.
    pub loss: Option<f64>,
}

/// What `train_sequence` returns. Example: [`BatchTrainer`](crate::BatchTrainer).
#[derive(Clone, Debug)]
pub struct BatchOutput<F> {
    /// Mean over the steps that had a target, of all streams; NaN where none had.
    pub loss: f64,
    /// (B, T, O).
    pub outputs: Array3<F>,
    /// Whether the streams fired at a rate at which they can learn.
    pub activity: Activity,
}

/// What `predict_sequence` returns. Example: [`BatchTrainer::predict_sequence`](crate::BatchTrainer::predict_sequence).
#[derive(Clone, Debug)]
pub struct BatchPrediction<F> {
    /// (B, T, O).
    pub outputs: Array3<F>,
    /// (B, T, N), 0 or 1.
    pub spikes: Array3<F>,
}

/// The sums of sequences that are trained piece by piece. Example: [`BatchTrainer::train_piece`](crate::BatchTrainer::train_piece).
#[derive(Clone, Debug)]
pub struct BatchTally(pub(super) Vec<Tally>);

impl BatchTally {
    /// All streams together, in their order. Example: [`BatchTrainer::train_piece`](crate::BatchTrainer::train_piece).
    pub fn merged(&self) -> Tally {
        Tally::merged(&self.0)
    }
}
