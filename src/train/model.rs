//! What a training needs to know of a model: its step as it is recorded, and what the host feeds
//! it.

use super::description::{Description, Loss};
use super::{CycleGanConfig, Pix2PixConfig, Pix2PixHdConfig};
use crate::error::{Error, Result};
use crate::nets::{Discriminator, Generator, InitType, Mode, MultiScale, Resnet, Weights};
use crate::ops::{NormMode, PoolPages};
use crate::picture::{Input, Plane};
use crate::store::Store;
use crate::tape::{Tape, Tensor};

/// Everything that decides what a training step of a model computes.
pub trait Model: std::fmt::Debug + Clone {
    /// Records a step: its networks in a store, and the tape.
    ///
    /// # Errors
    /// [`crate::Error::Usage`] or [`crate::Error::Shape`] for what does not go together.
    fn record(&self) -> Result<Recorded>;

    /// What its losses, generators and sample grids are.
    fn describe(&self) -> Description;

    /// What a training needs to know beside the recorded step.
    fn settings(&self) -> Settings;

    /// The planes of a sample that a generator reads to make an image, the one that it maps first.
    fn inputs(&self, generator: &str) -> Vec<Plane>;

    /// Records a generator without dropout, as samples and validations show it: from the values of
    /// its planes to its output. `networks` are the recorded ones, of which one has the name
    /// `generator`.
    ///
    /// # Errors
    /// [`Error::Usage`] for another name or planes that are missing, and [`Error::Shape`].
    fn generate(
        &self,
        networks: &[Network],
        generator: &str,
        tape: &mut Tape,
        store: &Store,
        planes: &[(&str, Tensor)],
    ) -> Result<Tensor> {
        let found = networks.iter().find(|network| network.name == generator);
        match (found.and_then(Network::generator), planes) {
            (Some(net), [(_, x)]) => {
                let mode = Mode::run(NormMode::Batch, false);
                net.record(tape, store, *x, mode)
            }
            (Some(_), _) => Err(Error::Usage(format!("{generator} maps one image"))),
            (None, _) => Err(Error::Usage(format!("the model has no generator {generator}"))),
        }
    }
}

/// What a training needs to know beside the recorded step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Width and height of the images.
    pub size: (u32, u32),
    /// Samples per step.
    pub pictures: u32,
    /// Adam's decay of the first moment (the second's is 0.999, eps 1e-8).
    pub beta1: f64,
    /// Weight initialisation.
    pub init_type: InitType,
    /// Scale of the initial weights.
    pub init_gain: f32,
    /// Whether biases of convolutions start uniformly distributed, as PyTorch leaves them, instead
    /// of 0.
    pub uniform_biases: bool,
    /// Seed of initial weights, dropout and pools.
    pub seed: u64,
}

/// Group of the step uniform whose rate the generators' Adam takes ([`Tape::adam`]).
pub const GROUP_G: usize = 0;
/// The same of the discriminators.
pub const GROUP_D: usize = 1;
/// The same of the parts of generators that may be held fixed for a while.
pub const GROUP_INNER: usize = 2;

/// A recorded step.
#[derive(Debug)]
pub struct Recorded {
    /// Where parameters lie.
    pub store: Store,
    /// The step.
    pub tape: Tape,
    /// The planes of each batch of a step, the same ones in the same order in all.
    pub batches: Vec<Vec<Input>>,
    /// Losses, weighted, in the order in which they are logged: those of [`Model::describe`].
    pub losses: Vec<(Loss, Tensor)>,
    /// The networks; averages behind all others.
    pub networks: Vec<Network>,
    /// Pools of images generated earlier.
    pub pools: Vec<Pool>,
}

/// A network of a model.
#[derive(Debug)]
pub struct Network {
    /// Its public name, `G` or `D_A` for example: `latest_net_G.safetensors`.
    pub name: &'static str,
    /// The network itself.
    pub net: Net,
    /// Batches that its norms see per step.
    pub passes: u64,
    /// What becomes of its weights.
    pub update: Update,
}

/// What becomes of a network's weights in a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// A step changes them: initialised, optimised, saved.
    Trained,
    /// They are the moving average of another network's: saved beside it.
    AverageOf(&'static str),
    /// They are loaded once and only read: no gradients, no moments, in no checkpoint. Their set
    /// of the store is [frozen](Store::freeze).
    Frozen,
}

