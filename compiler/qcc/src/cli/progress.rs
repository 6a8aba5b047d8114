//! Progress on long work, on stderr and only if it is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;

fn target() -> ProgressDrawTarget {
    if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() }
}

/// A bar over samples.
pub fn samples(count: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} samples, {eta} left");
    ProgressBar::with_draw_target(Some(count as u64), target())
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// A bar over rules.
pub fn rules(count: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("checking rules {bar:30} {pos}/{len}, {eta} left");
    ProgressBar::with_draw_target(Some(count as u64), target())
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// A bar over models, which names the one under way.
pub fn models(count: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} models, {msg}");
    let bar = ProgressBar::with_draw_target(Some(count as u64), target())
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// A line that names the step under way.
pub fn steps() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, target());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
