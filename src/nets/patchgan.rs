//! The discriminators of pix2pix: PatchGAN with 1 to 6 layers, and the pixel discriminator. They
//! return logits.

use super::Mode;
use super::weights::{ConvParams, NormKind, NormParams, Weights};
use crate::error::{Error, Result};
use crate::ops::Act;
use crate::shape::{Channels, Conv};
use crate::store::Store;
use crate::tape::{Tape, Tensor};

/// Architecture of a discriminator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DiscriminatorKind {
    /// `n_layers` strided layers and two more (upstream's `basic` has 3: a receptive field of
    /// 70x70).
    Patch {
        /// Strided layers, 1 to 6.
        n_layers: u32,
    },
    /// 1x1 convolutions.
    Pixel,
}

/// Size of a discriminator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DiscriminatorConfig {
    /// Channels of what it judges; a concatenation keeps its parts.
    pub input: Channels,
    /// Channels of the first layer.
    pub ndf: u32,
    /// Architecture.
    pub kind: DiscriminatorKind,
    /// The norm.
    pub norm: NormKind,
}

/// A discriminator with its parameters: `[n, h, w, input]` to logits `[n, h', w', 1]`.
#[derive(Debug)]
pub struct Discriminator {
    weights: Weights,
    layers: Vec<(ConvParams, NormParams)>,
}

impl Discriminator {
    /// Adds the parameters of a discriminator to a set of the store.
    ///
    /// # Errors
    /// [`Error::Config`] if there are not 1 to 6 layers.
    pub fn new(store: &mut Store, set: &str, config: DiscriminatorConfig) -> Result<Discriminator> {
        let DiscriminatorConfig { input, ndf, kind, norm } = config;
        let mut weights = Weights::new(set, norm);
        let inner = norm.conv_bias();
        // Name of the convolution, of its norm, output channels, convolution, bias.
        let rows: Vec<(String, Option<String>, u32, Conv, bool)> = match kind {
            DiscriminatorKind::Pixel => {
                let k1 = Conv::new(1, 1, 0);
                vec![
                    ("net.0".into(), None, ndf, k1, true),
                    ("net.2".into(), Some("net.3".into()), 2 * ndf, k1, inner),
                    ("net.5".into(), None, 1, k1, inner),
                ]
            }
            DiscriminatorKind::Patch { n_layers } => {
                if !(1..=6).contains(&n_layers) {
                    return Err(Error::config("n_layers_D", format!("{n_layers}: choose 1 to 6")));
                }
                let mut rows = vec![("model.0".into(), None, ndf, Conv::new(4, 2, 1), true)];
                for layer in 1..=n_layers {
                    let at = 3 * layer - 1;
                    let stride = if layer < n_layers { 2 } else { 1 };
                    rows.push((
                        format!("model.{at}"),
                        Some(format!("model.{}", at + 1)),
                        ndf * (1 << layer.min(3)),
                        Conv::new(4, stride, 1),
                        inner,
                    ));
                }
                rows.push((
                    format!("model.{}", 3 * n_layers + 2),
                    None,
                    1,
                    Conv::new(4, 1, 1),
                    true,
                ));
                rows
            }
        };
        let mut ci = input;
        let mut layers = Vec::new();
        for (name, norm_name, co, conv, bias) in rows {
            let conv = weights.conv(store, &name, ci, co, conv, bias);
            let norm = norm_name.map_or(NormParams::None, |n| weights.norm(store, &n, co));
            layers.push((conv, norm));
            ci = co.into();
        }
        Ok(Discriminator { weights, layers })
    }

    /// Parameters and running statistics, under their public names.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Records the discriminator on `x`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the picture is too small for its layers, or the channels are others.
    pub fn record(&self, tape: &mut Tape, store: &Store, x: Tensor, mode: Mode) -> Result<Tensor> {
        let before = tape.current_scope().to_string();
        let mut h = x;
        for (at, (conv, norm)) in self.layers.iter().enumerate() {
            tape.scope(format!("{before}{}/c{at}", self.weights.set()));
            h = conv.record(tape, store, h)?;
            h = norm.record(tape, store, h, mode)?;
            if at + 1 < self.layers.len() {
                h = tape.act(h, Act::LeakyRelu(0.2));
            }
        }
        tape.scope(before);
        Ok(h)
    }
}
