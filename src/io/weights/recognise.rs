//! Inferring the network of a weights file from names and shapes.

use super::pickle::Refusal;
use super::{Values, WeightsFile};
use crate::nets::{
    BlockPadding, DEPTHS, EnhancerConfig, GeneratorConfig, NormKind, PADDING_TYPE, ResnetConfig,
    UnetConfig, UnetNames, Upsample, unet_names,
};
use std::collections::BTreeMap;
use std::fmt;

/// More than any network has; a shape in a file without values may claim anything.
const MOST_CHANNELS: usize = 1 << 16;

/// A net with the names of the public files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Net {
    /// A U-Net generator. Dropout cannot be inferred and is taken as on, as upstream builds it.
    Unet(UnetConfig),
    /// A ResNet generator.
    Resnet(ResnetConfig),
    /// A local enhancer of pix2pixHD.
    Enhancer(EnhancerConfig),
    /// The feature encoder of pix2pixHD: a ResNet without blocks.
    Encoder(ResnetConfig),
    /// A discriminator of several scales.
    MultiScale {
        /// Number of scales.
        scales: u32,
        /// Number of strided layers of each.
        n_layers: u32,
        /// Channels of the input.
        input_nc: u32,
        /// Channels of the first layer.
        ndf: u32,
    },
    /// A PatchGAN discriminator.
    Patch {
        /// Number of strided layers.
        n_layers: u32,
        /// Channels of the input.
        input_nc: u32,
        /// Channels of the first layer.
        ndf: u32,
        /// Kind of norm.
        norm: NormKind,
    },
    /// The pixel discriminator.
    Pixel {
        /// Channels of the input.
        input_nc: u32,
        /// Channels of the first layer.
        ndf: u32,
        /// Kind of norm.
        norm: NormKind,
    },
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Net::Unet(config) => write!(f, "U-Net generator {config}"),
            Net::Resnet(config) => write!(f, "generator: {}", GeneratorConfig::from(*config)),
            Net::Enhancer(config) => write!(f, "generator: {}", GeneratorConfig::from(*config)),
            Net::Encoder(config) => {
                write!(
                    f,
                    "feature encoder of {} halvings, {} features",
                    config.halvings, config.output_nc
                )
            }
            Net::MultiScale { scales, input_nc, .. } => {
                write!(f, "PatchGAN discriminator of {scales} scales on {input_nc} channels")
            }
            Net::Patch { n_layers, input_nc, .. } => {
                write!(f, "PatchGAN discriminator of {n_layers} layers on {input_nc} channels")
            }
            Net::Pixel { input_nc, .. } => write!(f, "pixel discriminator on {input_nc} channels"),
        }
    }
}

impl Net {
    /// Infers the network.
    ///
    /// # Errors
    /// A message saying what it is instead, if that can be inferred.
    pub fn recognise(file: &WeightsFile) -> Result<Net, String> {
        let tensors = &file.tensors;
        let has = |name: &str| tensors.contains_key(name);
        let shape = |name: &str| {
            tensors.get(name).map(|values| values.shape.as_slice()).filter(|s| s.len() == 4)
        };
        let norm = |norm: &str, conv: &str| norm_kind(tensors, norm, conv);
        if let Some(first) = shape("model.model.0.weight") {
            // A transposed convolution, or the convolution behind enlarging and padding:
            // [ci, co, 4, 4] or [co, ci, 3, 3].
            if let Some(&[ci, co, ..]) = shape("model.model.3.weight") {
                return unet(tensors, first, [ci, co], Upsample::Transpose).map(Net::Unet);
            }
            if let Some(&[co, ci, ..]) = shape("model.model.5.weight") {
                let said = file.about.as_ref().and_then(|a| a["upsample"].as_str());
                let upsample =
                    said.map_or(Ok(Upsample::Nearest), str::parse).map_err(|e| e.to_string())?;
                return unet(tensors, first, [ci, co], upsample).map(Net::Unet);
            }
        }
        let shape_of = |name: &str| tensors.get(name).map(|values| values.shape.as_slice());
        if let Some(config) = EnhancerConfig::of_file(shape_of) {
            small([config.input.logical(), config.output_nc, config.ngf])?;
            return Ok(Net::Enhancer(config));
        }
        if tensors.keys().any(|n| n.contains("conv_block")) {
            let resnet = ResnetConfig::of_file(shape_of);
            let mut config =
                resnet.ok_or("a ResNet of another make; this version has no such net")?;
            small([config.input.logical(), config.output_nc, config.ngf])?;
            // Names distinguish zeros from padding modules, but not one module from another.
            if config.padding == BlockPadding::Reflect
                && let Some(said) = file.about.as_ref().and_then(|a| a[PADDING_TYPE].as_str())
            {
                let known = said.parse().ok().filter(|p| *p != BlockPadding::Zero);
                config.padding = known.ok_or_else(|| {
                    format!(
                        "a ResNet whose file says \
                    {PADDING_TYPE} {said}, which its names do not have"
                    )
                })?;
            }
            return Ok(Net::Resnet(config));
        }
        if let Some(config) = ResnetConfig::of_file(shape_of).filter(|c| c.blocks == 0) {
            small([config.input.logical(), config.output_nc, config.ngf])?;
            return Ok(Net::Encoder(config));
        }
        if let Some(net) = multi_scale(&shape)? {
            return Ok(net);
        }
        if let Some(first) = shape("net.0.weight").filter(|_| has("net.5.weight")) {
            return Ok(Net::Pixel {
                input_nc: channels(first[1])?,
                ndf: channels(first[0])?,
                norm: norm("net.3", "net.2"),
            });
        }
        if let Some(first) = shape("model.0.weight").filter(|_| has("model.0.bias")) {
            let layers = (1..=6u32)
                .rev()
                .find(|n| shape(&format!("model.{}.weight", 3 * n + 2)).is_some_and(|s| s[0] == 1));
            if let Some(n_layers) = layers {
                return Ok(Net::Patch {
                    n_layers,
                    input_nc: channels(first[1])?,
                    ndf: channels(first[0])?,
                    norm: norm("model.3", "model.2"),
                });
            }
        }
        Err("not the weights of a known network: a U-Net generator (model.model.0.weight, \
             model.model.1.model.1.weight, …), a ResNet (model.10.conv_block.1.weight, …), a \
             PatchGAN (model.0.weight, \
             model.2.weight, …) or the pixel discriminator (net.0.weight, …)"
            .into())
    }
}

