//! One walk over the buffers of every part: what is saved, restored, compared and counted is the same list.

use alloc::format;
use alloc::vec::Vec;

use crate::Error;

/// A buffer or a part made of buffers.
#[doc(hidden)]
pub trait Persist {
    fn save(&self, out: &mut Vec<u8>);
    fn load(&mut self, bytes: &mut &[u8]) -> Result<(), Error>;
    fn numbers(&self) -> usize;
    fn bytes(&self) -> usize;
}

/// No counter is larger: whatever bytes say, there is room to count on for longer than any stream lasts.
pub(crate) const MOST: u64 = u64::MAX / 2;

macro_rules! scalar {
    ($($type:ty),+) => {$(
        impl Persist for $type {
            fn save(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn load(&mut self, bytes: &mut &[u8]) -> Result<(), Error> {
                let (head, rest) = bytes.split_first_chunk().ok_or_else(truncated)?;
                *self = <$type>::from_le_bytes(*head);
                *bytes = rest;
                Ok(())
            }
            fn numbers(&self) -> usize {
                1
            }
            fn bytes(&self) -> usize {
                // Scalars live inside their trainer; only the heap is counted.
                0
            }
        }
    )+};
}
scalar!(f32, f64, u32, usize);

/// Step counters: saved, but none of the numbers that a network keeps.
impl Persist for u64 {
    fn save(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }
    fn load(&mut self, bytes: &mut &[u8]) -> Result<(), Error> {
        let (head, rest) = bytes.split_first_chunk().ok_or_else(truncated)?;
        let count = Self::from_le_bytes(*head);
        if count > MOST {
            let reason = format!("a count of {count}, which nothing reaches");
            return Err(Error::State { reason });
        }
        *self = count;
        *bytes = rest;
        Ok(())
    }
    fn numbers(&self) -> usize {
        0
    }
    fn bytes(&self) -> usize {
        0
    }
}

impl<T: Persist> Persist for Vec<T> {
    fn save(&self, out: &mut Vec<u8>) {
        save_all(self, out);
    }
    fn load(&mut self, bytes: &mut &[u8]) -> Result<(), Error> {
        load_all(self, bytes)
    }
    fn numbers(&self) -> usize {
        self.iter().map(Persist::numbers).sum()
    }
    fn bytes(&self) -> usize {
        self.capacity() * size_of::<T>() + self.iter().map(Persist::bytes).sum::<usize>()
    }
}

/// A buffer of known length: the length, then its items.
pub(crate) fn save_all<T: Persist>(items: &[T], out: &mut Vec<u8>) {
    (items.len() as u64).save(out);
    items.iter().for_each(|item| item.save(out));
}

pub(crate) fn load_all<T: Persist>(items: &mut [T], bytes: &mut &[u8]) -> Result<(), Error> {
    let mut len = 0_u64;
    len.load(bytes)?;
    if len != items.len() as u64 {
        let reason = format!("a buffer of {len} numbers where {} belong", items.len());
        return Err(Error::State { reason });
    }
    items.iter_mut().try_for_each(|item| item.load(bytes))
}

/// Lists a part's fields once: `weights` and `state` are saved, `state` counts as kept from step to step, `scratch` is neither.
macro_rules! persist {
    ($part:ident { weights: [$($weight:ident),*], state: [$($state:ident),*], scratch: [$($scratch:ident),*] }) => {
        impl<F: $crate::Float> $crate::persist::Persist for $part<F> {
            fn save(&self, out: &mut alloc::vec::Vec<u8>) {
                $(self.$weight.save(out);)*
                $(self.$state.save(out);)*
                let _ = &out;
            }
            fn load(&mut self, bytes: &mut &[u8]) -> Result<(), $crate::Error> {
                $(self.$weight.load(bytes)?;)*
                $(self.$state.load(bytes)?;)*
                let _ = &bytes;
                Ok(())
            }
            fn numbers(&self) -> usize {
                0 $(+ self.$state.numbers())*
            }
            fn bytes(&self) -> usize {
                0 $(+ self.$weight.bytes())* $(+ self.$state.bytes())* $(+ self.$scratch.bytes())*
            }
        }
    };
}
pub(crate) use persist;

fn truncated() -> Error {
    Error::State {
        reason: "too few bytes".into(),
    }
}

/// A twin of `part` with what `bytes` hold, which must be all of it and nothing else.
pub(crate) fn restored<P: Persist + Clone>(part: &P, mut bytes: &[u8]) -> Result<P, Error> {
    let mut twin = part.clone();
    twin.load(&mut bytes)?;
    if bytes.is_empty() {
        return Ok(twin);
    }
    Err(Error::State {
        reason: format!("{} bytes too many", bytes.len()),
    })
}
