//! The other ranks of a network that is spread over processes, as the crate asks for them: messages are put together here, and handed on by `eprop.mpi`.

use std::sync::atomic::{AtomicBool, Ordering};

use eprop::Peers;
use numpy::{PyArray1, PyArrayMethods};
use pyo3::prelude::*;

/// Bytes of how many numbers and how many neurons follow.
const HEAD: usize = 8;

/// An object of Python with a buffer `sent`, a list `received` of buffers, a rank each and None for this one, `swap`, which sends so many bytes and returns
/// how many came of each, and `disagrees`, for a rank whose message is another than expected. What they raise they keep.
#[derive(Debug)]
pub struct Ranks {
    exchange: Py<PyAny>,
    sent: Py<PyArray1<u8>>,
    received: Vec<Option<Py<PyArray1<u8>>>>,
    is_lost: AtomicBool,
}

impl Ranks {
    pub fn new(exchange: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self {
            sent: exchange.getattr("sent")?.extract()?,
            received: exchange.getattr("received")?.extract()?,
            exchange: exchange.clone().unbind(),
            is_lost: AtomicBool::new(false),
        })
    }

    /// Whether somebody is lost: then nothing is exchanged any more.
    pub fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed)
    }

    fn swap(
        &self,
        py: Python<'_>,
        fired: &[u32],
        sums: &mut [f64],
        all: &mut Vec<u32>,
    ) -> PyResult<()> {
        let n_bytes = {
            let mut sent = self.sent.bind(py).try_readwrite()?;
            write(sent.as_slice_mut()?, fired, sums)
        };
        let came: Vec<usize> = self
            .exchange
            .call_method1(py, "swap", (n_bytes,))?
            .extract(py)?;
        let own = sums.to_vec();
        sums.fill(0.0);
        for (rank, (received, came)) in self.received.iter().zip(came).enumerate() {
            let Some(received) = received else {
                all.extend_from_slice(fired);
                sums.iter_mut().zip(&own).for_each(|(sum, x)| *sum += x);
                continue;
            };
            let received = received.bind(py).try_readonly()?;
            let message = received.as_slice()?.get(..came).unwrap_or(&[]);
            if !read(message, sums, all) {
                self.exchange.call_method1(py, "disagrees", (rank,))?;
            }
        }
        Ok(())
    }
}

impl Peers for Ranks {
    fn exchange(&self, fired: &[u32], sums: &mut [f64], all_fired: &mut Vec<u32>) {
        if self.is_lost() {
            return;
        }
        // None where Python is about to end.
        let done = Python::try_attach(|py| self.swap(py, fired, sums, all_fired));
        if !matches!(done, Some(Ok(()))) {
            self.is_lost.store(true, Ordering::Relaxed);
        }
    }
}

/// Writes a message; how long it is.
fn write(to: &mut [u8], fired: &[u32], sums: &[f64]) -> usize {
    let counts = [sums.len() as u32, fired.len() as u32];
    let bytes = (counts.iter().flat_map(|n| n.to_ne_bytes()))
        .chain(sums.iter().flat_map(|x| x.to_ne_bytes()))
        .chain(fired.iter().flat_map(|j| j.to_ne_bytes()));
    to.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte);
    HEAD + size_of_val(sums) + size_of_val(fired)
}

/// Adds the numbers of a message, and appends its neurons; whether it is one of as many numbers.
fn read(message: &[u8], sums: &mut [f64], all: &mut Vec<u32>) -> bool {
    let (head, body) = message.split_at(HEAD.min(message.len()));
    let Ok(head): Result<[u8; HEAD], _> = head.try_into() else {
        return false;
    };
    let [a, b, c, d, e, f, g, h] = head;
    let n_sums = u32::from_ne_bytes([a, b, c, d]) as usize;
    let n_fired = u32::from_ne_bytes([e, f, g, h]) as usize;
    if n_sums != sums.len() || body.len() != n_sums * size_of::<f64>() + n_fired * size_of::<u32>()
    {
        return false;
    }
    let (numbers, neurons) = body.split_at(n_sums * size_of::<f64>());
    for (sum, x) in sums.iter_mut().zip(numbers.chunks_exact(size_of::<f64>())) {
        *sum += x.try_into().map_or(0.0, f64::from_ne_bytes);
    }
    let neurons = neurons.chunks_exact(size_of::<u32>());
    all.extend(neurons.map(|j| j.try_into().map_or(0, u32::from_ne_bytes)));
    true
}
