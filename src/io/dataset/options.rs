//! What to read and how: names and meanings are the reference implementation's where it has them.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::io::picture::Reading;
use crate::{Error, Result};

/// Width and height in pixels. Written `286` where they are the same, else `512x256`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

impl Size {
    /// The same on both sides.
    pub const fn square(side: u32) -> Self {
        Size { width: side, height: side }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.width == self.height {
            write!(f, "{}", self.width)
        } else {
            write!(f, "{}x{}", self.width, self.height)
        }
    }
}

impl FromStr for Size {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        // Sides beyond this are mistakes, and their squares would overflow.
        let side = |s: &str| s.trim().parse::<u32>().ok().filter(|n| (1..=1 << 16).contains(n));
        let size = match s.split_once(['x', 'X']) {
            Some((w, h)) => side(w).zip(side(h)),
            None => side(s).map(|n| (n, n)),
        };
        let (width, height) = size.ok_or_else(|| {
            Error::Usage(format!("a size of {s:?}; give 286, or width x height as 512x256"))
        })?;
        Ok(Size { width, height })
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if self.width == self.height { s.serialize_u32(self.width) } else { s.collect_str(self) }
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Side(u32),
            Text(String),
        }
        let text = match Either::deserialize(d)? {
            Either::Side(side) => side.to_string(),
            Either::Text(text) => text,
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Which half of a pair is the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Input A (left), target B (right).
    AtoB,
    /// Input B (right), target A (left).
    BtoA,
}

/// How a half is brought to the training size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preprocess {
    /// Resize to load_size, then a random crop.
    ResizeAndCrop,
    /// A random crop. Pictures smaller than it are enlarged first.
    Crop,
    /// Width = load, height = max(load * h / w, crop); for label maps load * h / w.
    ScaleWidth,
    /// As `ScaleWidth`, then a random crop. Label maps lower than it are enlarged first.
    ScaleWidthAndCrop,
    /// Resize so that load_size is just covered, the aspect kept, then a random crop.
    ScaleShortsideAndCrop,
    /// As it is.
    None,
}

impl Preprocess {
    pub(super) fn crops(self) -> bool {
        matches!(
            self,
            Self::ResizeAndCrop
                | Self::Crop
                | Self::ScaleWidthAndCrop
                | Self::ScaleShortsideAndCrop
        )
    }
}

/// Where the holes are that are to be filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mask {
    /// The central rectangle of half the sides.
    Center,
    /// A square of half the shorter side, anywhere.
    Random,
    /// A picture of this folder, at random, stretched over the crop; what is brighter than the
    /// middle is a hole.
    Folder(PathBuf),
}

/// What is read beside label maps and images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelSet {
    /// Number of classes: a map's labels are below it. With 0 the input is an image instead.
    pub classes: u32,
    /// Whether instance maps are read.
    pub instances: Presence,
    /// Whether images of features are read.
    pub features: bool,
}

/// Whether something is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Presence {
    /// Where its folder is there.
    #[default]
    Found,
    /// It must be there.
    Required,
    /// Not even where it is there.
    Ignored,
}

/// How input and target follow from the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Pairs from pairs.
    Aligned,
    /// Unpaired image sets.
    Unaligned,
    /// From photos: lightness to the two colour channels of Lab.
    Colorization,
    /// From photos: with a white hole, to the whole.
    Inpaint(Mask),
    /// Label maps, instances and images, in folders of their own: `ROOT/PHASE_label`,
    /// `PHASE_inst`, `PHASE_img`, `PHASE_feat`.
    Labels(LabelSet),
}

/// Options of a dataset: folders, task, sizes, augmentation.
#[derive(Clone, Debug, PartialEq)]
pub struct DatasetOptions {
    /// Folder that holds the phases, or a list file.
    pub root: PathBuf,
    /// What of `root` to read: `train`, `val`, `test`, or any other name.
    pub phase: String,
    /// What input and target are computed from the files.
    pub task: Task,
    /// Direction: the side that is the input.
    pub direction: Direction,
    /// How halves are brought to one size.
    pub preprocess: Preprocess,
    /// Size after resizing.
    pub load_size: Size,
    /// Size after cropping.
    pub crop_size: Size,
    /// Crop the middle instead of a random place.
    pub center: bool,
    /// Mirror half of the pairs at random.
    pub flip: bool,
    /// Keep the sorted order instead of shuffling each epoch.
    pub serial_batches: bool,
    /// Pairs in a batch.
    pub batch_size: usize,
    /// Decides order, crops and flips.
    pub seed: u64,
    /// Use only the first so many files, in sorted order.
    pub max_dataset_size: Option<usize>,
    /// Channels of the input, whichever half it is; inferred from the files where there is none.
    pub input_nc: Option<u32>,
    /// Channels of the target.
    pub output_nc: Option<u32>,
    /// Subfolders of A and of B that hold a band each.
    pub bands: [Vec<String>; 2],
    /// What becomes -1 and 1: the full range of the files' values where there is none. For the
    /// deeper of the two sides if one is of 8 bits and the other is not.
    pub value_range: Option<[f32; 2]>,
    /// Whether images are turned as their files say, and what becomes of pixels without data.
    pub reading: Reading,
    /// Both sides are padded to multiples of this: 2^depth of a U-Net, 1 for no rule.
    pub multiple_of: u32,
    /// Bytes of decoded and resized pictures that may be kept.
    pub cache: u64,
}

