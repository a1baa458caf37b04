//! The unpaired demo's data: four-legged animals on varied ground, plain or striped, drawn by a
//! seeded program.
//!
//! The two sets share no image and no pair: what they have in common is only what such animals
//! and grounds look like. Stripes are the one thing that tells them apart, so a measure of stripes,
//! inside the animal and outside, tells whether a net has learnt the right thing.

use crate::commands::demo::draw::Dice;
use pixtape::io::Picture;

type Rgb = [f32; 3];

/// An animal, and for each pixel whether it is part of it.
#[derive(Clone, Debug)]
pub struct Animal {
    /// RGB.
    pub picture: Picture,
    /// Row by row.
    pub mask: Vec<bool>,
}

/// Where the parts of an animal stand, in units of which the image has 64.
struct Body {
    x: f32,
    y: f32,
    /// Half of the trunk's width and height.
    half: [f32; 2],
    legs: f32,
    /// 1 looks right, -1 left.
    way: f32,
}

/// Draws animal `index` of the set `seed`, `size` x `size`: a zebra or a horse. The same arguments
/// give the same bytes everywhere.
pub fn animal(seed: u64, index: u64, striped: bool, size: u32) -> Animal {
    // Different animals on different grounds in the two sets.
    let mut dice =
        Dice::new(seed ^ if striped { 0x5a45_4252_4100 } else { 0x484f_5253_4500 }, index);
    let mut unit = || dice.pick(0, 1000) as f32 / 1000.0;
    let half = [11.0 + 5.0 * unit(), 6.5 + 2.5 * unit()];
    let (x, y) = (22.0 + 20.0 * unit(), 26.0 + 10.0 * unit());
    let body =
        Body { x, y, half, legs: 8.0 + 4.0 * unit(), way: if unit() < 0.5 { 1.0 } else { -1.0 } };
    let horizon = 8.0 + 16.0 * unit();
    let (sky, ground) = (
        mix([150.0, 185.0, 230.0], [225.0, 215.0, 205.0], unit()),
        mix([70.0, 125.0, 50.0], [200.0, 170.0, 110.0], unit()),
    );
    let brown = mix([95.0, 55.0, 30.0], [185.0, 125.0, 75.0], unit());
    // Rises and falls of the ground.
    let (tilt, phase, coarse) = (unit() - 0.5, 64.0 * unit(), 64.0 * unit());
    let mut data = Vec::with_capacity((size * size * 3) as usize);
    let mut mask = Vec::with_capacity((size * size) as usize);
    for row in 0..size {
        for column in 0..size {
            let (u, v) = (
                (column as f32 + 0.5) * 64.0 / size as f32,
                (row as f32 + 0.5) * 64.0 / size as f32,
            );
            let inside = body.covers(u, v);
            let back = if v < horizon + tilt * (u - 32.0) * 0.2 {
                scale(sky, 1.0 - 0.004 * v)
            } else {
                // Broad patches, far from the width of stripes.
                let patch = wave((u + phase) / 29.0) * wave((v + coarse) / 21.0);
                scale(ground, 0.88 + 0.16 * patch + 0.002 * v)
            };
            // Round: light from above.
            let light = 1.06 - 0.18 * ((v - body.y) / body.half[1]).clamp(-1.0, 1.0);
            let skin = match striped {
                true if within(u - body.x + 0.12 * (v - body.y) * body.way, 5.0) < 2.5 => {
                    [232.0, 228.0, 220.0]
                }
                true => [34.0, 32.0, 36.0],
                false => brown,
            };
            let colour = if inside { scale(skin, light) } else { back };
            data.extend(colour.map(|c| c.clamp(0.0, 255.0) as u8));
            mask.push(inside);
        }
    }
    Animal { picture: Picture { width: size, height: size, channels: 3, data }, mask }
}

