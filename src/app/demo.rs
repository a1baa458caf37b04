//! `pixtape demo`: draws its own pictures, trains a small net on them, and shows how it goes.

use super::demo_draw::facade_pair;
use super::demo_page::{self, DemoPage};
use super::flags::DemoArgs;
use super::starting::Starting;
use super::train::peak_memory;
use super::translate::mode;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::io::checkpoint::save_weights;
use crate::io::{Picture, create_dir, write_aside};
use crate::nets::{DiscriminatorKind, InitType, NormKind, UnetConfig};
use crate::plan::PlanOptions;
use crate::train::{GanMode, Losses, PictureFormat, Pix2Pix, Pix2PixConfig, Translator};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::Path;
use std::time::{Duration, Instant};

/// Side of the pictures.
const SIDE: u32 = 64;
/// Pairs that are trained on.
const PAIRS: u64 = 64;
/// Layouts that the net never sees in training; each gets a row of the grid.
const HELD_OUT: u64 = 6;
/// Held-out layouts are drawn under numbers far from those trained on.
const FIRST_HELD_OUT: u64 = 1 << 32;
/// Learning rate, constant for the first half and falling to 0 from there. A small net and few steps bear more than the reference's.
const LR: f64 = 8e-4;
/// A device slower than any seen is stopped here, and shows what it has got.
const TIME_LIMIT: Duration = Duration::from_secs(180);
/// Pictures are shown this much larger, pixel by pixel.
const ENLARGED: u32 = 3;

/// Steps that fit a device: by its class and not by its speed, so that the same seed gives the same pictures.
fn steps_for(gpu: &Gpu) -> u64 {
    if gpu.is_software() { 1000 } else { 3000 }
}

fn config(seed: u64) -> Pix2PixConfig {
    Pix2PixConfig {
        generator: UnetConfig { input_nc: 3, output_nc: 3, ngf: 16, downs: 5, norm: NormKind::Batch, dropout: false, ..UnetConfig::default() }.into(),
        discriminator: DiscriminatorKind::Patch { n_layers: 2 },
        ndf: 16,
        batch_size: 1,
        width: SIDE,
        height: SIDE,
        pictures: PictureFormat::Bytes,
        gan_mode: GanMode::Vanilla,
        lambda_l1: 100.0,
        beta1: 0.5,
        init_type: InitType::Normal,
        init_gain: 0.02,
        seed,
        ..Pix2PixConfig::default()
    }
}

/// Runs the demo.
pub(super) fn run(args: &DemoArgs) -> Result<()> {
    let gpu = super::gpu(args.adapter.as_deref())?;
    let steps = args.steps.unwrap_or_else(|| steps_for(&gpu));
    if steps == 0 || steps > u64::from(u32::MAX) {
        return Err(Error::Usage(format!("--steps {steps}: at least one step, and fewer than 2^32")));
    }
    create_dir(&args.out)?;
    println!("{} ({} kernels): {steps} steps on {PAIRS} drawn facades of {SIDE}x{SIDE}", gpu.name(), gpu.family());
    let demo = Demo::new(&gpu, args.seed, steps)?;
    let done = demo.train(&args.out)?;
    println!("{}", done.summary);
    println!("see {} and {}", args.out.join("index.html").display(), args.out.join("grid.png").display());
    Ok(())
}

struct Demo {
    gpu: Gpu,
    trainer: Pix2Pix,
    translator: Translator,
    pairs: Vec<(Picture, Picture)>,
    held_out: Vec<(Picture, Picture)>,
    steps: u64,
    seed: u64,
}

struct Done {
    summary: String,
}

/// What the net made of the held-out layouts after some steps.
struct Shot {
    step: u64,
    pictures: Vec<Picture>,
}

impl Demo {
    fn new(gpu: &Gpu, seed: u64, steps: u64) -> Result<Demo> {
        let (mut starting, options) = (Starting::new(gpu), PlanOptions::default());
        let trainer = Pix2Pix::with_progress(gpu, config(seed), options.clone(), &mut |done, total| starting.show(done, total))?;
        let translator = Translator::new(gpu, trainer.store(), trainer.generator(), SIDE, SIDE, mode("batch", false), options)?;
        drop(starting);
        let pairs = (0..PAIRS).map(|i| facade_pair(seed, i, SIDE)).collect();
        let held_out = (0..HELD_OUT).map(|i| facade_pair(seed, FIRST_HELD_OUT + i, SIDE)).collect();
        Ok(Demo { gpu: gpu.clone(), trainer, translator, pairs, held_out, steps, seed })
    }

