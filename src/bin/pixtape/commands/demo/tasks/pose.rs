//! Poses and clothes to a dressed figure: planes of joints and of clothes in, an image out.

use crate::commands::demo::draw_figure::{self, Clothes, PLANES, Pose};
use crate::commands::demo::task::{Extra, Net, Pair, Task, Words};
use crate::commands::demo::training::{FIRST_HELD_OUT, SIDE};
use crate::commands::demo::unpaired::levels;
use pixtape::Result;
use pixtape::io::Picture;
use pixtape::picture::PictureValues;
use pixtape::run::Options;
use std::ops::Range;

const FRAMES: u32 = 7;

pub(super) struct Figures;

fn pair(index: u64, pose: &Pose, clothes: Clothes) -> Pair {
    let photo = draw_figure::photo(pose, clothes, SIDE);
    Pair {
        input: PictureValues::Bytes(draw_figure::planes(pose, clothes, SIDE)),
        target: PictureValues::Bytes(photo.data.clone()),
        shown: [draw_figure::stick(pose, clothes, SIDE), photo],
        index,
    }
}

impl Task for Figures {
    fn words(&self) -> Words {
        Words {
            title: "pixtape: poses and clothes to figures",
            about: "The network reads 21 planes: a spot for each of 14 joints, and lines that say \
                    which shirt and which trousers are worn. It paints the figure. Shown are stick \
                    figures with the clothes in the corner, what the network paints, and what it \
                    should have painted; then the same clothes in five poses, and a movement, \
                    image by image.",
            lead: "dressed figures from joints and clothes",
            commands: &[
                (
                    "Photographs in poses/trainB; planes of joints from DeepFashion's list (or \
                     COCO's keypoints), of the same names. Clothes, if they are to be chosen, are \
                     planes of your own behind those",
                    "pixtape prepare joints --input keypoints.csv --images poses/trainB --output \
                     poses/trainA",
                ),
                ("See whether they fit each other", "pixtape prepare check --input poses"),
                (
                    "Train; not mirrored, since a left arm stays one",
                    "pixtape train --dataroot poses --name poses --no_flip",
                ),
                (
                    "Translate a sequence with the same statistics for every image",
                    "pixtape translate --checkpoint checkpoints/poses --input planes --output \
                     results --sequence first",
                ),
            ],
        }
    }

    fn steps(&self) -> [u64; 2] {
        [2000, 6000]
    }

    fn options(&self, options: &mut Options) {
        options.nets.input_nc = Some(PLANES);
        // At the full weight arms became checkered.
        options.optim.lambda_gan = 0.3;
    }

    fn pairs(&self, seed: u64, indices: Range<u64>) -> Result<Vec<Pair>> {
        Ok(indices.map(|i| pair(i, &Pose::new(seed, i), Clothes::new(i))).collect())
    }

    fn measure(&self, pair: &Pair, made: &Picture) -> Result<Vec<(&'static str, f64)>> {
        let target = &pair.shown[1];
        // The figure and its shadow: what differs from the empty studio, the column at the edge.
        let side = SIDE as usize;
        let of = |p: &Picture, at: usize| [0, 1, 2].map(|c| p.data[3 * at + c]);
        let near = |a: [u8; 3], b: [u8; 3], by: u8| (0..3).all(|c| a[c].abs_diff(b[c]) <= by);
        let figure: Vec<usize> = (0..side * side)
            .filter(|at| !near(of(target, *at), of(target, at / side * side), 8))
            .collect();
        let right = figure.iter().filter(|at| near(of(made, **at), of(target, **at), 40)).count();
        Ok(vec![
            (
                "Share of the figure that has the right colour, within 40 levels",
                right as f64 / figure.len().max(1) as f64,
            ),
            ("Difference from the target, in 8-bit levels", levels(made, target)),
        ])
    }

    fn more(&self, net: &Net<'_>, seed: u64) -> Result<Vec<Extra>> {
        let first = FIRST_HELD_OUT + 100;
        let columns = |pairs: Vec<Pair>| -> Result<Vec<Vec<Picture>>> {
            let made = pairs.iter().map(|pair| net.run(pair)).collect::<Result<Vec<_>>>()?;
            let [sticks, targets] =
                [0, 1].map(|at| pairs.iter().map(|p| p.shown[at].clone()).collect());
            Ok(vec![sticks, made, targets])
        };
        let poses = (0..5).map(|i| pair(i, &Pose::new(seed, first + i), Clothes::new(1))).collect();
        let (from, to) = (Pose::new(seed, first + 10), Pose::new(seed, first + 11));
        let frames = |i: u32| {
            let pose = from.towards(&to, i as f32 / (FRAMES - 1) as f32);
            pair(u64::from(i), &pose, Clothes::new(7))
        };
        let sequence = columns((0..FRAMES).map(frames).collect())?;
        let caption = format!(
            "A movement, image by image. Where nothing moves, the images differ by {:.1} levels on \
             average from one to the next",
            flicker(&sequence[1], &sequence[2])
        );
        Ok(vec![
            ("poses.png".into(), columns(poses)?, "The same clothes in five poses".into()),
            ("sequence.png".into(), sequence, caption),
        ])
    }
}

/// Mean change from one image to the next, of the values that are the same in both targets.
fn flicker(made: &[Picture], targets: &[Picture]) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0f64);
    for (made, targets) in made.windows(2).zip(targets.windows(2)) {
        let values = made[0].data.iter().zip(&made[1].data);
        for ((a, b), (s, t)) in values.zip(targets[0].data.iter().zip(&targets[1].data)) {
            if s == t {
                sum += f64::from(a.abs_diff(*b));
                count += 1.0;
            }
        }
    }
    sum / count.max(1.0)
}
