//! Synapses as they are compiled with the crate.

use core::ops::{Deref, DerefMut, Range};

use super::form::{AnyForm, Formed};
use crate::numbers::aligned::padded;
use crate::numbers::compiled::compiled;
use crate::numbers::interrupt::Pace;
use crate::numbers::room::Room;
use crate::numbers::shared::Shared;
use crate::numbers::walk::{Role, Walk, WalkMut, Walked};
use crate::numbers::wires::Wires;
use crate::options::Config;
use crate::options::plan::Plan;
use crate::{Error, Float};

compiled! {
    /// The synapses in whichever form, as a table of functions.
    trait Forms {
        fn form(
            room: &mut Room<'_>, plan: &Plan, config: &Config, first: Option<&Shared<Self>>
        ) -> Result<AnyForm<Self>, Error> = AnyForm::new;
        fn synapses(form: &AnyForm<Self>) -> &(dyn Formed<Self> + 'static) = AnyForm::at_work;
        fn synapses_mut(form: &mut AnyForm<Self>) -> &mut (dyn Formed<Self> + 'static) = AnyForm::at_work_mut;
        fn credit_forms(
            streams: &mut dyn Iterator<Item = &mut AnyForm<Self>>, ending: bool, pace: &mut Pace<'_>
        ) -> Result<(), Error> = AnyForm::credit;
    }
}

/// The form that is at work. Nobody outside this folder knows which it is.
#[derive(Debug)]
pub(crate) struct Form<F>(AnyForm<F>);

impl<F: Float> Deref for Form<F> {
    type Target = dyn Formed<F>;
    fn deref(&self) -> &Self::Target {
        F::synapses(&self.0)
    }
}

impl<F: Float> DerefMut for Form<F> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        F::synapses_mut(&mut self.0)
    }
}

impl<F: Float> Form<F> {
    /// Silent synapses with weights of 0, or those of the stream `first`.
    pub(crate) fn new(
        room: &mut Room,
        plan: &Plan,
        config: &Config,
        first: Option<&Shared<F>>,
    ) -> Result<Self, Error> {
        F::form(room, plan, config, first).map(Self)
    }

    /// Reads the weights of another stream, which is of the same form.
    pub(crate) fn share_weights(&mut self, first: &Self) {
        self.0.share_weights(&first.0);
    }

    /// The weights, to be read by a stream under another plan too, where both have them in the same layout.
    pub(crate) fn shared_under(&self, plan: &Plan) -> Option<Shared<F>> {
        self.shared().filter(|_| self.is_listed() == plan.is_listed)
    }

    /// Exchanges the buffers of which nothing outlives a call with those of another stream.
    pub(crate) fn swap_scratch(&mut self, other: &mut Self) {
        self.0.swap_scratch(&mut other.0);
    }

    /// Makes the recurrent credit of streams of the same form side by side, with the buffers of the first. `ending`: no step more belongs to what they have kept.
    ///
    /// # Errors
    /// [`Error::Interrupted`]: then some have none.
    pub(crate) fn credit<'a>(
        streams: impl Iterator<Item = &'a mut Self>,
        ending: bool,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error>
    where
        F: 'a,
    {
        F::credit_forms(&mut streams.map(|form| &mut form.0), ending, pace)
    }

    /// The weights of the synapses of some sources, each with its number among all, in the order of their lists.
    pub(crate) fn each_weight(
        &mut self,
        wires: &Wires,
        sources: Range<usize>,
        mut see: impl FnMut(usize, &mut F),
    ) {
        let (is_listed, stride) = (self.is_listed(), padded::<F>(wires.n_neurons()));
        let rows = self.first_rows();
        for source in sources {
            for synapse in wires.row(source) {
                let at = match is_listed {
                    true => synapse,
                    false => source * stride + wires.all_targets()[synapse] as usize,
                };
                see(synapse, &mut rows[at]);
            }
        }
    }
}

impl<F: Float> Walked for Form<F> {
    fn walk<'a>(&'a self, name: &'static str, role: Role, to: &mut dyn Walk<'a>) {
        (**self).walk(name, role, to);
    }
    fn walk_mut(
        &mut self,
        name: &'static str,
        role: Role,
        to: &mut dyn WalkMut,
    ) -> Result<(), Error> {
        (**self).walk_mut(name, role, to)
    }
}
