//! What a pickle carries of the block form: weights, the history, and what earlier blocks left, where they left anything.

use alloc::vec::Vec;

use super::Block;
use crate::persist::Persist;
use crate::synapses::Synapses;
use crate::{Error, Float, kernels};

impl<F: Float> Persist for Block<F> {
    fn save(&self, out: &mut Vec<u8>) {
        self.w.save(out);
        self.history.save(out);
        self.steps.save(out);
        let flags = [self.used, self.carried, self.pending];
        flags.iter().for_each(|&flag| u32::from(flag).save(out));
        if self.carried {
            self.z_bar.save(out);
            self.e_bar.save(out);
        }
        if self.pending {
            self.g.save(out);
            self.sum_e.save(out);
        }
    }

    fn load(&mut self, bytes: &mut &[u8]) -> Result<(), Error> {
        self.reset();
        self.w.load(bytes)?;
        self.finite = kernels::all_finite(&self.w);
        self.history.load(bytes)?;
        self.steps.load(bytes)?;
        for flag in [&mut self.used, &mut self.carried, &mut self.pending] {
            let mut bit = 0_u32;
            bit.load(bytes)?;
            *flag = bit != 0;
        }
        if self.carried {
            self.z_bar.load(bytes)?;
            self.e_bar.load(bytes)?;
        }
        if self.pending {
            self.g.load(bytes)?;
            self.sum_e.load(bytes)?;
        }
        Ok(())
    }

    fn numbers(&self) -> usize {
        let matrices = self.e_bar.len() + self.g.len() + self.sum_e.len();
        self.history.numbers() + self.z_bar.len() + matrices
    }

    fn bytes(&self) -> usize {
        let matrices = self.w.bytes() + self.e_bar.bytes() + self.g.bytes() + self.sum_e.bytes();
        self.history.bytes() + self.z_bar.bytes() + matrices + self.scratch.bytes()
    }
}
