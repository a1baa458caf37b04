//! The parameters of a network by public name, and their initialisation.

use crate::error::{Error, Result};
use crate::ops::{BatchNorm, NormMode, Running};
use crate::shape::{Channels, Conv, Shape};
use crate::store::{Layout, Param, Store};
use crate::tape::{Tape, Tensor};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The norm between layers. With batch norm convolutions have no bias (but for the ones upstream
/// gives one anyway).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NormKind {
    /// Batch norm with affine parameters and running statistics.
    Batch,
    /// Instance norm without parameters.
    Instance,
    /// Instance norm with a weight and a bias per channel, PyTorch's `InstanceNorm2d(affine=True)`.
    InstanceAffine,
    /// No norm.
    None,
}

impl NormKind {
    /// The reference's rule: a convolution before a norm has a bias only with instance norm, of
    /// either kind.
    pub fn conv_bias(self) -> bool {
        matches!(self, NormKind::Instance | NormKind::InstanceAffine)
    }
}

impl FromStr for NormKind {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        match s {
            "batch" => Ok(NormKind::Batch),
            "instance" => Ok(NormKind::Instance),
            "instance_affine" => Ok(NormKind::InstanceAffine),
            "none" => Ok(NormKind::None),
            _ => {
                let why = format!("{s}: choose batch, instance, instance_affine or none");
                Err(Error::config("norm", why))
            }
        }
    }
}

impl fmt::Display for NormKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NormKind::Batch => "batch",
            NormKind::Instance => "instance",
            NormKind::InstanceAffine => "instance_affine",
            NormKind::None => "none",
        })
    }
}

/// Initialisation of convolution weights (biases are 0, norm weights from N(1, gain), norm biases
/// 0).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InitType {
    /// N(0, gain).
    Normal,
    /// N(0, gain² · 2 / (fan_in + fan_out)).
    Xavier,
    /// N(0, 2 / fan_in), whatever the gain.
    Kaiming,
    /// Rows (or columns, if there are fewer) of the weight as a matrix `[first dimension, rest]`
    /// are orthogonal, of length gain.
    Orthogonal,
}

impl InitType {
    fn std(self, layout: &Layout, gain: f32) -> f32 {
        // PyTorch's fans: dimension 1 and dimension 0 of the public shape, times the kernel's area.
        let shape = layout.public_shape();
        let area: usize = shape[2..].iter().product();
        let (fan_in, fan_out) = ((shape[1] * area) as f32, (shape[0] * area) as f32);
        match self {
            // What the host makes orthogonal is drawn there.
            InitType::Normal | InitType::Orthogonal => gain,
            InitType::Xavier => gain * (2.0 / (fan_in + fan_out)).sqrt(),
            InitType::Kaiming => (2.0 / fan_in).sqrt(),
        }
    }
}

impl FromStr for InitType {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        match s {
            "normal" => Ok(InitType::Normal),
            "xavier" => Ok(InitType::Xavier),
            "kaiming" => Ok(InitType::Kaiming),
            "orthogonal" => Ok(InitType::Orthogonal),
            _ => {
                let why = format!("{s}: choose normal, xavier, kaiming or orthogonal");
                Err(Error::config("init_type", why))
            }
        }
    }
}

impl fmt::Display for InitType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            InitType::Normal => "normal",
            InitType::Xavier => "xavier",
            InitType::Kaiming => "kaiming",
            InitType::Orthogonal => "orthogonal",
        })
    }
}

/// What a parameter is for, which decides its initialisation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    Weight,
    Bias,
    NormWeight,
    RunningMean,
    RunningVar,
}

/// A convolution's parameters ([`Weights::conv`]).
#[derive(Clone, Debug)]
pub struct ConvParams {
    weight: Param,
    bias: Option<Param>,
    conv: Conv,
}

/// Parameters and running statistics of a batch norm.
#[derive(Clone, Debug)]
pub(crate) struct BatchParams {
    weight: Param,
    bias: Param,
    mean: Param,
    var: Param,
}

/// A norm's parameters: none with plain instance norm.
#[derive(Clone, Debug)]
pub(crate) enum NormParams {
    Batch(Box<BatchParams>),
    Instance,
    /// Weight and bias.
    InstanceAffine(Box<[Param; 2]>),
    None,
}

/// All parameters of a network, in the order they were added.
#[derive(Clone, Debug)]
pub struct Weights {
    set: String,
    /// The sets of the store that its parameters lie in; new ones go into the last.
    sets: Vec<String>,
    norm: NormKind,
    all: Vec<(Param, Part)>,
    norms: Vec<String>,
    /// Metadata of their file: what names and shapes do not say of the network.
    pub(super) about: BTreeMap<String, String>,
}

