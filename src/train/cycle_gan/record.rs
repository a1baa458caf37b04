//! The step as it is recorded, in the reference's order: six generator passes (four without
//! identity terms), both generators' Adam, then both discriminators on real pictures and on fakes
//! from a pool, their Adam.

use super::CycleGanConfig;
use super::describe::{DISCRIMINATORS, GENERATORS, PLANES, describe};
use crate::error::Result;
use crate::nets::{Discriminator, DiscriminatorConfig, Generator, Mode};
use crate::ops::PoolPages;
use crate::picture::{Input, Plane};
use crate::store::Store;
use crate::tape::{Tape, Tensor};
use crate::train::description::Description;
use crate::train::model::{GROUP_D, GROUP_G, Model, Network, Pool, Recorded, Settings};

/// The first keeps fakes of B, which D_A judges.
const POOLS: [&str; 2] = ["pool_A", "pool_B"];

impl Model for CycleGanConfig {
    fn record(&self) -> Result<Recorded> {
        self.check()?;
        let CycleGanConfig { batch_size: n, width: w, height: h, pool_size, generator: g, .. } =
            *self;
        let channels = [g.input_nc(), g.output_nc()];
        let mut store = Store::new();
        let generators = [
            Generator::new(&mut store, GENERATORS[0], g)?,
            Generator::new(&mut store, GENERATORS[1], g.reversed())?,
        ];
        let norm = self.norm_d.unwrap_or(g.norm());
        let mut discriminator = |set: &str, channels: u32| {
            Discriminator::new(
                &mut store,
                set,
                DiscriminatorConfig {
                    input: channels.into(),
                    ndf: self.ndf,
                    kind: self.discriminator,
                    norm,
                },
            )
        };
        let discriminators = [
            discriminator(DISCRIMINATORS[0], channels[1])?,
            discriminator(DISCRIMINATORS[1], channels[0])?,
        ];
        let pools = [0, 1].map(|net| {
            PoolPages::new(&mut store, POOLS[net], pool_size, [h, w, channels[1 - net]])
        });
        let [g_pages, d_pages] =
            [GENERATORS, DISCRIMINATORS].map(|sets| sets.map(|set| store.pages(set)).concat());

        let mut tape = Tape::new();
        let mut image = |side: usize| {
            tape.scope(PLANES[side]);
            let plane = Plane::image(PLANES[side], channels[side], self.pictures);
            Input::record(&mut tape, plane, [n, h, w])
        };
        let ((input_a, a), (input_b, b)) = (image(0)?, image(1)?);
        let decisions = POOLS.map(|label| tape.pool_decisions(label, n));
        let real = [a, b];
        let lambdas = [self.lambda_a, self.lambda_b];
        let pass = |tape: &mut Tape, scope: &str, net: usize, x: Tensor| {
            tape.scope(format!("{scope} "));
            generators[net].record(tape, &store, x, Mode::TRAIN)
        };

        // fake[0] is G_A(A), which D_A judges; rec[0] is G_B(G_A(A)).
        let fake_b = pass(&mut tape, "fake_B", 0, a)?;
        let rec_a = pass(&mut tape, "rec_A", 1, fake_b)?;
        let fake_a = pass(&mut tape, "fake_A", 1, b)?;
        let rec_b = pass(&mut tape, "rec_B", 0, fake_a)?;
        let (fake, rec) = ([fake_b, fake_a], [rec_a, rec_b]);
        let mut terms: Vec<(&'static str, Tensor)> = Vec::new();
        if self.has_identity() {
            // G_A(B) should be B: weighted as the cycle of B.
            for (net, name) in [(0, "idt_A"), (1, "idt_B")] {
                let same = real[1 - net];
                let idt = pass(&mut tape, name, net, same)?;
                tape.scope("loss");
                let l1 = tape.l1(idt, same)?;
                terms.push((name, tape.scale(l1, lambdas[1 - net] * self.lambda_identity)));
            }
        }
        for (net, [gan, cycle]) in [(0, ["G_A", "cycle_A"]), (1, ["G_B", "cycle_B"])] {
            tape.scope(format!("{gan} "));
            let judged = discriminators[net].record(&mut tape, &store, fake[net], Mode::TRAIN)?;
            tape.scope("loss");
            terms.push((gan, self.gan_mode.generator_loss(&mut tape, &[judged])?));
            let l1 = tape.l1(rec[net], real[net])?;
            terms.push((cycle, tape.scale(l1, lambdas[net])));
        }
        let g_wrt: Vec<Tensor> =
            generators.iter().flat_map(|g| g.weights().trainable(&mut tape, &store)).collect();
        let losses: Vec<Tensor> = terms.iter().map(|(_, t)| *t).collect();
        tape.backward(&losses, &g_wrt)?;
        tape.scope("G");
        g_pages.iter().for_each(|page| tape.adam(&store, page, GROUP_G as u32));

        // The discriminators see the fakes that were made before the generators' update.
        for (net, name) in DISCRIMINATORS.into_iter().enumerate() {
            let d = &discriminators[net];
            tape.scope("pool");
            let seen = tape.pool(&store, &pools[net], fake[net], decisions[net])?;
            tape.scope("real ");
            let judged = d.record(&mut tape, &store, real[1 - net], Mode::TRAIN)?;
            tape.scope("loss");
            let mode = self.gan_mode;
            let real_loss = mode.discriminator_loss(&mut tape, &[judged], true, 0.0)?;
            tape.scope("fake ");
            let judged = d.record(&mut tape, &store, seen, Mode::TRAIN)?;
            tape.scope("loss");
            let fake_loss = mode.discriminator_loss(&mut tape, &[judged], false, 0.0)?;
            let sum = tape.add(real_loss, fake_loss)?;
            let loss = tape.scale(sum, 0.5);
            let wrt = d.weights().trainable(&mut tape, &store);
            tape.backward(&[loss], &wrt)?;
            terms.push((name, loss));
        }
        tape.scope("D");
        d_pages.iter().for_each(|page| tape.adam(&store, page, GROUP_D as u32));

        let recorded = |name| terms.iter().find(|(n, _)| *n == name).expect("recorded above").1;
        let losses = self.describe().losses.into_iter();
        let losses = losses.map(|loss| (loss.clone(), recorded(loss.name))).collect();
        let passes = if self.has_identity() { 3 } else { 2 };
        let networks = GENERATORS
            .into_iter()
            .zip(generators)
            .map(|(name, net)| Network::trained(name, net, passes));
        let networks = networks
            .chain(
                DISCRIMINATORS
                    .into_iter()
                    .zip(discriminators)
                    .map(|(name, net)| Network::trained(name, net, 3)),
            )
            .collect();
        let pools = POOLS.into_iter().zip(pools).zip(decisions).filter(|_| pool_size > 0);
        let pools =
            pools.map(|((name, pages), decisions)| Pool { name, pages, decisions }).collect();
        Ok(Recorded { store, tape, batches: vec![vec![input_a, input_b]], losses, networks, pools })
    }

    fn describe(&self) -> Description {
        describe(self)
    }

    fn settings(&self) -> Settings {
        Settings {
            size: (self.width, self.height),
            pictures: self.batch_size,
            beta1: self.beta1,
            init_type: self.init_type,
            init_gain: self.init_gain,
            seed: self.seed,
        }
    }
}
