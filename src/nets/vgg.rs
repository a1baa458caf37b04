//! VGG-19 up to `relu5_1`: the features that a perceptual loss compares.
//!
//! Thirteen 3x3 convolutions, each with a ReLU, in five blocks with max pooling between them. The
//! names are those of torchvision's `vgg19`; of its file only the first part is needed.

use super::weights::{ConvParams, NormKind, Weights};
use crate::error::Result;
use crate::ops::Act;
use crate::shape::Conv;
use crate::store::Store;
use crate::tape::{Tape, Tensor};

/// Convolutions of each block, up to `relu5_1`.
const BLOCKS: [u32; 5] = [2, 2, 4, 4, 1];
const K3: Conv = Conv::new(3, 1, 1);

/// Size of a VGG-19.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VggConfig {
    /// Channels of each block.
    pub channels: [u32; 5],
}

impl Default for VggConfig {
    /// torchvision's.
    fn default() -> Self {
        VggConfig { channels: [64, 128, 256, 512, 512] }
    }
}

impl VggConfig {
    /// Each convolution: its place among torchvision's `features`, where convolution, ReLU and
    /// pooling count, and its block.
    fn convs() -> impl Iterator<Item = (u32, usize)> {
        let mut place = 0;
        BLOCKS.into_iter().enumerate().flat_map(move |(block, count)| {
            let first = place;
            // The pooling behind it.
            place += 2 * count + 1;
            (0..count).map(move |at| (first + 2 * at, block))
        })
    }

    /// Recognises the network from the public names and shapes of its file, and reads its size.
    pub fn of_file<'a>(shape: impl Fn(&str) -> Option<&'a [usize]>) -> Option<VggConfig> {
        let mut channels = [0; 5];
        let mut before = 3;
        for (place, block) in VggConfig::convs() {
            let &[co, ci, 3, 3] = shape(&format!("features.{place}.weight"))? else { return None };
            let fits = ci == before && (channels[block] == 0 || channels[block] as usize == co);
            if !fits || co == 0 || co > 1 << 16 {
                return None;
            }
            (channels[block], before) = (co as u32, co);
        }
        Some(VggConfig { channels })
    }
}

/// VGG-19's first part with its parameters: an image `[n, h, w, 3]` to five feature maps.
#[derive(Debug)]
pub struct Vgg {
    config: VggConfig,
    weights: Weights,
    convs: Vec<(usize, ConvParams)>,
}

impl Vgg {
    /// Adds the parameters to a set of the store, which is [frozen](Store::freeze).
    pub fn new(store: &mut Store, set: &str, config: VggConfig) -> Vgg {
        store.freeze(set);
        let mut weights = Weights::new(set, NormKind::None);
        let mut ci = 3;
        let convs = VggConfig::convs().map(|(place, block)| {
            let co = config.channels[block];
            let conv = weights.conv(store, &format!("features.{place}"), ci.into(), co, K3, true);
            ci = co;
            (block, conv)
        });
        let convs = convs.collect();
        Vgg { config, weights, convs }
    }

    /// The configuration that it was built from.
    pub fn config(&self) -> &VggConfig {
        &self.config
    }

    /// The parameters, under their public names.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Records it on `x` `[n, h, w, 3]`: the outputs of `relu1_1`, `relu2_1`, `relu3_1`, `relu4_1`
    /// and `relu5_1`.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] for other channels, or an image of fewer than 16 pixels a side.
    pub fn record(&self, tape: &mut Tape, store: &Store, x: Tensor) -> Result<Vec<Tensor>> {
        let before = tape.current_scope().to_string();
        let mut features = Vec::new();
        let mut h = x;
        for (at, (block, conv)) in self.convs.iter().enumerate() {
            tape.scope(format!("{before}{}/c{at}", self.weights.set()));
            let first = features.len() == *block;
            if first && at > 0 {
                h = tape.max_pool2d(h)?;
            }
            h = conv.record(tape, store, h)?;
            h = tape.act(h, Act::Relu);
            if first {
                features.push(h);
            }
        }
        tape.scope(before);
        Ok(features)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn names_and_sizes_are_those_of_torchvision() {
        let places: Vec<u32> = VggConfig::convs().map(|(place, _)| place).collect();
        assert_eq!(places, [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28]);
        let mut store = Store::new();
        let vgg = Vgg::new(&mut store, "VGG", VggConfig::default());
        let elements: usize = vgg.weights().params().map(|p| p.layout.elements()).sum();
        assert_eq!((elements, vgg.weights().count()), (12_944_960, 0));
    }

    #[test]
    fn a_file_says_how_wide_its_blocks_are() {
        let config = VggConfig { channels: [8, 16, 32, 64, 48] };
        let vgg = Vgg::new(&mut Store::new(), "VGG", config);
        let mut shapes: BTreeMap<_, _> =
            vgg.weights().params().map(|p| (p.name.clone(), p.layout.public_shape())).collect();
        let found = |shapes: &BTreeMap<String, Vec<usize>>| {
            VggConfig::of_file(|name| shapes.get(name).map(Vec::as_slice))
        };
        assert_eq!(found(&shapes), Some(config));
        shapes.remove("features.28.weight");
        assert_eq!(found(&shapes), None);
    }
}
