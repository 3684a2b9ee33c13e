//! Everything that can be wrong with what a caller hands over.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use core::fmt;

/// What was rejected. Rejected input changes nothing: neither weights nor state.
///
/// ```
/// use eprop::{Config, EpropTrainer, Error};
/// use ndarray::Array1;
/// let mut trainer = EpropTrainer::<f32>::new(3, 4, 2, Config::default())?;
/// let error = trainer.step(Array1::zeros(5).view(), None).unwrap_err();
/// assert!(matches!(error, Error::Shape { .. }));
/// assert_eq!(error.to_string(), "x: expected shape (3,), got (5,)");
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// An array of the wrong shape.
    Shape {
        /// The argument's name.
        argument: Cow<'static, str>,
        /// The shape that was expected.
        expected: String,
        /// The shape that came.
        got: String,
    },
    /// A value outside its domain.
    Value {
        /// The argument's name.
        argument: Cow<'static, str>,
        /// What was expected.
        expected: String,
        /// What came.
        got: String,
    },
    /// Sizes whose buffers cannot be allocated.
    TooLarge {
        /// The sizes, by name.
        sizes: String,
        /// How many bytes they need in all, as far as that can be counted.
        bytes: Option<usize>,
    },
    /// Learning drove weights out of the finite range. The weights stay readable.
    NonFiniteWeights {
        /// Which matrix.
        matrix: Cow<'static, str>,
    },
    /// No scale of the input weights brings the network to the asked firing rate.
    Uncalibrated {
        /// The asked firing rate in Hz.
        rate: String,
        /// The nearest firing rate in Hz that was reached.
        nearest: String,
    },
    /// Whoever was asked stopped the work: [`Interrupt`](crate::Interrupt). Every stream has taken whole steps, and what was learned stays.
    Interrupted,
    /// Saved bytes that are no state of a trainer of the configuration that they name.
    State {
        /// What does not fit.
        reason: String,
    },
    /// Bytes that are not a whole, unchanged file of the class and schema that was expected.
    Saved {
        /// What was expected.
        expected: String,
        /// What came.
        got: String,
    },
    /// A file that the system does not let be read or written.
    File {
        /// What was to be done with it.
        what: &'static str,
        /// The file.
        path: String,
        /// What the system says.
        reason: String,
        /// The number that the system gives it.
        code: Option<i32>,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape {
                argument,
                expected,
                got,
            } => {
                write!(f, "{argument}: expected shape {expected}, got {got}")
            }
            Self::Value {
                argument,
                expected,
                got,
            } => {
                write!(f, "{argument}: expected {expected}, got {got}")
            }
            Self::TooLarge { sizes, bytes } => {
                write!(f, "{sizes}: expected sizes that fit into memory, got ")?;
                match bytes {
                    Some(bytes) => write!(f, "{bytes} bytes in all")?,
                    None => write!(f, "more bytes than can be addressed")?,
                }
                write!(f, "; choose smaller ones")
            }
            Self::NonFiniteWeights { matrix } => write!(
                f,
                "{matrix}: expected finite weights after learning, got NaN or infinity; lower lr, or assign finite weights and reset()"
            ),
            Self::Uncalibrated { rate, nearest } => write!(
                f,
                "rate: expected a firing rate that some scale of the input weights reaches within 10 %, got {rate} Hz; \
                 the nearest reached is {nearest} Hz; choose a rate near it, or a sample with more activity; nothing was changed"
            ),
            Self::Interrupted => write!(
                f,
                "interrupted: expected to be let work to the end, got a request to stop; what was learned in whole steps stays"
            ),
            Self::State { reason } => write!(
                f,
                "saved bytes: expected the state of a trainer of the configuration that they name, got {reason}; save it again"
            ),
            Self::Saved { expected, got } => {
                write!(f, "saved bytes: expected {expected}, got {got}")
            }
            Self::File {
                what, path, reason, ..
            } => write!(f, "path: expected a file to {what}, got {reason} ({path})"),
        }
    }
}

impl core::error::Error for Error {}

impl Error {
    pub(crate) fn shape(
        argument: impl Into<Cow<'static, str>>,
        expected: &[Dim],
        got: &[usize],
    ) -> Self {
        Self::Shape {
            argument: argument.into(),
            expected: tuple(expected),
            got: shape(got),
        }
    }

    /// The same, of one of several streams.
    pub(crate) fn in_stream(self, b: usize) -> Self {
        match self {
            Self::Value {
                argument,
                expected,
                got,
            } => Self::Value {
                argument,
                expected,
                got: format!("{got} in stream {b}"),
            },
            Self::Shape {
                argument,
                expected,
                got,
            } => Self::Shape {
                argument,
                expected,
                got: format!("{got} in stream {b}"),
            },
            other => other,
        }
    }

    /// The same, of stream `b` of `n`: of a stream alone there is nothing to be said.
    pub(crate) fn in_stream_of(self, n: usize, b: usize) -> Self {
        match n {
            1 => self,
            _ => self.in_stream(b),
        }
    }

    pub(crate) fn value(
        argument: impl Into<Cow<'static, str>>,
        expected: impl Into<String>,
        got: impl fmt::Display,
    ) -> Self {
        Self::Value {
            argument: argument.into(),
            expected: expected.into(),
            got: format!("{got}"),
        }
    }

    /// Of a number that may be too long to be written out.
    pub(crate) fn number(argument: &'static str, expected: impl Into<String>, got: f64) -> Self {
        let is_short = got == 0.0 || (1e-5..1e16).contains(&got.abs()) || !got.is_finite();
        let got = match is_short {
            true => format!("{got}"),
            false => format!("{got:e}"),
        };
        Self::value(argument, expected, got)
    }
}

/// One expected extent: a number, or a name where any length will do.
#[derive(Clone, Copy)]
pub(crate) enum Dim {
    Is(usize),
    Any(&'static str),
}

pub(crate) fn shape(dims: &[usize]) -> String {
    tuple(
        &dims
            .iter()
            .map(|&n| Dim::Is(n))
            .collect::<alloc::vec::Vec<_>>(),
    )
}

fn tuple(dims: &[Dim]) -> String {
    let mut text = String::from("(");
    for (at, dim) in dims.iter().enumerate() {
        if at > 0 {
            text.push_str(", ");
        }
        match dim {
            Dim::Is(n) => text.push_str(&format!("{n}")),
            Dim::Any(name) => text.push_str(name),
        }
    }
    text.push_str(if dims.len() == 1 { ",)" } else { ")" });
    text
}
