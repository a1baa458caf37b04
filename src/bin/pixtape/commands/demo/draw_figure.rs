//! A dressed figure, drawn from its joints and its clothes by a seeded program; the joints as a
//! stick figure, and as planes for a network: one for each joint, one for each kind of clothes.

use crate::commands::demo::draw::{Dice, Rgb, grain, mix, scale, within};
use pixtape::io::Picture;

/// Units across and down.
const UNITS: f32 = 64.0;
const SHIRTS: usize = 4;
const TROUSERS: usize = 3;

/// Joints, in this order.
const JOINTS: usize = 14;
const HEAD: usize = 0;
const NECK: usize = 1;
const PELVIS: usize = 2;
/// Shoulder, elbow, hand of the left arm, then of the right one; hip, knee, foot of both legs begin
/// at 8. The hips of both legs are the pelvis's sides.
const ARMS: [[usize; 3]; 2] = [[NECK, 3, 4], [NECK, 5, 6]];
const LEGS: [[usize; 3]; 2] = [[7, 8, 9], [10, 11, 12]];
const CHEST: usize = 13;

/// Planes of a figure: its joints, shirts and trousers.
pub(super) const PLANES: u32 = (JOINTS + SHIRTS + TROUSERS) as u32;

/// How a figure stands: directions of upper and lower arms and legs, left and right, in a stick
/// figure whose limbs have fixed lengths.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pose {
    at: f32,
    lean: f32,
    limbs: [[f32; 2]; 8],
}

/// What a figure wears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clothes {
    shirt: usize,
    trousers: usize,
}

impl Clothes {
    /// Of a number: all kinds of both.
    pub fn new(number: u64) -> Clothes {
        let (shirt, trousers) = (number as usize % SHIRTS, number as usize / SHIRTS % TROUSERS);
        Clothes { shirt, trousers }
    }
}

impl Pose {
    pub fn new(seed: u64, index: u64) -> Pose {
        let mut dice = Dice::new(seed ^ 0x504f_5345_0000, index);
        let mut between = |low: i32, high: i32| dice.pick(10 * low, 10 * high) as f32 / 10.0;
        let (at, lean) = (between(26, 38), between(-3, 3));
        let mut limbs = [[0.0; 2]; 8];
        for side in 0..2 {
            let out = if side == 0 { -1.0 } else { 1.0 };
            // Arms: from hanging to raised. Legs: down, and a little aside.
            limbs[side] = [out * between(2, 10), between(-9, 10)];
            limbs[2 + side] = [out * between(-3, 10), between(-10, 8)];
            limbs[4 + side] = [out * between(0, 5), 10.0];
            limbs[6 + side] = [out * between(-2, 3), 10.0];
        }
        Pose { at, lean, limbs }
    }

    /// A pose on the way to another one.
    pub fn towards(&self, to: &Pose, share: f32) -> Pose {
        let between = |a: f32, b: f32| a * (1.0 - share) + b * share;
        let mut limbs = self.limbs;
        for (limb, to) in limbs.iter_mut().zip(&to.limbs) {
            *limb = [between(limb[0], to[0]), between(limb[1], to[1])];
        }
        Pose { at: between(self.at, to.at), lean: between(self.lean, to.lean), limbs }
    }

    fn joints(&self) -> [[f32; 2]; JOINTS] {
        let mut joints = [[0.0; 2]; JOINTS];
        let go = |from: [f32; 2], limb: [f32; 2], far: f32| {
            let length = (limb[0] * limb[0] + limb[1] * limb[1]).sqrt().max(0.1);
            [from[0] + limb[0] / length * far, from[1] + limb[1] / length * far]
        };
        joints[PELVIS] = [self.at, 34.0];
        joints[NECK] = [self.at + self.lean, 18.0];
        joints[HEAD] = [self.at + 1.2 * self.lean, 11.5];
        joints[CHEST] = [self.at + 0.6 * self.lean, 25.0];
        for side in 0..2 {
            let out = if side == 0 { -1.0 } else { 1.0 };
            let shoulder = [joints[NECK][0] + 5.0 * out, joints[NECK][1] + 1.5];
            let [_, elbow, hand] = ARMS[side];
            joints[elbow] = go(shoulder, self.limbs[side], 8.0);
            joints[hand] = go(joints[elbow], self.limbs[2 + side], 7.5);
            let [hip, knee, foot] = LEGS[side];
            joints[hip] = [joints[PELVIS][0] + 3.0 * out, joints[PELVIS][1]];
            joints[knee] = go(joints[hip], self.limbs[4 + side], 12.0);
            joints[foot] = go(joints[knee], self.limbs[6 + side], 12.0);
        }
        joints
    }
}

