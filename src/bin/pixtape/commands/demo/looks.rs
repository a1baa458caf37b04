//! What the networks of streets read and make: planes and images, and looks. The encoder finds
//! features of instances, and the generator paints a map with features of others.

use crate::commands::demo::draw::Dice;
use crate::commands::demo::draw_street::Street;
use crate::commands::demo::training::{Planes, images};
use pixtape::io::{IndexMap, Picture};
use pixtape::nets::Mode;
use pixtape::ops::NormMode;
use pixtape::picture::{
    Encoding, PictureFormat, PictureValues, Plane, PlaneValues, Values, borrowed,
};
use pixtape::plan::PlanOptions;
use pixtape::train::{Features, Model, Net, Pix2PixHd, Pix2PixHdConfig, Translator};
use pixtape::{Error, Result, Tape, Tensor};
use std::collections::BTreeMap;

/// Features of an instance.
pub(super) const FEATURES: usize = 3;

/// The planes of a street as a step reads them.
pub(super) fn planes(street: &Street) -> Planes {
    let mut planes = images([("image", &street.image)]);
    planes.extend(maps(street));
    planes
}

fn maps(street: &Street) -> Planes {
    let map = |map: &IndexMap| PlaneValues::Indices(map.data.clone());
    vec![("label", map(&street.labels)), ("instances", map(&street.instances))]
}

/// The image that a translator makes of the planes of a street.
pub(super) fn run(translator: &Translator, planes: &Planes, street: &Street) -> Result<Picture> {
    let made = pollster::block_on(translator.run_planes(&borrowed(planes), 0, 0))?;
    let bytes = match made {
        PictureValues::Bytes(bytes) => bytes,
        PictureValues::Floats(values) => {
            values.iter().map(|v| ((v + 1.0) * 127.5 + 0.5).clamp(0.0, 255.0) as u8).collect()
        }
    };
    Picture::new(street.image.width, street.image.height, 3, bytes)
}

/// Features of instances by class: what looks are made of.
pub(super) type Bank = BTreeMap<u32, Vec<[f32; FEATURES]>>;

/// Runs the encoder of a training, and its generator on features that are given.
pub(super) struct Looks {
    encoder: Translator,
    generator: Translator,
}

impl Looks {
    pub fn new(trainer: &Pix2PixHd) -> Result<Looks> {
        let gpu = trainer.program().gpu();
        let (store, config) = (trainer.store(), trainer.config());
        let size = trainer.settings().size;
        let encoder = trainer.all_networks().iter().find_map(|network| match &network.net {
            Net::Encoder(encoder) => Some(encoder),
            _ => None,
        });
        let encoder = encoder.ok_or_else(|| Error::Internal("no encoder was trained".into()))?;
        let mode = Mode::run(NormMode::Instance, false);
        let network = |tape: &mut Tape, values: &[Tensor]| {
            let each = encoder.record(tape, store, values[0], mode)?;
            tape.instance_mean(each, values[1])
        };
        let planes = [
            Plane::image("image", 3, PictureFormat::Bytes),
            Plane::map("instances", Encoding::Instances),
        ];
        let (floats, options) = (PictureFormat::Floats, PlanOptions::default);
        let nothing = &mut |_, _| {};
        let encoder =
            Translator::of_planes(gpu, store, &planes, size, floats, &network, options(), nothing)?;
        let features = Some(Features::Given(FEATURES as u32));
        let model = Pix2PixHdConfig { features, pictures: floats, ..config.clone() };
        let planes = model.inputs("G");
        let network = |tape: &mut Tape, values: &[Tensor]| {
            let names = planes.iter().map(|plane| plane.name);
            let named: Vec<_> = names.zip(values.iter().copied()).collect();
            model.generate(trainer.all_networks(), "G", tape, store, &named)
        };
        let generator =
            Translator::of_planes(gpu, store, &planes, size, floats, &network, options(), nothing)?;
        Ok(Looks { encoder, generator })
    }

    /// Features of the instances of some streets.
    pub fn bank(&self, streets: &[Street]) -> Result<Bank> {
        let mut bank = Bank::new();
        for street in streets {
            let made = pollster::block_on(self.encoder.run_planes(
                &[
                    ("image", Values::from(&street.image.data)),
                    ("instances", Values::from(&street.instances.data)),
                ],
                0,
                0,
            ))?;
            let PictureValues::Floats(values) = made else {
                return Err(Error::Internal("features came back as bytes".into()));
            };
            for (class, pixel) in instances(street).into_values() {
                let at = FEATURES * pixel;
                let features = std::array::from_fn(|feature| values[at + feature]);
                bank.entry(class).or_default().push(features);
            }
        }
        Ok(bank)
    }

    /// A map in a look: each instance gets the features of some instance of its class.
    pub fn paint(&self, street: &Street, bank: &Bank, dice: &mut Dice) -> Result<Picture> {
        let chosen: BTreeMap<u32, [f32; FEATURES]> = instances(street)
            .into_iter()
            .map(|(id, (class, _))| {
                let known = bank.get(&class).map_or(&[][..], Vec::as_slice);
                let at = dice.pick(0, known.len().max(1) as i32 - 1) as usize;
                (id, known.get(at).copied().unwrap_or_default())
            })
            .collect();
        let features: Vec<f32> = street.instances.data.iter().flat_map(|id| chosen[id]).collect();
        let mut planes = maps(street);
        planes.push(("features", PlaneValues::Image(PictureValues::Floats(features))));
        run(&self.generator, &planes, street)
    }
}

/// Of each instance its class, the most frequent of its pixels', and one of its pixels.
fn instances(street: &Street) -> BTreeMap<u32, (u32, usize)> {
    let mut counts: BTreeMap<u32, (BTreeMap<u32, usize>, usize)> = BTreeMap::new();
    for (pixel, (id, label)) in street.instances.data.iter().zip(&street.labels.data).enumerate() {
        let (classes, _) = counts.entry(*id).or_insert_with(|| (BTreeMap::new(), pixel));
        *classes.entry(*label).or_default() += 1;
    }
    let most = |classes: BTreeMap<u32, usize>| {
        classes.into_iter().max_by_key(|(_, count)| *count).map_or(0, |(class, _)| class)
    };
    counts.into_iter().map(|(id, (classes, pixel))| (id, (most(classes), pixel))).collect()
}

/// How far the mean colours of things in images are from those in the streets, in levels.
pub(super) fn colour_error(streets: &[Street], made: &[Picture]) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0f64);
    for (street, made) in streets.iter().zip(made) {
        let (ours, theirs) = (colours(street, made), colours(street, &street.image));
        for (id, colour) in ours.iter().filter(|(id, _)| **id >= 1000) {
            sum += (0..3).map(|c| (colour[c] - theirs[id][c]).abs()).sum::<f64>() / 3.0;
            count += 1.0;
        }
    }
    sum / count.max(1.0)
}

/// The mean colour of each instance in an image.
fn colours(street: &Street, image: &Picture) -> BTreeMap<u32, [f64; 3]> {
    let mut sums: BTreeMap<u32, ([f64; 3], f64)> = BTreeMap::new();
    for (id, pixel) in street.instances.data.iter().zip(image.data.chunks(3)) {
        let (sum, count) = sums.entry(*id).or_default();
        (0..3).for_each(|c| sum[c] += f64::from(pixel[c]));
        *count += 1.0;
    }
    sums.into_iter().map(|(id, (sum, count))| (id, sum.map(|s| s / count))).collect()
}
