//! The neuron: synaptic current, membrane, threshold, surrogate derivative, spike (lines 1 to 4 of docs/method.md).

use alloc::vec::Vec;

use crate::kernels::{Membrane, NeuronsMut, OwnMut, flow, nonzeros, step_adaptive, step_neurons};
use crate::numbers::aligned::{Aligned, padded};
use crate::numbers::parallel;
use crate::numbers::room::Room;
use crate::numbers::walk::parts;
use crate::options::LayerConfig;
use crate::options::filters::decay;
use crate::{Error, Float};

/// N leaky integrate-and-fire neurons.
#[derive(Debug)]
pub(crate) struct Neuron<F> {
    n: usize,
    membrane: Membrane<F>,
    /// Gain of the current.
    zeta: F,
    v: Aligned<F>,
    z: Aligned<F>,
    /// Empty where nobody learns from it.
    psi: Aligned<F>,
    /// Empty where a spike leaves no neuron refractory.
    refractory: Vec<u32>,
    /// Who fired, ascending; the first `n_fired` of them.
    fired: Vec<u32>,
    n_fired: usize,
    /// Without it, all have the same constants, and their threshold stands still.
    own: Option<Own<F>>,
    /// Without it, what the sources send reaches the membrane at once.
    synaptic: Option<Synaptic<F>>,
}

/// The constants of neurons of which some adapt, or each has its own.
#[derive(Debug)]
struct Own<F> {
    /// Empty where all have the same.
    alpha: Aligned<F>,
    zeta: Aligned<F>,
    v_th: Aligned<F>,
    beta: Aligned<F>,
    rho: Aligned<F>,
    height: Aligned<F>,
    per_width: Aligned<F>,
    /// Adaptation: a low-pass of the neuron's own spikes.
    a: Aligned<F>,
}

parts!(Own {
    State: [a],
    Scratch: [alpha, zeta, v_th, beta, rho, height, per_width],
});

/// The current between the sources and the membranes.
#[derive(Debug)]
struct Synaptic<F> {
    sigma: F,
    /// Gains of what arrives.
    zeta: Aligned<F>,
    /// `I`.
    current: Aligned<F>,
}

parts!(Synaptic {
    State: [current],
    Scratch: [zeta],
});

parts!(Neuron {
    State: [v, z, psi, refractory, own, synaptic],
    Scratch: [fired],
} then Self::loaded);

impl<F: Float> Neuron<F> {
    pub(crate) fn new(room: &mut Room, n: usize, config: &LayerConfig) -> Result<Self, Error> {
        Self::made(room, n, config, true)
    }

    /// Neurons from whose `psi` nobody learns: they have none, but where their step needs its place.
    pub(crate) fn of_evaluation(
        room: &mut Room,
        n: usize,
        config: &LayerConfig,
    ) -> Result<Self, Error> {
        Self::made(room, n, config, !config.is_plain())
    }

    fn made(room: &mut Room, n: usize, config: &LayerConfig, has_psi: bool) -> Result<Self, Error> {
        // The config is validated: n_ref fits.
        let refractory = config.n_ref.saturating_sub(1) as u32;
        let stride = padded::<F>(n);
        Ok(Self {
            n,
            membrane: Membrane {
                alpha: F::cast(config.alpha()),
                v_th: F::cast(config.threshold),
                reset_mechanism: config.reset_mechanism,
                surrogate: config.surrogate,
                height: F::cast(config.height()),
                per_width: F::cast(1.0 / config.width()),
                refractory,
            },
            zeta: match config.tau_syn == 0.0 {
                true => F::cast(config.zeta()),
                false => F::ONE,
            },
            v: room.zeros(1, stride)?,
            z: room.zeros(1, stride)?,
            psi: room.zeros(1, if has_psi { stride } else { 0 })?,
            refractory: room.vec(0, if refractory > 0 { n } else { 0 })?,
            fired: room.vec(0, stride)?,
            n_fired: 0,
            own: match config.is_plain() {
                true => None,
                false => Some(Own::new(room, n, config)?),
            },
            synaptic: match config.tau_syn == 0.0 {
                true => None,
                false => Some(Synaptic::new(room, n, config)?),
            },
        })
    }

