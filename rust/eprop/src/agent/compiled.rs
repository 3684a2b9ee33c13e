//! Traces of decisions as they are compiled with the crate.

use super::trace::Trace;
use crate::network::recurrent::Recurrent;
use crate::numbers::compiled::compiled;
use crate::parts::optimizer::Steps;
use crate::{Error, Float};

compiled! {
    /// What passes over all weights.
    trait Traces {
        fn take_in_trace(trace: &mut Trace<Self>, decay: Self, of: &Recurrent<Self>, l: &[Self], err: &[Self]) -> () = Trace::take_in;
        fn add_trace(trace: &mut Trace<Self>, times: Self, other: &Trace<Self>) -> () = Trace::add;
        fn apply_trace(trace: &Trace<Self>, to: &mut Recurrent<Self>, steps: Steps<'_>) -> Result<(), Error> = Trace::apply;
    }
}
