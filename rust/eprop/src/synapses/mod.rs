//! The synapses: they own the weights together with their eligibility, since the fast forms of the method hold
//! both in factors, and whoever wants a weight or a trace asks and gets a copy.
//! Nobody outside this folder depends on which form is at work.

mod feedforward;
mod textbook;

use alloc::vec::Vec;

pub(crate) use feedforward::FeedForward;
use textbook::Textbook;

use crate::feedback::Signal;
use crate::optimizer::Optimizer;
use crate::persist::Persist;
use crate::{Error, Float};

/// Plastic synapses from P sources to N neurons, matrices source-major: the N values of one source contiguous.
pub(crate) trait Synapses<F: Float> {
    /// The current of this step from its sources; the presynaptic traces move on.
    fn drive(&mut self, sources: &[F], current: &mut [F]);

    /// Moves the eligibility on with this step's `psi`, and adds the gradient that its signal makes;
    /// without a signal nothing is learned. With an optimizer the gradient is applied at once and nothing is pending afterwards.
    fn learn(&mut self, psi: &[F], signal: Option<Signal<'_, F>>, apply: Option<Optimizer<F>>);

    /// Applies the pending gradient, after adding `r sum_t e`.
    fn update(&mut self, r: Option<&[F]>, optimizer: Optimizer<F>);

    /// The pending gradient with `r sum_t e` added, P rows of N.
    fn gradient(&self, r: Option<&[F]>) -> Vec<F>;

    /// The weights, P rows of N.
    fn weights(&self) -> Vec<F>;

    /// Replaces the rows of some sources, from the first on.
    fn set_weights(&mut self, first_source: usize, rows: &[F]);

    /// `e_bar`, P rows of N.
    fn eligibility(&self) -> Vec<F>;

    /// `z_bar`, P.
    fn z_bar(&self) -> &[F];

    /// Whether no weight is NaN or infinite.
    fn all_finite(&self) -> bool;

    /// State and pending gradient to 0; weights stay.
    fn reset(&mut self);
}

/// The decays and gains of a synapse, in the trainer's number type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filters<F> {
    pub(crate) alpha: F,
    pub(crate) zeta: F,
    pub(crate) kappa_e: F,
    pub(crate) zeta_e: F,
}

/// What the recurrent synapses have to keep besides weights and traces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needs {
    /// A gradient that waits for its update.
    pub(crate) pending: bool,
    /// `sum_t e`, for the sequence form of the regulariser.
    pub(crate) sum_e: bool,
}

/// The form that is at work.
#[derive(Clone, Debug)]
pub(crate) enum Form<F> {
    Textbook(Textbook<F>),
}

impl<F: Float> Form<F> {
    /// Synapses with the given weights (P rows of N, the last N sources recurrent).
    pub(crate) fn new(n: usize, w: Vec<F>, filters: Filters<F>, needs: Needs) -> Self {
        Self::Textbook(Textbook::new(n, w, filters, needs))
    }

    /// How many numbers they hold, `None` where that overflows.
    pub(crate) fn numbers_for(p: usize, n: usize, needs: Needs) -> Option<usize> {
        Textbook::<F>::numbers_for(p, n, needs)
    }

    fn form(&self) -> &(impl Synapses<F> + Persist) {
        match self {
            Self::Textbook(form) => form,
        }
    }

    fn form_mut(&mut self) -> &mut (impl Synapses<F> + Persist) {
        match self {
            Self::Textbook(form) => form,
        }
    }
}

impl<F: Float> Synapses<F> for Form<F> {
    fn drive(&mut self, sources: &[F], current: &mut [F]) {
        self.form_mut().drive(sources, current);
    }
    fn learn(&mut self, psi: &[F], signal: Option<Signal<'_, F>>, apply: Option<Optimizer<F>>) {
        self.form_mut().learn(psi, signal, apply);
    }
    fn update(&mut self, r: Option<&[F]>, optimizer: Optimizer<F>) {
        self.form_mut().update(r, optimizer);
    }
    fn gradient(&self, r: Option<&[F]>) -> Vec<F> {
        self.form().gradient(r)
    }
    fn weights(&self) -> Vec<F> {
        self.form().weights()
    }
    fn set_weights(&mut self, first_source: usize, rows: &[F]) {
        self.form_mut().set_weights(first_source, rows);
    }
    fn eligibility(&self) -> Vec<F> {
        self.form().eligibility()
    }
    fn z_bar(&self) -> &[F] {
        self.form().z_bar()
    }
    fn all_finite(&self) -> bool {
        self.form().all_finite()
    }
    fn reset(&mut self) {
        self.form_mut().reset();
    }
}

impl<F: Float> Persist for Form<F> {
    fn save(&self, out: &mut Vec<u8>) {
        self.form().save(out);
    }
    fn load(&mut self, bytes: &mut &[u8]) -> Result<(), Error> {
        self.form_mut().load(bytes)
    }
    fn numbers(&self) -> usize {
        self.form().numbers()
    }
    fn bytes(&self) -> usize {
        self.form().bytes()
    }
}
