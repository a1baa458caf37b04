//! The demo of pix2pixHD: streets from maps of labels and instances, first small by the global
//! generator, then at twice the size by the local enhancer; one map in several looks.

use crate::commands::demo::args::DemoArgs;
use crate::commands::demo::draw::Dice;
use crate::commands::demo::draw_street::{CLASSES, Street, street};
use crate::commands::demo::looks::{FEATURES, Looks, colour_error, planes, run};
use crate::commands::demo::page::{self, DemoPage, Figure};
use crate::commands::demo::task::Words;
use crate::commands::demo::training::{
    FIRST_HELD_OUT, PAIRS, Schedule, Trained, device, facts, place, train,
};
use crate::device::starting::Starting;
use pixtape::gpu::Gpu;
use pixtape::io::checkpoint::save_weights;
use pixtape::io::{Picture, Size, write_aside};
use pixtape::nets::GeneratorKind;
use pixtape::picture::PictureFormat;
use pixtape::plan::PlanOptions;
use pixtape::run::Options;
use pixtape::run::options::ModelKind;
use pixtape::train::{AnyModel, Pix2PixHd, Pix2PixHdConfig, Training, Translator};
use pixtape::{Error, Result};
use std::collections::BTreeMap;
use std::time::Duration;

/// Heights of the streets of both stages; they are twice as wide.
const HEIGHTS: [u32; 2] = [32, 64];
/// Streets that training never sees, and how many of them the grids show.
const HELD_OUT: u64 = 12;
const SHOWN: usize = 4;
/// Looks of each map.
const LOOKS: u64 = 3;
const LR: f64 = 4e-4;
const TIME_LIMIT: Duration = Duration::from_secs(200);

/// Steps of the first stage on a CPU and on a GPU; the second has half as many.
pub(super) const STEPS: [u64; 2] = [640, 3000];

/// What is trained on.
pub(super) fn what() -> String {
    let [small, large] = HEIGHTS.map(|height| format!("{}x{height}", 2 * height));
    format!("{PAIRS} drawn streets, {small}, and half as many at {large}")
}

fn words() -> Words {
    Words {
        title: "pixtape: streets from labels and instances",
        about: "A label map says what is where, and an instance map which pixels are one house, \
                one tree or one car. The global generator learns streets at half the size; the \
                local enhancer then learns the details. An encoder finds a few numbers for each \
                thing that say how it looks, so that one map has many looks, and a car can be \
                taken out.",
        lead: "streets from maps of labels and instances, in several looks",
        commands: &[
            (
                "Label maps, instance maps and photographs, as Cityscapes has them, into \
                 city/train_label, city/train_inst and city/train_img",
                "pixtape prepare combine --labels \"gtFine/train/*/*_labelIds.png\" --instances \
                 \"gtFine/train/*/*_instanceIds.png\" --images leftImg8bit/train --output city \
                 --train 1 --val 0 --test 0",
            ),
            ("What there is", "pixtape prepare check --model pix2pixHD --input city"),
            (
                "Train, with features of the instances",
                "pixtape train --model pix2pixHD --dataroot city --name city --instance_feat",
            ),
            ("What things look like, by label", "pixtape features --checkpoint checkpoints/city"),
            (
                "Translate; another --style is another look",
                "pixtape translate --checkpoint checkpoints/city --input labels --instances \
                 instances --output results --style 0",
            ),
        ],
    }
}

fn config(seed: u64, net: GeneratorKind, height: u32) -> Result<Pix2PixHdConfig> {
    let mut options = Options::new(ModelKind::Pix2PixHd);
    let Options { nets, hd, data, run, .. } = &mut options;
    nets.net_g = net;
    // The enhancer's trunk has twice its own channels.
    nets.ngf = if net == GeneratorKind::Local { 8 } else { 16 };
    (nets.ndf, nets.n_layers_d) = (16, 2);
    (hd.label_nc, hd.n_downsample_global, hd.n_blocks_global) = (CLASSES.len() as u32, 2, 3);
    (hd.n_blocks_local, hd.instance_feat, hd.feat_num) = (2, true, FEATURES as u32);
    (hd.nef, hd.n_downsample_e) = (8, 2);
    data.preprocess = pixtape::io::Preprocess::None;
    data.crop_size = Size { width: 2 * height, height };
    run.seed = seed;
    match options.resolve_without_data()? {
        AnyModel::Pix2PixHd(config) => Ok(config),
        other => Err(Error::Internal(format!("the demo's model is {other:?}"))),
    }
}

