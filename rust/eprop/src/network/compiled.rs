//! Networks as they are compiled with the crate.

use super::circle::Circle;
use super::recurrent::{self, Recurrent};
use super::stack::{self, Stack};
use super::stage::Stage;
use crate::numbers::compiled::compiled;
use crate::numbers::interrupt::Pace;
use crate::numbers::lazy::Lazy;
use crate::numbers::room::Room;
use crate::numbers::step::Step;
use crate::options::plan::{Plan, StackPlan};
use crate::options::{Config, StackConfig};
use crate::parts::input::Input;
use crate::{Error, Float};

compiled! {
    /// What [`Wiring`](super::wiring::Wiring) asks of networks, and [`OnlineLifLayer`](crate::OnlineLifLayer) of its layer, where much is done.
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
        fn forward_layer(layer: &mut Stage<Self>, x: Input<'_, Self>, learning: bool) -> () = Stage::forward;
        fn propagate_layer(layer: &mut Stage<Self>, below: &mut [Self]) -> () = Stage::propagate;
        fn take_delta_of_layer(layer: &mut Stage<Self>) -> () = Stage::take_delta;
        fn learn_layer(layer: &mut Stage<Self>, at_once: Option<Self>) -> () = Stage::learn;
        fn update_layer(w: &mut Lazy<Self>, step: Step<'_, Self>) -> () = Lazy::update;
        fn finite_layer(w: &mut Lazy<Self>) -> bool = Lazy::finite;
    }
}
