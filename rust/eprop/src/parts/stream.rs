//! What a stream is taught: inputs, targets, and which steps have one.

use alloc::vec::Vec;

use ndarray::{ArrayView1, ArrayView2, ArrayView3, Axis, s};

use super::check;
use super::input::Inputs;
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

    /// The first `length` steps, or all where there are no more: of a stream in an array that is as long as the longest. Example: [`Stream`].
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
            self.inputs.n_steps(),
            n_outputs,
            loss,
        )
    }
}
