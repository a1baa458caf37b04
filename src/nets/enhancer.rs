//! pix2pixHD's local enhancer: a ResNet generator at a fraction of the size, and around it
//! enhancers that each double it.
//!
//! The generator inside, without its last convolution, runs on the smallest input. Each enhancer
//! then halves an input of twice the size by a convolution, adds what came from inside, passes the
//! sum through residual blocks, and doubles it. The smaller inputs are averages of 3x3 pixels.

use super::Mode;
use super::resnet::{Block, DOUBLE, HALVE, K7, Layer, ResnetConfig, Trunk, pad7, record_last};
use super::weights::{ConvParams, NormKind, Weights};
use crate::error::{Error, Result};
use crate::ops::Act;
use crate::shape::Channels;
use crate::store::Store;
use crate::tape::{Tape, Tensor};

/// Size of a local enhancer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EnhancerConfig {
    /// Channels of the input; a concatenation keeps its parts.
    pub input: Channels,
    /// Channels of the output.
    pub output_nc: u32,
    /// Channels of the outermost enhancer's first layer; they double with each one inwards.
    pub ngf: u32,
    /// Halvings of the generator inside.
    pub halvings: u32,
    /// Residual blocks of the generator inside.
    pub global_blocks: u32,
    /// Enhancers: 1 or 2.
    pub enhancers: u32,
    /// Residual blocks of each enhancer.
    pub blocks: u32,
    /// The norm.
    pub norm: NormKind,
}

impl Default for EnhancerConfig {
    /// Upstream's, with the 32 channels that its scripts give it.
    fn default() -> Self {
        EnhancerConfig {
            input: 3.into(),
            output_nc: 3,
            ngf: 32,
            halvings: 4,
            global_blocks: 9,
            enhancers: 1,
            blocks: 3,
            norm: NormKind::Instance,
        }
    }
}

impl EnhancerConfig {
    /// The generator inside.
    pub fn global(&self) -> ResnetConfig {
        ResnetConfig {
            input: self.input,
            output_nc: self.output_nc,
            ngf: self.ngf << self.enhancers,
            halvings: self.halvings,
            blocks: self.global_blocks,
            norm: self.norm,
            ..ResnetConfig::default()
        }
    }

    /// What the sides of an image must be multiples of.
    pub fn multiple(&self) -> u32 {
        self.global().multiple() << self.enhancers
    }

    /// The smallest side.
    pub(super) fn smallest(&self) -> u32 {
        self.global().smallest() << self.enhancers
    }

    /// The residual blocks of an enhancer are those of a ResNet.
    fn like(&self) -> ResnetConfig {
        ResnetConfig { norm: self.norm, ..ResnetConfig::default() }
    }

    /// The last convolution's place behind the blocks of the outermost enhancer: transposed
    /// convolution, norm, ReLU and padding come before it.
    fn last(&self) -> u32 {
        self.blocks + 4
    }

    /// Recognises a local enhancer from the public names and shapes of its file.
    #[cfg_attr(not(feature = "io"), expect(dead_code, reason = "files are read with it"))]
    pub(crate) fn of_file<'a>(
        shape: impl Fn(&str) -> Option<&'a [usize]>,
    ) -> Option<EnhancerConfig> {
        let conv = |name: String| shape(&format!("{name}.weight")).filter(|s| s.len() == 4);
        let enhancers = (1..=2).take_while(|n| conv(format!("model{n}_1.1")).is_some()).count();
        let first = conv(format!("model{enhancers}_1.1"))?;
        let ngf = first[0] as u32;
        let blocks = (0..256)
            .take_while(|b| conv(format!("model{enhancers}_2.{b}.conv_block.1")).is_some())
            .count() as u32;
        let last = conv(format!("model{enhancers}_2.{}", blocks + 4))?;
        // The generator inside has no last convolution: the enhancer's stands for it.
        let global = ResnetConfig::of_trunk(&shape)?;
        Some(EnhancerConfig {
            input: global.input,
            output_nc: last[0] as u32,
            ngf,
            halvings: global.halvings,
            global_blocks: global.blocks,
            enhancers: enhancers as u32,
            blocks,
            norm: global.norm,
        })
    }
}

