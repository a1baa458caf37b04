//! The step as it is recorded, in the reference's order: six generator passes (four without
//! identity terms), both generators' Adam, then both discriminators on real pictures and on fakes
//! from a pool, their Adam.

use super::CycleGanConfig;
use super::describe::{AVERAGES, DISCRIMINATORS, GENERATORS, PLANES, describe};
use crate::error::Result;
use crate::nets::{Discriminator, DiscriminatorConfig, Generator, Mode};
use crate::ops::PoolPages;
use crate::picture::{Input, Plane};
use crate::store::Store;
use crate::tape::{Tape, Tensor};
use crate::train::description::Description;
use crate::train::model::{GROUP_D, GROUP_G, Model, Network, Pool, Recorded, Settings};
use crate::train::terms::{Terms, adam, average, scaled};

/// The first keeps fakes of B, which D_A judges.
const POOLS: [&str; 2] = ["pool_A", "pool_B"];

impl Model for CycleGanConfig {
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

    fn inputs(&self, generator: &str) -> Vec<Plane> {
        let side = usize::from(generator.starts_with(GENERATORS[1]));
        vec![self.plane(side)]
    }
}

impl CycleGanConfig {
    /// The plane of A or of B.
    fn plane(&self, side: usize) -> Plane {
        let channels = [self.generator.input_nc(), self.generator.output_nc()];
        Plane::image(PLANES[side], channels[side], self.pictures)
    }
}

/// A step being recorded: with accumulation, first the generators' part of every batch, then the
/// discriminators'.
struct Step<'a> {
    config: &'a CycleGanConfig,
    store: Store,
    tape: Tape,
    generators: [Generator; 2],
    discriminators: [Discriminator; 2],
    averages: Vec<Generator>,
    pools: [PoolPages; 2],
    /// What happens to the fakes of each batch, of each pool.
    decisions: [Vec<Tensor>; 2],
    inputs: Vec<Vec<Input>>,
    terms: Terms,
}

/// A batch, from the generators' part of the step to the discriminators': the images of A and B,
/// and the fakes that were made before the generators' update, of B first, which D_A judges.
struct Batch {
    real: [Tensor; 2],
    fake: [Tensor; 2],
    decisions: [Tensor; 2],
}

