//! Files that somebody has changed on purpose: with the sum that belongs to them, so that what lies behind the sum is tested, too.
#![allow(dead_code)] // The fuzzer needs one of them.

use std::ops::Range;

use safetensors::{Dtype, SafeTensors};

/// The same bytes with the CRC-32 that they have.
pub fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let before = br#"{\"crc32\":\""#;
    let place = bytes
        .windows(before.len())
        .position(|window| window == before);
    let Some(at) = place.map(|at| at + before.len()) else {
        return bytes;
    };
    let Some(digits) = bytes.get_mut(at..at + 8) else {
        return bytes;
    };
    digits.fill(b'0');
    let sum = format!("{:08x}", crc32fast::hash(&bytes));
    bytes[at..at + 8].copy_from_slice(sum.as_bytes());
    bytes
}

/// Where the numbers of a file lie, and those of one type.
pub fn data(bytes: &[u8]) -> usize {
    8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize
}

pub fn of_type(bytes: &[u8], dtype: Dtype) -> Vec<Range<usize>> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).unwrap();
    let start = data(bytes);
    let tensors = metadata.tensors();
    let of_it = tensors.values().filter(|info| info.dtype == dtype);
    of_it
        .map(|info| start + info.data_offsets.0..start + info.data_offsets.1)
        .collect()
}
