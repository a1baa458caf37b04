//! Similarity of images: L1, PSNR and SSIM on values in [0, 1] (black to white of the images'
//! depth), computed in f64.

use crate::io::picture::{Element, Picture};
use crate::{Error, Result};

/// Taps of the SSIM window; images need at least this many pixels per side.
const WINDOW: usize = 11;
const SIGMA: f64 = 1.5;
const C1: f64 = 0.01 * 0.01;
const C2: f64 = 0.03 * 0.03;

/// Mean absolute difference over all pixels and channels, 0 (same) to 1.
///
/// # Errors
/// [`Error::Usage`] when the sizes differ.
pub fn l1<T: Element>(a: &Picture<T>, b: &Picture<T>) -> Result<f64> {
    same_size("L1", a, b)?;
    let sum: f64 = differences(a, b).sum();
    Ok(sum / (a.data.len() as f64 * full::<T>()))
}

/// Peak signal-to-noise ratio in dB, `10 log10(1 / mean squared difference)`; infinite for equal
/// images.
///
/// # Errors
/// [`Error::Usage`] when the sizes differ.
pub fn psnr<T: Element>(a: &Picture<T>, b: &Picture<T>) -> Result<f64> {
    same_size("PSNR", a, b)?;
    let sum: f64 = differences(a, b).map(|d| d * d).sum();
    // A sum of zero divides to +infinity, which is the answer.
    Ok(10.0 * (a.data.len() as f64 * full::<T>() * full::<T>() / sum).log10())
}

/// In units of the images' own values, whose sums are exact for integers.
fn differences<T: Element>(a: &Picture<T>, b: &Picture<T>) -> impl Iterator<Item = f64> {
    a.data.iter().zip(&b.data).map(|(p, q)| (f64::from(p.to_f32()) - f64::from(q.to_f32())).abs())
}

/// The value of white less that of black.
fn full<T: Element>() -> f64 {
    let [low, high] = T::DEPTH.range();
    f64::from(high - low)
}

/// Structural similarity after Wang et al. 2004: Gaussian window of 11x11 taps with sigma 1.5,
/// K1 = 0.01, K2 = 0.03, mean over the windows inside the image, then over channels.
///
/// 1 for equal images. The same value as scikit-image's `structural_similarity` with
/// `gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1`.
///
/// # Errors
/// [`Error::Usage`] when the sizes differ or a side is shorter than 11 pixels.
pub fn ssim<T: Element>(a: &Picture<T>, b: &Picture<T>) -> Result<f64> {
    same_size("SSIM", a, b)?;
    if (a.width.min(a.height) as usize) < WINDOW {
        return Err(Error::Usage(format!(
            "SSIM needs images of at least {WINDOW}x{WINDOW}, these are {}x{}; use larger ones",
            a.width, a.height
        )));
    }
    let channels = a.channels as usize;
    let sum: f64 = (0..channels).map(|c| ssim_channel(a, b, c)).sum();
    Ok(sum / channels as f64)
}

fn ssim_channel<T: Element>(a: &Picture<T>, b: &Picture<T>, channel: usize) -> f64 {
    let (w, taps) = (a.width as usize, gaussian());
    let plane = |p: &Picture<T>| -> Vec<f64> {
        let values = p.data.iter().skip(channel).step_by(p.channels as usize);
        values.map(|v| v.unit()).collect()
    };
    let (x, y) = (plane(a), plane(b));
    let product = |p: &[f64], q: &[f64]| -> Vec<f64> {
        let values: Vec<f64> = p.iter().zip(q).map(|(p, q)| p * q).collect();
        filter(&values, w, &taps)
    };
    let (ux, uy) = (filter(&x, w, &taps), filter(&y, w, &taps));
    let (uxx, uyy, uxy) = (product(&x, &x), product(&y, &y), product(&x, &y));
    let at = |i: usize| {
        let (mx, my) = (ux[i], uy[i]);
        let (vx, vy, vxy) = (uxx[i] - mx * mx, uyy[i] - my * my, uxy[i] - mx * my);
        (2.0 * mx * my + C1) * (2.0 * vxy + C2) / ((mx * mx + my * my + C1) * (vx + vy + C2))
    };
    (0..ux.len()).map(at).sum::<f64>() / ux.len() as f64
}

