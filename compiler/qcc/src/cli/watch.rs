//! Waits until files change.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// How often files are looked at: often enough to feel at once, seldom enough to cost nothing.
const PAUSE: Duration = Duration::from_millis(100);

/// When each file changed last and how long it is; nothing of one that is not there.
pub type State = Vec<Option<(SystemTime, u64)>>;

/// The files as they are now.
pub fn state(paths: &[PathBuf]) -> State {
    let of = |path: &PathBuf| {
        let about = std::fs::metadata(path).ok()?;
        Some((about.modified().ok()?, about.len()))
    };
    paths.iter().map(of).collect()
}

/// Returns when one of the files is not as it was. Files behind the end of an earlier state are compared with what they are at
/// the start, and an editor that writes a file in two steps is given the time for the second.
pub fn change(paths: &[PathBuf], before: &State) {
    let mut known = state(paths);
    known[..before.len()].clone_from_slice(before);
    while state(paths) == known {
        std::thread::sleep(PAUSE);
    }
    loop {
        let now = state(paths);
        std::thread::sleep(PAUSE / 4);
        if state(paths) == now {
            return;
        }
    }
}
