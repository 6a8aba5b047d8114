//! Kernels, their buffers, and a table of the calls in the memory of an emulated machine.
//!
//! What a call writes lies in one region, which the machine prints behind the call: a mark with the number of the call,
//! then the buffers, each with bytes behind it that nothing may write to.

use anyhow::{Context, bail, ensure};
use qcc_jit::MachineCode;
use qcc_kernel::BufferKind;

use crate::cases::Case;

/// A kernel that is run once, and its code.
pub struct Call<'c> {
    /// The kernel, its buffers, and what they hold afterwards.
    pub case: &'c Case,
    /// Its code for the machine.
    pub code: &'c MachineCode,
}

/// Bytes that lie at a known address.
pub struct Memory {
    base: u64,
    bytes: Vec<u8>,
}

/// Every buffer is aligned to so many bytes, and as many lie behind it.
const ALIGN: usize = 64;
/// Begins what a call wrote.
const MARK: &[u8; 8] = b"qcc call";
/// What lies where nothing may be written.
const GUARD: u8 = 0xa5;

impl Memory {
    /// Memory whose first byte lies at `base`.
    pub fn new(base: u64) -> Memory {
        Memory { base, bytes: Vec::new() }
    }

    /// The address of a copy of `bytes`.
    pub fn put(&mut self, align: usize, bytes: &[u8]) -> u64 {
        self.bytes.resize(self.bytes.len().next_multiple_of(align), 0);
        let at = self.base + self.bytes.len() as u64;
        self.bytes.extend_from_slice(bytes);
        at
    }

    /// Writes over what was put at an address.
    pub fn replace(&mut self, address: u64, bytes: &[u8]) {
        let at = (address - self.base) as usize;
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Everything that was put.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The address of the table of the calls. An entry is six words: code, its three arguments, and where what it wrote
    /// begins and how many bytes that is. Code that lies at zero ends the table.
    pub fn put_calls(&mut self, calls: &[Call<'_>]) -> u64 {
        let mut table: Vec<u64> = Vec::new();
        for (number, Call { case, code }) in calls.iter().enumerate() {
            let start = self.put(ALIGN.max(code.align as usize), &code.bytes) + code.start as u64;
            let written = Written::new(number, case, &case.before);
            let out = self.put(ALIGN, &written.bytes);
            let mut offsets = written.offsets.iter();
            let buffers: Vec<u64> = (case.kernel.buffers.iter().zip(&case.before))
                .map(|(decl, bytes)| match is_written(decl.kind) {
                    true => out + *offsets.next().expect("every buffer that is written has an offset") as u64,
                    false => self.put(ALIGN, bytes),
                })
                .collect();
            let arguments = self.put(ALIGN, &words(&buffers));
            table.extend([start, arguments, 0, u64::from(case.kernel.tasks), out, written.bytes.len() as u64]);
        }
        table.push(0);
        self.put(ALIGN, &words(&table))
    }
}

/// Compares what the machine printed with what the interpreter wrote. Returns how many bytes that are.
pub fn compare(calls: &[Call<'_>], printed: &[u8]) -> anyhow::Result<usize> {
    let first = printed.windows(MARK.len()).position(|bytes| bytes == MARK).context("the first call did not return")?;
    let mut rest = &printed[first..];
    let mut compared = 0;
    for (number, Call { case, .. }) in calls.iter().enumerate() {
        let wanted = Written::new(number, case, &case.after);
        let returned = rest.len() >= wanted.bytes.len() && rest[..ALIGN] == wanted.bytes[..ALIGN];
        ensure!(returned, "the call of this kernel did not return:\n{}", case.kernel);
        let (got, behind) = rest.split_at(wanted.bytes.len());
        if let Some(at) = got.iter().zip(&wanted.bytes).position(|(got, wanted)| got != wanted) {
            let buffer = wanted.offsets.iter().rposition(|offset| *offset <= at).unwrap_or(0);
            let name = case.kernel.buffers.iter().filter(|decl| is_written(decl.kind)).nth(buffer);
            let name = name.map_or("no buffer", |decl| &decl.name);
            let place = at - wanted.offsets.get(buffer).unwrap_or(&0);
            let (got, wanted) = (got[at], wanted.bytes[at]);
            bail!("byte {place} of {name} is {got:#04x} instead of {wanted:#04x} behind this kernel:\n{}", case.kernel);
        }
        compared += got.len();
        rest = behind;
    }
    Ok(compared)
}

/// The region of memory that a call writes.
struct Written {
    bytes: Vec<u8>,
    /// Where in it the buffers that are written begin.
    offsets: Vec<usize>,
}

impl Written {
    fn new(number: usize, case: &Case, buffers: &[Vec<u8>]) -> Written {
        let mut bytes = [&MARK[..], &(number as u64).to_le_bytes()].concat();
        bytes.resize(ALIGN, GUARD);
        let mut offsets = Vec::new();
        for (decl, buffer) in case.kernel.buffers.iter().zip(buffers) {
            assert!(ALIGN.is_multiple_of(decl.align), "{}", case.kernel);
            if is_written(decl.kind) {
                offsets.push(bytes.len());
                bytes.extend_from_slice(buffer);
                bytes.resize(bytes.len().next_multiple_of(ALIGN) + ALIGN, GUARD);
            }
        }
        Written { bytes, offsets }
    }
}

fn is_written(kind: BufferKind) -> bool {
    matches!(kind, BufferKind::Out | BufferKind::Scratch)
}

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}
