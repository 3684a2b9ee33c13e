//! When weights change.

use serde::{Deserialize, Serialize};

use crate::Error;

/// When the pending gradient is applied.
///
/// ```
/// use eprop::{Config, UpdateEvery};
/// assert_eq!(Config::default().update_every, UpdateEvery::Steps(1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateEvery {
    /// After every so many learning steps since `reset`; 1 is what "online" means.
    Steps(usize),
    /// Once, at the end of a whole sequence.
    Sequence,
}

impl UpdateEvery {
    pub(super) fn validate(self) -> Result<(), Error> {
        match self {
            Self::Steps(0) => Err(Error::value(
                "update_every",
                "1, a number of steps >= 1, or \"sequence\"",
                0,
            )),
            _ => Ok(()),
        }
    }
}
