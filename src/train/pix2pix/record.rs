//! The step as it is recorded, in the reference's order: D on fake and real, D's Adam, D again on
//! the fake with its new weights, L1, G's Adam.

use super::Pix2PixConfig;
use super::describe::{D_FAKE, D_GP, D_REAL, G_GAN, G_L1, G_TV, PLANES, describe};
use crate::error::Result;
use crate::nets::{Discriminator, DiscriminatorConfig, Generator, Judgement, Mode};
use crate::picture::{Input, Plane};
use crate::shape::Channels;
use crate::store::Store;
use crate::tape::{Tape, Tensor};
use crate::train::description::Description;
use crate::train::gan::gradient_penalty;
use crate::train::model::{GROUP_D, GROUP_G, Model, Network, Recorded, Settings};
use crate::train::terms::{Terms, adam, average, gradients, scaled};

impl Model for Pix2PixConfig {
    fn record(&self) -> Result<Recorded> {
        self.check()?;
        Step::new(self)?.record()
    }

    fn describe(&self) -> Description {
        describe(self)
    }

    fn settings(&self) -> Settings {
        Settings {
            size: (self.width, self.height),
            pictures: self.pictures(),
            beta1: self.beta1,
            init_type: self.init_type,
            init_gain: self.init_gain,
            uniform_biases: false,
            seed: self.seed,
        }
    }

    fn inputs(&self, _: &str) -> Vec<Plane> {
        vec![Plane::image(PLANES[0], self.generator.input_nc(), self.pictures)]
    }
}

/// A step being recorded: with accumulation, first D's part of every batch, then G's.
struct Step<'a> {
    config: &'a Pix2PixConfig,
    store: Store,
    tape: Tape,
    generator: Generator,
    discriminator: Discriminator,
    average: Option<Generator>,
    inputs: Vec<Vec<Input>>,
    terms: Terms,
}

/// A batch, from D's part of the step to G's.
struct Batch {
    a: Tensor,
    b: Tensor,
    fake: Tensor,
    /// What D judges of the fake.
    pair_fake: Tensor,
    /// Nodes of the tape at which the generator began and ended.
    nodes: [usize; 2],
}

