//! Files: a trainer as safetensors, and back. Nothing here knows what a part is; parts list their buffers in a walk.

#[cfg(feature = "std")]
pub(crate) mod disk;
pub(crate) mod document;
mod names;
pub(crate) mod read;
pub(crate) mod write;
