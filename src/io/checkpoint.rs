//! Weights and moments in safetensors files, with the names and layouts of the public PyTorch state dicts.

use super::write_aside;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::nets::{GeneratorConfig, NormKind, ResnetConfig, UnetConfig, Upsample, Weights};
use crate::store::{Param, Store, StoreId};
use safetensors::{Dtype, SafeTensors, View};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// A tensor of a file: shape and values.
pub type Values = (Vec<usize>, Vec<f32>);

/// A safetensors file read whole: tensors of f32, by name. Counters (integers) are left out.
#[derive(Debug, Default)]
pub struct TensorFile {
    path: std::path::PathBuf,
    tensors: BTreeMap<String, Values>,
    about: Option<Value>,
}

/// The name in a file's header under which it says what it is, as JSON. One name for all: a header's map has no order, files have.
pub const ABOUT: &str = "pixtape";

/// Suffix of batch norm's counter, which upstream's files have and nothing here needs.
const COUNTER: &str = "num_batches_tracked";

impl TensorFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read, is no safetensors file, or holds floating-point tensors other than f32.
    pub fn read(path: &Path) -> Result<TensorFile> {
        let bytes = std::fs::read(path).map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
        let file = SafeTensors::deserialize(&bytes)
            .map_err(|e| Error::file(path, format!("no safetensors file ({e}); convert .pth files with safetensors.torch.save_file(torch.load(path), out)")))?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.tensors() {
            match view.dtype() {
                Dtype::F32 => {
                    tensors.insert(name, (view.shape().to_vec(), bytemuck::pod_collect_to_vec(view.data())));
                }
                Dtype::I64 if name.ends_with(COUNTER) => {}
                other => return Err(Error::file(path, format!("{name} is {other:?}; only F32 weights are read: convert with .float()"))),
            }
        }
        // What says nothing that we understand is from elsewhere.
        let header = SafeTensors::read_metadata(&bytes).ok().and_then(|(_, header)| header.metadata().as_ref()?.get(ABOUT).cloned());
        let about = header.and_then(|text| serde_json::from_str(&text).ok());
        Ok(TensorFile { path: path.into(), tensors, about })
    }

    /// What the file says of itself, if it was written here.
    pub fn about(&self) -> Option<&Value> {
        self.about.as_ref()
    }

    /// Tensors by name.
    pub fn tensors(&self) -> &BTreeMap<String, Values> {
        &self.tensors
    }

    /// Refuses a file whose names or shapes differ from what is `wanted`, saying which.
    fn check(&self, wanted: &BTreeMap<String, Vec<usize>>, what: &str) -> Result<()> {
        let mut differ = Vec::new();
        for (name, shape) in wanted {
            match self.tensors.get(name) {
                None => differ.push(format!("{name} is missing")),
                Some((found, _)) if found != shape => differ.push(format!("{name} is {found:?} in the file and {shape:?} in {what}")),
                _ => {}
            }
        }
        differ.extend(self.tensors.keys().filter(|n| !wanted.contains_key(*n)).map(|n| format!("{n} is not in {what}")));
        if differ.is_empty() {
            return Ok(());
        }
        let rest = if differ.len() > 4 { format!(" and {} more", differ.len() - 4) } else { String::new() };
        let keys = differ.iter().take(4).cloned().collect::<Vec<_>>().join("; ");
        Err(Error::file(&self.path, format!("weights of another net: {keys}{rest}; check --netG/--netD, --ngf/--ndf, --norm, --input_nc, --output_nc")))
    }

    /// Puts the file's weights and running statistics into a network.
    ///
    /// # Errors
    /// [`Error::File`] naming the keys that differ if the file is of another network; nothing is written then.
    pub fn load_into(&self, gpu: &Gpu, store: &Store, weights: &Weights) -> Result<()> {
        let wanted = weights.params().map(|p| (p.name.clone(), p.layout.public_shape())).collect();
        self.check(&wanted, "this net")?;
        weights.params().try_for_each(|p| store.write(gpu, p.value, &p.layout, &self.tensors[&p.name].1))
    }

    /// Puts Adam's moments into a network's pages; names as [`save_moments`] writes them.
    ///
    /// # Errors
    /// [`Error::File`] naming the keys that differ.
    pub fn load_moments(&self, gpu: &Gpu, store: &Store, networks: &[(&str, &Weights)]) -> Result<()> {
        let wanted = networks.iter().flat_map(|(net, w)| moments(net, w)).map(|(name, p, _)| (name, p.layout.public_shape())).collect();
        self.check(&wanted, "this optimizer")?;
        let all = networks.iter().flat_map(|(net, w)| moments(net, w));
        all.into_iter().try_for_each(|(name, p, id)| store.write(gpu, id, &p.layout, &self.tensors[&name].1))
    }

    /// Recognises a generator from names and shapes, as far as they tell.
    ///
    /// # Errors
    /// [`Error::File`] if the names are not those of a generator.
    pub fn recognise_generator(&self) -> Result<GeneratorConfig> {
        match ResnetConfig::of_file(|name| self.tensors.get(name).map(|(shape, _)| shape.as_slice())) {
            Some(config) => Ok(config.into()),
            None => self.recognise_unet().map(Into::into),
        }
    }

    /// Recognises a U-Net or encoder-decoder from names and shapes. `dropout` cannot be seen in a file and is taken as on, as upstream builds
    /// it; nor can how a resize convolution enlarges: nearest unless the file's metadata says otherwise.
    ///
    /// # Errors
    /// [`Error::File`] if the names are not those of a U-Net.
    pub fn recognise_unet(&self) -> Result<UnetConfig> {
        let no = || {
            Error::file(&self.path, "not the weights of a U-Net generator (model.model.0.weight, model.model.1.model.1.weight, …); give the generator's file")
        };
        let shape = |name: &str| self.tensors.get(name).map(|(s, _)| s.clone()).filter(|s| s.len() == 4).ok_or_else(no);
        let first = shape("model.model.0.weight")?;
        // A transposed convolution, or the convolution behind enlarging and padding: [ci, co, 4, 4] or [co, ci, 3, 3].
        let (last, upsample) = match shape("model.model.3.weight") {
            Ok(s) => ([s[0], s[1]], Upsample::Transpose),
            Err(_) => {
                let upsample = self.about.as_ref().and_then(|a| a["upsample"].as_str()).map_or(Ok(Upsample::Nearest), str::parse)?;
                shape("model.model.5.weight").map(|s| ([s[1], s[0]], upsample))?
            }
        };
        let down = |level: usize| format!("model.model.1.model{}.1.weight", ".3.model".repeat(level - 1));
        let downs = 1 + (1..).take_while(|&level| self.tensors.contains_key(&down(level))).count();
        let norm = match (self.tensors.keys().any(|n| n.ends_with("running_mean")), self.tensors.contains_key("model.model.0.bias")) {
            (true, _) => NormKind::Batch,
            (_, true) if self.tensors.contains_key("model.model.1.model.2.weight") => NormKind::InstanceAffine,
            (_, true) => NormKind::Instance,
            _ => NormKind::None,
        };
        let [input_nc, output_nc, ngf] = [first[1], last[1], first[0]].map(|c| c as u32);
        Ok(UnetConfig { input_nc, output_nc, ngf, downs: downs as u32, norm, dropout: true, upsample, skips: last[0] == 2 * first[0] })
    }
}