    fn loaded(&mut self) -> Result<(), Error> {
        self.list();
        Ok(())
    }

    /// One step with the sum of what the sources send, before its gain; padded.
    pub(crate) fn step(&mut self, current: &[F]) {
        let current = match &mut self.synaptic {
            None => current,
            Some(synaptic) => synaptic.step(current),
        };
        let neurons = NeuronsMut {
            v: &mut self.v,
            z: &mut self.z,
            psi: &mut self.psi,
            refractory: &mut self.refractory,
        };
        let (membrane, zeta) = (self.membrane, self.zeta);
        match &mut self.own {
            Some(own) => step_adaptive(membrane, zeta, current, neurons, own.lend()),
            None => {
                let step = |neurons: NeuronsMut<'_, F>, current: &[F]| {
                    step_neurons(membrane, zeta, current, neurons);
                };
                let share = parallel::share(current.len());
                if share >= current.len() {
                    step(neurons, current);
                } else {
                    let parts = in_parts(neurons, share).zip(current.chunks(share));
                    parallel::each(parts, |(neurons, current)| step(neurons, current));
                }
            }
        }
        self.list();
    }

    /// Beyond the last neuron there is none; of the others, who fired.
    fn list(&mut self) {
        for row in [&mut self.v, &mut self.z, &mut self.psi] {
            if let Some(beyond) = row.get_mut(self.n..) {
                beyond.fill(F::ZERO);
            }
        }
        if let Some(own) = &mut self.own {
            own.a[self.n..].fill(F::ZERO);
        }
        if let Some(synaptic) = &mut self.synaptic {
            synaptic.current[self.n..].fill(F::ZERO);
        }
        self.n_fired = nonzeros(&self.z[..self.n], &mut self.fired);
    }

    pub(crate) fn len(&self) -> usize {
        self.n
    }

    pub(crate) fn v(&self) -> &[F] {
        &self.v[..self.n]
    }

    pub(crate) fn z(&self) -> &[F] {
        &self.z[..self.n]
    }

    /// Adaptations: 0 where no threshold moves.
    pub(crate) fn a(&self) -> impl Iterator<Item = F> + '_ {
        let of = |j: usize| self.own.as_ref().map_or(F::ZERO, |own| own.a[j]);
        (0..self.n).map(of)
    }

    pub(crate) fn psi(&self) -> &[F] {
        &self.psi[..self.n]
    }

    /// `psi` with zeros up to the length of a padded row.
    pub(crate) fn padded_psi(&self) -> &[F] {
        &self.psi
    }

    /// Spikes with zeros up to the length of a padded row.
    pub(crate) fn padded_z(&self) -> &[F] {
        &self.z
    }

    /// Who fired at the last step, ascending.
    pub(crate) fn fired(&self) -> &[u32] {
        &self.fired[..self.n_fired]
    }

    pub(crate) fn reset(&mut self) {
        self.v.fill(F::ZERO);
        self.z.fill(F::ZERO);
        self.psi.fill(F::ZERO);
        self.refractory.fill(0);
        self.n_fired = 0;
        if let Some(own) = &mut self.own {
            own.a.fill(F::ZERO);
        }
        if let Some(synaptic) = &mut self.synaptic {
            synaptic.current.fill(F::ZERO);
        }
    }
}

/// Every `share` of the neurons.
fn in_parts<F>(
    neurons: NeuronsMut<'_, F>,
    share: usize,
) -> impl Iterator<Item = NeuronsMut<'_, F>> {
    let NeuronsMut {
        v,
        z,
        psi,
        refractory,
    } = neurons;
    // There are as many as neurons, or none.
    let refractory = refractory.chunks_mut(share);
    let refractory = refractory.chain(core::iter::repeat_with(|| &mut [][..]));
    let psi = psi.chunks_mut(share);
    let psi = psi.chain(core::iter::repeat_with(|| &mut [][..]));
    let rows = v.chunks_mut(share).zip(z.chunks_mut(share)).zip(psi);
    rows.zip(refractory)
        .map(|(((v, z), psi), refractory)| NeuronsMut {
            v,
            z,
            psi,
            refractory,
        })
}

