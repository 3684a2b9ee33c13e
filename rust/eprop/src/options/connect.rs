//! Which synapses a recurrent network has.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use ndarray::ArrayView2;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Error;
use crate::numbers::memory::vec_for;

/// Which of the synapses from inputs, or of those from neurons, exist. A neuron has none to itself in any case.
///
/// ```
/// use eprop::{Config, Connect, EpropTrainer};
/// let config = Config { connect_rec: Connect::Density(0.25), ..Config::default() };
/// let trainer = EpropTrainer::<f32>::new(3, 40, 2, config)?;
/// let there = trainer.w_rec().iter().filter(|&&w| w != 0.0).count();
/// assert!((250..=530).contains(&there));
/// # Ok::<(), eprop::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Connect {
    /// From all to all.
    #[default]
    All,
    /// Each synapse exists with this probability, more than 0 and at most 1: drawn from the seed.
    Density(f64),
    /// Those that are listed.
    Listed(SynapseList),
}

impl Connect {
    /// Those where a matrix (N, sources) says so.
    ///
    /// ```
    /// use eprop::{Config, Connect, EpropTrainer};
    /// let there = ndarray::array![[true, false], [false, true]];
    /// let config = Config { connect_in: Connect::matrix(there.view()), ..Config::default() };
    /// let trainer = EpropTrainer::<f32>::new(2, 2, 1, config)?;
    /// assert_eq!(trainer.w_in().map(|&w| w != 0.0), there);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn matrix(exists: ArrayView2<'_, bool>) -> Self {
        let (n, sources) = exists.dim();
        let columns = exists.columns().into_iter();
        let targets = columns.flat_map(|column| {
            let all = column.into_iter().enumerate();
            all.filter(|(_, there)| **there).map(|(j, _)| j as u32)
        });
        let targets = targets.collect();
        let mut starts = [0].to_vec();
        let mut so_far = 0;
        for column in exists.columns() {
            so_far += column.into_iter().filter(|&&there| there).count();
            starts.push(so_far);
        }
        debug_assert_eq!(starts.len(), sources + 1);
        Self::Listed(SynapseList::new(n, starts, targets))
    }

    pub(super) fn validate(&self, name: &'static str) -> Result<(), Error> {
        match self {
            &Self::Density(density) if !(density > 0.0 && density <= 1.0) => Err(Error::number(
                name,
                "a density, more than 0 and at most 1",
                density,
            )),
            _ => Ok(()),
        }
    }

    /// Whether lists are those of so many neurons and sources.
    pub(super) fn fits(&self, name: &'static str, n: usize, sources: usize) -> Result<(), Error> {
        let Self::Listed(listed) = self else {
            return Ok(());
        };
        let got = (listed.n_neurons(), listed.n_sources());
        match got == (n, sources) {
            true => Ok(()),
            false => Err(Error::value(
                name,
                format!("synapses of shape ({n}, {sources}), to by from"),
                format!("shape {got:?}"),
            )),
        }
    }

    /// Whether every synapse exists.
    pub(crate) fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }
}

/// Listed synapses: for each source the neurons that it reaches, ascending. Copies share the lists.
///
/// ```
/// use eprop::SynapseList;
/// // Two sources and four neurons: 0 reaches 1 and 3, 1 reaches nobody.
/// let listed = SynapseList::of_sources(4, vec![0, 2, 2], vec![1, 3])?;
/// assert_eq!((listed.n_neurons(), listed.n_sources(), listed.targets(0)), (4, 2, &[1, 3][..]));
/// assert!(SynapseList::of_sources(4, vec![0, 2, 2], vec![3, 3]).is_err());
/// # Ok::<(), eprop::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SynapseList(Arc<Lists>);

#[derive(Debug, PartialEq, Eq)]
struct Lists {
    n: usize,
    /// The targets of source i are `starts[i]..starts[i + 1]`.
    starts: Vec<usize>,
    targets: Vec<u32>,
}