impl<'a> Step<'a> {
    /// The networks in a store, and an empty tape.
    fn new(config: &'a Pix2PixConfig) -> Result<Step<'a>> {
        let g = config.generator;
        let mut store = Store::new();
        let generator = Generator::new(&mut store, "G", g)?;
        let (input, output) = (g.input_nc().into(), g.output_nc().into());
        let pair = Channels::concat(&[input, output]).expect("two parts");
        let (ndf, kind, norm) = (config.ndf, config.discriminator, config.discriminator_norm());
        let input = if config.condition_d { pair } else { output };
        let discriminator =
            Discriminator::new(&mut store, "D", DiscriminatorConfig { input, ndf, kind, norm })?;
        let average = config.ema.map(|_| Generator::new(&mut store, "G_ema", g)).transpose()?;
        Ok(Step {
            config,
            store,
            tape: Tape::new(),
            generator,
            discriminator,
            average,
            inputs: Vec::new(),
            terms: Terms::new(config.accumulate),
        })
    }

    fn record(mut self) -> Result<Recorded> {
        let d_wrt = self.discriminator.weights().trainable(&mut self.tape, &self.store);
        let mut batches = Vec::new();
        for at in 0..self.config.accumulate {
            let batch = self.forward()?;
            self.discriminator_part(&batch, at == 0, &d_wrt)?;
            batches.push(batch);
        }
        self.tape.scope("D");
        adam(&mut self.tape, &mut self.store, ["D"], GROUP_D);
        let g_wrt = self.generator.weights().trainable(&mut self.tape, &self.store);
        for (at, mut batch) in batches.into_iter().enumerate() {
            if self.config.accumulate > 1 {
                self.forward_again(&mut batch)?;
            }
            self.generator_part(&batch, at == 0, &g_wrt)?;
        }
        let (tape, store) = (&mut self.tape, &mut self.store);
        tape.scope("G");
        adam(tape, store, ["G"], GROUP_G);
        if let (Some(to), Some(decay)) = (&self.average, self.config.ema) {
            average(tape, store, self.generator.weights(), to.weights(), decay)?;
        }
        self.finish()
    }

    /// A batch's images, the generator on its input, and what D will judge of it.
    fn forward(&mut self) -> Result<Batch> {
        let g = &self.config.generator;
        let (input, a) = self.image(0, g.input_nc())?;
        let (target, b) = self.image(1, g.output_nc())?;
        self.inputs.push(vec![input, target]);
        self.tape.scope("");
        let begin = self.tape.nodes().len();
        // Recorded once more for G's part where there are several batches: running statistics
        // count it then.
        let mode = Mode { update_running: self.config.accumulate == 1, ..Mode::TRAIN };
        let fake = self.generator.record(&mut self.tape, &self.store, a, mode)?;
        let nodes = [begin, self.tape.nodes().len()];
        self.tape.scope("pairs");
        let pair_fake = self.pair(a, fake)?;
        Ok(Batch { a, b, fake, pair_fake, nodes })
    }

    /// The same images once more, dropout included, instead of keeping all activations until D has
    /// been updated.
    fn forward_again(&mut self, batch: &mut Batch) -> Result<()> {
        let begin = self.tape.nodes().len();
        self.tape.scope("");
        self.tape.random_streams_from(Some(batch.nodes[0]));
        batch.fake = self.generator.record(&mut self.tape, &self.store, batch.a, Mode::TRAIN)?;
        self.tape.random_streams_from(None);
        debug_assert_eq!(
            self.tape.nodes().len() - begin,
            batch.nodes[1] - batch.nodes[0],
            "streams of dropout are counted by node"
        );
        self.tape.scope("pairs");
        batch.pair_fake = self.pair(batch.a, batch.fake)?;
        Ok(())
    }

    /// D's losses on a batch and their gradients. D sees fake and real in one pass, as two batches
    /// whose norms have statistics of their own. Nothing here depends on D's weights but D, so the
    /// fake is as good as detached.
    fn discriminator_part(&mut self, batch: &Batch, first: bool, wrt: &[Tensor]) -> Result<()> {
        let (mode, config) = (self.config.gan_mode, self.config);
        let pair_real = self.pair(batch.a, batch.b)?;
        self.tape.scope("fake+real ");
        let (tape, store, both) = (&mut self.tape, &self.store, [batch.pair_fake, pair_real]);
        let [fake, real] = self.discriminator.record_both(tape, store, both, Mode::TRAIN)?;
        self.tape.scope("loss");
        let fake = mode.discriminator_loss(&mut self.tape, &[fake], false, 0.0)?;
        let smoothing = config.label_smoothing;
        let real = mode.discriminator_loss(&mut self.tape, &[real], true, smoothing)?;
        let [fake, real] =
            [fake, real].map(|loss| scaled(&mut self.tape, loss, self.terms.share()));
        let mut halves = vec![self.tape.scale(fake, 0.5), self.tape.scale(real, 0.5)];
        self.terms.note([(D_FAKE, fake), (D_REAL, real)]);
        if config.has_penalty() {
            let penalty = self.penalty(batch)?;
            // Halved like the rest of D's loss, or it would weigh twice as much as the paper's.
            halves.push(self.tape.scale(penalty, 0.5));
            self.terms.note([(D_GP, penalty)]);
        }
        gradients(&mut self.tape, &halves, wrt, first)
    }

    /// The gradient penalty on mixtures of real and fake, weighted.
    fn penalty(&mut self, batch: &Batch) -> Result<Tensor> {
        self.tape.scope("mixed");
        let mixed = self.tape.mix(batch.b, batch.fake)?;
        let pair = self.pair(batch.a, mixed)?;
        let judged = self.discriminate("mixed ", pair)?;
        self.tape.scope("penalty");
        let penalty = gradient_penalty(&mut self.tape, judged.logits, pair)?;
        Ok(self.tape.scale(penalty, self.terms.share() * self.config.lambda_gp))
    }

    /// G's losses on a batch, with D's new weights, and their gradients.
    fn generator_part(&mut self, batch: &Batch, first: bool, wrt: &[Tensor]) -> Result<()> {
        let (config, share) = (self.config, self.terms.share());
        let judged = self.discriminate("again ", batch.pair_fake)?;
        self.tape.scope("loss");
        let gan = config.gan_mode.generator_loss(&mut self.tape, &[judged])?;
        let gan = scaled(&mut self.tape, gan, share * config.lambda_gan);
        let l1 = self.tape.l1(batch.fake, batch.b)?;
        let l1 = self.tape.scale(l1, share * config.lambda_l1);
        let mut terms = vec![(G_GAN, gan), (G_L1, l1)];
        if config.lambda_tv > 0.0 {
            let tv = self.tape.total_variation(batch.fake);
            terms.push((G_TV, self.tape.scale(tv, share * config.lambda_tv)));
        }
        self.terms.backward(&mut self.tape, terms, wrt, first)
    }

    /// The losses as they are logged, and everything that was recorded.
    fn finish(mut self) -> Result<Recorded> {
        let losses = self.terms.totals(&mut self.tape, self.config.describe().losses)?;
        let passes = u64::from(self.config.accumulate);
        let mut networks = vec![
            Network::trained("G", self.generator, passes),
            Network::trained("D", self.discriminator, 3 * passes),
        ];
        networks.extend(self.average.map(|net| Network::average("G_ema", net, "G", passes)));
        let (store, tape, batches) = (self.store, self.tape, self.inputs);
        Ok(Recorded { store, tape, batches, losses, networks, pools: Vec::new() })
    }

    fn image(&mut self, side: usize, channels: u32) -> Result<(Input, Tensor)> {
        let config = self.config;
        self.tape.scope(PLANES[side]);
        let plane = Plane::image(PLANES[side], channels, config.pictures);
        Input::record(&mut self.tape, plane, [config.batch_size, config.height, config.width])
    }

    /// What D judges of an image.
    fn pair(&mut self, a: Tensor, b: Tensor) -> Result<Tensor> {
        if self.config.condition_d { self.tape.concat(&[a, b]) } else { Ok(b) }
    }

    fn discriminate(&mut self, scope: &str, pair: Tensor) -> Result<Judgement> {
        self.tape.scope(scope);
        self.discriminator.record(&mut self.tape, &self.store, pair, Mode::TRAIN)
    }
}
