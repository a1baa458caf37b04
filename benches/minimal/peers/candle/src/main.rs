//! `unet_256` in candle, on the CPU: translates one image and says how long each part took.

#[path = "../../common.rs"]
mod common;
#[path = "../../../src/files.rs"]
mod files;
#[path = "../../names.rs"]
mod names;

use candle_core::{Device, Tensor};
use candle_nn::ops::leaky_relu;
use candle_nn::{GroupNorm, Module};
use common::{Result, SIDE};
use files::Weights;
use names::{DEPTH, names};

struct Level {
    down: Tensor,
    down_norm: Option<GroupNorm>,
    up: Tensor,
    bias: Option<Tensor>,
    up_norm: Option<GroupNorm>,
}

fn tensor(file: &mut Weights, name: &str) -> Result<Tensor> {
    let (shape, values) = file.read(name)?;
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

/// A batch norm that takes each image's own statistics: groups of one channel.
fn norm(file: &mut Weights, name: Option<String>) -> Result<Option<GroupNorm>> {
    let Some(name) = name else { return Ok(None) };
    let gamma = tensor(file, &format!("{name}.weight"))?;
    let beta = tensor(file, &format!("{name}.bias"))?;
    let channels = gamma.elem_count();
    Ok(Some(GroupNorm::new(gamma, beta, channels, channels, 1e-5)?))
}

fn load(path: &str) -> Result<Vec<Level>> {
    let mut file = Weights::open(path)?;
    let levels = (0..DEPTH).map(|at| {
        let names = names(at);
        Ok(Level {
            down: tensor(&mut file, &format!("{}.weight", names.down))?,
            down_norm: norm(&mut file, names.down_norm)?,
            up: tensor(&mut file, &format!("{}.weight", names.up))?,
            bias: match at {
                0 => {
                    let bias = tensor(&mut file, &format!("{}.bias", names.up))?;
                    Some(bias.reshape((1, (), 1, 1))?)
                }
                _ => None,
            },
            up_norm: norm(&mut file, names.up_norm)?,
        })
    });
    levels.collect()
}

fn forward(levels: &[Level], image: Tensor) -> candle_core::Result<Tensor> {
    let mut skips = Vec::new();
    let mut h = image;
    for (at, level) in levels.iter().enumerate() {
        if at > 0 {
            h = leaky_relu(&h, 0.2)?;
        }
        h = h.conv2d(&level.down, 1, 2, 1, 1)?;
        if let Some(norm) = &level.down_norm {
            h = norm.forward(&h)?;
        }
        skips.push(h.clone());
    }
    skips.pop();
    for level in levels.iter().rev() {
        h = h.relu()?.conv_transpose2d(&level.up, 1, 0, 2, 1)?;
        if let Some(bias) = &level.bias {
            h = h.broadcast_add(bias)?;
        }
        if let Some(norm) = &level.up_norm {
            h = norm.forward(&h)?;
        }
        // Kept before its activation: ReLU(LeakyReLU(x)) = ReLU(x).
        if let Some(skip) = skips.pop() {
            h = Tensor::cat(&[&skip, &h], 1)?;
        }
    }
    h.tanh()
}

fn main() -> Result<()> {
    common::run(|weights| {
        let levels = load(weights)?;
        let translate = move |planes: Vec<f32>| {
            let image = Tensor::from_vec(planes, (1, 3, SIDE, SIDE), &Device::Cpu)?;
            Ok(forward(&levels, image)?.flatten_all()?.to_vec1()?)
        };
        Ok(("candle, CPU".to_string(), translate))
    })
}
