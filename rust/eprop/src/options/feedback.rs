//! Which matrix carries the readouts' errors back to the neurons.

use super::choice::choice;

choice! {
    /// Where the matrix `B` (N, O) of the learning signal comes from.
    ///
    /// ```
    /// use eprop::Feedback;
    /// assert_eq!(Feedback::Random.as_str(), "random");
    /// ```
    pub enum Feedback as "feedback" {
        /// `W_out^T`, as it is before this step's update: the gradient is exact.
        Symmetric = "symmetric",
        /// Fixed, drawn from N(0, 1/N): feedback alignment, approximate.
        Random = "random",
        /// Drawn from N(0, 1/N), and takes the steps that `W_out^T` takes: with `feedback_decay` the two grow alike.
        Adaptive = "adaptive",
    }
}
