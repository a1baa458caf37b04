//! Edges to photographs, and a hand's sketch through the same network.

use crate::commands::demo::draw::grain;
use crate::commands::demo::draw_scene::{Light, Scene};
use crate::commands::demo::task::{Extra, Net, Pair, Task, Words};
use crate::commands::demo::training::{FIRST_HELD_OUT, SIDE};
use crate::commands::demo::unpaired::levels;
use pixtape::Result;
use pixtape::filters::{EdgeFilter, EdgeOptions};
use pixtape::gpu::Gpu;
use pixtape::io::Picture;
use pixtape::run::Options;
use std::ops::Range;

/// Sketches that are shown.
const SKETCHES: u64 = 4;

pub(super) struct Edges {
    filter: EdgeFilter,
}

impl Edges {
    pub fn new(gpu: &Gpu) -> Result<Edges> {
        // The images are small, and have no noise.
        let options = EdgeOptions { sigma: 0.6, min_pixels: 4, ..EdgeOptions::default() };
        Ok(Edges { filter: EdgeFilter::new(gpu, (SIDE, SIDE), 3, options)? })
    }

    /// Black lines on white, as `pixtape prepare edges` makes them.
    fn edges(&self, photo: &Picture) -> Result<Picture> {
        Picture::new(SIDE, SIDE, 1, pollster::block_on(self.filter.run(&photo.data))?)
    }

    /// The same lines as a hand would draw them: they wobble and break off.
    fn sketch(&self, edges: &Picture, index: u64) -> Result<Picture> {
        let side = SIDE as i32;
        let at = |x: i32, y: i32| {
            edges.data[(y.clamp(0, side - 1) * side + x.clamp(0, side - 1)) as usize]
        };
        let away = 97.0 * (index % 89) as f32;
        let lines = (0..side).flat_map(|y| (0..side).map(move |x| (x, y))).map(|(x, y)| {
            let (u, v) = (x as f32 + away, y as f32);
            let wobble = |by: f32| (1.6 * smooth(u / 9.0 + by, v / 9.0)) as i32;
            let broken = smooth(u / 4.0, v / 4.0 + 50.0) > 0.55;
            if broken { 255 } else { at(x + wobble(0.0), y + wobble(40.0)) }
        });
        let drawn: Vec<u8> = lines.collect();
        Picture::new(SIDE, SIDE, 1, pollster::block_on(self.filter.thin(&drawn))?)
    }
}

/// Noise from -1 to 1 that changes slowly, by 1 or less from one whole number to the next.
fn smooth(x: f32, y: f32) -> f32 {
    let (x0, y0) = (x.floor(), y.floor());
    let ease = |t: f32| t * t * (3.0 - 2.0 * t);
    let (u, v) = (ease(x - x0), ease(y - y0));
    let row = |y: f32| grain(x0, y) * (1.0 - u) + grain(x0 + 1.0, y) * u;
    row(y0) * (1.0 - v) + row(y0 + 1.0) * v
}

impl Task for Edges {
    fn words(&self) -> Words {
        Words {
            title: "pixtape: edges and sketches to photographs",
            about: "The network sees nothing but the edges of a photograph, one pixel wide, and \
                    paints the photograph. It learns what usually lies between such lines. The \
                    same network then gets lines as a hand draws them, which wobble and break off: \
                    what is still recognised, and where colours run out, is what to expect of \
                    sketches.",
            lead: "photographs from their edges, then from lines as a hand draws them",
            commands: &[
                (
                    "Pairs of edges and photographs (A|B) from a folder of photographs",
                    "pixtape prepare edges --input photos --output edges/train --pairs",
                ),
                ("Train", "pixtape train --dataroot edges --name edges"),
                (
                    "Lines of a sketch as thin as those trained on",
                    "pixtape prepare edges --input sketches --output lines --drawings",
                ),
                (
                    "Translate",
                    "pixtape translate --checkpoint checkpoints/edges --input lines --output \
                     results",
                ),
            ],
        }
    }

    fn steps(&self) -> [u64; 2] {
        [2000, 6000]
    }

    fn options(&self, options: &mut Options) {
        options.nets.input_nc = Some(1);
    }

    fn pairs(&self, seed: u64, indices: Range<u64>) -> Result<Vec<Pair>> {
        let pair = |index| {
            let photo = Scene::new(seed, index).draw(Light::Day, SIDE);
            Ok(Pair::new(index, self.edges(&photo)?, photo))
        };
        indices.map(pair).collect()
    }

    fn measure(&self, pair: &Pair, made: &Picture) -> Result<Vec<(&'static str, f64)>> {
        let lines = self.edges(made)?;
        let side = SIDE as usize;
        let near = |at: usize| {
            let (x, y) = (at % side, at / side);
            (y.saturating_sub(1)..(y + 2).min(side)).any(|y| {
                (x.saturating_sub(1)..(x + 2).min(side)).any(|x| lines.data[y * side + x] == 0)
            })
        };
        let input = &pair.shown[0].data;
        let given: Vec<usize> = (0..side * side).filter(|at| input[3 * at] == 0).collect();
        let met = given.iter().filter(|at| near(**at)).count();
        Ok(vec![
            (
                "Share of the given edges that are edges of the result",
                met as f64 / given.len().max(1) as f64,
            ),
            ("Difference from the photograph, in 8-bit levels", levels(made, &pair.shown[1])),
        ])
    }

    fn more(&self, net: &Net<'_>, seed: u64) -> Result<Vec<Extra>> {
        let first = FIRST_HELD_OUT + 100;
        let rows = self.pairs(seed, first..first + SKETCHES)?.into_iter().map(|pair| {
            let from_edges = net.run(&pair)?;
            let [edges, photo] = pair.shown;
            let drawn = self.sketch(&edges.clone().into_channels(1), pair.index)?;
            let sketch = Pair::new(pair.index, drawn, photo.clone());
            let from_sketch = net.run(&sketch)?;
            let [drawn, _] = sketch.shown;
            Ok(vec![edges, from_edges, drawn, from_sketch, photo])
        });
        let caption = "Edges, what the network makes of them; the same as a sketch, what it makes \
                       of that; the photograph";
        Ok(vec![("sketches.png".into(), rows.collect::<Result<_>>()?, caption.into())])
    }
}
