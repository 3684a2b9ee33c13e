//! What a part of a network and the parts in other processes tell each other.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::numbers::aligned::{Aligned, padded};
use crate::numbers::peers::Peers;
use crate::numbers::room::Room;
use crate::numbers::walk::parts;
use crate::options::Part;
use crate::{Error, Float};

/// The spikes of all neurons, and whom to ask for those of others. As long as nobody is there, the network is alone.
#[derive(Debug)]
pub(crate) struct Others<F> {
    first: u32,
    all: u32,
    peers: Option<Arc<dyn Peers>>,
    /// Spikes of all neurons of the last step, a number for each; and who fired, ascending.
    z: Aligned<F>,
    fired: Vec<u32>,
    own: Vec<u32>,
    sums: Vec<f64>,
}

parts!(Others {
    State: [z],
    Scratch: [fired, own, sums],
} then Self::loaded);

impl<F: Float> Others<F> {
    /// Silent. It adds up no more than `n_sums` numbers at a time.
    pub(crate) fn new(
        room: &mut Room,
        part: &Part,
        n: usize,
        n_sums: usize,
        peers: Option<Arc<dyn Peers>>,
    ) -> Result<Self, Error> {
        Ok(Self {
            first: part.first as u32,
            all: part.all as u32,
            peers,
            z: room.zeros(1, padded::<F>(part.all))?,
            fired: room.list(part.all)?,
            own: room.list(n)?,
            sums: room.list(n_sums)?,
        })
    }

    /// The same before its first step.
    pub(crate) fn silent(&self, room: &mut Room) -> Result<Self, Error> {
        let part = Part {
            first: self.first as usize,
            all: self.all as usize,
            ..Part::default()
        };
        let (n, n_sums) = (self.own.capacity(), self.sums.capacity());
        Self::new(room, &part, n, n_sums, self.peers.clone())
    }

    fn loaded(&mut self) -> Result<(), Error> {
        self.fired.clear();
        let all = (0..).zip(self.z.iter());
        self.fired
            .extend(all.filter(|(_, z)| **z != F::ZERO).map(|(j, _)| j));
        Ok(())
    }

    pub(crate) fn set_peers(&mut self, peers: Arc<dyn Peers>) {
        self.peers = Some(peers);
    }

    /// Whose spikes of the last step arrive, ascending.
    pub(crate) fn fired(&self) -> &[u32] {
        &self.fired
    }

    /// Tells who of this part has `fired` in the step, and hears of all; what this part sends to the readouts becomes what all parts send.
    pub(crate) fn exchange(&mut self, fired: &[u32], drive: &mut [F]) {
        self.own.clear();
        self.own.extend(fired.iter().map(|&j| self.first + j));
        self.sums.clear();
        self.sums.extend(drive.iter().map(|x| x.to_f64()));
        for &j in &self.fired {
            self.z[j as usize] = F::ZERO;
        }
        self.fired.clear();
        match &self.peers {
            Some(peers) => peers.exchange(&self.own, &mut self.sums, &mut self.fired),
            None => self.fired.extend_from_slice(&self.own),
        }
        let is_strange = |&j: &u32| j >= self.all;
        if !self.fired.is_sorted_by(|a, b| a < b) || self.fired.last().is_some_and(is_strange) {
            self.fired.retain(|j| !is_strange(j));
            self.fired.sort_unstable();
            self.fired.dedup();
        }
        for &j in &self.fired {
            self.z[j as usize] = F::ONE;
        }
        for (x, &sum) in drive.iter_mut().zip(&self.sums) {
            *x = F::cast(sum);
        }
    }

    /// Puts the sums over all parts in the place of numbers of this one.
    pub(crate) fn add_up(&mut self, numbers: &mut [f64]) {
        if let Some(peers) = &self.peers {
            let mut nobody = Vec::new();
            peers.exchange(&[], numbers, &mut nobody);
        }
    }

    pub(crate) fn reset(&mut self) {
        self.z.fill(F::ZERO);
        self.fired.clear();
    }
}
