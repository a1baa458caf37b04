//! Weights and moments of networks in files, with the names and layouts of the public PyTorch state
//! dicts.

use super::weights::{COUNTER, Net, Pick, Precision, Values, WeightsFile, short, sides};
use super::write_aside;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::nets::{GeneratorConfig, UnetConfig, Weights};
use crate::shape::Shape;
use crate::store::{Param, Store, StoreId};
use crate::train::Pool;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A weights file in memory, from any format that [`WeightsFile::read`] knows.
#[derive(Debug, Default)]
pub struct TensorFile {
    path: PathBuf,
    file: WeightsFile,
}

impl TensorFile {
    /// Reads a file.
    ///
    /// # Errors
    /// As [`WeightsFile::read`].
    pub fn read(path: &Path) -> Result<TensorFile> {
        Ok(TensorFile { path: path.into(), file: WeightsFile::read(path)? })
    }

    /// Reads one network of a file that may hold several.
    ///
    /// # Errors
    /// As [`WeightsFile::read_net`].
    pub fn read_net(path: &Path, pick: &Pick<'_>) -> Result<TensorFile> {
        Ok(TensorFile { path: path.into(), file: WeightsFile::read_net(path, pick)? })
    }

    /// Like [`read_net`](Self::read_net) for the bytes of a file in memory: messages call it
    /// `weights in memory`.
    ///
    /// # Errors
    /// As [`WeightsFile::parse_net`].
    pub fn parse_net(bytes: &[u8], pick: &Pick<'_>) -> Result<TensorFile> {
        let path = PathBuf::from("weights in memory");
        match WeightsFile::parse_net(bytes, pick) {
            Ok(file) => Ok(TensorFile { path, file }),
            Err(message) => Err(Error::file(path, message)),
        }
    }

    /// Tensors, counters and metadata of the file.
    pub fn contents(&self) -> &WeightsFile {
        &self.file
    }

    /// The file's metadata, if pixtape wrote it.
    pub fn about(&self) -> Option<&Value> {
        self.file.about.as_ref()
    }

    /// Path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same file with other contents.
    pub fn with(&self, file: WeightsFile) -> TensorFile {
        TensorFile { path: self.path.clone(), file }
    }

    /// Tensors by name.
    pub fn tensors(&self) -> &BTreeMap<String, Values> {
        &self.file.tensors
    }

    /// Refuses a file whose names or shapes differ from `wanted`, and names the differences.
    fn check(&self, wanted: &BTreeMap<String, Vec<usize>>, what: &str) -> Result<()> {
        let mut differ = Vec::new();
        for (name, shape) in wanted {
            match self.file.tensors.get(name) {
                None => differ.push(format!("{name} is missing")),
                Some(found) if found.shape != *shape => differ.push(format!(
                    "{name} is {} in the file and {} in {what}",
                    sides(&found.shape),
                    sides(shape)
                )),
                _ => {}
            }
        }
        differ.extend(
            self.file
                .tensors
                .keys()
                .filter(|n| !wanted.contains_key(*n))
                .map(|n| format!("{} is not in {what}", short(n))),
        );
        if differ.is_empty() {
            return Ok(());
        }
        let rest = if differ.len() > 4 {
            format!(" and {} more", differ.len() - 4)
        } else {
            String::new()
        };
        let keys = differ.iter().take(4).cloned().collect::<Vec<_>>().join("; ");
        Err(Error::file(
            &self.path,
            format!(
                "weights of a different network: {keys}{rest}; check `netG`/`netD`, `ngf`/`ndf`, \
                 `norm`, `input_nc`, `output_nc`"
            ),
        ))
    }

    /// Copies the file's weights and running statistics into a network.
    ///
    /// # Errors
    /// [`Error::File`] naming the keys that differ if the file belongs to another network; then
    /// nothing is written.
    pub fn load_into(&self, gpu: &Gpu, store: &Store, weights: &Weights) -> Result<()> {
        let wanted = weights.params().map(|p| (p.name.clone(), p.layout.public_shape())).collect();
        self.check(&wanted, "this net")?;
        weights.params().try_for_each(|p| self.write(gpu, store, &p.name, p, p.value))
    }

