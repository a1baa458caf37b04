//! The training step of pix2pix, in the reference's order: D on fake and real as batches of their own, D's Adam, D again on
//! the fake with its new weights, L1, G's Adam.

use super::gan::{GanMode, gradient_penalty};
use super::schedule::Rates;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::nets::{Discriminator, DiscriminatorConfig, DiscriminatorKind, Generator, GeneratorConfig, InitType, Mode, NormKind, UnetConfig, Weights};
use crate::plan::{GROUPS, Plan, PlanOptions, Program, Progress, Rate, Scalars, StepValues};
use crate::shape::{Channels, Shape};
use crate::store::Store;
use crate::tape::{Tape, Tensor};
use crate::train::{PictureFormat, Values};

/// Everything that decides what a training step computes.
#[derive(Clone, Debug, PartialEq)]
pub struct Pix2PixConfig {
    /// The generator.
    pub generator: GeneratorConfig,
    /// The discriminator.
    pub discriminator: DiscriminatorKind,
    /// Channels of the discriminator's first layer.
    pub ndf: u32,
    /// The discriminator's norm; `None`: the generator's.
    pub norm_d: Option<NormKind>,
    /// Whether the discriminator sees the input beside the output.
    pub condition_d: bool,
    /// Pictures that go through the networks together, over which norms take statistics.
    pub batch_size: u32,
    /// Batches a step: their gradients are averaged for one update of each network. Above 1 the generator runs twice for each, so that
    /// one batch's activations are alive at a time.
    pub accumulate: u32,
    /// Width of the pictures.
    pub width: u32,
    /// Height of the pictures.
    pub height: u32,
    /// How pictures go up.
    pub pictures: PictureFormat,
    /// The adversarial loss.
    pub gan_mode: GanMode,
    /// Weight of the L1 term.
    pub lambda_l1: f32,
    /// Weight of the adversarial term of the generator.
    pub lambda_gan: f32,
    /// Weight of the total variation of what is generated; 0: without.
    pub lambda_tv: f32,
    /// Weight of the gradient penalty ([`GanMode::Wgangp`]).
    pub lambda_gp: f32,
    /// How much the label of real pictures is below 1.
    pub label_smoothing: f32,
    /// Decay of the moving average of the generator; `None`: without.
    pub ema: Option<f64>,
    /// Adam's decay of the first moment (the second's is 0.999, eps 1e-8).
    pub beta1: f64,
    /// How weights begin.
    pub init_type: InitType,
    /// Scale of the initial weights.
    pub init_gain: f32,
    /// Seed of initial weights and dropout.
    pub seed: u64,
}

impl Default for Pix2PixConfig {
    /// Upstream's defaults for pix2pix.
    fn default() -> Self {
        Pix2PixConfig {
            generator: UnetConfig::default().into(),
            discriminator: DiscriminatorKind::Patch { n_layers: 3 },
            ndf: 64,
            norm_d: None,
            condition_d: true,
            batch_size: 1,
            accumulate: 1,
            width: 256,
            height: 256,
            pictures: PictureFormat::Bytes,
            gan_mode: GanMode::Vanilla,
            lambda_l1: 100.0,
            lambda_gan: 1.0,
            lambda_tv: 0.0,
            lambda_gp: 10.0,
            label_smoothing: 0.0,
            ema: None,
            beta1: 0.5,
            init_type: InitType::Normal,
            init_gain: 0.02,
            seed: 0,
        }
    }
}

impl Pix2PixConfig {
    /// The discriminator's norm.
    pub fn discriminator_norm(&self) -> NormKind {
        self.norm_d.unwrap_or(self.generator.norm())
    }

    /// Pictures a step: `accumulate` batches.
    pub fn pictures(&self) -> u32 {
        self.batch_size * self.accumulate
    }