    fn train(mut self, out: &Path) -> Result<Done> {
        let (early, later) = looks(self.steps);
        let style = ProgressStyle::with_template("{wide_bar} step {pos}/{len}, {eta} left\n{msg}").expect("a valid template");
        let bar = ProgressBar::new(self.steps).with_style(style);
        let mut losses: Vec<Losses> = Vec::new();
        let mut shots = Vec::new();
        let started = Instant::now();
        let mut step = 0;
        while step < self.steps && started.elapsed() < TIME_LIMIT {
            let at = order(self.seed, step / PAIRS, PAIRS)[(step % PAIRS) as usize];
            let (label, photo) = &self.pairs[at];
            losses.extend(self.trainer.step(&label.data, &photo.data, rate(step, self.steps))?);
            step += 1;
            if let Some(last) = losses.last() {
                bar.set_message(describe(last));
            }
            bar.set_position(step);
            if step == early || step == later {
                let shot = self.shoot()?;
                self.strip(&shot)?.save_png(&out.join(format!("step{step:05}.png")))?;
                shots.push(shot);
            }
            if step % (self.steps / 8).max(1) == 0 {
                say(
                    &bar,
                    &format!(
                        "step {step:>5} of {}  {:>5.1} s  {}",
                        self.steps,
                        started.elapsed().as_secs_f64(),
                        losses.last().map(describe).unwrap_or_default()
                    ),
                );
            }
        }
        losses.extend(self.trainer.finish()?);
        let seconds = started.elapsed().as_secs_f64();
        bar.finish_and_clear();
        if let Some(bad) = losses.iter().find(|l| l.named.iter().any(|(_, v)| !v.is_finite())) {
            return Err(Error::Internal(format!(
                "the demo's training diverged at step {} on {}; pixtape devices --check tests the kernels",
                bad.step,
                self.gpu.name()
            )));
        }
        if step < self.steps {
            println!("stopped after {step} of {} steps: {} s are enough for a demo", self.steps, TIME_LIMIT.as_secs());
        }
        shots.push(self.shoot()?);
        self.write(out, &shots, &losses, seconds)
    }

    fn shoot(&self) -> Result<Shot> {
        let translate = |(label, _): &(Picture, Picture)| {
            let bytes = pollster::block_on(self.translator.run(&label.data, 0, 0))?;
            Picture::new(SIDE, SIDE, 3, bytes)
        };
        Ok(Shot { step: self.trainer.steps(), pictures: self.held_out.iter().map(translate).collect::<Result<_>>()? })
    }

    /// All held-out layouts at one moment, side by side: input above output.
    fn strip(&self, shot: &Shot) -> Result<Picture> {
        let inputs = self.held_out.iter().map(|(label, _)| enlarge(label)).collect();
        Picture::grid(&[inputs, shot.pictures.iter().map(enlarge).collect()], 2 * ENLARGED)
    }

    /// One held-out layout through time: input, output after some steps each, target.
    fn row(&self, at: usize, shots: &[Shot]) -> Vec<Picture> {
        let (label, photo) = &self.held_out[at];
        let outputs = shots.iter().map(|shot| &shot.pictures[at]);
        std::iter::once(label).chain(outputs).chain([photo]).map(enlarge).collect()
    }

