//! What a host says of a texture.

use crate::error::{Error, Result};
use wgpu::{TextureDimension, TextureFormat, TextureUsages};

/// Formats that images are read from and drawn into.
const FORMATS: [TextureFormat; 5] = [
    TextureFormat::Rgba8Unorm,
    TextureFormat::Rgba8UnormSrgb,
    TextureFormat::Bgra8Unorm,
    TextureFormat::Bgra8UnormSrgb,
    TextureFormat::Rgba16Float,
];

/// A view of a host's texture: one level of one layer of a two-dimensional texture.
///
/// wgpu does not tell how a view was made. Made from a `&wgpu::TextureView` it is taken to have the
/// format of its texture and to show the largest level; else say so with
/// [`with_format`](Self::with_format) and [`at_level`](Self::at_level).
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub(super) view: &'a wgpu::TextureView,
    pub(super) format: TextureFormat,
    level: u32,
}

/// What a view is used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Use {
    Read,
    Draw,
}

impl<'a> From<&'a wgpu::TextureView> for View<'a> {
    fn from(view: &'a wgpu::TextureView) -> Self {
        View { view, format: view.texture().format(), level: 0 }
    }
}

impl View<'_> {
    /// The format that the view was made with, where it is not that of its texture.
    pub fn with_format(self, format: TextureFormat) -> Self {
        View { format, ..self }
    }

    /// The mipmap level that the view shows.
    pub fn at_level(self, level: u32) -> Self {
        View { level, ..self }
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (u32, u32) {
        let texture = self.view.texture();
        let side = |side: u32| (side >> self.level.min(31)).max(1);
        (side(texture.width()), side(texture.height()))
    }

    /// Refuses what cannot be read or drawn into, before wgpu does.
    pub(super) fn check(&self, what: Use) -> Result<()> {
        let texture = self.view.texture();
        let (role, usage) = match what {
            Use::Read => ("the texture to read", TextureUsages::TEXTURE_BINDING),
            Use::Draw => ("the texture to draw into", TextureUsages::RENDER_ATTACHMENT),
        };
        let refuse = |why: String| Err(Error::Usage(format!("{role}: {why}")));
        let (format, own) = (self.format, texture.format());
        if !FORMATS.contains(&format) {
            let all = FORMATS.map(|format| format!("{format:?}")).join(", ");
            return refuse(format!("its format is {format:?}; use one of {all}"));
        }
        if format.remove_srgb_suffix() != own.remove_srgb_suffix() {
            return refuse(format!("it is said to be {format:?}, and its texture is {own:?}"));
        }
        if !texture.usage().contains(usage) {
            return refuse(format!("it was made without the usage {usage:?}"));
        }
        if texture.dimension() != TextureDimension::D2 || texture.sample_count() != 1 {
            let (dimension, samples) = (texture.dimension(), texture.sample_count());
            let why = format!(
                "it is {dimension:?} with {samples} samples a pixel; use a two-dimensional texture \
                 of one sample"
            );
            return refuse(why);
        }
        if self.level >= texture.mip_level_count() {
            let (level, count) = (self.level, texture.mip_level_count());
            return refuse(format!("level {level} of a texture that has {count}"));
        }
        Ok(())
    }
}
