//! Feed-forward synapses ("`OnlineLIFLayer` and `OnlineTrainer`" in docs/method.md): the gradient of a step is psi times signal, outer, z_bar. No
//! N x P trace exists, and in factors no step touches more rows than sources that fire.

use crate::kernels;
use crate::numbers::aligned::padded;
use crate::numbers::lazy::{Layout, Lazy, Shape};
use crate::numbers::parameter::Keeps;
use crate::numbers::room::Room;
use crate::numbers::walk::parts;
use crate::options::LayerConfig;
use crate::options::filters::decay;
use crate::options::plan::base_block;
use crate::parts::sources::Sources;
use crate::{Error, Float};

/// Weights from P sources to N neurons and the trace of the sources.
#[derive(Debug)]
pub(crate) struct FeedForward<F> {
    zeta: F,
    pub(crate) w: Lazy<F>,
}

parts!(FeedForward { Weight: [w] });

impl<F: Float> FeedForward<F> {
    /// Silent synapses with weights of 0, or those of the stream `first`.
    pub(crate) fn new(
        room: &mut Room,
        (p, n): (usize, usize),
        config: &LayerConfig,
        keeps: Keeps,
        first: Option<&Self>,
    ) -> Result<Self, Error> {
        let shape = Shape {
            sources: p,
            source_stride: p,
            targets: n,
            target_stride: padded::<F>(n),
            layout: Layout::BySource,
        };
        let alpha = decay(config.dt, config.tau_mem);
        let block = base_block(config.tau_mem / config.dt);
        Ok(Self {
            zeta: F::cast(config.input_gain.of(config.dt, config.tau_mem)),
            w: Lazy::new(
                room,
                shape,
                (alpha, block),
                keeps,
                first.map(|first| &first.w),
            )?,
        })
    }

    /// What this step's sources send, before its gain; their traces move on.
    pub(crate) fn drive(&mut self, sources: &Sources<'_, F>, learning: bool, current: &mut [F]) {
        self.w.begin(learning);
        current.fill(F::ZERO);
        let sources = sources.all().map(|(source, s)| (source as usize, s));
        self.w.send(sources, self.zeta, current);
    }

    /// The signal for the layer below, `W^T (zeta delta)`, with `delta = psi L`, padded, and the weights as they are now.
    pub(crate) fn propagate(&self, delta: &[F], below: &mut [F]) {
        self.w.send_back(delta, below);
        kernels::scale_row(self.zeta, below);
    }

    /// Adds the gradient `delta z_bar^T`, or applies it at once.
    pub(crate) fn learn(&mut self, delta: &[F], at_once: Option<F>) {
        let (down, v) = self.w.factor();
        kernels::add_row(at_once.unwrap_or(F::ONE) * down, delta, v);
        self.w.learned();
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use ndarray::Array1;

    use super::{FeedForward, Keeps};
    use crate::Float;
    use crate::numbers::step::Step;
    use crate::options::{Gain, LayerConfig};
    use crate::parts::sources::SourceList;
    use crate::testing::{Noise, doubles, in_both, made, near, same_bits};

    const P: usize = 18;
    const N: usize = 5;
    const ETA: f64 = 0.03125;

    /// By source.
    fn weights<F: Float>(synapses: &FeedForward<F>) -> Vec<F> {
        let mut w = vec![];
        synapses.w.read(|_, row| w.extend_from_slice(row)).unwrap();
        w
    }

    fn feed_forward<F: Float>(config: &LayerConfig, pending: bool) -> FeedForward<F> {
        let keeps = Keeps {
            pending,
            moments: 0,
        };
        let mut synapses = made(|room| FeedForward::new(room, (P, N), config, keeps, None));
        let mut noise = Noise(1);
        synapses.w.assign(|_, _| F::cast(noise.signed()));
        synapses
    }

    /// `dW = sum_t (psi L) z_bar^T`, the current before its gain, and the signal down with the weights before the step.
    fn follows<F: Float>(config: &LayerConfig, pending: bool) {
        let mut synapses = feed_forward::<F>(config, pending);
        let mut sources = made(|room| SourceList::<F>::new(room, P, 0));
        let alpha = libm::exp(-config.dt / config.tau_mem);
        let zeta = if config.input_gain == Gain::Leak {
            1.0 - alpha
        } else {
            1.0
        };
        let (mut w, mut g, mut z_bar) = (doubles(&weights(&synapses)), vec![0.0; P * N], [0.0; P]);
        let mut noise = Noise(2);
        for t in 1..60 {
            // Spikes, analog values, and dense rows.
            let mut x = Array1::from_elem(P, F::ZERO);
            for i in noise.some_of(P, if t % 5 == 0 { 0.7 } else { 0.1 }) {
                x[i as usize] = if t % 3 == 0 {
                    F::cast(noise.signed())
                } else {
                    F::ONE
                };
            }
            sources.take(x.view().into(), &[]);
            let mut current = vec![F::ONE; 16];
            synapses.drive(&sources.get(), true, &mut current);
            let sum = |j: usize| (0..P).map(|i| x[i].to_f64() * w[i * N + j]).sum::<f64>();
            near("I", &current[..N], &(0..N).map(sum).collect::<Vec<_>>());
            z_bar
                .iter_mut()
                .zip(&x)
                .for_each(|(z_bar, x)| *z_bar = alpha * *z_bar + zeta * x.to_f64());
            near("z_bar", &synapses.w.traces().collect::<Vec<_>>(), &z_bar);

            let mut delta = vec![F::ZERO; 16];
            delta[..N].copy_from_slice(&noise.numbers(N));
            let mut below = [F::ONE; P];
            synapses.propagate(&delta, &mut below);
            let back = |i: usize| {
                zeta * (0..N)
                    .map(|j| w[i * N + j] * delta[j].to_f64())
                    .sum::<f64>()
            };
            near("below", &below, &(0..P).map(back).collect::<Vec<_>>());

            synapses.learn(&delta, (!pending).then_some(F::cast(ETA)));
            for at in 0..P * N {
                g[at] += delta[at % N].to_f64() * z_bar[at / N];
            }
            if !pending || t % 11 == 0 {
                synapses.w.update(Step::Descend { eta: F::cast(ETA) });
                w.iter_mut()
                    .zip(&mut g)
                    .for_each(|(w, g)| *w -= ETA * core::mem::take(g));
            }
            near("W", &weights(&synapses), &w);
        }
    }

    in_both! {
        fn the_gradient_of_a_step_is_signal_times_trace_at_once_or_waiting<F>() {
            for input_gain in [Gain::Unit, Gain::Leak] {
                for tau_mem in [1.0, 6.0, 20.0] {
                    let config = LayerConfig { input_gain, tau_mem, ..LayerConfig::default() };
                    follows::<F>(&config, false);
                    follows::<F>(&config, true);
                }
            }
        }
    }

    in_both! {
        fn another_stream_reads_weights_that_are_in_no_factors<F>() {
            let config = LayerConfig::default();
            let first = feed_forward::<F>(&config, true);
            let keeps = Keeps { pending: true, moments: 0 };
            let other = made(|room| FeedForward::new(room, (P, N), &config, keeps, Some(&first)));
            same_bits("W", &weights(&other), &weights(&first));
        }
    }
}
