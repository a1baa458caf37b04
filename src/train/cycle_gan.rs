//! The training step of CycleGAN, in the reference's order: six generator passes (four without identity terms), both generators' Adam, then
//! both discriminators on real pictures and on fakes from a pool, their Adam.

use super::gan::GanMode;
use super::schedule::Rates;
use super::values::{PictureFormat, Values, record_input};
use crate::error::{Error, Result};
use crate::gpu::{Family, Gpu};
use crate::nets::{Discriminator, DiscriminatorConfig, DiscriminatorKind, Generator, GeneratorConfig, InitType, Mode, NormKind, ResnetConfig, Weights};
use crate::ops::{PoolDecision, PoolPages};
use crate::plan::{GROUPS, Plan, PlanOptions, Program, Progress, Rate, Scalars, StepValues};
use crate::shape::Shape;
use crate::store::Store;
use crate::tape::{Tape, Tensor};

/// Everything that decides what a training step computes.
#[derive(Clone, Debug, PartialEq)]
pub struct CycleGanConfig {
    /// The generator from A to B; the other is the same the other way.
    pub generator: GeneratorConfig,
    /// The discriminators.
    pub discriminator: DiscriminatorKind,
    /// Channels of a discriminator's first layer.
    pub ndf: u32,
    /// The discriminators' norm; `None`: the generators'.
    pub norm_d: Option<NormKind>,
    /// Pictures of each side a step.
    pub batch_size: u32,
    /// Width of the pictures.
    pub width: u32,
    /// Height of the pictures.
    pub height: u32,
    /// How pictures go up to the device.
    pub pictures: PictureFormat,
    /// The adversarial loss.
    pub gan_mode: GanMode,
    /// Weight of the cycle A to B to A.
    pub lambda_a: f32,
    /// Weight of the cycle B to A to B.
    pub lambda_b: f32,
    /// Weight of the identity terms, times that of the cycle they share their pictures with; 0: without, which saves two passes.
    pub lambda_identity: f32,
    /// Pictures that each pool keeps; 0: discriminators see new fakes only.
    pub pool_size: u32,
    /// Adam's decay of the first moment (the second's is 0.999, eps 1e-8).
    pub beta1: f64,
    /// How weights begin.
    pub init_type: InitType,
    /// Scale of the initial weights.
    pub init_gain: f32,
    /// Seed of initial weights, dropout and pools.
    pub seed: u64,
}

impl Default for CycleGanConfig {
    /// Upstream's defaults for cycle_gan.
    fn default() -> Self {
        CycleGanConfig {
            generator: ResnetConfig::default().into(),
            discriminator: DiscriminatorKind::Patch { n_layers: 3 },
            ndf: 64,
            norm_d: None,
            batch_size: 1,
            width: 256,
            height: 256,
            pictures: PictureFormat::Bytes,
            gan_mode: GanMode::Lsgan,
            lambda_a: 10.0,
            lambda_b: 10.0,
            lambda_identity: 0.5,
            pool_size: 50,
            beta1: 0.5,
            init_type: InitType::Normal,
            init_gain: 0.02,
            seed: 0,
        }
    }
}

impl CycleGanConfig {
    /// Refuses what does not go together, or makes no sense.
    fn check(&self) -> Result<()> {
        let refuse = |why: String| Err(Error::Usage(why));
        if self.batch_size == 0 {
            return refuse("--batch_size: at least 1".into());
        }
        if self.gan_mode == GanMode::Wgangp {
            return refuse("--gan_mode wgangp: its penalty is not part of this model; choose lsgan, vanilla or hinge".into());
        }
        for (flag, value) in [("A", self.lambda_a), ("B", self.lambda_b), ("identity", self.lambda_identity)] {
            if !(value >= 0.0 && value.is_finite()) {
                return refuse(format!("--lambda_{flag} {value}: a weight is 0 or more"));
            }
        }
        let (input, output) = (self.generator.input_nc(), self.generator.output_nc());
        if self.lambda_identity > 0.0 && input != output {
            return refuse(format!(
                "--lambda_identity {}: a generator from {input} to {output} channels cannot leave its target's pictures as they are; give --lambda_identity 0",
                self.lambda_identity
            ));
        }
        Ok(())
    }
}

