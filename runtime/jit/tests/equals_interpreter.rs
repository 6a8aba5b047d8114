//! Compiled code equals the interpreter bit for bit: every operation, control flow, and partial accesses.
#![allow(unsafe_code, reason = "compiled kernels are called")]

mod operations;

use operations::{WIDTHS, ternary};
use qcc_jit::{CpuFeatures, compile};
use qcc_kernel::{Kernel, Lane, halve, interpret, verify};

/// Runs the kernel both ways on the same buffers and compares every buffer.
fn check(kernel: &Kernel, seed: u64) {
    verify(kernel).unwrap();
    for features in [CpuFeatures::detect(), CpuFeatures::baseline()] {
        let module = compile(std::slice::from_ref(kernel), &features).unwrap();
        let mut compiled = operations::buffers(kernel, seed);
        let mut interpreted = compiled.clone();
        let mut halved = compiled.clone();
        let run = |kernel: &Kernel, buffers: &mut [Vec<u8>]| {
            let mut slices: Vec<&mut [u8]> = buffers.iter_mut().map(Vec::as_mut_slice).collect();
            interpret(kernel, &mut slices, 0, u64::from(kernel.tasks)).unwrap();
        };
        run(kernel, &mut interpreted);
        let narrow = halve(kernel);
        verify(&narrow).unwrap();
        run(&narrow, &mut halved);
        assert_eq!(halved, interpreted, "{kernel} halved: {narrow}");
        let pointers: Vec<*mut u8> = compiled.iter_mut().map(|b| b.as_mut_ptr()).collect();
        // SAFETY: one buffer of the declared size per declaration.
        unsafe { module.entry(0).call(&pointers, 0, u64::from(kernel.tasks)) };
        assert_eq!(compiled, interpreted, "{kernel}");
    }
}

#[test]
fn unary_operations() {
    operations::unary_operations(&mut check);
}

#[test]
fn binary_operations() {
    operations::binary_operations(&mut check);
}

#[test]
fn conversions_of_what_does_not_fit() {
    operations::conversions_of_what_does_not_fit(&mut check);
}

#[test]
fn shifts_selects_shuffles_and_dots() {
    operations::shifts_selects_shuffles_and_dots(&mut check);
}

#[test]
fn memory_of_every_width() {
    operations::memory_of_every_width(&mut check);
}

#[test]
fn tables_and_indices() {
    operations::tables_and_indices(&mut check);
}

#[test]
fn loops_and_branches() {
    operations::loops_and_branches(&mut check);
}

#[test]
fn carried_values_change_places_and_stay() {
    operations::carried_values_change_places_and_stay(&mut check);
}

#[test]
fn more_values_than_registers() {
    operations::more_values_than_registers(&mut check);
}

#[test]
fn broken_promises_lead_nowhere() {
    for (kernel, before, after) in operations::broken_promises() {
        verify(&kernel).unwrap();
        for features in [CpuFeatures::detect(), CpuFeatures::baseline()] {
            let module = compile(std::slice::from_ref(&kernel), &features).unwrap();
            let mut memory = before.clone();
            let pointers: Vec<*mut u8> = memory.iter_mut().map(Vec::as_mut_ptr).collect();
            // SAFETY: one buffer of the declared size per declaration.
            unsafe { module.entry(0).call(&pointers, 0, u64::from(kernel.tasks)) };
            assert_eq!(memory, after, "{kernel}");
        }
    }
}

#[test]
fn equal_kernels_share_their_code_and_threads_do_not_matter() {
    let kernels: Vec<Kernel> =
        (0..9).map(|i| ternary(WIDTHS[i / 3 % 2], "k", [Lane::I32; 3], |b, [x, ..]| b.shl(x, (i % 3) as u8))).collect();
    for threads in [1, 2, 16] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let module = pool.install(|| compile(&kernels, &CpuFeatures::detect())).unwrap();
        assert_eq!(module.len(), 9);
        let mut buffers = vec![vec![1u8; 256]; 4];
        let pointers: Vec<*mut u8> = buffers.iter_mut().map(|b| b.as_mut_ptr()).collect();
        for i in 0..9 {
            // SAFETY: four buffers of 256 bytes, as declared or more.
            unsafe { module.entry(i).call(&pointers, 0, 8) };
            assert_eq!(buffers[3][0], 1 << (i % 3));
        }
    }
}