    /// Copies a network's weights out of a file that may hold more.
    ///
    /// # Errors
    /// [`Error::File`] naming what is missing or has another shape; then nothing is written.
    pub fn load_part(&self, gpu: &Gpu, store: &Store, weights: &Weights) -> Result<()> {
        if let [first, rest @ ..] = &self.differing(weights)[..] {
            let more = if rest.is_empty() { "" } else { ", and more" };
            let why = format!("{first} is missing or of another shape{more}");
            return Err(Error::file(&self.path, why));
        }
        self.load_matching(gpu, store, weights).map(drop)
    }

    /// Copies what has the name and the shape of a network's parameter; returns the names of the
    /// parameters that stay as they are.
    ///
    /// # Errors
    /// What the device reports.
    pub fn load_matching(
        &self,
        gpu: &Gpu,
        store: &Store,
        weights: &Weights,
    ) -> Result<Vec<String>> {
        let fresh = self.differing(weights);
        for p in weights.params().filter(|p| !fresh.contains(&p.name)) {
            self.write(gpu, store, &p.name, p, p.value)?;
        }
        Ok(fresh)
    }

    /// Copies a tensor of the file, packed as it is there, into one of a parameter.
    fn write(&self, gpu: &Gpu, store: &Store, name: &str, p: &Param, id: StoreId) -> Result<()> {
        store.write_packed(gpu, id, &p.layout, self.file.tensors[name].packed())
    }

    /// Names of parameters that the file has not, or of another shape.
    fn differing(&self, weights: &Weights) -> Vec<String> {
        let has = |name: &str, shape: Vec<usize>| {
            self.file.tensors.get(name).is_some_and(|own| own.shape == shape)
        };
        let params = weights.params().filter(|p| !has(&p.name, p.layout.public_shape()));
        params.map(|p| p.name.clone()).collect()
    }

    /// Copies Adam's moments into a network's pages; names as [`save_moments`] writes them.
    ///
    /// # Errors
    /// [`Error::File`] naming the keys that differ.
    pub fn load_moments(
        &self,
        gpu: &Gpu,
        store: &Store,
        networks: &[(&str, &Weights)],
    ) -> Result<()> {
        let wanted = networks
            .iter()
            .flat_map(|(net, w)| moments(net, w))
            .map(|(name, p, _)| (name, p.layout.public_shape()))
            .collect();
        self.check(&wanted, "this optimizer")?;
        let all = networks.iter().flat_map(|(net, w)| moments(net, w));
        all.into_iter().try_for_each(|(name, p, id)| self.write(gpu, store, &name, p, id))
    }

    /// Copies saved images into pools; names as [`save_pools`] writes them.
    ///
    /// # Errors
    /// [`Error::File`] naming the keys that differ.
    pub fn load_pools(&self, gpu: &Gpu, store: &Store, pools: &[Pool]) -> Result<()> {
        let wanted =
            pool_pages(store, pools).map(|(name, _, shape)| (name, public(shape))).collect();
        self.check(&wanted, "these pools")?;
        pool_pages(store, pools).try_for_each(|(name, id, shape)| {
            let (c, width) = (shape.c.logical() as usize, 4 * shape.c.vec4s() as usize);
            let mut raw = vec![0.0; shape.bytes() as usize / 4];
            for (to, from) in raw.chunks_mut(width).zip(self.file.tensors[&name].f32s().chunks(c)) {
                shape.c.places().zip(from).for_each(|(at, value)| to[at as usize] = *value);
            }
            store.write_raw(gpu, id, &raw)
        })
    }

