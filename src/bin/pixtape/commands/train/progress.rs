//! What a training says while it goes on: a bar on a terminal, lines elsewhere, JSON lines or
//! nothing where that is asked for.

use crate::options::TalkArgs;
use indicatif::{ProgressBar, ProgressStyle};
use pixtape::train::{Description, Losses};
use serde_json::{Map, Value, json};
use std::io::IsTerminal;
use std::time::Duration;

/// Who listens.
#[derive(Debug)]
enum Mode {
    Bar(ProgressBar),
    Lines,
    Json,
    Quiet,
}

/// Where a step stands among all, for [`Progress::step`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub step: u64,
    pub epoch: u64,
    /// Time of the whole step, and what of it was spent waiting for pictures.
    pub seconds: Duration,
    pub waited: Duration,
}

/// Says how a training goes on.
#[derive(Debug)]
pub(crate) struct Progress {
    mode: Mode,
    /// Steps in all, images per step, images between lines, planned bytes on the device.
    pub total: u64,
    pub images: u64,
    pub print_freq: u64,
    pub device_bytes: u64,
    /// What the losses mean.
    pub model: Option<Description>,
    /// Steps, and time in them, since the program started.
    done: u64,
    busy: Duration,
    waited: Duration,
    latest: Option<Losses>,
}

impl Progress {
    pub fn new(talk: &TalkArgs) -> Progress {
        let mode = match (talk.json, talk.quiet) {
            (true, _) => Mode::Json,
            (_, true) => Mode::Quiet,
            _ if std::io::stderr().is_terminal() => Mode::Bar(ProgressBar::hidden()),
            _ => Mode::Lines,
        };
        let none = Duration::ZERO;
        Progress {
            mode,
            total: 0,
            images: 1,
            print_freq: 100,
            device_bytes: 0,
            model: None,
            done: 0,
            busy: none,
            waited: none,
            latest: None,
        }
    }

    /// Shows the bar, where there is one.
    pub fn begin(&mut self, at: u64) {
        if let Mode::Bar(bar) = &mut self.mode {
            let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {prefix} left\n{msg}")
                .expect("a valid template");
            *bar = ProgressBar::new(self.total).with_position(at).with_style(style);
        }
    }

    /// Says something once; `fields` are for programs.
    pub fn say(&self, kind: &str, text: &str, fields: Value) {
        match &self.mode {
            Mode::Bar(bar) => bar.suspend(|| println!("{text}")),
            Mode::Lines => println!("{text}"),
            Mode::Json => {
                let mut row = Map::from_iter([("kind".to_string(), Value::from(kind))]);
                match fields {
                    Value::Object(fields) => row.extend(fields),
                    _ => drop(row.insert("text".into(), text.into())),
                }
                println!("{}", Value::Object(row));
            }
            Mode::Quiet => {}
        }
    }

    /// Keeps the newest losses that have come back.
    pub fn losses(&mut self, losses: &Losses) {
        self.latest = Some(losses.clone());
    }

    /// Counts a step, and shows it.
    pub fn step(&mut self, at: Step) {
        self.done += 1;
        self.busy += at.seconds;
        self.waited += at.waited;
        let prints = at.step * self.images % self.print_freq.max(1) < self.images;
        match &self.mode {
            Mode::Bar(bar) => {
                bar.set_position(at.step);
                bar.set_prefix(clock(self.left(at.step)));
                let device = self.device_bytes as f64 / f64::from(1 << 20);
                let (rate, share) = (self.images_per_second(), 100.0 * self.wait_share());
                bar.set_message(format!(
                    "epoch {} · {rate:.2} images/s · {share:.1} % waiting for data · {device:.0} \
                     MiB on the device\n{}",
                    at.epoch,
                    self.text()
                ));
            }
            Mode::Lines if prints => println!(
                "(epoch: {}, step: {} of {}, {:.3} s/step, {:.2} images/s, data: {:.1} %, {} \
                 left) {}",
                at.epoch,
                at.step,
                self.total,
                self.seconds_per_step(),
                self.images_per_second(),
                100.0 * self.wait_share(),
                clock(self.left(at.step)),
                self.text()
            ),
            Mode::Json if prints => {
                let losses: Map<String, Value> = self
                    .latest
                    .iter()
                    .flat_map(|l| &l.named)
                    .map(|(n, v)| (n.to_string(), json!(v)))
                    .collect();
                let fields = json!({
                    "step": at.step, "steps": self.total, "epoch": at.epoch, "seconds_per_step": self.seconds_per_step(), "images_per_second": self.images_per_second(),
                    "data_wait_share": self.wait_share(), "seconds_left": self.left(at.step), "device_bytes": self.device_bytes,
                    "losses_step": self.latest.as_ref().map(|l| l.step), "losses": losses, "chance": self.model.as_ref().and_then(Description::discriminator_chance), "chance_levels": self.levels(),
                });
                self.say("step", "", fields);
            }
            _ => {}
        }
    }