    /// Refuses what does not go together, or makes no sense.
    fn check(&self) -> Result<()> {
        let refuse = |why: String| Err(Error::Usage(why));
        if self.accumulate == 0 || self.batch_size == 0 {
            return refuse("--accumulate and --batch_size: at least 1".into());
        }
        if self.gan_mode == GanMode::Wgangp && self.discriminator_norm() == NormKind::Batch {
            return refuse(
                "--gan_mode wgangp: its penalty is one of each picture, and batch norm in the discriminator mixes them; choose --norm_D instance \
                 (or instance_affine, none)"
                    .into(),
            );
        }
        if self.label_smoothing != 0.0 && !self.gan_mode.has_labels() {
            return refuse(format!("--label_smoothing: {} has no labels; leave it out, or choose --gan_mode vanilla or lsgan", self.gan_mode));
        }
        if !(0.0..1.0).contains(&self.label_smoothing) {
            return refuse(format!("--label_smoothing {}: from 0 to below 1", self.label_smoothing));
        }
        for (flag, value) in
            [("L1", self.lambda_l1), ("GAN", self.lambda_gan), ("TV", self.lambda_tv), ("gp", self.lambda_gp)].map(|(name, v)| (format!("--lambda_{name}"), v))
        {
            if !(value >= 0.0 && value.is_finite()) {
                return refuse(format!("{flag} {value}: a weight is 0 or more"));
            }
        }
        match self.ema {
            Some(decay) if !(0.0..1.0).contains(&decay) => refuse(format!("--ema {decay}: a decay lies in 0 to below 1, 0.999 for example")),
            _ => Ok(()),
        }
    }
}

/// Names of the losses in `losses.jsonl`, in the order of [`Losses::values`].
pub const LOSS_NAMES: [&str; 4] = ["G_GAN", "G_L1", "D_real", "D_fake"];

/// The losses of one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Losses {
    /// The step, from 1.
    pub step: u64,
    /// In the order of [`LOSS_NAMES`]; G_GAN and G_L1 are weighted already.
    pub values: [f32; 4],
    /// Terms that not every training has, by name and weighted: the total variation `G_TV`, the gradient penalty `D_GP`.
    pub more: [Option<(&'static str, f32)>; 2],
}

impl Losses {
    /// All terms by name.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, f32)> {
        LOSS_NAMES.into_iter().zip(self.values).chain(self.more.into_iter().flatten())
    }
}

/// Optimizer groups of the step uniform.
const GROUP_G: usize = 0;
const GROUP_D: usize = 1;
/// Steps whose losses may be on their way back: the host runs at most this far ahead.
const LOSSES_IN_FLIGHT: usize = 3;

/// A pix2pix training: both networks, the program of a step, and where it stands.
#[derive(Debug)]
pub struct Pix2Pix {
    config: Pix2PixConfig,
    store: Store,
    generator: Generator,
    discriminator: Discriminator,
    average: Option<Generator>,
    program: Program,
    pictures: Vec<[Tensor; 2]>,
    scalars: Scalars,
    /// Names of the losses behind the first four.
    more: [Option<&'static str>; 2],
    steps: u64,
}

/// The networks; the last is the moving average of the generator.
type Networks = (Generator, Discriminator, Option<Generator>);

/// A recorded step: what the host writes, what it reads.
struct Recorded {
    /// Input and target of each batch.
    pictures: Vec<[Tensor; 2]>,
    losses: Vec<Tensor>,
    more: [Option<&'static str>; 2],
}

/// Terms of several batches, each already divided by their number: their sum.
fn joined(tape: &mut Tape, terms: &[Tensor]) -> Result<Tensor> {
    let (first, rest) = terms.split_first().expect("at least one batch");
    rest.iter().try_fold(*first, |sum, term| tape.add(sum, *term))
}

impl Pix2Pix {
    /// Plans a training step without a device: to see its cost and memory.
    ///
    /// # Errors
    /// As [`Pix2Pix::new`], but for what needs the device.
    pub fn plan(config: &Pix2PixConfig, family: crate::gpu::Family, options: PlanOptions) -> Result<Plan> {
        let (store, tape, recorded, ..) = Self::record(config)?;
        Plan::new(&tape, &store, &recorded.losses, family, options)
    }

