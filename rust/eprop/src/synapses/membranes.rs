//! What lies between a source's spikes and `z_bar` (line 8 of docs/method.md), where it is not one filter that all neurons share:
//! a membrane of each neuron's own, and the current before it.

use alloc::vec::Vec;

use crate::kernels::{self, Flowing};
use crate::numbers::aligned::Aligned;
use crate::numbers::room::Room;
use crate::numbers::walk::{first, parts};
use crate::numbers::wires::Wires;
use crate::options::Config;
use crate::options::filters::decay;
use crate::parts::sources::Sources;
use crate::{Error, Float};

/// `x_bar = sigma x_bar + s`, `z_bar = alpha z_bar + zeta x_bar`. The gain is the second filter's, so that `x_bar` is one number per source.
#[derive(Debug)]
pub(crate) struct Membranes<F> {
    /// Padded rows of the neurons, 0 beyond the last.
    pub(crate) alpha: Aligned<F>,
    pub(crate) zeta: Aligned<F>,
    /// 0 without a current: then `x_bar` is `s`.
    pub(crate) sigma: F,
    /// Whether `z_bar` is a row of each source, since neurons differ.
    pub(crate) differ: bool,
}

parts!(Membranes {
    Scratch: [alpha, zeta],
});

impl<F: Float> Membranes<F> {
    /// `None` where one filter is all, and all neurons share it.
    pub(crate) fn of(room: &mut Room, n: usize, config: &Config) -> Result<Option<Self>, Error> {
        if !config.has_own_membranes() {
            return Ok(None);
        }
        let layer = config.layer();
        Ok(Some(Self {
            alpha: layer.row(room, n, |one| one.alpha())?,
            zeta: layer.row(room, n, |one| one.zeta())?,
            sigma: F::cast(decay(config.dt, config.tau_syn)),
            differ: config.each.tau_mem.is_some(),
        }))
    }

    /// Of a tile of neurons.
    pub(crate) fn tile(&self, column: usize, width: usize) -> Flowing<'_, F> {
        Flowing {
            alpha: &self.alpha[column..column + width],
            zeta: &self.zeta[column..column + width],
            sigma: self.sigma,
        }
    }

    /// Whether there is a current.
    pub(crate) fn flows(&self) -> bool {
        self.sigma != F::ZERO
    }
}

/// The traces of the sources that hold what the membranes got.
#[derive(Debug)]
pub(crate) struct Traces<F> {
    /// Of each source: its spikes through the current; empty without one.
    pub(crate) x_bar: Vec<F>,
    /// Of each source; empty where neurons differ.
    pub(crate) z_bar: Vec<F>,
    /// A padded row of each source, or one as long as its list; empty where neurons do not differ. Before the first step since `reset` they may hold anything.
    pub(crate) rows: Aligned<F>,
    /// Whether there has been no step since `reset`.
    pub(crate) silent: bool,
}

parts!(Traces {
    Mark: [silent],
    State: [
        x_bar,
        z_bar,
        rows(|this: &Self| first(if this.silent { 0 } else { this.rows.len() })),
    ],
});

impl<F: Float> Traces<F> {
    /// `p`: sources; `rows`: as many numbers as they have, in how many rows of which width.
    pub(crate) fn new(
        room: &mut Room,
        membranes: Option<&Membranes<F>>,
        p: usize,
        (rows, width): (usize, usize),
    ) -> Result<Self, Error> {
        let flows = membranes.is_some_and(Membranes::flows);
        let differ = membranes.is_some_and(|membranes| membranes.differ);
        Ok(Self {
            x_bar: room.vec(F::ZERO, if flows { p } else { 0 })?,
            z_bar: room.vec(F::ZERO, if differ { 0 } else { p })?,
            rows: room.zeros(if differ { rows } else { 0 }, width)?,
            silent: true,
        })
    }

    /// Takes no pass over the rows: the next step does.
    pub(crate) fn reset(&mut self) {
        self.x_bar.fill(F::ZERO);
        self.z_bar.fill(F::ZERO);
        self.silent = true;
    }

    /// One step, with what its sources send. `filter` is alpha and zeta, where all neurons share them; `listed`: the synapses, where rows are lists of them.
    pub(crate) fn step(
        &mut self,
        filter: (F, F),
        membranes: Option<&Membranes<F>>,
        listed: Option<&Wires>,
        sources: &Sources<'_, F>,
    ) {
        let (alpha, zeta) = filter;
        if core::mem::take(&mut self.silent) {
            self.rows.fill(F::ZERO);
        }
        match membranes {
            None => {
                self.z_bar.iter_mut().for_each(|z_bar| *z_bar *= alpha);
                for (source, s) in sources.all() {
                    self.z_bar[source as usize] += zeta * s;
                }
            }
            Some(membranes) => {
                self.flow(membranes.sigma, sources);
                self.step_rows(membranes, listed, sources);
                for (z_bar, &x_bar) in self.z_bar.iter_mut().zip(&self.x_bar) {
                    *z_bar = alpha * *z_bar + zeta * x_bar;
                }
            }
        }
        self.z_bar
            .iter_mut()
            .for_each(|z_bar| *z_bar = z_bar.or_silence());
    }

