//! What comes over the border as pointers: checked for NULL, then trusted as the header says.

use crate::error::{argument, status_of};
use engine::Result;
use std::ffi::{CStr, c_char};

/// A handle.
///
/// # Safety
/// NULL, or one that [`give`] gave and that is not freed in the time of `'a`.
pub(crate) unsafe fn handle<'a, T: Sync>(name: &str, handle: *const T) -> Result<&'a T> {
    // SAFETY: the caller's promise. That other threads may have it too is what `Sync` is for.
    unsafe { handle.as_ref() }.ok_or_else(|| argument(name, "is NULL; give a handle"))
}

/// A text that may be left out, as NULL or "".
///
/// # Safety
/// NULL, or a text that ends in 0 and stays as it is in the time of `'a`.
pub(crate) unsafe fn text<'a>(name: &str, text: *const c_char) -> Result<Option<&'a str>> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    let text = unsafe { CStr::from_ptr(text) }.to_str();
    let text = text.map_err(|_| argument(name, "is not UTF-8"))?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

/// Bytes that are read.
///
/// # Safety
/// NULL, or `size` bytes that nothing writes in the time of `'a`.
pub(crate) unsafe fn bytes<'a>(name: &str, bytes: *const u8, size: usize) -> Result<&'a [u8]> {
    if bytes.is_null() {
        return Err(argument(name, "is NULL; give the bytes"));
    }
    if isize::try_from(size).is_err() {
        return Err(argument(name, "is larger than memory can be; check its size"));
    }
    // SAFETY: the caller's promise; not NULL and not too large.
    Ok(unsafe { std::slice::from_raw_parts(bytes, size) })
}

/// A place for a result, set to what it has after an error.
///
/// # Safety
/// NULL, or a place of the type that nothing else uses in the time of `'a`.
pub(crate) unsafe fn place<'a, T>(name: &str, place: *mut T, empty: T) -> Result<&'a mut T> {
    if place.is_null() {
        return Err(argument(name, "is NULL; give the place for the result"));
    }
    // SAFETY: the caller's promise. Written before a reference is made: it may be uninitialised.
    unsafe {
        place.write(empty);
        Ok(&mut *place)
    }
}

/// A handle for the caller, who frees it by [`free`].
pub(crate) fn give<T>(value: T) -> *mut T {
    Box::into_raw(Box::new(value))
}

/// Frees a handle. What goes wrong in there is kept as the thread's error.
///
/// # Safety
/// NULL, or one that [`give`] gave, that is not freed and that nothing uses any more.
pub(crate) unsafe fn free<T>(handle: *mut T) {
    if !handle.is_null() {
        // SAFETY: the caller's promise.
        let owned = unsafe { Box::from_raw(handle) };
        status_of(|| {
            drop(owned);
            Ok(())
        });
    }
}
