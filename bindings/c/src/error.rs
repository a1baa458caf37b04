//! Errors on their way over the border: a number, and a text that the thread keeps.

use engine::{Error, Result};
use std::any::Any;
use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The result of a call. pixtape_last_error() has the text.
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Success.
    Ok = 0,
    /// An argument is invalid: NULL, a buffer too small, a size that the net does not take.
    Argument = 1,
    /// A file cannot be read, is broken, or holds no generator that goes from image to image.
    File = 2,
    /// There is no adapter, none of that name, or it lacks something.
    Adapter = 3,
    /// The device's memory, or the limit that was set, is too small.
    Memory = 4,
    /// The device was lost. Free it and its generators, and open it again.
    DeviceLost = 5,
    /// A bug in the library.
    Internal = 6,
}

thread_local! {
    /// The text of this thread's last error.
    static LAST: RefCell<CString> = RefCell::default();
}

/// The message of the last call that failed on this thread, one line: what, where, what to try. ""
/// if none has failed. Never NULL. Valid until another call fails on this thread, or it ends.
#[unsafe(no_mangle)]
pub extern "C" fn pixtape_last_error() -> *const c_char {
    // Not there any more while a thread ends.
    LAST.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}

/// Runs what a function does. Its error becomes the thread's text, and so does a panic, which must
/// not reach the caller's frames.
pub(crate) fn status_of(call: impl FnOnce() -> Result<()>) -> Status {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(())) => Status::Ok,
        Ok(Err(error)) => {
            keep(&error.to_string());
            number(&error)
        }
        Err(panic) => {
            keep(&format!(
                "internal: {}; a bug in the library: free the handle and report this line",
                said(&*panic)
            ));
            Status::Internal
        }
    }
}

/// The same for functions that give a value and not a status: `otherwise` where it fails.
pub(crate) fn value_or<T>(otherwise: T, call: impl FnOnce() -> Result<T>) -> T {
    let mut value = otherwise;
    status_of(|| {
        value = call()?;
        Ok(())
    });
    value
}

/// An error about an argument, named as the header names it.
pub(crate) fn argument(name: &str, why: &str) -> Error {
    Error::Usage(format!("`{name}` {why}"))
}

/// A text for C: without what would end it early.
pub(crate) fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', " ")).unwrap_or_default()
}

fn keep(text: &str) {
    let text = c_text(text);
    let _ = LAST.try_with(|last| last.replace(text));
}

fn number(error: &Error) -> Status {
    match error {
        // Strips of the smallest size need more.
        Error::Config { field: "memory_limit", .. } => Status::Memory,
        Error::Config { .. } | Error::Usage(_) | Error::Shape { .. } => Status::Argument,
        Error::File { .. } => Status::File,
        Error::Adapter(_) | Error::Limit { .. } => Status::Adapter,
        Error::MemoryLimit { .. } | Error::OutOfMemory { .. } => Status::Memory,
        Error::DeviceLost { .. } | Error::Unsteady { .. } => Status::DeviceLost,
        _ => Status::Internal,
    }
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| text.to_string());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without a text".into()).replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    fn last() -> String {
        // SAFETY: the text lives until this thread's next error.
        unsafe { CStr::from_ptr(pixtape_last_error()) }.to_str().unwrap().to_string()
    }

    #[test]
    fn a_panic_becomes_a_status_and_a_line() {
        assert_eq!(last(), "");
        assert_eq!(status_of(|| panic!("on\npurpose {}", 7)), Status::Internal);
        assert!(last().starts_with("internal: on purpose 7; a bug in the library"), "{}", last());
        assert_eq!(value_or(3, || panic!("again")), 3);
        assert!(last().contains("again"));
        assert_eq!(status_of(|| std::panic::panic_any(7_u8)), Status::Internal);
        assert!(last().contains("a panic without a text"));
    }

    #[test]
    fn the_text_is_the_threads_own_and_stays_until_the_next_error() {
        assert_eq!(status_of(|| Err(argument("a", "is NULL\0!"))), Status::Argument);
        assert_eq!(std::thread::spawn(last).join().unwrap(), "");
        assert_eq!(status_of(|| Ok(())), Status::Ok);
        // As `Error` shows it, which escapes what moves a cursor.
        assert!(last().starts_with("`a` is NULL"), "{}", last());
        assert_eq!(value_or(1, || Ok(2)), 2);
    }

    #[test]
    fn every_kind_of_error_has_its_number() {
        for (error, status) in [
            (Error::config("adapter", "no"), Status::Argument),
            (Error::config("memory_limit", "no"), Status::Memory),
            (Error::file("a", "no"), Status::File),
            (Error::Adapter("none".into()), Status::Adapter),
            (Error::OutOfMemory { label: "a".into(), message: "b".into() }, Status::Memory),
            (Error::DeviceLost { label: "a".into(), message: "b".into() }, Status::DeviceLost),
            (Error::Internal("b".into()), Status::Internal),
        ] {
            assert_eq!(number(&error), status, "{error}");
        }
    }
}
