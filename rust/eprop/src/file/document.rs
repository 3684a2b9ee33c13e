//! What the metadata of a file says: the class, the configuration, the schema, and a sum of all bytes.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Error;

/// The key of `__metadata__` under which the document lies. It is the only one, so equal trainers have equal bytes.
pub(crate) const KEY: &str = "eprop";

/// The version of names and meanings of all that is in a file. A file of another one is read by code of its own, or refused.
pub(crate) const SCHEMA: u32 = 1;

/// In the place of the sum, while it is being made.
pub(crate) const NO_SUM: [u8; 8] = *b"00000000";

/// What stands before the sum in the bytes of a file. In the document, which is a string there, quotes are escaped; so no text that the document quotes
/// can look like it.
const BEFORE_SUM: &[u8] = br#"{\"crc32\":\""#;

#[derive(Serialize)]
struct Written<'a, C> {
    crc32: &'a str,
    schema: u32,
    version: &'a str,
    class: &'a str,
    dtype: &'a str,
    sizes: &'a [usize],
    config: &'a C,
}

/// The JSON of a trainer, without its sum.
pub(crate) fn document<C: Serialize>(
    class: &str,
    dtype: &str,
    sizes: &[usize],
    config: &C,
) -> Result<String, Error> {
    let written = Written {
        crc32: "00000000",
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        class,
        dtype,
        sizes,
        config,
    };
    serde_json::to_string(&written).map_err(|error| saved("a configuration in JSON", error))
}

/// Where the eight digits of the sum are in a header.
pub(crate) fn place_of_sum(header: &[u8]) -> Option<usize> {
    let before = header
        .windows(BEFORE_SUM.len())
        .position(|window| window == BEFORE_SUM)?;
    let at = before + BEFORE_SUM.len();
    (at + NO_SUM.len() <= header.len()).then_some(at)
}

/// What a file says of itself, whatever class it is of.
///
/// ```
/// use eprop::{Config, EpropTrainer, FileInfo};
/// let bytes = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?.to_bytes();
/// let info = FileInfo::of(&bytes)?;
/// assert_eq!((info.class.as_str(), info.dtype.as_str(), info.schema), ("EpropTrainer", "float32", 1));
/// # Ok::<(), eprop::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct FileInfo {
    /// The version of the format.
    pub schema: u32,
    /// The version of `eprop` that wrote it.
    pub version: String,
    /// `EpropTrainer`, `OnlineTrainer`, `OnlineLIFLayer` or `EpropAgent`.
    pub class: String,
    /// `float32` or `float64`.
    pub dtype: String,
    /// CRC-32 of the whole file, with eight zeros in the place of these digits.
    pub crc32: String,
    /// All of this, and sizes and configuration, as JSON.
    #[serde(skip)]
    pub document: String,
}

impl FileInfo {
    /// From the text that the metadata has.
    pub(crate) fn parse(document: &str) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Schema {
            schema: u32,
        }
        let broken = |error| saved("a description of a trainer in JSON", error);
        let Schema { schema } = serde_json::from_str(document).map_err(broken)?;
        if schema != SCHEMA {
            let expected = alloc::format!("a file of schema {SCHEMA}, which eprop {VERSION} reads");
            return Err(saved(
                expected,
                alloc::format!("one of schema {schema}; load it with the version that wrote it"),
            ));
        }
        let info: Self = serde_json::from_str(document).map_err(broken)?;
        Ok(Self {
            document: document.to_string(),
            ..info
        })
    }

    /// Whether it is of this class, in these numbers.
    pub(super) fn is_of(&self, class: &str, dtype: &str) -> Result<(), Error> {
        if self.class == class && self.dtype == dtype {
            return Ok(());
        }
        let Self {
            class: its_class,
            dtype: its_dtype,
            ..
        } = self;
        Err(saved(
            alloc::format!("{class} in {dtype}"),
            alloc::format!("{its_class} in {its_dtype}"),
        ))
    }

    pub(super) fn body<C: for<'de> Deserialize<'de>>(&self) -> Result<Body<C>, Error> {
        serde_json::from_str(&self.document)
            .map_err(|error| saved("sizes and a configuration of this version", error))
    }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a trainer is made of, before its state.
#[derive(Deserialize)]
pub(crate) struct Body<C> {
    pub(crate) sizes: Vec<usize>,
    pub(crate) config: C,
}

impl<C: Serialize + PartialEq> Body<C> {
    /// Whether it is of these sizes and of this configuration: `like` is the body's own, but for what may differ.
    pub(crate) fn fits(
        &self,
        who: &str,
        like: &C,
        sizes: &[usize],
        config: &C,
    ) -> Result<(), Error> {
        let expected =
            || alloc::format!("the sizes and the configuration of the {who} that takes them in");
        if self.sizes != sizes {
            let got = alloc::format!("sizes = {:?}, where it has {sizes:?}", self.sizes);
            return Err(saved(expected(), got));
        }
        if like == config {
            return Ok(());
        }
        let [its, own] =
            [like, config].map(|config| serde_json::to_value(config).unwrap_or_default());
        let got = difference(&its, &own).unwrap_or_else(|| "another configuration".into());
        Err(saved(expected(), got))
    }
}

/// The first setting in which two configurations differ.
fn difference(its: &Value, own: &Value) -> Option<String> {
    if let (Value::Object(its), Value::Object(own)) = (its, own) {
        let names = own.keys().filter(|name| its.get(*name) != own.get(*name));
        return names
            .map(|name| (name, its.get(name), &own[name]))
            .find_map(
                |(name, its, own)| match difference(its.unwrap_or(&Value::Null), own) {
                    Some(inner) if own.is_object() => Some(alloc::format!("{name}.{inner}")),
                    inner => inner.map(|inner| alloc::format!("{name} = {inner}")),
                },
            );
    }
    (its != own).then(|| alloc::format!("{}, where it has {}", short(its), short(own)))
}

/// A setting as text; of a long one its beginning.
fn short(value: &Value) -> String {
    const LONGEST: usize = 40;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        None => text,
        Some((at, _)) => alloc::format!("{}...", &text[..at]),
    }
}

/// Saved bytes that are not what was expected.
pub(crate) fn saved(expected: impl Into<String>, got: impl core::fmt::Display) -> Error {
    Error::Saved {
        expected: expected.into(),
        got: got.to_string(),
    }
}
