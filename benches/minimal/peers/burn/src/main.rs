//! `unet_256` in Burn: translates one image and says how long each part took.

#[path = "../../common.rs"]
mod common;
#[path = "../../../src/files.rs"]
mod files;
#[path = "../../names.rs"]
mod names;

use burn::module::Param;
use burn::nn::{InstanceNorm, InstanceNormConfig};
use burn::tensor::activation::{leaky_relu, relu, tanh};
use burn::tensor::module::{conv_transpose2d, conv2d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Device, Tensor, TensorData};
use common::{Result, SIDE};
use files::Weights;
use names::{DEPTH, names};

struct Level {
    down: Tensor<4>,
    down_norm: Option<InstanceNorm>,
    up: Tensor<4>,
    bias: Option<Tensor<1>>,
    up_norm: Option<InstanceNorm>,
}

fn tensor<const D: usize>(file: &mut Weights, name: &str, device: &Device) -> Result<Tensor<D>> {
    let (shape, values) = file.read(name)?;
    Ok(Tensor::from_data(TensorData::new(values, shape), device))
}

/// A batch norm that takes each image's own statistics is an instance norm.
fn norm(file: &mut Weights, name: Option<String>, device: &Device) -> Result<Option<InstanceNorm>> {
    let Some(name) = name else { return Ok(None) };
    let gamma = tensor::<1>(file, &format!("{name}.weight"), device)?;
    let mut norm = InstanceNormConfig::new(gamma.dims()[0]).init(device);
    norm.gamma = Some(Param::from_tensor(gamma));
    norm.beta = Some(Param::from_tensor(tensor(file, &format!("{name}.bias"), device)?));
    Ok(Some(norm))
}

fn load(path: &str, device: &Device) -> Result<Vec<Level>> {
    let mut file = Weights::open(path)?;
    let levels = (0..DEPTH).map(|at| {
        let names = names(at);
        let weight = |name: &str| format!("{name}.weight");
        Ok(Level {
            down: tensor(&mut file, &weight(&names.down), device)?,
            down_norm: norm(&mut file, names.down_norm, device)?,
            up: tensor(&mut file, &weight(&names.up), device)?,
            bias: match at {
                0 => Some(tensor(&mut file, &format!("{}.bias", names.up), device)?),
                _ => None,
            },
            up_norm: norm(&mut file, names.up_norm, device)?,
        })
    });
    levels.collect()
}

fn forward(levels: &[Level], image: Tensor<4>) -> Tensor<4> {
    let down = || ConvOptions::new([2, 2], [1, 1], [1, 1], 1);
    let up = || ConvTransposeOptions::new([2, 2], [1, 1], [0, 0], [1, 1], 1);
    let mut skips: Vec<Tensor<4>> = Vec::new();
    let mut h = image;
    for (at, level) in levels.iter().enumerate() {
        if at > 0 {
            h = leaky_relu(h, 0.2);
        }
        h = conv2d(h, level.down.clone(), None, down());
        if let Some(norm) = &level.down_norm {
            h = norm.forward(h);
        }
        skips.push(h.clone());
    }
    skips.pop();
    for level in levels.iter().rev() {
        h = conv_transpose2d(relu(h), level.up.clone(), level.bias.clone(), up());
        if let Some(norm) = &level.up_norm {
            h = norm.forward(h);
        }
        // Kept before its activation: ReLU(LeakyReLU(x)) = ReLU(x).
        if let Some(skip) = skips.pop() {
            h = Tensor::cat(vec![skip, h], 1);
        }
    }
    tanh(h)
}

#[cfg(feature = "flex")]
fn device() -> Result<(Device, String)> {
    Ok((Device::flex(), "Burn, flex".to_string()))
}

#[cfg(not(feature = "flex"))]
fn device() -> Result<(Device, String)> {
    let (device, setup) = Device::wgpu_options().init_with_setup()?;
    Ok((device, format!("Burn, wgpu, {}", setup.adapter.get_info().name)))
}

fn main() -> Result<()> {
    common::run(|weights| {
        let (device, name) = device()?;
        let levels = load(weights, &device)?;
        let translate = move |planes: Vec<f32>| {
            let image = TensorData::new(planes, [1, 3, SIDE, SIDE]);
            let made = forward(&levels, Tensor::from_data(image, &device));
            Ok(made.into_data().try_into_vec::<f32>()?)
        };
        Ok((name, translate))
    })
}
