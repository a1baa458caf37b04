//! The demo of CycleGAN: drawn horses to drawn zebras and back, without pairs.

use crate::commands::demo::args::DemoArgs;
use crate::commands::demo::draw_animals::{Animal, animal, inner, stripes};
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
use pixtape::train::{AnyModel, CycleGan, CycleGanConfig, Translator};
use pixtape::{Error, Result};
use std::time::Duration;

/// Animals of each kind that training never sees.
const HELD_OUT: u64 = 12;
/// How many of them the grid shows.
const SHOWN: usize = 4;
const LR: f64 = 4e-4;
const TIME_LIMIT: Duration = Duration::from_secs(420);
/// The two kinds and the two generators.
const KINDS: [&str; 2] = ["horse", "zebra"];

/// See [`crate::commands::demo::facades::steps_for`].
pub(crate) fn steps_for(gpu: &Gpu) -> u64 {
    if gpu.is_software() { 1600 } else { 4000 }
}

fn config(seed: u64) -> Result<CycleGanConfig> {
    let mut options = Options::new(ModelKind::CycleGan);
    let nets = &mut options.nets;
    nets.net_g = GeneratorKind::Resnet { blocks: 3 };
    (nets.ngf, nets.ndf) = (16, 32);
    (nets.net_d, nets.n_layers_d) = (NetD::NLayers, 2);
    options.data.crop_size = Size::square(SIDE);
    options.run.seed = seed;
    match options.resolve_without_data()? {
        AnyModel::CycleGan(config) => Ok(config),
        other => Err(Error::Internal(format!("the demo's model is {other:?}"))),
    }
}

/// Translations of the held-out animals after some steps, to the other kind and back.
struct Shot {
    step: u64,
    made: [Vec<[Picture; 2]>; 2],
}

/// Stripes of one kind's images before and after translation, and the error of the cycle.
struct Measured {
    inside: [f64; 2],
    outside: [f64; 2],
    /// Stripes inside real animals of the other kind.
    other: f64,
    /// Mean change of the ground by translation, and of the whole image by a cycle, in 8-bit
    /// levels.
    ground: f64,
    cycle: f64,
}

/// Trains, writes the images and the page, and returns a summary.
pub(crate) fn run(gpu: &Gpu, args: &DemoArgs, steps: u64) -> Result<String> {
    let (out, seed) = (&args.out, args.seed);
    let (mut starting, options) = (Starting::new(gpu), PlanOptions::default());
    let mut trainer =
        CycleGan::with_progress(gpu, config(seed)?, options.clone(), &mut |done, total| {
            starting.show(done, total)
        })?;
    let ready = |net| {
        Translator::new(
            gpu,
            trainer.store(),
            net,
            SIDE,
            SIDE,
            Mode::run(NormMode::Batch, false),
            options.clone(),
        )
    };
    let translators = trainer.generators().into_iter().map(ready).collect::<Result<Vec<_>>>()?;
    drop(starting);
    let draw = |first: u64, count: u64| {
        [false, true].map(|striped| {
            (first..first + count).map(|i| animal(seed, i, striped, SIDE)).collect::<Vec<_>>()
        })
    };
    let (seen, held_out) = (draw(0, PAIRS), draw(FIRST_HELD_OUT, HELD_OUT));

    let mut shots: Vec<Shot> = Vec::new();
    let mut look = |trainer: &CycleGan| {
        let run = |net: usize, picture: &Picture| {
            Picture::new(
                SIDE,
                SIDE,
                3,
                pollster::block_on(translators[net].run(&picture.data, 0, 0))?,
            )
        };
        let there_and_back = |kind: usize, animal: &Animal| {
            let there = run(kind, &animal.picture)?;
            let back = run(1 - kind, &there)?;
            Ok([there, back])
        };
        let [horses, zebras] = [0, 1].map(|kind| {
            held_out[kind].iter().map(|a| there_and_back(kind, a)).collect::<Result<Vec<_>>>()
        });
        shots.push(Shot { step: trainer.steps(), made: [horses?, zebras?] });
        Ok(())
    };
    let pictures = |step| {
        let [a, b] = [0, 1].map(|kind| &seen[kind][place(seed, kind as u32, step)].picture);
        images([("A", a), ("B", b)])
    };
    let trained = train(
        &mut trainer,
        &Schedule { steps, lr: LR, held: 0, limit: TIME_LIMIT },
        pictures,
        &mut look,
    )?;

    let last = shots.last().expect("the end is looked at");
    let measured =
        [0, 1].map(|kind| measure(&held_out[kind], &last.made[kind], &held_out[1 - kind]));
    let columns = format!(
        "input, translated after {} steps, and back",
        shots.iter().map(|s| s.step.to_string()).collect::<Vec<_>>().join(", ")
    );
    let mut pictures = Vec::new();
    for (kind, name) in KINDS.iter().enumerate() {
        let row = |at: usize| {
            let made = shots.iter().map(|shot| &shot.made[kind][at][0]);
            std::iter::once(&held_out[kind][at].picture)
                .chain(made)
                .chain([&last.made[kind][at][1]])
                .map(enlarge)
                .collect()
        };
        let rows: Vec<Vec<Picture>> = (0..SHOWN).map(row).collect();
        let file = format!("{name}s.png");
        Picture::grid(&rows, 2 * ENLARGED)?.save_png(&out.join(&file))?;
        let capital = ["Horses", "Zebras"][kind];
        pictures.push((file, format!("{capital} that training never saw: {columns}")));
    }
    let both = [0, 1].map(|kind| (0..SHOWN).map(move |at| (kind, at)));
    let rows = both.into_iter().flatten().map(|(kind, at)| {
        let [there, back] = &last.made[kind][at];
        [&held_out[kind][at].picture, there, back].map(enlarge).to_vec()
    });
    Picture::grid(&rows.collect::<Vec<_>>(), 2 * ENLARGED)?.save_png(&out.join("grid.png"))?;
    for (name, weights, passes) in trainer.networks().into_iter().take(2) {
        let file = out.join(format!(
            "{}.safetensors",
            ["horse_to_zebra", "zebra_to_horse"][usize::from(name == "G_B")]
        ));
        pollster::block_on(save_weights(
            gpu,
            trainer.store(),
            weights,
            passes * trainer.steps(),
            None,
            &file,
        ))?;
    }
    let input = out.join("horse.png");
    held_out[0][0].picture.save_png(&input)?;

    let generators = trainer.generators();
    let g = generators[0].config();
    let mut facts = facts(
        &trainer,
        trained.seconds,
        format!("{g}, ngf {}, {} weights, one each way", g.ngf(), generators[0].weights().count()),
        seed,
    );
    facts.push(try_it(&out.join("horse_to_zebra.safetensors"), &input));
    let rows = table(&measured);
    let page = DemoPage {
        title: "pixtape: horses and zebras without pairs",
        device: &device(gpu),
        pictures: &pictures,
        charts: &[
            ("Cycle consistency", &["cycle_A", "cycle_B", "idt_A", "idt_B"]),
            ("Adversarial losses", &["G_A", "G_B", "D_A", "D_B"]),
        ],
        losses: &trained.losses,
        tables: &[("Stripes, in 8-bit levels", &rows)],
        facts: &facts,
    };
    write_aside(&out.join("index.html"), page::render(&page).as_bytes())?;
    let lines: Vec<String> = rows.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    Ok(format!("{}\n{}", lines.join("\n"), trained.summary(trainer.steps())))
}