    fn record(config: &Pix2PixConfig) -> Result<(Store, Tape, Recorded, Networks)> {
        config.check()?;
        let (g, input_nc, output_nc) = (&config.generator, config.generator.input_nc(), config.generator.output_nc());
        let mut store = Store::new();
        let generator = Generator::new(&mut store, "G", *g)?;
        let pair = Channels::concat(&[input_nc.into(), output_nc.into()]).expect("two parts");
        let judged = if config.condition_d { pair } else { output_nc.into() };
        let norm = config.discriminator_norm();
        let discriminator = Discriminator::new(&mut store, "D", DiscriminatorConfig { input: judged, ndf: config.ndf, kind: config.discriminator, norm })?;
        let average = config.ema.map(|_| Generator::new(&mut store, "G_ema", *g)).transpose()?;
        let pages = [store.pages("G"), store.pages("D")];
        let averaged: Vec<_> = if average.is_some() { store.all_pages("G").into_iter().zip(store.all_pages("G_ema")).collect() } else { Vec::new() };

        let mut tape = Tape::new();
        let picture = |tape: &mut Tape, label: &str, channels: u32| -> Result<(Tensor, Tensor)> {
            tape.scope(label);
            super::values::record_input(tape, label, Shape::new(config.batch_size, config.height, config.width, channels), config.pictures)
        };
        // What D judges.
        let judged = |tape: &mut Tape, a: Tensor, b: Tensor| if config.condition_d { tape.concat(&[a, b]) } else { Ok(b) };
        let share = 1.0 / config.accumulate as f32;
        let scaled = |tape: &mut Tape, x: Tensor, by: f32| if by == 1.0 { x } else { tape.scale(x, by) };

        struct Batch {
            a: Tensor,
            b: Tensor,
            fake: Tensor,
            pair_fake: Tensor,
            /// Nodes of the tape at which the generator began and ended.
            nodes: [usize; 2],
        }
        let mut batches = Vec::new();
        let (mut pictures, mut d_real, mut d_fake, mut d_gp) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let d_wrt = discriminator.weights().trainable(&mut tape, &store);
        for at in 0..config.accumulate {
            let (raw_a, a) = picture(&mut tape, "input", input_nc)?;
            let (raw_b, b) = picture(&mut tape, "target", output_nc)?;
            pictures.push([raw_a, raw_b]);
            tape.scope("");
            let begin = tape.nodes().len();
            // Made once more for G's step where there are several: running statistics count it then.
            let fake = generator.record(&mut tape, &store, a, Mode { update_running: config.accumulate == 1, ..Mode::TRAIN })?;
            let nodes = [begin, tape.nodes().len()];
            tape.scope("pairs");
            let (pair_fake, pair_real) = (judged(&mut tape, a, fake)?, judged(&mut tape, a, b)?);

            // Two batches: one would mix the statistics of D's norms. Nothing here depends on D's weights but D, so the fake is as
            // good as detached.
            tape.scope("fake ");
            let logits = discriminator.record(&mut tape, &store, pair_fake, Mode::TRAIN)?;
            tape.scope("loss");
            let fake_loss = config.gan_mode.judge(&mut tape, logits, false, 0.0);
            tape.scope("real ");
            let logits = discriminator.record(&mut tape, &store, pair_real, Mode::TRAIN)?;
            tape.scope("loss");
            let real_loss = config.gan_mode.judge(&mut tape, logits, true, config.label_smoothing);
            let [fake_loss, real_loss] = [fake_loss, real_loss].map(|loss| scaled(&mut tape, loss, share));
            let mut halves = vec![tape.scale(fake_loss, 0.5), tape.scale(real_loss, 0.5)];
            if config.gan_mode == GanMode::Wgangp && config.lambda_gp > 0.0 {
                tape.scope("mixed");
                let mixed = tape.mix(b, fake)?;
                let pair = judged(&mut tape, a, mixed)?;
                tape.scope("mixed ");
                let logits = discriminator.record(&mut tape, &store, pair, Mode::TRAIN)?;
                tape.scope("penalty");
                let penalty = gradient_penalty(&mut tape, logits, pair)?;
                let penalty = tape.scale(penalty, share * config.lambda_gp);
                // Halved like the rest of D's loss, or it would weigh twice as much as the paper's.
                halves.push(tape.scale(penalty, 0.5));
                d_gp.push(penalty);
            }
            if at == 0 {
                tape.backward(&halves, &d_wrt)?
            } else {
                tape.backward_onto(&halves, &d_wrt)?
            };
            d_real.push(real_loss);
            d_fake.push(fake_loss);
            batches.push(Batch { a, b, fake, pair_fake, nodes });
        }
        tape.scope("D");
        pages[1].iter().for_each(|page| tape.adam(&store, page, GROUP_D as u32));

        let (mut g_gan, mut g_l1, mut g_tv) = (Vec::new(), Vec::new(), Vec::new());
        let g_wrt = generator.weights().trainable(&mut tape, &store);
        for (at, Batch { a, b, mut fake, mut pair_fake, nodes }) in batches.into_iter().enumerate() {
            if config.accumulate > 1 {
                // The same pictures once more, dropout included, instead of keeping all activations until D has been updated.
                let begin = tape.nodes().len();
                tape.scope("");
                tape.draw_as(Some(nodes[0]));
                fake = generator.record(&mut tape, &store, a, Mode::TRAIN)?;
                tape.draw_as(None);
                debug_assert_eq!(tape.nodes().len() - begin, nodes[1] - nodes[0], "streams of dropout are counted by node");
                tape.scope("pairs");
                pair_fake = judged(&mut tape, a, fake)?;
            }
            tape.scope("again ");
            let logits = discriminator.record(&mut tape, &store, pair_fake, Mode::TRAIN)?;
            tape.scope("loss");
            let gan = config.gan_mode.persuade(&mut tape, logits);
            let gan = scaled(&mut tape, gan, share * config.lambda_gan);
            let l1 = tape.l1(fake, b)?;
            let l1 = tape.scale(l1, share * config.lambda_l1);
            let mut terms = vec![gan, l1];
            if config.lambda_tv > 0.0 {
                let tv = tape.total_variation(fake);
                terms.push(tape.scale(tv, share * config.lambda_tv));
                g_tv.push(terms[2]);
            }
            if at == 0 {
                tape.backward(&terms, &g_wrt)?
            } else {
                tape.backward_onto(&terms, &g_wrt)?
            };
            g_gan.push(gan);
            g_l1.push(l1);
        }
        tape.scope("G");
        pages[0].iter().for_each(|page| tape.adam(&store, page, GROUP_G as u32));
        for (from, to) in averaged {
            tape.ema(&store, from, to, config.ema.unwrap_or(0.0))?;
        }

        tape.scope("loss");
        let mut losses = Vec::new();
        for terms in [g_gan, g_l1, d_real, d_fake] {
            losses.push(joined(&mut tape, &terms)?);
        }
        let mut more = [None; 2];
        for (name, (terms, place)) in ["G_TV", "D_GP"].into_iter().zip([g_tv, d_gp].into_iter().zip(&mut more)) {
            if !terms.is_empty() {
                losses.push(joined(&mut tape, &terms)?);
                *place = Some(name);
            }
        }
        Ok((store, tape, Recorded { pictures, losses, more }, (generator, discriminator, average)))
    }

