//! Threads that do the parts of one short piece of work after the other. Between two pieces they wait awake: a step of a large network is a few pieces, each of some
//! tens of microseconds, and a thread that sleeps takes as long to wake.

use core::cell::UnsafeCell;
use core::hint::spin_loop;
use core::mem::transmute;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// Parts of one piece of work, at most.
const MOST: usize = 64;

/// So often a thread looks for work before it lets others have its core now and then.
const PATIENCE: usize = 1 << 14;

/// A part of the work, by its number.
type Job = dyn Fn(usize) + Sync;

/// The low half of a ticket: parts that nobody has begun. The high half is the number of the work.
const LEFT: u64 = u32::MAX as u64;

/// A caller, and helpers that are there until they are sent away.
#[derive(Debug)]
pub(crate) struct Crew {
    threads: usize,
    /// Whether the caller is within a piece of work: what it does there, it does alone.
    busy: AtomicBool,
    ticket: AtomicU64,
    /// Parts that are done, or given up, of the work under way.
    done: AtomicUsize,
    failed: AtomicBool,
    dismissed: AtomicBool,
    job: UnsafeCell<Option<&'static Job>>,
}

// SAFETY: the job is written by the caller alone, while no part is left to be begun and none is under way (`run`), and read by those alone who have begun a part of
// it. All else is atomic.
unsafe impl Sync for Crew {}

impl Crew {
    /// Of so many threads, the caller's among them.
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            threads: threads.clamp(1, MOST),
            busy: AtomicBool::new(false),
            ticket: AtomicU64::new(0),
            done: AtomicUsize::new(0),
            failed: AtomicBool::new(false),
            dismissed: AtomicBool::new(false),
            job: UnsafeCell::new(None),
        }
    }

    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// Sends the helpers away.
    pub(crate) fn dismiss(&self) {
        self.dismissed.store(true, Ordering::Release);
    }

    /// What a helper does until it is sent away; `pause` lets others have its core.
    pub(crate) fn help(&self, pause: impl Fn()) {
        let mut looked = 0;
        while !self.dismissed.load(Ordering::Acquire) {
            if self.do_one() {
                looked = 0;
                continue;
            }
            looked += 1;
            match looked < PATIENCE {
                true => spin_loop(),
                false => pause(),
            }
        }
    }

    /// Does the work for each item, in any order, on whoever is there; `pause` as above.
    pub(crate) fn each<T: Send>(
        &self,
        mut items: impl Iterator<Item = T>,
        pause: impl Fn(),
        work: impl Fn(T) + Sync,
    ) {
        if self.busy.swap(true, Ordering::Relaxed) {
            return items.for_each(work);
        }
        loop {
            let mut slots = [const { Slot(UnsafeCell::new(None)) }; MOST];
            let mut n = 0;
            for (slot, item) in slots.iter_mut().zip(items.by_ref()) {
                *slot.0.get_mut() = Some(item);
                n += 1;
            }
            if n == 0 {
                break;
            }
            self.run(n, &pause, &|at| {
                // SAFETY: a part is begun once, so nobody else looks into its slot.
                let item = unsafe { (*slots[at].0.get()).take() };
                item.into_iter().for_each(&work);
            });
        }
        self.busy.store(false, Ordering::Relaxed);
    }

    /// Does all parts of a job; returns when all are done.
    fn run(&self, parts: usize, pause: &dyn Fn(), job: &(dyn Fn(usize) + Sync)) {
        // SAFETY: the job is used within this function alone: it ends, also by a panic, when every part that was begun is done and no other can be (`Whole`).
        let job = unsafe { transmute::<&(dyn Fn(usize) + Sync), &'static Job>(job) };
        // SAFETY: nobody reads it: no part of the last job is left, and all of them are done.
        unsafe { *self.job.get() = Some(job) };
        self.done.store(0, Ordering::Relaxed);
        let number = (self.ticket.load(Ordering::Relaxed) >> 32).wrapping_add(1) & LEFT;
        let ticket = number << 32 | parts as u64;
        self.ticket.store(ticket, Ordering::Release);
        let whole = Whole {
            crew: self,
            parts,
            pause,
        };
        while self.do_one() {}
        drop(whole);
        assert!(
            !self.failed.load(Ordering::Relaxed),
            "a helper panicked in a part of its own"
        );
    }

    /// Does a part of the work under way; `false`: none is left.
    fn do_one(&self) -> bool {
        let mut ticket = self.ticket.load(Ordering::Relaxed);
        loop {
            if ticket & LEFT == 0 {
                return false;
            }
            let (with, order) = (Ordering::Acquire, Ordering::Relaxed);
            match self
                .ticket
                .compare_exchange_weak(ticket, ticket - 1, with, order)
            {
                Ok(_) => break,
                Err(now) => ticket = now,
            }
        }
        let _done = Done(self);
        // SAFETY: this part was left, so its job is under way, and cannot end before the part is done.
        let job = unsafe { *self.job.get() };
        if let Some(job) = job {
            job((ticket & LEFT) as usize - 1);
        }
        true
    }
}

/// An item that waits for the one who takes it.
struct Slot<T>(UnsafeCell<Option<T>>);

// SAFETY: each slot is looked into by one thread alone, which takes the item (`Crew::each`).
unsafe impl<T: Send> Sync for Slot<T> {}

/// A part has ended, if only by a panic.
struct Done<'a>(&'a Crew);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        #[cfg(feature = "std")]
        if std::thread::panicking() {
            self.0.failed.store(true, Ordering::Relaxed);
        }
        self.0.done.fetch_add(1, Ordering::Release);
    }
}

/// No thread has begun a part of the work, or is about to, when this is dropped.
struct Whole<'a> {
    crew: &'a Crew,
    parts: usize,
    pause: &'a dyn Fn(),
}

impl Drop for Whole<'_> {
    fn drop(&mut self) {
        // None is left, but after a panic.
        let left = self.crew.ticket.fetch_and(!LEFT, Ordering::Relaxed) & LEFT;
        let mut looked = 0;
        while self.crew.done.load(Ordering::Acquire) + (left as usize) < self.parts {
            looked += 1;
            match looked < PATIENCE {
                true => spin_loop(),
                false => (self.pause)(),
            }
        }
    }
}
