//! The demo's data: house fronts drawn by a seeded program, each as a flat label map and as a
//! "photo".
//!
//! A demo must run offline and finish in minutes, so it cannot download a data set and cannot need
//! one that takes hours to learn. These images keep what makes facades a good task (the label
//! says what is where, the photo adds material, depth and light) and drop what makes it slow:
//! material, light and texture are a fixed function of the labels and of the place in the image.
//!
//! Everything is laid out on a grid of 64 x 64 units, so that edges fall on pixel borders at 64,
//! 128 and 256 alike. Only `+ - * / sqrt floor` are used: the same seed gives the same bytes on
//! every machine.

/// Units per side of the drawing grid.
const GRID: i32 = 64;
/// Height of one course of stone and width of one stone, in units. Powers of two line up with the
/// strides of a U-Net.
const COURSE: f32 = 4.0;
const STONE: f32 = 8.0;

pub(crate) type Rgb = [f32; 3];

/// What a pixel of the label map can be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Sky,
    Roof,
    Wall,
    Window,
    Door,
    Cornice,
    Sill,
    Balcony,
    Shutter,
    Ornament,
    Molding,
    Pillar,
    Shop,
    Street,
}

/// The colours of the label maps, in the manner of the CMP facade database: far apart and without
/// meaning of their own.
pub const PALETTE: [[u8; 3]; 14] = [
    [0, 0, 170],    // sky
    [120, 0, 120],  // roof
    [0, 0, 255],    // wall
    [0, 85, 255],   // window
    [0, 170, 255],  // door
    [0, 255, 255],  // cornice
    [85, 255, 170], // sill
    [170, 255, 85], // balcony
    [255, 255, 0],  // shutter
    [255, 170, 0],  // ornament
    [255, 85, 0],   // molding
    [255, 0, 0],    // pillar
    [170, 0, 0],    // shop
    [90, 90, 90],   // street
];

#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Rect,
    /// A rectangle whose top is half an ellipse as high as half the width.
    Arch,
    /// A triangle standing on the lower side.
    Gable,
    /// A roof: the sides lean in by half the height.
    Hip,
}

/// One thing on the front; later parts cover earlier ones.
struct Part {
    kind: Kind,
    shape: Shape,
    x0: f32,
    y0: f32,
    x1: f32,
    y1: f32,
    /// How far it stands out of the wall, in units: the length of its shadow.
    depth: f32,
}

impl Part {
    fn covers(&self, x: f32, y: f32) -> bool {
        if x < self.x0 || x >= self.x1 || y < self.y0 || y >= self.y1 {
            return false;
        }
        let (half, middle) = ((self.x1 - self.x0) / 2.0, (self.x0 + self.x1) / 2.0);
        let across = (x - middle).abs() / half;
        let down = (y - self.y0) / (self.y1 - self.y0);
        match self.shape {
            Shape::Rect => true,
            Shape::Arch => {
                let up = (self.y0 + half - y).max(0.0) / half;
                across * across + up * up <= 1.0
            }
            Shape::Gable => across <= down,
            Shape::Hip => (x - middle).abs() <= half - (self.y1 - y) / 2.0,
        }
    }

    /// The light that is left at a point below and to the right of this part, 1 outside its shadow.
    /// The sun stands top left.
    fn shadow(&self, x: f32, y: f32) -> f32 {
        let (below, beside) = (y - self.y1, x - self.x1);
        let (reach, side) = (self.depth, self.depth / 2.0);
        if self.depth == 0.0
            || below >= reach
            || beside >= side
            || x < self.x0 + side
            || y < self.y0 + side
        {
            return 1.0;
        }
        let away = (below / reach).max(beside / side).max(0.0);
        0.6 + 0.25 * away
    }
}

/// The random numbers of one image (SplitMix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub fn new(seed: u64, index: u64) -> Self {
        let mut dice = Dice(seed);
        let start = dice.next();
        Dice(start ^ index.wrapping_mul(0xd134_2543_de82_ef95))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A whole number in `low..=high`.
    pub fn pick(&mut self, low: i32, high: i32) -> i32 {
        low + (self.next() % (high - low + 1) as u64) as i32
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }
}