/// Refuses channel counts that no network has.
fn small(counts: [u32; 3]) -> Refusal<()> {
    counts.iter().try_for_each(|c| channels(*c as usize).map(drop))
}

/// A discriminator of several scales: each stage by itself (`scale0_layer0.0`), or each scale as
/// one (`layer0.0`).
fn multi_scale<'a>(shape: &impl Fn(&str) -> Option<&'a [usize]>) -> Refusal<Option<Net>> {
    let staged = shape("scale0_layer0.0.weight").is_some();
    let name = |scale: u32, layer: u32| match (staged, layer) {
        (true, _) => format!("scale{scale}_layer{layer}.0.weight"),
        (false, 0) => format!("layer{scale}.0.weight"),
        (false, _) => format!("layer{scale}.{}.weight", 3 * layer - 1),
    };
    let count = |present: &dyn Fn(u32) -> bool| (0..16).take_while(|n| present(*n)).count() as u32;
    let Some(first) = shape(&name(0, 0)) else { return Ok(None) };
    let scales = count(&|scale| shape(&name(scale, 0)).is_some());
    let layers = count(&|layer| shape(&name(0, layer)).is_some());
    let n_layers = layers.checked_sub(2).filter(|n| (1..=6).contains(n));
    let n_layers = n_layers.ok_or_else(|| format!("a discriminator of {layers} layers"))?;
    let (input_nc, ndf) = (channels(first[1])?, channels(first[0])?);
    Ok(Some(Net::MultiScale { scales, n_layers, input_nc, ndf }))
}

fn channels(count: usize) -> Refusal<u32> {
    if (1..=MOST_CHANNELS).contains(&count) {
        Ok(count as u32)
    } else {
        Err(format!("a layer of {count} channels, which no network has"))
    }
}

/// The kind of norm, inferred from one of them and the convolution before it.
fn norm_kind(tensors: &BTreeMap<String, Values>, norm: &str, conv: &str) -> NormKind {
    let has = |name: String| tensors.contains_key(&name);
    match (
        has(format!("{norm}.weight")),
        has(format!("{norm}.running_mean")),
        has(format!("{conv}.bias")),
    ) {
        (true, false, true) => NormKind::InstanceAffine,
        (true, ..) => NormKind::Batch,
        (false, _, true) => NormKind::Instance,
        (false, _, false) => NormKind::None,
    }
}

fn unet(
    tensors: &BTreeMap<String, Values>,
    first: &[usize],
    [last, output]: [usize; 2],
    upsample: Upsample,
) -> Refusal<UnetConfig> {
    let four = |name: &str| {
        tensors.get(&format!("{name}.weight")).is_some_and(|values| values.shape.len() == 4)
    };
    let mut config = UnetConfig {
        downs: u32::MAX,
        upsample,
        skips: last == 2 * first[0],
        ..UnetConfig::default()
    };
    // No deeper than any network that exists, whatever a file claims.
    config.downs =
        1 + (1..64).take_while(|&level| four(&unet_names(level, &config).down)).count() as u32;
    if !DEPTHS.contains(&config.downs) {
        return Err(format!("a U-Net of {} halvings; there are nets of 5 to 9", config.downs));
    }
    let innermost = config.downs - 1;
    // Without a norm there, the name belongs to the norm behind, whose weight is a vector.
    config.quirks.bottleneck_norm = true;
    config.quirks.bottleneck_norm = four(&unet_names(innermost, &config).up);
    let UnetNames { up, up_norm, .. } = unet_names(innermost, &config);
    config.norm = norm_kind(tensors, &up_norm.unwrap_or_default(), &up);
    config.quirks.conv_bias =
        config.norm == NormKind::Batch && tensors.contains_key(&format!("{up}.bias"));
    Ok(UnetConfig {
        input_nc: channels(first[1])?,
        output_nc: channels(output)?,
        ngf: channels(first[0])?,
        ..config
    })
}
