//! Photographs to paintings and back, without pairs.

use crate::commands::demo::draw_scene::{Light, Scene};
use crate::commands::demo::task::Words;
use crate::commands::demo::training::SIDE;
use crate::commands::demo::unpaired::{Sets, Shot, Unpaired, measured};
use pixtape::io::Picture;

pub(super) struct Paintings;

impl Unpaired for Paintings {
    fn words(&self) -> Words {
        Words {
            title: "pixtape: photographs to paintings",
            about: "Photographs of places, and paintings of other places: strokes of a broad \
                    brush, warm light, violet shadows. Nobody says which painting belongs to which \
                    photograph. The network learns the manner, and a second one the way back: what \
                    comes back shows whether the place has been kept.",
            lead: "photographs in a painter's manner, and paintings as photographs",
            commands: &[
                (
                    "Photographs in art/trainA, paintings in art/trainB; any number of each, any \
                     sizes",
                    "pixtape prepare check --model cycle_gan --input art",
                ),
                ("Train", "pixtape train --model cycle_gan --dataroot art --name art"),
                (
                    "Paint",
                    "pixtape translate --checkpoint checkpoints/art --input photos --output \
                     paintings",
                ),
                (
                    "The other way",
                    "pixtape translate --checkpoint checkpoints/art --direction BtoA --input \
                     paintings --output photos",
                ),
            ],
        }
    }

    fn steps(&self) -> [u64; 2] {
        [700, 3000]
    }

    fn names(&self) -> [&'static str; 2] {
        ["photo", "painting"]
    }

    fn draw(&self, seed: u64, index: u64, set: usize) -> Picture {
        match set {
            0 => Scene::new(seed, index).draw(Light::Day, SIDE),
            // Other places.
            _ => Scene::new(seed ^ 0x5041_494e_5400, index).paint(SIDE),
        }
    }

    fn table(&self, _seed: u64, held_out: &Sets, last: &Shot) -> Vec<(String, String)> {
        measured(self.names(), held_out, last, manner)
    }
}

/// What tells a painting from a photograph.
fn manner(picture: &Picture) -> Vec<(&'static str, f64)> {
    let pixels: Vec<&[u8]> = picture.data.chunks_exact(3).collect();
    let mean = |values: &mut dyn Iterator<Item = f64>| {
        let (sum, count) = values.fold((0.0, 0.0f64), |(sum, n), v| (sum + v, n + 1.0));
        sum / count.max(1.0)
    };
    let warm = |p: &&[u8]| f64::from(p[0]) - f64::from(p[2]);
    // In the sky a photograph is smooth, and a painting is not.
    let sky = &pixels[..SIDE as usize * 8];
    let rough = |pair: &[&[u8]]| {
        (0..3).map(|c| f64::from(pair[0][c].abs_diff(pair[1][c]))).sum::<f64>() / 3.0
    };
    vec![
        (
            "strokes in the sky (difference of neighbouring pixels, levels)",
            mean(&mut sky.windows(2).map(rough)),
        ),
        ("warmth (red less blue, levels)", mean(&mut pixels.iter().map(warm))),
    ]
}