/// A stage of the training, and its streets.
struct Stage {
    trainer: Pix2PixHd,
    seen: Vec<Street>,
    held_out: Vec<Street>,
    /// From map and image to the image again, by way of its features.
    own: Translator,
}

impl Stage {
    fn new(gpu: &Gpu, seed: u64, net: GeneratorKind, height: u32) -> Result<Stage> {
        let mut starting = Starting::new(gpu);
        let options = PlanOptions::default();
        let trainer = Pix2PixHd::with_progress(
            gpu,
            config(seed, net, height)?,
            options.clone(),
            &mut |done, total| starting.show(done, total),
        )?;
        let size = (2 * height, height);
        let own =
            trainer.translator(0, size, PictureFormat::Bytes, options, &mut |done, total| {
                starting.show(done, total)
            })?;
        let draw = |first: u64, count: u64| {
            (first..first + count).map(|index| street(seed, index, height, false)).collect()
        };
        let (seen, held_out) = (draw(0, PAIRS), draw(FIRST_HELD_OUT, HELD_OUT));
        Ok(Stage { trainer, seen, held_out, own })
    }

    /// Trains; returns what becomes of the held-out streets before the first step and at each look.
    fn train(&mut self, schedule: &Schedule, seed: u64) -> Result<(Trained, Vec<Shot>)> {
        let mut shots = Vec::new();
        let Stage { trainer, seen, held_out, own } = self;
        let mut look = |_: &Training<Pix2PixHdConfig>| {
            let made = held_out.iter().map(|street| run(own, &planes(street), street));
            shots.push(made.collect::<Result<_>>()?);
            Ok(())
        };
        look(trainer)?;
        let planes = |step| planes(&seen[place(seed, 0, step)]);
        let trained = train(trainer, schedule, planes, &mut look)?;
        Ok((trained, shots))
    }
}

/// Outputs for the held-out streets after some steps.
type Shot = Vec<Picture>;

/// Copies weights of one training that another has under the same name and shape: all of generator,
/// discriminator and encoder but the outermost enhancer.
fn carry_over(from: &Pix2PixHd, to: &Pix2PixHd) -> Result<()> {
    let gpu = to.program().gpu();
    for ((_, from_net, _), (_, to_net, _)) in from.networks().into_iter().zip(to.networks()) {
        let known: BTreeMap<&str, _> =
            from_net.params().map(|param| (param.name.as_str(), param)).collect();
        for param in to_net.params() {
            let Some(found) = known.get(param.name.as_str()) else { continue };
            if found.layout.public_shape() == param.layout.public_shape() {
                let read = from.store().read(gpu, found.value, &found.layout);
                to.store().write(gpu, param.value, &param.layout, &pollster::block_on(read)?)?;
            }
        }
    }
    Ok(())
}