/// The losses of one step, by the reference's names and weighted: `D_A G_A cycle_A idt_A D_B G_B cycle_B idt_B` (no `idt_*` without identity terms).
#[derive(Clone, Debug, PartialEq)]
pub struct CycleGanLosses {
    /// The step, from 1.
    pub step: u64,
    /// Names and values.
    pub named: Vec<(&'static str, f32)>,
}

/// Optimizer groups of the step uniform.
const GROUP_G: usize = 0;
const GROUP_D: usize = 1;
/// Steps whose losses may be on their way back: the host runs at most this far ahead.
const LOSSES_IN_FLIGHT: usize = 3;
/// Sets of the store, and public names of the files.
const SETS: [&str; 4] = ["G_A", "G_B", "D_A", "D_B"];

/// The networks.
#[derive(Debug)]
struct Networks {
    /// A to B, B to A.
    generators: [Generator; 2],
    /// Of B, of A.
    discriminators: [Discriminator; 2],
}

/// What the host writes before a step and reads after it.
#[derive(Debug)]
struct Recorded {
    /// A and B.
    pictures: [Tensor; 2],
    /// Of the pools of fakes of B and of A.
    decisions: [Tensor; 2],
    losses: Vec<(&'static str, Tensor)>,
}

/// A training on a device.
#[derive(Debug)]
pub struct CycleGan {
    config: CycleGanConfig,
    store: Store,
    nets: Networks,
    pools: [PoolPages; 2],
    program: Program,
    recorded: Recorded,
    scalars: Scalars,
    steps: u64,
}

impl CycleGan {
    /// Plans a training step without a device: to see its cost and memory.
    ///
    /// # Errors
    /// As [`CycleGan::new`], but for what needs the device.
    pub fn plan(config: &CycleGanConfig, family: Family, options: PlanOptions) -> Result<Plan> {
        let (store, tape, recorded, ..) = Self::record(config)?;
        Plan::new(&tape, &store, &recorded.kept(), family, options)
    }

