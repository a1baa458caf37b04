//! The step as it is recorded, in the reference's order: D on fake and real as batches of their
//! own, D's Adam, D again on the fake with its new weights, L1, G's Adam.

use super::Pix2PixConfig;
use super::describe::{PLANES, describe};
use crate::error::Result;
use crate::nets::{Discriminator, DiscriminatorConfig, Generator, Mode};
use crate::picture::{Input, Plane};
use crate::shape::Channels;
use crate::store::Store;
use crate::tape::{Tape, Tensor};
use crate::train::description::{Description, Role};
use crate::train::gan::gradient_penalty;
use crate::train::model::{Common, GROUP_D, GROUP_G, Model, Network, Recorded};

/// Terms of several batches, each already divided by their number: their sum.
fn joined(tape: &mut Tape, terms: &[Tensor]) -> Result<Tensor> {
    let (first, rest) = terms.split_first().expect("at least one batch");
    rest.iter().try_fold(*first, |sum, term| tape.add(sum, *term))
}

impl Model for Pix2PixConfig {
    fn record(&self) -> Result<Recorded> {
        record(self)
    }

    fn describe(&self) -> Description {
        describe(self)
    }

    fn common(&self) -> Common {
        let &Pix2PixConfig {
            generator,
            ndf,
            pictures: format,
            beta1,
            init_type,
            init_gain,
            seed,
            ..
        } = self;
        Common {
            generator,
            ndf,
            size: (self.width, self.height),
            pictures: self.pictures(),
            format,
            beta1,
            init_type,
            init_gain,
            seed,
        }
    }
}

fn record(config: &Pix2PixConfig) -> Result<Recorded> {
    config.check()?;
    let (g, input_nc, output_nc) =
        (&config.generator, config.generator.input_nc(), config.generator.output_nc());
    let mut store = Store::new();
    let generator = Generator::new(&mut store, "G", *g)?;
    let pair = Channels::concat(&[input_nc.into(), output_nc.into()]).expect("two parts");
    let judged = if config.condition_d { pair } else { output_nc.into() };
    let norm = config.discriminator_norm();
    let discriminator = Discriminator::new(
        &mut store,
        "D",
        DiscriminatorConfig { input: judged, ndf: config.ndf, kind: config.discriminator, norm },
    )?;
    let average = config.ema.map(|_| Generator::new(&mut store, "G_ema", *g)).transpose()?;
    let pages = [store.pages("G"), store.pages("D")];
    let averaged: Vec<_> = if average.is_some() {
        store.all_pages("G").into_iter().zip(store.all_pages("G_ema")).collect()
    } else {
        Vec::new()
    };

    let mut tape = Tape::new();
    let size = [config.batch_size, config.height, config.width];
    let image = |tape: &mut Tape, name: &'static str, channels: u32| {
        tape.scope(name);
        Input::record(tape, Plane::image(name, channels, config.pictures), size)
    };
    // What D judges.
    let judged = |tape: &mut Tape, a: Tensor, b: Tensor| {
        if config.condition_d { tape.concat(&[a, b]) } else { Ok(b) }
    };
    let share = 1.0 / config.accumulate as f32;
    let scaled =
        |tape: &mut Tape, x: Tensor, by: f32| if by == 1.0 { x } else { tape.scale(x, by) };

    struct Batch {
        a: Tensor,
        b: Tensor,
        fake: Tensor,
        pair_fake: Tensor,
        /// Nodes of the tape at which the generator began and ended.
        nodes: [usize; 2],
    }
    let mut batches = Vec::new();
    let (mut inputs, mut d_real, mut d_fake, mut d_gp) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let d_wrt = discriminator.weights().trainable(&mut tape, &store);
    for at in 0..config.accumulate {
        let (input, a) = image(&mut tape, PLANES[0], input_nc)?;
        let (target, b) = image(&mut tape, PLANES[1], output_nc)?;
        inputs.push(vec![input, target]);
        tape.scope("");
        let begin = tape.nodes().len();
        // Made once more for G's step where there are several: running statistics count it then.
        let fake = generator.record(
            &mut tape,
            &store,
            a,
            Mode { update_running: config.accumulate == 1, ..Mode::TRAIN },
        )?;
        let nodes = [begin, tape.nodes().len()];
        tape.scope("pairs");
        let (pair_fake, pair_real) = (judged(&mut tape, a, fake)?, judged(&mut tape, a, b)?);

        // Two batches: one would mix the statistics of D's norms. Nothing here depends on D's
        // weights but D, so the fake is as good as detached.
        tape.scope("fake ");
        let logits = discriminator.record(&mut tape, &store, pair_fake, Mode::TRAIN)?;
        tape.scope("loss");
        let fake_loss = config.gan_mode.judge(&mut tape, logits, false, 0.0);
        tape.scope("real ");
        let logits = discriminator.record(&mut tape, &store, pair_real, Mode::TRAIN)?;
        tape.scope("loss");
        let real_loss = config.gan_mode.judge(&mut tape, logits, true, config.label_smoothing);
        let [fake_loss, real_loss] =
            [fake_loss, real_loss].map(|loss| scaled(&mut tape, loss, share));
        let mut halves = vec![tape.scale(fake_loss, 0.5), tape.scale(real_loss, 0.5)];
        if config.has_penalty() {
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
            // The same pictures once more, dropout included, instead of keeping all activations
            // until D has been updated.
            let begin = tape.nodes().len();
            tape.scope("");
            tape.draw_as(Some(nodes[0]));
            fake = generator.record(&mut tape, &store, a, Mode::TRAIN)?;
            tape.draw_as(None);
            debug_assert_eq!(
                tape.nodes().len() - begin,
                nodes[1] - nodes[0],
                "streams of dropout are counted by node"
            );
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
    for loss in config.describe().losses {
        let terms = match loss.role {
            Role::Generator => &g_gan,
            Role::Distance => &g_l1,
            Role::Real => &d_real,
            Role::Fake | Role::Discriminator => &d_fake,
            Role::Regulariser => &g_tv,
            Role::Penalty => &d_gp,
        };
        let total = joined(&mut tape, terms)?;
        losses.push((loss, total));
    }
    let passes = u64::from(config.accumulate);
    let mut networks = vec![
        Network::generator("G", generator, passes),
        Network::discriminator("D", discriminator, 3 * passes),
    ];
    networks.extend(
        average.map(|net| Network {
            average_of: Some("G"),
            ..Network::generator("G_ema", net, passes)
        }),
    );
    Ok(Recorded { store, tape, batches: inputs, losses, networks, pools: Vec::new() })
}
