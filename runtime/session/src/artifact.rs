//! `.qcc` files: a program and its constants.
//!
//! ```text
//! 0   magic "qcc\0"        4 bytes
//! 4   format version       u32, little endian
//! 8   length of the header u64
//! 16  offset of constants  u64, a multiple of the page size
//! 24  length of constants  u64
//! 32  checksum             u64, FNV-1a over header and constants
//! 40  header               postcard of the program without its constants
//!     zeros up to the offset, then the constants
//! ```
//! Constants are mapped, not read. Machine code is not stored: it is generated for the CPU that loads the file.

use bytes::Bytes;
use memmap2::Mmap;
use qcc_kernel::program::{self, Action, Program, ProgramError};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use thiserror::Error;

const MAGIC: [u8; 4] = *b"qcc\0";
const VERSION: u32 = 2;
const FIXED: usize = 40;
const PAGE: usize = 4096;

/// Why an artifact cannot be written or read.
#[derive(Debug, Error)]
pub enum ArtifactError {
    /// The file system said no.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The file is something else.
    #[error("it is not a compiled model (no `qcc` mark at its start)")]
    Foreign,
    /// The file was written by another version of qcc.
    #[error("it has format version {found}, this program reads {VERSION}; compile the model again")]
    Version {
        /// Version of the file.
        found: u32,
    },
    /// The file is cut off or changed.
    #[error("it is damaged ({0}); compile the model again")]
    Damaged(&'static str),
    /// The program in it breaks the rules.
    #[error("its program is not valid: {0}")]
    Program(#[from] ProgramError),
}

/// Writes a program to a file.
///
/// # Errors
/// Those of the file system.
pub fn save(program: &Program, path: &Path) -> Result<(), ArtifactError> {
    Ok(std::fs::write(path, encode(program))?)
}

/// Reads a program; its constants stay a mapping of the file.
///
/// # Errors
/// A file that cannot be read, is no artifact, has another version or is damaged.
pub fn load(path: &Path) -> Result<Arc<Program>, ArtifactError> {
    let file = File::open(path)?;
    // SAFETY: the mapping is private and read only; like every mapped file it must not be truncated while in use, which
    // the documentation of the artifact asks of its users.
    let map = unsafe { Mmap::map(&file)? };
    Ok(Arc::new(decode(Bytes::from_owner(map))?))
}

/// Whether a file starts as an artifact does.
pub fn is_artifact(path: &Path) -> bool {
    let mut start = [0; 4];
    File::open(path).and_then(|mut f| f.read_exact(&mut start)).is_ok() && start == MAGIC
}

/// The bytes of an artifact.
pub fn encode(program: &Program) -> Vec<u8> {
    let header = postcard::to_stdvec(program).expect("a program consists of plain data");
    let offset = (FIXED + header.len()).next_multiple_of(PAGE);
    let mut out = Vec::with_capacity(offset + program.constants.len());
    out.extend(MAGIC);
    out.extend(VERSION.to_le_bytes());
    for number in [header.len(), offset, program.constants.len()] {
        out.extend((number as u64).to_le_bytes());
    }
    out.extend(checksum(&header, &program.constants).to_le_bytes());
    out.extend(&header);
    out.resize(offset, 0);
    out.extend(&program.constants[..]);
    out
}

/// A program from the bytes of an artifact, checked.
///
/// # Errors
/// As [`load`].
pub fn decode(bytes: Bytes) -> Result<Program, ArtifactError> {
    if bytes.len() < 8 || bytes[..4] != MAGIC {
        return Err(ArtifactError::Foreign);
    }
    let found = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
    if found != VERSION {
        return Err(ArtifactError::Version { found });
    }
    let cut = || ArtifactError::Damaged("it ends too early");
    let number = |at: usize| -> Option<usize> {
        let word = bytes.get(at..at + 8)?;
        usize::try_from(u64::from_le_bytes(word.try_into().ok()?)).ok()
    };
    let (header, offset, constants) = (number(8), number(16), number(24));
    let sum = bytes.get(32..40).and_then(|w| w.try_into().ok()).map(u64::from_le_bytes).ok_or_else(cut)?;
    let header_end = header.and_then(|n| n.checked_add(FIXED)).ok_or_else(cut)?;
    let (offset, constants) = (offset.ok_or_else(cut)?, constants.ok_or_else(cut)?);
    let end = offset.checked_add(constants).ok_or_else(cut)?;
    if header_end > offset || end != bytes.len() {
        return Err(cut());
    }
    let header = bytes.slice(FIXED..header_end);
    let constants = bytes.slice(offset..end);
    if checksum(&header, &constants) != sum {
        return Err(ArtifactError::Damaged("its checksum does not match"));
    }
    let mut program: Program =
        postcard::from_bytes(&header).map_err(|_| ArtifactError::Damaged("its header cannot be read"))?;
    share_constants(&mut program, &constants);
    program::check(&program)?;
    Ok(program)
}

/// Gives a program and the branches in it their constants, which all refer to one range of bytes.
fn share_constants(program: &mut Program, constants: &Bytes) {
    program.constants = constants.clone();
    for step in &mut program.steps {
        if let Action::If { then_branch, else_branch, .. } = &mut step.action {
            share_constants(then_branch, constants);
            share_constants(else_branch, constants);
        }
    }
}

/// FNV-1a over 64-bit words and the rest: http://www.isthe.com/chongo/tech/comp/fnv/.
fn checksum(header: &[u8], constants: &[u8]) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in [header, constants] {
        let (words, rest) = part.as_chunks::<8>();
        for word in words {
            hash = (hash ^ u64::from_le_bytes(*word)).wrapping_mul(PRIME).rotate_left(23);
        }
        for &byte in rest {
            hash = (hash ^ u64::from(byte)).wrapping_mul(PRIME);
        }
    }
    hash
}