fn gaussian() -> [f64; WINDOW] {
    let radius = (WINDOW / 2) as f64;
    let raw: [f64; WINDOW] =
        std::array::from_fn(|i| (-(i as f64 - radius).powi(2) / (2.0 * SIGMA * SIGMA)).exp());
    let sum: f64 = raw.iter().sum();
    raw.map(|v| v / sum)
}

/// Separable filter of a plane of width `w`, without padding.
fn filter(plane: &[f64], w: usize, taps: &[f64; WINDOW]) -> Vec<f64> {
    let dot = |values: &[f64]| -> f64 { values.iter().zip(taps).map(|(v, t)| v * t).sum() };
    let rows: Vec<f64> =
        plane.chunks_exact(w).flat_map(|row| row.windows(WINDOW).map(dot)).collect();
    let wo = w - WINDOW + 1;
    let outputs = rows.len() - (WINDOW - 1) * wo;
    let column = |i: usize| taps.iter().enumerate().map(|(k, t)| t * rows[i + k * wo]).sum();
    (0..outputs).map(column).collect()
}

fn same_size<T: Element>(what: &str, a: &Picture<T>, b: &Picture<T>) -> Result<()> {
    if (a.width, a.height, a.channels) == (b.width, b.height, b.channels) && !a.data.is_empty() {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "{what} compares images of one size, these are {} and {}; resize or convert one of them",
        a.describe(),
        b.describe()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::picture::tests::formula;
    use approx::{abs_diff_eq, assert_abs_diff_eq};

    /// `formula` with a deterministic disturbance of about +-20 levels.
    fn disturbed(mut p: Picture) -> Picture {
        let (w, c) = (p.width as usize, p.channels as usize);
        for (i, v) in p.data.iter_mut().enumerate() {
            let (x, y, ch) = (i / c % w, i / c / w, i % c);
            let noise = ((x * 31 + y * 17 + ch * 5) % 41) as i32 - 20;
            *v = (i32::from(*v) + noise).clamp(0, 255) as u8;
        }
        p
    }

    fn flat(value: u8) -> Picture {
        Picture { width: 16, height: 16, channels: 3, data: vec![value; 16 * 16 * 3] }
    }

    /// Values of scikit-image 0.26.0 (numpy 2.4.6, scipy 1.17.1).
    #[test]
    fn matches_scikit_image() {
        let rgb = formula(32, 24, 3, 1);
        let cases = [
            (
                rgb.clone(),
                disturbed(rgb),
                [0.03895526960784314, 26.86103589760629, 0.9822917562192096],
            ),
            (
                formula(19, 11, 1, 0),
                formula(19, 11, 1, 1),
                [0.20052537761516087, 10.762619890293799, 0.43260124429915264],
            ),
            (
                formula(40, 33, 3, 0),
                formula(40, 33, 3, 2),
                [0.3170647653000594, 7.994618792342867, 0.014077200717224644],
            ),
            (flat(90), flat(100), [0.039215686274509776, 28.13080360867911, 0.9944771222382368]),
        ];
        for (a, b, want) in cases {
            let got = [l1(&a, &b).unwrap(), psnr(&a, &b).unwrap(), ssim(&a, &b).unwrap()];
            assert!(
                abs_diff_eq!(got[..], want[..], epsilon = 1e-9),
                "{}: {got:?}, not {want:?}",
                a.describe()
            );
        }
    }

    #[test]
    fn equal_pictures_are_perfect() {
        let p = formula(20, 12, 3, 1);
        assert_eq!(l1(&p, &p).unwrap(), 0.0);
        assert_eq!(psnr(&p, &p).unwrap(), f64::INFINITY);
        assert_abs_diff_eq!(ssim(&p, &p).unwrap(), 1.0, epsilon = 1e-12);
    }

    #[test]
    fn wrong_sizes_are_named() {
        let (a, b) = (formula(20, 12, 3, 1), formula(21, 12, 3, 1));
        for metric in [l1::<u8>, psnr, ssim] {
            let message = metric(&a, &b).unwrap_err().to_string();
            assert!(message.contains("20x12x3 and 21x12x3"), "{message}");
        }
        let small = formula(20, 10, 3, 1);
        assert!(ssim(&small, &small).unwrap_err().to_string().contains("20x10"));
    }
}
