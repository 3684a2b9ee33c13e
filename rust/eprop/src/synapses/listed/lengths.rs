//! How long a step's gradient is, without a pass over all synapses: as in the factored form, of each neuron's own sources.

use core::ops::Range;

use super::super::factored::AdaptiveLengths;
use crate::kernels::isa::UNIT;
use crate::kernels::{self, AdaptiveGrowth, AdaptiveListedSquares, LANES, ListedSquares};
use crate::numbers::aligned::Aligned;
use crate::numbers::parallel::{each, share};
use crate::numbers::room::Room;
use crate::numbers::walk::{Role, Walk, WalkMut, Walked};
use crate::{Error, Float};

/// Into so many chunks at most the neurons are cut, of which each has a part of the squared length: by their number alone, so that no bit of the sum depends on who
/// adds up what.
const CHUNKS: usize = 32;

/// Neurons to a chunk, at least.
const LEAST: usize = 1 << 12;

fn chunk(stride: usize) -> usize {
    let units = stride.div_ceil(UNIT).div_ceil(CHUNKS);
    LEAST.max(units * UNIT)
}

/// `sum_i e^2`, `sum_i e zt` and `sum_i zt^2` over the sources of every neuron, in float64, of each set.
#[derive(Debug)]
pub(super) struct Lengths {
    stride: usize,
    ee: Aligned<f64>,
    ez: Aligned<f64>,
    zz: Aligned<f64>,
    /// Where a source has a second trace in each neuron.
    adaptive: Option<AdaptiveLengths>,
    /// Whether the sums do not know yet what the step under way does to them.
    pub(super) due: bool,
}

/// What a step does to the sums.
#[derive(Clone, Copy)]
pub(super) struct Growth<'a, F> {
    /// What a spike of value 1 adds to `zt`.
    pub(super) up: F,
    /// `X1` grows by so many psi.
    pub(super) grow: F,
    pub(super) psi: &'a [F],
    /// Before it grows.
    pub(super) x1: &'a [F],
}

impl Lengths {
    /// `adapts`: whether a source has a second trace in each neuron.
    pub(super) fn new(
        room: &mut Room,
        sets: usize,
        stride: usize,
        adapts: bool,
    ) -> Result<Self, Error> {
        Ok(Self {
            adaptive: match adapts {
                true => Some(AdaptiveLengths::new(room, sets, stride)?),
                false => None,
            },
            stride,
            ee: room.zeros(sets, stride)?,
            ez: room.zeros(sets, stride)?,
            zz: room.zeros(sets, stride)?,
            due: false,
        })
    }

    fn row(&self, set: usize) -> Range<usize> {
        set * self.stride..(set + 1) * self.stride
    }

    /// Ends a step of a set: what its spikes summed up, and the growth of `X1`. Returns `sum_j L_j^2 Q_j / kappa_e^2u`.
    pub(super) fn step<F: Float>(
        &mut self,
        set: usize,
        growth: Growth<'_, F>,
        l: &[F],
        sums: &[F],
    ) -> f64 {
        let row = self.row(set);
        let Growth { up, grow, psi, x1 } = growth;
        let (up, grow) = (up.to_f64(), grow.to_f64());
        let chunk = chunk(self.stride);
        let mut lengths = [0.0; CHUNKS];
        let ee = self.ee[row.clone()].chunks_mut(chunk);
        let (ez, zz) = (&mut self.ez[row.clone()], &mut self.zz[row]);
        let sums_of_each = ee.zip(ez.chunks_mut(chunk)).zip(zz.chunks_mut(chunk));
        let chunks = sums_of_each.zip(&mut lengths).enumerate();
        each(chunks, |(at, (((ee, ez), zz), length))| {
            let here = at * chunk..at * chunk + ee.len();
            let sums = match sums.is_empty() {
                true => sums,
                false => &sums[LANES * here.start..LANES * here.end],
            };
            let [psi, x1, l] = [psi, x1, l].map(|row| &row[here.clone()]);
            let to = ListedSquares { ee, ez, zz };
            *length = kernels::step_listed_lengths(up, grow, sums, psi, x1, l, to);
        });
        lengths.iter().sum()
    }

    /// The same where a source has a second trace in each neuron; `up`: what a spike of value 1 adds to `zt`.
    pub(super) fn step_adaptive<F: Float>(
        &mut self,
        set: usize,
        (up, x1): (F, &[F]),
        growth: AdaptiveGrowth<'_, F>,
        l: &[F],
        sums: &[F],
    ) -> f64 {
        let row = self.row(set);
        let Some(adaptive) = &mut self.adaptive else {
            return 0.0;
        };
        let to = AdaptiveListedSquares {
            ee: &mut self.ee[row.clone()],
            ez: &mut self.ez[row.clone()],
            zz: &mut self.zz[row.clone()],
            eh: &mut adaptive.eh[row.clone()],
            hh: &mut adaptive.hh[row.clone()],
            hz: &mut adaptive.hz[row],
        };
        kernels::step_listed_adaptive_lengths(up.to_f64(), sums, x1, l, growth, to)
    }

    /// A block's end, at which `k` is left of `C + X1 zt`, which is `C` from then on, and `a` of `zt`.
    pub(super) fn end_block<F: Float>(&mut self, k: F, a: F) {
        let (k, a) = (k.to_f64(), a.to_f64());
        if k == 1.0 && a == 1.0 {
            return;
        }
        let share = share(self.ee.len());
        for (by, sums) in [
            (k * k, &mut self.ee),
            (k * a, &mut self.ez),
            (a * a, &mut self.zz),
        ] {
            each(sums.chunks_mut(share), |part| kernels::scale_row(by, part));
        }
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.end_block(k, a);
        }
    }

    /// No traces at all.
    pub(super) fn clear(&mut self) {
        for sums in [&mut self.ee, &mut self.ez, &mut self.zz] {
            sums.fill(0.0);
        }
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.clear();
        }
        self.due = false;
    }

    /// A synapse of a set, to sums that it is not in yet, at a block's start; `d`: where it has one, 0 elsewhere.
    pub(super) fn add<F: Float>(&mut self, set: usize, j: usize, [c, d]: [F; 2], zt: F) {
        let at = set * self.stride + j;
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.add(at..at + 1, &[c], &[d], zt.to_f64());
        }
        let (c, zt) = (c.to_f64(), zt.to_f64());
        self.ee[at] += c * c;
        self.ez[at] += c * zt;
        self.zz[at] += zt * zt;
    }
}

impl Walked for Lengths {
    fn walk<'a>(&'a self, _: &'static str, _: Role, to: &mut dyn Walk<'a>) {
        self.ee.walk("ee", Role::State, to);
        self.ez.walk("ez", Role::State, to);
        self.zz.walk("zz", Role::State, to);
        self.adaptive.walk("adaptive", Role::State, to);
    }
    fn walk_mut(&mut self, _: &'static str, _: Role, to: &mut dyn WalkMut) -> Result<(), Error> {
        self.ee.walk_mut("ee", Role::State, to)?;
        self.ez.walk_mut("ez", Role::State, to)?;
        self.zz.walk_mut("zz", Role::State, to)?;
        self.adaptive.walk_mut("adaptive", Role::State, to)
    }
}
