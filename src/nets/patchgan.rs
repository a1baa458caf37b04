//! The discriminators of pix2pix: PatchGAN with 1 to 6 layers, and the pixel discriminator; and
//! several PatchGANs at several scales, as pix2pixHD has them.

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

/// What a discriminator returns for a batch of images.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The output of every stage but the last, behind its activation: what feature matching
    /// compares.
    pub features: Vec<Tensor>,
    /// One logit for each receptive field, `[n, h', w', 1]`.
    pub logits: Tensor,
}

/// A discriminator with its parameters: `[n, h, w, input]` to logits `[n, h', w', 1]`.
#[derive(Debug)]
pub struct Discriminator {
    weights: Weights,
    stages: Stages,
}

/// A stack of convolutions with norms and leaky ReLUs.
#[derive(Debug)]
struct Stages(Vec<(ConvParams, NormParams)>);

/// A stage: public names of the convolution and of its norm, output channels, the convolution, and
/// whether it has a bias.
struct Stage {
    name: String,
    norm: Option<String>,
    channels: u32,
    conv: Conv,
    bias: bool,
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
        let stage = |name: String, norm: Option<String>, channels: u32, conv: Conv, bias: bool| {
            Stage { name, norm, channels, conv, bias }
        };
        let all = match kind {
            DiscriminatorKind::Pixel => {
                let k1 = Conv::new(1, 1, 0);
                vec![
                    stage("net.0".into(), None, ndf, k1, true),
                    stage("net.2".into(), Some("net.3".into()), 2 * ndf, k1, inner),
                    stage("net.5".into(), None, 1, k1, inner),
                ]
            }
            DiscriminatorKind::Patch { n_layers } => {
                check_layers(n_layers)?;
                (0..n_layers + 2)
                    .map(|layer| {
                        let (channels, stride) = patch_stage(layer, n_layers, ndf, 8 * ndf);
                        let outer = layer == 0 || layer > n_layers;
                        let at = if layer == 0 { 0 } else { 3 * layer - 1 };
                        let norm = (!outer).then(|| format!("model.{}", at + 1));
                        let conv = Conv::new(4, stride, 1);
                        stage(format!("model.{at}"), norm, channels, conv, outer || inner)
                    })
                    .collect()
            }
        };
        let stages = Stages::new(&mut weights, store, input, all);
        Ok(Discriminator { weights, stages })
    }

    /// Parameters and running statistics, under their public names.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Records the discriminator on `x`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the image is too small for its layers, or the channels are others.
    pub fn record(
        &self,
        tape: &mut Tape,
        store: &Store,
        x: Tensor,
        mode: Mode,
    ) -> Result<Judgement> {
        self.stages.record(tape, store, x, mode, self.weights.set())
    }

    /// Records one pass over two batches of the same shape: the judgements are those of a pass over
    /// the first and another over the second, without features. Each weight is read once, and its
    /// gradient has one writer.
    ///
    /// # Errors
    /// [`Error::Shape`] if the shapes differ, and as [`Discriminator::record`].
    pub fn record_both(
        &self,
        tape: &mut Tape,
        store: &Store,
        batches: [Tensor; 2],
        mode: Mode,
    ) -> Result<[Judgement; 2]> {
        let [first, second] = batches.map(|x| tape.shape(x));
        if first != second {
            let why = format!("{first} and {second} are judged together; they must be equal");
            return Err(tape.shape_error("record_both", why));
        }
        let joint = tape.join_batches(&batches)?;
        let mode = Mode { batches: 2 * mode.batches, ..mode };
        let logits = self.record(tape, store, joint, mode)?.logits;
        let logits = tape.split_batch(logits, &[first.n, first.n])?;
        Ok([0, 1].map(|at| Judgement { features: Vec::new(), logits: logits[at] }))
    }
}

fn check_layers(n_layers: u32) -> Result<()> {
    if (1..=6).contains(&n_layers) {
        return Ok(());
    }
    Err(Error::config("n_layers_D", format!("{n_layers}: choose 1 to 6")))
}

