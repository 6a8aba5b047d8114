//! Compilation of many kernels into executable memory, and its release.

use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};

use cranelift_codegen::Context;
use cranelift_codegen::FinalizedMachReloc;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::Function;
use cranelift_codegen::isa::{self, OwnedTargetIsa, TargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_frontend::FunctionBuilderContext;
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{Linkage, Module, ModuleReloc, default_libcall_names};
use qcc_kernel::{Kernel, Width, halve};
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use thiserror::Error;

use crate::avx2;
use crate::cpu::CpuFeatures;
use crate::translate::{signature, translate};

/// `a * b + c`, rounded once.
extern "C" fn mul_add(a: f32, b: f32, c: f32) -> f32 {
    a.mul_add(b, c)
}

/// Why no code was generated.
#[derive(Debug, Error)]
pub enum JitError {
    /// The host has no backend.
    #[error("no code can be generated for this CPU: {0}")]
    Host(String),
    /// A kernel could not be compiled.
    #[error("this is a bug in qcc: kernel {kernel}: {why}")]
    Kernel {
        /// Name of the kernel.
        kernel: String,
        /// What the code generator says.
        why: String,
    },
}

/// Executable code of a list of kernels. Freed on drop.
pub struct CodeModule {
    entries: Vec<RawEntry>,
    /// Owner of the memory behind `entries`; touched on drop only.
    memory: Mutex<Option<JITModule>>,
}

/// One compiled kernel.
#[derive(Clone, Copy, Debug)]
pub struct KernelFn<'m> {
    entry: RawEntry,
    module: PhantomData<&'m CodeModule>,
}

/// Machine code that may be placed anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineCode {
    /// Instructions and the constants they read.
    pub bytes: Vec<u8>,
    /// Where in `bytes` the first instruction is.
    pub start: usize,
    /// What the address of `bytes` has to be a multiple of.
    pub align: u64,
}

type RawEntry = unsafe extern "C" fn(*const *mut u8, u64, u64);

/// Compiles `kernels` for `features` on the threads of rayon's pool. Equal kernels (names aside) share their code.
///
/// # Errors
/// [`JitError::Host`] without a backend for the host, or if `features` name another CPU; [`JitError::Kernel`] if Cranelift
/// rejects a kernel.
pub fn compile(kernels: &[Kernel], features: &CpuFeatures) -> Result<CodeModule, JitError> {
    if let Some(triple) = features.triple() {
        return Err(JitError::Host(format!("code for {triple} is not run here")));
    }
    let isa = isa(features)?;
    let mut unique: Vec<&Kernel> = Vec::new();
    let mut seen: FxHashMap<Unnamed<'_>, usize> = FxHashMap::default();
    let index: Vec<usize> = kernels
        .iter()
        .map(|k| {
            *seen.entry(Unnamed(k)).or_insert_with(|| {
                unique.push(k);
                unique.len() - 1
            })
        })
        .collect();
    let generated: Result<Vec<Generated>, JitError> =
        unique.par_iter().map(|kernel| generate(kernel, features, &*isa)).collect();
    let (module, compiled) = place(&unique, generated?, isa)?;
    let entries = index.into_iter().map(|i| compiled[i]).collect();
    Ok(CodeModule { entries, memory: Mutex::new(Some(module)) })
}

/// The machine code of a kernel, for a CPU that may be another one than the host's.
///
/// # Errors
/// As [`compile`]; also a kernel that calls what the CPU has no instruction for.
pub fn machine_code(kernel: &Kernel, features: &CpuFeatures) -> Result<MachineCode, JitError> {
    let Generated { bytes, start, align, relocations } = generate(kernel, features, &*isa(features)?)?;
    if !relocations.is_empty() {
        return Err(reject(kernel, "its code is not complete without functions to call".to_string()));
    }
    Ok(MachineCode { bytes, start, align })
}

/// Cranelift's intermediate form of a kernel; a wide one is halved first.
///
/// # Errors
/// As [`compile`].
pub fn clif(kernel: &Kernel, features: &CpuFeatures) -> Result<String, JitError> {
    let isa = isa(features)?;
    let mut context = Context::new();
    translate(&halve(kernel), &*isa, features.dot4(), &mut context.func, &mut FunctionBuilderContext::new());
    Ok(context.func.display().to_string())
}

/// The machine code of a kernel as text, before it is placed in memory, from the backend that [`compile`] takes.
///
/// # Errors
/// As [`compile`].
pub fn asm(kernel: &Kernel, features: &CpuFeatures) -> Result<String, JitError> {
    if kernel.width == Width::V256 && avx2::supports(features) {
        let (code, entry) = avx2::compile(kernel).map_err(|why| reject(kernel, why))?;
        return Ok(avx2::listing(&code, entry));
    }
    let isa = isa(features)?;
    let mut context = Context::new();
    context.set_disasm(true);
    translate(&halve(kernel), &*isa, features.dot4(), &mut context.func, &mut FunctionBuilderContext::new());
    let code = context.compile(&*isa, &mut ControlPlane::default()).map_err(|e| reject(kernel, format!("{e:?}")))?;
    Ok(code.vcode.clone().unwrap_or_default())
}

impl CodeModule {
    /// Number of kernels.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no kernels.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The code of kernel `i`.
    ///
    /// # Panics
    /// If there are not that many kernels.
    pub fn entry(&self, i: usize) -> KernelFn<'_> {
        KernelFn { entry: self.entries[i], module: PhantomData }
    }
}

impl Drop for CodeModule {
    fn drop(&mut self) {
        let memory = self.memory.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(module) = memory.take() {
            // SAFETY: no `KernelFn` outlives the borrow of this module it was made from, so no code is running or callable.
            unsafe { module.free_memory() };
        }
    }
}

