//! How much memory a file of some size may ask for: what its pixels take, and no more than
//! compression can account for.

/// Bytes that any picture may take: 4,700 pixels squared in RGB, however small the file (an empty
/// mask compresses to nothing).
const FREE: u64 = 64 << 20;
/// Bytes of pixels that a byte of a file may stand for beyond that: four times what deflate can
/// make of one.
const FACTOR: u64 = 4096;

/// The most bytes that decoding a file of `file` bytes may take.
pub fn decoded(file: u64) -> u64 {
    FREE.saturating_add(FACTOR.saturating_mul(file))
}

/// The same for the image library, in place of its fixed 512 MiB: large pictures are read, bombs
/// are not.
pub(super) fn of_image(file: u64) -> image::Limits {
    let mut limits = image::Limits::no_limits();
    limits.max_alloc = Some(decoded(file));
    limits
}
