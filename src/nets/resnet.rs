//! The ResNet generator: some halvings, residual blocks at the smallest size, as many doublings.
//!
//! With two halvings upstream's `resnet_9blocks` and `resnet_6blocks`; with four pix2pixHD's global
//! generator; without blocks its feature encoder.

use super::Mode;
use super::weights::{ConvParams, NormKind, NormParams, Weights};
use crate::error::{Error, Result};
use crate::ops::{Act, Enlarge, Padding};
use crate::shape::{Channels, Conv};
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
    /// Channels of the input; a concatenation keeps its parts.
    pub input: Channels,
    /// Channels of the output.
    pub output_nc: u32,
    /// Channels of the first layer.
    pub ngf: u32,
    /// Halvings, and doublings; channels double with each halving.
    pub halvings: u32,
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
            input: 3.into(),
            output_nc: 3,
            ngf: 64,
            halvings: 2,
            blocks: 9,
            norm: NormKind::Instance,
            dropout: false,
            padding: BlockPadding::Reflect,
        }
    }
}

pub(super) const K7: Conv = Conv::new(7, 1, 0);
pub(super) const HALVE: Conv = Conv::new(3, 2, 1);
pub(super) const DOUBLE: Conv = Conv::new(3, 2, 1).with_output_pad(1);

/// More blocks than any network has: a file may claim anything.
const MOST: u32 = 256;

impl ResnetConfig {
    /// What the sides of an image must be multiples of.
    pub fn multiple(&self) -> u32 {
        1 << self.halvings
    }

    /// The smallest side: reflection in the blocks needs two pixels there, norms more than one, and
    /// reflection at both ends more than three.
    pub(super) fn smallest(&self) -> u32 {
        (2 << self.halvings).max(4)
    }

    /// The place of the first block in upstream's `Sequential`: padding 0, convolution 1, norm 2,
    /// ReLU 3, then convolution, norm and ReLU for each halving.
    fn first_block(&self) -> u32 {
        4 + 3 * self.halvings
    }

    /// The place of the last convolution.
    fn last(&self) -> u32 {
        self.first_block() + self.blocks + 3 * self.halvings + 1
    }

    /// Recognises a ResNet generator from the public names and shapes of its file. Zeros are
    /// inferred from them; replication looks like reflection, which it is taken for.
    #[cfg_attr(not(feature = "io"), expect(dead_code, reason = "files are read with it"))]
    pub(crate) fn of_file<'a>(shape: impl Fn(&str) -> Option<&'a [usize]>) -> Option<ResnetConfig> {
        let net = ResnetConfig::of_trunk(&shape)?;
        let last = shape(&format!("model.{}.weight", net.last()))
            .filter(|s| s.len() == 4 && s[2] == K7.kernel as usize)?;
        Some(ResnetConfig { output_nc: last[0] as u32, ..net })
    }

    /// The same of a file without the last convolution, whose channels stay those of the default.
    pub(super) fn of_trunk<'a>(
        shape: &impl Fn(&str) -> Option<&'a [usize]>,
    ) -> Option<ResnetConfig> {
        let conv = |name: String| shape(&format!("{name}.weight")).filter(|s| s.len() == 4);
        let first = conv("model.1".into()).filter(|s| s[2] == K7.kernel as usize)?;
        // Halvings double the channels, which nothing behind them does.
        let halvings = (0..16).take_while(|n| {
            let wider =
                conv(format!("model.{}", 4 + 3 * n)).filter(|s| s[2] == HALVE.kernel as usize);
            wider.is_some_and(|s| s[0] == 2 * s[1] && s[1] == first[0] << n)
        });
        let like = ResnetConfig { halvings: halvings.count() as u32, ..ResnetConfig::default() };
        let at = like.first_block();
        let padding = match conv(format!("model.{at}.conv_block.0")) {
            Some(_) => BlockPadding::Zero,
            None => BlockPadding::Reflect,
        };
        let with = |dropout, blocks| ResnetConfig { padding, dropout, blocks, ..like };
        let place = |block: u32, part: usize, dropout| {
            format!("model.{}.conv_block.{}", at + block, with(dropout, 0).places()[part])
        };
        let dropout = conv(place(0, 2, true)).is_some();
        let blocks =
            (0..MOST).take_while(|&block| conv(place(block, 0, dropout)).is_some()).count() as u32;
        let norm = match (shape("model.2.weight").is_some(), shape("model.1.bias").is_some()) {
            (true, true) => NormKind::InstanceAffine,
            (true, false) => NormKind::Batch,
            (false, true) => NormKind::Instance,
            (false, false) => NormKind::None,
        };
        let [input, ngf] = [first[1], first[0]].map(|c| c as u32);
        Some(ResnetConfig { input: input.into(), ngf, norm, ..with(dropout, blocks) })
    }

    /// Places in a block's `Sequential`: first convolution and norm, second convolution and norm.
    /// Padding and dropout are modules of their own.
    fn places(&self) -> [u32; 4] {
        let (pad, drop) = (u32::from(self.padding.module().is_some()), u32::from(self.dropout));
        let second = pad + 3 + drop + pad;
        [pad, pad + 1, second, second + 1]
    }
}