impl<'a> Step<'a> {
    /// The networks in a store, and an empty tape.
    fn new(config: &'a CycleGanConfig) -> Result<Step<'a>> {
        let CycleGanConfig { width: w, height: h, pool_size, generator: g, .. } = *config;
        let channels = [g.input_nc(), g.output_nc()];
        let mut store = Store::new();
        let generators = [
            Generator::new(&mut store, GENERATORS[0], g)?,
            Generator::new(&mut store, GENERATORS[1], g.reversed())?,
        ];
        let (ndf, kind, norm) =
            (config.ndf, config.discriminator, config.norm_d.unwrap_or(g.norm()));
        let mut discriminator = |net: usize| {
            let input = channels[1 - net].into();
            let config = DiscriminatorConfig { input, ndf, kind, norm };
            Discriminator::new(&mut store, DISCRIMINATORS[net], config)
        };
        let discriminators = [discriminator(0)?, discriminator(1)?];
        let pools = [0, 1].map(|net| {
            PoolPages::new(&mut store, POOLS[net], pool_size, [h, w], channels[1 - net])
        });
        let mut averages = Vec::new();
        if config.ema.is_some() {
            for (net, average) in generators.iter().zip(AVERAGES) {
                averages.push(Generator::new(&mut store, average, net.config())?);
            }
        }
        Ok(Step {
            config,
            store,
            tape: Tape::new(),
            generators,
            discriminators,
            averages,
            pools,
            decisions: Default::default(),
            inputs: Vec::new(),
            terms: Terms::new(config.accumulate),
        })
    }

    fn record(mut self) -> Result<Recorded> {
        let mut batches = Vec::new();
        for at in 0..self.config.accumulate {
            batches.push(self.generators_part(at == 0)?);
        }
        self.tape.scope("G");
        adam(&mut self.tape, &mut self.store, GENERATORS, GROUP_G);
        for (from, to) in self.generators.iter().zip(&self.averages) {
            let (tape, store) = (&mut self.tape, &mut self.store);
            let decay = self.config.ema.unwrap_or(0.0);
            average(tape, store, from.weights(), to.weights(), decay)?;
        }
        for (at, batch) in batches.iter().enumerate() {
            self.discriminators_part(batch, at == 0)?;
        }
        self.tape.scope("D");
        adam(&mut self.tape, &mut self.store, DISCRIMINATORS, GROUP_D);
        self.finish()
    }

    /// A batch's images, what both generators make of them, their losses and gradients.
    fn generators_part(&mut self, first: bool) -> Result<Batch> {
        let ((input_a, a), (input_b, b)) = (self.image(0)?, self.image(1)?);
        self.inputs.push(vec![input_a, input_b]);
        let decisions = POOLS.map(|label| self.tape.pool_decisions(label, self.config.batch_size));
        for (all, batch) in self.decisions.iter_mut().zip(decisions) {
            all.push(batch);
        }
        let real = [a, b];
        let lambdas = [self.config.lambda_a, self.config.lambda_b];

        // fake[0] is G_A(A), which D_A judges; rec[0] is G_B(G_A(A)).
        let fake_b = self.pass("fake_B", 0, a)?;
        let rec_a = self.pass("rec_A", 1, fake_b)?;
        let fake_a = self.pass("fake_A", 1, b)?;
        let rec_b = self.pass("rec_B", 0, fake_a)?;
        let (fake, rec) = ([fake_b, fake_a], [rec_a, rec_b]);
        let mut losses = Vec::new();
        if self.config.has_identity() {
            // G_A(B) should be B: weighted as the cycle of B.
            for (net, name) in [(0, "idt_A"), (1, "idt_B")] {
                let same = real[1 - net];
                let idt = self.pass(name, net, same)?;
                let weight = lambdas[1 - net] * self.config.lambda_identity;
                losses.push((name, self.distance(idt, same, weight)?));
            }
        }
        for (net, [gan, cycle]) in [(0, ["G_A", "cycle_A"]), (1, ["G_B", "cycle_B"])] {
            losses.push((gan, self.adversarial(gan, net, fake[net])?));
            losses.push((cycle, self.distance(rec[net], real[net], lambdas[net])?));
        }
        let Step { generators, tape, store, .. } = self;
        let wrt: Vec<Tensor> =
            generators.iter().flat_map(|g| g.weights().trainable(tape, store)).collect();
        self.terms.backward(tape, losses, &wrt, first)?;
        Ok(Batch { real, fake, decisions })
    }

    /// The losses of both discriminators on a batch, and their gradients. They see the fakes that
    /// were made before the generators' update.
    fn discriminators_part(&mut self, batch: &Batch, first: bool) -> Result<()> {
        let mode = self.config.gan_mode;
        for (net, name) in DISCRIMINATORS.into_iter().enumerate() {
            self.tape.scope("pool");
            let seen = self.tape.pool(
                &self.store,
                &self.pools[net],
                batch.fake[net],
                batch.decisions[net],
            )?;
            let d = &self.discriminators[net];
            self.tape.scope("real+fake ");
            let both = [batch.real[1 - net], seen];
            let [real, fake] = d.record_both(&mut self.tape, &self.store, both, Mode::TRAIN)?;
            self.tape.scope("loss");
            let real = mode.discriminator_loss(&mut self.tape, &[real], true, 0.0)?;
            let fake = mode.discriminator_loss(&mut self.tape, &[fake], false, 0.0)?;
            let sum = self.tape.add(real, fake)?;
            let loss = self.tape.scale(sum, 0.5 * self.terms.share());
            let wrt = d.weights().trainable(&mut self.tape, &self.store);
            self.terms.backward(&mut self.tape, vec![(name, loss)], &wrt, first)?;
        }
        Ok(())
    }

    /// The losses as they are logged, and everything that was recorded.
    fn finish(mut self) -> Result<Recorded> {
        let losses = self.terms.totals(&mut self.tape, self.config.describe().losses)?;
        let batches = u64::from(self.config.accumulate);
        let passes = batches * if self.config.has_identity() { 3 } else { 2 };
        let named = |names: [&'static str; 2]| names.into_iter();
        let generators = named(GENERATORS).zip(self.generators);
        let discriminators = named(DISCRIMINATORS).zip(self.discriminators);
        let averages = named(AVERAGES).zip(GENERATORS).zip(self.averages);
        let networks = generators
            .map(|(name, net)| Network::trained(name, net, passes))
            .chain(discriminators.map(|(name, net)| Network::trained(name, net, 3 * batches)))
            .chain(averages.map(|((name, of), net)| Network::average(name, net, of, passes)))
            .collect();
        let pools = POOLS.into_iter().zip(self.pools).zip(self.decisions);
        let pools = pools
            .filter(|_| self.config.pool_size > 0)
            .map(|((name, pages), decisions)| Pool { name, pages, decisions })
            .collect();
        let (store, tape, batches) = (self.store, self.tape, self.inputs);
        Ok(Recorded { store, tape, batches, losses, networks, pools })
    }

    fn image(&mut self, side: usize) -> Result<(Input, Tensor)> {
        let config = self.config;
        self.tape.scope(PLANES[side]);
        let size = [config.batch_size, config.height, config.width];
        Input::record(&mut self.tape, config.plane(side), size)
    }

    /// A generator on images.
    fn pass(&mut self, scope: &str, net: usize, x: Tensor) -> Result<Tensor> {
        self.tape.scope(format!("{scope} "));
        self.generators[net].record(&mut self.tape, &self.store, x, Mode::TRAIN)
    }

    /// What a discriminator's judgement of a fake is worth to its generator.
    fn adversarial(&mut self, scope: &str, net: usize, fake: Tensor) -> Result<Tensor> {
        self.tape.scope(format!("{scope} "));
        let d = &self.discriminators[net];
        let judged = d.record(&mut self.tape, &self.store, fake, Mode::TRAIN)?;
        self.tape.scope("loss");
        let loss = self.config.gan_mode.generator_loss(&mut self.tape, &[judged])?;
        Ok(scaled(&mut self.tape, loss, self.terms.share()))
    }

    /// Mean distance of two images, weighted.
    fn distance(&mut self, x: Tensor, from: Tensor, weight: f32) -> Result<Tensor> {
        self.tape.scope("loss");
        let l1 = self.tape.l1(x, from)?;
        Ok(self.tape.scale(l1, weight * self.terms.share()))
    }
}
