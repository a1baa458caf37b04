//! CIE Lab under D65 of sRGB images, for colorization: lightness is the input, the two colour
//! channels are the target. Constants are those of affinelayer's pix2pix-tensorflow.

use std::sync::LazyLock;

use crate::io::picture::{Element, Picture};

const WHITE: [f32; 3] = [0.950456, 1.0, 1.088754];
const TO_XYZ: [[f32; 3]; 3] = [
    [0.412453, 0.357580, 0.180423],
    [0.212671, 0.715160, 0.072169],
    [0.019334, 0.119193, 0.950227],
];
const TO_RGB: [[f32; 3]; 3] = [
    [3.2404542, -1.5371385, -0.4985314],
    [-0.969_266, 1.8760108, 0.0415560],
    [0.0556434, -0.2040259, 1.0572252],
];
/// L is 0 to 100; |a| and |b| are below this for every sRGB colour.
const AB: f32 = 110.0;
const DELTA: f32 = 6.0 / 29.0;

/// sRGB's decoding of each byte.
static LINEAR: LazyLock<[f32; 256]> = LazyLock::new(|| {
    std::array::from_fn(|byte| {
        let c = byte as f32 / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    })
});

fn times(m: &[[f32; 3]; 3], v: [f32; 3]) -> [f32; 3] {
    m.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2])
}

/// L (0 to 100), a and b of an sRGB pixel.
pub fn from_rgb(rgb: [u8; 3]) -> [f32; 3] {
    let xyz = times(&TO_XYZ, rgb.map(|c| LINEAR[usize::from(c)]));
    let f =
        |t: f32| if t > DELTA.powi(3) { t.cbrt() } else { t / (3.0 * DELTA * DELTA) + 4.0 / 29.0 };
    let [x, y, z] = [0, 1, 2].map(|i| f(xyz[i] / WHITE[i]));
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

/// The sRGB pixel of L, a and b; colours outside sRGB are clipped.
pub fn to_rgb([l, a, b]: [f32; 3]) -> [u8; 3] {
    let y = (l + 16.0) / 116.0;
    let g = |t: f32| if t > DELTA { t.powi(3) } else { 3.0 * DELTA * DELTA * (t - 4.0 / 29.0) };
    let f = [y + a / 500.0, y, y - b / 200.0];
    times(&TO_RGB, [0, 1, 2].map(|i| g(f[i]) * WHITE[i])).map(|c| {
        let c = c.clamp(0.0, 1.0);
        let encoded = if c <= 0.0031308 { 12.92 * c } else { 1.055 * c.powf(1.0 / 2.4) - 0.055 };
        u8::from_f32(encoded * 255.0)
    })
}

/// Splits an RGB image into input and target of a colorization net: lightness `L / 50 - 1` `[h, w,
/// 1]` and colour `ab / 110` `[h, w, 2]`.
///
/// # Panics
/// If the image is not RGB.
pub fn split(rgb: &Picture) -> (Picture<f32>, Picture<f32>) {
    assert_eq!(rgb.channels, 3, "Lab needs an RGB image");
    let (mut light, mut color) =
        (Vec::with_capacity(rgb.data.len() / 3), Vec::with_capacity(rgb.data.len() / 3 * 2));
    for p in rgb.data.chunks_exact(3) {
        let [l, a, b] = from_rgb([p[0], p[1], p[2]]);
        light.push(l / 50.0 - 1.0);
        color.extend([a / AB, b / AB]);
    }
    let of = |channels, data| Picture { width: rgb.width, height: rgb.height, channels, data };
    (of(1, light), of(2, color))
}

/// Joins lightness and colour of [`split`] to RGB. Colour of another size is resized to that of
/// the lightness.
///
/// # Errors
/// [`crate::Error::Usage`] when the channels are not one and two.
pub fn join(light: &Picture<f32>, color: &Picture<f32>) -> crate::Result<Picture> {
    if (light.channels, color.channels) != (1, 2) {
        return Err(crate::Error::Usage(format!(
            "{} and {} are not lightness and colour",
            light.describe(),
            color.describe()
        )));
    }
    let color = color.clone().resize(light.width, light.height)?;
    let pixels = light.data.iter().zip(color.data.chunks_exact(2));
    let data = pixels
        .flat_map(|(l, ab)| {
            to_rgb([
                (l.clamp(-1.0, 1.0) + 1.0) * 50.0,
                ab[0].clamp(-1.0, 1.0) * AB,
                ab[1].clamp(-1.0, 1.0) * AB,
            ])
        })
        .collect();
    Picture::new(light.width, light.height, 3, data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::abs_diff_eq;

    #[test]
    fn grays_and_primaries_survive() {
        let primaries =
            (0..8u8).map(|i| [0, 1, 2].map(|bit| if i >> bit & 1 == 1 { 255 } else { 0 }));
        for rgb in (0..=255).map(|v| [v; 3]).chain(primaries) {
            let back = to_rgb(from_rgb(rgb));
            assert!(
                rgb.iter().zip(back).all(|(a, b)| a.abs_diff(b) <= 1),
                "{rgb:?} came back as {back:?}"
            );
        }
    }

    /// scikit-image 0.26's rgb2lab, whose constants differ from the sixth digit on; the green by
    /// the formula in f64 elsewhere.
    #[test]
    fn known_colours() {
        for (rgb, lab) in [
            ([255, 0, 0], [53.2408, 80.0925, 67.2032]),
            ([0, 0, 255], [32.2957, 79.1875, -107.8602]),
            ([120, 200, 40], [73.1897, -48.6725, 65.8091]),
        ] {
            let got = from_rgb(rgb);
            assert!(abs_diff_eq!(got[..], lab[..], epsilon = 0.02), "{rgb:?}: {got:?}");
        }
    }

    #[test]
    fn a_picture_is_split_and_joined_with_its_colour_enlarged() {
        let rgb = Picture::new(2, 2, 3, vec![200, 30, 60, 200, 30, 60, 200, 30, 60, 200, 30, 60])
            .unwrap();
        let (light, color) = split(&rgb);
        assert!(light.data.iter().chain(&color.data).all(|v| v.abs() <= 1.0));
        let small = color.crop(0, 0, 1, 1).unwrap();
        let back = join(&light, &small).unwrap();
        assert!(
            back.data.iter().zip(&rgb.data).all(|(a, b)| a.abs_diff(*b) <= 1),
            "{:?}",
            back.data
        );
        assert!(join(&color, &light).is_err());
    }
}
