//! The data of pix2pixHD's demo: streets drawn by a seeded program, each as a map of labels, a map
//! of instances and an image.
//!
//! Where things are follows from the label map. What colour each house, tree and car has does not:
//! it is drawn for each instance by itself, so that only features of the instance can tell it.

use crate::commands::demo::draw::Dice;
use pixtape::io::{IndexMap, Picture};

type Rgb = [f32; 3];

/// Classes of the label map.
pub(super) const CLASSES: [&str; 8] =
    ["sky", "road", "pavement", "wall", "roof", "window", "tree", "car"];
const SKY: u32 = 0;
const ROAD: u32 = 1;
const PAVEMENT: u32 = 2;
const WALL: u32 = 3;
const ROOF: u32 = 4;
const WINDOW: u32 = 5;
const TREE: u32 = 6;
pub(super) const CAR: u32 = 7;

/// Instances are numbered from here in the order in which they are drawn; stuff has its class's
/// number.
const FIRST: u32 = 1000;

/// Units across and down a street.
const ACROSS: f32 = 64.0;
const DOWN: f32 = 32.0;
/// Where pavement and road begin.
const KERB: [f32; 2] = [21.0, 24.0];

/// Colours of walls, of trees and of cars.
const WALLS: [Rgb; 6] = [
    [214.0, 96.0, 70.0],
    [232.0, 196.0, 112.0],
    [126.0, 164.0, 204.0],
    [228.0, 222.0, 206.0],
    [150.0, 186.0, 138.0],
    [196.0, 136.0, 170.0],
];
const TREES: [Rgb; 4] =
    [[64.0, 128.0, 58.0], [150.0, 168.0, 52.0], [206.0, 122.0, 44.0], [228.0, 160.0, 184.0]];
const CARS: [Rgb; 6] = [
    [196.0, 34.0, 38.0],
    [34.0, 74.0, 176.0],
    [236.0, 194.0, 40.0],
    [238.0, 238.0, 238.0],
    [38.0, 138.0, 92.0],
    [46.0, 46.0, 52.0],
];

/// A street.
#[derive(Clone, Debug)]
pub(super) struct Street {
    pub labels: IndexMap,
    pub instances: IndexMap,
    /// RGB.
    pub image: Picture,
}

/// A house, a tree or a car. Later ones cover earlier ones.
struct Thing {
    label: u32,
    /// Middle, and the line that it stands on.
    x: f32,
    base: f32,
    /// Half its width, and its height.
    half: f32,
    height: f32,
    colour: Rgb,
}

/// Draws street `index` of the set `seed`, `2 height` by `height` pixels. With `without_car` its
/// last car is left out. The same arguments give the same bytes everywhere.
pub(super) fn street(seed: u64, index: u64, height: u32, without_car: bool) -> Street {
    let (things, light) = things(seed, index);
    let last_car = things.iter().rposition(|thing| thing.label == CAR).filter(|_| without_car);
    let width = 2 * height;
    let (mut labels, mut instances, mut data) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..height {
        for column in 0..width {
            let (u, v) = (
                (column as f32 + 0.5) * ACROSS / width as f32,
                (row as f32 + 0.5) * DOWN / height as f32,
            );
            let seen = things.iter().enumerate().rev().find_map(|(at, thing)| {
                let (label, colour) = thing.at(u, v).filter(|_| Some(at) != last_car)?;
                Some((label, FIRST + at as u32, colour))
            });
            let (label, instance, colour) = seen.unwrap_or_else(|| {
                let (label, colour) = ground(u, v);
                (label, label, colour)
            });
            labels.push(label);
            instances.push(instance);
            data.extend(colour.map(|c| (c * light).clamp(0.0, 255.0) as u8));
        }
    }
    let map = |data| IndexMap { width, height, data };
    Street {
        labels: map(labels),
        instances: map(instances),
        image: Picture { width, height, channels: 3, data },
    }
}

/// What stands in a street, and how bright the day is.
fn things(seed: u64, index: u64) -> (Vec<Thing>, f32) {
    let mut dice = Dice::new(seed ^ 0x5354_5245_4554, index);
    let light = 0.92 + 0.16 * dice.pick(0, 1000) as f32 / 1000.0;
    let mut things = Vec::new();
    let mut x = -(dice.pick(0, 6) as f32);
    while x < ACROSS {
        let half = 6.0 + dice.pick(0, 4) as f32;
        let colour = WALLS[dice.pick(0, WALLS.len() as i32 - 1) as usize];
        let height = 10.0 + dice.pick(0, 6) as f32;
        things.push(Thing { label: WALL, x: x + half, base: KERB[0], half, height, colour });
        x += 2.0 * half + if dice.pick(0, 2) == 0 { 3.0 } else { 0.0 };
    }
    for _ in 0..dice.pick(1, 3) {
        let colour = TREES[dice.pick(0, TREES.len() as i32 - 1) as usize];
        let (x, height) = (4.0 + dice.pick(0, 56) as f32, 11.0 + dice.pick(0, 4) as f32);
        things.push(Thing { label: TREE, x, base: KERB[1] - 1.0, half: 4.5, height, colour });
    }
    for _ in 0..dice.pick(1, 3) {
        let colour = CARS[dice.pick(0, CARS.len() as i32 - 1) as usize];
        let (x, base) = (6.0 + dice.pick(0, 52) as f32, 28.0 + dice.pick(0, 2) as f32);
        things.push(Thing { label: CAR, x, base, half: 6.5, height: 5.5, colour });
    }
    (things, light)
}

