//! Training without pairs, CycleGAN: on two sets of drawn images, there and back.

use crate::commands::demo::args::DemoArgs;
use crate::commands::demo::page::{self, DemoPage, Figure};
use crate::commands::demo::task::Words;
use crate::commands::demo::training::{
    FIRST_HELD_OUT, PAIRS, SIDE, Schedule, Trained, device, facts, images, place, train, try_it,
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
use std::path::Path;
use std::time::Duration;

/// Images of each set that training never sees, and how many of them are shown.
const HELD_OUT: u64 = 12;
const SHOWN: usize = 4;
const LR: f64 = 4e-4;
const TIME_LIMIT: Duration = Duration::from_secs(220);

/// A small network without identity losses, so that minutes are enough on two cores.
fn config(seed: u64) -> Result<CycleGanConfig> {
    let mut options = Options::new(ModelKind::CycleGan);
    let nets = &mut options.nets;
    nets.net_g = GeneratorKind::Resnet { blocks: 3 };
    (nets.ngf, nets.ndf) = (8, 16);
    (nets.net_d, nets.n_layers_d) = (NetD::NLayers, 2);
    options.optim.lambda_identity = 0.0;
    options.data.crop_size = Size::square(SIDE);
    options.run.seed = seed;
    match options.resolve_without_data()? {
        AnyModel::CycleGan(config) => Ok(config),
        other => Err(Error::Internal(format!("the demo's model is {other:?}"))),
    }
}

/// Images of both sets.
pub(super) type Sets = [Vec<Picture>; 2];

/// Translations of the held-out images after some steps, to the other set and back.
pub(super) struct Shot {
    pub step: u64,
    pub made: [Vec<[Picture; 2]>; 2],
}

/// A training, its losses, and what it made of the held-out images.
pub(super) struct Learned {
    pub trainer: CycleGan,
    pub trained: Trained,
    pub shots: Vec<Shot>,
}

/// Trains on the sets of images.
pub(super) fn learn(
    gpu: &Gpu,
    seed: u64,
    steps: u64,
    seen: &Sets,
    held_out: &Sets,
) -> Result<Learned> {
    let (mut starting, options) = (Starting::new(gpu), PlanOptions::default());
    let mut trainer =
        CycleGan::with_progress(gpu, config(seed)?, options.clone(), &mut |done, total| {
            starting.show(done, total)
        })?;
    let mode = Mode::run(NormMode::Batch, false);
    let store = trainer.store();
    let ready = |net| Translator::new(gpu, store, net, SIDE, SIDE, mode, options.clone());
    let translators = trainer.generators().into_iter().map(ready).collect::<Result<Vec<_>>>()?;
    drop(starting);
    let mut shots: Vec<Shot> = Vec::new();
    let mut look = |trainer: &CycleGan| {
        let run = |net: usize, picture: &Picture| {
            let made = pollster::block_on(translators[net].run(&picture.data, 0, 0))?;
            Picture::new(SIDE, SIDE, 3, made)
        };
        let there_and_back = |set: usize, picture: &Picture| {
            let there = run(set, picture)?;
            let back = run(1 - set, &there)?;
            Ok([there, back])
        };
        let [a, b] = [0, 1].map(|set: usize| {
            let all = held_out[set].iter();
            all.map(|picture| there_and_back(set, picture)).collect::<Result<Vec<_>>>()
        });
        shots.push(Shot { step: trainer.steps(), made: [a?, b?] });
        Ok(())
    };
    let pictures = |step| {
        let [a, b] = [0, 1].map(|set: usize| &seen[set][place(seed, set as u32, step)]);
        images([("A", a), ("B", b)])
    };
    let schedule = Schedule { steps, lr: LR, held: 0, limit: TIME_LIMIT };
    let trained = train(&mut trainer, &schedule, pictures, &mut look)?;
    Ok(Learned { trainer, trained, shots })
}

impl Learned {
    /// The translations at the end.
    pub fn last(&self) -> Result<&Shot> {
        self.shots.last().ok_or_else(|| Error::Internal("a training without looks".into()))
    }

    /// Images of one set through time: input, translated after some steps each, and back.
    pub fn rows(&self, set: usize, inputs: &[Picture]) -> Result<Vec<Vec<Picture>>> {
        let last = self.last()?;
        let row = |(at, input): (usize, &Picture)| {
            let made = self.shots.iter().map(|shot| &shot.made[set][at][0]);
            std::iter::once(input).chain(made).chain([&last.made[set][at][1]]).cloned().collect()
        };
        Ok(inputs.iter().enumerate().map(row).collect())
    }

    /// What the columns of [`rows`](Self::rows) are.
    pub fn columns(&self) -> String {
        let steps = self.shots.iter().map(|s| s.step.to_string()).collect::<Vec<_>>().join(", ");
        format!("input, translated after {steps} steps, and back")
    }

    /// Saves both generators.
    pub fn save(&self, gpu: &Gpu, files: [&Path; 2]) -> Result<()> {
        let (trainer, steps) = (&self.trainer, self.trainer.steps());
        for ((_, weights, passes), file) in trainer.networks().into_iter().zip(files) {
            let saving = save_weights(gpu, trainer.store(), weights, passes * steps, None, file);
            pollster::block_on(saving)?;
        }
        Ok(())
    }

    /// The generators in a line.
    pub fn generators(&self) -> String {
        let generators = self.trainer.generators();
        let g = generators[0].config();
        format!("{g}, ngf {}, {} weights, one each way", g.ngf(), generators[0].weights().count())
    }
}

/// A task without pairs.
pub(super) trait Unpaired {
    /// What the page says.
    fn words(&self) -> Words;

    /// Steps on a CPU and on a GPU.
    fn steps(&self) -> [u64; 2];

    /// What images of the two sets are called: `photo`, `painting`.
    fn names(&self) -> [&'static str; 2];

    /// Draws image `index` of a set. No image of one set has its counterpart in the other.
    fn draw(&self, seed: u64, index: u64, set: usize) -> Picture;

    /// What says whether it works: names and values, of the held-out images of the set `seed` and
    /// of what became of them.
    fn table(&self, seed: u64, held_out: &Sets, last: &Shot) -> Vec<(String, String)>;
}

/// Trains, writes the images and the page, and returns a summary.
pub(super) fn run(gpu: &Gpu, args: &DemoArgs, steps: u64, task: &dyn Unpaired) -> Result<String> {
    let (out, seed) = (&args.out, args.seed);
    let draw = |first: u64, count: u64| {
        [0, 1].map(|set| (first..first + count).map(|i| task.draw(seed, i, set)).collect())
    };
    let (seen, held_out): (Sets, Sets) = (draw(0, PAIRS), draw(FIRST_HELD_OUT, HELD_OUT));
    let learned = learn(gpu, seed, steps, &seen, &held_out)?;
    let (names, mut figures, mut grid) = (task.names(), Vec::new(), Vec::new());
    for set in [0, 1] {
        let rows = learned.rows(set, &held_out[set][..SHOWN])?;
        let [name, columns] = [names[set], &learned.columns()];
        let caption = format!("A {name} that training never saw, in each row: {columns}");
        figures.push(Figure::save(out, &format!("{name}s.png"), &rows, caption)?);
        let last = learned.last()?;
        grid.extend(
            held_out[set]
                .iter()
                .zip(&last.made[set])
                .take(SHOWN)
                .map(|(input, [there, back])| [input, there, back].map(Picture::clone).to_vec()),
        );
    }
    // A summary of both, which the page does not repeat.
    Figure::save(out, "grid.png", &grid, String::new())?;
    let [a, b] = names;
    let files = [(a, b), (b, a)].map(|(from, to)| out.join(format!("{from}_to_{to}.safetensors")));
    learned.save(gpu, [&files[0], &files[1]])?;
    let input = out.join(format!("{a}.png"));
    held_out[0][0].save_png(&input)?;

    let table = task.table(seed, &held_out, learned.last()?);
    let Words { title, about, lead, commands } = task.words();
    let mut own: Vec<(String, String)> =
        commands.iter().map(|(what, command)| (what.to_string(), command.to_string())).collect();
    own.push(try_it(&files[0], &input));
    let seconds = learned.trained.seconds;
    let page = DemoPage {
        title,
        about,
        device: &device(gpu),
        figures: &figures,
        charts: &[
            ("Cycle consistency", &["cycle_A", "cycle_B"]),
            ("Adversarial losses", &["G_A", "G_B", "D_A", "D_B"]),
        ],
        losses: &learned.trained.losses,
        tables: &[("Does it work?", &table), ("With your own images", &own)],
        facts: &facts(&learned.trainer, seconds, learned.generators(), seed, PAIRS),
    };
    write_aside(&out.join("index.html"), page::render(&page).as_bytes())?;
    let lines: Vec<String> = table.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let summary = learned.trained.summary(learned.trainer.steps());
    Ok(format!("{lead}\n{}\n{summary}", lines.join("\n")))
}

/// Numbers of an image that tell the sets apart, of inputs, translations, and real images of the
/// other set; and what a cycle changes.
pub(super) fn measured(
    names: [&str; 2],
    held_out: &Sets,
    last: &Shot,
    measure: impl Fn(&Picture) -> Vec<(&'static str, f64)>,
) -> Vec<(String, String)> {
    let mean = |of: &mut dyn Iterator<Item = &Picture>| -> Vec<(&'static str, f64)> {
        let all: Vec<_> = of.map(&measure).collect();
        let names = all.first().cloned().unwrap_or_default().into_iter().enumerate();
        names
            .map(|(at, (name, _))| {
                (name, all.iter().map(|one| one[at].1).sum::<f64>() / all.len() as f64)
            })
            .collect()
    };
    let rows = [0, 1].into_iter().flat_map(|set| {
        let before = mean(&mut held_out[set].iter());
        let after = mean(&mut last.made[set].iter().map(|[there, _]| there));
        let other = mean(&mut held_out[1 - set].iter());
        let [from, to] = [names[set], names[1 - set]];
        let pairs = held_out[set].iter().zip(&last.made[set]);
        let cycle: f64 = pairs.map(|(input, [_, back])| levels(input, back)).sum();
        let cycle = cycle / held_out[set].len() as f64;
        let measures = before.into_iter().zip(after).zip(other);
        let rows = measures.map(move |(((name, before), (_, after)), (_, other))| {
            let value = format!("{before:.1} before, {after:.1} after (real {to}s: {other:.1})");
            (format!("{from} to {to}, {name}"), value)
        });
        let back = format!("differs by {cycle:.1} levels from the input");
        rows.chain([(format!("{from} to {to} and back"), back)])
    });
    rows.collect()
}

/// Mean difference of two images in 8-bit levels.
pub(super) fn levels(a: &Picture, b: &Picture) -> f64 {
    let sum: u64 = a.data.iter().zip(&b.data).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.data.len().max(1) as f64
}
