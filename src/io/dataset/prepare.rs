//! From a dataset's files to the planes of a sample: decoded, scaled, cropped, mirrored.

use super::index_map::IndexMap;
use super::layout::Entry;
use super::plane::PlaneData;
use super::random::Random;
use super::scan::scaled;
use super::{Dataset, Direction, Preprocess, Task};
use crate::io::picture::{AnyPicture, Header};
use crate::{Error, Result};
use std::path::Path;

impl Dataset {
    /// The planes of an entry, cropped and mirrored alike.
    pub(super) fn cut(&self, entry: usize, random: &mut Random) -> Result<Vec<PlaneData>> {
        let prepared = self.cache.get(entry, || self.prepare(entry))?;
        let [header, _] = &self.pairs[entry];
        let (w, h) = scaled(&self.options, (header.width, header.height));
        let (content, center) = (self.frame.content, self.options.center);
        // Always three draws, so that `flip` does not move the crops.
        let mut offset = |side: u32, kept: u32| {
            let random = random.below(u64::from(side - kept) + 1) as u32;
            if center { (side - kept) / 2 } else { random }
        };
        let (x, y) = (offset(w, content.0), offset(h, content.1));
        let flip = random.below(2) == 1 && self.options.flip;
        let cut = |plane: &PlaneData| -> Result<PlaneData> {
            let cropped = if self.options.preprocess.crops() {
                plane.crop(x, y, content.0, content.1)?
            } else {
                plane.clone()
            };
            Ok(if flip { cropped.flip_horizontal() } else { cropped })
        };
        prepared.iter().map(cut).collect()
    }

    pub(super) fn channelled(
        &self,
        picture: AnyPicture,
        side: usize,
        path: &Path,
    ) -> Result<AnyPicture> {
        let described = picture.describe();
        picture.converted(self.channels[side]).ok_or_else(|| {
            Error::file(
                path,
                format!("{described} cannot be converted to {} channels", self.channels[side]),
            )
        })
    }

    /// What is the same in every epoch: decoded, converted to the right channels, resized. Input
    /// and target, or the photo of both, and maps.
    fn prepare(&self, index: usize) -> Result<Vec<PlaneData>> {
        let pair = &self.pairs[index];
        let swapped = self.options.direction == Direction::BtoA;
        let ready = |picture: AnyPicture, side: usize, path: &Path| {
            self.ready(picture, side, path, (pair[0].width, pair[0].height))
        };
        let images = match &self.entries[index] {
            Entry::Halves(path) => {
                let whole = self.load(path, Some((2 * pair[0].width, pair[0].height)))?;
                let (a, b) = whole.split_pair()?;
                let (input, target) = if swapped { (b, a) } else { (a, b) };
                vec![ready(input, 0, path)?, ready(target, 1, path)?]
            }
            Entry::Two(sides) => {
                let [a, b] = [0, 1].map(|side| {
                    let which = if swapped { 1 - side } else { side };
                    let header = &pair[side];
                    let bands = sides[which]
                        .iter()
                        .map(|path| self.load(path, Some((header.width, header.height))))
                        .collect::<Result<Vec<_>>>()?;
                    let joint = match <[AnyPicture; 1]>::try_from(bands) {
                        Ok([one]) => one,
                        Err(bands) => AnyPicture::stack(&bands).ok_or_else(|| {
                            Error::file(&sides[which][0], "its bands are of different kinds")
                        })?,
                    };
                    ready(joint, side, &sides[which][0])
                });
                vec![a?, b?]
            }
            Entry::Alone(side, path) => {
                let picture = self.load(path, Some((pair[0].width, pair[0].height)))?;
                vec![ready(picture, *side, path)?]
            }
            Entry::Photo(path) => {
                let photo = self.load(path, Some((pair[0].width, pair[0].height)))?;
                let photo = if self.options.task == Task::Colorization {
                    photo.to_8bit(None).into()
                } else {
                    photo
                };
                vec![ready(photo, 0, path)?]
            }
        };
        let maps = self.maps[index].iter().map(|path| self.map(path, &pair[0]));
        images.into_iter().map(|image| Ok(PlaneData::Image(image))).chain(maps).collect()
    }

    /// A map of indices, of the size that is cropped from; `first` describes its pair's input.
    fn map(&self, path: &Path, first: &Header) -> Result<PlaneData> {
        let map =
            IndexMap::of(&AnyPicture::load(path)?).map_err(|e| Error::file(path, e.to_string()))?;
        let (width, height) = scaled(&self.options, (first.width, first.height));
        let same = (map.width, map.height) == (width, height);
        Ok(PlaneData::Map(if same { map } else { map.resize(width, height)? }))
    }

    /// A decoded image with the right channels, of the size that is cropped from; `size` is that of
    /// its pair in the files.
    fn ready(
        &self,
        picture: AnyPicture,
        side: usize,
        path: &Path,
        size: (u32, u32),
    ) -> Result<AnyPicture> {
        if picture.has_nan() {
            return Err(Error::file(path, "has values that are not numbers; replace them"));
        }
        let channels =
            if self.options.task == Task::Colorization { 3 } else { self.channels[side] };
        let described = picture.describe();
        let picture = picture.converted(channels).ok_or_else(|| {
            Error::file(path, format!("{described} cannot be converted to {channels} channels"))
        })?;
        let (preprocess, scaled) = (self.options.preprocess, scaled(&self.options, size));
        // With an odd width B is a pixel wider; where nothing is scaled, it keeps that.
        let kept = preprocess == Preprocess::Crop && scaled == size;
        if picture.size() == scaled || preprocess == Preprocess::None || kept {
            return Ok(picture);
        }
        picture.resize(scaled.0, scaled.1)
    }

    /// Decodes a file that had this size when the run began (an A|B file may be a pixel wider).
    fn load(&self, path: &Path, size: Option<(u32, u32)>) -> Result<AnyPicture> {
        let picture = AnyPicture::load(path)?;
        let (width, height) = picture.size();
        match size {
            Some((w, h)) if height != h || (width != w && width != w + 1) => Err(Error::file(
                path,
                format!(
                    "is {width}x{height} now but was {w}x{h} when the run started; leave the \
                     folder alone during a run"
                ),
            )),
            _ => Ok(picture),
        }
    }
}
