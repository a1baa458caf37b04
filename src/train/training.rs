//! A training on a device: the networks and the program of a model's step, and its progress.

use super::description::Description;
use super::model::{
    GROUP_D, GROUP_G, GROUP_INNER, Model, Network, Pool, Recorded, Settings, Update,
};
use super::schedule::Rates;
use super::translator::Translator;
use crate::error::{Error, Result};
use crate::gpu::{Family, Gpu};
use crate::nets::{Generator, InitType, Weights};
use crate::ops::PoolDecision;
use crate::picture::{Input, PictureFormat, Plane, Values, named};
use crate::plan::{GROUPS, Plan, PlanOptions, Program, Progress, Rate, Scalars, StepValues};
use crate::store::Store;
use crate::tape::{Tape, Tensor};

/// The losses of one step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Losses {
    /// The step, from 1.
    pub step: u64,
    /// By name, weighted, in the order of [`Model::describe`].
    pub named: Vec<(&'static str, f32)>,
}

impl Losses {
    /// The loss of a name.
    pub fn get(&self, name: &str) -> Option<f32> {
        self.named.iter().find(|(n, _)| *n == name).map(|(_, value)| *value)
    }
}

/// Steps whose losses may be on their way: how far [`Training::step`] runs ahead of the device.
const LOSSES_IN_FLIGHT: usize = 3;

/// A training of a model: its networks, the program of a step, and its progress.
///
/// Where nothing but Adam reads the gradient of a weight, the store does not hold it
/// unless [`PlanOptions::fuse_adam`] is `Some(false)`.
///
/// ```
/// # fn main() -> pixtape::Result<()> {
/// #     match example() { Err(pixtape::Error::Adapter(_)) => Ok(()), done => done }
/// # }
/// # fn example() -> pixtape::Result<()> {
/// use pixtape::gpu::Request;
/// use pixtape::nets::{DiscriminatorKind, NormKind, UnetConfig};
/// use pixtape::train::{Pix2Pix, Pix2PixConfig};
/// use pixtape::{Gpu, PlanOptions};
///
/// let gpu = pollster::block_on(Gpu::request(&Request::default()))?;
/// let unet = UnetConfig { downs: 5, ngf: 4, norm: NormKind::None, ..UnetConfig::default() };
/// let config = Pix2PixConfig {
///     generator: unet.into(),
///     discriminator: DiscriminatorKind::Pixel,
///     ndf: 4,
///     width: 32,
///     height: 32,
///     ..Pix2PixConfig::default()
/// };
/// let mut training = Pix2Pix::new(&gpu, config, PlanOptions::default())?;
/// let (input, target) = (vec![64u8; 32 * 32 * 3], vec![192u8; 32 * 32 * 3]);
///
/// // Losses come back a few steps late, so that the device never waits for the host.
/// let mut losses = Vec::new();
/// for _ in 0..6 {
///     losses.extend(training.step_pair(&input, &target, 2e-4)?);
/// }
/// losses.extend(training.finish()?);
/// assert_eq!(losses.len(), 6);
/// assert!(losses[5].get("G_L1") < losses[0].get("G_L1"));
///
/// // The same without blocking, as in a browser.
/// let two_ahead = async {
///     training.submit_pair(&input, &target, 2e-4)?;
///     training.losses(2).await
/// };
/// pollster::block_on(two_ahead)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Training<M> {
    model: M,
    settings: Settings,
    store: Store,
    networks: Vec<Network>,
    pools: Vec<Pool>,
    program: Program,
    batches: Vec<Vec<Input>>,
    description: Description,
    scalars: Scalars,
    steps: u64,
    /// Samples so far, which pools count by.
    pictures_seen: u64,
    /// Steps before the generators' optimiser began, or began anew.
    generators_since: u64,
    /// Whether no step was broken off.
    whole: bool,
    /// Digest of the state that the last step has left, if that was computed twice.
    left: Option<u64>,
}

