//! Sizes that a network does not take: padded by reflection (maps by their edge), cropped
//! afterwards.

use crate::Result;
use crate::io::IndexMap;
use crate::io::picture::{AnyPicture, Depth, Element, Picture};
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
        if !self.pads() {
            return values(picture, format, range);
        }
        let (x, y) = self.offset();
        values(&picture.pad_reflect(x, y, self.padded.0, self.padded.1)?, format, range)
    }

    /// The same for an image that is constant within regions: padded by its edge, floats -1 to 1.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_regions(
        &self,
        picture: &AnyPicture,
        format: PictureFormat,
    ) -> Result<PictureValues> {
        let range = (picture.depth() == Depth::F32).then_some([-1.0, 1.0]);
        if !self.pads() {
            return values(picture, format, range);
        }
        let (x, y) = self.offset();
        values(&picture.pad_edge(x, y, self.padded.0, self.padded.1)?, format, range)
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

fn values(
    picture: &AnyPicture,
    format: PictureFormat,
    range: Option<[f32; 2]>,
) -> Result<PictureValues> {
    Ok(match format {
        PictureFormat::Bytes => PictureValues::Bytes(picture.as_8bit()?.data.clone()),
        PictureFormat::Floats => PictureValues::Floats(picture.to_values(range)),
    })
}
