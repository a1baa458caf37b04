//! What the peers have in common: arguments, pixels, times.
//!
//!     PROGRAM WEIGHTS IMAGE RESULT
//!
//! IMAGE and RESULT: 256x256 pixels as bytes, RGB.

use std::error::Error;
use std::time::Instant;

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

pub const SIDE: usize = 256;

/// `[1, 3, SIDE, SIDE]` in -1 to 1.
fn planes(pixels: &[u8]) -> Result<Vec<f32>> {
    if pixels.len() != 3 * SIDE * SIDE {
        return Err(format!("{} bytes of pixels", pixels.len()).into());
    }
    let plane = |channel| pixels.iter().skip(channel).step_by(3);
    Ok((0..3).flat_map(plane).map(|v| f32::from(*v) / 127.5 - 1.0).collect())
}

fn pixels(planes: &[f32]) -> Vec<u8> {
    let byte = |at: usize| ((planes[at] + 1.0) * 127.5).round().clamp(0.0, 255.0) as u8;
    let size = SIDE * SIDE;
    (0..size).flat_map(|at| [at, at + size, at + 2 * size]).map(byte).collect()
}

/// Runs `load`, which opens weights and gives a name and the translation of planes, on an image,
/// and says how long each part took.
pub fn run<T>(load: impl FnOnce(&str) -> Result<(String, T)>) -> Result<()>
where
    T: FnMut(Vec<f32>) -> Result<Vec<f32>>,
{
    let start = Instant::now();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [weights, image, result] = arguments.as_slice() else {
        return Err("usage: PROGRAM WEIGHTS IMAGE RESULT".into());
    };
    let (name, mut translate) = load(weights)?;
    let ready = start.elapsed().as_secs_f64();
    let image = std::fs::read(image)?;
    let made = pixels(&translate(planes(&image)?)?);
    let first = start.elapsed().as_secs_f64();
    let again = Instant::now();
    pixels(&translate(planes(&image)?)?);
    let second = again.elapsed().as_secs_f64();
    println!("{name}: ready {ready:.3} s, first image {first:.3} s, another {second:.3} s");
    Ok(std::fs::write(result, made)?)
}
