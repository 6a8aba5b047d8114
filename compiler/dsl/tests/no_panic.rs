//! Damaged files give diagnostics, never panics; what still compiles survives printing.

mod files;

use qcc_dsl::Source;
use std::path::Path;

/// Damaged versions of every file.
const VERSIONS: u64 = 60;

/// Reproducible numbers (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((z ^ (z >> 27)) % n.max(1) as u64) as usize
    }
}

/// Pieces that grammar errors are made of.
const PIECES: &[&str] = &[
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "/",
    "//",
    "///",
    "=>",
    "<=>",
    "@",
    "..",
    "...",
    "?",
    "_",
    "-",
    "not ",
    "if ",
    "else",
    "where",
    "rule ",
    "test ",
    "é",
    "\u{0}",
    "\n",
    "0",
    "9999999999999999999999",
    "1e999",
    ":",
    "::",
    ",",
    "acc",
    "f32",
    "map(x in xs: x)...",
    "any",
    "constant(",
    "xs...",
    "a.b",
    ".1",
    "[0]",
    "true",
    "\\",
    "..a",
    ".._",
    "in",
];

fn damage(text: &str, random: &mut Random) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=random.below(3) {
        let at = random.below(chars.len() + 1);
        let end = (at + random.below(12)).min(chars.len());
        match random.below(5) {
            0 => drop(chars.drain(at..end)),
            1 => drop(chars.splice(at..at, PIECES[random.below(PIECES.len())].chars())),
            2 => drop(chars.splice(at..end, PIECES[random.below(PIECES.len())].chars())),
            3 => {
                let from = random.below(chars.len() + 1);
                let copied: Vec<char> = chars[from..(from + random.below(40)).min(chars.len())].to_vec();
                chars.splice(at..at, copied);
            }
            _ => chars.truncate(at.max(chars.len() / 2)),
        }
    }
    chars.into_iter().collect()
}

fn check(folder: &Path) {
    for (i, source) in files::sources(folder).into_iter().enumerate() {
        for version in 0..VERSIONS {
            let text = damage(&source.text, &mut Random((i as u64) << 32 | version));
            match files::compile_in(folder, &[Source { path: source.path.clone(), text }]) {
                Ok((set, warnings)) => {
                    files::check_round_trip(&set);
                    warnings.iter().for_each(|d| assert!(!qcc_diag::render(d, &set.sources).is_empty()));
                }
                Err((map, errors)) => errors.iter().for_each(|d| assert!(!qcc_diag::render(d, &map).is_empty())),
            }
        }
    }
}

#[test]
fn damaged_good_files_do_not_panic() {
    check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/good"));
}

#[test]
fn damaged_bad_files_do_not_panic() {
    check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad"));
}

#[test]
fn damaged_standard_rules_do_not_panic() {
    check(&files::standard());
}