    /// Takes the bar away.
    pub fn end(&self) {
        if let Mode::Bar(bar) = &self.mode {
            bar.finish_and_clear();
        }
    }

    /// The newest losses in words, with their level of chance.
    pub fn text(&self) -> String {
        let Some(losses) = &self.latest else { return "no losses yet".into() };
        let values: Vec<String> =
            losses.named.iter().map(|(n, v)| format!("{n}: {v:.3}")).collect();
        let chance = self.model.as_ref().map(Description::chance_text).unwrap_or_default();
        let chance = if chance.is_empty() { chance } else { format!(" (chance: {chance})") };
        values.join(" ") + &chance
    }

    /// The levels of chance by loss, for programs; null where there are none.
    fn levels(&self) -> Value {
        let levels = self.model.as_ref().map(Description::with_chance).unwrap_or_default();
        if levels.is_empty() {
            return Value::Null;
        }
        Value::Object(levels.into_iter().map(|(name, v)| (name.to_string(), json!(v))).collect())
    }

    /// Steps since the program started, and the time in them.
    pub fn done(&self) -> (u64, Duration) {
        (self.done, self.busy)
    }

    pub fn seconds_per_step(&self) -> f64 {
        self.busy.as_secs_f64() / self.done.max(1) as f64
    }

    pub fn images_per_second(&self) -> f64 {
        self.images as f64 / self.seconds_per_step().max(1e-9)
    }

    /// The share of time that was spent waiting for pictures.
    pub fn wait_share(&self) -> f64 {
        self.waited.as_secs_f64() / self.busy.as_secs_f64().max(1e-9)
    }

    fn left(&self, step: u64) -> f64 {
        self.seconds_per_step() * self.total.saturating_sub(step) as f64
    }
}

/// `1:02:03`.
fn clock(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A bar for the headers of the pictures; drawn on a terminal only.
pub(crate) fn scan() -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} headers of pictures")
        .expect("a valid template");
    ProgressBar::no_length().with_style(style)
}

/// The most memory this process has used, in bytes, where the system tells.
pub(crate) fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;
    use pixtape::train::{Model, Pix2PixConfig};

    #[test]
    fn rates_are_of_the_steps_alone() {
        let mut progress = Progress::new(&TalkArgs { quiet: true, json: false, config: None });
        (progress.total, progress.images, progress.model) =
            (10, 4, Some(Pix2PixConfig::default().describe()));
        for step in 1..=4 {
            progress.step(Step {
                step,
                epoch: 1,
                seconds: Duration::from_millis(500),
                waited: Duration::from_millis(50),
            });
        }
        assert_abs_diff_eq!(progress.seconds_per_step(), 0.5, epsilon = 1e-9);
        assert_abs_diff_eq!(progress.images_per_second(), 8.0, epsilon = 1e-9);
        assert_abs_diff_eq!(progress.wait_share(), 0.1, epsilon = 1e-9);
        assert_abs_diff_eq!(progress.left(4), 3.0, epsilon = 1e-9);
        assert_eq!((progress.text(), clock(3723.4)), ("no losses yet".into(), "1:02:03".into()));
        progress.losses(&Losses {
            step: 3,
            named: ["G_GAN", "G_L1", "D_real", "D_fake"].map(|name| (name, 0.5)).to_vec(),
        });
        assert_eq!(
            progress.text(),
            "G_GAN: 0.500 G_L1: 0.500 D_real: 0.500 D_fake: 0.500 (chance: 0.693)"
        );
    }
}
