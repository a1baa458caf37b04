//! The U-Net generator of pix2pix (upstream's `unet_128`, `unet_256`, and depths 5 to 9 in
//! general), and the encoder-decoder: the same without its skips.

use super::Mode;
use super::weights::{ConvParams, NormKind, NormParams, Weights};
use crate::error::{Error, Result};
use crate::ops::{Act, Enlarge, Padding};
use crate::shape::{Channels, Conv};
use crate::store::Store;
use crate::tape::{Tape, Tensor};
use std::fmt;
use std::str::FromStr;

/// How the decoder doubles the resolution.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Upsample {
    /// Transposed convolution, kernel 4, stride 2: upstream's.
    Transpose,
    /// Resize convolution: nearest neighbour, reflection by 1, convolution 3x3. It leaves no
    /// checkerboard.
    Nearest,
    /// The same with bilinear enlarging.
    Bilinear,
}

impl FromStr for Upsample {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        match s {
            "transpose" => Ok(Upsample::Transpose),
            "nearest" => Ok(Upsample::Nearest),
            "bilinear" => Ok(Upsample::Bilinear),
            _ => {
                let why = format!("{s}: choose transpose, nearest or bilinear");
                Err(Error::config("upsample", why))
            }
        }
    }
}

impl fmt::Display for Upsample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Upsample::Transpose => "transpose",
            Upsample::Nearest => "nearest",
            Upsample::Bilinear => "bilinear",
        })
    }
}

/// Size of a U-Net.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnetConfig {
    /// Channels of the input.
    pub input_nc: u32,
    /// Channels of the output.
    pub output_nc: u32,
    /// Channels of the first layer.
    pub ngf: u32,
    /// Number of halvings, 5 to 9: `unet_32` to `unet_512`.
    pub downs: u32,
    /// The norm.
    pub norm: NormKind,
    /// Whether the inner decoder layers drop out half their values.
    pub dropout: bool,
    /// How the decoder doubles the resolution.
    pub upsample: Upsample,
    /// Whether each decoder layer also sees what the encoder had at its size; without it is an
    /// encoder-decoder.
    pub skips: bool,
    /// What imported nets have beside that.
    pub quirks: UnetQuirks,
}

/// What U-Nets of other implementations have and upstream's does not. Default: none of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct UnetQuirks {
    /// Every convolution has a bias, before a batch norm too (Torch, TensorFlow).
    pub conv_bias: bool,
    /// A norm behind the innermost convolution (TensorFlow). At batch 1 and 1x1 pixels it leaves
    /// nothing of what comes in.
    pub bottleneck_norm: bool,
}

impl Default for UnetConfig {
    /// Upstream's `unet_256` for RGB pictures.
    fn default() -> Self {
        UnetConfig {
            input_nc: 3,
            output_nc: 3,
            ngf: 64,
            downs: 8,
            norm: NormKind::Batch,
            dropout: true,
            upsample: Upsample::Transpose,
            skips: true,
            quirks: UnetQuirks::default(),
        }
    }
}

impl fmt::Display for UnetConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let UnetConfig { input_nc, output_nc, ngf, norm, .. } = self;
        let name = if self.skips { "unet" } else { ENCODER_DECODER };
        write!(
            f,
            "{name}_{}, ngf {ngf}, {input_nc} to {output_nc} channels, norm {norm}",
            self.multiple()
        )?;
        if self.upsample != Upsample::Transpose {
            write!(f, ", upsample {}", self.upsample)?;
        }
        f.write_str(if self.quirks.conv_bias { ", biases everywhere" } else { "" })?;
        f.write_str(if self.quirks.bottleneck_norm { ", norm at the bottleneck" } else { "" })
    }
}

/// Depths that there are.
pub(crate) const DEPTHS: std::ops::RangeInclusive<u32> = 5..=9;
const K4S2: Conv = Conv::new(4, 2, 1);
const K3: Conv = Conv::new(3, 1, 0);
/// Prefix of the encoder-decoder's names; the U-Net's is `unet`.
const ENCODER_DECODER: &str = "encoder_decoder";

impl UnetConfig {
    /// What the sides of an image must be multiples of: `2^downs`.
    pub fn multiple(&self) -> u32 {
        1 << self.downs
    }

