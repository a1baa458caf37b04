//! From a dataset's files to the planes of a sample: decoded, scaled, cropped, mirrored.

use super::entry::Entry;
use super::plane::PlaneData;
use super::random::Random;
use super::scan::scaled;
use super::slot::Kind;
use super::{Dataset, Direction, Preprocess, Task};
use crate::io::IndexMap;
use crate::io::picture::{AnyPicture, Loaded};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

impl Dataset {
    /// The planes of an entry, cropped and mirrored alike.
    pub(super) fn cut(&self, entry: usize, random: &mut Random) -> Result<Vec<PlaneData>> {
        let prepared = self.cache.get(entry, || self.prepare(entry))?;
        let (w, h) = scaled(&self.options, self.heads[entry][0].size());
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
        let channels = self.slots[side].channels;
        picture.converted(channels).ok_or_else(|| {
            Error::file(path, format!("{described} cannot be converted to {channels} channels"))
        })
    }

    /// What is the same in every epoch: decoded, converted to the right channels, resized. All
    /// planes, or the photo that they are computed from.
    fn prepare(&self, index: usize) -> Result<Vec<PlaneData>> {
        let heads = &self.heads[index];
        let size = heads[0].size();
        let ready = |image: Loaded, side: usize, path: &Path| {
            self.ready(image, side, path, size).map(PlaneData::Image)
        };
        Ok(match &self.entries[index] {
            Entry::Halves(path) => {
                let Loaded { picture, alpha, .. } = self.load(path, (2 * size.0, size.1))?;
                let (a, b) = picture.split_pair()?;
                let [a, b] = [a, b].map(|picture| Loaded { picture, alpha, missing: None });
                let (input, target) = if self.swapped() { (b, a) } else { (a, b) };
                vec![ready(input, 0, path)?, ready(target, 1, path)?]
            }
            Entry::Files(files) => {
                let places = 0..files.len();
                places.map(|place| self.plane(index, files, place)).collect::<Result<_>>()?
            }
            Entry::Alone(side, path) => vec![ready(self.load(path, size)?, *side, path)?],
            Entry::Photo(path) => {
                let mut photo = self.load(path, size)?;
                if self.options.task == Task::Colorization {
                    photo.picture = photo.picture.to_8bit(None).into();
                }
                vec![ready(photo, 0, path)?]
            }
        })
    }

    fn swapped(&self) -> bool {
        self.options.direction == Direction::BtoA
    }

    /// A plane of an entry with files of its own, of the size that is cropped from.
    fn plane(&self, index: usize, files: &[Vec<PathBuf>], place: usize) -> Result<PlaneData> {
        let (slot, size) = (&self.slots[place], self.heads[index][place].size());
        let files = &files[if self.swapped() { 1 - place } else { place }];
        let path = &files[0];
        if !slot.kind.is_image() {
            let map = IndexMap::load_as(path, self.options.reading)?;
            self.unchanged(path, (map.width, map.height), size)?;
            let (width, height) = scaled(&self.options, self.heads[index][0].size());
            let same = (map.width, map.height) == (width, height);
            return Ok(PlaneData::Map(if same { map } else { map.resize(width, height)? }));
        }
        let bands = files.iter().map(|path| self.load(path, size)).collect::<Result<Vec<_>>>()?;
        let joint = match <[Loaded; 1]>::try_from(bands) {
            Ok([one]) => one,
            Err(bands) => {
                let bands: Vec<AnyPicture> = bands.into_iter().map(|band| band.picture).collect();
                let picture = AnyPicture::stack(&bands)
                    .ok_or_else(|| Error::file(path, "its bands are of different kinds"))?;
                Loaded { picture, alpha: false, missing: None }
            }
        };
        let image = self.ready(joint, place, path, self.heads[index][0].size())?;
        Ok(match slot.kind {
            Kind::Regions => PlaneData::Regions(image),
            _ => PlaneData::Image(image),
        })
    }

    /// A decoded image with the right channels, of the size that is cropped from; `size` is that of
    /// its pair in the files.
    fn ready(
        &self,
        image: Loaded,
        side: usize,
        path: &Path,
        size: (u32, u32),
    ) -> Result<AnyPicture> {
        let channels =
            if self.options.task == Task::Colorization { 3 } else { self.slots[side].channels };
        let described = image.picture.describe();
        let picture = image.converted(channels).ok_or_else(|| {
            Error::file(path, format!("{described} cannot be converted to {channels} channels"))
        })?;
        let (preprocess, scaled) = (self.options.preprocess, scaled(&self.options, size));
        // With an odd width B is a pixel wider; where nothing is scaled, it keeps that.
        let kept = preprocess == Preprocess::Crop && scaled == size;
        if picture.size() == scaled || preprocess == Preprocess::None || kept {
            return Ok(picture);
        }
        match self.slots[side].kind {
            Kind::Regions => picture.resize_nearest(scaled.0, scaled.1),
            _ => picture.resize(scaled.0, scaled.1),
        }
    }

    /// Decodes a file that had this size when the run began (an A|B file may be a pixel wider), its
    /// pixels without data filled where that is allowed.
    fn load(&self, path: &Path, size: (u32, u32)) -> Result<Loaded> {
        let image = Loaded::read(path, self.options.reading)?;
        self.unchanged(path, image.picture.size(), size)?;
        let range = match self.options.task {
            Task::Colorization => None,
            _ => self.range(image.picture.depth()),
        };
        Ok(image.filled(range))
    }

    fn unchanged(
        &self,
        path: &Path,
        (width, height): (u32, u32),
        (w, h): (u32, u32),
    ) -> Result<()> {
        if height == h && (width == w || width == w + 1) {
            return Ok(());
        }
        let message = format!(
            "is {width}x{height} now but was {w}x{h} when the run started; leave the folder alone \
             during a run"
        );
        Err(Error::file(path, message))
    }
}
