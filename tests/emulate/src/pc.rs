//! A bare PC that makes the calls: a ROM without a BIOS enters 64-bit mode, and a program in memory calls and prints.

use std::path::{Path, PathBuf};

use crate::memory::{Call, Memory};

/// Where memory is loaded, and the end of the stack below it.
const BASE: u64 = 0x10_0000;
const STACK: u64 = 0x9_0000;
const PAGE: usize = 0x1000;
/// Bochs loads an image in one piece from where its first block lies, and gives each other block of memory the next place
/// when it is touched first. If blocks are touched in ascending order, the image is where it should be.
const BLOCK: usize = 0x2_0000;
/// Bytes of the ROM, whose end is the end of the address space of 32 bits, and where in it a CPU starts.
const ROM: usize = 0x1_0000;
const RESET: usize = 0xfff0;

/// Writes the images and the configuration into a folder. Returns the path of the configuration.
pub fn write(folder: &Path, cpu: &str, calls: &[Call<'_>]) -> anyhow::Result<PathBuf> {
    let mut memory = Memory::new(BASE);
    let tables = page_tables(&mut memory);
    // The null segment and one of 64-bit code.
    let segments = memory.put(8, &[0, 0x0020_9a00_0000_0000].map(u64::to_le_bytes).concat());
    let entry = memory.put(PAGE, &[0; PAGE]);
    let table = memory.put_calls(calls);
    let blocks = memory.bytes().len().div_ceil(BLOCK);
    memory.replace(entry, &program(table, blocks as u64));
    let megabytes = (BASE as usize + memory.bytes().len()).next_multiple_of(64 << 20) >> 20;
    let [rom, ram, log, configuration] = ["rom", "ram", "log", "bochsrc"].map(|name| folder.join(name));
    std::fs::write(&rom, boot(tables, segments, entry))?;
    std::fs::write(&ram, memory.bytes())?;
    // The display is one that needs no screen, and sound goes nowhere. A CPU that meets an exception stops: nothing handles
    // any.
    let lines = [
        "display_library: rfb, options=\"timeout=0\"".to_string(),
        "sound: driver=dummy".to_string(),
        "speaker: enabled=0".to_string(),
        format!("cpu: model={cpu}, reset_on_triple_fault=0"),
        format!("megs: {megabytes}"),
        format!("romimage: file={}, address={:#x}", rom.display(), (1u64 << 32) - ROM as u64),
        // Read, and never run.
        format!("vgaromimage: file={}", rom.display()),
        format!("optramimage1: file={}, address={BASE:#x}", ram.display()),
        "port_e9_hack: enabled=1".to_string(),
        format!("log: {}", log.display()),
        "panic: action=fatal".to_string(),
    ];
    std::fs::write(&configuration, lines.join("\n") + "\n")?;
    Ok(configuration)
}

/// Maps every address below 4 GB to itself, in pages of 1 GB. Returns the address of the highest table.
fn page_tables(memory: &mut Memory) -> u64 {
    let (present_and_writable, large) = (3, 0x80);
    let mut gigabytes: Vec<u8> =
        (0..4u64).flat_map(|i| (i << 30 | large | present_and_writable).to_le_bytes()).collect();
    gigabytes.resize(PAGE, 0);
    let next = memory.put(PAGE, &gigabytes);
    let mut highest = (next | present_and_writable).to_le_bytes().to_vec();
    highest.resize(PAGE, 0);
    memory.put(PAGE, &highest)
}

/// The ROM: from real mode to 64-bit mode, with the registers of AVX-512 allowed for. It begins with what `lgdt` reads.
#[rustfmt::skip]
fn boot(tables: u64, segments: u64, entry: u64) -> Vec<u8> {
    let low = |address: u64| (address as u32).to_le_bytes();
    let segments = [&15u16.to_le_bytes()[..], &low(segments)].concat();
    let code = [
        &[0xfa][..],                             // cli
        &[0x2e, 0x66, 0x0f, 0x01, 0x16, 0, 0],   // lgdt cs:[0]
        &[0x66, 0xb8], &low(0x4_0620),           // mov eax, PAE | OSFXSR | OSXMMEXCPT | OSXSAVE
        &[0x0f, 0x22, 0xe0],                     // mov cr4, eax
        &[0x66, 0xb8], &low(tables),             // mov eax, tables
        &[0x0f, 0x22, 0xd8],                     // mov cr3, eax
        &[0x66, 0xb9], &low(0xc000_0080),        // mov ecx, EFER
        &[0x66, 0xb8], &low(0x100),              // mov eax, LME
        &[0x66, 0x31, 0xd2],                     // xor edx, edx
        &[0x0f, 0x30],                           // wrmsr
        &[0x66, 0xb8], &low(0x8000_0033),        // mov eax, PG | NE | ET | MP | PE
        &[0x0f, 0x22, 0xc0],                     // mov cr0, eax
        &[0x66, 0xea], &low(entry), &[8, 0],     // jmp 8:entry
    ];
    let start = segments.len();
    let mut rom = [segments, code.concat()].concat();
    rom.resize(ROM, 0xf4);
    rom[RESET] = 0xe9; // jmp start
    rom[RESET + 1..RESET + 3].copy_from_slice(&((ROM - RESET - 3 + start) as u16).to_le_bytes());
    rom
}

/// The program: makes the calls, prints what they wrote, and switches the machine off.
#[rustfmt::skip]
fn program(table: u64, blocks: u64) -> Vec<u8> {
    let low = |address: u64| (address as u32).to_le_bytes();
    let calls = [
        &[0xbe][..], &low(BASE),                 // mov esi, BASE
        &[0xb9], &low(blocks),                   // mov ecx, blocks
        &[0x8a, 0x06],                           // touch: mov al, [rsi]
        &[0x81, 0xc6], &low(BLOCK as u64),       // add esi, BLOCK
        &[0xe2, 0xf6],                           // loop touch
        &[0xbc], &low(STACK),                    // mov esp, STACK
        &[0x31, 0xc9],                           // xor ecx, ecx
        &[0x31, 0xd2],                           // xor edx, edx
        &[0xb8], &low(0xe7),                     // mov eax, x87 | SSE | AVX | AVX-512
        &[0x0f, 0x01, 0xd1],                     // xsetbv
        &[0xbb], &low(table),                    // mov ebx, table
        &[0x48, 0x8b, 0x03],                     // next: mov rax, [rbx]
        &[0x48, 0x85, 0xc0],                     // test rax, rax
        &[0x74, 0x23],                           // jz done
        &[0x48, 0x8b, 0x7b, 0x08],               // mov rdi, [rbx + 8]
        &[0x48, 0x8b, 0x73, 0x10],               // mov rsi, [rbx + 16]
        &[0x48, 0x8b, 0x53, 0x18],               // mov rdx, [rbx + 24]
        &[0xff, 0xd0],                           // call rax
        &[0x48, 0x8b, 0x73, 0x20],               // mov rsi, [rbx + 32]
        &[0x48, 0x8b, 0x4b, 0x28],               // mov rcx, [rbx + 40]
        &[0xba], &low(0xe9),                     // mov edx, 0xe9
        &[0xf3, 0x6e],                           // rep outsb
        &[0x48, 0x83, 0xc3, 0x30],               // add rbx, 48
        &[0xeb, 0xd5],                           // jmp next
        &[0x66, 0xba, 0x00, 0x89],               // done: mov dx, 0x8900
    ];
    let off = b"Shutdown".iter().flat_map(|&letter| [0xb0, letter, 0xee]); // mov al, letter; out dx, al
    calls.concat().into_iter().chain(off).chain([0xf4]).collect()
}
