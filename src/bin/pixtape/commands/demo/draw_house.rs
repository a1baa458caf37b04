//! Houses as a caption of five words describes them, drawn by a program.

use crate::commands::demo::draw::{Dice, Rgb, grain, mix, scale, within};
use pixtape::io::Picture;
use std::fmt::{Display, Formatter};

/// The vocabulary: one word of each group describes a house.
pub(super) const GROUPS: [&[&str]; 5] = [
    &["one storey", "two storeys", "three storeys"],
    &["red roof", "slate roof", "green roof"],
    &["no dormer", "one dormer", "two dormers", "three dormers"],
    &["shop", "no shop"],
    &["brick", "plaster", "stone"],
];
/// Words of all groups.
pub(super) const WORDS: usize = 15;
/// Captions that there are.
pub(super) const CAPTIONS: usize = 216;

/// A word of each group, by its number there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Caption(pub [usize; 5]);

impl Display for Caption {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let words: Vec<&str> = GROUPS.iter().zip(self.0).map(|(group, word)| group[word]).collect();
        f.write_str(&words.join(", "))
    }
}

impl Caption {
    /// Caption `index` of a shuffle of all.
    pub fn new(seed: u64, index: usize) -> Caption {
        let mut order: Vec<usize> = (0..CAPTIONS).collect();
        let mut dice = Dice::new(seed ^ 0x574f_5244_5300, 0);
        for last in (1..CAPTIONS).rev() {
            order.swap(last, dice.pick(0, last as i32) as usize);
        }
        let mut left = order[index % CAPTIONS];
        Caption(GROUPS.map(|group| {
            let word = left % group.len();
            left /= group.len();
            word
        }))
    }

    /// Whether it has each word of all groups.
    pub fn words(&self) -> [bool; WORDS] {
        let mut words = [false; WORDS];
        let mut first = 0;
        for (group, word) in GROUPS.iter().zip(self.0) {
            words[first + word] = true;
            first += group.len();
        }
        words
    }

    /// The captions that differ from it in one word of a group.
    pub fn others(&self, group: usize) -> impl Iterator<Item = Caption> + '_ {
        (0..GROUPS[group].len()).filter(move |word| *word != self.0[group]).map(move |word| {
            let mut other = *self;
            other.0[group] = word;
            other
        })
    }

    /// The house: RGB, `size` by `size`.
    pub fn draw(&self, size: u32) -> Picture {
        let unit = 64.0 / size as f32;
        let pixel = |at: u32| {
            let mut sum = [0.0; 3];
            for sample in 0..9u32 {
                let place = |v: u32, s: u32| (v as f32 + (2 * s + 1) as f32 / 6.0) * unit;
                let colour =
                    self.colour(place(at % size, sample % 3), place(at / size, sample / 3));
                (0..3).for_each(|c| sum[c] += colour[c]);
            }
            sum.map(|total| (total / 9.0 + 0.5).clamp(0.0, 255.0) as u8)
        };
        let data = (0..size * size).flat_map(pixel).collect();
        Picture { width: size, height: size, channels: 3, data }
    }

    fn colour(&self, x: f32, y: f32) -> Rgb {
        let [storeys, roof, dormers, shop, wall] = self.0;
        let (left, right, eaves, storey) = (14.0, 50.0, 24.0, 12.0);
        // All roofs are at one height, and the street is where the house ends: words that change
        // the roof need not be learnt once for each number of storeys.
        let ground = eaves + storey * (storeys + 1) as f32;
        if y >= ground {
            return match y - ground {
                below if below < 1.0 => [168.0, 166.0, 162.0],
                below if below < 4.0 => [120.0, 118.0, 116.0],
                _ => scale([104.0, 146.0, 82.0], 1.0 + 0.04 * grain(x, y)),
            };
        }
        // Two bands of wall between windows, and the windows.
        if (left..right).contains(&x) && y >= eaves {
            let floor = ((ground - y) / storey).floor() as usize;
            let up = within(ground - y, storey);
            return match floor {
                0 if shop == 0 => shop_front(x - left, up),
                0 if (29.0..35.0).contains(&x) && up < 9.0 => {
                    let panel = (x - 32.0).abs() < 2.0 && within(up, 4.0) > 0.8;
                    scale([94.0, 58.0, 42.0], if panel { 1.3 } else { 1.0 })
                }
                _ => {
                    let bay = within(x - left, 12.0) - 6.0;
                    let window = bay.abs() < 2.6 && (3.0..9.5).contains(&up);
                    if window { pane(bay, up) } else { masonry(wall, x, y) }
                }
            };
        }
        let top = eaves - 13.0;
        let lean = (y - top) * 0.5;
        if y >= top && y < eaves && x >= left - 2.0 + 6.5 - lean && x < right + 2.0 - 6.5 + lean {
            // One is in the middle, two are at the sides.
            let places: &[f32] = [&[][..], &[0.0], &[-11.0, 11.0], &[-11.0, 0.0, 11.0]][dormers];
            let dormer = places.iter().map(|at| x - 32.0 - at).find(|away| away.abs() < 4.0);
            if let Some(away) = dormer.filter(|a| y >= eaves - 10.0 + a.abs() * 0.7) {
                let inner = away.abs() < 2.6 && y > eaves - 6.5 && y < eaves - 1.5;
                return if inner { [58.0, 76.0, 92.0] } else { [244.0, 240.0, 230.0] };
            }
            let colour = [[178.0, 76.0, 58.0], [66.0, 72.0, 94.0], [98.0, 164.0, 110.0]][roof];
            return scale(
                colour,
                1.12 - 0.3 * within(y, 2.0) / 2.0 + 0.05 * grain(x / 2.0, y / 2.0),
            );
        }
        mix([120.0, 174.0, 228.0], [222.0, 234.0, 244.0], y / 56.0)
    }
}

