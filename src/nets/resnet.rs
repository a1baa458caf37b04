//! The ResNet generator (upstream's `resnet_9blocks`, `resnet_6blocks`): two halvings, residual
//! blocks at a quarter of the size, two doublings.

use super::Mode;
use super::weights::{ConvParams, NormKind, NormParams, Weights};
use crate::error::{Error, Result};
use crate::ops::{Act, Enlarge, Padding};
use crate::shape::Conv;
use crate::store::Store;
use crate::tape::{Tape, Tensor};
use std::fmt;
use std::str::FromStr;

/// Padding mode inside the residual blocks; the 7x7 layers at both ends always
/// reflect.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum BlockPadding {
    /// Its mirror image: upstream's default.
    #[default]
    Reflect,
    /// Its edge, repeated.
    Replicate,
    /// Zeros.
    Zero,
}

impl BlockPadding {
    /// The module that pads in a block; zeros are the convolution's own.
    fn module(self) -> Option<Padding> {
        match self {
            BlockPadding::Reflect => Some(Padding::Reflect),
            BlockPadding::Replicate => Some(Padding::Replicate),
            BlockPadding::Zero => None,
        }
    }
}

impl FromStr for BlockPadding {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        match s {
            "reflect" => Ok(BlockPadding::Reflect),
            "replicate" => Ok(BlockPadding::Replicate),
            "zero" => Ok(BlockPadding::Zero),
            _ => {
                let why = format!("{s}: choose reflect, replicate or zero");
                Err(Error::config(PADDING_TYPE, why))
            }
        }
    }
}

impl fmt::Display for BlockPadding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BlockPadding::Reflect => "reflect",
            BlockPadding::Replicate => "replicate",
            BlockPadding::Zero => "zero",
        })
    }
}

/// The padding's name among options and in what files say of themselves.
pub(crate) const PADDING_TYPE: &str = "padding_type";

/// Size of a ResNet generator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ResnetConfig {
    /// Channels of the input.
    pub input_nc: u32,
    /// Channels of the output.
    pub output_nc: u32,
    /// Channels of the first layer.
    pub ngf: u32,
    /// Residual blocks.
    pub blocks: u32,
    /// The norm.
    pub norm: NormKind,
    /// Whether the blocks drop out half their values.
    pub dropout: bool,
    /// Padding in the blocks.
    pub padding: BlockPadding,
}

impl Default for ResnetConfig {
    /// Upstream's `resnet_9blocks` for CycleGAN.
    fn default() -> Self {
        ResnetConfig {
            input_nc: 3,
            output_nc: 3,
            ngf: 64,
            blocks: 9,
            norm: NormKind::Instance,
            dropout: false,
            padding: BlockPadding::Reflect,
        }
    }
}

/// Halvings, and doublings.
const HALVINGS: u32 = 2;
const K7: Conv = Conv::new(7, 1, 0);
const HALVE: Conv = Conv::new(3, 2, 1);
const DOUBLE: Conv = Conv::new(3, 2, 1).with_output_pad(1);

impl ResnetConfig {
    /// What the sides of an image must be multiples of.
    pub fn multiple(&self) -> u32 {
        1 << HALVINGS
    }

    /// The smallest side: reflection in the blocks needs two pixels there, and norms more than one.
    pub(super) fn smallest(&self) -> u32 {
        2 << HALVINGS
    }

