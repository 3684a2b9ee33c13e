//! A step of learning, as it goes through the row of each source.

use core::ops::Range;

use super::Textbook;
use crate::kernels::{self, Adapting, Eligibility};
use crate::numbers::aligned::Aligned;
use crate::numbers::kinds::Kinds;
use crate::numbers::room::Room;
use crate::numbers::step::Step;
use crate::numbers::walk::parts;
use crate::numbers::wires::Wires;
use crate::synapses::adaptation;
use crate::{Error, Float};

/// What a step does, to whichever row.
pub(super) struct OfStep<F> {
    learns: bool,
    /// The learning rates, where the gradient does not wait.
    at_once: Option<Kinds<F>>,
    kappa_e: F,
    zeta_e: F,
    first_recurrent: usize,
    /// Whether traces may hold anything, and whether the gradient may.
    is_first: bool,
    is_dropped: bool,
    /// Whether there are coefficients of the regulariser, and whether a sum is a stream's.
    has_r: bool,
    of_stream: bool,
    /// Whether all rows have the same coefficients of that sum, which are worked out once.
    shares_of_raw: bool,
    pub(super) is_listed: bool,
    moves: bool,
}

/// What a row is worked out from: numbers of its neurons. Empty where there are none.
#[derive(Clone, Copy)]
pub(super) struct OfNeurons<'a, F> {
    pub(super) psi: &'a [F],
    pub(super) l: &'a [F],
    /// The regulariser's coefficients of a step.
    pub(super) r: &'a [F],
    pub(super) adapting: Option<Adapting<'a, F>>,
}

/// The same of the neurons that one source reaches: as many as the longest list has.
#[derive(Debug)]
pub(super) struct Reached<F> {
    psi: Aligned<F>,
    l: Aligned<F>,
    r: Aligned<F>,
    beta: Aligned<F>,
    rho: Aligned<F>,
}

parts!(Reached {
    Scratch: [psi, l, r, beta, rho],
});

impl<F: Float> Reached<F> {
    pub(super) fn new(
        room: &mut Room,
        longest: usize,
        adapts: bool,
        has_r: bool,
    ) -> Result<Self, Error> {
        let mut row = |needed: bool| room.zeros(usize::from(needed), longest);
        Ok(Self {
            psi: row(true)?,
            l: row(true)?,
            r: row(has_r)?,
            beta: row(adapts)?,
            rho: row(adapts)?,
        })
    }

    /// Those of a list, out of those of all neurons.
    pub(super) fn gather(&mut self, targets: &[u32], all: OfNeurons<'_, F>) -> OfNeurons<'_, F> {
        fn of<'a, F: Float>(targets: &[u32], all: &[F], to: &'a mut [F]) -> &'a [F] {
            if all.is_empty() {
                return &[];
            }
            let to = &mut to[..targets.len()];
            kernels::gather_listed(targets, all, to);
            to
        }
        OfNeurons {
            psi: of(targets, all.psi, &mut self.psi),
            l: of(targets, all.l, &mut self.l),
            r: of(targets, all.r, &mut self.r),
            adapting: match all.adapting {
                None => None,
                Some(Adapting { beta, rho }) => Some(Adapting {
                    beta: of(targets, beta, &mut self.beta),
                    rho: of(targets, rho, &mut self.rho),
                }),
            },
        }
    }
}

/// The numbers of the synapses of source `i`; empty where the form does without them.
pub(super) struct RowMut<'a, F> {
    i: usize,
    e_bar: &'a mut [F],
    eps_a: &'a mut [F],
    /// `z_bar` of the source, unless each neuron has its own.
    z_bar: Option<F>,
    z_bars: &'a mut [F],
    /// The weights, or the gradient that waits.
    learned: &'a mut [F],
    sum_e: &'a mut [F],
    /// Scratch memory: `e`, and the coefficients of the sum.
    e: &'a mut [F],
    of_raw: &'a mut [F],
}

impl<F: Float> Textbook<F> {
    /// Begins a step.
    pub(super) fn begin(
        &mut self,
        all: OfNeurons<'_, F>,
        at_once: Option<Kinds<Step<'_, F>>>,
        learns: bool,
        is_listed: bool,
    ) -> OfStep<F> {
        // The plan lets every other step wait.
        let at_once = at_once.and_then(Kinds::linear);
        let step = OfStep {
            learns,
            at_once,
            kappa_e: self.filters.kappa_e,
            zeta_e: self.filters.zeta_e,
            first_recurrent: self.first_recurrent,
            is_first: self.is_silent(),
            is_dropped: self.is_dropped() && at_once.is_none(),
            has_r: !all.r.is_empty(),
            of_stream: self.of_stream,
            shares_of_raw: self.e.is_empty() && !is_listed,
            is_listed,
            moves: self.moves,
        };
        if step.shares_of_raw && step.of_stream && step.has_r {
            multiply(all.r, all.psi, &mut self.of_raw);
        }
        self.w.waits |= learns && at_once.is_none();
        self.steps += 1;
        step
    }

