//! A town without an end, drawn by a seeded program as a street map and from the air. Any window of
//! it can be drawn, of any size: neighbouring windows fit each other.
//!
//! What is where follows from the map. Of the view from the air the map does not tell where trees
//! stand in a park, and which of two greens a yard has.

use crate::commands::demo::draw::{Dice, Rgb, grain, mix, scale, within};
use pixtape::io::Picture;

/// Distance between parallel streets, and how far each may lie from its place.
const BLOCK: f32 = 32.0;
const AWRY: f32 = 5.0;
/// Side of the plot of a building.
const PLOT: f32 = 8.0;
/// Distance between rivers.
const RIVER: f32 = 230.0;

/// A town: windows of it are drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Town {
    /// Streets and houses are drawn by numbers from here on.
    from: f32,
}

/// What lies at a point.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Ground {
    Water,
    Street,
    /// A broad street; whether it runs down.
    Avenue(bool),
    Park,
    /// A building, with the place in it, 0 to 1.
    Building(f32, f32),
    Yard,
}

/// A number from -1 to 1 that changes slowly along a line.
fn drift(v: f32) -> f32 {
    let ease = |t: f32| t * t * (3.0 - 2.0 * t);
    let start = v.floor();
    let share = ease(v - start);
    grain(start, 777.0) * (1.0 - share) + grain(start + 1.0, 777.0) * share
}

impl Town {
    pub fn new(seed: u64) -> Town {
        let mut dice = Dice::new(seed ^ 0x544f_574e_0000, 0);
        Town { from: dice.pick(0, 4000) as f32 }
    }

    /// Left and top of window `index` of a set.
    pub fn window(seed: u64, index: u64) -> [i32; 2] {
        let mut dice = Dice::new(seed ^ 0x5749_4e44_4f57, index);
        [dice.pick(-20_000, 20_000), dice.pick(-20_000, 20_000)]
    }

    /// How far a point is from the middle of the nearest street in one direction, half the width of
    /// that street, and the number of the block behind it.
    fn street(&self, v: f32, salt: f32) -> (f32, f32, f32) {
        let place = |i: f32| i * BLOCK + AWRY * grain(i + self.from, salt);
        let number = (v / BLOCK + 0.5).floor();
        let nearest = [number - 1.0, number, number + 1.0]
            .into_iter()
            .min_by(|a, b| (v - place(*a)).abs().total_cmp(&(v - place(*b)).abs()))
            .unwrap_or(number);
        let half = if within(nearest, 4.0) == 0.0 { 2.6 } else { 1.5 };
        let away = v - place(nearest);
        (away.abs(), half, if away < 0.0 { nearest - 1.0 } else { nearest })
    }

    fn ground(&self, x: f32, y: f32) -> Ground {
        // Each river has bends of its own.
        let own = self.from + 41.0 * (x / RIVER + 0.5).floor();
        let middle = 26.0 * drift(y / 90.0 + own) + 9.0 * drift(y / 31.0 + own);
        let river = (within(x + middle + RIVER / 2.0, RIVER) - RIVER / 2.0).abs();
        let (down, down_half, column) = self.street(x, 11.0);
        let (across, across_half, row) = self.street(y, 23.0);
        let street = down < down_half || across < across_half;
        // Broad streets have bridges.
        if river < 8.0 && !(across < across_half && across_half > 2.0) {
            return Ground::Water;
        }
        if street {
            let avenue =
                [down < down_half && down_half > 2.0, across < across_half && across_half > 2.0];
            return match avenue {
                [_, true] => Ground::Avenue(false),
                [true, _] => Ground::Avenue(true),
                _ => Ground::Street,
            };
        }
        if grain(column + self.from, row * 3.0) < -0.55 {
            return Ground::Park;
        }
        // A row of plots along each street, a pavement before them.
        let free = (down - down_half).min(across - across_half);
        let (px, py) = ((x / PLOT).floor(), (y / PLOT).floor());
        let inset = 1.0 + 0.5 * grain(px, py + self.from);
        let place = [within(x, PLOT), within(y, PLOT)];
        let inside = place.iter().all(|v| *v >= inset && *v < PLOT - inset);
        if free < 1.0 || river < 10.0 || !inside || grain(px + 0.5 * self.from, py) < -0.6 {
            return Ground::Yard;
        }
        let share = |v: f32| (v - inset) / (PLOT - 2.0 * inset);
        Ground::Building(share(place[0]), share(place[1]))
    }

