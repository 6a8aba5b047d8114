//! Outputs of a program, read as soon as they are complete: later steps may use their memory.

use crate::steps::Place;
use qcc_kernel::program::{BufferId, Program};

/// Where outputs lie, and when.
pub struct Outputs {
    /// How many steps run before it is complete, which output, where it lies and how long it is (bytes); in order.
    all: Vec<(usize, usize, Place, usize)>,
}

impl Outputs {
    /// Those of a checked program.
    pub fn new(program: &Program, place: &dyn Fn(BufferId) -> Place) -> Self {
        let ports = program.complete().into_iter().zip(&program.outputs).enumerate();
        let mut all: Vec<_> =
            ports.map(|(at, (steps, port))| (steps, at, place(port.buffer), program.sample_bytes(port))).collect();
        all.sort_unstable_by_key(|&(steps, at, ..)| (steps, at));
        Self { all }
    }

    /// Calls `seen` with the outputs that are complete after so many steps, which have run.
    pub fn after(&self, steps: usize, seen: &mut dyn FnMut(usize, &[u8])) {
        let from = self.all.partition_point(|(complete, ..)| *complete < steps);
        for &(_, at, place, bytes) in self.all[from..].iter().take_while(|(complete, ..)| *complete == steps) {
            // SAFETY: the check made sure that the buffer has the port's bytes, and no step runs meanwhile.
            seen(at, unsafe { std::slice::from_raw_parts(place.0.cast_const(), bytes) });
        }
    }
}