/// Output channels and stride of a layer of a PatchGAN with `n_layers` strided ones; channels
/// double up to `most`.
fn patch_stage(layer: u32, n_layers: u32, ndf: u32, most: u32) -> (u32, u32) {
    let channels = if layer > n_layers { 1 } else { (ndf << layer).min(most.max(ndf)) };
    (channels, if layer < n_layers { 2 } else { 1 })
}

impl Stages {
    fn new(weights: &mut Weights, store: &mut Store, input: Channels, all: Vec<Stage>) -> Stages {
        let mut from = input;
        let mut stages = Vec::new();
        for Stage { name, norm, channels, conv, bias } in all {
            let conv = weights.conv(store, &name, from, channels, conv, bias);
            let norm = norm.map_or(NormParams::None, |name| weights.norm(store, &name, channels));
            stages.push((conv, norm));
            from = channels.into();
        }
        Stages(stages)
    }

    fn record(
        &self,
        tape: &mut Tape,
        store: &Store,
        x: Tensor,
        mode: Mode,
        label: &str,
    ) -> Result<Judgement> {
        let before = tape.current_scope().to_string();
        let mut features = Vec::new();
        let mut h = x;
        for (at, (conv, norm)) in self.0.iter().enumerate() {
            tape.scope(format!("{before}{label}/c{at}"));
            h = conv.record(tape, store, h)?;
            h = norm.record(tape, store, h, mode)?;
            if at + 1 < self.0.len() {
                h = tape.act(h, Act::LeakyRelu(0.2));
                features.push(h);
            }
        }
        tape.scope(before);
        Ok(Judgement { features, logits: h })
    }
}

/// Size of a discriminator of several scales.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MultiScaleConfig {
    /// Channels of what it judges; a concatenation keeps its parts.
    pub input: Channels,
    /// Channels of the first layers.
    pub ndf: u32,
    /// Strided layers of each scale, 1 to 6.
    pub n_layers: u32,
    /// Number of scales, each half the size of the one before.
    pub scales: u32,
    /// The norm.
    pub norm: NormKind,
    /// Whether public names count every stage by itself, as where features are compared, or the
    /// layers of each scale as one sequence.
    pub staged: bool,
}

/// Copies of a PatchGAN on an image and its smaller versions, as in pix2pixHD: all convolutions
/// padded by 2, channels doubling up to 512.
#[derive(Debug)]
pub struct MultiScale {
    weights: Weights,
    /// The coarsest scale first, as public files count.
    scales: Vec<Stages>,
}

impl MultiScale {
    /// Adds the parameters of all scales to a set of the store.
    ///
    /// # Errors
    /// [`Error::Config`] if there are not 1 to 6 layers, or no scale.
    pub fn new(store: &mut Store, set: &str, config: MultiScaleConfig) -> Result<MultiScale> {
        let MultiScaleConfig { input, ndf, n_layers, scales, norm, staged } = config;
        check_layers(n_layers)?;
        if scales == 0 {
            return Err(Error::config("num_D", "must be at least 1"));
        }
        let mut weights = Weights::new(set, norm);
        let inner = norm.conv_bias();
        let scales = (0..scales)
            .map(|scale| {
                let stage = |layer: u32| {
                    let (channels, stride) = patch_stage(layer, n_layers, ndf, 512);
                    let outer = layer == 0 || layer > n_layers;
                    let name = |part: u32| match (staged, layer) {
                        (true, _) => format!("scale{scale}_layer{layer}.{part}"),
                        (false, 0) => format!("layer{scale}.{part}"),
                        (false, _) => format!("layer{scale}.{}", 3 * layer - 1 + part),
                    };
                    let norm = (!outer).then(|| name(1));
                    let conv = Conv::new(4, stride, 2);
                    Stage { name: name(0), norm, channels, conv, bias: outer || inner }
                };
                let all = (0..n_layers + 2).map(stage).collect();
                Stages::new(&mut weights, store, input, all)
            })
            .collect();
        Ok(MultiScale { weights, scales })
    }