    fn write(&self, out: &Path, shots: &[Shot], losses: &[Losses], seconds: f64) -> Result<Done> {
        let rows: Vec<Vec<Picture>> = (0..self.held_out.len()).map(|at| self.row(at, shots)).collect();
        Picture::grid(&rows, 2 * ENLARGED)?.save_png(&out.join("grid.png"))?;
        let columns = format!("input, after {} steps, target", shots.iter().map(|s| s.step.to_string()).collect::<Vec<_>>().join(", "));
        let mut pictures = vec![("grid.png".to_string(), format!("Layouts that training never saw: {columns}"))];
        for (at, row) in rows.into_iter().enumerate() {
            let file = format!("facade{}.png", at + 1);
            Picture::grid(&[row], 2 * ENLARGED)?.save_png(&out.join(&file))?;
            pictures.push((file, format!("Facade {}: {columns}", at + 1)));
        }
        let weights = out.join("generator.safetensors");
        let generator = self.trainer.generator().weights();
        pollster::block_on(save_weights(&self.gpu, self.trainer.store(), generator, self.trainer.steps(), None, &weights))?;
        let input = out.join("label.png");
        self.held_out[0].0.save_png(&input)?;

        let steps = self.trainer.steps();
        let each = 1e3 * seconds / steps as f64;
        let memory = self.trainer.program().plan().memory();
        let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
        let fact = |name: &str, value: String| (name.to_string(), value);
        let c = self.trainer.config();
        let mut facts = vec![
            fact("Steps", format!("{steps}, one picture each, of {PAIRS} drawn pairs")),
            fact("Time", format!("{seconds:.1} s of training, {each:.1} ms a step")),
            fact("Device memory, planned", memory.to_string()),
            fact("Kernels", self.gpu.family().to_string()),
            fact("Generator", format!("{}, ngf {}, {} weights", c.generator, c.generator.ngf(), generator.count())),
            fact("Seed", self.seed.to_string()),
            fact("Try the net yourself", format!("pixtape translate --checkpoint {} --input {} --output results", weights.display(), input.display())),
        ];
        if let Some(peak) = peak_memory() {
            facts.insert(3, fact("Process memory, peak", mib(peak)));
        }
        let info = self.gpu.info();
        let curve = |l: &Losses| {
            let [g_gan, g_l1, d_real, d_fake] = ["G_GAN", "G_L1", "D_real", "D_fake"].map(|name| f64::from(l.get(name).unwrap_or(f32::NAN)));
            (l.step as u32, g_l1, g_gan, d_real, d_fake)
        };
        let device = format!("{}, {} {}", self.gpu.name(), info.driver, info.driver_info);
        let page = DemoPage {
            title: "pixtape: facades from labels",
            device: device.trim(),
            pictures: &pictures,
            losses: &losses.iter().map(curve).collect::<Vec<_>>(),
            facts: &facts,
        };
        write_aside(&out.join("index.html"), demo_page::render(&page).as_bytes())?;
        Ok(Done { summary: format!("{steps} steps in {seconds:.1} s, {each:.1} ms a step; {}", losses.last().map(describe).unwrap_or_default()) })
    }
}

/// Steps after which the net is looked at before the end: when shapes appear, and when it is well on its way.
fn looks(steps: u64) -> (u64, u64) {
    ((steps / 20).max(1), (steps / 4).max(1))
}

/// Learning rate of a step.
fn rate(step: u64, steps: u64) -> f64 {
    let left = (steps - step) as f64 / steps as f64;
    LR * (2.0 * left).min(1.0)
}

/// A shuffle of `0..count` that seed and epoch decide.
fn order(seed: u64, epoch: u64, count: u64) -> Vec<usize> {
    let seed = crate::rng::fold_seed(seed);
    let mut order: Vec<usize> = (0..count as usize).collect();
    order.sort_by_key(|&i| crate::rng::random(i as u32, 0, epoch as u32, seed));
    order
}

fn describe(losses: &Losses) -> String {
    losses.named.iter().map(|(name, value)| format!("{name} {value:.3}")).collect::<Vec<_>>().join("  ")
}

/// A line above the bar, or where there is no terminal just a line.
fn say(bar: &ProgressBar, line: &str) {
    if bar.is_hidden() { println!("{line}") } else { bar.println(line) }
}

/// Every pixel as a square, so that small pictures can be looked at.
fn enlarge(picture: &Picture) -> Picture {
    let (c, by) = (picture.channels as usize, ENLARGED as usize);
    let mut data = Vec::with_capacity(picture.data.len() * by * by);
    for row in picture.data.chunks_exact(picture.width as usize * c) {
        let wide: Vec<u8> = row.chunks_exact(c).flat_map(|pixel| pixel.repeat(by)).collect();
        data.extend(wide.repeat(by));
    }
    Picture { width: picture.width * ENLARGED, height: picture.height * ENLARGED, channels: picture.channels, data }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enlarging_repeats_pixels() {
        let big = enlarge(&Picture::new(2, 1, 3, vec![1, 2, 3, 4, 5, 6]).unwrap());
        assert_eq!((big.width, big.height, big.data.len()), (6, 3, 54));
        assert_eq!(big.data[..18], [1, 2, 3, 1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6, 4, 5, 6]);
        assert_eq!(big.data[..18], big.data[36..]);
    }

    #[test]
    fn every_epoch_shows_every_pair_once_in_an_order_of_its_own() {
        let (first, second) = (order(1, 0, 64), order(1, 1, 64));
        assert!(first != second && first == order(1, 0, 64));
        let mut sorted = second;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..64).collect::<Vec<_>>());
    }

    #[test]
    fn the_rate_falls_to_nearly_nothing_and_looks_come_in_order() {
        assert_eq!((rate(0, 100), rate(49, 100)), (LR, LR));
        assert!(rate(99, 100) < 0.03 * LR);
        let (early, later) = looks(900);
        assert!(0 < early && early < later && later < 900 && looks(1) == (1, 1));
    }
}
