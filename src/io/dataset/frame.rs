//! Sizes that a network does not take: padded by reflection, cropped afterwards.

use super::index_map::IndexMap;
use crate::Result;
use crate::io::picture::{AnyPicture, Element, Picture};
use crate::picture::{PictureFormat, PictureValues};

/// A picture's size and the size that the net sees: the next multiples, the picture in the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Width and height of the picture.
    pub content: (u32, u32),
    /// Width and height of what the net sees.
    pub padded: (u32, u32),
}

impl Frame {
    /// For pictures of `content` pixels and a net that takes multiples of `multiple`.
    pub fn new(content: (u32, u32), multiple: u32) -> Self {
        let m = multiple.max(1);
        Frame { content, padded: (content.0.next_multiple_of(m), content.1.next_multiple_of(m)) }
    }

    /// Whether anything is padded.
    pub fn pads(&self) -> bool {
        self.content != self.padded
    }

    fn offset(&self) -> (u32, u32) {
        ((self.padded.0 - self.content.0) / 2, (self.padded.1 - self.content.1) / 2)
    }

    /// A picture of the content's size, padded, as what goes up to the device.
    ///
    /// # Errors
    /// [`crate::Error::Usage`] when it has another size, or bytes are asked of a picture of more
    /// than 8 bits.
    pub fn encode(
        &self,
        picture: &AnyPicture,
        format: PictureFormat,
        range: Option<[f32; 2]>,
    ) -> Result<PictureValues> {
        let padded;
        let picture = if self.pads() {
            let (x, y) = self.offset();
            padded = picture.pad_reflect(x, y, self.padded.0, self.padded.1)?;
            &padded
        } else {
            picture
        };
        Ok(match format {
            PictureFormat::Bytes => PictureValues::Bytes(picture.as_8bit()?.data.clone()),
            PictureFormat::Floats => PictureValues::Floats(picture.to_values(range)),
        })
    }

    /// A map of the content's size, padded by its edge.
    ///
    /// # Errors
    /// [`crate::Error::Usage`] when it does not fit.
    pub fn encode_map(&self, map: &IndexMap) -> Result<IndexMap> {
        let (x, y) = self.offset();
        map.pad_edge(x, y, self.padded.0, self.padded.1)
    }

    /// The content of what came back from the device, `[height, width, channels]` of the padded
    /// size.
    ///
    /// # Errors
    /// [`crate::Error::Usage`] when it has another size.
    pub fn crop<T: Element>(&self, values: Vec<T>, channels: u32) -> Result<Picture<T>> {
        let whole = Picture::new(self.padded.0, self.padded.1, channels, values)?;
        if !self.pads() {
            return Ok(whole);
        }
        let (x, y) = self.offset();
        whole.crop(x, y, self.content.0, self.content.1)
    }
}
