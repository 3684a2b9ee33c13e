//! Named choices: the strings of the Python face and the enums of the crate, in one place.

use alloc::string::String;

use crate::Error;

/// An enum of named choices: the strings of the Python face, parsed and printed in one place.
macro_rules! choice {
    ($(#[$meta:meta])* pub enum $name:ident as $argument:literal { $($(#[$doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// Every choice, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name that the Python face uses.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl core::str::FromStr for $name {
            type Err = $crate::Error;

            fn from_str(text: &str) -> Result<Self, $crate::Error> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err($crate::options::choice::no_such_choice($argument, &[$($text),+], text)),
                }
            }
        }
    };
}
pub(crate) use choice;

pub(crate) fn no_such_choice(argument: &'static str, choices: &[&str], got: &str) -> Error {
    let mut expected = String::from("one of ");
    for (at, choice) in choices.iter().enumerate() {
        if at > 0 {
            expected.push_str(", ");
        }
        expected.push('"');
        expected.push_str(choice);
        expected.push('"');
    }
    Error::value(argument, expected, alloc::format!("{got:?}"))
}
