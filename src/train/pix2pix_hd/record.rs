//! The step as it is recorded. All losses are taken before any update, as in the reference: so one
//! pass of the discriminator on the generated image serves both sides, and the order of the two
//! updates does not show.

use super::condition::{FEATURES, IMAGE, INSTANCES};
use super::describe::{D_FAKE, D_REAL, G_GAN, G_GAN_FEAT, G_VGG, describe};
use super::{Features, Over, Pix2PixHdConfig};
use crate::error::{Error, Result};
use crate::nets::{
    Generator, Judgement, LocalEnhancer, Mode, MultiScale, MultiScaleConfig, NormKind, Resnet, Vgg,
};
use crate::ops::{NormMode, PoolPages};
use crate::picture::{Input, Plane};
use crate::store::Store;
use crate::tape::{Tape, Tensor};
use crate::train::description::Description;
use crate::train::gan::feature_matching;
use crate::train::model::{
    GROUP_D, GROUP_G, GROUP_INNER, Model, Net, Network, Pool, Recorded, Settings,
};
use crate::train::terms::{Terms, adam, average, gradients, scaled};

/// Weights of VGG's features, the first ones' first.
const VGG_WEIGHTS: [f32; 5] = [1.0 / 32.0, 1.0 / 16.0, 1.0 / 8.0, 1.0 / 4.0, 1.0];

const POOL: &str = "pool";

impl Model for Pix2PixHdConfig {
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
            uniform_biases: true,
            seed: self.seed,
        }
    }

    fn inputs(&self, _: &str) -> Vec<Plane> {
        let mut planes = self.condition.planes(self.pictures, self.reads_instances());
        match self.features {
            Some(Features::Encoded { .. }) => planes.push(self.image()),
            Some(Features::Given(channels)) => {
                planes.push(Plane::image(FEATURES, channels, self.pictures));
            }
            None => {}
        }
        planes
    }

    fn generate(
        &self,
        networks: &[Network],
        generator: &str,
        tape: &mut Tape,
        store: &Store,
        planes: &[(&str, Tensor)],
    ) -> Result<Tensor> {
        let net = |name: &str| networks.iter().find(|network| network.name == name);
        let (Some(generator), encoder) = (net(generator).and_then(Network::generator), net("E"))
        else {
            return Err(Error::Usage(format!("the model has no generator {generator}")));
        };
        let encoder = encoder.and_then(|network| match &network.net {
            Net::Encoder(encoder) => Some(encoder.as_ref()),
            _ => None,
        });
        let mode = Mode::run(NormMode::Instance, false);
        let condition = self.condition_of(tape, planes)?;
        let features = self.features_of(tape, store, encoder, planes, mode)?;
        let x = joined(tape, "G/input", &condition, features)?;
        generator.record(tape, store, x, mode)
    }
}

/// The value of a plane.
fn plane(planes: &[(&str, Tensor)], name: &str) -> Result<Tensor> {
    let found = planes.iter().find(|(given, _)| *given == name);
    found.map(|(_, value)| *value).ok_or_else(|| Error::Usage(format!("no plane {name:?}")))
}

impl Pix2PixHdConfig {
    /// The target image.
    fn image(&self) -> Plane {
        Plane::image(IMAGE, self.generator.output_nc(), self.pictures)
    }

    /// All planes that a step reads.
    fn planes(&self) -> Vec<Plane> {
        let mut planes = self.inputs("G");
        if planes.iter().all(|plane| plane.name != IMAGE) {
            planes.push(self.image());
        }
        planes
    }

    /// The parts of what both networks see beside an image.
    fn condition_of(&self, tape: &mut Tape, planes: &[(&str, Tensor)]) -> Result<Vec<Tensor>> {
        tape.scope("condition");
        let instances = plane(planes, INSTANCES).ok();
        self.condition.record(tape, plane(planes, self.condition.first())?, instances)
    }

    /// The features that the generator sees, if it does.
    fn features_of(
        &self,
        tape: &mut Tape,
        store: &Store,
        encoder: Option<&Resnet>,
        planes: &[(&str, Tensor)],
        mode: Mode,
    ) -> Result<Option<Tensor>> {
        tape.scope("");
        Ok(match (self.features, encoder) {
            (None, _) => None,
            (Some(Features::Given(_)), _) => Some(plane(planes, FEATURES)?),
            (Some(Features::Encoded { over, .. }), Some(encoder)) => {
                let each = encoder.record(tape, store, plane(planes, IMAGE)?, mode)?;
                tape.scope("E/mean");
                let over = match over {
                    Over::Instances => plane(planes, INSTANCES)?,
                    Over::Labels => plane(planes, self.condition.first())?,
                };
                Some(tape.instance_mean(each, over)?)
            }
            (Some(Features::Encoded { .. }), None) => {
                return Err(Error::Usage("features need an encoder".into()));
            }
        })
    }
}