    /// Builds the networks, plans the step, makes everything on the device and draws the initial weights.
    ///
    /// # Errors
    /// [`Error::Usage`] or [`Error::Shape`] for sizes that do not pass, [`Error::MemoryLimit`] before anything is allocated, and
    /// what the device reports.
    pub fn new(gpu: &Gpu, config: Pix2PixConfig, options: PlanOptions) -> Result<Pix2Pix> {
        Self::make(config, gpu, options, |plan, store| plan.prepare(gpu, store))
    }

    /// Like [`Pix2Pix::new`], by way of [`Plan::prepare_with`].
    ///
    /// # Errors
    /// As [`Pix2Pix::new`].
    pub fn with_progress(gpu: &Gpu, config: Pix2PixConfig, options: PlanOptions, progress: Progress<'_>) -> Result<Pix2Pix> {
        Self::make(config, gpu, options, |plan, store| plan.prepare_with(gpu, store, progress))
    }

    fn make(config: Pix2PixConfig, gpu: &Gpu, options: PlanOptions, prepare: impl FnOnce(Plan, &Store) -> Result<Program>) -> Result<Pix2Pix> {
        let (store, tape, recorded, (generator, discriminator, average)) = Self::record(&config)?;
        let plan = Plan::new(&tape, &store, &recorded.losses, gpu.family(), options)?;
        let program = prepare(plan, &store)?;
        let scalars = program.scalars(&recorded.losses, LOSSES_IN_FLIGHT)?;
        let Recorded { pictures, more, .. } = recorded;
        let trainer = Pix2Pix { config, store, generator, discriminator, average, program, pictures, scalars, more, steps: 0 };
        trainer.init()?;
        trainer.restart_average()?;
        Ok(trainer)
    }