/// Distance of a point from a limb, and how far along it the point is, 0 to 1.
fn along([x, y]: [f32; 2], [from, to]: [[f32; 2]; 2]) -> (f32, f32) {
    let way = [to[0] - from[0], to[1] - from[1]];
    let squared = (way[0] * way[0] + way[1] * way[1]).max(1e-6);
    let share = (((x - from[0]) * way[0] + (y - from[1]) * way[1]) / squared).clamp(0.0, 1.0);
    let (dx, dy) = (x - from[0] - share * way[0], y - from[1] - share * way[1]);
    ((dx * dx + dy * dy).sqrt(), share)
}

/// The bones of a stick figure, by its joints.
fn bones() -> impl Iterator<Item = [usize; 2]> {
    let trunk = [[HEAD, NECK], [NECK, PELVIS], [PELVIS, LEGS[0][0]], [PELVIS, LEGS[1][0]]];
    let limbs = ARMS.into_iter().chain(LEGS).flat_map(|[a, b, c]| [[a, b], [b, c]]);
    trunk.into_iter().chain(limbs)
}

fn shirt(kind: usize, x: f32, y: f32) -> Rgb {
    match kind {
        0 => [200.0, 44.0, 52.0],
        1 if within(y, 3.0) < 1.5 => [40.0, 62.0, 140.0],
        1 => [236.0, 236.0, 232.0],
        2 => scale([236.0, 190.0, 60.0], if within(x + y, 5.0) < 0.8 { 0.75 } else { 1.0 }),
        _ => [46.0, 128.0, 92.0],
    }
}

fn trousers(kind: usize, x: f32, y: f32) -> Rgb {
    match kind {
        0 => scale([58.0, 84.0, 132.0], 1.0 + 0.08 * grain(x, y)),
        1 => [48.0, 46.0, 52.0],
        _ => [196.0, 170.0, 124.0],
    }
}

/// A figure's colour at a point; nothing beside it.
fn body(joints: &[[f32; 2]; JOINTS], clothes: Clothes, x: f32, y: f32) -> Option<Rgb> {
    let point = [x, y];
    let between = |a: usize, b: usize| along(point, [joints[a], joints[b]]);
    let round = |colour: Rgb, away: f32, half: f32| scale(colour, 1.1 - 0.35 * away / half);
    let skin = [226.0, 176.0, 144.0];
    // Arms before the trunk, the trunk before legs.
    for (side, [_, elbow, hand]) in ARMS.into_iter().enumerate() {
        let out = if side == 0 { -1.0 } else { 1.0 };
        let shoulder = [joints[NECK][0] + 4.5 * out, joints[NECK][1] + 1.5];
        let (lower, along_lower) = between(elbow, hand);
        let long = clothes.shirt == 1 || clothes.shirt == 3;
        if lower < 1.7 {
            let colour = if long && along_lower < 0.8 { shirt(clothes.shirt, x, y) } else { skin };
            return Some(round(colour, lower, 1.7));
        }
        let (upper, _) = along(point, [shoulder, joints[elbow]]);
        if upper < 2.1 {
            return Some(round(shirt(clothes.shirt, x, y), upper, 2.1));
        }
    }
    let (dx, dy) = (x - joints[HEAD][0], y - joints[HEAD][1]);
    if dx * dx / 14.0 + dy * dy / 20.0 < 1.0 {
        let hair = dy < -1.8 || (dx.abs() > 2.9 && dy < 1.0);
        let eye = (dx.abs() - 1.4).abs() < 0.5 && (dy + 0.3).abs() < 0.5;
        let colour = if hair || eye { [72.0, 46.0, 34.0] } else { skin };
        return Some(scale(colour, 1.05 - 0.03 * dx));
    }
    let (neck, _) = between(HEAD, NECK);
    let (trunk, share) = between(NECK, PELVIS);
    let half = 5.6 - 1.4 * share;
    if trunk < half && y > joints[NECK][1] - 0.5 && share < 0.98 {
        return Some(round(shirt(clothes.shirt, x, y), trunk, half));
    }
    for [hip, knee, foot] in LEGS {
        let (upper, _) = between(hip, knee);
        let (lower, share) = between(knee, foot);
        // Kind 2 ends at the knee.
        let bare = clothes.trousers == 2;
        if upper < 2.9 {
            return Some(round(trousers(clothes.trousers, x, y), upper, 2.9));
        }
        if lower < 2.1 {
            let shoe = share > 0.9;
            let leg = if bare { skin } else { trousers(clothes.trousers, x, y) };
            return Some(round(if shoe { [70.0, 50.0, 44.0] } else { leg }, lower, 2.1));
        }
    }
    (neck < 1.5).then(|| scale(skin, 0.9))
}

/// The figure: RGB, `size` by `size`, in a studio.
pub(super) fn photo(pose: &Pose, clothes: Clothes, size: u32) -> Picture {
    let joints = pose.joints();
    drawn(size, |x, y| {
        let wall = mix([196.0, 204.0, 212.0], [226.0, 228.0, 230.0], y / 54.0);
        let floor = if y > 56.0 { [168.0, 152.0, 136.0] } else { wall };
        let feet = LEGS.map(|[_, _, foot]| joints[foot]);
        let shade = feet.iter().any(|f| {
            let (dx, dy) = (x - f[0] - 2.0, y - f[1] - 1.0);
            dx * dx / 30.0 + dy * dy / 2.0 < 1.0
        });
        body(&joints, clothes, x, y).unwrap_or(scale(floor, if shade { 0.8 } else { 1.0 }))
    })
}

