//! What a spike does to its own membrane.

use super::choice::choice;

choice! {
    /// What a spike does to its own membrane, one step later.
    ///
    /// ```
    /// use eprop::ResetMechanism;
    /// assert_eq!("zero".parse::<ResetMechanism>()?, ResetMechanism::Zero);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub enum ResetMechanism as "reset_mechanism" {
        /// `v` loses the threshold.
        Subtract = "subtract",
        /// `v` starts again from 0.
        Zero = "zero",
    }
}
