//! Label maps to facades: the demo that `pixtape demo` shows without further words.

use crate::commands::demo::draw::facade_bytes;
use crate::commands::demo::task::{Pair, Task, Words};
use crate::commands::demo::training::{PAIRS, SIDE};
use crate::commands::demo::unpaired::levels;
use pixtape::Result;
use pixtape::io::Picture;
use std::ops::Range;

pub(super) struct Labels;

/// Draws pair `index` of the data set `seed`: the label map and the facade that it stands for, RGB,
/// `size` by `size`.
pub(crate) fn facade_pair(seed: u64, index: u64, size: u32) -> (Picture, Picture) {
    let picture = |data| Picture { width: size, height: size, channels: 3, data };
    let (label, photo) = facade_bytes(seed, index, size);
    (picture(label), picture(photo))
}

impl Task for Labels {
    fn words(&self) -> Words {
        Words {
            title: "pixtape: facades from labels",
            about: "A label map says what is where: wall, window, door, cornice. The network \
                    paints the facade: stones, panes that mirror the sky, mouldings and the \
                    shadows that they throw.",
            lead: "facades from label maps",
            commands: &[
                (
                    "Pairs in facades/train: the facade on the left (A), its labels on the right \
                     (B)",
                    "pixtape prepare check --input facades",
                ),
                (
                    "Train from labels to facades",
                    "pixtape train --dataroot facades --name facades --direction BtoA",
                ),
                (
                    "Translate",
                    "pixtape translate --checkpoint checkpoints/facades --input labels --output \
                     results",
                ),
            ],
        }
    }

    fn count(&self) -> u64 {
        PAIRS
    }

    fn steps(&self) -> [u64; 2] {
        [1000, 3000]
    }

    fn pairs(&self, seed: u64, indices: Range<u64>) -> Result<Vec<Pair>> {
        let pair = |index| {
            let (label, photo) = facade_pair(seed, index, SIDE);
            Pair::new(index, label, photo)
        };
        Ok(indices.map(pair).collect())
    }

    fn measure(&self, pair: &Pair, made: &Picture) -> Result<Vec<(&'static str, f64)>> {
        let target = &pair.shown[1];
        let near = |(a, b): &(&[u8], &[u8])| a.iter().zip(*b).all(|(a, b)| a.abs_diff(*b) <= 24);
        let right = made.data.chunks_exact(3).zip(target.data.chunks_exact(3)).filter(near).count();
        Ok(vec![
            (
                "Share of the pixels that have the right colour, within 24 levels",
                right as f64 / f64::from(SIDE * SIDE),
            ),
            ("Difference from the facade, in 8-bit levels", levels(made, target)),
        ])
    }
}