/// Sky, pavement and road.
fn ground(u: f32, v: f32) -> (u32, Rgb) {
    if v < KERB[0] {
        let low = v / KERB[0];
        return (SKY, [140.0 + 70.0 * low, 180.0 + 40.0 * low, 232.0]);
    }
    if v < KERB[1] {
        let joint = within(u, 4.0) < 0.5;
        return (PAVEMENT, if joint { [150.0; 3] } else { [178.0, 176.0, 170.0] });
    }
    let line = (v - 28.0).abs() < 0.5 && within(u, 8.0) < 4.0;
    (ROAD, if line { [226.0, 224.0, 214.0] } else { [84.0, 86.0, 92.0] })
}

impl Thing {
    /// Class and colour at a point, if it is there.
    fn at(&self, u: f32, v: f32) -> Option<(u32, Rgb)> {
        let (x, up) = (u - self.x, self.base - v);
        if up < 0.0 || up >= self.height {
            return None;
        }
        match self.label {
            WALL => self.house(x, up),
            TREE => self.tree(x, up),
            _ => self.car(x, up),
        }
    }

    fn house(&self, x: f32, up: f32) -> Option<(u32, Rgb)> {
        let eaves = self.height - 4.0;
        if up >= eaves {
            let lean = up - eaves;
            let inside = x.abs() < self.half - lean;
            let tile = within(up, 1.0) < 0.5;
            let colour = if tile { [112.0, 62.0, 48.0] } else { [132.0, 74.0, 58.0] };
            return inside.then_some((ROOF, colour));
        }
        if x.abs() >= self.half {
            return None;
        }
        let (across, floor) = (within(x + self.half - 1.0, 4.0), within(up - 1.5, 5.0));
        if (1.0..3.0).contains(&across) && (1.0..3.5).contains(&floor) && up > 1.5 {
            let shine = across + floor;
            return Some((WINDOW, scale([70.0, 92.0, 122.0], 0.8 + 0.1 * shine)));
        }
        let course = if within(up, 1.5) < 0.4 { 0.93 } else { 1.0 };
        // Darker towards the right, which is in the shade.
        Some((WALL, scale(self.colour, course * (1.02 - 0.08 * x / self.half))))
    }

    fn tree(&self, x: f32, up: f32) -> Option<(u32, Rgb)> {
        let trunk = self.height - 8.0;
        if up < trunk {
            return (x.abs() < 0.8).then_some((TREE, [92.0, 66.0, 46.0]));
        }
        let (a, b) = (x / self.half, (up - trunk - 4.0) / 4.0);
        let leaf = if within(x + 2.0 * up, 2.0) < 1.0 { 0.9 } else { 1.04 };
        (a * a + b * b <= 1.0).then(|| (TREE, scale(self.colour, leaf * (1.0 + 0.12 * b))))
    }

    fn car(&self, x: f32, up: f32) -> Option<(u32, Rgb)> {
        let wheel = [-4.0, 4.0].iter().any(|at| {
            let (a, b) = (x - at, up - 1.3);
            a * a + b * b <= 1.7
        });
        if wheel {
            return Some((CAR, [24.0; 3]));
        }
        let cabin = up >= 3.2 && x.abs() < 3.9 - 0.5 * (up - 3.2);
        if cabin && (3.5..5.0).contains(&up) && x.abs() > 0.4 {
            return Some((CAR, [150.0, 182.0, 204.0]));
        }
        let body = (0.9..3.4).contains(&up) && x.abs() < self.half;
        (body || cabin).then(|| (CAR, scale(self.colour, 0.9 + 0.05 * up)))
    }
}

fn scale(a: Rgb, by: f32) -> Rgb {
    a.map(|c| c * by)
}

/// Distance into a repeating cell.
fn within(v: f32, period: f32) -> f32 {
    v - (v / period).floor() * period
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streets_have_every_class_and_cars_are_instances_that_can_go() {
        let mut seen = [false; CLASSES.len()];
        for index in 0..20 {
            let whole = street(1, index, 32, false);
            whole.labels.data.iter().for_each(|label| seen[*label as usize] = true);
            let without = street(1, index, 32, true);
            let gone = whole.instances.data.iter().zip(&without.instances.data);
            let gone: Vec<(u32, u32)> =
                gone.filter(|(a, b)| a != b).map(|(a, b)| (*a, *b)).collect();
            // One instance and nothing else.
            assert!(gone.len() > 10 && gone.iter().all(|(id, _)| *id == gone[0].0), "{index}");
            let label = whole.instances.data.iter().position(|id| *id == gone[0].0).unwrap();
            assert_eq!(whole.labels.data[label], CAR);
        }
        assert_eq!(seen, [true; CLASSES.len()]);
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_at_every_size() {
        let (a, b) = (street(3, 5, 32, false), street(3, 5, 32, false));
        assert_eq!(a.image.data, b.image.data);
        assert_ne!(a.image.data, street(3, 6, 32, false).image.data);
        let large = street(3, 5, 64, false);
        assert_eq!((large.image.width, large.image.height), (128, 64));
        // The same things, and most pixels where they were.
        let small = large.labels.resize(64, 32).unwrap();
        let same = small.data.iter().zip(&a.labels.data).filter(|(a, b)| a == b).count();
        assert!(same * 10 > small.data.len() * 9, "{same}");
    }
}