/// A generator or a discriminator.
#[derive(Debug)]
pub enum Net {
    /// A generator.
    Generator(Generator),
    /// A discriminator.
    Discriminator(Discriminator),
    /// Discriminators of several scales.
    MultiScale(MultiScale),
    /// An encoder of features, trained with the generators.
    Encoder(Box<Resnet>),
    /// Another network: a feature extractor.
    Other(Weights),
}

/// A pool of images, and where the host writes what happens to those of a step.
#[derive(Debug)]
pub struct Pool {
    /// Name, in files and messages.
    pub name: &'static str,
    /// Pages of the store that hold its images.
    pub pages: PoolPages,
    /// One for each batch of a step, in order: see [`Tape::pool_decisions`].
    pub decisions: Vec<Tensor>,
}

impl Network {
    /// A network that is trained; its norms see `passes` batches per step.
    pub fn trained(name: &'static str, net: impl Into<Net>, passes: u64) -> Network {
        Network { name, net: net.into(), passes, update: Update::Trained }
    }

    /// The moving average of another network.
    pub fn average(
        name: &'static str,
        net: impl Into<Net>,
        of: &'static str,
        passes: u64,
    ) -> Network {
        Network { name, net: net.into(), passes, update: Update::AverageOf(of) }
    }

    /// A network that is only read.
    pub fn frozen(name: &'static str, net: impl Into<Net>) -> Network {
        Network { name, net: net.into(), passes: 0, update: Update::Frozen }
    }

    /// The generator that it is, if it is one.
    pub fn generator(&self) -> Option<&Generator> {
        match &self.net {
            Net::Generator(generator) => Some(generator),
            _ => None,
        }
    }

    /// Whether the generators' optimiser updates it.
    pub(super) fn is_of_generators(&self) -> bool {
        matches!(self.net, Net::Generator(_) | Net::Encoder(_))
    }

    /// Parameters and running statistics, under their public names.
    pub fn weights(&self) -> &Weights {
        match &self.net {
            Net::Generator(net) => net.weights(),
            Net::Discriminator(net) => net.weights(),
            Net::MultiScale(net) => net.weights(),
            Net::Encoder(net) => net.weights(),
            Net::Other(weights) => weights,
        }
    }
}

impl From<Generator> for Net {
    fn from(net: Generator) -> Net {
        Net::Generator(net)
    }
}

impl From<Discriminator> for Net {
    fn from(net: Discriminator) -> Net {
        Net::Discriminator(net)
    }
}

impl From<MultiScale> for Net {
    fn from(net: MultiScale) -> Net {
        Net::MultiScale(net)
    }
}

impl From<Resnet> for Net {
    fn from(net: Resnet) -> Net {
        Net::Encoder(Box::new(net))
    }
}

impl From<Weights> for Net {
    fn from(weights: Weights) -> Net {
        Net::Other(weights)
    }
}

impl Recorded {
    /// What the host reads after a step.
    pub fn kept(&self) -> Vec<Tensor> {
        self.losses.iter().map(|(_, loss)| *loss).collect()
    }
}

/// Declares [`AnyModel`]: one line for each model.
macro_rules! models {
    ($($(#[$doc:meta])* $name:ident($config:ty),)+) => {
        /// Any of the models, for programs that choose when they run.
        #[derive(Clone, Debug, PartialEq)]
        pub enum AnyModel {
            $($(#[$doc])* $name($config),)+
        }

        impl Model for AnyModel {
            fn record(&self) -> Result<Recorded> {
                match self {
                    $(AnyModel::$name(config) => config.record(),)+
                }
            }

            fn describe(&self) -> Description {
                match self {
                    $(AnyModel::$name(config) => config.describe(),)+
                }
            }

            fn settings(&self) -> Settings {
                match self {
                    $(AnyModel::$name(config) => config.settings(),)+
                }
            }

            fn inputs(&self, generator: &str) -> Vec<Plane> {
                match self {
                    $(AnyModel::$name(config) => config.inputs(generator),)+
                }
            }

            fn generate(
                &self,
                networks: &[Network],
                generator: &str,
                tape: &mut Tape,
                store: &Store,
                planes: &[(&str, Tensor)],
            ) -> Result<Tensor> {
                match self {
                    $(AnyModel::$name(config) => {
                        config.generate(networks, generator, tape, store, planes)
                    })+
                }
            }
        }
    };
}

models! {
    /// Pairs.
    Pix2Pix(Pix2PixConfig),
    /// Unpaired image sets.
    CycleGan(CycleGanConfig),
    /// Maps of labels and images, at several scales.
    Pix2PixHd(Pix2PixHdConfig),
}