impl<F: Float> Synaptic<F> {
    fn new(room: &mut Room, n: usize, config: &LayerConfig) -> Result<Self, Error> {
        Ok(Self {
            sigma: F::cast(decay(config.dt, config.tau_syn)),
            zeta: config.row(room, n, |one| one.zeta())?,
            current: room.zeros(1, padded::<F>(n))?,
        })
    }

    /// `I`, with what arrives in this step.
    fn step(&mut self, current: &[F]) -> &[F] {
        flow(self.sigma, &self.zeta, current, &mut self.current);
        &self.current
    }
}

impl<F: Float> Own<F> {
    fn new(room: &mut Room, n: usize, config: &LayerConfig) -> Result<Self, Error> {
        let (alpha, zeta) = match config.each.tau_mem {
            None => (Aligned::default(), Aligned::default()),
            // A current has its gain already.
            Some(_) if config.tau_syn != 0.0 => (
                config.row(room, n, |one| one.alpha())?,
                config.row(room, n, |_| 1.0)?,
            ),
            Some(_) => (
                config.row(room, n, |one| one.alpha())?,
                config.row(room, n, |one| one.zeta())?,
            ),
        };
        Ok(Self {
            alpha,
            zeta,
            v_th: config.row(room, n, |one| one.threshold)?,
            beta: config.row(room, n, |one| one.beta)?,
            rho: config.row(room, n, |one| decay(one.dt, one.tau_adaptation))?,
            height: config.row(room, n, |one| one.height())?,
            per_width: config.row(room, n, |one| 1.0 / one.width())?,
            a: room.zeros(1, padded::<F>(n))?,
        })
    }

    fn lend(&mut self) -> OwnMut<'_, F> {
        OwnMut {
            alpha: &self.alpha,
            zeta: &self.zeta,
            v_th: &self.v_th,
            beta: &self.beta,
            rho: &self.rho,
            height: &self.height,
            per_width: &self.per_width,
            a: &mut self.a,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::Neuron;
    use crate::Float;
    use crate::numbers::plain;
    use crate::numbers::walk;
    use crate::options::{Gain, LayerConfig, PerNeuron, ResetMechanism, Surrogate};
    use crate::testing::{Noise, in_both, made, near};

    /// More than a unit, and not a whole number of them.
    const N: usize = 19;

    /// One neuron, as the method has it: no vectors, no counters, but the step of its last spike.
    struct Literal<'a> {
        config: &'a LayerConfig,
        tau_mem: f64,
        current: f64,
        v: f64,
        z: f64,
        psi: f64,
        last_spike: Option<usize>,
    }