    /// Whether an image of this size is accepted: both sides multiples of `2^downs`.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the nearest sizes.
    pub fn check_size(&self, width: u32, height: u32) -> Result<()> {
        let m = self.multiple();
        if width.is_multiple_of(m) && height.is_multiple_of(m) && width > 0 && height > 0 {
            return Ok(());
        }
        let near = |side: u32| match (side / m * m, side.next_multiple_of(m)) {
            (0, above) => above.max(m).to_string(),
            (below, above) if below == above => below.to_string(),
            (below, above) => format!("{below} or {above}"),
        };
        let nearest = format!("nearest: width {}, height {}", near(width), near(height));
        Err(Error::Usage(format!(
            "an image of {width}x{height} does not fit {} downsampling layers: both sides must be \
             multiples of {m} ({nearest}); resize it, or use a shallower network",
            self.downs
        )))
    }
}

/// Names of the parts of a U-Net's level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnetNames {
    pub down: String,
    pub down_norm: Option<String>,
    pub up: String,
    pub up_norm: Option<String>,
}

/// The parts' names in PyTorch, places in nested lists of modules; level 0 is the outermost.
pub(crate) fn unet_names(level: u32, config: &UnetConfig) -> UnetNames {
    // Level 0 is `model.model`, every further one hides in the submodule of the one before.
    let prefix = if level == 0 {
        "model.model".to_string()
    } else {
        format!("model.model.1.model{}", ".3.model".repeat(level as usize - 1))
    };
    // Enlarging and padding are modules of their own before the convolution.
    let shift = if config.upsample == Upsample::Transpose { 0 } else { 2 };
    let (down, down_norm, up, up_norm) =
        match (level == 0, level == config.downs - 1, config.quirks.bottleneck_norm) {
            (true, ..) => (0, None, 3, None),
            (_, true, false) => (1, None, 3, Some(4)),
            // A port that puts a norm there has it in the list like the others.
            (_, true, true) => (1, Some(2), 4, Some(5)),
            _ => (1, Some(2), 5, Some(6)),
        };
    let at = |place: u32| format!("{prefix}.{place}");
    UnetNames {
        down: at(down),
        down_norm: down_norm.map(at),
        up: at(up + shift),
        up_norm: up_norm.map(|place| at(place + shift)),
    }
}

#[derive(Debug)]
struct Level {
    down: ConvParams,
    down_norm: NormParams,
    up: ConvParams,
    up_norm: NormParams,
    dropout: bool,
}

/// A convolution of a U-Net with what lies around it.
#[derive(Debug)]
pub(crate) struct UnetLayer<'a> {
    /// `G/down3` for example.
    pub label: String,
    /// The layers whose results it joins, in this order; `None` is the picture.
    pub inputs: Vec<Option<usize>>,
    /// What comes before the convolution.
    pub act: Option<Act>,
    /// How the picture is enlarged between the two, by resize convolutions.
    pub enlarge: Option<Enlarge>,
    pub conv: &'a ConvParams,
    /// The norm behind the convolution.
    pub norm: &'a NormParams,
    pub dropout: bool,
}

impl UnetLayer<'_> {
    /// Records the layer up to its convolution.
    pub fn record(&self, tape: &mut Tape, store: &Store, inputs: &[Tensor]) -> Result<Tensor> {
        let joined = if let [one] = *inputs { one } else { tape.concat(inputs)? };
        let mut h = self.act.map_or(joined, |act| tape.act(joined, act));
        if let Some(enlarge) = self.enlarge {
            h = tape.resample2d(h, enlarge, Padding::Reflect, 1)?;
        }
        self.conv.record(tape, store, h)
    }
}

/// A U-Net generator with its parameters: `[n, h, w, input_nc]` in [-1, 1] to
/// `[n, h, w, output_nc]` in [-1, 1].
#[derive(Debug)]
pub struct Unet {
    config: UnetConfig,
    weights: Weights,
    levels: Vec<Level>,
}

