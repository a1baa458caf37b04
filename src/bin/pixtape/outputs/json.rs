//! A training for other programs: a JSON object per line.

use crate::messages::{self, with_flags};
use crate::outputs::terminal::due;
use pixtape::Result;
use pixtape::session::{Event, Observer, Remark, Started, Step, Validated, peak_memory};
use pixtape::train::Losses;
use serde_json::{Map, Value, json};

/// Prints events as JSON lines; `kind` says which.
#[derive(Debug)]
pub(crate) struct JsonLines {
    /// Images between lines of steps.
    print_freq: u64,
    started: Option<Started>,
    latest: Option<Losses>,
}

impl JsonLines {
    pub fn new(print_freq: u64) -> JsonLines {
        JsonLines { print_freq, started: None, latest: None }
    }

    fn step(&self, at: &Step) -> Option<Value> {
        let started = self.started.as_ref()?;
        let losses: Map<String, Value> = self
            .latest
            .iter()
            .flat_map(|l| &l.named)
            .map(|(name, value)| (name.to_string(), json!(value)))
            .collect();
        let model = &started.model;
        let levels: Map<String, Value> = model
            .with_chance()
            .into_iter()
            .map(|(name, level)| (name.to_string(), json!(level)))
            .collect();
        let Step { step, epoch, pace, .. } = at;
        due(*step, started.images, self.print_freq).then(|| {
            json!({
                "step": step,
                "steps": started.steps,
                "epoch": epoch,
                "seconds_per_step": pace.seconds_per_step(),
                "images_per_second": pace.images_per_second(),
                "data_wait_share": pace.wait_share(),
                "seconds_left": pace.seconds_for(started.steps.saturating_sub(*step)),
                "device_bytes": started.device_bytes,
                "losses_step": self.latest.as_ref().map(|l| l.step),
                "losses": losses,
                "chance": model.discriminator_chance(),
                "chance_levels": Some(levels).filter(|levels| !levels.is_empty()),
            })
        })
    }
}

impl Observer for JsonLines {
    fn event(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Started(started) => {
                line("start", started.info.clone());
                self.started = Some(started.clone());
            }
            Event::Note(text) => line("note", json!({ "message": with_flags(text) })),
            Event::NothingToDo { step, steps } => {
                line("end", json!({ "step": step, "steps": steps }));
            }
            Event::Losses { losses, .. } => self.latest = Some(losses.clone()),
            Event::Step(step) => self.step(step).into_iter().for_each(|row| line("step", row)),
            Event::Remark(Remark { step, kind, message }) => {
                line(
                    "event",
                    json!({ "step": step, "event": kind, "message": with_flags(message) }),
                );
            }
            Event::Validated(Validated { step, epoch, mean, best }) => line(
                "validation",
                json!({
                    "step": step,
                    "epoch": epoch,
                    "l1": mean.l1,
                    "psnr": mean.psnr,
                    "ssim": mean.ssim,
                    "best": best,
                }),
            ),
            Event::Searching { step, .. } => line("diverged", json!({ "step": step })),
            Event::Ended(ended) => line(
                "end",
                json!({
                    "first": ended.first,
                    "step": ended.step,
                    "steps": ended.steps,
                    "seconds_per_step": ended.pace.seconds_per_step(),
                    "images_per_second": ended.pace.images_per_second(),
                    "data_wait_share": ended.pace.wait_share(),
                    "folder": ended.folder.to_string_lossy(),
                    "stopped_early": ended.stopped_early.is_some(),
                    "process_peak_bytes": peak_memory(),
                }),
            ),
            _ => {}
        }
        Ok(())
    }
}

fn line(kind: &str, fields: Value) {
    let mut row = Map::from_iter([("kind".to_string(), Value::from(kind))]);
    if let Value::Object(fields) = fields {
        row.extend(fields);
    }
    println!("{}", messages::json(&Value::Object(row).to_string()));
}
