//! The horizons that several tests draw.

use eprop::{Horizon, UpdateEvery};

pub const HORIZONS: [Horizon; 4] = [
    Horizon::Steps(1),
    Horizon::Steps(3),
    Horizon::Steps(20),
    Horizon::Sequence,
];

/// A step has no future to look at, and a horizon of a sequence wants whole sequences.
pub fn possible(horizon: Horizon, update_every: UpdateEvery) -> Horizon {
    match (horizon, update_every) {
        (_, UpdateEvery::Steps(1)) | (Horizon::Sequence, UpdateEvery::Steps(_)) => {
            Horizon::Steps(1)
        }
        _ => horizon,
    }
}