    /// Recognises a ResNet generator from the public names and shapes of its file. Zeros are
    /// inferred from them; replication looks like reflection, which it is taken for.
    #[cfg_attr(not(feature = "io"), expect(dead_code, reason = "files are read with it"))]
    pub(crate) fn of_file<'a>(shape: impl Fn(&str) -> Option<&'a [usize]>) -> Option<ResnetConfig> {
        const FIRST_BLOCK: u32 = 4 + 3 * HALVINGS;
        let conv = |name: String| shape(&format!("{name}.weight")).filter(|s| s.len() == 4);
        let first = conv("model.1".into()).filter(|s| s[2] == K7.kernel as usize)?;
        let padding = if conv(format!("model.{FIRST_BLOCK}.conv_block.0")).is_some() {
            BlockPadding::Zero
        } else {
            BlockPadding::Reflect
        };
        let with =
            |dropout, blocks| ResnetConfig { padding, dropout, blocks, ..ResnetConfig::default() };
        let place = |block: u32, part: usize, dropout| {
            format!("model.{}.conv_block.{}", FIRST_BLOCK + block, with(dropout, 0).places()[part])
        };
        let dropout = conv(place(0, 2, true)).is_some();
        // More than any net has: a file may claim anything.
        let blocks =
            (0..256).take_while(|&block| conv(place(block, 0, dropout)).is_some()).count() as u32;
        let last = conv(format!("model.{}", FIRST_BLOCK + blocks + 3 * HALVINGS + 1))
            .filter(|_| blocks > 0)?;
        let norm = match (shape("model.2.weight").is_some(), shape("model.1.bias").is_some()) {
            (true, true) => NormKind::InstanceAffine,
            (true, false) => NormKind::Batch,
            (false, true) => NormKind::Instance,
            (false, false) => NormKind::None,
        };
        let [input_nc, output_nc, ngf] = [first[1], last[0], first[0]].map(|c| c as u32);
        Some(ResnetConfig { input_nc, output_nc, ngf, norm, ..with(dropout, blocks) })
    }

    /// Places in a block's `Sequential`: first convolution and norm, second convolution and norm.
    /// Padding and dropout are modules of their own.
    fn places(&self) -> [u32; 4] {
        let (pad, drop) = (u32::from(self.padding.module().is_some()), u32::from(self.dropout));
        let second = pad + 3 + drop + pad;
        [pad, pad + 1, second, second + 1]
    }
}

#[derive(Debug)]
struct Layer {
    conv: ConvParams,
    norm: NormParams,
}

/// A ResNet generator with its parameters: `[n, h, w, input_nc]` in [-1, 1] to
/// `[n, h, w, output_nc]` in [-1, 1].
#[derive(Debug)]
pub struct Resnet {
    config: ResnetConfig,
    weights: Weights,
    /// The 7x7 layer, then the halvings.
    down: Vec<Layer>,
    blocks: Vec<[Layer; 2]>,
    /// The doublings.
    up: Vec<Layer>,
    last: ConvParams,
}

impl Resnet {
    /// Adds the parameters of a ResNet generator to a set of the store.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is no block, or a channel count is 0.
    pub fn new(store: &mut Store, set: &str, config: ResnetConfig) -> Result<Resnet> {
        let ResnetConfig { input_nc, output_nc, ngf, blocks, norm, padding, .. } = config;
        if [input_nc, output_nc, ngf, blocks].contains(&0) {
            return Err(Error::Usage(format!(
                "a ResNet generator has at least one block and one channel each, not {config:?}"
            )));
        }
        let mut weights = Weights::new(set, norm);
        if padding == BlockPadding::Replicate {
            // A file looks the same with reflection, and is that if nothing else is said.
            weights.about.insert(PADDING_TYPE.into(), padding.to_string());
        }
        let bias = norm.conv_bias();
        // Upstream's `Sequential`: padding 0, convolution 1, norm 2, ReLU 3; then convolution,
        // norm, ReLU for each halving.
        let mut down = vec![Layer {
            conv: weights.conv(store, "model.1", input_nc.into(), ngf, K7, bias),
            norm: weights.norm(store, "model.2", ngf),
        }];
        let mut at = 4;
        for halving in 0..HALVINGS {
            let (ci, co) = (ngf << halving, ngf << (halving + 1));
            let conv = weights.conv(store, &format!("model.{at}"), ci.into(), co, HALVE, bias);
            down.push(Layer { conv, norm: weights.norm(store, &format!("model.{}", at + 1), co) });
            at += 3;
        }
        let inner = ngf << HALVINGS;
        let k3 = Conv::new(3, 1, u32::from(padding.module().is_none()));
        let blocks = (at..at + blocks)
            .map(|block| {
                let places = config.places();
                [0, 2].map(|first| {
                    let name = |part: usize| format!("model.{block}.conv_block.{}", places[part]);
                    let conv = weights.conv(store, &name(first), inner.into(), inner, k3, bias);
                    Layer { conv, norm: weights.norm(store, &name(first + 1), inner) }
                })
            })
            .collect::<Vec<_>>();
        at += blocks.len() as u32;
        let mut up = Vec::new();
        for halving in (0..HALVINGS).rev() {
            let (ci, co) = (ngf << (halving + 1), ngf << halving);
            let conv =
                weights.conv_transpose(store, &format!("model.{at}"), ci.into(), co, DOUBLE, bias);
            up.push(Layer { conv, norm: weights.norm(store, &format!("model.{}", at + 1), co) });
            at += 3;
        }
        // Padding comes before it; it has a bias whatever the norm.
        let last =
            weights.conv(store, &format!("model.{}", at + 1), ngf.into(), output_nc, K7, true);
        Ok(Resnet { config, weights, down, blocks, up, last })
    }

