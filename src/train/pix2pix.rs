//! The training step of pix2pix, in the reference's order: D on fake and real as batches of their own, D's Adam, D again on
//! the fake with its new weights, L1, G's Adam.

use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::nets::{Discriminator, DiscriminatorConfig, DiscriminatorKind, InitType, Mode, Unet, UnetConfig, Weights};
use crate::plan::{GROUPS, Plan, PlanOptions, Program, Progress, Rate, Scalars, StepValues};
use crate::shape::{Channels, Shape};
use crate::store::Store;
use crate::tape::{Tape, Tensor};
use crate::train::{PictureFormat, Values};
use std::fmt;
use std::str::FromStr;

/// The adversarial loss.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GanMode {
    /// Binary cross-entropy on logits.
    Vanilla,
    /// Least squares.
    Lsgan,
}

impl FromStr for GanMode {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        match s {
            "vanilla" => Ok(GanMode::Vanilla),
            "lsgan" => Ok(GanMode::Lsgan),
            "wgangp" => {
                Err(Error::Usage("--gan_mode wgangp: its gradient penalty is missing in the reference, so it is not offered; choose vanilla or lsgan".into()))
            }
            _ => Err(Error::Usage(format!("--gan_mode {s}: choose vanilla or lsgan"))),
        }
    }
}

impl fmt::Display for GanMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GanMode::Vanilla => "vanilla",
            GanMode::Lsgan => "lsgan",
        })
    }
}

impl GanMode {
    fn record(self, tape: &mut Tape, logits: Tensor, real: bool) -> Tensor {
        let target = if real { 1.0 } else { 0.0 };
        match self {
            GanMode::Vanilla => tape.bce_with_logits(logits, target),
            GanMode::Lsgan => tape.mse(logits, target),
        }
    }
}

/// Everything that decides what a training step computes.
#[derive(Clone, Debug, PartialEq)]
pub struct Pix2PixConfig {
    /// The generator.
    pub generator: UnetConfig,
    /// The discriminator.
    pub discriminator: DiscriminatorKind,
    /// Channels of the discriminator's first layer.
    pub ndf: u32,
    /// Pictures a step.
    pub batch_size: u32,
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
    /// Adam's decay of the first moment (the second's is 0.999, eps 1e-8).
    pub beta1: f64,
    /// How weights begin.
    pub init_type: InitType,
    /// Scale of the initial weights.
    pub init_gain: f32,
    /// Seed of initial weights and dropout.
    pub seed: u64,
}

/// Names of the losses in `losses.jsonl`, in the order of [`Losses::values`].
pub const LOSS_NAMES: [&str; 4] = ["G_GAN", "G_L1", "D_real", "D_fake"];

/// The losses of one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Losses {
    /// The step, from 1.
    pub step: u64,
    /// In the order of [`LOSS_NAMES`]; G_L1 is weighted already.
    pub values: [f32; 4],
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
    generator: Unet,
    discriminator: Discriminator,
    program: Program,
    pictures: [Tensor; 2],
    scalars: Scalars,
    steps: u64,
}

/// A recorded step: what the host writes, what it reads.
struct Recorded {
    pictures: [Tensor; 2],
    losses: Vec<Tensor>,
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

