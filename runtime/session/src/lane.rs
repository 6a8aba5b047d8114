//! Working memory and the steps that use it: what runs a program on one sample.

use crate::SessionError;
use crate::arena::Arena;
use crate::outputs::Outputs;
use crate::session::Options;
use crate::steps::{self, Bound, Machine, Place};
use qcc_kernel::program::{self, BufferId, Program};

/// The share of the threads that must have a sample to work on for samples to be divided among them: steps divided among
/// two threads are done in 1.5 to 1.9 times less.
const BUSY: f64 = 0.85;

/// One sample at a time.
pub struct Lane {
    /// The steps, in order.
    pub steps: Vec<Bound>,
    inputs: Vec<Place>,
    outputs: Outputs,
    _arena: Arena,
}

/// How many lanes work side by side, a thread in each; with one, its steps are divided among the threads.
pub fn lanes(samples: usize, threads: usize) -> usize {
    let lanes = threads.min(samples).max(1);
    let rounds = samples.div_ceil(lanes);
    if samples as f64 >= BUSY * (rounds * threads) as f64 { lanes } else { 1 }
}

impl Lane {
    /// Memory for a checked program whose constants lie at `constants`.
    ///
    /// # Errors
    /// More memory than the machine has; those of nested sessions.
    pub fn new(program: &Program, options: &Options, constants: *mut u8) -> Result<Lane, SessionError> {
        let arena = Arena::new(program.arena_bytes)?;
        let place = |id: BufferId| match program.buffers[id.0 as usize].place {
            program::Place::Arena(offset) => Place(arena.at(offset)),
            program::Place::Constant(offset) => Place(constants.wrapping_add(offset)),
        };
        let steps = steps::bind(program, options, &place)?;
        let inputs = program.inputs.iter().map(|port| place(port.buffer)).collect();
        let outputs = Outputs::new(program, &place);
        Ok(Lane { steps, inputs, outputs, _arena: arena })
    }

    /// Runs the steps on one sample by `run`, which is told the number of each. `inputs` are those of all samples, as long as
    /// the program says; `seen` gets the number of an output and its bytes as soon as they are there.
    ///
    /// # Errors
    /// Those of `run`.
    pub fn run(
        &mut self,
        machine: &mut Machine<'_>,
        inputs: &[&[u8]],
        sample: usize,
        run: &mut dyn FnMut(usize, &mut Bound, &mut Machine<'_>) -> Result<(), SessionError>,
        seen: &mut dyn FnMut(usize, &[u8]),
    ) -> Result<(), SessionError> {
        for ((port, place), bytes) in machine.program.inputs.iter().zip(&self.inputs).zip(inputs) {
            let length = machine.program.sample_bytes(port);
            let bytes = &bytes[sample * length..][..length];
            // SAFETY: the check made sure that the buffer may be written and has the bytes of a sample.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), place.0, length) };
        }
        self.outputs.after(0, seen);
        for (number, step) in self.steps.iter_mut().enumerate() {
            run(number, step, machine)?;
            self.outputs.after(number + 1, seen);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::lanes;

    #[test]
    fn samples_are_divided_among_threads_if_nearly_all_have_one() {
        let cases =
            [(1, 1, 1), (1, 2, 1), (8, 1, 1), (2, 2, 2), (3, 2, 1), (7, 2, 2), (8, 2, 2), (8, 4, 4), (8, 16, 1)];
        for (samples, threads, expected) in cases {
            assert_eq!(lanes(samples, threads), expected, "{samples} samples, {threads} threads");
        }
    }
}
