//! The demo of pix2pix: drawn label maps to drawn facades.

use crate::commands::demo::args::DemoArgs;
use crate::commands::demo::draw::facade_bytes;
use crate::commands::demo::page::{self, DemoPage};
use crate::commands::demo::training::{
    ENLARGED, FIRST_HELD_OUT, PAIRS, SIDE, Schedule, device, enlarge, facts, images, place, train,
    try_it,
};
use crate::device::starting::Starting;
use pixtape::gpu::Gpu;
use pixtape::io::checkpoint::save_weights;
use pixtape::io::{Picture, Size, write_aside};
use pixtape::nets::{GeneratorKind, Mode};
use pixtape::ops::NormMode;
use pixtape::plan::PlanOptions;
use pixtape::run::Options;
use pixtape::run::options::{ModelKind, NetD};
use pixtape::train::{AnyModel, Pix2Pix, Pix2PixConfig, Translator};
use pixtape::{Error, Result};
use std::time::Duration;

/// Number of held-out layouts; each gets a row of the grid.
const HELD_OUT: u64 = 6;
/// A small network and few steps tolerate more than the reference's rate.
const LR: f64 = 8e-4;
const TIME_LIMIT: Duration = Duration::from_secs(180);

/// Number of steps for a device, by its class and not by its speed, so that the same seed gives the
/// same images.
pub(crate) fn steps_for(gpu: &Gpu) -> u64 {
    if gpu.is_software() { 1000 } else { 3000 }
}

fn config(seed: u64) -> Result<Pix2PixConfig> {
    let mut options = Options::new(ModelKind::Pix2Pix);
    let nets = &mut options.nets;
    nets.net_g = GeneratorKind::Unet { downs: 5 };
    (nets.ngf, nets.ndf, nets.no_dropout) = (16, 16, true);
    (nets.net_d, nets.n_layers_d) = (NetD::NLayers, 2);
    options.data.crop_size = Size::square(SIDE);
    options.run.seed = seed;
    match options.resolve_without_data()? {
        AnyModel::Pix2Pix(config) => Ok(config),
        other => Err(Error::Internal(format!("the demo's model is {other:?}"))),
    }
}

/// A pair of the data set `seed`: the label map and the facade it stands for.
pub(crate) fn facade_pair(seed: u64, index: u64, size: u32) -> (Picture, Picture) {
    let picture = |data| Picture { width: size, height: size, channels: 3, data };
    let (label, photo) = facade_bytes(seed, index, size);
    (picture(label), picture(photo))
}

/// Outputs for the held-out layouts after some steps.
struct Shot {
    step: u64,
    pictures: Vec<Picture>,
}

/// Trains, writes the images and the page, and returns a summary.
pub(crate) fn run(gpu: &Gpu, args: &DemoArgs, steps: u64) -> Result<String> {
    let (out, seed) = (&args.out, args.seed);
    let (mut starting, options) = (Starting::new(gpu), PlanOptions::default());
    let mut trainer =
        Pix2Pix::with_progress(gpu, config(seed)?, options.clone(), &mut |done, total| {
            starting.show(done, total)
        })?;
    let translator = Translator::new(
        gpu,
        trainer.store(),
        trainer.generator(),
        SIDE,
        SIDE,
        Mode::run(NormMode::Batch, false),
        options,
    )?;
    drop(starting);
    let pairs: Vec<_> = (0..PAIRS).map(|i| facade_pair(seed, i, SIDE)).collect();
    let held_out: Vec<_> =
        (0..HELD_OUT).map(|i| facade_pair(seed, FIRST_HELD_OUT + i, SIDE)).collect();

    let mut shots: Vec<Shot> = Vec::new();
    let mut look = |trainer: &Pix2Pix| {
        let translate = |(label, _): &(Picture, Picture)| {
            Picture::new(SIDE, SIDE, 3, pollster::block_on(translator.run(&label.data, 0, 0))?)
        };
        let shot = Shot {
            step: trainer.steps(),
            pictures: held_out.iter().map(translate).collect::<Result<_>>()?,
        };
        if trainer.steps() < steps {
            // All held-out layouts at one step, side by side: input above output.
            let inputs = held_out.iter().map(|(label, _)| enlarge(label)).collect();
            let strip = Picture::grid(
                &[inputs, shot.pictures.iter().map(enlarge).collect()],
                2 * ENLARGED,
            )?;
            strip.save_png(&out.join(format!("step{:05}.png", shot.step)))?;
        }
        shots.push(shot);
        Ok(())
    };
    let pictures = |step| {
        let (label, photo) = &pairs[place(seed, 0, step)];
        images([("input", label), ("target", photo)])
    };
    let trained = train(
        &mut trainer,
        &Schedule { steps, lr: LR, held: 0, limit: TIME_LIMIT },
        pictures,
        &mut look,
    )?;

    // One held-out layout through time: input, output after some steps each, target.
    let row = |at: usize| {
        let (label, photo) = &held_out[at];
        std::iter::once(label)
            .chain(shots.iter().map(|shot| &shot.pictures[at]))
            .chain([photo])
            .map(enlarge)
            .collect()
    };
    let rows: Vec<Vec<Picture>> = (0..held_out.len()).map(row).collect();
    Picture::grid(&rows, 2 * ENLARGED)?.save_png(&out.join("grid.png"))?;
    let columns = format!(
        "input, after {} steps, target",
        shots.iter().map(|s| s.step.to_string()).collect::<Vec<_>>().join(", ")
    );
    let mut pictures =
        vec![("grid.png".to_string(), format!("Layouts that training never saw: {columns}"))];
    for (at, row) in rows.into_iter().enumerate() {
        let file = format!("facade{}.png", at + 1);
        Picture::grid(&[row], 2 * ENLARGED)?.save_png(&out.join(&file))?;
        pictures.push((file, format!("Facade {}: {columns}", at + 1)));
    }
    let weights = out.join("generator.safetensors");
    let generator = trainer.generator().weights();
    pollster::block_on(save_weights(
        gpu,
        trainer.store(),
        generator,
        trainer.steps(),
        None,
        &weights,
    ))?;
    let input = out.join("label.png");
    held_out[0].0.save_png(&input)?;

    let g = trainer.generators()[0].config();
    let mut facts = facts(
        &trainer,
        trained.seconds,
        format!("{g}, ngf {}, {} weights", g.ngf(), generator.count()),
        seed,
        PAIRS,
    );
    facts.push(try_it(&weights, &input));
    let page = DemoPage {
        title: "pixtape: facades from labels",
        about: "",
        device: &device(gpu),
        pictures: &pictures,
        charts: &[
            ("Distance from the target", &["G_L1"]),
            ("Adversarial losses", &["G_GAN", "D_real", "D_fake"]),
        ],
        losses: &trained.losses,
        tables: &[],
        facts: &facts,
    };
    write_aside(&out.join("index.html"), page::render(&page).as_bytes())?;
    Ok(trained.summary(trainer.steps()))
}
