//! Generators, as trainings and `translate` see them: networks from images to images.

use super::enhancer::{EnhancerConfig, LocalEnhancer};
use super::resnet::{PADDING_TYPE, Resnet, ResnetConfig};
use super::unet::{Unet, UnetConfig};
use super::weights::{NormKind, Weights};
use super::{BlockPadding, GeneratorKind, Mode};
use crate::error::{Error, Result};
use crate::shape::Channels;
use crate::store::Store;
use crate::tape::{Tape, Tensor};
use std::fmt;

/// Which generator, and its size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GeneratorConfig {
    /// A U-Net or an encoder-decoder.
    Unet(UnetConfig),
    /// A ResNet.
    Resnet(ResnetConfig),
    /// A ResNet with enhancers around it.
    Enhancer(EnhancerConfig),
}

/// A generator with its parameters: `[n, h, w, input_nc]` in [-1, 1] to `[n, h, w, output_nc]` in
/// [-1, 1].
#[derive(Debug)]
pub enum Generator {
    /// A U-Net or an encoder-decoder.
    Unet(Unet),
    /// A ResNet.
    Resnet(Box<Resnet>),
    /// A ResNet with enhancers around it.
    Enhancer(Box<LocalEnhancer>),
}

impl From<UnetConfig> for GeneratorConfig {
    fn from(config: UnetConfig) -> Self {
        GeneratorConfig::Unet(config)
    }
}

impl From<ResnetConfig> for GeneratorConfig {
    fn from(config: ResnetConfig) -> Self {
        GeneratorConfig::Resnet(config)
    }
}

impl From<EnhancerConfig> for GeneratorConfig {
    fn from(config: EnhancerConfig) -> Self {
        GeneratorConfig::Enhancer(config)
    }
}

impl fmt::Display for GeneratorConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GeneratorConfig::Unet(c) => write!(f, "U-Net of {} halvings", c.downs),
            GeneratorConfig::Resnet(c) => {
                write!(f, "ResNet of {} blocks", c.blocks)?;
                if c.halvings != 2 {
                    write!(f, " after {} halvings", c.halvings)?;
                }
                if c.padding == BlockPadding::Reflect {
                    Ok(())
                } else {
                    write!(f, ", padding {}", c.padding)
                }
            }
            GeneratorConfig::Enhancer(c) => {
                let inner = GeneratorConfig::from(c.global());
                write!(f, "local enhancer, {} times the size of a {inner}", 1 << c.enhancers)
            }
        }
    }
}

impl GeneratorConfig {
    /// The same net with other padding in its residual blocks.
    ///
    /// # Errors
    /// [`Error::Config`] for a U-Net, which has no such blocks, unless the padding is the default.
    pub fn with_padding(self, padding: BlockPadding) -> Result<GeneratorConfig> {
        match self {
            GeneratorConfig::Resnet(c) => Ok(ResnetConfig { padding, ..c }.into()),
            _ if padding == BlockPadding::default() => Ok(self),
            GeneratorConfig::Unet(_) => {
                let name = self.name();
                let why = format!(
                    "{padding}: {name} has no residual blocks to pad; leave it out, or choose \
                     `netG` resnet_9blocks"
                );
                Err(Error::config(PADDING_TYPE, why))
            }
            GeneratorConfig::Enhancer(_) => {
                let why = format!("{padding}: a local enhancer pads by reflection; leave it out");
                Err(Error::config(PADDING_TYPE, why))
            }
        }
    }

    /// Which net it is, without its sizes.
    pub fn kind(&self) -> GeneratorKind {
        match *self {
            GeneratorConfig::Unet(UnetConfig { downs, skips: true, .. }) => {
                GeneratorKind::Unet { downs }
            }
            GeneratorConfig::Unet(UnetConfig { downs, .. }) => {
                GeneratorKind::EncoderDecoder { downs }
            }
            GeneratorConfig::Resnet(ResnetConfig { blocks, halvings: 2, .. }) => {
                GeneratorKind::Resnet { blocks }
            }
            GeneratorConfig::Resnet(_) => GeneratorKind::Global,
            GeneratorConfig::Enhancer(_) => GeneratorKind::Local,
        }
    }

    /// Its public name (`netG`).
    pub fn name(&self) -> String {
        self.kind().to_string()
    }

    /// Channels of the input.
    pub fn input_nc(&self) -> u32 {
        self.input().logical()
    }

    /// Channels of the input, part by part.
    pub fn input(&self) -> Channels {
        match self {
            GeneratorConfig::Unet(c) => c.input_nc.into(),
            GeneratorConfig::Resnet(c) => c.input,
            GeneratorConfig::Enhancer(c) => c.input,
        }
    }

    /// The same net for an input in parts, each padded to whole vec4s: what a concatenation is.
    ///
    /// # Errors
    /// [`Error::Usage`] for a U-Net, whose input is one image.
    pub fn with_input(self, input: Channels) -> Result<GeneratorConfig> {
        match self {
            GeneratorConfig::Resnet(c) => Ok(ResnetConfig { input, ..c }.into()),
            GeneratorConfig::Enhancer(c) => Ok(EnhancerConfig { input, ..c }.into()),
            GeneratorConfig::Unet(_) => {
                Err(Error::Usage(format!("a U-Net takes one image, not channels {input}")))
            }
        }
    }

