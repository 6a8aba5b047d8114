//! Kernels with what their buffers hold before they run, and afterwards by the interpreter: only numbers that break a
//! promise stop that, so for those the test says what comes of them.
//!
//! They are those of the tests that run on the host: one for every operation, and convolutions of all kinds for every
//! target of lowering. Each other generator adds a few ([`generators`]).

#[path = "../../../compiler/lower/tests/convolution/mod.rs"]
#[allow(dead_code, reason = "tests on the host read more of it")]
pub mod convolution;
#[path = "../../../runtime/jit/tests/operations/mod.rs"]
#[allow(dead_code, reason = "tests on the host read more of it")]
mod operations;

use std::collections::HashSet;

use anyhow::anyhow;
use qcc_kernel::{Kernel, interpret, verify};
use qcc_lower::kernels::conv::conv_for;
use qcc_lower::kernels::layout::Elem;
use qcc_lower::kernels::{Generated, winograd};
use rayon::prelude::*;

use crate::generators;
use convolution::{Case as Convolution, Epilogue, Pattern, TARGETS, problem};

/// A kernel and its buffers, in order of declaration.
pub struct Case {
    /// What runs.
    pub kernel: Kernel,
    /// Contents of its buffers before all of its tasks.
    pub before: Vec<Vec<u8>>,
    /// Contents of its buffers after all of its tasks.
    pub after: Vec<Vec<u8>>,
}

/// All of them.
///
/// # Errors
/// What the interpreter or a generator does not accept.
pub fn all() -> anyhow::Result<Vec<Case>> {
    let mut kernels: Vec<(Kernel, Vec<Vec<u8>>)> = Vec::new();
    operations::all(&mut |kernel, seed| kernels.push((kernel.clone(), operations::buffers(kernel, seed))));
    for case in convolutions() {
        let problem = problem(&case);
        let tiled = case.kernel == [3, 3] && case.strides == [1, 1] && case.dilations == [1, 1] && case.group == 1;
        for target in TARGETS {
            let direct = conv_for(&problem.spec, target).map_err(|why| anyhow!("{case:?}: {why}"))?;
            // Tiles of outputs are refused where there are too few of them.
            let tiles = tiled.then(|| winograd::generate(&problem.spec, target).ok()).flatten();
            kernels.extend([direct].into_iter().chain(tiles).map(|generated| {
                let buffers = convolution::buffers(&problem, &generated);
                let Generated { kernel, .. } = generated;
                (kernel, buffers)
            }));
        }
    }
    kernels.extend(generators::all()?);
    // Not every kernel depends on all of its target.
    let mut seen = HashSet::new();
    kernels.retain(|case| seen.insert(case.clone()));
    let cases: anyhow::Result<Vec<Case>> =
        kernels.into_par_iter().map(|(kernel, before)| interpreted(kernel, before)).collect();
    let broken =
        operations::broken_promises().into_iter().map(|(kernel, before, after)| Case { kernel, before, after });
    Ok(cases?.into_iter().chain(broken).collect())
}

fn interpreted(kernel: Kernel, before: Vec<Vec<u8>>) -> anyhow::Result<Case> {
    verify(&kernel)?;
    let mut after = before.clone();
    let mut slices: Vec<&mut [u8]> = after.iter_mut().map(Vec::as_mut_slice).collect();
    interpret(&kernel, &mut slices, 0, u64::from(kernel.tasks))?;
    Ok(Case { kernel, before, after })
}

/// Every generator of integer convolutions at all of its tails, with codes and weights at their extremes.
fn convolutions() -> Vec<Convolution> {
    let codes = |elem, case| Convolution { epilogue: Epilogue::Codes(elem), ..case };
    let mut cases = Vec::new();
    for inputs in [1, 3, 4, 8, 17, 33] {
        for outputs in [1, 7, 8, 16, 17, 40] {
            cases.push(codes(Elem::U8, Convolution::new(5, inputs, outputs, 1)));
            cases.push(Convolution::new(4, inputs, outputs, 3));
            cases.push(codes(Elem::I16, Convolution { elem: Elem::I16, ..Convolution::new(3, inputs, outputs, 1) }));
        }
    }
    for channels in [3, 8, 16, 17, 24, 33, 70] {
        for (kernel, stride) in [(3, 1), (3, 2), (5, 1), (1, 1)] {
            let case = Convolution {
                group: channels,
                strides: [stride; 2],
                ..Convolution::new(9, channels, channels, kernel)
            };
            cases.push(codes(Elem::U8, Convolution { margin: 1, ..case.clone() }));
            cases.push(Convolution { epilogue: Epilogue::Residual, ..case });
        }
    }
    for (inputs, outputs, group) in [(4, 4, 2), (6, 12, 3), (32, 48, 2), (2, 40, 2)] {
        cases.push(codes(Elem::I8, Convolution { group, margin: 2, ..Convolution::new(5, inputs, outputs, 3) }));
    }
    for elem in [Elem::U8, Elem::I8] {
        for signed_weights in [true, false] {
            for pattern in [Pattern::Lowest, Pattern::Highest, Pattern::Alternating] {
                for (kernel, group, largest) in [(1, 1, 127), (3, 1, 127), (3, 24, 127), (3, 1, 60), (3, 24, 20)] {
                    let outputs = if group == 1 { 52 } else { 24 };
                    let case = Convolution::new(5, 24, outputs, kernel);
                    cases.push(Convolution { elem, signed_weights, pattern, group, largest, ..case });
                }
            }
        }
    }
    for one_block_of in [2, 9, u64::MAX] {
        for [inputs, outputs] in [[24, 52], [64, 64], [70, 3]] {
            cases.push(Convolution { one_block_of, ..Convolution::new(6, inputs, outputs, 3) });
            let signed =
                Convolution { elem: Elem::I8, one_block_of, margin: 1, ..Convolution::new(7, inputs, outputs, 1) };
            cases.push(codes(Elem::I8, signed));
        }
    }
    for (kernel, strides, dilations) in [([3, 3], [2, 2], [1, 1]), ([3, 3], [1, 1], [2, 2]), ([2, 4], [3, 2], [1, 2])] {
        for elem in [Elem::U8, Elem::I16] {
            let case = Convolution { kernel, strides, dilations, elem, ..Convolution::new(9, 12, 20, 1) };
            cases.push(Convolution { pads: [2, 3, 1, 0], margin: 1, images: 2, ..case });
        }
    }
    cases.push(codes(Elem::U8, Convolution::new(13, 64, 176, 1)));
    cases.push(Convolution { epilogue: Epilogue::Residual, ..Convolution::new(12, 48, 88, 3) });
    cases.push(Convolution { size: [1, 1], ..Convolution::new(1, 700, 490, 1) });
    cases
}