    /// Infers a generator from names and shapes. Two things are not in them: `dropout` of a U-Net
    /// is taken as on, as upstream builds it, and the upsampling of resize convolutions as nearest
    /// unless the file's metadata says otherwise.
    ///
    /// # Errors
    /// [`Error::File`] saying what it is instead, if that can be inferred.
    pub fn recognise_generator(&self) -> Result<GeneratorConfig> {
        match Net::recognise(&self.file).map_err(|e| Error::file(&self.path, e))? {
            Net::Unet(config) => Ok(config.into()),
            Net::Resnet(config) => Ok(config.into()),
            Net::Enhancer(config) => Ok(config.into()),
            Net::Encoder(_) => Err(Error::file(
                &self.path,
                "the weights of a feature encoder; give the generator's file",
            )),
            Net::Patch { .. } | Net::Pixel { .. } | Net::MultiScale { .. } => Err(Error::file(
                &self.path,
                "the weights of a discriminator; give the generator's file",
            )),
        }
    }

    /// Like [`recognise_generator`](Self::recognise_generator), but accepts U-Nets and
    /// encoder-decoders only.
    ///
    /// # Errors
    /// [`Error::File`] saying what it is instead, if that can be inferred.
    pub fn recognise_unet(&self) -> Result<UnetConfig> {
        match self.recognise_generator()? {
            GeneratorConfig::Unet(config) => Ok(config),
            other => {
                Err(Error::file(&self.path, format!("the weights of a {other}; expected a U-Net")))
            }
        }
    }
}

fn moments<'a>(
    net: &'a str,
    weights: &'a Weights,
) -> impl Iterator<Item = (String, &'a Param, StoreId)> {
    weights.params().filter_map(|p| p.moments.map(|m| (p, m))).flat_map(
        move |(p, [first, second])| {
            [
                (format!("{net}.{}.exp_avg", p.name), p, first),
                (format!("{net}.{}.exp_avg_sq", p.name), p, second),
            ]
        },
    )
}

/// Pages of pools, by name.
fn pool_pages<'a>(
    store: &'a Store,
    pools: &'a [Pool],
) -> impl Iterator<Item = (String, StoreId, Shape)> + 'a {
    pools.iter().flat_map(|pool| {
        pool.pages
            .pages()
            .enumerate()
            .map(|(at, id)| (format!("{}.{at}", pool.name), id, store.shape(id)))
    })
}

fn public(Shape { n, h, w, c }: Shape) -> Vec<usize> {
    [n, h, w, c.logical()].map(|v| v as usize).to_vec()
}

async fn values(gpu: &Gpu, store: &Store, param: &Param, id: StoreId) -> Result<Values> {
    let values = store.read(gpu, id, &param.layout).await?;
    match values.iter().find(|v| !v.is_finite()) {
        Some(value) => Err(Error::NotFinite { name: param.name.clone(), value: *value }),
        None => Ok((param.layout.public_shape(), values).into()),
    }
}

fn bytes(file: &WeightsFile) -> Result<Vec<u8>> {
    file.to_safetensors(Precision::F32).map_err(|e| Error::Internal(format!("safetensors: {e}")))
}

fn write(path: &Path, bytes: Vec<u8>) -> Result<Vec<u8>> {
    write_aside(path, &bytes)?;
    Ok(bytes)
}

/// Writes [`weights_bytes`] to a file and returns them.
///
/// # Errors
/// As [`weights_bytes`]; [`Error::File`] if it cannot be written. The old file stays then.
pub async fn save_weights(
    gpu: &Gpu,
    store: &Store,
    weights: &Weights,
    batches: u64,
    about: Option<&Value>,
    path: &Path,
) -> Result<Vec<u8>> {
    write(path, weights_bytes(gpu, store, weights, batches, about).await?)
}

/// A safetensors file of a network's weights and running statistics under their public names.
/// `batches` goes into the norms' counters, `about` into the header, with what names and shapes do
/// not say about the net.
///
/// # Errors
/// [`Error::NotFinite`] for weights that are NaN or infinite, and what the device reports.
pub async fn weights_bytes(
    gpu: &Gpu,
    store: &Store,
    weights: &Weights,
    batches: u64,
    about: Option<&Value>,
) -> Result<Vec<u8>> {
    let mut file = WeightsFile { about: about.cloned(), ..WeightsFile::default() };
    for param in weights.params() {
        file.tensors.insert(param.name.clone(), values(gpu, store, param, param.value).await?);
    }
    file.counters =
        weights.norms().iter().map(|norm| (format!("{norm}.{COUNTER}"), batches as i64)).collect();
    for (name, value) in weights.about() {
        file.note(name, value);
    }
    bytes(&file)
}

