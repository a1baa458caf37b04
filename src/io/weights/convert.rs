//! Conventions of other implementations that a permutation of weights converts to ours, so that
//! there is one network here.

use super::pickle::Refusal;
use super::recognise::Net;
use super::{Values, WeightsFile};
use crate::nets::{UnetConfig, UnetNames, Upsample, unet_names};
use std::fmt;

/// Order of concatenation in the decoder: the skip first (PyTorch's pix2pix), or the upsampled
/// features first (Torch, TensorFlow).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ConcatOrder {
    /// The skip, then the upsampled features: ours.
    #[default]
    SkipFirst,
    /// The upsampled features, then the skip.
    UpFirst,
}

/// Order of an image's three channels.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ChannelOrder {
    /// Red, green, blue: ours.
    #[default]
    Rgb,
    /// Blue, green, red (Torch).
    Bgr,
}

impl fmt::Display for ConcatOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ConcatOrder::SkipFirst => "skip_first",
            ConcatOrder::UpFirst => "up_first",
        })
    }
}

impl fmt::Display for ChannelOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChannelOrder::Rgb => "rgb",
            ChannelOrder::Bgr => "bgr",
        })
    }
}

/// The conventions of a file's network.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Conversion {
    /// Order of the decoder's inputs.
    pub concat: ConcatOrder,
    /// Order of the images' channels.
    pub channels: ChannelOrder,
}

impl Conversion {
    /// Permutes a file's weights so that our network computes what the original did, and records
    /// that in the metadata.
    ///
    /// # Errors
    /// A message if the conversion does not apply to the file's network.
    pub fn apply(self, file: &mut WeightsFile) -> Result<(), String> {
        if self.concat == ConcatOrder::UpFirst {
            swap_halves(file)?;
            file.note("concat_order", "up_first, swapped");
        }
        if self.channels == ChannelOrder::Bgr {
            mirror_channels(file)?;
            file.note("channel_order", "bgr, mirrored");
        }
        Ok(())
    }
}

/// Swaps the halves of the input channels of every decoder layer that has a skip.
pub(super) fn swap_halves(file: &mut WeightsFile) -> Refusal<()> {
    let Net::Unet(config @ UnetConfig { upsample: Upsample::Transpose, skips: true, .. }) =
        Net::recognise(file)?
    else {
        return Err("has no skip connections to reorder; leave `concat_order` out".into());
    };
    for level in 0..config.downs - 1 {
        let UnetNames { up, .. } = unet_names(level, &config);
        let values = file.tensors.get_mut(&format!("{up}.weight")).ok_or("a layer is missing")?;
        let values = values.f32s_mut();
        // [in, out, k, k]: the input channels are the outermost dimension.
        let half = values.len() / 2;
        values.rotate_left(half);
    }
    Ok(())
}

/// Reverses the order of three channels, in input and output images.
fn mirror_channels(file: &mut WeightsFile) -> Refusal<()> {
    let (first, last) = match Net::recognise(file)? {
        Net::Unet(UnetConfig { upsample: Upsample::Transpose, .. }) => {
            ("model.model.0", Some("model.model.3"))
        }
        Net::Unet(_) => {
            let why = "has resize convolutions, which only this program trains, on RGB images; \
                       leave `channel_order` out";
            return Err(why.into());
        }
        Net::Resnet(_) | Net::Enhancer(_) | Net::Encoder(_) | Net::MultiScale { .. } => {
            let why = "is a network that comes from PyTorch, with RGB images; leave \
                       `channel_order` out";
            return Err(why.into());
        }
        Net::Patch { .. } => ("model.0", None),
        Net::Pixel { .. } => ("net.0", None),
    };
    let no = || "does not have three channels to reverse; leave `channel_order` out".to_string();
    let weight = file.tensors.get_mut(&format!("{first}.weight")).ok_or_else(no)?;
    mirror(weight).ok_or_else(no)?;
    if let Some(last) = last {
        let weight = file.tensors.get_mut(&format!("{last}.weight")).ok_or_else(no)?;
        mirror(weight).ok_or_else(no)?;
        let bias = file.tensors.get_mut(&format!("{last}.bias")).ok_or_else(no)?;
        bias.f32s_mut().reverse();
    }
    Ok(())
}

/// Reverses each group of three along the second dimension: input channels of a convolution, output
/// channels of a transposed one.
fn mirror(values: &mut Values) -> Option<()> {
    let [_, channels, kh, kw] = *values.shape.as_slice() else { return None };
    if channels == 0 || !channels.is_multiple_of(3) || kh * kw == 0 {
        return None;
    }
    for pixel in values.f32s_mut().chunks_exact_mut(3 * kh * kw) {
        let (first, rest) = pixel.split_at_mut(kh * kw);
        first.swap_with_slice(&mut rest[kh * kw..]);
    }
    Some(())
}
