//! The planes that a dataset's samples have, and what their files have in common.

use crate::io::IndexHeader;
use crate::io::picture::{Depth, Header};
use crate::picture::{Encoding, PictureFormat, Plane};

/// A plane of a dataset's samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// Its name.
    pub name: &'static str,
    /// What its files hold.
    pub kind: Kind,
    /// Channels of its images; 1 for maps.
    pub channels: u32,
    /// Kind of its images' values, the deepest of all files.
    pub depth: Depth,
}

/// What the files of a plane hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Images.
    Image,
    /// Images that are constant within regions.
    Regions,
    /// Maps of labels.
    Labels,
    /// Maps of instances.
    Instances,
}

/// What a file's header says about a plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    Image(Header),
    /// Of labels, which were read.
    Labels {
        header: IndexHeader,
        largest: u32,
    },
    Instances(IndexHeader),
}

impl Kind {
    pub(super) fn is_image(self) -> bool {
        matches!(self, Kind::Image | Kind::Regions)
    }
}

impl Slot {
    /// A plane of which no file is known yet.
    pub(super) fn new(name: &'static str, kind: Kind) -> Slot {
        Slot { name, kind, channels: 1, depth: Depth::U8 }
    }

    /// The plane as a model reads it.
    pub(super) fn plane(&self, format: PictureFormat) -> Plane {
        match self.kind {
            Kind::Image | Kind::Regions => Plane::image(self.name, self.channels, format),
            Kind::Labels => Plane::map(self.name, Encoding::Labels),
            Kind::Instances => Plane::map(self.name, Encoding::Instances),
        }
    }
}

impl Head {
    /// Width and height.
    pub(super) fn size(&self) -> (u32, u32) {
        match self {
            Head::Image(header) => (header.width, header.height),
            Head::Labels { header, .. } | Head::Instances(header) => (header.width, header.height),
        }
    }

    /// The header of an image.
    pub(super) fn image(&self) -> Option<&Header> {
        match self {
            Head::Image(header) => Some(header),
            _ => None,
        }
    }
}