    fn record(config: &CycleGanConfig) -> Result<(Store, Tape, Recorded, Networks, [PoolPages; 2])> {
        config.check()?;
        let mut store = Store::new();
        let nets = Networks::new(&mut store, config)?;
        let CycleGanConfig { batch_size: n, width: w, height: h, pool_size, .. } = *config;
        let channels = [config.generator.input_nc(), config.generator.output_nc()];
        // Pools keep fakes: of B in the first, of A in the second.
        let pools = [("pool_A", channels[1]), ("pool_B", channels[0])].map(|(set, c)| PoolPages::new(&mut store, set, pool_size, [h, w, c]));
        let pages = SETS.map(|set| store.pages(set));

        let mut tape = Tape::new();
        let mut input = |label: &str, c: u32| {
            tape.scope(label);
            record_input(&mut tape, label, Shape::new(n, h, w, c), config.pictures)
        };
        let ((raw_a, a), (raw_b, b)) = (input("A", channels[0])?, input("B", channels[1])?);
        let decisions = ["pool_A", "pool_B"].map(|label| tape.pool_decisions(label, n));
        let real = [a, b];
        let lambdas = [config.lambda_a, config.lambda_b];
        let pass = |tape: &mut Tape, scope: &str, net: usize, x: Tensor| {
            tape.scope(format!("{scope} "));
            nets.generators[net].record(tape, &store, x, Mode::TRAIN)
        };

        // fake[0] is G_A(A), which D_A judges; rec[0] is G_B(G_A(A)).
        let fake_b = pass(&mut tape, "fake_B", 0, a)?;
        let rec_a = pass(&mut tape, "rec_A", 1, fake_b)?;
        let fake_a = pass(&mut tape, "fake_A", 1, b)?;
        let rec_b = pass(&mut tape, "rec_B", 0, fake_a)?;
        let (fake, rec) = ([fake_b, fake_a], [rec_a, rec_b]);
        let mut terms: Vec<(&'static str, Tensor)> = Vec::new();
        if config.lambda_identity > 0.0 {
            // G_A(B) should be B: weighted as the cycle of B.
            for (net, name) in [(0, "idt_A"), (1, "idt_B")] {
                let same = real[1 - net];
                let idt = pass(&mut tape, name, net, same)?;
                tape.scope("loss");
                let l1 = tape.l1(idt, same)?;
                terms.push((name, tape.scale(l1, lambdas[1 - net] * config.lambda_identity)));
            }
        }
        for (net, [gan, cycle]) in [(0, ["G_A", "cycle_A"]), (1, ["G_B", "cycle_B"])] {
            tape.scope(format!("{gan} "));
            let logits = nets.discriminators[net].record(&mut tape, &store, fake[net], Mode::TRAIN)?;
            tape.scope("loss");
            terms.push((gan, config.gan_mode.persuade(&mut tape, logits)));
            let l1 = tape.l1(rec[net], real[net])?;
            terms.push((cycle, tape.scale(l1, lambdas[net])));
        }
        let g_wrt: Vec<Tensor> = nets.generators.iter().flat_map(|g| g.weights().trainable(&mut tape, &store)).collect();
        let losses: Vec<Tensor> = terms.iter().map(|(_, t)| *t).collect();
        tape.backward(&losses, &g_wrt)?;
        tape.scope("G");
        pages[..2].iter().flatten().for_each(|page| tape.adam(&store, page, GROUP_G as u32));

        // The discriminators see the fakes that were made before the generators' update.
        for (net, name) in [(0, "D_A"), (1, "D_B")] {
            let d = &nets.discriminators[net];
            tape.scope("pool");
            let seen = tape.pool(&store, &pools[net], fake[net], decisions[net])?;
            tape.scope("real ");
            let logits = d.record(&mut tape, &store, real[1 - net], Mode::TRAIN)?;
            tape.scope("loss");
            let real_loss = config.gan_mode.judge(&mut tape, logits, true, 0.0);
            tape.scope("fake ");
            let logits = d.record(&mut tape, &store, seen, Mode::TRAIN)?;
            tape.scope("loss");
            let fake_loss = config.gan_mode.judge(&mut tape, logits, false, 0.0);
            let sum = tape.add(real_loss, fake_loss)?;
            let loss = tape.scale(sum, 0.5);
            let wrt = d.weights().trainable(&mut tape, &store);
            tape.backward(&[loss], &wrt)?;
            terms.push((name, loss));
        }
        tape.scope("D");
        pages[2..].iter().flatten().for_each(|page| tape.adam(&store, page, GROUP_D as u32));

        // The reference's order.
        const ORDER: [&str; 8] = ["D_A", "G_A", "cycle_A", "idt_A", "D_B", "G_B", "cycle_B", "idt_B"];
        terms.sort_by_key(|(name, _)| ORDER.iter().position(|n| n == name));
        let recorded = Recorded { pictures: [raw_a, raw_b], decisions, losses: terms };
        Ok((store, tape, recorded, nets, pools))
    }

    /// Builds the networks, plans the step, makes everything on the device and draws the initial weights.
    ///
    /// # Errors
    /// [`Error::Usage`] or [`Error::Shape`] for sizes that do not pass, [`Error::MemoryLimit`] before anything is allocated, and
    /// what the device reports.
    pub fn new(gpu: &Gpu, config: CycleGanConfig, options: PlanOptions) -> Result<CycleGan> {
        Self::make(gpu, config, options, |plan, store| plan.prepare(gpu, store))
    }

    /// Like [`CycleGan::new`], by way of [`Plan::prepare_with`].
    ///
    /// # Errors
    /// As [`CycleGan::new`].
    pub fn with_progress(gpu: &Gpu, config: CycleGanConfig, options: PlanOptions, progress: Progress<'_>) -> Result<CycleGan> {
        Self::make(gpu, config, options, |plan, store| plan.prepare_with(gpu, store, progress))
    }

    fn make(gpu: &Gpu, config: CycleGanConfig, options: PlanOptions, prepare: impl FnOnce(Plan, &Store) -> Result<Program>) -> Result<CycleGan> {
        let (store, tape, recorded, nets, pools) = Self::record(&config)?;
        let plan = Plan::new(&tape, &store, &recorded.kept(), gpu.family(), options)?;
        let program = prepare(plan, &store)?;
        let scalars = program.scalars(&recorded.kept(), LOSSES_IN_FLIGHT)?;
        let trainer = CycleGan { config, store, nets, pools, program, recorded, scalars, steps: 0 };
        trainer.init()?;
        Ok(trainer)
    }

    fn init(&self) -> Result<()> {
        let CycleGanConfig { init_type, init_gain, seed, .. } = self.config;
        let (gpu, seed) = (self.program.gpu(), crate::rng::fold_seed(seed));
        let mut tape = Tape::new();
        // A stream a parameter, and so many for each network.
        let streams = || self.networks().into_iter().zip((0u32..).map(|net| net << 16));
        streams().for_each(|((_, weights, _), first)| weights.record_init(&mut tape, &self.store, init_type, init_gain, first));
        Plan::new(&tape, &self.store, &[], gpu.family(), PlanOptions::default())?
            .prepare(gpu, &self.store)?
            .step(&StepValues { seed, ..StepValues::default() })?;
        if init_type == InitType::Orthogonal {
            for ((_, weights, _), first) in streams() {
                for (param, made) in weights.orthogonal(init_gain, first, seed) {
                    self.store.write(gpu, param.value, &param.layout, &made)?;
                }
            }
        }
        Ok(())
    }

    /// What decides the step.
    pub fn config(&self) -> &CycleGanConfig {
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

    /// The generators: A to B, B to A.
    pub fn generators(&self) -> &[Generator; 2] {
        &self.nets.generators
    }

    /// The pools of fakes of B and of A. Their pages are the only state of a training beside weights, moments and the number of steps.
    pub fn pools(&self) -> &[PoolPages; 2] {
        &self.pools
    }

    /// Parameters of all networks, with their public names, and forward passes a step (batches that norms have seen).
    pub fn networks(&self) -> [(&'static str, &Weights, u64); 4] {
        let passes = if self.config.lambda_identity > 0.0 { 3 } else { 2 };
        let [g_a, g_b] = self.nets.generators.each_ref().map(Generator::weights);
        let [d_a, d_b] = self.nets.discriminators.each_ref().map(Discriminator::weights);
        [(SETS[0], g_a, passes), (SETS[1], g_b, passes), (SETS[2], d_a, 3), (SETS[3], d_b, 3)]
    }

    /// Steps done.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Says how many steps the weights, moments and pools have seen: after loading a checkpoint.
    pub fn set_steps(&mut self, steps: u64) {
        self.steps = steps;
    }

    /// The values of a coming step at learning rate `lr`, or one for generators and discriminators.
    pub fn values(&self, step: u64, lr: impl Into<Rates>) -> StepValues {
        let lr = lr.into();
        let rate = |lr| Rate { lr, beta1: self.config.beta1, beta2: 0.999, eps: 1e-8, t: step as u32 };
        let mut rates = [rate(lr.g); GROUPS];
        rates[GROUP_D] = rate(lr.d);
        StepValues { step: step as u32, seed: crate::rng::fold_seed(self.config.seed), rates }
    }

    /// Runs a training step on pictures of A and of B (NHWC, `batch_size` each) at learning rate `lr`, or one for generators and
    /// discriminators. Does not wait for it: returns the losses of earlier steps that have arrived.
    ///
    /// # Errors
    /// [`Error::Usage`] for the wrong number or format of values, and what the device reports.
    pub fn step<'a>(&mut self, a: impl Into<Values<'a>>, b: impl Into<Values<'a>>, lr: impl Into<Rates>) -> Result<Vec<CycleGanLosses>> {
        let step = self.steps + 1;
        for (tensor, values) in self.recorded.pictures.into_iter().zip([a.into(), b.into()]) {
            self.program.write_picture(tensor, self.config.pictures, values)?;
        }
        if self.config.pool_size > 0 {
            let seed = crate::rng::fold_seed(self.config.seed);
            for (stream, (tensor, pool)) in (0..).zip(self.recorded.decisions.into_iter().zip(&self.pools)) {
                let decisions = pool.decide(seed, step, self.config.batch_size, stream);
                self.program.write(tensor, &PoolDecision::values(&decisions))?;
            }
        }
        self.program.step(&self.values(step, lr))?;
        self.steps = step;
        let rows = self.scalars.push(step)?;
        Ok(self.to_losses(rows))
    }

    /// Waits for everything in flight and returns the losses that had not come back yet.
    ///
    /// # Errors
    /// What the device reports.
    pub fn finish(&mut self) -> Result<Vec<CycleGanLosses>> {
        let rows = self.scalars.collect(true)?;
        Ok(self.to_losses(rows))
    }

    fn to_losses(&self, rows: Vec<(u64, Vec<f32>)>) -> Vec<CycleGanLosses> {
        let names = || self.recorded.losses.iter().map(|(name, _)| *name);
        rows.into_iter().map(|(step, values)| CycleGanLosses { step, named: names().zip(values).collect() }).collect()
    }
}

impl Recorded {
    fn kept(&self) -> Vec<Tensor> {
        self.losses.iter().map(|(_, loss)| *loss).collect()
    }
}

impl Networks {
    fn new(store: &mut Store, config: &CycleGanConfig) -> Result<Networks> {
        let g = config.generator;
        let generators = [Generator::new(store, SETS[0], g)?, Generator::new(store, SETS[1], g.reversed())?];
        let norm = config.norm_d.unwrap_or(g.norm());
        let mut judge = |set: &str, channels: u32| {
            let input = channels.into();
            Discriminator::new(store, set, DiscriminatorConfig { input, ndf: config.ndf, kind: config.discriminator, norm })
        };
        Ok(Networks { generators, discriminators: [judge(SETS[2], g.output_nc())?, judge(SETS[3], g.input_nc())?] })
    }
}