impl SynapseList {
    /// The neurons that source i reaches are `targets[starts[i]..starts[i + 1]]`, of `n_neurons` there are.
    ///
    /// # Errors
    /// [`Error::Value`] for lists that do not follow each other from 0 to the end, for neurons that there are not, and for some that are not ascending or
    /// stand there twice.
    pub fn of_sources(
        n_neurons: usize,
        starts: Vec<usize>,
        targets: Vec<u32>,
    ) -> Result<Self, Error> {
        let got = match (starts.first(), starts.last()) {
            (Some(&first), Some(&last)) if first != 0 || last != targets.len() => {
                Some(format!("some from {first} to {last}"))
            }
            (Some(_), Some(_)) => (!starts.is_sorted()).then(|| "some that fall".into()),
            _ => Some("none".into()),
        };
        if let Some(got) = got {
            let expected = format!("ascending numbers from 0 to {}", targets.len());
            return Err(Error::value("starts", expected, got));
        }
        for (source, list) in starts.windows(2).enumerate() {
            let list = &targets[list[0]..list[1]];
            if let Some(pair) = list.windows(2).find(|pair| pair[0] >= pair[1]) {
                let got = format!("{} before {} of source {source}", pair[0], pair[1]);
                let expected = "ascending neurons of each source, each once";
                return Err(Error::value("targets", expected, got));
            }
            if let Some(&last) = list.last().filter(|&&last| last as usize >= n_neurons) {
                let expected = format!("neurons below {n_neurons}");
                return Err(Error::value("targets", expected, last));
            }
        }
        Ok(Self::new(n_neurons, starts, targets))
    }

    /// Lists that are what they must be.
    pub(super) fn new(n: usize, starts: Vec<usize>, targets: Vec<u32>) -> Self {
        Self(Arc::new(Lists { n, starts, targets }))
    }

    /// How many neurons there are. Example: [`SynapseList`].
    pub fn n_neurons(&self) -> usize {
        self.0.n
    }

    /// How many sources there are. Example: [`SynapseList`].
    pub fn n_sources(&self) -> usize {
        self.0.starts.len() - 1
    }

    /// The neurons that a source reaches. Example: [`SynapseList`].
    ///
    /// # Panics
    /// There is no such source.
    pub fn targets(&self, source: usize) -> &[u32] {
        &self.0.targets[self.0.starts[source]..self.0.starts[source + 1]]
    }

    /// Where the list of each source starts in all targets, and where the last one ends.
    ///
    /// ```
    /// use eprop::SynapseList;
    /// let listed = SynapseList::of_sources(4, vec![0, 2, 3], vec![1, 3, 0])?;
    /// assert_eq!((listed.starts(), listed.all_targets()), (&[0, 2, 3][..], &[1, 3, 0][..]));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn starts(&self) -> &[usize] {
        &self.0.starts
    }

    /// The targets of all sources, one list after the other. Example: [`starts`](Self::starts).
    pub fn all_targets(&self) -> &[u32] {
        &self.0.targets
    }
}

/// As files have them: the steps from one target to the next, each in digits of five bits, so that a synapse takes one or two characters.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    neurons: usize,
    sources: usize,
    gaps: String,
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// The bit that says that a number goes on.
const GOES_ON: usize = 32;
/// The end of a source's list: no step to the next target is 0.
const END: usize = 0;

