//! The threads of a session: they wait for the next step by looking, and sleep only if it does not come for a while.
//!
//! A step of a model takes ten to a few hundred microseconds, waking a thread up to some fifty. A thread that has done its
//! part therefore looks for the next one for longer than the steps between two that are split usually take.
//!
//! Nobody waits for a thread that has not begun: where processors are busy with something else, a step ends when the
//! threads that did come have done all of it.

use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long a thread looks for work before it sleeps: a few steps on one thread, and less than anybody would notice of a
/// session that is idle.
const LOOKS_FOR: Duration = Duration::from_micros(200);

/// Looks before the processor is offered to others: about a microsecond. Who wants it gets it, so that a thread is stopped
/// while it looks and not in the middle of its part.
const LOOKS: usize = 32;

/// Most threads of a team: their number has 15 bits in a [`Call`].
pub const MOST_THREADS: usize = (1 << 15) - 1;

/// What a thread does for a step; it is given its number.
type Work<'w> = &'w (dyn Fn(usize) + Sync + 'w);

/// Threads that work on one step together, the caller's among them.
pub struct Team {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// A call as one word: its number (32 bits), the threads it is for (15), whether more threads may begin (1), and how many
/// beside the caller's have begun and are not done (16).
#[derive(Clone, Copy, PartialEq, Eq)]
struct Call(u64);

impl Call {
    const OPEN: u64 = 1 << 16;

    fn new(number: u64, threads: usize) -> Call {
        Call(number << 32 | (threads as u64) << 17 | Call::OPEN)
    }

    fn number(self) -> u64 {
        self.0 >> 32
    }

    fn threads(self) -> usize {
        (self.0 >> 17) as usize & MOST_THREADS
    }

    fn is_open(self) -> bool {
        self.0 & Call::OPEN != 0
    }

    fn busy(self) -> u64 {
        self.0 & 0xffff
    }
}

struct Shared {
    /// The last [`Call`].
    call: AtomicU64,
    /// What its threads do. Written before `call` changes, while no thread is busy; read by threads that are counted as busy.
    work: UnsafeCell<Option<Work<'static>>>,
    /// Whether a thread panicked in a call.
    panicked: AtomicBool,
    /// Whether the threads shall end.
    ends: AtomicBool,
    /// For each thread but the caller's, whether it sleeps.
    asleep: Vec<AtomicBool>,
}

// SAFETY: `work` is written by the owner of the team alone, in `run`, while no other thread reads it: those who read it are
// counted in `call`, and `run` does not return before they are done and no other can begin.
unsafe impl Sync for Shared {}

impl Team {
    /// A team of so many threads, the caller's included; at most [`MOST_THREADS`].
    ///
    /// # Errors
    /// What the system says if a thread cannot be started.
    pub fn new(threads: usize) -> std::io::Result<Team> {
        let others = threads.min(MOST_THREADS).saturating_sub(1);
        let shared = Arc::new(Shared {
            call: AtomicU64::new(0),
            work: UnsafeCell::new(None),
            panicked: AtomicBool::new(false),
            ends: AtomicBool::new(false),
            asleep: (0..others).map(|_| AtomicBool::new(false)).collect(),
        });
        let mut team = Team { shared, threads: Vec::with_capacity(others) };
        for number in 1..=others {
            let shared = Arc::clone(&team.shared);
            let thread = thread::Builder::new().name(format!("qcc-{number}"));
            team.threads.push(thread.spawn(move || shared.serve(number))?);
        }
        Ok(team)
    }

    /// Calls `work(0)` on the caller's thread and `work(i)` on every other thread with a number below `threads` that begins
    /// before that returns. All have returned when this does. What there is to do must be shared out by `work` among those
    /// who come.
    ///
    /// # Panics
    /// If a call of `work` does.
    pub fn run(&mut self, threads: usize, work: Work<'_>) {
        let threads = threads.min(self.threads.len() + 1);
        if threads <= 1 {
            return work(0);
        }
        let shared = &*self.shared;
        // SAFETY: nobody uses the reference behind this call: `Close` waits for all, even if the caller's part panics.
        let lasting: Work<'static> = unsafe { std::mem::transmute::<Work<'_>, Work<'static>>(work) };
        // SAFETY: no thread is busy, and none begins before there is a new call.
        unsafe { *shared.work.get() = Some(lasting) };
        let close = Close(shared);
        self.announce(threads);
        work(0);
        drop(close);
        assert!(!shared.panicked.swap(false, Ordering::Relaxed), "a part of a step panicked on another thread");
    }

    fn announce(&self, threads: usize) {
        let number = Call(self.shared.call.load(Ordering::Relaxed)).number() + 1;
        // The store and the look at who sleeps must not change places: a thread says that it sleeps, then looks once more.
        self.shared.call.store(Call::new(number & u64::from(u32::MAX), threads).0, Ordering::SeqCst);
        for (asleep, thread) in self.shared.asleep.iter().zip(&self.threads).take(threads - 1) {
            if asleep.swap(false, Ordering::SeqCst) {
                thread.thread().unpark();
            }
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        self.announce(self.threads.len() + 1);
        for thread in self.threads.drain(..) {
            // Panics in calls are caught where they happen.
            let _ = thread.join();
        }
    }
}

/// Lets no further thread begin, and waits for those that have.
struct Close<'s>(&'s Shared);

impl Drop for Close<'_> {
    fn drop(&mut self) {
        let mut call = Call(self.0.call.fetch_and(!Call::OPEN, Ordering::AcqRel));
        let mut looks = 0usize;
        while call.busy() > 0 {
            looks += 1;
            if looks.is_multiple_of(LOOKS) {
                thread::yield_now()
            } else {
                spin_loop()
            }
            call = Call(self.0.call.load(Ordering::Acquire));
        }
    }
}

impl Shared {
    /// What thread `number` does: its part of all calls.
    fn serve(&self, number: usize) {
        let mut last = 0;
        loop {
            let call = self.next(number, last);
            last = call.number();
            if self.ends.load(Ordering::Relaxed) {
                return;
            }
            if number >= call.threads() || !self.begins(call) {
                continue;
            }
            // SAFETY: this thread is counted as busy.
            let work = unsafe { *self.work.get() };
            if let Some(work) = work
                && catch_unwind(AssertUnwindSafe(|| work(number))).is_err()
            {
                self.panicked.store(true, Ordering::Relaxed);
            }
            self.call.fetch_sub(1, Ordering::Release);
        }
    }

    /// Counts one more thread as busy with a call, unless it is closed.
    fn begins(&self, call: Call) -> bool {
        let begin = |now: u64| (Call(now).number() == call.number() && Call(now).is_open()).then(|| now + 1);
        self.call.fetch_update(Ordering::Acquire, Ordering::Relaxed, begin).is_ok()
    }

    /// The first call seen that has not the number `last`.
    fn next(&self, number: usize, last: u64) -> Call {
        let start = Instant::now();
        while start.elapsed() < LOOKS_FOR {
            for _ in 0..LOOKS {
                let call = Call(self.call.load(Ordering::Acquire));
                if call.number() != last {
                    return call;
                }
                spin_loop();
            }
            thread::yield_now();
        }
        let asleep = &self.asleep[number - 1];
        loop {
            asleep.store(true, Ordering::SeqCst);
            let call = Call(self.call.load(Ordering::SeqCst));
            if call.number() != last {
                asleep.store(false, Ordering::Relaxed);
                return call;
            }
            thread::park();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn all_items_of_every_call_are_done_once_whether_threads_look_or_sleep() {
        let mut team = Team::new(4).expect("threads");
        let mut items: Vec<AtomicUsize> = (0..64).map(|_| AtomicUsize::new(0)).collect();
        for round in 1..2000 {
            let next = AtomicUsize::new(0);
            let threads = round % 5;
            team.run(threads, &|thread| {
                assert!(thread < threads.max(1));
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let old = item.load(Ordering::Relaxed);
                    item.store(old + round, Ordering::Relaxed);
                }
            });
            if round % 400 == 0 {
                thread::sleep(2 * LOOKS_FOR);
            }
            let expected = round * (round + 1) / 2;
            assert!(items.iter_mut().all(|item| *item.get_mut() == expected), "round {round}");
        }
    }

    #[test]
    fn a_thread_that_has_begun_is_waited_for_and_a_panic_reaches_the_caller() {
        let mut team = Team::new(2).expect("threads");
        let began = AtomicBool::new(false);
        let ended = AtomicBool::new(false);
        let call = AssertUnwindSafe(|| {
            team.run(2, &|thread| {
                if thread == 0 {
                    while !began.load(Ordering::Relaxed) {
                        thread::yield_now();
                    }
                    return;
                }
                began.store(true, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(5));
                ended.store(true, Ordering::Relaxed);
                panic!("as wanted");
            });
        });
        assert!(catch_unwind(call).is_err());
        assert!(ended.into_inner());
        let caller = AssertUnwindSafe(|| team.run(2, &|thread| assert_ne!(thread, 0, "as wanted")));
        assert!(catch_unwind(caller).is_err());
        let count = AtomicUsize::new(0);
        team.run(1, &|_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(count.into_inner(), 1);
    }
}
