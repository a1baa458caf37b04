//! Between a canvas's RGBA and the channels of a network.

/// Bytes of one or three channels out of RGBA; what is transparent is seen on white. `None` for
/// another number of channels.
pub fn from_rgba(rgba: &[u8], channels: u32) -> Option<Vec<u8>> {
    let seen = |pixel: &[u8]| -> [u32; 3] {
        let alpha = u32::from(pixel[3]);
        [0, 1, 2].map(|c| (u32::from(pixel[c]) * alpha + 255 * (255 - alpha) + 127) / 255)
    };
    let pixels = rgba.chunks_exact(4).map(seen);
    match channels {
        3 => Some(pixels.flatten().map(|v| v as u8).collect()),
        // The weights of ITU-R 601, as image programs convert to gray.
        1 => Some(
            pixels.map(|[r, g, b]| ((299 * r + 587 * g + 114 * b + 500) / 1000) as u8).collect(),
        ),
        _ => None,
    }
}

/// RGBA of bytes of one channel, or of the first three.
pub fn to_rgba(bytes: &[u8], channels: u32) -> Vec<u8> {
    let channels = channels.max(1) as usize;
    let at = |c: usize| if channels >= 3 { c } else { 0 };
    bytes.chunks_exact(channels).flat_map(|p| [p[at(0)], p[at(1)], p[at(2)], 255]).collect()
}