impl Serialize for SynapseList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut gaps = String::with_capacity(2 * self.0.targets.len());
        let mut put = |mut number: usize| {
            loop {
                let rest = number / GOES_ON;
                let goes_on = if rest > 0 { GOES_ON } else { 0 };
                gaps.push(DIGITS[number % GOES_ON + goes_on] as char);
                number = rest;
                if number == 0 {
                    break;
                }
            }
        };
        for source in 0..self.n_sources() {
            // Counted from 1, so that no step is 0.
            let mut before = 0;
            for &target in self.targets(source) {
                put(target as usize + 1 - before);
                before = target as usize + 1;
            }
            put(END);
        }
        let (neurons, sources) = (self.n_neurons(), self.n_sources());
        Written {
            neurons,
            sources,
            gaps,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SynapseList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written {
            neurons,
            sources,
            gaps,
        } = Written::deserialize(deserializer)?;
        let broken = |what: &str| de::Error::custom(format!("a list of synapses with {what}"));
        if sources > gaps.len() {
            return Err(broken("fewer sources than it says"));
        }
        let no_memory = |_| broken("more synapses than there is memory for");
        let mut starts: Vec<usize> = vec_for("synapses", sources + 1).map_err(no_memory)?;
        let mut targets: Vec<u32> = vec_for("synapses", gaps.len() - sources).map_err(no_memory)?;
        starts.push(0);
        let (mut number, mut shift, mut before) = (0_u64, 0_u32, 0_u64);
        for byte in gaps.bytes() {
            let digit = value_of(byte).ok_or_else(|| broken("a digit that is none"))? as u64;
            if shift > 30 {
                return Err(broken("a step that is too long"));
            }
            number |= (digit % GOES_ON as u64) << shift;
            shift += 5;
            if digit >= GOES_ON as u64 {
                continue;
            }
            if number == END as u64 {
                starts.push(targets.len());
                before = 0;
            } else {
                before += number;
                let target = before - 1;
                let target = u32::try_from(target).map_err(|_| broken("a neuron that is none"))?;
                targets.push(target);
            }
            (number, shift) = (0, 0);
        }
        if starts.len() != sources + 1 {
            return Err(broken("another number of sources than it says"));
        }
        Self::of_sources(neurons, starts, targets).map_err(de::Error::custom)
    }
}

fn value_of(digit: u8) -> Option<usize> {
    match digit {
        b'A'..=b'Z' => Some((digit - b'A') as usize),
        b'a'..=b'z' => Some((digit - b'a') as usize + 26),
        b'0'..=b'9' => Some((digit - b'0') as usize + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec;
    use alloc::vec::Vec;

    use super::{Connect, SynapseList};

    #[test]
    fn lists_come_back_as_they_were_written() {
        let long: Vec<u32> = (0..4000).map(|j| j * j % 7 + j * 60).collect();
        for (n, starts, targets) in [
            (3, vec![0, 0], vec![]),
            (3, vec![0, 1, 1, 4], vec![2, 0, 1, 2]),
            (300_000, vec![0, 1, 4000], long),
            (u32::MAX as usize, vec![0, 2], vec![0, u32::MAX - 1]),
        ] {
            let connect = Connect::Listed(SynapseList::of_sources(n, starts, targets).unwrap());
            let json = serde_json::to_string(&connect).unwrap();
            assert_eq!(serde_json::from_str::<Connect>(&json).unwrap(), connect);
        }
    }

    #[test]
    fn lists_that_are_none_are_refused() {
        for (gaps, why) in [
            ("B!", "a digit that is none"),
            ("B", "another number of sources"),
            ("BAA", "another number of sources"),
            ("EA", "below 3"),
            ("gggggggBA", "too long"),
            ("/////DA", "below 3"),
            ("", "fewer sources"),
        ] {
            let json = alloc::format!(
                "{{\"listed\":{{\"neurons\":3,\"sources\":1,\"gaps\":\"{gaps}\"}}}}"
            );
            let error = serde_json::from_str::<Connect>(&json).unwrap_err();
            assert!(error.to_string().contains(why), "{gaps}: {error}");
        }
        for (starts, targets) in [
            (vec![], vec![]),
            (vec![1, 1], vec![0]),
            (vec![0, 2, 1], vec![0]),
            (vec![0, 1], vec![0, 1]),
            (vec![0, 2], vec![1, 0]),
            (vec![0, 1], vec![3]),
        ] {
            assert!(SynapseList::of_sources(3, starts, targets).is_err());
        }
    }
}