impl<M: Model> Training<M> {
    /// Plans a training step without a device: to see its cost and memory.
    ///
    /// # Errors
    /// As [`Training::new`], but for what needs the device.
    pub fn plan(model: &M, family: Family, options: PlanOptions) -> Result<Plan> {
        let recorded = model.record()?;
        let options = with_adam(options);
        Plan::new(&recorded.tape, &recorded.store, &recorded.kept(), family, options)
    }

    /// Builds the networks, plans the step, makes everything on the device and draws the initial
    /// weights.
    ///
    /// # Errors
    /// [`Error::Usage`] or [`Error::Shape`] for sizes that do not pass, [`Error::MemoryLimit`]
    /// before anything is allocated, and what the device reports.
    pub fn new(gpu: &Gpu, model: M, options: PlanOptions) -> Result<Training<M>> {
        Self::make(model, gpu, options, |plan, store| plan.prepare(gpu, store))
    }

    /// Like [`Training::new`], by way of [`Plan::prepare_with`].
    ///
    /// # Errors
    /// As [`Training::new`].
    pub fn with_progress(
        gpu: &Gpu,
        model: M,
        options: PlanOptions,
        progress: Progress<'_>,
    ) -> Result<Training<M>> {
        Self::make(model, gpu, options, |plan, store| plan.prepare_with(gpu, store, progress))
    }

    fn make(
        model: M,
        gpu: &Gpu,
        options: PlanOptions,
        prepare: impl FnOnce(Plan, &Store) -> Result<Program>,
    ) -> Result<Training<M>> {
        let recorded = model.record()?;
        let kept = recorded.kept();
        let (family, options) = (gpu.family(), with_adam(options.on(gpu)));
        let plan = Plan::new(&recorded.tape, &recorded.store, &kept, family, options)?;
        let Recorded { store, batches, networks, pools, losses, .. } = recorded;
        let program = prepare(plan, &store)?;
        let scalars = program.scalars(&kept, LOSSES_IN_FLIGHT + 1)?;
        let losses = losses.into_iter().map(|(loss, _)| loss).collect();
        let (settings, description) =
            (model.settings(), Description { losses, ..model.describe() });
        let trainer = Training {
            model,
            settings,
            store,
            networks,
            pools,
            program,
            batches,
            description,
            scalars,
            steps: 0,
            pictures_seen: 0,
            generators_since: 0,
            whole: true,
            left: None,
        };
        trainer.init()?;
        trainer.restart_average()?;
        Ok(trainer)
    }

    fn init(&self) -> Result<()> {
        let Settings { init_type, init_gain, uniform_biases, seed, .. } = self.settings;
        let (gpu, seed) = (self.program.gpu(), crate::rng::fold_seed(seed));
        // A stream of random numbers per parameter, and a range of them per network.
        let streams = || self.networks().into_iter().zip((0u32..).map(|net| net << 16));
        let mut tape = Tape::new();
        streams().for_each(|((_, weights, _), first)| {
            weights.record_init(&mut tape, &self.store, init_type, init_gain, first)
        });
        let plan = Plan::new(&tape, &self.store, &[], gpu.family(), PlanOptions::default())?;
        plan.prepare(gpu, &self.store)?.step(&StepValues { seed, ..StepValues::default() })?;
        if init_type == InitType::Orthogonal {
            for ((_, weights, _), first) in streams() {
                for (param, made) in weights.orthogonal(init_gain, first, seed) {
                    self.store.write(gpu, param.value, &param.layout, &made)?;
                }
            }
        }
        if uniform_biases {
            for ((_, weights, _), first) in streams() {
                for (param, made) in weights.uniform_biases(first, seed) {
                    self.store.write(gpu, param.value, &param.layout, &made)?;
                }
            }
        }
        Ok(())
    }

