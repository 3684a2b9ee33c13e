//! Feed-forward synapses ("`OnlineLIFLayer` and `OnlineTrainer`" in docs/method.md): the gradient of a step is psi times signal, outer, z_bar. No
//! N x P trace exists, and in factors no step touches more rows than sources that fire.

use crate::kernels;
use crate::numbers::aligned::padded;
use crate::numbers::lazy::{Layout, Lazy, Shape};
use crate::numbers::parameter::Keeps;
use crate::numbers::room::Room;
use crate::numbers::walk::parts;
use crate::options::LayerConfig;
use crate::options::config::decay;
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
