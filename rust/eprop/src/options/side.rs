//! Which firing rates the regulariser corrects.

use super::choice::choice;

choice! {
    /// On which side of `f_target` neurons are pushed back to it.
    ///
    /// ```
    /// use eprop::RegularisedSide;
    /// assert_eq!(RegularisedSide::Above.as_str(), "above");
    /// ```
    pub enum RegularisedSide as "c_reg_side" {
        /// Those that fire more often, and those that fire less.
        Both = "both",
        /// Only those that fire more often: their rate has a ceiling.
        Above = "above",
        /// Only those that fire less: their rate has a floor.
        Below = "below",
    }
}
