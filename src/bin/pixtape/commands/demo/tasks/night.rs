//! Day to night, of the same places.

use crate::commands::demo::draw_scene::{Light, Scene};
use crate::commands::demo::task::{Extra, Net, Pair, Task, Words};
use crate::commands::demo::training::{FIRST_HELD_OUT, PAIRS, SIDE};
use crate::commands::demo::unpaired::{Sets, learn, levels};
use pixtape::Result;
use pixtape::io::Picture;
use std::ops::Range;

/// Places that are shown with and without pairs.
const SCENES: u64 = 4;

pub(super) struct Night;

impl Task for Night {
    fn words(&self) -> Words {
        Words {
            title: "pixtape: day to night",
            about: "Photographs of places by day, and of the same places by night. The network has \
                    to put out the sun and the colours, hang up the moon, and switch the lights \
                    on: windows and the lamp, and what the lamp shines on.",
            lead: "places by day, and the same places by night",
            commands: &[
                (
                    "Images of the same names in day and night, side by side (A|B)",
                    "pixtape prepare combine --fold_A day --fold_B night --fold_AB pairs/train",
                ),
                ("Train from day (A) to night (B)", "pixtape train --dataroot pairs --name night"),
                (
                    "Without pairs: days in trainA, nights in trainB, of any places",
                    "pixtape train --model cycle_gan --dataroot night_unpaired --name \
                     night_unpaired",
                ),
                (
                    "Translate",
                    "pixtape translate --checkpoint checkpoints/night --input day.jpg --output \
                     results",
                ),
            ],
        }
    }

    fn steps(&self) -> [u64; 2] {
        [1000, 4000]
    }

    fn pairs(&self, seed: u64, indices: Range<u64>) -> Result<Vec<Pair>> {
        let pair = |index| {
            let scene = Scene::new(seed, index);
            Pair::new(index, scene.draw(Light::Day, SIDE), scene.draw(Light::Night, SIDE))
        };
        Ok(indices.map(pair).collect())
    }

    fn more(&self, net: &Net<'_>, seed: u64) -> Result<Vec<Extra>> {
        let draw = |light, first: u64, count: u64| -> Vec<Picture> {
            (first..first + count).map(|i| Scene::new(seed, i).draw(light, SIDE)).collect()
        };
        // Nights of other places than the days.
        let seen: Sets = [draw(Light::Day, 0, PAIRS), draw(Light::Night, PAIRS, PAIRS)];
        let first = FIRST_HELD_OUT + 100;
        let places = [Light::Day, Light::Night].map(|light| draw(light, first, SCENES));
        let steps = (net.steps() / 2).max(1);
        let learned = learn(net.gpu(), seed, steps, &seen, &places)?;
        let pairs = self.pairs(seed, first..first + SCENES)?;
        let mut off = [0.0; 2];
        let rows = pairs.iter().zip(&learned.last()?.made[0]).map(|(pair, [unpaired, _])| {
            let paired = net.run(pair)?;
            let [day, night] = pair.shown.clone();
            off[0] += levels(&paired, &night) / SCENES as f64;
            off[1] += levels(unpaired, &night) / SCENES as f64;
            Ok(vec![day, paired, unpaired.clone(), night])
        });
        let rows = rows.collect::<Result<_>>()?;
        let caption = format!(
            "The same places twice: by day; the night of the network that learnt from pairs \
             ({:.1} levels from the true one); of a CycleGAN that saw days and nights of different \
             places, {steps} steps ({:.1} levels); the true night",
            off[0], off[1],
        );
        Ok(vec![("unpaired.png".into(), rows, caption)])
    }

    fn measure(&self, pair: &Pair, made: &Picture) -> Result<Vec<(&'static str, f64)>> {
        let target = &pair.shown[1];
        let lit = |p: &&[u8]| p[0] > 200 && p[0] > p[2].saturating_add(40);
        let both = made.data.chunks_exact(3).zip(target.data.chunks_exact(3));
        let lights = target.data.chunks_exact(3).filter(lit).count();
        let right = both.filter(|(m, t)| lit(m) && lit(t)).count();
        Ok(vec![
            ("Difference from the night, in 8-bit levels", levels(made, target)),
            ("Difference of the day from the night", levels(&pair.shown[0], target)),
            ("Share of the lights that are on", right as f64 / lights.max(1) as f64),
        ])
    }
}
