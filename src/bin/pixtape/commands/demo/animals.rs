//! The demo of CycleGAN: drawn horses to drawn zebras and back, without pairs.

use crate::commands::demo::args::DemoArgs;
use crate::commands::demo::draw_animals::{Animal, animal, inner, stripes};
use crate::commands::demo::page::{self, DemoPage};
use crate::commands::demo::training::{
    ENLARGED, FIRST_HELD_OUT, PAIRS, SIDE, device, enlarge, facts, try_it,
};
use crate::commands::demo::unpaired::{CHARTS, learn};
use pixtape::Result;
use pixtape::gpu::Gpu;
use pixtape::io::{Picture, write_aside};

/// Animals of each kind that training never sees.
const HELD_OUT: u64 = 12;
/// How many of them the grid shows.
const SHOWN: usize = 4;
/// The two kinds and the two generators.
const KINDS: [&str; 2] = ["horse", "zebra"];

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
    let draw = |first: u64, count: u64| {
        [false, true].map(|striped| {
            (first..first + count).map(|i| animal(seed, i, striped, SIDE)).collect::<Vec<_>>()
        })
    };
    let (seen, held_out) = (draw(0, PAIRS), draw(FIRST_HELD_OUT, HELD_OUT));
    let only = |animals: &[Vec<Animal>; 2]| {
        [0, 1].map(|kind: usize| animals[kind].iter().map(|a| a.picture.clone()).collect())
    };
    let learned = learn(gpu, seed, steps, &only(&seen), &only(&held_out))?;
    let last = learned.last()?;
    let measured =
        [0, 1].map(|kind| measure(&held_out[kind], &last.made[kind], &held_out[1 - kind]));
    let columns = learned.columns();
    let mut pictures = Vec::new();
    for (kind, name) in KINDS.iter().enumerate() {
        let shown: Vec<Picture> =
            held_out[kind][..SHOWN].iter().map(|animal| animal.picture.clone()).collect();
        let rows = learned.rows(kind, &shown)?;
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
    let files =
        ["horse_to_zebra", "zebra_to_horse"].map(|name| out.join(format!("{name}.safetensors")));
    learned.save(gpu, [&files[0], &files[1]])?;
    let input = out.join("horse.png");
    held_out[0][0].picture.save_png(&input)?;

    let seconds = learned.trained.seconds;
    let mut facts = facts(&learned.trainer, seconds, learned.generators(), seed, PAIRS);
    facts.push(try_it(&files[0], &input));
    let rows = table(&measured);
    let page = DemoPage {
        title: "pixtape: horses and zebras without pairs",
        about: "",
        device: &device(gpu),
        pictures: &pictures,
        charts: &CHARTS,
        losses: &learned.trained.losses,
        tables: &[("Stripes, in 8-bit levels", &rows)],
        facts: &facts,
    };
    write_aside(&out.join("index.html"), page::render(&page).as_bytes())?;
    let lines: Vec<String> = rows.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    Ok(format!("{}\n{}", lines.join("\n"), learned.trained.summary(learned.trainer.steps())))
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