/// A convolution and its norm.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) conv: ConvParams,
    pub(super) norm: NormParams,
}

/// A residual block.
#[derive(Debug)]
pub(super) struct Block {
    layers: [Layer; 2],
    padding: BlockPadding,
    dropout: bool,
}

/// A ResNet generator without its last convolution.
#[derive(Debug)]
pub(super) struct Trunk {
    /// The 7x7 layer, then the halvings.
    down: Vec<Layer>,
    blocks: Vec<Block>,
    /// The doublings.
    up: Vec<Layer>,
}

/// A ResNet generator with its parameters: `[n, h, w, input]` in [-1, 1] to `[n, h, w, output_nc]`
/// in [-1, 1].
#[derive(Debug)]
pub struct Resnet {
    config: ResnetConfig,
    weights: Weights,
    trunk: Trunk,
    last: ConvParams,
}

impl Resnet {
    /// Adds the parameters of a ResNet generator to a set of the store.
    ///
    /// # Errors
    /// [`Error::Usage`] if a channel count is 0.
    pub fn new(store: &mut Store, set: &str, config: ResnetConfig) -> Result<Resnet> {
        let ResnetConfig { ngf, output_nc, .. } = config;
        let mut weights = Weights::new(set, config.norm);
        let trunk = Trunk::new(&mut weights, store, config)?;
        // Padding comes before it; it has a bias whatever the norm.
        let name = format!("model.{}", config.last());
        let last = weights.conv(store, &name, ngf.into(), output_nc, K7, true);
        Ok(Resnet { config, weights, trunk, last })
    }

    /// The configuration that it was built from.
    pub fn config(&self) -> &ResnetConfig {
        &self.config
    }

    /// Parameters and running statistics, under their public names.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Records the network on `x`, `[n, h, w, input]` with h and w multiples of
    /// [`ResnetConfig::multiple`].
    ///
    /// # Errors
    /// [`Error::Shape`] for pictures too small to reflect, or other channels.
    pub fn record(&self, tape: &mut Tape, store: &Store, x: Tensor, mode: Mode) -> Result<Tensor> {
        let before = tape.current_scope().to_string();
        let scope = format!("{before}{}/", self.weights.set());
        let h = self.trunk.record(tape, store, x, mode, &scope)?;
        tape.scope(format!("{scope}last"));
        let y = record_last(&self.last, tape, store, h)?;
        tape.scope(before);
        Ok(y)
    }
}

/// Reflection padding for a 7x7 convolution. It comes before the ReLU, which makes no difference to
/// the values: so the ReLU goes into the convolution's loads.
pub(super) fn pad7(tape: &mut Tape, h: Tensor) -> Result<Tensor> {
    tape.resample2d(h, Enlarge::No, Padding::Reflect, K7.kernel / 2)
}

/// The end of a generator, on what its last norm returns: ReLU, 7x7 convolution, tanh.
pub(super) fn record_last(
    last: &ConvParams,
    tape: &mut Tape,
    store: &Store,
    h: Tensor,
) -> Result<Tensor> {
    let h = pad7(tape, h)?;
    let h = tape.act(h, Act::Relu);
    let h = last.record(tape, store, h)?;
    Ok(tape.act(h, Act::Tanh))
}