/// Measures translations of one kind's animals; `others` are real ones of the other kind.
fn measure(animals: &[Animal], made: &[[Picture; 2]], others: &[Animal]) -> Measured {
    let width = SIDE as usize;
    let outside = |a: &Animal| inner(&a.mask.iter().map(|m| !m).collect::<Vec<_>>(), width);
    let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / animals.len() as f64;
    let all = || animals.iter().zip(made);
    let distance = |a: &Picture, b: &Picture, mask: Option<&[bool]>| {
        let c = a.channels as usize;
        let inside = (0..a.data.len())
            .filter(|i| mask.is_none_or(|m| m[i / c]))
            .map(|i| f64::from(a.data[i].abs_diff(b.data[i])));
        let (sum, count) = inside.fold((0.0, 0.0f64), |(sum, n), v| (sum + v, n + 1.0));
        sum / count.max(1.0)
    };
    Measured {
        inside: [
            mean(&mut all().map(|(a, _)| stripes(&a.picture, &inner(&a.mask, width)))),
            mean(&mut all().map(|(a, [there, _])| stripes(there, &inner(&a.mask, width)))),
        ],
        outside: [
            mean(&mut all().map(|(a, _)| stripes(&a.picture, &outside(a)))),
            mean(&mut all().map(|(a, [there, _])| stripes(there, &outside(a)))),
        ],
        other: others.iter().map(|a| stripes(&a.picture, &inner(&a.mask, width))).sum::<f64>()
            / others.len() as f64,
        ground: mean(
            &mut all().map(|(a, [there, _])| distance(&a.picture, there, Some(&outside(a)))),
        ),
        cycle: mean(&mut all().map(|(a, [_, back])| distance(&a.picture, back, None))),
    }
}

fn table(measured: &[Measured; 2]) -> Vec<(String, String)> {
    let rows = [0, 1].into_iter().flat_map(|kind| {
        let (m, from, to) = (&measured[kind], KINDS[kind], KINDS[1 - kind]);
        [
            (
                format!("{from} to {to}, inside the animal"),
                format!(
                    "{:.1} before, {:.1} after (real {to}s: {:.1})",
                    m.inside[0], m.inside[1], m.other
                ),
            ),
            (
                format!("{from} to {to}, outside"),
                format!(
                    "{:.1} before, {:.1} after; the ground moved by {:.1}",
                    m.outside[0], m.outside[1], m.ground
                ),
            ),
            (
                format!("{from} to {to} and back"),
                format!("differs by {:.1} from the input", m.cycle),
            ),
        ]
    });
    rows.collect()
}