    fn map(&self, x: f32, y: f32) -> Rgb {
        match self.ground(x, y) {
            Ground::Water => [170.0, 206.0, 232.0],
            Ground::Street => [255.0, 255.0, 255.0],
            Ground::Avenue(_) => [252.0, 214.0, 110.0],
            Ground::Park => [196.0, 226.0, 166.0],
            Ground::Building(..) => [204.0, 192.0, 182.0],
            Ground::Yard => [240.0, 236.0, 228.0],
        }
    }

    fn aerial(&self, x: f32, y: f32) -> Rgb {
        let ground = self.ground(x, y);
        let grass = |by: f32| scale([98.0, 118.0, 66.0], by + 0.08 * grain(x / 1.5, y / 1.5));
        let colour = match ground {
            Ground::Water => scale([44.0, 78.0, 92.0], 1.0 + 0.04 * grain(x / 3.0, y)),
            Ground::Street => scale([122.0, 122.0, 124.0], 1.0 + 0.03 * grain(x, y)),
            Ground::Avenue(down) => {
                let (away, _, _) = if down { self.street(x, 11.0) } else { self.street(y, 23.0) };
                let dash = within(if down { y } else { x }, 4.0) < 2.0 && away < 0.4;
                if dash { [226.0, 226.0, 220.0] } else { [98.0, 98.0, 102.0] }
            }
            Ground::Park => {
                // Crowns, lit from the left above.
                let (cx, cy) = ((x / 4.0).floor(), (y / 4.0).floor());
                let at = [0, 1].map(|i| 2.0 + 0.8 * grain(cx + i as f32 * 9.0, cy));
                let (dx, dy) = (within(x, 4.0) - at[0], within(y, 4.0) - at[1]);
                let crown = dx * dx + dy * dy < 2.6 && grain(cx, cy + 5.0) > -0.4;
                if crown { scale([52.0, 88.0, 44.0], 1.1 - 0.16 * (dx + dy)) } else { grass(1.15) }
            }
            // A ridge from left to right.
            Ground::Building(u, v) => {
                let side = if v < 0.5 { 1.12 } else { 0.82 };
                let ridge = (v - 0.5).abs() < 0.06;
                let roof = mix([176.0, 92.0, 70.0], [160.0, 84.0, 66.0], u);
                if ridge { [196.0, 126.0, 104.0] } else { scale(roof, side) }
            }
            Ground::Yard => grass(1.0),
        };
        let shaded = !matches!(ground, Ground::Building(..) | Ground::Water)
            && matches!(self.ground(x - 1.0, y - 1.0), Ground::Building(..));
        scale(colour, if shaded { 0.62 } else { 1.0 })
    }

    /// A window as a map, or from the air: RGB, a unit per pixel.
    pub fn draw(
        &self,
        from_air: bool,
        [left, top]: [i32; 2],
        (width, height): (u32, u32),
    ) -> Picture {
        let mut data = Vec::with_capacity((width * height * 3) as usize);
        for row in 0..height as i32 {
            for column in 0..width as i32 {
                let mut sum = [0.0; 3];
                for sample in 0..4 {
                    let x = (left + column) as f32 + 0.25 + 0.5 * (sample % 2) as f32;
                    let y = (top + row) as f32 + 0.25 + 0.5 * (sample / 2) as f32;
                    let colour = if from_air { self.aerial(x, y) } else { self.map(x, y) };
                    (0..3).for_each(|c| sum[c] += colour[c]);
                }
                data.extend(sum.map(|total| (total / 4.0 + 0.5).clamp(0.0, 255.0) as u8));
            }
        }
        Picture { width, height, channels: 3, data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_windows_fit_each_other() {
        let town = Town::new(1);
        for from_air in [false, true] {
            let whole = town.draw(from_air, [-40, 70], (96, 64));
            let right = town.draw(from_air, [8, 86], (48, 32));
            assert!(whole.crop(48, 16, 48, 32).unwrap() == right);
            assert!(town.draw(from_air, [-40, 70], (96, 64)) == whole);
        }
    }

    #[test]
    fn a_town_has_streets_houses_parks_and_water() {
        let town = Town::new(1);
        let map = town.draw(false, [0, 0], (600, 300));
        let share = |colour: [u8; 3]| {
            let count = map.data.chunks(3).filter(|pixel| **pixel == colour).count();
            count as f64 / (600.0 * 300.0)
        };
        let shares =
            [[255, 255, 255], [252, 214, 110], [196, 226, 166], [204, 192, 182], [170, 206, 232]];
        for colour in shares {
            let share = share(colour);
            assert!((0.01..0.5).contains(&share), "{colour:?}: {share}");
        }
    }
}
