//! Training pix2pix: the networks, the program of a step, and where it stands.

mod config;
mod record;

pub use config::Pix2PixConfig;

use super::Values;
use super::schedule::Rates;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::nets::{Discriminator, Generator, InitType, Weights};
use crate::plan::{GROUPS, Plan, PlanOptions, Program, Progress, Rate, Scalars, StepValues};
use crate::store::Store;
use crate::tape::{Tape, Tensor};
use record::{GROUP_D, Recorded, record};

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

impl Pix2Pix {
    /// Plans a training step without a device: to see its cost and memory.
    ///
    /// # Errors
    /// As [`Pix2Pix::new`], but for what needs the device.
    pub fn plan(config: &Pix2PixConfig, family: crate::gpu::Family, options: PlanOptions) -> Result<Plan> {
        let (store, tape, recorded, ..) = record(config)?;
        Plan::new(&tape, &store, &recorded.losses, family, options)
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
        let (store, tape, recorded, (generator, discriminator, average)) = record(&config)?;
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