/// Writes [`moments_bytes`] to a file and returns them.
///
/// # Errors
/// As [`save_weights`].
pub async fn save_moments(
    gpu: &Gpu,
    store: &Store,
    networks: &[(&str, &Weights)],
    about: Option<&Value>,
    path: &Path,
) -> Result<Vec<u8>> {
    write(path, moments_bytes(gpu, store, networks, about).await?)
}

/// A safetensors file of Adam's moments of all networks: `G.<name>.exp_avg`,
/// `G.<name>.exp_avg_sq`, in public layouts.
///
/// # Errors
/// As [`weights_bytes`].
pub async fn moments_bytes(
    gpu: &Gpu,
    store: &Store,
    networks: &[(&str, &Weights)],
    about: Option<&Value>,
) -> Result<Vec<u8>> {
    let mut file = WeightsFile { about: about.cloned(), ..WeightsFile::default() };
    for (net, weights) in networks {
        for (name, param, id) in moments(net, weights) {
            file.tensors.insert(name, values(gpu, store, param, id).await?);
        }
    }
    bytes(&file)
}

/// Writes [`pools_bytes`] to a file and returns them.
///
/// # Errors
/// As [`save_weights`].
pub async fn save_pools(
    gpu: &Gpu,
    store: &Store,
    pools: &[Pool],
    about: Option<&Value>,
    path: &Path,
) -> Result<Vec<u8>> {
    write(path, pools_bytes(gpu, store, pools, about).await?)
}

/// A safetensors file of the images in pools: `<pool>.<page>` `[slots, height, width, channels]`,
/// values from -1 to 1, zeros where a slot is free.
///
/// # Errors
/// As [`weights_bytes`].
pub async fn pools_bytes(
    gpu: &Gpu,
    store: &Store,
    pools: &[Pool],
    about: Option<&Value>,
) -> Result<Vec<u8>> {
    let mut file = WeightsFile { about: about.cloned(), ..WeightsFile::default() };
    for (name, id, shape) in pool_pages(store, pools) {
        let width = 4 * shape.c.vec4s() as usize;
        let raw = store.read_raw(gpu, id).await?;
        if let Some(value) = raw.iter().find(|v| !v.is_finite()) {
            return Err(Error::NotFinite { name, value: *value });
        }
        let pixels = raw.chunks(width);
        let values = pixels.flat_map(|pixel| shape.c.places().map(|at| pixel[at as usize]));
        let values: Vec<f32> = values.collect();
        file.tensors.insert(name, (public(shape), values).into());
    }
    bytes(&file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_nets_file_holds_is_said_in_one_line() {
        let one = |shape: Vec<usize>| Values::from((shape, vec![0.0]));
        let tensors = BTreeMap::from([
            ("a".to_string(), one(vec![1; 700])),
            (format!("b\nerror: all is lost\r{}", "x".repeat(900)), one(vec![1])),
        ]);
        let file = TensorFile {
            path: "w".into(),
            file: WeightsFile { tensors, ..WeightsFile::default() },
        };
        let message = file
            .check(&BTreeMap::from([("a".to_string(), vec![2])]), "this net")
            .unwrap_err()
            .to_string();
        assert!(
            message.lines().count() == 1 && !message.contains('\r') && message.len() < 400,
            "{message}"
        );
        assert!(
            message.contains("[1, 1, 1, 1, 1, 1, 1, 1, …] in the file and [2]")
                && message.contains("is not in this net"),
            "{message}"
        );
        file.check(
            &file.tensors().iter().map(|(n, values)| (n.clone(), values.shape.clone())).collect(),
            "itself",
        )
        .unwrap();
    }
}
