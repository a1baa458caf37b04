//! What the program prints.
//!
//! std's `println!` panics where stdout or stderr cannot be written: a pipe whose reader has ended, a
//! full disk, a terminal that is gone. The macros here take its place in the whole program: they
//! never panic, and what could not be printed is remembered. Nor does a name of a file reach a
//! terminal with anything that acts on it.

use crate::messages::lines;
use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

macro_rules! print {
    ($($text:tt)*) => { $crate::print::out(format!($($text)*)) };
}

macro_rules! println {
    () => { $crate::print::out(String::from("\n")) };
    ($($text:tt)*) => { $crate::print::out(format!("{}\n", format_args!($($text)*))) };
}

macro_rules! eprintln {
    ($($text:tt)*) => { $crate::print::note(format_args!($($text)*)) };
}

/// The first thing that could not be printed.
static LOST: Mutex<Option<io::Error>> = Mutex::new(None);

/// Whether what the program does matters more than what it prints.
static GOES_ON: AtomicBool = AtomicBool::new(false);

/// What is printed is only about the work, which goes on where it cannot be printed: to be said
/// before anything is. By default a closed pipe ends the program quietly (`pixtape info | head`),
/// and other faults of stdout are an error at its end.
pub(crate) fn go_on() {
    GOES_ON.store(true, Ordering::SeqCst);
}

/// Prints to stdout.
pub(crate) fn out(text: String) {
    let mut stdout = io::stdout().lock();
    let done = stdout.write_all(lines(&text).as_bytes());
    drop(stdout);
    if let Err(e) = done {
        lost(e);
    }
}

/// Prints a line to stderr; where that cannot be done there is nobody to tell.
pub(crate) fn note(text: Arguments<'_>) {
    let line = lines(&format!("{text}\n"));
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

fn lost(e: io::Error) {
    let first = {
        let mut lost = LOST.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let first = lost.is_none();
        lost.get_or_insert(e);
        first
    };
    if first && GOES_ON.load(Ordering::SeqCst) {
        note(format_args!("note: stdout cannot be written; the work goes on without it"));
    }
}

/// Why what was printed is not all there, if that is an error of the program.
pub(crate) fn failure() -> Option<io::Error> {
    if let Err(e) = io::stdout().flush() {
        lost(e);
    }
    let lost = LOST.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
    lost.filter(|e| e.kind() != ErrorKind::BrokenPipe && !GOES_ON.load(Ordering::SeqCst))
}