fn moments<'a>(net: &'a str, weights: &'a Weights) -> impl Iterator<Item = (String, &'a Param, StoreId)> {
    weights
        .params()
        .filter_map(|p| p.moments.map(|m| (p, m)))
        .flat_map(move |(p, [first, second])| [(format!("{net}.{}.exp_avg", p.name), p, first), (format!("{net}.{}.exp_avg_sq", p.name), p, second)])
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

async fn tensor(gpu: &Gpu, store: &Store, param: &Param, id: StoreId) -> Result<Tensor> {
    let values = store.read(gpu, id, &param.layout).await?;
    if let Some(value) = values.iter().find(|v| !v.is_finite()) {
        return Err(Error::NotFinite { name: param.name.clone(), value: *value });
    }
    Ok(Tensor { dtype: Dtype::F32, shape: param.layout.public_shape(), bytes: bytemuck::pod_collect_to_vec(&values) })
}

fn write(path: &Path, tensors: Vec<(String, Tensor)>, about: Option<&Value>) -> Result<Vec<u8>> {
    let header = about.map(|about| HashMap::from([(ABOUT.to_string(), about.to_string())]));
    let bytes = safetensors::serialize(tensors, header).map_err(|e| Error::Internal(format!("{}: {e}", path.display())))?;
    write_aside(path, &bytes)?;
    Ok(bytes)
}

/// Writes a network's weights and running statistics under their public names. `batches` goes into the norms' counters, `about` into the
/// header, with what names and shapes do not tell of the net. Returns the file's bytes.
///
/// # Errors
/// [`Error::NotFinite`] for weights that are no numbers, [`Error::File`] if it cannot be written; what was there stays then.
pub async fn save_weights(gpu: &Gpu, store: &Store, weights: &Weights, batches: u64, about: Option<&Value>, path: &Path) -> Result<Vec<u8>> {
    let mut tensors = Vec::new();
    for param in weights.params() {
        tensors.push((param.name.clone(), tensor(gpu, store, param, param.value).await?));
    }
    for norm in weights.norms() {
        tensors.push((format!("{norm}.{COUNTER}"), Tensor { dtype: Dtype::I64, shape: vec![], bytes: (batches as i64).to_le_bytes().to_vec() }));
    }
    let mut about = about.cloned();
    for (name, value) in weights.about() {
        about.get_or_insert_with(|| Value::Object(Default::default()))[name.as_str()] = value.as_str().into();
    }
    write(path, tensors, about.as_ref())
}

/// Writes Adam's moments of all networks: `G.<name>.exp_avg`, `G.<name>.exp_avg_sq`, in public layouts. Returns the file's bytes.
///
/// # Errors
/// As [`save_weights`].
pub async fn save_moments(gpu: &Gpu, store: &Store, networks: &[(&str, &Weights)], about: Option<&Value>, path: &Path) -> Result<Vec<u8>> {
    let mut tensors = Vec::new();
    for (net, weights) in networks {
        for (name, param, id) in moments(net, weights) {
            tensors.push((name, tensor(gpu, store, param, id).await?));
        }
    }
    write(path, tensors, about)
}
