//! A program of kernels allocates nothing once it runs.
#![allow(unsafe_code, reason = "a global allocator that counts")]

use bytes::Bytes;
use qcc_kernel::program::{Action, Buffer, BufferId, Place, Port, Program, Step};
use qcc_kernel::{KernelBuilder, Lane};
use qcc_session::{Options, Session};
use qcc_tensor::{DType, TensorType};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_run_of_kernels_allocates_nothing() {
    let mut b = KernelBuilder::new("copy", 4);
    let (x, y) = (b.input("x", 64), b.output("y", 64));
    let at = b.mul(b.task(), 16);
    let v = b.load(Lane::I32, 16, x.at(at, 0));
    b.store(y.at(at, 0), 16, v);
    let kernel = b.finish();
    for (samples, threads) in [(1, 1), (8, 1), (8, 2)] {
        let ty = TensorType::new(DType::U8, [samples, 64]);
        let buffer = |name: &str, at| Buffer { name: name.into(), bytes: 64, place: Place::Arena(at) };
        let port = |name: &str, i| Port { name: name.into(), ty: ty.clone(), buffer: BufferId(i) };
        let action = Action::Kernel { kernel: 0, buffers: vec![BufferId(0), BufferId(1)] };
        let step = Step { name: "copy".into(), action, predicted_ns: 0.0, macs: 0, remark: None };
        let program = Program {
            name: String::new(),
            samples,
            metadata: Vec::new(),
            inputs: vec![port("x", 0)],
            outputs: vec![port("y", 1)],
            kernels: vec![kernel.clone()],
            constants: Bytes::new(),
            buffers: vec![buffer("x", 0), buffer("y", 64)],
            arena_bytes: 128,
            steps: vec![step; 5],
            tail: None,
        };
        let options = Options { threads, ..Options::default() };
        let mut session = Session::new(Arc::new(program), &options).expect("the program is sound");
        let input: Vec<u8> = (0..64 * samples).map(|i| i as u8).collect();
        let mut output = vec![0; 64 * samples];
        // Another thread of the session allocates once, when it starts, which may be during any run.
        let allocated = (0..=threads).map(|_| {
            let before = ALLOCATIONS.load(Ordering::Relaxed);
            for _ in 0..100 {
                session.run_into(&[&input], &mut [&mut output]).expect("it runs");
            }
            ALLOCATIONS.load(Ordering::Relaxed) - before
        });
        let allocated: Vec<usize> = allocated.collect();
        assert!(allocated.contains(&0), "{samples} samples, {threads} threads: {allocated:?} in 100 runs each");
        assert_eq!(output, input);
    }
}
