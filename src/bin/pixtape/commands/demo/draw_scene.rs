//! Photographs of a small place in the country, drawn by a seeded program: sky, hills, a meadow,
//! a brick house, trees, a path and a lamp, by day and by night.
//!
//! Most things have the colour that such things have. Doors do not: theirs is drawn for each
//! scene. The same arguments give the same bytes on every machine.

use crate::commands::demo::draw::{Dice, Rgb, grain, mix, scale, within};
use pixtape::io::Picture;

/// Units across and down a scene.
const UNITS: f32 = 64.0;
/// Distance between strokes of a painting.
const STROKE: f32 = 3.0;
const DOORS: [Rgb; 4] =
    [[190.0, 40.0, 44.0], [36.0, 84.0, 168.0], [232.0, 190.0, 50.0], [30.0, 120.0, 84.0]];
const GREEN: Rgb = [62.0, 122.0, 50.0];
const AUTUMN: Rgb = [206.0, 118.0, 38.0];

/// When a photograph is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Light {
    Day,
    Night,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Sky,
    Cloud,
    Hill,
    Meadow,
    Path,
    Wall,
    Roof,
    Chimney,
    Window,
    Door,
    Trunk,
    Crown,
    Post,
    Lamp,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Shape {
    Rect,
    Ellipse,
    /// A triangle standing on the lower side.
    Gable,
}

/// A thing; later ones cover earlier ones.
#[derive(Clone, Debug)]
struct Thing {
    kind: Kind,
    shape: Shape,
    /// Left, top, right, bottom.
    place: [f32; 4],
    tint: Rgb,
}

impl Thing {
    fn covers(&self, x: f32, y: f32) -> bool {
        let [x0, y0, x1, y1] = self.place;
        if x < x0 || x >= x1 || y < y0 || y >= y1 {
            return false;
        }
        let (across, down) = (2.0 * (x - x0) / (x1 - x0) - 1.0, (y - y0) / (y1 - y0));
        match self.shape {
            Shape::Rect => true,
            Shape::Ellipse => across * across + (2.0 * down - 1.0) * (2.0 * down - 1.0) < 1.0,
            Shape::Gable => across.abs() <= down,
        }
    }
}

/// What stands where.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    things: Vec<Thing>,
    lamp: [f32; 2],
}