impl std::fmt::Debug for CodeModule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CodeModule").field("kernels", &self.entries.len()).finish_non_exhaustive()
    }
}

impl KernelFn<'_> {
    /// Runs tasks `begin..end`.
    ///
    /// # Safety
    /// `bufs` holds one pointer for each buffer the kernel declares, in order, each valid for the declared bytes and with
    /// the declared alignment, writable if the kernel writes it; `begin <= end <= tasks`; no other thread touches what
    /// these tasks write.
    pub unsafe fn call(&self, bufs: &[*mut u8], begin: u64, end: u64) {
        // SAFETY: the code was generated for exactly this signature and lives as long as the module borrowed by `self`;
        // the rest is promised by the caller.
        unsafe { (self.entry)(bufs.as_ptr(), begin, end) }
    }
}

/// A kernel compared by everything but its name.
struct Unnamed<'k>(&'k Kernel);

impl PartialEq for Unnamed<'_> {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (self.0, other.0);
        a.width == b.width
            && a.tasks == b.tasks
            && a.task == b.task
            && a.types == b.types
            && a.body == b.body
            && a.buffers.len() == b.buffers.len()
    }
}

impl Eq for Unnamed<'_> {}

impl Hash for Unnamed<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.types.hash(state);
        self.0.body.hash(state);
    }
}

/// Code that has no place yet.
struct Generated {
    bytes: Vec<u8>,
    /// Where in it the first instruction is.
    start: usize,
    align: u64,
    relocations: Vec<FinalizedMachReloc>,
}

fn generate(kernel: &Kernel, features: &CpuFeatures, isa: &dyn TargetIsa) -> Result<Generated, JitError> {
    if kernel.width == Width::V256 && avx2::supports(features) {
        let (bytes, start) = avx2::compile(kernel).map_err(|e| reject(kernel, e))?;
        return Ok(Generated { bytes, start, align: avx2::ALIGN as u64, relocations: Vec::new() });
    }
    let mut context = Context::new();
    translate(&halve(kernel), isa, features.dot4(), &mut context.func, &mut FunctionBuilderContext::new());
    let code = context.compile(isa, &mut ControlPlane::default()).map_err(|e| reject(kernel, format!("{e:?}")))?;
    Ok(Generated {
        bytes: code.code_buffer().to_vec(),
        start: 0,
        align: u64::from(code.buffer.alignment).max(u64::from(isa.function_alignment().minimum)),
        relocations: code.buffer.relocs().to_vec(),
    })
}

/// Puts code into executable memory.
fn place(
    kernels: &[&Kernel],
    generated: Vec<Generated>,
    isa: OwnedTargetIsa,
) -> Result<(JITModule, Vec<RawEntry>), JitError> {
    let mut builder = JITBuilder::with_isa(Arc::clone(&isa), default_libcall_names());
    // Called where the CPU has no such instruction.
    builder.symbol("fmaf", mul_add as *const u8);
    let mut module = JITModule::new(builder);
    let mut function = Function::new();
    signature(&*isa, &mut function);
    let mut ids = Vec::new();
    for (i, (kernel, code)) in kernels.iter().zip(generated).enumerate() {
        let fail = |e: &dyn std::fmt::Debug| reject(kernel, format!("{e:?}"));
        let declared = module.declare_function(&format!("k{i}"), Linkage::Local, &function.signature);
        let id = declared.map_err(|e| fail(&e))?;
        let relocations: Vec<ModuleReloc> =
            code.relocations.iter().map(|r| ModuleReloc::from_mach_reloc(r, &function, id)).collect();
        module.define_function_bytes(id, code.align, &code.bytes, &relocations).map_err(|e| fail(&e))?;
        ids.push((id, code.start));
    }
    module.finalize_definitions().map_err(|e| JitError::Host(e.to_string()))?;
    let entries = ids.into_iter().map(|(id, start)| {
        let code = module.get_finalized_function(id).wrapping_add(start);
        // SAFETY: both backends give every function the signature of `RawEntry`, its first instruction is at `start`, and
        // it has been finalized.
        unsafe { std::mem::transmute::<*const u8, RawEntry>(code) }
    });
    let entries = entries.collect();
    Ok((module, entries))
}

fn isa(features: &CpuFeatures) -> Result<OwnedTargetIsa, JitError> {
    let host = |e: &dyn std::fmt::Display| JitError::Host(e.to_string());
    let mut flags = settings::builder();
    // The mid-end would sink operations to their uses and cause spills; backtracking allocation halves the code.
    let verifier = if cfg!(debug_assertions) { "true" } else { "false" };
    let switches = [
        ("opt_level", "none"),
        ("regalloc_algorithm", "backtracking"),
        ("enable_verifier", verifier),
        ("is_pic", "false"),
        ("unwind_info", "false"),
        ("enable_probestack", "false"),
        ("use_colocated_libcalls", "false"),
    ];
    for (name, value) in switches {
        flags.set(name, value).map_err(|e| host(&e))?;
    }
    let mut builder = match features.triple() {
        None => cranelift_native::builder_with_options(false).map_err(|e| host(&e))?,
        Some(triple) => isa::lookup_by_name(triple).map_err(|e| host(&e))?,
    };
    for name in features.enabled() {
        builder.enable(name).map_err(|e| host(&e))?;
    }
    builder.finish(settings::Flags::new(flags)).map_err(|e| host(&e))
}

fn reject(kernel: &Kernel, why: String) -> JitError {
    JitError::Kernel { kernel: kernel.name.clone(), why }
}
