//! Generators by name.

use super::{DEPTHS, EnhancerConfig, GeneratorConfig, ResnetConfig, UnetConfig};
use std::fmt;

/// Which generator, without its sizes: what upstream's option `netG` names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum GeneratorKind {
    /// `unet_32` to `unet_512`.
    Unet {
        /// Halvings, 5 to 9.
        downs: u32,
    },
    /// `encoder_decoder_32` to `encoder_decoder_512`: the same without skips.
    EncoderDecoder {
        /// Halvings, 5 to 9.
        downs: u32,
    },
    /// `resnet_6blocks`, `resnet_9blocks`.
    Resnet {
        /// Residual blocks.
        blocks: u32,
    },
    /// `global`: a ResNet of more halvings (pix2pixHD).
    Global,
    /// `local`: the same with enhancers around it (pix2pixHD).
    Local,
}

/// Residual blocks of the nets that have names.
const BLOCKS: [u32; 2] = [9, 6];

impl GeneratorKind {
    /// The default of pix2pix.
    pub const UNET_256: GeneratorKind = GeneratorKind::Unet { downs: 8 };
    /// The default of CycleGAN.
    pub const RESNET_9BLOCKS: GeneratorKind = GeneratorKind::Resnet { blocks: 9 };

    /// The generator of a name.
    ///
    /// # Errors
    /// The names there are.
    pub fn of_name(name: &str) -> Result<GeneratorKind, String> {
        let all = DEPTHS
            .map(|downs| GeneratorKind::Unet { downs })
            .chain(DEPTHS.map(|downs| GeneratorKind::EncoderDecoder { downs }))
            .chain(BLOCKS.map(|blocks| GeneratorKind::Resnet { blocks }))
            .chain([GeneratorKind::Global, GeneratorKind::Local]);
        { all }.find(|kind| kind.to_string() == name).ok_or_else(|| {
            "choose unet_32, unet_64, unet_128, unet_256 or unet_512, encoder_decoder_32 to \
             encoder_decoder_512, resnet_6blocks or resnet_9blocks, or global or local (pix2pixHD)"
                .into()
        })
    }

    /// The net; what the name does not say is as in `like`.
    pub fn with(self, like: UnetConfig) -> GeneratorConfig {
        let UnetConfig { input_nc, output_nc, ngf, norm, dropout, .. } = like;
        let (input, resnet) = (input_nc.into(), ResnetConfig::default());
        match self {
            GeneratorKind::Unet { downs } => UnetConfig { downs, skips: true, ..like }.into(),
            GeneratorKind::EncoderDecoder { downs } => {
                UnetConfig { downs, skips: false, ..like }.into()
            }
            GeneratorKind::Resnet { blocks } => {
                ResnetConfig { input, output_nc, ngf, blocks, norm, dropout, ..resnet }.into()
            }
            GeneratorKind::Global => {
                ResnetConfig { input, output_nc, ngf, norm, halvings: 4, ..resnet }.into()
            }
            GeneratorKind::Local => {
                EnhancerConfig { input, output_nc, ngf, norm, ..EnhancerConfig::default() }.into()
            }
        }
    }
}

impl fmt::Display for GeneratorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GeneratorKind::Unet { downs } => write!(f, "unet_{}", 1u64 << downs),
            GeneratorKind::EncoderDecoder { downs } => {
                write!(f, "encoder_decoder_{}", 1u64 << downs)
            }
            GeneratorKind::Resnet { blocks } => write!(f, "resnet_{blocks}blocks"),
            GeneratorKind::Global => f.write_str("global"),
            GeneratorKind::Local => f.write_str("local"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_upstream() {
        for name in
            ["unet_32", "unet_512", "encoder_decoder_64", "resnet_6blocks", "global", "local"]
        {
            let kind = GeneratorKind::of_name(name).unwrap();
            assert_eq!(kind.to_string(), name);
            assert_eq!(kind.with(UnetConfig::default()).kind(), kind);
        }
        for name in ["unet_1024", "unet_16", "unet_100", "unet", "resnet_3blocks", "unet_0256"] {
            let message = GeneratorKind::of_name(name).unwrap_err();
            assert!(message.contains("unet_32") && message.contains("resnet_9blocks"));
        }
    }
}