/// Draws pair `index` of the data set `seed`: RGB bytes of the label map and of the facade that it
/// stands for, both `size` x `size`.
///
/// The same arguments give the same bytes everywhere.
pub fn facade_bytes(seed: u64, index: u64, size: u32) -> (Vec<u8>, Vec<u8>) {
    let parts = lay_out(&mut Dice::new(seed, index));
    let unit = GRID as f32 / size.max(1) as f32;
    let bytes = size as usize * size as usize * 3;
    let (mut label, mut photo) = (Vec::with_capacity(bytes), Vec::with_capacity(bytes));
    for py in 0..size {
        for px in 0..size {
            let at = |offset_x: f32, offset_y: f32| {
                ((px as f32 + offset_x) * unit, (py as f32 + offset_y) * unit)
            };
            let (x, y) = at(0.5, 0.5);
            label.extend(PALETTE[top(&parts, x, y).kind as usize]);
            // Frames and railings are thinner than a pixel of the small sizes: 3 x 3 samples keep
            // them from breaking up.
            let mut sum = [0.0; 3];
            for sample in 0..9 {
                let (x, y) = at(
                    (sample % 3) as f32 / 3.0 + 1.0 / 6.0,
                    (sample / 3) as f32 / 3.0 + 1.0 / 6.0,
                );
                let colour = light(&parts, x, y);
                (0..3).for_each(|channel| sum[channel] += colour[channel]);
            }
            photo.extend(sum.map(|total| (total / 9.0 + 0.5).clamp(0.0, 255.0) as u8));
        }
    }
    (label, photo)
}