    impl Literal<'_> {
        fn step(&mut self, t: usize, current: f64) {
            let LayerConfig {
                dt,
                threshold: v_th,
                n_ref,
                tau_syn,
                ..
            } = *self.config;
            let tau_mem = self.tau_mem;
            let alpha = libm::exp(-dt / tau_mem);
            let zeta = match self.config.input_gain {
                Gain::Unit => 1.0,
                Gain::Leak => 1.0 - alpha,
            };
            let sigma = match tau_syn == 0.0 {
                true => 0.0,
                false => libm::exp(-dt / tau_syn),
            };
            self.current = sigma * self.current + zeta * current;
            self.v = match self.config.reset_mechanism {
                ResetMechanism::Subtract => alpha * self.v + self.current - v_th * self.z,
                ResetMechanism::Zero => alpha * self.v * (1.0 - self.z) + self.current,
            };
            let refractory = self.last_spike.is_some_and(|last| t < last + n_ref);
            let h = self.config.surrogate_height.unwrap_or(0.3 / v_th);
            let w = self.config.surrogate_width.unwrap_or(v_th);
            let d = (self.v - v_th).abs();
            self.psi = match self.config.surrogate {
                _ if refractory => 0.0,
                Surrogate::PiecewiseLinear => h * f64::max(0.0, 1.0 - d / w),
                Surrogate::Exponential => h * libm::exp(-d / w),
                Surrogate::FastSigmoid => h / libm::pow(1.0 + d / w, 2.0),
                Surrogate::Arctan => h / (1.0 + libm::pow(d / w, 2.0)),
                Surrogate::Boxcar => {
                    if d < w {
                        h
                    } else {
                        0.0
                    }
                }
            };
            self.z = if self.v >= v_th && !refractory {
                1.0
            } else {
                0.0
            };
            if self.z == 1.0 {
                self.last_spike = Some(t);
            }
        }
    }

    /// Neurons and their equations under the same currents, which fire them at about every fifth step.
    fn side_by_side<F: Float>(config: &LayerConfig, steps: usize) {
        let mut neurons: Neuron<F> = made(|room| Neuron::new(room, N, config));
        let one = |j: usize| Literal {
            config,
            tau_mem: config.of(j).tau_mem,
            current: 0.0,
            v: 0.0,
            z: 0.0,
            psi: 0.0,
            last_spike: None,
        };
        let mut literal: Vec<_> = (0..N).map(one).collect();
        let (mut noise, mut n_spikes) = (Noise(1), 0);
        for t in 0..steps {
            // Padding is given currents, too, which must reach nobody.
            let mut current = noise.numbers::<F>(neurons.padded_z().len());
            let scale = F::cast(config.threshold / config.zeta());
            current
                .iter_mut()
                .for_each(|x| *x = *x * scale + F::cast(0.25) * scale);
            neurons.step(&current);
            for (literal, current) in literal.iter_mut().zip(&current) {
                literal.step(t, current.to_f64());
            }
            let all = |of: fn(&Literal<'_>) -> f64| literal.iter().map(of).collect::<Vec<_>>();
            near("v", neurons.v(), &all(|one| one.v));
            near("psi", neurons.psi(), &all(|one| one.psi));
            near("z", neurons.z(), &all(|one| one.z));
            let fired = (0..N as u32).filter(|&j| literal[j as usize].z == 1.0);
            assert_eq!(neurons.fired(), fired.collect::<Vec<_>>());
            assert!(
                neurons.padded_z()[N..]
                    .iter()
                    .chain(&neurons.padded_psi()[N..])
                    .all(|&x| x == F::ZERO)
            );
            n_spikes += neurons.fired().len();
        }
        assert!(n_spikes > steps * N / 50, "{n_spikes} spikes");
    }

    in_both! {
        fn an_evaluation_fires_as_learning_does<F>() {
            for n_ref in [0, 4] {
                let config = LayerConfig { n_ref, ..LayerConfig::default() };
                let mut learning: Neuron<F> = made(|room| Neuron::new(room, N, &config));
                let mut evaluating: Neuron<F> = made(|room| Neuron::of_evaluation(room, N, &config));
                assert!(evaluating.psi.is_empty() && !learning.psi.is_empty());
                let (mut noise, mut n_spikes) = (Noise(3), 0);
                for _ in 0..60 {
                    let current = noise.numbers::<F>(learning.padded_z().len());
                    learning.step(&current);
                    evaluating.step(&current);
                    assert_eq!(evaluating.fired(), learning.fired());
                    assert_eq!(evaluating.padded_z(), learning.padded_z());
                    assert_eq!(evaluating.v(), learning.v());
                    n_spikes += learning.fired().len();
                }
                assert!(n_spikes > 60, "{n_spikes} spikes");
                evaluating.reset();
                assert!(evaluating.fired().is_empty());
            }
        }
    }

    in_both! {
        fn both_resets_and_gains_are_their_recursions<F>() {
            for &reset_mechanism in ResetMechanism::ALL {
                for &input_gain in Gain::ALL {
                    let config = LayerConfig { reset_mechanism, input_gain, threshold: 0.5, ..LayerConfig::default() };
                    side_by_side::<F>(&config, 150);
                }
            }
        }
    }

    in_both! {
        fn membranes_and_currents_are_those_of_each_neuron<F>() {
            let taus: Vec<f64> = (0..N).map(|j| 5.0 + 2.0 * j as f64).collect();
            for (tau_mem, tau_syn) in [(Some(taus.clone()), 0.0), (None, 3.0), (Some(taus), 3.0)] {
                for &reset_mechanism in ResetMechanism::ALL {
                    for &input_gain in Gain::ALL {
                        let each = PerNeuron { tau_mem: tau_mem.clone(), ..PerNeuron::default() };
                        let config = LayerConfig { each, tau_syn, reset_mechanism, input_gain, threshold: 0.5, ..LayerConfig::default() };
                        side_by_side::<F>(&config, 150);
                    }
                }
            }
        }
    }

    in_both! {
        fn psi_is_the_surrogate_of_the_distance_from_the_threshold<F>() {
            for &surrogate in Surrogate::ALL {
                for (surrogate_height, surrogate_width) in [(None, None), (Some(0.75), Some(0.5))] {
                    let config = LayerConfig { surrogate, surrogate_height, surrogate_width, threshold: 1.5, ..LayerConfig::default() };
                    side_by_side::<F>(&config, 80);
                }
            }
        }
    }

    in_both! {
        fn a_spike_leaves_a_neuron_refractory_until_n_ref_steps_have_gone_by<F>() {
            for n_ref in 0..6 {
                for &reset_mechanism in ResetMechanism::ALL {
                    side_by_side::<F>(&LayerConfig { n_ref, reset_mechanism, ..LayerConfig::default() }, 100);
                }
            }
        }
    }

    in_both! {
        fn under_a_constant_strong_current_spikes_are_n_ref_steps_apart<F>() {
            for (n_ref, apart) in [(0, 1), (1, 1), (2, 2), (5, 5)] {
                let config = LayerConfig { n_ref, ..LayerConfig::default() };
                let mut neurons: Neuron<F> = made(|room| Neuron::new(room, 1, &config));
                let current = [F::cast(9.0); 16];
                let spikes: Vec<_> = (0..20).filter(|_| {
                    neurons.step(&current);
                    !neurons.fired().is_empty()
                }).collect();
                assert!(spikes.windows(2).all(|pair| pair[1] - pair[0] == apart), "{n_ref}: {spikes:?}");
            }
        }
    }

    in_both! {
        fn a_membrane_at_the_threshold_fires<F>() {
            let mut neurons: Neuron<F> = made(|room| Neuron::new(room, 2, &LayerConfig::default()));
            let mut current = [F::ZERO; 16];
            current[0] = F::ONE;
            current[1] = F::cast(0.999);
            neurons.step(&current);
            assert_eq!(neurons.fired(), [0]);
            near("psi", neurons.psi(), &[0.3, 0.3 * 0.999]);
        }
    }

    in_both! {
        fn a_membrane_that_fades_out_is_zero<F>() {
            let config = LayerConfig { tau_mem: 1.0, ..LayerConfig::default() };
            let mut neurons: Neuron<F> = made(|room| Neuron::new(room, 1, &config));
            neurons.step(&[F::cast(0.5); 16]);
            for _ in 0..700 {
                neurons.step(&[F::ZERO; 16]);
            }
            assert_eq!(neurons.v(), [F::ZERO]);
        }
    }

    in_both! {
        fn a_reset_is_silence_and_bytes_bring_back_who_fired<F>() {
            let each = PerNeuron { tau_mem: Some((1..=N).map(|j| j as f64).collect()), ..PerNeuron::default() };
            let config = LayerConfig { n_ref: 4, tau_syn: 3.0, each, ..LayerConfig::default() };
            let new = || made(|room| Neuron::<F>::new(room, N, &config));
            let (mut neurons, mut noise) = (new(), Noise(3));
            let mut current = noise.numbers::<F>(neurons.padded_z().len());
            current[3] = F::cast(2.0);
            neurons.step(&current);
            assert!(neurons.fired().contains(&3));
            let mut twin = new();
            plain::load(&mut twin, &plain::save(&neurons).unwrap()).unwrap();
            assert_eq!(twin.fired(), neurons.fired());
            neurons.step(&current);
            twin.step(&current);
            assert!(walk::same(&neurons, &twin));
            neurons.reset();
            assert!(walk::same(&neurons, &new()) && neurons.fired().is_empty());
        }
    }
}
