//! Values that are one of a few words.

use super::values::OptionValue;
use crate::io::weights::{ChannelOrder, ConcatOrder, Range};
use crate::io::{Direction, Preprocess};
use crate::nets::{BlockPadding, InitType, NormKind, Upsample};
use crate::ops::NormMode;
use crate::train::{GanMode, LrPolicy};
use serde_json::Value;
use std::fmt;

/// A type whose values are a few words.
pub trait Choice: Copy + fmt::Display + Send + Sync + 'static {
    /// All values, in the order of the documentation.
    const ALL: &'static [Self];

    /// The value of a word; `-` counts as `_`.
    ///
    /// # Errors
    /// The words there are.
    fn of_word(word: &str) -> Result<Self, String> {
        let plain = word.replace('-', "_");
        Self::ALL.iter().find(|value| value.to_string() == plain).copied().ok_or_else(|| {
            let words: Vec<String> = Self::ALL.iter().map(Self::to_string).collect();
            match words.split_last() {
                Some((last, [])) => format!("choose {last}"),
                Some((last, rest)) => format!("choose {} or {last}", rest.join(", ")),
                None => String::new(),
            }
        })
    }
}

macro_rules! choices {
    ($($type:ty: $($value:ident),+;)*) => {$(
        impl Choice for $type {
            const ALL: &'static [Self] = &[$(<$type>::$value),+];
        }
        option_of_choice!($type);
    )*};
}

macro_rules! option_of_choice {
    ($type:ty) => {
        impl OptionValue for $type {
            fn parse(word: &str) -> Result<Self, String> {
                Self::of_word(word)
            }
            fn to_json(&self) -> Value {
                self.to_string().into()
            }
            fn word(&self) -> Option<String> {
                Some(self.to_string())
            }
        }
    };
}

/// Enums of options that print as words: `words! { /// … Name { /// … Value = "value", … } }`.
macro_rules! words {
    ($($(#[$meta:meta])* $type:ident { $($(#[$doc:meta])* $value:ident = $word:literal),+ $(,)? })*)
    => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum $type {
            $($(#[$doc])* $value),+
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $($type::$value => $word),+
                })
            }
        }

        impl Choice for $type {
            const ALL: &'static [Self] = &[$($type::$value),+];
        }
        option_of_choice!($type);
    )*};
}

words! {
    /// What is trained: `--model`.
    ModelKind {
        /// Pairs of images.
        Pix2Pix = "pix2pix",
        /// pix2pix from lightness to colour.
        Colorization = "colorization",
        /// Two sets of images without pairs.
        CycleGan = "cycle_gan",
        /// Maps of labels and images.
        Pix2PixHd = "pix2pixHD",
    }

    /// What is made of the files: `--dataset_mode`.
    DatasetMode {
        /// Pairs from pairs.
        Aligned = "aligned",
        /// Two sets of images without pairs.
        Unaligned = "unaligned",
        /// From photos: lightness to the two colour channels of Lab.
        Colorization = "colorization",
        /// From photos: with a hole, to the whole.
        Inpaint = "inpaint",
        /// Maps of labels, of instances, and images.
        Labels = "labels",
    }

    /// Which discriminator: `--netD`.
    NetD {
        /// A PatchGAN of three strided layers.
        Basic = "basic",
        /// A PatchGAN of as many strided layers as `n_layers_d` says.
        NLayers = "n_layers",
        /// 1x1 convolutions.
        Pixel = "pixel",
    }

    /// A choice that is written as a word.
    OnOff {
        /// Yes.
        On = "on",
        /// No.
        Off = "off",
    }
}

choices! {
    ChannelOrder: Rgb, Bgr;
    ConcatOrder: SkipFirst, UpFirst;
    Range: Signed, Unit, Bytes;
    BlockPadding: Reflect, Replicate, Zero;
    Direction: AtoB, BtoA;
    GanMode: Vanilla, Lsgan, Hinge, Wgangp;
    InitType: Normal, Xavier, Kaiming, Orthogonal;
    LrPolicy: Linear, Step, Plateau, Cosine, Constant;
    NormKind: Batch, Instance, InstanceAffine, None;
    NormMode: Batch, Running, Instance;
    Preprocess:
        ResizeAndCrop, Crop, ScaleWidth, ScaleWidthAndCrop, ScaleShortsideAndCrop, None;
    Upsample: Transpose, Nearest, Bilinear;
}

impl ModelKind {
    /// Whether it takes two sets of images that need not be pairs.
    pub fn unpaired(self) -> bool {
        self == ModelKind::CycleGan
    }

    /// Whether its options.json also lists what only other models take. The older models' files
    /// always did, and stay as they are.
    pub(super) fn writes_all_options(self) -> bool {
        self != ModelKind::Pix2PixHd
    }
}

impl OnOff {
    /// Whether it is on.
    pub fn is_on(self) -> bool {
        self == OnOff::On
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_take_dashes_and_what_is_wrong_lists_them() {
        assert_eq!(NormKind::of_word("instance-affine"), Ok(NormKind::InstanceAffine));
        assert_eq!(GanMode::of_word("gan").unwrap_err(), "choose vanilla, lsgan, hinge or wgangp");
        assert_eq!(OnOff::of_word("yes").unwrap_err(), "choose on or off");
    }
}
