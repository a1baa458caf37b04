//! Conversions between a dataset's samples, values on the device, and images to show or measure.

use super::slot::{Kind, Slot};
use super::{Dataset, PlaneData, Sample, Task};
use crate::io::picture::{AnyPicture, Depth, Picture};
use crate::io::{lab, metrics};
use crate::picture::{PictureFormat, PictureValues, PlaneValues};
use crate::{Error, Result};

impl Dataset {
    /// How its images go to the device: as bytes where all are of 8 bits and no range is given.
    pub fn format(&self) -> PictureFormat {
        let flat = self.slots.iter().all(|slot| slot.depth == Depth::U8);
        match flat && self.options.value_range.is_none() {
            true => PictureFormat::Bytes,
            false => PictureFormat::Floats,
        }
    }

    /// What becomes -1 and 1 of pictures of a depth. `value_range` is meant for the deepest there
    /// are.
    pub fn range(&self, depth: Depth) -> Option<[f32; 2]> {
        match &self.options.task {
            Task::Colorization => Some([-1.0, 1.0]),
            _ => {
                let images = self.slots.iter().filter(|slot| slot.kind == Kind::Image);
                let deepest = images.map(|slot| slot.depth).max();
                self.options.value_range.filter(|_| Some(depth) == deepest)
            }
        }
    }

    /// A picture of a sample, padded to [`image_size`](Self::image_size), as what goes up to the
    /// device.
    ///
    /// # Errors
    /// [`Error::Usage`] when the picture is not of this dataset.
    pub fn encode(&self, picture: &AnyPicture) -> Result<PictureValues> {
        self.frame.encode(picture, self.format(), self.range(picture.depth()))
    }

    /// A plane of a sample as what goes up to the device, padded to
    /// [`image_size`](Self::image_size).
    ///
    /// # Errors
    /// [`Error::Usage`] when the plane is not of this dataset.
    pub fn encode_plane(&self, plane: &PlaneData) -> Result<PlaneValues> {
        let range = match plane {
            PlaneData::Image(image) => self.range(image.depth()),
            _ => None,
        };
        plane.encode(&self.frame, self.format(), range)
    }

    /// A generator's output, of [`image_size`](Self::image_size), as a picture that can be
    /// compared with a sample's target.
    ///
    /// # Errors
    /// [`Error::Usage`] for the wrong number of values.
    pub fn decode(&self, values: PictureValues) -> Result<AnyPicture> {
        self.decode_as(values, self.target())
    }

    /// The same as an image of a plane, by its place in [`planes`](Self::planes).
    ///
    /// # Errors
    /// [`Error::Usage`] for the wrong number of values.
    pub fn decode_as(&self, values: PictureValues, side: usize) -> Result<AnyPicture> {
        let Slot { channels, depth, .. } = self.slots[side];
        Ok(match values {
            PictureValues::Bytes(bytes) => AnyPicture::U8(self.frame.crop(bytes, channels)?),
            PictureValues::Floats(values) => {
                let cropped = self.frame.crop(values, channels)?;
                AnyPicture::from_values(
                    &cropped.data,
                    self.frame.content,
                    channels,
                    depth,
                    self.range(depth),
                )?
            }
        })
    }

    /// A sample's first plane as it is shown.
    ///
    /// # Errors
    /// As [`visible_plane`](Self::visible_plane).
    pub fn visible_input(&self, sample: &Sample) -> Result<Picture> {
        match sample.planes.first() {
            Some((_, plane)) => self.visible_plane(plane),
            None => sample.input().map(|image| self.visible(image)),
        }
    }

    /// A plane as it is shown: gray or RGB, 8 bits; a map with a colour for each index.
    ///
    /// # Errors
    /// [`Error::Usage`] when it is a vector.
    pub fn visible_plane(&self, plane: &PlaneData) -> Result<Picture> {
        match plane {
            PlaneData::Map(map) => Ok(map.visible()),
            PlaneData::Regions(AnyPicture::F32(image)) => {
                let image = AnyPicture::F32(image.clone());
                Ok(image.to_8bit(Some([-1.0, 1.0])).visible())
            }
            image => image.as_image().map(|image| self.visible(image)),
        }
    }

    /// A picture of either side as it is shown: gray or RGB, 8 bits.
    pub fn visible(&self, picture: &AnyPicture) -> Picture {
        picture.clone().to_8bit(self.range(picture.depth())).visible()
    }

    /// A target, or a generator's output, as it is shown: with the sample's lightness in
    /// colorization.
    ///
    /// # Errors
    /// [`Error::Usage`] when the picture is not of this dataset.
    pub fn visible_output(&self, sample: &Sample, picture: &AnyPicture) -> Result<Picture> {
        if self.options.task != Task::Colorization {
            return Ok(self.visible(picture));
        }
        match (sample.input()?, picture) {
            (AnyPicture::F32(light), AnyPicture::F32(color)) => lab::join(light, color),
            _ => Err(Error::Usage("colour must be given as floats".into())),
        }
    }

    /// L1, PSNR and SSIM of a generator's output: on 8-bit values where the pictures have them,
    /// on 0 to 1 where they do not, on RGB in colorization.
    ///
    /// # Errors
    /// As [`metrics`].
    pub fn measure(&self, sample: &Sample, made: &AnyPicture) -> Result<[f64; 3]> {
        fn all<T: crate::io::picture::Element>(a: &Picture<T>, b: &Picture<T>) -> Result<[f64; 3]> {
            Ok([metrics::l1(a, b)?, metrics::psnr(a, b)?, metrics::ssim(a, b)?])
        }
        if self.options.task == Task::Colorization {
            return all(
                &self.visible_output(sample, made)?,
                &self.visible_output(sample, sample.target()?)?,
            );
        }
        match (made, sample.target()?) {
            (AnyPicture::U8(made), AnyPicture::U8(target))
                if self.options.value_range.is_none() =>
            {
                all(made, target)
            }
            (made, target) => all(
                &made.to_unit(self.range(made.depth())),
                &target.to_unit(self.range(target.depth())),
            ),
        }
    }
}
