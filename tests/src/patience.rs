//! How long a call works, on machines where others work too.

use std::time::{Duration, Instant};

/// Runs `work`; its result, or what its panic said, and the time this thread spent on it: that of the processor where the
/// system tells it, else that of the clock.
pub fn timed<T>(work: impl FnOnce() -> T) -> (Result<T, String>, Duration) {
    let (clock, start) = (Instant::now(), processor_time());
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        format!("panic: {}", text.unwrap_or("?"))
    });
    let elapsed = match (start, processor_time()) {
        (Some(start), Some(end)) => end.saturating_sub(start),
        _ => clock.elapsed(),
    };
    (result, elapsed)
}

/// Linux counts the nanoseconds that each thread ran.
fn processor_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split(' ').next()?.parse().ok()?))
}