impl Body {
    fn covers(&self, u: f32, v: f32) -> bool {
        let (x, y) = ((u - self.x) * self.way, v - self.y);
        let [w, h] = self.half;
        let ellipse = |cx: f32, cy: f32, rx: f32, ry: f32| {
            let (a, b) = ((x - cx) / rx, (y - cy) / ry);
            a * a + b * b <= 1.0
        };
        let trunk = ellipse(0.0, 0.0, w, h);
        // A neck that leans forward, and a head at its end.
        let along = -(y + h * 0.2) / (h * 1.5);
        let neck = (0.0..=1.0).contains(&along)
            && (x - (w * 0.72 + along * w * 0.3)).abs() < 3.6 - 1.0 * along;
        let head = ellipse(w * 1.16, -h * 1.62, 5.0, 2.9);
        let leg = |at: f32| (x - at).abs() < 1.7 && (0.0..h + self.legs).contains(&y);
        let legs = [-0.78, -0.5, 0.42, 0.72].into_iter().any(|at| leg(at * w));
        let tail = (x + w + 0.8).abs() < 1.0 && (-0.2 * h..h).contains(&y);
        trunk || neck || head || legs || tail
    }
}

/// Stripes of an image: the mean over the pixels of a mask of how far their gray value is from the
/// mean of the 5x5 pixels around, in levels.
pub fn stripes(picture: &Picture, mask: &[bool]) -> f64 {
    let (w, h, c) = (picture.width as usize, picture.height as usize, picture.channels as usize);
    let gray: Vec<f64> = picture
        .data
        .chunks(c)
        .map(|p| p.iter().map(|v| f64::from(*v)).sum::<f64>() / c as f64)
        .collect();
    let (mut sum, mut count) = (0.0, 0.0f64);
    for (at, _) in mask.iter().enumerate().filter(|(_, inside)| **inside) {
        let (x, y) = (at % w, at / w);
        let (rows, columns) =
            (y.saturating_sub(2)..(y + 3).min(h), x.saturating_sub(2)..(x + 3).min(w));
        let around: Vec<f64> = rows
            .flat_map(|r| columns.clone().map(move |c| (r, c)))
            .map(|(r, c)| gray[r * w + c])
            .collect();
        sum += (gray[at] - around.iter().sum::<f64>() / around.len() as f64).abs();
        count += 1.0;
    }
    sum / count.max(1.0)
}

/// The parts of a mask that are more than two pixels from what is not in it: where a measure of 5x5
/// pixels sees one side only.
pub fn inner(mask: &[bool], width: usize) -> Vec<bool> {
    let height = mask.len() / width;
    let all = |at: usize| {
        let (x, y) = (at % width, at / width);
        let (rows, columns) =
            (y.saturating_sub(2)..(y + 3).min(height), x.saturating_sub(2)..(x + 3).min(width));
        rows.flat_map(|r| columns.clone().map(move |c| r * width + c)).all(|near| mask[near])
    };
    (0..mask.len()).map(all).collect()
}

fn mix(a: Rgb, b: Rgb, share: f32) -> Rgb {
    [0, 1, 2].map(|i| a[i] + (b[i] - a[i]) * share)
}

fn scale(a: Rgb, by: f32) -> Rgb {
    a.map(|c| c * by)
}

/// Distance into a repeating cell.
fn within(v: f32, period: f32) -> f32 {
    v - (v / period).floor() * period
}

/// A smooth rise and fall between 0 and 1, of period 1.
fn wave(v: f32) -> f32 {
    let t = 2.0 * (within(v, 1.0) - 0.5).abs();
    t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stripes_are_inside_zebras_and_nowhere_else() {
        for index in 0..20 {
            let measure = |striped| {
                let Animal { picture, mask } = animal(1, index, striped, 64);
                let outside: Vec<bool> = mask.iter().map(|m| !m).collect();
                (
                    stripes(&picture, &inner(&mask, 64)),
                    stripes(&picture, &inner(&outside, 64)),
                    mask.iter().filter(|m| **m).count(),
                )
            };
            let (horse, zebra) = (measure(false), measure(true));
            assert!(zebra.0 > 40.0 && horse.0 < 8.0, "{zebra:?} {horse:?}");
            assert!(zebra.1 < 6.0 && horse.1 < 6.0, "{zebra:?} {horse:?}");
            assert!(
                [horse.2, zebra.2].iter().all(|n| (300..2000).contains(n)),
                "{zebra:?} {horse:?}"
            );
        }
    }

    #[test]
    fn the_sets_differ_and_the_same_seed_gives_the_same_bytes() {
        assert_eq!(animal(3, 5, true, 64).picture.data, animal(3, 5, true, 64).picture.data);
        assert_ne!(animal(3, 5, true, 64).mask, animal(3, 5, false, 64).mask);
        assert_ne!(animal(3, 5, true, 64).mask, animal(3, 6, true, 64).mask);
    }
}