/// One enhancer.
#[derive(Debug)]
struct Enhancer {
    /// The 7x7 convolution, then the halving.
    down: [Layer; 2],
    blocks: Vec<Block>,
    up: Layer,
}

/// A local enhancer with its parameters: `[n, h, w, input]` in [-1, 1] to `[n, h, w, output_nc]` in
/// [-1, 1].
///
/// The parameters of the generator inside and of all enhancers but the outermost lie in a set of
/// the store of their own ([`LocalEnhancer::inner_set`]), so that they may be optimised at another
/// rate.
#[derive(Debug)]
pub struct LocalEnhancer {
    config: EnhancerConfig,
    weights: Weights,
    trunk: Trunk,
    /// The innermost first.
    enhancers: Vec<Enhancer>,
    last: ConvParams,
}

impl LocalEnhancer {
    /// Adds the parameters to a set of the store.
    ///
    /// # Errors
    /// [`Error::Config`] unless there are one or two enhancers, [`Error::Usage`] if a channel count
    /// is 0.
    pub fn new(store: &mut Store, set: &str, config: EnhancerConfig) -> Result<LocalEnhancer> {
        let EnhancerConfig { output_nc, ngf, enhancers, norm, .. } = config;
        if !(1..=2).contains(&enhancers) {
            return Err(Error::config("n_local_enhancers", format!("{enhancers}: choose 1 or 2")));
        }
        let mut weights = Weights::new(set, norm);
        weights.lie_in(&LocalEnhancer::inner_set(set));
        let trunk = Trunk::new(&mut weights, store, config.global())?;
        let enhancers = (1..=enhancers)
            .map(|number| {
                if number == enhancers {
                    weights.lie_in(set);
                }
                Enhancer::new(&mut weights, store, number, config)
            })
            .collect();
        let name = format!("model{}_2.{}", config.enhancers, config.last());
        let last = weights.conv(store, &name, ngf.into(), output_nc, K7, true);
        Ok(LocalEnhancer { config, weights, trunk, enhancers, last })
    }

    /// The set of the store that holds everything but the outermost enhancer.
    pub fn inner_set(set: &str) -> String {
        format!("{set}.inner")
    }

    /// The configuration that it was built from.
    pub fn config(&self) -> &EnhancerConfig {
        &self.config
    }

    /// The parameters, under their public names.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Records the network on `x`, `[n, h, w, input]` with h and w multiples of
    /// [`EnhancerConfig::multiple`].
    ///
    /// # Errors
    /// [`Error::Shape`] for other channels.
    pub(super) fn record(
        &self,
        tape: &mut Tape,
        store: &Store,
        x: Tensor,
        mode: Mode,
    ) -> Result<Tensor> {
        let before = tape.current_scope().to_string();
        let scope = format!("{before}{}/", self.weights.set());
        let mut inputs = vec![x];
        for _ in &self.enhancers {
            tape.scope(format!("{scope}pyramid"));
            inputs.push(tape.avg_pool2d(inputs[inputs.len() - 1]));
        }
        let coarsest = inputs.pop().expect("x at least");
        let mut h = self.trunk.record(tape, store, coarsest, mode, &format!("{scope}global/"))?;
        for (at, enhancer) in self.enhancers.iter().enumerate() {
            let x = inputs.pop().expect("one for each enhancer");
            let scope = format!("{scope}local{}/", at + 1);
            tape.scope(format!("{scope}in"));
            // What comes from inside is added behind its ReLU.
            h = tape.act(h, Act::Relu);
            h = enhancer.record(tape, store, x, h, mode, &scope)?;
        }
        tape.scope(format!("{scope}last"));
        let y = record_last(&self.last, tape, store, h)?;
        tape.scope(before);
        Ok(y)
    }
}

impl Enhancer {
    /// Enhancer `number`, from 1 inwards out.
    fn new(
        weights: &mut Weights,
        store: &mut Store,
        number: u32,
        config: EnhancerConfig,
    ) -> Enhancer {
        let c = config.ngf << (config.enhancers - number);
        let bias = config.norm.conv_bias();
        let name = |half: u32, at: u32| format!("model{number}_{half}.{at}");
        let mut down = |at: u32, ci: Channels, co: u32, conv| Layer {
            conv: weights.conv(store, &name(1, at), ci, co, conv, bias),
            norm: weights.norm(store, &name(1, at + 1), co),
        };
        let down = [down(1, config.input, c, K7), down(4, c.into(), 2 * c, HALVE)];
        let blocks = (0..config.blocks)
            .map(|at| Block::new(weights, store, &name(2, at), 2 * c, config.like()))
            .collect();
        let at = config.blocks;
        let conv = weights.conv_transpose(store, &name(2, at), (2 * c).into(), c, DOUBLE, bias);
        let up = Layer { conv, norm: weights.norm(store, &name(2, at + 1), c) };
        Enhancer { down, blocks, up }
    }