    /// The numbers of source `i`, which are at `at`.
    pub(super) fn row_mut(
        &mut self,
        i: usize,
        at: Range<usize>,
        step: &OfStep<F>,
    ) -> RowMut<'_, F> {
        fn part<F>(numbers: &mut [F], at: Range<usize>) -> &mut [F] {
            numbers.get_mut(at).unwrap_or_default()
        }
        let len = at.len();
        RowMut {
            i,
            e_bar: &mut self.e_bar[at.clone()],
            eps_a: part(&mut self.eps_a, at.clone()),
            z_bar: self.traces.z_bar.get(i).copied(),
            z_bars: part(&mut self.traces.rows, at.clone()),
            learned: match step.at_once {
                Some(_) => &mut self.w.rows[at.clone()],
                None => part(&mut self.w.pending, at.clone()),
            },
            sum_e: part(&mut self.sum_e, at),
            e: part(&mut self.e, 0..len),
            of_raw: part(&mut self.of_raw, 0..len),
        }
    }
}

impl<F: Float> RowMut<'_, F> {
    /// Clears what may hold anything.
    pub(super) fn clear_old(&mut self, step: &OfStep<F>) {
        if step.is_first {
            self.e_bar.fill(F::ZERO);
            self.eps_a.fill(F::ZERO);
        }
        if step.is_dropped {
            self.learned.fill(F::ZERO);
            self.sum_e.fill(F::ZERO);
        }
    }

    /// Moves the eligibility on and learns with it.
    pub(super) fn learn(&mut self, here: OfNeurons<'_, F>, step: &OfStep<F>) {
        let (z_bar, e) = raw_eligibility((self.z_bar, self.z_bars), here, self.eps_a, self.e);
        let eligibility = Eligibility {
            kappa_e: step.kappa_e,
            drive: step.zeta_e * z_bar,
            psi: e,
        };
        if !step.learns {
            return eligibility.move_on(self.e_bar);
        }
        let regulariser = (step.has_r && !step.of_stream).then_some((here.r, z_bar));
        let (e_bar, to) = (&mut *self.e_bar, &mut *self.learned);
        debug_assert_eq!(e_bar.len(), to.len());
        match step.at_once {
            Some(eta) => {
                let eta = eta.of(self.i, step.first_recurrent);
                eligibility.learn(here.l, regulariser, e_bar, to, |w, g| w - eta * g);
            }
            None => eligibility.learn(here.l, regulariser, e_bar, to, |g, more| g + more),
        }
        if self.sum_e.is_empty() {
            return;
        }
        let of_raw = match step.has_r && step.of_stream {
            false => e,
            true => {
                if !step.shares_of_raw {
                    multiply(here.r, e, self.of_raw);
                }
                &*self.of_raw
            }
        };
        kernels::add_scaled(z_bar, of_raw, self.sum_e);
    }

    /// Looks traces over for those that have faded.
    pub(super) fn silence(&mut self) {
        for traces in [&mut *self.e_bar, self.eps_a, self.z_bars] {
            kernels::silence(traces);
        }
    }

    /// Clears what learning has put where there is no synapse, neither a trace, nor a weight or its gradient: from a neuron to itself, and where `wires` has none.
    pub(super) fn clear_missing(&mut self, wires: Option<&Wires>, step: &OfStep<F>) {
        let own = self.i.checked_sub(step.first_recurrent);
        let clear = |numbers: &mut [F], wires: Option<&Wires>| {
            if numbers.is_empty() {
                return;
            }
            if let Some(j) = own {
                numbers[j] = F::ZERO;
            }
            if let Some(wires) = wires {
                wires.clear(self.i, 0, numbers);
            }
        };
        clear(self.e_bar, wires);
        clear(self.eps_a, wires);
        // Where synapses move, one that comes finds the `z_bar` that it would have.
        clear(self.z_bars, wires.filter(|_| !step.moves));
        if step.learns {
            clear(self.learned, wires);
            clear(self.sum_e, wires);
        }
    }
}

/// `e` of the synapses of a source as a number times a row: `z_bar psi`, unless thresholds move or neurons have a `z_bar` each. Then it is worked out, and the number is 1.
fn raw_eligibility<'a, F: Float>(
    (z_bar, z_bars): (Option<F>, &[F]),
    here: OfNeurons<'a, F>,
    eps_a: &mut [F],
    e: &'a mut [F],
) -> (F, &'a [F]) {
    match (z_bar, here.adapting) {
        (Some(z_bar), None) => return (z_bar, here.psi),
        (Some(z_bar), Some(adapting)) => {
            adaptation::step(adapting, here.psi, |_| z_bar, eps_a, e);
        }
        (None, Some(adapting)) => {
            adaptation::step(adapting, here.psi, |j| z_bars[j], eps_a, e);
        }
        (None, None) => multiply(here.psi, z_bars, e),
    }
    (F::ONE, e)
}

fn multiply<F: Float>(a: &[F], b: &[F], to: &mut [F]) {
    let pairs = to.iter_mut().zip(a).zip(b);
    pairs.for_each(|((to, &a), &b)| *to = a * b);
}
