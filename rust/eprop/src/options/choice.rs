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

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = alloc::string::String::deserialize(from)?;
                text.parse().map_err(serde::de::Error::custom)
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

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use core::fmt::Debug;
    use core::str::FromStr;

    use crate::Error;
    use crate::options::{
        Engine, Feedback, Gain, Loss, Reduction, RegularisedSide, ResetMechanism, Surrogate,
    };

    choice! {
        pub enum Fruit as "fruit" {
            Apple = "apple",
            BloodOrange = "blood_orange",
        }
    }

    #[test]
    fn a_name_is_parsed_into_its_choice_and_printed_again() {
        assert_eq!(Fruit::ALL, [Fruit::Apple, Fruit::BloodOrange]);
        assert_eq!("apple".parse(), Ok(Fruit::Apple));
        assert_eq!("blood_orange".parse(), Ok(Fruit::BloodOrange));
        assert_eq!(Fruit::BloodOrange.as_str(), "blood_orange");
    }

    #[test]
    fn a_name_of_no_choice_is_an_error_that_lists_all() {
        for name in ["Apple", "", "blood orange", "pear"] {
            let error = name.parse::<Fruit>().unwrap_err();
            let expected = r#"fruit: expected one of "apple", "blood_orange", got "#;
            assert_eq!(error.to_string(), alloc::format!("{expected}{name:?}"));
        }
    }

    fn names_are_choices<T: Copy + Debug + PartialEq + FromStr<Err = Error>>(
        all: &[T],
        name: fn(T) -> &'static str,
        names: &[&str],
    ) {
        let got: alloc::vec::Vec<_> = all.iter().map(|&choice| name(choice)).collect();
        assert_eq!(got, names);
        for &choice in all {
            assert_eq!(name(choice).parse(), Ok(choice));
        }
    }

    #[test]
    fn the_choices_have_the_names_of_the_python_face() {
        let surrogates = [
            "piecewise_linear",
            "exponential",
            "fast_sigmoid",
            "arctan",
            "boxcar",
        ];
        names_are_choices(Surrogate::ALL, Surrogate::as_str, &surrogates);
        names_are_choices(Loss::ALL, Loss::as_str, &["mse", "cross_entropy"]);
        names_are_choices(
            Feedback::ALL,
            Feedback::as_str,
            &["symmetric", "random", "adaptive"],
        );
        names_are_choices(
            RegularisedSide::ALL,
            RegularisedSide::as_str,
            &["both", "above", "below"],
        );
        names_are_choices(Gain::ALL, Gain::as_str, &["unit", "leak"]);
        names_are_choices(
            ResetMechanism::ALL,
            ResetMechanism::as_str,
            &["subtract", "zero"],
        );
        names_are_choices(Reduction::ALL, Reduction::as_str, &["sum", "mean"]);
        names_are_choices(
            Engine::ALL,
            Engine::as_str,
            &["textbook", "factored", "block"],
        );
    }
}