    /// Makes moving averages, if there are any, equal to their networks: to be called after weights
    /// were loaded.
    ///
    /// # Errors
    /// [`DeviceLost`](crate::Error::DeviceLost), or the validation error that the device reports.
    pub fn restart_average(&self) -> Result<()> {
        let averages: Vec<_> = self
            .networks
            .iter()
            .filter_map(|average| match average.update {
                Update::AverageOf(name) => Some((self.network(name)?, average)),
                _ => None,
            })
            .collect();
        if averages.is_empty() {
            return Ok(());
        }
        let mut tape = Tape::new();
        tape.scope("average");
        for (from, to) in averages
            .iter()
            .flat_map(|(from, to)| from.weights().params().zip(to.weights().params()))
        {
            let (from, to) = (
                tape.stored(&self.store, from.value, &from.name),
                tape.stored(&self.store, to.value, &to.name),
            );
            tape.push_into(crate::ops::Copy, &[from], &[to], &[]);
        }
        let gpu = self.program.gpu();
        Plan::new(&tape, &self.store, &[], gpu.family(), PlanOptions::default())?
            .prepare(gpu, &self.store)?
            .step(&StepValues::default())
    }

    /// The model's configuration.
    pub fn config(&self) -> &M {
        &self.model
    }

    /// What the training knows beside the recorded step.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What the model's losses, generators and sample grids are.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The program of a step.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Where the parameters lie.
    pub fn store(&self) -> &Store {
        &self.store
    }

    fn network(&self, name: &str) -> Option<&Network> {
        self.networks.iter().find(|n| n.name == name)
    }

    /// The generators that are trained.
    pub fn generators(&self) -> Vec<&Generator> {
        self.trained().filter_map(Network::generator).collect()
    }

    /// The generators to show and to evaluate: moving averages where there are some.
    pub fn best_generators(&self) -> Vec<&Generator> {
        let average = |name| self.networks.iter().find(|n| n.update == Update::AverageOf(name));
        self.trained().filter_map(|n| average(n.name).unwrap_or(n).generator()).collect()
    }

    /// Parameters of the networks that are trained, with their public names (`G`, `D_A`), and
    /// batches that their norms see a step.
    pub fn networks(&self) -> Vec<(&'static str, &Weights, u64)> {
        self.trained().map(|n| (n.name, n.weights(), n.passes)).collect()
    }

    /// The same of all networks whose weights a checkpoint holds: moving averages too.
    pub fn saved_networks(&self) -> Vec<(&'static str, &Weights, u64)> {
        let saved = self.networks.iter().filter(|n| n.update != Update::Frozen);
        saved.map(|n| (n.name, n.weights(), n.passes)).collect()
    }