    /// Records it on its input `x` and on what comes from inside, up to the last norm.
    fn record(
        &self,
        tape: &mut Tape,
        store: &Store,
        x: Tensor,
        inner: Tensor,
        mode: Mode,
        scope: &str,
    ) -> Result<Tensor> {
        tape.scope(format!("{scope}down0"));
        let mut h = pad7(tape, x)?;
        h = self.down[0].record(tape, store, h, mode)?;
        tape.scope(format!("{scope}down1"));
        h = tape.act(h, Act::Relu);
        h = self.down[1].record(tape, store, h, mode)?;
        h = tape.act(h, Act::Relu);
        h = tape.add(h, inner)?;
        for (at, block) in self.blocks.iter().enumerate() {
            tape.scope(format!("{scope}block{at}"));
            h = block.record(tape, store, h, mode)?;
        }
        tape.scope(format!("{scope}up"));
        self.up.record(tape, store, h, mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(config: EnhancerConfig) -> (LocalEnhancer, Store) {
        let mut store = Store::new();
        let net = LocalEnhancer::new(&mut store, "G", config).unwrap();
        (net, store)
    }

    #[test]
    fn parameters_are_those_of_the_public_files() {
        let count = |input: Channels| {
            net(EnhancerConfig { input, ..EnhancerConfig::default() }).0.weights().count()
        };
        let edges = Channels::concat(&[35.into(), 1.into()]).unwrap();
        let features = Channels::concat(&[35.into(), 1.into(), 3.into()]).unwrap();
        assert_eq!(
            [count(edges), count(features), count(3.into())],
            [182_857_059, 182_871_171, 182_701_827]
        );
        let (net, _) = net(EnhancerConfig::default());
        let names: Vec<_> = net.weights().params().map(|p| p.name.as_str()).collect();
        for name in [
            "model.1.weight",
            "model.24.conv_block.5.bias",
            "model.34.weight",
            "model1_1.1.weight",
            "model1_1.4.bias",
            "model1_2.2.conv_block.1.weight",
            "model1_2.3.weight",
            "model1_2.7.bias",
        ] {
            assert!(names.contains(&name), "{name}");
        }
        assert!(!names.contains(&"model.38.weight"));
    }

    #[test]
    fn everything_but_the_outermost_enhancer_lies_apart() {
        for enhancers in [1, 2] {
            let config = EnhancerConfig { enhancers, ngf: 2, ..EnhancerConfig::default() };
            let (net, mut store) = net(config);
            let inner = store.pages("G.inner").len();
            assert!(inner > 0 && !store.pages("G").is_empty());
            assert_eq!(net.weights().sets(), ["G.inner", "G"]);
            let outer = format!("model{enhancers}_");
            let pages: Vec<usize> =
                store.pages("G").iter().map(|page| store.buffer_index(page.weight)).collect();
            for param in net.weights().params() {
                let apart = pages.contains(&store.buffer_index(param.value));
                assert_eq!(apart, param.name.starts_with(&outer), "{}", param.name);
            }
        }
    }

    #[test]
    fn a_file_says_what_it_holds() {
        for config in [
            EnhancerConfig {
                ngf: 4,
                halvings: 2,
                global_blocks: 2,
                blocks: 2,
                ..Default::default()
            },
            EnhancerConfig { ngf: 2, enhancers: 2, input: 9.into(), ..Default::default() },
        ] {
            let (net, _) = net(config);
            let shapes: std::collections::BTreeMap<_, _> =
                net.weights().params().map(|p| (p.name.clone(), p.layout.public_shape())).collect();
            let found = EnhancerConfig::of_file(|name| shapes.get(name).map(Vec::as_slice));
            assert_eq!(found, Some(config));
        }
    }
}
