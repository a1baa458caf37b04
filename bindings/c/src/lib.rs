//! The C interface of pixtape: `include/pixtape.h` is made of this crate's functions and their
//! comments, which are written for readers of C.
//!
//! Nothing but the border lies here: pointers and sizes are checked, errors become a number and a
//! text, panics end. What is done behind it is done by the engine's crate. What makes a call sound is
//! said once, for all functions, in the head of the header (`cbindgen.toml`).

mod device;
mod error;
mod generator;
mod image;
mod pointer;

use std::ffi::{CStr, c_char};

/// The interface that this header describes. It grows by functions and constants, never by other
/// meanings of what is there; a library for which pixtape_abi_version() is another number is
/// another interface.
pub const PIXTAPE_ABI_VERSION: u32 = 1;

/// Largest width and height of an image, in pixels. Devices may set a smaller one.
pub const PIXTAPE_MAX_SIDE: u32 = 65536;

const VERSION: &CStr =
    match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(text) => text,
        Err(_) => panic!("a version has no zeros"),
    };

/// The library's version, "0.1.0": a constant text. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pixtape_version() -> *const c_char {
    VERSION.as_ptr()
}

/// The interface that the library has: PIXTAPE_ABI_VERSION of the header that it was built with.
#[unsafe(no_mangle)]
pub extern "C" fn pixtape_abi_version() -> u32 {
    PIXTAPE_ABI_VERSION
}
