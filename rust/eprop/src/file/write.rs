//! Writing: the header first, then one array after the other, in pieces, into whatever takes bytes.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use ndarray::Array2;
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::document::{KEY, document, place_of_sum, saved};
use super::names::Names;
use crate::numbers::interrupt::{Interrupt, Pace};
use crate::numbers::memory::vec_for;
use crate::numbers::slice::{Number, Slice};
use crate::numbers::walk::{Leaf, Role, Walk, Walked};
use crate::{Error, Float};

/// What can be saved.
pub(crate) trait Saved: Walked {
    type F: Float;
    type Config: Serialize + DeserializeOwned;
    const CLASS: &'static str;
    fn sizes(&self) -> Vec<usize>;
    fn settings(&self) -> Self::Config;
    /// The weights as a user knows them: their names and shapes.
    fn weights(&self) -> Vec<(String, Vec<usize>)>;
    fn read_weights(&self, at: usize, pace: &mut Pace<'_>) -> Result<Array2<Self::F>, Error>;
    fn asks(&self) -> &Interrupt;
}

/// What takes the bytes of a file.
pub(crate) trait Sink {
    fn put(&mut self, bytes: &[u8]) -> Result<(), Error>;
}

/// Memory that was reserved.
impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

/// The sum of a file and where it belongs.
pub(crate) struct Seal {
    pub(crate) at: Range<usize>,
    pub(crate) digits: String,
}

/// Where the numbers of an array come from.
enum Source<'a> {
    Weights(usize),
    Buffer(Slice<'a>),
}

struct Array<'a> {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    source: Source<'a>,
}

impl Array<'_> {
    fn bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.bitsize() / 8
    }
}

/// A file before it is written: its header and the arrays that follow.
pub(crate) struct Draft<'a, T> {
    of: &'a T,
    header: Vec<u8>,
    place_of_sum: usize,
    arrays: Vec<Array<'a>>,
}

/// Numbers turned into bytes at once.
const CHUNK: usize = 1 << 13;

impl<'a, T: Saved> Draft<'a, T> {
    pub(crate) fn of(of: &'a T) -> Result<Self, Error> {
        let mut arrays = weights(of);
        let mut list = List {
            names: Names::new(),
            arrays: &mut arrays,
        };
        of.walk("", Role::State, &mut list);
        // Numbers of more bytes first, so that each lies where its type wants it.
        arrays.sort_by_key(|array| core::cmp::Reverse(array.dtype.bitsize()));
        let document = document(T::CLASS, T::F::NAME, &of.sizes(), &of.settings())?;
        let header = header(document, &arrays)?;
        let place_of_sum =
            place_of_sum(&header).ok_or_else(|| saved("a sum in the header", "none"))?;
        Ok(Self {
            of,
            header,
            place_of_sum,
            arrays,
        })
    }

    /// Bytes of the whole file.
    pub(crate) fn len(&self) -> usize {
        self.header.len() + self.arrays.iter().map(Array::bytes).sum::<usize>()
    }

    /// Writes all but the sum, which is known only then.
    pub(crate) fn write(&self, to: &mut dyn Sink) -> Result<Seal, Error> {
        let mut summing = Summing {
            to,
            sum: crc32fast::Hasher::new(),
            chunk: vec_for("a piece of a file", CHUNK * size_of::<u64>())?,
        };
        let mut pace = self.of.asks().pace();
        summing.put(&self.header)?;
        for array in &self.arrays {
            match array.source {
                Source::Buffer(buffer) => summing.numbers(buffer, &mut pace)?,
                Source::Weights(at) => {
                    let matrix = self.of.read_weights(at, &mut pace)?;
                    for row in matrix.rows() {
                        // Rows of a matrix in standard layout are slices.
                        let row = row.to_slice().unwrap_or(&[]);
                        summing.numbers(T::F::as_saved(row), &mut pace)?;
                    }
                }
            }
        }
        let at = self.place_of_sum;
        Ok(Seal {
            at: at..at + 8,
            digits: alloc::format!("{:08x}", summing.sum.finalize()),
        })
    }
}

