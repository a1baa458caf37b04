//! Holes for inpainting.

use std::path::PathBuf;

use super::options::Mask;
use super::random::Random;
use crate::io::picture::{AnyPicture, Element, Listing, Picture, Reading};
use crate::{Error, Result};

/// Where holes come from, masks listed.
#[derive(Debug)]
pub(super) enum Holes {
    Center,
    Random,
    Masks(Vec<PathBuf>),
}

impl Holes {
    pub(super) fn open(mask: &Mask) -> Result<Holes> {
        Ok(match mask {
            Mask::Center => Holes::Center,
            Mask::Random => Holes::Random,
            Mask::Folder(folder) => {
                let Listing { files: masks, left_out } = Listing::of(folder)?;
                if masks.is_empty() {
                    let message = format!(
                        "no images in it; `mask` takes center, random, or a folder of masks \
                         (white is a hole){}",
                        left_out.ending()
                    );
                    return Err(Error::file(folder, message));
                }
                Holes::Masks(masks)
            }
        })
    }

    /// The files of masks.
    pub(super) fn masks(&self) -> &[PathBuf] {
        match self {
            Holes::Masks(masks) => masks,
            _ => &[],
        }
    }

    /// Decodes a mask.
    pub(super) fn read(&self, mask: usize, reading: Reading) -> Result<Picture> {
        Picture::load_as(&self.masks()[mask], 1, reading)
    }

    /// The picture with a hole of the largest value that it can have.
    pub(super) fn cut(
        &self,
        picture: &AnyPicture,
        reading: Reading,
        random: &mut Random,
    ) -> Result<AnyPicture> {
        let (w, h) = picture.size();
        let side = (w.min(h) / 2).max(1);
        let hole: Vec<bool> = match self {
            Holes::Center => rectangle((w, h), (w / 4, h / 4), (w / 2, h / 2)),
            Holes::Random => {
                let mut at = |all: u32| random.below(u64::from(all - side) + 1) as u32;
                let corner = (at(w), at(h));
                rectangle((w, h), corner, (side, side))
            }
            Holes::Masks(masks) => {
                let mask = self.read(random.below(masks.len() as u64) as usize, reading)?;
                // Nearest: between hole and no hole there is nothing.
                let at = |i: u32, from: u32, to: u32| {
                    (u64::from(i) * u64::from(from) / u64::from(to)) as usize
                };
                let row = |y: u32| &mask.data[at(y, mask.height, h) * mask.width as usize..];
                (0..h)
                    .flat_map(|y| (0..w).map(move |x| (x, y)))
                    .map(|(x, y)| row(y)[at(x, mask.width, w)] > 127)
                    .collect()
            }
        };
        Ok(match picture {
            AnyPicture::U8(p) => AnyPicture::U8(white(p, &hole)),
            AnyPicture::U16(p) => AnyPicture::U16(white(p, &hole)),
            AnyPicture::F32(p) => AnyPicture::F32(white(p, &hole)),
        })
    }
}

fn rectangle((w, h): (u32, u32), (x0, y0): (u32, u32), (width, height): (u32, u32)) -> Vec<bool> {
    let inside = |i: u32, from: u32, len: u32| i >= from && i - from < len;
    (0..h)
        .flat_map(|y| (0..w).map(move |x| inside(x, x0, width) && inside(y, y0, height)))
        .collect()
}

fn white<T: Element>(picture: &Picture<T>, hole: &[bool]) -> Picture<T> {
    let white = T::from_f32(T::DEPTH.range()[1]);
    let mut holed = picture.clone();
    for (pixel, hole) in holed.data.chunks_exact_mut(picture.channels as usize).zip(hole) {
        if *hole {
            pixel.fill(white);
        }
    }
    holed
}
