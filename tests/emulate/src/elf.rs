//! A program for Linux on aarch64 that makes the calls: an ELF file of one segment, without a library.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::memory::{Call, Memory};

/// Where the segment lies in memory, and where in the file.
const BASE: u64 = 0x40_0000;
const OFFSET: u64 = 0x1000;

/// The program; the address of the table of calls follows.
const PROGRAM: [u32; 22] = [
    0x580002d3, //          ldr x19, table
    0xa9400274, // next:    ldp x20, x0, [x19]
    0xb40001d4, //          cbz x20, done
    0xa9410a61, //          ldp x1, x2, [x19, #16]
    0xd63f0280, //          blr x20
    0xa9420a61, //          ldp x1, x2, [x19, #32]
    0xb4000102, // write:   cbz x2, advance
    0xd2800020, //          mov x0, #1
    0xd2800808, //          mov x8, #64
    0xd4000001, //          svc #0                  write(1, x1, x2)
    0xb7f80120, //          tbnz x0, #63, failed
    0x8b000021, //          add x1, x1, x0
    0xcb000042, //          sub x2, x2, x0
    0x17fffff9, //          b write
    0x9100c273, // advance: add x19, x19, #48
    0x17fffff2, //          b next
    0xd2800000, // done:    mov x0, #0
    0xd2800ba8, //          mov x8, #93
    0xd4000001, //          svc #0                  exit(0)
    0xd2800020, // failed:  mov x0, #1
    0xd2800ba8, //          mov x8, #93
    0xd4000001, //          svc #0                  exit(1)
];

/// Writes the program into a folder. Returns its path.
pub fn write(folder: &Path, calls: &[Call<'_>]) -> anyhow::Result<PathBuf> {
    let mut memory = Memory::new(BASE);
    let table = memory.put_calls(calls);
    let program: Vec<u8> = PROGRAM.iter().flat_map(|word| word.to_le_bytes()).chain(table.to_le_bytes()).collect();
    let entry = memory.put(8, &program);
    let mut file = header(entry, memory.bytes().len() as u64);
    file.resize(OFFSET as usize, 0);
    file.extend_from_slice(memory.bytes());
    let path = folder.join("calls");
    std::fs::write(&path, file)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

/// The header of the file and of its segment, which may be read, written and executed.
fn header(entry: u64, size: u64) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let (executable, aarch64, version) = (2u16, 183u16, 1u32);
    let (header, segment, segments) = (64u16, 56u16, 1u16);
    bytes.extend([executable, aarch64].map(u16::to_le_bytes).concat());
    bytes.extend(version.to_le_bytes());
    bytes.extend([entry, u64::from(header), 0].map(u64::to_le_bytes).concat());
    bytes.extend(0u32.to_le_bytes());
    bytes.extend([header, segment, segments, 0, 0, 0].map(u16::to_le_bytes).concat());
    let (load, all) = (1u32, 7u32);
    bytes.extend([load, all].map(u32::to_le_bytes).concat());
    bytes.extend([OFFSET, BASE, BASE, size, size, OFFSET].map(u64::to_le_bytes).concat());
    bytes
}
