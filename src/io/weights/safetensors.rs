//! safetensors, in f32, f16 or bf16, and our own 8-bit form: a file of the same format in which a
//! weight `NAME` of type I8 comes with a vector `NAME.scale` (F32), one number per output channel;
//! a value is the product of the two. Other programs can read both tensors.

use super::pickle::Refusal;
use super::values::{Numbers, Values};
use super::{ABOUT, COUNTER, WeightsFile, short, sides};
use safetensors::{Dtype, SafeTensors, View};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::HashMap;

/// How the values of a file are stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Precision {
    /// As f32, exactly.
    F32,
    /// Weights as f16; vectors (biases, norms), which are small, exactly.
    F16,
    /// Weights as 8-bit integers with one scale per output channel; vectors exactly.
    I8,
}

const SCALE: &str = ".scale";

/// Parses a file.
pub(super) fn read(bytes: &[u8]) -> Refusal<WeightsFile> {
    let no = |e| {
        format!(
            "not a safetensors file ({e}), and neither a .pth (a state dict of PyTorch) nor a .pict"
        )
    };
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(no)?;
    let parsed =
        SafeTensors::deserialize(bytes).map_err(|e| format!("a broken safetensors file ({e})"))?;
    let mut file = WeightsFile::default();
    // Metadata that we cannot parse comes from another program.
    let about = header.metadata().as_ref().and_then(|m| m.get(ABOUT));
    file.about =
        about.and_then(|text| serde_json::from_str::<Value>(text).ok()).filter(Value::is_object);
    let mut integers = Vec::new();
    for (name, view) in parsed.tensors() {
        let numbers = match view.dtype() {
            Dtype::F32 => Numbers::F32(super::f32s(view.data())),
            Dtype::F16 => Numbers::F16(super::u16s(view.data())),
            Dtype::BF16 => Numbers::Bf16(super::u16s(view.data())),
            Dtype::F64 => Numbers::F32(super::f64s(view.data())),
            Dtype::I8 => {
                integers.push((name, view));
                continue;
            }
            Dtype::I64 if name.ends_with(COUNTER) && view.data().len() == 8 => {
                file.counters
                    .insert(name, i64::from_le_bytes(view.data().try_into().unwrap_or_default()));
                continue;
            }
            other => {
                return Err(format!(
                    "{} is {other:?}; weights are F32, F16, BF16 or F64",
                    short(&name)
                ));
            }
        };
        file.tensors.insert(name, Values::new(view.shape().to_vec(), numbers));
    }
    for (name, view) in integers {
        let scale = file
            .tensors
            .remove(&format!("{name}{SCALE}"))
            .ok_or_else(|| format!("{} is I8 and has no {SCALE} beside it", short(&name)))?;
        let shape = view.shape();
        let axis = if shape.len() == 4 { output_axis(&name, shape) } else { 0 };
        if shape.len() != 4 || scale.shape != [shape[axis]] {
            return Err(format!(
                "{}: a scale of shape {} for a weight of shape {}",
                short(&name),
                sides(&scale.shape),
                sides(shape)
            ));
        }
        let numbers = Numbers::I8 {
            codes: bytemuck::pod_collect_to_vec(view.data()),
            scale: scale.f32s().into_owned(),
            run: shape[axis + 1..].iter().product(),
        };
        file.tensors.insert(name, Values::new(shape.to_vec(), numbers));
    }
    Ok(file)
}

/// The dimension of a weight that counts output channels: transposed convolutions have it second.
/// They are recognised by their kernel of 4 and their position in upstream's U-Net; a wrong guess
/// would cost precision, not correctness, since writing and reading make the same.
fn output_axis(name: &str, shape: &[usize]) -> usize {
    let place = name.strip_suffix(".weight").and_then(|n| n.rsplit('.').next());
    usize::from(
        name.starts_with("model.model.")
            && shape[2] == 4
            && place.is_some_and(|p| matches!(p, "3" | "4" | "5")),
    )
}

/// The channel along `axis` that value `i` belongs to.
fn channel(shape: &[usize], axis: usize, i: usize) -> usize {
    let inner: usize = shape[axis + 1..].iter().product();
    i / inner % shape[axis]
}

struct Tensor {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for Tensor {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        (&self.bytes).into()
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

impl WeightsFile {
    /// The bytes of a safetensors file.
    ///
    /// # Errors
    /// A message if a weight does not fit f16 (beyond 65,504).
    pub fn to_safetensors(&self, precision: Precision) -> Result<Vec<u8>, String> {
        let mut tensors = Vec::new();
        for (name, values) in &self.tensors {
            match precision {
                Precision::F16 if values.shape.len() == 4 => {
                    tensors.push((name.clone(), halved(values).map_err(|e| format!("{name} {e}"))?))
                }
                Precision::I8 if values.shape.len() == 4 => {
                    let (codes, scale) = quantised(values, output_axis(name, &values.shape));
                    tensors.push((name.clone(), codes));
                    tensors.push((format!("{name}{SCALE}"), scale));
                }
                _ => tensors.push((name.clone(), plain(values))),
            }
        }
        for (name, count) in &self.counters {
            tensors.push((
                name.clone(),
                Tensor { dtype: Dtype::I64, shape: vec![], bytes: count.to_le_bytes().to_vec() },
            ));
        }
        let header = self
            .about
            .as_ref()
            .map(|about| HashMap::from([(ABOUT.to_string(), about.to_string())]));
        safetensors::serialize(tensors, header).map_err(|e| e.to_string())
    }
}

fn plain(values: &Values) -> Tensor {
    Tensor {
        dtype: Dtype::F32,
        shape: values.shape.clone(),
        bytes: values.f32s().iter().flat_map(|v| v.to_le_bytes()).collect(),
    }
}

fn halved(tensor: &Values) -> Refusal<Tensor> {
    let values = tensor.f32s();
    let halves: Vec<half::f16> = values.iter().map(|v| half::f16::from_f32(*v)).collect();
    if let Some((_, v)) =
        halves.iter().zip(&*values).find(|(h, v)| h.is_infinite() && v.is_finite())
    {
        return Err(format!("holds {v}, and half precision ends at 65504"));
    }
    Ok(Tensor {
        dtype: Dtype::F16,
        shape: tensor.shape.clone(),
        bytes: halves.iter().flat_map(|h| h.to_le_bytes()).collect(),
    })
}

/// Codes -127 to 127 and one scale per channel: the largest value of each channel is exact.
fn quantised(tensor: &Values, axis: usize) -> (Tensor, Tensor) {
    let (shape, values) = (&tensor.shape, tensor.f32s());
    let mut largest = vec![0f32; shape[axis]];
    for (i, v) in values.iter().enumerate() {
        let of = &mut largest[channel(shape, axis, i)];
        *of = of.max(v.abs());
    }
    let scale: Vec<f32> = largest.iter().map(|l| if *l > 0.0 { l / 127.0 } else { 1.0 }).collect();
    let code = |(i, v): (usize, &f32)| (v / scale[channel(shape, axis, i)]).round() as i8 as u8;
    let codes = values.iter().enumerate().map(code).collect();
    (
        Tensor { dtype: Dtype::I8, shape: shape.clone(), bytes: codes },
        plain(&(vec![shape[axis]], scale).into()),
    )
}
