//! `.qcc` files: a program and its constants.
//!
//! ```text
//! 0   magic "qcc\0"        4 bytes
//! 4   format version       u32, little endian
//! 8   length of the header u64
//! 16  offset of constants  u64: the first multiple of the page size behind the header
//! 24  stored constants     u64: bytes to the end of the file
//! 32  checksum             u64: XXH3 (seed 0) over all other bytes of the file
//! 40  length of constants  u64: the same, or more if they are packed
//! 48  header               postcard of the program without its constants
//!     zeros up to the offset, then the constants
//! ```
//! Constants are mapped, not read, unless packing saves enough of them to be worth unpacking. Machine code is not stored: it is
//! generated for the CPU that loads the file.
//!
//! The checksum finds damage; it is no signature, so nothing of a file is trusted because of it. What is read is checked by
//! [`program::check_within`]: a file that is accepted touches no memory but its own and stays within the [`Limits`].

use crate::pack;
use bytes::Bytes;
use memmap2::{Mmap, MmapMut};
use qcc_kernel::program::{self, Action, Limits, Program, ProgramError};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use thiserror::Error;
use xxhash_rust::xxh3::Xxh3Default;

const MAGIC: [u8; 4] = *b"qcc\0";
const VERSION: u32 = 7;
const SUM: std::ops::Range<usize> = 32..40;
const LENGTH: usize = 40;
const FIXED: usize = 48;

/// Constants are packed if that leaves at most so much of their bytes, as a fraction: a mapping of the file is shared by all who
/// load it and takes no time, which is given up for a file a good deal smaller only. Pruned and clustered weights come below it,
/// floats and codes as they are quantized otherwise do not.
const WORTH_PACKING: (usize, usize) = (1, 2);
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
    Program(ProgramError),
    /// The program needs more than it may have.
    #[error("{0}")]
    Limit(ProgramError),
}

impl From<ProgramError> for ArtifactError {
    fn from(error: ProgramError) -> Self {
        match error {
            ProgramError::Limit { .. } => ArtifactError::Limit(error),
            _ => ArtifactError::Program(error),
        }
    }
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
/// A file that cannot be read, is no artifact, has another version or is damaged; a program that breaks its rules or the
/// limits.
pub fn load(path: &Path, limits: &Limits) -> Result<Arc<Program>, ArtifactError> {
    let file = File::open(path)?;
    // SAFETY: the mapping is private and read only; like every mapped file it must not be truncated while in use, which
    // the documentation of the artifact asks of its users.
    let map = unsafe { Mmap::map(&file)? };
    Ok(Arc::new(decode(Bytes::from_owner(map), limits)?))
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
    let packed = pack::pack(&program.constants);
    let (part, whole) = WORTH_PACKING;
    let stored = if packed.len() * whole <= program.constants.len() * part { &packed } else { &program.constants[..] };
    let mut out = Vec::with_capacity(offset + stored.len());
    out.extend(MAGIC);
    out.extend(VERSION.to_le_bytes());
    for number in [header.len(), offset, stored.len()] {
        out.extend((number as u64).to_le_bytes());
    }
    out.resize(LENGTH, 0);
    out.extend((program.constants.len() as u64).to_le_bytes());
    out.extend(&header);
    out.resize(offset, 0);
    out.extend(stored);
    seal(&mut out);
    out
}

/// Writes the checksum of an artifact into it.
///
/// # Panics
/// On fewer bytes than an artifact begins with.
pub fn seal(artifact: &mut [u8]) {
    let sum = checksum(artifact);
    artifact[SUM].copy_from_slice(&sum.to_le_bytes());
}

/// A program from the bytes of an artifact, checked.
///
/// # Errors
/// As [`load`].
pub fn decode(bytes: Bytes, limits: &Limits) -> Result<Program, ArtifactError> {
    if bytes.len() < 8 || bytes[..4] != MAGIC {
        return Err(ArtifactError::Foreign);
    }
    let found = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
    if found != VERSION {
        return Err(ArtifactError::Version { found });
    }
    let cut = || ArtifactError::Damaged("it ends too early");
    let number = |at: usize| -> Option<u64> { Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?)) };
    let [Some(header), Some(offset), Some(stored), Some(sum), Some(length)] =
        [number(8), number(16), number(24), number(SUM.start), number(LENGTH)]
    else {
        return Err(cut());
    };
    let place = |n: u64| usize::try_from(n).ok().filter(|&n| n <= bytes.len()).ok_or_else(cut);
    let header_end = FIXED + place(header)?;
    let (offset, end) = (place(offset)?, place(offset.saturating_add(stored))?);
    if header_end > offset || end != bytes.len() {
        return Err(cut());
    }
    if checksum(&bytes) != sum {
        return Err(ArtifactError::Damaged("its checksum does not match"));
    }
    if offset != header_end.next_multiple_of(PAGE) {
        return Err(ArtifactError::Damaged("its constants do not follow its header"));
    }
    let unread = || ArtifactError::Damaged("its header cannot be read");
    let (mut program, rest) = postcard::take_from_bytes::<Program>(&bytes[FIXED..header_end]).map_err(|_| unread())?;
    if !rest.is_empty() {
        return Err(unread());
    }
    let stored = bytes.slice(offset..end);
    let constants = if length == stored.len() as u64 { stored } else { unpacked(&stored, length, limits)? };
    share_constants(&mut program, &constants);
    program::check_within(&program, limits)?;
    Ok(program)
}

/// The constants, page-aligned as those of a mapped file are.
fn unpacked(stored: &[u8], length: u64, limits: &Limits) -> Result<Bytes, ArtifactError> {
    if length > limits.memory {
        let what = "bytes of constants";
        return Err(ArtifactError::Limit(ProgramError::Limit { what, needs: length, limit: limits.memory }));
    }
    let damaged = || ArtifactError::Damaged("its constants cannot be unpacked");
    let possible = |&n: &usize| n > 0 && n / pack::MOST_FOR_A_BYTE <= stored.len();
    let length = usize::try_from(length).ok().filter(possible).ok_or_else(damaged)?;
    let mut constants = MmapMut::map_anon(length)?;
    pack::unpack(stored, &mut constants).map_err(|_| damaged())?;
    Ok(Bytes::from_owner(constants.make_read_only()?))
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

/// XXH3 over everything but the checksum itself: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md.
fn checksum(artifact: &[u8]) -> u64 {
    let mut hash = Xxh3Default::new();
    hash.update(&artifact[..SUM.start]);
    hash.update(&artifact[SUM.end..]);
    hash.digest()
}