fn pane(bay: f32, up: f32) -> Rgb {
    let frame = bay.abs() > 1.9 || bay.abs() < 0.35 || !(3.6..8.9).contains(&up);
    if frame {
        [246.0, 242.0, 232.0]
    } else {
        mix([54.0, 70.0, 86.0], [148.0, 184.0, 208.0], up / 10.0)
    }
}

fn shop_front(x: f32, up: f32) -> Rgb {
    match up {
        up if up > 8.5 => {
            let stripe = within(x, 4.0) < 2.0;
            if stripe { [196.0, 52.0, 48.0] } else { [246.0, 238.0, 224.0] }
        }
        up if up < 2.0 || within(x, 12.0) < 1.0 => [74.0, 52.0, 42.0],
        up => mix([150.0, 104.0, 64.0], [252.0, 214.0, 136.0], up / 9.0),
    }
}

fn masonry(wall: usize, x: f32, y: f32) -> Rgb {
    let course = |height: f32, width: f32, colour: Rgb, joint: Rgb, vary: f32| {
        let row = (y / height).floor();
        let along = x + within(row, 2.0) * width / 2.0;
        let stone = scale(colour, 1.0 + vary * grain((along / width).floor(), row));
        if within(y, height) < 0.5 || within(along, width) < 0.5 { joint } else { stone }
    };
    match wall {
        0 => course(2.0, 4.0, [176.0, 84.0, 64.0], [208.0, 176.0, 154.0], 0.08),
        1 => scale([240.0, 218.0, 170.0], 1.0 + 0.015 * grain(x, y)),
        _ => course(4.0, 8.0, [168.0, 164.0, 156.0], [124.0, 120.0, 114.0], 0.08),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_caption_comes_once_and_every_word_shows() {
        let all: HashSet<_> = (0..CAPTIONS).map(|index| Caption::new(1, index)).collect();
        assert_eq!(all.len(), CAPTIONS);
        assert_eq!(GROUPS.iter().map(|group| group.len()).sum::<usize>(), WORDS);
        assert_eq!(GROUPS.iter().map(|group| group.len()).product::<usize>(), CAPTIONS);
        let caption = Caption::new(1, 0);
        let house = caption.draw(64);
        for group in 0..GROUPS.len() {
            for other in caption.others(group) {
                let drawn = other.draw(64);
                let differing = house.data.iter().zip(&drawn.data).filter(|(a, b)| a != b).count();
                assert!(differing > 60, "{caption:?} {other:?}");
            }
        }
    }
}
