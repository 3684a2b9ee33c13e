//! Warnings about learning: composed in Python, given once each until `reset`.

use eprop::{Activity, Calibration, Trainer, Verdict};
use pyo3::intern;
use pyo3::prelude::*;

use crate::cell::Cell;
use crate::net::Net;

const OF_FIRING: u8 = 1;
const OF_DIVERGENCE: u8 = 2;
const OF_TARGETS: u8 = 4;
const OF_INPUTS: u8 = 8;

/// What makes learning run away.
pub struct Rates {
    lr: f64,
    /// Where credit goes through recurrent spikes.
    recurrent_gain: Option<f64>,
}

impl Rates {
    pub fn of<N: Net>(trainer: &Trainer<N>) -> Self {
        Self {
            lr: trainer.lr(),
            recurrent_gain: N::recurrent_gain(trainer),
        }
    }
}

/// Says what there is to say. With the turn given back: Python runs.
///
/// # Errors
/// A warning that the user has made an error.
pub fn warn<N: Net>(
    py: Python<'_>,
    cell: &Cell<Trainer<N>>,
    rates: Rates,
    verdict: Verdict,
) -> PyResult<()> {
    let warnings = || py.import(intern!(py, "eprop._warnings"));
    if let Some(divergence) = verdict.divergence {
        // What a network does whose learning has run away says nothing about its inputs.
        cell.warned.is_new(OF_FIRING);
        if cell.warned.is_new(OF_DIVERGENCE) {
            let Rates { lr, recurrent_gain } = rates;
            let of = (divergence.loss, divergence.before, lr, recurrent_gain);
            warnings()?.call_method1(intern!(py, "warn_of_divergence"), of)?;
        }
        return Ok(());
    }
    let misfit = verdict.misfit.filter(|_| cell.warned.is_new(OF_TARGETS));
    if let Some(misfit) = misfit {
        let of = (misfit.targets, misfit.outputs);
        warnings()?.call_method1(intern!(py, "warn_of_targets"), of)?;
    }
    let activity = match verdict.activity {
        Activity::Normal => return Ok(()),
        Activity::Silent => "silent",
        Activity::Saturated => "saturated",
    };
    if cell.warned.is_new(OF_FIRING) {
        warnings()?.call_method1(intern!(py, "warn_of_firing"), (activity,))?;
    }
    Ok(())
}

/// Says what a scale of weights cannot mend. With the turn given back: Python runs.
///
/// # Errors
/// A warning that the user has made an error.
pub fn warn_of_inputs<N: Net>(
    py: Python<'_>,
    cell: &Cell<Trainer<N>>,
    done: &Calibration,
) -> PyResult<()> {
    if done.hardly_varies() && cell.warned.is_new(OF_INPUTS) {
        let warnings = py.import(intern!(py, "eprop._warnings"))?;
        warnings.call_method1(intern!(py, "warn_of_inputs"), (done.variation,))?;
    }
    Ok(())
}