/// A file in memory.
pub(crate) fn to_bytes(of: &impl Saved) -> Result<Vec<u8>, Error> {
    let draft = Draft::of(of)?;
    let mut bytes = vec_for("the saved state", draft.len())?;
    let seal = draft.write(&mut bytes)?;
    bytes[seal.at].copy_from_slice(seal.digits.as_bytes());
    Ok(bytes)
}

fn weights<'a, T: Saved>(of: &T) -> Vec<Array<'a>> {
    let dtype = dtype(&T::F::as_saved(&[]));
    let named = of.weights().into_iter().enumerate();
    named
        .map(|(at, (name, shape))| Array {
            name,
            dtype,
            shape,
            source: Source::Weights(at),
        })
        .collect()
}

struct List<'l, 'a> {
    names: Names,
    arrays: &'l mut Vec<Array<'a>>,
}

impl<'a> Walk<'a> for List<'_, 'a> {
    fn enter(&mut self, part: &'static str, at: Option<usize>) {
        self.names.enter(part, at);
    }
    fn leave(&mut self) {
        self.names.leave();
    }
    fn see(&mut self, name: &'static str, leaf: Leaf<'a>) {
        if leaf.role != Role::Scratch {
            self.arrays.push(Array {
                name: self.names.next(name),
                dtype: dtype(&leaf.used),
                shape: [leaf.used.len()].to_vec(),
                source: Source::Buffer(leaf.used),
            });
        }
    }
}

/// The type of safetensors: a size has 64 bits there.
pub(crate) fn dtype(numbers: &Slice<'_>) -> Dtype {
    match numbers {
        Slice::F32(_) => Dtype::F32,
        Slice::F64(_) => Dtype::F64,
        Slice::U32(_) => Dtype::U32,
        Slice::U64(_) | Slice::Size(_) => Dtype::U64,
        Slice::Flag(_) => Dtype::BOOL,
    }
}

/// Its length in eight bytes, and the JSON, with spaces up to a multiple of eight.
fn header(document: String, arrays: &[Array<'_>]) -> Result<Vec<u8>, Error> {
    let mut end = 0;
    let infos = arrays.iter().map(|array| {
        let start = end;
        end += array.bytes();
        let info = TensorInfo {
            dtype: array.dtype,
            shape: array.shape.clone(),
            data_offsets: (start, end),
        };
        (array.name.clone(), info)
    });
    let infos = infos.collect();
    let metadata = [(KEY.into(), document)].into_iter().collect();
    let unwritable = |error| saved("a header of safetensors", error);
    let metadata = Metadata::new(Some(metadata), infos)
        .map_err(|error| unwritable(alloc::format!("{error}")))?;
    let mut json =
        serde_json::to_vec(&metadata).map_err(|error| unwritable(alloc::format!("{error}")))?;
    json.resize(json.len().next_multiple_of(8), b' ');
    let mut header = (json.len() as u64).to_le_bytes().to_vec();
    header.append(&mut json);
    Ok(header)
}

/// Sums what it passes on.
struct Summing<'s> {
    to: &'s mut dyn Sink,
    sum: crc32fast::Hasher,
    chunk: Vec<u8>,
}

impl Summing<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.sum.update(bytes);
        self.to.put(bytes)
    }

    fn numbers(&mut self, numbers: Slice<'_>, pace: &mut Pace<'_>) -> Result<(), Error> {
        for piece in pace.pieces(numbers.len()) {
            for start in piece.clone().step_by(CHUNK) {
                let chunk = start..piece.end.min(start + CHUNK);
                self.chunk.clear();
                numbers.part(chunk).write(&mut self.chunk);
                self.sum.update(&self.chunk);
                self.to.put(&self.chunk)?;
            }
            pace.pass(piece.len())?;
        }
        Ok(())
    }
}