impl Scene {
    /// Scene `index` of the set `seed`.
    pub fn new(seed: u64, index: u64) -> Scene {
        let mut dice = Dice::new(seed ^ 0x5343_454e_4500, index);
        let mut things = Vec::new();
        let mut put = |kind, shape, place: [i32; 4], tint| {
            things.push(Thing { kind, shape, place: place.map(|v| v as f32), tint });
        };
        let no = [0.0; 3];
        let horizon = dice.pick(26, 32);
        put(Kind::Sky, Shape::Rect, [0, 0, 64, 64], no);
        for _ in 0..dice.pick(1, 3) {
            let (x, y, w) = (dice.pick(-4, 52), dice.pick(2, 12), dice.pick(10, 20));
            put(Kind::Cloud, Shape::Ellipse, [x, y, x + w, y + w / 3 + 1], no);
        }
        for tint in [[112.0, 140.0, 150.0], [92.0, 132.0, 96.0]] {
            let (x, w, h) = (dice.pick(-30, 40), dice.pick(50, 80), dice.pick(10, 20));
            let place = [x, horizon - h / 2, x + w, horizon + 2 * h];
            put(Kind::Hill, Shape::Ellipse, place, tint);
        }
        put(Kind::Meadow, Shape::Rect, [0, horizon, 64, 64], no);
        let (width, ground) = (dice.pick(22, 28), dice.pick(46, 50));
        let left = dice.pick(4, 60 - width);
        let tree = |dice: &mut Dice,
                    put: &mut dyn FnMut(Kind, Shape, [i32; 4], Rgb),
                    x: i32,
                    foot: i32| {
            let (r, up) = (dice.pick(5, 8), dice.pick(4, 7));
            let crown = if dice.pick(0, 2) == 0 { AUTUMN } else { GREEN };
            put(Kind::Trunk, Shape::Rect, [x - 1, foot - up - 2, x + 1, foot], no);
            let top = foot - up - 2 * r;
            put(Kind::Crown, Shape::Ellipse, [x - r, top, x + r, foot - up + 1], crown);
        };
        // Behind the house, where there is room.
        for _ in 0..dice.pick(1, 2) {
            let x = dice.pick(4, 60);
            tree(&mut dice, &mut put, x, ground - 6);
        }
        let (storey, floors) = (11, dice.pick(1, 2));
        let eaves = ground - floors * storey;
        let roof = dice.pick(8, 11);
        let chimney = left + dice.pick(3, 6);
        put(Kind::Chimney, Shape::Rect, [chimney, eaves - roof, chimney + 3, eaves], no);
        let place = [left - 2, eaves - roof, left + width + 2, eaves];
        put(Kind::Roof, Shape::Gable, place, no);
        put(Kind::Wall, Shape::Rect, [left, eaves, left + width, ground], no);
        let bays = if width >= 25 { 3 } else { 2 };
        let (bay, door) = (width / bays, dice.pick(0, bays - 1));
        let tint = DOORS[dice.pick(0, 3) as usize];
        for floor in 0..floors {
            let top = eaves + floor * storey;
            for i in 0..bays {
                let x = left + i * bay + (width - bays * bay) / 2 + bay / 2;
                if i == door && floor == floors - 1 {
                    put(Kind::Door, Shape::Rect, [x - 2, ground - 8, x + 2, ground], tint);
                    put(Kind::Path, Shape::Gable, [x - 9, ground, x + 9, 64 + 10], no);
                } else {
                    put(Kind::Window, Shape::Rect, [x - 2, top + 3, x + 3, top + 8], no);
                }
            }
        }
        // On the side where there is more room.
        let beside = if left > 64 - left - width { left - 6 } else { left + width + 6 };
        let foot = ground + dice.pick(2, 5);
        put(Kind::Post, Shape::Rect, [beside, foot - 14, beside + 1, foot], no);
        put(Kind::Lamp, Shape::Rect, [beside - 1, foot - 17, beside + 2, foot - 14], no);
        let lamp = [beside as f32 + 0.5, (foot - 15) as f32];
        if dice.pick(0, 1) == 0 {
            let x = if left > 64 - left - width { dice.pick(4, 10) } else { dice.pick(54, 60) };
            tree(&mut dice, &mut put, x, ground + 9);
        }
        Scene { things, lamp }
    }

    /// RGB, `size` by `size`.
    pub fn draw(&self, light: Light, size: u32) -> Picture {
        drawn(size, |x, y| match light {
            Light::Day => self.day(x, y),
            Light::Night => self.night(x, y),
        })
    }

    /// The place by day as a painter paints it: strokes of a broad brush, each of one colour.
    pub fn paint(&self, size: u32) -> Picture {
        drawn(size, |x, y| self.stroke(x, y))
    }

    /// The colour of the stroke on top at a point.
    fn stroke(&self, x: f32, y: f32) -> Rgb {
        let (column, row) = ((x / STROKE).floor(), (y / STROKE).floor());
        let near =
            (-1..=1).flat_map(|j| (-1..=1).map(move |i| (column + i as f32, row + j as f32)));
        let mut top: Option<(f32, Rgb)> = None;
        for (i, j) in near {
            let noise = |salt: f32| grain(i + salt, j - 3.0 * salt);
            let [cx, cy] = [(i, noise(71.0)), (j, noise(137.0))]
                .map(|(cell, moved)| (cell + 0.5 + 0.35 * moved) * STROKE);
            // Strokes lie aslant, each a little otherwise.
            let (lean, long) = (0.5 + 0.6 * noise(211.0), 1.0 / (1.0 + 0.36f32).sqrt());
            let (dx, dy) = (x - cx, y - cy);
            let (along, across) = ((dx + lean * dy) * long, (dy - lean * dx) * long);
            let covers = along * along / 10.5 + across * across / 2.6 < 1.0;
            let order = noise(307.0);
            if covers && top.is_none_or(|(below, _)| order > below) {
                let seen = self.day(cx.clamp(0.0, UNITS - 0.5), cy.clamp(0.0, UNITS - 0.5));
                top = Some((order, scale(manner(seen), 1.0 + 0.09 * noise(401.0))));
            }
        }
        top.map_or_else(|| manner(self.day(x, y)), |(_, colour)| colour)
    }