impl Unet {
    /// Adds the parameters of a U-Net to a set of the store.
    ///
    /// # Errors
    /// [`Error::Usage`] if the depth is not 5 to 9, or a channel count is 0.
    pub fn new(store: &mut Store, set: &str, config: UnetConfig) -> Result<Unet> {
        let UnetConfig { input_nc, output_nc, ngf, downs, norm, dropout, upsample, skips, quirks } =
            config;
        if !DEPTHS.contains(&downs) || input_nc == 0 || output_nc == 0 || ngf == 0 {
            return Err(Error::Usage(format!(
                "a U-Net has 5 to 9 halvings and at least one channel each, not {config:?}"
            )));
        }
        let mut weights = Weights::new(set, norm);
        if upsample == Upsample::Bilinear {
            // A file of a resize convolution looks the same either way, and is nearest if nothing
            // else is said.
            weights.about.insert("upsample".into(), upsample.to_string());
        }
        let channels = |level: u32| ngf * (1 << level.min(3));
        let mut levels = Vec::new();
        for level in 0..downs {
            let (outermost, innermost) = (level == 0, level == downs - 1);
            let names = unet_names(level, &config);
            let own = channels(level);
            let (before, after) = if outermost {
                (input_nc, output_nc)
            } else {
                (channels(level - 1), channels(level - 1))
            };
            let bias = norm.conv_bias() || quirks.conv_bias;
            let joined = if innermost || !skips {
                own.into()
            } else {
                Channels::concat(&[own.into(), own.into()]).expect("two parts")
            };
            let norm_of =
                |store: &mut Store, weights: &mut Weights, name: Option<String>, c| match name {
                    Some(name) => weights.norm(store, &name, c),
                    None => NormParams::None,
                };
            let down = weights.conv(store, &names.down, before.into(), own, K4S2, bias);
            let down_norm = norm_of(store, &mut weights, names.down_norm, own);
            let up = match upsample {
                Upsample::Transpose => {
                    weights.conv_transpose(store, &names.up, joined, after, K4S2, bias || outermost)
                }
                Upsample::Nearest | Upsample::Bilinear => {
                    weights.conv(store, &names.up, joined, after, K3, bias || outermost)
                }
            };
            let up_norm = norm_of(store, &mut weights, names.up_norm, after);
            // Upstream drops out on the blocks between the innermost one and the four outer ones.
            let dropout = dropout && (4..downs - 1).contains(&level);
            levels.push(Level { down, down_norm, up, up_norm, dropout });
        }
        Ok(Unet { config, weights, levels })
    }

    /// The configuration that it was built from.
    pub fn config(&self) -> &UnetConfig {
        &self.config
    }

    /// Parameters and running statistics, under their public names.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Its layers in the order they run. The last one's result still goes through tanh.
    pub(crate) fn layers(&self) -> Vec<UnetLayer<'_>> {
        let (set, last) = (self.weights.set(), self.levels.len() - 1);
        let down = self.levels.iter().enumerate().map(|(level, part)| UnetLayer {
            label: format!("{set}/down{level}"),
            inputs: vec![level.checked_sub(1)],
            act: (level > 0).then_some(Act::LeakyRelu(0.2)),
            enlarge: None,
            conv: &part.down,
            norm: &part.down_norm,
            dropout: false,
        });
        let up = self.levels.iter().enumerate().rev().map(|(level, part)| UnetLayer {
            label: format!("{set}/up{level}"),
            // Skip first, then what comes from below. The skip is kept before its activation:
            // ReLU(LeakyReLU(x)) = ReLU(x).
            inputs: match (level == last, self.config.skips) {
                (true, _) => vec![Some(last)],
                (_, false) => vec![Some(2 * last - level)],
                (_, true) => vec![Some(level), Some(2 * last - level)],
            },
            act: Some(Act::Relu),
            enlarge: match self.config.upsample {
                Upsample::Transpose => None,
                Upsample::Nearest => Some(Enlarge::Nearest),
                Upsample::Bilinear => Some(Enlarge::Bilinear),
            },
            conv: &part.up,
            norm: &part.up_norm,
            dropout: part.dropout,
        });
        down.chain(up).collect()
    }

    /// Records the network on `x`, `[n, h, w, input_nc]` with h and w multiples of `2^downs`.
    ///
    /// # Errors
    /// [`Error::Usage`] for other sizes, [`Error::Shape`] for other channels or a norm over a
    /// single value.
    pub fn record(&self, tape: &mut Tape, store: &Store, x: Tensor, mode: Mode) -> Result<Tensor> {
        let shape = tape.shape(x);
        self.config.check_size(shape.w, shape.h)?;
        let before = tape.current_scope().to_string();
        let mut made: Vec<Tensor> = Vec::new();
        for layer in self.layers() {
            tape.scope(layer.label.as_str());
            let inputs: Vec<Tensor> =
                layer.inputs.iter().map(|from| from.map_or(x, |at| made[at])).collect();
            let mut h = layer.record(tape, store, &inputs)?;
            h = layer.norm.record(tape, store, h, mode)?;
            if layer.dropout && mode.dropout {
                h = tape.dropout(h, 0.5)?;
            }
            made.push(h);
        }
        let h = *made.last().expect("a U-Net has layers");
        let y = tape.act(h, Act::Tanh);
        tape.scope(before);
        Ok(y)
    }
}