    fn init(&self) -> Result<()> {
        let mut tape = Tape::new();
        let Pix2PixConfig { init_type, init_gain, seed, .. } = self.config;
        self.generator.weights().record_init(&mut tape, &self.store, init_type, init_gain, 0);
        self.discriminator.weights().record_init(&mut tape, &self.store, init_type, init_gain, 1 << 16);
        let gpu = self.program.gpu();
        let plan = Plan::new(&tape, &self.store, &[], gpu.family(), PlanOptions::default())?;
        let values = StepValues { seed: crate::rng::fold_seed(seed), ..StepValues::default() };
        plan.prepare(gpu, &self.store)?.step(&values)?;
        if init_type == InitType::Orthogonal {
            for (weights, first) in [(self.generator.weights(), 0), (self.discriminator.weights(), 1 << 16)] {
                for (param, made) in weights.orthogonal(init_gain, first, values.seed) {
                    self.store.write(gpu, param.value, &param.layout, &made)?;
                }
            }
        }
        Ok(())
    }

    /// Makes the moving average, if there is one, equal to the generator: to be called when the generator's weights were put in from outside.
    ///
    /// # Errors
    /// What the device reports.
    pub fn restart_average(&self) -> Result<()> {
        let Some(average) = &self.average else { return Ok(()) };
        let mut tape = Tape::new();
        tape.scope("average");
        for (from, to) in self.generator.weights().params().zip(average.weights().params()) {
            let (from, to) = (tape.stored(&self.store, from.value, &from.name), tape.stored(&self.store, to.value, &to.name));
            tape.push_into(crate::ops::Copy, &[from], &[to], &[]);
        }
        let gpu = self.program.gpu();
        Plan::new(&tape, &self.store, &[], gpu.family(), PlanOptions::default())?.prepare(gpu, &self.store)?.step(&StepValues::default())
    }

    /// What decides the step.
    pub fn config(&self) -> &Pix2PixConfig {
        &self.config
    }

    /// The program of a step.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Where the parameters lie.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The generator.
    pub fn generator(&self) -> &Generator {
        &self.generator
    }

    /// The generator to show and to judge: its moving average where there is one.
    pub fn best_generator(&self) -> &Generator {
        self.average.as_ref().unwrap_or(&self.generator)
    }