    fn flow(&mut self, sigma: F, sources: &Sources<'_, F>) {
        if self.x_bar.is_empty() {
            return;
        }
        self.x_bar
            .iter_mut()
            .for_each(|x_bar| *x_bar = (sigma * *x_bar).or_silence());
        for (source, s) in sources.all() {
            self.x_bar[source as usize] += s;
        }
    }

    fn step_rows(
        &mut self,
        membranes: &Membranes<F>,
        listed: Option<&Wires>,
        sources: &Sources<'_, F>,
    ) {
        let Membranes { alpha, zeta, .. } = membranes;
        let (rows, stride) = (&mut self.rows[..], alpha.len());
        if rows.is_empty() {
            return;
        }
        match listed {
            None => {
                for row in rows.chunks_exact_mut(stride) {
                    let row = row.iter_mut().zip(alpha.iter());
                    row.for_each(|(z_bar, &alpha)| *z_bar *= alpha);
                }
            }
            Some(wires) => {
                let all = rows.iter_mut().zip(wires.all_targets());
                all.for_each(|(z_bar, &j)| *z_bar *= alpha[j as usize]);
            }
        }
        let mut add = |source: usize, x_bar: F| match listed {
            None => kernels::add_scaled(x_bar, zeta, &mut rows[source * stride..][..stride]),
            Some(wires) => {
                let row = rows[wires.row(source)].iter_mut();
                let synapses = row.zip(wires.targets(source));
                synapses.for_each(|(z_bar, &j)| *z_bar += x_bar * zeta[j as usize]);
            }
        };
        match membranes.flows() {
            true => (self.x_bar.iter().enumerate())
                .filter(|&(_, &x_bar)| x_bar != F::ZERO)
                .for_each(|(source, &x_bar)| add(source, x_bar)),
            false => (sources.all()).for_each(|(source, s)| add(source as usize, s)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Membranes, Traces};
    use crate::Float;
    use crate::options::{Config, PerNeuron};
    use crate::parts::sources::Sources;
    use crate::testing::{in_both, made, near};

    const P: usize = 3;
    const STRIDE: usize = 16;

    /// The traces after one step in which source 1 sends 1 and source 2 sends 0.5, and a silent one. Decays are 1/2 for tau = 1.
    fn after_two_steps<F: Float>(config: &Config) -> Traces<F> {
        let config = Config {
            dt: core::f64::consts::LN_2,
            ..config.clone()
        };
        let membranes = made(|room| Membranes::<F>::of(room, 2, &config));
        let mut traces = made(|room| Traces::new(room, membranes.as_ref(), P, (P, STRIDE)));
        let half = F::cast(0.5);
        let spikes = Sources {
            index: &[1, 2],
            value: &[F::ONE, half],
            n_inputs: 2,
            unit: false,
            dense: None,
        };
        let silence = Sources {
            index: &[],
            value: &[],
            n_inputs: 0,
            unit: true,
            dense: None,
        };
        for sources in [&spikes, &silence] {
            traces.step((half, F::ONE), membranes.as_ref(), None, sources);
        }
        traces
    }

    fn config(tau_syn: f64, tau_mem: Option<alloc::vec::Vec<f64>>) -> Config {
        Config {
            tau_mem: 1.0,
            tau_syn,
            each: PerNeuron {
                tau_mem,
                ..PerNeuron::default()
            },
            ..Config::default()
        }
    }

    in_both! {
        fn one_filter_is_a_number_of_each_source<F>() {
            let traces = after_two_steps::<F>(&config(0.0, None));
            near("z_bar", &traces.z_bar, &[0.0, 0.5, 0.25]);
            assert!(traces.x_bar.is_empty() && traces.rows.is_empty());
        }
    }

    in_both! {
        fn a_current_is_a_filter_before_it<F>() {
            let traces = after_two_steps::<F>(&config(0.5, None));
            near("x_bar", &traces.x_bar, &[0.0, 0.25, 0.125]);
            near("z_bar", &traces.z_bar, &[0.0, 0.75, 0.375]);
            assert!(traces.rows.is_empty());
        }
    }

    in_both! {
        fn membranes_that_differ_have_a_row_of_each_source<F>() {
            for (tau_syn, of_first, of_second) in [(0.0, [0.0, 0.5, 0.25], [0.0, 0.25, 0.125]), (0.5, [0.0, 0.75, 0.375], [0.0, 0.5, 0.25])] {
                let traces = after_two_steps::<F>(&config(tau_syn, Some(alloc::vec![1.0, 0.5])));
                let of = |j: usize| [0, 1, 2].map(|i| traces.rows[i * STRIDE + j]);
                near("z_bar of neuron 0", &of(0), &of_first);
                near("z_bar of neuron 1", &of(1), &of_second);
                assert!(traces.z_bar.is_empty() && of(2) == [F::ZERO; 3]);
            }
        }
    }
}
