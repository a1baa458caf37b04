//! Black-and-white to colour: lightness in, the two colour channels of Lab out.

use crate::commands::demo::draw_scene::{Light, Scene};
use crate::commands::demo::task::{Pair, Task, Words};
use crate::commands::demo::training::SIDE;
use pixtape::io::{Picture, lab};
use pixtape::picture::PictureValues;
use pixtape::run::Options;
use pixtape::run::options::DatasetMode;
use pixtape::{Error, Result};
use std::ops::Range;

pub(super) struct Colorize {
    pub seed: u64,
}

/// Distance from gray in Lab.
fn chroma([_, a, b]: [f32; 3]) -> f64 {
    f64::from((a * a + b * b).sqrt())
}

fn labs(picture: &Picture) -> impl Iterator<Item = [f32; 3]> + '_ {
    picture.data.chunks_exact(3).map(|p| lab::from_rgb([p[0], p[1], p[2]]))
}

impl Task for Colorize {
    fn words(&self) -> Words {
        Words {
            title: "pixtape: black-and-white to colour",
            about: "The network sees how bright each pixel is and says which colour it has. Sky, \
                    grass and bricks have a colour of their own, and it should be right. A door \
                    may have any: there the network cannot know, and a colour that a door could \
                    have is all that can be asked for.",
            lead: "colours for gray photographs; what has a colour of its own should have it",
            commands: &[
                (
                    "Train on a folder of colour photographs, photos/train",
                    "pixtape train --model colorization --dataroot photos --name colour",
                ),
                (
                    "Colour a black-and-white one",
                    "pixtape translate --checkpoint checkpoints/colour --input old.jpg --output \
                     results",
                ),
            ],
        }
    }

    fn options(&self, options: &mut Options) {
        options.data.dataset_mode = DatasetMode::Colorization;
    }

    fn pairs(&self, seed: u64, indices: Range<u64>) -> Result<Vec<Pair>> {
        let pair = |index| {
            let photo = Scene::new(seed, index).draw(Light::Day, SIDE);
            let (light, color) = lab::split(&photo);
            let gray = lab::join(&light, &Picture { data: vec![0.0; color.data.len()], ..color })?;
            let (_, color) = lab::split(&photo);
            let [input, target] = [light.data, color.data].map(PictureValues::Floats);
            Ok(Pair { input, target, shown: [gray, photo], index })
        };
        indices.map(pair).collect()
    }

    fn shown(&self, pair: &Pair, made: PictureValues) -> Result<Picture> {
        let (PictureValues::Floats(light), PictureValues::Floats(color)) = (&pair.input, made)
        else {
            return Err(Error::Internal("bytes came back".into()));
        };
        let light = Picture::<f32>::new(SIDE, SIDE, 1, light.clone())?;
        lab::join(&light, &Picture::<f32>::new(SIDE, SIDE, 2, color)?)
    }

    fn measure(&self, pair: &Pair, made: &Picture) -> Result<Vec<(&'static str, f64)>> {
        let own = Scene::new(self.seed, pair.index).own_colours(SIDE);
        let (mut right, mut of_own, mut free, mut of_free) = (0.0, 0.0, 0.0f64, 0.0f64);
        for ((made, wanted), own) in labs(made).zip(labs(&pair.shown[1])).zip(own) {
            if own {
                right += chroma([0.0, made[1] - wanted[1], made[2] - wanted[2]]);
                of_own += 1.0;
            } else {
                free += chroma(made);
                of_free += chroma(wanted);
            }
        }
        Ok(vec![
            (
                "Error of the colours of sky, grass, bricks and slates, in units of Lab",
                right / of_own,
            ),
            ("Colourfulness of trees, doors and clouds, of what it should be", free / of_free),
        ])
    }
}