/// Trains, writes the images and the page, and returns a summary.
pub(super) fn demo(gpu: &Gpu, args: &DemoArgs, steps: u64) -> Result<String> {
    let (out, seed) = (&args.out, args.seed);
    let mut small = Stage::new(gpu, seed, GeneratorKind::Global, HEIGHTS[0])?;
    let schedule = Schedule { steps, lr: LR, held: 0, limit: TIME_LIMIT };
    let (first, small_shots) = small.train(&schedule, seed)?;
    let mut large = Stage::new(gpu, seed, GeneratorKind::Local, HEIGHTS[1])?;
    carry_over(&small.trainer, &large.trainer)?;
    let steps = steps.div_ceil(2);
    println!("{steps} steps of the local enhancer, the global generator held for {}", steps / 4);
    let (second, shots) = large.train(&Schedule { steps, held: steps / 4, ..schedule }, seed)?;

    let looks = Looks::new(&large.trainer)?;
    let bank = looks.bank(&large.seen)?;
    let painted = |street: &Street, look: u64, index: u64| {
        looks.paint(street, &bank, &mut Dice::new(seed ^ (0x4c4f_4f4b + look), index))
    };
    let last = &shots.last().expect("the end is looked at");
    let global = &small_shots.last().expect("the end is looked at");
    let mut rows = Vec::new();
    let mut rows_of_looks = Vec::new();
    for at in 0..SHOWN {
        let street = &large.held_out[at];
        let before = global[at].clone().resize(street.image.width, street.image.height)?;
        let label = street.labels.visible();
        rows.push(vec![label.clone(), before, last[at].clone(), street.image.clone()]);
        let mut row = vec![label];
        for look in 0..LOOKS {
            row.push(painted(street, look, at as u64)?);
        }
        let without = self::street(seed, FIRST_HELD_OUT + at as u64, HEIGHTS[1], true);
        row.push(painted(&without, 0, at as u64)?);
        rows_of_looks.push(row);
    }
    let figures = [
        Figure::save(
            out,
            "grid.png",
            &rows,
            "Streets that training never saw: label map, global generator at half the size, local \
             enhancer, the street itself; colours by the features of each instance"
                .into(),
        )?,
        Figure::save(
            out,
            "looks.png",
            &rows_of_looks,
            "One map in three looks, each instance with the features of one of its class; and the \
             first look with a car removed from the map"
                .into(),
        )?,
    ];
    let others = (large.held_out.iter().zip(0..))
        .map(|(street, index)| painted(street, 0, index))
        .collect::<Result<Vec<_>>>()?;
    let table = vec![
        (
            "Global generator, with the streets' own features".to_string(),
            format!(
                "{:.1} before training, {:.1} after",
                colour_error(&small.held_out, &small_shots[0]),
                colour_error(&small.held_out, global),
            ),
        ),
        (
            "Local enhancer, with the streets' own features".into(),
            format!(
                "{:.1} before training, {:.1} after",
                colour_error(&large.held_out, &shots[0]),
                colour_error(&large.held_out, last)
            ),
        ),
        (
            "Local enhancer, with features of other streets".into(),
            format!(
                "{:.1}: other colours, as they should be",
                colour_error(&large.held_out, &others)
            ),
        ),
    ];
    finish(gpu, args, &large, [&first, &second], &figures, &table)
}

/// Writes weights and page.
fn finish(
    gpu: &Gpu,
    args: &DemoArgs,
    stage: &Stage,
    trained: [&Trained; 2],
    figures: &[Figure],
    table: &[(String, String)],
) -> Result<String> {
    let (out, trainer) = (&args.out, &stage.trainer);
    for (name, weights, passes) in trainer.networks() {
        let file = match name {
            "G" => out.join("generator.safetensors"),
            "E" => out.join("encoder.safetensors"),
            _ => continue,
        };
        let passes = passes * trainer.steps();
        let saved = save_weights(gpu, trainer.store(), weights, passes, None, &file);
        pollster::block_on(saved)?;
    }
    let street = &stage.held_out[0];
    let files = ["label.png", "instances.png", "image.png"].map(|name| out.join(name));
    street.labels.save(&files[0], 8)?;
    street.instances.save(&files[1], 16)?;
    street.image.save_png(&files[2])?;
    let [label, instances, image] = files.map(|file| file.display().to_string());
    let generator = trainer.generators()[0];
    let g = generator.config();
    let seconds = trained[0].seconds + trained[1].seconds;
    let (ngf, count) = (g.ngf(), generator.weights().count());
    let mut facts = facts(
        trainer,
        trained[1].seconds,
        format!("{g}, ngf {ngf}, {count} weights"),
        args.seed,
        PAIRS,
    );
    facts.push(("Both stages".into(), format!("{seconds:.1} s of training")));
    let Words { title, about, lead, commands } = words();
    let mut own: Vec<(String, String)> =
        commands.iter().map(|(what, command)| (what.to_string(), command.to_string())).collect();
    own.push((
        "Try the network yourself".into(),
        format!(
            "pixtape translate --checkpoint {} --input {label} --instances {instances} --encoder \
             {} --images {image} --output results",
            out.join("generator.safetensors").display(),
            out.join("encoder.safetensors").display()
        ),
    ));
    let page = DemoPage {
        title,
        about,
        device: &device(gpu),
        figures,
        charts: &[
            ("Distance from the target in the discriminator's features", &["G_GAN_Feat"]),
            ("Adversarial losses", &["G_GAN", "D_real", "D_fake"]),
        ],
        losses: &trained[1].losses,
        tables: &[
            (
                "Does it work? Error of the colours of houses, trees and cars, in 8-bit levels",
                table,
            ),
            ("With your own images", &own),
        ],
        facts: &facts,
    };
    write_aside(&out.join("index.html"), page::render(&page).as_bytes())?;
    let lines: Vec<String> = table.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    Ok(format!("{lead}\n{}\n{}", lines.join("\n"), trained[1].summary(trainer.steps())))
}
