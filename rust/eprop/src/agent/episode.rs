//! What an environment's stream keeps beside its network: the trace of its decisions, and the last of them.

use alloc::vec::Vec;

use super::policy::{choose, entropy, likeliest, log, softmax};
use super::trace::Trace;
use crate::network::recurrent::Recurrent;
use crate::numbers::aligned::{Aligned, padded};
use crate::numbers::room::Room;
use crate::numbers::walk::parts;
use crate::options::plan::Plan;
use crate::{Error, Float};

/// Nothing has been decided since the last episode ended.
const BEFORE: u64 = 0;
/// An action was taken; its reward is awaited.
const ACTED: u64 = 1;
/// The reward has come; what follows is awaited, whose value says what the action was worth.
const REWARDED: u64 = 2;

/// How an action is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Choice {
    /// From the policy, with a number in [0, 1).
    Drawn(f64),
    Likeliest,
}

#[derive(Debug)]
pub(super) struct Episode<F> {
    /// `M`.
    pub(super) trace: Trace<F>,
    stage: u64,
    reward: f64,
    /// `V` of the last decision.
    value: f64,
    /// `pi` of the last decision, whether or not it is learned from.
    policy: Vec<f64>,
    td_error: f64,
    /// TD errors since the last update.
    pub(super) n_errors: u64,
    /// Of the decision under way: what it teaches the readouts, and `L`.
    err: Vec<F>,
    l: Aligned<F>,
    /// The same of its entropy.
    err_entropy: Vec<F>,
    l_entropy: Aligned<F>,
}

parts!(Episode {
    State: [trace, reward, value, policy, td_error],
    Mark: [stage],
    Counter: [n_errors],
    Scratch: [err, l, err_entropy, l_entropy],
} then Self::loaded);

impl<F: Float> Episode<F> {
    pub(super) fn new(room: &mut Room, plan: &Plan, has_bias: bool) -> Result<Self, Error> {
        let sizes = plan.sizes;
        Ok(Self {
            trace: Trace::new(room, plan, has_bias)?,
            stage: BEFORE,
            reward: 0.0,
            value: 0.0,
            policy: room.vec(0.0, sizes.n_outputs - 1)?,
            td_error: 0.0,
            n_errors: 0,
            err: room.vec(F::ZERO, sizes.n_outputs)?,
            l: room.zeros(1, padded::<F>(sizes.n))?,
            err_entropy: room.vec(F::ZERO, sizes.n_outputs)?,
            l_entropy: room.zeros(1, padded::<F>(sizes.n))?,
        })
    }

    fn loaded(&mut self) -> Result<(), Error> {
        match self.stage {
            BEFORE | ACTED | REWARDED => Ok(()),
            other => Err(Error::State {
                reason: alloc::format!("stage {other} of an episode, which has three"),
            }),
        }
    }

    /// Whether an action waits for its reward.
    pub(super) fn awaits_reward(&self) -> bool {
        self.stage == ACTED
    }

    /// Whether no decision is to be learned from any more.
    pub(super) fn is_over(&self) -> bool {
        self.stage == BEFORE
    }

    pub(super) fn take_reward(&mut self, reward: f64) {
        self.reward = reward;
        self.stage = REWARDED;
    }

    pub(super) fn policy(&self) -> &[f64] {
        &self.policy
    }

    pub(super) fn value(&self) -> f64 {
        self.value
    }

    pub(super) fn td_error(&self) -> f64 {
        self.td_error
    }

    /// The last decision's reward has come, and `following` is what the value is now, 0 after an end: adds `delta M` to a sum. Returns `0.5 delta^2`.
    pub(super) fn judge(&mut self, gamma: f64, following: f64, sum: &mut Trace<F>) -> f64 {
        self.td_error = self.reward + gamma * following - self.value;
        F::add_trace(sum, F::cast(self.td_error), &self.trace);
        self.n_errors += 1;
        0.5 * self.td_error * self.td_error
    }

    /// What the readouts say after the steps of a decision.
    pub(super) fn see(&mut self, outputs: &[F]) {
        let (value, logits) = outputs
            .split_last()
            .map_or((0.0, outputs), |(v, logits)| (v.to_f64(), logits));
        softmax(logits, &mut self.policy);
        self.value = value;
    }

    /// Takes an action of the policy.
    pub(super) fn choose(&self, choice: Choice) -> usize {
        match choice {
            Choice::Drawn(u) => choose(&self.policy, u),
            Choice::Likeliest => likeliest(&self.policy),
        }
    }

    /// What the action teaches, with `B` as it is now.
    pub(super) fn blame(
        &mut self,
        action: usize,
        value_weight: f64,
        bonus: f64,
        network: &Recurrent<F>,
    ) {
        let b = network.head.backward();
        let h = entropy(&self.policy);
        for (k, &p) in self.policy.iter().enumerate() {
            let taken = if k == action { 1.0 } else { 0.0 };
            self.err[k] = F::cast(p - taken);
            self.err_entropy[k] = F::cast(bonus * p * (log(p) + h));
        }
        if let Some(of_value) = self.err.last_mut() {
            *of_value = F::cast(-value_weight);
        }
        b.signal(&self.err, &mut self.l);
        if bonus != 0.0 {
            b.signal(&self.err_entropy, &mut self.l_entropy);
        }
    }

    /// The decision joins the trace, and its entropy's gradient a sum, if there is one; its reward is awaited from now on.
    pub(super) fn remember(
        &mut self,
        decay: f64,
        network: &Recurrent<F>,
        of_entropy: Option<&mut Trace<F>>,
    ) {
        F::take_in_trace(&mut self.trace, F::cast(decay), network, &self.l, &self.err);
        if let Some(sum) = of_entropy {
            F::take_in_trace(sum, F::ONE, network, &self.l_entropy, &self.err_entropy);
        }
        self.stage = ACTED;
    }

    /// The episode is over: nothing that comes is due to its decisions.
    pub(super) fn end(&mut self) {
        self.trace.clear();
        self.stage = BEFORE;
    }
}
