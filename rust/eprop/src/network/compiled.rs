//! Networks as they are compiled with the crate.

use super::circle::Circle;
use super::recurrent::{self, Recurrent};
use super::stack::{self, Stack};
use crate::numbers::compiled::compiled;
use crate::numbers::interrupt::Pace;
use crate::numbers::room::Room;
use crate::options::plan::{Plan, StackPlan};
use crate::options::{Config, StackConfig};
use crate::parts::input::Input;
use crate::{Error, Float};

compiled! {
    /// What [`Wiring`](super::wiring::Wiring) asks of networks where much is done.
    trait Networks {
        fn recurrent(network: &mut Recurrent<Self>) -> &mut dyn Circle<Self> = core::convert::identity;
        fn new_recurrent(
            room: &mut Room<'_>, plan: &Plan, config: &Config, first: Option<&Recurrent<Self>>
        ) -> Result<Recurrent<Self>, Error> = Recurrent::silent;
        fn credit(
            streams: &mut [Recurrent<Self>], ending: bool, pace: &mut Pace<'_>
        ) -> Result<(), Error> = Recurrent::credit_together;
        fn evaluate_recurrent(
            network: &Recurrent<Self>, present: &mut recurrent::Present<Self>, x: Input<'_, Self>
        ) -> () = Recurrent::step_of;
        fn stack(network: &mut Stack<Self>) -> &mut dyn Circle<Self> = core::convert::identity;
        fn new_stack(
            room: &mut Room<'_>, plan: &StackPlan, config: &StackConfig, first: Option<&Stack<Self>>
        ) -> Result<Stack<Self>, Error> = Stack::silent;
        fn evaluate_stack(
            network: &Stack<Self>, present: &mut [stack::Present<Self>], x: Input<'_, Self>
        ) -> () = Stack::step_of;
    }
}
