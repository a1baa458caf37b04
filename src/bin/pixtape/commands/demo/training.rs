//! What the demos share: training on drawn images, and what is shown of it.

use indicatif::{ProgressBar, ProgressStyle};
use pixtape::gpu::Gpu;
use pixtape::io::Picture;
use pixtape::picture::{PictureValues, PlaneValues, borrowed};
use pixtape::train::{Losses, Model, Rates, Training};
use pixtape::{Error, Result};
use std::path::Path;
use std::time::{Duration, Instant};

/// Side of the images.
pub(super) const SIDE: u32 = 64;
/// Images of each side that are trained on.
pub(super) const PAIRS: u64 = 64;
/// Images that are held out from training are drawn under numbers far from those trained on.
pub(super) const FIRST_HELD_OUT: u64 = 1 << 32;
/// Factor by which images are enlarged for viewing, without interpolation.
pub(super) const ENLARGED: u32 = 3;

/// The planes of a step, by name.
pub(super) type Planes = Vec<(&'static str, PlaneValues)>;

/// Images of 8 bits as the planes of a step.
pub(super) fn images<const N: usize>(named: [(&'static str, &Picture); N]) -> Planes {
    let values = |picture: &Picture| PictureValues::Bytes(picture.data.clone());
    named.into_iter().map(|(name, p)| (name, PlaneValues::Image(values(p)))).collect()
}

/// How a demo is trained.
pub(super) struct Schedule {
    pub steps: u64,
    pub lr: f64,
    /// Steps in which the inner parts of the generator are held fixed.
    pub held: u64,
    /// Training stops after this time, for devices that are slower than any known one.
    pub limit: Duration,
}

/// Result of a training.
pub(super) struct Trained {
    pub losses: Vec<Losses>,
    pub seconds: f64,
}

impl Trained {
    /// The summary for the end.
    pub fn summary(&self, steps: u64) -> String {
        let each = 1e3 * self.seconds / steps as f64;
        format!(
            "{steps} steps in {:.1} s, {each:.1} ms/step; {}",
            self.seconds,
            self.losses.last().map(describe).unwrap_or_default()
        )
    }
}

/// Trains on the images of each step (from 0); `look` is called early, halfway, and at the end.
pub(super) fn train<M: Model>(
    trainer: &mut Training<M>,
    schedule: &Schedule,
    planes: impl Fn(u64) -> Planes,
    look: &mut dyn FnMut(&Training<M>) -> Result<()>,
) -> Result<Trained> {
    let &Schedule { steps, lr, held, limit } = schedule;
    let (early, later) = looks(steps);
    let style = ProgressStyle::with_template("{wide_bar} step {pos}/{len}, {eta} left\n{msg}")
        .expect("a valid template");
    let bar = ProgressBar::new(steps).with_style(style);
    let (mut losses, started): (Vec<Losses>, _) = (Vec::new(), Instant::now());
    let mut step = 0;
    while step < steps && started.elapsed() < limit {
        let mut rates = Rates::from(rate(lr, step, steps));
        if step < held {
            rates.inner = 0.0;
        } else if step == held && held > 0 {
            trainer.restart_generators()?;
        }
        losses.extend(trainer.step(&borrowed(&planes(step)), rates)?);
        step += 1;
        if let Some(last) = losses.last() {
            bar.set_message(describe(last));
        }
        bar.set_position(step);
        if step == early || step == later {
            look(trainer)?;
        }
        if step % (steps / 8).max(1) == 0 {
            let last = losses.last().map(describe).unwrap_or_default();
            say(
                &bar,
                &format!(
                    "step {step:>5} of {steps}  {:>5.1} s  {last}",
                    started.elapsed().as_secs_f64()
                ),
            );
        }
    }
    losses.extend(trainer.finish()?);
    let seconds = started.elapsed().as_secs_f64();
    bar.finish_and_clear();
    if let Some(bad) = losses.iter().find(|l| l.named.iter().any(|(_, v)| !v.is_finite())) {
        let device = trainer.program().gpu().name();
        return Err(Error::Internal(format!(
            "the demo's training diverged at step {} on {device}; pixtape devices --check tests \
             the kernels",
            bad.step
        )));
    }
    if step < steps {
        println!(
            "stopped after {step} of {steps} steps: {} s are enough for a demo",
            limit.as_secs()
        );
    }
    look(trainer)?;
    Ok(Trained { losses, seconds })
}

/// Steps after which samples are taken before the end: when shapes appear, and well into the
/// training.
fn looks(steps: u64) -> (u64, u64) {
    ((steps / 20).max(1), (steps / 4).max(1))
}

/// Learning rate of a step: constant for the first half, falling to 0 from there.
fn rate(lr: f64, step: u64, steps: u64) -> f64 {
    let left = (steps - step) as f64 / steps as f64;
    lr * (2.0 * left).min(1.0)
}

/// The index in `0..PAIRS` that a step uses: each epoch is a shuffle by the seed; `stream`
/// distinguishes several shuffles.
pub(super) fn place(seed: u64, stream: u32, step: u64) -> usize {
    place_of(PAIRS, seed, stream, step)
}

/// The same for another number of images.
pub(super) fn place_of(count: u64, seed: u64, stream: u32, step: u64) -> usize {
    order(seed, stream, step / count, count)[(step % count) as usize]
}

fn order(seed: u64, stream: u32, epoch: u64, count: u64) -> Vec<usize> {
    let seed = pixtape::rng::fold_seed(seed);
    let mut order: Vec<usize> = (0..count as usize).collect();
    order.sort_by_key(|&i| pixtape::rng::random(i as u32, stream, epoch as u32, seed));
    order
}

fn describe(losses: &Losses) -> String {
    losses
        .named
        .iter()
        .map(|(name, value)| format!("{name} {value:.3}"))
        .collect::<Vec<_>>()
        .join("  ")
}

/// Prints a line above the progress bar, or without a terminal a plain line.
fn say(bar: &ProgressBar, line: &str) {
    if bar.is_hidden() { println!("{line}") } else { bar.println(line) }
}

/// Enlarges every pixel to a square, so that small images can be viewed.
pub(super) fn enlarge(picture: &Picture) -> Picture {
    let (c, by) = (picture.channels as usize, ENLARGED as usize);
    let mut data = Vec::with_capacity(picture.data.len() * by * by);
    for row in picture.data.chunks_exact(picture.width as usize * c) {
        let wide: Vec<u8> = row.chunks_exact(c).flat_map(|pixel| pixel.repeat(by)).collect();
        data.extend(wide.repeat(by));
    }
    Picture {
        width: picture.width * ENLARGED,
        height: picture.height * ENLARGED,
        channels: picture.channels,
        data,
    }
}

/// Facts that every demo's page has: time, memory, kernels, seed.
pub(super) fn facts<M: Model>(
    trainer: &Training<M>,
    seconds: f64,
    generator: String,
    seed: u64,
    count: u64,
) -> Vec<(String, String)> {
    let (steps, program) = (trainer.steps(), trainer.program());
    let mut facts = vec![
        ("Steps".to_string(), format!("{steps}, one image of each side, of {count} drawn ones")),
        (
            "Time".into(),
            format!("{seconds:.1} s of training, {:.1} ms/step", 1e3 * seconds / steps as f64),
        ),
        ("Device memory, planned".into(), program.plan().memory().to_string()),
    ];
    if let Some(peak) = pixtape::session::peak_memory() {
        facts.push((
            "Process memory, peak".into(),
            format!("{:.1} MiB", peak as f64 / f64::from(1 << 20)),
        ));
    }
    facts.extend([
        ("Kernels".into(), program.gpu().family().to_string()),
        ("Generator".into(), generator),
        ("Seed".into(), seed.to_string()),
    ]);
    facts
}

/// A device and its driver, as text.
pub(super) fn device(gpu: &Gpu) -> String {
    let info = gpu.info();
    format!("{}, {} {}", gpu.name(), info.driver, info.driver_info).trim().into()
}

/// How to run a net on an image.
pub(super) fn try_it(checkpoint: &Path, input: &Path) -> (String, String) {
    let command = format!(
        "pixtape translate --checkpoint {} --input {} --output results",
        checkpoint.display(),
        input.display()
    );
    ("Try the network yourself".into(), command)
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
    fn every_epoch_shows_every_picture_once_in_an_order_of_its_own() {
        let (first, second) = (order(1, 0, 0, 64), order(1, 0, 1, 64));
        assert!(first != second && first == order(1, 0, 0, 64) && first != order(1, 1, 0, 64));
        let mut sorted = second.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..64).collect::<Vec<_>>());
        assert_eq!(place(1, 0, 64 + 5), second[5]);
    }

    #[test]
    fn the_rate_falls_to_nearly_nothing_and_looks_come_in_order() {
        assert_eq!((rate(8e-4, 0, 100), rate(8e-4, 49, 100)), (8e-4, 8e-4));
        assert!(rate(8e-4, 99, 100) < 0.03 * 8e-4);
        let (early, later) = looks(900);
        assert!(0 < early && early < later && later < 900 && looks(1) == (1, 1));
    }
}
