//! What a training says while it goes on.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;

/// A bar on the terminal; nothing where there is none.
pub(super) fn progress(total: u64, at: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {eta} left\n{msg}").expect("a valid template");
    ProgressBar::new(total).with_position(at).with_style(style)
}

/// The most memory this process has used, in bytes, where the system tells.
pub(in crate::app) fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib << 10)
}
