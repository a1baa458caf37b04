//! A training on the terminal: a bar where there is one, lines elsewhere.

use crate::messages::{resume, with_flags};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pixtape::Result;
use pixtape::session::{Ended, Event, Observer, Remark, Started, Step, Validated};
use pixtape::train::Losses;
use std::io::IsTerminal;

/// Prints how a training goes.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// What is printed at the start.
    opening: String,
    /// Images between lines, where there is no bar.
    print_freq: u64,
    /// Drawn from the first step on; none where stderr is no terminal.
    bar: Option<ProgressBar>,
    started: Option<Started>,
    latest: Option<Losses>,
}

impl Terminal {
    pub fn new(opening: String, print_freq: u64) -> Terminal {
        let hidden = || ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let bar = std::io::stderr().is_terminal().then(hidden);
        Terminal { opening, print_freq, bar, started: None, latest: None }
    }

    /// The bar, for others that print beside it.
    pub fn bar(&self) -> Option<ProgressBar> {
        self.bar.clone()
    }

    /// Prints a line, above the bar where there is one.
    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| println!("{text}")),
            None => println!("{text}"),
        }
    }

    fn step(&mut self, at: &Step) {
        let Some(started) = &self.started else { return };
        let Step { step, epoch, pace, .. } = at;
        let left = clock(pace.seconds_for(started.steps.saturating_sub(*step)));
        let (rate, share) = (pace.images_per_second(), 100.0 * pace.wait_share());
        let losses = self.losses();
        match &self.bar {
            Some(bar) => {
                if bar.length().is_none() {
                    show(bar, started.steps);
                }
                bar.set_position(*step);
                bar.set_prefix(left);
                bar.set_message(format!(
                    "epoch {epoch} · {rate:.2} images/s · {share:.1} % waiting for data · {} on \
                     the device\n{losses}",
                    mib(started.device_bytes),
                ));
            }
            None if due(*step, started.images, self.print_freq) => println!(
                "(epoch: {epoch}, step: {step} of {}, {:.3} s/step, {rate:.2} images/s, data: \
                 {share:.1} %, {left} left) {losses}",
                started.steps,
                pace.seconds_per_step(),
            ),
            None => {}
        }
    }

    /// The newest losses in words, with what they are where D cannot tell real from fake.
    fn losses(&self) -> String {
        let Some(losses) = &self.latest else { return "no losses yet".into() };
        let values: Vec<String> =
            losses.named.iter().map(|(n, v)| format!("{n}: {v:.3}")).collect();
        let chance = self.started.as_ref().map(|s| s.model.chance_text()).unwrap_or_default();
        let chance = if chance.is_empty() { chance } else { format!(" (chance: {chance})") };
        values.join(" ") + &chance
    }

    fn ended(&self, ended: &Ended) -> String {
        let pace = &ended.pace;
        let mut text = String::new();
        if pace.steps() > 0 {
            text += &format!(
                "{} steps in {:.1} s: {:.3} s/step, {:.2} images/s, {:.1} % of it waiting for \
                 data; {}\n",
                pace.steps(),
                ended.elapsed.as_secs_f64(),
                pace.seconds_per_step(),
                pace.images_per_second(),
                100.0 * pace.wait_share(),
                self.losses()
            );
        }
        if let Some(peak) = pixtape::session::peak_memory() {
            text += &format!("process memory peak {}\n", mib(peak));
        }
        text += &format!("saved in {}", ended.folder.display());
        if ended.step < ended.steps || ended.interrupted {
            let (why, more) = match ended.stopped_early {
                Some(most) => (
                    format!(", since val/ has not improved for {most} validations"),
                    format!(" --early_stop {}", 2 * most),
                ),
                None => (String::new(), String::new()),
            };
            text += &format!(
                "\nstopped at step {} of {}{why}; resume with: {}{more}",
                ended.step,
                ended.steps,
                resume(&ended.folder)
            );
        }
        text
    }
}