impl Trunk {
    /// # Errors
    /// [`Error::Usage`] if a channel count is 0.
    pub(super) fn new(
        weights: &mut Weights,
        store: &mut Store,
        config: ResnetConfig,
    ) -> Result<Trunk> {
        let ResnetConfig { input, output_nc, ngf, halvings, blocks, norm, padding, .. } = config;
        if [input.logical(), output_nc, ngf].contains(&0) {
            return Err(Error::Usage(format!(
                "a ResNet generator has at least one channel everywhere, not {config:?}"
            )));
        }
        if padding == BlockPadding::Replicate {
            // A file looks the same with reflection, and is that if nothing else is said.
            weights.about.insert(PADDING_TYPE.into(), padding.to_string());
        }
        let bias = norm.conv_bias();
        let mut down = vec![Layer {
            conv: weights.conv(store, "model.1", input, ngf, K7, bias),
            norm: weights.norm(store, "model.2", ngf),
        }];
        for halving in 0..halvings {
            let (at, co) = (4 + 3 * halving, ngf << (halving + 1));
            let ci = (ngf << halving).into();
            let conv = weights.conv(store, &format!("model.{at}"), ci, co, HALVE, bias);
            down.push(Layer { conv, norm: weights.norm(store, &format!("model.{}", at + 1), co) });
        }
        let (first, inner) = (config.first_block(), ngf << halvings);
        let blocks = (first..first + blocks)
            .map(|at| Block::new(weights, store, &format!("model.{at}"), inner, config))
            .collect();
        let mut at = first + config.blocks;
        let mut up = Vec::new();
        for halving in (0..halvings).rev() {
            let (ci, co) = ((ngf << (halving + 1)).into(), ngf << halving);
            let conv = weights.conv_transpose(store, &format!("model.{at}"), ci, co, DOUBLE, bias);
            up.push(Layer { conv, norm: weights.norm(store, &format!("model.{}", at + 1), co) });
            at += 3;
        }
        Ok(Trunk { down, blocks, up })
    }

    /// Records it on `x`, up to the last norm: the ReLU behind is left to the caller. `scope` is
    /// the beginning of all labels.
    pub(super) fn record(
        &self,
        tape: &mut Tape,
        store: &Store,
        x: Tensor,
        mode: Mode,
        scope: &str,
    ) -> Result<Tensor> {
        let mut h = x;
        for (at, layer) in self.down.iter().enumerate() {
            tape.scope(format!("{scope}down{at}"));
            h = if at == 0 { pad7(tape, h)? } else { tape.act(h, Act::Relu) };
            h = layer.record(tape, store, h, mode)?;
        }
        if !self.blocks.is_empty() {
            // A block starts with the sum, which has no activation behind it; the layer before the
            // first block has.
            tape.scope(format!("{scope}down"));
            h = tape.act(h, Act::Relu);
        }
        for (at, block) in self.blocks.iter().enumerate() {
            tape.scope(format!("{scope}block{at}"));
            h = block.record(tape, store, h, mode)?;
        }
        for (at, layer) in self.up.iter().enumerate() {
            tape.scope(format!("{scope}up{at}"));
            if at > 0 || self.blocks.is_empty() {
                h = tape.act(h, Act::Relu);
            }
            h = layer.record(tape, store, h, mode)?;
        }
        Ok(h)
    }
}

impl Block {
    /// A block of `channels` channels, under `NAME.conv_block`.
    pub(super) fn new(
        weights: &mut Weights,
        store: &mut Store,
        name: &str,
        channels: u32,
        config: ResnetConfig,
    ) -> Block {
        let ResnetConfig { norm, padding, dropout, .. } = config;
        let places = config.places();
        let k3 = Conv::new(3, 1, u32::from(padding.module().is_none()));
        let layers = [0, 2].map(|first| {
            let name = |part: usize| format!("{name}.conv_block.{}", places[part]);
            let bias = norm.conv_bias();
            let conv = weights.conv(store, &name(first), channels.into(), channels, k3, bias);
            Layer { conv, norm: weights.norm(store, &name(first + 1), channels) }
        });
        Block { layers, padding, dropout }
    }

    /// Records `h` and what the block adds to it.
    pub(super) fn record(
        &self,
        tape: &mut Tape,
        store: &Store,
        h: Tensor,
        mode: Mode,
    ) -> Result<Tensor> {
        let padded = |tape: &mut Tape, h| {
            let module = self.padding.module();
            module.map_or(Ok(h), |padding| tape.resample2d(h, Enlarge::No, padding, 1))
        };
        let [first, second] = &self.layers;
        let mut f = padded(tape, h)?;
        f = first.record(tape, store, f, mode)?;
        if self.dropout && mode.dropout {
            // Before the ReLU, which it commutes with: what it keeps it multiplies by 2.
            f = tape.dropout(f, 0.5)?;
        }
        f = padded(tape, f)?;
        f = tape.act(f, Act::Relu);
        f = second.record(tape, store, f, mode)?;
        tape.add(h, f)
    }
}

impl Layer {
    pub(super) fn record(
        &self,
        tape: &mut Tape,
        store: &Store,
        x: Tensor,
        mode: Mode,
    ) -> Result<Tensor> {
        let h = self.conv.record(tape, store, x)?;
        self.norm.record(tape, store, h, mode)
    }
}