/// The joints as a stick figure, and the clothes as two fields in the corner.
pub(super) fn stick(pose: &Pose, clothes: Clothes, size: u32) -> Picture {
    let joints = pose.joints();
    drawn(size, |x, y| {
        let bone = bones().position(|[a, b]| along([x, y], [joints[a], joints[b]]).0 < 0.9);
        match bone {
            Some(bone) => [
                255.0 - 60.0 * (bone % 4) as f32,
                90.0 + 50.0 * (bone % 3) as f32,
                60.0 + 16.0 * bone as f32,
            ],
            None if (2.0..10.0).contains(&x) && (2.0..10.0).contains(&y) => {
                shirt(clothes.shirt, x, y)
            }
            None if (2.0..10.0).contains(&x) && (11.0..19.0).contains(&y) => {
                trousers(clothes.trousers, x, y)
            }
            None => [16.0, 18.0, 24.0],
        }
    })
}

/// What a network reads, `[size, size, PLANES]`: around each joint a spot, along the trunk a line
/// in the plane of the shirt, along the legs lines in that of the trousers.
pub(super) fn planes(pose: &Pose, clothes: Clothes, size: u32) -> Vec<u8> {
    let (joints, unit) = (pose.joints(), UNITS / size as f32);
    let mut planes = vec![0; (size * size * PLANES) as usize];
    for (at, values) in planes.chunks_exact_mut(PLANES as usize).enumerate() {
        let at = at as u32;
        let point = [at % size, at / size].map(|v| (v as f32 + 0.5) * unit);
        let spot = |away: f32| {
            let falls = 1.0 / (1.0 + away * away / 6.0);
            (255.0 * falls * falls) as u8
        };
        for (value, joint) in values.iter_mut().zip(&joints) {
            let [dx, dy] = [point[0] - joint[0], point[1] - joint[1]];
            *value = spot((dx * dx + dy * dy).sqrt());
        }
        let trunk = along(point, [joints[NECK], joints[PELVIS]]).0;
        let bones = LEGS.into_iter().flat_map(|[a, b, c]| [[a, b], [b, c]]);
        let legs = bones.map(|[a, b]| along(point, [joints[a], joints[b]]).0).fold(99.0, f32::min);
        values[JOINTS + clothes.shirt] = spot(trunk);
        values[JOINTS + SHIRTS + clothes.trousers] = spot(legs);
    }
    planes
}

/// RGB, of four samples for each pixel.
fn drawn(size: u32, colour: impl Fn(f32, f32) -> Rgb) -> Picture {
    let unit = UNITS / size as f32;
    let pixel = |at: u32| {
        let mut sum = [0.0; 3];
        for sample in 0..4u32 {
            let place = |v: u32, s: u32| (v as f32 + 0.25 + 0.5 * s as f32) * unit;
            let colour = colour(place(at % size, sample % 2), place(at / size, sample / 2));
            (0..3).for_each(|c| sum[c] += colour[c]);
        }
        sum.map(|total| (total / 4.0 + 0.5).clamp(0.0, 255.0) as u8)
    };
    let data = (0..size * size).flat_map(pixel).collect();
    Picture { width: size, height: size, channels: 3, data }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_tell_joints_and_clothes_apart() {
        let pose = Pose::new(1, 0);
        for number in 0..12 {
            let clothes = Clothes::new(number);
            let planes = planes(&pose, clothes, 64);
            let worn: Vec<usize> = (JOINTS..PLANES as usize)
                .filter(|plane| planes.iter().skip(*plane).step_by(PLANES as usize).any(|v| *v > 0))
                .collect();
            assert_eq!(worn, [JOINTS + clothes.shirt, JOINTS + SHIRTS + clothes.trousers]);
            for (joint, [x, y]) in pose.joints().into_iter().enumerate() {
                let at =
                    ((y as usize).min(63) * 64 + (x.max(0.0) as usize).min(63)) * PLANES as usize;
                assert!(planes[at + joint] > 200, "joint {joint} at {x}, {y}");
            }
        }
    }

    #[test]
    fn every_clothing_looks_different_and_poses_pass_into_each_other() {
        let (pose, other) = (Pose::new(1, 0), Pose::new(1, 1));
        let all: std::collections::HashSet<_> =
            (0..12).map(|n| photo(&pose, Clothes::new(n), 64).data).collect();
        assert_eq!(all.len(), 12);
        assert_eq!((pose.towards(&other, 0.0), pose.towards(&other, 1.0)), (pose, other));
    }
}