impl Weights {
    /// No parameters yet: those of a network whose norms are `norm`, in a set of the store.
    pub fn new(set: &str, norm: NormKind) -> Self {
        Weights {
            set: set.into(),
            sets: vec![set.into()],
            norm,
            all: Vec::new(),
            norms: Vec::new(),
            about: BTreeMap::new(),
        }
    }

    /// Name of the network, `G` for example.
    pub fn set(&self) -> &str {
        &self.set
    }

    /// The sets of the store that they lie in: mostly one, of the network's name.
    pub fn sets(&self) -> &[String] {
        &self.sets
    }

    /// Puts parameters that are added from here on into another set of the store.
    pub(super) fn lie_in(&mut self, set: &str) {
        if self.all.is_empty() {
            self.sets.clear();
        }
        self.sets.push(set.into());
    }

    /// Parameters and running statistics, in order.
    pub fn params(&self) -> impl Iterator<Item = &Param> {
        self.all.iter().map(|(param, _)| param)
    }

    /// Names of the batch norms (`….num_batches_tracked` in public files belongs to them).
    pub fn norms(&self) -> &[String] {
        &self.norms
    }

    /// What names and shapes do not tell of the net: the metadata of its file. Mostly nothing.
    pub fn about(&self) -> &BTreeMap<String, String> {
        &self.about
    }

    /// Trainable values.
    pub fn count(&self) -> usize {
        self.params().filter(|p| p.gradient.is_some()).map(|p| p.layout.elements()).sum()
    }

    fn add(&mut self, store: &mut Store, name: String, layout: Layout, part: Part) -> Param {
        let set = self.sets.last().unwrap_or(&self.set);
        let param = match (part, layout) {
            (Part::RunningMean | Part::RunningVar, Layout::Vector(c)) => {
                store.running(set, &name, c)
            }
            _ => store.param(set, &name, layout),
        };
        self.all.push((param.clone(), part));
        param
    }

    /// Adds a convolution of `co` output channels; `name` is its public name, without `.weight`.
    pub fn conv(
        &mut self,
        store: &mut Store,
        name: &str,
        ci: Channels,
        co: u32,
        conv: Conv,
        bias: bool,
    ) -> ConvParams {
        self.conv_of(store, name, Layout::Conv { ci, co, kernel: conv.kernel }, co, conv, bias)
    }

    pub(super) fn conv_transpose(
        &mut self,
        store: &mut Store,
        name: &str,
        ci: Channels,
        co: u32,
        conv: Conv,
        bias: bool,
    ) -> ConvParams {
        self.conv_of(
            store,
            name,
            Layout::ConvTranspose { ci, co, kernel: conv.kernel },
            co,
            conv,
            bias,
        )
    }

    fn conv_of(
        &mut self,
        store: &mut Store,
        name: &str,
        layout: Layout,
        co: u32,
        conv: Conv,
        bias: bool,
    ) -> ConvParams {
        let weight = self.add(store, format!("{name}.weight"), layout, Part::Weight);
        let bias = bias.then(|| {
            self.add(store, format!("{name}.bias"), Layout::Vector(co.into()), Part::Bias)
        });
        ConvParams { weight, bias, conv }
    }

    pub(super) fn norm(&mut self, store: &mut Store, name: &str, channels: u32) -> NormParams {
        match self.norm {
            NormKind::None => NormParams::None,
            NormKind::Instance => NormParams::Instance,
            NormKind::InstanceAffine => {
                let mut add = |what: &str, part| {
                    self.add(store, format!("{name}.{what}"), Layout::Vector(channels.into()), part)
                };
                NormParams::InstanceAffine(Box::new([
                    add("weight", Part::NormWeight),
                    add("bias", Part::Bias),
                ]))
            }
            NormKind::Batch => {
                let vector = Layout::Vector(channels.into());
                self.norms.push(name.into());
                let mut add =
                    |what: &str, part| self.add(store, format!("{name}.{what}"), vector, part);
                NormParams::Batch(Box::new(BatchParams {
                    weight: add("weight", Part::NormWeight),
                    bias: add("bias", Part::Bias),
                    mean: add("running_mean", Part::RunningMean),
                    var: add("running_var", Part::RunningVar),
                }))
            }
        }
    }

    /// Tensors of all trainable parameters on a tape: what [`Tape::backward`] takes as `wrt`.
    pub fn trainable(&self, tape: &mut Tape, store: &Store) -> Vec<Tensor> {
        self.params().filter(|p| p.gradient.is_some()).map(|p| tape.param(store, p)).collect()
    }

