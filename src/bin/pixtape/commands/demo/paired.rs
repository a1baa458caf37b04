//! A task of pairs: trains pix2pix on what the task draws, and shows what came of it.

use crate::commands::demo::args::DemoArgs;
use crate::commands::demo::page::{self, DemoPage, Figure};
use crate::commands::demo::task::{Net, Pair, Task, Words};
use crate::commands::demo::training::{
    FIRST_HELD_OUT, Planes, SIDE, Schedule, device, facts, place_of, train, try_it,
};
use crate::device::starting::Starting;
use pixtape::gpu::Gpu;
use pixtape::io::checkpoint::save_weights;
use pixtape::io::{Picture, Size, write_aside};
use pixtape::nets::GeneratorKind;
use pixtape::picture::{PictureValues, PlaneValues};
use pixtape::plan::PlanOptions;
use pixtape::run::Options;
use pixtape::run::options::{ModelKind, NetD};
use pixtape::train::{AnyModel, Pix2Pix, Pix2PixConfig};
use pixtape::{Error, Result};
use std::path::Path;
use std::time::Duration;

/// Held-out pairs that the measure is taken of, and how many of them are shown.
const HELD_OUT: u64 = 16;
const SHOWN: usize = 6;
/// A small network and few steps tolerate more than the reference's rate.
const LR: f64 = 8e-4;
const TIME_LIMIT: Duration = Duration::from_secs(180);

fn config(task: &dyn Task, seed: u64) -> Result<Pix2PixConfig> {
    let mut options = Options::new(ModelKind::Pix2Pix);
    let nets = &mut options.nets;
    nets.net_g = GeneratorKind::Unet { downs: 5 };
    (nets.ngf, nets.ndf, nets.no_dropout) = (16, 16, true);
    (nets.net_d, nets.n_layers_d) = (NetD::NLayers, 2);
    options.data.crop_size = Size::square(SIDE);
    options.run.seed = seed;
    task.options(&mut options);
    match options.resolve_without_data()? {
        AnyModel::Pix2Pix(config) => Ok(config),
        other => Err(Error::Internal(format!("the task's model is {other:?}"))),
    }
}

/// What becomes of the held-out inputs after some steps.
struct Shot {
    step: u64,
    made: Vec<Picture>,
}

/// Trains, writes the images and the page, and returns a summary.
pub(super) fn run(gpu: &Gpu, args: &DemoArgs, steps: u64, task: &dyn Task) -> Result<String> {
    let (out, seed) = (&args.out, args.seed);
    let (mut starting, options) = (Starting::new(gpu), PlanOptions::default());
    let config = config(task, seed)?;
    let format = config.pictures;
    let mut trainer = Pix2Pix::with_progress(gpu, config, options.clone(), &mut |done, total| {
        starting.show(done, total)
    })?;
    let size = (SIDE, SIDE);
    let translator =
        trainer.translator(0, size, format, options, &mut |done, all| starting.show(done, all))?;
    drop(starting);
    let count = task.count();
    let pairs = task.pairs(seed, 0..count)?;
    let held_out = task.pairs(seed, FIRST_HELD_OUT..FIRST_HELD_OUT + HELD_OUT)?;

    let mut shots: Vec<Shot> = Vec::new();
    let mut look = |trainer: &Pix2Pix| {
        let net = Net { task, trainer, translator: &translator };
        let made = held_out.iter().map(|pair| net.run(pair)).collect::<Result<_>>()?;
        shots.push(Shot { step: trainer.steps(), made });
        Ok(())
    };
    look(&trainer)?;
    let planes = |step| -> Planes {
        let pair = &pairs[place_of(count, seed, 0, step)];
        let image = |values: &PictureValues| PlaneValues::Image(values.clone());
        vec![("input", image(&pair.input)), ("target", image(&pair.target))]
    };
    let schedule = Schedule { steps, lr: LR, held: 0, limit: TIME_LIMIT };
    let trained = train(&mut trainer, &schedule, planes, &mut look)?;

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
    let Words { title, about, lead, commands } = task.words();
    let mut figures = vec![grid(out, &held_out, &shots[1..])?];
    let net = Net { task, trainer: &trainer, translator: &translator };
    for (file, rows, caption) in task.more(&net, seed)? {
        figures.push(Figure::save(out, &file, &rows, caption)?);
    }
    let table = measured(task, &held_out, &shots)?;
    let g = trainer.generators()[0].config();
    let name = format!("{g}, ngf {}, {} weights", g.ngf(), generator.count());
    let facts = facts(&trainer, trained.seconds, name, seed, count);
    let mut own: Vec<(String, String)> =
        commands.iter().map(|(what, command)| (what.to_string(), command.to_string())).collect();
    if let Some(input) = held_out[0].image()? {
        let file = out.join("input.png");
        input.save_png(&file)?;
        own.push(try_it(&weights, &file));
    }
    let page = DemoPage {
        title,
        about,
        device: &device(gpu),
        figures: &figures,
        charts: &[
            ("Distance from the target", &["G_L1"]),
            ("Adversarial losses", &["G_GAN", "D_real", "D_fake"]),
        ],
        losses: &trained.losses,
        tables: &[("Does it work?", &table), ("With your own images", &own)],
        facts: &facts,
    };
    write_aside(&out.join("index.html"), page::render(&page).as_bytes())?;
    let lines: Vec<String> = table.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    Ok(format!("{lead}\n{}\n{}", lines.join("\n"), trained.summary(trainer.steps())))
}

/// Held-out pairs through time: input, output after some steps each, target.
fn grid(out: &Path, held_out: &[Pair], shots: &[Shot]) -> Result<Figure> {
    let row = |at: usize| {
        let [input, target] = &held_out[at].shown;
        let made = shots.iter().map(|shot| &shot.made[at]);
        std::iter::once(input).chain(made).chain([target]).cloned().collect()
    };
    let rows: Vec<Vec<Picture>> = (0..SHOWN).map(row).collect();
    let steps = shots.iter().map(|s| s.step.to_string()).collect::<Vec<_>>().join(", ");
    let caption =
        format!("Inputs that training never saw: input, output after {steps} steps, target");
    Figure::save(out, "grid.png", &rows, caption)
}

/// The task's measures before the first step and after the last.
fn measured(task: &dyn Task, held_out: &[Pair], shots: &[Shot]) -> Result<Vec<(String, String)>> {
    let mean = |shot: &Shot| -> Result<Vec<(&'static str, f64)>> {
        let mut sums: Vec<(&'static str, f64)> = Vec::new();
        for (pair, made) in held_out.iter().zip(&shot.made) {
            for (at, (name, value)) in task.measure(pair, made)?.into_iter().enumerate() {
                if sums.len() == at {
                    sums.push((name, 0.0));
                }
                sums[at].1 += value / held_out.len() as f64;
            }
        }
        Ok(sums)
    };
    let ends = [shots.first(), shots.last()];
    let [Some(first), Some(last)] = ends else {
        return Err(Error::Internal("a training without looks".into()));
    };
    let (before, after) = (mean(first)?, mean(last)?);
    let row = |(before, after): (&(&str, f64), &(&str, f64))| {
        let [early, late] = [before.1, after.1].map(|value| format!("{value:.2}"));
        // What does not depend on the network is there to compare with.
        let fixed = early == late;
        let value = if fixed { late } else { format!("{early} before training, {late} after") };
        (before.0.to_string(), value)
    };
    Ok(before.iter().zip(&after).map(row).collect())
}