/// Decides what stands where.
fn lay_out(dice: &mut Dice) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut put = |kind, shape, x0: i32, y0: i32, x1: i32, y1: i32, depth: f32| {
        let [x0, y0, x1, y1] = [x0, y0, x1, y1].map(|v| v as f32);
        parts.push(Part { kind, shape, x0, y0, x1, y1, depth });
    };
    use Kind::*;
    use Shape::*;

    let bays = dice.pick(3, 4);
    let bay = if bays == 3 { dice.pick(17, 20) } else { dice.pick(13, 15) };
    let (left, right) = ((GRID - bays * bay) / 2, (GRID + bays * bay) / 2);
    let floors = dice.pick(2, 3);
    let floor = if floors == 2 { dice.pick(15, 17) } else { dice.pick(12, 13) };
    let street = 61;
    let ground = dice.pick(14, 15);
    let eaves = street - ground - floors * floor;
    let ground_top = street - ground;

    put(Sky, Rect, 0, 0, GRID, GRID, 0.0);
    put(Street, Rect, 0, street, GRID, GRID, 0.0);
    let roof = (eaves - 2).min(dice.pick(5, 9));
    if roof > 3 {
        put(Roof, Hip, left, eaves - 2 - roof, right, eaves - 2, 0.0);
        if roof > 6 {
            // Dormers look out between the bays.
            for i in 0..bays - 1 {
                let middle = left + bay + i * bay;
                put(Cornice, Gable, middle - 4, eaves - 9, middle + 4, eaves - 6, 1.0);
                put(Window, Rect, middle - 3, eaves - 6, middle + 3, eaves - 2, 0.0);
            }
        }
    }
    put(Wall, Rect, left, eaves, right, street, 0.0);
    let shutters = dice.chance(45);
    // Four bays with shutters leave no wall for pilasters.
    if dice.chance(50) && !(shutters && bays == 4) {
        let broad = if bays == 3 { 3 } else { 2 };
        for x in [left, right - broad] {
            put(Pillar, Rect, x, eaves, x + broad, street, 0.5);
        }
        if bays == 4 {
            put(Pillar, Rect, GRID / 2 - 1, eaves, GRID / 2 + 1, ground_top, 0.5);
        }
    }

    let width = if bays == 3 { 8 } else { 6 };
    let tall = dice.chance(50);
    let height = (if tall { floor - 5 } else { floor - 6 }).min(10);
    let arched = dice.chance(35);
    let crowned = dice.chance(50);
    let balcony_floor = dice.pick(-1, floors - 1);
    let balcony_wide = dice.chance(40);
    for row in 0..floors {
        let base = eaves + (row + 1) * floor - 2;
        let belle = row == floors - 1;
        for i in 0..bays {
            let x = left + i * bay + (bay - width) / 2;
            let shape = if arched && belle { Arch } else { Rect };
            put(Window, shape, x, base - height, x + width, base, 0.0);
            if shutters && shape == Rect {
                put(Shutter, Rect, x - 3, base - height, x, base, 0.5);
                put(Shutter, Rect, x + width, base - height, x + width + 3, base, 0.5);
            }
            if crowned && belle && shape == Rect {
                let over = base - height;
                put(Ornament, Gable, x - 1, over - 3, x + width + 1, over, 1.0);
            }
            if row == balcony_floor && !balcony_wide {
                put(Balcony, Rect, x - 2, base - 3, x + width + 2, base + 1, 2.5);
            } else {
                put(Sill, Rect, x - 1, base, x + width + 1, base + 1, 1.5);
            }
        }
        if row == balcony_floor && balcony_wide {
            put(Balcony, Rect, left + 2, base - 3, right - 2, base + 1, 2.5);
        }
    }
    put(Molding, Rect, left, ground_top - 1, right, ground_top + 1, 1.5);
    put(Cornice, Rect, left - 1, eaves - 2, right + 1, eaves + 1, 2.5);

    // The ground floor: one door, and shop fronts or windows beside it.
    let shops = dice.chance(55);
    let door = dice.pick(0, bays - 1);
    for i in 0..bays {
        let x = left + i * bay;
        if i == door {
            let middle = x + bay / 2;
            let shape = if dice.chance(50) { Arch } else { Rect };
            put(Door, shape, middle - 4, ground_top + 3, middle + 4, street, 0.0);
        } else if shops {
            put(Shop, Rect, x + 1, ground_top + 3, x + bay - 1, street, 1.0);
        } else {
            let x = x + (bay - width) / 2;
            put(Window, Rect, x, ground_top + 4, x + width, street - 4, 0.0);
            put(Sill, Rect, x - 1, street - 4, x + width + 1, street - 3, 1.5);
        }
    }
    parts
}

/// The part that is seen at a point; the sky, drawn first, covers everything.
fn top(parts: &[Part], x: f32, y: f32) -> &Part {
    parts.iter().rev().find(|part| part.covers(x, y)).unwrap_or(&parts[0])
}

/// The photo's colour at a point: material, then shadow.
fn light(parts: &[Part], x: f32, y: f32) -> Rgb {
    let part = top(parts, x, y);
    let colour = material(part, x, y);
    if matches!(part.kind, Kind::Sky | Kind::Roof | Kind::Street) || part.depth >= 2.0 {
        return colour;
    }
    let left = parts
        .iter()
        .filter(|caster| caster.depth > part.depth)
        .map(|caster| caster.shadow(x, y))
        .fold(1.0, f32::min);
    // Shade is lit by the sky: a little bluer than sunlight.
    [colour[0] * left, colour[1] * left, colour[2] * (left + (1.0 - left) * 0.2)]
}

pub(crate) fn mix(a: Rgb, b: Rgb, share: f32) -> Rgb {
    let share = share.clamp(0.0, 1.0);
    [0, 1, 2].map(|i| a[i] + (b[i] - a[i]) * share)
}

pub(crate) fn scale(a: Rgb, by: f32) -> Rgb {
    a.map(|v| v * by)
}