    /// Orthogonal initial weights ([`InitType::Orthogonal`]), in public order: computed on the
    /// host, to replace those that [`Weights::record_init`] draws.
    pub fn orthogonal(&self, gain: f32, first_stream: u32, seed: u32) -> Vec<(&Param, Vec<f32>)> {
        let weights =
            (first_stream..).zip(&self.all).filter(|(_, (_, part))| *part == Part::Weight);
        super::orthogonal::all(
            weights.map(|(stream, (param, _))| (param, stream)).collect(),
            gain,
            seed,
        )
    }

    /// Initial biases of convolutions as PyTorch leaves them, uniformly distributed within
    /// `1 / sqrt(fan_in)` of 0: computed on the host, to replace the zeros that
    /// [`Weights::record_init`] puts there.
    pub fn uniform_biases(&self, first_stream: u32, seed: u32) -> Vec<(&Param, Vec<f32>)> {
        let pairs = (first_stream + 1..).zip(self.all.windows(2));
        let biases = pairs.filter_map(|(stream, pair)| match pair {
            [(weight, Part::Weight), (bias, Part::Bias)] => Some((stream, weight, bias)),
            _ => None,
        });
        let values = |stream: u32, weight: &Param, bias: &Param| {
            let fan_in: usize = weight.layout.public_shape()[1..].iter().product();
            let bound = 1.0 / (fan_in as f32).sqrt();
            let value = |at: usize| {
                let [word, ..] = crate::rng::random(at as u32, stream, 0, seed);
                // 24 bits: every value in [-1, 1) is exact.
                bound * ((word >> 8) as f32 / 8_388_608.0 - 1.0)
            };
            (0..bias.layout.elements()).map(value).collect()
        };
        biases.map(|(stream, weight, bias)| (bias, values(stream, weight, bias))).collect()
    }

    /// Records the initial values of everything (SPEC of the reference: see [`InitType`]); random
    /// ones are drawn on the device.
    pub fn record_init(
        &self,
        tape: &mut Tape,
        store: &Store,
        init: InitType,
        gain: f32,
        first_stream: u32,
    ) {
        for (stream, (param, part)) in (first_stream..).zip(&self.all) {
            tape.scope(format!("{}/{}", self.set, param.name));
            match part {
                Part::Weight => {
                    tape.init_normal(store, param, 0.0, init.std(&param.layout, gain), stream)
                }
                // Upstream initialises batch norm by name and leaves an affine instance norm at 1
                // and 0.
                Part::NormWeight if self.norm == NormKind::InstanceAffine => {
                    tape.init_normal(store, param, 1.0, 0.0, stream)
                }
                Part::NormWeight => tape.init_normal(store, param, 1.0, gain, stream),
                Part::Bias | Part::RunningMean => tape.init_normal(store, param, 0.0, 0.0, stream),
                Part::RunningVar => tape.init_normal(store, param, 1.0, 0.0, stream),
            }
        }
    }
}

impl ConvParams {
    /// Records the convolution on `x`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the channels are others or the image is too small.
    pub fn record(&self, tape: &mut Tape, store: &Store, x: Tensor) -> Result<Tensor> {
        let w = tape.param(store, &self.weight);
        let bias = self.bias.as_ref().map(|b| tape.param(store, b));
        match self.weight.layout {
            Layout::ConvTranspose { .. } => tape.conv_transpose2d(x, w, bias, self.conv),
            _ => tape.conv2d(x, w, bias, self.conv),
        }
    }
}

impl NormParams {
    pub(super) fn record(
        &self,
        tape: &mut Tape,
        store: &Store,
        x: Tensor,
        mode: super::Mode,
    ) -> Result<Tensor> {
        match self {
            NormParams::None => Ok(x),
            NormParams::Instance => {
                let vector = Shape::vector(tape.shape(x).c);
                let (one, zero) = (tape.fill(vector, 1.0), tape.fill(vector, 0.0));
                tape.batch_norm(x, one, zero, None, NormMode::Instance, BatchNorm::default())
            }
            NormParams::InstanceAffine(params) => {
                let [gamma, beta] = params.each_ref().map(|p| tape.param(store, p));
                tape.batch_norm(x, gamma, beta, None, NormMode::Instance, BatchNorm::default())
            }
            NormParams::Batch(params) => {
                let BatchParams { weight, bias, mean, var } = params.as_ref();
                let (gamma, beta) = (tape.param(store, weight), tape.param(store, bias));
                let wanted = mode.update_running || mode.norm == NormMode::Running;
                let running = wanted.then(|| Running {
                    mean: tape.param(store, mean),
                    var: tape.param(store, var),
                });
                let config = BatchNorm { batches: mode.batches, ..BatchNorm::default() };
                tape.batch_norm(x, gamma, beta, running, mode.norm, config)
            }
        }
    }
}
