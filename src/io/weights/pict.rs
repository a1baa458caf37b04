//! `.pict`, the weights of affinelayer's pix2pix-tensorflow for its web demo: three blocks, each
//! preceded by its length (u32, big-endian): a JSON list of names and shapes, a code-book of 256
//! little-endian f32, and one byte per value, tensor after tensor in the order of the list.
//!
//! TensorFlow's kernels are `[kh, kw, in, out]`, those of transposed convolutions
//! `[kh, kw, out, in]`. The decoder concatenates the upsampled features, then the skip: here it is
//! the other way round. There is a norm at the bottleneck. There are no running statistics: a
//! norm uses those of each image, so it is an instance norm with weight and bias.

use super::convert::swap_halves;
use super::pickle::Refusal;
use super::{Values, WeightsFile, short, sides};
use crate::nets::{UnetConfig, UnetNames, UnetQuirks, unet_names};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Listed {
    name: String,
    shape: Vec<usize>,
}

/// Whether a file starts like a `.pict`.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    // A list of objects; safetensors begins with a little-endian length, then an object.
    bytes.len() > 6 && bytes[4] == b'[' && bytes[..4] != [0; 4]
}

fn block<'a>(bytes: &mut &'a [u8]) -> Refusal<&'a [u8]> {
    let cut = || "a .pict file that is cut off".to_string();
    let length =
        bytes.get(..4).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes).ok_or_else(cut)?
            as usize;
    let content = bytes.get(4..).and_then(|b| b.get(..length)).ok_or_else(cut)?;
    *bytes = &bytes[4 + length..];
    Ok(content)
}

/// Parses a generator.
pub(super) fn read(mut bytes: &[u8]) -> Refusal<WeightsFile> {
    let (list, book, mut codes) = (block(&mut bytes)?, block(&mut bytes)?, block(&mut bytes)?);
    let list: Vec<Listed> = serde_json::from_slice(list).map_err(|e| {
        format!("a .pict file whose list is not a JSON list of names and shapes: {e}")
    })?;
    let book = super::f32s(book);
    if book.len() != 256 {
        return Err(format!(
            "a .pict file with a code-book of {} values instead of 256",
            book.len()
        ));
    }
    let mut raw = BTreeMap::new();
    for Listed { name, shape } in list {
        let count =
            shape.iter().try_fold(1usize, |n, s| n.checked_mul(*s)).filter(|&n| n <= codes.len());
        let count = count.ok_or_else(|| {
            format!("{}: the .pict file holds fewer values than its list says", short(&name))
        })?;
        let (own, rest) = codes.split_at(count);
        codes = rest;
        let values: Vec<f32> = own.iter().map(|c| book[usize::from(*c)]).collect();
        raw.insert(name, (shape, values).into());
    }
    if !codes.is_empty() {
        return Err("a .pict file with more values than its list says".into());
    }
    generator(raw)
}

/// From TensorFlow's names and layouts to ours.
fn generator(mut raw: BTreeMap<String, Values>) -> Refusal<WeightsFile> {
    let downs = (1..)
        .take_while(|k| raw.contains_key(&format!("generator/encoder_{k}/conv2d/kernel")))
        .count() as u32;
    if downs == 0 {
        return Err(
            "a .pict file without generator/encoder_1/conv2d/kernel, …: not the generator \
                    of pix2pix-tensorflow"
                .into(),
        );
    }
    let config = UnetConfig {
        downs,
        quirks: UnetQuirks { bottleneck_norm: true, ..UnetQuirks::default() },
        ..UnetConfig::default()
    };
    let mut file = WeightsFile::default();
    let mut take = |from: String, to: String, turn: fn(Values) -> Refusal<Values>| -> Refusal<()> {
        let values = raw.remove(&from).ok_or_else(|| format!("a .pict file without {from}"))?;
        file.tensors.insert(to, turn(values).map_err(|e| format!("{from}: {e}"))?);
        Ok(())
    };
    for level in 0..downs {
        let UnetNames { down, down_norm, up, up_norm } = unet_names(level, &config);
        let sides =
            [("encoder", "conv2d", down, down_norm), ("decoder", "conv2d_transpose", up, up_norm)];
        for (side, conv, name, norm) in sides {
            let scope = format!("generator/{side}_{}", level + 1);
            // Of a transposed convolution `[kh, kw, out, in]` becomes `[in, out, kh, kw]`: the same
            // turn.
            take(format!("{scope}/{conv}/kernel"), format!("{name}.weight"), turned)?;
            take(format!("{scope}/{conv}/bias"), format!("{name}.bias"), Ok)?;
            if let Some(norm) = norm {
                take(format!("{scope}/batch_normalization/gamma"), format!("{norm}.weight"), Ok)?;
                take(format!("{scope}/batch_normalization/beta"), format!("{norm}.bias"), Ok)?;
            }
        }
    }
    if let Some(name) = raw.keys().next() {
        return Err(format!("a .pict file with {}, which this network does not have", short(name)));
    }
    swap_halves(&mut file)?;
    file.note("source", "pict");
    file.note("concat_order", "up_first, swapped");
    Ok(file)
}

/// `[kh, kw, a, b]` to `[b, a, kh, kw]`.
fn turned(kernel: Values) -> Refusal<Values> {
    let [kh, kw, a, b] = *kernel.shape.as_slice() else {
        return Err(format!("a kernel of shape {}", sides(&kernel.shape)));
    };
    let values = kernel.f32s();
    let at = |i: usize| {
        let (x, y, ai, bi) = (i % kw, i / kw % kh, i / (kw * kh) % a, i / (kw * kh * a));
        values[((y * kw + x) * a + ai) * b + bi]
    };
    Ok((vec![b, a, kh, kw], (0..values.len()).map(at).collect::<Vec<f32>>()).into())
}
