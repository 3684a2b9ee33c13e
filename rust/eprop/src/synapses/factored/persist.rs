//! What a pickle carries of the factored form: rows and factors as they are, whoever waits.

use alloc::vec::Vec;

use super::{Factored, NEVER, PATIENCE};
use crate::kernels::Visit;
use crate::persist::Persist;
use crate::{Error, Float};

impl<F: Float> Persist for Factored<F> {
    fn save(&self, out: &mut Vec<u8>) {
        for rows in [&self.a, &self.c, &self.x1, &self.s, &self.t] {
            rows.save(out);
        }
        self.zt.save(out);
        self.seen.save(out);
        self.past.save(out);
        self.pending.iter().for_each(|pending| pending.save(out));
        self.steps.save(out);
        self.block.save(out);
        u32::from(self.learned).save(out);
    }

    fn load(&mut self, bytes: &mut &[u8]) -> Result<(), Error> {
        for rows in [
            &mut self.a,
            &mut self.c,
            &mut self.x1,
            &mut self.s,
            &mut self.t,
        ] {
            rows.load(bytes)?;
        }
        self.zt.load(bytes)?;
        self.seen.load(bytes)?;
        self.past.load(bytes)?;
        self.pending
            .iter_mut()
            .try_for_each(|pending| pending.load(bytes))?;
        self.steps.load(bytes)?;
        self.block.load(bytes)?;
        let mut learned = 0_u32;
        learned.load(bytes)?;
        self.learned = learned != 0;
        self.within = false;
        // At rest nobody has waited as long as `PATIENCE`.
        let longest = self.past.len.min(PATIENCE - 1) as u64;
        let waits =
            |&seen: &u64| seen == NEVER || seen <= self.block && self.block - seen <= longest;
        // Far below what a counter can reach, and far above what any stream does.
        let counted = self.block < NEVER / 2 && self.steps < NEVER / 2;
        if !counted || !self.seen.iter().all(waits) {
            return Err(Error::State {
                reason: "sources of blocks that are not kept".into(),
            });
        }
        self.respond();
        Ok(())
    }

    fn numbers(&self) -> usize {
        self.c.len()
            + self.zt.len()
            + 3 * self.stride()
            + self.past.numbers()
            + self.pending.as_ref().map_or(0, Persist::numbers)
    }

    fn bytes(&self) -> usize {
        let rows = [
            &self.a,
            &self.c,
            &self.x1,
            &self.s,
            &self.t,
            &self.y,
            &self.none,
            &self.sum_a,
            &self.sum_c,
        ];
        let rows: usize = rows.into_iter().map(|row| row.bytes()).sum();
        let lists = self.seen.bytes() + self.visits.capacity() * size_of::<Visit<F>>();
        let pending = self.pending.as_ref().map_or(0, Persist::bytes);
        rows + lists + pending + self.zt.bytes() + self.past.bytes() + self.powers.bytes()
    }
}
