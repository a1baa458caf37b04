//! Horses to zebras and back, without pairs.

use crate::commands::demo::draw_animals::{Animal, animal, inner, stripes};
use crate::commands::demo::task::Words;
use crate::commands::demo::training::{FIRST_HELD_OUT, SIDE};
use crate::commands::demo::unpaired::{Sets, Shot, Unpaired};
use pixtape::io::Picture;

const NAMES: [&str; 2] = ["horse", "zebra"];

pub(super) struct Zebra;

impl Unpaired for Zebra {
    fn words(&self) -> Words {
        Words {
            title: "pixtape: horses and zebras without pairs",
            about: "Horses on some grounds, zebras on others; no image of one set belongs to one \
                    of the other. Stripes are all that tells the sets apart: the network has to \
                    find that out, put them onto the animal and nowhere else, and take them off \
                    again.",
            lead: "horses to zebras and back, without pairs",
            commands: &[
                (
                    "Images of both kinds in horses/trainA and horses/trainB",
                    "pixtape prepare check --model cycle_gan --input horses",
                ),
                ("Train", "pixtape train --model cycle_gan --dataroot horses --name horses"),
                (
                    "Translate; --direction BtoA goes the other way",
                    "pixtape translate --checkpoint checkpoints/horses --input photos --output \
                     results",
                ),
            ],
        }
    }

    fn steps(&self) -> [u64; 2] {
        [700, 4000]
    }

    fn names(&self) -> [&'static str; 2] {
        NAMES
    }

    fn draw(&self, seed: u64, index: u64, set: usize) -> Picture {
        animal(seed, index, set == 1, SIDE).picture
    }

    fn table(&self, seed: u64, held_out: &Sets, last: &Shot) -> Vec<(String, String)> {
        // Drawn again, for where in the images the animals are.
        let animals = [0, 1].map(|kind: usize| {
            let indices = FIRST_HELD_OUT..FIRST_HELD_OUT + held_out[kind].len() as u64;
            indices.map(|i| animal(seed, i, kind == 1, SIDE)).collect::<Vec<_>>()
        });
        let measured =
            [0, 1].map(|kind| measure(&animals[kind], &last.made[kind], &animals[1 - kind]));
        table(&measured)
    }
}

/// Stripes of one kind's images before and after translation, and the error of the cycle.
struct Measured {
    inside: [f64; 2],
    outside: [f64; 2],
    /// Stripes inside real animals of the other kind.
    other: f64,
    /// Mean change of the ground by translation, and of the whole image by a cycle, in 8-bit
    /// levels.
    ground: f64,
    cycle: f64,
}

/// Measures translations of one kind's animals; `others` are real ones of the other kind.
fn measure(animals: &[Animal], made: &[[Picture; 2]], others: &[Animal]) -> Measured {
    let width = SIDE as usize;
    let outside = |a: &Animal| inner(&a.mask.iter().map(|m| !m).collect::<Vec<_>>(), width);
    let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / animals.len() as f64;
    let all = || animals.iter().zip(made);
    let distance = |a: &Picture, b: &Picture, mask: Option<&[bool]>| {
        let c = a.channels as usize;
        let inside = (0..a.data.len())
            .filter(|i| mask.is_none_or(|m| m[i / c]))
            .map(|i| f64::from(a.data[i].abs_diff(b.data[i])));
        let (sum, count) = inside.fold((0.0, 0.0f64), |(sum, n), v| (sum + v, n + 1.0));
        sum / count.max(1.0)
    };
    Measured {
        inside: [
            mean(&mut all().map(|(a, _)| stripes(&a.picture, &inner(&a.mask, width)))),
            mean(&mut all().map(|(a, [there, _])| stripes(there, &inner(&a.mask, width)))),
        ],
        outside: [
            mean(&mut all().map(|(a, _)| stripes(&a.picture, &outside(a)))),
            mean(&mut all().map(|(a, [there, _])| stripes(there, &outside(a)))),
        ],
        other: others.iter().map(|a| stripes(&a.picture, &inner(&a.mask, width))).sum::<f64>()
            / others.len() as f64,
        ground: mean(
            &mut all().map(|(a, [there, _])| distance(&a.picture, there, Some(&outside(a)))),
        ),
        cycle: mean(&mut all().map(|(a, [_, back])| distance(&a.picture, back, None))),
    }
}

fn table(measured: &[Measured; 2]) -> Vec<(String, String)> {
    let rows = [0, 1].into_iter().flat_map(|kind| {
        let (m, from, to) = (&measured[kind], NAMES[kind], NAMES[1 - kind]);
        [
            (
                format!("{from} to {to}, stripes on the animal (8-bit levels)"),
                format!(
                    "{:.1} before, {:.1} after (real {to}s: {:.1})",
                    m.inside[0], m.inside[1], m.other
                ),
            ),
            (
                format!("{from} to {to}, stripes beside it (8-bit levels)"),
                format!(
                    "{:.1} before, {:.1} after; the ground moved by {:.1}",
                    m.outside[0], m.outside[1], m.ground
                ),
            ),
            (
                format!("{from} to {to} and back"),
                format!("differs by {:.1} levels from the input", m.cycle),
            ),
        ]
    });
    rows.collect()
}