impl Observer for Terminal {
    fn event(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Started(started) => {
                self.say(&self.opening);
                self.started = Some(started.clone());
            }
            Event::Note(text) => self.say(&format!("note: {}", with_flags(text))),
            Event::NothingToDo { step, steps } => self.say(&format!(
                "nothing to do: {step} steps are done, {steps} were asked for; raise --n_epochs or \
                 --max_steps"
            )),
            Event::Losses { losses, .. } => self.latest = Some(losses.clone()),
            Event::Step(step) => self.step(step),
            Event::Remark(Remark { step, message, .. }) => {
                self.say(&format!("step {step}: {}", with_flags(message)));
            }
            Event::Validated(Validated { epoch, mean, best, .. }) => self.say(&format!(
                "epoch {epoch}, val/: L1 {:.5}, PSNR {:.2} dB, SSIM {:.4}{}",
                mean.l1,
                mean.psnr,
                mean.ssim,
                if *best { ", the best so far" } else { "" }
            )),
            Event::Searching { step, steps } => self.say(&format!(
                "diverged at step {step}: the steps since the last checkpoint ({steps}) run again \
                 to find where it begins (Ctrl-C skips that)"
            )),
            Event::Ended(ended) => {
                self.bar.take().inspect(ProgressBar::finish_and_clear);
                self.say(&self.ended(ended));
            }
            _ => {}
        }
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.bar.take().inspect(ProgressBar::finish_and_clear);
    }
}

/// Prints warnings, and nothing else, on stderr: for every training, whatever else is printed.
#[derive(Debug)]
pub(crate) struct Warnings;

impl Observer for Warnings {
    fn event(&mut self, event: &Event) -> Result<()> {
        if let Event::Warning(text) = event {
            eprintln!("note: {}", with_flags(text));
        }
        Ok(())
    }
}

/// Whether losses are printed after a step, where there is a line every so many images.
pub(super) fn due(step: u64, images: u64, print_freq: u64) -> bool {
    step * images % print_freq.max(1) < images
}

/// Begins to draw a bar of so many steps.
fn show(bar: &ProgressBar, steps: u64) {
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {prefix} left\n{msg}")
        .expect("a valid template");
    bar.set_style(style);
    bar.set_length(steps);
    bar.set_draw_target(ProgressDrawTarget::stderr());
}

/// `1:02:03`.
fn clock(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn mib(bytes: u64) -> String {
    format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20))
}

/// A bar for the headers of a dataset's files; drawn on a terminal only.
pub(crate) fn scan() -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} image headers")
        .expect("a valid template");
    ProgressBar::no_length().with_style(style)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pixtape::train::{Model, Pix2PixConfig};

    #[test]
    fn losses_are_printed_with_their_level_of_chance() {
        let mut terminal = Terminal::new(String::new(), 100);
        assert_eq!((terminal.losses(), clock(3723.4)), ("no losses yet".into(), "1:02:03".into()));
        terminal.started = Some(Started {
            folder: "run".into(),
            step: 0,
            steps: 10,
            images: 4,
            device_bytes: 0,
            model: Pix2PixConfig::default().describe(),
            info: serde_json::Value::Null,
        });
        terminal.latest = Some(Losses {
            step: 3,
            named: ["G_GAN", "G_L1", "D_real", "D_fake"].map(|name| (name, 0.5)).to_vec(),
        });
        assert_eq!(
            terminal.losses(),
            "G_GAN: 0.500 G_L1: 0.500 D_real: 0.500 D_fake: 0.500 (chance: 0.693)"
        );
    }

    #[test]
    fn a_line_is_due_every_so_many_images() {
        let steps: Vec<u64> = (1..=60).filter(|step| due(*step, 4, 100)).collect();
        assert_eq!(steps, [25, 50]);
        assert!((1..5).all(|step| due(step, 1, 0)));
    }
}
