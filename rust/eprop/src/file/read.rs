//! Reading: nothing is taken in before the whole file is known to be as it was written.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use safetensors::SafeTensors;
use safetensors::tensor::{Metadata, TensorInfo};

use super::document::{Body, FileInfo, KEY, NO_SUM, place_of_sum, saved};
use super::names::Names;
use super::write::{Saved, dtype};
use crate::numbers::interrupt::{Interrupt, Pace};
use crate::numbers::slice::SliceMut;
use crate::numbers::walk::{Role, WalkMut, Walked, check_counts};
use crate::{Error, Float};

/// A whole file, unchanged since it was written, of a schema that is known.
pub(crate) struct File<'a> {
    info: FileInfo,
    metadata: Metadata,
    data: &'a [u8],
}

impl FileInfo {
    /// Of the bytes of a file, if these are whole and as they were written.
    ///
    /// # Errors
    /// [`Error::Saved`].
    pub fn of(bytes: &[u8]) -> Result<Self, Error> {
        File::open(bytes).map(|file| file.info)
    }
}

impl<'a> File<'a> {
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Self, Error> {
        let expected = "a whole safetensors file that `save` or `to_bytes` wrote";
        let (len, metadata) = SafeTensors::read_metadata(bytes)
            .map_err(|error| saved(expected, format!("{} bytes: {error}", bytes.len())))?;
        let document = metadata.metadata().as_ref().and_then(|map| map.get(KEY));
        let document = document.ok_or_else(|| {
            saved(
                format!("the key {KEY:?} in the file's __metadata__"),
                "none: a safetensors file of another program",
            )
        })?;
        let info = FileInfo::parse(document)?;
        let (header, data) = bytes.split_at(8 + len);
        check_sum(header, data, &info)?;
        Ok(Self {
            info,
            metadata,
            data,
        })
    }

    /// What it is made of, if it is of this class and number type.
    ///
    /// # Errors
    /// [`Error::Saved`].
    pub(crate) fn body<S: Saved>(&self) -> Result<Body<S::Config>, Error> {
        self.info.is_of(S::CLASS, S::F::NAME)?;
        self.info.body()
    }

    /// Writes the state into a part that has its sizes and configuration; `weights` are the names and shapes of what is there to be looked at.
    ///
    /// # Errors
    /// [`Error::Saved`], [`Error::State`], and then the part is half-written; [`Error::Interrupted`].
    pub(crate) fn load<F: Float>(
        &self,
        part: &mut impl Walked,
        weights: &[(String, Vec<usize>)],
        interrupt: &Interrupt,
    ) -> Result<(), Error> {
        let of_weights = dtype(&F::as_saved(&[]));
        for (name, shape) in weights {
            let info = self.info(name)?;
            if info.dtype != of_weights || info.shape != *shape {
                let expected = format!("`{name}` of {of_weights} and shape {shape:?}");
                return Err(saved(
                    expected,
                    format!("{} and {:?}", info.dtype, info.shape),
                ));
            }
        }
        let mut load = Load {
            file: self,
            names: Names::new(),
            taken: 0,
            pace: interrupt.pace(),
        };
        part.walk_mut("", Role::State, &mut load)?;
        let (expected, got) = (weights.len() + load.taken, self.metadata.tensors().len());
        match expected == got {
            true => Ok(()),
            false => Err(saved(format!("{expected} arrays"), got)),
        }
    }

    fn info(&self, name: &str) -> Result<&TensorInfo, Error> {
        let info = self.metadata.info(name);
        info.ok_or_else(|| saved(format!("an array `{name}`"), "none of this name"))
    }
}

/// Sums the whole file, with zeros in the place of the sum.
fn check_sum(header: &[u8], data: &[u8], info: &FileInfo) -> Result<(), Error> {
    let mut sum = crc32fast::Hasher::new();
    if let Some(at) = place_of_sum(header) {
        sum.update(&header[..at]);
        sum.update(&NO_SUM);
        sum.update(&header[at + NO_SUM.len()..]);
    }
    sum.update(data);
    let found = format!("{:08x}", sum.finalize());
    if found == info.crc32 {
        return Ok(());
    }
    Err(saved(
        format!(
            "bytes whose CRC-32 is {}, as when they were written",
            info.crc32
        ),
        format!("{found}: the file was damaged or changed"),
    ))
}

struct Load<'f, 'a, 'i> {
    file: &'f File<'a>,
    names: Names,
    taken: usize,
    pace: Pace<'i>,
}

impl Load<'_, '_, '_> {
    /// Whether the bytes are numbers, as far as that has been asked for.
    fn read(&mut self, numbers: &mut SliceMut<'_>, mut bytes: &[u8]) -> Result<bool, Error> {
        for piece in self.pace.pieces(numbers.len()) {
            self.pace.pass(piece.len())?;
            if !numbers.part(piece).read(&mut bytes) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl WalkMut for Load<'_, '_, '_> {
    fn enter(&mut self, part: &'static str, at: Option<usize>) {
        self.names.enter(part, at);
    }
    fn leave(&mut self) {
        self.names.leave();
    }
    fn bytes_left(&self) -> usize {
        self.file.data.len()
    }
    fn change(
        &mut self,
        name: &'static str,
        role: Role,
        mut numbers: SliceMut<'_>,
    ) -> Result<(), Error> {
        if role == Role::Scratch {
            return Ok(());
        }
        let name = self.names.next(name);
        let info = self.file.info(&name)?;
        let (of_part, len) = (dtype(&numbers.as_ref()), numbers.len());
        if info.dtype != of_part || info.shape != [len] {
            let expected = format!("`{name}` of {of_part} and shape [{len}]");
            return Err(saved(
                expected,
                format!("{} and {:?}", info.dtype, info.shape),
            ));
        }
        let (start, end) = info.data_offsets;
        let bytes = self.file.data.get(start..end).unwrap_or(&[]);
        self.taken += 1;
        if !self.read(&mut numbers, bytes)? {
            return Err(saved(
                format!("numbers of {of_part} in `{name}`"),
                "other bytes",
            ));
        }
        check_counts(&name, role, &numbers)
    }
}