    /// Channels of the output.
    pub fn output_nc(&self) -> u32 {
        match self {
            GeneratorConfig::Unet(c) => c.output_nc,
            GeneratorConfig::Resnet(c) => c.output_nc,
            GeneratorConfig::Enhancer(c) => c.output_nc,
        }
    }

    /// The same net the other way: input and output exchanged.
    pub fn reversed(self) -> GeneratorConfig {
        match self {
            GeneratorConfig::Unet(c) => {
                UnetConfig { input_nc: c.output_nc, output_nc: c.input_nc, ..c }.into()
            }
            GeneratorConfig::Resnet(c) => {
                let (input, output_nc) = (c.output_nc.into(), c.input.logical());
                ResnetConfig { input, output_nc, ..c }.into()
            }
            GeneratorConfig::Enhancer(c) => {
                let (input, output_nc) = (c.output_nc.into(), c.input.logical());
                EnhancerConfig { input, output_nc, ..c }.into()
            }
        }
    }

    /// Channels of the first layer.
    pub fn ngf(&self) -> u32 {
        match self {
            GeneratorConfig::Unet(c) => c.ngf,
            GeneratorConfig::Resnet(c) => c.ngf,
            GeneratorConfig::Enhancer(c) => c.ngf,
        }
    }

    /// The norm.
    pub fn norm(&self) -> NormKind {
        match self {
            GeneratorConfig::Unet(c) => c.norm,
            GeneratorConfig::Resnet(c) => c.norm,
            GeneratorConfig::Enhancer(c) => c.norm,
        }
    }

    /// What the sides of an image must be multiples of.
    pub fn multiple(&self) -> u32 {
        match self {
            GeneratorConfig::Unet(c) => c.multiple(),
            GeneratorConfig::Resnet(c) => c.multiple(),
            GeneratorConfig::Enhancer(c) => c.multiple(),
        }
    }

    /// Whether an image of this size is accepted: both sides multiples of
    /// [`multiple`](Self::multiple), and not too small.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the nearest sizes.
    pub fn check_size(&self, width: u32, height: u32) -> Result<()> {
        let (least, what) = match self {
            GeneratorConfig::Unet(c) => return c.check_size(width, height),
            GeneratorConfig::Resnet(c) => (c.smallest(), "a ResNet generator"),
            GeneratorConfig::Enhancer(c) => (c.smallest(), "a local enhancer"),
        };
        let m = self.multiple();
        if [width, height].iter().all(|side| side.is_multiple_of(m) && *side >= least) {
            return Ok(());
        }
        let near = |side: u32| side.next_multiple_of(m).max(least);
        Err(Error::Usage(format!(
            "an image of {width}x{height} does not fit {what}: both sides must be multiples of \
             {m} and at least {least} (nearest: {}x{}); resize it",
            near(width),
            near(height)
        )))
    }
}

impl Generator {
    /// Adds the parameters of a generator to a set of the store.
    ///
    /// # Errors
    /// [`Error::Usage`] for sizes that no net has.
    pub fn new(
        store: &mut Store,
        set: &str,
        config: impl Into<GeneratorConfig>,
    ) -> Result<Generator> {
        Ok(match config.into() {
            GeneratorConfig::Unet(c) => Generator::Unet(Unet::new(store, set, c)?),
            GeneratorConfig::Resnet(c) => Generator::Resnet(Box::new(Resnet::new(store, set, c)?)),
            GeneratorConfig::Enhancer(c) => {
                Generator::Enhancer(Box::new(LocalEnhancer::new(store, set, c)?))
            }
        })
    }

    /// The configuration that it was built from.
    pub fn config(&self) -> GeneratorConfig {
        match self {
            Generator::Unet(net) => (*net.config()).into(),
            Generator::Resnet(net) => (*net.config()).into(),
            Generator::Enhancer(net) => (*net.config()).into(),
        }
    }

    /// Parameters and running statistics, under their public names.
    pub fn weights(&self) -> &Weights {
        match self {
            Generator::Unet(net) => net.weights(),
            Generator::Resnet(net) => net.weights(),
            Generator::Enhancer(net) => net.weights(),
        }
    }

    /// Records the network on `x`, `[n, h, w, input_nc]`.
    ///
    /// # Errors
    /// [`Error::Usage`] for sizes that do not pass, [`Error::Shape`] for other channels or a norm
    /// over a single value.
    pub fn record(&self, tape: &mut Tape, store: &Store, x: Tensor, mode: Mode) -> Result<Tensor> {
        let shape = tape.shape(x);
        self.config().check_size(shape.w, shape.h)?;
        match self {
            Generator::Unet(net) => net.record(tape, store, x, mode),
            Generator::Resnet(net) => net.record(tape, store, x, mode),
            Generator::Enhancer(net) => net.record(tape, store, x, mode),
        }
    }
}