    /// For each pixel, whether what is there has a colour of its own: all but clouds, doors and
    /// trees, which may be green or brown.
    pub fn own_colours(&self, size: u32) -> Vec<bool> {
        let unit = UNITS / size as f32;
        let own = |kind| {
            !matches!(kind, Kind::Cloud | Kind::Door | Kind::Crown | Kind::Post | Kind::Lamp)
        };
        let at = |v: u32| (v as f32 + 0.5) * unit;
        pixels(size).map(|(row, column)| own(self.seen(at(column), at(row)).kind)).collect()
    }

    /// What is seen at a point; the sky, drawn first, is everywhere.
    fn seen(&self, x: f32, y: f32) -> &Thing {
        self.things.iter().rev().find(|t| t.covers(x, y)).unwrap_or(&self.things[0])
    }

    fn day(&self, x: f32, y: f32) -> Rgb {
        material(self.seen(x, y), x, y)
    }

    /// The same place without the sun: blue and dark, with a moon, stars, lit windows and a lamp.
    fn night(&self, x: f32, y: f32) -> Rgb {
        let thing = self.seen(x, y);
        let day = material(thing, x, y);
        let dark = |by: f32| [day[0] * 0.18 * by, day[1] * 0.22 * by, (day[2] * 0.32 + 14.0) * by];
        let away = |cx: f32, cy: f32| ((x - cx) * (x - cx) + (y - cy) * (y - cy)).sqrt();
        match thing.kind {
            Kind::Sky => {
                let sky = mix([8.0, 12.0, 38.0], [40.0, 50.0, 92.0], y / 34.0);
                let moon = away(54.0, 9.0);
                if moon < 4.0 {
                    return [236.0, 234.0, 212.0];
                }
                let star = grain(x, y) > 0.985;
                let glow = mix(sky, [120.0, 124.0, 140.0], 0.5 - moon / 16.0);
                if star { [200.0, 204.0, 220.0] } else { glow }
            }
            Kind::Window if frame(thing, x, y) => dark(1.2),
            Kind::Window => [252.0, 204.0, 104.0],
            Kind::Lamp => [255.0, 236.0, 170.0],
            _ => {
                let near = (1.0 - away(self.lamp[0], self.lamp[1]) / 18.0).max(0.0);
                let lit = scale(day, 0.9 * near * near);
                let cold = dark(1.0);
                [0, 1, 2].map(|c| cold[c] + lit[c] * [1.0, 0.85, 0.5][c])
            }
        }
    }
}

/// RGB, of nine samples for each pixel.
fn drawn(size: u32, colour: impl Fn(f32, f32) -> Rgb) -> Picture {
    let unit = UNITS / size as f32;
    let mut data = Vec::with_capacity((size * size * 3) as usize);
    for (row, column) in pixels(size) {
        let mut sum = [0.0; 3];
        for sample in 0..9u32 {
            let at = |v: u32, s: u32| (v as f32 + s as f32 / 3.0 + 1.0 / 6.0) * unit;
            let colour = colour(at(column, sample % 3), at(row, sample / 3));
            (0..3).for_each(|c| sum[c] += colour[c]);
        }
        data.extend(sum.map(|total| (total / 9.0 + 0.5).clamp(0.0, 255.0) as u8));
    }
    Picture { width: size, height: size, channels: 3, data }
}

/// A painter's colours: light is warm, dark is violet, and all are stronger.
fn manner(colour: Rgb) -> Rgb {
    let light = (colour[0] + colour[1] + colour[2]) / 3.0;
    let strong = colour.map(|v| light + 1.25 * (v - light));
    let toned = mix([86.0, 58.0, 120.0], [255.0, 236.0, 176.0], light / 235.0);
    mix(strong, toned, 0.38)
}

/// Row and column of every pixel.
fn pixels(size: u32) -> impl Iterator<Item = (u32, u32)> {
    (0..size).flat_map(move |row| (0..size).map(move |column| (row, column)))
}

/// Whether a point of a window is its frame or its cross.
fn frame(window: &Thing, x: f32, y: f32) -> bool {
    let [x0, y0, x1, y1] = window.place;
    let edge = (x - x0).min(x1 - x).min(y - y0).min(y1 - y);
    edge < 0.7 || (x - (x0 + x1) / 2.0).abs() < 0.4
}

