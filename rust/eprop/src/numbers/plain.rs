//! For unit tests: the buffers of a part as bytes, one after the other, without names.

use alloc::format;
use alloc::vec::Vec;

use super::slice::{Number, SliceMut};
use super::walk::{Leaf, Role, Walk, WalkMut, Walked, check_counts};
use crate::Error;

struct Save(Vec<u8>);

impl<'a> Walk<'a> for Save {
    fn see(&mut self, _: &'static str, leaf: Leaf<'a>) {
        if leaf.role != Role::Scratch {
            u64::as_saved(&[leaf.used.len() as u64]).write(&mut self.0);
            leaf.used.write(&mut self.0);
        }
    }
}

/// Of every buffer that is saved the number of its items, then the items.
pub(crate) fn save(part: &impl Walked) -> Result<Vec<u8>, Error> {
    let mut save = Save(Vec::new());
    part.walk("", Role::State, &mut save);
    Ok(save.0)
}

struct Load<'a>(&'a [u8]);

impl WalkMut for Load<'_> {
    fn bytes_left(&self) -> usize {
        self.0.len()
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
        let mut len = [0_u64];
        let has_len = u64::as_saved_mut(&mut len).read(&mut self.0);
        let (came, belong) = (len[0], numbers.len());
        if has_len && came != belong as u64 {
            let reason = format!("`{name}` of {came} numbers where {belong} belong");
            return Err(Error::State { reason });
        }
        if !has_len || !numbers.read(&mut self.0) {
            let reason = format!("bytes that end in `{name}`, or are none of its numbers");
            return Err(Error::State { reason });
        }
        check_counts(name, role, &numbers)
    }
}

/// # Errors
/// [`Error::State`] where the bytes do not fit; then the part is half-written.
pub(crate) fn load(part: &mut impl Walked, bytes: &[u8]) -> Result<(), Error> {
    let mut load = Load(bytes);
    part.walk_mut("", Role::State, &mut load)?;
    match load.0.len() {
        0 => Ok(()),
        left => Err(Error::State {
            reason: format!("{left} bytes too many"),
        }),
    }
}
