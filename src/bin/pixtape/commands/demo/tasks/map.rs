//! Street maps to views from the air, and back.

use crate::commands::demo::draw_map::Town;
use crate::commands::demo::task::{Extra, Net, Pair, Task, Words};
use crate::commands::demo::training::{FIRST_HELD_OUT, SIDE};
use crate::commands::demo::unpaired::levels;
use pixtape::Result;
use pixtape::io::Picture;
use pixtape::run::Options;
use std::ops::Range;

/// The large image, and rows of it that are computed at a time.
const LARGE: (u32, u32) = (1024, 512);
const STRIP: u32 = 128;

pub(super) struct Map {
    pub to_aerial: bool,
}

impl Task for Map {
    fn words(&self) -> Words {
        let commands = &[
            (
                "A data set of this layout: A is the view from the air, B the map (A|B in \
                 maps/train, maps/val)",
                "pixtape prepare check --input maps",
            ),
            (
                "Train maps from the air",
                "pixtape train --dataroot maps --name aerial --direction BtoA",
            ),
            ("Train the other way", "pixtape train --dataroot maps --name map --direction AtoB"),
            (
                "A large map in strips of a memory limit",
                "pixtape translate --checkpoint checkpoints/aerial --input town.png --output \
                 results --memory_limit 2GiB",
            ),
        ];
        if self.to_aerial {
            Words {
                title: "pixtape: street maps to views from the air",
                about: "Maps of a drawn town and the same places from the air: roofs with a lit \
                        and a shaded side, shadows, lane marks, trees. The map does not say where \
                        a tree stands; the network has to plant some. Trained on windows of 64 \
                        pixels, it then takes a map of 1024 by 512, in strips.",
                lead: "street maps, seen from the air",
                commands,
            }
        } else {
            Words {
                title: "pixtape: views from the air to street maps",
                about: "A drawn town from the air, and its street map: what is a roof, a street, \
                        water, a park. Shadows and lane marks have to go. Trained on windows of 64 \
                        pixels, the network then takes a view of 1024 by 512, in strips.",
                lead: "street maps of views from the air",
                commands,
            }
        }
    }

    fn options(&self, options: &mut Options) {
        if self.to_aerial {
            // At the full weight a bright blot grew at the same place of every image.
            options.optim.lambda_gan = 0.3;
        }
    }

    fn pairs(&self, seed: u64, indices: Range<u64>) -> Result<Vec<Pair>> {
        let town = Town::new(seed);
        let pair = |index| {
            let at = Town::window(seed, index);
            let [from, to] =
                [!self.to_aerial, self.to_aerial].map(|air| town.draw(air, at, (SIDE, SIDE)));
            Pair::new(index, from, to)
        };
        Ok(indices.map(pair).collect())
    }

    fn measure(&self, pair: &Pair, made: &Picture) -> Result<Vec<(&'static str, f64)>> {
        let target = &pair.shown[1];
        let difference = levels(made, target);
        if self.to_aerial {
            return Ok(vec![(
                "Difference from the view from the air, in 8-bit levels",
                difference,
            )]);
        }
        let near = |(a, b): &(&[u8], &[u8])| a.iter().zip(*b).all(|(a, b)| a.abs_diff(*b) <= 16);
        let right = made.data.chunks_exact(3).zip(target.data.chunks_exact(3)).filter(near).count();
        Ok(vec![
            (
                "Share of the pixels that have the map's colour, within 16 levels",
                right as f64 / f64::from(SIDE * SIDE),
            ),
            ("Difference from the map, in 8-bit levels", difference),
        ])
    }

    fn more(&self, net: &Net<'_>, seed: u64) -> Result<Vec<Extra>> {
        let at = Town::window(seed, FIRST_HELD_OUT + 100);
        let input = Town::new(seed).draw(!self.to_aerial, at, LARGE);
        let whole = net.large(&input, LARGE.1)?;
        let strips = net.large(&input, STRIP)?;
        let caption = format!(
            "{} by {} pixels in strips of {STRIP} rows: no pixel differs by more than {} levels \
             from the image in one piece",
            LARGE.0,
            LARGE.1,
            most(&whole, &strips),
        );
        Ok(vec![("large.png".into(), vec![vec![input], vec![strips]], caption)])
    }
}

/// The largest difference of two images, in 8-bit levels.
fn most(a: &Picture, b: &Picture) -> u8 {
    a.data.iter().zip(&b.data).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}