    /// The configuration that it was built from.
    pub fn config(&self) -> &ResnetConfig {
        &self.config
    }

    /// Parameters and running statistics, under their public names.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Records the network on `x`, `[n, h, w, input_nc]` with h and w multiples of 4.
    ///
    /// # Errors
    /// [`Error::Shape`] for pictures too small to reflect, or other channels.
    pub(super) fn record(
        &self,
        tape: &mut Tape,
        store: &Store,
        x: Tensor,
        mode: Mode,
    ) -> Result<Tensor> {
        let before = tape.current_scope().to_string();
        let set = self.weights.set();
        let scope = |tape: &mut Tape, part: String| tape.scope(format!("{before}{set}/{part}"));
        // Padding comes before the ReLU, which makes no difference to the values: so the ReLU goes
        // into the convolution's loads.
        let pad = |tape: &mut Tape, h: Tensor| {
            tape.resample2d(h, Enlarge::No, Padding::Reflect, K7.kernel / 2)
        };
        let mut h = x;
        for (at, layer) in self.down.iter().enumerate() {
            scope(tape, format!("down{at}"));
            h = if at == 0 { pad(tape, h)? } else { tape.act(h, Act::Relu) };
            h = layer.record(tape, store, h, mode)?;
        }
        // A block starts with the sum, which has no activation behind it; the layer before the
        // first block has.
        scope(tape, "down".into());
        h = tape.act(h, Act::Relu);
        for (at, [first, second]) in self.blocks.iter().enumerate() {
            scope(tape, format!("block{at}"));
            let padded = |tape: &mut Tape, h| {
                self.config
                    .padding
                    .module()
                    .map_or(Ok(h), |padding| tape.resample2d(h, Enlarge::No, padding, 1))
            };
            let mut f = padded(tape, h)?;
            f = first.record(tape, store, f, mode)?;
            if self.config.dropout && mode.dropout {
                // Before the ReLU, which it commutes with: what it keeps it multiplies by 2.
                f = tape.dropout(f, 0.5)?;
            }
            f = padded(tape, f)?;
            f = tape.act(f, Act::Relu);
            f = second.record(tape, store, f, mode)?;
            h = tape.add(h, f)?;
        }
        for (at, layer) in self.up.iter().enumerate() {
            scope(tape, format!("up{at}"));
            if at > 0 {
                h = tape.act(h, Act::Relu);
            }
            h = layer.record(tape, store, h, mode)?;
        }
        scope(tape, "last".into());
        h = pad(tape, h)?;
        h = tape.act(h, Act::Relu);
        h = self.last.record(tape, store, h)?;
        let y = tape.act(h, Act::Tanh);
        tape.scope(before);
        Ok(y)
    }
}

impl Layer {
    fn record(&self, tape: &mut Tape, store: &Store, x: Tensor, mode: Mode) -> Result<Tensor> {
        let h = self.conv.record(tape, store, x)?;
        self.norm.record(tape, store, h, mode)
    }
}