/// A step being recorded: the batches one after another, then the updates.
struct Step<'a> {
    config: &'a Pix2PixHdConfig,
    store: Store,
    tape: Tape,
    generator: Generator,
    discriminator: MultiScale,
    encoder: Option<Resnet>,
    vgg: Option<Vgg>,
    average: Option<Generator>,
    pool: PoolPages,
    decisions: Vec<Tensor>,
    inputs: Vec<Vec<Input>>,
    terms: Terms,
}

impl<'a> Step<'a> {
    /// The networks in a store, and an empty tape.
    fn new(config: &'a Pix2PixHdConfig) -> Result<Step<'a>> {
        let mut store = Store::new();
        let g = config.generator.with_input(config.generator_input()?)?;
        let generator = Generator::new(&mut store, "G", g)?;
        let judged = config.condition.with(&[g.output_nc().into()])?;
        let discriminator = MultiScale::new(
            &mut store,
            "D",
            MultiScaleConfig {
                input: judged,
                ndf: config.ndf,
                n_layers: config.n_layers_d,
                scales: config.num_d,
                norm: NormKind::Instance,
                staged: config.feature_matching,
            },
        )?;
        let encoder = match config.features {
            Some(Features::Encoded { encoder, .. }) => Some(Resnet::new(&mut store, "E", encoder)?),
            _ => None,
        };
        let vgg = config.vgg.map(|vgg| Vgg::new(&mut store, "VGG", vgg));
        let average = config.ema.map(|_| Generator::new(&mut store, "G_ema", g)).transpose()?;
        let (w, h) = (config.width, config.height);
        let pool = PoolPages::new(&mut store, POOL, config.pool_size, [h, w], judged);
        Ok(Step {
            config,
            store,
            tape: Tape::new(),
            generator,
            discriminator,
            encoder,
            vgg,
            average,
            pool,
            decisions: Vec::new(),
            inputs: Vec::new(),
            terms: Terms::new(config.accumulate),
        })
    }

    fn record(mut self) -> Result<Recorded> {
        for at in 0..self.config.accumulate {
            self.batch(at == 0)?;
        }
        self.tape.scope("G");
        let inner = LocalEnhancer::inner_set("G");
        let (tape, store) = (&mut self.tape, &mut self.store);
        for (set, group) in [("G", GROUP_G), (&inner, GROUP_INNER), ("E", GROUP_G)] {
            adam(tape, store, [set], group);
        }
        if let (Some(to), Some(decay)) = (&self.average, self.config.ema) {
            average(tape, store, self.generator.weights(), to.weights(), decay)?;
        }
        tape.scope("D");
        adam(tape, store, ["D"], GROUP_D);
        self.finish()
    }

    /// A batch's planes, all losses and their gradients.
    fn batch(&mut self, first: bool) -> Result<()> {
        let config = self.config;
        let planes = self.planes()?;
        let condition = config.condition_of(&mut self.tape, &planes)?;
        let (tape, store) = (&mut self.tape, &self.store);
        let encoder = self.encoder.as_ref();
        let features = config.features_of(tape, store, encoder, &planes, Mode::TRAIN)?;
        let x = joined(tape, "G/input", &condition, features)?;
        let fake = self.generator.record(tape, store, x, Mode::TRAIN)?;
        let real = plane(&planes, IMAGE)?;
        let pair_fake = joined(tape, "fake pair", &condition, Some(fake))?;
        let pair_real = joined(tape, "real pair", &condition, Some(real))?;
        let judged_fake = self.judge("fake ", pair_fake)?;
        let judged_real = self.judge("real ", pair_real)?;
        self.generator_losses(&judged_fake, &judged_real, [fake, real], first)?;
        self.discriminator_losses(judged_fake, &judged_real, pair_fake, first)
    }

    fn planes(&mut self) -> Result<Vec<(&'static str, Tensor)>> {
        let config = self.config;
        let size = [config.batch_size, config.height, config.width];
        let (mut inputs, mut values) = (Vec::new(), Vec::new());
        for plane in config.planes() {
            self.tape.scope(plane.name);
            let (input, value) = Input::record(&mut self.tape, plane, size)?;
            inputs.push(input);
            values.push((plane.name, value));
        }
        self.inputs.push(inputs);
        Ok(values)
    }

    fn judge(&mut self, scope: &str, pair: Tensor) -> Result<Vec<Judgement>> {
        self.tape.scope(scope);
        self.discriminator.record(&mut self.tape, &self.store, pair, Mode::TRAIN)
    }

    /// The losses of generator and encoder on a batch, and their gradients.
    fn generator_losses(
        &mut self,
        fake: &[Judgement],
        real: &[Judgement],
        images: [Tensor; 2],
        first: bool,
    ) -> Result<()> {
        let (config, share) = (self.config, self.terms.share());
        self.tape.scope("loss");
        let gan = config.gan_mode.generator_loss(&mut self.tape, fake)?;
        let mut terms = vec![(G_GAN, scaled(&mut self.tape, gan, share))];
        if config.feature_matching {
            let sum = feature_matching(&mut self.tape, fake, real)?;
            // The same weight for each scale and stage.
            let weight = 4.0 / (config.n_layers_d + 1) as f32 / config.num_d as f32;
            let weight = share * weight * config.lambda_feat;
            terms.push((G_GAN_FEAT, scaled(&mut self.tape, sum, weight)));
        }
        if let Some(distance) = self.vgg_distance(images)? {
            let weight = share * config.lambda_feat;
            terms.push((G_VGG, scaled(&mut self.tape, distance, weight)));
        }
        let encoder = self.encoder.as_ref().map(Resnet::weights);
        let trained = [self.generator.weights()].into_iter().chain(encoder);
        let (tape, store) = (&mut self.tape, &self.store);
        let wrt: Vec<Tensor> = trained.flat_map(|w| w.trainable(tape, store)).collect();
        self.terms.backward(tape, terms, &wrt, first)
    }

    /// The distance of two images in VGG's features.
    fn vgg_distance(&mut self, images: [Tensor; 2]) -> Result<Option<Tensor>> {
        let Some(vgg) = &self.vgg else { return Ok(None) };
        let mut features = Vec::new();
        for (image, scope) in images.into_iter().zip(["fake ", "real "]) {
            self.tape.scope(scope);
            features.push(vgg.record(&mut self.tape, &self.store, image)?);
        }
        self.tape.scope("loss");
        let mut total = None;
        for ((fake, real), weight) in features[0].iter().zip(&features[1]).zip(VGG_WEIGHTS) {
            let distance = self.tape.l1(*fake, *real)?;
            let distance = scaled(&mut self.tape, distance, weight);
            total = Some(total.map_or(Ok(distance), |sum| self.tape.add(sum, distance))?);
        }
        Ok(total)
    }

    /// The losses of the discriminator on a batch, and their gradients. No gradient of the
    /// generated image is asked for: it is as good as detached.
    fn discriminator_losses(
        &mut self,
        fake: Vec<Judgement>,
        real: &[Judgement],
        pair_fake: Tensor,
        first: bool,
    ) -> Result<()> {
        let (mode, share) = (self.config.gan_mode, self.terms.share());
        let fake = if self.config.pool_size > 0 {
            let decisions = self.tape.pool_decisions(POOL, self.config.batch_size);
            self.decisions.push(decisions);
            self.tape.scope(POOL);
            let seen = self.tape.pool(&self.store, &self.pool, pair_fake, decisions)?;
            self.judge("pooled ", seen)?
        } else {
            fake
        };
        self.tape.scope("loss");
        let fake = mode.discriminator_loss(&mut self.tape, &fake, false, 0.0)?;
        let real = mode.discriminator_loss(&mut self.tape, real, true, 0.0)?;
        let [fake, real] = [fake, real].map(|loss| scaled(&mut self.tape, loss, share));
        self.terms.note([(D_FAKE, fake), (D_REAL, real)]);
        let halves = [fake, real].map(|loss| self.tape.scale(loss, 0.5));
        let wrt = self.discriminator.weights().trainable(&mut self.tape, &self.store);
        gradients(&mut self.tape, &halves, &wrt, first)
    }

    /// The losses as they are logged, and everything that was recorded.
    fn finish(mut self) -> Result<Recorded> {
        let losses = self.terms.totals(&mut self.tape, self.config.describe().losses)?;
        let mut networks = vec![
            Network::trained("G", self.generator, 1),
            Network::trained("D", self.discriminator, 1),
        ];
        networks.extend(self.encoder.map(|net| Network::trained("E", net, 1)));
        networks.extend(self.vgg.map(|net| Network::frozen("VGG", net.weights().clone())));
        networks.extend(self.average.map(|net| Network::average("G_ema", net, "G", 1)));
        let (store, tape, batches) = (self.store, self.tape, self.inputs);
        let pool = Pool { name: POOL, pages: self.pool, decisions: self.decisions };
        let pools = if self.config.pool_size > 0 { vec![pool] } else { Vec::new() };
        Ok(Recorded { store, tape, batches, losses, networks, pools })
    }
}

/// Parts of an input as one tensor.
fn joined(
    tape: &mut Tape,
    scope: &str,
    condition: &[Tensor],
    last: Option<Tensor>,
) -> Result<Tensor> {
    tape.scope(scope);
    let parts: Vec<Tensor> = condition.iter().copied().chain(last).collect();
    let whole = if parts.len() == 1 { Ok(parts[0]) } else { tape.concat(&parts) };
    tape.scope("");
    whole
}
