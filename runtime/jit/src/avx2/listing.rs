//! Machine code as text, for people.

use std::fmt::Write;

use iced_x86::{Decoder, DecoderOptions, FastFormatter};

/// The instructions of a function, one a line, with their distance from its beginning. `code` is what
/// [`compile`](super::compile) returns: constants, then the function from byte `entry` on.
pub fn listing(code: &[u8], entry: usize) -> String {
    let mut decoder = Decoder::with_ip(64, code.get(entry..).unwrap_or_default(), 0, DecoderOptions::NONE);
    let (mut formatter, mut out, mut text) = (FastFormatter::new(), String::new(), String::new());
    while decoder.can_decode() {
        let instruction = decoder.decode();
        text.clear();
        formatter.format(&instruction, &mut text);
        // Writing to a string does not fail.
        let _ = writeln!(out, "{:6x}  {text}", instruction.ip());
    }
    out
}
