//! The two networks of pix2pix, as the reference implementation builds them.

use burn::module::{Initializer, Module};
use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig, PaddingConfig2d};
use burn::tensor::activation::{leaky_relu, relu, tanh};
use burn::tensor::{Device, Tensor};

const WEIGHTS: Initializer = Initializer::Normal { mean: 0.0, std: 0.02 };
const SLOPE: f64 = 0.2;

fn conv(from: usize, to: usize, stride: usize, bias: bool, device: &Device) -> Conv2d {
    Conv2dConfig::new([from, to], [4, 4])
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
        .with_bias(bias)
        .with_initializer(WEIGHTS)
        .init(device)
}

fn conv_transpose(from: usize, to: usize, bias: bool, device: &Device) -> ConvTranspose2d {
    ConvTranspose2dConfig::new([from, to], [4, 4])
        .with_stride([2, 2])
        .with_padding([1, 1])
        .with_bias(bias)
        .with_initializer(WEIGHTS)
        .init(device)
}

fn batch_norm(channels: usize, device: &Device) -> BatchNorm {
    let mut norm = BatchNormConfig::new(channels).init(device);
    norm.gamma = Initializer::Normal { mean: 1.0, std: 0.02 }.init([channels], device);
    norm
}

/// One halving of the U-Net and the doubling that undoes it.
#[derive(Module, Debug)]
struct Level {
    down: Conv2d,
    down_norm: Option<BatchNorm>,
    up: ConvTranspose2d,
    up_norm: Option<BatchNorm>,
    dropout: Option<Dropout>,
}

/// The U-Net generator; level 0 is the outermost.
#[derive(Module, Debug)]
pub struct Unet {
    levels: Vec<Level>,
}

impl Unet {
    pub fn new(ngf: usize, depth: usize, device: &Device) -> Unet {
        let channels = |level: usize| ngf << level.min(3);
        let levels = (0..depth)
            .map(|level| {
                let (outermost, innermost) = (level == 0, level == depth - 1);
                let own = channels(level);
                let outer = if outermost { 3 } else { channels(level - 1) };
                Level {
                    down: conv(outer, own, 2, false, device),
                    down_norm: (!outermost && !innermost).then(|| batch_norm(own, device)),
                    // All but the innermost also read the skip.
                    up: conv_transpose(
                        if innermost { own } else { 2 * own },
                        outer,
                        outermost,
                        device,
                    ),
                    up_norm: (!outermost).then(|| batch_norm(outer, device)),
                    dropout: (4..depth - 1)
                        .contains(&level)
                        .then(|| DropoutConfig::new(0.5).init()),
                }
            })
            .collect();
        Unet { levels }
    }

    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let mut skips: Vec<Tensor<4>> = Vec::new();
        let mut h = input;
        for (index, level) in self.levels.iter().enumerate() {
            if index > 0 {
                h = leaky_relu(h, SLOPE);
            }
            h = level.down.forward(h);
            if let Some(norm) = &level.down_norm {
                h = norm.forward(h);
            }
            skips.push(h.clone());
        }
        skips.pop();
        for level in self.levels.iter().rev() {
            h = level.up.forward(relu(h));
            if let Some(norm) = &level.up_norm {
                h = norm.forward(h);
            }
            if let Some(dropout) = &level.dropout {
                h = dropout.forward(h);
            }
            // Kept before its activation: ReLU(LeakyReLU(x)) = ReLU(x).
            if let Some(skip) = skips.pop() {
                h = Tensor::cat(vec![skip, h], 1);
            }
        }
        tanh(h)
    }
}

/// The PatchGAN discriminator of three layers; gives logits.
#[derive(Module, Debug)]
pub struct PatchGan {
    convs: Vec<Conv2d>,
    norms: Vec<BatchNorm>,
}

impl PatchGan {
    pub fn new(ndf: usize, device: &Device) -> PatchGan {
        PatchGan {
            convs: vec![
                conv(6, ndf, 2, true, device),
                conv(ndf, 2 * ndf, 2, false, device),
                conv(2 * ndf, 4 * ndf, 2, false, device),
                conv(4 * ndf, 8 * ndf, 1, false, device),
                conv(8 * ndf, 1, 1, true, device),
            ],
            norms: [2, 4, 8].map(|factor| batch_norm(factor * ndf, device)).to_vec(),
        }
    }

    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let [first, inner @ .., last] = self.convs.as_slice() else { unreachable!("five layers") };
        let mut h = leaky_relu(first.forward(input), SLOPE);
        for (conv, norm) in inner.iter().zip(&self.norms) {
            h = leaky_relu(norm.forward(conv.forward(h)), SLOPE);
        }
        last.forward(h)
    }
}
