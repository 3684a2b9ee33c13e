//! What a stream is taught: inputs, targets, and which steps have one.

use alloc::vec::Vec;

use ndarray::{ArrayView1, ArrayView2, ArrayView3, Axis, s};

use super::check;
use super::input::Inputs;
use super::lesson::Lesson;
use crate::options::Loss;
use crate::{Error, Float};

/// What one stream is taught.
///
/// ```
/// use eprop::Stream;
/// use ndarray::{Array2, Array3};
/// let (x, y) = (Array3::<f32>::ones((4, 20, 3)), Array3::zeros((4, 20, 2)));
/// let mask = Array2::from_elem((4, 20), true);
/// let streams = Stream::of(x.view(), y.view(), Some(mask.view()));
/// assert_eq!(streams[3].targets.dim(), (20, 2));
/// assert_eq!(streams[3].until(7).targets.dim(), (7, 2));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Stream<'a, F> {
    /// (T, n_inputs).
    pub inputs: Inputs<'a, F>,
    /// (T, n_outputs).
    pub targets: ArrayView2<'a, F>,
    /// The steps that have a target, (T,); `None`: all.
    pub mask: Option<ArrayView1<'a, bool>>,
    /// What the loss of each step counts, (T,): finite, at least 0, 0 being no target; `None`: 1.
    pub weights: Option<ArrayView1<'a, F>>,
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
            weights: None,
        });
        streams.collect()
    }

    /// The first `length` steps, or all where there are no more: of a stream in an array that is as long as the longest. Example: [`Stream`].
    ///
    /// # Panics
    /// Targets, mask or weights are shorter than the steps that are left.
    pub fn until(&self, length: usize) -> Self {
        self.steps(0, length)
    }

    /// Steps from `from` to `until`, as far as there are any.
    pub(crate) fn steps(&self, from: usize, until: usize) -> Self {
        let until = until.min(self.inputs.n_steps());
        let from = from.min(until);
        Self {
            inputs: self.inputs.steps(from..until),
            targets: self.targets.slice_move(s![from..until, ..]),
            mask: self.mask.map(|mask| mask.slice_move(s![from..until])),
            weights: self
                .weights
                .map(|weights| weights.slice_move(s![from..until])),
        }
    }

    /// What step `t` is taught.
    pub(crate) fn lesson(&self, t: usize) -> Lesson<'a, F> {
        let taught = self.mask.is_none_or(|mask| mask[t]);
        Lesson {
            target: taught.then(|| self.targets.index_axis_move(Axis(0), t)),
            weight: self.weights.map_or(F::ONE, |weights| weights[t]),
            ..Lesson::default()
        }
    }

    pub(crate) fn check(
        &self,
        n_inputs: usize,
        n_outputs: usize,
        loss: Loss,
        at_least: usize,
    ) -> Result<(), Error> {
        self.inputs.check(n_inputs, at_least)?;
        check::targets(
            self.targets,
            self.mask,
            self.weights,
            self.inputs.n_steps(),
            n_outputs,
            loss,
        )
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use ndarray::{Array2, Array3, s};

    use super::Stream;
    use crate::options::Loss;

    struct Data {
        x: Array3<f64>,
        y: Array3<f64>,
        mask: Array2<bool>,
    }

    /// Three streams of five steps.
    fn data() -> Data {
        Data {
            x: Array3::from_shape_fn((3, 5, 2), |(b, t, i)| (100 * b + 10 * t + i) as f64),
            y: Array3::from_shape_fn((3, 5, 4), |(b, t, k)| -((100 * b + 10 * t + k) as f64)),
            mask: Array2::from_shape_fn((3, 5), |(b, t)| (b + t) % 2 == 0),
        }
    }

    #[test]
    fn streams_are_cut_out_of_arrays_in_their_order() {
        let data = data();
        let streams = Stream::of(data.x.view(), data.y.view(), Some(data.mask.view()));
        assert_eq!(streams.len(), 3);
        for (b, stream) in streams.iter().enumerate() {
            assert_eq!(stream.inputs.dense().unwrap(), data.x.slice(s![b, .., ..]));
            assert_eq!(stream.targets, data.y.slice(s![b, .., ..]));
            assert_eq!(stream.mask.unwrap(), data.mask.row(b));
        }
    }

    #[test]
    fn there_are_as_many_streams_as_of_inputs_and_of_targets() {
        let data = data();
        let few = Stream::of(data.x.slice(s![..2, .., ..]), data.y.view(), None);
        assert_eq!((few.len(), few[0].mask.is_none()), (2, true));
        let few = Stream::of(data.x.view(), data.y.slice(s![..1, .., ..]), None);
        assert_eq!(few.len(), 1);
        let masks: Vec<_> = Stream::of(
            data.x.view(),
            data.y.view(),
            Some(data.mask.slice(s![..1, ..])),
        )
        .iter()
        .map(|stream| stream.mask.is_some())
        .collect();
        assert_eq!(masks, [true, false, false]);
    }

    #[test]
    fn some_steps_are_those_that_there_are() {
        let data = data();
        let stream = Stream::of(data.x.view(), data.y.view(), Some(data.mask.view()))[1];
        for (from, until) in [(0, 5), (1, 4), (2, 2), (3, 9), (7, 9), (4, 2)] {
            let (end, some) = (until.min(5), stream.steps(from, until));
            let start = from.min(end);
            assert_eq!(
                some.inputs.dense().unwrap(),
                data.x.slice(s![1, start..end, ..])
            );
            assert_eq!(some.targets, data.y.slice(s![1, start..end, ..]));
            assert_eq!(some.mask.unwrap(), data.mask.slice(s![1, start..end]));
        }
        assert_eq!(stream.until(2).targets, stream.steps(0, 2).targets);
        assert_eq!(stream.until(usize::MAX).targets.nrows(), 5);
    }

    #[test]
    fn inputs_targets_and_mask_fit_each_other() {
        let data = data();
        let stream = Stream::of(data.x.view(), data.y.view(), Some(data.mask.view()))[0];
        let check = |stream: Stream<'_, f64>| stream.check(2, 4, Loss::Mse, 1).is_ok();
        assert!(check(stream));
        assert!(!check(Stream {
            targets: stream.targets.slice_move(s![..4, ..]),
            ..stream
        }));
        assert!(!check(Stream {
            mask: stream.mask.map(|mask| mask.slice_move(s![..4])),
            ..stream
        }));
        assert!(!check(stream.until(0)));
        assert!(stream.until(0).check(2, 4, Loss::Mse, 0).is_ok());
        assert!(stream.check(3, 4, Loss::Mse, 1).is_err());
        assert!(stream.check(2, 4, Loss::CrossEntropy, 1).is_err());
    }
}
