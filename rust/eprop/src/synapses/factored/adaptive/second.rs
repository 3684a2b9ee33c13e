//! How the second trace `h` of a source in a neuron goes on: `e = psi (alpha^u zt - h)`, and then `h = (rho - beta by) h + beta by alpha^u zt`.
//! No spike moves it at its own step.
//!
//! - *Thresholds that move.* `h` is `beta eps_a`, and `by` is psi.
//! - *Membranes that differ.* `zt` is the trace of the fastest of them, with alpha_0, and `h` is by how much that is ahead of the neuron's own, `z_0 - z_j`. A
//!   spike moves both alike, so `h = alpha_j h + (alpha_0 - alpha_j) z_0`.
//! - *A current.* `zt` is the current's trace `x_bar`, and `-h` is what the membrane has kept since the last step: `h = alpha_j h - alpha_j x_bar`.
//!
//! In the last two `by` is 1, and traces have no gain: psi has it in their place.

use crate::kernels::Course;
use crate::numbers::aligned::Aligned;
use crate::numbers::room::Room;
use crate::numbers::walk::parts;
use crate::options::Config;
use crate::options::filters::decay;
use crate::synapses::adaptation::Adaptation;
use crate::synapses::membranes::Membranes;
use crate::{Error, Float};

/// The decay of `zt`: of the current, or else of the fastest membrane.
pub(in crate::synapses) fn decay_of_zt(config: &Config) -> f64 {
    match config.tau_syn == 0.0 {
        true => decay(config.dt, config.shortest_tau_mem()),
        false => decay(config.dt, config.tau_syn),
    }
}

/// Padded rows of constants.
#[derive(Debug)]
pub(super) struct Second<F> {
    beta: Aligned<F>,
    rho: Aligned<F>,
    /// Where no threshold moves.
    beyond: Option<Beyond<F>>,
}

/// What lies between a source's spikes and the membranes.
#[derive(Debug)]
struct Beyond<F> {
    membranes: Membranes<F>,
    /// alpha_0, or 0 of a current.
    lead: F,
    by: Aligned<F>,
    /// Whether psi is to have a gain.
    gains: bool,
    psi: Aligned<F>,
}

parts!(Second {
    Scratch: [beta, rho, beyond]
});
parts!(Beyond {
    Scratch: [membranes, by, psi]
});

impl<F: Float> Second<F> {
    /// `None` where one trace of a source is all that its synapses need.
    pub(super) fn of(
        room: &mut Room,
        (n, stride): (usize, usize),
        config: &Config,
    ) -> Result<Option<Self>, Error> {
        let mut second = match Adaptation::of(room, n, config)? {
            Some(Adaptation { beta, rho }) => Self {
                beta,
                rho,
                beyond: None,
            },
            None => match Membranes::of(room, n, config)? {
                Some(membranes) => Self::of_membranes(room, (n, stride), membranes, config)?,
                None => return Ok(None),
            },
        };
        // A neuron without a second trace has 0 in all that is made of it.
        let pairs = second.rho.iter_mut().zip(second.beta.iter());
        let still = pairs.filter(|(_, beta)| **beta == F::ZERO);
        still.for_each(|(rho, _)| *rho = F::ONE);
        Ok(Some(second))
    }

    fn of_membranes(
        room: &mut Room,
        (n, stride): (usize, usize),
        mut membranes: Membranes<F>,
        config: &Config,
    ) -> Result<Self, Error> {
        let mut places = n;
        if !membranes.differ {
            // Any place shows the trace that all neurons have, even beside the only one.
            let layer = config.layer();
            membranes.alpha.fill(F::cast(layer.alpha()));
            membranes.zeta.fill(F::cast(layer.zeta()));
            places = stride;
        }
        let lead = match membranes.flows() {
            true => F::ZERO,
            false => F::cast(decay_of_zt(config)),
        };
        let (mut beta, mut rho) = (room.zeros(1, stride)?, room.zeros(1, stride)?);
        let of_neurons = beta.iter_mut().zip(membranes.alpha.iter()).take(places);
        of_neurons.for_each(|(beta, &alpha)| *beta = lead - alpha);
        rho.fill(lead);
        let mut by = room.zeros(1, stride)?;
        by.fill(F::ONE);
        Ok(Self {
            beta,
            rho,
            beyond: Some(Beyond {
                lead,
                by,
                gains: membranes.zeta.iter().any(|&zeta| zeta != F::ONE),
                psi: room.zeros(1, stride)?,
                membranes,
            }),
        })
    }

    /// Before the two below: a step's `psi`.
    pub(super) fn take(&mut self, psi: &[F]) {
        if let Some(beyond) = self.beyond.as_mut().filter(|beyond| beyond.gains) {
            let pairs = psi.iter().zip(beyond.membranes.zeta.iter());
            let gained = beyond.psi.iter_mut().zip(pairs);
            gained.for_each(|(to, (&psi, &zeta))| *to = zeta * psi);
        }
    }

    /// psi, as traces meet it.
    pub(super) fn psi<'a>(&'a self, psi: &'a [F]) -> &'a [F] {
        match &self.beyond {
            Some(beyond) if beyond.gains => &beyond.psi,
            _ => psi,
        }
    }

    pub(super) fn course<'a>(&'a self, psi: &'a [F]) -> Course<'a, F> {
        Course {
            by: self.beyond.as_ref().map_or(psi, |beyond| &beyond.by),
            beta: &self.beta,
            rho: &self.rho,
        }
    }

    /// Whether a source has another `z_bar` in each neuron.
    pub(super) fn differs(&self) -> bool {
        let beyond = self.beyond.as_ref();
        beyond.is_some_and(|beyond| beyond.membranes.differ)
    }

    /// `z_bar` of a source in neuron `j` after a step, from its `alpha^u zt` and its `h`; without a second trace of membranes, the one that all neurons share.
    pub(super) fn z_bar(&self, j: usize, zt: F, h: F) -> F {
        let Some(beyond) = &self.beyond else {
            return zt;
        };
        let Membranes { alpha, zeta, .. } = &beyond.membranes;
        // The step has made h of it.
        zeta[j] * ((beyond.lead * zt - h) / alpha[j])
    }
}