    fn record(config: &Pix2PixConfig) -> Result<(Store, Tape, Recorded, Unet, Discriminator)> {
        let g = &config.generator;
        let mut store = Store::new();
        let generator = Unet::new(&mut store, "G", *g)?;
        let pair = Channels::concat(&[g.input_nc.into(), g.output_nc.into()]).expect("two parts");
        let discriminator =
            Discriminator::new(&mut store, "D", DiscriminatorConfig { input: pair, ndf: config.ndf, kind: config.discriminator, norm: g.norm })?;
        let pages = [store.pages("G"), store.pages("D")];

        let mut tape = Tape::new();
        let picture = |tape: &mut Tape, label: &str, channels: u32| -> Result<(Tensor, Tensor)> {
            tape.scope(label);
            super::values::record_input(tape, label, Shape::new(config.batch_size, config.height, config.width, channels), config.pictures)
        };
        let (raw_a, a) = picture(&mut tape, "input", g.input_nc)?;
        let (raw_b, b) = picture(&mut tape, "target", g.output_nc)?;
        let fake = generator.record(&mut tape, &store, a, Mode::TRAIN)?;
        tape.scope("pairs");
        let (pair_fake, pair_real) = (tape.concat(&[a, fake])?, tape.concat(&[a, b])?);

        // Two batches: one would mix the statistics of D's norms. Nothing here depends on D's weights but D, so the fake is as
        // good as detached.
        tape.scope("fake ");
        let logits = discriminator.record(&mut tape, &store, pair_fake, Mode::TRAIN)?;
        tape.scope("loss");
        let d_fake = config.gan_mode.record(&mut tape, logits, false);
        tape.scope("real ");
        let logits = discriminator.record(&mut tape, &store, pair_real, Mode::TRAIN)?;
        tape.scope("loss");
        let d_real = config.gan_mode.record(&mut tape, logits, true);
        let halves = [tape.scale(d_fake, 0.5), tape.scale(d_real, 0.5)];
        let wrt = discriminator.weights().trainable(&mut tape, &store);
        tape.backward(&halves, &wrt)?;
        tape.scope("D");
        pages[1].iter().for_each(|page| tape.adam(&store, page, GROUP_D as u32));

        tape.scope("again ");
        let logits = discriminator.record(&mut tape, &store, pair_fake, Mode::TRAIN)?;
        tape.scope("loss");
        let g_gan = config.gan_mode.record(&mut tape, logits, true);
        let l1 = tape.l1(fake, b)?;
        let g_l1 = tape.scale(l1, config.lambda_l1);
        let wrt = generator.weights().trainable(&mut tape, &store);
        tape.backward(&[g_gan, g_l1], &wrt)?;
        tape.scope("G");
        pages[0].iter().for_each(|page| tape.adam(&store, page, GROUP_G as u32));

        let recorded = Recorded { pictures: [raw_a, raw_b], losses: vec![g_gan, g_l1, d_real, d_fake] };
        Ok((store, tape, recorded, generator, discriminator))
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
        let (store, tape, recorded, generator, discriminator) = Self::record(&config)?;
        let plan = Plan::new(&tape, &store, &recorded.losses, gpu.family(), options)?;
        let program = prepare(plan, &store)?;
        let scalars = program.scalars(&recorded.losses, LOSSES_IN_FLIGHT)?;
        let trainer = Pix2Pix { config, store, generator, discriminator, program, pictures: recorded.pictures, scalars, steps: 0 };
        trainer.init()?;
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
        plan.prepare(gpu, &self.store)?.step(&values)
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
    pub fn generator(&self) -> &Unet {
        &self.generator
    }

    /// Parameters of both networks, with their public letters G and D, and forward passes a step (batches that norms have seen).
    pub fn networks(&self) -> [(&'static str, &Weights, u64); 2] {
        [("G", self.generator.weights(), 1), ("D", self.discriminator.weights(), 3)]
    }

    /// Steps done.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Says how many steps the weights and moments have seen: after loading a checkpoint.
    pub fn set_steps(&mut self, steps: u64) {
        self.steps = steps;
    }

    /// The values of a coming step at learning rate `lr`.
    pub fn values(&self, step: u64, lr: f64) -> StepValues {
        let rate = Rate { lr, beta1: self.config.beta1, beta2: 0.999, eps: 1e-8, t: step as u32 };
        StepValues { step: step as u32, seed: crate::rng::fold_seed(self.config.seed), rates: [rate; GROUPS] }
    }

    /// Writes the pictures of the coming step, NHWC, `batch_size * height * width * channels` values each, in the configured format.
    ///
    /// # Errors
    /// [`Error::Usage`] if there are too many, or they are of the other format.
    pub fn set_pictures<'a>(&self, input: impl Into<Values<'a>>, target: impl Into<Values<'a>>) -> Result<()> {
        self.program.write_picture(self.pictures[0], self.config.pictures, input.into())?;
        self.program.write_picture(self.pictures[1], self.config.pictures, target.into())
    }

    /// Runs a training step on a batch of pictures (NHWC) at learning rate `lr`. Does not wait for it: returns the losses of
    /// earlier steps that have arrived.
    ///
    /// # Errors
    /// [`Error::Usage`] for the wrong number or format of values, and what the device reports.
    pub fn step<'a>(&mut self, input: impl Into<Values<'a>>, target: impl Into<Values<'a>>, lr: f64) -> Result<Vec<Losses>> {
        self.set_pictures(input, target)?;
        let step = self.steps + 1;
        self.program.step(&self.values(step, lr))?;
        self.steps = step;
        Ok(to_losses(self.scalars.push(step)?))
    }

    /// Waits for everything in flight and returns the losses that had not come back yet.
    ///
    /// # Errors
    /// What the device reports.
    pub fn finish(&mut self) -> Result<Vec<Losses>> {
        Ok(to_losses(self.scalars.collect(true)?))
    }
}

fn to_losses(rows: Vec<(u64, Vec<f32>)>) -> Vec<Losses> {
    rows.into_iter().map(|(step, v)| Losses { step, values: [v[0], v[1], v[2], v[3]] }).collect()
}
