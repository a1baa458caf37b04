//! Captions of a small closed vocabulary to houses.

use crate::commands::demo::draw_house::{CAPTIONS, Caption, GROUPS, WORDS};
use crate::commands::demo::task::{Extra, Net, Pair, Task, Words};
use crate::commands::demo::training::{FIRST_HELD_OUT, SIDE};
use crate::commands::demo::unpaired::levels;
use crate::commands::prepare::planes::{COORDINATES, squares};
use pixtape::Result;
use pixtape::io::Picture;
use pixtape::picture::PictureValues;
use pixtape::run::Options;
use std::ops::Range;

/// Captions that the page has in words.
const IN_WORDS: u64 = 4;

pub(super) struct Text {
    pub seed: u64,
}

/// The caption of a pair: those of the pairs held out are at the end of the list, so that none of
/// them is trained on.
fn caption(seed: u64, index: u64) -> Caption {
    let place = match index.checked_sub(FIRST_HELD_OUT) {
        None => index as usize,
        Some(held_out) => CAPTIONS - 1 - held_out as usize,
    };
    Caption::new(seed, place)
}

/// The planes of a caption, as `prepare words` makes them.
fn planes(caption: Caption) -> Result<PictureValues> {
    let words = caption.words().into_iter().enumerate();
    let said: Vec<usize> = words.filter_map(|(word, said)| said.then_some(word)).collect();
    Ok(PictureValues::Bytes(squares([SIDE, SIDE], WORDS, &said)?.data))
}

/// What stands for the caption in an image: a lamp for each word, a row for each group.
fn lamps(caption: Caption) -> Picture {
    let mut picture = Picture {
        width: SIDE,
        height: SIDE,
        channels: 3,
        data: vec![24; (SIDE * SIDE * 3) as usize],
    };
    for (row, group) in GROUPS.iter().enumerate() {
        for word in 0..group.len() {
            let lit = caption.0[row] == word;
            for y in 3 + 12 * row..12 + 12 * row {
                for x in 3 + 15 * word..15 + 15 * word {
                    let colour = if lit { [250, 206, 90] } else { [64, 68, 78] };
                    let at = 3 * (y * SIDE as usize + x);
                    picture.data[at..at + 3].copy_from_slice(&colour);
                }
            }
        }
    }
    picture
}

impl Task for Text {
    fn words(&self) -> Words {
        Words {
            title: "pixtape: captions to houses",
            about: "Five words say how a house looks: its storeys (first row of lamps), its roof \
                    (second), its dormers, whether there is a shop, and its walls. The network \
                    reads a plane for each of the 15 words, with a white square where it is said, \
                    and two of coordinates; it has seen 160 of the 216 captions and draws others. \
                    This is not text to image as diffusion models do it: there is no language in \
                    it. The vocabulary is closed, each word is a switch, order and grammar mean \
                    nothing, and a word that was not trained on cannot be said. For free text, an \
                    embedding from elsewhere would have to take the place of the planes.",
            lead: "houses from five words, in combinations that training never saw",
            commands: &[
                (
                    "Images in captions/trainB; a list of their names, a tab and the caption. It \
                     becomes two planes of coordinates and one for each word",
                    "pixtape prepare words --input captions.tsv --output captions/trainA --size \
                     256",
                ),
                ("See whether they fit each other", "pixtape prepare check --input captions"),
                ("Train", "pixtape train --dataroot captions --name captions"),
                (
                    "New captions of the same words",
                    "pixtape prepare words --input new.tsv --output planes --size 256 \
                     --vocabulary captions/trainA.words.txt",
                ),
                (
                    "Draw",
                    "pixtape translate --checkpoint checkpoints/captions --input planes --output \
                     results",
                ),
            ],
        }
    }

    fn count(&self) -> u64 {
        160
    }

    fn steps(&self) -> [u64; 2] {
        [1900, 6000]
    }

    fn options(&self, options: &mut Options) {
        options.nets.input_nc = Some((COORDINATES + WORDS) as u32);
    }

    fn pairs(&self, seed: u64, indices: Range<u64>) -> Result<Vec<Pair>> {
        let pair = |index| {
            let caption = caption(seed, index);
            let photo = caption.draw(SIDE);
            let target = PictureValues::Bytes(photo.data.clone());
            Ok(Pair { input: planes(caption)?, target, shown: [lamps(caption), photo], index })
        };
        indices.map(pair).collect()
    }

    fn measure(&self, pair: &Pair, made: &Picture) -> Result<Vec<(&'static str, f64)>> {
        let caption = caption(self.seed, pair.index);
        let own = levels(made, &pair.shown[1]);
        let followed = |group: &usize| {
            caption.others(*group).all(|other| levels(made, &other.draw(SIDE)) > own)
        };
        let share = (0..GROUPS.len()).filter(followed).count() as f64 / GROUPS.len() as f64;
        Ok(vec![
            (
                "Share of the words that the house follows: it is nearer to the one described \
                 than to any with another word in its place",
                share,
            ),
            ("Difference from the house described, in 8-bit levels", own),
        ])
    }

    fn more(&self, net: &Net<'_>, seed: u64) -> Result<Vec<Extra>> {
        let first = FIRST_HELD_OUT + 20;
        let pairs = self.pairs(seed, first..first + IN_WORDS)?.into_iter().zip(1..);
        let extra = |(pair, number): (Pair, u64)| {
            let said = caption(seed, pair.index).to_string();
            let row = vec![net.run(&pair)?, pair.shown[1].clone()];
            let words = format!("\u{201c}{said}\u{201d}: what the network draws, what was meant");
            Ok((format!("caption_{number}.png"), vec![row], words))
        };
        pairs.map(extra).collect()
    }
}