    /// Parameters of both networks, with their public letters G and D, and forward passes a step (batches that norms have seen).
    pub fn networks(&self) -> [(&'static str, &Weights, u64); 2] {
        let batches = u64::from(self.config.accumulate);
        [("G", self.generator.weights(), batches), ("D", self.discriminator.weights(), 3 * batches)]
    }

    /// All networks whose weights a checkpoint holds: those that are trained, and the moving average as `G_ema`.
    pub fn saved_networks(&self) -> Vec<(&'static str, &Weights, u64)> {
        let average = self.average.as_ref().map(|a| ("G_ema", a.weights(), u64::from(self.config.accumulate)));
        self.networks().into_iter().chain(average).collect()
    }

    /// Steps done.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Says how many steps the weights and moments have seen: after loading a checkpoint.
    pub fn set_steps(&mut self, steps: u64) {
        self.steps = steps;
    }

    /// The values of a coming step at learning rate `lr`, or one for each network.
    pub fn values(&self, step: u64, lr: impl Into<Rates>) -> StepValues {
        let lr = lr.into();
        let rate = |lr| Rate { lr, beta1: self.config.beta1, beta2: 0.999, eps: 1e-8, t: step as u32 };
        let mut rates = [rate(lr.g); GROUPS];
        rates[GROUP_D] = rate(lr.d);
        StepValues { step: step as u32, seed: crate::rng::fold_seed(self.config.seed), rates }
    }

    /// Writes the pictures of the coming step, NHWC, `accumulate * batch_size * height * width * channels` values each, in the configured format.
    ///
    /// # Errors
    /// [`Error::Usage`] for another number of values, or of the other format.
    pub fn set_pictures<'a>(&self, input: impl Into<Values<'a>>, target: impl Into<Values<'a>>) -> Result<()> {
        let (input, target, batches) = (input.into(), target.into(), self.pictures.len());
        let (c, pixels) = (&self.config, self.config.pictures() as usize * self.config.width as usize * self.config.height as usize);
        for (what, values, channels) in [("input", &input, c.generator.input_nc()), ("target", &target, c.generator.output_nc())] {
            let wanted = pixels * channels as usize;
            if values.len() != wanted {
                return Err(Error::Usage(format!("{what}: {} values, where the pictures of a step have {wanted}", values.len())));
            }
        }
        for (at, tensors) in self.pictures.iter().enumerate() {
            self.program.write_picture(tensors[0], self.config.pictures, input.part(at, batches))?;
            self.program.write_picture(tensors[1], self.config.pictures, target.part(at, batches))?;
        }
        Ok(())
    }

    /// Runs a training step, one update of each network, on a batch of pictures (NHWC; `accumulate` batches one after another) at
    /// learning rate `lr`, or one for each network. Does not wait for it: returns the losses of
    /// earlier steps that have arrived.
    ///
    /// # Errors
    /// [`Error::Usage`] for the wrong number or format of values, and what the device reports.
    pub fn step<'a>(&mut self, input: impl Into<Values<'a>>, target: impl Into<Values<'a>>, lr: impl Into<Rates>) -> Result<Vec<Losses>> {
        self.set_pictures(input, target)?;
        let step = self.steps + 1;
        self.program.step(&self.values(step, lr))?;
        self.steps = step;
        let rows = self.scalars.push(step)?;
        Ok(self.to_losses(rows))
    }

    /// Waits for everything in flight and returns the losses that had not come back yet.
    ///
    /// # Errors
    /// What the device reports.
    pub fn finish(&mut self) -> Result<Vec<Losses>> {
        let rows = self.scalars.collect(true)?;
        Ok(self.to_losses(rows))
    }

    fn to_losses(&self, rows: Vec<(u64, Vec<f32>)>) -> Vec<Losses> {
        let losses = |(step, v): (u64, Vec<f32>)| {
            let mut behind = v[4..].iter().copied();
            let more = self.more.map(|name| name.and_then(|name| behind.next().map(|value| (name, value))));
            Losses { step, values: [v[0], v[1], v[2], v[3]], more }
        };
        rows.into_iter().map(losses).collect()
    }
}