impl Default for DatasetOptions {
    /// The reference's defaults.
    fn default() -> Self {
        DatasetOptions {
            root: PathBuf::new(),
            phase: "train".into(),
            task: Task::Aligned,
            direction: Direction::AtoB,
            preprocess: Preprocess::ResizeAndCrop,
            load_size: Size::square(286),
            crop_size: Size::square(256),
            center: false,
            flip: true,
            serial_batches: false,
            batch_size: 1,
            seed: 0,
            max_dataset_size: None,
            input_nc: None,
            output_nc: None,
            bands: [Vec::new(), Vec::new()],
            value_range: None,
            reading: Reading::default(),
            multiple_of: 1,
            cache: 0,
        }
    }
}

impl DatasetOptions {
    /// For pictures that are shown or measured, not trained on: whole as far as the size allows,
    /// not mirrored, in order, one at a time.
    pub fn plain(&self, phase: &str) -> Self {
        // Label maps that are not cropped have the size that they were trained at.
        let kept = self.labels().is_some() && !self.preprocess.crops();
        let load_size = if kept { self.load_size } else { self.crop_size };
        DatasetOptions {
            phase: phase.into(),
            load_size,
            center: true,
            flip: false,
            serial_batches: true,
            batch_size: 1,
            cache: 0,
            ..self.clone()
        }
    }

    /// What is read beside label maps, where there are any.
    pub(super) fn labels(&self) -> Option<&LabelSet> {
        match &self.task {
            Task::Labels(labels) => Some(labels),
            _ => None,
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        let refuse = |field, why: String| Err(Error::config(field, why));
        if self.batch_size == 0 {
            return refuse("batch_size", "must be at least 1".into());
        }
        if self.max_dataset_size == Some(0) {
            return refuse("max_dataset_size", "must be at least 1".into());
        }
        if let Some([low, high]) = self.value_range
            && !(low.is_finite() && high.is_finite() && low < high)
        {
            let why = format!("{low},{high}: the first must be below the second");
            return refuse("value_range", why);
        }
        let (load, crop) = (self.load_size, self.crop_size);
        let small = match self.preprocess {
            Preprocess::ResizeAndCrop | Preprocess::ScaleShortsideAndCrop => {
                load.width < crop.width || load.height < crop.height
            }
            Preprocess::ScaleWidthAndCrop => load.width < crop.width,
            _ => false,
        };
        if small {
            let why = format!(
                "{load} is smaller than `crop_size` {crop}: `preprocess` {} cannot crop that \
                 much; raise `load_size` or lower `crop_size`",
                self.preprocess
            );
            return refuse("load_size", why);
        }
        if self.task == Task::Colorization {
            if (self.input_nc.unwrap_or(1), self.output_nc.unwrap_or(2)) != (1, 2) {
                let why = "colorization has `input_nc` 1 (lightness) and `output_nc` 2 (colour); \
                           leave both out";
                return refuse("dataset_mode", why.into());
            }
            if self.direction != Direction::AtoB || self.value_range.is_some() {
                let why = "colorization takes neither `direction` BtoA nor `value_range`";
                return refuse("dataset_mode", why.into());
            }
        }
        if matches!(self.task, Task::Inpaint(_)) && self.direction != Direction::AtoB {
            return refuse("dataset_mode", "inpaint takes no `direction` BtoA".into());
        }
        if self.labels().is_some() && self.direction != Direction::AtoB {
            return refuse("direction", "BtoA: label maps are the input; leave it out".into());
        }
        Ok(())
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtoB => "AtoB",
            Self::BtoA => "BtoA",
        })
    }
}

impl FromStr for Direction {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        match s {
            "AtoB" => Ok(Self::AtoB),
            "BtoA" => Ok(Self::BtoA),
            _ => Err(Error::config("direction", format!("{s}: choose AtoB or BtoA"))),
        }
    }
}

const MODES: [(Preprocess, &str); 6] = [
    (Preprocess::ResizeAndCrop, "resize_and_crop"),
    (Preprocess::Crop, "crop"),
    (Preprocess::ScaleWidth, "scale_width"),
    (Preprocess::ScaleWidthAndCrop, "scale_width_and_crop"),
    (Preprocess::ScaleShortsideAndCrop, "scale_shortside_and_crop"),
    (Preprocess::None, "none"),
];

impl fmt::Display for Preprocess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = MODES.iter().find(|(mode, _)| mode == self).map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

impl FromStr for Preprocess {
    type Err = Error;

    /// Takes `-` for `_` as well.
    fn from_str(s: &str) -> Result<Self> {
        let wanted = s.replace('-', "_");
        let found = MODES.iter().find(|(_, name)| *name == wanted);
        found.map(|(mode, _)| *mode).ok_or_else(|| {
            let names = MODES.map(|(_, name)| name).join(", ");
            Error::config("preprocess", format!("{s}: choose one of {names}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for (mode, name) in MODES {
            assert_eq!(name.parse::<Preprocess>().unwrap(), mode);
            assert_eq!(mode.to_string(), name);
        }
        assert_eq!("scale-width".parse::<Preprocess>().unwrap(), Preprocess::ScaleWidth);
        assert!("resize".parse::<Preprocess>().is_err());
        for direction in [Direction::AtoB, Direction::BtoA] {
            assert_eq!(direction.to_string().parse::<Direction>().unwrap(), direction);
        }
        assert!("atob".parse::<Direction>().is_err());
    }

    #[test]
    fn a_size_is_one_number_or_two() {
        assert_eq!("286".parse::<Size>().unwrap(), Size::square(286));
        let wide = Size { width: 512, height: 256 };
        assert_eq!("512x256".parse::<Size>().unwrap(), wide);
        for bad in ["0", "x", "512x", "1x0", "-3", "99999", "1x2x3"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
        for (size, text) in [(Size::square(64), "64"), (wide, "\"512x256\"")] {
            assert_eq!(serde_json::to_string(&size).unwrap(), text);
            assert_eq!(serde_json::from_str::<Size>(text).unwrap(), size);
        }
    }
}