    /// Names of the networks that are moving averages.
    pub fn averages(&self) -> Vec<&'static str> {
        let average = |n: &&Network| matches!(n.update, Update::AverageOf(_));
        self.networks.iter().filter(average).map(|n| n.name).collect()
    }

    /// Networks that are only read: their weights are to be loaded before the first step.
    pub fn frozen_networks(&self) -> Vec<(&'static str, &Weights)> {
        let frozen = self.networks.iter().filter(|n| n.update == Update::Frozen);
        frozen.map(|n| (n.name, n.weights())).collect()
    }

    fn trained(&self) -> impl Iterator<Item = &Network> {
        self.networks.iter().filter(|n| n.update == Update::Trained)
    }

    /// Pools of images generated earlier. Their pages are the only state of a training beside
    /// weights, moments and the number of steps.
    pub fn pools(&self) -> &[Pool] {
        &self.pools
    }

    /// Steps done.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Samples that the steps so far had.
    pub fn pictures_seen(&self) -> u64 {
        self.pictures_seen
    }

    /// Sets how many steps the weights, moments and pools have seen, of as many samples each as
    /// now: after loading a checkpoint.
    pub fn set_steps(&mut self, steps: u64) {
        self.set_progress(steps, steps * u64::from(self.settings.pictures));
    }

    /// The same where earlier steps had other numbers of samples.
    pub fn set_progress(&mut self, steps: u64, pictures_seen: u64) {
        (self.steps, self.pictures_seen) = (steps, pictures_seen);
        (self.whole, self.left) = (true, None);
    }

    /// Nothing of the state is to be saved.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn break_off(&mut self) {
        self.whole = false;
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn left(&self) -> Option<u64> {
        self.left
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn set_left(&mut self, digest: u64) {
        self.left = Some(digest);
    }

    /// Whether weights, moments and pools are those of [`steps`](Self::steps) whole steps. They
    /// are not when a step failed on its way: a part of it may have been done, so nothing of them
    /// is to be saved before a checkpoint has been loaded.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Begins the generators' optimiser anew, with the coming step as its first: their moments, and
    /// those of an encoder, become 0.
    ///
    /// # Errors
    /// What the device reports.
    pub fn restart_generators(&mut self) -> Result<()> {
        let gpu = self.program.gpu();
        let networks = self.trained().filter(|network| network.is_of_generators());
        for param in networks.flat_map(|network| network.weights().params()) {
            for id in param.moments.into_iter().flatten() {
                let zeros = vec![0.0; self.store.shape(id).bytes() as usize / 4];
                self.store.write_raw(gpu, id, &zeros)?;
            }
        }
        (self.generators_since, self.left) = (self.steps, None);
        Ok(())
    }

    /// Says after how many steps the generators' optimiser began anew: after loading a checkpoint.
    pub fn set_generators_since(&mut self, steps: u64) {
        self.generators_since = steps;
    }

    /// A generator on the weights of this training, or on their moving average where there is one,
    /// for samples of a size: the one at a place in [`Model::describe`]'s list.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is none there or it does not take the size, and what the device
    /// reports.
    pub fn translator(
        &self,
        generator: usize,
        size: (u32, u32),
        format: PictureFormat,
        options: PlanOptions,
        progress: Progress<'_>,
    ) -> Result<Translator> {
        let Some(mapping) = self.description.generators.get(generator) else {
            return Err(Error::Usage(format!("there is no generator {generator}")));
        };
        let average = Update::AverageOf(mapping.name);
        let average = self.networks.iter().find(|network| network.update == average);
        let name = average.map_or(mapping.name, |network| network.name);
        let planes = self.model.inputs(mapping.name);
        let network = |tape: &mut Tape, values: &[Tensor]| {
            let names = planes.iter().map(|plane| plane.name);
            let planes: Vec<_> = names.zip(values.iter().copied()).collect();
            self.model.generate(&self.networks, name, tape, &self.store, &planes)
        };
        let (gpu, store) = (self.program.gpu(), &self.store);
        Translator::of_planes(gpu, store, &planes, size, format, &network, options, progress)
    }

    /// All networks, averages behind all others.
    pub fn all_networks(&self) -> &[Network] {
        &self.networks
    }

    /// The values of a coming step at learning rate `lr`, or one for generators and discriminators.
    pub fn values(&self, step: u64, lr: impl Into<Rates>) -> StepValues {
        let lr = lr.into();
        let beta1 = self.settings.beta1;
        let rate = |lr, since: u64| {
            let t = step.saturating_sub(since) as u32;
            Rate { lr, beta1, beta2: 0.999, eps: 1e-8, t }
        };
        let since = self.generators_since;
        let mut rates = [rate(lr.g, 0); GROUPS];
        rates[GROUP_G] = rate(lr.g, since);
        rates[GROUP_INNER] = rate(lr.inner, since);
        rates[GROUP_D] = rate(lr.d, 0);
        StepValues { step: step as u32, seed: crate::rng::fold_seed(self.settings.seed), rates }
    }

    /// What the host writes for each batch of a step.
    pub fn inputs(&self) -> &[Vec<Input>] {
        &self.batches
    }

    /// The planes that a step reads, each with the values of all its batches.
    pub fn planes(&self) -> impl Iterator<Item = Plane> + '_ {
        self.batches[0].iter().map(|input| input.plane)
    }

    /// Writes the planes of the coming step by name, each NHWC, batch after batch, and what else
    /// the step reads. Planes that the model does not read are left out.
    ///
    /// # Errors
    /// [`Error::Usage`] for a plane that is missing, or another number or kind of values.
    pub fn set_planes(&self, planes: &[(&str, Values<'_>)]) -> Result<()> {
        let batches = self.batches.len();
        for (at, plane) in self.planes().enumerate() {
            let values = named(plane.name, planes)?;
            let expected: usize = self.batches.iter().map(|batch| batch[at].len()).sum();
            if values.len() != expected {
                return Err(Error::Usage(format!(
                    "{}: {} values, where those of a step are {expected}",
                    plane.name,
                    values.len()
                )));
            }
            for (number, batch) in self.batches.iter().enumerate() {
                batch[at].write(&self.program, values.part(number, batches))?;
            }
        }
        let seed = crate::rng::fold_seed(self.settings.seed);
        for (stream, pool) in (0..).zip(&self.pools) {
            let decisions =
                pool.pages.decide(seed, self.pictures_seen, self.settings.pictures, stream);
            let batches = decisions.chunks(decisions.len().div_ceil(self.batches.len()));
            for (tensor, batch) in pool.decisions.iter().zip(batches) {
                self.program.write(*tensor, &PoolDecision::values(batch))?;
            }
        }
        Ok(())
    }

    /// [`set_planes`](Self::set_planes) for a model that reads two.
    ///
    /// # Errors
    /// As there, and [`Error::Usage`] for a model that reads more.
    pub fn set_pair<'a>(
        &self,
        first: impl Into<Values<'a>>,
        second: impl Into<Values<'a>>,
    ) -> Result<()> {
        self.set_planes(&self.pair(first.into(), second.into())?)
    }

    /// Values by the names of the model's two planes.
    fn pair<'a>(
        &self,
        first: Values<'a>,
        second: Values<'a>,
    ) -> Result<[(&'static str, Values<'a>); 2]> {
        let names: Vec<_> = self.planes().map(|plane| plane.name).collect();
        match names[..] {
            [a, b] => Ok([(a, first), (b, second)]),
            _ => Err(Error::Usage(format!(
                "a pair was given, where the model reads {}; name the planes",
                names.join(", ")
            ))),
        }
    }

    /// Submits a training step, one update of each network, on planes by name (each NHWC, batch
    /// after batch) at learning rate `lr`, or one for generators and discriminators. Waits for
    /// nothing: call [`losses`](Self::losses) after it, to bound how far the host runs ahead.
    ///
    /// # Errors
    /// As [`set_planes`](Self::set_planes), and what the device reports.
    pub fn submit(&mut self, planes: &[(&str, Values<'_>)], lr: impl Into<Rates>) -> Result<()> {
        self.set_planes(planes)?;
        let step = self.steps + 1;
        self.whole = false;
        self.program.step(&self.values(step, lr))?;
        self.scalars.push(step)?;
        self.set_progress(step, self.pictures_seen + u64::from(self.settings.pictures));
        Ok(())
    }

    /// Appends a training step to a host's encoder, as [`submit`](Self::submit) would submit it.
    /// The host submits the encoder, calls [`submitted`](Self::submitted), and collects losses by
    /// [`arrived`](Self::arrived) in later frames: nothing blocks. One step an encoder: the planes
    /// are written before the submission. It has to be submitted: a step whose encoder is dropped
    /// counts, and updates nothing.
    ///
    /// # Errors
    /// As [`set_planes`](Self::set_planes), and what the device reports.
    pub fn encode(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        planes: &[(&str, Values<'_>)],
        lr: impl Into<Rates>,
    ) -> Result<()> {
        self.set_planes(planes)?;
        let step = self.steps + 1;
        self.whole = false;
        self.program.set_step(&self.values(step, lr));
        self.program.encode(encoder, 0..self.program.dispatch_count());
        self.scalars.encode(encoder, step)?;
        self.set_progress(step, self.pictures_seen + u64::from(self.settings.pictures));
        Ok(())
    }

    /// Says that the host has submitted the steps that were encoded so far.
    ///
    /// # Errors
    /// What the device reports.
    pub fn submitted(&mut self, submission: Option<wgpu::SubmissionIndex>) -> Result<()> {
        self.scalars.submitted(submission)
    }

    /// The losses that have arrived, oldest first, without waiting.
    ///
    /// # Errors
    /// What the device reports.
    pub fn arrived(&mut self) -> Result<Vec<Losses>> {
        let rows = self.scalars.arrived()?;
        Ok(self.to_losses(rows))
    }

    /// [`submit`](Self::submit) for a model that reads two planes: input and target of pairs, or
    /// images of A and of B where there are no pairs.
    ///
    /// # Errors
    /// As [`submit`](Self::submit) and [`set_pair`](Self::set_pair).
    pub fn submit_pair<'a>(
        &mut self,
        first: impl Into<Values<'a>>,
        second: impl Into<Values<'a>>,
        lr: impl Into<Rates>,
    ) -> Result<()> {
        self.submit(&self.pair(first.into(), second.into())?, lr)
    }

    /// Steps whose losses have not been received.
    pub fn in_flight(&self) -> usize {
        self.scalars.in_flight()
    }

    /// Waits until the losses of at most `in_flight` steps are on their way, and returns those that
    /// have arrived, oldest first. In a browser this yields to the event loop; natively it may be
    /// blocked on, as [`step`](Self::step) does. A future that is dropped loses nothing.
    ///
    /// # Errors
    /// What the device reports.
    pub async fn losses(&mut self, in_flight: usize) -> Result<Vec<Losses>> {
        let rows = self.scalars.receive(in_flight).await?;
        Ok(self.to_losses(rows))
    }

    /// [`submit`](Self::submit), then the [`losses`](Self::losses) of earlier steps that have
    /// arrived. Blocks only while the device is more than three steps behind.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn step(
        &mut self,
        planes: &[(&str, Values<'_>)],
        lr: impl Into<Rates>,
    ) -> Result<Vec<Losses>> {
        self.submit(planes, lr)?;
        let rows = self.scalars.receive_earlier(LOSSES_IN_FLIGHT)?;
        Ok(self.to_losses(rows))
    }

    /// [`step`](Self::step) for a model that reads two planes, see
    /// [`submit_pair`](Self::submit_pair).
    ///
    /// # Errors
    /// As [`submit_pair`](Self::submit_pair).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn step_pair<'a>(
        &mut self,
        first: impl Into<Values<'a>>,
        second: impl Into<Values<'a>>,
        lr: impl Into<Rates>,
    ) -> Result<Vec<Losses>> {
        self.step(&self.pair(first.into(), second.into())?, lr)
    }

    /// Blocks until no step is in flight, and returns the losses that had not come back yet.
    ///
    /// # Errors
    /// What the device reports.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn finish(&mut self) -> Result<Vec<Losses>> {
        pollster::block_on(self.losses(0))
    }

    fn to_losses(&self, rows: Vec<(u64, Vec<f32>)>) -> Vec<Losses> {
        rows.into_iter()
            .map(|(step, values)| Losses {
                step,
                named: self.description.losses.iter().map(|loss| loss.name).zip(values).collect(),
            })
            .collect()
    }
}

/// Unless somebody says otherwise, nobody but Adam reads the gradients of a training.
fn with_adam(options: PlanOptions) -> PlanOptions {
    PlanOptions { fuse_adam: options.fuse_adam.or(Some(options.fuse)), ..options }
}