    /// The parameters of all scales.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Records all scales on `x`: the finest first, on `x` itself, each further one on the averages
    /// of 3x3 pixels ([`Tape::avg_pool2d`]) of the input of the one before.
    ///
    /// # Errors
    /// [`Error::Shape`] if the image is too small for its layers, or the channels are others.
    pub fn record(
        &self,
        tape: &mut Tape,
        store: &Store,
        x: Tensor,
        mode: Mode,
    ) -> Result<Vec<Judgement>> {
        let before = tape.current_scope().to_string();
        let mut x = x;
        let mut judgements = Vec::new();
        for (scale, stages) in self.scales.iter().enumerate().rev() {
            if !judgements.is_empty() {
                tape.scope(format!("{before}{}/pyramid", self.weights.set()));
                x = tape.avg_pool2d(x);
                tape.scope(before.clone());
            }
            let label = format!("{}/scale{scale}", self.weights.set());
            judgements.push(stages.record(tape, store, x, mode, &label)?);
        }
        Ok(judgements)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_have_the_parameters_of_the_public_files() {
        let count = |input: u32, scales: u32| {
            let (mut store, norm) = (Store::new(), NormKind::Instance);
            let (input, staged) = (input.into(), true);
            let config = MultiScaleConfig { input, ndf: 64, n_layers: 3, scales, norm, staged };
            let net = MultiScale::new(&mut store, "D", config).unwrap();
            let names: Vec<_> = net.weights().params().map(|p| p.name.clone()).collect();
            assert_eq!(
                names[..3],
                ["scale0_layer0.0.weight", "scale0_layer0.0.bias", "scale0_layer1.0.weight"]
            );
            assert_eq!(names.len(), 10 * scales as usize);
            net.weights().count()
        };
        let counts = [count(39, 2), count(39, 3), count(6, 2)];
        assert_eq!(counts, [5_603_202, 8_404_803, 5_535_618]);
    }

    #[test]
    fn a_judgement_has_the_output_of_every_stage() {
        let mut store = Store::new();
        let config = DiscriminatorConfig {
            input: 6.into(),
            ndf: 8,
            kind: DiscriminatorKind::Patch { n_layers: 3 },
            norm: NormKind::Instance,
        };
        let net = Discriminator::new(&mut store, "D", config).unwrap();
        let mut tape = Tape::new();
        let x = tape.input("x", crate::Shape::new(1, 64, 64, 6));
        let judgement = net.record(&mut tape, &store, x, Mode::TRAIN).unwrap();
        let shape = |t: Tensor| {
            let shape = tape.shape(t);
            [shape.h, shape.w, shape.c.logical()]
        };
        let features: Vec<_> = judgement.features.iter().map(|t| shape(*t)).collect();
        assert_eq!(features, [[32, 32, 8], [16, 16, 16], [8, 8, 32], [7, 7, 64]]);
        assert_eq!(shape(judgement.logits), [6, 6, 1]);
    }

    #[test]
    fn maps_of_padded_scales_grow_as_the_public_discriminators_do() {
        let mut store = Store::new();
        let (input, norm) = (3.into(), NormKind::Instance);
        let config = MultiScaleConfig { input, ndf: 4, n_layers: 3, scales: 2, norm, staged: true };
        let net = MultiScale::new(&mut store, "D", config).unwrap();
        let mut tape = Tape::new();
        let x = tape.input("x", crate::Shape::new(1, 256, 512, 3));
        let scales = net.record(&mut tape, &store, x, Mode::TRAIN).unwrap();
        let sizes = |judgement: &Judgement| {
            let all = judgement.features.iter().chain([&judgement.logits]);
            all.map(|t| tape.shape(*t)).map(|s| (s.h, s.w)).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&scales[0]), [(129, 257), (65, 129), (33, 65), (34, 66), (35, 67)]);
        assert_eq!(sizes(&scales[1])[4], (19, 35));
        let labels: Vec<_> = tape.nodes().iter().map(|node| node.label.clone()).collect();
        assert!(labels[0].starts_with("D/scale1/c0"), "{labels:?}");
    }
}