/// A fixed value in -1..1 for a cell of a texture: the same in every image, so that a net can
/// learn it.
pub(crate) fn grain(x: f32, y: f32) -> f32 {
    let cell = (x.floor() as i64 as u64).wrapping_mul(0x9e37_79b9)
        ^ (y.floor() as i64 as u64).wrapping_mul(0x85eb_ca6b);
    (Dice(cell).next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

/// Distance into a repeating cell.
pub(crate) fn within(v: f32, period: f32) -> f32 {
    v - (v / period).floor() * period
}

fn material(part: &Part, x: f32, y: f32) -> Rgb {
    let (from_left, from_right, from_top, from_bottom) =
        (x - part.x0, part.x1 - x, y - part.y0, part.y1 - y);
    let (width, height) = (part.x1 - part.x0, part.y1 - part.y0);
    let down = from_top / height;
    let edge = from_left.min(from_right);
    match part.kind {
        Kind::Sky => mix([112.0, 164.0, 222.0], [222.0, 234.0, 242.0], y / 30.0),
        Kind::Street => {
            let curb = if from_top < 1.0 { [176.0, 172.0, 166.0] } else { [112.0, 112.0, 116.0] };
            scale(curb, 1.0 + 0.03 * grain(x / 4.0, y))
        }
        Kind::Roof => {
            let row = (y / 1.5).floor();
            let tile = within(y, 1.5) / 1.5;
            let tint = 0.05 * grain((x + row * 1.3) / 3.0, row);
            scale([116.0, 78.0, 72.0], 1.1 - 0.3 * tile + tint)
        }
        Kind::Wall => {
            let course = (y / COURSE).floor();
            let along = x + within(course, 2.0) * STONE / 2.0;
            let stone = scale(
                [216.0, 186.0, 138.0],
                1.0 + 0.05 * grain(along / STONE, course) + 0.015 * grain(x * 2.0, y * 2.0),
            );
            let joint = within(y, COURSE).min(within(along, STONE));
            if joint < 0.5 { [176.0, 148.0, 108.0] } else { stone }
        }
        Kind::Window => {
            glass(edge, from_top.min(from_bottom), from_left - width / 2.0, down, from_left / width)
        }
        Kind::Door => {
            if edge < 0.8 || (from_top < 0.8 && part.shape == Shape::Rect) {
                return [226.0, 206.0, 170.0];
            }
            if down < 0.28 {
                return mix([46.0, 60.0, 72.0], [120.0, 146.0, 164.0], from_left / width);
            }
            // Two leaves of two panels each, a bright handle between.
            let leaf = within(from_left, width / 2.0);
            let panel_x = leaf.min(width / 2.0 - leaf);
            let panel_y = within(from_bottom, height * 0.36);
            let wood = [98.0, 52.0, 34.0];
            if (from_left - width / 2.0).abs() < 0.2 {
                scale(wood, 0.5)
            } else if (from_left - width / 2.0 - 0.7).abs() < 0.35
                && (from_bottom - height * 0.36).abs() < 0.4
            {
                [226.0, 186.0, 92.0]
            } else if panel_x > 1.0 && panel_y > 1.0 && panel_y < height * 0.36 - 0.2 {
                scale(wood, 1.3)
            } else {
                wood
            }
        }
        Kind::Cornice => {
            let stone = mix([248.0, 238.0, 216.0], [196.0, 178.0, 148.0], down);
            let tooth = part.shape == Shape::Rect && down > 0.6 && within(x, 2.0) < 1.0;
            scale(stone, if tooth { 0.78 } else { 1.0 })
        }
        Kind::Sill => mix([250.0, 242.0, 224.0], [214.0, 198.0, 168.0], down),
        Kind::Balcony => {
            // The slab is light, the railing wrought iron before a darker opening.
            if from_bottom < 1.0 {
                return mix([236.0, 226.0, 206.0], [196.0, 182.0, 158.0], 1.0 - from_bottom);
            }
            let bar = within(x, 1.0) < 0.45 || from_top < 0.5;
            if bar || edge < 0.4 { [38.0, 42.0, 46.0] } else { [136.0, 130.0, 120.0] }
        }
        Kind::Shutter => {
            let board = [58.0, 112.0, 92.0];
            let slat = within(from_top, 1.0);
            scale(
                board,
                if edge < 0.4 || from_top.min(from_bottom) < 0.5 {
                    1.1
                } else {
                    0.72 + 0.45 * slat
                },
            )
        }
        Kind::Ornament => {
            // The field of the gable lies deeper than its rim.
            let rim = height / width * 2.0 * edge - (height - from_top);
            let stone = [240.0, 226.0, 198.0];
            if from_bottom < 0.7 || rim < 0.6 { stone } else { scale(stone, 0.76) }
        }
        Kind::Molding => mix([240.0, 226.0, 200.0], [186.0, 164.0, 130.0], down),
        Kind::Pillar => {
            let round = (from_left / width - 0.35).abs();
            let drum = if within(y, 2.0 * COURSE) < 0.4 { 0.88 } else { 1.0 };
            scale([238.0, 222.0, 192.0], (1.04 - 0.45 * round) * drum)
        }
        Kind::Shop => {
            // A striped awning over a lit window, a wooden base below.
            if down < 0.36 {
                let stripe = within(x, 4.0) < 2.0;
                let cloth = if stripe { [190.0, 52.0, 48.0] } else { [244.0, 236.0, 222.0] };
                return scale(cloth, 1.05 - 0.5 * down);
            }
            if from_bottom < 2.0 || edge < 0.8 {
                return [70.0, 48.0, 40.0];
            }
            let glow = mix([252.0, 214.0, 138.0], [148.0, 104.0, 66.0], (down - 0.36) / 0.5);
            scale(glow, if down < 0.46 { 0.62 } else { 1.0 })
        }
    }
}

/// A window: white frame with a cross, dark glass with the sky in its upper part, curtains at the
/// sides.
fn glass(edge: f32, rim: f32, from_middle: f32, down: f32, across: f32) -> Rgb {
    let frame = [244.0, 240.0, 230.0];
    if edge < 0.6 || rim < 0.5 || from_middle.abs() < 0.35 || (down - 0.34).abs() < 0.035 {
        return frame;
    }
    let pane = mix([136.0, 170.0, 194.0], [42.0, 56.0, 70.0], down * 0.9 + across * 0.25);
    let curtain = edge < 0.6 + 1.3 * (1.0 - down * 0.6);
    if curtain { mix(pane, [226.0, 220.0, 210.0], 0.45) } else { pane }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_gives_same_bytes() {
        let (a, b) = (facade_bytes(7, 3, 64), facade_bytes(7, 3, 64));
        assert_eq!(a, b);
    }

    #[test]
    fn another_index_or_seed_gives_another_pair() {
        let (label, photo) = facade_bytes(7, 3, 64);
        for (seed, index) in [(7, 4), (8, 3), (3, 7)] {
            let other = facade_bytes(seed, index, 64);
            assert_ne!(label, other.0, "label of {seed}/{index}");
            assert_ne!(photo, other.1, "photo of {seed}/{index}");
        }
    }

    #[test]
    fn labels_hold_palette_colours_only_and_use_all_of_them() {
        let mut seen = [false; PALETTE.len()];
        for index in 0..40 {
            for pixel in facade_bytes(1, index, 64).0.chunks_exact(3) {
                let place = PALETTE.iter().position(|colour| colour == pixel);
                seen[place.unwrap_or_else(|| panic!("{pixel:?} is not in the palette"))] = true;
            }
        }
        assert_eq!(seen, [true; PALETTE.len()]);
    }

    #[test]
    fn every_size_draws_the_same_house() {
        let (small, large) = (facade_bytes(5, 0, 64).0, facade_bytes(5, 0, 192).0);
        assert_eq!(large.len(), 192 * 192 * 3);
        let differing = (0..64 * 64usize)
            .filter(|i| {
                let (x, y) = (i % 64, i / 64);
                let at = ((y * 3 + 1) * 192 + x * 3 + 1) * 3;
                small[i * 3..i * 3 + 3] != large[at..at + 3]
            })
            .count();
        assert_eq!(differing, 0);
    }
}