/// Colours by daylight, from the left.
fn material(thing: &Thing, x: f32, y: f32) -> Rgb {
    let [x0, y0, x1, y1] = thing.place;
    let (across, down) = ((x - x0) / (x1 - x0), (y - y0) / (y1 - y0));
    match thing.kind {
        Kind::Sky => mix([92.0, 152.0, 224.0], [206.0, 226.0, 244.0], y / 32.0),
        Kind::Cloud => mix([252.0, 252.0, 252.0], [214.0, 220.0, 230.0], down),
        Kind::Hill => scale(thing.tint, 1.06 - 0.4 * down),
        Kind::Meadow => {
            let blade = 0.06 * grain(x, y * 0.5);
            scale(mix([126.0, 166.0, 78.0], [84.0, 138.0, 46.0], down), 1.0 + blade)
        }
        Kind::Path => scale([206.0, 184.0, 142.0], 1.0 + 0.04 * grain(x / 2.0, y)),
        Kind::Wall | Kind::Chimney => {
            let course = (y / 2.0).floor();
            let along = within(x + within(course, 2.0) * 2.0, 4.0);
            let brick = scale([178.0, 82.0, 62.0], 1.0 + 0.08 * grain((x + course) / 4.0, course));
            let joint = within(y, 2.0) < 0.5 || along < 0.5;
            scale(if joint { [206.0, 172.0, 150.0] } else { brick }, 1.08 - 0.2 * across)
        }
        Kind::Roof => {
            let tile = within(y, 2.0) / 2.0;
            scale([88.0, 96.0, 112.0], 1.15 - 0.3 * tile + 0.06 * grain(x / 2.0, y / 2.0))
        }
        Kind::Window if frame(thing, x, y) => [246.0, 244.0, 236.0],
        Kind::Window => mix([150.0, 186.0, 210.0], [54.0, 70.0, 86.0], down),
        Kind::Door => {
            let panel = (across - 0.5).abs() < 0.28 && within(y - y0, 4.0) > 0.8;
            scale(thing.tint, if panel { 0.8 } else { 1.05 })
        }
        Kind::Trunk => scale([106.0, 76.0, 52.0], 1.2 - 0.5 * across),
        Kind::Crown => {
            let leaf = 0.16 * grain(x / 1.5, y / 1.5);
            scale(thing.tint, 1.35 - 0.4 * down - 0.35 * across + leaf)
        }
        Kind::Post => [70.0, 72.0, 78.0],
        Kind::Lamp => [214.0, 214.0, 206.0],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scene_is_the_same_twice_and_others_are_others() {
        let draw = |seed, index, light| Scene::new(seed, index).draw(light, 64).data;
        let day = draw(3, 1, Light::Day);
        assert_eq!(day, draw(3, 1, Light::Day));
        for other in [draw(3, 2, Light::Day), draw(1, 3, Light::Day), draw(3, 1, Light::Night)] {
            assert_ne!(day, other);
        }
    }

    #[test]
    fn night_is_darker_but_for_its_lights() {
        for index in 0..8 {
            let scene = Scene::new(1, index);
            let [day, night] = [Light::Day, Light::Night].map(|light| scene.draw(light, 64));
            let mean = |p: &Picture| p.data.iter().map(|v| u64::from(*v)).sum::<u64>();
            assert!(3 * mean(&night) < 2 * mean(&day));
            assert!(night.data.chunks(3).any(|p| p[0] > 220 && p[2] < 180), "no light is on");
        }
    }

    #[test]
    fn most_of_a_scene_has_a_colour_of_its_own_and_doors_have_several() {
        let mut doors = std::collections::HashSet::new();
        for index in 0..20 {
            let scene = Scene::new(1, index);
            let own = scene.own_colours(64).iter().filter(|own| **own).count();
            assert!(own > 64 * 64 / 2 && own < 64 * 64 - 30, "{own}");
            let door = scene.things.iter().find(|t| t.kind == Kind::Door).unwrap();
            doors.insert(door.tint.map(|v| v as u8));
        }
        assert_eq!(doors.len(), DOORS.len());
    }
}
